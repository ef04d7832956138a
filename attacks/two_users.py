"""A stranger attacks a store in a directory like /tmp while its user commits: python -m attacks.two_users.

Two programs of the stranger plant links, pipes, hard links, directories and files of their own, under every name that the
library uses there: the file itself, its lock file, the temps of the next commits (whose names they are told
beforehand) and what corrupt files are set aside as. They take them away again at once, lock them, and try to exchange
what the user has made. The user, first somebody like the stranger and then root, opens, commits, updates and deletes.

Nothing outside the directory is ever changed, nothing of it gets into the store, nothing hangs, each error names the path,
and no temp is left. Controls: a program that follows the link to see where to put its temp changes a file outside, and
one that simply opens the path hangs.
"""

from __future__ import annotations

import argparse
import errno
import fcntl
import importlib
import json
import logging
import multiprocessing
import os
import pkgutil
import random
import signal
import stat
import sys
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType
from typing import Any, ClassVar, NoReturn

from machine import ALICE, BOB, User, public_directory

import atomic_store
from atomic_store.locations import _writer

from .record import record

ROOT = User(0, 0)
STRANGERS = 2
LONG = 60  # seconds; a run that is shorter leaves the figures of the last long one alone
PROPHECIES = 32  # how many names the temps take turns with
HANGS_AFTER = 20  # seconds; no step of the user takes nearly as long
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


def load_all() -> None:
    """Load all of the library now: whoever has given up root may not be able to read its files."""
    for module in pkgutil.walk_packages(atomic_store.__path__, "atomic_store."):
        # The one is the program; the others want what is not installed, and nobody uses them here.
        if not module.name.endswith(".__main__"):
            with suppress(ModuleNotFoundError, atomic_store.MissingLibraryError):
                importlib.import_module(module.name)


def become(user: User) -> None:
    """Become somebody for good."""
    os.setgroups(user.groups)
    os.setresgid(user.gid, user.gid, user.gid)
    os.setresuid(user.uid, user.uid, user.uid)


# --- the stranger ----------------------------------------------------------------------------------------------------


