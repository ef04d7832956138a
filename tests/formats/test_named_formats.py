"""Formats that have a name: yaml, toml, msgpack, cbor; "auto", which goes by the suffix; names from installed packages."""

from __future__ import annotations

import datetime as dt
import json
import pickle
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import seams
from machine import in_child
from stand_ins import inside, install_formats, join_text, only_text, pretend_missing, pretend_module

import atomic_store
from atomic_store import FormatError, LoadError, MissingLibraryError, formats
from atomic_store.testing import Memory

PACKAGES = {"yaml": "ruamel.yaml", "toml": "tomlkit", "msgpack": "msgpack", "cbor": "cbor2"}
SAMPLE = {"name": "Zoë", "numbers": [1, 2.5, -(2**40)], "more": {"empty": [], "true": True}}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "value"


@pytest.mark.parametrize("format", PACKAGES)
def test_value_comes_back(path: Path, format: str) -> None:
    """What a named format writes it reads again, in the same store and in another one."""
    store = atomic_store.open(path, default=SAMPLE, format=format)
    store.commit()
    assert store.reload() == SAMPLE
    assert atomic_store.open(path, format=format).value == SAMPLE
    assert store.format == format
    assert repr(store).endswith(f"format {format}>")


@pytest.mark.parametrize("format", PACKAGES)
def test_format_is_found_by_the_suffix(tmp_path: Path, format: str) -> None:
    """format="auto" takes the format that the suffix stands for, in upper case as well."""
    for name in (f"value.{format}", f"VALUE.{format.upper()}"):
        atomic_store.open(tmp_path / name, default=SAMPLE, format="auto").commit()
        assert atomic_store.open(tmp_path / name, format=format).value == SAMPLE


def test_moved_store_goes_by_the_suffix_of_its_new_place(tmp_path: Path) -> None:
    """With format="auto" the suffix of each new path counts, bytes too; a suffix that is none leaves the store as it was."""
    store = atomic_store.open(tmp_path / "a.json", default={"a": 1}, format="auto")
    store.path = bytes(tmp_path / "a.yml")
    store.commit()
    with pytest.raises(FormatError, match="auto"):
        store.path = tmp_path / "a.txt"
    store.value["a"] = 2
    store.commit()
    assert inside(tmp_path) == ["a.yml"]
    assert (tmp_path / "a.yml").read_text() == "a: 2\n"


@pytest.mark.parametrize("name", ["value", "value.pickle", "value.pkl", "value.txt", ".json"])
def test_suffix_never_leads_to_pickle_or_to_a_guess(tmp_path: Path, name: str) -> None:
    """A suffix that stands for nothing, and that of a pickle, is a FormatError that lists those that do."""
    (tmp_path / name).write_bytes(pickle.dumps(1))
    with pytest.raises(FormatError, match=r"\.json, .*finds ''|\.json, .*finds '\.") as caught:
        atomic_store.open(tmp_path / name, format="auto")
    assert repr(tmp_path / name) in str(caught.value)


def test_suffix_counts_only_if_asked_to(tmp_path: Path) -> None:
    """Without format= a store is JSON for ever, whatever its suffix."""
    atomic_store.open(tmp_path / "value.yaml", default=[1]).commit()
    assert (tmp_path / "value.yaml").read_text() == "[1]"


