"""Formats around a format: each takes what open() takes as `format`, and is passed as `format` itself.

They combine in any order. The outermost one works first at a load and last at a commit, so
`Signed(Compressed("pickle"), key)` checks the signature before it decompresses, and decompresses before it unpickles.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._auto import SUFFIXES, name_by_suffix, settle
    from ._base import Wrapper
    from ._compressed import COMPRESSIONS, Compressed
    from ._signed import Signed
    from ._verified import Verified
    from ._versioned import Versioned

__all__ = [
    "COMPRESSIONS",
    "SUFFIXES",
    "Compressed",
    "Signed",
    "Verified",
    "Versioned",
    "Wrapper",
    "name_by_suffix",
    "settle",
]


def __getattr__(name: str) -> Any:
    """Load one wrapper on first use (PEP 562): hmac and the compressions cost 2 ms and more."""
    found: Any
    match name:
        case "Wrapper":
            from . import _base as found
        case "Compressed" | "COMPRESSIONS":
            from . import _compressed as found
        case "Signed":
            from . import _signed as found
        case "Verified":
            from . import _verified as found
        case "Versioned":
            from . import _versioned as found
        case "SUFFIXES" | "name_by_suffix" | "settle":
            from . import _auto as found
        case _:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(found, name)
