"""The parser of the command line, and all the words of its help."""

from __future__ import annotations

import argparse
import os

from .. import __version__, formats
from . import _commands
from ._terminal import warn, write_out

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

EXIT_CODES = {
    0: "it is done",
    1: "any other error: of the disk, the network, the editor, or a package is missing",
    2: "a mistake in the command line",
    3: "nothing is stored there, or no such field",
    4: "the format refuses what is stored, or cannot hold the value",
    5: "another program has changed it meanwhile, or something is stored where `convert` would write",
    6: "it is written, but may not last",
    7: "`check`: at least one promise is not kept",
    8: "`run`: another program held the lock for longer than --timeout",
    126: "`run`: the command cannot be executed; 127: it does not exist",
    130: "Ctrl-C; 143, 129: SIGTERM, SIGHUP while the editor was open",
    141: "the reader has closed the output",
}
ENVIRONMENT = {
    "VISUAL, EDITOR": "the editor, with options: the first that is set, else vi",
    "TMPDIR": "where `edit` keeps the text",
    "NO_COLOR": "no colours, if it is not empty",
    "AWS_...": "for s3://, as for every program that uses boto3",
    "ATOMIC_STORE_LOCK": "set by `run` for its command: the descriptors that hold the locks",
}
EXAMPLES = {
    "show": """\
  atomic-store show runs.json
  atomic-store show settings.yaml --json | jq .port
  zcat old.json.gz | atomic-store show -
  atomic-store show old.dat --format pickle      # runs what the pickle says""",
    "get": """\
  atomic-store get settings.toml server.port
  port=$(atomic-store get --raw settings.toml server.port) || port=8080
  atomic-store get state.json /keys.with.dots/a~1b""",
    "set": """\
  atomic-store set settings.json server.port 8080
  atomic-store set settings.json server.name --string "$HOSTNAME"
  atomic-store set runs.json /- '{"ok": true}'   # appends
  atomic-store set s3://bucket/counter.json runs 1 --add""",
    "delete": """\
  atomic-store delete settings.json server.debug
  atomic-store delete s3://bucket/state.json""",
    "edit": """\
  atomic-store edit settings.toml
  EDITOR="code --wait" atomic-store edit s3://bucket/state.bson""",
    "put": """\
  atomic-store put state.json < new.json
  atomic-store put state.json -- curl -fsS https://example.com/state.json""",
    "convert": """\
  atomic-store convert settings.yaml settings.json
  atomic-store convert runs.json s3://bucket/runs.json.gz
  atomic-store convert - - --from yaml --to json < settings.yaml
  atomic-store convert old.dat new.cbor --from pickle --force""",
    "run": """\
  atomic-store run --lock runs.json -- ./nightly.sh
  atomic-store run --lock n.json --timeout 10 -- sh -c 'atomic-store show n.json > copy.json'""",
    "check": """\
  atomic-store check /mnt/share/state.json
  atomic-store check s3://bucket/state.json || echo 'do not rely on it'""",
    "clean": """\
  atomic-store clean --dry-run state.json
  atomic-store clean s3://bucket/state.json""",
    "completion": """\
  eval "$(atomic-store completion bash)"         # in ~/.bashrc
  eval "$(atomic-store completion zsh)"          # in ~/.zshrc, after compinit
  atomic-store completion fish | source          # in ~/.config/fish/config.fish""",
}
_PLACE = "a file's path, or s3://bucket/key"
_PIPE = f"{_PLACE}, or - for standard input"
_FIELD = (
    "the way to a field: a JSON Pointer such as /jobs/0/name (RFC 6901), or with dots, jobs.0.name; . is the whole value"
)


