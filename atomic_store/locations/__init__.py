"""Seam 2, bytes <-> place: from what the user passes as `path` to a location."""

from __future__ import annotations

from .base import Location

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os


def resolve(path: str | bytes | os.PathLike[str] | os.PathLike[bytes] | Location) -> Location:
    """Give the location that `path` names; nothing is opened or looked at yet.

    Raises:
        TypeError: `path` is neither a path nor a location.
        LocationError: no such place can exist.
    """
    if isinstance(path, Location):
        return path
    from ._local import LocalFile

    return LocalFile(path)
