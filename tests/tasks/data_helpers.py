"""What the data tests share: writers of the real formats and a web server that misbehaves on demand."""

from __future__ import annotations

import hashlib
import os
import pickle
import struct
import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from uhn.tasks import DATASETS
from uhn.tasks.dataset import Dataset
from uhn.tasks.fetch import connections, download, mirrors
from uhn.tasks.fetch.checksums import File, Origin

MIRROR = os.environ.get("UHN_DATA_MIRROR", "")
"""The mirror that the tests were started with; the tests that need the real files run only if there is one."""


def idx(array: np.ndarray) -> bytes:
    """Write an array of unsigned bytes as IDX."""
    return b"\0\0\x08" + bytes([array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def of_content(path: str, content: bytes) -> File:
    """A file with the checksum of ``content``."""
    return File(path, hashlib.sha256(content).hexdigest(), len(content))


CORA = (1660, 1660, 30, 3)
"""Nodes, undirected edges, features and classes of the small graph of :func:`cora_files`: a ring."""

TRAIN, TEST = 60, 1000
"""Its nodes to train and to test on."""


def cora_files(
    *, features: tuple[int, int, float] | None = None, edge: tuple[int, int] | None = None
) -> tuple[dict[str, bytes], np.ndarray, np.ndarray, dict[int, list[int]]]:
    """A small graph as the eight published files of Cora, with the features, classes and neighbours they hold.

    ``features`` (node, feature, value) and ``edge`` (source, destination) are put in to break it.
    """
    nodes, _, width, classes = CORA
    rng = np.random.default_rng(0)
    x = (rng.random((nodes, width)) < 0.2).astype(np.float32)
    x[:, 0] = 1
    y = rng.integers(0, classes, nodes)
    neighbours: dict[int, list[int]] = defaultdict(list)
    for i in range(nodes):
        neighbours[i] += [(i + 1) % nodes, (i - 1) % nodes, (i + 1) % nodes]
    neighbours[5].append(5)
    if features is not None:
        x[features[:2]] = features[2]
    if edge is not None:
        neighbours[edge[0]].append(edge[1])
    order = rng.permutation(np.arange(nodes - TEST, nodes))
    one_hot = np.eye(classes, dtype=np.int32)[y]
    parts = {
        "x": sp.csr_matrix(x[:TRAIN]),
        "allx": sp.csr_matrix(x[: nodes - TEST]),
        "tx": sp.csr_matrix(x[order]),
        "y": one_hot[:TRAIN],
        "ally": one_hot[: nodes - TEST],
        "ty": one_hot[order],
        "graph": neighbours,
    }
    files = {f"planetoid/ind.cora.{name}": pickle.dumps(part, protocol=2) for name, part in parts.items()}
    files["planetoid/ind.cora.test.index"] = "".join(f"{i}\n" for i in order).encode()
    return files, x, y, neighbours


def patient(put: Callable[[object, str, object], None] = setattr) -> None:
    """Ask only this machine, without a look whether it answers, and wait for it however busy it is."""
    put(download, "reachable", lambda url: url.startswith("http://127.0.0.1"))
    put(download, "TIMEOUT_S", 600.0)
    put(connections, "GRACE_S", 600.0)


REAL = dict(DATASETS)


def declared(name: str, files: Sequence[File], origins: Sequence[Origin] = (), **more: Any) -> Dataset:
    """The dataset ``name`` with other files; one that nobody knows is a dataset of reviews."""
    return replace(REAL.get(name, REAL["imdb"]), name=name, files=tuple(files), origins=tuple(origins), **more)


def only(*known: Dataset) -> None:
    """Make these the only datasets there are."""
    DATASETS.clear()  # type: ignore[attr-defined]
    DATASETS.update({each.name: each for each in known})  # type: ignore[attr-defined]


def fetch_only(root: str, known: Dataset) -> None:
    """Fetch ``known`` as the only dataset there is; run in a process of its own."""
    patient()
    only(known)
    mirrors.fetch(known.name, Path(root))


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
        self.http.daemon_threads = False  # so that closing waits for those that still answer
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    def close(self) -> None:
        """Stop, and wait for every thread."""
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()

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
