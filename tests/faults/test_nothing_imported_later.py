"""After open() nothing is imported: not by a commit, a lock, a comparison, a quarantine, nor by any way to fail.

A program that imports later dies at its first commit if its environment was upgraded, removed or hidden meanwhile, and a
child that was forked beside such an import hangs for ever.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from support import require

import atomic_store

Record = Callable[[str, object], None]

PROGRAM = Path(__file__).parent.parent / "support" / "late_imports.py"
ROOT = Path(str(atomic_store.__file__)).parent.parent
# What the package needs, without what an environment's own start-up has loaded: hence -S, and these by hand.
PATHS = [str(ROOT), *dict.fromkeys(entry for entry in sys.path if entry.endswith("site-packages"))]


def cases(group: str, directory: Path) -> list[tuple[dict[str, object], dict[str, str], list[tuple[str, str]]]]:
    """Run the program; give each case with how its acts have ended and what they have looked for."""
    command = [sys.executable, "-I", "-S", str(PROGRAM), group, str(directory), *PATHS]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stderr
    return [ast.literal_eval(line) for line in done.stdout.splitlines()]


def demand(group: str, directory: Path, record: Record) -> dict[str, Counter[str]]:
    """Demand that nothing was imported; give how often each act has ended in which way."""
    found = cases(group, directory)
    record("stores that import nothing after open()", len(found))
    late: dict[tuple[str, str], dict[str, object]] = {}
    ends: dict[str, Counter[str]] = {}
    for case, outcomes, asked in found:
        assert "broken" not in outcomes, (case, outcomes["broken"])
        for act, end in outcomes.items():
            ends.setdefault(act, Counter())[end] += 1
        for each in asked:
            late.setdefault(each, case)
    assert not late, "imported after open(), each with the line that asked and the first case:\n" + "\n".join(
        f"{name} <- {line or 'the format'}: {case}" for (name, line), case in sorted(late.items())
    )
    return ends


def test_no_option_of_a_file_imports_later(tmp_path: Path, record_property: Record) -> None:
    """Each lock= x on_conflict= x on_corrupt= x log, and each kind of file: no act imports, nor does any error."""
    ends = demand("options", tmp_path, record_property)
    # The errors have really come.
    assert ends["commit over others"]["ConflictError"] > 0
    assert ends["reload of garbage"]["LoadError"] > 0
    assert ends["reload of garbage"]["ok"] > 0, "nothing was quarantined"
    assert set(ends["refused value"]) == {"TypeError"}
    assert set(ends["update() in a block"]) == {"AtomicStoreError"}
    assert ends["directory not synced"]["UncertainCommitError"] > 0
    assert set(ends["no descriptors: commit"]) == {"OSError"}
    assert set(ends["directory gone: commit"]) == {"FileNotFoundError"}
    assert set(ends["lock held: block"]) == {"LockTimeout"}


def test_no_format_imports_later(tmp_path: Path, record_property: Record) -> None:
    """Each format in each wrapper, with type= and without: neither dump nor load imports, sound values or not."""
    ends = demand("formats", tmp_path, record_property)
    assert set(ends["first commit"]) == set(ends["and after that"]) == {"ok"}
    assert ends["reload of garbage"]["LoadError"] > 0


def test_open_dict_imports_nothing_later(tmp_path: Path, record_property: Record) -> None:
    """A dict that is kept: saved by itself, by a block, or not at all."""
    ends = demand("dict", tmp_path, record_property)
    assert set(ends["save"]) == set(ends["block"]) == {"ok"}


def test_store_on_s3_imports_nothing_later(tmp_path: Path, record_property: Record) -> None:
    """A store on S3, whose service is in the same process: small and large values, and what a service can refuse."""
    pytest.importorskip("boto3")
    ends = demand("s3", tmp_path, record_property)
    assert set(ends["first commit"]) == set(ends["large"]) == set(ends["commit after errors"]) == {"ok"}
    assert set(ends["AccessDenied: commit"]) == {"AccessError"}


def test_format_that_imports_at_its_first_dump_is_found(tmp_path: Path) -> None:
    """Control: what a foreign format imports as it dumps is named."""
    ((_, outcomes, asked),) = cases("control", tmp_path)
    assert outcomes["first commit"] == "ok"
    assert "colorsys" in [name for name, _ in asked]


# Opens, waits until the environment is gone, and does the first commit of its life.
ORPHAN = """
import os, sys
sys.path[:0] = sys.argv[1:3]
how, path = sys.argv[3:5]
import atomic_store
{late}
stores = [atomic_store.open(path + name, default={{"n": 1}}, on_corrupt="quarantine", **options) for name, options in (
    ("plain", {{}}), ("lock", {{"lock": True}}), ("raise", {{"on_conflict": "raise"}}), ("pickle", {{"format": "pickle"}}),
)]
if how == "renamed":
    os.rename(sys.argv[1], sys.argv[1] + " away")
elif how == "chroot":
    os.chroot(os.path.dirname(path))
    os.chdir("/")
