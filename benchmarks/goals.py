"""The goals: what the store is meant to reach, and what was measured, in one table.

A limit is what no program could do better: the same system calls or the same encoder without a store around them.
"""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any, NamedTuple

from .environments import PYTHONS
from .sections import commit, contention, large, pythons, startup, writing
from .stores import BASE, CONTESTANTS, DURABLE, ORIGINAL, OURS
from .tables import NONE, Table, figure

if TYPE_CHECKING:
    from collections.abc import Callable

Results = dict[str, Any]


class Goal(NamedTuple):
    """One line of the table.

    Attributes:
        what: is measured.
        most, least: the bounds of what is good enough.
        limit: the best there can be, as far as known, or what gives it where it was measured as well.
        ours, original: give what atomic_store, and what 0.0.1, was measured at.
        peer: gives the best of the durable peers that keep one plain file, and its name.
        places: decimal places of the figures.
    """

    what: str
    most: float | None
    least: float | None
    limit: str | Callable[[Results], float | None]
    ours: Callable[[Results], float | None]
    peer: Callable[[Results], tuple[str, float] | None] = lambda _: None
    original: Callable[[Results], float | None] = lambda _: None
    places: int = 2

    def met(self, measured: float) -> bool:
        """Say whether it is reached."""
        return (self.most is None or measured <= self.most) and (self.least is None or measured >= self.least)

    def bound(self) -> str:
        """Write the goal."""
        if self.most == self.least:
            return figure(self.most, self.places)
        if self.most is None:
            return f"≥ {figure(self.least, self.places)}"
        return f"≤ {figure(self.most, self.places)}"


BY_HAND = "mkstemp, by hand"
_NOT_PEERS = ("floor", OURS, ORIGINAL)
_PEERS = [
    name
    for name, contestant in CONTESTANTS.items()
    if contestant.keeps == DURABLE and contestant.single and not name.startswith(_NOT_PEERS)
]


def _best(found: dict[str, float], names: list[str]) -> tuple[str, float] | None:
    there = {name: found[name] for name in names if name in found}
    return min(there.items(), key=lambda item: item[1]) if there else None


def _race(section: str, race: str) -> Callable[[Results], dict[str, float]]:
    def find(results: Results) -> dict[str, float]:
        data = results["commit"]["races"] if section == "commit" else results[section]
        return commit.ratios(data[race])

    return find


def _by_hand(section: str, race: str, what: str, most: float) -> Goal:
    """A goal beside what a careful programmer writes: mkstemp, fsync, replace; open() and json.load()."""
    find = _race(section, race)

    def beside(results: Results, name: str) -> float | None:
        found = find(results)
        return found[name] / found[BY_HAND] if {name, BY_HAND} <= found.keys() else None

    def peer(results: Results) -> tuple[str, float] | None:
        return _best({name: ratio for name in _PEERS if (ratio := beside(results, name)) is not None}, _PEERS)

    return Goal(
        what,
        most,
        None,
        lambda results: beside(results, BASE),
        lambda results: beside(results, OURS),
        peer,
        lambda results: beside(results, ORIGINAL),
    )


def _calls(what: str, most: float, least: float | None, limit: str) -> Goal:
    def find(results: Results) -> dict[str, float]:
        return {name: found[what] for name, found in results["commit"]["calls"]["found"].items()}

    title = {"syncs": "syncs of a commit", "calls": "system calls of a commit"}[what]
    return Goal(
        title,
        most,
        least,
        limit,
        lambda results: find(results).get(OURS),
        lambda results: _best(find(results), _PEERS),
        lambda results: find(results).get(ORIGINAL),
        places=0,
    )


def _json(size: str, version: str, most: float) -> Goal:
    return Goal(
        f"commit, disk, {size} of JSON on {version}, x {BASE}",
        most,
        None,
        "1.00",
        lambda results: pythons.ratio_of(results["pythons"], size, version),
    )


def _orjson(size: str, most: float) -> Goal:
    find = _race("scaling", size)
    return Goal(
        f"commit, disk, {size}, format=orjson, x {BASE}",
        most,
        None,
        "floor + orjson",
        lambda results: find(results).get("atomic_store orjson"),
        lambda results: _best(find(results), ["floor + orjson"]),
    )


def _large(
    what: str,
    most: float,
    name: str,
    action: str,
    limit: str | Callable[[Results], float | None],
    peers: list[str] | None = None,
    original: str | None = None,
) -> Goal:
    def find(results: Results, other: str) -> float | None:
        return large.ratio_of(results["large"], other, action)

    def peer(results: Results) -> tuple[str, float] | None:
        found = {other: ratio for other in peers or [] if (ratio := find(results, other)) is not None}
        return _best(found, peers or [])

    return Goal(
        what,
        most,
        None,
        limit,
        lambda results: find(results, name),
        peer,
        lambda results: find(results, original) if original else None,
    )


def _decoder(name: str) -> Callable[[Results], float | None]:
    """Give what the decoder takes by itself, without the collector's time."""
    return lambda results: large.ratio_of(results["large"], name, "load")


