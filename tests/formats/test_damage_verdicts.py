"""Damage is what the bytes are: of all that a load can raise, only a format's own verdict sets a file aside."""

from __future__ import annotations

import base64
import builtins
import bz2
import errno
import gzip
import io
import json
import lzma
import os
import pickle
import struct
import subprocess
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cbor2
import msgpack  # type: ignore[import-untyped]  # it ships no types
import pytest
from support import require_ecosystem

import atomic_store
from atomic_store import Compressed, FormatError, LoadError, Signed, Wrapper
from atomic_store.testing import Memory

VERDICTS = {
    *("ValueError", "UnicodeError", "UnicodeDecodeError", "EOFError", "IndexError", "KeyError", "SyntaxError"),
    *("IndentationError", "TabError", "ArithmeticError", "FloatingPointError", "OverflowError", "ZeroDivisionError"),
    *("Exception", "ExceptionGroup", "OSError"),
    "_IncompleteInputError",  # from Python 3.13 on, a SyntaxError
}
"""Of the built-in exceptions those that parsers raise for what they cannot read. OSError: only without an errno."""


def built_in() -> Iterator[type[Exception]]:
    """Every exception class of the interpreter."""
    for kind in vars(builtins).values():
        if isinstance(kind, type) and issubclass(kind, Exception):
            yield kind


KINDS = {kind.__name__: kind for kind in built_in()}  # by name: IOError and EnvironmentError are OSError


def made(kind: type[Exception]) -> Exception:
    arguments: dict[str, tuple[Any, ...]] = {
        "UnicodeDecodeError": ("utf-8", b"x", 0, 1, "no"),
        "UnicodeEncodeError": ("utf-8", "x", 0, 1, "no"),
        "UnicodeTranslateError": ("x", 0, 1, "no"),
        "ExceptionGroup": ("all", [ValueError(), KeyError()]),
    }
    return kind(*arguments.get(kind.__name__, ("told",)))


class Raising:
    """JSON whose load raises an exception of the program's choice."""

    is_binary = True

    def __init__(self, error: BaseException, streams: bool = False) -> None:
        self.error = error
        self.streams = streams

    def dump(self, value: Any, file: Any) -> None:
        file.write(json.dumps(value).encode())

    def load(self, file: Any) -> Any:
        file.read()
        raise self.error


def verdict(format: Any, content: bytes = b"[1]", **options: Any) -> bool:
    """Return whether a load says that the bytes are damaged, and see that quarantine does as it is told."""
    with pytest.raises(LoadError) as caught:
        atomic_store.open(Memory(content, "here"), None, format, **options)
    assert (caught.value.path, caught.value.size) == ("here", len(content))
    assert ("restore the file" in str(caught.value)) is caught.value.damaged
    place = Memory(content, "here")
    if caught.value.damaged:
        with pytest.warns(UserWarning, match="kept as"):
            assert atomic_store.open(place, 0, format, on_corrupt="quarantine", **options).value == 0
        assert (place.content, place.asides) == (None, [content])
    else:
        with pytest.raises(LoadError):
            atomic_store.open(place, 0, format, on_corrupt="quarantine", **options)
        assert (place.content, place.asides) == (content, [])
    return caught.value.damaged


# --- the sweep -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("streams", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("name", KINDS)
def test_only_a_verdict_among_the_built_in_exceptions_moves_a_file(name: str, streams: bool) -> None:
    """Each exception class of the interpreter, raised by a load: those that parsers use are damage, all others are not."""
    assert verdict(Raising(made(KINDS[name]), streams)) is (name in VERDICTS)


@pytest.mark.parametrize("number", sorted(errno.errorcode))
def test_no_error_of_the_system_moves_a_file(number: int) -> None:
    """An OSError of any errno says nothing about the bytes: a schema that is missing, a full disk, a network down."""
    assert not verdict(Raising(OSError(number, os.strerror(number))))


