"""The command line on one field: get, set and delete, by JSON Pointer and by dots; what stays, and what is refused."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import sys
from pathlib import Path
from typing import Any

import cbor2
import pytest
import seams
from cli_support import run
from stand_ins import inside

import atomic_store

CHANGING = seams.cli("changing")
POINTER = seams.cli("pointer")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty directory."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")


def put(name: str, value: object, format: Any = "auto") -> None:
    store = atomic_store.open(name, format=format)
    store.value = value
    store.commit()


def standard_input(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content), "utf-8"))


VALUE = {"a": {"b": [1, {"c": "Zoë"}]}, "a/b": 2, "m~n": 3, "": 4, "x.y": 5, "0": 6, "none": None}

# RFC 6901, section 5, and the same by dots.
FOUND = [
    ("/a/b/1/c", "Zoë"),
    ("a.b.1.c", "Zoë"),
    (".a.b.0", 1),
    ("/a~1b", 2),
    ("/m~0n", 3),
    ("/", 4),
    ("/x.y", 5),
    ("0", 6),
    ("none", None),
    ("", VALUE),
    (".", VALUE),
]


@pytest.mark.parametrize(("path", "expected"), FOUND)
@pytest.mark.parametrize("name", ["a.json", "a.yaml", "a.cbor", "a.msgpack.gz"])
def test_field_is_found_by_pointer_and_by_dots(name: str, path: str, expected: object) -> None:
    """Every format gives the same field for the same path, also one that is null."""
    put(name, VALUE)
    code, out, err = run("get", name, path)
    assert (code, json.loads(out), err) == (0, expected, "")


@pytest.mark.parametrize(
    "path", ["z", "/a/b/2", "/a/b/-", "/a/b/-1", "/a/b/01", "/a/b/x", "a.b.0.c", "/none/x", "/a/b/²", "/ "]
)
def test_field_that_is_not_there_is_exit_code_3(path: str) -> None:
    """Nothing is printed where there is no such field or nothing stored, so that a script can go on with a default."""
    put("a.json", VALUE)
    assert run("get", "a.json", path) == (3, "", f"atomic-store: there is no {path!r} in 'a.json'\n")
    assert run("delete", "a.json", path) == (3, "", f"atomic-store: there is no {path!r} in 'a.json'\n")
    assert json.loads(Path("a.json").read_bytes()) == VALUE
    for words in (["get", "none.json", path], ["delete", "none.json", path], ["delete", "none.json"]):
        assert run(*words) == (3, "", "atomic-store: nothing is stored at 'none.json'\n")
    assert "none.json" not in inside(Path())


@pytest.mark.parametrize("path", ["/a~", "/a~2b", "a..b", "a.", "..", "a.b.", "a[0]", "a[].b"])
def test_path_that_is_none_is_a_mistake_in_the_command(path: str) -> None:
    """A tilde that escapes nothing, an empty part and jq's brackets are refused before anything is read or written."""
    for words in (["get", "none.json", path], ["set", "none.json", path, "1"], ["delete", "none.json", path]):
        code, out, err = run(*words)
        assert (code, out) == (2, "")
        assert repr(path) in err
    assert inside(Path()) == []


def test_field_for_a_shell_has_no_quotes() -> None:
    """--raw prints a text as it is, a date as text, and all else as JSON; what JSON cannot hold is an error."""
    put("a", {"text": 'a "b"\n', "n": 1.5, "list": [1], "bytes": b"x", "nan": float("nan")}, "pickle")
    Path("a.toml").write_text("when = 2026-01-02T03:04:05Z\nyes = true\n")
    for path, expected in (("text", 'a "b"\n'), ("n", "1.5"), ("list", "[1]")):
        assert run("get", "a", path, "-r", "--format", "pickle") == (0, f"{expected}\n", "")
    assert run("get", "a.toml", "when", "--raw").out == "2026-01-02T03:04:05+00:00\n"
    assert run("get", "a.toml", "yes", "--raw").out == "true\n"
    for path in ("bytes", "nan"):
        assert run("get", "a", path, "-r", "-f", "pickle").code == 4
        assert run("get", "a", path, "-j", "-f", "pickle").code == 4
        assert run("get", "a", path, "-f", "pickle").code == 0


