"""The two packages that bring a module called bson; .ci/run has an environment for each, for they cannot share one.

With ATOMIC_STORE_BSON=PyPI these tests expect the package that is called bson, else pymongo.
"""

from __future__ import annotations

import datetime as dt
import importlib
import os
import uuid
from pathlib import Path
from typing import Any

import pytest

import atomic_store
from atomic_store.testing import FormatContract, Memory

EXPECTED = os.environ.get("ATOMIC_STORE_BSON", "pymongo")
MOMENT = dt.datetime(2026, 11, 20, 12, 30, 15, 250000, dt.UTC)
VALUE = {"a": b"x\0", "n": 1, "l": [1, 2.5, True, None], "s": "ü", "d": {"e": 2**40}}
DOCUMENT = (
    b"T\x00\x00\x00\x05a\x00\x02\x00\x00\x00\x00x\x00\x10n\x00\x01\x00\x00\x00\x04l\x00\x1e\x00\x00\x00\x100\x00\x01\x00"
    b"\x00\x00\x011\x00\x00\x00\x00\x00\x00\x00\x04@\x082\x00\x01\n3\x00\x00\x02s\x00\x03\x00\x00\x00\xc3\xbc\x00\x03d\x00"
    b"\x10\x00\x00\x00\x12e\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00"
)


def the_module() -> Any:
    return importlib.import_module("bson")


def test_environment_has_the_package_that_is_meant() -> None:
    """The tests below prove nothing about a package that is not there: PyPI's has dumps, pymongo's has not."""
    assert {"PyPI": True, "pymongo": False}[EXPECTED] == hasattr(the_module(), "dumps")


class TestContract(FormatContract):
    """What every format must do; the length in a document's head shows each cut and each tail."""

    def make(self) -> Any:
        return "bson"

    def values(self) -> list[Any]:
        return [VALUE, {}, {"when": MOMENT}]

    def refused(self) -> list[Any]:
        return [None, [], "text", {"a": object()}]

    def damaged(self) -> list[bytes]:
        return [b"\5\0\0\0", b"\6\0\0\0\0", b"{}", b"T" + b"\0" * 83]


class TestContractOfTheModule(TestContract):
    """The module as it is means the same as the name."""

    def make(self) -> Any:
        return the_module()


def test_file_of_one_package_is_read_by_the_other() -> None:
    """Either package writes these very bytes, and reads them: a file may go from one to the other."""
    place = Memory(DOCUMENT)
    store = atomic_store.open(place, None, "bson")
    assert store.value == VALUE
    store.commit()
    assert place.content == DOCUMENT


def test_format_shows_as_in_0_0_1() -> None:
    """For PyPI's bson store.format is a WrapBinaryFormat, as it was; pymongo's shows as the module."""
    shown = atomic_store.open(Memory(), {}, "bson").format
    assert isinstance(shown, atomic_store.WrapBinaryFormat) if EXPECTED == "PyPI" else shown is the_module()


def test_what_must_be_a_mapping_is_told(tmp_path: Path) -> None:
    """The default's default, None, can be opened and not be committed: TypeError says what BSON holds."""
    store = atomic_store.open(tmp_path / "value", None, "bson")
    with pytest.raises(TypeError, match="BSON should hold a mapping at its top, not NoneType"):
        store.commit()
    assert os.listdir(tmp_path) == []


def test_moment_and_id_keep_what_they_are() -> None:
    """A datetime comes back with a zone, a UUID as a UUID, whichever package reads."""
    for value in ({"when": MOMENT}, {"id": uuid.UUID(int=7)}):
        place = Memory()
        atomic_store.open(place, value, "bson").commit()
        assert atomic_store.open(place, None, "bson").value == value


def test_number_that_is_too_large_is_refused() -> None:
    """An int beyond 64 bits is an error of either package, and nothing is stored."""
    place = Memory()
    with pytest.raises(Exception, match=r"\S"):
        atomic_store.open(place, {"large": 2**64}, "bson").commit()
    assert place.content is None


def test_keys_that_are_no_text_are_refused_or_told() -> None:
    """Keys that are no str are refused by pymongo, and turned into str by PyPI's bson, which Verified finds."""
    place = Memory()
    with pytest.raises(Exception, match="key"):
        atomic_store.open(place, {1: "a"}, atomic_store.Verified("bson")).commit()
    assert place.content is None
