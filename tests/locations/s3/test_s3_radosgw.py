"""S3Object on Ceph's gateway: a service with real authentication, data on a disk, and quirks of its own.

Version 16 compares only ETags without quotes, answers 500 to some who lose a race, names no ETag when an upload is
completed, ignores conditions there and on deletes. A stage of .ci/run installs it; elsewhere these tests are left out.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any

import pytest
from crowd import Program
from s3_proxy import Fault
from s3_radosgw import Cluster, is_installed, radosgw
from s3_servers import Server
from s3_support import COUNT, MB, OnS3, between, broken, checked, count_together, world
from support import require

import atomic_store
from atomic_store import AccessError, AtomicStore, ConflictError, S3Object
from atomic_store.testing import LocationContract

WRITER = """
with atomic_store.open(path, b"", format="pickle") as store:
    store.value = bytes([1]) * (17 << 20)
"""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Cluster]]:
    require(
        is_installed() and os.geteuid() == 0,
        "needs root and Ceph: apt-get install --no-install-recommends radosgw ceph-mon ceph-osd ceph-common",
    )
    require(find_spec("boto3") is not None, "needs boto3: pip install 'atomic-store[s3]'")
    with radosgw(tmp_path_factory.mktemp("ceph")) as both:
        yield both


@pytest.fixture(scope="module")
def ceph(running: tuple[Server, Cluster]) -> Server:
    return running[0]


class TestCeph(OnS3, LocationContract):
    """The contract on Ceph."""

    name = "ceph"


def test_no_increment_is_lost_on_ceph(ceph: Server, record_property: Callable[[str, object], None]) -> None:
    """Eight processes add 1 by update() 25 times each: 200."""
    counted = count_together(ceph, COUNT, 8, 25)
    record_property("increments of 200 kept on Ceph", counted)
    assert counted == 200


def test_wrong_secret_is_refused_by_ceph(ceph: Server) -> None:
    """A wrong secret is an AccessError that names the code; the object is as it was."""
    key = ceph.new_key()
    ceph.poke(key, b"old")
    with world(ceph.url, AWS_SECRET_ACCESS_KEY="wrong"):
        place = S3Object(ceph.bucket, key)
        with pytest.raises(AccessError, match=f"SignatureDoesNotMatch.*{key}"):
            atomic_store.open(place, default=[])
        for size in (1, 9 * MB):
            with pytest.raises(AccessError, match=key), place.replace() as file:
                file.write(bytes(size))
    assert ceph.peek(key) == b"old"


def test_what_ceph_ignores_is_told_by_check(ceph: Server) -> None:
    """16.2 honours the conditions of a PUT, but not those of a CompleteMultipartUpload and of a DELETE: check() says so."""
    report = checked(ceph)
    assert broken(report) == ["complete", "delete"]
    assert "without their quotes" in str(report)
    assert "a CompleteMultipartUpload ignores its conditions (If-None-Match, If-Match)" in str(report)
    with world(ceph.url, AWS_SECRET_ACCESS_KEY="wrong"):
        assert "SignatureDoesNotMatch" in str(atomic_store.check(f"s3://{ceph.bucket}/a"))


def test_large_value_is_not_overwritten_on_ceph(ceph: Server) -> None:
    """A completion ignores its condition there, so what can be seen before is looked at: a ConflictError, no upload left."""
    key = ceph.new_key(".pickle")
    with world(ceph.url):
        first, second = (AtomicStore[Any](f"s3://{ceph.bucket}/{key}", b"", "pickle") for _ in range(2))
        first.value = bytes(9 * MB)
        first.commit()
        first.value = bytes(10 * MB)
        first.commit()
        second.value = bytes(11 * MB)
        with pytest.raises(ConflictError):
            second.commit()
        assert len(AtomicStore[Any](first.path, b"", "pickle").value) == 10 * MB
    assert ceph.uploads() == []


def test_lost_answer_is_no_conflict_on_ceph(ceph: Server) -> None:
    """The answer to a PUT or to a completion is lost after it took effect: the commit is a success, counted once."""
    with between(ceph) as proxy:
        store = AtomicStore[Any](f"s3://{ceph.bucket}/{ceph.new_key()}", 0)
        store.commit()
        for expected in (1, 2):
            fault = proxy.fail(Fault("PUT", forward=True, after=expected - 1))
            assert store.update(lambda value: value + 1) == expected
        assert fault.happened == 0 or store.value == 2
        place = S3Object(ceph.bucket, ceph.new_key(".pickle"))
        fault = proxy.fail(Fault("POST", "uploadId=", forward=True))
        with place.replace(None) as file:
            file.write(bytes(9 * MB))
        assert fault.happened == 1
        assert place.version() == file.version
    assert ceph.uploads() == []


def test_kill_of_a_writer_leaves_the_old_value_on_ceph(ceph: Server, record_property: Callable[[str, object], None]) -> None:
    """Kill -9 of the program before the n-th request of its upload: the old object, whole; what is left can be aborted."""
    with between(ceph) as proxy:
        place = S3Object(ceph.bucket, ceph.new_key(".pickle"))
        AtomicStore[Any](place, b"old", "pickle").commit()
        for number in range(1, 7):  # the begin, three parts, the look before the completion, and the completion itself
            running: list[Program] = []
            fault = proxy.fail(Fault("", after=number, meanwhile=lambda: running[0].kill()))  # noqa: B023 - of this round
            with Program(WRITER, place.path) as program:
                running.append(program)
                program.process.wait(60)
            proxy.forget()
            assert fault.happened == 1
            assert AtomicStore[Any](place, format="pickle").value == b"old"
            place.abort_stale_uploads(0)
            assert ceph.uploads() == []
            record_property("kill -9 during uploads to Ceph survived", 1)
        with Program(WRITER, place.path) as program:
            program.finish()
        assert AtomicStore[Any](place, format="pickle").value == bytes([1]) * (17 * MB)


def test_kill_of_the_service_loses_no_commit_that_returned(running: tuple[Server, Cluster]) -> None:
    """The whole cluster is killed with -9 after a commit and in the middle of an upload: both values are there."""
    server, cluster = running
    with world(server.url):
        counter = AtomicStore[Any](f"s3://{server.bucket}/{server.new_key()}", 0)
        place = S3Object(server.bucket, server.new_key())
        server.poke(place.key, b"old")
        with pytest.raises(Exception, match=place.key), place.replace() as file:
            file.write(bytes(9 * MB))
            counter.update(lambda value: value + 1)
            cluster.kill()
        cluster.start()
        assert AtomicStore[Any](counter.path).value == 1
        assert server.peek(place.key) == b"old"
        assert place.abort_stale_uploads(0) <= 1
        assert counter.update(lambda value: value + 1) == 2
