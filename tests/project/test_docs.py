"""Every Python block of the README and of docs/ runs, warnings being errors, and no link between files is dead."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
import tomllib
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import pytest
from s3_servers import NEEDED, Server, empty_bucket
from s3_support import world
from support import ROOT, require, require_ecosystem

PAGES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md") if "_build" not in path.parts)
DOCUMENTS = ["README.md", *PAGES]
CHECKS = ROOT / "tests" / "project" / "pages"
OTHERS = ["CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"]

# These need a server, which has the bucket that they speak of.
ON_S3 = {
    "docs/migration/from-s3dictionary.md",
    "docs/how-to/containers-without-a-disk.md",
    "docs/s3.md",
    "docs/tutorial.md",
}
# These show no program: they lead to other pages, include what stands elsewhere, or are for those who build.
WITHOUT_CODE = {
    "docs/index.md",
    "docs/how-it-is-tested.md",
    "docs/installation.md",
    "docs/how-to/index.md",
    "docs/project/changelog.md",
    "docs/project/contributing.md",
    "docs/project/security.md",
    "docs/reference/api.md",
    "docs/comparison.md",
    "docs/architecture.md",
    "docs/tried-packages.md",
    "docs/hostile-files.md",
    "docs/reference/command-line.md",
    "docs/s3-services.md",
}

# A block of another language is shown and not run. What looks like Python must be Python, or it would go untested.
LANGUAGES = {
    *("c", "console", "csv", "diff", "dockerfile", "ini", "json", "mermaid", "output", "sh", "text", "toml", "xml", "yaml"),
}
# What Sphinx does instead of showing it.
DIRECTIVES = {"{include} ../README.md", "{toctree}", "{eval-rst}"} | {f"{{include}} ../../{name}" for name in OTHERS}


class Block(NamedTuple):
    """A fenced block: its language, the line its code begins at (counted from 1) and its lines."""

    language: str
    line: int
    lines: list[str]


def blocks(text: str) -> list[Block]:
    """All fenced blocks of a Markdown text, in order; a fence that is never closed is an error."""
    found: list[Block] = []
    fence = ""
    for number, line in enumerate(text.splitlines(), 1):
        bare = line.strip()
        if fence:
            if bare.startswith(fence) and not bare.strip(fence[0]):
                fence = ""
            else:
                found[-1].lines.append(line)
        elif opening := re.match(r"(`{3,}|~{3,})\s*(.*)", bare):
            fence = opening[1]
            found.append(Block(opening[2], number + 1, []))
    if fence:
        raise ValueError(f"the block at line {found[-1].line} is never closed")
    return found


def program(text: str) -> tuple[str, list[int]]:
    """One Python program of all Python blocks, each line at the line number it has in the document, and where each begins.

    After each block, on the line of its closing fence, the program prints a mark: a block that was not reached shows.
    """
    result: list[str] = []
    begins: list[int] = []
    for block in blocks(text):
        if block.language == "python":
            result += [""] * (block.line - 1 - len(result))
            result += textwrap.dedent("\n".join(block.lines)).split("\n")
            result.append(f"__import__('os').write(2, b'ran {block.line}\\n')")
            begins.append(block.line)
    return "\n".join(result), begins


def execute(document: str, text: str, directory: Path) -> None:
    """Run the Python blocks of `text` in `directory`, in order, sharing their names; fail unless each one ran to its end.

    What is shown as `output` must have been printed, in this order.
    """
    source, begins = program(text)
    assert begins, f"{document} has no Python block"
    script = directory / "blocks" / f"{document}.md.py"  # no name of a module: logging.md may import logging
    work = directory / "work"
    script.parent.mkdir()
    work.mkdir()
    script.write_text(source, encoding="utf-8")
    command = [sys.executable, "-W", "error", str(script)]
    done = subprocess.run(command, cwd=work, capture_output=True, text=True, check=False)
    expected = "".join(f"ran {line}\n" for line in begins)
    assert (done.returncode, done.stderr) == (0, expected), f"{document}:\n{done.stdout}{done.stderr}"
    rest = done.stdout
    for block in blocks(text):
        if block.language == "output":
            _, shown, rest = rest.partition("\n".join(block.lines))
            assert shown, f"{document}, line {block.line}: this was not printed, but\n{done.stdout}"


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def with_checks(name: str) -> str:
    """Return a document and, after it, the blocks that check what its code has done: no reader needs to see those."""
    checks = CHECKS / Path(name).relative_to("docs") if name.startswith("docs/") else CHECKS / name
    return f"{read(name)}\n{checks.read_text(encoding='utf-8') if checks.exists() else ''}"


@pytest.mark.parametrize("name", [name for name in DOCUMENTS if name not in ON_S3 | WITHOUT_CODE])
def test_documentation_shows_no_code_that_fails(name: str, tmp_path: Path) -> None:
    """All Python blocks of a document run in order, in an empty directory, to their end and without a warning."""
    require_ecosystem(*(module for module in ("numpy",) if f"import {module}" in with_checks(name)))
    execute(Path(name).stem, with_checks(name), tmp_path)


@pytest.mark.parametrize("name", sorted(ON_S3))
def test_documentation_of_s3_shows_no_code_that_fails(name: str, ministack: Server, tmp_path: Path) -> None:
    """The same for those about S3, on a server that has the bucket which they speak of, empty."""
    if name == "docs/migration/from-s3dictionary.md":
        require(find_spec("s3dictionary"), NEEDED)
    empty_bucket(ministack, "state-persist")
    with world(ministack.url):
        execute(Path(name).stem, with_checks(name), tmp_path)


def test_no_check_is_left_behind() -> None:
    """What is run after a document belongs to one that is there and is run."""
    checks = {path.relative_to(CHECKS).as_posix() for path in CHECKS.rglob("*.md")}
    assert checks <= {page.removeprefix("docs/") for page in set(PAGES) - WITHOUT_CODE}


def test_no_document_claims_to_have_no_code_that_has_some() -> None:
    """Each document that is said to have no code is there, and has none."""
    assert [name for name in sorted(WITHOUT_CODE) if program(read(name))[1]] == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_no_block_hides_behind_an_unknown_language(name: str) -> None:
    """A fenced block is `python`, and runs, or is of a language known to be another one, or a directive of Sphinx."""
    known = {"python", *LANGUAGES, *DIRECTIVES}
    assert {block.line: block.language for block in blocks(read(name)) if block.language not in known} == {}


@pytest.mark.parametrize("name", [*DOCUMENTS, *OTHERS])
def test_no_link_leads_nowhere(name: str) -> None:
    """Whatever a document of the project links to within the project is there."""
    targets = re.findall(r"\]\(([^)#\s]+)", read(name))
    dead = [target for target in targets if "://" not in target and not (ROOT / name).parent.joinpath(target).exists()]
    assert dead == []


@pytest.mark.parametrize("name", ["docs/index.md", "docs/how-to/index.md"])
def test_no_index_differs_from_the_sidebar(name: str) -> None:
    """An index links to the pages of the sidebar, all of them, in the same order."""
    sidebar = [line for block in blocks(read(name)) if block.language == "{toctree}" for line in block.lines]
    pages = [f"{line}.md" for line in sidebar if line and not line.startswith(":")]
    assert re.findall(r"\]\(([^)#]+)\)", read(name)) == pages


def test_no_dependency_is_without_a_reason() -> None:
    """Each package that an extra asks for is named where the architecture says why."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        metadata = tomllib.load(file)["project"]
    extras = metadata["optional-dependencies"].values()
    asked = [*metadata["dependencies"], *(package for packages in extras for package in packages)]
    names = {re.split(r"[^\w.-]", package)[0] for package in asked} - {"atomic-store"}
    _, _, reasons = read("docs/architecture.md").partition("## Dependencies")
    reasons, _, _ = reasons.partition("\n## ")
    assert [name for name in sorted(names) if not re.search(rf"\b{re.escape(name)}\b", reasons)] == []


