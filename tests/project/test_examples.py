"""Every example runs as it is, three times in a row, and leaves exactly the file it promises."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from support import ROOT

EXAMPLES = ROOT / "examples"


def run(example: str, directory: Path) -> str:
    """Run the example in `directory` and return what it printed; an error or a warning fails the test."""
    command = [sys.executable, "-W", "error", str(EXAMPLES / example)]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def names(directory: Path) -> list[str]:
    """All names in `directory`, hidden ones too."""
    return sorted(path.name for path in directory.iterdir())


def test_no_example_is_left_untested() -> None:
    """Each file of examples/ is run by a test of this file."""
    source = Path(__file__).read_text(encoding="utf-8")
    untested = [path.name for path in EXAMPLES.glob("*.py") if f'run("{path.name}"' not in source]
    assert untested == []


def test_cron_script_loses_no_start_time(tmp_path: Path) -> None:
    """After three runs the file holds three start times, and each run saw those before it."""
    outputs = [run("runs.py", tmp_path) for _ in range(3)]
    content = (tmp_path / "runs.json").read_bytes()
    runs = json.loads(content)
    assert outputs == [f"Previous runs: {runs[:n]}\n" for n in range(3)]
    assert len(runs) == 3
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[+-]\d{4}", entry) for entry in runs)
    assert content == json.dumps(runs).encode()
    assert names(tmp_path) == [".runs.json.lock", "runs.json"]


def test_long_job_keeps_every_result(tmp_path: Path) -> None:
    """One run does all steps; the next two find them done and change nothing."""
    results = {"count": 8, "total": 31, "largest": 9}
    expected = json.dumps({"state": "done", "results": results}).encode()
    steps = "".join(f"Working on: {step}\n" for step in results)
    outputs = ["".join([steps, f"Done: {results}\n"])] + [f"Nothing left to do: {results}\n"] * 2
    for output in outputs:
        assert run("gathered.py", tmp_path) == output
        assert (tmp_path / "gathered.json").read_bytes() == expected
    assert names(tmp_path) == ["gathered.json"]


def test_interrupted_long_job_goes_on_where_it_stopped(tmp_path: Path) -> None:
    """A result that was committed before an interruption is kept as it is, and is not worked out again."""
    path = tmp_path / "gathered.json"
    path.write_text('{"state": "running", "results": {"count": 8, "total": -1}}', encoding="utf-8")
    assert run("gathered.py", tmp_path).startswith("Working on: largest\nDone: ")
    assert path.read_bytes() == b'{"state": "done", "results": {"count": 8, "total": -1, "largest": 9}}'


def test_nested_blocks_show_no_half_done_state(tmp_path: Path) -> None:
    """While the outermost block is open, the file holds what the run before left; then everything at once."""
    for number in (1, 2, 3):
        before, after = 15 * (number - 1), 15 * number
        assert run("mystate.py", tmp_path) == (
            f"Inside the block: {after} in memory, {before} in the file\n"
            f"After the block:  {after} in memory, {after} in the file\n"
        )
        expected = {"balance": after, "history": ["deposit 10", "deposit 5"] * number}
        assert (tmp_path / "mystate.json").read_bytes() == json.dumps(expected).encode()
    assert names(tmp_path) == ["mystate.json"]


def test_own_format_reads_back_what_it_wrote(tmp_path: Path) -> None:
    """A text format written by a user counts to three in an INI file, in UTF-8."""
    for number in (1, 2, 3):
        assert run("custom_format.py", tmp_path) == f"Visits: {number}\n"
        assert (tmp_path / "station.ini").read_bytes() == f"[station]\nname=Zürich\nvisits={number}\n\n".encode()
    assert names(tmp_path) == ["station.ini"]
