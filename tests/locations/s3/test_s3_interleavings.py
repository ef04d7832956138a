"""Two clients on one object: their requests in every order, each with at most one fault, against a model of the service.

A schedule says whose request comes next. Schedules are explored as a tree: run with a prefix, note which clients still
wanted to go at each turn, and branch there.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import seams
from s3_model import FAULTS, Client, Service

import atomic_store
from atomic_store import ConflictError, S3Object, UncertainCommitError

KEY = "dir/state.json"


@pytest.fixture(scope="module")
def real() -> Any:
    """A client that describes the service; it sends nothing."""
    boto3 = pytest.importorskip("boto3")
    return boto3.Session("key", "secret", region_name="us-east-1").client("s3")


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of 64 bytes, and no waiting between two tries."""
    seams.s3_parts(monkeypatch, 64, seams.S3_SAME_SIZE)
    seams.s3_pause(monkeypatch, lambda attempt: None)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    seams.s3_nothing_learned(monkeypatch)


class Scheduler:
    """Lets one of several threads go on at a time, by a schedule; beyond its end, the first that can."""

    def __init__(self, schedule: tuple[int, ...], actors: int) -> None:
        self._schedule = schedule
        self._changed = threading.Condition()
        self._waiting: set[int] = set()
        self._living = set(range(actors))
        self._turn: int | None = None
        self.taken: list[int] = []
        self.choices: list[tuple[int, ...]] = []

    def wait(self, actor: int) -> None:
        """Wait for this actor's turn."""
        with self._changed:
            self._waiting.add(actor)
            if self._turn == actor:
                self._turn = None
            self._choose()
            assert self._changed.wait_for(lambda: self._turn == actor, 30)
            self._waiting.discard(actor)

    def end(self, actor: int) -> None:
        """This actor has no more requests."""
        with self._changed:
            self._living.discard(actor)
            if self._turn == actor:
                self._turn = None
            self._choose()

    def _choose(self) -> None:
        if self._turn is not None or self._waiting != self._living or not self._living:
            return
        choices = tuple(sorted(self._waiting))
        step = len(self.taken)
        wanted = self._schedule[step] if step < len(self._schedule) else choices[0]
        self._turn = wanted if wanted in choices else choices[0]
        self.choices.append(choices)
        self.taken.append(self._turn)
        self._changed.notify_all()


Act = Callable[[S3Object, int], str]


def increments(place: S3Object, actor: int) -> str:
    store: atomic_store.AtomicStore[Any] = atomic_store.open(place, default={"n": 0, "by": []})
    store.update(lambda value: {"n": value["n"] + 1, "by": [*value["by"], actor]})
    return "updated"


def commits(place: S3Object, actor: int) -> str:
    store: atomic_store.AtomicStore[Any] = atomic_store.open(place, default={"n": 0, "by": []})
    store.value = {"n": store.value["n"] + 1, "by": [*store.value["by"], actor]}
    store.commit()
    return "updated"


def commits_large(place: S3Object, actor: int) -> str:
    store: atomic_store.AtomicStore[Any] = atomic_store.open(place, default={"n": 0, "by": []})
    store.value = {"n": store.value["n"] + 1, "by": [*store.value["by"], actor], "large": "x" * 90}
    store.commit()
    return "updated"


def deletes(place: S3Object, actor: int) -> str:
    atomic_store.open(place, default={"n": 0, "by": []}).delete()
    return "deleted"


def sets_aside(place: S3Object, actor: int) -> str:
    version = place.version()
    if version is None:
        return "nothing there"
    place.set_aside(version)
    return "deleted"


