"""LocationContract: what every location must do."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING, Any

from ..errors import ConflictError, LockError, LockTimeout
from ..locations import ANY, Location
from ..store import AtomicStore
from ._helpers import PATIENCE, in_thread, noting, raise_, raises

if TYPE_CHECKING:
    from collections.abc import Callable


class LocationContract:
    """A pytest suite for a location. Subclass it and define the four methods.

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

    peek and poke read and write the bytes without the location, as another program would. A directory to work
    in can come from an autouse fixture that sets an attribute of self. For readable failures, call
    pytest.register_assert_rewrite("atomic_store.testing") first.
    """

    def make(self) -> Location:
        """Return a location where nothing is stored, a different one at each call."""
        raise NotImplementedError

    def again(self, location: Any) -> Location:
        """Return a second location object for the same place, as another program would create it."""
        raise NotImplementedError

    def peek(self, location: Any) -> bytes | None:
        """Return the stored bytes, or None if nothing is stored."""
        raise NotImplementedError

    def poke(self, location: Any, content: bytes | None) -> None:
        """Store these bytes without the location, or delete what is stored if they are None."""
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
                    with raises(type(error)) as caught, location.replace(known, exact=True) as file:
                        file.write(b"half")
                        raise_(error)
                    assert caught == [error]
                    assert self.peek(location) == old
                    self._write(location, b"next")

    def test_late_write_is_refused(self) -> None:
        """A file that was published takes nothing more: it would be lost."""
        location = self.make()
        with location.replace() as file:
            file.write(b"all")
        with raises(ValueError):
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
            with raises(ConflictError) as caught, location.replace(known, exact=True) as file:
                file.write(b"mine")
            with raises(ConflictError) as caught_too:
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
            with raises(ConflictError), location.replace(self._version(location), exact=True) as file:
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
            with raises(ConflictError) as caught:
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
        with raises(LockTimeout):
            in_thread(partial(self.again(location).lock, 0))
        lock.release()
        assert self.peek(location) is None

    # --- the lock ---

    def test_second_lock_of_one_thread_is_refused_at_once(self) -> None:
        """A thread that holds the lock would wait for itself: LockError; where there are no locks, LockError too."""
        location = self.make()
        if not location.has_lock:
            with raises(LockError):
                location.lock()
            return
        for _ in range(2):
            lock = location.lock()
            assert not lock.lost
            for other in (location, self.again(location)):
                with raises(LockError) as caught:
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
            with raises(LockTimeout):
                in_thread(partial(other.lock, timeout))
        assert in_thread(lambda: self._content(other)) == b"value"
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

        in_thread(go_on)
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
        with raises(ConflictError):
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
        threads = [threading.Thread(target=noting, args=(kind, failures)) for kind in kinds for _ in range(4)]
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
