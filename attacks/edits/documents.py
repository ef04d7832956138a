"""Random documents as people write them: comments, blank lines, anchors, several styles of one thing."""

from __future__ import annotations

import json
import random
import tomllib

KEYS = ["name", "jobs", "queue", "next", "limits", "a", "b-c", "x y", "host", "ü", "k1", "k2", "k3", "tags", "owner"]
YAML_SCALARS = [
    *("1", "-2", "1.50", "1e3", "0x1F", "1_000", "true", "False", "~", "null", "", "plain text", "'single'", '"double\\n"'),
    *("2026-01-02", "2026-01-02T03:04:05Z", "2026-01-02 03:04:05.5", "no", "'it''s'", "a b  c", "!!str 5", "!x y", "22:22"),
    *("0o17", '""', "''", "2001-12-14t21:59:43.10-05:00", "!!binary aGVsbG8="),
]
TOML_SCALARS = [
    *(
        "1",
        "-2",
        "1.5",
        "1e3",
        "0x1F",
        "1_000",
        "true",
        "false",
        "'lit'",
        '"basic\\n"',
        "2026-01-02",
        "2026-01-02T03:04:05Z",
    ),
    *("2026-01-02 03:04:05.5", "07:32:00", "inf", "nan", '"""\nmulti\nline"""', "'''raw\n'''", "0o17", "0b1"),
    "2026-01-02T03:04:05+02:00",
]
INLINE = ["1", "true", '"x"', "1.5"]
COMMENTS = ["  # note", " # why: x", "   #", " # ü"]


def maybe(rnd: random.Random, share: float, text: str) -> str:
    """Return the text in this share of all cases, otherwise nothing."""
    return text if rnd.random() < share else ""


class YamlWriter:
    """Writes one document, line by line."""

    def __init__(self, rnd: random.Random) -> None:
        self.rnd = rnd
        self.lines: list[str] = []
        self.anchors: list[str] = []

    def document(self) -> str:
        """Return the whole document."""
        rnd = self.rnd
        if rnd.random() < 0.3:
            self.lines.append("# head")
        if rnd.random() < 0.1:
            self.lines.append("---")
        if rnd.random() < 0.85:
            self.mapping(0, 0)
        else:
            self.sequence(0, 0)
        if rnd.random() < 0.3:
            self.lines.append("# tail")
        return "\n".join(self.lines) + maybe(rnd, 0.85, "\n")

    def mapping(self, indent: int, depth: int) -> None:
        """Write a mapping."""
        for key in self.rnd.sample(KEYS, self.rnd.randint(1, 4)):
            self._before(indent)
            self._value(" " * indent + self._key(key) + ":", indent, depth)

    def sequence(self, indent: int, depth: int) -> None:
        """Write a sequence."""
        for _ in range(self.rnd.randint(1, 4)):
            self._before(indent)
            if depth < 3 and self.rnd.random() < 0.25:
                for number, key in enumerate(self.rnd.sample(KEYS, self.rnd.randint(1, 3))):
                    head = " " * indent + ("- " if number == 0 else "  ")
                    self._value(head + self._key(key) + ":", indent + 2, depth + 1)
            else:
                self._value(" " * indent + "-", indent, depth)

    def _value(self, head: str, indent: int, depth: int) -> None:
        rnd, roll = self.rnd, self.rnd.random()
        if depth < 3 and roll < 0.45:
            self.lines.append(head + self._anchor() + self._comment())
            if rnd.random() < 0.1:
                self.lines.append("")
            if roll < 0.25:
                self.mapping(indent + rnd.choice([2, 2, 4]), depth + 1)
            else:
                self.sequence(indent + rnd.choice([0, 2, 2, 4]), depth + 1)
        elif roll < 0.52:
            self.lines.append(f"{head} {rnd.choice(['|', '>', '|-', '>-', '|+'])}" + maybe(rnd, 0.1, " # note"))
            inside = " " * (indent + 2)
            self.lines.append(inside + "first")
            rest = ["text here", "  more", "", "a: b", "# no comment"]
            self.lines += [inside + rnd.choice(rest) for _ in range(rnd.randint(0, 2))]
        elif roll < 0.6:
            self.lines.append(f"{head} {self._flow(0)}{self._comment()}")
        elif roll < 0.63 and self.anchors:
            self.lines.append(f"{head} *{rnd.choice(self.anchors)}{self._comment()}")
        else:
            anchor = self._anchor() if rnd.random() < 0.3 else ""
            self.lines.append(f"{head}{anchor} {rnd.choice(YAML_SCALARS)}{self._comment()}")

    def _flow(self, depth: int) -> str:
        rnd, roll = self.rnd, self.rnd.random()
        if depth < 2 and roll < 0.3:
            return f"[{', '.join(self._flow(depth + 1) for _ in range(rnd.randint(0, 3)))}]"
        if depth < 2 and roll < 0.6:
            return "{" + ", ".join(f"{key}: {self._flow(depth + 1)}" for key in rnd.sample(KEYS, rnd.randint(0, 3))) + "}"
        return rnd.choice(["1", "x", "'s'", '"d"', "~", "true", "1.5"])

    def _before(self, indent: int) -> None:
        if self.rnd.random() < 0.1:
            self.lines.append("")
        if self.rnd.random() < 0.15:
            place = self.rnd.choice([indent, indent, 0, indent + 2])
            self.lines.append(" " * place + self.rnd.choice(["# a comment", "#", "# k: v"]))

    def _key(self, key: str) -> str:
        return json.dumps(key, ensure_ascii=False) if self.rnd.random() < 0.15 else key

    def _anchor(self) -> str:
        if self.rnd.random() > 0.06:
            return ""
        self.anchors.append(f"s{len(self.anchors)}")
        return f" &{self.anchors[-1]}"

    def _comment(self) -> str:
        return maybe(self.rnd, 0.3, self.rnd.choice(COMMENTS))


