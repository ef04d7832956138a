"""What can be found out about the place of an S3 object: whether the service honours conditions, and lets us in.

Services that speak the language of S3 often take a condition, ignore it and answer "done": nobody who uses
them would notice. So each condition is tried once where it does not hold and once where it does, on an
object of its own, `KEY.<16 hex digits>.check`, which is deleted again.
"""

from __future__ import annotations

import os
from functools import partial

from ...errors import AtomicStoreError
from .. import Finding
from ._errors import NOT_IMPLEMENTED, Failure
from ._version import WRITES, Version

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from . import S3Object

_REFUSED = (404, 409, 412)
"""What a service answers whose condition does not hold; 404: there is nothing that could match."""


def probe(place: S3Object) -> list[Finding]:
    """Find out which promises the place of this object keeps."""
    scratch = Scratch(place)
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
    """An object beside the real one, with which things are tried."""

    def __init__(self, place: S3Object) -> None:
        self._place = place
        self._object = place.beside(f".{os.urandom(8).hex()}.check")
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
        }
        for promise, trial in tries.items():
            if found[0].kept:
                found.append(Finding(promise, *self._tried(trial)))
            else:
                found.append(Finding(promise, False, "not tried, for lack of access"))
        return found

    def remove(self, interrupted: bool) -> str:
        """Abort and delete all of it; give what to say if that fails, else ""."""
        try:
            for upload in self._begun:
                self._object.abort_upload(upload)
            if interrupted:  # the answer to "begin an upload" may be what has been lost
                self._object.abort_stale_uploads(0)
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
        stored = self._place.read()
        if stored is not None:
            stored.close()
        self._put()
        content = self._object.read()
        if content is None:
            return False, "what was just written cannot be found"
        content.close()
        self._object.look()
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
                "the condition If-None-Match of a PUT is ignored: of two programs that both make the object "
                "one overwrites the other, and neither is told"
            )
        return True, "a PUT that only creates is refused where something is stored"

    def _replace(self) -> tuple[bool, str]:
        stale, now = self._put(), self._put()
        if self._accepts(lambda: self._put(IfMatch=stale)):
            return False, (
                "the condition If-Match of a PUT is ignored: what somebody else has written meanwhile is "
                "overwritten, and nobody is told"
            )
        if self._accepts(lambda: self._put(IfMatch=now)):
            return True, "a PUT over somebody else's change is refused"
        if self._accepts(lambda: self._put(IfMatch=now.strip('"'))):
            return True, "a PUT over somebody else's change is refused; ETags are compared without their quotes"
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
                "overwrite what somebody else writes in the instant before, and nobody is told"
            )
        if self._accepts(lambda: self._upload(IfMatch=now)) or self._accepts(lambda: self._upload(IfMatch=now.strip('"'))):
            return True, "a value over 8 MB is refused over somebody else's change"
        return False, "a CompleteMultipartUpload is refused also where the object has not changed"

    def _delete(self) -> tuple[bool, str]:
        stale, now = self._put(), self._put()
        try:
            if self._accepts(lambda: self._object.call("delete_object", IfMatch=stale)) or self._object.look() is None:
                return False, (
                    "the condition If-Match of a DELETE is ignored: what somebody else writes in the instant before "
                    "is deleted, and nobody is told"
                )
        except Failure as failure:
            if failure.code != NOT_IMPLEMENTED:
                raise
            return False, "a DELETE knows no conditions: the object is looked at right before, and that is not exact"
        if self._accepts(lambda: self._object.call("delete_object", IfMatch=now)):
            return True, "a DELETE of somebody else's change is refused"
        return False, "a DELETE is refused also where the object has not changed"

    def _metadata(self) -> tuple[bool, str]:
        self._object.call("put_object", Body=b"metadata", Metadata={WRITES: "kept"})
        answer = self._object.call("head_object")
        if Version.of(answer).writes != ("kept",):
            return False, "the object's metadata is lost: a write whose answer is lost looks like somebody else's"
        return True, "the object's metadata is kept, by which a write is known whose answer was lost"

    def _accepts(self, request: Callable[[], Any]) -> bool:
        """Send a request; say whether it was done, or refused because of its condition."""
        try:
            request()
        except Failure as failure:
            if failure.status not in _REFUSED:
                raise
            return False
        return True

    def _put(self, **condition: str) -> str:
        """Write what was never written before; give its ETag."""
        self._object.call("put_object", Body=self._content(), **condition)
        found = self._object.look()
        return found.etag or "" if found is not None else ""

    def _begin(self) -> str:
        upload: str = self._object.call("create_multipart_upload")["UploadId"]
        self._begun.append(upload)
        return upload

    def _upload(self, **condition: str) -> None:
        """Write in parts, of which there is one."""
        upload = self._begin()
        part = self._object.call("upload_part", UploadId=upload, PartNumber=1, Body=self._content())
        parts = [{"PartNumber": 1, "ETag": part["ETag"]}]
        self._object.call("complete_multipart_upload", UploadId=upload, MultipartUpload={"Parts": parts}, **condition)

    def _content(self) -> bytes:
        self._count += 1
        return b"content %d" % self._count
