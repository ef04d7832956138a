"""The sidecar lock: `.NAME.lock` beside the data file, locked with flock(2); and what is cleaned under it.

The data file itself cannot be locked: a commit replaces it, and a lock stays with the old inode. The sidecar is not
unlinked either, for the same reason: a program that waits on an unlinked one would be let in beside one that has created
a new one. flock belongs to the open file description, so it excludes threads as well as processes, and the kernel
releases it when its holder dies.

Who may write the data file may open the sidecar, nobody else: a user who may only read could lock all writers out.
"""

import _thread
import errno
import os
import stat
import time
from _weakref import ref

from ...errors import LockError, LockTimeout, log
from .. import Lock
from ._tempfile import (
    CREATE,
    HAS_DIR_FD,
    SAFE_OPEN_FLAGS,
    WOULD_BLOCK,
    Descriptor,
    Directory,
    explained,
    fitted,
    flock,
    hidden,
    keep_owner,
    missing_directory,
    split,
    unlock,
    unwritable_directory,
    works,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL, errno.EBADF)  # EBADF: NFS, opened for reading
STALE_AFTER = 60  # seconds; a younger temp file may belong to a writer that has not locked it yet

# Seconds between two tries of a wait with a deadline, or for another thread: flock(2) has no timeout, and in the kernel a
# green thread would stop the one it waits for. Short, because a slow poll starves beside processes that wait in the kernel.
FIRST_DELAY, LONGEST_DELAY = 0.001, 0.010

_HEX = frozenset("0123456789abcdef")
_WARNING = 30  # logging.WARNING

# All locks of this process, in the order in which they were noted: before the kernel is asked for them. So a signal handler
# sees the lock that its own thread waits for. Weak: a lock dropped by an interrupt between two bytecodes is free.
_noted: "dict[int, ref[SidecarLock]]" = {}
_numbers = iter(range(1 << 62))


class SidecarLock(Lock, Descriptor):
    """A lock on the sidecar, held by one thread of one process."""

    path = ""  # of the sidecar
    key: "tuple[int, int] | None" = None  # device and inode of the sidecar
    _lost = False

    def __init__(self) -> None:
        super().__init__()
        self.thread: int = _thread.get_ident()
        self.number: int = next(_numbers)
        _noted[self.number] = ref(self)

    @property
    def lost(self) -> bool:
        """Whether this is a child's copy: after a fork the lock stays with the parent."""
        return self._lost

    @property
    def mine(self) -> bool:
        """Whether the calling thread is the holder."""
        return self.thread == _thread.get_ident()

    def adopt(self) -> None:
        """Make the calling thread the holder."""
        self.thread = _thread.get_ident()

    def release(self) -> None:
        """Unlock, close, and only then forget; in a child, where it is closed already, do nothing."""
        try:
            if self:
                unlock(self.fd())
        except OSError:
            pass  # the close ends it as well
        finally:  # after Ctrl-C too
            self.close()
            _noted.pop(self.number, None)

    def leave_to_parent(self) -> None:
        """In a child after fork(2): close only. LOCK_UN here would free the parent's lock."""
        self.close()
        self._lost = True
        self.key = None


def _all() -> "list[SidecarLock]":
    found: list[SidecarLock] = []
    for number, each in list(_noted.items()):
        lock = each()
        if lock is None:  # dropped by an interrupt
            _noted.pop(number, None)
        else:
            found.append(lock)
    return found


