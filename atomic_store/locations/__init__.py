"""Where bytes live: what a location is, and which kind of location a path or URL names."""

import io
import os
from abc import ABC, abstractmethod

from ..errors import AtomicStoreError, ConflictError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any, Protocol, Self

    from ._finding import Finding

    class Context(Protocol):
        """What `with` needs of the file-giving and lock-giving methods below."""

        def __enter__(self) -> Any: ...
        def __exit__(
            self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
        ) -> None: ...
else:
    Any = Context = Finding = Self = TracebackType = object  # as in errors.py


class _Any:
    """The type of ANY."""

    def __repr__(self) -> str:
        return "ANY"


ANY = _Any()
"""Pass as `expected` to replace or delete whatever is stored."""

PIECE = 1 << 20
"""Bytes that are read at once, at most, where somebody brings a buffer of his own."""


def conflict(path: "Any", expected: object, found: object, more: str = "") -> ConflictError:
    """Return the ConflictError for a location that holds *found* instead of *expected*, raising nothing."""
    fact = (
        "another program deleted it since it was read"
        if found is None
        else "another program created it, it did not exist when it was read"
        if expected is None
        else "another program changed it since it was read"
    )
    return ConflictError(
        f"{path!r} is not what this store has read: {fact}. Nothing was written;{more} "
        "reload() to take what is stored, update(fn) to change it without such conflicts",
        path,
        expected,
        found,
    )


def name_path(error: BaseException, path: "Any") -> None:
    """Make an OSError name the path that the program gave, whatever file the system call was about."""
    if isinstance(error, OSError) and error.errno is not None and error.filename is not path:
        # Decoded: to compare bytes with str is an error under python -bb.
        if error.filename is not None and os.fsdecode(error.filename) != os.fsdecode(path):
            error.add_note(f"the system call was about {error.filename!r}")
        error.filename = path
        if error.filename2 is not None:
            del error.filename2


def forked(path: "Any") -> AtomicStoreError:
    """Return the error for a child that was forked while a new file was written: the file is its parent's."""
    return AtomicStoreError(f"the dump for {path!r} has forked: the parent commits, the child must not")


class StoredFile(io.RawIOBase):
    """A binary file that knows the version of its bytes.

    Attributes:
        name: the path of the location, as the program gave it.
        size: the number of stored bytes, or None if it is not known in advance.
    """

    name: "Any"
    size: "int | None" = None

    @property
    @abstractmethod
    def version(self) -> object:
        """The version of the bytes. Valid after all bytes were read or, for a new file, after publication."""


class Location(ABC):
    """Keeps the bytes of one value, all or nothing.

    A version is an opaque token of the bytes that were read or written. Equal versions mean equal bytes; None
    means that nothing is stored. Only the location itself interprets its versions; other code compares them.
    """

    has_lock = True
    """Whether lock() works. If not, update() uses replace() with the expected version, and retries."""

    on_conflict = "overwrite"
    """The default of on_conflict= for a store without lock=, "overwrite" or "raise"."""

    @property
    @abstractmethod
    def path(self) -> "Any":
        """The location, as the program gave it. Errors name it like this."""

    @abstractmethod
    def read(self, exact: bool = False) -> "StoredFile | None":
        """Open what is stored, or return None if nothing is.

        With exact=True the version is one of the content, so that `touch` does not change it. None means
        "does not exist", and nothing else.

        Raises:
            OSError: it cannot be read, for any other reason.
        """

    @abstractmethod
    def version(self, known: object = None) -> object:
        """Return the version that is stored now, or None if nothing is. `known`, an earlier version, saves reading.

        Raises:
            OSError: see read().
        """

    def read_if_changed(self, known: object) -> "tuple[object, StoredFile | None]":
        """Return the version that is stored now; a location may open what is stored as well, if that is not `known`.

        Raises:
            OSError: as read().
        """
        return self.version(known), None

    @abstractmethod
    def replace(self, expected: object = ANY, exact: bool = False) -> "Context":
        """Return a context manager whose file replaces the stored bytes, all or nothing.

        The bytes become visible when the block ends without an exception. Then the file has their version.
        With `expected` ANY they overwrite what is stored, with None they are stored only if nothing is, and
        with a version only if that version is stored.

        Raises:
            ConflictError: another version than `expected` is stored. It is unchanged.
            UncertainCommitError: the bytes are visible but may not survive a power cut, or it is unknown
                whether they were stored.
            OSError: they cannot be written. The old bytes are unchanged.
        """

    @abstractmethod
    def delete(self, expected: object = ANY) -> None:
        """Delete the stored bytes. It is not an error if nothing is stored.

        Raises:
            ConflictError: another version than `expected` is stored. It is unchanged.
        """

    @abstractmethod
    def set_aside(self, version: object) -> str:
        """Rename what is stored to a name that is free, and return that name.

        Raises:
            ConflictError: another version than `version` is stored. It is unchanged.
        """

    @abstractmethod
    def lock(self, timeout: "float | None" = None) -> "Lock":
        """Acquire the lock, waiting for at most `timeout` seconds, or without limit if it is None.

        Raises:
            LockTimeout: another process or thread held it for longer.
            LockError: this thread holds it already, or the location has no locks.
        """

    def probe(self) -> "list[Finding]":
        """Try which promises the location keeps, under scratch names that are removed again, for check().

        Optional. What is stored must not be changed.

        Raises:
            NotImplementedError: this kind of location has no probe.
        """
        raise NotImplementedError(f"check() cannot find out anything about a {type(self).__name__}: it has no probe()")

    def clean(self, dry_run: bool = False) -> "list[tuple[str, OSError | None]]":
        """Remove what killed programs have left of their commits here; give each, with the error if it cannot be removed.

        What may belong to a commit that is under way is left alone. With dry_run=True nothing is
        changed: what would be removed is given. A place need not be able to.

        Raises:
            NotImplementedError: nobody has written this for such a place.
        """
        raise NotImplementedError(f"a {type(self).__name__} cannot be cleaned: it has no clean()")

    def left_by_clean(self) -> "list[tuple[str, str]]":
        """Return what clean() leaves alone because it may belong to a program at work, each with the reason."""
        return []


class Lock(ABC):
    """A lock that is held until release() or the end of the process."""

    @property
    @abstractmethod
    def lost(self) -> bool:
        """Whether this is the copy in a forked child. The parent keeps the lock."""

    @property
    @abstractmethod
    def mine(self) -> bool:
        """Whether the calling thread is the holder."""

    def __enter__(self) -> "Self":
        """Begin a block that is run under the lock."""
        return self

    def __exit__(self, *_: object) -> None:
        """Release the lock."""
        self.release()

    @abstractmethod
    def adopt(self) -> None:
        """Make the calling thread the holder, for a generator that another thread closes. Raises nothing."""

    @abstractmethod
    def release(self) -> None:
        """Release the lock. In a forked child, do nothing. Raises nothing."""


def scheme_of(path: "str | bytes | os.PathLike[str] | os.PathLike[bytes]") -> str:
    """Return which module of this folder makes the location that `path` names: "local" or "s3".

    A str that begins with a scheme and "://" is a URL, anything else a path of this machine.

    Raises:
        LocationError: no such place can exist.
    """
    if type(path) is str and "://" not in path:
        return "local"
    from ._urls import scheme_of_odd  # at open(): most paths are plain ones

    return scheme_of_odd(path)
