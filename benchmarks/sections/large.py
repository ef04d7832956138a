"""A large value, dumped and loaded, in a process of its own each time: how long, and how much memory more than before."""

from __future__ import annotations

import gc
import json
import pickle
import re
import statistics
from importlib import import_module
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

from ..bench import ratio, rotations
from ..tables import NONE, Table, failed_rows, figure
from ..values import value_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..bench import Bench

GIGABYTE = 1_000_000_000
BLOCK = 64_000  # bytes; a pickle remembers each object that it has written, so small ones take memory by their number


class Way(NamedTuple):
    """A way to dump and to load.

    Attributes:
        group: those that are compared; the first of a group is what the others are a ratio to.
        dump, load: what a worker does.
        environment: where.
        loads_only: whether it is there for its load, of what the first of the group has dumped.
    """

    group: str
    dump: Callable[[Any, Path], None]
    load: Callable[[Path], Any]
    environment: str = "peers"
    loads_only: bool = False


def by_dumps(value: Any, path: Path) -> None:
    """One text, one write."""
    with path.open("w", encoding="utf-8") as file:
        file.write(json.dumps(value))


def by_dump(value: Any, path: Path) -> None:
    """json.dump(), which writes bit by bit."""
    with path.open("w", encoding="utf-8") as file:
        json.dump(value, file)


def json_load(path: Path) -> Any:
    """json.load() from a text file."""
    with path.open(encoding="utf-8") as file:
        return json.load(file)


def collector_off(load: Callable[[Path], Any]) -> Callable[[Path], Any]:
    """Let the garbage collector rest meanwhile: what is left is the decoder's own time."""

    def without(path: Path) -> Any:
        gc.disable()
        return load(path)

    return without


def pickle_dump(value: Any, path: Path) -> None:
    """pickle.dump() to a file."""
    with path.open("wb") as file:
        pickle.dump(value, file, protocol=4)


def pickle_load(path: Path) -> Any:
    """pickle.load() from a file."""
    with path.open("rb") as file:
        return pickle.load(file)


def store_dump(format: str | None) -> Callable[[Any, Path], None]:
    """A store's commit(): of atomic_store or of 0.0.1, whichever the environment has."""

    def dump(value: Any, path: Path) -> None:
        store = import_module("atomic_store").open(str(path), default=None, format=_format(format))
        store.value = value
        store.commit()

    return dump


def store_load(format: str | None) -> Callable[[Path], Any]:
    """A store that is opened."""

    def load(path: Path) -> Any:
        return import_module("atomic_store").open(str(path), default=None, format=_format(format)).value

    return load


def _format(format: str | None) -> Any:
    return import_module(format) if format in ("orjson", "msgspec.json", "ujson") else format


def package_dump(package: str, function: str) -> Callable[[Any, Path], None]:
    """A package's function that gives all of the bytes or the text, and one write."""

    def dump(value: Any, path: Path) -> None:
        encoded = getattr(import_module(package), function)(value)
        path.write_bytes(encoded.encode() if isinstance(encoded, str) else encoded)

    return dump


def package_load(package: str, function: str) -> Callable[[Path], Any]:
    """A package's function that takes all of the bytes."""

    def load(path: Path) -> Any:
        return getattr(import_module(package), function)(path.read_bytes())

    return load


def sqlite_dump(value: Any, path: Path) -> None:
    """One row of JSON in a database, WAL FULL."""
    from ..stores import Sqlite

    kept = Sqlite(path.parent, "WAL", "FULL")
    kept.commit(value)
    kept.close()


def sqlite_load(path: Path) -> Any:
    """The row read and decoded."""
    import sqlite3

    connection = sqlite3.connect(path.parent / "value.db")
    (text,) = connection.execute("SELECT value FROM kept").fetchone()
    connection.close()
    return json.loads(text)


