"""Verified: a value that would not come back as it is, is refused at commit."""

from __future__ import annotations

from .._read_back import require_same
from ._base import MemoryFile, Wrapper, dump_kwargs_of, load_kwargs_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any
else:
    Any = object  # as in errors.py


class Verified(Wrapper):
    """Decode each commit before it is published, and refuse a value that would come back changed.

    For example, JSON turns a tuple into a list, and an int key into a str. The encoded value is kept in memory,
    and each commit costs one load.

    Args:
        format: what open() takes as `format`.

    Raises:
        FormatError: from commit(): the value would come back changed, or not at all. The message names the
            first difference.
    """

    def dump(self, value: Any, file: Any, **kwargs: Any) -> None:
        """Write the value if it can be loaded again and is the same value then."""
        memory = MemoryFile(file.given)
        self.inner.dump(value, memory, kwargs, load_kwargs_of(file))
        memory.seek(0)
        require_same(value, lambda: self.inner.load(memory, load_kwargs_of(file), kwargs), self.inner.label)
        file.write(memory.getbuffer())

    def load(self, file: Any, **kwargs: Any) -> Any:
        """Read a value."""
        return self.inner.load(file, kwargs, dump_kwargs_of(file))
