"""What is no answer of S3: each method of a store meets each of them, and raises an error with place, code and way out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import seams
from faults import descriptors
from s3_proxy import Fault, Proxy
from s3_servers import Server
from s3_support import MB, between, hasty, proxy, shared_proxy, world

import atomic_store
from atomic_store import AccessError, AtomicStoreError, ConflictError, LocationError, S3Object, UncertainCommitError

__all__ = ["hasty", "proxy", "shared_proxy"]

pytestmark = pytest.mark.usefixtures("hasty")


@pytest.fixture
def server(ministack: Server) -> Server:
    return ministack


def http(status: str, *headers: str, body: bytes = b"") -> bytes:
    """An answer as it goes over the wire; it says that the proxy closes the connection, or the next request may get that."""
    length = [] if any(header.startswith("Content-Length") for header in headers) else [f"Content-Length: {len(body)}"]
    return "\r\n".join([f"HTTP/1.1 {status}", "Connection: close", *headers, *length, "", ""]).encode() + body


def xml(code: str, message: str = "made by the test") -> bytes:
    return f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()


HTML = b"<html><body>Please log in<br></body></html>"
ANSWERS = {
    "a login page": http("200 OK", "Content-Type: text/html; charset=utf-8", body=HTML),
    "a login page that is XML": http("200 OK", "Content-Type: text/html", body=b"<html><body>Please log in</body></html>"),
    "a redirect to a login page": http("302 Found", "Location: http://127.0.0.1:9/login", body=HTML),
    "nothing but 200": http("200 OK"),
    "an empty ETag": http("200 OK", 'ETag: ""', body=b"1"),
    "JSON": http("200 OK", "Content-Type: application/json", body=b'{"ok": true}'),
    "XML that ends too early": http("200 OK", "Content-Type: application/xml", body=b"<InitiateMultipartUploadResult><Up"),
    "XML of something else": http("200 OK", "Content-Type: application/xml", body=b"<rss><channel>news</channel></rss>"),
    "501": http("501 Not Implemented", "Content-Type: application/xml", body=xml("NotImplemented")),
    "400 of a bucket with Object Lock": http(
        "400 Bad Request",
        body=xml(
            "InvalidRequest",
            "Content-MD5 OR x-amz-checksum- HTTP header is required with Object Lock",
        ),
    ),
    "412": http("412 Precondition Failed", body=xml("PreconditionFailed")),
    "405": http("405 Method Not Allowed", "Allow: GET", body=xml("MethodNotAllowed")),
    "304": http("304 Not Modified", 'ETag: "x"'),
    "404 of a web server": http("404 Not Found", "Content-Type: text/html", body=HTML),
    "an error without a word": http("400 Bad Request"),
    "an error that cannot be parsed": http("500 Internal Server Error", body=b"\xff\xfe<Err"),
    "a Content-Length that is no number": http("200 OK", "Content-Length: many", 'ETag: "x"'),
    "a date that is none": http("200 OK", 'ETag: "x"', "Last-Modified: yesterday", body=b"1"),
    "no HTTP": b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n",
    "nothing": b"\0",
}
METHODS: dict[str, Callable[[Any, S3Object], object]] = {
    "open": lambda store, place: atomic_store.open(place, default=0),
    "reload": lambda store, place: store.reload(),
    "commit": lambda store, place: store.commit(),
    "commit of 9 MB": lambda store, place: commit(store, "x" * 9 * MB),
    "overwrite": lambda store, place: write(place),
    "update": lambda store, place: store.update(lambda value: value + 1),
    "changed": lambda store, place: store.changed(),
    "delete": lambda store, place: store.delete(),
    "set_aside": lambda store, place: place.set_aside(place.version()),
    "clean": lambda store, place: place.clean(),
    "left_by_clean": lambda store, place: place.left_by_clean(),
    "check": lambda store, place: atomic_store.check(place),
}
STORED = (b"1", b"2", b'"' + b"x" * 9 * MB + b'"')


def commit(store: Any, value: str) -> None:
    store.value = value
    store.commit()


def require_our_own(error: Exception, path: str) -> None:
    """Each error names the place; what the service has answered has its code and a likely cause."""
    text = str(error)
    assert path in text, text
    if not isinstance(error, ConflictError | UncertainCommitError):
        assert getattr(error, "code", ""), repr(error)
        assert "Likely cause: " in text, text


def write(place: S3Object) -> None:
    with atomic_store.atomic_write(place) as file:
        file.write(b"2")


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("method", METHODS)
def test_what_is_no_answer_of_s3_is_an_error_of_ours(
    method: str, answer: str, server: Server, proxy: Proxy, record_property: Callable[[str, object], None]
) -> None:
    """From the n-th request on, n = 1, 2, 3 ..., all answers are wrong: an error with place, code and cause, or success.

    Never a bare KeyError or ValueError, never a value that was not stored, and what is stored is whole.
    """
    place = S3Object(server.bucket, server.new_key())
    errors: list[str] = []
    # All three make many requests (botocore asks 60 times for the bucket's region), and still meet each other at several.
    many = method in ("check", "commit of 9 MB") or answer == "a redirect to a login page"
    for number in range(0, 12, 4 if many else 1):
        server.poke(place.key, b"1")
        proxy.fail(Fault("", times=0))
        store = atomic_store.open(place, default=0)
        fault = proxy.fail(Fault("", times=999, after=number, raw=ANSWERS[answer]))
        try:
            METHODS[method](store, place)
        except (AtomicStoreError, OSError) as error:
            require_our_own(error, place.path)
            errors.append(type(error).__name__)
        proxy.fail(Fault("", times=0))
        now = server.peek(place.key)
        assert now in STORED or (now is None and method in ("delete", "set_aside")), now
        if not fault.happened:
            break
    record_property(f"{method} met {answer}", ", ".join(errors) or "no error")
    found = server.client.list_multipart_uploads(Bucket=server.bucket, Prefix=place.key).get("Uploads", ())
    for upload in found:
        server.client.abort_multipart_upload(Bucket=server.bucket, Key=upload["Key"], UploadId=upload["UploadId"])


def test_set_aside_never_deletes_what_was_not_copied(server: Server, proxy: Proxy) -> None:
    """A PUT that answers "done" without a copy: the damaged object stays where it is."""
    place = S3Object(server.bucket, server.new_key())
    server.poke(place.key, b"{half")
    version = place.version()
    proxy.fail(Fault("PUT", times=99, raw=ANSWERS["nothing but 200"]))
    with pytest.raises(OSError, match=place.key):
        place.set_aside(version)
    assert server.peek(place.key) == b"{half"


@pytest.mark.parametrize("condition", ["If-None-Match", "If-Match"])
@pytest.mark.parametrize(
    ("status", "code"), [(501, "NotImplemented"), (412, "PreconditionFailed"), (405, "MethodNotAllowed")]
)
def test_service_without_conditions_is_told_the_way_out(
    condition: str, status: int, code: str, server: Server, proxy: Proxy
) -> None:
    """A condition that is refused where it holds is an OSError that names on_conflict="overwrite" and check()."""
    place = S3Object(server.bucket, server.new_key())
    if condition == "If-Match":
        server.poke(place.key, b"1")
    store = atomic_store.open(place, default=0)
    fault = proxy.fail(Fault("PUT", times=99, status=status, code=code, only_if=lambda headers: condition in headers))
    with pytest.raises(OSError, match=r'on_conflict="overwrite".*check\(\)') as caught:
        store.commit()
    assert caught.value.code == code  # type: ignore[attr-defined]
    assert fault.happened == (1 if status != 412 else 4)
    overwriting = atomic_store.open(place, default=0, on_conflict="overwrite")
    overwriting.commit()
    assert server.peek(place.key) is not None


def test_bucket_with_object_lock_is_told_the_option(server: Server, proxy: Proxy) -> None:
    """The 400 of Object Lock names put_options={"ChecksumAlgorithm": ...}, and that option works."""
    answer = ANSWERS["400 of a bucket with Object Lock"]
    proxy.fail(Fault("PUT", times=99, raw=answer, only_if=lambda headers: "x-amz-checksum-sha256" not in headers))
    key = server.new_key()
    with pytest.raises(OSError, match=r'put_options=\{"ChecksumAlgorithm": "SHA256"\}'):
        atomic_store.open(f"s3://{server.bucket}/{key}", default=0).commit()
    place = S3Object(server.bucket, key, put_options={"ChecksumAlgorithm": "SHA256"})
    atomic_store.open(place, default=0).commit()
    assert server.peek(key) == b"0"


@pytest.mark.parametrize(
    "marker", [http("405 Method Not Allowed", "x-amz-delete-marker: true", body=xml("MethodNotAllowed"))]
)
def test_delete_marker_is_nothing_stored(marker: bytes, server: Server, proxy: Proxy) -> None:
    """The newest version is a delete marker: the default, whatever code comes with it."""
    proxy.fail(Fault("GET", times=1, raw=marker), Fault("HEAD", times=1, raw=marker), Fault("GET", times=1, raw=marker))
    store = atomic_store.open(f"s3://{server.bucket}/{server.new_key()}", default="the default")
    assert store.value == "the default"
    assert not store.changed()
    empty = http("200 OK", "x-amz-delete-marker: true", 'ETag: "x"')
    proxy.fail(Fault("GET", times=1, raw=empty))
    assert store.reload() == "the default"


@pytest.mark.parametrize("url", ["127.0.0.1:9", "localhost", "s3.example.org/path"])
def test_endpoint_without_a_scheme_is_named(url: str) -> None:
    """AWS_ENDPOINT_URL_S3 without http:// is a LocationError that says where to look; botocore raises a bare ValueError."""
    with world(url), pytest.raises(LocationError, match=r"AWS_ENDPOINT_URL_S3.*http://") as caught:
        atomic_store.open("s3://bucket/key", default=0)
    assert "s3://bucket/key" in str(caught.value)
    assert caught.value.code == "InvalidEndpoint"  # type: ignore[attr-defined]


