"""Run stages of noxfile.py, two at a time, and end in a table: python .ci/stages.py [--campaign] [--list] [STAGE ...].

Without a name all stages run. What a stage prints is shown in one piece when it has ended, and kept in build/gate/logs.
A stage that fails, cannot run, hangs, leaves a test out that must run, or runs no test at all makes the run fail.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / "build" / "gate"
LOGS = HOME / "logs"
NOX = (sys.executable, "-m", "nox", "--noxfile", str(ROOT / "noxfile.py"), "--envdir", str(HOME / "envs"), "--session")
AT_ONCE = 2
WHY = "ATOMIC_STORE_STAGE_NOTES"
"""The variable that names a stage's file of notes: the last column of the table. See note() in noxfile.py."""
CANNOT_RUN = "cannot run: "


@dataclass(frozen=True)
class Stage:
    """A session of nox.

    Attributes:
        name: of the session.
        tests: "": it runs no tests; "all": it must skip none; "some": it may, because its surroundings lack things.
        needs: the stages whose results it uses.
        alone: whether it uses two processors by itself.
        limit: seconds after which it is ended.
    """

    name: str
    tests: str = ""
    needs: tuple[str, ...] = ()
    alone: bool = False
    limit: int = 900


GATE = (
    Stage("packages"),
    Stage("tools"),
    # The longest first: at the end no processor waits for them.
    Stage("suite-3.11", "all", ("packages",), limit=2100),
    Stage("readme-user", "some", limit=2100),
    Stage("readme-root", "some", limit=2100),
    # Without the ecosystem; tests/support/support.py lets nothing else be skipped there.
    Stage("suite-lowest", "some", ("packages",), limit=2100),
    Stage("attacks", needs=("tools",)),
    Stage("benchmarks"),
    Stage("frozen", "all", ("packages",)),
    Stage("readme-uv", "some"),
    Stage("types", needs=("tools", "packages")),
    Stage("offline", needs=("packages",)),
    Stage("readme-run"),
    Stage("startup", "all", ("packages",)),
    Stage("style", needs=("tools",)),
    Stage("docs", needs=("tools",)),
    Stage("bson", "all", ("packages",)),
    Stage("mutants", needs=("tools",), alone=True, limit=2100),
)
HOUR = 3600
CAMPAIGN = (
    Stage("packages"),
    Stage("tools"),
    Stage("all-3.11", "all", ("packages",), limit=HOUR),
    Stage("all-3.12", "all", ("packages",), limit=HOUR),
    Stage("all-3.13", "all", ("packages",), limit=HOUR),
    Stage("cron", "all", ("packages",), limit=HOUR),
    Stage("ceph", "all", ("packages",), limit=HOUR),
    Stage("surroundings", "some", limit=2 * HOUR),
    Stage("random-order", "all", ("packages",), limit=3 * HOUR),
    Stage("comparison", needs=("tools",)),
    Stage("mutants-all", needs=("tools",), alone=True, limit=HOUR),
    Stage("attacks-long", needs=("tools",), alone=True, limit=2 * HOUR),
    Stage("interleavings", needs=("tools",), alone=True, limit=6 * HOUR),
    Stage("power-cuts", needs=("tools",), alone=True, limit=4 * HOUR),
    Stage("fuzz", needs=("tools",), alone=True, limit=2 * HOUR),
    Stage("soak", needs=("tools",), alone=True, limit=2 * HOUR),
)
DEADLINE = 80 * 60
"""Seconds after which the gate begins no further stage, so that its table is printed within 90 minutes."""


@dataclass(frozen=True)
class Row:
    """The end of a stage: a line of the table."""

    name: str
    ran: bool
    ok: bool
    seconds: int
    why: str
    passed: int = 0
    failed: int = 0

    def __str__(self) -> str:
        ran, result = "yes" if self.ran else "no", "ok" if self.ok else "FAILED"
        return f"{self.name:<16} {ran:<4} {result:<7} {self.seconds:>7}  {self.why}"


