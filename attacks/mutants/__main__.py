"""Let the tests catch every mutant: python -m attacks.mutants.

Each mutant is put into a copy of the package, and the tests that it names run on it until the first failure. They must
fail, and not just hang or be unable to start. The control: on a copy without a mutant all of these tests pass.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from queue import SimpleQueue
from xml.etree import ElementTree as ET

import atomic_store

from ..record import RESULTS, record
from .mutant import Mutant, catalogue, faults

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGE = Path(atomic_store.__file__).resolve().parent
# What no test looks at, and may be large.
NOT_COPIED = ("__pycache__", ".git", ".venv", ".*_cache", ".hypothesis", "*.egg-info", "build", "dist", "results", "site")
# Not for mutants: the test of the catalogue fails with each of them, and Ceph and cron are stages of their own.
WHOLE_SUITE = ("tests", *(f"--ignore-glob=*/test_{name}.py" for name in ("mutants", "s3_radosgw", "cron")))
# pytest's exit codes: all passed, and some tests failed. Any other says that they did not run.
PASSED, FAILED = 0, 1


@dataclass(frozen=True)
class Verdict:
    """How tests have ended on a copy.

    Attributes:
        code: pytest's exit code, None: it was ended after too long a time.
        caught_by: the first test that failed.
        failure: what that test said, the first line of it.
        passed: how many tests passed.
        seconds: how long it took.
        output: all that pytest has said.
    """

    code: int | None
    caught_by: str
    failure: str
    passed: int
    seconds: float
    output: str

    @property
    def caught(self) -> bool:
        """Whether a test has failed: one that could not be set up, or hung, has caught nothing."""
        return self.code == FAILED and self.caught_by != ""

    @property
    def end(self) -> str:
        """The last lines that pytest has said."""
        return "\n".join(self.output.splitlines()[-40:])


class Copy:
    """A copy of the project, whose package is made anew for each run; one run at a time."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._package = directory / "atomic_store"
        self._whole = directory / "whole"
        copy(PACKAGE, self._whole)  # at once: whoever works on the source meanwhile shall not change what is tested
        copy(ROOT, directory)

    def run(self, mutant: Mutant | None, tests: Iterable[str], patience: float) -> Verdict:
        """Run tests on the package with the mutant in it, None: as it is."""
        # Anew, and so without compiled code: Python tells a changed source by its size and its time in whole seconds.
        shutil.rmtree(self._package, ignore_errors=True)
        copy(self._whole, self._package)
        if mutant is not None:
            mutant.apply(self._package)
        begun = time.monotonic()
        report = self._directory / "report.xml"
        report.unlink(missing_ok=True)
        code, output = self._pytest(["--exitfirst", f"--junitxml={report}", *tests], patience)
        caught_by, failure, passed = read(report) if code in (PASSED, FAILED) else ("", "", 0)
        return Verdict(code, caught_by, failure, passed, round(time.monotonic() - begun, 1), output)

    def loaded_from_here(self) -> bool:
        """Say whether a program that runs here gets the copy of the package, and not the one that is installed."""
        copy(self._whole, self._package)
        code = "import atomic_store; print(atomic_store.__file__)"
        done = subprocess.run(
            [sys.executable, "-c", code], cwd="/", env=self._environment(), capture_output=True, text=True, check=True
        )
        return Path(done.stdout.strip()).resolve().parent == self._package.resolve()

    def _environment(self) -> dict[str, str]:
        # What cannot run must fail, in the control too: a test that is left out catches nothing.
        return os.environ | {"PYTHONPATH": str(self._directory), "ATOMIC_STORE_REQUIRE_ALL": "1", "NO_COLOR": "1"}

    def _pytest(self, arguments: list[str], patience: float) -> tuple[int | None, str]:
        scratch = self._directory / "scratch"
        words = [
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "-o",
            "junit_family=xunit1",
            f"--basetemp={scratch}",
            *arguments,
        ]
        log = self._directory / "log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, *words],
                cwd=self._directory,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            code: int | None
            try:
                code = process.wait(patience)
            except subprocess.TimeoutExpired:
                code = None
            finally:
                end_all(process)
        shutil.rmtree(scratch, ignore_errors=True)
        return code, log.read_text(encoding="utf-8", errors="replace")


def copy(source: Path, target: Path) -> None:
    """Copy a directory, without what Python and its tools leave there."""
    shutil.copytree(source, target, ignore=shutil.ignore_patterns(*NOT_COPIED), dirs_exist_ok=True)


def end_all(process: subprocess.Popen[bytes]) -> None:
    """End what is left of a test run: a mutant may hang, or forget its children."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def read(report: Path) -> tuple[str, str, int]:
    """Give from pytest's report the first test that failed, what it said, and how many passed."""
    cases = list(ET.parse(report).iter("testcase"))
    passed = sum(len(case) == 0 or case[0].tag not in ("failure", "error", "skipped") for case in cases)
    for case in cases:
        failure = case.find("failure")
        if failure is not None:
            test = f"{case.get('classname', '').rpartition('.')[2]}.py::{case.get('name')}"
            return test, failure.get("message", "").partition("\n")[0][:200], passed
    return "", "", passed


def changed_files() -> set[str] | None:
    """Return the files of the package changed since the figures of all mutants were committed; None if that is not known."""
    git = ("git", "-C", str(ROOT))
    figures = str((RESULTS / "mutants.json").relative_to(ROOT))
    done = subprocess.run([*git, "log", "-1", "--format=%H", "--", figures], capture_output=True, text=True, check=True)
    if not done.stdout:
        return None
    command = [*git, "diff", "--name-only", "--relative=atomic_store", done.stdout.strip(), "--", "atomic_store"]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


