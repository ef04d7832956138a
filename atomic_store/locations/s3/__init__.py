"""S3Object: one object on S3 or a compatible service, read, compared, replaced and deleted as a whole.

Imports go down: S3Object -> _probe, _upload, _read -> _write -> _requests -> _client -> _errors.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

from ...errors import ConflictError, LocationError, LockError, MissingLibraryError
from .. import ANY, Location, Lock, conflict
from ._errors import Failure, with_code
from ._probe import probe
from ._read import open_object
from ._upload import Replacement
from ._write import delete, resolve_pending

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .._finding import Finding
    from ._read import Reader
else:
    from _collections_abc import Callable  # noqa: TC003 - needed at run time, by typing.get_type_hints()

    Any = Finding = Reader = object  # as in errors.py

STALE_AFTER = 86400
"""Seconds: no commit takes a day; programs that know better call abort_stale_uploads()."""

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
    """One object on S3, replaced all or nothing, and by default only if no other writer has changed it.

    Stores on S3 have on_conflict="raise" by default: of two concurrent commits, the second raises
    ConflictError. There are no locks; use update().

    Args:
        bucket: the name of the bucket, or the ARN of an access point.
        key: the key of the object, used unchanged.
        client: a boto3 client, such as `boto3.client("s3")`. By default all stores of the process share one
            that is created as boto3.client("s3") does: from boto3's default session if the program has set
            one up, otherwise from AWS_* and ~/.aws.
        put_options: additional arguments of put_object, such as {"ServerSideEncryption": "aws:kms",
            "StorageClass": "STANDARD_IA", "ContentType": "text/plain"}. The default ContentType follows
            from the suffix of the key. Options that other requests accept, such as SSECustomerKey,
            RequestPayer and ExpectedBucketOwner, are sent with these too.
        progress: a function that is called with the number of bytes sent or received since its last call.
        keep_metadata: if True, a commit keeps the object's user metadata, ContentType, ContentEncoding,
            ContentDisposition, ContentLanguage, CacheControl, Expires and WebsiteRedirectLocation. Otherwise
            only put_options are stored. Tags and ACL are never kept.

    Attributes:
        bucket: as given.
        key: as given.
        put_options: as given.
        progress: as given.

    Raises:
        TypeError: an argument has the wrong type.
        LocationError: bucket or key cannot exist, or put_options has an argument that the store sets itself;
            at the first use: put_options has one that put_object does not know.
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
        keep_metadata: bool = False,
    ) -> None:
        path = f"s3://{bucket}/{key}"
        try:
            from ._requests import Requests  # here: boto3 takes 150 ms, and `from atomic_store import *` must not need it
        except MissingLibraryError as error:
            error.args = (f"{path!r}: {error}",)
            raise
        _require_text("bucket", bucket, path)
        _require_text("key", key, path)
        if key.endswith("/"):
            raise LocationError(f"path should name one object, and the key of {path!r} ends in a slash")
        if client is not None:
            _require_client(client)
        if put_options is not None and not hasattr(put_options, "keys"):
            raise TypeError(f"put_options should be a dict of arguments of put_object, not {put_options!r}")
        if progress is not None and not callable(progress):
            raise TypeError(f"progress should be a function that takes a number of bytes, not {progress!r}")
        if keep_metadata not in (True, False):
            raise TypeError(f"keep_metadata should be True or False, not {keep_metadata!r}")
        taken = sorted(_OURS.intersection(put_options or {}))
        if taken:
            raise LocationError(f"put_options of {path!r} should leave {', '.join(taken)} to the store")
        self.bucket = bucket
        self.key = key
        self.put_options: dict[str, Any] = put_options or {}
        self.progress = progress
        self._arguments = (bucket, key, client, put_options, progress, keep_metadata)
        self._requests = Requests(bucket, key, client, self.put_options, progress, _default_headers(key), keep_metadata)

    def __repr__(self) -> str:
        return f"S3Object({self.bucket!r}, {self.key!r})"

    def __reduce__(self) -> Any:
        """Make the object anew in the other process, with that process's client."""
        bucket, key, client, *options = self._arguments
        if client is not None:
            raise TypeError(f"{self!r} has a client of its own and cannot be pickled: pass the other process its path")
        return type(self), (bucket, key, client, *options)

    def __deepcopy__(self, memo: dict[int, Any]) -> S3Object:
        """Return an S3Object with the same client: connections cannot be copied."""
        bucket, key, client, put_options, progress, keep_metadata = self._arguments
        return type(self)(bucket, key, client, None if put_options is None else dict(put_options), progress, keep_metadata)

    @property
    def path(self) -> str:
        """The URL, as errors name the object."""
        return self._requests.path

    @property
    def client(self) -> Any:
        """The client that was given, or the shared one of the process.

        Raises:
            AccessError, LocationError, OSError: no client can be created from the environment.
        """
        return self._requests.client

    def read(self, exact: bool = False) -> Reader | None:  # noqa: ARG002 - an ETag is exact
        """Open the object, or return None if it does not exist: only if the service says "NoSuchKey".

        Raises:
            AccessError: the service refuses; without s3:ListBucket it refuses a missing key as well.
            LocationError: the bucket does not exist, or is elsewhere.
            OSError: anything else; ConnectionError: no answer.
        """
        return open_object(self._requests)

    def version(self, known: object = None) -> object:
        """Return the version that is stored now; `known` itself if that is what is stored."""
        try:
            found = self._requests.head()
        except Failure as failure:
            raise failure.error(self.path, "look at") from failure.__cause__
        if found is None:
            # The 404 of a HEAD has no code: it may be the bucket that is missing. GET tells.
            file = self.read()
            if file is None:
                return None
            with file:
                return file.version
        return known if known == found else found

    def replace(self, expected: object = ANY, exact: bool = False) -> Replacement:  # noqa: ARG002 - an ETag is exact
        """Replace the object by what the block writes, all or nothing; see Location.replace.

        Up to 8 MB are one request. A larger content is sent in parts while the block writes.
        """
        return Replacement(self._requests, expected)

    def delete(self, expected: object = ANY) -> None:
        """Delete the object. A missing object is not an error.

        Raises:
            ConflictError: the object is not the expected version. A service that does not know
                conditional deletes is asked right before; a change in between is deleted.
            UncertainCommitError: no answer came, and nobody knows.
        """
        if expected is not ANY:
            expected = resolve_pending(self._requests, expected)
            found = self.version()
            if found != expected:
                raise conflict(self.path, expected, found)
            if found is None:
                return
        delete(self._requests, expected)

    def set_aside(self, version: object) -> str:
        """Copy the object to KEY.corrupt-<UTC time>-<4 hex digits> and delete it; return the URL of the copy.

        Raises:
            ConflictError: the object is no longer this version.
            AccessError, OSError: it cannot be copied, and was left alone; or not deleted, and a note names the copy.
        """
        # Random as well: not every service refuses to copy over what exists.
        name = f"{self.key}.corrupt-{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{os.urandom(2).hex()}"
        aside = f"s3://{self.bucket}/{name}"
        source = {"Bucket": self.bucket, "Key": self.key}
        try:
            self._requests.call("copy_object", Key=name, CopySource=source)
        except Failure as failure:
            if not failure.nothing_stored:
                raise failure.error(self.path, "set aside") from failure.__cause__
            raise with_code(conflict(self.path, version, None), failure) from failure.__cause__
        try:
            self.delete(version)
        except ConflictError as error:
            try:
                self._requests.call("delete_object", Key=name)  # nobody knows whether it is a copy of this version
            except Failure as failure:
                error.add_note(f"the copy {aside!r} could not be removed: {failure}")
            raise
        except Exception as error:
            error.add_note(f"the copy {aside!r} was made before, and is still there")
            raise
        return aside

    def lock(self, timeout: float | None = None) -> Lock:  # noqa: ARG002 - there are none
        """Refuse: S3 has no locks.

        Raises:
            LockError: always.
        """
        raise LockError(f"there are no locks at {self.path!r}: use update(fn), which loses no update")

    def abort_stale_uploads(self, older_than: timedelta | float) -> int:
        """Abort multipart uploads of this key that killed programs have left. Return their number.

        Args:
            older_than: a timedelta, or seconds. A younger upload may be in progress: choose more than the
                longest commit takes.

        Raises:
            ValueError: `older_than` is negative.
            AccessError, OSError: uploads cannot be listed (s3:ListBucketMultipartUploads) or aborted.
        """
        try:
            stale, _ = self._uploads_by_age(older_than)
            return sum(self._requests.abort_upload(upload["UploadId"]) for upload in stale)
        except Failure as failure:
            raise failure.error(self.path, "abort unfinished uploads of") from failure.__cause__

    def clean(self, dry_run: bool = False) -> list[tuple[str, OSError | None]]:
        """Abort the uploads of this key that were begun more than a day ago; see Location.clean and abort_stale_uploads.

        Raises:
            AccessError, OSError: uploads cannot be listed (s3:ListBucketMultipartUploads) or aborted.
        """
        try:
            stale, _ = self._uploads_by_age(STALE_AFTER)
            return [
                (_described(upload), None) for upload in stale if dry_run or self._requests.abort_upload(upload["UploadId"])
            ]
        except Failure as failure:
            raise failure.error(self.path, "abort unfinished uploads of") from failure.__cause__

    def left_by_clean(self) -> list[tuple[str, str]]:
        """Return the uploads of this key that clean() leaves alone, each with the reason.

        Raises:
            AccessError, OSError: uploads cannot be listed (s3:ListBucketMultipartUploads).
        """
        try:
            _, young = self._uploads_by_age(STALE_AFTER)
        except Failure as failure:
            raise failure.error(self.path, "list unfinished uploads of") from failure.__cause__
        return [(_described(upload), "younger than a day, so it may belong to a commit") for upload in young]

    def probe(self) -> list[Finding]:
        """Find out which promises the service keeps, with these credentials; see Location.probe."""
        # 1024 bytes of UTF-8 are the most that a key may have.
        tail = f".{os.urandom(8).hex()}.check"
        scratch = self.key.encode()[: 1024 - len(tail)].decode(errors="ignore") + tail
        return probe(self._requests, self._requests.beside(scratch))

    def _uploads_by_age(self, older_than: timedelta | float) -> tuple[list[Any], list[Any]]:
        """List the unfinished uploads of this key: those that are older than so many seconds, and the others."""
        age = older_than if isinstance(older_than, timedelta) else timedelta(seconds=older_than)
        if age < timedelta(0):
            raise ValueError(f"older_than should be a timedelta or seconds from 0 up, not {older_than!r}")
        limit = datetime.now(UTC) - age
        stale: list[Any] = []
        young: list[Any] = []
        for upload in self._requests.uploads():
            (stale if upload["Initiated"] <= limit else young).append(upload)
        return stale, young


