"""Find out what the service of an S3 object keeps: whether it honours conditions, and lets these credentials in.

Services that are compatible with S3 often accept a condition, ignore it and answer "done", which a program
cannot notice. So each condition is tried once where it does not hold and once where it does, on an
object of its own, `KEY.<16 hex digits>.check`, which is deleted again.
"""

from __future__ import annotations

from functools import partial

from ...errors import AtomicStoreError
from .._finding import Finding
from ._errors import NOT_IMPLEMENTED, Failure
from ._read import open_object
from ._version import WRITES, Version

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ._requests import Requests

_REFUSED = (404, 409, 412)
"""What a service answers whose condition does not hold; 404: there is nothing that could match."""


def probe(requests: Requests, scratch_requests: Requests) -> list[Finding]:
    """Find out which promises the place of an object keeps; see S3Object.probe.

    Args:
        requests: the handle of the object, which is only read.
        scratch_requests: that of a key where nothing is stored.
    """
    scratch = Scratch(requests, scratch_requests)
    try:
        findings = scratch.findings()
    except BaseException as error:
        left = scratch.remove(interrupted=True)
        if left:
            error.add_note(left)
        raise
    left = scratch.remove(interrupted=False)
    if left and findings[0].kept:
        findings[0] = Finding(findings[0].promise, False, left)
    return findings


