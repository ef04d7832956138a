"""Seam 1, value <-> bytes: from what the user passes as `format` to a codec."""

import io
import os
import sys

from ..errors import AtomicStoreError, FormatError, LoadError, MissingLibraryError, complete, describe, refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

NAMES: "dict[str, str | None]" = {
    "json": None,
    "pickle": None,
    "bson": "pymongo",
    "yaml": "ruamel.yaml",
    "toml": "tomlkit",
    "msgpack": "msgpack",
    "cbor": "cbor2",
}
"""The built-in names, each the module `_NAME` of this package, with the package that it needs."""


def resolve(format: "Any" = None, is_binary: bool | None = None, type: "Any" = None) -> "Codec":
    """Return the codec for what the user calls a format; nothing is read or written yet.

    Args:
        format: None (JSON), a name, or an object that can write and read.
        is_binary: True or False: what the format must speak; None: it is found out.
        type: the type that every value has to be of; None: anything.

    Raises:
        FormatError: it is no format, or no name of one.
        MissingLibraryError: it is one whose package cannot be used here.
    """
    if format is None and is_binary is None and type is None and "json" in _codecs:
        return _codecs["json"]  # what most programs ask for; a codec keeps nothing of its store
    if is_binary not in (None, True, False):
        raise FormatError(f"is_binary should be None, True or False, not {is_binary!r}")
    name = _name(format)
    if isinstance(name, str) and name in NAMES and is_binary is None:
        codec = Codec(_builtin(name))
        if name == "json":
            _codecs[name] = codec
    else:
        from ._foreign import adapt

        given, label = name, None
        if isinstance(name, str):
            given, label = _named(name), name
        codec = Codec(adapt(given, is_binary, label))
    if type is None:
        return codec
    from ._typed import TypedCodec

    return TypedCodec(type, codec)  # type: ignore[return-value]  # of the same shape


def goes_by_path(format: "Any") -> bool:
    """Return whether the suffix of the store's path decides about the format: "auto", or a wrapper of "auto"."""
    return format == "auto" if isinstance(format, str) else getattr(format, "goes_by_path", False) is True


def _name(format: "Any") -> "Any":
    """Return the name that `format` means, or the object itself that brings its own functions."""
    if format is None:
        return "json"
    if isinstance(format, str):
        return format
    # A module as it is means the format of its name: ours is faster and finds more damage.
    for name in ("json", "pickle", "bson"):
        if format is sys.modules.get(name):
            return name
    return format


def plain(value: "Any") -> "Any":
    """Return what a format has loaded in built-in types, where it has classes of its own for them, as for YAML and TOML."""
    from ._plain import to_builtins

    return to_builtins(value)


def _named(name: str) -> "Any":
    """Return the format of this name, built in or added by an installed package."""
    if name in NAMES:
        return _builtin(name)
    from . import _installed

    return _installed.by_name(name, NAMES)


def _builtin(name: str) -> "Any":
    """Return the module of a built-in name."""
    try:
        module = _module(name)
        if NAMES[name] is not None:
            module.public()  # its package is there
        return module
    except MissingLibraryError:
        raise
    except ImportError as error:
        package = NAMES[name]
        if package is None:
            raise  # of the standard library: no package to install is missing
        raise MissingLibraryError(
            f'format "{name}" needs the package {package}: pip install "atomic-store[{name}]" ({error})'
        ) from error


_codecs: "dict[str, Codec]" = {}


def _module(name: str) -> "Any":
    # Literal imports: programs that freeze a package (PyInstaller, cx_Freeze, Nuitka) look for them.
    found: Any
    match name:
        case "json":
            from . import _json as found
        case "pickle":
            from . import _pickle as found
        case "bson":
            from . import _bson as found
        case "yaml":
            from . import _yaml as found
        case "toml":
            from . import _toml as found
        case "msgpack":
            from . import _msgpack as found
        case _:
            from . import _cbor as found
    return found


