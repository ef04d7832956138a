"""The kernel's lock on an open file: it ends with its holder, whatever happens to that."""

from __future__ import annotations

import errno

fcntl: Any
try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

WOULD_BLOCK = (errno.EAGAIN, errno.EACCES, errno.EDEADLK)
"""Somebody else holds it: flock(2) says the first, msvcrt.locking the others."""

NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL, errno.EBADF)
"""This file cannot be locked; EBADF: NFS, where only a file open for writing can."""


def flock(descriptor: int, wait: bool) -> None:
    """Lock the open file; where the system cannot wait by itself, one of WOULD_BLOCK says to ask again.

    Raises:
        OSError: WOULD_BLOCK: somebody else holds it; NO_LOCKS: it cannot be locked.
    """
    if fcntl is not None:
        fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    else:
        import msvcrt  # its LK_LOCK gives up after ten tries, one a second (Microsoft, _locking)

        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]  # seen only on Windows


def unlock(descriptor: int) -> None:
    """Give the lock back even where a copy of the descriptor lives on, in a child that nobody has told to close it."""
    if fcntl is not None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
    else:
        import msvcrt

        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)  # type: ignore[attr-defined]  # as above
