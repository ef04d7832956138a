"""Formats around a format: each takes what open() takes as `format`, and is passed as `format` itself."""

from __future__ import annotations

import io

from ..errors import FormatError
from . import resolve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Verified:
    """Refuse at commit what could be written but would not read back as the same value.

    Each dump is decoded again and compared before a byte of it is published, so a set that became
    a list or an int key that became a str is an error now, not a surprise after the next start.
    It keeps the encoded value in memory, and costs one load more for each commit.

    Args:
        format: what open() takes as `format`.

    Raises:
        FormatError: from commit(): the value would come back as another one, or not at all; the
            message names the first place inside the value that differs.
    """

    is_binary = True

    def __init__(self, format: Any = None) -> None:
        if format != "auto":
            resolve(format)  # what is no format is an error here, not at the first commit
        self.format = format

    def dump(self, value: Any, file: Any, **kwargs: Any) -> None:
        """Write the value, if it reads back."""
        codec = resolve(self.format, dump_kwargs=kwargs, path=file.name)
        memory = _Memory()
        memory.name = file.name
        codec.dump(value, memory)
        memory.seek(0)
        try:
            again = codec.load(memory)
        except Exception as error:
            raise FormatError(f"the value can be written as {codec.label}, but not read back: {error}") from error
        place = difference(value, again)
        if place is not None:
            raise FormatError(f"the value would not come back from {codec.label} as it is: {place}")
        file.write(memory.getbuffer())

    def load(self, file: Any, **kwargs: Any) -> Any:
        """Read a value."""
        return resolve(self.format, load_kwargs=kwargs, path=file.name).load(file)


class _Memory(io.BytesIO):
    """A file in memory that knows which store it is for."""

    name: Any = None
    size = None


def difference(value: Any, again: Any) -> str | None:
    """Describe the first place where `again` is another value, as `$.jobs[3]: 1 became '1'`; None: nowhere.

    Stricter than ==: containers and scalars are of one built-in type, True is not 1, nor 1 1.0.
    More lenient: NaN equals NaN. What is of no built-in type is left to its own ==.
    """
    return _differ(value, again, "$", set())


_KINDS = (bool, int, float, str, bytes, dict, list, tuple, frozenset, set)


def _differ(value: Any, again: Any, place: str, seen: set[tuple[int, int]]) -> str | None:
    kind = _kind(value)
    if kind is not _kind(again):
        return f"{place}: {value!r} became {again!r}"
    pair = (id(value), id(again))
    if pair in seen:  # pickle gives back a value that contains itself
        return None
    if kind is dict:
        seen.add(pair)
        return _differ_mapping(value, again, place, seen)
    if kind in (list, tuple):
        seen.add(pair)
        if len(value) != len(again):
            return f"{place}: {len(value)} items became {len(again)}"
        places = (_differ(a, b, f"{place}[{n}]", seen) for n, (a, b) in enumerate(zip(value, again, strict=True)))
        return next(filter(None, places), None)
    if kind is float and value != value:
        return None if again != again else f"{place}: {value!r} became {again!r}"
    return None if _equal(value, again) else f"{place}: {value!r} became {again!r}"


def _differ_mapping(value: Any, again: Any, place: str, seen: set[tuple[int, int]]) -> str | None:
    # 1 and True are one key of a dict: by kind as well they are two.
    theirs = {(_kind(key), key): item for key, item in again.items()}
    for key, item in value.items():
        inside = f"{place}.{key}" if isinstance(key, str) else f"{place}[{key!r}]"
        if (_kind(key), key) not in theirs:
            return f"{inside}: the key {key!r} is gone"
        found = _differ(item, theirs[_kind(key), key], inside, seen)
        if found is not None:
            return found
    if len(value) != len(again):
        return f"{place}: {len(value)} keys became {len(again)}"
    return None


def _kind(value: Any) -> type | None:
    """Give the built-in type that a value is of, None for any other: an OrderedDict is a dict."""
    return next((kind for kind in _KINDS if isinstance(value, kind)), None)


def _equal(value: Any, again: Any) -> bool:
    try:
        return bool(value == again)
    except Exception:  # noqa: BLE001 - anybody's __eq__
        return True  # a DataFrame's == has no truth value: that it could be read must do
