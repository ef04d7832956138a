"""Draw the sequence diagrams of the documentation: `python docs/diagrams/sequences.py` writes docs/images/*.svg.

Time runs down. There are three lanes: in concurrency.md one program, the file, another program. Each drawing brings its
own background and follows the reader's light or dark setting. tests/project/test_diagrams.py checks that the drawings are
those of this file.
"""

from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import escape

IMAGES = Path(__file__).resolve().parent.parent / "images"

WIDTH = 760
LANES = {"A": 130, "file": 380, "B": 630}  # px from the left
TOP = 84  # px: where the first row is
ROW = 46  # px from one row to the next
BAR = 12  # px: how wide the bar of a lock is

STYLE = """
  svg { font-family: system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; font-size: 14px }
  .paper { fill: #ffffff; stroke: #d0d7de } .head { fill: #eef1f4; stroke: #8b949e } .life { stroke: #8b949e }
  text { fill: #1f2328; text-anchor: middle } .name { font-weight: 600 }
  .left { text-anchor: start } .right { text-anchor: end }
  .arrow { stroke: #1f2328 } .tip { fill: #1f2328 }
  .bad .arrow, .bad .box { stroke: #b3261e } .bad text, .bad .tip { fill: #b3261e } .bad .box { fill: #fdecea }
  .good .box { stroke: #1a7f37; fill: #e6f6ea } .good text { fill: #14632b }
  .plain .box { stroke: #8b949e; fill: #f6f8fa }
  .holds { fill: #2f6fdb } .waits { fill: #ffffff; stroke: #2f6fdb; stroke-dasharray: 3 3 } .lock text { fill: #1f57b3 }
  @media (prefers-color-scheme: dark) {
    .paper { fill: #0d1117; stroke: #30363d } .head { fill: #1c2430; stroke: #768390 } .life { stroke: #768390 }
    text { fill: #e6edf3 } .arrow { stroke: #e6edf3 } .tip { fill: #e6edf3 }
    .bad .arrow, .bad .box { stroke: #ff8a80 } .bad text, .bad .tip { fill: #ff8a80 } .bad .box { fill: #34191a }
    .good .box { stroke: #56d364; fill: #12281a } .good text { fill: #7ee787 }
    .plain .box { stroke: #768390; fill: #161b22 }
    .holds { fill: #79b0ff } .waits { fill: #0d1117; stroke: #79b0ff } .lock text { fill: #a5caff }
  }
"""


class Drawing:
    """One sequence diagram.

    Args:
        title: what it shows, for those who do not see it.
        description: the same in a few sentences.
        heads: the names of the three lanes.
        rows: how many rows of time it has.
    """

    def __init__(self, title: str, description: str, heads: tuple[str, str, str], rows: int) -> None:
        height = TOP + rows * ROW
        self.lines = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"',
            ' role="img" aria-labelledby="title description">',
            f'<title id="title">{escape(title)}</title>',
            f'<desc id="description">{escape(description)}</desc>',
            f"<style>{STYLE}</style>",
            f'<rect class="paper" x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="8"/>',
        ]
        for x, head in zip(LANES.values(), heads, strict=True):
            self.lines += [
                f'<line class="life" x1="{x}" y1="50" x2="{x}" y2="{height - 16}"/>',
                f'<rect class="head" x="{x - 90}" y="16" width="180" height="34" rx="5"/>',
                f'<text class="name" x="{x}" y="38">{escape(head)}</text>',
            ]

    def arrow(self, row: float, start: str, end: str, label: str, kind: str = "") -> None:
        """Draw a call or an answer from one lane to the next."""
        y = TOP + row * ROW
        right = LANES[end] > LANES[start]
        edge = BAR / 2 + 1
        first, last = (LANES[start] + edge, LANES[end] - edge) if right else (LANES[start] - edge, LANES[end] + edge)
        back = last - 9 if right else last + 9
        middle = (LANES[start] + LANES[end]) / 2
        self.lines.append(
            f'<g class="{kind}"><line class="arrow" x1="{first}" y1="{y}" x2="{back}" y2="{y}"/>'
            f'<path class="tip" d="M{last} {y} L{back} {y - 5} L{back} {y + 5} Z"/>'
            f'<text x="{middle}" y="{y - 8}">{escape(label)}</text></g>'
        )

    def box(self, row: float, lane: str, label: str, kind: str = "plain", width: int = 180) -> None:
        """Draw what happens inside one lane, or what is stored."""
        x, y = LANES[lane], TOP + row * ROW
        self.lines.append(
            f'<g class="{kind}"><rect class="box" x="{x - width / 2}" y="{y - 15}" width="{width}" height="28" rx="5"/>'
            f'<text x="{x}" y="{y + 4}">{escape(label)}</text></g>'
        )

    def lock(self, first: float, last: float, lane: str, label: str, kind: str = "holds") -> None:
        """Draw a bar along a lane: a lock that is held, or waited for; its label stands on the outer side."""
        x, y = LANES[lane], TOP + first * ROW
        outer, side = (x - BAR, "right") if lane == "A" else (x + BAR, "left")
        height = (last - first) * ROW
        self.lines.append(
            f'<g class="lock"><rect class="{kind}" x="{x - BAR / 2}" y="{y}" width="{BAR}" height="{height}" rx="3"/>'
            f'<text class="{side}" x="{outer}" y="{y + 17}">{escape(label)}</text></g>'
        )

    def svg(self) -> str:
        """Give the whole drawing."""
        return "\n".join([*self.lines, "</svg>"]) + "\n"


