"""Hand-made YAML and TOML that a program edits: a commit publishes the value that the program has, or nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import atomic_store
from atomic_store import FormatError
from atomic_store.formats import plain
from atomic_store.testing import Memory
from attacks.edits.__main__ import DOCUMENTS, attack, without_reading_back


@pytest.mark.parametrize("format", DOCUMENTS)
def test_no_edit_of_a_document_comes_back_as_another_value(format: str) -> None:
    """Of many random edits of random documents none is published wrong; `python -m attacks.edits` makes 20,000 of each."""
    outcomes, wrong = attack(format, 250, seed=0)
    assert wrong == []
    assert outcomes["same"] > 200


@pytest.mark.parametrize("format", DOCUMENTS)
def test_without_the_read_back_edits_come_back_wrong(format: str) -> None:
    """Control: the packages by themselves write some of these edits so that they load as another value, or not at all."""
    with without_reading_back():
        _, wrong = attack(format, 250, seed=240)
    assert wrong


def edited(text: str, format: str, change: Any) -> tuple[Memory, Any]:
    """Load a document, change its value; give the place and the store."""
    place = Memory(text.encode())
    store = atomic_store.open(place, None, format)
    change(store.value)
    return place, store


MENDED: list[tuple[str, str, Any, str]] = [
    ("yaml", "queue: # waiting\n  - a\nnext: 5\n", lambda value: value["queue"].clear(), "queue: [] # waiting\nnext: 5\n"),
    ("yaml", "queue: # waiting\n- a\n", lambda value: value["queue"].pop(), "queue: [] # waiting\n"),
    ("yaml", "queue: # all\n  # more\n\n  - a\n", lambda value: value["queue"].clear(), "queue: [] # all\n  # more\n\n"),
    ("yaml", "a:\n  # why\n  - 1\nb: 2\n", lambda value: value["a"].clear(), "a:\n  # why\n  []\nb: 2\n"),
    ("yaml", "jobs: # x\n  n: 3\nb: 2\n", lambda value: value["jobs"].clear(), "jobs: {} # x\nb: 2\n"),
    ("yaml", "jobs:\n\n  n: 3\nb: 2\n", lambda value: value["jobs"].pop("n"), "jobs:\n\n  {}\nb: 2\n"),
    ("yaml", "- # x\n  a: 1\n- b\n", lambda value: value[0].clear(), "  # x\n- {}\n- b\n"),
    ("yaml", "# head\n- a\n", lambda value: value.clear(), "# head\n[]\n"),
    ("yaml", "# head\n[]\n", lambda value: value.append(1), "# head\n- 1\n"),
    ("yaml", "# head\n[1, 2]\n", lambda value: value.append(3), "# head\n[1, 2, 3]\n"),
    ("toml", "# c\na.b = true\nc = 1\n", lambda value: value["a"].clear(), "# c\nc = 1\na = {}\n"),
    ("toml", "[a.b]\nx = 1\n[c]\n", lambda value: value["a"].pop("b"), "a = {}\n[c]\n"),
    ("toml", "[[a.b.c]]\nx = 1\n", lambda value: value["a"]["b"].pop("c"), "[a]\nb = {}\n"),
    ("toml", "x = [{ a.b = 1 }]\n", lambda value: value["x"][0]["a"].pop("b"), "x = [{  a = {}}]\n"),
]


@pytest.mark.parametrize(("format", "text", "change", "written"), MENDED)
def test_part_that_has_lost_its_last_item_is_written(format: str, text: str, change: Any, written: str) -> None:
    """A drained queue and an emptied table keep their place and their comments, and the next commits write them as well."""
    place, store = edited(text, format, change)
    wanted = plain(store.value)
    for _ in range(2):
        store.commit()
        assert place.content == written.encode()
        assert plain(atomic_store.open(place, None, format).value) == wanted == plain(store.value)


REFUSED: list[tuple[str, str, Any]] = [
    ("yaml", "hosts: # all\n  - alpha\n  - beta # old\n", lambda value: value["hosts"].insert(0, {})),
    ("yaml", "- >\n  a\n- # why\n    - b\n", lambda value: value[1].append("c")),
    ("toml", "limits.cpu = 1\nnext.x = 1\n", lambda value: value["limits"].update(more={"c": 1})),
]


@pytest.mark.parametrize(("format", "text", "change"), REFUSED)
def test_edit_that_the_package_would_lose_is_refused_or_right(format: str, text: str, change: Any) -> None:
    """An edit that the package writes wrong is a FormatError that names the format, and the old file is whole."""
    place, store = edited(text, format, change)
    wanted = plain(store.value)
    refused = False
    try:
        store.commit()
    except FormatError:
        refused = True
    assert place.content == text.encode() if refused else plain(atomic_store.open(place, None, format).value) == wanted


@pytest.mark.parametrize(
    ("text", "change", "value"),
    [
        ('[[job]]\nname = "a"', lambda value: value["job"].append({"name": "b"}), {"job": [{"name": "a"}, {"name": "b"}]}),
        ("[[job]]", lambda value: value["job"][0].update(name="a"), {"job": [{"name": "a"}]}),
        ("a = 1", lambda value: value.update(b=2), {"a": 1, "b": 2}),
        ("[job]\na = 1", lambda value: value.update(b={"c": 1}), {"job": {"a": 1}, "b": {"c": 1}}),
    ],
)
def test_toml_without_a_last_line_end_can_be_edited(text: str, change: Any, value: Any) -> None:
    """What is added to a file whose last line has no end stands on a line of its own."""
    place, store = edited(text, "toml", change)
    store.commit()
    assert atomic_store.open(place, None, "toml").value == value


@pytest.mark.parametrize(
    "text",
    [
        "[tool.ruff]\n[tool.ruff.lint.a]\n[tool.ruff.lint]\n[[tool.poetry.source]]\n[tool.ruff.lint.b]\n",
        "[[y.a]]\n[b.d.x]\n[[y.a.c]]\n",
        "a = " + "[" * 150 + "]" * 150 + "\n",
    ],
)
def test_valid_toml_that_the_package_cannot_hold_is_loaded(text: str, tmp_path: Path) -> None:
    """Tables out of order, and deep nesting, are valid TOML: loaded, edited and committed."""
    import tomllib

    path = tmp_path / "value.toml"
    path.write_text(text)
    with atomic_store.open(path, None, "auto", on_corrupt="quarantine") as store:
        assert store.stored
        assert store.value == tomllib.loads(text)
        store.value["more"] = {"x": 1}
    assert tomllib.loads(path.read_text()) == tomllib.loads(text) | {"more": {"x": 1}}


@pytest.mark.parametrize("text", ["\x85", "a\x85b", "word " * 22 + "end", "k" * 2000, "word " * 300, "\u2028", "a: b", ""])
@pytest.mark.parametrize("format", ["yaml", "toml"])
def test_text_of_any_kind_is_a_value_and_a_key(format: str, text: str) -> None:
    """Line breaks of other alphabets, and texts of any length, come back as a value, in a list, and as a key."""
    for value in ({"a": text}, {text: 1}, {"a": [text]}, {"a": {text: {"b": text}}}):
        place = Memory()
        atomic_store.open(place, value, format).commit()
        assert atomic_store.open(place, None, format).value == value


def test_part_that_is_made_when_it_is_asked_for_is_not_taken_for_another_one() -> None:
    """Tomlkit makes some tables anew at each look, so that one has the id of the one before: each keeps its own value."""

    class Fleeting(dict[str, Any]):
        def items(self) -> Any:
            return ((str(number), {"n": number}) for number in range(100))

    assert plain(Fleeting()) == {str(number): {"n": number} for number in range(100)}
