"""type=: values of the program's own types, through every named format; what does not fit, and what would not come back."""

from __future__ import annotations

import datetime as dt
import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Optional, TypedDict
from uuid import UUID

import attrs
import msgspec
import pydantic
import pydantic.dataclasses
import pytest

import atomic_store
from atomic_store import Compressed, FormatError, LoadError, MissingLibraryError, Signed, Verified, Versioned
from atomic_store.testing import Memory

NAMES = ["json", "pickle", "bson", "yaml", "toml", "msgpack", "cbor"]
KEY = bytes(range(32))
UTC = dt.UTC
NOW = dt.datetime(2026, 1, 2)  # noqa: DTZ001 - naive ones have to come back as such


class Color(Enum):
    RED = "red"
    BLUE = "blue"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Mood(StrEnum):
    GOOD = "good"


class Point(NamedTuple):
    x: int
    when: dt.datetime


class Place(TypedDict):
    name: str
    since: dt.date


@attrs.define
class Owner:
    name: str
    id: UUID = UUID(int=7)  # noqa: RUF009 - a constant


class Limits(msgspec.Struct):
    price: Decimal = Decimal("0.10")
    raw: bytes = b"\x00\xff"


@dataclass
class Job:
    name: str
    started: dt.datetime
    tags: set[str] = field(default_factory=set[str])


@dataclass
class State:
    """One of everything, nested."""

    jobs: list[Job] = field(default_factory=list[Job])
    by_id: dict[int, Job] = field(default_factory=dict[int, Job])
    day: dt.date = dt.date(2026, 1, 2)
    at: dt.time = dt.time(3, 4, 5, 6)
    took: dt.timedelta = dt.timedelta(days=1, microseconds=5)
    ids: frozenset[int] = frozenset({1, 2})
    color: Color = Color.RED
    level: Level = Level.HIGH
    mood: Mood = Mood.GOOD
    point: Point = Point(1, NOW)  # noqa: RUF009 - a constant
    pair: tuple[int, str] = (1, "a")
    place: Place = field(default_factory=lambda: Place(name="here", since=dt.date(2020, 2, 29)))
    owner: Owner = field(default_factory=lambda: Owner("Zoë"))
    limits: Limits = field(default_factory=Limits)
    ratio: float = 0.1
    note: str | None = "None is not TOML's"


class Model(pydantic.BaseModel):
    """One of everything, for pydantic."""

    name: str = "Zoë"
    started: dt.datetime = dt.datetime(2026, 1, 2, tzinfo=UTC)
    day: dt.date = dt.date(2026, 1, 2)
    at: dt.time = dt.time(3, 4, 5, 6)
    tags: set[str] = {"a"}
    ids: frozenset[int] = frozenset({1})
    color: Color = Color.RED
    id: UUID = UUID(int=9)
    price: Decimal = Decimal("1.10")
    raw: bytes = b"text only"
    children: dict[int, Model] = {}


@pydantic.dataclasses.dataclass
class Checked:
    n: int = 1
    at: dt.datetime = NOW


def state() -> State:
    """A State in which nothing is a default."""
    first = Job("first", dt.datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=dt.timezone(dt.timedelta(hours=2))), {"x", "ü"})
    return State(jobs=[first, Job("second", NOW)], by_id={3: first}, color=Color.BLUE)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "value"


def round_trip(value: Any, type: Any, format: Any = None) -> Any:
    """Commit a value, and give what another program finds."""
    place = Memory()
    atomic_store.open(place, value, format, type=type).commit()
    found = atomic_store.open(place, value, format, type=type)
    assert found.stored
    return found.value


# --- what comes back -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", NAMES)
def test_nothing_inside_a_state_is_changed_by_any_format(format: str) -> None:
    """A nested State with datetimes, sets, enums, UUIDs, Decimals and bytes comes back equal from every named format."""
    assert round_trip(state(), State, format) == state()


@pytest.mark.parametrize("format", NAMES)
def test_nothing_inside_a_model_is_changed_by_any_format(format: str) -> None:
    """So does a nested pydantic model."""
    model = Model(children={1: Model(name="child", color=Color.BLUE)})
    assert round_trip(model, Model, format) == model


