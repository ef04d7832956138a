"""The codec: our one view, dump(value, file) and load(file), of whatever the user calls a format.

All file work is in bytes: str becomes UTF-8. load is given bytes and, if it refuses those, text,
once; what dump has written, if it was called before, says what to try first.
"""

from __future__ import annotations

import io

from ..errors import AtomicStoreError, FormatError, LoadError, describe
from .base import WrapBinaryFormat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from _typeshed import WriteableBuffer


class Functions:
    """The two functions of a format, however they were called there.

    Args:
        label: what messages call the format.
        dump: called with the value, a file and dump_kwargs.
        load: called with a file, or with the whole content, and load_kwargs.
        whole: whether load takes the content, bytes or str, rather than a file.
        streams: whether load takes the raw file as it is stored, and reads it only forward.
        takes_text: whether load takes str (True) or bytes (False); None: it is found out.
        objects: whether the format keeps Python objects as such, as pickle does.
        simple: whether dump always writes something, str or bytes, by write() alone, and keeps nothing of the file.
        damage: what load raises where the bytes are at fault, and not the program; None: that cannot be told apart.
        text: whether what it writes is text that people read and edit; None: it is found out.
    """

    __slots__ = ("damage", "dump", "label", "load", "objects", "simple", "streams", "takes_text", "text", "whole")

    def __init__(
        self,
        label: str,
        dump: Callable[..., Any],
        load: Callable[..., Any],
        whole: bool = False,
        streams: bool = False,
        takes_text: bool | None = None,
        objects: bool = False,
        simple: bool = False,
        damage: tuple[type[Exception], ...] | None = None,
        text: bool | None = None,
    ) -> None:
        self.label = label
        self.dump = dump
        self.load = load
        self.whole = whole
        self.streams = streams
        self.takes_text = takes_text
        self.objects = objects
        self.simple = simple
        self.damage = damage
        self.text = text


