"""LocalFile(fsync=) and LocalFile(skip_unchanged=): what is given up on demand, and what never is."""

from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

import atomic_store
from atomic_store import ConflictError, LocalFile


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was synced, in order: "file", "directory"."""
    seen: list[str] = []

    def fsync(descriptor: int) -> None:
        seen.append("directory" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")

    monkeypatch.setattr("os.fsync", fsync)
    return seen


# --- fsync= ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fsync", "commit", "deletion"),
    [(True, ["file", "directory"], ["directory"]), ("file", ["file"], []), (False, [], [])],
)
@pytest.mark.parametrize("on_conflict", ["overwrite", "raise"])
def test_only_what_was_given_up_is_not_synced(
    fsync: Any, commit: list[str], deletion: list[str], on_conflict: str, tmp_path: Path, synced: list[str]
) -> None:
    """fsync=True syncs file and directory, "file" the file, False nothing; of creations, replacements, deletions alike."""
    store = atomic_store.open(LocalFile(tmp_path / "state", fsync=fsync), on_conflict=on_conflict)
    for value in (1, 2):
        store.value = value
        store.commit()
        assert synced == commit
        synced.clear()
    store.delete()
    assert synced == deletion
    assert os.listdir(tmp_path) == ([".state.lock"] if on_conflict == "raise" else [])


def test_quarantine_syncs_as_the_place_does(tmp_path: Path, synced: list[str]) -> None:
    """What is set aside is renamed durably, or as durably as the place was asked to be."""
    for fsync in (True, "file", False):
        path = tmp_path / f"state-{fsync}"
        path.write_text("garbage")
        with pytest.warns(UserWarning, match="are kept as"):
            atomic_store.open(LocalFile(path, fsync=fsync), on_corrupt="quarantine")
        assert synced == (["directory"] if fsync is True else [])
        synced.clear()


@pytest.mark.parametrize("fsync", ["file", False])
def test_commit_without_a_sync_is_as_atomic(fsync: Any, tmp_path: Path) -> None:
    """Giving up durability gives up neither the rename, nor the mode, nor the clean-up."""
    path = tmp_path / "state"
    path.write_text("1")
    path.chmod(0o640)
    before = path.stat()
    store = atomic_store.open(LocalFile(path, fsync=fsync))
    store.value = {1}
    with pytest.raises(TypeError):
        store.commit()
    assert (path.read_text(), os.listdir(tmp_path)) == ("1", ["state"])
    store.value = 2
    store.commit()
    assert (path.read_text(), os.listdir(tmp_path)) == ("2", ["state"])
    assert path.stat().st_ino != before.st_ino
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_directory_that_cannot_be_read_takes_a_commit_without_its_sync(tmp_path: Path, synced: list[str]) -> None:
    """A commit that does not sync the directory opens it without the permission to read it (O_PATH, open(2))."""
    store = atomic_store.open(LocalFile(tmp_path / "state", fsync="file"), 1)
    opened: dict[str, int] = {}
    real = os.open

    def watching(path: str, flags: int, *mode: int, dir_fd: int | None = None) -> int:
        opened[os.path.join(path, "")] = flags
        return real(path, flags, *mode, dir_fd=dir_fd)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "open", watching)
        store.commit()
    assert opened[os.path.join(tmp_path, "")] & os.O_PATH
    assert len(opened) == 2


@pytest.mark.parametrize("fsync", [None, 1, 0, "directory", "File", b"file"])
def test_another_word_for_fsync_is_refused(fsync: Any) -> None:
    """A typing error must not switch the sync off."""
    with pytest.raises(atomic_store.LocationError, match='True, "file" or False'):
        LocalFile("state.json", fsync=fsync)


# --- skip_unchanged= -------------------------------------------------------------------------------------------------


def looks(path: Path) -> tuple[int, int, int]:
    status = path.stat()
    return status.st_ino, status.st_mtime_ns, status.st_ctime_ns


@pytest.mark.parametrize("options", [{}, {"on_conflict": "raise"}, {"lock": True}])
def test_unchanged_value_leaves_the_file_alone(options: dict[str, Any], tmp_path: Path) -> None:
    """A commit of the stored bytes changes neither inode nor times; the next other value is written."""
    path = tmp_path / "state"
    path.write_text('{"a": 1}')
    before = looks(path)
    store = atomic_store.open(LocalFile(path, skip_unchanged=True), **options)
    for _ in range(2):
        store.commit()
        with store:
            pass
        assert looks(path) == before
        assert not store.changed()
    assert not list(tmp_path.glob(".*.tmp"))
    with store:
        store.value["a"] = 2
    assert looks(path) != before
    assert path.read_text() == '{"a": 2}'


@pytest.mark.parametrize("stored", [b'{"a": 1}\n', b'{"a": 1', b'{"a": 2}', b"", b'{"a":1}'])
def test_any_other_byte_is_written(stored: bytes, tmp_path: Path) -> None:
    """Equal values in other bytes, longer and shorter files and those of the same length are all replaced."""
    path = tmp_path / "state"
    path.write_text('{"a": 1}')
    store = atomic_store.open(LocalFile(path, skip_unchanged=True))
    path.write_bytes(stored)
    store.commit()
    assert path.read_bytes() == b'{"a": 1}'


def test_large_value_is_compared_to_its_last_byte(tmp_path: Path) -> None:
    """A difference in the last of several pieces counts, and none is none."""
    path = tmp_path / "state"
    store = atomic_store.open(LocalFile(path, skip_unchanged=True), "x" * 3_000_000)
    store.commit()
    before = looks(path)
    store.commit()
    assert looks(path) == before
    store.value = store.value[:-1] + "y"
    store.commit()
    assert looks(path) != before
    assert path.read_bytes()[-3:] == b'xy"'


def test_skipped_commit_is_durable(tmp_path: Path, synced: list[str]) -> None:
    """Somebody else may have written the same bytes without waiting for the disk: a commit that returns has waited."""
    path = tmp_path / "state"
    path.write_text("1")
    atomic_store.open(LocalFile(path, skip_unchanged=True)).commit()
    assert synced == ["file", "directory"]
    less: list[tuple[Any, list[str]]] = [("file", ["file"]), (False, [])]
    for fsync, wanted in less:
        synced.clear()
        atomic_store.open(LocalFile(path, skip_unchanged=True, fsync=fsync)).commit()
        assert synced == wanted


def test_failed_sync_of_a_skipped_commit_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is written, but what cannot be made durable is not called so."""
    path = tmp_path / "state"
    path.write_text("1")
    store = atomic_store.open(LocalFile(path, skip_unchanged=True))

    def fail(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="Input/output") as caught:
        store.commit()
    assert caught.value.filename == path
    assert os.listdir(tmp_path) == ["state"]


