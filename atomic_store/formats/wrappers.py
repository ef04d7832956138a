"""Formats around a format: each takes what open() takes as `format`, and is passed as `format` itself.

They combine in any order. What is outside works first at a load and last at a commit, so
`Signed(Compressed("pickle"), key)` checks the signature before it unpacks, and unpacks before it unpickles.
"""

from __future__ import annotations

import io

from ..errors import FormatError, LoadError, SignatureError, VersionError
from . import COMPRESSIONS, resolve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any

    from _typeshed import ReadableBuffer, WriteableBuffer

    from . import Codec

PIECE = 1 << 16  # bytes asked for at once while decompressing


class Wrapper:
    """What all wrappers share: a format inside, and bytes outside.

    Args:
        format: what open() takes as `format`.
    """

    is_binary = True

    def __init__(self, format: Any = None) -> None:
        self.format = format
        self.holds_objects = False
        if format != "auto":
            # What is no format is an error here, not at the first commit.
            self.holds_objects = resolve(format).objects

    @property
    def label(self) -> str:
        """What messages call it."""
        inside = self.format if self.format == "auto" else resolve(self.format).label
        return f"{type(self).__name__}({inside})"

    def inside(self, file: Any) -> Codec:
        """Give the codec of the format inside."""
        return resolve(self.format, None, self.path(file))

    def path(self, file: Any) -> Any:
        """Give the path whose suffix "auto" goes by inside."""
        return file.name


class Verified(Wrapper):
    """Refuse at commit what could be written but would not read back as the same value.

    Each dump is decoded again and compared before a byte of it is published, so a tuple that became
    a list or an int key that became a str is an error now, not a surprise after the next start.
    It keeps the encoded value in memory, and costs one load more for each commit.

    Args:
        format: what open() takes as `format`.

    Raises:
        FormatError: from commit(): the value would come back as another one, or not at all; the
            message names the first place inside the value that differs.
    """

    def dump(self, value: Any, file: Any, **kwargs: Any) -> None:
        """Write the value, if it reads back."""
        codec = self.inside(file)
        memory = _Memory(file.name)
        codec.dump(value, memory, kwargs, _load_kwargs(file))
        memory.seek(0)
        try:
            again = codec.load(memory, _load_kwargs(file))
        except Exception as error:
            raise FormatError(f"the value can be written as {codec.label}, but not read back: {error}") from error
        place = difference(value, again)
        if place is not None:
            raise FormatError(f"the value would not come back from {codec.label} as it is: {place}")
        file.write(memory.getbuffer())

    def load(self, file: Any, **kwargs: Any) -> Any:
        """Read a value."""
        return self.inside(file).load(file, kwargs)


