"""Decoding a large value with Python's garbage collection paused.

A decoder makes objects by the million, and none of them is garbage. The collector looks at all of them again and again
meanwhile: on Python 3.11 that is a third of the time of a JSON load, and half of a pickle's. It belongs to the
process, so other threads go without it too until the load has ended. Then all that was made may count as old: the next
collection of young objects would go through the whole value once more.
"""

from __future__ import annotations

import gc
import os
from _thread import RLock  # threading's own source; the module itself costs 0.7 ms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    T = TypeVar("T")

_lock = RLock()  # reentrant: a signal handler may load a store of its own in the middle of a step
_loads: set[object] = set()  # a token for each load that is at work
_was_on = False  # whether the last of them has to turn the collector on again
_ages = False  # whether everything is frozen, by us and for a moment
_full = -1  # how many full collections there had been when that was done last


def without_collection(function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """Give function(*args, **kwargs), called with the collector off; after it the collector is as it was."""
    load = object()
    try:
        try:
            _pause(load)
            return function(*args, **kwargs)
        finally:
            _resume(load)
    finally:
        _resume(load)  # once more, and for nothing, unless an interrupt has ended the first one


def _pause(load: object) -> None:
    global _was_on
    with _lock:
        if not _loads:
            _was_on = _was_on or gc.isenabled()
        _loads.add(load)
        gc.disable()


def _resume(load: object) -> None:
    global _was_on
    with _lock:
        _loads.discard(load)
        if not _loads and _was_on:
            _make_old()
            gc.enable()
            _was_on = False  # last: whoever is interrupted before begins again


def _make_old() -> None:
    """Move all objects to the oldest generation: out of the permanent one, which a freeze puts them in.

    Once between two full collections, since only those find the garbage that moves along, and each move sets back the
    counts by which they come. Not where the program itself keeps objects frozen, to share their memory after a fork; and
    not on Python 3.12, which keeps its immortal ones there.
    """
    global _ages, _full
    full = gc.get_stats()[-1]["collections"]
    if _ages or (full != _full and not gc.get_freeze_count()):
        _ages, _full = True, full
        gc.freeze()
        gc.unfreeze()
        _ages = False


def _after_fork() -> None:
    """In the child no load is at work but one that has forked, and that may never end there."""
    global _lock, _was_on, _ages
    _lock = RLock()
    _loads.clear()
    if _ages:
        gc.unfreeze()
        _ages = False
    if _was_on:
        gc.enable()
        _was_on = False


if hasattr(os, "register_at_fork"):  # pragma: no branch - Windows does not fork
    os.register_at_fork(after_in_child=_after_fork)
