"""Each system call of a commit, a deletion and an open fails in turn, until one gets through.

The sweep itself is in faults.py, and so is what must hold after each fault. The last tests here show that it sees: each
way of spoiling a commit is found by it.
"""

from __future__ import annotations

import errno
import gc
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from careless import Careful, by
from faults import COMMITS, KINDS, NEW, PLAIN, Attack, Kind, Scene, outcome, run, sweep

import atomic_store

ERRORS = ("EIO", "ENOSPC", "EDQUOT", "EINTR", "EMFILE", "EROFS", "EACCES", "ESTALE")
Record = Callable[[str, object], None]


def demand(kind: Kind, directory: Path, record: Record, errors: tuple[str, ...], **how: bool) -> None:
    """Sweep with each of the errors; every sweep must have failed the same calls, at least one, and found no flaw."""
    points = {}
    outcomes = outcome(kind, directory / "rehearsal")
    for error in errors:
        points[error], flaws = sweep(kind, directory / error, getattr(errno, error), outcomes=outcomes, **how)
        assert not flaws, f"{kind.name}, {error}: " + "\n".join(flaws)
    record("fault points", sum(points.values()))
    assert min(points.values()) > 0


@pytest.mark.parametrize("kind", KINDS, ids=repr)
def test_failing_system_call_leaves_old_or_new(kind: Kind, tmp_path: Path, record_property: Record) -> None:
    """Whichever call fails, and how: old or new, whole; nothing left behind; a clear error; and the next try works."""
    demand(kind, tmp_path, record_property, ERRORS)


@pytest.mark.parametrize("kind", KINDS, ids=repr)
def test_disk_that_dies_leaves_old_or_new(kind: Kind, tmp_path: Path, record_property: Record) -> None:
    """Where all calls fail from some point on, the same holds, but for one temp that could not be removed."""
    demand(kind, tmp_path, record_property, ("EIO", "EROFS"), lasting=True)


@pytest.mark.parametrize("kind", KINDS, ids=repr)
def test_short_writes_and_reads_tear_nothing(kind: Kind, tmp_path: Path, record_property: Record) -> None:
    """Where each write and read takes only half, and the disk is full at some point of that, the same holds."""
    demand(kind, tmp_path, record_property, ("ENOSPC",), short=True)


@pytest.mark.parametrize("kind", COMMITS, ids=repr)
def test_directory_that_cannot_be_synced_is_no_error(kind: Kind, tmp_path: Path) -> None:
    """Some file systems know no fsync of a directory: there, and only there, a commit goes on without."""
    old, new = outcome(kind, tmp_path / "rehearsal")
    calls = Attack()
    run(kind.prepare(tmp_path / "count"), calls)
    syncs = [turn for turn, call in enumerate(calls.seen, 1) if call.name == "fsync"]
    for turn in syncs:
        for number in (errno.EINVAL, errno.ENOTSUP):
            attack = Attack(turn, number)
            scene = kind.prepare(tmp_path / f"{turn} {number}")
            error = run(scene, attack)
            assert attack.hit == ("fsync", attack.seen[turn - 1].inode)
            if turn == syncs[-1]:
                assert (error, scene.visible()) == (None, new)
            else:
                assert isinstance(error, OSError)
                assert scene.visible() == old


def test_lost_directory_entry_is_told(tmp_path: Path) -> None:
    """Where the directory's fsync fails after the rename, the error says so, and what is visible."""
    path = tmp_path / "state"
    store = atomic_store.open(path)
    store.value = 1
    store.commit()
    store.value = 2
    calls = Attack()
    run(Scene(tmp_path, str(path), path, store.commit), calls)
    last = max(turn for turn, call in enumerate(calls.seen, 1) if call.name == "fsync")
    store.value = 3
    error = run(Scene(tmp_path, str(path), path, store.commit), Attack(last, errno.EIO))
    assert isinstance(error, atomic_store.UncertainCommitError)
    assert (error.errno, error.filename) == (errno.EIO, path)
    assert "visible" in str(error)
    assert path.read_text(encoding="utf-8") == "3"


def test_careful_writer_passes_the_sweep(tmp_path: Path) -> None:
    """What the sweep demands can be met by a writer that shares no line with the library."""
    assert sweep(by(Careful), tmp_path, errno.EIO, Careful) == (8, [])


def test_garbage_of_earlier_tests_is_not_blamed_on_the_library(tmp_path: Path) -> None:
    """A socket or file that an earlier test has left in a cycle, and that is collected meanwhile, is no flaw."""

    class Connection:
        def __init__(self) -> None:
            self.me = self
            self.descriptor = os.open(os.devnull, os.O_RDONLY)

        def __del__(self) -> None:
            os.close(self.descriptor)

    def enter(directory: Path) -> Scene:
        one = Careful(PLAIN.path(directory))

        def act() -> None:
            if directory.name != "rehearsal":
                gc.collect()
            one.commit(repr(NEW).encode())

        return PLAIN.scene(directory, act)

    gc.disable()
    try:
        Connection()
        assert sweep(Kind("collecting", PLAIN.make, enter), tmp_path, errno.EIO, Careful) == (8, [])
    finally:
        gc.enable()


@pytest.mark.parametrize("writer", Careful.__subclasses__())
def test_sweep_finds_the_writer_that_is_wrong(writer: type[Careful], tmp_path: Path) -> None:
    """Control: each way of doing it wrong is found by the sweep, and called by its name."""
    _, flaws = sweep(by(writer), tmp_path, errno.EIO, Careful)
    assert any(writer.flaw in flaw for flaw in flaws), flaws


def test_sweep_finds_the_open_that_gives_the_default(tmp_path: Path) -> None:
    """Control: an open that takes an error of the disk for "nothing is stored" is found."""

    def enter(directory: Path) -> Scene:
        def act() -> None:
            try:
                Careful.os.stat(PLAIN.path(directory))
            except OSError:
                raise AssertionError("opened as the default") from None

        return PLAIN.scene(directory, act)

    _, flaws = sweep(Kind("bad open", PLAIN.make, enter), tmp_path, errno.EIO, Careful)
    assert any("opened as the default" in flaw for flaw in flaws), flaws
