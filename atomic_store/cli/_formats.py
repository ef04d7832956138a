"""What is stored, decoded: which format it is in, its value, and the bytes for a new value."""

from __future__ import annotations

import io
import os
import sys

from .. import formats
from ..errors import FormatError, LoadError, MissingLibraryError
from ..formats import wrappers
from ..locations import ANY
from ..store import locate
from ._terminal import PIECE, CommandError, Killable, Progress, WatchedFile, cause_of, is_terminal, message_of, warn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from _typeshed import WriteableBuffer

    from ..locations import Location

# Bytes that take longer than half a second to decode or to encode: the two are written in Python.
LONG = {"yaml": 1 << 17, "toml": 1 << 17}
LONG_IN_C = 16 << 20
MAGIC = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\xfd7zXZ\0": "xz", b"\x28\xb5\x2f\xfd": "zstd"}
BOM = b"\xef\xbb\xbf"  # the byte order mark of UTF-8, which editors on Windows write
# What a file may unpack to: gzip packs 1,032 bytes into one at most, and 300 bytes of bz2 may stand for 400 MB.
UNPACKED, UNPACKED_PER_BYTE = 1 << 20, 1100


class FileFormat:
    """A format and the compressions around it, apart: an editor gets the text, not the compressed bytes.

    Args:
        name: the name of the format inside.
        methods: the compressions, the innermost first.
        option: the option that has named it, so that what is there does not change it; None: none has.

    Attributes:
        label: the name of all of it, such as "json.gz".
    """

    def __init__(self, name: str, methods: list[str], option: str | None = None) -> None:
        self.name = name
        self.methods = methods
        self.option = option

    @property
    def label(self) -> str:
        """The name of the format with its compressions, as --format takes it."""
        if not self.methods:
            return self.name
        suffixes = {method: suffix for suffix, method in wrappers.COMPRESSIONS.items()}
        return "".join([self.name, *(suffixes[method] for method in self.methods)])

    @property
    def codec(self) -> Any:
        """The codec of the format inside.

        Raises:
            FormatError: --format names no format.
            MissingLibraryError: the package of the format is not installed.
        """
        try:
            return formats.resolve(self.name)
        except MissingLibraryError:
            raise
        except FormatError as error:
            raise FormatError(f"{self.option} {self.name}: {error}".replace(", or an object", "")) from error

    @property
    def is_text(self) -> bool:
        """Whether the format writes every value as text."""
        return self.codec.module.text is True

    @property
    def keeps_objects(self) -> bool:
        """Whether the format keeps Python objects as such, as pickle does."""
        objects: bool = self.codec.objects
        return objects

    def load(self, content: bytes, path: Any) -> Any:
        """Decode a value; `path` names the place in errors."""
        with Progress(f"decoding {self.name}", len(content), announce=self.is_long(content)):
            return self.codec.load(MemoryFile(path, content))

    def plain(self, value: Any) -> Any:
        """Return a loaded value in built-in types."""
        try:
            return value if self.name == "json" else formats.plain(value)
        except RecursionError as error:
            raise CommandError(4, "the value contains itself, or is nested too deeply") from error

    def encode(self, value: Any, path: Any) -> bytes:
        """Encode a value, and decode it again: what comes back as another value is refused."""
        memory = MemoryFile(path)
        # Python writes NaN and Infinity into JSON, which other programs refuse.
        kwargs = {"allow_nan": False} if self.name == "json" else {}
        try:
            formats.resolve(wrappers.Verified(self.name)).dump(value, memory, kwargs)
        except Exception as error:
            # Only its own words, because its notes repeat the path.
            raise CommandError(4, f"the value cannot be kept as {self.name} at {path!r}: {message_of(error)}") from error
        return memory.getvalue()

    def pack(self, content: bytes) -> bytes:
        """Compress an encoded value, and check that it can be unpacked."""
        if not self.methods:
            return content
        memory = MemoryFile(self.label)
        try:
            formats.resolve(wrappers.Verified(self.around(RawBytes(self.name)))).dump(content, memory)
        except FormatError as error:
            raise CommandError(4, str(error)) from error
        return memory.getvalue()

    def unpack(self, file: WatchedFile, path: Any) -> bytes:
        """Return the encoded value of a stored file, unpacked as its first bytes ask for."""
        self.look_at(file.peek(6), path)
        if not self.methods:
            return file.readall()
        packed: Any = MemoryFile(path, file.readall()) if file.size is None else file
        max_size = UNPACKED + UNPACKED_PER_BYTE * packed.size
        try:
            content: bytes = formats.resolve(self.around(RawBytes(self.name), max_size=max_size)).load(packed)
        except LoadError as error:
            if error.__cause__ is None:
                raise CommandError(
                    4,
                    f"{path!r} has {packed.size} bytes and unpacks to more than {max_size}, as hostile files do. "
                    f"If it is yours: unpack it by {self.methods[-1]}, and pipe it to `atomic-store show -`",
                ) from error
            error.format = self.label
            raise
        return content

    def around(self, inside: Any, **limits: int) -> Any:
        """Return the compressions around a format, as open() takes them."""
        for method in self.methods:
            inside = wrappers.Compressed(inside, method, **limits)
        return inside

    def look_at(self, head: bytes, path: Any) -> None:
        """Use the compression that the first bytes show, unless --format has named one."""
        found = compression_of(head)
        if head and self.option is None and found != self.methods[-1:]:
            label = self.label
            self.methods = found
            seen = found[0] if found else "not compressed"
            warn(f"{path!r} should be {label} by its name, and is {seen}: taken as {self.label}")

    def is_long(self, content: bytes) -> bool:
        """Return whether decoding or encoding takes so long that it should be announced."""
        return len(content) >= LONG.get(self.name, LONG_IN_C)


