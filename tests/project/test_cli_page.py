"""docs/reference/command-line.md is what docs/reference/command_line.py writes, and has all that the parser knows."""

from __future__ import annotations

import os
import runpy
import shutil
import subprocess
import tomllib
from typing import Any

import seams
from support import ROOT, require

PARSER = seams.cli("parser")


REFERENCE = ROOT / "docs" / "reference"


def test_page_and_parser_agree() -> None:
    """The page and the man page are word for word what is written from the parser."""
    written = runpy.run_path(str(REFERENCE / "command_line.py"))
    assert (REFERENCE / "command-line.md").read_text(encoding="utf-8") == written["page"]()
    assert (REFERENCE / "atomic-store.1").read_text(encoding="utf-8") == written["man_page"]()


def test_page_leaves_nothing_out() -> None:
    """Each command, each of its options, each exit code and each variable is on both pages: the writer skips none."""
    page = (REFERENCE / "command-line.md").read_text(encoding="utf-8")
    manual = (REFERENCE / "atomic-store.1").read_text(encoding="utf-8").replace("\\-", "-")
    commands: Any = next(
        action.choices for action in PARSER.make_parser()._actions if action.dest == "==SUPPRESS==" and action.choices
    )
    assert set(commands) == set(PARSER.EXAMPLES)
    shared = page.partition("Options that most commands have:")[2].partition("\n## ")[0]
    for name, parser in commands.items():
        assert f"\n## `{name}`: " in page
        assert f"\n.SS {name}\n" in manual
        words = [word for action in parser._actions for word in action.option_strings if word not in ("-h", "--help")]
        line = next(line for line in page.splitlines() if line.startswith(f"atomic-store {name}"))
        for word in words:
            assert f"`{word}" in page or f", {word}" in page
            assert word in manual
        own = {word for word in words if word.startswith("--") and word not in shared}
        assert own - {"--from-format", "--to-format"} <= set(line.replace("[", "").replace("]", "").split())
    for code in PARSER.EXIT_CODES:
        assert f"\n| {code} | " in page
        assert f"\n.B {code}\n" in manual
    for variable in PARSER.ENVIRONMENT:
        assert f"\n- `{variable}`: " in page
        assert f"\n.B {variable}\n" in manual


def test_manual_is_good_roff() -> None:
    """Man prints the page without a warning, every line of the examples as it is typed."""
    require(shutil.which("man"), "needs the program man")
    done = subprocess.run(
        ["man", "--warnings", "--local-file", str(REFERENCE / "atomic-store.1")],
        env={**os.environ, "MANWIDTH": "200", "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    for line in "\n".join(PARSER.EXAMPLES.values()).splitlines():
        assert line.strip() in done.stdout


def test_wheel_brings_the_manual() -> None:
    """The wheel puts the man page where man looks for it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    files = project["tool"]["hatch"]["build"]["targets"]["wheel"]["shared-data"]
    assert files == {"docs/reference/atomic-store.1": "share/man/man1/atomic-store.1"}
    assert (ROOT / "docs/reference/atomic-store.1").exists()
