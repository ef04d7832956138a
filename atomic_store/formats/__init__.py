"""Seam 1, value <-> bytes: from what the user passes as `format` to a codec."""

from __future__ import annotations

from ..errors import FormatError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._codec import Codec

NAMES = ("json", "pickle", "bson")
"""The built-in names; each is the module `_NAME` of this package."""


def resolve(
    format: Any = None,
    is_binary: bool | None = None,
    load_kwargs: dict[str, Any] | None = None,
    dump_kwargs: dict[str, Any] | None = None,
) -> Codec:
    """Give the codec for what the user calls a format; nothing is read or written yet.

    Args:
        format: None (JSON), a name, or an object with dump/load, dumps/loads or encode/decode.
        is_binary: True or False: what the format must speak; None: it is found out.
        load_kwargs: keywords of every load.
        dump_kwargs: keywords of every dump.

    Raises:
        FormatError: it is no format, or no name of one.
        MissingLibraryError: it is one whose package cannot be used here.
    """
    from ._codec import Codec, find

    if is_binary not in (None, True, False):
        raise FormatError(f"is_binary should be None, True or False, not {is_binary!r}")
    name = _name(format)
    public, functions = find(format) if name is None else _builtin(name)
    return Codec(
        public, functions, is_binary, {} if load_kwargs is None else load_kwargs, {} if dump_kwargs is None else dump_kwargs
    )


def _name(format: Any) -> str | None:
    """Give the name of a built-in format, None for an object that brings its own functions."""
    if format is None:
        return "json"
    if isinstance(format, str):
        if format not in NAMES:
            raise FormatError(f"format should be one of {', '.join(NAMES)}, or an object; not {format!r}{_near(format)}")
        return format
    import sys

    # A module as it is means the format of its name: ours is faster and finds more damage.
    return next((name for name in NAMES if format is sys.modules.get(name)), None)


def _builtin(name: str) -> tuple[Any, Any]:
    from ._codec import Functions

    module: Any = __import__(f"{__name__}._{name}", fromlist=["dump"])  # importlib would be one more import to pay
    functions = Functions(name, module.dump, module.load, streams=module.streams)
    return module.public(), functions


def _near(name: str) -> str:
    import difflib  # here: 3 ms that only a typing error pays

    near = difflib.get_close_matches(name, NAMES, 1)
    return f'; did you mean "{near[0]}"?' if near else ""