def _after_fork() -> None:
    for lock in _all():
        lock.leave_to_parent()
    _noted.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def acquire(
    find: "Callable[[], tuple[str, os.stat_result | None]]",
    require_safe: "Callable[[Directory, os.stat_result], None]",
    timeout: "float | None",
    name: "Any",
    mode: "int | None",
) -> "SidecarLock":
    """Acquire the lock of the file that find() returns, waiting `timeout` seconds, None for ever.

    Args:
        find: returns the real path and the status of the data file; asked again once locked, for links can move meanwhile.
        require_safe: raises if the path to an open directory leads over a symlink that another user may have planted.
        timeout: seconds, 0 tries once.
        name: the path as the program spelled it, for messages.
        mode: permission bits of a first sidecar where there is no data file to follow.

    Raises:
        LockTimeout: another program held it for longer.
        LockError: this thread holds it or waits for it already, or nothing here can be locked.
        OSError: the sidecar can be neither opened nor created.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    while True:
        real, data = find()
        lock = SidecarLock()
        try:
            lock.path = hidden(real, ".lock")
            _open(lock, real, data, require_safe, name, mode)
            status = os.fstat(lock.fd())
            lock.key = _identity(status, lock.path, name)
            _follow_data(lock, status, data)
            _wait(lock, deadline, name, timeout)
            if find()[0] == real and _is_still(lock):
                return lock
        except BaseException:
            lock.release()
            raise
        lock.release()  # the link, or the sidecar itself, was replaced while we waited
        if deadline is not None and time.monotonic() >= deadline:
            raise LockTimeout(f"cannot lock {name!r}: {lock.path!r} was removed or replaced, after {timeout} s too")


def is_held(real: str) -> bool:
    """Return whether the calling thread holds the lock of this file, by whatever store or link."""
    mine = [lock for lock in _all() if lock.mine and lock.key is not None]
    if not mine:
        return False
    try:
        status = os.lstat(hidden(real, ".lock"))  # by its inode: the sidecar that is locked may have been removed
    except FileNotFoundError:
        return False
    # A list, no generator: what a signal handler raises as a generator is closed, Python throws away.
    return (status.st_dev, status.st_ino) in [lock.key for lock in mine]


def _open(
    lock: "SidecarLock",
    real: str,
    data: "os.stat_result | None",
    require_safe: "Callable[[Directory, os.stat_result], None]",
    name: "Any",
    mode: "int | None",
) -> None:
    """Open the sidecar, or create it.

    Opened first and created only if missing: O_CREAT on another user's file in a sticky directory
    fails (proc(5), protected_regular). O_NOFOLLOW: in such a directory the name may be planted.
    """
    while True:
        try:
            lock.open(lock.path, os.O_RDWR | SAFE_OPEN_FLAGS)
        except FileNotFoundError:
            try:
                _create(lock, split(real)[0], require_safe, name, mode)
            except FileExistsError:  # another process was faster: open its sidecar
                continue
        except OSError as error:
            if (
                isinstance(error, PermissionError)
                and data is not None
                and data.st_uid == os.geteuid()
                and _replace(lock, data)
            ):
                return
            raise _refused(error, lock.path, name) from error
        return


def _create(
    lock: "SidecarLock",
    path: str,
    require_safe: "Callable[[Directory, os.stat_result], None]",
    name: "Any",
    mode: "int | None",
) -> None:
    """Create the sidecar, as any new file, only in a directory to which no other user's symlink may have led."""
    directory = Directory(path)
    try:
        require_safe(directory, directory.begin(False))
        sidecar = directory.prefix + split(lock.path)[1]
        try:
            lock.open(sidecar, CREATE, 0o666 if mode is None else mode, directory.dir_fd)
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
                raise
            raise unwritable_directory(error, path, f"lock= puts the file {lock.path!r} there") from error
    except FileNotFoundError as error:
        raise missing_directory(error, path, name) from error
    finally:
        directory.close()


def _refused(error: OSError, sidecar: str, name: "Any") -> "LockError | OSError":
    if error.errno in (errno.ELOOP, errno.EMLINK):  # EMLINK: FreeBSD's answer to O_NOFOLLOW
        return LockError(
            f"cannot lock {name!r}: {sidecar!r} should be a plain file and is a symbolic link; "
            "find out who made it, then remove it"
        )
    return explained(error, f"lock= needs the file {sidecar!r} beside the data, for programs that may write both")


def _follow_data(lock: "SidecarLock", own: "os.stat_result", data: "os.stat_result | None") -> None:
    """Set the sidecar's owner, group and mode, for users who may write, to the data file's, as far as permitted."""
    if own.st_nlink != 1:
        return  # a hard link that somebody has planted: what it is a link to would be given away
    if data is not None and (own.st_uid, own.st_gid) != (data.st_uid, data.st_gid):
        keep_owner(lock.fd(), own, data)
    mode = _mode_of_writers((data or own).st_mode)
    if mode != stat.S_IMODE(own.st_mode):
        works(lambda: os.fchmod(lock.fd(), mode))  # else it is another user's, or the file system has no modes


def _mode_of_writers(mode: int) -> int:
    """Return the mode that lets those read and write who may write with `mode`; the owner may in any case."""
    return 0o600 | sum(0o6 << shift for shift in (3, 0) if mode >> shift & 0o2)


def _replace(lock: "SidecarLock", data: "os.stat_result") -> bool:
    """Put a sidecar of ours in the place of one that was left to another user when the data file was given to us.

    Under a lock on the directory, so that of two processes that try, the second one finds what the first has put there.
    A program that still holds the old sidecar is not shut out: its commits notice ours and raise a ConflictError.
    """
    directory = Descriptor()
    temp = f"{lock.path}.{os.getpid():x}.{lock.number:x}"
    try:
        flock(directory.open(split(lock.path)[0], os.O_RDONLY), wait=True)
        try:
            lock.open(lock.path, os.O_RDWR | SAFE_OPEN_FLAGS)
            return True
        except PermissionError:
            pass
        lock.open(temp, CREATE, _mode_of_writers(data.st_mode))
        try:
            os.rename(temp, lock.path)
        except BaseException:
            os.unlink(temp)
            raise
    except OSError:
        lock.close_fd()
        return False
    finally:
        directory.close()
    return True