else:
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
for store in stores:
    with store:
        store.value["n"] += 1
    store.update(lambda value: {{"n": value["n"] + 1}})
    store.reload()
    assert store.value == {{"n": 3}}
    try:
        store.value = lambda: None
        store.commit()
    except Exception as error:
        assert not isinstance(error, ImportError)
    store.delete()
    store.value = {{"n": 4}}
    store.commit()
print("committed")
"""


def orphan(how: str, directory: Path, late: str = "") -> subprocess.CompletedProcess[str]:
    """Run a program whose environment goes away between open() and its first commit."""
    environment = directory / "environment"
    environment.mkdir()
    for name in ("atomic_store", "atomicwrites"):
        source = Path(str(__import__(name).__file__)).parent
        subprocess.run(["cp", "-r", str(source), str(environment / name)], check=True)
    # Inside a chroot the path is another one: the store of a relative path has been given a directory of its own.
    data = directory / "data"
    data.mkdir()
    data.chmod(0o777)
    libraries = directory / "unused"
    path = f"{data}/"
    if how == "chroot":
        # Such that the absolute path is right on both sides.
        inner = data / data.relative_to("/")
        inner.mkdir(parents=True)
        for parent in [inner, *inner.parents]:
            if parent == data:
                break
            parent.chmod(0o777)
    if how == "setresuid":
        environment.chmod(0o700)
        for parent in data.parents:
            if not parent.stat().st_mode & 0o001:
                parent.chmod(parent.stat().st_mode | 0o011)
    command = [sys.executable, "-I", "-S", "-c", ORPHAN.format(late=late), str(environment), str(libraries), how, path]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("how", ["renamed", "chroot", "setresuid"])
def test_first_commit_works_when_the_environment_is_gone(how: str, tmp_path: Path) -> None:
    """Package renamed away, root changed to a directory without it, user changed to one who cannot read it: all works."""
    require(how == "renamed" or os.geteuid() == 0, f"needs root for {how}")
    done = orphan(how, tmp_path)
    assert (done.stdout, done.stderr) == ("committed\n", "")


def test_environment_is_really_gone(tmp_path: Path) -> None:
    """Control: in the same surroundings a commit that imports fails, by its ImportError."""
    done = orphan("renamed", tmp_path, IMPORTING.format(module="atomic_store.mapping"))
    assert "No module named 'atomic_store.mapping'" in done.stderr


# Puts the fault back.
IMPORTING = """
real = atomic_store.AtomicStore.commit
def commit(self):
    import {module}
    return real(self)
atomic_store.AtomicStore.commit = commit
"""

# A thread makes the first commit while the main thread forks: the child makes its own first commit.
FORKING = """
import os, sys, threading, time
sys.path[:0] = sys.argv[1:3]
path, children, lock, patience = sys.argv[3], int(sys.argv[4]), sys.argv[5] == "lock", int(sys.argv[6])
import faulthandler
import atomic_store
{late}
hung = 0
for number in range(children):
    # Forked first, so that each has a first commit of its own to be forked beside.
    program = os.fork()
    if program:
        hung += os.waitstatus_to_exitcode(os.waitpid(program, 0)[1]) != 0
        continue
    os.chdir(path)
    mine = atomic_store.open(f"mine {{number}}", default=1, lock=lock)
    thread = threading.Thread(target=atomic_store.open(f"thread {{number}}", default=1, lock=lock).commit)
    thread.start()
    time.sleep(number % 20 * 0.0003)
    child = os.fork()
    if child == 0:
        faulthandler.dump_traceback_later(patience, exit=True)
        mine.commit()
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    thread.join()
    os._exit(status)
print(hung)
"""


def forked(directory: Path, children: int, lock: str, late: str = "", patience: int = 30) -> int:
    """Fork so many children beside a first commit; return how many hung for longer than the patience, or failed."""
    command = [sys.executable, "-I", "-S", "-W", "ignore", "-c", FORKING.format(late=late), *PATHS[:2], str(directory)]
    done = subprocess.run(
        [*command, str(children), lock, str(patience)], capture_output=True, text=True, timeout=500, check=False
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.parametrize("lock", ["plain", "lock"])
def test_child_forked_beside_a_first_commit_never_hangs(lock: str, tmp_path: Path, record_property: Record) -> None:
    """A worker that is forked while a thread makes the program's first commit commits, too: 100 of 100 each way."""
    assert forked(tmp_path, 100, lock) == 0
    record_property("children forked beside a first commit", 100)


def test_child_that_hangs_on_an_import_is_found(tmp_path: Path) -> None:
    """Control: where a first commit imports something slow, the child that is forked beside it waits for ever."""
    (tmp_path / "slow.py").write_text("import time; time.sleep(0.3)\n")
    late = f"sys.path.append({str(tmp_path)!r})\n{IMPORTING.format(module='slow')}"
    assert forked(tmp_path, 2, "plain", late, patience=1) > 0
