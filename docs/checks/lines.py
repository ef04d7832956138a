"""Count the lines of code that a cron job with JSON loads: `python docs/checks/lines.py` prints each module, and the total.

A line of code holds a token: comments, docstrings and blank lines do not count.
"""

from __future__ import annotations

import ast
import io
import os
import subprocess
import sys
import tempfile
import tokenize
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
CRON_JOB = """
import atomic_store
for _ in range(2):
    with atomic_store.open("runs.json", default=[]) as store:
        store.value.append("now")
import sys
for name, module in sys.modules.items():
    if name.split(".")[0] == "atomic_store":
        print(name, module.__file__)
"""
NO_CODE = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)


def code_lines(source: str) -> int:
    """Return the number of lines of code."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, documented)]
    strings = [node.body[0] for node in nodes if ast.get_docstring(node) is not None]
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    code = {line for token in tokens if token.type not in NO_CODE for line in range(token.start[0], token.end[0] + 1)}
    return len(code.difference(*(range(each.lineno, (each.end_lineno or each.lineno) + 1) for each in strings)))


def core() -> dict[str, Path]:
    """Return the modules of this package that a cron job with JSON loads, with their files."""
    with tempfile.TemporaryDirectory() as place:
        done = subprocess.run(
            [sys.executable, "-c", CRON_JOB],
            cwd=place,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        )
    return {name: Path(path) for name, path in (line.split(" ", 1) for line in done.stdout.splitlines())}


if __name__ == "__main__":
    counted = {name: code_lines(path.read_text(encoding="utf-8")) for name, path in sorted(core().items())}
    for name, number in counted.items():
        print(f"{number:7,}  {name}")
    print(f"{sum(counted.values()):7,}  in {len(counted)} modules")
