"""The command line: show, change, convert and check a store from the shell. See `atomic-store --help`.

It drives the library and adds no rules of its own: what a store is, when a commit is a conflict and which files are
stale is decided by the library.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return the exit code.

    Args:
        arguments: what follows the program's name; None: the arguments of this process.
    """
    from . import _parser, _terminal

    streams: Any = (sys.stdout, sys.stderr)
    for stream in streams:
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # what this terminal cannot show
    args: Any = None
    try:
        try:
            words = sys.argv[1:] if arguments is None else arguments
            parser = _parser.make_parser(words[0] if words else None)
            if "_ARGCOMPLETE" in os.environ:  # a shell asks for what may come next
                from argcomplete import autocomplete

                autocomplete(parser)
            args = _parser.parse(parser, words)
            code: int = args.run(args)
        except SystemExit as end:  # of argparse, after a help or an error
            code = int(end.code or 0)
            _terminal.write_out("")
    except KeyboardInterrupt as interrupt:
        code = 128 + getattr(interrupt, "number", 2)
        _terminal.complain(args, interrupt, code)
    except _terminal.OutputClosed:
        code = 141
    except Exception as error:  # noqa: BLE001 - whatever it is, it is reported in one line
        code = _terminal.exit_code(error)
        _terminal.complain(args, error, code)
    return code