def test_layout_is_asked_for_by_options() -> None:
    """--indent and --compact lay JSON out, also what is YAML at the place; --json is one line of ASCII."""
    Path("a.yaml").write_text("# mine\né: [1]\n", encoding="utf-8")
    assert run("show", "a.yaml").out == "# mine\né: [1]\n"
    assert run("show", "a.yaml", "--compact").out == '{"é":[1]}\n'
    assert run("get", "a.yaml", ".", "-c").out == '{"é":[1]}\n'
    assert run("get", "a.yaml", "").out == '{\n  "é": [\n    1\n  ]\n}\n'
    assert run("show", "a.yaml", "--indent", "1").out == '{\n "é": [\n  1\n ]\n}\n'
    assert run("show", "a.yaml", "--json").out == '{"\\u00e9": [1]}\n'
    for number in ("0", "17", "x"):
        found = run("show", "a.yaml", "--indent", number)
        assert (found.code, "N should be from 1 to 16" in found.err) == (2, True)
    assert run("show", "a.yaml", "--indent", "4", "--compact").code == 2


@pytest.mark.parametrize("name", ["a.json", "a.yaml", "a.toml", "a.bson", "a.msgpack", "a.cbor", "a.json.gz", "a.yaml.xz"])
def test_field_is_set_in_every_format(name: str) -> None:
    """The store and the objects on the way are made; a list grows by appending; the rest stays."""
    assert run("set", name, "a.b", "[1]") == (0, "", "")
    assert run("set", name, "/a/b/-", '{"c": "é"}').code == 0
    assert run("set", name, "a.b.2", "true").code == 0
    assert run("set", name, "a.b.0", "7").code == 0
    assert run("set", name, "text", "--string", "7").code == 0
    assert (
        run("set", name, "a.new.deep", "0.5", "--json").out
        == json.dumps({"location": name, "field": "a.new.deep", "value": 0.5}) + "\n"
    )
    value = {"a": {"b": [7, {"c": "é"}, True], "new": {"deep": 0.5}}, "text": "7"}
    assert json.loads(run("show", name, "--json").out) == value
    assert run("delete", name, "a.b.1").code == 0
    assert json.loads(run("delete", name, "/a/new", "-j").out) == {"location": name, "field": "/a/new", "outcome": "deleted"}
    assert json.loads(run("show", name, "--json").out) == {"a": {"b": [7, True]}, "text": "7"}
    assert run("delete", name) == (0, "", "")
    assert run("get", name, ".").code == 3


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["/l/2", "1"], 4, "'2' is no index of a list of 1 items; - appends"),
        (["/l/x", "1"], 4, "no index"),
        (["l.0.x", "1"], 4, "inside a value of type int"),
        (["/t/x", "1"], 4, "inside a value of type str"),
        (["a", "{"], 2, "--string"),
        (["a", "NaN"], 2, "JSON has no NaN"),
        (["a", "1e400"], 2, "1e400 would become inf"),
        (["a", '{"k": 1, "k": 2}'], 2, "twice"),
        (["a", "[" * 100_000], 2, "JSON"),
        (["a", "true", "--add"], 2, "number"),
        (["a", '"x"', "--add"], 2, "number"),
        (["a", "1", "--add", "--string"], 2, "not allowed with"),
        (["a", "\udcff", "--string"], 2, "text in the encoding"),
        (["\udcff", "1"], 2, "text in the encoding"),
        (["t", "1", "--add"], 4, "str"),
        (["l", "1", "--add"], 4, "list"),
        (["big", "1e308", "--add"], 4, "JSON"),
        (["bool", "1", "--add"], 4, "bool"),
    ],
)
def test_field_that_cannot_be_set_changes_nothing(words: list[str], code: int, said: str) -> None:
    """Each is one line with a code of its own, and the file keeps its bytes."""
    before = b'{"l": [1], "t": "x", "big": 1e308, "bool": true}'
    Path("a.json").write_bytes(before)
    found = run("set", "a.json", *words)
    assert (found.code, found.out, found.err.count("\n")) == (code, "", 1)
    assert said in found.err
    assert Path("a.json").read_bytes() == before


def test_value_that_the_format_cannot_hold_is_not_stored() -> None:
    """TOML has no null, BSON no large ints: the error says so, and the file is whole."""
    for name, value in (("a.toml", "null"), ("a.bson", "99999999999999999999")):
        put(name, {"a": 1})
        before = Path(name).read_bytes()
        for path in ("b", "."):
            found = run("set", name, path, value)
            assert found.code == 4
            assert repr(name) in found.err
        assert Path(name).read_bytes() == before


@pytest.mark.parametrize("name", ["a.json", "a.yaml", "a.toml"])
def test_first_item_that_is_appended_makes_the_list(name: str) -> None:
    """An index of - appends where nothing is stored yet, too: no script gets an object with the key "-"."""
    for number in ("1", "2"):
        assert run("set", name, "/jobs/-/runs/-", number) == (0, "", "")
    assert json.loads(run("show", name, "--json").out) == {"jobs": [{"runs": [1]}, {"runs": [2]}]}
    for number in ("1", "2"):
        assert run("set", "b.json", "/-", number).code == 0
    assert run("show", "b.json", "-c").out == "[1,2]\n"


