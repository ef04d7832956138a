"""JSON, by the standard library: UTF-8 text that people can read and mend.

Cannot hold: bytes, sets, datetimes, objects (TypeError at commit); NaN and infinities are written
as NaN and Infinity, which Python reads back and other programs may refuse. Comes back as something
else: a tuple as a list, keys that are int, float, bool or None as str (1 and "1" become one key).
Of all single flipped bits a quarter to a half still load, as another value.
"""

from __future__ import annotations

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

label = "json"
streams = False
objects = False
damage = (json.JSONDecodeError, UnicodeDecodeError)
text = True

SIZE = 1_000_000  # bytes; whatever replaces less is taken for small unless it has a long container
LONG = 1000  # items; to weigh a value with so many takes no time beside writing it
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
            from ._large_json import pieces  # here: only a value that may be large needs it

            for piece in pieces(value, kwargs):
                file.write(piece)
        elif kwargs.get("cls") is not None:
            json.dump(value, file, **kwargs)  # a class of one's own may change iterencode(), which only this calls
        else:
            # One dumps() and one write: json.dump() is 1.9 times slower, for the C encoder only serves dumps().
            file.write(json.dumps(value, **kwargs))
    except TypeError as error:
        from ._typed import hint  # here: only a value that JSON cannot hold needs it

        hint(error, value)
        raise


def load(file: Any, **kwargs: Any) -> Any:
    """Read a value; keywords are those of json.loads. A byte order mark is taken, UTF-16 is refused."""
    text = _text(file.read())
    return json.loads(text, **kwargs)


def _text(content: Any) -> Any:
    # Decoded here: json.loads() would guess UTF-16 and UTF-32 as well, and half a file of those can look
    # like another; and it would keep the bytes beside the text. The mark is cut by hand, for the codec
    # "utf-8-sig" is one more module to import.
    if isinstance(content, str):
        return content.removeprefix("\ufeff")
    return str(content.removeprefix(b"\xef\xbb\xbf"), "utf-8")


def is_large(value: Any, before: int | None) -> bool:
    """Return whether a value may be large: it replaces one that was, or has a long container near its top."""
    return (before or 0) >= SIZE or _has_a_long_one(value)


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
