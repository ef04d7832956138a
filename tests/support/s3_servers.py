"""S3 servers of this machine: real processes on loopback, started and stopped by the tests."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import uuid4

ACCESS, SECRET = "test", "testtest"
NEEDED = "needs S3 servers: the extra test brings one, the dependency group servers the others"
STARTS_WITHIN = 60  # seconds; a server that does not answer by then has failed

# What starts a server: the kernel kills it when these tests end, however that comes about (prctl(2), PR_SET_PDEATHSIG).
DIES_WITH_US = ("setpriv", "--pdeathsig", "KILL", "--")


class Server:
    """A server that is running, and a client of boto3 for it: the side door past the library.

    Attributes:
        url: where it listens.
        bucket: a bucket of the tests.
    """

    def __init__(self, url: str, processes: list[subprocess.Popen[bytes]]) -> None:
        import boto3
        from botocore.config import Config

        self.url = url
        self.processes = processes
        self.bucket = "test-bucket"
        self.client: Any = boto3.Session(ACCESS, SECRET, region_name="us-east-1").client(
            "s3",
            endpoint_url=url,
            config=Config(request_checksum_calculation="when_required", response_checksum_validation="when_required"),
        )

    @property
    def environment(self) -> dict[str, str]:
        """What a program must find in its environment to talk to this server, and to nothing else."""
        return environment(self.url)

    def new_key(self, suffix: str = ".json") -> str:
        """Give a key that no test has used."""
        return f"dir/{uuid4().hex}{suffix}"

    def peek(self, key: str) -> bytes | None:
        """Give the content of an object, None where there is none."""
        try:
            content: bytes = self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        except self.client.exceptions.NoSuchKey:
            return None
        return content

    def poke(self, key: str, content: bytes | None) -> None:
        """Store or remove an object past the library."""
        if content is None:
            self.client.delete_object(Bucket=self.bucket, Key=key)
        else:
            self.client.put_object(Bucket=self.bucket, Key=key, Body=content)

    def uploads(self, key: str = "") -> list[str]:
        """Give the ids of unfinished uploads of keys that begin so."""
        try:
            page = self.client.list_multipart_uploads(Bucket=self.bucket, Prefix=key)
        except self.client.exceptions.NoSuchUpload:  # rclone: there are none
            return []
        return [upload["UploadId"] for upload in page.get("Uploads", [])]


def environment(url: str, secret: str = SECRET) -> dict[str, str]:
    """Give the environment of a program that shall use the server at `url`, whatever ~/.aws says."""
    return {
        "AWS_ACCESS_KEY_ID": ACCESS,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL_S3": url,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def program(name: str) -> str | None:
    """Return the program that is installed in this environment; one on PATH may belong to another, and be of any age."""
    beside = Path(sys.executable).with_name(name)
    return str(beside) if beside.exists() else None


def can_run(name: str) -> bool:
    """Return whether this server, the program that starts it, and boto3 for the client, are installed."""
    return None not in (program(name), shutil.which(DIES_WITH_US[0]), find_spec("boto3"))


@contextmanager
def ministack(directory: Path, port: int | None = None) -> Iterator[Server]:
    """Run ministack; what is stored is in the directory and outlives the server."""
    port = port or free_port()
    variables = {
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        # Its brokers of other services listen on all interfaces, on fixed ports.
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(directory / "s3"),
        "PERSIST_STATE": "1",
        "STATE_DIR": str(directory / "state"),
    }
    with _running([program("ministack") or ""], port, directory, variables) as server:
        yield server


# moto compares an ETag, and only later replaces the object: of two requests in two threads both may pass. One at a time.
_MOTO = """
import sys
from moto import server
run = server.run_simple
server.run_simple = lambda *arguments, threaded, **options: run(*arguments, **options)
server.main(sys.argv[1:])
"""


@contextmanager
def moto(directory: Path) -> Iterator[Server]:
    """Run moto's server; it keeps everything in memory."""
    port = free_port()
    command = [sys.executable, "-c", _MOTO, "-H", "127.0.0.1", "-p", str(port)]
    with _running(command, port, directory, {}) as server:
        yield server


@contextmanager
def rclone(directory: Path) -> Iterator[Server]:
    """Run rclone serve s3; it ignores conditions on writes, and refuses a wrong secret."""
    port = free_port()
    data = directory / "data"
    data.mkdir()
    command = [program("rclone") or "", "serve", "s3", "--auth-key", f"{ACCESS},{SECRET}", "--addr", f"127.0.0.1:{port}"]
    with _running([*command, "--config", os.devnull, str(data)], port, directory, {}) as server:
        yield server


@contextmanager
def _running(command: list[str], port: int, directory: Path, variables: Mapping[str, str]) -> Iterator[Server]:
    with (directory / "server.log").open("ab") as log:
        process = subprocess.Popen(
            [*DIES_WITH_US, *command],
            cwd=directory,
            env={**_clean_environment(), **variables},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        wait_for(port, process, directory / "server.log")
        server = Server(f"http://127.0.0.1:{port}", [process])
        make_bucket(server)
        try:
            yield server
        finally:
            server.client.close()
    finally:
        stop(process)


def _clean_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON", "COV_"))}


def free_port() -> int:
    """Give a port that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        number: int = listener.getsockname()[1]
    return number


def wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until somebody listens on the port; fail if the process ends before."""
    for _ in range(STARTS_WITHIN * 20):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            assert process.poll() is None, log.read_text(errors="replace")[-2000:]
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"no server after {STARTS_WITHIN} s: {log.read_text(errors='replace')[-2000:]}")


def make_bucket(server: Server, name: str | None = None) -> None:
    """Make a bucket, that of the tests unless there is a name; one that is there already is welcome."""
    try:
        server.client.create_bucket(Bucket=name or server.bucket)
    except server.client.exceptions.BucketAlreadyOwnedByYou:
        pass


def empty_bucket(server: Server, name: str) -> None:
    """Make a bucket that holds nothing, whatever other tests have left in it."""
    make_bucket(server, name)
    for each in server.client.list_objects_v2(Bucket=name).get("Contents", []):
        server.client.delete_object(Bucket=name, Key=each["Key"])


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process that these tests have started, with what it has started."""
    try:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(10)
    except ProcessLookupError:
        pass
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(10)
