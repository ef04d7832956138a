"""The only module of the tests that names private parts of atomic_store; test_style.py holds that.

Faults of the system are injected where they arise: tests patch `os`, `fcntl` and `time` themselves (os.fsync, fcntl.flock,
os.urandom, time.time_ns), or exchange `os` for the modules of locations by system(). What cannot be reached so, and the
modules that have tests of their own, are named here: if one of them moves, this file alone changes.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from atomic_store import formats
from atomic_store.formats import _json as json_format
from atomic_store.formats._difference import difference
from atomic_store.locations import local
from atomic_store.locations.local import _lock as lock
from atomic_store.locations.local import _platform as platform
from atomic_store.locations.local import _probe as probe
from atomic_store.locations.local import _tempfile as tempfile
from atomic_store.locations.local import _unchanged as unchanged
from atomic_store.locations.local import aside
from atomic_store.locations.s3 import _upload, _write

__all__ = ["difference", "json_format", "local", "lock", "platform", "probe", "tempfile"]


def system(patch: pytest.MonkeyPatch, stand_in: Any) -> None:
    """Let all modules of locations see `stand_in` in place of the module `os`."""
    for name, module in list(sys.modules.items()):
        if name.startswith("atomic_store.locations") and hasattr(module, "os"):
            patch.setattr(module, "os", stand_in)


def loaded_again(module: ModuleType) -> ModuleType:
    """Execute a module of the library a second time, as a system would that lacks what the test has taken away."""
    spec = importlib.util.spec_from_file_location(module.__name__, str(module.__file__))
    assert spec is not None
    assert spec.loader is not None
    again = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(again)
    return again


# --- local files ---


def is_still(patch: pytest.MonkeyPatch, stand_in: Callable[[Any], bool]) -> None:
    """Let `stand_in` say whether the sidecar that was locked is still the one beside the file."""
    patch.setattr(lock, "_is_still", stand_in)


def is_fuse(patch: pytest.MonkeyPatch) -> None:
    """Let each directory be on a FUSE file system."""
    patch.setattr(local, "_is_on_fuse", lambda directory: True)


def windows(patch: pytest.MonkeyPatch) -> None:
    """Let commits go by paths and by atomicwrites' functions, as on Windows; O_DIRECTORY is the test's to take away."""
    patch.setattr(platform, "on_windows", lambda: True)
    for module in (tempfile, local, lock, aside, unchanged):
        for name in ("fsync", "link", "replace", "unlink"):
            if hasattr(module, name):
                patch.setattr(module, name, getattr(platform, name))
        if hasattr(module, "HAS_DIR_FD"):
            patch.setattr(module, "HAS_DIR_FD", False)


def locks_noted() -> int:
    """Return how many locks this process holds or waits for."""
    return len(lock._noted)


def next_temp_name(patch: pytest.MonkeyPatch, number: int) -> None:
    """Let the next temp file have this number in its name."""
    patch.setattr(tempfile, "_numbers", iter((number,)))


def descriptor(file: Any) -> int:
    """Return the descriptor of a new file, as other code in the process might find it."""
    return int(file.fd())


def keep_no_attributes(patch: pytest.MonkeyPatch) -> None:
    """Let a commit lose mode, owner and attributes of the file that it replaces."""
    patch.setattr(tempfile.TempFile, "_keep_attributes", lambda *_: None)


# --- formats and command line ---


def without_collection(function: Callable[[Any], object], argument: object) -> object:
    """Call a decoder as a load of a large value does, with the garbage collector paused."""
    return formats._call(function, argument)


def loads_under_way() -> Any:
    """Return the count of loads for which the collector is paused."""
    return formats._off


def forget_format(monkeypatch: pytest.MonkeyPatch, format: str) -> None:
    """Let a named format be loaded anew at its next use."""
    monkeypatch.delitem(sys.modules, f"atomic_store.formats._{format}", raising=False)
    monkeypatch.delattr(formats, f"_{format}", raising=False)
    monkeypatch.delitem(formats._codecs, format, raising=False)


def without_json(patch: pytest.MonkeyPatch, *, accelerator: bool = True) -> None:
    """Let the built-in format find json not imported yet, as in a program that does not use it itself."""
    patch.delitem(sys.modules, "json")
    if not accelerator:
        patch.setattr(json_format, "_encode", None)
        patch.setattr(json_format, "_scan", None)


def json_accelerator() -> Any:
    """Return the functions that stand in for json.dumps() and json.loads(), each None where json itself is needed."""
    return json_format._accelerator()


def format_module(name: str) -> ModuleType:
    """Return the module of a built-in format."""
    return importlib.import_module(f"atomic_store.formats._{name}")


def cli(name: str) -> Any:
    """Return a part of the command line: "parser", "terminal", "formats"."""
    return importlib.import_module(f"atomic_store.cli._{name}")


def cli_kept(patch: pytest.MonkeyPatch) -> list[Any]:
    """Return the list in which the command line will keep the locks that it was handed down."""
    kept: list[Any] = []
    patch.setattr(cli("locking"), "_kept", kept)
    return kept


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


def s3_nothing_learned(patch: pytest.MonkeyPatch) -> None:
    """Forget what services have shown of their ETags: each test meets its service for the first time."""
    patch.setattr(_write, "takes_bare", set[str]())
    patch.setattr(_write, "two_etags", set[str]())


def s3_no_threads(patch: pytest.MonkeyPatch) -> None:
    """Let uploads find that no thread can be started, so that the thread that writes makes all of their requests."""

    class Refused(threading.Thread):
        def start(self) -> None:
            raise RuntimeError("can't start new thread")

    patch.setattr(_upload, "threading", SimpleNamespace(**{**vars(threading), "Thread": Refused}))


def s3_client() -> ModuleType:
    """Return the module that makes the client; it can be imported only with boto3."""
    return importlib.import_module("atomic_store.locations.s3._client")


@contextmanager
def no_s3_client() -> Iterator[None]:
    """Begin without the client of this process, and forget the client that was made meanwhile."""
    clients: Any = s3_client()
    before, clients._newest = clients._newest, None
    try:
        yield
    finally:
        clients._after_fork()
        clients._newest = before
