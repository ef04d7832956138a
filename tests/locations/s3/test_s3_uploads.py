"""Large values on S3: sent in parts, with bounded memory, and nothing half-done left behind by errors, Ctrl-C or kill -9."""

from __future__ import annotations

import _thread
import contextlib
import itertools
import os
import pickle
import signal
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import seams
from crowd import Program
from machine import in_child
from s3_proxy import Fault, Proxy
from s3_servers import Server
from s3_support import MB, Spoilt, hasty, proxy, shared_proxy
from seams import S3_PART, S3_SAME_SIZE
from support import require

import atomic_store
from atomic_store import AccessError, AtomicStoreError, S3Object
from atomic_store.locations import s3

__all__ = ["hasty", "proxy", "shared_proxy"]

pytestmark = pytest.mark.usefixtures("hasty")

# Commits 17 MB; the proxy kills it at some request.
WRITER = """
with atomic_store.open(path, b"", format="pickle") as store:
    store.value = bytes([1]) * (17 << 20)
"""

# Says by how many KB its memory has grown while it wrote, and then read, 112 MB in small pieces.
STREAMER = """
from atomic_store import S3Object
import boto3, concurrent.futures
place = S3Object(*path.removeprefix("s3://").split("/", 1))
def peak(): return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
def forget(): open("/proc/self/clear_refs", "w").write("5")
with place.replace() as file: file.write(b"warm")
for act in (True, False):
    forget()
    before = peak()
    if act:
        with place.replace() as file:
            for _ in range(1792): file.write(bytes(1 << 16))
    else:
        with place.read() as file:
            count = 0
            while data := file.read(1 << 16): count += len(data)
            assert count == 112 << 20
    say(peak() - before)
"""


@pytest.fixture
def server(ministack: Server) -> Server:
    return ministack


@pytest.fixture
def place(server: Server, proxy: Proxy) -> S3Object:
    """A place that holds b"old"."""
    place = S3Object(server.bucket, server.new_key())
    server.poke(place.key, b"old")
    return place


def parts_of(proxy: Proxy) -> list[int]:
    """The sizes of the parts that went through, in the order of their numbers."""
    sizes: dict[int, int] = {}
    for line, headers in zip(proxy.seen, proxy.headers, strict=True):
        if line.startswith("PUT") and "partNumber=" in line:
            sizes[int(line.partition("partNumber=")[2].partition("&")[0])] = int(headers["content-length"])
    return [size for _, size in sorted(sizes.items())]


@pytest.mark.parametrize(
    ("size", "parts"),
    [(0, []), (S3_PART, []), (S3_PART + 1, [S3_PART, 1]), (3 * S3_PART, [S3_PART] * 3)],
)
def test_size_at_the_border_of_a_part_is_sent_whole(
    size: int, parts: list[int], place: S3Object, server: Server, proxy: Proxy
) -> None:
    """Up to one part a value is a single PUT, beyond it parts of which none is empty; no byte is lost at the borders."""
    content = os.urandom(size)
    with place.replace(place.version()) as file:
        assert file.writable()
        for begin in range(0, size, 3 * MB):
            file.write(memoryview(content)[begin : begin + 3 * MB])
        assert file.tell() == size
    assert server.peek(place.key) == content
    assert parts_of(proxy) == parts
    assert place.version() == file.version


