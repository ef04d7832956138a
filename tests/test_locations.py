"""The contract that every location keeps, run for each of them; and a store on a place in memory."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from crowd import Dull

from atomic_store import LocalFile
from atomic_store.locations import _local, _writer
from atomic_store.locations.base import Location
from atomic_store.testing import LocationContract, Memory


class FileContract(LocationContract):
    """The contract on files of one directory, which holds nothing else in the end."""

    directory: Path

    @pytest.fixture(autouse=True)
    def places(self, tmp_path: Path) -> Any:
        self.directory = tmp_path
        self.made = 0
        yield
        left = [path.name for path in tmp_path.iterdir() if path.name.endswith(".tmp")]
        assert left == []

    def peek(self, location: LocalFile) -> bytes | None:
        try:
            return Path(os.fsdecode(location.path)).read_bytes()
        except FileNotFoundError:
            return None

    def poke(self, location: LocalFile, content: bytes | None) -> None:
        path = Path(os.fsdecode(location.path))
        if content is None:
            path.unlink(missing_ok=True)
        else:
            path.write_bytes(content)

    def next_path(self) -> Path:
        self.made += 1
        return self.directory / f"{self.made}.data"


class TestLocalFile(FileContract):
    """A file."""

    def make(self) -> Location:
        return LocalFile(self.next_path())

    def again(self, location: LocalFile) -> Location:
        return LocalFile(os.fsencode(location.path))


class TestLinkedFile(FileContract):
    """A file that is known to one program by its name and to the other by a symbolic link."""

    def make(self) -> Location:
        path = self.next_path()
        path.symlink_to(f"{path.name}.real")
        return LocalFile(path)

    def again(self, location: LocalFile) -> Location:
        return LocalFile(f"{os.fsdecode(location.path)}.real")

    def poke(self, location: LocalFile, content: bytes | None) -> None:
        super().poke(LocalFile(f"{os.fsdecode(location.path)}.real"), content)


class TestLongName(TestLocalFile):
    """A file whose name leaves no room for what the names of its lock and its temp have more."""

    def next_path(self) -> Path:
        self.made += 1
        return self.directory / f"{self.made}{'n' * 254}"[:255]


class TestMemory(LocationContract):
    """A place in memory."""

    def make(self) -> Location:
        return Memory()

    def again(self, location: Memory) -> Location:
        return location

    def peek(self, location: Memory) -> bytes | None:
        return location.content

    def poke(self, location: Memory, content: bytes | None) -> None:
        location.content = content


class TestCoarseClock(TestLocalFile):
    """A file on a file system where all that happens within two seconds has one time, and all files one inode."""

    @pytest.fixture(autouse=True)
    def clock(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for module in (_local, _writer):
            monkeypatch.setattr(module, "os", Dull(2 * 10**9))
