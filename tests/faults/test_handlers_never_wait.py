"""A signal handler that uses a store, after each bytecode: it gets a LockError, or it works; it never waits.

A handler runs on the thread that it interrupts. Where that thread holds the lock, or is about to, waiting for it is waiting
for oneself, for ever. Tracing by opcode calls the handler where a signal would: after every bytecode of what takes, uses and
gives back a lock.
"""

from __future__ import annotations

import fcntl
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any
from unittest import mock

import pytest

import atomic_store
from atomic_store import AtomicStore, LockError

Record = Callable[[str, object], None]

PACKAGE = os.path.join(os.path.dirname(atomic_store.__file__), "")
# What decides about locks, and whose they are: reading, encoding and writing know none.
TRACED = {
    os.path.join(PACKAGE, "store.py"): None,
    os.path.join(PACKAGE, "locations", "local", "_lock.py"): None,
    os.path.join(PACKAGE, "locations", "local", "__init__.py"): ("LocalFile.lock", "LocalFile.lock_for_this", "Change."),
}


class Waits(BaseException):
    """Raised where a handler would wait."""


class Handler:
    """Comes after the `turn`-th bytecode, once; before turn is set, never.

    Attributes:
        turn: counted down by each bytecode.
        at: where it came, "" as long as the turn has not come.
        outcome: how it ended.
    """

    def __init__(self, act: Callable[[], object]) -> None:
        self.turn = 0
        self._act = act
        self.at = ""
        self.outcome = ""

    def __call__(self, frame: FrameType, event: str, arg: object) -> Any:
        if self.at or not is_traced(frame):
            return None
        if event == "call":
            frame.f_trace_opcodes = True
            frame.f_trace_lines = False
        elif event == "opcode":
            self.turn -= 1
            if self.turn == 0:
                self.at = f"{os.path.relpath(frame.f_code.co_filename, PACKAGE)}:{frame.f_lineno} {frame.f_code.co_qualname}"
                sys.settrace(None)
                with nothing_waits():
                    self.come()
        return self

    def come(self) -> None:
        """Do what the handler does."""
        try:
            self._act()
            self.outcome = "worked"
        except (LockError, atomic_store.AtomicStoreError) as error:
            self.outcome = type(error).__name__
        except Waits:
            self.outcome = "waits"


def is_traced(frame: FrameType) -> bool:
    """Return whether a handler comes within this function."""
    names = TRACED.get(frame.f_code.co_filename, ())
    return names is None or frame.f_code.co_qualname.startswith(names)


@contextmanager
def nothing_waits() -> Iterator[None]:
    """Let what would wait, for a lock or for time, raise instead."""
    flock = fcntl.flock

    def impatient(descriptor: int, operation: int) -> None:
        try:
            flock(descriptor, operation | (0 if operation & fcntl.LOCK_UN else fcntl.LOCK_NB))
        except BlockingIOError:
            if operation & fcntl.LOCK_NB:
                raise
            raise Waits from None

    def sleep(seconds: float) -> None:
        raise Waits

    with mock.patch.object(fcntl, "flock", impatient), mock.patch.object(time, "sleep", sleep):
        yield


def block(store: AtomicStore[Any]) -> None:
    """Add 1 in a block; within, the lock is really held."""
    with store:
        store.value["n"] += 1
        assert is_locked(str(store.path))


def is_locked(path: str) -> bool:
    """Return whether another program would have to wait."""
    directory, name = os.path.split(path)
    descriptor = os.open(os.path.join(directory, f".{name}.lock"), os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def update(store: AtomicStore[Any]) -> None:
    """Add 1 to what is stored."""
    store.update(lambda value: {"n": value["n"] + 1})


def commit(store: AtomicStore[Any]) -> None:
    """Add 1, and commit."""
    store.reload()
    store.value["n"] += 1
    store.commit()


# What is interrupted, what the handler does, and with which of two stores.
PAIRS = [(block, update, 1), (block, block, 0), (update, block, 0), (commit, block, 1)]


def sweep(path: Path, act: Callable[[Any], None], handler: Callable[[Any], None], which: int) -> tuple[int, list[str]]:
    """Let the handler come after each bytecode in turn; give the number of these, and what was wrong."""
    found: list[str] = []
    measuring = sys.gettrace()  # coverage, perhaps
    turn = 0
    while True:
        place = atomic_store.LocalFile(path, fsync=False)
        stores = [atomic_store.open(place, default={"n": 0}, lock=True) for _ in range(2)]
        block(stores[0])
        comes = Handler(lambda stores=stores: handler(stores[which]))  # type: ignore[misc]
        done = 0
        error: BaseException | None = None
        try:
            sys.settrace(comes)
            act(stores[0])  # Python 3.13 tells the bytecodes of a function from its second call on
            before, comes.turn = stores[0].value["n"], turn
            act(stores[0])
            done = 1
        except BaseException as caught:
            error = caught
        finally:
            sys.settrace(measuring)
        if not comes.at:
            if turn:
                return turn - 1, found
            turn = 1  # Python 3.12 told none in the first round
            continue
        now = atomic_store.open(path).value["n"]
        worked = comes.outcome == "worked"
        # What stands in memory while a handler commits is committed with it, and a conflict of the two is told.
        if comes.outcome == "waits":
            found.append(f"{turn} {comes.at}: the handler waits")
        elif error is not None and not isinstance(error, atomic_store.ConflictError):
            found.append(f"{turn} {comes.at}: {comes.outcome}, and then {error!r}")
        elif now != before + done + worked and error is None:
            found.append(f"{turn} {comes.at}: {comes.outcome}; {before} became {now}")
        if is_locked(str(path)):
            found.append(f"{turn} {comes.at}: {comes.outcome}; the lock is still held")
            for store in stores:
                with suppress(Exception):
                    store.__exit__(None, None, None)
        turn += 1


@pytest.mark.parametrize(("act", "handler", "which"), PAIRS, ids=lambda each: getattr(each, "__name__", f"store {each}"))
def test_handler_never_waits_for_its_own_thread(
    act: Callable[[Any], None], handler: Callable[[Any], None], which: int, tmp_path: Path, record_property: Record
) -> None:
    """After every bytecode of a block, update() and commit(), a handler's own block or update() fails at once, or works."""
    points, found = sweep(tmp_path / "state", act, handler, which)
    assert points > 100
    if found:
        pytest.fail("\n".join(found))
    record_property("bytecodes after which a handler came", points)
