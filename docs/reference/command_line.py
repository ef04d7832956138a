"""Write command-line.md from the parser of the command line: `python docs/reference/command_line.py`.

From the parser itself and not from its help, whose layout differs from one Python to the next.
tests/project/test_cli_page.py checks that page and parser agree.
"""

from __future__ import annotations

import argparse
import textwrap
from pathlib import Path
from typing import Any

from atomic_store.cli import _parser

PAGE = Path(__file__).with_name("command-line.md")

HEAD = """\
# atomic-store: the command line

<!-- Written by command_line.py in this directory from the parser: change that, and run it. -->

{description}

`python -m atomic_store` is the same command. A LOCATION is a file's path, or `s3://bucket/key` for an object on S3
(`pip install "atomic-store[s3]"`). `pip install "atomic-store[cli]"` adds a better display of progress.

## Synopsis

```text
{synopsis}
```
"""

FROM_A_PROGRAM = """\
## From a script or a program

With `--json` each command prints one line of JSON, and errors go to stderr as one line of JSON as well, with `error`, `type`
and `exit_code`. Mistakes in the command line itself stay plain text, with exit code 2. There are colours and progress only
on a terminal. From Python the library is shorter; from anything else:

```python
import json
import subprocess
import sys

import atomic_store

with atomic_store.open("runs.json", default=[]) as store:
    store.value.append("today")

command = [sys.executable, "-m", "atomic_store"]  # in a shell: atomic-store
shown = subprocess.run([*command, "show", "runs.json", "--json"], capture_output=True, check=True)
assert json.loads(shown.stdout) == ["today"]

missing = subprocess.run([*command, "show", "none.json", "--json"], capture_output=True, check=False)
assert (missing.returncode, json.loads(missing.stderr)["exit_code"]) == (3, 3)
```

## What `edit` does with your text

- What you edit is a file in a directory of its own that only you can read, below `TMPDIR`. The editor may be killed, the
  connection may end, the disk may be full: the text stays there, and the message names the file.
- A mistake opens the editor again. The message stands in the first lines, which begin with `# atomic-store:` and are not
  part of the text. Leaving that text as it is gives up, and so does the tenth mistake.
- An editor that ends with an error, such as Vim after `:cq`, changes nothing.
- JSON without line ends is laid out in lines. YAML, TOML and JSON in lines are edited, and stored, byte for byte.
- A binary format is edited as JSON. What JSON does not have is a text such as `"<kept 1: datetime.date(2026, 1, 2)>"`:
  left as it is, that part of the value stays what it was.
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
    """Give one line: the command with all of its arguments."""
    words = [f"[{written}]" if written.startswith("-") else written for written, _ in arguments(parser)]
    return " ".join(["atomic-store", name, *sorted(words, key=lambda word: word.startswith("["))])


def filled(text: str, indent: str = "") -> str:
    """Give the text in lines of the width that the other pages have."""
    return textwrap.fill(text, 120, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def page() -> str:
    """Give the whole page."""
    parser = _parser.make_parser()
    known = commands(parser)
    lines = "\n".join(synopsis(name, each) for name, (_, each) in known.items())
    parts = [HEAD.format(description=parser.description, synopsis=f"{lines}\natomic-store --help | --version")]
    for name, (help, each) in known.items():
        items = "\n".join(filled(f"- `{written}`: {told}.", "  ") for written, told in arguments(each))
        examples = "\n".join(line.removeprefix("  ") for line in _parser.EXAMPLES[name].splitlines())
        parts.append(f"## `{name}`: {help}\n\n{filled(each.description or '')}\n\n{items}\n\n```sh\n{examples}\n```\n")
    codes = "\n".join(f"| {code} | {meaning} |" for code, meaning in _parser.EXIT_CODES.items())
    parts.append(f"## Exit codes\n\n| Code | Means |\n|---|---|\n{codes}\n")
    variables = "\n".join(f"- `{name}`: {meaning}." for name, meaning in _parser.ENVIRONMENT.items())
    parts.append(f"## Environment\n\n{variables}\n")
    return "\n".join([*parts, FROM_A_PROGRAM])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
