"""What a network and a service can do to a commit: a proxy between library and server does it, at each request in turn."""

from __future__ import annotations

import io
import pickle
import socket
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import s3_servers
import seams
from s3_proxy import Fault, Proxy
from s3_servers import Server
from s3_support import MB, Spoilt, between, hasty, proxy, shared_proxy, world

import atomic_store
from atomic_store import (
    AccessError,
    AtomicStore,
    AtomicStoreError,
    ConflictError,
    LoadError,
    LocationError,
    S3Object,
    UncertainCommitError,
)
from atomic_store.locations.base import ANY

__all__ = ["hasty", "proxy", "shared_proxy"]


pytestmark = pytest.mark.usefixtures("hasty")

PART = "partNumber="
COMPLETE = "uploadId="


@pytest.fixture
def server(ministack: Server) -> Server:
    return ministack


@pytest.fixture
def store(server: Server, proxy: Proxy) -> AtomicStore[Any]:
    """A counter that was committed once; it stands at 1."""
    store = AtomicStore[Any](f"s3://{server.bucket}/{server.new_key()}", 1)
    store.commit()
    return store


def key_of(store: AtomicStore[Any]) -> str:
    return str(store.path).split("/", 3)[3]


def add_one(value: int) -> int:
    return value + 1


def stranger(server: Server, path: str, times: int = 1) -> None:
    """Let another program add 1, past the proxy."""
    bucket, key = path.split("/", 3)[2:]
    other = AtomicStore[Any](S3Object(bucket, key, server.client), 0)
    for _ in range(times):
        other.update(add_one)


# --- reading ---


@pytest.mark.parametrize(
    ("status", "code", "kind", "hint"),
    [
        (403, "AccessDenied", AccessError, "s3:ListBucket"),
        (403, "SomethingNew", AccessError, "s3:ListBucket"),
        (403, "InvalidObjectState", AccessError, "archived"),
        (403, "InvalidAccessKeyId", AccessError, "AWS_PROFILE"),
        (403, "RequestTimeTooSkewed", AccessError, "clock"),
        (400, "ExpiredToken", AccessError, "expired"),
        (400, "AuthorizationHeaderMalformed", LocationError, "region"),
        (301, "PermanentRedirect", LocationError, "region"),
        (404, "NoSuchBucket", LocationError, "bucket does not exist"),
        (404, "NoSuchVersion", OSError, "status 404"),
        (500, "InternalError", OSError, "try again"),
        (503, "SlowDown", OSError, "try again"),
        (418, "Teapot", OSError, "status 418"),
    ],
)
def test_no_answer_but_no_such_key_is_taken_for_an_empty_place(
    status: int, code: str, kind: type[Exception], hint: str, server: Server, proxy: Proxy
) -> None:
    """Every other error of a read is raised, names bucket, key, code and the likely cause, and is never the default."""
    proxy.fail(Fault("GET", times=99, status=status, code=code))
    with pytest.raises(kind) as caught:
        atomic_store.open(f"s3://{server.bucket}/some/key", default=[])
    message = str(caught.value)
    assert f"s3://{server.bucket}/some/key" in message
    assert code in message
    assert hint in message
    again = pickle.loads(pickle.dumps(caught.value))
    assert (type(again), str(again), vars(again)) == (type(caught.value), message, vars(caught.value))
    if kind is AccessError:
        assert (again.code, again.filename) == (code, f"s3://{server.bucket}/some/key")


def test_missing_bucket_is_not_an_empty_place(server: Server, proxy: Proxy) -> None:
    """Reading, looking, writing and deleting say that it is the bucket that is missing."""
    place = S3Object("no-such-bucket", "key")
    for attempt in (place.read, place.version, place.delete, atomic_store.AtomicStore[Any](_blank(place), 1).commit):
        with pytest.raises(LocationError, match=r"no-such-bucket/key.*NoSuchBucket"):
            attempt()


