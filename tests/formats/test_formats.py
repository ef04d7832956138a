"""From a value to bytes and back: what counts as a format, text or bytes, and the file that a dump is given."""

from __future__ import annotations

import bz2
import codecs
import csv
import datetime as dt
import errno
import gzip
import io
import json
import marshal
import os
import pickle
import plistlib
import struct
import sys
import tomllib
import uuid
from collections.abc import Callable
from configparser import ConfigParser
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bson
import pytest
from stand_ins import Files, Strings, inside, join_bytes, join_text, only_bytes, only_text, pretend_module

import atomic_store
from atomic_store import AbstractFormatBstr, AbstractFormatFile, FormatError, LoadError, MissingLibraryError
from atomic_store.testing import Memory

BINARY = bytes(range(256))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "value"


def round_trip(path: Path, value: Any, format: Any, **options: Any) -> Any:
    """Commit the value to a new file, and give what another store then reads."""
    path.unlink(missing_ok=True)
    atomic_store.open(path, default=value, format=format, **options).commit()
    return atomic_store.open(path, format=format, **options).value


def fake_bson(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Install what looks like PyPI's bson: dumps/loads, and a length at the head, which its loads does not look at."""

    def dumps(value: Any, mark: str = "") -> bytes:
        body = mark.encode() + json.dumps(value).encode()
        return struct.pack("<i", len(body) + 4) + body

    return pretend_module(monkeypatch, "bson", dumps=dumps, loads=lambda data, skip=0: json.loads(data[4 + skip :]))


# --- what counts as a format -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", [None, "json", json, "pickle", pickle, "bson", bson])
def test_format_by_name_and_as_a_module_are_the_same(path: Path, format: Any) -> None:
    """Each spelling of a built-in format reads what it wrote, and says in messages what it is."""
    assert round_trip(path, {"a": [1, "é", None]}, format) == {"a": [1, "é", None]}
    name = format if isinstance(format, str) else "json" if format is None else format.__name__
    assert repr(atomic_store.open(path, format=format)).endswith(f"format {name}>")


@pytest.mark.parametrize(
    ("format", "value"),
    [
        (marshal, {1: (2, b"3")}),
        (plistlib, {"a": [1, "b\nc"]}),
        (atomic_store.WrapBinaryFormat(plistlib), {"a": 1.5}),
        (Files(lambda value, file: file.write(join_text(value)), only_text), ["a", "é"]),
        (Files(lambda value, file: file.write(join_bytes(value)), only_bytes), [b"a", BINARY[14:]]),
        (Strings(join_text, only_text), ["a", "é"]),
        (Strings(join_bytes, only_bytes), [b"a"]),
        ((join_text, only_text), ["a", "é"]),
        ((json.dumps, json.loads), {"a": 1}),
        (SimpleNamespace(encode=join_text, decode=only_text), ["a"]),
        (SimpleNamespace(packb=join_bytes, unpackb=only_bytes), [b"a"]),
        (SimpleNamespace(dump_json=join_bytes, validate_json=only_bytes), [b"a"]),
        (SimpleNamespace(model_dump_json=join_text, model_validate_json=only_text), ["a"]),
        (SimpleNamespace(dumps=join_text, loads=only_bytes), []),
    ],
    ids=lambda value: "",
)
def test_anything_that_writes_and_reads_is_a_format(path: Path, format: Any, value: Any) -> None:
    """Modules, objects, pairs: whatever has two functions that belong together needs no class of ours and no option."""
    assert round_trip(path, value, format) == value


@pytest.mark.parametrize(("writes", "reads"), [(join_text, only_bytes), (join_bytes, only_text)])
def test_format_that_writes_one_thing_and_reads_the_other_is_no_trap(
    path: Path, writes: Callable[..., Any], reads: Callable[..., Any]
) -> None:
    """A writer of str with a reader of bytes, as tomli_w and tomllib, works in one store over and over."""
    store = atomic_store.open(path, default=[], format=(writes, reads))
    empty = type(writes([]))()
    for n in range(3):
        store.value = [("b" * n).encode() if empty == b"" else "b" * n]
        store.commit()
        assert [bytes(line, "ascii") if isinstance(line, str) else line for line in store.reload()] == [b"b" * n]


def test_toml_of_the_standard_library_needs_only_a_writer(path: Path) -> None:
    """tomllib.load, which takes binary files alone, beside a dump that writes str: open, update and reload all work."""

    class Toml:
        load = staticmethod(tomllib.load)

        @staticmethod
        def dump(value: dict[str, int], file: Any) -> None:
            file.writelines(f"{key} = {item}\n" for key, item in value.items())

    for expected in (2, 4):
        store = atomic_store.open(path, default={"n": 0}, format=Toml)
        for _ in range(2):
            store.update(lambda value: {"n": value["n"] + 1})
        assert store.reload() == {"n": expected}


def test_dump_goes_before_dumps(path: Path) -> None:
    """An object that has both pairs is used by its dump and load."""
    format = SimpleNamespace(dumps=None, loads=None, dump=lambda value, file: file.write("1"), load=lambda file: "loaded")
    assert round_trip(path, "x", format) == "loaded"


def test_safe_functions_go_before_the_unsafe_ones(path: Path) -> None:
    """A module with safe_dump and safe_load is used by these, unless the keywords ask for the others."""
    calls: list[str] = []

    def function(name: str, result: Any = None) -> Callable[..., Any]:
        def call(*arguments: Any, **kwargs: Any) -> Any:
            calls.append(name)
            if result is None:
                arguments[1].write(f"{name} {sorted(kwargs)}")
            return result

        return call

    yaml = SimpleNamespace(
        safe_dump=function("safe_dump"),
        safe_load=function("safe_load", 1),
        dump=function("dump"),
        load=function("load", 2),
    )
    assert round_trip(path, 1, yaml) == 1
    assert path.read_text() == "safe_dump ['sort_keys']"
    assert round_trip(path, 2, yaml, dump_kwargs={"Dumper": 1}, load_kwargs={"Loader": 1}) == 2
    assert calls == ["safe_dump", "safe_load", "dump", "load"]


def test_loader_that_never_returns_is_not_called(path: Path) -> None:
    """The old package cbor hangs in load() on a truncated file: its dumps and loads are used instead."""

    def hangs(*_: Any) -> Any:
        raise AssertionError("would hang")

    cbor = SimpleNamespace(__name__="cbor", dump=hangs, load=hangs, dumps=pickle.dumps, loads=pickle.loads)
    assert round_trip(path, [1], cbor) == [1]


def test_subclasses_of_the_base_classes_are_formats(path: Path) -> None:
    """A subclass that implements the two methods is a format, with its keywords."""

    class Lines(AbstractFormatFile):
        def dump(self, obj: Any, fp: Any, **kwargs: Any) -> None:
            fp.writelines(f"{line}{kwargs['end']}" for line in obj)

        def load(self, fp: Any, **kwargs: Any) -> Any:
            return fp.read().decode(**kwargs).split("|")[:-1]

    class Raw(AbstractFormatBstr):
        def dumps(self, obj: Any, **kwargs: Any) -> bytes:
            return bytes(obj, **kwargs)

        def loads(self, binary_string: Any, **kwargs: Any) -> str:
            return str(binary_string, **kwargs)

    options = {"dump_kwargs": {"end": "|"}, "load_kwargs": {"encoding": "ascii"}}
    assert round_trip(path, ["a", "b"], Lines(), **options) == ["a", "b"]
    encoding = {"encoding": "utf-16"}
    assert round_trip(path, "é", Raw(), dump_kwargs=encoding, load_kwargs=encoding) == "é"


@pytest.mark.parametrize(
    ("format", "has"),
    [
        (42, "none of these"),
        (object(), "none of these"),
        (io, "none of these"),
        ((json.dumps,), "none of these"),
        ((1, 2), "none of these"),
        (b"json", "only decode"),
        (SimpleNamespace(dump=print), "only dump"),
        (SimpleNamespace(load=print, dumps=print), "only load, dumps"),
        (SimpleNamespace(dump=1, load=2), "none of these"),
    ],
)
def test_what_is_no_format_is_refused_before_any_reading(path: Path, format: Any, has: str) -> None:
    """A FormatError at open() says what a format should be and what this one has; a damaged file is not even looked at."""
    path.write_bytes(b"not looked at")
    with pytest.raises(FormatError, match=has) as caught:
        atomic_store.open(path, format=format)
    assert isinstance(caught.value, ValueError)
    assert repr(format) in str(caught.value) or has.startswith("only")


@pytest.mark.parametrize(("name", "near"), [("jsn", "json"), ("pickel", "pickle"), ("bsno", "bson"), ("JSON", "json")])
def test_misspelled_format_is_suggested(path: Path, name: str, near: str) -> None:
    """A name that is nearly one gets the right one in the message."""
    with pytest.raises(FormatError, match=f'did you mean "{near}"'):
        atomic_store.open(path, format=name)


@pytest.mark.parametrize("name", ["", "xyzzy", "os.path"])
def test_unknown_format_lists_the_names(path: Path, name: str) -> None:
    """A name that is like none gets all of them, and no guess."""
    with pytest.raises(FormatError, match="json, pickle, bson") as caught:
        atomic_store.open(path, format=name)
    assert "did you mean" not in str(caught.value)


@pytest.mark.parametrize("is_binary", ["yes", 2, "", []])
def test_is_binary_that_is_no_bool_is_refused(path: Path, is_binary: Any) -> None:
    """is_binary="no" would be true: anything but None, True and False is a FormatError."""
    with pytest.raises(FormatError, match="is_binary should be"):
        atomic_store.open(path, is_binary=is_binary)


@pytest.mark.parametrize(("is_binary", "value"), [(1, "str"), (0, b"bytes")])
def test_is_binary_of_one_or_zero_is_as_strict_as_the_bool(path: Path, is_binary: Any, value: Any) -> None:
    """0.0.1 took 1 and 0: they refuse what True and False refuse, and are not taken for "find it out"."""
    store = atomic_store.open(
        path, default=value, format=Strings(lambda value: value, lambda content: content), is_binary=is_binary
    )
    with pytest.raises(TypeError, match="required by is_binary="):
        store.commit()


@pytest.mark.parametrize("name", ["load_kwargs", "dump_kwargs"])
@pytest.mark.parametrize("keywords", [5, "indent", [("indent", 2)]])
def test_keywords_that_are_no_dict_are_refused_before_anything_is_stored(path: Path, name: str, keywords: Any) -> None:
    """A wrong load_kwargs shows at the first open(), not when a file exists that it keeps from being read."""
    with pytest.raises(TypeError, match=f"{name} should be a dict"):
        atomic_store.open(path, **{name: keywords})


# --- text or bytes, found out ----------------------------------------------------------------------------------------


def kinds(format: Files | Strings) -> list[str]:
    """The types of what the format's reader was given, in order."""
    return [type(content).__name__ for content in format.loaded]


def formats(dumps: Callable[..., Any], loads: Callable[..., Any]) -> list[Any]:
    """The same format twice: once with files, once with strings."""
    return [Files(lambda value, file: file.write(dumps(value)), loads), Strings(dumps, loads)]


@pytest.mark.parametrize("format", formats(join_text, only_text))
def test_reader_of_text_is_asked_twice_only_once(path: Path, format: Any) -> None:
    """Bytes are tried first, then text; a load that has worked settles it, and there is no second try any more."""
    path.write_text("a\n")
    store = atomic_store.open(path, format=format)
    assert kinds(format) == ["bytes", "str"]
    store.reload()
    store.commit()
    store.reload()
    assert kinds(format) == ["bytes", "str", "str", "str"]


@pytest.mark.parametrize("format", formats(join_bytes, only_bytes))
def test_reader_of_bytes_is_never_given_text(path: Path, format: Any) -> None:
    """Where bytes are taken there is nothing to find out."""
    path.write_text("a\n")
    store = atomic_store.open(path, format=format)
    store.commit()
    store.reload()
    assert kinds(format) == ["bytes", "bytes"]


@pytest.mark.parametrize("format", formats(join_text, only_text))
def test_dump_of_text_shows_what_to_try_first(path: Path, format: Any) -> None:
    """After a commit that wrote str the first try of a load is text."""
    store = atomic_store.open(path, default=["a"], format=format)
    store.commit()
    assert store.reload() == ["a"]
    assert kinds(format) == ["str"]


def refusing(*kinds: type) -> Callable[[Any], Any]:
    """Make a reader that refuses content of these types with a ValueError, and takes the others."""

    def loads(content: Any) -> Any:
        if type(content) in kinds:
            raise ValueError(f"damaged {type(content).__name__}")
        return [content]

    return loads


def test_damage_is_not_tried_again_where_it_is_known_what_is_read(path: Path) -> None:
    """A file that gets damaged later is refused at the first try: after a load, and after a dump as well."""
    format = Strings(lambda value: value, lambda content: 1 if only_text(content) == ["good"] else int(content))
    store = atomic_store.open(path, default="good", format=format)
    store.commit()
    path.write_text("bad")
    with pytest.raises(LoadError):
        store.reload()
    assert kinds(format) == ["str"]

    path.write_text("good")
    store = atomic_store.open(path, format=format)
    path.write_text("bad")
    format.loaded.clear()
    with pytest.raises(LoadError):
        store.reload()
    assert kinds(format) == ["str"]


@pytest.mark.parametrize("format", formats(join_text, refusing(bytes, str)))
def test_both_refusals_are_in_the_chain(path: Path, format: Any) -> None:
    """Where bytes and text are refused, both errors can be seen in the traceback, and both are told."""
    path.write_text("a\n")
    with pytest.raises(LoadError, match=r"damaged bytes; as text: ValueError: damaged str") as caught:
        atomic_store.open(path, format=format)
    assert {"damaged bytes", "damaged str"} <= chain(caught.value)


def chain(error: BaseException | None) -> set[str]:
    """The texts of all errors that a traceback of this one shows."""
    return set() if error is None else {str(error)} | chain(error.__cause__) | chain(error.__context__)


def test_telling_refusal_is_the_cause(path: Path) -> None:
    """Of "wants str" and "line 3 is damaged" the second is told, whichever came first; the other stays in the chain."""

    def wants_text(content: Any) -> Any:
        only_text(content)
        raise ValueError("line 3 is damaged")

    def wants_bytes(content: Any) -> Any:
        only_bytes(content)
        raise ValueError("line 3 is damaged")

    path.write_text("a\n")
    for loads, other in ((wants_text, "the parser wants str"), (wants_bytes, "the parser wants bytes")):
        with pytest.raises(LoadError, match="refuses it: ValueError: line 3 is damaged") as caught:
            atomic_store.open(path, format=(join_text, loads))
        assert str(caught.value.__cause__) == "line 3 is damaged"
        assert other in chain(caught.value)
        assert other not in str(caught.value)


def test_bytes_that_are_no_text_are_tried_once(path: Path) -> None:
    """Bytes that are no UTF-8 cannot be text: the first refusal stands."""
    path.write_bytes(b"\xff\xfe")
    format = Strings(join_text, refusing(bytes))
    with pytest.raises(LoadError, match="damaged bytes"):
        atomic_store.open(path, format=format)
    assert kinds(format) == ["bytes"]


def test_empty_file_shows_nothing_about_text(path: Path) -> None:
    """The csv module takes an empty binary file without an error; the rows that come later are read as text."""
    format = csv_format()
    path.touch()
    store = atomic_store.open(path, format=format)
    assert store.value == []
    path.write_bytes(b"a,b\r\n")
    assert store.reload() == [["a", "b"]]


@pytest.mark.parametrize("is_binary", [False, True])
def test_author_of_a_format_can_say_what_it_reads(path: Path, is_binary: bool) -> None:
    """A format's own attribute is_binary settles what its reader is given: nothing is tried."""

    class Said(Strings):
        pass

    format = Said(lambda value: value, lambda content: content)
    format.is_binary = is_binary  # type: ignore[attr-defined]  # as a class would say it
    path.write_text("a")
    assert atomic_store.open(path, format=format).value == (b"a" if is_binary else "a")
    assert len(format.loaded) == 1


@pytest.mark.parametrize("is_binary", [False, True])
@pytest.mark.parametrize("writes", [str, bytes])
def test_is_binary_is_strict(path: Path, is_binary: bool, writes: type) -> None:
    """With is_binary= the format must write that and nothing else, and is given that and nothing else."""
    format = Files(lambda value, file: file.write(writes() + value), lambda content: content)
    value = "a" if writes is str else b"a"
    store = atomic_store.open(path, default=value, format=format, is_binary=is_binary)
    if is_binary is (writes is bytes):
        store.commit()
        assert store.reload() == value
        return
    with pytest.raises(TypeError, match=f"required by is_binary={is_binary}, not {writes.__name__}"):
        store.commit()
    assert inside(path.parent) == []
    path.write_text("a")
    assert type(store.reload()) is (bytes if is_binary else str)
    assert len(format.loaded) == 1


@pytest.mark.parametrize("format", ["json", "pickle", "bson"])
@pytest.mark.parametrize("is_binary", [False, True])
def test_built_in_format_obeys_is_binary(path: Path, format: str, is_binary: bool) -> None:
    """Asked for what it does not write, a built-in format refuses at the commit; asked for what it does, it works."""
    store = atomic_store.open(path, default={"a": 1}, format=format, is_binary=is_binary)
    if is_binary is (format != "json"):
        store.commit()
        assert store.reload() == {"a": 1}
        return
    with pytest.raises(TypeError, match="required by is_binary"):
        store.commit()
    assert inside(path.parent) == []


def test_pickle_asked_to_read_text_is_a_load_error(path: Path) -> None:
    """is_binary=False gives even pickle text; that it cannot read it is a LoadError, not a crash."""
    path.write_bytes(pickle.dumps(1, protocol=0))
    with pytest.raises(LoadError):
        atomic_store.open(path, format="pickle", is_binary=False)


def test_is_binary_can_be_taken_back(path: Path) -> None:
    """Assigning None to is_binary goes back to finding out, and the format is still the same one."""
    format = Strings(join_text, only_text)
    store = atomic_store.open(path, default=["a"], format=format, is_binary=True)
    with pytest.raises(TypeError):
        store.commit()
    store.is_binary = None
    store.commit()
    assert store.reload() == ["a"]
    assert store.format.format_bstr is format


# --- JSON ------------------------------------------------------------------------------------------------------------


def test_keywords_reach_the_format(path: Path) -> None:
    """dump_kwargs and load_kwargs are those of the format's own functions."""
    value = round_trip(path, {"b": 1, "a": 2}, None, dump_kwargs={"sort_keys": True}, load_kwargs={"parse_int": str})
    assert path.read_bytes() == b'{"a": 2, "b": 1}'
    assert value == {"a": "2", "b": "1"}


def test_keywords_assigned_later_count_from_the_next_load(path: Path) -> None:
    """load_kwargs and dump_kwargs may be assigned while the store is open, and hold from then on."""
    store = atomic_store.open(path, default=[1])
    store.dump_kwargs = {"indent": 1}
    store.commit()
    assert path.read_bytes() == b"[\n 1\n]"
    store.load_kwargs = {"parse_int": str}
    assert store.reload() == ["1"]


def test_json_is_utf_8(path: Path) -> None:
    """What ensure_ascii=False lets through is written as UTF-8, without a mark, and comes back."""
    assert round_trip(path, "Zoë 🧀", "json", dump_kwargs={"ensure_ascii": False}) == "Zoë 🧀"
    assert path.read_bytes() == '"Zoë 🧀"'.encode()


@pytest.mark.parametrize("is_binary", [None, False])
def test_editor_that_adds_a_byte_order_mark_does_no_harm(path: Path, is_binary: bool | None) -> None:
    """JSON with a UTF-8 mark is read, at open() and after a commit of our own, which leaves it out."""
    path.write_bytes(codecs.BOM_UTF8 + b"[1]")
    store = atomic_store.open(path, is_binary=is_binary)
    assert store.value == [1]
    store.commit()
    assert path.read_bytes() == b"[1]"
    path.write_bytes(codecs.BOM_UTF8 + b"[2]")
    assert store.reload() == [2]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "utf-32-be"])