class Stored:
    """What is stored at a place.

    Attributes:
        form: its format, as far as it is known before it is decoded.
        content: the encoded value, without compression.
        version: the version of the place.
    """

    def __init__(self, form: FileFormat, content: bytes, version: object, path: Any) -> None:
        self.form = form
        self.content = content
        self.version = version
        self._path = path

    def load(self) -> Any:
        """Decode the value. If the format by the name refuses the bytes, and they show another format, that one is used."""
        try:
            with Killable(self.form.is_long(self.content)):
                return self.form.load(self.content, self._path)
        except (LoadError, MissingLibraryError):
            form, value = self._load_as_seen()
            if form is None:
                raise
        warn(f"{self._path!r} should be {self.form.name} by its name, and is {form.name}: taken as {form.label}")
        self.form = form
        return value

    def printing(self) -> Progress:
        """Return the progress of printing the value to a file or a pipe; on a terminal it shows itself."""
        return Progress("printing", None, announce=self.form.is_long(self.content) and not is_terminal(sys.stdout))

    def _load_as_seen(self) -> tuple[FileFormat | None, Any]:
        seen = _seen(self.content)
        if self.form.option is not None or seen in (None, self.form.name):
            return None, None
        form = FileFormat(str(seen), self.form.methods)
        try:
            return form, form.load(self.content, self._path)
        except (LoadError, MissingLibraryError):
            return None, None


def read(location: Any, name: str | None, exact: bool = False, option: str = "--format") -> Stored | None:
    """Read what is stored; None: nothing is.

    Args:
        location: the place.
        name: what the option says, if it is given.
        option: the option that names the format.
        exact: whether the version must tell new bytes from a mere touch.

    Raises:
        FormatError: neither the option nor the name nor the bytes say the format.
    """
    form = by_suffix(location.path) if name in (None, "auto") else by_name(name, option)
    file = location.read(exact)
    if file is None:
        if form is not None:
            _ = form.codec  # raises if --format is wrong or a package missing, which is worth more than "nothing there"
        return None
    path = location.path
    with file, Progress(f"reading {path!r}", file.size, announce=(file.size or 0) >= LONG_IN_C) as progress:
        watched = WatchedFile(file, progress)
        guess = form or FileFormat("json", compression_of(watched.peek(6)))
        content = guess.unpack(watched, path)
        version = file.version
    if form is None:
        seen = _seen(content)
        if not content:
            raise CommandError(4, f"{path!r} is empty")
        if seen is None:
            raise _unknown_format(path, option)
        guess.name = seen
    return Stored(guess, content, version, path)


def by_name(name: str, option: str) -> FileFormat:
    """Return the format for what an option says, such as "yaml" or "pickle.gz"."""
    methods: list[str] = []
    inside, _, suffix = name.rpartition(".")
    while f".{suffix}" in wrappers.COMPRESSIONS:
        methods.insert(0, wrappers.COMPRESSIONS[f".{suffix}"])
        name = inside
        inside, _, suffix = name.rpartition(".")
    return FileFormat(name, methods, option)


def by_suffix(path: Any) -> FileFormat | None:
    """Return the format for a path's suffix; None: it says none."""
    rest, suffix = os.path.splitext(os.fsdecode(path))
    if suffix == ".json":
        return FileFormat("json", [])  # the most common one needs no module that knows the others: 1 ms
    methods: list[str] = []
    while suffix.lower() in wrappers.COMPRESSIONS:
        methods.insert(0, wrappers.COMPRESSIONS[suffix.lower()])
        rest, suffix = os.path.splitext(rest)
    name = wrappers.name_by_suffix(suffix.lower())
    return None if name is None else FileFormat(name, methods)


