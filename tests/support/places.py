"""Places for the three contracts (LocationContract, MappingContract, WritingContract); one on S3 is in s3_support.

A test class combines a place with a contract: `class TestMemory(InMemory, MappingContract)`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from atomic_store import LocalFile
from atomic_store.locations.base import Location
from atomic_store.testing import Memory


class Place:
    """A kind of place. peek and poke reach the bytes without the location, as another program would."""

    def make(self) -> Location:
        """Return a location that holds nothing; each call returns another one."""
        raise NotImplementedError

    def again(self, location: Any) -> Location:
        """Return a second location of the same place, as another program would make it."""
        raise NotImplementedError

    def peek(self, location: Any) -> bytes | None:
        """Return the stored bytes, or None if nothing is stored."""
        raise NotImplementedError

    def poke(self, location: Any, content: bytes | None) -> None:
        """Store these bytes; None removes what is stored."""
        raise NotImplementedError


class InMemory(Place):
    """A place in memory."""

    def make(self) -> Location:
        return Memory()

    def again(self, location: Memory) -> Location:
        return location

    def peek(self, location: Memory) -> bytes | None:
        return location.content

    def poke(self, location: Memory, content: bytes | None) -> None:
        location.content = content


class OnDisk(Place):
    """A file of its own in the test's directory, in which no temporary file is left."""

    directory: Path

    @pytest.fixture(autouse=True)
    def no_temp_is_left(self, tmp_path: Path) -> Iterator[None]:
        self.directory = tmp_path
        self.made = 0
        yield
        assert [name for name in os.listdir(tmp_path) if name.endswith(".tmp")] == []

    def next_path(self) -> Path:
        self.made += 1
        return self.directory / f"{self.made}.data"

    def make(self) -> Location:
        return LocalFile(self.next_path())

    def again(self, location: LocalFile) -> Location:
        return LocalFile(os.fsencode(location.path))

    def peek(self, location: LocalFile) -> bytes | None:
        path = Path(os.fsdecode(location.path))
        return path.read_bytes() if path.exists() else None

    def poke(self, location: LocalFile, content: bytes | None) -> None:
        path = Path(os.fsdecode(location.path))
        if content is None:
            path.unlink(missing_ok=True)
        else:
            path.write_bytes(content)