class Versioned(Wrapper):
    """Keep the version of the value's schema beside it, and migrate old values when they are loaded.

    The value is stored in an envelope, a mapping of VERSION_KEY and "value"; a file without one is
    version 0. A migrated value is written when the program commits, not before.

    Args:
        format: what open() takes as `format`.
        version: the version that this program writes, an int from 0 up.
        migrations: from version n to the function that turns a value of version n into one of n + 1.

    Raises:
        FormatError: a step is missing between the first migration and `version`.
        VersionError: from a load: the file is newer, or older than the first migration, or its
            envelope is none of ours.
    """

    VERSION_KEY = "__atomic_store_version__"

    def __init__(self, format: Any, version: int, migrations: Mapping[int, Callable[[Any], Any]] | None = None) -> None:
        super().__init__(format)
        self.version = version
        if not _is_version(version):
            raise FormatError(f"version should be an int from 0 up, not {version!r}")
        if migrations is not None and not hasattr(migrations, "keys"):
            raise FormatError(f"migrations should be a dict of functions by the version they begin at, not {migrations!r}")
        self.migrations = dict(migrations or {})
        for step, migration in self.migrations.items():
            if not _is_version(step) or not callable(migration):
                raise FormatError(f"migrations should be functions by the version they begin at, not {step!r}: {migration}")
        steps = list(range(min(self.migrations, default=version), version))
        if sorted(self.migrations) != steps:
            raise FormatError(
                f"migrations should lead to version {version} by the steps {steps}, not {sorted(self.migrations)}"
            )

    def dump(self, value: Any, file: Any, **kwargs: Any) -> None:
        """Write the value in its envelope."""
        self.inside(file).dump({self.VERSION_KEY: self.version, "value": value}, file, kwargs, _load_kwargs(file))

    def load(self, file: Any, **kwargs: Any) -> Any:
        """Read a value, migrated step by step where it is old."""
        codec = self.inside(file)
        version, value = self._opened(codec.load(file, kwargs))
        why = None
        if not _is_version(version):
            why = "that is no envelope of ours"
        elif version > self.version:
            why = "this program is older than the file"
        elif version < self.version and version not in self.migrations:
            why = "no migration begins there"
        if why is not None:
            raise VersionError(
                f"{file.name!r} should hold a value of version {self.version} at most and one that can be migrated; "
                f"its version is {_shown(version)}: {why}. Nothing was changed; use the program that wrote it, or add "
                "the migration",
                file.name,
                codec.label,
                file.size,
                damaged=False,
            )
        for step in range(version, self.version):
            value = self._migrated(step, value, file, codec.label)
        return value

    def _opened(self, data: Any) -> tuple[Any, Any]:
        """Give the version that the envelope names, whatever that is, and the value; without an envelope, 0 and the data."""
        from collections.abc import Mapping  # BSON and others have mappings that are no dict

        if not isinstance(data, Mapping) or self.VERSION_KEY not in data:
            return 0, data  # pyright: ignore[reportUnknownVariableType]
        envelope: Mapping[Any, Any] = data  # pyright: ignore[reportUnknownVariableType]
        if set(envelope) != {self.VERSION_KEY, "value"}:
            return list(envelope), None  # what has our key and is no envelope was edited: no value of version 0
        return envelope[self.VERSION_KEY], envelope["value"]

    def _migrated(self, step: int, value: Any, file: Any, label: str) -> Any:
        try:
            new = self.migrations[step](value)
            if new is None:
                raise TypeError("the migration returned None: return the new value")
        except Exception as error:
            raise LoadError(
                f"{file.name!r} could not be migrated from version {step} to {step + 1}: {type(error).__name__}: {error}. "
                "Nothing was changed; mend the migration",
                file.name,
                label,
                file.size,
                damaged=False,
            ) from error
        return new


class Signed(Wrapper):
    """Refuse what was not written by a holder of the key, before a single byte of it is decoded.

    An HMAC-SHA256 (RFC 2104) of all the bytes follows them as a line of text. This makes pickle on a
    shared disk defensible. It does not hide the value, nor notice that an older file of the
    same key was put back. The whole file is in memory while it is checked.

    Args:
        format: what open() takes as `format`.
        key: at least 16 secret bytes (32 random ones are best: secrets.token_bytes(32)), or several:
            the first signs, each may have signed what is loaded, so that a key can be changed.

    Raises:
        FormatError: there is no key, or one that is too short.
        SignatureError: from a load: the signature is missing, cut off, or by another key.
    """

    MARK = b"\n-- atomic_store hmac-sha256 "
    SHORTEST_KEY = 16  # bytes; RFC 2104 advises 32 for SHA-256

    def __init__(self, format: Any, key: bytes | Sequence[bytes]) -> None:
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
        self._keys = [bytes(each) for each in keys]

    def dump(self, value: Any, file: Any, **kwargs: Any) -> None:
        """Write the value and its signature."""
        signing = _Signing(file, self._begin(self._keys[0]))
        self.inside(file).dump(value, signing, kwargs, _load_kwargs(file))
        file.write(self._trailer(signing.code))

    def load(self, file: Any, **kwargs: Any) -> Any:
        """Read a value, its signature first."""
        import hmac

        content = memoryview(file.read())
        codec = self.inside(file)
        end = len(content) - len(self._trailer(self._begin(self._keys[0])))
        signature = bytes(content[max(end, 0) :])
        body = content[: max(end, 0)]
        found = False
        for key in self._keys:  # all of them: how long it takes shall not tell which one it was
            code = self._begin(key)
            code.update(body)
            found |= hmac.compare_digest(self._trailer(code), signature)
        if not found:
            fact = (
                "is by another key, or the file was changed" if signature.startswith(self.MARK) else "is missing or cut off"
            )
            raise SignatureError(
                f"{file.name!r} should be signed with our key, and the signature {fact}; not one byte of it was "
                "decoded. Nothing was changed; restore the file, or add the key that signed it",
                file.name,
                codec.label,
                len(content),
                damaged=False,
            )
        return codec.load(_Memory(file.name, body), kwargs)

    @staticmethod
    def _begin(key: bytes) -> Any:
        import hmac  # here: 2 ms that only a signed store pays

        return hmac.new(key, digestmod="sha256")

    def _trailer(self, code: Any) -> bytes:
        digest: str = code.hexdigest()
        return self.MARK + digest.encode() + b"\n"


