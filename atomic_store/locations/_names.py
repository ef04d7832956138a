"""Names of the files that stand beside a data file."""

from __future__ import annotations

import os


def beside(real: str, tail: str) -> str:
    """Give the path `.NAME` + tail in the directory of `real`, however long NAME is.

    A NAME that leaves no room for the tail is cut and told apart by a hash of the whole of it;
    the same file has the same hidden name in every process.
    """
    directory, name = split(real)
    return f"{directory}{_with_room('.' + name, tail, directory)}{tail}"


def with_tail(path: str, tail: str) -> str:
    """Give the path with a tail to its name, which is cut and told apart by a hash where there is no room."""
    directory, name = split(path)
    return f"{directory}{_with_room(name, tail, directory)}{tail}"


def split(path: str) -> tuple[str, str]:
    """Give the directory of an absolute path, with the separator at its end, and the name in it."""
    name = path.rpartition(os.sep)[2]
    return path[: len(path) - len(name)], name


def _with_room(name: str, tail: str, directory: str) -> str:
    # 100: even eCryptfs, the shortest in use, allows names of 143 bytes; asking costs a system call.
    if len(os.fsencode(name)) > 100:
        room = _name_max(directory) - len(tail)
        if len(os.fsencode(name)) > room:
            import hashlib  # here: 2 ms that only a very long name pays

            mark = "~" + hashlib.blake2b(os.fsencode(name), digest_size=8).hexdigest()
            while len(os.fsencode(name)) > room - len(mark):  # by characters: half a one is no name everywhere
                name = name[:-1]
            name += mark
    return name


def _name_max(directory: str) -> int:
    """Say how many bytes a name in this directory may have (pathconf(3), _PC_NAME_MAX)."""
    if not hasattr(os, "pathconf"):
        return 255
    return os.pathconf(directory, "PC_NAME_MAX")
