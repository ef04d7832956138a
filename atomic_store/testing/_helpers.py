"""What the contracts need to look at files, errors and threads."""

from __future__ import annotations

import reprlib
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

T = TypeVar("T")
E = TypeVar("E", bound=BaseException)

PATIENCE = 30  # seconds; only a broken location makes a test wait so long


@contextmanager
def raises(kind: type[E], otherwise: str = "") -> Generator[list[E]]:
    """Expect the block to raise such an exception; the list holds it afterwards.

    Args:
        kind: the class of the exception.
        otherwise: what to say if nothing was raised.

    Raises:
        AssertionError: nothing was raised.
    """
    caught: list[E] = []
    try:
        yield caught
    except kind as error:
        caught.append(error)
    assert caught, otherwise or f"{kind.__name__} should have been raised"


def shown(value: object) -> str:
    """Return a value for a message, cut short."""
    return reprlib.repr(value)


def raise_(error: BaseException) -> None:
    raise error


def in_thread(function: Callable[[], T]) -> T:
    """Call the function in another thread; give what it returns, raise what it raises."""
    results: list[T] = []
    failures: list[BaseException] = []
    thread = threading.Thread(target=noting, args=(lambda: results.append(function()), failures), daemon=True)
    thread.start()
    thread.join(PATIENCE)
    assert not thread.is_alive(), f"still waiting after {PATIENCE} s"
    for failure in failures:
        raise failure
    return results[0]


def noting(function: Callable[[], object], failures: list[BaseException]) -> None:
    try:
        function()
    except BaseException as error:  # handed to the thread that waits for this one
        failures.append(error)
