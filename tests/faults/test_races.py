"""Many programs that change one value at the same time: with a remedy nothing is lost, and without one much is.

ATOMIC_STORE_KILL_SECONDS says for how long writers are killed.
"""

from __future__ import annotations

import contextlib
import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from crowd import READ, WRITE, Program, together

PROGRAMS = 8
Record = Callable[[str, object], None]

# Arguments: what to do, how often, the tick of the clock in ns (0: the real one), whether to break the version rule.
COUNT = """
way, times, tick, naive = arguments[0], int(arguments[1]), int(arguments[2]), arguments[3] == "True"
if tick:
    os.fsync = lambda descriptor: None  # the clock is the subject, not the disk
    crowd.dull_clocks(tick)
if naive:
    crowd.trust_equal_times()
options = {"lock": {"lock": True}, "lock for seconds": {"lock": 60}, "raise": {"on_conflict": "raise"}}.get(way, {})
store = atomic_store.open(path, 0, crowd.DIGITS, **options)
say("ready")
hear()
for _ in range(times):
    if way == "update":
        store.update(lambda value: value + 1)
    elif "lock" in way:
        with store:
            store.value += 1
    elif way == "raise":
        while True:
            store.value += 1
            try:
                store.commit()
            except ConflictError:
                store.reload()
            else:
                break
    else:
        store.reload()
        store.value += 1
        store.commit()
"""


def count(path: Path, way: str, times: int, tick: int = 0, naive: bool = False) -> int:
    """Let all programs add 1 to the counter so often; give what is stored then."""
    together(COUNT, path, [(way, times, tick, naive)] * PROGRAMS)
    return int(path.read_bytes())


@pytest.mark.parametrize("way", ["update", "lock", "lock for seconds", "raise"])
def test_no_increment_is_lost(tmp_path: Path, record_property: Record, way: str) -> None:
    """Eight programs add 1 two hundred times each, by update(), under a lock, or trying again after a conflict."""
    path = tmp_path / "counter"
    assert count(path, way, 200) == PROGRAMS * 200
    record_property("increments kept", PROGRAMS * 200)
    assert sorted(os.listdir(tmp_path)) == [".counter.lock", "counter"]


def test_without_a_remedy_increments_are_lost(tmp_path: Path, record_property: Record) -> None:
    """The control: the same programs without any option do lose some, so the race is a real one."""
    kept = count(tmp_path / "counter", "plain", 200)
    record_property("increments lost without a remedy (control)", PROGRAMS * 200 - kept)
    assert kept < PROGRAMS * 200


@pytest.mark.parametrize("tick", [4_000_000, 10**9, 2 * 10**9], ids=["4 ms", "1 s", "2 s"])
@pytest.mark.parametrize("way", ["lock", "raise"])
def test_no_increment_is_lost_to_a_coarse_clock(tmp_path: Path, record_property: Record, way: str, tick: int) -> None:
    """Nor where files have coarse times, one inode and one size, so that most changes look like none from outside."""
    assert count(tmp_path / "counter", way, 200, tick) == PROGRAMS * 200
    record_property("increments kept on a coarse clock", PROGRAMS * 200)


@pytest.mark.parametrize("way", ["lock", "raise"])
def test_coarse_clock_deceives_a_naive_rule(tmp_path: Path, record_property: Record, way: str) -> None:
    """The control: going by device, inode, size and time alone, the same programs lose increments on that clock."""
    kept = count(tmp_path / "counter", way, 100, 10**9, naive=True)
    record_property("increments lost by a naive rule (control)", PROGRAMS * 100 - kept)
    assert kept < PROGRAMS * 100


def test_killed_writers_lose_nothing_and_tear_nothing(tmp_path: Path, record_property: Record) -> None:
    """Writers die by kill -9 at random: what was committed stays, once each; readers see whole values that only grow."""
    directory = tmp_path / "data"
    directory.mkdir()
    path = directory / "counter"
    seconds = float(os.environ.get("ATOMIC_STORE_KILL_SECONDS", 8))
    kills = 0
    with contextlib.ExitStack() as stack:
        readers = [stack.enter_context(Program(READ, path)) for _ in range(2)]
        writers: list[Program] = []

        def start(way: str) -> None:
            writers.append(stack.enter_context(Program(WRITE, path, way, tmp_path / f"notes {kills} {len(writers)}")))

        for way in ("lock", "update", "lock", "update"):
            start(way)
        for program in (*readers, *writers):
            assert program.hear() == "ready"
            program.say()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(random.uniform(0, 0.1))
            victim = writers.pop(random.randrange(len(writers)))
            victim.kill()
            kills += 1
            start(random.choice(["lock", "update"]))
            assert writers[-1].hear() == "ready"
            writers[-1].say()
        for writer in writers:
            writer.kill()
        kills += len(writers)
        reads = 0
        for reader in readers:
            reader.say("stop")
            reads += int(reader.hear())
            reader.finish()

    committed = [int(line) for notes in tmp_path.glob("notes *") for line in notes.read_text().split()]
    assert kills > 4
    assert len(committed) > kills
    assert len(set(committed)) == len(committed), "two writers have made the same step"
    with Program("with atomic_store.open(path, lock=10) as store: say(store.value['n'])", path) as last:
        stored = int(last.hear())
        last.finish()
    # A writer may die between the commit and its note, each once at most.
    assert max(committed) <= stored
    assert 0 <= stored - len(committed) <= kills
    # A killed writer leaves one temp at most; they are swept when they are old.
    temps = [name for name in os.listdir(directory) if name.endswith(".tmp")]
    assert len(temps) <= kills
    assert set(os.listdir(directory)) == {".counter.lock", "counter", *temps}
    for name, number in (("kills", kills), ("commits", stored), ("reads", reads), ("temps left", len(temps))):
        record_property(f"writers killed: {name}", number)
