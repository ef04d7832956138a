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

    def overload(signature):
        """Stand in for typing.overload, whose import costs more than the rest of the start-up."""
        return signature


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


@overload
def open(
    path: "Path",
    default: "T",
    format: "Any" = None,
    is_binary: bool | None = None,
    load_kwargs: "dict[str, Any] | None" = None,
    dump_kwargs: "dict[str, Any] | None" = None,
    ignore_inner_exits: bool | None = False,
    *,
    type: "type[T]",
    lock: bool | float = False,
    on_conflict: str | None = None,
    on_corrupt: str = "raise",
) -> "AtomicStore[T]": ...


@overload
def open(
    path: "Path",
    default: "Any" = None,
    format: "Any" = None,
    is_binary: bool | None = None,
    load_kwargs: "dict[str, Any] | None" = None,
    dump_kwargs: "dict[str, Any] | None" = None,
    ignore_inner_exits: bool | None = False,
    *,
    type: None = None,
    lock: bool | float = False,
    on_conflict: str | None = None,
    on_corrupt: str = "raise",
) -> "AtomicStore[Any]": ...


@overload
def open(
    path: "Path",
    default: "Any" = None,
    format: "Any" = None,
    is_binary: bool | None = None,
    load_kwargs: "dict[str, Any] | None" = None,
    dump_kwargs: "dict[str, Any] | None" = None,
    ignore_inner_exits: bool | None = False,
    *,
    type: "UnionType",  # mypy takes `A | None` for an object, and not for a type: say AtomicStore[A | None] yourself
    lock: bool | float = False,
    on_conflict: str | None = None,
    on_corrupt: str = "raise",
) -> "AtomicStore[Any]": ...


def open(
    path: "Path",
    default: "Any" = None,
    format: "Any" = None,
    is_binary: bool | None = None,
    load_kwargs: "dict[str, Any] | None" = None,
    dump_kwargs: "dict[str, Any] | None" = None,
    ignore_inner_exits: bool | None = False,
    *,
    type: "Any" = None,
    lock: bool | float = False,
    on_conflict: str | None = None,
    on_corrupt: str = "raise",
) -> "AtomicStore[Any]":
    """Open the store at `path`: its value is what is stored there, or the default. Nothing is written yet.

    Args:
        path: str, bytes or os.PathLike, or a location such as LocalFile(path, mode=0o600). A str may
            be a URL, s3://bucket/key; S3Object has the options of such a place. A
            relative path means the directory that is current now.
        default: the value if nothing is stored yet. It is copied, so yours never changes; a bare
            object() passes as it is, as a sentinel.
        format: None or "json"; "pickle", "bson", "yaml", "toml", "msgpack", "cbor", or a name that
            an installed package adds; "auto": by the path's suffix, never pickle. Or any module or
            object with dump/load, dumps/loads or the like, or a pair of callables (dumps, loads).
        is_binary: None: it is found out whether the format speaks text or bytes. True or False:
            it must write, and is given, bytes only or str only.
        load_kwargs: keywords for each load.
        dump_kwargs: keywords for each dump, such as {"indent": 2}.
        ignore_inner_exits: True: where blocks of this store are nested, only leaving the outermost
            commits. False or None: each does.
        type: the type that the value has to be of: a dataclass, attrs or pydantic class, msgspec.Struct,
            TypedDict, or a container of them, and so may be the datetimes, sets, enums inside. It is
            stored as plain data; the default must be of the type too. None: anything the format holds.
        lock: True: hold an inter-process lock from the outermost `with` to its exit. A number: the
            same, but wait for it for so many seconds at most; 0 tries once. It belongs to a thread: do
            not await inside a block of a store that several tasks share.
        on_conflict: what a commit does if somebody else has changed what is stored since it was
            read: "raise" a ConflictError, or "overwrite". None: "raise" with lock= and on S3,
            else "overwrite".
        on_corrupt: what happens to bytes that the format refuses: "raise" a LoadError, or "quarantine":
            they are moved to `NAME.corrupt-<UTC time>` beside, a warning says so, and the default is
            used. Never for what cannot be read, does not fit `type`, or is of another key or version.

    Raises:
        LoadError: the format refuses the stored bytes, also an empty file. They are never replaced
            by the default.
        FormatError: `format` is none; MissingLibraryError: its package is not installed.
        LocationError, TypeError: `path` can be no path; ValueError: an unknown option.
        OSError: the place cannot be read. Only "does not exist" means the default.
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


def __dir__() -> list[str]:
    """List what is loaded on first use as well."""
    return sorted({*globals(), *__all__})
