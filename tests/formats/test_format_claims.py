"""The formats by name: what each one's docstring says that it holds, changes, cannot hold, and does not notice."""

from __future__ import annotations

import collections
import datetime as dt
import decimal
import enum
import itertools
import math
import re
import threading
import tomllib
import uuid
from pathlib import Path
from typing import Any

import pytest
import seams
from seams import difference
from support import ROOT

import atomic_store
from atomic_store import formats
from atomic_store.testing import Memory

UTC = dt.UTC
EAST = dt.timezone(dt.timedelta(hours=2))
MOMENT = dt.datetime(2026, 11, 20, 12, 30, 15, 250000, tzinfo=UTC)
NAIVE = MOMENT.replace(tzinfo=None)
SAMPLE = uuid.UUID(int=7)

# All have these, whatever else they hold.
COMMON: dict[str, Any] = {
    "name": "Zürich 𝄞",
    "none of": [],
    "runs": [1, -2, 3.5, True],
    "part": {"text": "a\r\nb\0", "": {}},
}


# At the top, most have these as well.
ANYTHING: list[Any] = [None, 1, "ü", "", [], [None, {}]]


class Colour(enum.Enum):
    RED = 1


class Thing:
    """An object of a class that everybody can import."""

    def __init__(self, size: int) -> None:
        self.size = size

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Thing) and self.size == other.size

    __hash__ = None  # type: ignore[assignment]


def local_class() -> type:
    """Make a class that nobody can import."""

    class Local:
        pass

    return Local


def nested(depth: int) -> dict[str, Any]:
    """Put a mapping into a mapping, so many times."""
    value: dict[str, Any] = {}
    for _ in range(depth):
        value = {"a": value}
    return value


def back(value: Any, name: str, **kwargs: Any) -> Any:
    """Commit the value and give what the next program reads."""
    place = Memory(path=f"value.{name}")
    store = atomic_store.open(place, None, name, **kwargs)
    store.value = value
    store.commit()
    return atomic_store.open(place, None, name, **kwargs).value


HOLDS: list[tuple[str, Any]] = [
    *itertools.product(formats.NAMES, [COMMON]),
    *itertools.product(("json", "pickle", "yaml", "msgpack", "cbor"), ANYTHING),
    *itertools.product(("bson", "json"), [{"nothing": None}]),
    ("json", {"nan": math.nan, "far": -math.inf, "large": 2**70, "surrogate": "\ud800"}),
    ("pickle", {1: {2, 3}, (1, 2): frozenset([b"x"]), "thing": Thing(3), "when": NAIVE, "red": Colour.RED, None: 1 + 2j}),
    ("bson", {"raw": b"\x00", "when": MOMENT, "id": SAMPLE, "large": 2**63 - 1}),
    ("yaml", {"raw": b"\x00", "when": MOMENT, "day": MOMENT.date(), 1: 1, None: 2, 1.5: 3, (1, 2): 4, "large": 2**70}),
    ("yaml", {"norway": "no", "octal": "010", "hex": "0x10", "tilde": "~", "number": "1e3", "nan": math.nan}),
    ("toml", {"when": MOMENT, "local": NAIVE, "day": MOMENT.date(), "time": MOMENT.time(), "far": math.inf, "a.b c": 2**70}),
    ("msgpack", {"raw": b"\x00", 1: 1, None: 2, "large": 2**64 - 1, "nan": math.nan}),
    (
        "cbor",
        {"raw": b"\x00", 1: 1, "set": {1}, "price": decimal.Decimal("1.10"), "id": SAMPLE, "when": MOMENT, "large": 2**70},
    ),
]


@pytest.mark.parametrize(("name", "value"), HOLDS)
def test_value_comes_back_as_it_was(name: str, value: Any) -> None:
    """What a format is said to hold comes back equal and of the same types, or of a subclass of them."""
    assert difference(value, back(value, name)) is None


