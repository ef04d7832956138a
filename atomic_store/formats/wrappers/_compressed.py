"""Compressed: the value is compressed as it is written and decompressed as it is read."""

from __future__ import annotations

import io
import os

from ...errors import FormatError, LoadError, MissingLibraryError
from ._base import PassingFile, Wrapper, dump_kwargs_of, load_kwargs_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from _typeshed import ReadableBuffer, WriteableBuffer
else:
    Any = object  # as in errors.py

COMPRESSIONS = {".gz": "gzip", ".bz2": "bz2", ".xz": "xz", ".zst": "zstd"}
"""The suffixes that mean a compression."""

PIECE = 1 << 16  # bytes to ask for at once while decompressing
XZ_MEMORY = 1 << 27  # bytes; the head of a file may ask for up to 4 GiB, and no preset of xz asks for more than this


class Compressed(Wrapper):
    """Compress what another format writes. Loading and writing stream; equal values give equal bytes.

    Files of several members or frames, as bgzip, pbzip2, pzstd and `cat a.gz b.gz` write them, can be loaded.

    Args:
        format: what open() takes as `format`.
        method: "gzip", "bz2", "xz" or "zstd". Before Python 3.14, zstd needs the extra [zstd].
        level: the compression level, 0 to 9; for bz2 1 to 9, for zstd 1 to 22. None is the method's default.
        max_size: the largest uncompressed size in bytes, or None for no limit. It protects the memory from a
            small file that unpacks to a huge one. Larger values are refused by load and commit.

    Raises:
        FormatError: the method or level is unknown; from commit(): the value is larger than max_size.
        MissingLibraryError: the package for zstd is not installed.
    """

    streams = True

    def __init__(
        self, format: Any = None, method: str = "gzip", level: int | None = None, max_size: int | None = 1 << 30
    ) -> None:
        super().__init__(format)
        if max_size is not None and (type(max_size) is not int or max_size < 0):
            raise FormatError(f"max_size should be a number of bytes or None, not {max_size!r}")
        self.method = method
        self.level = level
        self.max_size = max_size
        self._compressor, self._decompressor = _find(method, level)

    def __getstate__(self) -> dict[str, Any]:
        """Return what pickle and copy keep: not the compressor, because it is a local function."""
        return super().__getstate__() | {"_compressor": None, "_decompressor": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Find format and compressor again. Raises what the constructor raises."""
        super().__setstate__(state)
        self._compressor, self._decompressor = _find(self.method, self.level)

    @property
    def label(self) -> str:
        """The name of the format in error messages."""
        return f"{super().label} by {self.method}"

    def inner_path(self, path: Any) -> Any:
        """Return the path without the suffix of the compression."""
        rest, suffix = os.path.splitext(os.fsdecode(path))
        return rest if suffix.lower() in COMPRESSIONS else path

    def dump(self, value: Any, file: Any, **kwargs: Any) -> None:
        """Write the value, compressed piece by piece."""
        deflating = _DeflatingFile(file, self._compressor(), self.max_size)
        self.inner.dump(value, deflating, kwargs, load_kwargs_of(file))
        deflating.finish()

    def load(self, file: Any, **kwargs: Any) -> Any:
        """Read a value, decompressed piece by piece."""
        inflating = _InflatingFile(file, self._decompressor, self.max_size, self.label)
        value = self.inner.load(inflating, kwargs, dump_kwargs_of(file))
        inflating.require_end()
        return value


class _DeflatingFile(PassingFile):
    """Passes its bytes on, compressed."""

    def __init__(self, file: Any, compressor: Any, max_size: int | None) -> None:
        super().__init__(file)
        self._compressor = compressor
        self._max_size = max_size

    def write(self, data: ReadableBuffer) -> int:
        size = memoryview(data).nbytes
        self.position += size
        if self._max_size is not None and self.position > self._max_size:
            raise FormatError(
                f"the value should have at most max_size={self._max_size} bytes: more could not be loaded again"
            )
        self._pass_on(self._compressor.compress(data))
        return size

    def finish(self) -> None:
        """Pass on what the compressor has buffered."""
        self._pass_on(self._compressor.flush())

    def _pass_on(self, compressed: bytes) -> None:
        if compressed:
            self.file.write(compressed)


class _InflatingFile(io.RawIOBase):
    """A file to read from, decompressed as it is read, one member or frame after the other."""

    size = None

    def __init__(self, file: Any, new_decompressor: Callable[[], Any], max_size: int | None, label: str) -> None:
        self._file = file
        self.name = file.name
        self._new_decompressor = new_decompressor
        self._decompressor = new_decompressor()
        self._max_size = self._left = max_size
        self._label = label

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        while len(view):
            compressed = b""
            if self._decompressor.eof:
                compressed = self._decompressor.unused_data or self._file.read(PIECE)
                if not compressed:
                    return 0
                self._decompressor = self._new_decompressor()
            elif self._decompressor.needs_input:
                compressed = self._file.read(PIECE)
                if not compressed:
                    raise EOFError("the compressed data is cut off")
            data = self._decompress(compressed, len(view))
            if data:
                view[: len(data)] = data
                return len(data)
        return 0

    def require_end(self) -> None:
        """Raise unless all compressed data is whole, up to the end of the file."""
        while self.read(PIECE):
            pass

    def _decompress(self, compressed: bytes, size: int) -> bytes:
        try:
            data: bytes = self._decompressor.decompress(compressed, size)
        except Exception as error:
            # liblzma and libzstd refuse a file that needs more memory than they may take: a limit, not damage.
            if isinstance(error, MemoryError) or "memory" in str(error).lower():
                raise self._too_much(
                    f"takes more memory than this library allows it ({error})", "unpack it by other means"
                ) from error
            raise ValueError(f"the compressed data is damaged: {error}") from error  # bz2 raises OSError
        if self._left is not None:
            self._left -= len(data)
            if self._left < 0:
                raise self._too_much(
                    f"should unpack to at most max_size={self._max_size} bytes, and there are more",
                    "if they are yours, allow more",
                )
        return data

    def _too_much(self, what: str, way_out: str) -> LoadError:
        text = f"{self.name!r} {what}. Nothing was changed; {way_out}"
        return LoadError(text, self.name, self._label, self._file.size, damaged=False)


def _find(method: str, level: int | None) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Return the functions that make a compressor and a decompressor, with the interface of bz2, lzma and zstd.

    Raises:
        FormatError: there is no such method, or it has no such level.
        MissingLibraryError: no module for the method is installed.
    """
    methods = {"gzip": _gzip, "bz2": _bz2, "xz": _xz, "zstd": _zstd}
    if method not in methods:
        raise FormatError(f"method should be one of {', '.join(methods)}, not {method!r}")
    compressor, decompressor = methods[method](level)
    try:
        compressor()
    except Exception as error:
        raise FormatError(f"level should be one that {method} has, not {level!r}: {error}") from error
    return compressor, decompressor


def _gzip(level: int | None) -> tuple[Callable[[], Any], Callable[[], Any]]:
    import zlib

    def compressor() -> Any:
        # 31: with the head and tail of gzip (RFC 1952). zlib writes neither a name nor a time into the head.
        return zlib.compressobj(6 if level is None else level, wbits=31)

    return compressor, lambda: _Gunzip(zlib.decompressobj(wbits=31))


def _bz2(level: int | None) -> tuple[Callable[[], Any], Callable[[], Any]]:
    import bz2

    return lambda: bz2.BZ2Compressor(9 if level is None else level), bz2.BZ2Decompressor


def _xz(level: int | None) -> tuple[Callable[[], Any], Callable[[], Any]]:
    import lzma

    def decompressor() -> Any:
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY)

    return lambda: lzma.LZMACompressor(preset=level), decompressor


def _zstd(level: int | None) -> tuple[Callable[[], Any], Callable[[], Any]]:
    zstd: Any
    try:
        import compression.zstd as newer  # type: ignore[import-not-found,unused-ignore]  # Python 3.14

        zstd = newer
    except ImportError:
        try:
            import backports.zstd as older

            zstd = older
        except ImportError as error:
            raise MissingLibraryError(
                f'method "zstd" needs Python 3.14 or the package backports.zstd: pip install "atomic-store[zstd]" ({error})'
            ) from error
    return lambda: zstd.ZstdCompressor(level=level), zstd.ZstdDecompressor


class _Gunzip:
    """zlib's decompressor with the interface of the others."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Decompress the input kept so far and `data`, to `max_length` bytes at most."""
        decompressed: bytes = self._inner.decompress(self._inner.unconsumed_tail + data, max_length)
        return decompressed

    @property
    def needs_input(self) -> bool:
        """Whether nothing more comes out without more input."""
        return not self._inner.unconsumed_tail

    @property
    def eof(self) -> bool:
        """Whether the end of the member was reached."""
        return bool(self._inner.eof)

    @property
    def unused_data(self) -> bytes:
        """The input after the end of the member."""
        unused: bytes = self._inner.unused_data
        return unused
