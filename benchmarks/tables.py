"""Tables, in Markdown: what the terminal shows is what docs/performance.md shows."""

from __future__ import annotations

from typing import NamedTuple

NONE = "-"


class Table(NamedTuple):
    """One table.

    Attributes:
        name: what the page calls it.
        head: the titles of the columns.
        rows: the cells.
        note: what is said below.
    """

    name: str
    head: list[str]
    rows: list[list[str]]
    note: str = ""

    def markdown(self) -> str:
        """Give the table, its columns aligned, and its note."""
        lines = [self.head, *self.rows]
        widths = [max(3, *(len(line[column]) for line in lines)) for column in range(len(self.head))]

        def line(cells: list[str], fill: str = " ") -> str:
            padded = [
                cell.ljust(width, fill) if column == 0 or column == len(self.head) - 1 else cell.rjust(width, fill)
                for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
            ]
            return f"| {' | '.join(padded)} |".rstrip()

        rule = [
            "-" * (width - 1) + ("-" if column in (0, len(self.head) - 1) else ":") for column, width in enumerate(widths)
        ]
        text = "\n".join([line(self.head), line(rule), *map(line, self.rows)])
        return f"{text}\n\n{self.note}" if self.note else text


def figure(number: float | None, places: int = 2) -> str:
    """Write a number; a dash where there is none."""
    return NONE if number is None else f"{number:,.{places}f}"


def failed_rows(head: list[str], *failures: dict[str, str]) -> list[list[str]]:
    """Give a row for each contestant that could not be run, saying why: it must not just be missing."""
    reasons = {name: reason for failed in failures for name, reason in failed.items()}
    return [
        [name, *[NONE] * (len(head) - 2), f"**cannot be run**: {' '.join(reason.split()).replace('|', '/')}"]
        for name, reason in reasons.items()
    ]
