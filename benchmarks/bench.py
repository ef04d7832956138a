"""What a section works with: the environments, workers in them, the places to write to, and how much to do."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from .environments import Environment, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from types import TracebackType

WORKER = Path(__file__).with_name("worker.py")


class Worker:
    """A process in one of the environments that runs functions of this package.

    Args:
        environment: where.
        wrapper: a command that runs the worker, such as strace.
    """

    def __init__(self, environment: Environment, wrapper: Iterable[str] = ()) -> None:
        command = [*wrapper, str(environment.python), "-I", str(WORKER)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8")

    def call(self, function: str, **arguments: Any) -> Any:
        """Run `function`, such as "sections.commit.setup"; give what it returns.

        Raises:
            Unavailable: it raised, or the process has ended.
        """
        assert self._process.stdin
        assert self._process.stdout
        try:
            self._process.stdin.write(json.dumps({"function": function, "arguments": arguments}) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise Unavailable(f"the process has ended, status {self._process.wait()}")
        answer = json.loads(line)
        if "error" in answer:
            raise Unavailable(answer["error"])
        return answer["result"]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is not None:
            self._process.kill()
        self._process.communicate()


class Bench:
    """One run of the benchmarks.

    Args:
        environments: those that could be made.
        failed: why others could not.
        disk: a directory on the disk to measure.
        memory: a directory on tmpfs.
        quick: only look whether everything runs.
        most: rounds, at most; None: as many as each section finds right.

    Attributes:
        failures: what could not be run, for the exit status of a quick run.
    """

    def __init__(
        self,
        environments: dict[str, Environment],
        failed: dict[str, str],
        disk: Path,
        memory: Path,
        quick: bool,
        most: int | None,
    ) -> None:
        self.environments = environments
        self.failed = failed
        self.places = {"disk": disk, "tmpfs": memory}
        self.quick = quick
        self._most = 1 if quick else most
        self.failures: list[str] = []

    def pick(self, full: Any, quick: Any) -> Any:
        """Choose between what a full and a quick run does."""
        return quick if self.quick else full

    def rounds(self, full: int) -> int:
        """Say how many rounds there shall be, where `full` would be right."""
        return full if self._most is None else min(full, self._most)

    def say(self, text: str) -> None:
        """Tell whoever waits how far we are."""
        print(text, file=sys.stderr, flush=True)

    def environment(self, name: str) -> Environment:
        """Give an environment.

        Raises:
            Unavailable: it could not be made.
        """
        if name in self.failed:
            raise Unavailable(self.failed[name])
        return self.environments[name]

    def worker(self, environment: str, wrapper: Iterable[str] = ()) -> Worker:
        """Start a worker."""
        return Worker(self.environment(environment), wrapper)

    @contextmanager
    def directory(self, place: str) -> Iterator[Path]:
        """Make a directory on "disk" or "tmpfs" that goes in the end."""
        with tempfile.TemporaryDirectory(dir=self.places[place], prefix="benchmark-") as path:
            yield Path(path)

    def attempt(self, failed: dict[str, str], name: str, do: Callable[[], Any]) -> Any:
        """Do something about a contestant; what keeps it from running goes into `failed`, and None comes back."""
        try:
            return do()
        except Unavailable as error:
            failed[name] = str(error)
            self.failures.append(f"{name}: {error}")
            self.say(f"    {name} cannot be run: {error}")
            return None

    def race(
        self, environments: Mapping[str, str], rounds: int, begin: Callable[[Worker, str], Any], turn: str
    ) -> dict[str, Any]:
        """Let contestants take turns, each in a worker that stays.

        Args:
            environments: the name of each contestant, and the environment that it runs in.
            rounds: how many turns each of them has.
            begin: makes one ready.
            turn: the function that is one turn; it gives a number.

        Returns:
            "rounds": what each contestant's turns gave; "failed": why others could not run.
        """
        found: dict[str, list[float]] = {}
        failed: dict[str, str] = {}
        with ExitStack() as stack:
            workers: dict[str, Worker] = {}
            for name, environment in environments.items():

                def make_ready(name: str = name, environment: str = environment) -> None:
                    worker = stack.enter_context(self.worker(environment))
                    begin(worker, name)
                    workers[name] = worker
                    found[name] = []

                self.attempt(failed, name, make_ready)
            for names in rotations(list(workers), rounds):
                for name in names:

                    def take_turn(name: str = name) -> Any:
                        return workers[name].call(turn)

                    took = None if name in failed else self.attempt(failed, name, take_turn)
                    if took is not None:
                        found[name].append(took)
        return {"rounds": {name: took for name, took in found.items() if name not in failed}, "failed": failed}


def rotations(names: list[str], rounds: int) -> Iterator[list[str]]:
    """Give the order of each round: nobody is always the one that comes after the slowest."""
    for number in range(rounds):
        cut = number % max(1, len(names))
        yield names[cut:] + names[:cut]


def ratio(mine: list[float], base: list[float]) -> float:
    """Give the median of the ratios of those that ran in the same round."""
    return statistics.median(one / other for one, other in zip(mine, base, strict=True))
