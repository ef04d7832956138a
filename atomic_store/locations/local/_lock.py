"""The sidecar lock: `.NAME.lock` beside the data file, locked with flock(2).

The data file itself cannot be locked: a commit replaces it, and a lock stays with the old inode.
The sidecar is never unlinked, for the same reason: whoever waits on an unlinked one would be let in
beside somebody who has made a new one. flock belongs to the open file description, so it excludes
threads as well as processes, and the kernel gives it back when its holder dies.
"""

from __future__ import annotations

import errno
import os
import stat
import threading
import time
import weakref

from ...errors import LockError, LockTimeout
from .. import Lock
from ._tempfile import CREATE, NO_LOCKS, SAFE, WOULD_BLOCK, Descriptor, flock, hidden, unlock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

# Polling is for those who gave a timeout: flock(2) has none. Short, since whoever polls slowly
# starves among those who wait in the kernel.
FIRST_DELAY, LONGEST_DELAY = 0.001, 0.010

# Weak: a lock that was dropped by an interrupt between two bytecodes must be freed, not remembered.
_held: weakref.WeakValueDictionary[tuple[int, int], SidecarLock] = weakref.WeakValueDictionary()
_opened: weakref.WeakSet[SidecarLock] = weakref.WeakSet()  # those that are still waited for, too


class SidecarLock(Lock):
    """A lock on the sidecar, held by one thread of one process."""

    def __init__(self) -> None:
        self.descriptor = Descriptor()
        self._key: tuple[int, int] | None = None
        self._lost = False
        self._thread = threading.get_ident()
        _opened.add(self)

    @property
    def lost(self) -> bool:
        """Whether this is a child's copy: after a fork the lock stays with the parent."""
        return self._lost

    @property
    def mine(self) -> bool:
        """Whether the calling thread is the holder."""
        return self._thread == threading.get_ident()

    def adopt(self) -> None:
        """Make the calling thread the holder."""
        self._thread = threading.get_ident()

    def release(self) -> None:
        """Unlock and close; in a child, where it is closed already, do nothing."""
        # Forgotten first: once it is free, the entry may be that of the next holder.
        if self._key is not None and _held.get(self._key) is self:
            del _held[self._key]
        _opened.discard(self)  # not by the callback of a weak reference, which would swallow Ctrl-C
        try:
            unlock(self.descriptor.fd())
        except (OSError, ValueError):
            pass  # never opened, or closed by leave_to_parent(); a lock that cannot be undone ends by the close
        finally:  # after Ctrl-C too
            self.descriptor.close()

    def fileno(self) -> int:
        """Return the descriptor of the sidecar, so that a child process can inherit the lock."""
        return self.descriptor.fd()

    def register(self, key: tuple[int, int]) -> None:
        """Let this process know which sidecar is locked."""
        self._key = key
        _held[key] = self

    def leave_to_parent(self) -> None:
        """In a child after fork(2): close only. LOCK_UN here would free the parent's lock."""
        self.descriptor.close()
        self._lost = True


