# ruff: noqa: N803 - the names of the arguments are boto3's
"""A model of S3 in memory, and clients whose requests are let through one at a time, in an order that a test chooses.

The service is a dict of objects with ETags and metadata, a dict of uploads, and the conditions of PUT, of completions and
of DELETE. A client looks like boto3's to the library: it describes the service as a real one, and answers by the model.
Nothing in it is random, so that two orders of requests that lead to the same state can be known by it.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NamedTuple

from botocore.exceptions import ClientError, ReadTimeoutError

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
UPLOADING = {"create_multipart_upload", "upload_part", "abort_multipart_upload"}
"""Requests about an upload, of which no other client knows: whether they come a little earlier or later, nobody sees."""


class Event(NamedTuple):
    """A change of an object: the content that it has from now on, None once it is deleted, and which client did it."""

    key: str
    content: bytes | None
    by: int | None


def refusal(status: int, code: str) -> ClientError:
    """The exception that botocore raises for an answer with this code."""
    answer: Any = {"Error": {"Code": code, "Message": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "Request")


class Service:
    """The bucket. Each method is one request, done at one instant.

    Attributes:
        history: each change of an object, in order.
    """

    def __init__(self) -> None:
        self.objects: dict[str, tuple[bytes, str, dict[str, str]]] = {}
        self.uploads: dict[str, tuple[str, dict[str, str], dict[int, bytes]]] = {}
        self.history: list[Event] = []
        self._by: int | None = None
        self._begun: list[str] = []

    def answer(self, method: str, arguments: dict[str, Any], by: int | None = None) -> dict[str, Any]:
        """Do one request of client `by`; raise what botocore raises for a refusal."""
        self._by = by
        return {**getattr(self, method)(**arguments), "ResponseMetadata": {"HTTPStatusCode": 200, "HTTPHeaders": {}}}

    def get_object(self, Key: str, **_: Any) -> dict[str, Any]:
        return {**self.described(Key, "NoSuchKey"), "Body": io.BytesIO(self.objects[Key][0])}

    def head_object(self, Key: str, **_: Any) -> dict[str, Any]:
        return self.described(Key, "404")

    def put_object(self, Key: str, Body: Any, Metadata: dict[str, str] | None = None, **conditions: Any) -> dict[str, Any]:
        self._require(Key, **conditions)
        return {"ETag": self._store(Key, bytes(Body), Metadata or {})}

    def copy_object(self, Key: str, CopySource: dict[str, str], **_: Any) -> dict[str, Any]:
        self.described(CopySource["Key"], "NoSuchKey")
        content, _etag, metadata = self.objects[CopySource["Key"]]
        return {"CopyObjectResult": {"ETag": self._store(Key, content, metadata)}}

    def delete_object(self, Key: str, **conditions: Any) -> dict[str, Any]:
        if "IfMatch" in conditions:
            self._require(Key, **conditions)
        if self.objects.pop(Key, None) is not None:
            self.history.append(Event(Key, None, self._by))
        return {}

    def create_multipart_upload(self, Key: str, Metadata: dict[str, str], **_: Any) -> dict[str, Any]:
        name = f"upload of {sorted(Metadata.items())}"
        upload = f"{name} {self._begun.count(name)}"
        self._begun.append(name)
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

    def described(self, key: str, missing: str) -> dict[str, Any]:
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
        self.history.append(Event(key, content, self._by))
        return etag


LOST_REQUEST, LOST_ANSWER, REPEATED, DELAYED, COPIED = "lost request", "lost answer", "repeated", "delayed", "copied"
FAULTS = (LOST_REQUEST, LOST_ANSWER, REPEATED, DELAYED, COPIED)


class Network:
    """Brings the requests of all clients to the service, and lets one of them, or its answer, go wrong.

    After a lost request, a lost answer and a delayed request the client has heard nothing, and botocore has given up. A
    repeated one was not heard of the first time, and is sent again by botocore. A copied one is done and answered, and done
    a second time later.

    Args:
        service: the model.
        pick: called with what it is about and the number of things that may happen; returns which of them does.
        faulty: the clients whose requests may go wrong.

    Attributes:
        kind: of the fault that has happened, one of FAULTS; "": none.
        met: the method that has met it, and the client that had asked for it.
        began: of each client, how many changes there were when it made its first request.
    """

    def __init__(self, service: Service, pick: Callable[[str, int], int], faulty: tuple[int, ...]) -> None:
        self.service = service
        self.faulty = faulty
        self.kind = ""
        self.met: tuple[str, int] | None = None
        self.began: dict[int, int] = {}
        self._pick = pick
        self._heard: dict[int, str] = {}
        self._late: list[tuple[int, str, dict[str, Any]]] = []

    def state(self) -> str:
        """Return a digest of all that the rest of a run depends on: a client is a function of what it has heard."""
        service = self.service
        stored = sorted(service.objects.items()), sorted(service.uploads.items()), service.history
        return digest(stored, sorted(self.began.items()), sorted(self._heard.items()), self.met, self.kind, self._late)

    def request(self, client: int, method: str, arguments: dict[str, Any], again: Callable[[], None]) -> Any:
        """Make one request; `again` is called before botocore sends it once more."""
        about = f"{client} {method} {arguments}"
        if self._late and self._pick(f"late before {about}", 2):
            self.arrive()
        self.began.setdefault(client, len(self.service.history))
        kind = ""
        if not self.kind and client in self.faulty:
            kind = ("", *FAULTS)[self._pick(about, 1 + len(FAULTS))]
        if kind:
            self.kind, self.met = kind, (method, client)
        try:
            answer = self._answer(kind, client, method, arguments, again)
        except Exception as error:
            self._hear(client, method, arguments, error)
            raise
        told = {name: part.getvalue() if name == "Body" else part for name, part in answer.items()}
        self._hear(client, method, arguments, sorted(told.items()))
        return answer

    def arrive(self) -> None:
        """Let what is late arrive now; nobody hears the answer."""
        while self._late:
            self._unheard(*self._late.pop())

    def _answer(self, kind: str, client: int, method: str, arguments: dict[str, Any], again: Callable[[], None]) -> Any:
        if kind in (DELAYED, COPIED):
            self._late.append((client, method, arguments))
        if kind in (LOST_REQUEST, DELAYED):
            raise ReadTimeoutError(endpoint_url="https://model")
        if kind == REPEATED:
            self._unheard(client, method, arguments)
            again()
        try:
            answer = self.service.answer(method, arguments, client)
        except ClientError as error:
            error.response["ResponseMetadata"]["RetryAttempts"] = int(kind == REPEATED)
            raise
        if kind == LOST_ANSWER:
            raise ReadTimeoutError(endpoint_url="https://model")
        return answer

    def _unheard(self, client: int, method: str, arguments: dict[str, Any]) -> None:
        try:
            self.service.answer(method, arguments, client)
        except ClientError:
            pass

    def _hear(self, client: int, *what: Any) -> None:
        self._heard[client] = digest(self._heard.get(client, ""), *what)


def digest(*what: Any) -> str:
    """Return a digest of anything whose repr() says all."""
    return hashlib.sha256(repr(what).encode()).hexdigest()


class Client:
    """What the library takes for a client of boto3.

    Args:
        number: which client it is.
        network: what brings its requests to the model.
        real: a client of boto3, never asked for anything but its description of the service.
        turn: called with the method before each request that others can see; returns when it is this client's turn.
    """

    def __init__(self, number: int, network: Network, real: Any, turn: Callable[[str], None]) -> None:
        self._number = number
        self._network = network
        self._turn = turn
        self.meta = SimpleNamespace(
            endpoint_url="https://model",
            service_model=real.meta.service_model,
            method_to_api_mapping=real.meta.method_to_api_mapping,
        )

    def get_paginator(self, method: str) -> Any:
        return SimpleNamespace(paginate=lambda **arguments: [{"Uploads": []}])

    def __getattr__(self, method: str) -> Callable[..., Any]:
        if method.startswith("_") or method == "get_credentials":
            raise AttributeError(method)

        def request(**arguments: Any) -> Any:
            sent = {name: value for name, value in arguments.items() if name != "Bucket"}
            if "Body" in sent:
                sent["Body"] = bytes(sent["Body"])  # what is late still has it
            sent["Key"] = re.sub(r"\.corrupt-\d+T\d+Z", ".corrupt", sent["Key"])  # the time is no part of a state
            self._stand(method)
            return self._network.request(self._number, method, sent, lambda: self._stand(method))

        return request

    def _stand(self, method: str) -> None:
        if method not in UPLOADING:
            self._turn(method)
