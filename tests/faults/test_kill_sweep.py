"""SIGKILL and SIGINT at each system call of a commit, a deletion and an open, delivered by strace.

Each shot proves itself: the trace shows that it hit the call it was meant for, and the process ended as that signal ends
processes. strace's --seccomp-bpf is not used, for with it no injected signal arrives.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from faults import KINDS, Attack, Kind, Witness, is_one_temp, outcome, run
from support import require
from tracing import IN_PYTHON, PRIVATE, shoot
from victim import Victim

import atomic_store

Record = Callable[[str, object], None]

# What os calls them, and what the kernel does; old C libraries have other names for some than new ones.
IN_C = {"lstat": "stat", "fstat": "stat"}
# These make one more: the write is the format's own; os.path looks for a free name, and link(2) decides whether it is.
AROUND = ("dump through the descriptor", "open that sets garbage aside")


@pytest.fixture(scope="module")
def victim() -> Iterator[Victim]:
    require(shutil.which("strace"), "needs strace")
    one = Victim()
    yield one
    one.close()


def shots(
    victim: Victim, kind: Kind, directory: Path, number: signal.Signals, record: Record
) -> Iterator[tuple[Witness, int, dict[str, object]]]:
    """Hit each system call of the act by a signal; give for each what there was before, wait status and report."""
    old, new = outcome(kind, directory / "rehearsal")
    status, report, plan = shoot(victim, kind, directory / "plan" / "place")
    assert (status, report["ended"], report["again"], plan.signal) == (0, "success", "success", "")
    hits = 0
    for index, name in enumerate(plan.act):
        if name in PRIVATE:
            continue
        place = directory / str(index) / "place"
        turn = (plan.before + plan.act[: index + 1]).count(name)
        status, report, trace = shoot(victim, kind, place, "-e", f"inject={name}:signal={number.name}:when={turn}")
        # The shot has arrived, at the very call that it was meant for.
        assert (trace.signal, trace.act) == (number.name, plan.act[: index + 1])
        hits += 1
        yield Witness(kind.enter(place), old, new), status, report
    record(f"system calls hit by {number.name}", hits)
    assert hits


@pytest.mark.parametrize("kind", KINDS, ids=repr)
def test_kill_at_any_call_leaves_old_or_new(victim: Victim, kind: Kind, tmp_path: Path, record_property: Record) -> None:
    """A process that dies at any system call leaves old or new, whole, at most one temp, and a place that works."""
    for witness, status, report in shots(victim, kind, tmp_path, signal.SIGKILL, record_property):
        assert (os.waitstatus_to_exitcode(status), report) == (-signal.SIGKILL, {})
        left = witness.scene.strangers()
        assert not left or is_one_temp(left)
        assert [*witness.torn_bytes(), *witness.no_way_on(witness.scene)] == []
        # Whoever takes the lock later removes it: a minute is long enough for any writer to lock its temp.
        for temp in left:
            os.utime(witness.scene.directory / temp, (0, 0))
        atomic_store.LocalFile(witness.scene.path).lock().release()
        assert witness.scene.strangers() == []


@pytest.mark.parametrize("kind", KINDS, ids=repr)
def test_interrupt_at_any_call_leaves_old_or_new(
    victim: Victim, kind: Kind, tmp_path: Path, record_property: Record
) -> None:
    """Ctrl-C at any system call is a KeyboardInterrupt: old or new, whole; no temp, no descriptor; the next try works."""
    for witness, status, report in shots(victim, kind, tmp_path, signal.SIGINT, record_property):
        clean = {"ended": "KeyboardInterrupt", "descriptors": [], "strangers": [], "again": "success"}
        assert (status, report) == (0, clean)
        assert [*witness.torn_bytes(), *witness.no_way_on(witness.scene)] == []


def test_fault_sweep_sees_every_system_call(victim: Victim, tmp_path: Path) -> None:
    """The calls that the fault sweep can fail are those that the kernel sees: none goes around its stand-in for os."""
    for kind in KINDS:
        if kind.name in AROUND:
            continue
        attack = Attack()
        run(kind.prepare(tmp_path / kind.name / "counted"), attack)
        ours = " ".join(IN_C.get(call.name, call.name) for call in attack.seen)
        kernels = shoot(victim, kind, tmp_path / kind.name / "place")[2].act
        translated = " ".join(IN_PYTHON.get(name, name) for name in kernels if name not in (*PRIVATE, "geteuid"))
        assert ours == translated.replace("open stat getdents64 getdents64 close", "listdir")
