"""The values that are kept: records as a program gathers them, no two alike."""

from __future__ import annotations

import json
from typing import Any


def record(number: int) -> dict[str, Any]:
    """Make one record: 134 bytes of JSON, of text, numbers, a list and a truth value."""
    return {
        "name": f"Zürich {number:07}",
        "number": number,
        "runs": [number, number + 22, number + 333],
        "half": number / 2,
        "open": True,
        "note": "nothing to be seen here, go on",
    }


RECORD = len(json.dumps(record(1_000_000))) + 2


def value_of(size: int) -> dict[str, Any]:
    """Make a value that is about `size` bytes of JSON; from 200 MB up its records are the same 1000, again and again.

    To a JSON encoder that makes no difference, and the value takes up a hundredth of the memory.
    """
    count = max(1, size // RECORD)
    if size < 200_000_000:
        return {"turn": 0, "stations": [record(number) for number in range(count)]}
    some = [record(number) for number in range(1000)]
    return {"turn": 0, "stations": (some * (count // 1000 + 1))[:count]}
