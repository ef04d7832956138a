"""The command line: look at, edit, convert, check and clean a store from the shell. `atomic-store --help` tells how.

It drives the library and adds no rules of its own: what a store is, when a commit is a conflict and what is stale is
decided where it is decided for programs.
"""

from __future__ import annotations

import errno
import io
import os
import sys

from . import __version__, formats, locations
from .errors import (
    AtomicStoreError,
    ConflictError,
    FormatError,
    LoadError,
    LocationError,
    MissingLibraryError,
    UncertainCommitError,
    describe,
)
from .locations.base import ANY

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable
    from types import TracebackType
    from typing import Any, NoReturn, Self, TextIO

    from _typeshed import WriteableBuffer

    from .checking import Report
    from .locations.base import Location, StoredFile

EXIT_CODES = {
    0: "it is done",
    1: "any other error: the place cannot be read or written, a package is not installed, the editor failed",
    2: "the command line is wrong, or what it names can be no format or no place",
    3: "nothing is stored there",
    4: "the format refuses what is stored, or cannot hold the value",
    5: "conflict: somebody else has changed it meanwhile, or there is something where `convert` would write",
    6: "it is written, but may not last, or nobody can know",
    7: "`check`: at least one promise is not kept",
    130: "interrupted by Ctrl-C; 143 and 129 by SIGTERM and SIGHUP while the editor was open",
    141: "whoever was reading the output has closed it",
}
ENVIRONMENT = {
    "VISUAL, EDITOR": "the editor of `edit`, with its options: the first of them that is set, else vi",
    "TMPDIR": "where `edit` keeps the text while you work on it",
    "NO_COLOR": "if it is set and not empty, no colours",
    "AWS_...": "for s3://, as for every program that uses boto3",
}
_CODES: dict[type[BaseException], int] = {
    MissingLibraryError: 1,
    FormatError: 2,
    LocationError: 2,
    LoadError: 4,
    ConflictError: 5,
    UncertainCommitError: 6,
}

PIECE = 1 << 20  # bytes read or written between two looks at the progress
PATIENCE = 1.0  # seconds of silence
TRIES = 10  # times that the editor is opened: some are scripts, and would go on for ever
LONG = 32 << 20  # bytes which surely take longer than that to decode or to encode


