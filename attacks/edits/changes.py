"""Random changes of a loaded value, and of a plain copy of it likewise."""

from __future__ import annotations

import copy
import datetime as dt
import math
import random
from collections.abc import Callable
from typing import Any

from .documents import KEYS

TEXTS = [
    *(
        "a",
        "alpha",
        "no",
        "22:22",
        "0x1f",
        "~",
        "",
        " lead",
        "trail ",
        "x: y",
        "# no comment",
        "it's",
        'say "hi"',
        "two\nlines",
    ),
    *(
        "two\nlines\n",
        "tab\there",
        "ü𝄞",
        "long " * 30,
        "-",
        "- x",
        "*a",
        "&a",
        "!t",
        "%",
        "@",
        "`",
        "{",
        "[",
        "]",
        ",",
        "?",
        ": ",
    ),
    *(
        "1e3",
        "2026-01-02",
        "null",
        "\x85",
        "\u2028",
        "a\\b",
        "end:",
        "x #y",
        "nbsp\u00a0x",
        "\r\n",
        "line\n\n  indented\n\n",
    ),
    *("\ttab", "true", "=", "<<", "...", "---", "|", ">", "a\n---\nb", "word " * 22 + "end"),
]
ZONES = [dt.UTC, dt.timezone(dt.timedelta(hours=2)), dt.timezone(-dt.timedelta(hours=3, minutes=30))]


def key(rnd: random.Random) -> str:
    """Return a key: a usual one, or any text."""
    return rnd.choice(KEYS) if rnd.random() < 0.8 else rnd.choice(TEXTS)


def scalar(rnd: random.Random) -> Any:
    """Return a random scalar that both formats hold."""
    kind = rnd.randrange(8)
    if kind == 0:
        return rnd.randint(-5, 10 ** rnd.randint(0, 20))
    if kind == 1:
        return rnd.choice([1.5, -0.25, 1e300, 1e-7, 2.0, math.inf])
    if kind == 2:
        return rnd.random() < 0.5
    if kind == 3:
        return rnd.choice(
            [
                dt.date(2026, 1, rnd.randint(1, 28)),
                dt.datetime(2026, 1, 2, 3, 4, 5, rnd.choice([0, 250000])),  # noqa: DTZ001 - naive ones have to come back
                dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=rnd.choice(ZONES)),
            ]
        )
    return rnd.choice(TEXTS)


def value(rnd: random.Random, nothing: bool, depth: int = 0) -> Any:
    """Return a random value in built-in types; `nothing`: None may be in it."""
    roll = rnd.random()
    if depth < 3 and roll < 0.2:
        return {key(rnd): value(rnd, nothing, depth + 1) for _ in range(rnd.randint(0, 3))}
    if depth < 3 and roll < 0.4:
        return [value(rnd, nothing, depth + 1) for _ in range(rnd.randint(0, 3))]
    if nothing and roll < 0.45:
        return None
    return scalar(rnd)


def change(rnd: random.Random, loaded: Any, mirror: Any, nothing: bool) -> None:
    """Change a random container inside `loaded`, and the same one inside `mirror`, which is in built-in types."""
    places: list[tuple[Any, Any]] = []

    def walk(part: Any, same: Any) -> None:
        places.append((part, same))
        for place in list(same) if isinstance(same, dict) else range(len(same)):
            if isinstance(same[place], dict | list):
                walk(part[place], same[place])

    walk(loaded, mirror)
    part, same = rnd.choice(places)
    new = value(rnd, nothing)
    step = step_of_mapping(rnd, same) if isinstance(same, dict) else step_of_list(rnd, same)
    step(part, new)
    step(same, copy.deepcopy(new))


def step_of_mapping(rnd: random.Random, same: dict[str, Any]) -> Callable[[Any, Any], Any]:
    """Return a change of a mapping, to be applied to two equal ones."""
    old = rnd.choice(list(same)) if same else ""
    name = old if same and rnd.random() < 0.6 else key(rnd)
    target = rnd.choice(KEYS)
    steps: list[Callable[[Any, Any], Any]] = [
        *[lambda part, new: part.__setitem__(name, new)] * 2,
        lambda part, new: part.update({name: new, "extra": 1}),
        lambda part, new: part.setdefault(name, new),
    ]
    if same:
        steps += [
            *[lambda part, new: part.__delitem__(old)] * 2,
            lambda part, new: part.pop(old),
            lambda part, new: part.__setitem__(target, part.pop(old)),
        ]
    return (lambda part, new: part.clear()) if rnd.random() < 0.04 else rnd.choice(steps)


def step_of_list(rnd: random.Random, same: list[Any]) -> Callable[[Any, Any], Any]:
    """Return a change of a list, to be applied to two equal ones."""
    before, at = rnd.randint(0, len(same)), rnd.randrange(len(same)) if same else 0
    steps: list[Callable[[Any, Any], Any]] = [
        *[lambda part, new: part.append(new)] * 2,
        *[lambda part, new: part.insert(before, new)] * 2,
        lambda part, new: part.extend([new, 1]),
        lambda part, new: part.clear(),
        lambda part, new: part.reverse(),
    ]
    if same:
        steps += [*[lambda part, new: part.pop(at)] * 2, lambda part, new: part.__setitem__(at, new)]
    return rnd.choice(steps)