class Stranger:
    """Plants things, and takes them away."""

    def __init__(self, where: Ground, seed: int) -> None:
        self._where = where
        self._chance = random.Random(seed)
        self._temps = where.temps()
        self._own = where.directory / f"stranger-{seed}"
        self.planted: Counter[str] = Counter()

    def attack(self, end: float) -> None:
        """Go on until then."""
        os.chdir(self._where.directory)
        self._own.write_text('"of the stranger"', encoding="utf-8")
        self._own.chmod(0o666)
        while time.monotonic() < end:
            self._step()

    def _step(self) -> None:
        """Plant one thing or some, leave them there for a moment, and take them away."""
        kind = self._chance.choice(list(self.PLANTS))
        names = self._names()
        for name in names:
            with suppress(OSError):
                self.PLANTS[kind](self, name)
                self.planted[kind] += 1
        if self._chance.random() < 0.3:
            self._meddle()
        time.sleep(self._chance.choice([0, 0, 0.001, 0.003]))
        for name in names:
            with suppress(OSError):
                os.rmdir(name) if os.path.isdir(name) and not os.path.islink(name) else os.unlink(name)

    def _names(self) -> list[str]:
        name = self._where.path.name
        which = self._chance.randrange(5)
        if which == 0:
            return [name]
        if which == 1:
            return [f".{name}.lock"]
        if which == 2:
            now = time.time()
            return [
                f"{name}.corrupt-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(now + late))}{tail}"
                for late in (0, 1)
                for tail in ("", "-1")
            ]
        # Half of them, so that as many commits find their name taken as not.
        return self._chance.sample(self._temps, PROPHECIES // 2)

    def _meddle(self) -> None:
        """Try to exchange, open, lock or link what is there."""
        for name in os.listdir("."):
            if name == self._own.name:
                continue
            with suppress(OSError):
                os.rename(self._own.name, name)
                self.planted["exchanged"] += 1
                self._own.write_text("[]", encoding="utf-8")
            with suppress(OSError):
                os.link(name, f"{name}.linked")
                os.unlink(f"{name}.linked")
            with suppress(OSError):
                descriptor = os.open(name, os.O_RDWR | os.O_NONBLOCK)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    os.write(descriptor, b"by the stranger")
                finally:
                    os.close(descriptor)

    def _link_to_secret(self, name: str) -> None:
        os.symlink(self._where.secret, name)

    def _link_to_nothing(self, name: str) -> None:
        os.symlink(self._where.free, name)

    def _loop(self, name: str) -> None:
        os.symlink(name, name)

    def _hard_link_to_secret(self, name: str) -> None:
        os.link(self._where.secret, name)  # where fs.protected_hardlinks is 0

    def _hard_link(self, name: str) -> None:
        os.link(self._own.name, name)

    def _file(self, name: str) -> None:
        descriptor = os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
        try:
            os.write(descriptor, self._chance.choice([b"", b"garbage", b"1"]))
            os.utime(descriptor, (0, 0))  # so old that a sweep would take it
        finally:
            os.close(descriptor)

    PLANTS: ClassVar[dict[str, Callable[[Any, str], None]]] = {
        "link to the secret": _link_to_secret,
        "link to nothing": _link_to_nothing,
        "loop": _loop,
        "hard link to the secret": _hard_link_to_secret,
        "hard link": _hard_link,
        "file": _file,
        "pipe": lambda _, name: os.mkfifo(name),
        "directory": lambda _, name: os.mkdir(name),
    }


# --- the user --------------------------------------------------------------------------------------------------------


def blind(_: bytes) -> int:
    """Load anything: what the stranger has stored there stops no commit."""
    return 0


BLIND = (lambda value: json.dumps(value).encode(), blind)


class Hang(BaseException):
    """A step has not come to an end."""


def wake(_: int, frame: FrameType | None) -> NoReturn:
    """End a step that hangs."""
    raise Hang("".join(traceback.format_stack(frame)[-6:]))


class Victim:
    """Uses a store as programs do, and looks at each error."""

    def __init__(self, where: Ground) -> None:
        self._path = str(where.path)
        self.endings: dict[str, Counter[str]] = {}
        self.violations: list[str] = []

    def work(self, end: float) -> None:
        """Go on until then."""
        signal.signal(signal.SIGALRM, wake)
        logging.disable()
        chance = random.Random(1)
        count = 0
        while time.monotonic() < end:
            name = chance.choice(list(self.STEPS))
            if chance.random() < 0.3:
                # What cleans up /tmp may do: else the first lock file would stand there, and nobody could plant another.
                with suppress(OSError):
                    os.unlink(os.path.join(os.path.dirname(self._path), f".{os.path.basename(self._path)}.lock"))
            _writer._names.seed(count % PROPHECIES)
            count += 1
            signal.alarm(HANGS_AFTER)
            ending = self._ended(name)
            signal.alarm(0)
            self.endings.setdefault(name, Counter())[ending] += 1
            self._look_at_what_is_stored(name, ending)

    def _ended(self, name: str) -> str:
        try:
            self.STEPS[name](self)
        except Hang as hang:
            self.violations.append(f"{name} hangs: {hang}")
            return "hang"
        except (OSError, atomic_store.AtomicStoreError) as error:
            if getattr(error, "filename", None) != self._path and repr(self._path) not in str(error):
                self.violations.append(f"{name}: the error does not name the path: {error!r}")
            return type(error).__name__
        except BaseException as error:
            self.violations.append(f"{name}: {''.join(traceback.format_exception(error))}")
            return type(error).__name__
        return "success"

    def _look_at_what_is_stored(self, name: str, ending: str) -> None:
        """Nothing of the secret gets into what others may read, not even its attributes."""
        try:
            if os.getxattr(self._path, "user.secret", follow_symlinks=False) == MARK and not self._is_secret_itself():
                self.violations.append(f"{name} ended with {ending}, and the file has an attribute of the secret")
        except OSError as error:
            if error.errno not in (errno.ENODATA, errno.ENOENT, errno.EPERM, errno.EACCES, errno.EOPNOTSUPP, errno.ELOOP):
                raise

    def _is_secret_itself(self) -> bool:
        """Whether the stranger has made a hard link to the secret, or a commit has replaced one: its attributes are kept."""
        return stat.S_IMODE(os.lstat(self._path).st_mode) == 0o600

    def _open(self, **options: Any) -> atomic_store.AtomicStore[Any]:
        return atomic_store.open(self._path, 0, **options)

    def _put(self, value: object, **options: Any) -> None:
        store = atomic_store.open(self._path, 0, BLIND, **options)
        store.value = value
        store.commit()

    def _quarantine(self) -> None:
        with warnings.catch_warnings(action="ignore"):
            self._open(on_corrupt="quarantine")

    def _atomic_write(self) -> None:
        with atomic_store.atomic_write(self._path, "w") as file:
            file.write("2")

    def _block(self) -> None:
        with self._open(lock=5) as store:
            store.value = 3

    def _look(self) -> None:
        store = self._open(on_conflict="raise")
        store.changed()
        store.reload()

    STEPS: ClassVar[dict[str, Callable[[Any], object]]] = {
        "open": lambda self: self._open(),
        "commit": lambda self: self._put([1]),
        "commit with on_conflict=raise": lambda self: self._put([2], on_conflict="raise"),
        "commit with lock=": lambda self: self._put([3], lock=5),
        "block with lock=": _block,
        "update()": lambda self: self._open(lock=5).update(lambda value: [value][:1]),
        "delete()": lambda self: self._open().delete(),
        "delete() with lock=": lambda self: self._open(lock=5).delete(),
        "quarantine": _quarantine,
        "atomic_write": _atomic_write,
        "changed() and reload()": _look,
    }


class ThroughTheLink(Victim):
    """A control: it finds out where a link leads, and then does everything right, over there."""

    def _replace(self) -> None:
        real = os.path.realpath(self._path)
        temp = f"{real}.new"
        with open(temp, "w", encoding="utf-8") as file:
            file.write("4")
        os.replace(temp, real)
        with suppress(FileNotFoundError):
            os.unlink(self._path)  # else nobody could plant anything there any more

    STEPS: ClassVar = {"commit": _replace}


class PlainOpen(Victim):
    """A control: it simply opens the path."""

    def _read(self) -> None:
        signal.alarm(1)
        with open(self._path, encoding="utf-8") as file:
            file.read()

    STEPS: ClassVar = {"open": _read}


# --- both ------------------------------------------------------------------------------------------------------------


@dataclass
class Outcome:
    """What an attack has come to.

    Attributes:
        endings: for each step how often it ended how.
        planted: what the strangers have planted, and how often.
        violations: what must not be.
    """

    endings: dict[str, Counter[str]] = field(default_factory=dict)
    planted: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)