class Failed(AtomicStoreError):
    """What ends a command, with its exit code."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Ended(KeyboardInterrupt):
    """A signal has asked the program to end."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; give the exit code.

    Args:
        arguments: what follows the program's name, None: those of this process.
    """
    streams: Any = (sys.stdout, sys.stderr)
    for stream in streams:
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # what this terminal cannot show
    given: Any = None
    try:
        try:
            given = make_parser().parse_args(arguments)
            code: int = given.run(given)
        except SystemExit as end:  # of argparse, after a help or an error
            code = int(end.code or 0)
            _write_out("")
    except KeyboardInterrupt as interrupt:
        code = 128 + getattr(interrupt, "number", 2)
        _complain(given, interrupt, code)
    except _Closed:
        code = 141
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told in one line
        code = _code(error)
        _complain(given, error, code)
    return code


# --- the commands ----------------------------------------------------------------------------------------------------


def show(given: argparse.Namespace) -> int:
    """Print what is stored."""
    place = locations.resolve(given.location)
    form = Form(given.format, place.path)
    stored = form.read(place)
    if stored is None:
        raise _nothing(place)
    value = form.load(stored[0], place.path)
    if given.json:
        _say(_strict_json(form.plain(value), place.path))
    elif form.name == "json":
        _say(_json_text(value))
    elif form.codec.writes_text(value):
        _say(str(stored[0].removeprefix(b"\xef\xbb\xbf"), "utf-8", "backslashreplace").removesuffix("\n"))
    else:
        _say(_json_text(_readable(value)))
    return 0


def edit(given: argparse.Namespace) -> int:
    """Let the user change what is stored in an editor; nothing typed is lost, whatever happens."""
    place = locations.resolve(given.location)
    form = Form(given.format, place.path)
    content, version = form.read(place, exact=True) or (b"", None)
    draft = _draft(form, content, place.path)
    if version is None:
        draft.notes.append("nothing is stored there yet: what you write will be")
    with Desk(draft, place.path) as desk:
        typed = desk.edit()
        if typed is not None:
            try:
                _write(place, version, form.pack(typed))
            except ConflictError as error:
                raise Failed(
                    5, f"{place.path!r} was changed by somebody else while you edited it; nothing was written"
                ) from error
    outcome = "unchanged" if typed is None else "stored"
    _say(_compact({"location": place.path, "outcome": outcome}) if given.json else f"{place.path!r}: {outcome}")
    return 0


def convert(given: argparse.Namespace) -> int:
    """Store the value of one place at another one, in another format."""
    source, target = locations.resolve(given.source), locations.resolve(given.target)
    old, new = Form(given.from_format, source.path), Form(given.to_format, target.path)
    if not given.force and target.version() is not None:
        raise _exists(target)  # now, rather than after the work; whether it is still so is seen at the end
    stored = old.read(source)
    if stored is None:
        raise _nothing(source)
    content, _ = stored
    with Progress(f"decoding {old.name}", len(content), counted=False):
        value = old.load(content, source.path)
    if old.name != new.name:  # else the bytes are good: comments and all that only this format has stay
        with Progress(f"encoding {new.name}, and reading it back", len(content), counted=False):
            content = new.verified(old.plain(value), target.path)
    packed = new.pack(content)
    try:
        _write(target, ANY if given.force else None, packed)
    except ConflictError as error:
        raise _exists(target) from error
    facts = {"from": source.path, "from_format": old.label, "to": target.path, "to_format": new.label, "bytes": len(packed)}
    _say(
        _compact(facts)
        if given.json
        else f"{target.path!r}: {len(packed)} bytes of {new.label}, from {source.path!r}, {old.label}"
    )
    return 0


def check(given: argparse.Namespace) -> int:
    """Print which promises the place keeps."""
    from . import check as find_out

    report: Report = find_out(given.location)
    if given.json:
        promises = {each.promise: {"kept": each.kept, "text": each.text} for each in report.findings}
        _say(_compact({"location": report.path, "keeps_every_promise": bool(report), "promises": promises}))
    else:
        for line in _visible(str(report), sys.stdout).splitlines():
            colour = {"  yes": "32", "  NO ": "1;31"}.get(line[:5])
            _write_out(line if colour is None else f"  {_painted(line[2:5], colour, sys.stdout)}{line[5:]}")
            _write_out("\n")
    return 0 if report else 7


def clean(given: argparse.Namespace) -> int:
    """Remove what killed programs have left."""
    place = locations.resolve(given.location)
    found = place.clean(dry_run=given.dry_run)
    gone = [name for name, error in found if error is None]
    left = {name: _told(error) for name, error in found if error is not None}
    if given.json:
        _say(_compact({"location": place.path, "dry_run": given.dry_run, "removed": gone, "left": left}))
    else:
        for name in gone:
            _say(f"{'would remove' if given.dry_run else 'removed'} {name}")
        if not found:
            _say(f"{place.path!r}: nothing to remove")
    if left:
        facts = "; ".join(f"{name}: {why}" for name, why in left.items())
        raise Failed(1, f"not everything can be removed: {facts}")
    return 0


# --- formats, as the command line sees them --------------------------------------------------------------------------


class Form:
    """A format and what compresses it, each by itself: one edits the text, and not the compressed bytes.

    Args:
        name: what --format says, such as "yaml" or "pickle.gz"; None: the path's suffix decides.
        path: the place.

    Attributes:
        name: of the format inside.
        label: of all of it.
        codec: of the format inside.
    """

    def __init__(self, name: str | None, path: Any) -> None:
        whole = _by_suffix(path) if name in (None, "auto") else _by_name(name)
        methods: list[str] = []
        inside: Any = whole
        while not isinstance(inside, str):
            methods.insert(0, inside.method)
            inside = inside.format
        self.name: str = inside
        self.codec = formats.resolve(inside)
        suffixes = {method: suffix for suffix, method in formats.COMPRESSIONS.items()}
        self.label = "".join([inside, *(suffixes[method] for method in methods)])
        self._packing: Any = Bytes(f"bytes of {inside}")
        for method in methods:
            from .formats.wrappers import Compressed

            self._packing = Compressed(self._packing, method)
        self._packs = bool(methods)

    def read(self, place: Location, exact: bool = False) -> tuple[bytes, object] | None:
        """Give the encoded value, not compressed any more, and the version; None: nothing is stored."""
        file = place.read(exact)
        if file is None:
            return None
        with file, Progress(f"reading {place.path!r}", file.size) as progress:
            watched = Watched(file, progress)
            content = formats.resolve(self._packing).load(watched) if self._packs else watched.readall()
            return content, file.version

    def load(self, content: bytes, path: Any) -> Any:
        """Decode the value."""
        return self.codec.load(Memory(path, content))

    def plain(self, value: Any) -> Any:
        """Give a loaded value in built-in types."""
        try:
            return value if self.name == "json" else formats.plain(value)
        except RecursionError as error:
            raise Failed(4, "the value contains itself, or is nested too deep") from error

    def verified(self, value: Any, path: Any) -> bytes:
        """Encode a value, if it comes back from that as it is."""
        from .formats.wrappers import Verified

        memory = Memory(path)
        try:
            formats.resolve(Verified(self.name)).dump(value, memory)
        except Exception as error:
            # In its own words; that it was dumped for this place, says the message already.
            raise Failed(4, f"the value cannot be kept as {self.name} at {path!r}: {describe(error)}") from error
        return memory.getvalue()

    def pack(self, content: bytes) -> bytes:
        """Compress the encoded value, where it is to be, and see that it can be unpacked."""
        if not self._packs:
            return content
        from .formats.wrappers import Verified

        memory = Memory(self.label)
        try:
            formats.resolve(Verified(self._packing)).dump(content, memory)
        except FormatError as error:
            raise Failed(4, str(error)) from error
        return memory.getvalue()


class Bytes:
    """A format whose values are bytes, and stay what they are."""

    is_binary = True

    def __init__(self, label: str) -> None:
        self.label = label

    def dump(self, value: bytes, file: Any) -> None:
        """Write the bytes."""
        file.write(value)

    def load(self, file: Any) -> Any:
        """Read the bytes."""
        return file.read()


class Memory(io.BytesIO):
    """A file in memory that is called like the place."""

    def __init__(self, name: Any, content: bytes = b"") -> None:
        super().__init__(content)
        self.name = name
        self.size = len(content)


def _by_suffix(path: Any) -> Any:
    try:
        return formats.by_suffix(path)
    except FormatError as error:
        known = ", ".join([*formats.SUFFIXES, *formats.COMPRESSIONS])
        raise FormatError(
            f"the suffix of {path!r} should say the format, and is none of {known}: name the format. "
            "(A pickle can run code when it is loaded, and so is never guessed)"
        ) from error


def _by_name(name: Any) -> Any:
    """Give the format for a name that may end in the suffix of a compression."""
    inside, _, suffix = name.rpartition(".")
    if f".{suffix}" not in formats.COMPRESSIONS:
        return name
    from .formats.wrappers import Compressed

    return Compressed(_by_name(inside), formats.COMPRESSIONS[f".{suffix}"])


# --- places ----------------------------------------------------------------------------------------------------------


def _write(place: Location, expected: object, content: bytes) -> None:
    with Progress(f"writing {place.path!r}", len(content)) as progress, place.replace(expected) as file:
        for start in range(0, len(content), PIECE):
            piece = content[start : start + PIECE]
            file.write(piece)
            progress.advance(len(piece))


def _nothing(place: Location) -> Failed:
    return Failed(3, f"nothing is stored at {place.path!r}")


def _exists(place: Location) -> Failed:
    return Failed(5, f"there is something at {place.path!r} already, and it was left alone; --force replaces it")


# --- values as JSON --------------------------------------------------------------------------------------------------


def _json_text(value: Any) -> str:
    """Give JSON for people: in lines, and in their own letters where the terminal has them."""
    import json

    text = json.dumps(value, indent=2, ensure_ascii=False)
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return json.dumps(value, indent=2)
    return text


def _strict_json(value: Any, path: Any) -> str:
    """Give JSON for machines, of RFC 8259 and in ASCII."""
    import json

    try:
        return json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise Failed(4, f"the value of {path!r} cannot be given as JSON ({error}); without --json it is shown") from error


def _compact(facts: dict[str, Any]) -> str:
    import json

    return json.dumps(facts)


def _readable(value: Any, outside: tuple[int, ...] = ()) -> Any:
    """Give what JSON can show of a value; what it does not have is a text in <>."""
    part: Any = value  # for type checkers, which know no more of what is inside
    if part is None or isinstance(part, bool | int | float | str):
        return part
    if id(part) in outside:
        return "<...>"
    outside = (*outside, id(part))
    if isinstance(value, dict):
        return {key if isinstance(key, str) else f"<{key!r}>": _readable(item, outside) for key, item in part.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_readable(item, outside) for item in part]
    return f"<{part!r}>"


# --- editing ---------------------------------------------------------------------------------------------------------


class OwnText:
    """A draft in the format's own text.

    Attributes:
        suffix: of the file in which it is edited.
        text: what is to be edited.
        notes: what the user should know before.
    """

    suffix: str

    def __init__(self, form: Form, text: bytes, path: Any) -> None:
        self._form = form
        self._path = path
        self.suffix = "" if form.name in formats.SUFFIXES.values() else f".{form.name}"
        self.notes: list[str] = []
        self.text = text

    def encode(self, text: bytes) -> bytes:
        """Give the encoded value; whatever the format raises is the user's mistake."""
        self._form.load(text, self._path)
        return text


