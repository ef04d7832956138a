"""One field inside a value: by a JSON Pointer (RFC 6901), such as /jobs/0/name, or a dotted path, such as jobs.0.name."""

from __future__ import annotations

from ._terminal import CommandError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Missing(Exception):
    """There is no such field."""


def parse(path: str) -> list[str]:
    """Return the keys and indices that lead to a field; none: the whole value.

    Raises:
        CommandError: this is no path.
    """
    if path in ("", "."):
        return []
    if path.startswith("/"):
        parts = path[1:].split("/")
        if any("~" in part.replace("~0", "").replace("~1", "") for part in parts):
            raise CommandError(2, f"PATH {path!r} is no JSON Pointer: ~ stands only in ~0 for ~ and ~1 for / (RFC 6901)")
        return [part.replace("~1", "/").replace("~0", "~") for part in parts]
    parts = path.removeprefix(".").split(".")
    if "[" in path:
        raise CommandError(
            2, f"PATH {path!r} has a bracket: write a.0.b for an item of a list, /a[0] for a key with brackets"
        )
    if "" in parts:
        raise CommandError(2, f"PATH {path!r} has an empty part; for a key that is empty or has a dot, write /a.b/c")
    return parts


def find(value: Any, parts: list[str]) -> Any:
    """Return the field.

    Raises:
        Missing: there is none.
    """
    for part in parts:
        value = value[_key(value, part)]
    return value


def assign(value: Any, parts: list[str], new: Any) -> None:
    """Change a field. What is missing on the way is created: a list before -, else an object. A list grows by one item.

    Args:
        value: the value, which is changed.
        parts: the way to the field, at least one.
        new: what the field becomes.

    Raises:
        CommandError: the way leads through something that has no fields.
    """
    *way, last = parts
    for part, following in zip(way, parts[1:], strict=True):
        try:
            value = value[_key(value, part)]
        except Missing:
            value = _put(value, part, new_owner(following))
    _put(value, last, new)


def new_owner(part: str) -> Any:
    """Return what a missing value becomes that is to have this part: - appends to a list."""
    return [] if part == "-" else {}


def remove(value: Any, parts: list[str]) -> None:
    """Delete a field.

    Raises:
        Missing: there is none.
        CommandError: it is part of something that cannot be changed.
    """
    *way, last = parts
    owner = find(value, way)
    key = _key(owner, last)
    if isinstance(owner, tuple):
        raise CommandError(4, f"{last!r} is an item of a tuple, which cannot be changed")
    del owner[key]


def _key(value: Any, part: str) -> Any:
    """Return the key or index that a part of a path means."""
    number = int(part) if _is_index(part) else None
    if isinstance(value, dict):
        # YAML, CBOR, MessagePack and pickle have ints as keys, too.
        for key in (part, number):
            if key is not None and key in value:
                return key
    elif isinstance(value, list | tuple) and number is not None and number < len(value):  # pyright: ignore[reportUnknownArgumentType]
        return number
    raise Missing


def _put(owner: Any, part: str, new: Any) -> Any:
    """Change an item of a dict or list; return it as it is stored there, because YAML and TOML wrap what they are given."""
    kind: Any = owner.__class__
    is_list = issubclass(kind, list)
    if not is_list and not issubclass(kind, dict):
        raise CommandError(4, f"there can be no {part!r} inside a value of type {kind.__name__}")
    size = len(owner)
    if is_list and (part == "-" or part == str(size)):
        owner.append(new)
        return owner[-1]
    try:
        key = _key(owner, part)
    except Missing:
        if is_list:
            raise CommandError(4, f"{part!r} is no index of a list of {size} items; - appends one") from None
        key = part
    owner[key] = new
    return owner[key]


def _is_index(part: str) -> bool:
    """Return whether RFC 6901 takes this for an index; 18 digits are more than any list has."""
    return part.isascii() and part.isdigit() and len(part) <= 18 and (part == "0" or part[0] != "0")