CHANGES: list[tuple[str, Any, Any]] = [
    *[(name, {"pair": (1, 2)}, {"pair": [1, 2]}) for name in ("json", "bson", "yaml", "toml", "msgpack", "cbor")],
    ("json", {1: "a", 1.5: "b", None: "c", False: "d"}, {"1": "a", "1.5": "b", "null": "c", "false": "d"}),
    ("json", {1: "a", "1": "b"}, {"1": "b"}),
    ("bson", {"when": dt.datetime(2026, 1, 1, 2, 0, 0, 1999, EAST)}, {"when": dt.datetime(2026, 1, 1, 0, 0, 0, 1000, UTC)}),
    ("bson", {"when": NAIVE}, {"when": MOMENT}),
    ("msgpack", {"raw": bytearray(b"x")}, {"raw": b"x"}),
    ("cbor", {"raw": bytearray(b"x")}, {"raw": b"x"}),
    ("toml", {"red": collections.OrderedDict(a=1)}, {"red": {"a": 1}}),
]


@pytest.mark.parametrize(("name", "value", "after"), CHANGES)
def test_change_on_the_way_is_the_one_that_is_told(name: str, value: Any, after: Any) -> None:
    """What a format gives back as something else is what its docstring says, no more and no less."""
    assert difference(after, back(value, name)) is None


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("yaml", {"a": 1}, "CommentedMap"),
        ("yaml", [1], "CommentedSeq"),
        ("yaml", {1}, "CommentedSet"),
        ("toml", {"a": 1}, "TOMLDocument"),
    ],
)
def test_value_that_carries_comments_is_equal_to_a_plain_one(name: str, value: Any, kind: str) -> None:
    """What is loaded from a file with comments is of a type of the library, and equal to what was committed."""
    loaded = back(value, name)
    assert loaded == value
    assert type(loaded).__name__ == kind


def refusals(name: str, error: str, *values: Any) -> list[tuple[str, Any, str]]:
    return [(name, value, error) for value in values]


def refusals_inside(name: str, error: str, *values: Any) -> list[tuple[str, Any, str]]:
    return refusals(name, error, *({"a": value} for value in values))


REFUSED = [
    *refusals_inside("json", "TypeError", b"x", {1}, NAIVE, Thing(1), Colour.RED, decimal.Decimal(1)),
    *refusals("json", "TypeError", {(1, 2): 1}),
    *refusals("pickle", "PicklingError|AttributeError|TypeError", threading.Lock(), lambda: 0, local_class()()),
    *refusals("bson", "TypeError", None, [], "a", 1),
    *refusals("bson", "InvalidDocument", {1: 1}, {"a": Thing(1)}),
    *refusals_inside("bson", "OverflowError", 2**63, -(2**63) - 1),
    *refusals_inside("yaml", "RepresenterError", Thing(1), decimal.Decimal(1), SAMPLE, Colour.RED, NAIVE.time()),
    *refusals("toml", "TypeError", None, [], "a", 1, {1: 1}),
    *refusals_inside("toml", "ConvertError", None, [None], b"x", Thing(1), decimal.Decimal(1)),
    *refusals_inside("msgpack", "TypeError", {1}, Thing(1), NAIVE, MOMENT, decimal.Decimal(1), SAMPLE),
    *refusals_inside("msgpack", "OverflowError", 2**64, -(2**63) - 1),
    *refusals_inside("cbor", "CBOREncodeError", Thing(1), NAIVE, Colour.RED),
    *[(name, {"a": "\ud800"}, "UnicodeEncodeError") for name in ("bson", "toml", "msgpack", "cbor")],
]


@pytest.mark.parametrize(("name", "value", "error"), REFUSED)
def test_value_that_cannot_be_held_changes_nothing(name: str, value: Any, error: str) -> None:
    """What a format is said to be unable to hold is refused at the commit, by the library's error with a note."""
    place = Memory(path=f"value.{name}")
    store = atomic_store.open(place, None, name)
    store.value = {"old": 1}
    store.commit()
    before = place.content
    store.value = value
    with pytest.raises(Exception) as caught:
        store.commit()
    assert re.fullmatch(error, type(caught.value).__name__)
    assert f"while dumping the value of 'value.{name}' with the format {name}" in caught.value.__notes__
    assert place.content == before