def _blank(place: S3Object) -> Any:
    """The place, pretending when it is read that nothing is stored."""

    class Blank(S3Object):
        def read(self, exact: bool = False) -> None:
            return None

    return Blank(place.bucket, place.key)


def test_wrong_secret_is_refused_by_a_real_service(rclone: Server) -> None:
    """A service that checks signatures gives an AccessError for reading, looking, writing and deleting; nothing changes."""
    key = rclone.new_key()
    rclone.poke(key, b"old")
    with world(rclone.url, AWS_SECRET_ACCESS_KEY="wrong"):
        place = S3Object(rclone.bucket, key)
        with pytest.raises(AccessError, match=key) as caught:
            place.read()
        assert caught.value.code is not None
        for attempt in (place.version, place.delete):
            with pytest.raises(AccessError, match=key):
                attempt()
        for size in (1, 9 * MB):
            with pytest.raises(AccessError, match=key), place.replace() as file:
                file.write(bytes(size))
    assert rclone.peek(key) == b"old"


def test_missing_credentials_are_named(server: Server) -> None:
    """No credentials, or a profile that does not exist, is an AccessError with the way out; nothing is sent."""
    with world(server.url) as _, pytest.MonkeyPatch.context() as patch:
        patch.delenv("AWS_ACCESS_KEY_ID")
        patch.delenv("AWS_SECRET_ACCESS_KEY")
        with pytest.raises(AccessError, match="AWS_PROFILE") as caught:
            atomic_store.open("s3://bucket/key")
        assert caught.value.code == "NoCredentialsError"
        patch.setenv("AWS_PROFILE", "no-such-profile")
        with pytest.raises(AccessError, match=r"no-such-profile.*AWS_PROFILE"):
            atomic_store.open("s3://bucket/key")


def test_bucket_that_can_be_none_is_refused(proxy: Proxy) -> None:
    """What botocore refuses to send is a LocationError that names the place."""
    with pytest.raises(LocationError, match="s3://no bucket/key"):
        atomic_store.open("s3://no bucket/key")


