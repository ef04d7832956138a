"""What writers that were killed leave behind, and who removes it, when."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from crowd import Program
from stand_ins import by_hand, inside, stored

import atomic_store
from atomic_store import AtomicStore, FormatError, LocalFile
from atomic_store.testing import Memory

DIGITS = "0123456789abcdef"
OLD = 61
"""Seconds: just more than what a temp must have been left alone."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.json"


def leave(directory: Path, name: str, age: float = OLD) -> Path:
    """Leave a file as a killed writer does, last written so many seconds ago."""
    temp = directory / name
    temp.write_bytes(b"half")
    os.utime(temp, (0, time.time() - age))
    return temp


def sweep(path: Path) -> None:
    """Take the lock with a new store, once."""
    LocalFile(path).lock(0).release()


SWEEPERS: dict[str, Callable[[AtomicStore[Any]], object]] = {
    "lock=": lambda store: AtomicStore[Any](store.path, 0, lock=True).commit(),
    'on_conflict="raise"': lambda store: AtomicStore[Any](store.path, 0, on_conflict="raise").commit(),
    "update": lambda store: store.update(lambda value: value),
}


@pytest.mark.parametrize("way", SWEEPERS)
def test_old_temp_is_removed_by_whoever_locks(path: Path, way: str) -> None:
    """The first lock that a store takes removes what a killed writer of this file has left, and nothing else."""
    by_hand(path, 1)
    leave(path.parent, f".a.json.{DIGITS}.tmp")
    leave(path.parent, f".a.json.{DIGITS[::-1]}.tmp")
    SWEEPERS[way](atomic_store.open(path, 0))
    assert inside(path.parent) == [".a.json.lock", "a.json"]


def test_plain_store_removes_nothing(path: Path) -> None:
    """Without the lock nobody may judge what is stale: reading and plain commits leave all as it is."""
    temp = leave(path.parent, f".a.json.{DIGITS}.tmp")
    store = atomic_store.open(path, 0)
    store.commit()
    store.reload()
    store.delete()
    assert inside(path.parent) == [temp.name]


@pytest.mark.parametrize(
    "name",
    [
        f".b.json.{DIGITS}.tmp",
        f".a.json.b.{DIGITS}.tmp",
        f".a.{DIGITS}.tmp",
        f"a.json.{DIGITS}.tmp",
        f".a.json.{DIGITS[1:]}.tmp",
        f".a.json.0{DIGITS}.tmp",
        f".a.json.{DIGITS.upper()}.tmp",
        f".a.json.{DIGITS[1:]}g.tmp",
        f".a.json.{DIGITS}.tmp~",
        f".a.json.{DIGITS}.tmp\n",
        f".aXjson.{DIGITS}.tmp",
        f".a.json.{DIGITS}",
        ".a.json.lock",
    ],
)
def test_name_that_is_only_alike_is_left_alone(path: Path, name: str) -> None:
    """The whole name has to be that of a temp of this very file: neither another store's nor the user's is touched."""
    stranger = leave(path.parent, name)
    sweep(path)
    assert stranger.exists()


def test_dot_in_a_name_stands_for_itself(tmp_path: Path) -> None:
    """A store called by characters that mean something in a pattern sweeps its own temps and no others."""
    for name in ("a+(b)[c]*.json", "a|b", "^$"):
        mine = leave(tmp_path, f".{name}.{DIGITS}.tmp")
        other = leave(tmp_path, f".aab.json.{DIGITS}.tmp")
        sweep(tmp_path / name)
        assert not mine.exists()
        assert other.exists()


@pytest.mark.parametrize("age", [-3600, 0, 55])
def test_young_temp_is_left_alone(path: Path, age: float) -> None:
    """Within a minute of its last write, or with a time to come, a temp may have a writer that has not locked it yet."""
    temp = leave(path.parent, f".a.json.{DIGITS}.tmp", age)
    sweep(path)
    assert temp.exists()


