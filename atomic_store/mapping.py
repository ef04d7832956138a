"""open_dict: a dict that is stored at one location.

A change *inside* a value, such as `d["jobs"].append(1)`, does not trigger autosave. The next save() or the end
of a block saves it.
"""

from __future__ import annotations

from _thread import get_ident
from collections import UserDict
from collections.abc import Mapping, MutableMapping
from copy import copy as shallow_copy

from .errors import LoadError, LocationError, UncertainCommitError
from .locations import Location
from .store import AtomicStore, copied

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType
    from typing import Any, Self

    from .locations import StoredFile
    from .store import Path

    Items = Mapping[Any, Any] | Iterable[tuple[Any, Any]]
else:
    Any = Items = Path = Self = TracebackType = object  # as in errors.py

_OF_S3DICT = {
    "bucket_name": "location",
    "file_name": "location",
    "auto_save": "autosave",
    "access_key_id": "S3Object(bucket, key, client=...), given as the location",
    "access_secret_key": "S3Object(bucket, key, client=...), given as the location",
}
"""Attributes of S3Dict and their misspellings, with the name that they have here."""


class _FromKeys:
    """The method fromkeys(): of a dict it returns what `|` returns, a dict at the same place without autosave."""

    def __get__(self, instance: StoredDict | None, owner: type[StoredDict]) -> Any:
        def fromkeys(keys: Iterable[Any], value: Any = None) -> Any:
            """Return a dict with these keys and one value; nothing is saved."""
            made = owner() if instance is None else instance._twin({})  # pyright: ignore[reportPrivateUsage]
            for key in keys:
                made[key] = value
            return made

        return fromkeys


class StoredDict(UserDict["Any", "Any"]):
    """A collections.UserDict that is stored at one location, as open_dict() returns it.

    With lock=, entering a block raises ConflictError if the dict was changed outside a block and another
    writer has changed what is stored.
    """

    def __init__(
        self,
        location: Path | None = None,
        default: Items | None = None,
        data: Items | None = None,
        autosave: bool = False,
        options: dict[str, Any] | None = None,
    ) -> None:
        _require_bool(autosave)
        location = _Nowhere() if location is None else location  # StoredDict.fromkeys() makes one without
        self._store = MappingStore(location, {} if default is None else _as_dict("default", default), **(options or {}))
        self._bulk: list[int] = []  # the threads that are inside update()
        self._autosave = False
        if data is not None:
            self._store.value = copied(_as_dict("data", data), "data")
        if autosave and (data is not None or not self._store.stored):
            self.save()
        self._autosave = autosave

    fromkeys: Any = _FromKeys()

    def __getattr__(self, name: str) -> Any:
        """Name what S3Dict's attributes are called here."""
        raise AttributeError(_no_attribute(name), name=name, obj=self)

    def __setattr__(self, name: str, value: Any) -> None:
        """Refuse S3Dict's attributes: they would be set, and change nothing."""
        if name in _OF_S3DICT:
            raise AttributeError(_no_attribute(name), name=name, obj=self)
        super().__setattr__(name, value)

    @property
    def location(self) -> Any:
        """The location, as the program gave it."""
        return self._store.path

    @property
    def autosave(self) -> bool:
        """Whether each change of an item saves at once. Setting it to True saves."""
        return self._autosave

    @autosave.setter
    def autosave(self, autosave: bool) -> None:
        _require_bool(autosave)
        if autosave:
            self.save()
        self._autosave = autosave

    def save(self) -> None:
        """Store the dict, all or nothing. Raises what AtomicStore.commit() raises."""
        self._store.commit()

    def load(self) -> None:
        """Read what is stored, or copy the default. Unsaved changes are lost. Raises what open_dict() raises."""
        self._store.reload()

    def delete(self) -> None:
        """Delete what is stored, and clear the dict. Raises what AtomicStore.delete() raises.

        After a deletion inside a block, leaving the block saves only if an item was set again.
        """
        try:
            self._store.delete()
        except UncertainCommitError:
            self._store.value.clear()  # gone is what is visible
            raise
        self._store.value.clear()

    def __enter__(self) -> Self:
        """Enter a block: as a store's, with lock= it takes the lock and reads what is new."""
        self._store.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Leave a block: save, unless an exception ends it."""
        self._store.__exit__(kind, error, trace)

    def __setitem__(self, key: Any, item: Any) -> None:
        """Set one item."""
        self.data[key] = item
        self._changed()

    def __delitem__(self, key: Any) -> None:
        """Delete one item."""
        del self.data[key]
        self._changed()

    def clear(self) -> None:
        """Delete all items. Autosave saves once, and raises what save() raises."""
        self.data.clear()
        self._changed()

    def update(self, other: Any = (), /, **items: Any) -> None:
        """Set many items. Autosave saves once, and raises what save() raises. If setting fails, it does not save."""
        thread = get_ident()
        self._bulk.append(thread)
        try:
            super().update(other, **items)
        finally:
            self._bulk.remove(thread)
        self._changed()

    def __ior__(self, other: Any) -> Self:
        """Set many items; autosave saves once."""
        self.update(other)
        return self

    def __or__(self, other: Any) -> Any:
        """Return a copy() with the items of both; nothing is saved."""
        if not isinstance(other, UserDict | dict):
            return NotImplemented
        return self._twin({**self.data, **other})

    def __ror__(self, other: Any) -> Any:
        """Return a copy() with the items of both; nothing is saved."""
        if not isinstance(other, UserDict | dict):
            return NotImplemented
        return self._twin({**other, **self.data})

    def copy(self) -> Self:
        """Return another dict with the same items and location, without autosave.

        Raises nothing.
        """
        return self._twin(shallow_copy(self.data))

    __copy__ = copy

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Return a copy() whose values are copies, too."""
        from copy import deepcopy

        return self._twin(deepcopy(self.data, memo))

    def __reduce__(self) -> Any:
        """Refuse to be pickled: two processes would have one place each as their own."""
        raise TypeError(f"a dict kept at {self.location!r} cannot be pickled: pickle dict(d), or open it there anew")

    def _twin(self, items: Any) -> Self:
        from copy import copy

        twin = object.__new__(self.__class__)
        twin.__dict__.update(self.__dict__, _autosave=False, _bulk=[], _store=copy(self._store))
        twin._store.value = items
        return twin

    def _changed(self) -> None:
        self._store.value = self._store.value  # so that no exit and no reading anew takes it for untouched
        if self._autosave and get_ident() not in self._bulk:
            self.save()

    def _get_data(self) -> Any:
        return self._store.value

    def _set_data(self, data: Items) -> None:
        self._store.value = _as_dict("data", data)
        self._changed()

    # Any: to the type checkers the base has an attribute here, and no property may take its place.
    data: Any = property(_get_data, _set_data, doc="The mapping in memory; assigning another one is one change.")


