"""Draw the sequence diagrams and the crash tables: `python docs/diagrams/sequences.py` writes them to docs/images.

Time runs down.
"""

from __future__ import annotations

from canvas import LINE, WIDTH, Canvas, write

LANES = {"A": 62, "file": 180, "B": 298}  # px from the left
TOP = 66  # px: where the first row is
ROW = 42  # px from one row to the next
BAR = 10  # px: how wide the bar of a lock is


class Sequence(Canvas):
    """Three lanes: one program, the file, another program.

    Args:
        name: of the drawing.
        title: what it shows, for readers who do not see it.
        description: the same in a few sentences.
        heads: the names of the three lanes.
        rows: how many rows of time it has.
        legend: a line below.
    """

    def __init__(
        self, name: str, title: str, description: str, heads: tuple[str, str, str], rows: int, legend: str = ""
    ) -> None:
        bottom = TOP + rows * ROW - 16
        super().__init__(name, title, description, bottom + (LINE if legend else 0))
        for x, head in zip(LANES.values(), heads, strict=True):
            self.lines.append(f'<line class="life" x1="{x}" y1="36" x2="{x}" y2="{bottom - 8}"/>')
            self.box(x - 54, 4, 108, 32, head, named=True)
        self.text(WIDTH / 2, bottom + LINE - 6, *filter(None, [legend]))

    def message(self, row: float, start: str, end: str, *label: str, kind: str = "") -> None:
        """Draw a call or an answer from one lane to the next, with its label above."""
        y = TOP + row * ROW
        edge = BAR / 2 + 1 if LANES[end] > LANES[start] else -BAR / 2 - 1
        self.arrow((LANES[start] + edge, y), (LANES[end] - edge, y), kind)
        self.lines.append(f'<g class="{kind}">')
        self.text((LANES[start] + LANES[end]) / 2, y - 6 - (len(label) - 1) * LINE, *label)
        self.lines.append("</g>")

    def note(self, row: float, lane: str, *label: str, kind: str = "plain", width: int = 100) -> None:
        """Draw what happens inside one lane, or what is stored."""
        height = 26 + (len(label) - 1) * LINE
        self.box(LANES[lane] - width / 2, TOP + row * ROW - 14, width, height, *label, kind=kind)

    def lock(self, first: float, last: float, lane: str, kind: str = "holds") -> None:
        """Draw a bar along a lane: a lock that is held, or waited for."""
        x, y = LANES[lane] - BAR / 2, TOP + first * ROW
        self.lines.append(
            f'<rect class="{kind}" x="{x:g}" y="{y:g}" width="{BAR}" height="{(last - first) * ROW:g}" rx="3"/>'
        )


def lost_update() -> Sequence:
    """Two programs read, change and write: one change is gone."""
    drawing = Sequence(
        "lost-update",
        "A lost update",
        "Both programs read 5. A commits 6. B, which still has 5 in memory, adds one and commits 6 as well. Two additions, "
        "and the file holds 6. There was no error.",
        ("program A", "counter.json", "program B"),
        8,
    )
    drawing.note(0, "file", "5", width=40)
    drawing.message(1, "file", "A", "reads 5")
    drawing.message(1, "file", "B", "reads 5")
    drawing.note(2, "A", "5 + 1 = 6")
    drawing.message(3, "A", "file", "commits 6")
    drawing.note(4, "file", "6", width=40)
    drawing.note(4, "B", "5 + 1 = 6")
    drawing.message(5, "B", "file", "commits 6", kind="bad")
    drawing.note(6, "file", "6: the update of A is lost,", "without an error", kind="bad", width=200)
    return drawing


def lock() -> Sequence:
    """With lock=True the second program waits, then reads what the first has left."""
    drawing = Sequence(
        "lock",
        "The same with lock=True",
        "A enters the block, takes the lock and reads 5. B wants to enter and waits. A leaves the block: it commits 6 and "
        "releases the lock. Now B holds the lock, reads 6, adds one, and commits 7 on leaving.",
        ("program A", "counter.json", "program B"),
        9,
        "solid: holds the lock; dashed: waits for it",
    )
    drawing.lock(0.5, 3.3, "A")
    drawing.lock(1.5, 3.3, "B", "waits")
    drawing.lock(3.5, 7.3, "B")
    drawing.note(0, "file", "5", width=40)
    drawing.message(1, "file", "A", "reads 5")
    drawing.note(2, "A", "5 + 1 = 6", width=84)
    drawing.message(3, "A", "file", "commits 6")
    drawing.note(4, "file", "6", width=40)
    drawing.message(5, "file", "B", "reads 6")
    drawing.note(6, "B", "6 + 1 = 7", width=84)
    drawing.message(7, "B", "file", "commits 7")
    drawing.note(8, "file", "7: both count", kind="good", width=120)
    return drawing


