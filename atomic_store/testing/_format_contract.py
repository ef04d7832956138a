"""FormatContract: what every format must do."""

from __future__ import annotations

import copy
import os
import shutil
import tempfile
import weakref
from typing import Any

from ..errors import AtomicStoreError, LoadError
from ..locations.local import LocalFile
from ..store import AtomicStore
from ._helpers import raises, shown


class FormatContract:
    """A pytest suite for a format. Subclass it and define the first four methods.

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

    Each failure names the value, cut or keyword, and says what to do.

    The files are real: a format may use `fileno()` and `name`.

    A format that refuses sound content, because of a wrong key or a newer version, raises
    `LoadError(..., damaged=False)`. foreign() returns such content.

    Attributes:
        notices_cuts: whether the format refuses a file that was cut anywhere. If not, document it: a cut YAML
            or CSV file loads without an error.
        notices_tails: whether the format refuses bytes after the end of the value. If not, document it.
    """

    notices_cuts = True
    notices_tails = True

    def make(self) -> Any:
        """Return what users pass as `format`, such as the name of a plugin or a new object."""
        raise NotImplementedError

    def values(self) -> list[Any]:
        """Return values of every kind that the format holds. The first one must not be empty."""
        raise NotImplementedError

    def refused(self) -> list[Any]:
        """Return values that the format cannot hold."""
        raise NotImplementedError

    def damaged(self) -> list[bytes]:
        """Return contents that are not valid in the format."""
        raise NotImplementedError

    def foreign(self) -> list[bytes]:
        """Return contents that are sound but not for this format, such as a file signed with another key."""
        return []

    def keywords(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return dump_kwargs that change the content, and load_kwargs that load it; {} if there are none."""
        return {}, {}

    def same(self, value: Any, again: Any) -> bool:
        """Return whether two values are equal. Override it for values without a useful `==`."""
        return bool(value == again)

    # --- round trips ---

    def test_value_survives_two_program_runs(self) -> None:
        """What one store commits, a new one reads, commits again, and the one after reads the same."""
        for value in self.values():
            place = _File()
            self._store(place, value).commit()
            assert place.content is not None
            second = self._store(place)
            self._require_same(value, second.value, "after one commit and a load")
            second.commit()
            self._require_same(value, self._store(place).value, "after a second program has loaded and committed it")

    def test_value_is_not_changed_by_writing_it(self) -> None:
        """A commit leaves the value in memory as it was, and the same store reads it back."""
        for value in self.values():
            store = self._store(_File(), copy.deepcopy(value))
            store.commit()
            self._require_same(value, store.value, "in memory, because dump() has changed it")
            self._require_same(value, store.reload(), "after a commit and reload()")

    def test_one_value_leaves_nothing_of_itself_in_the_next(self) -> None:
        """A store that commits one value after the other writes for each what a new store writes."""
        place = _File()
        store = self._store(place)
        for value in [*self.values(), *self.values()]:
            store.value = value
            store.commit()
            self._require_same(value, self._store(place).value, "if the same store has committed other values before")

    # --- damage ---

    def test_empty_file_is_no_value(self) -> None:
        """A file of no bytes, as a crash leaves it, is refused, unless the format writes what it reads there as nothing."""
        place = _File(b"")
        told: tuple[Any, ...] = (place.path, 0)
        try:
            self._store(place).commit()
        except LoadError as error:
            told = (error.path, error.size)
        assert told == (place.path, 0), "the LoadError for an empty file should have the path and the size 0"
        assert place.content == b"", (
            f"an empty file should be refused, or written again as an empty file; it became {shown(place.content)}"
        )

    def test_damaged_file_is_named_and_left_alone(self) -> None:
        """What is no value is a LoadError with path, format, size and the format's own error, and stays as it is."""
        damaged = self.damaged()
        assert damaged, "damaged() should give at least one"
        for content in damaged:
            place = _File(content)
            with raises(
                LoadError, f"the damaged content {shown(content)} is loaded as a value: load should refuse it"
            ) as caught:
                self._store(place)
            error = caught[0]
            assert (error.path, error.size in (None, len(content))) == (place.path, True)
            assert repr(place.path) in str(error), f"the error for {shown(content)} should name the place: {error}"
            assert error.format
            assert error.format in str(error)
            assert place.content == content

    def test_content_that_is_sound_elsewhere_is_never_set_aside(self) -> None:
        """What foreign() gives is a LoadError with damaged=False, which quarantine leaves alone, and has path and size."""
        for content in self.foreign():
            place = _File(content)
            what = f"the foreign content {shown(content)}"
            with raises(LoadError, f"{what} is loaded as a value: raise LoadError(..., damaged=False)") as caught:
                self._store(place)
            error = caught[0]
            assert not error.damaged, f"{what} is called damaged: raise LoadError(..., damaged=False)"
            assert (error.path, error.size) == (place.path, len(content))
            assert error.format
            assert place.content == content

    def test_truncated_file_is_not_taken_for_a_shorter_one(self) -> None:
        """Every shorter beginning of a file is refused, where notices_cuts says so."""
        for value, content in self._contents() if self.notices_cuts else []:
            step = max(1, len(content) // 500)
            for size in range(1, len(content), step):
                with raises(
                    LoadError,
                    f"the first {size} of the {len(content)} bytes of the value {shown(value)} are loaded as a value: "
                    "refuse them, or set notices_cuts = False and document it",
                ):
                    self._store(_File(content[:size]))

    def test_tail_is_not_passed_over(self) -> None:
        """Zeros after the end, as a crash leaves them, are refused, where notices_tails says so."""
        for value, content in self._contents() if self.notices_tails else []:
            for tail in (b"\0", b"\0" * 512):
                with raises(
                    LoadError,
                    f"the value {shown(value)} is loaded although {len(tail)} zeros follow its {len(content)} bytes: refuse "
                    "them, or set notices_tails = False and document it",
                ):
                    self._store(_File(content + tail))

    # --- refusals ---

    def test_refused_value_leaves_file_and_directory_alone(self) -> None:
        """A value that cannot be held raises the format's own error with a note; then a good one is committed."""
        good, refused = self.values()[0], self.refused()
        assert refused, "refused() should give at least one"
        for value in refused:
            place = _File()
            store = self._store(place, good)
            store.commit()
            before = place.content
            store.value = value
            with raises(Exception, f"the value {shown(value)} is committed: dump should refuse it") as caught:
                store.commit()
            assert not isinstance(caught[0], AtomicStoreError) or isinstance(caught[0], ValueError)
            assert any(repr(place.path) in note for note in caught[0].__notes__)
            assert place.content == before
            assert os.listdir(os.path.dirname(place.path)) == [os.path.basename(place.path)]
            store.value = good
            store.commit()
            self._require_same(good, self._store(place).value, f"after {shown(value)} was refused")

    # --- keywords ---

    def test_keywords_reach_the_format(self) -> None:
        """dump_kwargs change what is written, and with load_kwargs it comes back."""
        dump_kwargs, load_kwargs = self.keywords()
        changed: list[bool] = []
        for value in self.values():
            plain, place = _File(), _File()
            self._store(plain, value).commit()
            self._store(place, value, dump_kwargs=dump_kwargs, load_kwargs=load_kwargs).commit()
            self._require_same(value, self._store(place, load_kwargs=load_kwargs).value, f"with the keywords {load_kwargs}")
            changed.append(plain.content != place.content)
        assert any(changed) or not dump_kwargs, f"dump_kwargs {dump_kwargs} should change what is written"

    def test_misspelled_keyword_is_no_silence(self) -> None:
        """A keyword that the format does not know is an error, at the dump and at the load."""
        wrong, value = {"no_such_keyword": 1}, self.values()[0]
        place = _File()
        with raises(Exception, "dump takes the keyword no_such_keyword: it should refuse what it does not know"):
            self._store(place, value, dump_kwargs=wrong).commit()
        assert place.content is None
        self._store(place, value).commit()
        with raises(LoadError, "load takes the keyword no_such_keyword: it should refuse what it does not know"):
            self._store(place, load_kwargs=wrong)

    def _store(self, place: Any, default: Any = None, **kwargs: Any) -> AtomicStore[Any]:
        return AtomicStore(place, default, self.make(), **kwargs)

    def _require_same(self, value: Any, again: Any, when: str) -> None:
        assert self.same(value, again), f"the value {shown(value)} is {shown(again)} {when}"

    def _contents(self) -> list[tuple[Any, bytes]]:
        """Return each value with what is written for it, without those of no bytes."""
        contents: list[tuple[Any, bytes]] = []
        for value in self.values():
            place = _File()
            self._store(place, value).commit()
            if place.content:
                contents.append((value, place.content))
        return contents


class _File(LocalFile):
    """A file that is removed with this object; formats may use its descriptor and its name, as those of any file."""

    def __init__(self, content: bytes | None = None) -> None:
        directory = tempfile.mkdtemp()
        super().__init__(os.path.join(directory, "value"), fsync=False)
        weakref.finalize(self, shutil.rmtree, directory, ignore_errors=True)
        if content is not None:
            with open(self.path, "wb") as file:
                file.write(content)

    @property
    def content(self) -> bytes | None:
        """The bytes that are stored now, or None if nothing is."""
        if not os.path.exists(self.path):
            return None
        with open(self.path, "rb") as file:
            return file.read()