_SCALARS = (type(None), bool, int, float)


class AsJson:
    """A draft of a binary format's value, as JSON.

    What JSON cannot hold is a text such as "<kept 1: datetime.date(2026, 1, 2)>", which stands for it. Attributes
    are those of OwnText.
    """

    MARK = "<kept "

    suffix = ".json"

    def __init__(self, form: Form, value: Any, path: Any) -> None:
        self._form = form
        self._path = path
        self._kept: dict[str, Any] = {}
        self._outside: set[int] = set()
        shown = self._shown(value)
        if isinstance(shown, str) and shown in self._kept:
            raise Failed(4, f"the value of {path!r} cannot be edited as JSON, for it is a {type(value).__name__}")
        self.text = _lines(shown)
        self.notes: list[str] = []
        if self._kept:
            self.notes.append(
                f"JSON cannot hold {len(self._kept)} part(s) of the value. Each is shown as a text: leave that as it is to "
                "keep the part, or put JSON in its place"
            )

    def encode(self, text: bytes) -> bytes:
        """Give the encoded value; whatever is raised is the user's mistake."""
        import json

        value = self._restored(json.loads(str(text, "utf-8"), object_pairs_hook=_without_doubles))
        return self._form.verified(value, self._path)

    def _shown(self, value: Any) -> Any:
        kind: Any = value.__class__
        if kind is str and not value.startswith(self.MARK):
            return value
        # A format that keeps no Python objects has no ints but ints: pymongo's Int64 is one.
        if kind in _SCALARS or (issubclass(kind, int) and not self._form.codec.functions.objects):
            return value
        if kind is not dict and kind is not list:
            return self._keep(value)
        if id(value) in self._outside:
            raise Failed(4, f"the value of {self._path!r} cannot be edited as JSON, for it contains itself")
        self._outside.add(id(value))
        shown: Any = (
            [self._shown(item) for item in value]
            if kind is list
            else {self._shown_key(key): self._shown(item) for key, item in value.items()}
        )
        self._outside.remove(id(value))
        return shown

    def _shown_key(self, key: Any) -> str:
        return key if type(key) is str and not key.startswith(self.MARK) else self._keep(key)

    def _keep(self, part: Any) -> str:
        from reprlib import Repr

        short = Repr()
        short.maxother = short.maxstring = 60
        mark = f"{self.MARK}{len(self._kept) + 1}: {short.repr(part)}>"
        self._kept[mark] = part
        return mark

    def _restored(self, data: Any) -> Any:
        part: Any = data
        if isinstance(data, str) and data.startswith(self.MARK):
            if data not in self._kept:
                raise ValueError(f"{data!r} stands for no part of the value: {', '.join(self._kept) or 'none was kept'}")
            return self._kept[data]
        if isinstance(data, list):
            return [self._restored(item) for item in part]
        if isinstance(data, dict):
            return {self._restored(key): self._restored(item) for key, item in part.items()}
        return part


