"""Faults that the library has had, put back: each must be found, or the exploration proves nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from unittest import mock
from weakref import ref

import atomic_store
from atomic_store.locations.local import LocalFile, _lock

from .history import CORRUPT
from .scenarios import FIRST, Scenario


@contextmanager
def reload_that_waits_for_nobody() -> Iterator[None]:
    """reload() read the file while another thread had a block open, and gave that block another value."""

    def reload(self: Any) -> Any:
        self._value, self._version, self.stored = self._read(self._exact)
        return self._value

    with mock.patch.object(atomic_store.AtomicStore, "reload", reload):
        yield


@contextmanager
def reload_that_takes_what_is_old() -> Iterator[None]:
    """reload() waited for an open block, and then took what it had read before that block began."""

    def reload(self: Any) -> Any:
        found = self._read(self._exact)
        while self._held is not None:
            self._location.lock(None).release()
        self._take(found)
        return self._value

    with mock.patch.object(atomic_store.AtomicStore, "reload", reload):
        yield


@contextmanager
def quarantine_that_unlinks() -> Iterator[None]:
    """Garbage was given a second name, and then whatever had the first one was unlinked."""

    def set_aside(self: LocalFile, version: object) -> str:
        real = self.real()
        local.os.link(real, f"{real}.corrupt-20200101T000000Z")
        local.os.unlink(real)
        return f"{real}.corrupt-20200101T000000Z"

    with mock.patch.object(LocalFile, "set_aside", set_aside):
        yield


@contextmanager
def lock_that_is_noted_late() -> Iterator[None]:
    """A lock was noted after it was taken: until then a signal handler waited for its own thread."""
    begin, acquire = _lock.SidecarLock.__init__, _lock.acquire

    def silent(self: Any) -> None:
        begin(self)
        _lock._noted.pop(self.number)

    def late(*args: Any) -> Any:
        lock = acquire(*args)
        _lock._noted[lock.number] = ref(lock)
        return lock

    with mock.patch.object(_lock.SidecarLock, "__init__", silent), mock.patch.object(_lock, "acquire", late):
        yield


local: Any = sys.modules[LocalFile.__module__]  # whose os is attacked

CONTROLS: dict[Callable[[], AbstractContextManager[None]], Scenario] = {
    reload_that_waits_for_nobody: Scenario(("shared_block", "shared_reload"), FIRST),
    reload_that_takes_what_is_old: Scenario(("shared_block", "shared_reload"), FIRST),
    quarantine_that_unlinks: Scenario(("quarantine", "rename"), CORRUPT),
    lock_that_is_noted_late: Scenario(("block",), FIRST, "update"),
}
