"""Load and dump through the codec, against calling the package directly: what the store's view of a format costs.

The program without a store opens a file and calls the package; the codec gets a raw file, as from a location. The files are
in memory, for it is not the disk that is measured, and what counts is the time of the processor.
"""

from __future__ import annotations

import csv
import gc
import io
import json
import os
import pickle
import statistics
import time
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..tables import Table, failed_rows, figure
from ..values import value_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..bench import Bench


class Raw(io.FileIO):
    """A file as a location gives it to the codec: not buffered, and knowing its size."""

    @property
    def size(self) -> int:
        """How many bytes it holds."""
        return os.fstat(self.fileno()).st_size


def whole(dumps: Callable[[Any], str | bytes], loads: Callable[[Any], Any], text: bool = False) -> tuple[Any, Any]:
    """Make what a program does with functions that work on the whole content."""

    def dump(value: Any, path: Path) -> None:
        encoded = dumps(value)
        with path.open("wb") as file:
            file.write(encoded.encode() if isinstance(encoded, str) else encoded)

    def load(path: Path) -> Any:
        return loads(path.read_text("utf-8") if text else path.read_bytes())

    return dump, load


def in_pieces(dump: Callable[[Any, Any], Any], load: Callable[[Any], Any], text: bool = False) -> tuple[Any, Any]:
    """Make what a program does with functions that take a file."""
    how: dict[str, Any] = {"encoding": "utf-8", "newline": ""} if text else {}

    def dump_to(value: Any, path: Path) -> None:
        with path.open("w" if text else "wb", **how) as file:
            dump(value, file)

    def load_from(path: Path) -> Any:
        with path.open("r" if text else "rb", **how) as file:
            return load(file)

    return dump_to, load_from


def a_module(name: str, text: bool = False) -> tuple[Any, Any, Any]:
    """A package with dump() and load(), which is the format by itself."""
    module = import_module(name)
    return module, *in_pieces(module.dump, module.load, text)


def by_bson() -> tuple[Any, Any, Any]:
    """Pymongo's bson, with the options that keep a datetime's zone and a UUID."""
    bson = import_module("bson")
    standard = import_module("bson.binary").UuidRepresentation.STANDARD
    options = import_module("bson.codec_options").CodecOptions(tz_aware=True, uuid_representation=standard)
    return "bson", *whole(lambda value: bson.encode(value, codec_options=options), lambda data: bson.decode(data, options))


def by_yaml() -> tuple[Any, Any, Any]:
    """ruamel.yaml, as the format "yaml" uses it."""
    make = import_module("ruamel.yaml").YAML
    return "yaml", *in_pieces(lambda value, file: make().dump(value, file), lambda file: make().load(file), text=True)


def by_c_yaml() -> tuple[Any, Any, Any]:
    """PyYAML on libyaml, as a format of one's own."""
    yaml = import_module("yaml")

    def dump(value: Any, file: Any) -> None:
        yaml.dump(value, file, Dumper=yaml.CSafeDumper, sort_keys=False)

    def load(file: Any) -> Any:
        return yaml.load(file, Loader=yaml.CSafeLoader)

    return own_format(dump, load)


def by_csv() -> tuple[Any, Any, Any]:
    """The csv module, which writes row by row, as a format of one's own."""

    def dump(value: Any, file: Any) -> None:
        csv.writer(file).writerows(record.values() for record in value["stations"])

    def load(file: Any) -> Any:
        return list(csv.reader(file))

    return own_format(dump, load)


def own_format(dump: Callable[[Any, Any], Any], load: Callable[[Any], Any]) -> tuple[Any, Any, Any]:
    """Make an object with dump() and load() on text files."""
    return type("Own", (), {"dump": staticmethod(dump), "load": staticmethod(load)}), *in_pieces(dump, load, text=True)


def by_toml() -> tuple[Any, Any, Any]:
    """tomlkit, as the format "toml" uses it."""
    tomlkit = import_module("tomlkit")
    return "toml", *whole(tomlkit.dumps, tomlkit.parse, text=True)


def by_tomli() -> tuple[Any, Any, Any]:
    """tomli_w and tomllib, as a pair of functions."""
    dumps, loads = import_module("tomli_w").dumps, import_module("tomllib").loads
    return (dumps, loads), *whole(dumps, loads, text=True)


def by_whole(name: str, package: str, dumps: str = "dumps", loads: str = "loads") -> tuple[Any, Any, Any]:
    """A package with functions on the whole content; `name` "": the package is the format."""
    module = import_module(package)
    return name or module, *whole(getattr(module, dumps), getattr(module, loads))


