"""What the tests of the command line share: a run with what it printed, an editor that is a script, a terminal."""

from __future__ import annotations

import contextlib
import io
import os
import shlex
import sys
from pathlib import Path
from typing import NamedTuple, Self

from atomic_store import cli


class Outcome(NamedTuple):
    """How a command has ended."""

    code: int
    out: str
    err: str


def run(*words: str) -> Outcome:
    """Run the command line in this process, its output going to no terminal."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = cli.main(list(words))
    return Outcome(code, out.getvalue(), err.getvalue())


class Editor:
    """A shell script as an editor: each time it is opened it does the next of its steps, the last one again and again.

    Attributes:
        path: the script.
        desks: where the command line puts the files that it edits.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self.path = directory / "edit"
        self.desks = directory.parent / "desks"
        self._directory = directory

    def does(self, *steps: str) -> None:
        """Let it do these; $1 is the file."""
        for old in self._directory.glob("[ns][ae][mw]*"):
            old.unlink()
        cases = "\n".join(f"{number}) {step} ;;" for number, step in enumerate(steps[:-1], 1))
        self.path.write_text(
            f"#!/bin/sh\ncd {shlex.quote(str(self._directory))}\nn=$(($(ls | grep -c saw) + 1))\n"
            f'cp "$1" saw.$n; basename "$1" > name.$n\ncase $n in\n{cases}\n*) {steps[-1]} ;;\nesac\n'
        )
        self.path.chmod(0o755)

    def types(self, text: bytes) -> None:
        """Let it replace the text, whatever it is, each time by this one."""
        (self._directory / "typed").write_bytes(text)
        self.does('cat typed > "$1"')

    @property
    def saw(self) -> list[bytes]:
        """What it was given to edit, each time."""
        return [path.read_bytes() for path in sorted(self._directory.glob("saw.*"))]

    @property
    def names(self) -> list[str]:
        """What the file was called."""
        return [path.read_text().removesuffix("\n") for path in sorted(self._directory.glob("name.*"))]


class Screen:
    """stdout and stderr as a terminal, kept as text."""

    def __init__(self) -> None:
        self._streams = _Terminal(), _Terminal()

    def __enter__(self) -> Self:
        self._before = sys.stdout, sys.stderr
        sys.stdout, sys.stderr = self._streams
        return self

    def __exit__(self, *_: object) -> None:
        sys.stdout, sys.stderr = self._before

    @property
    def out(self) -> str:
        """What was printed to stdout."""
        return self._streams[0].getvalue()

    @property
    def err(self) -> str:
        """What was printed to stderr."""
        return self._streams[1].getvalue()


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def environment(**changes: str) -> dict[str, str]:
    """Give the environment of a command that a test starts, without what the tests' own may hold."""
    names = ("VISUAL", "EDITOR", "NO_COLOR", "PYTHONIOENCODING", "LC_ALL", "LC_CTYPE", "LANG", "PYTHONUTF8")
    return {name: value for name, value in os.environ.items() if name not in names} | changes
