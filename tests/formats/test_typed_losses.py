"""type= loses nothing silently: each part of a value comes back, or is refused with its name, at open() where it can be."""

from __future__ import annotations

import dataclasses
import datetime as dt
import pathlib
import sys
from collections import defaultdict, deque
from dataclasses import dataclass, field
from enum import Enum
from fractions import Fraction
from functools import cached_property
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar
from zoneinfo import ZoneInfo

import attrs
import msgspec
import pydantic
import pydantic.dataclasses
import pytest

import atomic_store
from atomic_store import FormatError, Verified
from atomic_store.testing import Memory

T = TypeVar("T")


@dataclass
class Plain:
    a: int = 1
    _private: int = 2
    late: int = field(init=False, default=3)


@attrs.define
class Named:
    a: int = 1
    b: int = attrs.field(default=2, alias="given_as")
    late: int = attrs.field(default=3, init=False)


@attrs.define
class Secretive:
    a: int = 1
    _hidden: int = 2


@attrs.define
class Heir(Secretive):
    b: int = 3


@dataclass
class Holder:
    heirs: list[Heir] = field(default_factory=list[Heir])


class Compact(msgspec.Struct, rename="camel"):
    a_b: int = 1
    _hidden: int = 2


class Excluding(pydantic.BaseModel):
    attempts: int = pydantic.Field(default=0, exclude=True)


class Private(pydantic.BaseModel):
    a: int = 1
    _cache: int = pydantic.PrivateAttr(0)


class TwoNames(pydantic.BaseModel):
    a: int = pydantic.Field(default=1, validation_alias="x", serialization_alias="y")


