"""Where bytes live: what a location is, and which kind of location a path or URL names."""

import io
import os
from abc import ABC, abstractmethod

from ..errors import ConflictError, LocationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any, Protocol, Self

    class Context(Protocol):
        """What `with` needs of the file-giving and lock-giving methods below."""

        def __enter__(self) -> Any: ...
        def __exit__(
            self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
        ) -> None: ...


class _Any:
    """Any version at all: the type of ANY."""

    def __repr__(self) -> str:
        return "ANY"


ANY = _Any()
"""As `expected`: whatever is stored, or nothing."""

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
    if isinstance(error, OSError) and error.errno is not None and error.filename != path:
        if error.filename not in (None, os.fspath(path)):
            error.add_note(f"the system call was about {error.filename!r}")
        error.filename = path
        if error.filename2 is not None:
            del error.filename2


class StoredFile(io.RawIOBase):
    """A binary file that also knows which version of the place its bytes are.

    Attributes:
        name: the place as the program spelled it.
        size: how many bytes are stored, where that is known beforehand.
    """

    name: "Any"
    size: int | None = None

    @property
    @abstractmethod
    def version(self) -> object:
        """The version of the bytes: asked for once all were read or, for a new file, once it is published."""


class Location(ABC):
    """A place that keeps the bytes of one value, all or nothing.

    A version is an opaque token of the bytes that were read or written. Equal versions mean equal
    bytes; None means that nothing is stored. It is compared, never looked into, outside its location.
    """

    has_lock = True
    """Whether lock() works; without it, update() relies on replace() alone and tries again."""

    on_conflict = "overwrite"
    """What a store does here that was opened with on_conflict=None and without lock=: "overwrite" or "raise"."""

    @property
    @abstractmethod
    def path(self) -> "Any":
        """The place as the program spelled it; every error names it so."""

    @abstractmethod
    def read(self, exact: bool = False) -> "StoredFile | None":
        """Open what is stored, or return None when nothing is.

        With exact=True the file's version can tell new bytes from a mere touch. Only "does not
        exist" is None.

        Raises:
            OSError: whatever else stands in the way of the bytes.
        """

    @abstractmethod
    def version(self, known: object = None) -> object:
        """Return which version is stored now, None when nothing is; `known` makes the answer cheap.

        Raises:
            OSError: as read().
        """

    def read_if_changed(self, known: object) -> "tuple[object, StoredFile | None]":
        """Return the version that is stored now; a location may open what is stored as well, if that is not `known`.

        Raises:
            OSError: as read().
        """
        return self.version(known), None

    @abstractmethod
    def replace(self, expected: object = ANY, exact: bool = False) -> "Context":
        """Replace the stored bytes, all or nothing, by what the block writes to the file it gets.

        The bytes become visible when the block ends without an exception; after it the file has
        their version. `expected` ANY overwrites, None creates only what is still absent, a
        version replaces only what is still the same.

        Raises:
            ConflictError: the place does not hold `expected`; it was left alone.
            UncertainCommitError: it is visible but may not last, or nobody knows.
            OSError: it cannot be written; what was stored is whole.
        """

    @abstractmethod
    def delete(self, expected: object = ANY) -> None:
        """Forget the stored bytes; that nothing is stored is no error.

        Raises:
            ConflictError: the place does not hold `expected`; it was left alone.
        """

    @abstractmethod
    def set_aside(self, version: object) -> str:
        """Move the stored bytes away under a new name, never over another one; give that name.

        Raises:
            ConflictError: the place no longer holds this version; it was left alone.
        """

    @abstractmethod
    def lock(self, timeout: float | None = None) -> "Lock":
        """Acquire the place's lock, waiting for at most `timeout` seconds (None: as long as it takes).

        Raises:
            LockTimeout: somebody else held it for longer.
            LockError: this thread holds it already, or there are no locks at this place.
        """

    def probe(self) -> "list[Finding]":
        """Find out, under scratch names that are removed again, which promises the place keeps: for check().

        A place need not be able to. What it keeps is not touched.

        Raises:
            NotImplementedError: nobody has written this for such a place.
        """
        raise NotImplementedError(f"check() cannot find out anything about a {type(self).__name__}: it has no probe()")

    def clean(self, dry_run: bool = False) -> list[tuple[str, OSError | None]]:
        """Remove what killed programs have left of their commits here; give each, with the error if it cannot be removed.

        What may belong to a commit that is under way is left alone. With dry_run=True nothing is
        changed: what would be removed is given. A place need not be able to.

        Raises:
            NotImplementedError: nobody has written this for such a place.
        """
        raise NotImplementedError(f"a {type(self).__name__} cannot be cleaned: it has no clean()")

    def left_by_clean(self) -> list[tuple[str, str]]:
        """Return what clean() leaves alone because it may belong to a program at work, each with the reason."""
        return []


