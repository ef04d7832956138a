"""The plots of docs/performance.md, by matplotlib, in a worker of the environment that has it.

Each is as narrow as a phone, transparent, and takes its colours from the palette of the other drawings. At its end stands
a digest of the results that it was drawn from, and one of itself, so that a stale one is noticed.
"""

from __future__ import annotations

import io
import re
import runpy
import statistics
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from xml.sax.saxutils import escape

from . import record
from .bench import ratio
from .environments import ROOT
from .sections import scaling, startup
from .stores import BASE, CONTESTANTS, DURABLE, ORIGINAL, OURS, TORN

if TYPE_CHECKING:
    from collections.abc import Callable

PREFIX = "performance-"
_DRAWINGS: dict[str, Any] = runpy.run_path(str(ROOT / "docs" / "diagrams" / "palette.py"))
PALETTE: dict[str, tuple[str, str]] = _DRAWINGS["PALETTE"]
# matplotlib draws in the light colours; finish() puts the names of the palette in their place.
INK, FAINT, LINE, GRID, BLUE, AMBER, GREEN, RED, PALE = (
    PALETTE[name][0] for name in ("ink", "faint", "line", "grid", "blue", "amber", "green", "red", "pale-red")
)
WIDTH = 3.6  # inches, at 72 points each: what a phone shows beside its margins
SIZE = 9.2  # points, which are 12 px and a little


class Plot(NamedTuple):
    """One plot.

    Attributes:
        section: whose results it shows.
        title: what it shows, for those who do not see it.
        description: the same in a sentence or two.
        height: in inches.
        draw: draws it on a new figure.
    """

    section: str
    title: str
    description: str
    height: float
    draw: Callable[[Any, Any], Any]


def bars(axes: Any, values: dict[str, float], keeps: dict[str, str]) -> None:
    """Draw bars from zero, the shortest at the top, each below its name and figure; hollow ones are not durable."""
    names = sorted(values, key=lambda name: values[name], reverse=True)
    for place, name in enumerate(names):
        hollow = keeps[name] != DURABLE
        colour = BLUE if name.startswith(OURS) else AMBER if name.startswith(ORIGINAL) else LINE
        face, edge = (PALE, RED) if hollow else (colour, colour)
        axes.barh(place, values[name], height=0.42, facecolor=face, edgecolor=edge)
        above: dict[str, Any] = {"xytext": (0, 9), "textcoords": "offset points", "va": "bottom", "fontsize": SIZE}
        label = f"{name}, {'torn by a crash' if keeps[name] == TORN else 'not durable'}" if hollow else name
        axes.annotate(label, (0, place), color=RED if hollow else INK, ha="left", **above)
        axes.annotate(f"{values[name]:.2f}" if values[name] < 10 else f"{values[name]:.0f}", (1, place),
                      xycoords=("axes fraction", "data"), color=INK, ha="right", **above)  # fmt: skip
    axes.set_yticks([])
    axes.set_ylim(-0.35, len(names) - 0.2)
    axes.set_xlim(0, max(values.values()))
    axes.set_xticks([])
    axes.spines[:].set_visible(False)


def draw_commit(figure: Any, data: Any) -> None:
    """Draw the milliseconds of one commit of 1 KB on the disk."""
    rounds = data["races"]["disk, 1 KB"]["rounds"]
    names = (OURS, ORIGINAL, "mkstemp, by hand", "atomicwrites", "sqlite3 WAL FULL", "sqlite3 DELETE EXTRA",
             'atomic_store fsync="file"', 'open("w")')  # fmt: skip
    values = {name: 1000 * statistics.median(rounds[name]) for name in names if name in rounds}
    axes = figure.subplots()
    bars(axes, values, {name: CONTESTANTS[name].keeps for name in values})
    axes.set_title("ms for one commit of 1 KB on disk", color=INK, fontsize=SIZE + 0.8, loc="left")


def draw_startup(figure: Any, data: Any) -> None:
    """Draw the milliseconds of a whole cron job."""
    rounds = startup.jobs(data)["rounds"]
    names = (startup.NOTHING, startup.FLOOR, startup.OURS, startup.ORIGINAL, "mkstemp, by hand", "atomicwrites",
             "sqlite3 WAL FULL", "TinyDB")  # fmt: skip
    values = {name: 1000 * statistics.median(turn["wall"] for turn in rounds[name]) for name in names if name in rounds}
    axes = figure.subplots()
    bars(axes, values, {name: startup.SCRIPTS[name].keeps for name in values})
    axes.set_title("ms for a whole cron job on disk", color=INK, fontsize=SIZE + 0.8, loc="left")