def _draft(form: Form, content: bytes, path: Any) -> OwnText | AsJson:
    """Give what is to be edited."""
    text = form.codec.functions.text
    if not content:  # of a place that holds nothing yet, or of an empty file
        return OwnText(form, content, path) if text else AsJson(form, None, path)
    try:
        value = form.load(content, path)
    except LoadError as error:
        if not text:
            raise
        draft = OwnText(form, content, path)
        draft.notes.append(f"what is stored is damaged. {_mistake(error)}")
        return draft
    if not form.codec.writes_text(value):
        return AsJson(form, value, path)
    if form.name == "json" and b"\n" not in content.strip():
        return OwnText(form, _lines(value), path)  # nobody can edit a value that is all in one line
    return OwnText(form, content, path)


class Desk:
    """A file in a directory of its own, in which a draft is edited. What was typed stays there unless it is stored.

    Args:
        draft: what is to be edited.
        path: the place; the file is called like it.
    """

    def __init__(self, draft: OwnText | AsJson, path: str) -> None:
        self._draft = draft
        # A short name is enough; without the suffix of a compression, so that the editor knows the language.
        name = os.path.basename(path)[-80:]
        while os.path.splitext(name)[1].lower() in formats.COMPRESSIONS:
            name = os.path.splitext(name)[0]
        self._name = name + draft.suffix
        self._header: list[bytes] = []

    def __enter__(self) -> Self:
        import signal
        import tempfile

        self._directory = tempfile.mkdtemp(prefix="atomic-store-")
        self.path = os.path.join(self._directory, self._name)
        self._before: dict[int, Any] = {}
        for name in ("SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) == signal.SIG_DFL:
                self._before[number] = signal.signal(number, _end)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        import shutil
        import signal

        for number, handler in self._before.items():
            signal.signal(number, handler)
        kept = self._worth_keeping() if error is not None else []
        if error is not None and kept:
            error.add_note(f"what was typed is kept in {', '.join(map(repr, kept))}")
        else:
            shutil.rmtree(self._directory, ignore_errors=True)

    def edit(self) -> bytes | None:
        """Let the user edit until it is right; give the encoded value, None: it was left as it is.

        Raises:
            Failed: the editor failed, or was left with a mistake.
        """
        for note in self._draft.notes:
            _warn(note)
        self._lay(self._draft.text, self._draft.notes)
        last = None
        tries = 0
        while True:
            tries += 1
            _run_editor(self.path)
            typed = self._typed()
            if _same(typed, self._draft.text):
                return None
            try:
                return self._draft.encode(typed)
            except Exception as error:
                mistake = _mistake(error)
                if tries == TRIES or (last is not None and _same(typed, last)):
                    raise Failed(4, f"nothing was changed. {mistake}") from error
            last = typed
            _warn(mistake)
            self._lay(
                typed, [mistake, "Nothing was changed yet; lines are counted after these. To give up, leave the text alone"]
            )

    def _lay(self, text: bytes, notes: list[str]) -> None:
        """Put a text, with lines before it that are not part of it, in the file; a text that is there stays until then."""
        lines = [line for note in notes for line in _one_line(note).splitlines()]
        self._header = [f"# atomic-store: {line}".encode("utf-8", "backslashreplace") for line in lines]
        _write(locations.resolve(self.path), ANY, b"".join(line + b"\n" for line in self._header) + text)

    def _typed(self) -> bytes:
        """Give the text, without those lines."""
        with open(self.path, "rb") as file:
            text = file.read()
        while self._header:
            line, _, rest = text.partition(b"\n")
            if line.rstrip() not in self._header:
                break
            text = rest
        return text

    def _worth_keeping(self) -> list[str]:
        """Give the files that hold what was typed, or may hold it: editors leave some of their own when they are killed."""
        names = sorted(os.listdir(self._directory))
        if names == [self._name] and _same(self._typed(), self._draft.text):
            return []
        return [os.path.join(self._directory, name) for name in names]


def _run_editor(path: str) -> None:
    import shlex
    import signal
    import subprocess

    command = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    # Ctrl-C is for the editor, which is in the foreground. A function, and not SIG_IGN, which the editor would inherit.
    before = signal.signal(signal.SIGINT, _let_pass)
    try:
        process = subprocess.Popen([*shlex.split(command), path])  # noqa: S603 - it is the user's own editor
        try:
            status = process.wait()
        except Ended:
            process.returncode = 0  # it goes on without us, with what is not saved yet; Popen is not to complain of that
            raise
    except (OSError, ValueError) as error:
        raise Failed(1, f"the editor {command!r} cannot be started: {error}. Set VISUAL or EDITOR") from error
    finally:
        signal.signal(signal.SIGINT, before)
    if status:
        end = f"was killed by signal {-status}" if status < 0 else f"has ended with status {status}"
        raise Failed(1, f"the editor {command!r} {end}; nothing was changed")


def _let_pass(number: int, frame: object) -> None:
    pass


def _end(number: int, frame: object) -> NoReturn:  # noqa: ARG001 - what a signal handler gets
    raise Ended(number)


def _lines(value: Any) -> bytes:
    import json

    try:
        return json.dumps(value, indent=2, ensure_ascii=False).encode() + b"\n"
    except UnicodeEncodeError:  # half a pair of surrogates
        return json.dumps(value, indent=2).encode() + b"\n"


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make a dict of what stands in an object, and lose nothing on the way."""
    made = dict(pairs)
    if len(made) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(name for name in names if names.count(name) > 1)!r} is there twice")
    return made


def _same(text: bytes, other: bytes) -> bool:
    """Say whether two texts differ at most in the line's end that editors add to the last line."""
    return text.rstrip(b"\r\n") == other.rstrip(b"\r\n")


def _mistake(error: Exception) -> str:
    """Say what is wrong with a text: of a refusal, the format's own words."""
    if isinstance(error, LoadError) and error.__cause__ is not None:
        return f"It is not {error.format}: {describe(error.__cause__)}"
    return str(error) if isinstance(error, AtomicStoreError) else describe(error)


# --- the terminal ----------------------------------------------------------------------------------------------------


class Progress:
    """Tells on a terminal how far a step is, if it takes long: by tqdm where that is installed, else in plain text.

    Args:
        what: the step.
        total: how many bytes it is about, None: not known.
        counted: whether it says by advance() how many are done.
    """

    def __init__(self, what: str, total: int | None, counted: bool = True) -> None:
        import time

        self._clock = time.monotonic
        self._what = what
        self._total = total
        self._counted = counted
        self._done = 0
        self._bar: Any = None
        self._line = ""

    def __enter__(self) -> Self:
        self._begin = self._clock()
        if not self._counted and (self._total or 0) >= LONG:
            self._print(self._what)
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()
        self._print("")

    def advance(self, size: int) -> None:
        """Say that so many bytes more are done."""
        self._done += size
        if self._clock() - self._begin < PATIENCE or not _is_terminal(sys.stderr):
            return
        tqdm = _tqdm()
        if tqdm is None:
            self._print(f"{self._what}: {self._done >> 20} of {(self._total or 0) >> 20 or '?'} MB")
            return
        if self._bar is None:
            self._bar = tqdm(total=self._total, desc=self._what, unit="B", unit_scale=True, unit_divisor=1024, leave=False)
        self._bar.update(self._done - self._bar.n)

    def _print(self, text: str) -> None:
        """Write over what this line has shown before."""
        if text != self._line and _is_terminal(sys.stderr):
            # Spaces, for not every terminal knows how to erase a line.
            _write_err("\r" + " " * len(self._line) + "\r" + _visible(text, sys.stderr))
            self._line = text


class Watched(io.RawIOBase):
    """A stored file, which tells how much of it was read."""

    def __init__(self, file: StoredFile, progress: Progress) -> None:
        self._file = file
        self._progress = progress
        self.name = file.name
        self.size = file.size

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Read what comes next into the buffer."""
        size: int = self._file.readinto(buffer) or 0
        self._progress.advance(size)
        return size

    def readall(self) -> bytes:
        """Read all the rest, in larger pieces than the base class would."""
        return b"".join(iter(lambda: self.read(PIECE), b""))


class _Closed(Exception):
    """Whoever was reading our output does so no more."""


def _tqdm() -> Any:
    """Give tqdm, None where the extra [cli] is not installed."""
    try:
        return __import__("tqdm").tqdm  # here: 40 ms that only long work on a terminal pays
    except ImportError:
        return None


def _say(text: str) -> None:
    """Print what the command is to tell."""
    _write_out(f"{_visible(text, sys.stdout)}\n")


def _write_out(text: str) -> None:
    """Write to the standard output, and see that it is out.

    Raises:
        _Closed: nobody reads it.
        OSError: it cannot be written.
    """
    stream: Any = sys.stdout  # None where the program was started without one
    try:
        if stream is None:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        buffer = getattr(stream, "buffer", None)
        if buffer is None:
            stream.write(text)
        else:
            stream.flush()
            data = memoryview(text.encode(stream.encoding, "backslashreplace"))
            while data:  # with PYTHONUNBUFFERED a write may take less, and the text layer drops the rest without a word
                data = data[buffer.write(data) or 0 :]
        (stream if buffer is None else buffer).flush()
    except OSError as error:
        _silence(stream)
        if isinstance(error, BrokenPipeError):
            raise _Closed from error
        raise OSError(error.errno, f"the output cannot be written: {error.strerror}") from error


def _warn(text: str) -> None:
    """Print a line that is not the command's result."""
    _write_err(f"{_painted('atomic-store:', '1;31', sys.stderr)} {_visible(_one_line(text), sys.stderr)}\n")


def _write_err(text: str) -> None:
    stream: Any = sys.stderr
    if stream is not None:
        try:
            stream.write(text)
            stream.flush()
        except OSError:
            _silence(stream)  # there is nobody left to tell


def _silence(stream: Any) -> None:
    """Let a stream that has failed take what is still in it: the interpreter writes that at its end, and would complain."""
    if stream is not None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def _complain(given: Any, error: BaseException, code: int) -> None:
    if getattr(given, "debug", False):
        import traceback

        traceback.print_exception(error)
    text = "; ".join([_told(error), *getattr(error, "__notes__", ())])
    if getattr(given, "json", False):
        _write_err(_compact({"error": _one_line(text), "type": type(error).__name__, "exit_code": code}) + "\n")
    else:
        _warn(text)


def _code(error: Exception) -> int:
    if isinstance(error, Failed):
        return error.code
    return next((code for kind, code in _CODES.items() if isinstance(error, kind)), 1)


def _told(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    if isinstance(error, OSError) and error.strerror is not None:
        return error.strerror if error.filename is None else f"{error.filename!r}: {error.strerror}"
    return str(error) if isinstance(error, AtomicStoreError) else describe(error)


def _one_line(text: str) -> str:
    return "; ".join(line.strip() for line in text.splitlines() if line.strip())


def _visible(text: str, stream: TextIO) -> str:
    """Give the text with the characters escaped that a terminal would obey."""
    if not _is_terminal(stream):
        return text
    obeyed = {*range(32), *range(127, 160)} - {9, 10}
    return text.replace("\r\n", "\n").translate({number: f"\\u{number:04x}" for number in obeyed})


def _painted(text: str, colour: str, stream: TextIO) -> str:
    """Give the text in a colour, where there are any (https://no-color.org)."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM", "dumb") == "dumb" or not _is_terminal(stream)
    return text if plain else f"\x1b[{colour}m{text}\x1b[0m"


def _is_terminal(stream: Any) -> bool:
    return stream is not None and not stream.closed and stream.isatty()


# --- the words -------------------------------------------------------------------------------------------------------

EXAMPLES = {
    "show": """\
  atomic-store show runs.json
  atomic-store show settings.yaml --json | jq .port
  atomic-store show s3://bucket/state.bson
  atomic-store show old.dat --format pickle      # runs what the pickle says""",
    "edit": """\
  atomic-store edit settings.toml
  EDITOR="code --wait" atomic-store edit s3://bucket/state.bson""",
    "convert": """\
  atomic-store convert settings.yaml settings.json
  atomic-store convert runs.json s3://bucket/runs.json.gz
  atomic-store convert old.dat new.cbor --from-format pickle --force""",
    "check": """\
  atomic-store check /mnt/share/state.json
  atomic-store check s3://bucket/state.json || echo 'do not rely on it'""",
    "clean": """\
  atomic-store clean --dry-run state.json
  atomic-store clean s3://bucket/state.json""",
}


def make_parser() -> argparse.ArgumentParser:
    """Make what understands the command line; docs/reference/command-line.md is written from it as well."""
    import argparse

    class Help(argparse.RawDescriptionHelpFormatter):
        """argparse's, which by itself asks shutil for the width: 7 ms of imports."""

        def __init__(self, prog: str) -> None:
            super().__init__(prog, width=_width())

        def _fill_text(self, text: str, width: int, indent: str) -> str:
            # What has lines of its own keeps them.
            fill = super()._fill_text if "\n" in text else argparse.HelpFormatter._fill_text.__get__(self)
            return fill(text, width, indent)

    class Parser(argparse.ArgumentParser):
        """argparse's, with errors in one line."""

        def error(self, message: str) -> NoReturn:
            _warn(f"{message} (`{self.prog} --help` tells more)")
            raise SystemExit(2)

    codes = "\n".join(f"  {code:3}  {meaning}" for code, meaning in EXIT_CODES.items())
    variables = "\n".join(f"  {name}: {meaning}" for name, meaning in ENVIRONMENT.items())
    parser = Parser(
        prog="atomic-store",
        description="Look at, edit, convert, check and clean a store: one value in one file, or in one object on S3.",
        epilog=f"exit codes:\n{codes}\n\nenvironment:\n{variables}",
        formatter_class=Help,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"atomic-store {__version__}", help="print the version")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, prog="atomic-store")

    def add(run: Callable[[argparse.Namespace], int], help: str, description: str) -> argparse.ArgumentParser:
        name = run.__name__
        command: argparse.ArgumentParser = commands.add_parser(
            name,
            help=help,
            description=description,
            epilog=f"examples:\n{EXAMPLES[name]}",
            formatter_class=Help,
            allow_abbrev=False,
        )
        command.set_defaults(run=run)
        return command

    place = "a file's path, or s3://bucket/key"
    form = (
        f"{', '.join(formats.NAMES)}, or a name that an installed package adds; .gz, .bz2, .xz or .zst may follow. "
        "Without it the suffix decides, and never for pickle, for loading one runs what it says"
    )

    command = add(
        show,
        "print what is stored",
        "Print the value, readable: JSON, YAML and TOML as such, binary formats as JSON. What JSON does not have is "
        "shown as a text in <>.",
    )
    command.add_argument("location", metavar="LOCATION", help=place)
    command.add_argument("--format", metavar="FORMAT", help=f"the format: {form}")
    _add_common(command, "print the value as one line of JSON, in ASCII, or fail if JSON cannot hold it")

    command = add(
        edit,
        "change what is stored, in an editor",
        "Open the value in your editor, as the format's own text, or as JSON if the format is binary. When you leave the "
        "editor, the text is tried; a mistake opens the editor again, with the message in the first lines. "
        "What is right replaces what is stored, all or nothing, unless somebody else has changed it meanwhile. "
        "Whatever goes wrong, what you typed is kept in a file that the message names.",
    )
    command.add_argument("location", metavar="LOCATION", help=f"{place}; where nothing is stored yet, you begin anew")
    command.add_argument("--format", metavar="FORMAT", help=f"the format: {form}")
    _add_common(command, "print the outcome as JSON")

    command = add(
        convert,
        "store a value in another format, at another place",
        "Store the value of one place at another one. Before anything is published the new bytes are decoded again "
        "and compared: what the new format cannot hold, or gives back as something else, is an error. "
        "Between two places of one format, the text stays as it is, with its comments.",
    )
    command.add_argument("source", metavar="FROM", help=place)
    command.add_argument("target", metavar="TO", help=place)
    command.add_argument("--from-format", metavar="FORMAT", help=f"the format of FROM: {form}")
    command.add_argument("--to-format", metavar="FORMAT", help="the format of TO, likewise")
    command.add_argument("--force", action="store_true", help="replace what is stored at TO; without it, only create")
    _add_common(command, "print what was written as JSON")

    command = add(
        check,
        "find out whether a place can keep the promises",
        "Find out whether a place keeps the library's promises, with scratch names of its own that are removed again. "
        "What is stored is not touched.",
    )
    command.add_argument("location", metavar="LOCATION", help=f"{place}; it need not hold anything yet")
    _add_common(command, "print the report as JSON")

    command = add(
        clean,
        "remove what killed programs have left",
        "Remove the temporary files, or abort the uploads, that killed programs have left of this very store. What may "
        "belong to a program at work is left alone: a file that is locked or younger than a minute, an upload "
        "younger than a day.",
    )
    command.add_argument("location", metavar="LOCATION", help=place)
    command.add_argument("--dry-run", action="store_true", help="only print what would be removed")
    _add_common(command, "print what was removed as JSON")
    return parser


def _add_common(command: argparse.ArgumentParser, json: str) -> None:
    command.add_argument("--json", action="store_true", help=f"{json}; errors are JSON as well")
    command.add_argument("--debug", action="store_true", help="show where an error comes from, with its traceback")


def _width() -> int:
    try:
        return int(os.environ.get("COLUMNS") or os.get_terminal_size().columns) - 2
    except (OSError, ValueError):
        return 78
