"""The commands: each a function of the parsed arguments that returns the exit code."""

from __future__ import annotations

import sys

from .. import locations
from ..errors import ConflictError
from ..locations import ANY
from ._formats import FileFormat, already_exists, json_text, nothing_stored, publish, readable, strict_json
from ._terminal import CommandError, Progress, compact, painted, say, told, visible, write_out

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from ..checking import Report


def show(args: argparse.Namespace) -> int:
    """Print what is stored."""
    place = locations.resolve(args.location)
    form = FileFormat(args.format, place.path)
    stored = form.read(place)
    if stored is None:
        raise nothing_stored(place)
    value = form.load(stored[0], place.path)
    if args.json:
        say(strict_json(form.plain(value), place.path))
    elif form.name == "json":
        say(json_text(value))
    elif form.codec.writes_text(value):
        say(str(stored[0].removeprefix(b"\xef\xbb\xbf"), "utf-8", "backslashreplace").removesuffix("\n"))
    else:
        say(json_text(readable(value)))
    return 0


def edit(args: argparse.Namespace) -> int:
    """Let the user change what is stored in an editor; nothing typed is lost, whatever happens."""
    from ._editing import Workspace, make_draft

    place = locations.resolve(args.location)
    form = FileFormat(args.format, place.path)
    content, version = form.read(place, exact=True) or (b"", None)
    draft = make_draft(form, content, place.path)
    if version is None:
        draft.notes.append("nothing is stored there yet: what you write will be")
    with Workspace(draft, place.path) as desk:
        typed = desk.edit()
        if typed is not None:
            try:
                publish(place, version, form.pack(typed))
            except ConflictError as error:
                raise CommandError(
                    5, f"{place.path!r} was changed by somebody else while you edited it; nothing was written"
                ) from error
    outcome = "unchanged" if typed is None else "stored"
    say(compact({"location": place.path, "outcome": outcome}) if args.json else f"{place.path!r}: {outcome}")
    return 0


def convert(args: argparse.Namespace) -> int:
    """Store the value of one place at another one, in another format."""
    source, target = locations.resolve(args.source), locations.resolve(args.target)
    old, new = FileFormat(args.from_format, source.path), FileFormat(args.to_format, target.path)
    if not args.force and target.version() is not None:
        raise already_exists(target)  # now, rather than after the work; whether it is still so is seen at the end
    stored = old.read(source)
    if stored is None:
        raise nothing_stored(source)
    content, _ = stored
    with Progress(f"decoding {old.name}", len(content), counted=False):
        value = old.load(content, source.path)
    if old.name != new.name:  # else the bytes are good: comments and all that only this format has stay
        with Progress(f"encoding {new.name}, and reading it back", len(content), counted=False):
            content = new.verified(old.plain(value), target.path)
    packed = new.pack(content)
    try:
        publish(target, ANY if args.force else None, packed)
    except ConflictError as error:
        raise already_exists(target) from error
    facts = {"from": source.path, "from_format": old.label, "to": target.path, "to_format": new.label, "bytes": len(packed)}
    say(
        compact(facts)
        if args.json
        else f"{target.path!r}: {len(packed)} bytes of {new.label}, from {source.path!r}, {old.label}"
    )
    return 0


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
    """Remove what killed programs have left."""
    place = locations.resolve(args.location)
    found = place.clean(dry_run=args.dry_run)
    gone = [name for name, error in found if error is None]
    left = {name: told(error) for name, error in found if error is not None}
    if args.json:
        say(compact({"location": place.path, "dry_run": args.dry_run, "removed": gone, "left": left}))
    else:
        for name in gone:
            say(f"{'would remove' if args.dry_run else 'removed'} {name}")
        if not found:
            say(f"{place.path!r}: nothing to remove")
    if left:
        facts = "; ".join(f"{name}: {why}" for name, why in left.items())
        raise CommandError(1, f"not everything can be removed: {facts}")
    return 0
