"""What the disk has logged: writes, flushes, marks and failures, in the order in which it answered."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

HEAD = struct.Struct("=c3xIQ")  # `struct head` of disk.c


class Write(NamedTuple):
    """Bytes that the disk took, and may keep in its cache until the next flush."""

    offset: int
    data: bytes


class Flush(NamedTuple):
    """All writes before it are safe."""


class Mark(NamedTuple):
    """What the program under attack wrote between two of its steps."""

    text: str


class Failure(NamedTuple):
    """A write or a flush that the disk refused with EIO; nothing of it was kept."""

    is_write: bool
    offset: int


Record = Write | Flush | Mark | Failure


class LogError(ValueError):
    """The log is not one of disk.c, or ends within a record."""


def parse(log: bytes) -> Iterator[Record]:
    """Give the records of a log.

    Raises:
        LogError: it is cut off, or holds something else.
    """
    position = 0
    while position < len(log):
        if len(log) - position < HEAD.size:
            raise LogError(f"the log should end with a whole record, and ends within a head, at byte {position}")
        kind, length, offset = HEAD.unpack_from(log, position)
        position += HEAD.size
        data = log[position : position + length]
        if len(data) != length:
            raise LogError(f"the log should end with a whole record, and lacks {length - len(data)} bytes of the last")
        position += length
        if kind == b"W":
            yield Write(offset, data)
        elif kind == b"F":
            yield Flush()
        elif kind == b"M":
            yield Mark(data.decode())
        elif kind in b"wf":
            yield Failure(kind == b"w", offset)
        else:
            raise LogError(f"the log should hold W, F, M, w and f, and has {kind!r} before byte {position}")


def until(records: Iterator[Record], mark: str) -> list[Record]:
    """Give the records before the first such mark.

    Raises:
        LogError: there is none: the recording did not come to its end.
    """
    kept: list[Record] = []
    for record in records:
        if isinstance(record, Mark) and record.text == mark:
            return kept
        kept.append(record)
    raise LogError(f"the log should have the mark {mark!r}, and has none")
