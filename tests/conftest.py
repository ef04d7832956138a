"""What the tests tell at the end besides passed and failed: how often they have attacked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
import s3_servers
from s3_servers import Server
from support import require


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Sum up the numbers that tests have recorded by record_property, a line for each name."""
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
    require(s3_servers.can_run("ministack"), "needs ministack and boto3: pip install 'atomic-store[test,s3test]'")
    with s3_servers.ministack(tmp_path_factory.mktemp("ministack")) as server:
        yield server


@pytest.fixture(scope="session")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Another one, which ignores If-Match where a multipart upload is completed."""
    require(s3_servers.can_run("moto_server"), "needs moto's server and boto3: pip install 'atomic-store[test,s3test]'")
    with s3_servers.moto(tmp_path_factory.mktemp("moto")) as server:
        yield server


@pytest.fixture(scope="session")
def rclone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One that ignores conditions and checks signatures."""
    require(s3_servers.can_run("rclone"), "needs rclone and boto3: pip install 'atomic-store[test,s3test]'")
    with s3_servers.rclone(tmp_path_factory.mktemp("rclone")) as server:
        yield server
