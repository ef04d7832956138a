"""Values as text: JSON for people, and JSON for programs."""

from __future__ import annotations

import json
import sys

from ._terminal import CommandError, say, say_pieces

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

    from ._formats import FileFormat


def say_value(value: Any, form: FileFormat, args: argparse.Namespace, path: Any) -> None:
    """Print a value as JSON, in the layout that the options ask for."""
    if args.json:
        say(strict_json(form.plain(value), path))
        return
    if form.name != "json":
        value = readable(value)
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    own_letters = encoding.lower().startswith("utf")  # half a surrogate pair becomes an escape in write_out()
    if args.compact:
        say(json.dumps(value, ensure_ascii=not own_letters, separators=(",", ":")))
    else:
        say_pieces(json.JSONEncoder(ensure_ascii=not own_letters, indent=args.indent or 2).iterencode(value))


def raw(value: Any, path: Any) -> str:
    """Return a value as text without quotes, for a shell's variable."""
    if isinstance(value, str):
        return value
    if hasattr(value, "isoformat"):
        return str(value.isoformat())
    return strict_json(value, path)


def strict_json(value: Any, path: Any) -> str:
    """Return JSON of RFC 8259 in one line and in ASCII."""
    try:
        return json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise CommandError(
            4, f"the value of {path!r} cannot be written as JSON ({error}); without --json and --raw it is shown"
        ) from error


def readable(value: Any, outside: tuple[int, ...] = ()) -> Any:
    """Return what JSON can show of a value; what JSON does not have becomes a text in <>."""
    part: Any = value  # for type checkers, which know no more of what is inside
    if part is None or isinstance(part, bool | int | float | str):
        return part
    if id(part) in outside:
        return "<...>"
    outside = (*outside, id(part))
    if isinstance(value, dict):
        return {key if isinstance(key, str) else f"<{key!r}>": readable(item, outside) for key, item in part.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [readable(item, outside) for item in part]
    return f"<{part!r}>"
