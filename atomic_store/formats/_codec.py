"""The codec: our one view, dump(value, file) and load(file), of whatever the user calls a format.

All file work is in bytes. What dump writes shows whether the format speaks text (str becomes
UTF-8); load is given bytes and, if it refuses those, text, once.
"""

from __future__ import annotations

import io

from ..errors import AtomicStoreError, FormatError, LoadError
from .base import WrapBinaryFormat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from _typeshed import WriteableBuffer

    from ..locations.base import StoredFile


class Functions:
    """The two functions of a format, however they were called there.

    Args:
        label: what messages call the format.
        dump: called with the value, a file and dump_kwargs.
        load: called with a file, or with the whole content, and load_kwargs.
        whole: whether load takes the content, bytes or str, rather than a file.
        streams: whether load takes the raw file as it is stored, and reads it only forward.
    """

    __slots__ = ("dump", "label", "load", "streams", "whole")

    def __init__(
        self, label: str, dump: Callable[..., Any], load: Callable[..., Any], whole: bool = False, streams: bool = False
    ) -> None:
        self.label = label
        self.dump = dump
        self.load = load
        self.whole = whole
        self.streams = streams


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
        self._functions = functions
        # What the format has shown to speak: True text, False bytes, None: nothing seen yet.
        self._speaks_text = None if is_binary is None else not is_binary

    def dump(self, value: Any, file: Any) -> None:
        """Write the value to a binary file.

        Raises:
            Exception: whatever the format raises, with a note that names path and format.
            FormatError: it wrote nothing at all, and nothing is not how it writes this value.
        """
        sink = Sink(file, self.is_binary)
        try:
            self._functions.dump(value, sink, **self.dump_kwargs)
            if not sink.written and not self._is_empty_for(value):
                raise FormatError(f"format {self.label} wrote nothing at all for a value of type {type(value).__name__}")
        except Exception as error:
            error.add_note(f"while dumping the value of {file.name!r} with the format {self.label}")
            raise
        finally:
            # Closed, not just left: a writer that stays bound to it must fail, not write into the void.
            sink.close()
        if sink.spoke_text is not None:
            self._speaks_text = sink.spoke_text

    def load(self, file: StoredFile) -> Any:
        """Read a value from what is stored.

        Raises:
            LoadError: the format refuses the bytes; its own exception is the cause.
            OSError: the file cannot be read.
        """
        if self._functions.streams and not self._speaks_text:
            return self._load_stream(file)
        content = file.readall()
        refusals: list[Exception] = []
        try:
            value = self._decode(content, refusals)
        except AtomicStoreError:
            raise
        except Exception as error:
            raise self._refusal([*refusals, error], file.name, len(content)) from _telling([*refusals, error])
        if not content and not self._is_nothing(value):
            raise LoadError(
                f"{file.name!r} is empty, and format {self.label} does not write {value!r} as an empty file; "
                "restore it, or delete it to begin with the default",
                file.name,
                self.label,
                0,
            )
        return value

    def _load_stream(self, file: StoredFile) -> Any:
        source = Source(file)
        try:
            return self._functions.load(source, **self.load_kwargs)
        except Exception as error:
            if error is source.error:
                raise
            raise self._refusal([error], file.name, file.size) from error

    def _decode(self, content: bytes, refusals: list[Exception]) -> Any:
        """Decode bytes, or text where the format has shown to speak it; where nothing is known, try both.

        The error of a first try is put into `refusals` if there is a second.
        """
        if self._speaks_text is not None:
            return self._call_load(str(content, "utf-8") if self._speaks_text else content)
        try:
            value = self._call_load(content)
        except Exception as error:
            text = _as_text(content)
            if text is None:
                raise
            refusals.append(error)
            value = self._call_load(text)
            self._speaks_text = True
        else:
            self._speaks_text = False
        return value

    def _call_load(self, content: bytes | str) -> Any:
        if self._functions.whole:
            return self._functions.load(content, **self.load_kwargs)
        # newline="": as it is stored; the csv module asks for this as well.
        file = io.StringIO(content, newline="") if isinstance(content, str) else io.BytesIO(content)
        return self._functions.load(file, **self.load_kwargs)

    def _refusal(self, errors: list[Exception], path: Any, size: int | None) -> LoadError:
        telling = _telling(errors)
        told = describe(telling)
        if len(errors) > 1 and telling is errors[1] and not _is_mismatch(errors[0]) and describe(errors[0]) != told:
            told = f"{describe(errors[0])}; as text: {told}"
        held = "" if size is None else f" ({size} bytes)"
        return LoadError(
            f"{path!r}{held} should hold a value in the format {self.label}, which refuses it: {told}. "
            "Nothing was changed; restore the file, or delete it to begin with the default",
            path,
            self.label,
            size,
        )

    def _is_nothing(self, value: Any) -> bool:
        """Say whether the format writes nothing for this value: {} in TOML, [] in CSV, but not None in YAML."""
        memory = io.BytesIO()
        try:
            self._functions.dump(value, Sink(memory, self.is_binary), **self.dump_kwargs)
        except Exception:
            return False
        return not memory.getvalue()

    def _is_empty_for(self, value: Any) -> bool:
        """Say whether an empty file loads as this very value."""
        try:
            return bool(self._decode(b"", []) == value)
        except Exception:
            return False


