"""The store: one value in memory, bound to one place; the story, top to bottom.

It touches no file itself: a location keeps the bytes, a codec turns them into the value.
"""

import _thread
import sys
import time
from _weakref import ref

from . import formats
from .errors import AtomicStoreError, ConflictError, FormatError, LoadError, LockError, UncertainCommitError, logger
from .locations import ANY, Location, scheme_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Callable
    from types import TracebackType
    from typing import Any, Generic, Self, TypeVar

    from .locations import Lock, StoredFile

    R = TypeVar("R")
    T = TypeVar("T")
    Path = str | bytes | os.PathLike[str] | os.PathLike[bytes] | Location
else:
    from _collections_abc import Callable  # noqa: TC003 - for typing.get_type_hints(); loaded by os, unlike collections.abc

    Any = Lock = Path = R = Self = StoredFile = T = TracebackType = object  # as in errors.py

    class Generic:
        """Stands in for typing.Generic, whose import costs more than the rest of the start-up."""

        def __class_getitem__(cls, item):
            """Return the class itself: AtomicStore[int] is for type checkers."""
            return cls


_ATTEMPTS = 50  # of update() where another thing than a lock must settle which program comes first
_IMMUTABLE = frozenset((type(None), bool, int, float, str, bytes))
_DEBUG = 10  # logging.DEBUG, which this module must not import
_local: "Any" = None  # the module locations.local, once a store has asked for it
_aside: "Any" = None  # the module _quarantine, once a store has asked for it
_CLEAN, _ASSIGNED, _DELETED = "clean", "assigned", "deleted"


class _Exit:
    """What `with` keeps on its stack while the block lasts, and calls at its end: the store's `__exit__`.

    A Ctrl-C that comes as `__exit__` begins ends the block without it (CPython's issue 74174). Then this object is gone, and
    the store sees that by a weak reference.
    """

    __slots__ = ("__weakref__", "_store")

    def __init__(self, store: "AtomicStore[Any]") -> None:
        self._store = store

    def __call__(
        self, kind: "type[BaseException] | None", error: "BaseException | None", trace: "TracebackType | None"
    ) -> None:
        self._store._leave(kind, error, trace, self)  # pyright: ignore[reportPrivateUsage]


class _Exits:
    """Makes an _Exit each time that `__exit__` of a store is looked up; of the class, it is a plain function."""

    def __get__(self, store: "AtomicStore[Any] | None", owner: "type[AtomicStore[Any]]") -> "Any":
        if store is None:
            return owner._leave  # pyright: ignore[reportPrivateUsage]
        found = _Exit(store)
        store._coming = _thread.get_ident(), ref(found)  # pyright: ignore[reportPrivateUsage]
        return found


