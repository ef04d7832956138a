"""Watching and hitting a worker of the victim's by strace: its system calls in order, and what was injected into them.

strace's --seccomp-bpf is not used, for with it no injected signal arrives.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from faults import Kind
from support import require
from victim import BEGIN, END, PATIENCE, Victim

# What the kernel calls them, and what os does; old C libraries have other names for some than new ones.
IN_PYTHON = {
    "fgetxattr": "getxattr",
    "flistxattr": "listxattr",
    "fremovexattr": "removexattr",
    "fsetxattr": "setxattr",
    "fstat": "stat",
    "lgetxattr": "getxattr",
    "llistxattr": "listxattr",
    "lstat": "stat",
    "newfstatat": "stat",
    "openat": "open",
    "pread64": "pread",
    "linkat": "link",
    "rename": "replace",
    "renameat": "replace",
    "renameat2": "replace",
    "unlinkat": "unlink",
}
# They touch memory, clock and signals of the process only: stopping there is stopping at the next call.
PRIVATE = (
    "brk",
    "clock_gettime",
    "futex",
    "getrandom",
    "madvise",
    "mmap",
    "mremap",
    "munmap",
    "rt_sigaction",
    "rt_sigprocmask",
)


class Trace(NamedTuple):
    """What strace has seen of one worker.

    Attributes:
        before: the system calls before the act.
        act: those of the act, up to its end or the first signal.
        signal: the signal that came then, "" for none.
        lines: what strace says of each call of the act.
    """

    before: list[str]
    act: list[str]
    signal: str
    lines: list[str]

    @property
    def injected(self) -> list[int]:
        """Which calls of the act strace says to have answered in the kernel's stead, counted from 0."""
        return [index for index, line in enumerate(self.lines) if line.endswith("(INJECTED)")]


@contextmanager
def traced(process: int, log: Path, *options: str) -> Iterator[None]:
    """Trace a running process until it ends."""
    command = ["strace", "-f", "-o", str(log), "-p", str(process), *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as strace:
        assert strace.stderr is not None
        said = strace.stderr.readline()
        yield
        strace.wait(PATIENCE)
    require("attached" in said, f"needs the permission to trace: {said}")


def read_trace(text: str) -> Trace:
    """Take a trace apart."""
    before, _, act = text.partition(BEGIN)
    act, mark, _ = act.partition("\n")[2].partition(END)
    # No \w: the calls at the marks are not part of the act.
    shot = re.search(r"^\d+ +(?:--- |\+\+\+ killed by )(SIG[A-Z]+)", act, re.MULTILINE)
    calls = list(re.finditer(r"^\d+ +(\w+)\(.*$", act[: shot.start()] if shot else act, re.MULTILINE))
    if mark and not shot:
        calls.pop()  # the call that marks the end
    names, lines = [call[1] for call in calls], [call[0] for call in calls]
    return Trace(re.findall(r"^\d+ +(\w+)\(", before, re.MULTILINE), names, shot[1] if shot else "", lines)


def shoot(
    victim: Victim, kind: Kind, directory: Path, *options: str, how: str = "once"
) -> tuple[int, dict[str, Any], Trace]:
    """Let a worker act under strace; give its wait status, its report and the trace."""
    kind.make(directory)
    log = directory.with_name("trace")
    worker = victim.start(kind, directory, how)
    with traced(worker, log, *options):
        victim.go()
        status, report = victim.finish()
    return status, report, read_trace(log.read_text(encoding="utf-8", errors="replace"))
