"""Write command-line.md from the parser of the command line: `python docs/reference/command_line.py`.

From the parser itself and not from its help, whose layout differs from one Python to the next.
tests/project/test_cli_page.py checks that page and parser agree.
"""

from __future__ import annotations

import argparse
import textwrap
from collections import Counter
from pathlib import Path
from typing import Any

from atomic_store.cli import _parser

PAGE = Path(__file__).with_name("command-line.md")

HEAD = """\
# Command line

<!-- Written by command_line.py in this directory from the parser: change that, and run it. -->

{description}

Installing the library installs the command `atomic-store`; `python -m atomic_store` is the same. A store is a file's
path, or `s3://bucket/key` with the extra `s3`. The extra `cli` adds a progress bar
([Installation](../installation.md)).

```text
{synopsis}
```

Options that several commands have:

{shared}
"""

FROM_A_PROGRAM = """\
## In a script

With `--json` each command prints one line of JSON. Errors go to stderr as one line of JSON too, with `error`, `type`
and `exit_code`. Mistakes in the command line itself stay plain text, with exit code 2. Colours and progress appear only
on a terminal.

```python
import json
import subprocess
import sys

import atomic_store

atomic_store.open("runs.json", default=["today"]).commit()

command = [sys.executable, "-m", "atomic_store", "show", "runs.json", "--json"]
print(json.loads(subprocess.run(command, capture_output=True, check=True).stdout))
```

```output
['today']
```

## What `edit` does with your text

- The text is in a directory that only you can read, below `TMPDIR`. If the editor is killed, the connection ends or the
  disk is full, the text stays there, and the message names the file.
- A mistake opens the editor again, with the message in the first lines, which begin with `# atomic-store:`. Leave the
  text as it is to give up. So does the tenth mistake.
- An editor that ends with an error, such as Vim after `:cq`, changes nothing.
- YAML, TOML and JSON in several lines are edited and stored byte for byte. JSON in one line is laid out in lines.
- A binary format is edited as JSON. What JSON does not have is shown as `"<kept 1: datetime.date(2026, 1, 2)>"`. Left
  as it is, that part of the value stays what it was.
"""


def commands(parser: argparse.ArgumentParser) -> dict[str, tuple[str, argparse.ArgumentParser]]:
    """Give each command's line of help and its parser."""
    (group,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    helps = {each.dest: each.help or "" for each in group._choices_actions}
    return {name: (helps[name], each) for name, each in group.choices.items()}


def arguments(parser: argparse.ArgumentParser) -> list[tuple[str, str]]:
    """Give how each argument is written, and its help; that of -h is the parser's own."""
    found: list[tuple[str, str]] = []
    for action in parser._actions:
        if isinstance(action, argparse._HelpAction | argparse._SubParsersAction):
            continue
        metavar: Any = action.metavar
        value = f" {metavar}" if action.option_strings and metavar else ""
        written = f"{', '.join(action.option_strings)}{value}" if action.option_strings else str(metavar)
        found.append((written, action.help or ""))
    return found


def synopsis(name: str, parser: argparse.ArgumentParser) -> str:
    """Return one line: the command with all of its arguments."""
    words = [f"[{written}]" if written.startswith("-") else written for written, _ in arguments(parser)]
    return " ".join(["atomic-store", name, *sorted(words, key=lambda word: word.startswith("["))])


def shared(known: dict[str, tuple[str, argparse.ArgumentParser]]) -> list[tuple[str, str]]:
    """Return the options that have the same help in several commands."""
    counted = Counter(each for _, parser in known.values() for each in arguments(parser) if each[0].startswith("-"))
    return [each for each, count in counted.items() if count > 1]


def items(found: list[tuple[str, str]]) -> str:
    """Return a list of arguments, each with its help."""
    return "\n".join(filled(f"- `{written}`: {told}.", "  ") for written, told in found)


def filled(text: str, indent: str = "") -> str:
    """Give the text in lines of the width that the other pages have."""
    return textwrap.fill(text, 120, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def page() -> str:
    """Return the whole page."""
    parser = _parser.make_parser()
    known = commands(parser)
    lines = "\n".join(synopsis(name, each) for name, (_, each) in known.items())
    common = shared(known)
    parts = [
        HEAD.format(
            description=parser.description,
            synopsis=f"{lines}\natomic-store --help | --version",
            shared=items(common),
        )
    ]
    for name, (help, each) in known.items():
        own = items([argument for argument in arguments(each) if argument not in common])
        examples = "\n".join(line.removeprefix("  ") for line in _parser.EXAMPLES[name].splitlines())
        text = [f"## `{name}`: {help}", filled(each.description or ""), own, f"```sh\n{examples}\n```"]
        parts.append("\n\n".join(filter(None, text)) + "\n")
    codes = "\n".join(f"| {code} | {meaning} |" for code, meaning in _parser.EXIT_CODES.items())
    parts.append(f"## Exit codes\n\n| Code | Means |\n|---|---|\n{codes}\n")
    variables = "\n".join(f"- `{name}`: {meaning}." for name, meaning in _parser.ENVIRONMENT.items())
    parts.append(f"## Environment\n\n{variables}\n")
    return "\n".join([*parts, FROM_A_PROGRAM])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
