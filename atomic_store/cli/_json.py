"""JSON text whose layout, duplicate keys and long numbers survive a change beside them, or end it."""

from __future__ import annotations

import json
import re

from ._formats import BOM
from ._terminal import CommandError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# A string, a bracket, comma or colon, or what stands between them: a number or a name.
_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{},:]|[^\s\[\]{},:"]+')
_SURELY_EXACT = 15  # significant digits that each float keeps (IEEE 754)


class LossError(ValueError):
    """A JSON text holds what no Python value keeps."""


def loads(text: str) -> Any:
    """Decode JSON.

    Raises:
        LossError: a key is there twice, or a number is not the float that Python makes of it.
        ValueError: the text is not JSON.
    """
    return json.loads(text, object_pairs_hook=_object, parse_float=_float)


def loads_strictly(text: str) -> Any:
    """Decode JSON of RFC 8259, which has no NaN and no Infinity; errors are those of loads()."""
    return json.loads(text, object_pairs_hook=_object, parse_float=_float, parse_constant=_constant)


def loads_exactly(content: bytes, path: Any) -> Any:
    """Decode JSON bytes that a format has accepted.

    Raises:
        CommandError: the value would lose something if it was written again.
    """
    try:
        return loads(str(content.removeprefix(BOM), "utf-8"))
    except LossError as error:
        raise CommandError(
            4, f"{path!r} would lose something: {error}. `atomic-store edit` keeps the rest as it is"
        ) from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        names = [name for name, _ in pairs]
        raise LossError(f"the key {next(name for name in names if names.count(name) > 1)!r} is there twice")
    return made


def _float(text: str) -> float:
    number = float(text)
    if len(text) > _SURELY_EXACT or "e" in text.lower():
        from decimal import Decimal  # here: only unusual numbers need it

        if not Decimal(text) == Decimal(repr(number)):
            raise LossError(f"the number {text[:40]} would become {number}")
    return number


def _constant(name: str) -> Any:
    raise ValueError(f"JSON has no {name}")


def in_lines(content: bytes) -> bytes:
    """Lay JSON text out in lines; each number keeps its digits, and each object its keys, even one that is there twice."""
    made: list[str] = []
    depth = 0
    before = ""
    for word in _TOKENS.findall(str(content, "utf-8")):
        if word in ("]", "}"):
            depth -= 1
        if (before in ("[", "{", ",") and word not in ("]", "}")) or (word in ("]", "}") and before not in ("[", "{")):
            made.append("\n" + "  " * depth)
        made.append(": " if word == ":" else _in_own_letters(word) if "\\u" in word else word)
        if word in ("[", "{"):
            depth += 1
        before = word
    return ("".join(made) + "\n").encode("utf-8")


def _in_own_letters(word: str) -> str:
    """Return a JSON string without its escapes of letters, unless it holds a character that is invisible."""
    text: str = json.loads(word)
    return json.dumps(text, ensure_ascii=False) if text.isprintable() else word


class JsonText:
    """JSON as a format for open() that writes a changed value in the layout in which it was found."""

    is_binary = True
    label = "json"

    def __init__(self, path: Any) -> None:
        self._path = path
        self._before = b""

    def load(self, file: Any) -> Any:
        """Read the value, and remember its layout."""
        self._before = file.read()
        return loads_exactly(self._before, self._path)

    def dump(self, value: Any, file: Any) -> None:
        """Write the value in that layout."""
        file.write(in_layout_of(self._before, value))


def in_layout_of(before: bytes, value: Any) -> bytes:
    """Encode a value with the indentation, separators, escapes and last line end that a JSON text has.

    Raises:
        ValueError: the value holds NaN or an infinity, and the text does not.
    """
    lines = before.strip().split(b"\n", 2)
    second = lines[1] if len(lines) > 1 else b""
    indent = str(second[: len(second) - len(second.lstrip(b" \t"))], "ascii") if len(lines) > 1 else None
    separators = (",", ":") if b'":' in before and b'": ' not in before else None
    text = json.dumps(
        value,
        indent=indent,
        separators=separators,
        ensure_ascii=before.isascii(),
        allow_nan=b"NaN" in before or b"Infinity" in before,
    )
    text += "\n" if before.endswith(b"\n") else ""
    return text.replace("\n", "\r\n" if b"\r\n" in before else "\n").encode()
