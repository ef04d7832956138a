"""The file that becomes the new object: one request if it is small, else parts that are sent while it is written."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from .. import StoredFile
from ._errors import NO_UPLOAD, Failure
from ._write import ATTEMPTS, Write, pause

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Any

    from _typeshed import ReadableBuffer

    from . import S3Object
    from ._version import Version

PART = 8 << 20
"""Bytes of a part; the least that S3 takes is 5 MB."""
PARALLEL = 3
"""How many parts are on their way at once: with the one that is being filled, memory for four."""
SAME_SIZE = 1000
"""How many parts have one size before it doubles: 10,000 parts, the most there can be, then hold more than 5 TB."""


class Replacement:
    """One replacement of an object: the block writes, its clean end publishes."""

    def __init__(self, place: S3Object, expected: object) -> None:
        self._place = place
        self._expected = expected

    def __enter__(self) -> NewObject:
        self._file = NewObject(self._place, Write(self._place, self._place.settle(self._expected)))
        return self._file

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if error is None:
                self._file.publish()
            else:
                self._file.abort(error)
        except BaseException as failure:
            self._file.abort(failure)
            raise
        finally:
            self._file.close()


class NewObject(StoredFile):
    """The content of the new object: binary, written from front to back."""

    def __init__(self, place: S3Object, write: Write) -> None:
        self.name = place.path
        self._place = place
        self._write = write
        self._buffer = bytearray()
        self._room = PART
        self._size = 0
        self._upload: Upload | None = None
        self._published: Version | None = None
        self._failure: BaseException | None = None

    @property
    def version(self) -> object:
        """The version of what was published."""
        return self._published

    def writable(self) -> bool:
        """Say yes."""
        return True

    def tell(self) -> int:
        """Say how many bytes were written."""
        return self._size

    def write(self, data: ReadableBuffer) -> int:
        """Take all of the bytes; whenever a part is full and more comes, send it."""
        if self.closed:
            raise ValueError(f"write to the closed file of {self.name!r}")
        self._require_whole()
        view = memoryview(data).cast("B")
        size = len(view)
        try:
            while view:
                if len(self._buffer) == self._room:
                    self._send_part()
                taken = view[: self._room - len(self._buffer)]
                self._buffer += taken
                view = view[len(taken) :]
        except BaseException as error:
            self._failure = error
            raise
        self._size += size
        return size

    def _require_whole(self) -> None:
        """Raise the error of a write that has failed: a dump that swallows it shall not publish what is left."""
        if self._failure is not None:
            raise self._failure

    def publish(self) -> None:
        """Make what was written the object's content."""
        self._require_whole()
        if self._upload is None:
            self._published = self._put()
        else:
            self._send_part()
            self._published = self._upload.complete(self._write)

    def abort(self, error: BaseException) -> None:
        """Leave nothing behind; what cannot be removed is named in a note."""
        if self._upload is not None:
            self._upload.abort(error)

    def _send_part(self) -> None:
        if self._upload is None:
            self._upload = Upload(self._place)
            self._upload.begin(self._write.options)
        part, self._buffer = self._buffer, bytearray()
        self._room = PART << self._upload.send(part) // SAME_SIZE

    def _put(self) -> Version:
        # Before, not after: what progress raises must not make a failure of a commit that is stored.
        if self._buffer and self._place.progress is not None:
            self._place.progress(len(self._buffer))

        def send(condition: dict[str, Any]) -> Any:
            return self._place.call("put_object", Body=self._buffer, **self._write.options, **condition)

        return self._write.publish(send, repeatable=True)


