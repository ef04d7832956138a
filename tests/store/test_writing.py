"""atomic_write: at each kind of place, and with all the care that a commit of a local file takes."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from faults import EMPTY, LARGE, LINK, NEW, PLAIN, Kind, Place, Scene, sweep
from places import InMemory, OnDisk
from stand_ins import directories_cannot_be_synced, inside
from writing_contract import WritingContract

import atomic_store
from atomic_store import AtomicStoreError, ConflictError, LocalFile, LocationError, UncertainCommitError
from atomic_store.locations.base import ANY
from atomic_store.testing import Memory
from atomic_store.writing import AtomicWrite


class TestMemory(InMemory, WritingContract):
    """A place in memory."""


class TestLocalFile(OnDisk, WritingContract):
    """A file."""


@pytest.mark.parametrize("mode", ["r", "rb", "a", "w+", "wt", "x", "", None])
def test_other_mode_is_refused_at_once(mode: Any, tmp_path: Path) -> None:
    """A mode that reads or appends cannot be served: it is a ValueError before anything is touched."""
    with pytest.raises(ValueError, match='mode should be "wb" or "w"'):
        atomic_store.atomic_write(tmp_path / "a", mode)
    assert inside(tmp_path) == []


@pytest.mark.parametrize("mode", ["wb", "w"])
def test_program_that_writes_to_the_name_of_its_file_harms_nothing(mode: Any, tmp_path: Path) -> None:
    """The name of the file is that of the new one, as with 0.0.1: what a program writes there is published at the end."""
    path = tmp_path / "photo.png"
    path.write_bytes(b"old")
    with atomic_store.atomic_write(path, mode) as file:
        Path(file.name).write_bytes(b"a picture")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"a picture"
    assert inside(tmp_path) == ["photo.png"]
    with pytest.raises(KeyError), atomic_store.atomic_write(path, mode) as file:
        Path(file.name).write_bytes(b"half")
        raise KeyError
    assert path.read_bytes() == b"a picture"
    with atomic_store.atomic_write(Memory(path="elsewhere"), mode) as file:
        assert file.name == "elsewhere"


@pytest.mark.parametrize("how", ["replaced", "removed"])
def test_file_that_a_program_puts_in_the_place_of_the_new_one_is_not_published(how: str, tmp_path: Path) -> None:
    """Nothing would sync a file that was renamed over the new one: that is an error, and the old file stays."""
    path = tmp_path / "data"
    path.write_bytes(b"old")
    (tmp_path / "other").write_bytes(b"new")
    told = r"data'\) should be written where it is, at '.*tmp', and was removed or replaced"
    with pytest.raises(AtomicStoreError, match=told), atomic_store.atomic_write(path) as file:
        file.write(b"x")
        if how == "replaced":
            (tmp_path / "other").rename(file.name)
        else:
            Path(file.name).unlink()
    assert path.read_bytes() == b"old"
    assert set(inside(tmp_path)) <= {"data", "other"}


def test_error_of_the_block_itself_is_not_told_as_one_of_the_file(tmp_path: Path) -> None:
    """An OSError that has nothing to do with the file leaves the block as it was raised; one of the file names the path."""
    path = tmp_path / "report"
    error = ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
    with pytest.raises(ConnectionRefusedError) as caught, atomic_store.atomic_write(path):
        raise error
    assert (caught.value, error.filename, str(error)) == (error, None, "[Errno 111] Connection refused")
    for act in (lambda file: file.seek(-1), lambda file: os.lseek(file.fileno(), -1, os.SEEK_SET)):
        with pytest.raises(OSError) as refused, atomic_store.atomic_write(path) as file:
            act(file)
        assert refused.value.filename == path
    assert inside(tmp_path) == []


@pytest.mark.parametrize("mode", ["wb", "w"])
def test_file_tells_its_mode_as_one_of_open_does(mode: Any, tmp_path: Path) -> None:
    """Programs that look at `file.mode` to know whether to write str or bytes find it."""
    with atomic_store.atomic_write(tmp_path / "data", mode) as file:
        assert ("b" in file.mode) == (mode == "wb")
        assert file.mode.rstrip("+") in ("w", "wb", "rb")


@pytest.mark.parametrize("overwrite", ["no", None, 2])
def test_overwrite_that_is_no_bool_overwrites_nothing(overwrite: Any, tmp_path: Path) -> None:
    """overwrite="no" would be true: it is a TypeError before anything is touched."""
    (tmp_path / "a").write_bytes(b"old")
    with pytest.raises(TypeError, match="overwrite should be"):
        atomic_store.atomic_write(tmp_path / "a", overwrite=overwrite)


def test_path_that_can_be_none_is_refused_at_once() -> None:
    """What names no place is refused by the call, not by the block."""
    with pytest.raises(LocationError):
        atomic_store.atomic_write("")
    with pytest.raises(TypeError):
        atomic_store.atomic_write(3)  # type: ignore[call-overload]  # as programs do


def test_repr_tells_what_is_written_where() -> None:
    """In a debugger the object says which place and which mode it is for."""
    assert repr(atomic_store.atomic_write(Memory(path="here"), "w")) == "<atomic_write of 'here', mode 'w'>"


def test_link_mode_and_attributes_stay(tmp_path: Path) -> None:
    """A file that is replaced through a link keeps its mode and attributes, and the link stays a link."""
    real, link = tmp_path / "real.csv", tmp_path / "link.csv"
    real.write_bytes(b"old")
    real.chmod(0o640)
    os.setxattr(real, "user.origin", b"a test")
    link.symlink_to("real.csv")
    with atomic_store.atomic_write(link, "w") as file:
        file.write("new")
    assert link.is_symlink()
    assert real.read_bytes() == b"new"
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    assert os.getxattr(real, "user.origin") == b"a test"
    assert inside(tmp_path) == ["link.csv", "real.csv"]


def test_secret_is_never_readable_by_others(tmp_path: Path) -> None:
    """LocalFile(mode=), and later the mode of the file, hold from the first byte on, for the hidden file as well."""
    path = tmp_path / "key.pem"
    for location in (LocalFile(path, mode=0o600), path):
        with atomic_store.atomic_write(location) as file:
            assert stat.S_IMODE(os.fstat(file.fileno()).st_mode) == 0o600
            os.write(file.fileno(), b"secret")
        assert path.read_bytes() == b"secret"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_relative_path_means_the_directory_of_the_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A chdir between the call and the end of the block does not move the file."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    writing = atomic_store.atomic_write("a", "w")
    with writing as file:
        file.write("1")
        os.chdir("elsewhere")
    assert inside(tmp_path) == ["a", "elsewhere"]


class Full(Memory):
    """A place that has room for one write, and for a second one that is smaller."""

    def replace(self, expected: object = ANY, exact: bool = False) -> Any:
        return self.limited(expected, exact)

    @contextmanager
    def limited(self, expected: object, exact: bool) -> Iterator[Any]:
        with super().replace(expected, exact) as file:
            opened: Any = file
            write = opened.write

            def at_most(data: Any) -> int:
                if opened.tell() + len(data) > 20_000:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self.path)
                return int(write(data))

            opened.write = at_most
            yield opened


def test_text_that_does_not_fit_any_more_is_not_published() -> None:
    """The end of the text, which only the end of the block hands over, may fail: what was stored stands."""
    place = Full(b"old")
    with pytest.raises(OSError, match="No space left"), atomic_store.atomic_write(place, "w") as file:
        file.write("x" * 19_000)
        file.flush()
        file.write("x" * 1001)
    assert place.content == b"old"


@pytest.mark.parametrize("mode", ["wb", "w"])
def test_swallowed_error_publishes_no_torn_file(mode: str) -> None:
    """A writer that goes on after a failed write, as if nothing were missing, gets the error again, at the end at last."""
    place = Full(b"old")
    piece: Any = "x" * 90_000 if mode == "w" else b"x" * 90_000  # more than the buffer holds
    failures = 0
    with pytest.raises(OSError, match="No space left"), AtomicWrite[Any](place, mode, True) as file:
        for _ in range(4):
            try:
                file.write(piece)
            except OSError:
                failures += 1
        file.write(piece[:0])
    assert failures > 0
    assert place.content == b"old"


def test_lost_name_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where only the sync of the directory fails, the new file is visible, and the error says that it may not last."""
    path = tmp_path / "a"
    with atomic_store.atomic_write(path) as file:
        file.write(b"old")
    directories_cannot_be_synced(monkeypatch)
    with pytest.raises(UncertainCommitError), atomic_store.atomic_write(path) as file:
        file.write(b"new")
    assert path.read_bytes() == b"new"
    assert inside(tmp_path) == ["a"]


