"""format="auto": the suffix of the path decides about the format."""

from __future__ import annotations

import os

from ...errors import FormatError
from .. import _installed
from ._compressed import COMPRESSIONS, Compressed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SUFFIXES = {
    ".json": "json",
    ".bson": "bson",
    ".yaml": "yaml",
    ".yml": "yaml",
    ".toml": "toml",
    ".msgpack": "msgpack",
    ".cbor": "cbor",
}
"""The suffixes of the built-in formats. Never pickle: the name of a file must not decide whether it may run code."""


def settle(format: Any, path: Any) -> Any:
    """Return the format for the path's suffix in the place of "auto", which `format` is or wraps.

    Raises:
        FormatError: the suffix means no format; MissingLibraryError: the package of the format is not installed.
    """
    if format == "auto":
        return by_suffix(path)
    return format.with_format(settle(format.format, format.inner_path(path)))


def by_suffix(path: Any) -> Any:
    """Return the format for a path's suffix, compressed if there are two suffixes, as in .json.gz. Raises FormatError."""
    rest, suffix = os.path.splitext(os.fsdecode(path))
    suffix = suffix.lower()
    if suffix in COMPRESSIONS:
        return Compressed(by_suffix(rest), COMPRESSIONS[suffix])
    format = name_by_suffix(suffix)
    if format is None:
        raise FormatError(
            f'format="auto" should find one of the suffixes {", ".join(SUFFIXES)}, and finds {suffix!r} in {path!r}; '
            "name the format (pickle is used only by name)"
        )
    return format


def name_by_suffix(suffix: str) -> str | None:
    """Return the name of the format for a suffix in lower case, such as ".json"; None: there is none."""
    return SUFFIXES.get(suffix) or _installed.by_suffix(suffix)
