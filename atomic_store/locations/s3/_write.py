"""One write of an S3 object: under which condition, and what became of it when the answer does not say.

An answer can be lost after the write took effect. botocore then sends the request again by itself and gets "412", because
the object is no longer the expected one: it is ours. So each write leaves an id in the object's metadata, before the ids
of the writes that it was built on. A write that is refused, or not answered, looks for its id before it believes that.
"""

from __future__ import annotations

import errno
import os
import random
import time
from email.utils import parsedate_to_datetime

from ...errors import UncertainCommitError
from .. import ANY, conflict
from ._errors import NO_CONDITIONS, NO_UPLOAD, NOT_IMPLEMENTED, NOT_S3, UNMET_CONDITION, Failure, with_code
from ._version import WRITES, Version

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ._requests import Requests

KEPT = 12
"""How many write ids an object carries: 200 bytes of the 2 KB that its metadata may have."""
ATTEMPTS = 4
"""How often a write is sent; botocore's own repetitions come on top."""

takes_bare: set[str] = set()
"""Endpoints that compare only ETags without quotes (Ceph up to 16): known after one write there."""
two_etags: set[str] = set()
"""Endpoints that give one object different ETags in their answers to PUT, GET and HEAD: known after one write there."""


class Write:
    """One write: publish() sends it as often as it takes to know what became of it.

    Args:
        requests: the handle of the object.
        expected: ANY, None or a version: what the object must be for the write to take effect.
    """

    def __init__(self, requests: Requests, expected: object) -> None:
        self._requests = requests
        self._base = expected
        self._id = os.urandom(8).hex()
        self._writes = (self._id, *(expected.writes if isinstance(expected, Version) else ()))[:KEPT]
        self._headers: dict[str, Any] = {}
        if requests.keep_metadata:
            # Asked for now: a change of metadata alone leaves the ETag, and is no conflict.
            replaced = None if expected is None else self._look("look at")
            self._headers = dict(replaced.headers) if isinstance(replaced, Version) else {}
        self._sent_again = False
        self._unanswered = False

    @property
    def options(self) -> dict[str, Any]:
        """What is stored beside the content: headers, the user's metadata and the ids of the writes."""
        chosen = self._requests.put_options
        offered = {**self._requests.default_headers, **self._headers}
        headers = {name: value for name, value in offered.items() if name not in chosen}
        metadata = {**self._headers.get("Metadata", {}), **chosen.get("Metadata", {}), WRITES: ",".join(self._writes)}
        return {**headers, "Metadata": metadata}

    def require(self) -> None:
        """Raise ConflictError if a HEAD shows that the object is not the expected one."""
        if self._base is ANY:
            return
        found = self._look("look at")
        if found != self._base:
            raise conflict(self._requests.path, self._base, found)
        self._base = found

    def publish(self, send: Callable[[dict[str, Any]], Any], size: int, repeatable: bool) -> Version:
        """Send the write under its condition and return the version that it leaves.

        Args:
            send: makes one request, with the condition as arguments.
            size: how many bytes are written.
            repeatable: whether it may be sent again after "409", which ends a multipart upload.

        Raises:
            ConflictError: the object was not the expected one; nothing was written.
            UncertainCommitError: nobody knows whether it was written.
            AccessError, LocationError, OSError: it was refused; nothing was written.
        """
        endpoint = self._requests.endpoint
        bare = endpoint in takes_bare
        attempt = 0
        while True:
            base = self._base
            try:
                answer = send(self._condition(bare))
            except Failure as failure:
                self._note(failure)
                version = self._find_out(failure)
                if version is not None:
                    return version
                attempt += 1
                if attempt == ATTEMPTS or (failure.status == 409 and not repeatable):
                    raise self._give_up(failure) from failure.__cause__
                if failure.status == 412 and self._base is base:
                    bare = not bare
                self._sent_again = self._sent_again or failure.status != 412
                pause(attempt)
            else:
                if bare and isinstance(self._base, Version):
                    takes_bare.add(endpoint)
                return self._left(answer, size)

    def _left(self, answer: Any, size: int) -> Version:
        """Return the version that the write has left, by its answer. On some services (Ceph 16) that has no ETag."""
        if not answer.get("ETag"):
            return self._left_without_etag()
        version = Version(answer["ETag"], self._writes)
        version.size = size
        version.written_by = _date(answer)
        version.headers = self.options
        del version.headers["Metadata"][WRITES]
        return version

    def _left_without_etag(self) -> Version:
        try:
            found = self._requests.head()
        except Failure as failure:
            if failure.code != NOT_S3:
                return Version(None, self._writes)  # the next commit looks for the write id
            raise self._uncertain(failure, "the answer to the write has no ETag either") from failure.__cause__
        if found is None:
            text = "the service answers that it has stored the object, without an ETag, and then that there is none"
            lost = Failure(NOT_S3, 0, retried=False, answered=False, text=text)
            raise self._uncertain(lost, "check AWS_ENDPOINT_URL_S3 and the network")
        return found if found.writes[:1] == (self._id,) else Version(None, self._writes)

    def _look(self, doing: str) -> Version | None:
        try:
            return self._requests.head()
        except Failure as failure:
            raise failure.error(self._requests.path, doing) from failure.__cause__

    def _note(self, failure: Failure) -> None:
        self._sent_again = self._sent_again or failure.retried
        self._unanswered = self._unanswered or not failure.answered

    def _condition(self, bare: bool) -> dict[str, Any]:
        if self._base is ANY:
            return {}
        if not isinstance(self._base, Version):
            return {"IfNoneMatch": "*"}
        etag = self._base.etag or ""
        return {"IfMatch": etag.strip('"') if bare else etag}

    def _find_out(self, failure: Failure) -> Version | None:
        """Return what the write has left, or None if it took no effect and may be sent again; else raise."""
        path, base = self._requests.path, self._base
        if failure.refused and not self._sent_again:
            raise self._error(failure) from failure.__cause__
        try:
            found = self._requests.head()
        except Failure as blind:
            if failure.status == 412 and base is not ANY and not self._sent_again:
                raise with_code(conflict(path, base, Version(None, ())), failure) from failure.__cause__
            raise self._uncertain(failure, f"looking at it failed as well ({blind})") from failure.__cause__
        if found is not None and self._id in found.writes:
            # Further back: another writer has built on it since, and our next commit must not overwrite that.
            return found if found.writes[0] == self._id else Version(None, self._writes)
        ended = failure.code == NO_UPLOAD and (found == base or (base is ANY and not self._sent_again))
        if failure.refused:
            raise self._uncertain(failure, "it was sent before, and was not answered then") from failure.__cause__
        if ended:
            raise self._give_up(failure) from failure.__cause__
        if base is ANY:
            if failure.code == NO_UPLOAD:
                raise self._uncertain(failure, "the object may have been replaced since") from failure.__cause__
            return None
        if found != base:
            if self._sent_again and self._may_be_forgotten(found):
                raise self._uncertain(failure, f"more than {KEPT} other writes came since") from failure.__cause__
            raise with_code(conflict(path, base, found), failure) from failure.__cause__
        if isinstance(found, Version) and isinstance(base, Version) and found.etag != base.etag:
            # The same write under another ETag: the one that HEAD gives is worth a try.
            two_etags.add(self._requests.endpoint)
            self._base = found
        return None

    def _may_be_forgotten(self, found: Version | None) -> bool:
        """Return whether so many writes came since that our id has left the list."""
        if found is None or len(found.writes) < KEPT:
            return False
        return not (isinstance(self._base, Version) and self._base.writes and self._base.writes[0] in found.writes)

    def _error(self, failure: Failure) -> Exception:
        """Return the error of a write that was refused: a service may lack the condition, or compare it wrongly."""
        unknown = failure.code == NOT_IMPLEMENTED or failure.status in (405, 501)
        hint = ""
        if self._base is not ANY:
            hint = NO_CONDITIONS if unknown else UNMET_CONDITION if failure.status == 412 else ""
        return failure.error(self._requests.path, "write", hint)

    def _give_up(self, failure: Failure) -> Exception:
        if failure.status == 409 and self._base is not ANY:
            return with_code(conflict(self._requests.path, self._base, self._base), failure)
        if self._unanswered:
            return self._uncertain(failure, "what is stored is unchanged so far")
        return self._error(failure)

    def _uncertain(self, failure: Failure, why: str) -> UncertainCommitError:
        error = UncertainCommitError(
            errno.EIO,
            f"it cannot be known whether the write takes effect, {failure}; {why}. The next commit looks for it",
            self._requests.path,
            version=Version(None, self._writes, self._id, self._base),
        )
        return with_code(error, failure)