def test_unreachable_endpoint_is_a_connection_error() -> None:
    """Where nobody listens, a read is a ConnectionError that names the place and says where to look."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with (
            world(f"http://127.0.0.1:{taken.getsockname()[1]}"),
            pytest.raises(ConnectionError, match=r"endpoint.*s3://bucket/key"),
        ):
            atomic_store.open("s3://bucket/key", default=[])


@pytest.mark.parametrize("size", [100, 3 * MB])
@pytest.mark.parametrize("format", ["json", "pickle"])
def test_body_cut_short_is_no_value(size: int, format: str, server: Server, proxy: Proxy) -> None:
    """Half of a body is a ConnectionError, whether a format streams or not; neither the default nor a LoadError."""
    key = server.new_key()
    store = atomic_store.open(f"s3://{server.bucket}/{key}", default="", format=format)
    with store:
        store.value = "x" * size
    proxy.fail(Fault("GET", times=99, forward=True, cut=True))
    with pytest.raises(ConnectionError, match=f"ended before.*{key}"):
        atomic_store.open(f"s3://{server.bucket}/{key}", default="", format=format)


def body_read_by(read: Callable[[int], bytes]) -> Any:
    """Answer a GET as the service does, but for the reading of the body."""

    def call(real: Any, **arguments: Any) -> Any:
        found = real(**arguments)
        return {**found, "Body": SimpleNamespace(read=read, close=found["Body"].close)}

    return call


def test_error_that_botocore_lets_through_is_a_connection_error(server: Server, proxy: Proxy) -> None:
    """Its older versions wrap not all that urllib3 raises while a body is read: it is a ConnectionError all the same."""
    from urllib3.exceptions import ProtocolError

    def broken(size: int) -> bytes:
        raise ProtocolError("connection broken")

    place = S3Object(server.bucket, server.new_key(), client=Spoilt(server.client, get_object=body_read_by(broken)))
    server.poke(place.key, b"value")
    file = place.read()
    assert file is not None
    with file, pytest.raises(ConnectionError, match=rf"connection broken.*ended before.*{place.key}"):
        file.read(1)


def test_length_that_an_object_claims_is_not_believed(server: Server, proxy: Proxy) -> None:
    """A pickle of 30 bytes that claims to hold 256 MB is read by pieces: nobody sets that much memory aside twice."""
    sizes: list[int] = []
    content = io.BytesIO(b"\x80\x04\x8e" + (1 << 28).to_bytes(8, "little") + b"x" * 16)

    def watched(size: int) -> bytes:
        sizes.append(size)
        return content.read(size)

    place = S3Object(server.bucket, server.new_key(), client=Spoilt(server.client, get_object=body_read_by(watched)))
    server.poke(place.key, content.getvalue())
    with pytest.raises(LoadError):
        atomic_store.open(place, format="pickle")
    assert sizes
    assert max(sizes) <= MB


def test_reading_on_after_close_is_refused(server: Server, proxy: Proxy) -> None:
    """A file that was closed in the middle gives nothing more."""
    place = S3Object(server.bucket, server.new_key())
    server.poke(place.key, bytes(MB))
    file = place.read()
    assert file is not None
    assert file.readable()
    assert len(file.read(10) or b"") == 10
    file.close()
    with pytest.raises(ValueError, match="closed"):
        file.read(1)


def test_look_that_is_refused_says_nothing_about_the_version(store: AtomicStore[Any], proxy: Proxy) -> None:
    """changed() raises what the service answers; a HEAD's 403 has no code and is access denied all the same."""
    for status, kind in ((403, AccessError), (401, AccessError), (400, OSError), (503, OSError)):
        proxy.fail(Fault("HEAD", times=99, status=status))
        with pytest.raises(kind, match=str(status)):
            store.changed()


# --- an answer is lost ---


def test_lost_answer_is_no_conflict(store: AtomicStore[Any], server: Server, proxy: Proxy) -> None:
    """The write took effect, botocore repeats it and gets 412: the commit is a success, and so is the next one."""
    for value in (2, 3):
        store.value = value
        fault = proxy.fail(Fault("PUT", forward=True))
        store.commit()
        assert fault.happened == 1
        assert server.peek(key_of(store)) == str(value).encode()
    assert not store.changed()


def test_lost_answer_of_a_creation_is_no_conflict(server: Server, proxy: Proxy) -> None:
    """The same for If-None-Match: the first commit of a store."""
    store = AtomicStore[Any](f"s3://{server.bucket}/{server.new_key()}", 1)
    proxy.fail(Fault("PUT", forward=True))
    store.commit()
    store.commit()
    assert server.peek(key_of(store)) == b"1"


def test_lost_answer_is_not_counted_twice(store: AtomicStore[Any], server: Server, proxy: Proxy) -> None:
    """Somebody builds on our write before we know of it: update() has added once, and so has he."""
    fault = proxy.fail(Fault("PUT", forward=True, meanwhile=lambda: stranger(server, store.path)))
    store.update(add_one)
    assert fault.happened == 1
    assert server.peek(key_of(store)) == b"3"
    with pytest.raises(ConflictError):
        store.commit()
    assert store.update(add_one) == 4


def test_lost_request_is_sent_again(store: AtomicStore[Any], server: Server, proxy: Proxy) -> None:
    """A request that never arrived, more often than botocore tries by itself, is sent again."""
    for value, times in ((2, 1), (3, 4)):
        store.value = value
        proxy.fail(Fault("PUT", times=times))
        store.commit()
        assert server.peek(key_of(store)) == str(value).encode()


