"""All interleavings, not some races: every schedule of two actors on one file with a preemption at any system call.

The rest, with three actors and three preemptions, is a campaign: python -m attacks.interleavings.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial

import pytest

from attacks.interleavings.controls import CONTROLS
from attacks.interleavings.history import CORRUPT, Operation, explained
from attacks.interleavings.scenarios import FIRST, Scenario, interrupted, replay, scenarios
from attacks.interleavings.scheduler import Actor, Run, explore
from attacks.interleavings.trace import ALL, NOTHING, Touched, Trace

Record = Callable[[str, object], None]


# The kinds in which faults have been, and what is stored before: the rest is the campaign's.
CORE = {
    *("plain", "block", "update", "comparing", "delete", "quarantine", "rename"),
    *("shared_block", "shared_reload", "shared_assign"),
}


def demand(todo: list[Scenario], preemptions: int, record: Record) -> None:
    """Demand that no schedule of these scenarios has a flaw."""
    count = 0
    found: list[str] = []
    for scenario in todo:
        for played in explore(scenario.play, preemptions):
            count += 1
            if played.flaws:
                found.append(str(played))
                break
    if found:
        pytest.fail("\n".join(found))
    record("schedules explored", count)


def test_every_pair_of_actors_is_as_one_after_the_other(record_property: Record) -> None:
    """Two actors of every kind, each preemption: nothing lost but what is said, no temp, nobody waits for ever."""
    core = [each for each in scenarios(2) if each.first is not None and CORE.issuperset(each.kinds)]
    demand(core, 1, record_property)


def test_handler_never_waits_for_whom_it_interrupts(record_property: Record) -> None:
    """A signal handler that uses the file, at each system call of what it interrupts: it ends, and nothing is lost."""
    demand([each for each in interrupted() if each.first is not None], 1, record_property)


@pytest.mark.parametrize(
    "kinds",
    [("shared_block", "shared_reload"), ("quarantine", "plain")],
    ids=" + ".join,
)
def test_two_preemptions_find_no_more(kinds: tuple[str, ...], record_property: Record) -> None:
    """The pairs in which faults have been: all schedules with two preemptions."""
    demand([Scenario(kinds, CORRUPT if "quarantine" in kinds else FIRST)], 2, record_property)


@pytest.mark.parametrize("fault", CONTROLS, ids=lambda fault: fault.__name__)
def test_fault_that_is_put_back_is_found(fault: Callable[[], AbstractContextManager[None]]) -> None:
    """Control: what the library once did wrong is found, and the schedule that shows it replays."""
    scenario = CONTROLS[fault]
    with fault():
        played = next(played for played in explore(scenario.play, 2) if played.flaws)
        assert f"{played.schedule}" in str(played)
        again = replay(scenario, played.schedule)
    assert again.flaws
    assert again.schedule == played.schedule
    assert replay(scenario, played.schedule).flaws == []


@pytest.mark.parametrize(
    "scenario",
    [
        Scenario(("plain", "delete")),
        Scenario(("quarantine", "rename"), CORRUPT),
        Scenario(("shared_block", "shared_path")),
        Scenario(("comparing",), FIRST, "update"),
    ],
    ids=str,
)
def test_no_outcome_is_lost_with_the_schedules_that_are_left_out(scenario: Scenario) -> None:
    """Leaving out what ends like another schedule saves runs, and what comes out is all that comes out without."""
    whole = [played.outcome for played in explore(partial(scenario.play, reduced=False), 2)]
    reduced = [played.outcome for played in explore(scenario.play, 2)]
    assert set(reduced) == set(whole)
    assert scenario.handler or len(reduced) < len(whole)


def test_only_steps_that_touch_different_things_may_change_places() -> None:
    """Two who look at a thing may come in either order; of two one of whom changes it, the order is known."""

    def signature(*steps: tuple[int, Touched]) -> int:
        trace = Trace(2)
        for actor, touched in steps:
            trace.step(actor, touched)
        return trace.signature

    looks, changes, other = Touched(seen="x"), Touched(changed="x"), Touched(changed="y")
    for one, two in ((looks, looks), (changes, other), (looks, other), (NOTHING, changes)):
        assert signature((0, one), (1, two)) == signature((1, two), (0, one))
        assert not one.depends_on(two)
    for one, two in ((looks, changes), (changes, changes), (ALL, looks), (ALL, ALL)):
        assert signature((0, one), (1, two)) != signature((1, two), (0, one))
        assert one.depends_on(two)
        assert two.depends_on(one)


def counting(schedule: Sequence[int], touched: Touched = ALL, traced: bool = False) -> tuple[Run, list[int]]:
    """Let two actors count without a lock."""
    box = [0]

    def act() -> None:
        run.point("reads", touched)
        value = box[0]
        run.point("writes", touched)
        box[0] = value + 1

    run = Run([Actor("one", act), Actor("other", act)], schedule, traced)
    return run.run(), box


@pytest.mark.parametrize(("told", "found"), [(ALL, {1, 2}), (Touched(changed=["box"]), {1, 2}), (NOTHING, {2})])
def test_step_that_does_not_tell_what_it_touches_hides_a_lost_update(told: Touched, found: set[int]) -> None:
    """Control: a lost update is found as long as each step tells what it touches, and not by steps that lie."""
    kept: set[int] = set()

    def play(schedule: Sequence[int]) -> Run:
        run, box = counting(schedule, told, traced=True)
        kept.add(box[0])
        return run

    assert list(explore(play, 1))
    assert kept == found


def test_scheduler_finds_a_lost_update() -> None:
    """Control: of two who count without a lock one is lost in some schedules, and in others none is."""
    kept = set()
    for schedule in ([], *([0] * zeros + [1] * 4 for zeros in range(4))):
        kept.add(counting(schedule)[1][0])
    assert kept == {1, 2}


def embracing(schedule: Sequence[int]) -> Run:
    """Let two actors take two locks, each in its own order."""
    held: set[str] = set()

    def taking(*names: str) -> Callable[[], None]:
        def act() -> None:
            for name in names:
                run.point(f"takes {name}")
                while name in held:
                    run.wait(f"waits for {name}")
                held.add(name)
            held.difference_update(names)
            run.released()

        return act

    run = Run([Actor("one", taking("x", "y")), Actor("other", taking("y", "x"))], schedule)
    return run.run()


def test_scheduler_finds_a_deadly_embrace() -> None:
    """Control: two who wait for each other are found by one preemption, and by none without."""
    assert not any(run.stuck for run in explore(embracing, 0))
    assert any(run.stuck for run in explore(embracing, 1))


def test_history_knows_what_was_lost() -> None:
    """Control: what an update with a lock has written is never lost; what a plain commit has, only to who was at work."""
    one = Operation("append", "a", 0, 5, ("a",))
    other = Operation("append", "b", 0, 5, ("b",))
    assert not explained([one, other], None, ("b",), ())
    assert explained([one, Operation("append", "b", 0, 5, ("a", "b"))], None, ("a", "b"), ())
    assert explained([one, Operation("write", ("p",), 0, 5, "ok")], None, ("a",), ())
    assert not explained(
        [one, Operation("write", ("p",), 0, 1, "ok"), Operation("read", None, 2, 9, None)], None, ("a",), ()
    )
    late = Operation("append", "a", 3, 5, ("a",))
    assert not explained([Operation("write", ("p",), 0, 1, "ok"), late], None, ("a",), ())
    assert not explained(
        [Operation("open", None, 0, 5, None), Operation("write", ("p",), 0, 5, "ok")], CORRUPT, None, (CORRUPT,)
    )
    late_base = Operation("append", "b", 6, 8, "ConflictError", base=0)
    assert explained([one, late_base], None, ("a",), ())
    assert not explained([one, Operation("append", "b", 6, 8, "ConflictError")], None, ("a",), ())
    renamed = [Operation("write", ("p",), 2, 3, "ok"), Operation("write", ("q",), 4, 5, "ok")]
    assert explained([*renamed, Operation("open", None, 1, 6, ("q",))], CORRUPT, ("q",), (("p",),))
    assert not explained([*renamed, Operation("open", None, 1, 6, ("q",))], CORRUPT, None, (("p",),))
    written, block = Operation("append", "a", 2, 3, ("a",)), Operation("shared append", "b", 4, 5, ("b",))
    assert explained([written, block, Operation("shared path", None, 1, 6, None)], None, ("b",), ())
    assert not explained([written, block], None, ("b",), ())
    assigned = [
        Operation("write", ("p",), 1, 2, "ok"),
        Operation("assign", ("v",), 3, 4, "ok"),
        Operation("shared append", "b", 5, 6, "ConflictError"),
    ]
    assert explained(assigned, None, ("p",), ())
    assert not explained([assigned[0], assigned[2]], None, ("p",), ())
