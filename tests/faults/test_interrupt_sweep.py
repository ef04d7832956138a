"""An exception of a signal handler at each point where Python can raise one.

CPython looks for signals as a function begins and after a call into C (and in loops, between which nothing new happens). A
profiler is told of just these moments, and what it raises there comes out as a signal handler's exception would. So this
sweep reaches what signals sent from outside hit once in a thousand times.
"""

from __future__ import annotations

import gc
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from types import FrameType

import pytest
from faults import KINDS, Attack, Kind, Scene, Witness, outcome

import atomic_store

Record = Callable[[str, object], None]

PACKAGE = os.path.join(os.path.dirname(atomic_store.__file__), "")
SWEPT = (
    "first write",
    "replacement through a symlink",
    "creation with on_conflict=raise",
    "replacement with lock=",
    "replacement of what could be unchanged",
    "bare commit() with lock=",
    "update()",
    "deletion with on_conflict=raise",
    "open where a link leads to nothing",
    "open of a pickle",
    "open that sets garbage aside",
)
# Before its first instruction a context manager's __exit__ can do nothing for its block (CPython's issue 74174): the next
# enter notices it.
HELPLESS = (("call", "_Exit.__call__"), ("call", "AtomicStore._leave"))


class Interrupt:
    """A profiler that raises KeyboardInterrupt the `turn`-th time that Python would look for signals in the library.

    Attributes:
        hit: the event and the function, None as long as the turn has not come.
    """

    def __init__(self, turn: int) -> None:
        self._left = turn
        self.hit: tuple[str, str] | None = None

    def __call__(self, frame: FrameType, event: str, arg: object) -> None:
        if event not in ("call", "c_return") or not is_ours(frame):
            return
        self._left -= 1
        if self._left == 0:
            sys.setprofile(None)
            self.hit = event, frame.f_code.co_qualname
            raise KeyboardInterrupt


def is_ours(frame: FrameType | None) -> bool:
    """Whether the library is at work, itself or by what it calls."""
    while frame is not None:
        if frame.f_code.co_filename.startswith(PACKAGE):
            return True
        frame = frame.f_back
    return False


def ended(scene: Scene, interrupt: Interrupt) -> str:
    """Act; tell how it ended, with nothing left of the exception that could keep things alive."""
    try:
        sys.setprofile(interrupt)
        try:
            scene.act()
        finally:
            sys.setprofile(None)
    except BaseException as error:
        return type(error).__name__
    return "success"


def interrupted(
    kind: Kind, directory: Path, outcomes: tuple[bytes | None, bytes | None], turn: int, lost: list[object]
) -> list[str] | None:
    """Interrupt one act; give the flaws, None if its end came before the turn. Nothing of it lives on."""
    witness = Witness(kind.prepare(directory), *outcomes)
    interrupt = Interrupt(turn)
    lost.clear()
    how = ended(witness.scene, interrupt)
    if interrupt.hit is None:
        assert how == "success"
        return None
    if interrupt.hit in HELPLESS:
        return [*witness.torn_bytes(), *witness.no_way_on(witness.scene), *witness.leftovers(Attack())]
    found = [*witness.torn_bytes(), *witness.leftovers(Attack()), *witness.no_way_on(witness.scene)]
    if how != "KeyboardInterrupt" or lost:
        found.append(f"swallowed: ended with {how}, thrown away: {lost}")
    return [f"{turn} {interrupt.hit}: {flaw}" for flaw in found]


def others_can_log() -> bool:
    """Whether logging works in another thread: before Python 3.13 a Ctrl-C inside getLogger() leaves its lock taken."""
    thread = threading.Thread(target=logging.getLogger, args=("atomic_store",), daemon=True)
    thread.start()
    thread.join(10)
    return not thread.is_alive()


@pytest.fixture
def lost(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[object]]:
    """The exceptions that Python had to throw away, for a finalizer or a callback had raised them."""
    thrown: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: thrown.append(unraisable.exc_type))
    # No power is cut here, so nothing needs to be synced; and no collector shall tidy up behind the library's back.
    monkeypatch.setattr(os, "fsync", os.fstat)
    gc.disable()
    yield thrown
    gc.enable()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.name in SWEPT], ids=repr)
def test_interrupt_at_any_step_leaves_old_or_new(
    lost: list[object], kind: Kind, tmp_path: Path, record_property: Record
) -> None:
    """Ctrl-C at any step: old or new, whole; at once no temp, descriptor or lock; never swallowed; the next try works.

    Nor does it leave a lock of the standard library taken, for which other threads would wait for ever.
    """
    outcomes = outcome(kind, tmp_path / "rehearsal")
    flaws: list[str] = []
    for turn in count(1):
        assert turn < 5000, "what was interrupted before makes each act longer"
        found = interrupted(kind, tmp_path / str(turn), outcomes, turn, lost)
        if found is None:
            break
        flaws += found
    assert flaws == []
    assert others_can_log()
    record_property("steps interrupted", turn - 1)
    assert turn > 1


class InterruptAt:
    """A profiler that raises KeyboardInterrupt as a function of the library begins, once."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, frame: FrameType, event: str, arg: object) -> None:
        if event == "call" and frame.f_code.co_qualname == self._name and is_ours(frame):
            sys.setprofile(None)
            raise KeyboardInterrupt


def left_by_an_interrupt(store: atomic_store.AtomicStore[list[int]], at: str, act: Callable[[], object]) -> None:
    """Enter a block, act, and leave it by a Ctrl-C as the function begins."""
    sys.setprofile(InterruptAt(at))
    try:
        with pytest.raises(KeyboardInterrupt), store:
            act()
    finally:
        sys.setprofile(None)


@pytest.mark.parametrize("lock", [True, False])
def test_inner_block_whose_exit_is_interrupted_does_not_close_the_outer_one(tmp_path: Path, lock: bool) -> None:
    """The level is counted down, and then comes Ctrl-C: the next block inside the outer one is inside it still."""
    store = atomic_store.open(tmp_path / "a", default=[0], lock=lock)
    with store:
        left_by_an_interrupt(store, "AtomicStore._forget_exit", lambda: None)
        with store:
            assert store.level == 2
            store.value.append(1)
        assert store.level == 1
    assert store.level == 0
    assert atomic_store.open(tmp_path / "a").value == [0, 1]


@pytest.mark.parametrize("lock", [True, False])
def test_block_that_has_deleted_and_is_interrupted_deletes_no_more(tmp_path: Path, lock: bool) -> None:
    """Deleted, and Ctrl-C as the block is left: the next block commits what it has, and another program gets the lock."""
    store = atomic_store.open(tmp_path / "a", default=[0], lock=lock)
    store.commit()
    left_by_an_interrupt(store, "_Exit.__call__", store.delete)
    with store:
        store.value.append(1)
    assert store.level == 0
    with atomic_store.open(tmp_path / "a", lock=0 if lock else False) as other:
        assert other.value == [0, 1]
