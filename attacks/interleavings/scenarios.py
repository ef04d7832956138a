"""Two and three actors on one file: who they are, what each does, and whether what came out can be told."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import atomic_store

from .history import CORRUPT, Operation, explained
from .local import mutexes, seams, watch
from .scheduler import Actor, Run, explore
from .trace import NOTHING, Touched

LOCAL: Any = sys.modules[atomic_store.LocalFile.__module__]
GARBAGE = b'{"half'
FIRST = ("first",)


@dataclass
class World:
    """One file, and what happens to it.

    Attributes:
        directory: holds the file, and nothing else.
        first: the value that is stored before: a tuple, None for nothing, CORRUPT.
        stores: those that were opened before the run, by who uses them.
        operations: what the actors have done.
        nested: whether a handler may use the store of the block that it interrupts: for one thread, that is one block.
        long: how many points a block has within, besides those of its commit.
        reduced: whether the run is told what each step touches.
    """

    directory: Path
    first: Any
    stores: dict[str, atomic_store.AtomicStore[Any]] = field(default_factory=dict)
    operations: list[Operation] = field(default_factory=list)
    run: Run | None = None
    nested: bool = False
    long: int = 1
    reduced: bool = True

    @property
    def path(self) -> Path:
        """The file."""
        return self.directory / "state"

    def make(self) -> None:
        """Store the first value, behind the library's back, and an old temp of a writer that was killed."""
        if self.first is not None:
            self.path.write_bytes(GARBAGE if self.first == CORRUPT else encoded(self.first))
        temp = self.directory / ".state.0123456789abcdef.tmp"
        temp.write_bytes(b"left")
        os.utime(temp, (1, 1))

    def share(self, thing: Any) -> None:
        """Two threads will use this object."""
        if self.reduced:
            watch(thing, lambda: self.run)

    def do(self, kind: str, item: Any, act: Callable[[], Any], built_on_opening: bool = False) -> None:
        """Do one operation, and note when and how it ended; it may build on what was read before the run began."""
        assert self.run is not None
        begin = self.run.moment()
        try:
            result = act()
        except (atomic_store.AtomicStoreError, OSError) as error:
            result = type(error).__name__
        base = 0 if built_on_opening else begin
        self.operations.append(Operation(kind, item, begin, self.run.moment(), result, base))

    def flaws(self) -> list[str]:
        """All that is wrong in the end."""
        names = sorted(os.listdir(self.directory))
        asides = [name for name in names if ".corrupt-" in name]
        last = decoded(self.path.read_bytes()) if self.path.exists() else None
        kept = tuple(decoded((self.directory / name).read_bytes()) for name in asides)
        found = []
        left = [name for name in names if name.endswith(".tmp") and name != ".state.0123456789abcdef.tmp"]
        if left:
            found.append(f"temps left behind: {left}")
        if not explained(self.operations, self.first, last, kept):
            told = (f"{each.kind} {each.item} -> {each.result} [{each.begin}, {each.end}]" for each in self.operations)
            story = "; ".join(told)
            found.append(f"from {self.first} to {last}, set aside {kept}: {story}")
        store = self.stores.get("shared")
        if store is not None and all(each.leaves_memory_as_stored() for each in self.operations) and value_of(store) != last:
            found.append(f"the store that all used has {value_of(store)} in memory, and stored is {last}")
        return found

    def outcome(self) -> tuple[object, ...]:
        """What came out: each result, and what is stored in the end."""
        results = sorted((each.kind, str(each.item), str(each.result)) for each in self.operations)
        files = sorted(path.read_bytes() for path in self.directory.iterdir())
        return *results, *files


def encoded(value: Any) -> bytes:
    """Return the bytes of a value."""
    return json.dumps(list(value)).encode()


def decoded(content: bytes) -> Any:
    """Return the value of such bytes."""
    return CORRUPT if content == GARBAGE else tuple(json.loads(content))


def value_of(store: atomic_store.AtomicStore[Any]) -> Any:
    """Return the value as histories have it; the default is nothing."""
    return None if store.value == [] and not store.stored else tuple(store.value)


def opened(world: World, **options: Any) -> atomic_store.AtomicStore[Any]:
    """Open a store; fsync is left out, for it would cost the disk's time only."""
    place = atomic_store.LocalFile(world.path, fsync=False)
    if world.first == CORRUPT and "on_corrupt" not in options:
        world.path.rename(world.directory / "away")
        store = atomic_store.open(place, default=[], **options)
        (world.directory / "away").rename(world.path)
        return store
    return atomic_store.open(place, default=[], **options)


# Each kind of actor: what it opens before the run begins, and what it does. `name` is also what it stores.


def plain(world: World, name: str) -> Callable[[], None]:
    """A plain commit."""
    store = opened(world)

    def commit() -> str:
        store.value = [name]
        store.commit()
        return "ok"

    return lambda: world.do("write", (name,), commit)


def block(world: World, name: str) -> Callable[[], None]:
    """A block with lock=."""
    return appending(world, name, opened(world, lock=True), "append")


def shared_block(world: World, name: str) -> Callable[[], None]:
    """A block of the store that another thread uses, too."""
    return appending(world, name, shared(world), "shared append")


