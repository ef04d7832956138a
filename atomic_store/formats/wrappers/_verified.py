"""Verified: a value that would not come back as it is, is refused at commit."""

from __future__ import annotations

from .._read_back import require_same
from ._base import MemoryFile, Wrapper, load_kwargs_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Verified(Wrapper):
    """Refuse a value at commit if it would not come back as it is.

    Each commit decodes the encoded value again and compares before it publishes a byte. A tuple that became
    a list, or an int key that became a str, is then an error now and not a surprise after the next start.
    The encoded value is kept in memory, and each commit costs one more load.

    Args:
        format: what open() takes as `format`.

    Raises:
        FormatError: from commit(): the value would come back as another one, or not at all; the
            message names the first place inside the value that differs.
    """

    def dump(self, value: Any, file: Any, **kwargs: Any) -> None:
        """Write the value if it can be loaded again and is the same value then."""
        memory = MemoryFile(file.name)
        self.inner.dump(value, memory, kwargs, load_kwargs_of(file))
        memory.seek(0)
        require_same(value, lambda: self.inner.load(memory, load_kwargs_of(file)), self.inner.label)
        file.write(memory.getbuffer())

    def load(self, file: Any, **kwargs: Any) -> Any:
        """Read a value."""
        return self.inner.load(file, kwargs)
