"""The parser of the command line, and all the words of its help."""

from __future__ import annotations

import argparse
import os

from .. import __version__, formats
from . import _commands
from ._terminal import warn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

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
            warn(f"{message} (`{self.prog} --help` tells more)")
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
        _commands.show,
        "print what is stored",
        "Print the value, readable: JSON, YAML and TOML as such, binary formats as JSON. What JSON does not have is "
        "shown as a text in <>.",
    )
    command.add_argument("location", metavar="LOCATION", help=place)
    command.add_argument("--format", metavar="FORMAT", help=f"the format: {form}")
    _add_common(command, "print the value as one line of JSON, in ASCII, or fail if JSON cannot hold it")

    command = add(
        _commands.edit,
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
        _commands.convert,
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
        _commands.check,
        "find out whether a place can keep the promises",
        "Find out whether a place keeps the library's promises, with scratch names of its own that are removed again. "
        "What is stored is not touched.",
    )
    command.add_argument("location", metavar="LOCATION", help=f"{place}; it need not hold anything yet")
    _add_common(command, "print the report as JSON")

    command = add(
        _commands.clean,
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
