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

TEXT = 1 << 16  # characters that a batch should make: with them and its items, the encoder stays in the processor's cache
FIRST = 128  # items of the first batch, whose text tells how many the next one should have
LEAVES = 20_000  # whatever has more of them, or some 200 KB of text, is taken apart


def pieces(value: Any, keywords: dict[str, Any]) -> Iterator[str]:
    """Give the text of json.dumps(value, **keywords) in pieces.

    Args:
        value: what json.dumps() takes.
        keywords: some of those that change each item alike, wherever it stands.

    Raises:
        Exception: what json.dumps() raises.
    """
    encoder = json.JSONEncoder(**keywords)
    return _pieces(value, encoder.encode, encoder.item_separator, set())


def _pieces(value: Any, encode: Encode, comma: str, outside: set[int]) -> Iterator[str]:
    if weight(value, LEAVES + 1) <= LEAVES:
        yield encode(value)
        return
    if id(value) in outside:
        raise ValueError("Circular reference detected")  # in the words of json
    outside.add(id(value))
    kind: Any = value.__class__
    mapping = kind is dict
    yield "{" if mapping else "["
    between = ""
    make: Any = dict if mapping else list
    size, items = FIRST, iter(value.items() if mapping else value)
    while batch := make(islice(items, size)):
        if weight(batch, LEAVES + 1) <= LEAVES:
            text = encode(batch)[1:-1]
            yield between + text
            size = min(4 * size, len(batch) * TEXT // len(text) + 1, LEAVES)
        else:
            for item in batch:
                # The key as the encoder writes it: {"key": 0} without the brace and the 0}.
                yield between + (encode({item: 0})[1:-2] if mapping else "")
                yield from _pieces(batch[item] if mapping else item, encode, comma, outside)
                between = comma
            size = max(1, size // 4)
        between = comma
    yield "}" if mapping else "]"
    outside.remove(id(value))
