"""Formats around a format: versions of the value, signatures, compression; alone and around one another."""

from __future__ import annotations

import bz2
import copy
import gzip
import hmac
import io
import itertools
import json
import lzma
import pickle
import struct
import sys
import tracemalloc
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import atomic_store
from atomic_store import (
    Compressed,
    FormatError,
    LoadError,
    MissingLibraryError,
    SignatureError,
    Signed,
    Verified,
    Versioned,
    VersionError,
    formats,
)
from atomic_store.formats import wrappers
from atomic_store.testing import Memory

KEY, OTHER = bytes(range(32)), bytes(range(1, 33))
VERSION = "__atomic_store_version__"
METHODS = ["gzip", "bz2", "xz", "zstd"]
Record = Callable[[str, object], None]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "value"


class Table:
    """Rows below a header, unless the keywords leave it out: then no rows are an empty file."""

    def dump(self, rows: list[str], file: Any, header: bool = True) -> None:
        file.write("# a table\n" * header + "".join(f"{row}\n" for row in rows))

    def load(self, file: Any, header: bool = True) -> list[str]:
        lines: list[str] = file.read().decode().splitlines()
        if header and lines.pop(0) != "# a table":
            raise ValueError("no table")
        return lines


class Same(atomic_store.Wrapper):
    """Stores what the format inside writes."""

    def wrap(self, content: bytes) -> bytes:
        return content

    unwrap = wrap


class Watched:
    """JSON that counts how often it was asked to decode."""

    loads = 0

    def dump(self, value: Any, file: Any) -> None:
        file.write(json.dumps(value).encode())

    def load(self, file: Any) -> Any:
        self.loads += 1
        return json.load(file)


def written(value: Any, format: Any, **options: Any) -> bytes:
    """The bytes that a commit of the value stores."""
    place = Memory()
    atomic_store.open(place, value, format, **options).commit()
    assert place.content is not None
    return place.content


def read(content: bytes, format: Any, **options: Any) -> Any:
    """The value that a program finds in these bytes."""
    store = atomic_store.open(Memory(content), "the default", format, **options)
    assert store.stored
    return store.value


def refused(content: bytes, format: Any, error: type[LoadError] = LoadError, *, damaged: bool = False) -> LoadError:
    """The error by which a load is refused; unless the bytes are damaged, they are not set aside either."""
    place = Memory(content)
    with pytest.raises(error) as caught:
        atomic_store.open(place, "the default", format, on_corrupt="raise" if damaged else "quarantine")
    assert (caught.value.damaged, place.content, place.asides) == (damaged, content, [])
    assert type(caught.value) is error
    return caught.value


def enveloped(version: Any, value: Any = "old") -> bytes:
    return json.dumps({VERSION: version, "value": value}).encode()


# --- Versioned -------------------------------------------------------------------------------------------------------


def first(value: Any) -> Any:
    return [*value, "by 0"]


def second(value: Any) -> Any:
    return [*value, "by 1"]


TWO = Versioned("json", 2, {0: first, 1: second})


def test_old_file_is_migrated_in_memory_and_written_on_commit(path: Path) -> None:
    """A file without an envelope is version 0, each step is taken in order, and opening writes nothing."""
    path.write_bytes(b'["plain"]')
    store = atomic_store.open(path, [], TWO)
    assert store.value == ["plain", "by 0", "by 1"]
    assert path.read_bytes() == b'["plain"]'
    store.commit()
    assert json.loads(path.read_bytes()) == {VERSION: 2, "value": ["plain", "by 0", "by 1"]}
    assert store.reload() == ["plain", "by 0", "by 1"]


@pytest.mark.parametrize(("version", "steps"), [(0, ["by 0", "by 1"]), (1, ["by 1"]), (2, [])])
def test_migration_begins_where_the_file_is(version: int, steps: list[str]) -> None:
    """Only the steps that are missing are taken."""
    assert read(enveloped(version, []), TWO) == steps


def test_default_is_of_the_newest_version(path: Path) -> None:
    """What is not stored is not migrated."""
    assert atomic_store.open(path, ["new"], TWO).value == ["new"]


def test_newer_file_is_refused_and_not_touched(path: Path) -> None:
    """An older program neither reads nor overwrites nor sets aside what a newer one has written."""
    content = enveloped(3)
    path.write_bytes(content)
    with pytest.raises(VersionError, match=r"version is 3: this program is older than the file") as caught:
        atomic_store.open(path, [], TWO, on_corrupt="quarantine")
    assert (caught.value.path, caught.value.format, caught.value.size) == (path, "json", len(content))
    assert path.read_bytes() == content
    assert len(list(path.parent.iterdir())) == 1


def test_file_older_than_the_first_migration_is_refused() -> None:
    """Where the first steps were removed from the program, files that old are a VersionError, not guessed at."""
    later = Versioned("json", 2, {1: second})
    assert read(enveloped(1, []), later) == ["by 1"]
    for content in (enveloped(0), b"[]"):
        assert "no migration begins there" in str(refused(content, later, VersionError))


@pytest.mark.parametrize("version", [True, False, 1.0, 1.5, "1", "x", None, -1, [1], {"a": 1}], ids=repr)
def test_odd_version_is_not_taken_for_another(version: Any) -> None:
    """A version that is no int from 0 up, True included, is a VersionError; the file stays."""
    assert "no envelope of ours" in str(refused(enveloped(version), TWO, VersionError))


