"""Load hostile files one by one in a child that can harm nobody, and tell which of them do what no file may do.

The child has a limit on its memory, an empty directory, and an audit hook (PEP 578): a pickle finds no class but a few
harmless ones, and whatever would start a program, reach the network or change a file is refused and told.
"""

from __future__ import annotations

import base64
import faulthandler
import gc
import json
import mmap
import os
import pickle
import resource
import select
import signal
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import atomic_store
from atomic_store import LoadError

from .targets import MB, Case, Target

SECONDS = 20
"""Of processor time that one load may take: a hang is a hang on a busy machine, and slowness on one is none."""
SLEEPS = 300
"""Seconds without any progress, whatever the processor does."""
ADDRESS_SPACE = 1024 * MB
MEMORY = "/dev/shm"
"""Where there is this, the files stand here: to write a file anew, ext4 waits for the disk."""
LONGEST_MESSAGE = 3000
"""Characters: an error goes into a log, and shall not carry the file there."""
ENOUGH = 5
"""Findings, after which the rest of a piece of work is left."""

HARMLESS = {
    ("builtins", "set"),
    ("builtins", "frozenset"),
    ("builtins", "bytearray"),
    ("builtins", "complex"),
    ("__builtin__", "set"),
    ("__builtin__", "frozenset"),
    ("__builtin__", "bytearray"),
    ("__builtin__", "complex"),
    ("collections", "OrderedDict"),
    ("copyreg", "_reconstructor"),
    ("copy_reg", "_reconstructor"),
    ("_codecs", "encode"),
    ("datetime", "datetime"),
    ("datetime", "timedelta"),
    ("datetime", "timezone"),
    ("decimal", "Decimal"),
    ("uuid", "UUID"),
}
"""What a hostile pickle may call."""
FORBIDDEN = (
    "os.system",
    "os.exec",
    "os.fork",
    "os.forkpty",
    "os.posix_spawn",
    "os.spawn",
    "os.kill",
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.mkdir",
    "os.link",
    "os.symlink",
    "os.truncate",
    "os.chmod",
    "os.chown",
    "os.putenv",
    "subprocess.Popen",
    "pty.spawn",
    "socket.connect",
    "socket.bind",
    "socket.getaddrinfo",
    "shutil.rmtree",
    "ctypes.dlopen",
    "signal.pthread_kill",
    "webbrowser.open",
    "urllib.Request",
)
"""Audit events that no content of a file may cause; and what else is opened is looked at."""


class Finding(NamedTuple):
    """A file that does what no file may do.

    Attributes:
        target: which load.
        number: of the case.
        kind: what it does, in a word.
        told: what was seen.
        content: the file.
        forging: whether whoever made it had no key.
    """

    target: str
    number: int
    kind: str
    told: str
    content: bytes
    forging: bool

    @property
    def portable(self) -> dict[str, Any]:
        """The finding as JSON has it."""
        return {**self._asdict(), "content": base64.b64encode(self.content).decode()}


class Tally(NamedTuple):
    """How the cases of one piece of work have ended.

    Attributes:
        loaded: how many gave a value.
        refused: how many gave a LoadError.
        processor: seconds that the children have worked.
        findings: all others.
    """

    loaded: int
    refused: int
    processor: float
    findings: list[Finding]

    @property
    def cases(self) -> int:
        """How many there were."""
        return self.loaded + self.refused + len(self.findings)


