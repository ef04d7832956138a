"""The lock that a program was started with, on a descriptor: that of the command `atomic-store run --lock`."""

import os

from ._lock import SidecarLock
from ._tempfile import hidden


def inherit(number: int, real: str) -> SidecarLock | None:
    """Return the lock of this file that this process was started with on a descriptor; None: that is no lock of this file.

    release() forgets it and unlocks nothing: the parent process shares the open file description.
    """
    sidecar = hidden(real, ".lock")
    try:
        own, status = os.fstat(number), os.lstat(sidecar)
    except (OSError, OverflowError):
        return None
    if (own.st_dev, own.st_ino) != (status.st_dev, status.st_ino):
        return None
    lock = SidecarLock()
    lock.path, lock.key = sidecar, (own.st_dev, own.st_ino)
    return lock
