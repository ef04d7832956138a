"""One local file: what is refused at open(), where links lead, which names work, what a commit costs."""

from __future__ import annotations

import errno
import fcntl
import io
import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import seams
from faults import descriptors
from machine import BOB, in_child, public_directory, put, tool
from support import require

import atomic_store
from atomic_store import LocalFile, LocationError, UncertainCommitError
from atomic_store.locations.base import ANY

# --- open() refuses what is no store, and never takes it for an empty one --------------------------------------------


def a_fifo(path: Path) -> None:
    os.mkfifo(path)


def a_socket(path: Path) -> None:
    # By a short name: that of a socket has at most 107 bytes, and a temporary directory's may have more.
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(f"/proc/self/fd/{directory}/{path.name}")
    finally:
        os.close(directory)


def a_device(path: Path) -> None:
    require(os.geteuid() == 0, "needs root to make a device node")
    os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 5))  # what /dev/zero is: reading it never ends


@pytest.mark.parametrize("linked", [False, True])
@pytest.mark.parametrize("make", [a_fifo, a_socket, a_device])
def test_special_file_neither_hangs_open_nor_is_replaced(make: Callable[[Path], None], linked: bool, tmp_path: Path) -> None:
    """A pipe, socket or device is an error at open() that names the path, and also at a commit that meets one later."""
    special = tmp_path / "special"
    path = tmp_path / "state.json" if linked else special
    store = atomic_store.open(path, 1)
    make(special)
    if linked:
        path.symlink_to("special")
    before = special.lstat()
    for action in (lambda: atomic_store.open(path, 1), store.commit, store.reload, store.delete):
        with pytest.raises(OSError) as caught:
            in_child(action)
        assert caught.value.filename == path
        assert caught.value.errno in (errno.EINVAL, errno.ENXIO)
    assert special.lstat() == before


def test_directory_is_no_empty_store(tmp_path: Path) -> None:
    """A directory at the path, or one that a link leads to, is an error at open() and at a commit."""
    path, link = tmp_path / "state.json", tmp_path / "link.json"
    link.symlink_to("state.json")
    stores = [atomic_store.open(name, 1) for name in (path, link)]
    path.mkdir()
    for store in stores:
        for action in (lambda store=store: atomic_store.open(store.path, 1), store.commit, store.delete):
            with pytest.raises(IsADirectoryError, match="directory") as caught:
                action()
            assert caught.value.filename == store.path
    assert os.listdir(path) == []