@pytest.mark.parametrize("key", ["line\nbreak", "tab\t", "\r", "%0a", "\x7f"])
def test_key_with_a_line_break_is_taken_as_it_is(key: str, server: Server, proxy: Proxy) -> None:
    """A key is any text: a control character is neither cut off nor the begin of a header."""
    key = server.new_key("") + key
    place = S3Object(server.bucket, key + ".json")
    atomic_store.open(place, default=0).commit()
    assert server.peek(place.key) == b"0"
    assert atomic_store.open(place.path).value == 0


def test_option_with_a_line_break_is_refused(server: Server, proxy: Proxy) -> None:
    """No header can hold it: LocationError that names put_options, and nothing is sent."""
    place = S3Object(server.bucket, server.new_key(), put_options={"Metadata": {"a": "line\nbreak"}})
    with pytest.raises(LocationError, match="put_options"):
        atomic_store.open(place, default=0).commit()
    assert server.peek(place.key) is None


# --- one object, several ETags ---


@pytest.mark.parametrize("method", ["PUT", "HEAD", "GET"])
def test_service_with_several_etags_makes_no_false_conflict(
    method: str, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One kind of answer names another ETag: a write is known by its id, and after the first there is no retry."""
    seams.s3_nothing_learned(monkeypatch)
    with between(server) as proxy:
        key = server.new_key()
        proxy.fail(Fault(method, times=999, without=("etag",), instead=(("ETag", '"another"'),)))
        for round_ in range(2):
            store = atomic_store.open(f"s3://{server.bucket}/{key}", default={"step": 0})
            for step in (1, 2):
                store.value["step"] = 2 * round_ + step
                store.commit()
                assert not store.changed()
        assert server.peek(key) == b'{"step": 4}'
        proxy.forget()
        store.commit()
        assert [line.partition(" ")[0] for line in proxy.seen] == (["PUT"] if method == "HEAD" else ["HEAD", "PUT"])
        server.poke(key, b"{}")
        with pytest.raises(ConflictError):
            store.commit()
        assert server.peek(key) == b"{}"
        store.reload()
        store.delete()
        assert server.peek(key) is None


def test_tool_that_copies_the_metadata_is_noticed(server: Server, proxy: Proxy) -> None:
    """Another program stores other bytes with the metadata of our write, as editors of objects do: that is a change."""
    place = S3Object(server.bucket, server.new_key())
    store = atomic_store.open(place, default=1)
    store.commit()
    metadata = server.client.head_object(Bucket=server.bucket, Key=place.key)["Metadata"]
    store.reload()
    server.client.put_object(Bucket=server.bucket, Key=place.key, Body=b"22", Metadata=metadata)
    assert store.changed()
    with pytest.raises(ConflictError):
        store.commit()
    assert server.peek(place.key) == b"22"


def test_delete_goes_by_the_etag_that_the_service_compares(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """GET names another ETag than HEAD: the DELETE is refused once, the object known by its write id, and deleted."""
    seams.s3_nothing_learned(monkeypatch)
    with between(server) as proxy:
        key = server.new_key()
        atomic_store.open(f"s3://{server.bucket}/{key}", default=1).commit()
        proxy.fail(Fault("GET", times=999, without=("etag",), instead=(("ETag", '"another"'),)))
        store = atomic_store.open(f"s3://{server.bucket}/{key}", default=0)
        proxy.forget()
        store.delete()
        assert server.peek(key) is None
        assert sum(line.startswith("DELETE") for line in proxy.seen) == 2


@pytest.mark.parametrize(
    ("method", "answer", "told"),
    [
        ("HEAD", {"without": ("etag",), "instead": (("ETag", '"another"'),)}, 'HEAD: "another"'),
        ("GET", {"raw": http("404 Not Found", body=xml("NoSuchKey")), "after": 2}, "cannot be found"),
    ],
)
def test_check_tells_that_etags_differ(
    method: str, answer: dict[str, Any], told: str, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """check() says what the place does with ETags, or that what it has just written is not there."""
    seams.s3_nothing_learned(monkeypatch)
    with between(server) as proxy:
        proxy.fail(Fault(method, times=999, **answer))
        report = atomic_store.check(S3Object(server.bucket, server.new_key()))
    assert report["access"]
    assert not report["etags"]
    assert told in str(report)


# --- answers that lack what was asked for ---


def test_write_without_an_etag_that_is_not_there_is_uncertain(server: Server, proxy: Proxy) -> None:
    """The service says "stored" without an ETag, and then that there is nothing: UncertainCommitError, with a way out."""
    store = atomic_store.open(f"s3://{server.bucket}/{server.new_key()}", default=0)
    proxy.fail(Fault("PUT", without=("etag",)), Fault("HEAD", raw=http("404 Not Found")))
    with pytest.raises(UncertainCommitError, match=r"and then that there is none.*AWS_ENDPOINT_URL_S3"):
        store.commit()


def test_write_whose_etag_is_not_known_is_looked_for_before_the_next(server: Server, proxy: Proxy) -> None:
    """No ETag, and no look at it either: the next commit looks, says so if that is refused, and then goes on."""
    key = server.new_key()
    store = atomic_store.open(f"s3://{server.bucket}/{key}", default=0)
    proxy.fail(Fault("PUT", without=("etag",)), Fault("HEAD", times=99, status=503))
    store.commit()
    proxy.fail(Fault("HEAD", status=403))
    store.value = 1
    with pytest.raises(AccessError, match="look at"):
        store.commit()
    assert server.peek(key) == b"0"
    proxy.fail(Fault("", times=0))
    store.commit()
    assert server.peek(key) == b"1"


def test_date_that_is_none_is_no_fault_of_a_write(server: Server, proxy: Proxy) -> None:
    """A service whose Date header cannot be parsed has stored the value all the same."""
    store = atomic_store.open(f"s3://{server.bucket}/{server.new_key()}", default=0)
    fault = proxy.fail(Fault("PUT", without=("date",), instead=(("Date", "yesterday"),)))
    store.commit()
    assert fault.happened == 1
    assert not store.changed()


def test_list_of_uploads_without_ids_is_no_answer(server: Server, proxy: Proxy) -> None:
    """clean() aborts nothing that it cannot name: an upload without an id is an error, NoSuchUpload an empty list."""
    place = S3Object(server.bucket, server.new_key())
    listing = f"<ListMultipartUploadsResult><Upload><Key>{place.key}</Key></Upload></ListMultipartUploadsResult>"
    proxy.fail(Fault("GET", "uploads", raw=http("200 OK", "Content-Type: application/xml", body=listing.encode())))
    with pytest.raises(OSError, match="a list of uploads without keys, ids or times"):
        place.clean()
    proxy.fail(Fault("GET", "uploads", status=404, code="NoSuchUpload"))
    assert place.clean() == []


@pytest.mark.parametrize("headers", [(), ("x-amz-delete-marker: true", 'ETag: "x"')])
def test_refused_answer_keeps_no_connection_open(headers: tuple[str, ...], server: Server, proxy: Proxy) -> None:
    """A program that keeps its errors keeps no sockets by them: the content of an answer that is refused is closed."""

    def sockets() -> int:
        return sum(target.startswith("socket:") for target in descriptors().values())

    store = atomic_store.open(S3Object(server.bucket, server.new_key()), default=0)
    store.commit()
    proxy.fail(Fault("GET", times=99, raw=http("200 OK", *headers, body=b"1")))
    errors: list[OSError] = []
    before = sockets()
    for _ in range(12):
        try:
            store.reload()
        except OSError as error:
            errors.append(error)
    assert len(errors) == (0 if headers else 12)
    assert sockets() - before < 6
