"""Temporary files that replace a file: created beside it, written, synced, and renamed over it.

Also what every hidden file of ours needs: its name, a descriptor that cannot leak, and the kernel's lock.

State of a TempFile
-------------------

- new: nothing exists yet.
- open (after begin()): `temp_path` names a file that this process owns, and the descriptor is open.
- finished (after finish()): all bytes are in the file, its attributes are set, and it is synced; the descriptor is closed.
- published (after publish()): `temp_path` is "", and the file has its final name.
- closed: nothing is left to clean up. Closing an unpublished file removes it, and so does dropping the last reference.
"""

from __future__ import annotations

import errno
import io
import os
import random
import stat

from ...errors import AtomicStoreError, UncertainCommitError

fcntl: Any
try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from _typeshed import ReadableBuffer

BUFFER = 1 << 16  # bytes

# Flags for os.open: not inherited by child processes, never through a symbolic link, never blocking on a FIFO.
SAFE: int = sum(getattr(os, name, 0) for name in ("O_CLOEXEC", "O_NOFOLLOW", "O_NONBLOCK", "O_NOCTTY", "O_BINARY"))
CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | SAFE

WOULD_BLOCK = (errno.EAGAIN, errno.EACCES, errno.EDEADLK)  # the first by flock(2), the others by msvcrt.locking
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL, errno.EBADF)  # EBADF: NFS, opened for reading
NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
NOT_PERMITTED = (errno.EPERM, errno.EACCES, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL)
NOT_A_FILE = (errno.ENOENT, errno.ELOOP, errno.EMLINK)  # deleted, or a symbolic link (EMLINK: FreeBSD)
_CANNOT_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)

_names = random.Random()  # noqa: S311 - names only need to differ; os.urandom() is one more system call per commit
_process = os.getpid()  # cached, for the same reason
_sync: Any = None  # once it is loaded: importing a loaded module still costs 1.5 us


def _after_fork() -> None:
    global _process
    _process = os.getpid()
    _names.seed()


if hasattr(os, "register_at_fork"):  # pragma: no branch - Windows does not fork
    os.register_at_fork(after_in_child=_after_fork)


class Descriptor(io.RawIOBase):
    """At most one open file descriptor; closed when the last reference goes away.

    An io object because of io's finalizer: it is written in C, and it calls close() only if nobody has.
    """

    def __init__(self) -> None:
        self._fds: list[int] = []

    def __reduce__(self) -> Any:
        """Refuse to be copied or pickled: two owners would close the same descriptor twice."""
        raise TypeError("an open file of a store, such as its lock, cannot be copied or pickled")

    def __bool__(self) -> bool:
        return bool(self._fds)

    def open(self, path: str, flags: int, mode: int = 0o777) -> int:
        """Open a file and return its descriptor."""
        # list.extend() stores the result in C. After `fd = os.open(...)` a signal handler may raise before the
        # assignment, and the descriptor leaks.
        self._fds.extend(map(os.open, (path,), (flags,), (mode,)))
        return self._fds[0]

    def fd(self) -> int:
        """Return the descriptor; ValueError once it is closed."""
        if not self._fds:
            raise ValueError("the file is closed")
        return self._fds[0]

    fileno = fd

    def close_fd(self) -> None:
        """Close the descriptor, once."""
        if self._fds:
            # Forget it first: close(2) frees the number even when it fails.
            fd, self._fds = self._fds[0], []
            os.close(fd)

    def close(self) -> None:
        """Close a descriptor that was only read, locked or synced: an error of that close means nothing."""
        try:
            self.close_fd()
        except OSError:
            pass
        super().close()


