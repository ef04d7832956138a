"""S3 in programs as they are: sessions, credentials that are renewed, exits, signals, other processes, other places."""

from __future__ import annotations

import copy
import gc
import io
import multiprocessing
import os
import pickle
import re
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import s3_servers
import seams
from crowd import Program
from s3_proxy import Fault, Proxy
from s3_servers import ACCESS, Server
from s3_support import MB, hasty, proxy, shared_proxy, world
from support import require

import atomic_store
from atomic_store import AccessError, S3Object
from atomic_store.locations import s3

__all__ = ["hasty", "proxy", "shared_proxy"]

EXPIRED = {"status": 400, "code": "ExpiredToken", "times": 999}


@pytest.fixture
def server(ministack: Server) -> Iterator[Server]:
    """ministack, and the library sees nothing else."""
    with world(ministack.url):
        yield ministack


@pytest.fixture
def default_session(monkeypatch: pytest.MonkeyPatch) -> Any:
    """boto3, whose default session is as it was after the test."""
    import boto3

    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    return boto3


def key_in_use(place: S3Object) -> str:
    """The access key of the client that a place uses."""
    key: str = place.client._request_signer._credentials.access_key
    return key


# --- sessions and credentials ---


def test_default_session_of_the_program_is_used(server: Server, default_session: Any) -> None:
    """What setup_default_session() was given, every client of boto3 has: keys, region, profile; so has the library's."""
    place = S3Object("bucket", "key")
    assert key_in_use(place) == ACCESS
    default_session.setup_default_session(aws_access_key_id="KEY", aws_secret_access_key="s", region_name="eu-west-3")
    assert key_in_use(place) == "KEY"
    assert place.client.meta.region_name == "eu-west-3"
    assert place.client is S3Object("other", "key").client
    default_session.setup_default_session(region_name="eu-west-1")
    assert place.client.meta.region_name == "eu-west-1"


def test_default_session_that_says_nothing_of_its_own_hides_no_change(
    server: Server, default_session: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """boto3.client() makes one as well: where it only repeats the environment, a new environment is seen."""
    default_session.client("s3").close()
    place = S3Object("bucket", "key")
    assert key_in_use(place) == ACCESS
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "CHANGED")
    assert key_in_use(place) == "CHANGED"


def write_keys(path: Path, key: str) -> None:
    path.write_text(f"[default]\naws_access_key_id = {key}\naws_secret_access_key = secret\naws_session_token = token\n")


