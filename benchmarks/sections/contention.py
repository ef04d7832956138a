"""Read-modify-write by several processes on one file: what is lost, how fast, how fair, how long a wait."""

from __future__ import annotations

import fcntl
import json
import multiprocessing
import os
import sqlite3
import statistics
import tempfile
import time
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..bench import ratio, rotations
from ..stores import write_durably
from ..tables import Table, failed_rows, figure

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..bench import Bench

FLOCK = "flock by hand"
ORIGINAL = "atomic-store 0.0.1"


def increment_file(path: Path) -> None:
    """Read, add one, write."""
    write_durably(path, json.dumps(json.loads(path.read_bytes()) + 1).encode())


def flock_by_hand(path: Path) -> Callable[[], None]:
    """The limit: a blocking flock(2) on a sidecar."""
    sidecar = path.with_suffix(".lock")

    def increment() -> None:
        descriptor = os.open(sidecar, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            increment_file(path)
        finally:
            os.close(descriptor)

    return increment


def by_update(path: Path) -> Callable[[], None]:
    """store.update(), which locks."""
    atomic_store = import_module("atomic_store")
    store = atomic_store.open(path)

    def increment() -> None:
        store.update(lambda value: value + 1)

    return increment


def by_lock(path: Path) -> Callable[[], None]:
    """A block of a store with lock=True."""
    atomic_store = import_module("atomic_store")
    store = atomic_store.open(path, lock=True)

    def increment() -> None:
        with store:
            store.value += 1

    return increment


def by_timeout(path: Path) -> Callable[[], None]:
    """A block of a store with lock=60, which has to poll."""
    atomic_store = import_module("atomic_store")
    store = atomic_store.open(path, lock=60)

    def increment() -> None:
        with store:
            store.value += 1

    return increment


def by_retry(path: Path) -> Callable[[], None]:
    """on_conflict="raise", tried again until nobody was faster."""
    atomic_store = import_module("atomic_store")
    store = atomic_store.open(path, on_conflict="raise")

    def increment() -> None:
        while True:
            store.value += 1
            try:
                store.commit()
                return
            except atomic_store.ConflictError:
                store.reload()

    return increment


def without_option(path: Path) -> Callable[[], None]:
    """A plain store: each commit is whole, and overwrites what others have written."""
    atomic_store = import_module("atomic_store")

    def increment() -> None:
        with atomic_store.open(path) as store:
            store.value += 1

    return increment


def by_filelock(path: Path) -> Callable[[], None]:
    """filelock.FileLock with its defaults (it polls every 50 ms)."""
    filelock = import_module("filelock")

    lock = filelock.FileLock(path.with_suffix(".lock"))

    def increment() -> None:
        with lock:
            increment_file(path)

    return increment


def by_portalocker(path: Path) -> Callable[[], None]:
    """portalocker.Lock, which polls every 250 ms; its default timeout of 5 s is lifted."""
    portalocker = import_module("portalocker")

    def increment() -> None:
        with portalocker.Lock(path.with_suffix(".lock"), timeout=600):
            increment_file(path)

    return increment


def by_sqlite(path: Path) -> Callable[[], None]:
    """sqlite3 in WAL mode with synchronous=FULL: a database instead of a readable file."""
    connection = sqlite3.connect(path.with_suffix(".db"), timeout=600, isolation_level=None)
    connection.execute("PRAGMA synchronous=FULL")

    def increment() -> None:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("UPDATE counter SET value = value + 1")
        connection.execute("COMMIT")

    return increment


def by_diskcache(path: Path) -> Callable[[], None]:
    """Diskcache with synchronous=FULL, in a transaction."""
    cache = import_module("diskcache").Cache(str(path.with_suffix(".cache")), timeout=600, sqlite_synchronous=2)

    def increment() -> None:
        with cache.transact():
            cache["counter"] = cache.get("counter", 0) + 1

    return increment


CONTESTANTS: dict[str, Callable[[Path], Callable[[], None]]] = {
    FLOCK: flock_by_hand,
    "atomic_store update()": by_update,
    "atomic_store lock=True": by_lock,
    "atomic_store lock=60": by_timeout,
    "atomic_store on_conflict": by_retry,
    "filelock": by_filelock,
    "portalocker.Lock": by_portalocker,
    "sqlite3 WAL FULL": by_sqlite,
    "diskcache FULL": by_diskcache,
    "atomic_store, no option": without_option,
    ORIGINAL: without_option,
}


def prepare(path: Path) -> None:
    """Begin at zero, as a file and as a database."""
    write_durably(path, b"0")
    connection = sqlite3.connect(path.with_suffix(".db"))
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("CREATE TABLE counter (value INTEGER)")
    connection.execute("INSERT INTO counter VALUES (0)")
    connection.commit()
    connection.close()


def total(path: Path, name: str) -> int:
    """Read the counter."""
    if name.startswith("sqlite3"):
        connection = sqlite3.connect(path.with_suffix(".db"))
        value: int = connection.execute("SELECT value FROM counter").fetchone()[0]
        connection.close()
        return value
    if name.startswith("diskcache"):
        return int(import_module("diskcache").Cache(str(path.with_suffix(".cache")))["counter"])
    return int(json.loads(path.read_bytes()))


def work(name: str, path: Path, increments: int, start: Any, results: Any) -> None:
    """One process: count, and note how long each increment took."""
    increment = CONTESTANTS[name](path)
    start.wait()
    began = time.monotonic()
    took = []
    for _ in range(increments):
        before = time.monotonic()
        increment()
        took.append(time.monotonic() - before)
    results.put((time.monotonic() - began, took))


def crowd(name: str, directory: str, processes: int, increments: int) -> dict[str, float]:
    """Let all processes loose on one file."""
    context = multiprocessing.get_context("fork")
    with tempfile.TemporaryDirectory(dir=directory) as place:
        path = Path(place, "counter.json")
        prepare(path)
        start, results = context.Barrier(processes), context.Queue()
        workers = [context.Process(target=work, args=(name, path, increments, start, results)) for _ in range(processes)]
        for worker in workers:
            worker.start()
        seen = [results.get() for _ in workers]
        for worker in workers:
            worker.join()
        lost = processes * increments - total(path, name)
    finished = [finish for finish, _ in seen]
    waits = [wait for _, took in seen for wait in took]
    return {
        "per_second": processes * increments / max(finished),
        "lost": lost,
        "p50_ms": 1000 * statistics.median(waits),
        "longest_ms": 1000 * max(waits),
        "fairness": min(finished) / max(finished),
    }


def acquire_flock(path: Path) -> Callable[[], Callable[[], None]]:
    """Lock by hand, for the hand-off."""

    def acquire() -> Callable[[], None]:
        descriptor = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o644)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        return lambda: os.close(descriptor)

    return acquire