class Heavy(dict[str, Any]):
    """What must not be written out, as the aliases of a YAML file, which stand for more than fits into any memory."""

    def __repr__(self) -> str:
        raise AssertionError("written out")


HEAVY = [Heavy(), [Heavy()], [[Heavy()]], 10**5000, [10**5000], "x" * 10**6, ["x" * 10**6] * 9]


@pytest.mark.parametrize("version", HEAVY, ids=["map", "list", "lists", "number", "numbers", "text", "texts"])
def test_message_does_not_write_out_what_stands_for_a_version(version: Any) -> None:
    """Whatever the file holds there, the message stays short, and making it costs nothing."""

    class Loads:
        dump = staticmethod(lambda value, file: file.write(b"x"))
        load = staticmethod(lambda file: {VERSION: version, "value": 1})

    assert len(str(refused(b"x", Versioned(Loads(), 1), VersionError))) < 1000


@pytest.mark.parametrize("content", [{VERSION: 1}, {VERSION: 1, "value": [], "note": "by hand"}, {VERSION: 1, "Value": []}])
def test_broken_envelope_is_not_taken_for_a_value_of_version_0(content: Any) -> None:
    """What has the key of the envelope, and is none, was edited: it is refused, not migrated."""
    assert f"['{VERSION}'" in str(refused(json.dumps(content).encode(), TWO, VersionError))


@pytest.mark.parametrize("value", [{"value": 1}, {"value": {"value": 2}}, {"version": 1, "value": 1}, {}, None, [], "value"])
def test_value_that_looks_like_an_envelope_is_none(value: Any) -> None:
    """A value with a key "value", in an envelope or without, is the value itself."""
    format = Versioned("json", 1, {0: lambda old: old if old is not None else "None"})
    assert read(written(value, format), format) == value
    assert read(json.dumps(value).encode(), format) == (value if value is not None else "None")


@pytest.mark.parametrize(
    ("migration", "told"),
    [
        (lambda value: value["no such key"], "KeyError: 'no such key'"),
        (lambda value: None, "the migration returned None: return the new value"),
        (lambda: None, "TypeError"),
    ],
)
def test_migration_that_fails_is_named_and_changes_nothing(migration: Any, told: str) -> None:
    """A step that raises, or returns nothing, is a LoadError with the step's number and cause; the file stays."""
    error = refused(enveloped(1, {"a": 1}), Versioned("json", 2, {0: first, 1: migration}))
    assert "from version 1 to 2" in str(error)
    assert told in str(error)
    assert isinstance(error.__cause__, Exception)


@pytest.mark.parametrize(
    ("version", "migrations", "told"),
    [
        (2, {0: first}, r"by the steps \[0, 1\], not \[0\]"),
        (3, {0: first, 2: first}, r"by the steps \[0, 1, 2\], not \[0, 2\]"),
        (1, {0: first, 1: first}, r"by the steps \[0\]"),
        (0, {0: first}, r"by the steps \[\], not \[0\]"),
        (1, {-1: first, 0: first}, "functions by the version"),
        (1, {"0": first}, "functions by the version"),
        (1, {False: first}, "functions by the version"),
        (1, {0: None}, "functions by the version"),
        (1, [first], "a dict of functions by the version"),
        (-1, None, "version should be an int from 0 up"),
        (True, None, "version should be an int from 0 up"),
        ("1", None, "version should be an int from 0 up"),
        (1.0, None, "version should be an int from 0 up"),
    ],
)
def test_missing_step_is_found_before_any_file_is(version: Any, migrations: Any, told: str) -> None:
    """Migrations with a hole, or past the version, and what is no version or function are a FormatError at once."""
    with pytest.raises(FormatError, match=told):
        Versioned("json", version, migrations)


def test_later_change_of_the_callers_dict_makes_no_hole() -> None:
    """The migrations are those that were checked."""
    migrations: dict[int, Callable[[Any], Any]] = {0: first}
    format = Versioned("json", 1, migrations)
    migrations.clear()
    assert read(b"[]", format) == ["by 0"]


@pytest.mark.parametrize("inner", ["json", "pickle", "bson", "yaml", "toml", "msgpack", "cbor", None, "auto"])
def test_every_format_takes_the_envelope(inner: Any, tmp_path: Path) -> None:
    """The value comes back out of the envelope of each named format; BSON and TOML hold a list that way too."""
    store = atomic_store.open(tmp_path / "value.json", [1, "a"], Versioned(inner, 7))
    store.commit()
    assert store.reload() == [1, "a"]


# --- Signed ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("inner", ["json", "pickle"])
def test_no_flipped_bit_is_decoded(inner: str, record_property: Record) -> None:
    """Each bit of a signed file flipped, one by one: every one is refused, and the format inside is never called."""
    watched = Watched()
    format = Signed(watched if inner == "json" else (pickle.dumps, _never), KEY)
    content = written({"a": [1, 2.5, "ü"]}, Signed(inner, KEY))
    for position, bit in itertools.product(range(len(content)), range(8)):
        changed = bytearray(content)
        changed[position] ^= 1 << bit
        refused(bytes(changed), format, SignatureError)
    assert watched.loads == 0
    record_property("flips refused", 8 * len(content))


def _never(content: Any) -> Any:
    raise AssertionError("nothing may be decoded")