@pytest.mark.parametrize(
    "format",
    [
        Verified("json"),
        Versioned("json", 3),
        Versioned("toml", 3),
        Signed("pickle", KEY),
        Compressed("cbor", "xz"),
        Signed(Compressed(Versioned(Verified("yaml"), 1)), KEY),
    ],
    ids=lambda each: str(each.label),
)
def test_no_wrapper_stands_in_the_way_of_a_type(format: Any) -> None:
    """Wrappers see plain data, and pickle inside them the objects; the State comes back from all of them."""
    assert round_trip(state(), State, format) == state()


class Sub(msgspec.Struct, tag=True):
    n: int = 0


class Other(msgspec.Struct, tag=True):
    n: int = 0


VALUES: list[tuple[Any, Any]] = [
    (list[State], [state()]),
    (dict[str, State], {"a": state()}),
    (list[Model], [Model()]),
    (dict[int, Checked], {1: Checked(2)}),
    (Optional[State], None),  # noqa: UP045 - it is of another class than State | None
    (State | None, state()),
    (State | None, None),
    (Model | None, Model()),
    (Sub | Other, Other(3)),
    (int | str, "a"),
    (Annotated[int, msgspec.Meta(ge=0)], 3),
    (Literal["a", "b"], "b"),
    (Place, Place(name="there", since=dt.date(2026, 1, 2))),
    (Point, Point(1, NOW)),
    (Owner, Owner("a", UUID(int=1))),
    (Limits, Limits(Decimal("1e-9"), b"")),
    (Checked, Checked(5)),
    (set[Point], {Point(1, NOW)}),
    (dict[dt.date, int], {dt.date(2026, 1, 2): 1}),
    (float, 1.5),
    (bytes, b"\xff"),
    (tuple[int, ...], (1, 2)),
    (Any, [1, "a", None]),
    (dt.datetime, dt.datetime.max),  # noqa: DTZ901 - as above
]


@pytest.mark.parametrize(("type", "value"), VALUES)
def test_value_of_any_kind_of_type_comes_back(type: Any, value: Any) -> None:
    """Containers, unions, tuples and scalars of all the type systems come back from JSON equal and of their class."""
    found = round_trip(value, type)
    assert (found, found.__class__) == (value, value.__class__)


def test_not_a_number_is_no_difference(path: Path) -> None:
    """NaN is unequal to itself, and is stored all the same; an int serves as a float."""
    assert round_trip(0, float) == 0
    store = atomic_store.open(path, [1.5, float("nan")], type=list[float])
    store.commit()
    assert path.read_bytes() == b"[1.5, NaN]"
    assert store.reload()[1] != store.value[1]


@dataclass
class Holder:
    model: Model
    models: list[Model]


def test_pydantic_inside_a_dataclass_stays_with_pydantic() -> None:
    """A model in a field of a dataclass is converted by pydantic, and its errors say where."""
    assert round_trip(Holder(Model(), [Model(name="b")]), Holder) == Holder(Model(), [Model(name="b")])
    text = b'{"model": {}, "models": [{"name": []}]}'
    with pytest.raises(LoadError, match=r"name\n.*valid string[\s\S]*models"):
        atomic_store.open(Memory(text), Holder(Model(), []), type=Holder)


