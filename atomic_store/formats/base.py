"""Base classes for formats of one's own: plain classes, to be subclassed or imitated.

Nothing here is needed to be a format: any module or object with dump/load or dumps/loads is one.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class AbstractFormatFile:
    """A format that writes to and reads from a file object: implement dump() and load()."""

    def dump(self, obj: Any, fp: Any, **kwargs: Any) -> None:
        """Write the encoded value to the file, as str (stored as UTF-8) or as bytes.

        Args:
            obj: the value of the store.
            fp: a file with write(); it takes str as well as bytes, unless is_binary was given.
            kwargs: the store's dump_kwargs.

        Raises:
            Exception: whatever says that the value cannot be written; the caller of commit() gets it as it
                is, with a note, and the old value is whole.
        """
        raise NotImplementedError(f"{type(self).__name__} should define dump(obj, fp, **kwargs)")

    def load(self, fp: Any, **kwargs: Any) -> Any:
        """Read from the file and give the decoded value.

        Args:
            fp: a binary file; if load() refuses that, it is called once more with a text file.
            kwargs: the store's load_kwargs.

        Raises:
            Exception: whatever says that the bytes are no value; the caller of open() gets a LoadError with
                it as the cause.
        """
        raise NotImplementedError(f"{type(self).__name__} should define load(fp, **kwargs)")


class AbstractFormatBstr:
    """A format that gives and takes the whole encoded value at once: implement dumps() and loads()."""

    def dumps(self, obj: Any, **kwargs: Any) -> str | bytes:
        """Give the encoded value, as str (stored as UTF-8) or as bytes.

        Args:
            obj: the value of the store.
            kwargs: the store's dump_kwargs.

        Raises:
            Exception: as dump() of AbstractFormatFile.
        """
        raise NotImplementedError(f"{type(self).__name__} should define dumps(obj, **kwargs)")

    def loads(self, binary_string: Any, **kwargs: Any) -> Any:
        """Give the decoded value.

        Args:
            binary_string: bytes; if loads() refuses that, it is called once more with str.
            kwargs: the store's load_kwargs.

        Raises:
            Exception: as load() of AbstractFormatFile.
        """
        raise NotImplementedError(f"{type(self).__name__} should define loads(binary_string, **kwargs)")


class WrapBinaryFormat:
    """Make dump/load out of something that has dumps/loads.

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