def _identity(status: "os.stat_result", sidecar: str, name: "Any") -> "tuple[int, int]":
    if not stat.S_ISREG(status.st_mode):
        raise LockError(f"cannot lock {name!r}: {sidecar!r} should be a plain file; find out who made it, then remove it")
    return status.st_dev, status.st_ino


def _is_still(lock: "SidecarLock") -> bool:
    """Return whether the locked file is the one that another program would open now."""
    try:
        status = os.lstat(lock.path)
    except FileNotFoundError:
        return False
    return (status.st_dev, status.st_ino) == lock.key


def _wait(lock: "SidecarLock", deadline: "float | None", name: "Any", timeout: "float | None") -> None:
    """Lock the descriptor: in the kernel if there is no deadline and only other processes can hold it, else by polling."""
    delay = FIRST_DELAY
    while True:
        rivals = [other for other in _all() if other.key == lock.key and other.number < lock.number]
        if True in [other.mine for other in rivals]:
            raise LockError(
                f"cannot lock {name!r}: this thread holds its lock already, through another store, another task or the code "
                "that a signal handler has interrupted, and would wait for ever. "
                "Use one store, or leave the other's block first"
            )
        if not rivals:
            try:
                flock(lock.fd(), wait=deadline is None)
                return
            except OSError as error:
                if error.errno in NO_LOCKS:
                    raise LockError(
                        f"cannot lock {name!r}: the file system of {lock.path!r} has no locks "
                        f"({error.strerror}); keep the file on another one, or open the store with lock=False"
                    ) from error
                if error.errno not in WOULD_BLOCK:
                    raise
        if deadline is not None:
            left = deadline - time.monotonic()
            if left <= 0:
                holder = "thread of this program" if rivals else "program"
                raise LockTimeout(f"cannot lock {name!r}: another {holder} holds {lock.path!r}, after {timeout} s too")
            delay = min(delay, left)
        time.sleep(delay)
        delay = min(2 * delay, LONGEST_DELAY)


# --- cleaning --------------------------------------------------------------------------------------------------------


def stem(directory: str, name: str) -> str:
    """Return the beginning of the names of a file's temp files: `.NAME.`, and 16 hex digits and `.tmp` follow."""
    return fitted("." + name, f".{'0' * 16}.tmp", directory) + "."


def clean(real: str, name: "Any", dry_run: bool = False) -> "list[tuple[str, OSError | str | None]]":
    """Remove the temp files that killed writers of this very file have left; call with its lock held.

    A temp file is left alone while it is younger than STALE_AFTER or locked by its writer. With dry_run=True
    nothing is removed. Return each, with None if it is stale, the error if it cannot be removed, or the reason why
    it is left alone. `name` is the path as the program spelled it.

    Raises:
        OSError: the directory cannot be read.
    """
    try:
        listed = temps(real)
    except FileNotFoundError as error:
        raise missing_directory(error, split(real)[0], name) from error
    found = [(temp, _clean_one(temp, dry_run)) for temp in listed]
    return [(temp, verdict) for temp, verdict in found if verdict != ""]


def temps(real: str, names: "list[str] | None" = None) -> "list[str]":
    """Return the paths that may be temp files of writers of this very file, among the names of its directory."""
    directory, name = split(real)
    beginning = stem(directory, name)
    listed = os.listdir(directory or ".") if names is None else names
    found = [each for each in listed if each.startswith(beginning) and each.endswith(".tmp")]
    digits = len(beginning) + 16
    return [directory + each for each in sorted(found) if len(each) == digits + 4 and _HEX.issuperset(each[-20:-4])]


def _clean_one(temp: str, dry_run: bool) -> "OSError | str | None":
    """Remove a temp file, or only look at it; return what clean() does, "" if it is no temp file, or gone."""
    file = Descriptor()
    try:
        fd = file.open(temp, os.O_RDWR | SAFE_OPEN_FLAGS)
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            return ""
        if time.time() - status.st_mtime < STALE_AFTER:
            return "younger than a minute"
        try:
            flock(fd, wait=False)
        except OSError:
            return "locked by a program at work, or not to be locked at all"
        if dry_run:
            return None
        if not HAS_DIR_FD:
            file.close_fd()  # Windows deletes nothing that is open
        os.unlink(temp)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ELOOP, errno.EMLINK, errno.EISDIR, errno.ENXIO):
            return ""  # it is gone, or no plain file
        return error
    finally:
        file.close()
    log(_WARNING, "removed %r, which a writer that was killed has left", temp)
    return None