def test_no_part_of_a_signed_file_is_decoded(record_property: Record) -> None:
    """Cut off anywhere, at either end, empty, doubled, with something before or after: all refused, none decoded."""
    watched = Watched()
    format = Signed(watched, KEY)
    whole = written({"a": [1, 2.5]}, format)
    parts = [whole[:n] for n in range(len(whole))] + [whole[n:] for n in range(1, len(whole) + 1)]
    parts += [whole + whole, whole + b"\n", b"\n" + whole, whole + b"\0", b'{"a": 1}', whole.replace(b"\n", b"\r\n")]
    for part in parts:
        error = refused(part, format, SignatureError)
        assert error.size == len(part)
    assert watched.loads == 0
    assert read(whole, format) == {"a": [1, 2.5]}
    assert watched.loads == 1
    record_property("parts refused", len(parts))


def test_signature_of_another_store_is_refused() -> None:
    """A signature fits the bytes it was made of, and no others, of the same key or length."""
    one, two = (written(value, Signed("json", KEY)) for value in (["a"], ["b"]))
    assert len(one) == len(two)
    end = one.index(wrappers.Signed.MARK)
    refused(one[:end] + two[end:], Signed("json", KEY), SignatureError)


def signed_as_before(body: bytes) -> bytes:
    """Sign as older versions did: with the key itself, whatever the format."""
    return body + Signed.MARK + hmac.new(KEY, body, "sha256").hexdigest().encode() + b"\n"


def test_bytes_signed_for_one_format_do_not_pass_for_another() -> None:
    """Another format, another context or none under the same key is a SignatureError; nothing is decoded."""
    one = Signed("cbor", KEY, "notes")
    content = written(["harmless"], one)
    assert read(content, Signed("cbor", KEY, b"notes")) == ["harmless"]
    assert read(content, Signed(Verified("cbor"), KEY, "notes")) == ["harmless"]
    for other in (
        Signed("pickle", KEY, "notes"),
        Signed("cbor", KEY),
        Signed("cbor", KEY, "cache"),
        Signed("json", KEY, "notes"),
    ):
        refused(content, other, SignatureError)
    refused(signed_as_before(pickle.dumps(1)), Signed("pickle", KEY), SignatureError)
    refused(signed_as_before(b"[1]"), Signed("json", KEY, "notes"), SignatureError)
    refused(signed_as_before(b"[1]"), Signed((json.dumps, json.loads), KEY), SignatureError)
    with pytest.raises(FormatError, match="context should be"):
        Signed("json", KEY, 5)  # type: ignore[arg-type]


def test_wrapper_shows_what_it_is_and_no_key() -> None:
    """A wrapper in a message or a debugger tells its formats, and neither its key nor an address."""
    assert repr(Compressed(Signed("pickle", KEY))) == "<Compressed(Signed(pickle)) by gzip>"


@pytest.mark.parametrize("format", ["json", None, "yaml", Versioned("json", 0)], ids=str)
def test_file_signed_by_an_older_version_is_read_where_that_is_safe(format: Any) -> None:
    """What was signed before the format was part of the signature is loaded if its format runs no code."""
    assert read(signed_as_before(b"[1]"), Signed(format, KEY)) == [1]
    assert read(signed_as_before(b"[1]"), Signed(format, [OTHER, KEY])) == [1]


def test_older_file_of_the_same_key_is_not_noticed() -> None:
    """What Signed does not do: an earlier file, or another store's, that was put back as a whole is accepted."""
    earlier = written("earlier", Signed("json", KEY))
    assert read(earlier, Signed("json", KEY)) == "earlier"
    assert b'"earlier"' in earlier  # nor does it hide the value


def test_wrong_key_is_refused_and_moves_nothing(path: Path) -> None:
    """A file by another key is a SignatureError that says so; it is whole, and where it was."""
    atomic_store.open(path, 1, Signed("json", OTHER)).commit()
    content = path.read_bytes()
    with pytest.raises(
        SignatureError, match="by another key, or for another format or context, or the file was changed"
    ) as caught:
        atomic_store.open(path, 1, Signed("json", KEY), on_corrupt="quarantine")
    assert (caught.value.path, caught.value.size, caught.value.damaged) == (path, len(content), False)
    assert path.read_bytes() == content
    path.write_bytes(b"1")
    with pytest.raises(SignatureError, match="missing or cut off"):
        atomic_store.open(path, 1, Signed("json", KEY))


def test_key_can_be_changed_without_a_pause() -> None:
    """The first key signs, each of the list is accepted; once the old one is gone, what it signed is refused."""
    old = written("old", Signed("json", OTHER))
    both = Signed("json", [KEY, OTHER])
    assert read(old, both) == "old"
    new = written("new", both)
    assert read(new, Signed("json", KEY)) == "new"
    refused(old, Signed("json", (KEY,)), SignatureError)
    refused(new, Signed("json", OTHER), SignatureError)