class Compressed(Wrapper):
    """Keep the value compressed; it streams both ways, and equal values make equal bytes.

    Args:
        format: what open() takes as `format`.
        method: "gzip", "bz2", "xz" or "zstd" (part of Python 3.14; before, the extra [zstd]).
        level: how hard to try: 0 to 9, for bz2 1 to 9, for zstd 1 to 22; None: the method's own default.
        max_size: how many bytes a value may have when it is not compressed, None: any number. A
            small file can unpack to more than the memory holds; past this, load and commit refuse.

    Raises:
        FormatError: an unknown method or level; from commit(): the value is larger than max_size.
        MissingLibraryError: zstd cannot be used here.
    """

    streams = True

    def __init__(
        self, format: Any = None, method: str = "gzip", level: int | None = None, max_size: int | None = 1 << 30
    ) -> None:
        from . import _compression

        super().__init__(format)
        if max_size is not None and (type(max_size) is not int or max_size < 0):
            raise FormatError(f"max_size should be a number of bytes or None, not {max_size!r}")
        self.method = method
        self.level = level
        self.max_size = max_size
        self._compressor, self._decompressor = _compression.find(method, level)

    @property
    def label(self) -> str:
        """What messages call it."""
        return f"{super().label} by {self.method}"

    def path(self, file: Any) -> Any:
        """Give the path without the suffix of the compression."""
        import os

        rest, suffix = os.path.splitext(os.fsdecode(file.name))
        return rest if suffix.lower() in COMPRESSIONS else file.name

    def dump(self, value: Any, file: Any, **kwargs: Any) -> None:
        """Write the value, compressed as it comes."""
        deflating = _Deflating(file, self._compressor(), self.max_size)
        self.inside(file).dump(value, deflating, kwargs, _load_kwargs(file))
        deflating.finish()

    def load(self, file: Any, **kwargs: Any) -> Any:
        """Read a value, decompressed as it goes."""
        inflating = _Inflating(file, self._decompressor(), self.max_size, self.label)
        value = self.inside(file).load(inflating, kwargs)
        inflating.require_end()
        return value


def _load_kwargs(file: Any) -> Any:
    """Give the keywords by which what is dumped will be loaded: Verified loads it at once."""
    return getattr(file, "load_kwargs", None)


class _Memory(io.BytesIO):
    """A file in memory that knows which store it is for."""

    def __init__(self, name: Any, content: ReadableBuffer = b"") -> None:
        super().__init__(content)
        self.name = name
        self.size = memoryview(content).nbytes or None


class _Through(io.RawIOBase):
    """A file to write to that passes on what it is given, changed or not; it has no descriptor to go around it."""

    def __init__(self, file: Any) -> None:
        self.file = file
        self.name = file.name
        self.position = 0

    def tell(self) -> int:
        return self.position


class _Signing(_Through):
    """Passes on what it is given, and signs it."""

    def __init__(self, file: Any, code: Any) -> None:
        super().__init__(file)
        self.code = code

    def write(self, data: ReadableBuffer) -> int:
        self.code.update(data)
        self.file.write(data)
        size = memoryview(data).nbytes
        self.position += size
        return size


class _Deflating(_Through):
    """Passes on what it is given, compressed."""

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
        """Pass on what the compressor has kept."""
        self._pass_on(self._compressor.flush())

    def _pass_on(self, compressed: bytes) -> None:
        if compressed:
            self.file.write(compressed)


class _Inflating(io.RawIOBase):
    """A file to read from, decompressed as it is read; it ends where the data does, or complains."""

    size = None

    def __init__(self, file: Any, decompressor: Any, max_size: int | None, label: str) -> None:
        self._file = file
        self.name = file.name
        self._decompressor = decompressor
        self._max_size = self._left = max_size
        self._label = label

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        while len(view) and not self._decompressor.eof:
            compressed = b""
            if self._decompressor.needs_input:
                compressed = self._file.read(PIECE)
                if not compressed:
                    raise EOFError("the compressed data is cut off")
            data = self._decompressor.decompress(compressed, len(view))
            if self._left is not None:
                self._left -= len(data)
                if self._left < 0:
                    raise LoadError(
                        f"{self.name!r} should unpack to at most max_size={self._max_size} bytes, and there are more. "
                        "Nothing was changed; if they are yours, allow more",
                        self.name,
                        self._label,
                        self._file.size,
                        damaged=False,
                    )
            if data:
                view[: len(data)] = data
                return len(data)
        return 0

    def require_end(self) -> None:
        """Raise unless all was read, and nothing comes after the compressed data."""
        while self.read(PIECE):
            pass
        if self._decompressor.unused_data or self._file.read(1):
            raise ValueError("there are bytes after the end of the compressed data")