@pytest.mark.parametrize("name", ["", "there/", "there/.", "there/..", ".", "..", "/", "new\0.json", "\0"])
def test_path_that_names_no_file_is_refused_before_any_io(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A path that is empty, ends in a slash or dots, or has a NUL can never name a file: LocationError, a ValueError."""
    monkeypatch.chdir(tmp_path)
    for path in (name, name.encode(), Path(name) if name and not name.endswith((".", "/")) else name):
        with pytest.raises(LocationError) as caught:
            atomic_store.open(path, 1)
        assert isinstance(caught.value, ValueError)
        assert (repr(path) if name else "is empty") in str(caught.value)
    assert os.listdir(tmp_path) == []


def test_name_that_the_system_cannot_spell_is_refused_before_any_io() -> None:
    """Half a surrogate pair is no file name under any encoding: LocationError, a ValueError, with the reason."""
    with pytest.raises(LocationError, match="cannot be encoded") as caught:
        atomic_store.open("state-\ud800.json", 1)
    assert isinstance(caught.value.__cause__, UnicodeEncodeError)


@pytest.mark.parametrize("path", [0, 1, True, False, None, 1.5, ["state.json"]])
def test_number_is_no_path_and_no_descriptor(path: Any) -> None:
    """Something else than a path is a TypeError that shows it: no descriptor of the program is adopted and closed."""
    with pytest.raises(TypeError, match=re.escape(repr(path))):
        atomic_store.open(path, 1)
    os.fstat(1)


@pytest.mark.parametrize("mode", ["0o600", 6.0, True, False])
def test_something_else_is_no_mode(mode: Any) -> None:
    """What is no number, and True, which is one by accident, is refused as mode= with a TypeError that shows it."""
    with pytest.raises(TypeError, match=re.escape(repr(mode))):
        LocalFile("state.json", mode=mode)


@pytest.mark.parametrize("mode", [-1, 0o1000, 0o4755, 600])
def test_mode_that_means_something_else_is_refused(mode: int) -> None:
    """Only permission bits make a mode=: no set-id bits, no sticky bit, and no 600 that was meant as 0o600."""
    with pytest.raises(LocationError, match="0o777"):
        LocalFile("state.json", mode=mode)


def test_location_shows_what_it_was_made_of() -> None:
    """The representation of a LocalFile is the call that makes it again."""
    for place in (LocalFile("state.json"), LocalFile(b"state.json", mode=0o600, follow_symlinks=False)):
        assert repr(eval(repr(place))) == repr(place)
        assert repr(place.path) in repr(place)


def test_open_file_is_no_path(tmp_path: Path) -> None:
    """An open file in place of its path is a TypeError, and stays open."""
    with open(tmp_path / "state.json", "w", encoding="utf-8") as file:
        with pytest.raises(TypeError, match="not an open file"):
            atomic_store.open(file, 1)  # type: ignore[call-overload]  # the mistake that is tested
        file.write("1")


def test_over_long_name_fails_at_open_and_not_at_the_first_commit(tmp_path: Path) -> None:
    """A name of 256 bytes, or a path longer than the system takes, is an error at open() that names it."""
    for path in (tmp_path / ("x" * 256), tmp_path / "/".join(["y" * 250] * 17)):
        with pytest.raises(OSError) as caught:
            atomic_store.open(path, 1)
        assert (caught.value.errno, caught.value.filename) == (errno.ENAMETOOLONG, path)


def test_file_in_place_of_a_directory_is_no_empty_store(tmp_path: Path) -> None:
    """A path that goes on behind a plain file is an error at open()."""
    (tmp_path / "state.json").write_text("1")
    path = tmp_path / "state.json" / "state.json"
    with pytest.raises(NotADirectoryError) as caught:
        atomic_store.open(path, 1)
    assert caught.value.filename == path


@pytest.mark.parametrize("follow", [True, False])
def test_loop_of_links_is_no_empty_store(follow: bool, tmp_path: Path) -> None:
    """Links that lead nowhere but to each other are an error at open(), and stay."""
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OSError) as caught:
        atomic_store.open(LocalFile(tmp_path / "a", follow_symlinks=follow), 1)
    assert (caught.value.errno, caught.value.filename) == (errno.ELOOP, tmp_path / "a")
    assert [(tmp_path / name).readlink() for name in "ab"] == [Path("b"), Path("a")]


def test_missing_directory_is_reported_by_the_commit(tmp_path: Path) -> None:
    """A missing parent directory gives the default at open(); the commit names the path and makes nothing."""
    path = tmp_path / "missing" / "state.json"
    store = atomic_store.open(path, {"n": 1})
    assert (store.value, store.stored) == ({"n": 1}, False)
    with pytest.raises(FileNotFoundError) as caught:
        store.commit()
    assert caught.value.filename == path
    assert os.listdir(tmp_path) == []
    store.delete()
    path.parent.mkdir()
    store.commit()
    assert path.read_text() == '{"n": 1}'


@pytest.mark.parametrize("target", ["missing/", "missing/state.json", "plain/"])
def test_link_that_cannot_lead_to_a_file_writes_nothing_elsewhere(target: str, tmp_path: Path) -> None:
    """A link into a missing directory or through a plain file ends in an error, and nothing is made or replaced."""
    (tmp_path / "plain").write_text("1")
    path = tmp_path / "state.json"
    path.symlink_to(target)
    with pytest.raises((FileNotFoundError, NotADirectoryError)) as caught:
        put(path, 2)
    assert caught.value.filename == path
    assert sorted(os.listdir(tmp_path)) == ["plain", "state.json"]
    assert (tmp_path / "plain").read_text() == "1"


def test_pipe_behind_a_magic_link_is_no_empty_store() -> None:
    """What /dev/stdin and the shell's <(...) give, a link that only the kernel can follow, is an error at open()."""
    require(os.path.isdir("/proc/self/fd"), "needs /proc")
    ends = os.pipe()
    try:
        path = f"/proc/self/fd/{ends[0]}"
        with pytest.raises(OSError) as caught:
            atomic_store.open(path, 1)
        assert (caught.value.errno, caught.value.filename) == (errno.EINVAL, path)
    finally:
        for end in ends:
            os.close(end)


def test_deleted_file_behind_a_magic_link_is_no_empty_store(tmp_path: Path) -> None:
    """A link to an open but deleted file is not taken for an empty store, nor for a file of another name."""
    require(os.path.isdir("/proc/self/fd"), "needs /proc")
    with open(tmp_path / "gone.json", "w+b") as file:
        os.unlink(file.name)
        path = f"/proc/self/fd/{file.fileno()}"
        with pytest.raises(OSError) as caught:
            atomic_store.open(path, 1)
        assert caught.value.filename == path
    assert os.listdir(tmp_path) == []


# --- the path means one file, for as long as the store lives ---------------------------------------------------------


def test_chdir_between_open_and_commit_moves_no_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path means the directory that was current at open(); `store.path` keeps the program's spelling."""
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    for path in ("state.json", b"state.json", Path("state.json")):
        monkeypatch.chdir(here)
        store = atomic_store.open(path, 1)
        monkeypatch.chdir(there)
        store.value = repr(path)
        store.commit()
        assert (store.path, store.reload()) == (path, repr(path))
        assert json.loads((here / "state.json").read_bytes()) == repr(path)
    assert os.listdir(there) == []


def test_lost_current_directory_harms_no_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a deleted current directory absolute paths work; a relative one is an error that names it, not the default."""
    lost = tmp_path / "lost"
    lost.mkdir()
    monkeypatch.chdir(lost)
    lost.rmdir()
    put(tmp_path / "state.json", 1)
    assert (tmp_path / "state.json").read_text() == "1"
    with pytest.raises(FileNotFoundError) as caught:
        atomic_store.open("state.json", 1)
    assert caught.value.filename == "state.json"


def add_twice(**options: Any) -> None:
    """Add 1 twice to what a relative path names, which is missing at first."""
    for _ in range(2):
        with atomic_store.open("state.json", default=0, **options) as store:
            store.value += 1


EACH_OPTION = pytest.mark.parametrize("options", [{}, {"lock": True}, {"on_conflict": "raise"}], ids=str)


@EACH_OPTION
def test_closed_way_to_the_current_directory_harms_no_relative_path(
    options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a directory above the current one may not be searched, relative paths work as with open()."""
    with public_directory() as place, monkeypatch.context() as patch:
        here = place / "closed" / "here"
        here.mkdir(parents=True)
        here.chmod(0o777)
        here.parent.chmod(0o700)
        patch.chdir(here)
        in_child(lambda: add_twice(**options), BOB)
        assert (here / "state.json").read_text() == "2"
        with pytest.raises(PermissionError):
            in_child(lambda: atomic_store.open(here / "state.json"), BOB)


@EACH_OPTION
def test_long_way_to_the_current_directory_harms_no_relative_path(options: dict[str, Any], tmp_path: Path) -> None:
    """Where the path of the current directory is longer than the system takes, relative paths work, as with open()."""

    def work() -> int:
        os.chdir(tmp_path)
        for _ in range(20):
            os.mkdir("x" * 250)
            os.chdir("x" * 250)
        add_twice(**options)
        return int(Path("state.json").read_text())

    assert in_child(work) == 2


@pytest.mark.parametrize("when", ["before the commit", "during dump"])
def test_directory_removed_meanwhile_is_an_error_that_names_the_path(when: str, tmp_path: Path) -> None:
    """A commit into a directory that was removed fails with the path, and does not bring the directory back."""
    path = tmp_path / "gone" / "state.json"
    path.parent.mkdir()
    put(path, 1)

    def remove() -> None:
        for name in os.listdir(path.parent):
            (path.parent / name).unlink()
        path.parent.rmdir()

    class Removing:
        @staticmethod
        def dumps(value: object) -> str:
            if when == "during dump":
                remove()
            return json.dumps(value)

        loads = staticmethod(json.loads)

    store = atomic_store.open(path, format=Removing)
    if when == "before the commit":
        remove()
    with pytest.raises(FileNotFoundError) as caught:
        store.commit()
    assert caught.value.filename == path
    assert not getattr(caught.value, "__notes__", [])[1:], "the temp that went with its directory was not left behind"
    assert os.listdir(tmp_path) == []


# --- symbolic links --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("exists", [True, False])
@pytest.mark.parametrize("absolute", [True, False])
@pytest.mark.parametrize("target", ["beside.json", "other/state.json", "../up.json"])
def test_link_stays_and_its_target_is_replaced(target: str, absolute: bool, exists: bool, tmp_path: Path) -> None:
    """A commit through a link, dangling or not, writes where it leads, and no hidden file appears beside the link."""
    home = tmp_path / "home"
    (home / "other").mkdir(parents=True)
    link, file = home / "state.json", Path(os.path.normpath(home / target))
    link.symlink_to(file if absolute else target)
    if exists:
        file.write_text("1")
    store = atomic_store.open(link, 0)
    assert store.value == int(exists)
    for value in (2, 3):
        store.value = value
        store.commit()
        assert file.read_text() == str(value)
        assert not file.is_symlink()
        assert link.readlink() == (file if absolute else Path(target))
    store.delete()
    assert link.is_symlink()
    assert not file.exists()
    assert sorted(os.listdir(home)) == ["other", "state.json"]


def test_chain_of_links_through_directories_is_followed_link_by_link(tmp_path: Path) -> None:
    """Each relative link of a chain counts from its own directory, though that is itself reached through a link."""
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "short").symlink_to("deep/er")
    (tmp_path / "a").symlink_to("short/b")
    (tmp_path / "deep" / "er" / "b").symlink_to("../c")  # from deep/er, where the kernel stands, not from short
    (tmp_path / "deep" / "c").symlink_to(tmp_path / "end.json")
    put(tmp_path / "a", 1)
    assert (tmp_path / "end.json").read_text() == "1"
    assert sorted(os.listdir(tmp_path)) == ["a", "deep", "end.json", "short"]


