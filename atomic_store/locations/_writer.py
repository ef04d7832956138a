"""One commit of a local file: temp file, fsync, rename, fsync of the directory.

Every system call of a commit is made in this file. The protocol's frame, and what it knows of
Windows (MoveFileEx) and macOS (F_FULLFSYNC), is atomicwrites' AtomicWriter; its four hooks are
overridden, for it knows neither modes nor owners, closes the file before commit(), and rolls back
after the rename as well.
"""

from __future__ import annotations

import errno
import itertools
import os
import random
import re
import stat
import sys
import time

import atomicwrites

from ..errors import AtomicStoreError, UncertainCommitError
from ._descriptor import CAREFUL, Descriptor
from ._flock import NO_LOCKS, flock
from ._local import Version, new_digest, refuse_special, signature, tell_path
from ._names import beside, split, with_tail
from .base import ANY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType
    from typing import Any

    from _typeshed import ReadableBuffer

    from ._local import LocalFile
    from ._lock import SidecarLock

BUFFER = 1 << 16  # bytes; what a csv writer hands over row by row reaches the kernel in such pieces
STALE_AFTER = 60  # seconds; a younger temp may belong to a writer that has not locked it yet

_CANNOT_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
_NOT_PERMITTED = (errno.EPERM, errno.EACCES, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL)
_NO_TEMP = (errno.ENOENT, errno.ELOOP, errno.EMLINK, errno.EISDIR, errno.ENXIO)  # it is gone, or no plain file
_ACL = "system.posix_acl_access"
_sync: Any = atomicwrites.AtomicWriter("", mode="wb").sync  # fsync; on macOS F_FULLFSYNC

# Names need only differ, O_EXCL does the rest; os.urandom would be one more system call a commit.
_names = random.Random()  # noqa: S311 - no secret: see above
_process = os.getpid()  # kept, for asking each time would be one more system call a commit


def _after_fork() -> None:
    global _process
    _process = os.getpid()
    _names.seed()


if hasattr(os, "register_at_fork"):  # pragma: no branch - Windows does not fork
    os.register_at_fork(after_in_child=_after_fork)


class TempFile:
    """The hidden file that becomes the new one: binary, written from front to back.

    A plain class: what io.RawIOBase does at its making and end costs as much as a commit's own steps.

    Attributes:
        before: the size of the file that it replaces, None: there is none.
    """

    before: int | None = None

    def __init__(self, path: Any, exact: bool) -> None:
        self.name = path
        self.descriptor = Descriptor()
        self.closed = False
        self._buffer = bytearray()
        self._size = 0
        self._lent = False
        self._failure: BaseException | None = None
        self._digest = new_digest() if exact else None

    @property
    def version(self) -> Version:
        """The version of what was written."""
        return self._version

    def writable(self) -> bool:
        """Say yes."""
        return True

    def fileno(self) -> int:
        """Give the descriptor, everything written so far handed to the kernel."""
        self.flush()
        self._lent = True
        return self.descriptor.fileno()

    def tell(self) -> int:
        """Say how many bytes were written."""
        return self._size

    def write(self, data: ReadableBuffer) -> int:
        """Take all of the bytes."""
        if self.closed:
            raise ValueError(f"write to the closed file of {self.name!r}")
        view = memoryview(data).cast("B")
        size = len(view)
        if size + len(self._buffer) <= BUFFER:
            self._buffer += view
        else:
            self.flush()
            self._write_out(view)
        self._size += size
        return size

    def flush(self) -> None:
        """Hand what was written to the kernel."""
        if self._buffer:
            buffer, self._buffer = self._buffer, bytearray()
            self._write_out(memoryview(buffer))

    def _write_out(self, view: memoryview) -> None:
        self.require_whole()
        if self._digest is not None:
            self._digest.update(view)
        try:
            while view:
                # write(2) may take less, and takes at most 2 GiB; an unchecked short write is a torn file.
                view = view[os.write(self.descriptor.fileno(), view) :]
        except BaseException as error:
            self._failure = error
            raise

    def require_whole(self) -> None:
        """Raise the error of a write that has failed: a dump that swallows it shall not publish what is left."""
        if self._failure is not None:
            raise self._failure

    def close(self) -> None:
        """Close the descriptor; what is still in the buffer is given up, sync() has been before."""
        self.closed = True
        self.descriptor.close()

    def seal(self, status: os.stat_result) -> None:
        """Settle the version of what was written, by the status of the file after the last write."""
        self._version = Version(status)
        if self._digest is not None:
            if self._lent:  # dump may have written past us, even a header into what we have digested
                self._digest = _digest_of(self.descriptor.fileno())
            self._version.digest = self._digest.digest()


