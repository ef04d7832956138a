"""atomic_write: a file that is published all or nothing, for code that writes files itself."""

from __future__ import annotations

import errno
import io

from .errors import AtomicStoreError, ConflictError
from .locations import ANY
from .store import locate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import IO, Any, Generic, Literal, NoReturn, TypeVar, overload

    from .locations import Context
    from .store import Path

    F = TypeVar("F", bound=IO[Any])
else:
    from .store import Generic

    Any = F = Path = TracebackType = object  # as in errors.py

    def overload(signature):
        """Stand in for typing.overload, whose import costs more than the rest of the start-up."""
        return signature


BUFFER = 1 << 16  # bytes; each write to a place costs, and some writers write every field by itself
_WITH = "use it in a with block, `with atomic_write(...) as file`"


class AtomicWrite(Generic[F]):
    """The context manager that atomic_write() returns. It can be used again, for another file."""

    _open = False

    def __init__(self, location: Path, mode: str, overwrite: bool) -> None:
        if mode not in ("w", "wb"):
            raise ValueError(f'mode should be "wb" or "w", not {mode!r}: nothing is read, and nothing appended')
        if overwrite not in (True, False):
            raise TypeError(f"overwrite should be True or False, not {overwrite!r}")
        self._location = locate(location)
        self._mode = mode
        self._overwrite = overwrite

    def __repr__(self) -> str:
        return f"<atomic_write of {self._location.path!r}, mode {self._mode!r}>"

    def __getattr__(self, name: str) -> Any:
        """Raise with what to do where it is used as if it were the file."""
        raise AttributeError(f"atomic_write() has no {name!r}: {_WITH}")

    def write(self, *_: Any) -> NoReturn:
        """Raise AtomicStoreError: without this method csv, pandas and lxml say only that this is no file."""
        raise AtomicStoreError(f"the new file of {self._location.path!r} is not open: {_WITH}")

    def __enter__(self) -> F:
        """Create the new file, which readers do not see yet, and return it.

        Raises:
            FileExistsError: overwrite=False, and the file exists.
            AtomicStoreError: the block is already open.
            OSError: the location cannot be written.
        """
        if self._open:
            raise AtomicStoreError(f"the block that writes {self._location.path!r} is open: call atomic_write() once more")
        self._sink = NewFile(self._location.path)
        self._replacement: Context = self._location.replace(ANY if self._overwrite else None)
        try:
            self._sink.inner = self._replacement.__enter__()
            file: F = self._dressed()
        except ConflictError as error:
            raise self._translated(error) from error
        except BaseException as error:
            if self._sink.inner is not None:
                self._replacement.__exit__(error.__class__, error, error.__traceback__)
            raise
        self._file: Any = file
        self._open = True
        return file

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Publish the file, or discard it after an exception.

        Raises:
            FileExistsError: overwrite=False, and the file was created meanwhile.
            UncertainCommitError: the file is visible but may not survive a power cut, or it is unknown whether
                the commit took effect.
            OSError: the location cannot be written, or a write inside the block failed. The old file is unchanged.
        """
        self._open = False
        try:
            if error is None and not self._file.closed:
                self._file.flush()
            self._sink.close()
            if error is None and self._sink.failure is not None:
                raise self._sink.failure
        except BaseException as failure:
            self._replacement.__exit__(failure.__class__, failure, failure.__traceback__)
            raise
        try:
            self._replacement.__exit__(kind, error, trace)
        except ConflictError as conflict:
            raise self._translated(conflict) from conflict

    def _dressed(self) -> Any:
        """Return what the block gets; its type is what the overloads of atomic_write() say."""
        readable = getattr(self._sink.inner, "readable", None)
        real = readable is not None and readable()
        file = RealFile(self._sink, BUFFER) if real else io.BufferedWriter(self._sink, BUFFER)
        if self._mode == "wb":
            return file
        # newline="": what is written is what is stored, on every system.
        text: Any = io.TextIOWrapper(file, "utf-8", newline="")
        text.mode = "w"  # as open() sets it
        return text

    def _translated(self, error: ConflictError) -> Exception:
        """Return the error that open(path, "x") raises; but where nothing is known to be stored, it remains what it is."""
        if error.found is None:
            return error
        return FileExistsError(errno.EEXIST, "should not exist yet, and does; it was left alone", self._location.path)


class RealFile(io.BufferedRandom):
    """A new file on a disk, as open(path, "w+b") returns one."""

    def fileno(self) -> int:
        """Return the descriptor, where the place has one, after a flush: what is written to it directly comes later."""
        self.flush()
        return super().fileno()


class NewFile(io.RawIOBase):
    """The location's file, below the buffer; closing it closes nothing underneath.

    Attributes:
        given: the place as the program spelled it.
        name: the path of the new file on a local disk, where a program may write to it by name; else `given`.
        mode: as that of a file that open() gives, for programs that ask for it.
        inner: the location's file.
        failure: what the first write that failed has raised: a block that swallows it publishes nothing.
    """

    mode = "wb"
    closed: bool = False  # an attribute, not io's property: the buffer asks at each write
    inner: Any = None  # until the block begins
    failure: BaseException | None = None

    def __init__(self, given: Any) -> None:
        self.given = given

    @property
    def name(self) -> Any:
        """See the class."""
        return getattr(self.inner, "own_path", self.given)

    def close(self) -> None:
        """Refuse whatever comes next; the location's file stays open."""
        self.closed = True  # pyright: ignore[reportIncompatibleMethodOverride]

    def readable(self) -> bool:
        """Return True: whether the place can read back shows when it is asked to."""
        return True

    def writable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True: whether the place can seek shows when it is asked to."""
        return True

    def write(self, data: Any) -> int:
        """Write all of the bytes."""
        self._require_open()
        view = memoryview(data)
        if self.failure is None:
            try:
                self.inner.write(view)
            except BaseException as error:
                self.failure = error
                raise
        elif not isinstance(self.failure, InterruptedError):  # upon that io's buffer asks again, for ever
            raise self.failure
        return view.nbytes

    def tell(self) -> int:
        """Return the position."""
        self._require_open()
        position: int = 0 if self.inner is None else self.inner.tell()
        return position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move the position; UnsupportedOperation where the place is written from front to back only."""
        position: int = self._part("seek")(offset, whence)
        return position

    def truncate(self, size: int | None = None) -> int:
        """Cut the file; UnsupportedOperation as above."""
        length: int = self._part("truncate")(size)
        return length

    def readinto(self, buffer: Any) -> int:
        """Read back what was written; UnsupportedOperation as above."""
        size: int = self._part("readinto")(buffer)
        return size

    def fileno(self) -> int:
        """Return the descriptor; UnsupportedOperation where the place has none."""
        number: int = self._part("fileno")()
        return number

    def _part(self, name: str) -> Any:
        self._require_open()
        return getattr(self.inner, name)

    def _require_open(self) -> None:
        if self.closed:
            raise ValueError(f"the new file of {self.given!r} is closed")


