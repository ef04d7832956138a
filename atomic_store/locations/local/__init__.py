"""LocalFile: one file on this machine, read, compared, replaced and deleted as a whole.

LocalFile is the frame: which file is meant, under which lock, what it must hold, and how errors name it. The work is
done below: a hidden file by _tempfile, the lock and the cleaning by _lock, neither of which knows a LocalFile.
"""

import errno
import os
import stat
import time

from ...errors import LocationError
from .. import ANY, PIECE, Location, StoredFile, conflict, name_path
from . import _lock
from ._lock import NO_LOCKS as NO_LOCKS  # for the command line
from ._tempfile import (
    READ,
    Descriptor,
    Directory,
    TempFile,
    explained,
    missing_directory,
    new_digest,
    pieces,
    split,
    unlink,
    unwritable_directory,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any, Literal, Self

    from _typeshed import WriteableBuffer

    from .._finding import Finding

    Fsync = bool | Literal["file"]
else:
    Any = Finding = Self = TracebackType = object  # as in errors.py
    Fsync = bool | str

MAX_LINKS = 40  # path_resolution(7): the kernel follows no more either
SETTLED_AFTER = 3_000_000_000  # ns: FAT timestamps have a resolution of 2 s; 1 s margin for the kernel's cached clock
# On FUSE a rename can be two steps, and the kernel may ask for what was just replaced: open() finds no file for an instant.
ASK_AGAIN = 3  # times at once
ASK_LONGER = 1.0  # seconds, where something shows that there is one


class LocalFile(Location):
    """One file on a local file system, replaced all or nothing.

    Args:
        path: str, bytes or os.PathLike. A relative path is resolved now, so a later chdir() changes nothing.
        mode: the permission bits of a new file, minus the umask. The default is 0o666, as with open(). An
            existing file keeps its mode.
        follow_symlinks: if True, a commit replaces the target of a symlink, and the symlink stays. If False,
            it replaces the symlink by a file.
        fsync: if True, a commit that has returned survives a power cut. With "file" the directory is not
            synced: after a power cut the old value, complete, may be back. With False nothing is synced:
            after a power cut the file may also be empty or torn.
        skip_unchanged: if True, a commit of the bytes that are already stored writes nothing, and inode and
            timestamps stay. Otherwise each commit creates a new file.

    Raises:
        TypeError: `path` is not a path, or `mode` is not an int.
        LocationError: the path is empty, contains NUL or can only name a directory; or `mode` or `fsync` has
            an unknown value.
    """

    _cleaned = False
    safe: "tuple[int, int] | None" = None  # the directory that was last found at the end of a safe path
    _last = ("", ("", "", ""))  # the file that was changed last: its path, and the parts_of() that

    def __init__(
        self,
        path: "str | bytes | os.PathLike[str] | os.PathLike[bytes]",
        mode: "int | None" = None,
        follow_symlinks: bool = True,
        *,
        fsync: "Fsync" = True,
        skip_unchanged: bool = False,
    ) -> None:
        self.given = path
        self.absolute: str = _absolute(path)
        if mode is not None and type(mode) is not int:  # True would be the mode 0o001
            raise TypeError(f"mode should be permission bits such as 0o600, not {mode!r}")
        if mode is not None and not 0 <= mode <= 0o777:
            raise LocationError(f"mode should be permission bits from 0 to 0o777, not {mode:#o}")
        if not (isinstance(fsync, bool) or fsync == "file"):
            raise LocationError(f'fsync should be True, "file" or False, not {fsync!r}')
        self.mode = mode
        self.follow_symlinks = follow_symlinks
        self.fsync: bool | Literal["file"] = fsync
        self.skip_unchanged = skip_unchanged
        if skip_unchanged:
            from . import _unchanged  # noqa: F401  # pyright: ignore[reportUnusedImport]  # now: later nothing is imported

    def __repr__(self) -> str:
        return (
            f"LocalFile({self.given!r}, mode={self.mode!r}, follow_symlinks={self.follow_symlinks!r}, "
            f"fsync={self.fsync!r}, skip_unchanged={self.skip_unchanged!r})"
        )

    @property
    def path(self) -> "str | bytes | os.PathLike[str] | os.PathLike[bytes]":
        """The path, as the program gave it."""
        return self.given

    def read(self, exact: bool = False) -> "Reader | None":
        """Open the file, or return None when there is none.

        Raises:
            OSError: anything but "does not exist" stands in the way, with the path as given.
        """
        file = Reader(self.given, exact)
        try:
            return file.begin(self._open(file))
        except BaseException as error:
            file.close()  # not by its finalizer: that waits until nobody keeps the error, and swallows what a handler raises
            if isinstance(error, FileNotFoundError):
                return None
            name_path(error, self.given)
            raise

    def version(self, known: object = None) -> "Version | None":
        """Return the version that is stored now; `known` itself where the file proves to be untouched."""
        found, file = self._look(known, exact=isinstance(known, Version) and known.digest is not None)
        if file is not None:
            file.close()
        return found

    def read_if_changed(self, known: object) -> "tuple[Version | None, Reader | None]":
        """Return the version that is stored now and, if it is not `known`, the open file: one read under a lock."""
        return self._look(known, exact=True)

    def _look(self, known: object, exact: bool) -> "tuple[Version | None, Reader | None]":
        file = self.read(exact)
        if file is None:
            return None, None
        try:
            if isinstance(known, Version) and known.proof is not None and known.proof == file.proof:
                found = known
            else:
                found = file.peek() if exact else file.version
            if found != known:
                return found, file
        except BaseException:
            file.close()
            raise
        file.close()
        return found, None

    def replace(self, expected: object = ANY, exact: bool = False) -> "Replacement":
        """Replace the file by what the block writes, all or nothing; see Location.replace."""
        return Replacement(self, expected, exact)

    def delete(self, expected: object = ANY) -> None:
        """Delete the file that the path leads to and make that durable. A link to it stays, and a missing file is no error.

        Raises:
            ConflictError: the file is not the expected version.
            UncertainCommitError: it is gone, but may be back after a power loss.
        """
        with Change(self, expected) as change:
            try:
                directory = change.find()
            except FileNotFoundError:
                return  # not even a directory
            try:
                unlink(directory.prefix + change.name, directory.dir_fd)
            except FileNotFoundError:
                pass  # by an earlier delete() of ours, perhaps, whose sync has failed
            change.sync(None)

    def set_aside(self, version: object) -> str:
        """Rename the file to `NAME.corrupt-<UTC time>` beside it, under the lock; return the new path.

        Raises:
            ConflictError: the file is no longer this version. A newer one is where it was, or beside it if the place
                was taken meanwhile.
            UncertainCommitError: it is renamed, but may have its old name again after a power loss.
        """
        from .aside import move_aside  # loaded: by open(), for a store that quarantines

        with Change(self, version) as change:
            return move_aside(change, version, self.given, lambda path: LocalFile(path).version(version))

    def lock(self, timeout: "float | None" = None) -> "_lock.SidecarLock":
        """Acquire the sidecar lock `.NAME.lock` beside the real file, and remove the temp files of killed writers.

        Raises:
            LockTimeout: another program held it for longer than `timeout` seconds.
            LockError: this thread holds it already, or the file system has no locks.
            OSError: the sidecar can be neither opened nor created.
        """
        lock = None
        try:
            lock = _lock.acquire(self.find, self.require_safe, timeout, self.given, self.mode)
            if not self._cleaned:
                try:
                    _lock.clean(self.real(), self.given)
                except OSError:
                    pass  # housekeeping fails no commit
                self._cleaned = True
        except BaseException as error:
            if lock is not None:
                lock.release()
            name_path(error, self.given)
            raise
        return lock

    def inherit_lock(self, descriptor: int) -> "_lock.SidecarLock | None":
        """Return the lock that a parent process holds by an inherited descriptor; None: it is no lock of this file.

        While this process keeps it, the calling thread writes here as the holder of the lock.
        """
        from ._inherited import inherit

        return inherit(descriptor, self.real())

    def clean(self, dry_run: bool = False) -> "list[tuple[str, OSError | None]]":
        """Remove the temp files of killed writers, under the lock, by the rules of every first lock; see Location.clean.

        Raises:
            LockError: the file system has no locks.
            OSError: the directory cannot be read, or the sidecar neither opened nor created.
        """
        with Change(self, ANY) as change:
            found = _lock.clean(self.real(), self.given, dry_run=True)
            if not dry_run and not all(isinstance(verdict, str) for _, verdict in found):  # else no sidecar is created
                self._cleaned = True  # by us: lock() does not say what it has removed
                change.lock()
                found = _lock.clean(self.real(), self.given)
            return [(temp, verdict) for temp, verdict in found if not isinstance(verdict, str)]

    def left_by_clean(self) -> "list[tuple[str, str]]":
        """Return the temp files that clean() leaves alone, each with the reason; see Location.left_by_clean.

        Raises:
            OSError: the directory cannot be read.
        """
        found = _lock.clean(self.real(), self.given, dry_run=True)
        return [(temp, verdict) for temp, verdict in found if isinstance(verdict, str)]

    def probe(self) -> "list[Finding]":
        """Find out which promises this place keeps; see Location.probe.

        Raises:
            OSError: it can be no file's place: a directory, a loop of links.
        """
        from ._probe import probe

        with Change(self, ANY):
            real, old = self.find()
            refuse_special(old, self.given)
        return probe(self, real)

    def real(self) -> str:
        """Return the path of the file that a commit replaces; see find()."""
        return self.find()[0]

    def find(self) -> "tuple[str, os.stat_result | None]":
        """Return the path of the file that a commit replaces, and the status of what is stored, None: nothing is.

        Raises:
            OSError: ELOOP for a loop; PermissionError for a link that another user may have planted.
        """
        real, status = self._follow(refuse_foreign)
        return real if self.follow_symlinks else self.absolute, status

    def parts_of(self, real: str) -> "tuple[str, str, str]":
        """Return the directory of a file, its name, and the beginning of the names of its temp files."""
        known, parts = self._last
        if known != real:
            directory, name = split(real)
            parts = directory, name, _lock.stem(directory, name)
            self._last = real, parts
        return parts

    def require(self, expected: object) -> None:
        """Raise ConflictError unless the file is the expected version; None: unless there is none."""
        found = self.version(expected)
        if found != expected:
            raise conflict(self.given, expected, found)

    def require_safe(self, directory: Directory, status: "os.stat_result") -> None:
        """Raise PermissionError if the path to an open directory leads over a symlink that another user may have planted."""
        found = status.st_dev, status.st_ino
        walked = _look(_walk(directory.path))
        if found != (walked.st_dev, walked.st_ino):
            raise OSError(errno.ESTALE, f"{directory.path!r} was replaced while it was opened", directory.path)
        self.safe = found

    def _follow(self, refuse: "Any") -> "tuple[str, os.stat_result | None]":
        """Follow the last part's symlinks; return the path they end in and what is there, None: nothing."""
        real = self.absolute
        try:
            for _ in range(MAX_LINKS + 1):
                status = os.lstat(real)
                if not stat.S_ISLNK(status.st_mode):
                    return real, status
                refuse(real, status)
                real = os.path.join(os.path.dirname(real), os.readlink(real))
        except FileNotFoundError:
            if real != self.absolute:
                self._refuse_unnamed(real)
            return real, None
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), self.absolute)

    def _refuse_unnamed(self, real: str) -> None:
        """Refuse /dev/stdin and the like: by the text of the link they lead to no file at all, but the kernel opens one."""
        try:
            os.stat(self.absolute)
        except FileNotFoundError:
            return
        try:
            os.lstat(real)  # it may have been created just now
        except FileNotFoundError:
            message = "should be a plain file and is an open pipe or deleted file"
            raise OSError(errno.EINVAL, message, self.absolute) from None

    def _open(self, file: Descriptor) -> "os.stat_result":
        """Open for reading, not through symlinks, which are looked at first, nor blocking on a FIFO; return the status."""
        path, flags, left = self.absolute, READ, ASK_AGAIN
        began: float | None = None
        while True:
            try:
                return os.fstat(file.open(path, flags))
            except BlockingIOError:
                # A file lease (fcntl(2)): wait for its end, as open() does. O_NONBLOCK was for FIFOs.
                if flags != READ or not stat.S_ISREG(os.lstat(path).st_mode):
                    raise
                flags &= ~os.O_NONBLOCK
            except OSError as error:
                if error.errno in (errno.ENOENT, errno.ESTALE):
                    file.close_fd()  # sshfs opens a file that was replaced, and has no status of it
                    if left:
                        left -= 1
                    else:
                        began = _wait(path, error.errno, began)
                        if began is None:
                            raise
                elif error.errno in (errno.EACCES, errno.ENAMETOOLONG) and self._take_relative(path):
                    path = self.absolute
                elif error.errno in (errno.ELOOP, errno.EMLINK):  # EMLINK: FreeBSD's word for a symlink
                    # Again not through symlinks: what changes the end of the path now is looked at in its turn.
                    path = self._follow(refuse_planted)[0]
                else:
                    raise

    def _take_relative(self, path: str) -> bool:
        """Go by the path as it was given where the way to the current directory is closed or too long; return whether."""
        given = os.fsdecode(self.given)
        if path != self.absolute or path == given or os.path.isabs(given):
            return False
        try:
            os.stat(split(given)[0] or ".")
        except OSError:
            return False
        self.absolute = given
        return True