def test_lost_answer_of_an_overwrite_is_a_success(store: AtomicStore[Any], server: Server, proxy: Proxy) -> None:
    """Without a condition, too, the id tells what took effect; what did not is sent again."""
    store = AtomicStore[Any](store.path, on_conflict="overwrite")
    for value, fault in ((2, Fault("PUT", times=3, forward=True)), (3, Fault("PUT", times=4))):
        store.value = value
        proxy.fail(fault)
        store.commit()
        assert server.peek(key_of(store)) == str(value).encode()


@pytest.mark.parametrize("expected", ["version", "absent", "any"])
def test_lost_answer_of_a_completion_is_a_success(expected: str, server: Server, proxy: Proxy) -> None:
    """A multipart upload whose completion was not answered is known by its id, whatever was expected."""
    place = S3Object(server.bucket, server.new_key(".pickle"))
    if expected == "version":
        server.poke(place.key, b"old")
    version = ANY if expected == "any" else place.version()
    fault = proxy.fail(Fault("POST", COMPLETE, forward=True))
    with place.replace(version) as file:
        file.write(bytes(9 * MB))
    assert fault.happened == 1
    assert place.version() == file.version
    assert server.uploads() == []


def test_conflict_after_a_lost_request_is_still_a_conflict(store: AtomicStore[Any], server: Server, proxy: Proxy) -> None:
    """Our first try never arrived, somebody else's write did: the list of ids shows that ours is not in."""
    store.value = 7
    proxy.fail(Fault("PUT", meanwhile=lambda: stranger(server, store.path)))
    with pytest.raises(ConflictError):
        store.commit()
    assert server.peek(key_of(store)) == b"2"
    proxy.fail(Fault("PUT", meanwhile=lambda: stranger(server, store.path)))
    assert store.update(add_one) == 4


def test_conflict_without_a_repetition_is_a_conflict_whatever_the_list_says(
    store: AtomicStore[Any], server: Server, proxy: Proxy
) -> None:
    """A request that was sent once and refused took no effect, even if twenty other writes came before."""
    stranger(server, store.path, 20)
    with pytest.raises(ConflictError):
        store.commit()
    proxy.fail(Fault("HEAD", times=99, status=403))
    with pytest.raises(ConflictError):
        store.commit()


def test_write_that_may_have_been_forgotten_is_uncertain(store: AtomicStore[Any], server: Server, proxy: Proxy) -> None:
    """Our answer is lost and thirteen others write: our id has left the list, nobody knows, and update() does not repeat."""
    calls: list[int] = []

    def add(value: int) -> int:
        calls.append(value)
        return value + 1

    proxy.fail(Fault("PUT", forward=True, meanwhile=lambda: stranger(server, store.path, 13)))
    with pytest.raises(UncertainCommitError, match="other writes"):
        store.update(add)
    assert calls == [1]
    assert server.peek(key_of(store)) == b"15"
    with pytest.raises(ConflictError):
        store.commit()


def test_repeated_write_on_a_long_list_is_a_plain_conflict(store: AtomicStore[Any], server: Server, proxy: Proxy) -> None:
    """A full list that still shows what we have read shows that ours is not in it: that is known, and update() repeats."""
    stranger(server, store.path, 20)
    store.reload()
    proxy.fail(Fault("PUT", meanwhile=lambda: stranger(server, store.path)))
    assert store.update(add_one) == 23


def test_outcome_that_cannot_be_looked_up_is_uncertain(store: AtomicStore[Any], server: Server, proxy: Proxy) -> None:
    """Answer lost and HEAD fails: UncertainCommitError; the next commit finds its id and goes on from there."""
    store.value = 2
    proxy.fail(Fault("PUT", times=99, forward=True), Fault("HEAD", times=99))
    with pytest.raises(UncertainCommitError, match=r"cannot be known") as caught:
        store.commit()
    assert isinstance(caught.value, AtomicStoreError)
    assert store.path in str(caught.value)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(caught.value, protocol)).version == caught.value.version
    proxy.fail(Fault("GET", times=0))
    assert server.peek(key_of(store)) == b"2"
    assert not store.changed()
    store.value = 3
    store.commit()
    assert server.peek(key_of(store)) == b"3"


