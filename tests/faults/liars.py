"""A web server on loopback that lies: raw bytes, so that it can say what no library would let it say."""

from __future__ import annotations

import gzip
import re
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable

CONTENT = b"what the file holds\n" * 500
WRONG = b"something else here\n" * 500
OK = b"HTTP/1.1 200 OK\r\n"
END = b"Connection: close\r\n\r\n"

Lie = Callable[["Liars", socket.socket, bytes], None]
"""What is done with a connection, after its request has been read."""


def says(answer: bytes) -> Lie:
    """Answer with these bytes and close."""
    return lambda _, connection, request: connection.sendall(answer)


def sends_to(address: str) -> Lie:
    """Redirect; ``PORT`` becomes the server's own."""

    def lie(server: Liars, connection: socket.socket, request: bytes) -> None:
        where = address.replace("PORT", str(server.port)).encode()
        connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: " + where + b"\r\nContent-Length: 0\r\n" + END)

    return lie


def drips(head: bytes, drop: bytes) -> Lie:
    """Send a head, then a drop now and again until the client goes away or the server stops."""

    def lie(server: Liars, connection: socket.socket, request: bytes) -> None:
        connection.sendall(head)
        while not server.stopped.wait(0.02):
            connection.sendall(drop)

    return lie


def floods(head: bytes) -> Lie:
    """Send a head and then bytes without end."""

    def lie(server: Liars, connection: socket.socket, request: bytes) -> None:
        connection.sendall(head)
        while not server.stopped.is_set():
            connection.sendall(bytes(65536))

    return lie


def resets(_: Liars, connection: socket.socket, request: bytes) -> None:
    """Send half an answer, then reset the connection."""
    connection.sendall(OK + b"Content-Length: %d\r\n" % len(CONTENT) + END + CONTENT[:3000])
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def sized(size: object, content: bytes = WRONG) -> bytes:
    """An answer with a length of its own making."""
    return OK + f"Content-Length: {size}\r\n".encode() + END + content


def pieces(content: bytes, count: int) -> Lie:
    """No lie: the content from where the client asks, in pieces with a pause after each."""

    def answer(server: Liars, connection: socket.socket, request: bytes) -> None:
        asked = re.search(rb"Range: bytes=([0-9]+)-", request)
        start = min(int(asked[1]), len(content)) if asked else 0
        span = b"Content-Range: bytes %d-%d/%d\r\n" % (start, len(content) - 1, len(content)) if asked else b""
        head = b"HTTP/1.1 206 Partial\r\n" + span if asked else OK
        connection.sendall(head + b"Content-Length: %d\r\n" % (len(content) - start) + END)
        step = -(-len(content) // count)
        for at in range(start, len(content), step):
            connection.sendall(content[at : at + step])
            server.stopped.wait(0.003)

    return answer


CHUNKED = OK + b"Transfer-Encoding: chunked\r\n" + END

LIES: dict[str, Lie] = {
    "length too large": says(sized(20_000)),
    "length too small": says(sized(7)),
    "length abc": says(sized("abc")),
    "length negative": says(sized(-5)),
    "length of 5,000 digits": says(sized("9" * 5000)),
    "impossible address": sends_to("http://[::1/x"),
    "impossible port": sends_to("http://127.0.0.1:99999/x"),
    "port abc": sends_to("http://127.0.0.1:abc/x"),
    "impossible name": sends_to("http://a..b/x"),
    "address with spaces and a null": sends_to("http://127.0.0.1:PORT/a b\0c"),
    "a file of this machine": sends_to("file:///etc/hostname"),
    "ftp": sends_to("ftp://127.0.0.1:PORT/drip"),
    "redirect loop": sends_to("/redirect%20loop"),
    "redirect to a drip": sends_to("/drip"),
    "TLS to plain": sends_to("https://127.0.0.1:PORT/x"),
    "chunk of size -1": says(CHUNKED + b"-1\r\n" + WRONG + b"\r\n0\r\n\r\n"),
    "chunk of size abc": says(CHUNKED + b"xyz\r\n" + WRONG),
    "chunk too short": says(CHUNKED + b"ffff\r\n" + WRONG),
    "chunk of exabytes": says(CHUNKED + b"f" * 15 + b"\r\n" + WRONG),
    "chunk of size -1 without end": floods(CHUNKED + b"-1\r\n"),
    "without end": floods(OK + END),
    "truncated": says(sized(len(CONTENT), CONTENT[:3000])),
    "web page": says(sized(20, b"<!doctype html><html")),
    "wrong content": says(sized(len(WRONG))),
    "nothing": says(sized(0, b"")),
    "silence": says(b""),
    "no http": says(b"SSH-2.0-OpenSSH_9.2\r\n"),
    "gzip bomb": says(sized("", gzip.compress(bytes(1 << 24)))),
    "drip": drips(OK + END, b"x"),
    "drip of headers": drips(OK, b"X"),
    "drip of a chunk's size": drips(CHUNKED + b"1;", b"x"),
    "continue without end": drips(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "headers without end": floods(OK + b"X: "),
    "part that nobody asked for": says(b"HTTP/1.1 206 Partial\r\nContent-Range: bytes 7-9/10000\r\n" + END + WRONG),
    "404": says(b"HTTP/1.1 404 Not\x1b[31m Found\r\nContent-Length: 0\r\n" + END),
    "500": says(b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n" + END),
    "304": says(b"HTTP/1.1 304 Not Modified\r\n" + END),
    "status 99999": says(b"HTTP/1.1 99999 What\r\n" + END),
    "reset": resets,
}


class Liars:
    """Answers ``/<lie>`` with that lie, ``/good`` with the content; counts what it was asked for."""

    def __init__(self, lies: dict[str, Lie]) -> None:
        self.lies = {name.replace(" ", "%20"): lie for name, lie in lies.items()}
        self.lies["good"] = says(sized(len(CONTENT), CONTENT))
        self.handshake = says(b"HTTP/1.1 400 Bad Request\r\n\r\n")  # the answer to a client that speaks TLS
        self.asked: Counter[str] = Counter()
        self.stopped = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.threads = [threading.Thread(target=self._accept)]
        self.threads[0].start()

    def _accept(self) -> None:
        while True:
            connection, _ = self.listener.accept()
            if self.stopped.is_set():
                connection.close()
                return
            thread = threading.Thread(target=self._answer, args=(connection,))
            self.threads.append(thread)
            thread.start()

    def _answer(self, connection: socket.socket) -> None:
        with connection:
            connection.settimeout(30)
            try:
                head = b""
                while b"\r\n\r\n" not in head and head[:1] != b"\x16" and (more := connection.recv(65536)):
                    head += more
                name = head.partition(b" /")[2].partition(b" ")[0].decode("latin1")
                self.asked[name] += 1
                if head[:1] == b"\x16":
                    self.handshake(self, connection, head)
                if (lie := self.lies.get(name)) is not None:
                    lie(self, connection, head)
            except OSError:
                pass  # the client has gone

    def close(self) -> None:
        """Stop, and wait for every thread."""
        self.stopped.set()
        socket.create_connection(("127.0.0.1", self.port)).close()
        for thread in self.threads:
            thread.join()
        self.listener.close()