class Version:
    """What one file held: its digest, and its stat as a shortcut to it.

    The signature (device, inode, size, mtime) proves nothing by itself: inode numbers are reused at
    once, a file written twice within one tick of the clock has one mtime (git's "racily clean"
    entries), and a mtime can be set. An equal signature with an equal ctime, which cannot be set and
    which rename(2) moves on as well, is proof if both times were well past when the bytes were read.
    """

    def __init__(self, status: "os.stat_result", digest: "bytes | None" = None) -> None:
        self._status = status
        self._read_at = time.time_ns()
        self.digest: bytes | None = digest

    @property
    def signature(self) -> "tuple[int, int, int, int]":
        """Device, inode, size and mtime in ns."""
        return signature(self._status)

    @property
    def proof(self) -> "tuple[int, ...] | None":
        """The signature and the ctime, None where they prove nothing."""
        status = self._status
        settled = self._read_at - max(status.st_mtime_ns, status.st_ctime_ns) > SETTLED_AFTER
        return (*signature(status), status.st_ctime_ns) if settled else None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Version):
            return NotImplemented
        if self.digest is None or other.digest is None:
            return self.signature == other.signature
        return self._status.st_size == other._status.st_size and self.digest == other.digest

    __hash__: None = None  # type: ignore[assignment]  # equal digests under unequal signatures: no hash fits both

    def __repr__(self) -> str:
        digest = "not made" if self.digest is None else self.digest.hex()[:16]
        return f"<Version of {self._status.st_size} bytes, digest {digest}>"


