"""Seam 1, value <-> bytes: from what the user passes as `format` to a codec."""

import os
import sys

from ..errors import AtomicStoreError, LoadError, complete, describe, refusal

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


def resolve(format: "Any" = None, is_binary: "bool | None" = None, type: "Any" = None) -> "Codec":
    """Return the codec for what the user calls a format; nothing is read or written yet.

    Args:
        format: None (JSON), a name, or an object that can write and read.
        is_binary: True or False: what the format must speak; None: it is found out.
        type: the type that every value has to be of; None: anything.

    Raises:
        FormatError: it is no format, or no name of one.
        MissingLibraryError: it is one whose package cannot be used here.
    """
    is_json = format is None or format is sys.modules.get("json") or (isinstance(format, str) and format == "json")
    if is_json and is_binary is None:
        if "json" not in _codecs:
            from . import _json

            _codecs["json"] = Codec(_json)
        codec = _codecs["json"]  # a codec keeps nothing of its store
    else:
        from . import _registry, _streams

        codec = Codec(_registry.find(format, is_binary, NAMES), _streams)
    if type is None:
        return codec
    from ._typed import TypedCodec

    return TypedCodec(type, codec)  # type: ignore[return-value]  # of the same shape


def goes_by_path(format: "Any") -> bool:
    """Return whether the suffix of the store's path decides about the format: "auto", or a wrapper of "auto"."""
    return format == "auto" if isinstance(format, str) else getattr(format, "goes_by_path", False) is True


def plain(value: "Any") -> "Any":
    """Return what a format has loaded in built-in types, where it has classes of its own for them, as for YAML and TOML."""
    from ._plain import to_builtins

    return to_builtins(value)


_codecs: "dict[str, Codec]" = {}


class Codec:
    """A format, as a store sees it: a module of this package, or whatever looks like one.

    Args:
        module: has `label`, `text`, `objects`, `streams`, `damage`, dump(), load() and public().
        files: the module with the files that it writes to and reads from; None: it is JSON, which needs none.
    """

    def __init__(self, module: "Any", files: "Any" = None) -> None:
        self.module = module
        self._files = files
        self.label: str = module.label
        self.objects: bool = module.objects
        global _gc
        if _gc is None:
            import gc as _gc  # now: nothing is imported after open()

    @property
    def format(self) -> "Any":
        """What the store shows as its format."""
        return self.module.public()

    def writes_text(self, value: "Any") -> bool:
        """Return whether this value is written as text."""
        text = self.module.text
        return bool(text(value) if callable(text) else text)

    def dump(self, value: "Any", file: "Any", dump_kwargs: "Any" = None, load_kwargs: "Any" = None) -> None:
        """Write the value to a binary file.

        Raises:
            Exception: whatever the format raises, with a note that names path and format.
        """
        kind: object = type(value)  # pyright: ignore[reportUnknownVariableType]
        is_list = kind is list
        size = len(value) if is_list else 0
        try:
            if self._files is None:
                self.module.write(value, file, dump_kwargs or {})
            else:
                self.module.dump(value, self._files.Text(file, load_kwargs), **(dump_kwargs or {}))
            if is_list and len(value) != size:  # of a dict, Python itself says so
                raise RuntimeError(
                    "the list changed size while it was dumped: another thread must not change it during a commit"
                )
        except Exception as error:
            error.add_note(f"while dumping the value of {file.name!r} with the format {self.label}")
            raise

    def load(self, file: "Any", load_kwargs: "Any" = None, dump_kwargs: "Any" = None) -> "Any":
        """Read a value from what is stored; `dump_kwargs` decide whether an empty file is what a dump would have written.

        Raises:
            LoadError: the format refuses the bytes; its own exception is the cause.
            OSError: the file cannot be read.
        """
        module = self.module
        # Kept for a second look: keywords such as object_hook are functions of the program, and may be what raises.
        keep = bool(load_kwargs and self._files) and not module.streams
        source = self._files.Stream(file, dump_kwargs) if module.streams else Content(file, keep, dump_kwargs)
        load_kwargs = load_kwargs or {}
        try:
            if source.size is not None and source.size < LARGE:
                return module.load(source, **load_kwargs)
            return _call(module.load, source, **load_kwargs)
        except AtomicStoreError as error:
            if isinstance(error, LoadError):
                complete(error, file.name, self.label, source.size)
            raise
        except Exception as error:
            # Memory that ran out is what a damaged file has claimed to need, and no fault of the place.
            if error is source.error and not isinstance(error, MemoryError):
                raise
            sound = not module.damage(error) or (keep and _loads(module.load, source))
            raise refusal(describe(error), file.name, self.label, source.size, sound) from error


class Content:
    """The stored bytes, given up by the first read: a decoder that makes text of them shall not have both."""

    __slots__ = ("_content", "_keep", "dump_kwargs", "name", "raw", "size")

    error = None  # what reading raises has been raised before

    def __init__(self, file: "Any", keep: bool = False, dump_kwargs: "Any" = None) -> None:
        self._content = file.read()
        self._keep = keep
        self.dump_kwargs: Any = dump_kwargs
        self.raw: Any = file
        self.name: Any = file.name
        self.size: int = len(self._content)

    def read(self) -> bytes:
        """Return all of them, the first time."""
        content: bytes = self._content
        if not self._keep:
            self._content = b""
        return content


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


def _call(load: "Callable[..., Any]", *args: "Any", **kwargs: "Any") -> "Any":
    """Return load(...), called with the garbage collector off: for many bytes, or if their number is not known.

    A decoder makes objects by the million, and none of them is garbage. The collector looks at all of them again and again:
    on Python 3.11 that is a third of the time of a JSON load, and half of a pickle's. It belongs to the process, so other
    threads go without it too until the load has ended.
    """
    if not _gc.isenabled():
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
