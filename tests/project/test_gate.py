"""The gate itself: what .ci/run says of stages that fail, cannot run, leave tests out or hang."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from crowd import HANGS_AFTER
from support import ROOT, require

GATE = ROOT / ".ci" / "run"

# The functions of stages that take the place of the real ones.
STAGES = """
good() { echo "good says $1"; because "$1"; }
bad() { echo "bad says no"; false; echo "and goes on"; }
missing() { cannot "there is no such thing"; }
pytest_() { echo "======= $1 in 1.25s ======="; }
slow() { sleep 60; }
one() { for n in 1 2 3; do echo "one $n" ; until [ -e "$work/two-$n" ]; do sleep 0.01; done; touch "$work/one-$n"; done; }
two() { for n in 1 2 3; do echo "two $n" ; touch "$work/two-$n"; until [ -e "$work/one-$n" ]; do sleep 0.01; done; done; }
"""


def gate(directory: Path, lines: str) -> Path:
    """Make a gate that has the lines given in place of its own stages."""
    require(shutil.which("bash"), "needs bash")
    before, real = GATE.read_text(encoding="utf-8").split("# --- the run ---", 1)
    runner, real = real.split("# --- all stages ---", 1)
    _, end = real.split("# --- the end ---", 1)
    (directory / ".ci").mkdir()
    path = directory / ".ci" / "run"
    path.write_text(f"{before}{STAGES}# --- the run ---{runner}\n{lines}\n# --- the end ---{end}", encoding="utf-8")
    return path


def run(directory: Path, lines: str, limit: int = HANGS_AFTER) -> tuple[int, str, list[list[str]]]:
    """Run such a gate; give its exit status, what it prints, and its table without the seconds."""
    done = subprocess.run(
        ["bash", str(gate(directory, lines))],
        env={**os.environ, "TMPDIR": str(directory), "LIMIT": str(limit)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=HANGS_AFTER * 3,
        check=False,
    )
    table = done.stdout[done.stdout.rindex("\nstage ") :].splitlines()[2:]
    rows = [re.split(r"  +", re.sub(r" +\d+  ", "  ", row, count=1)) for row in table[: table.index("")]]
    assert [entry.name for entry in directory.iterdir()] == [".ci"]
    return done.returncode, done.stdout, rows


def test_everything_that_holds_is_accepted(tmp_path: Path) -> None:
    """Stages that end well make a gate that ends well, with the sum of their tests."""
    lines = "stage a plain good fine\nstage b tests pytest_ '3 passed'\nstage c tests pytest_ '4 passed, 1 warning'"
    status, output, rows = run(tmp_path, lines)
    assert rows == [
        ["a", "yes", "ok", "fine"],
        ["b", "yes", "ok", "3 passed, 0 failed"],
        ["c", "yes", "ok", "4 passed, 0 failed"],
    ]
    assert (status, output.splitlines()[-1]) == (0, "7 passed, 0 failed")


@pytest.mark.parametrize(
    ("line", "ran", "why"),
    [
        ("plain bad", "yes", "exit status 1"),
        ("plain missing", "no", "there is no such thing"),
        ("plain unheard_of", "yes", "exit status 127"),
        ("plain slow", "yes", "ended after 5 seconds"),
        ("tests good fine", "yes", "fine; 0 passed, 0 failed; no test passed"),
        ("tests pytest_ '2 passed, 1 skipped'", "yes", "2 passed, 0 failed; 1 left out"),
        ("tests pytest_ '2 passed, 1 deselected'", "yes", "2 passed, 0 failed; 1 left out"),
    ],
)
@pytest.mark.parametrize("slots", [1, 2])
def test_nothing_that_fails_is_accepted(line: str, ran: str, why: str, slots: int, tmp_path: Path) -> None:
    """A stage that fails, cannot run, hangs, or leaves a test out fails the gate, says why, and stops no other stage."""
    lines = f"side_by_side {slots}\nstage it {line}\nstage next plain good fine"
    status, output, rows = run(tmp_path, lines, 5 if "slow" in line else HANGS_AFTER)
    assert rows == [["it", ran, "FAILED", why], ["next", "yes", "ok", "fine"]]
    assert status == 1
    assert output.splitlines()[-1].endswith(" passed, 1 failed")
    assert "and goes on" not in output


def test_stages_side_by_side_are_shown_one_after_the_other(tmp_path: Path) -> None:
    """Two stages that speak in turns run at once, and what each says stands in one piece; the next one runs alone."""
    lines = "side_by_side 2\nstage a plain one\nstage b plain two\nside_by_side 1\nstage c plain good c"
    status, output, rows = run(tmp_path, lines)
    assert (status, [row[0] for row in rows]) == (0, ["a", "b", "c"])
    for name in ("one", "two"):
        assert f"{name} 1\n{name} 2\n{name} 3\n" in output
    assert output.index("... c: begins") > max(output.index("=== a ==="), output.index("=== b ==="))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_gate_that_is_ended_ends_its_stages(number: signal.Signals, tmp_path: Path) -> None:
    """Whoever ends the gate ends what it has started, sees what that has said, and finds nothing left of it."""
    path = gate(tmp_path, "side_by_side 2\nstage a plain says_who\nstage b plain says_who")
    text = path.read_text(encoding="utf-8").replace(STAGES, 'says_who() { echo "I am $$"; touch "$own/said"; sleep 600; }\n')
    path.write_text(text, encoding="utf-8")
    words = ["env", "--default-signal", "bash", str(path)]
    with subprocess.Popen(words, env={**os.environ, "TMPDIR": str(tmp_path)}, stdout=subprocess.PIPE, text=True) as process:
        while len(list(tmp_path.glob("tmp.*/stage-*/said"))) < 2:
            assert process.poll() is None
        process.send_signal(number)
        output, _ = process.communicate(timeout=HANGS_AFTER)
    assert process.returncode == 128 + number
    said = re.findall(r"^I am (\d+)$", output, re.MULTILINE)
    assert len(said) == 2
    for stage in said:
        assert not Path("/proc", stage).exists()
    assert [entry.name for entry in tmp_path.iterdir()] == [".ci"]
