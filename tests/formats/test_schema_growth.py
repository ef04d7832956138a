"""A schema that grows and shrinks under files that are there already: what loads, what is lost, and what never is."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NotRequired, TypedDict

import attrs
import msgspec
import pydantic
import pytest

import atomic_store
from atomic_store import LoadError, Versioned, VersionError

FORMATS = ["json", "bson", "yaml", "toml", "msgpack", "cbor"]


@dataclass
class OldData:
    name: str = "?"


@dataclass
class NewData:
    name: str = "?"
    count: int = 3
    tags: set[str] = field(default_factory=set[str])


@attrs.define
class OldAttrs:
    name: str = "?"


@attrs.define
class NewAttrs:
    name: str = "?"
    count: int = 3
    tags: set[str] = attrs.field(factory=set[str])


class OldStruct(msgspec.Struct):
    name: str = "?"


class NewStruct(msgspec.Struct):
    name: str = "?"
    count: int = 3
    tags: set[str] = msgspec.field(default_factory=set[str])


class OldModel(pydantic.BaseModel):
    name: str = "?"


class NewModel(pydantic.BaseModel):
    name: str = "?"
    count: int = 3
    tags: set[str] = set()


class OldDict(TypedDict):
    name: str


class NewDict(OldDict):
    count: NotRequired[int]


PAIRS: list[tuple[Any, Any]] = [(OldData, NewData), (OldAttrs, NewAttrs), (OldStruct, NewStruct), (OldModel, NewModel)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "value"


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(("old", "new"), PAIRS)
def test_new_field_takes_its_default_from_the_program(path: Path, old: Any, new: Any, format: str) -> None:
    """An old file loads into a class with more fields, in every format; opening changes no byte of it."""
    atomic_store.open(path, old(name="a"), format, type=old).commit()
    content = path.read_bytes()
    store = atomic_store.open(path, new(), format, type=new)
    assert store.value == new(name="a", count=3, tags=set())
    assert path.read_bytes() == content
    store.value.count = 4
    store.value.tags.add("x")
    store.commit()
    assert store.reload() == new(name="a", count=4, tags={"x"})


@pytest.mark.parametrize(("old", "new"), PAIRS)
def test_older_program_that_rewrites_a_newer_file_loses_what_it_does_not_know(path: Path, old: Any, new: Any) -> None:
    """What docs/how-to/own-classes.md warns of: reading is harmless, the commit drops the fields that are not known."""
    atomic_store.open(path, new(name="a", count=9), type=new).commit()
    content = path.read_bytes()
    store = atomic_store.open(path, old(), type=old)
    assert store.value == old(name="a")
    assert path.read_bytes() == content
    store.commit()
    assert json.loads(path.read_bytes()) == {"name": "a"}


def test_versions_keep_an_older_program_from_losing_anything(path: Path) -> None:
    """With Versioned the older program refuses the newer file instead."""
    atomic_store.open(path, NewData("a"), Versioned("json", 2), type=NewData).commit()
    content = path.read_bytes()
    with pytest.raises(VersionError):
        atomic_store.open(path, OldData(), Versioned("json", 1), type=OldData, on_corrupt="quarantine")
    assert path.read_bytes() == content


def test_default_that_was_never_set_is_written_by_all_but_plain_dataclasses(path: Path) -> None:
    """A plain dataclass, as msgspec makes it, has its class's default until it is set; the others have their own."""
    for new in (NewData, NewAttrs, NewStruct, NewModel):
        path.write_bytes(b'{"name": "a"}')
        atomic_store.open(path, new(), type=new).commit()
        assert ("count" in json.loads(path.read_bytes())) is (new is not NewData)


def test_field_that_may_be_absent_stays_absent(path: Path) -> None:
    """A TypedDict's NotRequired key is neither asked for nor added."""
    path.write_bytes(b'{"name": "a"}')
    store = atomic_store.open(path, NewDict(name="?"), type=NewDict)
    store.commit()
    assert path.read_bytes() == b'{"name": "a"}'


def test_field_without_a_default_is_asked_for_by_name(path: Path) -> None:
    """Where the program cannot fill a new field, the file is refused, named and left alone."""

    @dataclass
    class Strict:
        name: str
        owner: str

    path.write_bytes(b'{"name": "a"}')
    with pytest.raises(LoadError, match="`owner`") as caught:
        atomic_store.open(path, Strict("?", "?"), type=Strict, on_corrupt="quarantine")
    assert "give what is new in the type a default" in str(caught.value)
    assert path.read_bytes() == b'{"name": "a"}'


def test_migration_needs_no_old_class(path: Path) -> None:
    """Migrations work on plain data, before type= makes objects of it; they fill what no default could."""

    def split(value: Any) -> Any:
        return {"name": value["name"], "tags": value["tags"].split(",")}

    path.write_bytes(b'{"name": "a", "tags": "x,y"}')
    store = atomic_store.open(path, NewData(), Versioned("json", 1, {0: split}), type=NewData)
    assert store.value == NewData("a", 3, {"x", "y"})