def acquire_store(path: Path) -> Callable[[], Callable[[], None]]:
    """Lock as a store with lock=True does."""
    atomic_store = import_module("atomic_store")
    location = atomic_store.LocalFile(path)

    def acquire() -> Callable[[], None]:
        release: Callable[[], None] = location.lock().release
        return release

    return acquire


def acquire_filelock(path: Path) -> Callable[[], Callable[[], None]]:
    """Lock with filelock."""
    filelock = import_module("filelock")

    lock = filelock.FileLock(path.with_suffix(".lock"))

    def acquire() -> Callable[[], None]:
        lock.acquire()
        release: Callable[[], None] = lock.release
        return release

    return acquire


def acquire_portalocker(path: Path) -> Callable[[], Callable[[], None]]:
    """Lock with portalocker."""
    portalocker = import_module("portalocker")

    def acquire() -> Callable[[], None]:
        lock = portalocker.Lock(path.with_suffix(".lock"), timeout=600)
        lock.acquire()
        release: Callable[[], None] = lock.release
        return release

    return acquire


HAND_OFFS = {
    FLOCK: acquire_flock,
    "atomic_store lock=True": acquire_store,
    "filelock": acquire_filelock,
    "portalocker.Lock": acquire_portalocker,
}


def wait_for_lock(name: str, path: Path, ready: Any, got: Any) -> None:
    """The waiting process: say when the lock was had."""
    acquire = HAND_OFFS[name](path)
    while ready.recv():
        release = acquire()
        got.send(time.monotonic())
        release()


