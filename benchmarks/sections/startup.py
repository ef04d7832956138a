"""What a script that cron runs pays for: the whole process, what it imports, and what type= adds."""

from __future__ import annotations

import os
import re
import resource
import statistics
import subprocess
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

from ..bench import ratio, rotations
from ..environments import PYTHONS, Environment, Unavailable
from ..stores import DURABLE, IN_PART, NOT_DURABLE, TORN
from ..tables import NONE, Table, failed_rows, figure

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from ..bench import Bench

NOTHING = "python -c pass"
FLOOR = "json + os.replace"
FLOOR_ATOMICWRITES = "the same, importing atomicwrites"
OURS = "atomic_store"
ORIGINAL = "atomic-store 0.0.1"


class Script(NamedTuple):
    """A program that loads a list, appends, and saves.

    Attributes:
        program: its text; it finds nothing at its first run.
        environment: where it runs.
        keeps: what becomes of the value after a crash; "": it is durable.
    """

    program: str
    environment: str = "peers"
    keeps: str = DURABLE


_READ = """
try:
    with open("runs.json", encoding="utf-8") as file:
        runs = json.load(file)
except FileNotFoundError:
    runs = []
runs.append("2025-01-01 00:00:00")
"""
_FLOOR = f"""
import json
import os
{_READ}
with open("runs.json.tmp", "w", encoding="utf-8") as file:
    file.write(json.dumps(runs))
    file.flush()
    os.fsync(file.fileno())
os.replace("runs.json.tmp", "runs.json")
directory = os.open(".", os.O_RDONLY)
os.fsync(directory)
os.close(directory)
"""
_STORE = """
import atomic_store
with atomic_store.open("runs.json", default=[]) as store:
    store.value.append("2025-01-01 00:00:00")
"""

SCRIPTS: dict[str, Script] = {
    NOTHING: Script("pass"),
    FLOOR: Script(_FLOOR),
    FLOOR_ATOMICWRITES: Script(f"import atomicwrites\n{_FLOOR}"),
    OURS: Script(_STORE),
    ORIGINAL: Script(_STORE, "original"),
    "atomicwrites": Script(
        f"import json\nfrom atomicwrites import atomic_write\n{_READ}\n"
        "with atomic_write('runs.json', overwrite=True) as file:\n    file.write(json.dumps(runs))\n"
    ),
    "mkstemp, by hand": Script(
        f"import json\nimport os\nimport tempfile\n{_READ}\n"
        "descriptor, temp = tempfile.mkstemp(dir='.')\n"
        "with os.fdopen(descriptor, 'w', encoding='utf-8') as file:\n"
        "    file.write(json.dumps(runs))\n    file.flush()\n    os.fsync(file.fileno())\n"
        "os.replace(temp, 'runs.json')\n"
        "directory = os.open('.', os.O_RDONLY)\nos.fsync(directory)\nos.close(directory)\n"
    ),
    "sqlite3 DELETE EXTRA": Script(
        "import json\nimport sqlite3\n"
        "connection = sqlite3.connect('runs.db')\nconnection.execute('PRAGMA synchronous=EXTRA')\n"
        "connection.execute('CREATE TABLE IF NOT EXISTS kept (key TEXT PRIMARY KEY, value TEXT)')\n"
        "row = connection.execute('SELECT value FROM kept').fetchone()\nruns = json.loads(row[0]) if row else []\n"
        "runs.append('2025-01-01 00:00:00')\n"
        "with connection:\n    connection.execute('INSERT OR REPLACE INTO kept VALUES (0, ?)', (json.dumps(runs),))\n"
    ),
    "sqlite3 WAL FULL": Script(
        "import json\nimport sqlite3\n"
        "connection = sqlite3.connect('runs.db')\n"
        "connection.execute('PRAGMA journal_mode=WAL')\nconnection.execute('PRAGMA synchronous=FULL')\n"
        "connection.execute('CREATE TABLE IF NOT EXISTS kept (key TEXT PRIMARY KEY, value TEXT)')\n"
        "row = connection.execute('SELECT value FROM kept').fetchone()\nruns = json.loads(row[0]) if row else []\n"
        "runs.append('2025-01-01 00:00:00')\n"
        "with connection:\n    connection.execute('INSERT OR REPLACE INTO kept VALUES (0, ?)', (json.dumps(runs),))\n"
        "connection.close()\n"
    ),
    "diskcache FULL": Script(
        "import diskcache\n"
        "with diskcache.Cache('runs', sqlite_synchronous=2) as kept:\n"
        "    kept['runs'] = [*kept.get('runs', []), '2025-01-01 00:00:00']\n",
        keeps=IN_PART,
    ),
    "TinyDB": Script(
        "import tinydb\nwith tinydb.TinyDB('runs.json') as kept:\n    kept.insert({'at': '2025-01-01 00:00:00'})\n",
        keeps=TORN,
    ),
    "safer": Script(
        f"import json\nimport safer\n{_READ}\n"
        "with safer.open('runs.json', 'w', temp_file=True) as file:\n    file.write(json.dumps(runs))\n",
        keeps=NOT_DURABLE,
    ),
    "shelve": Script(
        "import shelve\nwith shelve.open('runs') as kept:\n"
        "    kept['runs'] = [*kept.get('runs', []), '2025-01-01 00:00:00']\n",
        keeps=NOT_DURABLE,
    ),
    "sqlitedict": Script(
        "from sqlitedict import SqliteDict\n"
        "with SqliteDict('runs.db') as kept:\n"
        "    kept['runs'] = [*kept.get('runs', []), '2025-01-01 00:00:00']\n    kept.commit()\n",
        keeps=NOT_DURABLE,
    ),
    "pickleDB": Script(
        "from pickledb import PickleDB\n"
        "kept = PickleDB('runs.json').load()\n"
        "kept.set('runs', [*(kept.get('runs') or []), '2025-01-01 00:00:00'])\nkept.save()\n",
        keeps=NOT_DURABLE,
    ),
}