def lost_update() -> Drawing:
    """Two programs read, change and write: one change is gone."""
    drawing = Drawing(
        "A lost update",
        "Both programs read 5. A commits 6. B, which still has 5 in memory, adds one and commits 6 as well. Two additions, "
        "and the file holds 6. There was no error.",
        ("program A", "counter.json", "program B"),
        8,
    )
    drawing.box(0, "file", "5")
    drawing.arrow(1, "file", "A", "open(): reads 5")
    drawing.arrow(2, "file", "B", "open(): reads 5")
    drawing.box(3, "A", "5 + 1 = 6")
    drawing.arrow(4, "A", "file", "commit(): 6")
    drawing.box(4, "B", "5 + 1 = 6")
    drawing.box(5, "file", "6")
    drawing.arrow(6, "B", "file", "commit(): 6", "bad")
    drawing.box(7, "file", "6: the work of A is lost, without an error", "bad", 320)
    return drawing


def lock() -> Drawing:
    """With lock=True the second program waits, then reads what the first has left."""
    drawing = Drawing(
        "The same with lock=True",
        "A enters the block, takes the lock and reads 5. B wants to enter and waits. A leaves the block: it commits 6 and "
        "gives the lock back. Now B holds the lock, reads 6, adds one, and commits 7 on leaving.",
        ("program A", "counter.json", "program B"),
        9,
    )
    drawing.lock(0.6, 4.3, "A", "holds the lock")
    drawing.lock(1.6, 4.3, "B", "waits for it", "waits")
    drawing.lock(4.4, 7.3, "B", "holds the lock")
    drawing.box(0, "file", "5")
    drawing.arrow(1, "file", "A", "enters: reads 5")
    drawing.box(2, "A", "5 + 1 = 6", width=100)
    drawing.arrow(3, "A", "file", "leaves: commits 6")
    drawing.box(4, "file", "6")
    drawing.arrow(5, "file", "B", "has entered: reads 6")
    drawing.box(6, "B", "6 + 1 = 7", width=100)
    drawing.arrow(7, "B", "file", "leaves: commits 7")
    drawing.box(8, "file", "7: both count", "good")
    return drawing


def conflict() -> Drawing:
    """With on_conflict="raise" the second program is told, reads again and repeats its change."""
    drawing = Drawing(
        'The same with on_conflict="raise"',
        "Both programs read 5. A commits 6, since 5 is still stored. B wants to commit 6, but what is stored is no longer "
        "what B has read: ConflictError, and nothing is written. B reloads, gets 6, adds one, and commits 7.",
        ("program A", "counter.json", "program B"),
        11,
    )
    drawing.box(0, "file", "5")
    drawing.arrow(1, "file", "A", "open(): reads 5")
    drawing.arrow(1, "file", "B", "open(): reads 5")
    drawing.box(2, "A", "5 + 1 = 6")
    drawing.box(2, "B", "5 + 1 = 6")
    drawing.arrow(3, "A", "file", "commit(): 6, if still 5")
    drawing.box(4, "file", "6")
    drawing.arrow(5, "B", "file", "commit(): 6, if still 5")
    drawing.arrow(6, "file", "B", "ConflictError", "bad")
    drawing.arrow(7, "file", "B", "reload(): reads 6")
    drawing.box(8, "B", "6 + 1 = 7")
    drawing.arrow(9, "B", "file", "commit(): 7, if still 6")
    drawing.box(10, "file", "7: both count", "good")
    return drawing


