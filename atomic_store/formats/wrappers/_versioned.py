"""Versioned: the version of the value's schema is stored with it, and old values are migrated when they are loaded."""

from __future__ import annotations

from collections.abc import Mapping

from ...errors import FormatError, LoadError, VersionError
from ._base import Wrapper, load_kwargs_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any
else:
    from _collections_abc import Callable, Mapping

    Any = object  # as in errors.py


class Versioned(Wrapper):
    """Store a schema version with the value, and migrate old values when they are loaded.

    The file holds a mapping of VERSION_KEY and "value". A file without it has version 0. Loading migrates in
    memory only; the next commit writes the new version.

    Args:
        format: what open() takes as `format`.
        version: the version that this program writes, an int >= 0.
        migrations: a dict of functions. The one at key n converts a value from version n to n + 1.

    Raises:
        FormatError: a step between the first migration and `version` is missing.
        VersionError: from a load: the file is newer than `version`, older than the first migration, or its
            version cannot be read.
    """

    VERSION_KEY = "__atomic_store_version__"

    def __init__(self, format: Any, version: int, migrations: Mapping[int, Callable[[Any], Any]] | None = None) -> None:
        super().__init__(format)
        self.version = version
        if not _is_version(version):
            raise FormatError(f"version should be an int from 0 up, not {version!r}")
        if migrations is not None and not hasattr(migrations, "keys"):
            raise FormatError(f"migrations should be a dict of functions by the version they begin at, not {migrations!r}")
        self.migrations: dict[int, Callable[[Any], Any]] = dict(migrations or {})
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
        self.inner.dump({self.VERSION_KEY: self.version, "value": value}, file, kwargs, load_kwargs_of(file))

    def load(self, file: Any, **kwargs: Any) -> Any:
        """Read a value, and migrate it step by step if it is old."""
        label = self.inner.label
        version, value = self._opened(self.inner.load(file, kwargs))
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
                label,
                file.size,
                damaged=False,
            )
        for step in range(version, self.version):
            value = self._migrated(step, value, file, label)
        return value

    def _opened(self, data: Any) -> tuple[Any, Any]:
        """Return the version in the envelope, unchecked, and the value; without an envelope, 0 and the data."""
        if not isinstance(data, Mapping) or self.VERSION_KEY not in data:  # some formats have mappings that are not dicts
            return 0, data  # pyright: ignore[reportUnknownVariableType]
        envelope: Mapping[Any, Any] = data  # pyright: ignore[reportUnknownVariableType]
        if set(envelope) != {self.VERSION_KEY, "value"}:
            return list(envelope), None  # an envelope that was edited by hand: not a value of version 0
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


def _shown(version: Any, inside: bool = False) -> str:
    """Return a short text for what is stored as the version. With YAML aliases its repr() could be a terabyte long."""
    if isinstance(version, str):
        return repr(version[:40])
    if version is None or (isinstance(version, int | float) and not abs(version) >= 1 << 64):
        return repr(version)
    if isinstance(version, list) and not inside:
        some: list[Any] = version[:6]  # pyright: ignore[reportUnknownVariableType]
        return f"[{', '.join(_shown(item, inside=True) for item in some)}]"
    return f"of type {type(version).__name__}"  # pyright: ignore[reportUnknownArgumentType]


def _is_version(version: Any) -> bool:
    """Return whether it is an int >= 0. Formats may load an int as a subclass of int; True is not a version."""
    return isinstance(version, int) and not isinstance(version, bool) and version >= 0