def test_temp_of_a_writer_at_work_is_left_alone(path: Path) -> None:
    """However old it is, a temp that its writer has locked stays, and the writer's commit succeeds."""
    source = """
class Slow:
    def dump(self, value, file):
        file.write(b"1")
        os.utime(file.fileno(), (0, 0))
        say("dumping")
        hear()
    def load(self, file):
        return int(file.read())
atomic_store.open(path, 1, Slow()).commit()
say("committed")
"""
    with Program(source, path) as writer:
        assert writer.hear() == "dumping"
        sweep(path)
        assert len(inside(path.parent)) == 2
        writer.say()
        assert writer.hear() == "committed"
    assert stored(path) == 1
    assert inside(path.parent) == [".a.json.lock", "a.json"]


def test_temp_of_a_killed_writer_is_removed_once_it_is_old(path: Path) -> None:
    """A kill -9 in the middle of a dump leaves one temp of the documented name, which the next store's lock removes."""
    source = """
class Slow:
    def dump(self, value, file):
        file.write(b"half")
        file.fileno()
        say("dumping")
        hear()
    def load(self, file):
        return file.read()
atomic_store.open(path, b"", Slow()).commit()
"""
    with Program(source, path) as writer:
        assert writer.hear() == "dumping"
        writer.kill()
    (temp,) = path.parent.iterdir()
    assert temp.name.startswith(".a.json.")
    assert temp.name.endswith(".tmp")
    sweep(path)
    assert temp.exists()
    os.utime(temp, (0, 0))
    sweep(path)
    assert inside(path.parent) == [".a.json.lock"]


@pytest.mark.parametrize("kind", ["link", "directory", "pipe"])
def test_planted_temp_is_not_followed_by_the_sweep(path: Path, kind: str) -> None:
    """What has a temp's name and is no plain file is left alone, at once, and so is what it leads to."""
    target = leave(path.parent, "target")
    planted = path.parent / f".a.json.{DIGITS}.tmp"
    if kind == "link":
        planted.symlink_to(target)
    elif kind == "directory":
        planted.mkdir()
    else:
        os.mkfifo(planted)
    os.utime(planted, (0, 0), follow_symlinks=False)
    sweep(path)
    assert target.read_bytes() == b"half"
    assert os.path.lexists(planted)


def test_store_looks_for_stale_temps_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The directory is read at the first lock of a store, not at each commit: it may hold a million files."""
    looks: list[Any] = []
    listdir = os.listdir

    def look(directory: Any) -> list[str]:
        looks.append(directory)
        return listdir(directory)

    monkeypatch.setattr(os, "listdir", look)
    store = atomic_store.open(path, 0, lock=True)
    for _ in range(3):
        with store:
            store.value += 1
        store.commit()
        store.update(lambda value: value + 1)
    assert looks == [os.path.join(path.parent, "")]


def test_longest_name_finds_its_own_temps(tmp_path: Path) -> None:
    """Where the name had to be cut, what a killed writer of this file left is found, and that of a like name is not."""
    path, other = tmp_path / ("n" * 255), tmp_path / ("n" * 254 + "x")

    class Look:
        """A format that writes nothing at all, having looked at the names in the directory."""

        seen: list[str] = []  # noqa: RUF012 - there is one

        def dump(self, value: Any, file: Any) -> None:
            self.seen += [name for name in inside(tmp_path) if name.endswith(".tmp")]

        def load(self, file: Any) -> None:
            raise NotImplementedError

    for each in (path, other):
        with pytest.raises(FormatError):
            atomic_store.open(each, 0, Look()).commit()
    assert len(set(Look.seen)) == 2
    for name in Look.seen:
        leave(tmp_path, name)
    sweep(path)
    assert [name for name in inside(tmp_path) if name.endswith(".tmp")] == [Look.seen[1]]


@pytest.fixture
def refusing(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Let one function of the module os refuse from now on."""

    def refuse(function: str) -> None:
        original = getattr(os, function)

        def fail(path: Any, *args: Any, **kwargs: Any) -> Any:
            if function == "listdir" or str(path).endswith(".tmp"):
                raise OSError(errno.EACCES, os.strerror(errno.EACCES), path)
            return original(path, *args, **kwargs)

        monkeypatch.setattr(os, function, fail)

    return refuse