def test_utf_16_is_not_guessed(path: Path, encoding: str) -> None:
    """UTF-16 and UTF-32 are a LoadError: half a file of those can look like something else."""
    path.write_bytes("[1]".encode(encoding))
    with pytest.raises(LoadError):
        atomic_store.open(path)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_are_nobodys_business(path: Path, end: str) -> None:
    """Line ends are written and read as they are, in JSON's white space and in other formats' text."""
    path.write_bytes(f"[1,{end}2]{end}".encode())
    assert atomic_store.open(path).value == [1, 2]
    text = f"a{end}b{end}"
    for format in formats(str, lambda content: "" + content):
        assert round_trip(path, text, format) == text
        assert path.read_bytes() == text.encode()


@dataclass
class Run:
    """What a program keeps in its value and JSON does not know."""

    started: str


@pytest.mark.parametrize(
    "value",
    [Run("now"), [1, Run("now")], {"a": ({"b": Run("now")},)}, {"a": dt.date(2026, 1, 2)}, {"a": {1, 2}}, b"bytes"],
)
def test_object_that_a_type_would_store_gets_that_hint(path: Path, value: Any) -> None:
    """JSON's TypeError about a dataclass or a date, however deep, leads to type=."""
    with pytest.raises(TypeError, match="not JSON serializable") as caught:
        atomic_store.open(path, default=value).commit()
    assert any("type=" in note for note in caught.value.__notes__)


