"""JSON, by the standard library: UTF-8 text that people can read and mend.

Cannot hold: bytes, sets, datetimes, objects (TypeError at commit); NaN and infinities are written
as NaN and Infinity, which Python reads back and other programs may refuse. Comes back as something
else: a tuple as a list, keys that are int, float, bool or None as str (1 and "1" become one key).
Of all single flipped bits a quarter to a half still load, as another value.

`import json` costs 6 ms, 5 of them for `re` and `enum`. A small value needs none of that: its C accelerator, the module
`_json`, encodes and scans by itself. It is used while the program has not loaded json, without keywords, on CPython
versions whose sources were read. What it cannot read goes to json, which raises in its own words.
"""

# What users store is anything: its type is not known here.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false

import io
import sys

from ..errors import LoadError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

label = "json"
text = True
objects = False
streams = False

SIZE = 200_000  # bytes; a value that replaces less is taken for small unless it has a long container
LITTLE = 500  # bytes; what replaces less may have been gathered at once, what replaces more has mostly grown from it
LONG = 1000  # items; to weigh a value with so many takes no time beside writing it
PIECEWISE = {"ensure_ascii", "allow_nan", "separators"}  # the keywords that change each item alike, wherever it is
# Exactly these: what a subclass makes of itself is its own affair.
CONTAINERS: "frozenset[Any]" = frozenset((dict, list, tuple))
SAMPLE, DEPTH = 3, 4  # how many items of a container, and how deep, are looked at to guess its weight
TEXT = 1 << 16  # characters that a batch should make: with them and its items, the encoder stays in the processor's cache
FIRST = 128  # items of the first batch, whose text tells how many the next one should have
LEAVES = 20_000  # a value with more of them, or some 200 KB of text, is written in batches


class _Plain:
    """What json's decoder tells its scanner, for json.loads() without keywords (CPython, Modules/_json.c)."""

    strict = True
    object_hook = object_pairs_hook = array_hook = None  # array_hook: from 3.15 on
    parse_float, parse_int = float, int
    parse_constant = {"-Infinity": float("-inf"), "Infinity": float("inf"), "NaN": float("nan")}.__getitem__


def _refuse(value: "Any") -> "Any":
    raise TypeError(f"Object of type {value.__class__.__name__} is not JSON serializable")  # in the words of json


def _accelerator() -> "tuple[Any, Any]":
    """Return functions for json.dumps() and json.loads(), None where they are not the ones whose sources were read."""
    if sys.implementation.name != "cpython" or sys.version_info >= (3, 16):
        return None, None
    try:
        from _json import encode_basestring_ascii, make_encoder, make_scanner

        plain: Any = _Plain
        scan = make_scanner(plain)

        def encode(value: "Any") -> "Any":
            return make_encoder({}, _refuse, encode_basestring_ascii, None, ": ", ", ", False, False, True)(value, 0)

        return (encode, scan) if "".join(encode([1.5])) == "[1.5]" and scan("[1.5]", 0) == ([1.5], 5) else (None, None)
    except Exception:  # noqa: BLE001 - an accelerator that is missing or changed: json knows it
        return None, None


_encode, _scan = _accelerator()


def public() -> "Any":
    """Return what `store.format` shows: the module, as with 0.0.1."""
    import json

    return json


def damage(error: Exception) -> bool:
    """Return whether an error of load() is a verdict about the bytes."""
    decode_error = getattr(sys.modules.get("json"), "JSONDecodeError", UnicodeDecodeError)  # it is loaded if it has raised
    return isinstance(error, UnicodeDecodeError | decode_error)


def dumps(value: "Any") -> str:
    """Return json.dumps(value)."""
    loaded: Any = sys.modules.get("json")
    if loaded is None and _encode is not None:
        return "".join(_encode(value))
    if loaded is None:
        import json as loaded
    text: str = loaded.dumps(value)
    return text


