"""What S3 and the way to it answer besides yes: by its code, and as an error that says what to do."""

from __future__ import annotations

import errno

from ...errors import AccessError, LocationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

NO_KEY = "NoSuchKey"
NO_BUCKET = "NoSuchBucket"
NO_UPLOAD = "NoSuchUpload"
NOT_IMPLEMENTED = "NotImplemented"

_RIGHTS = (
    "these credentials may not do it. They need s3:GetObject, s3:PutObject and s3:DeleteObject on the object; "
    "without s3:ListBucket on the bucket, a key that does not exist looks like this too"
)
_EXPIRED = "the credentials have expired: get new ones, for instance with `aws sso login`"
_UNKNOWN = "the service does not know these credentials: look at AWS_PROFILE, ~/.aws and the endpoint"
_NONE = "no usable credentials were found: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give client="
_REGION = "the bucket is in another region: set AWS_DEFAULT_REGION, or give client="
_UNREACHABLE = "the endpoint cannot be reached: look at the network, AWS_ENDPOINT_URL_S3 and the region"
_CUT = "the connection ended before all of the content had come, or it was damaged on its way: try again"
_BUSY = "the service is busy or ill; nothing is wrong with the request, try again later"

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
    NO_BUCKET: "the bucket does not exist at this endpoint: make it, or look at its name, AWS_PROFILE and the endpoint",
    "InvalidBucketName": "this can be no bucket's name",
    "KeyTooLongError": "a key has 1024 bytes of UTF-8 at most",
    "ParamValidationError": "the request is refused before it is sent: look at bucket, key and put_options",
    "AuthorizationHeaderMalformed": _REGION,
    "IllegalLocationConstraintException": _REGION,
    "IncorrectEndpoint": _REGION,
    "PermanentRedirect": _REGION,
    "301": _REGION,
    "NoRegionError": "no region is set: set AWS_DEFAULT_REGION, or give client=",
}
_OTHER = {
    "IncompleteReadError": _CUT,
    "ResponseStreamingError": _CUT,
    "FlexibleChecksumError": _CUT,
    "400": "the request is refused without a reason; expired credentials and a wrong region look like this",
    "404": "bucket or key are not there",
    "InvalidObjectState": "the object is archived: restore it first",
    "MethodNotAllowed": "the object is a delete marker, or the endpoint is no S3 service",
}


class Failure(Exception):
    """An answer of the service that is no success, or that none came.

    Attributes:
        code: the service's word for it, or the name of botocore's error; the status if there is no word.
        status: the HTTP status, 0 where no answer came.
        retried: whether the request was, or may have been, sent more than once.
        answered: False where the request may have taken effect, or may yet do so, without an answer.
    """

    def __init__(self, code: str, status: int, retried: bool, answered: bool, text: str) -> None:
        super().__init__(f"{code} ({text.rstrip('.')})")
        self.code = code
        self.status = status
        self.retried = retried
        self.answered = answered

    @property
    def refused(self) -> bool:
        """Whether the request was understood and turned down, so that sending it again changes nothing."""
        if self.code in _ACCESS or self.code in _PLACE:
            return True
        return self.answered and self.status not in (404, 409, 412, 429) and self.status < 500

    def error(self, path: Any, doing: str) -> Exception:
        """Give what to raise: it names the place, the code and the likely cause."""
        if self.code in _ACCESS or self.status in (401, 403):
            hint = _ACCESS.get(self.code) or _OTHER.get(self.code) or _RIGHTS
            return AccessError(
                errno.EACCES, f"cannot {doing} the object: {self}. Likely cause: {hint}", path, code=self.code
            )
        if self.code in _PLACE:
            return LocationError(f"cannot {doing} {path!r}: {self}. Likely cause: {_PLACE[self.code]}")
        if not self.answered:
            hint = _OTHER.get(self.code, _UNREACHABLE)
            return ConnectionError(errno.EHOSTUNREACH, f"cannot {doing} the object: {self}. Likely cause: {hint}", path)
        hint = _OTHER.get(self.code) or (_BUSY if self.status in (429, 500, 502, 503, 504) else f"status {self.status}")
        return OSError(errno.EIO, f"cannot {doing} the object: {self}. Likely cause: {hint}", path)
