"""S3Object: the contract of a location, and a store, on servers that honour conditions and on one that does not."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import seams
from s3_servers import Server
from s3_support import COUNT, COUNT_ANYHOW, MB, OVERWRITE, OnS3, Spoilt, answer, count_together, world

import atomic_store
from atomic_store import ConflictError, LoadError, LocationError, LockError, S3Object
from atomic_store.locations.base import ANY
from atomic_store.store import locate as resolve
from atomic_store.testing import LocationContract, Memory


class TestMinistack(OnS3, LocationContract):
    """The contract on ministack."""


class TestMoto(OnS3, LocationContract):
    """The contract on moto's server."""

    name = "moto"


@pytest.fixture
def server(ministack: Server) -> Iterator[Server]:
    """ministack, and the library sees nothing else."""
    with world(ministack.url):
        yield ministack


def url(server: Server, key: str) -> str:
    return f"s3://{server.bucket}/{key}"


# --- URLs and options ---


def test_url_names_bucket_and_key_as_they_are(server: Server) -> None:
    """What is not ASCII, a percent sign, a space, dots and a question mark are part of the key; nothing is decoded."""
    key = f"{server.new_key('')}/ü %20?x=1#y/../z"
    with atomic_store.open(url(server, key), default=0) as store:
        store.value = 1
    assert store.path == url(server, key)
    assert server.peek(key) == b"1"


@pytest.mark.parametrize(
    "path", ["s3://", "s3://bucket", "s3://bucket/", "s3:///key", "s3://bucket/dir/", "s3://bucket/a\0b"]
)
def test_url_that_names_no_object_is_refused_before_anything_is_asked(path: str) -> None:
    """A bucket alone, a key alone, a "directory" or a NUL is a LocationError."""
    with pytest.raises(LocationError):
        resolve(path)


@pytest.mark.parametrize(
    "path", ["gs://bucket/key", "http://host/file", "s3n://bucket/key", "file:///etc/passwd", "x+y-z.1://a"]
)
def test_unknown_scheme_is_not_taken_for_a_directory(path: str) -> None:
    """Whatever begins like a URL and is none that we know is refused, with the way to name such a file."""
    with pytest.raises(LocationError, match=r"s3://.*'\./"):
        resolve(path)


@pytest.mark.parametrize("path", [b"gs://b/k", "./gs://b/k", "9s://b/k", "a b://k", "://k", "dir/gs://b", "ü://k"])
def test_local_path_is_not_taken_for_a_url(path: Any) -> None:
    """Bytes, and what begins with no word, stay local paths, and so does whatever LocalFile is given."""
    assert type(resolve(path)) is atomic_store.LocalFile
    assert atomic_store.LocalFile("gs://b/k").path == "gs://b/k"


def test_scheme_is_read_in_any_case(server: Server) -> None:
    """S3:// is s3://."""
    assert type(resolve(f"S3://{server.bucket}/key")) is S3Object


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"put_options": {"Body": b"", "IfMatch": "x"}}, LocationError),
        ({"bucket": ""}, LocationError),
        ({"key": ""}, LocationError),
        ({"key": b"key"}, TypeError),
        ({"bucket": None}, TypeError),
        ({"client": "s3"}, TypeError),
        ({"key": "\ud800"}, LocationError),
        ({"put_options": [("StorageClass", "STANDARD_IA")]}, TypeError),
        ({"progress": 5}, TypeError),
    ],
)
def test_option_that_can_only_break_is_refused(server: Server, options: dict[str, Any], error: type[Exception]) -> None:
    """Bucket and key are text, and what the store itself decides is not up to put_options."""
    arguments: dict[str, Any] = {"bucket": server.bucket, "key": "key"}
    with pytest.raises(error):
        S3Object(**{**arguments, **options})


def test_misspelled_option_is_not_left_out(server: Server) -> None:
    """An option that put_object does not know is refused before anything is sent: a typo must not cost an encryption."""
    place = S3Object(server.bucket, server.new_key(), put_options={"ServersideEncryption": "aws:kms"})
    with pytest.raises(LocationError, match="ServersideEncryption"):
        atomic_store.open(place, default=1)
    with pytest.raises(LocationError, match="ServersideEncryption"), place.replace() as file:
        file.write(b"secret")
    assert server.peek(place.key) is None