def _after_fork() -> None:
    for lock in list(_opened):
        lock.leave_to_parent()
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def acquire(resolve: Callable[[], str], timeout: float | None, name: Any, mode: int | None) -> SidecarLock:
    """Take the lock of the file that resolve() names, waiting `timeout` seconds, None for ever.

    Args:
        resolve: gives the real path; asked again once locked, for links can move while we wait.
        timeout: seconds, 0 tries once.
        name: the path as the program spelled it, for messages.
        mode: permission bits of a first sidecar where there is no data file to copy them from.

    Raises:
        LockTimeout: somebody else held it for longer.
        LockError: this thread holds it already, or nothing here can be locked.
        OSError: the sidecar can be neither opened nor made.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    while True:
        real = resolve()
        sidecar = hidden(real, ".lock")
        lock = SidecarLock()
        try:
            _open(lock.descriptor, sidecar, real, name, mode)
            key = _identity(os.fstat(lock.descriptor.fd()), sidecar, name)
            holder = _held.get(key)
            if holder is not None and holder.mine:
                raise LockError(
                    f"cannot lock {name!r}: this thread holds its lock already, through another store; "
                    "waiting for itself it would wait for ever. Use one store, or leave the other's block first"
                )
            _wait(lock.descriptor.fd(), deadline, sidecar, name, timeout)
            if resolve() == real and _is_still(sidecar, key):
                lock.register(key)
                return lock
        except BaseException:
            lock.release()
            raise
        lock.release()  # the link, or the sidecar itself, was replaced while we waited
        if deadline is not None and time.monotonic() >= deadline:
            raise LockTimeout(f"cannot lock {name!r}: somebody has removed or replaced {sidecar!r}, after {timeout} s too")


def inherit(number: int, real: str) -> SidecarLock | None:
    """Return the lock of this file that this process was started with on a descriptor; None: that is no lock of this file.

    release() forgets it and unlocks nothing: the parent process shares the open file description.
    """
    try:
        status, sidecar = os.fstat(number), os.stat(hidden(real, ".lock"), follow_symlinks=False)
    except (OSError, OverflowError):
        return None
    key = (status.st_dev, status.st_ino)
    if key != (sidecar.st_dev, sidecar.st_ino):
        return None
    lock = SidecarLock()
    lock.register(key)
    return lock


def held(real: str) -> bool:
    """Say whether the calling thread holds the lock of this file, by whatever store or link."""
    if not _held:
        return False
    try:
        status = os.stat(hidden(real, ".lock"), follow_symlinks=False)
    except FileNotFoundError:
        return False
    holder = _held.get((status.st_dev, status.st_ino))
    return holder is not None and holder.mine


def _open(descriptor: Descriptor, sidecar: str, real: str, name: Any, mode: int | None) -> None:
    """Open the sidecar, or make it with the data file's mode and owner.

    Opened first and created only if missing: O_CREAT on somebody else's file in a sticky directory
    fails (proc(5), protected_regular). O_NOFOLLOW: in such a directory the name may be planted.
    """
    try:
        while True:
            try:
                return _open_existing(descriptor, sidecar)
            except FileNotFoundError:
                try:
                    return _create(descriptor, sidecar, real, mode)
                except FileExistsError:  # another process was faster: open its sidecar
                    continue
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK):  # EMLINK: FreeBSD's answer to O_NOFOLLOW
            raise LockError(
                f"cannot lock {name!r}: {sidecar!r} should be a plain file and is a symbolic link; "
                "find out who made it, then remove it"
            ) from error
        error.add_note(f"lock= needs the file {sidecar!r} beside the data")
        raise


def _open_existing(descriptor: Descriptor, sidecar: str) -> None:
    try:
        descriptor.open(sidecar, os.O_RDWR | SAFE)
    except PermissionError:
        # Writing is asked for because NFS turns flock into a write lock (flock(2)); elsewhere a
        # reader may lock as well, and the sidecar of root's 0644 file can only be read by others.
        descriptor.open(sidecar, os.O_RDONLY | SAFE)


def _create(descriptor: Descriptor, sidecar: str, real: str, mode: int | None) -> None:
    try:
        data = os.stat(real)
    except FileNotFoundError:
        descriptor.open(sidecar, CREATE, 0o666 if mode is None else mode)
        return
    descriptor.open(sidecar, CREATE, stat.S_IMODE(data.st_mode) & 0o666)
    if hasattr(os, "fchown"):
        _like(descriptor.fd(), data)


def _like(descriptor: int, data: os.stat_result) -> None:
    """Let those who may open the data file open the sidecar: root's job must not lock www-data out."""
    from ._attributes import keep_owner

    own = os.fstat(descriptor)
    if (own.st_uid, own.st_gid) == (data.st_uid, data.st_gid) or keep_owner(descriptor, own, data):
        os.fchmod(descriptor, stat.S_IMODE(data.st_mode) & 0o666)
    # Else we are in no group with the owner: the kernel's choice of owner, and the umask, stand.


def _identity(status: os.stat_result, sidecar: str, name: Any) -> tuple[int, int]:
    if not stat.S_ISREG(status.st_mode):
        raise LockError(f"cannot lock {name!r}: {sidecar!r} should be a plain file; find out who made it, then remove it")
    return status.st_dev, status.st_ino


def _is_still(sidecar: str, key: tuple[int, int]) -> bool:
    """Say whether the locked file is the one that a newcomer would open."""
    try:
        status = os.stat(sidecar, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return (status.st_dev, status.st_ino) == key


def _wait(descriptor: int, deadline: float | None, sidecar: str, name: Any, timeout: float | None) -> None:
    """Lock the descriptor, in the kernel where there is no deadline, else by asking again and again."""
    delay = FIRST_DELAY
    while True:
        try:
            return flock(descriptor, wait=deadline is None)
        except OSError as error:
            if error.errno in NO_LOCKS:
                raise LockError(
                    f"cannot lock {name!r}: the file system of {sidecar!r} has no locks "
                    f"({error.strerror}); keep the file on another one, or open the store with lock=False"
                ) from error
            if error.errno not in WOULD_BLOCK:
                raise
        if deadline is not None:
            left = deadline - time.monotonic()
            if left <= 0:
                raise LockTimeout(f"cannot lock {name!r}: somebody else holds {sidecar!r}, after {timeout} s too")
            delay = min(delay, left)
        time.sleep(delay)
        delay = min(2 * delay, LONGEST_DELAY)