def test_time_tells_nothing_about_the_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each key is compared, whichever fits, and by hmac.compare_digest alone."""
    compared: list[tuple[bytes, bytes]] = []
    real = hmac.compare_digest

    def compare(a: bytes, b: bytes) -> bool:
        compared.append((a, b))
        return real(a, b)

    monkeypatch.setattr(hmac, "compare_digest", compare)
    content = written(1, Signed("json", KEY))
    # Of each key, the one for this format, and the key itself, which older versions signed with.
    for keys, right in (([KEY, OTHER], [True, False, False, False]), ([OTHER, KEY], [False, True, False, False])):
        compared.clear()
        assert read(content, Signed("json", keys)) == 1
        assert [a == b for a, b in compared] == right
    compared.clear()
    refused(content[:-1] + b"x", Signed("json", [OTHER, KEY]), SignatureError)
    assert len(compared) == 4


@pytest.mark.parametrize(
    ("key", "told"),
    [
        (b"", "at least 16 bytes, not 0"),
        (b"x" * 15, "at least 16 bytes, not 15"),
        ("x" * 32, r"bytes, not str; for text, text\.encode\(\)"),
        ([], "there is none"),
        ((), "there is none"),
        (None, "bytes, not NoneType"),
        (32, "bytes, not int"),
        ([KEY, b""], "at least 16 bytes, not 0"),
        ([KEY, "x" * 32], "bytes, not str"),
        (memoryview(KEY), "bytes, not memoryview"),
    ],
)
def test_key_that_protects_nothing_is_refused(key: Any, told: str) -> None:
    """An empty or short key, text, and no key at all are a FormatError before any file is looked at."""
    with pytest.raises(FormatError, match=told):
        Signed("json", key)


def test_key_cannot_be_changed_behind_the_store() -> None:
    """A bytearray is taken as it is now."""
    key: Any = bytearray(KEY)
    format = Signed("json", key)
    key[:] = bytes(32)
    assert read(written(1, Signed("json", KEY)), format) == 1


def test_key_is_in_no_message(path: Path) -> None:
    """Neither the repr of a store nor an error shows the key."""
    key = b"this is the very secret key itself"
    path.write_bytes(b"x" * 200)
    with pytest.raises(SignatureError) as caught:
        atomic_store.open(path, 1, Signed("json", key))
    store = atomic_store.open(Memory(), 1, Signed("json", key))
    assert "secret" not in f"{caught.value!r} {store!r} {store.format!r}"


def test_signature_is_a_plain_hmac() -> None:
    """Another program can check the file with nothing but HMAC: the last line is that of all before it."""
    content = written([1], Signed("json", KEY, "jobs"))
    body, mark, rest = content.partition(b"\n-- atomic_store hmac-sha256 ")
    assert (body, mark, rest[-1:]) == (b"[1]", wrappers.Signed.MARK, b"\n")
    key = hmac.digest(KEY, b"atomic_store Signed\0json\0jobs", "sha512")
    assert rest[:-1].decode() == hmac.new(key, body, "sha256").hexdigest()


@pytest.mark.parametrize("place", [0, 200_000, 399_999])
def test_every_piece_of_a_large_value_is_signed(place: int) -> None:
    """What a format writes in many pieces is signed to its end: another byte anywhere is refused, and not decoded."""

    class InPieces:
        loads = 0

        def dump(self, value: bytes, file: Any) -> None:
            for begin in range(0, len(value), 1000):
                file.write(value[begin : begin + 1000])

        def load(self, file: Any) -> bytes:
            self.loads += 1
            return bytes(file.read())

    inside = InPieces()
    value = bytes(400_000)
    content = written(value, Signed(inside, KEY))
    assert read(content, Signed(inside, KEY)) == value
    loads = inside.loads
    changed = bytearray(content)
    changed[place] ^= 1
    with pytest.raises(SignatureError):
        read(bytes(changed), Signed(inside, KEY))
    assert inside.loads == loads


# --- Compressed ------------------------------------------------------------------------------------------------------


def squeeze(data: bytes, method: str) -> bytes:
    """Compress by other means than ours."""
    if method == "zstd":
        zstd: Any = __import__("backports.zstd", fromlist=["compress"])
        return bytes(zstd.compress(data))
    pack: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}
    return pack[method](data)


@pytest.mark.parametrize("method", METHODS)
def test_compressed_file_is_an_ordinary_one(method: str) -> None:
    """What is written other programs unpack, and what they have packed is read."""
    unpack: dict[str, Callable[[bytes], bytes]] = {
        "gzip": gzip.decompress,
        "bz2": bz2.decompress,
        "xz": lzma.decompress,
        "zstd": __import__("backports.zstd", fromlist=["decompress"]).decompress,
    }
    assert unpack[method](written({"a": 1}, Compressed("json", method))) == b'{"a": 1}'
    assert read(squeeze(b'{"a": 1}', method), Compressed("json", method)) == {"a": 1}


@pytest.mark.parametrize("method", METHODS)
def test_equal_values_make_equal_bytes(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No time and no name is in the file: a commit of the same value at another time and place is the same bytes."""
    value, content = list(range(1000)), written(list(range(1000)), Compressed("json", method))
    monkeypatch.setattr("time.time", lambda: 5e9)
    place = Memory(path="somewhere/else")
    atomic_store.open(place, value, Compressed("json", method)).commit()
    assert place.content == content
    if method == "gzip":
        assert content[4:8] == bytes(4)


