"""BSON, by whichever `bson` module is installed: pymongo's (encode/decode) or the PyPI package bson (dumps/loads).

Cannot hold: anything but a mapping at the top; keys that are no str; ints beyond 64 bits. Comes
back as something else: a tuple as a list, a datetime cut to milliseconds and in UTC. The two
packages share one module name and cannot be installed together; told apart by what they offer,
never by their metadata. pymongo's is maintained and 19 times faster. PyPI's bson skips element types it does not
know into garbage without an error, and may never return from a damaged file.
"""

from __future__ import annotations

from ..errors import MissingLibraryError
from ._verdict import is_verdict
from .base import WrapBinaryFormat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType
    from typing import Any

label = "bson"
streams = False
objects = False
damage = is_verdict
text = False


def public() -> Any:
    """Return the value of `store.format`: as in 0.0.1 for PyPI's bson, the module itself for pymongo's."""
    module = library()
    return WrapBinaryFormat(module) if hasattr(module, "dumps") else module


def dump(value: Mapping[str, Any], file: Any, **kwargs: Any) -> None:
    """Write the mapping; keywords are those of bson.encode (pymongo) or bson.dumps."""
    module = library()
    if not hasattr(value, "keys"):
        raise TypeError(f"BSON should hold a mapping at its top, not {type(value).__name__}")
    if hasattr(module, "dumps"):
        file.write(module.dumps(value, **kwargs))
    else:
        file.write(module.encode(value, **(_faithful(module) | kwargs)))


def load(file: Any, **kwargs: Any) -> Any:
    """Read a mapping; keywords are those of bson.decode (pymongo) or bson.loads. Bytes after its end are refused."""
    module = library()
    content = file.read()
    # A document begins with its length in bytes (bsonspec.org): PyPI's bson looks no further.
    size = int.from_bytes(content[:4], "little")
    if size != len(content):
        raise ValueError(f"the document should have {size} bytes by its own head and has {len(content)}")
    if hasattr(module, "loads"):
        return module.loads(content, **kwargs)
    return module.decode(content, **(_faithful(module) | kwargs))


def library() -> ModuleType:
    """Return the installed bson module.

    Raises:
        MissingLibraryError: there is none, or what is left of one.
    """
    try:
        import bson
    except ImportError as error:
        raise MissingLibraryError(f'format "bson" needs a package: pip install "atomic-store[bson]" ({error})') from error
    if usable(bson):
        return bson
    raise MissingLibraryError(
        f'format "bson" cannot use the module bson at {getattr(bson, "__path__", bson)}: it is neither '
        "pymongo's nor PyPI's bson, perhaps what is left of one; pip install --force-reinstall pymongo"
    )


def usable(module: ModuleType) -> bool:
    """Return whether a module called bson offers one of the two interfaces."""
    pairs = (("dumps", "loads"), ("encode", "decode"))
    return any(all(callable(getattr(module, name, None)) for name in pair) for pair in pairs)


def _faithful(module: Any) -> dict[str, Any]:
    """What makes pymongo give back what PyPI's bson does: aware datetimes, UUIDs as such."""
    options = module.codec_options.CodecOptions(tz_aware=True, uuid_representation=module.binary.UuidRepresentation.STANDARD)
    return {"codec_options": options}
