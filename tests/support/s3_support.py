"""What the tests of S3 share: programs of their own processes, and a world in which the library sees one server only."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import s3_servers
import seams
from crowd import together
from places import Place
from s3_proxy import Proxy
from s3_servers import Server

from atomic_store import S3Object, check
from atomic_store.checking import Report

MB = 1 << 20

# Counts by update().
COUNT = """
store = atomic_store.open(path, 0)
say("ready")
hear()
for _ in range(int(arguments[0])):
    store.update(lambda value: value + 1)
"""

# The same on a service that serves what is only half written: whatever goes wrong, go on with the next.
COUNT_ANYHOW = """
store = atomic_store.open(path, 0)
say("ready")
hear()
for _ in range(int(arguments[0])):
    try: store.update(lambda value: value + 1)
    except (atomic_store.AtomicStoreError, OSError): pass
"""

# The same without conditions: reads, adds, overwrites.
OVERWRITE = """
store = atomic_store.open(path, 0, on_conflict="overwrite")
say("ready")
hear()
for _ in range(int(arguments[0])):
    store.reload()
    store.value += 1
    store.commit()
"""


@contextmanager
def world(url: str, **changes: str) -> Iterator[None]:
    """Let the library, and programs that are started, see the server at `url`; forget their clients afterwards."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        for name, value in {**s3_servers.environment(url), **changes}.items():
            patch.setenv(name, value)
        with seams.no_s3_client():
            yield


@contextmanager
def between(server: Server) -> Iterator[Proxy]:
    """Put a proxy between the library and the server."""
    with Proxy(server.url) as proxy, world(proxy.url):
        yield proxy


@pytest.fixture(scope="module")
def shared_proxy(ministack: Server) -> Iterator[Proxy]:
    """A proxy in front of ministack for all tests of a file: making a client for each would take longer than the tests."""
    with between(ministack) as proxy:
        yield proxy


@pytest.fixture
def proxy(shared_proxy: Proxy) -> Iterator[Proxy]:
    """That proxy, which has done nothing yet and does nothing unless it is told to."""
    shared_proxy.forget()
    yield shared_proxy
    shared_proxy.forget()


class Hasty:
    """The module time, without any waiting: between two tries nothing changes here."""

    def __getattr__(self, name: str) -> Any:
        import time

        return getattr(time, name)

    def sleep(self, seconds: float) -> None:
        pass


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let neither botocore nor the library wait before it sends a request again, nor botocore refuse to.

    It stops once a client has had so many failures, and the tests of a file share a client: the order would decide.
    """
    import botocore.endpoint
    import botocore.retries.quota

    monkeypatch.setattr(botocore.endpoint, "time", Hasty())
    monkeypatch.setattr(botocore.retries.quota.RetryQuota, "acquire", lambda _, amount: True)
    seams.s3_pause(monkeypatch, lambda attempt: None)


def count_together(server: Server, source: str, processes: int, rounds: int) -> int:
    """Let several processes add 1 to one new counter, each so many times; give what it says then."""
    key = server.new_key()
    with world(server.url):
        together(source, f"s3://{server.bucket}/{key}", [(rounds,)] * processes)
    return int(server.peek(key) or b"0")


class OnS3(Place):
    """Objects of one server, a fixture of this name; no unfinished upload is left there."""

    name = "ministack"
    server: Server

    @pytest.fixture(autouse=True)
    def nothing_is_left(self, request: pytest.FixtureRequest) -> Iterator[None]:
        self.server = request.getfixturevalue(self.name)
        with world(self.server.url):
            yield
        assert self.server.uploads() == []

    def make(self) -> S3Object:
        return S3Object(self.server.bucket, self.server.new_key(".data"))

    def again(self, location: S3Object) -> S3Object:
        return S3Object(location.bucket, location.key)

    def peek(self, location: S3Object) -> bytes | None:
        return self.server.peek(location.key)

    def poke(self, location: S3Object, content: bytes | None) -> None:
        self.server.poke(location.key, content)


class Spoilt:
    """A client of boto3 that answers some calls by itself."""

    def __init__(self, real: Any, **instead: Any) -> None:
        self._real = real
        self._instead = instead

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._real, name)
        instead = self._instead.get(name)
        return real if instead is None else lambda **arguments: instead(real, **arguments)


def answer(status: int, code: str) -> Any:
    """An answer that is an error, to whatever call."""
    from botocore.exceptions import ClientError

    def refusing(real: Any, **arguments: Any) -> Any:
        told: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
        raise ClientError(told, "Call")

    return refusing


PROMISES = ["access", "create", "replace", "complete", "delete", "metadata", "etags"]
"""What check() reports of a place on S3."""


def objects(server: Server) -> list[str]:
    """All keys of the tests' bucket."""
    pages = server.client.get_paginator("list_objects_v2").paginate(Bucket=server.bucket)
    return [entry["Key"] for page in pages for entry in page.get("Contents", ())]


def checked(server: Server) -> Report:
    """The report on a place of this server, which is left as it was."""
    key = server.new_key()
    server.poke(key, b"old")
    before = objects(server)
    with world(server.url):
        report = check(f"s3://{server.bucket}/{key}")
    print(report)
    assert server.peek(key) == b"old"
    assert objects(server) == before
    assert server.uploads() == []
    assert list(report.promises) == PROMISES
    return report


def broken(report: Report) -> list[str]:
    """The promises that a report calls broken."""
    return [name for name, kept in report.promises.items() if not kept]
