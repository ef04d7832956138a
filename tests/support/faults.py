"""What the sweeps share: the things a program does with a store, the attacks on them, and what must hold afterwards.

A `Kind` is one thing that programs do (a first commit, a replacement through a link, an open ...). It makes a `Scene` in an
empty directory, whose `act` is attacked: by an `Attack`, which stands between the library and the operating system, or
from outside by a signal. A `Witness` then lists what the attack has broken.
"""

from __future__ import annotations

import fcntl
import gc
import gzip
import hmac
import json
import logging
import os
import pickle
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache, partial
from itertools import count
from pathlib import Path
from types import BuiltinFunctionType
from typing import Any, NamedTuple
from unittest import mock

import atomic_store

OLD = {"run": 1}
NEW = {"run": 2, "why": "it is newer"}
LARGE = ["x" * 50] * 6000  # over 300 kB: several write(2), even if each takes all it is given
TEMP = re.compile(r"\..+\.[0-9a-f]{16}\.tmp")
# What may stand there after a commit, and after garbage was set aside.
LIVES_ON = re.compile(r"link|state|\.state\.lock|state\.corrupt-\d{8}T\d{6}Z(-\d+)?")


@dataclass
class Scene:
    """A place on the disk, and what a program is about to do with it.

    Attributes:
        directory: holds the place, and nothing else.
        path: the place as the program spells it, which is not as the kernel would.
        file: the file that holds the bytes.
        act: does it; called again, it does it again.
    """

    directory: Path
    path: str
    file: Path
    act: Callable[[], None]

    def visible(self) -> bytes | None:
        """The bytes that are stored, or were set aside, read behind the library's back; None: there are none."""
        with suppress(FileNotFoundError):
            return self.file.read_bytes()
        # An empty one only reserves the name: on a disk that has died it cannot be removed.
        found = [content for file in self.file.parent.glob("state.corrupt-*") if (content := file.read_bytes())]
        return found[0] if found else None

    def strangers(self) -> list[str]:
        """The names in the directory that no commit leaves there."""
        names = (os.path.relpath(path, self.directory) for path in self.directory.rglob("*") if not path.is_dir())
        return sorted(name for name in names if not LIVES_ON.fullmatch(os.path.basename(name)))


class Kind(NamedTuple):
    """One thing that programs do.

    Attributes:
        name: what it is called in the names of the tests.
        make: makes the place in a directory that does not exist yet.
        enter: opens the store there.
    """

    name: str
    make: Callable[[Path], None]
    enter: Callable[[Path], Scene]

    def __repr__(self) -> str:
        return self.name

    def prepare(self, directory: Path) -> Scene:
        """Make the place and open the store."""
        self.make(directory)
        return self.enter(directory)


class ThroughDescriptor:
    """A format that writes through fileno(), as numpy does, and before that as everybody does."""

    @staticmethod
    def dump(value: Any, file: Any) -> None:
        file.write(b"\n")
        os.write(file.fileno(), json.dumps(value).encode())

    @staticmethod
    def load(file: Any) -> Any:
        return json.load(file)


KEY = b"a key of many bytes"
WRAPPED = atomic_store.Signed(atomic_store.Compressed("json"), KEY)


