"""check: try whether a location keeps the library's promises."""

from __future__ import annotations

import os

from .store import locate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .locations.base import Finding
    from .store import Path
else:
    Any = Finding = Path = object  # as in errors.py


class Report:
    """The result of check(): true if all promises are kept, `report["locks"]` for one, `str(report)` to read.

    Attributes:
        path: the location, as the program gave it.
        findings: a Finding for each promise, with `.promise`, `.kept` and `.text`.
        promises: a dict of the names of the promises to bools.
    """

    def __init__(self, path: Any, findings: list[Finding]) -> None:
        self.path = path
        self.findings = findings
        self.promises: dict[str, bool] = {finding.promise: finding.kept for finding in findings}

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
    """Try whether a location keeps the promises, under scratch names that are removed again.

    What is stored is not changed. For a file, the promises are:

    - access: the file can be read, and its directory can be written to;
    - rename: a file is replaced in one step, also as seen by another process;
    - create: creating a file does not overwrite one that appeared meanwhile;
    - directory_sync: a directory can be synced;
    - locks: a lock keeps other processes out;
    - mode, attributes: the new file can get those of the old one;
    - file_system: its type is listed as reliable in docs/guarantees.md.

    For an object on S3 they are:

    - access: the credentials suffice to read, write, upload in parts and delete;
    - create, replace, complete, delete: the service honours the condition of a PUT that creates, of one that
      replaces, of a CompleteMultipartUpload, of a DELETE;
    - etags: the service returns the same ETag for a write and a read;
    - metadata: the object's metadata is kept.

    False means that the promise is not kept or could not be tried; the report's text says why. True means
    that no violation was seen. No power was cut.

    Args:
        location: what open() takes as `path`. Nothing has to be stored there.

    Raises:
        LocationError, TypeError: `location` cannot name a location.
        NotImplementedError: the location is of a kind that has no probe.
        OSError: it is a directory or a device, or its symlinks form a loop.
    """
    place = locate(location)
    return Report(place.path, place.probe())
