"""Read-modify-write by several processes on one file: what is lost, how fast, how fair, how long a wait.

    python benchmarks/contention.py [--processes 8] [--increments 200] [--rounds 3] [--dir DIR] [--out FILE.json]

Contestants take turns, round by round; a ratio is the median over rounds of the ratio to `flock by
hand` in the same round. Every contestant but the last makes each increment durable. It needs
filelock and portalocker: pip install ".[benchmark]".
"""

from __future__ import annotations

import argparse
import fcntl
import json
import multiprocessing
import os
import platform
import sqlite3
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import atomic_store

if TYPE_CHECKING:
    from collections.abc import Callable


def write_durably(path: Path, value: int) -> None:
    """Replace a file as the store does, with nothing around it."""
    temp = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temp, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    try:
        os.write(descriptor, json.dumps(value).encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.replace(temp, path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def increment_file(path: Path) -> None:
    """Read, add one, write."""
    write_durably(path, json.loads(path.read_bytes()) + 1)


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
    store = atomic_store.open(path)

    def increment() -> None:
        store.update(lambda value: value + 1)

    return increment


def by_lock(path: Path) -> Callable[[], None]:
    """A block of a store with lock=True."""
    store = atomic_store.open(path, lock=True)

    def increment() -> None:
        with store:
            store.value += 1

    return increment


def by_timeout(path: Path) -> Callable[[], None]:
    """A block of a store with lock=60, which has to poll."""
    store = atomic_store.open(path, lock=60)

    def increment() -> None:
        with store:
            store.value += 1

    return increment


def by_retry(path: Path) -> Callable[[], None]:
    """on_conflict="raise", tried again until nobody was faster."""
    store = atomic_store.open(path, on_conflict="raise")

    def increment() -> None:
        while True:
            store.value += 1
            try:
                return store.commit()
            except atomic_store.ConflictError:
                store.reload()

    return increment


def without_option(path: Path) -> Callable[[], None]:
    """A plain store: each commit is whole, and overwrites what others have written."""

    def increment() -> None:
        with atomic_store.open(path) as store:
            store.value += 1

    return increment


def by_filelock(path: Path) -> Callable[[], None]:
    """filelock.FileLock with its defaults (it polls every 50 ms)."""
    import filelock

    lock = filelock.FileLock(path.with_suffix(".lock"))

    def increment() -> None:
        with lock:
            increment_file(path)

    return increment


def by_portalocker(path: Path) -> Callable[[], None]:
    """portalocker.Lock, which polls every 250 ms; its default timeout of 5 s is lifted."""
    import portalocker

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


CONTESTANTS: dict[str, Callable[[Path], Callable[[], None]]] = {
    "flock by hand": flock_by_hand,
    "atomic_store update()": by_update,
    "atomic_store lock=True": by_lock,
    "atomic_store lock=60": by_timeout,
    "atomic_store on_conflict": by_retry,
    "filelock": by_filelock,
    "portalocker.Lock": by_portalocker,
    "sqlite3 WAL FULL": by_sqlite,
    "atomic_store, no option": without_option,
}


def prepare(path: Path) -> None:
    """Begin at zero, as a file and as a database."""
    write_durably(path, 0)
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


def run(name: str, directory: Path, processes: int, increments: int) -> dict[str, float]:
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
    location = atomic_store.LocalFile(path)

    def acquire() -> Callable[[], None]:
        return location.lock().release

    return acquire


def acquire_filelock(path: Path) -> Callable[[], Callable[[], None]]:
    """Lock with filelock."""
    import filelock

    lock = filelock.FileLock(path.with_suffix(".lock"))

    def acquire() -> Callable[[], None]:
        lock.acquire()
        return lock.release

    return acquire


def acquire_portalocker(path: Path) -> Callable[[], Callable[[], None]]:
    """Lock with portalocker."""
    import portalocker

    def acquire() -> Callable[[], None]:
        lock = portalocker.Lock(path.with_suffix(".lock"), timeout=600)
        lock.acquire()
        return lock.release

    return acquire


HAND_OFFS = {
    "flock by hand": acquire_flock,
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


def hand_off(name: str, directory: Path, times: int) -> dict[str, float]:
    """Measure from release to the one waiter holding the lock."""
    context = multiprocessing.get_context("fork")
    with tempfile.TemporaryDirectory(dir=directory) as place:
        path = Path(place, "counter.json")
        write_durably(path, 0)
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


def median(rows: list[dict[str, float]], key: str) -> float:
    """Give the median of one figure over the rounds."""
    return statistics.median(row[key] for row in rows)


def ratio(rows: list[dict[str, float]], base: list[dict[str, float]], key: str) -> float:
    """Give the median of the ratios of pairs that ran in the same round."""
    return statistics.median(row[key] / other[key] for row, other in zip(rows, base, strict=True))


def main() -> None:
    """Run, print the tables, write the raw figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--increments", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--hand-offs", type=int, default=100)
    parser.add_argument("--dir", type=Path, default=Path.cwd(), help="a directory on the file system to measure")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()

    rows: dict[str, list[dict[str, float]]] = {name: [] for name in CONTESTANTS}
    offs: dict[str, list[dict[str, float]]] = {name: [] for name in HAND_OFFS}
    for _ in range(options.rounds):
        for name in CONTESTANTS:
            rows[name].append(run(name, options.dir, options.processes, options.increments))
        for name in HAND_OFFS:
            offs[name].append(hand_off(name, options.dir, options.hand_offs))

    base = rows["flock by hand"]
    count = options.processes * options.increments
    print(f"{options.processes} processes x {options.increments} increments, {options.rounds} rounds, medians")
    lost = f"lost of {count}"
    print(f"{'contestant':26}{'x flock':>9}{lost:>15}{'p50 ms':>9}{'longest ms':>12}{'x flock':>9}{'fairness':>10}")
    for name, mine in rows.items():
        print(
            f"{name:26}{ratio(mine, base, 'per_second'):9.2f}{median(mine, 'lost'):15.0f}{median(mine, 'p50_ms'):9.2f}"
            f"{median(mine, 'longest_ms'):12.1f}{ratio(mine, base, 'longest_ms'):9.2f}{median(mine, 'fairness'):10.2f}"
        )
    print(
        f"\nhand-off, release to the one waiter holding it\n{'contestant':26}{'p50 ms':>9}{'p90 ms':>9}{'p50 x flock':>13}"
    )
    for name, mine in offs.items():
        print(
            f"{name:26}{median(mine, 'p50_ms'):9.3f}{median(mine, 'p90_ms'):9.3f}"
            f"{ratio(mine, offs['flock by hand'], 'p50_ms'):13.2f}"
        )
    if options.out:
        machine = {"system": platform.platform(), "python": platform.python_version(), "cpus": os.cpu_count()}
        options.out.write_text(json.dumps({"machine": machine, "rounds": rows, "hand_off": offs}, indent=1) + "\n")


if __name__ == "__main__":
    main()
