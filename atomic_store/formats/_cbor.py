"""CBOR (RFC 8949), by cbor2: JSON's values, bytes, big ints, sets, Decimal, UUID and aware datetimes, for machines.

Cannot hold: objects, a naive datetime unless dump_kwargs={"timezone": ...}, values nested deeper
than 400 levels (they are written, but not read). Comes back as something else: a tuple as a list, a
bytearray as bytes. Of all single flipped bits two thirds still load, as another value.
"""

from __future__ import annotations

import io

import cbor2

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

label = "cbor"
streams = False
objects = False
damage = None
text = False


def public() -> Any:
    """What `store.format` shows."""
    return "cbor"


def dump(value: Any, file: Any, **kwargs: Any) -> None:
    """Write the value; keywords are those of cbor2.dumps."""
    file.write(cbor2.dumps(value, **kwargs))


def load(file: Any, **kwargs: Any) -> Any:
    """Read a value; keywords are those of cbor2.load. Bytes after its end are refused."""
    content = io.BytesIO(file.read())
    value = cbor2.load(content, **kwargs)
    if content.read(1):
        raise ValueError("there are bytes after the end of the CBOR data item")
    return value
