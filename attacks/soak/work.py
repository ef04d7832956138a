"""The turns: what programs do with stores, and what happens to them, each with what must hold afterwards."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import boto3
import s3_servers
from botocore.config import Config
from s3_servers import ACCESS, SECRET, Server

import atomic_store
from atomic_store import (
    AtomicStore,
    AtomicStoreError,
    Compressed,
    ConflictError,
    LoadError,
    LockTimeout,
    S3Object,
    Signed,
    Verified,
    Versioned,
)

from .helpers import Helper, padded

KEY = b"a key of the soak, 32 bytes long"
LARGE = 9 << 20
"""Bytes: more than one part of an upload."""
# What may stand in the directories between two turns.
OURS = re.compile(r"(\.?[a-z0-9]+(\.[a-z0-9]+)?(\.lock)?|lost\+found)")
AGED = 120
"""Seconds by which what a killed writer has left is made older, for the next one to sweep it."""


class Interruption(Exception):
    """What ends a block half-way."""


@dataclass
class Job:
    """A value of one's own class."""

    name: str
    tags: list[str] = field(default_factory=list)


class Wrong(AssertionError):
    """Something that was promised does not hold."""


def demand(holds: object, told: str) -> None:
    """Raise Wrong unless something holds."""
    if not holds:
        raise Wrong(told)


class World:
    """All that the turns work with.

    Args:
        directory: an empty one on a real file system.
        small: an empty one on a file system of some megabytes.
        server: S3.
        seed: of what is chosen.
    """

    def __init__(self, directory: Path, small: Path, server: Server, stack: ExitStack, seed: int) -> None:
        self.directory = directory
        self.small = small
        self.server = server
        self.random = Random(seed)
        self.happened: Counter[str] = Counter()
        self.victims = Helper("victims")
        stack.callback(self.victims.close)
        self.proxy = Helper("proxy", server.url)
        stack.callback(self.proxy.close)
        self.client = boto3.Session(ACCESS, SECRET, region_name="us-east-1").client(
            "s3",
            endpoint_url=self.proxy.hello,
            config=Config(
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                retries={"total_max_attempts": 2, "mode": "standard"},
                read_timeout=20,
            ),
        )
        stack.callback(self.client.close)
        self.stores: list[AtomicStore[Any]] = [
            atomic_store.open(directory / "plain.json", {}),
            atomic_store.open(directory / "locked.json", {}, lock=True),
            atomic_store.open(directory / "careful.json", {}, on_conflict="raise"),
            atomic_store.open(directory / "any.pickle", {}, "pickle"),
            atomic_store.open(directory / "edited.yaml", {}, "yaml", lock=True),
            atomic_store.open(directory / "edited.toml", {}, "toml"),
            atomic_store.open(directory / "packed.cbor", {}, "cbor"),
            atomic_store.open(directory / "checked.msgpack", {}, Verified("msgpack")),
            atomic_store.open(directory / "signed", {}, Signed(Compressed("pickle"), KEY), lock=True),
            atomic_store.open(directory / "old.json", {}, Versioned("json", 2, {0: lambda old: old, 1: lambda old: old})),
            atomic_store.open(directory / "small.xz", {}, Compressed("json", "xz")),
        ]
        self.jobs = atomic_store.open(directory / "jobs.json", [], type=list[Job])
        self.disk = atomic_store.open(small / "disk.json", {"text": ""}, lock=True)
        self.disk.commit()
        self.remote = atomic_store.open(self.object("remote.json"), {"n": 0})
        self.remote.commit()

    def object(self, key: str) -> S3Object:
        """Give the place of an object, seen through the proxy."""
        return S3Object(self.server.bucket, f"soak/{key}", client=self.client)

    def strangers(self) -> list[str]:
        """Give the files that no commit leaves behind."""
        names = [name for directory in (self.directory, self.small) for name in os.listdir(directory)]
        return [name for name in names if not OURS.fullmatch(name)]

    def unfinished(self) -> int:
        """Give how many uploads are not finished, and how many objects are none of the stores'."""
        listed = self.server.client.list_objects_v2(Bucket=self.server.bucket).get("Contents", ())
        ours = {"soak/remote.json", "soak/large.pickle"}
        found = len(self.server.uploads()) + sum(entry["Key"] not in ours for entry in listed)
        # Which connections a client keeps open is chance, and each is a descriptor: none is open when those are counted.
        self.server.client.close()
        self.client.close()
        return found

    def value(self) -> dict[str, Any]:
        """Give a value of some hundred to some thousand bytes."""
        random = self.random
        keys = random.sample(["alpha", "beta", "gamma", "delta", "epsilon"], random.randint(1, 5))
        return {key: [random.randint(0, 10**9), "ü" * random.randint(0, 400), {"x": random.random()}] for key in keys}


