"""atomic_write, open_dict and check on S3: the same suites as for files, Django's stream, and what check() says of services.

`pytest -rP tests/locations/s3/test_s3_writing.py` prints the reports and how much memory Django's stream took.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from mapping_contract import MappingContract
from s3_servers import Server
from s3_support import MB, PROMISES, OnS3, Spoilt, answer, between, broken, checked, hasty, objects, world
from support import ROOT, require_ecosystem
from writing_contract import WritingContract

import atomic_store
from atomic_store import S3Object

__all__ = ["hasty"]

JOB = ROOT / "tests" / "support" / "django_job.py"
ROWS = 100_000
OLD = b"<the file of yesterday/>"


class TestWriting(OnS3, WritingContract):
    """atomic_write."""

    def test_failed_block_leaves_no_upload_in_progress(self) -> None:
        """A block that fails after two parts were sent aborts the upload: nothing goes on costing money."""
        location = self.make()
        self.poke(location, OLD)
        with pytest.raises(RuntimeError), atomic_store.atomic_write(location) as file:
            file.write(bytes(20 << 20))
            assert len(self.server.uploads(location.key)) == 1
            raise RuntimeError
        assert self.server.uploads(location.key) == []
        assert self.peek(location) == OLD

    @pytest.mark.parametrize("size", [10, 9 * MB])
    def test_truncate_that_makes_the_file_longer_loses_no_byte(self, size: int) -> None:
        """truncate() fills up with zeros and stays where it is, as on a disk, in memory and beyond."""
        location = self.make()
        with atomic_store.atomic_write(location) as file:
            file.write(b"abc")
            assert file.truncate(size) == size
            file.write(b"d")
        assert self.peek(location) == b"abcd" + bytes(size - 4)

    def test_only_creating_is_exact_for_many_parts_too(self) -> None:
        """overwrite=False holds for a file that is sent in parts, against what appears while they are sent."""
        location = self.make()
        with pytest.raises(FileExistsError), atomic_store.atomic_write(location, overwrite=False) as file:
            file.write(bytes(20 << 20))
            self.poke(location, b"theirs")
        assert self.peek(location) == b"theirs"


class TestMapping(OnS3, MappingContract):
    """open_dict."""

    def test_nobodys_change_is_overwritten_by_default(self) -> None:
        """On S3 two dicts of one place do not overwrite each other's items, without any option."""
        location = self.make()
        first, second = (atomic_store.open_dict(place) for place in (location, self.again(location)))
        first["a"] = 1
        first.save()
        second["b"] = 2
        with pytest.raises(atomic_store.ConflictError):
            second.save()
        assert self.stored(location) == {"a": 1}

    def test_bucket_is_never_listed(self, hasty: None) -> None:
        """Whether the object exists is known by reading it: no request lists the bucket, and an open makes just one."""
        with between(self.server) as proxy:
            place = self.make()
            d = atomic_store.open_dict(place)
            assert [line.partition("?")[0].split(" ")[0] for line in proxy.seen] == ["GET"]
            d["a"] = 1
            d.save()
            d.load()
            d.delete()
            paths = [line.split(" ")[1].partition("?")[0] for line in proxy.seen]
            assert all(path.endswith(place.key) for path in paths)


# --- Django ---


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of 100,000 rows of 800 bytes."""
    require_ecosystem("django", "lxml")
    path = tmp_path_factory.mktemp("django") / "news.sqlite"
    subprocess.run([sys.executable, JOB, "make", path, str(ROWS), "800"], check=True)
    return path


@contextmanager
def job(server: Server, key: str, database: Path, format: str, stop: str) -> Iterator[subprocess.Popen[bytes]]:
    """The dump, running; killed if it still does at the end."""
    command = [sys.executable, "-W", "error", str(JOB), "dump", str(database), f"s3://{server.bucket}/{key}", format, stop]
    with world(server.url), subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


def told(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    """The next line that the program says."""
    assert process.stdout is not None
    heard: dict[str, Any] = json.loads(process.stdout.readline())
    return heard


def test_large_table_is_streamed_with_bounded_memory(ministack: Server, database: Path) -> None:
    """All rows arrive, while the memory grows by half of their size at most: four parts of 8 MB, and Django's needs."""
    key = ministack.new_key(".xml")
    ministack.poke(key, OLD)
    with job(ministack, key, database, "xml", "never") as process:
        said = told(process)
    content = ministack.peek(key) or b""
    base, grown = said["base"] / 1e6, said["grown"] / 1e6
    print(f"xml on S3: {len(content) / 1e6:.1f} MB written; memory {base:.1f} MB, {grown:.1f} MB more at its peak")
    assert said["ended"] == "success"
    assert said["grown"] < 45e6 < 90e6 < len(content)
    assert content.count(b'<object model="news.article" pk="') == ROWS
    assert content.endswith(b"</django-objects>")
    assert ministack.uploads(key) == []


