"""Real file systems that are not the kernel's own: mounted by FUSE, with rules of theirs for owners, modes and renames."""

from __future__ import annotations

import multiprocessing
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from machine import BOB, in_child, mounted, public_directory, tool
from support import require

import atomic_store
from atomic_store import ConflictError, LocalFile

Disk = Callable[[Path], Any]
COMMITS = 60


def image(place: Path) -> Path:
    """An empty disk."""
    path = place / "image"
    with path.open("wb") as file:
        file.truncate(32 << 20)
    return path


@contextmanager
def exfat(place: Path) -> Iterator[Path]:
    """A stick that root has mounted for all: every file there is root's and of mode 0777, and cannot be given away."""
    require(shutil.which("mkfs.exfat") and shutil.which("mount.exfat-fuse"), "needs exfat-fuse and exfatprogs")
    disk = image(place)
    tool("mkfs.exfat", disk)
    with mounted(place / "disk", "-t", "exfat-fuse", "-o", "loop,umask=000", disk) as point:
        yield point


@contextmanager
def ntfs(place: Path) -> Iterator[Path]:
    """The same, of NTFS."""
    require(shutil.which("mkntfs") and shutil.which("ntfs-3g"), "needs ntfs-3g")
    disk = image(place)
    tool("mkntfs", "--force", "--quick", disk)
    with mounted(place / "disk", "-t", "ntfs-3g", "-o", "umask=000", disk) as point:
        yield point


@contextmanager
def sshfs(place: Path) -> Iterator[Path]:
    """A directory by SFTP, without the ssh in between."""
    server = Path("/usr/lib/openssh/sftp-server")
    require(shutil.which("sshfs") and server.exists(), "needs sshfs and openssh-sftp-server")
    command = place / "ssh"
    command.write_text(f"#!/bin/sh\nexec {server}\n")
    command.chmod(0o755)
    (place / "source").mkdir(mode=0o777)
    (place / "source").chmod(0o777)
    options = f"ssh_command={command},allow_other"
    with mounted(place / "disk", "-t", "fuse.sshfs", "-o", options, f"host:{place}/source") as point:
        yield point


@contextmanager
def bindfs(place: Path) -> Iterator[Path]:
    """A directory in which nobody may change a mode."""
    require(shutil.which("bindfs"), "needs bindfs")
    (place / "source").mkdir()
    (place / "source").chmod(0o777)
    with mounted(place / "disk", "-t", "fuse.bindfs", "-o", "chmod-deny", place / "source") as point:
        yield point


@contextmanager
def vfat(place: Path) -> Iterator[Path]:
    """A stick by the kernel's own driver, on machines whose kernel has it."""
    require(shutil.which("mkfs.vfat"), "needs dosfstools")
    disk = image(place)
    tool("mkfs.vfat", disk)
    with mounted(place / "disk", "-t", "vfat", "-o", "loop,umask=000", disk) as point:
        yield point


DISKS = [exfat, ntfs, sshfs, bindfs]
if "\tvfat\n" in Path("/proc/filesystems").read_text():
    DISKS.append(vfat)


@pytest.fixture(params=DISKS, ids=lambda disk: disk.__name__)
def disk(request: pytest.FixtureRequest) -> Iterator[Path]:
    """An empty directory on such a file system, which every user may write to."""
    with public_directory() as place, request.param(place) as point:
        yield point


def add(path: Path, how: str) -> None:
    """Add 1, many times."""
    for _ in range(COMMITS):
        location = LocalFile(path, fsync=False)
        if how == "lock":
            with atomic_store.open(location, default=0, lock=True) as store:
                store.value += 1
        elif how == "update":
            atomic_store.open(location, default=0).update(lambda value: value + 1)
        else:
            while True:
                store = atomic_store.open(location, default=0, on_conflict="raise")
                store.value += 1
                try:
                    store.commit()
                    break
                except ConflictError:
                    pass


def test_reader_beside_writers_never_gets_the_default(disk: Path, record_property: Callable[[str, object], None]) -> None:
    """While two processes replace a file, each open() finds it, and of their additions none is lost."""
    path = disk / "state.json"
    atomic_store.open(path, default=0).commit()
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=add, args=(path, how)) for how in ("lock", "update", "raise")]
    for writer in writers:
        writer.start()
    opens = 0
    while any(writer.is_alive() for writer in writers):
        assert atomic_store.open(path, default=None).stored
        opens += 1
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    assert atomic_store.open(path).value == 3 * COMMITS
    assert sorted(os.listdir(disk)) == [".state.json.lock", "state.json"]
    record_property("opens beside writers on FUSE", opens)


def test_user_who_owns_nothing_there_writes_and_locks(disk: Path) -> None:
    """Where all may write, and files belong to root or keep the mode they have: a commit, a lock, an update work at once."""
    path = disk / "state.json"

    def work() -> int:
        store = atomic_store.open(path, default=0)
        store.commit()
        store.value += 1
        store.commit()
        with atomic_store.open(path, lock=True) as locked:
            locked.value += 1
        return int(atomic_store.open(path).update(lambda value: value + 1))

    assert in_child(work, BOB) == 3
    assert sorted(os.listdir(disk)) == [".state.json.lock", "state.json"]


def test_bytes_that_are_garbage_are_set_aside(disk: Path) -> None:
    """Quarantine needs no hard links; a second value after it is published, and nothing else is left."""
    path = disk / "state.json"
    path.write_text("{")
    with pytest.warns(UserWarning, match="are kept as"):
        store = atomic_store.open(path, default=1, on_corrupt="quarantine")
    store.commit()
    names = sorted(os.listdir(disk))
    assert len(names) == 3
    assert names[0] == ".state.json.lock"
    assert (disk / names[2]).read_text() == "{"
    assert path.read_text() == "1"
