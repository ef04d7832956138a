"""Two clients on one object: their requests in every order, each with at most one fault, against a model of the service.

The scheduler is that of the files (attacks.interleavings). Two orders that lead to the same state, such as those of two
reads, are followed once: a client is a function of the answers that it gets, so all that comes after is the same.
With ATOMIC_STORE_ALL_ORDERS set, as in the campaign, the pairs with thousands of orders are played, too.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from functools import partial
from itertools import combinations_with_replacement
from typing import Any

import pytest
import seams
from s3_model import FAULTS, Client, Network, Service

import atomic_store
from atomic_store import AtomicStoreError, S3Object
from attacks.interleavings.scheduler import Actor, Run

pytestmark = pytest.mark.filterwarnings("ignore:.*held no value:UserWarning")  # each quarantine warns

KEY = "dir/state.json"
GARBAGE = b'{"half'
FIRST = {"n": 1, "by": [9]}
BEFORE = {"nothing": None, "a value": json.dumps(FIRST).encode(), "garbage": GARBAGE}
"""What is stored before both begin."""


@pytest.fixture(scope="module")
def real() -> Any:
    """A client that describes the service; it sends nothing."""
    boto3 = pytest.importorskip("boto3")
    return boto3.Session("key", "secret", region_name="us-east-1").client("s3")


@pytest.fixture(autouse=True)
def one_thread_a_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of 64 bytes, sent by the thread that writes; no waiting between two tries."""
    seams.s3_parts(monkeypatch, 64, seams.S3_SAME_SIZE)
    seams.s3_pause(monkeypatch, lambda attempt: None)
    seams.s3_no_threads(monkeypatch)
    monkeypatch.setattr("time.sleep", lambda seconds: None)


Act = Callable[[S3Object, int], str]


def opened(place: S3Object) -> atomic_store.AtomicStore[Any]:
    return atomic_store.open(place, default={"n": 0, "by": []})


def following(value: Any, actor: int) -> dict[str, Any]:
    return {"n": value["n"] + 1, "by": [*value["by"], actor]}


def updates(place: S3Object, actor: int) -> str:
    opened(place).update(lambda value: following(value, actor))
    return "stored"


def updates_large(place: S3Object, actor: int) -> str:
    opened(place).update(lambda value: {**following(value, actor), "large": "x" * 90})
    return "stored"


def commits(place: S3Object, actor: int) -> str:
    store = opened(place)
    store.value = following(store.value, actor)
    store.commit()
    return "stored"


def commits_large(place: S3Object, actor: int) -> str:
    store = opened(place)
    store.value = {**following(store.value, actor), "large": "x" * 90}
    store.commit()
    return "stored"


def deletes(place: S3Object, actor: int) -> str:
    opened(place).delete()
    return "deleted"


def sets_aside(place: S3Object, actor: int) -> str:
    version = place.version()
    if version is None:
        return "nothing there"
    place.set_aside(version)
    return "set aside"


def quarantines(place: S3Object, actor: int) -> str:
    atomic_store.open(place, default={"n": 0, "by": []}, on_corrupt="quarantine")
    return "read"


ACTS: tuple[Act, ...] = (updates, updates_large, commits, commits_large, deletes, sets_aside)
EVERY = [
    *((acts, before) for acts in combinations_with_replacement(ACTS, 2) for before in ("nothing", "a value")),
    *(((quarantines, act), "garbage") for act in (*ACTS, quarantines)),
]


def is_long(acts: tuple[Act, ...]) -> bool:
    """Whether the two have thousands of orders: these 15 scenarios take longer than all the others together."""
    return updates_large in acts or acts in ((quarantines, sets_aside), (quarantines, quarantines))


SCENARIOS = [each for each in EVERY if os.environ.get("ATOMIC_STORE_ALL_ORDERS") or not is_long(each[0])]


class Orders(Run):
    """A run of two clients that remembers, for each choice, the state in which it was made.

    Attributes:
        outcomes: what has become of each client's act: its word, or the name of its error.
    """

    def __init__(self, acts: tuple[Act, Act], first: bytes | None, faults: bool, schedule: tuple[int, ...]) -> None:
        super().__init__((), schedule)
        self.acts = acts
        self.first = first
        self.service = Service()
        if first is not None:
            self.service.answer("put_object", {"Key": KEY, "Body": first})
        both = (0,) if acts[0] is acts[1] else (0, 1)  # of two that do the same, one is enough
        self.network = Network(self.service, self.happens, both if faults else ())
        self.states: dict[int, str] = {}
        self._given = len(schedule)
        self.outcomes = ["", ""]
        self._drawn: dict[str, int] = {}

    def __repr__(self) -> str:
        acts = " + ".join(act.__name__ for act in self.acts)
        fault = f"{self.network.kind or 'no fault'} {self.network.met or ''}"
        return f"{acts}, {fault}, {self.schedule}: {'; '.join(self.story)}. {self.outcomes} {self.service.history}"

    def play(self, real: Any, patch: Any) -> Orders:
        """Let both clients do what they do."""
        seams.s3_nothing_learned(patch)
        patch.setattr("os.urandom", self.urandom)
        for number in range(2):
            place = S3Object("bucket", KEY, client=Client(number, self.network, real, self.comes))
            self.actors.append(Actor(str(number), partial(self._work, number, place)))
        self.run()
        self.network.arrive()
        assert [actor.error for actor in self.actors] == [None, None]
        return self

    def comes(self, method: str) -> None:
        """A client is about to make a request: the other one may go first."""
        self._note(method)
        self.point(method)

    def happens(self, about: str, options: int) -> int:
        """Return which of so many things happens to a request."""
        self._note(about)
        return self.pick(options)

    def urandom(self, size: int) -> bytes:
        """Return what no other call returns, and the same in each run."""
        here = self.here()
        name = "" if here is None else here.name
        self._drawn[name] = self._drawn.get(name, 0) + 1
        return f"{name}{self._drawn[name]:07}".encode()[-size:].rjust(size, b"-")

    def _note(self, about: str) -> None:
        if len(self.choices) < self._given:
            return  # nobody asks for the states of what is replayed
        here = self.here()
        self.states[len(self.choices)] = f"{self.network.state()} {here.name if here else ''} {about}"

    def _work(self, number: int, place: S3Object) -> None:
        try:
            self.outcomes[number] = self.acts[number](place, number)
        except (AtomicStoreError, OSError) as error:
            self.outcomes[number] = type(error).__name__


