"""What the library says through logging, as "atomic_store": DEBUG for its steps, WARNING for what a person should know.

Nothing is printed unless the program listens. A program that has not loaded logging cannot listen: so nobody imports this
module before looking into sys.modules, and the quiet path pays for nothing (logging costs 11 ms).
"""

from __future__ import annotations

import logging
from time import perf_counter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_LOGGER = logging.getLogger("atomic_store")
_LOGGER.addHandler(logging.NullHandler())  # else Python prints the warnings that no handler takes (logging, "lastResort")


def warn(message: str, *args: object) -> None:
    """Tell what a person should know, although the program goes on."""
    _LOGGER.warning(message, *args)


def watch() -> Watch | None:
    """Begin to measure, if anybody listens."""
    return Watch() if _LOGGER.isEnabledFor(logging.DEBUG) else None


class Watch:
    """Measures one step, from its making on."""

    def __init__(self) -> None:
        self._began = perf_counter()

    def tell(self, step: str, path: Any, size: int | None, format: str) -> None:
        """Log a finished step with the bytes it moved, None where that is not known, and the milliseconds it took."""
        took = (perf_counter() - self._began) * 1000
        _LOGGER.debug("%s %r: %s bytes, format %s, %.1f ms", step, path, "?" if size is None else size, format, took)
