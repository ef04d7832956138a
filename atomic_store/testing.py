"""For tests of your own: a place in memory, and the contracts that every location and every format keep.

>>> import atomic_store
>>> from atomic_store.testing import Memory
>>> place = Memory(b"[1]")
>>> with atomic_store.open(place) as store:
...     store.value.append(2)
>>> place.content
b'[1, 2]'
"""

from __future__ import annotations

import copy
import io
import os
import tempfile
import threading
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from .errors import AtomicStoreError, ConflictError, LoadError, LockError, LockTimeout
from .locations import ANY, Location, Lock, StoredFile, conflict
from .store import AtomicStore

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from types import TracebackType

    from _typeshed import ReadableBuffer, WriteableBuffer

T = TypeVar("T")
E = TypeVar("E", bound=BaseException)

__all__ = ["FormatContract", "LocationContract", "Memory"]

PATIENCE = 30  # seconds; only a broken location makes a test wait so long


class Memory(Location):
    """A place in this process: whatever works on a LocalFile works here, without a disk.

    Stores that share it see each other's commits, as with one file; the lock is one between
    threads. After a fork, parent and child have a copy each.

    Args:
        content: the bytes that are stored, None: nothing is.
        path: what errors call the place, and what format="auto" goes by.

    Attributes:
        content: what is stored now. Assign to it what somebody else would have written.
        asides: what was set aside because no format could read it, oldest first.
    """

    def __init__(self, content: bytes | None = None, path: str = "memory") -> None:
        self.content = content
        self.asides: list[bytes] = []
        self._path = path
        self._condition = threading.Condition()
        self._holder: _MemoryLock | None = None

    def __repr__(self) -> str:
        return f"Memory({self.content!r}, {self._path!r})"

    @property
    def path(self) -> str:
        """What errors call the place."""
        return self._path

    def read(self, exact: bool = False) -> StoredFile | None:  # noqa: ARG002 - each version is exact here
        """Open what is stored, or return None when nothing is."""
        return None if self.content is None else _Stored(self._path, self.content)

    def version(self, known: object = None) -> object:  # noqa: ARG002 - a version costs nothing here
        """Say which version is stored now: the bytes themselves."""
        return self.content

    def replace(self, expected: object = ANY, exact: bool = False) -> _Replacement:  # noqa: ARG002 - as above
        """Replace what is stored by what the block writes, all or nothing; see Location.replace."""
        return _Replacement(self, expected)

    def delete(self, expected: object = ANY) -> None:
        """Forget what is stored; see Location.delete."""
        with self.comparing(expected):
            self.content = None

    def set_aside(self, version: object) -> str:
        """Keep what is stored in `asides`, and forget it; see Location.set_aside."""
        with self.comparing(version):
            assert self.content is not None
            self.asides.append(self.content)
            self.content = None
        return f"{self._path}.corrupt-{len(self.asides)}"

    def lock(self, timeout: float | None = None) -> Lock:
        """Take the lock of this place, waiting for at most `timeout` seconds.

        Raises:
            LockTimeout: another thread held it for longer.
            LockError: this thread holds it already.
        """
        with self._condition:
            if self._is_mine():
                raise LockError(f"cannot lock {self._path!r}: this thread holds its lock already, through another store")
            seconds = None if timeout is None else min(timeout, threading.TIMEOUT_MAX)
            if not self._condition.wait_for(self._is_free, seconds):
                raise LockTimeout(f"cannot lock {self._path!r}: another thread has held it for {timeout} s")
            self._holder = _MemoryLock(self)
            return self._holder

    def give_back(self, lock: Lock) -> None:
        """Let the next one have the lock, if `lock` is the one that is held."""
        with self._condition:
            if self._holder is lock:
                self._holder = None
                self._condition.notify()

    @contextmanager
    def comparing(self, expected: object) -> Generator[None]:
        """Hold the lock for one change, unless this thread does or nothing is compared; compare at its begin."""
        lock = None if expected is ANY or self._is_mine() else self.lock()
        try:
            self.require(expected)
            yield
        finally:
            if lock is not None:
                lock.release()

    def publish(self, expected: object, content: bytes) -> None:
        """Compare once more, for what was assigned beside the lock meanwhile is a conflict as well, and replace."""
        with self._condition:
            self.require(expected)
            self.content = content

    def require(self, expected: object) -> None:
        """Raise ConflictError unless `expected` is what is stored."""
        if expected is not ANY and self.content != expected:
            raise conflict(self._path, expected, self.content)

    def _is_mine(self) -> bool:
        return self._holder is not None and self._holder.mine

    def _is_free(self) -> bool:
        return self._holder is None or self._holder.lost


