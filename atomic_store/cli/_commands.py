"""The commands: each a function of the parsed arguments that returns the exit code."""

from __future__ import annotations

import os
import sys

from ..errors import ConflictError
from ..store import locate
from ._formats import BOM, StandardInput, for_new, no_field, nothing_at, overwrite, publish, read, writable
from ._terminal import CommandError, Killable, Progress, compact, message_of, painted, say, visible, write_bytes, write_out

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

    from ..checking import Report
    from ._formats import FileFormat, Stored


def show(args: argparse.Namespace) -> int:
    """Print what is stored."""
    stored, path = _read(args)
    value = stored.load()
    own_text = stored.form.name != "json" and not (args.json or args.compact or args.indent)
    if own_text and stored.form.codec.writes_text(value):
        text = str(stored.content.removeprefix(BOM), "utf-8", "backslashreplace")
        say(text.removesuffix("\n"))
    else:
        from ._output import say_value

        with stored.printing():
            say_value(value, stored.form, args, path)
    return 0


def get(args: argparse.Namespace) -> int:
    """Print one field of what is stored."""
    from . import _output, _pointer

    parts = _pointer.parse(args.field)
    stored, path = _read(args)
    try:
        field = _pointer.find(stored.load(), parts)
    except _pointer.Missing:
        raise no_field(path, args.field) from None
    if args.raw:
        say(_output.raw(stored.form.plain(field), path))
    else:
        with stored.printing():
            _output.say_value(field, stored.form, args, path)
    return 0


def set_field(args: argparse.Namespace) -> int:
    """Change one field of what is stored, without losing any other change."""
    from ._changing import set_field

    value = set_field(args, writable(args.location))
    if args.json:
        say(compact({"location": args.location, "field": args.field, "value": value}))
    elif args.add:
        say(compact(value))
    return 0


def delete(args: argparse.Namespace) -> int:
    """Delete one field of what is stored, or all of it."""
    from ._changing import delete_all, delete_field

    location = writable(args.location)
    if args.field is None:
        delete_all(location)
    else:
        delete_field(args, location)
    if args.json:
        say(compact({"location": args.location, "field": args.field, "outcome": "deleted"}))
    return 0


def edit(args: argparse.Namespace) -> int:
    """Open what is stored in an editor, and store the edited text; nothing typed is lost, whatever happens."""
    from ._editing import Workspace, make_draft

    location = writable(args.location)
    stored = read(location, args.format, exact=True)
    form = for_new(location.path, args.format) if stored is None else stored.form
    draft = make_draft(form, stored, location.path)
    form = form if stored is None else stored.form
    if stored is None:
        draft.notes.append("nothing is stored there yet: what you write will be")
    with Workspace(draft, location.path) as workspace:
        typed = workspace.edit()
        if typed is not None:
            try:
                publish(location, None if stored is None else stored.version, form.pack(typed))
            except ConflictError as error:
                raise CommandError(
                    5, f"{location.path!r} was changed by another program while you edited it; nothing was written"
                ) from error
    outcome = "unchanged" if typed is None else "stored"
    say(compact({"location": location.path, "outcome": outcome}) if args.json else f"{location.path!r}: {outcome}")
    return 0


def put(args: argparse.Namespace) -> int:
    """Store what standard input or a command brings, if it decodes."""
    from ._changing import put_content

    facts = put_content(args, writable(args.location), args.command)
    if args.json:
        say(compact(facts))
    return 0