def _peak(what: str, most: float, name: str, action: str, limit: str, original: str | None = None) -> Goal:
    def find(results: Results, other: str) -> float | None:
        return large.peak_of(results["large"], other, action)

    def peer(results: Results) -> tuple[str, float] | None:
        base = large.base_of(name)
        found = find(results, base)
        return None if found is None else (base, found)

    return Goal(
        what,
        most,
        None,
        limit,
        lambda results: find(results, name),
        peer,
        lambda results: find(results, original) if original else None,
        places=0,
    )


def _worst(results: Results, name: str) -> float | None:
    return large.worst_of(results["large"], name, "dump")


def _load_peak(results: Results) -> float | None:
    data = results["large"]
    return large.ratio_of(data, "atomic_store", "load", "peak")


def _gigabyte(kind: str, name: str, original: str) -> Goal:
    def find(results: Results, other: str) -> float | None:
        found = results["large"]["gigabyte"][kind]["found"].get(other)
        return None if found is None else found["peak"]

    return Goal(
        f"1 GB, {kind}: extra peak on dump, MiB",
        64,
        None,
        "",
        lambda results: find(results, name),
        original=lambda results: find(results, original),
        places=0,
    )


def _cron(what: str, most: float, version: str, measure: Callable[[Any, str], float | None], name: str = OURS) -> Goal:
    return Goal(
        f"cron job on {version}, {what}",
        most,
        None,
        "1.00",
        lambda results: measure(results["startup"][f"around, {version}"], name),
        original=lambda results: (
            measure(results["startup"]["cron, tmpfs"], ORIGINAL) if (version, name) == ("3.11", OURS) else None
        ),
    )


def _processor(race: Any, name: str) -> float | None:
    return startup.whole(race, name, what="processor")


def _cron_goals(version: str) -> list[Goal]:
    return [
        _cron(f"processor time, x {startup.FLOOR}", 0.85, version, _processor),
        _cron("wall, x the same", 0.90, version, startup.whole),
        _cron("time over pass, x the same", 0.60, version, startup.over_nothing),
        _cron("with lock=True, time over pass, x the same", 0.70, version, startup.over_nothing, startup.LOCKED),
    ]


def _imports(what: str) -> Callable[[Results, str], float | None]:
    def find(results: Results, name: str) -> float | None:
        turns = results["startup"]["imports"]["rounds"].get(name)
        return statistics.median(turn[what] for turn in turns) if turns else None

    return find


def _contention(
    what: str, most: float | None, least: float | None, limit: str, name: str, find: Any, places: int = 2
) -> Goal:
    peers = ["filelock", "portalocker.Lock"]

    def peer(results: Results) -> tuple[str, float] | None:
        found = {other: figure for other in peers if (figure := find(results, other)) is not None}
        if not found:
            return None
        return (max if most is None else min)(found.items(), key=lambda item: item[1])

    return Goal(
        what,
        most,
        least,
        limit,
        lambda results: find(results, name),
        peer,
        lambda results: find(results, ORIGINAL),
        places=places,
    )


def _crowd(key: str, against_flock: bool) -> Callable[[Results, str], float | None]:
    def find(results: Results, name: str) -> float | None:
        data = results["contention"]
        if against_flock:
            return contention.compared(data, name, key)
        rows = data["rounds"].get(name)
        return statistics.median(contention.column(rows, key)) if rows and name not in data["failed"] else None

    return find


def _hand_off(results: Results, name: str) -> float | None:
    return contention.compared(results["contention"], name, "p50_ms", "hand_off")


def _flatness(results: Results, name: str = OURS) -> float | None:
    small, large_ = (results["scaling"][size]["rounds"].get(name) for size in ("1 MB", "100 MB"))
    return statistics.median(large_) / statistics.median(small) / 100 if small and large_ else None