class AtomicStore(Generic[T]):
    """One value in memory, bound to one location.

    Call commit(), or use the store as a context manager, which commits when the block ends without an
    exception. Blocks of one store can be nested. The parameters are those of open(), and it raises what
    open() raises.

    Attributes:
        path: the location, as the program gave it. Assigning another path moves the store: nothing is
            read, and the next commit writes there.
        format: the format, or the module of a built-in one, such as json.
        is_binary: whether the format writes bytes: `is_binary` of open() if it was given, otherwise False
            for JSON and True for other formats.
        load_kwargs: keyword arguments of each load. The dict may be changed.
        dump_kwargs: keyword arguments of each dump. The dict may be changed.
        ignore_inner_exits: whether only leaving the outermost block commits.
        level: the number of open blocks.
        stored: whether anything was stored at the last read.
    """

    # What memory is to the place:
    #
    #   _state     _CLEAN     the value came from the place, or is the affair of an open block
    #              _ASSIGNED  it was assigned outside a block: the next block keeps it, and a foreign change is an error
    #              _DELETED   delete() was called in the open block: its exit commits nothing, unless a value is assigned
    #   _failed    a block or a commit has failed: the value may be half done, and a block that compares reads it again
    #   _version   what is expected at the place; ANY: the store was moved there under its lock, and nothing was read
    #   _tried     the version that an interrupted commit may have left; ANY: there is no doubt
    #   _held      the lock, while a block or a step is under it; with level 0 it is being taken or given back
    #   _exits     for each open block, a weak reference to its _Exit; None: it was not entered by `with`
    #   _updating  the thread that is inside the function given to update()
    #
    # Defaults of the class, because a subclass may set attributes before it calls __init__.
    level: int = 0
    stored: bool = False
    _codec: "Any" = None
    _coming: "tuple[int, ref[_Exit]] | None" = None
    _failed = False
    _format: "Any" = None
    _held: "Lock | None" = None
    _is_binary: "bool | None" = None
    _location: "Any" = None
    _locks = False
    _on_conflict: "str | None" = None
    _quarantines = False
    _state = _CLEAN
    _timeout: "float | None" = None
    _tried: object = ANY
    _type: "Any" = None
    _updating: "int | None" = None
    _value: T = None  # type: ignore[assignment]  # until __init__ has read it
    _version: object = None

    def __init__(
        self,
        path: "Path",
        default: "Any" = None,
        format: "Any" = None,
        is_binary: "bool | None" = None,
        load_kwargs: "dict[str, Any] | None" = None,
        dump_kwargs: "dict[str, Any] | None" = None,
        ignore_inner_exits: "bool | None" = False,
        *,
        type: "Any" = None,
        lock: "bool | float" = False,
        on_conflict: "str | None" = None,
        on_corrupt: str = "raise",
    ) -> None:
        self._location = locate(path)
        self._type = type
        self._resolve(format, is_binary, self._location)
        self._quarantines = on_corrupt != "raise" and _quarantines(on_corrupt)
        self.load_kwargs: dict[str, Any] = {} if load_kwargs is None else _keywords("load_kwargs", load_kwargs)
        self.dump_kwargs: dict[str, Any] = {} if dump_kwargs is None else _keywords("dump_kwargs", dump_kwargs)
        if type is not None:
            self._codec.check_default(default)
        if lock is not False:
            self._locks, self._timeout = True, _timeout(lock)
        self._mutex = _thread.RLock()
        self._exits: list[ref[_Exit] | None] = []
        self._on_conflict = on_conflict
        self._apply_policies(self._location)
        self._default = copied(default)
        self.ignore_inner_exits = ignore_inner_exits
        self._take(self._read(self._exact))

    def __repr__(self) -> str:
        return f"<AtomicStore {self.path!r}, format {self._codec.label}>"

    def __copy__(self) -> "AtomicStore[T]":
        """Return a second store on the same place, with the same value and no block open."""
        twin: AtomicStore[T] = object.__new__(self.__class__)
        twin.__dict__.update(self.__dict__, level=0, _held=None, _updating=None, _exits=[], _mutex=_thread.RLock())
        if twin._state == _DELETED:  # that is the affair of our block
            twin._state = _CLEAN
        return twin

    def __deepcopy__(self, memo: "dict[int, Any]") -> "AtomicStore[T]":
        """Return a second store as copy.copy() does, whose value is a copy, too."""
        from copy import deepcopy  # loaded already: it has called this

        twin = self.__copy__()
        twin._value = deepcopy(self._value, memo)
        return twin

    def __reduce__(self) -> "Any":
        """Refuse to be pickled: the copy would take a lock and a version for its own that are another process's."""
        raise TypeError(f"the store {self.path!r} cannot be pickled: pickle its value, or open it there anew")

    @property
    def value(self) -> "T":
        """The value in memory. Change it in place, or assign a new one.

        With lock=, assigning raises LockError while another thread has a block open or commits. Reading does
        not wait for it: to read a value that no other thread is changing, enter a block.
        """
        return self._value

    @value.setter
    def value(self, value: "T") -> None:
        if self._locks:
            self._at_once("value", lambda: self._assign(value))
        else:
            self._assign(value)

    def commit(self) -> None:
        """Store the value, all or nothing. Once this returns, the value is durable.

        After ConflictError, LockError, OSError or an error of the format, the old value is stored.

        Raises:
            ConflictError: another writer has changed what is stored, and on_conflict is "raise".
            UncertainCommitError: the new value is visible but may not survive a power cut, or it is unknown
                whether the commit took effect.
            LockError: the lock cannot be taken. LockTimeout: it cannot be taken in time.
            AtomicStoreError: called inside the function given to update().
            OSError: the location cannot be written.
            Exception: the format's own error, if it refuses the value.
        """
        if self._locks or self._updating is not None:
            self._under_lock("commit()", self._commit_value)
        else:
            self._commit_value()

    def reload(self) -> "T":
        """Read what is stored, or copy the default if nothing is, into `value`. Return it.

        Changes that were not committed are lost. After an error the value is unchanged.

        Raises:
            LoadError: the format refuses the stored bytes.
            LockError: another thread uses this store, and the lock cannot be taken for as long as lock= allows.
            OSError: the location cannot be read. Only a missing file gives the default.
        """
        seen = self._version
        found = self._read(self._exact)
        with self._mutex:
            held = self._held
            if held is not None:
                self._require_not_lost(held)
            alone = self._version is seen if held is None else held.mine
            if alone:
                self._take(found)
        if not alone:  # another thread has a block open, or has committed since: what was read may be old
            self._under_lock("reload()", lambda: self._take(self._read(self._exact)), always=held is not None)
        return self.value

    def update(self, fn: "Callable[[T], T]") -> "T":
        """Read what is stored, commit fn(it), and return the new value. No concurrent update is lost.

        Changes in memory that were not committed are lost. On S3, which has no locks, fn may be called
        several times, so it should only compute.

        Args:
            fn: a function of the stored value, or of a copy of the default, that returns the new value. It may
                change its argument, but must return it.

        Raises:
            TypeError: fn returned None.
            AtomicStoreError: called inside a block of this store (change `value` there), or fn used the store.
            ConflictError: other writers were faster at each attempt, or write without the lock.
            UncertainCommitError: see commit(). `value` is the new value.
            Exception: what fn raised. After this and all other errors, file and value are unchanged.
        """
        self._require_no_step("update()")
        if self._inside():
            raise AtomicStoreError(f"update() inside the block of the store {self.path!r}: there, change store.value")
        return self._under_lock("update()", lambda: self._update(fn), always=self._location.has_lock)

    def changed(self) -> bool:
        """Return whether what is stored differs from what this store has last read or written.

        With lock= or on_conflict="raise" the content is compared. Otherwise inode, size and timestamps are
        compared, so that `touch` counts as a change.

        Raises:
            OSError: the location cannot be read.
        """
        known = self._expected_version()
        return bool(self._location.version(known) != known)

    def delete(self) -> None:
        """Delete what is stored, and set `value` to a copy of the default.

        After delete() inside a block, leaving the block commits only if `value` was assigned or commit() called.

        Raises:
            ConflictError: another writer has changed what is stored, and on_conflict is "raise".
            UncertainCommitError: the file is deleted but may be back after a power cut. On S3: it is unknown
                whether the object is deleted, and `value` is unchanged.
            AtomicStoreError: called inside the function given to update().
            OSError: it cannot be deleted.
        """
        self._under_lock("delete()", self._delete)

    def __enter__(self) -> "Self":
        """Enter a block. With lock=, the outermost block takes the lock and reads the file if it has changed.

        Raises:
            LockError: the lock cannot be taken. LockTimeout: it cannot be taken in time.
            ConflictError: `value` was assigned outside a block, and the file has changed meanwhile.
            AtomicStoreError: entered inside the function given to update().
            LoadError, OSError: the changed file cannot be read.
        """
        coming, self._coming = self._coming, None
        # `with` has looked `__exit__` up just before, and holds it: a dead one is of a call by hand.
        exit = coming[1] if coming is not None and coming[0] == _thread.get_ident() and coming[1]() is not None else None
        if self._exits:
            self._close_left_blocks()
        self._require_no_step("a block")
        if self._locks and not self._inside():
            self._enter_outermost()
        elif self._failed and self._raises and self.level == 0 and self._state != _ASSIGNED:
            self._take(self._read(self._exact))  # a block or a commit has failed, and others may have been faster
        # No call from here on: a signal handler that raised after one would leave the lock held.
        self._exits += [exit]
        self.level += 1
        return self

    def _leave(
        self,
        kind: "type[BaseException] | None",  # noqa: ARG002 - the signature of __exit__
        error: "BaseException | None",
        trace: "TracebackType | None",  # noqa: ARG002 - as above
        exit: "_Exit | None" = None,
    ) -> None:
        """Leave a block. Commit unless an exception ends it; with `ignore_inner_exits`, only the outermost commits.

        Raises:
            AtomicStoreError: the store was left more often than entered.
            Exception: see commit().
        """
        if self.level <= 0:
            raise AtomicStoreError(f"the store {self.path!r} was left more often than entered")
        self.level -= 1  # before anything that an interrupt could keep from happening
        try:
            self._forget_exit(exit)
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
                self._exits = []
                if self._state == _DELETED:
                    self._state = _CLEAN
                # No call before: the lock is a local name now, and unlocks itself if an interrupt drops it.
                held, self._held = self._held, None
                self._give_back(held)

    if TYPE_CHECKING:
        __exit__ = _leave
    else:
        __exit__ = _Exits()

    @property
    def path(self) -> "Any":
        """The location, as the program gave it."""
        return self._location.path

    @path.setter
    def path(self, path: "Path") -> None:
        held = self._held
        if held is not None and held.mine:
            raise AtomicStoreError(f"the store {self.path!r} holds the lock of its place: leave the block, then assign path")
        location = locate(path)
        self._at_once("path", lambda: self._move(location))

    @property
    def format(self) -> "Any":
        """The format, or the module of a built-in one."""
        return self._codec.format

    @format.setter  # noqa: A003 - the attribute has had this name since 0.0.1
    def format(self, format: "Any") -> None:
        self._resolve(format, self._is_binary, self._location)

    @property
    def is_binary(self) -> bool:
        """Whether the format writes bytes: `is_binary` of open() if given, else False for JSON only, as in 0.0.1."""
        return self._codec.label != "json" if self._is_binary is None else self._is_binary

    @is_binary.setter
    def is_binary(self, is_binary: "bool | None") -> None:
        self._resolve(self._format, is_binary, self._location)

    # --- settings ----------------------------------------------------------------------------------------------------

    def _apply_policies(self, location: "Location") -> None:
        """Settle what lock= and on_conflict= mean at this place."""
        if self._locks and not location.has_lock:
            raise LockError(
                f"lock= asks for a lock, and there are none at {location.path!r}; leave it out. "
                "update(fn) changes what is stored without losing anybody's update"
            )
        on_conflict = self._on_conflict
        if on_conflict is None:
            self._raises = self._locks or location.on_conflict == "raise"
        else:
            self._raises = _raises(on_conflict)
        self._exact = self._locks or self._raises or self._quarantines

    def _resolve(self, format: "Any", is_binary: "bool | None", location: "Location | None") -> None:
        if location is not None:  # else a subclass sets it before __init__, which settles it
            try:
                settled = format
                if format is not None and formats.goes_by_path(format):
                    from .formats import wrappers  # at open(): only "auto" needs them

                    settled = wrappers.settle(format, location.path)
                self._codec = formats.resolve(settled, is_binary, self._type)
            except FormatError as error:
                error.args = (f"{location.path!r}: {error}",)  # in its text, not in a note: loggers drop notes
                raise
        self._format = format
        self._is_binary = is_binary

    def _move(self, location: "Location") -> None:
        self._apply_policies(location)
        if formats.goes_by_path(self._format):
            self._resolve(self._format, self._is_binary, location)
        self._location = location
        self._version = ANY if self._locks else None

    # --- memory ------------------------------------------------------------------------------------------------------

    def _assign(self, value: "T") -> None:
        self._value = value
        self._state = _ASSIGNED if self.level == 0 else _CLEAN

    def _take(self, found: "tuple[Any, object, bool]") -> None:
        """Make what _read() has returned the value."""
        deleted = self._state == _DELETED and not found[2]  # inside a block: looking again asks for no commit
        self.value, self._version, self.stored = found
        self._mark(_DELETED if deleted else _CLEAN)

    def _mark(self, state: str) -> None:
        """Note that memory and place agree."""
        self._tried = ANY
        self._state = state
        self._failed = False

    def _begin_again(self, version: object) -> None:
        """Begin with a fresh default, because what was stored is deleted; a block's exit commits it only if asked to."""
        self._take((copied(self._default), version, False))
        self._mark(_DELETED if self.level > 0 else _CLEAN)

    # --- the place ---------------------------------------------------------------------------------------------------

    def _read(self, exact: bool = True, file: "StoredFile | None" = None) -> "tuple[Any, object, bool]":
        """Return what is stored or a fresh default, its version, and whether it was stored. `file`: it is open already."""
        log = logger(_DEBUG) if "logging" in sys.modules else None
        attempt = 1
        while True:
            began = time.perf_counter() if log is not None else 0.0
            file = self._location.read(exact) if file is None else file
            if file is None:
                return copied(self._default), None, False
            try:
                value, version = self._load(file), file.version
                if log is not None:
                    self._log(log, "loaded", file.size, began)
                return value, version, True
            except LoadError as error:
                if not self._quarantines or not error.damaged or attempt == _ATTEMPTS:
                    raise
                self._quarantine(file.version, error)
            finally:
                file.close()
            attempt += 1
            file = None

    def _load(self, file: "StoredFile") -> "Any":
        return self._codec.load(file, self.load_kwargs, self.dump_kwargs)

    def _quarantine(self, version: object, error: LoadError) -> None:
        self._under_lock("a quarantine", lambda: _aside.quarantine(self._location, self._load, version, error))

    def _commit_value(self) -> None:
        self._commit(self.value, self._expected_version() if self._raises else ANY)

    def _commit(self, value: "Any", expected: object) -> None:
        self._failed = True
        file = None
        size = None
        log = logger(_DEBUG) if "logging" in sys.modules else None
        began = time.perf_counter() if log is not None else 0.0
        try:
            with self._location.replace(expected, self._exact) as file:
                self._codec.dump(value, file, self.dump_kwargs, self.load_kwargs)
                if log is not None:
                    size = file.tell()
            self._version = file.version
        except UncertainCommitError as error:
            self._version = error.version
            raise
        except BaseException as error:
            if not isinstance(error, Exception):
                tried = getattr(file, "version", None)
                self._tried = ANY if tried is None else tried  # None: nothing was published yet
            raise
        self._mark(_CLEAN)
        if log is not None:
            self._log(log, "committed", size, began)

    def _update(self, fn: "Callable[[T], T]") -> "T":
        attempt = 0
        while True:
            current, version, stored = self._read()
            self._updating = _thread.get_ident()
            try:
                new = fn(current)
            finally:
                self._updating = None
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
                self._show(new, stored)
                raise
            self._show(new, stored)
            return new

    def _show(self, value: "T", stored: bool) -> None:
        self.value, self.stored = value, stored  # not _value: a subclass may have a property of its own
        self._state = _CLEAN

    def _delete(self) -> None:
        try:
            self._location.delete(self._expected_version() if self._raises else ANY)
            self._begin_again(None)
        except UncertainCommitError as error:
            if error.version is None:
                self._begin_again(None)  # gone is what is visible: no exit may bring it back unasked
            else:
                self._version = error.version
            raise
        except BaseException as error:
            if not isinstance(error, Exception):
                self._tried = None
            raise

    def _expected_version(self) -> object:
        """Return the version to expect. An interrupt hides whether a commit took effect: its own value is no conflict."""
        tried, self._tried = self._tried, ANY
        if tried is not ANY and self._location.version(tried) == tried:
            self._version = tried
        return self._version

    def _refresh(self) -> None:
        """Under a lock just taken: read again what others have changed, or what a failed block has left in memory."""
        found, file = self._location.read_if_changed(self._expected_version())
        moved = self._version is ANY
        changed = found != self._version and not moved
        if (changed and self._state == _ASSIGNED) or moved:
            if file is not None:
                file.close()
            if not moved:
                raise ConflictError(
                    f"the value of {self.path!r} was assigned outside a block, and the place was changed meanwhile; "
                    "reload() to take what is stored, or assign inside the block",
                    self.path,
                    self._version,
                    found,
                )
        if changed or (self._failed and self._state != _ASSIGNED):
            self._take(self._read(self._exact, file))
        else:
            self._version = found  # the same bytes, and perhaps proved by their stat from now on
        self._state = _CLEAN  # from here on it is the block's value, and half done if the block fails

    # --- locks and blocks --------------------------------------------------------------------------------------------

    def _under_lock(self, what: str, step: "Callable[[], R]", always: bool = False) -> "R":
        """Return step(), called with the lock if one was asked for and the caller's block does not hold it."""
        self._require_no_update(what)
        if not (self._locks or always) or (self._locks and self._inside()):
            return step()
        held = None
        try:
            held = self._location.lock(self._timeout)
            with self._mutex:  # a reload() of another thread takes what it has read before this, or not at all
                self._held = held
            return step()
        finally:
            if held is not None:
                self._held = None
                held.release()

    def _at_once(self, what: str, act: "Callable[[], None]") -> None:
        """Call act(), or raise LockError if another thread has a block of this store open."""
        with self._mutex:
            held = self._held
            if held is not None and not held.mine and not held.lost:
                raise LockError(
                    f"another thread has a block of the store {self.path!r} open, or commits: assign store.{what} after it, "
                    "or enter a block of your own"
                )
            act()

    def _enter_outermost(self) -> None:
        held = None
        try:
            held = self._location.lock(self._timeout)
            with self._mutex:  # and not while it reads: who waits for a mutex has no deadline
                self._held = held
            self._refresh()
        except BaseException:
            if held is not None:
                self._held = None
                held.release()
            raise

    def _give_back(self, held: "Lock | None") -> None:
        if held is not None:
            held.release()
            if held.lost:
                self._held, self.level = held, 1  # in the child of a fork, each later use must say so again

    def _close_left_blocks(self) -> None:
        """Close the blocks that a Ctrl-C has ended as their `__exit__` began."""
        left = [exit for exit in self._exits if exit is not None and exit() is None]
        for exit in left:
            self._exits.remove(exit)
            if len(self._exits) < self.level:  # else a Ctrl-C came after the level was counted down
                self.level -= 1
                self._failed = True
        if left and self.level == 0:
            if self._state == _DELETED:
                self._state = _CLEAN
            held, self._held = self._held, None
            self._give_back(held)

    def _forget_exit(self, exit: "_Exit | None") -> None:
        """Forget the block that is left: the one whose _Exit is called, or the innermost that was not entered by `with`."""
        for index in range(len(self._exits) - 1, -1, -1):
            known = self._exits[index]
            if exit is (None if known is None else known()):
                del self._exits[index]
                return
        if None in self._exits:  # a subclass has an __exit__ of its own, and calls ours
            self._exits.remove(None)

    def _inside(self) -> bool:
        """Return whether the caller is inside a block of this store: with lock=, a block belongs to one thread."""
        held = self._held  # once: another thread may be leaving its block
        if held is None:
            return self.level > 0 and not self._locks
        self._require_not_lost(held)
        return held.mine

    def _require_no_update(self, what: str) -> None:
        if self._updating == _thread.get_ident():
            raise AtomicStoreError(
                f"{what} of the store {self.path!r} inside the function given to update(): "
                "let the function return the new value, and do nothing else"
            )

    def _require_no_step(self, what: str) -> None:
        """Raise if a function given to update(), or a signal handler, begins in the middle of a step of its own thread."""
        self._require_no_update(what)
        held = self._held
        if held is not None and self.level == 0 and held.mine:
            raise LockError(
                f"cannot lock {self.path!r}: a signal handler uses the store while the code that it has interrupted takes "
                "the lock or gives it back"
            )

    def _require_not_lost(self, held: "Lock") -> None:
        if held.lost:
            raise LockError(
                f"the block of the store {self.path!r} was entered before a fork: its lock stayed with the "
                "parent. In the child, open the store anew"
            )

    def _log(self, log: "Any", step: str, size: "int | None", began: float) -> None:
        took = (time.perf_counter() - began) * 1000
        known = "?" if size is None else size
        log.debug("%s %r: %s bytes, format %s, %.1f ms", step, self.path, known, self._codec.label, took)