def appending(world: World, name: str, store: atomic_store.AtomicStore[Any], kind: str) -> Callable[[], None]:
    """Append to a list, in a block."""

    def append() -> Any:
        with store:
            store.value.append(name)
            before = tuple(store.value)
            for _ in range(world.long):
                world.run.point("in the block", NOTHING)  # type: ignore[union-attr]
            if tuple(store.value) != before and not world.nested:
                return f"changed within the block to {store.value}"
        return before

    return lambda: world.do(kind, name, append)


def shared(world: World) -> atomic_store.AtomicStore[Any]:
    """The store that two threads use."""
    if "shared" not in world.stores:
        place = atomic_store.LocalFile(world.path, fsync=False)
        world.stores["shared"] = atomic_store.open(place, default=[], lock=True)
        world.share(place)
        world.share(world.stores["shared"])
    return world.stores["shared"]


def update(world: World, name: str) -> Callable[[], None]:
    """Append to what is stored, by a store without lock=."""
    return updating(world, name, opened(world), "append")


def shared_update(world: World, name: str) -> Callable[[], None]:
    """Append to what is stored, by the store that another thread uses, too."""
    return updating(world, name, shared(world), "shared update")


def updating(world: World, name: str, store: atomic_store.AtomicStore[Any], kind: str) -> Callable[[], None]:
    """Append to a list, by update()."""
    return lambda: world.do(kind, name, lambda: tuple(store.update(lambda value: [*value, name])))


def comparing(world: World, name: str) -> Callable[[], None]:
    """Commit with on_conflict="raise" what was read before the run began."""
    store = opened(world, on_conflict="raise")

    def append() -> Any:
        store.value.append(name)
        new = tuple(store.value)
        store.commit()
        return new

    return lambda: world.do("append", name, append, built_on_opening=True)


def shared_reload(world: World, name: str) -> Callable[[], None]:
    """Read by reload() of the store that another thread uses, too."""
    store = shared(world)

    def reload() -> Any:
        value = store.reload()
        return None if value == [] and not store.stored else tuple(value)

    return lambda: world.do("shared read", None, reload)


def shared_assign(world: World, name: str) -> Callable[[], None]:
    """An assignment to the value of the store that another thread uses, too."""
    store = shared(world)

    def assign() -> str:
        world.run.point("assigns", NOTHING)  # type: ignore[union-attr]
        store.value = [name]
        return "ok"

    return lambda: world.do("assign", (name,), assign)


def shared_changed(world: World, name: str) -> Callable[[], None]:
    """Ask the store that another thread uses, too, whether somebody changed what is stored."""
    return lambda: world.do("clean", None, shared(world).changed)


def shared_path(world: World, name: str) -> Callable[[], None]:
    """Assign the path of the store that another thread uses, too: the same place, by another name, then read.

    Until it is read, the value goes to the place, whatever is there.
    """
    store = shared(world)
    carried = value_of(store)

    def assign() -> Any:
        world.run.point("assigns the path", NOTHING)  # type: ignore[union-attr]
        place = atomic_store.LocalFile(f"{world.directory}/./state", fsync=False)
        world.share(place)
        store.path = place
        value = store.reload()
        return None if value == [] and not store.stored else tuple(value)

    return lambda: world.do("shared path", carried, assign)


def shared_delete(world: World, name: str) -> Callable[[], None]:
    """Delete by the store that another thread uses, too."""
    store = shared(world)

    def remove() -> str:
        store.delete()
        return "ok"

    return lambda: world.do("shared delete", None, remove, built_on_opening=True)


def reader(world: World, name: str) -> Callable[[], None]:
    """An open by a reader."""
    return lambda: world.do("read", None, lambda: value_of(opened(world)))


def delete(world: World, name: str) -> Callable[[], None]:
    """Delete by a plain store."""
    store = opened(world)

    def remove() -> str:
        store.delete()
        return "ok"

    return lambda: world.do("delete", None, remove)


def quarantine(world: World, name: str) -> Callable[[], None]:
    """An open that finds garbage and sets it aside."""
    return lambda: world.do("open", None, lambda: value_of(opened(world, on_corrupt="quarantine")))


def clean(world: World, name: str) -> Callable[[], None]:
    """The removal of what killed writers have left."""
    place = atomic_store.LocalFile(world.path)
    return lambda: world.do("clean", None, lambda: len(place.clean()))


def rename(world: World, name: str) -> Callable[[], None]:
    """Another program's rename."""

    def move() -> str:
        temp = str(world.directory / f"foreign {name}")
        system = LOCAL.os  # at work, its calls are points
        descriptor = system.open(temp, os.O_WRONLY | os.O_CREAT)
        os.write(descriptor, encoded((name,)))
        os.close(descriptor)
        system.replace(temp, str(world.path))
        return "ok"

    return lambda: world.do("write", (name,), move)


