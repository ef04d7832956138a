"""The colours of all drawings, light and dark, and the rules that choose between them.

A drawing is transparent. Shown as an image it follows the reader's system. Put into a page by docs/conf.py, it follows
the switch of the page.
"""

from __future__ import annotations

PALETTE = {  # a name for each colour: light, dark
    "ink": ("#1f2328", "#e6edf3"),
    "faint": ("#59636e", "#9198a1"),
    "line": ("#8b949e", "#768390"),
    "grid": ("#d0d7de", "#3d444d"),
    "fill": ("#f6f8fa", "#1c2128"),
    "blue": ("#2f6fdb", "#79b0ff"),
    "amber": ("#9a6700", "#e3b341"),
    "green": ("#1a7f37", "#56d364"),
    "pale-green": ("#e6f6ea", "#12281a"),
    "red": ("#b3261e", "#ff8a80"),
    "pale-red": ("#fdecea", "#34191a"),
}
FONT = 'system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif'


def _rule(selector: str, dark: bool) -> str:
    colours = "; ".join(f"--{name}: {pair[dark]}" for name, pair in PALETTE.items())
    return f"{selector} {{ {colours} }}"


def css() -> str:
    """Return the rules of a drawing whose root has the class "drawing"."""
    return "\n".join(
        (
            f".drawing {{ font-family: {FONT} }}",
            _rule(".drawing", dark=False),
            f"@media (prefers-color-scheme: dark) {{ {_rule('.drawing', dark=True)} }}",
            _rule('body[data-theme="light"] .drawing', dark=False),
            _rule('body[data-theme="dark"] .drawing', dark=True),
        )
    )
