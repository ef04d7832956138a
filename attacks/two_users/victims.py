"""The user whose store is attacked, and two careless programs that the attack must find out."""

from __future__ import annotations

import errno
import json
import logging
import os
import random
import signal
import stat
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Any, ClassVar, NoReturn

import atomic_store
from atomic_store.locations.local import _tempfile as _writer

from .ground import MARK, PROPHECIES, Ground

HANGS_AFTER = 20  # seconds; no step of the user takes nearly as long


def blind(_: bytes) -> int:
    """Load anything: what the stranger has stored there stops no commit."""
    return 0


BLIND = (lambda value: json.dumps(value).encode(), blind)


class Hang(BaseException):
    """A step has not come to an end."""


def wake(_: int, frame: FrameType | None) -> NoReturn:
    """End a step that hangs."""
    raise Hang("".join(traceback.format_stack(frame)[-6:]))


class Victim:
    """Uses a store as programs do, and looks at each error."""

    def __init__(self, where: Ground) -> None:
        self._path = str(where.path)
        self.endings: dict[str, Counter[str]] = {}
        self.violations: list[str] = []

    def work(self, end: float) -> None:
        """Go on until then."""
        signal.signal(signal.SIGALRM, wake)
        logging.disable()
        chance = random.Random(1)
        count = 0
        while time.monotonic() < end:
            name = chance.choice(list(self.STEPS))
            if chance.random() < 0.3:
                # What cleans up /tmp may do: else the first lock file would stand there, and nobody could plant another.
                with suppress(OSError):
                    os.unlink(os.path.join(os.path.dirname(self._path), f".{os.path.basename(self._path)}.lock"))
            _writer._numbers = iter(range(count % PROPHECIES, 1 << 64))
            count += 1
            signal.alarm(HANGS_AFTER)
            ending = self._ended(name)
            signal.alarm(0)
            self.endings.setdefault(name, Counter())[ending] += 1
            self._look_at_what_is_stored(name, ending)

    def _ended(self, name: str) -> str:
        try:
            self.STEPS[name](self)
        except Hang as hang:
            self.violations.append(f"{name} hangs: {hang}")
            return "hang"
        except (OSError, atomic_store.AtomicStoreError) as error:
            if getattr(error, "filename", None) != self._path and repr(self._path) not in str(error):
                self.violations.append(f"{name}: the error does not name the path: {error!r}")
            return type(error).__name__
        except BaseException as error:
            self.violations.append(f"{name}: {''.join(traceback.format_exception(error))}")
            return type(error).__name__
        return "success"

    def _look_at_what_is_stored(self, name: str, ending: str) -> None:
        """Nothing of the secret gets into what others may read, not even its attributes."""
        try:
            if os.getxattr(self._path, "user.secret", follow_symlinks=False) == MARK and not self._is_secret_itself():
                self.violations.append(f"{name} ended with {ending}, and the file has an attribute of the secret")
        except OSError as error:
            if error.errno not in (errno.ENODATA, errno.ENOENT, errno.EPERM, errno.EACCES, errno.EOPNOTSUPP, errno.ELOOP):
                raise

    def _is_secret_itself(self) -> bool:
        """Whether the stranger has made a hard link to the secret, or a commit has replaced one: its attributes are kept."""
        return stat.S_IMODE(os.lstat(self._path).st_mode) == 0o600

    def _open(self, **options: Any) -> atomic_store.AtomicStore[Any]:
        return atomic_store.open(self._path, 0, **options)

    def _put(self, value: object, **options: Any) -> None:
        store = atomic_store.open(self._path, 0, BLIND, **options)
        store.value = value
        store.commit()

    def _quarantine(self) -> None:
        with warnings.catch_warnings(action="ignore"):
            self._open(on_corrupt="quarantine")

    def _atomic_write(self) -> None:
        with atomic_store.atomic_write(self._path, "w") as file:
            file.write("2")

    def _block(self) -> None:
        with self._open(lock=5) as store:
            store.value = 3

    def _look(self) -> None:
        store = self._open(on_conflict="raise")
        store.changed()
        store.reload()

    STEPS: ClassVar[dict[str, Callable[[Any], object]]] = {
        "open": lambda self: self._open(),
        "commit": lambda self: self._put([1]),
        "commit with on_conflict=raise": lambda self: self._put([2], on_conflict="raise"),
        "commit with lock=": lambda self: self._put([3], lock=5),
        "block with lock=": _block,
        "update()": lambda self: self._open(lock=5).update(lambda value: [value][:1]),
        "delete()": lambda self: self._open().delete(),
        "delete() with lock=": lambda self: self._open(lock=5).delete(),
        "quarantine": _quarantine,
        "atomic_write": _atomic_write,
        "changed() and reload()": _look,
    }


class ThroughTheLink(Victim):
    """A control: it finds out where a link leads, and then does everything right, over there."""

    def _replace(self) -> None:
        real = os.path.realpath(self._path)
        temp = f"{real}.new"
        with open(temp, "w", encoding="utf-8") as file:
            file.write("4")
        os.replace(temp, real)
        with suppress(FileNotFoundError):
            os.unlink(self._path)  # else nobody could plant anything there any more

    STEPS: ClassVar = {"commit": _replace}


class PlainOpen(Victim):
    """A control: it simply opens the path."""

    def _read(self) -> None:
        signal.alarm(1)
        with open(self._path, encoding="utf-8") as file:
            file.read()

    STEPS: ClassVar = {"open": _read}
