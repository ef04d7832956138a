"""What type checkers say of type=: mypy and pyright read this file, and nothing ever runs it.

As in public_api.py, a line that must be refused carries an ignore, and one that is not needed is an error.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, TypedDict, assert_type

import msgspec
import pydantic

import atomic_store
from atomic_store import AtomicStore, Compressed, LoadError, SignatureError, Signed, Verified, Versioned, VersionError


@dataclass
class State:
    """A value of a program."""

    jobs: list[str] = field(default_factory=list[str])
    started: datetime | None = None


class Model(pydantic.BaseModel):
    """One of pydantic's."""

    n: int = 1


class Packed(msgspec.Struct):
    """One of msgspec's."""

    n: int = 1


class Row(TypedDict):
    """A dict with known keys."""

    n: int


class Pair(NamedTuple):
    """A tuple with names."""

    n: int


def opening() -> None:
    """Know the value by the type alone."""
    store = atomic_store.open("a", State(), type=State)
    assert_type(store, AtomicStore[State])
    assert_type(store.value, State)
    assert_type(store.value.jobs, list[str])
    assert_type(atomic_store.open("a", default=State(), type=State, lock=True, on_corrupt="quarantine"), AtomicStore[State])
    assert_type(atomic_store.open("a", Model(), type=Model).value.n, int)
    assert_type(atomic_store.open("a", Packed(), type=Packed).value.n, int)
    assert_type(atomic_store.open("a", Row(n=1), type=Row).value["n"], int)
    assert_type(atomic_store.open("a", Pair(1), type=Pair).value.n, int)
    assert_type(atomic_store.open("a", [State()], type=list[State]), AtomicStore[list[State]])
    assert_type(atomic_store.open("a", {"b": State()}, "pickle", type=dict[str, State]), AtomicStore[dict[str, State]])
    assert_type(AtomicStore[State]("a", State(), type=State).value, State)
    assert_type(atomic_store.open("a", type=None), AtomicStore[Any])
    maybe: AtomicStore[State | None] = atomic_store.open("a", None, type=State | None)
    assert_type(maybe.value, State | None)

    atomic_store.open("a", type=State)  # type: ignore[call-overload]
    atomic_store.open("a", State(), type="State")  # type: ignore[call-overload]
    atomic_store.open("a", State(), type=State())  # type: ignore[call-overload]
    atomic_store.open("a", State(), type=State, on_corrupt=True)  # type: ignore[call-overload]


def using(store: AtomicStore[State]) -> None:
    """Be told what is wrong inside the value."""
    store.value.jobs.append("a")
    assert_type(store.reload(), State)

    def add(value: State) -> State:
        return value

    assert_type(store.update(add), State)
    with store as entered:
        assert_type(entered.value.started, datetime | None)

    store.value = None  # type: ignore[assignment]
    store.value = {"jobs": []}  # type: ignore[assignment]
    store.value.jobs.append(1)  # type: ignore[arg-type]
    print(store.value.job)  # type: ignore[attr-defined]
    store.update(lambda value: value.jobs)  # type: ignore[arg-type, return-value]


def wrapping(key: bytes) -> None:
    """Wrap formats in any order."""
    formats: list[Any] = [
        Versioned("json", 1, {0: lambda value: value}),
        Signed(Compressed("pickle"), key),
        Signed("pickle", [key, key]),
        Compressed(Verified(), "zstd", level=3, max_size=None),
        Compressed(),
    ]
    for format in formats:
        assert_type(atomic_store.open("a", State(), format, type=State), AtomicStore[State])

    Versioned("json")  # type: ignore[call-arg]
    Versioned("json", "1")  # type: ignore[arg-type]
    Versioned("json", 1, {"0": id})  # type: ignore[dict-item]
    Signed("pickle")  # type: ignore[call-arg]
    Signed("pickle", "secret")  # type: ignore[arg-type]
    Compressed("json", 9)  # type: ignore[arg-type]


def errors(load: LoadError) -> None:
    """Catch what a wrapper raises as what every load raises."""
    assert_type(load.damaged, bool)
    kinds: list[type[LoadError]] = [SignatureError, VersionError]
    del kinds