def orders(acts: tuple[Act, Act], first: bytes | None, faults: bool, real: Any) -> Iterator[Orders]:
    """Yield a run for every order of the requests, and for every fault of one of them.

    Left out are those that lead to a state from which all was followed before.
    """
    with pytest.MonkeyPatch.context() as patch:
        known: set[str] = set()
        left: list[tuple[int, ...]] = [()]
        while left:
            prefix = left.pop()
            run = Orders(acts, first, faults, prefix).play(real, patch)
            yield run
            for place in range(len(prefix), len(run.choices)):
                state = run.states.get(place, "begin")
                if state in known:
                    break
                known.add(state)
                choice = run.choices[place]
                left += [(*run.schedule[:place], other) for other in choice.could if other != choice.went]


def judge(run: Orders) -> None:
    """No update is lost or counted twice, no conflict is false, nothing is deleted unasked, no upload is left."""
    history, network = run.service.history, run.network
    events = [event for event in history if event.key == KEY]
    asides = [event.content for event in history if event.key != KEY]
    # Each value was built on the one before it, or on nothing after a deletion, and each client is in it once at most.
    before: Any = None
    for event in events:
        if event.content in (None, GARBAGE):
            assert before is None or {deletes, sets_aside}.intersection(run.acts), run
            before = None
            continue
        value = json.loads(event.content)
        old = before or {"n": 0, "by": []}
        assert value["n"] == old["n"] + 1, run
        assert value["by"][:-1] == old["by"], run
        assert len(set(value["by"])) == len(value["by"]), run
        before = value
    if run.first == GARBAGE:
        now, *_ = run.service.objects.get(KEY, (None,))
        assert GARBAGE in (*asides, now) or deletes in run.acts, run
    for actor, outcome in enumerate(run.outcomes):
        writes = [event.by == actor and event.content is not None for event in events]
        if outcome == "stored":
            assert any(writes), run
        elif outcome == "ConflictError":
            # Nothing of it is stored: a write that was not answered may have been there until the other one deleted it.
            assert before is None or actor not in before["by"], run
            assert not any(writes) or network.kind, run
            assert any(event.by != actor and event.key == KEY for event in history[network.began.get(actor, 0) :]), run
        elif outcome == "LoadError":
            assert run.first == GARBAGE, run
        elif outcome not in ("deleted", "set aside", "nothing there", "read"):
            assert network.met is not None, run
            assert network.met[1] == actor, run
    if run.service.uploads:  # docs/s3, "Unfinished uploads"
        assert len(run.service.uploads) == 1, run
        assert network.met is not None, run
        assert network.met[0] in ("create_multipart_upload", "abort_multipart_upload"), run


@pytest.mark.parametrize(
    ("acts", "before"), SCENARIOS, ids=lambda what: what if isinstance(what, str) else "+".join(act.__name__ for act in what)
)
def test_no_order_of_two_clients_requests_loses_an_update(
    acts: tuple[Act, Act], before: str, real: Any, record_property: Any
) -> None:
    """Every order, without a fault and with one at every place: updates are built on what was stored, conflicts are true."""
    counts = dict.fromkeys(("no fault", *FAULTS), 0)
    for run in orders(acts, BEFORE[before], True, real):
        judge(run)
        counts[run.network.kind or "no fault"] += 1
    assert all(counts.values()), counts
    record_property(f"{' + '.join(act.__name__ for act in acts)} on {before}", counts)


def test_judge_sees_a_lost_update() -> None:
    """Control: a value that was not built on the one before it is found."""
    run = Orders((commits, commits), None, False, ())
    run.outcomes = ["stored", "stored"]
    for actor in (0, 1):
        run.service.answer("put_object", {"Key": KEY, "Body": json.dumps({"n": 1, "by": [actor]}).encode()}, actor)
    with pytest.raises(AssertionError):
        judge(run)


def test_overwriting_clients_lose_updates_in_the_model(real: Any) -> None:
    """Control: without conditions some order loses an update, so the orders reach what they are for."""

    def overwrites(place: S3Object, actor: int) -> str:
        store: atomic_store.AtomicStore[Any] = atomic_store.open(place, default={"n": 0, "by": []}, on_conflict="overwrite")
        store.value = following(store.value, actor)
        store.commit()
        return "stored"

    runs = orders((overwrites, overwrites), None, False, real)
    assert {json.loads(run.service.objects[KEY][0])["n"] for run in runs} == {1, 2}


def test_lost_answers_are_conflicts_where_write_ids_are_lost(real: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: a service that keeps no metadata makes false conflicts of lost answers, and the judge sees them."""
    kept = Service.described
    monkeypatch.setattr(Service, "described", lambda service, *which: {**kept(service, *which), "Metadata": {}})
    with pytest.raises(AssertionError, match=r"lost answer|repeated|delayed"):
        for run in orders((commits, commits), None, True, real):
            judge(run)