def test_whole_value_is_set_and_null_is_one() -> None:
    """The path . replaces all, whatever was there; null is a value like any other."""
    assert run("set", "a.json", ".", "null").code == 0
    assert run("get", "a.json", ".") == (0, "null\n", "")
    assert run("set", "a.json", "", "5").code == 0
    assert run("set", "a.json", ".", "2", "--add") == (0, "7\n", "")
    assert run("delete", "a.json", ".").code == 2
    assert Path("a.json").read_text() == "7"


def test_numbers_are_added(monkeypatch: pytest.MonkeyPatch) -> None:
    """--add begins at 0, prints the sum, and adds to what YAML and TOML wrap as well."""
    for name in ("a.json", "a.yaml", "a.toml", "a.cbor"):
        assert run("set", name, "n.m", "2", "--add") == (0, "2\n", "")
        assert run("set", name, "n.m", "-0.5", "-a") == (0, "1.5\n", "")
    assert run("set", "a.json", "other", "3", "--add") == (0, "3\n", "")
    assert run("delete", "a.json", "other").code == 0
    standard_input(monkeypatch, b"40\n")
    assert run("set", "a.json", "n.m", "-", "--add") == (0, "41.5\n", "")
    standard_input(monkeypatch, "é\n".encode())
    assert run("set", "a.json", "t", "-", "--string").code == 0
    assert json.loads(Path("a.json").read_bytes()) == {"n": {"m": 41.5}, "t": "é\n"}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'{\n    "a": 1,\n    "b": "\\u00e9"\n}\n', b'{\n    "a": 2,\n    "b": "\\u00e9"\n}\n'),
        ('{\n\t"a": 1,\n\t"b": "é"\n}'.encode(), '{\n\t"a": 2,\n\t"b": "é"\n}'.encode()),
        (b'{"a":1,"b":[1,2]}\n', b'{"a":2,"b":[1,2]}\n'),
        (b'{"a": 1, "b": [1, 2]}', b'{"a": 2, "b": [1, 2]}'),
        (b'{\r\n  "a": 1\r\n}\r\n', b'{\r\n  "a": 2\r\n}\r\n'),
        (b'{\n"a":1\n}', b'{\n"a":2\n}'),
        (b'\xef\xbb\xbf{"a": 1, "b": NaN}', b'{"a": 2, "b": NaN}'),
    ],
)
def test_layout_of_json_stays(before: bytes, after: bytes) -> None:
    """Indentation, separators, escapes, line ends and the last of them are those of the file."""
    Path("a.json").write_bytes(before)
    assert run("set", "a.json", "a", "2").code == 0
    assert Path("a.json").read_bytes() == after


def test_comments_of_yaml_and_toml_stay() -> None:
    """What people wrote beside the field is still there after set and delete."""
    Path("a.yaml").write_text("# all\na: 1 # one\nb: {c: 2}  # flow\n")
    Path("a.toml").write_text("# all\na = 1 # one\n\n[b] # table\nc = 2\n")
    for name in ("a.yaml", "a.toml"):
        assert run("set", name, "a", "9").code == 0
        assert run("set", name, "b.d", "3").code == 0
        assert run("delete", name, "b.c").code == 0
        text = Path(name).read_text()
        assert "# all" in text
        assert "# one" in text
        assert json.loads(run("show", name, "-j").out) == {"a": 9, "b": {"d": 3}}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"a": 1, "a": 2, "z": 1}', "the key 'a' is there twice"),
        ('{"huge": 1e400, "z": 1}', "1e400 would become inf"),
        ('{"tiny": 1e-400, "z": 1}', "1e-400 would become 0.0"),
        ('{"x": 0.1000000000000000055511151231257827, "z": 1}', "would become 0.1"),
    ],
)
def test_json_that_python_would_change_is_refused(text: str, said: str) -> None:
    """A change beside it would lose a key or digits: set, delete and convert refuse; the file keeps its bytes."""
    Path("a.json").write_text(text)
    for words in (["set", "a.json", "z", "2"], ["delete", "a.json", "z"], ["convert", "a.json", "b.yaml"]):
        found = run(*words)
        assert (found.code, found.out) == (4, "")
        assert said in found.err
        assert "edit" in found.err
    assert Path("a.json").read_text() == text
    assert run("convert", "a.json", "b.json").code == 0
    assert Path("b.json").read_text() == text


