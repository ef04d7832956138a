"""FormatContract: what every format must do."""

from __future__ import annotations

import copy
import os
import tempfile
from typing import Any

from ..errors import AtomicStoreError, LoadError
from ..store import AtomicStore
from ._helpers import content_of, raises
from ._memory import Memory


class FormatContract:
    """What every format must do, as a suite for pytest: subclass it, and give the first four methods.

    >>> class TestJson(FormatContract):
    ...     def make(self):
    ...         return "json"
    ...
    ...     def values(self):
    ...         return [None, {"a": [1, 2.5]}, "ü"]
    ...
    ...     def refused(self):
    ...         return [{1, 2}]
    ...
    ...     def damaged(self):
    ...         return [b"{", b"[1 2]"]
    ...
    ...     def keywords(self):
    ...         return {"indent": 2}, {"parse_int": int}

    For readable failures, call pytest.register_assert_rewrite("atomic_store.testing") first.

    Attributes:
        notices_cuts: whether each shorter beginning of a file is refused. Where that is False, say
            so in the format's documentation: YAML and CSV lose their end without an error.
        notices_tails: whether bytes after the end of the value are refused; likewise.
    """

    notices_cuts = True
    notices_tails = True

    def make(self) -> Any:
        """Give what users pass as `format`: the name of a plugin, or a new object."""
        raise NotImplementedError

    def values(self) -> list[Any]:
        """Give values that come back as they are, of every kind; the first one is not empty."""
        raise NotImplementedError

    def refused(self) -> list[Any]:
        """Give values that the format cannot hold."""
        raise NotImplementedError

    def damaged(self) -> list[bytes]:
        """Give content that is no value in the format."""
        raise NotImplementedError

    def keywords(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Give dump_kwargs that change what is written, and load_kwargs with which it comes back; {}: it takes none."""
        return {}, {}

    def same(self, value: Any, again: Any) -> bool:
        """Say whether a value came back; for what has no == of its own."""
        return bool(value == again)

    # --- round trips ---

    def test_value_survives_two_program_runs(self) -> None:
        """What one store commits, a new one reads, commits again, and the one after reads the same."""
        for value in self.values():
            place = Memory()
            self._store(place, value).commit()
            assert place.content is not None
            second = self._store(place)
            assert self.same(value, second.value)
            second.commit()
            assert self.same(value, self._store(place).value)

    def test_value_is_not_changed_by_writing_it(self) -> None:
        """A commit leaves the value in memory as it was, and the same store reads it back."""
        for value in self.values():
            store = self._store(Memory(), copy.deepcopy(value))
            store.commit()
            assert self.same(value, store.value)
            assert self.same(value, store.reload())

    def test_one_value_leaves_nothing_of_itself_in_the_next(self) -> None:
        """A store that commits one value after the other writes for each what a new store writes."""
        place = Memory()
        store = self._store(place)
        for value in [*self.values(), *self.values()]:
            store.value = value
            store.commit()
            assert self.same(value, self._store(place).value)

    # --- damage ---

    def test_empty_file_is_no_value(self) -> None:
        """A file of no bytes, as a crash leaves it, is refused, unless the format writes what it reads there as nothing."""
        place = Memory(b"")
        told: tuple[Any, ...] = (place.path, 0)
        try:
            self._store(place).commit()
        except LoadError as error:
            told = (error.path, error.size)
        assert told == (place.path, 0)
        assert place.content == b""

    def test_damaged_file_is_named_and_left_alone(self) -> None:
        """What is no value is a LoadError with path, format, size and the format's own error, and stays as it is."""
        damaged = self.damaged()
        assert damaged, "damaged() should give at least one"
        for content in damaged:
            place = Memory(content, "here")
            with raises(LoadError) as caught:
                self._store(place)
            error = caught[0]
            assert (error.path, error.size in (None, len(content))) == ("here", True)
            assert "'here'" in str(error)
            assert error.format
            assert error.format in str(error)
            assert error.__cause__ is not None
            assert place.content == content

    def test_truncated_file_is_not_taken_for_a_shorter_one(self) -> None:
        """Every shorter beginning of a file is refused, where notices_cuts says so."""
        for content in self._contents() if self.notices_cuts else []:
            step = max(1, len(content) // 500)
            for size in range(1, len(content), step):
                with raises(LoadError):
                    self._store(Memory(content[:size]))

    def test_tail_is_not_passed_over(self) -> None:
        """Zeros after the end, as a crash leaves them, are refused, where notices_tails says so."""
        for content in self._contents() if self.notices_tails else []:
            for tail in (b"\0", b"\0" * 512):
                with raises(LoadError):
                    self._store(Memory(content + tail))

    # --- refusals ---

    def test_refused_value_leaves_file_and_directory_alone(self) -> None:
        """A value that cannot be held raises the format's own error with a note; then a good one is committed."""
        good, refused = self.values()[0], self.refused()
        assert refused, "refused() should give at least one"
        for value in refused:
            with tempfile.TemporaryDirectory() as directory:
                path = os.path.join(directory, "value")
                store = self._store(path, good)
                store.commit()
                before = content_of(path)
                store.value = value
                with raises(Exception) as caught:
                    store.commit()
                assert not isinstance(caught[0], AtomicStoreError) or isinstance(caught[0], ValueError)
                assert any(repr(path) in note for note in caught[0].__notes__)
                assert content_of(path) == before
                assert os.listdir(directory) == ["value"]
                store.value = good
                store.commit()
                assert self.same(good, self._store(path).value)

    # --- keywords ---

    def test_keywords_reach_the_format(self) -> None:
        """dump_kwargs change what is written, and with load_kwargs it comes back."""
        dump_kwargs, load_kwargs = self.keywords()
        changed: list[bool] = []
        for value in self.values():
            plain, place = Memory(), Memory()
            self._store(plain, value).commit()
            self._store(place, value, dump_kwargs=dump_kwargs, load_kwargs=load_kwargs).commit()
            assert self.same(value, self._store(place, load_kwargs=load_kwargs).value)
            changed.append(plain.content != place.content)
        assert any(changed) or not dump_kwargs, f"dump_kwargs {dump_kwargs} should change what is written"

    def test_misspelled_keyword_is_no_silence(self) -> None:
        """A keyword that the format does not know is an error, at the dump and at the load."""
        wrong, value = {"no_such_keyword": 1}, self.values()[0]
        place = Memory()
        with raises(Exception):
            self._store(place, value, dump_kwargs=wrong).commit()
        assert place.content is None
        self._store(place, value).commit()
        with raises(LoadError):
            self._store(place, load_kwargs=wrong)

    def _store(self, place: Any, default: Any = None, **kwargs: Any) -> AtomicStore[Any]:
        return AtomicStore(place, default, self.make(), **kwargs)

    def _contents(self) -> list[bytes]:
        """Give what is written for each value, without the empty ones."""
        contents: list[bytes] = []
        for value in self.values():
            place = Memory()
            self._store(place, value).commit()
            contents.append(place.content or b"")
        return [content for content in contents if content]