@pytest.mark.parametrize("format", PACKAGES)
def test_missing_package_says_how_to_install_it(path: Path, format: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its package a format is a MissingLibraryError at open(), with the extra that installs it."""
    pretend_missing(monkeypatch, PACKAGES[format], format)
    with pytest.raises(MissingLibraryError, match=rf'pip install "atomic-store\[{format}\]"') as caught:
        atomic_store.open(path, format=format)
    assert PACKAGES[format] in str(caught.value)
    assert isinstance(caught.value.__cause__, ImportError)


@pytest.mark.parametrize("format", ["xyzzy", "toml"], ids=["unknown", "missing"])
def test_error_about_a_format_names_the_store_in_its_text(format: str, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is logged without its notes says which store it is about, also of an ImportError and from another process."""
    store = atomic_store.open(path)
    pretend_missing(monkeypatch, PACKAGES["toml"], "toml")
    for act in (lambda: atomic_store.open(path, format=format), lambda: setattr(store, "format", format)):
        with pytest.raises(MissingLibraryError if format == "toml" else FormatError) as caught:
            act()
        assert str(caught.value).startswith(f"{path!r}: format ")
        assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.parametrize("format", PACKAGES)
def test_empty_file_is_a_value_only_where_it_is_written_so(path: Path, format: str) -> None:
    """An empty file is {} in TOML, which is how TOML writes {}; for the others it is damage."""
    path.touch()
    if format == "toml":
        assert atomic_store.open(path, format=format).value == {}
        return
    with pytest.raises(LoadError) as caught:
        atomic_store.open(path, default=1, format=format)
    assert (caught.value.format, caught.value.size) == (format, 0)


@pytest.mark.parametrize("format", ["msgpack", "cbor"])
def test_bytes_behind_the_value_are_damage(path: Path, format: str) -> None:
    """What follows the end of a binary document, and what is cut from it, shows that it is not what was written."""
    atomic_store.open(path, default=SAMPLE, format=format).commit()
    whole = path.read_bytes()
    for content in (whole + b"\0", whole + whole, *(whole[:size] for size in range(len(whole)))):
        path.write_bytes(content)
        with pytest.raises(LoadError):
            atomic_store.open(path, format=format)


@pytest.mark.parametrize(
    ("format", "value"),
    [
        ("yaml", {"a": object()}),
        ("toml", [1]),
        ("toml", {"a": object()}),
        ("msgpack", {1, 2}),
        ("msgpack", 2**70),
        ("cbor", object()),
    ],
)
def test_value_that_cannot_be_written_costs_nothing(path: Path, format: str, value: Any) -> None:
    """The package's own exception comes out with a note; the old value is whole, and the next commit works."""
    store = atomic_store.open(path, default={"old": 1}, format=format)
    store.commit()
    before = path.read_bytes()
    store.value = value
    with pytest.raises(Exception) as caught:
        store.commit()
    assert any(repr(path) in note and f"format {format}" in note for note in caught.value.__notes__)
    assert path.read_bytes() == before
    assert inside(path.parent) == ["value"]
    store.value = {"new": 1}
    store.commit()
    assert store.reload() == {"new": 1}


@pytest.mark.parametrize(
    ("format", "options", "value", "written"),
    [
        ("yaml", {"dump_kwargs": {"default_flow_style": True}}, {"a": [1]}, b"{a: [1]}\n"),
        ("toml", {"dump_kwargs": {"sort_keys": True}}, {"b": 1, "a": 2}, b"a = 2\nb = 1\n"),
        ("msgpack", {"dump_kwargs": {"use_single_float": True}}, 1.5, b"\xca\x3f\xc0\0\0"),
        ("cbor", {"dump_kwargs": {"canonical": True}}, 1.5, b"\xf9\x3e\0"),
        ("msgpack", {"load_kwargs": {"use_list": False}}, (1, 2), b"\x92\1\2"),
    ],
)
def test_keywords_reach_the_package(path: Path, format: str, options: dict[str, Any], value: Any, written: bytes) -> None:
    """Keywords are those of the package, on both ways."""
    atomic_store.open(path, default=value, format=format, **options).commit()
    assert path.read_bytes() == written
    assert atomic_store.open(path, format=format, **options).value == value


@pytest.mark.parametrize("format", ["yaml", "toml"])
def test_comment_survives_a_change_of_the_value(path: Path, format: str) -> None:
    """In a file that people edit, a change of the loaded value leaves their comments."""
    path.write_text("# by hand\na: 1\n" if format == "yaml" else "# by hand\na = 1\n")
    with atomic_store.open(path, format=format) as store:
        store.value["a"] = 2
    assert path.read_text() == ("# by hand\na: 2\n" if format == "yaml" else "# by hand\na = 2\n")


def test_key_that_is_there_twice_is_told_without_its_values(path: Path) -> None:
    """Some lines whose aliases stand for very many items are refused, and nobody writes these out for the message."""
    lines = ["a0: &a0 [x]", *(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 15)), "a0: *a14"]
    path.write_text("\n".join(lines))
    with pytest.raises(LoadError, match=r"(?s)found the key 'a0' twice.*line 16") as caught:
        atomic_store.open(path, default={}, format="yaml")
    assert len(str(caught.value.__cause__)) < 1000
    path.write_text("? [1, 2]\n: 1\n? [1, 2]\n: 2\n")
    with pytest.raises(LoadError, match=r"(?s)found a key twice.*line 3"):
        atomic_store.open(path, default={}, format="yaml")
    path.write_text("a: 1\na: 2\n")
    twice = {"allow_duplicate_keys": True}
    assert atomic_store.open(path, default={}, format="yaml", load_kwargs=twice).value == {"a": 1}


