"""A proxy between client and S3 server that makes the faults of a network and of a service, at a chosen request."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import urlsplit

ERROR = '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>made by the proxy</Message></Error>'
HOP_BY_HOP = {"connection", "transfer-encoding", "keep-alive", "content-length", "expect"}


class Fault:
    """What happens to some requests.

    Args:
        method: of the requests, such as "PUT"; "" for any.
        within: what their URL contains, such as "partNumber="; "" for any.
        times: to how many of them; the first ones that come after `after` others.
        after: how many are let through before.
        forward: whether the server gets the request at all.
        heard: whether the client is given the server's answer all the same.
        meanwhile: called once the server has answered, before the client hears of it.
        status, code: what the client is answered; 0: nothing, the connection is closed.
        cut: the answer is the server's, without its second half.
        raw: what the client is answered, status line and headers included; the connection is closed then.
        without: headers of the server's answer that the client does not get; `heard` is implied.
        instead: headers that it gets in their place.
        only_if: looks at the request's headers: is it one of them?
    """

    def __init__(
        self,
        method: str,
        within: str = "",
        *,
        times: int = 1,
        after: int = 0,
        forward: bool = False,
        heard: bool = False,
        meanwhile: Callable[[], object] | None = None,
        status: int = 0,
        code: str = "",
        cut: bool = False,
        raw: bytes = b"",
        without: tuple[str, ...] = (),
        instead: tuple[tuple[str, str], ...] = (),
        only_if: Callable[[Any], bool] | None = None,
    ) -> None:
        self.method = method
        self.within = within
        self.times = times
        self.after = after
        self.forward = forward or bool(without)
        self.heard = heard or bool(without)
        self.raw = raw
        self.without = without
        self.instead = instead
        self.meanwhile = meanwhile
        self.status = status
        self.code = code
        self.cut = cut
        self.only_if = only_if
        self.happened = 0

    def applies(self, method: str, url: str, headers: Any) -> bool:
        """Say whether this request is to suffer, and count it."""
        if self.method not in ("", method) or self.within not in url or not (self.only_if is None or self.only_if(headers)):
            return False
        if self.after:
            self.after -= 1
            return False
        if self.happened == self.times:
            return False
        self.happened += 1
        return True


class Proxy:
    """Listens on loopback while its block is open; `faults` may be changed at any time, `seen` lists the requests."""

    def __init__(self, server: str) -> None:
        self.faults: list[Fault] = []
        self.seen: list[str] = []
        self.headers: list[dict[str, str]] = []
        self._upstream = urlsplit(server).netloc
        self._lock = threading.Lock()
        proxy = self

        class Handler(_Handler):
            owner = proxy

        class Listener(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, request: Any, client_address: Any) -> None:
                """Keep silent: clients that give up are what the tests are about."""

        self._listener = Listener(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._listener.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._listener.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown()
        self._thread.join()
        self._listener.server_close()

    def fail(self, *faults: Fault) -> Fault:
        """Let these faults happen, from now on; give the first."""
        with self._lock:
            self.faults = list(faults)
        return faults[0]

    def forget(self) -> None:
        """Let no more faults happen, and forget what was seen."""
        with self._lock:
            self.faults, self.seen, self.headers = [], [], []

    def fault_for(self, method: str, url: str, headers: Any) -> Fault | None:
        """Note a request; give what is to happen to it."""
        with self._lock:
            self.seen.append(f"{method} {url}")
            self.headers.append({name.lower(): value for name, value in headers.items()})
            return next((fault for fault in self.faults if fault.applies(method, url, headers)), None)

    def ask(self, method: str, url: str, body: bytes, headers: Any) -> tuple[int, list[tuple[str, str]], bytes]:
        """Ask the server; give status, headers and body of its answer."""
        connection = http.client.HTTPConnection(self._upstream)
        try:
            connection.putrequest(method, url, skip_host=True, skip_accept_encoding=True)
            for name, value in headers.items():
                if name.lower() not in HOP_BY_HOP:
                    connection.putheader(name, value)
            connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()


class _Handler(BaseHTTPRequestHandler):
    owner: Proxy
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        fault = self.owner.fault_for(self.command, self.path, self.headers)
        if fault is None or fault.forward:
            status, headers, content = self.owner.ask(self.command, self.path, body, self.headers)
        else:
            status, headers, content = 500, [], b""
        if fault is not None and fault.meanwhile is not None:
            fault.meanwhile()
        if fault is not None and fault.raw:
            self.wfile.write(fault.raw)
            self._hang_up()
        elif fault is None or fault.heard:
            if fault is not None:
                headers = [(name, value) for name, value in headers if name.lower() not in fault.without]
                headers += fault.instead
            self._answer(status, headers, content)
        elif fault.cut:
            self._answer(status, headers, content, len(content) // 2)
            self._hang_up()
        elif fault.status:
            text = ERROR.format(code=fault.code).encode()
            self._answer(fault.status, [("Content-Type", "application/xml")], text)
        else:
            self._hang_up()

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = handle_any  # noqa: N815 - the names are http.server's

    def _answer(self, status: int, headers: list[tuple[str, str]], content: bytes, sent: int | None = None) -> None:
        self.send_response_only(status)
        length = str(len(content))
        for name, value in headers:
            if name.lower() == "content-length":
                length = value  # that of the object, in an answer to HEAD
            elif name.lower() not in HOP_BY_HOP:
                self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", "0" if self.command == "HEAD" and status >= 400 else length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content[:sent])

    def _hang_up(self) -> None:
        self.wfile.flush()
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *args: Any) -> None:
        """Keep silent."""
