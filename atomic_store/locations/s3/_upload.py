"""The file that becomes the new object: one request if it is small, else parts that are sent while it is written."""

from __future__ import annotations

import io
import os
import tempfile
import threading

from .. import StoredFile, forked
from ._errors import NO_UPLOAD, Failure
from ._write import ATTEMPTS, Write, pause, resolve_pending

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Any

    from _typeshed import ReadableBuffer, WriteableBuffer

    from ._requests import Requests
    from ._version import Version

PART = 8 << 20
"""Bytes of a part; S3 accepts no less than 5 MB."""
PARALLEL = 3
"""How many parts are on their way at once: with the one that is being filled, memory for four."""
SAME_SIZE = 1000
"""How many parts have one size before it doubles: 10,000 parts, the most S3 accepts, then hold more than 5 TB."""


class Replacement:
    """One replacement of an object: the block writes, its end without an exception publishes."""

    def __init__(self, requests: Requests, expected: object) -> None:
        self._requests = requests
        self._expected = expected

    def __enter__(self) -> NewContent:
        write = Write(self._requests, resolve_pending(self._requests, self._expected))
        self._file = NewContent(self._requests, write)
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


class NewContent(StoredFile):
    """The content of the new object: a binary file that is sent in parts while it is written from front to back.

    A seek() before the first part was sent spools the file instead. It is then a temporary file, in memory
    up to 8 MB and on disk beyond, that can be read back and truncated, and it is sent when the block ends.
    """

    def __init__(self, requests: Requests, write: Write) -> None:
        self.name: str = requests.path
        self._requests = requests
        self._write = write
        self._buffer = bytearray()
        self._room = PART
        self._sent = 0
        self._upload: Upload | None = None
        self._spool: Any = None
        self._published: Version | None = None
        self._failure: BaseException | None = None
        self._process = os.getpid()

    @property
    def version(self) -> object:
        """The version of what was published."""
        return self._published

    def writable(self) -> bool:
        return True

    def readable(self) -> bool:
        return self._spool is not None

    def seekable(self) -> bool:
        return self._upload is None

    def write(self, data: ReadableBuffer) -> int:
        """Write all of the bytes. When a part is full and more comes, send the part."""
        if self._failure is not None or self.closed:
            self._raise_failure()
        size = len(data) if isinstance(data, bytes) else memoryview(data).nbytes
        try:
            if self._spool is not None:
                self._spool.write(data)
            elif len(self._buffer) + size <= self._room:
                self._buffer += data  # a serializer comes here a million times
            else:
                self._write_parts(memoryview(data).cast("B"))
        except BaseException as error:
            self._failure = error
            raise
        return size

    def tell(self) -> int:
        return self._sent + len(self._buffer) if self._spool is None else self._spool.tell()

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Move in the file, which is spooled from the first call on.

        Raises:
            UnsupportedOperation: a part was sent already. A format that seeks late calls seek() before it writes.
        """
        self._require_spool().seek(offset, whence)
        return self.tell()

    def truncate(self, size: int | None = None, /) -> int:
        """Cut or extend the file, which is spooled as by seek()."""
        spool = self._require_spool()
        spool.rollover()  # to the disk: in memory it could only be cut
        length: int = spool.truncate(size)
        return length

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Read back what was written; seek() comes before."""
        if self._spool is None:
            raise io.UnsupportedOperation(f"the new file of {self.name!r} can be read only after a seek()")
        view = memoryview(buffer).cast("B")
        data = self._spool.read(len(view))
        view[: len(data)] = data
        return len(data)

    def publish(self) -> None:
        """Make what was written the object's content."""
        if self._failure is not None:
            raise self._failure
        self._refuse_child()
        if self._spool is not None:
            self._spool.seek(0)
            while data := self._spool.read(PART):
                self._write_parts(memoryview(data))
        if self._upload is None:
            self._published = self._put()
        else:
            self._send_part()
            self._published = self._upload.complete(self._write, self._sent)

    def abort(self, error: BaseException) -> None:
        """Leave nothing behind. What cannot be removed is named in a note. A forked child leaves all to its parent."""
        if self._upload is not None and self._process == os.getpid():
            self._upload.abort(error)

    def close(self) -> None:
        if self._spool is not None:
            if self._process != os.getpid():
                # Closing writes what is buffered and moves the position, and the parent shares the open file.
                with open(os.devnull, "r+b", 0) as nothing:
                    os.dup2(nothing.fileno(), self._spool.fileno())
            self._spool.close()
        super().close()

    def _raise_failure(self) -> None:
        """Raise an earlier write error again, so that a format that swallowed it cannot publish a truncated file."""
        if self._failure is not None:
            raise self._failure
        raise ValueError(f"write to the closed file of {self.name!r}")

    def _refuse_child(self) -> None:
        """Raise in a forked child: the threads of the parent do not exist in it, and the upload is the parent's."""
        if self._process != os.getpid():
            raise forked(self.name)

    def _require_spool(self) -> Any:
        if self._failure is not None or self.closed:
            self._raise_failure()
        if self._upload is not None:
            raise io.UnsupportedOperation(
                f"{PART >> 20} MB of the new file of {self.name!r} were sent already, and cannot be changed: "
                "call seek(0) before the first write, so that the file is spooled"
            )
        if self._spool is None:
            self._spool = tempfile.SpooledTemporaryFile(PART)  # noqa: SIM115 - close() closes it
            self._spool.write(self._buffer)
            self._buffer = bytearray()
        return self._spool

    def _write_parts(self, view: memoryview) -> None:
        while view:
            if len(self._buffer) == self._room:
                self._send_part()
            taken = view[: self._room - len(self._buffer)]
            self._buffer += taken
            view = view[len(taken) :]

    def _send_part(self) -> None:
        self._refuse_child()
        if self._upload is None:
            self._upload = Upload(self._requests)
            self._upload.begin(self._write.options)
        part, self._buffer = self._buffer, bytearray()
        self._sent += len(part)
        self._room = PART << self._upload.send(part) // SAME_SIZE

    def _put(self) -> Version:
        # Before, not after: what progress raises must not make a failure of a commit that is stored.
        if self._buffer and self._requests.progress is not None:
            self._requests.progress(len(self._buffer))

        def send(condition: dict[str, Any]) -> Any:
            return self._requests.call("put_object", Body=self._buffer, **self._write.options, **condition)

        return self._write.publish(send, len(self._buffer), repeatable=True)