@pytest.mark.parametrize(
    ("error", "damaged"),
    [
        (io.UnsupportedOperation("fileno"), False),
        (ConnectionError("the key server does not answer"), False),
        (type("RequestException", (OSError,), {})("no route"), False),
        (gzip.BadGzipFile("Not a gzipped file"), True),
        (OSError("Invalid data stream"), True),
        (zlib.error("incorrect header check"), True),
        (lzma.LZMAError("Corrupt input data"), True),
        (struct.error("unpack requires a buffer of 4 bytes"), True),
        (pickle.UnpicklingError("invalid load key"), True),
        (type("ParserError", (Exception,), {})("line 3"), True),
        (type("SchemaError", (TypeError,), {})("line 3"), False),
        (ExceptionGroup("fields", [ValueError(), TypeError()]), False),
        (LookupError("unknown encoding: klingon"), False),
        (ValueError("Exceeds the limit (4300 digits); use sys.set_int_max_str_digits() to increase the limit"), False),
    ],
    ids=repr,
)
def test_verdict_of_a_library_is_told_from_its_troubles(error: Exception, damaged: bool) -> None:
    """Exceptions that libraries define and raise are damage unless they are also a kind that is not about bytes."""
    assert verdict(Raising(error)) is damaged


def test_cause_that_is_a_limit_counts() -> None:
    """A parser that turns a RecursionError or MemoryError into one of its own has met a limit, and no damage."""
    for limit in (RecursionError("deep"), MemoryError()):
        error = ValueError("cannot parse")
        error.__cause__ = limit
        assert not verdict(Raising(error))


LARGE_XZ = lzma.compress(b"[1]", filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 28}])
DIGITS = b"9" * 5000
DEEP: dict[str, bytes] = {
    "json": b"[" * 100_000,
    "yaml": b"[" * 600 + b"]" * 600,
    "cbor": b"\x81" * 1000 + b"\x01",
    "msgpack": b"\x91" * 100_000 + b"\x01",
}


@pytest.mark.parametrize(
    ("format", "content"),
    [
        *[(name, DEEP[name]) for name in DEEP],
        ("json", DIGITS),
        ("yaml", DIGITS + b"\n"),
        ("toml", b"a = " + DIGITS + b"\n"),
        (Compressed("json", "xz"), LARGE_XZ),
        (Compressed("json", "gzip", max_size=10), gzip.compress(b" " * 100, mtime=0)),
        (Compressed("json", "bz2", max_size=10), bz2.compress(b" " * 100)),
    ],
    ids=lambda each: str(each)[:20],
)
def test_limit_of_ours_moves_no_file(format: Any, content: bytes) -> None:
    """What is nested too deep, has too many digits, or takes more memory than is allowed may be sound, and stays."""
    assert not verdict(format, content)


def test_keyword_of_the_program_moves_no_file() -> None:
    """A hook among load_kwargs that raises is the program's: without it the bytes load, so they are not damaged."""

    def hook(*_: Any) -> Any:
        raise ValueError("not mine")

    packed: dict[str, bytes] = {"msgpack": msgpack.packb({"a": 1}), "cbor": cbor2.dumps({"a": 1}), "json": b'{"a": 1}'}
    for name, content in packed.items():
        assert not verdict(name, content, load_kwargs={"object_hook": hook})
        assert not verdict(name, content, load_kwargs={"no_such_keyword": 1})
    assert verdict("msgpack", packed["msgpack"][:-1], load_kwargs={"object_hook": hook})
    assert not verdict((json.dumps, json.loads), packed["json"], load_kwargs={"object_hook": hook})
    assert verdict((json.dumps, json.loads), packed["json"][:-1], load_kwargs={"object_hook": hook})


# --- several members or frames ---------------------------------------------------------------------------------------


def zstd(data: bytes) -> bytes:
    module: Any = __import__("backports.zstd", fromlist=["compress"])
    return bytes(module.compress(data))


PACK: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress, "zstd": zstd}
TEXT = json.dumps(["x" * 100, *range(2000)]).encode()