class Aliased(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid")
    given: int = pydantic.Field(default=1, alias="theName")

    @pydantic.computed_field  # type: ignore[prop-decorator]
    @property
    def double(self) -> int:
        return self.given * 2


def test_model_with_alias_and_computed_field_can_be_read_again() -> None:
    """A field is written under the name by which it is read, and what is computed is not written."""
    place = Memory()
    atomic_store.open(place, Aliased.model_validate({"theName": 5}), type=Aliased).commit()
    assert place.content == b'{"theName": 5}'
    assert atomic_store.open(place, Aliased(), type=Aliased).value.given == 5


def test_value_can_be_changed_in_place(path: Path) -> None:
    """What a load gives is an object of the program's class, which can be changed and committed."""
    store = atomic_store.open(path, State(), type=State)
    with store:
        store.value.jobs.append(Job("a", NOW))
    with store:
        store.value.jobs[0].tags.add("done")
    assert atomic_store.open(path, State(), type=State).value.jobs == [Job("a", NOW, {"done"})]


def test_set_in_another_order_is_the_same_set() -> None:
    """A set that has shrunk is stored although its copy is in another order; one of several types is stored too."""
    shrunk: set[int | str] = set(range(1000))
    for number in range(1000):
        if number not in (9, 16):
            shrunk.discard(number)
    order = list(shrunk)
    assert order != list(set(order)), "the control: this set is not in the order of its copy"
    place = Memory()
    store = atomic_store.open(place, set[int | str](), type=set[int | str])
    mixed: set[int | str] = {1, "a"}
    for value in (shrunk, mixed):
        store.value = value
        store.commit()
        assert store.reload() == value


def test_update_and_lock_keep_the_type(path: Path) -> None:
    """update() passes the type on, and lock= reads afresh as the type."""
    store = atomic_store.open(path, State(), type=State, lock=True)

    def add(value: State) -> State:
        value.ids |= {9}
        return value

    assert store.update(add).ids == {1, 2, 9}
    with atomic_store.open(path, State(), type=State) as other:
        other.value.color = Color.BLUE
    with store:
        assert store.value.color is Color.BLUE
    assert isinstance(store.reload(), State)


def test_assigned_format_keeps_the_type(path: Path) -> None:
    """A store whose format is changed later goes on with its type."""
    store = atomic_store.open(path, State(), type=State)
    store.format = "yaml"
    store.commit()
    assert store.reload() == State()
    assert path.read_bytes().startswith(b"jobs: []\n")


# --- the default -----------------------------------------------------------------------------------------------------


def test_callers_default_never_changes(path: Path) -> None:
    """The default is a copy, of an object of one's own too."""
    mine = State()
    store = atomic_store.open(path, mine, type=State)
    store.value.jobs.append(Job("a", NOW))
    assert mine == State()


@pytest.mark.parametrize(
    ("type", "default"),
    [
        (State, None),
        (State, {}),
        (State, State(ratio="x")),  # type: ignore[arg-type]
        (list[State], [1]),
        (Model, None),
        (Model, {"name": "a"}),
        (Place, None),
        (int | str, 1.5),
        (Annotated[int, msgspec.Meta(ge=0)], -1),
        (float, "1"),
    ],
)
@pytest.mark.parametrize("format", ["json", "yaml"])
def test_default_of_another_type_is_refused_at_once(path: Path, type: Any, default: Any, format: str) -> None:
    """A default that is no value of the type is a TypeError at open(), whether it would be used or not."""
    path.write_bytes(b"{}")
    with pytest.raises(TypeError, match="default should be of type"):
        atomic_store.open(path, default, format, type=type)
    assert path.read_bytes() == b"{}"


@pytest.mark.parametrize("type", [5, "State", Job | State, list[5], "no.such"], ids=repr)  # type: ignore[valid-type]
def test_what_is_no_type_is_refused_before_any_reading(type: Any) -> None:
    """A type that cannot be one is a FormatError at open()."""
    with pytest.raises(FormatError, match="type should be one that msgspec can convert"):
        atomic_store.open("no/such/directory/file", None, type=type)


class Foreign:
    pass


class Arbitrary(pydantic.BaseModel):
    pass


def test_what_pydantic_cannot_convert_is_refused_before_any_reading() -> None:
    """So is one that pydantic cannot make anything of."""
    with pytest.raises(FormatError, match="type should be one that pydantic can convert"):
        atomic_store.open("no/such/directory/file", None, type=dict[str, Arbitrary | Foreign])


def test_class_that_nobody_can_convert_is_named(path: Path) -> None:
    """A class of one's own that is none of the kinds is refused by name at open(), whatever the default holds."""
    for default in ([Foreign()], []):
        with pytest.raises(FormatError, match="Foreign is not supported"):
            atomic_store.open(path, default, type=list[Foreign])


# --- what does not fit -----------------------------------------------------------------------------------------------

WRONG: list[tuple[Any, Any, bytes, str]] = [
    (State, State(), b'{"jobs": [{"name": "a", "started": 5}]}', r"Expected `datetime`, got `int`.*\$\.jobs\[0\]\.started"),
    (State, State(), b'{"jobs": [{"name": "a", "started": "tomorrow"}]}', r"Invalid RFC3339.*\$\.jobs\[0\]\.started"),
    (State, State(), b'{"jobs": {}}', r"Expected `array`, got `object` - at `\$\.jobs`"),
    (State, State(), b'{"jobs": [{"name": "a"}]}', r"missing required field `started` - at `\$\.jobs\[0\]`"),
    (State, State(), b'{"color": "green"}', r"Invalid enum value 'green' - at `\$\.color`"),
    (State, State(), b'{"owner": {"name": "a", "id": "7"}}', r"Invalid UUID - at `\$\.owner\.id`"),
    (State, State(), b"null", "Expected `object`, got `null`"),
    (State, State(), b"[]", "Expected `object`, got `array`"),
    (list[int], [1], b"[1, 2, true]", r"Expected `int`, got `bool` - at `\$\[2\]`"),
    (dict[str, int], {}, b'{"a": 1.5}', r"Expected `int`, got `float` - at `\$\[\.\.\.\]`"),
    (Model, Model(), b'{"children": {"3": {"started": "x"}}}', r"valid datetime.*at `\$\.children\.3\.started`"),
    (list[Model], [Model()], b'[{}, {"color": 1}]', r"at `\$\[1\]\.color`"),
]


@pytest.mark.parametrize(("type", "default", "content", "told"), WRONG)
def test_file_that_does_not_fit_says_where(path: Path, type: Any, default: Any, content: bytes, told: str) -> None:
    """A sound file of another shape is a LoadError with the place inside the value; it is no damage, and never moved."""
    path.write_bytes(content)
    with pytest.raises(LoadError, match=told) as caught:
        atomic_store.open(path, default, type=type, on_corrupt="quarantine")
    error = caught.value
    assert (error.path, error.format, error.size, error.damaged) == (path, "json", len(content), False)
    assert "Nothing was changed" in str(error)
    assert path.read_bytes() == content
    assert [each.name for each in path.parent.iterdir()] == ["value"]


def test_third_job_is_named_as_such(path: Path) -> None:
    """The place counts as Python does: `$.jobs[3]` is the fourth."""
    jobs: list[dict[str, Any]] = [{"name": "a", "started": "2026-01-02T03:04:05"}] * 3 + [{"name": "a", "started": None}]
    path.write_text(json.dumps({"jobs": jobs}), encoding="utf-8")
    with pytest.raises(LoadError, match=r"\$\.jobs\[3\]\.started"):
        atomic_store.open(path, State(), type=State)


def test_damaged_file_is_damaged_whatever_the_type(path: Path) -> None:
    """Bytes that the format itself refuses are damage, with a type as without."""
    path.write_bytes(b'{"jobs": [')
    with pytest.raises(LoadError) as caught:
        atomic_store.open(path, State(), type=State)
    assert caught.value.damaged


class Narrow(pydantic.BaseModel):
    any: Any = None
    secret: pydantic.SecretStr | None = None
    base: Arbitrary = Arbitrary()


class Wider(Arbitrary):
    more: int = 1


@dataclass
class Open:
    any: Any = None
    items: list[Any] = field(default_factory=list[Any])
    jobs: list[Job] = field(default_factory=list[Job])
    opaque: Any = 0


@dataclass
class Longer(Job):
    more: int = 1


@pytest.mark.parametrize(
    ("type", "default", "value", "told"),
    [
        (State, State(), {"jobs": []}, "expected State, got dict"),
        (State, State(), None, "expected State, got NoneType"),
        (State, State(), State(ratio="x"), r"\$\.ratio"),  # type: ignore[arg-type]
        (State, State(), State(jobs=[Job("a", 5)]), r"\$\.jobs\[0\]\.started"),  # type: ignore[arg-type]
        (Open, Open(), Open(NOW), r"datetime.* would become '2026-01-02T00:00:00' - at `\$\.any`"),
        (Open, Open(), Open(items=[0, {"a": b"x"}]), r"b'x' would become 'eA==' - at `\$\.items\[1\]\.a`"),
        (Open, Open(), Open(items=[Decimal(1)]), r"at `\$\.items\[0\]`"),
        (Open, Open(), Open(jobs=[Longer("a", NOW)]), r"Longer would become Job - at `\$\.jobs\[0\]`"),
        (Open, Open(), Open(Foreign()), "got Foreign"),
        (list[int], [1], [1, "2"], r"\$\[1\]"),
        (Model, Model(), {"name": "a"}, "expected Model, got dict"),
        (Model, Model(), Model.model_construct(name=5), "name|serializ"),
        (Narrow, Narrow(), Narrow(any={1}), r"\{1\} would become \[1\] - at `\$\.any`"),
        (Narrow, Narrow(), Narrow(secret=pydantic.SecretStr("x")), r"at `\$\.secret`"),
        (Narrow, Narrow(), Narrow(base=Wider()), r"Wider would become Arbitrary - at `\$\.base`"),
    ],
)
def test_value_that_does_not_fit_costs_nothing(path: Path, type: Any, default: Any, value: Any, told: str) -> None:
    """What is not of the type, or would come back as something else, is refused at commit with the place; old file whole."""
    store = atomic_store.open(path, default, type=type)
    store.commit()
    before = path.read_bytes()
    store.value = value
    with pytest.raises((TypeError, ValueError), match=told) as caught:
        store.commit()
    assert any(repr(path) in note and "should be of type" in note for note in caught.value.__notes__)
    assert path.read_bytes() == before
    assert [each.name for each in path.parent.iterdir()] == ["value"]
    store.value = default
    store.commit()


def test_value_that_contains_itself_is_refused(path: Path) -> None:
    """A cycle is a RecursionError at commit, not a hang; the old file is whole."""
    store = atomic_store.open(path, [1], type=list[Any])
    store.commit()
    store.value.append(store.value)
    with pytest.raises(RecursionError):
        store.commit()
    assert path.read_bytes() == b"[1]"


# --- files that people edit ------------------------------------------------------------------------------------------


@dataclass
class Edited:
    at: dt.datetime
    day: dt.date
    n: int
    f: float
    s: str
    tags: set[str]
    ok: bool = False


EDITED = Edited(dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), dt.date(2026, 1, 2), 31, 1500.0, "q", {"a", "b"}, True)
YAML = b"# mine\nat: 2026-01-02T03:04:05Z\nday: 2026-01-02\nn: 0x1F\nf: 1.5e3\ns: 'q'\ntags: [a, \"b\"]\nok: true\n"
TOML = b"at = 2026-01-02T03:04:05Z\nday = 2026-01-02\nn = 0x1F\nf = 1.5e3\ns = 'q'\ntags = ['a', \"b\"]\nok = true # mine\n"


