"""Defects that the fuzzer must find in the same run: whoever finds nothing has to show that it could have."""

from __future__ import annotations

import io
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, NamedTuple
from unittest import mock

import atomic_store
from atomic_store import LoadError, Signed
from atomic_store.formats import Codec, Content, resolve

from .guard import Finding, Work, finish
from .targets import JSON, MB, SIGNED, Spy, Target, spied

CASES = 300
"""Of each control; a defect that shows in one file of some must be among them."""


class Control(NamedTuple):
    """A defect.

    Attributes:
        name: what is wrong.
        kind: what the finding must be called.
        target: the load that has it.
        broken: what breaks the library as long as it is entered.
        seconds: of processor time for one load.
        sleeps: seconds without progress.
    """

    name: str
    kind: str
    target: Target
    broken: Callable[[], AbstractContextManager[Any]] = nullcontext
    seconds: float = 20
    sleeps: float = 300


class Bad:
    """JSON, with a defect that shows in files with a byte that no honest one has."""

    is_binary = True
    label = "json"

    def __init__(self, act: Callable[[bytes], object], byte: bytes = b"\xff") -> None:
        self._act = act
        self._byte = byte

    def dump(self, value: Any, file: Any) -> None:
        """Write the value."""
        resolve("json").dump(value, file)

    def load(self, file: Any) -> Any:
        """Read a value, unless the defect shows."""
        content = file.read()
        if self._byte in content:
            self._act(content)
        file.seek(0)
        return resolve("json").load(file)


class Panic(BaseException):
    """What a parser in another language may raise: no Exception."""


def panic(content: bytes) -> None:
    """Leak."""
    raise Panic("index out of bounds")


def spin(content: bytes) -> None:
    """Never return, and work hard at it."""
    while True:
        pass


def sleep(content: bytes) -> None:
    """Never return, and do nothing."""
    time.sleep(10**6)


def eat(content: bytes) -> None:
    """Take memory as the content bids."""
    bytearray(b"x") * (96 * MB)


def claim(content: bytes) -> None:
    """Ask for more memory than there is."""
    bytearray(2**40)


def shout(content: bytes) -> None:
    """Put the file into the message."""
    raise ValueError("x" * 5000)


def run(content: bytes) -> None:
    """Let the file run a program."""
    os.system("true")


def spy_out(content: bytes) -> None:
    """Read another file."""
    open("/etc/passwd", "rb").close()


def change(content: bytes) -> None:
    """Write to the file that is read."""
    with open("hostile", "ab") as file:
        file.write(b" ")


@contextmanager
def errors_not_wrapped() -> Iterator[None]:
    """Let the codec hand on whatever the format raises."""
    with mock.patch.object(Codec, "load", lambda self, file, load_kwargs=None: self.module.load(Content(file))):
        yield


@contextmanager
def path_not_named() -> Iterator[None]:
    """Let the errors name no path."""
    with mock.patch("atomic_store.formats.refusal", return_value=LoadError("damaged", None, "json", None)):
        yield


@contextmanager
def messages_not_shortened() -> Iterator[None]:
    """Take whatever a parser says into the message."""
    with mock.patch("atomic_store.errors.shortened", str):
        yield


@contextmanager
def default_for_damage() -> Iterator[None]:
    """Take the default for what cannot be read."""
    read = atomic_store.AtomicStore._read

    def lenient(self: Any, exact: bool = True, file: Any = None) -> Any:
        try:
            return read(self, exact, file)
        except LoadError:
            return self._default, None, False

    with mock.patch.object(atomic_store.AtomicStore, "_read", lenient):
        yield


@contextmanager
def signature_not_compared() -> Iterator[None]:
    """Take any signature for ours."""
    with mock.patch("hmac.compare_digest", return_value=True):
        yield


@contextmanager
def size_not_limited() -> Iterator[None]:
    """Unpack whatever comes."""
    with mock.patch("atomic_store.formats.wrappers._compressed._InflatingFile.__init__", inflating_without_limit):
        yield