def test_longest_chain_that_the_kernel_follows_is_followed(tmp_path: Path) -> None:
    """40 links in a row work as they do for the system's own open(); the 41st is one too many for both."""
    path = tmp_path / "0"
    for number in range(40):
        (tmp_path / str(number)).symlink_to(str(number + 1))
    (tmp_path / "40").write_text("1")
    assert path.read_text() == "1"
    put(path, 2)
    assert (tmp_path / "40").read_text() == "2"
    (tmp_path / "first").symlink_to("0")
    for open_ in (os.open, atomic_store.open):
        with pytest.raises(OSError) as caught:
            open_(tmp_path / "first", os.O_RDONLY)
        assert caught.value.errno == errno.ELOOP


def test_link_that_moves_between_open_and_commit_is_obeyed(tmp_path: Path) -> None:
    """Links are followed at each commit: a new target gets the value, the old one is left alone."""
    link = tmp_path / "current"
    for name in ("one", "two"):
        (tmp_path / name).write_text("0")
    link.symlink_to("one")
    store = atomic_store.open(link)
    link.unlink()
    link.symlink_to("two")
    store.value = 2
    store.commit()
    assert [(tmp_path / name).read_text() for name in ("one", "two")] == ["0", "2"]


@pytest.mark.parametrize("on_conflict", ["overwrite", "raise"])
@pytest.mark.parametrize("exists", [True, False])
def test_link_that_shall_not_be_followed_is_replaced(exists: bool, on_conflict: str, tmp_path: Path) -> None:
    """With follow_symlinks=False a file takes the link's place, with its target's mode; the target is left alone."""
    link, file = tmp_path / "state.json", tmp_path / "file.json"
    if exists:
        file.write_text("1")
        file.chmod(0o640)
    link.symlink_to("file.json")
    store = atomic_store.open(LocalFile(link, follow_symlinks=False), 0, on_conflict=on_conflict)
    assert store.value == int(exists)
    store.value = 2
    store.commit()
    assert not link.is_symlink()
    assert link.read_text() == "2"
    if exists:
        assert file.read_text() == "1"
        assert stat.S_IMODE(link.stat().st_mode) == 0o640
    assert not list(tmp_path.glob(".*.tmp"))


