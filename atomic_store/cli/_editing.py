"""What `edit` needs: a draft, a directory to edit it in, the editor."""

from __future__ import annotations

import os

from ..errors import LoadError
from ..formats import wrappers
from ..locations import ANY
from ..store import locate
from ._formats import mistake_in, publish
from ._json import in_lines, loads
from ._terminal import CommandError, Terminated, message_of, one_line, warn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any, NoReturn, Self

    from ._formats import FileFormat, Stored

MARK = b"# atomic-store: "  # begins the lines that are not part of the text
TRIES = 10  # times that the editor is opened: some editors are scripts, which would repeat a mistake for ever


class TextDraft:
    """A draft in the format's own text.

    Attributes:
        suffix: of the file in which it is edited.
        text: what is to be edited.
        notes: what the user should know before.
    """

    suffix: str

    def __init__(self, form: FileFormat, text: bytes, path: Any) -> None:
        self._form = form
        self._path = path
        self.suffix = "" if form.name in wrappers.SUFFIXES.values() else f".{form.name}"
        self.notes: list[str] = []
        self.text = text

    def encode(self, text: bytes) -> bytes:
        """Return the encoded value; whatever is raised is the user's mistake."""
        if self.text.strip() and not text.strip():
            raise CommandError(4, f"The text is empty. To delete what is stored: atomic-store delete {self._path!r}")
        self._form.load(text, self._path)
        return text


_SCALARS = (type(None), bool, int, float)


class JsonDraft:
    """A draft of a binary format's value, as JSON.

    What JSON cannot hold is a text such as "<kept 1: datetime.date(2026, 1, 2)>", which stands for it. Attributes
    are those of TextDraft.
    """

    MARK = "<kept "

    suffix = ".json"

    def __init__(self, form: FileFormat, value: Any, path: Any) -> None:
        self._form = form
        self._keeps_objects = form.keeps_objects
        self._path = path
        self._kept: dict[str, Any] = {}
        self._outside: set[int] = set()
        shown = self._shown(value)
        if isinstance(shown, str) and shown in self._kept:
            raise CommandError(4, f"the value of {path!r} cannot be edited as JSON, for it is a {type(value).__name__}")
        self.text = _lines(shown)
        self.notes: list[str] = []
        if self._kept:
            self.notes.append(
                f"JSON cannot hold {len(self._kept)} part(s) of the value. Each is shown as a text: leave that as it is to "
                "keep the part, or put JSON in its place"
            )

    def encode(self, text: bytes) -> bytes:
        """Return the encoded value; whatever is raised is the user's mistake."""
        value = self._restored(loads(str(text, "utf-8")))
        return self._form.encode(value, self._path)

    def _shown(self, value: Any) -> Any:
        kind: Any = value.__class__
        if kind is str and not value.startswith(self.MARK):
            return value
        # A format that keeps no Python objects has no ints but ints: pymongo's Int64 is one.
        if kind in _SCALARS or (issubclass(kind, int) and not self._keeps_objects):
            return value
        if kind is not dict and kind is not list:
            return self._keep(value)
        if id(value) in self._outside:
            raise CommandError(4, f"the value of {self._path!r} cannot be edited as JSON, for it contains itself")
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


def make_draft(form: FileFormat, stored: Stored | None, path: Any) -> TextDraft | JsonDraft:
    """Return what is to be edited."""
    if stored is None or not stored.content:
        return TextDraft(form, b"", path) if form.is_text else JsonDraft(form, None, path)
    try:
        value = stored.load()
    except LoadError as error:
        if not form.is_text:
            raise
        draft = TextDraft(form, stored.content, path)
        draft.notes.append(f"what is stored cannot be read. {mistake_in(error)}")
        return draft
    form = stored.form
    if not form.codec.writes_text(value):
        return JsonDraft(form, value, path)
    if form.name == "json" and b"\n" not in stored.content.strip():
        return TextDraft(form, in_lines(stored.content), path)  # a person cannot edit a value in one line
    return TextDraft(form, stored.content, path)


