"""The processes that help: one forks those who are killed, one stands between the library and S3.

    python -m attacks.soak.helpers victims
    python -m attacks.soak.helpers proxy URL

Both take requests, lines of JSON on stdin, answer each with a line, and end with stdin.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from s3_proxy import Fault, Proxy

import atomic_store

PATIENCE = 60
"""Seconds; who is silent for longer hangs."""


class Helper:
    """A running helper."""

    def __init__(self, *words: str) -> None:
        root = Path(__file__).resolve().parents[2]
        command = [sys.executable, "-m", "attacks.soak.helpers", *words]
        self._name = " ".join(words)
        self._process = subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        self.hello = self._hear()

    def ask(self, **request: Any) -> Any:
        """Make a request; give the answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        return self._hear()

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(PATIENCE)
        self._process.stdout.close()

    def _hear(self) -> Any:
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], PATIENCE)[0]:
            raise TimeoutError(f"the helper {self._name} has been silent for {PATIENCE} seconds")
        line = self._process.stdout.readline()
        if not line:
            raise EOFError(f"the helper {self._name} has ended")
        return json.loads(line)


def say(what: Any) -> None:
    """Answer."""
    os.write(1, json.dumps(what).encode() + b"\n")


def padded(number: int) -> dict[str, Any]:
    """Give the one value with this number that is whole."""
    return {"n": number, "padding": [number] * 500, "end": number}


def commit_for_ever(path: str) -> None:
    """Commit one value after the other, until somebody kills this process."""
    store = atomic_store.open(path, padded(0), lock=True)
    first = True
    while True:
        with store:
            store.value = padded(store.value["n"] + 1)
        if first:
            say(os.getpid())
        first = False


def hold(path: str) -> None:
    """Hold the lock of a place, until somebody kills this process."""
    with atomic_store.open(path, None, lock=True):
        say(os.getpid())
        signal.pause()


def victims() -> None:
    """Fork who does what a request asks for, and says its process id; or wait until one is dead."""
    say("ready")
    for line in sys.stdin:
        request = json.loads(line)
        if "dead" in request:
            os.waitpid(request["dead"], 0)
            say("dead")
        elif os.fork() == 0:
            (hold if request["act"] == "hold" else commit_for_ever)(request["path"])


def proxy(url: str) -> None:
    """Make the fault that a request describes happen, and forget the last one."""
    with Proxy(url) as between:
        say(between.url)
        for line in sys.stdin:
            request = json.loads(line)
            between.forget()
            if request:
                between.fail(Fault(**request))
            say("ready")


if __name__ == "__main__":
    if sys.argv[1] == "victims":
        victims()
    else:
        proxy(sys.argv[2])