class _Help(argparse.RawDescriptionHelpFormatter):
    """The formatter of argparse, which by itself imports shutil for the width: 7 ms."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=_width())

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        # A text that has lines keeps them.
        fill = super()._fill_text if "\n" in text else argparse.HelpFormatter._fill_text.__get__(self)
        return fill(text, width, indent)


class _Parser(argparse.ArgumentParser):
    """The parser of argparse, with errors in one line, and an error if the help cannot be printed."""

    def error(self, message: str) -> NoReturn:
        """End the program."""
        warn(f"{message} (`{self.prog} --help` tells more)")
        raise SystemExit(2)

    def print_help(self, file: Any = None) -> None:  # noqa: ARG002 - the signature of argparse
        """Print the help; argparse itself would ignore a full disk."""
        write_out(self.format_help())


class _Version(argparse.Action):
    """The option --version."""

    def __call__(self, *_: object) -> None:
        write_out(f"atomic-store {__version__}\n")
        raise SystemExit


def _add(
    commands: Any, name: str, run: Callable[[argparse.Namespace], int], help: str, description: str
) -> argparse.ArgumentParser:
    """Add a command."""
    command: argparse.ArgumentParser = commands.add_parser(
        name,
        help=help,
        description=description,
        epilog=f"examples:\n{EXAMPLES[name]}",
        formatter_class=_Help,
        allow_abbrev=False,
    )
    command.set_defaults(run=run)
    return command


def _show(commands: Any) -> None:
    command = _add(
        commands,
        "show",
        _commands.show,
        "print what is stored",
        "Print the value: YAML and TOML as they are, other formats as JSON. What JSON does not have is a text in <>.",
    )
    command.add_argument("location", metavar="STORE", help=_PIPE)
    _add_format(command)
    _add_layout(command)


def _get(commands: Any) -> None:
    command = _add(
        commands,
        "get",
        _commands.get,
        "print one field",
        "Print one field as JSON. The exit code is 3 if there is none.",
    )
    command.add_argument("location", metavar="STORE", help=_PIPE)
    command.add_argument("field", metavar="PATH", help=_FIELD)
    command.add_argument("-r", "--raw", action="store_true", help="print a text without quotes")
    _add_format(command)
    _add_layout(command)


def _set(commands: Any) -> None:
    command = _add(
        commands,
        "set",
        _commands.set_field,
        "change one field",
        "Change one field in one atomic commit that loses no other change: under the lock of a file, by compare and swap "
        "on S3. Missing objects on the way are made. JSON keeps its layout, YAML and TOML their comments.",
    )
    command.add_argument("location", metavar="STORE", help=_PLACE)
    command.add_argument("field", metavar="PATH", help=f"{_FIELD}; - for an index appends")
    command.add_argument(
        "value", metavar="VALUE", help="JSON, or - for JSON from standard input; after -- if it begins with -"
    )
    kind = command.add_mutually_exclusive_group()
    kind.add_argument("-s", "--string", action="store_true", help="take VALUE as a text, not as JSON")
    kind.add_argument("-a", "--add", action="store_true", help="add VALUE to the number there (0 if none), print the sum")
    _add_format(command)
    _add_common(command)


def _delete(commands: Any) -> None:
    command = _add(
        commands,
        "delete",
        _commands.delete,
        "delete one field, or the store",
        "Delete one field, as safely as `set` changes one, or all that is stored.",
    )
    command.add_argument("location", metavar="STORE", help=_PLACE)
    command.add_argument("field", metavar="PATH", nargs="?", help=f"{_FIELD}; default: all that is stored")
    _add_format(command)
    _add_common(command)


def _edit(commands: Any) -> None:
    command = _add(
        commands,
        "edit",
        _commands.edit,
        "change what is stored, in an editor",
        "Open the value in your editor, as the format's own text, or as JSON if the format is binary. A mistake opens the "
        "editor again. A valid text replaces what is stored, unless another program has changed it meanwhile. Whatever "
        "goes wrong, what you typed is kept in a file that the message names.",
    )
    command.add_argument("location", metavar="STORE", help=_PLACE)
    _add_format(command)
    _add_common(command)


def _put(commands: Any) -> None:
    command = _add(
        commands,
        "put",
        _commands.put,
        "store what a pipe brings",
        "Replace what is stored by the bytes from standard input, if they decode: they must be of the format of STORE. A "
        "pipe does not tell that its producer failed half-way (pipefail reports that afterwards). Give the producer as "
        "COMMAND, and nothing is written unless it succeeds.",
    )
    command.add_argument("location", metavar="STORE", help=_PLACE)
    _add_format(command)
    _add_common(command)
    command.add_argument("command", metavar="COMMAND", nargs="*", help="after --: what prints the bytes")


def _convert(commands: Any) -> None:
    command = _add(
        commands,
        "convert",
        _commands.convert,
        "store a value in another format, at another place",
        "Store the value of one place at another one. The new bytes are decoded again and compared: what the new format "
        "cannot hold is an error. If the format is the same, the text stays as it is. A new file gets the permissions of "
        "FROM.",
    )
    command.add_argument("source", metavar="FROM", help=_PIPE)
    command.add_argument("target", metavar="TO", help=f"{_PLACE}, or - for standard output")
    form = "the format of FROM: see --format of `show`"
    actions: list[Any] = [
        command.add_argument("-f", "--from", "--from-format", dest="from_format", metavar="FORMAT", help=form),
        command.add_argument("-t", "--to", "--to-format", dest="to_format", metavar="FORMAT", help="the format of TO"),
    ]
    for action in actions:
        action.completer = _formats
    command.add_argument("--force", action="store_true", help="replace what is stored at TO")
    _add_common(command)


def _run(commands: Any) -> None:
    command = _add(
        commands,
        "run",
        _commands.run,
        "run a command under a store's lock",
        "Run a command under the lock of a file, as flock(1) does, and with its exit code. The lock is free again when "
        "the command and all that it leaves running have ended. An atomic-store inside it knows that it holds the lock; a "
        "program that opens the store with lock=True would wait for ever.",
    )
    command.add_argument("-l", "--lock", metavar="STORE", required=True, help="a file's path: there are no locks on S3")
    command.add_argument("-t", "--timeout", metavar="SECONDS", type=_seconds, help="wait no longer for the lock")
    command.add_argument("--debug", action="store_true", help="print the traceback of an error")
    command.add_argument("command", metavar="COMMAND", nargs=argparse.REMAINDER, help="best after --: the command")


def _check(commands: Any) -> None:
    command = _add(
        commands,
        "check",
        _commands.check,
        "find out whether a place can keep the promises",
        "Try with scratch names whether a place keeps the library's promises. What is stored is not touched.",
    )
    command.add_argument("location", metavar="STORE", help=_PLACE)
    _add_common(command)


def _clean(commands: Any) -> None:
    command = _add(
        commands,
        "clean",
        _commands.clean,
        "remove what killed programs have left",
        "Remove the temporary files, or abort the uploads, that killed programs have left of this store. What may belong "
        "to a program at work is left alone and named: a file that is locked or younger than a minute, an upload younger "
        "than a day.",
    )
    command.add_argument("location", metavar="STORE", help=_PLACE)
    command.add_argument("-n", "--dry-run", action="store_true", help="only print what would be removed")
    _add_common(command)


def _completion(commands: Any) -> None:
    command = _add(
        commands,
        "completion",
        _commands.completion,
        "print the script by which a shell completes the command",
        "Print the script by which a shell completes commands and options (extra atomic-store[cli]).",
    )
    command.add_argument("shell", choices=["bash", "zsh", "fish"], metavar="SHELL", help="bash, zsh or fish")


_COMMANDS: dict[str | None, Callable[[Any], None]] = {
    "show": _show,
    "get": _get,
    "set": _set,
    "delete": _delete,
    "edit": _edit,
    "put": _put,
    "convert": _convert,
    "run": _run,
    "check": _check,
    "clean": _clean,
    "completion": _completion,
}


def make_parser(name: str | None = None) -> argparse.ArgumentParser:
    """Return the parser; docs/reference/command-line.md and the man page are written from it.

    Args:
        name: the one command that is needed: to build all of them takes 3 ms. If there is none such, all are built.
    """
    codes = "\n".join(f"  {code:3}  {meaning}" for code, meaning in EXIT_CODES.items())
    variables = "\n".join(f"  {name}: {meaning}" for name, meaning in ENVIRONMENT.items())
    parser = _Parser(
        prog="atomic-store",
        description="Show, change, convert and check a store: one value in one file, or in one object on S3.",
        epilog=f"exit codes:\n{codes}\n\nenvironment:\n{variables}",
        formatter_class=_Help,
        allow_abbrev=False,
    )
    parser.add_argument("-V", "--version", action=_Version, nargs=0, help="print the version")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, prog="atomic-store")
    for each in [name] if name in _COMMANDS else _COMMANDS:
        _COMMANDS[each](commands)
    return parser


def parse(parser: argparse.ArgumentParser, words: list[str]) -> argparse.Namespace:
    """Return the parsed arguments; what follows the first -- of `put` or `run` is its command, which may have options."""
    if words[:1] not in (["put"], ["run"]) or "--" not in words:
        return parser.parse_args(words)
    end = words.index("--")
    args = parser.parse_args(words[:end])
    args.command += words[end + 1 :]
    return args


def _add_format(command: argparse.ArgumentParser) -> None:
    action: Any = command.add_argument(
        "-f",
        "--format",
        metavar="FORMAT",
        help=f"{', '.join(formats.NAMES)}, or a name that a package adds; .gz, .bz2, .xz, .zst may follow. Default: by the "
        "suffix, or by the bytes if they are JSON, BSON, CBOR or compressed otherwise. Pickle must be named, because "
        "loading a pickle can run code",
    )
    action.completer = _formats


def _formats(**_: object) -> tuple[str, ...]:
    """Return what argcomplete proposes after an option that takes a format."""
    return tuple(formats.NAMES)


def _add_layout(command: argparse.ArgumentParser) -> None:
    layout = command.add_mutually_exclusive_group()
    layout.add_argument("-c", "--compact", action="store_true", help="print JSON in one line")
    layout.add_argument("-i", "--indent", metavar="N", type=_indent, help="print JSON in lines, indented by N spaces (2)")
    _add_common(command)


def _add_common(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "-j",
        "--json",
        action="store_true",
        help="print one line of JSON in ASCII, also for an error; fail if JSON cannot hold the value",
    )
    command.add_argument("--debug", action="store_true", help="print the traceback of an error")


def _indent(text: str) -> int:
    if not (text.isdecimal() and 1 <= int(text) <= 16):
        raise argparse.ArgumentTypeError(f"N should be from 1 to 16, not {text!r}; --compact prints one line")
    return int(text)


def _seconds(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1
    if not 0 <= number < 1e9:
        raise argparse.ArgumentTypeError(f"SECONDS should be a number from 0 up, not {text!r}")
    return number


def _width() -> int:
    try:
        return int(os.environ.get("COLUMNS") or os.get_terminal_size().columns) - 2
    except (OSError, ValueError):
        return 78