def loads(text: str) -> "Any":
    """Return json.loads(text)."""
    loaded: Any = sys.modules.get("json")
    if loaded is not None:
        return loaded.loads(text)
    if _scan is not None:
        try:
            value, end = _scan(text, 0)
            if end == len(text) or not text[end:].strip(" \t\n\r"):
                return value
        except Exception:  # noqa: BLE001, S110 - json raises it in its own words; it also takes text that begins with blanks
            pass
    try:
        import json
    except Exception as error:  # the package that would say why is gone, or there is no memory left for it
        no_json = not isinstance(error, MemoryError | RecursionError)
        raise LoadError(f"it is no JSON, or begins with white space ({error})", damaged=no_json) from error
    return json.loads(text)


def dump(value: "Any", file: "Any", **kwargs: "Any") -> None:
    """Write the value to a file that takes str; keywords are those of json.dumps."""
    for text in texts(value, getattr(file, "before", None), kwargs):
        file.write(text)


def write(value: "Any", file: "Any", kwargs: "dict[str, Any]") -> None:
    """Write the value to a file of bytes."""
    before = getattr(file, "before", None)
    if not kwargs and not is_large(value, before):
        try:
            text = dumps(value)
        except TypeError as error:
            hint(error, value)
            raise
        file.write(text.encode())
    else:
        for text in texts(value, before, kwargs):
            file.write(text.encode())


def texts(value: "Any", before: "int | None", kwargs: "dict[str, Any]") -> "Iterator[str]":
    """Return the JSON of a value in pieces, one if it is not large; `before` is the size in bytes of what it replaces."""
    try:
        if kwargs.keys() <= PIECEWISE and is_large(value, before):
            yield from pieces(value, kwargs)
        elif not kwargs:
            yield dumps(value)
        else:
            yield _dumps_with_keywords(value, kwargs)
    except TypeError as error:
        hint(error, value)
        raise


def _dumps_with_keywords(value: "Any", kwargs: "dict[str, Any]") -> str:
    import json  # loaded since open(), unless the keywords are newer

    if kwargs.get("cls") is None:
        # dumps(), not dump(): that is 1.9 times slower, because the C encoder only serves dumps().
        return json.dumps(value, **kwargs)
    file = io.StringIO()
    json.dump(value, file, **kwargs)  # a class of one's own may change iterencode(), which only this calls
    return file.getvalue()


def load(file: "Any", **kwargs: "Any") -> "Any":
    """Read a value; keywords are those of json.loads. A byte order mark is taken, UTF-16 is refused."""
    content = file.read()
    # Decoded here: json.loads() would guess UTF-16 and UTF-32 as well, and half a file of those can look like another;
    # and it would keep the bytes beside the text. The mark is cut by hand, because the codec "utf-8-sig" is one more import.
    text = content if isinstance(content, str) else str(content, "utf-8")
    del content
    text = text.removeprefix("\ufeff")
    if not kwargs:
        return loads(text)
    import json

    return json.loads(text, **kwargs)


# --- large values ----------------------------------------------------------------------------------------------------
#
# json.dumps() is fast because its C encoder makes one text, and json.dump() is slow because it does not use it. Here the C
# encoder works on batches, and containers too large for one are taken apart: the text of json.dumps() without holding all
# of it. From some hundred KB on this is as fast as json.dumps(), for there is no large text to be joined in fresh memory.


def is_large(value: "Any", before: "int | None") -> bool:
    """Guess whether a value is large; `before` is the size of what it replaces in bytes, None: nothing, or not known.

    A value of many parts takes as long to weigh as to write. So what replaces little, or nothing, is
    weighed only if there is something long in it.
    """
    if type(value) not in CONTAINERS:
        return False
    before = before or 0
    if before < SIZE and len(value) < LONG and not _has_a_long_one(value, DEPTH if before < LITTLE else 1):
        return False
    return weight(value, LEAVES) >= LEAVES