@pytest.mark.parametrize("inner", ["json", "pickle"])
@pytest.mark.parametrize("method", PACK)
@pytest.mark.parametrize("size", [1, 7, 4000])
def test_file_of_several_members_is_one_value(method: str, inner: str, size: int) -> None:
    """What bgzip, pbzip2, pzstd and `cat a.gz b.gz` write is loaded, empty members too; each cut of it is damage."""
    content = TEXT[: 40 * size] if size < 100 else TEXT
    if inner == "json" and size < 100:
        content = json.dumps([1] * 12 * size).encode()
    value = json.loads(content) if inner == "json" else list(content)
    content = content if inner == "json" else pickle.dumps(value, 4)
    parts = [content[begin : begin + size] for begin in range(0, len(content), size)]
    packed = b"".join(map(PACK[method], [b"", *parts, b""]))
    format = Compressed(inner, method)
    assert atomic_store.open(Memory(packed), None, format).value == value
    for tail in (b"\0", b"\0" * 512, b"garbage", PACK[method](b"more")):
        assert verdict(format, packed + tail)
    for cut in (len(packed) - 1, len(packed) - len(PACK[method](b"")) // 2):
        assert verdict(format, packed[:cut])


@pytest.mark.parametrize("method", PACK)
def test_members_count_together_against_the_size(method: str) -> None:
    """Many small members that are too much together are refused by max_size, and not set aside."""
    packed = b"".join(PACK[method](b" " * 40) for _ in range(10)) + PACK[method](b"1")
    assert atomic_store.open(Memory(packed), None, Compressed("json", method, max_size=401)).value == 1
    assert not verdict(Compressed("json", method, max_size=400), packed)


# --- authors of formats ----------------------------------------------------------------------------------------------


class Encrypted(Wrapper):
    """The smallest encrypted format: what the page on secrets shows."""

    def __init__(self, format: Any, key: bytes) -> None:
        from cryptography.fernet import Fernet

        super().__init__(format)
        self.fernet = Fernet(key)

    def wrap(self, content: bytes) -> bytes:
        return self.fernet.encrypt(content)

    def unwrap(self, content: bytes) -> bytes:
        from cryptography.fernet import InvalidToken

        try:
            return self.fernet.decrypt(content)
        except InvalidToken as error:
            raise LoadError("wrong key, or damaged", damaged=False) from error


MINE, THEIRS = base64.urlsafe_b64encode(bytes(32)), base64.urlsafe_b64encode(bytes(range(32)))


@pytest.fixture
def cryptography() -> None:
    """Skip the test where the package is not installed."""
    require_ecosystem("cryptography")


@pytest.mark.usefixtures("cryptography")
@pytest.mark.parametrize("inner", ["json", "yaml", "pickle", "auto", None, Compressed("json")], ids=str)
def test_format_of_ones_own_wraps_another(inner: Any, tmp_path: Path) -> None:
    """A subclass of Wrapper keeps any format inside, and combines with the library's own wrappers."""
    for format in (Encrypted(inner, MINE), Signed(Encrypted(inner, MINE), MINE), Compressed(Encrypted(inner, MINE))):
        path = tmp_path / "vault.json"
        path.unlink(missing_ok=True)
        atomic_store.open(path, {"a": [1]}, format).commit()
        assert b'"a"' not in path.read_bytes()
        assert atomic_store.open(path, None, format).value == {"a": [1]}


@pytest.mark.usefixtures("cryptography")
def test_wrong_key_moves_no_vault_and_is_told_with_its_place(tmp_path: Path) -> None:
    """LoadError(damaged=False) by an author: nothing is set aside, and path, format and size are filled in."""
    path = tmp_path / "vault"
    atomic_store.open(path, {"token": "x"}, Encrypted("json", MINE)).commit()
    content = path.read_bytes()
    with pytest.raises(LoadError, match=r"wrong key, or damaged\. Nothing was changed; look at the program") as caught:
        atomic_store.open(path, {}, Encrypted("json", THEIRS), on_corrupt="quarantine")
    error = caught.value
    assert (error.path, error.format, error.size, error.damaged) == (path, "Encrypted(json)", len(content), False)
    assert repr(path) in str(error)
    assert os.listdir(tmp_path) == ["vault"]
    assert type(error.__cause__).__name__ == "InvalidToken"
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.size, again.damaged) == (str(error), len(content), False)


def test_what_an_author_says_himself_is_kept() -> None:
    """A LoadError that names its path and format is not rewritten; one that calls the bytes damaged sets them aside."""
    error = LoadError("mine", "elsewhere", "own", 3, damaged=False)
    with pytest.raises(LoadError) as caught:
        atomic_store.open(Memory(b"12345"), None, Raising(error))
    assert (str(caught.value), caught.value.path, caught.value.format, caught.value.size) == ("mine", "elsewhere", "own", 5)
    assert verdict(Raising(LoadError("cut off")))


def test_wrapper_without_its_methods_says_which() -> None:
    """A subclass that defines neither wrap nor unwrap is told so at the first commit."""
    with pytest.raises(NotImplementedError, match=r"Bare should define wrap\(content\)"):
        atomic_store.open(Memory(), 1, type("Bare", (Wrapper,), {})("json")).commit()
    with pytest.raises(LoadError, match=r"Bare should define unwrap\(content\)"):
        atomic_store.open(Memory(b"1"), 1, type("Bare", (Wrapper,), {})("json"))


def test_auto_inside_a_wrapper_needs_a_store() -> None:
    """A wrapper of "auto" that is used without open() has no path, and says so."""
    with pytest.raises(FormatError, match="depends on the path"):
        Compressed("auto").inner  # noqa: B018 - the property raises


