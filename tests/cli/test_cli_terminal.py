"""The command line as a person meets it: in a terminal, with Ctrl-C, a pipe that closes, a locale that is not UTF-8."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
import s3_servers
from cli_support import Editor, environment
from crowd import HANGS_AFTER, Program
from machine import mounted
from stand_ins import by_hand, inside
from support import require

import atomic_store

COMMAND = [sys.executable, "-W", "error", "-m", "atomic_store"]
HOLDER = "store = atomic_store.open(path, lock=True); store.__enter__(); say('held'); hear()"
SOON = 30  # seconds; what has not come by then does not come


def start(*words: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[bytes]:
    """Run the command line in a process of its own."""
    return subprocess.run([*COMMAND, *words], cwd=cwd, env=environment(**variables), capture_output=True, check=False)


class Terminal:
    """A shell in a terminal of tmux, 200 columns wide."""

    def __init__(self, directory: Path, **variables: str) -> None:
        require(shutil.which("tmux"), "needs the program tmux")
        # The name of a socket has at most 107 bytes, and a temporary directory's may have more.
        self._sockets = tempfile.mkdtemp(prefix="tmux-", dir="/tmp")
        self._tmux = ["tmux", "-S", f"{self._sockets}/tmux", "-f", os.devnull]
        self._variables = environment(**variables)
        size = ["-x", "200", "-y", "50"]
        self._run("new-session", "-d", *size, "-c", str(directory), "env", "PS1=ready> ", "/bin/sh")
        self.sees("ready>")
        self.types("alias atomic-store=" + shlex.quote(shlex.join(COMMAND)))

    def _run(self, *words: str) -> str:
        done = subprocess.run([*self._tmux, *words], env=self._variables, capture_output=True, text=True, check=True)
        return done.stdout

    def types(self, line: str) -> None:
        """Type a line, and Enter."""
        self._run("send-keys", "-l", line)
        self.presses("Enter")

    def presses(self, key: str) -> None:
        """Press a key, such as C-c."""
        self._run("send-keys", key)

    def screen(self, *options: str) -> str:
        """Give what is seen."""
        return self._run("capture-pane", "-p", "-J", *options)

    def sees(self, *texts: str) -> str:
        """Wait until each of the texts is seen; give the screen."""
        end = time.monotonic() + SOON
        while not all(text in (screen := self.screen()) for text in texts):
            assert time.monotonic() < end, f"{texts} not seen:\n{screen}"
            time.sleep(0.05)
        return screen

    def close(self) -> None:
        """End the shell, and what runs in it."""
        subprocess.run([*self._tmux, "kill-server"], capture_output=True, check=False)  # it may have ended by itself
        shutil.rmtree(self._sockets)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    """What opens terminals, with variables of the environment, and closes them in the end."""
    opened: list[Terminal] = []

    def open_one(**variables: str) -> Terminal:
        directory = tmp_path / f"terminal{len(opened)}"
        directory.mkdir()
        opened.append(Terminal(directory, TERM="xterm-256color", TMPDIR=str(directory), **variables))
        return opened[-1]

    yield open_one
    for each in opened:
        each.close()


@pytest.fixture
def silence() -> Iterator[str]:
    """The URL of a server that takes connections and never answers."""
    require(find_spec("boto3"), "needs boto3: pip install 'atomic-store[s3]'")
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_person_at_a_terminal_is_shown_colours_and_no_control_characters(
    tmp_path: Path, terminal: Callable[..., Terminal]
) -> None:
    """On a real terminal a report has colours, what would command it is escaped, and an error stands on one line."""
    by_hand(tmp_path / "a.json", "\x9b31m red?")
    shell = terminal()
    shell.types(
        f"cd {tmp_path}; atomic-store show a.json; atomic-store check a.json; atomic-store show none.json; echo code $?"
    )
    assert '"\\u009b31m red?"' in shell.sees("code 3", "locks")
    assert "\x1b[32myes" in shell.screen("-e")
    assert "atomic-store: nothing is stored at 'none.json'" in shell.screen()


def test_person_who_makes_a_mistake_sees_it_in_the_editor(tmp_path: Path, terminal: Callable[..., Terminal]) -> None:
    """The editor talks to the person in the terminal, opens again with the message, and what is right is stored."""
    by_hand(tmp_path / "a.json", 1)
    script = tmp_path / "editor"
    script.write_text('#!/bin/sh\ncat "$1"; printf "new text: "; read text; echo "$text" > "$1"\n')
    script.chmod(0o755)
    shell = terminal(EDITOR=str(script))
    shell.types(f"cd {tmp_path}; atomic-store edit a.json")
    shell.sees("new text:")
    shell.types("{oops")
    shell.sees("# atomic-store: It is not json", "{oops\nnew text:")
    shell.types("[2]")
    shell.sees("'a.json': stored")
    assert (tmp_path / "a.json").read_text() == "[2]\n"


def test_ctrl_c_in_the_editor_belongs_to_the_editor(tmp_path: Path, terminal: Callable[..., Terminal]) -> None:
    """Ctrl-C while the editor is open ends only an editor that wants to end; then the saved text is kept and named."""
    by_hand(tmp_path / "a.json", 1)
    for trap, said in (("trap 'echo not me' INT;", "stored"), ("", "was killed by signal 2")):
        script = tmp_path / "editor"
        script.write_text(f'#!/bin/sh\n{trap} echo "[2]" > "$1"; echo opened; read line; read line\n')
        script.chmod(0o755)
        shell = terminal(EDITOR=str(script))
        shell.types(f"cd {tmp_path}; echo 1 > a.json; atomic-store edit a.json; echo code $?")
        shell.sees("opened")
        shell.presses("C-c")
        if trap:
            shell.sees("not me")
            shell.presses("Enter")
            shell.presses("Enter")
        screen = shell.sees(said, "code")
        assert "Traceback" not in screen
    assert "what was typed is kept in" in screen
    kept = Path(screen.partition("what was typed is kept in '")[2].partition("'")[0])
    assert (kept.read_text(), (tmp_path / "a.json").read_text()) == ("[2]\n", "1\n")


@pytest.mark.parametrize(
    "words", ["show URL", "edit URL", "convert URL b.json", "convert a.json URL", "check URL", "clean URL"]
)
def test_ctrl_c_ends_a_command_that_waits(
    words: str, tmp_path: Path, silence: str, terminal: Callable[..., Terminal]
) -> None:
    """Ctrl-C while a server is silent ends each command by one line and code 130, and leaves nothing."""
    by_hand(tmp_path / "a.json", 1)
    shell = terminal(**s3_servers.environment(silence))
    shell.types(f"cd {tmp_path}; atomic-store {words.replace('URL', 's3://bucket/a.json')}; echo code $?")
    wait_for_connection(silence)
    shell.presses("C-c")
    if words.startswith("check"):
        # It tidies up, for which it asks the silent server: a second one ends that.
        time.sleep(1)
        shell.presses("C-c")
    screen = shell.sees("code 130")
    assert "atomic-store: interrupted\n" in screen  # behind the ^C that the terminal itself shows
    assert "Traceback" not in screen
    assert inside(tmp_path) == ["a.json", "terminal0"]


def wait_for_connection(url: str) -> None:
    """Wait until somebody has connected to a server that never accepts."""
    port = f":{int(url.rpartition(':')[2]):04X} "
    end = time.monotonic() + SOON
    while not any(f"{port}" in f"{line.split()[2]} " and line.split()[3] == "01" for line in lines_of_tcp()):
        assert time.monotonic() < end, "nobody has connected"
        time.sleep(0.05)
    time.sleep(0.2)


def lines_of_tcp() -> list[str]:
    return Path("/proc/net/tcp").read_text().splitlines()[1:]


@pytest.mark.parametrize("words", ["convert a.json b.json", "edit b.json", "clean b.json"])
def test_ctrl_c_while_another_program_holds_the_lock_leaves_nothing(words: str, tmp_path: Path) -> None:
    """Whoever waits for the lock can be interrupted: no temp stays, nothing is written, and what was typed is kept."""
    by_hand(tmp_path / "a.json", 1)
    by_hand(tmp_path / "b.json", "old")
    temp = tmp_path / f".b.json.{'0' * 16}.tmp"
    temp.touch()
    os.utime(temp, (0, 0))
    if words.startswith("convert"):
        (tmp_path / "b.json").unlink()
    editor = Editor(tmp_path / "editor")
    editor.does('echo 2 > "$1"')
    before = inside(tmp_path)
    with Program(
        "store = atomic_store.open(path, lock=True); store.__enter__(); say('held'); hear()", tmp_path / "b.json"
    ) as holder:
        assert holder.hear() == "held"
        temp.touch()
        os.utime(temp, (0, 0))
        process = subprocess.Popen(
            [*COMMAND, *words.split()],
            cwd=tmp_path,
            env=environment(EDITOR=str(editor.path), TMPDIR=str(tmp_path / "editor")),
            stderr=subprocess.PIPE,
        )
        wait_for_lock(process.pid)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=HANGS_AFTER)
    assert (process.returncode, err.count(b"\n")) == (130, 1)
    assert err.startswith(b"atomic-store: interrupted")
    assert (b"what was typed is kept in" in err) is words.startswith("edit")
    assert inside(tmp_path) == sorted({*before, ".b.json.lock"})


def wait_for_lock(process: int) -> None:
    """Wait until a process waits for a flock: the kernel says what it sleeps in (proc(5))."""
    end = time.monotonic() + SOON
    while not any(f" {process} " in line and "->" in line for line in Path("/proc/locks").read_text().splitlines()):
        assert time.monotonic() < end, "it does not wait for the lock"
        time.sleep(0.05)


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_pipe_that_closes_early_is_quiet(unbuffered: str, tmp_path: Path) -> None:
    """`show ... | head -1` prints one line and nothing on stderr, and has the code of a SIGPIPE."""
    variables = environment(PYTHONUNBUFFERED=unbuffered)
    by_hand(tmp_path / "a.json", ["x" * 1000] * 2000)
    line = f"{shlex.join(COMMAND)} show a.json | head -n 1; {shlex.join(COMMAND)} --help | true; echo ${{PIPESTATUS[0]}} >&2"
    done = subprocess.run(["/bin/bash", "-c", line], cwd=tmp_path, env=variables, capture_output=True, check=False)
    # The help may be in the pipe before `true` has closed it.
    assert (done.stdout, done.stderr in (b"141\n", b"0\n")) == (b"[\n", True), done.stderr
    for words in ("--help", "show --help", "--version", "completion bash"):
        line = f"{shlex.join(COMMAND)} {words} > /dev/full; echo $?"
        done = subprocess.run(["/bin/bash", "-c", line], cwd=tmp_path, env=variables, capture_output=True, check=False)
        assert done.stdout == b"1\n"
        assert done.stderr.count(b"\n") == 1
    line = f"set -o pipefail; {shlex.join(COMMAND)} show a.json | head -n 1"
    done = subprocess.run(["/bin/bash", "-c", line], cwd=tmp_path, env=variables, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (141, b"[\n", b"")


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_output_that_does_not_fit_is_an_error(unbuffered: str, tmp_path: Path) -> None:
    """On a disk that is full after some of the output, the command says so and fails."""
    by_hand(tmp_path / "a.json", ["x" * 1000] * 2000)
    with mounted(tmp_path / "disk", "-t", "tmpfs", "-o", "size=64k", "tmpfs") as disk, (disk / "out").open("wb") as out:
        command = [*COMMAND, "show", "a.json"]
        variables = environment(PYTHONUNBUFFERED=unbuffered)
        done = subprocess.run(command, cwd=tmp_path, env=variables, stdout=out, stderr=subprocess.PIPE, check=False)
        assert out.tell() > 0
    assert (done.returncode, done.stderr) == (1, b"atomic-store: the output cannot be written: No space left on device\n")


@pytest.mark.parametrize(
    "variables",
    [
        {"LANG": "C", "PYTHONIOENCODING": "ascii"},
        {"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
        {"PYTHONIOENCODING": "latin-1"},
    ],
    ids=["ascii", "POSIX", "latin-1"],
)
def test_locale_that_is_not_utf_8_is_no_traceback(variables: dict[str, str], tmp_path: Path) -> None:
    """Every command works in such a locale: what it cannot show is escaped, and what is stored is UTF-8 all the same."""
    # Without site: in an ASCII locale Python 3.11 ends at a .pth file (an editable installation) with others.
    command = [*COMMAND[:1], "-S", *COMMAND[1:]]
    surroundings = environment(PYTHONPATH=os.pathsep.join(filter(None, sys.path)), **variables)

    def run_there(*words: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run([*command, *words], cwd=tmp_path, env=surroundings, capture_output=True, check=False)

    by_hand(tmp_path / "€.json", {"é": "€"})
    shown = run_there("show", "€.json")
    assert (shown.returncode, shown.stderr) == (0, b"")
    assert json.loads(shown.stdout.decode("latin-1")) == {"é": "€"}
    for words in (["convert", "€.json", "ü.yaml"], ["show", "ü.yaml"], ["clean", "ü.yaml"], ["check", "ü.yaml"]):
        done = run_there(*words)
        assert done.stderr == b""
        # On a file system in memory check says that not every promise holds.
        assert done.returncode == 0 or (words[0] == "check" and done.returncode == 7)
    assert (tmp_path / "ü.yaml").read_text(encoding="utf-8") == "é: €\n"
    missing = run_there("show", "ж.json")
    assert (missing.returncode, missing.stderr.count(b"\n")) == (3, 1)


def test_program_that_pip_installs_is_the_command(tmp_path: Path) -> None:
    """The script `atomic-store` of this environment does what the module does."""
    program = Path(sys.executable).with_name("atomic-store")
    require(program.exists(), "needs the package to be installed, not only importable")
    by_hand(tmp_path / "a.json", [1])
    done = subprocess.run([program, "show", "a.json", "--json"], cwd=tmp_path, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"[1]\n", b"")
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    assert version.stdout == f"atomic-store {atomic_store.__version__}\n"


def test_long_work_shows_a_bar_on_a_real_terminal(tmp_path: Path, terminal: Callable[..., Terminal]) -> None:
    """Tqdm's bar is seen while a long step runs, and gone when it is done."""
    by_hand(tmp_path / "a.json", "x" * (8 << 20))
    slow = (
        "import sys, time; from atomic_store import cli; from atomic_store.cli import _terminal\n"
        "_terminal.PATIENCE = 0; advance = _terminal.Progress.advance\n"
        "_terminal.Progress.advance = lambda self, size: (advance(self, size), time.sleep(0.3))\n"
        "sys.exit(cli.main())"
    )
    (tmp_path / "slow.py").write_text(slow)
    shell = terminal()
    shell.types(f"cd {tmp_path}; {shlex.quote(sys.executable)} slow.py convert a.json b.json; echo code $?")
    shell.sees("reading 'a.json':", "B/s]")
    shell.sees("writing 'b.json':", "B/s]")
    assert "B/s]" not in shell.sees("code 0", "bytes of json")