def judge(stage: Stage, status: int | None, log: str, notes: str, seconds: int) -> Row:
    """Return the row of a stage that ended with *status*, or was ended after its limit (None)."""
    why = [notes] if notes else []
    ran = CANNOT_RUN not in notes
    if status is None:
        why.append(f"ended after {stage.limit} seconds")
    elif status != 0:
        why.append(f"exit status {status}")
    ok, passed, failed = status == 0 and ran, 0, 0
    if stage.tests and ran:
        counts = count(log)
        passed, failed = counts["passed"], counts["failed"]
        why.append(f"{passed} passed, {failed} failed, {counts['skipped']} skipped")
        why += re.findall(r"Total coverage: [\d.]+%", log)
        if not passed:
            why.append("no test passed")
        if stage.tests == "all" and counts["skipped"]:
            why.append("a test that must run was skipped")
        ok = ok and passed > 0 and failed == 0 and not (stage.tests == "all" and counts["skipped"])
    if not ok and not failed:
        failed = 1
    return Row(stage.name, ran, ok, seconds, "; ".join(why), passed, failed)


def count(log: str) -> Counter[str]:
    """Return how many tests pytest's last lines in a log call passed, failed (errors too) and skipped (in whatever way)."""
    counts = Counter[str]()
    names = {"error": "failed", "errors": "failed", "xfailed": "skipped", "deselected": "skipped"}
    for line in re.findall(r"^(?:=+ )?(\d+ \w+.*) in [\d.]+s(?: \([\d:]+\))?(?: =+)?$", log, re.MULTILINE):
        for number, name in re.findall(r"(\d+) (passed|failed|errors?|skipped|xfailed|deselected)\b", line):
            counts[names.get(name, name)] += int(number)
    return counts


