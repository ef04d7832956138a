"""LocalFile: one file on this machine, read, compared, replaced and deleted as a whole."""

from __future__ import annotations

import errno
import os
import stat
import time

from ...errors import LocationError
from .. import ANY, PIECE, Location, StoredFile, conflict, name_path
from ._tempfile import SAFE, Descriptor, TempFile, durably

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any, Literal, Self

    from _typeshed import WriteableBuffer

    from .. import Finding
    from ._lock import SidecarLock

MAX_LINKS = 40  # path_resolution(7): the kernel follows no more either
SETTLED_AFTER = 3_000_000_000  # ns; the coarsest time of a file in use is FAT's, 2 s, and the kernel's clock lags a little


class LocalFile(Location):
    """One file on a local file system, replaced all or nothing.

    Args:
        path: str, bytes or os.PathLike. A relative path means the directory that is current now:
            a later chdir changes nothing.
        mode: permission bits of the file when it is made, less the umask; None: 0o666, as open()
            does. A file that exists keeps its own.
        follow_symlinks: True: a commit replaces the file that a symbolic link leads to, and the
            link stays. False: a commit puts a file in the link's place.
        fsync: True: what has returned survives a power cut. "file": the directory is not synced, so
            after one the newest value may be gone, and the old one back, whole. False: nothing is
            synced, so after one the file may also be empty or torn, as the file system pleases.
        skip_unchanged: True: a commit of just the bytes that are stored writes nothing, and the file
            keeps its inode and its times. False: each commit puts a new file in place.

    Raises:
        TypeError: `path` is no path, or `mode` no int.
        LocationError: the path is empty, holds a NUL, or names a directory by its form; another `fsync`.
    """

    def __init__(
        self,
        path: str | bytes | os.PathLike[str] | os.PathLike[bytes],
        mode: int | None = None,
        follow_symlinks: bool = True,
        *,
        fsync: bool | Literal["file"] = True,
        skip_unchanged: bool = False,
    ) -> None:
        self._path = path
        self._absolute = _absolute(path)
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
        self._swept = False

    def __repr__(self) -> str:
        return (
            f"LocalFile({self._path!r}, mode={self.mode!r}, follow_symlinks={self.follow_symlinks!r}, "
            f"fsync={self.fsync!r}, skip_unchanged={self.skip_unchanged!r})"
        )

    @property
    def path(self) -> str | bytes | os.PathLike[str] | os.PathLike[bytes]:
        """The path as the program spelled it."""
        return self._path

    def read(self, exact: bool = False) -> Reader | None:
        """Open the file, or return None when there is none.

        Raises:
            OSError: anything but "does not exist" stands in the way, with the path as given.
        """
        file = Reader(self._path, exact)
        try:
            self._open(file)
            return file.begin()
        except FileNotFoundError:
            file.close()  # not by its finalizer, which would swallow the exception of a signal handler
            return None
        except OSError as error:
            name_path(error, self._path)
            raise

    def version(self, known: object = None) -> Version | None:
        """Say which version is stored now; `known` itself where the file proves to be untouched."""
        file = self.read(exact=isinstance(known, Version) and known.digest is not None)
        if file is None:
            return None
        with file:
            if isinstance(known, Version) and known.proof is not None and known.proof == file.proof:
                return known
            return file.version

    def replace(self, expected: object = ANY, exact: bool = False) -> Replacement:
        """Replace the file by what the block writes, all or nothing; see Location.replace."""
        return Replacement(self, expected, exact)

    def delete(self, expected: object = ANY) -> None:
        """Delete the file that the path leads to and make that durable; a link to it stays.

        Raises:
            ConflictError: the file is not the expected version.
            UncertainCommitError: it is gone, but may be back after a power loss.
        """
        from ._changes import remove

        with Change(self, expected) as change:
            change.find()
            remove(change.real, self)

    def set_aside(self, version: object) -> str:
        """Rename the file to `NAME.corrupt-<UTC time>` beside it, under the lock; give the new path.

        Raises:
            ConflictError: the file is no longer this version.
            UncertainCommitError: it is renamed, but may have its old name again after a power loss.
        """
        from ._changes import move_aside

        with Change(self, version):
            return move_aside(self.real(), self)

    def lock(self, timeout: float | None = None) -> SidecarLock:
        """Take the sidecar lock `.NAME.lock` beside the real file, and sweep the temps of crashed writers.

        Raises:
            LockTimeout: somebody else held it for longer than `timeout` seconds.
            LockError: this thread holds it already, or the file system has no locks.
            OSError: the sidecar can be neither opened nor made.
        """
        from . import _lock  # here: 3 ms of threading and weakref that only a lock pays

        lock = None
        try:
            lock = _lock.acquire(self.real, timeout, self._path, self.mode)
            if not self._swept:
                from ._changes import sweep

                sweep(self.real())
                self._swept = True
        except BaseException as error:
            if lock is not None:
                lock.release()
            name_path(error, self._path)
            raise
        return lock

    def inherit_lock(self, descriptor: int) -> SidecarLock | None:
        """Return the lock that a parent process holds by an inherited descriptor; None: it is no lock of this file.

        While this process keeps it, the calling thread writes here as the holder of the lock.
        """
        from . import _lock

        return _lock.inherit(descriptor, self.real())

    def clean(self, dry_run: bool = False) -> list[tuple[str, OSError | None]]:
        """Remove the temps of crashed writers, under the lock, by the rules of every first lock; see Location.clean.

        Raises:
            LockError: the file system has no locks.
            OSError: the directory cannot be read, or the sidecar neither opened nor made.
        """
        from ._changes import clean

        with Change(self, ANY) as change:
            found = clean(self.real(), dry_run=True)
            if dry_run or not found:
                return found  # and no sidecar is made in vain
            self._swept = True  # by us: lock() does not say what it has removed
            change.lock()
            return clean(self.real())

    def left_by_clean(self) -> list[tuple[str, str]]:
        """Return the temps that clean() leaves alone, each with the reason; see Location.left_by_clean.

        Raises:
            OSError: the directory cannot be read.
        """
        from ._changes import left_by_clean

        return left_by_clean(self.real())

    def probe(self) -> list[Finding]:
        """Find out which promises this place keeps; see Location.probe.

        Raises:
            OSError: it can be no file's place: a directory, a loop of links.
        """
        from ._probe import probe

        with Change(self, ANY) as change:
            change.find()
        return probe(self, change.real)

    def _at(self, path: str) -> LocalFile:
        """Return a plain LocalFile at another path."""
        return LocalFile(path)

    def real(self) -> str:
        """Give the path of the file that a commit replaces; see find()."""
        return self.find()[0]

    def find(self) -> tuple[str, os.stat_result | None]:
        """Give the path of the file that a commit replaces and the status of what is stored, None: nothing is.

        Raises:
            OSError: ELOOP for a loop; PermissionError for a link that a stranger may have planted.
        """
        real, status = self._follow()
        return real if self.follow_symlinks else self._absolute, status

    def _follow(self) -> tuple[str, os.stat_result | None]:
        """Follow the last part's symbolic links; give the path they end in and what stands there, None: nothing."""
        real = self._absolute
        try:
            for _ in range(MAX_LINKS + 1):
                status = os.lstat(real)
                if not stat.S_ISLNK(status.st_mode):
                    return real, status
                _refuse_planted(real, status)
                real = os.path.join(os.path.dirname(real), os.readlink(real))
        except FileNotFoundError:
            if real != self._absolute:
                self._refuse_unnamed(real)
            return real, None
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), self._absolute)

    def _refuse_unnamed(self, real: str) -> None:
        """Refuse /dev/stdin and the like: by the text of the link they lead to no file at all, but the kernel opens one."""
        try:
            os.stat(self._absolute)
        except FileNotFoundError:
            return
        try:
            os.lstat(real)  # it may have been made just now
        except FileNotFoundError:
            message = "should be a plain file and is an open pipe or deleted file"
            raise OSError(errno.EINVAL, message, self._absolute) from None

    def lock_for_this(self) -> SidecarLock | None:
        """Lock for one compare and replace, unless this thread holds the lock already."""
        from ._lock import held

        return None if held(self.real()) else self.lock()

    def require(self, expected: object) -> None:
        """Raise ConflictError unless the file is the expected version; None: unless there is none."""
        found = self.version(expected)
        if found != expected:
            raise conflict(self._path, expected, found)

    def _open(self, file: Descriptor) -> None:
        """Open for reading: O_NONBLOCK, for a FIFO would hang; O_NOFOLLOW, to look at links ourselves."""
        path = self._absolute
        while True:
            try:
                file.open(path, os.O_RDONLY | SAFE)
            except OSError as error:
                if error.errno not in (errno.ELOOP, errno.EMLINK):  # EMLINK: FreeBSD's word for it
                    raise
            else:
                return
            # Again with O_NOFOLLOW: whoever changes the end of the path now is looked at in his turn.
            path = self._follow()[0]