WRITTEN_ONLY: list[tuple[str, Any]] = [("msgpack", {(1, 2): 3}), ("cbor", nested(500))]


@pytest.mark.parametrize(("name", "value"), WRITTEN_ONLY)
def test_value_that_can_only_be_written_is_told(name: str, value: Any) -> None:
    """Of the values that a library writes and does not read, each docstring tells; Verified refuses them at the commit."""
    with pytest.raises(atomic_store.LoadError):
        back(value, name)
    with pytest.raises(atomic_store.FormatError, match="not read back"):
        back(value, atomic_store.Verified(name))  # type: ignore[arg-type]
    module = seams.format_module(name)
    assert "not read" in " ".join((module.__doc__ or "").split())


@pytest.mark.parametrize("name", formats.NAMES)
def test_file_with_a_tail_is_refused(name: str) -> None:
    """What stands after the end of the value, a crash's zeros or a second value, is damage and not passed over."""
    content = stored(COMMON, name)
    for tail in (b"\0", b"\0" * 4096, content):
        place = Memory(content + tail, path="value")
        with pytest.raises(atomic_store.LoadError, match=rf"'value' .*format {name}"):
            atomic_store.open(place, None, name)
        assert place.content == content + tail


STATIONS = {f"station-{n}": {"name": f"Bern {n}", "runs": [1, 20, 300], "open": True, "note": "see: 1"} for n in range(3)}


@pytest.mark.parametrize(
    ("name", "least", "most"), [("yaml", 0.6, 0.8), ("toml", 0.05, 0.2), ("json", 0, 0), ("msgpack", 0, 0)]
)
def test_truncated_file_loads_as_often_as_is_told(name: str, least: float, most: float) -> None:
    """Two of three places to cut a YAML file leave YAML, some in TOML do; JSON and the binary formats notice each cut."""
    content = stored(STATIONS, name)
    share = sum(loads(content[:size], name) for size in range(1, len(content))) / len(content)
    assert least <= share <= most


@pytest.mark.parametrize(
    ("name", "least", "most"), [("json", 0.25, 0.5), ("msgpack", 0.6, 0.8), ("cbor", 0.6, 0.8), ("bson", 0.4, 0.7)]
)
def test_flipped_bit_loads_as_often_as_is_told(name: str, least: float, most: float) -> None:
    """A flipped bit leaves a value of another content in a good part of all cases: only a signature or checksum notices."""
    content = stored(STATIONS, name)
    flipped = (
        bytes([*content[:at], content[at] ^ 1 << bit, *content[at + 1 :]]) for at in range(len(content)) for bit in range(8)
    )
    share = sum(loads(damaged, name) for damaged in flipped) / (8 * len(content))
    assert least <= share <= most


@pytest.mark.parametrize("name", ["yaml", "json", "cbor"])
@pytest.mark.parametrize(
    "wrap", [atomic_store.Compressed, lambda name: atomic_store.Signed(name, b"k" * 32)], ids=["gz", "signed"]
)
def test_remedy_notices_each_cut_and_each_flipped_bit(name: str, wrap: Any) -> None:
    """With a checksum or a signature around it no cut file is a value, and no flipped bit changes one, as documented."""
    content = stored(STATIONS, wrap(name))
    assert not any(loads(content[:size], wrap(name)) for size in range(len(content)))
    for at in range(0, len(content), 3):
        place = Memory(bytes([*content[:at], content[at] ^ 1 << at % 8, *content[at + 1 :]]))
        try:
            store = atomic_store.open(place, None, wrap(name))
        except atomic_store.LoadError:
            continue
        assert store.value == STATIONS


def stored(value: Any, name: Any) -> bytes:
    """Give the bytes that a format makes of the value."""
    place = Memory()
    store = atomic_store.open(place, None, name)
    store.value = value
    store.commit()
    assert place.content is not None
    return place.content