class Writer(atomicwrites.AtomicWriter):
    """One replacement of a file, as a context: the block writes, its clean end publishes.

    The steps are AtomicWriter's four hooks. Its frame is a generator, and cannot be ours: it leaves a
    temp whose opening was interrupted, and rolls back after the rename as well. Here an
    interrupt inside __enter__ or __exit__ still cleans up. One that comes as __exit__ begins is before
    every `try`: then this object is dropped, and its finalizer does it. So nothing that it holds
    may refer to it; and only a writer with something to undo has a finalizer, since what a signal
    handler raises in one is thrown away.

    Args:
        place: what is written, and how.
        expected: the version that the place must hold just before the rename, None: nothing, ANY: whatever.
        exact: whether the file's version needs a digest.
    """

    def __init__(self, place: LocalFile, expected: object, exact: bool) -> None:
        super().__init__(place.path, mode="wb", overwrite=expected is not None)
        self._place = place
        self._expected = expected
        # It exists before anything is made: whoever interrupts us finds what to close.
        self.file = TempFile(place.path, exact or expected is not ANY)
        self._process = _process
        self._temp = ""  # while there is one, its path
        self._lock: SidecarLock | None = None
        self._unchanged = False

    def open(self) -> Writer:  # type: ignore[override]  # the base gives its generator
        """Give the context, which is this object."""
        return self

    def __enter__(self) -> TempFile:
        """Lock if there is something to compare, find the file, and begin the new one.

        Raises:
            ConflictError: it shows already that the place does not hold what was expected.
        """
        place, expected = self._place, self._expected
        self.__class__ = _Unfinished  # pyright: ignore[reportAttributeAccessIssue]  # with the finalizer
        try:
            if expected is not ANY:
                self._lock = place.lock_for_this()
            self.real, self._old = place.find()
            refuse_special(self._old, place.path)
            # A difference that shows already spares the dump; that none shows proves nothing, see Version.
            if expected is not ANY and (self._old and signature(self._old)) != getattr(expected, "signature", None):
                place.require(expected)
            self.file.before = self._old and self._old.st_size
            return self.get_fileobject()
        except BaseException as error:
            self._end(error)
            tell_path(error, place.path)
            raise

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Publish what was written, or, after an exception, drop it."""
        try:
            if error is None:
                self.sync(self.file)
                self.file.close()
                self.commit(self.file)
                if self._lock is None and not self._temp:  # nothing is left to clean up
                    self.__class__ = Writer  # pyright: ignore[reportAttributeAccessIssue]  # and without it again
                    return
        except BaseException as failure:
            self._end(failure)
            tell_path(failure, self._place.path)
            raise
        self._end(error)
        if isinstance(error, OSError) and error.filename is None:
            tell_path(error, self._place.path)  # ours, from write(); one with a name of its own is dump's

    def _end(self, error: BaseException | None) -> None:
        """Clean up and give the lock back."""
        try:
            self.rollback(self.file, error)
        finally:
            if self._lock is not None:
                self._lock.release()
        self.__class__ = Writer  # pyright: ignore[reportAttributeAccessIssue]  # and without it again

    def get_fileobject(self, **_: Any) -> TempFile:  # type: ignore[override]  # the base says IO; ours is one
        """Open the temp beside the real file: never through a link, never wider than the file it replaces."""
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | CAREFUL
        created = 0o666 if self._place.mode is None else self._place.mode
        mode = created if self._old is None else 0o600
        self._temp = temp_name(self.real)  # known before it is made, as above
        descriptor = self.file.descriptor.take(os.open, self._temp, flags, mode)
        try:
            flock(descriptor, wait=False)  # it is in use: nobody sweeps it
        except OSError as error:
            if error.errno not in NO_LOCKS:  # where there are none, no sweeper can lock it either, and so none removes it
                raise
        return self.file

    def sync(self, f: Any) -> None:
        """Give the temp the old file's attributes and bring it to the disk, as far as asked for; a failed fsync is final.

        After a failed fsync the kernel may have dropped the pages and call the next one a success
        (PostgreSQL's "fsyncgate", 2018): nothing is retried, the temp goes.
        """
        if self._process != _process:
            raise AtomicStoreError(f"the dump for {self._place.path!r} has forked: the parent commits, the child must not")
        f.require_whole()
        f.flush()
        number = f.descriptor.fileno()
        status = os.fstat(number)
        f.seal(status)
        self._unchanged = self._place.skip_unchanged and self._old is not None and self._is_stored(f, status.st_size)
        if self._unchanged:
            return
        if self._old is not None and hasattr(os, "fchown"):
            _keep_attributes(number, status, self.real, self._old)
        if self._place.fsync:
            super().sync(f)

    def commit(self, f: Any) -> None:
        """Rename the temp to the real name and make the name durable, as far as asked for."""
        # Once more: those who lock have been waiting, others may have come while dump was at work.
        if self._expected is not ANY:
            self._place.require(self._expected)
        _durably(self._publish, self.real, self._place, f.version)

    def _is_stored(self, f: TempFile, size: int) -> bool:
        """Say whether the place holds the very bytes of the temp; if so, bring those to the disk instead."""
        stored = Descriptor()
        try:
            stored.take(os.open, self.real, os.O_RDONLY | CAREFUL)
            status = os.fstat(stored.fileno())
            pairs = itertools.zip_longest(_pieces(f.descriptor.fileno()), _pieces(stored.fileno()))
            if status.st_size != size or any(ours != theirs for ours, theirs in pairs):
                return False
            if self._place.fsync:
                _sync(stored)  # whoever wrote them may not have waited for the disk
            f.seal(status)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ELOOP, errno.EMLINK):  # deleted, or a link, which is to be replaced
                raise
            return False
        finally:
            stored.let_go()
        return True

    def _publish(self) -> None:
        if self._unchanged:
            self._discard(None)  # what fails here is tried again by rollback()
        elif self._expected is None:
            self._link()
        else:
            self._rename()

    def _rename(self) -> None:
        try:
            if _on_windows():
                _patiently(atomicwrites.replace_atomic, self._temp, self.real)
            else:
                os.replace(self._temp, self.real)
        except OSError as error:
            if error.errno in (errno.EBUSY, errno.EXDEV):
                raise OSError(
                    error.errno,
                    f"{error.strerror}: a file that is mounted by itself cannot be replaced; mount its directory instead",
                    self.real,
                ) from error
            raise
        self._temp = ""

    def _link(self) -> None:
        """Publish under a name that must be free: unlike rename(2), link(2) replaces nothing."""
        try:
            if _on_windows():
                _patiently(atomicwrites.move_atomic, self._temp, self.real)
                self._temp = ""
                return
            os.link(self._temp, self.real)
        except FileExistsError:
            self._place.require(None)  # says who was faster
            self._rename()  # nobody: a link that leads nowhere stands in the place, and is not to be followed
            return
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            self._rename()  # FAT and the like; compare() has just looked, under the lock
            return
        self._discard(None)  # that name is one too many now; what fails here is tried again by rollback()

    def rollback(self, f: Any, error: BaseException | None = None) -> None:
        """Close the temp and remove it, unless it was published; what cannot be removed is named in a note to `error`."""
        try:
            f.close()
        except OSError as failure:
            if error is not None:
                error.add_note(f"closing the temp file failed too: {failure}")
        if self._process == _process:  # a child leaves its parent's commit alone
            self._discard(error)

    def _discard(self, error: BaseException | None) -> None:
        if not self._temp:
            return
        try:
            os.unlink(self._temp)
        except FileNotFoundError:
            pass  # it was never made, or an interrupt came between the rename and its flag
        except OSError as failure:
            if error is not None:
                error.add_note(f"the temp file {self._temp!r} could not be removed: {failure}")
            return
        self._temp = ""


class _Unfinished(Writer):
    """A writer that has something to undo, and does so when nobody holds it any more."""

    def __del__(self) -> None:
        self._end(None)


def temp_name(real: str) -> str:
    """Choose a temp's name, `.NAME.<16 hex digits>.tmp` beside the real file."""
    return beside(real, f".{_names.getrandbits(64):016x}.tmp")


def remove(real: str, place: LocalFile) -> None:
    """Delete a file and make that durable; that there is none is no error, and is made durable too."""

    def unlink() -> None:
        try:
            if _on_windows():
                _patiently(os.unlink, real)
            else:
                os.unlink(real)
        except FileNotFoundError:
            pass  # by an earlier delete() of ours, perhaps, whose sync has failed

    try:
        _durably(unlink, real, place, None)
    except FileNotFoundError:
        return  # not even a directory


def move_aside(real: str, place: LocalFile) -> str:
    """Rename a file to `NAME.corrupt-<UTC time>`, durably and never over another one; give the new path."""
    stamp = f".corrupt-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}"
    names = (with_tail(real, f"{stamp}-{count}" if count else stamp) for count in itertools.count())
    aside = next(name for name in names if not os.path.lexists(name))

    def move() -> None:
        try:
            os.link(real, aside)  # link(2) replaces nothing
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            os.rename(real, aside)  # FAT and the like; the name was free a moment ago, and we hold the lock
        else:
            os.unlink(real)

    _durably(move, real, place, None)
    return aside


def _durably(change: Callable[[], None], real: str, place: LocalFile, version: object) -> None:
    """Make a change of names in the directory of `real`, and make it durable, if the place wants that.

    Raises:
        UncertainCommitError: the change was made, and its sync failed: what is visible may not last.
    """
    directory = Descriptor()
    syncs = place.fsync is True and not _on_windows()
    try:
        if syncs:  # opened first: what stands in the way of the last step shall end it before the change
            _open_directory(directory, split(real)[0])
        change()
        if syncs:
            _sync_directory(directory, place.path, version)
    finally:
        directory.let_go()


def _on_windows() -> bool:
    """Say whether no directory can be opened here, nor synced; MoveFileEx makes its own renames durable instead."""
    return not hasattr(os, "O_DIRECTORY")


def _patiently(step: Callable[..., Any], *args: Any) -> None:
    from ._windows import patiently

    patiently(step, *args)


def _open_directory(directory: Descriptor, path: str) -> None:
    try:
        directory.take(os.open, path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except PermissionError as error:
        error.add_note(f"to sync it, a commit must be permitted to read the directory {path!r}")
        raise


def _sync_directory(directory: Descriptor, path: Any, version: object) -> None:
    try:
        _sync(directory)
    except OSError as error:
        if error.errno in _CANNOT_SYNC:
            return  # this file system makes names durable in its own way or not at all: docs/guarantees.md
        raise UncertainCommitError(
            error.errno,
            f"{error.strerror}: the directory could not be synced. The new state is visible, whole, "
            "and may be undone by a power loss; do it once more to be sure",
            path,
            version=version,
        ) from error


def sweep(real: str) -> None:
    """Remove the temps that crashed writers of this very file have left; call with its lock held.

    A temp is left alone while it is younger than STALE_AFTER or locked by its writer. What cannot
    be removed stays: house-keeping fails no commit.
    """
    try:
        clean(real)
    except OSError:
        pass


def clean(real: str, dry_run: bool = False) -> list[tuple[str, OSError | None]]:
    """Do what sweep() does, or only look for it; give each stale temp, with the error if it cannot be removed.

    Raises:
        OSError: the directory cannot be read.
    """
    directory, prefix = split(beside(real, f".{'0' * 16}.tmp"))
    pattern = re.compile(re.escape(prefix.removesuffix(f"{'0' * 16}.tmp")) + r"[0-9a-f]{16}\.tmp")
    found: list[tuple[str, OSError | None]] = []
    for name in sorted(filter(pattern.fullmatch, os.listdir(directory))):
        temp = os.path.join(directory, name)
        try:
            if _clean_one(temp, dry_run):
                found.append((temp, None))
        except OSError as error:
            found.append((temp, error))
    return found


def _clean_one(temp: str, dry_run: bool) -> bool:
    """Remove a temp, or only look at it; say whether it is stale."""
    descriptor = Descriptor()
    try:
        number = descriptor.take(os.open, temp, os.O_RDWR | CAREFUL)
        status = os.fstat(number)
        if not stat.S_ISREG(status.st_mode) or time.time() - status.st_mtime < STALE_AFTER:
            return False
        try:
            flock(number, wait=False)
        except OSError:
            return False  # its writer is at work; or nothing here can be locked, and nobody can know
        if dry_run:
            return True
        if _on_windows():
            descriptor.let_go()  # what is open cannot be deleted there
        os.unlink(temp)
    except OSError as error:
        if error.errno in _NO_TEMP:
            return False
        raise
    finally:
        descriptor.let_go()
    _warn("removed %r, which a writer that was killed has left", temp)
    return True


def _warn(message: str, *args: object) -> None:
    if "logging" in sys.modules:  # see log.py
        from ..log import warn

        warn(message, *args)


def _keep_attributes(descriptor: int, new: os.stat_result, real: str, old: os.stat_result) -> None:
    """Give the temp owner, group, ACL, extended attributes and, last, the mode of the file it replaces.

    Owner first: chown clears set-id bits. Mode last: until then nobody else may read the temp.
    """
    source = Descriptor()
    try:
        names = _xattrs(real)
        if names:
            # All from one file: a secret one that is put there meanwhile shall not show its own under this one's mode.
            old, names = _open_source(source, real, old, names)
        mode = stat.S_IMODE(old.st_mode)
        group_kept = (new.st_uid, new.st_gid) == (old.st_uid, old.st_gid) or keep_owner(descriptor, new, old)
        group_kept = _keep_xattrs(descriptor, source, names, group_kept)
    finally:
        source.let_go()
    if not group_kept:
        # Another group shall not see what only the old one could: its bits become those of "other".
        mode = mode & ~(stat.S_IRWXG | stat.S_ISGID) | (mode & stat.S_IRWXO) << 3
        _warn("the group %s of %r cannot be kept: its members have the rights of all others from now on", old.st_gid, real)
    if new.st_uid != old.st_uid and os.geteuid() != 0:
        mode &= ~stat.S_ISUID
    if mode != stat.S_IMODE(new.st_mode):
        os.fchmod(descriptor, mode)


def _open_source(source: Descriptor, real: str, old: os.stat_result, names: list[str]) -> tuple[os.stat_result, list[str]]:
    """Open the file whose attributes are kept; give its status and their names, or what is known if it cannot be opened."""
    try:
        status = os.fstat(source.take(os.open, real, os.O_RDONLY | CAREFUL))
    except OSError as error:
        if error.errno not in (*_NO_TEMP, *_NOT_PERMITTED):
            raise
        return old, names
    if stat.S_ISREG(status.st_mode):
        return status, _xattrs(source.fileno())
    source.let_go()
    return old, names


def keep_owner(descriptor: int, new: os.stat_result, old: os.stat_result) -> bool:
    """Give the temp the old owner and group as far as permitted; say whether the group is kept."""
    for owner in (old.st_uid, -1):
        try:
            os.fchown(descriptor, owner, old.st_gid)
        except OSError as error:
            if error.errno not in _NOT_PERMITTED:
                raise
        else:
            return True
    return new.st_gid == old.st_gid


def _keep_xattrs(descriptor: int, source: Descriptor, names: list[str], group_kept: bool) -> bool:
    """Copy user.* attributes, the SELinux context and the POSIX ACL from an open file, as far as permitted.

    Never security.ima, .evm or .capability: they vouch for the old bytes. Say whether the group
    may have its bits of the mode: with an ACL they are the mask, which without it allows too much.
    """
    for name in names:
        if name.startswith("user.") or name == "security.selinux":
            _keep_xattr(descriptor, source, name)
    if group_kept and _ACL in names:
        group_kept = _keep_xattr(descriptor, source, _ACL)
    if (_ACL not in names or not group_kept) and _ACL in _xattrs(descriptor):
        # The directory's default ACL has given the temp one, which the mode would wake up (acl(5)).
        os.removexattr(descriptor, _ACL)
    return group_kept


def _keep_xattr(descriptor: int, source: Descriptor, name: str) -> bool:
    if not source:
        return False
    try:
        os.setxattr(descriptor, name, os.getxattr(source.fileno(), name))
    except OSError as error:
        if error.errno not in (errno.ENODATA, *_NOT_PERMITTED):
            raise
        return False
    return True


def _xattrs(file: str | int) -> list[str]:
    if not hasattr(os, "listxattr"):
        return []
    try:
        return os.listxattr(file, follow_symlinks=isinstance(file, int))
    except FileNotFoundError:
        return []  # deleted meanwhile by somebody else; the commit goes on and makes it anew
    except OSError as error:
        if error.errno not in _NOT_PERMITTED:
            raise
        return []


def _digest_of(descriptor: int) -> Any:
    digest = new_digest()
    for piece in _pieces(descriptor):
        digest.update(piece)
    return digest


def _pieces(descriptor: int) -> Iterator[bytes]:
    """Read a file from its front to its end."""
    os.lseek(descriptor, 0, os.SEEK_SET)
    while piece := os.read(descriptor, 1 << 20):
        yield piece