class _Nowhere(Location):
    """Where a dict is kept that has no place: nothing is stored, and save() says so."""

    path = None  # pyright: ignore[reportAssignmentType, reportIncompatibleMethodOverride]

    def read(self, *_: object, **__: object) -> None:
        """Return nothing."""

    version = read

    def replace(self, *_: object, **__: object) -> Any:
        """Refuse."""
        raise LocationError("this dict has no place: open_dict(location, data=dict(d)) gives it one")

    delete = set_aside = lock = replace


class MappingStore(AtomicStore["Any"]):
    """A store that takes nothing else than a mapping."""

    def _read(self, exact: bool = True, file: StoredFile | None = None) -> tuple[Any, object, bool]:
        found = super()._read(exact, file)
        if not isinstance(found[0], MutableMapping):
            raise LoadError(
                f"{self.path!r} should hold a mapping and holds a {type(found[0]).__name__}; open it with "
                "atomic_store.open(), or delete it to begin with the default",
                self.path,
                self._codec.label,
                damaged=False,
            )
        return found


def open_dict(
    location: Path, default: Items | None = None, data: Items | None = None, autosave: bool = False, **open_options: Any
) -> StoredDict:
    """Open a dict that is stored at `location`.

    It is a collections.UserDict with save(), load(), delete(), `autosave` and `location`. As a context
    manager it saves when the block ends without an exception.

    With autosave=True each change of an item saves the whole dict; on S3 each is a paid request. update()
    saves once. Changes inside a value, such as `d["a"].append(1)`, are saved only by save() or at the end
    of a block. open_dict() itself writes only with autosave=True, if nothing is stored or `data` is given.

    Args:
        location: what open() takes as `path`.
        default: a mapping or pairs: the items if nothing is stored. They are copied.
        data: a mapping or pairs: the items to use instead of those stored, which the next save replaces.
            They are copied.
        autosave: whether each change of an item saves at once.
        open_options: keyword arguments of open(), such as format, lock and on_conflict.

    Raises:
        LoadError: what is stored is not a mapping, or the format refuses it.
        OSError, FormatError, LocationError, TypeError, ValueError: see open().
        ConflictError, UncertainCommitError: see commit(), if autosave saves at once.
    """
    return StoredDict(location, default, data, autosave, open_options)


def _no_attribute(name: str) -> str:
    there = f"; it is {_OF_S3DICT[name]} here" if name in _OF_S3DICT else ""
    return f"a dict of open_dict() has no attribute {name!r}{there}"


def _require_bool(autosave: Any) -> None:
    if not isinstance(autosave, bool):
        raise TypeError(f"autosave should be True or False, not {autosave!r}")


def _as_dict(name: str, items: Any) -> dict[Any, Any]:
    try:
        return dict(items)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name} should be a mapping or pairs of key and value, not {items!r:.200}") from error
