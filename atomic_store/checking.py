"""check: find out whether a place that one does not trust keeps the library's promises."""

from __future__ import annotations

import os

from .store import locate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .locations import Finding
    from .store import Path


class Report:
    """What check() has found out: true if every promise is kept, and as a str it is text for a person.

    `report["locks"]` says whether one promise is kept.

    Attributes:
        path: the place, as the program spelled it.
        findings: for each promise its name, `.promise`, whether it is kept, `.kept`, and what was seen, `.text`.
        promises: the same as a dict of bools.
    """

    def __init__(self, path: Any, findings: list[Finding]) -> None:
        self.path = path
        self.findings = findings
        self.promises = {finding.promise: finding.kept for finding in findings}

    def __bool__(self) -> bool:
        return all(self.promises.values())

    def __getitem__(self, promise: str) -> bool:
        return self.promises[promise]

    def __str__(self) -> str:
        broken = [name for name, kept in self.promises.items() if not kept]
        head = "keeps every promise" if self else f"cannot be relied on for: {', '.join(broken)}"
        width = max(map(len, self.promises), default=0)
        lines = [f"  {'yes' if each.kept else 'NO ':3} {each.promise:{width}}  {each.text}" for each in self.findings]
        return "\n".join([f"{os.fspath(self.path)!r} {head}", *lines])

    def __repr__(self) -> str:
        return f"<Report on {self.path!r}: {self.promises}>"


def check(location: Path) -> Report:
    """Find out whether a place keeps the promises, with scratch names of its own that it removes again.

    What is stored is not touched. For a file, the report's promises are:

    - access: what is stored can be read, and its directory written to;
    - rename: a file is replaced in one instant, also under the eyes of another process;
    - create: what has appeared meanwhile is not overwritten by who only creates;
    - directory_sync: a name can be made durable;
    - locks: they keep other processes out;
    - mode, attributes: those of the old file stay;
    - file_system: its type is one that docs/guarantees.md vouches for.

    For an object on S3 they are:

    - access: the credentials are sufficient to read, write, upload in parts and delete;
    - create, replace, complete, delete: the service honours the conditions of a PUT that only creates, of
      one that replaces, of a CompleteMultipartUpload, of a DELETE;
    - metadata: the object's metadata is kept.

    A false one is not kept, or nobody can vouch for it; the report's text says why. A true one was not
    seen to be broken: no power was cut.

    Args:
        location: what open() takes as `path`; it need not hold anything yet.

    Raises:
        LocationError, TypeError: `location` can be none.
        NotImplementedError: it is a place of a kind that cannot be checked.
        OSError: it is a directory or a device, or its links go round in a circle.
    """
    place = locate(location)
    return Report(place.path, place.probe())