def loads(content: bytes, name: Any) -> bool:
    """Say whether this content is a value to the format."""
    try:
        atomic_store.open(Memory(content), None, name)
    except atomic_store.LoadError:
        return False
    return True


@pytest.mark.parametrize("name", ["json", "toml", "yaml"])
def test_latin_1_is_not_guessed(name: str) -> None:
    """A text file in another encoding than UTF-8 is a LoadError, not a value with other letters; a mark does no harm."""
    content = stored({"name": "Zürich"}, name).replace(b"\\u00fc", "ü".encode())
    assert atomic_store.open(Memory(b"\xef\xbb\xbf" + content), None, name).value == {"name": "Zürich"}
    with pytest.raises(atomic_store.LoadError) as caught:
        atomic_store.open(Memory(content.decode().encode("latin-1")), None, name)
    assert caught.value.damaged


YAML = "# stations, south to north\nbern: [1, 2]   # the capital\n\nzürich: {}\n"
TOML = '# stations, south to north\n[bern]\nruns = [1, 2]   # the capital\n\n["zürich"]\n'


@pytest.mark.parametrize(
    ("name", "text", "after"),
    [("yaml", YAML, YAML.replace("[1, 2]   #", "[1, 2, 3] #")), ("toml", TOML, TOML.replace("[1, 2]", "[1, 2, 3]"))],
)
def test_comments_survive_a_change(name: str, text: str, after: str, tmp_path: Path) -> None:
    """A person's comments, order and blank lines are still there after a program has changed the value."""
    path = tmp_path / f"stations.{name}"
    path.write_text(text, encoding="utf-8")
    with atomic_store.open(path, None, "auto") as store:
        runs = store.value["bern"] if name == "yaml" else store.value["bern"]["runs"]
        runs.append(3)
    assert path.read_text(encoding="utf-8") == after


def test_datetimes_pass_where_keywords_ask_for_it() -> None:
    """The keywords by which msgpack and cbor take datetimes, as their docstrings tell, work."""
    assert back(MOMENT, "msgpack", dump_kwargs={"datetime": True}, load_kwargs={"timestamp": 3}) == MOMENT
    assert back(NAIVE, "cbor", dump_kwargs={"timezone": UTC}) == MOMENT


def test_failed_yaml_dump_does_not_spoil_the_next_one() -> None:
    """After a refused value the same store commits a good one: no YAML instance stays bound to the old file."""
    place = Memory()
    store = atomic_store.open(place, None, "yaml")
    store.value = {"a": Thing(1)}
    with pytest.raises(Exception, match="cannot represent"):
        store.commit()
    store.value = {"a": 1}
    store.commit()
    assert place.content == b"a: 1\n"


def test_content_does_not_choose_the_format(tmp_path: Path) -> None:
    """What "auto" means is the suffix's business alone: bytes that look like a pickle are no pickle."""
    path = tmp_path / "value.json"
    path.write_bytes(b"\x80\x04K\x01.")  # a pickle of 1
    with pytest.raises(atomic_store.LoadError, match="format json"):
        atomic_store.open(path, None, "auto")


def test_each_extra_is_the_one_that_messages_name() -> None:
    """pyproject.toml has an extra of the name of each format that needs a package, and it installs that package."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for name, package in formats.NAMES.items():
        if package:
            (requirement,) = project["optional-dependencies"][name]
            assert requirement.startswith(f"{package}>=")


def test_unknown_name_is_not_probed_for_functions() -> None:
    """A str that is no name is a FormatError, even one with dumps and loads of its own: a name is a name."""

    class Named(str):
        __slots__ = ()

        def dumps(self, value: Any) -> bytes:
            raise AssertionError("a name was used as a format")

        loads = dumps

    with pytest.raises(atomic_store.FormatError, match="format should be one of json, pickle"):
        atomic_store.open(Memory(b"{}"), None, Named("jqon!"))