def test_uncertain_write_that_took_no_effect_is_no_conflict_later(
    store: AtomicStore[Any], server: Server, proxy: Proxy
) -> None:
    """The request never arrived and nobody else wrote: the next commit replaces what it was to replace."""
    store.value = 2
    proxy.fail(Fault("PUT", times=99))
    with pytest.raises(UncertainCommitError):
        store.commit()
    proxy.fail(Fault("GET", times=0))
    assert store.changed()
    store.commit()
    assert server.peek(key_of(store)) == b"2"


def test_uncertain_write_is_a_conflict_once_others_have_written(
    store: AtomicStore[Any], server: Server, proxy: Proxy
) -> None:
    """Somebody built on it, or wrote instead of it: the next commit is a ConflictError."""
    for forward in (True, False):
        proxy.fail(Fault("PUT", times=99, forward=forward), Fault("HEAD", times=99))
        with pytest.raises(UncertainCommitError):
            store.commit()
        proxy.fail(Fault("GET", times=0))
        stranger(server, store.path)
        with pytest.raises(ConflictError):
            store.commit()
        store.reload()


def test_refusal_after_a_lost_answer_is_not_taken_for_a_failed_write(
    store: AtomicStore[Any], server: Server, proxy: Proxy
) -> None:
    """The first try took effect unheard, the second is refused (the credentials have expired, say): it is looked up."""
    store.value = 2
    proxy.fail(Fault("PUT", times=3, forward=True), Fault("PUT", times=9, status=403, code="AccessDenied"))
    store.commit()
    store.value = 3
    proxy.fail(Fault("PUT", times=3), Fault("PUT", times=9, status=403, code="AccessDenied"))
    with pytest.raises(UncertainCommitError):
        store.commit()
    assert server.peek(key_of(store)) == b"2"


# --- an answer is no ---


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (403, "AccessDenied", AccessError),
        (400, "EntityTooLarge", OSError),
        (404, "NoSuchBucket", LocationError),
        (503, "SlowDown", OSError),
        (500, "InternalError", OSError),
        (429, "TooManyRequests", OSError),
        (501, "NotImplemented", OSError),
        (409, "OperationAborted", ConflictError),
        (412, "PreconditionFailed", OSError),
        (404, "NoSuchKey", OSError),
    ],
)
@pytest.mark.parametrize("size", [1, 9 * MB])
def test_refused_write_leaves_the_old_value(
    status: int, code: str, kind: type[Exception], size: int, server: Server, proxy: Proxy
) -> None:
    """Whatever is answered, for good, to PUT or to the completion: an error that names it, the old value, no upload."""
    place = S3Object(server.bucket, server.new_key())
    server.poke(place.key, b"old")
    proxy.fail(
        Fault("POST", COMPLETE, times=99, status=status, code=code),
        Fault("PUT", PART, times=0),
        Fault("PUT", times=99, status=status, code=code, only_if=lambda headers: "If-Match" in headers),
    )
    with pytest.raises(kind, match=place.key) as caught, place.replace(place.version()) as file:
        file.write(bytes(size))
    if kind is not ConflictError:
        assert code in str(caught.value)
    assert server.peek(place.key) == b"old"
    assert server.uploads() == []


@pytest.mark.parametrize(
    ("status", "code"), [(409, "ConditionalRequestConflict"), (500, "InternalError"), (503, "SlowDown")]
)
def test_answer_that_passes_is_survived(
    status: int, code: str, store: AtomicStore[Any], server: Server, proxy: Proxy
) -> None:
    """409 once, or 500 and 503 more often than botocore tries by itself: the write is sent again."""
    store.value = 2
    fault = proxy.fail(Fault("PUT", times=1 if status == 409 else 4, status=status, code=code))
    store.commit()
    assert fault.happened == fault.times
    assert server.peek(key_of(store)) == b"2"