class _MemoryLock(Lock):
    """A held lock of a Memory."""

    def __init__(self, place: Memory) -> None:
        self._place = place
        self._process = os.getpid()
        self._thread = threading.get_ident()

    @property
    def lost(self) -> bool:
        """Whether this is a child's copy."""
        return self._process != os.getpid()

    @property
    def mine(self) -> bool:
        """Whether the calling thread is the holder."""
        return not self.lost and self._thread == threading.get_ident()

    def adopt(self) -> None:
        """Make the calling thread the holder."""
        self._thread = threading.get_ident()

    def release(self) -> None:
        """Give the lock back; the child's copy of a place has nobody to give it to."""
        if not self.lost:
            self._place.give_back(self)


class _Replacement:
    """One replacement of the content of a Memory."""

    def __init__(self, place: Memory, expected: object) -> None:
        self._place = place
        self._expected = expected
        self._file = _New(place.path)

    def __enter__(self) -> _New:
        self._comparing = self._place.comparing(self._expected)
        self._comparing.__enter__()
        return self._file

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if error is None:
                self._place.publish(self._expected, self._file.seal())
        finally:
            self._file.close()
            self._comparing.__exit__(None, None, None)


class _Stored(StoredFile):
    """The content of a Memory as it was when it was opened."""

    def __init__(self, path: str, content: bytes) -> None:
        self.name = path
        self.size = len(content)
        self._content = content
        self._memory = io.BytesIO(content)

    @property
    def version(self) -> bytes:
        """The bytes themselves."""
        return self._content

    def readable(self) -> bool:
        """Say yes."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Read what comes next into the buffer."""
        return self._memory.readinto(buffer)


class _New(StoredFile):
    """What becomes the content of a Memory."""

    def __init__(self, path: str) -> None:
        self.name = path
        self._buffer = bytearray()

    @property
    def version(self) -> bytes:
        """The bytes that were published."""
        return self._version

    def writable(self) -> bool:
        """Say yes."""
        return True

    def write(self, data: ReadableBuffer) -> int:
        """Take all of the bytes."""
        if self.closed:
            raise ValueError(f"write to the closed file of {self.name!r}")
        view = memoryview(data).cast("B")
        self._buffer += view
        return len(view)

    def tell(self) -> int:
        """Say how many bytes were written."""
        return len(self._buffer)

    def seal(self) -> bytes:
        """Settle the version: what was written so far."""
        self._version = bytes(self._buffer)
        return self._version


