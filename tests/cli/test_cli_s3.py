"""The command line on S3: the same commands, on objects of a real server."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import pytest
from cli_support import Editor, Outcome, run
from s3_proxy import Fault, Proxy
from s3_servers import Server
from s3_support import MB, PROMISES, hasty, objects, proxy, shared_proxy
from stand_ins import by_hand, inside

import atomic_store
from atomic_store.locations import s3

__all__ = ["hasty", "proxy", "shared_proxy"]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "desks").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "desks"))
    monkeypatch.delenv("VISUAL", raising=False)


@pytest.fixture
def server(ministack: Server, proxy: Proxy) -> Server:
    """The server, which the library sees through the proxy."""
    return ministack


@pytest.fixture
def editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Editor:
    made = Editor(tmp_path / "editor")
    monkeypatch.setenv("EDITOR", str(made.path))
    return made


def url(server: Server, suffix: str = ".json") -> tuple[str, str]:
    """Give the URL of an object that no test has used, and its key."""
    key = server.new_key(suffix)
    return f"s3://{server.bucket}/{key}", key


def test_object_is_shown(server: Server) -> None:
    """An object is shown like a file; that there is none, or no bucket, has the codes of a file."""
    place, key = url(server)
    assert run("show", place) == Outcome(3, "", f"atomic-store: nothing is stored at {place!r}\n")
    server.poke(key, b'{"a": [1]}')
    assert run("show", place, "--json") == (0, '{"a": [1]}\n', "")
    assert run("show", "s3://no-such-bucket/a.json").code == 2
    server.poke(key, b"{")
    assert run("show", place).code == 4


def test_object_is_edited(server: Server, editor: Editor) -> None:
    """An object is edited like a file, and one that somebody else has changed meanwhile is left alone."""
    place, key = url(server, ".yaml")
    server.poke(key, b"# mine\na: 1\n")
    editor.does('sed -i s/1/2/ "$1"')
    assert run("edit", place) == (0, f"{place!r}: stored\n", "")
    assert server.peek(key) == b"# mine\na: 2\n"
    binary, _ = url(server, ".cbor")
    atomic_store.open(binary, {"a": 1}, "cbor").commit()
    assert run("edit", binary).code == 0
    assert atomic_store.open(binary, format="cbor").value == {"a": 2}
    again = f"{atomic_store.__file__}"
    program = f'import atomic_store as a; s = a.open({place!r}, format="yaml"); s.value["a"] = 9; s.commit()'
    assert again
    (editor.path.parent / "theirs.py").write_text(program)
    editor.does(f'{shlex.quote(sys.executable)} theirs.py; echo a: 5 > "$1"')
    found = run("edit", place)
    assert (found.code, server.peek(key)) == (5, b"# mine\na: 9\n")
    kept = Path(found.err.partition("what was typed is kept in '")[2].partition("'")[0])
    assert kept.read_bytes() == b"a: 5\n"


def test_value_moves_to_s3_and_back(server: Server) -> None:
    """Convert goes from file to object, from object to object and back, in parts where it is large, and never overwrites."""
    place, key = url(server, ".json.gz")
    value = ["x" * (9 * MB), 1]
    by_hand(Path("a.json"), value)
    assert run("convert", "a.json", place).code == 0
    assert run("convert", "a.json", place).code == 5
    plain, other = url(server, ".cbor")
    assert run("convert", place, plain).code == 0
    assert len(server.peek(other) or b"") > 8 * MB
    assert run("convert", plain, "b.msgpack").code == 0
    assert atomic_store.open("b.msgpack", format="msgpack").value == value
    assert server.uploads() == []
    server.poke(key, b"theirs")
    assert run("convert", "a.json", place, "--force").code == 0
    assert (server.peek(key) or b"")[:2] == b"\x1f\x8b"


def test_object_that_appears_at_the_last_moment_is_not_overwritten(server: Server, proxy: Proxy) -> None:
    """Somebody who creates the object while it is being uploaded is not overwritten: the service itself compares."""
    place, key = url(server)
    by_hand(Path("a.json"), 1)
    fault = Fault("GET", forward=True, heard=True, meanwhile=lambda: server.poke(key, b'"theirs"'))
    proxy.fail(fault)  # the look before the work: HEAD says 404, and GET why
    found = run("convert", "a.json", place)
    assert fault.happened == 1
    assert (found.code, server.peek(key)) == (5, b'"theirs"')
    assert "--force" in found.err


def test_place_on_s3_is_checked(server: Server) -> None:
    """The report is the library's own, and leaves nothing behind."""
    place, _ = url(server)
    before = objects(server)
    found = run("check", place, "--json")
    report = json.loads(found.out)
    assert (found.code, report["keeps_every_promise"], list(report["promises"])) == (0, True, PROMISES)
    assert objects(server) == before


