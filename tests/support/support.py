"""What several test files need and pytest does not give."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
"""The checkout: where the tests find documentation, examples, benchmarks and the gate."""

REQUIRE_ALL = "ATOMIC_STORE_REQUIRE_ALL"


def require(condition: object, reason: str) -> None:
    """Go on only where the test can really run: elsewhere it is left out visibly, or fails in CI.

    `reason` says what is missing, for instance "needs root to mount a file system". With the environment variable
    ATOMIC_STORE_REQUIRE_ALL set, as in CI, a missing thing is a failure: a test that was not run proves nothing.
    """
    if condition:
        return
    if os.environ.get(REQUIRE_ALL):
        pytest.fail(f"{REQUIRE_ALL} is set, and this test cannot run here: {reason}", pytrace=False)
    pytest.skip(reason)