# --- what programs do ------------------------------------------------------------------------------------------------


def commit(world: World) -> None:
    """Assign and commit."""
    store = world.random.choice(world.stores)
    value = store.value = world.value()
    with suppress(ConflictError):
        store.commit()
    demand(store.reload() == value, f"{store.path} holds another value than was committed")


def block(world: World) -> None:
    """Change inside a block, which one in four times ends by an exception."""
    store = world.random.choice(world.stores)
    store.reload()
    half_way = world.random.random() < 0.25
    before = dict(store.value)
    with suppress(Interruption), store:
        store.value = world.value()
        if half_way:
            raise Interruption
    after = store.value
    demand(store.reload() == (before if half_way else after), f"{store.path} does not hold what its block has left")


def update(world: World) -> None:
    """Read, change, write."""
    store = world.random.choice(world.stores)
    value = world.value()
    store.update(lambda _: value)
    demand(store.reload() == value, f"{store.path} holds another value than its update gave")


def reload(world: World) -> None:
    """Look again."""
    store = world.random.choice(world.stores)
    store.changed()
    store.reload()


def open_anew(world: World) -> None:
    """Open, read and forget, as scripts do."""
    store = world.random.choice(world.stores)
    twin = atomic_store.open(store.path, {}, store.format if store.format != "auto" else None)
    demand(twin.stored or not store.stored, f"{store.path} has vanished")
    with suppress(Interruption), atomic_store.open(world.directory / "once.json", [], lock=True) as once:
        once.value = [world.random.random()]
        if world.random.random() < 0.2:
            raise Interruption


def begin_anew(world: World) -> None:
    """Delete, and begin again with the default."""
    store = world.random.choice(world.stores)
    store.reload()
    store.delete()
    demand(store.value == {} and not os.path.exists(store.path), f"{store.path} was not deleted")
    store.commit()


def refuse_value(world: World) -> None:
    """Commit what the format refuses: the old value stays."""
    store = world.random.choice(world.stores[:3])
    before = store.reload()
    store.value = {"good": "x" * 70_000, "bad": object()}
    with suppress(TypeError):
        store.commit()
        raise Wrong("an object() was committed as JSON")
    demand(store.reload() == before, f"{store.path} has changed although its value was refused")


def typed(world: World) -> None:
    """Keep objects of one's own class."""
    world.jobs.value = [Job(f"job {n}", ["a"] * n) for n in range(world.random.randint(0, 5))]
    world.jobs.commit()
    demand(all(type(job) is Job for job in world.jobs.reload()), "a job came back as something else")


def other_doors(world: World) -> None:
    """A dict that is kept, a file that is published whole, a place that is checked."""
    with atomic_store.open_dict(world.directory / "dict.json") as kept:
        kept["n"] = kept.get("n", 0) + 1
    with suppress(Interruption), atomic_store.atomic_write(world.directory / "report.txt", "w") as file:
        file.write("line\n" * world.random.randint(0, 5000))
        if world.random.random() < 0.25:
            raise Interruption
    if world.random.random() < 0.05:
        demand(atomic_store.check(world.directory / "plain.json")["rename"], "check() finds renames that are not atomic")
        world.happened["checks"] += 1


# --- what happens to them --------------------------------------------------------------------------------------------


