"""Load and dump through the codec, against calling the package directly: what the store's view of a format costs.

    python benchmarks/codec.py [--rounds 21] [--sizes 1000 10000000] [--out FILE.json]

The program without a store opens a file and calls the package; the codec gets a raw file, as from a
location. The files are in memory (/dev/shm), for it is not the disk that is measured, and what counts
is the time of the processor, for others may be at work on the machine. Both sides take turns, round by
round; a ratio is the median over rounds of the ratio of the same round. The packages are those of
the test extra: pip install ".[test]".
"""

from __future__ import annotations

import argparse
import csv
import gc
import importlib
import io
import json
import os
import pickle
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from atomic_store import formats

if TYPE_CHECKING:
    from collections.abc import Callable


class Raw(io.FileIO):
    """A file as a location gives it to the codec: not buffered, and knowing its size."""

    @property
    def size(self) -> int:
        """How many bytes it holds."""
        return os.fstat(self.fileno()).st_size


class Contestant(NamedTuple):
    """A package: how a store gets it, and how a program calls it without one."""

    format: Any
    dump: Callable[[Any, Path], Any]
    load: Callable[[Path], Any]
    kwargs: dict[str, Any]


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


def contestants() -> dict[str, Contestant]:
    """Each package, as it is used."""
    modules = {
        name: importlib.import_module(name) for name in ("msgpack", "cbor2", "bson", "tomlkit", "orjson", "ujson", "yaml")
    }
    modules["simplejson"] = importlib.import_module("simplejson")
    modules["tomllib"] = importlib.import_module("tomllib")
    modules["tomli_w"] = importlib.import_module("tomli_w")
    ruamel = importlib.import_module("ruamel.yaml")
    utc = modules["bson"].codec_options.CodecOptions(
        tz_aware=True, uuid_representation=modules["bson"].binary.UuidRepresentation.STANDARD
    )

    c_dumper, c_loader = modules["yaml"].CSafeDumper, modules["yaml"].CSafeLoader

    def pickle_dump(value: Any, file: Any) -> None:
        pickle.dump(value, file, protocol=4)

    def bson_encode(value: Any) -> Any:
        return modules["bson"].encode(value, codec_options=utc)

    def bson_decode(content: bytes) -> Any:
        return modules["bson"].decode(content, utc)

    def yaml_dump(value: Any, file: Any) -> None:
        modules["yaml"].dump(value, file, Dumper=c_dumper, sort_keys=False)

    def yaml_load(file: Any) -> Any:
        return modules["yaml"].load(file, Loader=c_loader)

    def csv_dump(value: Any, file: Any) -> None:
        csv.writer(file).writerows([name, *record.values()] for name, record in value.items())

    def csv_load(file: Any) -> Any:
        return list(csv.reader(file))

    table = type("table", (), {"dump": staticmethod(csv_dump), "load": staticmethod(csv_load)})
    fast_yaml = {"dump": {"Dumper": c_dumper}, "load": {"Loader": c_loader}}
    ruamel_dump, ruamel_load = (lambda value, file: ruamel.YAML().dump(value, file)), (lambda file: ruamel.YAML().load(file))
    return {
        '"json"': Contestant("json", *whole(json.dumps, json.loads, text=True), {}),
        '"pickle"': Contestant("pickle", *in_pieces(pickle_dump, pickle.load), {}),
        '"msgpack"': Contestant("msgpack", *whole(modules["msgpack"].packb, modules["msgpack"].unpackb), {}),
        '"cbor"': Contestant("cbor", *whole(modules["cbor2"].dumps, modules["cbor2"].loads), {}),
        '"bson"': Contestant("bson", *whole(bson_encode, bson_decode), {}),
        '"yaml"': Contestant("yaml", *in_pieces(ruamel_dump, ruamel_load, text=True), {}),
        '"toml"': Contestant("toml", *whole(modules["tomlkit"].dumps, modules["tomlkit"].parse, text=True), {}),
        "orjson": Contestant(modules["orjson"], *whole(modules["orjson"].dumps, modules["orjson"].loads), {}),
        "ujson": Contestant(modules["ujson"], *in_pieces(modules["ujson"].dump, modules["ujson"].load, text=True), {}),
        "simplejson": Contestant(
            modules["simplejson"], *in_pieces(modules["simplejson"].dump, modules["simplejson"].load, text=True), {}
        ),
        "cbor2": Contestant(modules["cbor2"], *in_pieces(modules["cbor2"].dump, modules["cbor2"].load), {}),
        "csv": Contestant(table, *in_pieces(csv_dump, csv_load, text=True), {}),
        "yaml, by C": Contestant(modules["yaml"], *in_pieces(yaml_dump, yaml_load, text=True), fast_yaml),
        "tomli_w and tomllib": Contestant(
            (modules["tomli_w"].dumps, modules["tomllib"].loads),
            *whole(modules["tomli_w"].dumps, modules["tomllib"].loads, text=True),
            {},
        ),
    }


