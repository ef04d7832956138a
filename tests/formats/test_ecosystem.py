"""The packages that people keep values with, each as it is: no adapter, no `is_binary`, and no damage that goes unnamed.

They are the dependency group `ecosystem` of pyproject.toml. Without it these tests are skipped, told in one line; in an
environment that has most of them, one that is missing is a failure.
"""

from __future__ import annotations

import copy
import importlib.metadata
import os
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from ecosystem import CASES, REFUSED, Case
from packaging.requirements import Requirement
from support import ECOSYSTEM, ROOT, require

import atomic_store

GROUPS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]
# lxml has no dump and load: atomic_write() is what it is tried with.
PACKAGES = {found.name: found for text in GROUPS["ecosystem"] if (found := Requirement(text)).name != "lxml"}


def installed(name: str) -> bool:
    """Return whether a package is installed, in whatever version."""
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


each_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())


@pytest.fixture(autouse=True, scope="module")
def ecosystem() -> None:
    """Skip these tests in an environment that was made without the group."""
    require(sum(map(installed, PACKAGES)) > len(PACKAGES) / 2, ECOSYSTEM)


def opened(path: Path, case: Case) -> atomic_store.AtomicStore[Any]:
    """Open the store of a case; a format is made anew, as it is by the next start of a program."""
    return atomic_store.open(path, None, case.format(), load_kwargs=case.load_kwargs(), dump_kwargs=case.dump_kwargs())


def stored(path: Path, case: Case) -> bytes:
    """Commit the value of a case to a new file; give the file's content."""
    store = opened(path, case)
    store.value = case.value()
    store.commit()
    return path.read_bytes()


def test_list_does_not_shrink() -> None:
    """The group has at least 40 packages, and each of them, and no other, has a case."""
    assert len(PACKAGES) >= 40
    assert set(PACKAGES) == {case.package for case in CASES.values()} - {""}


@pytest.mark.parametrize("package", PACKAGES)
def test_no_package_is_missing(package: str) -> None:
    """Each package is installed, in a version that the group allows: a test that cannot run is no test."""
    assert importlib.metadata.version(package) in PACKAGES[package].specifier


@each_case
def test_value_survives_two_program_runs(case: Case, tmp_path: Path) -> None:
    """What one program commits, the next one reads, commits again, and the one after reads the same."""
    path = tmp_path / "value"
    first = stored(path, case)
    store = opened(path, case)
    assert case.same(store.value, case.value())
    store.commit()
    again = opened(path, case)
    assert case.same(again.value, case.value())
    assert first
    assert os.listdir(tmp_path) == ["value"]


@each_case
def test_damaged_file_is_named(case: Case, tmp_path: Path) -> None:
    """What the loader refuses is a LoadError that names path and format, with the loader's own error as its cause."""
    path = tmp_path / "value"
    damaged = case.damage(stored(path, case))
    path.write_bytes(damaged)
    with pytest.raises(atomic_store.LoadError) as caught:
        opened(path, case)
    error = caught.value
    assert (error.path, error.size) == (path, len(damaged))
    assert repr(path) in str(error)
    assert f"format {error.format}" in str(error)
    assert error.__cause__ is not None
    assert type(error.__cause__).__name__ in str(error)
    assert path.read_bytes() == damaged


@each_case
def test_empty_file_is_no_value(case: Case, tmp_path: Path) -> None:
    """A file of no bytes, as a crash leaves it, is a LoadError, unless the format writes what it reads there as nothing."""
    path = tmp_path / "value"
    path.touch()
    if case.empty is REFUSED:
        with pytest.raises(atomic_store.LoadError) as caught:
            opened(path, case)
        assert repr(path) in str(caught.value)
        assert f"format {caught.value.format}" in str(caught.value)
        assert caught.value.size == 0
    else:
        store = opened(path, case)
        assert store.value == case.empty
        store.commit()
    assert path.read_bytes() == b""


@each_case
def test_refused_value_leaves_the_old_one(case: Case, tmp_path: Path) -> None:
    """A value that cannot be written raises the package's own error with a note, and the next good commit works."""
    path = tmp_path / "value"
    before = stored(path, case)
    store = opened(path, case)
    good = store.value
    store.value = case.refused
    with pytest.raises(Exception) as caught:  # each package has its own
        store.commit()
    assert not isinstance(caught.value, atomic_store.AtomicStoreError)
    assert any(repr(path) in note and re.search(r"format \S", note) for note in caught.value.__notes__)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["value"]
    store.value = copy.deepcopy(good)
    if not case.recovers:
        # It is still bound to the file of the dump that failed; there it meets an error, not the void.
        with pytest.raises(ValueError, match="this dump is over"):
            store.commit()
        assert path.read_bytes() == before
        store.format = case.format()
    store.commit()
    assert case.same(opened(path, case).value, case.value())


# Fernet's base64 passes over what is no base64, and finds its token whole.
BINARY = {
    *("pickle", "marshal", "dill", "cloudpickle", "joblib", "joblib, compressed", "cryptography"),
    *("msgpack", "msgspec.msgpack", "ormsgpack", "umsgpack", "cbor2", "cbor", "ubjson", "bson", "amazon.ion"),
    *("numpy", "pandas", "pyarrow", "fastavro", "avro"),
}
TEXT = sorted(CASES.keys() - BINARY)


@pytest.mark.parametrize("name", TEXT)
def test_byte_that_is_no_text_is_damage_of_the_file(name: str, tmp_path: Path) -> None:
    """A byte that is no UTF-8 in a text file is told as the file's damage, not as a program that passes the wrong type."""
    path = tmp_path / "value"
    content = stored(path, CASES[name])
    assert content.decode()
    middle = len(content) // 2
    path.write_bytes(content[:middle] + b"\xff" + content[middle:])
    with pytest.raises(atomic_store.LoadError) as caught:
        opened(path, CASES[name])
    assert caught.value.damaged or isinstance(caught.value.__cause__, Warning)  # jsonpickle warns, and that is an error here
