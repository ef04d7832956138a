"""The command line: show, edit, convert, check and clean, on files; what it prints, and by which exit code it ends."""

from __future__ import annotations

import contextlib
import datetime as dt
import errno
import fcntl
import functools
import io
import json
import os
import pickle
import runpy
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bson
import cbor2
import pytest
import seams
from cli_support import Editor, Outcome, Screen, run
from machine import ALICE, in_child, mounted, public_directory
from stand_ins import by_hand, inside, install_formats, pretend_missing, pretend_module

import atomic_store
from atomic_store import cli
from atomic_store.errors import UncertainCommitError
from atomic_store.locations import base

VALUE = {"name": "Zoë", "numbers": [1, 2.5], "none": None}
WHEN = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)

FORMATS = seams.cli("formats")
PARSER = seams.cli("parser")
TERMINAL = seams.cli("terminal")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty directory, and let the desks of `edit` stand in another one."""
    (tmp_path / "work").mkdir()
    (tmp_path / "desks").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "desks"))
    for name in ("VISUAL", "EDITOR", "NO_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "work"


@pytest.fixture
def editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Editor:
    made = Editor(tmp_path / "editor")
    monkeypatch.setenv("EDITOR", str(made.path))
    return made


def put(name: str, value: object, format: Any = "auto") -> bytes:
    """Store a value; give its bytes."""
    store = atomic_store.open(name, format=format)
    store.value = value
    store.commit()
    return Path(name).read_bytes()


def kept(outcome: Outcome) -> list[Path]:
    """The files that a message says what was typed is kept in; they are there."""
    _, _, names = outcome.err.partition("what was typed is kept in ")
    paths = [Path(name.strip("'\n")) for name in names.split(", ") if name]
    assert all(path.exists() for path in paths)
    return paths


# --- show ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.json", "a.bson", "a.msgpack", "a.cbor", "a.json.gz", "a.cbor.xz", "a.JSON"])
def test_what_is_json_at_heart_is_shown_as_such(name: str) -> None:
    """JSON, and binary formats whatever compresses them, are shown as indented JSON in the value's own letters."""
    put(name, VALUE)
    expected = Outcome(0, '{\n  "name": "Zoë",\n  "numbers": [\n    1,\n    2.5\n  ],\n  "none": null\n}\n', "")
    assert run("show", name) == expected


@pytest.mark.parametrize(("name", "text"), [("a.yaml", "# mine\na:   0x10\n"), ("a.toml", "a =  0x10 # mine")])
def test_text_for_people_is_shown_as_it_is_stored(name: str, text: str) -> None:
    """YAML and TOML are shown with their comments and spaces; a byte order mark is not shown."""
    for content in (text.encode(), b"\xef\xbb\xbf" + text.encode()):
        Path(name).write_bytes(content)
        assert run("show", name) == (0, text.removesuffix("\n") + "\n", "")
    assert run("show", name, "--json") == (0, '{"a": 16}\n', "")


def test_format_wins_over_the_suffix() -> None:
    """--format says what the bytes are, whatever the name; with a compression behind it, too."""
    put("a.json", [1], "cbor")
    assert run("show", "a.json").code == 4
    assert run("show", "a.json", "--format", "cbor").out == "[\n  1\n]\n"
    put("c.cbor", [1])
    assert run("show", "c.cbor", "--format", "auto", "--json").out == "[1]\n"
    put("b", [1], atomic_store.Compressed(atomic_store.Compressed("pickle"), "bz2"))
    assert run("show", "b", "--format", "pickle.gz.bz2", "--json").out == "[1]\n"


class Harm:
    """What makes a directory when it is unpickled."""

    def __reduce__(self) -> Any:
        return os.mkdir, ("harm",)


@pytest.mark.parametrize("name", ["a.pickle", "a.pkl", "a.json", "a", "a.pickle.gz"])
def test_pickle_runs_no_code_unless_it_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a suffix nor the content makes show, edit or convert load a pickle; --format pickle does."""
    content = pickle.dumps(Harm())
    Path(name).write_bytes(content)
    monkeypatch.setenv("EDITOR", "false")
    for words in (("show", name), ("edit", name), ("convert", name, "b.json"), ("convert", name, "b.pickle")):
        assert run(*words).code in (1, 2, 4)
    assert inside(Path()) == [name]
    assert run("show", name, "--format", "pickle").code == 0
    assert inside(Path()) == sorted([name, "harm"])


def test_what_json_does_not_have_is_seen_as_such() -> None:
    """Sets, keys, objects and a value that contains itself can be shown; for machines they are an error."""
    value: dict[Any, Any] = {1: {"a"}, "when": WHEN, "pair": (1, b"x")}
    value["me"] = value
    put("a", value, "pickle")
    shown = json.loads(run("show", "a", "--format", "pickle").out)
    assert shown == {"<1>": ["a"], "when": f"<{WHEN!r}>", "pair": [1, "<b'x'>"], "me": "<...>"}
    assert run("show", "a", "--format", "pickle", "--json").code == 4
    for bad in ({"when": WHEN}, float("nan")):
        put("b", bad, "pickle")
        code, out, err = run("show", "b", "--format", "pickle", "--json")
        assert (code, out, json.loads(err)["exit_code"]) == (4, "", 4)


def test_format_of_an_installed_package_shows_its_own_text(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A format that nobody here knows is text if it writes text, and else shown as JSON."""
    install_formats(monkeypatch, tmp_path / "site", "more", lines="of_a_package:lines", bits="of_a_package:bits")
    pretend_module(monkeypatch, "of_a_package", lines=("\n".join, str.splitlines), bits=(bytes, list))
    Path("a").write_text("x\ny\n")
    assert run("show", "a", "--format", "lines").out == "x\ny\n"
    Path("a").write_bytes(b"\1\2")
    assert json.loads(run("show", "a", "--format", "bits").out) == [1, 2]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["show", "none.json"], 3, "'none.json'"),
        (["convert", "none.json", "b.json"], 3, "'none.json'"),
        (["show", "damaged.json"], 4, "Expecting"),
        (["show", "empty.json"], 4, "empty"),
        (["edit", "damaged.bson"], 4, "bson"),
        (["show", "good.json", "--format", "jsn"], 2, "json"),
        (["show", "good.txt"], 2, "--format"),
        (["show", "none.txt"], 3, "none.txt"),
        (["show", "directory/"], 2, "directory"),
        (["show", "ftp://host/a.json"], 2, "s3://"),
        (["show", ""], 2, "empty"),
        (["show", "."], 2, "directory"),
        (["show", "directory", "--format", "json"], 1, "directory"),
        (["show", "device.json"], 1, "device"),
        (["check", "directory"], 1, "directory"),
        (["clean", "none/a.json"], 1, "No such file"),
        (["convert", "good.json", "none/b.json"], 1, "No such file"),
        (["convert", "good.json", "good.json"], 5, "--force"),
        (["convert", "good.json", "directory", "--to-format", "json", "--force"], 1, "directory"),
        (["show"], 2, "STORE"),
        (["show", "good.json", "--form", "json"], 2, "--form"),
        (["shew", "good.json"], 2, "shew"),
        ([], 2, "COMMAND"),
    ],
)
def test_error_is_one_line_and_a_code(words: list[str], code: int, said: str) -> None:
    """Each kind of failure has its exit code, and one line on stderr that names what it is about; stdout stays empty."""
    Path("damaged.json").write_text("{")
    Path("damaged.bson").write_text("{")
    Path("good.json").write_text("1")
    Path("empty.json").touch()
    Path("good.txt").write_text("x")
    Path("directory").mkdir()
    Path("device.json").symlink_to("/dev/null")
    found = run(*words)
    assert (found.code, found.out) == (code, "")
    assert found.err.startswith("atomic-store: ")
    assert found.err.count("\n") == 1
    assert said in found.err
    assert "Traceback" not in found.err