class Place(NamedTuple):
    """Where a kind works, in whichever directory: a file, or a link to a file elsewhere.

    Attributes:
        old: the value that is stored before; None: nothing is.
        link: whether the program names a link.
        dressed: whether the file has attributes that a commit must carry over.
        format: the format of the store.
        skips: whether a commit of what is stored writes nothing.
    """

    old: Any = OLD
    link: bool = False
    dressed: bool = False
    format: Any = None
    skips: bool = False

    def file(self, directory: Path) -> Path:
        """The file that holds the bytes."""
        return directory / "elsewhere" / "state" if self.link else directory / "state"

    def path(self, directory: Path) -> str:
        """The path as the program spells it: relative and not normalised, as no system call has it."""
        return os.path.join(os.path.relpath(directory), ".", "link" if self.link else "state")

    def make(self, directory: Path) -> None:
        """Make the directory, the link and, behind the library's back, the file."""
        file = self.file(directory)
        file.parent.mkdir(parents=True)
        if self.link:
            (directory / "link").symlink_to(os.path.join("elsewhere", "state"))
        if isinstance(self.old, bytes):
            file.write_bytes(self.old)
        elif self.old is not None:
            file.write_bytes(encoded(self.old, self.format))
        if self.dressed:
            dress(file)

    def open(self, path: str, **options: Any) -> atomic_store.AtomicStore[Any]:
        """Open the store; `path` is found beforehand, for that costs system calls which are none of the library's."""
        place = atomic_store.LocalFile(path, skip_unchanged=True) if self.skips else path
        return atomic_store.open(place, format=self.format, **options)

    def scene(self, directory: Path, act: Callable[[], None]) -> Scene:
        """The scene of an act here."""
        return Scene(directory, self.path(directory), self.file(directory), act)


PLAIN, EMPTY, LINK, PICKLE = Place(), Place(old=None), Place(link=True), Place(format="pickle")


def encoded(value: Any, format: Any) -> bytes:
    """What the format makes of a value, told without the library: `WRAPPED` is JSON, packed, and signed."""
    if format == "pickle":
        return pickle.dumps(value)
    if format is WRAPPED:
        packed = gzip.compress(json.dumps(value).encode(), mtime=0)
        return packed + b"\n-- atomic_store hmac-sha256 " + hmac.new(KEY, packed, "sha256").hexdigest().encode() + b"\n"
    return json.dumps(value).encode()


def dress(file: Path) -> None:
    """Give the file attributes that a commit has to carry over, as many as this machine permits."""
    file.chmod(0o640)
    with suppress(OSError):
        os.chown(file, 12345, 12346)
    with suppress(OSError):
        os.setxattr(file, "user.origin", b"a test")


def writing(name: str, where: Place = PLAIN, *, new: Any = NEW, bare: bool = False, **options: Any) -> Kind:
    """A commit: at the end of a block, or `bare`, by commit() itself."""

    def enter(directory: Path) -> Scene:
        store = where.open(where.path(directory), **options)

        def act() -> None:
            if bare:
                store.value = new
                store.commit()
                return
            with store:
                store.value = new

        return where.scene(directory, act)

    return Kind(name, where.make, enter)


def updating(name: str, where: Place = PLAIN, **options: Any) -> Kind:
    """A read, change and write under the lock."""

    def enter(directory: Path) -> Scene:
        store = where.open(where.path(directory), default=OLD, **options)

        def act() -> None:
            assert store.update(lambda value: {**value, **NEW}) == NEW

        return where.scene(directory, act)

    return Kind(name, where.make, enter)


def deleting(name: str, where: Place = PLAIN, **options: Any) -> Kind:
    """A deletion."""

    def enter(directory: Path) -> Scene:
        return where.scene(directory, where.open(where.path(directory), **options).delete)

    return Kind(name, where.make, enter)


def opening(name: str, where: Place = PLAIN, **options: Any) -> Kind:
    """An open: whatever happens, the value is what is stored, and the default only where nothing is."""
    wanted = "the default" if where.old is None else where.old

    def enter(directory: Path) -> Scene:
        path = where.path(directory)

        def act() -> None:
            store = where.open(path, default="the default", **options)
            assert store.value == wanted, f"opened as {store.value!r:.80}"

        return where.scene(directory, act)

    return Kind(name, where.make, enter)


def quarantining(name: str, where: Place) -> Kind:
    """An open that finds garbage and sets it aside."""

    def enter(directory: Path) -> Scene:
        path = where.path(directory)

        def act() -> None:
            with (
                warnings.catch_warnings(action="ignore"),
                mock.patch.object(logging.getLogger("atomic_store"), "disabled", True),
            ):
                store = where.open(path, default="the default", on_corrupt="quarantine")
            assert store.value == "the default"

        return where.scene(directory, act)

    return Kind(name, where.make, enter)


