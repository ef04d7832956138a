"""Measure the store beside its peers: python3 -m benchmarks [section ...] [--rounds N] [--quick] [--redraw] [--check].

Builds the peers' environments under build/benchmarks, runs the sections (all of them, if none is named), prints tables,
writes benchmarks/results/*.json, draws docs/images/performance-*.svg and fills in docs/performance.md and
benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from . import environments, goals, machine, page, record
from .bench import Bench, Worker


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python3 -m benchmarks", description=__doc__)
    parser.add_argument("sections", nargs="*", metavar="section", help=", ".join(record.SECTIONS))
    parser.add_argument("--quick", action="store_true", help="look whether everything runs; fail if not; keep nothing")
    parser.add_argument("--rounds", type=int, metavar="N", help="no more than N rounds of anything, for a first impression")
    parser.add_argument("--redraw", action="store_true", help="measure nothing: plots and page from what is there")
    parser.add_argument("--check", action="store_true", help="only say whether page and plots agree with the results")
    home = environments.ROOT / "build" / "benchmarks"
    parser.add_argument("--build", type=Path, default=home, help="for the environments (default: build/benchmarks)")
    parser.add_argument("--disk", type=Path, default=home, help="a directory on the disk (default: build/benchmarks)")
    parser.add_argument("--memory", type=Path, default=Path("/dev/shm"), help="a directory on tmpfs (default: /dev/shm)")
    found = parser.parse_args()
    unknown = [name for name in found.sections if name not in record.SECTIONS]
    if unknown:
        parser.error(f"there is no section {unknown[0]!r}: {', '.join(record.SECTIONS)}")
    return found


def main() -> int:
    """Do what was asked for; give the exit status."""
    options = arguments()
    if options.check:
        wrong = page.stale(environments.ROOT, page.IMAGES, record.RESULTS)
        for name in wrong:
            print(f"{name} is not made of the results that are there: run --redraw")
        return bool(wrong)
    options.build.mkdir(parents=True, exist_ok=True)
    options.disk.mkdir(parents=True, exist_ok=True)
    if options.redraw:
        made, _ = environments.build(options.build, ["plots"])
        publish(made["plots"], record.RESULTS, environments.ROOT, page.IMAGES)
        return 0
    made, failed = environments.build(options.build)
    bench = Bench(made, failed, options.disk, options.memory, options.quick, options.rounds)
    if not options.quick:
        measure(bench, options.sections or record.SECTIONS, record.RESULTS)
        publish(made["plots"], record.RESULTS, environments.ROOT, page.IMAGES)
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        for name in page.PAGES:
            Path(scratch, name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(environments.ROOT / name, Path(scratch, name))
        measure(bench, options.sections or record.SECTIONS, Path(scratch))
        if not options.sections:
            publish(made["plots"], Path(scratch), Path(scratch), Path(scratch))
    return report_failures(bench, made)


def measure(bench: Bench, sections: list[str], results: Path) -> None:
    """Run sections, print their tables, keep their figures; then show the goals beside what is there."""
    about = machine.describe(bench)
    print(f"{machine.sentence(about)}\n")
    for name in sections:
        bench.say(name)
        record.write(results, name, about, page.section(name).run(bench))
        data, _ = record.read(results)
        for table in page.section(name).tables(data[name]):
            print(f"{table.name}\n\n{table.markdown()}\n", flush=True)
    print(f"goals\n\n{goals.table(record.read(results)[0]).markdown()}")


def publish(plots: environments.Environment, results: Path, root: Path, images: Path) -> None:
    """Draw the plots, and fill in the pages below `root`."""
    with Worker(plots) as worker:
        worker.call("plots.draw", results=str(results), images=str(images))
    page.write(root, results)


def report_failures(bench: Bench, made: dict[str, environments.Environment]) -> int:
    """Name what a quick run could not run; give the exit status."""
    missing = {package: why for environment in made.values() for package, why in environment.missing.items()}
    wrong = [*(f"{package} could not be installed: {why}" for package, why in missing.items()), *bench.failures]
    wrong += [f"the environment {name} could not be made: {why}" for name, why in bench.failed.items()]
    print("\n".join(wrong) if wrong else "\neverything runs; the figures of a quick run say nothing")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