def conflict() -> Sequence:
    """With on_conflict="raise" the second program is told, reads again and repeats its change."""
    drawing = Sequence(
        "on-conflict",
        'The same with on_conflict="raise"',
        "Both programs read 5. A commits 6, because 5 is still stored. B wants to commit 6, but what is stored is no longer "
        "what B has read: ConflictError, and nothing is written. B reloads, gets 6, adds one, and commits 7.",
        ("program A", "counter.json", "program B"),
        11,
    )
    drawing.note(0, "file", "5", width=40)
    drawing.message(1, "file", "A", "reads 5")
    drawing.message(1, "file", "B", "reads 5")
    drawing.note(2, "A", "5 + 1 = 6")
    drawing.note(2, "B", "5 + 1 = 6")
    drawing.message(3, "A", "file", "commits 6")
    drawing.note(4, "file", "6", width=40)
    drawing.message(5, "B", "file", "commits 6", kind="bad")
    drawing.message(6, "file", "B", "ConflictError", kind="bad")
    drawing.message(7, "file", "B", "reload(): 6")
    drawing.note(8, "B", "6 + 1 = 7")
    drawing.message(9, "B", "file", "commits 7")
    drawing.note(10, "file", "7: both count", kind="good", width=120)
    return drawing


def commit() -> Sequence:
    """Each step of a commit: by whom, and what is on the disk then."""
    drawing = Sequence(
        "commit",
        "The steps of a commit",
        "commit() makes a hidden file in the same directory, writes the new value into it, copies mode, owner and "
        "attributes of the old file, and syncs it: its bytes are on the disk now, under a name that nobody reads. It "
        "renames the file to state.json: readers see the new value. It syncs the directory: the name is on the disk too. "
        "Then it returns.",
        ("commit()", "directory", "disk"),
        11,
    )
    drawing.note(0, "file", "state.json: old", width=112)
    drawing.note(0, "B", "old", width=90)
    drawing.message(1, "A", "file", "new hidden file")
    drawing.message(2, "A", "file", "write the value")
    drawing.message(3, "A", "file", "copy the mode")
    drawing.message(4, "file", "B", "fsync the file")
    drawing.note(5, "B", "old, and new", "without a name", width=112)
    drawing.message(6, "A", "file", "rename")
    drawing.note(7, "file", "state.json: new", kind="good", width=112)
    drawing.message(9, "file", "B", "fsync the", "directory")
    drawing.note(10, "B", "new", kind="good", width=90)
    drawing.message(10, "file", "A", "returns")
    return drawing


def _cuts(name: str, title: str, description: str, rows: tuple[tuple[str, str, str], ...]) -> Canvas:
    """Draw a table: when the power goes, and what the file holds afterwards."""
    drawing = Canvas(name, title, description, 36 + len(rows) * 36)
    drawing.text(106, 20, "the power goes", kind="name")
    drawing.text(284, 20, "state.json holds", kind="name")
    for number, (when, found, kind) in enumerate(rows):
        drawing.box(2, 32 + number * 36, 210, 30, when)
        drawing.box(216, 32 + number * 36, 142, 30, found, kind=kind)
    return drawing


def crash() -> Canvas:
    """What a power cut during each step of this library's commit leaves."""
    return _cuts(
        "crash",
        "What a power cut leaves",
        "While the new file is written and synced, and before the rename: the old value. During the rename and the sync of "
        "the directory: the old or the new value, complete. After commit() has returned: the new value.",
        (
            ("while the new file is written", "the old value", "good"),
            ("during fsync of the new file", "the old value", "good"),
            ("before the rename", "the old value", "good"),
            ("during the rename", "the old or the new", "good"),
            ("during fsync of the directory", "the old or the new", "good"),
            ("after commit() has returned", "the new value", "good"),
        ),
    )


def mistakes() -> Canvas:
    """What a power cut leaves of programs that lack a step."""
    return _cuts(
        "crash-mistakes",
        "What a power cut leaves of programs with a mistake",
        "Renamed without fsync of the file: empty or damaged. Without fsync of the directory: the old value again, after "
        "the program has reported success. With open() and mode w: nothing, or half of the value.",
        (
            ("rename, file not synced", "nothing, or damage", "bad"),
            ("directory not synced", "the old value again", "bad"),
            ('open("w"), while writing', "nothing, or half", "bad"),
        ),
    )


DRAWINGS = {
    "lost-update": lost_update,
    "lock": lock,
    "on-conflict": conflict,
    "commit": commit,
    "crash": crash,
    "crash-mistakes": mistakes,
}

if __name__ == "__main__":
    write(DRAWINGS)
