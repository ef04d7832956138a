"""What the command line prints, and where: results, errors, progress, colours."""

from __future__ import annotations

import errno
import io
import os
import sys

from ..errors import (
    AtomicStoreError,
    ConflictError,
    FormatError,
    LoadError,
    LocationError,
    MissingLibraryError,
    UncertainCommitError,
    describe,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self, TextIO

    from _typeshed import WriteableBuffer

    from ..locations import StoredFile

PIECE = 1 << 20  # bytes read or written between two looks at the progress
PATIENCE = 1.0  # seconds of silence
LONG = 32 << 20  # bytes that take longer than that to decode or to encode

_CODES: dict[type[BaseException], int] = {
    MissingLibraryError: 1,
    FormatError: 2,
    LocationError: 2,
    LoadError: 4,
    ConflictError: 5,
    UncertainCommitError: 6,
}


class CommandError(AtomicStoreError):
    """What ends a command, with its exit code."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Terminated(KeyboardInterrupt):
    """A signal has asked the program to end."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class Progress:
    """Tells on a terminal how far a step is, if it takes long: by tqdm where that is installed, else in plain text.

    Args:
        what: the step.
        total: how many bytes it is about, None: not known.
        counted: whether it says by advance() how many are done.
    """

    def __init__(self, what: str, total: int | None, counted: bool = True) -> None:
        import time

        self._clock = time.monotonic
        self._what = what
        self._total = total
        self._counted = counted
        self._done = 0
        self._bar: Any = None
        self._line = ""

    def __enter__(self) -> Self:
        self._begin = self._clock()
        if not self._counted and (self._total or 0) >= LONG:
            self._print(self._what)
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()
        self._print("")

    def advance(self, size: int) -> None:
        """Say that so many bytes more are done."""
        self._done += size
        if self._clock() - self._begin < PATIENCE or not is_terminal(sys.stderr):
            return
        tqdm = _tqdm()
        if tqdm is None:
            self._print(f"{self._what}: {self._done >> 20} of {(self._total or 0) >> 20 or '?'} MB")
            return
        if self._bar is None:
            self._bar = tqdm(total=self._total, desc=self._what, unit="B", unit_scale=True, unit_divisor=1024, leave=False)
        self._bar.update(self._done - self._bar.n)

    def _print(self, text: str) -> None:
        """Write over what this line has shown before."""
        if text != self._line and is_terminal(sys.stderr):
            # Spaces, for not every terminal knows how to erase a line.
            write_err("\r" + " " * len(self._line) + "\r" + visible(text, sys.stderr))
            self._line = text


class WatchedFile(io.RawIOBase):
    """A stored file, which tells how much of it was read."""

    def __init__(self, file: StoredFile, progress: Progress) -> None:
        self._file = file
        self._progress = progress
        self.name = file.name
        self.size = file.size

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Read what comes next into the buffer."""
        size: int = self._file.readinto(buffer) or 0
        self._progress.advance(size)
        return size

    def readall(self) -> bytes:
        """Read all the rest, in larger pieces than the base class would."""
        return b"".join(iter(lambda: self.read(PIECE), b""))


class OutputClosed(Exception):
    """Whoever was reading our output does so no more."""


def _tqdm() -> Any:
    """Give tqdm, None where the extra [cli] is not installed."""
    try:
        return __import__("tqdm").tqdm  # here: 40 ms that only long work on a terminal pays
    except ImportError:
        return None


def say(text: str) -> None:
    """Print what the command is to tell."""
    write_out(f"{visible(text, sys.stdout)}\n")


def write_out(text: str) -> None:
    """Write to the standard output, and see that it is out.

    Raises:
        OutputClosed: nobody reads it.
        OSError: it cannot be written.
    """
    stream: Any = sys.stdout  # None where the program was started without one
    try:
        if stream is None:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        buffer = getattr(stream, "buffer", None)
        if buffer is None:
            stream.write(text)
        else:
            stream.flush()
            data = memoryview(text.encode(stream.encoding, "backslashreplace"))
            while data:  # with PYTHONUNBUFFERED a write may take less, and the text layer drops the rest without a word
                data = data[buffer.write(data) or 0 :]
        (stream if buffer is None else buffer).flush()
    except OSError as error:
        _silence(stream)
        if isinstance(error, BrokenPipeError):
            raise OutputClosed from error
        raise OSError(error.errno, f"the output cannot be written: {error.strerror}") from error


def warn(text: str) -> None:
    """Print a line that is not the command's result."""
    write_err(f"{painted('atomic-store:', '1;31', sys.stderr)} {visible(one_line(text), sys.stderr)}\n")


def write_err(text: str) -> None:
    stream: Any = sys.stderr
    if stream is not None:
        try:
            stream.write(text)
            stream.flush()
        except OSError:
            _silence(stream)  # there is nobody left to tell


def _silence(stream: Any) -> None:
    """Let a stream that has failed take what is still in it: the interpreter writes that at its end, and would complain."""
    if stream is not None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def told(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    if isinstance(error, OSError) and error.strerror is not None:
        return error.strerror if error.filename is None else f"{error.filename!r}: {error.strerror}"
    return str(error) if isinstance(error, AtomicStoreError) else describe(error)


def one_line(text: str) -> str:
    return "; ".join(line.strip() for line in text.splitlines() if line.strip())


def visible(text: str, stream: TextIO) -> str:
    """Give the text with the characters escaped that a terminal would obey."""
    if not is_terminal(stream):
        return text
    obeyed = {*range(32), *range(127, 160)} - {9, 10}
    return text.replace("\r\n", "\n").translate({number: f"\\u{number:04x}" for number in obeyed})


def painted(text: str, colour: str, stream: TextIO) -> str:
    """Give the text in a colour, where there are any (https://no-color.org)."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM", "dumb") == "dumb" or not is_terminal(stream)
    return text if plain else f"\x1b[{colour}m{text}\x1b[0m"


def is_terminal(stream: Any) -> bool:
    return stream is not None and not stream.closed and stream.isatty()


def compact(facts: dict[str, Any]) -> str:
    import json

    return json.dumps(facts)


def complain(args: Any, error: BaseException, code: int) -> None:
    if getattr(args, "debug", False):
        import traceback

        traceback.print_exception(error)
    text = "; ".join([told(error), *getattr(error, "__notes__", ())])
    if getattr(args, "json", False):
        write_err(compact({"error": one_line(text), "type": type(error).__name__, "exit_code": code}) + "\n")
    else:
        warn(text)


def code_of(error: Exception) -> int:
    if isinstance(error, CommandError):
        return error.code
    return next((code for kind, code in _CODES.items() if isinstance(error, kind)), 1)
