"""S3Object beside bare boto3, on a server of this machine: time to write and read, and memory for a large value.

Contestants take turns, round by round, through one client. Memory is the growth of a process's peak while a value is
written, and read, in pieces of 64 KB. A server on loopback has no latency, so it shows the library at its worst.
"""

from __future__ import annotations

import io
import os
import statistics
import subprocess
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..environments import ROOT
from ..tables import Table, failed_rows, figure

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..bench import Bench

SERVER = "rclone"
MEMORY = """
import sys
import boto3, concurrent.futures
from atomic_store import S3Object
bucket, key, size = sys.argv[1], sys.argv[2], int(sys.argv[3])
place = S3Object(bucket, key)
def peak(): return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
def forget(): open("/proc/self/clear_refs", "w").write("5")
with place.replace() as file: file.write(b"warm")
forget(); before = peak()
with place.replace() as file:
    for _ in range(size >> 16): file.write(bytes(1 << 16))
print(peak() - before)
forget(); before = peak()
with place.read() as file:
    count = 0
    while data := file.read(1 << 16): count += len(data)
print(peak() - before)
assert count == size
"""


def contestants(server: Any, size: int) -> dict[str, tuple[str, Callable[[], object]]]:
    """What is measured: a name, what it is a ratio to, and one round of it."""
    client, bucket = server.client, server.bucket
    content = os.urandom(size)
    bare, ours = server.new_key(), server.new_key()
    atomic_store = import_module("atomic_store")
    store = atomic_store.open(atomic_store.S3Object(bucket, ours, client), content, format=(bytes, bytes))
    store.commit()
    client.put_object(Bucket=bucket, Key=bare, Body=content)
    found: dict[str, tuple[str, Callable[[], object]]] = {
        "put_object": ("", lambda: client.put_object(Bucket=bucket, Key=bare, Body=content)),
        "commit()": ("put_object", store.commit),
        "get_object": ("", lambda: client.get_object(Bucket=bucket, Key=bare)["Body"].read()),
        "reload()": ("get_object", store.reload),
    }
    if size > 8 << 20:
        found["upload_fileobj"] = ("", lambda: client.upload_fileobj(io.BytesIO(content), bucket, bare))
        found["commit(), to upload_fileobj"] = ("upload_fileobj", store.commit)
    return found


def measure(server: Any, size: int, rounds: int) -> dict[str, dict[str, float]]:
    """Seconds (median) and ratio (median over rounds) of each contestant."""
    found = contestants(server, size)
    times: dict[str, list[float]] = {name: [] for name in found}
    for number in range(rounds + 1):
        for name, (_, act) in found.items():
            begin = time.perf_counter()
            act()
            if number:  # the first round warms up
                times[name].append(time.perf_counter() - begin)
    result: dict[str, dict[str, float]] = {}
    for name, (base, _) in found.items():
        result[name] = {"seconds": statistics.median(times[name])}
        if base:
            ratios = [mine / its for mine, its in zip(times[name], times[base], strict=True)]
            result[name]["ratio"] = statistics.median(ratios)
    return result


def memory(server: Any, size: int) -> dict[str, float]:
    """MB by which the peak of a process grows while it writes, and reads, so many bytes."""
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, server.bucket, server.new_key(), str(size)],
        env={**os.environ, **server.environment},
        check=True,
        capture_output=True,
        text=True,
    )
    up, down = (int(line) / 1024 for line in done.stdout.split())
    return {"up": up, "down": down}


def compare(sizes: dict[str, int], rounds: int, large: int) -> dict[str, Any]:
    """Start a server, and measure everything on it, in a worker.

    Args:
        sizes: of the values, by what they are called.
        rounds: turns of each contestant; twenty times as many for small values.
        large: bytes that are written and read for the memory.
    """
    sys.path.append(str(ROOT / "tests" / "support"))  # where the servers are started that the tests use too
    start: Any = getattr(import_module("s3_servers"), SERVER)
    with tempfile.TemporaryDirectory() as home, start(Path(home)) as server:
        times = {label: measure(server, size, rounds * (20 if size < 1 << 20 else 1)) for label, size in sizes.items()}
        return {"times": times, "memory": {"bytes": large, **memory(server, large >> 16 << 16)}}


def run(bench: Bench) -> dict[str, Any]:
    """Compare, in one worker."""
    failed: dict[str, str] = {}
    sizes = bench.pick({"1 KB": 1 << 10, "100 MB": 100 << 20}, {"1 KB": 1 << 10, "9 MB": 9 << 20})

    def turn() -> Any:
        with bench.worker("peers") as worker:
            return worker.call(
                "sections.s3.compare", sizes=sizes, rounds=bench.rounds(15), large=bench.pick(1 << 30, 20 << 20)
            )

    return {"server": SERVER, "found": bench.attempt(failed, "S3", turn), "failed": failed}


def tables(data: dict[str, Any]) -> list[Table]:
    """Show the times, then the memory."""
    head = ["size", "call", "ms", "x", "remarks"]
    found = data["found"]
    if not found:
        return [Table("s3", head, failed_rows(head, data["failed"]))]
    rows = [
        [size, name, figure(1000 * figures["seconds"]), figure(figures.get("ratio")), ""]
        for size, contestants in found["times"].items()
        for name, figures in contestants.items()
    ]
    memory = found["memory"]
    return [
        Table(
            "s3",
            head,
            rows,
            f"On {data['server']}, on this machine; x: to put_object, get_object or upload_fileobj of boto3 through "
            f"the same client, in the same round. {memory['bytes'] / (1 << 30):.2g} GiB in pieces grew the process by "
            f"{memory['up']:.0f} MiB at most, and read by {memory['down']:.0f} MiB.",
        )
    ]