@pytest.mark.parametrize(("method", "levels"), [("gzip", (1, 9)), ("bz2", (1, 5)), ("xz", (0, 6)), ("zstd", (1, 19))])
def test_level_is_passed_on(method: str, levels: tuple[int, int]) -> None:
    """A higher level makes a smaller file, and either is read whatever the level."""
    value = [[str(n**7) for n in range(10_000)]] * 4
    fast, small = (written(value, Compressed("json", method, level=level)) for level in levels)
    assert len(small) < len(fast)
    assert read(fast, Compressed("json", method)) == read(small, Compressed("json", method)) == value


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"method": "lz4"}, "one of gzip, bz2, xz, zstd, not 'lz4'"),
        ({"method": None}, "one of gzip"),
        ({"level": 10}, "level should be one that gzip has"),
        ({"level": "9"}, "level should be one that gzip has"),
        ({"method": "bz2", "level": 0}, "level should be one that bz2 has"),
        ({"method": "xz", "level": 10}, "level should be one that xz has"),
        ({"method": "zstd", "level": 23}, "level should be one that zstd has"),
        ({"max_size": -1}, "max_size should be"),
        ({"max_size": "1 GB"}, "max_size should be"),
        ({"max_size": True}, "max_size should be"),
    ],
)
def test_unknown_method_or_level_is_refused_at_once(options: dict[str, Any], told: str) -> None:
    """What cannot be done is a FormatError before any file is looked at."""
    with pytest.raises(FormatError, match=told):
        Compressed("json", **options)


def test_zstd_that_is_not_there_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without either module zstd is a MissingLibraryError with the line that installs it; so is a suffix .zst."""
    monkeypatch.setitem(sys.modules, "compression.zstd", None)
    monkeypatch.setitem(sys.modules, "backports.zstd", None)
    with pytest.raises(MissingLibraryError, match=r'pip install "atomic-store\[zstd\]"'):
        Compressed("json", "zstd")
    with pytest.raises(MissingLibraryError, match=r'pip install "atomic-store\[zstd\]"'):
        atomic_store.open("no/such/directory/value.json.zst", format="auto")


def test_zstd_of_the_standard_library_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Python has zstd itself, no package is needed."""
    own: Any = __import__("backports.zstd", fromlist=["zstd"])
    monkeypatch.setitem(sys.modules, "compression", types.SimpleNamespace(zstd=own))
    monkeypatch.setitem(sys.modules, "compression.zstd", own)
    monkeypatch.setitem(sys.modules, "backports.zstd", None)
    assert read(written([1], Compressed("json", "zstd")), Compressed("json", "zstd")) == [1]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("inner", ["json", "pickle"])
def test_truncated_or_longer_file_is_damage(method: str, inner: str, record_property: Record) -> None:
    """Every cut, and whatever stands after the end, is refused as damage: nothing passes for a shorter value."""
    format = Compressed(inner, method)
    whole = written(["x" * 50, *range(50)], format)
    parts = [whole[:n] for n in range(len(whole))] + [whole + b"\0", whole + whole, whole + b"x" * 100_000]
    for part in parts:
        assert refused(part, format, damaged=True).size == len(part)
    assert read(whole, format) == ["x" * 50, *range(50)]
    record_property("parts refused", len(parts))


@pytest.mark.parametrize("method", METHODS)
def test_damaged_compression_is_set_aside_as_any_damage(method: str) -> None:
    """Compressed data that cannot be unpacked are damage, also where the error is an OSError of bz2's."""
    place = Memory(squeeze(b'{"a": 1}', method)[:4] + b"garbage" * 9)
    with pytest.warns(UserWarning, match="kept as"):
        store = atomic_store.open(place, "the default", Compressed("json", method), on_corrupt="quarantine")
    assert (store.value, store.stored, len(place.asides)) == ("the default", False, 1)


def test_error_of_the_disk_is_no_damage_behind_compression() -> None:
    """An OSError of the file itself comes out as it is, through compression and pickle."""
    place = Memory(written(list(range(100_000)), Compressed("pickle")))
    failure = OSError(5, "of the disk")

    def broken(buffer: Any) -> int:
        raise failure

    def opened(exact: bool = False) -> Any:
        file: Any = Memory.read(place, exact)
        file.readinto = broken
        return file

    place.read = opened  # type: ignore[method-assign]
    for inner in ("json", "pickle"):
        with pytest.raises(OSError, match="of the disk") as caught:
            atomic_store.open(place, None, Compressed(inner), on_corrupt="quarantine")
        assert caught.value is failure
    assert place.asides == []


BOMB = 3_000_000


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("inner", ["json", "pickle"])
def test_bomb_does_not_go_off(method: str, inner: str) -> None:
    """A small file that unpacks to more than max_size is refused before that much memory is taken; it is no damage."""
    data = json.dumps(" " * BOMB).encode() if inner == "json" else pickle.dumps(b" " * BOMB)
    content = squeeze(data, method)
    assert len(content) < BOMB // 100
    assert len(read(content, Compressed(inner, method, max_size=len(data)))) == BOMB
    for limit in (0, 1000, len(data) - 1):
        assert f"max_size={limit}" in str(refused(content, Compressed(inner, method, max_size=limit)))


def test_bomb_takes_no_memory() -> None:
    """Of 100 MB behind 100 kB nothing beyond max_size and some pieces is ever in memory."""
    content = gzip.compress(b" " * 100_000_000, 1)
    tracemalloc.start()
    refused(content, Compressed("json", max_size=1_000_000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5_000_000


def test_bound_has_a_sane_default_and_can_be_lifted() -> None:
    """By itself a value may unpack to 1 GiB; None means any size."""
    assert Compressed().max_size == 1 << 30
    content = written([1] * 1000, Compressed("json", max_size=None))
    assert read(content, Compressed("json", max_size=None)) == [1] * 1000


def test_dictionary_of_gigabytes_is_not_allocated() -> None:
    """The head of an .xz file cannot ask for more memory than any preset needs: here for 1.5 GiB."""
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 4096}]
    content = bytearray(lzma.compress(b"[1]", filters=filters))
    head = bytes(content[12:24])  # the block header: size, flags, filter id, size of properties, properties, padding, CRC32
    assert head[:4] == b"\x02\x00\x21\x01"
    changed = head[:4] + bytes([37]) + head[5:8]  # 3 << 29 bytes, as the format counts
    content[12:24] = changed + struct.pack("<I", __import__("zlib").crc32(changed))
    assert "Memory usage limit" in str(refused(bytes(content), Compressed("json", "xz")))