def test_own_client_and_options_reach_the_service(server: Server) -> None:
    """A client of one's own is used, whatever the environment says; options and metadata are stored; a suffix has a type."""
    options = {"StorageClass": "STANDARD_IA", "Metadata": {"team": "red"}}
    with world("http://127.0.0.1:9"):
        place = S3Object(server.bucket, server.new_key(".json"), server.client, options)
        with atomic_store.open(place, default=[]) as store:
            store.value.append(1)
        assert repr(place) == f"S3Object({server.bucket!r}, {place.key!r})"
    head = server.client.head_object(Bucket=place.bucket, Key=place.key)
    assert (head["StorageClass"], head["Metadata"]["team"], head["ContentType"]) == (
        "STANDARD_IA",
        "red",
        "application/json",
    )
    assert options == {"StorageClass": "STANDARD_IA", "Metadata": {"team": "red"}}


def test_type_of_the_content_is_what_the_user_says(server: Server) -> None:
    """A ContentType in put_options wins over the suffix, and a key without a known suffix gets none of ours."""
    for suffix, options, expected in ((".json", {"ContentType": "x/y"}, "x/y"), (".pickle", None, "binary/octet-stream")):
        place = S3Object(server.bucket, server.new_key(suffix), put_options=options)
        atomic_store.open(place, default=1).commit()
        assert server.client.head_object(Bucket=place.bucket, Key=place.key)["ContentType"] in (
            expected,
            "application/octet-stream",
        )


# --- a store ---


def test_first_run_has_the_default_and_the_next_one_the_value(server: Server) -> None:
    """Nothing is written by opening; a block that ends well is one write; formats, text and wrappers work as on a disk."""
    key = server.new_key()
    with atomic_store.open(url(server, key), default=[]) as store:
        assert (store.value, store.stored) == ([], False)
        assert server.peek(key) is None
        store.value.append("ü")
    again = atomic_store.open(url(server, key))
    assert (again.value, again.stored) == (["ü"], True)
    packed = atomic_store.open(url(server, server.new_key()), {1, 2}, format=atomic_store.Compressed("pickle"))
    packed.commit()
    assert atomic_store.open(packed.path, format=packed.format).value == {1, 2}


def test_block_that_fails_writes_nothing(server: Server) -> None:
    """An exception in the block, or a value that the format refuses, leaves the object as it was."""
    key = server.new_key()
    server.poke(key, b"[1]")
    store = atomic_store.open(url(server, key))
    with pytest.raises(RuntimeError, match="half"), store:
        store.value.append(2)
        raise RuntimeError("half")
    store.value = {1, 2}
    with pytest.raises(TypeError):
        store.commit()
    assert server.peek(key) == b"[1]"


def test_two_containers_do_not_overwrite_each_other(server: Server) -> None:
    """Without any option the second commit is a ConflictError, with evidence; after reload() it works."""
    key = server.new_key()
    first, second = (atomic_store.open(url(server, key), default=[]) for _ in range(2))
    with first:
        first.value.append("first")
    second.value.append("second")
    with pytest.raises(ConflictError, match=key) as caught:
        second.commit()
    assert caught.value.expected is None
    assert caught.value.found == S3Object(server.bucket, key).version()
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        copy = pickle.loads(pickle.dumps(caught.value, protocol))
        assert (str(copy), vars(copy)) == (str(caught.value), vars(caught.value))
    assert second.reload() == ["first"]
    second.value.append("second")
    second.commit()
    assert server.peek(key) == b'["first", "second"]'


def test_overwriting_is_there_for_those_who_ask(server: Server) -> None:
    """on_conflict="overwrite" writes whatever is stored."""
    key = server.new_key()
    store = atomic_store.open(url(server, key), 0, on_conflict="overwrite")
    server.poke(key, b"5")
    store.commit()
    assert server.peek(key) == b"0"


def test_moving_a_store_to_s3_and_back_changes_what_a_conflict_means(server: Server, tmp_path: Any) -> None:
    """What on_conflict=None means is decided by the place where the store is."""
    key = server.new_key()
    server.poke(key, b"5")
    store = atomic_store.open(tmp_path / "a", 0)
    store.path = url(server, key)
    with pytest.raises(ConflictError):
        store.commit()
    memory = Memory(b"5")
    store.path = memory
    store.commit()
    assert memory.content == b"0"