@pytest.mark.parametrize("way", ["descriptor", "name", "seek"])
def test_skipped_commit_knows_what_was_written_behind_its_back(way: str, tmp_path: Path) -> None:
    """Bytes that came by the descriptor, by the name or after a seek count: the next block sees no foreign change."""

    class Odd:
        def dump(self, value: Any, file: Any) -> None:
            data = json.dumps(value).encode()
            if way == "descriptor":
                os.write(file.fileno(), data)
            elif way == "name":
                Path(file.name).write_bytes(data)
            else:
                file.write(b"?" + data[1:])
                file.seek(0)
                file.write(data[:1])

        def load(self, file: Any) -> Any:
            return json.load(file)

    place = LocalFile(tmp_path / "value", skip_unchanged=True)
    store = atomic_store.open(place, default={"n": 0}, format=Odd(), on_conflict="raise")
    store.commit()
    store.commit()
    value = store.value
    assert not store.changed()
    with store:
        value["n"] = 1
    assert atomic_store.open(place, default={}, format=Odd()).value == {"n": 1}


def test_skipped_commit_is_a_conflict_all_the_same(tmp_path: Path) -> None:
    """on_conflict="raise" is about what was read: a foreign change to the very bytes of ours is one."""
    path = tmp_path / "state"
    path.write_text("1")
    store = atomic_store.open(LocalFile(path, skip_unchanged=True), on_conflict="raise")
    store.value = 2
    path.write_text("2")
    with pytest.raises(ConflictError):
        store.commit()


def test_conflict_is_seen_after_a_skipped_commit(tmp_path: Path) -> None:
    """The version of a skipped commit is that of the file in place: touch is no change, other bytes are one."""
    path = tmp_path / "state"
    path.write_text("1")
    store = atomic_store.open(LocalFile(path, skip_unchanged=True), on_conflict="raise")
    store.commit()
    os.utime(path)
    assert not store.changed()
    path.write_text("3")
    assert store.changed()
    with pytest.raises(ConflictError):
        store.commit()


def test_file_that_is_gone_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was deleted before or during the comparison is not "unchanged"."""
    path = tmp_path / "state"
    path.write_text("1")
    store = atomic_store.open(LocalFile(path, skip_unchanged=True))
    path.unlink()
    store.commit()
    assert path.read_text() == "1"
    real = os.open

    def late(name: str, flags: int, *mode: int, dir_fd: int | None = None) -> int:
        if name == path.name:
            path.unlink(missing_ok=True)
        return real(name, flags, *mode, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", late)
    store.commit()
    monkeypatch.undo()
    assert path.read_text() == "1"


def test_link_to_an_unchanged_file_stays(tmp_path: Path) -> None:
    """The file that a link leads to is compared; a link that is not to be followed is replaced, whatever it leads to."""
    path, link = tmp_path / "state", tmp_path / "link"
    path.write_text("1")
    link.symlink_to("state")
    before = looks(path)
    atomic_store.open(LocalFile(link, skip_unchanged=True)).commit()
    assert (looks(path), link.is_symlink()) == (before, True)
    atomic_store.open(LocalFile(link, follow_symlinks=False, skip_unchanged=True)).commit()
    assert (looks(path), link.is_symlink()) == (before, False)
