"""The S3 servers of the tests: none outlives them."""

from __future__ import annotations

import os
import socket
import sys
import time
from pathlib import Path

import pytest
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
    require(s3_servers.can_run("rclone"), s3_servers.NEEDED)
    with Program(SERVE, tmp_path) as tests:
        port = int(tests.hear())
        assert listens(port)
        tests.kill()
    until = time.monotonic() + HANGS_AFTER  # killing takes its time
    while listens(port):
        assert time.monotonic() < until, "the server still listens"


def listeners(process: int) -> set[str]:
    """Return the addresses on which a process of this machine listens, as the kernel writes them (proc(5), "net/tcp")."""
    sockets = set()
    for number in os.listdir(f"/proc/{process}/fd"):
        try:
            sockets.add(os.readlink(f"/proc/{process}/fd/{number}"))
        except FileNotFoundError:  # closed meanwhile
            continue
    found = set()
    for table in ("tcp", "tcp6"):
        lines = Path(f"/proc/{process}/net/{table}").read_text().splitlines()[1:]
        rows = [line.split() for line in lines]
        found |= {row[1].partition(":")[0] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in sockets}
    return found


@pytest.mark.parametrize("name", ["ministack", "moto", "rclone"])
def test_server_of_the_tests_listens_on_loopback_only(name: str, request: pytest.FixtureRequest) -> None:
    """No other machine of the network reaches a server of the tests, by whatever port."""
    server: s3_servers.Server = request.getfixturevalue(name)
    assert {address for process in server.processes for address in listeners(process.pid)} == {"0100007F"}  # 127.0.0.1


def test_server_of_another_environment_is_never_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs on PATH that are not installed in the environment of the tests are of any age, and are not taken."""
    names = ("ministack", "moto_server", "rclone")
    for name in names:
        (tmp_path / name).write_text("#!/bin/sh\nexit 3\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    for name in names:
        found = s3_servers.program(name)
        assert found is None or Path(found).parent == Path(sys.executable).parent