def test_conflict_during_a_completion_is_a_conflict(server: Server, proxy: Proxy) -> None:
    """409 ends an upload whose parts are gone from memory: ConflictError, nothing written, nothing left behind."""
    place = S3Object(server.bucket, server.new_key())
    proxy.fail(Fault("POST", COMPLETE, status=409, code="ConditionalRequestConflict"))
    with pytest.raises(ConflictError), place.replace(None) as file:
        file.write(bytes(9 * MB))
    assert server.peek(place.key) is None
    assert server.uploads() == []


def test_upload_that_somebody_aborts_is_an_error(server: Server, proxy: Proxy) -> None:
    """The completion finds no upload: an error; sent twice without a condition, nobody knows what happened."""
    place = S3Object(server.bucket, server.new_key())
    for expected, fault, kind in (
        (None, Fault("POST", COMPLETE, status=404, code="NoSuchUpload"), OSError),
        (ANY, Fault("POST", COMPLETE, status=404, code="NoSuchUpload"), OSError),
        (ANY, Fault("POST", COMPLETE, times=1), UncertainCommitError),
    ):
        proxy.fail(fault, Fault("POST", COMPLETE, times=9, status=404, code="NoSuchUpload"))
        with pytest.raises(kind) as caught, place.replace(expected) as file:
            file.write(bytes(9 * MB))
        assert isinstance(caught.value, UncertainCommitError) == (kind is UncertainCommitError)
        assert server.peek(place.key) is None
        assert server.uploads() == []


def test_look_before_a_completion_is_not_skipped_when_it_fails(server: Server, proxy: Proxy) -> None:
    """Services that ignore the condition of a completion are asked before; without an answer nothing is written."""
    place = S3Object(server.bucket, server.new_key())
    proxy.fail(Fault("HEAD", times=99, status=503, code="SlowDown"))
    with pytest.raises(OSError, match="503"), place.replace(None) as file:
        file.write(bytes(9 * MB))
    assert server.peek(place.key) is None
    assert server.uploads() == []


# --- services of other kinds ---


def test_service_that_compares_only_bare_etags_is_understood(server: Server) -> None:
    """412 although the ETag is the one we sent: once more without quotes, and from then on always at this endpoint."""
    with between(server) as proxy:
        store = AtomicStore[Any](f"s3://{server.bucket}/{server.new_key()}", 1)
        store.commit()
        quoted = proxy.fail(
            Fault(
                "PUT",
                times=99,
                status=412,
                code="PreconditionFailed",
                only_if=lambda headers: headers.get("If-Match", "").startswith('"'),
            )
        )
        for value in (2, 3):
            store.value = value
            store.commit()
            assert server.peek(key_of(store)) == str(value).encode()
        assert quoted.happened == 1
        stranger(server, store.path)
        with pytest.raises(ConflictError):
            store.commit()


def test_service_without_an_etag_in_its_answer_is_asked(server: Server, proxy: Proxy) -> None:
    """Where the answer names no ETag, the version comes from a HEAD; if that fails, the next commit looks for its id."""

    def silent(real: Any, **arguments: Any) -> Any:
        real(**arguments)
        return {"ResponseMetadata": {"HTTPStatusCode": 200}}

    client = S3Object(server.bucket, "any").client
    place = S3Object(server.bucket, server.new_key(), client=Spoilt(client, put_object=silent))
    with place.replace(None) as file:
        file.write(b"1")
    assert file.version == place.version()
    proxy.fail(Fault("HEAD", times=99, status=503, code="SlowDown"))
    with place.replace(file.version) as file:
        file.write(b"2")
    proxy.fail(Fault("HEAD", times=0))
    assert repr(file.version) == "<Version not known>"
    with place.replace(file.version) as late:
        late.write(b"3")
    server.poke(place.key, b"theirs")
    with pytest.raises(ConflictError), place.replace(late.version) as late:
        late.write(b"4")