LOCKED, NESTED, WITH_JSON = f"{OURS} lock=True", f"{OURS}, nested default", f"{OURS}, the script imports json"
WITH_MORE, FLOOR_MORE = f"{OURS}, the script imports argparse and logging", f"{FLOOR}, importing argparse and logging"
AROUND: dict[str, Script] = {
    NOTHING: SCRIPTS[NOTHING],
    FLOOR: SCRIPTS[FLOOR],
    OURS: SCRIPTS[OURS],
    LOCKED: Script(_STORE.replace("default=[]", "default=[], lock=True")),
    NESTED: Script(_STORE.replace("default=[]", "default={'runs': []}").replace("store.value", "store.value['runs']")),
    WITH_JSON: Script(f"import json\n{_STORE}"),
    FLOOR_MORE: Script(f"import argparse\nimport logging\n{_FLOOR}"),
    WITH_MORE: Script(f"import argparse\nimport logging\n{_STORE}"),
}
"""What a script does beside the store, on each Python."""

IMPORTS: dict[str, Script] = {
    "json": Script("import json"),
    OURS: Script("import atomic_store"),
    "atomic_store, open()": Script("import atomic_store; atomic_store.open('no such file', [])"),
    "atomic_store, open() and commit()": Script("import atomic_store; atomic_store.open('a file', []).commit()"),
    ORIGINAL: Script("import atomic_store", "original"),
    "atomicwrites": Script("import atomicwrites"),
    "tempfile": Script("import tempfile"),
    "sqlite3": Script("import sqlite3"),
    "safer": Script("import safer"),
    "TinyDB": Script("import tinydb"),
    "diskcache": Script("import diskcache"),
    "sqlitedict": Script("import sqlitedict"),
    "pickleDB": Script("import pickledb"),
    "shelve": Script("import shelve"),
    "filelock": Script("import filelock"),
    "portalocker": Script("import portalocker"),
}

_CLASS = "import dataclasses; State = dataclasses.make_dataclass('State', [('n', int, 0)]);"
_MODEL = "import pydantic; Model = pydantic.create_model('Model', n=(int, 0));"
_OPEN = "import atomic_store; atomic_store.open('no such file',"
TYPED: dict[str, Script] = {
    "open()": Script(f"{_OPEN} {{}})"),
    "a dataclass, not used": Script(f"{_CLASS} {_OPEN} {{}})"),
    "type= of a dataclass": Script(f"{_CLASS} {_OPEN} State(), type=State)"),
    "a pydantic model, not used": Script(f"{_MODEL} {_OPEN} {{}})"),
    "type= of a pydantic model": Script(f"{_MODEL} {_OPEN} Model(), type=Model)"),
}