def test_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A format whose package is not installed is no mistake in the command line: the code is another one."""
    pretend_missing(monkeypatch, "tomlkit", "toml")
    assert run("show", "a.toml").code == 1
    assert "atomic-store[toml]" in run("show", "a.toml").err


def test_error_for_machines_is_json_and_debug_shows_where() -> None:
    """--json gives type, text and code on one line; --debug adds the traceback."""
    error = json.loads(run("show", "none.json", "--json").err)
    assert (error["exit_code"], "none.json" in error["error"]) == (3, True)
    err = run("show", "none.json", "--debug").err
    assert err.startswith("Traceback")
    assert err.splitlines()[-1].startswith("atomic-store: nothing is stored")


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (["show", "none.json"], "AtomicStoreError"),
        (["show", "damaged.json"], "LoadError"),
        (["show", "a.json", "-f", "jsn"], "FormatError"),
        (["show", "directory", "-f", "json"], "IsADirectoryError"),
        (["convert", "a.json", "a.json"], "AtomicStoreError"),
    ],
)
def test_error_for_machines_has_a_public_type(words: list[str], kind: str) -> None:
    """The type is a class that a program can catch: one of the library's errors or of Python's own."""
    Path("damaged.json").write_text("{")
    Path("a.json").write_text("1")
    Path("directory").mkdir()
    error = json.loads(run(*words, "--json").err)
    assert error["type"] == kind
    assert "default" not in error["error"]
    assert "Command" not in error["error"]


def test_error_quotes_no_line_of_the_data() -> None:
    """A cron job's stderr is mailed around: what a format refuses is told by line and column."""
    for text in ("password: geheim: x\n", "a: 1\na: geheim\n", "a: [geheim\nb: geheim", "- geheim\n -b: {geheim}: !!geheim"):
        Path("a.yaml").write_text(text)
        found = run("show", "a.yaml")
        assert (found.code, "geheim" in found.err, "line" in found.err) == (4, False, True), found.err
    for name in ("a.json", "a.toml"):
        Path(name).write_text('{"password" = "geheim"')
        assert "geheim" not in run("show", name).err


def test_error_speaks_of_no_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody at a shell has a default, a reload() or an update(): the words of the library are not repeated."""
    for name, content in (("a.yaml", b""), ("a.json", b""), ("a.json", b"{"), ("a.toml", b"=")):
        Path(name).write_bytes(content)
        err = run("show", name).err
        assert name in err
        assert "default" not in err
    Path("a.json").write_bytes(b"{}")

    def conflict(*_: object) -> None:
        raise atomic_store.ConflictError("reload() it", "a.json")

    monkeypatch.setattr(atomic_store.AtomicStore, "update", conflict)
    expected = "atomic-store: 'a.json' was changed by another program meanwhile; nothing was written\n"
    assert run("set", "a.json", "a", "1") == (5, "", expected)


def test_surprise_is_told_in_one_line_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that nobody has foreseen is named by its type; that it may last or not has a code of its own."""
    put("a.json", 1)
    for error, code in ((KeyError("x"), 1), (UncertainCommitError(5, "not sure", "a.json"), 6), (MemoryError(), 1)):

        def fail(*_: object, error: BaseException = error, **__: object) -> None:
            raise error

        monkeypatch.setattr(FORMATS.FileFormat, "load", fail)
        found = run("show", "a.json")
        assert found.code == code
        assert type(error).__name__ in found.err or "not sure" in found.err


def test_help_has_examples_and_the_codes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each command has help with examples, which fits the terminal; that of all has every exit code."""
    whole = run("--help")
    assert whole.code == 0
    for code in PARSER.EXIT_CODES:
        assert f"\n  {code:3}  " in whole.out
    for name, examples in PARSER.EXAMPLES.items():
        monkeypatch.setenv("COLUMNS", "100")
        found = run(name, "--help")
        assert (found.code, examples in found.out) == (0, True)
        assert max(map(len, found.out.splitlines())) < 100
        monkeypatch.setenv("COLUMNS", "many")
        assert run(name, "--help").code == 0
        monkeypatch.delenv("COLUMNS")
    assert run("--version").out == f"atomic-store {atomic_store.__version__}\n"


def test_shell_that_completes_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    """If a shell asks for what may come next, argcomplete is given the parser before anything is parsed."""
    asked: list[Any] = []
    monkeypatch.setitem(sys.modules, "argcomplete", SimpleNamespace(autocomplete=asked.append))
    monkeypatch.setenv("_ARGCOMPLETE", "1")
    assert run("--version").code == 0
    (parser,) = asked
    assert parser.prog == "atomic-store"
    (commands,) = (action for action in parser._actions if action.choices and "show" in action.choices)
    (format,) = (action for action in commands.choices["show"]._actions if "--format" in action.option_strings)
    assert "yaml" in format.completer(prefix="")


def test_module_is_the_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """`python -m atomic_store` does what `atomic-store` does, and ends by its code."""
    put("a.json", 1)
    monkeypatch.setattr(sys, "argv", ["atomic-store", "show", "a.json"])
    with pytest.raises(SystemExit) as end:
        runpy.run_module("atomic_store", run_name="__main__")
    assert (end.value.code, capsys.readouterr().out) == (0, "1\n")


# --- edit ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("a.json", b'{"a": 1,\n  "b": 2}', b'{"a": 9,\n  "b": 2}'),
        ("a.yaml", b"# mine\na: 1\nb:  0x2\n", b"# mine\na: 9\nb:  0x2\n"),
        ("a.toml", b"# mine\na = 1\nb =  0x2\n", b"# mine\na = 9\nb =  0x2\n"),
    ],
)
def test_text_is_edited_as_it_is_stored(name: str, old: bytes, new: bytes, editor: Editor) -> None:
    """What the format writes as text is edited as such: comments and spaces stay, and so does the file's mode."""
    Path(name).write_bytes(old)
    Path(name).chmod(0o640)
    editor.does("sed -i 's/1/9/' \"$1\"")
    assert run("edit", name) == (0, f"{name!r}: stored\n", "")
    assert (Path(name).read_bytes(), Path(name).stat().st_mode & 0o777) == (new, 0o640)
    assert editor.saw == [old]
    assert inside(editor.desks) == []
    assert editor.names == [name]