def test_conflict_with_nothing_stored_is_not_told_as_existing() -> None:
    """A service that answers "conflict" while nothing is known to be stored gets its ConflictError through."""

    class Busy(Memory):
        def require(self, expected: object) -> None:
            raise ConflictError("somebody else is at it", self.path, expected, None)

    with pytest.raises(ConflictError, match="at it"), atomic_store.atomic_write(Busy(), overwrite=False):
        pass


def test_only_one_of_many_creates(tmp_path: Path) -> None:
    """Of eight processes that create one file at once, one succeeds, seven get FileExistsError, no byte is mixed."""
    path = tmp_path / "a"

    def create(number: int) -> bool:
        try:
            with atomic_store.atomic_write(path, "w", overwrite=False) as file:
                file.write(f"{number}" * 100_000)
        except FileExistsError:
            return False
        return True

    children = []
    for number in range(8):
        child = os.fork()
        if not child:
            os._exit(0 if create(number) else 1)
        children.append(child)
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    assert sorted(codes) == [0] + [1] * 7
    assert path.read_text() == f"{codes.index(0)}" * 100_000
    assert inside(tmp_path) == [".a.lock", "a"]


def test_child_that_leaves_the_block_publishes_nothing(tmp_path: Path) -> None:
    """A child that is forked inside the block and leaves it gets an error; the file remains its parent's, and whole."""
    path = tmp_path / "a"
    writing = AtomicWrite[Any](path, "wb", True)
    with writing as file:
        file.write(b"parent")
        child = os.fork()
        if not child:
            try:
                writing.__exit__(None, None, None)
            except atomic_store.AtomicStoreError as error:
                os._exit(0 if "forked" in str(error) else 1)
            os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert not path.exists()
    assert path.read_bytes() == b"parent"
    assert inside(tmp_path) == ["a"]


