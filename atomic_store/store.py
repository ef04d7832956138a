"""The store: one value in memory, bound to one place; the story, top to bottom.

It touches no file itself: a location keeps the bytes, a codec turns them into the value.
"""

from __future__ import annotations

import sys

from . import formats, locations
from .errors import AtomicStoreError, ConflictError, LoadError, LockError, UncertainCommitError
from .locations import ANY

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Callable
    from types import TracebackType
    from typing import Any, Generic, TypeVar

    from .locations import Location, Lock
    from .log import Watch

    T = TypeVar("T")
    Path = str | bytes | os.PathLike[str] | os.PathLike[bytes] | Location
else:
    T = None

    class Generic:
        """Stands in for typing.Generic, whose import costs more than the rest of the start-up."""

        def __class_getitem__(cls, item):
            """Give the class itself: AtomicStore[int] is for type checkers."""
            return cls


# What is known of the value in memory, beside what is stored.
_CLEAN = "clean"  # it was read or written as it is, or belongs to the block that is open
_ASSIGNED = "assigned"  # outside of any block
_DELETED = "deleted"  # inside a block, whose exit then commits nothing

_ATTEMPTS = 50  # of update() where something else than a lock must settle who comes first
_IMMUTABLE = frozenset((type(None), bool, int, float, str, bytes))


