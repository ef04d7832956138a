"""Formats from elsewhere: what their two functions are called, and whether they speak text or bytes.

Only a program that brings such a format loads this.
"""

# What users store is anything: its type is not known here.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false

from __future__ import annotations

import inspect
import io

from ..errors import AtomicStoreError, FormatError, LoadError, describe, refusal
from ._streams import DumpFile, LoadFile
from ._verdict import is_verdict
from .base import WrapBinaryFormat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

# What a format may call its writer and its reader, first come, first served, and whether these
# work on the encoded value as a whole rather than on a file.
_INTERFACES = (
    ("dump", "load", False),
    ("dumps", "loads", True),
    ("packb", "unpackb", True),
    ("dump_json", "validate_json", True),  # pydantic.TypeAdapter
    ("model_dump_json", "model_validate_json", True),  # a pydantic model class
    ("encode", "decode", True),
)
_SAFE_LOADERS = ("SafeLoader", "CSafeLoader", "BaseLoader", "CBaseLoader")  # of PyYAML
_HANGS = "cbor"  # the load() of this old package never returns from a truncated file; its loads() does


class Foreign:
    """Two functions of a program or package, with the attributes and functions of the modules of this package.

    They work on text or on bytes. load() is given bytes and, if it refuses them, text; the kind that worked is remembered.
    """

    damage = staticmethod(is_verdict)

    def __init__(self, public: Any, label: str, dump: Callable[..., Any], load: Callable[..., Any], whole: bool) -> None:
        self._public = public
        self.label = label
        self._write = dump
        self._read = load
        self._whole = whole  # whether load takes the content rather than a file
        self.streams = getattr(public, "streams", None) is True
        self._seeks = getattr(public, "seeks", None) is True
        self.objects = getattr(public, "holds_objects", None) is True
        self.is_binary: bool | None = None
        self.takes_text: bool | None = None  # None: no load has succeeded yet
        self._wrote_text: bool | None = None  # None: no dump has succeeded yet

    def public(self) -> Any:
        """Return the value of `store.format`."""
        return self._public

    def text(self, value: Any) -> bool:
        """Return whether this value is written as str."""
        new = self._tried(value)
        return new is not None and bool(new.spoke_text)

    def dump(self, value: Any, file: Any, **kwargs: Any) -> None:
        """Write the value."""
        new = DumpFile(file.raw, self.is_binary, self._seeks)
        new.load_kwargs = file.load_kwargs
        try:
            self._write(value, new, **kwargs)
            new.finish()
            if not new.written and not self._is_empty_for(value, kwargs, file.load_kwargs):
                raise FormatError(f"format {self.label} wrote nothing at all for a value of type {type(value).__name__}")
        finally:
            new.end()  # a writer that keeps this file must fail at its next write, not write into the void
        self._wrote_text = new.spoke_text

    def load(self, file: Any, **kwargs: Any) -> Any:
        """Read a value."""
        if self.streams and not self.takes_text:
            value = self._read(file, **kwargs)
            is_empty = file.is_empty()
        else:
            content = file.read()
            value = self._loaded(content, file, kwargs)
            is_empty = not content
        if is_empty and not self._is_nothing(value, file.dump_kwargs, kwargs):
            raise LoadError(
                f"{file.name!r} is empty, and format {self.label} does not write {value!r} as an empty file; "
                "restore it, or delete it to begin with the default",
                file.name,
                self.label,
                0,
            )
        return value

    def _loaded(self, content: bytes, file: Any, kwargs: dict[str, Any]) -> Any:
        refusals: list[Exception] = []
        try:
            return self._decode(content, refusals, file, kwargs)
        except AtomicStoreError:
            raise
        except Exception as error:
            refusals.append(error)
            cause = _best_error(refusals)
            sound = not is_verdict(cause) or (bool(kwargs) and self._takes_without_keywords(content, file))
            try:
                raise refusal(_told(refusals, cause), file.name, self.label, len(content), sound) from cause
            finally:
                # Their tracebacks hold this frame, and it them: content and file would live until the next collection.
                refusals.clear()
                del cause

    def _decode(self, content: bytes, refusals: list[Exception], file: Any, kwargs: dict[str, Any]) -> Any:
        if self.takes_text is not None:
            return self._call(content, self.takes_text, file, kwargs)
        as_text = bool(self._wrote_text)  # no proof: tomli_w writes str, and tomllib reads bytes
        try:
            value = self._call(content, as_text, file, kwargs)
        except Exception as error:
            if not _is_mismatch(error) and (self._wrote_text is not None or not _is_text(content)):
                raise
            refusals.append(error)
            as_text = not as_text
            value = self._call(content, as_text, file, kwargs)
        if content:  # an empty file shows nothing: csv takes it as bytes, and the next one only as text
            self.takes_text = as_text
        return value

    def _call(self, content: bytes, as_text: bool, file: Any, kwargs: dict[str, Any]) -> Any:
        text = str(content, "utf-8") if as_text else ""  # here: all of it must be UTF-8, even if load reads only a part
        if self._whole:
            return self._read(text if as_text else content, **kwargs)
        given = LoadFile(content, file)
        try:
            # The line ends are those that are stored: the documentation of csv asks for it too.
            return self._read(io.TextIOWrapper(given, "utf-8", newline="") if as_text else given, **kwargs)
        finally:
            given.take_back()

    def _takes_without_keywords(self, content: bytes, file: Any) -> bool:
        """Return whether a load without load_kwargs succeeds: then the keywords fail, and not the bytes."""
        try:
            self._decode(content, [], file, {})
        except Exception:
            return False
        return True

    def _is_nothing(self, value: Any, dump_kwargs: Any, load_kwargs: Any) -> bool:
        """Return whether the format writes nothing for this value, as CSV for []."""
        new = self._tried(value, dump_kwargs, load_kwargs)
        return new is not None and not new.written

    def _is_empty_for(self, value: Any, dump_kwargs: Any, load_kwargs: Any) -> bool:
        """Return whether an empty file loads as this value."""
        nothing = LoadFile(b"", None)
        nothing.dump_kwargs = dump_kwargs
        try:
            return bool(self._decode(b"", [], nothing, load_kwargs or {}) == value)
        except Exception:
            return False

    def _tried(self, value: Any, dump_kwargs: Any = None, load_kwargs: Any = None) -> DumpFile | None:
        """Dump the value into memory, to see what is written; None if the format refuses it."""
        new = DumpFile(io.BytesIO(), self.is_binary)
        new.load_kwargs = load_kwargs
        try:
            self._write(value, new, **(dump_kwargs or {}))
        except Exception:
            return None
        return new


