"""One system call that fails: how strace is told, whether it hit, and what must hold afterwards."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from faults import KINDS, Attack, Call, Kind, Scene, Witness
from tracing import IN_PYTHON, PRIVATE, Trace
from victim import from_text

# brk(2) is not among them: it tells a failure by the old end of the data, and never as an error.
MEMORY = ("mmap", "mremap")
# The short run fails every call with EIO, and with one of the others in turn; the long run with all of them.
ERRORS = ("EIO", "ENOSPC", "EDQUOT", "EINTR", "EMFILE", "EROFS", "EACCES", "ESTALE", "EPERM")
# Calls that cannot fail.
SAFE = ("geteuid", "getpid", "gettid")


@dataclass
class Reported(Scene):
    """A scene as the worker has found it right after the fault, before it tried again."""

    stored: bytes | None = None
    left: list[str] = field(default_factory=list)

    def visible(self) -> bytes | None:
        """The bytes that were stored then."""
        return self.stored

    def strangers(self) -> list[str]:
        """The names that were there then and that no commit leaves."""
        return self.left


@dataclass
class Shot:
    """One system call that fails.

    Attributes:
        kind: what the worker was about to do.
        plan: its system calls without a fault.
        index: which one of them fails.
        error: with what, by the name of its errno.
    """

    kind: Kind
    plan: Trace
    index: int
    error: str

    @property
    def name(self) -> str:
        """The system call."""
        return self.plan.act[self.index]

    @property
    def option(self) -> str:
        """What strace must be told: the call by its name, and by how many of that name there were since it was attached."""
        turn = (self.plan.before + self.plan.act[: self.index + 1]).count(self.name)
        return f"inject={self.name}:error={self.error}:when={turn}"

    def not_delivered(self, trace: Trace) -> str | None:
        """Say how the shot has missed, None: the kernel's answer to this very call was the error."""
        line = trace.lines[self.index] if len(trace.lines) > self.index else ""
        hit = re.search(rf"= -1 {self.error} .*\(INJECTED\)$", line)
        if trace.injected == [self.index] and trace.act[: self.index + 1] == self.plan.act[: self.index + 1] and hit:
            return None
        return f"the shot has missed: {trace.injected}, {line!r}"


def shots(kind: Kind, plan: Trace, long: bool) -> Iterator[Shot]:
    """All shots at one kind; what all writers have to bear, the controls as well, is EIO."""
    others = ERRORS[1:]
    for index, name in enumerate(plan.act):
        if name in MEMORY:
            errors: tuple[str, ...] = ("ENOMEM",)
        elif name in PRIVATE or name in SAFE:
            continue
        elif kind not in KINDS:
            errors = ERRORS[:1]
        else:
            errors = ERRORS if long else ("EIO", others[index % len(others)])
        for error in errors:
            yield Shot(kind, plan, index, error)


def seen(trace: Trace) -> list[Call]:
    """The calls of the act as the fault sweep knows them: named as in Python, the file of a descriptor by a number."""
    files: list[str] = []
    calls: list[Call] = []
    for name, line in zip(trace.act, trace.lines, strict=True):
        found = re.search(r"\(\d+<(.*?)>[,)]", line)
        inode = None
        if found is not None:
            if found[1] not in files:
                files.append(found[1])
            inode = 0, files.index(found[1])
        calls.append(Call(IN_PYTHON.get(name, name), inode))
    return calls


def flaws(shot: Shot, old: bytes | None, new: bytes | None, place: Path, report: dict[str, Any], trace: Trace) -> list[str]:
    """All that a shot that has hit has broken."""
    attack = Attack(shot.index + 1, getattr(errno, shot.error))
    attack.seen = seen(trace)
    attack.hit = attack.seen[shot.index]
    error = from_text(report["errors"][0]) if report["errors"] else None
    scene = shot.kind.enter(place)
    then = Reported(scene.directory, scene.path, scene.file, scene.act, from_text(report["stored"]), report["strangers"])
    witness = Witness(then, old, new)
    found = [*witness.wrong_bytes(attack, error), *witness.leftovers(attack)]
    # A call that strace answers is not made: a descriptor whose close() fails stays open, as it never does on Linux.
    if len(report["descriptors"]) > (shot.name == "close"):
        found.append(f"descriptors left behind: {report['descriptors']}")
    if shot.name not in MEMORY:
        found += witness.wrong_error(attack, error)
        # Python itself makes a call again that a signal has interrupted (PEP 475).
        if shot.error != "EINTR":
            found += witness.wrong_sync(attack, error)
    if report["again"] != "success":
        found.append(f"the next try fails, in the same program: {report['again']}")
    return [*found, *witness.no_way_on(scene)]
