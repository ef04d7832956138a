"""Print the lowest version that pyproject.toml allows of each dependency of users, as constraints for pip.

Needs the package packaging.
"""

from __future__ import annotations

import itertools
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

PROJECT = Path(__file__).resolve().parent.parent / "pyproject.toml"


def constraint(text: str) -> str:
    """Turn `name>=1.2` into `name==1.2`; raise ValueError for any other requirement."""
    requirement = Requirement(text)
    (bound,) = requirement.specifier
    if bound.operator != ">=":
        raise ValueError(f"{text!r} should have a lower bound, name>=version, and nothing else")
    marker = f" ; {requirement.marker}" if requirement.marker else ""
    return f"{requirement.name}=={bound.version}{marker}"


def main() -> None:
    """Print the constraints."""
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    extras = {name: texts for name, texts in project["optional-dependencies"].items() if name != "test"}
    print("\n".join(map(constraint, itertools.chain(project["dependencies"], *extras.values()))))


if __name__ == "__main__":
    main()