def test_value_that_could_not_be_loaded_again_is_not_written(path: Path) -> None:
    """A commit of more than max_size bytes is refused, and the old file is whole."""
    store = atomic_store.open(path, "old", Compressed("json", max_size=100))
    store.commit()
    before = path.read_bytes()
    store.value = "x" * 98
    store.commit()
    store.value = "x" * 99
    with pytest.raises(FormatError, match="at most max_size=100 bytes"):
        store.commit()
    assert store.reload() == "x" * 98
    assert before != path.read_bytes()
    assert [each.name for each in path.parent.iterdir()] == ["value"]


class Endless:
    """A format that writes and reads many pieces, and holds none of them."""

    streams = True
    PIECES, PIECE = 512, bytes(1 << 16)

    def dump(self, value: Any, file: Any) -> None:
        for _ in range(self.PIECES):
            file.write(self.PIECE)

    def load(self, file: Any) -> Any:
        buffer, size = bytearray(1 << 16), 0
        assert file.read(0) == b""
        while got := file.readinto(buffer):
            size += got
        return size


@pytest.mark.parametrize(("method", "level"), [("gzip", 1), ("bz2", 1), ("xz", 0), ("zstd", 1)])
def test_large_value_is_never_in_memory_as_a_whole(method: str, level: int, path: Path) -> None:
    """32 MB pass through commit and load in pieces, compressed and not: what is in memory is a fraction of that."""
    whole = Endless.PIECES << 16
    format = Compressed(Endless(), method, level=level)
    atomic_store.open(path, 0, format)
    tracemalloc.start()
    store = atomic_store.open(path, 0, format)
    store.commit()
    assert store.reload() == whole
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < whole / 3
    assert path.stat().st_size < whole / 100


class Hasty:
    """A format that reads no more than it needs."""

    streams = True

    def dump(self, value: Any, file: Any) -> None:
        file.write(value)

    def load(self, file: Any) -> Any:
        return file.read(1)


@pytest.mark.parametrize("method", METHODS)
def test_format_that_stops_early_hides_no_damage(method: str) -> None:
    """The compressed data are looked at to their end, whatever the format inside has read of them."""
    content = written(b"x" * 300_000, Compressed(Hasty(), method))
    assert read(content, Compressed(Hasty(), method)) == b"x"
    for damaged in (content[:-1], content + b"x"):
        refused(damaged, Compressed(Hasty(), method), damaged=True)


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz", ".zst", ".GZ"])
@pytest.mark.parametrize("name", ["value.json", "value.yml", "value.toml", "value.msgpack", "value.cbor", "value.bson"])
def test_suffixes_say_both_formats(tmp_path: Path, name: str, suffix: str) -> None:
    """With format="auto", .json.gz and its like are compressed; the value comes back."""
    path = tmp_path / (name + suffix)
    atomic_store.open(path, {"a": [1]}, "auto").commit()
    assert atomic_store.open(path, format="auto").value == {"a": [1]}
    inner = {"yml": "yaml"}.get(name.split(".")[1], name.split(".")[1])
    method = {".zst": "zstd", ".bz2": "bz2", ".xz": "xz"}.get(suffix, "gzip")
    assert atomic_store.open(path, format=Compressed(inner, method)).value == {"a": [1]}


@pytest.mark.parametrize("name", ["value.gz", "value.pickle.gz", "value.pkl.xz", ".json.gz.zip", "gz"])
def test_suffix_of_compression_leads_to_no_guess(tmp_path: Path, name: str) -> None:
    """A compression alone says no format, and no suffix inside it ever says pickle."""
    with pytest.raises(FormatError, match="finds"):
        atomic_store.open(tmp_path / name, format="auto")


def test_auto_works_inside_a_wrapper(tmp_path: Path) -> None:
    """Signed("auto") and Compressed("auto") go by the suffix of the store, before that of the compression."""
    for format, name in ((Signed("auto", KEY), "a.yaml"), (Compressed("auto"), "b.yaml.gz"), (Compressed("auto"), "c.yaml")):
        path = tmp_path / name
        store = atomic_store.open(path, {"a": 1}, format)
        store.commit()
        assert store.reload() == {"a": 1}
        assert "auto" in repr(store)
    assert (tmp_path / "a.yaml").read_bytes().startswith(b"a: 1\n")
    assert gzip.decompress((tmp_path / "b.yaml.gz").read_bytes()) == b"a: 1\n"


# --- around one another ----------------------------------------------------------------------------------------------

WRAPPERS: dict[str, Callable[[Any], Any]] = {
    "Versioned": lambda inner: Versioned(inner, 1, {0: first}),
    "Signed": lambda inner: Signed(inner, KEY),
    "Compressed": lambda inner: Compressed(inner, "gzip"),
    "Verified": Verified,
}
VALUE = {"name": "Zoë", "list": [1, 2.5, None, True], "more": {"a": {}}}