class Finding:
    """What was found out about one promise of a place; a probe() makes them, which raises nothing.

    Attributes:
        promise: one word for it, the same at every place of a kind.
        kept: whether the place keeps it; what cannot be found out is not known to be kept.
        text: what was seen, for a person.
    """

    __slots__ = ("kept", "promise", "text")

    def __init__(self, promise: str, kept: bool, text: str) -> None:
        self.promise = promise
        self.kept = kept
        self.text = text

    def __repr__(self) -> str:
        return f"<Finding {self.promise}: {'kept' if self.kept else 'NOT kept'}, {self.text}>"


class Lock(ABC):
    """A held lock; release() gives it back, and so does the end of the process."""

    @property
    @abstractmethod
    def lost(self) -> bool:
        """Whether this is a child's copy: after a fork the lock stays with the parent."""

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
        """Make the calling thread the holder: a generator may be left by another thread. Raises nothing."""

    @abstractmethod
    def release(self) -> None:
        """Release the lock; in a child after a fork, do nothing. Raises nothing."""


def scheme_of(path: "str | bytes | os.PathLike[str] | os.PathLike[bytes]") -> str:
    """Return which module of this folder makes the location that `path` names: "local" or "s3".

    A str that begins with a scheme and "://" is a URL, anything else a path of this machine.

    Raises:
        LocationError: no such place can exist.
    """
    if isinstance(path, str):
        scheme, separator, _ = path.partition("://")
        if separator and _is_scheme(scheme):
            if scheme.lower() != "s3":
                raise LocationError(
                    f"path should be a file's path or a URL that begins with s3://, not {path!r}; "
                    f"for a local file of this name, write {'./' + path!r}"
                )
            return "s3"
    elif not isinstance(path, bytes):
        _refuse_url(path)
    return "local"


def _refuse_url(path: "Any") -> None:
    """Refuse a path object that means a URL: what os.fspath() makes of it is a local path, or a download.

    These are cloudpathlib's, s3path's and universal_pathlib's objects, and pathlib.Path("s3://bucket/key").
    """
    text = str(path)
    scheme, separator, rest = text.partition(":/")
    if type(path).__module__.partition(".")[0] == "pathlib":
        if separator and scheme.lower() == "s3":  # pathlib makes one slash of the two
            raise LocationError(
                f"path should be the str {f'{scheme}://{rest}'!r}: a {type(path).__name__} is a local file's path"
            )
        return
    try:
        uri = path.as_uri()
    except (AttributeError, TypeError, ValueError):  # it has none, or is relative
        uri = ""
    for url, spelling in ((text, "str(path)"), (uri, "path.as_uri()")):
        scheme, separator, _ = url.partition("://") if isinstance(url, str) else ("", "", "")
        if separator and _is_scheme(scheme) and scheme.lower() not in ("file", "local"):
            raise LocationError(f"path should be a str for {url!r}, not a {type(path).__name__}: give {spelling}")


def _is_scheme(word: str) -> bool:
    """Return whether this could be the scheme of a URL (RFC 3986, 3.1)."""
    return word.isascii() and word[:1].isalpha() and word.translate({43: None, 45: None, 46: None}).isalnum()