WAYS: dict[str, Way] = {
    "json.dumps + write, json.load": Way("JSON", by_dumps, json_load),
    "json.load, no collector": Way("JSON", by_dumps, collector_off(json_load), loads_only=True),
    "atomic_store": Way("JSON", store_dump(None), store_load(None)),
    "atomic-store 0.0.1": Way("JSON", store_dump(None), store_load(None), "original"),
    "json.dump, json.load": Way("JSON", by_dump, json_load),
    "sqlite3 WAL FULL": Way("JSON", sqlite_dump, sqlite_load),
    "orjson": Way("JSON", package_dump("orjson", "dumps"), package_load("orjson", "loads")),
    "atomic_store, orjson": Way("JSON", store_dump("orjson"), store_load("orjson")),
    "msgspec.json": Way("JSON", package_dump("msgspec.json", "encode"), package_load("msgspec.json", "decode")),
    "ujson": Way("JSON", package_dump("ujson", "dumps"), package_load("ujson", "loads")),
    "pickle.dump, pickle.load": Way("pickle", pickle_dump, pickle_load),
    "pickle.load, no collector": Way("pickle", pickle_dump, collector_off(pickle_load), loads_only=True),
    "atomic_store, pickle": Way("pickle", store_dump("pickle"), store_load("pickle")),
    "atomic-store 0.0.1, pickle": Way("pickle", store_dump("pickle"), store_load("pickle"), "original"),
    "atomic-store 0.0.1, bson": Way("BSON", store_dump("bson"), store_load("bson"), "original"),
    "atomic_store, bson": Way("BSON", store_dump("bson"), store_load("bson")),
    "pymongo's bson": Way("BSON", package_dump("bson", "encode"), package_load("bson", "decode")),
    "json.dumps + write, json.load, 3.13": Way("JSON, 3.13", by_dumps, json_load, "python 3.13"),
    "json.load, no collector, 3.13": Way("JSON, 3.13", by_dumps, collector_off(json_load), "python 3.13", True),
    "atomic_store, 3.13": Way("JSON, 3.13", store_dump(None), store_load(None), "python 3.13"),
    "pickle, 3.13": Way("pickle, 3.13", pickle_dump, pickle_load, "python 3.13"),
    "pickle.load, no collector, 3.13": Way("pickle, 3.13", pickle_dump, collector_off(pickle_load), "python 3.13", True),
    "atomic_store, pickle, 3.13": Way("pickle, 3.13", store_dump("pickle"), store_load("pickle"), "python 3.13"),
}
GIGABYTES = {
    "JSON list": ("atomic_store", "json.dumps + write, json.load", "json.dump, json.load", "atomic-store 0.0.1"),
    "pickle": ("atomic_store, pickle", "pickle.dump, pickle.load", "atomic-store 0.0.1, pickle"),
}