def _has_a_long_one(container: "Any", depth: int) -> bool:
    """Return whether there is a long container inside, near its top, as in a value that grows large little by little."""
    looks = SAMPLE
    if type(container) is dict:
        items: Any = container.values()
    else:  # the first of a list is like the others; a dict may have one part that is not like them
        items = container if len(container) <= SAMPLE else container[:1]
    for item in items:
        kind = type(item)
        if kind is dict or kind is list or kind is tuple:
            if len(item) >= LONG or (looks > 0 and depth and _has_a_long_one(item, depth - 1)):
                return True
            looks -= 1
    return False


def pieces(value: "Any", kwargs: "dict[str, Any]") -> "Iterator[str]":
    """Return the text of json.dumps(value, **kwargs) in pieces.

    Args:
        value: what json.dumps() takes.
        kwargs: some of PIECEWISE.

    Raises:
        Exception: what json.dumps() raises.
    """
    if not kwargs:
        return _pieces(value, dumps, ", ", set())
    import json  # loaded since open(), unless the keywords are newer

    encoder = json.JSONEncoder(**kwargs)
    return _pieces(value, encoder.encode, encoder.item_separator, set())


def _pieces(value: "Any", encode: "Callable[[Any], str]", comma: str, outside: "set[int]") -> "Iterator[str]":
    if weight(value, LEAVES + 1) <= LEAVES:
        yield encode(value)
        return
    if id(value) in outside:
        raise ValueError("Circular reference detected")  # in the words of json
    outside.add(id(value))
    mapping = type(value) is dict
    yield "{" if mapping else "["
    between = ""
    size, start, items = FIRST, 0, iter(value.items() if mapping else ())
    # map() over next(), not itertools.islice(): every cron job would pay for its import, which makes twenty types.
    while batch := dict(map(next, (items,) * size)) if mapping else value[start : start + size]:
        start += len(batch)
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


def weight(value: "Any", enough: int, depth: int = DEPTH) -> int:
    """Guess how many leaves a value has, from a few of its items at each level, and from its longest ones.

    Once it is `enough`, nothing more is looked at: each item of a large value that is touched has to come from memory.
    """
    kind: Any = type(value)
    if kind not in CONTAINERS or not value:
        return 1
    count = len(value)
    if count >= enough or depth == 0:
        return count
    items: Any = value.values() if kind is dict else value
    # In C, and without a list of the items.
    if CONTAINERS.isdisjoint(map(type, items)):
        return count
    step = count // SAMPLE + 1
    some: list[Any] = (list(items) if kind is dict else items)[::step]
    guess = count * sum([weight(item, enough, depth - 1) for item in some]) // len(some)
    if guess >= enough or len(some) == count:
        return guess
    try:
        if max(map(len, items)) <= max(map(len, some)):
            return guess  # none is longer than those that were looked at
    except TypeError:
        pass  # some have no length
    longest = max([item for item in items if type(item) in CONTAINERS], key=len)
    return max(guess, count + weight(longest, enough, depth - 1))


# --- the way out for what JSON cannot hold ---------------------------------------------------------------------------

_MARKS = ("__dataclass_fields__", "__attrs_attrs__", "__struct_fields__", "__pydantic_fields__", "isoformat", "__members__")
_KEPT_BY_TYPE = ("set", "frozenset", "bytes", "bytearray", "timedelta", "Decimal", "UUID")


def hint(error: TypeError, value: "Any") -> None:
    """Add the way out to a TypeError about an object that type= can store."""
    waiting: list[Any] = [value]
    seen: set[int] = set()
    while waiting:
        item = waiting.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        kind: Any = item.__class__
        if issubclass(kind, str | int | float):
            continue  # JSON has these, and members of a StrEnum or IntEnum pass as such
        if any(hasattr(kind, mark) for mark in _MARKS) or kind.__name__ in _KEPT_BY_TYPE:
            error.add_note(
                f"JSON has no {kind.__name__}, but open(..., type=...) with the type of the whole value stores and "
                'loads it as such: pip install "atomic-store[typed]"'
            )
            return
        if isinstance(item, dict):
            waiting += [*item.keys(), *item.values()]
        elif isinstance(item, list | tuple):
            waiting += item
