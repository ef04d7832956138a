"""The few places where tests reach between the library and the system. No test touches another private name.

A test holds that: test_style.py. What is patched through here moves with the library in one file, not in twenty.
"""

from __future__ import annotations

import fcntl
import sys
from collections.abc import Callable
from typing import Any

import atomicwrites
import pytest

from atomic_store.locations.local import _tempfile  # noqa: F401 - loaded on first use only: here, so that it is patched


def system(patch: pytest.MonkeyPatch, stand_in: Any) -> None:
    """Let all modules of locations see `stand_in` in place of the module `os`."""
    for name, module in list(sys.modules.items()):
        if name.startswith("atomic_store.locations") and hasattr(module, "os"):
            patch.setattr(module, "os", stand_in)


def fsync(patch: pytest.MonkeyPatch, stand_in: Callable[[int], object]) -> None:
    """Let every fsync of a commit call `stand_in` with the descriptor; `stand_in` may call os.fsync."""
    patch.setattr(atomicwrites, "_proper_fsync", stand_in)  # its name for os.fsync, taken at import


def flock(patch: pytest.MonkeyPatch, stand_in: Callable[[int, int], object]) -> None:
    """Let every flock call `stand_in`."""
    patch.setattr(fcntl, "flock", stand_in)
