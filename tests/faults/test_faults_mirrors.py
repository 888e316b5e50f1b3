"""Mirrors that lie, each with a good place after it: the data come, in bounded time, memory and requests."""

from __future__ import annotations

import hashlib
import random
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest
from farm import seeds
from liars import CONTENT, LIES, OK, Liars, drips, says

from uhn.tasks import DATASETS
from uhn.tasks.fetch import connections, download, mirrors
from uhn.tasks.fetch.checksums import File, Origin

FILE = File("toy/file", hashlib.sha256(CONTENT).hexdigest(), len(CONTENT))
GIVES = (("toy/file", ""),)


@pytest.fixture
def liars(monkeypatch: pytest.MonkeyPatch) -> Iterator[Liars]:
    """A lying server, and a client that waits for it as long as it takes, but for a drip."""
    monkeypatch.setattr(download, "BACKOFF_S", 0.0)
    monkeypatch.setattr(download, "TIMEOUT_S", 60.0)
    monkeypatch.setattr(download, "reachable", lambda url: True)
    patience = {"drip": 0.2, "continue": 0.2}
    monkeypatch.setattr(
        connections, "allowance", lambda url, _: next((s for word, s in patience.items() if word in url), 600.0)
    )
    running = Liars(LIES)
    yield running
    running.close()


def fetched(root: Path, *origins: Origin) -> dict[str, bytes]:
    """Fetch from these places; return every file that lies below the root afterwards, locks left out."""
    with pytest.MonkeyPatch.context() as patch:
        known = replace(DATASETS["imdb"], name="toy", files=(FILE,), origins=origins)
        patch.setitem(DATASETS, "toy", known)  # type: ignore[arg-type]
        mirrors.fetch("toy", root, mirror="")
    files = [path.relative_to(root) for path in root.rglob("*") if path.is_file()]
    return {str(path): (root / path).read_bytes() for path in files if path.parts[0] != ".locks"}


@pytest.mark.parametrize("lie", LIES)
def test_a_lying_place_does_not_keep_the_next_from_being_asked(lie: str, liars: Liars, tmp_path: Path) -> None:
    packing = "gzip" if lie == "gzip bomb" else "plain"
    tracemalloc.start()
    try:
        found = fetched(
            tmp_path,
            Origin(f"{liars.url}/{quote(lie)}", GIVES, packing, 1 << 20),  # type: ignore[arg-type]
            Origin(f"{liars.url}/good", GIVES, "plain", 1 << 20),
        )
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found == {"toy/file": CONTENT}
    assert liars.asked["good"] == 1
    assert sum(liars.asked.values()) <= 1 + 3 * 11, "three attempts, each with at most ten redirects"
    assert peak < 64 << 20


def test_a_handshake_that_drips(liars: Liars, tmp_path: Path) -> None:
    liars.handshake = drips(b"\x16\x03\x03\x40\x00", b"x")
    drip, good = (Origin(f"{url}", GIVES) for url in (f"https://127.0.0.1:{liars.port}/drip", f"{liars.url}/good"))
    assert fetched(tmp_path, drip, good) == {"toy/file": CONTENT}


def test_random_answers(liars: Liars, tmp_path: Path) -> None:
    """A good answer with bytes changed: the content comes, from there or from the next place."""
    good = OK + b"Content-Type: application/octet-stream\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    good += b"".join(b"%x\r\n%s\r\n" % (1000, CONTENT[at : at + 1000]) for at in range(0, len(CONTENT), 1000))
    good += b"0\r\n\r\n"
    for seed in seeds(40):
        rng = random.Random(seed)
        answer = bytearray(good)
        for _ in range(rng.choice((1, 2, 8))):
            at = rng.randrange(rng.choice((60, 200, len(answer))))
            answer[at : at + rng.choice((0, 1, 4))] = rng.randbytes(rng.choice((0, 1, 4)))
        liars.lies["random"] = says(bytes(answer))
        found = fetched(
            tmp_path / str(seed),
            Origin(f"{liars.url}/random", GIVES, "plain", 1 << 20),
            Origin(f"{liars.url}/good", GIVES, "plain", 1 << 20),
        )
        assert found == {"toy/file": CONTENT}, f"seed {seed}"