def in_process(work: Callable[[Connection], None], user: User) -> tuple[Any, Connection]:
    """Start `work` in a process of its own, as somebody else; give it, and the end of the pipe that it tells its result."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)

    def run() -> None:
        become(user)
        work(theirs)

    process = context.Process(target=run)
    process.start()
    theirs.close()
    return process, ours


def attack(user: User, victim: type[Victim], seconds: float) -> Outcome:
    """Let a victim work and the strangers attack, for some seconds."""
    outcome = Outcome()
    with ground(user) as where:
        before = where.outside()
        end = time.monotonic() + seconds

        def be_stranger(seed: int) -> Callable[[Connection], None]:
            def work(pipe: Connection) -> None:
                stranger = Stranger(where, seed)
                stranger.attack(end)
                pipe.send(stranger.planted)

            return work

        def be_victim(pipe: Connection) -> None:
            one = victim(where)
            one.work(end)
            pipe.send((one.endings, one.violations))

        processes = [in_process(be_stranger(seed), BOB) for seed in range(STRANGERS)]
        processes.append(in_process(be_victim, user))
        results: list[Any] = []
        for process, pipe in processes:
            # What the victim's own alarm does not end has swallowed it, and hangs for good.
            if pipe.poll(seconds + 2 * HANGS_AFTER):
                try:
                    results.append(pipe.recv())
                except EOFError:
                    outcome.violations.append(f"a program has died: {process.exitcode}")
            else:
                outcome.violations.append("a program hangs for good")
                process.kill()
            process.join()
        if len(results) == len(processes):
            *plantings, (outcome.endings, found) = results
            outcome.violations += found
            for planted in plantings:
                outcome.planted.update(planted)
        after = where.outside()
        if after != before:
            outcome.violations.append(f"changed outside: {before} became {after}")
        temps = [
            name
            for name in os.listdir(where.directory)
            if name.endswith(".tmp")
            and (where.directory / name).lstat().st_uid == user.uid
            and not (where.directory / name).samefile(where.secret)  # a link that the stranger cannot take away again
        ]
        if temps:
            outcome.violations.append(f"temps left behind: {temps}")
    return outcome


def shortcomings(outcome: Outcome) -> list[str]:
    """What shows that the attack was none: steps that never went through, and plants that met nobody."""
    found = [f"{name} never went through" for name, endings in outcome.endings.items() if not endings["success"]]
    found += [f"{name} was never tried" for name in Victim.STEPS if name not in outcome.endings]
    met = Counter[str]()
    for endings in outcome.endings.values():
        met.update(endings)
    found += [f"no step met a {name}" for name in ("PermissionError", "FileExistsError", "LockError") if not met[name]]
    return found


def main() -> int:
    """Run; give the exit status."""
    parser = argparse.ArgumentParser(prog="python -m attacks.two_users", description=__doc__)
    parser.add_argument("--seconds", type=float, default=10, help="for how long against each user (default: %(default)s)")
    chosen = parser.parse_args()
    if os.geteuid() != 0:
        print("needs root to become two other users")
        return 2

    load_all()
    begun = time.monotonic()
    failures: list[str] = []
    figures: dict[str, object] = {}
    for name, user in (("a user", ALICE), ("root", ROOT)):
        outcome = attack(user, Victim, chosen.seconds)
        found = outcome.violations + [f"no attack: {each}" for each in shortcomings(outcome)]
        failures += found
        steps = sum(sum(endings.values()) for endings in outcome.endings.values())
        print(f"against {name}: {steps} steps, {sum(outcome.planted.values())} things planted: {dict(outcome.planted)}")
        for step, endings in sorted(outcome.endings.items()):
            print(f"    {step:<30} {dict(endings)}")
        print(*(f"    VIOLATION {each}\n" for each in found[:20]), sep="", end="", flush=True)
        figures[name] = {"steps": outcome.endings, "planted": outcome.planted, "violations": found}
    for control, sign in ((ThroughTheLink, "changed outside"), (PlainOpen, "hangs")):
        outcome = attack(ALICE, control, 3)
        seen = [violation for violation in outcome.violations if sign in violation]
        print(f"control {control.__name__}: {seen[0][:150] if seen else 'NOT FOUND OUT'}", flush=True)
        figures[f"control {control.__name__}"] = bool(seen)
        if not seen:
            failures.append(f"CONTROL: {control.__name__} was not found out")
    print(f"{len(failures)} violations")
    name = "two_users" if chosen.seconds >= LONG else "two_users-short"
    path = record(name, begun, seconds_against_each=chosen.seconds, violations=failures, figures=figures)
    print(f"{time.monotonic() - begun:.0f} seconds; {path}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