class Change:
    """A change of a file: under the lock if it compares, and with errors that name the path as the program spelled it."""

    directory: "Directory | None" = None
    name: str  # set by find(), like `stem`: see LocalFile.parts_of()
    stem: str
    _lock: "_lock.SidecarLock | None" = None

    def __init__(self, place: "LocalFile", expected: object) -> None:
        self._place = place
        self._expected = expected

    def __enter__(self) -> "Self":
        try:
            if self._expected is not ANY:
                self.lock()
                self._place.require(self._expected)
        except BaseException as error:
            self.end(error)
            raise
        return self

    def __exit__(
        self, kind: "type[BaseException] | None", error: "BaseException | None", trace: "TracebackType | None"
    ) -> None:
        self.end(error)

    def lock(self) -> None:
        """Acquire the lock, unless this thread holds it."""
        if not _lock.is_held(self._place.real()):
            self._lock = self._place.lock()

    def find(self) -> Directory:
        """Find the file, which must be a plain one, and open its directory."""
        place = self._place
        real, old = place.absolute, None
        try:
            old = os.lstat(real)
            if stat.S_ISLNK(old.st_mode):
                real, old = place.find()
        except FileNotFoundError:
            pass  # a first value
        if old is not None and not stat.S_ISREG(old.st_mode):
            refuse_special(old, place.given)
        self.old = old
        path, self.name, self.stem = place.parts_of(real)
        self.directory = directory = Directory(path)
        try:
            status = directory.begin(place.fsync)
        except FileNotFoundError as error:
            raise missing_directory(error, path, place.path) from error
        except PermissionError as error:
            raise explained(error, f"a commit must be permitted to read the directory {path!r}, to sync it") from error
        if (status.st_dev, status.st_ino) != place.safe:
            place.require_safe(directory, status)
        return directory

    def sync(self, version: object) -> None:
        """Make the change of a name durable, as far as asked for."""
        if self._place.fsync is True and self.directory is not None:
            self.directory.sync(self._place.given, version)

    def end(self, error: "BaseException | None") -> None:
        """Close the directory, release the lock, and name the path."""
        try:
            if self.directory is not None:
                self.directory.close()
        finally:
            if self._lock is not None:
                self._lock.release()
        if error is not None:
            name_path(error, self._place.path)