class Running:
    """A stage that is running, in a process group of its own."""

    def __init__(self, stage: Stage, scratch: Path) -> None:
        self.stage = stage
        self.begun = time.monotonic()
        self._process: subprocess.Popen[bytes] | None = None
        self._log = LOGS / f"{stage.name}.log"
        self._notes = LOGS / f"{stage.name}.notes"
        self._scratch = scratch / stage.name

    def start(self, command: Sequence[str]) -> None:
        """Begin; whoever may be interrupted knows of the stage already."""
        self._notes.write_text("")
        # Other users run programs in there.
        self._scratch.mkdir(mode=0o755)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*command, self.stage.name],
                cwd=ROOT,
                env={**os.environ, WHY: str(self._notes), "TMPDIR": str(self._scratch), "CI": "true"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def ended(self) -> Row | None:
        """Return the row of the stage, after showing its log; None while it runs."""
        assert self._process is not None
        seconds = time.monotonic() - self.begun
        status = self._process.poll()
        if status is None and seconds <= self.stage.limit:
            return None
        self.stop()
        text = self.show()
        return judge(self.stage, status, text, self._notes.read_text(errors="replace").strip(), round(seconds))

    def stop(self) -> None:
        """End the stage with everything that it has started."""
        if self._process is not None:
            for number in (signal.SIGTERM, signal.SIGKILL):
                try:
                    os.killpg(self._process.pid, number)
                    self._process.wait(10)
                except (ProcessLookupError, subprocess.TimeoutExpired):
                    continue
            self._process.wait()
        shutil.rmtree(self._scratch, ignore_errors=True)

    def show(self) -> str:
        """Print and return what the stage has printed."""
        text = self._log.read_text(errors="replace") if self._log.exists() else ""
        print(f"\n=== {self.stage.name} ===\n{text}", flush=True)
        return text


def run(stages: Sequence[Stage], command: Sequence[str] = NOX, deadline: float = DEADLINE) -> list[Row]:
    """Run stages, *command* with the name of each; return their rows, in the order of *stages*."""
    begun = time.monotonic()
    shutil.rmtree(LOGS, ignore_errors=True)
    LOGS.mkdir(parents=True)
    waiting, running = list(stages), list[Running]()
    rows: dict[str, Row] = {}
    scratch = Path(tempfile.mkdtemp(prefix="atomic_store-gate-"))
    scratch.chmod(0o755)
    try:
        while waiting or running:
            for each in list(running):
                row = each.ended()
                if row is not None:
                    running.remove(each)
                    rows[each.stage.name] = row
            while (stage := following(waiting, running)) is not None:
                waiting.remove(stage)
                bad = [name for name in stage.needs if name in rows and not rows[name].ok]
                if bad or time.monotonic() - begun > deadline:
                    why = f"{CANNOT_RUN}{bad[0]} has failed" if bad else f"{CANNOT_RUN}the time is over"
                    rows[stage.name] = Row(stage.name, False, False, 0, why, failed=1)
                else:
                    print(f"... {stage.name}: begins after {time.monotonic() - begun:.0f} seconds", flush=True)
                    running.append(Running(stage, scratch))
                    running[-1].start(command)
            time.sleep(0.1)
    finally:
        for each in running:
            each.stop()
            each.show()
        lost = [
            Row(each.stage.name, True, False, round(time.monotonic() - each.begun), "ended with the run") for each in running
        ]
        lost += [Row(stage.name, False, False, 0, f"{CANNOT_RUN}the run was ended") for stage in waiting]
        rows |= {row.name: row for row in lost}
        table([rows[stage.name] for stage in stages if stage.name in rows], time.monotonic() - begun)
        shutil.rmtree(scratch, ignore_errors=True)
    return [rows[stage.name] for stage in stages]


def following(waiting: Sequence[Stage], running: Sequence[Running]) -> Stage | None:
    """Return the stage to begin now; None if all must wait."""
    if len(running) >= AT_ONCE or any(each.stage.alone for each in running):
        return None
    busy = {each.stage.name for each in running}
    left = {stage.name for stage in waiting} | busy
    for stage in waiting:
        if not left.intersection(stage.needs) and not (stage.alone and busy):
            return stage
    return None


def table(rows: Sequence[Row], seconds: float) -> None:
    """Print the table, and the line with the sum of all test results."""
    print(f"\n{'stage':<16} {'ran':<4} {'result':<7} {'seconds':>7}  why")
    print(*rows, sep="\n")
    print(f"\n{seconds:.0f} seconds in all")
    failed = sum(row.failed or not row.ok for row in rows)
    print(f"{sum(row.passed for row in rows)} passed, {failed} failed", flush=True)


def chosen(stages: Sequence[Stage], names: Sequence[str]) -> list[Stage]:
    """Return the stages named, and those that they need; all, if none is named."""
    by_name = {stage.name: stage for stage in stages}
    wanted = set(names or by_name)
    for name in names:
        if name not in by_name:
            sys.exit(f"there is no stage {name!r}: {', '.join(by_name)}")
        wanted |= set(by_name[name].needs)
    return [stage for stage in stages if stage.name in wanted]


def main() -> int:
    """Run what the command line names; return the exit status."""
    parser = argparse.ArgumentParser(prog=".ci/run", description=__doc__.partition("\n")[0])
    parser.add_argument("stages", nargs="*", metavar="STAGE", help="this stage, with those that it needs (default: all)")
    parser.add_argument("--campaign", action="store_true", help="the long stages instead of those of each change")
    parser.add_argument("--list", action="store_true", help="print the names of the stages, run nothing")
    options = parser.parse_args()
    stages = chosen(CAMPAIGN if options.campaign else GATE, options.stages)
    if options.list:
        print(*(stage.name for stage in stages), sep="\n")
        return 0
    # A caller in the background ignores SIGINT, and the stages would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, terminated)
    rows = run(stages, deadline=float("inf") if options.campaign else DEADLINE)
    return 0 if all(row.ok for row in rows) else 1


def terminated(number: int, _: object) -> NoReturn:
    """End the run as Ctrl-C does, with its table."""
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
