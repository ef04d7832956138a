"""What `set`, `delete` and `put` do: each change is one commit, and loses no other."""

from __future__ import annotations

import sys

from ..errors import AtomicStoreError, LoadError, MissingLibraryError, describe
from . import _pointer
from ._formats import (
    FileFormat,
    MemoryFile,
    StandardInput,
    StandardInputFile,
    by_suffix,
    compression_of,
    for_new,
    no_field,
    nothing_at,
    overwrite,
    read,
)
from ._json import JsonText, loads_strictly
from ._locking import Locked, inherit_lock
from ._terminal import CommandError, Killable, Progress, WatchedFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable
    from typing import Any

_NOTHING = object()  # the value of a store that holds nothing


def set_field(args: argparse.Namespace, location: Any) -> Any:
    """Change a field to the given value, or add the given number to it; return the new field."""
    parts = _pointer.parse(args.field)
    given = _value(args)
    if not parts and not args.add:
        form = _format_at(location, args.format)
        overwrite(location, form.pack(form.encode(given, location.path)))
        return given
    made: list[Any] = []

    def change(current: Any) -> Any:
        new = _sum(current, parts, given, args.field) if args.add else given
        made[:] = [new]
        if not parts:
            return new
        current = _pointer.new_owner(parts[0]) if current is _NOTHING else current
        _pointer.assign(current, parts, new)
        return current

    _update(location, args.format, change)
    return made[0]


def delete_field(args: argparse.Namespace, location: Any) -> None:
    """Delete a field.

    Raises:
        CommandError: there is none.
    """
    parts = _pointer.parse(args.field)
    if not parts:
        raise CommandError(2, f"PATH {args.field!r} is the whole value: leave PATH out to delete that")
    if location.version() is None:
        raise nothing_at(location.path)

    def change(current: Any) -> Any:
        try:
            _pointer.remove(current, parts)
        except _pointer.Missing:
            raise no_field(location.path, args.field) from None
        return current

    _update(location, args.format, change)


def delete_all(location: Any) -> None:
    """Delete what is stored.

    Raises:
        CommandError: nothing is.
    """
    with Locked(location):
        if location.version() is None:
            raise nothing_at(location.path)
        location.delete()


def put_content(args: argparse.Namespace, location: Any, command: list[str]) -> dict[str, Any]:
    """Publish what standard input or a command brings, if it decodes; return what was done."""
    form = _format_at(location, args.format)
    origin, content = _from_command(command) if command else _from_input()
    if not content:
        raise CommandError(4, f"nothing came from {origin}; nothing was written")
    came = FileFormat(form.name, compression_of(content), "what came")
    with Progress("unpacking", len(content)) as progress:
        inside = came.unpack(WatchedFile(MemoryFile(origin, content), progress), origin)
    with Killable(form.is_long(inside)):
        form.load(inside, origin)
    packed = content if came.methods == form.methods else form.pack(inside)
    overwrite(location, packed)
    return {"location": location.path, "format": form.label, "bytes": len(packed)}


def _from_input() -> tuple[str, bytes]:
    return StandardInput.path, _all_of(StandardInput().read())


def _from_command(command: list[str]) -> tuple[str, bytes]:
    """Run a command; return what it prints.

    Raises:
        CommandError: it has failed, so what it printed may be only a part.
    """
    import subprocess

    name = f"the command {command[0]}"
    try:
        process = subprocess.Popen(command, stdout=subprocess.PIPE)  # noqa: S603 - it is the user's own command
    except OSError as error:
        raise CommandError(1, f"{name} cannot be started: {error.strerror}") from error
    with process:
        content = _all_of(StandardInputFile(process.stdout, name))
    if process.returncode:
        raise CommandError(1, f"{name} has ended with status {process.returncode}; nothing was written")
    return name, content


def _all_of(file: StandardInputFile) -> bytes:
    with Progress(f"reading {file.name}", None) as progress:
        return WatchedFile(file, progress).readall()


def _format_at(location: Any, name: str | None) -> FileFormat:
    """Return the format to write at a place: by the option, the suffix, or what is stored there, whose compression stays."""
    if name is None and by_suffix(location.path) is None and (stored := read(location, None)) is not None:
        return stored.form
    form = for_new(location.path, name)
    file = location.read()
    if file is not None:
        with file:
            form.look_at(file.read(6), location.path)
    return form


def _value(args: argparse.Namespace) -> Any:
    """Return the value that the command line gives.

    Raises:
        CommandError: it is no JSON, or no number to add.
    """
    text = args.value
    try:
        if text == "-":
            text = str(_from_input()[1], sys.stdin.encoding or "utf-8")
        f"{args.field}{text}".encode()  # Python decodes the command line with a surrogate for what is no text
    except UnicodeError as error:
        raise CommandError(2, "PATH and VALUE should be text in the encoding of this terminal, and are not") from error
    if args.string:
        return text
    try:
        value = loads_strictly(text)
    except (ValueError, RecursionError) as error:
        raise CommandError(2, f"VALUE should be JSON, and is not ({error}). For a text without quotes: --string") from error
    if args.add and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise CommandError(2, f"--add takes a number, not {text[:40]!r}")
    return value


def _sum(current: Any, parts: list[str], given: Any, field: str) -> Any:
    try:
        old = 0 if current is _NOTHING else _pointer.find(current, parts)
    except _pointer.Missing:
        old = 0
    if isinstance(old, bool) or not isinstance(old, int | float):
        raise CommandError(4, f"--add needs a number, and {field!r} is of type {type(old).__name__}")
    return old + given


def _update(location: Any, name: str | None, change: Callable[[Any], Any]) -> None:
    """Change what is stored by the store's update(): under the lock of a file, by compare and swap on S3."""
    from .. import AtomicStore

    form = _format_at(location, name)
    try:
        try:
            store: AtomicStore[Any] = AtomicStore(location, _NOTHING, _as_format(form, location.path), on_conflict="raise")
        except (LoadError, MissingLibraryError):
            stored = read(location, name)
            if stored is not None:
                stored.load()  # it is of another format than its name says, or this raises
                form = stored.form
            store = AtomicStore(location, _NOTHING, _as_format(form, location.path), on_conflict="raise")
        if inherit_lock(location):  # update() would wait for the lock that this very program holds
            store.value = change(store.value)
            store.commit()
        else:
            store.update(change)
    except (AtomicStoreError, OSError, MemoryError):
        raise
    except Exception as error:
        raise CommandError(4, f"the value cannot be kept as {form.name} at {location.path!r}: {describe(error)}") from error


def _as_format(form: FileFormat, path: Any) -> Any:
    return form.around(JsonText(path) if form.name == "json" else form.name)
