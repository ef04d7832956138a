"""Green threads and tasks: many in one thread, so that one that waits in the kernel stops them all.

Run in programs of their own, for what gevent and eventlet patch stays patched.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support import require_ecosystem

BEGIN = {
    "gevent": """
from gevent import monkey
monkey.patch_all()
import gevent
sleep = gevent.sleep
def all_of(jobs):
    gevent.joinall([gevent.spawn(job) for job in jobs], raise_error=True)
""",
    "eventlet": """
import warnings
warnings.simplefilter("ignore")
import eventlet
eventlet.monkey_patch()
sleep = eventlet.sleep
def all_of(jobs):
    for green in [eventlet.spawn(job) for job in jobs]:
        green.wait()
""",
}

JOBS = """
import faulthandler, sys
import atomic_store
faulthandler.dump_traceback_later(30, exit=True)
path = sys.argv[1]
ticks = []

def block(number):
    def job():
        with atomic_store.open(path, default=[], lock=True) as store:
            sleep(0.02)  # or: requests.get(...)
            store.value.append(number)
    return job

def update(number):
    def job():
        sleep(0.005 * number)
        atomic_store.open(path, default=[]).update(lambda value: [*value, number])
    return job

shared = atomic_store.open(path, default=[], lock=True)

def of_shared(number):
    def job():
        with shared:
            sleep(0.01)
            shared.value.append(number)
    return job

def tick():
    # Somebody else, who must go on meanwhile.
    for _ in range(20):
        ticks.append(len(atomic_store.open(path, default=[]).value))
        sleep(0.005)

kinds = (block, update, of_shared)
all_of([kinds[number % 3](number) for number in range(12)] + [tick])
assert sorted(atomic_store.open(path).value) == list(range(12)), atomic_store.open(path).value
assert len(set(ticks)) > 1, "nobody else went on"
print("done")
"""


def run(program: str, path: Path) -> subprocess.CompletedProcess[str]:
    """Run a program that gets the path of a store's file."""
    return subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, timeout=100, check=False
    )


@pytest.mark.parametrize("package", BEGIN)
def test_green_threads_wait_for_each_other_and_go_on(package: str, tmp_path: Path) -> None:
    """Blocks with lock=True, update() and a shared store, by many green threads: nothing stops, all is kept."""
    require_ecosystem(package)
    done = run(BEGIN[package] + JOBS, tmp_path / "state.json")
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr


# What docs/concurrency advises: update(), in a thread of its own.
ADVISED = """
import asyncio, sys
import atomic_store
path = sys.argv[1]

async def task(number):
    store = atomic_store.open(path, default=[])
    await asyncio.to_thread(store.update, lambda value: [*value, number])

async def main():
    await asyncio.gather(*(task(number) for number in range(20)))

asyncio.run(main())
assert sorted(atomic_store.open(path).value) == list(range(20))
print("done")
"""


def test_tasks_update_by_threads(tmp_path: Path) -> None:
    """The advice for asyncio: a store a task, update() by to_thread: of twenty tasks none is lost."""
    done = run(ADVISED, tmp_path / "state.json")
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr


# What cannot work: a block of one task across an await, beside that of another, in one thread.
ACROSS = """
import asyncio, sys
import atomic_store
path = sys.argv[1]

async def task(number):
    with atomic_store.open(path, default=[], lock=True) as store:
        await asyncio.sleep(0.05)
        store.value.append(number)

async def main():
    return await asyncio.wait_for(asyncio.gather(*(task(number) for number in range(2)), return_exceptions=True), 20)

print(*(repr(each) for each in asyncio.run(main())), sep="\\n")
print(atomic_store.open(path).value)
"""


def test_second_task_is_told_who_holds_the_lock(tmp_path: Path) -> None:
    """A block across an await, in two tasks of one thread: the second gets a LockError at once that names another task."""
    done = run(ACROSS, tmp_path / "state.json")
    assert done.returncode == 0, done.stderr
    first, second, value = done.stdout.splitlines()
    assert (first, value) == ("None", "[0]")
    assert second.startswith("LockError(")
    assert "task" in second
    assert "waiting for itself" not in second


WITHIN = """
import asyncio, sys
import atomic_store
path = sys.argv[1]

async def main():
    with atomic_store.open(path, default=[], lock={lock}) as store:
        store.value.append("x")
        await asyncio.wait_for(asyncio.to_thread(store.commit), 10)

try:
    asyncio.run(main())
except BaseException as error:
    print(type(error).__name__, error, flush=True)
else:
    print("committed", flush=True)
import os
os._exit(0)
"""


def test_commit_of_another_thread_inside_a_block_ends(tmp_path: Path) -> None:
    """to_thread(store.commit) inside the block of the task's own thread: with a deadline it ends by a LockTimeout."""
    done = run(WITHIN.format(lock="1"), tmp_path / "state.json")
    assert done.stdout.startswith(("LockTimeout", "LockError")), (done.stdout, done.stderr)