def run(acts: tuple[Act, ...], schedule: tuple[int, ...], fault: tuple[int, str], real: Any) -> tuple[Scheduler, Any, Any]:
    """Run both clients by a schedule; request number fault[0] meets fault[1]. Return scheduler, outcomes and service."""
    service = Service()
    scheduler = Scheduler(schedule, len(acts))
    outcomes: dict[int, str] = {}
    clients: list[Client] = []

    def turn(actor: int) -> Callable[[str], str]:
        def take(method: str) -> str:
            scheduler.wait(actor)
            number = len(scheduler.taken) - 1
            if number > fault[0]:
                for client in clients:
                    client.arrive()
            return fault[1] if number == fault[0] else ""

        return take

    def work(actor: int) -> None:
        try:
            outcomes[actor] = acts[actor](S3Object("bucket", KEY, client=clients[actor]), actor)
        except (ConflictError, UncertainCommitError, OSError) as error:
            outcomes[actor] = type(error).__name__
        finally:
            scheduler.end(actor)

    clients += [Client(service, real, turn(actor)) for actor in range(len(acts))]
    threads = [threading.Thread(target=work, args=(actor,)) for actor in range(len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for client in clients:
        client.arrive()
    return scheduler, outcomes, service


def schedules(acts: tuple[Act, ...], fault: tuple[int, str], real: Any, limit: int) -> Iterator[tuple[Scheduler, Any, Any]]:
    """Run every schedule, by branching wherever another client could have gone first; at most `limit` of them."""
    todo: list[tuple[int, ...]] = [()]
    done = 0
    while todo and done < limit:
        prefix = todo.pop()
        ran = run(acts, prefix, fault, real)
        done += 1
        yield ran
        scheduler = ran[0]
        for step in range(len(prefix), len(scheduler.taken)):
            others = [other for other in scheduler.choices[step] if other != scheduler.taken[step]]
            todo += [(*scheduler.taken[:step], other) for other in others]


def judge(acts: tuple[Act, ...], outcomes: dict[int, str], service: Service, fault: str, told: str) -> None:
    """No update is lost or counted twice, no conflict is false, no upload is left without a reason."""
    assert len(outcomes) == len(acts), told
    stored = [None if content is None else json.loads(content) for key, content in service.history if key == KEY]
    # Each value was built on the one before it, or on nothing after a deletion.
    before: Any = None
    for value in stored:
        if value is not None:
            old = before or {"n": 0, "by": []}
            assert value["n"] == old["n"] + 1, (told, stored)
            assert value["by"][:-1] == old["by"], (told, stored)
            assert value["by"].count(value["by"][-1]) == 1, (told, stored)
        before = value
    writers = [value["by"][-1] for value in stored if value is not None]
    for actor, outcome in outcomes.items():
        # A write whose answer was lost, and that another client has deleted before it is looked for, is sent again.
        assert writers.count(actor) <= 1 + (fault != "" and None in stored), (told, stored)
        if outcome == "updated":
            assert actor in writers, (told, stored)
        elif outcome == "ConflictError":
            (other,) = (other for other in outcomes if other != actor)
            assert actor not in writers, (told, stored)
            assert other in writers or None in stored or outcomes[other] != "updated", (told, stored)
            assert stored, (told, stored)
        elif outcome not in ("deleted", "nothing there"):
            assert fault, (told, outcome)
    if service.uploads:  # begun twice because the first answer was lost, or its abort was: docs/s3, "Unfinished uploads"
        assert fault, told
        assert len(service.uploads) == 1, told


PAIRS: list[tuple[Act, Act]] = [
    (increments, increments),
    (commits, commits),
    (commits, increments),
    (commits_large, commits),
    (commits_large, increments),
    (deletes, increments),
    (deletes, commits_large),
    (sets_aside, commits),
    (deletes, sets_aside),
]


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: "+".join(act.__name__ for act in pair))
def test_no_order_of_two_clients_requests_loses_an_update(pair: tuple[Act, Act], real: Any, record_property: Any) -> None:
    """Every order of their requests, without a fault: each update is built on what was stored, and conflicts are true."""
    count = 0
    for scheduler, outcomes, service in schedules(pair, (-1, ""), real, 2000):
        judge(pair, outcomes, service, "", f"{scheduler.taken} {outcomes}")
        count += 1
    record_property(f"orders of {'+'.join(act.__name__ for act in pair)}", count)
    print(count, "orders")


@pytest.mark.parametrize("fault", FAULTS[1:])
@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: "+".join(act.__name__ for act in pair))
def test_no_order_with_one_fault_loses_an_update(pair: tuple[Act, Act], fault: str, real: Any, record_property: Any) -> None:
    """The n-th request, or its answer, is lost, repeated or late, for each n: still none lost, and no false conflict."""
    count = 0
    for number in range(30):
        reached = False
        for scheduler, outcomes, service in schedules(pair, (number, fault), real, 60):
            judge(pair, outcomes, service, fault, f"{fault} at {number}: {scheduler.taken} {outcomes}")
            reached = reached or len(scheduler.taken) > number
            count += 1
        if not reached:
            break
    record_property(f"orders of {'+'.join(act.__name__ for act in pair)} with {fault}", count)
    print(count, "orders")


def test_judge_sees_a_lost_update() -> None:
    """Control: a value that was not built on the one before it is found."""
    service = Service()
    for actor in (0, 1):
        service.put_object(KEY, json.dumps({"n": 1, "by": [actor]}).encode())
    with pytest.raises(AssertionError):
        judge((commits, commits), {0: "updated", 1: "updated"}, service, "", "")


def test_overwriting_clients_lose_updates_in_the_model(real: Any) -> None:
    """Control: without conditions some order loses an update, so the schedules reach what they are for."""

    def overwrites(place: S3Object, actor: int) -> str:
        store: atomic_store.AtomicStore[Any] = atomic_store.open(place, default={"n": 0, "by": []}, on_conflict="overwrite")
        store.value = {"n": store.value["n"] + 1, "by": [*store.value["by"], actor]}
        store.commit()
        return "updated"

    pair = (overwrites, overwrites)
    lost = [service.objects[KEY][0] for _, _, service in schedules(pair, (-1, ""), real, 100)]
    assert {json.loads(content)["n"] for content in lost} == {1, 2}
