"""Fetching while signals arrive and the disk fails, and data files that change afterwards."""

from __future__ import annotations

import errno
import hashlib
import itertools
import json
import os
import random
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from farm import failing, seeds
from farm_data import FILES, PLACES, toy
from liars import Liars, pieces

from uhn.tasks import DATASETS, receipts
from uhn.tasks.fetch import mirrors
from uhn.tasks.fetch.checksums import ChecksumError, DataError, File, Origin, UnavailableError
from uhn.tasks.fetch.mirrors import ensure, verify

HERE = Path(__file__).parent


def below(root: Path) -> dict[str, bytes]:
    """Every file below a data root but the locks."""
    files = [path.relative_to(root) for path in root.rglob("*") if path.is_file()]
    return {path.as_posix(): (root / path).read_bytes() for path in files if path.parts[0] != ".locks"}


@pytest.fixture
def server() -> Iterator[Liars]:
    """A slow but honest server."""
    running = Liars({name: pieces(content, 10) for name, content in PLACES.items()})
    yield running
    running.close()


@pytest.fixture
def driver() -> Iterator[Callable[..., tuple[int, float]]]:
    """A function that fetches in a child and sends it a signal after so many seconds, or lets it finish."""
    path = os.pathsep.join([str(HERE), *sys.path])
    with subprocess.Popen(
        [sys.executable, str(HERE / "fetch_driver.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": path},
    ) as process:
        assert process.stdin is not None and process.stdout is not None

        def run(root: Path, url: str, number: int = 0, after: float = 0.0) -> tuple[int, float]:
            process.stdin.write(json.dumps([str(root), url]) + "\n")
            process.stdin.flush()
            child, start = int(process.stdout.readline()), time.monotonic()
            if number:
                time.sleep(after)
                os.kill(child, number)
            process.stdin.write("\n")
            process.stdin.flush()
            return int(process.stdout.readline()), time.monotonic() - start

        yield run
        process.stdin.close()


def test_signals(tmp_path: Path, server: Liars, driver: Callable[..., tuple[int, float]]) -> None:
    """After any of them another fetch brings everything and leaves nothing else behind."""
    status, span = driver(tmp_path / "first", server.url)
    assert status == 0 and below(tmp_path / "first") == FILES
    for seed in seeds(15):
        rng, root, unclean = random.Random(seed), tmp_path / str(seed), set[str]()
        for _ in range(rng.choice((1, 2))):
            number = rng.choice((signal.SIGKILL, signal.SIGTERM, signal.SIGINT))
            status, _ = driver(root, server.url, number, rng.uniform(0, span))
            left = {path for path in below(root) if not path.startswith(".downloads/toy/")} - FILES.keys()
            assert status == 0 or os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 3, f"seed {seed}"
            if number != signal.SIGKILL:
                assert left <= unclean, f"seed {seed}: nothing but half a download stays"
            unclean = left
        status, _ = driver(root, server.url)
        assert status == 0 and below(root) == FILES, f"seed {seed}"


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("call", ["fsync", "replace", "write", "mkdir"])
def test_failing_calls(call: str, error: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DATASETS, "toy", toy())  # type: ignore[arg-type]
    (tmp_path / "mirror").mkdir()
    for name, content in PLACES.items():
        (tmp_path / "mirror" / name).write_bytes(content)
    for number in range(1, 10):
        root = tmp_path / str(number)
        with failing(call, number, error) as count:
            try:
                mirrors.fetch("toy", root, mirror=str(tmp_path / "mirror"))
            except DataError as refused:
                assert str(root) in str(refused) and os.strerror(error) in str(refused)
            else:
                assert below(root) == FILES
        assert all(FILES[path] == content for path, content in below(root).items())
        mirrors.fetch("toy", root, mirror=str(tmp_path / "mirror"))
        assert below(root) == FILES
    assert count[0] < number, "every call has failed once"


DIGITS = {
    f"mnist/{part}-{what}-ubyte": head + bytes(range(count))
    for part in ("train", "t10k")
    for what, head, count in (
        ("images-idx3", b"\0\0\x08\x03" + struct.pack(">3I", 3, 4, 5), 60),
        ("labels-idx1", b"\0\0\x08\x01" + struct.pack(">I", 3), 3),
    )
}
NEWS = {
    f"ag_news/{part}.csv": b"".join(b'"%d","word %d","%s"\n' % (i % 4 + 1, i, part.encode()) for i in range(20))
    for part in ("train", "test")
}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data root with digits and news, and a mirror that has them too."""
    for name, files in (("mnist", DIGITS), ("ag_news", NEWS)):
        known = replace(
            DATASETS[name],
            files=tuple(File(path, hashlib.sha256(data).hexdigest(), len(data)) for path, data in files.items()),
            origins=tuple(Origin(path, ((path, ""),)) for path in files),
            fallback="",
        )
        monkeypatch.setitem(DATASETS, name, known)  # type: ignore[arg-type]
        for place, (path, data) in itertools.product(("data", "mirror"), files.items()):
            (tmp_path / place / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / place / path).write_bytes(data)
    monkeypatch.setenv("UHN_DATA_MIRROR", str(tmp_path / "mirror"))
    return tmp_path / "data"


def flipped(path: Path, rng: random.Random) -> None:
    """Change one byte of a file."""
    data = bytearray(path.read_bytes())
    data[rng.randrange(len(data))] ^= rng.randrange(1, 256)
    path.write_bytes(data)


@pytest.mark.parametrize("name", ["mnist", "ag_news"])
def test_flipped_data(name: str, root: Path) -> None:
    files = DIGITS if name == "mnist" else NEWS
    for seed in seeds(20):
        rng = random.Random(seed)
        victim = rng.choice(sorted(files))
        flipped(root / victim, rng)
        assert verify(name, root) == {path: "changed" if path == victim else "ok" for path in files}
        with pytest.raises(ChecksumError, match="damaged"):
            DATASETS[name].read(root, 0)
        mirrors.fetch(name, root)
        assert (root / victim).read_bytes() == files[victim]


def test_flipped_cache(root: Path) -> None:
    tokens = [part.ids.tolist() for part in DATASETS["ag_news"].read(root, 0)]
    (cache,) = (root / "cache").iterdir()
    whole = cache.read_bytes()
    for seed in seeds(40):
        flipped(cache, random.Random(seed))
        assert [part.ids.tolist() for part in DATASETS["ag_news"].read(root, 0)] == tokens, f"seed {seed}"
        assert cache.read_bytes() == whole


def test_flipped_notes(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was noted about data that could not be obtained is believed or not, and stops nothing."""
    monkeypatch.delenv("UHN_DATA_MIRROR")
    next(root.glob("mnist/t10k-labels*")).unlink()
    receipts.obtain("mnist", root, stand_in=True).write(root / "receipts")
    for note, seed in itertools.product(("receipts/mnist.json", ".unavailable/mnist.json"), seeds(20)):
        told = (root / note).read_bytes()
        flipped(root / note, random.Random(seed))
        with pytest.raises(UnavailableError, match="t10k-labels|could not be obtained"):
            ensure("mnist", root)
        receipts.outdated("mnist", root, root / "receipts")
        receipts.notice([found] if (found := receipts.read_receipt("mnist", root / "receipts")) else [])
        (root / note).write_bytes(told)