class Version:
    """What one file held: its digest, and its stat as a shortcut to it.

    The signature (device, inode, size, mtime) proves nothing by itself: inode numbers are reused at
    once, a file written twice within one tick of the clock has one mtime (git's "racily clean"
    entries), and a mtime can be set. An equal signature with an equal ctime, which cannot be set and
    which rename(2) moves on as well, is proof if both times were well past when the bytes were read.
    """

    __slots__ = ("_read_at", "_status", "digest")

    def __init__(self, status: os.stat_result, digest: bytes | None = None) -> None:
        self._status = status
        self._read_at = time.time_ns()
        self.digest = digest

    @property
    def signature(self) -> tuple[int, int, int, int]:
        """Device, inode, size and mtime in ns."""
        return signature(self._status)

    @property
    def proof(self) -> tuple[int, ...] | None:
        """The signature and the ctime, None where they prove nothing."""
        status = self._status
        settled = self._read_at - max(status.st_mtime_ns, status.st_ctime_ns) > SETTLED_AFTER
        return (*self.signature, status.st_ctime_ns) if settled else None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Version):
            return NotImplemented
        if self.digest is None or other.digest is None:
            return self.signature == other.signature
        return self.signature[2] == other.signature[2] and self.digest == other.digest

    __hash__ = None  # type: ignore[assignment]  # equal digests under unequal signatures: no hash fits both

    def __repr__(self) -> str:
        digest = "not made" if self.digest is None else self.digest.hex()[:16]
        return f"<Version of {self.signature[2]} bytes, digest {digest}>"