def test_lock_that_cannot_be_had_is_refused_at_once(server: Server) -> None:
    """lock= on S3 is a LockError at open(), before anything is read, that points to update()."""
    for lock in (True, 0, 2.5):
        with pytest.raises(LockError, match=r"update\(fn\)"):
            atomic_store.open("s3://no-such-bucket/key", lock=lock)
    with pytest.raises(LockError, match=r"update\(fn\)"):
        S3Object(server.bucket, "key").lock()
    locked = atomic_store.open(Memory(), lock=True)
    with pytest.raises(LockError, match="update"):
        locked.path = url(server, "key")
    assert repr(locked.path) == "'memory'"


def test_change_by_somebody_else_is_seen(server: Server) -> None:
    """changed() says so of other bytes and of a deletion, and not of what the store itself has written or read."""
    key = server.new_key()
    store = atomic_store.open(url(server, key), default=[])
    assert not store.changed()
    store.commit()
    assert not store.changed()
    server.poke(key, b"[1]")
    assert store.changed()
    store.reload()
    assert not store.changed()
    server.poke(key, None)
    assert store.changed()


def test_object_that_appears_between_two_looks_is_seen(server: Server) -> None:
    """HEAD finds nothing, and the GET that asks what is missing finds an object: that is the version."""

    def appearing(real: Any, **arguments: Any) -> Any:
        server.poke(place.key, b"new")
        return answer(404, "404")(real)

    place = S3Object(server.bucket, server.new_key(), client=Spoilt(server.client, head_object=appearing))
    version = place.version()
    assert version == S3Object(place.bucket, place.key).version()
    assert version is not None


def test_delete_takes_only_what_was_read(server: Server) -> None:
    """delete() of an object that somebody has changed is a ConflictError; else it is gone and the default is back."""
    key = server.new_key()
    store = atomic_store.open(url(server, key), default=[])
    store.commit()
    server.poke(key, b"[1]")
    with pytest.raises(ConflictError):
        store.delete()
    assert store.reload() == [1]
    store.delete()
    assert (store.value, server.peek(key)) == ([], None)
    atomic_store.open(url(server, key), on_conflict="overwrite").delete()


def test_bytes_that_no_format_can_read_are_neither_replaced_nor_lost(server: Server) -> None:
    """They are a LoadError, and with on_corrupt="quarantine" they are kept under another key."""
    key = server.new_key()
    for content in (b"{half", b""):
        server.poke(key, content)
        with pytest.raises(LoadError, match=key):
            atomic_store.open(url(server, key), default=[])
        assert server.peek(key) == content
    server.poke(key, b"{half")
    with pytest.warns(UserWarning, match=r"corrupt-"):
        store = atomic_store.open(url(server, key), default=[], on_corrupt="quarantine")
    assert (store.value, server.peek(key)) == ([], None)
    (kept,) = server.client.list_objects_v2(Bucket=server.bucket, Prefix=f"{key}.corrupt-")["Contents"]
    assert server.peek(kept["Key"]) == b"{half"


def test_what_was_replaced_meanwhile_is_not_set_aside(server: Server) -> None:
    """Setting aside another version than the one that was read, or nothing, is a conflict and leaves no copy."""
    place = S3Object(server.bucket, server.new_key())
    server.poke(place.key, b"old")
    version = place.version()
    for content in (b"new", None):
        server.poke(place.key, content)
        with pytest.raises(ConflictError):
            place.set_aside(version)
        assert server.peek(place.key) == content
    assert server.client.list_objects_v2(Bucket=server.bucket, Prefix=f"{place.key}.").get("Contents", []) == []


def test_version_is_an_opaque_thing(server: Server) -> None:
    """It equals no other type, shows itself, and is the known one where that is what is stored."""
    place = S3Object(server.bucket, server.new_key())
    server.poke(place.key, b"x")
    version = place.version()
    assert version == place.version(version)
    assert version != "x"
    assert repr(version).startswith("<Version ")


# --- many at once ---


