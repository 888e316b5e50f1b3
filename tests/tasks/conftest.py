"""Small datasets in the real formats, so that no test needs the real files or a network."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from data_helpers import REAL, Server, declared, idx, of_content, only, patient

from uhn.tasks.dataset import Dataset
from uhn.tasks.fetch import download
from uhn.tasks.fetch.checksums import Origin


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """No mirror or proxy from outside, nothing but this machine may be asked, and it may take its time."""
    for name in ("UHN_DATA_MIRROR", "http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(download, "BACKOFF_S", 0.0)
    patient(monkeypatch.setattr)


@pytest.fixture
def register() -> Iterator[Callable[..., None]]:
    """A function that makes datasets the only ones for the length of a test."""
    yield only
    only(*REAL.values())


@pytest.fixture
def tiny_mnist(tmp_path: Path, register: Callable[[Dataset], None]) -> tuple[Path, dict[str, bytes]]:
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
        declared(
            "mnist",
            [of_content(f"mnist/{name}", data) for name, data in content.items()],
            [Origin(f"mnist/{name}.gz", ((f"mnist/{name}", ""),), "gzip", 1 << 20) for name in content],
        )
    )
    return mirror, content


@pytest.fixture
def server() -> Iterator[Server]:
    """A running :class:`Server`."""
    running = Server()
    yield running
    running.close()
