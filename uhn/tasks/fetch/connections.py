"""Connections for downloads: whether a host answers at all, and none that outlasts its allowance."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
import urllib.parse
import urllib.request
from contextlib import suppress
from functools import cache
from typing import Any

CONNECT_S = 4.0
GRACE_S = 30.0
SLOWEST = 20_000

_reachable: dict[tuple[str, int], bool] = {}


def reachable(url: str) -> bool:
    """Say whether the host of ``url`` accepts a connection within :data:`CONNECT_S`; remembered per process.

    With a proxy in the environment the question is not asked. The look-up runs in a thread because a name server
    that does not answer would otherwise hold the process for half a minute.
    """
    parts = urllib.parse.urlsplit(url)
    proxied = parts.scheme in urllib.request.getproxies()
    if proxied and not urllib.request.proxy_bypass(parts.hostname or ""):
        return True
    key = (parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))
    if key not in _reachable:
        answer: list[bool] = []

        def connect() -> None:
            try:
                socket.create_connection(key, timeout=CONNECT_S).close()
                answer.append(True)
            except (OSError, ValueError):  # ValueError: a name that cannot be one
                answer.append(False)

        thread = threading.Thread(target=connect, daemon=True)
        thread.start()
        thread.join(CONNECT_S + 1.0)
        _reachable[key] = bool(answer and answer[0])
    return _reachable[key]


def allowance(url: str, received: int) -> float:
    """Seconds that a download of ``url`` may have taken by the time it has brought ``received`` bytes."""
    return GRACE_S + received / SLOWEST


class Watch:
    """Shuts down the connections of a download once it is behind its :func:`allowance`.

    A socket's own timeout starts again with every byte, be it of headers, chunk sizes or the handshake of TLS. This
    one does not.
    """

    def __init__(self, url: str) -> None:
        self.url, self.received, self.late = url, 0, False
        self._start = time.monotonic()
        self._connections: list[socket.socket] = []
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._wait, daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        for connection in self._connections:
            connection.close()

    def _wait(self) -> None:
        while not self._done.wait(max(self._left(), 0.0)):
            if self._left() <= 0:
                self.late = True
                for connection in list(self._connections):
                    with suppress(OSError):
                        connection.shutdown(socket.SHUT_RDWR)
                return

    def _left(self) -> float:
        return self._start + allowance(self.url, self.received) - time.monotonic()

    def connect(self, *args: Any, **keywords: Any) -> socket.socket:
        """As ``socket.create_connection``. A duplicate is kept: the first one's file descriptor goes over to TLS."""
        connection = socket.create_connection(*args, **keywords)
        self._connections.append(connection.dup())
        if self.late:
            connection.close()
            raise TimeoutError
        return connection


@cache
def _certificates() -> ssl.SSLContext:
    """What the system trusts: read once per process, which takes 20 ms."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


def opener(watch: Watch) -> urllib.request.OpenerDirector:
    """An opener for http and https alone, so that no redirect leads to ``ftp:``; its connections are ``watch``'s."""

    class Plain(http.client.HTTPConnection):
        def __init__(self, *args: Any, **keywords: Any) -> None:
            super().__init__(*args, **keywords)
            self._create_connection = watch.connect

    class Secure(http.client.HTTPSConnection):
        def __init__(self, *args: Any, **keywords: Any) -> None:
            super().__init__(*args, **keywords)
            self._create_connection = watch.connect

    class Http(urllib.request.HTTPHandler):
        def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
            return self.do_open(Plain, req)

    class Https(urllib.request.HTTPSHandler):
        def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
            return self.do_open(Secure, req, context=_certificates())

    made = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.UnknownHandler(),
        Http(),
        Https(context=_certificates()),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPErrorProcessor(),
    ):
        made.add_handler(handler)
    return made