class Workspace:
    """A file in a directory of its own, for editing a draft. What was typed stays there unless it is stored.

    Args:
        draft: what is to be edited.
        path: the place; the file is called like it.
    """

    def __init__(self, draft: TextDraft | JsonDraft, path: str) -> None:
        self._draft = draft
        self._place = path
        # A short name is enough; without the suffix of a compression, so that the editor knows the language.
        name = os.path.basename(path)[-80:]
        while os.path.splitext(name)[1].lower() in wrappers.COMPRESSIONS:
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
                self._before[number] = signal.signal(number, _terminate)
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
        """Open the editor until the text is valid; return the encoded value, or None if it was left as it is.

        Raises:
            CommandError: the editor failed, or was left with a mistake.
        """
        for note in self._draft.notes:
            warn(note)
        self._lay(self._draft.text, self._draft.notes)
        last = None
        tries = 0
        while True:
            tries += 1
            _run_editor(self.path)
            try:
                typed = self._typed()
            except OSError as error:
                raise CommandError(
                    1, f"{self._place!r} is unchanged: the editor has left no text to read ({message_of(error)})"
                ) from error
            if _same(typed, self._draft.text):
                return None
            try:
                return self._draft.encode(typed)
            except Exception as error:
                mistake = mistake_in(error)
                if tries == TRIES or (last is not None and _same(typed, last)):
                    raise CommandError(4, f"nothing was changed. {mistake}") from error
            last = typed
            warn(mistake)
            self._lay(
                typed, [mistake, "Nothing was changed yet; lines are counted after these. To give up, leave the text alone"]
            )

    def _lay(self, text: bytes, notes: list[str]) -> None:
        """Replace the file by a text, with lines before it that are not part of it."""
        lines = [line for note in notes for line in one_line(note).splitlines()]
        self._header = [MARK + line.encode("utf-8", "backslashreplace") for line in lines]
        publish(locate(self.path), ANY, b"".join(line + b"\n" for line in self._header) + text)

    def _typed(self) -> bytes:
        """Return the text without those lines."""
        with open(self.path, "rb") as file:
            text = file.read()
        for _ in self._header:  # by how they begin: an editor that is a script changes what is in them, too
            if text.startswith(MARK):
                text = text.partition(b"\n")[2]
        return text

    def _worth_keeping(self) -> list[str]:
        """Return the files that may hold what was typed: an editor that is killed leaves some of its own."""
        try:
            names = sorted(os.listdir(self._directory))
        except FileNotFoundError:  # the editor has removed that too
            return []
        try:
            if names == [self._name] and _same(self._typed(), self._draft.text):
                return []
        except OSError:
            pass  # it is kept for whoever can read it: an editor under sudo may have changed its owner
        return [os.path.join(self._directory, name) for name in names]


def _run_editor(path: str) -> None:
    import shlex
    import signal
    import subprocess

    command = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    # Ctrl-C is for the editor, which is in the foreground. A function, and not SIG_IGN, which the editor would inherit.
    before = signal.signal(signal.SIGINT, _ignore)
    try:
        process = subprocess.Popen([*shlex.split(command), path])  # noqa: S603 - it is the user's own editor
        try:
            status = process.wait()
        except Terminated:
            process.returncode = 0  # it goes on without us, with what is not saved yet; Popen is not to complain of that
            raise
    except (OSError, ValueError) as error:
        raise CommandError(
            1, f"the editor {command!r} cannot be started: {message_of(error)}. Set VISUAL or EDITOR"
        ) from error
    finally:
        signal.signal(signal.SIGINT, before)
    if status:
        end = f"was killed by signal {-status}" if status < 0 else f"has ended with status {status}"
        raise CommandError(1, f"the editor {command!r} {end}; nothing was changed")


def _ignore(number: int, frame: object) -> None:
    pass


def _terminate(number: int, frame: object) -> NoReturn:  # noqa: ARG001 - what a signal handler gets
    raise Terminated(number)


def _lines(value: Any) -> bytes:
    import json

    try:
        return json.dumps(value, indent=2, ensure_ascii=False).encode() + b"\n"
    except UnicodeEncodeError:  # half a pair of surrogates
        return json.dumps(value, indent=2).encode() + b"\n"


def _same(text: bytes, other: bytes) -> bool:
    """Return whether two texts are equal, except for the line end that editors add to the last line."""
    return text.rstrip(b"\r\n") == other.rstrip(b"\r\n")