def inflating_without_limit(self: Any, file: Any, new_decompressor: Any, max_size: Any, label: str) -> None:
    """Begin to unpack without a limit."""
    self._file, self.name, self._label = file, file.name, label
    self._new_decompressor, self._decompressor = new_decompressor, new_decompressor()
    self._max_size = self._left = None


def decoded_before_checked(signed: Signed) -> Any:
    """Give a format that looks at the value first and at the signature afterwards."""

    class Hasty(Signed):
        def load(self, file: Any, **kwargs: Any) -> Any:
            content = file.read()
            file.seek(0)
            body = Named(content[: -len(SIGNED.words[2])])
            body.name = file.name
            resolve(self.format).load(body)
            return super().load(file, **kwargs)

    return Hasty(signed.format, b"the key of the program itself 1!")


class Named(io.BytesIO):
    """A file in memory, as a format inside another one gets it."""

    name: Any = None
    size: int | None = None


def controls(targets: list[Target]) -> list[Control]:
    """Give the defects; some of them are in the targets themselves while the library is broken."""
    by_name = {target.name: target for target in targets}
    json, signed = by_name["json"], by_name["Signed(json)"]
    bomb = by_name["Compressed(json, zstd)"]

    def bad(name: str, act: Callable[[bytes], object], byte: bytes = b"\xff") -> Target:
        return Target(name, JSON, Bad(act, byte))

    return [
        Control("a format that raises what is no Exception", "leak", bad("leaking", panic)),
        Control("a codec that wraps no error", "leak", json, errors_not_wrapped),
        Control("an error without a path", "path", json, path_not_named),
        Control("the default in place of what is damaged", "default", json, default_for_damage),
        Control("a load that never ends", "hang", bad("spinning", spin), seconds=0.5),
        Control("a load that waits for ever", "hang", bad("sleeping", sleep), sleeps=2),
        Control("a load that takes memory", "memory", bad("eating", eat)),
        Control("a load that asks for all memory", "memory", bad("claiming", claim)),
        Control("a load that kills the interpreter", "crash", bad("crashing", lambda content: os.abort())),
        Control("a message that holds the file", "message", bad("shouting", shout), messages_not_shortened),
        Control("a file that runs a program", "code", bad("running", run)),
        Control("a file that opens another one", "code", bad("opening", spy_out)),
        Control("a load that writes", "code", bad("writing", change)),
        Control("a signature that is not compared", "forgery", signed, signature_not_compared),
        Control(
            "a value that is decoded before its signature is checked",
            "forgery",
            spied("hasty", JSON, Spy("json"), decoded_before_checked, SIGNED),
        ),
        Control("a bomb that is unpacked", "memory", bomb, size_not_limited),
    ]


def caught(control: Control, seed: int) -> Finding | None:
    """Let the fuzzer loose on a control; give what it has found of the right kind."""
    with control.broken():
        (tally,) = finish([Work(control.target, seed, range(CASES), None, control.seconds, control.sleeps, enough=1)])
    return next((finding for finding in tally.findings if finding.kind == control.kind), None)


def missed(all_controls: list[Control], seed: int, jobs: int) -> list[str]:
    """Let the fuzzer loose on all of them, so many at the same time; give the names of those that it has not found."""
    running: dict[int, Control] = {}
    found: list[str] = []
    waiting = list(all_controls)
    while waiting or running:
        if waiting and len(running) < jobs:
            control = waiting.pop(0)
            _ = control.target.mutators
            sys.stdout.flush()
            child = os.fork()  # what is broken is broken in a process of its own
            if child == 0:
                try:
                    os._exit(caught(control, seed) is None)
                except BaseException:
                    sys.excepthook(*sys.exc_info())
                    os._exit(3)
            running[child] = control
        else:
            child, status = os.wait()
            name = running.pop(child).name
            print(f"{'MISSED' if status else 'caught'} {name}", flush=True)
            if status:
                found.append(name)
    return found