class AtomicStore(Generic[T]):
    """One value in memory, bound to one place, where it is replaced all or nothing.

    Use it as a context manager, which commits when the block ends without an exception, or call
    commit(). Entering it again inside its own block is allowed. What open() says of the parameters
    holds here too, and it raises what open() does.

    Attributes:
        path: the place, as the program spelled it. Assigning another one moves the store: nothing
            is read, the next commit writes there.
        format: what the value is encoded with: for None and "json" the json module, and so on.
        is_binary: whether the format speaks bytes: what was asked for, else False for JSON only.
        load_kwargs: keywords of every load; may be changed in place.
        dump_kwargs: keywords of every dump; the same.
        ignore_inner_exits: whether only leaving the outermost block commits.
        level: how many blocks of this store are open.
        stored: whether the place held something when it was last read.
    """

    def __init__(
        self,
        path: Path,
        default: Any = None,
        format: Any = None,
        is_binary: bool | None = None,
        load_kwargs: dict[str, Any] | None = None,
        dump_kwargs: dict[str, Any] | None = None,
        ignore_inner_exits: bool | None = False,
        *,
        type: Any = None,
        lock: bool | float = False,
        on_conflict: str | None = None,
        on_corrupt: str = "raise",
    ) -> None:
        self._location = locations.resolve(path)
        self._type = type
        self._resolve(format, is_binary, self.path)
        self.load_kwargs = _keywords("load_kwargs", load_kwargs)
        self.dump_kwargs = _keywords("dump_kwargs", dump_kwargs)
        self._codec.check_default(default)
        self._timeout = _timeout(lock)
        self._locks = lock is not False
        self._on_conflict = on_conflict
        self._quarantines = _quarantines(on_corrupt)
        self._obey(self._location)
        self._default = _copy(default)
        self.ignore_inner_exits = ignore_inner_exits
        self.level = 0
        self._held: Lock | None = None
        self._version: object = None
        self._state = _CLEAN
        self._failed = False  # whether the value may be half done: by a block or a commit that failed
        self._tried: object = ANY  # the version that an interrupted commit may have left, ANY: there is no doubt
        self._load()

    def __repr__(self) -> str:
        return f"<AtomicStore {self.path!r}, format {self._codec.label}>"

    def __copy__(self) -> AtomicStore[T]:
        """Give a second store on the same place, with the same value and no block open."""
        twin: AtomicStore[T] = object.__new__(self.__class__)
        twin.__dict__.update(self.__dict__, level=0, _held=None)
        return twin

    def __deepcopy__(self, memo: dict[int, Any]) -> AtomicStore[T]:
        """Give a second store as copy.copy() does, whose value is a copy, too."""
        from copy import deepcopy

        twin = self.__copy__()
        twin._value = deepcopy(self._value, memo)
        return twin

    def __reduce__(self) -> Any:
        """Refuse to be pickled: the copy would take a lock and a version for its own that are another process's."""
        raise TypeError(f"the store {self.path!r} cannot be pickled: pickle its value, or open it there anew")

    @property
    def value(self) -> T:
        """The value. Change it in place, or assign a new one."""
        return self._value

    @value.setter
    def value(self, value: T) -> None:
        self._value = value
        self._state = _ASSIGNED if self.level == 0 else _CLEAN

    def commit(self) -> None:
        """Replace what is stored by the value, all or nothing; when this returns, it is durable.

        Raises:
            ConflictError: somebody else changed what is stored, and the store was to raise then.
            UncertainCommitError: the new value is visible but may not last, or nobody knows.
            LockError: the lock was asked for and cannot be had (LockTimeout: in time).
            OSError: the place cannot be written; the old value is whole.
            Exception: the format refuses the value, with its own error; the old value is whole.
        """
        with self._locked():
            self._commit(self._value, self._known() if self._raises else ANY)

    def reload(self) -> T:
        """Take what is stored, or a fresh default, as the value; give it.

        What was changed in memory and not committed is dropped. After an error the value is what it was.

        Raises:
            LoadError: the format refuses the bytes.
            OSError: the place cannot be read. Only "does not exist" means the default.
        """
        # Readers never wait, except for a block that another thread has open on this very store.
        with self._locked() if self._held is not None else _NOTHING:
            self._load()
        return self._value

    def update(self, fn: Callable[[T], T]) -> T:
        """Replace what is stored by fn(what is stored); no other update is lost. Give the new value.

        The value is read afresh, so what was changed in memory and not committed is dropped. Where
        the place has no lock, fn may be called several times: let it do nothing but compute.

        Args:
            fn: takes the stored value (or a fresh default) and returns the new one. It may change
                what it gets, but must return it.

        Raises:
            TypeError: fn returned None.
            AtomicStoreError: called inside a block of this store: there, change `value`.
            ConflictError: others were faster each time, or write without the lock.
            UncertainCommitError: as from commit(); the value is the new one.
            Exception: whatever fn raises. After any other error store and value are as they were.
        """
        if self._inside():
            raise AtomicStoreError(f"update() inside the block of the store {self.path!r}: there, change store.value")
        with self._locked(always=self._location.has_lock):
            attempt = 0
            while True:
                current, version, stored = self._read(exact=True)
                new = fn(current)
                if new is None:
                    raise TypeError("the function given to update() returned None: return the new value")
                try:
                    self._commit(new, version)
                except ConflictError:
                    attempt += 1
                    if attempt == _ATTEMPTS:
                        raise
                    _pause(attempt)
                    continue
                except UncertainCommitError:
                    # It is what is visible; to commit again, as the error says, must not bring the old one back.
                    self._value, self.stored = new, stored
                    raise
                self._value, self.stored = new, stored
                return new

    def changed(self) -> bool:
        """Say whether what is stored is no longer what this store has read or written last.

        A store that was opened with lock= or on_conflict="raise" compares the content; any other
        one goes by the file's identity, size and time, so that a mere touch counts as a change.

        Raises:
            OSError: the place cannot be read.
        """
        known = self._known()
        return self._location.version(known) != known

    def delete(self) -> None:
        """Delete what is stored; the value becomes a fresh default.

        Inside a block the exit then commits nothing, unless `value` is assigned or commit() called.

        Raises:
            ConflictError: somebody else changed what is stored, and the store was to raise then.
            UncertainCommitError: it is gone, but may be back after a power loss; or, on S3, nobody knows
                whether it will be, and the value stays.
            OSError: it cannot be deleted.
        """
        with self._locked():
            try:
                self._location.delete(self._known() if self._raises else ANY)
                self._begin_anew(None)
            except UncertainCommitError as error:
                if error.version is None:
                    self._begin_anew(None)  # gone is what is visible: no exit shall bring it back unasked
                else:
                    self._version = error.version
                raise
            except BaseException as error:
                if not isinstance(error, Exception):
                    self._tried = None
                raise

    def __enter__(self) -> AtomicStore[T]:
        """Enter a block; the outermost one of a store with lock= takes the lock and reads what is new.

        Raises:
            LockError: the lock cannot be had (LockTimeout: in time).
            ConflictError: `value` was assigned outside a block, and the place has changed meanwhile.
            LoadError, OSError: what is new cannot be read.
        """
        if self._locks and not self._inside():
            held = self._location.lock(self._timeout)
            try:
                self._refresh()
                self._held = held
            except BaseException:
                self._held = None
                held.release()
                raise
        self.level += 1
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Leave a block: commit, unless an exception ends it or `ignore_inner_exits` waits for the outermost.

        Raises:
            AtomicStoreError: it was left more often than entered.
            Exception: as from commit().
        """
        if self.level <= 0:
            raise AtomicStoreError(f"the store {self.path!r} was left more often than entered")
        self.level -= 1  # before anything that an interrupt could keep from happening
        try:
            if self._held is not None:
                self._require_not_lost(self._held)
                # A generator may be left by another thread than the one that entered: the block moves along.
                self._held.adopt()
            if error is not None:
                self._failed = True
            elif (self.level == 0 or not self.ignore_inner_exits) and self._state != _DELETED:
                self.commit()
        finally:
            if self.level == 0:
                if self._state == _DELETED:
                    self._state = _CLEAN
                held, self._held = self._held, None
                if held is not None:
                    held.release()
                    if held.lost:
                        self._held, self.level = held, 1  # in the child of a fork, each later use shall say so again

    @property
    def path(self) -> Any:
        """The place, as the program spelled it."""
        return self._location.path

    @path.setter
    def path(self, path: Path) -> None:
        if self._held is not None:
            raise AtomicStoreError(f"the store {self.path!r} holds the lock of its place: leave the block, then assign path")
        location = locations.resolve(path)
        self._obey(location)
        if formats.goes_by_path(self._format):
            self._resolve(self._format, self._is_binary, location.path)
        self._location = location
        self._version = None

    @property
    def format(self) -> Any:
        """What the value is encoded with."""
        return self._codec.format

    @format.setter  # noqa: A003 - the attribute has had this name since 0.0.1
    def format(self, format: Any) -> None:
        self._resolve(format, self._is_binary, self.path)

    @property
    def is_binary(self) -> bool:
        """Whether the format speaks bytes: what was asked for, else False for JSON only, as in 0.0.1."""
        return self._codec.label != "json" if self._is_binary is None else self._is_binary

    @is_binary.setter
    def is_binary(self, is_binary: bool | None) -> None:
        self._resolve(self._format, is_binary, self.path)

    def _obey(self, location: Location) -> None:
        """Settle what lock= and on_conflict= mean at this place."""
        if self._locks and not location.has_lock:
            raise LockError(
                f"lock= asks for a lock, and there are none at {location.path!r}; leave it out. "
                "update(fn) changes what is stored without losing anybody's update"
            )
        self._raises = _raises(self._on_conflict, self._locks, location.on_conflict)
        self._exact = self._locks or self._raises or self._quarantines

    def _resolve(self, format: Any, is_binary: bool | None, path: Any) -> None:
        settled = format
        if formats.goes_by_path(format):
            from .formats import wrappers  # here: only "auto" needs them

            settled = wrappers.settle(format, path)
        self._codec = formats.resolve(settled, is_binary, self._type)
        self._format = format
        self._is_binary = is_binary

    def _load(self) -> None:
        self._value, self._version, self.stored = self._read(self._exact)
        deleted = self._state == _DELETED and not self.stored  # inside a block: looking again asks for no commit
        self._settle(_DELETED if deleted else _CLEAN)

    def _read(self, exact: bool) -> tuple[Any, object, bool]:
        """Give what is stored or a fresh default, its version, and whether it was stored."""
        watch = _watch()
        while (file := self._location.read(exact)) is not None:
            with file:
                try:
                    value, version = self._codec.load(file, self.load_kwargs), file.version
                    if watch is not None:
                        watch.tell("loaded", self.path, file.size, self._codec.label)
                    return value, version, True
                except LoadError as error:
                    if not self._quarantines or not error.damaged:
                        raise
                    from ._quarantine import quarantine

                    quarantine(self._location, self._codec, self.load_kwargs, file.version, error)
        return _copy(self._default), None, False

    def _commit(self, value: Any, expected: object) -> None:
        self._failed = True
        file = None
        watch, size = _watch(), None
        try:
            with self._location.replace(expected, exact=self._exact) as file:
                self._codec.dump(value, file, self.dump_kwargs, self.load_kwargs)
                size = file.tell() if watch is not None else None
            self._version = file.version
        except UncertainCommitError as error:
            self._version = error.version
            raise
        except BaseException as error:
            if not isinstance(error, Exception):
                tried = getattr(file, "version", None)
                self._tried = ANY if tried is None else tried  # None: nothing was published yet
            raise
        self._settle(_CLEAN)
        if watch is not None:
            watch.tell("committed", self.path, size, self._codec.label)

    def _begin_anew(self, version: object) -> None:
        """What was stored is deleted: take a fresh default, which a block's exit commits only if asked to."""
        self._value, self._version, self.stored = _copy(self._default), version, False
        self._settle(_DELETED if self.level > 0 else _CLEAN)

    def _settle(self, state: str) -> None:
        """Memory and place agree."""
        self._tried = ANY
        self._state = state
        self._failed = False

    def _known(self) -> object:
        """Give the version to expect: an interrupt hides whether a commit took effect, and its own value is no conflict."""
        tried, self._tried = self._tried, ANY
        if tried is not ANY and self._location.version(tried) == tried:
            self._version = tried
        return self._version

    def _refresh(self) -> None:
        """Under a lock just taken: read again what others have changed, or what a failed block has left in memory."""
        now = self._location.version(self._known())
        if now != self._version and self._state == _ASSIGNED:
            raise ConflictError(
                f"the value of {self.path!r} was assigned outside a block, and the place was changed meanwhile; "
                "reload() to take what is stored, or assign inside the block",
                self.path,
                self._version,
                now,
            )
        if now != self._version or (self._failed and self._state != _ASSIGNED):
            self._load()
        else:
            self._version = now  # the same bytes, and perhaps proved by their stat from now on
        self._state = _CLEAN  # from here on it is the block's value, and half-done if the block fails

    def _inside(self) -> bool:
        """Say whether the caller is inside a block of this store: with lock=, a block belongs to one thread."""
        held = self._held  # once: another thread may be leaving its block
        if held is None:
            return self.level > 0 and not self._locks
        self._require_not_lost(held)
        return held.mine

    def _locked(self, always: bool = False) -> Any:
        """Hold the lock for one step, unless no lock was asked for or the caller's block holds it."""
        if not (self._locks or always) or (self._locks and self._inside()):
            return _NOTHING
        return self._location.lock(self._timeout)

    def _require_not_lost(self, held: Lock) -> None:
        if held.lost:
            raise LockError(
                f"the block of the store {self.path!r} was entered before a fork: its lock stayed with the "
                "parent. In the child, open the store anew"
            )


