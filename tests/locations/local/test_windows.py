"""What the code for Windows does, with Windows' errors simulated: it was not run there."""

from __future__ import annotations

import errno
import ntpath
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import atomicwrites
import pytest
import seams

import atomic_store
from atomic_store.locations import local as _local

ACCESS_DENIED, SHARING_VIOLATION, LOCK_VIOLATION, DISK_FULL = 5, 32, 33, 112


def refusal(winerror: int) -> OSError:
    """The error of a system call on Windows."""
    kind = PermissionError if winerror in seams.platform.IN_USE else OSError
    error = kind(errno.EACCES if winerror in seams.platform.IN_USE else errno.ENOSPC, "simulated")
    error.winerror = winerror  # type: ignore[attr-defined]  # typeshed knows it on Windows only
    return error


class Refusing:
    """A change of names that is refused so often, and then made."""

    def __init__(self, times: float, winerror: int, step: Callable[..., object] = lambda *_: None) -> None:
        self.times = times
        self.winerror = winerror
        self.step = step
        self.calls = 0

    def __call__(self, *args: Any) -> None:
        self.calls += 1
        if self.calls <= self.times:
            raise refusal(self.winerror)
        self.step(*args)


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that were slept."""
    taken: list[float] = []
    monkeypatch.setattr(time, "sleep", taken.append)
    return taken


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system on which no directory can be opened, and MoveFileEx renames."""
    monkeypatch.delattr(os, "O_DIRECTORY")
    seams.windows(monkeypatch)
    monkeypatch.setattr(atomicwrites, "replace_atomic", os.replace)
    monkeypatch.setattr(atomicwrites, "move_atomic", move)


def move(source: str, target: str) -> None:
    """As MoveFileEx without MOVEFILE_REPLACE_EXISTING: it replaces nothing."""
    os.link(source, target)
    os.unlink(source)


