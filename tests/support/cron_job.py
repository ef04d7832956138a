"""A job that cron starts: it adds 1 to a counter again and again, in step with another job that does the same.

Arguments: the store's path, `locked` or `plain`, the name of this job, that of the other one, the rounds. Prints what it has
seen as one line of JSON.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import atomic_store

MEETS_WITHIN = 60  # seconds; a job whose other half has not come by then fails


def meet(me: str, other: str, turn: int) -> None:
    """Wait until the other job has come as far as this one: from here on both are about to open the store."""
    Path(f"{me}.{turn}").touch()
    until = time.monotonic() + MEETS_WITHIN
    while not os.path.exists(f"{other}.{turn}"):
        if time.monotonic() > until:
            raise TimeoutError(f"{other} has not come to round {turn}")
        time.sleep(0.0005)


def ancestors() -> list[str]:
    """The programs of this process's parent, its parent's parent, and so on."""
    found: list[str] = []
    process = os.getppid()
    while process:
        found.append(os.readlink(f"/proc/{process}/exe"))
        after_name = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2]
        process = int(after_name.split()[1])
    return found


def main(path: str, lock: str, me: str, other: str, rounds: str) -> None:
    """Count."""
    meet(me, other, 0)
    begin = time.monotonic()
    for turn in range(1, int(rounds) + 1):
        meet(me, other, turn)
        with atomic_store.open(path, default=0, lock=lock == "locked") as store:
            store.value += 1
    end = time.monotonic()
    print(json.dumps({"begin": begin, "end": end, "by": ancestors(), "environment": dict(os.environ)}), flush=True)


main(*sys.argv[1:])
