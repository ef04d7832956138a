"""Draw the plans of architecture.md: `python docs/diagrams/plans.py` writes them to docs/images."""

from __future__ import annotations

from canvas import WIDTH, Canvas, write


def journey() -> Canvas:
    """What a value goes through on its way up, at open(), and down, at a commit."""
    plan = Canvas(
        "journey",
        "Data flow",
        "Up, at open(): the location returns an open file or None, the codec loads the value from it, and the store "
        "has the value, or the default. Down, at commit(): the store passes the value on, the codec dumps it into the "
        "new file of the location, and the location publishes it all or nothing.",
        502,
    )
    for number, (kind, *text) in enumerate(
        (
            ("good", "your program", "store.value"),
            ("plain", "store", "one value in memory"),
            ("plain", "codec", "value to bytes and back"),
            ("plain", "location", "the bytes, all or nothing"),
            ("good", "state.json, or an object on S3", "the old or the new value"),
        )
    ):
        plan.box(20, 4 + number * 112, WIDTH - 40, 46, *text, kind=kind, named=True)
    steps = (
        (("the value,", "or the default"), ("commit(), or", "the end of a block")),
        (("load(file):", "the value"), ("dump(value, file)",)),
        (("read(): an open", "file, or None"), ("replace(expected):", "a new file")),
        (("the bytes",), ("sync, rename,", "sync")),
    )
    for number, (up, down) in enumerate(steps):
        top, bottom = 52 + number * 112, 114 + number * 112
        plan.arrow((40, bottom), (40, top))
        plan.text(52, (top + bottom) / 2 + 4 - (len(up) - 1) * 8, *up, kind="left")
        plan.arrow((320, top), (320, bottom))
        plan.text(308, (top + bottom) / 2 + 4 - (len(down) - 1) * 8, *down, kind="right")
    return plan


def floor_plan() -> Canvas:
    """The modules, and which may import which: arrows go down."""
    plan = Canvas(
        "floor-plan",
        "The layout of the package",
        "The command line, cli, uses the package as programs do. The front door, __init__, leads to mapping, writing, "
        "checking and testing, and to the store. All of them stand on the store, the store on two seams that do not know "
        "each other: formats and locations. All may raise what errors defines.",
        548,
    )
    plan.box(90, 4, 180, 42, "cli/", "the command line", named=True)
    plan.arrow((180, 48), (180, 70))
    plan.box(90, 72, 180, 42, "__init__.py", "open, and the names", kind="good", named=True)
    rooms = ((1, 82, "mapping", "open_dict"), (87, 104, "writing", "atomic_write"), (195, 82, "checking", "check"),
             (281, 78, "testing/", "for tests"))  # fmt: skip
    for number, (x, width, *room) in enumerate(rooms):
        plan.arrow((135 + number * 30, 116), (x + width / 2, 144))
        plan.box(x, 146, width, 42, *room, named=True)
        plan.arrow((x + width / 2, 190), (135 + number * 30, 218))
    plan.box(90, 220, 180, 42, "store.py", "AtomicStore", named=True)
    plan.arrow((150, 264), (90, 292))
    plan.arrow((210, 264), (270, 292))
    plan.box(2, 294, 174, 170, "formats/", "value to bytes and back", "", "_json.py, _pickle.py, ...",
             "_foreign.py: any format", "_typed.py: type=", "wrappers/: Signed, ...", named=True)  # fmt: skip
    plan.box(184, 294, 174, 170, "locations/", "bytes in a place", "", "local/: a file, its lock,",
             "its temporary file", "s3/: an object,", "requests, uploads", named=True)  # fmt: skip
    plan.arrow((90, 466), (150, 494))
    plan.arrow((270, 466), (210, 494))
    plan.box(90, 496, 180, 46, "errors.py", "the tree of errors", named=True)
    return plan


DRAWINGS = {"journey": journey, "floor-plan": floor_plan}

if __name__ == "__main__":
    write(DRAWINGS)