class Codec:
    """A format, as a store sees it: a module of this package, or whatever looks like one.

    Args:
        module: has `label`, `text`, `objects`, `streams`, `damage`, dump(), load() and public().
    """

    def __init__(self, module: "Any") -> None:
        self.module = module
        self.label: str = module.label
        self.objects: bool = module.objects
        self._write = getattr(module, "write", None)
        global _gc
        if _gc is None:
            import gc as _gc  # now: nothing is imported after open()

    @property
    def format(self) -> "Any":
        """What the store shows as its format."""
        return self.module.public()

    def check_default(self, default: "Any") -> None:
        """Raise TypeError where the default is no value that the store may have; here any is one."""

    def writes_text(self, value: "Any") -> bool:
        """Return whether this value is written as text."""
        text = self.module.text
        return bool(text(value) if callable(text) else text)

    def dump(self, value: "Any", file: "Any", dump_kwargs: "Any" = None, load_kwargs: "Any" = None) -> None:
        """Write the value to a binary file.

        Raises:
            Exception: whatever the format raises, with a note that names path and format.
        """
        try:
            if self._write is not None:  # JSON, which needs no more than a write(): every cron job pays for more
                self._write(value, file, dump_kwargs or {})
            else:
                self.module.dump(value, Text(file, load_kwargs), **(dump_kwargs or {}))
        except Exception as error:
            error.add_note(f"while dumping the value of {file.name!r} with the format {self.label}")
            raise

    def load(self, file: "Any", load_kwargs: "Any" = None) -> "Any":
        """Read a value from what is stored.

        Raises:
            LoadError: the format refuses the bytes; its own exception is the cause.
            OSError: the file cannot be read.
        """
        module = self.module
        # Kept for a second look: keywords such as object_hook are functions of the program, and may be what raises.
        keep = bool(load_kwargs) and module.damage is None and not module.streams
        source = Stream(file) if module.streams else Content(file, keep)
        try:
            return _call(source.size, module.load, source, **(load_kwargs or {}))
        except AtomicStoreError as error:
            if isinstance(error, LoadError):
                complete(error, file.name, self.label, source.size)
            raise
        except Exception as error:
            # Memory that ran out is what a damaged file has claimed to need, and no fault of the place.
            if error is source.error and not isinstance(error, MemoryError):
                raise
            damage = module.damage
            if callable(damage):
                sound = not damage(error)
            else:
                sound = damage is not None and not isinstance(error, damage)
            sound = sound or (keep and _loads(module.load, source))
            raise refusal(error, describe(error), file.name, self.label, source.size, sound) from error


class Text:
    """What a built-in format writes to: takes str as UTF-8, or bytes."""

    __slots__ = ("before", "load_kwargs", "name", "raw")

    encoding = None

    def __init__(self, file: "Any", load_kwargs: "dict[str, Any]") -> None:
        self.raw: Any = file
        self.name: Any = file.name
        self.before: int | None = getattr(file, "before", None)
        self.load_kwargs: dict[str, Any] = load_kwargs

    def write(self, data: "Any") -> None:
        """Write all of it."""
        self.raw.write(data.encode("utf-8") if isinstance(data, str) else data)


class Content:
    """The stored bytes, given up by the first read: a decoder that makes text of them shall not have both."""

    __slots__ = ("_content", "_keep", "name", "raw", "size")

    error = None  # what reading raises has been raised before

    def __init__(self, file: "Any", keep: bool = False) -> None:
        self._content = file.read()
        self._keep = keep
        self.raw: Any = file
        self.name: Any = file.name
        self.size: int = len(self._content)

    def read(self) -> bytes:
        """Return all of them, the first time."""
        content: bytes = self._content
        if not self._keep:
            self._content = b""
        return content


class Stream(io.RawIOBase):
    """The stored bytes as a stream, remembering what reading it has raised: that is no refusal of the format."""

    def __init__(self, file: "Any") -> None:
        self._file = file
        self.name: Any = file.name
        self.size: int | None = file.size
        self.error: Exception | None = None

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: "Any") -> int:
        """Read what comes next into the buffer."""
        try:
            size: int = self._file.readinto(buffer)
        except Exception as error:
            self.error = error
            raise
        return size


def _loads(load: "Callable[..., Any]", source: "Any") -> bool:
    """Return whether a load without keywords succeeds."""
    try:
        load(source)
    except Exception:  # noqa: BLE001 - a format may raise anything
        return False
    return True


LARGE = 1_000_000  # bytes; for less, the garbage collector takes no time to speak of

_promoted = -1  # how many full collections there had been when a loaded value was made old
_gc: "Any" = None  # once open() has loaded it
_off = False  # whether a load has turned the collector off
_frozen = False  # whether everything is frozen, by us and for a moment


def _call(size: int | None, load: "Callable[..., Any]", *args: "Any", **kwargs: "Any") -> "Any":
    """Return load(...), called with the garbage collector off if there are many bytes, or if their number is not known.

    A decoder makes objects by the million, and none of them is garbage. The collector looks at all of them again and again:
    on Python 3.11 that is a third of the time of a JSON load, and half of a pickle's. It belongs to the process, so other
    threads go without it too until the load has ended.
    """
    if (size is not None and size < LARGE) or not _gc.isenabled():
        return load(*args, **kwargs)
    global _off
    try:
        _off = True
        _gc.disable()
        return load(*args, **kwargs)
    finally:
        try:
            _make_old()
        finally:
            _gc.enable()
            _off = False


def _make_old() -> None:
    """Move all objects to the oldest generation: the next collection would go through the whole value once more.

    Once between two full collections, since only those find the garbage that moves along. Not where the program itself
    keeps objects frozen, to share their memory after a fork; nor on Python 3.12, which keeps its immortal ones there.
    """
    global _frozen, _promoted
    full = _gc.get_stats()[-1]["collections"]
    if full != _promoted and not _gc.get_freeze_count():
        _promoted = full
        try:
            _frozen = True
            _gc.freeze()
        finally:
            _gc.unfreeze()
            _frozen = False


def _after_fork() -> None:
    """In the child no load is at work but one that has forked, and that may never end there."""
    global _frozen, _off
    if _frozen:
        _gc.unfreeze()
    if _off:
        _gc.enable()
    _frozen = _off = False


if hasattr(os, "register_at_fork"):  # pragma: no branch - Windows does not fork
    os.register_at_fork(after_in_child=_after_fork)
