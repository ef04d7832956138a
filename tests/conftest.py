"""What surrounds all tests: no configuration of the developer's, S3 servers, and what is told at the end."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Iterator

import pytest
import s3_servers
from s3_servers import Server
from support import require, skips


def pytest_configure() -> None:
    """Shield the tests, and every program that they start, from the developer's surroundings."""
    # A profile may not exist, or name another endpoint; the tests of S3 set what they need.
    for name in [name for name in os.environ if name.startswith(("AWS_", "BOTO_"))]:
        del os.environ[name]
    os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
    # A caller in the background ignores SIGINT, nohup(1) SIGHUP; a child process of a test would inherit that, and never
    # see a Ctrl-C, nor that its terminal is closed.
    for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, usual)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell why tests were skipped, and sum up the numbers that tests have recorded by record_property."""
    told = [report.longrepr for report in terminalreporter.getreports("skipped")]
    reasons = [each[2].removeprefix("Skipped: ") for each in told if isinstance(each, tuple)]
    for line in skips(reasons):
        terminalreporter.write_line(line)
    sums: Counter[str] = Counter()
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if report.when == "call" and isinstance(value, int):
                sums[name] += value
    for name, value in sorted(sums.items()):
        terminalreporter.write_line(f"{name}: {value}")


@pytest.fixture(scope="session")
def ministack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An S3 server that honours every condition."""
    require(s3_servers.can_run("ministack"), s3_servers.NEEDED)
    with s3_servers.ministack(tmp_path_factory.mktemp("ministack")) as server:
        yield server


@pytest.fixture(scope="session")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Another one, which ignores If-Match where a multipart upload is completed."""
    require(s3_servers.can_run("moto_server"), s3_servers.NEEDED)
    with s3_servers.moto(tmp_path_factory.mktemp("moto")) as server:
        yield server


@pytest.fixture(scope="session")
def rclone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One that ignores conditions and checks signatures."""
    require(s3_servers.can_run("rclone"), s3_servers.NEEDED)
    with s3_servers.rclone(tmp_path_factory.mktemp("rclone")) as server:
        yield server