class Replacement(Change):
    """One replacement of a file, as a context: the block writes a hidden file, which then takes its place."""

    def __init__(self, place: "LocalFile", expected: object, exact: bool) -> None:
        self._place = place
        self._expected = expected
        self.file: TempFile = TempFile(place.given, exact or expected is not ANY)

    def __enter__(self) -> TempFile:  # type: ignore[override]  # what a block gets is the file
        """Lock if there is something to compare, find the file, and begin the new one.

        Raises:
            ConflictError: it shows already that the place does not hold what was expected.
        """
        place, expected = self._place, self._expected
        try:
            if expected is not ANY:
                self.lock()
            directory = self.find()
            # A difference that shows already saves the dump; that none shows proves nothing, see Version.
            if expected is not ANY and (self.old and signature(self.old)) != getattr(expected, "signature", None):
                place.require(expected)
            try:
                self.file.begin(directory, self.name, self.stem, self.old, place.mode)
            except PermissionError as error:
                raise unwritable_directory(error, directory.path) from error
        except BaseException as error:
            self.end(error)
            raise
        return self.file

    def __exit__(
        self, kind: "type[BaseException] | None", error: "BaseException | None", trace: "TracebackType | None"
    ) -> None:
        """Publish what was written, or, after an exception, drop it."""
        if error is not None:
            self.file.discard(error)
            # One without a name is that of a call through the descriptor, if that was lent, or else the block's own.
            super().end(error if self.file.lent and getattr(error, "filename", "") is None else None)
            return
        place, expected, file = self._place, self._expected, self.file
        try:
            file.settle()
            unchanged = None
            if place.skip_unchanged and self.old is not None:
                from ._unchanged import unchanged as same_bytes  # loaded: by the constructor of the place

                unchanged = same_bytes(file, self.name, place.fsync)
            if unchanged is not None:
                file.status = unchanged
                file.discard(None)
            else:
                file.finish(place.fsync)
            file.version = Version(file.status, file.digest and file.digest.digest())
            if expected is not ANY:  # again: a program that takes no lock may have written while dump was at work
                place.require(expected)
            if unchanged is None:
                self._publish()
            self.sync(file.version)
        except BaseException as failure:
            self.end(failure)
            raise
        self.end(None)

    def end(self, error: "BaseException | None") -> None:
        """Clean up."""
        try:
            self.file.discard(error)
        finally:
            super().end(error)

    def _publish(self) -> None:
        try:
            self.file.publish(exclusive=self._expected is None)
        except FileExistsError:
            self._place.require(None)  # says which program was faster
            self.file.publish(exclusive=False)  # none: a symlink that leads nowhere is there, and is not to be followed


