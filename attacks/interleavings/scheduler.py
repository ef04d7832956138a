"""A deterministic scheduler: actors run one at a time, and only at the points that they report may another one go on.

An actor is a function with a thread of its own, or a signal handler, which runs on the thread of another actor. What happens
between two points of one actor happens at once, for all others. So a run is told by its schedule, the list of who went on at
each point, and can be repeated from it. explore() runs every schedule with at most so many preemptions.

Nothing here knows of files: whoever stands between the actors and the world (local.py: the system calls; a proxy of a
service: its requests) calls point() before each step that others can see.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from .trace import ALL, Touched, Trace

PATIENCE = 4, 15
"""So often, for so many seconds of real time, is a run waited for: then an actor waits for something that the scheduler
cannot see. Several times, for whoever stops the process meanwhile uses up one of them only."""
PATIENT = 200
"""So often may all actors look in vain whether they can go on: then they wait for each other, or for themselves."""


MANY = 20_000
"""Steps of the longest run."""


class Stuck(BaseException):
    """Raised in every actor once none of them can go on: a BaseException, which no program catches."""


@dataclass
class Actor:
    """Somebody who acts.

    Attributes:
        name: what schedules and histories call it.
        act: what it does; what it returns or raises is its end.
        inside: the actor that it interrupts, as a signal handler; None: it has a thread of its own.
        shares: what it touches at each step, besides what it reports; "": nothing.
        label: the point it stands at.
        waits_for: the number of releases that it has seen in vain; None: it can go on.
        result, error: its end.
    """

    name: str
    act: Callable[[], Any]
    inside: Actor | None = None
    shares: str = ""
    label: str = "begin"
    waits_for: int | None = None
    begun: bool = False
    ended: bool = False
    result: Any = None
    error: BaseException | None = None
    turn: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0), repr=False)


@dataclass
class Choice:
    """A point at which more than one actor could go on.

    Attributes:
        could: their numbers.
        went: who did.
        current: who came to the point, None: it ended or waits.
        state: where all stand; whatever follows is the same for each choice of the same state. None: that is not known.
        touched: by the step of who went.
    """

    could: tuple[int, ...]
    went: int
    current: int | None = None
    state: Hashable = None
    touched: Touched = ALL

    def cost(self, other: int) -> int:
        """Return 1 if going on with `other` takes the turn from an actor that could have kept it."""
        return int(self.current is not None and other != self.current)


class Run:
    """One run of some actors.

    Args:
        actors: they begin in this order, unless the schedule says otherwise.
        schedule: who goes on at each choice; after its end, whoever has the turn keeps it.
        traced: whether the points report what the steps touch, so that equal states are known.

    Attributes:
        choices: all choices, with what was chosen.
        story: each step, as "NAME: LABEL".
        steps: how many steps were made.
        touched: by each actor, all in all.
        stuck: whether the actors came to wait for each other, or for themselves.
        clock: seconds, of a clock that moves on only while all sleep.
    """

    choices: list[Choice]

    def __init__(self, actors: Sequence[Actor], schedule: Sequence[int] = (), traced: bool = False) -> None:
        self.actors = list(actors)
        self._schedule = list(schedule)
        self.choices = []
        self.story: list[str] = []
        self.steps = 0
        self.stuck = False
        self.clock = 0.0
        self._releases = 0
        self._noticed = 0  # releases, when it was last looked whether there were any
        self._in_vain = 0
        self._here: dict[int, list[Actor]] = {}  # by thread: the actor, and the handlers above it
        self._handler: Actor | None = None  # to be run by whoever has the turn next
        self._over = threading.Event()
        self._trace = Trace(len(self.actors)) if traced else None
        self._chosen: dict[int, Choice] = {}  # by actor: the choice that its step follows
        self.touched = [Touched(changed=(actor.shares or number,)) for number, actor in enumerate(self.actors)]
        self._step = Touched()  # since the last point
        self._moments = 0

    @property
    def schedule(self) -> list[int]:
        """The choices made, as a list that replays."""
        return [choice.went for choice in self.choices]

    def run(self) -> Run:
        """Let all actors act, one at a time."""
        with_threads = [actor for actor in self.actors if not actor.inside]
        threads = [threading.Thread(target=self._live, args=(actor,), daemon=True) for actor in with_threads]
        for thread in threads:
            thread.start()
        self._pass_on(None)
        times, seconds = PATIENCE
        if not any(self._over.wait(seconds) for _ in range(times)):
            raise RuntimeError(f"an actor waits for something unseen; schedule {self.schedule}, story {self.story}")
        for thread in threads:
            thread.join(seconds)
        return self

    def here(self) -> Actor | None:
        """Return the actor that is calling, None for a thread that is none of the run's."""
        stack = self._here.get(threading.get_ident())
        return stack[-1] if stack else None

    def point(self, label: str, touched: Touched = ALL) -> None:
        """Report a step that others can see: it happens when this returns."""
        self._stand(label, None)
        self.touch(touched)

    def touch(self, touched: Touched) -> None:
        """Report what the step touches that is being made."""
        self._step.add(touched)

    def moment(self) -> int:
        """Return the next number: of two moments the later one has the higher, in each order of the steps between."""
        self._moments += 1
        self.touch(Touched(changed=("moments",)))
        return self._moments

    def wait(self, label: str, seconds: float = 0.5) -> None:
        """Report that the caller cannot go on before others have released something, or, if nobody can, time has passed."""
        actor = self.here()
        if actor is None or self.stuck:
            raise Stuck
        self._stand(label, seconds)
        self.touch(Touched(changed=("releases", "clock")))

    def time(self) -> float:
        """Return the time of the clock."""
        self.touch(Touched(seen=("clock",)))
        return self.clock

    def pick(self, options: int) -> int:
        """Return which of so many things happens next, 0 unless the schedule says otherwise: a choice between no actors."""
        place = len(self.choices)
        wanted = self._schedule[place] if place < len(self._schedule) else 0
        self.choices.append(Choice(tuple(range(options)), wanted))
        return wanted

    def released(self) -> None:
        """Report that something was released for which others may wait."""
        self._releases += 1
        self.touch(Touched(seen=("releases",)))  # of two releases either may come first

    def _stand(self, label: str, seconds: float | None) -> None:
        actor = self.here()
        if actor is None or self.stuck:  # not of the run, or unwinding: nobody is asked any more
            return
        self._end_step(actor)
        actor.label = label
        actor.waits_for = None if seconds is None else self._releases
        self._pass_on(actor)
        if seconds is not None:
            self.clock += seconds
        self.steps += 1
        if self.steps > MANY:
            raise RuntimeError(f"no end after {MANY} steps; schedule {self.schedule}")
        self.story.append(f"{actor.name}: {label}")

    def _end_step(self, actor: Actor) -> None:
        number = self.actors.index(actor)
        step, self._step = self._step, Touched()
        if self._trace is not None:
            step.changed.add(actor.shares or number)
            self._trace.step(number, step)
            self.touched[number].add(step)
            if number in self._chosen:
                self._chosen.pop(number).touched = step

    def _state(self, current: int | None) -> Hashable:
        if self._trace is None:
            return None
        waits = tuple(actor.waits_for == self._releases for actor in self.actors)
        return self._trace.signature, current, waits, self._in_vain

    def _live(self, actor: Actor) -> None:
        self._here[threading.get_ident()] = [actor]
        actor.turn.acquire()
        if not self.stuck:
            self._act(actor)
        if not self.stuck:
            self._pass_on(None)

    def _act(self, actor: Actor) -> None:
        actor.begun = True
        try:
            actor.result = actor.act()
        except BaseException as error:
            actor.error = error
        actor.ended = True
        self.released()
        self._end_step(actor)

    def _handler_of(self, actor: Actor) -> Actor | None:
        """Return the handler that is interrupting the actor."""
        for other in self.actors:
            if other.inside is actor and other.begun and not other.ended:
                return other
        return None

    def _can_go_on(self, actor: Actor) -> bool:
        if actor.ended or self._handler_of(actor):
            return False
        if actor.inside is not None and not actor.begun:
            return actor.inside.begun and not actor.inside.ended and not self._handler_of(actor.inside)
        return actor.waits_for is None or actor.waits_for != self._releases

    def _choose(self, current: Actor | None) -> Actor | None:
        could = [number for number, actor in enumerate(self.actors) if self._can_go_on(actor)]
        if self._releases != self._noticed:
            self._noticed, self._in_vain = self._releases, 0
        if not could:
            # Only those who wait are left. Time passes for them; who waits without a deadline will do so for ever.
            waiting = [actor for actor in self.actors if actor.begun and not actor.ended and not self._handler_of(actor)]
            self._in_vain += 1
            self.stuck = bool(waiting) and self._in_vain > PATIENT
            return waiting[self._in_vain % len(waiting)] if waiting and not self.stuck else None
        now = self.actors.index(current) if current in self.actors and self.actors.index(current) in could else None
        went = now if now is not None else could[0]
        if len(could) > 1:
            place = len(self.choices)
            if place < len(self._schedule) and self._schedule[place] in could:
                went = self._schedule[place]
            self.choices.append(Choice(tuple(could), went, now, self._state(now)))
            self._chosen[went] = self.choices[-1]
        return self.actors[went]

    def _pass_on(self, actor: Actor | None) -> None:
        """Choose who goes on; return when it is the caller's turn, at once if it has ended.

        Raises:
            Stuck: nobody can go on any more.
        """
        while True:
            chosen = self._choose(actor)
            if chosen is None:
                self._finish(actor)
                return
            if chosen is actor:
                return
            interrupts = chosen.inside is not None and not chosen.begun
            if chosen.inside is actor and interrupts:
                self._interrupt(actor, chosen)
                continue
            receiver = chosen.inside if interrupts and chosen.inside else chosen
            self._handler = chosen if interrupts else None
            receiver.turn.release()
            if actor is None:
                return
            actor.turn.acquire()
            if self.stuck:
                raise Stuck
            handler, self._handler = self._handler, None
            if handler is None:
                return
            self._interrupt(actor, handler)

    def _interrupt(self, actor: Actor | None, handler: Actor) -> None:
        """Run a handler on the thread of the actor that it interrupts, which is the caller's."""
        assert actor is not None
        stack = self._here[threading.get_ident()]
        stack.append(handler)
        self.story.append(f"{handler.name} interrupts {actor.name}")
        try:
            self._act(handler)
        finally:
            stack.pop()
        if self.stuck:
            raise Stuck

    def _finish(self, actor: Actor | None) -> None:
        """All have ended; or they are stuck, and each is woken, to end by Stuck."""
        if not self.stuck:
            self._over.set()
            return
        for other in self.actors:
            if other is not actor:
                other.turn.release()
        self._over.set()
        if actor is not None:
            raise Stuck


