"""The files that a format is given: to write to, to read from, or to seek in.

JSON does with less (see Text and Once of the codec); whoever loads and saves nothing else does not load this.
"""

from __future__ import annotations

import io

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from _typeshed import WriteableBuffer

BUFFER = 1 << 16


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


class Content(io.BytesIO):
    """The stored bytes as a seekable file, for messages with the name of the place."""

    name: Any = None
    size: int | None = None


def as_file(content: bytes, as_text: bool, name: Any) -> Any:
    """Give bytes as a file of bytes or, decoded, as one of text."""
    file = Content(content)
    file.name, file.size = name, len(content)
    # Line ends are as they are stored: csv asks for it too.
    return io.TextIOWrapper(file, "utf-8", newline="") if as_text else file


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
