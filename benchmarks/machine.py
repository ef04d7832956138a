"""What the figures were taken on."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .environments import ROOT

if TYPE_CHECKING:
    from .bench import Bench


def describe(bench: Bench) -> dict[str, Any]:
    """Describe the machine, the places and the versions; nothing in it names the machine or its paths."""
    cpu = _fields(Path("/proc/cpuinfo"))
    memory = int(_fields(Path("/proc/meminfo")).get("MemTotal", "0 kB").split()[0])
    return {
        "started": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": _commit(),
        "quick": bench.quick,
        "processor": cpu.get("model name", platform.machine()),
        "virtual": "hypervisor" in cpu.get("flags", "").split(),
        "cores": os.cpu_count(),
        "memory_gib": round(memory / (1 << 20)),
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "places": {name: file_system(path) for name, path in bench.places.items()},
        "fsync_ms": {name: fsync_ms(path) for name, path in bench.places.items()},
        "load": os.getloadavg()[0],
        "versions": {name: environment.versions for name, environment in bench.environments.items()},
        "missing": {
            package: why for environment in bench.environments.values() for package, why in environment.missing.items()
        },
    }


def _fields(path: Path) -> dict[str, str]:
    """Read the first of each "name: value" of a file of /proc."""
    found: dict[str, str] = {}
    if path.exists():
        for line in path.read_text().splitlines():
            name, _, value = line.partition(":")
            found.setdefault(name.strip(), value.strip())
    return found


def _commit() -> str:
    """Give the commit of this tree, and say if what is measured has changes since."""
    commit = _git("rev-parse", "--short", "HEAD")
    return f"{commit}, changed" if _git("status", "--porcelain", "--", "atomic_store") else commit


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else "unknown"


def file_system(path: Path) -> str:
    """Give the type of the file system that a directory is on, from /proc/self/mounts."""
    best = ("", "unknown")
    real = f"{path.resolve()}/"
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, point, kind, *_ = line.split()
        if real.startswith(point.rstrip("/") + "/") and len(point) >= len(best[0]):
            best = (point, kind)
    return best[1]


def fsync_ms(path: Path) -> float:
    """Measure what one fsync of 4 KB takes: the median of fifty."""
    times = []
    with tempfile.TemporaryFile(dir=path) as file:
        for _ in range(50):
            file.write(bytes(4096))
            file.flush()
            begin = time.perf_counter()
            os.fsync(file.fileno())
            times.append(time.perf_counter() - begin)
    return 1000 * statistics.median(times)


def sentence(about: dict[str, Any]) -> str:
    """Say it for a reader."""
    versions = about["versions"]
    pythons = sorted({found["Python"] for found in versions.values()})
    packages = {name: version for found in versions.values() for name, version in found.items() if name != "Python"}
    listed = ", ".join(f"{name} {version}" for name, version in sorted(packages.items(), key=lambda item: item[0].lower()))
    places = " and ".join(
        f"{kind} ({name}; one fsync of 4 KB: {about['fsync_ms'][name]:.2g} ms)" for name, kind in about["places"].items()
    )
    return (
        f"{'A virtual machine' if about['virtual'] else 'A machine'} with {about['cores']} cores ({about['processor']}) and "
        f"{about['memory_gib']} GiB of memory, {about['system']}, {places}; Python {' and '.join(pythons)}; begun at "
        f"{about['started']}, at a load of {about['load']:.1f}, with the tree at {about['commit']}. Beside it: {listed}."
    )
