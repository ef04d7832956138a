"""What docs/performance.md says in figures: one small table, and a sentence each on what else takes time."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any, NamedTuple

from .bench import ratio
from .sections import commit, contention, large, startup
from .stores import OURS
from .tables import NONE, figure

if TYPE_CHECKING:
    from collections.abc import Callable

    from .record import Results

Machines = dict[str, dict[str, Any]]

SIZES = ("1 KB", "100 KB", "10 MB")
WAYS = {  # the contestant: what it is called, and what a power cut leaves of a commit that has returned
    OURS: ("atomic_store", "durable"),
    "atomic-store 0.0.1": ("atomic-store 0.0.1", "durable"),
    "atomicwrites": ("atomicwrites and json, by hand", "durable"),
    "sqlite3 WAL FULL": ("sqlite3, WAL, FULL", "durable, three files"),
    'atomic_store fsync="file"': ('atomic_store, `fsync="file"`', "**not durable**: the old or the new value"),
    'open("w")': ('`json.dump` to `open("w")`', "**not durable**: old, new, half or empty"),
}


class Part(NamedTuple):
    """A generated part of the page.

    Attributes:
        needs: the sections whose results it shows.
        write: returns its text.
    """

    needs: tuple[str, ...]
    write: Callable[[Results, Machines], str]


def commits(data: Results, _: Machines) -> str:
    """Return the table: milliseconds of one commit on the disk, and the ratio to atomic_store in the same round."""
    rows = [[name, keeps, *(_cell(data, way, size) for size in SIZES)] for way, (name, keeps) in WAYS.items()]
    lines = [["", "after a power cut", *SIZES], ["---", "---", *["---:"] * len(SIZES)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(data: Results, way: str, size: str) -> str:
    # Not everybody was raced at every size: what the race of sizes lacks may be in the race of small commits.
    for race in (data["scaling"].get(size), data["commit"]["races"].get(f"disk, {size}")):
        if race and {way, OURS} <= race["rounds"].keys():
            took = race["rounds"][way]
            beside = "" if way == OURS else f" ({figure(ratio(took, race['rounds'][OURS]))})"
            return f"{_milliseconds(took)}{beside}"
    return NONE


def _milliseconds(took: list[float]) -> str:
    found = 1000 * statistics.median(took)
    return figure(found, 2 if found < 10 else 0)


def place(_: Results, machines: Machines) -> str:
    """Return what the figures were taken on."""
    about = machines["commit"]
    return (
        f"Measured on {'a virtual machine with ' if about['virtual'] else ''}{about['cores']} cores, {about['system']}, "
        f"{about['places']['disk']}, where one fsync of 4 KB takes {about['fsync_ms']['disk']:.2g} ms; "
        f"Python {about['versions']['peers']['Python']}."
    )


def limit(data: Results, _: Machines) -> str:
    """Return how far a small commit is from what any program must do, and from a script written by hand."""
    races = data["commit"]["races"]
    disk, memory = commit.ratios(races["disk, 1 KB"]), commit.ratios(races["tmpfs, 1 KB"])
    by_hand = races["disk, 1 KB"]["rounds"]
    calls = data["commit"]["calls"]["found"][OURS]
    return (
        f"A commit of 1 KB makes {calls['calls']} system calls, {calls['syncs']} of them syncs. On the disk it takes "
        f"{figure(disk[OURS])} times the time of `json.dumps` and the fewest system calls that are durable, on tmpfs, "
        f"where a sync costs nothing, {figure(memory[OURS])} times. Beside `mkstemp`, `fsync` and `os.replace` written by "
        f"hand it takes {figure(ratio(by_hand[OURS], by_hand['mkstemp, by hand']))} times on the disk."
    )


def cron(data: Results, _: Machines) -> str:
    """Return what a whole cron job takes."""
    rounds = startup.jobs(data["startup"])["rounds"]

    def wall(name: str) -> str:
        return figure(1000 * statistics.median(turn["wall"] for turn in rounds[name]), 0)

    return (
        f"A whole cron job (start Python, load a list, append, commit) takes {wall(startup.OURS)} ms, with `json` and "
        f"`os.replace` by hand {wall(startup.FLOOR)} ms, with atomic-store 0.0.1 {wall(startup.ORIGINAL)} ms and with "
        f"sqlite3 {wall('sqlite3 WAL FULL')} ms, of which Python itself takes {wall(startup.NOTHING)} ms to start."
    )


def loading(data: Results, _: Machines) -> str:
    """Return what a large value takes to load."""
    of = data["large"]

    def times(name: str) -> str:
        return figure(large.ratio_of(of, name, "load"))

    return (
        f"Loading {of['bytes'] / 1e6:g} MB of JSON takes {times('atomic_store')} times the time of `json.load` on Python "
        f"3.11 and {times('atomic_store, 3.13')} times on 3.13."
    )


def locks(data: Results, _: Machines) -> str:
    """Return what many writers get done."""
    of = data["contention"]
    without = statistics.median(contention.column(of["rounds"]["atomic_store, no option"], "lost"))
    return (
        f"{of['processes']} processes that increment one counter {of['increments']} times each lose nothing with "
        f"`lock=True`, at {figure(contention.compared(of, 'atomic_store lock=True', 'per_second'))} times the throughput of "
        f"`flock(2)` by hand; without a lock {figure(without, 0)} of {of['processes'] * of['increments']:,} increments are "
        "lost."
    )


PARTS: dict[str, Part] = {
    "place": Part(("commit",), place),
    "commits": Part(("commit", "scaling"), commits),
    "limit": Part(("commit",), limit),
    "cron": Part(("startup",), cron),
    "loading": Part(("large",), loading),
    "locks": Part(("contention",), locks),
}