FORMATS: dict[str, Callable[[], tuple[Any, Any, Any]]] = {
    '"json"': lambda: ("json", *whole(json.dumps, json.loads, text=True)),
    '"pickle"': lambda: (
        "pickle",
        *in_pieces(lambda value, file: pickle.dump(value, file, protocol=4), pickle.load),
    ),
    '"msgpack"': lambda: by_whole("msgpack", "msgpack", "packb", "unpackb"),
    '"cbor"': lambda: by_whole("cbor", "cbor2"),
    '"bson"': by_bson,
    '"yaml"': by_yaml,
    '"toml"': by_toml,
    "orjson": lambda: by_whole("", "orjson"),
    "ujson": lambda: a_module("ujson", text=True),
    "simplejson": lambda: a_module("simplejson", text=True),
    "cbor2": lambda: a_module("cbor2"),
    "csv": by_csv,
    "yaml, by C": by_c_yaml,
    "tomli_w and tomllib": by_tomli,
}
"""For each name: what a store gets as its format, and how a program dumps and loads without a store."""

VERY_SLOW = ('"yaml"', '"toml"')
SLOW = (*VERY_SLOW, "yaml, by C", "tomli_w and tomllib")
"""Readable formats: their large value is a tenth of the others', or a run would take an hour."""


def measure(function: Callable[[], Any], least: float) -> float:
    """Give the seconds of one call; short ones are called in a row until `least` seconds are over."""
    gc.collect()
    calls, begin = 0, time.process_time()
    while True:
        function()
        calls += 1
        spent = time.process_time() - begin
        if spent >= least:
            return spent / calls


def compare(name: str, size: int, rounds: int, directory: str, least: float) -> dict[str, Any]:
    """Measure both sides of one format with one value, in a worker."""
    format, dump, load = FORMATS[name]()
    codec = import_module("atomic_store.formats").resolve(format)
    value = value_of(size)
    path, scratch = Path(directory, "value"), Path(directory, "scratch")

    def dump_by_codec(path: Path) -> None:
        with Raw(path, "w") as file:
            codec.dump(value, file)

    def load_by_codec() -> None:
        with Raw(path) as file:
            codec.load(file)

    dump_by_codec(path)
    load_by_codec()
    sides: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
        "dump": (lambda: dump(value, scratch), lambda: dump_by_codec(scratch)),
        "load": (lambda: load(path), load_by_codec),
    }
    result: dict[str, Any] = {"bytes": path.stat().st_size}
    for name, (direct, ours) in sides.items():
        times: list[tuple[float, float]] = []
        for turn in range(rounds):
            first, second = (direct, ours) if turn % 2 else (ours, direct)
            pair = measure(first, least), measure(second, least)
            times.append(pair if turn % 2 else pair[::-1])
        result[name] = {
            "direct_ms": 1000 * statistics.median(time for time, _ in times),
            "codec_ms": 1000 * statistics.median(time for _, time in times),
            "ratio": statistics.median(ours / direct for direct, ours in times),
        }
    return result


def run(bench: Bench) -> dict[str, Any]:
    """Compare each format with its package, at two sizes."""
    found: dict[str, dict[str, Any]] = {}
    failed: dict[str, str] = {}
    for name in FORMATS:
        bench.say(f"  {name}")
        for size in bench.pick((1_000, 10_000_000), (1_000,)):
            slow = size > 1_000 and name in SLOW
            rounds = bench.rounds(3 if slow and name in VERY_SLOW else 21)

            def turn(name: str = name, size: int = size // 10 if slow else size, rounds: int = rounds) -> Any:
                with bench.directory("tmpfs") as directory, bench.worker("peers") as worker:
                    return worker.call(
                        "sections.formats.compare",
                        name=name,
                        size=size,
                        rounds=rounds,
                        directory=str(directory),
                        least=bench.pick(0.01, 0.0),
                    )

            compared = None if name in failed else bench.attempt(failed, name, turn)
            if compared is not None:
                found.setdefault(name, {})[str(size)] = compared
    return {"found": found, "failed": failed}


def tables(data: dict[str, Any]) -> list[Table]:
    """Show both sides."""
    head = ["format", "bytes", "dump ms", "codec ms", "x", "load ms", "codec ms", "x", "remarks"]
    rows = []
    for name, sizes in data["found"].items():
        for found in sizes.values():
            row = [name, f"{found['bytes']:,}"]
            for side in ("dump", "load"):
                it = found[side]
                row += [figure(it["direct_ms"], 3), figure(it["codec_ms"], 3), figure(it["ratio"])]
            rows.append([*row, ""])
    note = (
        "The package called directly, and a store's codec; x: median of the ratios of the same round, of processor time. "
        f"{', '.join(SLOW)}: a tenth of the others' large value."
    )
    return [Table("formats", head, rows + failed_rows(head, data["failed"]), note)]