def adapt(format: Any, is_binary: bool | None, label: str | None) -> Foreign:
    """Return a format with the attributes and functions of the modules of this package.

    Raises:
        FormatError: it has no two functions that belong together; the message lists what was found.
    """
    foreign = find(format)
    foreign.label = label or foreign.label
    foreign.is_binary = None if is_binary is None else bool(is_binary)  # 0.0.1 took 1 as well
    if is_binary is not None:
        foreign.takes_text = not is_binary
    return foreign


def find(format: Any) -> Foreign:
    """Return the two functions of a format object. Raises FormatError."""
    label = _label(format)
    if isinstance(format, tuple) and len(format) == 2 and all(map(callable, format)):
        dumps, loads = format
        return Foreign(format, f"({_label(dumps)}, {_label(loads)})", _writing(dumps), loads, True)
    if _offers(format, "safe_dump", "safe_load"):
        return Foreign(format, label, *_safe(format), False)
    for writer, reader, whole in _INTERFACES:
        if not _offers(format, writer, reader) or (label == _HANGS and not whole):
            continue
        _require_instance(format, writer, reader)
        write, read = getattr(format, writer), getattr(format, reader)
        public = WrapBinaryFormat(format) if writer == "dumps" else format
        foreign = Foreign(public, label, _writing(write) if whole else write, read, whole)
        is_binary = getattr(format, "is_binary", None)  # what its author has said
        if isinstance(is_binary, bool):
            foreign.takes_text = not is_binary
        return foreign
    names = [name for writer, reader, _ in _INTERFACES for name in (writer, reader)]
    found = [name for name in names if callable(getattr(format, name, None))]
    raise FormatError(
        "format should be a name, a pair of callables (dumps, loads), or an object with two that belong together, "
        f"such as dump and load; {format!r} has " + (f"only {', '.join(found)}" if found else "none of these")
    )


def _require_instance(format: Any, *names: str) -> None:
    """Raise FormatError for a class whose functions need an instance, except pydantic's, whose value is the instance."""
    if not isinstance(format, type) or names[0] == "model_dump_json":
        return
    functions = [inspect.getattr_static(format, name) for name in names]
    if not all(isinstance(each, classmethod | staticmethod) for each in functions):
        raise FormatError(
            f"format should be an object, and is the class {format.__name__}: give an instance, {format.__name__}()"
        )


def _offers(format: Any, *names: str) -> bool:
    return all(callable(getattr(format, name, None)) for name in names)


def _writing(dumps: Callable[..., Any]) -> Callable[..., None]:
    def dump(value: Any, file: Any, **kwargs: Any) -> None:
        file.write(dumps(value, **kwargs))

    return dump


def _safe(module: Any) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Return PyYAML's safe functions, or, if keywords name a Loader or Dumper, the others, as atomic-store 0.0.1 did.

    With a Loader alone 0.0.1 wrote by the full Dumper: tuples and objects with tags of Python's, which a safe Loader
    refuses. For such a Loader the safe Dumper writes, because a commit that returned must load again.
    """

    def dump(value: Any, file: Any, **kwargs: Any) -> None:
        loader = (file.load_kwargs or {}).get("Loader")
        if "Dumper" in kwargs:
            module.dump(value, file, **kwargs)
        elif loader is None:
            kwargs.setdefault("sort_keys", False)  # a mapping has an order, and it is the value's
            module.safe_dump(value, file, **kwargs)
        elif loader in (getattr(module, name, None) for name in _SAFE_LOADERS):
            module.safe_dump(value, file, **kwargs)
        else:
            module.dump(value, file, **kwargs)

    def load(file: Any, **kwargs: Any) -> Any:
        return (module.load if "Loader" in kwargs else module.safe_load)(file, **kwargs)

    return dump, load


def _label(format: Any) -> str:
    names = (getattr(format, attribute, None) for attribute in ("label", "__name__"))
    return next((name for name in names if isinstance(name, str)), type(format).__name__)


def _is_mismatch(error: BaseException) -> bool:
    """Return whether an error may mean "bytes given where str is needed", or the other way round."""
    return isinstance(error, TypeError | AttributeError)


def _best_error(errors: list[Exception]) -> Exception:
    """Return the error about the content, of those of one or two tries; the other one is in its context."""
    if len(errors) > 1 and is_verdict(errors[0]) and not is_verdict(errors[1]):
        return errors[0]
    return errors[-1]


def _told(errors: list[Exception], cause: Exception) -> str:
    told = describe(cause)
    both = len(errors) > 1 and cause is errors[1]
    if both and (not _is_mismatch(errors[0]) or isinstance(cause, UnicodeError)) and describe(errors[0]) != told:
        return f"{describe(errors[0])}; as text: {told}"
    return told


def _is_text(content: bytes) -> bool:
    try:
        str(content, "utf-8")
    except UnicodeDecodeError:
        return False
    return True
