"""type=: values of the program's own types, stored as plain data.

pydantic's own types go through pydantic, everything else (dataclass, attrs, msgspec.Struct,
TypedDict, containers and scalars) through msgspec; never the one in place of the other, so that a
file loads the same way on every machine. What keeps Python objects as such, pickle, is only checked.

What would come back as another value is refused at commit: a datetime where the type says Any, say.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import cached_property
from itertools import permutations
from pathlib import PurePath
from types import NoneType, UnionType
from typing import Annotated, Union, get_args, get_origin, get_type_hints

from ..errors import FormatError, LoadError, MissingLibraryError, describe, shortened
from ._difference import difference, same_moment
from ._plain import to_builtins

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, Protocol

    from . import Codec

    class Converter(Protocol):
        """Values of the type <-> plain data; both raise what says where the value does not fit."""

        def to_plain(self, value: Any) -> Any: ...
        def from_plain(self, data: Any) -> Any: ...


class TypedCodec:
    """A codec around a codec, whose values are of one type.

    Args:
        type: the type of the value, as an annotation says it.
        codec: what writes and reads the plain data.
    """

    def __init__(self, type: Any, codec: Codec) -> None:
        self.type = type
        self._codec = codec
        self._converter = _converter(type, codec.objects)

    def __getattr__(self, name: str) -> Any:
        """Return an attribute of the codec inside: its format or label."""
        return getattr(self._codec, name)

    def dump(self, value: Any, file: Any, dump_kwargs: Any = None, load_kwargs: Any = None) -> None:
        """Write the value to a binary file.

        Raises:
            Exception: the value is not of the type, so says the converter, or the format refuses it.
        """
        try:
            plain = self._plain(value)
        except Exception as error:
            error.add_note(f"the value of {file.name!r} should be of type {name_of(self.type)}")
            raise
        self._codec.dump(plain, file, dump_kwargs, load_kwargs)

    def load(self, file: Any, load_kwargs: Any = None, dump_kwargs: Any = None) -> Any:
        """Read a value of the type.

        Raises:
            LoadError: the format refuses the bytes, or what they hold is not of the type.
        """
        size = file.size
        data = self._codec.load(file, load_kwargs, dump_kwargs)
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
            self._plain(default)
        except Exception as error:
            raise TypeError(
                f"default should be of type {name_of(self.type)}, like every other value of this store: {_told(error)}"
            ) from error

    def _plain(self, value: Any) -> Any:
        """Return the plain data of a value. Raises an exception unless it is of the type and would come back as it is."""
        _Checked(self.type).from_plain(value)
        plain = self._converter.to_plain(value)
        again = self._converter.from_plain(plain)
        place = None if self._codec.objects else _change(value, again, "$")  # a format that keeps objects was not converted
        if place is not None:
            raise TypeError(f"expected a value that comes back as it is: {place}")
        return plain


def name_of(type: Any) -> str:
    """Return the name of a type, with its arguments if it has any."""
    return getattr(type, "__name__", None) or str(type) if not getattr(type, "__args__", None) else str(type)


def _converter(type: Any, objects: bool) -> Converter:
    if objects:
        return _Checked(type)
    converter: Converter
    if _is_pydantic(type):
        converter = _ByPydantic(type)
    else:
        try:
            converter = _ByMsgspec(type)
        except MissingLibraryError:
            raise
        except FormatError as error:
            converter = _by_pydantic_instead(type, error)
    lost = _lost(type, set())
    if lost is not None:
        raise FormatError(f"type should be one whose values come back as they are, and {lost}")
    return converter


def _by_pydantic_instead(type: Any, refusal: FormatError) -> Converter:
    """Return pydantic's converter for what msgspec never converts: unions of dataclasses, Enums of mixed values, deques.

    Raises:
        FormatError: `refusal`, if pydantic is not installed, or cannot convert the type either, or would guess.
    """
    try:
        import pydantic  # noqa: F401  # pyright: ignore[reportUnusedImport]  # 90 ms that only such a type costs

        converter = _ByPydantic(type)
    except (ImportError, FormatError):
        raise refusal from None
    if isinstance(type, str) or _is_guess(type, set()):
        raise refusal
    return converter


def _is_guess(type: Any, seen: set[int]) -> bool:
    """Return whether a text could be one of several types of a union: str or date, date or datetime."""
    if id(type) in seen:
        return False
    seen.add(id(type))
    inside = get_args(type)
    if get_origin(type) in (Union, UnionType):
        if len(_TEXTS.intersection(each for each in inside if isinstance(each, _TYPE))) > 1:
            return True
        if str in inside:
            return any(isinstance(each, _TYPE) and each not in (str, int, float, bool, NoneType) for each in inside)
    return any(_is_guess(each, seen) for each in (*inside, *_hints(type)))


_TYPE = type
_DATA = (NoneType, int, float, str, bytes, list, tuple, dict, set, frozenset)
_SCALARS = frozenset((bool, int, float, str, bytes))
_TEXTS: frozenset[Any] = frozenset((str, bytes, date, datetime, time, timedelta, Decimal))  # stored as text


class _Checked:
    """For formats that keep objects: only look whether it is one of the type."""

    def __init__(self, type: Any) -> None:
        self._type = type

    def to_plain(self, value: Any) -> Any:
        return value

    def from_plain(self, data: Any) -> Any:
        if not _is_one(data, self._type):
            raise TypeError(f"expected {name_of(self._type)}, got {name_of(data.__class__)} - at `$`")
        return data


class _ByMsgspec:
    """dataclass, attrs, msgspec.Struct, TypedDict, NamedTuple, and what the standard library has."""

    def __init__(self, type: Any) -> None:
        try:
            import msgspec  # here: 24 ms that only type= pays
        except ImportError as error:
            raise MissingLibraryError(
                f'type={name_of(type)} needs the package msgspec: pip install "atomic-store[typed]" ({error})'
            ) from error
        self._type = type
        self._msgspec = msgspec
        try:
            msgspec.json.Decoder(type)  # raises for what it cannot convert
            _require_known(type)
        except Exception as error:
            raise _no_type(type, "msgspec", error) from error

    def to_plain(self, value: Any) -> Any:
        return _as_lists(self._msgspec.to_builtins(value, str_keys=True, enc_hook=_model_to_plain))

    def from_plain(self, data: Any) -> Any:
        return self._msgspec.convert(to_builtins(data), self._type, str_keys=True, dec_hook=_model_from_plain)


def _require_known(type: Any) -> None:
    """Raise TypeError for a class inside a type that msgspec leaves to the program, except paths and pydantic's models."""
    from msgspec import inspect

    parts: list[Any] = [inspect.type_info(type)]
    seen = {id(parts[0])}
    for part in parts:  # grows
        own: Any = getattr(part, "cls", None)
        if isinstance(part, inspect.CustomType) and not (issubclass(own, PurePath) or _is_pydantic(own)):
            raise TypeError(f"{name_of(own)} is not supported")
        if isinstance(part, inspect.DictType) and isinstance(part.key_type, inspect.CustomType | inspect.BoolType):
            raise TypeError("keys should be str, numbers, or what is stored as text")
        for name in part.__struct_fields__:
            inside: Any = getattr(part, name)
            for each in inside if inside.__class__ is tuple else (inside,):
                if isinstance(each, inspect.Type | inspect.Field) and id(each) not in seen:
                    seen.add(id(each))
                    parts.append(each)