class Codec:
    """A format with its keywords bound.

    Args:
        format: what the store shows as its format, as 0.0.1 did.
        functions: what to call.
        is_binary: True or False: the only thing the format may write or be given; None: find out.
        load_kwargs: keywords of every load.
        dump_kwargs: keywords of every dump.
    """

    def __init__(
        self,
        format: Any,
        functions: Functions,
        is_binary: bool | None,
        load_kwargs: dict[str, Any],
        dump_kwargs: dict[str, Any],
    ) -> None:
        self.format = format
        self.label = functions.label
        self.is_binary = is_binary
        self.load_kwargs = load_kwargs
        self.dump_kwargs = dump_kwargs
        self.functions = functions
        # What load takes: True text, False bytes, None: nothing has shown it yet.
        self._takes_text = functions.takes_text if is_binary is None else not is_binary
        self._wrote_text: bool | None = None

    def check_default(self, default: Any) -> None:
        """Raise TypeError where the default is no value that the store may have; here any is one."""

    def dump(self, value: Any, file: Any) -> None:
        """Write the value to a binary file.

        Raises:
            Exception: whatever the format raises, with a note that names path and format.
            FormatError: it wrote nothing at all, and nothing is not how it writes this value.
        """
        try:
            if self.functions.simple and self.is_binary is None:
                self.functions.dump(value, Text(file), **self.dump_kwargs)
            else:
                self._dump(value, file)
        except Exception as error:
            error.add_note(f"while dumping the value of {file.name!r} with the format {self.label}")
            raise

    def _dump(self, value: Any, file: Any) -> None:
        sink = Sink(file, self.is_binary)
        sink.load_kwargs = self.load_kwargs
        try:
            self.functions.dump(value, sink, **self.dump_kwargs)
            sink.flush()
            if not sink.written and not self._is_empty_for(value):
                raise FormatError(f"format {self.label} wrote nothing at all for a value of type {type(value).__name__}")
        finally:
            # Closed, not just left: a writer that stays bound to it must fail, not write into the void.
            sink.end()
        self._wrote_text = sink.spoke_text

    def load(self, file: Any) -> Any:
        """Read a value from what is stored.

        Raises:
            LoadError: the format refuses the bytes; its own exception is the cause.
            OSError: the file cannot be read.
        """
        if self.functions.streams and not self._takes_text:
            return self._load_from(Source(file), file.name)
        if self.functions.damage is not None and not self._takes_text:
            return self._load_from(Once(file.read()), file.name)
        content = file.read()
        refusals: list[Exception] = []
        try:
            value = self._decode(content, refusals, file.name)
        except AtomicStoreError as error:
            _say_what_is_stored(error, len(content))
            raise
        except Exception as error:
            refusals.append(error)
            refusal = self._refusal(refusals, file.name, len(content), self._takes_without_keywords(content, file.name))
            try:
                raise refusal from _telling(refusals)
            finally:
                # Their tracebacks hold this frame, and it them: content and file would live until the next collection.
                refusals.clear()
                del refusal
        if not content and not self._is_nothing(value):
            raise LoadError(
                f"{file.name!r} is empty, and format {self.label} does not write {value!r} as an empty file; "
                "restore it, or delete it to begin with the default",
                file.name,
                self.label,
                0,
            )
        return value

    def writes_text(self, value: Any) -> bool:
        """Say whether this value is written as text: a named format says so itself, any other one by writing str."""
        if self.functions.text is not None:
            return self.functions.text
        sink = Sink(io.BytesIO(), self.is_binary)
        try:
            self.functions.dump(value, sink, **self.dump_kwargs)
        except Exception:
            return False
        return bool(sink.spoke_text)

    def _load_from(self, source: Source | Once, name: Any) -> Any:
        try:
            return self.functions.load(source, **self.load_kwargs)
        except AtomicStoreError as error:
            _say_what_is_stored(error, source.size)
            raise
        except Exception as error:
            # Memory that ran out while reading is what a damaged file has claimed to need, and no fault of the place.
            if error is source.error and not isinstance(error, MemoryError):
                raise
            sound = self.functions.damage is not None and not isinstance(error, self.functions.damage)
            raise self._refusal([error], name, source.size, sound) from error

    def _decode(self, content: bytes, refusals: list[Exception], name: Any) -> Any:
        """Decode bytes or text, whichever load takes; until a load has shown it, try one and then the other.

        What dump wrote proves nothing: tomli_w writes str, and tomllib reads bytes. The error of a
        first try is put into `refusals` if there is a second.
        """
        if self._takes_text is not None:
            return self._call_load(content, self._takes_text, name)
        as_text = bool(self._wrote_text)
        try:
            value = self._call_load(content, as_text, name)
        except Exception as error:
            if self._wrote_text is not None and not _is_mismatch(error):
                raise
            if not as_text and not _is_mismatch(error) and not _is_text(content):
                raise
            refusals.append(error)
            as_text = not as_text
            value = self._call_load(content, as_text, name)
        if content:  # an empty file shows nothing: csv takes it as bytes, and the next one only as text
            self._takes_text = as_text
        return value

    def _call_load(self, content: bytes, as_text: bool, name: Any) -> Any:
        given = str(content, "utf-8") if as_text else content  # all of it is text, whether load looks at all of it or not
        if self.functions.whole:
            return self.functions.load(given, **self.load_kwargs)
        file: Any = Content(content)
        file.name, file.size = name, len(content)
        if as_text:
            file = io.TextIOWrapper(file, "utf-8", newline="")  # line ends are as they are stored: csv asks for it too
        return self.functions.load(file, **self.load_kwargs)

    def _takes_without_keywords(self, content: bytes, name: Any) -> bool:
        """Say whether the format takes the bytes without load_kwargs: then those, and not the bytes, are what fails."""
        if not self.load_kwargs:
            return False
        try:
            Codec(self.format, self.functions, self.is_binary, {}, {})._decode(content, [], name)
        except Exception:
            return False
        return True

    def _refusal(self, errors: list[Exception], path: Any, size: int | None, sound: bool = False) -> LoadError:
        telling = _telling(errors)
        told = describe(telling)
        both = len(errors) > 1 and telling is errors[1]
        if both and (not _is_mismatch(errors[0]) or isinstance(telling, UnicodeError)) and describe(errors[0]) != told:
            told = f"{describe(errors[0])}; as text: {told}"
        held = "" if size is None else f" ({size} bytes)"
        # The program's part, or this machine's, is not the file's fault: a keyword, a class that was moved, no memory.
        ours = (TypeError, AttributeError, ImportError, MemoryError, RecursionError)
        # LookupError itself is "unknown encoding", from a keyword; its kinds, IndexError and KeyError, are of the content.
        sound = sound or isinstance(telling, ours) or type(telling) is LookupError
        way_out = "look at the program first" if sound else "restore the file, or delete it to begin with the default"
        return LoadError(
            f"{path!r}{held} should hold a value in the format {self.label}, which refuses it: {told}. "
            f"Nothing was changed; {way_out}",
            path,
            self.label,
            size,
            damaged=not sound,
        )

    def _is_nothing(self, value: Any) -> bool:
        """Say whether the format writes nothing for this value: {} in TOML, [] in CSV, but not None in YAML."""
        sink = Sink(io.BytesIO(), self.is_binary)
        try:
            self.functions.dump(value, sink, **self.dump_kwargs)
        except Exception:
            return False
        return not sink.written

    def _is_empty_for(self, value: Any) -> bool:
        """Say whether an empty file loads as this very value."""
        try:
            return bool(self._decode(b"", [], None) == value)
        except Exception:
            return False


