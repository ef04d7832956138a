"""Seam 2, bytes <-> place: from what the user passes as `path` to a location."""

from __future__ import annotations

from ..errors import LocationError
from .base import Location

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Callable

_LocalFile: Callable[..., Location] | None = None  # once it is loaded: even then an import costs 1.5 us


def resolve(path: str | bytes | os.PathLike[str] | os.PathLike[bytes] | Location) -> Location:
    """Give the location that `path` names; nothing is opened or looked at yet.

    A str that begins with a word and "://" is a URL. Whatever else is a path of this machine.

    Raises:
        TypeError: `path` is neither a path nor a location.
        LocationError: no such place can exist.
    """
    if isinstance(path, str):
        scheme, separator, _ = path.partition("://")
        if separator and _is_scheme(scheme):
            return _at_url(scheme.lower(), path)
    elif isinstance(path, Location):
        return path
    global _LocalFile
    if _LocalFile is None:
        from ._local import LocalFile

        _LocalFile = LocalFile
    return _LocalFile(path)


def _s3(url: str) -> Location:
    from .s3 import from_url

    return from_url(url)


SCHEMES = {
    "s3": _s3,
}
"""What makes a location of a URL, by the word that the URL begins with."""


def _at_url(scheme: str, url: str) -> Location:
    if scheme not in SCHEMES:
        known = ", ".join(f"{name}://" for name in SCHEMES)
        raise LocationError(
            f"path should be a file's path or a URL that begins with {known}, not {url!r}; "
            f"for a local file of this name, write {'./' + url!r}"
        )
    return SCHEMES[scheme](url)


def _is_scheme(word: str) -> bool:
    """Say whether this could be the scheme of a URL (RFC 3986, 3.1)."""
    return word.isascii() and word[:1].isalpha() and word.translate({43: None, 45: None, 46: None}).isalnum()
