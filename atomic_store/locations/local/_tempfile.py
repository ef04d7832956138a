"""Temporary files that replace a file: created beside it, written, synced, and renamed over it.

Also what every hidden file of ours needs: a name, a descriptor that cannot leak, and the kernel's lock.

State of a TempFile::

    new --begin()--> open --settle(), finish()--> finished --publish()--> published
     |                 |                              |                       |
     +-----------------+----------discard()-----------+-----------------------+--> closed

- new: nothing exists yet.
- open: `temp` names a file that this process has created, and the descriptor is open.
- finished: all bytes are in the file, its attributes are set, it is synced, and the descriptor is closed.
- published: `temp` is empty, and the file has its final name.
- closed: nothing is left to clean up. Discarding an unpublished file removes it, and so does dropping the last reference.
"""

import errno
import io
import os
import stat
import sys
from _functools import partial as _partial  # type: ignore[import-not-found]  # functools itself costs 0.5 ms

from ...errors import AtomicStoreError, UncertainCommitError, log
from .. import forked, name_path

fcntl: "Any"
msvcrt: "Any"
try:
    import fcntl
except ImportError:  # Windows
    import msvcrt

    fcntl = None

try:
    from _blake2 import blake2b as _blake2b  # hashlib's own; hashlib itself loads OpenSSL: 2 ms
except ImportError:
    from hashlib import blake2b as _blake2b

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, TypeVar

    from _typeshed import ReadableBuffer, WriteableBuffer

    R = TypeVar("R")


partial: "Any" = _partial  # pyright: ignore[reportUnknownVariableType]


def _flags(*names: str) -> int:
    return sum(getattr(os, name, 0) for name in names)


# Flags for os.open(): not inherited by child processes, never through a symlink, never blocking on a FIFO. Flags that the
# platform lacks are 0.
SAFE_OPEN_FLAGS = _flags("O_CLOEXEC", "O_NOFOLLOW", "O_NONBLOCK", "O_NOCTTY", "O_BINARY")
READ = os.O_RDONLY | SAFE_OPEN_FLAGS
CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | SAFE_OPEN_FLAGS

NOT_A_FILE = (errno.ENOENT, errno.ELOOP, errno.EMLINK)  # deleted, or a symlink (EMLINK: FreeBSD)
WOULD_BLOCK = (errno.EAGAIN, errno.EACCES, errno.EDEADLK)  # the first by flock(2), the others by msvcrt.locking
_CANNOT_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)
_NO_LINKS = (
    *(errno.EPERM, errno.EACCES, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS),
    *(errno.EMLINK, errno.EINVAL, errno.ENODATA, errno.ENOLCK),
)
_NO_XATTRS = (errno.ENOENT, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)
_WARNING = 30  # logging.WARNING, which this module must not import
HAS_DIR_FD = {os.open, os.stat, os.unlink, os.rename} <= os.supports_dir_fd
_DIRECTORY = os.O_RDONLY | _flags("O_DIRECTORY", "O_CLOEXEC")
_DIRECTORY_PATH = _flags("O_PATH", "O_DIRECTORY", "O_CLOEXEC")  # without O_PATH: as above
_ACL = "system.posix_acl_access"
# security.ima, .evm and .capability vouch for the old bytes, so they are never copied.
_KEPT = ("user.", "trusted.", "security.selinux", "security.SMACK64")

if sys.platform in ("darwin", "win32"):
    from ._platform import fsync, link, replace, unlink
else:

    def fsync(fd: int) -> None:
        """Bring a file or directory to the disk."""
        os.fsync(fd)

    def replace(source: str, target: str, dir_fd: "int | None") -> None:
        """Rename a file over another one in the same directory."""
        os.replace(source, target, src_dir_fd=dir_fd, dst_dir_fd=dir_fd)

    def link(source: str, target: str, dir_fd: "int | None") -> None:
        """Make a second name for a file in the same directory; FileExistsError if it is taken. The first may go or stay."""
        os.link(source, target, src_dir_fd=dir_fd, dst_dir_fd=dir_fd)

    def unlink(path: str, dir_fd: "int | None") -> None:
        """Remove a name."""
        os.unlink(path, dir_fd=dir_fd)