GOALS: list[Goal] = [
    _by_hand("commit", "tmpfs, 1 KB", "commit, tmpfs, 1 KB, x mkstemp by hand", 1.05),
    _by_hand("commit", "disk, 1 KB", "commit, disk, 1 KB, x mkstemp by hand", 1.00),
    _calls("syncs", 2, 2, "2"),
    _calls("calls", 14, None, "8"),
    _json("100 KB", "3.11", 1.04),
    _json("1 MB", "3.11", 1.04),
    _json("3 MB", "3.11", 1.00),
    _json("10 MB", "3.11", 1.00),
    *(_json(size, "3.13", 1.05) for size in pythons.SIZES),
    _orjson("100 KB", 0.42),
    _orjson("1 MB", 0.20),
    _orjson("10 MB", 0.20),
    _orjson("100 MB", 0.20),
    _large(
        "dump 100 MB of JSON, x json.dumps + write",
        0.92,
        "atomic_store",
        "dump",
        "0.70",
        ["json.dumps + write, json.load", "json.dump, json.load", "sqlite3 WAL FULL"],
        "atomic-store 0.0.1",
    ),
    Goal("the same, in the worst round", 0.92, None, "", lambda results: _worst(results, "atomic_store")),
    _peak("the same, extra peak, MiB", 16, "atomic_store", "dump", "2", "atomic-store 0.0.1"),
    Goal("the same on 3.13, in the worst round", 1.00, None, "", lambda results: _worst(results, "atomic_store, 3.13")),
    _large(
        "load 100 MB of JSON (goal for 3.11), x json.load",
        0.65,
        "atomic_store",
        "load",
        _decoder("json.load, no collector"),
        ["json.dumps + write, json.load", "orjson", "msgspec.json", "ujson", "sqlite3 WAL FULL"],
        "atomic-store 0.0.1",
    ),
    Goal("the same, peak, x json.load", 1.0, None, "", _load_peak),
    _large(
        "load 100 MB of JSON on 3.13, x json.load",
        0.85,
        "atomic_store, 3.13",
        "load",
        _decoder("json.load, no collector, 3.13"),
    ),
    _large(
        "dump 100 MB as pickle, x pickle.dump",
        1.05,
        "atomic_store, pickle",
        "dump",
        "1.00",
        None,
        "atomic-store 0.0.1, pickle",
    ),
    _large(
        "load it, x pickle.load",
        0.50,
        "atomic_store, pickle",
        "load",
        _decoder("pickle.load, no collector"),
        None,
        "atomic-store 0.0.1, pickle",
    ),
    _large(
        "dump 100 MB as BSON, x 0.0.1",
        0.07,
        "atomic_store, bson",
        "dump",
        "0.05",
        ["pymongo's bson"],
        "atomic-store 0.0.1, bson",
    ),
    _by_hand("reading", "1 KB", "open + read 1 KB, x open() + json.load", 1.08),
    Goal(
        'atomic_write, pieces of 10 bytes, x open("wb")',
        1.5,
        None,
        "1.00",
        lambda results: writing.ratio_of(results["writing"]),
    ),
    *(goal for version in PYTHONS for goal in _cron_goals(version)),
    Goal(
        "import atomic_store, ms",
        1.5,
        None,
        "0.2",
        lambda results: _imports("ms")(results, OURS),
        original=lambda results: _imports("ms")(results, ORIGINAL),
        places=1,
    ),
    Goal(
        "modules that it loads beyond its own",
        0,
        0,
        "0",
        lambda results: _imports("others")(results, OURS),
        original=lambda results: _imports("others")(results, ORIGINAL),
        places=0,
    ),
    _contention("8 processes: lost updates", 0, 0, "0", "atomic_store lock=True", _crowd("lost", False), 0),
    _contention("throughput, lock=True, x flock", None, 0.80, "1.00", "atomic_store lock=True", _crowd("per_second", True)),
    _contention("throughput, update(), x flock", None, 0.80, "1.00", "atomic_store update()", _crowd("per_second", True)),
    _contention("fairness", None, 0.80, "0.96", "atomic_store lock=True", _crowd("fairness", False)),
    _contention("longest wait, x flock", 1.5, None, "1.00", "atomic_store lock=True", _crowd("longest_ms", True)),
    _contention("hand-off, p50, x flock", 3.0, None, "1.00", "atomic_store lock=True", _hand_off),
    Goal(
        "ns for a byte of JSON at 100 MB, x at 1 MB",
        1.20,
        None,
        "0.85",
        _flatness,
        lambda results: None if (found := _flatness(results, "atomicwrites")) is None else ("atomicwrites", found),
        lambda results: _flatness(results, ORIGINAL),
    ),
    _gigabyte("JSON list", "atomic_store", "atomic-store 0.0.1"),
    _gigabyte("pickle", "atomic_store, pickle", "atomic-store 0.0.1, pickle"),
]


def table(results: Results) -> Table:
    """Show goals beside what was measured; a dash where that section has not been run."""
    head = ["what", "goal", "atomic_store", "limit", "best durable peer of one file", "0.0.1", "reached"]
    rows = []
    for goal in GOALS:
        ours = _or_none(goal.ours, results)
        peer = _or_none(goal.peer, results)
        rows.append(
            [
                goal.what,
                NONE if goal.most is None and goal.least is None else goal.bound(),
                figure(ours, goal.places),
                _limit(goal, results),
                f"{figure(peer[1], goal.places)} {peer[0]}" if peer else NONE,
                figure(_or_none(goal.original, results), goal.places),
                _verdict(goal, ours),
            ]
        )
    return Table("goals", head, rows)


def _limit(goal: Goal, results: Results) -> str:
    if isinstance(goal.limit, str):
        return goal.limit or NONE
    return figure(_or_none(goal.limit, results), goal.places)


def _verdict(goal: Goal, ours: float | None) -> str:
    if ours is None:
        return "not measured"
    if goal.most is None and goal.least is None:
        return NONE
    return "yes" if goal.met(ours) else "**no**"


def _or_none(measure: Callable[[Results], Any], results: Results) -> Any:
    try:
        return measure(results)
    except KeyError:  # a section, a size or a place that was not run
        return None
