"""What compresses and decompresses, by one interface: that of bz2, lzma and zstd in the standard library.

compress(data) and flush() of a compressor; of a decompressor decompress(data, max_length),
needs_input, eof and unused_data.
"""

from __future__ import annotations

from ..errors import FormatError, MissingLibraryError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def find(method: str, level: int | None) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Give what makes a compressor and what makes a decompressor.

    Raises:
        FormatError: there is no such method, or it has no such level.
        MissingLibraryError: Python has the method only from 3.14 on, and no package serves for it.
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
        # 31: with the head and tail of gzip (RFC 1952); zlib leaves name and time in it empty.
        return zlib.compressobj(6 if level is None else level, wbits=31)

    return compressor, _Gunzip


def _bz2(level: int | None) -> tuple[Callable[[], Any], Callable[[], Any]]:
    import bz2

    return lambda: bz2.BZ2Compressor(9 if level is None else level), bz2.BZ2Decompressor


def _xz(level: int | None) -> tuple[Callable[[], Any], Callable[[], Any]]:
    import lzma

    def decompressor() -> Any:
        # A file's head says how much memory unpacking takes, up to 4 GiB; what any preset writes needs less than this.
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=1 << 27)

    return lambda: lzma.LZMACompressor(preset=level), decompressor


def _zstd(level: int | None) -> tuple[Callable[[], Any], Callable[[], Any]]:
    try:
        zstd: Any = __import__("compression.zstd", fromlist=["zstd"])
    except ImportError:
        try:
            zstd = __import__("backports.zstd", fromlist=["zstd"])
        except ImportError as error:
            raise MissingLibraryError(
                f'method "zstd" needs Python 3.14 or the package backports.zstd: pip install "atomic_store[zstd]" ({error})'
            ) from error
    return lambda: zstd.ZstdCompressor(level=level), zstd.ZstdDecompressor


class _Gunzip:
    """zlib's decompressor with the interface of the others."""

    def __init__(self) -> None:
        import zlib

        self._inner = zlib.decompressobj(wbits=31)

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Decompress what was kept from before and `data`, to `max_length` bytes at most."""
        return self._inner.decompress(self._inner.unconsumed_tail + data, max_length)

    @property
    def needs_input(self) -> bool:
        """Whether nothing more comes out without more data."""
        return not self._inner.unconsumed_tail

    @property
    def eof(self) -> bool:
        """Whether the end of the compressed data was reached."""
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        """What came after the end."""
        return self._inner.unused_data