def _begin_process() -> None:
    """Note which process this is: once at the start and after each fork, because asking is one more call per commit."""
    global process, _numbers
    process = os.getpid()
    # The names only need to differ: O_EXCL refuses one that is taken. next() is one step for all threads.
    _numbers = iter(range(int.from_bytes(os.urandom(7), "big"), 1 << 64))


process: int
_numbers: "Iterator[int]"
_begin_process()
if hasattr(os, "register_at_fork"):  # pragma: no branch - Windows does not fork
    os.register_at_fork(after_in_child=_begin_process)


class Descriptor(io.RawIOBase):
    """At most one open file descriptor, closed when the last reference goes away.

    An io object because of io's finalizer: it is written in C, and calls close() only if nothing has. So it raises
    nothing that a signal handler has raised, unless it has something to do.
    """

    # Until __init__ has made one: io's finalizer closes also what an interrupt has left half made.
    _fds: "list[int]" = []  # noqa: RUF012 - it is only replaced, never changed
    closed: bool = False  # an attribute, not io's: then its close(), which flushes, need not be called

    def __init__(self) -> None:
        self._fds = []

    def __reduce__(self) -> "Any":
        """Refuse to be copied or pickled: two owners would close the same descriptor twice."""
        raise TypeError("an open file of a store, such as its lock, cannot be copied or pickled")

    def __bool__(self) -> bool:
        return bool(self._fds)

    def open(self, path: str, flags: int, mode: int = 0o777, dir_fd: "int | None" = None) -> int:
        """Open a file and return its descriptor, which is never one of 0 to 2."""
        # list.extend() stores the result in C. After `fd = os.open(...)` a signal handler may raise before the
        # assignment, and the descriptor leaks.
        fds = self._fds
        call = os.open if dir_fd is None else partial(os.open, dir_fd=dir_fd)
        fds.extend(map(call, (path,), (flags,), (mode,)))
        if fds[0] < 3 and fcntl is not None:
            # The program was started with 0, 1 or 2 closed: what a C library prints would land in the file.
            fds.extend(map(fcntl.fcntl, (fds[0],), (fcntl.F_DUPFD_CLOEXEC,), (3,)))
            os.close(fds.pop(0))
        return fds[0]

    def fd(self) -> int:
        """Return the descriptor; ValueError once it is closed."""
        if not self._fds:
            raise ValueError("the file is closed")
        return self._fds[0]

    fileno = fd

    def close_fd(self) -> None:
        """Close the descriptor, once."""
        while self._fds:
            # Forgotten first, by an assignment: after pop() a signal handler may raise, and the descriptor leaks.
            fd, self._fds = self._fds[-1], self._fds[:-1]
            os.close(fd)  # close(2) frees the number even when it fails

    def close(self) -> None:
        """Close a descriptor that was only read, locked or synced: an error of that close means nothing."""
        try:
            if self._fds:
                self.close_fd()
        except OSError:
            pass
        self.closed = True  # pyright: ignore[reportIncompatibleMethodOverride]


class Directory(Descriptor):
    """The directory of a change, opened once: every step of the change happens in it, whatever becomes of its path.

    Attributes:
        path: where it is, with the separator at its end.
        prefix: what stands before a name in it: nothing, since dir_fd says where; `path` on systems without dir_fd.
        dir_fd: for the calls that take one; None: they go by the path.
    """

    dir_fd: "int | None" = None

    def __init__(self, path: str) -> None:
        self._fds = []
        self.path: str = path
        self.prefix: str = path

    def begin(self, fsync: object) -> "os.stat_result":
        """Open it, and return its status."""
        if not HAS_DIR_FD:
            return os.stat(self.path or ".")
        # Only fsync() must be permitted to read the directory.
        self.dir_fd = self.open(self.path or ".", _DIRECTORY if fsync is True else _DIRECTORY_PATH)
        self.prefix = ""
        return os.fstat(self.dir_fd)

    def sync(self, name: "Any", version: object) -> None:
        """Make the names in it durable.

        Raises:
            UncertainCommitError: they are changed, but may not last.
        """
        if self.dir_fd is None:
            return  # Windows: MoveFileEx makes its own renames durable
        try:
            fsync(self.dir_fd)
        except OSError as error:
            if error.errno in _CANNOT_SYNC:
                return  # it makes names durable in its own way or not at all: docs/guarantees.md
            raise UncertainCommitError(
                error.errno,
                f"{error.strerror}: the directory could not be synced. The new state is visible, whole, "
                "and may be undone by a power loss; do it once more to be sure",
                name,
                version=version,
            ) from error


