"""What one write of an S3 object has left, and how it is recognised."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

WRITES = "atomic-store-writes"
"""The name in the object's metadata under which the ids of its last writes stand, newest first."""
_HEADERS = (
    "CacheControl",
    "ContentDisposition",
    "ContentEncoding",
    "ContentLanguage",
    "ContentType",
    "Expires",
    "WebsiteRedirectLocation",
)
_DRIFT = 2  # seconds by which the Last-Modified of a write may be later than the Date of the answer to it


class Version:
    """What one write has left: the ETag, which S3 compares, and the ids of the last writes.

    Two versions are equal if their ETags are, or if they are the same write. Some services give the ETag of one
    object differently in the answers to PUT, HEAD and GET.

    Attributes:
        etag: in quotes, never looked into; None: not known.
        writes: ids from the object's metadata, newest first; each write puts its own before those it was built on.
        pending: the id of a write of which nobody knows whether it took effect.
        base: what that write was to replace.
        size: of the content in bytes, None: not known.
        modified: the time in Last-Modified, or None.
        written_by: for a write of ours, the Date of the answer to it, or None.
        headers: arguments of put_object that would store the object's headers and metadata again.
    """

    def __init__(self, etag: str | None, writes: tuple[str, ...], pending: str | None = None, base: object = None) -> None:
        # HTTP puts it in quotes, and some services forget them; a proxy that compresses makes it weak.
        self.etag: str | None = None if etag is None else '"' + etag.removeprefix("W/").strip('"') + '"'
        self.writes: tuple[str, ...] = writes
        self.pending: str | None = pending
        self.base: object = base
        self.size: int | None = None
        self.modified: float | None = None
        self.written_by: float | None = None
        self.headers: dict[str, Any] = {}

    @classmethod
    def of(cls, answer: Any) -> Version:
        """Read the version from the answer to HEAD or GET; some services change the case of names in the metadata."""
        metadata = answer.get("Metadata", {})
        ids = [text for name, text in metadata.items() if name.lower() == WRITES]
        version = cls(answer["ETag"], tuple(ids[0].split(",")) if ids else ())
        version.size = answer.get("ContentLength")
        if "LastModified" in answer:
            version.modified = answer["LastModified"].timestamp()
        version.headers = {name: answer[name] for name in _HEADERS if name in answer}
        version.headers["Metadata"] = {name: text for name, text in metadata.items() if name.lower() != WRITES}
        return version

    def is_same_write(self, other: Version) -> bool:
        """Return whether both name the same write first, and nothing shows that a tool has copied its metadata."""
        if self.writes[:1] != other.writes[:1] or not self.writes:
            return False
        if None not in (self.size, other.size) and self.size != other.size:
            return False
        if None not in (self.modified, other.modified):
            return self.modified == other.modified
        return not (self._was_modified_after(other) or other._was_modified_after(self))

    def _was_modified_after(self, write: Version) -> bool:
        return None not in (self.modified, write.written_by) and self.modified > write.written_by + _DRIFT  # type: ignore[operator]  # not None, just said

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Version):
            return NotImplemented
        return self is other or (self.etag is not None and self.etag == other.etag) or self.is_same_write(other)

    __hash__: None = None  # type: ignore[assignment]  # as in any location: a version is compared, and nothing else

    def __repr__(self) -> str:
        return f"<Version {self.etag or 'not known'}>"