@pytest.mark.parametrize(("name", "processes"), [("ministack", 8), ("moto", 4)])
def test_no_increment_is_lost(
    name: str, processes: int, request: pytest.FixtureRequest, record_property: Callable[[str, object], None]
) -> None:
    """Eight processes (four on moto, which takes half a minute for eight) add 1 by update() 25 times each."""
    server: Server = request.getfixturevalue(name)
    counted = count_together(server, COUNT, processes, 25)
    record_property(f"increments of {processes * 25} kept on {name}", counted)
    assert counted == processes * 25


def test_service_that_ignores_conditions_loses_increments(
    rclone: Server, record_property: Callable[[str, object], None]
) -> None:
    """Control: where If-Match means nothing, the same eight processes lose some, or the test above proves nothing."""
    counted = count_together(rclone, COUNT_ANYHOW, 8, 25)
    record_property("increments of 200 kept on rclone, which ignores conditions", counted)
    assert counted < 200


def test_service_with_two_etags_for_one_object_still_takes_large_values(rclone: Server) -> None:
    """Rclone completes an upload with one ETag and shows another; the write id says that nobody has been there."""
    place = S3Object(rclone.bucket, rclone.new_key(), rclone.client)
    version: object = None
    for size in (9 * MB, 10 * MB):
        with place.replace(version) as file:
            file.write(bytes(size))
        version = file.version
    assert rclone.peek(place.key) == bytes(10 * MB)
    rclone.poke(place.key, b"strange")
    with pytest.raises(ConflictError), place.replace(version) as file:
        file.write(bytes(9 * MB))


def test_overwriting_loses_increments(ministack: Server) -> None:
    """Control: with on_conflict="overwrite" four processes lose some also where conditions are honoured."""
    assert 25 <= count_together(ministack, OVERWRITE, 4, 25) < 100


def test_parallel_commits_of_parts_do_not_overwrite_each_other(server: Server) -> None:
    """A value of several parts is published under the same condition: of two writers the second gets a ConflictError."""
    place = S3Object(server.bucket, server.new_key(".pickle"))
    server.poke(place.key, b"old")
    version = place.version()
    with pytest.raises(ConflictError), place.replace(version) as mine:
        mine.write(bytes(9 * MB))
        with place.replace(version) as other:
            other.write(bytes(10 * MB))
    for expected in (version, None):
        with pytest.raises(ConflictError), place.replace(expected) as late:
            late.write(bytes(11 * MB))
    assert server.peek(place.key) == bytes(10 * MB)
    with place.replace(other.version) as last:
        last.write(bytes(9 * MB))
    assert place.version() == last.version
    with place.replace(ANY) as last:
        last.write(bytes(10 * MB))
    assert server.uploads() == []


# --- what it costs those who do not use it ---


def test_missing_botocore_is_found_out_by_the_module_that_needs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same in this process: without botocore, the one module that uses it raises MissingLibraryError."""
    monkeypatch.setitem(sys.modules, "botocore.session", None)
    with pytest.raises(atomic_store.MissingLibraryError, match=r"atomic-store\[s3\]"):
        seams.loaded_again(seams.s3_client())


@pytest.mark.parametrize("act", [atomic_store.open, atomic_store.atomic_write, atomic_store.check])
def test_missing_boto3_is_told_with_the_path(act: Callable[[str], object], monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many stores, the error names the one that needs boto3, whichever door it was to be opened by."""
    monkeypatch.setitem(sys.modules, "botocore.session", None)
    for name in [name for name in sys.modules if name.startswith("atomic_store.locations.s3")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(atomic_store.MissingLibraryError) as caught:
        act("s3://bucket/key")
    assert str(caught.value).startswith("'s3://bucket/key': ")


def test_nobody_pays_for_s3_who_does_not_use_it() -> None:
    """Neither the import nor a store on a local file loads boto3 or any module of ours for S3."""
    code = (
        "import sys, atomic_store; atomic_store.open('/nonexistent'); "
        "print([name for name in sys.modules if 'boto' in name or '.s3' in name])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_missing_boto3_is_named_with_the_way_to_get_it() -> None:
    """Without boto3, an s3:// path is a MissingLibraryError with the line that installs it; the name S3Object is there."""
    code = (
        "import sys; sys.modules['botocore'] = None\n"
        "import atomic_store\nfrom atomic_store import *\n"
        "try: atomic_store.open('s3://bucket/key')\n"
        "except atomic_store.MissingLibraryError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert 'pip install "atomic-store[s3]"' in done.stdout
