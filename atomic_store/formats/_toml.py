"""TOML 1.0, by tomlkit: for files that people edit; their comments survive a change of the loaded value.

A value is read back before it is published: tomlkit loses or moves parts of some loaded documents when they are
edited, and such a commit is refused.

Cannot hold: anything but a mapping at the top, None anywhere, keys that are not str, bytes. Comes back as
something else: a tuple as a list, a bool in a list as tomlkit's Bool (equal to a bool, but not one), a loaded mapping as
its TOMLDocument (equal to a dict, and what carries the comments: change it, do not replace it). A file whose tables
are so out of order that tomlkit cannot hold them is loaded without its comments. An empty
file is {}, and one of ten places where a file may be cut leaves valid TOML.
"""

# What users store is anything: its type is not known here.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false

from __future__ import annotations

import tomllib
from copy import deepcopy

import tomlkit
from tomlkit.items import Table

from ._difference import difference
from ._plain import to_builtins
from ._read_back import EDITED, require_same
from ._verdict import is_verdict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

label = "toml"
streams = False
objects = False
damage = is_verdict
text = True


def public() -> Any:
    """Return the value of `store.format`."""
    return "toml"


def dump(value: Any, file: Any, **kwargs: Any) -> None:
    """Write the mapping; keywords are those of tomlkit.dumps.

    Raises:
        FormatError: the value would come back as another one, or not at all.
    """
    text = tomlkit.dumps(_with_emptied(value), **kwargs)
    require_same(to_builtins(value, lists=True), lambda: _plain(text), label, EDITED)
    file.write(text)


def _with_emptied(value: Any) -> Any:
    """Return the value, or a copy in which each table that has lost its last part is written as `name = {}`.

    tomlkit does not write a table without a header of its own, such as `a` in `a.b = 1` or `[a.b]`, if nothing is in it.
    """
    if not isinstance(value, dict) or not any(_emptied(value)):
        return value
    value = deepcopy(value)
    for parent, key in list(_emptied(value)):
        parent[key] = tomlkit.inline_table()
    return value


def _emptied(part: Any) -> Iterator[tuple[Any, Any]]:
    for key, item in part.items() if isinstance(part, dict) else enumerate(part):
        if isinstance(item, Table) and not item and item.is_super_table():
            yield part, key
        elif isinstance(item, dict | list):
            yield from _emptied(item)


def load(file: Any) -> Any:
    """Read a mapping. A byte order mark is skipped."""
    content = file.read()
    # Decoded here: tomlkit decodes bytes that are not UTF-8 as Latin-1.
    text = (content if isinstance(content, str) else str(content, "utf-8")).removeprefix("\ufeff")
    value = _plain(text)
    # tomlkit appends to the last line if it has no line end.
    text = text if text.endswith("\n") or not text else f"{text}\n"
    document: Any = None
    try:
        document = tomlkit.parse(text)
        faithful = difference(value, to_builtins(document)) is None
    except Exception:  # noqa: BLE001 - the TOML is valid, so no error of tomlkit is about the file
        faithful = False
    if not faithful:
        document = tomlkit.document()
        document.update(value)
    return document


def _plain(text: str) -> Any:
    """Return the value of a document in built-in types."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        # Newer versions of tomlkit read what TOML 1.1 has added; for what is damaged its errors name the line.
        return to_builtins(tomlkit.parse(text))