def locate(path: "Path") -> Location:
    """Return the location that `path` names, without looking at it.

    Raises:
        TypeError: `path` is neither a path nor a location.
        LocationError: no such place can exist.
    """
    if type(path) is not str and isinstance(path, Location):
        return path
    if scheme_of(path) == "s3":
        from .locations.s3 import from_url

        return from_url(str(path))
    global _local
    if _local is None:
        from .locations import local as _local  # an import line takes 2 us, even if all is loaded
    found: Location = _local.LocalFile(path)
    return found


def copied(default: "Any", name: str = "default") -> "Any":
    """Copy the caller's default or data, so that changing the value never changes the caller's object.

    A bare object() passes as it is: it is a sentinel, and a copied sentinel is none.
    """
    kind: object = type(default)  # pyright: ignore[reportUnknownVariableType]
    if kind in _IMMUTABLE or kind is object:
        return default
    if (kind is dict or kind is list) and not default:
        fresh: Any = [] if kind is list else {}  # what most programs give
        return fresh
    try:
        return _copy_plain(default, set())
    except (LookupError, RecursionError):
        pass
    from copy import deepcopy  # 1.3 ms, which only other defaults pay: at open()

    try:
        return deepcopy(default)
    except Exception as error:
        raise TypeError(
            f"{name} should be a value that can be copied, for the store must not change yours; a "
            f"{type(default).__name__} cannot be ({type(error).__name__}: {error})"
        ) from error