def from_url(url: str) -> S3Object:
    """Return the object that s3://bucket/key names. The key is taken as it is, without any decoding.

    The bucket may be the ARN of an access point, which has slashes of its own.
    """
    rest = url.partition("://")[2]
    parts = 1
    if rest.startswith("arn:"):
        resource = rest.split(":", 5)[-1]
        parts = (4 if resource.startswith("outpost/") else 2) if "/" in resource.split(":")[0] else 1
    pieces = rest.split("/", parts)
    bucket, key = "/".join(pieces[:parts]), "".join(pieces[parts:])
    if not bucket or not key:
        raise LocationError(f"path should be s3://bucket/key, with both of them, not {url!r}")
    return S3Object(bucket, key)


def _described(upload: Any) -> str:
    return f"upload {upload['UploadId']}, begun {upload['Initiated']:%Y-%m-%dT%H:%M:%SZ}"


def _require_client(client: Any) -> None:
    """Refuse what is not a client of S3, with the line that works."""
    meta = getattr(client, "meta", None)
    if hasattr(meta, "client"):
        raise TypeError(f"client should be a client, and not the resource {client!r}: pass client=resource.meta.client")
    if hasattr(client, "get_credentials"):
        make = "client" if hasattr(client, "client") else "create_client"
        raise TypeError(f'client should be a client, and not the session {client!r}: pass client=session.{make}("s3")')
    if not hasattr(client, "get_paginator") or hasattr(client, "__aenter__"):
        raise TypeError(f'client should be a client of boto3: pass client=boto3.client("s3"), not {client!r}')
    service = getattr(getattr(meta, "service_model", None), "service_name", "s3")
    if service != "s3":
        raise TypeError(f'client should be a client of S3, and this is one of {service}: pass client=boto3.client("s3")')


def _require_text(what: str, text: Any, path: str) -> None:
    if not isinstance(text, str):
        raise TypeError(f"{what} should be a str, not {text!r}")
    if not text or "\0" in text:
        raise LocationError(f"{what} should be text without NUL and is {text!r} in {path!r}")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise LocationError(f"{what} should be text that can be encoded, not {text!r} in {path!r} ({error})") from error


def _default_headers(key: str) -> dict[str, str]:
    """Return the content type for the key's suffix."""
    kind = _TYPES.get(key.rpartition("/")[2].rpartition(".")[2].lower())
    return {} if kind is None else {"ContentType": kind}