def test_numbers_that_a_float_keeps_are_no_loss() -> None:
    """Exponents, zeros and all the digits that Python itself writes pass."""
    text = '{"a": [1.50, 1E5, 0.30000000000000004, -0.0, 1e-7, 123456789012345678901234567890], "z": 1}'
    Path("a.json").write_text(text)
    assert run("set", "a.json", "z", "2").code == 0
    assert json.loads(Path("a.json").read_text()) == {**json.loads(text), "z": 2}


def test_keys_that_are_numbers_are_found() -> None:
    """A text key comes first; without one, an int key of YAML, CBOR or pickle is meant, to get, set and delete."""
    Path("a.yaml").write_text("80: http\n'443': https\n")
    assert run("get", "a.yaml", "80", "-r").out == "http\n"
    assert run("get", "a.yaml", "443", "-r").out == "https\n"
    assert run("set", "a.yaml", "80", "1").code == 0
    assert Path("a.yaml").read_text() == "80: 1\n'443': https\n"
    assert run("delete", "a.yaml", "80").code == 0
    assert Path("a.yaml").read_text() == "'443': https\n"


def test_tuple_can_be_read_and_not_changed() -> None:
    """Only a pickle has tuples: their items are found, and are not deleted or set."""
    put("a", {"t": (1, 2)}, "pickle")
    before = Path("a").read_bytes()
    assert run("get", "a", "t.1", "-f", "pickle").out == "2\n"
    assert run("delete", "a", "t.1", "-f", "pickle").code == 4
    assert run("set", "a", "t.1", "3", "-f", "pickle").code == 4
    assert Path("a").read_bytes() == before
    assert pickle.loads(before) == {"t": (1, 2)}


def test_change_at_the_same_time_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who changes the file between the read and the write of a set is seen: both changes are there in the end."""
    put("a.json", {"n": 0})
    assign = POINTER.assign
    meddled: list[bool] = []

    def meddle(value: Any, parts: list[str], new: Any) -> None:
        assign(value, parts, new)
        if not meddled:
            meddled.append(True)
            Path("b.json").write_text('{"n": 0, "theirs": 1}')
            Path("b.json").replace("a.json")

    monkeypatch.setattr(POINTER, "assign", meddle)
    assert run("set", "a.json", "n", "1").code == 0
    assert json.loads(Path("a.json").read_text()) == {"n": 1, "theirs": 1}


def test_place_that_must_be_a_place_is_not_a_pipe() -> None:
    """Set, delete, edit and put change a place: - is none, and says so."""
    for words in (["set", "-", "a", "1"], ["delete", "-"], ["edit", "-"], ["put", "-"]):
        found = run(*words)
        assert found.code == 2
        assert "- is none" in found.err


def test_set_on_a_file_with_another_suffix_keeps_its_format() -> None:
    """JSON in a .cbor or .json.gz, as a program without format= writes it, stays JSON, and says so."""
    for name in ("a.cbor", "a.json.gz", "a.bson.gz"):
        Path(name).write_text('{"a": 1}')
        found = run("set", name, "a", "2")
        assert found.code == 0
        assert "taken as json" in found.err
        assert Path(name).read_text() == '{"a": 2}'
    Path("b.json").write_bytes(cbor2.dumps({"a": 1}))
    assert run("set", "b.json", "a", "2").code == 4
    assert cbor2.loads(Path("b.json").read_bytes()) == {"a": 1}
    assert run("set", "b.json", "a", "2", "--format", "cbor").code == 0
    assert cbor2.loads(Path("b.json").read_bytes()) == {"a": 2}
    assert run("set", "c.txt", "a", "2").code == 2


def test_file_without_a_suffix_is_changed_as_it_is_shown() -> None:
    """What the bytes show is the format for every command: set, delete and put take it as show does, never pickle."""
    Path("state").write_bytes(gzip.compress(b'{"a":1}', mtime=0))
    for words in (["set", "state", "b", "2"], ["delete", "state", "a"], ["put", "state", "--", "echo", '{"c":3}']):
        assert run(*words) == (0, "", "")
    assert gzip.decompress(Path("state").read_bytes()) == b'{"c":3}\n'
    for content in (pickle.dumps(1), b"plain text"):
        Path("state").write_bytes(content)
        for words in (["show", "state"], ["set", "state", "a", "1"], ["put", "state", "--", "echo", "1"]):
            found = run(*words)
            assert (found.code, "--format" in found.err) == (2, True)
        assert Path("state").read_bytes() == content


def test_damaged_file_that_vanishes_is_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    """A damaged file that another program deletes while set looks at it again is like one that was not there."""
    Path("a.json").write_text("{")
    monkeypatch.setattr(CHANGING, "read", lambda *_: Path("a.json").unlink())
    assert run("set", "a.json", "a", "1").code == 0
    assert Path("a.json").read_text() == '{"a": 1}'