class TomlWriter:
    """Writes one document, line by line; it may be no valid one."""

    def __init__(self, rnd: random.Random) -> None:
        self.rnd = rnd
        self.lines: list[str] = []

    def document(self) -> str:
        """Return the whole document."""
        rnd = self.rnd
        if rnd.random() < 0.3:
            self.lines.append("# head")
        self._body(rnd.randint(0, 3))
        names = rnd.sample(KEYS, rnd.randint(1, 4))
        for _ in range(rnd.randint(0, 5)):
            if rnd.random() < 0.3:
                self.lines.append("")
            if rnd.random() < 0.2:
                self.lines.append("# about")
            rest = [rnd.choice(KEYS) for _ in range(rnd.choice([0, 0, 0, 1, 1, 2]))]
            path = ".".join(map(self._key, [rnd.choice(names), *rest]))
            table = f"[[{path}]]" if rnd.random() < 0.3 else f"[{path}]"
            self.lines.append(rnd.choice(["", "", "  "]) + table + self._comment())
            self._body(rnd.randint(0, 3))
        text = "\n".join(self.lines) + maybe(rnd, 0.85, "\n")
        return text.replace("\n", "\r\n") if rnd.random() < 0.05 else text

    def _body(self, count: int) -> None:
        rnd = self.rnd
        for key in rnd.sample(KEYS, count):
            if rnd.random() < 0.15:
                self.lines.append(rnd.choice(["", "# c", "  # c"]))
            name = self._key(key) + maybe(rnd, 0.15, "." + self._key(rnd.choice(KEYS)))
            equals = rnd.choice([" = ", "=", "  =  "])
            self.lines.append(rnd.choice(["", "", "  "]) + name + equals + self._value(0) + self._comment())

    def _value(self, depth: int) -> str:
        rnd, roll = self.rnd, self.rnd.random()
        if depth < 2 and roll < 0.08:
            items = "".join(f"\n  {self._value(depth + 1)},{self._comment()}" for _ in range(rnd.randint(0, 3)))
            return f"[{items}\n]"
        if depth < 2 and roll < 0.2:
            return f"[{', '.join(self._value(depth + 1) for _ in range(rnd.randint(0, 3)))}]"
        if depth < 2 and roll < 0.3:
            pairs = [f"{self._key(key)} = {rnd.choice(INLINE)}" for key in rnd.sample(KEYS, rnd.randint(0, 3))]
            return "{" + ", ".join(pairs) + "}"
        return rnd.choice(TOML_SCALARS)

    def _key(self, key: str) -> str:
        bare = key.isascii() and key.replace("-", "").isalnum() and self.rnd.random() > 0.1
        return key if bare else json.dumps(key, ensure_ascii=False)

    def _comment(self) -> str:
        return maybe(self.rnd, 0.3, self.rnd.choice(COMMENTS))


def yaml_document(rnd: random.Random) -> str:
    """Return a document in YAML; the parser may still refuse it."""
    return YamlWriter(rnd).document()


def toml_document(rnd: random.Random) -> str:
    """Return a valid document in TOML."""
    for _ in range(50):
        text = TomlWriter(rnd).document()
        try:
            tomllib.loads(text)
        except tomllib.TOMLDecodeError:
            continue
        return text
    return "a = 1\n"
