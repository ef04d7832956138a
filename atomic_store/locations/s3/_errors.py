"""Map errors of S3 and of the network to exceptions with a likely cause and a way out."""

from __future__ import annotations

import errno

from ...errors import AccessError, LocationError, shortened

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeVar

    E = TypeVar("E", bound=Exception)

NO_KEY = "NoSuchKey"
NO_BUCKET = "NoSuchBucket"
NO_UPLOAD = "NoSuchUpload"
NOT_IMPLEMENTED = "NotImplemented"
NO_ENDPOINT = "InvalidEndpoint"
"""Our own code for an endpoint from which botocore makes no client: one without http:// for instance."""
NOT_S3 = "NotAnAnswerOfS3"
"""Our own code for an answer that S3 never gives: no ETag, HTML, a body that cannot be parsed."""

_RIGHTS = (
    "these credentials lack a permission. They need s3:GetObject, s3:PutObject and s3:DeleteObject on the object; "
    "without s3:ListBucket on the bucket, a key that does not exist is refused too"
)
_EXPIRED = "the credentials have expired: get new ones, for instance with `aws sso login`"
_UNKNOWN = "the service does not know these credentials: check AWS_PROFILE, ~/.aws and the endpoint"
_NONE = "no usable credentials were found: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or pass client="
_REGION = "the bucket is in another region: set AWS_DEFAULT_REGION, or pass client="
_ENDPOINT = (
    "AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL or the profile's endpoint_url is no URL: it begins with http:// or https://"
)
_UNREACHABLE = "the endpoint cannot be reached: check the network, AWS_ENDPOINT_URL_S3 and the region"
_CUT = "the connection ended before all of the content had come, or the content was damaged on its way: try again"
_BUSY = "the service is overloaded or broken; nothing is wrong with the request, try again later"
_NO_S3 = (
    "the answer is not one of S3: a proxy or a login page of the network, or a service that is not compatible with S3. "
    "Check AWS_ENDPOINT_URL_S3 and the network; atomic_store.check() tells what a service does"
)
_LOCKED = 'the bucket has Object Lock and wants a checksum: S3Object(..., put_options={"ChecksumAlgorithm": "SHA256"})'
_WITHOUT_CONDITIONS = (
    'If only one program writes at a time, open the store with on_conflict="overwrite" (update() needs the conditions); '
    "atomic_store.check() tells what the service does"
)
NO_CONDITIONS = f"the service does not implement conditional writes. {_WITHOUT_CONDITIONS}"
UNMET_CONDITION = f"the service says that the object is not the expected one, and it is. {_WITHOUT_CONDITIONS}"

_ACCESS = {
    "AccessDenied": _RIGHTS,
    "AllAccessDisabled": _RIGHTS,
    "Forbidden": _RIGHTS,
    "403": _RIGHTS,
    "401": _UNKNOWN,
    "ExpiredToken": _EXPIRED,
    "ExpiredTokenException": _EXPIRED,
    "RequestExpired": _EXPIRED,
    "TokenRefreshRequired": _EXPIRED,
    "TokenRetrievalError": _EXPIRED,
    "SSOTokenLoadError": _EXPIRED,
    "UnauthorizedSSOTokenError": _EXPIRED,
    "InvalidAccessKeyId": _UNKNOWN,
    "InvalidClientTokenId": _UNKNOWN,
    "InvalidToken": _UNKNOWN,
    "SignatureDoesNotMatch": _UNKNOWN,
    "RequestTimeTooSkewed": "the clock of this machine is wrong by more than 15 minutes",
    "NoCredentialsError": _NONE,
    "PartialCredentialsError": _NONE,
    "CredentialRetrievalError": _NONE,
    "ProfileNotFound": _NONE,
}
_PLACE = {
    NO_BUCKET: "the bucket does not exist at this endpoint: create it, or check its name, AWS_PROFILE and the endpoint",
    "InvalidBucketName": "a bucket cannot have this name",
    "KeyTooLongError": "a key has 1024 bytes of UTF-8 at most",
    "ParamValidationError": "the request was refused before it was sent: check bucket, key and put_options",
    "AuthorizationHeaderMalformed": _REGION,
    "IllegalLocationConstraintException": _REGION,
    "IncorrectEndpoint": _REGION,
    "PermanentRedirect": _REGION,
    "301": _REGION,
    "NoRegionError": "no region is set: set AWS_DEFAULT_REGION, or pass client=",
    NO_ENDPOINT: _ENDPOINT,
}
_OTHER = {
    "IncompleteReadError": _CUT,
    "ResponseStreamingError": _CUT,
    "FlexibleChecksumError": _CUT,
    NOT_S3: _NO_S3,
    NOT_IMPLEMENTED: "the service does not implement this request; atomic_store.check() tells what it does",
    "400": "the request is refused without a reason; expired credentials and a wrong region look like this",
    "404": "bucket or key do not exist",
    "InvalidObjectState": "the object is archived: restore it first",
    "MethodNotAllowed": "the object is a delete marker, or the endpoint is no S3 service",
}
RENEWABLE = {name for name, hint in _ACCESS.items() if hint is _EXPIRED} | {"InvalidAccessKeyId", "InvalidToken", "400"}
"""Codes of a request that newer credentials may cure. "400": the answer to a HEAD with an expired token has no body."""


