"""The plots of docs/performance.md, by matplotlib, in a worker of the environment that has it.

Each brings its own background and follows the reader's light or dark setting: a rule of CSS for each colour. At its
end stands a digest of the results that it was drawn from, and one of itself, so that a stale one shows.
"""

from __future__ import annotations

import io
import re
import statistics
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from xml.sax.saxutils import escape

from . import page
from .sections import commit, contention, large, scaling, startup
from .stores import BASE, CONTESTANTS, DURABLE, ORIGINAL, OURS, SCALING

if TYPE_CHECKING:
    from collections.abc import Callable

DARK = {  # each colour that is drawn with, and what it is where the reader has it dark
    "#ffffff": "#0d1117",
    "#d0d7de": "#30363d",
    "#1f2328": "#e6edf3",
    "#2f6fdb": "#79b0ff",
    "#b7791f": "#e3b341",
    "#8b949e": "#768390",
    "#b3261e": "#ff8a80",
    "#fdecea": "#34191a",
    "#1a7f37": "#56d364",
}
PAPER, GRID, INK, BLUE, AMBER, GREY, RED, PALE, GREEN = DARK
WIDTH = 8.4  # inches, at 72 points each


class Plot(NamedTuple):
    """One plot.

    Attributes:
        section: whose results it shows.
        title: what it shows, for those who do not see it.
        description: the same in a sentence or two.
        draw: draws it on a new figure, and gives that.
    """

    section: str
    title: str
    description: str
    draw: Callable[[Any, Any], Any]


def bars(
    axes: Any, values: dict[str, float], not_durable: set[str], title: str, form: str = "{:.2f}", highest: bool = False
) -> None:
    """Draw bars, the lowest (or highest) at the top, each with its figure; those that are not durable are hollow."""
    names = sorted(values, key=lambda name: values[name], reverse=not highest)
    for place, name in enumerate(names):
        colour = BLUE if name.startswith(OURS) else AMBER if name.startswith(ORIGINAL) else GREY
        hollow = name in not_durable
        face, edge = (PALE, RED) if hollow else (colour, colour)
        axes.barh(place, values[name], height=0.7, facecolor=face, edgecolor=edge)
        beside: dict[str, Any] = {"xytext": (4, 0), "textcoords": "offset points", "va": "center", "ha": "left"}
        axes.annotate(form.format(values[name]), (values[name], place), color=INK, fontsize=8.5, **beside)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(-0.6, len(names) - 0.4)
    axes.set_title(title, color=INK, fontsize=10, loc="left")


def draw_commit(figure: Any, data: Any) -> None:
    """Bars of the ratios at 1 KB, disk and tmpfs."""
    not_durable = {name for name, contestant in CONTESTANTS.items() if contestant.keeps != DURABLE}
    sides = figure.subplots(1, 2, sharey=False)
    for axes, (label, race) in zip(
        sides, ((label, race) for label, race in data["races"].items() if "1 KB" in label), strict=True
    ):
        values = {name: value for name, value in commit.ratios(race).items() if name in CONTESTANTS}
        bars(axes, values, not_durable, f"1 KB on {label.partition(',')[0]}, x floor")
        axes.set_xscale("log")
        axes.axvline(1, color=INK, linewidth=0.8, linestyle=":")
        axes.margins(x=0.25)