class TempFile(Descriptor):
    """A hidden file that becomes the new content of another one. See the module's docstring for its states.

    Attributes:
        name: the path as the program spelled it.
        before: the size of the file it replaces, None: there is none.
        status: os.fstat() after the last write.
        digest: of what was written, None unless asked for.
        version: set by the location once the file is finished.
    """

    before: int | None = None
    version: Any
    status: os.stat_result

    def __init__(self, name: Any, new_digest: Callable[[], Any] | None) -> None:
        super().__init__()
        self.name = name
        self._new_digest = new_digest
        self.digest = new_digest() if new_digest is not None else None
        self.temp_path = ""
        self._process = _process
        self._buffer = bytearray()
        self._size = 0
        self._lent = False
        self._failure: BaseException | None = None

    def begin(self, real: str, old: os.stat_result | None, mode: int | None) -> None:
        """Create the file beside `real`, the one that it replaces."""
        self.real = real
        self.old = old
        self.before = old and old.st_size
        if old is not None:
            mode = 0o600  # nobody else may read it before the old file's mode is set
        self.temp_path = hidden(real, f".{_names.getrandbits(64):016x}.tmp")  # first: an interrupt may follow the open
        fd = self.open(self.temp_path, CREATE, 0o666 if mode is None else mode)
        try:
            flock(fd, wait=False)  # marks it as in use
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        """Return the descriptor, after a flush."""
        self.flush()
        self._lent = True
        return self.fd()

    def tell(self) -> int:
        return self._size

    def write(self, data: ReadableBuffer) -> int:
        if self.closed:
            raise ValueError(f"write to the closed file of {self.name!r}")
        view = memoryview(data).cast("B")
        size = len(view)
        if size + len(self._buffer) <= BUFFER:
            self._buffer += view
        else:
            self.flush()
            self._write_through(view)
        self._size += size
        return size

    def flush(self) -> None:
        if self._buffer:
            buffer, self._buffer = self._buffer, bytearray()
            self._write_through(memoryview(buffer))

    def _write_through(self, view: memoryview) -> None:
        self._raise_failure()
        if self.digest is not None:
            self.digest.update(view)
        try:
            while view:
                # write(2) may write less than asked for, and never more than 2 GiB.
                view = view[os.write(self.fd(), view) :]
        except BaseException as error:
            self._failure = error
            raise

    def _raise_failure(self) -> None:
        """Raise the error of a failed write again: a dump that swallowed it must not publish the rest."""
        if self._failure is not None:
            raise self._failure

    def finish(self, fsync: Any, skip_unchanged: bool) -> None:
        """Write what is buffered, copy the old file's attributes, sync, and close the descriptor.

        A failed fsync is not retried: the kernel may have dropped the pages and report success the
        second time (PostgreSQL's "fsyncgate", 2018).
        """
        if self._process != _process:
            raise AtomicStoreError(f"the dump for {self.name!r} has forked: the parent commits, the child must not")
        self._raise_failure()
        self.flush()
        self.status = os.fstat(self.fd())
        if self._new_digest is not None and self._lent:  # the dump may have written past us
            self.digest = self._new_digest()
            for piece in pieces(self.fd()):
                self.digest.update(piece)
        if skip_unchanged and self.old is not None:
            from ._unchanged import is_stored

            if is_stored(self, fsync):
                self.remove(None)
                self.close_fd()
                return
        if self.old is not None and hasattr(os, "fchown"):
            self._keep_attributes(self.old)
        if fsync:
            sync_file(self)
        self.close_fd()

    def _keep_attributes(self, old: os.stat_result) -> None:
        new, names = self.status, xattrs(self.real)
        if (new.st_uid, new.st_gid) == (old.st_uid, old.st_gid) and not names and not xattrs(self.fd()):
            mode = stat.S_IMODE(old.st_mode)
            if mode != stat.S_IMODE(new.st_mode):
                os.fchmod(self.fd(), mode)
        else:
            from ._attributes import keep  # here: most files have no other owner, and no attributes

            keep(self.fd(), new, self.real, old, names)

    def publish(self, exclusive: bool) -> None:
        """Give the file its final name. With exclusive=True, FileExistsError if the name is taken."""
        if not self.temp_path:
            return  # finish() found that these bytes are stored already
        if exclusive and not link(self.temp_path, self.real):
            exclusive = False
        if exclusive:
            self.remove(None)
            return
        try:
            replace(self.temp_path, self.real)
        except OSError as error:
            if error.errno in (errno.EBUSY, errno.EXDEV):
                raise OSError(
                    error.errno,
                    f"{error.strerror}: a file that is mounted by itself cannot be replaced; mount its directory instead",
                    self.real,
                ) from error
            raise
        self.temp_path = ""

    def close(self) -> None:
        """Close the file, and remove it unless it was published."""
        self.discard(None)

    def discard(self, error: BaseException | None) -> None:
        """Do what close() does; a failed cleanup becomes a note on `error`."""
        self._buffer.clear()
        try:
            self.close_fd()
        except OSError as failure:
            if error is not None:
                error.add_note(f"closing the temp file failed too: {failure}")
        if self._process == _process:  # a forked child leaves its parent's file alone
            self.remove(error)
        super().close()

    def remove(self, error: BaseException | None) -> None:
        if not self.temp_path:
            return
        try:
            os.unlink(self.temp_path)
        except FileNotFoundError:
            pass  # it was never created, or an interrupt came right after the rename
        except OSError as failure:
            if error is not None:
                error.add_note(f"the temp file {self.temp_path!r} could not be removed: {failure}")
            return
        self.temp_path = ""