class Scratch:
    """A scratch object in the same bucket, on which each promise is tried."""

    def __init__(self, requests: Requests, scratch_requests: Requests) -> None:
        self._real = requests
        self._object = scratch_requests
        self._begun: list[str] = []
        self._count = 0

    def findings(self) -> list[Finding]:
        """Try one promise after the other."""
        found = [Finding("access", *self._tried(self._access))]
        tries: dict[str, Callable[[], tuple[bool, str]]] = {
            "create": self._create,
            "replace": self._replace,
            "complete": self._complete,
            "delete": self._delete,
            "metadata": self._metadata,
            "etags": self._etags,
        }
        for promise, trial in tries.items():
            if found[0].kept:
                found.append(Finding(promise, *self._tried(trial)))
            else:
                found.append(Finding(promise, False, "not tried, for lack of access"))
        return found

    def remove(self, interrupted: bool) -> str:
        """Abort and delete all of it. Return the text to report if that fails, else ""."""
        try:
            for upload in self._begun:
                self._object.abort_upload(upload)
            if interrupted:  # the answer to "begin an upload" may be what has been lost
                for upload in self._object.uploads():
                    self._object.abort_upload(upload["UploadId"])
            self._object.call("delete_object")
        except (Failure, OSError, AtomicStoreError) as failure:
            return f"the scratch object {self._object.path!r} could not be removed: {failure}"
        return ""

    def _tried(self, trial: Callable[[], tuple[bool, str]]) -> tuple[bool, str]:
        try:
            return trial()
        except Failure as failure:
            return False, str(failure.error(self._object.path, "try out"))
        except (OSError, AtomicStoreError) as error:
            return False, str(error)

    def _access(self) -> tuple[bool, str]:
        stored = open_object(self._real)
        if stored is not None:
            stored.close()
        self._put()
        content = open_object(self._object)
        if content is None:
            return False, "what was just written cannot be found"
        content.close()
        self._object.head()
        self._object.abort_upload(self._begin())
        self._object.call("delete_object")
        seen = "nothing is stored yet" if stored is None else "what is stored can be read"
        return True, f"{seen}; these credentials may read, write, upload in parts and delete here"

    def _create(self) -> tuple[bool, str]:
        self._object.call("delete_object")
        if not self._accepts(lambda: self._put(IfNoneMatch="*")):
            return False, "a PUT that only creates is refused where nothing is stored"
        if self._accepts(lambda: self._put(IfNoneMatch="*")):
            return False, (
                "the condition If-None-Match of a PUT is ignored: of two programs that both create the object "
                "one overwrites the other, and neither gets an error"
            )
        return True, "a PUT that only creates is refused where something is stored"

    def _replace(self) -> tuple[bool, str]:
        stale, now = self._put(), self._put()
        if self._accepts(lambda: self._put(IfMatch=stale)):
            return False, (
                "the condition If-Match of a PUT is ignored: what another writer has stored meanwhile is "
                "overwritten without an error"
            )
        if self._accepts(lambda: self._put(IfMatch=now)):
            return True, "a PUT over another writer's change is refused"
        if self._accepts(lambda: self._put(IfMatch=now.strip('"'))):
            return True, "a PUT over another writer's change is refused; ETags are compared without their quotes"
        return False, "a PUT is refused also where the object has not changed"

    def _complete(self) -> tuple[bool, str]:
        stale, now = self._put(), self._put()
        ignored: list[str] = []
        for name, condition in (("If-None-Match", {"IfNoneMatch": "*"}), ("If-Match", {"IfMatch": stale})):
            if self._accepts(partial(self._upload, **condition)):
                ignored.append(name)
                now = self._put()
        if ignored:
            return False, (
                f"a CompleteMultipartUpload ignores its conditions ({', '.join(ignored)}): a value over 8 MB may "
                "overwrite what another writer stores in the instant before, without an error"
            )
        if self._accepts(lambda: self._upload(IfMatch=now)) or self._accepts(lambda: self._upload(IfMatch=now.strip('"'))):
            return True, "a value over 8 MB is refused over another writer's change"
        return False, "a CompleteMultipartUpload is refused also where the object has not changed"

    def _delete(self) -> tuple[bool, str]:
        stale, now = self._put(), self._put()
        try:
            if self._accepts(lambda: self._object.call("delete_object", IfMatch=stale)) or self._object.head() is None:
                return False, (
                    "the condition If-Match of a DELETE is ignored: what another writer stores in the instant before "
                    "is deleted without an error"
                )
        except Failure as failure:
            if failure.code != NOT_IMPLEMENTED:
                raise
            return False, "a DELETE knows no conditions: the object is looked at right before, and that is not exact"
        if self._accepts(lambda: self._object.call("delete_object", IfMatch=now)):
            return True, "a DELETE of another writer's change is refused"
        return False, "a DELETE is refused also where the object has not changed"

    def _metadata(self) -> tuple[bool, str]:
        self._object.call("put_object", Body=b"metadata", Metadata={WRITES: "kept"})
        answer = self._object.call("head_object")
        if Version.of(answer).writes != ("kept",):
            return False, "the object's metadata is lost: a write whose answer is lost looks like another writer's"
        return True, "the object's metadata is kept, by which a write whose answer was lost is recognised"

    def _etags(self) -> tuple[bool, str]:
        answer = self._object.call("put_object", Body=self._content())
        found = self._object.head()
        content = open_object(self._object)
        if found is None or content is None:
            return False, "what was just written cannot be found"
        content.close()
        named = {"PUT": Version(answer.get("ETag"), ()).etag, "HEAD": found.etag, "GET": content.version.etag}
        if len(set(named.values())) > 1:
            return False, (
                "one object has several ETags ("
                + ", ".join(f"{method}: {etag}" for method, etag in named.items())
                + "): a commit recognises its own write by the metadata, and may take a request more"
            )
        return True, "PUT, HEAD and GET name the same ETag"

    def _accepts(self, request: Callable[[], Any]) -> bool:
        """Send a request. Return whether it was done, or refused because of its condition."""
        try:
            request()
        except Failure as failure:
            if failure.status not in _REFUSED:
                raise
            return False
        return True

    def _put(self, **condition: str) -> str:
        """Write what was never written before and return its ETag."""
        self._object.call("put_object", Body=self._content(), **condition)
        found = self._object.head()
        return found.etag or "" if found is not None else ""

    def _begin(self) -> str:
        upload: str = self._object.call("create_multipart_upload")["UploadId"]
        self._begun.append(upload)
        return upload

    def _upload(self, **condition: str) -> None:
        """Write by an upload of one part."""
        upload = self._begin()
        part = self._object.call("upload_part", UploadId=upload, PartNumber=1, Body=self._content())
        parts = [{"PartNumber": 1, "ETag": part["ETag"]}]
        self._object.call("complete_multipart_upload", UploadId=upload, MultipartUpload={"Parts": parts}, **condition)

    def _content(self) -> bytes:
        self._count += 1
        return b"content %d" % self._count
