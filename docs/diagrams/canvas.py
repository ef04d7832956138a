"""What all drawings share: the head of an SVG, boxes and arrows, as narrow as a phone.

tests/project/test_diagrams.py checks that docs/images has what the programs here draw.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from palette import css

if TYPE_CHECKING:
    from collections.abc import Callable

IMAGES = Path(__file__).resolve().parent.parent / "images"

WIDTH = 360  # px: what a phone shows; a larger screen shows it larger
LINE = 16  # px from one line of text to the next

STYLE = """
.drawing text { font-size: 13px; fill: var(--ink); text-anchor: middle }
.drawing .name { font-weight: 600 }
.drawing .left { text-anchor: start }
.drawing .right { text-anchor: end }
.drawing .box { fill: var(--fill); stroke: var(--line) }
.drawing .arrow { stroke: var(--ink) }
.drawing .tip { fill: var(--ink) }
.drawing .life { stroke: var(--grid) }
.drawing .good .box { fill: var(--pale-green); stroke: var(--green) }
.drawing .bad .box { fill: var(--pale-red); stroke: var(--red) }
.drawing .bad .arrow { stroke: var(--red) }
.drawing .bad .tip, .drawing .bad text { fill: var(--red) }
.drawing .holds { fill: var(--blue) }
.drawing .waits { fill: none; stroke: var(--blue); stroke-dasharray: 3 3 }
"""


class Canvas:
    """An SVG to draw on.

    Args:
        name: of the drawing, for ids that differ from those of another drawing on the page.
        title: what it shows, for readers who do not see it.
        description: the same in a few sentences.
        height: in px.
    """

    def __init__(self, name: str, title: str, description: str, height: float) -> None:
        self.lines = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" width="{WIDTH}" height="{height:g}"',
            f' class="drawing" role="img" aria-labelledby="{name}-title {name}-description">',
            f'<title id="{name}-title">{escape(title)}</title>',
            f'<desc id="{name}-description">{escape(description)}</desc>',
            f"<style>\n{css()}{STYLE}</style>",
        ]

    def text(self, x: float, y: float, *text: str, kind: str = "") -> None:
        """Write lines of text, the first one at y."""
        self.lines += [
            f'<text{_class(kind)} x="{x:g}" y="{y + number * LINE:g}">{escape(line)}</text>'
            for number, line in enumerate(text)
        ]

    def box(
        self, x: float, y: float, width: float, height: float, *text: str, kind: str = "plain", named: bool = False
    ) -> None:
        """Draw a box with text in its middle; the first line of a named one is bold."""
        first = y + (height - (len(text) - 1) * LINE) / 2 + 4.5
        self.lines.append(
            f'<g class="{kind}"><rect class="box" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="5"/>'
        )
        self.text(x + width / 2, first, text[0], kind="name" if named else "")
        self.text(x + width / 2, first + LINE, *text[1:])
        self.lines.append("</g>")

    def arrow(self, start: tuple[float, float], end: tuple[float, float], kind: str = "") -> None:
        """Draw an arrow, horizontal, or up or down, where it may be aslant."""
        (x1, y1), (x2, y2) = start, end
        if y1 == y2:
            back = x2 - 8 if x2 > x1 else x2 + 8
            line, tip = f'x2="{back:g}" y2="{y2:g}"', f"L{back:g} {y2 - 4.5:g} L{back:g} {y2 + 4.5:g}"
        else:
            back = y2 - 8 if y2 > y1 else y2 + 8
            line, tip = f'x2="{x2:g}" y2="{back:g}"', f"L{x2 - 4.5:g} {back:g} L{x2 + 4.5:g} {back:g}"
        self.lines.append(
            f'<g class="{kind}"><line class="arrow" x1="{x1:g}" y1="{y1:g}" {line}/>'
            f'<path class="tip" d="M{x2:g} {y2:g} {tip} Z"/></g>'
        )

    def svg(self) -> str:
        """Return the whole drawing."""
        return "\n".join([*self.lines, "</svg>"]) + "\n"


def _class(kind: str) -> str:
    return f' class="{kind}"' if kind else ""


def write(drawings: dict[str, Callable[[], Canvas]]) -> None:
    """Write drawings to docs/images."""
    IMAGES.mkdir(exist_ok=True)
    for name, draw in drawings.items():
        (IMAGES / f"{name}.svg").write_text(draw().svg(), encoding="utf-8")