# --- each system call fails in turn, as in test_fault_sweep.py ---


def streaming(name: str, where: Place = PLAIN, *, new: Any = NEW, mode: str = "wb", overwrite: bool = True) -> Kind:
    """Code that writes by itself."""
    text = json.dumps(new)

    def enter(directory: Path) -> Scene:
        def act() -> None:
            try:
                with AtomicWrite[Any](where.path(directory), mode, overwrite) as file:
                    for begin in range(0, len(text), 10_000):
                        piece = text[begin : begin + 10_000]
                        file.write(piece if mode == "w" else piece.encode())
            except FileExistsError:
                # Done before, as far as anybody can see: this is what is asked for once more.
                assert where.file(directory).read_text(encoding="utf-8") == text

        return where.scene(directory, act)

    return Kind(name, where.make, enter)


@pytest.mark.parametrize(
    "kind",
    [
        streaming("bytes over a file with attributes", Place(dressed=True)),
        streaming("much text through a link", LINK, new=LARGE, mode="w"),
        streaming("only creating", EMPTY, overwrite=False),
    ],
    ids=repr,
)
@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EINTR], ids=errno.errorcode.get)
def test_failing_system_call_leaves_old_or_new(kind: Kind, number: int, tmp_path: Path) -> None:
    """Whichever call fails: old or new, whole; nothing left behind; a clear error; and the next try works."""
    points, flaws = sweep(kind, tmp_path, number)
    assert not flaws, "\n".join(flaws)
    assert points > 10


def test_object_used_as_the_file_says_what_to_do(tmp_path: Path) -> None:
    """Who forgets `with` is told so, not that some class has no attribute."""
    with pytest.raises(AttributeError, match="use it in a with block"):
        atomic_store.atomic_write(tmp_path / "a").name  # noqa: B018 - looking is the act
    # csv and others look for write(), and would only say that this is no file.
    with pytest.raises(AtomicStoreError, match="use it in a with block"):
        csv.writer(atomic_store.atomic_write(tmp_path / "a", "w")).writerow(["x"])
    assert not (tmp_path / "a").exists()


def test_part_can_be_read_back_cut_and_written_again(tmp_path: Path) -> None:
    """A file takes what zipfile and lxml do with it: seek, read, truncate; a place without them says which it lacks."""
    with atomic_store.atomic_write(tmp_path / "a", "wb") as file:
        file.write(b"one two")
        file.seek(0)
        piece = bytearray(3)
        assert file.readinto(piece) == 3  # type: ignore[attr-defined]
        assert piece == b"one"
        file.seek(4)
        assert file.truncate() == 4
        file.write(b"2")
    assert (tmp_path / "a").read_bytes() == b"one 2"
    with atomic_store.atomic_write(Memory(), "wb") as file, pytest.raises(io.UnsupportedOperation, match="fileno"):
        file.fileno()


def test_interrupt_as_the_block_begins_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Ctrl-C once the temp file is there, and before the block has it: the temp file goes, what was there stays."""

    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    (tmp_path / "a").write_bytes(b"old")
    with monkeypatch.context() as patch:
        patch.setattr(io, "TextIOWrapper", interrupted)
        with pytest.raises(KeyboardInterrupt):
            atomic_store.atomic_write(tmp_path / "a", "w").__enter__()
    assert inside(tmp_path) == ["a"]
    assert (tmp_path / "a").read_bytes() == b"old"
