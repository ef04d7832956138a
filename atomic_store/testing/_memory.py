"""Memory, a location in this process."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Generator  # noqa: TC003 - for typing.get_type_hints()
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..errors import LockError, LockTimeout
from ..locations import ANY, Location, Lock, StoredFile, conflict

if TYPE_CHECKING:
    from types import TracebackType

    from _typeshed import ReadableBuffer, WriteableBuffer


class Memory(Location):
    """A location in memory that behaves like a LocalFile.

    Stores that share it see each other's commits, as with one file. Its lock works between threads. After a
    fork, parent and child each have a copy.

    Args:
        content: the stored bytes, or None if nothing is stored.
        path: the name in error messages, whose suffix format="auto" uses.

    Attributes:
        content: the bytes that are stored now. Assign bytes to act as another writer.
        asides: the contents that were quarantined, oldest first.
    """

    def __init__(self, content: bytes | None = None, path: str = "memory") -> None:
        self.content = content
        self.asides: list[bytes] = []
        self._path = path
        self._condition = threading.Condition()
        self._holder: _MemoryLock | None = None

    def __repr__(self) -> str:
        return f"Memory({self.content!r}, {self._path!r})"

    @property
    def path(self) -> str:
        """The name in error messages."""
        return self._path

    def read(self, exact: bool = False) -> StoredFile | None:  # noqa: ARG002 - each version is exact here
        """Open what is stored, or return None when nothing is."""
        return None if self.content is None else _Stored(self._path, self.content)

    def version(self, known: object = None) -> object:  # noqa: ARG002 - a version costs nothing here
        """Return the version that is stored now: the bytes themselves."""
        return self.content

    def replace(self, expected: object = ANY, exact: bool = False) -> _Replacement:  # noqa: ARG002 - as above
        """Replace what is stored by what the block writes, all or nothing; see Location.replace."""
        return _Replacement(self, expected)

    def delete(self, expected: object = ANY) -> None:
        """Forget what is stored; see Location.delete."""
        with self.comparing(expected):
            self.content = None

    def set_aside(self, version: object) -> str:
        """Keep what is stored in `asides`, and forget it; see Location.set_aside."""
        with self.comparing(version):
            assert self.content is not None
            self.asides.append(self.content)
            self.content = None
        return f"{self._path}.corrupt-{len(self.asides)}"

    def lock(self, timeout: float | None = None) -> Lock:
        """Acquire the lock of this place, waiting for at most `timeout` seconds.

        Raises:
            LockTimeout: another thread held it for longer.
            LockError: this thread holds it already.
        """
        with self._condition:
            if self._is_mine():
                raise LockError(f"cannot lock {self._path!r}: this thread holds its lock already, through another store")
            seconds = None if timeout is None else min(timeout, threading.TIMEOUT_MAX)
            if not self._condition.wait_for(self._is_free, seconds):
                raise LockTimeout(f"cannot lock {self._path!r}: another thread has held it for {timeout} s")
            self._holder = _MemoryLock(self)
            return self._holder

    def give_back(self, lock: Lock) -> None:
        """Pass the lock to the next one, if `lock` is the one that is held."""
        with self._condition:
            if self._holder is lock:
                self._holder = None
                self._condition.notify()

    @contextmanager
    def comparing(self, expected: object) -> Generator[None]:
        """Hold the lock for one change, unless this thread does or nothing is compared; compare at its begin."""
        lock = None if expected is ANY or self._is_mine() else self.lock()
        try:
            self.require(expected)
            yield
        finally:
            if lock is not None:
                lock.release()

    def publish(self, expected: object, content: bytes) -> None:
        """Compare once more, for what was assigned beside the lock meanwhile is a conflict as well, and replace."""
        with self._condition:
            self.require(expected)
            self.content = content

    def require(self, expected: object) -> None:
        """Raise ConflictError unless `expected` is what is stored."""
        if expected is not ANY and self.content != expected:
            raise conflict(self._path, expected, self.content)

    def _is_mine(self) -> bool:
        return self._holder is not None and self._holder.mine

    def _is_free(self) -> bool:
        return self._holder is None or self._holder.lost


class _MemoryLock(Lock):
    """A held lock of a Memory."""

    def __init__(self, place: Memory) -> None:
        self._place = place
        self._process = os.getpid()
        self._thread = threading.get_ident()

    @property
    def lost(self) -> bool:
        """Whether this is a child's copy."""
        return self._process != os.getpid()

    @property
    def mine(self) -> bool:
        """Whether the calling thread is the holder."""
        return not self.lost and self._thread == threading.get_ident()

    def adopt(self) -> None:
        """Make the calling thread the holder."""
        self._thread = threading.get_ident()

    def release(self) -> None:
        """Release the lock; in a child process, whose memory is a copy, nothing is to be released."""
        if not self.lost:
            self._place.give_back(self)


class _Replacement:
    """One replacement of the content of a Memory."""

    def __init__(self, place: Memory, expected: object) -> None:
        self._place = place
        self._expected = expected
        self._file = _New(place.path)

    def __enter__(self) -> _New:
        self._comparing = self._place.comparing(self._expected)
        self._comparing.__enter__()
        return self._file

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if error is None:
                self._place.publish(self._expected, self._file.seal())
        finally:
            self._file.close()
            self._comparing.__exit__(None, None, None)


class _Stored(StoredFile):
    """The content of a Memory as it was when it was opened."""

    def __init__(self, path: str, content: bytes) -> None:
        self.name = path
        self.size = len(content)
        self._content = content
        self._memory = io.BytesIO(content)

    @property
    def version(self) -> bytes:
        """The bytes themselves."""
        return self._content

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        return self._memory.readinto(buffer)


class _New(StoredFile):
    """What becomes the content of a Memory."""

    def __init__(self, path: str) -> None:
        self.name = path
        self._buffer = bytearray()

    @property
    def version(self) -> bytes:
        """The bytes that were published."""
        return self._version

    def writable(self) -> bool:
        return True

    def write(self, data: ReadableBuffer) -> int:
        if self.closed:
            raise ValueError(f"write to the closed file of {self.name!r}")
        view = memoryview(data).cast("B")
        self._buffer += view
        return len(view)

    def tell(self) -> int:
        return len(self._buffer)

    def seal(self) -> bytes:
        """Settle the version: what was written so far."""
        self._version = bytes(self._buffer)
        return self._version