def own_class(**members: Any) -> Any:
    return type("Mine", (), members)


@pytest.mark.parametrize(
    "format",
    [
        Compressed,
        Encrypted,
        atomic_store.AbstractFormatFile,
        own_class(dumps=lambda self, value: b"", loads=lambda self, content: 0),
        own_class(dump=lambda self, value, file: None, load=lambda self, file: 0),
        own_class(encode=lambda self, value: b"", decode=lambda self, content: 0),
    ],
    ids=lambda each: str(each.__name__),
)
def test_class_in_place_of_an_instance_is_refused_at_once(format: Any) -> None:
    """A class whose functions need an instance is a FormatError at open() that says what to write instead."""
    with pytest.raises(FormatError, match=rf"give an instance, {format.__name__}\(\)"):
        atomic_store.open("no/such/directory/file", None, format)
    with pytest.raises(FormatError, match="give an instance"):
        Signed(format, MINE)


def test_class_of_static_methods_is_a_format() -> None:
    """A class that needs no instance works as it is, as it did with 0.0.1."""
    format = own_class(dumps=staticmethod(lambda value: json.dumps(value).encode()), loads=staticmethod(json.loads))
    place = Memory()
    atomic_store.open(place, [1], format).commit()
    assert atomic_store.open(place, None, format).value == [1]


# --- files that are files --------------------------------------------------------------------------------------------


def test_load_gets_a_descriptor(tmp_path: Path) -> None:
    """Mmap and a child process read the file that load() gets, with a conflict check on as well."""
    import mmap

    path = tmp_path / "value"
    path.write_bytes(b"some text")

    class Mapped:
        def dump(self, value: Any, file: Any) -> None:
            file.write(value)

        def load(self, file: Any) -> Any:
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
                first = bytes(mapped)
            file.seek(5)
            rest = subprocess.run(["cat"], stdin=file, capture_output=True, check=True).stdout
            return first + b"|" + rest

    store = atomic_store.open(path, None, Mapped(), is_binary=True, on_conflict="raise")
    assert store.value == b"some text|text"
    assert not store.changed()
    store.value = b"new"
    store.commit()
    assert path.read_bytes() == b"new"


def patching(file: Any) -> None:
    """Write as wave, zipfile and TIFF writers do: go back, read back, patch, cut."""
    assert file.writable()
    assert file.seekable()
    file.write(b"head----body, and too much")
    assert file.tell() == 26
    assert file.seek(4) == 4
    assert file.read(4) == b"----"
    file.seek(4)
    file.write(b"1234")
    file.seek(0, os.SEEK_END)
    assert file.truncate(12) == 12
    file.seek(12)
    file.write(b" tail")
    assert file.truncate(20) == 20
    assert file.tell() == 17
    file.seek(20)


@pytest.mark.parametrize("place", ["local", "elsewhere"])
@pytest.mark.parametrize("size", [0, 200_000])
def test_dump_may_seek_read_back_and_truncate(place: str, size: int, tmp_path: Path) -> None:
    """A format that patches what it has written gets what open() would give it; elsewhere if it says `seeks = True`."""

    class Patching:
        is_binary = True
        seeks = True

        def dump(self, value: Any, file: Any) -> None:
            assert file.mode == "wb"
            patching(file)
            file.write(value)
            file.seek(0)
            file.write(b"HEAD")

        def load(self, file: Any) -> Any:
            assert file.mode == "rb"
            return file.read()

    location: Any = tmp_path / "value" if place == "local" else Memory()
    store = atomic_store.open(location, bytes(size), Patching(), on_conflict="raise")
    store.commit()
    store.commit()
    assert store.reload() == b"HEAD1234body tail\0\0\0" + bytes(size)
    assert not store.changed()


def test_format_that_seeks_too_late_is_told_what_to_say() -> None:
    """Where bytes were handed on already, seeking is an error that names the attribute; a format that begins by it works."""

    class Late:
        is_binary = True

        def dump(self, value: bytes, file: Any) -> None:
            file.write(value)
            file.seek(0)
            file.write(b"!")

        def load(self, file: Any) -> Any:
            return file.read()

    place = Memory()
    atomic_store.open(place, b"small", Late()).commit()
    assert place.content == b"!mall"
    store = atomic_store.open(place, None, Late())
    store.value = bytes(100_000)
    with pytest.raises(io.UnsupportedOperation, match="seeks = True"):
        store.commit()
    assert place.content == b"!mall"