class _ByPydantic:
    """BaseModel, pydantic's dataclasses, and containers of them."""

    def __init__(self, type: Any) -> None:
        import pydantic  # here: 90 ms; present, since the type is pydantic's own

        try:
            self._adapter: pydantic.TypeAdapter[Any] = pydantic.TypeAdapter(type)
        except Exception as error:
            raise _no_type(type, "pydantic", error) from error

    def to_plain(self, value: Any) -> Any:
        # By alias, for that is what a validation asks for; what is computed is no part of the value.
        return self._adapter.dump_python(value, mode="json", warnings="error", by_alias=True, round_trip=True)

    def from_plain(self, data: Any) -> Any:
        return self._adapter.validate_python(to_builtins(data))


def _as_lists(plain: Any) -> Any:
    """Return plain data with lists for tuples, as it will be loaded: Verified would refuse the tuples."""
    if plain.__class__ is dict:
        return {key: _as_lists(value) for key, value in plain.items()}
    return [_as_lists(item) for item in plain] if plain.__class__ in (list, tuple) else plain


def _no_type(type: Any, package: str, error: Exception) -> FormatError:
    return FormatError(f"type should be one that {package} can convert, not {name_of(type)}: {describe(error)}")


def _model_to_plain(value: Any) -> Any:
    """Return the plain data of what msgspec leaves to others: a pydantic model, or a path."""
    return str(value) if isinstance(value, PurePath) else _model(value.__class__).to_plain(value)


