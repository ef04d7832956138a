"""Names of the files that stand beside a data file."""

from __future__ import annotations

import os


def beside(real: str, tail: str) -> str:
    """Give the path `.NAME` + tail in the directory of `real`, however long NAME is.

    A NAME that leaves no room for the tail is cut and told apart by a hash of the whole of it;
    the same file has the same hidden name in every process.
    """
    directory, name = os.path.split(real)
    return with_tail(os.path.join(directory, f".{name}"), tail)


def with_tail(path: str, tail: str) -> str:
    """Give the path with a tail to its name, which is cut and told apart by a hash where there is no room."""
    directory, name = os.path.split(path)
    # 100: even eCryptfs, the shortest in use, allows names of 143 bytes; asking costs a system call.
    if len(os.fsencode(name)) > 100:
        room = _name_max(directory) - len(tail)
        if len(os.fsencode(name)) > room:
            import hashlib  # here: 2 ms that only a very long name pays

            mark = "~" + hashlib.blake2b(os.fsencode(name), digest_size=8).hexdigest()
            while len(os.fsencode(name)) > room - len(mark):  # by characters: half a one is no name everywhere
                name = name[:-1]
            name += mark
    return os.path.join(directory, name + tail)


def _name_max(directory: str) -> int:
    """Say how many bytes a name in this directory may have (pathconf(3), _PC_NAME_MAX)."""
    if not hasattr(os, "pathconf"):
        return 255
    return os.pathconf(directory, "PC_NAME_MAX")
