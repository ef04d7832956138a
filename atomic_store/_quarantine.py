"""on_corrupt="quarantine": bytes that the format refuses are moved aside, with a warning."""

from __future__ import annotations

import os
import sys
import warnings

from .errors import AtomicStoreError, ConflictError, LoadError, describe, log
from .locations.local import aside  # noqa: F401  # pyright: ignore[reportUnusedImport]  # set_aside() needs it: loaded now

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .locations import Location

_WARNING = 30  # logging.WARNING


def quarantine(location: Location, load: Callable[[Any], Any], version: object, error: LoadError) -> None:
    """Move what the format has refused with `error` out of the way, and warn."""
    if _is_fine_now(location, load, version):
        raise (error.__cause__ or error) from None
    try:
        aside = location.set_aside(version)
    except ConflictError:
        return  # another program was faster, with a new value or the same quarantine: read again
    except (AtomicStoreError, OSError) as failure:
        failure.add_note(f"while setting aside what no format could read: {error}")
        raise
    message = (
        f"{location.path!r} held no value that the format {error.format} can read "
        f"({describe(error.__cause__ or error)}); the bytes are kept as {aside!r}, "
        "and the store goes on with the default"
    )
    log(_WARNING, "%s", message)
    warnings.warn(message, UserWarning, stacklevel=_caller())


def _is_fine_now(location: Location, load: Callable[[Any], Any], version: object) -> bool:
    """Return whether a second load succeeds. The first may have failed because a signal handler raised inside the parser."""
    file = location.read(exact=True)
    if file is None:
        return False
    with file:
        try:
            load(file)
        except LoadError:
            return False
        return file.version == version


def _caller() -> int:
    """Return the stacklevel of the line that called the library."""
    package = os.path.join(os.path.dirname(__file__), "")
    frame, level = sys._getframe(1), 1  # pyright: ignore[reportPrivateUsage]
    while frame.f_code.co_filename.startswith(package) and frame.f_back is not None:
        frame, level = frame.f_back, level + 1
    return level