def _shown(version: Any, inside: bool = False) -> str:
    """Give what stands in a version's place for a message, and not all of it: aliases make a line of YAML a terabyte."""
    if isinstance(version, str):
        return repr(version[:40])
    if version is None or (isinstance(version, int | float) and not abs(version) >= 1 << 64):
        return repr(version)
    if isinstance(version, list) and not inside:
        some: list[Any] = version[:6]  # pyright: ignore[reportUnknownVariableType]
        return f"[{', '.join(_shown(item, inside=True) for item in some)}]"
    return f"of type {type(version).__name__}"  # pyright: ignore[reportUnknownArgumentType]


def _is_version(version: Any) -> bool:
    """Say whether it is an int from 0 up; a format may have an int class of its own, and True is none."""
    return isinstance(version, int) and not isinstance(version, bool) and version >= 0


def difference(value: Any, again: Any) -> str | None:
    """Describe the first place where `again` is another value, as `$.jobs[3]: 1 became '1'`; None: nowhere.

    Stricter than ==: containers and scalars are of one built-in type, True is not 1, nor 1 1.0.
    More lenient: NaN equals NaN, and objects of a class without == of its own are compared by their
    attributes. Any other type, and what came back as one, goes by its own ==.
    """
    seen: dict[tuple[int, int], Any] = {}  # holds what it has seen, for an id is used again
    todo: list[Iterator[Any]] = [iter([("$", value, again)])]
    while todo:  # not by recursion: a format may go deeper than Python does
        part = next(todo[-1], None)
        if part is None:
            todo.pop()
            continue
        if isinstance(part, str):
            return part
        place, value, again = part
        kind = _kind(again)
        if kind not in (None, _kind(value)) or (kind in _SCALARS and not _equal(value, again)):
            return f"{place}: {_short(value)} became {_short(again)}"
        # A pickle gives back even a value that contains itself.
        if kind not in _SCALARS and value is not again and (id(value), id(again)) not in seen:
            seen[id(value), id(again)] = value, again
            todo.append(_PARTS.get(kind, _attributes)(place, value, again))
    return None


def _attributes(place: str, value: Any, again: Any) -> Iterator[Any]:
    return _items(place, getattr(value, "__dict__", {}), getattr(again, "__dict__", {}))


def _items(place: str, value: Any, again: Any) -> Iterator[Any]:
    # 1 and True are one key of a dict: by kind as well they are two.
    theirs = {(_kind(key), key): item for key, item in again.items()}
    for key, item in value.items():
        inside = f"{place}.{key}" if isinstance(key, str) else f"{place}[{key!r}]"
        if (_kind(key), key) not in theirs:
            yield f"{inside}: the key {key!r} is gone"
        yield inside, item, theirs[_kind(key), key]
    if len(value) != len(again):
        yield f"{place}: {len(value)} keys became {len(again)}"


def _elements(place: str, value: Any, again: Any) -> Iterator[Any]:
    if len(value) != len(again):
        yield f"{place}: {len(value)} items became {len(again)}"
    for n, item in enumerate(value):
        yield f"{place}[{n}]", item, again[n]  # by index, for tomlkit's arrays give bools only so


_PARTS: dict[Any, Callable[[str, Any, Any], Iterator[Any]]] = {dict: _items, list: _elements, tuple: _elements}
_SCALARS = (bool, int, float, str, bytes, frozenset, set, None)
_KINDS = (*_PARTS, *_SCALARS[:-1])


def _kind(value: object) -> Any:
    """Give the built-in type that a value is of (an OrderedDict is a dict), or its class if that has no ==, else None."""
    own: Any = type(value)
    if own in _KINDS:
        return own
    return next((kind for kind in _KINDS if isinstance(value, kind)), own if own.__eq__ is object.__eq__ else None)


def _equal(value: Any, again: Any) -> bool:
    try:
        return bool(value == again or (value != value and again != again))
    except Exception:  # noqa: BLE001 - anybody's __eq__
        return True  # a DataFrame's == has no truth value: that it could be read must do


def _short(value: Any) -> str:
    import reprlib  # here: only a refused commit pays

    return reprlib.repr(value)
