"""The only module that knows botocore: it makes the client of this process and turns whatever fails into a Failure.

boto3 is what users install, because programs pass its clients. Of it only botocore's client is used, and the default
session that a program may have set up.
"""

from __future__ import annotations

import os
import sys
import threading

from ...errors import MissingLibraryError
from ._errors import NO_ENDPOINT, NOT_S3, Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

try:
    import botocore.loaders
    import botocore.session
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError, FlexibleChecksumError, HTTPClientError, IncompleteReadError
    from botocore.exceptions import ConnectionError as NoConnection
    from urllib3.exceptions import HTTPError as NoAnswer
except ImportError as error:
    raise MissingLibraryError(f's3:// needs the package boto3: pip install "atomic-store[s3]" ({error})') from error

_CHECKSUMS = ("request_checksum_calculation", "response_checksum_validation")
_LISTINGS = ("list_multipart_uploads",)

# One for all sessions: it keeps the descriptions of the service, 10 MB, which each session would read again.
_loader: Any = botocore.loaders.create_loader()


class _Made:
    """A client with what it was made from."""

    def __init__(self, settings: object, default: Any, session: Any) -> None:
        self.settings = settings
        self.default = default
        self.session = session
        self.client = _connect(session)


_newest: _Made | None = None
# Reentrant: a signal handler that commits may interrupt the thread that makes the client.
_making = threading.RLock()


def _after_fork() -> None:
    """Forget the parent's client: two processes on one connection read each other's answers."""
    global _making, _newest
    _making = threading.RLock()
    _newest = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def client() -> Any:
    """Return the client of this process: of boto3's default session if the program has set one up, else of AWS_*.

    Only the newest client is kept. It is replaced when AWS_* or the default session change.

    Raises:
        Failure: the settings do not give a client.
    """
    with _making:
        while True:
            settings, default = _settings(), _default_session()
            if _newest is not None and _newest.settings == settings and _newest.default is default:
                return _newest.client
            try:
                return _keep(_Made(settings, default, _session(default)))
            except BotoCoreError as error:
                raise _unanswered(error) from error
            except Exception as error:
                # botocore looks twice at a variable that another thread may have removed in between.
                if _settings() == settings:
                    code = NO_ENDPOINT if "endpoint" in str(error).lower() else type(error).__name__
                    raise Failure(code, 0, retried=False, answered=True, text=str(error)) from error


def renewed(stale: Any) -> Any:
    """Return a client with newer credentials of the same source as `stale`, or None if there are none.

    A client keeps the credentials that it has read from ~/.aws, however often they are renewed there.
    """
    with _making:
        made = _newest
        if made is None or made.client is not stale:
            return client()  # another thread was faster
        session = _like(made.session)
        try:
            old, new = made.session.get_credentials(), session.get_credentials()
            if None in (old, new) or old.method != new.method or _keys(old) == _keys(new):
                return None
            return _keep(_Made(made.settings, made.default, session))
        except BotoCoreError:
            return None  # the refusal that led here is the error to raise


def _keep(made: _Made) -> Any:
    global _newest
    old, _newest = _newest, made
    if old is not None:
        old.client.close()  # its idle connections; requests under way go on
    return made.client


def _settings() -> dict[str, str]:
    """Return the variables AWS_* as they are now; other threads may add and remove some meanwhile."""
    found = {name: os.environ.get(name) for name in list(os.environ) if name.startswith("AWS_")}
    return {name: value for name, value in found.items() if value is not None}


def _default_session() -> Any:
    """Return boto3's default session if a program has made one."""
    return getattr(sys.modules.get("boto3"), "DEFAULT_SESSION", None)


def _session(default: Any) -> Any:
    """Return the session to make a client from.

    boto3.client() makes a default session too. One that only repeats the environment is passed over,
    because it would not notice when the environment changes.
    """
    if default is not None:
        session = default._session
        credentials = session.get_credentials()
        if session.instance_variables() or (credentials is not None and credentials.method != "env"):
            return session
    return _fresh()