def test_exception_half_way_leaves_the_old_object(ministack: Server, database: Path) -> None:
    """A job that fails half-way leaves the old object, and no upload in progress."""
    key = ministack.new_key(".json")
    ministack.poke(key, OLD)
    with job(ministack, key, database, "json", "raise") as process:
        assert told(process)["ended"] == "HalfWay"
    assert ministack.peek(key) == OLD
    assert ministack.uploads(key) == []


def test_kill_half_way_leaves_the_old_object(ministack: Server, database: Path) -> None:
    """A job that is killed half-way leaves the old object; its upload is still there, and can be removed."""
    key = ministack.new_key(".json")
    ministack.poke(key, OLD)
    with job(ministack, key, database, "json", "wait") as process:
        told(process)
        process.kill()
        assert process.wait() == -signal.SIGKILL
    assert ministack.peek(key) == OLD
    assert len(ministack.uploads(key)) == 1
    with world(ministack.url):
        assert S3Object(ministack.bucket, key).abort_stale_uploads(0) == 1
    assert ministack.uploads(key) == []


# --- check() ---


def test_service_that_keeps_all_is_told(ministack: Server) -> None:
    """Ministack honours each condition."""
    assert broken(checked(ministack)) == []


def test_service_that_ignores_one_condition_is_told(moto: Server) -> None:
    """Moto ignores If-Match where an upload is completed, and nothing else."""
    report = checked(moto)
    assert broken(report) == ["complete"]
    assert "ignores its conditions (If-Match)" in str(report)


def test_service_that_ignores_all_conditions_is_told(rclone: Server) -> None:
    """Rclone takes every condition and honours none."""
    report = checked(rclone)
    assert broken(report) == ["create", "replace", "complete", "delete"]
    assert "If-None-Match of a PUT is ignored" in str(report)
    assert "If-Match of a PUT is ignored" in str(report)
    assert "ignores its conditions (If-None-Match, If-Match)" in str(report)


def test_wrong_secret_is_told(rclone: Server) -> None:
    """With credentials that the service refuses nothing is tried, and the report says what was answered."""
    with world(rclone.url, AWS_SECRET_ACCESS_KEY="wrong"):
        report = atomic_store.check(f"s3://{rclone.bucket}/{rclone.new_key()}")
    assert broken(report) == PROMISES
    assert "403" in str(report) or "SignatureDoesNotMatch" in str(report)


def test_bucket_that_does_not_exist_is_told(ministack: Server) -> None:
    """A wrong bucket is a report that says so, and nothing is made."""
    with world(ministack.url):
        report = atomic_store.check("s3://no-such-bucket/a")
    assert broken(report) == PROMISES
    assert "NoSuchBucket" in str(report)


def if_conditional(instead: Any) -> Any:
    """Answer by oneself only where there is a condition."""

    def call(real: Any, **arguments: Any) -> Any:
        conditional = "IfMatch" in arguments or "IfNoneMatch" in arguments
        return instead(real, **arguments) if conditional else real(**arguments)

    return call


def without_metadata(real: Any, **arguments: Any) -> Any:
    return real(**{name: value for name, value in arguments.items() if name != "Metadata"})


def refuses_quotes_and(bare: bool) -> Any:
    """Refuse a PUT whose If-Match is the ETag as it was sent, or `bare`, that without its quotes as well."""

    def call(real: Any, **arguments: Any) -> Any:
        quoted = arguments.get("IfMatch", "")
        if quoted.startswith('"') or (bare and quoted):
            return answer(412, "PreconditionFailed")(real)
        return real(**arguments | ({"IfMatch": f'"{quoted}"'} if quoted else {}))

    return call


