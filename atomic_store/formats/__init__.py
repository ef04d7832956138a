"""Seam 1, value <-> bytes: from what the user passes as `format` to a codec."""

from __future__ import annotations

from ..errors import FormatError, MissingLibraryError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._codec import Codec

NAMES = {
    "json": None,
    "pickle": None,
    "bson": "pymongo",
    "yaml": "ruamel.yaml",
    "toml": "tomlkit",
    "msgpack": "msgpack",
    "cbor": "cbor2",
}
"""The built-in names, each the module `_NAME` of this package, with the package that it needs."""

SUFFIXES = {
    ".json": "json",
    ".bson": "bson",
    ".yaml": "yaml",
    ".yml": "yaml",
    ".toml": "toml",
    ".msgpack": "msgpack",
    ".cbor": "cbor",
}
"""What format="auto" goes by. Never pickle: a file's name must not decide whether it may run code."""

COMPRESSIONS = {".gz": "gzip", ".bz2": "bz2", ".xz": "xz", ".zst": "zstd"}
"""The suffixes that may follow one of these."""

_kept: dict[str, Any] = {}  # what each open needs, and would cost time to get again

GROUP = "atomic_store.formats"
"""The entry-point group in which an installed package may add names."""


def resolve(
    format: Any = None,
    is_binary: bool | None = None,
    load_kwargs: dict[str, Any] | None = None,
    dump_kwargs: dict[str, Any] | None = None,
    path: Any = "",
    type: Any = None,
) -> Codec:
    """Give the codec for what the user calls a format; nothing is read or written yet.

    Args:
        format: None (JSON), a name, "auto", or an object that can write and read.
        is_binary: True or False: what the format must speak; None: it is found out.
        load_kwargs: keywords of every load.
        dump_kwargs: keywords of every dump.
        path: whose suffix "auto" goes by.
        type: the type that every value has to be of; None: anything.

    Raises:
        FormatError: it is no format, or no name of one.
        MissingLibraryError: it is one whose package cannot be used here.
        TypeError: the keywords are no dict.
    """
    codec = _the_codec()
    if is_binary not in (None, True, False):
        raise FormatError(f"is_binary should be None, True or False, not {is_binary!r}")
    is_binary = None if is_binary is None else bool(is_binary)  # 0.0.1 took 1 as well, and identity counts from here on
    name = _name(format, path)
    if isinstance(name, str) and name in NAMES:
        public, functions = _builtin(name)
    elif isinstance(name, str):
        public, functions = _found(_installed(name))
        functions.label = name
    else:
        public, functions = _found(name)
    load_kwargs, dump_kwargs = _keywords("load_kwargs", load_kwargs), _keywords("dump_kwargs", dump_kwargs)
    if type is None:
        found: Codec = codec.Codec(public, functions, is_binary, load_kwargs, dump_kwargs)
        return found
    from ._typed import TypedCodec

    return TypedCodec(type, public, functions, is_binary, load_kwargs, dump_kwargs)


def _keywords(name: str, keywords: Any) -> dict[str, Any]:
    """Give the dict itself: a program may change it later."""
    if keywords is None:
        return {}
    if not hasattr(keywords, "keys"):
        raise TypeError(f"{name} should be a dict of keywords or None, not {keywords!r}")
    given: dict[str, Any] = keywords
    return given


def _name(format: Any, path: Any) -> Any:
    """Give the name that `format` means, or the object itself that brings its own functions."""
    if format is None:
        return "json"
    if isinstance(format, str):
        return by_suffix(path) if format == "auto" else format
    import sys

    # A module as it is means the format of its name: ours is faster and finds more damage.
    return next((name for name in ("json", "pickle", "bson") if format is sys.modules.get(name)), format)


def by_suffix(path: Any) -> Any:
    """Give the format for a path's suffix, with compression around it where there are two, as in .json.gz."""
    import os

    rest, suffix = os.path.splitext(os.fsdecode(path))
    if suffix.lower() in COMPRESSIONS:
        from .wrappers import Compressed

        return Compressed(by_suffix(rest), COMPRESSIONS[suffix.lower()])
    if suffix.lower() not in SUFFIXES:
        raise FormatError(
            f'format="auto" should find one of the suffixes {", ".join(SUFFIXES)}, and finds {suffix!r} in {path!r}; '
            "name the format (pickle is used only by name)"
        )
    return SUFFIXES[suffix.lower()]


def plain(value: Any) -> Any:
    """Give what a format has loaded in built-in types, where it has classes of its own for them, as for YAML and TOML."""
    from ._typed import as_builtin

    return as_builtin(value)


def _the_codec() -> Any:
    """Give the module _codec; importing it once more would cost each open 1.5 us."""
    if "codec" not in _kept:
        from . import _codec

        _kept["codec"] = _codec
    return _kept["codec"]


def _found(format: Any) -> tuple[Any, Any]:
    from ._interfaces import find  # here: only a format that is none of ours pays

    return find(format)


def _builtin(name: str) -> tuple[Any, Any]:
    if name in _kept:
        public, functions = _kept[name]
        return public, functions
    try:
        module: Any = __import__(f"{__name__}._{name}", fromlist=["dump"])  # importlib would be one more import to pay
    except ImportError as error:
        raise MissingLibraryError(
            f'format "{name}" needs the package {NAMES[name]}: pip install "atomic_store[{name}]" ({error})'
        ) from error
    functions = _the_codec().Functions(
        name,
        module.dump,
        module.load,
        streams=module.streams,
        takes_text=False,
        objects=module.objects,
        simple=getattr(module, "simple", False),
        damage=getattr(module, "damage", None),
        text=module.text,
    )
    if NAMES[name] is None:  # else its package may come or go
        _kept[name] = module.public(), functions
    return module.public(), functions


def _installed(name: str) -> Any:
    """Give the format that an installed package adds under this name."""
    from importlib.metadata import entry_points  # here: 25 ms that only a name from elsewhere pays

    points = entry_points(group=GROUP)
    found = [point for point in points if point.name == name]
    if not found:
        names = [*NAMES, *sorted(points.names)]
        raise FormatError(f"format should be one of {', '.join(names)}, or an object; not {name!r}{_near(name, names)}")
    if len(found) > 1:
        raise FormatError(f'format "{name}" is added by more than one package: {", ".join(p.value for p in found)}')
    try:
        return found[0].load()
    except Exception as error:
        raise FormatError(
            f'format "{name}" cannot be loaded from {found[0].value}: {type(error).__name__}: {error}'
        ) from error


def _near(name: str, names: list[str]) -> str:
    import difflib  # here: 3 ms that only a typing error pays

    near = difflib.get_close_matches(name.lower(), names, 1)
    return f'; did you mean "{near[0]}"?' if near else ""
