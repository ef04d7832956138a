"""The content of an S3 object, as a stream."""

from __future__ import annotations

from .. import PIECE, StoredFile
from ._errors import Failure
from ._version import Version

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from _typeshed import WriteableBuffer

    from ._requests import Requests


def open_object(requests: Requests) -> Reader | None:
    """Open the object, or return None if it does not exist; see S3Object.read."""
    try:
        return Reader(requests, requests.call("get_object"))
    except Failure as failure:
        if failure.nothing_stored:
            return None
        raise failure.error(requests.path, "read") from failure.__cause__


class Reader(StoredFile):
    """The content of an object, read as a stream; one that ends early is an error."""

    def __init__(self, requests: Requests, answer: Any) -> None:
        self.name: str = requests.path
        self.size: int | None = answer.get("ContentLength")
        self._requests = requests
        self._body = answer["Body"]
        self._version = Version.of(answer)

    @property
    def version(self) -> Version:
        """The version that the service has named together with the content."""
        return self._version

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        data = self._receive(min(len(view), PIECE))  # a damaged pickle may claim to need gigabytes
        view[: len(data)] = data
        return len(data)

    def readall(self) -> bytes:
        if self._requests.progress is None:
            return self._receive(None)
        pieces: list[bytes] = []
        while data := self._receive(PIECE):
            pieces.append(data)
        return b"".join(pieces)

    def _receive(self, size: int | None) -> bytes:
        if self.closed:
            raise ValueError(f"read from the closed file of {self.name!r}")
        try:
            data = self._requests.receive(self._body, size)
        except Failure as failure:
            raise failure.error(self.name, "read to its end") from failure.__cause__
        if data and self._requests.progress is not None:
            self._requests.progress(len(data))
        return data

    def close(self) -> None:
        """Return the connection to the pool, or close it if the content was not read to its end."""
        self._body.close()
        super().close()