def unchanged(value: Any) -> Any:
    return value


@pytest.mark.parametrize("migrate", [unchanged, dict, lambda value: {**value, "s": value["s"]}], ids=["none", "dict", "new"])
@pytest.mark.parametrize(
    ("format", "content"), [("yaml", YAML), ("toml", TOML), ("yaml", YAML.replace(b'[a, "b"]', b"!!set {a, b}"))]
)
def test_dates_as_people_write_them_are_taken(format: str, content: bytes, migrate: Callable[[Any], Any]) -> None:
    """YAML's and TOML's own dates, numbers and sets fit the type, also after a migration; no class of theirs remains."""
    for each in (format, Versioned(format, 1, {0: migrate})):
        value = atomic_store.open(Memory(content), EDITED, each, type=Edited).value
        assert value == EDITED
        assert {type(item).__module__ for item in vars(value).values()} == {"datetime", "builtins"}


def test_local_time_and_offset_stay_what_they_are() -> None:
    """A time without an offset stays naive, one with an offset keeps it, in both formats."""
    for format, template in (("yaml", "[{}]"), ("toml", "a = [{}]")):
        for text, offset in (("2026-01-02T03:04:05", None), ("2026-01-02T03:04:05+02:00", dt.timedelta(hours=2))):
            place = Memory(template.format(text).encode())
            type: Any = list[dt.datetime] | dict[str, list[dt.datetime]] | None
            value: Any = atomic_store.open(place, None, format, type=type).value
            (found,) = value["a"] if format == "toml" else value
            assert (found.hour, found.utcoffset()) == (3, offset)


