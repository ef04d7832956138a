"""Formats that the tests lend to a store, and a few words to look at its file and to change it."""

from __future__ import annotations

import errno
import json
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import seams

Dump = Callable[..., Any]
Load = Callable[..., Any]


class Files:
    """A format with dump and load, made of two functions; it remembers what each was given."""

    def __init__(self, dump: Dump, load: Load) -> None:
        self.dumped: list[Any] = []
        self.loaded: list[Any] = []
        self._dump = dump
        self._load = load

    def dump(self, value: Any, file: Any, **kwargs: Any) -> None:
        self.dumped.append(value)
        self._dump(value, file, **kwargs)

    def load(self, file: Any, **kwargs: Any) -> Any:
        content = file.read()
        self.loaded.append(content)
        return self._load(content, **kwargs)


class Strings:
    """A format with dumps and loads, made of two functions; it remembers what loads was given."""

    def __init__(self, dumps: Dump, loads: Load) -> None:
        self.loaded: list[Any] = []
        self.dumps = dumps
        self._loads = loads

    def loads(self, content: Any, **kwargs: Any) -> Any:
        self.loaded.append(content)
        return self._loads(content, **kwargs)


def only_text(content: Any) -> list[str]:
    """Split lines, as a parser does that takes str and nothing else."""
    if not isinstance(content, str):
        raise TypeError("the parser wants str")
    return content.splitlines()


def only_bytes(content: Any) -> list[bytes]:
    """Split lines, as a parser does that takes bytes and nothing else."""
    if not isinstance(content, bytes):
        raise TypeError("the parser wants bytes")
    return content.splitlines()


def join_text(lines: list[str]) -> str:
    """Write one str a line."""
    return "".join(f"{line}\n" for line in lines)


def join_bytes(lines: list[bytes]) -> bytes:
    """Write one bytes a line."""
    return b"".join(line + b"\n" for line in lines)


def pretend_module(monkeypatch: pytest.MonkeyPatch, module_name: str, **attributes: Any) -> ModuleType:
    """Let `import module_name` give a module with these attributes and no others."""
    module = ModuleType(module_name)
    for name, value in attributes.items():
        setattr(module, name, value)
    monkeypatch.setitem(sys.modules, module_name, module)
    return module


def install_formats(monkeypatch: pytest.MonkeyPatch, site: Path, package: str, **points: str) -> None:
    """Install a package that adds formats under the names given, as `name="module:object"`."""
    info = site / f"{package}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    lines = "".join(f"{name} = {value}\n" for name, value in points.items())
    (info / "entry_points.txt").write_text(f"[atomic_store.formats]\n{lines}")
    monkeypatch.syspath_prepend(site)


def pretend_missing(monkeypatch: pytest.MonkeyPatch, package: str, format: str) -> None:
    """Let the package of a named format not be installed, even if another test has already used the format."""
    monkeypatch.setitem(sys.modules, package, None)
    seams.forget_format(monkeypatch, format)


def directories_cannot_be_synced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each fsync of a directory fail with EIO, after all the rest of a commit has worked."""
    fsync = os.fsync

    def failing(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        fsync(descriptor)

    monkeypatch.setattr("os.fsync", failing)


def directories_synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Give the list to which every directory that is synced from now on is added."""
    fsync, synced = os.fsync, list[str]()

    def listing(descriptor: int) -> None:
        fsync(descriptor)
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            synced.append(os.readlink(f"/proc/self/fd/{descriptor}"))

    monkeypatch.setattr("os.fsync", listing)
    return synced


def stored(path: Path) -> Any:
    """What another program reads in a JSON store's file."""
    return json.loads(path.read_bytes())


def by_hand(path: Path, value: Any) -> None:
    """Write a JSON store's file as an editor does, without a word to any store."""
    path.write_text(json.dumps(value), encoding="utf-8")


def inside(directory: Path) -> list[str]:
    """The names in a directory: what else a commit has left there shows up."""
    return sorted(entry.name for entry in directory.iterdir())
