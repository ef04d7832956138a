"""What open_dict() promises at every place, as a suite: one class a kind of place."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from places import Place

import atomic_store
from atomic_store import ConflictError, LoadError
from atomic_store.locations.base import Location


class MappingContract(Place):
    """Combine it with a place: `class TestMemory(InMemory, MappingContract)`."""

    def stored(self, location: Location) -> Any:
        content = self.peek(location)
        return None if content is None else json.loads(content)

    # --- what is saved, and when ---

    def test_nothing_is_written_before_save(self) -> None:
        """Opening, changing, reading and dropping a dict writes nothing: save() does."""
        location = self.make()
        d = atomic_store.open_dict(location, default={"runs": 0})
        d["runs"] += 1
        d.update(more=[1])
        d.load()
        assert d == {"runs": 0}
        d["runs"] += 1
        assert self.peek(location) is None
        d.save()
        assert self.stored(location) == {"runs": 1}

    def test_default_counts_only_where_nothing_is_stored(self) -> None:
        """A stored dict, even an empty one, wins over the default; and no change reaches the caller's object."""
        location, default = self.make(), {"list": [1]}
        d = atomic_store.open_dict(location, default)
        d["list"].append(2)
        assert default == {"list": [1]}
        self.poke(location, b"{}")
        assert atomic_store.open_dict(self.again(location), default) == {}

    def test_data_replaces_what_is_stored_once_it_is_saved(self) -> None:
        """`data` wins over what is stored and over the default, in memory; what is stored stays until the first save."""
        location = self.make()
        self.poke(location, b'{"stored": 1}')
        d = atomic_store.open_dict(location, {"default": 1}, {"data": 1})
        assert d == {"data": 1}
        assert self.stored(location) == {"stored": 1}
        d.save()
        assert self.stored(location) == {"data": 1}
        assert atomic_store.open_dict(self.again(location), data=[("pair", 1)]) == {"pair": 1}
        assert atomic_store.open_dict(self.again(location), data={}) == {}

    def test_data_is_copied(self) -> None:
        """No change reaches the caller's `data`, and what cannot be copied is refused by that name."""
        data: dict[str, Any] = {"list": [1]}
        d = atomic_store.open_dict(self.make(), data=data)
        d["list"].append(2)
        assert data == {"list": [1]}
        with pytest.raises(TypeError, match="data should be a value that can be copied"):
            atomic_store.open_dict(self.make(), data={"items": (item for item in "")})

    def test_block_saves_once_and_not_after_an_exception(self) -> None:
        """Leaving a block saves, nested changes too; an exception saves nothing."""
        location = self.make()
        with atomic_store.open_dict(location, {"jobs": []}) as d:
            d["jobs"].append(1)
            assert self.peek(location) is None
        assert self.stored(location) == {"jobs": [1]}
        with pytest.raises(RuntimeError), d:
            d["jobs"].append(2)
            d["half"] = True
            raise RuntimeError
        assert self.stored(location) == {"jobs": [1]}

    def test_each_change_through_the_mapping_is_saved_by_autosave(self) -> None:
        """With autosave every method that changes the mapping is followed by what is stored."""
        location = self.make()
        d = atomic_store.open_dict(location, autosave=True)
        assert self.stored(location) == {}
        d["a"] = 1
        assert self.stored(location) == {"a": 1}
        d.update({"b": 2}, c=3)
        assert self.stored(location) == {"a": 1, "b": 2, "c": 3}
        del d["a"]
        assert self.stored(location) == {"b": 2, "c": 3}
        assert d.pop("b") == 2
        assert self.stored(location) == {"c": 3}
        assert d.setdefault("d", [4]) == [4]
        assert self.stored(location) == {"c": 3, "d": [4]}
        d |= [("e", 5)]
        assert self.stored(location) == {"c": 3, "d": [4], "e": 5}
        d.data = {"f": 6, "g": 7}
        assert self.stored(location) == {"f": 6, "g": 7}
        d.popitem()
        assert self.stored(location) == dict(d)
        assert len(d) == 1
        d.clear()
        assert self.stored(location) == {}

    def test_change_inside_a_value_waits_for_save(self) -> None:
        """Autosave does not see what changes inside a value: save(), the end of a block and the next change save it."""
        location = self.make()
        d = atomic_store.open_dict(location, {"jobs": []}, autosave=True)
        d["jobs"].append(1)
        assert self.stored(location) == {"jobs": []}
        d.save()
        assert self.stored(location) == {"jobs": [1]}
        with d:
            d["jobs"].append(2)
        assert self.stored(location) == {"jobs": [1, 2]}

    def test_autosave_saves_when_it_is_turned_on(self) -> None:
        """Turning it on saves at once, at construction too if nothing is stored or `data` is given; off, nothing."""
        location = self.make()
        d = atomic_store.open_dict(location, {"a": 1})
        assert not d.autosave
        d["b"] = 2
        d.autosave = True
        assert self.stored(location) == {"a": 1, "b": 2}
        d.autosave = False
        d["c"] = 3
        assert self.stored(location) == {"a": 1, "b": 2}
        created = self.make()
        assert atomic_store.open_dict(created, {"a": 1}, autosave=True).autosave
        assert self.stored(created) == {"a": 1}
        atomic_store.open_dict(self.again(created), {"z": 1}, autosave=True)
        assert self.stored(created) == {"a": 1}
        atomic_store.open_dict(self.again(created), data={"b": 2}, autosave=True)
        assert self.stored(created) == {"b": 2}

    def test_half_done_update_is_not_saved(self) -> None:
        """An update() that ends by an exception is kept in memory as far as it came, as in a dict, and not saved."""
        location = self.make()
        d = atomic_store.open_dict(location, autosave=True)
        with pytest.raises((TypeError, ValueError)):
            d.update([("a", 1), 2])
        assert self.stored(location) == {}
        d["b"] = 2
        assert self.stored(location) == {"a": 1, "b": 2}

    def test_assignment_during_an_update_of_another_thread_is_saved(self) -> None:
        """An update() defers the saves of its own thread only, however many threads update at once."""
        location = self.make()
        d = atomic_store.open_dict(location, autosave=True)

        def assigns(key: str) -> None:
            d.update({f"{key} by update": 1})
            d[key] = 1
            assert key in self.stored(location)

        def items() -> Iterator[tuple[str, int]]:
            d.update({"inner": 1})
            d["own"] = 1
            with ThreadPoolExecutor() as pool:
                assert self.stored(location) == {}
                pool.submit(assigns, "other").result()
            yield "a", 1
            assert "a" not in self.stored(location)
            raise OSError("the source failed")

        with pytest.raises(OSError, match="the source failed"):
            d.update(items())
        assert "other" in self.stored(location)
        assert "a" not in self.stored(location)
        d["b"] = 2
        assert self.stored(location) == dict(d)

    def test_autosave_that_fails_leaves_old_or_new(self) -> None:
        """A value that the format refuses is an error of the assignment; what is stored stays whole."""
        location = self.make()
        d = atomic_store.open_dict(location, {"a": 1}, autosave=True)
        with pytest.raises(TypeError):
            d["b"] = {1}
        assert self.stored(location) == {"a": 1}
        del d["b"]
        assert self.stored(location) == {"a": 1}
        d["b"] = 2
        assert self.stored(location) == {"a": 1, "b": 2}

    def test_autosave_that_cannot_save_is_not_on(self) -> None:
        """Where the save of turning it on fails, autosave stays off."""
        d = atomic_store.open_dict(self.make(), {"a": {1}})
        with pytest.raises(TypeError):
            d.autosave = True
        assert not d.autosave

    # --- deleting ---

    def test_delete_clears_memory_too(self) -> None:
        """delete() removes what is stored and empties the dict, default or not; saving it again creates it anew."""
        location = self.make()
        d = atomic_store.open_dict(location, {"a": 1}, autosave=True)
        d.delete()
        assert d == {}
        assert self.peek(location) is None
        d.delete()
        d["b"] = 2
        assert self.stored(location) == {"b": 2}

    def test_delete_in_a_block_is_not_undone_by_its_end(self) -> None:
        """After delete() the exit saves nothing; but what is put in afterwards is saved."""
        location = self.make()
        self.poke(location, b'{"a": 1}')
        with atomic_store.open_dict(location) as d:
            d.delete()
        assert self.peek(location) is None
        self.poke(location, b'{"a": 1}')
        with atomic_store.open_dict(self.again(location)) as d:
            d.delete()
            d["b"] = 2
        assert self.stored(location) == {"b": 2}

    # --- what is there is no mapping ---

    @pytest.mark.parametrize("content", [b"[1]", b"null", b'"text"', b"1"])
    def test_what_is_no_mapping_is_refused_and_left_alone(self, content: bytes) -> None:
        """A file that holds a list, say, is a LoadError that names it, whatever else is given, and stays as it is."""
        location = self.make()
        self.poke(location, content)
        for options in ({}, {"default": {"a": 1}}, {"data": {"a": 1}, "autosave": True}):
            other = self.again(location)
            with pytest.raises(LoadError, match="should hold a mapping and holds a") as caught:
                atomic_store.open_dict(other, **options)
            assert (caught.value.path, caught.value.format, caught.value.damaged) == (other.path, "json", False)
            assert repr(other.path) in str(caught.value)
        assert self.peek(location) == content

    def test_what_became_no_mapping_changes_nothing_in_memory(self) -> None:
        """load() of a file that holds a list meanwhile is a LoadError too; the dict in memory stays as it was."""
        location = self.make()
        d = atomic_store.open_dict(location, {"a": 1})
        self.poke(location, b"[1]")
        with pytest.raises(LoadError):
            d.load()
        assert d == {"a": 1}
        assert self.peek(location) == b"[1]"

    # --- others ---

    def test_nobodys_change_is_overwritten(self) -> None:
        """With on_conflict="raise" a save, by autosave too, refuses to replace what somebody else has written."""
        location = self.make()
        d = atomic_store.open_dict(location, {"a": 1}, autosave=True, on_conflict="raise")
        self.poke(location, b'{"theirs": 1}')
        with pytest.raises(ConflictError):
            d["b"] = 2
        assert self.stored(location) == {"theirs": 1}
        d.load()
        d["b"] = 2
        assert self.stored(location) == {"theirs": 1, "b": 2}

    def test_two_blocks_lose_no_item_of_each_other(self) -> None:
        """A store of open() and a dict of open_dict() share a place: each reads what the other one has written."""
        location = self.make()
        d = atomic_store.open_dict(location)
        d["a"] = 1
        d.save()
        store = atomic_store.open(self.again(location))
        assert store.update(lambda value: {**value, "b": 2}) == {"a": 1, "b": 2}
        d.load()
        assert d == {"a": 1, "b": 2}

    # --- as a dict ---

    def test_copy_is_another_dict_that_saves_nothing_by_itself(self) -> None:
        """A copy has the items and the place, and not the autosave; what changes in one is not in the other."""
        location = self.make()
        d = atomic_store.open_dict(location, {"a": [1]}, autosave=True)
        for twin in (d.copy(), copy.copy(d), d | {}, {} | d):
            assert (twin, type(twin), twin.location, twin.autosave) == (d, type(d), d.location, False)
            twin["b"] = 2
            assert "b" not in d
        assert self.stored(location) == {"a": [1]}
        deep = copy.deepcopy(d)
        deep["a"].append(2)
        assert d == {"a": [1]}
        deep.save()
        assert self.stored(location) == {"a": [1, 2]}

    def test_other_operands_are_refused_as_by_a_dict(self) -> None:
        """`|` takes mappings only, on both sides, and the left one's items give way."""
        d = atomic_store.open_dict(self.make(), {"a": 1, "b": 1})
        assert d | {"b": 2} == {"a": 1, "b": 2}
        assert {"b": 2, "c": 2} | d == {"a": 1, "b": 1, "c": 2}
        for other in ([("a", 1)], 1, None):
            with pytest.raises(TypeError):
                d | other
            with pytest.raises(TypeError):
                other | d

    def test_dict_that_is_bound_to_a_place_is_not_pickled(self) -> None:
        """Pickling it is a TypeError that says what to do instead."""
        with pytest.raises(TypeError, match=r"pickle dict\(d\)"):
            pickle.dumps(atomic_store.open_dict(self.make()))

    def test_location_cannot_be_moved(self) -> None:
        """The place is shown as the program spelled it, and cannot be assigned."""
        location = self.make()
        d = atomic_store.open_dict(location)
        assert d.location == location.path
        with pytest.raises(AttributeError):
            d.location = "elsewhere"  # type: ignore[misc]  # this is the point
        assert repr(d) == "{}"
