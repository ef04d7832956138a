"""S3Object beside bare boto3, on a server of this machine: time to write and read, and memory for a large value.

    python benchmarks/s3.py [--server rclone] [--rounds 15] [--gigabytes 1] [--out FILE.json]

Contestants take turns, round by round, through one client; a ratio is the median over rounds of the ratio to bare boto3 in
the same round. Memory is the growth of a process's peak while a value is written, and read, in pieces of 64 KB. It
needs an S3 server: pip install ".[s3,s3test]". A server on loopback has no latency, so it shows the library at its worst.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import botocore

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import s3_servers

import atomic_store
from atomic_store import AtomicStore, S3Object

if TYPE_CHECKING:
    from collections.abc import Callable

SIZES = {"1 KB": 1 << 10, "100 MB": 100 << 20}

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


def contestants(server: s3_servers.Server, size: int) -> dict[str, tuple[str, Callable[[], object]]]:
    """What is measured: a name, what it is a ratio to, and one round of it."""
    client, bucket = server.client, server.bucket
    content = os.urandom(size)
    bare, ours = server.new_key(), server.new_key()
    store = AtomicStore[Any](S3Object(bucket, ours, client), content, format=(bytes, bytes))
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


def measure(server: s3_servers.Server, size: int, rounds: int) -> dict[str, dict[str, float]]:
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


def memory(server: s3_servers.Server, size: int) -> dict[str, float]:
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


def main() -> None:
    """Measure, print, and keep the figures if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", choices=["ministack", "moto", "rclone"], default="rclone")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--gigabytes", type=float, default=1)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home, getattr(s3_servers, options.server)(Path(home)) as server:
        result: dict[str, Any] = {
            "what": "S3Object beside bare boto3",
            "server": options.server,
            "rounds": options.rounds,
            "machine": f"{os.cpu_count()} processors, {platform.system()}, Python {platform.python_version()}",
            "versions": {
                "atomic_store": atomic_store.__version__,
                "boto3": boto3.__version__,
                "botocore": botocore.__version__,
            },
            "times": {},
        }
        for name, size in SIZES.items():
            rounds = options.rounds * (20 if size < 1 << 20 else 1)
            result["times"][name] = measure(server, size, rounds)
            for contestant, figures in result["times"][name].items():
                ratio = f"{figures['ratio']:6.2f}" if "ratio" in figures else " " * 6
                print(f"{name:>7} {contestant:<28} {figures['seconds'] * 1000:9.2f} ms {ratio}")
        if options.gigabytes:
            size = int(options.gigabytes * (1 << 30)) >> 16 << 16
            result["memory MB"] = {"for bytes": size, **memory(server, size)}
            print(f"memory for {options.gigabytes:g} GB: {result['memory MB']}")
    if options.out:
        options.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
