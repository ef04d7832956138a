"""type=: values of the program's own types, stored as plain data.

pydantic's own types go through pydantic, everything else (dataclass, attrs, msgspec.Struct,
TypedDict, containers and scalars) through msgspec; never the one in place of the other, so that a
file loads the same way on every machine. What keeps Python objects as such, pickle, is only checked.
"""

from __future__ import annotations

from ..errors import LoadError, MissingLibraryError, describe
from ._codec import Codec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    class Converter(Protocol):
        """Values of the type <-> plain data; both raise what says where the value does not fit."""

        def to_plain(self, value: Any) -> Any: ...
        def from_plain(self, data: Any) -> Any: ...


class TypedCodec(Codec):
    """A codec whose values are of one type.

    Args:
        type: the type of the value, as an annotation says it.
        codec: like the arguments of Codec.
    """

    def __init__(self, type: Any, *codec: Any) -> None:
        super().__init__(*codec)
        self.type = type
        self._converter = _converter(type, self.functions.objects)

    def dump(self, value: Any, file: Any) -> None:
        """Write the value to a binary file.

        Raises:
            Exception: the value is not of the type, so says the converter, or the format refuses it.
        """
        try:
            plain = self._converter.to_plain(value)
            self._converter.from_plain(plain)  # what would not load again shall not be written
        except Exception as error:
            error.add_note(f"the value of {file.name!r} should be of type {name_of(self.type)}")
            raise
        super().dump(plain, file)

    def load(self, file: Any) -> Any:
        """Read a value of the type.

        Raises:
            LoadError: the format refuses the bytes, or what they hold is not of the type.
        """
        size = file.size
        data = super().load(file)
        try:
            return self._converter.from_plain(data)
        except Exception as error:
            raise LoadError(
                f"{file.name!r} should hold a value of type {name_of(self.type)} and does not: {_told(error)}. Nothing "
                "was changed; mend the file, or give what is new in the type a default",
                file.name,
                self.label,
                size,
                damaged=False,
            ) from error

    def check_default(self, default: Any) -> None:
        """Raise TypeError unless the default is of the type."""
        try:
            _Checked(self.type).from_plain(default)
            self._converter.from_plain(self._converter.to_plain(default))
        except Exception as error:
            raise TypeError(
                f"default should be of type {name_of(self.type)}, like every other value of this store: {_told(error)}"
            ) from error


def name_of(type: Any) -> str:
    """Give the name of a type, as short as it is clear."""
    return getattr(type, "__name__", None) or str(type) if not getattr(type, "__args__", None) else str(type)


def _converter(type: Any, objects: bool) -> Converter:
    if objects:
        return _Checked(type)
    return _ByPydantic(type) if _is_pydantic(type) else _ByMsgspec(type)


class _Checked:
    """For formats that keep objects: only look whether it is one of the type."""

    def __init__(self, type: Any) -> None:
        from typing import get_origin

        self._type = type
        self._class = get_origin(type) or type

    def to_plain(self, value: Any) -> Any:
        return value

    def from_plain(self, data: Any) -> Any:
        try:
            fits = isinstance(data, self._class)
        except TypeError:
            return data  # a TypedDict, Literal or the like: isinstance() cannot tell
        if not fits:
            raise TypeError(f"expected {name_of(self._type)}, got {name_of(data.__class__)} - at `$`")
        return data


class _ByMsgspec:
    """dataclass, attrs, msgspec.Struct, TypedDict, NamedTuple, and what the standard library has."""

    def __init__(self, type: Any) -> None:
        try:
            import msgspec  # here: 24 ms that only type= pays
        except ImportError as error:
            raise MissingLibraryError(
                f'type={name_of(type)} needs the package msgspec: pip install "atomic_store[typed]" ({error})'
            ) from error
        self._type = type
        self._msgspec = msgspec

    def to_plain(self, value: Any) -> Any:
        return self._msgspec.to_builtins(value, str_keys=True)

    def from_plain(self, data: Any) -> Any:
        return self._msgspec.convert(_builtin(data), self._type, str_keys=True)


class _ByPydantic:
    """BaseModel, pydantic's dataclasses, and containers of them."""

    def __init__(self, type: Any) -> None:
        import pydantic  # here: 90 ms; present, since the type is pydantic's own

        self._adapter: pydantic.TypeAdapter[Any] = pydantic.TypeAdapter(type)

    def to_plain(self, value: Any) -> Any:
        return self._adapter.dump_python(value, mode="json", warnings="error")

    def from_plain(self, data: Any) -> Any:
        return self._adapter.validate_python(_builtin(data))


def _is_pydantic(type: Any) -> bool:
    """Say whether pydantic has made this type, or a part of a container's or union's."""
    from typing import get_args

    return hasattr(type, "__pydantic_validator__") or any(map(_is_pydantic, get_args(type)))


def _builtin(data: Any) -> Any:
    """Give loaded data as plain built-in types: tomlkit's and ruamel.yaml's are subclasses that converters refuse."""
    if data.__class__.__module__.partition(".")[0] not in ("tomlkit", "ruamel"):
        return data
    if isinstance(data, dict):
        return {_builtin(key): _builtin(value) for key, value in data.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(data, list):
        return [_builtin(item) for item in data]  # pyright: ignore[reportUnknownVariableType]
    from datetime import date, datetime, time

    # datetime before date, which it is too; bool cannot be subclassed.
    kinds = (datetime, date, time, int, float, str)
    kind: Any = next((kind for kind in kinds if isinstance(data, kind)), None)
    if kind is None:
        return data
    item: Any = data
    return kind.fromisoformat(item.isoformat()) if hasattr(kind, "fromisoformat") else kind(item)


def _told(error: Exception) -> str:
    """Give the error with the place inside the value: msgspec says it, pydantic keeps it as a tuple."""
    if not hasattr(error, "errors"):
        return describe(error)
    told: Any = error
    first = told.errors()[0]
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"])
    return f"{first['msg']} - at `${place}`"
