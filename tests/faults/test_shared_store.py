"""One store with lock=, used by two threads: whatever each of them does, in whatever order, is as one after the other.

Hypothesis draws what each thread does, and who goes on at each system call; the scheduler of attacks/interleavings lets it
happen, so a failure is found again.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from attacks.interleavings.scenarios import FIRST, Scenario

STEPS = st.sampled_from(
    [
        *("shared_block", "shared_update", "shared_reload", "shared_assign"),
        *("shared_delete", "shared_path", "shared_changed"),
    ]
)
PROGRAMS = st.lists(STEPS, min_size=1, max_size=4).map("; ".join)
# How long each keeps the turn, in turn: that finds more than a new choice at each point.
SCHEDULES = st.lists(st.integers(0, 20), max_size=12).map(
    lambda turns: [number % 2 for number, steps in enumerate(turns) for _ in range(steps)]
)


@settings(max_examples=200, deadline=None)
@given(one=PROGRAMS, other=PROGRAMS, first=st.sampled_from([FIRST, None]), schedule=SCHEDULES)
def test_threads_of_one_store_are_as_one_after_the_other(
    one: str, other: str, first: tuple[str, ...] | None, schedule: list[int]
) -> None:
    """Blocks, update(), reload(), value=, path=, delete() and changed(): no thread changes or reads another's open block."""
    played = Scenario((one, other), first).play(schedule, long=8)
    assert not played.flaws, str(played)