@pytest.fixture
def keys(tmp_path: Path, proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of credentials with the key KEY1, and nothing in the environment."""
    path = tmp_path / "credentials"
    write_keys(path, "KEY1")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(path))
    return path


def of_key(key: str) -> Any:
    return lambda headers: f"Credential={key}/" in headers["Authorization"]


@pytest.mark.parametrize("size", [1, 9 * MB])
def test_renewed_credentials_are_read_once_the_old_ones_have_expired(
    size: int, keys: Path, ministack: Server, proxy: Proxy
) -> None:
    """Another program renews ~/.aws/credentials: commit, changed() and listing make one new client and go on."""
    place = S3Object(ministack.bucket, ministack.new_key())
    store = atomic_store.open(place, default="")
    store.commit()
    first = place.client
    write_keys(keys, "KEY2")
    proxy.fail(Fault("HEAD", status=400, times=999, only_if=of_key("KEY1")), Fault("", **EXPIRED, only_if=of_key("KEY1")))  # type: ignore[arg-type]
    store.value = "x" * size
    store.commit()
    assert not store.changed()
    assert place.clean() == []
    assert place.client is not first
    assert key_in_use(place) == "KEY2"


def test_renewed_credentials_are_those_of_the_profile_that_was_chosen(
    keys: Path, ministack: Server, proxy: Proxy, default_session: Any
) -> None:
    """A program's default session has a profile: the new client has its new credentials, not those of another one."""

    def write(key: str) -> None:
        write_keys(keys, "NOT THIS")
        keys.write_text(keys.read_text() + keys.read_text().replace("default", "chosen").replace("NOT THIS", key))

    write("KEY1")
    default_session.setup_default_session(profile_name="chosen")
    place = S3Object(ministack.bucket, ministack.new_key())
    store = atomic_store.open(place, default=1)
    assert key_in_use(place) == "KEY1"
    write("KEY2")
    proxy.fail(Fault("", **EXPIRED, only_if=of_key("KEY1")))  # type: ignore[arg-type]
    store.commit()
    assert key_in_use(place) == "KEY2"


def test_credentials_that_nobody_has_renewed_are_an_error_at_once(keys: Path, ministack: Server, proxy: Proxy) -> None:
    """The file still has the expired key: AccessError with its code after one request, and no other client."""
    place = S3Object(ministack.bucket, ministack.new_key())
    store = atomic_store.open(place, default=1)
    client = place.client
    proxy.forget()
    proxy.fail(Fault("", **EXPIRED))  # type: ignore[arg-type]
    with pytest.raises(AccessError, match="expired") as caught:
        store.commit()
    assert caught.value.code == "ExpiredToken"
    assert len(proxy.seen) == 1
    assert place.client is client


def test_renewed_credentials_that_are_refused_too_are_an_error(keys: Path, ministack: Server, proxy: Proxy) -> None:
    """One new client, one more request, and then the error; the file that vanished meanwhile changes nothing either."""
    place = S3Object(ministack.bucket, ministack.new_key())
    store = atomic_store.open(place, default=1)
    proxy.forget()
    proxy.fail(Fault("", **EXPIRED))  # type: ignore[arg-type]
    write_keys(keys, "KEY2")
    with pytest.raises(AccessError, match="expired"):
        store.commit()
    assert len(proxy.seen) == 2
    keys.unlink()
    with pytest.raises(AccessError, match="expired"):
        store.commit()


def test_another_thread_was_faster(keys: Path, ministack: Server, proxy: Proxy) -> None:
    """Who comes with a client that is not the newest any more gets the newest."""
    place = S3Object(ministack.bucket, "key")
    old = place.client
    write_keys(keys, "KEY2")
    newer = seams.s3_client().renewed(old)
    assert newer is not old
    assert seams.s3_client().renewed(old) is newer


def test_broken_settings_are_no_newer_credentials(keys: Path, ministack: Server, proxy: Proxy) -> None:
    """What is found while looking for newer credentials, a broken file say, does not hide the error that led there."""
    old = S3Object(ministack.bucket, "key").client
    keys.write_text("[default\n")
    assert seams.s3_client().renewed(old) is None


def test_hundred_renewals_leave_one_client(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tokens that rotate in the environment: of 100 clients the newest is kept, and neither sockets nor memory add up."""
    require(Path("/proc/self/statm").exists(), "needs /proc to see memory and descriptors")

    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20

    store = atomic_store.open(f"s3://{server.bucket}/{server.new_key()}", default=0)
    clients: set[int] = set()
    for hour in range(100):
        monkeypatch.setenv("AWS_SESSION_TOKEN", f"token of hour {hour}")
        store.value = hour
        store.commit()
        clients.add(id(S3Object("bucket", "key").client))
        if hour == 9:
            gc.collect()
            before, files = resident(), len(os.listdir("/proc/self/fd"))
    gc.collect()
    print(f"90 more renewals: {resident() - before} MB and {len(os.listdir('/proc/self/fd')) - files} descriptors more")
    assert len(clients) > 1
    assert resident() - before < 40
    assert len(os.listdir("/proc/self/fd")) - files < 10


def test_environment_that_threads_change_is_copied_whole(server: Server) -> None:
    """Another thread adds and removes variables all the time: making and finding the client never fails."""
    stop = threading.Event()

    def change() -> None:
        while not stop.is_set():
            for number in range(50):
                os.environ[f"OTHER_{number}"] = "x"
            for number in range(50):
                del os.environ[f"OTHER_{number}"]
            time.sleep(0)  # else each turn of the other thread waits for a whole switch interval

    thread = threading.Thread(target=change)
    thread.start()
    try:
        for _ in range(300):
            assert S3Object("bucket", "key").client
    finally:
        stop.set()
        thread.join()


def test_environment_that_changes_while_a_client_is_made_is_looked_at_again(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Botocore looks twice at a variable that was removed in between: once more, with what is there then."""
    monkeypatch.setenv("AWS_SESSION_TOKEN", "soon gone")
    from botocore.session import Session

    create_client = Session.create_client

    def disturbed(session: Any, *arguments: Any, **options: Any) -> Any:
        if os.environ.pop("AWS_SESSION_TOKEN", None):
            raise KeyError("AWS_SESSION_TOKEN")
        return create_client(session, *arguments, **options)

    monkeypatch.setattr(Session, "create_client", disturbed)
    place = S3Object("bucket", "key")
    assert place.client is place.client


def test_settings_that_give_no_client_are_an_error_of_ours(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever botocore raises while it makes a client names the place."""
    monkeypatch.setattr("botocore.session.Session.create_client", lambda *arguments, **options: int("no number"))
    with pytest.raises(OSError, match=r"s3://bucket/key") as caught:
        atomic_store.open("s3://bucket/key")
    assert caught.value.code == "ValueError"  # type: ignore[attr-defined]


# --- clients of the program ---


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda boto3: boto3.client("sqs", region_name="us-east-1"), 'client=boto3.client("s3")'),
        (lambda boto3: boto3.client("s3control", region_name="us-east-1"), 'client=boto3.client("s3")'),
        (lambda boto3: boto3.resource("s3", region_name="us-east-1"), "client=resource.meta.client"),
        (lambda boto3: boto3.resource("s3", region_name="us-east-1").Bucket("b"), "client=resource.meta.client"),
        (lambda boto3: boto3.Session(), 'client=session.client("s3")'),
        (lambda boto3: boto3.Session()._session, 'client=session.create_client("s3")'),
        (lambda boto3: "s3", 'client=boto3.client("s3")'),
    ],
)
def test_what_is_no_client_of_s3_is_refused_with_the_line_that_works(make: Any, line: str, default_session: Any) -> None:
    """Another service's client would fail later, and a resource must not be shared by threads."""
    with pytest.raises(TypeError, match=re.escape(line)):
        S3Object("bucket", "key", client=make(default_session))


def count(place: S3Object) -> int:
    counter: atomic_store.AtomicStore[int] = atomic_store.open(place, default=0)
    return counter.update(lambda value: value + 1)


def test_location_goes_to_another_process(server: Server) -> None:
    """Pickled or copied it is the same place with the same options; connections are the other process's own."""
    options = {"StorageClass": "STANDARD_IA"}
    place = S3Object(server.bucket, server.new_key(), put_options=options, keep_metadata=True)
    for other in (pickle.loads(pickle.dumps(place)), copy.deepcopy(place), copy.copy(place)):
        assert (other.__reduce__(), other.put_options) == (place.__reduce__(), options)
    assert copy.deepcopy(place).put_options is not options
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.map(count, [place]) == [1]


def test_client_of_the_program_stays_in_its_process(server: Server) -> None:
    """It cannot be pickled, and that is said; a deep copy has the same client."""
    place = S3Object("bucket", "key", client=server.client)
    with pytest.raises(TypeError, match="client of its own"):
        pickle.dumps(place)
    assert copy.deepcopy(place).client is server.client


# --- names of places ---


@pytest.mark.parametrize(
    ("bucket", "key"),
    [
        ("bucket", "key"),
        ("bucket", "/dir//key with spaces?#%2F.json"),
        ("arn:aws:s3:us-east-1:123456789012:accesspoint/my-ap", "dir/state.json"),
        ("arn:aws:s3:us-east-1:123456789012:accesspoint:my-ap", "dir/state.json"),
        ("arn:aws-cn:s3-object-lambda:cn-north-1:123456789012:accesspoint/my-ap", "state.json"),
        ("arn:aws:s3-outposts:us-west-2:123456789012:outpost/op-0123/accesspoint/my-ap", "dir/state.json"),
    ],
)
def test_what_a_location_prints_opens_it(bucket: str, key: str) -> None:
    """The URL of a place, an access point's too, names the same bucket and the same key."""
    again = s3.from_url(S3Object(bucket, key).path)
    assert (again.bucket, again.key) == (bucket, key)


@pytest.mark.parametrize(
    "url", ["s3://arn:aws:s3:us-east-1:1:accesspoint/my-ap", "s3://arn:aws:s3:::bucket", "s3:///key", "s3://b/"]
)
def test_url_without_a_key_is_refused(url: str) -> None:
    """An access point alone is no object."""
    with pytest.raises(atomic_store.LocationError, match="both of them"):
        s3.from_url(url)


# --- what a commit keeps, and which options go where ---


def head(server: Server, key: str) -> dict[str, Any]:
    answer: dict[str, Any] = server.client.head_object(Bucket=server.bucket, Key=key)
    return answer


FOUND = {"CacheControl": "no-cache", "ContentEncoding": "gzip", "ContentType": "text/x-own", "Metadata": {"team": "red"}}


@pytest.mark.parametrize("conflict", ["raise", "overwrite"])
def test_metadata_is_kept_where_that_is_asked_for(conflict: str, server: Server) -> None:
    """With keep_metadata=True headers and metadata outlive commits; put_options win, and without it they are dropped."""
    key = server.new_key()
    server.client.put_object(Bucket=server.bucket, Key=key, Body=b"1", **FOUND)
    place = S3Object(server.bucket, key, keep_metadata=True, put_options={"CacheControl": "max-age=1"})
    store = atomic_store.open(place, on_conflict=conflict)
    for size in (1, 1, 9 * MB):
        store.value = "x" * size
        store.commit()
        kept = head(server, key)
        assert (kept["CacheControl"], kept["ContentEncoding"], kept["ContentType"]) == ("max-age=1", "gzip", "text/x-own")
        assert kept["Metadata"]["team"] == "red"
    atomic_store.open(f"s3://{server.bucket}/{key}", on_conflict=conflict).commit()
    dropped = head(server, key)
    assert "CacheControl" not in dropped
    assert (dropped["ContentType"], list(dropped["Metadata"])) == ("application/json", ["atomic-store-writes"])


@pytest.mark.parametrize("conflict", ["raise", "overwrite"])
def test_metadata_that_another_program_has_changed_meanwhile_is_kept(conflict: str, server: Server) -> None:
    """A change of metadata alone is no conflict, for the ETag stays; the commit keeps what is there then."""
    key = server.new_key()
    server.client.put_object(Bucket=server.bucket, Key=key, Body=b"1", **FOUND)
    store = atomic_store.open(S3Object(server.bucket, key, keep_metadata=True), on_conflict=conflict)
    server.client.copy_object(
        Bucket=server.bucket,
        Key=key,
        CopySource={"Bucket": server.bucket, "Key": key},
        MetadataDirective="REPLACE",
        Metadata={"team": "blue"},
        CacheControl="no-store",
    )
    store.value = 2
    store.commit()
    kept = head(server, key)
    assert (kept["CacheControl"], kept["Metadata"]["team"]) == ("no-store", "blue")


def test_new_object_keeps_nothing_of_none(server: Server) -> None:
    """keep_metadata=True where nothing is stored: the content type of the suffix; and what is no bool is refused."""
    place = S3Object(server.bucket, server.new_key(), keep_metadata=True)
    for conflict in ("raise", "overwrite"):
        place.delete()
        atomic_store.open(place, default=1, on_conflict=conflict).commit()
        assert head(server, place.key)["ContentType"] == "application/json"
    with pytest.raises(TypeError, match="keep_metadata should be"):
        S3Object("bucket", "key", keep_metadata="yes")  # type: ignore[arg-type]


def test_options_go_with_every_request_that_knows_them(ministack: Server, proxy: Proxy) -> None:
    """RequestPayer and the bucket's owner with reading, listing, copying and deleting; SSE-C's keys with the source, too."""
    options = {
        "ExpectedBucketOwner": "000000000000",
        "RequestPayer": "requester",
        "SSECustomerAlgorithm": "AES256",
        "SSECustomerKey": b"k" * 32,
    }
    place = S3Object(ministack.bucket, ministack.new_key(), put_options=options)
    store = atomic_store.open(place, default="")
    for size in (1, 9 * MB):
        store.value = "x" * size
        store.commit()
    secret = {name: value for name, value in options.items() if name.startswith("SSE")}
    ministack.client.put_object(Bucket=ministack.bucket, Key=place.key, Body=b"{half", **secret)
    with pytest.warns(UserWarning, match="corrupt"):
        atomic_store.open(place, default=1, on_corrupt="quarantine")
    assert place.clean() == []
    requests = list(zip(proxy.seen, proxy.headers, strict=True))
    assert len(requests) > 8
    for line, headers in requests:
        assert headers["x-amz-expected-bucket-owner"] == "000000000000", line
        assert headers["x-amz-request-payer"] == "requester", line
        listing_or_end = "?uploads&" in line or line.startswith("DELETE")
        assert ("x-amz-server-side-encryption-customer-key" in headers) == (not listing_or_end), line
        if "x-amz-copy-source" in headers:
            assert headers["x-amz-source-expected-bucket-owner"] == "000000000000"
            assert "x-amz-copy-source-server-side-encryption-customer-key" in headers


# --- how programs end ---

AT_EXIT = """
import atexit, sys, threading, time
import atomic_store
store = atomic_store.open(sys.argv[1], default=b"", format="pickle")
store.value = bytes(int(sys.argv[2]))
def job():
    time.sleep(0.2)
    store.commit()
if sys.argv[3] == "atexit": atexit.register(store.commit)
elif sys.argv[3] == "thread": threading.Thread(target=job).start()
else:
    from concurrent.futures import ThreadPoolExecutor
    ThreadPoolExecutor().submit(job)
"""


@pytest.mark.parametrize("how", ["atexit", "thread", "pool"])
@pytest.mark.parametrize("size", [1000, 20 * MB])
def test_commit_at_the_end_of_a_program_is_stored(how: str, size: int, server: Server) -> None:
    """By atexit, by a thread or a pool that goes on after the main thread has ended: nothing is lost with exit code 0."""
    key = server.new_key(".pickle")
    command = [sys.executable, "-W", "error", "-c", AT_EXIT, f"s3://{server.bucket}/{key}", str(size), how]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert done.stderr == ""
    assert pickle.loads(server.peek(key) or b"") == bytes(size)


def test_upload_goes_on_where_no_thread_can_be_started(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process has as many as it may have, or the interpreter is exiting: the calling thread sends the parts."""
    place = S3Object(server.bucket, server.new_key(), client=server.client)

    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        with place.replace() as file:
            file.write(bytes(40 * MB))
    assert server.peek(place.key) == bytes(40 * MB)


TERMINATED = """
with atomic_store.atomic_write(path) as file:
    file.write(bytes(20 << 20))
    say("ready")
    while True:
        # Not a read: a signal that comes just before it begins does not end it, and its handler waits until it does.
        time.sleep(0.01)
"""
HANDLED = "import signal, sys\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(143))\n"


@pytest.mark.parametrize("handled", [False, True])
def test_sigterm_during_an_upload_leaves_the_old_object(handled: bool, server: Server) -> None:
    """It leaves what kill -9 leaves, an unfinished upload that clean() finds; a handler that exits leaves none."""
    place = S3Object(server.bucket, server.new_key())
    server.poke(place.key, b"old")
    with Program((HANDLED if handled else "") + TERMINATED, place.path) as program:
        assert program.hear() == "ready"
        program.process.send_signal(signal.SIGTERM)
        assert program.process.wait(60) == (143 if handled else -signal.SIGTERM)
    assert server.peek(place.key) == b"old"
    assert len(place.left_by_clean()) == (0 if handled else 1)
    assert place.abort_stale_uploads(0) == (0 if handled else 1)


WARM = """
store = atomic_store.open(path, default=0)
def handler():
    with store:
        store.value += 1
for event in sys.stdin:
    try:
        handler()
        say("ok")
    except ConflictError:
        say("conflict")
"""


def test_handler_goes_on_after_a_freeze(tmp_path: Path) -> None:
    """As in Lambda: between calls the process is stopped, and its connections are closed at the other end meanwhile."""
    require(s3_servers.can_run("ministack"), s3_servers.NEEDED)
    port = s3_servers.free_port()
    with ExitStack() as stack:
        with s3_servers.ministack(tmp_path, port) as server, world(server.url):
            path = f"s3://{server.bucket}/{server.new_key()}"
            program = stack.enter_context(Program(WARM, path))
            heard = [call(program) for _ in range(2)]
            program.signal(signal.SIGSTOP)
        with s3_servers.ministack(tmp_path, port), world(server.url):
            program.signal(signal.SIGCONT)
            heard += [call(program) for _ in range(2)]
            assert heard == ["ok"] * 4
            assert atomic_store.open(path).value == 4


def test_handler_that_has_met_a_conflict_reads_at_its_next_call(server: Server) -> None:
    """A store at module level, of a warm process: after a foreign write one conflict, then ten of ten calls go well."""
    path = f"s3://{server.bucket}/{server.new_key()}"
    with Program(WARM, path) as program:
        assert call(program) == "ok"
        atomic_store.open(path).update(lambda value: value + 100)
        assert [call(program) for _ in range(11)] == ["conflict", *["ok"] * 10]
    assert atomic_store.open(path).value == 111


def call(program: Program) -> str:
    """Let the warm program handle one event; return what it says."""
    program.say()
    return program.hear()


# --- files that seek ---


def test_file_that_seeks_is_spooled(server: Server) -> None:
    """seek() before 8 MB were sent: what was written can be read back, overwritten and cut, and arrives at the end."""
    place = S3Object(server.bucket, server.new_key())
    for size in (1, 20 * MB):
        with place.replace() as file:
            assert (file.seekable(), file.readable()) == (True, False)
            file.write(b"head")
            with pytest.raises(io.UnsupportedOperation, match="seek"):
                file.read(1)
            assert file.seek(0) == 0
            assert file.read(2) == b"he"
            file.seek(0, os.SEEK_END)
            file.write(bytes(size))
            file.write(b"too much")
            assert file.truncate(4 + size) == 4 + size
            file.seek(0)
            file.write(b"HEAD")
            assert file.tell() == 4
            assert file.truncate() == 4 or file.tell() == 4
            file.seek(0, os.SEEK_END)
            file.write(bytes(size))
        assert server.peek(place.key) == b"HEAD" + bytes(size)
        assert server.uploads(place.key) == []
        with pytest.raises(ValueError, match="closed"):
            file.seek(0)


def test_seek_that_comes_too_late_says_so(server: Server) -> None:
    """Parts that were sent cannot be changed: an error with the way out, and after it nothing is published."""
    place = S3Object(server.bucket, server.new_key())
    with pytest.raises(io.UnsupportedOperation, match=r"seek\(0\) before"), place.replace() as file:
        file.write(bytes(9 * MB))
        assert not file.seekable()
        file.seek(0)
    assert server.peek(place.key) is None
    assert server.uploads(place.key) == []


def test_zip_of_many_megabytes_arrives_whole(server: Server) -> None:
    """Zipfile seeks back to each member's header wherever a file lets it."""
    place = S3Object(server.bucket, server.new_key(".zip"))
    content = os.urandom(6 * MB)
    with place.replace() as file, zipfile.ZipFile(file, "w") as archive:
        for number in range(3):
            archive.writestr(str(number), content)
    with zipfile.ZipFile(io.BytesIO(server.peek(place.key) or b"")) as archive:
        assert archive.testzip() is None
        assert [archive.read(name) for name in archive.namelist()] == [content] * 3
