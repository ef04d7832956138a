"""Print the lowest version of each dependency that pyproject.toml allows, as constraints for pip: python .ci/lowest.py.

With --extras, print the extras that users install instead, those of developers left out. Needs the package packaging.
"""

from __future__ import annotations

import itertools
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

PROJECT = Path(__file__).resolve().parent.parent / "pyproject.toml"
OF_DEVELOPERS = {"comparison", "dev", "docs", "ecosystem", "s3test", "test"}


def constraint(text: str) -> str:
    """Turn `name>=1.2` into `name==1.2`; whatever else it may demand is an error, for then the lowest is not that."""
    requirement = Requirement(text)
    (bound,) = requirement.specifier
    if bound.operator != ">=":
        raise ValueError(f"{text!r} should have a lower bound, name>=version, and nothing else")
    marker = f" ; {requirement.marker}" if requirement.marker else ""
    return f"{requirement.name}=={bound.version}{marker}"


def main() -> None:
    """Print what the command line asks for."""
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    extras = {name: texts for name, texts in project["optional-dependencies"].items() if name not in OF_DEVELOPERS}
    if sys.argv[1:] == ["--extras"]:
        print(",".join(sorted(extras)))
    else:
        print("\n".join(map(constraint, itertools.chain(project["dependencies"], *extras.values()))))


if __name__ == "__main__":
    main()
