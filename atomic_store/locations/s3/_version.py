"""What one write of an S3 object has left, and by what it is known again."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

WRITES = "atomic-store-writes"
"""The name in the object's metadata under which the ids of its last writes stand, newest first."""


class Version:
    """What one write has left: the ETag, which S3 compares, and the ids of the last writes.

    Attributes:
        etag: in quotes, never looked into; None: it equals nothing that is stored.
        writes: ids from the object's metadata, newest first; one list for all writes that were built on each other.
        pending: the id of a write of which nobody knows whether it took effect.
        base: what that write was to replace.
    """

    __slots__ = ("base", "etag", "pending", "writes")

    def __init__(self, etag: str | None, writes: tuple[str, ...], pending: str | None = None, base: object = None) -> None:
        # HTTP puts it in quotes; some services forget them in one answer or the other.
        self.etag = None if etag is None else '"' + etag.strip('"') + '"'
        self.writes = writes
        self.pending = pending
        self.base = base

    @classmethod
    def of(cls, answer: Any) -> Version:
        """Read it from the answer to HEAD or GET; some services change the case of names in the metadata."""
        ids = [text for name, text in answer.get("Metadata", {}).items() if name.lower() == WRITES]
        return cls(answer["ETag"], tuple(ids[0].split(",")) if ids else ())

    def is_pending_as(self, found: Version) -> bool:
        """Whether `found` is what the write with the unknown outcome has left."""
        return self.pending is not None and found.writes[:1] == (self.pending,)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Version):
            return NotImplemented
        return self is other or (self.etag is not None and self.etag == other.etag)

    __hash__ = None  # type: ignore[assignment]  # as in any place: a version is compared, and nothing else

    def __repr__(self) -> str:
        return f"<Version {self.etag or 'not known'}>"
