"""A worker: started in one of the environments, it runs functions of this package, as asked through a pipe.

It is a program, which workers.py starts. One request a line, one answer a line, both JSON.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import sys
import traceback
from pathlib import Path


def load_package() -> None:
    """Make `benchmarks` importable, and not what lies beside it: the store must be the environment's own."""
    home = Path(__file__).resolve().parent
    spec = importlib.util.spec_from_file_location("benchmarks", home / "__init__.py", submodule_search_locations=[str(home)])
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["benchmarks"] = module
    spec.loader.exec_module(module)


def main() -> None:
    """Answer until nobody asks any more."""
    load_package()
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a peer prints must not be taken for an answer
    for line in sys.stdin:
        request = json.loads(line)
        module, _, name = request["function"].rpartition(".")
        try:
            function = getattr(importlib.import_module(f"benchmarks.{module}"), name)
            answer = {"result": function(**request["arguments"])}
        except Exception as error:  # noqa: BLE001 - whatever a peer raises is told to whoever asked
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
