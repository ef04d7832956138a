"""The stages of the gate (.ci/run) and of the campaign (.ci/campaign), as sessions of nox.

`.ci/run STAGE` runs one with those that it needs. A session ends with an error if it cannot run: nothing is skipped.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import nox

ROOT = Path(__file__).resolve().parent
PROJECT = nox.project.load_toml(ROOT / "pyproject.toml")
HOME = ROOT / "build" / "gate"
DIST = HOME / "dist"
CHECKOUT = HOME / "checkout"
"""An empty clone, with the environment that CONTRIBUTING.md sets up: what a developer has."""
TOOLS = CHECKOUT / ".venv" / "bin"
CONSTRAINTS = ROOT / ".ci" / "constraints.txt"
OLDEST = "3.11"
PYTHONS = ("3.11", "3.12", "3.13")
EXTRAS = ",".join(sorted(PROJECT["project"]["optional-dependencies"].keys() - {"test"}))
LEAST_COMPLETE = 100.0
"""Percent of the public interface that has types, by pyright --verifytypes."""
ORDINARY_USER = "atomic-store-gate"
THOUSANDS = (
    "test_fault_sweep.py",
    "test_kill_sweep.py",
    "test_nothing_imported_later.py",
    "test_races.py",
    "test_s3_interleavings.py",
)
"""The tests that play thousands of cases, or thousands of commits."""

nox.options.default_venv_backend = "venv"
nox.options.error_on_missing_interpreters = True
nox.options.sessions = []

# nox looks for python3.12 along PATH, where a version manager's shim may be that runs no Python.
_versions = sorted(Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions").glob("3.1[1-9]*/bin"))
os.environ["PATH"] = os.pathsep.join([*map(str, _versions), os.environ["PATH"]])
# Most of what is installed is never imported; the rest is compiled then.
os.environ["PIP_COMPILE"] = "0"


def note(text: str) -> None:
    """Add to the last column of the gate's table."""
    path = os.environ.get("ATOMIC_STORE_STAGE_NOTES")
    if path:
        with open(path, "a", encoding="utf-8") as file:
            file.write(f"{text} ")


def cannot(session: nox.Session, why: str) -> NoReturn:
    """End a session that lacks something it needs in order to run."""
    note(f"cannot run: {why}")
    session.error(f"cannot run: {why}")


def fail(session: nox.Session, why: str) -> NoReturn:
    """End a session that has found something wrong."""
    note(why)
    session.error(why)


def scratch(session: nox.Session, *names: str) -> Path:
    """Return a path in the session's own directory."""
    return Path(session.create_tmp(), *names).resolve()


def clone(session: nox.Session, target: Path) -> None:
    """Make an empty clone of what is committed."""
    shutil.rmtree(target, ignore_errors=True)
    session.run(
        "git", "-c", "advice.detachedHead=false", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(target), external=True
    )