def for_new(path: Any, name: str | None, option: str = "--format") -> FileFormat:
    """Return the format for a place that holds nothing yet; the arguments are those of read()."""
    form = by_suffix(path) if name in (None, "auto") else by_name(name, option)
    if form is None:
        raise _unknown_format(path, option)
    _ = form.codec  # raises if the option is wrong, or a package missing
    return form


def _unknown_format(path: Any, option: str) -> FormatError:
    known = ", ".join([*wrappers.SUFFIXES, *wrappers.COMPRESSIONS])
    return FormatError(
        f"nothing says the format of {path!r}: name it by {option}, or let the suffix be one of {known}. "
        "(A pickle is never guessed, because loading one can run code)"
    )


def compression_of(head: bytes) -> list[str]:
    """Return the compression that the first bytes show, if any."""
    return [method for magic, method in MAGIC.items() if head.startswith(magic)]


def _seen(content: bytes) -> str | None:
    """Return the format that the bytes show, None: none. Never pickle: what a file holds must not decide to run code."""
    if len(content) >= 5 and int.from_bytes(content[:4], "little") == len(content) and content[-1] == 0:
        return "bson"
    if content.startswith(b"\xd9\xd9\xf7"):  # RFC 8949, 3.4.6
        return "cbor"
    start = content[:4096].removeprefix(BOM).lstrip(b" \t\r\n")[:1]
    return "json" if start and start in b'{["-0123456789tfn' else None


class RawBytes:
    """A format whose values are bytes, which stay as they are."""

    is_binary = True

    def __init__(self, name: str) -> None:
        self.label = f"bytes of {name}"

    def dump(self, value: bytes, file: Any) -> None:
        """Write the bytes."""
        file.write(value)

    def load(self, file: Any) -> Any:
        """Read the bytes."""
        return file.read()


class MemoryFile(io.BytesIO):
    """A file in memory with the name of a place."""

    def __init__(self, name: Any, content: bytes = b"") -> None:
        super().__init__(content)
        self.name = name
        self.size = len(content)


class StandardInput:
    """Standard input in the place of a location."""

    path = "standard input"

    def read(self, exact: bool = False) -> StandardInputFile:  # noqa: ARG002 - the signature of Location.read()
        """Open it.

        Raises:
            CommandError: the program was started without one.
        """
        stream: Any = sys.stdin
        if stream is None:
            raise CommandError(1, "there is no standard input to read")
        if stream.isatty():
            warn("reading from this terminal: Ctrl-D ends the input")
        return StandardInputFile(stream.buffer, self.path)


class StandardInputFile(io.RawIOBase):
    """A pipe as a stored file."""

    size = None
    version = None

    def __init__(self, stream: Any, name: str) -> None:
        self._stream = stream
        self.name = name

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Read what the other program has written."""
        size: int = self._stream.readinto1(buffer)
        return size


def writable(text: str, mode: int | None = None) -> Any:
    """Return the place that a command writes to.

    Args:
        text: the place as it was typed.
        mode: the permissions of a file that is made.
    """
    if text == "-":
        raise CommandError(2, "this command changes a place, and - is none: give a file's path, or s3://bucket/key")
    location: Any = locate(text)
    if "ATOMIC_STORE_LOCK" in os.environ:
        from ._locking import inherit_lock

        inherit_lock(location)
    if mode is not None:
        from .. import LocalFile

        if isinstance(location, LocalFile):
            location.mode = mode
    return location


def overwrite(location: Any, content: bytes) -> None:
    """Replace what is stored, whatever it is, all or nothing and under the lock."""
    from ._locking import Locked

    with Locked(location):
        publish(location, ANY, content)


def publish(location: Location, expected: object, content: bytes) -> None:
    """Replace what is stored, all or nothing."""
    with Progress(f"writing {location.path!r}", len(content)) as progress, location.replace(expected) as file:
        for start in range(0, len(content), PIECE):
            piece = content[start : start + PIECE]
            file.write(piece)
            progress.advance(len(piece))


def mistake_in(error: Exception) -> str:
    """Return what is wrong with a text, in the format's own words if it refuses the text."""
    if isinstance(error, LoadError) and error.__cause__ is not None:
        return f"It is not {error.format}: {cause_of(error)}"
    return message_of(error)


def nothing_at(path: Any) -> CommandError:
    """Return the error for a place that holds nothing."""
    return CommandError(3, f"nothing is stored at {path!r}")


def no_field(path: Any, field: str) -> CommandError:
    """Return the error for a field that is not there."""
    return CommandError(3, f"there is no {field!r} in {path!r}")