def test_json_in_one_line_is_edited_in_several(editor: Editor) -> None:
    """A JSON value without line ends is laid out for the editor; left as it is, it stays in one line."""
    content = put("a.json", VALUE)
    assert b"\n" not in content
    editor.does("true", 'echo >> "$1"', "sed -i 's/2.5/3.5/' \"$1\"")
    for _ in range(2):
        assert run("edit", "a.json") == (0, "'a.json': unchanged\n", "")
        assert Path("a.json").read_bytes() == content
    assert run("edit", "a.json", "--json") == (0, '{"location": "a.json", "outcome": "stored"}\n', "")
    assert editor.saw[0] == json.dumps(VALUE, indent=2, ensure_ascii=False).encode() + b"\n"
    assert Path("a.json").read_bytes() == editor.saw[0].replace(b"2.5", b"3.5")


@pytest.mark.parametrize("name", ["a.bson", "a.msgpack", "a.cbor", "a.cbor.gz", "a.yaml.bz2.gz"])
def test_what_cannot_be_edited_is_edited_as_json(name: str, editor: Editor) -> None:
    """A binary format's value is edited as JSON, and compressed text as that text; both are stored as before."""
    put(name, VALUE)
    editor.does("sed -i 's/2.5/3.5/' \"$1\"")
    assert run("edit", name).code == 0
    assert atomic_store.open(name, format="auto").value == {**VALUE, "numbers": [1, 3.5]}
    assert editor.names == ["a.yaml" if "yaml" in name else f"{name.removesuffix('.gz')}.json"]


def test_part_that_json_cannot_hold_survives_the_edit(editor: Editor) -> None:
    """What JSON lacks is announced before the editor opens, and comes back as it was where its text is left alone."""
    value = {
        "when": WHEN,
        "raw": b"\0\1",
        "gone": WHEN,
        "list": [bson.ObjectId("0" * 24), "<kept 1: mine"],
        "n": bson.Int64(7),
    }
    Path("a.bson").write_bytes(bson.encode(value))
    editor.does('sed -i \'s/7/8/; s/"gone": .*/"gone": 0,/\' "$1"')
    found = run("edit", "a.bson")
    assert found.code == 0
    assert "JSON cannot hold 5 part(s)" in found.err
    assert editor.saw[0].startswith(b"# atomic-store: JSON cannot hold 5 part(s)")
    again = bson.decode(Path("a.bson").read_bytes())
    assert again == {**value, "n": 8, "gone": 0, "when": WHEN.replace(tzinfo=None)}


def test_pickle_keeps_its_kinds_in_an_edit(editor: Editor) -> None:
    """Tuples, sets, keys that are no str and ints of a class of their own are the same objects after an edit beside them."""
    value = {"a": (1, 2), 5: {1}, "n": signal.SIGINT, "inside": {(1, 2): "x"}, "<kept": 1, "<kept it": 2, "half": "\ud800"}
    put("a", value, "pickle")
    editor.does('sed -i \'s/"x"/"y"/\' "$1"')
    assert run("edit", "a", "--format", "pickle").code == 0
    again = atomic_store.open("a", format="pickle").value
    assert again == {**value, "inside": {(1, 2): "y"}}
    assert type(again["n"]) is signal.Signals


def test_editor_that_changes_our_lines_too_does_not_make_them_text(editor: Editor) -> None:
    """An editor that is a script changes each line: those of ours are known by how they begin, whatever follows."""
    Path("a.json").write_bytes(b'{"a":1')
    editor.does("sed -i 's/1/1}/' \"$1\"")
    assert run("edit", "a.json").code == 0
    assert Path("a.json").read_bytes() == b'{"a":1}'


def test_value_that_json_cannot_show_at_all_is_refused_before_the_editor_opens(editor: Editor) -> None:
    """A set, or a value that contains itself, is an error at once."""
    circle: list[Any] = []
    circle.append(circle)
    for value in ({1}, circle):
        put("a", value, "pickle")
        assert run("edit", "a", "--format", "pickle").code == 4
    assert editor.saw == []


def test_mistake_opens_the_editor_again_with_the_message(editor: Editor) -> None:
    """What the format refuses is not stored: the same text comes back, the reason before it, until it is right."""
    Path("a.json").write_text('{\n"a": 1}')
    editor.does("sed -i 's/1/1,,/' \"$1\"", 'printf "\\377" >> "$1"', "sed -i '/^#/d; s/1,,/2/; s/\\xff//' \"$1\"")
    found = run("edit", "a.json")
    assert found.code == 0
    assert Path("a.json").read_text() == '{\n"a": 2}'
    assert b"Expecting property name" in editor.saw[1]
    assert editor.saw[1].startswith(b"# atomic-store: It is not json: JSONDecodeError")
    assert editor.saw[1].endswith(b'\n{\n"a": 1,,}')
    assert b"UnicodeDecodeError" in editor.saw[2]
    assert editor.saw[2].count(b"JSONDecodeError") == 0
    assert "Expecting property name" in found.err


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (b'{"a": 1, "a": 2}', "twice"),
        (b'["x"]', "mapping"),
        (b'{"a": "<kept 9: x>"}', "stands for no part"),
        (b'{"a": 99999999999999999999}', "8-byte"),
        (b"", "Expecting value"),
        (b'{"a": "\xff"}', "UnicodeDecodeError"),
    ],
)
def test_mistake_in_json_for_a_binary_format_is_found(typed: bytes, said: str, editor: Editor) -> None:
    """What the binary format cannot hold, what would be lost and what stands for nothing is refused, and nothing changed."""
    content = put("a.bson", {"a": 1})
    editor.types(typed)
    found = run("edit", "a.bson")
    assert (found.code, Path("a.bson").read_bytes()) == (4, content)
    assert said in found.err
    assert len(editor.saw) == 2


