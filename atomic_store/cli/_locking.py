"""The locks of `run`, which its command and the commands of atomic-store inside it hold as well.

A lock of flock(2) belongs to the open file description, which a child process shares if it inherits the descriptor.
The variable ATOMIC_STORE_LOCK says which descriptors those are, separated by commas: one for each `run` around.
"""

from __future__ import annotations

import os
import sys

from ..errors import LockError
from ..store import locate
from ._terminal import CommandError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

VARIABLE = "ATOMIC_STORE_LOCK"

_kept: list[Any] = []  # a lock that nothing refers to is forgotten


def run_locked(place: str, timeout: float | None, command: list[str]) -> NoReturn:
    """Replace this program by a command that holds the lock of a place.

    Raises:
        LockError: there are no locks at the place (LockTimeout: another program held it for too long).
        CommandError: the command cannot be run.
    """
    if not command:
        raise CommandError(2, "the command is missing: atomic-store run --lock STORE -- COMMAND")
    location: Any = locate(place)
    if not location.has_lock:
        raise LockError(f"there are no locks at {place!r}; `set` and `edit` lose no change there without one")
    if not inherit_lock(location):
        lock = location.lock(timeout)
        os.set_inheritable(lock.fileno(), True)
        os.environ[VARIABLE] = ",".join(map(str, [*_inherited(), lock.fileno()]))
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    try:
        os.execvp(command[0], command)  # noqa: S606 - it is the user's own command
    except OSError as error:
        code = 127 if isinstance(error, FileNotFoundError) else 126
        raise CommandError(code, f"the command {command[0]!r} cannot be run: {error.strerror}") from error


class Locked:
    """The lock of a place, unless it has none or this program holds it already."""

    def __init__(self, location: Any) -> None:
        self._location = location
        self._lock: Any = None

    def __enter__(self) -> None:
        if self._location.has_lock and not inherit_lock(self._location):
            try:
                self._lock = self._location.lock()
            except LockError as error:
                from ..locations.local import NO_LOCKS

                if getattr(error.__cause__, "errno", None) not in NO_LOCKS:
                    raise
                # The file system has no locks, so no program holds one.

    def __exit__(self, *_: object) -> None:
        if self._lock is not None:
            self._lock.release()


def inherit_lock(location: Any) -> bool:
    """Return whether this program was started with the lock of a place. From then on, writing there takes no lock."""
    for descriptor in _inherited() if location.has_lock else ():
        lock = location.inherit_lock(descriptor)
        if lock is not None:
            _kept.append(lock)
            return True
    return False


def _inherited() -> list[int]:
    """Return the descriptors that the variable lists. Any of them may be closed, or another file's by now."""
    return [int(number) for number in os.environ.get(VARIABLE, "").split(",") if number.isdecimal()]