class Change:
    """A change of a file: under the lock if it compares, and with errors that name the path as the program spelled it."""

    def __init__(self, place: LocalFile, expected: object) -> None:
        self._place = place
        self._expected = expected
        self._lock: SidecarLock | None = None

    def __enter__(self) -> Self:
        try:
            if self._expected is not ANY:
                self.lock()
                self._place.require(self._expected)
        except BaseException as error:
            self.end(error)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.end(error)

    def lock(self) -> None:
        """Take the lock, unless this thread holds it."""
        self._lock = self._place.lock_for_this()

    def find(self) -> None:
        """Find the file, which must be a plain one."""
        self.real, self.old = self._place.find()
        refuse_special(self.old, self._place.path)

    def end(self, error: BaseException | None) -> None:
        """Release the lock; name the path."""
        if self._lock is not None:
            self._lock.release()
        if error is not None:
            name_path(error, self._place.path)


class Replacement(Change):
    """One replacement of a file, as a context: the block writes a temporary file, which then takes its place."""

    def __init__(self, place: LocalFile, expected: object, exact: bool) -> None:
        super().__init__(place, expected)
        self.file = TempFile(place.path, new_digest if exact or expected is not ANY else None)

    def __enter__(self) -> TempFile:  # type: ignore[override]
        """Lock if there is something to compare, find the file, and begin the new one.

        Raises:
            ConflictError: it shows already that the place does not hold what was expected.
        """
        place, expected = self._place, self._expected
        try:
            if expected is not ANY:
                self.lock()
            self.find()
            # A difference that shows already saves the dump; that none shows proves nothing, see Version.
            if expected is not ANY and (self.old and signature(self.old)) != getattr(expected, "signature", None):
                place.require(expected)
            self.file.begin(self.real, self.old, place.mode)
        except BaseException as error:
            self.end(error)
            raise
        return self.file

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Publish what was written, or, after an exception, drop it."""
        place, expected, file = self._place, self._expected, self.file
        if error is None:
            try:
                file.finish(place.fsync, place.skip_unchanged)
                file.version = Version(file.status, file.digest and file.digest.digest())
                if expected is not ANY:  # again: a program that takes no lock may have written while dump was at work
                    place.require(expected)
                durably(self._publish, real=self.real, name=place.path, fsync=place.fsync, version=file.version)
            except BaseException as failure:
                self.end(failure)
                raise
            self.end(None)
            return
        self.file.discard(error)
        super().end(error if getattr(error, "filename", "") is None else None)  # one with a name of its own is dump's

    def end(self, error: BaseException | None) -> None:
        """Clean up."""
        try:
            self.file.discard(error)
        finally:
            super().end(error)

    def _publish(self) -> None:
        try:
            self.file.publish(exclusive=self._expected is None)
        except FileExistsError:
            self._place.require(None)  # says who was faster
            self.file.publish(exclusive=False)  # nobody: a link that leads nowhere stands there, and is not to be followed


class Reader(Descriptor, StoredFile):
    """The stored bytes, read once from front to back."""

    def __init__(self, path: Any, exact: bool) -> None:
        super().__init__()
        self.name = path
        self._exact = exact

    def begin(self) -> Reader:
        """Look at what was opened; anything but a plain file is closed and refused."""
        try:
            status = os.fstat(self.fd())
            if not stat.S_ISREG(status.st_mode):
                refuse_special(status, self.name)
            self.size = status.st_size
            self._version = Version(status)
            self._digest = new_digest() if self._exact else None
        except BaseException:
            self.close()
            raise
        return self

    @property
    def proof(self) -> tuple[int, ...] | None:
        """The version's proof: known without reading the bytes."""
        return self._version.proof

    @property
    def version(self) -> Version:
        """The version of the bytes; what was not read yet is read now."""
        if self._digest is not None:
            while self.read(min((self.size or 0) + 1, PIECE)):
                pass
            self._version.digest = self._digest.digest()
        return self._version

    def readable(self) -> bool:
        """Say yes."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Read what comes next into the buffer."""
        view = memoryview(buffer).cast("B")
        # In pieces: a damaged pickle claims to be huge, and the system sets aside what it is asked for.
        data = self._take(min(len(view), PIECE))
        view[: len(data)] = data
        if self._digest is not None:
            self._digest.update(data)
        return len(data)

    def readall(self) -> bytes:
        """Read all the rest, in one piece where the size has not changed."""
        pieces: list[bytes] = []
        want = (self.size or 0) + 1
        while data := self._take(want):
            pieces.append(data)
            want = max(want - len(data), 1 << 16)
        content = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        if self._digest is not None:
            self._digest.update(content)
        return content

    def _take(self, size: int) -> bytes:
        try:
            return os.read(self.fd(), size)
        except OSError as error:
            name_path(error, self.name)
            raise


