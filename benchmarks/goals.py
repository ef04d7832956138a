"""The goals: what the store is meant to reach, and what was measured, in one table.

A limit is what no program could do better: the same system calls or the same encoder without a store around them.
"""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any, NamedTuple

from .sections import commit, contention, large, startup
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


def _commit(place_and_size: str, most: float) -> Goal:
    find = _race("commit", place_and_size)
    return Goal(
        f"commit, {place_and_size}, x {BASE}",
        most,
        None,
        "1.00",
        lambda results: find(results).get(OURS),
        lambda results: _best(find(results), _PEERS),
        lambda results: find(results).get(ORIGINAL),
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


def _scaling(size: str, most: float, contestant: str = OURS, limit: str = "1.00") -> Goal:
    find = _race("scaling", size)
    plain = contestant == OURS
    return Goal(
        f"commit, disk, {size}, {'JSON' if plain else 'format=orjson'}, x {BASE}",
        most,
        None,
        limit,
        lambda results: find(results).get(contestant),
        lambda results: _best(find(results), ["atomicwrites"]),
        lambda results: find(results).get(ORIGINAL) if plain else None,
    )


def _orjson(size: str, most: float) -> Goal:
    goal = _scaling(size, most, "atomic_store orjson", "")
    find = _race("scaling", size)
    # Its limit is measured as well: the floor with orjson.
    return goal._replace(limit="floor + orjson", peer=lambda results: _best(find(results), ["floor + orjson"]))


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


def _cron(place: str, what: str, most: float, measure: Callable[[Any, str], float | None]) -> Goal:
    peers = ["atomicwrites", "mkstemp, by hand", "sqlite3 DELETE EXTRA"]

    def find(results: Results, name: str) -> float | None:
        return measure(results["startup"][f"cron, {place}"], name)

    def peer(results: Results) -> tuple[str, float] | None:
        return _best({name: ratio for name in peers if (ratio := find(results, name)) is not None}, peers)

    return Goal(
        f"cron cycle, {place}, {what}",
        most,
        None,
        "1.00",
        lambda results: find(results, startup.OURS),
        peer,
        lambda results: find(results, startup.ORIGINAL),
    )


def _without_atomicwrites(results: Results) -> float | None:
    return startup.over_nothing(results["startup"]["cron, tmpfs"], startup.OURS, startup.FLOOR_ATOMICWRITES)


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
    _commit("tmpfs, 1 KB", 1.40),
    _commit("disk, 1 KB", 1.10),
    _calls("syncs", 2, 2, "2"),
    _calls("calls", 14, None, "8"),
    _scaling("100 KB", 1.05),
    _scaling("1 MB", 1.05),
    _scaling("10 MB", 1.05),
    _orjson("100 KB", 0.42),
    _orjson("1 MB", 0.20),
    _orjson("10 MB", 0.20),
    _orjson("100 MB", 0.20),
    _large(
        "dump 100 MB of JSON, x json.dumps + write",
        0.80,
        "atomic_store",
        "dump",
        "0.70",
        ["json.dumps + write, json.load", "json.dump, json.load", "sqlite3 WAL FULL"],
        "atomic-store 0.0.1",
    ),
    _peak("the same, extra peak, MiB", 16, "atomic_store", "dump", "2", "atomic-store 0.0.1"),
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
    Goal(
        f"open + read 1 KB, x {BASE}",
        1.25,
        None,
        "1.00",
        lambda results: _race("reading", "1 KB")(results).get(OURS),
        lambda results: _best(_race("reading", "1 KB")(results), _PEERS),
        lambda results: _race("reading", "1 KB")(results).get(ORIGINAL),
    ),
    _cron("tmpfs", "time over pass, x floor", 1.60, startup.over_nothing),
    _cron("disk", "time over pass, x floor", 1.60, startup.over_nothing),
    _cron("tmpfs", "processor time over pass, x floor", 1.60, startup.processor_over_nothing),
    _cron("tmpfs", "wall, x floor", 1.20, startup.whole),
    _cron("disk", "wall, x floor", 1.20, startup.whole),
    Goal("cron cycle, tmpfs, over pass, x a floor that imports atomicwrites too", None, None, "1.00", _without_atomicwrites),
    Goal(
        "import atomic_store, ms",
        1.0,
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
    _contention("throughput, lock=True, x flock", None, 0.85, "1.00", "atomic_store lock=True", _crowd("per_second", True)),
    _contention("throughput, update(), x flock", None, 0.85, "1.00", "atomic_store update()", _crowd("per_second", True)),
    _contention("fairness", None, 0.80, "0.96", "atomic_store lock=True", _crowd("fairness", False)),
    _contention("longest wait, x flock", 2.0, None, "1.00", "atomic_store lock=True", _crowd("longest_ms", True)),
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
