"""Large values as JSON, piece by piece: the text of json.dumps() without holding all of it.

json.dumps() is fast because its C encoder makes one text, and json.dump() is slow because it does not use
it. Here the C encoder works on batches, and containers too large for one are taken apart. Above
some megabytes this is faster than json.dumps() as well, for there is no giant text to be joined.
"""

from __future__ import annotations

import json
from itertools import compress, islice

from ._json import CONTAINERS, DEPTH, SAMPLE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    Encode = Callable[[Any], str]

TEXT = 1 << 16  # characters that a batch should make: with them and its items, the encoder stays in the processor's cache
FIRST = 128  # items of the first batch, whose text tells how many the next one should have
LARGE = 200_000  # leaves, some 2 MB of text: below, one json.dumps() is as fast and simpler
LEAVES = 20_000  # whatever has more of them, or some 200 KB of text, is taken apart


def pieces(value: Any, keywords: dict[str, Any]) -> Iterator[str]:
    """Give the text of json.dumps(value, **keywords) in pieces.

    Args:
        value: what json.dumps() takes.
        keywords: some of those that change each item alike, wherever it stands.

    Raises:
        Exception: what json.dumps() raises.
    """
    if weight(value, LARGE) < LARGE:
        return iter((json.dumps(value, **keywords),))
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


def weight(value: Any, enough: int, depth: int = DEPTH) -> int:
    """Guess how many leaves a value has, from a few of its items at each level, and from its longest ones.

    Once it is `enough`, nothing more is looked at: each item of a large value that is touched has to come from memory.
    """
    kind: Any = value.__class__
    if kind not in CONTAINERS or not value:
        return 1
    count = len(value)
    if count >= enough or depth == 0:
        return count
    items: Any = value.values() if kind is dict else value
    # This and the search for the longest run in C, and without a list of the items.
    if CONTAINERS.isdisjoint(map(type, items)):
        return count
    step = count // SAMPLE + 1
    some: list[Any] = list(islice(items, 0, None, step) if kind is dict else items[::step])
    guess = count * sum([weight(item, enough, depth - 1) for item in some]) // len(some)
    if guess >= enough or len(some) == count:
        return guess
    longest = max(_inside(value), key=len)
    return max(guess, count + weight(longest, enough, depth - 1))


def _inside(container: Any) -> Any:
    """Give those of the items that are containers."""
    items = container.values() if container.__class__ is dict else container
    return compress(items, map(CONTAINERS.__contains__, map(type, items)))
