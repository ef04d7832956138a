"""The one module that knows botocore: clients, made once, and calls whose failures are all of one type.

boto3 is what is installed, for programs give its clients; of it, only botocore's client is used.
"""

from __future__ import annotations

import os
import threading

from ...errors import MissingLibraryError
from ._errors import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

try:
    import botocore.session
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError, FlexibleChecksumError, HTTPClientError, IncompleteReadError
    from botocore.exceptions import ConnectionError as NoConnection
    from urllib3.exceptions import HTTPError as NoAnswer
except ImportError as error:
    raise MissingLibraryError(f's3:// needs the package boto3: pip install "atomic-store[s3]" ({error})') from error

_CHECKSUMS = ("request_checksum_calculation", "response_checksum_validation")

_clients: dict[object, Any] = {}
_making = threading.Lock()


def _after_fork() -> None:
    """Forget the parent's clients: two processes on one connection read each other's answers."""
    global _making
    _making = threading.Lock()
    _clients.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def client() -> Any:
    """Give the client of this process for what the environment says now; it is made once."""
    # Of the files in ~/.aws only the first look counts, as with every client of boto3.
    settings = tuple(sorted((name, value) for name, value in os.environ.items() if name.startswith("AWS_")))
    with _making:
        if settings not in _clients:
            try:
                _clients[settings] = _make()
            except BotoCoreError as error:
                raise _unanswered(error) from error
        return _clients[settings]


def _make() -> Any:
    session: Any = botocore.session.get_session()
    made = session.create_client("s3")
    chosen = {**session.get_scoped_config(), **{name: "" for name in _CHECKSUMS if name.upper() in _environment()}}
    unset = [name for name in _CHECKSUMS if name not in chosen]
    if is_aws(made) or not unset:
        return made
    # botocore sends and wants checksums of its own since 1.36, and other services refuse what they do not know.
    made.close()
    return session.create_client("s3", config=Config(**dict.fromkeys(unset, "when_required")))  # type: ignore[arg-type]


def _environment() -> set[str]:
    return {name.removeprefix("AWS_") for name in os.environ}


def is_aws(client: Any) -> bool:
    """Say whether the client talks to Amazon's own S3."""
    host: str = client.meta.endpoint_url.partition("://")[2].partition("/")[0]
    return host.endswith((".amazonaws.com", ".amazonaws.com.cn"))


def known(client: Any, method: str) -> set[str]:
    """Give the names of the arguments that a client's method such as "get_object" takes."""
    return set(client.meta.service_model.operation_model(client.meta.method_to_api_mapping[method]).input_shape.members)


def call(client: Any, method: str, arguments: dict[str, Any], options: dict[str, Any]) -> Any:
    """Call a client's method such as "get_object" with its arguments, and those of the options that it knows.

    Raises:
        Failure: the answer is an error, or there is none.
    """
    taken = known(client, method)
    fitting = {name: value for name, value in options.items() if name in taken}
    return _translated(getattr(client, method), **{**fitting, **arguments})


def pages(client: Any, method: str, arguments: dict[str, Any]) -> Iterator[Any]:
    """Give all pages of a listing; for errors see call()."""
    found = iter(client.get_paginator(method).paginate(**arguments))
    while page := _translated(next, found, None):
        yield page


def read(body: Any, size: int | None) -> bytes:
    """Read from the body of an answer; b"" is its end. For errors see call()."""
    data: bytes = _translated(body.read, size)
    return data


def _translated(function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    try:
        return function(*arguments, **options)
    except ClientError as error:
        raise _answered(error) from error
    except BotoCoreError as error:
        raise _unanswered(error) from error
    except NoAnswer as error:  # botocore lets some of these through, its older versions more
        raise Failure("IncompleteReadError", 0, retried=True, answered=False, text=str(error)) from error


def _answered(error: ClientError) -> Failure:
    answer: Any = error.response
    meta = answer.get("ResponseMetadata", {})
    told = answer.get("Error", {})
    status = int(meta.get("HTTPStatusCode", 0))
    # HEAD has no body, and so no word: botocore puts the status there.
    code = str(told.get("Code") or status)
    text = told.get("Message") or f"HTTP status {status}"
    return Failure(code, status, retried=meta.get("RetryAttempts", 0) > 0, answered=True, text=text)


def _unanswered(error: BotoCoreError) -> Failure:
    """Describe an error of the client: on the way to the service and back, or before anything was sent."""
    on_the_way = isinstance(error, HTTPClientError | NoConnection | IncompleteReadError | FlexibleChecksumError)
    # How often it was sent is not told.
    return Failure(type(error).__name__, 0, retried=on_the_way, answered=not on_the_way, text=str(error))
