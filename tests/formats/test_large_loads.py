"""Large values are decoded with Python's garbage collection paused, and it is never left off.

The collector belongs to the whole process: whatever happens to a load, it must be afterwards what it was before.
"""

from __future__ import annotations

import gc
import json
import os
import pickle
import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import seams

import atomic_store
from atomic_store import formats

LARGE: dict[str, Any] = {"text": "x" * 1_000_000, "part": []}  # the collector minds only what can hold something
seen: list[bool] = []  # whether the collector was on, each time that something was decoded
meanwhile: list[Callable[[], object]] = []  # what happens while it is


class Witness:
    """Part of a pickle: looks at the collector when it is loaded."""

    def __setstate__(self, state: object) -> None:
        look(state)

    def __getstate__(self) -> object:
        return {"state": 1}


def look(part: object) -> object:
    seen.append(gc.isenabled())
    for action in meanwhile:
        action()
    return part


@pytest.fixture(autouse=True)
def collector() -> Iterator[None]:
    seen.clear()
    meanwhile.clear()
    gc.enable()
    yield
    gc.enable()


@pytest.fixture(params=["json", "pickle"])
def load(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], object]:
    """Load a large value, which looks at the collector while it is decoded."""
    path = tmp_path / "state"
    if request.param == "json":
        path.write_text(json.dumps(LARGE), encoding="utf-8")
        return lambda: atomic_store.open(path, load_kwargs={"object_hook": look}).value
    path.write_bytes(pickle.dumps({**LARGE, "witness": Witness()}))
    return lambda: atomic_store.open(path, format="pickle").value


def test_collector_is_off_during_a_large_load_and_on_afterwards(load: Callable[[], object]) -> None:
    """It pauses for the load, and only for that."""
    load()
    assert seen == [False]
    assert gc.isenabled()


def test_collector_that_was_off_stays_off(load: Callable[[], object]) -> None:
    """A program that has turned it off itself does not find it on."""
    gc.disable()
    load()
    assert seen == [False]
    assert not gc.isenabled()


def test_small_load_leaves_the_collector_alone(tmp_path: Path) -> None:
    """Below one megabyte there is nothing to gain."""
    for name, content in (("json", b'{"a": 1}'), ("pickle", pickle.dumps(Witness()))):
        (tmp_path / name).write_bytes(content)
        keywords = {"object_hook": look} if name == "json" else None
        atomic_store.open(tmp_path / name, format=name, load_kwargs=keywords)
    assert seen == [True, True]


def test_collector_is_off_where_nobody_knows_the_size(tmp_path: Path) -> None:
    """What comes out of a decompressor has no size beforehand, and may be large."""
    path = tmp_path / "state"
    format = atomic_store.Compressed("pickle")
    atomic_store.open(path, default=Witness(), format=format).commit()
    seen.clear()
    atomic_store.open(path, format=format)
    assert seen == [False]
    assert gc.isenabled()


def is_collected(thing: object, generation: int | None = None) -> bool:
    """Whether the collector goes through it: what is frozen, it passes over."""
    return any(found is thing for found in gc.get_objects(generation=generation))


def test_what_was_loaded_is_old(load: Callable[[], object]) -> None:
    """The next collection of young objects does not go through the value, and later ones do (3.12 has no such way)."""
    gc.collect()
    frozen_by_python = gc.get_freeze_count() > 0
    value = load()
    assert is_collected(value, generation=2) is not frozen_by_python
    assert is_collected(value)


class Knot:
    """Garbage that only the collector finds."""

    def __init__(self) -> None:
        self.itself = self


def test_garbage_of_a_program_that_loads_again_and_again_is_collected(tmp_path: Path) -> None:
    """Loads that come faster than the collector do not keep it from coming, and memory does not grow without bound."""
    path = tmp_path / "state.json"
    path.write_text(json.dumps(LARGE))
    store = atomic_store.open(path)
    for _ in range(200):
        store.reload()
        for _ in range(300):
            Knot()
    left = sum(type(found) is Knot for found in gc.get_objects())
    assert left < 200 * 300 / 4


def test_what_the_program_has_frozen_stays_frozen(load: Callable[[], object]) -> None:
    """A server that froze its objects before it forks still shares their memory with its children, after a load too."""
    kept: list[object] = [[]]
    gc.freeze()
    try:
        value = load()
        assert not is_collected(kept)
        assert is_collected(value)
    finally:
        gc.unfreeze()


def test_failed_load_leaves_the_collector_on(load: Callable[[], object]) -> None:
    """An error in the middle, of the file or of the program, ends the pause."""

    def fail() -> None:
        raise KeyError("of the program")

    meanwhile.append(fail)
    with pytest.raises(atomic_store.LoadError) as caught:
        load()
    assert not caught.value.damaged
    assert gc.isenabled()


def test_load_inside_a_load_does_not_end_the_pause(load: Callable[[], object]) -> None:
    """A load that ends while another one is at work leaves the collector off, the last one turns it on."""

    def inner() -> None:
        meanwhile.clear()
        load()
        seen.append(gc.isenabled())

    meanwhile.append(inner)
    load()
    assert seen == [False, False, False]
    assert gc.isenabled()


