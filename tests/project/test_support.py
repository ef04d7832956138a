"""A test that cannot run is never taken for one that passed."""

from __future__ import annotations

import pytest
from support import REQUIRE_ALL, require


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
