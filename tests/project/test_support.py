"""A test that cannot run is never taken for one that passed."""

from __future__ import annotations

import pytest
from support import BUT_THE_ECOSYSTEM, REQUIRE_ALL, require, require_ecosystem, skips


def test_left_out_test_is_seen_on_a_laptop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the environment variable, a missing thing skips the test and says why."""
    monkeypatch.delenv(REQUIRE_ALL, raising=False)
    with pytest.raises(pytest.skip.Exception, match="needs root"):
        require(False, "needs root")


def test_left_out_test_fails_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the environment variable, a missing thing fails the test and says why."""
    monkeypatch.setenv(REQUIRE_ALL, "1")
    with pytest.raises(pytest.fail.Exception, match="needs root"):
        require(None, "needs root")


@pytest.mark.parametrize("value", ["", "1"])
def test_complete_machine_runs_everything(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """What is there lets the test go on, in CI and elsewhere."""
    monkeypatch.setenv(REQUIRE_ALL, value)
    require("/usr/bin/strace", "needs strace")


def test_ecosystem_alone_may_be_missing_where_ci_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """A CI run without the ecosystem's packages skips their tests, and still fails for anything else that is missing."""
    monkeypatch.setenv(REQUIRE_ALL, BUT_THE_ECOSYSTEM)
    with pytest.raises(pytest.skip.Exception, match="packages of developers"):
        require_ecosystem("there_is_no_such_module")
    with pytest.raises(pytest.fail.Exception, match="needs root"):
        require(False, "needs root")


def test_skips_are_told_in_ten_lines() -> None:
    """However many reasons there are, ten lines name the most frequent ones and count every skipped test."""
    assert skips(["needs root to mount", "needs root to become another user", "needs strace"]) == [
        "2 skipped: needs root",
        "1 skipped: needs strace",
    ]
    lines = skips([f"needs thing {number}" for number in range(20) for _ in range(20 - number)])
    assert len(lines) == 10
    assert lines[0] == "20 skipped: needs thing 0"
    assert sum(int(line.split()[0]) for line in lines) == 210
