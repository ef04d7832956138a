"""A program that was started with some of the descriptors 0 to 2 closed: none of the library's files gets such a number.

What a C library writes on stderr would land in the value, and a commit would return as if all were well.
"""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import chain, combinations
from pathlib import Path

import pytest

PROGRAM = """
import os, sys
import atomic_store
path, closed = sys.argv[1], [int(each) for each in sys.argv[2]]
kept = [number for number in (0, 1, 2) if number not in closed]
told = []

class Value:
    pass

def encode(value):
    # What a library written in C does while the value is dumped: it reads from 0, and writes on 1 and 2.
    for number in (1, 2):
        try:
            os.write(number, b"libfoo: deprecated call")
        except OSError:
            pass
    low = [os.readlink(f"/proc/self/fd/{number}") for number in closed if os.path.lexists(f"/proc/self/fd/{number}")]
    told.extend(low)
    return 5

for options in ({}, {"lock": True}, {"on_conflict": "raise"}, {"on_corrupt": "quarantine"}):
    store = atomic_store.open(path, default={}, dump_kwargs={"default": encode}, **options)
    with store:
        store.value = {"a": Value()}
    store.update(lambda value: {"a": Value()})
    assert store.reload() == {"a": 5}
    store.delete()
    store.value = {"a": Value()}
    store.commit()
with atomic_store.atomic_write(path + ".txt", "w") as file:
    encode(None)
    file.write("text")
with open(path + ".report", "w") as report:
    report.write(repr(told))
"""

SUBSETS = list(chain.from_iterable(combinations((0, 1, 2), size) for size in range(4)))


@pytest.mark.parametrize("closed", SUBSETS, ids=str)
def test_no_file_of_ours_gets_a_standard_descriptor(closed: tuple[int, ...], tmp_path: Path) -> None:
    """With any of stdin, stdout and stderr closed at start, what is written there reaches no temp, sidecar or directory."""
    path = tmp_path / "state.json"
    redirections = " ".join(f"{number}{'<' if number == 0 else '>'}&-" for number in closed)
    command = f'exec "$0" -c "$1" "$2" "$3" {redirections}'
    shell = ["sh", "-c", command, sys.executable, PROGRAM, str(path), "".join(map(str, closed))]
    done = subprocess.run(shell, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert json.loads(path.read_bytes()) == {"a": 5}
    assert (tmp_path / "state.json.txt").read_text() == "text"
    assert (tmp_path / "state.json.report").read_text() == "[]"


# A format that lets its own descriptor number be written to: the size on disk is another one than was written.
SNEAKING = """
import os, sys
import atomic_store

class Sneaky:
    is_binary = True

    @staticmethod
    def dump(value, file):
        file.write(b"value")
        file.flush()
        (number,) = [each for each in os.listdir("/proc/self/fd") if os.readlink("/proc/self/fd/" + each).endswith(".tmp")
                     ] if how == "behind" else [str(file.fileno())]
        os.write(int(number), b" and more")

    @staticmethod
    def load(file):
        return file.read()

how = sys.argv[2]
os.readlink = lambda path, readlink=os.readlink: readlink(path) if os.path.lexists(path) else ""
store = atomic_store.open(sys.argv[1], default=b"", format=Sneaky)
try:
    store.commit()
except OSError as error:
    print(error)
else:
    print("committed")
"""


@pytest.mark.parametrize(("how", "committed"), [("behind", False), ("lent", True)])
def test_size_on_disk_is_what_was_written(how: str, committed: bool, tmp_path: Path) -> None:
    """Bytes that come into the temp behind its back are an error, and the old file stays; through fileno() they are fine."""
    path = tmp_path / "state"
    path.write_bytes(b"old")
    command = [sys.executable, "-c", SNEAKING, str(path), how]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert (done.stdout == "committed\n") is committed, done.stdout
    assert path.read_bytes() == (b"value and more" if committed else b"old")
    assert [each.name for each in tmp_path.iterdir()] == ["state"]
