"""What the data tests share: writers of the real formats and a web server that misbehaves on demand."""

from __future__ import annotations

import hashlib
import os
import struct
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np

from uhn.data import fetch
from uhn.data.entries import Entry
from uhn.data.pins import File

MIRROR = os.environ.get("UHN_DATA_MIRROR", "")
"""The mirror that the tests were started with; the tests that need the real files run only if there is one."""


def idx(array: np.ndarray) -> bytes:
    """Write an array of unsigned bytes as IDX."""
    return b"\0\0\x08" + bytes([array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def pin(path: str, content: bytes) -> File:
    """Pin ``content``."""
    return File(path, hashlib.sha256(content).hexdigest(), len(content))


def fetch_only(root: str, entry: Entry) -> None:
    """Fetch ``entry`` as the only dataset there is; run in a process of its own."""
    fetch.ENTRIES = {entry.name: entry}  # type: ignore[assignment]
    fetch.fetch(entry.name, Path(root))


class Server:
    """A local web server whose answers a test decides: ``pages[path] = function(handler)``."""

    def __init__(self) -> None:
        self.pages: dict[str, Callable[[BaseHTTPRequestHandler], None]] = {}
        self.requests: list[tuple[str, str | None]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.requests.append((self.path, self.headers.get("Range")))
                page = outer.pages.get(self.path)
                if page is None:
                    self.send_error(404)
                else:
                    page(self)

            def log_message(self, *args: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    def give(self, path: str, content: bytes, kind: str = "application/octet-stream") -> None:
        """Answer ``path`` with ``content``, from where the client asks."""

        def page(handler: BaseHTTPRequestHandler) -> None:
            asked = handler.headers.get("Range")
            start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
            handler.send_response(206 if asked else 200)
            handler.send_header("Content-Type", kind)
            handler.send_header("Content-Length", str(len(content) - start))
            if asked:
                handler.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            handler.end_headers()
            handler.wfile.write(content[start:])

        self.pages[path] = page
