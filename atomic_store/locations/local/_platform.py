"""What Windows and macOS need for a durable commit, by atomicwrites: MoveFileEx and F_FULLFSYNC. Not loaded elsewhere.

Windows also needs patience with other programs, and long paths in a form of their own. Written by Microsoft's and
Apple's documents and tested with simulated errors; it was not run on either system.
"""

import os
import sys
import time

import atomicwrites

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

DELAYS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.0)
"""Seconds between the tries: 2.3 in all, longer than a virus scanner or an indexer keeps a small file open."""

IN_USE = (5, 32, 33)
"""ERROR_ACCESS_DENIED, ERROR_SHARING_VIOLATION, ERROR_LOCK_VIOLATION (Microsoft, System Error Codes).

A file that somebody has open without FILE_SHARE_DELETE can be neither replaced nor deleted, and MoveFileEx calls that
the first or the second. The first is also what a lasting lack of permission is called: it is reported after the last try.
"""

LONGEST = 220
"""Characters of a path that leave room below MAX_PATH, 260 with the end, for what the names beside it have more."""


class _Synced:
    """An open descriptor as the file that AtomicWriter.sync() takes."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def fileno(self) -> int:
        return self._fd

    def flush(self) -> None:
        """Do nothing: all was written to the descriptor itself."""


_sync: "Any" = atomicwrites.AtomicWriter("", mode="wb").sync  # fsync; on macOS F_FULLFSYNC


def fsync(fd: int) -> None:
    """Sync an open file or directory. On macOS the plain system call leaves it in the cache of the drive."""
    _sync(_Synced(fd))


def replace(source: str, target: str, dir_fd: int | None) -> None:
    """Rename a file over another one in the same directory."""
    if on_windows():
        patiently(atomicwrites.replace_atomic, source, target)
    else:
        os.replace(source, target, src_dir_fd=dir_fd, dst_dir_fd=dir_fd)


def link(source: str, target: str, dir_fd: int | None) -> None:
    """Make another name for a file in the same directory; FileExistsError if it is taken. The first name may go or stay."""
    if on_windows():
        patiently(atomicwrites.move_atomic, source, target)
    else:
        os.link(source, target, src_dir_fd=dir_fd, dst_dir_fd=dir_fd)


def unlink(path: str, dir_fd: int | None) -> None:
    """Remove a name."""
    if on_windows():
        patiently(os.unlink, path)
    else:
        os.unlink(path, dir_fd=dir_fd)


def on_windows() -> bool:
    """Return whether this is Windows, where no directory can be opened or synced: MoveFileEx makes renames durable."""
    return sys.platform == "win32"


def patiently(step: "Callable[..., Any]", *args: "Any") -> None:
    """Make one change of names; while another program has the file open, try again for 2.3 seconds.

    Raises:
        PermissionError: it was open all the time, or may not be changed at all.
        OSError: whatever else the step raises, at once.
    """
    for delay in DELAYS:
        try:
            step(*args)
        except OSError as error:
            if getattr(error, "winerror", None) not in IN_USE:
                raise
        else:
            return
        time.sleep(delay)
    try:
        step(*args)
    except OSError as error:
        if getattr(error, "winerror", None) in IN_USE:
            error.add_note(f"tried for {sum(DELAYS):.1f} s: another program has the file open, or it is read-only")
        raise


def extended(path: str) -> str:
    r"""Return an absolute, normalised path in a form that may be longer than MAX_PATH.

    Microsoft, "Maximum Path Length Limitation": the prefix \\?\ lifts the limit, \\?\UNC\ for a share on
    a server, and nothing after it is normalised any more.
    """
    if len(path) <= LONGEST or path.startswith(("\\\\?\\", "\\\\.\\")):
        return path
    return "\\\\?\\UNC\\" + path[2:] if path.startswith("\\\\") else "\\\\?\\" + path
