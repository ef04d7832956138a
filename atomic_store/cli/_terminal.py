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
    LockTimeout,
    MissingLibraryError,
    UncertainCommitError,
    describe,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, Self, TextIO

    from _typeshed import WriteableBuffer

PIECE = 1 << 20  # bytes read or written between two looks at the progress
PATIENCE = 0.5  # seconds of silence

_CODES: dict[type[BaseException], int] = {
    MissingLibraryError: 1,
    FormatError: 2,
    LocationError: 2,
    LoadError: 4,
    ConflictError: 5,
    UncertainCommitError: 6,
    LockTimeout: 8,
}
# U+061C, U+200E, U+200F, U+202A to U+202E, U+2066 to U+2069 change the order in which a terminal shows a line
# (Unicode Standard Annex 9); the rest are the control characters of ASCII and Latin-1, except tab and newline.
_OBEYED = {*range(32), *range(127, 160), 0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)} - {9, 10}
_ESCAPES = {number: f"\\u{number:04x}" for number in _OBEYED}


class CommandError(AtomicStoreError):
    """An error that ends a command with an exit code of its own."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Terminated(KeyboardInterrupt):
    """A signal has asked the program to end."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class OutputClosed(Exception):
    """The program that read our output has closed it."""


class Progress:
    """Show on a terminal how far a long step is: by tqdm if it is installed, else in plain text.

    Args:
        what: the step.
        total: how many bytes it is about; None: unknown.
        announce: whether to show the step at once. A decoder in C lets nothing else run until it is done.
    """

    def __init__(self, what: str, total: int | None, announce: bool = False) -> None:
        import time

        self._clock = time.monotonic
        self._what = what
        self._total = total
        self._announce = announce
        self._done = 0
        self._bar: Any = None
        self._line = ""

    def __enter__(self) -> Self:
        self._begin = self._clock()
        if self._announce:
            self._print(self._what)
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()
        self._print("")

    def advance(self, size: int) -> None:
        """Count bytes that are done."""
        self._done += size
        if self._clock() - self._begin < PATIENCE or not is_terminal(sys.stderr):
            return
        tqdm = _tqdm()
        if tqdm is None:
            self._print(f"{self._what}: {self._done >> 20} of {(self._total or 0) >> 20 or '?'} MB")
            return
        if self._bar is None:
            self._print("")
            self._bar = tqdm(total=self._total, desc=self._what, unit="B", unit_scale=True, unit_divisor=1024, leave=False)
        self._bar.update(self._done - self._bar.n)

    def _print(self, text: str) -> None:
        """Replace what this line has shown before."""
        if text != self._line and is_terminal(sys.stderr):
            # Overwritten with spaces, because not every terminal can erase a line.
            write_err("\r" + " " * len(self._line) + "\r" + visible(text, sys.stderr))
            self._line = text


class Killable:
    """Restore the default effect of SIGINT: a decoder in C checks for no signal until it is done, which may take seconds.

    Only around what reads or works in memory: nothing may need a clean-up.

    Args:
        wanted: whether the work takes long; if not, nothing is changed.
    """

    def __init__(self, wanted: bool) -> None:
        self._wanted = wanted

    def __enter__(self) -> Self:
        if self._wanted:
            import signal

            # Else it is ignored, as under nohup, or a program's own.
            self._wanted = signal.getsignal(signal.SIGINT) is signal.default_int_handler
            if self._wanted:
                signal.signal(signal.SIGINT, signal.SIG_DFL)
        return self

    def __exit__(self, *_: object) -> None:
        if self._wanted:
            import signal

            signal.signal(signal.SIGINT, signal.default_int_handler)


class WatchedFile(io.RawIOBase):
    """A binary file that reports to a Progress how much of it was read, and can show its first bytes beforehand."""

    def __init__(self, file: Any, progress: Progress) -> None:
        self._file = file
        self._progress = progress
        self._head = b""
        self.name = file.name
        self.size = file.size

    def peek(self, size: int) -> bytes:
        """Return the first bytes, which a later read returns again."""
        while len(self._head) < size and (piece := self._file.read(size - len(self._head))):
            self._head += piece
        return self._head

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Read the next bytes into the buffer."""
        view = memoryview(buffer).cast("B")
        if self._head:
            size = min(len(view), len(self._head))
            view[:size], self._head = self._head[:size], self._head[size:]
        else:
            size = self._file.readinto(view) or 0
        self._progress.advance(size)
        return size

    def readall(self) -> bytes:
        """Read all remaining bytes, in larger pieces than the base class would."""
        return b"".join(iter(lambda: self.read(PIECE), b""))


def _tqdm() -> Any:
    """Return tqdm, or None if the extra [cli] is not installed."""
    try:
        from tqdm import tqdm  # here: 40 ms that only long work on a terminal pays
    except ImportError:
        return None
    return tqdm


def say(text: str) -> None:
    """Print a line that is the command's result."""
    write_out(f"{visible(text, sys.stdout)}\n")


def say_pieces(pieces: Iterable[str]) -> None:
    """Print a line that comes in many small pieces."""
    waiting: list[str] = []
    for number, piece in enumerate(pieces, 1):
        waiting.append(piece)
        if number % 50_000 == 0:
            write_out(visible("".join(waiting), sys.stdout))
            waiting.clear()
    write_out(visible("".join(waiting), sys.stdout) + "\n")