def _model_from_plain(type: Any, data: Any) -> Any:
    if issubclass(type, PurePath) and isinstance(data, str):
        return type(data)
    return _model(type).from_plain(data)


def _model(type: Any) -> _ByPydantic:
    if not _is_pydantic(type):
        raise TypeError(f"expected what msgspec or pydantic can convert, got {name_of(type)}")
    return _ByPydantic(type)


def _is_one(value: Any, type: Any) -> bool:
    """Return whether a value is of a type, without a look inside it."""
    origin = get_origin(type)
    if origin in (Union, UnionType):
        return any(_is_one(value, each) for each in get_args(type))
    if origin is Annotated:
        return _is_one(value, get_args(type)[0])
    if type is float:
        return isinstance(value, int | float)  # an int serves as a float (PEP 484)
    try:
        return isinstance(value, origin or type)
    except TypeError:
        return True  # a TypedDict, Literal or the like: isinstance() cannot tell


def _change(value: Any, again: Any, place: str) -> str | None:
    """Return a description of the first part of a value that did not come back, None if all did; NaN is NaN."""
    own = value.__class__
    if own is again.__class__ and own in _SCALARS and value == again:
        return None
    names = _fields(own)
    if names is not None and own is again.__class__:
        for name in getattr(value, "__dict__", {}):
            if name in names or isinstance(getattr(own, name, None), cached_property):
                continue
            if not hasattr(again, name):
                return f"{name}, which is no field of {name_of(own)}, would be gone - at `{place}`"
            one, other = getattr(value, name), getattr(again, name)
            # A private one may be a cache, and a helper such as a lock is made again.
            if not name.startswith("_") and isinstance(one, _DATA) and difference(one, other):
                return f"{one!r} would become {other!r} - at `{place}.{name}`, which is no field of {name_of(own)}"
        parts = ((f"{place}.{name}", getattr(value, name, None), getattr(again, name, None)) for name in names)
        return next(filter(None, (_change(one, other, where) for where, one, other in parts)), None)
    if names is not None:
        return f"{name_of(own)} would become {name_of(again.__class__)} - at `{place}`"
    for name in ("maxlen", "default_factory"):  # of a deque, of a defaultdict: == asks for neither
        if hasattr(value, name) and hasattr(again, name) and getattr(value, name) != getattr(again, name):
            return f"{getattr(value, name)!r} would become {getattr(again, name)!r} - at `{place}.{name}`"
    kind = next((kind for kind in (dict, list, tuple) if all(isinstance(each, kind) for each in (value, again))), None)
    if kind is dict:
        gone = (f"{key!r} would be gone - at `{place}`" for key in value if key not in again)
        changed = (_change(item, again[key], f"{place}.{key}") for key, item in value.items() if key in again)
        return next(gone, None) or next(filter(None, changed), None)  # what is only in `again` has come from a default
    if kind is not None and len(value) == len(again):
        pairs = enumerate(zip(value, again, strict=True))
        return next(filter(None, (_change(a, b, f"{place}[{n}]") for n, (a, b) in pairs)), None)
    if hasattr(value, "utcoffset") and hasattr(again, "utcoffset"):
        same = same_moment(value, again)
    else:
        same = value == again or (value != value and again != again)
    return None if same else f"{value!r} would become {again!r} - at `{place}`"


def _fields(type: Any) -> Iterable[str] | None:
    """Return the names of all that an object of a class holds, private and excluded fields too; None: it has no fields."""
    if hasattr(type, "__pydantic_fields__") and hasattr(type, "__private_attributes__"):
        return (*type.__pydantic_fields__, *type.__private_attributes__, "__pydantic_extra__")
    for attribute in ("__dataclass_fields__", "__struct_fields__"):
        if hasattr(type, attribute):
            return tuple(getattr(type, attribute))
    return [field.name for field in type.__attrs_attrs__] if hasattr(type, "__attrs_attrs__") else None


