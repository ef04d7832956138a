"""The points of a local file: each system call of the library that others can see, and each wait."""

from __future__ import annotations

import _thread
import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

from faults import Attack, attacked

from .scheduler import Run

# What only its own process can see: a temp that has no name that others look for, and what is asked of a descriptor.
PRIVATE = {
    *("write", "fsync", "fstat", "lseek", "read", "pread", "fchmod", "fchown", "ftruncate", "close", "urandom", "dup"),
    *("getxattr", "setxattr", "removexattr", "pathconf", "getcwd"),
}
RELEASING = {"close", "replace", "rename", "unlink", "link"}


@dataclass
class Points(Attack):
    """Stands between the library and the system, and reports each call.

    Attributes:
        scheduler: where it is reported.
        all_calls: also those that no other actor can see.
    """

    scheduler: Run | None = None
    all_calls: bool = False

    def call(self, name: str, real: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Report one system call, then make it."""
        run = self.scheduler
        if run is None or run.here() is None or run.stuck:
            return super().call(name, real, *args, **kwargs)
        if name == "flock":
            return self._flock(run, real, *args)
        if name not in PRIVATE or self.all_calls:
            run.point(f"{name} {label(args)}")
        try:
            return super().call(name, real, *args, **kwargs)
        finally:
            if name in RELEASING:
                run.released()

    def _flock(self, run: Run, real: Callable[..., Any], descriptor: int, operation: int) -> None:
        """Lock; where the kernel would let the caller wait, let others go on instead."""
        run.point(f"flock {operation}")
        while True:
            try:
                real(descriptor, operation if operation & fcntl.LOCK_UN else operation | fcntl.LOCK_NB)
            except BlockingIOError:
                if operation & fcntl.LOCK_NB:
                    raise
                run.wait("waits in flock")
            else:
                if operation & fcntl.LOCK_UN:
                    run.released()
                return


class Mutex:
    """Stands in for _thread.RLock: where a thread would wait, others go on instead.

    Attributes:
        scheduler: the run, None before it begins.
    """

    def __init__(self, scheduler: Callable[[], Run | None]) -> None:
        self._scheduler = scheduler
        self._owner: int | None = None
        self._count = 0

    def __enter__(self) -> None:
        while self._owner not in (None, _thread.get_ident()):
            run = self._scheduler()
            assert run is not None
            run.wait("waits for a mutex")
        self._owner = _thread.get_ident()
        self._count += 1

    def __exit__(self, *_: object) -> None:
        self._count -= 1
        if self._count == 0:
            self._owner = None
            run = self._scheduler()
            if run is not None:
                run.released()


class Threads:
    """Stands in for the module `_thread`."""

    def __init__(self, scheduler: Callable[[], Run | None]) -> None:
        self._scheduler = scheduler

    def __getattr__(self, name: str) -> Any:
        return getattr(_thread, name)

    def RLock(self) -> Mutex:  # noqa: N802 - the name of what it stands for
        """Make a mutex."""
        return Mutex(self._scheduler)


@contextmanager
def mutexes(scheduler: Callable[[], Run | None]) -> Iterator[None]:
    """Let stores that are opened now have mutexes that the scheduler sees."""
    with mock.patch("atomic_store.store._thread", Threads(scheduler)):
        yield


def label(args: tuple[Any, ...]) -> str:
    """Name the file that a call is about, as short as a story needs it."""
    return " ".join(arg.rpartition("/")[2] for arg in args[:2] if isinstance(arg, str))


@contextmanager
def seams(run: Run, all_calls: bool = False) -> Iterator[None]:
    """Let every system call and every sleep of the run's actors be a point."""
    sleep, monotonic = time.sleep, time.monotonic

    def sleeping(seconds: float) -> None:
        if run.here() is None:
            sleep(seconds)
        else:
            run.wait("sleeps", max(seconds, 0.05))

    def reading() -> float:
        return monotonic() if run.here() is None else run.clock

    with (
        mock.patch.object(time, "sleep", sleeping),
        mock.patch.object(time, "monotonic", reading),
        attacked(Points(scheduler=run, all_calls=all_calls)),
    ):
        yield