class TempFile(Descriptor):
    """A hidden file that becomes the new content of another one. See the module's docstring for its states.

    It is unbuffered and takes all of each write; io.BufferedRandom around it makes it what open("w+b") returns.

    Attributes:
        name: the path as the program spelled it.
        mode: "rb+", as that of open("w+b") says.
        own_path: that of the hidden file, for programs that open it by name; what they write counts.
        before: the size of the file it replaces, None: there is none.
        lent: whether anything but write() may have been at work: size and digest are those of the file then.
        status: os.fstat() after the last write.
        digest: of what was written, None unless asked for.
        version: set by the location once the file is finished.
    """

    mode = "rb+"
    before: "int | None" = None
    temp: str = ""
    version: "Any"
    status: "os.stat_result"
    _size = 0
    lent: bool = False
    _failure: "BaseException | None" = None

    def __init__(self, name: "Any", digests: bool) -> None:
        self._fds = []
        self.name = name
        self.digest = new_digest() if digests else None
        self._process = process

    def begin(
        self, directory: "Directory", target: str, stem: str, old: "os.stat_result | None", mode: "int | None"
    ) -> None:
        """Create the file beside `target`, the name of the file that it replaces.

        Args:
            directory: where.
            target: the name of the file it replaces.
            stem: the beginning of its own name.
            old: the status of the file it replaces, None: there is none.
            mode: permission bits of a file that replaces none, less the umask; None: 0o666.
        """
        self.directory = directory
        self.target: str = directory.prefix + target
        self.real: str = directory.path + target
        self.old = old
        self._xattrs: list[str] | None = []
        if old is None:
            mode = 0o666 if mode is None else mode
        else:
            self.before = old.st_size
            self._xattrs = xattrs(self.real)
            # No user may read it now who could not read the old file: an ACL may refuse one, and where group and others have
            # different rights, this file may have another group yet.
            mode = old.st_mode & 0o777
            if self._xattrs or self._xattrs is None or (mode >> 3 ^ mode) & 7:
                mode = 0o600
        attempt = 1
        while True:
            temp = f"{directory.prefix}{stem}{next(_numbers):016x}.tmp"
            self.temp = temp  # before the file exists: an interrupt may follow the open
            try:
                self.open(temp, CREATE, mode, directory.dir_fd)
                break
            except FileExistsError:
                self.temp = ""  # of another writer, which must not lose it
                if attempt == 3:
                    raise
                attempt += 1
                _begin_process()  # a stranger may have guessed the names that follow
        try:
            flock(self._fds[0], wait=False)  # in use: see clean() in _lock.py
        except OSError:
            pass  # without locks nothing can be cleaned here either

    # --- as a file ---------------------------------------------------------------------------------------------------

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def fileno(self) -> int:
        self.lent = True
        return self.fd()

    @property
    def own_path(self) -> str:
        self.lent = True
        return self.directory.path + split(self.temp)[1] if self.temp else self.real

    def tell(self) -> int:
        return self._ask(os.lseek, self.fd(), 0, os.SEEK_CUR) if self.lent else self._size

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if offset == 0 and whence == os.SEEK_CUR:
            return self.tell()  # as io.BufferedRandom does at each flush
        self.lent = True
        return self._ask(os.lseek, self.fd(), offset, whence)

    def truncate(self, size: "int | None" = None) -> int:
        self.lent = True
        size = self.tell() if size is None else size
        self._ask(os.ftruncate, self.fd(), size)
        return size

    def readinto(self, buffer: "WriteableBuffer") -> int:
        self.lent = True
        return self._ask(os.readv, self.fd(), [buffer])

    def _ask(self, call: "Callable[..., R]", *arguments: "Any") -> "R":
        """Make a system call; its error names the path."""
        try:
            return call(*arguments)
        except OSError as error:
            name_path(error, self.name)
            raise

    def write(self, data: "ReadableBuffer") -> int:
        piece: Any = data if type(data) is bytes else memoryview(data).cast("B")
        fd, size = self._fds[0] if self._fds else self.fd(), len(piece)
        self.check()
        try:
            done = os.write(fd, piece)
            while done < size:  # write(2) may write less than asked for, and never more than 2 GiB
                done += os.write(fd, memoryview(piece)[done:])
            if self.digest is not None:
                self.digest.update(piece)
        except BaseException as error:
            name_path(error, self.name)
            self._failure = error
            raise
        self._size += size
        return size

    def check(self) -> None:
        """Raise the error of a failed write again, so that a dump that swallowed it cannot publish a truncated file."""
        if self._failure is not None:
            raise self._failure
        if self._process != process:
            raise forked(self.name)

    # --- as a step of a commit ---------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Know the status and the digest of what was written. Nothing is written from here on."""
        self.check()
        fd = self._fds[0]
        self.status = os.fstat(fd)
        if self.lent:
            self._require_own()
            if self.digest is not None:
                self.digest = new_digest()
                for piece in pieces(fd):
                    self.digest.update(piece)
        elif self.status.st_size != self._size:
            raise OSError(
                errno.EIO,
                f"the temp file should have the {self._size} bytes that were written to it and has {self.status.st_size}: "
                "something else has written to its descriptor",
                self.name,
            )

    def _require_own(self) -> None:
        """Raise if a program that knew the name has put another file there: nothing would sync that one."""
        try:
            found = os.lstat(self.temp, dir_fd=self.directory.dir_fd)
        except FileNotFoundError:
            found = None
        if found is None or (found.st_dev, found.st_ino) != (self.status.st_dev, self.status.st_ino):
            raise AtomicStoreError(
                f"the new file of {self.name!r} should be written where it is, at {self.own_path!r}, and was removed or "
                "replaced: write to a file of your own, then copy it"
            )

    def finish(self, sync: object) -> None:
        """Copy the old file's attributes, sync, and close the descriptor.

        A failed fsync is not retried: the kernel may have dropped the pages and report success the
        second time (PostgreSQL's "fsyncgate", 2018).
        """
        fd = self._fds[0]
        if self.old is not None and fcntl is not None:
            self._keep_attributes(fd, self.status, self.old)
        if sync:
            fsync(fd)
        self.close_fd()

    def _keep_attributes(self, fd: int, new: "os.stat_result", old: "os.stat_result") -> None:
        inherited = xattrs(fd)
        if inherited == self._xattrs == [] and new.st_uid == old.st_uid and new.st_gid == old.st_gid:
            if new.st_mode == old.st_mode:
                return
            mode = stat.S_IMODE(old.st_mode)
        else:
            mode = keep_attributes(self, new, old, self._xattrs, inherited)
        if mode != stat.S_IMODE(new.st_mode):
            set_mode(fd, mode, new.st_mode)

    def publish(self, exclusive: bool) -> None:
        """Rename the file to its final name. With exclusive=True, FileExistsError if the name is taken."""
        if exclusive and self._link():
            self.remove(None)
            return
        try:
            replace(self.temp, self.target, self.directory.dir_fd)
        except OSError as error:
            if error.errno in (errno.EBUSY, errno.EXDEV):
                raise explained(
                    error, "a file that is mounted by itself cannot be replaced; mount its directory instead"
                ) from error
            raise
        self.temp = ""

    def _link(self) -> bool:
        try:
            link(self.temp, self.target, self.directory.dir_fd)
        except AttributeError:
            return False  # Android's Python has no os.link()
        except OSError as error:
            if error.errno in _NO_LINKS:
                return False
            if isinstance(error, FileExistsError):
                raise
            raise explained(error, "link() publishes a first value, for it cannot replace another program's") from error
        return True

    def close(self) -> None:
        """Close the file, and remove it unless it was published."""
        self.discard(None)

    def discard(self, error: "BaseException | None") -> None:
        """Do what close() does; a failed cleanup becomes a note on `error`."""
        try:
            if self._fds:
                self.close_fd()
        except OSError as failure:
            if error is not None:
                error.add_note(f"closing the temp file failed too: {failure}")
        if self.temp and self._process == process:  # a forked child leaves its parent's file alone
            self.remove(error)
        self.closed = True

    def remove(self, error: "BaseException | None") -> None:
        """Remove the hidden name; a failure becomes a note on `error`."""
        try:
            unlink(self.temp, self.directory.dir_fd)
        except FileNotFoundError:
            pass  # it was never created, or an interrupt came right after the rename
        except OSError as failure:
            if error is not None:
                error.add_note(f"the temp file {self.directory.path + self.temp!r} could not be removed: {failure}")
            return
        self.temp = ""


