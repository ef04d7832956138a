"""Who may import whom, read from the import lines: arrows only go down, and an implementation hides behind its folder.

    cli -> __init__ -> mapping, writing, checking, testing -> store -> formats, locations -> errors

The two seams never import each other. A module `_name.py` belongs to its folder; a seam's `__init__` reaches it inside
a function, on first use, so that a program pays only for the format and the place that it uses.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import atomic_store

PACKAGE = Path(atomic_store.__file__).parent
FLOORS = [
    {"__main__"},
    {"cli"},
    {""},
    {"mapping", "writing", "checking", "testing"},
    {"store"},
    {"_quarantine"},
    {"formats", "locations"},
    {"errors"},
]


class Import(NamedTuple):
    """One module of the package that an import line names: who imports, whom, and how."""

    importer: str
    imported: str
    line: int
    in_function: bool
    for_checkers: bool


def modules() -> dict[str, str]:
    """The sources of the package by module name, without the package's own: "", "store", "formats", "formats._json"."""
    return {name_of(path.relative_to(PACKAGE)): path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py")}


def name_of(path: Path) -> str:
    """The dotted module name of a path within the package."""
    return ".".join(part for part in path.with_suffix("").parts if part != "__init__")


def imports(importer: str, source: str, known: set[str]) -> Iterator[Import]:
    """Each import of a module of the package in `source`; `known` tells a module from a name inside one."""
    is_folder = any(name.startswith(f"{importer}.") for name in known) or importer == ""
    folder = importer if is_folder else importer.rpartition(".")[0]

    def targets(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
        if isinstance(node, ast.Import):
            for alias in node.names:
                package, _, rest = alias.name.partition(".")
                if package == "atomic_store":
                    yield rest
            return
        if node.level:
            parts = folder.split(".") if folder else []
            parts = [*parts[: len(parts) - node.level + 1], *(node.module or "").split(".")]
        else:
            package, *parts = (node.module or "").split(".")
            if package != "atomic_store":
                return
        base = ".".join(filter(None, parts))
        for alias in node.names:
            full = f"{base}.{alias.name}".lstrip(".")
            yield full if full in known else base

    def walk(node: ast.AST, in_function: bool, for_checkers: bool) -> Iterator[Import]:
        if isinstance(node, ast.Import | ast.ImportFrom):
            for target in targets(node):
                yield Import(importer, target, node.lineno, in_function, for_checkers)
        checkers_only: list[ast.stmt] = []
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            checkers_only = node.body
        inside = in_function or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for child in ast.iter_child_nodes(node):
            yield from walk(child, inside, for_checkers or child in checkers_only)

    yield from walk(ast.parse(source), False, False)


def floor(module: str) -> int:
    """The number of the floor that `module` is on, counted from the top."""
    top = module.partition(".")[0]
    numbers = [number for number, names in enumerate(FLOORS) if top in names]
    assert numbers, f"{module} is on no floor of the plan"
    return numbers[0]


def fault(found: Import) -> str | None:
    """Say what is wrong with this import, or return None."""
    importer, imported = found.importer, found.imported
    here, there = importer.partition(".")[0], imported.partition(".")[0]
    folder, _, last = imported.rpartition(".")
    if here != there and floor(importer) >= floor(imported):
        return "goes up or sideways"
    if last.startswith("_") and last != "__main__":
        if importer in {"", "formats", "locations"}:
            if not found.in_function and not found.for_checkers:
                return "is not on first use"
        elif folder and importer != folder and not importer.startswith(f"{folder}."):
            return "reaches past the folder"
    return None


def faults(sources: dict[str, str]) -> list[str]:
    """All wrong imports in `sources`, one line of text each."""
    found = [each for name, source in sources.items() for each in imports(name, source, set(sources))]
    return [f"{each.importer}:{each.line} -> {each.imported} {wrong}" for each in found if (wrong := fault(each))]


def test_no_import_goes_up() -> None:
    """Every import line of the package follows the floor plan."""
    assert faults(modules()) == []


def test_plan_knows_every_module() -> None:
    """A new module at the top of the package has a floor of its own in the plan."""
    assert all(floor(name) >= 0 for name in modules())


def test_reader_sees_the_imports_that_are_there() -> None:
    """The front door's and the store's own imports are among those read: the check does not look past them."""
    sources = modules()
    seen = {(each.importer, each.imported) for name in sources for each in imports(name, sources[name], set(sources))}
    assert {("", "store"), ("store", "formats"), ("store", "locations")} <= seen


@pytest.mark.parametrize(
    ("importer", "line", "wrong"),
    [
        ("errors", "from atomic_store.store import open", "goes up or sideways"),
        ("store", "import atomic_store", "goes up or sideways"),
        ("", "from .cli import main", "goes up or sideways"),
        ("cli", "from .locations._local import LocalFile", "reaches past the folder"),
        ("store", "from . import mapping", "goes up or sideways"),
        ("formats.base", "from ..store import AtomicStore", "goes up or sideways"),
        ("formats._json", "def load():\n    from .. import locations", "goes up or sideways"),
        ("locations._local", "import atomic_store.formats.base", "goes up or sideways"),
        ("locations", "if TYPE_CHECKING:\n    from ..formats import base", "goes up or sideways"),
        ("formats", "from . import _json", "is not on first use"),
        ("formats", "from ._json import dump", "is not on first use"),
        ("", "from .locations._local import LocalFile", "is not on first use"),
        ("store", "def commit():\n    from .locations import _local", "reaches past the folder"),
        ("store", "from .formats._codec import Codec", "reaches past the folder"),
        ("locations", "from .s3._read import Reader", "is not on first use"),
        ("locations._local", "from .s3._read import Reader", "reaches past the folder"),
    ],
)
def test_wrong_import_is_caught(importer: str, line: str, wrong: str) -> None:
    """Controls: each way to break the plan, written into a copy of the package, is named."""
    names = ["", "cli", "mapping", "store", "errors", "formats", "formats.base", "formats._json", "formats._codec"]
    names += ["locations", "locations._local", "locations.s3", "locations.s3._read"]
    found = faults(dict.fromkeys(names, "") | {importer: line})
    assert len(found) == 1
    assert found[0].startswith(f"{importer}:")
    assert found[0].endswith(wrong)


def test_right_imports_pass() -> None:
    """Controls: what the plan allows is not reported."""
    sources = {
        "__main__": "from .cli import main",
        "cli": "from . import check, formats\nfrom .errors import LoadError",
        "": "from .store import open\ndef __getattr__(name):\n    from .locations._local import LocalFile",
        "store": "from . import errors, formats, locations\nfrom .errors import LoadError",
        "errors": "import os",
        "formats": "from .base import Base\ndef resolve():\n    from . import _json",
        "formats.base": "from ..errors import FormatError",
        "formats._json": "import json\nfrom .base import Base",
        "locations": "if TYPE_CHECKING:\n    from ._local import LocalFile",
        "locations._local": "from . import _writer",
        "locations._writer": "import atomicwrites",
        "locations.s3": "from ._read import Reader",
        "locations.s3._read": "from .. import ANY",
    }
    assert faults(sources) == []


def circles(sources: dict[str, str]) -> list[list[str]]:
    """The groups of modules that import each other, also inside functions; what only type checkers read does not count."""
    edges = {
        name: {
            each.imported for each in imports(name, source, set(sources)) if not each.for_checkers and each.imported != name
        }
        for name, source in sources.items()
    }
    reach = {name: set(targets) for name, targets in edges.items()}
    for _ in sources:
        for targets in reach.values():
            targets |= {further for target in targets for further in reach.get(target, set())}
    found = {frozenset(other for other in reach[name] if name in reach.get(other, set())) for name in sources}
    return sorted(sorted(group) for group in found if group)


def test_no_module_imports_itself_by_a_detour() -> None:
    """There is no circle of imports, lazy ones counted: each module can be read, and frozen, before those above it."""
    assert circles(modules()) == []


def test_circle_is_found() -> None:
    """Control: two modules that import each other, one of them inside a function, are a circle."""
    sources = {"": "", "locations": "def resolve():\n    from . import local", "locations.local": "from . import Location"}
    assert circles(sources) == [["locations", "locations.local"]]