class Reader(Descriptor, StoredFile):  # pyright: ignore[reportIncompatibleVariableOverride]  # `closed` is an attribute, not io's
    """The stored bytes, read once from front to back.

    Attributes:
        name: the place as the program spelled it.
        mode: "rb".
        size: the number of bytes that are stored.
    """

    mode = "rb"
    _lent = False  # whether anything but read() has been at work: the digest is that of the file
    _left = True  # whether there may be something left to read
    _peeked = b""  # what was read and digested, but not returned yet

    def __init__(self, path: "Any", exact: bool) -> None:
        self._fds = []
        self.name = path
        self._digest = new_digest() if exact else None

    def begin(self, status: "os.stat_result") -> "Reader":
        """Look at the status of what was opened; anything but a plain file is closed and refused."""
        try:
            if not stat.S_ISREG(status.st_mode):
                refuse_special(status, self.name)
            self.size: int | None = status.st_size
            self._length = status.st_size
            self._version = Version(status)
        except BaseException:
            self.close()
            raise
        return self

    @property
    def proof(self) -> "tuple[int, ...] | None":
        """The version's proof: known without reading the bytes."""
        return self._version.proof

    @property
    def version(self) -> "Version":
        """The version of the bytes; what was not read yet is read now."""
        if self._digest is not None:
            if self._lent:
                self._digest = new_digest()
                for piece in pieces(self.fd()):
                    self._digest.update(piece)
            else:
                while self._left and self.read(PIECE):
                    pass
            self._version.digest = self._digest.digest()
        return self._version

    def peek(self) -> "Version":
        """Return the version of the bytes, and be as if nothing had been read."""
        if self._length <= PIECE:
            self._peeked = self.read()
            return self.version
        version = self.version
        os.lseek(self.fd(), 0, os.SEEK_SET)
        self._digest, self._left = new_digest(), True
        return version

    def readable(self) -> bool:
        return True

    def fileno(self) -> int:
        self._lent = True
        return self.fd()

    def read(self, size: "int | None" = -1) -> bytes:
        """Read at most `size` bytes, or all that are left: in one piece where the file has not grown meanwhile."""
        size = -1 if size is None else size
        whole = size < 0
        if self._peeked:
            data = self._peeked if whole else self._peeked[:size]
            self._peeked = self._peeked[len(data) :]
            return data
        want = self._length + 1 if whole else size
        try:
            data = os.read(self._fds[0] if self._fds else self.fd(), want)
            if whole and len(data) != self._length:  # else it was all there is, for one byte more was asked for
                parts = [data]
                while data := os.read(self.fd(), 1 << 16):
                    parts.append(data)
                data = b"".join(parts)
        except OSError as error:
            name_path(error, self.name)
            raise
        self._left = not whole and len(data) > 0
        if self._digest is not None:
            self._digest.update(data)
        return data

    def readall(self) -> bytes:
        return self.read()

    def readinto(self, buffer: "WriteableBuffer") -> int:
        view = memoryview(buffer).cast("B")
        # In pieces: a damaged pickle claims to be huge, and os.read() allocates what it is asked for.
        data = self.read(min(len(view), PIECE))
        view[: len(data)] = data
        return len(data)