@pytest.mark.parametrize("value", [object(), {"a": 1j}, print])
def test_object_that_no_type_would_store_gets_no_hint(path: Path, value: Any) -> None:
    """Where type= would not help it is not mentioned; an object met twice is looked at once."""
    ring: list[Any] = [value]
    twice = [ring, ring]
    with pytest.raises(TypeError, match="not JSON serializable") as caught:
        store = atomic_store.open(path)
        store.value = twice
        store.commit()
    assert not any("type=" in note for note in caught.value.__notes__)


# --- pickle ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kwargs", "protocol"), [({}, 4), ({"protocol": 2}, 2), ({"protocol": 5}, 5)])
def test_pickle_protocol_is_pinned(path: Path, kwargs: dict[str, int], protocol: int) -> None:
    """The bytes do not depend on this Python's default protocol; dump_kwargs choose another."""
    store = atomic_store.open(path, default={1}, format="pickle", dump_kwargs=kwargs)
    store.commit()
    store.commit()
    assert path.read_bytes()[:2] == bytes([0x80, protocol])
    assert store.reload() == {1}
    assert kwargs == ({} if protocol == 4 else {"protocol": protocol})


def test_large_pickle_comes_back(path: Path) -> None:
    """A pickle of several megabytes, read in pieces, is complete."""
    value = {"blob": BINARY * 12_000, "list": list(range(50_000))}
    assert round_trip(path, value, "pickle") == value


