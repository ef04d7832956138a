"""The command line in pipes and under a lock: put, -, run; what is published, and what is not."""

from __future__ import annotations

import bz2
import errno
import gzip
import io
import json
import lzma
import os
import shlex
import stat
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import bson
import cbor2
import pytest
import seams
from cli_support import Screen, environment, run
from crowd import Program
from stand_ins import by_hand, inside, pretend_missing
from support import require

import atomic_store
from atomic_store import cli

COMMAND = [sys.executable, "-W", "error", "-m", "atomic_store"]

LOCKING = seams.cli("locking")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty directory."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.delenv(LOCKING.VARIABLE, raising=False)


def feed(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    """Let standard input bring this."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content), "utf-8"))


def shell(line: str) -> subprocess.CompletedProcess[bytes]:
    """Run a line in bash, in which `atomic-store` is this command."""
    text = f'atomic-store() {{ {shlex.join(COMMAND)} "$@"; }}; export -f atomic-store; {line}'
    return subprocess.run(["/bin/bash", "-c", text], env=environment(), capture_output=True, check=False)


# --- put -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", b' {"a":1}\n'),
        ("a.yaml", b"# mine\na:   1\n"),
        ("a.toml", b"a =   1 # mine"),
        ("a.cbor", cbor2.dumps({"a": 1})),
        ("a.bson", bson.encode({"a": 1})),
    ],
)
def test_bytes_are_published_as_they_came(name: str, content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put stores the very bytes, compressed where the name says so, and keeps the mode of the file."""
    Path(name).write_bytes(b"old")
    Path(name).chmod(0o600)
    feed(monkeypatch, content)
    assert run("put", name) == (0, "", "")
    assert Path(name).read_bytes() == content
    assert stat.S_IMODE(Path(name).stat().st_mode) == 0o600
    for packed in (content, gzip.compress(content, mtime=0), bz2.compress(content)):
        Path(f"{name}.gz").unlink(missing_ok=True)
        feed(monkeypatch, packed)
        found = run("put", f"{name}.gz", "--json")
        stored = Path(f"{name}.gz").read_bytes()
        assert json.loads(found.out) == {"location": f"{name}.gz", "format": f"{name[2:]}.gz", "bytes": len(stored)}
        assert gzip.decompress(stored) == content
        assert packed[:2] != b"\x1f\x8b" or stored == packed


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.json", b'{"a": 1', "cannot be read as json"),
        ("a.json", b"", "nothing came from standard input"),
        ("a.toml", b"", "nothing came from standard input"),
        ("a.yaml", b"a: [", "line 1, column 5"),
        ("a.json", gzip.compress(b'{"a": 1}' * 100, mtime=0)[:-9], "cannot be read as json.gz"),
        ("a.json.gz", gzip.compress(b"[1", mtime=0), "cannot be read as json"),
    ],
)
def test_bytes_that_do_not_decode_are_not_published(
    name: str, content: bytes, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A producer that was cut off or brought nothing leaves what is stored as it is."""
    before = gzip.compress(b"1", mtime=0) if name.endswith(".gz") else b"old = 1"
    Path(name).write_bytes(before)
    feed(monkeypatch, content)
    found = run("put", name)
    assert (found.code, found.out) == (4, "")
    assert said in found.err
    assert Path(name).read_bytes() == before


def test_command_that_fails_publishes_nothing() -> None:
    """`put STORE -- COMMAND` stores what the command prints if it ends with 0, and nothing else, valid as it may be."""
    assert run("put", "a.json", "--", "printf", "[1]") == (0, "", "")
    assert Path("a.json").read_text() == "[1]"
    for words, code, said in (
        (["sh", "-c", "echo '[2]'; exit 3"], 1, "status 3"),
        (["sh", "-c", "echo '[2]'; kill -9 $$"], 1, "status -9"),
        (["no-such-command"], 1, "cannot be started"),
        (["true"], 4, "nothing came from the command true"),
    ):
        found = run("put", "a.json", "--", *words)
        assert (found.code, found.out) == (code, "")
        assert said in found.err
    assert Path("a.json").read_text() == "[1]"


def test_put_keeps_what_a_program_without_format_has_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where plain JSON is in a .json.gz, as the library writes it by itself, plain JSON is put, and a line says so."""
    atomic_store.open("a.json.gz", [1]).commit()
    feed(monkeypatch, b"[2]")
    assert "taken as json" in run("put", "a.json.gz").err
    assert atomic_store.open("a.json.gz").value == [2]
    feed(monkeypatch, b"[3]")
    assert run("put", "a.json.gz", "--format", "json.gz") == (0, "", "")
    assert atomic_store.open("a.json.gz", format="auto").value == [3]


def test_missing_standard_input_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that was started without one says so."""
    monkeypatch.setattr(sys, "stdin", None)
    assert run("put", "a.json") == (1, "", "atomic-store: there is no standard input to read\n")


def test_terminal_as_standard_input_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who forgets the pipe is told what the command waits for."""

    class Terminal(io.TextIOWrapper):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdin", Terminal(io.BytesIO(b"[1]")))
    found = run("put", "a.json")
    assert (found.code, "Ctrl-D" in found.err) == (0, True)


# --- show -, get -, convert - - --------------------------------------------------------------------------------------


def test_standard_input_is_shown_and_converted(monkeypatch: pytest.MonkeyPatch) -> None:
    """- is standard input or output; its format is named, or JSON, BSON, CBOR by what comes, in any compression."""
    tagged = cbor2.dumps(cbor2.CBORTag(55799, [1]))
    plain = b' {"a": [1]}'
    packed = (gzip.compress(plain, mtime=0), bz2.compress(plain), lzma.compress(plain))
    for content in (plain, bson.encode({"a": [1]}), *packed):
        feed(monkeypatch, content)
        assert run("show", "-", "--json") == (0, '{"a": [1]}\n', "")
    feed(monkeypatch, tagged)
    assert run("show", "-", "--json") == (0, "[1]\n", "")
    feed(monkeypatch, plain)
    assert run("get", "-", "a.0") == (0, "1\n", "")
    steps = ["convert - - --from yaml --to json", "convert - - -t cbor.gz", "show - -c -f cbor.gz"]
    line = " | ".join(f"atomic-store {step}" for step in steps)
    done = shell(f"printf 'a: 0x10 # mine' | {line}")
    assert (done.returncode, done.stdout, done.stderr) == (0, b'{"a":16}\n', b"")


@pytest.mark.parametrize(
    ("words", "content", "code", "said"),
    [
        (["show", "-"], b"a: 1", 2, "--format"),
        (["show", "-"], b"", 4, "is empty"),
        (["show", "-"], b"[1", 4, "--format"),
        (["show", "-", "-f", "jsn"], b"1", 2, "--format jsn"),
        (["convert", "-", "-"], b"1", 2, "--to"),
        (["convert", "-", "-", "--to", "jsn"], b"1", 2, "--to jsn"),
        (["convert", "-", "a.json"], b"a: 1", 2, "--from"),
        (["convert", "-", "a.json", "--from", "jsn"], b"1", 2, "--from jsn"),
        (["convert", "-", "-", "--to", "toml"], b"[1]", 4, "toml"),
    ],
)
def test_format_that_nothing_says_is_asked_for_by_its_option(
    words: list[str], content: bytes, code: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message names the option of this very command, and nothing is made."""
    feed(monkeypatch, content)
    found = run(*words)
    assert (found.code, found.out) == (code, "")
    assert said in found.err
    assert inside(Path()) == []


def test_terminal_gets_text_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Converted to a terminal, JSON ends its line and commands nothing; what is not text is refused."""
    Path("a.json").write_text('["\u202e\x7f"]')
    with Screen() as screen:
        assert cli.main(["convert", "a.json", "-", "--to", "json"]) == 0
        assert cli.main(["convert", "a.json", "-", "--to", "cbor"]) == 2
        assert cli.main(["convert", "a.json", "-", "--to", "json.gz"]) == 2
    assert screen.out == '["\\u202e\\u007f"]\n'


@pytest.mark.parametrize("name", ["a", "a.dat", "a.json.gz", "a.gz", "a.bson", "a.toml", "a.msgpack", "a.json.bz2"])
def test_what_is_there_decides(name: str) -> None:
    """JSON that format=None has written is shown, changed and edited as JSON under every name; the name is only told."""
    atomic_store.open(name, {"a": 1}).commit()
    found = run("get", name, "a")
    assert (found.code, found.out) == (0, "1\n")
    assert found.err.count("\n") <= 1
    assert run("convert", name, "copy.yaml").code == 0
    assert run("set", name, "a", "2", "-f", "json").code == 0
    assert atomic_store.open(name).value == {"a": 2}


@pytest.mark.parametrize("name", ["a.json", "a.yaml", "a.json.xz"])
def test_compression_that_the_name_does_not_say_is_unpacked(name: str) -> None:
    """A file that somebody has gzipped under its old name is read, and stays compressed when it is changed."""
    Path(name).write_bytes(gzip.compress(b'{"a": 1}', mtime=0))
    found = run("get", name, "a")
    assert (found.code, found.out) == (0, "1\n")
    assert "gzip" in found.err
    assert run("set", name, "a", "2").code == 0
    assert b"2" in gzip.decompress(Path(name).read_bytes())
    assert run("get", name, "a").out == "2\n"


@pytest.mark.parametrize(
    ("name", "package"), [("a.bson.gz", "bson"), ("a.json.zst", "compression"), ("a.yaml.xz", "ruamel.yaml")]
)
def test_package_behind_a_compression_is_named(name: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not installed is named with its line for pip, also where it is the second suffix that needs it."""
    method = {".gz": "gzip", ".zst": "zstd", ".xz": "xz"}[Path(name).suffix]
    if method == "zstd":
        Path(name).write_bytes(b"\x28\xb5\x2f\xfd" + b"\0" * 20)
        monkeypatch.setitem(sys.modules, "compression.zstd", None)
        monkeypatch.setitem(sys.modules, "backports.zstd", None)
    else:
        Path(name).write_bytes((gzip if method == "gzip" else lzma).compress(b"\xff\xfe"))
        pretend_missing(monkeypatch, package, name.split(".")[1])
    found = run("show", name)
    assert found.code == 1
    assert "pip install" in found.err


# --- run -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["bz2", "gz.gz"])
def test_few_bytes_do_not_fill_the_memory(suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What unpacks to far more than gzip can pack is refused at once, from a file and from a pipe; --json says so, too."""
    blank = b" " * 50_000_000
    bomb = bz2.compress(blank) if suffix == "bz2" else gzip.compress(gzip.compress(blank))
    Path(f"a.json.{suffix}").write_bytes(bomb)
    feed(monkeypatch, bomb)
    for words in (
        ["show", f"a.json.{suffix}"],
        ["get", "-", "a", "-f", f"json.{suffix}"],
        ["edit", f"a.json.{suffix}", "-j"],
    ):
        found = run(*words)
        assert (found.code, found.out) == (4, "")
        assert "unpacks to more than" in found.err
    zeros = b"[" + b"0," * 400_000 + b"0]"
    Path("b.json.gz").write_bytes(gzip.compress(zeros))
    assert run("show", "b.json.gz", "-c").out.encode() == zeros + b"\n"


def test_shells_that_count_lose_nothing() -> None:
    """Shells that read, add and write under `run --lock`, and others that use --add, lose none of their steps."""
    by_hand(Path("n.json"), {"n": 0})
    script = "v=$(atomic-store get n.json n) && atomic-store set n.json n $((v + 1))"
    loop = f"for i in 1 2 3 4; do atomic-store run --lock n.json -- bash -c {shlex.quote(script)} || exit 1; done"
    adds = "for i in 1 2 3 4; do atomic-store set n.json n 1 --add || exit 1; done"
    done = shell(f"( {loop} ) & ( {loop} ) & ( {adds} ) & ( {adds} ) & wait")
    assert done.stderr == b""
    assert json.loads(Path("n.json").read_text()) == {"n": 16}


@pytest.mark.parametrize(
    "words", ["put a.json -- echo 2", "edit a.json", "convert b.json a.json --force", "delete a.json", "clean a.json"]
)
def test_every_command_knows_that_it_is_under_the_lock(words: str) -> None:
    """No command of atomic-store waits for the lock that its own parent holds, nor one inside a second run."""
    by_hand(Path("a.json"), 1)
    by_hand(Path("b.json"), 2)
    temp = Path(f".a.json.{'0' * 16}.tmp")
    temp.touch()
    os.utime(temp, (0, 0))
    inner = f"EDITOR='echo 2 > a.json; true' atomic-store {words} && atomic-store run --lock a.json -- echo inside"
    done = shell(f"timeout 60 bash -c {shlex.quote('atomic-store run --lock a.json -- bash -c ' + shlex.quote(inner))}")
    assert b"inside" in done.stdout, done.stderr


def test_lock_of_a_second_store_hides_no_other() -> None:
    """Under the locks of two stores a command writes to both, and a third `run` waits for neither."""
    holding = [*COMMAND, "run", "--timeout", "0", "--lock"]
    inner = "atomic-store set a.json n 1 && atomic-store set b,.json n 2 && " + " ".join(
        [*map(shlex.quote, holding), "a.json -- echo inside"]
    )
    outer = shlex.join([*holding, "a.json", "--", *holding, "b,.json", "--", "bash", "-c", inner])
    done = shell(f"timeout 60 {outer}")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"inside\n", b"")
    assert [json.loads(Path(name).read_text()) for name in ("a.json", "b,.json")] == [{"n": 1}, {"n": 2}]


def test_lock_is_held_while_the_command_runs_and_no_longer() -> None:
    """Another program waits as long as the command, or a child that it leaves behind, is at work; then the lock is free."""
    by_hand(Path("a.json"), 1)
    process = subprocess.Popen(
        [*COMMAND, "run", "--lock", "a.json", "--", "sh", "-c", "echo held; read line"], stdin=-1, stdout=-1
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    assert run("run", "--lock", "a.json", "--timeout", "0", "--", "true").code == 8
    with pytest.raises(atomic_store.LockTimeout):
        atomic_store.open("a.json", lock=0).__enter__()
    process.communicate(b"\n")
    with atomic_store.open("a.json", lock=5):
        pass
    assert process.returncode == 0


OVERWRITING = [
    ["put", "a.json", "--", "echo", "2"],
    ["set", "a.json", ".", "2"],
    ["delete", "a.json"],
    ["convert", "b.json", "a.json", "--force"],
]


@pytest.mark.parametrize("words", OVERWRITING)
def test_lock_of_run_keeps_out_what_overwrites(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands that compare nothing wait for the holder of the lock, too; where there are no locks, they need none."""
    by_hand(Path("a.json"), 1)
    by_hand(Path("b.json"), 2)
    acquired: list[str] = []
    lock = atomic_store.LocalFile.lock

    def noted(self: atomic_store.LocalFile, timeout: float | None = None) -> Any:
        acquired.append(Path("a.json").read_text())
        return lock(self, timeout)

    monkeypatch.setattr(atomic_store.LocalFile, "lock", noted)
    assert run(*words).code == 0
    assert acquired == ["1"]
    assert not Path("a.json").exists() or json.loads(Path("a.json").read_bytes()) == 2

    def refused(self: atomic_store.LocalFile, timeout: float | None = None) -> Any:
        raise atomic_store.LockError("no locks") from OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr(atomic_store.LocalFile, "lock", refused)
    by_hand(Path("a.json"), 1)
    assert run(*words).code == 0
    assert not Path("a.json").exists() or json.loads(Path("a.json").read_bytes()) == 2


@pytest.mark.parametrize("words", OVERWRITING)
def test_lock_that_is_refused_keeps_what_is_stored(words: list[str]) -> None:
    """Where the lock cannot be taken although there are locks, as beside a planted link, nothing is overwritten."""
    by_hand(Path("a.json"), 1)
    by_hand(Path("b.json"), 2)
    Path(".a.json.lock").symlink_to("elsewhere")
    found = run(*words)
    assert (found.code, "symbolic link" in found.err) == (1, True)
    assert json.loads(Path("a.json").read_bytes()) == 1


def test_lock_that_another_program_holds_is_waited_for() -> None:
    """Run waits for a program that has opened the store with lock=True; --timeout ends that by a code of its own."""
    by_hand(Path("a.json"), 1)
    with Program(
        "store = atomic_store.open(path, lock=True); store.__enter__(); say('held'); hear()", Path("a.json").absolute()
    ) as holder:
        assert holder.hear() == "held"
        begin = time.monotonic()
        done = shell("atomic-store run -l a.json -t 0.2 -- true")
        assert time.monotonic() - begin >= 0.2
    assert done.returncode == 8
    assert b"a.json" in done.stderr


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("run --lock a.json -- sh -c 'exit 9'", 9),
        ("run --lock a.json sh -c 'exit 9'", 9),
        ("run --lock a.json -- sh -c 'kill -TERM $$'", 143),
        ("run --lock a.json -- no-such-command", 127),
        ("run --lock a.json -- ./plain", 126),
        ("run --lock a.json --", 2),
        ("run --lock a.json", 2),
        ("run -- true", 2),
        ("run --lock a.json --timeout -1 -- true", 2),
        ("run --lock a.json --timeout soon -- true", 2),
        ("run --lock none/a.json -- true", 1),
        ("run --lock s3://bucket/a.json -- true", 1),
    ],
)
def test_exit_code_is_that_of_the_command(line: str, code: int) -> None:
    """The command's own status comes through; what keeps it from running is one line and a code as in a shell."""
    if "s3://" in line:
        require(find_spec("boto3"), "needs boto3: pip install 'atomic-store[s3]'")
    Path("plain").touch()
    done = shell(f"atomic-store {line}; exit $?")
    assert done.returncode == code
    assert done.stderr.count(b"\n") == (code != 9)  # of a command that is killed, bash says so
    assert (b"Traceback" in done.stderr) is False


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--lock", "a.json"], 2),
        (["--lock", "a.json", "--timeout", "-1", "--", "true"], 2),
        (["--lock", "a.json", "--timeout", "soon", "--", "true"], 2),
        (["--lock", "a.json", "--", "no-such-command"], 127),
        (["--lock", "a.json", "--", "."], 126),
    ],
)
def test_command_that_cannot_be_run_is_told(words: list[str], code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """As from a shell, so in this very process: one line, and the code."""
    monkeypatch.setenv(LOCKING.VARIABLE, "")
    found = run("run", *words)
    assert (found.code, found.err.count("\n")) == (code, 1)


def test_place_without_a_lock_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there are no locks the error says what to use, and no command is run."""
    monkeypatch.setattr(atomic_store.LocalFile, "has_lock", False)
    found = run("run", "--lock", "a.json", "--", "true")
    assert (found.code, "no locks" in found.err) == (1, True)


def test_bytes_go_to_a_pipe_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is converted to standard output is not text for Python: nothing is encoded on the way."""
    by_hand(Path("a.json"), {"é": 1})
    out = io.TextIOWrapper(io.BytesIO(), "ascii")
    monkeypatch.setattr(sys, "stdout", out)
    assert cli.main(["convert", "a.json", "-", "--to", "cbor"]) == 0
    assert cbor2.loads(out.buffer.getvalue()) == {"é": 1}


def test_command_takes_the_place_of_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock's descriptor is inherited and its number in the environment; a stream that is missing is no obstacle."""
    seen: list[Any] = []

    def become(program: str, words: list[str]) -> None:
        number = int(os.environ[LOCKING.VARIABLE])
        seen.append((program, words, os.get_inheritable(number)))
        raise SystemExit(0)

    monkeypatch.setattr(os, "execvp", become)
    monkeypatch.setattr(sys, "stderr", None)
    monkeypatch.setenv(LOCKING.VARIABLE, "")
    assert cli.main(["run", "--lock", "a.json", "--", "echo", "--", "x"]) == 0
    assert seen == [("echo", ["echo", "--", "x"], True)]


@pytest.mark.parametrize("number", ["x", "", "999999", "99999999999999999999", "2", "-1", "²"])
def test_variable_that_names_no_lock_is_no_lock(number: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A number that is no descriptor, or that of another file, is ignored: the lock is taken as ever."""
    monkeypatch.setenv(LOCKING.VARIABLE, number)
    assert run("set", "a.json", "n", "1").code == 0
    assert run("set", "a.json", "n", "1", "--add") == (0, "2\n", "")
    assert run("clean", "a.json").code == 0


def test_inherited_lock_is_written_under(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the descriptor of a held lock a set commits at once, and still compares: nobody's change is lost."""
    by_hand(Path("a.json"), {"n": 1})
    holder = atomic_store.LocalFile("a.json").lock()
    copy = os.dup(holder.fileno())
    kept = seams.cli_kept(monkeypatch)
    monkeypatch.setenv(LOCKING.VARIABLE, str(copy))
    try:
        assert run("set", "a.json", "n", "1", "--add") == (0, "2\n", "")
        assert run("delete", "a.json", "n").code == 0
        assert Path("a.json").read_text() == "{}"
        assert run("run", "--lock", "a.json", "--timeout", "0", "--", "no-such-command").code == 127
    finally:
        os.close(copy)
        holder.release()
    assert kept


# --- completion ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_shell_gets_its_script(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each shell gets a script that names the command; without argcomplete, the line for pip."""
    monkeypatch.setitem(sys.modules, "argcomplete", None)
    monkeypatch.setitem(sys.modules, "argcomplete.shell_integration", None)
    found = run("completion", name)
    assert (found.code, found.out) == (1, "")
    assert 'pip install "atomic-store[cli]"' in found.err
    monkeypatch.undo()
    require(find_spec("argcomplete"), "needs argcomplete: pip install 'atomic-store[cli]'")
    found = run("completion", name)
    assert (found.code, found.err) == (0, "")
    assert "atomic-store" in found.out


def test_bash_completes_commands_and_options(tmp_path: Path) -> None:
    """What bash asks for is answered: commands, options, and file names by bash itself."""
    require(find_spec("argcomplete"), "needs argcomplete: pip install 'atomic-store[cli]'")
    bin = tmp_path / "bin"
    bin.mkdir()
    (bin / "atomic-store").write_text(f'#!/bin/sh\nexec {shlex.join(COMMAND)} "$@"\n')
    (bin / "atomic-store").chmod(0o755)
    script = (
        f'export PATH={shlex.quote(str(bin))}:$PATH; eval "$(atomic-store completion bash)"\n'
        "ask() { COMP_LINE=$1; COMP_POINT=${#1}; COMP_TYPE=9; _python_argcomplete atomic-store; echo ${COMPREPLY[@]}; }\n"
        "ask 'atomic-store c'; ask 'atomic-store show --in'; ask 'atomic-store convert a - --to y'"
    )
    done = subprocess.run(["/bin/bash", "-c", script], env=environment(), capture_output=True, text=True, check=False)
    assert [sorted(line.split()) for line in done.stdout.splitlines()] == [
        ["check", "clean", "completion", "convert"],
        ["--indent"],
        ["yaml"],
    ]