class Sink(io.RawIOBase):
    """The file that dump gets: takes bytes or str, and nothing any more once it was closed.

    Closing it closes nothing underneath: what was written is kept.
    """

    encoding = None  # rapidjson and others look: None means bytes, and str is welcome as well

    def __init__(self, file: Any, is_binary: bool | None) -> None:
        self._file = file
        self._is_binary = is_binary
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
        if isinstance(data, str):
            if self._is_binary:
                raise TypeError("a bytes-like object is required by is_binary=True, not str")
            self._file.write(data.encode("utf-8"))
            size = len(data)
        else:
            if self._is_binary is False:
                raise TypeError(f"str is required by is_binary=False, not {type(data).__name__}")
            size = self._file.write(data)
        if size:
            self.spoke_text = isinstance(data, str)
            self.written += size
        return size

    def tell(self) -> int:
        """Say how many bytes were written."""
        if self.closed:
            raise ValueError("tell of a closed file")
        position: int = self._file.tell()
        return position

    def fileno(self) -> int:
        """Give the descriptor where the place has one; what is written through it counts as well."""
        if self.closed:
            raise ValueError("fileno of a closed file")
        number: int = self._file.fileno()
        self.written += 1
        return number


class Source(io.RawIOBase):
    """The stored bytes as a stream, remembering an error of the disk: that is no refusal of the format."""

    def __init__(self, file: StoredFile) -> None:
        self._file = file
        self.error: OSError | None = None

    def readable(self) -> bool:
        """Say yes."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int | None:
        """Read what comes next into the buffer."""
        try:
            return self._file.readinto(buffer)
        except OSError as error:
            self.error = error
            raise


def describe(error: BaseException) -> str:
    """Give type and text of an exception; the text itself may raise (plistlib's can)."""
    try:
        text = str(error)
    except Exception:
        text = "(its message cannot be shown)"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def find(format: Any) -> tuple[Any, Functions]:
    """Find the two functions of a format object; give what the store shows as its format, and them.

    Raises:
        FormatError: nothing fits; the message lists what was found.
    """
    if _is_pair(format):
        dumps, loads = format
        label = f"({_label(dumps)}, {_label(loads)})"
        return format, Functions(label, _writing(dumps), loads, whole=True)
    if _offers(format, "dump", "load"):
        return format, Functions(_label(format), format.dump, format.load)
    if _offers(format, "dumps", "loads"):
        wrapped = WrapBinaryFormat(format)
        return wrapped, Functions(_label(format), wrapped.dump, format.loads, whole=True)
    if _offers(format, "encode", "decode"):
        return format, Functions(_label(format), _writing(format.encode), format.decode, whole=True)
    known = ("dump", "load", "dumps", "loads", "encode", "decode")
    found = [name for name in known if callable(getattr(format, name, None))]
    raise FormatError(
        "format should be a name, a pair (dumps, loads), or an object with dump and load, dumps and loads, or "
        f"encode and decode; {format!r} has " + (f"only {', '.join(found)}" if found else "none of these")
    )


def _is_pair(format: Any) -> bool:
    return isinstance(format, tuple) and len(format) == 2 and all(map(callable, format))  # pyright: ignore[reportUnknownArgumentType]  # any tuple


def _offers(format: Any, *names: str) -> bool:
    return all(callable(getattr(format, name, None)) for name in names)


def _writing(dumps: Callable[..., Any]) -> Callable[..., None]:
    def dump(value: Any, file: Any, **kwargs: Any) -> None:
        file.write(dumps(value, **kwargs))

    return dump


def _label(format: Any) -> str:
    name = getattr(format, "__name__", None)
    return name if isinstance(name, str) else type(format).__name__


def _is_mismatch(error: BaseException) -> bool:
    """Say whether an error looks like "bytes given where str is needed", or the other way round."""
    return isinstance(error, TypeError | AttributeError)


def _telling(errors: list[Exception]) -> Exception:
    """Of the errors of one or two tries, choose the one about the content; the other is in its context or ours."""
    if len(errors) > 1 and _is_mismatch(errors[1]) and not _is_mismatch(errors[0]):
        return errors[0]
    return errors[-1]


def _as_text(content: bytes) -> str | None:
    try:
        return str(content, "utf-8")
    except UnicodeDecodeError:
        return None