def around(names: tuple[str, ...], inner: Any) -> Any:
    for name in reversed(names):
        inner = WRAPPERS[name](inner)
    return inner


@pytest.mark.parametrize("inner", ["json", "pickle", "bson", "yaml", "msgpack", "cbor", json, Watched(), (repr, eval)])
@pytest.mark.parametrize("names", list(itertools.permutations(WRAPPERS)), ids="-".join)
def test_wrappers_combine_in_any_order(names: tuple[str, ...], inner: Any) -> None:
    """All of them around each other, in all orders, around text and binary formats: the value comes back."""
    format = around(names, inner)
    content = written(VALUE, format)
    assert read(content, around(names, inner)) == VALUE
    for damaged in (content[:-1], content[1:], content + b" ", b""):
        with pytest.raises(LoadError):
            read(damaged, format)


@pytest.mark.parametrize("names", list(itertools.permutations(["Versioned", "Signed", "Compressed"])))
def test_newer_version_is_recognised_at_any_depth(names: tuple[str, ...]) -> None:
    """A newer version is a VersionError, and a wrong key a SignatureError, whatever is around; neither is damage."""
    newer: dict[str, Callable[[Any], Any]] = {
        **WRAPPERS,
        "Versioned": lambda inner: Versioned(inner, 9),
        "Signed": lambda inner: Signed(inner, OTHER),
    }
    for kind, error in (("Versioned", VersionError), ("Signed", SignatureError)):
        format: Any = "pickle"
        for name in reversed(names):
            format = (newer if name == kind else WRAPPERS)[name](format)
        refused(written([1], format), around(names, "pickle"), error)


@pytest.mark.parametrize("name", WRAPPERS)
def test_pickle_whose_class_has_moved_is_no_damage_at_any_depth(name: str) -> None:
    """What the program lacks is not the file's fault, inside a wrapper either."""

    class Disassembled:
        """Bytes as they are, under the name of pickle: what is signed as such."""

        label, dumps, loads = "pickle", bytes, bytes

    content = b"cno_such_module\nClass\n."
    if name in ("Signed", "Compressed"):
        content = written(content, WRAPPERS[name](Disassembled()))
    assert "no_such_module" in str(refused(content, WRAPPERS[name]("pickle")))


@pytest.mark.parametrize("names", [*itertools.permutations(WRAPPERS, 2), *itertools.permutations(WRAPPERS)])
def test_keywords_reach_the_innermost_format(names: tuple[str, ...]) -> None:
    """dump_kwargs and load_kwargs go through all wrappers to the format that knows them."""
    format = around(names, "json")
    content = written({"b": 1, "a": 2}, format, dump_kwargs={"sort_keys": True})
    assert content == written({"a": 2, "b": 1}, format)
    parsed = read(written(1.5, around(names, "json")), format, load_kwargs={"parse_float": "<{}>".format})
    assert parsed == "<1.5>"  # decoded by the hook
    place = Memory(content)
    with pytest.raises(LoadError, match="nope") as caught:
        atomic_store.open(place, 1, format, load_kwargs={"nope": 1}, on_corrupt="quarantine")
    assert not caught.value.damaged
    store = atomic_store.open(Memory(), 1, format, dump_kwargs={"nope": 1})
    with pytest.raises(TypeError, match="nope"):
        store.commit()


def test_hook_that_fails_is_not_the_files_fault() -> None:
    """A file that loads without load_kwargs is sound, whatever a hook among them raises; a damaged one is damaged."""

    def hook(value: Any) -> Any:
        raise ValueError("the hook")

    for content, damaged in ((b"{}", False), (b"{", True)):
        place = Memory(content)
        with pytest.raises(LoadError) as caught:
            atomic_store.open(place, 1, load_kwargs={"object_hook": hook})
        assert caught.value.damaged is damaged
    legacy = b"S'\\xff'\n."  # protocol 0, as Python 2 wrote text
    place = Memory(legacy)
    with pytest.raises(LoadError, match="unknown encoding") as caught:
        atomic_store.open(place, 1, "pickle", load_kwargs={"encoding": "latin-1-misspelled"}, on_corrupt="quarantine")
    assert not caught.value.damaged


@pytest.mark.parametrize("name", WRAPPERS)
def test_wrapper_speaks_bytes_whatever_is_inside(name: str, path: Path) -> None:
    """is_binary is True around JSON too; asked for text, a commit is refused and nothing is stored."""
    assert atomic_store.open(path, 1, WRAPPERS[name]("json")).is_binary
    store = atomic_store.open(path, 1, WRAPPERS[name]("json"), is_binary=True)
    store.commit()
    assert store.reload() == 1
    path.unlink()
    if name != "Versioned":  # its bytes are those of the format inside, which is asked
        store = atomic_store.open(path, 1, WRAPPERS[name]("json"), is_binary=False)
        with pytest.raises(TypeError, match="is_binary=False"):
            store.commit()
        assert not path.exists()


@pytest.mark.parametrize("name", WRAPPERS)
@pytest.mark.parametrize("inner", ["jsn", 5, object(), ("a", "b")])
def test_wrapper_around_no_format_is_refused_at_once(name: str, inner: Any) -> None:
    """What is no format is a FormatError when the wrapper is made."""
    with pytest.raises(FormatError):
        WRAPPERS[name](inner)