# --- BSON ------------------------------------------------------------------------------------------------------------


def test_bson_of_pymongo_gives_back_what_it_got(path: Path) -> None:
    """The bson of pymongo keeps UUIDs and gives datetimes with a zone, as the other package does."""
    when = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
    value = {"id": uuid.UUID(int=7), "when": when, "list": [1, {"b": b"raw"}]}
    assert round_trip(path, value, "bson") == value
    assert bson.decode(path.read_bytes(), bson.codec_options.CodecOptions(uuid_representation=4))["id"] == value["id"]


def test_bson_of_pymongo_takes_its_own_keywords(path: Path) -> None:
    """Keywords are those of bson.encode and bson.decode, and go before our choice."""
    options = bson.codec_options.CodecOptions(document_class=bson.SON)
    assert isinstance(round_trip(path, {"a": 1}, "bson", load_kwargs={"codec_options": options}), bson.SON)
    store = atomic_store.open(path, format="bson", dump_kwargs={"check_keys": True})
    store.value = {"$a": 1}
    with pytest.raises(bson.errors.InvalidDocument, match=r"must not start with '\$'") as caught:
        store.commit()
    assert "bson" in caught.value.__notes__[0]


def test_bson_of_pypi_serves_as_well(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module bson with dumps and loads is used by these, by name and as a module, with its keywords."""
    module = fake_bson(monkeypatch)
    for format in ("bson", module):
        assert round_trip(path, {"a": 1}, format, dump_kwargs={"mark": "xx"}, load_kwargs={"skip": 2}) == {"a": 1}
        assert path.read_bytes()[4:] == b'xx{"a": 1}'
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(LoadError, match="14 bytes by its own head and has 15"):
        atomic_store.open(path, format=module, load_kwargs={"skip": 2})


@pytest.mark.parametrize("value", [None, [1], 1, "a"])
@pytest.mark.parametrize("package", ["pymongo", "PyPI"])
def test_bson_without_a_mapping_says_so(path: Path, monkeypatch: pytest.MonkeyPatch, value: Any, package: str) -> None:
    """BSON holds a mapping at its top; None, the default's default, is a TypeError at the commit that says so."""
    if package == "PyPI":
        fake_bson(monkeypatch)
    with pytest.raises(TypeError, match="should hold a mapping"):
        atomic_store.open(path, default=value, format="bson").commit()
    assert inside(path.parent) == []


@pytest.mark.parametrize("installed", [None, SimpleNamespace()])
def test_missing_bson_says_how_to_install_it(path: Path, monkeypatch: pytest.MonkeyPatch, installed: Any) -> None:
    """Without the package, open() raises what `except ImportError` and `except ValueError` catch, with the install line."""
    monkeypatch.setitem(sys.modules, "bson", installed)
    with pytest.raises(MissingLibraryError, match="pip install") as caught:
        atomic_store.open(path, format="bson")
    assert isinstance(caught.value, ImportError)
    assert isinstance(caught.value, ValueError)
    assert ('"atomic-store[bson]"' in str(caught.value)) is (installed is None)
    monkeypatch.undo()
    assert round_trip(path, {"a": 1}, "bson") == {"a": 1}  # a failure is not remembered


@pytest.mark.parametrize("attributes", [{}, {"dumps": json.dumps}, {"encode": 1, "decode": 2}])
def test_rest_of_a_removed_bson_is_not_used(path: Path, monkeypatch: pytest.MonkeyPatch, attributes: dict[str, Any]) -> None:
    """What pip leaves behind of two packages with one name is told from a usable module, with the way out."""
    pretend_module(monkeypatch, "bson", __path__=["/site-packages/bson"], **attributes)
    with pytest.raises(MissingLibraryError, match=r"/site-packages/bson.*force-reinstall pymongo"):
        atomic_store.open(path, format="bson")


def test_bson_that_goes_away_is_noticed_at_its_use(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module that is broken later raises MissingLibraryError from commit() and reload() too, never a LoadError."""
    store = atomic_store.open(path, default={"a": 1}, format="bson")
    store.commit()
    pretend_module(monkeypatch, "bson")
    for action in (store.commit, store.reload):
        with pytest.raises(MissingLibraryError):
            action()


# --- the file that a dump is given -----------------------------------------------------------------------------------


def csv_format() -> Any:
    """A table as a list of rows, by the csv module."""

    def dump(rows: list[list[str]], file: Any) -> None:
        csv.writer(file).writerows(rows)

    return SimpleNamespace(dump=dump, load=lambda file: list(csv.reader(file)))


def dumping(dump: Callable[[Any], Any], load: Callable[[bytes], Any] = bytes) -> Files:
    """A format whose dump does this with its file, and whose load gives the bytes."""
    return Files(lambda value, file: dump(file), load)


def test_table_by_csv_comes_back(path: Path) -> None:
    """The csv module writes row by row, and reads text with its line ends untouched; an empty table is an empty file."""
    rows = [["a", "line 1\r\nline 2"], ["é", ""]]
    assert round_trip(path, rows, csv_format()) == rows
    assert path.read_bytes().count(b"\r\n") == 3
    assert round_trip(path, [], csv_format()) == []
    assert path.read_bytes() == b""


def test_sections_by_configparser_come_back(path: Path) -> None:
    """The configparser module writes and reads text; nothing needs to be said about that."""

    class Ini:
        @staticmethod
        def dump(value: dict[str, dict[str, str]], file: Any) -> None:
            parser = ConfigParser()
            parser.read_dict(value)
            parser.write(file)

        @staticmethod
        def load(file: Any) -> dict[str, dict[str, str]]:
            parser = ConfigParser()
            parser.read_file(file)
            return {name: dict(parser[name]) for name in parser.sections()}

    assert round_trip(path, {"s": {"k": "é"}}, Ini) == {"s": {"k": "é"}}


def test_layers_on_top_of_the_file_work(path: Path) -> None:
    """Text wrappers and compressors may sit on the file, and may close it: what they have written is kept."""

    def with_text(value: str, file: Any) -> None:
        with io.TextIOWrapper(file, encoding="utf-16-le", newline="") as text:
            text.write(value)

    def with_gzip(value: str, file: Any) -> None:
        with gzip.open(file, "wt", encoding="utf-8") as text:
            text.write(value)

    def with_bz2(value: str, file: Any) -> None:
        with bz2.open(file, "wb") as binary:
            binary.write(value.encode())

    def with_buffer(value: str, file: Any) -> None:
        io.BufferedWriter(file, 4).write(value.encode())

    for dump, load in (
        (with_text, lambda data: data.decode("utf-16-le")),
        (with_gzip, lambda data: gzip.decompress(data).decode()),
        (with_bz2, lambda data: bz2.decompress(data).decode()),
        (with_buffer, bytes.decode),
    ):
        assert round_trip(path, "é\n" * 9, Files(dump, load)) == "é\n" * 9


def test_file_of_a_dump_shows_what_it_is(path: Path) -> None:
    """Serializers look at their file: it is writable, can be read back, has no encoding, and a name of its own."""
    seen: dict[str, Any] = {}

    def dump(file: Any) -> None:
        seen.update(
            base=isinstance(file, io.IOBase),
            writable=file.writable(),
            readable=file.readable(),
            encoding=file.encoding,
            directory=Path(file.name).parent,
            hidden=file.name.endswith(".tmp"),
            written=[file.write("é"), file.write(b"12"), file.write(memoryview(b"345")), file.write(bytearray(b"6"))],
            nothing=file.write(""),
            tell=file.tell(),
        )

    assert round_trip(path, None, dumping(dump)) == "é123456".encode()
    assert seen == {
        "base": True,
        "writable": True,
        "readable": True,
        "encoding": None,
        "directory": path.parent,
        "hidden": True,
        "written": [1, 2, 3, 1],
        "nothing": 0,
        "tell": 8,
    }


@pytest.mark.parametrize("wrong", [1, None, ["a"]])
def test_what_is_neither_str_nor_bytes_is_refused(path: Path, wrong: Any) -> None:
    """Only str and bytes can be written; anything else is a TypeError, and nothing is stored."""
    with pytest.raises(TypeError):
        atomic_store.open(path, format=dumping(lambda file: file.write(wrong))).commit()
    assert inside(path.parent) == []


def test_descriptor_of_the_file_can_be_written_to(path: Path) -> None:
    """A library that writes by the descriptor writes behind what is there already, and it counts as written."""

    def dump(file: Any) -> None:
        file.write("head ")
        os.write(file.fileno(), b"body")
        file.write(" tail")

    assert round_trip(path, None, dumping(dump)) == b"head body tail"
    assert round_trip(path, None, dumping(lambda file: os.write(file.fileno(), b"all"))) == b"all"


def test_dump_that_closes_its_file_loses_nothing(path: Path) -> None:
    """close() ends the dump's writing; what was written is committed."""

    def dump(file: Any) -> None:
        file.write("whole")
        file.close()
        file.close()
        assert file.closed

    assert round_trip(path, None, dumping(dump)) == b"whole"


@pytest.mark.parametrize("use", ["write", "tell", "fileno"])
def test_writer_left_from_the_last_commit_cannot_write(path: Path, use: str) -> None:
    """A format that clings to the file of an earlier dump gets a ValueError instead of writing into the void."""
    kept: list[Any] = []

    def dump(file: Any) -> None:
        kept.append(file)
        file.write("1")

    atomic_store.open(path, format=dumping(dump)).commit()
    with pytest.raises(ValueError, match="closed file"):
        getattr(kept[0], use)(*["2"] * (use == "write"))
    assert path.read_bytes() == b"1"


def test_format_that_clings_to_a_failed_dump_does_not_store_nothing(path: Path) -> None:
    """A serializer bound to the file of a failed dump, as ruamel.yaml's, cannot commit an empty file."""

    class Clinging:
        file: Any = None

        def dump(self, value: Any, file: Any) -> None:
            self.file = self.file or file
            self.file.write("first half")
            if value == "bad":
                raise RuntimeError("half way")

        def load(self, file: Any) -> Any:
            return file.read()

    path.write_bytes(b"old")
    store = atomic_store.open(path, format=Clinging())
    store.value = "bad"
    with pytest.raises(RuntimeError, match="half way"):
        store.commit()
    store.value = "good"
    with pytest.raises(ValueError, match="closed file"):
        store.commit()
    assert path.read_bytes() == b"old"


@pytest.mark.parametrize("error", [RuntimeError, OSError, KeyboardInterrupt])
def test_dump_that_fails_half_way_stores_nothing(path: Path, error: type[BaseException]) -> None:
    """Whatever a dump has written before it raised is gone, the old value is whole, and the error is the dump's own."""

    def dump(file: Any) -> None:
        file.write(b"x" * 200_000)
        raise error("half way")

    path.write_bytes(b"old")
    with pytest.raises(error, match="half way") as caught:
        atomic_store.open(path, format=dumping(dump)).commit()
    assert path.read_bytes() == b"old"
    assert inside(path.parent) == ["value"]
    notes = getattr(caught.value, "__notes__", [])
    assert any(str(path) in note and "Files" in note for note in notes) is (error is not KeyboardInterrupt)


@pytest.mark.parametrize("write", [lambda file: None, lambda file: file.write(""), lambda file: file.write(b"")])
def test_dump_that_writes_nothing_is_no_value(path: Path, write: Callable[[Any], Any]) -> None:
    """An empty file is stored only by a format that reads that very value out of it; else the commit fails."""
    path.write_bytes(b"old")
    store = atomic_store.open(path, format=dumping(write))
    store.value = b"new"
    with pytest.raises(FormatError, match="wrote nothing at all for a value of type bytes"):
        store.commit()
    assert path.read_bytes() == b"old"
    store.value = b""
    store.commit()
    assert store.reload() == path.read_bytes() == b""


def test_dump_of_nothing_whose_load_fails_is_no_value(path: Path) -> None:
    """A format that writes nothing and cannot read nothing either is refused as well."""
    store = atomic_store.open(path, default=1, format=dumping(lambda file: None, json.loads))
    with pytest.raises(FormatError, match="wrote nothing"):
        store.commit()
    assert inside(path.parent) == []


def test_empty_file_is_not_taken_for_none(path: Path) -> None:
    """A parser that makes None of nothing (YAML) does not turn a truncated file into a value: it writes None otherwise."""
    path.touch()
    with pytest.raises(LoadError, match="is empty") as caught:
        atomic_store.open(path, format=(repr, lambda content: None))
    assert caught.value.size == 0
    assert atomic_store.open(path, format=(str, str.strip)).value == ""


def test_empty_file_of_a_format_that_cannot_write_its_value_is_refused(path: Path) -> None:
    """Where the check itself fails, for dump raises on what load made of nothing, the file is not taken either."""

    def dumps(value: Any) -> str:
        raise RuntimeError("not this one")

    path.touch()
    with pytest.raises(LoadError, match="is empty"):
        atomic_store.open(path, format=(dumps, lambda content: object()))


class Streaming:
    """Lines below a header that is always written. It reads from front to back, as much as it is told to, and may close."""

    streams = True

    def __init__(self, lines: int = -1, close: bool = False) -> None:
        self._lines = lines
        self._close = close

    def dump(self, value: list[str], file: Any, header: bool = True) -> None:
        file.write("# header\n" * header + "".join(value))

    def load(self, file: Any) -> list[str]:
        found = [file.readline().decode() for _ in range(self._lines)] if self._lines >= 0 else [str(file.read(), "utf-8")]
        if self._close:
            file.close()
        return [line for line in found if line and not line.startswith("#")]


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("close", [False, True])
@pytest.mark.parametrize("lines", [-1, 0, 1])
def test_empty_file_is_refused_of_a_format_that_streams_too(path: Path, lines: int, close: bool, compressed: bool) -> None:
    """However much of the file its load reads, an empty one is a LoadError; with its header it loads."""
    format: Any = Streaming(lines, close)
    path.write_bytes(gzip.compress(b"") if compressed else b"")
    format = atomic_store.Compressed(format) if compressed else format
    with pytest.raises(LoadError, match=r"is empty, and format Streaming does not write \[\] as an empty file"):
        atomic_store.open(path, format=format)
    assert round_trip(path, [], format) == []


def test_disk_that_fails_as_a_stream_is_checked_for_emptiness_is_no_damage(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether a file of which load reads nothing is empty may need a read: if that fails, the OSError is raised."""
    path.write_bytes(b"x")
    error = OSError(errno.EIO, "the disk is gone")

    def fail(*_: object) -> int:
        raise error

    monkeypatch.setattr("atomic_store.locations.local.Reader.readinto", fail)
    with pytest.raises(OSError, match="the disk is gone") as caught:
        atomic_store.open(path, format=Streaming(0))
    assert caught.value is error


# --- the file that a load is given -----------------------------------------------------------------------------------


def test_file_of_a_load_can_be_sought_and_read_in_pieces(path: Path) -> None:
    """A reader may ask for lines, seek, peek at the end, and asks where the bytes come from."""

    def load(file: Any) -> Any:
        first = file.readline()
        end = file.seek(0, os.SEEK_END)
        file.seek(0)
        return [first, end, list(file), file.name]

    path.write_bytes(b"1\r\n2\n")
    format = SimpleNamespace(dump=None, load=load)
    format.dump = print
    assert atomic_store.open(path, format=format).value == [b"1\r\n", 5, [b"1\r\n", b"2\n"], path]
    lines = atomic_store.open(path, format=format, is_binary=False).value
    assert lines == ["1\r\n", 5, ["1\r\n", "2\n"], path]


def test_load_that_closes_its_file_disturbs_nothing(path: Path) -> None:
    """The file is the load's own: it may close it, and a second try gets a new one."""

    def load(file: Any) -> Any:
        with file:
            return only_text(file.read())

    path.write_text("a\n")
    format = SimpleNamespace(dump=lambda value, file: file.write(join_text(value)), load=load)
    assert atomic_store.open(path, format=format).value == ["a"]


class Mapped:
    """A format that wants the descriptor of what it reads."""

    @staticmethod
    def dump(value: Any, file: Any) -> None:
        file.write(value)

    @staticmethod
    def load(file: Any) -> Any:
        return os.pread(file.fileno(), 100, 0)


def test_place_without_descriptors_says_so_to_a_format_that_wants_one(tmp_path: Path) -> None:
    """A local file lends its descriptor; a place in memory raises io's own error, which is no damage."""
    stores = [atomic_store.open(place, b"x", Mapped) for place in (tmp_path / "a", Memory())]
    for store in stores:
        store.commit()
    assert stores[0].reload() == b"x"
    with pytest.raises(LoadError, match="fileno") as caught:
        stores[1].reload()
    assert not caught.value.damaged
