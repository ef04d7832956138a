"""Base classes for formats of one's own: plain classes, to be subclassed or imitated.

Nothing here is needed to be a format: any module or object with dump/load or dumps/loads is one.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any
else:
    Any = object  # as in errors.py


class AbstractFormatFile:
    """Base class for a format that writes to and reads from a file object. Define dump() and load()."""

    def dump(self, obj: Any, fp: Any, **kwargs: Any) -> None:
        """Write the encoded value to the file, as str (stored as UTF-8) or as bytes.

        Args:
            obj: the value of the store.
            fp: a file that accepts str and bytes, unless `is_binary` was given. It can seek, read back and
                truncate; on a local disk it has a fileno(). A format that seeks after writing much sets
                `seeks = True`.
            kwargs: the store's dump_kwargs.

        Raises:
            Exception: the value cannot be written. commit() raises this exception with a note, and the old
                value is kept.
        """
        raise NotImplementedError(f"{type(self).__name__} should define dump(obj, fp, **kwargs)")

    def load(self, fp: Any, **kwargs: Any) -> Any:
        """Read from the file and return the decoded value.

        Args:
            fp: a binary file that can seek; on a local disk it has a fileno(). If load() refuses it, load() is
                called again with a text file.
            kwargs: the store's load_kwargs.

        Raises:
            LoadError: `LoadError("wrong key", damaged=False)` if the bytes may be sound but cannot be loaded
                here. Quarantine does not move such a file. Path, format and size are filled in.
            Exception: the bytes are damaged: a ValueError, or a class of the parser's own. open() raises a
                LoadError with this exception as its cause.
        """
        raise NotImplementedError(f"{type(self).__name__} should define load(fp, **kwargs)")


class AbstractFormatBstr:
    """Base class for a format that encodes and decodes a whole value at once. Define dumps() and loads()."""

    def dumps(self, obj: Any, **kwargs: Any) -> str | bytes:
        """Return the encoded value, as str (stored as UTF-8) or as bytes.

        Args:
            obj: the value of the store.
            kwargs: the store's dump_kwargs.

        Raises:
            Exception: see dump() of AbstractFormatFile.
        """
        raise NotImplementedError(f"{type(self).__name__} should define dumps(obj, **kwargs)")

    def loads(self, binary_string: Any, **kwargs: Any) -> Any:
        """Return the decoded value.

        Args:
            binary_string: bytes. If loads() refuses them, it is called again with str.
            kwargs: the store's load_kwargs.

        Raises:
            Exception: see load() of AbstractFormatFile.
        """
        raise NotImplementedError(f"{type(self).__name__} should define loads(binary_string, **kwargs)")


class WrapBinaryFormat:
    """Turn an object with dumps() and loads() into a format with dump() and load().

    Args:
        format_bstr: a module or object with dumps() and loads().
    """

    def __init__(self, format_bstr: Any) -> None:
        self.format_bstr = format_bstr

    def dump(self, obj: Any, fp: Any, **kwargs: Any) -> None:
        """Encode the value with dumps() and write it to the file. Raises what they raise."""
        fp.write(self.format_bstr.dumps(obj, **kwargs))

    def load(self, fp: Any, **kwargs: Any) -> Any:
        """Read the file to its end and decode it with loads(). Raises what they raise."""
        return self.format_bstr.loads(fp.read(), **kwargs)