def run(bench: Bench) -> dict[str, Any]:
    """Run all programs in turns."""
    rounds = bench.rounds(31)
    result: dict[str, Any] = {}
    for place in bench.pick(["disk", "tmpfs"], ["tmpfs"]):
        bench.say(f"  whole scripts on {place}")
        result[f"cron, {place}"] = in_turns(bench, SCRIPTS, place, rounds, whole_process)
    for version, environment in PYTHONS.items():
        bench.say(f"  whole scripts on Python {version}")
        scripts = {name: script._replace(environment=environment) for name, script in AROUND.items()}
        result[f"around, {version}"] = in_turns(bench, scripts, "tmpfs", rounds, whole_process)
    bench.say("  imports")
    result["imports"] = in_turns(bench, IMPORTS, "tmpfs", rounds, imports)
    result["typed"] = in_turns(bench, TYPED, "tmpfs", bench.rounds(15), whole_process)
    result["typed imports"] = in_turns(bench, TYPED, "tmpfs", bench.rounds(15), imports)
    return result


def in_turns(
    bench: Bench, scripts: Mapping[str, Script], place: str, rounds: int, measure: Callable[[list[str], Path], Any]
) -> dict[str, Any]:
    """Let programs take turns, each in a directory of its own; leave out one more round, which compiles and begins."""
    found: dict[str, list[Any]] = {}
    failed: dict[str, str] = {}
    with bench.directory(place) as directory:
        for number, order in enumerate(rotations(list(scripts), rounds + 1)):
            for name in order:

                def turn(name: str = name) -> Any:
                    environment: Environment = bench.environment(scripts[name].environment)
                    own = directory / re.sub(r"\W", "-", name)
                    own.mkdir(exist_ok=True)
                    program = own / "program.py"
                    program.write_text(scripts[name].program)
                    return measure([str(environment.python), str(program)], own)

                took = None if name in failed else bench.attempt(failed, name, turn)
                if took is not None and number:
                    found.setdefault(name, []).append(took)
    return {"rounds": {name: took for name, took in found.items() if name not in failed}, "failed": failed}