# --- deleting ---


def test_lost_answer_of_a_delete_is_a_success(store: AtomicStore[Any], server: Server, proxy: Proxy) -> None:
    """The object is gone, and that is what was asked for."""
    fault = proxy.fail(Fault("DELETE", forward=True), Fault("DELETE", status=404, code="NoSuchKey"))
    store.delete()
    assert fault.happened == 1
    assert server.peek(key_of(store)) is None


def test_delete_without_an_answer_is_uncertain(store: AtomicStore[Any], server: Server, proxy: Proxy) -> None:
    """No answer to the delete, nor to the look after it: UncertainCommitError. So is one that has not happened yet."""
    place = S3Object(server.bucket, key_of(store))
    known = place.version()
    for faults in (
        [Fault("DELETE", times=99), Fault("HEAD", times=99, after=1)],
        [Fault("DELETE", times=99)],
    ):
        proxy.fail(*faults)
        with pytest.raises(UncertainCommitError, match=place.key):
            place.delete(known)
    assert server.peek(place.key) == b"1"


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (403, "AccessDenied", AccessError),
        (503, "SlowDown", OSError),
        (412, "PreconditionFailed", ConflictError),
    ],
)
def test_refused_delete_deletes_nothing(
    status: int, code: str, kind: type[Exception], store: AtomicStore[Any], server: Server, proxy: Proxy
) -> None:
    """A delete that is refused leaves the object, and says why; a change that comes after the look is a conflict."""
    meanwhile = (lambda: stranger(server, store.path)) if status == 412 else None
    proxy.fail(Fault("DELETE", times=99, status=status, code=code, meanwhile=meanwhile))
    with pytest.raises(kind):
        store.delete()
    assert server.peek(key_of(store)) is not None


def test_object_that_is_gone_when_its_delete_arrives_is_a_conflict(
    store: AtomicStore[Any], server: Server, proxy: Proxy
) -> None:
    """Somebody deletes between our look and our delete: what we were to delete was not there any more."""
    key = key_of(store)
    proxy.fail(Fault("DELETE", status=404, code="NoSuchKey", meanwhile=lambda: server.poke(key, None)))
    with pytest.raises(ConflictError):
        store.delete()
    assert server.peek(key) is None


def test_pause_between_two_tries_is_short_and_random() -> None:
    """The first one takes at most 0.2 s; more of them would only tell that time passes."""
    with pytest.MonkeyPatch.context() as patch:
        slept: list[float] = []
        patch.setattr("time.sleep", slept.append)
        for _ in range(20):
            seams.S3_PAUSE(1)
    assert 0 <= min(slept) < max(slept) <= 0.2


def test_object_that_is_replaced_before_its_delete_arrives_is_kept(
    store: AtomicStore[Any], server: Server, proxy: Proxy
) -> None:
    """What somebody stores between our look and our DELETE is not deleted, where the service knows the condition."""
    key = key_of(store)
    proxy.fail(Fault("HEAD", forward=True, heard=True, meanwhile=lambda: server.poke(key, b"theirs")))
    with pytest.raises(ConflictError):
        store.delete()
    assert server.peek(key) == b"theirs"


def test_service_without_conditional_delete_deletes(store: AtomicStore[Any], server: Server, proxy: Proxy) -> None:
    """501 to the condition: it was compared right before, and is deleted without; without a condition 501 is an error."""
    proxy.fail(Fault("DELETE", status=501, code="NotImplemented"))
    store.delete()
    assert server.peek(key_of(store)) is None
    server.poke(key_of(store), b"1")
    proxy.fail(Fault("DELETE", times=99, status=501, code="NotImplemented"))
    with pytest.raises(OSError, match="NotImplemented"):
        S3Object(server.bucket, key_of(store)).delete()


