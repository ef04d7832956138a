"""The lock: who is kept out and for how long, the sidecar it lives on, and what becomes of it when its holder dies."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import signal
import stat
import threading
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import pytest
import seams
from crowd import HANGS_AFTER, Program
from machine import ALICE, BOB, CREW, User, in_child, public_directory
from stand_ins import by_hand, inside, stored
from support import require

import atomic_store
from atomic_store import AtomicStore, ConflictError, LocalFile, LockError, LockTimeout

T = TypeVar("T")

HOLD = """
with atomic_store.open(path, 0, lock=True) as store:
    say("held")
    hear()
say("released")
"""
"""Holds the lock from saying "held" until it hears something."""

WAIT = """
store = atomic_store.open(path, 0, lock=True)
say("waiting")
with store:
    say("had")
    hear()
    store.value += 1
"""
"""Takes the lock after saying "waiting", then holds it from saying "had" until it hears something."""


@contextlib.contextmanager
def queue(path: Path, waiting: str = WAIT) -> Iterator[tuple[Program, Program]]:
    """Lend a program that holds the lock and one that waits for it in the kernel."""
    with Program(HOLD, path) as holder:
        assert holder.hear() == "held"
        with Program(waiting, path) as waiter:
            assert waiter.hear() == "waiting"
            wait_until_blocked(waiter.process.pid)
            yield holder, waiter


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.json"


@pytest.fixture
def sidecar(tmp_path: Path) -> Path:
    return tmp_path / ".a.json.lock"


@pytest.fixture
def umask() -> Iterator[None]:
    old = os.umask(0o022)
    yield
    os.umask(old)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def is_free(path: Path) -> bool:
    """Whether the lock can be had by another thread at this instant."""
    return in_thread(lambda: is_free_here(path))


def is_free_here(path: Path) -> bool:
    try:
        LocalFile(path).lock(0).release()
    except LockError:  # a LockTimeout, or this thread has got the number of one that died with the lock
        return False
    return True


def in_thread(function: Callable[[], T]) -> T:
    """Call the function in another thread; give what it returns or raise what it raises."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function).result(HANGS_AFTER)


def lock_only(path: Path) -> None:
    """What another user does: read the file and enter a block."""
    with pytest.raises(InterruptedError), atomic_store.open(path, lock=0):
        raise InterruptedError


# --- the sidecar ---


def test_sidecar_stays_after_everything(path: Path, sidecar: Path) -> None:
    """It is hidden, empty, of one name, and never unlinked: a waiter on an unlinked one would be let in beside others."""
    store = atomic_store.open(path, 0, lock=True)
    assert inside(path.parent) == []
    with store:
        assert inside(path.parent) == [".a.json.lock"]
        assert sidecar.read_bytes() == b""
        inode = sidecar.stat().st_ino
    store.update(lambda value: value + 1)
    with pytest.raises(InterruptedError), store:
        raise InterruptedError
    store.delete()
    assert inside(path.parent) == [".a.json.lock"]
    assert sidecar.stat().st_ino == inode


@pytest.mark.usefixtures("umask")
@pytest.mark.parametrize(
    ("data", "expected"), [(0o600, 0o600), (0o664, 0o660), (0o755, 0o600), (0o640, 0o600), (0o666, 0o666)]
)
def test_sidecar_is_as_open_as_its_file(path: Path, sidecar: Path, data: int, expected: int) -> None:
    """Who may write the data file may open it, whatever the umask, and nobody else: readers could lock writers out."""
    by_hand(path, 0)
    path.chmod(data)
    with atomic_store.open(path, lock=True):
        assert mode(sidecar) == expected


@pytest.mark.usefixtures("umask")
@pytest.mark.parametrize(("asked", "expected"), [(None, 0o644), (0o600, 0o600), (0o666, 0o644)])
def test_first_sidecar_is_as_open_as_its_file_will_be(path: Path, sidecar: Path, asked: int | None, expected: int) -> None:
    """Where there is no file yet, it is open to those who will be able to write the file."""
    with atomic_store.open(LocalFile(path, mode=asked), 0, lock=True):
        pass
    assert (mode(sidecar), mode(path)) == (0o600, expected)


def test_root_does_not_lock_others_out() -> None:
    """The sidecar that root's cron job has made of somebody's file is that user's own: the user can lock."""
    require(os.geteuid() == 0, "needs root to make files of other users")
    with public_directory() as directory:
        path = directory / "a.json"
        by_hand(path, 0)
        path.chmod(0o600)
        os.chown(path, ALICE.uid, ALICE.gid)
        with atomic_store.open(path, lock=True):
            pass
        status = (directory / ".a.json.lock").stat()
        assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (ALICE.uid, ALICE.gid, 0o600)
        in_child(lambda: lock_only(path), ALICE)


def test_member_of_the_group_does_not_lock_the_owner_out() -> None:
    """Who may not give a file away still gives the sidecar to the group of the data file: its owner can lock."""
    require(os.geteuid() == 0, "needs root to make files of other users")
    with public_directory() as directory:
        os.chown(directory, -1, CREW)
        directory.chmod(0o775)
        path = directory / "a.json"
        by_hand(path, 0)
        os.chown(path, BOB.uid, CREW)
        path.chmod(0o660)
        for user in (ALICE, BOB):
            in_child(lambda: lock_only(path), User(user.uid, user.gid, (CREW,)))
        status = (directory / ".a.json.lock").stat()
        assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (ALICE.uid, CREW, 0o660)


