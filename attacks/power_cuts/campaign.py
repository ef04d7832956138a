"""What is run, in which order, by how many processes; and the results, which are saved after each piece of work."""

from __future__ import annotations

import multiprocessing
import os
import platform
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import atomic_store

from . import block_errors, rounds
from .file_systems import FILE_SYSTEMS
from .kernel import enter_private_namespace
from .states import Plan
from .stores import PERSISTENT, PLAIN
from .tally import Tally
from .writers import InPlace, Library, NoDirectoryFsync, NoFsync, RetriedFsync, Sqlite, SqliteExtra

POWER_CUTS = "power cuts"
BLOCK_ERRORS = "block errors"
LYING = "a disk that lies about its last flush"
# A mistake that a file system makes good is no proof that the harness finds it, and its absence none that it does not.
HARMLESS = {
    # Until they are proved harmful, see MUST_FAIL: none.
}

FULL = Plan(1.0, subsets=100, torn=100)
SAMPLE = Plan(0.15, subsets=30, torn=30)


class Task(NamedTuple):
    """One piece of work, and under which name its tally is added up."""

    file_system: str
    title: str
    run: Callable[[Any], Tally]
    work: Any
