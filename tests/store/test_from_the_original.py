"""What a program written for atomic-store 0.0.1 relies on, and each place where we have decided otherwise."""

from __future__ import annotations

import inspect
import json
import os
import pickle
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from stand_ins import Files, Strings, inside, pretend_module

import atomic_store

PARAMETERS = {
    "path": inspect.Parameter.empty,
    "default": None,
    "format": None,
    "is_binary": None,
    "load_kwargs": None,
    "dump_kwargs": None,
    "ignore_inner_exits": False,
}

# The programs of 0.0.1's documents, the same calls in our words, and what each has left behind after every run.
RUNS = """
import time
import atomic_store

with atomic_store.open('started.json', default=[]) as store:
    print('So far:', store.value)
    store.value.append(time.strftime('%Y-%m-%d %H:%M:%S%z'))
"""
GATHERED = """
import atomic_store

job = atomic_store.open('job.json', default=dict())
job.value['phase'] = 'begun'
job.value['menu'] = 'soup'
job.commit()
job.value['phase'] = 'over'
job.value['menu'] = 'cake'
job.commit()
"""
COMPACT = """
import atomic_store

with atomic_store.open('small.json', default=[1, {'a': 2}], dump_kwargs=dict(separators=(',', ':'))) as store:
    pass
"""
OTHER_FORMATS = """
import json
import pickle
import atomic_store

for form in (None, 'json', json, 'pickle', pickle):
    with atomic_store.open('form-%s' % getattr(form, '__name__', form), default=[], format=form) as store:
        store.value.append(len(store.value))
"""
NESTED = """
import atomic_store

def stored():
    with open('nested.json') as file:
        return file.read()

with open('nested.json', 'w') as file:
    file.write('"before"')
keeper = atomic_store.open('nested.json', default=[]{options})
with keeper as store:
    store.value = 'outer'
    assert stored() == '"before"'
    with keeper as store:
        store.value = 'inner'
        assert stored() == '"before"'
    assert stored() == '{between}'
assert stored() == '"inner"'
"""
PROGRAMS: dict[str, tuple[str, str, Callable[[str, int], bool]]] = {
    "remembers its starts": (RUNS, "started.json", lambda text, run: len(json.loads(text)) == run),
    "long job": (GATHERED, "job.json", lambda text, _: json.loads(text) == {"phase": "over", "menu": "cake"}),
    "small file": (COMPACT, "small.json", lambda text, _: text == '[1,{"a":2}]'),
    "other formats": (OTHER_FORMATS, "form-json", lambda text, run: json.loads(text) == list(range(2 * run))),
    "nested": (NESTED.format(options="", between='"inner"'), "nested.json", lambda text, _: text == '"inner"'),
    "nested, one write": (
        NESTED.format(options=", ignore_inner_exits=True", between='"before"'),
        "nested.json",
        lambda text, _: text == '"inner"',
    ),
}


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "value")


