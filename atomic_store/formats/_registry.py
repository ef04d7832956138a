"""From what the user passes as `format` to the module that writes and reads it. Plain JSON is found without it."""

from __future__ import annotations

import sys

from ..errors import FormatError, MissingLibraryError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


def find(format: Any, is_binary: bool | None, names: Mapping[str, str | None]) -> Any:
    """Return the module of a built-in format, or whatever else can write and read, in the same shape.

    Args:
        format: None (JSON), a name, or an object that can write and read.
        is_binary: True or False: what the format must speak; None: it is found out.
        names: the built-in names, each with the package that it needs.

    Raises:
        FormatError: it is no format, or no name of one.
        MissingLibraryError: it is one whose package cannot be used here.
    """
    if is_binary not in (None, True, False):
        raise FormatError(f"is_binary should be None, True or False, not {is_binary!r}")
    name = _name(format)
    if isinstance(name, str) and name in names and is_binary is None:
        return _builtin(name, names[name])
    from ._foreign import adapt

    if isinstance(name, str):
        return adapt(_named(name, names), is_binary, name)
    return adapt(name, is_binary, None)


def _name(format: Any) -> Any:
    """Return the name that `format` means, or the object itself that brings its own functions."""
    if format is None:
        return "json"
    if isinstance(format, str):
        return format
    # A module as it is means the format of its name: ours is faster and finds more damage.
    for name in ("json", "pickle", "bson"):
        if format is sys.modules.get(name):
            return name
    return format


def _named(name: str, names: Mapping[str, str | None]) -> Any:
    """Return the format of this name, built in or added by an installed package."""
    if name in names:
        return _builtin(name, names[name])
    from . import _installed

    return _installed.by_name(name, names)


def _builtin(name: str, package: str | None) -> Any:
    """Return the module of a built-in name."""
    try:
        module = _module(name)
        if package is not None:
            module.public()  # its package is there
        return module
    except MissingLibraryError:
        raise
    except ImportError as error:
        if package is None:
            raise  # of the standard library: no package to install is missing
        raise MissingLibraryError(
            f'format "{name}" needs the package {package}: pip install "atomic-store[{name}]" ({error})'
        ) from error


def _module(name: str) -> Any:
    # Literal imports: programs that freeze a package (PyInstaller, cx_Freeze, Nuitka) look for them.
    found: Any
    match name:
        case "json":
            from . import _json as found
        case "pickle":
            from . import _pickle as found
        case "bson":
            from . import _bson as found
        case "yaml":
            from . import _yaml as found
        case "toml":
            from . import _toml as found
        case "msgpack":
            from . import _msgpack as found
        case _:
            from . import _cbor as found
    return found