# --- attributes: owner, group, ACL, extended attributes, mode --------------------------------------------------------


def keep_attributes(
    temp: "TempFile", new: "os.stat_result", old: "os.stat_result", names: "list[str] | None", inherited: "list[str] | None"
) -> int:
    """Copy owner, group, ACL and extended attributes of the replaced file to the temp file; return the mode to set.

    Owner first: chown clears set-id bits. Mode last: until then nobody else may read the temp file. An attribute that the
    file system or the kernel refuses is left out; where that would let anybody read more, the mode shrinks.

    Args:
        temp: the new file.
        new: its status.
        old: the status of the file it replaces.
        names: the attributes of that file, None: they cannot be listed.
        inherited: those that the new one has by itself, such as a default ACL; None: they cannot be listed.
    """
    fd, source = temp.fd(), Descriptor()
    try:
        if names:
            # All from one open file: a secret one put there meanwhile must not show its own under this one's mode.
            old, names = _open_source(source, temp, old, names)
        group_kept = (new.st_uid, new.st_gid) == (old.st_uid, old.st_gid) or keep_owner(fd, new, old)
        # With an ACL the group's bits of the mode are the mask, which without it allows too much (acl(5)).
        acl_kept = names is not None and (_ACL not in names or (group_kept and _copy_xattr(fd, source, _ACL)))
        for name in names or ():
            if name.startswith(_KEPT):
                _copy_xattr(fd, source, name)
    finally:
        source.close()
    if inherited is None or (_ACL in inherited and not (names and _ACL in names and acl_kept)):
        # The directory's default ACL has given the temp file one, which the mode would wake up.
        acl_kept = works(lambda: os.removexattr(fd, _ACL)) and acl_kept
    mode = stat.S_IMODE(old.st_mode)
    if not (group_kept and acl_kept):
        # Another group must not see what only the old one could: its bits become those of "other".
        mode = mode & ~(stat.S_IRWXG | stat.S_ISGID) | (mode & stat.S_IRWXO) << 3
        if not group_kept:
            log(
                _WARNING,
                "the group %s of %r cannot be kept: its members have the rights of all others from now on",
                old.st_gid,
                temp.real,
            )
    if new.st_uid != old.st_uid and os.geteuid() != 0:
        mode &= ~stat.S_ISUID
    return mode


