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
            fp: a file that takes str as well as bytes, unless is_binary was given. It seeks, reads back and truncates;
                on a local disk it has a descriptor. A format that seeks late has the attribute `seeks = True`.
            kwargs: the store's dump_kwargs.

        Raises:
            Exception: the value cannot be written; commit() raises this exception with a note, and the old value is kept.
        """
        raise NotImplementedError(f"{type(self).__name__} should define dump(obj, fp, **kwargs)")

    def load(self, fp: Any, **kwargs: Any) -> Any:
        """Read from the file and return the decoded value.

        Args:
            fp: a binary file that seeks; on a local disk it has a descriptor. If load() refuses it, it is called once more
                with a text file.
            kwargs: the store's load_kwargs.

        Raises:
            LoadError: with damaged=False if the bytes may be sound but cannot be loaded here, as with a wrong key:
                quarantine leaves them alone. Path, format and size are filled in: `LoadError("wrong key", damaged=False)`.
            Exception: the bytes are damaged, if it is an exception that parsers use, such as a ValueError or a class of
                its own; open() raises a LoadError with this exception as its cause.
        """
        raise NotImplementedError(f"{type(self).__name__} should define load(fp, **kwargs)")


class AbstractFormatBstr:
    """A format that returns and takes the whole encoded value at once: implement dumps() and loads()."""

    def dumps(self, obj: Any, **kwargs: Any) -> str | bytes:
        """Return the encoded value, as str (stored as UTF-8) or as bytes.

        Args:
            obj: the value of the store.
            kwargs: the store's dump_kwargs.

        Raises:
            Exception: as dump() of AbstractFormatFile.
        """
        raise NotImplementedError(f"{type(self).__name__} should define dumps(obj, **kwargs)")

    def loads(self, binary_string: Any, **kwargs: Any) -> Any:
        """Return the decoded value.

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
