"""A file descriptor that no interrupt can lose."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


CAREFUL: int = sum(getattr(os, name, 0) for name in ("O_CLOEXEC", "O_NOFOLLOW", "O_NONBLOCK", "O_NOCTTY", "O_BINARY"))
"""Flags for os.open, as far as the system has them: inherited by no program, led by no link, never hanging."""


class Descriptor:
    """At most one file descriptor, owned from the instant the kernel makes it.

    `fd = os.open(...)` loses it when a signal handler raises between the call and the assignment:
    Python looks for signals exactly there. Here the number is stored before the interpreter's next
    look, by the C code of list.extend().

    A finalizer is such a place too, and there what a handler raises is thrown away. So only an open
    descriptor has one: the class changes with the state.
    """

    __slots__ = ("_numbers",)

    def __init__(self) -> None:
        self._numbers: list[int] = []

    def __reduce__(self) -> Any:
        """Refuse to be copied or pickled: a second owner of one number would close it under the first, or a stranger's."""
        raise TypeError("an open file of a store, such as its lock, cannot be copied or pickled")

    def take(self, call: Callable[[str, int, int], int], path: str, flags: int, mode: int = 0o777) -> int:
        """Own and return what call(path, flags, mode), an os.open, gives."""
        self.__class__ = _Open  # pyright: ignore[reportAttributeAccessIssue]  # the same layout: with the finalizer
        self._numbers.extend(map(call, (path,), (flags,), (mode,)))
        return self._numbers[0]

    def __bool__(self) -> bool:
        """Say whether it is open."""
        return bool(self._numbers)

    def fileno(self) -> int:
        """Give the number; ValueError once it is closed."""
        if not self._numbers:
            raise ValueError("the file is closed")
        return self._numbers[0]

    def flush(self) -> None:
        """Do nothing: a descriptor has no buffer. AtomicWriter.sync() asks for it."""

    def close(self) -> None:
        """Close what was written to, once; closing again does nothing."""
        self.__class__ = Descriptor  # pyright: ignore[reportAttributeAccessIssue]  # and without it again
        if self._numbers:
            # Forgotten first, without a call in between: closing one number twice closes a stranger's file.
            number, self._numbers = self._numbers[0], []
            os.close(number)

    def let_go(self) -> None:
        """Close what was only read, locked or synced: an error of that close tells nothing, and shall not mask success."""
        try:
            self.close()
        except OSError:
            pass


class _Open(Descriptor):
    """A descriptor that is closed when nobody holds it any more."""

    __slots__ = ()

    __del__ = Descriptor.let_go