def write_out(text: str) -> None:
    """Write text to the standard output and flush it.

    Raises:
        OutputClosed: the reader has closed it.
        OSError: it cannot be written.
    """
    stream: Any = sys.stdout
    if stream is None or hasattr(stream, "buffer"):
        write_bytes(text.encode(getattr(stream, "encoding", "utf-8"), "backslashreplace"))
    else:
        stream.write(text)


def write_bytes(content: bytes) -> None:
    """Write bytes to the standard output and flush it; errors are those of write_out()."""
    stream: Any = sys.stdout  # None if the program was started without one
    try:
        if stream is None:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        stream.flush()
        data = memoryview(content)
        while data:  # with PYTHONUNBUFFERED a write may take less, and the text layer would drop the rest silently
            data = data[stream.buffer.write(data) or 0 :]
        stream.buffer.flush()
    except OSError as error:
        _silence(stream)
        if isinstance(error, BrokenPipeError):
            raise OutputClosed from error
        raise OSError(error.errno, f"the output cannot be written: {error.strerror}") from error


def warn(text: str) -> None:
    """Print a line to stderr that is not the command's result."""
    write_err(f"{painted('atomic-store:', '1;31', sys.stderr)} {visible(one_line(text), sys.stderr)}\n")


def write_err(text: str) -> None:
    """Write text to stderr; if that fails, there is no place left to report it."""
    stream: Any = sys.stderr
    if stream is not None:
        try:
            stream.write(text)
            stream.flush()
        except OSError:
            _silence(stream)


def _silence(stream: Any) -> None:
    """Point a stream that has failed to nowhere: the interpreter flushes it at exit, and would complain."""
    if stream is not None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def complain(args: Any, error: BaseException, code: int) -> None:
    """Report the error that ends the command."""
    if getattr(args, "debug", False):
        import traceback

        traceback.print_exception(error)
    text = "; ".join([message_of(error), *getattr(error, "__notes__", ())])
    if getattr(args, "json", False):
        write_err(compact({"error": one_line(text), "type": _public_type(error), "exit_code": code}) + "\n")
    else:
        warn(text)


def exit_code(error: Exception) -> int:
    """Return the exit code for an error."""
    if isinstance(error, CommandError):
        return error.code
    return next((code for kind, code in _CODES.items() if isinstance(error, kind)), 1)


def message_of(error: BaseException) -> str:
    """Return the text of an error in the words of the command line, not of the library's caller."""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    if isinstance(error, LoadError):
        return _refusal(error)
    if isinstance(error, ConflictError):
        return f"{error.path!r} was changed by another program meanwhile; nothing was written"
    if isinstance(error, OSError) and error.strerror is not None:
        return error.strerror if error.filename is None else f"{error.filename!r}: {error.strerror}"
    return str(error) if isinstance(error, AtomicStoreError) else describe(error)


def _refusal(error: LoadError) -> str:
    """Return why stored bytes cannot be read. The way out that the library names is for programs, which have a default."""
    if error.size == 0:
        return f"{error.path!r} is empty, which is not valid {error.format}"
    if error.__cause__ is None:
        return str(error).partition(". Nothing was changed")[0]
    size = "" if error.size is None else f" ({error.size} bytes)"
    cause = cause_of(error).rstrip(".")
    return f"{error.path!r}{size} cannot be read as {error.format}: {cause}. Another format is named by --format"


def cause_of(error: LoadError) -> str:
    """Return why the format refuses the bytes, without the bytes: a cron job's stderr ends in a mail."""
    cause: Any = error.__cause__
    mark = getattr(cause, "problem_mark", None)  # of YAML, whose messages quote the line
    if mark is None:
        return describe(cause)
    problem = str(cause.problem).partition(" with value ")[0]
    return f"{problem} in line {mark.line + 1}, column {mark.column + 1}"


def _public_type(error: BaseException) -> str:
    """Return the nearest class of an error that users of the library or of Python know."""
    kinds = (kind for kind in type(error).__mro__ if kind.__module__ in ("builtins", AtomicStoreError.__module__))
    return next(kinds).__name__


def one_line(text: str) -> str:
    """Return a text without line ends."""
    return "; ".join(line.strip() for line in text.splitlines() if line.strip())


def visible(text: str, stream: TextIO) -> str:
    """Return the text; for a terminal, with the characters escaped that a terminal would obey."""
    if not is_terminal(stream):
        return text
    return text.replace("\r\n", "\n").translate(_ESCAPES)


def painted(text: str, colour: str, stream: TextIO) -> str:
    """Return the text in a colour, if the stream is a terminal that shows colours (https://no-color.org)."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM", "dumb") == "dumb" or not is_terminal(stream)
    return text if plain else f"\x1b[{colour}m{text}\x1b[0m"


def is_terminal(stream: Any) -> bool:
    """Return whether a stream, None if the program was started without it, is a terminal."""
    return stream is not None and not stream.closed and stream.isatty()


def compact(facts: dict[str, Any]) -> str:
    """Return one line of JSON."""
    import json

    return json.dumps(facts)
