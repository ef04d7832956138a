"""The units of docs/how-to/systemd.md: systemd reads them, and what they start runs with the rights that they give."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from machine import BOB, public_directory, public_python
from support import ROOT, require

PAGE = (ROOT / "docs" / "how-to" / "systemd.md").read_text(encoding="utf-8")
UNITS = dict(re.findall(r"```ini\n# /etc/systemd/system/(\S+)\n(.*?)```", PAGE, re.DOTALL))
SERVICES = [name for name in UNITS if name.endswith(".service")]
COLLECT, WATCH = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
SCRIPTS = {"collect.py": COLLECT, "watch.py": COLLECT + WATCH}

# $1 becomes /srv, $2 stays writable, and the rest of their file system is read-only for the program that follows.
CONFINED = """
mount --bind "$1" /srv
mount -o remount,bind,ro /srv
mount --bind "$2" "$2"
mount -o remount,bind,ro /
shift 2
exec "$@"
"""


@pytest.fixture(scope="module")
def srv() -> Iterator[Path]:
    """What the units want to find in /srv."""
    require(os.geteuid() == 0, "needs root to mount a directory on /srv")
    require(shutil.which("unshare") and os.path.isdir("/srv"), "needs unshare, and a directory /srv to mount on")
    with public_directory() as place:
        for word in {word for unit in SERVICES for word in command(unit)}:
            home = place / Path(word).relative_to("/srv").parts[0]
            home.mkdir(exist_ok=True)
            if word.endswith(".py"):
                (home / Path(word).name).write_text(SCRIPTS[Path(word).name], encoding="utf-8")
            elif not (home / ".venv").exists():
                public_python(home / ".venv")
        yield place


def command(unit: str) -> list[str]:
    """The words of the unit's ExecStart= line."""
    (line,) = re.findall(r"^ExecStart=(.*)$", UNITS[unit], re.MULTILINE)
    return shlex.split(line)


def test_page_has_the_units_that_it_speaks_of() -> None:
    """What the tests below are about is there: two services, and the timer of one."""
    assert sorted(UNITS) == ["collect.service", "collect.timer", "watch.service"]


@pytest.mark.parametrize("broken", ["", "StateDirectory", "OnCalendar"])
def test_systemd_understands_the_units(broken: str, srv: Path, tmp_path: Path) -> None:
    """systemd-analyze has nothing to say about them, and something, as a control, where a word is misspelled."""
    require(shutil.which("systemd-analyze"), "needs the Debian package systemd")
    for name, text in UNITS.items():
        (tmp_path / name).write_text(text.replace(broken, broken + "x") if broken else text, encoding="utf-8")
    files = [str(tmp_path / name) for name in UNITS]
    words = ["unshare", "--mount", "sh", "-euc", 'mount --bind "$1" /srv; shift; exec "$@"', "sh", str(srv)]
    words += ["systemd-analyze", "verify", "--man=no", *files]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    said = "\n".join(line for line in (done.stdout + done.stderr).splitlines() if str(tmp_path) in line)
    if broken:
        assert f"{broken}x" in said
    else:
        assert (done.returncode, said) == (0, "")


@pytest.mark.parametrize("unit", SERVICES)
def test_unit_runs_with_the_rights_that_it_gets(unit: str, srv: Path) -> None:
    """ExecStart= works for a user who owns nothing but the state directory, all else being read-only."""
    with public_directory() as state:
        os.chown(state, BOB.uid, BOB.gid)
        words = ["unshare", "--mount", "sh", "-euc", CONFINED, "sh", str(srv), str(state)]
        words += ["setpriv", f"--reuid={BOB.uid}", f"--regid={BOB.gid}", "--clear-groups", "--no-new-privs", *command(unit)]
        before = 0
        for _ in range(2):
            done = subprocess.run(
                words, env={"STATE_DIRECTORY": str(state)}, cwd="/", capture_output=True, text=True, check=False
            )
            assert (done.returncode, done.stdout, done.stderr) == (0, f"run {before + 1}\n", "")
            now = json.loads((state / "state.json").read_bytes())["runs"]
            assert now == 1 + before if unit == "collect.service" else now > 1 + before
            before = now
        assert sorted(os.listdir(state)) == [".state.json.lock", "state.json"]
