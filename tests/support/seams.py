"""The few places where tests reach between the library and the system. No test touches another private name.

A test holds that: test_style.py. What is patched through here moves with the library in one file, not in twenty.
"""

from __future__ import annotations

import fcntl
import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import atomicwrites
import pytest

from atomic_store.locations.local import _tempfile  # noqa: F401 - loaded on first use only: here, so that it is patched
from atomic_store.locations.s3 import _upload, _write


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


def loaded_again(name: str) -> ModuleType:
    """Execute a module of atomic_store a second time, as a system would that lacks what the test has taken away."""
    spec = importlib.util.find_spec(f"atomic_store.{name}")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# --- S3 ---

S3_PART, S3_SAME_SIZE = _upload.PART, _upload.SAME_SIZE
S3_PAUSE = _write.pause


def s3_parts(patch: pytest.MonkeyPatch, size: int, same: int) -> None:
    """Let an upload send parts of another size, so many of one size."""
    patch.setattr(_upload, "PART", size)
    patch.setattr(_upload, "SAME_SIZE", same)


def s3_pause(patch: pytest.MonkeyPatch, stand_in: Callable[[int], object]) -> None:
    """Let `stand_in` be called before a request is made once more; S3_PAUSE is what waits."""
    for module in (_upload, _write):
        patch.setattr(module, "pause", stand_in)


@contextmanager
def no_s3_client() -> Iterator[None]:
    """Begin without the client of this process, and forget the client that was made meanwhile."""
    from atomic_store.locations.s3 import _client  # here: only with boto3

    before, _client._newest = _client._newest, None
    try:
        yield
    finally:
        _client._after_fork()
        _client._newest = before