class Upload:
    """A multipart upload. Its requests are made by threads of its own, up to the completion.

    So Ctrl-C loses nothing: it interrupts the main thread, never between an answer and the note of what was
    answered. abort() waits for the requests, and then knows what there is. Where no thread can be started, because
    the interpreter is exiting or the process has too many, the calling thread makes the requests.
    """

    def __init__(self, requests: Requests) -> None:
        self._requests = requests
        self._free = threading.Semaphore(PARALLEL)
        self._id: str | None = None
        self._count = 0
        self._parts: dict[int, dict[str, Any]] = {}
        self._failure: BaseException | None = None
        self._sent = 0
        self._changed = threading.Condition()
        self._running = 0
        self._over = False

    def begin(self, options: dict[str, Any]) -> None:
        """Start the upload. The metadata goes along here and never again."""
        self._start(self._begin, options)
        self._wait_for(lambda: self._id is not None)
        self._raise_failure("begin an upload to")

    def send(self, part: bytearray) -> int:
        """Send one more part as soon as a slot is free. Return the number of parts."""
        self._free.acquire()
        self._raise_failure("upload a part of")
        self._report()
        self._count += 1
        self._start(self._send, self._count, part)
        return self._count

    def complete(self, write: Write, size: int) -> Version:
        """Wait for all parts and publish them."""
        self._wait_for(lambda: len(self._parts) == self._count)
        self._raise_failure("upload a part of")
        self._report()
        parts = [self._parts[number] for number in range(1, self._count + 1)]

        def send(condition: dict[str, Any]) -> Any:
            return self._requests.call(
                "complete_multipart_upload", UploadId=self._id, MultipartUpload={"Parts": parts}, **condition
            )

        # Some services ignore the condition of a completion: at least do not overwrite what can be seen.
        write.require()
        # "409" ends the upload on S3, and its parts are not in memory any more.
        return write.publish(send, size, repeatable=False)

    def abort(self, error: BaseException) -> None:
        """Wait for the requests under way, then abort: a part that arrives later would stay."""
        with self._changed:
            self._over = True
            self._changed.wait_for(lambda: not self._running)
        if self._id is None:
            return
        try:
            self._requests.abort_upload(self._id)
        except Exception as failure:  # noqa: BLE001 - whatever it is, the error that led here is the one to raise
            error.add_note(
                f"the unfinished upload {self._id} of {self._requests.path!r} could not be aborted ({failure}): "
                "abort_stale_uploads() removes it"
            )

    def _start(self, request: Callable[..., None], *args: Any) -> None:
        thread = threading.Thread(target=self._run, args=(request, *args), name="atomic_store upload")
        try:
            thread.start()
        except RuntimeError:
            self._run(request, *args)

    def _run(self, request: Callable[..., None], *args: Any) -> None:
        """Make a request in this thread, unless the upload was given up before."""
        with self._changed:
            if self._over:
                return
            self._running += 1
        try:
            request(*args)
        except BaseException as failure:  # noqa: BLE001 - handed to the thread that writes
            self._failure = self._failure or failure
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify_all()

    def _begin(self, options: dict[str, Any]) -> None:
        self._id = self._requests.call("create_multipart_upload", **options)["UploadId"]

    def _send(self, number: int, part: bytearray) -> None:
        try:
            answer = self._send_patiently(number, part)
            self._parts[number] = {"PartNumber": number, **self._named(answer)}
            with self._changed:
                self._sent += len(part)
        finally:
            self._free.release()

    def _send_patiently(self, number: int, part: bytearray) -> Any:
        """Send a part until it is stored: sending it again does no harm, and botocore gives up after a few faults."""
        attempt = 0
        while True:
            try:
                return self._requests.call("upload_part", UploadId=self._id, PartNumber=number, Body=part)
            except Failure as failure:
                attempt += 1
                if failure.refused or failure.code == NO_UPLOAD or attempt == ATTEMPTS or self._failure is not None:
                    raise
                pause(attempt)

    def _named(self, answer: Any) -> dict[str, Any]:
        """Return what the completion repeats of a part: its ETag, and its checksum if put_options ask for one."""
        checksums = "ChecksumAlgorithm" in self._requests.put_options
        return {
            name: value
            for name, value in answer.items()
            if name == "ETag" or (checksums and name.startswith("Checksum") and name != "ChecksumType")
        }

    def _report(self) -> None:
        with self._changed:
            sent, self._sent = self._sent, 0
        if sent and self._requests.progress is not None:
            self._requests.progress(sent)

    def _wait_for(self, done: Callable[[], bool]) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._failure is not None or done())

    def _raise_failure(self, doing: str) -> None:
        if isinstance(self._failure, Failure):
            raise self._failure.error(self._requests.path, doing) from self._failure.__cause__
        if self._failure is not None:
            raise self._failure
