"""The points of a local file: each system call of the library that others can see, and each wait."""

from __future__ import annotations

import _thread
import fcntl
import os
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import BuiltinMethodType, FunctionType, MethodType
from typing import Any
from unittest import mock

from faults import Attack, attacked

from .scheduler import Actor, Run
from .trace import ALL, NOTHING, Touched

# What only its own process can see: a temp that has no name that others look for, and what is asked of a descriptor.
PRIVATE = {
    *("write", "fsync", "fstat", "lseek", "read", "pread", "fchmod", "fchown", "ftruncate", "close", "urandom", "dup"),
    *("getxattr", "setxattr", "removexattr", "pathconf", "getcwd"),
}
RELEASING = {"close", "replace", "rename", "unlink", "link"}
# What they touch of the files. A call that is none of these touches everything.
LOOKING = {"lstat", "stat", "access", "readlink", "listxattr", "getxattr", "fstat", "read", "pread", "lseek", "flistxattr"}
CHANGING = {"write", "fchmod", "fchown", "ftruncate", "setxattr", "removexattr"}
TWO_NAMES = {"link", "replace", "rename"}
NAMING = {"unlink", "link", "replace", "rename"}
UNSEEN = {"fsync", "urandom", "dup", "getcwd", "pathconf", "close"}


@dataclass
class Points(Attack):
    """Stands between the library and the system, and reports each call.

    Attributes:
        scheduler: where it is reported.
        all_calls: also those that no other actor can see.
        files: what an inode is called: its first name, or, of a temp, who made it. The numbers are others in each run.
        temps: the same, of the names that are others in each run.
    """

    scheduler: Run | None = None
    all_calls: bool = False
    files: dict[int, Hashable] = field(default_factory=dict)
    temps: dict[str, tuple[str, int]] = field(default_factory=dict)

    def call(self, name: str, real: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Report one system call, then make it."""
        run = self.scheduler
        if run is None or run.here() is None or run.stuck:
            return super().call(name, real, *args, **kwargs)
        if name == "flock":
            return self._flock(run, real, *args)
        if name not in PRIVATE or self.all_calls:
            run.point(f"{name} {label(args)}", NOTHING)
        run.touch(self._touched(run, name, args, kwargs))
        try:
            return super().call(name, real, *args, **kwargs)
        finally:
            if name in RELEASING:
                run.released()

    def _flock(self, run: Run, real: Callable[..., Any], descriptor: int, operation: int) -> None:
        """Lock; where the kernel would let the caller wait, let others go on instead."""
        run.point(f"flock {operation}", NOTHING)
        lock = Touched(changed=(("lock", self._file(os.fstat(descriptor).st_ino)),))
        while True:
            run.touch(lock)
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

    def _touched(self, run: Run, name: str, args: tuple[Any, ...], options: dict[str, Any]) -> Touched:
        """Tell what a call touches: names of the directory, the list of its names, and files."""
        if name in UNSEEN:
            return NOTHING
        if name == "listdir":
            return Touched(changed=("names",))
        if isinstance(args[0], int):
            number = self._file(os.fstat(args[0]).st_ino)
            if name in LOOKING:
                return Touched(seen=(number,))
            return Touched(changed=(number,)) if name in CHANGING else ALL
        things: list[Hashable] = []
        creates = False
        for path, which in zip(args, ("src_dir_fd", "dst_dir_fd")[: 1 + (name in TWO_NAMES)], strict=False):
            base = path.rpartition("/")[2]
            number = inode(path, options.get(which, options.get("dir_fd")))
            if name == "open" and number is None and args[1] & os.O_CREAT:
                creates = True
                if base.endswith(".tmp"):
                    self.temps[base] = self._temp_of(run.here())
            things.append(("name", self._name(base)))
            if number is not None:
                things.append(self._file(number, self._name(base)))
        if name in LOOKING or (name == "open" and not creates and not args[1] & os.O_TRUNC):
            return Touched(seen=things)
        # Two changes of the list may change places, and none with one that reads it: so they "see" and it "changes".
        return Touched(("names",), things) if name in NAMING or creates else ALL

    def _temp_of(self, actor: Actor | None) -> tuple[str, int]:
        assert actor is not None
        return actor.name, sum(each[0] == actor.name for each in self.temps.values())

    def _name(self, base: str) -> Hashable:
        return "aside" if ".corrupt-" in base else self.temps.get(base, base)

    def _file(self, number: int, name: Hashable = None) -> Hashable:
        return self.files.setdefault(number, f"file {number if name is None else name}")


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
        while not self._is_free():
            run = self._scheduler()
            assert run is not None
            run.wait("waits for a mutex")
        self._owner = _thread.get_ident()
        self._count += 1

    def __exit__(self, *_: object) -> None:
        self._touch()
        self._count -= 1
        if self._count == 0:
            self._owner = None
            run = self._scheduler()
            if run is not None:
                run.released()

    def _is_free(self) -> bool:
        self._touch()
        return self._owner in (None, _thread.get_ident())

    def _touch(self) -> None:
        run = self._scheduler()
        if run is not None:
            run.touch(Touched(changed=("a mutex",)))


class Threads:
    """Stands in for the module `_thread`."""

    def __init__(self, scheduler: Callable[[], Run | None]) -> None:
        self._scheduler = scheduler

    def __getattr__(self, name: str) -> Any:
        return getattr(_thread, name)

    def RLock(self) -> Mutex:  # noqa: N802 - the name of what it stands for
        """Make a mutex."""
        return Mutex(self._scheduler)


FIXED = {"_location", "_codec", "_mutex", "_format", "_type"}
"""Attributes of a store whose objects do not change, or report by themselves what is done to them."""
PLAIN = (int, float, str, bytes, tuple, type(None), type, FunctionType, MethodType, BuiltinMethodType)
"""What does not change, either."""


def watch(shared: Any, scheduler: Callable[[], Run | None]) -> None:
    """Report each attribute of an object that two threads look at or change."""
    kind = type(shared)

    def looking(self: Any, name: str) -> Any:
        value = object.__getattribute__(self, name)
        run = scheduler()
        if run is not None:
            thing = (kind.__name__, name)
            looks = name in FIXED or isinstance(value, PLAIN)
            run.touch(Touched(seen=(thing,)) if looks else Touched(changed=(thing,)))
        return value

    def changing(self: Any, name: str, value: Any) -> None:
        run = scheduler()
        if run is not None:
            run.touch(Touched(changed=((kind.__name__, name),)))
        object.__setattr__(self, name, value)

    shared.__class__ = type(kind.__name__, (kind,), {"__getattribute__": looking, "__setattr__": changing})


@contextmanager
def mutexes(scheduler: Callable[[], Run | None]) -> Iterator[None]:
    """Let stores that are opened now have mutexes that the scheduler sees."""
    with mock.patch("atomic_store.store._thread", Threads(scheduler)):
        yield


def inode(path: str, directory: int | None) -> int | None:
    """Return the number of the file that has this name, None for no file."""
    try:
        return os.lstat(path, dir_fd=directory).st_ino
    except OSError:
        return None


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
        return monotonic() if run.here() is None else run.time()

    with (
        mock.patch.object(time, "sleep", sleeping),
        mock.patch.object(time, "monotonic", reading),
        attacked(Points(scheduler=run, all_calls=all_calls)),
    ):
        yield