def test_parts_grow_before_there_are_too_many(
    place: S3Object, server: Server, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After so many parts of one size the next are twice as large, and what was written is what is stored."""
    seams.s3_parts(monkeypatch, 5 * MB, 2)
    content = os.urandom(41 * MB)
    with place.replace() as file:
        file.write(content)
    assert parts_of(proxy) == [5 * MB, 5 * MB, 10 * MB, 10 * MB, 11 * MB]
    assert server.peek(place.key) == content


def test_ten_thousand_parts_hold_the_largest_object() -> None:
    """All parts that S3 takes hold more than 5 TB, and the largest is below its limit of 5 GB."""
    sizes = [S3_PART << number // S3_SAME_SIZE for number in range(10_000)]
    assert sum(sizes) > 5 << 40
    assert max(sizes) < 5 << 30


def test_memory_is_bounded(server: Server, proxy: Proxy) -> None:
    """112 MB written and read in small pieces take less than 64 MB of memory each."""
    require(Path("/proc/self/clear_refs").exists(), "needs /proc to forget a peak of memory")
    with Program(STREAMER, f"s3://{server.bucket}/{server.new_key()}") as program:
        assert int(program.hear()) < 64 * 1024
        assert int(program.hear()) < 64 * 1024
        program.finish()


def test_nothing_is_sent_of_a_value_that_cannot_be_dumped(place: S3Object, server: Server) -> None:
    """A dump that fails after several parts, or a block that does, leaves the old object and no upload."""
    for error in (RuntimeError("half"), KeyboardInterrupt(), SystemExit(1)):
        with pytest.raises(type(error)), place.replace() as file:
            file.write(bytes(20 * MB))
            raise error
        with pytest.raises(ValueError, match="closed"):
            file.write(b"late")
        assert server.peek(place.key) == b"old"
        assert server.uploads() == []


@pytest.mark.parametrize(("status", "code", "kind"), [(500, "InternalError", OSError), (403, "AccessDenied", AccessError)])
@pytest.mark.parametrize("after", [0, 1, 3])
def test_part_that_fails_ends_the_upload(
    status: int, code: str, kind: type[Exception], after: int, place: S3Object, server: Server, proxy: Proxy
) -> None:
    """A part that no repetition brings through is an error that names it; nothing is written, nothing left behind."""
    proxy.fail(Fault("PUT", "partNumber=", times=99, after=after, status=status, code=code))
    with pytest.raises(kind, match=f"{code}.*{place.key}"), place.replace() as file:
        for _ in range(8):
            file.write(bytes(5 * MB))
    assert server.peek(place.key) == b"old"
    assert server.uploads() == []


def test_part_that_fails_for_a_while_is_sent_again(place: S3Object, server: Server, proxy: Proxy) -> None:
    """More often than botocore does by itself; but where somebody has aborted the upload there is nothing to send to."""
    fault = proxy.fail(Fault("PUT", "partNumber=2", times=3, status=503, code="SlowDown"))
    with place.replace() as file:
        file.write(bytes(9 * MB))
    assert fault.happened == 3
    assert server.peek(place.key) == bytes(9 * MB)
    fault = proxy.fail(Fault("PUT", "partNumber=2", times=99, status=404, code="NoSuchUpload"))
    with pytest.raises(OSError, match="NoSuchUpload"), place.replace() as file:
        file.write(bytes(10 * MB))
    assert fault.happened == 1
    assert server.uploads() == []


def test_upload_that_cannot_begin_is_an_error(place: S3Object, server: Server, proxy: Proxy) -> None:
    """The first request of an upload is refused: an error that names it, and there is nothing to abort."""
    proxy.fail(Fault("POST", "uploads", times=99, status=403, code="AccessDenied"))
    with pytest.raises(AccessError, match=place.key), place.replace() as file:
        file.write(bytes(9 * MB))
    assert server.peek(place.key) == b"old"


def test_failed_abort_does_not_hide_the_reason(place: S3Object, server: Server, proxy: Proxy) -> None:
    """Where aborting fails too, the first error is the one raised; a note names the upload and what removes it."""
    proxy.fail(Fault("DELETE", times=99, status=503, code="SlowDown"))
    with pytest.raises(RuntimeError, match="half") as caught, place.replace() as file:
        file.write(bytes(9 * MB))
        raise RuntimeError("half")
    (upload,) = server.uploads()
    assert f"{upload} of {place.path!r}" in caught.value.__notes__[0]
    assert "abort_stale_uploads" in caught.value.__notes__[0]
    proxy.fail(Fault("GET", times=0))
    assert place.abort_stale_uploads(0) == 1


def test_error_of_our_own_in_a_thread_is_not_swallowed(server: Server, proxy: Proxy) -> None:
    """Whatever ends a thread that sends parts ends the commit, as itself."""

    def broken(real: Any, **arguments: Any) -> Any:
        raise MemoryError("in a thread")

    place = S3Object(server.bucket, server.new_key(), client=Spoilt(server.client, upload_part=broken))
    with pytest.raises(MemoryError, match="in a thread"), place.replace() as file:
        file.write(bytes(9 * MB))
    assert server.uploads() == []


def test_ctrl_c_leaves_no_upload_and_a_whole_value(
    place: S3Object, server: Server, proxy: Proxy, record_property: Callable[[str, object], None]
) -> None:
    """Ctrl-C at the n-th request, for n = 1, 2, 3 ... until there is none: the old or the new value, and no upload."""
    for number in range(50):
        server.poke(place.key, b"old")
        fault = proxy.fail(Fault("", after=number, forward=True, heard=True, meanwhile=_thread.interrupt_main))
        try:
            with place.replace(place.version()) as file:
                file.write(bytes(25 * MB))
        except KeyboardInterrupt:
            pass
        proxy.fail(Fault("", times=0))
        assert server.peek(place.key) in (b"old", bytes(25 * MB))
        assert server.uploads() == []
        record_property("Ctrl-C during uploads to S3 survived", fault.happened)
        if not fault.happened:
            return
    raise AssertionError("no commit without an interrupt")


@pytest.mark.parametrize("number", [1, 2, 3])
def test_ctrl_c_while_a_thread_starts_leaves_no_upload(
    place: S3Object, server: Server, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Ctrl-C just when a thread has begun to send, before its pool knows it: what it sends is waited for all the same."""
    server.poke(place.key, b"old")
    start, started = threading.Thread.start, itertools.count(1)

    def interrupted(thread: threading.Thread) -> None:
        sending = thread.name.startswith("atomic_store upload")
        if not sending or next(started) != number:
            start(thread)
            return
        before = len(proxy.seen)
        start(thread)
        while len(proxy.seen) == before:
            time.sleep(0.001)
        raise KeyboardInterrupt

    proxy.fail(Fault("", times=100, forward=True, heard=True, meanwhile=lambda: time.sleep(0.1)))
    monkeypatch.setattr(threading.Thread, "start", interrupted)
    with pytest.raises(KeyboardInterrupt), place.replace(place.version()) as file:
        file.write(bytes(33 * MB))
    assert server.peek(place.key) == b"old"
    assert server.uploads() == []


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("size", [3, 20 * MB])
def test_child_of_a_fork_has_no_part_in_the_write(size: int, place: S3Object, server: Server, proxy: Proxy) -> None:
    """A child that leaves the parent's block, or writes in it, sends, aborts and awaits nothing; the parent commits."""
    block = place.replace()
    file = block.__enter__()
    file.write(bytes(size))
    for act in (lambda: block.__exit__(None, None, None), lambda: file.write(bytes(40 * MB))):
        with pytest.raises(AtomicStoreError, match="has forked"):
            in_child(act)
    in_child(lambda: block.__exit__(SystemExit, SystemExit(), None))
    assert server.peek(place.key) == b"old"
    block.__exit__(None, None, None)
    assert server.peek(place.key) == bytes(size)
    assert parts_of(proxy) == ([] if size == 3 else [S3_PART, S3_PART, 4 * MB])


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_child_of_a_fork_writes_nothing_into_the_spooled_file(place: S3Object, server: Server) -> None:
    """A child that leaves the block closes the temporary file; what was buffered for it is not written twice."""
    block = place.replace()
    file = block.__enter__()
    file.seek(0)
    file.write(bytes(9 * MB))
    file.write(b"before")
    in_child(lambda: block.__exit__(SystemExit, SystemExit(), None))
    file.write(b"after")
    block.__exit__(None, None, None)
    assert server.peek(place.key) == bytes(9 * MB) + b"beforeafter"


def test_thread_that_comes_too_late_sends_nothing(place: S3Object, proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that begins only after the upload was given up makes no request: nobody would take back what it does."""
    threads: list[threading.Thread] = []
    start = threading.Thread.start

    def first_only(thread: threading.Thread) -> None:
        ours = thread.name == "atomic_store upload"  # the proxy has threads as well
        if ours:
            threads.append(thread)
        if not ours or len(threads) == 1:
            start(thread)

    monkeypatch.setattr(threading.Thread, "start", first_only)
    with pytest.raises(KeyboardInterrupt), place.replace() as file:
        file.write(bytes(9 * MB))
        raise KeyboardInterrupt
    before, (_, *late) = len(proxy.seen), threads
    assert late
    for thread in late:
        thread.run()
    assert len(proxy.seen) == before


def test_lost_answer_to_the_begin_of_an_upload_is_survived(place: S3Object, server: Server, proxy: Proxy) -> None:
    """Botocore begins a second upload; the first, whose id nobody was told, is one for abort_stale_uploads()."""
    proxy.fail(Fault("POST", "uploads", forward=True))
    with place.replace() as file:
        file.write(bytes(9 * MB))
    assert server.peek(place.key) == bytes(9 * MB)
    assert place.abort_stale_uploads(0) == 1


def test_kill_leaves_the_old_or_the_new_value(
    place: S3Object, server: Server, proxy: Proxy, record_property: Callable[[str, object], None]
) -> None:
    """Kill -9 at the n-th request of an upload, before and after it took effect: the old object or the new one, whole.

    What the killed ones have left is found and aborted afterwards.
    """
    new = pickle.dumps(bytes([1]) * (17 * MB), protocol=4)
    left = 0
    kept = {b"old": 0, new: 0}
    for forward in (False, True):
        for number in range(1, 50):  # the first one is that of open(): there is nothing to break yet
            server.poke(place.key, pickle.dumps(b"old", protocol=4))
            running: list[Program] = []
            fault = proxy.fail(Fault("", after=number, forward=forward, meanwhile=lambda: running[0].kill()))  # noqa: B023 - of this round
            with Program(WRITER, place.path) as program:
                running.append(program)
                assert program.process.wait(60) == (-signal.SIGKILL if fault.happened else 0)
            proxy.fail(Fault("", times=0))
            value = atomic_store.open(place, format="pickle").value
            assert value in (b"old", bytes([1]) * (17 * MB))
            left += len(server.uploads())
            place.abort_stale_uploads(0)
            assert server.uploads() == []
            record_property("kill -9 during uploads to S3 survived", fault.happened)
            if not fault.happened:
                break
            kept[b"old" if value == b"old" else new] += 1
        else:
            raise AssertionError("no commit without a kill")
    assert left > 0
    assert kept[new] == 1  # only the one whose completion the server had taken
    assert kept[b"old"] >= 8


def test_only_stale_uploads_of_this_very_key_are_aborted(
    place: S3Object, server: Server, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Younger ones stay, and so do those of keys that only begin the same; a list of several pages is read to its end."""

    def begin(key: str) -> str:
        upload: str = server.client.create_multipart_upload(Bucket=server.bucket, Key=key)["UploadId"]
        return upload

    ours = {begin(place.key) for _ in range(5)}
    stranger = begin(f"{place.key}.other")
    assert set(server.uploads(place.key)) == {*ours, stranger}
    assert place.abort_stale_uploads(older_than=3600) == 0
    assert place.abort_stale_uploads(older_than=timedelta(days=1)) == 0
    assert set(server.uploads(place.key)) == {*ours, stranger}
    paged = S3Object(server.bucket, place.key, _Paged(place.client))
    assert paged.abort_stale_uploads(older_than=0) == 5
    assert server.uploads(place.key) == [stranger]
    # Not even asked for under a key that is not its own: the services that were tried refuse that, another one may not.
    assert sum(line.startswith("DELETE") for line in proxy.seen) == 5
    assert not any(stranger in line for line in proxy.seen)
    server.client.abort_multipart_upload(Bucket=server.bucket, Key=f"{place.key}.other", UploadId=stranger)
    for age in (-1, timedelta(seconds=-1)):
        with pytest.raises(ValueError, match="older_than"):
            place.abort_stale_uploads(age)


def test_cleaning_aborts_what_is_older_than_a_day(place: S3Object, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """clean() goes by the age that no commit reaches, names the uploads, and only lists them in a dry run."""
    upload = server.client.create_multipart_upload(Bucket=server.bucket, Key=place.key)["UploadId"]
    assert place.clean() == place.clean(dry_run=True) == []
    monkeypatch.setattr(s3, "STALE_AFTER", 0)
    for dry_run in (True, False):
        assert server.uploads(place.key) == [upload]
        ((name, error),) = place.clean(dry_run)
        assert (upload in name, error) == (True, None)
    assert server.uploads(place.key) == []


class _Paged:
    """A client whose listings have two entries a page."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def get_paginator(self, method: str) -> Any:
        paginator = self._client.get_paginator(method)

        class Small:
            def paginate(self, **arguments: Any) -> Any:
                return paginator.paginate(**arguments, PaginationConfig={"PageSize": 2})

        return Small()


def test_upload_that_ends_while_it_is_listed_is_no_error(place: S3Object, server: Server, proxy: Proxy) -> None:
    """Somebody else aborts or completes it first: it is not counted. A refused listing or abort is an error."""
    upload = server.client.create_multipart_upload(Bucket=server.bucket, Key=place.key)["UploadId"]
    for within, code, kind in (("uploads", "AccessDenied", AccessError),):
        proxy.fail(Fault("GET", within, times=99, status=403, code=code))
        for look in (place.clean, lambda: place.abort_stale_uploads(0)):
            with pytest.raises(kind, match=place.key):
                look()
    proxy.fail(Fault("DELETE", times=99, status=403, code="AccessDenied"))
    with pytest.raises(AccessError):
        place.abort_stale_uploads(0)
    proxy.fail(Fault("DELETE", status=404, code="NoSuchUpload", forward=True))
    assert place.abort_stale_uploads(0) == 0
    assert upload not in server.uploads()


def test_service_that_answers_an_error_where_there_are_no_uploads_is_understood(rclone: Server) -> None:
    """Rclone says NoSuchUpload to a list of uploads that would be empty: there are none."""
    assert S3Object(rclone.bucket, rclone.new_key(), rclone.client).abort_stale_uploads(0) == 0


@pytest.mark.parametrize("size", [0, 1000, 20 * MB])
def test_progress_adds_up(size: int, server: Server, proxy: Proxy) -> None:
    """What progress is told while writing, and while reading, is the size of the value; never 0, as tqdm wants it."""
    told: list[int] = []
    place = S3Object(server.bucket, server.new_key(), progress=told.append)
    content = os.urandom(size)
    with place.replace() as file:
        file.write(content)
    assert sum(told) == size
    assert 0 not in told
    for read_all in (True, False):
        told.clear()
        with place.read() or pytest.fail("nothing is stored") as file:
            pieces = [file.read()] if read_all else iter(lambda: file.read(100_000), b"")
            assert b"".join(pieces) == content
        assert sum(told) == size
        assert 0 not in told
    assert len(told) != 1 or size < MB


def test_progress_that_raises_fails_the_commit(server: Server, proxy: Proxy) -> None:
    """It is called before anything is published: what it raises leaves the old value, and no upload."""

    def stop(size: int) -> None:
        raise RuntimeError("enough")

    place = S3Object(server.bucket, server.new_key(), progress=stop)
    server.poke(place.key, b"old")
    for size in (1, 20 * MB):
        with pytest.raises(RuntimeError, match="enough"), place.replace() as file:
            file.write(bytes(size))
        assert server.peek(place.key) == b"old"
    assert server.uploads() == []


@pytest.mark.parametrize("fails_at", [1, 2])
def test_dump_that_swallows_a_failed_write_publishes_no_torn_object(server: Server, proxy: Proxy, fails_at: int) -> None:
    """Once a write has failed, the commit fails with its error and does not hang, whatever the format makes of it."""

    class Careless:
        @staticmethod
        def dump(value: int, file: Any) -> None:
            for _ in range(value):
                with contextlib.suppress(RuntimeError):
                    file.write(bytes(MB))

        @staticmethod
        def load(file: Any) -> Any:
            return file.read()

    calls: list[int] = []

    def progress(size: int) -> None:
        calls.append(size)
        if len(calls) == 1 + fails_at:
            raise RuntimeError("of progress")

    key = server.new_key()
    server.poke(key, b"old")
    store = atomic_store.open(S3Object(server.bucket, key, progress=progress), format=Careless)
    assert calls == [3]
    store.value = 50
    with pytest.raises(RuntimeError, match="of progress"):
        store.commit()
    assert server.peek(key) == b"old"
    assert server.uploads(key) == []


def test_checksums_that_were_asked_for_are_checked_on_every_way(server: Server, proxy: Proxy) -> None:
    """put_options with a ChecksumAlgorithm reach PUT, the upload and its parts, whose sums the completion repeats."""
    place = S3Object(server.bucket, server.new_key(), put_options={"ChecksumAlgorithm": "SHA256"})
    for size in (1, 20 * MB):
        with place.replace() as file:
            file.write(bytes(size))
        assert server.peek(place.key) == bytes(size)
    sent = [
        line.split()[0]
        for line, headers in zip(proxy.seen, proxy.headers, strict=True)
        if "x-amz-checksum-sha256" in headers
    ]
    assert sent == ["PUT"] * 4