@contextmanager
def in_another_thread(load: Callable[[], object]) -> Iterator[None]:
    """Run the block while another thread is in the middle of a load."""
    inside, go_on = threading.Event(), threading.Event()

    def wait() -> None:
        meanwhile.clear()
        inside.set()
        assert go_on.wait(60)

    meanwhile.append(wait)
    slow = threading.Thread(target=load)
    slow.start()
    try:
        assert inside.wait(60)
        yield
    finally:
        go_on.set()
        slow.join()


def test_two_threads_share_one_pause(load: Callable[[], object]) -> None:
    """While one of two loads is at work, the collector is off for both; after the second it is on."""
    with in_another_thread(load):
        load()
        assert not gc.isenabled()
    assert seen == [False, False]
    assert gc.isenabled()


def in_child(action: Callable[[], bool]) -> bool:
    child = os.fork()
    if child == 0:
        good = False
        try:
            good = action()
        finally:
            os._exit(0 if good else 1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_child_of_a_fork_has_the_collector_on(load: Callable[[], object]) -> None:
    """A fork while another thread is loading leaves the child without that thread, and with the collector on."""
    with in_another_thread(load):
        assert not gc.isenabled()
        assert in_child(lambda: gc.isenabled() and bool(load()) and gc.isenabled())
        assert not gc.isenabled()
    assert gc.isenabled()


def test_load_that_forks_ends_well_in_both(load: Callable[[], object]) -> None:
    """A decoder that forks goes on in the child with the collector on, which ends the load without harm."""
    children: list[int] = []
    meanwhile.append(lambda: children.append(os.fork()))
    try:
        load()
    finally:
        if children == [0]:
            os._exit(0 if gc.isenabled() and not seams.loads_under_way() else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(children[0], 0)[1]) == 0
    assert gc.isenabled()


class Interrupt:
    """A profiler that raises KeyboardInterrupt at the `turn`-th step of the pause."""

    def __init__(self, turn: int, action: Callable[[], object] | None = None) -> None:
        self.left = turn
        self._action = action

    def __call__(self, frame: FrameType, event: str, arg: object) -> None:
        if event not in ("call", "c_return") or frame.f_code.co_filename != formats.__file__:
            return
        self.left -= 1
        if self.left == 0:
            sys.setprofile(None)
            if self._action is None:
                raise KeyboardInterrupt
            self._action()


def attacked(interrupt: Interrupt) -> None:
    sys.setprofile(interrupt)
    try:
        seams.without_collection(look, 1)
    except KeyboardInterrupt:
        pass
    finally:
        sys.setprofile(None)


def test_interrupt_at_any_step_leaves_the_collector_on() -> None:
    """Ctrl-C wherever Python looks for signals: the collector is on, for all objects, and the next load pauses it again."""
    some: list[object] = [[]]
    for turn in count(1):
        gc.collect()
        interrupt = Interrupt(turn)
        attacked(interrupt)
        assert gc.isenabled()
        assert is_collected(some)
        seen.clear()
        seams.without_collection(look, 1)
        assert seen == [False]
        assert gc.isenabled()
        if interrupt.left > 0:
            break
    assert turn > 5


def test_signal_handler_that_loads_leaves_the_collector_on() -> None:
    """A handler that comes between two steps of the pause, and loads a large value itself, neither waits nor spoils it."""
    some: list[object] = [[]]
    for turn in count(1):
        gc.collect()
        interrupt = Interrupt(turn, lambda: seams.without_collection(look, 2))
        attacked(interrupt)
        assert gc.isenabled()
        assert is_collected(some)
        assert not seams.loads_under_way()
        if interrupt.left > 0:
            break
    assert turn > 5


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_fork_by_another_thread_at_any_step_leaves_the_child_with_the_collector_on() -> None:
    """Whatever the pause was at when another thread forks, the child collects, and all that it has."""
    good: list[bool] = []
    some: list[object] = [[]]

    def fork() -> None:
        good.append(in_child(lambda: gc.isenabled() and is_collected(some)))

    def fork_elsewhere() -> None:
        thread = threading.Thread(target=fork)
        thread.start()
        thread.join()

    for turn in count(1):
        gc.collect()
        interrupt = Interrupt(turn, fork_elsewhere)
        attacked(interrupt)
        if interrupt.left > 0:
            break
    assert turn > 5
    assert good == [True] * (turn - 1)


def test_bytes_are_gone_before_json_is_parsed(tmp_path: Path) -> None:
    """A large JSON file costs its text and its value, not the bytes on top."""
    path = tmp_path / "state"
    path.write_text(json.dumps({"text": "x" * 8_000_000, "end": {}}), encoding="utf-8")
    held: list[int] = []
    meanwhile.append(lambda: held.append(tracemalloc.get_traced_memory()[0]))
    tracemalloc.start()
    try:
        atomic_store.open(path, load_kwargs={"object_hook": look})
    finally:
        tracemalloc.stop()
    # While the inner {} is decoded there are the file's text and the 8 MB of its first value.
    assert 16_000_000 < held[0] < 17_000_000
