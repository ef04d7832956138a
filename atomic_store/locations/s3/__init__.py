"""S3Object: one object on S3 or a service that speaks its language, read, compared, replaced and deleted as a whole."""

from __future__ import annotations

from ...errors import ConflictError, LocationError, LockError
from .. import ANY, Location, Lock, conflict
from ._errors import NO_KEY, NO_UPLOAD, Failure
from ._version import Version

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta
    from typing import Any

    from .. import Finding
    from ._read import Reader
    from ._upload import Replacement

STALE_AFTER = 86400
"""Seconds: no commit takes a day; whoever knows better calls abort_stale_uploads()."""

_OURS = {"Bucket", "Key", "Body", "IfMatch", "IfNoneMatch", "ContentLength", "ContentMD5", "WriteOffsetBytes"}
_TYPES = {
    "cbor": "application/cbor",
    "csv": "text/csv; charset=utf-8",
    "json": "application/json",
    "toml": "application/toml",
    "txt": "text/plain; charset=utf-8",
    "xml": "application/xml",
    "yaml": "application/yaml",
    "yml": "application/yaml",
}


class S3Object(Location):
    """One object on S3, replaced all or nothing, and by default only if nobody else has changed it.

    Two programs that run at the same time get a ConflictError instead of a lost update, for a
    store here has on_conflict="raise" unless it is told otherwise. There are no locks: use update().

    Args:
        bucket: the bucket's name, or the ARN of an access point.
        key: the object's key, taken as it is.
        client: a client of boto3, `boto3.client("s3")` or a session's; never a resource. None: one
            of this process's own, made once from the environment and ~/.aws.
        put_options: more arguments of put_object, such as {"ServerSideEncryption": "aws:kms",
            "StorageClass": "STANDARD_IA", "ContentType": "text/plain"}. Without a ContentType, it
            follows from the key's suffix. What also concerns reading (SSECustomerKey) is used there too.
        progress: called with the number of bytes sent or received since its last call.

    Raises:
        TypeError: bucket or key is no str, `client` no client, put_options no dict, or progress no function.
        LocationError: bucket or key can be none, or an option is the store's own; from the first use: it is
            no argument of put_object.
        MissingLibraryError: boto3 is not installed.
    """

    has_lock = False
    on_conflict = "raise"

    def __init__(
        self,
        bucket: str,
        key: str,
        client: Any = None,
        put_options: dict[str, Any] | None = None,
        progress: Callable[[int], object] | None = None,
    ) -> None:
        from . import _client  # here: 150 ms that only a store on S3 pays

        if client is not None and not hasattr(client, "get_paginator"):
            raise TypeError(f"client should be a client such as boto3.client('s3'), never a resource or session: {client!r}")
        self._path = f"s3://{bucket}/{key}"
        self._boto = _client
        self.bucket = _text("bucket", bucket, self._path)
        self.key = _text("key", key, self._path)
        if key.endswith("/"):
            raise LocationError(f"path should name one object, and the key of {self._path!r} ends in a slash")
        if put_options is not None and not hasattr(put_options, "keys"):
            raise TypeError(f"put_options should be a dict of arguments of put_object, not {put_options!r}")
        if progress is not None and not callable(progress):
            raise TypeError(f"progress should be a function that takes a number of bytes, not {progress!r}")
        taken = sorted(_OURS.intersection(put_options or {}))
        if taken:
            raise LocationError(f"put_options of {self._path!r} should leave {', '.join(taken)} to the store")
        self.put_options = _with_type(put_options or {}, key)
        self.progress = progress
        self._client = client

    def __repr__(self) -> str:
        return f"S3Object({self.bucket!r}, {self.key!r})"

    @property
    def path(self) -> str:
        """The URL s3://bucket/key."""
        return self._path

    @property
    def client(self) -> Any:
        """The client that was given, or the one of this process.

        Raises:
            AccessError, LocationError: the environment's settings give none.
        """
        if self._client is not None:
            return self._client
        try:
            return self._boto.client()
        except Failure as failure:
            raise failure.error(self._path, "make a client for") from failure.__cause__

    def call(self, method: str, **arguments: Any) -> Any:
        """Call a method of the client for this object; what goes wrong is a Failure.

        Raises:
            LocationError: put_options has what put_object does not know: left out, a misspelled encryption would be none.
        """
        client = self.client
        unknown = sorted(self.put_options.keys() - self._boto.known(client, "put_object"))
        if unknown:
            raise LocationError(
                f"put_options of {self._path!r} should be arguments of put_object, and {', '.join(unknown)} is none"
            )
        return self._boto.call(client, method, {"Bucket": self.bucket, "Key": self.key, **arguments}, self.put_options)

    def read(self, exact: bool = False) -> Reader | None:  # noqa: ARG002 - an ETag is exact
        """Open the object, or return None when there is none: the service says "NoSuchKey", and nothing else will do.

        Raises:
            AccessError: the service does not let us; a missing key looks the same to those who may not list the bucket.
            LocationError: the bucket does not exist, or is elsewhere.
            OSError: anything else; ConnectionError: no answer.
        """
        from ._read import Reader

        try:
            return Reader(self, self.call("get_object"))
        except Failure as failure:
            if failure.code == NO_KEY:
                return None
            raise failure.error(self._path, "read") from failure.__cause__

    def version(self, known: object = None) -> object:
        """Say which version is stored now; `known` itself where that is what is stored."""
        try:
            found = self.look()
        except Failure as failure:
            raise failure.error(self._path, "look at") from failure.__cause__
        if found is None:
            # HEAD's 404 has no code: it may be the bucket that is missing. GET says which.
            file = self.read()
            if file is None:
                return None
            with file:
                return file.version
        return known if isinstance(known, Version) and known.is_pending_as(found) else found

    def replace(self, expected: object = ANY, exact: bool = False) -> Replacement:  # noqa: ARG002 - an ETag is exact
        """Replace the object by what the block writes, all or nothing; see Location.replace.

        Up to 8 MB are one request; more is sent in parts while the block writes.
        """
        from ._upload import Replacement

        return Replacement(self, expected)

    def delete(self, expected: object = ANY) -> None:
        """Delete the object; that there is none is no error.

        Raises:
            ConflictError: the object is not the expected version. A service that does not know
                conditional deletes is asked right before; a change in between goes with the object.
            UncertainCommitError: no answer came, and nobody knows.
        """
        from ._write import delete

        if expected is not ANY:
            expected = self.settle(expected)
            found = self.version(expected)
            if found != expected:
                raise conflict(self._path, expected, found)
            if found is None:
                return
        delete(self, expected)

    def set_aside(self, version: object) -> str:
        """Copy the object to KEY.corrupt-<UTC time>-<4 hex digits> and delete it; give the copy's URL.

        Raises:
            ConflictError: the object is no longer this version.
            AccessError, OSError: it cannot be copied; it was left alone.
        """
        import os
        from datetime import UTC, datetime

        # Random as well: not every service refuses to copy over what exists.
        name = f"{self.key}.corrupt-{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{os.urandom(2).hex()}"
        source = {"Bucket": self.bucket, "Key": self.key}
        try:
            self.call("copy_object", Key=name, CopySource=source)
        except Failure as failure:
            if failure.code != NO_KEY:
                raise failure.error(self._path, "set aside") from failure.__cause__
            raise conflict(self._path, version, None) from failure.__cause__
        try:
            self.delete(version)
        except ConflictError as error:
            try:
                self.call("delete_object", Key=name)  # nobody knows whether it is a copy of this version
            except Failure as failure:
                error.add_note(f"the copy 's3://{self.bucket}/{name}' could not be removed: {failure}")
            raise
        return f"s3://{self.bucket}/{name}"

    def lock(self, timeout: float | None = None) -> Lock:  # noqa: ARG002 - there are none
        """Refuse: S3 has no locks.

        Raises:
            LockError: always.
        """
        raise LockError(f"there are no locks at {self._path!r}: use update(fn), which loses nobody's update")

    def receive(self, body: Any, size: int | None) -> bytes:
        """Read from the body of an answer; what goes wrong is a Failure."""
        return self._boto.read(body, size)

    def abort_stale_uploads(self, older_than: timedelta | float) -> int:
        """Abort multipart uploads of this very key that killed programs have left; say how many.

        Args:
            older_than: a timedelta or seconds. A younger upload may still be at work: choose more
                than the longest commit takes.

        Raises:
            ValueError: `older_than` is negative.
            AccessError, OSError: uploads cannot be listed (s3:ListBucketMultipartUploads) or aborted.
        """
        try:
            return sum(self.abort_upload(upload["UploadId"]) for upload in self._stale_uploads(older_than))
        except Failure as failure:
            raise failure.error(self._path, "abort unfinished uploads of") from failure.__cause__

    def clean(self, dry_run: bool = False) -> list[tuple[str, OSError | None]]:
        """Abort the uploads of this key that were begun more than a day ago; see Location.clean and abort_stale_uploads.

        Raises:
            AccessError, OSError: uploads cannot be listed (s3:ListBucketMultipartUploads) or aborted.
        """
        try:
            return [
                (f"upload {upload['UploadId']}, begun {upload['Initiated']:%Y-%m-%dT%H:%M:%SZ}", None)
                for upload in self._stale_uploads(STALE_AFTER)
                if dry_run or self.abort_upload(upload["UploadId"])
            ]
        except Failure as failure:
            raise failure.error(self._path, "abort unfinished uploads of") from failure.__cause__

    def probe(self) -> list[Finding]:
        """Find out which promises the service keeps, with these credentials; see Location.probe."""
        from ._probe import probe

        return probe(self)

    def beside(self, tail: str) -> S3Object:
        """Give an object whose key is this one's and `tail`, with the same client and options."""
        # 1024 bytes of UTF-8 are the most that a key may have.
        begin = self.key.encode()[: 1024 - len(tail)].decode(errors="ignore")
        return S3Object(self.bucket, begin + tail, self._client, self.put_options)

    def _stale_uploads(self, older_than: timedelta | float) -> list[Any]:
        """List the unfinished uploads of this key that are older than so many seconds; see abort_stale_uploads."""
        from datetime import UTC, datetime, timedelta

        age = older_than if isinstance(older_than, timedelta) else timedelta(seconds=older_than)
        if age < timedelta(0):
            raise ValueError(f"older_than should be a timedelta or seconds from 0 up, not {older_than!r}")
        limit = datetime.now(UTC) - age
        return [upload for upload in self._uploads() if upload["Initiated"] <= limit]

    def _uploads(self) -> list[Any]:
        """List the unfinished uploads of this key, and not of those that only begin like it."""
        try:
            pages = list(
                self._boto.pages(self.client, "list_multipart_uploads", {"Bucket": self.bucket, "Prefix": self.key})
            )
        except Failure as failure:
            if failure.code != NO_UPLOAD:  # rclone's way to say that there are none
                raise
            return []
        return [upload for page in pages for upload in page.get("Uploads", ()) if upload["Key"] == self.key]

    def abort_upload(self, upload: str) -> bool:
        """Abort a multipart upload by its id; False: there is none such any more."""
        try:
            self.call("abort_multipart_upload", UploadId=upload)
        except Failure as failure:
            if failure.code != NO_UPLOAD:
                raise
            return False  # it was finished or aborted meanwhile
        return True

    def look(self) -> Version | None:
        """Ask for the version without the content; None for 404, whatever it is that is missing."""
        try:
            return Version.of(self.call("head_object"))
        except Failure as failure:
            if failure.status == 404:
                return None
            raise

    def settle(self, expected: object) -> object:
        """Give the version to expect after a commit whose outcome or ETag was not known: look for its write id.

        Raises:
            ConflictError: neither that commit nor what it was to replace is stored.
        """
        if not isinstance(expected, Version) or expected.etag is not None:
            return expected
        found = self.version()
        if isinstance(found, Version) and expected.is_pending_as(found):
            return found
        if expected.pending is not None and found == expected.base:
            return found
        raise conflict(self._path, expected, found)


def from_url(url: str) -> S3Object:
    """Give the object that s3://bucket/key names; the key is taken as it is, without any decoding."""
    bucket, _, key = url.partition("://")[2].partition("/")
    if not bucket or not key:
        raise LocationError(f"path should be s3://bucket/key, with both of them, not {url!r}")
    return S3Object(bucket, key)


def _text(what: str, text: Any, path: str) -> str:
    if not isinstance(text, str):
        raise TypeError(f"{what} should be a str, not {text!r}")
    if not text or "\0" in text:
        raise LocationError(f"{what} should be text without NUL and is {text!r} in {path!r}")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise LocationError(f"{what} should be text that can be encoded, not {text!r} in {path!r} ({error})") from error
    return text


def _with_type(options: dict[str, Any], key: str) -> dict[str, Any]:
    """Add the content type that the key's suffix stands for, unless the user has one."""
    kind = _TYPES.get(key.rpartition("/")[2].rpartition(".")[2].lower())
    return options if kind is None else {"ContentType": kind, **options}