def draw_scaling(figure: Any, data: Any) -> None:
    """Draw lines: the time of a commit over that of json.dumps and the fewest system calls, for each size."""
    axes = figure.subplots()
    lines = {
        ORIGINAL: ("0.0.1", AMBER),
        "sqlite3 WAL FULL": ("sqlite3", GREEN),
        OURS: ("atomic_store", BLUE),
        "atomic_store orjson": ("with orjson", FAINT),
    }
    sizes = [size for size in scaling.BYTES if size in data and BASE in data[size]["rounds"]]
    for name, (label, colour) in lines.items():
        points = [
            (place, ratio(data[size]["rounds"][name], data[size]["rounds"][BASE]))
            for place, size in enumerate(sizes)
            if name in data[size]["rounds"]
        ]
        if not points:
            continue
        axes.plot(*zip(*points, strict=True), marker="o", markersize=3.5, linewidth=1.8, color=colour)
        beside: dict[str, Any] = {"xytext": (0, 5), "textcoords": "offset points", "va": "bottom", "ha": "center"}
        at = {ORIGINAL: -3, "sqlite3 WAL FULL": -2, OURS: 1, "atomic_store orjson": -2}[name]
        place = points[max(-len(points), min(at, len(points) - 1))]
        axes.annotate(label, place, color=colour, fontsize=SIZE, **beside)
    axes.axhline(1, color=INK, linewidth=0.8, linestyle=":")
    axes.set_ylim(0, axes.get_ylim()[1] * 1.08)
    axes.margins(x=0.06)
    axes.set_xticks(range(len(sizes)), [size.replace(" ", "\n") for size in sizes])
    axes.grid(axis="y", linewidth=0.6)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.set_title("time of a commit, x json.dumps and the fewest\nsystem calls, by the size of the value", color=INK,
                   fontsize=SIZE + 0.8, loc="left")  # fmt: skip


PLOTS: dict[str, Plot] = {
    "commit": Plot(
        "commit", "One commit of 1 KB", "Milliseconds on the disk. Hollow bars are not durable.", 4.1, draw_commit
    ),
    "startup": Plot(
        "startup", "A whole cron job", "Milliseconds from start to end. Hollow bars are not durable.", 4.1, draw_startup
    ),
    "scaling": Plot(
        "scaling",
        "Commits of 1 KB to 1 GB",
        "The time of a commit over that of json.dumps and the fewest system calls that are durable.",
        3.4,
        draw_scaling,
    ),
}


def draw(results: str, images: str) -> None:
    """Draw all plots whose results are there."""
    matplotlib = import_module("matplotlib")
    matplotlib.use("svg")
    matplotlib.rcParams.update(
        {
            "svg.fonttype": "none",
            "font.size": SIZE,
            "axes.edgecolor": GRID,
            "grid.color": GRID,
            "text.color": INK,
            "xtick.color": FAINT,
            "ytick.color": FAINT,
            "xtick.labelcolor": INK,
            "ytick.labelcolor": INK,
        }
    )
    figures = import_module("matplotlib.figure")
    data, _ = record.read(Path(results))
    for name, plot in PLOTS.items():
        if plot.section not in data:
            continue
        matplotlib.rcParams["svg.hashsalt"] = name  # ids that differ from those of another plot on the same page
        figure = figures.Figure(figsize=(WIDTH, plot.height), layout="constrained")
        plot.draw(figure, data[plot.section])
        for axes in figure.axes:
            axes.tick_params(which="both", length=0)
            axes.set_axisbelow(True)
        written = io.BytesIO()
        figure.savefig(
            written, format="svg", transparent=True, metadata=dict.fromkeys(("Date", "Creator", "Format", "Type"))
        )
        svg = finish(written.getvalue().decode(), name, plot)
        sealed = record.sealed(svg, record.digest(Path(results), plot.section))
        Path(images, f"{PREFIX}{name}.svg").write_text(sealed, encoding="utf-8")


def finish(svg: str, name: str, plot: Plot) -> str:
    """Give the drawing its title and the colours of the palette; take away what only matplotlib needs."""
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>\s*|<defs>\s*<style.*?</defs>\s*", "", body, flags=re.DOTALL)
    body = re.sub(r'<g id="[^"]*"(/?)>', r"<g\1>", body)
    body = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font-size: \1px", body)
    for colour, (light, _) in PALETTE.items():
        body = body.replace(f": {light}", f": var(--{colour})")
    labels = f'class="drawing" role="img" aria-labelledby="{name}-title {name}-description"'
    head = (
        f'<title id="{name}-title">{escape(plot.title)}</title>\n'
        f'<desc id="{name}-description">{escape(plot.description)}</desc>\n'
        f"<style>\n{_DRAWINGS['css']()}\n</style>\n"
    )
    return re.sub(r"(<svg[^>]*?)>", lambda found: f"{found[1]} {labels}>\n{head}", body, count=1)