def test_copy_that_fails_sets_nothing_aside(server: Server, proxy: Proxy) -> None:
    """What cannot be copied stays where it is."""
    place = S3Object(server.bucket, server.new_key())
    server.poke(place.key, b"{half")
    proxy.fail(Fault("PUT", times=99, status=403, code="AccessDenied"))
    with pytest.raises(AccessError, match=place.key):
        place.set_aside(place.version())
    assert server.peek(place.key) == b"{half"


def test_copy_that_cannot_be_removed_again_is_named(server: Server, proxy: Proxy) -> None:
    """Somebody mends the object while it is set aside, and the copy cannot be deleted: the conflict says where it is."""
    place = S3Object(server.bucket, server.new_key())
    server.poke(place.key, b"{half")
    version = place.version()
    server.poke(place.key, b"[1]")
    proxy.fail(Fault("DELETE", times=99, status=403, code="AccessDenied"))
    with pytest.raises(ConflictError) as caught:
        place.set_aside(version)
    assert f"s3://{server.bucket}/{place.key}.corrupt-" in caught.value.__notes__[0]
    assert server.peek(place.key) == b"[1]"


def test_quarantine_that_may_copy_but_not_delete_names_the_copy(server: Server, proxy: Proxy) -> None:
    """Without s3:DeleteObject the damaged object stays; the error says under which key there is now a copy of it."""
    place = S3Object(server.bucket, server.new_key())
    server.poke(place.key, b"{half")
    proxy.fail(Fault("DELETE", times=99, status=403, code="AccessDenied"))
    with pytest.raises(AccessError) as caught:
        atomic_store.open(place, 0, "json", on_corrupt="quarantine")
    copy = caught.value.__notes__[0].split("'")[1].removeprefix(f"s3://{server.bucket}/")
    assert copy.startswith(f"{place.key}.corrupt-")
    assert server.peek(copy) == server.peek(place.key) == b"{half"


# --- swept ---


@pytest.mark.parametrize("size", [1, 20 * MB])
@pytest.mark.parametrize("forward", [True, False])
def test_any_one_lost_exchange_leaves_the_old_or_the_new_value(
    size: int, forward: bool, server: Server, proxy: Proxy, record_property: Callable[[str, object], None]
) -> None:
    """The n-th request or its answer is lost, for n = 1, 2, 3 ... until none is: every commit ends well, and is whole."""
    place = S3Object(server.bucket, server.new_key())
    server.poke(place.key, b"old")
    for number in range(50):
        content = bytes([number]) * size
        fault = Fault("PUT", after=number, forward=forward)
        others = [Fault(method, after=0, times=0) for method in ("POST",)]
        proxy.fail(fault, *others)
        with place.replace(place.version()) as file:
            file.write(content)
        assert server.peek(place.key) == content
        assert server.uploads() == []
        record_property("faults between library and S3 survived", fault.happened)
        if not fault.happened:
            return
    raise AssertionError("no commit without a fault")


def test_threads_on_one_place_do_not_share_what_they_are_doing(server: Server, proxy: Proxy) -> None:
    """Four threads replace one object through one S3Object at a time: each object that is seen is one of theirs, whole."""
    place = S3Object(server.bucket, server.new_key())
    threads = [threading.Thread(target=_replace, args=(place, bytes([number]) * (9 * MB))) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    content = server.peek(place.key)
    assert content is not None
    assert len(content) == 9 * MB
    assert len(set(content)) == 1
    assert server.uploads() == []


def _replace(place: S3Object, content: bytes) -> None:
    with place.replace() as file:
        file.write(content)


def test_environment_of_these_tests_is_theirs_alone(server: Server) -> None:
    """Control: the library sees the test's server and credentials, and no other AWS settings of this machine."""
    with world(server.url):
        import os

        assert {name for name in os.environ if name.startswith("AWS_")} == set(s3_servers.environment(server.url))