@pytest.mark.parametrize("tag", ["timestamp", "int", "float", "bool", "null", "binary"])
@pytest.mark.parametrize("kind", ["[*a17, *a17]", "{x: *a17}"])
def test_tag_of_another_kind_is_told_without_the_value(path: Path, tag: str, kind: str) -> None:
    """A list of a million items, by aliases, that says to be a date is refused with a message of one line, and so is any."""
    lines = ["a0: &a0 [x]", *(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 18)), f"a18: !!{tag} {kind}"]
    path.write_text("\n".join(lines))
    with pytest.raises(LoadError) as caught:
        atomic_store.open(path, default={}, format="yaml")
    assert len(str(caught.value.__cause__)) < 1000


def test_date_and_time_of_yaml_come_back_as_such(path: Path) -> None:
    """What is a date, by its look or by its tag, is one."""
    path.write_text("a: 2026-01-02\nb: !!timestamp 2026-01-02T03:04:05Z\nc: !!timestamp '2026-01-02'\n")
    value = atomic_store.open(path, default={}, format="yaml").value
    assert value == {
        "a": dt.date(2026, 1, 2),
        "b": dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC),
        "c": dt.date(2026, 1, 2),
    }


@pytest.mark.parametrize("template", ["{}", "- {}", "!!set\n{}", "!!omap\n- {}", "a: &a\n  {}\n? *a\n: 1", "? [{}]"])
def test_mappings_as_keys_of_keys_are_refused(path: Path, template: str) -> None:
    """ruamel.yaml by itself takes years for these 60 bytes; a mapping that is a key is taken, with plain keys of its own."""
    path.write_text(template.format("? " * 30 + "a"))
    with pytest.raises(LoadError):
        in_child(lambda: atomic_store.open(path, default={}, format="yaml"))
    path.write_text("? {a: 1, b: 2}\n: 1\n")
    ((key, value),) = atomic_store.open(path, default={}, format="yaml").value.items()
    assert (dict(key), value) == ({"a": 1, "b": 2}, 1)


def test_misspelled_option_of_yaml_is_refused(path: Path) -> None:
    """An option that ruamel.yaml does not know would be without effect: it is a TypeError instead."""
    with pytest.raises(TypeError, match="'widht' is no attribute"):
        atomic_store.open(path, default={}, format="yaml", dump_kwargs={"widht": 100}).commit()


def test_int_keys_that_msgpack_writes_it_reads(path: Path) -> None:
    """The package by itself writes a mapping with int keys, and then refuses it; a store reads what it wrote."""
    atomic_store.open(path, default={1: 2}, format="msgpack").commit()
    assert atomic_store.open(path, format="msgpack").value == {1: 2}


# --- names of installed packages -------------------------------------------------------------------------------------


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Install a package that adds formats, in this test's own directory."""
    return partial(install_formats, monkeypatch, tmp_path / "site")


def test_name_of_an_installed_package_is_a_format(
    path: Path, install: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package that adds a name by an entry point is used under it, and messages call it so."""
    install("lines-for-stores", lines="lines_for_stores:pair")
    pretend_module(monkeypatch, "lines_for_stores", pair=(join_text, only_text))
    atomic_store.open(path, default=["a"], format="lines").commit()
    store = atomic_store.open(path, format="lines")
    assert store.value == ["a"]
    assert repr(store).endswith("format lines>")


def test_installed_package_cannot_take_a_built_in_name(
    path: Path, install: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What format="json" means does not depend on what else is installed."""
    install("evil", json="evil:pair")
    pretend_module(monkeypatch, "evil", pair=(str, str))
    assert atomic_store.open(path, format="json").format is json


def test_two_packages_with_one_name_are_refused(path: Path, install: Callable[..., None]) -> None:
    """Which of two packages a name means is not left to chance: a FormatError names both."""
    install("one", lines="one:pair")
    install("two", lines="two:pair")
    with pytest.raises(FormatError, match="more than one package") as caught:
        atomic_store.open(path, format="lines")
    assert "one:pair" in str(caught.value)
    assert "two:pair" in str(caught.value)


def test_installed_package_that_cannot_be_imported_is_named(path: Path, install: Callable[..., None]) -> None:
    """A plugin that fails to load is a FormatError with its name, its module and the reason."""
    install("broken", lines="nowhere_to_be_found:pair")
    with pytest.raises(FormatError, match='format "lines" cannot be loaded from nowhere_to_be_found:pair') as caught:
        atomic_store.open(path, format="lines")
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)


