"""Pickle, by the standard library: nearly any Python value, for programs that trust the file.

Loading a pickle runs what it says: whoever can write the file can run code as the program. So it is
used only by a program that names it. Cannot hold: open files, locks, lambdas, local classes; a
class that was moved or renamed since cannot be loaded. The protocol is 4 unless dump_kwargs say
otherwise, so that the file does not depend on which Python wrote it.
"""

from __future__ import annotations

import io
import pickle

from ._verdict import is_verdict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

label = "pickle"
streams = True
objects = True
text = False

PROTOCOL = 4


def damage(error: Exception) -> bool:
    """Return whether an error of load() is a verdict about the bytes."""
    # Loading runs code of the program's, which raises what it likes: only these are surely about the bytes.
    return isinstance(error, EOFError | pickle.UnpicklingError) and is_verdict(error)


def public() -> Any:
    """Return the value of `store.format`."""
    return pickle


def dump(value: Any, file: Any, **kwargs: Any) -> None:
    """Write the value; keywords are those of pickle.dump."""
    kwargs.setdefault("protocol", PROTOCOL)
    pickle.dump(value, file, **kwargs)


def load(file: Any, **kwargs: Any) -> Any:
    """Read a value; keywords are those of pickle.load. Bytes after its end are refused."""
    stream = io.BufferedReader(file, 1 << 18)
    try:
        value = pickle.load(stream, **kwargs)  # noqa: S301 - the program has named pickle
        if stream.read(1):
            raise pickle.UnpicklingError("there are bytes after the end of the pickle")
    finally:
        stream.detach()
    return value