def _copy_plain(value: "Any", seen: "set[int]") -> "Any":
    """Copy lists and dicts of plain values; LookupError if there is anything else, or a part that is there twice."""
    kind: object = type(value)  # pyright: ignore[reportUnknownVariableType]
    if kind in _IMMUTABLE:
        return value
    if (kind is not list and kind is not dict) or id(value) in seen:
        raise LookupError
    seen.add(id(value))
    if kind is list:
        return [_copy_plain(item, seen) for item in value]
    if not _IMMUTABLE.issuperset(map(type, value)):
        raise LookupError
    return {key: _copy_plain(item, seen) for key, item in value.items()}


def _keywords(name: str, keywords: "Any") -> "Any":
    """Return the dict itself: a program may change it later."""
    if not hasattr(keywords, "keys"):
        raise TypeError(f"{name} should be a dict of keywords or None, not {keywords!r}")
    return keywords


def _timeout(lock: "bool | float") -> "float | None":
    """Return the seconds to wait that lock= asks for, None: for ever."""
    # By identity: 1 == True, but lock=1 is one second and lock=True for ever; 0 == False likewise.
    if lock is True:
        return None
    if not isinstance(lock, int | float):  # pyright: ignore[reportUnnecessaryIsInstance]  # not all programs are checked
        raise TypeError(f"lock should be False, True or a number of seconds, not {lock!r}")
    if not lock >= 0:  # this way round, NaN is caught too
        raise ValueError(f"lock should be False, True or seconds from 0 up, not {lock!r}")
    return min(lock, 1e9)  # 30 years: an int may be more than any clock can count


def _raises(on_conflict: str) -> bool:
    if on_conflict not in ("overwrite", "raise"):
        raise ValueError(f'on_conflict should be None, "overwrite" or "raise", not {on_conflict!r}')
    return on_conflict == "raise"


def _quarantines(on_corrupt: str) -> bool:
    if on_corrupt != "quarantine":
        raise ValueError(f'on_corrupt should be "raise" or "quarantine", not {on_corrupt!r}')
    global _aside
    if _aside is None:
        from . import _quarantine as _aside  # now: nothing is imported after open()
    return True


def _pause(attempt: int) -> None:
    """Wait a little, at random, so that programs that have met do not meet again."""
    # Up to a second: where reading and writing take 100 ms, programs that wait less all meet again.
    chance = time.perf_counter_ns() % 1000 / 1000
    time.sleep(chance * 0.001 * min(2**attempt, 1000))