KINDS: dict[str, Callable[[World, str], Callable[[], None]]] = {
    each.__name__: each
    for each in (
        *(plain, block, update, comparing, reader, delete, quarantine, clean, rename),
        *(shared_block, shared_update, shared_reload, shared_assign, shared_delete, shared_path, shared_changed),
    )
}
HANDLERS = ("block", "update", "shared_block", "shared_update", "plain", "reader")
"""What a signal handler does, within an actor of any kind: it never waits for its own thread."""


def in_turn(acts: list[Callable[[], None]]) -> None:
    """Do one thing after the other."""
    for act in acts:
        act()


@dataclass(frozen=True)
class Scenario:
    """Some actors on one file.

    Attributes:
        kinds: one for each actor, or several, which it does in turn: "shared_assign; shared_block".
        first: what is stored before.
        handler: what a signal handler does within the first actor, "" for no handler.
    """

    kinds: tuple[str, ...]
    first: Any = FIRST
    handler: str = ""

    def __str__(self) -> str:
        within = f", {self.handler} in a handler of the first" if self.handler else ""
        return f"{' + '.join(self.kinds)}{within}, from {self.first}"

    def actors(self, world: World) -> list[Actor]:
        """Make the actors; whatever they open before they begin is opened now."""
        made = []
        for number, kinds in enumerate(self.kinds):
            parts = [KINDS[kind](world, f"{number}.{part} {kind}") for part, kind in enumerate(kinds.split("; "))]
            shares = "a thread" if self.handler else ""
            made.append(Actor(f"{number} {kinds}", partial(in_turn, parts), shares=shares))
        if self.handler:
            name = f"handler {self.handler}"
            made.append(Actor(name, KINDS[self.handler](world, name), inside=made[0], shares=made[0].shares))
        return made

    def play(self, schedule: Sequence[int] = (), all_calls: bool = False, long: int = 1, reduced: bool = True) -> Played:
        """Run by a schedule, on a file of its own."""
        directory = Path(tempfile.mkdtemp(dir=SCRATCH))
        world = World(directory, self.first, reduced=reduced)
        try:
            world.long = long
            world.nested = self.handler.startswith("shared")
            world.make()
            with warnings.catch_warnings(action="ignore"), mutexes(lambda: world.run):
                actors = self.actors(world)
                run = world.run = Run(actors, schedule, traced=reduced)
                with seams(run, all_calls):
                    run.run()
            found = [f"{actor.name} ended with {actor.error!r}" for actor in actors if actor.error is not None]
            if not found:
                found = world.flaws()
            flaws = ["all wait for each other, or for themselves"] if run.stuck else found
            return Played(self, run, flaws, world.outcome())
        finally:
            shutil.rmtree(directory)


@dataclass
class Played:
    """A scenario that was run, what was wrong, and what came out."""

    scenario: Scenario
    run: Run
    flaws: list[str]
    outcome: Any

    @property
    def choices(self) -> list[Any]:
        """See Run."""
        return self.run.choices

    @property
    def schedule(self) -> list[int]:
        """See Run."""
        return self.run.schedule

    @property
    def touched(self) -> list[Touched]:
        """See Run."""
        return self.run.touched

    def __str__(self) -> str:
        flaws, story = "\n  ".join(self.flaws), "\n    ".join(self.run.story)
        return f"{self.scenario}: {flaws}\n  replay({self.scenario!r}, {self.schedule})\n    {story}"


SCRATCH = "/dev/shm" if os.path.isdir("/dev/shm") else None
"""Real files, but nothing here depends on a disk."""


def scenarios(actors: int) -> list[Scenario]:
    """Return all scenarios of so many actors, the handlers not counted."""
    found = []
    for kinds in combinations([*KINDS, *("plain", "block", "update", "comparing", "quarantine")], actors):
        shared_ones = [kind for kind in kinds if kind.startswith("shared")]
        if len(shared_ones) == 1 and shared_ones[0] == "shared_assign":
            continue  # nobody takes up what it assigns
        for first in (FIRST, None, CORRUPT):
            if first == CORRUPT and not set(kinds) <= {"quarantine", "plain", "rename", "delete", "clean"}:
                continue
            if first != CORRUPT and "quarantine" in kinds:
                continue
            scenario = Scenario(tuple(kinds), first)
            if scenario not in found:
                found.append(scenario)
    return found


def interrupted() -> list[Scenario]:
    """Return all scenarios of one actor and a signal handler within it."""
    return [
        Scenario((kind,), first, handler)
        for kind in ("plain", "block", "update", "comparing", "delete", "shared_block", "shared_update", "shared_reload")
        for handler in HANDLERS
        for first in (FIRST, None)
        if not (kind == "delete" and handler == "reader")
    ]


def replay(scenario: Scenario, schedule: Sequence[int]) -> Played:
    """Repeat a run that was printed."""
    return scenario.play(schedule)


class Explored(NamedTuple):
    """What came out of one scenario."""

    scenario: Scenario
    schedules: int
    cut: bool
    failure: str | None


def explored(scenario: Scenario, preemptions: int, limit: int) -> Explored:
    """Run one scenario through its schedules, up to the first that fails."""
    count = 0
    for played in explore(scenario.play, preemptions, limit):
        count += 1
        if played.flaws:
            return Explored(scenario, count, False, str(played))
    return Explored(scenario, count, count == limit, None)
