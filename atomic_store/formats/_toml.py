"""TOML 1.0, by tomlkit: for files that people edit; their comments survive a change of the loaded value.

Cannot hold: anything but a mapping at the top, None anywhere, keys that are no str, bytes, values
nested deeper than 100 levels (they are written, but not read). Comes back as something else: a
tuple as a list, a bool in a list as tomlkit's Bool (equal to a bool, but none), a loaded mapping as
its TOMLDocument (equal to a dict, and what carries the comments: change it, do not replace it). An
empty file is {}, and one of ten places where a file may be cut leaves valid TOML.
"""

from __future__ import annotations

import tomlkit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

label = "toml"
streams = False
objects = False
damage = None
text = True


def public() -> Any:
    """What `store.format` shows."""
    return "toml"


def dump(value: Any, file: Any, **kwargs: Any) -> None:
    """Write the mapping; keywords are those of tomlkit.dumps."""
    file.write(tomlkit.dumps(value, **kwargs))


def load(file: Any) -> Any:
    """Read a mapping. A byte order mark is taken."""
    content = file.read()
    # Decoded here: tomlkit takes for Latin-1 what is no UTF-8.
    text = content if isinstance(content, str) else str(content, "utf-8")
    return tomlkit.parse(text.removeprefix("\ufeff"))
