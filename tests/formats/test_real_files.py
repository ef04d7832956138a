"""Packages that write to a file of their own accord: what dump gets serves them as what open() returns does."""

from __future__ import annotations

import gzip
import io
import tarfile
import wave
import zipfile
from pathlib import Path
from typing import Any

import pytest
from support import require_ecosystem

import atomic_store
from atomic_store import Compressed
from atomic_store.testing import Memory


class Zip:
    """A mapping of names to bytes as a zip archive, whose writer goes back to patch the head of each entry."""

    is_binary = True

    def dump(self, value: Any, file: Any) -> None:
        with zipfile.ZipFile(file, "w") as archive:
            for name, content in value.items():
                with archive.open(name, "w") as entry:
                    entry.write(content)

    def load(self, file: Any) -> Any:
        with zipfile.ZipFile(file) as archive:
            return {name: archive.read(name) for name in archive.namelist()}


class Wave:
    """Sound, whose writer patches the length in its head when it is closed."""

    is_binary = True
    seeks = True

    def dump(self, value: bytes, file: Any) -> None:
        writer: Any = wave.open(file, "wb")  # noqa: SIM115 - closed below
        writer.setparams((1, 2, 8000, 0, "NONE", "not compressed"))
        for begin in range(0, len(value), 50_000):
            writer.writeframes(value[begin : begin + 50_000])
        writer.close()

    def load(self, file: Any) -> Any:
        with wave.open(file, "rb") as reader:
            return reader.readframes(reader.getnframes())


class Array:
    """A list of integers as an array."""

    is_binary = True

    def dump(self, value: list[int], file: Any) -> None:
        import numpy as np

        np.save(file, np.array(value))

    def load(self, file: Any) -> Any:
        import numpy as np

        return np.load(file).tolist()


class Tar:
    is_binary = True

    def dump(self, value: bytes, file: Any) -> None:
        with tarfile.open(fileobj=file, mode="w") as archive:
            info = tarfile.TarInfo("value")
            info.size = len(value)
            archive.addfile(info, io.BytesIO(value))

    def load(self, file: Any) -> Any:
        with tarfile.open(fileobj=file) as archive:
            member: Any = archive.extractfile("value")
            return member.read()


class Gzip:
    """A writer that asks its file for its name."""

    is_binary = True

    def dump(self, value: bytes, file: Any) -> None:
        with gzip.GzipFile(fileobj=file, mode="wb") as packed:
            packed.write(value)

    def load(self, file: Any) -> Any:
        with gzip.GzipFile(fileobj=file) as packed:
            return packed.read()


VALUES: list[tuple[Any, Any]] = [
    (Zip(), {"a": bytes(200_000), "b": b"x"}),
    (Wave(), bytes(range(256)) * 1000),
    (Array(), list(range(100_000))),
    (Tar(), bytes(300_000)),
    (Gzip(), bytes(range(256)) * 1000),
]


@pytest.mark.parametrize("place", ["local", "memory"])
@pytest.mark.parametrize("wrap", [lambda inner: inner, Compressed], ids=["alone", "compressed"])
@pytest.mark.parametrize(("format", "value"), VALUES, ids=[type(format).__name__ for format, _ in VALUES])
def test_package_that_goes_back_in_its_file_is_served(
    format: Any, value: Any, wrap: Any, place: str, tmp_path: Path
) -> None:
    """Archives, sound and arrays are committed twice and loaded, on a disk, elsewhere, and inside a wrapper."""
    if isinstance(format, Array):
        require_ecosystem("numpy")
    location: Any = tmp_path / "value" if place == "local" else Memory()
    store = atomic_store.open(location, None, wrap(format), on_conflict="raise")
    store.value = value
    store.commit()
    store.commit()
    again = atomic_store.open(location, None, wrap(format)).value
    assert again == value
    assert not store.changed()


def test_what_is_written_through_the_descriptor_and_after_it_keeps_its_order(tmp_path: Path) -> None:
    """A second handle on the descriptor sees what was written before, and what is written later comes behind."""
    import os

    class Mixed:
        is_binary = True

        def dump(self, value: Any, file: Any) -> None:
            file.write(b"one ")
            with os.fdopen(os.dup(file.fileno()), "wb") as other:
                other.write(b"two ")
            file.write(b"three")
            file.flush()
            assert os.fstat(file.fileno()).st_size == 13

        def load(self, file: Any) -> Any:
            return file.read()

    atomic_store.open(tmp_path / "value", None, Mixed()).commit()
    assert (tmp_path / "value").read_bytes() == b"one two three"
