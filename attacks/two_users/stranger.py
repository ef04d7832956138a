"""The stranger: plants things under every name that the library uses, and takes them away again."""

from __future__ import annotations

import fcntl
import os
import random
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any, ClassVar

from .ground import PROPHECIES, Ground


class Stranger:
    """Plants things, and takes them away."""

    def __init__(self, where: Ground, seed: int) -> None:
        self._where = where
        self._chance = random.Random(seed)
        self._temps = where.temps()
        self._own = where.directory / f"stranger-{seed}"
        self.planted: Counter[str] = Counter()

    def attack(self, end: float) -> None:
        """Go on until then."""
        os.chdir(self._where.directory)
        self._own.write_text('"of the stranger"', encoding="utf-8")
        self._own.chmod(0o666)
        while time.monotonic() < end:
            self._step()

    def _step(self) -> None:
        """Plant one thing or some, leave them there for a moment, and take them away."""
        kind = self._chance.choice(list(self.PLANTS))
        names = self._names()
        for name in names:
            with suppress(OSError):
                self.PLANTS[kind](self, name)
                self.planted[kind] += 1
        if self._chance.random() < 0.3:
            self._meddle()
        time.sleep(self._chance.choice([0, 0, 0.001, 0.003]))
        for name in names:
            with suppress(OSError):
                os.rmdir(name) if os.path.isdir(name) and not os.path.islink(name) else os.unlink(name)

    def _names(self) -> list[str]:
        name = self._where.path.name
        which = self._chance.randrange(5)
        if which == 0:
            return [name]
        if which == 1:
            return [f".{name}.lock"]
        if which == 2:
            now = time.time()
            return [
                f"{name}.corrupt-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(now + late))}{tail}"
                for late in (0, 1)
                for tail in ("", "-1")
            ]
        # Half of them, so that as many commits find their name taken as not.
        return self._chance.sample(self._temps, PROPHECIES // 2)

    def _meddle(self) -> None:
        """Try to exchange, open, lock or link what is there."""
        for name in os.listdir("."):
            if name == self._own.name:
                continue
            with suppress(OSError):
                os.rename(self._own.name, name)
                self.planted["exchanged"] += 1
                self._own.write_text("[]", encoding="utf-8")
            with suppress(OSError):
                os.link(name, f"{name}.linked")
                os.unlink(f"{name}.linked")
            with suppress(OSError):
                descriptor = os.open(name, os.O_RDWR | os.O_NONBLOCK)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    os.write(descriptor, b"by the stranger")
                finally:
                    os.close(descriptor)

    def _link_to_secret(self, name: str) -> None:
        os.symlink(self._where.secret, name)

    def _link_to_nothing(self, name: str) -> None:
        os.symlink(self._where.free, name)

    def _loop(self, name: str) -> None:
        os.symlink(name, name)

    def _hard_link_to_secret(self, name: str) -> None:
        os.link(self._where.secret, name)  # where fs.protected_hardlinks is 0

    def _hard_link(self, name: str) -> None:
        os.link(self._own.name, name)

    def _file(self, name: str) -> None:
        descriptor = os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
        try:
            os.write(descriptor, self._chance.choice([b"", b"garbage", b"1"]))
            os.utime(descriptor, (0, 0))  # so old that a sweep would take it
        finally:
            os.close(descriptor)

    PLANTS: ClassVar[dict[str, Callable[[Any, str], None]]] = {
        "link to the secret": _link_to_secret,
        "link to nothing": _link_to_nothing,
        "loop": _loop,
        "hard link to the secret": _hard_link_to_secret,
        "hard link": _hard_link,
        "file": _file,
        "pipe": lambda _, name: os.mkfifo(name),
        "directory": lambda _, name: os.mkdir(name),
    }
