"""A value is published only if it can be loaded again and is the same value then."""

from __future__ import annotations

from ..errors import FormatError, describe
from ._difference import difference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

EDITED = (
    ". If it was loaded and edited, plain dicts and lists in place of the loaded ones are written, without their comments"
)
"""The way out for the formats whose packages keep comments."""


def require_same(value: Any, load: Callable[[], Any], label: str, way_out: str = "") -> None:
    """Raise FormatError unless load() returns the same value.

    Args:
        value: what was encoded.
        load: decodes what was written.
        label: the name of the format, for the message.
        way_out: the end of the message.
    """
    try:
        again = load()
    except Exception as error:
        raise FormatError(f"the value can be written as {label}, but not read back: {describe(error)}{way_out}") from error
    place = difference(value, again)
    if place is not None:
        raise FormatError(f"the value would not come back from {label} as it is: {place}{way_out}")