class Chosen(Protocol):
    """What explore() needs of a run."""

    @property
    def choices(self) -> list[Choice]:
        """The choices, in order."""

    @property
    def schedule(self) -> list[int]:
        """What was chosen."""

    @property
    def touched(self) -> list[Touched]:
        """What each actor touched."""


R = TypeVar("R", bound=Chosen)


def explore(make: Callable[[Sequence[int]], R], preemptions: int, limit: int | None = None) -> Iterator[R]:
    """Run every schedule with at most so many preemptions, each once; yield each run.

    Left out are schedules that end like others: of those that lead to the same state only the first is followed, unless a
    later one has more preemptions left; and before a step that depends on no step of another actor nobody's turn is taken.

    Args:
        make: makes the actors anew, runs them by a schedule, and returns the run.
        preemptions: how often the turn is taken from an actor that could go on.
        limit: how many runs at most; None: all.
    """
    left: list[list[int]] = [[]]
    spared: list[tuple[list[int], int, Touched]] = []  # until others are seen to touch what the step of the actor touches
    followed: dict[Hashable, int] = {}  # the preemptions that were spent before each state
    touched: dict[int, Touched] = {}  # by each actor, in all runs
    count = 0

    def alone(actor: int, step: Touched) -> bool:
        return not any(step.depends_on(its) for other, its in touched.items() if other != actor)

    while left and (limit is None or count < limit):
        prefix = left.pop()
        run = make(prefix)
        count += 1
        yield run
        for number, its in enumerate(run.touched):
            touched.setdefault(number, Touched()).add(its)
        spent = 0
        for place, choice in enumerate(run.choices):
            if place >= len(prefix):
                if choice.state is not None:
                    if followed.get(choice.state, spent + 1) <= spent:
                        break
                    followed[choice.state] = spent
                ways = [
                    [*run.schedule[:place], other]
                    for other in choice.could
                    if other != choice.went and spent + choice.cost(other) <= preemptions
                ]
                if choice.current is None:
                    left += ways
                else:
                    spared += [(way, choice.current, choice.touched) for way in ways]
            spent += choice.cost(choice.went)
        if not left:
            left = [way for way, actor, step in spared if not alone(actor, step)]
            spared = [each for each in spared if alone(*each[1:])]