class Failure(Exception):
    """An answer of the service that is not a success, or none at all.

    Attributes:
        code: the service's code, or the name of botocore's error; the status if there is no code.
        status: the HTTP status, 0 if no answer came.
        retried: whether the request was, or may have been, sent more than once.
        answered: False if the request may have taken effect, or may still do so, without an answer.
        delete_marker: whether the answer says that the newest version of the object is a delete marker.
    """

    def __init__(
        self, code: str, status: int, retried: bool, answered: bool, text: str, delete_marker: bool = False
    ) -> None:
        super().__init__(f"{code} ({shortened(text.strip().rstrip('.'))})")
        self.code = code
        self.status = status
        self.retried = retried
        self.answered = answered
        self.delete_marker = delete_marker

    @property
    def refused(self) -> bool:
        """Whether the request was understood and refused, so that sending it again changes nothing."""
        if self.code in _ACCESS or self.code in _PLACE or self.status == 501:
            return True
        return self.answered and self.status not in (404, 409, 412, 429) and self.status < 500

    @property
    def nothing_stored(self) -> bool:
        """Whether this is the service's word that the object does not exist."""
        return self.code == NO_KEY or self.delete_marker

    def error(self, path: Any, doing: str, hint: str = "") -> Exception:
        """Return the exception to raise: it names the place, the code, a likely cause and the way out.

        Args:
            path: the place.
            doing: what was to be done, such as "read".
            hint: a likely cause that the caller knows better.
        """
        if self.code in _ACCESS or self.status in (401, 403):
            hint = hint or _ACCESS.get(self.code) or _OTHER.get(self.code) or _RIGHTS
            return AccessError(
                errno.EACCES, f"cannot {doing} the object: {self}. Likely cause: {hint}", path, code=self.code
            )
        if self.code in _PLACE:
            text = f"cannot {doing} {path!r}: {self}. Likely cause: {hint or _PLACE[self.code]}"
            return with_code(LocationError(text), self)
        text = f"cannot {doing} the object: {self}. Likely cause: {hint or self._likely_cause()}"
        if self.answered or self.code == NOT_S3:
            return with_code(OSError(errno.EIO, text, path), self)
        return with_code(ConnectionError(errno.EHOSTUNREACH, text, path), self)

    def _likely_cause(self) -> str:
        if self.code in _OTHER:
            return _OTHER[self.code]
        if not self.answered:
            return _UNREACHABLE
        if self.status == 400 and ("object lock" in str(self).lower() or "content-md5" in str(self).lower()):
            return _LOCKED
        if self.status in (429, 500, 502, 503, 504):
            return _BUSY
        if self.status == 0:
            return "botocore has sent nothing: check AWS_PROFILE, ~/.aws/config and the settings of the client"
        if 200 <= self.status < 400:
            return f"status {self.status}: {_NO_S3}"
        return f"status {self.status} is the service's own: look for its code in the documents of the service"


def with_code(error: E, failure: Failure) -> E:
    """Return `error` with the service's code as its attribute `code`."""
    error.__dict__["code"] = failure.code
    return error
