"""CBOR (RFC 8949), by cbor2: JSON's values, bytes, big ints, sets, Decimal, UUID and aware datetimes, for machines.

Cannot hold: objects, a naive datetime unless dump_kwargs={"timezone": ...}, values nested deeper
than 400 levels (they are written, but not read). Comes back as something else: a tuple as a list, a
bytearray as bytes. Of all single flipped bits two thirds still load, as another value.
"""

# What users store is anything: its type is not known here.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false

from __future__ import annotations

# cbor2 imports these when it meets the first value of such a type; a store imports nothing after open().
import decimal  # noqa: F401  # pyright: ignore[reportUnusedImport]
import email.mime.text  # pyright: ignore[reportUnusedImport]
import email.parser  # noqa: F401  # pyright: ignore[reportUnusedImport]
import fractions  # noqa: F401  # pyright: ignore[reportUnusedImport]
import io
import ipaddress  # noqa: F401  # pyright: ignore[reportUnusedImport]
import math
import re
import uuid  # noqa: F401  # pyright: ignore[reportUnusedImport]

import cbor2

from ..errors import LoadError
from ._plain import to_builtins
from ._read_back import require_same
from ._verdict import is_verdict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

label = "cbor"
streams = False
objects = False
damage = is_verdict
text = False

MOST = 1_000_000  # items that a small document may stand for
TEXT = 64  # characters of a text that count as one more item
_REFERENCE = re.compile(rb"\xd8\x1d|\xd9\0\x1d|\xda\0\0\0\x1d|\xdb\0{7}\x1d")  # tag 29 in each of its lengths
_SECONDS = re.compile(rb"T\d\d:\d\d:\d\d(\.\d+)?([+-]\d\d:\d\d|Z):\d\d")  # cbor2 also writes Z:30 for +00:00:30


def public() -> Any:
    """Return the value of `store.format`."""
    return "cbor"


def dump(value: Any, file: Any, **kwargs: Any) -> None:
    """Write the value; keywords are those of cbor2.dumps.

    Raises:
        FormatError: the value would come back as another one, or not at all.
    """
    content = cbor2.dumps(value, **kwargs)
    if _SECONDS.search(content):  # some of these offsets cannot be read, and the library does not say which
        load_kwargs = file.load_kwargs or {}
        require_same(to_builtins(value, lists=True), lambda: to_builtins(_decode(content, load_kwargs), lists=True), label)
    file.write(content)


def load(file: Any, **kwargs: Any) -> Any:
    """Read a value; keywords are those of cbor2.load. Bytes after its end are refused."""
    content = file.read()
    if _REFERENCE.search(content):
        _require_bounded(content)
    return _decode(content, kwargs)


def _decode(content: bytes, kwargs: dict[str, Any]) -> Any:
    stream = io.BytesIO(content)
    try:
        value = cbor2.load(stream, **kwargs)
    except cbor2.CBORDecodeError as error:
        if "nesting depth" in str(error):
            raise RecursionError(str(error)) from error  # a limit, not damage
        raise
    if stream.read(1):
        raise ValueError("there are bytes after the end of the CBOR data item")
    return value


def _require_bounded(content: bytes) -> None:
    """Raise LoadError if the shared references (tags 28 and 29) of a small document stand for very many items.

    300 bytes can stand for more items than fit into memory. cbor2 needs that many steps to hash them as a key, and so does
    everything that writes them out.
    """
    limit = max(MOST, 10 * len(content))
    try:
        weight = _weight(content, limit)
    except IndexError:
        return  # cut off: cbor2 says so
    if weight > limit:
        raise LoadError(f"its shared references stand for more than {limit} items", damaged=False)


def _weight(content: bytes, limit: int) -> int:
    """Return how many items a document has with each reference written out; long texts count as several."""
    shared: list[int] = []  # the weight of each shared item, 1 while it is incomplete
    frames: list[list[Any]] = [[1, 0, None]]  # for each open item: how many are missing in it, its weight, its tag or index
    position = argument = 0
    while True:
        frame = frames[-1]
        if frame[0] == 0:
            frames.pop()
            if not frames:
                return int(frame[1])
            weight = frame[1]
            if frame[2] == "reference":
                weight = shared[argument]
            elif frame[2] is not None:
                shared[frame[2]] = weight
            frames[-1][1] += weight
            if frames[-1][1] > limit:
                return limit + 1
            continue
        major, info = content[position] >> 5, content[position] & 31
        position += 1
        argument = info
        if 24 <= info < 28:
            end = position + (1 << info - 24)
            argument = int.from_bytes(content[position:end], "big")
            position = end
        if major == 7 and info == 31:  # the end of an item of indefinite length
            frame[0] = 0
            continue
        frame[0] -= 1
        frame[1] += 1
        missing: float = 0
        index: Any = None
        if major in (2, 3):
            if info == 31:
                missing = math.inf
            else:
                position += argument
                frame[1] += argument // TEXT
        elif major in (4, 5):
            missing = math.inf if info == 31 else argument * (major - 3)
        elif major == 6:
            missing = 1
            if argument == 28:
                index = len(shared)
                shared.append(1)
            elif argument == 29:
                index = "reference"
        if missing:
            frames.append([missing, 0, index])
