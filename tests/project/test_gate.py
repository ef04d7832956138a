"""The gate itself: what .ci/stages.py says of stages that fail, cannot run, skip tests or hang."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from crowd import HANGS_AFTER
from support import ROOT

# Runs the stages that the program lists, each a shell script beside it, as the gate runs sessions of nox.
PROGRAM = """
import pathlib, signal, sys
sys.path.insert(0, {ci!r})
import stages
from stages import Stage
stages.LOGS = pathlib.Path("logs").resolve()
stages.ROOT = pathlib.Path().resolve()
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGTERM, stages.terminated)
rows = stages.run([{stages}], ("bash", "-c", '. ./stages.sh; "$1"', "bash"))
sys.exit(not all(row.ok for row in rows))
"""
STAGES = """
good() { echo "good is well"; printf fine >>"$ATOMIC_STORE_STAGE_NOTES"; }
bad() { echo "bad says no"; exit 7; }
missing() { printf 'cannot run: no such thing' >>"$ATOMIC_STORE_STAGE_NOTES"; exit 1; }
passing() { echo "===== 3 passed, 1 warning in 61.25s (0:01:01) ====="; }
more() { echo "4 passed in 0.25s"; }
failing() { echo "===== 1 failed, 2 passed, 1 error in 1.25s ====="; exit 1; }
skipping() { echo "===== 2 passed, 1 skipped in 1.25s ====="; }
deselecting() { echo "===== 2 passed, 1 deselected in 1.25s ====="; }
silent() { :; }
slow() { echo "slow begins"; sleep 600; }
left() { touch left; while ! [ -e right ]; do sleep 0.01; done; echo left; sleep 0.2; echo left again; }
right() { touch right; while ! [ -e left ]; do sleep 0.01; done; echo right; sleep 0.2; echo right again; }
"""


def program(directory: Path, stages: str) -> list[str]:
    """Return the command that runs these stages."""
    (directory / "stages.sh").write_text(STAGES)
    return [sys.executable, "-c", PROGRAM.format(ci=str(ROOT / ".ci"), stages=stages)]


def run(directory: Path, stages: str) -> tuple[int, str, list[list[str]]]:
    """Run such a gate; return its exit status, what it prints, and its table without the seconds."""
    done = subprocess.run(
        program(directory, stages),
        cwd=directory,
        env={**os.environ, "TMPDIR": str(directory)},
        capture_output=True,
        text=True,
        timeout=HANGS_AFTER * 3,
        check=False,
    )
    assert done.stderr == ""
    table = done.stdout[done.stdout.rindex("\nstage ") :].splitlines()[2:]
    rows = [row.split(None, 4) for row in table[: table.index("")]]
    assert not list(directory.glob("atomic_store-gate-*"))
    return done.returncode, done.stdout, [[*row[:3], *row[4:]] for row in rows]


def test_everything_that_holds_is_accepted(tmp_path: Path) -> None:
    """Stages that end well make a gate that ends well, with the sum of their tests."""
    status, output, rows = run(tmp_path, 'Stage("good"), Stage("passing", "all"), Stage("more", "some", ("good",))')
    assert rows == [
        ["good", "yes", "ok", "fine"],
        ["passing", "yes", "ok", "3 passed, 0 failed, 0 skipped"],
        ["more", "yes", "ok", "4 passed, 0 failed, 0 skipped"],
    ]
    assert (status, output.splitlines()[-1]) == (0, "7 passed, 0 failed")


@pytest.mark.parametrize(
    ("stage", "ran", "why"),
    [
        ('"bad"', "yes", "exit status 7"),
        ('"unheard_of"', "yes", "exit status 127"),
        ('"missing"', "no", "cannot run: no such thing; exit status 1"),
        ('"slow", limit=1', "yes", "ended after 1 seconds"),
        ('"failing", "some"', "yes", "exit status 1; 2 passed, 2 failed, 0 skipped"),
        ('"skipping", "all"', "yes", "2 passed, 0 failed, 1 skipped; a test that must run was skipped"),
        ('"deselecting", "all"', "yes", "2 passed, 0 failed, 1 skipped; a test that must run was skipped"),
        ('"silent", "some"', "yes", "0 passed, 0 failed, 0 skipped; no test passed"),
    ],
)
def test_nothing_that_fails_is_accepted(stage: str, ran: str, why: str, tmp_path: Path) -> None:
    """A stage that fails, cannot run, hangs or skips a test fails the gate, says why, and stops only what needs it."""
    name = stage.split('"')[1]
    status, output, rows = run(tmp_path, f'Stage({stage}), Stage("good"), Stage("more", "all", ({name!r},))')
    assert rows == [
        [name, ran, "FAILED", why],
        ["good", "yes", "ok", "fine"],
        ["more", "no", "FAILED", f"cannot run: {name} has failed"],
    ]
    assert status == 1
    assert " passed, 0 failed" not in output.splitlines()[-1]


def test_stages_side_by_side_are_shown_one_after_the_other(tmp_path: Path) -> None:
    """Two stages that wait for each other run at once, what each prints is in one piece, and the next runs alone."""
    status, output, _ = run(tmp_path, 'Stage("left"), Stage("right"), Stage("good", alone=True)')
    assert status == 0
    assert "left\nleft again\n" in output
    assert "right\nright again\n" in output
    assert output.index("... good: begins") > max(output.index("=== left"), output.index("=== right"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_gate_that_is_ended_ends_in_its_table(number: signal.Signals, tmp_path: Path) -> None:
    """A signal ends what was started, shows what it has printed, and prints the table; nothing is left."""
    command = program(tmp_path, 'Stage("slow"), Stage("more", "all", ("slow",))')
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        log = tmp_path / "logs" / "slow.log"
        while not log.exists() or "begins" not in log.read_text():
            assert process.poll() is None
        process.send_signal(number)
        output, _ = process.communicate(timeout=HANGS_AFTER)
    assert process.returncode != 0
    assert "=== slow ===\nslow begins\n" in output
    assert "slow             yes  FAILED" in output
    assert "more             no   FAILED" in output
    assert output.endswith("0 passed, 2 failed\n")