def new_digest() -> Any:
    """Start a digest of file content: blake2b, the fastest strong one in hashlib."""
    import hashlib  # here: 2 ms that only a store that compares pays

    return hashlib.blake2b(digest_size=32)


def signature(status: os.stat_result) -> tuple[int, int, int, int]:
    """Give device, inode, size and mtime in ns."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def refuse_special(status: os.stat_result | None, path: Any) -> None:
    """Refuse what is no plain file: reading one may hang, replacing one breaks the system."""
    if status is not None and not stat.S_ISREG(status.st_mode):
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, "should be a plain file and is a directory", path)
        raise OSError(errno.EINVAL, "should be a plain file and is a device, pipe or socket", path)


def _absolute(path: str | bytes | os.PathLike[str] | os.PathLike[bytes]) -> str:
    try:
        text = os.fsdecode(path)
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
        from ._windows import extended

        return extended(os.path.abspath(text))
    if text.startswith("/"):
        return text  # works even where the current directory is lost
    try:
        # Joined, not normalised: `link/../file` is not `file` where link leads elsewhere.
        return os.path.join(os.getcwd(), text)
    except OSError as error:
        name_path(error, path)
        raise


def _refuse_planted(link: str, status: os.stat_result) -> None:
    """Refuse a link that a stranger may have put into a directory like /tmp.

    The kernel's rule (proc(5), protected_symlinks), applied here as well since a commit resolves
    links by itself: in a sticky, world-writable directory only our own and its owner's are followed.
    """
    directory = os.path.dirname(link)
    place = os.stat(directory)
    if not place.st_mode & stat.S_ISVTX or not place.st_mode & stat.S_IWOTH:
        return
    if status.st_uid not in (os.geteuid(), place.st_uid):
        raise PermissionError(
            errno.EACCES,
            f"should not be followed: a symbolic link of user {status.st_uid} in the world-writable {directory!r}",
            link,
        )
