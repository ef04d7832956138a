"""Debian's cron starts jobs that overlap and share a store; a stage of .ci/run installs it, elsewhere these are left out.

The daemon runs in namespaces of its own, where it sees no other crontab than the one of these tests, and where it ends with
all that it has started. It looks at its crontabs once a minute, so these tests take up to a minute.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from s3_servers import DIES_WITH_US
from support import ROOT, require

JOB = ROOT / "tests" / "support" / "cron_job.py"
ROUNDS = 100
PAIRS = {"locked": ("collect", "report"), "plain": ("fetch", "prune")}
ENDS_WITHIN = 180  # seconds; jobs that have not ended by then have failed

# $1 is an empty directory, $2 a crontab, which goes by stdin: crontab(1) cuts a name after 100 bytes.
DAEMON = """
mount -t tmpfs -o mode=755 tmpfs /run
mount -t tmpfs -o mode=755 tmpfs /var/spool/cron
mkdir -m 1730 /var/spool/cron/crontabs
chgrp crontab /var/spool/cron/crontabs
mount --bind "$1" /etc/cron.d
mount --bind /dev/null /etc/crontab
crontab - <"$2"
exec cron -f
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory in which cron has run two jobs that lock a store, and two that do not lock another one, all at once."""
    require(shutil.which("cron") and shutil.which("unshare"), "needs Debian's packages cron and util-linux")
    require(os.geteuid() == 0, "needs root to run a cron daemon")
    place = tmp_path_factory.mktemp("cron")
    (place / "empty").mkdir()
    lines = ["SHELL=/bin/sh", 'MAILTO=""']
    for lock, names in PAIRS.items():
        for me, other in (names, names[::-1]):
            program = f"{shlex.quote(sys.executable)} -W error {shlex.quote(str(JOB))}"
            job = f"{program} {lock}.json {lock} {me} {other} {ROUNDS} >{me}.out 2>{me}.err\necho $? >{me}.status\n"
            (place / f"{me}.sh").write_text(job, encoding="utf-8")
            # A script, for a command of cron has 1000 bytes at most, and a % in it is a new line.
            lines.append(f"* * * * * cd {shlex.quote(str(place))} && . ./{me}.sh".replace("%", r"\%"))
    (place / "crontab").write_text("\n".join([*lines, ""]), encoding="utf-8")
    namespaces = ("unshare", "--mount", "--pid", "--fork", "--kill-child=KILL", "--mount-proc")
    daemon = subprocess.Popen([*DIES_WITH_US, *namespaces, "sh", "-euc", DAEMON, "sh", place / "empty", place / "crontab"])
    try:
        wait_for([place / f"{name}.status" for names in PAIRS.values() for name in names], daemon)
    finally:
        daemon.kill()
        daemon.wait()
    return place


def wait_for(files: list[Path], daemon: subprocess.Popen[bytes]) -> None:
    """Wait until all the files have a line."""
    until = time.monotonic() + ENDS_WITHIN
    while not all(path.exists() and path.read_text(encoding="utf-8") for path in files):
        assert daemon.poll() is None, "the daemon has ended"
        assert time.monotonic() < until, f"cron has not run the jobs, there is only {os.listdir(files[0].parent)}"
        time.sleep(0.2)


def told(place: Path, name: str) -> dict[str, Any]:
    """What a job has said, which must have ended well and without a warning; more than one line would be two runs."""
    assert (place / f"{name}.err").read_text(encoding="utf-8") == ""
    assert (place / f"{name}.status").read_text(encoding="utf-8") == "0\n"
    said: dict[str, Any] = json.loads((place / f"{name}.out").read_text(encoding="utf-8"))
    return said


@pytest.mark.parametrize("name", [name for names in PAIRS.values() for name in names])
def test_cron_itself_has_started_each_job(name: str, place: Path) -> None:
    """The job's parent is a shell, that one's is cron, cron, process 1; the environment is cron's."""
    said = told(place, name)
    shell, *daemons = said["by"]
    cron = os.path.realpath(str(shutil.which("cron")))
    assert shell == os.path.realpath("/bin/sh")
    assert daemons == [cron, cron]
    assert said["environment"]["PATH"] == "/usr/bin:/bin"
    assert "PYTEST_CURRENT_TEST" not in said["environment"]


@pytest.mark.parametrize("names", PAIRS.values(), ids=PAIRS)
def test_jobs_of_cron_have_overlapped(names: tuple[str, str], place: Path) -> None:
    """Both have begun before either has ended: without that the counts below would prove nothing."""
    one, other = told(place, names[0]), told(place, names[1])
    assert max(one["begin"], other["begin"]) < min(one["end"], other["end"])


def test_jobs_of_cron_lose_nothing_with_lock(place: Path, record_property: Callable[[str, object], None]) -> None:
    """Two jobs that overlap and add 1 a hundred times each, with lock=True, leave 200."""
    counted = json.loads((place / "locked.json").read_bytes())
    record_property("updates of 200 kept by two cron jobs with lock=", counted)
    assert counted == 2 * ROUNDS


def test_the_same_jobs_lose_updates_without_lock(place: Path, record_property: Callable[[str, object], None]) -> None:
    """Control: the same two jobs without lock= leave less, though no value is torn."""
    counted = json.loads((place / "plain.json").read_bytes())
    record_property("updates of 200 kept by two cron jobs without lock=", counted)
    assert ROUNDS <= counted < 2 * ROUNDS


def test_cron_leaves_nothing_behind(place: Path) -> None:
    """No temporary file of any job is left, only the files that were asked for, and no crontab of these tests."""
    files = {path.name for path in place.iterdir() if not path.suffix[1:].isdigit()}
    names = [name for names in PAIRS.values() for name in names]
    asked = {f"{name}.{what}" for name in names for what in ("err", "out", "sh", "status")}
    assert files == {"crontab", "empty", "locked.json", ".locked.json.lock", "plain.json", *asked}
    listed = subprocess.run(["crontab", "-l"], capture_output=True, text=True, check=False)
    assert str(place) not in listed.stdout