@pytest.mark.parametrize("winerror", [ACCESS_DENIED, SHARING_VIOLATION, LOCK_VIOLATION])
@pytest.mark.parametrize("on_conflict", ["overwrite", "raise"])
@pytest.mark.usefixtures("windows")
def test_scanner_that_lets_go_delays_a_commit_and_no_more(
    winerror: int, on_conflict: str, tmp_path: Path, naps: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is open elsewhere for a moment is replaced, made or deleted after it, each time the wait is longer."""
    path = tmp_path / "state"
    store = atomic_store.open(path, on_conflict=on_conflict)
    for name in ("move_atomic", "replace_atomic"):
        monkeypatch.setattr(atomicwrites, name, Refusing(3, winerror, getattr(atomicwrites, name)))
    for value in (1, 2):
        store.value = value
        store.commit()
        assert path.read_text() == str(value)
    assert set(naps) == set(seams.platform.DELAYS[:3])
    naps.clear()
    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", Refusing(2, winerror, os.unlink))
        store.delete()
    assert naps == list(seams.platform.DELAYS[:2])
    assert not path.exists()


@pytest.mark.usefixtures("windows")
def test_reader_that_never_lets_go_ends_the_wait(tmp_path: Path, naps: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    """After 2.3 seconds the commit raises PermissionError with the path and a reason; the old value is whole."""
    path = tmp_path / "state"
    path.write_text("1")
    store = atomic_store.open(path)
    store.value = 2
    replace = Refusing(float("inf"), ACCESS_DENIED)
    monkeypatch.setattr(atomicwrites, "replace_atomic", replace)
    with pytest.raises(PermissionError) as caught:
        store.commit()
    assert caught.value.filename == path
    assert any("tried for 2.3 s" in note for note in caught.value.__notes__)
    assert naps == list(seams.platform.DELAYS)
    assert replace.calls == len(naps) + 1
    assert (path.read_text(), os.listdir(tmp_path)) == ("1", ["state"])


@pytest.mark.usefixtures("windows")
def test_full_disk_is_not_waited_for(tmp_path: Path, naps: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what another program's open file causes is worth a second try."""
    store = atomic_store.open(tmp_path / "state", 1)
    replace = Refusing(1, DISK_FULL)
    monkeypatch.setattr(atomicwrites, "replace_atomic", replace)
    with pytest.raises(OSError, match="simulated"):
        store.commit()
    assert (naps, replace.calls) == ([], 1)
    naps.clear()
    late = Refusing(len(seams.platform.DELAYS), ACCESS_DENIED, Refusing(1, DISK_FULL))
    with pytest.raises(OSError, match="simulated") as caught:
        seams.platform.patiently(late)
    assert not hasattr(caught.value, "__notes__")


@pytest.mark.usefixtures("windows")
def test_file_that_appears_meanwhile_is_a_conflict(tmp_path: Path, naps: list[float]) -> None:
    """A store that has read that nothing is there does not replace what somebody else has made since."""
    path = tmp_path / "state"

    class Late:
        @staticmethod
        def dump(value: Any, file: Any) -> None:
            path.write_text("theirs")
            file.write("ours")

        @staticmethod
        def load(file: Any) -> Any:
            return file.read()

    store = atomic_store.open(path, 1, format=Late, on_conflict="raise")
    with pytest.raises(atomic_store.ConflictError):
        store.commit()
    assert path.read_text() == "theirs"
    assert not list(tmp_path.glob(".*.tmp"))


@pytest.mark.usefixtures("windows")
def test_stale_temp_is_closed_before_it_is_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is open cannot be deleted there: the sweep's own look at a temp must not keep it alive."""
    temp = tmp_path / ".state.json.0123456789abcdef.tmp"
    temp.touch()
    inode = temp.stat().st_ino
    os.utime(temp, (0, 0))
    unlink = os.unlink

    def unlink_what_is_closed(name: str) -> None:
        for number in os.listdir("/proc/self/fd"):
            with suppress(FileNotFoundError):  # that of the list itself
                if os.stat(f"/proc/self/fd/{number}").st_ino == inode:
                    raise refusal(SHARING_VIOLATION)
        unlink(name)

    monkeypatch.setattr(os, "unlink", unlink_what_is_closed)
    assert _local.LocalFile(tmp_path / "state.json").clean() == [(str(temp), None)]
    assert not temp.exists()


def test_module_of_the_lock_loads_where_there_is_no_fcntl(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows has no fcntl: its locks are msvcrt's, and nothing is missed before."""
    monkeypatch.setitem(sys.modules, "fcntl", None)
    monkeypatch.setitem(sys.modules, "msvcrt", ModuleType("msvcrt"))
    there = seams.loaded_again(seams.tempfile)
    assert there.fcntl is None


@pytest.mark.parametrize(
    ("path", "extended"),
    [
        ("C:\\short.json", "C:\\short.json"),
        ("C:\\" + "d" * 300 + "\\a.json", "\\\\?\\C:\\" + "d" * 300 + "\\a.json"),
        ("\\\\server\\share\\" + "d" * 300, "\\\\?\\UNC\\server\\share\\" + "d" * 300),
        ("\\\\?\\C:\\" + "d" * 300, "\\\\?\\C:\\" + "d" * 300),
        ("\\\\.\\C:\\" + "d" * 300, "\\\\.\\C:\\" + "d" * 300),
    ],
)
def test_long_path_gets_the_form_that_may_be_long(path: str, extended: str) -> None:
    """A drive's and a share's path each get their prefix, once; a short one stays as it is."""
    assert seams.platform.extended(path) == extended


def test_path_is_normalised_before_its_form_forbids_it(monkeypatch: pytest.MonkeyPatch) -> None:
    r"""After \\?\ Windows takes a slash or a dot for a name: they are resolved before."""

    class Nt:
        name = "nt"
        path = ntpath

        def __getattr__(self, name: str) -> Any:
            return getattr(os, name)

    monkeypatch.setattr(_local, "os", Nt())
    long = "d" * 300
    assert _local.LocalFile(f"C:/data/./{long}/../state.json").absolute == "C:\\data\\state.json"
    assert _local.LocalFile(f"C:/data/{long}/state.json").absolute == f"\\\\?\\C:\\data\\{long}\\state.json"