def _fresh() -> Any:
    session: Any = botocore.session.get_session()
    session.register_component("data_loader", _loader)
    return session


def _like(session: Any) -> Any:
    """Return a new session with the profile and region that were chosen for `session`."""
    fresh = _fresh()
    for name, value in session.instance_variables().items():
        fresh.set_config_variable(name, value)
    return fresh


def _keys(credentials: Any) -> tuple[str, ...]:
    return tuple(credentials.get_frozen_credentials())


def _connect(session: Any) -> Any:
    made = session.create_client("s3")
    chosen = {*session.get_scoped_config(), *(name for name in _CHECKSUMS if f"AWS_{name.upper()}" in os.environ)}
    unset = [name for name in _CHECKSUMS if name not in chosen]
    if unset and not is_aws(made):
        # botocore sends and expects checksums of its own since 1.36, and many other services refuse what they do not know.
        made.close()
        made = session.create_client("s3", config=Config(**dict.fromkeys(unset, "when_required")))  # type: ignore[arg-type]
    prepare(made)
    return made


def prepare(client: Any) -> None:
    """Make a client read now what it would otherwise read from botocore's directory at its first listing."""
    for method in _LISTINGS:
        client.get_paginator(method)


def is_aws(client: Any) -> bool:
    """Return whether the client talks to Amazon's own S3."""
    host: str = client.meta.endpoint_url.partition("://")[2].partition("/")[0]
    return host.endswith((".amazonaws.com", ".amazonaws.com.cn"))


def known(client: Any, method: str) -> set[str]:
    """Return the names of the arguments of a client's method such as "get_object"."""
    return set(client.meta.service_model.operation_model(client.meta.method_to_api_mapping[method]).input_shape.members)


def call(client: Any, method: str, arguments: dict[str, Any]) -> Any:
    """Call a client's method such as "get_object".

    Raises:
        Failure: the answer is an error or is not S3's, or there is no answer.
    """
    return _translated(getattr(client, method), **arguments)


def pages(client: Any, method: str, arguments: dict[str, Any]) -> Iterator[Any]:
    """Yield all pages of a listing; raises as call()."""
    found = iter(_translated(client.get_paginator(method).paginate, **arguments))
    while page := _translated(next, found, None):
        yield page


def read(body: Any, size: int | None) -> bytes:
    """Read from the body of an answer; b"" is its end. Raises as call()."""
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
    except MemoryError:
        raise
    except Exception as error:
        # A parser of botocore that met what S3 never sends: ResponseParserError, ValueError, KeyError ...
        text = f"{type(error).__name__}: {error}"
        raise Failure(NOT_S3, 0, retried=True, answered=False, text=text) from error


def _answered(error: ClientError) -> Failure:
    answer: Any = error.response
    meta = answer.get("ResponseMetadata", {})
    named = answer.get("Error", {})
    status = int(meta.get("HTTPStatusCode", 0))
    # The answer to a HEAD has no body, and so no code: botocore gives the status instead.
    code = str(named.get("Code") or status)
    text = named.get("Message") or f"HTTP status {status}"
    marker = meta.get("HTTPHeaders", {}).get("x-amz-delete-marker") == "true"
    return Failure(code, status, retried=meta.get("RetryAttempts", 0) > 0, answered=True, text=text, delete_marker=marker)


def _unanswered(error: BotoCoreError) -> Failure:
    """Describe an error of the client: on the way to the service and back, or before anything was sent."""
    cause = getattr(error, "kwargs", {}).get("error")
    if isinstance(
        cause, ValueError | TypeError
    ):  # http.client has refused a header, a line break in the metadata for instance
        return Failure("ParamValidationError", 0, retried=False, answered=True, text=str(cause))
    on_the_way = isinstance(error, HTTPClientError | NoConnection | IncompleteReadError | FlexibleChecksumError)
    # botocore does not say how often it has sent the request.
    return Failure(type(error).__name__, 0, retried=on_the_way, answered=not on_the_way, text=str(error))