class Upload:
    """A multipart upload. All its requests are made by threads of its own.

    That is also why Ctrl-C loses nothing: it strikes the main thread, never between an answer and
    the note of what was answered. Who aborts waits for the requests, and then knows what there is.
    The pool could not tell: Ctrl-C while it starts a thread leaves one that it does not know.
    """

    def __init__(self, place: S3Object) -> None:
        self._place = place
        self._threads = ThreadPoolExecutor(PARALLEL, "atomic_store upload")
        self._free = threading.Semaphore(PARALLEL)
        self._id: str | None = None
        self._count = 0
        self._parts: dict[int, dict[str, Any]] = {}
        self._failure: BaseException | None = None
        self._sent = 0
        self._requests = threading.Condition()
        self._running = 0
        self._over = False

    def begin(self, options: dict[str, Any]) -> None:
        """Start the upload; the metadata goes along here and never again."""
        self._threads.submit(self._run, self._begin, options).result()

    def send(self, part: bytearray) -> int:
        """Send one more part as soon as there is a free thread; give how many there are then."""
        self._free.acquire()
        self._raise_failure()
        self._report()
        self._count += 1
        self._threads.submit(self._run, self._send, self._count, part)
        return self._count

    def complete(self, write: Write) -> Version:
        """Wait for all parts and publish them."""
        self._threads.shutdown()
        self._raise_failure()
        self._report()
        parts = [self._parts[number] for number in range(1, self._count + 1)]

        def send(condition: dict[str, Any]) -> Any:
            return self._place.call(
                "complete_multipart_upload", UploadId=self._id, MultipartUpload={"Parts": parts}, **condition
            )

        # Some services ignore the condition of a completion: at least do not overwrite what can be seen.
        write.require()
        # "409" ends the upload on S3, and its parts are not in memory any more.
        return write.publish(send, repeatable=False)

    def abort(self, error: BaseException) -> None:
        """Wait for what is on its way, then abort: a part that arrives later would stay."""
        with self._requests:
            self._over = True
            self._requests.wait_for(lambda: not self._running)
        self._threads.shutdown(cancel_futures=True)
        if self._id is None:
            return
        try:
            self._place.abort_upload(self._id)
        except Exception as failure:  # noqa: BLE001 - whatever it is, the error that led here is the one to raise
            error.add_note(
                f"the unfinished upload {self._id} of {self._place.path!r} could not be aborted ({failure}): "
                "abort_stale_uploads() removes it"
            )

    def _run(self, request: Callable[..., None], *args: Any) -> None:
        """Make a request in this thread, unless it is too late for that."""
        with self._requests:
            if self._over:
                return
            self._running += 1
        try:
            request(*args)
        finally:
            with self._requests:
                self._running -= 1
                self._requests.notify_all()

    def _begin(self, options: dict[str, Any]) -> None:
        try:
            self._id = self._place.call("create_multipart_upload", **options)["UploadId"]
        except Failure as failure:
            raise failure.error(self._place.path, "begin an upload to") from failure.__cause__

    def _send(self, number: int, part: bytearray) -> None:
        try:
            answer = self._send_patiently(number, part)
        except BaseException as failure:  # noqa: BLE001 - handed to the thread that writes
            self._failure = self._failure or failure
        else:
            self._parts[number] = {"PartNumber": number, **self._named(answer)}
            with self._requests:
                self._sent += len(part)
        finally:
            self._free.release()

    def _send_patiently(self, number: int, part: bytearray) -> Any:
        """Send a part until it is there: sending it again does no harm, and botocore gives up early after many faults."""
        attempt = 0
        while True:
            try:
                return self._place.call("upload_part", UploadId=self._id, PartNumber=number, Body=part)
            except Failure as failure:
                attempt += 1
                if failure.refused or failure.code == NO_UPLOAD or attempt == ATTEMPTS or self._failure is not None:
                    raise
                pause(attempt)

    def _named(self, answer: Any) -> dict[str, Any]:
        """Give what the completion must repeat of a part: its ETag, and its checksum if the user has asked for one."""
        checksums = "ChecksumAlgorithm" in self._place.put_options
        return {
            name: value
            for name, value in answer.items()
            if name == "ETag" or (checksums and name.startswith("Checksum") and name != "ChecksumType")
        }

    def _report(self) -> None:
        with self._requests:
            sent, self._sent = self._sent, 0
        if sent and self._place.progress is not None:
            self._place.progress(sent)

    def _raise_failure(self) -> None:
        if isinstance(self._failure, Failure):
            raise self._failure.error(self._place.path, "upload a part of") from self._failure.__cause__
        if self._failure is not None:
            raise self._failure