def test_hard_link_breaks_as_documented(tmp_path: Path) -> None:
    """Replacing a file parts it from its other names: they keep the old content, whole."""
    path, other = tmp_path / "state.json", tmp_path / "other.json"
    path.write_text("1")
    other.hardlink_to(path)
    put(path, 2)
    assert (path.read_text(), other.read_text()) == ("2", "1")
    assert path.stat().st_nlink == other.stat().st_nlink == 1


# --- names -----------------------------------------------------------------------------------------------------------

NAMES = {
    "longest": "x" * 255,
    "longest, of two-byte characters": "é" * 127 + "x",
    "longest, of four-byte characters": "\N{SNAKE}" * 63 + "xyz",
    "longest, hidden": "." + "x" * 254,
    "no UTF-8": os.fsdecode(b"\xff\xfe\x80.json"),
    "longest, no UTF-8": os.fsdecode(b"\xff" * 255),
    "newline, quotes, blanks": " \n'\"\t.json ",
    "looks like a temp": ".state.json.0123456789abcdef.tmp",
    "dots": "...",
    "tilde": "~",
    "looks like an option": "-rf",
    "looks like a pattern": "*[a-z]?.json",
}


@pytest.mark.parametrize("lock", [False, True])
@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_no_name_that_the_disk_takes_is_refused(name: str, lock: bool, tmp_path: Path) -> None:
    """Each name is read, created, replaced and deleted, as str, bytes and os.PathLike, and nothing else is left."""
    raw = os.fsencode(tmp_path / name)
    for number, path in enumerate([os.fsdecode(raw), raw, tmp_path / name]):
        for value in (number, -number):
            put(path, value, lock=lock)
            with open(raw, "rb") as file:
                assert file.read() == str(value).encode()
        assert [found for found in os.listdir(tmp_path) if not found.endswith(".lock")] == [name]
    atomic_store.open(raw, lock=lock).delete()
    assert [found for found in os.listdir(tmp_path) if not found.endswith(".lock")] == []


