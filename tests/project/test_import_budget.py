"""What a program pays for at start-up: the modules loaded by the import, by an open and by a commit, against allow-lists.

Each program runs in `python -I` of a fresh virtual environment that holds copies of atomic_store and atomicwrites alone: a
developer's environment preloads half the library by its .pth files, and would hide a heavy import.
"""

from __future__ import annotations

import ast
import importlib
import shutil
import subprocess
import sys
from pathlib import Path

import atomicwrites
import pytest

import atomic_store

PRINT_MODULES = "import sys; print(*sorted(sys.modules))"

# What the package may import at module level; the interpreter itself has loaded most of it before any program begins.
AT_MODULE_LEVEL = ["__future__", "abc", "errno", "io", "os", "stat"]


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a fresh virtual environment with nothing but atomic_store and atomicwrites."""
    environment = tmp_path_factory.mktemp("budget") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    (site_packages,) = environment.glob("lib/python*/site-packages")
    for package in (atomic_store, atomicwrites):
        source = Path(str(package.__file__)).parent
        shutil.copytree(source, site_packages / source.name, ignore=shutil.ignore_patterns("__pycache__"))
    return environment / "bin" / "python"


def loaded(python: Path, program: str, directory: Path) -> set[str]:
    """The modules that are loaded after `program` ran in `directory`."""
    command = [str(python), "-I", "-W", "error", "-c", f"{program}\n{PRINT_MODULES}"]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())  # the program itself may have printed more


def excess(python: Path, program: str, allowed: list[str], directory: Path) -> list[str]:
    """The modules that `program` loads beyond the package itself and what the `allowed` ones load by themselves."""
    budget = loaded(python, "import " + ", ".join([*AT_MODULE_LEVEL, *allowed]), directory)
    return sorted(
        name
        for name in loaded(python, program, directory) - budget
        if name != "atomic_store" and not name.startswith("atomic_store.")
    )


# What open() loads for all that a store can need later, besides the format: C modules of the interpreter, some 0.1 ms each.
AT_OPEN = ["_blake2", "_functools", "fcntl", "gc"]
IMPORT = "import atomic_store"
OPEN = f"{IMPORT}; store = atomic_store.open('a', None)"
OPEN_EXISTING = f"open('b', 'w').write('[1]'); {IMPORT}; assert atomic_store.open('b').value == [1]"
OPEN_FLAT = f"{IMPORT}; store = atomic_store.open('c', {{}})"
SHOW = "open('e.json', 'w').write('{}'); from atomic_store.cli import main; assert main(['show', 'e.json']) == 0"
CRON = f"{IMPORT}\nwith atomic_store.open('e.json', []) as store: store.value.append(1)"
# gettext, which argparse asks for its words, looks for a translation.
PARSER = "argparse; argparse.ArgumentParser()"
OPEN_NESTED = f"{IMPORT}; store = atomic_store.open('e', {{'a': []}})"
OPEN_ODD = f"{IMPORT}; store = atomic_store.open('e', {{'a': [object()]}})"
JSON = ["_json", *AT_OPEN]
OPEN_PICKLE = f"{IMPORT}; store = atomic_store.open('d', None, 'pickle')"


@pytest.mark.parametrize(
    ("program", "allowed"),
    [
        (IMPORT, []),
        (OPEN, JSON),
        (OPEN_EXISTING, JSON),
        (OPEN_FLAT, JSON),
        (OPEN_NESTED, JSON),
        (OPEN_ODD, [*JSON, "copy"]),
        (OPEN_PICKLE, ["pickle", *AT_OPEN]),
        (f"{OPEN}; store.commit()", JSON),
        (f"{OPEN}; store.commit(); store.commit()", JSON),
        (f"{OPEN_FLAT}\nwith store: store.value['a'] = 1", JSON),
        (f"{OPEN_PICKLE}; store.commit()", ["pickle", *AT_OPEN]),
        (SHOW, ["json", *AT_OPEN, PARSER]),
        (SHOW.replace("'e.json']", "'e.json', '--json']"), ["json", *AT_OPEN, PARSER]),
    ],
    ids=[
        "import",
        "open",
        "open what exists",
        "open with a flat default",
        "open with a nested default",
        "open with a default of another kind",
        "open a pickle",
        "first commit",
        "second commit",
        "with block",
        "commit a pickle",
        "show JSON from the shell",
        "show JSON for machines",
    ],
)
def test_no_program_pays_for_what_it_does_not_use(python: Path, program: str, allowed: list[str], tmp_path: Path) -> None:
    """Each step of a store's life loads the modules that the step itself needs, and no other."""
    assert excess(python, program, allowed, tmp_path) == []