class Fence:
    """The audit hook: it stands as long as the process, and looks while a file is loaded."""

    def __init__(self, path: str) -> None:
        self._path = path
        self.looking = False
        self.seen: str | None = None

    def look(self) -> None:
        """From now on a hostile file is loaded."""
        self.looking, self.seen = True, None

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Let an event happen, or not."""
        if not self.looking:
            return
        if event == "pickle.find_class":
            if arguments not in HARMLESS:
                raise pickle.UnpicklingError(f"the fence lets no pickle have {arguments}")
        elif event in FORBIDDEN or (event == "open" and self._is_strange(*arguments)):
            self.seen = f"{event}{arguments!r}"
            raise PermissionError(f"the fence refuses {self.seen}")

    def _is_strange(self, path: Any, mode: str | None, flags: int) -> bool:
        """Say whether no load opens this: it reads its file, and modules that it needs for the first time."""
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            return True
        return path != self._path and not str(path).endswith((".py", ".pyc", ".so"))


class Examiner:
    """Loads files through one target, and says what is wrong with how that ends.

    Args:
        target: which load.
        directory: an empty one.
    """

    def __init__(self, target: Target, directory: str) -> None:
        self.target = target
        self.path = os.path.join(directory, "hostile")
        self.fence = Fence(self.path)
        self.loaded = False
        sys.addaudithook(self.fence)

    def examine(self, case: Case) -> tuple[str, str] | None:
        """Load the file; give the kind of what is wrong and what was seen, None: nothing is."""
        with open(self.path, "wb") as file:
            file.write(case.content)
        before = os.stat(self.path)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        spy = self.target.spy
        if spy is not None:
            spy.given = None
        self.fence.look()
        wrong = None
        try:
            store = atomic_store.open(self.path, self.target.default, self.target.chosen, type=self.target.type)
        except LoadError as error:
            self.fence.looking = self.loaded = False
            wrong = self._wrong_with(error, len(case.content))
        except BaseException as error:
            self.fence.looking = self.loaded = False
            wrong = ("leak", f"{type(error).__qualname__}: {str(error)[:500]}")
        else:
            self.fence.looking, self.loaded = False, True
            if not store.stored or store.value == self.target.default:
                wrong = ("default", "the store has taken its default for the content of the file")
            del store
        if self.fence.seen is not None:
            return "code", self.fence.seen
        if not gc.isenabled():
            gc.enable()
            return "garbage", "the collector of garbage is still paused"
        if spy is not None and spy.given is not None and case.forging and spy.given not in spy.honest:
            return "forgery", f"{len(spy.given)} bytes that nobody has signed were decoded"
        after = os.stat(self.path)
        if (before.st_ino, before.st_size, before.st_mtime_ns) != (after.st_ino, after.st_size, after.st_mtime_ns):
            return "changed", "the file is not what it was"
        rise = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak) * 1024
        allowance = self.target.allowance(len(case.content))
        if allowance is not None and rise > allowance:
            return "memory", f"{rise >> 20} MB for a file of {len(case.content)} bytes"
        return wrong

    def _wrong_with(self, error: LoadError, size: int) -> tuple[str, str] | None:
        text = str(error)
        if isinstance(error.__cause__, MemoryError) and self.target.grammar.bounded:
            return "memory", f"more than {ADDRESS_SPACE >> 20} MB were asked for: {text[:500]}"
        if error.path != self.path or repr(self.path) not in text:
            return "path", f"the error names {error.path!r}: {text[:500]}"
        if error.format not in self.target.labels:
            return "format", f"the error names the format {error.format!r}: {text[:500]}"
        if error.size != size:
            return "size", f"the error says {error.size} bytes, not {size}: {text[:500]}"
        if len(text) > LONGEST_MESSAGE:
            return "message", f"{len(text)} characters: {text[:300]}"
        again = pickle.loads(pickle.dumps(error))
        if (str(again), again.path, again.format, again.size) != (text, error.path, error.format, error.size):
            return "pickling", f"it came back as {again!r}"
        return None


class Work:
    """A child that goes through cases of one target.

    Args:
        target: which load.
        seed: of the cases.
        numbers: of the cases; or the cases themselves, by number.
        seconds: of processor time for one load.
        sleeps: seconds without progress after which it hangs.
        enough: findings, after which the rest is left.
    """

    def __init__(
        self,
        target: Target,
        seed: int,
        numbers: range,
        given: dict[int, Case] | None = None,
        seconds: float = SECONDS,
        sleeps: float = SLEEPS,
        enough: int = ENOUGH,
    ) -> None:
        self.target = target
        self._enough = enough
        self._seed = seed
        self._given = given
        self._seconds = seconds
        self._sleeps = sleeps
        self._left = numbers
        self._findings: list[Finding] = []
        self._worked = 0.0
        _ = target.mutators  # made here, once for all children; they take memory, which is none of the files'
        self._shared = memoryview(mmap.mmap(-1, mmap.PAGESIZE)).cast("Q")
        self._child = self._pipe = self._last = -1
        self._begin()

    @property
    def tally(self) -> Tally:
        """How the cases have ended so far."""
        return Tally(self._shared[1], self._shared[2], self._worked, self._findings)

    def fileno(self) -> int:
        """Give what becomes readable when there is news."""
        return self._pipe

    def case(self, number: int) -> Case:
        """Give the case with this number."""
        return self._given[number] if self._given is not None else self.target.case(self._seed, number)

    def step(self) -> bool:
        """Take in what the child has told, begin anew behind a case that has ended it; give whether there is more to do."""
        told = os.read(self._pipe, 1 << 20) if select.select([self._pipe], [], [], 0)[0] else None
        if told:
            self._told += told
            self._moved = time.monotonic()
            return True
        if told is None:
            if self._shared[0] != self._last:
                self._last, self._moved = self._shared[0], time.monotonic()
            elif time.monotonic() - self._moved > self._sleeps:
                os.kill(self._child, signal.SIGKILL)
                self._moved = time.monotonic()
                self._slept = True
            return True
        return self._end()

    def stop(self) -> None:
        """End the child at once."""
        os.kill(self._child, signal.SIGKILL)
        os.waitpid(self._child, 0)
        self._close()

    def _begin(self) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the child
        self._pipe, theirs = os.pipe()
        self._told = b""
        self._slept = False
        self._last, self._moved = self._shared[0], time.monotonic()
        self._shared[0] = self._left.start
        sys.stdout.flush()
        self._child = os.fork()
        if self._child == 0:
            try:
                os.close(self._pipe)
                os.dup2(self._errors.fileno(), 2)
                self._labour(theirs)
                os._exit(0)
            except BaseException:
                sys.excepthook(*sys.exc_info())
                os._exit(3)
        os.close(theirs)

    def _labour(self, pipe: int) -> None:
        """What the child does."""
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        # Where it hangs is told by the signal handler in C, which needs no turn of the interpreter.
        faulthandler.register(signal.SIGPROF, 2, all_threads=False, chain=True)
        directory = tempfile.mkdtemp(dir=MEMORY if os.access(MEMORY, os.W_OK) else None)
        try:
            os.chdir(directory)
            examiner = Examiner(self.target, directory)
            # First what is honest: what a format imports on first use is not the files' work.
            for content in self.target.mutators[-1].corpus[:5]:
                examiner.examine(Case(content, forging=False))
            soft = int(Path("/proc/self/statm").read_text().split()[0]) * mmap.PAGESIZE + ADDRESS_SPACE
            resource.setrlimit(resource.RLIMIT_AS, (soft, soft))
            findings = 0
            for number in self._left:
                self._shared[0] = number
                case = self.case(number)
                signal.setitimer(signal.ITIMER_PROF, self._seconds)
                wrong = examiner.examine(case)
                signal.setitimer(signal.ITIMER_PROF, 0)
                if wrong is None:
                    self._shared[1 if examiner.loaded else 2] += 1
                    continue
                os.write(pipe, json.dumps([number, *wrong]).encode() + b"\n")
                findings += 1
                if findings == self._enough or wrong[0] == "memory":
                    break
            self._shared[0] = number + 1
        finally:
            for name in os.listdir(directory):
                os.unlink(os.path.join(directory, name))
            os.rmdir(directory)

    def _end(self) -> bool:
        _, status, usage = os.wait4(self._child, 0)
        self._worked += usage.ru_utime + usage.ru_stime
        errors = self._read_errors()
        for line in self._told.splitlines():
            self._note(*json.loads(line))
        at = self._shared[0]
        if os.WIFSIGNALED(status):
            name = signal.Signals(os.WTERMSIG(status)).name
            hung = self._slept or name == "SIGPROF"
            waited = f"{self._sleeps} s" if self._slept else f"{self._seconds} s of processor time"
            self._note(at, "hang" if hung else "crash", f"no end within {waited}; {errors}" if hung else f"{name}; {errors}")
            at += 1
        elif status:
            raise RuntimeError(f"the child of {self.target.name} has failed at case {at}: {errors}")
        self._close()
        self._left = range(at, self._left.stop)
        if not self._left or len(self._findings) >= self._enough:
            return False
        self._begin()
        return True

    def _read_errors(self) -> str:
        self._errors.seek(0)
        return self._errors.read()[-3000:].decode(errors="replace")

    def _close(self) -> None:
        os.close(self._pipe)
        self._errors.close()

    def _note(self, number: int, kind: str, told: str) -> None:
        case = self.case(number)
        self._findings.append(Finding(self.target.name, number, kind, told, case.content, case.forging))


def finish(works: Iterable[Work]) -> list[Tally]:
    """Let all of them work until they are done; give how their cases have ended."""
    works = list(works)
    busy = list(works)
    while busy:
        select.select(busy, [], [], 1)
        busy = [work for work in busy if work.step()]
    return [work.tally for work in works]
