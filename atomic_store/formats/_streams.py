"""The files that formats are given: to write to, to read from, or to seek in. JSON needs less."""

from __future__ import annotations

import io
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from _typeshed import WriteableBuffer

BUFFER = 1 << 16  # bytes that small writes are collected to: csv writes every field by itself


class Text:
    """What a built-in format writes to: takes str as UTF-8, or bytes."""

    __slots__ = ("before", "load_kwargs", "name", "raw")

    encoding = None

    def __init__(self, file: Any, load_kwargs: dict[str, Any]) -> None:
        self.raw: Any = file
        self.name: Any = file.name
        self.before: int | None = getattr(file, "before", None)
        self.load_kwargs: dict[str, Any] = load_kwargs

    def write(self, data: Any) -> None:
        """Write all of it."""
        self.raw.write(data.encode("utf-8") if isinstance(data, str) else data)


class Stream(io.RawIOBase):
    """The stored bytes as a stream, remembering what reading it has raised: that is no refusal of the format."""

    def __init__(self, file: Any, dump_kwargs: Any) -> None:
        self._file = file
        self._began = False
        self.dump_kwargs: Any = dump_kwargs
        self.name: Any = file.name
        self.size: int | None = file.size
        self.error: Exception | None = None

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read what comes next into the buffer."""
        try:
            size: int = self._file.readinto(buffer)
        except Exception as error:
            self.error = error
            raise
        self._began = self._began or size > 0
        return size

    def is_empty(self) -> bool:
        """Return whether there is not one byte, whatever was read so far, also once the format has closed the stream."""
        return not self._began and not self.readinto(bytearray(1))


class DumpFile(io.RawIOBase):
    """The file that dump() gets. It takes bytes, and str as UTF-8; closing it does not close the location's file.

    It seeks, reads back and truncates as the location's file does: on a local disk always, on S3 as long as no part was
    sent. Inside a wrapper, whose file is written front to back, everything is kept from the first seek to finish().

    Args:
        file: the location's file, or that of a wrapper.
        is_binary: True: str is refused; False: bytes are; None: both are taken.
        seeks: whether the format is known to seek, however late.

    Attributes:
        given: the path of the store, for messages.
        name: the path of the new file on a local disk, where a program may write to it by name; else that of the store.
        written: how many bytes were written, however.
        spoke_text: whether the last piece was str; None: nothing was written.
    """

    before: int | None = None  # see Text
    encoding = None  # rapidjson and others look at it: None means bytes, and str is taken as well
    load_kwargs: Any = None  # by which what is written will be loaded: Verified loads it at once

    def __init__(self, file: Any, is_binary: bool | None, seeks: bool = False) -> None:
        self._file = file
        self._is_binary = is_binary
        self._pieces: list[bytes] = []
        self._waiting = 0
        self._handed_on = False
        self._lent = False  # whether the format has the descriptor or the name
        self._random: Any = None  # the file that can seek, once the format seeks: the location's, or one in memory
        self.given = getattr(file, "name", None)
        self.mode = "w" if is_binary is False else "wb"
        self.written = 0
        self.spoke_text: bool | None = None
        if seeks:
            self.seek(0)

    def writable(self) -> bool:
        return True

    def readable(self) -> bool:
        return self.seekable()

    def seekable(self) -> bool:
        return self._random is not None or not self._handed_on or bool(self._file.seekable())

    def write(self, data: Any) -> int:
        self._require_open()
        is_text = isinstance(data, str)
        if is_text is self._is_binary:
            wanted = "a bytes-like object is required by is_binary=True" if is_text else "str is required by is_binary=False"
            raise TypeError(f"{wanted}, not {type(data).__name__}")
        piece: Any = data.encode("utf-8") if is_text else data if type(data) is bytes else memoryview(data).cast("B")
        size = len(piece)
        if size:
            self.spoke_text = is_text
            self.written += size
        if self._random is not None:
            self._random.write(piece)
        elif size >= BUFFER:
            self._hand_on()
            self._file.write(piece)
            self._handed_on = True
        else:
            self._pieces.append(bytes(piece))
            self._waiting += size
            if self._waiting >= BUFFER:
                self._hand_on()
        return len(data) if is_text else size

    def flush(self) -> None:
        """Write what is buffered if something else may look at the file; otherwise this can wait."""
        if self._lent:
            self._hand_on()
            self._file.flush()

    def finish(self) -> None:
        """Hand on everything to the location's file."""
        self._hand_on()
        if self._random is not None and self._random is not self._file:
            self._file.write(self._random.getbuffer())
        if self._lent:
            self.written = os.fstat(self._file.fileno()).st_size

    def end(self) -> None:
        """Refuse further writes. What was not handed on belongs to a dump that failed."""
        self._pieces.clear()
        self.close()

    def tell(self) -> int:
        self._require_open()
        return int(self._file.tell()) + self._waiting if self._random is None else int(self._random.tell())

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._seek_from_now_on()
        return int(self._random.seek(offset, whence))

    def truncate(self, size: int | None = None) -> int:
        self._seek_from_now_on()
        if self._random is self._file:
            return int(self._random.truncate(size))
        position = int(self._random.tell())
        size = position if size is None else size
        self._random.truncate(size)
        if self._random.seek(0, os.SEEK_END) < size:  # in memory it can only be cut
            self._random.seek(size - 1)
            self._random.write(b"\0")
        self._random.seek(position)
        return size

    def readinto(self, buffer: WriteableBuffer) -> int:
        self._seek_from_now_on()
        return int(self._random.readinto(buffer))

    def fileno(self) -> int:
        """Return the descriptor of a local file. Bytes that are written through it count as well."""
        self._require_open()
        self._hand_on()
        number = int(self._file.fileno())
        self._lent = True
        return number

    @property
    def name(self) -> Any:
        """See the class."""
        path = getattr(self._file, "own_path", None)
        if path is None:
            return self.given
        self._hand_on()
        self._lent = True
        return path

    def _require_open(self) -> None:
        if self.closed:
            raise ValueError("I/O operation on a closed file: this dump is over")

    def _hand_on(self) -> None:
        pieces, self._pieces, self._waiting = self._pieces, [], 0
        if pieces:
            self._file.write(b"".join(pieces))
            self._handed_on = True

    def _seek_from_now_on(self) -> None:
        self._require_open()
        if self._random is not None:
            return
        if self._file.seekable():
            self._hand_on()
            self._random = self._file
        elif self._handed_on:
            raise io.UnsupportedOperation(
                f"{self.given!r} is written front to back, and the format seeks after more than {BUFFER} bytes: give "
                "the format the attribute seeks = True, and they are kept in memory until then"
            )
        else:
            self._random = io.BytesIO(b"".join(self._pieces))
            self._random.seek(0, os.SEEK_END)
            self._pieces, self._waiting = [], 0


class LoadFile(io.BytesIO):
    """The file that load() gets: the stored bytes, with the name and, on a local disk, the descriptor of their place."""

    mode = "rb"  # pyright: ignore[reportIncompatibleMethodOverride, reportAssignmentType]  # BytesIO has none

    def __init__(self, content: bytes, file: Any) -> None:
        super().__init__(content)
        self.name: Any = getattr(file, "name", None)
        self.dump_kwargs: Any = getattr(file, "dump_kwargs", None)
        self.size = len(content)
        self._file: Any = getattr(file, "raw", None)
        self._lent = False

    def fileno(self) -> int:
        """Return the descriptor of a local file, at the position of this one: for mmap and child processes."""
        descriptor = int(getattr(self._file, "fileno", super().fileno)())
        self._lent = True
        os.lseek(descriptor, self.tell(), os.SEEK_SET)
        return descriptor

    def take_back(self) -> None:
        """Set a descriptor that was lent to the end again: the location reads on from there to know the version."""
        if self._lent:
            os.lseek(self._file.fileno(), 0, os.SEEK_END)
