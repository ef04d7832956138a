"""A package that adds a format: the real one of examples/plugin, built, installed into a fresh environment, used by name."""

from __future__ import annotations

import importlib.metadata
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import atomicwrites
import pytest
from support import ROOT

import atomic_store
from atomic_store import formats
from atomic_store.testing import Memory

PLUGIN = ROOT / "examples" / "plugin"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of the plugin, built by the build backend that it names: an environment may have no pip."""
    directory = tmp_path_factory.mktemp("wheel")
    shutil.copytree(PLUGIN, directory / "source")  # building writes beside the source
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(directory)]
    done = subprocess.run(command, cwd=directory / "source", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = directory.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that all tests share: none may change it."""
    return environment(tmp_path_factory.mktemp("plugin"), wheel)


def environment(directory: Path, wheel: Path | None) -> Path:
    """Make a virtual environment with atomic_store and, if there is a wheel, what it holds; return its interpreter."""
    environment = directory / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    (site_packages,) = environment.glob("lib/python*/site-packages")
    for package in (atomic_store, atomicwrites):
        source = Path(str(package.__file__)).parent
        shutil.copytree(source, site_packages / source.name, ignore=shutil.ignore_patterns("__pycache__"))
    if wheel is not None:
        # A wheel of pure Python is installed by unpacking it.
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(site_packages)
    return environment / "bin" / "python"


def run(python: Path, program: str, directory: Path, *options: str) -> str:
    """Run a program in the fresh environment; give what it prints; an error or a warning fails the test."""
    command = [str(python), "-W", "error", *(options or ("-I",)), "-c", program]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_installed_format_is_used_by_name(python: Path, tmp_path: Path) -> None:
    """Three runs of the program in the plugin's README add three lines to its file."""
    (block,) = re.findall(r"```python\n(.*?)```", (PLUGIN / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    for count in (1, 2, 3):
        run(python, block, tmp_path)
        lines = (tmp_path / "measured.jsonl").read_text(encoding="utf-8").splitlines()
        assert lines == ['{"station": "Z\\u00fcrich", "degrees": 21.5}'] * count


def test_installed_format_is_found_by_its_suffix(python: Path, tmp_path: Path) -> None:
    """`format="auto"` takes the suffix that the plugin brings."""
    run(python, "import atomic_store; atomic_store.open('a.jsonl', [{}, {}], 'auto').commit()", tmp_path)
    assert (tmp_path / "a.jsonl").read_text(encoding="utf-8") == "{}\n{}\n"


def test_installed_format_keeps_the_contract(python: Path, tmp_path: Path) -> None:
    """Each test that the plugin ships holds in the environment that its users have."""
    shutil.copy(PLUGIN / "tests" / "test_jsonl.py", tmp_path)
    program = (
        "from test_jsonl import TestJsonLines as Tests\n"
        "names = [name for name in dir(Tests) if name.startswith('test_')]\n"
        "for name in names: getattr(Tests(), name)()\n"
        "print(len(names))"
    )
    assert int(run(python, program, tmp_path, "-B")) >= 10


def test_messages_call_an_installed_format_by_its_name(python: Path, tmp_path: Path) -> None:
    """A damaged file and a misspelled name are told with the name that the package has added."""
    (tmp_path / "value").write_text("{\n")
    program = (
        "import atomic_store\n"
        "for name in ('jsonl', 'jsonk'):\n"
        "    try: atomic_store.open('value', [], name)\n"
        "    except ValueError as error: print(type(error).__name__, error)\n"
    )
    damaged, misspelled = run(python, program, tmp_path).splitlines()
    assert re.match(
        r"LoadError 'value' \(2 bytes\) should hold a value in the format jsonl, which refuses it: JSON", damaged
    )
    assert re.match(r"FormatError 'value': format should be one of json, .*cbor, jsonl, .*did you mean \"json", misspelled)


def test_built_in_name_is_not_looked_for(python: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names that are built in, and objects, never pay for the scan of what is installed; a name from elsewhere does."""
    program = (
        "import sys, json, pickle, atomic_store\n"
        "for n, format in enumerate([None, 'json', 'pickle', json, pickle, (json.dumps, json.loads)]):\n"
        "    atomic_store.open(f'{n}.json', [], format).commit()\n"
        "atomic_store.open('0.json', None, 'auto')\n"
        "print('importlib.metadata' in sys.modules)\n"
        "atomic_store.open('a', [], 'jsonl')\n"
        "print('importlib.metadata' in sys.modules)\n"
    )
    assert run(python, program, tmp_path).split() == ["False", "True"]

    def scan(**_: str) -> None:
        raise AssertionError("the environment was scanned")

    monkeypatch.setattr(importlib.metadata, "entry_points", scan)
    for name in formats.NAMES:
        atomic_store.open(Memory(), {}, name).commit()
    with pytest.raises(AssertionError, match="was scanned"):
        atomic_store.open(Memory(), {}, "jsonl")


def test_uninstalled_format_is_unknown_again(tmp_path: Path) -> None:
    """Without the package its name is a FormatError, and the file of before is left alone."""
    (tmp_path / "value").write_text("{}\n")
    python = environment(tmp_path, None)
    program = (
        "import atomic_store\n"
        "try: atomic_store.open('value', [], 'jsonl')\n"
        "except atomic_store.FormatError as error: print(error)\n"
    )
    assert "format should be one of json, " in run(python, program, tmp_path)
    assert (tmp_path / "value").read_text() == "{}\n"