def test_home_made_path_object_is_a_path(tmp_path: Path) -> None:
    """Anything with __fspath__ is a path, be it of str or bytes; errors and `store.path` give the object itself."""

    class Place:
        def __init__(self, path: str | bytes) -> None:
            self._path = path

        def __fspath__(self) -> Any:
            return self._path

    raws: list[str | bytes] = [os.fspath(tmp_path / "state.json"), os.fsencode(tmp_path / "state.json")]
    for number, raw in enumerate(raws):
        place = Place(raw)
        put(place, number)
        assert atomic_store.open(place).path is place
        assert (tmp_path / "state.json").read_text() == str(number)


# --- what a commit costs, and what it leaves -------------------------------------------------------------------------

COUNTED = """
import os, sys
import atomic_store

store = atomic_store.open(sys.argv[1])
for value in range(2):  # the first one pays for the imports
    store.value = {"n": value}
    os.access("/begin", os.F_OK)
    store.commit()
    os.access("/end", os.F_OK)
"""


def test_commit_makes_no_needless_system_call(tmp_path: Path) -> None:
    """A small value that replaces a plain file takes at most 14 system calls, 2 of them syncs.

    Its temp is opened once, and closed before it is renamed: some systems rename nothing that is open.
    """
    path, trace = tmp_path / "state.json", tmp_path / "trace"
    path.write_text("{}")
    path.chmod(0o644)
    tool("strace", "-o", trace, sys.executable, "-c", COUNTED, path)
    last = trace.read_text().rpartition("/begin")[2].partition("/end")[0]
    calls = re.findall(r"^(\w+)\((.*)", last, re.MULTILINE)[:-1]  # the last is the marker itself
    # When the interpreter asks for memory is its own affair.
    calls = [call for call in calls if call[0] not in ("brk", "mmap", "munmap", "mremap", "madvise")]
    names = [name for name, _ in calls]
    assert "rename" in names or "renameat" in names or "renameat2" in names, last
    assert len(calls) <= 14, last
    assert len([name for name in names if name in ("fsync", "fdatasync", "sync_file_range", "sync", "syncfs")]) == 2, last
    [opened] = [call for call in calls if call[0].startswith("open") and ".tmp" in call[1]]
    temp = opened[1].rpartition(" = ")[2]
    renamed = next(index for index, name in enumerate(names) if name.startswith("rename"))
    assert names.index("close") < renamed, last
    assert calls[names.index("close")][1].startswith(f"{temp})"), last
    assert json.loads(path.read_bytes()) == {"n": 1}


def test_old_file_is_never_written_into(tmp_path: Path) -> None:
    """A commit puts a new inode in the place: whoever has the old file open goes on reading the old value."""
    path = tmp_path / "state.json"
    put(path, "old")
    before = path.stat()
    with path.open("rb") as reader:
        put(path, "new")
        assert reader.read() == b'"old"'
    after = path.stat()
    assert before.st_ino != after.st_ino
    assert before.st_mtime_ns <= after.st_mtime_ns
    assert after.st_nlink == 1