@pytest.mark.parametrize(
    "text",
    [
        "```python\nraise SystemExit\n```\n",
        "```python\nx = 1\n```\ntext\n```python\nassert x == 2\n```\n",
        "```python\nimport warnings\nwarnings.warn('old')\n```\n",
        "```sh\ntrue\n```\n",
        "```python\nprint(1)\n```\n```output\n2\n```\n",
        "```python\nprint(1)\nprint(2)\n```\n```output\n2\n```\n```output\n1\n```\n",
    ],
    ids=["leaves early", "fails", "warns", "has no code", "shows what it does not print", "shows it in another order"],
)
def test_runner_lets_no_bad_document_pass(text: str, tmp_path: Path) -> None:
    """A document whose code stops early, fails, warns, is missing or prints something else does not pass."""
    with pytest.raises(AssertionError):
        execute("control", text, tmp_path)


def test_runner_finds_every_way_to_write_a_block(tmp_path: Path) -> None:
    """Blocks within a list, of tildes and of long fences run too, share their names, and keep their line numbers."""
    text = (
        "# Title\n\n  ```python\n  x = [1]\n  ```\n\n~~~python\nx.append(2)\n~~~\n\n"
        "````python\nimport sys\ny = '''\n```\n'''\nassert (x, sys._getframe().f_lineno) == ([1, 2], 16)\n````\n"
    )
    execute("control", text, tmp_path)