def looking(name: str, where: Place = PLAIN) -> Kind:
    """What an open store is asked: whether somebody changed what is stored, and what it is."""

    def enter(directory: Path) -> Scene:
        store = where.open(where.path(directory), on_conflict="raise")

        def act() -> None:
            assert not store.changed()
            assert store.reload() == where.old

        return where.scene(directory, act)

    return Kind(name, where.make, enter)


COMMITS = [
    writing("first write", EMPTY),
    writing("replacement"),
    writing("bare commit()", bare=True),
    writing("replacement through a symlink", LINK),
    writing("first write through a symlink", Place(old=None, link=True)),
    writing("replacement that keeps attributes", Place(dressed=True)),
    writing("large value", new=LARGE),
    writing("pickle", PICKLE),
    writing("commit of what is stored", Place(skips=True), new=OLD),
    writing("replacement of what could be unchanged", Place(skips=True)),
    writing("signed and compressed", Place(format=WRAPPED), on_conflict="raise"),
    writing("creation with on_conflict=raise", EMPTY, on_conflict="raise"),
    writing("replacement with on_conflict=raise", on_conflict="raise"),
    writing("dump through the descriptor", Place(format=ThroughDescriptor), on_conflict="raise"),
    writing("first write with lock=", EMPTY, lock=True),
    writing("replacement with lock=", lock=True),
    writing("bare commit() with lock=", bare=True, lock=5),
    updating("update()"),
    updating("first update()", EMPTY),
    updating("update() with lock=", lock=True),
    deleting("deletion"),
    deleting("deletion through a symlink", LINK),
    deleting("deletion with on_conflict=raise", on_conflict="raise"),
    deleting("deletion with lock=", lock=True),
]
OPENS = [
    opening("open"),
    opening("open through a symlink", LINK),
    opening("open where nothing is stored", EMPTY),
    opening("open where a link leads to nothing", Place(old=None, link=True)),
    opening("open of a pickle", PICKLE),
    opening("open of what is signed and compressed", Place(format=WRAPPED)),
    opening("open of a large value", Place(old=LARGE)),
    opening("open with on_conflict=raise", on_conflict="raise"),
    quarantining("open that sets garbage aside", Place(old=b"garbage")),
    looking("changed() and reload()"),
]
KINDS = COMMITS + OPENS


class Call(NamedTuple):
    """One system call that the library has asked for: its name, and the inode that its descriptor stands for."""

    name: str
    inode: tuple[int, int] | None


