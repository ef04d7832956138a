"""How a foreign format is known: as a pair of callables, or as an object with two functions that belong together.

Only a program that brings such a format loads this.
"""

from __future__ import annotations

from ..errors import FormatError
from ._codec import Functions
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
_HANGS = "cbor"  # the load() of this old package never returns from a truncated file; its loads() does


def find(format: Any) -> tuple[Any, Functions]:
    """Find the two functions of a format object; give what the store shows as its format, and them.

    Raises:
        FormatError: nothing fits; the message lists what was found.
    """
    label, takes_text = _label(format), _takes_text(format)
    if _is_pair(format):
        dumps, loads = format
        return format, Functions(f"({_label(dumps)}, {_label(loads)})", _writing(dumps), loads, whole=True)
    if _offers(format, "safe_dump", "safe_load"):
        return format, Functions(label, *_safe(format))
    for writer, reader, whole in _INTERFACES:
        if not _offers(format, writer, reader) or (label == _HANGS and not whole):
            continue
        if not whole:
            streams, objects = (getattr(format, name, None) is True for name in ("streams", "holds_objects"))  # our wrappers
            return format, Functions(label, format.dump, format.load, False, streams, takes_text, objects)
        functions = Functions(label, _writing(getattr(format, writer)), getattr(format, reader), True, takes_text=takes_text)
        return WrapBinaryFormat(format) if writer == "dumps" else format, functions
    names = [name for writer, reader, _ in _INTERFACES for name in (writer, reader)]
    found = [name for name in names if callable(getattr(format, name, None))]
    raise FormatError(
        "format should be a name, a pair of callables (dumps, loads), or an object with two that belong together, "
        f"such as dump and load; {format!r} has " + (f"only {', '.join(found)}" if found else "none of these")
    )


def _is_pair(format: Any) -> bool:
    return isinstance(format, tuple) and len(format) == 2 and all(map(callable, format))  # pyright: ignore[reportUnknownArgumentType]  # any tuple


def _offers(format: Any, *names: str) -> bool:
    return all(callable(getattr(format, name, None)) for name in names)


def _takes_text(format: Any) -> bool | None:
    """Read what the author of a format may have said by a class attribute `is_binary`."""
    is_binary = getattr(format, "is_binary", None)
    return not is_binary if isinstance(is_binary, bool) else None


def _writing(dumps: Callable[..., Any]) -> Callable[..., None]:
    def dump(value: Any, file: Any, **kwargs: Any) -> None:
        file.write(dumps(value, **kwargs))

    return dump


def _safe(module: Any) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Give PyYAML's safe functions, or those that a Dumper or Loader among the keywords asks for."""

    def dump(value: Any, file: Any, **kwargs: Any) -> None:
        kwargs.setdefault("sort_keys", False)  # a mapping has an order, and it is the value's
        (module.dump if "Dumper" in kwargs else module.safe_dump)(value, file, **kwargs)

    def load(file: Any, **kwargs: Any) -> Any:
        return (module.load if "Loader" in kwargs else module.safe_load)(file, **kwargs)

    return dump, load


def _label(format: Any) -> str:
    names = (getattr(format, attribute, None) for attribute in ("label", "__name__"))
    return next((name for name in names if isinstance(name, str)), type(format).__name__)
