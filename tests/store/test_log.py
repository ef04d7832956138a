"""What the library says through logging, and that it says nothing, and loads nothing, unless the program listens."""

from __future__ import annotations

import errno
import logging
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from machine import ALICE, CREW, in_child, public_directory
from support import require

import atomic_store
from atomic_store import LocalFile
from atomic_store.testing import Memory


@pytest.fixture
def listening(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """A program that listens to everything."""
    caplog.set_level(logging.DEBUG, logger="atomic_store")
    return caplog


def test_loads_and_commits_are_told_with_bytes_and_milliseconds(listening: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    """DEBUG: one line for each load and each commit, with path, size, format and time."""
    path = str(tmp_path / "state.json")
    store = atomic_store.open(path, default=[1, 2])
    assert listening.messages == []
    with store:
        store.value.append(3)
    store.reload()
    written, read = listening.messages
    assert re.fullmatch(rf"committed '{path}': 9 bytes, format json, \d+\.\d ms", written)
    assert re.fullmatch(rf"loaded '{path}': 9 bytes, format json, \d+\.\d ms", read)
    assert {record.levelno for record in listening.records} == {logging.DEBUG}
    assert {record.name for record in listening.records} == {"atomic_store"}


def test_place_without_a_size_is_told_all_the_same(listening: pytest.LogCaptureFixture) -> None:
    """A place that cannot say how many bytes it holds is logged with a question mark or the number it knows."""
    atomic_store.open(Memory(b"[1]"))
    assert re.fullmatch(r"loaded .*: (\?|3) bytes, format json, \d+\.\d ms", listening.messages[0])


def test_what_failed_is_not_told_as_done(listening: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    """A commit or a load that raises has its error; the log does not say that it happened."""
    path = tmp_path / "state.json"
    with pytest.raises(TypeError):
        atomic_store.open(path, {1}).commit()
    path.write_text("garbage")
    with pytest.raises(atomic_store.LoadError):
        atomic_store.open(path)
    assert listening.messages == []


def test_removed_temp_of_a_killed_writer_is_told(listening: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    """WARNING: a writer was killed, and what it left is gone now."""
    temp = tmp_path / ".state.json.0123456789abcdef.tmp"
    temp.write_bytes(b"half")
    os.utime(temp, (0, time.time() - 61))
    LocalFile(tmp_path / "state.json").lock(0).release()
    (record,) = listening.records
    assert record.levelno == logging.WARNING
    assert repr(str(temp)) in record.getMessage()


def test_group_that_loses_its_rights_is_told() -> None:
    """WARNING, once: whoever shares a file by its group learns that a writer outside the group has ended that."""
    require(os.geteuid() == 0, "needs root to become another user")
    with public_directory() as home:
        os.chown(home, ALICE.uid, ALICE.gid)
        path = home / "state.json"
        path.write_text("1")
        os.chown(path, ALICE.uid, CREW)
        path.chmod(0o660)

        def commit() -> list[str]:
            heard: list[str] = []
            handler = logging.Handler()
            handler.emit = lambda record: heard.append(f"{record.levelname}: {record.getMessage()}")  # type: ignore[method-assign]
            logging.getLogger("atomic_store").addHandler(handler)
            store = atomic_store.open(path)
            for _ in range(2):
                store.commit()
            return heard

        (heard,) = in_child(commit, ALICE)
    assert heard.startswith(f"WARNING: the group {CREW} of {str(path)!r} cannot be kept")


QUIET = """
import os, sys, time
import atomic_store

os.close(os.open(".state.json.0123456789abcdef.tmp", os.O_CREAT))
os.utime(".state.json.0123456789abcdef.tmp", (0, time.time() - 61))
with atomic_store.open("state.json", default=[], lock=True) as store:
    store.value.append(1)
store.reload()
assert not os.path.exists(".state.json.0123456789abcdef.tmp")
assert "logging" not in sys.modules
import logging
with atomic_store.open("state.json", default=[], lock=True) as store:
    store.value.append(1)
with open("bad.json", "w") as file:
    file.write("garbage")
import warnings
warnings.simplefilter("ignore")
atomic_store.open("bad.json", on_corrupt="quarantine")
"""


def test_program_that_does_not_listen_hears_and_loads_nothing(tmp_path: Path) -> None:
    """Nothing is printed by default, not even a warning, and logging is never imported by the library itself."""
    command = [sys.executable, "-W", "error", "-c", QUIET]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout + done.stderr == ""


def test_program_without_logging_goes_the_same_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where logging was never loaded, loads, commits, the sweep and a quarantine do all they do elsewhere."""
    path, temp = tmp_path / "state.json", tmp_path / ".state.json.0123456789abcdef.tmp"
    path.write_text("garbage")
    temp.touch()
    os.utime(temp, (0, 0))
    monkeypatch.delitem(sys.modules, "logging")
    with pytest.warns(UserWarning, match="the bytes are kept"):
        store = atomic_store.open(path, default=[], on_corrupt="quarantine", lock=True)
    with store:
        store.value.append(1)
    assert "logging" not in sys.modules
    assert path.read_text() == "[1]"
    assert not temp.exists()


def test_uncertain_commit_is_an_error_and_no_line(
    listening: pytest.LogCaptureFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What may not last is raised; nobody has to read a log to learn of it."""
    store = atomic_store.open(tmp_path / "state.json", 1)

    def fail(descriptor: int) -> None:
        if os.path.isdir(f"/proc/self/fd/{descriptor}"):
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(atomic_store.UncertainCommitError):
        store.commit()
    assert listening.messages == []