@pytest.mark.parametrize("name", WRAPPERS)
def test_value_that_the_format_refuses_costs_nothing(name: str, path: Path) -> None:
    """The exception of the innermost format comes out with notes that name path and format; the old file is whole."""
    store = atomic_store.open(path, "old", WRAPPERS[name]("json"))
    store.commit()
    before = path.read_bytes()
    store.value = ["x" * 100_000, object()]
    with pytest.raises(TypeError, match="not JSON serializable") as caught:
        store.commit()
    assert any(repr(path) in note and name in note for note in caught.value.__notes__)
    assert path.read_bytes() == before
    assert [each.name for each in path.parent.iterdir()] == ["value"]


def test_file_of_a_wrapper_has_no_way_around_it(path: Path) -> None:
    """What a format writes through a descriptor would be neither signed nor compressed: there is none."""

    class ThroughDescriptor:
        def dump(self, value: Any, file: Any) -> None:
            assert (file.writable(), file.tell(), file.name) == (True, 0, path)
            file.write(b"12")
            assert file.tell() == 2
            file.fileno()

        def load(self, file: Any) -> Any:
            return file.read()

    for format in (Signed(ThroughDescriptor(), KEY), Compressed(ThroughDescriptor())):
        with pytest.raises(io.UnsupportedOperation):
            atomic_store.open(path, 1, format).commit()
        assert not path.exists()


@pytest.mark.parametrize("kind", [SignatureError, VersionError])
def test_error_of_a_wrapper_survives_pickling(kind: type[LoadError]) -> None:
    """A process pool hands these errors on with all their evidence."""
    error = kind("told", "a/path", "json", 5, damaged=False)
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert (str(copy), vars(copy)) == (str(error), vars(error))
    assert isinstance(copy, ValueError)


def test_wrappers_are_named_in_full() -> None:
    """The repr of a store tells the whole nest."""
    format = Signed(Compressed(Versioned("pickle", 1), "xz"), KEY)
    assert repr(atomic_store.open(Memory(), 1, format)) == (
        "<AtomicStore 'memory', format Signed(Compressed(Versioned(pickle)) by xz)>"
    )


class Wrapped:
    """A format that puts a text file of io around what it is given."""

    streams = True

    def dump(self, value: Any, file: Any) -> None:
        text = io.TextIOWrapper(file, "utf-8")
        text.write(value)
        text.flush()
        text.detach()

    def load(self, file: Any) -> Any:
        return io.TextIOWrapper(file, "utf-8").read()


@pytest.mark.parametrize("method", METHODS)
def test_compressed_file_is_a_file_of_io(method: str) -> None:
    """What a format inside a wrapper writes to and reads from takes io's own wrappers, as any raw file does."""
    content = written("text " * 100, Compressed(Wrapped(), method))
    assert read(content, Compressed(Wrapped(), method)) == "text " * 100


@pytest.mark.parametrize(
    "format",
    [
        *(Compressed("json", method, 1) for method in METHODS if method != "zstd"),
        Compressed(Verified("pickle"), "xz"),
        Compressed("auto"),
        Signed("pickle", KEY, "here"),
        Versioned("json", 1, {0: str}),
    ],
    ids=repr,
)
@pytest.mark.parametrize("transfer", [lambda wrapper: pickle.loads(pickle.dumps(wrapper)), copy.deepcopy, copy.copy])
def test_wrapper_sent_to_another_process_still_works(format: Any, transfer: Callable[[Any], Any], tmp_path: Path) -> None:
    """A wrapper that was pickled or copied writes and reads the same files as the original."""
    path, again = tmp_path / "value.json", transfer(format)
    assert repr(again) == repr(format)
    with atomic_store.open(path, default={"a": [1]}, format=again):
        pass
    assert atomic_store.open(path, format=format).value == {"a": [1]}
    assert atomic_store.open(path, format=again).value == {"a": [1]}


@pytest.mark.parametrize("type", [None, list[str]], ids=["plain", "typed"])
@pytest.mark.parametrize(
    "around",
    [lambda table: table, Compressed, Verified, Same, lambda table: Signed(table, KEY), lambda table: Same(Same(table))],
    ids=["bare", "Compressed", "Verified", "Wrapper", "Signed", "two"],
)
def test_empty_file_that_the_keywords_of_the_dump_write_is_loaded(around: Any, type: Any) -> None:
    """Whether an empty file is a value can depend on dump_kwargs: with them it is loaded, and without them refused."""
    codec = formats.resolve(around(Table()), type=type)
    bare = {"header": False}
    place = Memory()
    with place.replace() as file:
        codec.dump([], file, bare, bare)
    assert codec.load(place.read(), bare, bare) == []
    with pytest.raises(LoadError, match=r"is empty, and format .*Table.* does not write \[\] as an empty file"):
        codec.load(place.read(), bare)


@pytest.mark.parametrize("on_corrupt", ["raise", "quarantine"])
def test_store_loads_the_empty_file_that_it_has_committed(path: Path, on_corrupt: str) -> None:
    """The keywords of its dump make the file empty; on another program's empty file they change nothing."""
    bare: Any = {"dump_kwargs": {"header": False}, "load_kwargs": {"header": False}, "on_corrupt": on_corrupt}
    atomic_store.open(path, default=[], format=Table(), **bare).commit()
    assert path.read_bytes() == b""
    assert atomic_store.open(path, default=["default"], format=Table(), **bare).value == []
    with pytest.raises(LoadError):
        atomic_store.open(path, format=Table())
