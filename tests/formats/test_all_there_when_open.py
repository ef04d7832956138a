"""After open() a format imports nothing: the environment may have been upgraded, removed or hidden since."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CASES = {
    "json": "'json'",
    "pickle": "'pickle'",
    "bson": "'bson'",
    "yaml": "'yaml'",
    "toml": "'toml'",
    "msgpack": "'msgpack'",
    "cbor": "'cbor'",
    "auto": "'auto'",
    "pair": "(lambda value: json.dumps(value).encode(), lambda content: json.loads(content))",
    "PyYAML": "yaml",
    "verified": "atomic_store.Verified('json')",
    "versioned": "atomic_store.Versioned('yaml', 1, {0: lambda value: value})",
    "signed": "atomic_store.Signed('json', bytes(32), 'here')",
    "gzip": "atomic_store.Compressed('json')",
    "bz2": "atomic_store.Compressed('cbor', 'bz2')",
    "xz": "atomic_store.Compressed('toml', 'xz')",
    "zstd": "atomic_store.Compressed('pickle', 'zstd')",
    "wrapped auto": "atomic_store.Signed(atomic_store.Compressed('auto'), bytes(32))",
}

TEMPLATE = """
import datetime, decimal, json, sys, uuid, warnings
import yaml
import atomic_store

class Refusing:
    def find_spec(self, name, path=None, target=None):
        raise AssertionError(f"imported after open(): {{name}}")

warnings.simplefilter("ignore")
format = {format}
store = atomic_store.open("value.json", {{"a": [1]}}, format, on_corrupt="quarantine")
other = atomic_store.open("value.json", {{"a": [1]}}, format, lock=1)
sys.meta_path.insert(0, Refusing())
store.commit()
store.value["b"] = "text"
with other:
    other.value["c"] = 1.5
assert store.reload()["c"] == 1.5
store.update(lambda value: value)
rich = {{"x": [decimal.Decimal(1), uuid.UUID(int=1), datetime.datetime.now(datetime.UTC), b"x", {{1, 2}}]}}
for wrong in ({{"x": object()}}, {{"x": lambda: 0}}, *({{"x": part}} for part in rich["x"])):  # what only some formats hold
    store.value = wrong
    try:
        store.commit()
    except AssertionError:
        raise
    except Exception:
        pass
try:
    store.load_kwargs["no_such_keyword"] = 1
    store.reload()
except AssertionError:
    raise
except Exception:
    store.load_kwargs.clear()
for content in (b"\\xff\\xfe{{", b"", b"{{"):
    open("value.json", "wb").write(content)
    try:
        store.reload()
    except atomic_store.LoadError:
        pass
print("nothing was imported")
"""


def run(program: str, directory: Path) -> str:
    done = subprocess.run([sys.executable, "-c", program], cwd=directory, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", CASES)
def test_format_imports_nothing_after_open(name: str, tmp_path: Path) -> None:
    """Commits, blocks, updates, refused values, refused bytes and quarantine load no module, whatever the format."""
    assert run(TEMPLATE.format(format=CASES[name]), tmp_path) == "nothing was imported\n"


TYPED = """
import sys, warnings
import dataclasses, datetime, pathlib, typing
{imports}
import atomic_store

class Refusing:
    def find_spec(self, name, path=None, target=None):
        raise AssertionError(f"imported after open(): {{name}}")

{classes}
store = atomic_store.open("value.json", {default}, type={type})
sys.meta_path.insert(0, Refusing())
store.commit()
store.reload()
for wrong in (object(), None, {{"a": object()}}):
    store.value = wrong
    try:
        store.commit()
    except AssertionError:
        raise
    except Exception:
        pass
open("value.json", "wb").write(b'{{"moment": 1}}')
try:
    store.reload()
except atomic_store.LoadError:
    pass
print("nothing was imported")
"""

DATACLASS = """
@dataclasses.dataclass
class State:
    moment: datetime.datetime = datetime.datetime(2026, 1, 2)
    place: pathlib.Path = pathlib.Path("a")
"""
MODEL = """
class State(pydantic.BaseModel):
    moment: datetime.datetime = datetime.datetime(2026, 1, 2)
"""
HOLDER = MODEL + "\n@dataclasses.dataclass\nclass Holder:\n    state: State = dataclasses.field(default_factory=State)\n"


@pytest.mark.parametrize(
    ("imports", "classes", "default", "type"),
    [
        ("", DATACLASS, "State()", "State"),
        ("import pydantic", MODEL, "State()", "State"),
        ("import pydantic", HOLDER, "Holder()", "Holder"),
    ],
    ids=["msgspec", "pydantic", "both"],
)
def test_type_imports_nothing_after_open(imports: str, classes: str, default: str, type: str, tmp_path: Path) -> None:
    """Neither do values of a type, that fit or do not."""
    program = TYPED.format(imports=imports, classes=classes, default=default, type=type)
    assert run(program, tmp_path) == "nothing was imported\n"
