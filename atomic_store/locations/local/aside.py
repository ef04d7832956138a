"""Moving a file aside: renamed under a free name beside it, for a store that quarantines what no format can read."""

import os
import time

from .. import conflict
from ._tempfile import CREATE, Descriptor, Directory, fitted, link, replace, unlink, works

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from . import Change


def move_aside(change: "Change", version: object, given: "Any", look: "Callable[[str], object]") -> str:
    """Rename the file of a change, which holds the lock, and return the new path; see LocalFile.set_aside.

    Args:
        change: the change, which has compared the file.
        version: what the file should be.
        given: the path as the program spelled it.
        look: returns the version of the file at a path.
    """
    directory, name = change.find(), change.name
    aside, reserved = _reserve(directory, name, f".corrupt-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}")
    try:
        replace(directory.prefix + name, directory.prefix + aside, directory.dir_fd)
    except BaseException as error:
        # After an interrupt it may be what was renamed, which nothing deletes.
        if os.stat(directory.prefix + aside, dir_fd=directory.dir_fd, follow_symlinks=False).st_ino == reserved:
            unlink(directory.prefix + aside, directory.dir_fd)
        if isinstance(error, FileNotFoundError):
            raise conflict(given, version, None) from None
        raise
    found = look(directory.path + aside)
    if found != version:
        # A program that takes no lock has replaced the file since it was compared: nothing of it may be lost.
        kept = name if _move_back(directory, aside, name) else aside
        raise conflict(given, version, found, f" What was found there is {directory.path + kept!r}.")
    change.sync(None)
    return directory.path + aside


def _reserve(directory: Directory, name: str, suffix: str) -> tuple[str, int]:
    """Create an empty file under the first free name, which a rename then replaces; return the name, and the inode."""
    file, number, inode = Descriptor(), 0, None
    while True:
        marked = f"{suffix}-{number}" if number else suffix
        aside = fitted(name, marked, directory.path) + marked
        try:
            inode = os.fstat(file.open(directory.prefix + aside, CREATE, 0o600, directory.dir_fd)).st_ino
            file.close()
            return aside, inode
        except FileExistsError:
            number += 1
        except BaseException:
            if file or inode is not None:
                file.close()
                unlink(directory.prefix + aside, directory.dir_fd)
            raise


def _move_back(directory: Directory, aside: str, name: str) -> bool:
    """Rename a file back unless that was taken meanwhile; return whether."""
    if not works(lambda: link(directory.prefix + aside, directory.prefix + name, directory.dir_fd)):
        return False
    unlink(directory.prefix + aside, directory.dir_fd)
    return True