def _open_source(
    source: "Descriptor", temp: "TempFile", old: "os.stat_result", names: "list[str]"
) -> "tuple[os.stat_result, list[str] | None]":
    try:
        status = os.fstat(source.open(temp.target, READ, dir_fd=temp.directory.dir_fd))
    except OSError:
        return old, names  # it is gone, or may not be read: its mode and owner are known
    if stat.S_ISREG(status.st_mode):
        return status, xattrs(source.fd())
    source.close_fd()
    return old, names


def keep_owner(fd: int, new: "os.stat_result", old: "os.stat_result") -> bool:
    """Set an open file's owner and group to the old ones as far as permitted; return whether the group is kept."""
    for owner in (old.st_uid, -1):
        try:
            os.fchown(fd, owner, old.st_gid)
        except (AttributeError, OSError):
            continue
        return True
    return new.st_gid == old.st_gid


def set_mode(fd: int, mode: int, now: int) -> None:
    """Set the permission bits of an open file.

    Raises:
        OSError: the kernel refuses, and the bits it has now allow more.
    """
    try:
        os.fchmod(fd, mode)
    except (AttributeError, OSError) as error:
        if stat.S_IMODE(now) & ~mode:
            raise explained(error, f"fchmod() must narrow the mode {stat.S_IMODE(now):#o} to {mode:#o}") from error