def below_tests(names: Iterable[str]) -> list[str]:
    """The tests of a mutant, as pytest is to find them: the catalogue names a file without its folder."""
    folders = {path.name: path.parent.relative_to(ROOT) for path in (ROOT / "tests").rglob("test_*.py")}
    return [str(folders[name.partition("::")[0]] / name) for name in names]


def main() -> int:
    """Run; give the exit status."""
    parser = argparse.ArgumentParser(prog="python -m attacks.mutants", description=__doc__)
    parser.add_argument("--list", action="store_true", help="check the catalogue against the source, show it, run nothing")
    parser.add_argument("--only", metavar="TEXT", help="only the mutants whose name or listing contains TEXT")
    parser.add_argument("--changed", action="store_true", help="only the mutants of files changed since the last run of all")
    parser.add_argument("--whole-suite", action="store_true", help="the long run: each mutant against all tests")
    parser.add_argument("--jobs", type=int, default=2, help="how many at a time (default: %(default)s)")
    parser.add_argument("--patience", type=float, help="seconds after which tests that hang are ended")
    chosen = parser.parse_args()

    begun = time.monotonic()
    mutants = catalogue()
    wrong = faults(mutants, PACKAGE)
    if wrong:
        print("The catalogue does not fit the source:", *wrong, sep="\n")
        return 2
    if chosen.only:
        mutants = [mutant for mutant in mutants if chosen.only in mutant.name or chosen.only in mutant.listed_in]
    if chosen.changed:
        changed = changed_files()
        mutants = [mutant for mutant in mutants if changed is None or mutant.file in changed]
        if not mutants:
            print("no file with a mutant has changed since all mutants were run", "0 seconds", sep="\n")
            return 0
    if not mutants:
        print(f"no mutant has {chosen.only!r} in its name or listing")
        return 2
    if chosen.list:
        for mutant in mutants:
            print(f"{mutant.listed_in:<14} {mutant.promise:<28} {mutant.name}")
        print(f"{len(mutants)} mutants")
        return 0
    patience = chosen.patience or (3600 if chosen.whole_suite else 120)
    return attack(
        mutants, chosen.whole_suite, chosen.jobs, patience, begun, "-short" if chosen.only or chosen.changed else ""
    )


def attack(mutants: list[Mutant], whole_suite: bool, jobs: int, patience: float, begun: float, which: str) -> int:
    """Run the control and all mutants, `jobs` at a time; tell and record what came out."""
    with tempfile.TemporaryDirectory(prefix="atomic_store-mutants-") as directory:
        os.chmod(directory, 0o755)  # other users' programs read the package here
        free: SimpleQueue[Copy] = SimpleQueue()
        for number in range(jobs):
            free.put(Copy(Path(directory) / str(number)))
        one = free.get()
        if not one.loaded_from_here():
            print("The tests would not see the mutants: another atomic_store comes first on the path.")
            return 2
        free.put(one)

        def run(mutant: Mutant | None, tests: Iterable[str], seconds: float) -> Verdict:
            copy = free.get()
            try:
                return copy.run(mutant, tests, seconds)
            finally:
                free.put(copy)

        def judge(mutant: Mutant) -> Verdict:
            verdict = run(mutant, WHOLE_SUITE if whole_suite else below_tests(mutant.caught_by), patience)
            print(f"{'caught' if verdict.caught else 'SURVIVED':<9} {verdict.seconds:>6} s  {mutant.name}", flush=True)
            print(f"{'':20} {verdict.caught_by}: {verdict.failure}" if verdict.caught else verdict.end, flush=True)
            return verdict

        with ThreadPoolExecutor(jobs) as threads:
            named = sorted({test for mutant in mutants for test in mutant.caught_by})
            # Split by file: a server that tests share is started once.
            files = sorted({test.partition("::")[0] for test in named})
            parts = [[test for test in named if files.index(test.partition("::")[0]) % jobs == n] for n in range(jobs)]
            controls = [WHOLE_SUITE] if whole_suite else [below_tests(part) for part in parts if part]
            waiting = [threads.submit(run, None, tests, 3600) for tests in controls]
            verdicts = list(threads.map(judge, mutants))
            control = [each.result() for each in waiting]
    bad_controls = [verdict for verdict in control if verdict.code != PASSED or not verdict.passed]
    for verdict in bad_controls:
        print("THE CONTROL HAS FAILED: without a mutant these tests do not pass", verdict.end, sep="\n")
    survivors = [mutant.name for mutant, verdict in zip(mutants, verdicts, strict=True) if not verdict.caught]
    passed = sum(verdict.passed for verdict in control)
    if survivors:
        print("SURVIVED:", *survivors, sep="\n  ")
    print(f"{len(mutants) - len(survivors)} of {len(mutants)} mutants caught; control: {passed} tests passed")
    path = record(
        f"mutants{'-whole-suite' if whole_suite else ''}{which}",
        begun,
        mutants=len(mutants),
        caught=len(mutants) - len(survivors),
        survivors=survivors,
        control={"passed": passed, "failed": len(bad_controls)},
        verdicts={
            mutant.name: {key: value for key, value in asdict(verdict).items() if key != "output"}
            for mutant, verdict in zip(mutants, verdicts, strict=True)
        },
    )
    print(f"{time.monotonic() - begun:.0f} seconds; {path}")
    return 1 if survivors or bad_controls else 0


if __name__ == "__main__":
    sys.exit(main())
