"""Every request about one object: its arguments, the options that go with it, and whether the answer is one of S3."""

from __future__ import annotations

from ...errors import LocationError
from . import _client
from ._errors import NO_UPLOAD, NOT_S3, RENEWABLE, Failure
from ._version import Version

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_REQUIRED = {
    "get_object": ("Body", "ETag"),
    "head_object": ("ETag",),
    "create_multipart_upload": ("UploadId",),
    "upload_part": ("ETag",),
    "copy_object": ("CopyObjectResult",),
}
"""What an answer of S3 has. That to a PUT or a completion lacks the ETag on some services (Ceph 16)."""

_EMPTY = ("delete_object", "abort_multipart_upload")
"""What S3 answers with 204. A web page instead has done nothing."""

_OF_SOURCE = {
    "ExpectedBucketOwner": "ExpectedSourceBucketOwner",
    "SSECustomerAlgorithm": "CopySourceSSECustomerAlgorithm",
    "SSECustomerKey": "CopySourceSSECustomerKey",
    "SSECustomerKeyMD5": "CopySourceSSECustomerKeyMD5",
}
"""Arguments of a copy that concern what is copied, by the option that has their value."""


class Requests:
    """Makes every request about one object. The parts of an S3Object get this handle, never the S3Object.

    Attributes:
        bucket, key, path: the object; `path` is its URL.
        given: the client of the program, or None.
        put_options: arguments of put_object. Those that another request knows go with it, too.
        progress: called with numbers of bytes, or None.
        default_headers: arguments of put_object that put_options and kept headers override.
        keep_metadata: whether a commit stores the headers and metadata of the object that it replaces again.
    """

    def __init__(
        self,
        bucket: str,
        key: str,
        given: Any,
        put_options: dict[str, Any],
        progress: Callable[[int], object] | None,
        default_headers: dict[str, str],
        keep_metadata: bool,
    ) -> None:
        self.bucket = bucket
        self.key = key
        self.path: str = f"s3://{bucket}/{key}"
        self.given = given
        self.put_options = put_options
        self.progress = progress
        self.default_headers = default_headers
        self.keep_metadata = keep_metadata
        if given is not None:
            _client.prepare(given)

    @property
    def client(self) -> Any:
        """The client that was given, or the one of this process.

        Raises:
            AccessError, LocationError, OSError: the environment's settings give none.
        """
        if self.given is not None:
            return self.given
        try:
            return _client.client()
        except Failure as failure:
            raise failure.error(self.path, "make a client for") from failure.__cause__

    @property
    def endpoint(self) -> str:
        """The URL of the service."""
        url: str = self.client.meta.endpoint_url
        return url

    def beside(self, key: str) -> Requests:
        """Return the handle of another key of the bucket, with the same client and options."""
        return Requests(self.bucket, key, self.given, self.put_options, None, {}, keep_metadata=False)

    def call(self, method: str, **arguments: Any) -> Any:
        """Call a method of the client for this object, once more if its credentials have expired and there are newer ones.

        Raises:
            Failure: the answer is an error or is not S3's, or there is none.
            LocationError: put_options has what put_object does not know: a misspelled encryption would be no encryption.
        """
        client = self.client
        unknown = sorted(self.put_options.keys() - _client.known(client, "put_object"))
        if unknown:
            raise LocationError(
                f"put_options of {self.path!r} should be arguments of put_object, and {', '.join(unknown)} is not one"
            )
        complete = {"Bucket": self.bucket, "Key": self.key, **arguments}
        return self._renewing(client, lambda client: self._checked(client, method, complete))

    def head(self) -> Version | None:
        """Return the version without the content; None for 404, whether the object or its bucket is missing.

        Raises:
            Failure: as call().
        """
        try:
            return Version.of(self.call("head_object"))
        except Failure as failure:
            if failure.status == 404 or failure.nothing_stored:
                return None
            raise

    def receive(self, body: Any, size: int | None) -> bytes:
        """Read from the body of an answer.

        Raises:
            Failure: it ends early.
        """
        return _client.read(body, size)

    def uploads(self) -> list[Any]:
        """List the unfinished uploads of this key, without those of keys that only begin like it.

        Raises:
            Failure: as call().
        """
        wanted = {"Bucket": self.bucket, "Prefix": self.key}
        try:
            pages = self._renewing(self.client, lambda client: self._pages(client, "list_multipart_uploads", wanted))
        except Failure as failure:
            if failure.code != NO_UPLOAD:  # rclone's way to say that there are none
                raise
            return []
        found = [upload for page in pages for upload in page.get("Uploads", ())]
        if not all({"Key", "UploadId", "Initiated"} <= upload.keys() for upload in found):
            text = "a list of uploads without keys, ids or times"
            raise Failure(NOT_S3, 0, retried=False, answered=False, text=text)
        return [upload for upload in found if upload["Key"] == self.key]

    def abort_upload(self, upload: str) -> bool:
        """Abort a multipart upload by its id. Return whether it still existed.

        Raises:
            Failure: as call().
        """
        try:
            self.call("abort_multipart_upload", UploadId=upload)
        except Failure as failure:
            if failure.code != NO_UPLOAD:
                raise
            return False  # it was finished or aborted meanwhile
        return True

    def _renewing(self, client: Any, request: Callable[[Any], Any]) -> Any:
        try:
            return request(client)
        except Failure as failure:
            newer = _client.renewed(client) if self.given is None and failure.code in RENEWABLE else None
            if newer is None:
                raise
            first = failure
        try:
            return request(newer)
        except Failure as failure:
            failure.retried = failure.retried or first.retried
            raise

    def _checked(self, client: Any, method: str, arguments: dict[str, Any]) -> Any:
        answer = _client.call(client, method, {**self._options(client, method), **arguments})
        try:
            _require_s3(method, answer)
        except BaseException:
            if "Body" in answer:
                answer["Body"].close()  # else its connection stays open for as long as somebody keeps the error
            raise
        return answer

    def _pages(self, client: Any, method: str, arguments: dict[str, Any]) -> list[Any]:
        return list(_client.pages(client, method, {**self._options(client, method), **arguments}))

    def _options(self, client: Any, method: str) -> dict[str, Any]:
        """Return the put_options that this method knows, and for a copy those of its source."""
        known = _client.known(client, method)
        options = {name: value for name, value in self.put_options.items() if name in known}
        for name, of_source in _OF_SOURCE.items():
            if of_source in known and name in options:
                options[of_source] = options[name]
        return options


def _require_s3(method: str, answer: Any) -> None:
    """Raise a Failure for an answer that lacks what S3's has, or is a delete marker."""
    meta = answer.get("ResponseMetadata", {})
    missing = [name for name in _REQUIRED.get(method, ()) if not answer.get(name)]
    if answer.get("DeleteMarker") and method in ("get_object", "head_object"):
        raise Failure("DeleteMarker", 404, retried=False, answered=True, text="a delete marker", delete_marker=True)
    html = meta.get("HTTPHeaders", {}).get("content-type", "").startswith("text/html")
    if method in _EMPTY and meta.get("HTTPStatusCode") != 204 and html:
        missing.append("status 204")
    if missing:
        text = f"an answer without {', '.join(missing)} to {method}, status {meta.get('HTTPStatusCode')}"
        raise Failure(NOT_S3, 0, retried=meta.get("RetryAttempts", 0) > 0, answered=False, text=text)