def gigabyte_of(kind: str, size: int) -> Any:
    """Make a list that is `size` bytes of JSON, or of pickle."""
    if kind == "pickle":
        return [number.to_bytes(8, "big") + bytes(BLOCK - 8) for number in range(size // BLOCK)]
    stations = value_of(GIGABYTE // 5)["stations"]
    return (stations * (size // (GIGABYTE // 5) + 1))[: len(stations) * size // (GIGABYTE // 5)]


def measure(name: str, action: str, path: str, size: int, kind: str) -> dict[str, float]:
    """Dump, or load, once; give the seconds, and the MiB that the process grew by at its largest.

    Args:
        name: of the way.
        action: "dump", or "load" of what was dumped there before.
        path: of the file.
        size: of the value.
        kind: "records", or one of GIGABYTES.
    """
    way = WAYS[name]
    if action == "dump":
        value = value_of(size) if kind == "records" else gigabyte_of(kind, size)
        way.dump([], Path(path)) if way.group != "BSON" else way.dump({}, Path(path))  # what only the first one pays
    else:
        small = Path(path).with_name("small")
        small.mkdir(exist_ok=True)
        empty: Any = {} if way.group == "BSON" else []
        way.dump(empty, small / "value")
        way.load(small / "value")
    gc.collect()
    before = _forget_peak()
    start = perf_counter()
    if action == "dump":
        way.dump(value, Path(path))
    else:
        value = way.load(Path(path))
    spent = perf_counter() - start
    return {"seconds": spent, "peak": (_status("VmHWM") - before) / 1024}


def _status(field: str) -> int:
    found = re.search(rf"{field}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found[1])


def _forget_peak() -> int:
    """Set the peak back to what is in use now, and give that in KiB (proc(5), clear_refs)."""
    Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def run(bench: Bench) -> dict[str, Any]:
    """Dump and load 100 MB on tmpfs, in rounds; then dump 1 GB on the disk."""
    size = bench.pick(100_000_000, 100_000)
    result = {"bytes": size, **rounds_of(bench, list(WAYS), size, bench.rounds(5))}
    result["gigabyte"] = {}
    for kind, names in GIGABYTES.items():
        bench.say(f"  1 GB, {kind}")
        result["gigabyte"][kind] = gigabytes(bench, kind, names, bench.pick(GIGABYTE, GIGABYTE // 500))
    return result


def rounds_of(bench: Bench, names: list[str], size: int, rounds: int) -> dict[str, Any]:
    """Let all take turns at dumping and loading."""
    found: dict[str, dict[str, list[dict[str, float]]]] = {"dump": {}, "load": {}}
    failed: dict[str, str] = {}
    with bench.directory("tmpfs") as directory:
        for number, order in enumerate(rotations(names, rounds), 1):
            for action in found:
                bench.say(f"  {action}, round {number} of {rounds}")
                for name in order:

                    def turn(name: str = name, action: str = action) -> Any:
                        dumper = base_of(name) if WAYS[name].loads_only else name
                        own = directory / re.sub(r"\W", "-", dumper)
                        own.mkdir(exist_ok=True)
                        with bench.worker(WAYS[name].environment) as worker:
                            return worker.call(
                                "sections.large.measure",
                                name=name,
                                action=action,
                                path=str(own / "value"),
                                size=size,
                                kind="records",
                            )

                    if name in failed or (action == "dump" and WAYS[name].loads_only):
                        continue
                    took = bench.attempt(failed, name, turn)
                    if took is not None:
                        found[action].setdefault(name, []).append(took)
    return {**found, "failed": failed}


def gigabytes(bench: Bench, kind: str, names: tuple[str, ...], size: int) -> dict[str, Any]:
    """Dump a large list once with each."""
    found: dict[str, dict[str, float]] = {}
    failed: dict[str, str] = {}
    for name in names:

        def turn(name: str = name) -> Any:
            with bench.directory("disk") as directory, bench.worker(WAYS[name].environment) as worker:
                return worker.call(
                    "sections.large.measure", name=name, action="dump", path=str(directory / "value"), size=size, kind=kind
                )

        took = bench.attempt(failed, name, turn)
        if took is not None:
            found[name] = took
    return {"found": found, "failed": failed}


def base_of(name: str) -> str:
    """Give the first of a way's group."""
    return next(other for other, way in WAYS.items() if way.group == WAYS[name].group)


def ratio_of(data: dict[str, Any], name: str, action: str, what: str = "seconds") -> float | None:
    """Give the ratio of one way to the base of its group; None: one of them was not run."""
    mine, base = data[action].get(name), data[action].get(base_of(name))
    if not mine or not base or name in data["failed"] or base_of(name) in data["failed"]:
        return None
    return ratio([turn[what] for turn in mine], [turn[what] for turn in base])


def worst_of(data: dict[str, Any], name: str, action: str) -> float | None:
    """Give the largest ratio of any round to the base of the group; None: one of them was not run."""
    mine, base = data[action].get(name), data[action].get(base_of(name))
    if not mine or not base:
        return None
    worst: float = max(one["seconds"] / other["seconds"] for one, other in zip(mine, base, strict=True))
    return worst


def peak_of(data: dict[str, Any], name: str, action: str) -> float | None:
    """Give the median of the extra peak in MiB; None: it was not run."""
    turns = data[action].get(name)
    return statistics.median(turn["peak"] for turn in turns) if turns else None


def tables(data: dict[str, Any]) -> list[Table]:
    """Show 100 MB, then 1 GB."""
    head = ["way", "dump s", "x", "peak MiB", "load s", "x", "peak MiB", "remarks"]
    rows = []
    for name, way in WAYS.items():
        if name in data["failed"]:
            continue
        row = [name]
        for action in ("dump", "load"):
            if action == "dump" and way.loads_only:
                row += [NONE] * 3
                continue
            seconds = statistics.median(turn["seconds"] for turn in data[action][name])
            row += [figure(seconds), figure(ratio_of(data, name, action)), figure(peak_of(data, name, action), 0)]
        rows.append([*row, f"{way.group}: x is to this" if base_of(name) == name else ""])
    size = f"{data['bytes'] / 1e6:g} MB of JSON text, tmpfs"
    note = (
        f"{size}; median of rounds, x: of paired ratios within JSON, pickle and BSON. Peak: growth of the process. "
        "A store's commit also makes the value atomic and durable; the other ways just write."
    )
    gigabyte_head = ["what", "way", "s", "extra peak MiB"]
    gigabyte_rows = []
    for kind, found in data["gigabyte"].items():
        gigabyte_rows += [
            [kind, name, figure(took["seconds"], 1), figure(took["peak"], 0)] for name, took in found["found"].items()
        ]
        gigabyte_rows += [[kind, *row[:1], NONE, row[-1]] for row in failed_rows(gigabyte_head, found["failed"])]
    return [
        Table("large", head, rows + failed_rows(head, data["failed"]), note),
        Table(
            "gigabyte",
            gigabyte_head,
            gigabyte_rows,
            "1 GB, dumped to the disk, once. The list of JSON repeats 1,000 records, which an encoder cannot know; the "
            f"pickle is a list of blocks of {BLOCK // 1000} KB. A pickle remembers every object it has written: of small "
            "ones that takes 1 to 2 bytes for each byte written, whoever writes it.",
        ),
    ]
