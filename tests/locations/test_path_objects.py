"""Path objects that mean another place than a local file: each is refused before a file is looked for."""

from __future__ import annotations

import pathlib
from typing import Any

import pytest

import atomic_store
from atomic_store import LocationError


class CloudPath:
    """As cloudpathlib's: os.fspath() downloads the object into a cache."""

    def __init__(self, url: str) -> None:
        self._url = url

    def __str__(self) -> str:
        return self._url

    def __fspath__(self) -> str:
        raise AssertionError("this downloads")


class S3Path(pathlib.PurePosixPath):
    """As s3path's: str() is a local path."""

    def as_uri(self) -> str:
        return f"s3:/{self}" if self.is_absolute() else super().as_uri()


@pytest.mark.parametrize(
    ("path", "way_out"),
    [
        (CloudPath("s3://bucket/state.json"), r"give str\(path\)"),
        (CloudPath("gs://bucket/state.json"), r"give str\(path\)"),
        (S3Path("/bucket/state.json"), r"give path.as_uri\(\)"),
        (pathlib.PurePath("s3://bucket/state.json"), "the str 's3://bucket/state.json'"),
        (pathlib.Path("s3://bucket/state.json"), "the str 's3://bucket/state.json'"),
    ],
)
def test_path_object_that_means_s3_is_not_taken_for_a_local_file(path: Any, way_out: str) -> None:
    """A commit would never reach the bucket: open(), atomic_write() and check() raise LocationError with the way out."""
    for attempt in (atomic_store.open, atomic_store.atomic_write, atomic_store.check):
        with pytest.raises(LocationError, match=way_out):
            attempt(path)


@pytest.mark.parametrize("name", ["s3", "a:", "c:/x.json", "file.json"])
def test_path_object_of_a_local_file_is_one(name: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names that only look a little like a URL are files; so are paths of a program's own class."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c:").mkdir()
    for path in (pathlib.Path(name), S3Path(name), CloudPath(f"file://{tmp_path / name}")):
        if isinstance(path, CloudPath):
            monkeypatch.setattr(CloudPath, "__fspath__", lambda self: str(tmp_path / name))
        atomic_store.open(path, default=1).commit()
    assert (tmp_path / name).read_text() == "1"
