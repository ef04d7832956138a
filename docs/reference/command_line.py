"""Write command-line.md and the man page from the parser of the command line: `python docs/reference/command_line.py`.

From the parser itself and not from its help, whose layout differs from one Python to the next.
tests/project/test_cli_page.py checks that both agree with the parser.
"""

from __future__ import annotations

import argparse
import re
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atomic_store.cli import _parser

if TYPE_CHECKING:
    from collections.abc import Iterable

PAGE = Path(__file__).with_name("command-line.md")
MAN_PAGE = Path(__file__).with_name("atomic-store.1")

HEAD = """\
# Command line

<!-- Written by command_line.py in this directory from the parser: change that, and run it. -->

{description}

Installing the library installs this command and its man page. `python -m atomic_store` is the same. The extra `cli`
adds a progress bar and completion ([Installation](../installation.md)).

```text
{synopsis}
```

{places}

Options that most commands have:

{shared}
"""

MORE = """\
## In a script

With `--json` each command prints one line of JSON, and an error goes to stderr as one line of JSON with `error`, `type`
and `exit_code`. Mistakes in the command line itself stay plain text.

Shells that count in one place lose nothing, on a file and on S3:

```sh
atomic-store set counter.json runs 1 --add
atomic-store run --lock counter.json -- sh -c '
    runs=$(atomic-store get counter.json runs) && atomic-store set counter.json runs $((runs + 1))'  # a file only
```

## The text in `edit`

A binary format is edited as JSON. What JSON does not have is shown as `"<kept 1: datetime.date(2026, 1, 2)>"`: leave it as
it is to keep that part of the value. Messages are in lines that begin with `# atomic-store:`. To give up, leave the text as
it is, or end the editor with an error, as Vim does after `:cq`.
"""


# Arguments that are explained once for all commands.
TOLD = {
    "STORE`, `FROM`, `TO": "a file's path, or `s3://bucket/key` with the extra `s3`. `show`, `get` and `convert` take `-` "
    "for standard input, `convert` also for standard output",
    "PATH": "a field, as a JSON Pointer such as `/jobs/0/name` (RFC 6901) or with dots, `jobs.0.name`. The whole value is "
    "`.`; with `set`, `-` as an index appends",
}
PLACES = ("STORE", "FROM", "TO", "PATH")