def variables() -> dict[str, str]:
    """Give the environment variables without those that change how Python starts, such as PYTHONDONTWRITEBYTECODE."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


def whole_process(command: list[str], directory: Path) -> dict[str, float]:
    """Run it; give the seconds on the wall, and those of the processor, which other work on the machine hardly touches."""
    environment = variables()
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), perf_counter()
    done = subprocess.run(
        command, cwd=directory, env=environment, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False
    )
    spent, after = perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise Unavailable((done.stderr.strip().splitlines() or ["it failed"])[-1])
    return {"wall": spent, "processor": after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime}


def imports(command: list[str], directory: Path) -> dict[str, float]:
    """Run it with -X importtime; give the ms and the number of modules that it imports, over those of an empty program.

    "own_ms" is the part of the package atomic_store itself; "others" counts what came with it.
    """
    (directory / "nothing.py").write_text("pass")
    loaded = _imported(command, directory)
    bare = _imported([command[0], "nothing.py"], directory)
    more = {name: own for name, own in loaded.items() if name not in bare}
    own = [took for name, took in more.items() if name == "atomic_store" or name.startswith("atomic_store.")]
    return {
        "ms": sum(more.values()) / 1000,
        "own_ms": sum(own) / 1000,
        "modules": len(more),
        "others": len(more) - len(own),
    }


def _imported(command: list[str], directory: Path) -> dict[str, int]:
    done = subprocess.run(
        [command[0], "-X", "importtime", *command[1:]],
        cwd=directory,
        env=variables(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Unavailable((done.stderr.strip().splitlines() or ["it failed"])[-1])
    found = re.findall(r"^import time:\s+(\d+) \|\s+\d+ \|\s+(\S+)$", done.stderr, re.MULTILINE)
    return {name: int(own) for own, name in found}


def jobs(data: dict[str, Any]) -> dict[str, Any]:
    """Return the race of whole scripts on the disk; a quick run has it on tmpfs only."""
    found: dict[str, Any] = data.get("cron, disk") or data["cron, tmpfs"]
    return found


def over_nothing(race: dict[str, Any], name: str, base: str = FLOOR, what: str = "wall") -> float | None:
    """Give the ratio of the times over an empty program in the same round: of a script, to those of the floor."""
    rounds = race["rounds"]
    if not {name, base, NOTHING} <= rounds.keys():
        return None

    def over(script: str) -> float:
        pairs = zip(rounds[script], rounds[NOTHING], strict=True)
        found: float = statistics.median(mine[what] - nothing[what] for mine, nothing in pairs)
        return found

    return over(name) / over(base) if over(base) > 0 else None


def processor_over_nothing(race: dict[str, Any], name: str) -> float | None:
    """Give the same for the time of the processor."""
    return over_nothing(race, name, what="processor")


def whole(race: dict[str, Any], name: str, base: str = FLOOR, what: str = "wall") -> float | None:
    """Give the ratio of the times of whole processes."""
    rounds = race["rounds"]
    if not {name, base} <= rounds.keys():
        return None
    return ratio([turn[what] for turn in rounds[name]], [turn[what] for turn in rounds[base]])


def _around(data: dict[str, Any]) -> Table:
    """Show what a script does beside the store, on each Python."""
    races = {version: data[f"around, {version}"] for version in PYTHONS}
    head = ["script"]
    for version in PYTHONS:
        head += [f"{version}: processor, x", "wall, x", "over pass, x"]
    rows = []
    for name in AROUND:
        base = FLOOR_MORE if name == WITH_MORE else FLOOR
        row = [name]
        for race in races.values():
            row += [figure(whole(race, name, base, "processor")), figure(whole(race, name, base))]
            row.append(figure(None if name == NOTHING else over_nothing(race, name, base)))
        rows.append([*row, "x: to the one that imports them too" if base == FLOOR_MORE else ""])
    note = (
        f"On tmpfs. x: of whole processes to `{FLOOR}` in the same round; over pass: the time of an empty program taken off."
    )
    return Table(
        "around",
        [*head, "remarks"],
        rows + failed_rows([*head, "remarks"], *(race["failed"] for race in races.values())),
        note,
    )


def tables(data: dict[str, Any]) -> list[Table]:
    """Show the whole scripts, the imports, and type=."""
    races = {label.removeprefix("cron, "): race for label, race in data.items() if label.startswith("cron, ")}
    head = ["script"]
    for place in races:
        head += [f"{place}, ms", "x", "over pass, x", "processor, x"]
    head.append("keeps")
    rows = []
    for name, script in SCRIPTS.items():
        row = [name]
        for race in races.values():
            took = race["rounds"].get(name)
            row += [figure(_wall_ms(took), 1) if took else NONE, figure(whole(race, name))]
            row += [figure(None if name == NOTHING else over(race, name)) for over in (over_nothing, processor_over_nothing)]
        if any(name in race["rounds"] for race in races.values()):
            rows.append([*row, script.keeps and f"**{script.keeps}**"])
    failed = failed_rows(head, *(race["failed"] for race in races.values()))
    import_head = ["import", "ms", "of it our own", "modules", "of them our own", "remarks"]
    import_rows = [
        [
            name,
            figure(statistics.median(turn["ms"] for turn in turns), 1),
            figure(statistics.median(turn["own_ms"] for turn in turns) if _is_ours(name) else None, 1),
            str(turns[0]["modules"]),
            str(turns[0]["modules"] - turns[0]["others"]) if _is_ours(name) else NONE,
            "",
        ]
        for name in IMPORTS
        if (turns := data["imports"]["rounds"].get(name))
    ]
    typed_head = ["program", "wall ms", "imports ms", "modules", "remarks"]
    typed_rows = [
        [
            name,
            figure(_wall_ms(took), 1),
            figure(statistics.median(turn["ms"] for turn in data["typed imports"]["rounds"][name]), 1),
            str(data["typed imports"]["rounds"][name][0]["modules"]),
            "",
        ]
        for name in TYPED
        if (took := data["typed"]["rounds"].get(name)) and name in data["typed imports"]["rounds"]
    ]
    return [
        Table(
            "cron",
            head,
            rows + failed,
            f"A process that loads a list, appends one entry, and saves it durably. x: wall time to that of `{FLOOR}`; over "
            "pass: the same, the time of an empty program taken off both; processor: of the processor's time, over pass.",
        ),
        _around(data),
        Table(
            "imports",
            import_head,
            import_rows + failed_rows(import_head, data["imports"]["failed"]),
            "By -X importtime, over an empty program; whole programs where calls are named.",
        ),
        Table(
            "typed",
            typed_head,
            typed_rows + failed_rows(typed_head, data["typed"]["failed"], data["typed imports"]["failed"]),
        ),
    ]


def _is_ours(name: str) -> bool:
    return "atomic_store" in IMPORTS[name].program and name != ORIGINAL


def _wall_ms(turns: list[dict[str, float]]) -> float:
    return 1000 * statistics.median(turn["wall"] for turn in turns)
