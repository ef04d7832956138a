"""JSON Lines for atomic_store: a list of records, one on each line.

Cannot hold: anything but a list at the top, and in it what JSON cannot hold. An empty list is an
empty file. A file that was cut behind a line loads as a shorter list.
"""

from __future__ import annotations

import json
from typing import Any


def dump(value: list[Any], file: Any, **kwargs: Any) -> None:
    """Write each record on a line; keywords are those of json.dumps."""
    if type(value) is not list:
        raise TypeError(f"JSON Lines should hold a list, not {type(value).__name__}")
    for record in value:
        line = json.dumps(record, **kwargs)
        if "\n" in line:
            raise ValueError("a record should be one line: leave out indent")
        file.write(f"{line}\n")


def load(file: Any, **kwargs: Any) -> list[Any]:
    """Read a list of records; keywords are those of json.loads."""
    content: bytes = file.read()
    *lines, rest = content.decode().split("\n")
    if rest:
        raise ValueError("the last line has no end")
    return [json.loads(line, **kwargs) for line in lines]
