"""What other systems, file systems and services lack or answer, simulated: the promises hold without it."""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import seams
from machine import in_child

import atomic_store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "value.json"


def failing(number: int) -> Callable[..., Any]:
    """Give a function that fails with this errno, whatever it is called with."""

    def fail(*_: object, **__: object) -> Any:
        raise OSError(number, os.strerror(number))

    return fail


def test_names_loaded_on_first_use_are_listed_all_the_same() -> None:
    """dir() shows every public name, also those whose module nobody has needed yet."""
    assert set(atomic_store.__all__) <= set(dir(atomic_store))


def test_file_system_without_hard_links_creates_too(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where link(2) is not permitted, a store that compares still makes its file, and leaves no temp."""
    monkeypatch.setattr(os, "link", failing(errno.EPERM))
    store = atomic_store.open(path, default=1, on_conflict="raise")
    store.commit()
    monkeypatch.undo()
    assert path.read_text() == "1"
    assert sorted(os.listdir(path.parent)) == [f".{path.name}.lock", path.name]


def test_file_system_without_locks_stores_without_marking_its_temp(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plain commit needs no lock: a temp that cannot be locked is as good."""
    monkeypatch.setattr(seams.tempfile, "flock", failing(errno.ENOLCK))
    atomic_store.open(path, default=1).commit()
    assert path.read_text() == "1"


def test_temp_that_cannot_be_marked_is_stored_all_the_same(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever flock of the temp answers: the original did without it, and so does the commit."""
    monkeypatch.setattr(seams.tempfile, "flock", failing(errno.EIO))
    atomic_store.open(path, default=1).commit()
    assert os.listdir(path.parent) == [path.name]


def test_system_without_extended_attributes_keeps_the_mode(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Python has no listxattr, a replacement still has the old file's mode."""
    path.write_text("1")
    path.chmod(0o640)
    monkeypatch.delattr(os, "listxattr")
    atomic_store.open(path, default=1).commit()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_system_that_cannot_sync_directories_deletes_too(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a directory cannot be opened, as on Windows, delete() is the unlink alone."""
    path.write_text("1")
    store = atomic_store.open(path, default=0)
    monkeypatch.delattr(os, "O_DIRECTORY")
    store.delete()
    monkeypatch.undo()
    assert not path.exists()
    assert store.value == 0


def test_close_that_fails_after_an_error_is_told_beside_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A temp whose close fails as well is removed, and the error says both."""
    close, fails = os.close, [True]

    def closing(number: int) -> None:
        close(number)
        if fails:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "close", closing)
    store = atomic_store.open(path)
    store.value = object()
    try:
        with pytest.raises(TypeError) as caught:
            store.commit()
        assert any("closing the temp file failed too" in note for note in caught.value.__notes__)
    finally:
        fails.clear()
    assert os.listdir(path.parent) == []


def test_mode_that_cannot_be_narrowed_is_an_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system has no fchmod(), or it refuses: more rights than the file is to have are an error, fewer are not."""
    path.touch(0o644)
    path.chmod(0o644)
    with path.open("rb") as file:
        monkeypatch.setattr(os, "fchmod", failing(errno.EPERM))
        with pytest.raises(PermissionError, match="must narrow the mode 0o644 to 0o600"):
            seams.tempfile.set_mode(file.fileno(), 0o600, 0o644)
        monkeypatch.delattr(os, "fchmod")
        with pytest.raises(OSError, match="must narrow") as caught:
            seams.tempfile.set_mode(file.fileno(), 0o600, 0o644)
        assert caught.value.errno == errno.ENOSYS
        seams.tempfile.set_mode(file.fileno(), 0o644, 0o600)


def test_macos_goes_by_atomicwrites_and_by_descriptors(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On macOS the functions of _platform.py stand in, which rename and link beside an open directory, as on Linux."""
    with monkeypatch.context() as patch:
        patch.setattr(sys, "platform", "darwin")
        again: Any = seams.loaded_again(seams.tempfile)
    assert again.replace is seams.platform.replace
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        path.write_text("1")
        again.replace(path.name, "b", directory)
        again.link("b", "c", directory)
        again.unlink("b", directory)
    finally:
        os.close(directory)
    assert os.listdir(path.parent) == ["c"]


def test_python_without_its_blake2_module_uses_hashlib(monkeypatch: pytest.MonkeyPatch) -> None:
    """_blake2 is private to CPython: where it is missing, hashlib's gives the same digests."""
    monkeypatch.setitem(sys.modules, "_blake2", None)
    again: Any = seams.loaded_again(seams.tempfile)
    ours, theirs = again.new_digest(), seams.tempfile.new_digest()
    for each in (ours, theirs):
        each.update(b"x")
    assert ours.digest() == theirs.digest()


def test_low_descriptor_is_not_used(path: Path) -> None:
    """A program that has closed its standard input: no file of a commit gets the number 0."""

    def act() -> list[int]:
        os.close(0)
        used: list[int] = []
        real = os.fsync

        def sync(descriptor: Any) -> None:
            used.append(descriptor)
            real(descriptor)

        os.fsync = sync  # type: ignore[assignment]  # its parameter has another name
        atomic_store.open(path, default=1).commit()
        return used

    used = in_child(act)
    assert used
    assert 0 not in used
