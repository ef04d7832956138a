"""A small value, committed again and again by a process that lives long; with what it asks of the kernel."""

from __future__ import annotations

import re
import shutil
import statistics
from collections import Counter
from typing import TYPE_CHECKING, Any

from ..bench import ratio
from ..environments import Unavailable
from ..stores import BASE, CONTESTANTS
from ..tables import NONE, Table, failed_rows, figure
from ..turns import MARK

if TYPE_CHECKING:
    from pathlib import Path

    from ..bench import Bench, Worker

SIZES = {"1 KB": 1_000, "100 KB": 100_000}
SYNCS = {"fsync", "fdatasync", "sync", "syncfs", "sync_file_range", "msync"}
MEMORY = {"brk", "mmap", "munmap", "mremap", "madvise"}  # the allocator's: they come and go with the heap


def run(bench: Bench) -> dict[str, Any]:
    """Race everybody on both places with both sizes, then count system calls."""
    result: dict[str, Any] = {"races": {}}
    for place in bench.places:
        for label, size in bench.pick(SIZES, {"1 KB": 1_000}).items():
            bench.say(f"  {label} on {place}")
            result["races"][f"{place}, {label}"] = race(bench, place, size, "turns.commits", bench.rounds(41))
    bench.say("  system calls")
    result["calls"] = count_calls(bench)
    return result


def race(bench: Bench, place: str, size: int, turn: str, rounds: int) -> dict[str, Any]:
    """Let all contestants take turns at one size."""
    environments = {name: contestant.environment for name, contestant in CONTESTANTS.items()}
    # What runs on another Python is compared with the floor on that Python.
    environments |= {f"{BASE}, 3.13": "python 3.13"}
    with bench.directory(place) as directory:

        def begin(worker: Worker, name: str) -> None:
            own = str(directory / re.sub(r"\W", "-", name))
            plain = name.removesuffix(", 3.13") if name not in CONTESTANTS else name
            worker.call("turns.begin", name=plain, directory=own, size=size, seconds=bench.pick(0.03, 0.001))

        return bench.race(environments, rounds, begin, turn)


def base_of(name: str) -> str:
    """Give the name of what a contestant is compared with."""
    environment = CONTESTANTS[name].environment if name in CONTESTANTS else ""
    return f"{BASE}, 3.13" if environment == "python 3.13" else BASE


def ratios(race: dict[str, Any]) -> dict[str, float]:
    """Give each contestant's ratio to its base."""
    rounds = race["rounds"]
    return {name: ratio(took, rounds[base_of(name)]) for name, took in rounds.items() if base_of(name) in rounds}


def count_calls(bench: Bench) -> dict[str, Any]:
    """Count what one commit of 1 KB asks of the kernel, by strace: the median of five."""
    found: dict[str, dict[str, int]] = {}
    failed: dict[str, str] = {}
    with bench.directory("disk") as directory:
        for number, (name, contestant) in enumerate(CONTESTANTS.items()):
            log = directory / f"{number}.strace"

            def trace(
                name: str = name,
                environment: str = contestant.environment,
                log: Path = log,
                own: str = f"{directory}/{number}",
            ) -> Counter[str]:
                if shutil.which("strace") is None:
                    raise Unavailable("there is no strace")
                with bench.worker(environment, ["strace", "-f", "-qq", "-s", "64", "-o", str(log)]) as worker:
                    worker.call("turns.begin", name=name, directory=own, size=1_000, seconds=0)
                    worker.call("turns.marked_commits", count=5)
                return calls(log.read_text(errors="replace"))

            counted = bench.attempt(failed, name, trace)
            if counted is not None:
                found[name] = {
                    "calls": sum(count for call, count in counted.items() if call not in MEMORY),
                    "syncs": sum(count for call, count in counted.items() if call in SYNCS),
                    **{f"of them {call}": count for call, count in sorted(counted.items())},
                }
    return {"found": found, "failed": failed}


def calls(log: str) -> Counter[str]:
    """Read strace's output; give the system calls of the median commit."""
    commits: list[Counter[str]] = []
    for line in log.splitlines():
        # "<... resumed>" is the other half of a line that was counted already.
        called = re.match(r"\d+ +(\w+)\(", line)
        if MARK in line:
            commits.append(Counter())
        elif called and commits:
            commits[-1][called[1]] += 1
    return sorted(commits[:-1], key=Counter.total)[(len(commits) - 1) // 2]


def tables(data: dict[str, Any]) -> list[Table]:
    """Show the ratios, the times, and the system calls."""
    races, calls = data["races"], data["calls"]
    head = [
        "contestant",
        *(f"{label}, x" for label in races),
        *(f"{label}, us" for label in races),
        "syncs",
        "calls",
        "keeps",
    ]
    found = {label: ratios(race) for label, race in races.items()}
    rows = []
    for name, contestant in CONTESTANTS.items():
        if not any(name in ratios for ratios in found.values()):
            continue
        row = [name]
        row += [figure(found[label].get(name)) for label in races]
        row += [
            figure(1e6 * statistics.median(race["rounds"][name]), 0) if name in race["rounds"] else NONE
            for race in races.values()
        ]
        counted = calls["found"].get(name, {})
        row += [str(counted.get("syncs", NONE)), str(counted.get("calls", NONE))]
        rows.append([*row, "; ".join(filter(None, (contestant.keeps and f"**{contestant.keeps}**", contestant.note)))])
    failed = [race["failed"] for race in races.values()]
    return [
        Table(
            "commit",
            head,
            rows + failed_rows(head, *failed, calls["failed"]),
            f"x: ratio to {BASE} in the same round, median of {len(next(iter(races.values()))['rounds'][BASE])} rounds. "
            "Syncs and system calls of one commit of 1 KB, without those of the memory allocator.",
        )
    ]