class _Nothing:
    """A context that does nothing; contextlib's costs an import."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass


_NOTHING = _Nothing()


def _copy(default: Any) -> Any:
    """Copy the caller's default, so that changing the value never changes the caller's object.

    A bare object() passes as it is: it is a sentinel, and a copied sentinel is none.
    """
    kind: Any = default.__class__
    if kind in _IMMUTABLE or kind is object:
        return default
    if kind is list and _IMMUTABLE.issuperset(map(type, default)):
        return default.copy()
    if kind is dict and _IMMUTABLE.issuperset(map(type, default)) and _IMMUTABLE.issuperset(map(type, default.values())):
        return default.copy()
    from copy import deepcopy  # here: 1.3 ms that only a default with something in it that can change pays

    try:
        return deepcopy(default)
    except Exception as error:
        raise TypeError(
            f"default should be a value that can be copied, for the store must not change yours; a "
            f"{type(default).__name__} cannot be ({type(error).__name__}: {error})"
        ) from error


def _keywords(name: str, keywords: Any) -> dict[str, Any]:
    """Give the dict itself: a program may change it later."""
    if keywords is not None and not hasattr(keywords, "keys"):
        raise TypeError(f"{name} should be a dict of keywords or None, not {keywords!r}")
    return {} if keywords is None else keywords


def _timeout(lock: bool | float) -> float | None:
    """Give the seconds to wait that lock= asks for, None: for ever."""
    # By identity: 1 == True, but lock=1 is one second and lock=True for ever; 0 == False likewise.
    if lock is True or lock is False:
        return None
    if not isinstance(lock, int | float):  # pyright: ignore[reportUnnecessaryIsInstance]  # not all programs are checked
        raise TypeError(f"lock should be False, True or a number of seconds, not {lock!r}")
    if not lock >= 0:  # this way round, NaN is caught too
        raise ValueError(f"lock should be False, True or seconds from 0 up, not {lock!r}")
    return min(lock, 1e9)  # 30 years: an int may be more than any clock can count


def _raises(on_conflict: str | None, locks: bool, otherwise: str) -> bool:
    if on_conflict not in (None, "overwrite", "raise"):
        raise ValueError(f'on_conflict should be None, "overwrite" or "raise", not {on_conflict!r}')
    return (locks or otherwise == "raise") if on_conflict is None else on_conflict == "raise"


def _quarantines(on_corrupt: str) -> bool:
    if on_corrupt not in ("raise", "quarantine"):
        raise ValueError(f'on_corrupt should be "raise" or "quarantine", not {on_corrupt!r}')
    return on_corrupt == "quarantine"


def _watch() -> Watch | None:
    """Begin to measure a step, if the program listens by logging; one that has not loaded that cannot."""
    if "logging" not in sys.modules:
        return None
    from . import log

    return log.watch()


def _pause(attempt: int) -> None:
    """Wait a little, at random, so that those who have met do not meet again."""
    import random  # here: 2 ms that only a lost race pays
    import time

    # Up to a second: where reading and writing take 100 ms, those who wait less all meet again.
    time.sleep(random.uniform(0, 0.001 * min(2**attempt, 1000)))  # noqa: S311 - no secret
