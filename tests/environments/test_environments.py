"""Surroundings that break careless programs: full disks, other users, rights, mounts, locales, forks."""

from __future__ import annotations

import contextlib
import errno
import gc
import json
import os
import resource
import shutil
import stat
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from machine import ALICE, BOB, CREW, User, in_child, mounted, public_directory, put, tool
from support import require

import atomic_store
from atomic_store import LocalFile


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def owner(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_uid, status.st_gid


def make(path: Path, user: User, permissions: int, group: int | None = None) -> Path:
    """Make a file of `user` that holds the value 1, as only root can."""
    require(os.geteuid() == 0, "needs root to make files of other users")
    path.write_text("1")
    os.chown(path, user.uid, user.gid if group is None else group)
    path.chmod(permissions)
    return path


@pytest.fixture
def public() -> Iterator[Path]:
    with public_directory() as place:
        yield place


@pytest.fixture
def home(public: Path) -> Path:
    """A directory of Alice's that others may look into."""
    require(os.geteuid() == 0, "needs root to make directories of other users")
    home = public / "home"
    home.mkdir()
    os.chown(home, ALICE.uid, ALICE.gid)
    home.chmod(0o755)
    return home


@contextlib.contextmanager
def umask(bits: int) -> Iterator[None]:
    before = os.umask(bits)
    try:
        yield
    finally:
        os.umask(before)


class Looking:
    """JSON, but at every dump it looks at the temp that is being written, and notes its mode, owner and ACL."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.seen: list[tuple[int, int, int]] = []

    def dump(self, value: object, file: Any) -> None:
        file.write(json.dumps(value))
        file.flush()
        [temp] = self._path.parent.glob(f".{self._path.name}.*.tmp")
        status = temp.stat()
        self.seen.append((stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid))

    def load(self, file: Any) -> object:
        return json.load(file)


# --- room ------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def small_ext4(place: Path) -> Iterator[Path]:
    image = place / "image"
    with image.open("wb") as file:
        file.truncate(1 << 20)
    tool("mkfs.ext4", "-q", "-F", "-b", "1024", "-m", "0", "-O", "^has_journal", image)
    with mounted(place / "disk", "-o", "loop", image) as disk:
        yield disk


@contextlib.contextmanager
def small_tmpfs(place: Path) -> Iterator[Path]:
    with mounted(place / "disk", "-t", "tmpfs", "-o", "size=1m", "tmpfs") as disk:
        yield disk


@pytest.mark.parametrize("disk", [small_ext4, small_tmpfs])
def test_full_disk_keeps_the_old_value(disk: Callable[[Path], Any], tmp_path: Path) -> None:
    """On a real file system of 1 MB a value of 2 MB is an error that names the path; the old one stays, no temp does."""
    with disk(tmp_path) as place:
        path = place / "state.json"
        put(path, "old")
        before = sorted(os.listdir(place)), os.statvfs(place).f_bfree
        for value in ("x" * (2 << 20), ["x" * 1000] * 2000):
            with pytest.raises(OSError) as caught:
                put(path, value)
            assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, path)
            assert path.read_text() == '"old"'
            assert (sorted(os.listdir(place)), os.statvfs(place).f_bfree) == before
        put(path, "new")
        assert path.read_text() == '"new"'


@pytest.mark.parametrize("disk", [small_ext4, small_tmpfs])
def test_disk_without_a_free_byte_keeps_the_old_value(disk: Callable[[Path], Any], tmp_path: Path) -> None:
    """On a disk that others have filled to the last block even a small commit fails clean, and works once there is room."""
    with disk(tmp_path) as place:
        path, filler = place / "state.json", place / "filler"
        put(path, "old")
        store = atomic_store.open(path)
        with filler.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
            while True:
                file.write(bytes(1024))
        store.value = "x" * 2000
        with pytest.raises(OSError) as caught:
            store.commit()
        assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, path)
        assert path.read_text() == '"old"'
        assert not list(place.glob(".*.tmp"))
        filler.unlink()
        store.commit()
        assert json.loads(path.read_bytes()) == "x" * 2000


def test_disk_without_a_free_inode_keeps_the_old_value(tmp_path: Path) -> None:
    """Where no further file can be made, the commit fails before anything is written."""
    with mounted(tmp_path / "disk", "-t", "tmpfs", "-o", "nr_inodes=3", "tmpfs") as place:
        path = place / "state.json"
        put(path, "old")
        (place / "filler").touch()
        with pytest.raises(OSError) as caught:
            put(path, "new")
        assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, path)
        assert path.read_text() == '"old"'
        assert sorted(os.listdir(place)) == ["filler", "state.json"]


def test_file_size_limit_keeps_the_old_value(tmp_path: Path) -> None:
    """A value that passes RLIMIT_FSIZE (Python ignores SIGXFSZ) is an error, though its first bytes were written."""
    path = tmp_path / "state.json"
    put(path, "old")

    def commit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
        put(path, "x" * 20_000)

    with pytest.raises(OSError) as caught:
        in_child(commit)
    assert (caught.value.errno, caught.value.filename) == (errno.EFBIG, path)
    assert path.read_text() == '"old"'
    assert os.listdir(tmp_path) == ["state.json"]


# --- what one may not do ---------------------------------------------------------------------------------------------


def test_unreadable_file_is_no_empty_store(home: Path) -> None:
    """Without the right to read, open() raises and names the path: neither the default nor a commit over the value."""
    path = make(home / "state.json", BOB, 0o600)
    with pytest.raises(PermissionError) as caught:
        in_child(lambda: put(path, 2), ALICE)
    assert caught.value.filename == path
    assert (path.read_text(), owner(path), mode(path)) == ("1", (BOB.uid, BOB.gid), 0o600)


@pytest.mark.parametrize("name", ["state.json", "missing.json", "link.json"])
def test_directory_without_x_is_no_empty_store(name: str, home: Path) -> None:
    """A directory that may be read but not entered makes open() raise, be there a file or not."""
    make(home / "state.json", ALICE, 0o644)
    (home / "link.json").symlink_to("missing")
    home.chmod(0o644)
    with pytest.raises(PermissionError) as caught:
        in_child(lambda: atomic_store.open(home / name, 0), BOB)
    assert caught.value.filename == home / name


@pytest.mark.parametrize("exists", [True, False])
def test_read_only_directory_is_an_error_that_names_the_path(exists: bool, home: Path) -> None:
    """Whoever may not write the directory may not commit, even to a file of his own; the path is named, not the temp."""
    path = home / "state.json"
    if exists:
        make(path, BOB, 0o666)
    with pytest.raises(PermissionError) as caught:
        in_child(lambda: put(path, 2), BOB)
    assert caught.value.filename == path
    assert os.listdir(home) == ["state.json"][not exists :]
    assert not exists or path.read_text() == "1"


@pytest.mark.parametrize("exists", [True, False])
def test_directory_that_cannot_be_read_ends_the_commit_before_the_rename(exists: bool, home: Path) -> None:
    """A directory that cannot be opened for its sync is an error that says so, while the old value is still in place."""
    path = home / "state.json"
    if exists:
        make(path, BOB, 0o666)
    home.chmod(0o333)
    for action in (lambda: put(path, 2), lambda: atomic_store.open(path, 0).delete()):
        with pytest.raises(PermissionError) as caught:
            in_child(action, BOB)
        assert caught.value.filename == path
        assert f"{home}" in str(caught.value)
        assert "permitted to read" in str(caught.value)
        assert os.listdir(home) == ["state.json"][not exists :]
        assert not exists or path.read_text() == "1"


def test_read_only_file_system_is_an_error_that_names_the_path(tmp_path: Path) -> None:
    """On a file system that is mounted read-only values are read, and a commit raises EROFS with the path."""
    (tmp_path / "disk").mkdir()
    put(tmp_path / "disk" / "state.json", 1)
    with mounted(tmp_path / "disk", "--bind", tmp_path / "disk"):
        tool("mount", "-o", "remount,bind,ro", tmp_path / "disk")
        path = tmp_path / "disk" / "state.json"
        assert atomic_store.open(path).value == 1
        with pytest.raises(OSError) as caught:
            put(path, 2)
        assert (caught.value.errno, caught.value.filename) == (errno.EROFS, path)
        assert os.listdir(path.parent) == ["state.json"]


def test_immutable_file_keeps_its_value(tmp_path: Path) -> None:
    """A file with the attribute i, which not even root may replace, is an error that names the path, and no temp stays."""
    require(os.geteuid() == 0, "needs root to make a file immutable")
    path = tmp_path / "state.json"
    put(path, 1)
    tool("chattr", "+i", path)
    try:
        with pytest.raises(PermissionError) as caught:
            put(path, 2)
        assert (caught.value.errno, caught.value.filename) == (errno.EPERM, path)
        assert path.read_text() == "1"
        assert os.listdir(tmp_path) == ["state.json"]
    finally:
        tool("chattr", "-i", path)
    put(path, 2)
    assert path.read_text() == "2"


# --- modes of new files ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bits", "asked", "got"),
    [
        (0o022, None, 0o644),
        (0o077, None, 0o600),
        (0o000, None, 0o666),
        (0o027, None, 0o640),
        (0o022, 0o600, 0o600),
        (0o000, 0o640, 0o640),
        (0o077, 0o644, 0o600),
        (0o022, 0o400, 0o400),
    ],
)
def test_new_file_obeys_the_umask(bits: int, asked: int | None, got: int, tmp_path: Path) -> None:
    """A new file has the mode that open() would give it, or the one that was asked for, less the umask; never more."""
    path = tmp_path / "state.json"
    looking = Looking(path)
    with umask(bits):
        put(LocalFile(path, mode=asked), 1, format=looking)
        assert os.umask(bits) == bits, "the commit has left the umask alone"
    assert mode(path) == got
    assert [seen[0] for seen in looking.seen] == [got]


@pytest.mark.parametrize("bits", [0o077, 0o000])
@pytest.mark.parametrize("permissions", [0o600, 0o640, 0o644, 0o666, 0o444, 0o660, 0o755, 0o604])
def test_replaced_file_keeps_its_mode_whatever_the_umask(permissions: int, bits: int, tmp_path: Path) -> None:
    """The mode of an existing file survives a commit exactly, whatever umask and `mode=`; the temp is never wider."""
    path = tmp_path / "state.json"
    path.write_text("1")
    path.chmod(permissions)
    looking = Looking(path)
    with umask(bits):
        put(LocalFile(path, mode=0o622), 2, format=looking)
    assert (path.read_text(), mode(path)) == ("2", permissions)
    [(seen, *owners)] = looking.seen
    assert (seen & ~permissions & 0o177, owners) == (0, [os.geteuid(), os.getegid()])


# --- owner and group -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("permissions", [0o640, 0o660, 0o600, 0o644, 0o604, 0o2750])
def test_root_takes_no_file_away_from_its_owner(permissions: int, public: Path) -> None:
    """Where root commits to another user's file, owner, group and mode stay; the temp is open to no one else."""
    path = make(public / "state.json", ALICE, permissions, group=CREW)
    looking = Looking(path)
    put(path, 2, format=looking)
    assert (path.read_text(), owner(path), mode(path)) == ("2", (ALICE.uid, CREW), permissions)
    [(seen, *owners)] = looking.seen
    assert (seen & 0o077 in (0, permissions & 0o077 & 0o044), owners) == (True, [0, 0])
    assert permissions == 0o644 or seen == 0o600


def test_file_of_ones_own_group_stays_in_it(home: Path) -> None:
    """Mode 0640 of another group that the writer is in: the group keeps its file, and its right to read."""
    path = make(home / "state.json", ALICE, 0o640, group=CREW)
    in_child(lambda: put(path, 2), ALICE._replace(groups=(CREW,)))
    assert (path.read_text(), owner(path), mode(path)) == ("2", (ALICE.uid, CREW), 0o640)
    assert in_child(lambda: atomic_store.open(path).value, BOB._replace(groups=(CREW,))) == 2


@pytest.mark.parametrize(("permissions", "left"), [(0o664, 0o644), (0o640, 0o600), (0o604, 0o644), (0o2770, 0o700)])
def test_group_that_cannot_be_kept_hands_nobody_its_rights(permissions: int, left: int, home: Path) -> None:
    """A writer who may not give the file to its group gives his own group only what all others had."""
    path = make(home / "state.json", ALICE, permissions, group=CREW)
    in_child(lambda: put(path, 2), ALICE)
    assert (path.read_text(), owner(path), mode(path)) == ("2", (ALICE.uid, ALICE.gid), left)


def test_owner_that_cannot_be_kept_still_leaves_the_group_its_rights(home: Path) -> None:
    """A file that a group shares becomes the writer's, for only root can give files away, but stays the group's."""
    home.chmod(0o777)
    path = make(home / "state.json", BOB, 0o660, group=CREW)
    in_child(lambda: put(path, 2), ALICE._replace(groups=(CREW,)))
    assert (path.read_text(), owner(path), mode(path)) == ("2", (ALICE.uid, CREW), 0o660)


def test_set_uid_bit_is_not_carried_to_another_owner(home: Path) -> None:
    """A file that runs as its owner does not come out as one that runs as somebody else."""
    home.chmod(0o777)
    path = make(home / "state.json", BOB, 0o4755)
    # In this very process, whose coverage is measured: the kernel asks only who one is at the moment.
    os.setegid(ALICE.gid)
    os.seteuid(ALICE.uid)
    try:
        put(path, 2)
    finally:
        os.seteuid(0)
        os.setegid(0)
    assert (owner(path), mode(path)) == ((ALICE.uid, ALICE.gid), 0o755)


def test_setgid_directory_gives_new_files_its_group(home: Path) -> None:
    """In a shared directory a new file belongs to the directory's group, and stays there when another member commits."""
    os.chown(home, ALICE.uid, CREW)
    home.chmod(0o2775)
    path = home / "state.json"
    members = [user._replace(groups=(CREW,)) for user in (ALICE, BOB)]
    for number, member in enumerate(members):

        def commit(number: int = number) -> None:
            os.umask(0o002)
            put(path, number)

        in_child(commit, member)
        assert (path.read_text(), owner(path), mode(path)) == (str(number), (member.uid, CREW), 0o664)


def test_setgid_directory_does_not_take_old_files_over(home: Path) -> None:
    """A file of another group than its setgid directory's keeps its own."""
    os.chown(home, ALICE.uid, CREW)
    home.chmod(0o2775)
    path = make(home / "state.json", ALICE, 0o640)
    in_child(lambda: put(path, 2), ALICE)
    assert (owner(path), mode(path)) == ((ALICE.uid, ALICE.gid), 0o640)


# --- access control lists and extended attributes --------------------------------------------------------------------


def acl(path: Path) -> list[str]:
    return tool("getfacl", "-cEpn", path).split()


@contextlib.contextmanager
def default_acl(place: Path, entries: str) -> Iterator[None]:
    try:
        tool("setfacl", "-d", "-m", entries, place)
    except subprocess.CalledProcessError as error:
        require(False, f"needs a file system with access control lists: {error.stderr}")
    yield


def with_acl(path: Path, entries: str) -> Path:
    path.write_text("1")
    path.chmod(0o640)
    try:
        tool("setfacl", "-m", entries, path)
    except subprocess.CalledProcessError as error:
        require(False, f"needs a file system with access control lists: {error.stderr}")
    return path


@pytest.mark.parametrize(
    "entries",
    [
        f"u:{BOB.uid}:rw",
        f"u:{BOB.uid}:-,g:{CREW}:r",
        f"u:{BOB.uid}:rwx,g::-,m::r",
        f"u:{BOB.uid}:rw,g:{CREW}:rw,m::-",
        f"u:{BOB.uid}:r,o::r",
    ],
)
@pytest.mark.parametrize("default", ["", f"u:{ALICE.uid}:rwx,g::rwx,o::rwx"])
def test_access_control_list_of_a_file_is_kept(default: str, entries: str, tmp_path: Path) -> None:
    """Named users and groups and the mask come out of a commit as they went in, whatever the directory gives new files."""
    path = with_acl(tmp_path / "state.json", entries)
    if default:
        tool("setfacl", "-d", "-m", default, tmp_path)
    before = acl(path), mode(path)
    looking = Looking(path)
    put(path, 2, format=looking)
    assert path.read_text() == "2"
    assert (acl(path), mode(path)) == before
    assert looking.seen[0][0] == 0o600


def test_default_acl_is_obeyed_by_a_new_file(tmp_path: Path) -> None:
    """A new file gets what the directory's default ACL gives new files, exactly as with the system's own open()."""
    tool_entries = f"u:{BOB.uid}:rw,g:{CREW}:r,o::-"
    with default_acl(tmp_path, tool_entries), umask(0o077):
        put(tmp_path / "state.json", 1)
        (tmp_path / "like.json").write_text("1")
    assert acl(tmp_path / "state.json") == acl(tmp_path / "like.json")
    assert f"user:{BOB.uid}:rw-" in acl(tmp_path / "state.json")


@pytest.mark.parametrize("permissions", [0o600, 0o640, 0o664, 0o666])
def test_default_acl_does_not_wake_up_in_a_replacement(permissions: int, public: Path) -> None:
    """A file without an ACL stays without: nobody whom only the directory's default ACL names may read the new value."""
    path = public / "state.json"
    path.write_text('"secret"')
    path.chmod(permissions)
    with default_acl(public, f"u:{BOB.uid}:rwx,g:{CREW}:rwx"):
        before = acl(path)
        looking = Looking(path)
        put(path, "still secret", format=looking)
        assert (acl(path), mode(path)) == (before, permissions)
        assert looking.seen[0][0] & ~permissions & 0o177 == 0
    if not permissions & 0o004:
        with pytest.raises(PermissionError):
            in_child(lambda: atomic_store.open(path), BOB)


def test_named_user_can_read_what_was_replaced(public: Path) -> None:
    """Who was given the file by its ACL can open the store after a commit as before; who was not, cannot."""
    path = with_acl(public / "state.json", f"u:{BOB.uid}:r")
    put(path, 2)
    assert in_child(lambda: atomic_store.open(path).value, BOB) == 2
    with pytest.raises(PermissionError):
        in_child(lambda: atomic_store.open(path), ALICE)


def test_acl_that_cannot_be_kept_does_not_become_the_rights_of_the_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The group bits of a file with an ACL are its mask: without the ACL they shrink to what all others had."""
    path = with_acl(tmp_path / "state.json", f"u:{BOB.uid}:rwx,g::-,o::-")
    assert mode(path) == 0o670

    def refuse(*arguments: object) -> None:
        raise PermissionError(errno.EPERM, "refused")

    monkeypatch.setattr(os, "setxattr", refuse)
    put(path, 2)
    assert (path.read_text(), mode(path)) == ("2", 0o600)


def test_acl_of_a_group_that_cannot_be_kept_wakes_nobody_up(home: Path) -> None:
    """Where the group is lost, so are the entries beside it, and no group gets what the mask of the ACL allowed."""
    path = with_acl(home / "state.json", f"u:{BOB.uid}:rw,o::-")
    os.chown(path, ALICE.uid, CREW)
    in_child(lambda: put(path, 2), ALICE)
    assert (owner(path), mode(path), acl(path)) == ((ALICE.uid, ALICE.gid), 0o600, ["user::rw-", "group::---", "other::---"])


def set_attribute(path: Path, name: str, value: bytes) -> None:
    try:
        os.setxattr(path, name, value)
    except OSError as error:
        require(False, f"needs to set the attribute {name}: {error}")


def test_attributes_of_the_user_are_kept(tmp_path: Path) -> None:
    """Each user.* and trusted.* attribute survives a commit, empty ones too; capabilities vouch for the old bytes."""
    path = tmp_path / "state.json"
    path.write_text("1")
    wanted = {"user.origin": b"sensor 7", "user.empty": b"", "user.binary": bytes(range(256)), "user.\u00e9": b"\xff"}
    for name, value in wanted.items():
        set_attribute(path, name, value)
    if os.geteuid() == 0:
        set_attribute(path, "security.capability", struct.pack("<5I", 0x02000001, 1 << 13, 0, 0, 0))
        wanted["trusted.mark"] = b"1"
        set_attribute(path, "trusted.mark", b"1")
    put(path, 2)
    found = {name: os.getxattr(path, name) for name in os.listxattr(path)}
    assert found == found | wanted
    assert "security.capability" not in found


def test_security_context_is_kept_and_no_seal_of_the_old_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The SELinux context goes along; ima, evm and capability, which vouch for the old content, are not even read."""
    path = tmp_path / "state.json"
    path.write_text("1")
    stored = {f"security.{name}": name.encode() for name in ("selinux", "ima", "evm", "capability")}
    given: dict[str, bytes] = {}
    monkeypatch.setattr(os, "listxattr", lambda where, **_: list(stored))
    monkeypatch.setattr(os, "getxattr", lambda where, name, **_: stored[name])
    monkeypatch.setattr(os, "setxattr", lambda where, name, value: given.update({name: value}))
    put(path, 2)
    assert given == {"security.selinux": b"selinux"}


def test_attributes_are_taken_from_no_link_that_was_put_in_the_place_meanwhile(tmp_path: Path) -> None:
    """Who exchanges the file for a link to another one during a commit does not get that one's attributes copied."""
    path, secret = tmp_path / "state.json", tmp_path / "secret"
    path.write_text("1")
    set_attribute(path, "user.mark", b"its own")  # else there is nothing to copy, and nobody looks
    secret.write_text("2")
    set_attribute(secret, "user.mark", b"a secret")

    class Exchanging:
        """JSON, but while it dumps, a stranger is at work."""

        @staticmethod
        def dump(value: object, file: Any) -> None:
            path.unlink()
            path.symlink_to(secret)
            file.write(json.dumps(value))

        load = staticmethod(json.load)

    put(path, 3, format=Exchanging)
    assert not path.is_symlink()
    assert path.read_text() == "3"
    assert os.listxattr(path) == []


def test_attributes_never_come_without_the_mode_that_guards_them(tmp_path: Path) -> None:
    """Who exchanges the file for a secret one during a commit gets all of that one's attributes kept, or none of them."""
    path, secret = tmp_path / "state.json", tmp_path / "secret"
    path.write_text("1")
    path.chmod(0o644)
    secret.write_text("2")
    secret.chmod(0o600)
    set_attribute(path, "user.mark", b"ordinary")
    set_attribute(secret, "user.mark", b"a secret")

    def dump(value: object, file: Any) -> None:
        secret.replace(path)
        file.write(json.dumps(value))

    put(path, 3, format=SimpleNamespace(dump=dump, load=json.load))
    assert path.read_text() == "3"
    found = os.getxattr(path, "user.mark"), stat.S_IMODE(path.stat().st_mode)
    assert found in ((b"a secret", 0o600), (b"ordinary", 0o644))


def test_acl_of_a_file_that_has_come_meanwhile_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file with an ACL that comes just after the names were listed keeps it: its mode alone would allow too much."""
    path, other = tmp_path / "state.json", with_acl(tmp_path / "other", "u:1:rw,g::-,o::-")
    wanted = acl(other)
    path.write_text("1")
    set_attribute(path, "user.mark", b"1")
    listxattr = os.listxattr

    def late(file: str | int, *, follow_symlinks: bool = True) -> list[str]:
        found = listxattr(file, follow_symlinks=follow_symlinks)
        if file == str(path):
            other.replace(path)
        return found

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(os, "listxattr", late)
        put(path, 2)
    assert (path.read_text(), acl(path)) == ("2", wanted)


def test_attributes_of_a_pipe_are_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What has come in the place of the file and is no file keeps nothing, and nobody waits for its other end."""
    path = tmp_path / "state.json"
    put(path, 1)
    path.chmod(0o640)
    listxattr = os.listxattr

    def late(file: str | int, *, follow_symlinks: bool = True) -> list[str]:
        if isinstance(file, int):
            return listxattr(file)
        path.unlink()
        os.mkfifo(path)
        return ["user.mark", "system.posix_acl_access"]

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(os, "listxattr", late)
        put(path, 2)
    # Whether the group has had its rights by an ACL is not known any more: it does without.
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("2", 0o600)


def test_attributes_of_a_write_only_file_stop_no_commit(home: Path) -> None:
    """Attributes that the writer cannot read are given up, and the commit goes through."""
    home.chmod(0o777)
    path = home / "state.json"
    make(path, BOB, 0o644)
    set_attribute(path, "user.origin", b"sensor 7")

    def commit() -> None:
        os.seteuid(ALICE.uid)
        store = atomic_store.open(path)
        os.seteuid(0)
        path.chmod(0o200)
        os.seteuid(ALICE.uid)
        store.commit()

    in_child(commit)
    assert path.read_text() == "1"
    assert os.listxattr(path) == []


# --- file systems ----------------------------------------------------------------------------------------------------


def the_usual(place: Path) -> None:
    """Create, replace through a link, keep mode, owner and attribute, delete, lock."""
    path, link = place / "state.json", place / "link.json"
    put(path, 1)
    path.chmod(0o640)
    os.chown(path, ALICE.uid, CREW)
    set_attribute(path, "user.origin", b"sensor 7")
    link.symlink_to("state.json")
    for options in ({}, {"lock": True}, {"on_conflict": "raise"}):
        put(link, options, **options)
        assert json.loads(path.read_bytes()) == options
        assert (owner(path), mode(path), os.getxattr(path, "user.origin")) == ((ALICE.uid, CREW), 0o640, b"sensor 7")
    store = atomic_store.open(link)
    assert store.update(lambda value: [value]) == [{"on_conflict": "raise"}]
    store.delete()
    assert sorted(os.listdir(place)) == [".state.json.lock", "link.json"]


def test_tmpfs_is_as_good_as_a_disk(tmp_path: Path) -> None:
    """Commits, links, rights, attributes and locks work on a tmpfs."""
    with mounted(tmp_path / "disk", "-t", "tmpfs", "tmpfs") as place:
        the_usual(place)


@contextlib.contextmanager
def overlay(place: Path) -> Iterator[Path]:
    # On a tmpfs of its own: an overlay on an overlay, as within a container, cannot be mounted.
    with mounted(place / "base", "-t", "tmpfs", "tmpfs") as base:
        for name in ("lower", "upper", "work"):
            (base / name).mkdir()
        put(base / "lower" / "below.json", "from below")
        (base / "lower" / "below.json").chmod(0o640)
        options = f"lowerdir={base}/lower,upperdir={base}/upper,workdir={base}/work"
        with mounted(place / "disk", "-t", "overlay", "-o", options, "overlay") as disk:
            yield disk


def test_overlay_is_as_good_as_a_disk(tmp_path: Path) -> None:
    """Commits, links, rights, attributes and locks work on an overlay, as containers have it."""
    with overlay(tmp_path) as place:
        (place / "below.json").unlink()
        the_usual(place)


def test_file_of_the_layer_below_is_replaced_in_the_layer_above(tmp_path: Path) -> None:
    """A file of the image below an overlay is read, conflict-checked, replaced and deleted; the image stays as it was."""
    with overlay(tmp_path) as place:
        path = place / "below.json"
        store = atomic_store.open(path, on_conflict="raise")
        assert store.value == "from below"
        store.value = "from above"
        store.commit()
        assert (json.loads(path.read_bytes()), mode(path)) == ("from above", 0o640)
        store.delete()
        assert not path.exists()
        assert json.loads((tmp_path / "base" / "lower" / "below.json").read_bytes()) == "from below"


def test_link_to_another_file_system_is_replaced_over_there(tmp_path: Path) -> None:
    """The temp stands beside the real file: a link across file systems stays, and no rename crosses them."""
    link = tmp_path / "state.json"
    with mounted(tmp_path / "disk", "-t", "tmpfs", "tmpfs") as place:
        link.symlink_to("disk/real.json")
        for value in (1, 2):
            put(link, value)
            assert (place / "real.json").read_text() == str(value)
        assert os.listdir(place) == ["real.json"]
    assert link.is_symlink()
    assert sorted(os.listdir(tmp_path)) == ["disk", "state.json"]


def test_file_that_is_mounted_by_itself_says_what_to_do(tmp_path: Path) -> None:
    """A file that is bind-mounted alone, as `docker -v file:file` does, is read; a commit says to mount its directory."""
    source, path = tmp_path / "source.json", tmp_path / "state.json"
    source.write_text("1")
    path.touch()
    with mounted(path, "--bind", source):
        store = atomic_store.open(path)
        assert store.value == 1
        store.value = 2
        with pytest.raises(OSError, match="mount its directory") as caught:
            store.commit()
        assert (caught.value.errno, caught.value.filename) == (errno.EBUSY, path)
        assert path.read_text() == source.read_text() == "1"
    assert sorted(os.listdir(tmp_path)) == ["source.json", "state.json"]


# --- a directory that everybody may write to -------------------------------------------------------------------------


@pytest.fixture
def sticky(public: Path) -> Path:
    """A directory like /tmp, of a third user."""
    place = public / "tmp"
    place.mkdir()
    place.chmod(0o1777)
    return place


@pytest.mark.parametrize("follow", [True, False])
def test_planted_link_is_neither_read_nor_written_through(follow: bool, sticky: Path, home: Path) -> None:
    """In a directory like /tmp a link of a stranger is refused by open(), reload(), commit() and delete()."""
    secret, path = make(home / "secret.json", BOB, 0o600), sticky / "state.json"
    place = LocalFile(path, follow_symlinks=follow)
    store = atomic_store.open(place, 0)
    in_child(lambda: path.symlink_to(secret), ALICE)
    for action in (lambda: atomic_store.open(place, 0), store.reload, store.commit, store.delete):
        with pytest.raises(PermissionError, match="symbolic link") as caught:
            in_child(action, BOB)
        assert caught.value.filename == path
    assert (secret.read_text(), path.readlink()) == ("1", secret)
    assert os.listdir(sticky) == ["state.json"]


def test_planted_link_fools_not_even_root(sticky: Path, home: Path) -> None:
    """Root, who could follow any link, refuses a stranger's in a directory like /tmp, and a dangling one too."""
    secret, path = make(home / "secret.json", BOB, 0o600), sticky / "state.json"
    for target in (secret, home / "new.json"):
        path.symlink_to(target)
        os.lchown(path, ALICE.uid, ALICE.gid)
        with pytest.raises(PermissionError, match=f"of user {ALICE.uid} in the world-writable"):
            put(path, 2)
        path.unlink()
    assert os.listdir(home) == ["secret.json"]
    assert secret.read_text() == "1"


def test_planted_dangling_link_makes_no_file_elsewhere(sticky: Path, home: Path) -> None:
    """A stranger's link to a name that is still free, in a home that is not his, gets no file made there."""
    home.chmod(0o777)
    path = sticky / "state.json"
    in_child(lambda: path.symlink_to(home / "new.json"), ALICE)
    with pytest.raises(PermissionError, match="symbolic link"):
        in_child(lambda: put(path, 2), BOB)
    assert os.listdir(home) == []


def test_planted_link_at_the_end_of_an_honest_one_is_refused(sticky: Path, home: Path) -> None:
    """Every link of a chain is looked at: one's own link into /tmp does not vouch for what a stranger puts there."""
    secret, path = make(home / "secret.json", BOB, 0o600), home / "state.json"
    (sticky / "next").symlink_to(secret)
    os.lchown(sticky / "next", ALICE.uid, ALICE.gid)
    path.symlink_to(sticky / "next")
    os.lchown(path, BOB.uid, BOB.gid)
    with pytest.raises(PermissionError, match="symbolic link"):
        in_child(lambda: atomic_store.open(path), BOB)


@pytest.mark.parametrize("planter", [BOB, User(0, 0)])
def test_link_of_ones_own_or_of_the_directorys_owner_is_followed(planter: User, sticky: Path, home: Path) -> None:
    """In a directory like /tmp one's own links work, and so do those of whoever owns the directory, here root."""
    home.chmod(0o777)
    path, file = sticky / "state.json", make(home / "file.json", BOB, 0o600)
    in_child(lambda: path.symlink_to(file), planter)
    in_child(lambda: put(path, 2), BOB)
    assert (file.read_text(), path.readlink()) == ("2", file)


@pytest.mark.parametrize("where", ["file", "directory"])
def test_strangers_link_leads_a_commit_only_to_what_is_the_strangers(where: str, public: Path, home: Path) -> None:
    """A link of another user, also on the way, is followed to what that user owns, and refused to what a third one owns."""
    place = public / "shared"
    place.mkdir()
    place.chmod(0o777)
    home.chmod(0o777)
    for number, of in enumerate((ALICE, BOB)):
        goal = home / str(number)
        goal.mkdir()
        os.chown(goal, of.uid, of.gid)
        goal.chmod(0o777)
        file, link = make(goal / "state.json", of, 0o666), place / f"link{number}"
        in_child(partial(link.symlink_to, file if where == "file" else goal), ALICE)
        path = link if where == "file" else link / "state.json"
        if of is ALICE:
            in_child(partial(put, path, 2), BOB)
            assert file.read_text() == "2"
        else:
            with pytest.raises(PermissionError, match=f"symbolic link of user {ALICE.uid}"):
                in_child(partial(put, path, 2), User(4209, 4209))
            assert file.read_text() != "2"
            file.unlink()
            if where == "file":  # a link that leads to nothing counts by the directory it leads to
                with pytest.raises(PermissionError, match=f"symbolic link of user {ALICE.uid}"):
                    in_child(partial(put, path, 2), User(4209, 4209))
                assert os.listdir(goal) == []


@pytest.mark.parametrize("options", [{"lock": True}, {"on_conflict": "raise"}], ids=repr)
def test_strangers_link_on_the_way_gets_no_lock_file_made(options: dict[str, Any], public: Path, home: Path) -> None:
    """Root, led by a user's directory link into what another user owns, makes no file there, a lock's neither."""
    secret, link = public / "secret", home / "link"
    secret.mkdir(0o700)
    link.symlink_to(secret)
    os.lchown(link, ALICE.uid, ALICE.gid)
    store = atomic_store.open(link / "state.json", 0, **options)
    for act in (store.commit, lambda: store.update(lambda value: value)):
        with pytest.raises(PermissionError, match=f"symbolic link of user {ALICE.uid}"):
            act()
    assert os.listdir(secret) == []


def test_strangers_file_in_a_sticky_directory_is_not_replaced(sticky: Path) -> None:
    """The sticky bit keeps others from replacing a file; the commit says so with the path and leaves no temp."""
    path = make(sticky / "state.json", ALICE, 0o644)
    with pytest.raises(PermissionError) as caught:
        in_child(lambda: put(path, 2), BOB)
    assert (caught.value.errno, caught.value.filename) == (errno.EPERM, path)
    assert path.read_text() == "1"
    assert os.listdir(sticky) == ["state.json"]


# --- locale ----------------------------------------------------------------------------------------------------------

TEXT = "\u00e9\u20ac\N{SNAKE}\r\n"

IN_A_LOCALE = """
import locale, sys
import atomic_store

assert locale.getpreferredencoding(False).lower() == sys.argv[2], locale.getpreferredencoding(False)
is_binary = {"any": None, "text": False}[sys.argv[3]]
store = atomic_store.open(sys.argv[1], is_binary=is_binary, dump_kwargs={"ensure_ascii": False})
assert store.value == "\\u00e9\\u20ac\\U0001f40d\\r\\n", ascii(store.value)
store.value = [store.value]
store.commit()
"""


def latin_1(place: Path) -> dict[str, str]:
    """Compile a Latin-1 locale of our own: few machines have one."""
    require(shutil.which("localedef"), "needs the program localedef")
    tool_words = ["localedef", "--no-archive", "-i", "en_US", "-f", "ISO-8859-1", str(place / "en_US.ISO-8859-1")]
    done = subprocess.run(tool_words, capture_output=True, text=True, check=False)
    require(done.returncode == 0, f"needs Debian's package locales to make a Latin-1 locale: {done.stderr}")
    return {"LOCPATH": str(place), "LC_ALL": "en_US.ISO-8859-1"}


@pytest.mark.parametrize(
    ("locale", "encoding"),
    [
        (lambda place: {"LANG": "C"}, "ansi_x3.4-1968"),
        (lambda place: {"LC_ALL": "C"}, "ansi_x3.4-1968"),
        (latin_1, "iso-8859-1"),
        (lambda place: {"LC_ALL": "C.UTF-8"}, "utf-8"),
    ],
    ids=["LANG=C", "LC_ALL=C", "Latin-1", "UTF-8"],
)
@pytest.mark.parametrize("writes", ["any", "text"])
def test_locale_has_no_say_in_the_bytes(
    locale: Callable[[Path], dict[str, str]], encoding: str, writes: str, tmp_path: Path
) -> None:
    """Text is read and written as UTF-8 without newline translation, whatever the locale takes for text."""
    path = tmp_path / "state.json"
    path.write_bytes(json.dumps(TEXT, ensure_ascii=False).encode())
    # Python would leave the C locale by itself; here it must stay.
    environment = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PATH": os.environ["PATH"], **locale(tmp_path)}
    # Without site: in an ASCII locale Python 3.11 ends at a .pth file (an editable installation) with others.
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    words = [sys.executable, "-S", "-W", "error", "-c", IN_A_LOCALE, str(path), encoding, writes]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert path.read_bytes() == json.dumps([TEXT], ensure_ascii=False).encode()


# --- fork ------------------------------------------------------------------------------------------------------------


def test_fork_between_open_and_commit_leaves_two_whole_stores(tmp_path: Path) -> None:
    """A store that was opened before a fork commits in the child and in the parent, each time a whole value."""
    path = tmp_path / "state.json"
    store = atomic_store.open(path, "start")

    def commit() -> None:
        store.value = "child " * 1000
        store.commit()

    in_child(commit)
    assert json.loads(path.read_bytes()) == "child " * 1000
    assert store.value == "start"
    store.value = "parent"
    store.commit()
    assert json.loads(path.read_bytes()) == "parent"
    assert os.listdir(tmp_path) == ["state.json"]


class ChildEnds(Exception):
    """What a child raises out of a dump, through the frames of its parent's commit."""


def test_child_that_ends_during_a_commit_removes_no_temp_of_its_parent(tmp_path: Path) -> None:
    """A child that is forked in the middle of a dump and leaves it by an exception leaves its parent's commit alone."""
    path = tmp_path / "state.json"
    put(path, "old")

    class Forking:
        @staticmethod
        def dump(value: object, file: Any) -> None:
            file.write(json.dumps(value))
            child = os.fork()
            if not child:
                raise ChildEnds
            os.waitpid(child, 0)

        load = staticmethod(json.load)

    try:
        put(path, "new", format=Forking)
    except ChildEnds:
        gc.collect()
        os._exit(0)
    assert json.loads(path.read_bytes()) == "new"
    assert os.listdir(tmp_path) == ["state.json"]


def test_a_dump_that_forks_and_goes_on_in_both_processes_is_committed_by_one(tmp_path: Path) -> None:
    """A child that was forked in the middle of a dump and ends it cannot write into its parent's temp, nor publish it."""
    over, end = os.pipe()

    class Forks(atomic_store.AbstractFormatFile):
        child = -1

        def dump(self, obj: Any, fp: Any, **kwargs: Any) -> None:
            fp.write(b"half ")
            self.child = os.fork()
            if self.child == 0:
                os.close(end)
                os.read(over, 1)  # when the parent has committed, for then nothing else would notice
            fp.write(b"whole")

    format = Forks()
    path = tmp_path / "value"
    store = atomic_store.open(path, default=1, format=format)
    try:
        store.commit()
    except BaseException as error:
        if format.child != 0:
            raise
        # Whatever it is: a child that lives on would be a second pytest.
        refused = isinstance(error, atomic_store.AtomicStoreError) and "forked" in str(error) and path.name in str(error)
        os._exit(0 if refused else 1)
    if format.child == 0:
        os._exit(2)
    os.close(end)
    os.close(over)
    assert os.waitpid(format.child, 0)[1] == 0
    assert path.read_bytes() == b"half whole"
    assert os.listdir(tmp_path) == ["value"]


def test_children_of_one_fork_do_not_meet_in_one_temp(tmp_path: Path) -> None:
    """Parent and child choose different names for their temps, though the fork copied the source of chance."""
    path = tmp_path / "state.json"
    put(path, 0)

    class Telling:
        names: list[str]

        @classmethod
        def dump(cls, value: object, file: Any) -> None:
            file.write(json.dumps(value))
            cls.names = [name for name in os.listdir(tmp_path) if name.endswith(".tmp")]

        load = staticmethod(json.load)

    def commit() -> list[str]:
        put(path, 1, format=Telling)
        return Telling.names

    assert in_child(commit) != commit()


# --- before and after, to be quoted ----------------------------------------------------------------------------------


def look(path: Path, file: Path) -> dict[str, str]:
    """Describe what a commit must keep."""
    described = {
        "link": f"{path.name} -> {path.readlink()}" if path.is_symlink() else "",
        "mode": stat.filemode(file.stat().st_mode),
        "owner": "{}:{}".format(*owner(file)),
        "acl": " ".join(acl(file)),
    }
    for name in os.listxattr(file):
        if name.startswith("user."):
            described[name] = os.getxattr(file, name).decode()
    return described


def test_commit_changes_nothing_but_the_value(public: Path, record_property: Callable[[str, object], None]) -> None:
    """Link, mode, owner, ACL and attributes are the same after a commit as before; `pytest -rP` prints both."""
    (public / "data").mkdir()
    file = with_acl(make(public / "data" / "real.json", ALICE, 0o640, group=CREW), f"u:{BOB.uid}:rw,g:{CREW + 1}:r")
    path = public / "state.json"
    path.symlink_to("data/real.json")
    set_attribute(file, "user.origin", b"sensor 7")
    before = look(path, file)
    put(path, 2)
    after = look(path, file)
    print(f"\n{'':<12} {'before':<68} after")
    for key in before | after:
        print(f"{key:<12} {before.get(key, '-'):<68} {after.get(key, '-')}")
    record_property("before", before)
    record_property("after", after)
    assert file.read_text() == "2"
    assert before == after
    assert before["mode"] == "-rw-rw----"
    assert before["user.origin"] == "sensor 7"