def _lost(type: Any, seen: set[int]) -> str | None:
    """Return what would be lost of the values of a type, as its packages convert them; None: nothing that is declared."""
    if id(type) in seen:
        return None
    seen.add(id(type))
    inside: list[Any] = list(get_args(type))
    found: str | None = None
    if hasattr(type, "__attrs_attrs__"):
        private = next((field.name for field in type.__attrs_attrs__ if field.name.startswith("_")), None)
        found = private and f"the private field {private}, which msgspec leaves out for attrs classes: use a dataclass"
    elif hasattr(type, "__pydantic_fields__"):
        inside += [field.annotation for field in type.__pydantic_fields__.values()]
        found = _lost_by_pydantic(type)
    elif get_origin(type) in (Union, UnionType):
        found = _told_apart(inside)
    elif get_origin(type) is dict and get_origin(inside[0]) in (tuple, frozenset):
        found = f"keys of type {name_of(inside[0])}, which cannot be read from a text"
    if found:
        return f"{name_of(type)} has {found}"
    inside += _hints(type)
    return next(filter(None, (_lost(each, seen) for each in inside)), None)


def _lost_by_pydantic(type: Any) -> str | None:
    """Return what pydantic would lose of the fields of a model or a dataclass."""
    for name in getattr(type, "__private_attributes__", ()):
        return f"the private attribute {name}, which pydantic leaves out"
    config = getattr(type, "model_config", None) or getattr(type, "__pydantic_config__", {})
    by_name = config.get("populate_by_name") or config.get("validate_by_name")
    for name, field in type.__pydantic_fields__.items():
        if field.exclude:
            return f"the field {name}, which pydantic excludes"
        written = field.serialization_alias or name
        read = field.validation_alias or name
        if isinstance(read, str) and written != read and not (written == name and by_name):
            return f"the field {name}, which pydantic writes as {written!r} and reads as {read!r}"
    for field in getattr(type, "__dataclass_fields__", {}).values():
        if not field.init and _has_default(field):
            return f"the field {field.name} with init=False, which pydantic sets to its default"
    return None


def _told_apart(types: list[Any]) -> str | None:
    """Return which two classes of a union cannot be told apart by their fields; None: each can."""
    for one, other in permutations(filter(_shape, types), 2):
        fields, others = _shape(one), _shape(other)
        needed = {name for name, (_, is_needed) in others.items() if is_needed}
        if needed <= fields.keys() and all(others.get(name, [None])[0] == hint for name, (hint, _) in fields.items()):
            return (
                f"{name_of(one)} and {name_of(other)}, whose fields do not tell them apart: add kind: Literal[...] to each"
            )
    return None


def _shape(type: Any) -> dict[str, tuple[Any, bool]]:
    """Return for each field of a class that pydantic converts its annotation, and whether a value needs it."""
    if hasattr(type, "__pydantic_fields__"):
        return {name: (field.annotation, field.is_required()) for name, field in type.__pydantic_fields__.items()}
    fields = getattr(type, "__dataclass_fields__", {}).values()
    return {field.name: (field.type, not _has_default(field)) for field in fields}


def _has_default(field: Any) -> bool:
    from dataclasses import MISSING

    return field.default is not MISSING or field.default_factory is not MISSING


def _hints(type: Any) -> list[Any]:
    type = get_origin(type) or type
    if _fields(type) is None and not hasattr(type, "__annotations__"):
        return []
    try:
        return list(get_type_hints(type).values())
    except Exception:  # noqa: BLE001 - a name that only exists inside a function
        return []  # each commit compares all parts all the same


def _is_pydantic(type: Any) -> bool:
    """Return whether pydantic has made this type, or a part of a container's or union's."""
    return hasattr(type, "__pydantic_validator__") or any(map(_is_pydantic, get_args(type)))


def _told(error: Exception) -> str:
    """Return an error's text with the place inside the value: msgspec's text has it, pydantic keeps it as a tuple."""
    if not hasattr(error, "errors"):
        return describe(error)
    told: Any = error
    first = told.errors()[0]
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"])
    return shortened(f"{first['msg']} - at `${place}`")
