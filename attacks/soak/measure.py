"""What a process can lose, counted over time: descriptors, threads, children, memory, files, objects and uploads on S3."""

from __future__ import annotations

import ctypes
import gc
import mmap
import os
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

KB = 1024


class Sample(NamedTuple):
    """What there was after so many turns, garbage collected.

    Attributes:
        turn: how many turns had been made.
        seconds: since the beginning.
        descriptors, threads, children: of this process.
        heap: bytes that are in use.
        resident: bytes of memory that the kernel counts, free parts given back.
        files: that no commit leaves behind.
        uploads: unfinished ones, and objects that are none of the stores'.
    """

    turn: int
    seconds: float
    descriptors: int
    threads: int
    children: int
    heap: int
    resident: int
    files: int
    uploads: int


GROWTH = {
    "descriptors": 1,
    "threads": 1,
    "children": 1,
    "heap": 512 * KB,
    "resident": 4096 * KB,
    "files": 1,
    "uploads": 1,
}
"""By how much each may have grown at the end of a run, however long it was."""
LEAKS = {"descriptors": 1, "threads": 1, "children": 1, "heap": 1 * KB, "files": 1, "uploads": 1}
"""What must be seen however short a run is, if it is lost in each turn."""
WARM_UP = 0.3
"""The part of a run in which caches fill; what comes after it is judged."""


COUNTS = ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")


class _Malloc(ctypes.Structure):
    """struct mallinfo2 of mallinfo(3)."""

    _fields_ = tuple((name, ctypes.c_size_t) for name in COUNTS)


EXACT = {"PYTHONMALLOC": "malloc", "MALLOC_ARENA_MAX": "1"}
"""The environment in which every allocation is malloc's, from its one arena: then mallinfo(3) knows all of them."""


class Meter:
    """Takes samples.

    Args:
        strangers: gives the files that no commit leaves behind.
        unfinished: gives how many uploads and unknown objects there are on S3.
    """

    def __init__(self, strangers: Callable[[], Sequence[str]], unfinished: Callable[[], int]) -> None:
        self._strangers = strangers
        self._unfinished = unfinished
        self._libc = ctypes.CDLL(None)
        self._libc.mallinfo2.restype = _Malloc

    def sample(self, turn: int, seconds: float) -> Sample:
        """Count now."""
        files, uploads = len(self._strangers()), self._unfinished()
        gc.collect()
        self._libc.malloc_trim(0)
        malloc = self._libc.mallinfo2()
        statm = Path("/proc/self/statm").read_text().split()
        tasks = os.listdir("/proc/self/task")
        children = "".join(Path(f"/proc/self/task/{task}/children").read_text() for task in tasks)
        return Sample(
            turn,
            round(seconds, 1),
            len(os.listdir("/proc/self/fd")) - 1,
            len(tasks),
            len(children.split()),
            malloc.uordblks + malloc.hblkhd,
            int(statm[1]) * mmap.PAGESIZE,
            files,
            uploads,
        )


class Trend(NamedTuple):
    """How one count has developed after the warm-up.

    Attributes:
        first, last: the medians of the first and of the last quarter of the samples.
        slope: what a turn adds: the median of the slopes between all pairs of samples (Theil and Sen).
        growth: what that makes of all the turns.
        grows: whether that is more than GROWTH allows, or half of what LEAKS says.
    """

    first: float
    last: float
    slope: float
    growth: float
    grows: bool


def trends(samples: Sequence[Sample]) -> dict[str, Trend]:
    """Give the trend of each count."""
    begin = samples[0].turn + WARM_UP * (samples[-1].turn - samples[0].turn)
    steady = [sample for sample in samples if sample.turn >= begin]
    if len(steady) < 8:
        raise ValueError(f"{len(steady)} samples after the warm-up are too few to tell")
    thinned = steady[:: len(steady) // 300 + 1]
    quarter = len(thinned) // 4
    found = {}
    for name, most in GROWTH.items():
        counts = [(sample.turn, getattr(sample, name)) for sample in thinned]
        slope = statistics.median(
            (later - earlier) / (after - before)
            for n, (before, earlier) in enumerate(counts)
            for after, later in counts[n + 1 :]
            if after > before
        )
        first, last = (statistics.median(count for _, count in part) for part in (counts[:quarter], counts[-quarter:]))
        turns = counts[-1][0] - counts[0][0]
        growth = slope * turns
        allowed = min(most, turns * LEAKS.get(name, most) / 2)
        found[name] = Trend(first, last, slope, growth, max(growth, last - first) > allowed)
    return found