def commands(parser: argparse.ArgumentParser) -> dict[str, tuple[str, argparse.ArgumentParser]]:
    """Return each command's line of help and its parser."""
    (group,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    helps = {each.dest: each.help or "" for each in group._choices_actions}
    return {name: (helps[name], each) for name, each in group.choices.items()}


def actions(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """Return the arguments of a command, without -h."""
    return [each for each in parser._actions if not isinstance(each, argparse._HelpAction | argparse._SubParsersAction)]


def written(action: argparse.Action) -> str:
    """Return how an argument is written: all of its spellings."""
    return _with_value(", ".join(action.option_strings), action)


def _with_value(option: str, action: argparse.Action) -> str:
    metavar: Any = action.metavar
    return " ".join(filter(None, [option, metavar]))


def synopsis(name: str, parser: argparse.ArgumentParser, left_out: Iterable[str] = ()) -> str:
    """Return one line: the command with its arguments, without those that are left out."""
    words = ["atomic-store", name]
    for action in sorted(actions(parser), key=lambda each: (each.metavar == "COMMAND", bool(each.option_strings))):
        if written(action) in left_out:
            continue
        word = _with_value(next((each for each in action.option_strings if each.startswith("--")), ""), action)
        if action.metavar == "COMMAND":
            word = f"-- {word}"
        optional = not action.required or (action.metavar == "COMMAND" and name != "run")
        words.append(f"[{word}]" if optional else word)
    return " ".join(words)


def shared(known: dict[str, tuple[str, argparse.ArgumentParser]]) -> dict[tuple[str, str], list[str]]:
    """Return the options, with their help, that several commands have in the same words, and the names of those."""
    having: dict[tuple[str, str], list[str]] = {}
    for name, (_, parser) in known.items():
        for action in actions(parser):
            having.setdefault((written(action), action.help or ""), []).append(name)
    return {each: names for each, names in having.items() if len(names) > 1 and each[0].startswith("-")}


def filled(text: str, indent: str = "") -> str:
    """Return the text in lines of the width that the other pages have."""
    return textwrap.fill(text, 120, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def items(found: Iterable[tuple[str, str]]) -> str:
    """Return a list of arguments, each with its help."""
    return "\n".join(filled(f"- `{term}`: {told}.", "  ") for term, told in found)


def page() -> str:
    """Return the whole page."""
    parser = _parser.make_parser()
    known = commands(parser)
    common = shared(known)
    left_out = {term for term, _ in common}
    lines = [*(synopsis(name, each, left_out) for name, (_, each) in known.items()), "atomic-store --help | --version"]
    options = [(term, f"{told} ({', '.join(names)})" if len(names) < 3 else told) for (term, told), names in common.items()]
    parts = [
        HEAD.format(
            description=parser.description, synopsis="\n".join(lines), places=items(TOLD.items()), shared=items(options)
        )
    ]
    for name, (help, each) in known.items():
        own = [
            (written(action), action.help or "")
            for action in actions(each)
            if action.option_strings or action.metavar not in PLACES
        ]
        examples = "\n".join(line.removeprefix("  ") for line in _parser.EXAMPLES[name].splitlines())
        texts = [f"## `{name}`: {help}", filled(each.description or ""), items(item for item in own if item not in common)]
        parts.append("\n\n".join(filter(None, [*texts, f"```sh\n{examples}\n```"])) + "\n")
    codes = "\n".join(f"| {code} | {meaning} |" for code, meaning in _parser.EXIT_CODES.items())
    parts.append(f"## Exit codes\n\n| Code | Means |\n|---|---|\n{codes}\n")
    parts.append(f"## Environment\n\n{items(_parser.ENVIRONMENT.items())}\n")
    return "\n".join([*parts, MORE])


def man_page() -> str:
    """Return the man page, in the macros of man(7)."""
    parser = _parser.make_parser()
    known = commands(parser)
    common = shared(known)
    parts = [
        '.\\" Written by docs/reference/command_line.py from the parser.',
        '.TH ATOMIC-STORE 1 "" "atomic_store" "User Commands"',
        f".SH NAME\natomic-store \\- {roff('one value in one place, from the shell')}",
        ".SH SYNOPSIS\n.nf\n" + "\n".join(roff(synopsis(name, each)) for name, (_, each) in known.items()) + "\n.fi",
        f".SH DESCRIPTION\n{roff(parser.description or '')}",
        tagged([(term.replace("`", ""), told.replace("`", "")) for term, told in TOLD.items()]),
        ".SH COMMANDS",
    ]
    for name, (_, each) in known.items():
        own = [
            (written(action), action.help or "")
            for action in actions(each)
            if action.option_strings or action.metavar not in PLACES
        ]
        parts.append(f".SS {name}\n{roff(each.description or '')}\n{tagged([each for each in own if each not in common])}")
        parts.append(f".PP\n.nf\n{roff(_parser.EXAMPLES[name])}\n.fi")
    parts.append(f".SH OPTIONS OF SEVERAL COMMANDS\n{tagged(list(common))}")
    parts.append(f".SH EXIT STATUS\n{tagged([(str(code), told) for code, told in _parser.EXIT_CODES.items()])}")
    parts.append(f".SH ENVIRONMENT\n{tagged(list(_parser.ENVIRONMENT.items()))}")
    return "\n".join(parts) + "\n"


def tagged(items: list[tuple[str, str]]) -> str:
    """Return a list of terms and what they mean."""
    return "\n".join(f".TP\n.B {roff(term)}\n{roff(told)}." for term, told in items)


def roff(text: str) -> str:
    """Return a text that roff prints as it is."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")
    return re.sub(r"^([.\s]+)", r"\\&\1", escaped, flags=re.MULTILINE)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    MAN_PAGE.write_text(man_page(), encoding="utf-8")