@dataclass
class Attack:
    """What happens to the library's system calls: the one whose turn it is fails with `errno`.

    Attributes:
        turn: which call fails, counted from 1; 0: none.
        errno: with what.
        lasting: whether all later ones fail too, as on a disk that has died.
        short: whether each write and read takes at most half of what it could.
        seen: the calls so far.
        hit: the first call that failed.
    """

    turn: int = 0
    errno: int = 0
    lasting: bool = False
    short: bool = False
    seen: list[Call] = field(default_factory=list)
    hit: Call | None = None

    def call(self, name: str, real: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Make one system call, or fail it."""
        self.seen.append(Call(name, inode(args)))
        turn = len(self.seen)
        if self.turn and (turn == self.turn or (self.lasting and turn > self.turn)):
            self.hit = self.hit or self.seen[-1]
            if name == "close":
                real(*args)  # close(2) on Linux frees the number, whatever it says
            raise OSError(self.errno, os.strerror(self.errno), *about(args))
        if name == "fsync":
            return None  # power cuts are attacked elsewhere; here thousands of them would only cost the disk's time
        if self.short and name == "write":
            descriptor, data = args
            return real(descriptor, memoryview(data)[: max(1, len(data) // 2)])
        if self.short and name in ("read", "pread"):
            descriptor, size, *position = args
            return real(descriptor, max(1, size // 2), *position)
        return real(*args, **kwargs)


def inode(args: tuple[Any, ...]) -> tuple[int, int] | None:
    """Which file a descriptor among the arguments stands for."""
    if not args or not isinstance(args[0], int):
        return None
    status = os.fstat(args[0])
    return status.st_dev, status.st_ino


def about(args: tuple[Any, ...]) -> list[Any]:
    """The arguments of OSError after errno and text, as the real call would have set them: file names only."""
    names = [arg for arg in args[:2] if isinstance(arg, str)]
    return [names[0], None, names[1]] if len(names) == 2 else names


class System:
    """Stands in for the module `os`: each system call goes through the attack."""

    # They cannot fail, or are no system calls; all the others count.
    EXEMPT = ("fspath", "geteuid", "getpid", "major", "minor", "register_at_fork", "strerror")

    def __init__(self, attack: Attack) -> None:
        self._attack = attack

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        if not isinstance(real, BuiltinFunctionType) or name in self.EXEMPT:
            return real
        return partial(self._attack.call, name, real)


@cache
def speak_to_the_kernel(_: int) -> list[Any]:
    """The modules of locations that use `os`, looked for once for each number of modules that are loaded."""
    ours = [module for name, module in sys.modules.items() if name.startswith("atomic_store.locations")]
    return [module for module in ours if hasattr(module, "os")]


@contextmanager
def attacked(attack: Attack, *others: Any) -> Iterator[None]:
    """Put the attack between the operating system and all the modules of locations (and `others` with an `os`)."""
    system = System(attack)
    with ExitStack() as patches:
        for module in [*speak_to_the_kernel(len(sys.modules)), *others]:
            patches.enter_context(mock.patch.object(module, "os", system))
        patches.enter_context(mock.patch.object(fcntl, "flock", partial(attack.call, "flock", fcntl.flock)))
        yield


def run(scene: Scene, attack: Attack, *others: Any) -> BaseException | None:
    """Let the program act under the attack; give the exception that it sees."""
    try:
        with attacked(attack, *others):
            scene.act()
    except BaseException as error:
        return error
    return None


def descriptors() -> dict[str, str]:
    """The open descriptors of this process, each with what it stands for."""
    found: dict[str, str] = {}
    for number in os.listdir("/proc/self/fd"):
        try:
            found[number] = os.readlink(f"/proc/self/fd/{number}")
        except FileNotFoundError:  # that of the listing itself
            continue
    return found


@dataclass
class Witness:
    """What is known before an attack, and the verdict after it.

    Attributes:
        scene: what is attacked.
        old: the bytes before.
        new: the bytes that a success would leave.
        before: the open descriptors.
    """

    scene: Scene
    old: bytes | None
    new: bytes | None
    before: dict[str, str] = field(default_factory=descriptors)

    def flaws(self, attack: Attack, error: BaseException | None) -> list[str]:
        """All that the attack has broken: an empty list is what every sweep demands."""
        return [
            *self.wrong_bytes(attack, error),
            *self.leftovers(attack),
            *self.wrong_sync(attack, error),
            *self.wrong_error(attack, error),
            *self.no_way_on(self.scene),
        ]

    def wrong_bytes(self, attack: Attack, error: BaseException | None) -> Iterator[str]:
        """An error means the old bytes, success and UncertainCommitError the new ones; nothing means others."""
        yield from self.torn_bytes()
        found = self.scene.visible()
        wanted = self.new if error is None or isinstance(error, atomic_store.UncertainCommitError) else self.old
        if found != wanted:
            yield f"{'the new' if found == self.new else 'not the new'} value is stored after {error!r}"

    def torn_bytes(self) -> Iterator[str]:
        """Old or new, whole."""
        found = self.scene.visible()
        if found not in (self.old, self.new):
            yield f"neither the old nor the new value is whole: {found!r:.80}"

    def leftovers(self, attack: Attack) -> Iterator[str]:
        """No temp and no descriptor stays; on a disk that has died a temp cannot be removed."""
        strangers = self.scene.strangers()
        if strangers and not (attack.lasting and is_one_temp(strangers)):
            yield f"files left behind: {strangers}"
        after = descriptors()
        if after != self.before:
            yield f"descriptors left behind: {sorted(set(after.items()) ^ set(self.before.items()))}"

    def wrong_sync(self, attack: Attack, error: BaseException | None) -> Iterator[str]:
        """Success is durable: what was published was on the disk before, and its name is since."""
        if error is None and self.old != self.new:
            steps = " ".join(call.name for call in attack.seen if call.name in ("fsync", "replace", "link", "unlink"))
            if not re.fullmatch(r"fsync (replace|link( replace| unlink)?) fsync( unlink)?|unlink fsync", steps):
                yield f"success, but not durable: {steps}"
        if attack.hit is not None and attack.hit.name == "fsync":
            if error is None:
                yield "a failed fsync passed for success"
            if any(call.name == "fsync" and call.inode == attack.hit.inode for call in attack.seen[attack.turn :]):
                yield "a failed fsync was tried again"

    def wrong_error(self, attack: Attack, error: BaseException | None) -> Iterator[str]:
        """The error is the kernel's, of its own type, and names the path as the program spelled it."""
        if error is None:
            return
        types = (type(OSError(attack.errno, "")), atomic_store.UncertainCommitError)
        if not isinstance(error, OSError) or type(error) not in types:
            yield f"the error is of another type: {error!r}"
        elif error.errno != attack.errno:
            yield f"the error has another errno: {error!r}"
        elif self.scene.path != error.filename and repr(self.scene.path) not in str(error):
            yield f"the error does not name the path {self.scene.path!r}: {error}"

    def no_way_on(self, scene: Scene) -> Iterator[str]:
        """The disk is well again: `scene`, the very same store or one opened anew, does what could not be done."""
        error = run(scene, Attack())
        if error is not None:
            yield f"the next try fails: {error!r}"
        elif scene.visible() != self.new:
            yield f"the next try did not bring the new value: {scene.visible()!r:.80}"


def is_one_temp(names: list[str]) -> bool:
    """Whether this is one temp file, recognisable as such."""
    return len(names) == 1 and TEMP.fullmatch(os.path.basename(names[0])) is not None


def outcome(kind: Kind, directory: Path) -> tuple[bytes | None, bytes | None]:
    """What is stored before and after, as a rehearsal without attacks shows it.

    Every sweep begins here. What earlier tests have left in cycles, the sockets of an S3 client, say, is closed now: later
    it would pass for a descriptor that the attack has closed or left behind.
    """
    scene = kind.prepare(directory)
    before = scene.visible()
    assert run(scene, Attack()) is None
    assert scene.strangers() == []
    gc.collect()
    return before, scene.visible()


def sweep(
    kind: Kind,
    directory: Path,
    errno: int,
    *others: Any,
    outcomes: tuple[bytes | None, bytes | None] | None = None,
    lasting: bool = False,
    short: bool = False,
) -> tuple[int, list[str]]:
    """Fail each system call of `kind` in turn; give the number of calls that were failed, and all the flaws found.

    Who sweeps the same kind again gives its outcomes: to collect the garbage for a rehearsal takes longer than a sweep.
    """
    old, new = outcomes or outcome(kind, directory / "rehearsal")
    found: list[str] = []
    for turn in count(1):
        witness = Witness(kind.prepare(directory / str(turn)), old, new)
        attack = Attack(turn, errno, lasting, short)
        error = run(witness.scene, attack, *others)
        failed = "nothing" if attack.hit is None else attack.hit.name
        found += [f"call {turn}, {failed} failed: {flaw}" for flaw in witness.flaws(attack, error)]
        if attack.hit is None:
            if error is not None:
                found.append(f"no call failed, and yet: {error!r}")
            return turn - 1, found
    raise AssertionError("a sweep ends with a success")