@pytest.mark.usefixtures("umask")
@pytest.mark.parametrize(("data", "expected"), [(0o666, 0o666), (0o640, 0o600), (0o600, 0o600)])
def test_sidecar_that_cannot_be_given_away_keeps_its_makers_rights(
    path: Path, sidecar: Path, data: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sidecar whose owner cannot be that of the file is open to those who may write the file, and to its maker."""
    require(os.geteuid() == 0, "needs root to make files of other users")
    by_hand(path, 0)
    path.chmod(data)
    os.chown(path, ALICE.uid, ALICE.gid)

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fchown", refuse)
        LocalFile(path).lock().release()
    assert (sidecar.stat().st_uid, mode(sidecar)) == (0, expected)


def test_stranger_shares_the_lock_in_a_public_directory() -> None:
    """In a directory like /tmp, one user's sidecar that others can only read locks them all, and nobody is refused."""
    require(os.geteuid() == 0, "needs root to become other users")
    with public_directory() as directory:
        directory.chmod(0o1777)
        path = directory / "a.json"
        by_hand(path, 0)
        path.chmod(0o666)
        in_child(lambda: lock_only(path), ALICE)
        assert (directory / ".a.json.lock").stat().st_uid == ALICE.uid
        in_child(lambda: lock_only(path), BOB)

        def try_in_vain() -> None:
            with pytest.raises(LockTimeout):
                lock_only(path)

        with Program(HOLD, path) as other:
            assert other.hear() == "held"
            in_child(try_in_vain, BOB)


@pytest.mark.parametrize("kind", ["link to a file", "link to nothing"])
def test_planted_sidecar_is_not_followed(kind: str) -> None:
    """A link that a stranger has put in the sidecar's place is refused; what it leads to is neither opened nor made."""
    require(os.geteuid() == 0, "needs root to become other users")
    with public_directory() as directory:
        directory.chmod(0o1777)
        target = directory / "target"
        if kind == "link to a file":
            by_hand(target, 1)
            os.chown(target, ALICE.uid, ALICE.gid)
            target.chmod(0o640)
        before = target.stat() if target.exists() else None
        in_child(lambda: os.symlink(target, directory / ".a.json.lock"), BOB)

        def attempt() -> None:
            with pytest.raises(LockError, match="symbolic link"):
                atomic_store.open(directory / "a.json", 0, lock=True).__enter__()
            with pytest.raises(LockError, match="symbolic link"):
                atomic_store.open(directory / "a.json", 0).update(lambda value: 1)

        in_child(attempt, ALICE)
        attempt()
        assert (target.stat() if target.exists() else None) == before
        assert not (directory / "a.json").exists()


def test_planted_hard_link_changes_no_other_files_owner_and_mode() -> None:
    """A stranger links somebody's file to the sidecar's name: locking, which root may do, gives that file to nobody."""
    require(os.geteuid() == 0, "needs root to make files of other users")
    with public_directory() as directory:
        path, secret = directory / "a.json", directory / "secret"
        by_hand(path, 0)
        os.chown(path, BOB.uid, BOB.gid)
        path.chmod(0o666)
        secret.touch(0o600)
        os.chown(secret, ALICE.uid, ALICE.gid)
        os.link(secret, directory / ".a.json.lock")
        lock_only(path)
        status = secret.stat()
        assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (ALICE.uid, ALICE.gid, 0o600)


def test_planted_temp_is_not_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stranger who has guessed the temp's name gets nothing written through a link of that name: another one is taken."""
    require(os.geteuid() == 0, "needs root to become other users")
    with public_directory() as directory:
        directory.chmod(0o1777)
        path, temp, target = directory / "a.json", directory / ".a.json.0123456789abcdef.tmp", directory / "target"
        seams.next_temp_name(monkeypatch, 0x0123456789ABCDEF)
        by_hand(target, "secret")
        target.chmod(0o666)
        in_child(lambda: os.symlink(target, temp), BOB)

        def attempt() -> None:
            seams.next_temp_name(monkeypatch, 0x0123456789ABCDEF)
            atomic_store.open(path, 1).commit()

        attempt()
        assert (stored(target), stored(path), temp.is_symlink()) == ("secret", 1, True)
        path.unlink()
        in_child(attempt, ALICE)
        assert (stored(target), stored(path), temp.is_symlink()) == ("secret", 1, True)


@pytest.mark.parametrize("kind", ["pipe", "directory"])
def test_sidecar_that_is_no_file_is_refused(path: Path, sidecar: Path, kind: str) -> None:
    """A pipe or a directory in the sidecar's place is an error at once; it keeps its mode, and nothing hangs."""
    os.mkfifo(sidecar) if kind == "pipe" else sidecar.mkdir()
    sidecar.chmod(0o750)
    with pytest.raises((LockError, IsADirectoryError), match=r"a\.json"):
        atomic_store.open(path, 0, lock=True).__enter__()
    assert not path.exists()
    assert stat.S_IMODE(sidecar.stat().st_mode) == 0o750


@pytest.mark.parametrize("letter", ["n", "ü", "語"])
def test_longest_names_have_locks_of_their_own(tmp_path: Path, letter: str) -> None:
    """A name that leaves no room for `.lock` is cut and hashed: a name of its own for each, and the same in each process."""
    longest = letter * (255 // len(letter.encode()))
    paths = [tmp_path / longest, tmp_path / (longest[:-1] + "x")]
    with atomic_store.open(paths[0], 0, lock=True), atomic_store.open(paths[1], 0, lock=0):
        assert len([name for name in inside(tmp_path) if name.startswith(".")]) == 2
    with Program(HOLD, paths[0]) as other:
        assert other.hear() == "held"
        assert not is_free(paths[0])
        assert is_free(paths[1])
    assert len(inside(tmp_path)) == 4
    assert all(len(os.fsencode(name)) <= 255 for name in inside(tmp_path))


def test_name_is_cut_to_what_the_file_system_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where names are shorter (143 bytes on eCryptfs), or the system cannot say how long they may be, names fit."""
    for limit in (143, 255):
        monkeypatch.setattr(os, "pathconf", lambda directory, name, limit=limit: limit)
        for size in (100, 101, 120, limit):
            name = os.path.basename(seams.tempfile.hidden("/d/" + "n" * size, ".0123456789abcdef.tmp"))
            assert len(name) <= limit
            assert name.startswith(".nnn")
            assert name.endswith(".0123456789abcdef.tmp")
    monkeypatch.delattr(os, "pathconf")
    assert len(os.path.basename(seams.tempfile.hidden("/d/" + "n" * 255, ".lock"))) == 255


def test_all_ways_to_a_file_lead_to_one_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Links, links to links, a linked directory, a relative path and bytes: whoever reaches the file shares its lock."""
    real = tmp_path / "real"
    real.mkdir()
    path = real / "a.json"
    (tmp_path / "link").symlink_to("real/a.json")
    (tmp_path / "link to link").symlink_to("link")
    (tmp_path / "directory").symlink_to("real")
    monkeypatch.chdir(tmp_path)
    ways: list[Any] = [path, "link", tmp_path / "link to link", b"directory/a.json", "real/../real/a.json"]
    for way in ways:
        with atomic_store.open(way, 0, lock=True):
            for other in ways:
                assert not is_free(other)
                with pytest.raises(LockError, match="this thread"):
                    atomic_store.open(other, lock=True).__enter__()
    assert inside(tmp_path) == ["directory", "link", "link to link", "real"]
    assert inside(real) == [".a.json.lock", "a.json"]


def test_link_that_moves_while_we_wait_is_followed_again(tmp_path: Path) -> None:
    """Whoever has waited for the old target's lock locks the new one, and writes there."""
    link = tmp_path / "link"
    link.symlink_to("old")

    def set_to_one() -> None:
        with atomic_store.open(link, 0, lock=True) as store:
            assert not is_free(tmp_path / "new")
            assert is_free(tmp_path / "old")
            store.value = 1

    with Program(HOLD, link) as other, ThreadPoolExecutor(1) as pool:
        assert other.hear() == "held"
        done = pool.submit(set_to_one)
        wait_until_blocked(os.getpid())
        link.unlink()
        link.symlink_to("new")
        other.say()
        done.result(HANGS_AFTER)
    assert stored(tmp_path / "new") == 1


def test_sidecar_that_was_removed_while_we_wait_is_made_anew(path: Path, sidecar: Path) -> None:
    """Whoever gets the lock of a sidecar that nobody can find any more makes a new one, for newcomers to wait on."""

    def set_to_one() -> None:
        with atomic_store.open(path, 0, lock=True) as store:
            assert not is_free(path)
            store.value = 1

    with Program(HOLD, path) as other, ThreadPoolExecutor(1) as pool:
        assert other.hear() == "held"
        done = pool.submit(set_to_one)
        wait_until_blocked(os.getpid())
        sidecar.unlink()
        other.kill()
        done.result(HANGS_AFTER)
    assert sidecar.exists()
    assert stored(path) == 1


def test_removed_sidecar_lets_nobody_in_twice(path: Path, sidecar: Path) -> None:
    """If somebody does remove the sidecar, all who had it or waited on it share the new one with newcomers."""
    by_hand(path, 0)
    with queue(path) as (holder, waiter):
        sidecar.unlink()
        with Program(HOLD, path) as newcomer:
            assert newcomer.hear() == "held"
            holder.say()
            wait_until_blocked(holder.process.pid)
            assert not is_free(path)
            newcomer.say()
            assert newcomer.hear() == "released"
        assert waiter.hear() == "had"
        assert not is_free(path)
        waiter.say()
        waiter.finish()
        assert holder.process.wait(HANGS_AFTER) in (0, 1), "it commits before the waiter, or meets its conflict"
    assert stored(path) == 1


class Scripted:
    """The module os, some of whose functions are replaced."""

    def __init__(self, **functions: Any) -> None:
        self.__dict__.update(functions)

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)


def test_sidecar_made_by_another_in_the_same_instant_is_used(
    path: Path, sidecar: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Missing when opened and there when made: the other's sidecar is opened, for there must be only one."""
    asked: list[int] = []

    def open_(name: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if name.endswith(".lock"):
            asked.append(flags)
            if len(asked) == 1:
                sidecar.write_bytes(b"")
                raise FileNotFoundError(errno.ENOENT, "gone", name)
        return os.open(name, flags, mode, dir_fd=dir_fd)

    monkeypatch.setattr(seams.tempfile, "os", Scripted(open=open_))
    with atomic_store.open(path, 0, lock=True):
        pass
    assert [bool(flags & os.O_CREAT) for flags in asked] == [False, True, False]
    assert all(flags & os.O_NOFOLLOW and flags & os.O_CLOEXEC for flags in asked)
    assert asked[1] & os.O_EXCL


def test_sidecar_that_can_only_be_read_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who may not write the sidecar gets no lock: the error says what for the file is, and that it must be writable."""

    def open_(name: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if flags & os.O_RDWR and not flags & os.O_CREAT:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), name)
        return os.open(name, flags, mode, dir_fd=dir_fd)

    LocalFile(path).lock().release()
    monkeypatch.setattr(seams.tempfile, "os", Scripted(open=open_))
    with pytest.raises(PermissionError, match="may write both"):
        LocalFile(path).lock()
    monkeypatch.undo()
    assert is_free(path)


@pytest.mark.parametrize("options", [{}, {"lock": True}, {"on_conflict": "raise"}], ids=repr)
def test_directory_is_named_where_it_is_what_is_wrong(
    options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Missing, it does not exist, with a hint where the path begins with ~; closed, it must be writable, a lock or not."""
    monkeypatch.chdir(tmp_path)
    for path, said in (("no/state.json", "directory '.*/no' does not exist"), ("~/state.json", r"expanduser\(\)")):
        with pytest.raises(FileNotFoundError, match=said) as caught:
            atomic_store.open(path, 1, **options).commit()
        assert caught.value.filename == path

    def refuse(name: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if flags & os.O_CREAT:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), name)
        return os.open(name, flags, mode, dir_fd=dir_fd)

    monkeypatch.setattr(seams.tempfile, "os", Scripted(open=refuse))
    with pytest.raises(PermissionError, match=f"directory '{tmp_path}' must be writable") as denied:
        atomic_store.open("state.json", 1, **options).commit()
    assert denied.value.filename == "state.json"


def test_system_without_owners_and_flags_locks_as_well(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the module os has no owners, no directories to sync and no fork, as on Windows, the lock still excludes."""
    for name in ("O_DIRECTORY", "fchown", "register_at_fork"):
        monkeypatch.delattr(os, name)
    for module in (seams.tempfile, seams.lock):
        seams.loaded_again(module)
    by_hand(path, 0)
    with atomic_store.open(path, lock=True) as store:
        assert not is_free(path)
        store.value = 1
    assert is_free(path)
    assert stored(path) == 1


# --- waiting ---


def test_readers_never_wait(path: Path) -> None:
    """While somebody holds the lock, opening, reloading and asking changed() work, with and without lock=."""
    by_hand(path, 1)
    with Program(HOLD, path) as other:
        assert other.hear() == "held"
        for lock, on_conflict in ((False, None), (True, None), (False, "raise")):
            store = atomic_store.open(path, lock=lock, on_conflict=on_conflict)
            assert (store.value, store.reload(), store.changed()) == (1, 1, False)


WRITERS: dict[str, Callable[[AtomicStore[Any]], object]] = {
    "with": lambda store: store.__enter__(),
    "commit": lambda store: store.commit(),
    "update": lambda store: store.update(lambda value: value),
    "delete": lambda store: store.delete(),
}


@pytest.mark.parametrize("seconds", [0, 0.0, 0.05])
@pytest.mark.parametrize("way", WRITERS)
def test_held_lock_times_out_for_every_writer(path: Path, way: str, seconds: float) -> None:
    """While another program holds the lock, each way to write raises LockTimeout in time, and has done nothing."""
    by_hand(path, 1)
    store = atomic_store.open(path, lock=seconds)
    with Program(HOLD, path) as other:
        assert other.hear() == "held"
        with pytest.raises(LockTimeout, match=r"a\.json.*another program"):
            WRITERS[way](store)
        assert (store.value, store.level, stored(path)) == (1, 0, 1)
        other.say()
        assert other.hear() == "released"
        WRITERS[way](store)


class Flock:
    """fcntl.flock that says "somebody else has it" so often, and notes how it was asked."""

    def __init__(self, refusals: float, error: int = errno.EWOULDBLOCK) -> None:
        self.refusals = refusals
        self.error = error
        self.asked: list[int] = []

    def __call__(self, descriptor: int, operation: int) -> None:
        if operation & fcntl.LOCK_UN:
            return
        self.asked.append(operation)
        if len(self.asked) <= self.refusals:
            raise OSError(self.error, os.strerror(self.error))


@pytest.mark.parametrize("seconds", [0, 0.05])
def test_sidecar_that_is_always_replaced_times_out(path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Who removes the sidecar again and again, just when it was locked, keeps nobody waiting for longer than asked."""
    tries: list[object] = []

    def remove(lock: Any) -> bool:
        assert len(tries) < 5000, "it would be tried for ever"
        tries.append(lock)
        os.unlink(lock.path)
        return False

    seams.is_still(monkeypatch, remove)
    with pytest.raises(LockTimeout, match=r"\.a\.json\.lock.*removed or replaced"):
        LocalFile(path).lock(seconds)
    assert tries
    assert inside(path.parent) == []


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that were slept; a clock that only sleeping moves on."""
    taken: list[float] = []
    monkeypatch.setattr(time, "sleep", taken.append)
    monkeypatch.setattr(time, "monotonic", lambda: sum(taken))
    return taken


@pytest.mark.parametrize("lock", [1, 1.0, 0.05, float("inf")])
def test_seconds_are_waited_in_short_naps(
    path: Path, naps: list[float], monkeypatch: pytest.MonkeyPatch, lock: float
) -> None:
    """With a time limit the kernel is asked without waiting, after 1, 2, 4, 8 and then every 10 ms, to the limit."""
    flock = Flock(refusals=20)
    monkeypatch.setattr(fcntl, "flock", flock)
    location = LocalFile(path)
    if lock == 0.05:
        with pytest.raises(LockTimeout, match=r"0\.05 s"):
            location.lock(lock)
        assert sum(naps) == pytest.approx(lock)
    else:
        location.lock(lock)
        assert len(naps) == 20
    assert naps[:5] == [0.001, 0.002, 0.004, 0.008, 0.010]
    assert max(naps) == 0.010
    assert {operation & fcntl.LOCK_NB for operation in flock.asked[: len(naps)]} == {fcntl.LOCK_NB}


def test_zero_tries_once(path: Path, naps: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    """lock=0 is not False: it asks once for the lock, and sleeps not at all."""
    flock = Flock(refusals=1)
    monkeypatch.setattr(fcntl, "flock", flock)
    store = atomic_store.open(path, lock=0)
    with pytest.raises(LockTimeout):
        store.__enter__()
    assert (len(flock.asked), naps) == (1, [])
    with store:
        pass


def test_true_waits_in_the_kernel(path: Path, naps: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    """lock=True is not one second: it asks the kernel once, to wait for as long as it takes."""
    flock = Flock(refusals=0)
    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(InterruptedError), atomic_store.open(path, lock=True):
        raise InterruptedError
    assert (flock.asked, naps) == ([fcntl.LOCK_EX], [])


def test_false_takes_no_lock(path: Path) -> None:
    """lock=False is not zero seconds: no sidecar appears, and nobody is kept out."""
    with atomic_store.open(path, 0, lock=False):
        assert is_free(path.with_name("b.json"))
    assert inside(path.parent) == [".b.json.lock", "a.json"]


@pytest.mark.parametrize("error", ["ENOLCK", "ENOSYS", "EOPNOTSUPP"])
@pytest.mark.parametrize("way", WRITERS)
def test_file_system_without_locks_is_no_permission_to_go_on(
    path: Path, monkeypatch: pytest.MonkeyPatch, error: str, way: str
) -> None:
    """Where nothing can be locked, LockError says so before anything is read or written, with and without lock=."""
    by_hand(path, 1)
    monkeypatch.setattr(fcntl, "flock", Flock(float("inf"), getattr(errno, error)))
    stores = [atomic_store.open(path, lock=True), atomic_store.open(path, lock=5)]
    if way != "with":
        stores.append(atomic_store.open(path, on_conflict="raise"))
    for store in stores:
        by_hand(path, 2)
        with pytest.raises(LockError, match="has no locks") as caught:
            WRITERS[way](store)
        assert not isinstance(caught.value, LockTimeout)
        assert (store.value, store.level, stored(path)) == (1, 0, 2)
        by_hand(path, 1)
    assert inside(path.parent) == [".a.json.lock", "a.json"]


def test_other_error_of_the_lock_is_passed_on(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An I/O error while locking keeps its errno and names the path."""
    monkeypatch.setattr(fcntl, "flock", Flock(1, errno.EIO))
    with pytest.raises(OSError, match=r"a\.json") as caught:
        atomic_store.open(path, lock=True).__enter__()
    assert (caught.value.errno, caught.value.filename) == (errno.EIO, path)


def test_directory_without_write_permission_is_no_permission_to_go_on() -> None:
    """Where no sidecar can be made, entering raises, and names the file it needs; nor may a reader lock what is there."""
    require(os.geteuid() == 0, "needs root to become another user")
    with public_directory() as directory:
        path = directory / "a.json"
        by_hand(path, 1)

        def attempt() -> None:
            with pytest.raises(PermissionError) as caught:
                lock_only(path)
            assert caught.value.filename == path
            assert ".a.json.lock" in str(caught.value)

        in_child(attempt, ALICE)
        lock_only(path)
        in_child(attempt, ALICE)


def test_interrupt_ends_the_waiting(path: Path) -> None:
    """Ctrl-C while waiting in the kernel comes through; the store is not entered, and no descriptor is left."""
    source = """
store = atomic_store.open(path, 0, lock=True)
signal.signal(signal.SIGINT, signal.default_int_handler)
before = len(os.listdir("/proc/self/fd"))
say("waiting")
try:
    store.__enter__()
except KeyboardInterrupt:
    say(store.level, len(os.listdir("/proc/self/fd")) - before)
hear()
with store:
    say("entered")
"""
    require(os.path.isdir("/proc/self/fd"), "needs /proc")
    with queue(path, source) as (other, waiter):
        waiter.signal(signal.SIGINT)
        assert waiter.hear() == "0 0"
        other.say()
        assert other.hear() == "released"
        waiter.say()
        assert waiter.hear() == "entered"


def wait_until_blocked(process: int, thread: threading.Thread | None = None) -> None:
    """Wait until a thread of the process waits for a lock in the kernel, as /proc/locks tells: a line with an arrow."""
    require(os.path.exists("/proc/locks"), "needs /proc/locks")
    deadline = time.monotonic() + HANGS_AFTER
    # For a holder in this process is polled: then its lock and that of the waiting thread are noted.
    while not any("->" in line and f" {process} " in line for line in Path("/proc/locks").read_text().splitlines()):
        if process == os.getpid() and seams.locks_noted() > 1:
            return
        assert thread is None or thread.is_alive(), "it has not waited"
        assert time.monotonic() < deadline
        time.sleep(0.001)


# --- one thread, many threads ---


@pytest.mark.parametrize("way", WRITERS)
def test_second_store_of_one_thread_is_refused_at_once(path: Path, way: str) -> None:
    """A thread never waits for itself: LockError, whatever the second store's patience; the first one's block goes on."""
    first = atomic_store.open(path, 0, lock=True)
    with first:
        for lock in (True, 0, 5):
            with pytest.raises(LockError, match="this thread holds its lock already") as caught:
                WRITERS[way](atomic_store.open(path, 0, lock=lock))
            assert not isinstance(caught.value, LockTimeout)
        assert not is_free(path)
        first.value = 1
    assert stored(path) == 1
    WRITERS[way](atomic_store.open(path, 0, lock=0))


def test_store_that_only_compares_shares_the_lock_of_its_thread(path: Path) -> None:
    """Inside a locked block, another store of the thread that compares does so under that lock, and waits for nobody."""
    with pytest.raises(ConflictError), atomic_store.open(path, 0, lock=True):
        other = atomic_store.open(path, 1, on_conflict="raise")
        other.commit()
        other.delete()
        other.commit()
        assert not is_free(path)
    assert stored(path) == 1


def test_lock_is_held_until_the_commit_of_the_exit_is_through(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits for the lock gets it when the block's value is stored: else his would come first, and ours be a conflict."""
    by_hand(path, 0)
    store = atomic_store.open(path, lock=True)
    store.__enter__()
    with Program(WAIT, path) as waiter:
        assert waiter.hear() == "waiting"
        wait_until_blocked(waiter.process.pid)

        def let_the_other_go_first(descriptor: int) -> None:
            monkeypatch.setattr(seams.lock, "unlock", seams.tempfile.unlock)
            seams.tempfile.unlock(descriptor)
            assert waiter.hear() == "had"
            waiter.say()
            waiter.finish()

        monkeypatch.setattr(seams.lock, "unlock", let_the_other_go_first)
        store.value = 1
        store.__exit__(None, None, None)
    assert stored(path) == 2


def test_update_computes_once_and_only_when_it_has_the_lock(path: Path) -> None:
    """The function given to update() is called once, with what the holder of the lock has left."""
    given: list[int] = []

    def add(value: int) -> int:
        given.append(value)
        return value + 1

    store = atomic_store.open(path, 0)
    with atomic_store.open(path, 0, lock=True) as holder:
        thread = threading.Thread(target=store.update, args=(add,))
        thread.start()
        wait_until_blocked(os.getpid(), thread)
        holder.value = 7
    thread.join(HANGS_AFTER)
    assert (given, stored(path)) == ([7], 8)


@pytest.mark.parametrize("way", ["commit", "delete"])
def test_store_that_only_compares_waits_for_the_lock_of_another_thread(path: Path, way: str) -> None:
    """A store that takes no lock for its blocks compares and replaces only when the block of another thread has ended."""
    by_hand(path, 0)
    other = atomic_store.open(path, 0, on_conflict="raise")

    def try_it() -> None:
        with pytest.raises(ConflictError):
            getattr(other, way)()

    with atomic_store.open(path, 0, lock=True) as store:
        thread = threading.Thread(target=try_it)
        thread.start()
        wait_until_blocked(os.getpid(), thread)
        store.value = 1
    thread.join(HANGS_AFTER)
    assert not thread.is_alive()
    assert stored(path) == 1


def test_other_threads_wait_their_turn(path: Path) -> None:
    """A block of another thread, through the same store or another one, begins only when the first has ended."""
    for other in (atomic_store.open(path, [], lock=True), None):
        path.unlink(missing_ok=True)
        store = atomic_store.open(path, [], lock=True)
        second = other or store

        def add(second: AtomicStore[Any] = second) -> None:
            with second:
                second.value.append("second")

        with store:
            thread = threading.Thread(target=add)
            thread.start()
            wait_until_blocked(os.getpid(), thread)
            store.value.append("first")
        thread.join(HANGS_AFTER)
        assert stored(path) == ["first", "second"]


@pytest.mark.parametrize("ignore_inner_exits", [False, True])
def test_recursion_locks_once(path: Path, ignore_inner_exits: bool) -> None:
    """A function that enters the store and calls itself holds one lock, from the first enter to the last exit."""
    store = atomic_store.open(path, [], lock=True, ignore_inner_exits=ignore_inner_exits)

    def descend(depth: int) -> None:
        with store:
            store.value.append(depth)
            if depth:
                descend(depth - 1)
            assert not is_free(path)

    descend(20)
    assert is_free(path)
    assert stored(path) == list(range(20, -1, -1))


def test_block_may_be_left_by_another_thread(path: Path) -> None:
    """Entered here and left there: the exit commits, without waiting for itself, and the lock is free."""
    store = atomic_store.open(path, 0, lock=True)
    store.__enter__()
    store.value = 1
    in_thread(lambda: store.__exit__(None, None, None))
    assert stored(path) == 1
    assert is_free(path)
    with store:
        assert store.value == 1


def test_block_of_a_thread_that_has_died_can_be_left(path: Path) -> None:
    """A thread that ends inside its block keeps the lock for the store, which another thread can leave."""
    store = atomic_store.open(path, 0, lock=True)
    in_thread(store.__enter__)
    assert not is_free(path)
    store.__exit__(InterruptedError, InterruptedError(), None)
    assert is_free(path)
    assert not path.exists()


@pytest.mark.parametrize("there", [False, True], ids=["here", "in another thread"])
def test_generator_gives_its_lock_back(path: Path, there: bool) -> None:
    """A generator suspended in its block holds the lock; closing it frees it and commits nothing, running it out commits."""

    def numbers() -> Generator[int]:
        with atomic_store.open(path, [], lock=True) as store:
            for number in range(2):
                store.value.append(number)
                yield number

    call: Callable[[Callable[[], Any]], Any] = in_thread if there else lambda function: function()
    early = numbers()
    next(early)
    assert not is_free(path)
    with pytest.raises(LockError):
        next(numbers())
    call(early.close)
    assert is_free(path)
    assert not path.exists()
    whole = numbers()
    next(whole)
    assert call(lambda: list(whole)) == [1]
    assert stored(path) == [0, 1]
    assert is_free(path)


def test_store_that_is_dropped_inside_its_block_frees_the_lock(path: Path) -> None:
    """An interrupt can make a block be forgotten: a store that nobody has any more holds no lock."""
    atomic_store.open(path, 0, lock=True).__enter__()
    assert is_free(path)
    location = LocalFile(path)
    location.lock()
    assert is_free(path)


def test_thread_that_leaves_while_another_asks_is_no_error(path: Path) -> None:
    """The holder may be gone between two looks of another thread: that thread waits and enters, and sees no None."""

    class Flickering(AtomicStore[Any]):
        looks = 0

        @property
        def _held(self) -> Any:
            self.looks += 1
            return self.__dict__.get("_held") if self.looks != self.gone_at else None

        @_held.setter
        def _held(self, held: Any) -> None:
            self.__dict__["_held"] = held

        gone_at = 0

    store = Flickering(path, 0, lock=0)
    for look in range(1, 6):
        store.__enter__()
        store.looks, store.gone_at = 0, look

        def ask() -> None:
            with pytest.raises(LockTimeout):
                store.__enter__()

        in_thread(ask)
        store.gone_at = 0
        store.__exit__(None, None, None)


# --- fork ---


FORKED = """
store = atomic_store.open(path, 0, lock=True)
def attempt(act):
    try:
        act()
    except LockError as error:
        assert "fork" in str(error), error
    else:
        raise AssertionError("the child was let in")
with store:
    sidecars = [name for name in os.listdir("/proc/self/fd") if "lock" in os.path.realpath(f"/proc/self/fd/{name}")]
    child = os.fork()
    if not child:
        try:
            mine = [name for name in os.listdir("/proc/self/fd") if "lock" in os.path.realpath(f"/proc/self/fd/{name}")]
            assert (len(sidecars), len(mine)) == (1, 0)
            attempt(store.commit)
            attempt(store.delete)
            attempt(store.reload)
            attempt(lambda: store.update(lambda value: 7))
            attempt(store.__enter__)
            attempt(lambda: store.__exit__(None, None, None))
            attempt(lambda: store.__exit__(ValueError, ValueError(), None))
            anew = atomic_store.open(path, 0, lock=0)
            try:
                anew.commit()
            except LockTimeout:
                pass
            else:
                raise AssertionError("the parent's lock is gone")
        except BaseException as error:
            say("failed", repr(error))
            os._exit(1)
        say("child done")
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    say("forked")
    hear()
    store.value = 1
say("left")
"""


def test_child_of_a_fork_has_no_part_in_the_lock(path: Path) -> None:
    """The child closes its copy; every way to write, and leaving the block, raises there; its end frees nothing."""
    require(os.path.isdir("/proc/self/fd"), "needs /proc")
    with Program(FORKED, path) as parent:
        assert parent.hear() == "child done"
        assert parent.hear() == "forked"
        assert not is_free(path)
        assert not path.exists()
        parent.say()
        assert parent.hear() == "left"
        parent.finish()
    assert stored(path) == 1
    assert is_free(path)


SLEEPY_CHILD = """
def forked():
    child = FORK()
    if not child:
        say("child")
        SLEEP(60)
        os._exit(0)
    return child
"""

HOLDER_THAT_FORKS = """
store = atomic_store.open(path, 0, lock=True)
with store:
    forked()
    hear()
say("left")
hear()
"""

WAITER_THAT_FORKS = """
import warnings
warnings.simplefilter("ignore")  # Python 3.12 warns of a fork beside a thread: that is what is tried here
def waits():
    with atomic_store.open(path, 0, lock=True):
        pass
    say("left")
thread = threading.Thread(target=waits)
say("waiting")
thread.start()
hear()
forked()
thread.join()
hear()
"""


@pytest.mark.parametrize("how", ["leaves", "dies"])
def test_lock_of_a_holder_that_forks_ends_with_the_holder(path: Path, how: str) -> None:
    """A child that lives on does not keep the lock that its parent has given back, or has died with."""
    source = SLEEPY_CHILD.replace("FORK", "os.fork").replace("SLEEP", "time.sleep") + HOLDER_THAT_FORKS
    with Program(source, path) as parent:
        assert parent.hear() == "child"
        if how == "leaves":
            parent.say()
            assert parent.hear() == "left"
        else:
            parent.kill()
        assert is_free(path)


def test_lock_that_is_waited_for_during_a_fork_is_not_shared(path: Path) -> None:
    """A fork while another thread waits for the lock: the child's copy does not keep it once that thread has left."""
    source = SLEEPY_CHILD.replace("FORK", "os.fork").replace("SLEEP", "time.sleep") + WAITER_THAT_FORKS
    with queue(path, source) as (other, parent):
        parent.say()
        assert parent.hear() == "child"
        other.say()
        assert parent.hear() == "left"
        parent.kill()
        assert is_free(path)


def test_fork_that_python_does_not_see_keeps_no_lock(path: Path) -> None:
    """A child made by a C library, which closes nothing, does not keep the lock that its parent gives back."""
    source = "import ctypes\nlibc = ctypes.CDLL(None)\n" + SLEEPY_CHILD.replace("FORK", "libc.fork").replace(
        "SLEEP", "libc.sleep"
    )
    with Program(source + HOLDER_THAT_FORKS, path) as parent:
        assert parent.hear() == "child"
        parent.say()
        assert parent.hear() == "left"
        assert is_free(path)


def test_started_program_inherits_no_lock(path: Path) -> None:
    """A program that is started inside the block, and outlives it, keeps nothing: nor if its parent is killed there."""
    source = """
import subprocess
with atomic_store.open(path, 0, lock=True):
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], close_fds=False)
    say("started")
    hear()
say("left")
hear()
"""
    with Program(source, path) as parent:
        assert parent.hear() == "started"
        parent.say()
        assert parent.hear() == "left"
        assert is_free(path)
    with Program(source, path) as parent:
        assert parent.hear() == "started"
        assert not is_free(path)  # control
        parent.kill()
        assert is_free(path)


# --- the holder's end ---


def test_lock_of_a_killed_holder_is_free_at_once(path: Path) -> None:
    """A kill -9 leaves no lock behind: whoever comes next, or waits already, has it."""
    with queue(path) as (holder, waiter):
        holder.kill()
        assert waiter.hear() == "had"
        assert not is_free(path)
        waiter.kill()
        assert is_free(path)


def test_stopped_holder_is_waited_for_no_longer_than_asked(path: Path) -> None:
    """A stopped program still holds its lock: a time limit ends the waiting, and nothing was taken from the holder."""
    with Program(HOLD, path) as holder:
        assert holder.hear() == "held"
        holder.signal(signal.SIGSTOP)
        with pytest.raises(LockTimeout, match="another program holds"), atomic_store.open(path, 0, lock=0.05):
            pass
        holder.signal(signal.SIGCONT)
        holder.say()
        assert holder.hear() == "released"
        holder.finish()
    with atomic_store.open(path, lock=0) as store:
        assert store.value == 0


def test_lock_directory_that_disappears_while_held_is_an_error(tmp_path: Path) -> None:
    """The commit raises and names the path; the lock is given back, and works again once the directory is back."""
    directory = tmp_path / "data"
    directory.mkdir()
    store = atomic_store.open(directory / "a.json", 0, lock=True)
    with pytest.raises(FileNotFoundError) as caught, store:
        (directory / ".a.json.lock").unlink()
        directory.rmdir()
    assert caught.value.filename == directory / "a.json"
    with pytest.raises(FileNotFoundError) as caught:
        store.__enter__()
    assert caught.value.filename == directory / "a.json"
    directory.mkdir()
    with store:
        store.value = 1
    assert stored(directory / "a.json") == 1


def test_lock_directory_that_disappears_while_waiting_is_an_error(tmp_path: Path) -> None:
    """Whoever has waited for a sidecar whose directory is gone raises, and does not go on beside the newcomers."""
    directory = tmp_path / "data"
    directory.mkdir()
    path = directory / "a.json"
    source = WAIT.replace("with store:", "try:\n    store.__enter__()\nexcept FileNotFoundError: say('gone')\nif 0:")
    with queue(path, source) as (holder, waiter):
        directory.rename(tmp_path / "away")
        holder.kill()
        assert waiter.hear() == "gone"


# --- another system's lock ---


class Msvcrt(ModuleType):
    """Microsoft's locks in one process: on a file and not a descriptor, never waiting, and gone with the descriptor."""

    LK_UNLCK, LK_NBLCK = 0, 2

    def __init__(self, error: int) -> None:
        super().__init__("msvcrt")
        self.error = error
        self.unlocked = 0
        self._holders: dict[tuple[int, int], int] = {}

    def locking(self, descriptor: int, mode: int, size: int) -> None:
        assert size == 1
        key = self._key(descriptor)
        assert key is not None
        holder = self._holders.get(key, -1)
        if mode == self.LK_UNLCK:
            if holder != descriptor:
                raise PermissionError(errno.EACCES, "not locked")
            self.unlocked += 1
            del self._holders[key]
        elif self._key(holder) == key:
            raise OSError(self.error, os.strerror(self.error))
        else:
            self._holders[key] = descriptor

    @staticmethod
    def _key(descriptor: int) -> tuple[int, int] | None:
        try:
            status = os.fstat(descriptor)
        except OSError:
            return None
        return status.st_dev, status.st_ino


@pytest.mark.parametrize("error", [errno.EACCES, errno.EDEADLK])
def test_lock_works_where_only_msvcrt_has_one(path: Path, monkeypatch: pytest.MonkeyPatch, error: int) -> None:
    """Without fcntl the lock is msvcrt's: others time out, or wait by asking again; it is unlocked before it is closed."""
    fake = Msvcrt(error)
    monkeypatch.setattr(seams.tempfile, "fcntl", None)
    monkeypatch.setattr(seams.tempfile, "msvcrt", fake, raising=False)
    store = atomic_store.open(path, [], lock=True)

    def add() -> None:
        with store:
            store.value.append("there")

    with store:
        assert not is_free(path)
        thread = threading.Thread(target=add)
        thread.start()
        time.sleep(0.02)
        store.value.append("here")
    thread.join(HANGS_AFTER)
    assert stored(path) == ["here", "there"]
    assert fake.unlocked == 2


# --- the data file is given away after its sidecar was made ---


@contextlib.contextmanager
def given_away() -> Iterator[Path]:
    """Lend a file that root has made, with its sidecar, for itself alone, and then given to Alice."""
    require(os.geteuid() == 0, "needs root to give files away")
    with public_directory() as directory:
        directory.chmod(0o777)
        path = directory / "a.json"
        with atomic_store.open(LocalFile(path, mode=0o600), 0, lock=True):
            pass
        os.chown(path, ALICE.uid, ALICE.gid)
        yield path


def test_file_given_away_later_locks_its_new_owner_out_no_more_than_root() -> None:
    """Root's first run made the sidecar, and an admin gave the file to a user: both can lock, and nothing else is left."""
    with given_away() as path:
        in_child(lambda: lock_only(path), ALICE)
        sidecar = path.parent / ".a.json.lock"
        assert (sidecar.stat().st_uid, mode(sidecar)) == (ALICE.uid, 0o600)
        lock_only(path)
        assert inside(path.parent) == [".a.json.lock", "a.json"]


def test_sidecar_that_another_program_has_replaced_first_is_used() -> None:
    """Two programs of the new owner begin at once: the second one finds the sidecar of the first, and locks that."""

    def lock_beside_another(path: Path) -> bool:
        flock, sidecar = fcntl.flock, path.parent / ".a.json.lock"

        def faster(descriptor: Any, operation: int) -> None:
            if stat.S_ISDIR(os.fstat(descriptor).st_mode) and operation & fcntl.LOCK_EX:
                sidecar.unlink()
                sidecar.touch(0o600)
                inodes.append(sidecar.stat().st_ino)
            flock(descriptor, operation)

        inodes: list[int] = []
        fcntl.flock = faster
        lock_only(path)
        return inodes == [sidecar.stat().st_ino]

    with given_away() as path:
        assert in_child(partial(lock_beside_another, path), ALICE)


def test_sidecar_that_cannot_be_replaced_is_an_error_and_leaves_no_temp() -> None:
    """The rename fails: the error names the sidecar, and nothing lies beside it."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    def lock_in_vain(path: Path) -> None:
        os.rename = refuse
        with pytest.raises(PermissionError, match="lock= needs the file"):
            lock_only(path)

    with given_away() as path:
        in_child(partial(lock_in_vain, path), ALICE)
        assert inside(path.parent) == [".a.json.lock", "a.json"]


def test_unchanged_file_is_known_by_its_times_alone(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is older than any clock's tick is not read again by a block, nor when its lock's store asks."""
    by_hand(path, 1)
    real = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real() + 10**11)
    store = atomic_store.open(path, lock=True)

    def reading(*_: object) -> bytes:
        raise AssertionError

    monkeypatch.setattr(os, "read", reading)
    with pytest.raises(InterruptedError), store:
        raise InterruptedError
    monkeypatch.undo()


def test_large_unchanged_file_is_compared_in_pieces(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A block of a store whose large file has only been touched reads it to compare, and keeps its value."""
    store = atomic_store.open(path, "x" * 3_000_000, lock=True)
    store.commit()
    value = store.value
    os.utime(path)
    with pytest.raises(InterruptedError), store:
        assert store.value is value
        raise InterruptedError
    by_hand(path, "y" * 3_000_000)
    with pytest.raises(InterruptedError), store:
        assert store.value[0] == "y"
        raise InterruptedError
