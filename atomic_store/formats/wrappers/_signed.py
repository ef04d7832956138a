"""Signed: bytes that were not written with the key are refused before they are decoded."""

from __future__ import annotations

import hmac

from ...errors import FormatError, SignatureError
from .. import NAMES
from ._base import MemoryFile, PassingFile, Wrapper, dump_kwargs_of, load_kwargs_of
from ._verified import Verified

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from _typeshed import ReadableBuffer
else:
    from _collections_abc import Sequence  # noqa: TC003 - needed at run time, by typing.get_type_hints()

    Any = object  # as in errors.py


class Signed(Wrapper):
    """Sign what another format writes, and refuse files without a valid signature before decoding them.

    The signature is an HMAC-SHA256 (RFC 2104) of content, format and context, as a line of text at the end.
    A file that was signed with the same key for another format or context is refused. Signed does not hide
    the value, and does not notice if an older file with the same key, format and context was put back. The
    whole file is in memory while it is checked.

    Args:
        format: what open() takes as `format`.
        key: at least 16 secret bytes, preferably secrets.token_bytes(32). Or a list of keys, to replace a key:
            the first one signs, and files signed with any of them are loaded.
        context: a name for the value, such as "sessions". Stores with different contexts do not accept each
            other's files.

    Raises:
        FormatError: there is no key, or it is too short.
        SignatureError: from a load: the signature is missing, or was made with another key, format or context.
    """

    MARK = b"\n-- atomic_store hmac-sha256 "
    SHORTEST_KEY = 16  # bytes; RFC 2104 advises 32 for SHA-256

    def __init__(self, format: Any, key: bytes | Sequence[bytes], context: str | bytes = b"") -> None:
        super().__init__(format)
        keys: list[Any] = list(key) if isinstance(key, list | tuple) else [key]
        if not keys:
            raise FormatError("key should be one or several keys, and there is none")
        for each in keys:
            if not isinstance(each, bytes | bytearray):
                raise FormatError(f"key should be bytes, not {type(each).__name__}; for text, text.encode()")
            if len(each) < self.SHORTEST_KEY:
                raise FormatError(
                    f"key should have at least {self.SHORTEST_KEY} bytes, not {len(each)}; secrets.token_bytes(32) makes one"
                )
        if not isinstance(context, str | bytes):  # pyright: ignore[reportUnnecessaryIsInstance]  # not all programs are checked
            raise FormatError(f"context should be str or bytes, not {type(context).__name__}")
        self._keys = [bytes(each) for each in keys]
        self._context = context.encode() if isinstance(context, str) else context

    def dump(self, value: Any, file: Any, **kwargs: Any) -> None:
        """Write the value and its signature."""
        signing = _SigningFile(file, _begin(self._bound(self._keys[0])))
        self.inner.dump(value, signing, kwargs, load_kwargs_of(file))
        file.write(self._trailer(signing.code))

    def load(self, file: Any, **kwargs: Any) -> Any:
        """Check the signature, then read the value."""
        content = memoryview(file.read())
        end = max(len(content) - len(self._trailer(_begin(self._keys[0]))), 0)
        signature, body = bytes(content[end:]), content[:end]
        keys = [self._bound(key) for key in self._keys]
        if not self._context and _is_data(self.format):
            keys += self._keys  # up to October 2026 the signature did not cover the format: no harm where nothing runs
        found = False
        for key in keys:  # all of them, so that the time does not depend on which one signed
            code = _begin(key)
            code.update(body)
            found |= hmac.compare_digest(self._trailer(code), signature)
        if not found:
            fact = "is missing or cut off"
            if signature.startswith(self.MARK):
                fact = "is by another key, or for another format or context, or the file was changed"
            raise SignatureError(
                f"{file.name!r} should be signed with our key, and the signature {fact}; not one byte of it was "
                "decoded. Nothing was changed; restore the file, or add the key that signed it",
                file.name,
                self.inner.label,
                len(content),
                damaged=False,
            )
        return self.inner.load(MemoryFile(file.name, body), kwargs, dump_kwargs_of(file))

    def _bound(self, key: bytes) -> bytes:
        """Return the key for this format and context. By SHA-512, because no signature is: none can be taken for a key."""
        return hmac.digest(key, b"atomic_store Signed\0" + _encoding(self).encode() + b"\0" + self._context, "sha512")

    def _trailer(self, code: Any) -> bytes:
        digest: str = code.hexdigest()
        return self.MARK + digest.encode() + b"\n"


def _begin(key: bytes) -> Any:
    return hmac.new(key, digestmod="sha256")


def _encoding(wrapper: Wrapper) -> str:
    """Return the name of the format inside. Verified writes the bytes that the format inside it writes."""
    while isinstance(wrapper.format, Verified):
        wrapper = wrapper.format
    return wrapper.inner.label


def _is_data(format: Any) -> bool:
    """Return whether loading certainly runs no code from the file: a named format other than pickle, wrapped or not."""
    while isinstance(format, Wrapper):
        format = format.format
    return format is None or (isinstance(format, str) and format in NAMES and format != "pickle")


class _SigningFile(PassingFile):
    """Passes its bytes on, and computes their signature."""

    def __init__(self, file: Any, code: Any) -> None:
        super().__init__(file)
        self.code = code

    def write(self, data: ReadableBuffer) -> int:
        self.code.update(data)
        self.file.write(data)
        size = memoryview(data).nbytes
        self.position += size
        return size