def test_mistake_that_is_left_as_it_is_ends_the_edit_and_is_kept(editor: Editor) -> None:
    """Whoever leaves the reopened editor without a change gives up: the old value is whole, the text is in a file."""
    content = put("a.json", 1)
    editor.does("echo '{nonsense' > \"$1\"", "true")
    found = run("edit", "a.json")
    (path,) = kept(found)
    assert found.code == 4
    assert b"{nonsense" in path.read_bytes()
    assert Path("a.json").read_bytes() == content


def test_mistake_that_is_undone_is_forgotten(editor: Editor) -> None:
    """Whoever puts back what was there has changed nothing."""
    content = put("a.json", 1)
    editor.does('echo 2, > "$1"', 'echo 1 > "$1"')
    assert run("edit", "a.json").out == "'a.json': unchanged\n"
    assert Path("a.json").read_bytes() == content
    assert inside(editor.desks) == []


def test_change_by_somebody_else_is_not_overwritten(editor: Editor) -> None:
    """If the place was changed while the editor was open, that stays, and what was typed is kept in a file."""
    by_hand(Path("a.json"), 1)
    editor.does(f'echo 3 > {Path("a.json").absolute()}; echo 2 > "$1"')
    found = run("edit", "a.json")
    (path,) = kept(found)
    assert (found.code, path.read_text(), Path("a.json").read_text()) == (5, "2\n", "3\n")
    assert "another program" in found.err


def test_place_that_holds_nothing_is_begun(editor: Editor) -> None:
    """An edit of nothing begins with an empty text, makes what is typed, and nothing if nothing is; never over another's."""
    editor.does("true", 'echo 1 > "$1"', 'echo "{\\"a\\": 1}" > "$1"')
    assert run("edit", "a.json").code == 0
    assert inside(Path()) == []
    found = run("edit", "a.json")
    assert (found.code, Path("a.json").read_text()) == (0, "1\n")
    assert "nothing is stored there yet" in found.err
    assert run("edit", "a.bson").code == 0
    assert bson.decode(Path("a.bson").read_bytes()) == {"a": 1}
    editor.does(f'echo 3 > {Path("b.json").absolute()}; echo 2 > "$1"')
    assert run("edit", "b.json").code == 5
    assert Path("b.json").read_text() == "3\n"


def test_damaged_text_can_be_mended(editor: Editor) -> None:
    """Text that its format refuses opens with the reason, and is replaced once it is right."""
    Path("a.json").write_bytes(b'{"a": 1')
    editor.does('printf "}" >> "$1"')
    found = run("edit", "a.json")
    assert (found.code, Path("a.json").read_bytes()) == (0, b'{"a": 1}')
    assert b"what is stored cannot be read" in editor.saw[0]


@pytest.mark.parametrize(
    ("step", "said"),
    [("exit 3", "status 3"), ("kill -9 $$", "signal 9"), ("kill -INT $$", "signal 2")],
)
def test_editor_that_fails_changes_nothing_and_loses_nothing(step: str, said: str, editor: Editor) -> None:
    """Killed, or ended by an error, it stores nothing; the text it has saved is kept, and so is what else it has left."""
    content = put("a.json", 1)
    editor.does(f'echo 2 > "$1"; echo 3 > "$1.swp"; {step}', f'echo 3 > "$1.swp"; {step}', step)
    found = run("edit", "a.json")
    text, swap = kept(found)
    assert (found.code, text.read_text(), swap.read_text()) == (1, "2\n", "3\n")
    assert said in found.err
    assert len(kept(run("edit", "a.json"))) == 2
    assert kept(run("edit", "a.json")) == []
    assert len(inside(editor.desks)) == 2
    assert Path("a.json").read_bytes() == content


@pytest.mark.parametrize(
    ("step", "left"),
    [
        ('rm "$1"', []),
        ('rm -r "${1%/*}"', []),
        ('mv "$1" "$1.new"', ["a.json.new"]),
        ('rm "$1"; mkdir "$1"', ["a.json"]),  # root reads whatever else an editor may leave unreadable
    ],
)
def test_editor_that_leaves_no_text_leaves_the_store(step: str, left: list[str], editor: Editor) -> None:
    """The error names the store and says that it is unchanged; whatever else the editor has left is kept."""
    content = put("a.json", 1)
    editor.does(step)
    found = run("edit", "a.json")
    assert (found.code, "'a.json' is unchanged" in found.err) == (1, True)
    assert [path.name for path in kept(found)] == left
    assert len(inside(editor.desks)) == len(left)
    assert Path("a.json").read_bytes() == content