SLOW = ('"yaml"', '"toml"', "yaml, by C", "tomli_w and tomllib")
"""Readable formats: their large value is a tenth of the others', or a run would take an hour."""


def value_of(size: int) -> dict[str, Any]:
    """Make a value that is about so many bytes of JSON."""
    record = {"name": "Zürich", "runs": [1, 22, 333], "half": 0.5, "open": True, "note": "nothing to be seen here, go on"}
    length = len(json.dumps({"station-000000": record})) - 2
    return {f"station-{n:06}": {**record, "number": n} for n in range(max(1, size // (length + 13)))}


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


def compare(contestant: Contestant, value: Any, rounds: int, directory: Path) -> dict[str, Any]:
    """Measure both sides of one contestant with one value."""
    kwargs = contestant.kwargs
    codec = formats.resolve(contestant.format, None, kwargs.get("load"), kwargs.get("dump"))
    path, scratch = directory / "value", directory / "scratch"

    def dump_by_codec(path: Path) -> None:
        with Raw(path, "w") as file:
            codec.dump(value, file)

    def load_by_codec() -> None:
        with Raw(path) as file:
            codec.load(file)

    dump_by_codec(path)
    load_by_codec()
    sides: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
        "dump": (lambda: contestant.dump(value, scratch), lambda: dump_by_codec(scratch)),
        "load": (lambda: contestant.load(path), load_by_codec),
    }
    result: dict[str, Any] = {"bytes": path.stat().st_size}
    for name, (direct, ours) in sides.items():
        times: list[tuple[float, float]] = []
        for turn in range(rounds):
            first, second = (direct, ours) if turn % 2 else (ours, direct)
            pair = measure(first, 0.01), measure(second, 0.01)
            times.append(pair if turn % 2 else pair[::-1])
        result[name] = {
            "direct_ms": 1000 * statistics.median(time for time, _ in times),
            "codec_ms": 1000 * statistics.median(time for _, time in times),
            "ratio": statistics.median(ours / direct for direct, ours in times),
        }
    return result


def main() -> None:
    """Measure, print a table, and write the numbers if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000_000])
    parser.add_argument("--only", nargs="+", help="names of the table")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    machine = {
        "system": f"{platform.system()} {platform.release().split('-')[0]}, virtual machine of {os.cpu_count()} cores",
        "python": platform.python_version(),
        "rounds": arguments.rounds,
    }
    results: list[dict[str, Any]] = []
    print(f"{machine['system']}, Python {machine['python']}; median of {arguments.rounds} rounds")
    print(f"{'format':<20} {'bytes':>9}  {'dump ms':>9} {'codec':>9} {'ratio':>6}  {'load ms':>9} {'codec':>9} {'ratio':>6}")
    for name, contestant in contestants().items():
        if arguments.only and name not in arguments.only:
            continue
        for size in arguments.sizes:
            large = size >= 1_000_000
            value = value_of(size // 10 if large and name in SLOW else size)
            slow = large and name in ('"yaml"', '"toml"')
            with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as directory:
                found = compare(contestant, value, min(3, arguments.rounds) if slow else arguments.rounds, Path(directory))
            results.append({"format": name, **found})
            print(f"{name:<20} {found['bytes']:>9}", end="")
            for side in ("dump", "load"):
                print("  {direct_ms:>9.3f} {codec_ms:>9.3f} {ratio:>6.2f}".format(**found[side]), end="")
            print()
            sys.stdout.flush()
    if arguments.out:
        arguments.out.write_text(json.dumps({"machine": machine, "results": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