def commands_of(document: str) -> list[str]:
    """Return the lines of the sh blocks of a document."""
    blocks = re.findall(r"^```sh\n(.*?)^```", (ROOT / document).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return [line for block in blocks for line in block.splitlines()]


def readme_command(session: nox.Session, number: int) -> str:
    """Return the README's command 1 or 2."""
    commands = commands_of("README.md")
    if len(commands) != 2:
        fail(session, f"the README has {len(commands)} lines in its sh blocks, not two")
    return commands[number - 1]


def wheel(session: nox.Session) -> str:
    """Return the path of the wheel that the stage "packages" has built."""
    found = sorted(DIST.glob("*.whl"))
    if len(found) != 1:
        cannot(session, "there is no wheel")
    return str(found[0])


def unpacked_tests(session: nox.Session) -> Path:
    """Return a directory with the sdist's files for testing, without the package: the tests must see the wheel."""
    (sdist,) = DIST.glob("*.tar.gz")
    place = scratch(session, "tests")
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    session.run("tar", "--extract", "--gzip", "--file", str(sdist), "--directory", str(place), external=True)
    (top,) = place.iterdir()
    shutil.rmtree(top / "atomic_store")
    return top


def path_of(name: str) -> str:
    """Return the path of a test file below the project's root, whatever folder it is in."""
    (path,) = (ROOT / "tests").rglob(name)
    return str(path.relative_to(ROOT))


def group(name: str) -> tuple[str, ...]:
    """Return the requirements of a dependency group."""
    return tuple(nox.project.dependency_groups(PROJECT, name))


def install(session: nox.Session, *requirements: str) -> None:
    """Install, in the versions of the constraints."""
    session.install("--constraint", str(CONSTRAINTS), *requirements)


def run_tests(session: nox.Session, *arguments: str, require: str = "1") -> None:
    """Run pytest of the session's environment on the tests of the sdist."""
    tests = unpacked_tests(session)
    # The tests' temporary directory goes with the stage.
    with session.chdir(tests):
        origin = session.run("python", "-c", "import atomic_store; print(atomic_store.__file__)", silent=True)
        if not str(origin).startswith(session.virtualenv.location):
            fail(session, f"the tests would not see the wheel, but {origin}")
        session.run("python", "-m", "pytest", *arguments, env={"ATOMIC_STORE_REQUIRE_ALL": require})


def without(*names: str) -> list[str]:
    """Return the options that leave out test files."""
    return [f"--ignore={path_of(name)}" for name in names]


def apart() -> list[str]:
    """Return the options that leave out the tests which have a stage of their own."""
    return without("test_s3_radosgw.py", "test_cron.py", "test_frozen.py")


# --- packages and tools ---------------------------------------------------------------------------------------------


@nox.session(python=OLDEST)
def packages(session: nox.Session) -> None:
    """Build the sdist from an empty clone, the wheel from the sdist, and compare what they hold with what is committed."""
    install(session, "build", "hatchling", "hatch-fancy-pypi-readme")
    source = scratch(session, "source")
    clone(session, source)
    shutil.rmtree(DIST, ignore_errors=True)
    session.run("python", "-m", "build", "--no-isolation", "--outdir", str(DIST), str(source))
    (sdist,) = DIST.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        packed = {name.partition("/")[2] for name in archive.getnames()}
    committed = set(str(session.run("git", "-C", str(source), "ls-files", external=True, silent=True)).splitlines())
    if committed - packed:
        fail(session, f"the sdist lacks {sorted(committed - packed)}")
    listed = str(session.run("python", "-m", "zipfile", "--list", wheel(session), silent=True))
    wanted = {name for name in committed if name.startswith("atomic_store/")} | {"LICENSE"}
    lacking = [name for name in sorted(wanted) if name not in listed]
    strangers = [
        name for name in {path.partition("/")[0] for path in committed} - {"atomic_store"} if f"\n{name}/" in listed
    ]
    if lacking or strangers:
        fail(session, f"the wheel lacks {lacking}, and should not hold {strangers}")
    with zipfile.ZipFile(wheel(session)) as archive:
        (metadata,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        dead = re.findall(r"\]\((?!https?://|#)[^)]*\)", archive.read(metadata).decode())
    if dead:
        fail(session, f"links that lead nowhere on the page of a package index: {dead}")
    note(f"{sdist.name}, {Path(wheel(session)).name}")


@nox.session(python=False)
def tools(session: nox.Session) -> None:
    """Run the first command of CONTRIBUTING.md in an empty clone."""
    command = commands_of("CONTRIBUTING.md")[0]
    clone(session, CHECKOUT)
    with session.chdir(CHECKOUT):
        session.run("bash", "-c", command, external=True, env={"PIP_CONSTRAINT": str(CONSTRAINTS)})
    note(versions(session))


def versions(session: nox.Session) -> str:
    """Return the versions of the tools."""
    frozen = str(session.run(str(TOOLS / "python"), "-m", "pip", "freeze", external=True, silent=True))
    return ", ".join(re.findall(r"^(?:mypy|pyright|pytest|ruff|Sphinx)==.*$", frozen, re.MULTILINE))


def tool(session: nox.Session, name: str, *arguments: str, env: Mapping[str, str] | None = None) -> None:
    """Run a tool in the clone that the stage "tools" has set up."""
    if not (TOOLS / name).exists():
        cannot(session, f"{name} is not installed")
    with session.chdir(CHECKOUT):
        session.run(str(TOOLS / name), *arguments, external=True, env=env)


@nox.session(python=False)
def style(session: nox.Session) -> None:
    """Check style, formatting and types."""
    tool(session, "ruff", "check")
    tool(session, "ruff", "format", "--check")
    tool(session, "mypy")


@nox.session(python=OLDEST)
def types(session: nox.Session) -> None:
    """Check the types with the second checker, and how much of the public interface has types."""
    tool(session, "pyright")
    # In an environment with the wheel: an editable installation has no py.typed where pyright looks for it.
    install(session, *(f"{wheel(session)}[{EXTRAS}]",), "pyright[nodejs]")
    output = str(
        session.run("pyright", "--verifytypes", "atomic_store", "--ignoreexternal", silent=True, success_codes=(0, 1))
    )
    found = re.search(r"Type completeness score: ([\d.]+)%", output)
    if found is None or float(found[1]) < LEAST_COMPLETE:
        print(output)
        fail(session, f"completeness of the public types: {found and found[1]} %, not {LEAST_COMPLETE} %")
    note(f"{found[1]} % of the public types")


@nox.session(python=False)
def docs(session: nox.Session) -> None:
    """Build the site where there is no network; a page that loads something from elsewhere would not work offline either."""
    site = scratch(session, "site")
    shutil.rmtree(site, ignore_errors=True)
    options = ("--fail-on-warning", "--keep-going", "--quiet", "docs", str(site))
    with session.chdir(CHECKOUT):
        session.run("unshare", "--net", str(TOOLS / "sphinx-build"), *options, external=True)
    foreign = re.compile(
        r'(src|srcset)="(https?:)?//|<link[^>]* rel="stylesheet"[^>]* href="(https?:)?//|@import|url\((https?:)?//'
    )
    pages = [*site.rglob("*.html"), *site.rglob("*.css")]
    bad = [str(page.relative_to(site)) for page in pages if foreign.search(page.read_text(encoding="utf-8"))]
    if bad or not pages:
        fail(session, f"pages that load something from elsewhere: {bad}")
    note(f"{len(pages)} pages and style sheets")


@nox.session(python=OLDEST)
def offline(session: nox.Session) -> None:
    """Install wheel and sdist where there is no network, from the files of what they depend on, and run an example."""
    place = scratch(session)
    for name in ("wheel", "sdist"):
        shutil.rmtree(place / name, ignore_errors=True)
    pip = ("python", "-m", "pip", "--quiet")
    (sdist,) = DIST.glob("*.tar.gz")
    constrained = ("--constraint", str(CONSTRAINTS))
    session.run(*pip, "wheel", *constrained, "--wheel-dir", str(place / "wheel"), f"{wheel(session)}[{EXTRAS}]")
    session.run(*pip, "download", *constrained, "--dest", str(place / "sdist"), "--no-deps", str(sdist))
    # What the sdist, and that of atomicwrites, are built with.
    needed = ("atomicwrites", "hatch-fancy-pypi-readme", "hatchling", "setuptools", "wheel")
    session.run(*pip, "download", "--dest", str(place / "sdist"), *needed)
    for name, wanted in (("wheel", f"atomic-store[{EXTRAS}]"), ("sdist", "atomic-store")):
        environment, ran = place / f"{name}-environment", place / f"{name}-run"
        for directory in (environment, ran):
            shutil.rmtree(directory, ignore_errors=True)
        ran.mkdir()
        session.run("python", "-m", "venv", str(environment))
        python = str(environment / "bin" / "python")
        # The first command is a control: the table of routes has its heading, if anything.
        script = """
            test "$(wc -l </proc/self/net/route)" -le 1
            cd "$1"; shift; "$@"
            "$PYTHON" "$EXAMPLE"; test -s runs.json
        """
        install_command = (
            python,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-index",
            "--find-links",
            str(place / name),
            wanted,
        )
        session.run(
            *("unshare", "--net", "bash", "-euc", script, "bash", str(ran), *install_command),
            env={
                "PYTHON": python,
                "EXAMPLE": str(ROOT / "examples" / "runs.py"),
                "PIP_CONFIG_FILE": os.devnull,
                "PIP_FIND_LINKS": "",
            },
            external=True,
        )
    note(f"{len(list((place / 'wheel').iterdir()))} wheels, {len(list((place / 'sdist').iterdir()))} files beside the sdist")


@nox.session(python=OLDEST)
def frozen(session: nox.Session) -> None:
    """Run the tests that freeze programs, where nothing is installed that the programs do not need."""
    install(session, f"{wheel(session)}[bson,cbor,msgpack,toml,typed,yaml,zstd]", "pytest", *group("frozen"))
    run_tests(session, path_of("test_frozen.py"))


# --- the README's commands ------------------------------------------------------------------------------------------


def python_home(session: nox.Session, version: str) -> Path:
    """Return the directory of an interpreter of this version, found as nox finds it."""
    name = shutil.which(f"python{version}")
    if name is None:
        cannot(session, f"there is no Python {version}")
    real = subprocess.run(
        [name, "-c", "import os, sys; print(os.path.realpath(sys.executable))"], capture_output=True, text=True, check=True
    )
    return Path(real.stdout.strip()).parent


def in_turn(session: nox.Session) -> str:
    """Return 3.12 or 3.13: one for each second commit."""
    count = str(session.run("git", "rev-list", "--count", "HEAD", external=True, silent=True))
    return PYTHONS[1 + int(count) % 2]


def bare(path: Sequence[Path | str], home: Path, **variables: str) -> dict[str, str]:
    """Return the environment variables of somebody who has just cloned the project; what says where packages are stays."""
    ours = ("AWS_", "ATOMIC_STORE_", "COV", "NOX", "PIP_CO", "PY", "UV_", "VIRTUAL_ENV", "XDG_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours) and name != "PIP_QUIET"}
    return kept | {"PATH": os.pathsep.join(map(str, path)), "HOME": str(home), **variables}


def decoys(place: Path) -> Path:
    """Make programs with the names of servers, which belong to no environment and say it if somebody runs them."""
    directory = place / "decoys"
    directory.mkdir(mode=0o755)
    for name in ("ministack", "moto_server", "rclone"):
        program = directory / name
        program.write_text(f'#!/bin/sh\necho "{name} $*" >>"{place}/decoys-that-ran"\nexit 3\n')
        program.chmod(0o755)
    return directory


@contextlib.contextmanager
def public_place(name: str) -> Iterator[Path]:
    """Make a directory that every user can reach and write to."""
    place = Path(tempfile.mkdtemp(prefix=f"{name}-"))
    try:
        place.chmod(0o777)
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def no_decoy_ran(session: nox.Session, place: Path) -> None:
    """Fail if a decoy was run."""
    ran = place / "decoys-that-ran"
    if ran.exists():
        fail(session, f"programs of another environment were run: {ran.read_text()}")


def as_ordinary_user(session: nox.Session) -> tuple[str, ...]:
    """Return what begins a command of an ordinary user, who is made if there is none."""
    if subprocess.run(["id", ORDINARY_USER], capture_output=True, check=False).returncode:
        session.run("useradd", "--create-home", ORDINARY_USER, external=True)
    return ("setpriv", f"--reuid={ORDINARY_USER}", f"--regid={ORDINARY_USER}", "--init-groups")


def run_bare(session: nox.Session, directory: Path, words: Iterable[str], variables: dict[str, str]) -> None:
    """Run a command in a directory with these environment variables and no others."""
    with session.chdir(directory):
        session.run(*words, external=True, env=variables, include_outer_env=False)


@nox.session(name="readme-run", python=False)
def readme_run(session: nox.Session) -> None:
    """Run README command 1 as printed: an ordinary user with Debian's Python; root with the newest one."""
    command = readme_command(session, 1)
    user = as_ordinary_user(session)
    newest = python_home(session, PYTHONS[-1])
    for who, path in ((user, ["/usr/bin", "/bin"]), ((), [newest, "/usr/bin", "/bin"])):
        with public_place("run") as place:
            clone(session, place / "atomic_store")
            if who:
                session.run("chown", "--recursive", f"{ORDINARY_USER}:", str(place), external=True)
            run_bare(
                session, place / "atomic_store", (*who, "bash", "-c", f"python3 --version; {command}"), bare(path, place)
            )
            if not (place / "atomic_store" / "runs.json").read_text():
                fail(session, "examples/runs.py left no runs.json")


@nox.session(name="readme-user", python=False)
def readme_user(session: nox.Session) -> None:
    """Run README command 2 as printed, as an ordinary user with Debian's Python, with foreign servers on PATH."""
    command = readme_command(session, 2)
    user = as_ordinary_user(session)
    with public_place("user") as place:
        clone(session, place / "atomic_store")
        foreign = decoys(place)
        session.run("chown", "--recursive", f"{ORDINARY_USER}:", str(place), external=True)
        words = (*user, "bash", "-c", f"python3 --version; {command}")
        run_bare(session, place / "atomic_store", words, bare([foreign, "/usr/bin", "/bin"], place, PYTHONUNBUFFERED="1"))
        no_decoy_ran(session, place)


@nox.session(name="readme-root", python=False)
def readme_root(session: nox.Session) -> None:
    """Run README command 2 as printed in odd surroundings, as root with Python 3.12 or 3.13.

    TMPDIR is a path of 180 characters on tmpfs, the clone's path has spaces and umlauts, AWS_PROFILE names a profile that
    does not exist, the caller ignores SIGINT, and servers of another environment are on PATH.
    """
    command = readme_command(session, 2)
    version = in_turn(session)
    newest = python_home(session, version)
    with public_place("root") as place:
        odd = place / "Österreich und die Schweiz"
        clone(session, odd)
        memory = place / "tmpfs"
        memory.mkdir()
        long = str(memory / "x").ljust(180, "x")
        mount = 'mount -t tmpfs tmpfs "$1"; mkdir "$2"; trap "" INT; export TMPDIR=$2; python3 --version; eval "$3"'
        words = ("unshare", "--mount", "bash", "-euc", mount, "bash", str(memory), long, command)
        path = [decoys(place), newest, "/usr/sbin", "/usr/bin", "/sbin", "/bin"]
        run_bare(session, odd, words, bare(path, place, AWS_PROFILE="there-is-none"))
        no_decoy_ran(session, place)
    note(f"Python {version}")


@nox.session(name="readme-uv", python=False)
def readme_uv(session: nox.Session) -> None:
    """Run the tests that need an installer in an environment that uv has made, without pip."""
    uv = scratch(session, "uv")
    shutil.rmtree(uv, ignore_errors=True)
    session.run("/usr/bin/python3", "-m", "venv", str(uv), external=True)
    session.run(
        str(uv / "bin" / "python"), "-m", "pip", "install", "--quiet", "--constraint", str(CONSTRAINTS), "uv", external=True
    )
    tests = " ".join(path_of(name) for name in ("test_plugin.py", "test_import_budget.py", "test_s3.py"))
    script = f'uv venv --quiet .venv && uv pip install --quiet --editable ".[test]" && .venv/bin/python -m pytest {tests}'
    with public_place("uv") as place:
        clone(session, place / "atomic_store")
        run_bare(session, place / "atomic_store", ("bash", "-euc", script), bare([uv / "bin", "/usr/bin", "/bin"], place))


# --- the suite ------------------------------------------------------------------------------------------------------


@nox.session(name="suite-3.11", python=OLDEST)
def suite_oldest(session: nox.Session) -> None:
    """Run the tests on the wheel, with all packages and servers, and measure the coverage.

    Not that of the tests which play thousands of cases: measured, they take twice as long, and a line that only such a test
    reaches has none that says what it is for.
    """
    install(session, f"{wheel(session)}[test]", *group("ecosystem"), *group("green"), *group("servers"))
    with public_place("coverage") as place:  # children that have become other users tell what they have run, too
        session.env["COVERAGE_FILE"] = str(place / "figures")
        run_tests(session, "--cov", *apart(), *without(*THOUSANDS))
    run_tests(session, *map(path_of, THOUSANDS))


@nox.session(name="suite-lowest", python=OLDEST)
def suite_lowest(session: nox.Session) -> None:
    """Run the tests of what uses a dependency, beside the lowest version of each that the wheel allows."""
    session.install("packaging")
    lowest = scratch(session, "lowest.txt")
    text = str(session.run("python", str(ROOT / ".ci" / "lowest.py"), silent=True))
    lowest.write_text(text)
    # rclone and moto without their dependencies' newest versions: what users install decides.
    session.install("--constraint", str(lowest), f"{wheel(session)}[test]", *group("servers"))
    note(", ".join(re.sub(" ;.*", "", line) for line in text.splitlines()))
    folders = ["tests/cli", "tests/formats", "tests/locations/s3"]
    atomicwrites = [path_of(name) for name in ("test_other_systems.py", "test_windows.py")]
    # JSON needs no dependency, and the model of a service no more than boto3's exceptions.
    ours = ("test_json_batches.py", "test_json_without_json.py", "test_large_loads.py", "test_s3_interleavings.py")
    run_tests(session, *apart(), *without(*ours), *folders, *atomicwrites, require="all but the ecosystem")


@nox.session(python=OLDEST)
def bson(session: nox.Session) -> None:
    """Run the tests of BSON beside the package bson of PyPI, whose module has the name of pymongo's."""
    install(session, wheel(session), "pytest")
    session.install("bson==0.5.10")
    with_theirs = {"ATOMIC_STORE_BSON": "PyPI"}
    with session.chdir(unpacked_tests(session)):
        session.run("python", "-m", "pytest", path_of("test_bson.py"), env=with_theirs)


@nox.session(python=PYTHONS[-1])
def startup(session: nox.Session) -> None:
    """Hold what a program loads against the budget, on the newest Python."""
    install(session, f"{wheel(session)}[test]")
    run_tests(session, path_of("test_import_budget.py"))


# --- benchmarks and attacks -----------------------------------------------------------------------------------------


@nox.session(python=False)
def benchmarks(session: nox.Session) -> None:
    """Run everything that is measured once and small: whether it runs, not how fast it is."""
    place = scratch(session, "benchmarks")
    clone(session, place)
    with session.chdir(place):
        # Not Debian's: its pip builds atomicwrites for newer Pythons with a setuptools that is older than they are.
        session.run(f"python{OLDEST}", "-m", "benchmarks", "--quick", external=True, env={"PYTHONPATH": ""})


def attack(session: nox.Session, name: str, *options: str) -> None:
    """Run a program of attacks/ in the developer's clone, and keep its figures."""
    with session.chdir(CHECKOUT):
        session.run(str(TOOLS / "python"), "-m", f"attacks.{name}", *options, external=True)


def keep_results(names: Sequence[str]) -> None:
    """Copy the figures of long runs from the clone to this checkout, to be committed."""
    for name in names:
        shutil.copy(CHECKOUT / "attacks" / "results" / f"{name}.json", ROOT / "attacks" / "results" / f"{name}.json")


@nox.session(python=False)
def attacks(session: nox.Session) -> None:
    """Run each attack for a short time."""
    attack(session, "outside")
    attack(session, "races", "--seconds", "3")
    attack(session, "two_users", "--seconds", "5")
    attack(session, "fuzz", "--replay")
    attack(session, "fuzz", "--cases", "500", "--jobs", "1")
    attack(session, "soak", "--seconds", "30")


@nox.session(python=False)
def mutants(session: nox.Session) -> None:
    """Let the tests catch the mutants of the files that have changed since all mutants were run."""
    attack(session, "mutants", "--changed")


@nox.session(name="mutants-all", python=False)
def mutants_all(session: nox.Session) -> None:
    """Let the tests catch all mutants."""
    attack(session, "mutants")
    keep_results(["mutants"])


@nox.session(name="attacks-long", python=False)
def attacks_long(session: nox.Session) -> None:
    """Run the attacks on system calls, races, a public directory and edited documents at length."""
    attack(session, "outside", "--long")
    attack(session, "races", "--seconds", "60")
    attack(session, "two_users", "--seconds", "120")
    attack(session, "edits")
    keep_results(["outside", "races", "two_users"])


@nox.session(python=False)
def interleavings(session: nox.Session) -> None:
    """Play every order of two clients' requests; of two actors' system calls, with three changes of turn, and of three's."""
    tool(session, "pytest", path_of("test_s3_interleavings.py"), env={"ATOMIC_STORE_ALL_ORDERS": "1"})
    attack(session, "interleavings")
    keep_results(["interleavings"])


@nox.session(name="power-cuts", python=False)
def power_cuts(session: nox.Session) -> None:
    """Cut the power on each file system."""
    debian(session, "gcc", "kmod", "libc6-dev", "libfuse3-dev", "pkg-config")
    attack(session, "power_cuts", "--states", "5000", "--resume", "attacks/results/power_cuts.json")
    keep_results(["power_cuts"])


@nox.session(python=False)
def fuzz(session: nox.Session) -> None:
    """Load hostile files for half an hour."""
    attack(session, "fuzz", "--minutes", "30")
    keep_results(["fuzz"])


@nox.session(python=False)
def soak(session: nox.Session) -> None:
    """Work for an hour; nothing may grow."""
    attack(session, "soak", "--seconds", "3600")
    keep_results(["soak"])


# --- the campaign's tests -------------------------------------------------------------------------------------------


def debian(session: nox.Session, *names: str) -> None:
    """Install Debian packages that only one stage needs."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        cannot(session, "installing packages needs root and apt-get")
    wait = ("-o", "DPkg::Lock::Timeout=300")
    session.run("apt-get", "update", "-qq", *wait, external=True)
    session.run("apt-get", "install", "-qq", "--yes", "--no-install-recommends", *wait, *names, external=True)


def everything(session: nox.Session) -> None:
    """Install the wheel with all that its tests can use."""
    groups = (*group("ecosystem"), *group("green"), *group("servers"))
    install(session, f"{wheel(session)}[test]", *groups, "pytest-randomly", "pytest-xdist")


@nox.session(name="all", python=PYTHONS)
def all_tests(session: nox.Session) -> None:
    """Run the tests on the wheel, with all packages and servers."""
    everything(session)
    run_tests(session, "-p", "no:randomly", *apart())


@nox.session(name="random-order", python=OLDEST)
def random_order(session: nox.Session) -> None:
    """Run the tests in ten random orders, and once on two processes."""
    everything(session)
    for seed in range(10):
        run_tests(session, f"--randomly-seed={seed}", *apart())
    run_tests(session, "-p", "no:randomly", "--numprocesses=2", *apart())


@nox.session(python=OLDEST)
def cron(session: nox.Session) -> None:
    """Run jobs by Debian's cron."""
    debian(session, "cron")
    install(session, f"{wheel(session)}[test]")
    run_tests(session, path_of("test_cron.py"))


@nox.session(python=OLDEST)
def ceph(session: nox.Session) -> None:
    """Run the tests of S3 on Ceph's gateway."""
    debian(session, "radosgw", "ceph-mon", "ceph-osd", "ceph-common")
    install(session, f"{wheel(session)}[test]", *group("servers"))
    run_tests(session, path_of("test_s3_radosgw.py"))


@nox.session(python=False)
def comparison(session: nox.Session) -> None:
    """Try out again what the documentation says of other packages."""
    place = scratch(session)
    for name in ("peers", "original"):
        shutil.rmtree(place / name, ignore_errors=True)
    session.run(str(TOOLS / "python"), "-m", "venv", str(place / "peers"), external=True)
    pip = (str(place / "peers" / "bin" / "python"), "-m", "pip", "install", "--quiet")
    session.run(*pip, "--constraint", str(CONSTRAINTS), f"{CHECKOUT}[s3]", *group("comparison"), external=True)
    # It has our package's name.
    session.run(*pip, "--no-deps", "--target", str(place / "original"), "atomic-store==0.0.1", external=True)
    with session.chdir(CHECKOUT):
        session.run(
            str(place / "peers" / "bin" / "python"),
            "docs/checks/comparison.py",
            external=True,
            env={"ORIGINAL": str(place / "original")},
        )


@nox.session(python=False)
def surroundings(session: nox.Session) -> None:
    """Run README command 2 in further surroundings, one after the other."""
    command = readme_command(session, 2)
    path = [python_home(session, OLDEST), "/usr/sbin", "/usr/bin", "/sbin", "/bin"]
    for title, before in {
        "C locale": "export LC_ALL=C",
        "no HOME": "unset HOME",
        "umask 077": "umask 077",
        "a git worktree": "git worktree add --quiet ../tree && cd ../tree",
    }.items():
        with public_place("odd") as place:
            session.log(title)
            clone(session, place / "atomic_store")
            words = ("bash", "-euc", f"{before}; {command}")
            run_bare(session, place / "atomic_store", words, bare(path, place))


@nox.session(python=OLDEST)
def constraints(session: nox.Session) -> None:
    """Write .ci/constraints.txt anew: the newest versions that fit each other."""
    session.install("--upgrade", "pip")
    report = scratch(session, "report.json")
    groups = [option for name in ("dev", "comparison", "frozen") for option in ("--group", name)]
    session.run("python", "-m", "pip", "install", "--quiet", "--dry-run", "--report", str(report), *groups, ".[test]", "uv")
    packages = [each["metadata"] for each in json.loads(report.read_text())["install"]]
    lines = [
        f"{each['name']}=={each['version']}\n" for each in packages if each["name"] not in ("atomic-store", "atomicwrites")
    ]
    heading = CONSTRAINTS.read_text(encoding="utf-8").splitlines(keepends=True)[0]
    CONSTRAINTS.write_text(heading + "".join(sorted(lines, key=str.lower)), encoding="utf-8")