def update() -> Drawing:
    """Let each function change what is stored at that moment."""
    drawing = Drawing(
        "The same with update(fn)",
        "A calls update: under the lock it reads 5, calls fn, and commits 6. B calls update at the same time: it waits, "
        "then reads 6, calls fn, and commits 7. What either had in memory before plays no part.",
        ("program A", "counter.json", "program B"),
        9,
    )
    drawing.lock(0.6, 4.3, "A", "update(fn)")
    drawing.lock(1.6, 4.3, "B", "waits for it", "waits")
    drawing.lock(4.4, 7.3, "B", "update(fn)")
    drawing.box(0, "file", "5")
    drawing.arrow(1, "file", "A", "reads 5")
    drawing.box(2, "A", "fn(5) = 6", width=100)
    drawing.arrow(3, "A", "file", "commits 6")
    drawing.box(4, "file", "6")
    drawing.arrow(5, "file", "B", "reads 6")
    drawing.box(6, "B", "fn(6) = 7", width=100)
    drawing.arrow(7, "B", "file", "commits 7")
    drawing.box(8, "file", "7: both count", "good")
    return drawing


def commit() -> Drawing:
    """Each step of a commit: by whom, and what is on the disk then."""
    drawing = Drawing(
        "The steps of a commit",
        "commit() makes a hidden file in the same directory, writes the new value into it, and syncs it: its bytes are on "
        "the disk now, under a name that nobody reads. It renames the file to state.json: everybody sees the new value. It "
        "syncs the directory: the name is on the disk too. Then it returns.",
        ("commit()", "the directory", "the disk"),
        10,
    )
    drawing.box(0, "file", "state.json: old", width=200)
    drawing.box(0, "B", "old")
    drawing.arrow(1, "A", "file", "makes .state.json.<hex>.tmp")
    drawing.arrow(2, "A", "file", "writes the new value")
    drawing.arrow(3, "A", "file", "mode, owner, attributes")
    drawing.arrow(4, "file", "B", "fsync of the file")
    drawing.box(5, "B", "old; new, unnamed")
    drawing.arrow(6, "A", "file", "rename")
    drawing.box(7, "file", "state.json: new", "good", 200)
    drawing.arrow(8, "file", "B", "fsync of the directory")
    drawing.box(9, "B", "new", "good")
    drawing.arrow(9, "file", "A", "returns")
    return drawing


def crash() -> Drawing:
    """What a power cut during each step leaves; and what it would leave of a commit that lacks one."""
    drawing = Drawing(
        "What a power cut leaves",
        "Before and while the temporary file is written and synced: the old value. Around the rename and the sync of the "
        "directory: the old or the new value, whole. After commit() has returned: the new value. Without the sync of the "
        "file the value may be empty or damaged, without that of the directory a commit that returned may be undone, and "
        "open() with mode w may leave neither value.",
        ("the power goes", "on the disk", "state.json holds"),
        9,
    )
    rows = (
        ("while the temp is written", "old; some of the temp", "the old value", "good"),
        ("during fsync of the temp", "old; more of the temp", "the old value", "good"),
        ("before the rename", "old; the whole temp", "the old value", "good"),
        ("during the rename", "old and new, one named", "old or new, whole", "good"),
        ("during fsync of the directory", "old and new, one named", "old or new, whole", "good"),
        ("after commit() returned", "new", "the new value", "good"),
        ("no fsync of the temp, renamed", "a name, and no bytes", "nothing, or damage", "bad"),
        ("no fsync of the directory, done", "old and new, one named", "the old value again", "bad"),
        ('open("w"), before the write', "emptied", "nothing", "bad"),
    )
    for row, (when, disk, found, kind) in enumerate(rows):
        drawing.box(row, "A", when, width=236)
        drawing.box(row, "file", disk, width=200)
        drawing.box(row, "B", found, kind, 200)
    return drawing


DRAWINGS = {
    "lost-update": lost_update,
    "lock": lock,
    "on-conflict": conflict,
    "update": update,
    "commit": commit,
    "crash": crash,
}

if __name__ == "__main__":
    IMAGES.mkdir(exist_ok=True)
    for name, draw in DRAWINGS.items():
        (IMAGES / f"{name}.svg").write_text(draw().svg(), encoding="utf-8")
