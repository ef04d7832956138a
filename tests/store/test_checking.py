"""check(): what it says of real file systems, and of places that break a promise; and that it leaves nothing behind.

`pytest -rP tests/store/test_checking.py` prints the reports.
"""

from __future__ import annotations

import errno
import gc
import os
import shutil
import stat
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import seams
from faults import descriptors
from machine import ALICE, in_child, mounted, public_directory, put, tool
from stand_ins import inside
from support import ROOT, require

import atomic_store
from atomic_store import LocalFile, LocationError
from atomic_store.checking import Report
from atomic_store.locations.base import Finding
from atomic_store.testing import Memory

PROMISES = ["access", "rename", "create", "directory_sync", "locks", "mode", "attributes", "file_system"]


@pytest.fixture(autouse=True)
def few_rounds(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing depends on the luck to see a wrong state, fewer of them are looked for."""
    if "real_file_system" not in request.node.name and "broken" not in request.node.name:
        monkeypatch.setattr(seams.probe, "ROUNDS", 10)


@contextmanager
def ext4(place: Path) -> Iterator[Path]:
    image = place / "image"
    with image.open("wb") as file:
        file.truncate(16 << 20)
    tool("mkfs.ext4", "-q", "-F", image)
    with mounted(place / "disk", "-o", "loop", image) as disk:
        yield disk


@contextmanager
def tmpfs(place: Path) -> Iterator[Path]:
    with mounted(place / "disk", "-t", "tmpfs", "tmpfs") as disk:
        yield disk


@contextmanager
def overlay(base: Path, options: str = "") -> Iterator[Path]:
    for name in ("lower", "upper", "work"):
        (base / name).mkdir()
    options += f"lowerdir={base}/lower,upperdir={base}/upper,workdir={base}/work"
    with mounted(base.parent / "overlay", "-t", "overlay", "-o", options, "overlay") as disk:
        yield disk


@contextmanager
def overlay_on_disk(place: Path) -> Iterator[Path]:
    with ext4(place) as base, overlay(base) as disk:
        yield disk


@contextmanager
def overlay_in_memory(place: Path) -> Iterator[Path]:
    with tmpfs(place) as base, overlay(base) as disk:
        yield disk


@contextmanager
def bindfs(place: Path) -> Iterator[Path]:
    require(shutil.which("bindfs"), "needs the program bindfs")
    (place / "source").mkdir()
    with mounted(place / "disk", "-t", "fuse.bindfs", place / "source") as disk:
        yield disk


@pytest.mark.parametrize(
    ("disk", "broken", "said"),
    [
        (ext4, set(), "ext4, mounted on"),
        (tmpfs, {"file_system"}, "nothing outlasts a restart"),
        (overlay_on_disk, set(), "what is written there goes to ext4, mounted on"),
        (overlay_in_memory, {"file_system"}, "nothing outlasts a restart"),
        # bindfs loses sight of a name for an instant while it is renamed: not each run has the luck to see it.
        (bindfs, {"file_system", "rename"}, "what its program makes of it"),
    ],
    ids=["ext4", "tmpfs", "overlayfs", "overlayfs in memory", "FUSE"],
)
def test_real_file_system_is_told_for_what_it_is(disk: Any, broken: set[str], said: str, tmp_path: Path) -> None:
    """A report names each promise that the file system breaks, or that nobody can vouch for, and no other one."""
    with disk(tmp_path) as place:
        path = place / "state.json"
        put(path, "kept")
        gc.collect()  # what earlier tests have left open shall not be closed meanwhile
        before = inside(place), path.stat(), descriptors()
        report = atomic_store.check(path)
        print(report)
        assert (inside(place), path.stat(), descriptors()) == before
        assert list(report.promises) == PROMISES
        found = {name for name, kept in report.promises.items() if not kept}
        assert "file_system" in found or not found
        assert found <= broken
        assert found | {"rename"} == broken | {"rename"}
        assert bool(report) == (not found)
        assert said in str(report)
        assert atomic_store.open(path).value == "kept"


def test_report_is_text_for_a_person_and_bools_for_a_program() -> None:
    """It is true if every promise is kept; its text names the place, what is broken, and each promise on a line."""
    good = Finding("locks", True, "they lock")
    report = Report("a.json", [good, Finding("file_system", False, "it is memory")])
    assert not report
    assert (report["locks"], report["file_system"]) == (True, False)
    assert str(report).splitlines() == [
        "'a.json' cannot be relied on for: file_system",
        "  yes locks        they lock",
        "  NO  file_system  it is memory",
    ]
    assert repr(report) == "<Report on 'a.json': {'locks': True, 'file_system': False}>"
    assert "NOT kept" in repr(report.findings[1])
    fine = Report("a.json", [good])
    assert fine
    assert "kept, they lock" in repr(fine.findings[0])
    assert str(fine).startswith("'a.json' keeps every promise\n")


def test_place_that_nobody_can_check_is_no_good_report() -> None:
    """A place without a probe, or none at all, is an error, not an empty report that passes for a good one."""
    with pytest.raises(NotImplementedError, match="Memory"):
        atomic_store.check(Memory())
    with pytest.raises(LocationError):
        atomic_store.check("directory/")


@pytest.mark.parametrize(("make", "number"), [("directory", errno.EISDIR), ("loop", errno.ELOOP), ("fifo", errno.EINVAL)])
def test_what_is_no_files_place_is_an_error(make: str, number: int, tmp_path: Path) -> None:
    """A directory, a loop of links, a pipe: the error names the path, and nothing was tried."""
    path = tmp_path / "a"
    if make == "directory":
        path.mkdir()
    elif make == "loop":
        path.symlink_to("a")
    else:
        os.mkfifo(path)
    with pytest.raises(OSError) as caught:
        atomic_store.check(path)
    assert (caught.value.errno, caught.value.filename) == (number, path)
    assert inside(tmp_path) == ["a"]


def test_link_is_checked_where_it_leads(tmp_path: Path) -> None:
    """What counts is the file system of the real file, not that of the link to it."""
    link = tmp_path / "link"
    link.symlink_to("disk/real.json")
    with tmpfs(tmp_path):
        assert "tmpfs" in str(atomic_store.check(link))


# --- places that break a promise ---


def test_directory_that_does_not_exist_is_told(tmp_path: Path) -> None:
    """Where the directory is missing, the report says so, and nothing is made."""
    report = atomic_store.check(tmp_path / "missing" / "state.json")
    assert "No such file or directory" in str(report)
    assert [name for name, kept in report.promises.items() if kept] in ([], ["file_system"])
    assert inside(tmp_path) == []


def test_directory_without_the_right_to_write_is_told() -> None:
    """Who may not write to the directory gets a report that says so, and that nothing else could be tried."""
    with public_directory() as place:
        put(place / "state.json", 1)
        report = in_child(lambda: str(atomic_store.check(place / "state.json")), ALICE)
        assert "NO  access" in report
        assert "Permission denied" in report
        assert report.count("not tried") == len(PROMISES) - 2


def test_file_that_cannot_be_read_is_told() -> None:
    """Who may write to the directory, but not read the file, could not use the place."""
    with public_directory() as place:
        put(place / "state.json", 1)
        (place / "state.json").chmod(0o600)
        place.chmod(0o777)
        assert not in_child(lambda: atomic_store.check(place / "state.json").promises, ALICE)["access"]
        assert inside(place) == ["state.json"]


def test_missing_directory_is_told_by_the_name_that_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The report says which directory is missing, and names the path as it was spelled, not an unknown scratch directory."""
    monkeypatch.chdir(tmp_path)
    report = atomic_store.check("no such directory/state.json")
    assert not report["access"]
    missing = f"the directory '{tmp_path}/no such directory' does not exist: 'no such directory/state.json'"
    assert missing in str(report)
    assert ".check" not in str(report)


def test_file_mounted_by_itself_is_told(tmp_path: Path) -> None:
    """A single file that is mounted into a container can be read, and not replaced: the report says what to mount."""
    (tmp_path / "source.json").write_text("1")
    path = tmp_path / "state of all.json"
    path.touch()
    with mounted(path, "--bind", tmp_path / "source.json"):
        report = atomic_store.check(path)
        assert not report["rename"]
        assert "mount its directory instead" in str(report)
    assert inside(tmp_path) == ["source.json", "state of all.json"]


def breaking(monkeypatch: pytest.MonkeyPatch, where: str, instead: Any) -> None:
    monkeypatch.setattr(f"atomic_store.locations.{where}", instead)


def by_copying(source: str, target: str) -> None:
    with open(source, "rb") as old, open(target, "wb") as new:
        for byte in iter(lambda: old.read(1000), b""):
            new.write(byte)
            new.flush()
        time.sleep(0.002)  # long enough for a reader that never rests
        new.truncate(100)
        time.sleep(0.002)
        new.seek(0)
        old.seek(0)
        new.write(old.read())
    os.unlink(source)


def by_deleting_first(source: str, target: str) -> None:
    os.unlink(target)
    time.sleep(0.002)
    os.link(source, target)
    os.unlink(source)


def hard_links_cost_nothing(source: str, target: str) -> None:
    shutil.copy(source, target)


def refuse(number: int) -> Callable[..., Any]:
    def refusing(*arguments: Any, **keywords: Any) -> Any:
        raise OSError(number, os.strerror(number))

    return refusing


def only_directories_refuse(number: int) -> Callable[[int], None]:
    def fsync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            refuse(number)()

    return fsync


class Spoilt:
    """Stands in for `os` in the probe: one call does something else."""

    def __init__(self, name: str, instead: Any) -> None:
        self._instead = {name: instead}

    def __getattr__(self, name: str) -> Any:
        return self._instead.get(name) or getattr(os, name)


@pytest.mark.parametrize(
    ("call", "instead", "promise", "said"),
    [
        ("replace", by_copying, "rename", "a reader saw a part of a value"),
        ("replace", by_deleting_first, "rename", "a reader saw no file at all"),
        ("replace", refuse(errno.EXDEV), "rename", os.strerror(errno.EXDEV)),
        ("link", refuse(errno.EPERM), "create", "no hard links"),
        ("link", hard_links_cost_nothing, "create", "is overwritten"),
        ("fsync", only_directories_refuse(errno.EINVAL), "directory_sync", "cannot be synced"),
        ("fsync", only_directories_refuse(errno.EIO), "directory_sync", os.strerror(errno.EIO)),
        ("setxattr", refuse(errno.EIO), "attributes", os.strerror(errno.EIO)),
        ("getxattr", lambda *_, **__: b"lost", "attributes", "was lost in a commit"),
    ],
)
def test_broken_promise_is_found(
    call: str, instead: Any, promise: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Control: a file system that breaks one promise, by a stand-in for one system call, is told for exactly that one."""
    monkeypatch.setattr(seams.probe, "os", Spoilt(call, instead))
    report = atomic_store.check(tmp_path / "state.json")
    assert [name for name, kept in report.promises.items() if not kept] in ([promise], [promise, "file_system"])
    assert said in str(report)
    assert inside(tmp_path) == []


def test_reader_that_loses_the_old_value_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: where replacing a file takes it from those who are reading it, the report says so."""

    def emptying(source: str, target: str) -> None:
        before = os.open(target, os.O_WRONLY)
        os.replace(source, target)
        os.truncate(before, 0)
        os.close(before)

    monkeypatch.setattr(seams.probe, "os", Spoilt("replace", emptying))
    monkeypatch.setattr(
        seams.probe, "READER", "import os; os.write(1, b'reading\\n'); os.read(0, 1); os.write(1, b'whole\\n')"
    )
    report = atomic_store.check(tmp_path / "state.json")
    assert not report["rename"]
    assert "whoever had the old value open" in str(report)


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        (["refused"], "cannot take a lock that is free"),
        (["locked"], "was given to this one as well"),
        (["", "locked"], "was given to another one as well"),
    ],
)
def test_locks_that_keep_nobody_out_are_told(
    answers: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Control: another process that is told the wrong thing about a lock shows that there are none between processes."""
    liar = "import os, sys; os.write(1, sys.argv[2].encode() + b'\\n'); os.read(0, 1)"
    told = iter(answers)

    class Liar(seams.probe.Second):
        def __init__(self, source: str, *arguments: str) -> None:
            answer = next(told) if source == seams.probe.LOCKER else ""
            super().__init__(liar if answer else source, *arguments, answer)

    monkeypatch.setattr(seams.probe, "Second", Liar)
    report = atomic_store.check(tmp_path / "state.json")
    assert not report["locks"]
    assert said in str(report)
    assert inside(tmp_path) == []


def test_mode_that_is_lost_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: a commit that does not keep the mode is told, with both; one that cannot be set is none that is lost."""
    seams.keep_no_attributes(monkeypatch)
    report = atomic_store.check(tmp_path / "state.json")
    assert (report["mode"], report["attributes"]) == (False, False)
    assert "-rw-r----- " in str(report)
    monkeypatch.undo()
    monkeypatch.setattr(seams.probe, "os", Spoilt("chmod", refuse(errno.EPERM)))
    assert atomic_store.check(tmp_path / "state.json")["mode"]


def test_file_system_without_attributes_loses_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where files cannot have attributes of users, the promise to keep them is kept, and the text says why."""
    monkeypatch.setattr(seams.probe, "os", Spoilt("setxattr", refuse(errno.ENOTSUP)))
    report = atomic_store.check(tmp_path / "state.json")
    assert report["attributes"]
    assert "none to lose" in str(report)


@pytest.mark.parametrize(
    ("line", "kept", "said"),
    [
        ("1 1 8:1 / / rw - ext4 /dev/sda1 rw", True, "ext4, mounted on '/'"),
        ("1 1 8:1 / / rw shared:1 - ext4 /dev/sda1 rw,nobarrier", False, "with the option nobarrier"),
        ("1 1 8:1 / / rw - overlay overlay rw,upperdir=/no/such,volatile", False, "syncs do nothing"),
        ("1 1 8:1 / / rw - overlay overlay rw,upperdir=/no/such", True, "as durable as the file system below"),
        ("1 1 8:1 / / rw - overlay overlay rw,upperdir=/", True, "as durable as the file system below"),
        ("1 1 8:1 / / rw - nfs4 host:/export rw", False, "a network file system"),
        ("1 1 8:1 / / rw - cifs //host/share rw", False, "a network file system"),
        ("1 1 8:1 / / rw - fuse.sshfs host: rw", False, "what its program makes of it"),
        ("1 1 8:1 / / rw - vfat /dev/sdb1 rw", False, "it has no journal"),
        ("1 1 8:1 / / rw - newfs none rw", False, "nothing was tested on it"),
        ("1 1 8:1 / /a\\040b rw - tmpfs none rw", False, "cannot be found out"),
        ("1 1 8:1 / / rw - ext4 x rw\n1 1 8:1 / /TMP rw - xfs x rw", True, "xfs, mounted on '/TMP'"),
        ("1 1 8:1 / / rw - ext4 x rw\n1 1 8:1 / /TMP rw - xfs x rw\n1 1 8:1 / /TMP rw - btrfs x rw", True, "btrfs"),
        ("1 1 8:1 / / rw - ext4 x rw\n1 1 8:1 / /TM rw - xfs x rw", True, "ext4, mounted on '/'"),
        (None, False, "cannot be found out on this system"),
    ],
)
def test_each_type_of_file_system_is_known_by_its_mount(
    line: str | None, kept: bool, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The type and the options are those of the innermost, last mount; what is not known is no promise."""
    table = tmp_path / "mountinfo"
    if line is not None:
        table.write_text(line.replace("TMP", str(tmp_path)[1:]) + "\n")
    real_open = open
    monkeypatch.setattr(seams.probe, "open", lambda path, *how, **more: real_open(table, *how, **more), raising=False)
    found, text = seams.probe.file_system(str(tmp_path / "state.json"))
    assert (found, said.replace("TMP", str(tmp_path)[1:]) in text) == (kept, True), text


def test_guarantees_name_each_file_system_that_check_knows() -> None:
    """What the report says of a file system stands in docs/guarantees.md too."""
    page = (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8")
    assert [name for name in seams.probe.FILE_SYSTEMS if f"`{name}`" not in page] == []


# --- nothing is left behind ---


@pytest.mark.parametrize("where", ["rename", "create", "directory_sync", "locks", "mode", "attributes"])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), MemoryError()], ids=repr)
def test_interrupted_check_leaves_nothing(
    where: str, error: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C, or an error that nobody expects, ends the check at once; no file, no process and no descriptor stays."""

    def interrupted(scratch: Any) -> Any:
        raise error

    monkeypatch.setattr(seams.probe.Scratch, where, interrupted)
    before = descriptors()
    with pytest.raises(type(error)):
        atomic_store.check(tmp_path / "state.json")
    assert (inside(tmp_path), descriptors()) == ([], before)


def test_interrupt_while_the_other_process_is_at_work_ends_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while the check waits for the other process ends that process too."""
    started: list[Any] = []

    def interrupted(second: Any) -> str:
        started.append(second.process)
        raise KeyboardInterrupt

    monkeypatch.setattr(seams.probe.Second, "hear", interrupted)
    before = descriptors()
    with pytest.raises(KeyboardInterrupt):
        atomic_store.check(tmp_path / "state.json")
    assert started[0].returncode is not None
    assert (inside(tmp_path), descriptors()) == ([], before)


def test_scratch_that_cannot_be_removed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the removal fails, the report, or a note of the error that ends the check, says which directory stays."""
    monkeypatch.setattr("shutil.rmtree", refuse(errno.EBUSY))
    report = atomic_store.check(tmp_path / "state.json")
    assert not report["access"]
    (left,) = inside(tmp_path)
    assert left in str(report)
    monkeypatch.setattr(seams.probe.Scratch, "mode", lambda self: 1 / 0)
    with pytest.raises(ZeroDivisionError) as caught:
        atomic_store.check(tmp_path / "state.json")
    assert any("could not be removed" in note for note in caught.value.__notes__)


@pytest.mark.parametrize("executable", ["", None, "/no/such/python"])
def test_missing_second_process_is_told(executable: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a Python to start, what needs two processes is not known to be kept, and the rest is tried all the same."""
    monkeypatch.setattr(sys, "executable", executable)
    report = atomic_store.check(tmp_path / "state.json")
    assert (report["rename"], report["locks"], report["create"], report["mode"]) == (False, False, True, True)
    assert inside(tmp_path) == []


def test_program_that_was_frozen_does_not_start_itself_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a frozen program sys.executable is the program: it is not run as if it were a Python."""
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert "there is no Python to start" in str(atomic_store.check(tmp_path / "state.json"))


@pytest.mark.parametrize("source", ["", "import time; time.sleep(60)"], ids=["dies", "hangs"])
def test_silent_second_process_is_told(source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second process that dies or hangs is ended, and what it was for is not known to be kept."""
    monkeypatch.setattr(seams.probe, "READER", source)
    monkeypatch.setattr(seams.probe, "PATIENCE", 1 if source else 30)
    report = atomic_store.check(tmp_path / "state.json")
    assert not report["rename"]
    assert report["locks"] or source, "on a busy machine a second is too short for a Python to start"
    assert "has ended, or hangs" in str(report)


def test_name_of_the_scratch_fits_beside_every_file(tmp_path: Path) -> None:
    """A file whose name has 255 bytes, the most there can be, can be checked as well."""
    assert atomic_store.check(LocalFile(tmp_path / ("n" * 255)))["rename"]
    assert inside(tmp_path) == []
