"""Values for the valid files that a corpus begins with: some by hand, the rest hypothesis's."""

from __future__ import annotations

import datetime as dt
import decimal
import uuid
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

BY_HAND: list[Any] = [
    {"name": "Zoë", "numbers": [1, 2.5, -(2**40)], "more": {"empty": [], "true": True, "text": "x" * 40}},
    [None, True, False, 0, -1, 2**31, 2**53, 2**63, 2**64, 1.5e300, float("inf"), float("nan"), "", "👹", "a\tb\n'\""],
    {"nested": {"nested": {"nested": [[[[{}]]]]}}},
    {"rows": [{"n": n, "text": "row " * n} for n in range(4)]},
    {
        "a": dt.datetime(2026, 2, 28, 23, 59, 59, 123000, dt.UTC),
        "b": dt.date(2024, 2, 29),
        "c": b"\x00\xff",
    },
    {1: "int", 2.5: "float", None: "nothing", "text": "str", b"bytes": 1, (1, "a"): 2},
    {"raw": b"\x00" * 20, "id": uuid.UUID(int=7), "set": {1, "a"}, "decimal": decimal.Decimal("-1.50E+40"), "big": -(2**70)},
    "just text",
    7,
]

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.text(max_size=12),
    st.binary(max_size=12),
    st.datetimes(timezones=st.just(dt.UTC)),
)
KEYS = st.text(max_size=8)
INNER = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4))
VALUES = st.dictionaries(KEYS, INNER, max_size=5)


@cache
def values(number: int = 60) -> list[Any]:
    """Give those by hand and so many by hypothesis, the same in every run."""
    drawn: list[Any] = []

    @seed(0)
    @settings(max_examples=number, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(VALUES)
    def draw(value: Any) -> None:
        drawn.append(value)

    draw()
    return BY_HAND + drawn


@dataclass
class Job:
    """One item of the typed values."""

    id: int
    name: str = ""
    when: dt.datetime | None = None
    cost: decimal.Decimal = decimal.Decimal(0)
    tags: set[str] = field(default_factory=set)
    raw: bytes = b""


@dataclass
class State:
    """What the targets with type= load."""

    jobs: list[Job] = field(default_factory=list)
    limits: dict[str, float] = field(default_factory=dict)
    extra: Any = None


STATES = [
    {"jobs": [], "limits": {}, "extra": None},
    {"jobs": [{"id": 1}, {"id": 2, "name": "b", "tags": ["x", "y"], "cost": "1.5"}], "limits": {"cpu": 0.5}},
    {"jobs": [{"id": 3, "when": "2026-02-28T12:00:00Z", "raw": "AAE="}], "extra": {"any": [1, {"thing": None}]}},
]