BUFFER = 1 << 16
LARGE = 1_000_000  # bytes; for less, the garbage collector takes no time to speak of


def decode(size: int | None, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Give function(*args, **kwargs), a decoder's; the collector pauses if there are many bytes, or if nobody knows."""
    if size is not None and size < LARGE:
        return function(*args, **kwargs)
    from ._paused import without_collection

    return without_collection(function, *args, **kwargs)


class Sink(io.RawIOBase):
    """The file that dump gets: takes bytes or str, and nothing any more once it was closed.

    Closing it closes nothing underneath: what was written is kept.
    """

    before: int | None = None  # see Text
    encoding = None  # rapidjson and others look: None means bytes, and str is welcome as well
    load_kwargs: Any = None  # by which what is written will be read: Verified reads it at once

    def __init__(self, file: Any, is_binary: bool | None) -> None:
        self._file = file
        self._is_binary = is_binary
        self._pieces: list[bytes] = []
        self._waiting = 0
        self.name = getattr(file, "name", None)
        self.written = 0
        self.spoke_text: bool | None = None

    def writable(self) -> bool:
        """Say yes."""
        return True

    def write(self, data: Any) -> int:
        """Take all of it; str is written as UTF-8."""
        if self.closed:
            raise ValueError("write to a closed file: this dump is over")
        is_text = isinstance(data, str)
        if is_text is self._is_binary:
            wanted = "a bytes-like object is required by is_binary=True" if is_text else "str is required by is_binary=False"
            raise TypeError(f"{wanted}, not {type(data).__name__}")
        piece: Any = data.encode("utf-8") if is_text else data if type(data) is bytes else memoryview(data).cast("B")
        size = len(piece)
        if size:
            self.spoke_text = is_text
            self.written += size
        if size >= BUFFER:
            self.flush()
            self._file.write(piece)
        else:
            self._pieces.append(bytes(piece))
            self._waiting += size
            if self._waiting >= BUFFER:
                self.flush()
        return len(data) if is_text else size

    def flush(self) -> None:
        """Hand on what waits: csv and others write every field by itself, and each write of a place costs."""
        pieces, self._pieces, self._waiting = self._pieces, [], 0
        if pieces:
            self._file.write(b"".join(pieces))

    def end(self) -> None:
        """Take nothing more; what still waits is of a dump that has failed."""
        self._pieces.clear()
        self.close()

    def tell(self) -> int:
        """Say how many bytes were written."""
        if self.closed:
            raise ValueError("tell of a closed file")
        position: int = self._file.tell()
        return position + self._waiting

    def fileno(self) -> int:
        """Give the descriptor where the place has one; what is written through it counts as well."""
        if self.closed:
            raise ValueError("fileno of a closed file")
        self.flush()
        number: int = self._file.fileno()
        self.written += 1
        return number


class Text:
    """The least that a dump can do with: io.RawIOBase costs as much as a small value's dump.

    Attributes:
        before: how many bytes the place held before, None: not known.
    """

    __slots__ = ("_file", "before")

    def __init__(self, file: Any) -> None:
        self._file = file
        self.before: int | None = getattr(file, "before", None)

    def write(self, data: Any) -> None:
        """Take all of it; str is written as UTF-8."""
        self._file.write(data.encode("utf-8") if isinstance(data, str) else data)


class Once:
    """The stored bytes, given up by the first read: a decoder that makes text of them shall not have both."""

    __slots__ = ("_content", "size")

    error = None  # see Source; what reading raises has been raised before

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.size = len(content)

    def read(self) -> bytes:
        """Give all of them."""
        content, self._content = self._content, b""
        return content


class Content(io.BytesIO):
    """The stored bytes as a seekable file, for messages with the name of the place."""

    name: Any = None
    size: int | None = None


class Source(io.RawIOBase):
    """The stored bytes as a stream, remembering what reading it has raised: that is no refusal of the format."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.name = file.name
        self.size = file.size
        self.error: Exception | None = None

    def readable(self) -> bool:
        """Say yes."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Read what comes next into the buffer."""
        try:
            size: int = self._file.readinto(buffer)
        except Exception as error:
            self.error = error
            raise
        return size


# What a format may call its writer and its reader, first come, first served, and whether these
# work on the encoded value as a whole rather than on a file.
_INTERFACES = (
    ("dump", "load", False),
    ("dumps", "loads", True),
    ("packb", "unpackb", True),
    ("dump_json", "validate_json", True),  # pydantic.TypeAdapter
    ("model_dump_json", "model_validate_json", True),  # a pydantic model class
    ("encode", "decode", True),
)
_HANGS = "cbor"  # the load() of this old package never returns from a truncated file; its loads() does


def find(format: Any) -> tuple[Any, Functions]:
    """Find the two functions of a format object; give what the store shows as its format, and them.

    Raises:
        FormatError: nothing fits; the message lists what was found.
    """
    label, takes_text = _label(format), _takes_text(format)
    if _is_pair(format):
        dumps, loads = format
        return format, Functions(f"({_label(dumps)}, {_label(loads)})", _writing(dumps), loads, whole=True)
    if _offers(format, "safe_dump", "safe_load"):
        return format, Functions(label, *_safe(format))
    for writer, reader, whole in _INTERFACES:
        if not _offers(format, writer, reader) or (label == _HANGS and not whole):
            continue
        if not whole:
            streams, objects = (getattr(format, name, None) is True for name in ("streams", "holds_objects"))  # our wrappers
            return format, Functions(label, format.dump, format.load, False, streams, takes_text, objects)
        functions = Functions(label, _writing(getattr(format, writer)), getattr(format, reader), True, takes_text=takes_text)
        return WrapBinaryFormat(format) if writer == "dumps" else format, functions
    names = [name for writer, reader, _ in _INTERFACES for name in (writer, reader)]
    found = [name for name in names if callable(getattr(format, name, None))]
    raise FormatError(
        "format should be a name, a pair of callables (dumps, loads), or an object with two that belong together, "
        f"such as dump and load; {format!r} has " + (f"only {', '.join(found)}" if found else "none of these")
    )


def _is_pair(format: Any) -> bool:
    return isinstance(format, tuple) and len(format) == 2 and all(map(callable, format))  # pyright: ignore[reportUnknownArgumentType]  # any tuple


def _offers(format: Any, *names: str) -> bool:
    return all(callable(getattr(format, name, None)) for name in names)


def _takes_text(format: Any) -> bool | None:
    """Read what the author of a format may have said by a class attribute `is_binary`."""
    is_binary = getattr(format, "is_binary", None)
    return not is_binary if isinstance(is_binary, bool) else None


def _writing(dumps: Callable[..., Any]) -> Callable[..., None]:
    def dump(value: Any, file: Any, **kwargs: Any) -> None:
        file.write(dumps(value, **kwargs))

    return dump


def _safe(module: Any) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Give PyYAML's safe functions, or those that a Dumper or Loader among the keywords asks for."""

    def dump(value: Any, file: Any, **kwargs: Any) -> None:
        kwargs.setdefault("sort_keys", False)  # a mapping has an order, and it is the value's
        (module.dump if "Dumper" in kwargs else module.safe_dump)(value, file, **kwargs)

    def load(file: Any, **kwargs: Any) -> Any:
        return (module.load if "Loader" in kwargs else module.safe_load)(file, **kwargs)

    return dump, load


def _label(format: Any) -> str:
    names = (getattr(format, attribute, None) for attribute in ("label", "__name__"))
    return next((name for name in names if isinstance(name, str)), type(format).__name__)


def _is_mismatch(error: BaseException) -> bool:
    """Say whether an error looks like "bytes given where str is needed", or the other way round."""
    return isinstance(error, TypeError | AttributeError)


def _say_what_is_stored(error: AtomicStoreError, size: int | None) -> None:
    """Set the evidence of an error that a format inside this one has raised: it saw unpacked bytes, say."""
    if isinstance(error, LoadError):
        error.size = size


def _telling(errors: list[Exception]) -> Exception:
    """Of the errors of one or two tries, choose the one about the content; the other is in its context or ours."""
    if len(errors) > 1 and _is_mismatch(errors[1]) and not _is_mismatch(errors[0]):
        return errors[0]
    return errors[-1]


def _is_text(content: bytes) -> bool:
    try:
        str(content, "utf-8")
    except UnicodeDecodeError:
        return False
    return True
