"""The codec: our one view, dump(value, file) and load(file), of whatever the user calls a format.

All file work is in bytes: str becomes UTF-8. load is given bytes and, if it refuses those, text,
once; what dump has written, if it was called before, says what to try first.
"""

from __future__ import annotations

from ..errors import AtomicStoreError, FormatError, LoadError, describe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ._streams import Sink, Source


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
        from ._streams import Sink

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
            from ._streams import Source  # here, as below: JSON needs none of them

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
        sink = self._tried(value)
        return sink is not None and bool(sink.spoke_text)

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
        from ._streams import as_file

        return self.functions.load(as_file(content, as_text, name), **self.load_kwargs)

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
        sink = self._tried(value)
        return sink is not None and not sink.written

    def _tried(self, value: Any) -> Sink | None:
        """Dump the value into memory, to see what comes; None: the format refuses it."""
        from ._streams import Sink, as_file

        sink = Sink(as_file(b"", False, None), self.is_binary)
        try:
            self.functions.dump(value, sink, **self.dump_kwargs)
        except Exception:
            return None
        return sink

    def _is_empty_for(self, value: Any) -> bool:
        """Say whether an empty file loads as this very value."""
        try:
            return bool(self._decode(b"", [], None) == value)
        except Exception:
            return False


LARGE = 1_000_000  # bytes; for less, the garbage collector takes no time to speak of


def decode(size: int | None, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Give function(*args, **kwargs), a decoder's; the collector pauses if there are many bytes, or if nobody knows."""
    if size is not None and size < LARGE:
        return function(*args, **kwargs)
    from ._paused import without_collection

    return without_collection(function, *args, **kwargs)


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
