"""Large values as JSON, piece by piece: the text of json.dumps() without holding all of it.

json.dumps() is fast because its C encoder makes one text, and json.dump() is slow because it does not use
it. Here the C encoder works on batches, and containers too large for one are taken apart. Above
some megabytes this is faster than json.dumps() as well, for there is no giant text to be joined.
"""

from __future__ import annotations

import json
from itertools import islice

from ._json import weight

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    Encode = Callable[[Any], str]

BATCH = 2048  # items handed to the C encoder at once, at most
LEAVES = 20_000  # of which, with all that is inside them, there should be so many, or some 200 KB of text


def pieces(value: Any, keywords: dict[str, Any]) -> Iterator[str]:
    """Give the text of json.dumps(value, **keywords) in pieces.

    Args:
        value: what json.dumps() takes.
        keywords: some of those that change each item alike, wherever it stands.

    Raises:
        Exception: what json.dumps() raises.
    """
    encoder = json.JSONEncoder(**keywords)
    return _pieces(value, weight(value), encoder.encode, encoder.item_separator, set())


def _pieces(value: Any, leaves: int, encode: Encode, comma: str, outside: set[int]) -> Iterator[str]:
    if leaves <= LEAVES:
        yield encode(value)
        return
    if id(value) in outside:
        raise ValueError("Circular reference detected")  # in the words of json
    outside.add(id(value))
    kind: Any = value.__class__
    mapping = kind is dict
    yield "{" if mapping else "["
    between = ""
    for batch in _batches(value, max(1, min(BATCH, LEAVES * len(value) // leaves))):
        if leaves == len(value) or weight(batch) <= 2 * LEAVES:
            yield between + encode(batch)[1:-1]
        else:
            for item in batch:
                # The key as the encoder writes it: {"key": 0} without the brace and the 0}.
                yield between + (encode({item: 0})[1:-2] if mapping else "")
                inside = batch[item] if mapping else item
                yield from _pieces(inside, weight(inside), encode, comma, outside)
                between = comma
        between = comma
    yield "}" if mapping else "]"
    outside.remove(id(value))


def _batches(value: Any, size: int) -> Iterator[Any]:
    """Cut a container into smaller ones of the same kind."""
    kind: Any = value.__class__
    if kind is dict:
        items = iter(value.items())
        while batch := dict(islice(items, size)):
            yield batch
    else:
        for start in range(0, len(value), size):
            yield value[start : start + size]