def test_stale_uploads_are_cleaned(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a killed program has begun is named by a dry run, and aborted without; what is younger than a day stays."""
    place, key = url(server)
    upload = server.client.create_multipart_upload(Bucket=server.bucket, Key=key)["UploadId"]
    alone = "left alone: 1, younger than a day, so it may belong to a commit\n"
    assert run("clean", place) == (0, f"{place!r}: nothing to remove\n{alone}", "")
    monkeypatch.setattr(s3, "STALE_AFTER", 0)
    assert run("clean", place, "--dry-run").out.startswith(f"would remove upload {upload}, begun 2")
    assert server.uploads(key) == [upload]
    assert run("clean", place).out.startswith(f"removed upload {upload}, begun 2")
    assert server.uploads(key) == []


def test_refusal_of_the_service_is_one_line(server: Server, proxy: Proxy) -> None:
    """Credentials that may not read are an error of one line, which says what they need."""
    place, _ = url(server)
    proxy.fail(Fault("", times=99, status=403, code="AccessDenied"))
    for words in (["show", place], ["convert", place, "b.json"], ["clean", place]):
        found = run(*words)
        assert (found.code, found.err.count("\n")) == (1, 1)
        assert "AccessDenied" in found.err
    assert inside(Path()) == []


def test_field_of_an_object_is_read_and_changed(server: Server) -> None:
    """Get, set, delete and put work on an object as on a file; nothing there is exit code 3."""
    place, key = url(server)
    assert run("get", place, "a").code == 3
    assert run("set", place, "a.b", "[1]") == (0, "", "")
    assert run("set", place, "a.b.-", "2") == (0, "", "")
    assert run("get", place, "/a/b", "--compact") == (0, "[1,2]\n", "")
    assert run("set", place, "n", "5", "--add") == (0, "5\n", "")
    assert run("delete", place, "a") == (0, "", "")
    assert server.peek(key) == b'{"n": 5}'
    found = run("put", place, "--", "echo", "[")
    assert (found.code, "'the command echo' (2 bytes)" in found.err) == (4, True)
    assert run("put", place, "--", "echo", "[1]") == (0, "", "")
    assert server.peek(key) == b"[1]\n"
    assert run("delete", place) == (0, "", "")
    assert server.peek(key) is None
    assert run("delete", place).code == 3


def test_change_of_an_object_by_another_program_is_not_lost(server: Server, proxy: Proxy) -> None:
    """Somebody who writes between the read and the write of a set is seen, by compare and swap: both changes are there."""
    place, key = url(server)
    server.poke(key, b'{"n": 1}')
    fault = Fault("PUT", forward=False, heard=False, meanwhile=lambda: server.poke(key, b'{"n": 1, "theirs": 1}'))
    proxy.fail(fault)
    assert run("set", place, "n", "1", "--add") == (0, "2\n", "")
    assert json.loads(server.peek(key) or b"") == {"n": 2, "theirs": 1}


def test_there_is_no_lock_on_an_object(server: Server) -> None:
    """Run names what to use in the place of a lock, and does not run the command."""
    place, _ = url(server)
    found = run("run", "--lock", place, "--", "touch", "it-ran")
    assert (found.code, "`set`" in found.err) == (1, True)
    assert inside(Path()) == []
