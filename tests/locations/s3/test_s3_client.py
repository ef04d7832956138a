"""The client behind S3Object: one for a process and a configuration, from the ordinary AWS settings, safe after a fork."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import seams
from crowd import Program
from machine import in_child
from s3_servers import ACCESS, SECRET, Server
from s3_support import between, world

import atomic_store
from atomic_store import S3Object

# Counts in a parent and its child through a store that was opened before the fork.
FORKED = """
store = atomic_store.open(path, 0)
store.update(lambda value: value + 1)
mine = atomic_store.S3Object('bucket', 'key').client
child = os.fork()
for _ in range(10):
    store.update(lambda value: value + 1)
if child == 0:
    os._exit(0 if atomic_store.S3Object('bucket', 'key').client is not mine else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert atomic_store.S3Object('bucket', 'key').client is mine
"""


@pytest.fixture
def server(ministack: Server) -> Iterator[Server]:
    """ministack, and the library sees nothing else."""
    with world(ministack.url):
        yield ministack


def test_client_is_made_once(server: Server) -> None:
    """Stores of one process and configuration share one client; eight threads that begin together do too."""
    made: list[Any] = []
    threads = [threading.Thread(target=lambda: made.append(S3Object("bucket", "key").client)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {id(client) for client in made} == {id(S3Object("other", "key").client)}


def test_changed_environment_is_not_ignored(server: Server, moto: Server) -> None:
    """Other settings mean another client; the first settings mean the first service again."""
    place = S3Object(server.bucket, server.new_key())
    first = place.client
    with world(moto.url):
        assert place.client is not first
        atomic_store.open(place, 1).commit()
        assert moto.peek(place.key) == b"1"
    assert place.client is first
    assert server.peek(place.key) is None


def test_fork_does_not_share_a_connection(server: Server) -> None:
    """Parent and child go on with a store from before the fork, each through a client of its own: 21 additions."""
    key = server.new_key()
    with Program(FORKED, f"s3://{server.bucket}/{key}") as program:
        program.finish()
    assert server.peek(key) == b"21"


def test_system_without_fork_has_nothing_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where os has no register_at_fork, the module is loaded all the same."""
    module = seams.s3_client()  # first: what others use must not be loaded without
    monkeypatch.delattr(os, "register_at_fork")
    seams.loaded_again(module)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_child_of_a_fork_beside_a_thread_that_makes_a_client_goes_on(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The child forgets the client and the lock of its maker, a thread that it does not have: it never waits for it."""
    import botocore.session

    place, real = S3Object(server.bucket, server.new_key()), botocore.session.get_session
    making, go_on = threading.Event(), threading.Event()

    def slow() -> Any:
        making.set()
        go_on.wait(60)
        return real()

    def in_the_child() -> bool:
        monkeypatch.undo()
        return place.version() is None

    monkeypatch.setattr(botocore.session, "get_session", slow)
    maker = threading.Thread(target=lambda: place.client)
    maker.start()
    assert making.wait(60)
    assert in_child(in_the_child)
    go_on.set()
    maker.join()


def test_profile_says_where_and_who(server: Server, tmp_path: Path) -> None:
    """AWS_PROFILE and the files in ~/.aws are obeyed: endpoint, region, keys and checksums of a profile."""
    (tmp_path / "config").write_text(
        f"[profile work]\nregion = eu-north-1\nservices = here\nrequest_checksum_calculation = when_supported\n"
        f"[services here]\ns3 =\n  endpoint_url = {server.url}\n"
    )
    (tmp_path / "credentials").write_text(f"[work]\naws_access_key_id = {ACCESS}\naws_secret_access_key = {SECRET}\n")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL_S3"):
            patch.delenv(name)
        patch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
        patch.setenv("AWS_PROFILE", "work")
        place = S3Object(server.bucket, server.new_key())
        atomic_store.open(place, 1).commit()
        meta = place.client.meta
        place.client.close()
    assert (meta.region_name, meta.endpoint_url) == ("eu-north-1", server.url)
    assert meta.config.request_checksum_calculation == "when_supported"
    assert meta.config.response_checksum_validation == "when_required"
    assert server.peek(place.key) == b"1"


@pytest.mark.parametrize(
    ("url", "settings", "sends", "wants"),
    [
        ("http://127.0.0.1:9", {}, "when_required", "when_required"),
        ("http://127.0.0.1:9", {"AWS_REQUEST_CHECKSUM_CALCULATION": "when_supported"}, "when_supported", "when_required"),
        ("http://127.0.0.1:9", {"AWS_RESPONSE_CHECKSUM_VALIDATION": "when_supported"}, "when_required", "when_supported"),
        ("https://s3.eu-north-1.amazonaws.com", {}, "when_supported", "when_supported"),
        ("https://s3.cn-north-1.amazonaws.com.cn", {}, "when_supported", "when_supported"),
        ("https://amazonaws.com.example.org", {}, "when_required", "when_required"),
    ],
)
def test_checksums_are_sent_only_to_those_who_know_them(url: str, settings: dict[str, str], sends: str, wants: str) -> None:
    """Amazon gets boto3's defaults; other endpoints are spared them, unless the user has set something else."""
    with world(url, **settings):
        config = S3Object("bucket", "key").client.meta.config
        assert (config.request_checksum_calculation, config.response_checksum_validation) == (sends, wants)


@pytest.mark.parametrize("calculation", [None, "when_supported"])
def test_checksum_header_is_what_the_settings_say(calculation: str | None, ministack: Server) -> None:
    """On the wire there is no checksum of boto3's unless the user wants it."""
    with between(ministack) as proxy, pytest.MonkeyPatch.context() as patch:
        if calculation is not None:
            patch.setenv("AWS_REQUEST_CHECKSUM_CALCULATION", calculation)
        atomic_store.open(f"s3://{ministack.bucket}/{ministack.new_key()}", 1).commit()
        (headers,) = (headers for line, headers in zip(proxy.seen, proxy.headers, strict=True) if line.startswith("PUT"))
    assert any(name.startswith("x-amz-checksum-") for name in headers) == (calculation is not None)


def test_nothing_is_asked_for_that_a_program_did_not_order(
    ministack: Server, record_property: Callable[[str, object], None]
) -> None:
    """An open is one GET and a commit one PUT: S3 is paid by the request, and no listing or HEAD goes before."""
    with between(ministack) as proxy:
        store = atomic_store.open(f"s3://{ministack.bucket}/{ministack.new_key()}", [])
        with store:
            store.value.append(1)
        store.commit()
        store.reload()
        store.changed()
        store.update(lambda value: [*value, 2])
        methods = [line.split()[0] for line in proxy.seen]
    assert methods == ["GET", "PUT", "PUT", "GET", "HEAD", "GET", "PUT"]