@pytest.mark.parametrize(("type", "value"), [(list[bool], [True, False]), (list[int | bool], [1, True])])
def test_truth_in_a_list_of_toml_is_a_bool(type: Any, value: list[Any]) -> None:
    """What tomlkit gives for a bool in a list, by iteration, is a class of its own and no bool: the type gets a bool."""
    place = Memory(f"a = {value!r}".lower().encode())
    loaded = atomic_store.open(place, {}, "toml", type=dict[str, type]).value["a"]
    assert [(item, item.__class__) for item in loaded] == [(item, item.__class__) for item in value]


def test_yaml_that_contains_itself_is_refused() -> None:
    """A cycle of YAML aliases is a LoadError and no hang."""
    with pytest.raises(LoadError, match="RecursionError"):
        atomic_store.open(Memory(b"&a [*a]"), [], "yaml", type=list[Any])


def test_what_aliases_of_yaml_share_is_not_copied() -> None:
    """A few lines that stand for very many items are as small in memory, whatever type is asked for."""
    lines = ["- &a0 [x]", *(f"- &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 16))]
    value = atomic_store.open(Memory("\n".join(lines).encode()), [], "yaml", type=list[Any]).value
    for part in reversed(value[1:]):
        assert type(part) is list
        assert part[0] is part[1]
    assert value[0] == ["x"]


def test_tag_of_yaml_that_nobody_knows_does_not_fit() -> None:
    """What ruamel.yaml gives for a tag of one's own is a LoadError with the place."""
    with pytest.raises(LoadError, match=r"\$\[0\]"):
        atomic_store.open(Memory(b"[!mine x]"), [], "yaml", type=list[int])


def test_json_is_not_looked_through_for_others_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where neither package of YAML or TOML was loaded, none of their classes can be inside."""
    for name in ("tomlkit", "ruamel.yaml"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    assert round_trip(state(), State) == state()


# --- pickle ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("type", "default", "content"),
    [(State, State(), {}), (int, 1, "1"), (State | None, None, 5), (list[int], [], {}), (Model, Model(), State())],
)
def test_pickle_of_another_class_is_refused(type: Any, default: Any, content: Any) -> None:
    """From a pickle a value only has to be an instance: another one is a LoadError, and is refused at commit as well."""
    place = Memory(pickle.dumps(content))
    with pytest.raises(LoadError, match=r"expected .*, got") as caught:
        atomic_store.open(place, default, "pickle", type=type, on_corrupt="quarantine")
    assert not caught.value.damaged
    empty = Memory()
    store = atomic_store.open(empty, default, "pickle", type=type)
    store.value = content
    with pytest.raises(TypeError, match=r"expected .*, got"):
        store.commit()
    assert empty.content is None


def test_pickle_looks_at_the_class_only() -> None:
    """What is inside is not looked at, objects keep their identity, and what isinstance() cannot tell passes."""
    place = Memory(pickle.dumps(State(ratio="x")))  # type: ignore[arg-type]
    assert atomic_store.open(place, State(), "pickle", type=State).value.ratio == "x"  # type: ignore[comparison-overlap]
    shared = [NOW]
    found = round_trip([shared, shared], list[Any], "pickle")
    assert found[0] is found[1]
    assert round_trip({"name": 5}, Place, "pickle") == {"name": 5}


# --- without a package -----------------------------------------------------------------------------------------------


def test_absent_msgspec_says_how_to_install_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without msgspec type= is a MissingLibraryError before any reading; pickle and pydantic's types do without it."""
    monkeypatch.setitem(sys.modules, "msgspec", None)
    for type, default in ((State, State()), (Owner, Owner("a")), (Place, {}), (int, 1), (list[int], [])):
        with pytest.raises(MissingLibraryError, match=r'needs the package msgspec: pip install "atomic-store\[typed\]"'):
            atomic_store.open("no/such/directory/file", default, type=type)
    assert round_trip(State(), State, "pickle") == State()
    assert round_trip(Model(), Model) == Model()
    assert not path.exists()


PROGRAM = """
import sys
for name in {absent!r}:
    sys.modules[name] = None
import atomic_store, dataclasses, datetime
from atomic_store.testing import Memory

@dataclasses.dataclass
class State:
    n: float = 1.5
    at: datetime.datetime = datetime.datetime(2026, 1, 2)

for content in {contents!r}:
    try:
        print(atomic_store.open(Memory(content), State(), type=State).value)
    except atomic_store.LoadError as error:
        print(error)
place = Memory()
atomic_store.open(place, State(), type=State).commit()
print(place.content)
"""


def test_other_packages_make_no_difference() -> None:
    """The same file loads the same way, and the same bytes are written, whichever of the other packages are there."""
    contents = [b'{"n": 2}', b'{"n": "2"}', b'{"at": 5}', b'{"at": "2026-01-02"}', b'{"more": 1}', b"{}"]
    absent = [[], ["pydantic"], ["attrs", "attr", "cattrs"], ["pydantic", "attr", "attrs", "ruamel.yaml", "tomlkit"]]
    outputs = [
        subprocess.run(
            [sys.executable, "-c", PROGRAM.format(absent=each, contents=contents)],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for each in absent
    ]
    assert outputs == [outputs[0]] * len(absent)
    assert "Expected `float`, got `str` - at `$.n`" in outputs[0]