class OneName(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow", populate_by_name=True)
    a: int = pydantic.Field(1, alias="theA")
    b: int = pydantic.Field(1, validation_alias="theB")
    c: int = pydantic.Field(1, validation_alias=pydantic.AliasChoices("c", "old"))


class Nested(pydantic.BaseModel):
    parts: dict[str, list[Excluding]] = {}


class Serializing(pydantic.BaseModel):
    a: int = 1

    @pydantic.field_serializer("a")
    def short(self, value: int) -> int:
        return value % 5


@pydantic.dataclasses.dataclass
class Late:
    attempts: int = dataclasses.field(init=False, default=0)


@pydantic.dataclasses.dataclass
class Derived:
    a: int = 1
    double: int = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        self.double = self.a * 2


@dataclass
class Box(Generic[T]):
    content: T


class Mixed(Enum):
    ONE = 1
    NAME = "name"


@dataclass
class Cat:
    lives: int = 9


@dataclass
class Dog:
    tricks: list[str] = field(default_factory=list[str])


@dataclass
class Zoo:
    animals: list[Cat | Dog] = field(default_factory=list["Cat | Dog"])


@dataclass
class Lion:
    lives: int = 1


@dataclass
class Panther(Lion):
    spots: int = 0


@dataclass
class Named1:
    kind: Literal["one"] = "one"


@dataclass
class Named2:
    kind: Literal["two"] = "two"


class Model1(pydantic.BaseModel):
    a: int = 1


class Model2(pydantic.BaseModel):
    a: int = 1


@pydantic.dataclasses.dataclass
class Left:
    attempts: int = pydantic.Field(default=0, exclude=True)


@dataclass
class Lasting:
    a: int = 1

    @cached_property
    def double(self) -> int:
        return self.a * 2


def stored(value: Any, type: Any, format: Any = None) -> Any:
    place = Memory()
    atomic_store.open(place, value, format, type=type).commit()
    return atomic_store.open(place, value, format, type=type).value


def changed(value: Any, **fields: Any) -> Any:
    for name, item in fields.items():
        setattr(value, name, item)
    return value


KEPT: list[tuple[Any, Any]] = [
    (Plain, changed(Plain(5, 6), late=7)),
    (Named, changed(Named(5, given_as=6), late=7)),
    (Compact, Compact(5, 6)),
    (OneName, OneName(theA=5, theB=6, c=7, more=[1])),  # type: ignore[call-arg]
    (Derived, Derived(5)),
    (Box[int], Box(3)),
    (list[Box[dt.date]], [Box(dt.date(2026, 1, 2))]),
    (pathlib.Path, pathlib.Path("/a/ü")),
    (dict[str, pathlib.PurePosixPath | None], {"a": pathlib.PurePosixPath("b"), "c": None}),
    (Mixed, Mixed.NAME),
    (list[Mixed], [Mixed.ONE, Mixed.NAME]),
    (Cat | Dog, Dog(["sit"])),
    (Zoo, Zoo([Cat(3), Dog(["sit"])])),
    (list[Named1 | Named2], [Named2(), Named1()]),
    (dict[Path, int], {Path("a/ü"): 1}),
    (dict[bool, int], {True: 1}),
    (list[Fraction], [Fraction(1, 3)]),
    (deque[int], deque([1, 2])),
    (dict[str, IPv4Address], {"host": IPv4Address("192.0.2.1")}),
]


@pytest.mark.parametrize("format", ["json", "yaml", "toml", "cbor", "pickle"])
@pytest.mark.parametrize(("type", "value"), KEPT, ids=repr)
def test_part_of_every_kind_comes_back(type: Any, value: Any, format: str) -> None:
    """Private, late, renamed, inherited and generic parts, paths, mixed Enums and unions come back as they were."""
    if format == "toml":
        type, value = dict[str, type], {"value": value}  # TOML has a mapping at its top
        if "None" in repr(value):
            return  # and no None
    again = stored(value, type, format)
    assert again == value
    assert repr(again) == repr(value)


REFUSED: list[tuple[Any, Any, str]] = [
    (Secretive, Secretive(), "Secretive has the private field _hidden"),
    (Holder, Holder(), "Heir has the private field _hidden"),
    (Excluding, Excluding(), "Excluding has the field attempts, which pydantic excludes"),
    (Nested, Nested(), "Excluding has the field attempts"),
    (Private, Private(), "Private has the private attribute _cache"),
    (list[Private], [], "Private has the private attribute _cache"),
    (TwoNames, TwoNames(), "the field a, which pydantic writes as 'y' and reads as 'x'"),
    (Late, Late(), "Late has the field attempts with init=False"),
    (Left, Left(), "Left has the field attempts, which pydantic excludes"),
    (list[Cat | Lion], [], "Cat and Lion, whose fields do not tell them apart"),
    (Panther | Lion, Lion(), "Lion and Panther, whose fields"),
    (dict[str, Model1 | Model2 | None], {}, "Model1 and Model2, whose fields"),
    (dict[tuple[int, int], str], {}, r"dict.* has keys of type tuple\[int, int\]"),
]


@pytest.mark.parametrize(("type", "default", "told"), REFUSED)
def test_type_that_would_lose_a_part_is_refused_at_open(type: Any, default: Any, told: str) -> None:
    """A field that the packages leave out is a FormatError at open() with its name, also deep inside; pickle keeps it."""
    with pytest.raises(FormatError, match=told):
        atomic_store.open("no/such/directory/file", default, type=type)
    assert stored(default, type, "pickle") == default


def test_part_that_only_a_commit_can_see_is_refused_there() -> None:
    """What a serializer of one's own changes, and a private part of a subclass, is refused with its place."""
    store = atomic_store.open(Memory(), [Serializing()], type=list[Serializing])
    store.value.append(Serializing(a=7))
    with pytest.raises(TypeError, match=r"7 would become 2 - at `\$\[1\]\.a`"):
        store.commit()


@pytest.mark.parametrize(
    "type",
    [str | dt.date, str | Path, dt.date | dt.datetime, list[str | dt.datetime], Cat | Named, dict[str, Cat | Secretive]],
)
def test_union_that_would_be_guessed_is_refused_at_open(type: Any) -> None:
    """A text that may be a date, and unions that no package can tell apart, are a FormatError at open()."""
    with pytest.raises(FormatError, match="type should be one that msgspec can convert"):
        atomic_store.open(Memory(), None, type=type)


class Strange:
    pass


@pytest.mark.parametrize("type", [dict[str, Strange], list[Strange | None], dict[str, deque[Secretive]]])
def test_class_that_no_package_converts_is_refused_at_open(type: Any) -> None:
    """A class that neither msgspec nor pydantic knows is a FormatError at open(), although the default has none of it."""
    with pytest.raises(FormatError, match=r"type should be one that msgspec can convert"):
        atomic_store.open(Memory(), [] if str(type).startswith("list") else {}, type=type)


def test_attribute_that_is_no_field_is_refused() -> None:
    """A misspelled attribute would be gone at the next start: refused at the commit. What a property keeps may go."""
    store = atomic_store.open(Memory(), Lasting(), type=Lasting)
    assert store.value.double == 2
    store.commit()
    store.value.aa = 2  # type: ignore[attr-defined]
    with pytest.raises(TypeError, match=r"aa, which is no field of Lasting, would be gone - at `\$`"):
        store.commit()


class Helper:  # has no == of its own, so that none equals another one
    pass


@dataclass
class Forgetful:
    a: int = 1
    tries = 0  # no annotation, so no field

    def __post_init__(self) -> None:
        self.log: list[str] = []
        self.helper = Helper()
        self._cache: dict[str, int] = {}

    def remember(self) -> None:
        self._cache["x"] = 1


@attrs.define(slots=False)
class ForgetfulToo:
    a: int = 1
    tries = 0


@pytest.mark.parametrize("value", [Forgetful(), ForgetfulToo()], ids=repr)
def test_attribute_of_the_class_that_is_no_field_is_refused_if_changed(value: Any) -> None:
    """Without its annotation a field is an attribute of the class, and what was set would be lost: refused."""
    store = atomic_store.open(Memory(), value, type=type(value))
    store.value.tries = 0
    store.commit()
    store.value.tries = 5
    with pytest.raises(TypeError, match=r"5 would become 0 - at `\$\.tries`, which is no field of Forgetful"):
        store.commit()


def test_attribute_made_by_post_init_is_refused_if_changed() -> None:
    """A list that __post_init__ makes comes back empty: refused if it is not empty. A helper or a cache is made again."""
    store = atomic_store.open(Memory(), Forgetful(), type=Forgetful)
    store.value.remember()
    store.commit()
    store.value.log.append("x")
    with pytest.raises(TypeError, match=r"\['x'\] would become \[\] - at `\$\.log`, which is no field of Forgetful"):
        store.commit()


@pytest.mark.parametrize(
    ("type", "value", "kept"),
    [
        (deque[int], deque([1], maxlen=2), deque([1])),
        (defaultdict[str, int], defaultdict(lambda: 7, a=1), defaultdict(int, a=1)),
    ],
)
def test_limit_and_factory_of_a_container_are_refused_if_lost(type: Any, value: Any, kept: Any) -> None:
    """A deque that would come back without its maxlen, or a defaultdict with another factory, is refused."""
    store = atomic_store.open(Memory(), kept, type=type)
    store.commit()
    assert repr(store.reload()) == repr(kept)
    store.value = value
    with pytest.raises(TypeError, match=r"would become .* - at `\$\.(maxlen|default_factory)`"):
        store.commit()


def test_union_without_pydantic_is_told_by_msgspec(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where pydantic is not installed, what only it converts is refused in the words of msgspec."""
    monkeypatch.setitem(sys.modules, "pydantic", None)
    with pytest.raises(FormatError, match="more than one dataclass"):
        atomic_store.open(Memory(), Cat(), type=Cat | Dog)


BERLIN = ZoneInfo("Europe/Berlin")
MOMENTS = [
    dt.datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN),
    dt.datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=BERLIN),
    dt.datetime(2026, 3, 29, 2, 30, tzinfo=BERLIN),
    dt.datetime(2026, 3, 29, 2, 30, fold=1, tzinfo=BERLIN),
    dt.datetime(2026, 7, 1, 12, tzinfo=BERLIN),
    dt.datetime(2026, 7, 1, 12, tzinfo=dt.timezone(-dt.timedelta(hours=3, minutes=30))),
]


def is_same(moment: dt.datetime, again: dt.datetime) -> bool:
    local = moment.replace(tzinfo=None, fold=0) == again.replace(tzinfo=None, fold=0)
    return local and moment.utcoffset() == again.utcoffset()


@pytest.mark.parametrize("moment", MOMENTS, ids=str)
def test_moment_of_every_hour_is_stored(moment: dt.datetime) -> None:
    """The repeated hour of autumn and the missing one of spring come back at the same local time and offset."""
    for format in ("json", "yaml", "cbor"):
        assert is_same(moment, stored(moment, dt.datetime, format))
        assert is_same(moment, stored({"at": [moment]}, dict[str, list[dt.datetime]], format)["at"][0])
    for format in ("yaml", "toml", "cbor"):
        place = Memory()
        atomic_store.open(place, {"at": moment}, Verified(format)).commit()
        assert is_same(moment, atomic_store.open(place, None, format).value["at"])


@pytest.mark.parametrize(("format", "keywords"), [("bson", {}), ("msgpack", {"dump_kwargs": {"datetime": True}})])
def test_moment_that_loses_its_offset_is_no_same_value(format: str, keywords: Any) -> None:
    """Formats that keep the instant only, in UTC, are refused by Verified; by themselves they keep the instant."""
    load: Any = {"load_kwargs": {"timestamp": 3}} if format == "msgpack" else {}
    for moment in MOMENTS:
        place = Memory()
        store = atomic_store.open(place, None, Verified(format), **keywords, **load)
        store.value = {"at": moment}
        with pytest.raises(FormatError, match=r"\$\.at: "):
            store.commit()
        store.format = format
        store.commit()
        assert store.reload()["at"].timestamp() == moment.timestamp()


@pytest.mark.parametrize("format", ["yaml", "toml", "cbor"])
def test_offset_with_seconds_is_refused_or_kept(format: str) -> None:
    """An offset that the format cannot read again is a FormatError at the commit, and nothing is published."""
    for seconds in (30, 3208):
        place = Memory()
        moment = dt.datetime(1890, 1, 1, tzinfo=dt.timezone(dt.timedelta(seconds=seconds)))
        try:
            atomic_store.open(place, {"at": moment}, format).commit()
        except FormatError:
            assert place.content is None
        else:
            assert is_same(moment, atomic_store.open(place, None, format).value["at"])


def test_model_of_a_function_is_kept(tmp_path: Path) -> None:
    """A model made inside a function, whose annotations no module can resolve, is stored and comes back."""

    class Inner(pydantic.BaseModel):
        n: int = 1

    class Outer(pydantic.BaseModel):
        inner: Inner = Inner()

    store = atomic_store.open(tmp_path / "a.json", default=Outer(), type=Outer)
    store.value.inner.n = 2
    store.commit()
    assert store.reload() == Outer(inner=Inner(n=2))