def test_suffix_of_an_installed_package_is_found(
    tmp_path: Path, install: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package that adds a suffix with the value of its name is found by "auto", inside compression and wrappers too."""
    pair = "lines_for_stores:pair"
    install("lines-for-stores", **{"lines": pair, ".lines": pair, ".l": "lines_for_stores:x"})
    pretend_module(monkeypatch, "lines_for_stores", pair=(join_text, only_text), x=(join_text, only_text))
    for name, format in (("a.lines", "auto"), ("a.LINES.gz", "auto"), ("b.lines", atomic_store.Verified("auto"))):
        atomic_store.open(tmp_path / name, default=["a"], format=format).commit()
        assert atomic_store.open(tmp_path / name, format=format).value == ["a"]
    assert repr(atomic_store.open(tmp_path / "a.lines", format="auto")).endswith("format lines>")
    assert repr(atomic_store.open(tmp_path / "a.l", format="auto")).endswith("format .l>")
    with pytest.raises(FormatError, match=r"finds '\.line'"):
        atomic_store.open(tmp_path / "a.line", format="auto")
    with pytest.raises(FormatError, match=r"json, .*cbor, lines, or an object"):
        atomic_store.open(tmp_path / "a", format="linse!")


def test_suffix_of_two_packages_is_refused(tmp_path: Path, install: Callable[..., None]) -> None:
    """Which of two packages a suffix means is not left to chance."""
    install("one", **{"lines": "one:pair", ".lines": "one:pair"})
    install("two", **{"rows": "two:pair", ".lines": "two:pair"})
    with pytest.raises(FormatError, match="more than one package"):
        atomic_store.open(tmp_path / "a.lines", format="auto")


def test_misspelled_name_of_an_installed_package_is_suggested(path: Path, install: Callable[..., None]) -> None:
    """Names that packages have added are listed and suggested like the built-in ones."""
    install("more", parquet="more:pair")
    with pytest.raises(FormatError, match=r'json, .*parquet.*did you mean "parquet"'):
        atomic_store.open(path, format="paquet")


@pytest.mark.parametrize(
    ("format", "text"),
    [
        ("json", True),
        ("yaml", True),
        ("toml", True),
        ("pickle", False),
        ("bson", False),
        ("msgpack", False),
        ("cbor", False),
        ((join_text, only_text), True),
        ((pickle.dumps, pickle.loads), False),
        ((only_text, only_text), False),
    ],
)
def test_format_says_whether_people_can_read_what_it_writes(format: Any, text: bool) -> None:
    """A named format says itself whether it is text; any other one is asked to write the value, and may fail."""
    assert formats.resolve(format).writes_text(SAMPLE) is text


@pytest.mark.parametrize(
    ("format", "content"),
    [
        ("yaml", b"# mine\na: [1, x, {b: 0x10}]\nc: 2026-01-02\n"),
        ("toml", b"a = [1, 'x', {b = 0x10}] # mine\nc = 2026-01-02\n"),
    ],
)
def test_plain_value_has_no_class_of_the_package(format: str, content: bytes) -> None:
    """What YAML's and TOML's packages load as classes of their own is plain data, for another format to take."""
    value = formats.plain(atomic_store.open(Memory(content), format=format).value)
    assert value == {"a": [1, "x", {"b": 16}], "c": dt.date(2026, 1, 2)}
    assert pickle.dumps(value).find(b"tomlkit") == pickle.dumps(value).find(b"ruamel") == -1


def test_module_of_python_itself_that_is_missing_is_not_told_as_a_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the standard library's pickle the ImportError comes as it is: there is no package to install."""
    seams.forget_format(monkeypatch, "pickle")
    monkeypatch.setitem(sys.modules, "pickle", None)
    with pytest.raises(ImportError, match="pickle") as caught:
        atomic_store.open(tmp_path / "a", format="pickle")
    assert "pip install" not in str(caught.value)


def test_bool_with_an_anchor_is_a_bool(tmp_path: Path) -> None:
    """ruamel.yaml's class for it is an int: neither the read-back nor a conversion may take True for 1."""
    path = tmp_path / "a.yaml"
    path.write_text("on: &switch true\nother: *switch\n")
    store = atomic_store.open(path, format="yaml")
    store.value["more"] = 1
    store.commit()
    assert atomic_store.open(path, format="yaml").value == {"on": True, "other": True, "more": 1}
    assert "on: &switch true" in path.read_text()