@pytest.mark.parametrize("module", ["decimal", "typing", "tempfile", "atomicwrites"])
def test_heavy_import_is_caught(python: Path, module: str, tmp_path: Path) -> None:
    """Controls: an import beyond the budget is named, also one that the program makes later by itself."""
    assert module in excess(python, f"{IMPORT}, {module}", [], tmp_path)


def test_command_loads_no_part_of_the_library_in_vain(python: Path, tmp_path: Path) -> None:
    """`show` of a JSON file loads the modules that read one, and none that writes, locks, wraps or edits."""
    parts = {name for name in loaded(python, SHOW, tmp_path) if name.startswith("atomic_store")}
    assert parts == {"atomic_store"} | {
        f"atomic_store.{name}"
        for name in (
            *("cli", "cli._commands", "cli._formats", "cli._output", "cli._parser", "cli._terminal"),
            *("errors", "store", "formats", "formats._json", "formats.wrappers"),
            *("locations", "locations.local", "locations.local._lock", "locations.local._tempfile"),
        )
    }


IN_A_CRON_JOB = {"atomic_store"} | {
    f"atomic_store.{name}"
    for name in (
        *("errors", "store", "formats", "formats._json"),
        *("locations", "locations.local", "locations.local._lock", "locations.local._tempfile"),
    )
}


def test_cron_script_loads_no_part_of_the_library_in_vain(python: Path, tmp_path: Path) -> None:
    """Who loads a JSON file, changes the value and saves it pays for the modules that do that, and for no other."""
    parts = {name for name in loaded(python, CRON, tmp_path) if name.startswith("atomic_store")}
    assert parts == IN_A_CRON_JOB


class Computed(ast.NodeVisitor):
    """Finds the annotations that Python computes as a module is loaded; a name costs as much as a string."""

    def __init__(self, source: str) -> None:
        self.found: list[str] = []
        self.visit(ast.parse(source))

    def note(self, annotation: ast.expr | None) -> None:
        if not isinstance(annotation, ast.Name | ast.Constant | None):
            self.found.append(f"{annotation.lineno}: {ast.unparse(annotation)}")

    def visit_If(self, node: ast.If) -> None:
        if not (isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"):
            self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self.note(node.annotation)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        for argument in ast.walk(node.args):
            self.note(getattr(argument, "annotation", None))
        self.note(node.returns)  # those of its own variables are never computed


@pytest.mark.parametrize("module", sorted(IN_A_CRON_JOB))
def test_cron_script_computes_no_annotation(module: str) -> None:
    """Where a cron job pays for the import, an annotation that is more than a name stands in quotes."""
    source = Path(importlib.import_module(module).__file__ or "")
    assert Computed(source.read_text(encoding="utf-8")).found == []


def test_computed_annotation_is_found() -> None:
    """Controls: of a parameter, of a result, of an attribute; and what is nowhere computed is passed over."""
    source = """
if TYPE_CHECKING:
    A = list[int] | None
a: int | None = None
class B:
    b: "int | None" = None
    c: list[int]
    def d(self, e: str, f: os.PathLike, *g: "int | None") -> tuple[int]:
        h: int | None = None
"""
    assert Computed(source).found == ["4: int | None", "7: list[int]", "8: os.PathLike", "8: tuple[int]"]


def test_environment_is_a_fresh_one(python: Path, tmp_path: Path) -> None:
    """The programs above import the copy of the package, and the interpreter preloads neither json nor typing."""
    origin = f"{IMPORT}; assert atomic_store.__file__.startswith(sys.prefix), atomic_store.__file__"
    assert "atomic_store" in loaded(python, f"import sys; {origin}", tmp_path)
    assert loaded(python, "pass", tmp_path).isdisjoint({"atomic_store", "json", "typing", "tempfile"})
