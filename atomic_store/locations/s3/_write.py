"""One write of an S3 object: under which condition, and what became of it when the answer does not say.

An answer can be lost after the write took effect; botocore sends the request again by itself and gets "412", for the
object is not the expected one any more: it is ours. So each write leaves an id in the object's metadata, in front of
those of the writes that it was built on. Whoever is told no, or nothing, looks for its id before it believes that.
"""

from __future__ import annotations

import errno
import os

from ...errors import UncertainCommitError
from .. import ANY, conflict
from ._errors import NO_UPLOAD, NOT_IMPLEMENTED, Failure
from ._version import WRITES, Version

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from . import S3Object

KEPT = 12
"""How many write ids an object carries: 200 bytes of the 2 KB that its metadata may have."""
ATTEMPTS = 4
"""How often a write is sent; botocore's own repetitions come on top."""

_takes_bare: set[str] = set()
"""Endpoints that compare only ETags without quotes (Ceph up to 16): known after one write there."""


class Write:
    """One write: send it with publish(), as often as it takes to know what became of it.

    Args:
        place: where to.
        expected: ANY, None or a version: what the object must be for the write to take effect.
    """

    def __init__(self, place: S3Object, expected: object) -> None:
        self._place = place
        self._base = expected
        self._id = os.urandom(8).hex()
        self._writes = (self._id, *(expected.writes if isinstance(expected, Version) else ()))[:KEPT]
        self._sent_again = False
        self._unanswered = False

    @property
    def options(self) -> dict[str, Any]:
        """What goes with the content: the user's metadata, and the ids of the writes."""
        return {"Metadata": {**self._place.put_options.get("Metadata", {}), WRITES: ",".join(self._writes)}}

    def require(self) -> None:
        """Raise ConflictError if the object is seen not to be the expected one."""
        if self._base is ANY:
            return
        try:
            found = self._place.look()
        except Failure as failure:
            raise failure.error(self._place.path, "look at") from failure.__cause__
        if found != self._base and not self._is_the_same_write(found):
            raise conflict(self._place.path, self._base, found)

    def _is_the_same_write(self, found: Version | None) -> bool:
        """Say whether it has at least the id of what we have read: some services tell two ETags of one object (rclone)."""
        return isinstance(self._base, Version) and found is not None and found.writes[:1] == self._base.writes[:1] != ()

    def publish(self, send: Callable[[dict[str, Any]], Any], repeatable: bool) -> Version:
        """Send the write under its condition; give the version that it leaves.

        Args:
            send: does one request, with the condition as arguments.
            repeatable: whether it may be sent again after "409", which ends a multipart upload.

        Raises:
            ConflictError: the object was not the expected one; nothing was written.
            UncertainCommitError: nobody knows.
            AccessError, LocationError, OSError: it was refused; nothing was written.
        """
        endpoint: str = self._place.client.meta.endpoint_url
        bare = endpoint in _takes_bare
        attempt = 0
        while True:
            try:
                answer = send(self._condition(bare))
            except Failure as failure:
                self._note(failure)
                version = self._find_out(failure, bare)
                if version is not None:
                    return version
                attempt += 1
                if attempt == ATTEMPTS or (failure.status == 409 and not repeatable):
                    raise self._give_up(failure) from failure.__cause__
                if failure.status == 412:
                    bare = True
                else:
                    self._sent_again = True
                    pause(attempt)
            else:
                if bare and isinstance(self._base, Version):
                    _takes_bare.add(endpoint)
                return self._left(answer)

    def _left(self, answer: Any) -> Version:
        """Give the version that the write has left, by its answer, which lacks the ETag on some services (Ceph 16)."""
        if answer.get("ETag"):
            return Version(answer["ETag"], self._writes)
        try:
            found = self._place.look()
        except Failure:
            found = None
        return found if found is not None and found.writes[:1] == (self._id,) else Version(None, self._writes)

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

    def _find_out(self, failure: Failure, bare: bool) -> Version | None:
        """Give what the write has left, None if it took no effect and may be sent again; else raise."""
        place, base = self._place, self._base
        if failure.refused and not self._sent_again:
            raise failure.error(place.path, "write") from failure.__cause__
        try:
            found = place.look()
        except Failure as blind:
            if failure.status == 412 and not self._sent_again:
                raise conflict(place.path, base, Version(None, ())) from failure.__cause__
            raise self._uncertain(failure, f"looking at it failed as well ({blind})") from failure.__cause__
        if found is not None and self._id in found.writes:
            # Further back: somebody has built on it since, and the next commit of ours must not overwrite that.
            return found if found.writes[0] == self._id else Version(None, self._writes)
        ended = failure.code == NO_UPLOAD and (found == base or (base is ANY and not self._sent_again))
        if failure.refused:
            raise self._uncertain(failure, "it was sent before, and had no answer then") from failure.__cause__
        if ended:
            raise self._give_up(failure) from failure.__cause__
        if base is ANY:
            if failure.code == NO_UPLOAD:
                raise self._uncertain(failure, "the object may have been replaced since") from failure.__cause__
            return None
        if found != base:
            if self._sent_again and self._may_be_forgotten(found):
                raise self._uncertain(failure, f"more than {KEPT} other writes came since") from failure.__cause__
            raise conflict(place.path, base, found) from failure.__cause__
        if failure.status == 412 and (bare or base is None):
            raise conflict(place.path, base, found) from failure.__cause__
        return None

    def _may_be_forgotten(self, found: Version | None) -> bool:
        """Say whether so many writes came since that our id has left the list."""
        if found is None or len(found.writes) < KEPT:
            return False
        return not (isinstance(self._base, Version) and self._base.writes and self._base.writes[0] in found.writes)

    def _give_up(self, failure: Failure) -> Exception:
        if failure.status in (409, 412) and self._base is not ANY:
            return conflict(self._place.path, self._base, self._base)
        if self._unanswered:
            return self._uncertain(failure, "what is stored is unchanged so far")
        return failure.error(self._place.path, "write")

    def _uncertain(self, failure: Failure, why: str) -> UncertainCommitError:
        return UncertainCommitError(
            errno.EIO,
            f"it cannot be known whether the write takes effect, {failure}; {why}. The next commit looks for it",
            self._place.path,
            version=Version(None, self._writes, self._id, self._base),
        )