class LocationContract:
    """What every location must do, as a suite for pytest: subclass it, and give the four methods.

    >>> class TestMemory(LocationContract):
    ...     def make(self):
    ...         return Memory()
    ...
    ...     def again(self, location):
    ...         return location
    ...
    ...     def peek(self, location):
    ...         return location.content
    ...
    ...     def poke(self, location, content):
    ...         location.content = content

    peek and poke are the side door: they reach the bytes without the location, as a stranger would.
    A directory to work in comes from a fixture of yours (autouse, it may set an attribute of self).
    For readable failures, call pytest.register_assert_rewrite("atomic_store.testing") first.
    """

    def make(self) -> Location:
        """Give a location whose place holds nothing; each call another place."""
        raise NotImplementedError

    def again(self, location: Any) -> Location:
        """Give a location of the same place, as another program would make it."""
        raise NotImplementedError

    def peek(self, location: Any) -> bytes | None:
        """Give the bytes that are stored, None where nothing is."""
        raise NotImplementedError

    def poke(self, location: Any, content: bytes | None) -> None:
        """Store these bytes, at once and past the location; None: remove what is stored."""
        raise NotImplementedError

    # --- reading ---

    def test_nothing_is_not_an_empty_value(self) -> None:
        """An empty value is stored; only where nothing is stored, read() and version() give None."""
        location = self.make()
        assert location.read() is None
        assert location.read(exact=True) is None
        assert location.version() is None
        self.poke(location, b"")
        assert self._content(location) == b""
        assert location.version() is not None

    def test_no_byte_is_changed_on_the_way_in(self) -> None:
        """All byte values come back as they are stored, read in one piece or in many."""
        location, content = self.make(), bytes(range(256)) * 4096
        self.poke(location, content)
        assert self._content(location) == content
        file = location.read(exact=True)
        assert file is not None
        pieces: list[bytes] = []
        with file:
            assert file.readable()
            assert file.name == location.path
            assert file.size in (None, len(content))
            while piece := file.read(100_000):
                pieces.append(piece)
            assert file.version == location.version(file.version)
        assert b"".join(pieces) == content

    def test_version_of_a_file_not_read_to_its_end_is_that_of_the_whole(self) -> None:
        """A load that stops early does not make the version one of its part."""
        location = self.make()
        self.poke(location, b"abc" * 50_000)
        file = location.read(exact=True)
        assert file is not None
        with file:
            assert file.read(1) == b"a"
            assert file.version == self._version(location)

    # --- replacing ---

    def test_no_byte_is_changed_on_the_way_out(self) -> None:
        """Whatever is written, in many pieces and of every bytes-like type, is what is stored then."""
        location, content = self.make(), bytes(range(256)) * 4096
        with location.replace() as file:
            assert file.writable()
            assert file.write(b"") == 0
            assert file.write(content) == len(content)
            assert file.write(memoryview(content)) == len(content)
            for byte in range(1000):
                assert file.write(bytearray([byte % 256])) == 1
            assert file.tell() == 2 * len(content) + 1000
        assert self.peek(location) == content + content + bytes(byte % 256 for byte in range(1000))

    def test_nobody_sees_a_half_written_value(self) -> None:
        """Until the block ends the old bytes, or nothing, are stored; then the new ones are, as a whole."""
        for old in (None, b"old"):
            location = self.make()
            self.poke(location, old)
            with location.replace() as file:
                file.write(b"n" * 1_000_000)
                assert self.peek(location) == old
                assert self._content(self.again(location)) == old
            assert self._content(self.again(location)) == b"n" * 1_000_000

    def test_failed_block_changes_nothing(self) -> None:
        """A block that ends by an exception, even a KeyboardInterrupt, leaves the place alone and lets it pass."""
        for old in (None, b"old"):
            for error in (OSError("of the block"), KeyboardInterrupt()):
                for expected in (ANY, old):
                    location = self.make()
                    self.poke(location, old)
                    known = expected if expected is ANY else self._version(location)
                    with _refused(type(error)) as caught, location.replace(known, exact=True) as file:
                        file.write(b"half")
                        _raise(error)
                    assert caught == [error]
                    assert self.peek(location) == old
                    self._write(location, b"next")

    def test_late_write_is_refused(self) -> None:
        """A file that was published takes nothing more: it would be lost."""
        location = self.make()
        with location.replace() as file:
            file.write(b"all")
        with _refused(ValueError):
            file.write(b"more")
        assert self.peek(location) == b"all"

    def test_other_programs_see_a_commit(self) -> None:
        """What one location has written another one of the same place reads, and has the same version of."""
        location = self.make()
        version = self._write(location, b"shared")
        other = self.again(location)
        assert self._content(other) == b"shared"
        assert other.version(version) == version
        assert self._version(other) == version

    # --- versions ---

    def test_no_other_bytes_pass_for_the_known_ones(self) -> None:
        """Versions differ where bytes differ, even if as many of them were written in the same instant."""
        location = self.make()
        known = self._write(location, b"0")
        for digit in (b"1", b"2", b"3"):
            self.poke(location, digit)
            assert location.version(known) != known
            assert self._version(location) != known
        self.poke(location, None)
        assert location.version(known) is None

    def test_same_bytes_do_not_pass_for_others(self) -> None:
        """An identical rewrite is no change, whether the known version was read or written."""
        location = self.make()
        written = self._write(location, b"same")
        read = self._version(location)
        self.poke(location, b"same")
        for known in (written, read):
            assert location.version(known) == known
            with location.replace(known, exact=True) as file:
                file.write(b"same")

    # --- conflicts ---

    def test_change_by_somebody_else_is_not_overwritten(self) -> None:
        """Replacing or deleting another version than the expected one is refused, with evidence, and does nothing."""
        for old, new in ((b"old", b"new"), (b"old", None), (None, b"new")):
            location = self.make()
            self.poke(location, old)
            known = self._version(location)
            self.poke(location, new)
            with _refused(ConflictError) as caught, location.replace(known, exact=True) as file:
                file.write(b"mine")
            with _refused(ConflictError) as caught_too:
                location.delete(known)
            assert self.peek(location) == new
            for error in (*caught, *caught_too):
                assert error.path == location.path
                assert error.expected == known
                assert (error.found is None) == (new is None)

    def test_change_while_the_block_is_at_work_is_not_overwritten(self) -> None:
        """What comes between the begin and the end of the block is a conflict too."""
        for old, new in ((b"old", b"new"), (b"old", None), (None, b"new")):
            location = self.make()
            self.poke(location, old)
            with _refused(ConflictError), location.replace(self._version(location), exact=True) as file:
                file.write(b"mine")
                self.poke(location, new)
            assert self.peek(location) == new

    def test_absent_as_expected_is_no_conflict(self) -> None:
        """Where nothing was stored and nothing is, a compared replacement creates, and a compared delete is done."""
        location = self.make()
        location.delete(None)
        with location.replace(None, exact=True) as file:
            file.write(b"first")
        assert self.peek(location) == b"first"

    def test_delete_leaves_nothing(self) -> None:
        """After delete() nothing is stored, and deleting nothing is no error."""
        location = self.make()
        version = self._write(location, b"value")
        location.delete(version)
        assert self.peek(location) is None
        assert location.read() is None
        location.delete()
        self.poke(location, b"value")
        location.delete()
        assert self.peek(location) is None

    # --- setting aside ---

    def test_what_is_set_aside_is_gone_from_here_and_no_other_is_overwritten(self) -> None:
        """set_aside() leaves nothing at the place, and gives a new name each time, even within one instant."""
        location = self.make()
        names: list[str] = []
        for content in (b"corrupt", b"", b"corrupt"):
            self.poke(location, content)
            names.append(location.set_aside(self._version(location)))
            assert self.peek(location) is None
            assert location.read() is None
        assert len(set(names)) == 3
        self._write(location, b"next", None)
        assert self._content(self.again(location)) == b"next"

    def test_what_somebody_has_mended_is_not_set_aside(self) -> None:
        """Another version than the one that was read stays where it is: ConflictError; nothing at all is one too."""
        for new in (b"mended", None):
            location = self.make()
            self.poke(location, b"corrupt")
            known = self._version(location)
            self.poke(location, new)
            with _refused(ConflictError) as caught:
                location.set_aside(known)
            assert self.peek(location) == new
            assert (caught[0].path, caught[0].expected) == (location.path, known)

    def test_holder_of_the_lock_sets_aside_without_waiting(self) -> None:
        """Inside its own lock a thread does not wait for itself, and still has the lock afterwards."""
        location = self.make()
        if not location.has_lock:
            return
        self.poke(location, b"corrupt")
        lock = location.lock()
        location.set_aside(self._version(location))
        with _refused(LockTimeout):
            _in_thread(partial(self.again(location).lock, 0))
        lock.release()
        assert self.peek(location) is None

    # --- the lock ---

    def test_second_lock_of_one_thread_is_refused_at_once(self) -> None:
        """A thread that holds the lock would wait for itself: LockError; where there are no locks, LockError too."""
        location = self.make()
        if not location.has_lock:
            with _refused(LockError):
                location.lock()
            return
        for _ in range(2):
            lock = location.lock()
            assert not lock.lost
            for other in (location, self.again(location)):
                with _refused(LockError) as caught:
                    other.lock()
                assert not isinstance(caught[0], LockTimeout)
            lock.release()

    def test_lock_keeps_other_threads_out(self) -> None:
        """Others get a LockTimeout, or wait until it is released; readers do not wait."""
        location = self.make()
        if not location.has_lock:
            return
        self.poke(location, b"value")
        other = self.again(location)
        lock = location.lock()
        for timeout in (0, 0.05):
            with _refused(LockTimeout):
                _in_thread(partial(other.lock, timeout))
        assert _in_thread(lambda: self._content(other)) == b"value"
        order: list[str] = []

        def wait() -> None:
            held = other.lock(PATIENCE)
            order.append("had")
            held.release()

        waiting = threading.Thread(target=wait)
        waiting.start()
        order.append("released")
        lock.release()
        waiting.join(PATIENCE)
        assert order == ["released", "had"]
        location.lock(0).release()

    def test_holder_of_the_lock_does_not_wait_for_itself(self) -> None:
        """Inside its lock a thread replaces and deletes what it expects; so does a thread that has adopted the lock."""
        location = self.make()
        if not location.has_lock:
            return
        lock = location.lock()
        version = self._write(location, b"one", None)

        def go_on() -> None:
            lock.adopt()
            location.delete(self._write(location, b"two", version))
            lock.release()

        _in_thread(go_on)
        assert self.peek(location) is None
        location.lock(0).release()

    # --- with a store ---

    def test_store_works_here(self) -> None:
        """A store reads, commits, refuses to overwrite, and deletes."""
        location = self.make()
        store = AtomicStore[Any](location, [], on_conflict="raise")
        assert (store.value, store.stored, store.path) == ([], False, location.path)
        with store:
            store.value.append("ü")
        assert self.peek(location) == b'["\\u00fc"]'
        assert not store.changed()
        self.poke(location, b"[1]")
        assert store.changed()
        with _refused(ConflictError):
            store.commit()
        assert store.reload() == [1]
        store.delete()
        assert self.peek(location) is None

    def test_no_update_is_lost(self) -> None:
        """Of four threads that count to 20 each by update(), and four by blocks with a lock, none loses a step."""
        location = self.make()

        def count() -> None:
            store = AtomicStore[Any](self.again(location), 0)
            for _ in range(20):
                store.update(lambda value: value + 1)

        def count_locked() -> None:
            store = AtomicStore[Any](self.again(location), 0, lock=True)
            for _ in range(20):
                with store:
                    store.value += 1

        kinds: list[Callable[[], None]] = [count, count_locked] if location.has_lock else [count]
        failures: list[BaseException] = []
        threads = [threading.Thread(target=_noting, args=(kind, failures)) for kind in kinds for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert self.peek(location) == str(20 * len(threads)).encode()

    def _content(self, location: Location) -> bytes | None:
        file = location.read()
        if file is None:
            return None
        with file:
            return file.read()

    def _version(self, location: Location) -> object:
        file = location.read(exact=True)
        if file is None:
            return None
        with file:
            return file.version

    def _write(self, location: Location, content: bytes, expected: object = ANY) -> object:
        with location.replace(expected, exact=True) as file:
            file.write(content)
        return file.version


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
            with _refused(LoadError) as caught:
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
                with _refused(LoadError):
                    self._store(Memory(content[:size]))

    def test_tail_is_not_passed_over(self) -> None:
        """Zeros after the end, as a crash leaves them, are refused, where notices_tails says so."""
        for content in self._contents() if self.notices_tails else []:
            for tail in (b"\0", b"\0" * 512):
                with _refused(LoadError):
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
                before = _content(path)
                store.value = value
                with _refused(Exception) as caught:
                    store.commit()
                assert not isinstance(caught[0], AtomicStoreError) or isinstance(caught[0], ValueError)
                assert any(repr(path) in note for note in caught[0].__notes__)
                assert _content(path) == before
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
        with _refused(Exception):
            self._store(place, value, dump_kwargs=wrong).commit()
        assert place.content is None
        self._store(place, value).commit()
        with _refused(LoadError):
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


def _content(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


@contextmanager
def _refused(kind: type[E]) -> Generator[list[E]]:
    """Want the block to end by such an exception; the list has it afterwards."""
    caught: list[E] = []
    try:
        yield caught
    except kind as error:
        caught.append(error)
    assert caught, f"{kind.__name__} should have been raised"


def _raise(error: BaseException) -> None:
    raise error


def _in_thread(function: Callable[[], T]) -> T:
    """Call the function in another thread; give what it returns, raise what it raises."""
    results: list[T] = []
    failures: list[BaseException] = []
    thread = threading.Thread(target=_noting, args=(lambda: results.append(function()), failures), daemon=True)
    thread.start()
    thread.join(PATIENCE)
    assert not thread.is_alive(), f"still waiting after {PATIENCE} s"
    for failure in failures:
        raise failure
    return results[0]


def _noting(function: Callable[[], object], failures: list[BaseException]) -> None:
    try:
        function()
    except BaseException as error:  # handed to the thread that waits for this one
        failures.append(error)