def convert(args: argparse.Namespace) -> int:
    """Store the value of one place at another one, in another format."""
    target = None if args.target == "-" else writable(args.target, _mode(args.source))
    place = "standard output" if target is None else target.path
    new = for_new(place, args.to_format, "--to")
    if target is not None and not args.force and target.version() is not None:
        raise _exists(target)  # now, and not after the work; the write compares again
    source = _source(args.source)
    stored = read(source, args.from_format, option="--from")
    if stored is None:
        raise nothing_at(source.path)
    value = stored.load()
    old, content = stored.form, stored.content
    if old.name != new.name:  # else the text stays as it is, with its comments
        from ._json import loads_exactly

        if old.name == "json":
            value = loads_exactly(content, source.path)
        long = new.is_long(content)
        with Progress(f"encoding {new.name}, and reading it back", len(content), announce=long), Killable(long):
            content = new.encode(old.plain(value), place)
    packed = new.pack(content)
    if target is None:
        _write_bytes(packed, new)
        return 0
    if args.force:
        overwrite(target, packed)
    else:
        try:
            publish(target, None, packed)
        except ConflictError as error:
            raise _exists(target) from error
    facts = {"from": source.path, "from_format": old.label, "to": place, "to_format": new.label, "bytes": len(packed)}
    text = f"{place!r}: {len(packed)} bytes of {new.label}, from {source.path!r}, {old.label}"
    say(compact(facts) if args.json else text)
    return 0


def run(args: argparse.Namespace) -> int:
    """Become a command that holds the lock of a store."""
    from ._locking import run_locked

    return run_locked(args.lock, args.timeout, args.command)


def _write_bytes(content: bytes, form: FileFormat) -> None:
    """Write encoded bytes to the standard output; a terminal gets text only, and a line end after it."""
    if sys.stdout is not None and sys.stdout.isatty():
        if form.methods or not form.is_text:
            raise CommandError(2, f"{form.label} is not text for a terminal: redirect the output to a file or a pipe")
        say(str(content, "utf-8").removesuffix("\n"))
    else:
        write_bytes(content)


def check(args: argparse.Namespace) -> int:
    """Print which promises the place keeps."""
    from .. import check as find_out

    report: Report = find_out(args.location)
    if args.json:
        promises = {each.promise: {"kept": each.kept, "text": each.text} for each in report.findings}
        say(compact({"location": report.path, "keeps_every_promise": bool(report), "promises": promises}))
    else:
        for line in visible(str(report), sys.stdout).splitlines():
            colour = {"  yes": "32", "  NO ": "1;31"}.get(line[:5])
            write_out(line if colour is None else f"  {painted(line[2:5], colour, sys.stdout)}{line[5:]}")
            write_out("\n")
    return 0 if report else 7


def clean(args: argparse.Namespace) -> int:
    """Remove what killed programs have left, and say what is left alone."""
    location = writable(args.location)
    found = location.clean(dry_run=args.dry_run)
    spared: dict[str, str] = dict(location.left_by_clean())
    gone = [name for name, error in found if error is None]
    failed = {name: message_of(error) for name, error in found if error is not None}
    if args.json:
        facts = {"dry_run": args.dry_run, "removed": gone, "left": failed, "left_alone": spared}
        say(compact({"location": location.path, **facts}))
    else:
        for name in gone:
            say(f"{'would remove' if args.dry_run else 'removed'} {name}")
        if not found:
            say(f"{location.path!r}: nothing to remove")
        reasons = list(spared.values())
        for reason in dict.fromkeys(reasons):
            say(f"left alone: {reasons.count(reason)}, {reason}")
    if failed:
        told = "; ".join(f"{name}: {why}" for name, why in failed.items())
        raise CommandError(1, f"not everything can be removed: {told}")
    return 0


def completion(args: argparse.Namespace) -> int:
    """Print the script by which a shell completes the command."""
    from ..errors import MissingLibraryError

    try:
        from argcomplete.shell_integration import shellcode
    except ImportError as error:
        raise MissingLibraryError(
            f'completion needs the package argcomplete: pip install "atomic-store[cli]" ({error})'
        ) from error
    write_out(shellcode(["atomic-store"], shell=args.shell))
    return 0


def _read(args: argparse.Namespace) -> tuple[Stored, Any]:
    source = _source(args.location)
    stored = read(source, args.format)
    if stored is None:
        raise nothing_at(source.path)
    return stored, source.path


def _source(text: str) -> Any:
    return StandardInput() if text == "-" else locate(text)


def _mode(source: str) -> int | None:
    """Return the permissions of a local file; None: it is none, or there is none."""
    try:
        return os.stat(source).st_mode & 0o777
    except (OSError, ValueError):
        return None


def _exists(location: Any) -> CommandError:
    return CommandError(5, f"there is something at {location.path!r} already, and it was left alone; --force replaces it")
