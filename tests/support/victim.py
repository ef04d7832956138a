"""The program that the kill and signal sweeps attack, and, for the tests, the handle on it.

Run by itself, it takes requests, lines of JSON on stdin, and forks a worker for each. The worker says when it is ready,
waits for SIGUSR1, acts, and reports; then the program tells how the worker has ended. Each kind is rehearsed before its
first fork, so that all imports are made and the system calls of a worker's act are those of the commit alone.
"""

from __future__ import annotations

import base64
import json
import os
import pickle
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Any

from careless import Careful, by
from faults import KINDS, Kind, Scene, descriptors, outcome

# access(2) of these names marks the act in a trace.
BEGIN, END = "/the-act-begins", "/the-act-ends"
GO = signal.SIGUSR1
PATIENCE = 60  # seconds; whoever is silent for longer hangs


class Victim:
    """A running victim: one worker at a time."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, start_new_session=True
        )
        self._heard = b""

    def start(self, kind: Kind, directory: Path, how: str = "once") -> int:
        """Have a worker for this kind, in a place that is made; give its process id once it is ready."""
        self._say([kind.name, str(directory), how])
        self._worker = int(self._hear()["ready"])
        return self._worker

    def go(self) -> None:
        """Let the worker act."""
        os.kill(self._worker, GO)

    def finish(self) -> tuple[int, dict[str, Any]]:
        """Wait for the worker's end; give its wait status and what it has reported, {} if it could not."""
        report: dict[str, Any] = {}
        while "status" not in (said := self._hear()):
            report = said
        return said["status"], report

    def close(self) -> None:
        """End the program."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(PATIENCE)
        self._process.stdout.close()

    def _say(self, what: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(what).encode() + b"\n")

    def _hear(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        while b"\n" not in self._heard:
            assert select.select([self._process.stdout], [], [], PATIENCE)[0], "the victim hangs"
            data = self._process.stdout.read(1 << 16)
            assert data, "the victim has ended"
            self._heard += data
        line, _, self._heard = self._heard.partition(b"\n")
        heard: dict[str, Any] = json.loads(line)
        return heard


def say(**what: Any) -> None:
    """Tell the test something."""
    os.write(1, json.dumps(what).encode() + b"\n")


def attempt(act: Callable[[], None], how: str, seen: list[str] | None = None) -> str:
    """Wait for GO, then act "once" or "always", until something happens; or act "again", at once. Tell how it ended.

    What was raised is put into `seen`, as text: the exception itself would keep alive what its frames have held.
    """
    try:
        if how != "again":  # within the try: a signal may come before the first act does
            say(ready=os.getpid())
            # Waiting in a call that no act makes: the one that is under way when a tracer comes is seen by half.
            signal.sigwait([GO])
        os.access(BEGIN, os.F_OK)
        act()
        while how.startswith("always"):
            act()
        os.access(END, os.F_OK)
    except BaseException as error:
        if seen is not None:
            os.access(END, os.F_OK)
            seen.append(as_text(error))
        return type(error).__name__
    return "success"


def work(scene: Scene, how: str) -> None:
    """Act, then report how it ended, what was left behind, and whether the next try works; if asked to, with evidence."""
    before = descriptors()
    signal.pthread_sigmask(signal.SIG_BLOCK, [GO])
    seen: list[str] | None = [] if how == "once, with evidence" else None
    ended = attempt(scene.act, how, seen)
    left = sorted(set(descriptors().items()) ^ set(before.items()))
    evidence = {} if seen is None else {"errors": seen, "stored": as_text(scene.visible())}
    say(ended=ended, descriptors=left, strangers=scene.strangers(), **evidence, again=attempt(scene.act, "again"))


def as_text(what: object) -> str:
    """Put an exception or bytes into a report."""
    return base64.b64encode(pickle.dumps(what)).decode()


def from_text(text: str) -> Any:
    """Take it out of the report again."""
    return pickle.loads(base64.b64decode(text))


def exit_politely(number: int, frame: FrameType | None) -> None:
    """What services do on SIGTERM."""
    raise SystemExit(128 + number)


def main() -> None:
    """Serve until stdin ends."""
    known = {kind.name: kind for kind in (*KINDS, by(Careful), *map(by, Careful.__subclasses__()))}
    loaded: list[Kind] = []
    for line in sys.stdin:
        name, directory, how = json.loads(line)
        kind = known[name]
        if kind not in loaded:
            with TemporaryDirectory() as scratch:
                outcome(kind, Path(scratch) / "place")
            loaded.append(kind)
        worker = os.fork()
        if worker == 0:
            # A shell that runs things in the background makes them ignore SIGINT.
            signal.signal(signal.SIGINT, signal.default_int_handler)
            if how == "always, politely":
                signal.signal(signal.SIGTERM, exit_politely)
            work(kind.enter(Path(directory)), how)
            os._exit(0)
        say(status=os.waitpid(worker, 0)[1])


if __name__ == "__main__":
    main()
