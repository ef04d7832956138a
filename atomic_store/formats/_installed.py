"""Formats that installed packages add by entry points: a name, and a suffix for "auto"."""

from __future__ import annotations

from ..errors import FormatError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from importlib.metadata import EntryPoints
    from typing import Any

GROUP = "atomic_store.formats"
"""The entry-point group in which a package may add names."""


def by_name(name: str, built_in: Iterable[str]) -> Any:
    """Return the format that an installed package adds under this name.

    Args:
        name: what the user calls it.
        built_in: the names that need no package, for the message.

    Raises:
        FormatError: no package adds it, or several do, or it cannot be loaded.
    """
    points = _points()
    found = [point for point in points if point.name == name]
    if not found:
        names = [*built_in, *sorted(each for each in points.names if not each.startswith("."))]
        raise FormatError(f"format should be one of {', '.join(names)}, or an object; not {name!r}{_near(name, names)}")
    if len(found) > 1:
        raise FormatError(f'format "{name}" is added by more than one package: {", ".join(p.value for p in found)}')
    try:
        return found[0].load()
    except Exception as error:
        raise FormatError(
            f'format "{name}" cannot be loaded from {found[0].value}: {type(error).__name__}: {error}'
        ) from error


def by_suffix(suffix: str) -> str | None:
    """Return the name of the format that an installed package adds for a suffix, None if there is none.

    The package has two entry points with the same value: the name, and the suffix with its dot.
    """
    points = _points()
    values = [point.value for point in points if point.name == suffix]
    names = [point.name for point in points if point.value in values and point.name != suffix]
    return names[0] if len(set(values)) == 1 and names else suffix if values else None


def _points() -> EntryPoints:
    from importlib.metadata import entry_points  # 25 ms that only a name, or a suffix, of another package costs

    return entry_points(group=GROUP)


def _near(name: str, names: list[str]) -> str:
    import difflib  # here: 3 ms that only a typing error pays

    near = difflib.get_close_matches(name.lower(), names, 1)
    return f'; did you mean "{near[0]}"?' if near else ""