def test_editor_that_cannot_be_started_is_an_error(editor: Editor, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told in one line; VISUAL comes before EDITOR, both may have options, and vi is the last resort."""
    content = put("a.json", 1)
    monkeypatch.setenv("VISUAL", "no-such-editor --wait")
    assert "no-such-editor" in run("edit", "a.json").err
    monkeypatch.setenv("VISUAL", "'")
    assert run("edit", "a.json").code == 1
    monkeypatch.delenv("VISUAL")
    monkeypatch.delenv("EDITOR")
    monkeypatch.setenv("PATH", "")
    assert "vi" in run("edit", "a.json").err
    assert inside(editor.desks) == []
    monkeypatch.setenv("VISUAL", "/bin/sh -c 'echo 5 > \"$1\"' editor")
    assert (run("edit", "a.json").code, content, Path("a.json").read_text()) == (0, b"1", "5\n")


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_signal_that_ends_the_command_leaves_the_text(name: str, editor: Editor) -> None:
    """Whoever ends the command while the editor is open finds the text in the file that the message names."""
    content = put("a.json", 1)
    editor.does(f'echo 2 > "$1"; kill -{name[3:]} $PPID; sleep 0.5')
    found = run("edit", "a.json")
    (path,) = kept(found)
    assert (found.code, path.read_text()) == (128 + getattr(signal, name), "2\n")
    assert Path("a.json").read_bytes() == content
    assert signal.getsignal(getattr(signal, name)) == signal.SIG_DFL


def test_signal_that_is_ignored_stays_so(editor: Editor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under nohup a SIGHUP goes on being ignored; Ctrl-C while the editor is open is the editor's affair."""
    put("a.json", 1)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        editor.does('kill -HUP $PPID; kill -INT $PPID; echo 2 > "$1"')
        assert run("edit", "a.json").code == 0
    finally:
        signal.signal(signal.SIGHUP, before)
    assert Path("a.json").read_text() == "2\n"


def test_name_that_is_too_long_is_no_obstacle(editor: Editor) -> None:
    """A store whose name has no room for anything behind it can be edited."""
    name = "n" * 250 + ".cbor"
    put(name, 1)
    editor.types(b"2")
    assert run("edit", name).code == 0
    assert cbor2.loads(Path(name).read_bytes()) == 2


def test_full_disk_loses_nothing_that_was_typed(tmp_path: Path, editor: Editor) -> None:
    """Where the place has no room the old value stays and the text is kept; where the desk has none, nothing is stored."""
    with mounted(tmp_path / "disk", "-t", "tmpfs", "-o", "size=256k", "tmpfs") as disk:
        by_hand(disk / "a.json", 1)
        editor.does("(echo '\"'; head -c 1000000 /dev/zero | tr '\\0' x; echo '\"') | tr -d '\\n' > \"$1\"")
        found = run("edit", str(disk / "a.json"))
        (path,) = kept(found)
        assert (found.code, path.stat().st_size) == (1, 1_000_002)
        assert "No space left" in found.err
        assert (disk / "a.json").read_text() == "1"
        assert run("convert", str(path), str(disk / "b.cbor")).code == 1
        assert [name for name in inside(disk) if not name.endswith(".lock")] == ["a.json"]
    with mounted(editor.desks, "-t", "tmpfs", "-o", "size=64k", "tmpfs"):
        editor.does("head -c 63000 /dev/zero | tr '\\0' x > \"$1\"")  # no JSON, and no room for it with a message
        content = put("a.json", 1)
        found = run("edit", "a.json")
        (path,) = kept(found)
        assert (found.code, path.stat().st_size, Path("a.json").read_bytes()) == (1, 63000, content)


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1, "a": 2, "huge": 1e400, "exact": 0.1000000000000000055511151231257827, "z": 1, "e": [{}, [], ""]}',
        '["\\u0065\\u0301\\u00e9", "\\ud83d\\ude00", "\\ud800", "\\u202e", "a\\/b: ,{", 1]',
        "1",
    ],
)
def test_line_of_json_is_laid_out_without_a_loss(text: str, editor: Editor) -> None:
    """Duplicate keys, long digits and escapes of what nobody sees are in the editor as they are, and are stored so."""
    Path("a.json").write_text(text)
    editor.does("printf ' \\n' >> \"$1\"")
    assert run("edit", "a.json").code == 0
    pairs = json.loads(Path("a.json").read_text(encoding="utf-8"), object_pairs_hook=list, parse_float=str)
    assert pairs == json.loads(text, object_pairs_hook=list, parse_float=str)
    shown = editor.saw[0].decode()
    assert shown.count("\n") > text.count(", ")
    assert "\\u202e" in shown or "202e" not in text


@pytest.mark.parametrize("name", ["a.toml", "a.yaml", "a.json"])
def test_draft_that_is_emptied_is_a_mistake(name: str, editor: Editor) -> None:
    """Whoever saves an empty text has lost it: nothing is stored, though it may be valid, and `delete` is named."""
    content = put(name, {"a": 1})
    editor.does(': > "$1"')
    found = run("edit", name)
    assert (found.code, Path(name).read_bytes()) == (4, content)
    assert "atomic-store delete" in found.err


@pytest.mark.parametrize("typed", ['{"a": 1e400}', '{"a": 0.1000000000000000055511151231257827}'])
def test_number_that_would_be_rounded_is_a_mistake(typed: str, editor: Editor) -> None:
    """Typed as JSON for a binary format, a number that no float holds is refused rather than rounded."""
    content = put("a.cbor", {"a": 1})
    editor.types(typed.encode())
    found = run("edit", "a.cbor")
    assert (found.code, Path("a.cbor").read_bytes()) == (4, content)
    assert "would become" in found.err


@pytest.mark.parametrize("name", ["a.cbor", "a.yaml"])
def test_few_bytes_that_stand_for_a_huge_value_end_in_an_error(name: str, editor: Editor) -> None:
    """Aliases of aliases, 300 bytes for ten thousand million parts, are refused at once by every command."""
    value: Any = ["x"] * 10
    for _ in range(9):
        value = [value] * 10
    if name == "a.yaml":
        lines = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10)]
        Path(name).write_text("".join(["a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n", *lines]))
    else:
        Path(name).write_bytes(cbor2.dumps(value, value_sharing=True))
    for words in (
        ["show", name],
        ["show", name, "--json"],
        ["get", name, "/0"],
        ["convert", name, "b.json"],
        ["set", name, "/b", "1"],
    ):
        found = run(*words)
        assert (found.code, found.out, "stand for more than" in found.err) == (4, "", True)
    editor.does("true")
    assert run("edit", name).code == (0 if name == "a.yaml" else 4)  # text can be mended
    assert [name for name in inside(Path()) if not name.endswith(".lock")] == [name]


def test_few_aliases_are_no_bomb() -> None:
    """YAML that uses its anchors as people do is shown and converted; a value that contains itself is shown."""
    Path("a.yaml").write_text("base: &b {x: 1}\none: *b\ntwo: {<<: *b, y: 2}\n")
    assert run("convert", "a.yaml", "b.json").code == 0
    assert json.loads(Path("b.json").read_text()) == {"base": {"x": 1}, "one": {"x": 1}, "two": {"x": 1, "y": 2}}


# --- convert ---------------------------------------------------------------------------------------------------------

SUFFIXES = ["json", "yaml", "toml", "bson", "msgpack", "cbor", "json.gz", "yaml.xz"]


@pytest.mark.parametrize("new", [*SUFFIXES, "pickle"])
@pytest.mark.parametrize("old", [*SUFFIXES, "pickle"])
def test_every_format_becomes_every_other(old: str, new: str) -> None:
    """A value that all can hold is the same in each, and no class of a format's own package gets into a pickle."""
    value = {"name": "Zoë", "numbers": [1, 2.5, True], "more": {"empty": []}}
    put(f"a.{old}", value, "pickle" if old == "pickle" else "auto")
    words = ["--from-format", "pickle"] * (old == "pickle") + ["--to-format", "pickle"] * (new == "pickle")
    found = run("convert", f"a.{old}", f"b.{new}", *words, "--json")
    size = Path(f"b.{new}").stat().st_size
    facts = {"from": f"a.{old}", "from_format": old, "to": f"b.{new}", "to_format": new, "bytes": size}
    assert (found.code, json.loads(found.out), found.err) == (0, facts, "")
    again = atomic_store.open(f"b.{new}", format="pickle" if new == "pickle" else "auto").value
    assert again == value
    if new == "pickle":
        assert {type(again), type(again["numbers"]), type(again["numbers"][2]), type(again["more"])} == {dict, list, bool}