@pytest.mark.parametrize("function", ["listdir", "unlink"])
def test_house_keeping_that_fails_fails_no_lock(path: Path, refusing: Callable[[str], None], function: str) -> None:
    """A directory that cannot be read, or a temp that cannot be removed, costs nobody a commit."""
    by_hand(path, 0)
    temp = leave(path.parent, f".a.json.{DIGITS}.tmp")
    refusing(function)
    sweep(path)
    assert temp.exists()
    assert stored(path) == 0


def test_file_system_without_locks_sweeps_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a temp cannot be locked nobody can know that its writer is dead: it stays."""
    temp = leave(path.parent, f".a.json.{DIGITS}.tmp")
    flock = fcntl.flock
    inode = temp.stat().st_ino

    def fail(descriptor: int, operation: int) -> None:
        if os.fstat(descriptor).st_ino == inode:
            raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", fail)
    sweep(path)
    assert temp.exists()


def test_cleaning_says_what_it_removes_and_a_dry_run_changes_nothing(path: Path) -> None:
    """clean() goes by the rules of the sweep, gives the temps that it removes, and makes no lock file in vain."""
    young, others = f".a.json.{DIGITS[::-1]}.tmp", [f".b.json.{DIGITS}.tmp", "a.json"]
    for name in others:
        leave(path.parent, name)
    leave(path.parent, young, 5)
    assert LocalFile(path).clean() == []
    assert inside(path.parent) == sorted([young, *others])
    stale = [str(leave(path.parent, f".a.json.{digits}.tmp")) for digits in (DIGITS, "f" * 16)]
    assert LocalFile(path).clean(dry_run=True) == [(temp, None) for temp in stale]
    assert inside(path.parent) == sorted([young, *others, *map(os.path.basename, stale)])
    place = LocalFile(path)
    assert place.clean() == [(temp, None) for temp in stale]
    assert inside(path.parent) == sorted([young, *others, ".a.json.lock"])
    assert place.clean() == []


def test_cleaning_names_what_it_cannot_remove(path: Path, refusing: Callable[[str], None]) -> None:
    """A temp that cannot be removed comes with the error, and the others are removed; a directory likewise is raised."""
    temps = [leave(path.parent, f".a.json.{digits}.tmp") for digits in (DIGITS, "f" * 16)]
    refusing("unlink")
    assert [(name, getattr(error, "errno", None)) for name, error in LocalFile(path).clean()] == [
        (str(temp), errno.EACCES) for temp in temps
    ]
    refusing("listdir")
    with pytest.raises(PermissionError) as caught:
        LocalFile(path).clean()
    assert caught.value.filename == path


def test_cleaning_in_a_missing_directory_names_it(tmp_path: Path) -> None:
    """The error of clean(), of a dry run and of left_by_clean() says, as a commit's does, which directory is missing."""
    place = LocalFile(tmp_path / "nodir" / "a.json")
    for clean in (place.clean, lambda: place.clean(dry_run=True), place.left_by_clean):
        with pytest.raises(FileNotFoundError, match=f"the directory '{tmp_path}/nodir' does not exist"):
            clean()


def test_cleaning_inside_a_block_uses_its_lock(path: Path) -> None:
    """Whoever holds the store's lock may clean as well, without waiting for himself."""
    with AtomicStore[Any](path, 0, lock=True):
        temp = leave(path.parent, f".a.json.{DIGITS}.tmp")
        assert LocalFile(path).clean() == [(str(temp), None)]


def test_place_that_nobody_can_clean_says_so() -> None:
    """A kind of place without a clean() is an error, not one where there is nothing to remove."""
    with pytest.raises(NotImplementedError, match="Memory"):
        Memory().clean()
