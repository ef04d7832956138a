"""In a block: delete(), then a commit() that fails, then leave. Nothing may be written: deleted is deleted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from stand_ins import inside

import atomic_store


@pytest.mark.parametrize("options", [{}, {"lock": True}, {"on_conflict": "raise"}], ids=str)
@pytest.mark.parametrize("caught", [True, False], ids=["caught", "leaves the block"])
def test_commit_that_fails_after_delete_brings_nothing_back(options: dict[str, Any], caught: bool, tmp_path: Path) -> None:
    """The exit after delete() and a refused commit() writes nothing, neither the default nor the refused value."""
    path = tmp_path / "state"
    path.write_text('{"old": 1}', encoding="utf-8")
    store = atomic_store.open(path, default={}, **options)
    try:
        with store:
            store.delete()
            try:
                store.value["not for JSON"] = object()
                store.commit()
            except TypeError:
                if not caught:
                    raise
            store.value.clear()
    except TypeError:
        assert not caught
    assert [name for name in inside(tmp_path) if not name.endswith(".lock")] == []
    assert not path.exists()
    # And it is no dead end: the next block stores what it holds.
    with store:
        store.value = {"new": 1}
    assert path.read_text(encoding="utf-8") == '{"new": 1}'


@pytest.mark.parametrize("options", [{}, {"lock": True}], ids=str)
def test_value_assigned_after_delete_is_stored(options: dict[str, Any], tmp_path: Path) -> None:
    """Control: what is assigned after delete() and a refused commit() is what the exit commits."""
    path = tmp_path / "state"
    path.write_text('{"old": 1}', encoding="utf-8")
    store = atomic_store.open(path, default={}, **options)
    with store:
        store.delete()
        store.value = object()
        with pytest.raises(TypeError):
            store.commit()
        store.value = {"new": 1}
    assert path.read_text(encoding="utf-8") == '{"new": 1}'
