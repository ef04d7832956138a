"""Frozen and zipped programs: whatever finds imports by reading the source finds all of the library's.

README's first program, every named format, every wrapper and open_dict, as PyInstaller, cx_Freeze and zipapp bundle them.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
import zipapp
from pathlib import Path

import pytest
from support import require_ecosystem

import atomic_store

ROOT = Path(str(atomic_store.__file__)).parent.parent

README = """
import time
import atomic_store
with atomic_store.open("runs.json", default=[]) as store:
    print("Previous runs:", store.value)
    store.value.append(time.strftime("%Y-%m-%d %H:%M:%S%z"))
"""

# Every lock, every quarantine, every wrapper: what only some stores need is where an import is missed.
ALL = """
import os, sys, warnings
warnings.simplefilter("ignore")
import atomic_store
told = {}
def attempt(name, act):
    try:
        act()
    except BaseException as error:
        told[name] = repr(error)
    else:
        told[name] = "ok"

def stored(name, value, **options):
    def act():
        store = atomic_store.open(name, default=value, **options)
        with store:
            store.value = value
        store.update(lambda value: value)
        assert store.reload() == value, store.value
        assert not store.changed()
    return act

VALUE = {"a": [1, 2.5, None, True, "text"]}
NO_NULL = {"a": [1, 2.5, True, "text"]}
FORMATS = ("json", "pickle", "bson", "yaml", "toml", "msgpack", "cbor") if "formats" in sys.argv else ("json", "pickle")
for format in FORMATS:
    value = NO_NULL if format == "toml" else VALUE
    attempt(format, stored("state." + format, value, format=format))
    if "typed" in sys.argv:
        attempt(format + " of a type", stored("typed." + format, value, format=format, type=dict))
KEY = b"a key of many bytes"
attempt("verified", stored("verified", VALUE, format=atomic_store.Verified("json")))
attempt("versioned", stored("versioned", VALUE, format=atomic_store.Versioned("json", 1)))
attempt("signed", stored("signed", VALUE, format=atomic_store.Signed("pickle", KEY)))
for method in ("gzip", "bz2", "xz") + (("zstd",) if "formats" in sys.argv else ()):
    attempt(method, stored(method, VALUE, format=atomic_store.Compressed("json", method)))
attempt("auto", stored("auto.json.gz", VALUE, format="auto"))
attempt("lock", stored("locked", VALUE, lock=True))
attempt("raise", stored("raising", VALUE, on_conflict="raise"))
def quarantined():
    with open("damaged", "wb") as file:
        file.write(b"{")
    assert atomic_store.open("damaged", default={}, on_corrupt="quarantine", lock=True).value == {}
attempt("quarantine", quarantined)
def dictionary():
    with atomic_store.open_dict("dict.json", default={"runs": 0}) as settings:
        settings["runs"] += 1
attempt("open_dict", dictionary)
def written():
    with atomic_store.atomic_write("report.csv", "w") as file:
        file.write("text")
attempt("atomic_write", written)
attempt("check", lambda: str(atomic_store.check("dict.json")))
def deleted():
    atomic_store.open("locked", lock=True).delete()
attempt("delete", deleted)
import json
print(json.dumps(told))
"""

# No names, as the documentation of a program that uses all of it would list them: the tools must find them by themselves.
OPTIONAL = ("bson", "ruamel.yaml", "tomlkit", "msgpack", "cbor2", "msgspec")


def run(command: list[str], directory: Path) -> str:
    """Run a program in a directory, without one variable that could lead it to a Python; return what it has printed."""
    done = subprocess.run(command, cwd=directory, env={}, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def build(command: list[str], directory: Path) -> None:
    """Run a tool, which may take its time."""
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def demand(program: list[str], directory: Path, *formats: str) -> None:
    """Demand that a bundled program does all that README and the other script do."""
    place = directory / "run"
    place.mkdir()
    assert run([*program, "readme"], place) == "Previous runs: []\n"
    assert len(json.loads((place / "runs.json").read_bytes())) == 1
    told = json.loads(run([*program, *formats], place))
    assert {name: end for name, end in told.items() if end != "ok"} == {}
    assert len(told) > 12


def source(directory: Path) -> Path:
    """Write the program that is bundled: README's by the word readme, else all."""
    script = directory / "program.py"
    indent = "\n    "
    script.write_text(
        f"import sys\nif 'readme' in sys.argv:{indent}{README.strip().replace(chr(10), indent)}\nelse:{indent}"
        f"{ALL.strip().replace(chr(10), indent)}\n",
        encoding="utf-8",
    )
    return script


def available() -> tuple[str, ...]:
    """Return the words for what is installed here: each format that can be bundled at all is demanded."""
    return ("formats", "typed") if all(importlib.util.find_spec(name) for name in OPTIONAL) else ()


@pytest.mark.parametrize("how", ["--onedir", "--onefile"])
def test_program_frozen_by_pyinstaller_works(how: str, tmp_path: Path) -> None:
    """PyInstaller, without a single hidden import named by hand."""
    require_ecosystem("PyInstaller")
    script = source(tmp_path)
    options = ["--noconfirm", "--log-level", "ERROR", "--paths", str(ROOT)]
    build([sys.executable, "-m", "PyInstaller", how, *options, str(script)], tmp_path)
    program = tmp_path / "dist" / "program"
    demand([str(program / "program" if how == "--onedir" else program)], tmp_path, *available())


def test_program_frozen_by_cx_freeze_works(tmp_path: Path) -> None:
    """cx_Freeze, without a single module named by hand."""
    require_ecosystem("cx_Freeze")
    script = source(tmp_path)
    command = [sys.executable, "-m", "cx_Freeze", "build_exe", f"--script={script}", "--build-exe=built", "--silent"]
    build(command, tmp_path)
    demand([str(tmp_path / "built" / "program")], tmp_path, *available())


def test_program_zipped_by_zipapp_works(tmp_path: Path) -> None:
    """zipapp: the library is imported from a zip file."""
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    source(bundle).rename(bundle / "__main__.py")
    for name in ("atomic_store", "atomicwrites"):
        shutil.copytree(Path(str(__import__(name).__file__)).parent, bundle / name)
    zipapp.create_archive(bundle, tmp_path / "program.pyz")
    demand([sys.executable, "-I", "-S", str(tmp_path / "program.pyz")], tmp_path)


def test_computed_import_is_not_found(tmp_path: Path) -> None:
    """Control: a module that is imported by a computed name is not in the bundle, and the program fails."""
    require_ecosystem("PyInstaller")
    script = tmp_path / "program.py"
    script.write_text("__import__('importlib').import_module('.'.join(('atomic_store', 'mapping')))\n", encoding="utf-8")
    options = ["--noconfirm", "--log-level", "ERROR", "--paths", str(ROOT)]
    build([sys.executable, "-m", "PyInstaller", "--onedir", *options, str(script)], tmp_path)
    command = [str(tmp_path / "dist" / "program" / "program")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert "No module named 'atomic_store'" in done.stderr