# --- kept ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("program", PROGRAMS)
def test_programs_of_the_old_documents_run_unchanged(
    program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every program that 0.0.1's documents show does the same with ours, three runs in a row."""
    source, name, expected = PROGRAMS[program]
    monkeypatch.chdir(tmp_path)
    for run in (1, 2, 3):
        exec(compile(source, program, "exec"), {"__name__": "__main__"})
        assert expected(Path(name).read_text(encoding="utf-8"), run)


def test_caller_by_position_means_the_same_parameters() -> None:
    """open() begins with the seven parameters of 0.0.1: their names, order and defaults; what we add takes a keyword."""
    parameters = list(inspect.signature(atomic_store.open).parameters.values())
    assert {each.name: each.default for each in parameters[:7]} == PARAMETERS
    assert [each.name for each in parameters[:7]] == list(PARAMETERS)
    assert all(each.kind is each.POSITIONAL_OR_KEYWORD for each in parameters[:7])
    assert all(each.kind is each.KEYWORD_ONLY for each in parameters[7:])


def test_class_called_by_position_means_the_same_parameters(path: str) -> None:
    """AtomicStore() takes the same seven, by position too, as open() passed them on."""
    assert list(inspect.signature(atomic_store.AtomicStore).parameters)[:7] == list(PARAMETERS)
    store: atomic_store.AtomicStore[list[int]] = atomic_store.AtomicStore(path, [1], json, False, {}, {"indent": 1}, True)
    store.commit()
    assert Path(path).read_text() == "[\n 1\n]"
    assert store.ignore_inner_exits is True


def test_old_names_do_not_go_away() -> None:
    """Each of the five public names of 0.0.1 is there."""
    for name in ("AbstractFormatBstr", "AbstractFormatFile", "AtomicStore", "WrapBinaryFormat", "open"):
        assert name in atomic_store.__all__
        assert callable(getattr(atomic_store, name))


def test_attributes_do_not_go_away(path: str) -> None:
    """The attributes show what was passed, or what 0.0.1 put in its place."""
    load, dump = {"parse_int": float}, {"indent": 2}
    store = atomic_store.open(path, [], None, None, load, dump, True)
    assert store.path == path
    assert store.format is json
    assert store.is_binary is False
    assert store.load_kwargs is load
    assert store.dump_kwargs is dump
    assert store.ignore_inner_exits is True
    assert store.level == 0
    assert store.value == []
    plain = atomic_store.open(path, format="pickle")
    assert (plain.format, plain.is_binary, plain.load_kwargs, plain.dump_kwargs) == (pickle, True, {}, {})


def test_path_object_stays_the_object_it_was(tmp_path: Path) -> None:
    """`path` is the very object that was passed."""
    path = tmp_path / "a.json"
    assert atomic_store.open(path).path is path


@pytest.mark.parametrize(
    ("format", "shown", "is_binary"),
    [(None, json, False), ("json", json, False), (json, json, False), ("pickle", pickle, True), (pickle, pickle, True)],
)
def test_format_shows_what_it_always_showed(path: str, format: Any, shown: Any, is_binary: bool) -> None:
    """Names and modules become the same modules in `format`, and only JSON counts as text."""
    store = atomic_store.open(path, format=format)
    assert store.format is shown
    assert store.is_binary is is_binary


def test_format_with_dump_is_used_as_it_is(path: str) -> None:
    """An object with dump and load is `format` itself, even where it has dumps and loads as well."""

    class Both(Files):
        def dumps(self, value: Any) -> bytes:
            raise AssertionError("dump() goes before dumps()")

        loads = dumps

    both = Both(lambda value, file: file.write(repr(value).encode()), lambda content: eval(content))
    with atomic_store.open(path, default=1, format=both) as store:
        assert store.format is both
        store.value = 2
    assert atomic_store.open(path, format=both).value == 2


def test_format_with_dumps_is_shown_wrapped(path: str) -> None:
    """An object with only dumps and loads is shown as a WrapBinaryFormat around it."""
    strings = Strings(lambda value: repr(value).encode(), lambda content: eval(content))
    with atomic_store.open(path, default=(1,), format=strings) as store:
        assert isinstance(store.format, atomic_store.WrapBinaryFormat)
        assert store.format.format_bstr is strings
        assert store.is_binary is True
    assert atomic_store.open(path, format=strings).value == (1,)


def test_bson_is_shown_wrapped(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the package that 0.0.1 required, "bson" is a WrapBinaryFormat around its module."""
    bson = pretend_module(monkeypatch, "bson", dumps=lambda value: b"", loads=lambda content: {})
    store = atomic_store.open(path, format="bson")
    assert isinstance(store.format, atomic_store.WrapBinaryFormat)
    assert store.format.format_bstr is bson
    assert store.is_binary is True


def test_wrapper_passed_by_the_program_works(path: str) -> None:
    """A WrapBinaryFormat that the program itself has made is a format like any other."""
    wrapped = atomic_store.WrapBinaryFormat(pickle)
    atomic_store.open(path, default={1}, format=wrapped).commit()
    store = atomic_store.open(path, format=wrapped)
    assert store.value == {1}
    assert store.format is wrapped


def test_wrapper_hands_the_keywords_on(tmp_path: Path) -> None:
    """WrapBinaryFormat alone writes what dumps gives and loads what it reads, with the keywords of each."""
    wrapped = atomic_store.WrapBinaryFormat(json)
    with (tmp_path / "a").open("w+") as file:
        wrapped.dump({"b": 1}, file, indent=1)
        file.seek(0)
        assert wrapped.load(file, parse_int=str) == {"b": "1"}


@pytest.mark.parametrize("name", ["dump", "load"])
def test_forgotten_method_of_a_file_format_is_named(name: str) -> None:
    """AbstractFormatFile can be made as it is; what was not implemented raises NotImplementedError."""
    with pytest.raises(NotImplementedError, match=name):
        getattr(atomic_store.AbstractFormatFile(), name)(*[None] * (2 if name == "dump" else 1), keyword=1)


@pytest.mark.parametrize("name", ["dumps", "loads"])
def test_forgotten_method_of_a_string_format_is_named(name: str) -> None:
    """AbstractFormatBstr can be made as it is; what was not implemented raises NotImplementedError."""
    with pytest.raises(NotImplementedError, match=name):
        getattr(atomic_store.AbstractFormatBstr(), name)(None, keyword=1)


def test_incomplete_subclass_writes_nothing(path: str) -> None:
    """A subclass without dump() is accepted, and its commit raises NotImplementedError and leaves no file."""
    store = atomic_store.open(path, format=atomic_store.AbstractFormatFile())
    with pytest.raises(NotImplementedError):
        store.commit()
    assert not os.path.exists(path)


def test_assigned_attributes_hold_for_the_next_commit(path: str, tmp_path: Path) -> None:
    """path, format, is_binary, both keywords and ignore_inner_exits may be assigned at any time."""
    store = atomic_store.open(path, default=[1])
    store.path = tmp_path / "moved"
    store.dump_kwargs = {"indent": 1}
    store.commit()
    assert inside(tmp_path) == ["moved"]
    assert (tmp_path / "moved").read_text() == "[\n 1\n]"

    store.format = pickle
    store.is_binary = True
    store.dump_kwargs = {}
    store.commit()
    assert pickle.loads((tmp_path / "moved").read_bytes()) == [1]

    store.load_kwargs = {"encoding": "latin-1"}
    assert store.load_kwargs == {"encoding": "latin-1"}

    store.ignore_inner_exits = True
    with store:
        with store:
            store.value = [2]
        assert pickle.loads((tmp_path / "moved").read_bytes()) == [1]
        assert store.level == 1
    assert pickle.loads((tmp_path / "moved").read_bytes()) == [2]


def test_keywords_changed_in_place_count(path: str) -> None:
    """The dict of keywords is the store's own or the caller's, never a copy."""
    store = atomic_store.open(path, default=[1])
    store.dump_kwargs["indent"] = 1
    store.commit()
    assert Path(path).read_text() == "[\n 1\n]"


def test_level_counts_the_open_blocks(path: str) -> None:
    """`level` is the number of blocks that are open, and may be assigned."""
    store = atomic_store.open(path)
    with store, store as inner:
        assert inner is store
        assert store.level == 2
    assert store.level == 0
    store.level = 1
    store.__exit__(None, None, None)
    assert store.level == 0


@pytest.mark.parametrize("flag", [None, False])
def test_inner_exit_commits(path: str, flag: bool | None) -> None:
    """Unless ignore_inner_exits is True, each leaving of a block commits."""
    store = atomic_store.open(path, ignore_inner_exits=flag)
    with store:
        with store:
            store.value = "inner"
        assert Path(path).read_text() == '"inner"'
        store.value = "outer"
        assert Path(path).read_text() == '"inner"'
    assert Path(path).read_text() == '"outer"'


def test_two_stores_on_one_path_overwrite_each_other(path: str) -> None:
    """Without lock= or on_conflict=, the last commit wins, and the stores do not see each other's values."""
    first, second = atomic_store.open(path, []), atomic_store.open(path, [])
    with first:
        first.value.append("first")
        with second:
            second.value.append("second")
        assert Path(path).read_text() == '["second"]'
    assert Path(path).read_text() == '["first"]'
    second.commit()
    assert Path(path).read_text() == '["second"]'


def test_file_deleted_meanwhile_is_written_again(path: str) -> None:
    """A plain commit asks nobody: it creates the file anew."""
    with atomic_store.open(path, 1) as store:
        store.commit()
        os.unlink(path)
    assert Path(path).read_text() == "1"


def test_opening_and_changing_writes_nothing(path: str, tmp_path: Path) -> None:
    """Only leaving a block and commit() write."""
    store = atomic_store.open(path, default=[])
    store.value.append(1)
    store.__enter__()
    assert inside(tmp_path) == []


def test_none_is_a_value_and_the_default_default(path: str) -> None:
    """Without a default the value is None, and None is written like any other value."""
    with atomic_store.open(path) as store:
        assert store.value is None
    assert Path(path).read_text() == "null"


def test_is_binary_goes_before_what_the_format_is_known_for(path: str) -> None:
    """is_binary= is taken at its word: JSON asked for bytes cannot write, as before."""
    with pytest.raises(TypeError):
        atomic_store.open(path, default=1, is_binary=True).commit()
    assert not os.path.exists(path)


def test_unknown_format_is_a_value_error(path: str) -> None:
    """`except ValueError` around open() still catches what is no format, and a bson that is not installed."""
    with pytest.raises(ValueError):
        atomic_store.open(path, format=42)


def test_missing_bson_is_a_value_error(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`except ValueError` around open() still catches that no bson is installed."""
    monkeypatch.setitem(sys.modules, "bson", None)
    with pytest.raises(ValueError):
        atomic_store.open(path, format="bson")


# --- decided otherwise -----------------------------------------------------------------------------------------------


def test_exception_in_the_block_is_not_a_commit(path: str) -> None:
    """Different: 0.0.1 wrote the half-done value, or created the file; we leave what was there."""
    with pytest.raises(RuntimeError), atomic_store.open(path, default=[]) as store:
        store.value.append("half")
        raise RuntimeError
    assert not os.path.exists(path)
    assert store.value == ["half"]


def test_half_done_value_does_not_hide_the_exception(path: str) -> None:
    """Different: 0.0.1 tried to write the value, and its TypeError replaced the program's own exception."""
    with pytest.raises(RuntimeError, match="the program's own"), atomic_store.open(path) as store:
        store.value = object()
        raise RuntimeError("the program's own")


def test_default_is_not_changed_through_the_store(path: str) -> None:
    """Different: in 0.0.1 value and default were one object."""
    default: dict[str, list[int]] = {"a": []}
    with atomic_store.open(path, default=default) as store:
        store.value["a"].append(1)
    assert default == {"a": []}


@pytest.mark.parametrize(("format", "content"), [("json", b"[1,"), ("pickle", b"\x80\x04"), ("json", b"")])
def test_damaged_file_is_one_kind_of_error(path: str, format: str, content: bytes) -> None:
    """Different: JSONDecodeError, EOFError, UnpicklingError and so on are one LoadError, and still a ValueError."""
    Path(path).write_bytes(content)
    with pytest.raises(ValueError) as caught:
        atomic_store.open(path, default=1, format=format)
    assert type(caught.value) is atomic_store.LoadError
    assert caught.value.__cause__ is not None


def test_locale_does_not_choose_the_bytes(tmp_path: Path) -> None:
    """Different: 0.0.1 wrote and read in the locale's encoding; ours is UTF-8, in a C locale too."""
    (tmp_path / "read.json").write_bytes('"Zoë"'.encode())
    program = """
import locale
import atomic_store
assert locale.getpreferredencoding(False).lower().replace('-', '') not in ('utf8', 'utf_8'), 'control'
atomic_store.open('written.json', 'Zo\\u00eb', dump_kwargs={'ensure_ascii': False}).commit()
assert atomic_store.open('read.json').value == 'Zo\\u00eb'
"""
    environment = os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    # Without site: Python 3.12 cannot start there beside a .pth file that names a directory with an umlaut.
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    subprocess.run([sys.executable, "-S", "-c", program], cwd=tmp_path, env=environment, check=True, timeout=60)
    assert (tmp_path / "written.json").read_bytes() == '"Zoë"'.encode()


def test_line_ends_come_back_as_they_were(path: str) -> None:
    """Different: 0.0.1 made one line feed of each line end of a text format."""
    text = "a\r\nb\rc\nd"
    lines = Strings(str, str)
    atomic_store.open(path, default=text, format=lines, is_binary=False).commit()
    assert Path(path).read_bytes() == text.encode()
    assert atomic_store.open(path, format=lines, is_binary=False).value == text


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o664, 0o400])
def test_mode_is_not_narrowed(path: str, mode: int) -> None:
    """Different: 0.0.1 left every file with the mode 0600."""
    Path(path).write_text("1")
    os.chmod(path, mode)
    atomic_store.open(path, format=json).commit()
    assert stat.S_IMODE(os.stat(path).st_mode) == mode


def test_link_is_not_replaced_by_a_file(tmp_path: Path) -> None:
    """Different: 0.0.1 put a file in the place of a symbolic link; ours writes what the link leads to."""
    real, link = tmp_path / "real", tmp_path / "link"
    real.write_text("1")
    link.symlink_to("real")
    with atomic_store.open(link) as store:
        store.value = 2
    assert link.is_symlink()
    assert real.read_text() == "2"


def test_chdir_does_not_move_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Different: 0.0.1 wrote a relative path to whatever directory was current at the commit."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    store = atomic_store.open("a.json", default=1)
    monkeypatch.chdir(tmp_path / "elsewhere")
    store.commit()
    assert inside(tmp_path) == ["a.json", "elsewhere"]
    assert store.path == "a.json"


def test_path_in_bytes_can_be_committed(path: str) -> None:
    """Different: 0.0.1 opened a bytes path, and its commit failed with a TypeError."""
    with atomic_store.open(os.fsencode(path), default=1):
        pass
    assert Path(path).read_text() == "1"


def test_unreadable_file_is_not_the_default(tmp_path: Path) -> None:
    """Different: 0.0.1 took the default for whatever os.path.exists() denies, such as a loop of links."""
    loop = tmp_path / "loop"
    loop.symlink_to("loop")
    with pytest.raises(OSError, match="loop"):
        atomic_store.open(loop, default=1)


def test_text_format_needs_no_is_binary(path: str) -> None:
    """Different: 0.0.1 failed unless it was told is_binary=False."""
    text = Files(lambda value, file: file.write(value), lambda content: content.encode("utf-8"))
    atomic_store.open(path, default="a", format=text).commit()
    assert atomic_store.open(path, format=text).value == b"a"


def test_pickle_does_not_depend_on_the_python_that_wrote_it(path: str) -> None:
    """Different: the protocol is 4, whatever this Python's default is; dump_kwargs still choose another."""
    atomic_store.open(path, default=[1], format=pickle).commit()
    assert Path(path).read_bytes()[:2] == b"\x80\x04"
    atomic_store.open(path, format=pickle, dump_kwargs={"protocol": 2}).commit()
    assert Path(path).read_bytes()[:2] == b"\x80\x02"


def test_leaving_too_often_does_not_count_below_zero(path: str) -> None:
    """Different: 0.0.1 ended in an AssertionError at level -1, and each later block was off by one."""
    store = atomic_store.open(path, default=1)
    with pytest.raises(atomic_store.AtomicStoreError, match="more often"):
        store.__exit__(None, None, None)
    assert store.level == 0
    assert not os.path.exists(path)
    with store:
        pass
    assert Path(path).read_text() == "1"


def test_encoder_class_of_ones_own_is_asked_as_before(path: str) -> None:
    """dump_kwargs={"cls": ...} calls iterencode() of the class, with the value alone, and nothing else of it."""

    class Own(json.JSONEncoder):
        def iterencode(self, o: Any) -> Any:  # type: ignore[override]
            yield "[7"
            yield "]"

        def encode(self, o: Any) -> str:
            raise AssertionError("0.0.1 does not call this")

    store = atomic_store.open(path, default=1, dump_kwargs={"cls": Own})
    store.commit()
    assert store.reload() == [7]