def resolve_pending(requests: Requests, expected: object) -> object:
    """Return the version to expect, with the ETag by which the service compares.

    After a commit whose outcome or ETag was not known, and on services that give several ETags, look for its write id.

    Raises:
        ConflictError: neither that commit nor what it was to replace is stored.
        AccessError, LocationError, OSError: it cannot be looked at.
    """
    if not isinstance(expected, Version) or (expected.etag is not None and requests.endpoint not in two_etags):
        return expected
    try:
        found = requests.head()
    except Failure as failure:
        raise failure.error(requests.path, "look at") from failure.__cause__
    if found == expected or (expected.pending is not None and found == expected.base):
        return found
    raise conflict(requests.path, expected, found)


def delete(requests: Requests, expected: object) -> None:
    """Delete the object, under a condition where the service knows one; see S3Object.delete."""
    path = requests.path
    try:
        _send_delete(requests, {"IfMatch": expected.etag} if isinstance(expected, Version) else {})
    except Failure as failure:
        if failure.refused and not failure.retried:
            raise failure.error(path, "delete") from failure.__cause__
        try:
            found = requests.head()
        except Failure as blind:
            raise _uncertain_delete(path, failure, f"looking failed as well ({blind})", expected) from failure.__cause__
        if found is None and (failure.retried or expected is ANY):
            return
        if expected is not ANY and found != expected:
            raise with_code(conflict(path, expected, found), failure) from failure.__cause__
        if not failure.answered:
            raise _uncertain_delete(path, failure, "it is still there so far", found) from failure.__cause__
        if failure.status != 412 or not isinstance(expected, Version) or found is None or found.etag == expected.etag:
            raise failure.error(path, "delete") from failure.__cause__
        two_etags.add(requests.endpoint)
        delete(requests, found)


def _send_delete(requests: Requests, condition: dict[str, Any]) -> None:
    try:
        requests.call("delete_object", **condition)
    except Failure as failure:
        if not condition or failure.code != NOT_IMPLEMENTED:
            raise
        requests.call("delete_object")  # this service knows no conditional delete; the caller has just looked


def _uncertain_delete(path: str, failure: Failure, why: str, version: object) -> UncertainCommitError:
    error = UncertainCommitError(
        errno.EIO, f"it cannot be known whether the delete takes effect, {failure}; {why}", path, version=version
    )
    return with_code(error, failure)


def _date(answer: Any) -> float | None:
    """Return the Date of an answer in seconds, None if it has none."""
    text = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    try:
        return None if text is None else parsedate_to_datetime(text).timestamp()
    except ValueError:
        return None


def pause(attempt: int) -> None:
    """Wait a short random time before the next try, so that writers who have met do not meet again."""
    time.sleep(random.uniform(0, 0.1 * 2**attempt))  # noqa: S311 - no secret