def test_between_places_of_one_format_the_text_stays_as_it_is() -> None:
    """Comments, spaces and what only this format has are copied; what the format refuses is not."""
    text = b"# mine\na:   0x10\n"
    Path("a.yaml").write_bytes(text)
    assert run("convert", "a.yaml", "b.yml.gz").code == 0
    assert run("convert", "b.yml.gz", "c.yaml").out.startswith("'c.yaml': 17 bytes of yaml, from 'b.yml.gz', yaml.gz")
    assert Path("c.yaml").read_bytes() == text
    Path("a.yaml").write_bytes(b"a: [")
    assert run("convert", "a.yaml", "d.yaml").code == 4
    assert not Path("d.yaml").exists()


@pytest.mark.parametrize(
    ("value", "target", "said"),
    [
        ((1, 2), "b.json", "(1, 2) became [1, 2]"),
        ({1: 2}, "b.json", "key 1 is gone"),
        ({"a": {1}}, "b.json", "set"),
        ([1], "b.toml", "list"),
        ({"a": None}, "b.toml", "NoneType"),
        ({"a": WHEN.replace(microsecond=1)}, "b.bson", "$.a"),
    ],
)
def test_value_that_would_not_come_back_is_not_published(value: object, target: str, said: str) -> None:
    """What the new format cannot hold, or gives back as something else, is named; nothing is made, and nothing replaced."""
    put("a", value, "pickle")
    for words in ([], ["--force"]):
        found = run("convert", "a", target, "--from-format", "pickle", *words)
        assert found.code == 4
        assert said in found.err
        assert inside(Path()) == ["a", target][: 1 + bool(words)]
        Path(target).write_text("precious")
    assert Path(target).read_text() == "precious"


def test_size_that_could_not_be_unpacked_again_is_not_published(monkeypatch: pytest.MonkeyPatch) -> None:
    """A value that is larger than what a compressed file may unpack to is refused before anything is written."""
    put("a.json", "x" * 100)
    limited = functools.partial(atomic_store.Compressed, max_size=50)
    monkeypatch.setattr("atomic_store.formats.wrappers.Compressed", limited)
    assert run("convert", "a.json", "b.json.gz").code == 4
    assert inside(Path()) == ["a.json"]


def test_new_file_has_the_permissions_of_the_old_one() -> None:
    """A secret of mode 0600 stays one, like with cp; a file that exists keeps its own mode."""
    put("a.json", VALUE)
    for mode in (0o600, 0o640, 0o644):
        Path("a.json").chmod(mode)
        assert run("convert", "a.json", f"{mode}.yaml").code == 0
        assert Path(f"{mode}.yaml").stat().st_mode & 0o777 == mode
        Path(f"{mode}.yaml").chmod(0o604)
        assert run("convert", "a.json", f"{mode}.yaml", "--force").code == 0
        assert Path(f"{mode}.yaml").stat().st_mode & 0o777 == 0o604


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {"a": [float("-inf")]}])
def test_json_gets_no_infinity(value: object) -> None:
    """What Python would write as NaN or Infinity is no JSON: convert refuses; a format that has them takes them."""
    put("a", value, "pickle")
    found = run("convert", "a", "b.json", "--from", "pickle")
    assert (found.code, "JSON" in found.err) == (4, True)
    assert inside(Path()) == ["a"]
    assert run("convert", "a", "b.cbor", "--from", "pickle").code == 0