def signature(status: "os.stat_result") -> "tuple[int, int, int, int]":
    """Return device, inode, size and mtime in ns."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


# It gets the number of the error and not the error itself: an error that is raised by a function whose variable it is keeps
# all frames alive, with their locks, until the collector runs.
def _wait(path: str, number: int, began: "float | None") -> "float | None":
    """Pause if the file seems to be there all the same, and return when the first pause began; None: it is missing."""
    listed = number == errno.ESTALE or _is_listed(path)
    if not listed and not _is_replaced_on_fuse(path):
        return None
    now = time.monotonic()
    if began is not None and now - began > ASK_LONGER:
        if listed:
            raise OSError(errno.ESTALE, "is there for lstat() and not for open()", path)
        return None
    time.sleep(0.001)
    return now if began is None else began


def _is_listed(path: str) -> bool:
    try:
        os.lstat(path)
    except FileNotFoundError:
        return False
    return True


def _is_replaced_on_fuse(path: str) -> bool:
    """Return whether a program serves the file system, and a commit is under way: its temp is there, or now the file."""
    directory, name = split(path)
    try:
        if not _is_on_fuse(directory or "."):
            return False
        names = os.listdir(directory or ".")  # once: between two looks one commit may end and the next one begin
        return name in names or bool(_lock.temps(path, names))
    except (AttributeError, OSError):
        return False  # another system, or the directory is gone too


def _is_on_fuse(directory: str) -> bool:
    """Look it up in proc_pid_mountinfo(5), each time: a disk mounted later gets the device number of one that is gone."""
    device = os.stat(directory).st_dev
    wanted, mounts = b" %d:%d " % (os.major(device), os.minor(device)), Descriptor()
    try:
        lines = b"".join(pieces(mounts.open("/proc/self/mountinfo", READ))).splitlines()
    finally:
        mounts.close()
    return any(wanted in line and b" - fuse" in line for line in lines)


def refuse_special(status: "os.stat_result | None", path: "Any") -> None:
    """Refuse anything but a plain file: reading one may hang, replacing one breaks the system."""
    if status is not None and not stat.S_ISREG(status.st_mode):
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, "should be a plain file and is a directory", path)
        raise OSError(errno.EINVAL, "should be a plain file and is a device, pipe or socket", path)


def _absolute(path: "str | bytes | os.PathLike[str] | os.PathLike[bytes]") -> str:
    try:
        text = path if type(path) is str else os.fsdecode(path)
    except TypeError:
        raise TypeError(
            f"path should be str, bytes or os.PathLike, not {type(path).__name__}: {path!r}; "
            "give the path of the file, not an open file or descriptor"
        ) from None
    try:
        if not text.isascii():  # the usual case costs less so
            os.fsencode(text)
    except UnicodeEncodeError as error:
        raise LocationError(f"path should be a file's path and cannot be encoded: {path!r} ({error})") from error
    if "\0" in text:
        raise LocationError(f"path should be a file's path and has a NUL inside: {path!r}")
    if not text:
        raise LocationError("path should be a file's path and is empty")
    on_windows = os.name == "nt"
    if (os.path.basename(text) if on_windows else text.rpartition("/")[2]) in ("", ".", ".."):
        raise LocationError(f"path should be a file's path and names a directory: {path!r}")
    if on_windows:
        from ._platform import extended

        return extended(os.path.abspath(text))
    if text[0] == "/":
        return text  # works even where the current directory is lost
    try:
        # Joined, not normalised: `link/../file` is not `file` where link leads elsewhere.
        return os.path.join(os.getcwd(), text)
    except FileNotFoundError as error:  # it is deleted: nothing can be stored in it
        name_path(error, path)
        raise
    except (AttributeError, OSError):
        return text  # as open() does


# --- symlinks of other users -----------------------------------------------------------------------------------------


def refuse_planted(link: str, status: "os.stat_result") -> None:
    """Refuse a symlink that another user may have put into a directory like /tmp.

    The kernel's rule (proc(5), protected_symlinks), applied here as well because a commit resolves
    links by itself: in a sticky, world-writable directory only our own and its owner's are followed.
    """
    directory = os.path.dirname(link)
    try:
        place = os.stat(directory or ".")
    except OSError as error:
        raise explained(error, "stat() of its directory must show that no other user may have planted the link") from error
    if not place.st_mode & stat.S_ISVTX or not place.st_mode & stat.S_IWOTH:
        return
    if status.st_uid not in (os.geteuid(), place.st_uid):
        raise PermissionError(
            errno.EACCES,
            f"should not be followed: a symbolic link of user {status.st_uid} in the world-writable {directory!r}",
            link,
        )


def refuse_foreign(link: str, status: "os.stat_result") -> None:
    """Refuse, for a change, a symlink by which one unprivileged user leads to what another user owns.

    systemd's rule (CHASE_SAFE), but for our own links and root's, which are followed. A link that leads to nothing
    counts by the directory it leads to.
    """
    refuse_planted(link, status)
    owner = status.st_uid
    if owner in (0, os.geteuid()):
        return
    try:
        target = os.stat(link)
    except FileNotFoundError:
        target = os.stat(os.path.dirname(os.path.join(os.path.dirname(link), os.readlink(link))) or ".")
    if target.st_uid != owner:
        raise PermissionError(
            errno.EACCES,
            f"should not be followed: a symbolic link of user {owner} that leads to what user {target.st_uid} owns",
            link,
        )


def _look(directory: str) -> "os.stat_result":
    """Return the status of a directory on the way to a file, or of a symlink in its place."""
    try:
        return os.lstat(directory)
    except OSError as error:
        why = f"lstat() of the directory {directory!r} must show that no other user may have planted a link there"
        raise explained(error, why) from error


def _walk(directory: str) -> str:
    """Return the path of a directory without symlinks, each of which was looked at."""
    done, links = "/" if directory.startswith("/") else "", 0
    parts = directory.split("/")[::-1]
    while parts:
        part = parts.pop()
        if part in ("", "."):
            continue
        path = done + part
        status = _look(path)
        if not stat.S_ISLNK(status.st_mode):
            done = path + "/"
            continue
        links += 1
        if links > MAX_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), directory)
        refuse_foreign(path, status)
        target = os.readlink(path)
        if target.startswith("/"):
            done = "/"
        parts += target.split("/")[::-1]
    return done or "."
