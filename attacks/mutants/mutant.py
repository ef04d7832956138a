"""A mutant and the catalogue of them: read, checked against the source as it is now, and applied to a copy."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

CATALOGUE = Path(__file__).resolve().parent / "catalogue"

PROMISES = (
    "Atomic",
    "Durable",
    "A failed sync is final",
    "Never silently the default",
    "Nothing you did not ask for",
    "Clean",
    "Clear",
    "Polite",
    "Concurrent",
    "The same bytes everywhere",
)
"""As docs/guarantees.md names them."""


@dataclass(frozen=True)
class Mutant:
    """One way to break the library.

    Attributes:
        name: what is broken, in a few words.
        promise: one of PROMISES.
        file: the source, below the package.
        old: text that stands there exactly once.
        new: what replaces it.
        caught_by: the tests that must fail, as pytest is given them, without the folder of the file.
        listed_in: the file of the catalogue, for messages.
    """

    name: str
    promise: str
    file: str
    old: str
    new: str
    caught_by: tuple[str, ...]
    listed_in: str

    def faults(self, package: Path) -> list[str]:
        """Say what is wrong with the entry itself, the source being as it is in `package`."""
        where = f"{self.listed_in}: {self.name!r}"
        found = [f"{where}: there is no promise {self.promise!r}"] if self.promise not in PROMISES else []
        source = package / self.file
        if not source.is_file():
            return [*found, f"{where}: there is no {self.file}"]
        text = source.read_text(encoding="utf-8")
        times = text.count(self.old)
        if times != 1:
            return [*found, f"{where}: its text stands {times} times in {self.file}, not once; anchor it anew:\n{self.old}"]
        if self.old == self.new:
            found.append(f"{where}: it changes nothing")
        try:
            compile(self.changed(text), self.file, "exec")
        except SyntaxError as error:
            found.append(f"{where}: what it makes is no Python: {error}")
        return found

    def changed(self, text: str) -> str:
        """Give the source with this mutant in it."""
        return text.replace(self.old, self.new)

    def apply(self, package: Path) -> None:
        """Write this mutant into a copy of the package."""
        source = package / self.file
        source.write_text(self.changed(source.read_text(encoding="utf-8")), encoding="utf-8")


def catalogue(folder: Path = CATALOGUE) -> list[Mutant]:
    """Read all mutants, in the order in which they are listed.

    Raises:
        ValueError: two have one name.
        KeyError, TypeError: an entry lacks something, or has too much.
    """
    found: list[Mutant] = []
    for listing in sorted(folder.glob("*.toml")):
        for entry in tomllib.loads(listing.read_text(encoding="utf-8"))["mutant"]:
            found.append(Mutant(**entry | {"caught_by": tuple(entry["caught_by"]), "listed_in": listing.name}))
    names = [mutant.name for mutant in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"mutants need names of their own: {', '.join(twice)}")
    return found


def faults(mutants: list[Mutant], package: Path) -> list[str]:
    """All that is wrong with the entries: empty if each can be applied to this source."""
    return [fault for mutant in mutants for fault in mutant.faults(package)]
