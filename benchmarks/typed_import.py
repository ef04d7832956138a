"""What type= costs a program at its start: wall time of whole processes, and the modules' own times by -X importtime.

    python benchmarks/typed_import.py [--rounds 15] [--out FILE.json]

Programs take turns, round by round; each figure is a median over the rounds, in ms.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

BEGIN = "import atomic_store; place = 'no such file';"
CLASS = "import dataclasses; State = dataclasses.make_dataclass('State', [('n', int, 0)]);"
MODEL = "import pydantic; Model = pydantic.create_model('Model', n=(int, 0));"
PROGRAMS = {
    "open": BEGIN + "atomic_store.open(place, {})",
    "a dataclass, not used": BEGIN + CLASS + "atomic_store.open(place, {})",
    "type= of a dataclass": BEGIN + CLASS + "atomic_store.open(place, State(), type=State)",
    "a pydantic model, not used": BEGIN + MODEL + "atomic_store.open(place, {})",
    "type= of a pydantic model": BEGIN + MODEL + "atomic_store.open(place, Model(), type=Model)",
}


def wall(program: str) -> float:
    """Run the program; give the ms it took."""
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-c", program], check=True)
    return (time.perf_counter() - begin) * 1000


def imports(program: str) -> float:
    """Run the program; give the ms of all its imports together."""
    command = [sys.executable, "-X", "importtime", "-c", program]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stderr.splitlines()
    own = (line.partition(":")[2].split("|")[0].strip() for line in lines if line.startswith("import time:"))
    return sum(int(time) for time in own if time.isdigit()) / 1000


def main() -> None:
    """Measure, and print one line for each program."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in PROGRAMS}
    for _ in range(options.rounds):
        for name, program in PROGRAMS.items():
            times[name].append((wall(program), imports(program)))
    results: dict[str, dict[str, float]] = {}
    for name, pairs in times.items():
        walls, imported = zip(*pairs, strict=True)
        results[name] = {"wall": round(statistics.median(walls), 1), "imports": round(statistics.median(imported), 1)}
        print(f"{name:28} {results[name]['wall']:8.1f} ms wall {results[name]['imports']:8.1f} ms of imports")
    if options.out:
        about = {"python": platform.python_version(), "system": platform.platform(), "rounds": options.rounds}
        options.out.write_text(json.dumps({**about, "median ms": results}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