def _copy_xattr(fd: int, source: "Descriptor", name: str) -> bool:
    return bool(source) and works(lambda: os.setxattr(fd, name, os.getxattr(source.fd(), name)))


def xattrs(file: "str | int") -> "list[str] | None":
    """Return the names of a file's extended attributes, None where they cannot be listed."""
    try:
        return os.listxattr(file, follow_symlinks=isinstance(file, int))
    except AttributeError:
        return []  # this system has none
    except OSError as error:
        # ENOENT: another program has deleted the file; the commit creates it again.
        return [] if error.errno in _NO_XATTRS else None


# --- names of hidden files -------------------------------------------------------------------------------------------


def split(path: str) -> "tuple[str, str]":
    """Split a path into its directory, with the separator, and the name in it."""
    name = path.rpartition(os.sep)[2]
    return path[: len(path) - len(name)], name


def hidden(real: str, suffix: str) -> str:
    """Return the path of a hidden file beside `real`: `.NAME` + suffix."""
    directory, name = split(real)
    return f"{directory}{fitted('.' + name, suffix, directory)}{suffix}"


def fitted(name: str, suffix: str, directory: str) -> str:
    """Shorten a name that leaves no room for the suffix; a hash of all of it keeps it unique."""
    # 100 bytes fit everywhere: eCryptfs has the shortest limit in use, 143. Asking costs a system call.
    if len(os.fsencode(name)) > 100:
        try:
            limit = os.pathconf(directory or ".", "PC_NAME_MAX")
        except (AttributeError, OSError):
            limit = 255
        room = limit - len(suffix)
        if len(os.fsencode(name)) > room:
            mark = "~" + _blake2b(os.fsencode(name), digest_size=8).hexdigest()
            while len(os.fsencode(name)) > room - len(mark):  # by characters: never cut one in half
                name = name[:-1]
            name += mark
    return name


# --- what else changes and locks need --------------------------------------------------------------------------------


def flock(fd: int, wait: bool) -> None:
    """Lock an open file; OSError with one of WOULD_BLOCK if another program has."""
    if fcntl is not None:
        fcntl.flock(fd, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    else:
        msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)  # LK_LOCK gives up after ten tries, one a second (Microsoft, _locking)


def unlock(fd: int) -> None:
    """Unlock even if a child process has inherited the descriptor."""
    if fcntl is not None:
        fcntl.flock(fd, fcntl.LOCK_UN)
    else:
        msvcrt.locking(fd, msvcrt.LK_UNLCK, 1)


def works(call: "Callable[[], object]") -> bool:
    """Make a system call that a commit can do without; return whether this system has it, and has done it."""
    try:
        call()
    except (AttributeError, OSError):
        return False
    return True


def explained(error: "AttributeError | OSError", why: str) -> OSError:
    """Return the same error with a reason in its message, because many loggers drop notes."""
    if not isinstance(error, OSError):
        return OSError(errno.ENOSYS, f"{os.strerror(errno.ENOSYS)}: {why}")
    # Without a name, two arguments only: with None as a third, a name that is set later is lost by pickle.
    names = () if error.filename is None else (error.filename,)
    return OSError(error.errno, f"{error.strerror}: {why}", *names)


def missing_directory(error: OSError, directory: str, given: "Any") -> OSError:
    """Return the error for a directory that does not exist."""
    why = f"the directory {directory.rstrip('/') or '/'!r} does not exist"
    if os.fsdecode(given).startswith("~"):
        why += "; '~' is not expanded: use os.path.expanduser()"
    return explained(error, why)


def unwritable_directory(error: OSError, directory: str, what: str = "a commit puts a new file there") -> OSError:
    """Return the error for a directory in which no file can be created."""
    return explained(error, f"the directory {directory.rstrip('/') or '/'!r} must be writable: {what}")


def new_digest() -> "Any":
    """Begin a digest of a file's content: BLAKE2b, the fastest strong one in hashlib."""
    return _blake2b(digest_size=32)


def pieces(fd: int) -> "Iterator[bytes]":
    """Read a file from its start to its end."""
    os.lseek(fd, 0, os.SEEK_SET)
    while piece := os.read(fd, 1 << 20):
        yield piece
