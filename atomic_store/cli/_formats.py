"""Formats and locations as the command line uses them."""

from __future__ import annotations

import io
import sys

from .. import formats
from ..errors import FormatError, describe
from ..formats import wrappers
from ._terminal import PIECE, CommandError, Progress, WatchedFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..locations import Location


class FileFormat:
    """A format and what compresses it, each by itself: one edits the text, and not the compressed bytes.

    Args:
        name: what --format says, such as "yaml" or "pickle.gz"; None: the path's suffix decides.
        path: the place.

    Attributes:
        name: of the format inside.
        label: of all of it.
        codec: of the format inside.
    """

    def __init__(self, name: str | None, path: Any) -> None:
        whole = _by_suffix(path) if name in (None, "auto") else _by_name(name)
        methods: list[str] = []
        inside: Any = whole
        while not isinstance(inside, str):
            methods.insert(0, inside.method)
            inside = inside.format
        self.name: str = inside
        self.codec = formats.resolve(inside)
        suffixes = {method: suffix for suffix, method in wrappers.COMPRESSIONS.items()}
        self.label = "".join([inside, *(suffixes[method] for method in methods)])
        self._packing: Any = RawBytes(f"bytes of {inside}")
        for method in methods:
            self._packing = wrappers.Compressed(self._packing, method)
        self._packs = bool(methods)

    def read(self, place: Location, exact: bool = False) -> tuple[bytes, object] | None:
        """Give the encoded value, not compressed any more, and the version; None: nothing is stored."""
        file = place.read(exact)
        if file is None:
            return None
        with file, Progress(f"reading {place.path!r}", file.size) as progress:
            watched = WatchedFile(file, progress)
            content = formats.resolve(self._packing).load(watched) if self._packs else watched.readall()
            return content, file.version

    def load(self, content: bytes, path: Any) -> Any:
        """Decode the value."""
        return self.codec.load(MemoryFile(path, content))

    def plain(self, value: Any) -> Any:
        """Give a loaded value in built-in types."""
        try:
            return value if self.name == "json" else formats.plain(value)
        except RecursionError as error:
            raise CommandError(4, "the value contains itself, or is nested too deep") from error

    def verified(self, value: Any, path: Any) -> bytes:
        """Encode a value, if it comes back from that as it is."""
        memory = MemoryFile(path)
        try:
            formats.resolve(wrappers.Verified(self.name)).dump(value, memory)
        except Exception as error:
            # In its own words; that it was dumped for this place, says the message already.
            raise CommandError(4, f"the value cannot be kept as {self.name} at {path!r}: {describe(error)}") from error
        return memory.getvalue()

    def pack(self, content: bytes) -> bytes:
        """Compress the encoded value, where it is to be, and see that it can be unpacked."""
        if not self._packs:
            return content
        memory = MemoryFile(self.label)
        try:
            formats.resolve(wrappers.Verified(self._packing)).dump(content, memory)
        except FormatError as error:
            raise CommandError(4, str(error)) from error
        return memory.getvalue()


class RawBytes:
    """A format whose values are bytes, and stay what they are."""

    is_binary = True

    def __init__(self, label: str) -> None:
        self.label = label

    def dump(self, value: bytes, file: Any) -> None:
        """Write the bytes."""
        file.write(value)

    def load(self, file: Any) -> Any:
        """Read the bytes."""
        return file.read()


class MemoryFile(io.BytesIO):
    """A file in memory that is called like the place."""

    def __init__(self, name: Any, content: bytes = b"") -> None:
        super().__init__(content)
        self.name = name
        self.size = len(content)


def _by_suffix(path: Any) -> Any:
    try:
        return wrappers.by_suffix(path)
    except FormatError as error:
        known = ", ".join([*wrappers.SUFFIXES, *wrappers.COMPRESSIONS])
        raise FormatError(
            f"the suffix of {path!r} should say the format, and is none of {known}: name the format. "
            "(A pickle can run code when it is loaded, and so is never guessed)"
        ) from error


def _by_name(name: Any) -> Any:
    """Give the format for a name that may end in the suffix of a compression."""
    inside, _, suffix = name.rpartition(".")
    if f".{suffix}" not in wrappers.COMPRESSIONS:
        return name
    return wrappers.Compressed(_by_name(inside), wrappers.COMPRESSIONS[f".{suffix}"])


def publish(place: Location, expected: object, content: bytes) -> None:
    with Progress(f"writing {place.path!r}", len(content)) as progress, place.replace(expected) as file:
        for start in range(0, len(content), PIECE):
            piece = content[start : start + PIECE]
            file.write(piece)
            progress.advance(len(piece))


def nothing_stored(place: Location) -> CommandError:
    return CommandError(3, f"nothing is stored at {place.path!r}")


def already_exists(place: Location) -> CommandError:
    return CommandError(5, f"there is something at {place.path!r} already, and it was left alone; --force replaces it")


def json_text(value: Any) -> str:
    """Give JSON for people: in lines, and in their own letters where the terminal has them."""
    import json

    text = json.dumps(value, indent=2, ensure_ascii=False)
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return json.dumps(value, indent=2)
    return text


def strict_json(value: Any, path: Any) -> str:
    """Give JSON for machines, of RFC 8259 and in ASCII."""
    import json

    try:
        return json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise CommandError(
            4, f"the value of {path!r} cannot be given as JSON ({error}); without --json it is shown"
        ) from error


def readable(value: Any, outside: tuple[int, ...] = ()) -> Any:
    """Give what JSON can show of a value; what it does not have is a text in <>."""
    part: Any = value  # for type checkers, which know no more of what is inside
    if part is None or isinstance(part, bool | int | float | str):
        return part
    if id(part) in outside:
        return "<...>"
    outside = (*outside, id(part))
    if isinstance(value, dict):
        return {key if isinstance(key, str) else f"<{key!r}>": readable(item, outside) for key, item in part.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [readable(item, outside) for item in part]
    return f"<{part!r}>"
