"""What a test borrows from the machine, and gives back: children, other users, file systems."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import atomicwrites
import pytest
from support import require

import atomic_store

T = TypeVar("T")

HANGS_AFTER = 60  # seconds; a child that takes longer is killed and its test fails


class User(NamedTuple):
    """Somebody to become; the numbers need no entry in /etc/passwd."""

    uid: int
    gid: int
    groups: tuple[int, ...] = ()


ALICE = User(4201, 4201)
BOB = User(4202, 4202)
CREW = 4300
"""A group that nobody is in who is not put there."""


def in_child(action: Callable[[], T], user: User | None = None) -> T:
    """Run `action` in a forked child, which has first become `user` for good; give what it returns or raises.

    A child that hangs is killed, so that a test of "this does not hang" ends.
    """
    if user is not None:
        require(os.geteuid() == 0, "needs root to become another user")
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_report, args=(theirs, action, user))
    child.start()
    theirs.close()
    with ours:
        if not ours.poll(HANGS_AFTER):
            child.kill()
            child.join()
            pytest.fail(f"the child hangs: it was killed after {HANGS_AFTER} seconds", pytrace=False)
        try:
            result, error = ours.recv()
        except EOFError:
            child.join()
            pytest.fail(f"the child died without a result, exit code {child.exitcode}", pytrace=False)
    child.join()
    if error is not None:
        raise error
    return result  # type: ignore[no-any-return]  # what the pipe carries has no type


def _report(pipe: Connection, action: Callable[[], object], user: User | None) -> None:
    try:
        if user is not None:
            os.setgroups(user.groups)
            os.setresgid(user.gid, user.gid, user.gid)
            os.setresuid(user.uid, user.uid, user.uid)
        pipe.send((action(), None))
    except BaseException as error:
        pipe.send((None, error))


@contextlib.contextmanager
def public_directory() -> Iterator[Path]:
    """Lend a directory that every user can reach: pytest's own are closed to all but their owner."""
    place = Path(tempfile.mkdtemp(prefix="atomic_store-"))
    try:
        place.chmod(0o755)
        yield place
    finally:
        shutil.rmtree(place)


@contextlib.contextmanager
def mounted(point: Path, *arguments: str | Path) -> Iterator[Path]:
    """Lend a real file system: mount(8) with these arguments, on `point`, and unmount it again.

    That it can be unmounted shows that nothing is left open on it.
    """
    require(os.geteuid() == 0, "needs root to mount a file system")
    if not point.exists():
        point.mkdir()
    try:
        tool("mount", *arguments, point)
    except subprocess.CalledProcessError as error:
        require(False, f"needs to mount a file system: {error.stderr}")
    try:
        yield point
    finally:
        try:
            tool("umount", point)
        except subprocess.CalledProcessError as error:
            tool("umount", "--lazy", point)
            pytest.fail(f"something is still open there: {error.stderr}", pytrace=False)


def tool(*words: str | Path) -> str:
    """Run a Debian tool that prepares or inspects what a test is about, and give what it prints."""
    require(shutil.which(str(words[0])), f"needs the program {words[0]}")
    return subprocess.run([str(word) for word in words], capture_output=True, text=True, check=True).stdout


def put(path: Any, value: object, **options: Any) -> None:
    """Open the store at `path`, make `value` its value and commit."""
    store = atomic_store.open(path, **options)
    store.value = value
    store.commit()


def public_python(place: Path) -> Path:
    """Make a virtual environment that every user can reach, with the library, at `place`; give its Python.

    It is that of the system's Python: the one that runs these tests may lie in a directory that is closed to others.
    """
    system = "/usr/bin/python3"
    require(os.path.exists(system), f"needs {system}")
    new_enough = "import sys; sys.exit(sys.version_info < (3, 11))"
    require(subprocess.run([system, "-c", new_enough], check=False).returncode == 0, f"needs {system} to be 3.11 or newer")
    subprocess.run([system, "-m", "venv", "--without-pip", str(place)], check=True)
    (site_packages,) = place.glob("lib/python*/site-packages")
    for package in (atomic_store, atomicwrites):
        source = Path(str(package.__file__)).parent
        shutil.copytree(source, site_packages / source.name, ignore=shutil.ignore_patterns("__pycache__"))
    return place / "bin" / "python"
