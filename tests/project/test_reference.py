"""docs/reference/api.md has every public name, and each of them says what it raises."""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path
from typing import Any, NamedTuple, get_type_hints

import pytest
from pydantic import ValidationError, validate_call
from support import ROOT

import atomic_store
import atomic_store.locations.base
from atomic_store import testing

PAGE = ROOT / "docs" / "reference" / "api.md"

# Their methods are written by who subclasses them.
WRITTEN_BY_USERS = (testing.FormatContract, testing.LocationContract)


class Entry(NamedTuple):
    """A name of the reference: what it is, whether only the library makes it, and its members that are shown."""

    name: str
    thing: Any
    made_by_us: bool
    members: list[str]


def entries() -> list[Entry]:
    """Read the directives of the page."""
    found: list[Entry] = []
    pattern = r"^\.\. auto(?:function|class|exception|data):: ([\w.]+)(\(\))?\n((?:   .*\n)*)"
    for name, made_by_us, options in re.findall(pattern, PAGE.read_text(encoding="utf-8"), re.MULTILINE):
        module, _, attribute = name.rpartition(".")
        lists = re.findall(r":(?:special-)?members: (.*)", options)
        members = [member.strip() for members in lists for member in members.split(",")]
        found.append(Entry(name, getattr(importlib.import_module(module), attribute), bool(made_by_us), members))
    return found


ENTRIES = entries()


def is_said(thing: Any) -> bool:
    """Find out whether a docstring says what is raised."""
    return re.search(r"\b[Rr]ais(es|ing)\b", inspect.getdoc(thing) or "") is not None


def test_no_public_name_is_missing_in_the_reference() -> None:
    """What `__all__` lists, and what a location of one's own is made of, is on the page once, and nothing private."""
    base = atomic_store.locations.base
    parts = set(base.__all__) - {"PIECE", "name_path"}  # those two are for our own modules
    public = {f"atomic_store.{name}" for name in atomic_store.__all__}
    public |= {f"atomic_store.testing.{name}" for name in testing.__all__}
    public |= {f"{base.__name__}.{name}" for name in parts}
    names = [entry.name for entry in ENTRIES]
    assert sorted(names) == sorted(public | {entry.name for entry in ENTRIES if entry.made_by_us})
    assert [name for name in names if "._" in name] == []


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_no_public_name_keeps_silent_about_what_it_raises(entry: Entry) -> None:
    """Each name and each member that is shown has a docstring; what can be called says what it raises."""
    members = {name: inspect.getattr_static(entry.thing, name) for name in entry.members}
    assert [name for name, member in members.items() if not inspect.getdoc(member)] == []
    if isinstance(entry.thing, type) and issubclass(entry.thing, BaseException):
        assert inspect.getdoc(entry.thing)  # it says when it is raised
        return
    assert inspect.getdoc(entry.thing)
    calls = [member for member in members.values() if inspect.isfunction(member)]
    if entry.thing not in WRITTEN_BY_USERS:
        assert [call.__qualname__ for call in calls if not is_said(call)] == []
    constructs = isinstance(entry.thing, type) and not entry.made_by_us and "__init__" in vars(entry.thing)
    if inspect.isfunction(entry.thing) or (constructs and not calls):
        assert is_said(entry.thing)


@pytest.mark.parametrize("entry", [each for each in ENTRIES if isinstance(each.thing, type)], ids=lambda entry: entry.name)
def test_no_public_method_is_left_out(entry: Entry) -> None:
    """What a class defines for its users is shown with it; the parts of a seam are shown with the seam."""
    if issubclass(entry.thing, BaseException):
        return
    inherited = {*dir(atomic_store.locations.base.Location), "dump", "load", "dumps", "loads"}
    own = {
        name
        for name, member in vars(entry.thing).items()
        if not name.startswith(("_", "test_")) and inspect.isfunction(member) and name not in inherited
    }
    assert own - set(entry.members) <= PARTS.get(entry.name, set())


# What the library calls, and no user: a place asks its own parts. What only refuses: write() of what is no file yet.
PARTS = {
    "atomic_store.Wrapper": {"inner_path", "with_format"},
    "atomic_store.Compressed": {"inner_path"},
    "atomic_store.LocalFile": {"real", "find", "inherit_lock", "parts_of", "require", "require_safe"},
    "atomic_store.S3Object": {"left_by_clean"},
    "atomic_store.writing.AtomicWrite": {"write"},
    "atomic_store.testing.Memory": {"give_back", "comparing", "publish", "require"},
}


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_hints_of_no_public_name_fail_at_run_time(entry: Entry) -> None:
    """typing.get_type_hints(), which pydantic, typeguard and beartype call, resolves every public annotation."""
    things = [entry.thing, *(inspect.getattr_static(entry.thing, name) for name in entry.members)]
    if inspect.isclass(entry.thing):
        things.append(entry.thing.__init__)
    for thing in things:
        if isinstance(thing, property):
            things += [each for each in (thing.fget, thing.fset) if each is not None]
        elif inspect.isclass(thing) or inspect.isfunction(thing):
            get_type_hints(thing)


def test_pydantic_can_check_the_arguments_of_open(tmp_path: Path) -> None:
    """validate_call() refuses a wrong argument and passes every right one on unchanged."""
    opened: Any = validate_call(atomic_store.open)
    for path in (str(tmp_path / "a"), tmp_path / "a"):
        assert opened(path, lock=2).path is path
        assert opened(atomic_store.LocalFile(path)).path is path
    with pytest.raises(ValidationError):
        opened(tmp_path / "a", dump_kwargs="indent")
