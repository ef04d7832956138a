"""Other programs that use the same file: started together, talked to by lines, ended for certain."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

HANGS_AFTER = 120  # seconds; whoever waits for a program that long fails instead of hanging; a busy machine is no failure

# What each program begins with. Its first argument is the path; `value` is a counter of always the same size, for a
# change of size would be seen too easily.
PRELUDE = """
import os, signal, sys, threading, time
sys.path.insert(0, {tests!r})
import atomic_store
import crowd
from atomic_store import ConflictError, LockError, LockTimeout
path, arguments = sys.argv[1], sys.argv[2:]
def say(*words): print(*words, flush=True)
def hear(): return sys.stdin.readline().strip()
"""

DIGITS = (lambda value: b"%08d" % value, int)
"""A format whose values all have one size."""

# Once told to go, adds 1 again and again until it hears a line, and notes in a file of its own what it has committed. The
# value is larger than a page and than the writer's buffer, so that a torn one would show. The last two ways are controls.
WRITE = """
import json
way, notes = arguments
options = {"lock": {"lock": True}, "raise": {"on_conflict": "raise"}}.get(way, {})
store = atomic_store.open(path, {"n": 0}, **options)
notes = os.open(notes, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
def add(value):
    return crowd.padded(value["n"] + 1)
def step():
    if way == "lock":
        with store:
            store.value = add(store.value)
    elif way == "update":
        store.update(add)
    elif way == "raise":
        while True:
            store.value = add(store.value)
            try:
                return store.commit()
            except ConflictError:
                store.reload()
    elif way == "without a remedy":
        store.reload()
        store.value = add(store.value)
        store.commit()
    elif way == "in place":
        store.value = add(store.value)
        with open(path, "w") as file:
            json.dump(store.value, file)
    else:
        raise ValueError(way)
say("ready")
hear()
while not crowd.said(sys.stdin):
    step()
    os.write(notes, b"%d\\n" % store.value["n"])
say("done")
"""

# Once told to go, reads again and again until it hears a line, and says how often, or what was wrong.
READ = """
store = atomic_store.open(path, {"n": 0})
last = reads = 0
wrong = ""
say("ready")
hear()
while not wrong and (not reads or not crowd.said(sys.stdin)):
    try:
        value = store.reload()
    except atomic_store.LoadError:
        value = {"n": -1}
    if value["n"] and value != crowd.padded(value["n"]):
        wrong = "torn"
    elif value["n"] < last:
        wrong = f"back from {last} to {value['n']}"
    last = value["n"]
    reads += 1
if wrong:
    hear()
say(wrong or reads)
"""


class Program:
    """A Python program in a process of its own; leaving the block ends it, whatever it is doing."""

    def __init__(self, source: str, path: Path | str, *arguments: object) -> None:
        whole = PRELUDE.format(tests=os.path.dirname(__file__)) + source
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", whole, str(path), *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
        )
        self._heard = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end_all()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()

    def say(self, word: str = "go") -> None:
        """Give the program its next line."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{word}\n".encode())

    def hear(self) -> str:
        """Give the next line that the program says."""
        assert self.process.stdout is not None
        while b"\n" not in self._heard:
            ready, _, _ = select.select([self.process.stdout], [], [], HANGS_AFTER)
            assert ready, f"the program has said nothing for {HANGS_AFTER} seconds"
            piece = os.read(self.process.stdout.fileno(), 1 << 16)
            assert piece, f"the program has ended, exit code {self.process.wait(HANGS_AFTER)}, and said {self._heard!r}"
            self._heard += piece
        line, _, self._heard = self._heard.partition(b"\n")
        return line.decode()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def kill(self) -> None:
        """Kill it with -9 and wait until it is dead."""
        self.process.kill()
        self.process.wait(HANGS_AFTER)

    def finish(self) -> None:
        """Wait for its end, which has to be a good one."""
        assert self.process.wait(HANGS_AFTER * 2) == 0

    def end_all(self) -> None:
        """Kill it with all that it has started."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait(HANGS_AFTER)


def together(source: str, path: Path | str, arguments: Sequence[Sequence[Any]]) -> None:
    """Run one program for each list of arguments; they say they are ready, hear "go" together, and all end well."""
    programs = [Program(source, path, *words) for words in arguments]
    try:
        for program in programs:
            assert program.hear() == "ready"
        for program in programs:
            program.say("go")
        for program in programs:
            program.finish()
    finally:
        for program in programs:
            program.__exit__()


class Dull:
    """The module os on a file system whose times are coarse and which gives each new file the inode of the last one."""

    def __init__(self, tick: int) -> None:
        self._tick = tick

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def fstat(self, descriptor: int) -> os.stat_result:
        return self._blur(os.fstat(descriptor))

    def stat(self, path: Any, **options: Any) -> os.stat_result:
        return self._blur(os.stat(path, **options))

    def lstat(self, path: Any) -> os.stat_result:
        return self._blur(os.lstat(path))

    def _blur(self, status: os.stat_result) -> os.stat_result:
        times = {f"st_{kind}time_ns": getattr(status, f"st_{kind}time_ns") // self._tick * self._tick for kind in "amc"}
        seconds = [times[f"st_{kind}time_ns"] // 10**9 for kind in "amc"]
        return os.stat_result((status.st_mode, 1, *status[2:7], *seconds), times)


def dull_clocks(tick: int) -> None:
    """Let this program's stores see files as on such a file system, times counted in ticks of so many ns."""
    import pytest
    import seams

    seams.system(pytest.MonkeyPatch(), Dull(tick))


def trust_equal_times() -> None:
    """Break the version rule, as a control: an equal device, inode, size and time is taken for the same bytes."""
    from atomic_store.locations.local import Version

    always = property(lambda self: self.signature, lambda self, value: None)
    Version.proof = always  # type: ignore[assignment]


def padded(number: int) -> dict[str, Any]:
    """Give the one value with this number that is whole: of some size, and different at each place."""
    return {"n": number, "padding": [number * index for index in range(20_000)], "end": number}


def said(stream: Any) -> bool:
    """Say whether a line is waiting, without waiting for one."""
    return bool(select.select([stream], [], [], 0)[0])
