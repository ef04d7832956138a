"""MessagePack, by msgpack: JSON's values and bytes, smaller and faster, for machines only.

Cannot hold: sets, objects, ints beyond 64 bits, a datetime unless dump_kwargs={"datetime": True}
(aware ones only; load_kwargs={"timestamp": 3} returns them, in UTC), a tuple as a key (it is written, but
not read). Comes back as something else: a tuple as a list, a bytearray as bytes. Of all single
flipped bits two thirds still load, as another value.
"""

from __future__ import annotations

import msgpack as untyped  # type: ignore[import-untyped]  # it ships no types

from ._verdict import is_verdict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

label = "msgpack"
streams = False
objects = False
damage = is_verdict
text = False
msgpack: Any = untyped


def public() -> Any:
    """Return the value of `store.format`."""
    return "msgpack"


def dump(value: Any, file: Any, **kwargs: Any) -> None:
    """Write the value; keywords are those of msgpack.packb."""
    file.write(msgpack.packb(value, **kwargs))


def load(file: Any, **kwargs: Any) -> Any:
    """Read a value; keywords are those of msgpack.unpackb. Bytes after its end are refused."""
    # The package refuses on reading the int keys that it has written; a store must read what it wrote.
    kwargs.setdefault("strict_map_key", False)
    try:
        return msgpack.unpackb(file.read(), **kwargs)
    except msgpack.StackError as error:
        raise RecursionError("the value is nested too deep") from error  # a limit, not damage
