"""Draw the plans of architecture.md: `python docs/diagrams/plans.py` writes them to docs/images.

Boxes and arrows; the style is that of the sequence diagrams. tests/project/test_diagrams.py checks that the drawings are
those of this file.
"""

from __future__ import annotations

from xml.sax.saxutils import escape

from sequences import IMAGES, STYLE, WIDTH

LINE = 19  # px from one line of text to the next


class Plan:
    """Boxes, and arrows between them.

    Args:
        title: what it shows, for those who do not see it.
        description: the same in a few sentences.
        height: in px.
    """

    def __init__(self, title: str, description: str, height: int) -> None:
        self.lines = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"',
            ' role="img" aria-labelledby="title description">',
            f'<title id="title">{escape(title)}</title>',
            f'<desc id="description">{escape(description)}</desc>',
            f"<style>{STYLE}</style>",
            f'<rect class="paper" x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="8"/>',
        ]

    def box(self, x: float, y: float, width: float, height: float, *text: str, kind: str = "plain") -> None:
        """Draw a box with a name and, below it, what it is for; both in the middle of the box."""
        first = y + (height - (len(text) - 1) * LINE) / 2 + 5
        self.lines.append(
            f'<g class="{kind}"><rect class="box" x="{x}" y="{y}" width="{width}" height="{height}" rx="5"/>'
            f"{_lines(x + width / 2, first, text, 'name')}</g>"
        )

    def arrow(self, x: float, start: float, end: float, *text: str, side: str = "left", to: float | None = None) -> None:
        """Draw an arrow up or down, or aslant to another x, with its text beside it."""
        last = x if to is None else to
        tip = end - 9 if end > start else end + 9
        middle = (start + end) / 2 - (len(text) - 1) * LINE / 2 + 5
        beside = x + 12 if side == "left" else x - 12
        self.lines.append(
            f'<g><line class="arrow" x1="{x}" y1="{start}" x2="{last}" y2="{tip}"/>'
            f'<path class="tip" d="M{last} {end} L{last - 5} {tip} L{last + 5} {tip} Z"/>'
            f"{_lines(beside, middle, text, side, side)}</g>"
        )

    def svg(self) -> str:
        """Give the whole drawing."""
        return "\n".join([*self.lines, "</svg>"]) + "\n"


def _lines(x: float, y: float, text: tuple[str, ...], first: str = "", rest: str = "") -> str:
    """Give lines of text, the first one in a class of its own."""
    return "".join(
        f'<text class="{rest if number else first}" x="{x}" y="{y + number * LINE}">{escape(line)}</text>'
        for number, line in enumerate(text)
    )


def journey() -> Plan:
    """Show what a value goes through on its way up, at open(), and down, at a commit."""
    plan = Plan(
        "A value's journey",
        "Up, at open(): the location gives an open file or None, the codec loads the value from it, and the store "
        "has the value, or the default. Down, at commit(): the store hands the value on, the codec dumps it into the "
        "new file that the location gave, and the location publishes it in one instant.",
        568,
    )
    for number, (kind, *text) in enumerate(
        (
            ("good", "your program", "store.value"),
            ("plain", "store", "one value in memory, bound to one place"),
            ("plain", "format, as a codec", "value to bytes, bytes to value"),
            ("plain", "location", "keeps bytes, all or nothing"),
            ("good", "state.json, or an object on S3", "old or new, whole"),
        )
    ):
        plan.box(30, 16 + number * 120, 700, 56, *text, kind=kind)
    steps = (
        ("the value, or the default", "a block ends, or commit()"),
        ("codec.load(file): the value", "codec.dump(value, file)"),
        ("location.read(): an open file, or None", "location.replace(expected): a new file"),
        ("bytes are read", "published: sync, rename, sync"),
    )
    for number, (up, down) in enumerate(steps):
        top, bottom = 76 + number * 120, 132 + number * 120
        plan.arrow(60, bottom, top, up)
        plan.arrow(700, top, bottom, down, side="right")
    return plan


def floor_plan() -> Plan:
    """Show the rooms, and who may import whom: arrows go down."""
    plan = Plan(
        "The floor plan",
        "The front door, __init__.py, leads to mapping, writing, checking and testing, and to the store. All of them "
        "stand on the store, the store on two seams that do not know each other: formats and locations. All may raise "
        "what errors.py has.",
        590,
    )
    plan.box(230, 16, 300, 56, "__init__.py", "the front door: open, and the names", kind="good")
    rooms = (
        ("mapping.py", "open_dict"),
        ("writing.py", "atomic_write"),
        ("checking.py", "check"),
        ("testing.py", "for tests"),
    )
    for number, room in enumerate(rooms):
        x = 30 + number * 178
        plan.arrow(380, 76, 108, to=x + 83)
        plan.box(x, 112, 166, 56, *room)
        plan.arrow(x + 83, 172, 204, to=380 + (number - 1.5) * 60)
    plan.box(230, 208, 300, 56, "store.py", "AtomicStore: the story")
    plan.arrow(340, 268, 300, to=200)
    plan.arrow(420, 268, 300, to=560)
    plan.box(
        30, 304, 340, 180, "formats/", "value <-> bytes", "resolve(format) -> codec", "base.py: classes for your own",
        "_codec.py: one view of any format", "_json.py, _pickle.py, ...: one file each", "_typed.py, wrappers.py",
    )  # fmt: skip
    plan.box(
        390, 304, 340, 180, "locations/", "bytes <-> place", "resolve(path) -> location", "base.py: what a location is",
        "_local.py, _writer.py, _lock.py: a file", "_s3.py, _s3_*.py: an object", "_probe.py, _s3_probe.py: check()",
    )  # fmt: skip
    plan.arrow(200, 488, 520, to=330)
    plan.arrow(560, 488, 520, to=430)
    plan.box(230, 524, 300, 50, "errors.py", "the tree of errors")
    return plan


DRAWINGS = {"journey": journey, "floor-plan": floor_plan}

if __name__ == "__main__":
    IMAGES.mkdir(exist_ok=True)
    for name, draw in DRAWINGS.items():
        (IMAGES / f"{name}.svg").write_text(draw().svg(), encoding="utf-8")
