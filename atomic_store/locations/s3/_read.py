"""The content of an S3 object, as a stream."""

from __future__ import annotations

from .. import PIECE, StoredFile
from ._errors import Failure
from ._version import Version

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from _typeshed import WriteableBuffer

    from . import S3Object


class Reader(StoredFile):
    """The content of an object, read as a stream; one that ends early is an error."""

    def __init__(self, place: S3Object, answer: Any) -> None:
        self.name = place.path
        self.size = answer.get("ContentLength")
        self._place = place
        self._body = answer["Body"]
        self._version = Version.of(answer)

    @property
    def version(self) -> Version:
        """The version that the service has named together with the content."""
        return self._version

    def readable(self) -> bool:
        """Say yes."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Read what comes next into the buffer."""
        view = memoryview(buffer).cast("B")
        data = self._take(min(len(view), PIECE))  # not what a damaged pickle claims to need
        view[: len(data)] = data
        return len(data)

    def readall(self) -> bytes:
        """Read all the rest, in one piece unless somebody wants to see the progress."""
        if self._place.progress is None:
            return self._take(None)
        pieces: list[bytes] = []
        while data := self._take(PIECE):
            pieces.append(data)
        return b"".join(pieces)

    def _take(self, size: int | None) -> bytes:
        if self.closed:
            raise ValueError(f"read from the closed file of {self.name!r}")
        try:
            data = self._place.receive(self._body, size)
        except Failure as failure:
            raise failure.error(self.name, "read to its end") from failure.__cause__
        if data and self._place.progress is not None:
            self._place.progress(len(data))
        return data

    def close(self) -> None:
        """Give the connection back, or close it where something was left unread."""
        self._body.close()
        super().close()
