"""Two stores on one file, a person with an editor, and a failing disk, in any order: always as a plain model says."""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import atomic_store
from atomic_store import AtomicStore, AtomicStoreError, ConflictError, LoadError, LocalFile, LockError
from atomic_store.testing import Memory

DEFAULT = [0]
CORRUPT = b"[1,"
KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "raise": {"on_conflict": "raise"},
    "lock": {"lock": True},
    "lock, overwrite": {"lock": 0, "on_conflict": "overwrite"},
}

numbers = st.integers(1, 3)
which = st.integers(0, 1)


def encoded(value: list[int]) -> bytes:
    return json.dumps(value).encode()


@dataclass
class Model:
    """What a store is to be: its value, the bytes it believes are stored, and what has happened since."""

    kind: str
    ignore_inner_exits: bool
    value: list[int] = field(default_factory=lambda: list(DEFAULT))
    known: bytes | None = None
    stored: bool = False
    level: int = 0
    assigned: bool = False
    failed: bool = False
    deleted: bool = False

    @property
    def locks(self) -> bool:
        return self.kind.startswith("lock")

    @property
    def raises(self) -> bool:
        return self.kind in ("raise", "lock")

    @property
    def holds(self) -> bool:
        return self.locks and self.level > 0

    def agree(self, known: bytes | None, value: list[int]) -> None:
        self.known, self.value = known, list(value)
        self.assigned = self.failed = self.deleted = False


