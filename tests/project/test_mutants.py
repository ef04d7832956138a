"""The catalogue of mutants fits the source as it is: python -m attacks.mutants can apply each of them.

Whoever changes a line that a mutant replaces hears of it here, and anchors the mutant anew.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from support import ROOT

import atomic_store
from attacks.mutants.mutant import PROMISES, Mutant, catalogue, faults

PACKAGE = Path(atomic_store.__file__).parent
TESTS = {path.name: path for path in (ROOT / "tests").rglob("test_*.py")}
MUTANTS = catalogue()


def test_every_mutant_can_be_applied() -> None:
    """The text that a mutant replaces stands in the source exactly once, and what it makes of it is Python."""
    assert faults(MUTANTS, PACKAGE) == []


def test_every_mutant_is_hunted_by_tests_that_exist() -> None:
    """A mutant names the tests that must catch it, and each of them is there."""
    contracts = "".join(path.read_text(encoding="utf-8") for path in (PACKAGE / "testing").glob("*.py"))
    missing = []
    for mutant in MUTANTS:
        assert mutant.caught_by, mutant.name
        for test in mutant.caught_by:
            file, *names = test.partition("[")[0].split("::")
            text = TESTS[file].read_text(encoding="utf-8") + contracts if file in TESTS else ""
            if not text or not all(re.search(rf"^ *(?:class|def) {name}\b", text, re.MULTILINE) for name in names):
                missing.append(f"{mutant.listed_in}: {mutant.name!r} names {test!r}")
    assert missing == []


def test_every_promise_is_broken_by_some_mutant() -> None:
    """No promise is without a mutant that breaks it."""
    assert {mutant.promise for mutant in MUTANTS} == set(PROMISES)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"old": "def "}, "not once"),
        ({"old": "this stands nowhere"}, "stands 0 times"),
        ({"file": "nowhere.py"}, "there is no nowhere.py"),
        ({"promise": "Quick"}, "there is no promise 'Quick'"),
        ({"new": "if ("}, "no Python"),
        ({"new": MUTANTS[0].old}, "changes nothing"),
    ],
)
def test_bad_entry_is_told(change: dict[str, str], fault: str) -> None:
    """Control: an entry that cannot be applied, or would change nothing, is found, and named."""
    bad: Mutant = replace(MUTANTS[0], **change)  # type: ignore[arg-type]  # all of them are str
    found = bad.faults(PACKAGE)
    assert len(found) == 1
    assert fault in found[0]
    assert repr(bad.name) in found[0]
