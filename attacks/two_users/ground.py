"""A directory like /tmp, and what of the victim's lies outside it."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from machine import User, public_directory

PROPHECIES = 32  # how many names the temps take turns with
SECRET, MARK = '"the secret of the victim"', b"a secret mark"


@dataclass(frozen=True)
class Ground:
    """Where it happens.

    Attributes:
        directory: everybody may write there, and it is sticky.
        path: the file that the store is to keep.
        home: the victim's own directory, which others may only enter.
    """

    directory: Path
    path: Path
    home: Path

    @property
    def secret(self) -> Path:
        """A file of the victim's that nobody else can read."""
        return self.home / "secret.json"

    @property
    def free(self) -> Path:
        """A name at which the victim could make a file and has not."""
        return self.home / "new.json"

    def temps(self) -> list[str]:
        """The names of all temps that will be made: the victim's source of chance is set back before each step."""
        chance = random.Random()
        names = []
        for seed in range(PROPHECIES):
            chance.seed(seed)
            names.append(f".{self.path.name}.{chance.getrandbits(64):016x}.tmp")
        return names

    def outside(self) -> dict[str, object]:
        """All that must stay as it is."""
        found: dict[str, object] = {"names": sorted(os.listdir(self.home))}
        for name in os.listdir(self.home):
            file = self.home / name
            status = file.lstat()
            attributes = {key: os.getxattr(file, key) for key in os.listxattr(file)}
            found[name] = file.read_bytes(), status.st_mode, status.st_uid, status.st_gid, status.st_mtime_ns, attributes
        return found


@contextmanager
def ground(victim: User) -> Iterator[Ground]:
    """Prepare it for a victim."""
    with public_directory() as place:
        made = Ground(place / "tmp", place / "tmp" / "state.json", place / "home")
        made.directory.mkdir()
        made.directory.chmod(0o1777)
        made.home.mkdir()
        os.chown(made.home, victim.uid, victim.gid)
        made.home.chmod(0o711)
        made.secret.write_text(SECRET, encoding="utf-8")
        os.chown(made.secret, victim.uid, victim.gid)
        made.secret.chmod(0o600)
        with suppress(OSError):  # not every file system has them
            os.setxattr(made.secret, "user.secret", MARK)
        yield made