class TwoStores(RuleBasedStateMachine):
    """Each rule does one thing to the real stores and to the model, and compares how it ended."""

    place: Any
    stores: list[AtomicStore[Any]]

    def __init__(self) -> None:
        super().__init__()
        self.disk: bytes | None = None
        self.disk_fails = False
        self.syncs = mock.patch("os.fsync", self.sync)
        self.syncs.start()

    def sync(self, descriptor: int) -> None:
        """Stand in for fsync, which takes most of the time and tells nothing here."""
        if self.disk_fails:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    def teardown(self) -> None:
        self.syncs.stop()

    @initialize(kinds=st.tuples(*[st.sampled_from(list(KINDS))] * 2), ignore=st.booleans(), before=st.booleans())
    def open_both(self, kinds: tuple[str, str], ignore: bool, before: bool) -> None:
        if before:
            self.edit(encoded([9]))
        self.models = [Model(kind, ignore) for kind in kinds]
        self.stores = [atomic_store.open(self.locate(), DEFAULT, ignore_inner_exits=ignore, **KINDS[kind]) for kind in kinds]
        for model in self.models:
            self.model_load(model)

    # --- the place; a subclass has another one ---

    def locate(self) -> Any:
        raise NotImplementedError

    def content(self) -> bytes | None:
        raise NotImplementedError

    def edit(self, content: bytes | None) -> None:
        """Store or remove, as somebody without the library does."""
        self.disk = content

    # --- the model of each step; what it gives is the error that is to be raised ---

    def model_load(self, model: Model) -> type[Exception] | None:
        if self.disk == CORRUPT:
            return LoadError
        model.stored = self.disk is not None
        deleted = model.deleted and not model.stored  # looking again brings nothing back
        model.agree(self.disk, DEFAULT if self.disk is None else json.loads(self.disk))
        model.deleted = deleted
        return None

    def is_locked_out(self, model: Model) -> bool:
        """Whether this store would have to wait for the other one, whose block is open in this thread."""
        return not model.holds and any(other.holds for other in self.models)

    def is_conflict(self, model: Model) -> bool:
        return model.raises and model.known != self.disk

    def model_commit(self, model: Model) -> type[Exception] | None:
        if model.locks and self.is_locked_out(model):
            return LockError
        model.failed = True
        if self.is_conflict(model):
            return ConflictError
        if self.disk_fails:
            return OSError
        self.disk = encoded(model.value)
        model.agree(self.disk, model.value)
        return None

    def model_enter(self, model: Model) -> type[Exception] | None:
        if model.locks and not model.holds:
            if self.is_locked_out(model):
                return LockError
            if model.known != self.disk and model.assigned:
                return ConflictError
            if model.known != self.disk or (model.failed and not model.assigned):
                error = self.model_load(model)
                if error is not None:
                    return error
            model.assigned = False
        elif model.raises and model.failed and model.level == 0 and not model.assigned:
            error = self.model_load(model)
            if error is not None:
                return error
        if model.level == 0:
            model.deleted = False
        model.level += 1
        return None

    def model_exit(self, model: Model) -> type[Exception] | None:
        holds = model.holds
        model.level -= 1
        if (model.level > 0 and model.ignore_inner_exits) or model.deleted:
            return None
        if holds:  # it is let go only after the commit
            model.level += 1
            try:
                return self.model_commit(model)
            finally:
                model.level -= 1
        return self.model_commit(model)

    def model_update(self, model: Model, number: int) -> type[Exception] | None:
        if model.level > 0:
            return AtomicStoreError
        if self.is_locked_out(model):
            return LockError
        if self.disk == CORRUPT:
            return LoadError
        model.stored = self.disk is not None
        self.disk = encoded([*(DEFAULT if self.disk is None else json.loads(self.disk)), number])
        model.agree(self.disk, json.loads(self.disk))
        return None

    def model_delete(self, model: Model) -> type[Exception] | None:
        if model.locks and self.is_locked_out(model):
            return LockError
        if self.is_conflict(model):
            return ConflictError
        self.disk = None
        model.stored = False
        model.agree(None, DEFAULT)
        model.deleted = model.level > 0
        return None

    def same_end(self, expected: type[Exception] | None, act: Callable[[], object]) -> None:
        if expected is None:
            act()
        elif expected is OSError:
            with pytest.raises(OSError, match="Input/output"):
                act()
        else:
            with pytest.raises(expected):
                act()

    # --- the rules ---

    @rule(n=which)
    def reload(self, n: int) -> None:
        self.same_end(self.model_load(self.models[n]), self.stores[n].reload)

    @rule(n=which, number=numbers)
    def append(self, n: int, number: int) -> None:
        self.stores[n].value.append(number)
        self.models[n].value.append(number)

    @rule(n=which, number=numbers)
    def assign(self, n: int, number: int) -> None:
        self.stores[n].value = [number]
        model = self.models[n]
        model.value, model.deleted, model.assigned = [number], False, model.level == 0

    @rule(n=which, fails=st.booleans())
    def commit(self, n: int, fails: bool) -> None:
        self.disk_fails = fails and not isinstance(self.place, Memory)
        expected = self.model_commit(self.models[n])
        if expected is ConflictError and self.disk_fails:
            # Whichever is met first: a conflict that does not show in the stat comes after the dump.
            with pytest.raises((ConflictError, OSError)):
                self.stores[n].commit()
        else:
            self.same_end(expected, self.stores[n].commit)
        self.disk_fails = False

    @rule(n=which, number=numbers)
    def update(self, n: int, number: int) -> None:
        expected = self.model_update(self.models[n], number)
        self.same_end(expected, lambda: self.stores[n].update(lambda value: [*value, number]))

    @rule(n=which)
    def delete(self, n: int) -> None:
        self.same_end(self.model_delete(self.models[n]), self.stores[n].delete)

    @precondition(lambda self: min(model.level for model in self.models) < 3)
    @rule(n=which)
    def enter(self, n: int) -> None:
        self.same_end(self.model_enter(self.models[n]), self.stores[n].__enter__)

    @precondition(lambda self: any(model.level for model in self.models))
    @rule(n=which)
    def leave(self, n: int) -> None:
        if not self.models[n].level:
            return
        self.same_end(self.model_exit(self.models[n]), lambda: self.stores[n].__exit__(None, None, None))

    @precondition(lambda self: any(model.level for model in self.models))
    @rule(n=which)
    def leave_by_an_error(self, n: int) -> None:
        if not self.models[n].level:
            return
        error = InterruptedError()
        self.stores[n].__exit__(type(error), error, None)
        self.models[n].level -= 1
        self.models[n].failed = True

    @rule(n=which, number=numbers, assign=st.booleans(), fails=st.booleans())
    def whole_block(self, n: int, number: int, assign: bool, fails: bool) -> None:
        """A short cut to what matters: enter, change, and leave."""
        if self.models[n].level:
            return
        self.enter(n)
        if self.models[n].level:
            (self.assign if assign else self.append)(n, number)
            (self.leave_by_an_error if fails else self.leave)(n)

    @rule(how=st.sampled_from(["change", "rewrite", "corrupt", "remove"]), number=numbers)
    def edit_by_hand(self, how: str, number: int) -> None:
        contents = {"change": encoded([number]), "rewrite": self.disk, "corrupt": CORRUPT, "remove": None}
        self.edit(contents[how])

    @rule(n=which)
    def look_for_changes(self, n: int) -> None:
        if self.models[n].kind != "plain":  # which goes by the stat, and so may miss one or see one too many
            assert self.stores[n].changed() == (self.models[n].known != self.disk)

    @invariant()
    def place_and_stores_are_as_the_model_says(self) -> None:
        assert self.content() == self.disk
        for store, model in zip(getattr(self, "stores", []), getattr(self, "models", []), strict=True):
            assert (store.value, store.stored, store.level) == (model.value, model.stored, model.level)


class OnFile(TwoStores):
    """Both stores on a file, one of them through a symbolic link."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp(prefix="atomic_store-"))
        self.path = self.directory / "a.json"
        (self.directory / "link").symlink_to("a.json")
        self.place = None

    def teardown(self) -> None:
        super().teardown()
        names = {entry.name for entry in self.directory.iterdir()}
        shutil.rmtree(self.directory)
        assert names <= {"a.json", "link", ".a.json.lock"}

    def locate(self) -> Any:
        self.place = LocalFile(self.path if self.place is None else self.directory / "link")
        return self.place

    def content(self) -> bytes | None:
        return self.path.read_bytes() if self.path.exists() else None

    def edit(self, content: bytes | None) -> None:
        super().edit(content)
        if content is None:
            self.path.unlink(missing_ok=True)
        else:
            self.path.write_bytes(content)


class InMemory(TwoStores):
    """Both stores on one place in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.place = Memory()

    def locate(self) -> Any:
        return self.place

    def content(self) -> bytes | None:
        content: bytes | None = self.place.content
        return content

    def edit(self, content: bytes | None) -> None:
        super().edit(content)
        self.place.content = content


SETTINGS = settings(
    max_examples=200, stateful_step_count=40, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)

TestOnFile = OnFile.TestCase
TestOnFile.settings = SETTINGS
TestInMemory = InMemory.TestCase
TestInMemory.settings = SETTINGS