# --- names of hidden files -------------------------------------------------------------------------------------------


def hidden(real: str, suffix: str) -> str:
    """Return the path of a hidden file beside `real`: `.NAME` + suffix."""
    directory, name = split(real)
    return f"{directory}{shortened('.' + name, suffix, directory)}{suffix}"


def split(path: str) -> tuple[str, str]:
    """Split an absolute path into its directory, with the separator, and the name in it."""
    name = path.rpartition(os.sep)[2]
    return path[: len(path) - len(name)], name


def shortened(name: str, suffix: str, directory: str) -> str:
    """Shorten a name that leaves no room for the suffix; a hash of all of it keeps it unique."""
    # 100: eCryptfs has the shortest limit in use, 143 bytes; asking costs a system call.
    if len(os.fsencode(name)) > 100:
        limit = os.pathconf(directory, "PC_NAME_MAX") if hasattr(os, "pathconf") else 255
        room = limit - len(suffix)
        if len(os.fsencode(name)) > room:
            import hashlib  # here: 2 ms

            mark = "~" + hashlib.blake2b(os.fsencode(name), digest_size=8).hexdigest()
            while len(os.fsencode(name)) > room - len(mark):  # by characters: never cut one in half
                name = name[:-1]
            name += mark
    return name


# --- system calls ----------------------------------------------------------------------------------------------------


def flock(fd: int, wait: bool) -> None:
    """Lock an open file; OSError with one of WOULD_BLOCK or NO_LOCKS if that fails."""
    if fcntl is not None:
        fcntl.flock(fd, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    else:
        import msvcrt  # its LK_LOCK gives up after ten tries, one a second (Microsoft, _locking)

        msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]


def unlock(fd: int) -> None:
    """Unlock even if a child process has inherited the descriptor."""
    if fcntl is not None:
        fcntl.flock(fd, fcntl.LOCK_UN)
    else:
        import msvcrt

        msvcrt.locking(fd, msvcrt.LK_UNLCK, 1)  # type: ignore[attr-defined]


def sync_file(file: Any) -> None:
    """fsync, or F_FULLFSYNC on macOS."""
    global _sync
    if _sync is None:
        from atomicwrites import AtomicWriter  # here: 4 ms, paid by the first commit

        _sync = AtomicWriter("", mode="wb").sync
    _sync(file)


def on_windows() -> bool:
    """Say whether directories cannot be opened and synced here; MoveFileEx makes renames durable instead."""
    return not hasattr(os, "O_DIRECTORY")


def replace(source: str, target: str) -> None:
    if on_windows():
        import atomicwrites

        from ._windows import patiently

        patiently(atomicwrites.replace_atomic, source, target)
    else:
        os.replace(source, target)


def link(source: str, target: str) -> bool:
    """Give a file a second name that must be free; False: this file system has no hard links."""
    try:
        if on_windows():
            import atomicwrites

            from ._windows import patiently

            patiently(atomicwrites.move_atomic, source, target)
        else:
            os.link(source, target)
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        return False
    return True


def durably(change: Callable[..., None], *args: Any, real: str, name: Any, fsync: Any, version: object) -> None:
    """Change names in the directory of `real`, and sync the directory if fsync is True.

    Raises:
        UncertainCommitError: the change was made, but could not be synced.
    """
    if fsync is not True or on_windows():
        change(*args)
        return
    directory = Descriptor()
    try:
        path = split(real)[0]
        try:
            directory.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)  # before the change: it may fail
        except PermissionError as error:
            error.add_note(f"to sync it, a commit must be permitted to read the directory {path!r}")
            raise
        change(*args)
        try:
            sync_file(directory)
        except OSError as error:
            if error.errno in _CANNOT_SYNC:
                return  # see docs/guarantees.md
            raise UncertainCommitError(
                error.errno,
                f"{error.strerror}: the directory could not be synced. The new state is visible, whole, "
                "and may be undone by a power loss; do it once more to be sure",
                name,
                version=version,
            ) from error
    finally:
        directory.close()


def pieces(fd: int) -> Iterator[bytes]:
    """Read a file from its start to its end."""
    os.lseek(fd, 0, os.SEEK_SET)
    while piece := os.read(fd, 1 << 20):
        yield piece


def xattrs(file: str | int) -> list[str]:
    if not hasattr(os, "listxattr"):
        return []
    try:
        return os.listxattr(file, follow_symlinks=isinstance(file, int))
    except FileNotFoundError:
        return []  # deleted meanwhile by somebody else; the commit goes on and makes it anew
    except OSError as error:
        if error.errno not in NOT_PERMITTED:
            raise
        return []