def delete(place: S3Object, expected: object) -> None:
    """Delete the object, under a condition where the service knows one; see S3Object.delete."""
    try:
        _send_delete(place, {"IfMatch": expected.etag} if isinstance(expected, Version) else {})
    except Failure as failure:
        if failure.refused and not failure.retried:
            raise failure.error(place.path, "delete") from failure.__cause__
        try:
            found = place.look()
        except Failure as blind:
            raise _uncertain_delete(place, failure, f"looking failed as well ({blind})", expected) from failure.__cause__
        if found is None and (failure.retried or expected is ANY):
            return
        if expected is not ANY and found != expected:
            raise conflict(place.path, expected, found) from failure.__cause__
        if not failure.answered:
            raise _uncertain_delete(place, failure, "it is still there so far", found) from failure.__cause__
        raise failure.error(place.path, "delete") from failure.__cause__


def _send_delete(place: S3Object, condition: dict[str, Any]) -> None:
    try:
        place.call("delete_object", **condition)
    except Failure as failure:
        if not condition or failure.code != NOT_IMPLEMENTED:
            raise
        place.call("delete_object")  # this service knows no conditional delete; the caller has just looked


def _uncertain_delete(place: S3Object, failure: Failure, why: str, version: object) -> UncertainCommitError:
    return UncertainCommitError(
        errno.EIO, f"it cannot be known whether the delete takes effect, {failure}; {why}", place.path, version=version
    )


def pause(attempt: int) -> None:
    """Wait a little before trying again, at random, so that those who have met do not meet again."""
    import random
    import time

    time.sleep(random.uniform(0, 0.1 * 2**attempt))  # noqa: S311 - no secret