def test_temp_that_cannot_be_removed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a commit fails and its temp cannot be removed either, a note in the error of the commit names the temp."""
    path = tmp_path / "state.json"
    put(path, "old")

    def fail(*names: str, **_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO), *names[:1])

    with monkeypatch.context() as broken:
        broken.setattr(os, "replace", fail)
        broken.setattr(os, "unlink", fail)
        with pytest.raises(OSError) as caught:
            put(path, "new")
    [temp] = tmp_path.glob(".state.json.*.tmp")
    assert (caught.value.errno, caught.value.filename) == (errno.EIO, path)
    assert any(str(temp) in note and "could not be removed" in note for note in caught.value.__notes__)
    assert path.read_text() == '"old"'


def test_number_whose_close_has_failed_is_not_closed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """close(2) frees the number even where it fails: a second one would close the file that has got it since."""
    (tmp_path / "file").touch()
    descriptor = seams.tempfile.Descriptor()
    number = descriptor.open(str(tmp_path / "file"), os.O_RDONLY)

    def close(number: int) -> None:
        os.close(number)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as broken:
        broken.setattr(seams.tempfile, "os", SimpleNamespace(close=close))
        with pytest.raises(OSError):
            descriptor.close_fd()
    with (tmp_path / "file").open("rb") as stranger:
        assert stranger.fileno() == number
        descriptor.close()
        assert stranger.read() == b""


def test_dropped_writer_whose_close_fails_leaves_no_temp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever drops a half-written file hears of no error of its close; the temp is gone all the same."""
    writing = LocalFile(tmp_path / "state.json").replace()
    writing.__enter__().write(b"half")
    assert len(list(tmp_path.iterdir())) == 1

    def close(number: int) -> None:
        os.close(number)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(seams.tempfile, "os", SimpleNamespace(close=close, unlink=os.unlink))
    del writing
    assert list(tmp_path.iterdir()) == []


def test_writer_is_opened_as_that_of_atomicwrites(tmp_path: Path) -> None:
    """AtomicWriter's own interface, `with writer.open() as file`, publishes with all of a commit's care."""
    path = tmp_path / "state.json"
    place = LocalFile(path)
    put(path, 1)
    path.chmod(0o640)
    writer = place.replace()
    with writer as file:
        file.write(b"2")
        assert path.read_bytes() == b"1"
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"2", 0o640)
    with pytest.raises(ZeroDivisionError), place.replace() as file:
        file.write(b"3")
        raise ZeroDivisionError
    assert path.read_bytes() == b"2"
    assert len(list(tmp_path.iterdir())) == 1


# --- directories that cannot be synced -------------------------------------------------------------------------------


def failing_directory_sync(monkeypatch: pytest.MonkeyPatch, number: int) -> list[int]:
    """Let every fsync of a directory fail with this errno; the list that is returned counts them."""
    failed: list[int] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            failed.append(number)
            raise OSError(number, os.strerror(number))
        real(descriptor)

    monkeypatch.setattr("os.fsync", fsync)  # its own name for os.fsync
    return failed


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS])
def test_directory_that_has_no_fsync_stops_no_commit(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some file systems cannot sync a directory at all: commits and deletes go through there."""
    path = tmp_path / "state.json"
    failed = failing_directory_sync(monkeypatch, number)
    store = atomic_store.open(path)
    for value in (1, 2):
        store.value = value
        store.commit()
        assert path.read_text() == str(value)
    store.delete()
    assert len(failed) == 3
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("exists", [True, False])
def test_directory_whose_sync_fails_is_no_success(
    exists: bool, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A directory that fails to sync after the rename makes the commit uncertain; the new value is visible, whole."""
    path = tmp_path / "state.json"
    if exists:
        path.write_text("1")
    store = atomic_store.open(path, on_conflict="raise")
    store.value = 2
    with monkeypatch.context() as patch:
        failed = failing_directory_sync(patch, number)
        with pytest.raises(UncertainCommitError, match="visible") as caught:
            store.commit()
    assert failed == [number], "a failed fsync is not tried again"
    assert (caught.value.errno, caught.value.filename) == (number, path)
    assert path.read_text() == "2"
    assert not list(tmp_path.glob(".*.tmp"))
    store.value = 3
    store.commit()  # the store knows what is visible: its own value is no conflict
    assert path.read_text() == "3"
    with monkeypatch.context() as patch:
        failing_directory_sync(patch, number)
        with pytest.raises(UncertainCommitError) as caught:
            store.delete()
    assert (caught.value.errno, caught.value.filename) == (number, path)
    assert not path.exists()


# --- what a kernel answers now and then ---


def test_lease_on_the_file_is_waited_for(tmp_path: Path) -> None:
    """A file server holds a lease (fcntl(2)), which a non-blocking open() breaks with EAGAIN: open() waits, then reads."""
    path = tmp_path / "a.json"
    path.write_text("1")
    ready, told = os.pipe()
    child = os.fork()
    if child == 0:
        descriptor = os.open(path, os.O_RDWR)
        signal.signal(signal.SIGIO, lambda *_: fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK))
        try:
            fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_WRLCK)
            os.write(told, b"y")
        except OSError:
            os.write(told, b"n")
        signal.pause()
        os._exit(0)
    try:
        require(os.read(ready, 1) == b"y", "needs a file system with leases")
        assert atomic_store.open(path).value == 1
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(ready)
        os.close(told)