def test_what_exists_is_only_replaced_by_force(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without --force nothing is overwritten, also not what somebody makes at the last moment."""
    put("a.json", 1)
    put("b.cbor", "old")
    found = run("convert", "a.json", "b.cbor")
    assert (found.code, cbor2.loads(Path("b.cbor").read_bytes())) == (5, "old")
    assert run("convert", "a.json", "b.cbor", "--force").code == 0
    assert cbor2.loads(Path("b.cbor").read_bytes()) == 1
    monkeypatch.setattr(os, "fsync", lambda _: by_hand(Path("c.json"), "theirs"))
    found = run("convert", "a.json", "c.json")
    assert (found.code, Path("c.json").read_text()) == (5, '"theirs"')
    assert "--force" in found.err


def test_store_can_be_converted_in_its_place() -> None:
    """One place can get another format by force, and is whole if that fails."""
    put("a.json", VALUE)
    assert run("convert", "a.json", "a.json", "--to-format", "msgpack", "--force").code == 0
    assert atomic_store.open("a.json", format="msgpack").value == VALUE


# --- check and clean -------------------------------------------------------------------------------------------------


def test_report_is_that_of_check(monkeypatch: pytest.MonkeyPatch) -> None:
    """The report is the library's own, for people and for machines; a promise that is not kept has an exit code."""
    findings = [base.Finding("rename", True, "seen"), base.Finding("locks", False, "none")]
    monkeypatch.setattr(atomic_store.LocalFile, "probe", lambda self: findings)
    expected = "'a.json' cannot be relied on for: locks\n  yes rename  seen\n  NO  locks   none\n"
    assert run("check", "a.json") == (7, expected, "")
    found = run("check", "a.json", "--json")
    promises = {"rename": {"kept": True, "text": "seen"}, "locks": {"kept": False, "text": "none"}}
    assert json.loads(found.out) == {"location": "a.json", "keeps_every_promise": False, "promises": promises}
    findings.pop()
    assert run("check", "a.json").code == 0


def test_real_check_leaves_nothing_behind() -> None:
    """The real report on this very directory has all promises of a file, and the directory is as before."""
    put("a.json", 1)
    promises = json.loads(run("check", "a.json", "--json").out)["promises"]
    assert list(promises) == ["access", "rename", "create", "directory_sync", "locks", "mode", "attributes", "file_system"]
    assert inside(Path()) == ["a.json"]


def test_cleaning_removes_what_is_stale_and_says_so() -> None:
    """A dry run changes nothing; what is young stays; a place where nothing is left gets no lock file."""
    assert run("clean", "a.json") == (0, "'a.json': nothing to remove\n", "")
    stale, young = Path(f".a.json.{'0' * 16}.tmp").absolute(), Path(f".a.json.{'1' * 16}.tmp")
    for path in (stale, young):
        path.touch()
    os.utime(stale, (0, 0))
    alone = "left alone: 1, younger than a minute\n"
    assert run("clean", "a.json", "--dry-run") == (0, f"would remove {stale}\n{alone}", "")
    found = json.loads(run("clean", "a.json", "-n", "--json").out)
    spared = {str(young.absolute()): "younger than a minute"}
    assert found == {"location": "a.json", "dry_run": True, "removed": [str(stale)], "left": {}, "left_alone": spared}
    assert inside(Path()) == [stale.name, young.name]
    assert run("clean", "a.json") == (0, f"removed {stale}\n{alone}", "")
    assert run("clean", "a.json") == (0, f"'a.json': nothing to remove\n{alone}", "")
    assert inside(Path()) == [young.name, ".a.json.lock"]


def test_cleaning_names_what_a_program_is_at_work_on() -> None:
    """An old temp that its writer still locks is left alone, and so is what is no plain file or cannot be opened."""
    locked, link = Path(f".a.json.{'0' * 16}.tmp"), Path(f".a.json.{'1' * 16}.tmp")
    link.symlink_to("elsewhere")
    with locked.open("wb") as file:
        os.utime(locked, (0, 0))
        fcntl.flock(file, fcntl.LOCK_EX)
        found = run("clean", "a.json")
    assert (
        found.out == "'a.json': nothing to remove\nleft alone: 1, locked by a program at work, or not to be locked at all\n"
    )
    assert inside(Path()) == [locked.name, link.name]


def test_who_may_not_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """As another user every command says what is not permitted, in one line, and changes nothing."""
    monkeypatch.setattr("tempfile.tempdir", None)  # pytest's own directories are closed to others
    with public_directory() as place:
        by_hand(place / "a.json", 1)
        (place / "a.json").chmod(0o600)
        by_hand(place / "b.json", 1)
        temp = place / f".b.json.{'0' * 16}.tmp"
        temp.touch(0o600)
        os.utime(temp, (0, 0))
        before = inside(place)
        monkeypatch.setenv("EDITOR", "touch")

        def all_of_them() -> dict[str, Outcome]:
            words = {
                "show": ["show", str(place / "a.json")],
                "edit": ["edit", str(place / "a.json")],
                "convert": ["convert", str(place / "b.json"), str(place / "c.json")],
                "force": ["convert", str(place / "b.json"), str(place / "a.json"), "--force"],
                "clean": ["clean", str(place / "b.json")],
                "dry run": ["clean", "--dry-run", str(place / "b.json")],
                "check": ["check", str(place / "b.json")],
            }
            return {name: run(*each) for name, each in words.items()}

        all_of_them()  # loads what Alice may not be able to read
        for name in set(inside(place)) - set(before):
            (place / name).unlink()
        by_hand(place / "a.json", 1)
        (place / "a.json").chmod(0o600)
        temp.touch(0o600)
        os.utime(temp, (0, 0))
        found = in_child(all_of_them, ALICE)
        assert inside(place) == before
        assert {name: each.code for name, each in found.items()} == dict.fromkeys(found, 1) | {"check": 7}
        for name in found.keys() - {"check"}:
            assert "Permission denied" in found[name].err
            assert found[name].err.count("\n") == 1
        assert str(temp) in found["dry run"].err


def test_what_cannot_be_removed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """One temp that cannot be removed is an error, which names it; the others are removed all the same."""
    failure = PermissionError(errno.EACCES, "Permission denied", "y")
    monkeypatch.setattr(atomic_store.LocalFile, "clean", lambda self, dry_run: [("x", None), ("y", failure)])
    found = run("clean", "a.json")
    assert (found.code, found.out) == (1, "removed x\n")
    assert "y" in found.err
    assert json.loads(run("clean", "a.json", "--json").out)["left"] == {"y": "'y': Permission denied"}


# --- what it prints, and where ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [["show", "a.json"], ["get", "a.json", "."], ["convert", "a.json", "b.json", "--force"]])
def test_large_value_is_announced_before_it_is_decoded(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """What a decoder in C does with a large value cannot be watched: it is named beforehand, and the name is wiped again."""
    put("a.json", [1, "geheim"])
    monkeypatch.setattr(FORMATS, "LONG", {"json": 1})
    with Screen() as screen:
        assert cli.main(words) == 0
    assert "\rdecoding json\r" in screen.err
    assert screen.err.endswith("\r")
    assert "geheim" not in screen.err


@pytest.mark.parametrize("ignored", [False, True])
@pytest.mark.parametrize(
    ("words", "method"),
    [
        (["show", "a.json"], "load"),
        (["put", "b.json", "--", "echo", "1"], "load"),
        (["convert", "a.json", "-", "--to", "cbor"], "encode"),
    ],
)
def test_ctrl_c_ends_the_decoding_of_a_large_value_at_once(
    words: list[str], method: str, ignored: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a large value is decoded or encoded Ctrl-C kills, else it is an exception; if ignored it stays so."""
    put("a.json", 1)
    seen: list[Any] = []
    work = getattr(FORMATS.FileFormat, method)

    def watched(*args: Any) -> Any:
        seen.append(signal.getsignal(signal.SIGINT))
        return work(*args)

    monkeypatch.setattr(FORMATS.FileFormat, method, watched)
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(io.BytesIO()))
    before = signal.signal(signal.SIGINT, signal.SIG_IGN if ignored else signal.default_int_handler)
    try:
        assert cli.main(words) == 0
        monkeypatch.setattr(FORMATS, "LONG", {"json": 1, "cbor": 1})
        assert cli.main(words) == 0
        assert signal.getsignal(signal.SIGINT) is seen[0]
    finally:
        signal.signal(signal.SIGINT, before)
    assert seen == [signal.SIG_IGN] * 2 if ignored else [signal.default_int_handler, signal.SIG_DFL]


def test_large_output_comes_piece_by_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    """A value of many parts is printed while it is laid out, and is the same JSON."""
    value = [{"n": n, "\u202e": None} for n in range(30_000)]
    put("a.json", value)
    written: list[str] = []
    write_out = TERMINAL.write_out

    def write(text: str) -> None:
        written.append(text)
        write_out(text)

    monkeypatch.setattr(TERMINAL, "write_out", write)
    assert json.loads(run("show", "a.json").out) == value
    assert len(written) > 2


def test_printing_a_large_value_to_a_file_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Laying 200 MB out takes minutes: the terminal says so, unless it is what is printed to."""
    put("a.json", [1, "geheim"])
    monkeypatch.setattr(FORMATS, "LONG", {"json": 1})
    for words in (["show", "a.json"], ["get", "a.json", "0", "--json"]):
        with Screen() as screen:
            with contextlib.redirect_stdout(io.StringIO()):
                assert cli.main(words) == 0
            assert "\rprinting\r" in screen.err
            assert screen.err.endswith("\r")
            told = screen.err
            assert cli.main(words) == 0
        assert "printing" not in screen.err.removeprefix(told)


@pytest.mark.parametrize("has_tqdm", [True, False])
def test_progress_is_shown_on_a_terminal_for_long_work(has_tqdm: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal each long step shows how far it is, with tqdm or without it, and cleans up; elsewhere nothing does."""
    if not has_tqdm:
        monkeypatch.setitem(sys.modules, "tqdm", None)
    put("a.json", "x" * (3 << 20))
    monkeypatch.setattr(TERMINAL, "PATIENCE", 0)
    monkeypatch.setattr(FORMATS, "LONG", {"json": 1, "cbor": 1})
    quiet = run("convert", "a.json", "b.cbor", "--force")
    assert (quiet.code, quiet.err) == (0, "")
    with Screen() as screen:
        assert cli.main(["convert", "a.json", "b.cbor", "--force"]) == 0
    monkeypatch.setattr(FORMATS, "LONG_IN_C", 1)
    with Screen() as announced:
        assert cli.main(["convert", "a.json", "b.cbor", "--force"]) == 0
    assert announced.err.startswith("\r\rreading 'a.json'\r")
    for step in ("reading 'a.json'", "decoding json", "encoding cbor, and reading it back", "writing 'b.cbor'"):
        assert step in screen.err
    assert ("2 of 3 MB" in screen.err, "B/s]" in screen.err) == (not has_tqdm, has_tqdm)
    assert screen.err.endswith("\r")
    monkeypatch.undo()


def test_quick_work_shows_no_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is done in less than a second is not reported, and tqdm is not loaded for it."""
    put("a.json", 1)
    with Screen() as screen:
        assert cli.main(["convert", "a.json", "b.cbor"]) == 0
    assert screen.err == ""


@pytest.mark.parametrize(
    ("settings", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True), ({"TERM": "dumb"}, False)]
)
def test_colours_are_for_terminals_that_want_them(
    settings: dict[str, str], coloured: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Yes and NO of a report are coloured on a terminal, unless NO_COLOR is set and not empty; in a pipe never."""
    findings = [base.Finding("rename", True, "seen"), base.Finding("locks", False, "none")]
    monkeypatch.setattr(atomic_store.LocalFile, "probe", lambda self: findings)
    for name, value in {"TERM": "xterm", **settings}.items():
        monkeypatch.setenv(name, value)
    with Screen() as screen:
        cli.main(["check", "a.json"])
        cli.main(["show", "a.json"])
    assert ("\x1b[32myes\x1b[0m" in screen.out) is coloured
    assert ("\x1b[1;31mNO " in screen.out) is coloured
    assert ("\x1b[1;31matomic-store:\x1b[0m" in screen.err) is coloured
    assert "\x1b" not in run("check", "a.json").out


def test_text_does_not_command_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Characters that a terminal would obey are escaped on one; a pipe gets what is stored."""
    Path("a.json").write_bytes('"\x9b31m"'.encode())
    Path("a.toml").write_bytes(b"a = 1\r\nb = 2")
    with Screen() as screen:
        assert cli.main(["show", "a.json"]) == cli.main(["show", "a.toml"]) == 0
    assert screen.out == '"\\u009b31m"\na = 1\nb = 2\n'
    assert run("show", "a.json").out == '"\x9b31m"\n'
    for number in (0x61C, 0x200E, 0x200F, 0x202A, 0x202E, 0x2066, 0x2069):
        Path("b.json").write_text(f'{{"a": "x{chr(number)}y"}}', encoding="utf-8")
        with Screen() as screen:
            for words in (["show", "b.json"], ["get", "b.json", "a", "-r"], ["show", f"none{chr(number)}.json"]):
                cli.main(words)
        assert chr(number) not in screen.out + screen.err
        assert f"x\\u{number:04x}y" in screen.out
        assert f"none\\u{number:04x}.json" in screen.err
        assert chr(number) in run("show", "b.json").out
    assert run("show", "a.toml").out == "a = 1\r\nb = 2\n"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_what_the_terminal_cannot_show_is_escaped(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """JSON stays JSON, other text gets escapes, and none is an error, whatever the encoding of the output."""
    value = ["é", "€", "\ud800"]
    put("a", value, "pickle")
    Path("a.yaml").write_text("- é\n- €\n", encoding="utf-8")
    for words in (["show", "a", "--format", "pickle"], ["show", "a.yaml"], ["show", "€.json"]):
        with io.TextIOWrapper(io.BytesIO(), encoding) as out, io.TextIOWrapper(io.BytesIO(), encoding) as err:
            monkeypatch.setattr(sys, "stdout", out)
            monkeypatch.setattr(sys, "stderr", err)
            assert cli.main(words) == (3 if "€.json" in words else 0)
            printed, complaint = (stream.buffer.getvalue().decode(encoding) for stream in (out, err))
        if "pickle" in words:
            assert json.loads(printed) == value
        elif "a.yaml" in words:
            assert (
                printed
                == {
                    "ascii": "- \\xe9\n- \\u20ac\n",
                    "latin-1": "- é\n- \\u20ac\n",
                    "utf-8": "- é\n- €\n",
                }[encoding]
            )
        else:
            assert ("€" if encoding == "utf-8" else "\\u20ac") in complaint


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_stream_that_is_missing_is_no_traceback(stream: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that was started without stdout or stderr says so, or keeps quiet."""
    put("a.json", 1)
    with Screen() as screen:
        monkeypatch.setattr(sys, stream, None)
        assert cli.main(["show", "a.json"]) == (1 if stream == "stdout" else 0)
        assert cli.main(["show", "b.json"]) == 3
    assert ("Bad file descriptor" in screen.err) is (stream == "stdout")


@pytest.mark.parametrize(("words", "code"), [(["show", "a.json"], 1), (["--help"], 1), (["show", "b.json"], 3)])
def test_output_on_a_full_disk_is_an_error(words: list[str], code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be written is told once, in one line; if that cannot be told either, the code says it."""
    put("a.json", 1)
    with open("/dev/full", "w") as out, open("/dev/full", "w") as err:
        monkeypatch.setattr(sys, "stdout", out)
        if code == 3:
            monkeypatch.setattr(sys, "stderr", err)
        assert cli.main(words) == code


@pytest.mark.parametrize("words", [["show", "a.json"], ["--help"], ["check", "a.json"], ["clean", "a.json"]])
def test_pipe_that_closes_is_no_error_message(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has read enough hears nothing more; the code is that of SIGPIPE in a shell."""
    put("a.json", ["x" * 1000] * 1000)
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)
        assert cli.main(words) == 141


def test_interrupt_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C at any time ends by code 130, without a traceback."""
    put("a.json", 1)

    def interrupt(*_: object) -> Callable[..., None]:
        raise KeyboardInterrupt

    monkeypatch.setattr(FORMATS.FileFormat, "load", interrupt)
    assert run("show", "a.json") == (130, "", "atomic-store: interrupted\n")
    assert inside(Path()) == ["a.json"]
