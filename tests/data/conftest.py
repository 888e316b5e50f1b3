"""Small datasets in the real formats, so that no test needs the real files or a network."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from data_helpers import Server, idx, patient, pin

from uhn.data import citation, download, entries, fetch, images, text
from uhn.data.entries import Entry, Source


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """No mirror or proxy from outside, nothing but this machine may be asked, and it may take its time."""
    for name in ("UHN_DATA_MIRROR", "http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(download, "BACKOFF_S", 0.0)
    patient(monkeypatch.setattr)


@pytest.fixture
def register(monkeypatch: pytest.MonkeyPatch) -> Callable[[Entry], Entry]:
    """Return a function that makes an entry the only dataset for the length of a test."""

    def make(entry: Entry) -> Entry:
        for module in (entries, fetch, images, citation, text):
            monkeypatch.setattr(module, "ENTRIES", {entry.name: entry})
        return entry

    return make


@pytest.fixture
def tiny_mnist(tmp_path: Path, register: Callable[[Entry], Entry]) -> tuple[Path, dict[str, bytes]]:
    """A mirror folder with a 40 + 10 digit MNIST, registered under its name; also the unpacked files."""
    rng = np.random.default_rng(0)
    content = {}
    for part, rows in (("train", 40), ("t10k", 10)):
        content[f"{part}-images-idx3-ubyte"] = idx(rng.integers(0, 256, (rows, 28, 28), dtype=np.uint8))
        content[f"{part}-labels-idx1-ubyte"] = idx(rng.integers(0, 10, rows, dtype=np.uint8))
    mirror = tmp_path / "mirror"
    (mirror / "mnist").mkdir(parents=True)
    for name, data in content.items():
        (mirror / "mnist" / f"{name}.gz").write_bytes(gzip.compress(data))
    register(
        Entry(
            "mnist",
            "tiny",
            tuple(pin(f"mnist/{name}", data) for name, data in content.items()),
            tuple(Source(f"mnist/{name}.gz", ((f"mnist/{name}", ""),), "gzip", 1 << 20) for name in content),
            "none",
            "none",
        )
    )
    return mirror, content


@pytest.fixture
def server() -> Iterator[Server]:
    """A running :class:`Server`."""
    running = Server()
    yield running
    running.close()