REFUSES = if_conditional(answer(412, "PreconditionFailed"))


@pytest.mark.parametrize(
    ("instead", "promise", "said"),
    [
        ({"put_object": REFUSES}, ["create", "replace"], "is refused where nothing is stored"),
        ({"put_object": refuses_quotes_and(False)}, [], "without their quotes"),
        ({"put_object": refuses_quotes_and(True)}, ["replace"], "has not changed"),
        ({"complete_multipart_upload": REFUSES}, ["complete"], "is refused also where the object has not changed"),
        ({"delete_object": REFUSES}, ["delete"], "a DELETE is refused also where the object has not changed"),
        ({"delete_object": if_conditional(answer(501, "NotImplemented"))}, ["delete"], "knows no conditions"),
        ({"delete_object": if_conditional(answer(500, "InternalError"))}, ["delete"], "InternalError"),
        ({"put_object": without_metadata}, ["metadata"], "metadata is lost"),
        ({"put_object": answer(403, "AccessDenied")}, PROMISES, "AccessDenied"),
        ({"create_multipart_upload": answer(403, "AccessDenied")}, PROMISES, "AccessDenied"),
    ],
)
def test_broken_promise_is_found(instead: Any, promise: list[str], said: str, ministack: Server) -> None:
    """Control: a service that does one thing wrong is told for exactly that."""
    place = S3Object(ministack.bucket, ministack.new_key(), client=Spoilt(ministack.client, **instead))
    before = objects(ministack)
    report = atomic_store.check(place)
    assert broken(report) == promise
    assert said in str(report)
    assert objects(ministack) == before
    assert ministack.uploads() == []


def test_service_that_loses_what_was_written_is_told(ministack: Server) -> None:
    """Control: a service that says "done" and has nothing is told before anything else is tried."""
    client = Spoilt(ministack.client, put_object=lambda real, **arguments: {"ETag": '"0"'})
    report = atomic_store.check(S3Object(ministack.bucket, ministack.new_key(), client=client))
    assert broken(report) == PROMISES
    assert "cannot be found" in str(report)


def test_scratch_that_cannot_be_deleted_is_named(ministack: Server) -> None:
    """Where the deletion fails, the report, or a note of the error that ends the check, says which object stays."""
    stays = {"delete_object": answer(403, "AccessDenied")}
    place = S3Object(ministack.bucket, ministack.new_key(), client=Spoilt(ministack.client, **stays))
    report = atomic_store.check(place)
    assert "access" in broken(report)
    assert ".check" in str(report)

    def interrupted(real: Any, **arguments: Any) -> Any:
        raise KeyboardInterrupt

    client = Spoilt(ministack.client, **stays, head_object=interrupted)
    with pytest.raises(KeyboardInterrupt) as caught:
        atomic_store.check(S3Object(place.bucket, place.key, client=client))
    assert any("could not be removed" in note for note in caught.value.__notes__)


@pytest.mark.parametrize("method", ["put_object", "create_multipart_upload", "upload_part"])
@pytest.mark.parametrize("turn", [1, 2])
def test_interrupted_check_leaves_nothing(method: str, turn: int, ministack: Server) -> None:
    """Ctrl-C after any request, also between an upload's begin and the note of it, leaves no object and no upload."""
    left = [turn]

    def interrupted(real: Any, **arguments: Any) -> Any:
        answered = real(**arguments)
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt
        return answered

    before = objects(ministack)
    client = Spoilt(ministack.client, **{method: interrupted})
    with pytest.raises(KeyboardInterrupt):
        atomic_store.check(S3Object(ministack.bucket, ministack.new_key(), client=client))
    assert objects(ministack) == before
    assert ministack.uploads() == []


def test_longest_key_can_be_checked(ministack: Server) -> None:
    """A key of 1024 bytes, the most there can be, leaves room for the scratch object's."""
    place = S3Object(ministack.bucket, "ü" * 512, client=ministack.client)
    assert atomic_store.check(place)
