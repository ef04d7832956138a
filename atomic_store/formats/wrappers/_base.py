"""Wrapper, the base of every format around a format, and the files that wrappers pass on to the format inside."""

from __future__ import annotations

import io

from ...errors import FormatError
from .. import goes_by_path, resolve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

    from _typeshed import ReadableBuffer

    from .. import Codec
else:
    Any = Codec = Self = object  # as in errors.py


class Wrapper:
    """Base class for a format around another format, for example to encrypt it or to add a header.

    Subclass it and define wrap() and unwrap(). The inner format encodes the value, and wrap() turns these
    bytes into what is stored.

    >>> class Reversed(Wrapper):
    ...     def wrap(self, content):
    ...         return content[::-1]
    ...
    ...     def unwrap(self, content):
    ...         return content[::-1]
    >>> import atomic_store
    >>> from atomic_store.testing import Memory
    >>> place = Memory()
    >>> atomic_store.open(place, default=[1, 2], format=Reversed("json")).commit()
    >>> place.content
    b']2 ,1['

    Args:
        format: what open() takes as `format`.

    Raises:
        FormatError: `format` is not a format. MissingLibraryError: its package is not installed.

    Attributes:
        format: the inner format, as it was given.
        holds_objects: whether the inner format holds any Python object, as pickle does.
    """

    is_binary = True

    def __init__(self, format: Any = None) -> None:
        self.format = format
        self.holds_objects: bool = False
        self._inner: Codec | None = None
        # An invalid format raises here, not at the first commit. A format that depends on the path is resolved by open().
        if not self.goes_by_path:
            self._inner = resolve(format)
            self.holds_objects = self._inner.objects

    def __repr__(self) -> str:
        return f"<{self.label}>"

    def __getstate__(self) -> dict[str, Any]:
        """Return what pickle and copy keep: not the codec, because it refers to a module."""
        return self.__dict__ | {"_inner": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Resolve the inner format again. Raises what the constructor raises."""
        self.__dict__.update(state)
        if not self.goes_by_path:
            self._inner = resolve(self.format)

    @property
    def goes_by_path(self) -> bool:
        """Whether the suffix of the store's path decides about the format inside."""
        return goes_by_path(self.format)

    @property
    def label(self) -> str:
        """The name of the format in error messages."""
        return f"{type(self).__name__}({self.format if self._inner is None else self._inner.label})"

    @property
    def inner(self) -> Codec:
        """The format inside: dump(value, file, dump_kwargs, load_kwargs) and load(file, load_kwargs, dump_kwargs).

        Raises:
            FormatError: it is "auto", and no store has been opened with this wrapper.
        """
        if self._inner is None:
            raise FormatError(f'{self.label} should be passed to open(), because "auto" depends on the path of a store')
        return self._inner

    def with_format(self, format: Any) -> Self:
        """Return a copy with another format inside. Raises what the constructor raises."""
        from copy import copy  # 1 ms that only "auto" inside a wrapper costs; called by open()

        twin = copy(self)
        Wrapper.__init__(twin, format)
        return twin

    def inner_path(self, path: Any) -> Any:
        """Return the path whose suffix decides about "auto" inside this wrapper."""
        return path

    def wrap(self, content: bytes) -> bytes:
        """Return the bytes to store for `content`, which the inner format has written.

        Raises:
            Exception: the value cannot be stored; commit() raises the exception with a note, and the old value is kept.
        """
        raise NotImplementedError(f"{type(self).__name__} should define wrap(content)")

    def unwrap(self, content: bytes) -> bytes:
        """Return the bytes for which wrap() returned `content`.

        Raises:
            LoadError: with damaged=False if the bytes may be sound, as with a wrong key. Path, format and size are
                filled in by the library.
            Exception: the bytes are damaged; open() raises a LoadError with this exception as its cause.
        """
        raise NotImplementedError(f"{type(self).__name__} should define unwrap(content)")

    def dump(self, value: Any, file: Any, **kwargs: Any) -> None:
        """Write the value to a binary file; keywords are those of the format inside. Raises what that and wrap() raise."""
        memory = MemoryFile(file.given)
        self.inner.dump(value, memory, kwargs, load_kwargs_of(file))
        file.write(self.wrap(memory.getvalue()))

    def load(self, file: Any, **kwargs: Any) -> Any:
        """Read a value from a binary file; keywords are those of the format inside.

        Raises:
            LoadError: the format inside refuses the bytes; or what unwrap() raises.
        """
        return self.inner.load(MemoryFile(file.name, self.unwrap(file.read())), kwargs, dump_kwargs_of(file))


def load_kwargs_of(file: Any) -> Any:
    """Return the load_kwargs of the store whose value is being dumped: Verified loads what it has written."""
    return getattr(file, "load_kwargs", None)


def dump_kwargs_of(file: Any) -> Any:
    """Return the dump_kwargs of the store whose value is being loaded: they decide which value is an empty file."""
    return getattr(file, "dump_kwargs", None)


class MemoryFile(io.BytesIO):
    """A file in memory with the name of a store's path."""

    def __init__(self, name: Any, content: ReadableBuffer = b"") -> None:
        super().__init__(content)
        self.name = name
        self.size = memoryview(content).nbytes or None


class PassingFile(io.RawIOBase):
    """A file to write to that passes its bytes on, changed or not. It has no fileno(), so nothing can bypass it."""

    def __init__(self, file: Any) -> None:
        self.file = file
        self.name = file.given
        self.position = 0

    def tell(self) -> int:
        return self.position