def damage(world: World) -> None:
    """A file is damaged: it is refused, and one in two times set aside."""
    path = world.directory / "damaged.json"
    store = atomic_store.open(path, {}, on_corrupt=world.random.choice(("raise", "quarantine")))
    path.write_bytes(world.random.randbytes(world.random.randint(0, 5000)) + b"\xff")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with suppress(LoadError):
            store.reload()
            world.happened["quarantines"] += 1
    for aside in world.directory.glob("damaged.json*"):
        aside.unlink()


def conflict(world: World) -> None:
    """Two programs change one value: the second is told."""
    first, second = (atomic_store.open(world.directory / "shared.json", {}, on_conflict="raise") for _ in range(2))
    first.value = {"n": world.random.random()}
    first.commit()
    second.value = {"n": "lost"}
    with suppress(ConflictError):
        second.commit()
        raise Wrong("a change was overwritten without a conflict")
    world.happened["conflicts"] += 1


def crowd_of_threads(world: World) -> None:
    """Three threads add 1 under the lock: nothing is lost."""
    store = atomic_store.open(world.directory / "counter.json", 0, lock=True)
    store.value = 0
    store.commit()

    def add() -> None:
        own = atomic_store.open(world.directory / "counter.json", 0, lock=True)
        for _ in range(3):
            with own:
                own.value += 1

    threads = [threading.Thread(target=add) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    demand(store.reload() == 9, "an increment was lost")


def contention(world: World) -> None:
    """Another process holds the lock: we are told in time, and once it is killed the lock is free."""
    path = world.directory / "held.json"
    pid = world.victims.ask(act="hold", path=str(path))
    with suppress(LockTimeout):
        atomic_store.open(path, None, lock=world.random.choice((0, 0.005))).commit()
        raise Wrong("a lock was taken that somebody holds")
    os.kill(pid, signal.SIGKILL)
    world.victims.ask(dead=pid)
    atomic_store.open(path, None, lock=20).commit()
    world.happened["lock timeouts"] += 1


def kill(world: World) -> None:
    """A writer is killed -9 at a random moment: the value is whole, and what it leaves is swept by the next one."""
    path = world.directory / "killed.json"
    before = atomic_store.open(path, padded(0)).value["n"]
    pid = world.victims.ask(act="commit", path=str(path))
    time.sleep(world.random.uniform(0, 0.01))
    os.kill(pid, signal.SIGKILL)
    world.victims.ask(dead=pid)
    left = [world.directory / name for name in world.strangers()]
    demand(len(left) <= 1, f"a killed writer has left {left}")
    for temp in left:
        then = time.time() - AGED
        os.utime(temp, (then, then))
    store = atomic_store.open(path, padded(0))
    demand(store.value == padded(store.value["n"]) and store.value["n"] > before, f"{path} is torn or old: {store.value}")
    store.update(lambda value: padded(value["n"] + 1))
    demand(not world.strangers(), f"{world.strangers()} was not swept")
    world.happened["kills"] += 1
    world.happened["temps swept"] += len(left)


def full_disk(world: World) -> None:
    """The disk is full: the commit fails, the old value is whole, and with room again the next one works."""
    store = world.disk
    before = store.reload()
    filler = world.small / "filler"
    try:
        with filler.open("wb", buffering=0) as file, suppress(OSError):
            while file.write(bytes(1 << 18)):
                pass
        store.value = {"text": "x" * (1 << 20)}
        try:
            store.commit()
        except OSError as error:
            demand(error.errno == errno.ENOSPC, f"a full disk is told as {error!r}")
        else:
            raise Wrong("a full disk has taken a megabyte")
        demand(store.reload() == before, "a full disk has changed the value")
        demand(not world.strangers(), f"a full disk has left {world.strangers()}")
    finally:
        filler.unlink()
    store.value = {"text": "x" * world.random.randint(0, 1000)}
    store.commit()
    world.happened["full disks"] += 1


FAULTS: list[dict[str, Any]] = [
    {},
    {},
    {"method": "PUT", "status": 503, "code": "SlowDown"},
    {"method": "PUT", "status": 503, "code": "SlowDown", "times": 2},
    {"method": "PUT", "status": 403, "code": "AccessDenied"},
    {"method": "PUT"},
    {"method": "PUT", "times": 2},
    {"method": "PUT", "forward": True},
    {"method": "PUT", "forward": True, "times": 2},
    {"method": "GET"},
    {"method": "GET", "forward": True, "cut": True},
    {"method": "GET", "status": 500, "code": "InternalError", "times": 2},
    {"method": "HEAD", "times": 2},
    {"method": "", "after": 1, "times": 2},
]
LARGE_FAULTS: list[dict[str, Any]] = [
    {},
    {"method": "PUT", "within": "partNumber=2", "times": 2},
    {"method": "POST", "within": "uploadId=", "status": 503, "code": "SlowDown", "times": 2},
    {"method": "POST", "within": "uploadId=", "forward": True},
]


def s3(world: World) -> None:
    """A store on S3, and a fault on the way there: it works, or an error tells, and the value stays whole."""
    store = world.remote
    fault = world.random.choice(FAULTS)
    world.proxy.ask(**fault)
    acts: list[Callable[[], object]] = [store.commit, store.reload]
    acts.append(lambda: store.update(lambda value: padded(value["n"] + 1)))
    act = world.random.choice(acts)
    try:
        act()
    except (AtomicStoreError, OSError) as error:
        world.happened[f"S3: {type(error).__name__}"] += 1
    else:
        world.happened["S3: success"] += 1
    world.proxy.ask()
    value = store.reload()
    demand(value == {"n": 0} or value == padded(value["n"]), f"the object on S3 is torn: {str(value)[:200]}")


def s3_large(world: World) -> None:
    """A value that goes up in parts, and a fault among them: nothing unfinished stays."""
    place = world.object("large.pickle")
    world.proxy.ask(**world.random.choice(LARGE_FAULTS))
    try:
        atomic_store.open(place, b"", "pickle").update(lambda _: bytes(LARGE))
    except (AtomicStoreError, OSError) as error:
        world.happened[f"S3, large: {type(error).__name__}"] += 1
    else:
        world.happened["S3, large: success"] += 1
    world.proxy.ask()
    demand(len(atomic_store.open(place, b"", "pickle").value) in (0, LARGE), "the large object on S3 is torn")


Turn = Callable[[World], None]
TURNS: dict[Turn, float] = {
    commit: 20,
    block: 15,
    update: 15,
    reload: 25,
    open_anew: 12,
    begin_anew: 3,
    refuse_value: 3,
    typed: 4,
    other_doors: 4,
    damage: 5,
    conflict: 3,
    crowd_of_threads: 1,
    contention: 1.5,
    kill: 2,
    full_disk: 1.5,
    s3: 5,
    s3_large: 0.2,
}
"""How often each comes, of all together."""


@contextmanager
def worlds(directory: Path, seed: int) -> Iterator[World]:
    """Lend a world: two file systems, of which one is small, and an S3 server."""
    with ExitStack() as stack:
        for name, size in (("files", 128 << 20), ("small", 12 << 20)):
            stack.enter_context(file_system(directory / name, size))
        (directory / "server").mkdir()
        demand(s3_servers.can_run("ministack"), s3_servers.NEEDED)
        server = stack.enter_context(s3_servers.ministack(directory / "server"))
        yield World(directory / "files", directory / "small", server, stack, seed)


@contextmanager
def file_system(point: Path, size: int) -> Iterator[None]:
    """Mount an ext4 of so many bytes there, which has a disk of its own: what others do to theirs costs no turns here."""
    image = point.with_suffix(".img")
    with image.open("wb") as file:
        file.truncate(size)
    run("mkfs.ext4", "-q", "-F", "-m", "0", str(image))
    point.mkdir()
    run("mount", "-o", "loop", str(image), str(point))
    try:
        yield
    finally:
        run("umount", str(point))


def run(*words: str) -> None:
    """Run a tool that prepares the world."""
    subprocess.run(words, check=True, capture_output=True)
