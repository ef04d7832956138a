"""A table of 100,000 rows, streamed by Django's own serializers through atomic_write(), and stopped half way.

The program is django_job.py. `pytest -rP tests/store/test_django.py` prints how much memory it took.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest
from faults import is_one_temp
from stand_ins import inside
from support import ROOT, require_ecosystem

JOB = ROOT / "tests" / "support" / "django_job.py"
ROWS = 100_000
OLD = b"<the file of yesterday/>"


@pytest.fixture(autouse=True, scope="module")
def ecosystem() -> None:
    """Skip these tests without Django, and lxml, which reads what it has written."""
    require_ecosystem("django", "lxml")


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of 100,000 rows of 400 bytes."""
    path = tmp_path_factory.mktemp("django") / "news.sqlite"
    subprocess.run([sys.executable, JOB, "make", path, str(ROWS), "400"], check=True)
    return path


@contextmanager
def job(database: Path, place: Path, format: str, stop: str) -> Iterator[subprocess.Popen[bytes]]:
    """The dump, running; killed if it still does at the end."""
    command = [sys.executable, "-W", "error", str(JOB), "dump", str(database), str(place), format, stop]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


def told(pipe: IO[bytes] | None) -> dict[str, Any]:
    """The next line that the program says."""
    assert pipe is not None
    heard: dict[str, Any] = json.loads(pipe.readline())
    return heard


def report(what: str, said: dict[str, Any], size: int) -> None:
    base, grown = said["base"] / 1e6, said["grown"] / 1e6
    print(f"{what}: {size / 1e6:.1f} MB written; memory {base:.1f} MB, {grown:.1f} MB more at its peak")


@pytest.mark.parametrize("format", ["xml", "json"])
def test_large_table_is_streamed_with_bounded_memory(format: str, database: Path, tmp_path: Path) -> None:
    """All rows arrive, in a file more than twice as large as what the memory grew by, Django's own needs included."""
    path = tmp_path / f"news.{format}"
    path.write_bytes(OLD)
    with job(database, path, format, "never") as process:
        said = told(process.stdout)
    size = path.stat().st_size
    report(format, said, size)
    assert said["ended"] == "success"
    assert inside(tmp_path) == [path.name]
    assert said["grown"] < 20e6 < 40e6 < size
    if format == "json":
        rows = json.loads(path.read_bytes())
        assert [row["pk"] for row in rows] == list(range(1, ROWS + 1))
        assert rows[-1]["fields"]["body"] == f"№ {ROWS} <&> ".ljust(400, "x")
    else:
        count = 0
        from lxml import etree  # type: ignore[import-untyped]

        for _, element in etree.iterparse(path, tag="object"):
            count += 1
            assert element.get("pk") == str(count)
            element.clear()
        assert count == ROWS


def test_exception_half_way_leaves_the_old_file(database: Path, tmp_path: Path) -> None:
    """A job that fails when half of the rows are written leaves the old file as it was, and nothing beside it."""
    path = tmp_path / "news.xml"
    path.write_bytes(OLD)
    with job(database, path, "xml", "raise") as process:
        said = told(process.stdout)
    assert said["ended"] == "HalfWay"
    assert path.read_bytes() == OLD
    assert inside(tmp_path) == ["news.xml"]


def test_kill_half_way_leaves_the_old_file(database: Path, tmp_path: Path) -> None:
    """A job that is killed by SIGKILL at that point leaves the old file as it was, and one temp that is named after it."""
    path = tmp_path / "news.xml"
    path.write_bytes(OLD)
    with job(database, path, "xml", "wait") as process:
        written = told(process.stdout)["written"]
        process.kill()
        assert process.wait() == -signal.SIGKILL
    left = [name for name in inside(tmp_path) if name != "news.xml"]
    assert is_one_temp(left)
    assert (tmp_path / left[0]).stat().st_size > 10_000_000
    assert written > 20_000_000
    assert path.read_bytes() == OLD
