"""Attacks that are too long or too wild for an ordinary test run: each is one command, `python -m attacks.NAME`.

They use what the tests have: the kinds of commits, the programs that run at once, the verdicts.
"""

import os
import sys

TESTS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "tests", "support")

if TESTS not in sys.path:  # where pytest runs, it has put it there already
    sys.path.append(TESTS)
if "pytest" not in sys.modules:  # a test that imports a part of an attack leaves out what cannot run, as any other test
    # What an attack needs and does not find is a failure, never something that is left out.
    os.environ.setdefault("ATOMIC_STORE_REQUIRE_ALL", "1")
