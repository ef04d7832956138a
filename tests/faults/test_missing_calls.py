"""What the original did without may be missing: each optional call is refused, by each errno, or is not there at all.

The fault sweep fails one call once. Here a call is refused for good, as by a FUSE daemon, AppArmor, Android or a Python
that was built without it: the commit goes on and keeps every promise of safety, or says which call was refused.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from faults import KINDS, NEW, PLAIN, Attack, Kind, Scene, System, Witness, outcome, run

import atomic_store

Record = Callable[[str, object], None]

# What a file cannot be replaced without: these may fail, and the fault sweep sees to that, but they are never missing.
NEEDED = {
    *(
        "open",
        "read",
        "write",
        "fsync",
        "close",
        "replace",
        "rename",
        "unlink",
        "lstat",
        "stat",
        "fstat",
        "lseek",
        "readlink",
    ),
    *("listdir", "scandir", "pread"),
}
ERRORS = (*("EPERM", "EACCES", "ENOSYS", "ENOTSUP", "EOPNOTSUPP", "EINVAL", "EIO", "ENODATA", "ENOLCK", "EMLINK", "EROFS"),)
# Without them nothing that matters is lost: no refusal stops a commit.
MUST_GO_ON = {"flock of a temp", "getcwd", "link", "listxattr", "pathconf"}
SWEPT = [
    kind
    for kind in KINDS
    if kind.name
    in (
        *("first write", "replacement through a symlink", "replacement that keeps attributes", "commit of what is stored"),
        *(
            "creation with on_conflict=raise",
            "dump through the descriptor",
            "first write with lock=",
            "replacement with lock=",
        ),
        *("first update()", "deletion with lock=", "open through a symlink", "open that sets garbage aside"),
    )
]
# A disk that fails is not a call that is missing: here an error is as good.
FAILING = ("EIO", "EROFS")


@dataclass
class Refusal(Attack):
    """Every call of one name is refused.

    Attributes:
        refused: the call, as asked_for() calls it.
        missing: whether it is not in os at all.
        names: all optional calls so far.
    """

    refused: str = ""
    missing: bool = False
    names: set[str] = field(default_factory=set)

    def call(self, name: str, real: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Refuse the call, or make it."""
        what = asked_for(name, args)
        if what is not None:
            self.names.add(what)
        if what is not None and what == self.refused:
            raise OSError(self.errno, os.strerror(self.errno))
        return super().call(name, real, *args, **kwargs)


class Poor(System):
    """Stands in for a module `os` without some function."""

    def __getattr__(self, name: str) -> Any:
        attack = self._attack
        if isinstance(attack, Refusal) and attack.missing and name == attack.refused:
            raise AttributeError(name)
        return super().__getattr__(name)


def asked_for(name: str, args: tuple[Any, ...]) -> str | None:
    """Name an optional call; None: it is needed."""
    if name == "flock":
        path = os.readlink(f"/proc/self/fd/{args[0]}")
        return None if path.endswith(".lock") else "flock of a temp"
    if name in ("stat", "lstat") and args and isinstance(args[0], str) and os.path.isdir(args[0]):
        return f"{name} of a directory"
    return None if name in NEEDED else name


@contextmanager
def poor() -> Iterator[None]:
    """Let the attack stand in for os as a Python would have it that was built without some function."""
    with mock.patch("faults.System", Poor):
        yield


def wider(scene: Scene, before: os.stat_result | None) -> Iterator[str]:
    """Nobody may do with the file what he could not do before: unless it is gone, or new."""
    if before is None or not scene.file.exists():
        return
    after = scene.file.stat()
    allowed = stat.S_IMODE(before.st_mode)
    if after.st_gid != before.st_gid:  # its members were among all others
        allowed = allowed & ~stat.S_IRWXG | (allowed & stat.S_IRWXO) << 3
    if after.st_uid != before.st_uid:
        allowed |= stat.S_IRWXU
    if stat.S_IMODE(after.st_mode) & ~allowed:
        yield f"mode {after.st_mode:o} of {after.st_uid}:{after.st_gid} is wider than {before.st_mode:o}"


def flaws(kind: Kind, directory: Path, outcomes: tuple[bytes | None, bytes | None], refusal: Refusal) -> list[str]:
    """Act while the call is refused; give all that is wrong then."""
    witness = Witness(kind.prepare(directory), *outcomes)
    before = witness.scene.file.stat() if witness.scene.file.exists() else None
    with poor():
        error = run(witness.scene, refusal)
    found = [*witness.torn_bytes(), *witness.leftovers(Attack()), *wider(witness.scene, before)]
    if error is None:
        found += witness.wrong_bytes(refusal, error)
    elif not isinstance(error, OSError | atomic_store.AtomicStoreError):
        found.append(f"ended with {error!r}")
    else:
        said = " ".join([str(error), *getattr(error, "__notes__", ())])
        fails = not refusal.missing and errno.errorcode[refusal.errno] in FAILING
        if refusal.refused in MUST_GO_ON and not fails:
            found.append(f"stopped by {error!r}")
        elif refusal.refused.partition(" ")[0] not in said and not fails:
            found.append(f"the error does not name the call: {error!r}")
    return found + list(witness.no_way_on(witness.scene))


@pytest.mark.parametrize("kind", SWEPT, ids=repr)
def test_commit_goes_on_without_what_may_be_missing(kind: Kind, tmp_path: Path, record_property: Record) -> None:
    """Each optional call, refused with each errno or missing: the value is stored, no mode wider, or the error names it."""
    outcomes = outcome(kind, tmp_path / "rehearsal")
    calls = Refusal()
    run(kind.prepare(tmp_path / "count"), calls)
    found: list[str] = []
    tried = 0
    for name in sorted(calls.names):
        for number in [*ERRORS, "missing"]:
            if number == "missing":
                refusal = Refusal(refused=name, missing=True)
                if not hasattr(os, name):
                    continue
            else:
                refusal = Refusal(errno=getattr(errno, number), refused=name)
            tried += 1
            place = tmp_path / str(tried)
            found += [f"{name}, {number}: {flaw}" for flaw in flaws(kind, place, outcomes, refusal)]
    if found:  # by fail(), for pytest cuts what an assert compares
        pytest.fail("\n".join(found))
    record_property("optional calls refused", tried)


def test_sweep_finds_a_commit_that_needs_what_is_optional(tmp_path: Path) -> None:
    """Control: a commit that stops where link(2) is refused is found, and so is one that leaves a wider mode behind."""

    def enter(directory: Path) -> Scene:
        path = directory / "state"
        ours = sys.modules["atomic_store.locations.local._tempfile"]

        def act() -> None:
            ours.os.link(path, directory / "second")
            os.unlink(directory / "second")

        return PLAIN.scene(directory, act)

    kind = Kind("linking", PLAIN.make, enter)
    found = flaws(kind, tmp_path / "link", outcome(kind, tmp_path / "1"), Refusal(errno=errno.EPERM, refused="link"))
    assert any("stopped by" in flaw for flaw in found), found

    def careless(directory: Path) -> Scene:
        store = PLAIN.open(PLAIN.path(directory))

        def act() -> None:
            store.value = NEW
            store.commit()
            (directory / "state").chmod(0o666)

        return PLAIN.scene(directory, act)

    kind = Kind("careless", PLAIN.make, careless)
    found = flaws(kind, tmp_path / "mode", outcome(kind, tmp_path / "2"), Refusal(errno=errno.EPERM, refused="link"))
    assert any("is wider than" in flaw for flaw in found), found
