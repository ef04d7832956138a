"""Changes of a local file other than a commit: delete it, move it aside, and clean up after killed programs."""

from __future__ import annotations

import errno
import itertools
import os
import re
import stat
import sys
import time

from ._tempfile import NO_LINKS, SAFE, Descriptor, durably, flock, hidden, on_windows, shortened, split

TYPE_CHECKING = False
if TYPE_CHECKING:
    from . import LocalFile

STALE_AFTER = 60  # seconds; a younger temp may belong to a writer that has not locked it yet

_NO_TEMP = (errno.ENOENT, errno.ELOOP, errno.EMLINK, errno.EISDIR, errno.ENXIO)  # it is gone, or no plain file


def remove(real: str, place: LocalFile) -> None:
    """Delete a file and make that durable; that there is none is no error, and is made durable too."""
    try:
        durably(_unlink, real, real=real, name=place.path, fsync=place.fsync, version=None)
    except FileNotFoundError:
        return  # not even a directory


def _unlink(real: str) -> None:
    try:
        if on_windows():
            from ._windows import patiently

            patiently(os.unlink, real)
        else:
            os.unlink(real)
    except FileNotFoundError:
        pass  # by an earlier delete() of ours, perhaps, whose sync has failed


def move_aside(real: str, place: LocalFile) -> str:
    """Rename a file to `NAME.corrupt-<UTC time>`, durably and never over another one; give the new path."""
    stamp = f".corrupt-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}"
    directory, name = split(real)
    suffixes = (f"{stamp}-{count}" if count else stamp for count in itertools.count())
    paths = (f"{directory}{shortened(name, suffix, directory)}{suffix}" for suffix in suffixes)
    aside = next(path for path in paths if not os.path.lexists(path))
    durably(_move, real, aside, real=real, name=place.path, fsync=place.fsync, version=None)
    return aside


def _move(real: str, aside: str) -> None:
    try:
        os.link(real, aside)  # link(2) replaces nothing
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        os.rename(real, aside)  # FAT and the like; the name was free a moment ago, and we hold the lock
    else:
        os.unlink(real)


def sweep(real: str) -> None:
    """Remove the temps that crashed writers of this very file have left; call with its lock held.

    A temp is left alone while it is younger than STALE_AFTER or locked by its writer. What cannot
    be removed stays: house-keeping fails no commit.
    """
    try:
        clean(real)
    except OSError:
        pass


def clean(real: str, dry_run: bool = False) -> list[tuple[str, OSError | None]]:
    """Do what sweep() does, or only look for it; give each stale temp, with the error if it cannot be removed.

    Raises:
        OSError: the directory cannot be read.
    """
    found: list[tuple[str, OSError | None]] = []
    for temp in _temps(real):
        try:
            if _clean_one(temp, dry_run) is None:
                found.append((temp, None))
        except OSError as error:
            found.append((temp, error))
    return found


def left_by_clean(real: str) -> list[tuple[str, str]]:
    """Return the temps that clean() leaves alone, each with the reason.

    Raises:
        OSError: the directory cannot be read.
    """
    found: list[tuple[str, str]] = []
    for temp in _temps(real):
        try:
            reason = _clean_one(temp, dry_run=True)
        except OSError:
            continue  # clean() has reported it
        if reason:
            found.append((temp, reason))
    return found


def _temps(real: str) -> list[str]:
    """Return the paths that may be temps of writers of this very file."""
    directory, prefix = split(hidden(real, f".{'0' * 16}.tmp"))
    pattern = re.compile(re.escape(prefix.removesuffix(f"{'0' * 16}.tmp")) + r"[0-9a-f]{16}\.tmp")
    return [os.path.join(directory, name) for name in sorted(filter(pattern.fullmatch, os.listdir(directory)))]


def _clean_one(temp: str, dry_run: bool) -> str | None:
    """Remove a temp, or only look at it. Return why it is left alone ("": it is no temp, or gone), None if it is stale."""
    descriptor = Descriptor()
    try:
        number = descriptor.open(temp, os.O_RDWR | SAFE)
        status = os.fstat(number)
        if not stat.S_ISREG(status.st_mode):
            return ""
        if time.time() - status.st_mtime < STALE_AFTER:
            return "younger than a minute"
        try:
            flock(number, wait=False)
        except OSError:
            return "locked by a program at work, or not to be locked at all"
        if dry_run:
            return None
        if on_windows():
            descriptor.close()  # what is open cannot be deleted there
        os.unlink(temp)
    except OSError as error:
        if error.errno in _NO_TEMP:
            return ""
        raise
    finally:
        descriptor.close()
    if "logging" in sys.modules:  # see log.py
        from ...log import warn

        warn("removed %r, which a writer that was killed has left", temp)
    return None