def hand_off(name: str, directory: str, times: int) -> dict[str, float]:
    """Measure from release to the one waiter holding the lock."""
    context = multiprocessing.get_context("fork")
    with tempfile.TemporaryDirectory(dir=directory) as place:
        path = Path(place, "counter.json")
        write_durably(path, b"0")
        there, ready = context.Pipe()
        got, back = context.Pipe()
        waiter = context.Process(target=wait_for_lock, args=(name, path, ready, back))
        waiter.start()
        acquire = HAND_OFFS[name](path)
        took = []
        for _ in range(times):
            release = acquire()
            there.send(True)
            time.sleep(0.02)  # the waiter is now waiting
            released = time.monotonic()
            release()
            took.append(1000 * (got.recv() - released))
        there.send(False)
        waiter.join()
    took.sort()
    return {"p50_ms": statistics.median(took), "p90_ms": took[int(0.9 * len(took))]}


def run(bench: Bench) -> dict[str, Any]:
    """Let all contestants take turns, on the disk."""
    processes, increments, hand_offs = bench.pick((8, 200, 100), (2, 5, 3))
    rows: dict[str, list[dict[str, float]]] = {}
    offs: dict[str, list[dict[str, float]]] = {}
    failed: dict[str, str] = {}
    rounds = bench.rounds(5)
    with bench.directory("disk") as directory:
        for number, order in enumerate(rotations(list(CONTESTANTS), rounds), 1):
            bench.say(f"  round {number} of {rounds}")
            for name in order:

                def turn(name: str = name) -> Any:
                    with bench.worker("original" if name == ORIGINAL else "peers") as worker:
                        return worker.call(
                            "sections.contention.crowd",
                            name=name,
                            directory=str(directory),
                            processes=processes,
                            increments=increments,
                        )

                took = None if name in failed else bench.attempt(failed, name, turn)
                if took is not None:
                    rows.setdefault(name, []).append(took)
            for name in HAND_OFFS:

                def wait(name: str = name) -> Any:
                    with bench.worker("peers") as worker:
                        return worker.call(
                            "sections.contention.hand_off", name=name, directory=str(directory), times=hand_offs
                        )

                took = None if name in failed else bench.attempt(failed, name, wait)
                if took is not None:
                    offs.setdefault(name, []).append(took)
    counts = {"processes": processes, "increments": increments, "hand_offs": hand_offs}
    return {**counts, "rounds": rows, "hand_off": offs, "failed": failed}


def column(rows: list[dict[str, float]], key: str) -> list[float]:
    """Give one figure of all rounds."""
    return [row[key] for row in rows]


def compared(data: dict[str, Any], name: str, key: str, what: str = "rounds") -> float | None:
    """Give the median of the ratios to flock by hand in the same round; None: one of them was not run."""
    rows = {other: found for other, found in data[what].items() if other not in data["failed"]}
    if not {name, FLOCK} <= rows.keys():
        return None
    return ratio(column(rows[name], key), column(rows[FLOCK], key))


def tables(data: dict[str, Any]) -> list[Table]:
    """Show the crowd, then the hand-off."""
    count = data["processes"] * data["increments"]
    head = ["contestant", f"lost of {count}", "x flock", "p50 ms", "longest ms", "x flock", "fairness", "remarks"]
    rows = [
        [
            name,
            figure(statistics.median(column(mine, "lost")), 0),
            figure(compared(data, name, "per_second")),
            figure(statistics.median(column(mine, "p50_ms"))),
            figure(statistics.median(column(mine, "longest_ms")), 1),
            figure(compared(data, name, "longest_ms"), 2),
            figure(statistics.median(column(mine, "fairness"))),
            "**loses updates**" if max(column(mine, "lost")) else "",
        ]
        for name in CONTESTANTS
        if (mine := data["rounds"].get(name)) and name not in data["failed"]
    ]
    off_head = ["hand-off", "p50 ms", "p90 ms", "p50, x flock", "remarks"]
    off_rows = [
        [
            name,
            figure(statistics.median(column(mine, "p50_ms")), 3),
            figure(statistics.median(column(mine, "p90_ms")), 3),
            figure(compared(data, name, "p50_ms", "hand_off")),
            "",
        ]
        for name, mine in data["hand_off"].items()
        if name not in data["failed"]
    ]
    return [
        Table(
            "contention",
            head,
            rows + failed_rows(head, data["failed"]),
            f"{data['processes']} processes, {data['increments']} durable increments each, on the disk, medians of rounds. "
            "First x: increments a second, to a blocking flock(2) by hand; second: the longest wait. Fairness: when "
            "the first process was done, over when the last was.",
        ),
        Table("hand-off", off_head, off_rows, "From the release until the one process that waits holds the lock."),
    ]
