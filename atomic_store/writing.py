"""atomic_write: for code that writes by itself, a file that is published whole or not at all."""

from __future__ import annotations

import errno
import io

from .errors import AtomicStoreError, ConflictError
from .locations import ANY
from .store import locate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import IO, Any, Generic, Literal, TypeVar, overload

    from .locations import Context
    from .store import Path

    F = TypeVar("F", bound=IO[Any])
else:
    from .store import Generic

    F = None

    def overload(signature):
        """Stand in for typing.overload, whose import costs more than the rest of the start-up."""
        return signature


class AtomicWrite(Generic[F]):
    """What atomic_write() gives: a context manager around one new file. Entered again afterwards, it begins another one."""

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

    def __enter__(self) -> F:
        """Begin the new file; nobody sees it yet.

        Raises:
            FileExistsError: overwrite=False, and there is something.
            AtomicStoreError: it is entered already.
            OSError: the place cannot be written.
        """
        if self._open:
            raise AtomicStoreError(f"the block that writes {self._location.path!r} is open: call atomic_write() once more")
        self._sink = NewFile(self._location.path)
        self._file = self._dressed()
        self._replacement: Context = self._location.replace(ANY if self._overwrite else None)
        try:
            # Last, and without a call in between: an interrupt after it would leave what nobody removes.
            self._sink.inner = self._replacement.__enter__()
        except ConflictError as error:
            raise self._translated(error) from error
        self._open = True
        file: F = self._file
        return file

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Publish the file, or, after an exception, nothing at all.

        Raises:
            FileExistsError: overwrite=False, and something has appeared meanwhile.
            UncertainCommitError: it is visible but may not last, or nobody knows.
            OSError: the place cannot be written, or a write of the block had failed; what was there is whole.
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
        """Give what the block gets; its type is what the overloads of atomic_write() say."""
        # newline="": what is written is what is stored, on every system.
        return io.TextIOWrapper(self._sink, "utf-8", newline="") if self._mode == "w" else self._sink

    def _translated(self, error: ConflictError) -> Exception:
        """Say it as open(path, "x") does; but where nothing is known to be stored, it remains what it is."""
        if error.found is None:
            return error
        return FileExistsError(errno.EEXIST, "should not exist yet, and does; it was left alone", self._location.path)


class NewFile(io.RawIOBase):
    """The file that the block writes, from front to back; closing it closes nothing underneath.

    Attributes:
        name: the place as the program spelled it.
        mode: as that of a file that open() gives, for who asks for it.
        inner: the location's file.
        failure: what the first write that failed has raised: whoever swallows it publishes nothing.
    """

    mode = "wb"
    inner: Any
    failure: BaseException | None = None

    def __init__(self, name: Any) -> None:
        self.name = name

    def writable(self) -> bool:
        """Say yes."""
        return True

    def write(self, data: Any) -> int:
        """Take all of the bytes."""
        self._require_open()
        if isinstance(data, str):
            raise TypeError('a bytes-like object is required, not str: atomic_write(..., "w") takes str')
        view = memoryview(data)
        if self.failure is None:
            try:
                self.inner.write(view)
            except BaseException as error:
                self.failure = error
                raise
        elif not isinstance(self.failure, InterruptedError):  # upon that io.TextIOWrapper asks again, for ever
            raise self.failure
        return view.nbytes

    def tell(self) -> int:
        """Say how many bytes were written."""
        self._require_open()
        position: int = self.inner.tell()
        return position

    def fileno(self) -> int:
        """Give the descriptor, where the place has one."""
        self._require_open()
        number: int = self.inner.fileno()
        return number

    def _require_open(self) -> None:
        if self.closed:
            raise ValueError(f"the new file of {self.name!r} is closed")


@overload
def atomic_write(location: Path, mode: Literal["wb"] = "wb", overwrite: bool = True) -> AtomicWrite[IO[bytes]]: ...


@overload
def atomic_write(location: Path, mode: Literal["w"], overwrite: bool = True) -> AtomicWrite[IO[str]]: ...


def atomic_write(location: Path, mode: str = "wb", overwrite: bool = True) -> AtomicWrite[Any]:
    """Write a file that is published whole when the block ends, and not at all if an exception ends it.

    The block gets the file object, which whatever takes a file can fill: csv, lxml, zipfile, pandas,
    Django's serializers. It is written from front to back, without seek(). All the care of a commit
    is taken: links, mode and owner stay, and after the block the file is durable. On S3 it is sent
    while the block writes, and an upload that fails is aborted.

    Args:
        location: what open() takes as `path`.
        mode: "wb" for bytes, "w" for str, which is stored as UTF-8 without newline translation.
        overwrite: False: only create; what exists already, also at the last moment, is left alone.

    Raises:
        FileExistsError: overwrite=False, and there is something.
        UncertainCommitError: it is visible but may not last, or nobody knows.
        LocationError, TypeError: `location` can be none; ValueError, TypeError: an unknown mode or overwrite.
        OSError: the place cannot be written; what was there is whole.
    """
    return AtomicWrite(location, mode, overwrite)