def draw_scaling(figure: Any, data: Any) -> None:
    """Lines of ns for each byte, over the size."""
    axes = figure.subplots()
    colours = {OURS: BLUE, ORIGINAL: AMBER, BASE: INK, "floor, bytes ready": GREY, "sqlite3 WAL FULL": GREEN}
    dashes = {
        "atomicwrites": "-.",
        "atomic_store orjson": "--",
        "atomic_store pickle": ":",
        "floor + orjson": "--",
        "floor + pickle": ":",
    }
    for name in SCALING:
        points = [
            (scaling.BYTES[label], 1e9 * statistics.median(race["rounds"][name]) / scaling.BYTES[label])
            for label, race in data.items()
            if name in race["rounds"]
        ]
        colour = colours.get(name, BLUE if name.startswith(OURS) else GREY)
        axes.plot(
            *zip(*points, strict=True), marker="o", markersize=3.5, color=colour, linestyle=dashes.get(name, "-"), label=name
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    sizes = [scaling.BYTES[label] for label in data]
    axes.set_xticks(sizes, list(data))
    axes.set_title("one durable commit on disk: ns for each byte of JSON", color=INK, fontsize=10, loc="left")
    axes.legend(fontsize=8.5, facecolor=PAPER, edgecolor=GRID, labelcolor=INK)


def draw_large(figure: Any, data: Any) -> None:
    """Bars of dump and load, time and memory, JSON only."""
    names = [name for name, way in large.WAYS.items() if way.group == "JSON" and name not in data["failed"]]
    sides = figure.subplots(2, 2)
    for row, action in zip(sides, ("dump", "load"), strict=True):
        shown = [name for name in names if action == "load" or not large.WAYS[name].loads_only]
        times = {name: statistics.median(turn["seconds"] for turn in data[action][name]) for name in shown}
        peaks = {name: statistics.median(turn["peak"] for turn in data[action][name]) for name in shown}
        bars(row[0], times, set(), f"{action}, seconds")
        bars(row[1], peaks, set(), f"{action}, extra peak, MiB", "{:.0f}")
        for axes in row:
            axes.margins(x=0.15)


def draw_startup(figure: Any, data: Any) -> None:
    """Bars of whole scripts."""
    not_durable = {name for name, script in startup.SCRIPTS.items() if script.keeps != DURABLE}
    axes = figure.subplots()
    race = data.get("cron, disk", data["cron, tmpfs"])
    values = {name: 1000 * statistics.median(turn["wall"] for turn in took) for name, took in race["rounds"].items()}
    bars(axes, values, not_durable, "a cron script: the whole process, ms", "{:.1f}")
    axes.margins(x=0.1)


def draw_contention(figure: Any, data: Any) -> None:
    """Bars of throughput and of the longest wait, and lost updates named."""
    rows = {name: found for name, found in data["rounds"].items() if name not in data["failed"]}
    losing = {name for name, found in rows.items() if max(contention.column(found, "lost"))}
    sides = figure.subplots(1, 2)
    throughput = {name: contention.compared(data, name, "per_second") or 0 for name in rows}
    longest = {name: statistics.median(contention.column(found, "longest_ms")) for name, found in rows.items()}
    bars(sides[0], throughput, losing, "increments a second, x flock", highest=True)
    bars(sides[1], longest, losing, "longest wait, ms", "{:.0f}")
    sides[1].set_xscale("log")
    for axes in sides:
        axes.margins(x=0.2)


HOLLOW = "Hollow bars: not durable, or torn by a crash."
PLOTS: dict[str, Plot] = {
    "commit": Plot(
        "commit",
        "Durable commit of 1 KB",
        f"Time of one commit beside the fewest system calls and json.dumps. {HOLLOW}",
        draw_commit,
    ),
    "scaling": Plot(
        "scaling", "Commits of 1 KB to 1 GB", "Nanoseconds for each byte, over the size of the value.", draw_scaling
    ),
    "large": Plot("large", "100 MB of JSON", "Seconds and extra memory of dumping and of loading.", draw_large),
    "startup": Plot("startup", "A cron script", f"Milliseconds of the whole process. {HOLLOW}", draw_startup),
    "contention": Plot(
        "contention",
        "Eight processes on one file",
        "Increments a second, and the longest wait for one of them. Hollow bars: updates were lost.",
        draw_contention,
    ),
}
HEIGHTS = {"commit": 5.2, "scaling": 4.4, "large": 5.2, "startup": 4.0, "contention": 3.4}


def draw(results: str, images: str) -> None:
    """Draw all plots whose results are there."""
    matplotlib = import_module("matplotlib")
    matplotlib.use("svg")
    matplotlib.rcParams.update(
        {
            "svg.fonttype": "none",
            "svg.hashsalt": "atomic_store",
            "font.size": 9,
            "axes.edgecolor": GRID,
            "axes.facecolor": PAPER,
            "figure.facecolor": PAPER,
            "grid.color": GRID,
            "text.color": INK,
            "xtick.color": INK,
            "ytick.color": INK,
            "xtick.labelcolor": INK,
            "ytick.labelcolor": INK,
        }
    )
    figures = import_module("matplotlib.figure")
    data, _ = page.read_results(Path(results))
    for name, plot in PLOTS.items():
        if plot.section not in data:
            continue
        figure = figures.Figure(figsize=(WIDTH, HEIGHTS[name]), layout="constrained")
        plot.draw(figure, data[plot.section])
        for axes in figure.axes:
            axes.spines[["top", "right"]].set_visible(False)
            axes.tick_params(which="both", length=0)
            axes.grid(axis="x", linewidth=0.6)
            axes.set_axisbelow(True)
            if axes.get_xscale() == "log" and name != "scaling":
                axes.xaxis.set_major_formatter("{x:g}")
            if name == "scaling":
                axes.yaxis.set_major_formatter("{x:g}")
        if "ollow" in plot.description:
            figure.supxlabel(plot.description[plot.description.index("Hollow") :], fontsize=8.5, color=RED)
        written = io.BytesIO()
        figure.savefig(written, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
        svg = finish(written.getvalue().decode(), plot, page.digest(Path(results), plot.section))
        Path(images, f"{page.PREFIX}{name}.svg").write_text(svg, encoding="utf-8")


def finish(svg: str, plot: Plot, digest: str) -> str:
    """Give the drawing its title, its colours for dark, and its seal."""
    rules = "\n".join(
        f'    [style*="{what}: {light}"] {{ {what}: {dark} !important }}'
        for light, dark in DARK.items()
        for what in ("fill", "stroke")
    )
    head = (
        f"<title>{escape(plot.title)}</title>\n<desc>{escape(plot.description)}</desc>\n"
        f"<style>\n  text {{ font-family: system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif !important }}\n"
        f"  @media (prefers-color-scheme: dark) {{\n{rules}\n  }}\n</style>\n"
    )
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>\s*", "", body, flags=re.DOTALL)
    return page.sealed(re.sub(r"(<svg[^>]*?)>", lambda found: f'{found[1]} role="img">\n{head}', body, count=1), digest)
