# ruff: noqa: N803 - the names of the arguments are boto3's
"""A model of S3 in memory, and clients whose requests are let through one at a time, in an order that a test chooses.

The service is a dict of objects with ETags and metadata, a dict of uploads, and the conditions of PUT, of completions and
of DELETE. A client looks like boto3's to the library: it describes the service as a real one, and answers by the model.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import itertools
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError, ReadTimeoutError

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def refusal(status: int, code: str) -> ClientError:
    """The exception that botocore raises for an answer with this code."""
    answer: Any = {"Error": {"Code": code, "Message": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "Request")


class Service:
    """The bucket. Each method is one request, done at one instant.

    Attributes:
        history: each content that the object at a key has had, in order; None for a deletion.
    """

    def __init__(self) -> None:
        self.objects: dict[str, tuple[bytes, str, dict[str, str]]] = {}
        self.uploads: dict[str, tuple[str, dict[str, str], dict[int, bytes]]] = {}
        self.history: list[tuple[str, bytes | None]] = []
        self._count = itertools.count(1)

    def answer(self, method: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Do one request; raise what botocore raises for a refusal."""
        return {**getattr(self, method)(**arguments), "ResponseMetadata": {"HTTPStatusCode": 200, "HTTPHeaders": {}}}

    def get_object(self, Key: str, **_: Any) -> dict[str, Any]:
        return {**self._described(Key, "NoSuchKey"), "Body": io.BytesIO(self.objects[Key][0])}

    def head_object(self, Key: str, **_: Any) -> dict[str, Any]:
        return self._described(Key, "404")

    def put_object(self, Key: str, Body: Any, Metadata: dict[str, str] | None = None, **conditions: Any) -> dict[str, Any]:
        self._require(Key, **conditions)
        return {"ETag": self._store(Key, bytes(Body), Metadata or {})}

    def copy_object(self, Key: str, CopySource: dict[str, str], **_: Any) -> dict[str, Any]:
        self._described(CopySource["Key"], "NoSuchKey")
        content, _etag, metadata = self.objects[CopySource["Key"]]
        return {"CopyObjectResult": {"ETag": self._store(Key, content, metadata)}}

    def delete_object(self, Key: str, **conditions: Any) -> dict[str, Any]:
        if "IfMatch" in conditions:
            self._require(Key, **conditions)
        if self.objects.pop(Key, None) is not None:
            self.history.append((Key, None))
        return {}

    def create_multipart_upload(self, Key: str, Metadata: dict[str, str], **_: Any) -> dict[str, Any]:
        upload = f"upload {next(self._count)}"
        self.uploads[upload] = Key, Metadata, {}
        return {"UploadId": upload}

    def upload_part(self, UploadId: str, PartNumber: int, Body: Any, **_: Any) -> dict[str, Any]:
        if UploadId not in self.uploads:
            raise refusal(404, "NoSuchUpload")
        self.uploads[UploadId][2][PartNumber] = bytes(Body)
        return {"ETag": '"part"'}

    def complete_multipart_upload(self, Key: str, UploadId: str, MultipartUpload: Any, **conditions: Any) -> dict[str, Any]:
        if UploadId not in self.uploads:
            raise refusal(404, "NoSuchUpload")
        self._require(Key, **conditions)
        _key, metadata, parts = self.uploads.pop(UploadId)
        content = b"".join(parts[part["PartNumber"]] for part in MultipartUpload["Parts"])
        return {"ETag": self._store(Key, content, metadata)}

    def abort_multipart_upload(self, UploadId: str, **_: Any) -> dict[str, Any]:
        if self.uploads.pop(UploadId, None) is None:
            raise refusal(404, "NoSuchUpload")
        return {}

    def _described(self, key: str, missing: str) -> dict[str, Any]:
        if key not in self.objects:
            raise refusal(404, missing)
        content, etag, metadata = self.objects[key]
        return {"ETag": etag, "Metadata": metadata, "ContentLength": len(content), "LastModified": NOW}

    def _require(self, key: str, IfMatch: str | None = None, IfNoneMatch: str | None = None, **_: Any) -> None:
        if IfNoneMatch is not None and key in self.objects:
            raise refusal(412, "PreconditionFailed")
        if IfMatch is not None and key not in self.objects:
            raise refusal(404, "NoSuchKey")
        if IfMatch is not None and self.objects[key][1] != IfMatch:
            raise refusal(412, "PreconditionFailed")

    def _store(self, key: str, content: bytes, metadata: dict[str, str]) -> str:
        etag = f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'  # as on S3: the same bytes, the same ETag
        self.objects[key] = content, etag, metadata
        self.history.append((key, content))
        return etag


LOST_REQUEST, LOST_ANSWER, REPEATED, DELAYED = "lost request", "lost answer", "repeated", "delayed"
FAULTS = ("", LOST_REQUEST, LOST_ANSWER, REPEATED, DELAYED)


class Client:
    """A client of the model: each request waits for its turn, and may meet a fault.

    Args:
        service: the model.
        real: a client of boto3, never asked for anything but its description of the service.
        turn: called before each request, with its method; returns the fault that it meets.
    """

    def __init__(self, service: Service, real: Any, turn: Callable[[str], str]) -> None:
        self._service = service
        self._turn = turn
        self.meta = SimpleNamespace(
            endpoint_url="https://model",
            service_model=real.meta.service_model,
            method_to_api_mapping=real.meta.method_to_api_mapping,
        )
        self.late: list[tuple[str, dict[str, Any]]] = []
        self._lock = threading.Lock()

    def get_paginator(self, method: str) -> Any:
        return SimpleNamespace(paginate=lambda **arguments: [{"Uploads": []}])

    def __getattr__(self, method: str) -> Callable[..., Any]:
        if method.startswith("_") or method == "get_credentials":
            raise AttributeError(method)

        def request(**arguments: Any) -> Any:
            with self._lock:  # the parts of one upload: one after the other
                return self._request(method, {name: value for name, value in arguments.items() if name != "Bucket"})

        return request

    def _request(self, method: str, arguments: dict[str, Any]) -> Any:
        fault = self._turn(method)
        if fault == LOST_REQUEST:
            raise ReadTimeoutError(endpoint_url="https://model")
        if fault == DELAYED:  # it arrives after the client has given up, at the next turn of anybody
            self.late.append((method, arguments))
            raise ReadTimeoutError(endpoint_url="https://model")
        if fault == REPEATED:  # botocore has had no answer, and sends it again: the second answer is what counts
            try:
                self._service.answer(method, arguments)
            except ClientError:
                pass
            try:
                return self._service.answer(method, arguments)
            except ClientError as error:
                error.response["ResponseMetadata"]["RetryAttempts"] = 1
                raise
        answer = self._service.answer(method, arguments)
        if fault == LOST_ANSWER:
            raise ReadTimeoutError(endpoint_url="https://model")
        return answer

    def arrive(self) -> None:
        """Let what was delayed arrive now; nobody hears the answer."""
        while self.late:
            method, arguments = self.late.pop(0)
            try:
                self._service.answer(method, arguments)
            except ClientError:
                pass
