"""An atomic, durable store for one value in one place.

>>> import atomic_store
>>> with atomic_store.open("runs.json", default=[]) as store:
...     store.value.append("one more run")

A store holds one value; a format turns the value into bytes; a location keeps the bytes, all or nothing.
"""

from .errors import (
    AccessError,
    AtomicStoreError,
    ConflictError,
    FormatError,
    LoadError,
    LocationError,
    LockError,
    LockTimeout,
    MissingLibraryError,
    SignatureError,
    UncertainCommitError,
    VersionError,
)
from .store import AtomicStore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import UnionType
    from typing import Any, TypeVar, overload

    from .checking import check
    from .formats.base import AbstractFormatBstr, AbstractFormatFile, WrapBinaryFormat
    from .formats.wrappers import Compressed, Signed, Verified, Versioned, Wrapper
    from .locations.local import LocalFile
    from .locations.s3 import S3Object
    from .mapping import open_dict
    from .store import Path
    from .writing import atomic_write

    T = TypeVar("T")
else:
    Any = Path = object  # as in errors.py


__version__ = "0.1.0"

__all__ = [
    "AbstractFormatBstr",
    "AbstractFormatFile",
    "AccessError",
    "AtomicStore",
    "AtomicStoreError",
    "Compressed",
    "ConflictError",
    "FormatError",
    "LoadError",
    "LocalFile",
    "LocationError",
    "LockError",
    "LockTimeout",
    "MissingLibraryError",
    "S3Object",
    "SignatureError",
    "Signed",
    "UncertainCommitError",
    "Verified",
    "VersionError",
    "Versioned",
    "WrapBinaryFormat",
    "Wrapper",
    "atomic_write",
    "check",
    "open",
    "open_dict",
]


if TYPE_CHECKING:

    @overload
    def open(
        path: "Path",
        default: "T",
        format: "Any" = None,
        is_binary: "bool | None" = None,
        load_kwargs: "dict[str, Any] | None" = None,
        dump_kwargs: "dict[str, Any] | None" = None,
        ignore_inner_exits: "bool | None" = False,
        *,
        type: "type[T]",
        lock: "bool | float" = False,
        on_conflict: "str | None" = None,
        on_corrupt: str = "raise",
    ) -> "AtomicStore[T]": ...

    @overload
    def open(
        path: "Path",
        default: "Any" = None,
        format: "Any" = None,
        is_binary: "bool | None" = None,
        load_kwargs: "dict[str, Any] | None" = None,
        dump_kwargs: "dict[str, Any] | None" = None,
        ignore_inner_exits: "bool | None" = False,
        *,
        type: None = None,
        lock: "bool | float" = False,
        on_conflict: "str | None" = None,
        on_corrupt: str = "raise",
    ) -> "AtomicStore[Any]": ...

    @overload
    def open(
        path: "Path",
        default: "Any" = None,
        format: "Any" = None,
        is_binary: "bool | None" = None,
        load_kwargs: "dict[str, Any] | None" = None,
        dump_kwargs: "dict[str, Any] | None" = None,
        ignore_inner_exits: "bool | None" = False,
        *,
        type: "UnionType",  # mypy takes `A | None` for an object, and not for a type: say AtomicStore[A | None] yourself
        lock: "bool | float" = False,
        on_conflict: "str | None" = None,
        on_corrupt: str = "raise",
    ) -> "AtomicStore[Any]": ...


def open(
    path: "Path",
    default: "Any" = None,
    format: "Any" = None,
    is_binary: "bool | None" = None,
    load_kwargs: "dict[str, Any] | None" = None,
    dump_kwargs: "dict[str, Any] | None" = None,
    ignore_inner_exits: "bool | None" = False,
    *,
    type: "Any" = None,
    lock: "bool | float" = False,
    on_conflict: "str | None" = None,
    on_corrupt: str = "raise",
) -> "AtomicStore[Any]":
    """Open a store: read the value at `path`, or copy the default if nothing is stored. Write nothing.

    Args:
        path: str, bytes or os.PathLike, a URL such as "s3://bucket/key", or a location such as
            LocalFile(path, mode=0o600) or S3Object(bucket, key). A relative path is resolved against
            the current directory now, not at the commit.
        default: the value if nothing is stored. It is copied, so that later changes do not reach your
            object. A bare object() is not copied and can serve as a sentinel.
        format: None or "json"; "pickle", "bson", "yaml", "toml", "msgpack", "cbor", or the name of an
            installed plugin; "auto" to select by the suffix of the path, never pickle; any module or object
            with dump and load, dumps and loads or similar functions; or a pair of functions (dumps, loads).
            Without `format` every file is JSON, whatever its suffix.
        is_binary: True if the format writes and reads bytes, False if it writes and reads str, None to
            detect it.
        load_kwargs: keyword arguments of each load.
        dump_kwargs: keyword arguments of each dump, such as {"indent": 2}.
        ignore_inner_exits: if True, only leaving the outermost of nested blocks commits. Otherwise leaving
            any of them commits.
        type: the type of the value: a dataclass, attrs or pydantic class, msgspec.Struct, TypedDict, or a
            container of these, with datetimes, sets and enums inside. The value is stored as plain data.
            The default must have this type too. None allows whatever the format can hold.
        lock: True to hold an inter-process lock from entering the outermost `with` block to leaving it. A
            number is the longest time in seconds to wait for it; 0 tries once. The lock belongs to a
            thread: do not await inside a block of a store that several asyncio tasks share.
        on_conflict: what a commit does if another writer has changed what is stored since it was read:
            "raise" a ConflictError, or "overwrite". The default is "raise" with lock= and on S3, otherwise
            "overwrite".
        on_corrupt: what to do if the format refuses the stored bytes: "raise" a LoadError, or "quarantine":
            rename the file to `NAME.corrupt-<UTC time>`, warn, and use the default. A file that cannot be
            read, does not fit `type`, or has another key or version is never renamed.

    Raises:
        LoadError: the format refuses the stored bytes, or the file is empty. The file is not changed.
        FormatError: `format` is not a format. MissingLibraryError: its package is not installed.
        LocationError, TypeError: `path` cannot name a location.
        ValueError: an option has an unknown value.
        OSError: the location cannot be read. Only a missing file gives the default.
    """
    return AtomicStore(
        path,
        default,
        format,
        is_binary,
        load_kwargs,
        dump_kwargs,
        ignore_inner_exits,
        type=type,
        lock=lock,
        on_conflict=on_conflict,
        on_corrupt=on_corrupt,
    )


def __getattr__(name: str) -> "Any":
    """Load what only some programs use (PEP 562): every cron job pays for `import atomic_store`."""
    # Literal imports: programs that freeze a package (PyInstaller, cx_Freeze, Nuitka) look for them.
    found: Any
    match name:
        case "AbstractFormatBstr" | "AbstractFormatFile" | "WrapBinaryFormat":
            from .formats import base as found
        case "Compressed" | "Signed" | "Verified" | "Versioned" | "Wrapper":
            from .formats import wrappers as found
        case "LocalFile":
            from .locations import local as found
        case "S3Object":
            from .locations import s3 as found
        case "atomic_write":
            from . import writing as found
        case "check":
            from . import checking as found
        case "open_dict":
            from . import mapping as found
        case _:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(found, name)


def __dir__() -> "list[str]":
    """List what is loaded on first use as well."""
    return sorted({*globals(), *__all__})