def test_file_that_stays_busy_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """EAGAIN from an open() that may wait is no lease: it is raised, with the path."""
    path = tmp_path / "a.json"
    path.write_text("1")

    def busy(*_: object, **__: object) -> int:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", busy)
        with pytest.raises(BlockingIOError) as caught:
            atomic_store.open(path)
    assert caught.value.filename == path


def test_file_that_grows_after_it_was_opened_is_read_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What another program writes between fstat() and read() is no torn value."""
    path = tmp_path / "a.json"
    path.write_text("[1")
    real = os.fstat

    def grown(descriptor: int) -> os.stat_result:
        status = real(descriptor)
        path.write_text("[1, 2, 3]")
        return status

    with monkeypatch.context() as patch:
        patch.setattr(os, "fstat", grown)
        assert atomic_store.open(path).value == [1, 2, 3]


def test_file_that_comes_in_pieces_is_read_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read(2) that gives less than was asked for, as it may, is no torn value."""
    path = tmp_path / "a.json"
    path.write_text("[1, 2, 3]")
    real = os.read
    with monkeypatch.context() as patch:
        patch.setattr(os, "read", lambda descriptor, size: real(descriptor, min(size, 2)))
        assert atomic_store.open(path).value == [1, 2, 3]


@pytest.mark.parametrize("number", [errno.ENOENT, errno.ESTALE], ids=errno.errorcode.get)
@pytest.mark.parametrize("call", ["open", "fstat"])
def test_file_that_is_missing_for_an_instant_is_asked_for_again(
    call: str, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What FUSE and NFS answer while a file is replaced is no missing file; if it stays so, an error, not the default."""
    path = tmp_path / "a.json"
    path.write_text("1")
    real, left, now = getattr(os, call), 6, 0.0

    def flicker(*args: Any, **options: Any) -> Any:
        nonlocal left
        if not left:
            return real(*args, **options)
        left -= 1
        raise OSError(number, os.strerror(number))

    def sleep(seconds: float) -> None:
        nonlocal now
        now += 0.3

    before = descriptors()
    with monkeypatch.context() as patch:
        patch.setattr(os, call, flicker)
        patch.setattr(time, "sleep", sleep)
        patch.setattr(time, "monotonic", lambda: now)
        assert atomic_store.open(path).value == 1
        left = 100
        with pytest.raises(OSError, match="for lstat") as caught:
            atomic_store.open(path, default=2)
    assert (caught.value.errno, caught.value.filename) == (errno.ESTALE, path)
    assert descriptors() == before


@pytest.mark.parametrize("comes", [True, False], ids=["writer at work", "writer killed"])
def test_temp_beside_a_missing_file_is_waited_for_on_fuse(
    comes: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the two steps of such a rename only the writer's temp is there; one of a killed writer costs a second."""
    path, temp = tmp_path / "a.json", tmp_path / ".a.json.0123456789abcdef.tmp"
    temp.write_text("1")
    now = 0.0

    def sleep(seconds: float) -> None:
        nonlocal now
        now += 0.3
        if comes:
            temp.rename(path)

    assert atomic_store.open(path, default=2).value == 2
    seams.is_fuse(monkeypatch)
    monkeypatch.setattr(time, "sleep", sleep)
    monkeypatch.setattr(time, "monotonic", lambda: now)
    assert atomic_store.open(path, default=2).value == (1 if comes else 2)


def test_file_system_that_cannot_be_known_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without /proc, and below a directory that is gone, a missing file is missing."""
    monkeypatch.delattr(os, "major")
    assert atomic_store.open(tmp_path / "a.json", default=2).value == 2
    assert atomic_store.open(tmp_path / "no" / "a.json", default=2).value == 2


def test_relative_path_with_too_long_a_part_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No name of the file itself, but a directory's is too long: the system's own error, with the path as it was given."""
    monkeypatch.chdir(tmp_path)
    given = "x" * 300 + "/a.json"
    with pytest.raises(OSError, match="too long") as caught:
        atomic_store.open(given)
    assert caught.value.filename == given


def test_directory_that_was_replaced_while_it_was_opened_is_an_error(tmp_path: Path) -> None:
    """The directory that was opened is no more the one at its path: nothing is written into either."""
    (tmp_path / "other").mkdir()
    place = LocalFile(tmp_path / "a.json")
    with pytest.raises(OSError, match="was replaced while it was opened"):
        place.require_safe(SimpleNamespace(path=str(tmp_path)), (tmp_path / "other").stat())  # type: ignore[arg-type]


def test_loop_of_links_on_the_way_is_an_error(tmp_path: Path) -> None:
    """Links that lead in a circle end in ELOOP, as for the kernel."""
    for name, target in (("one", "two"), ("two", "one")):
        (tmp_path / name).symlink_to(target)
    place = LocalFile(tmp_path / "a.json")
    with pytest.raises(OSError, match="symbolic links") as caught:
        place.require_safe(SimpleNamespace(path=str(tmp_path / "one")), tmp_path.stat())  # type: ignore[arg-type]
    assert caught.value.errno == errno.ELOOP


def test_descriptor_of_a_write_that_others_write_to_publishes_nothing(tmp_path: Path) -> None:
    """Bytes that did not come through the file are no value: the commit fails, and says so."""
    path = tmp_path / "a.json"
    path.write_text("old")
    with pytest.raises(OSError, match="something else has written to its descriptor"), LocalFile(path).replace(ANY) as file:
        file.write(b"new")
        os.write(seams.descriptor(file), b" and more")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.json"]


def test_temp_names_that_are_all_taken_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three names in a row exist already: somebody is guessing; the error comes, and nobody's file is removed."""
    real = os.open
    taken: list[str] = []

    def guessed(path: Any, flags: int, *arguments: Any, **keywords: Any) -> int:
        if flags & os.O_EXCL:
            taken.append(path)
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
        return real(path, flags, *arguments, **keywords)

    store = atomic_store.open(tmp_path / "a.json", default=1)
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", guessed)
        with pytest.raises(FileExistsError):
            store.commit()
    assert len(set(taken)) == 3


def test_whole_file_can_be_read_through_a_buffer(tmp_path: Path) -> None:
    """What a location reads is a raw file of io: a buffer, and whatever a format puts around it, read all of it."""
    (tmp_path / "a").write_bytes(b"x" * 100_000)
    file: Any = LocalFile(tmp_path / "a").read()
    with io.BufferedReader(file) as buffer:
        assert buffer.read() == b"x" * 100_000


def test_failed_read_keeps_no_descriptor_as_long_as_its_error_lives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that keeps the error, to report it later, keeps no file open by that."""
    path = tmp_path / "a.json"
    path.write_text("1")
    before = descriptors()

    def fail(descriptor: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fstat", fail)
        with pytest.raises(OSError, match=r"a\.json") as caught:
            atomic_store.open(path)
    assert caught.value.errno == errno.EIO
    assert descriptors() == before


def test_error_about_a_path_in_bytes_is_no_error_of_ours() -> None:
    """Under python -bb, which refuses to compare bytes with str, an OSError stays what it is and names the path as given."""
    program = """
import atomic_store
for act in (
    lambda: atomic_store.open(b"/no/state.json", 1).commit(),
    lambda: atomic_store.open(b"/dev/null/state.json"),
    lambda: atomic_store.open(b"/no/state.json", 1, lock=True).commit(),
):
    try:
        act()
    except OSError as error:
        assert error.filename.endswith(b"/state.json")
    else:
        raise AssertionError
"""
    subprocess.run([sys.executable, "-bb", "-c", program], check=True)