@overload
def atomic_write(location: Path, mode: Literal["wb"] = "wb", overwrite: bool = True) -> AtomicWrite[IO[bytes]]: ...


@overload
def atomic_write(location: Path, mode: Literal["w"], overwrite: bool = True) -> AtomicWrite[IO[str]]: ...


def atomic_write(location: Path, mode: str = "wb", overwrite: bool = True) -> AtomicWrite[Any]:
    """Return a context manager whose file replaces `location` when the block ends without an exception.

    The block gets a file object for csv, lxml, zipfile, pandas or any code that takes an open file. On a
    local disk it can seek and be read back, as one of open(location, "w+b"). Symlinks, mode and owner are
    kept as in a commit. Once the block has ended, the file is durable. On S3 the content is uploaded while
    the block runs; if the block raises, the upload is aborted.

    Args:
        location: what open() takes as `path`.
        mode: "wb" for bytes, "w" for str, which is stored as UTF-8 without newline translation.
        overwrite: False to create the file only if it does not exist, up to the end of the block.

    Raises:
        FileExistsError: overwrite=False, and the file exists.
        UncertainCommitError: the file is visible but may not survive a power cut, or it is unknown whether
            the commit took effect.
        LocationError: `location` cannot name a location.
        TypeError, ValueError: an argument has a wrong type or an unknown value.
        OSError: the location cannot be written. The old file is unchanged.
    """
    return AtomicWrite(location, mode, overwrite)
