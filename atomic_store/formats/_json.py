"""JSON, by the standard library: UTF-8 text that people can read and mend.

Cannot hold: bytes, sets, datetimes, objects (TypeError at commit); NaN and infinities are written
as NaN and Infinity, which Python reads back and other programs may refuse. Comes back as something
else: a tuple as a list, keys that are int, float, bool or None as str (1 and "1" become one key).
Of all single flipped bits a quarter to a half still load, as another value.
"""

from __future__ import annotations

import json
from itertools import compress, islice

from ._codec import decode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

streams = False
objects = False
simple = True
damage = (json.JSONDecodeError, UnicodeDecodeError)
text = True

SIZE = 1_000_000  # bytes; whatever replaces less is taken for small unless it has a long container
LONG = 1000  # items; to weigh a value with so many takes no time beside writing it
LARGE = 200_000  # leaves, some 2 MB of text: below, one json.dumps() is as fast and simpler
PIECEWISE = {"ensure_ascii", "allow_nan", "separators"}  # the keywords that change each item alike, wherever it stands
# Exactly these: what a subclass makes of itself is its own affair.
CONTAINERS: frozenset[Any] = frozenset((dict, list, tuple))
SAMPLE, DEPTH = 3, 4  # how many items of a container, and how deep, are looked at to guess its weight


def public() -> Any:
    """What `store.format` shows."""
    return json


def dump(value: Any, file: Any, **kwargs: Any) -> None:
    """Write the value; keywords are those of json.dumps."""
    try:
        if kwargs.keys() <= PIECEWISE and is_large(value, file.before):
            from ._json_batches import pieces  # here: only a large value needs it

            for piece in pieces(value, kwargs):
                file.write(piece)
        elif kwargs.get("cls") is not None:
            json.dump(value, file, **kwargs)  # a class of one's own may change iterencode(), which only this calls
        else:
            # One dumps() and one write: json.dump() is 1.9 times slower, for the C encoder only serves dumps().
            file.write(json.dumps(value, **kwargs))
    except TypeError as error:
        _hint(error, value)
        raise


def load(file: Any, **kwargs: Any) -> Any:
    """Read a value; keywords are those of json.loads. A byte order mark is taken, UTF-16 is refused."""
    text = _text(file.read())
    return decode(len(text), json.loads, text, **kwargs)


def _text(content: Any) -> Any:
    # Decoded here: json.loads() would guess UTF-16 and UTF-32 as well, and half a file of those can look
    # like another; and it would keep the bytes beside the text. The mark is cut by hand, for the codec
    # "utf-8-sig" is one more module to import.
    if isinstance(content, str):
        return content.removeprefix("\ufeff")
    return str(content.removeprefix(b"\xef\xbb\xbf"), "utf-8")


def is_large(value: Any, before: int | None) -> bool:
    """Guess whether a value is large; `before` is the size of what it replaces in bytes, None: not known.

    A value of many parts takes as long to weigh as to write. So what replaces little, or nothing, is
    weighed only if there is something long in it.
    """
    return ((before or 0) >= SIZE or _has_a_long_one(value)) and weight(value, LARGE) >= LARGE


def _has_a_long_one(value: Any) -> bool:
    """Say whether there is a long container near the top, as in whatever grows large by and by."""
    level = [value]
    for _ in range(DEPTH):
        inside: list[Any] = []
        left = SAMPLE
        for item in level:  # not by the means of weight(): to set those up takes longer than so few items do
            if item.__class__ in CONTAINERS:
                if len(item) >= LONG:
                    return True
                if left:
                    left -= 1
                    inside += item.values() if item.__class__ is dict else item
        if not inside:
            break
        level = inside
    return False


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


_MARKS = ("__dataclass_fields__", "__attrs_attrs__", "__struct_fields__", "__pydantic_fields__", "isoformat", "__members__")
_KEPT_BY_TYPE = ("set", "frozenset", "bytes", "bytearray", "timedelta", "Decimal", "UUID")


def _hint(error: TypeError, value: Any) -> None:
    """Add the way out to a TypeError about an object that type= can store."""
    waiting: list[Any] = [value]
    seen: set[int] = set()
    while waiting:
        item = waiting.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        kind: Any = item.__class__
        if issubclass(kind, (str, int, float)):
            continue  # JSON has these, and members of a StrEnum or IntEnum pass as such
        if any(hasattr(kind, mark) for mark in _MARKS) or kind.__name__ in _KEPT_BY_TYPE:
            error.add_note(
                f"JSON has no {kind.__name__}, but open(..., type=...) with the type of the whole value stores and "
                'loads it as such: pip install "atomic_store[typed]"'
            )
            return
        if isinstance(item, dict):
            waiting += [*item.keys(), *item.values()]
        elif isinstance(item, list | tuple):
            waiting += item
