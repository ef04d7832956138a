"""What several test files need and pytest does not give."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
"""The checkout: where the tests find documentation, examples, benchmarks and the gate."""

REQUIRE_ALL = "ATOMIC_STORE_REQUIRE_ALL"
BUT_THE_ECOSYSTEM = "all but the ecosystem"
ECOSYSTEM = "needs packages of developers: CONTRIBUTING.md has the command"
MOST_LINES = 10


def require(condition: object, reason: str) -> None:
    """Skip the test unless *condition* holds; in CI, fail instead.

    *reason* names what is missing, for instance "needs root to mount a file system". If the environment variable
    ATOMIC_STORE_REQUIRE_ALL is set, as in CI, a missing thing is a failure, because a test that was not run proves nothing.
    With the value "all but the ecosystem", only the packages of the dependency groups may be missing.
    """
    if condition:
        return
    demanded = os.environ.get(REQUIRE_ALL)
    if demanded and not (demanded == BUT_THE_ECOSYSTEM and reason == ECOSYSTEM):
        pytest.fail(f"{REQUIRE_ALL} is set, and this test cannot run here: {reason}", pytrace=False)
    pytest.skip(reason)


def require_ecosystem(*modules: str) -> None:
    """Skip the test unless these modules, which dependency groups install, can be imported; in CI, fail instead."""
    require(all(find_spec(module) for module in modules), ECOSYSTEM)


def skips(reasons: Iterable[str]) -> list[str]:
    """Return at most ten lines that tell why tests were skipped, one for each kind of reason, the most frequent first."""
    kinds: dict[str, list[str]] = {}
    for reason in reasons:
        kinds.setdefault(re.split(r" to |: |,", reason)[0], []).append(reason)
    lines = [
        f"{len(told)} skipped: {told[0] if len(set(told)) == 1 else kind}"
        for kind, told in sorted(kinds.items(), key=lambda item: -len(item[1]))
    ]
    if len(lines) <= MOST_LINES:
        return lines
    rest = sum(int(line.partition(" ")[0]) for line in lines[MOST_LINES - 1 :])
    return [*lines[: MOST_LINES - 1], f"{rest} skipped for other reasons, which pytest -rs prints"]
