"""The other program on the file system, which syncs files of its own all the time: `... .neighbour PLACE SEED`.

Without it, hardly anything would reach the disk between two steps of a commit, and mistakes would be found by luck only.
It ends when its standard input does.
"""

from __future__ import annotations

import os
import random
import select
import subprocess
import sys
from pathlib import Path
from typing import Self

from .kernel import sync_file_system

LONGEST = 0.005  # seconds from one sync to the next


class Neighbour:
    """The program, running; a context."""

    def __init__(self, place: Path, seed: str) -> None:
        self._command = [sys.executable, "-m", "attacks.power_cuts.neighbour", str(place), seed]

    def __enter__(self) -> Self:
        """Start it, and wait until it has synced once."""
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
        )
        assert self._process.stdout is not None
        self._process.stdout.readline()
        return self

    def __exit__(self, *_: object) -> None:
        """End it; that it failed is an error."""
        self._process.communicate()
        if self._process.returncode != 0:
            raise RuntimeError("the neighbour should sync until it is stopped, and has failed")


def sync_for_ever(place: Path, rng: random.Random) -> None:
    """Write, sync, rename and delete files of ours until the standard input ends."""
    place.mkdir(exist_ok=True)
    turn = 0
    while not select.select([sys.stdin], [], [], rng.uniform(0, LONGEST))[0]:
        path = place / f"file-{turn % 5}"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.pwrite(descriptor, rng.randbytes(rng.choice((10, 5_000))), 0)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if turn % 7 == 6:
            path.rename(place / "renamed")
        if turn % 3 == 2:
            # A whole commit of the file system; btrfs, for one, logs nothing else of a file that is only renamed.
            sync_file_system(str(place))
        if turn == 0:
            print("running", flush=True)
        turn += 1


if __name__ == "__main__":
    sync_for_ever(Path(sys.argv[1]), random.Random(sys.argv[2]))
