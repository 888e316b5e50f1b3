"""What several processes, killed processes and folders that cannot be written mean for a data root."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from data_helpers import REAL, Server, declared, of_content

from uhn.tasks import DATASETS
from uhn.tasks.dataset import Dataset
from uhn.tasks.fetch.checksums import Origin
from uhn.tasks.fetch.download import half_of
from uhn.tasks.fetch.mirrors import fetch

NEWS = {f"ag_news/{part}.csv": b'"1","a","b"\n"2","c","d"\n' for part in ("train", "test")}


def test_datasets_that_share_a_file_or_a_place_share_a_folder_and_so_a_lock() -> None:
    for one, two in itertools.product(REAL.values(), repeat=2):
        shared = {file.path for file in one.files} & {file.path for file in two.files}
        shared |= {origin.address for origin in one.origins} & {origin.address for origin in two.origins}
        folders = {file.path.partition("/")[0] for known in (one, two) for file in known.files}
        assert not shared or len(folders) == 1


def test_two_datasets_with_one_file_fetch_it_once(
    tmp_path: Path, server: Server, register: Callable[..., None]
) -> None:
    known = [
        declared(
            name,
            [of_content(f"toy/{file}", file.encode()) for file in (f"{name}-own", "shared")],
            [Origin(f"{server.url}/{file}", ((f"toy/{file}", ""),)) for file in (f"{name}-own", "shared")],
        )
        for name in ("one", "two")
    ]
    register(*known)
    for file in ("one-own", "two-own", "shared"):
        server.give(f"/{file}", file.encode())
    give, asked, go_on = server.pages["/shared"], threading.Event(), threading.Event()

    def slowly(handler: BaseHTTPRequestHandler) -> None:
        asked.set()
        go_on.wait(600)
        give(handler)

    server.pages["/shared"] = slowly
    threads = [threading.Thread(target=fetch, args=(each.name, tmp_path)) for each in known]
    threads[0].start()
    assert asked.wait(600)
    threads[1].start()
    threads[1].join(0.3)  # long enough to ask for the file too, if nothing keeps it from that
    go_on.set()
    for thread in threads:
        thread.join()
    assert [path for path, _ in server.requests].count("/shared") == 1
    assert sorted(path.name for path in (tmp_path / "toy").iterdir()) == ["one-own", "shared", "two-own"]


@pytest.mark.parametrize("complete", [False, True])
def test_what_killed_processes_left_is_removed(
    complete: bool, tmp_path: Path, tiny_mnist: tuple[Path, dict[str, bytes]]
) -> None:
    mirror, content = tiny_mnist
    root, name = tmp_path / "data", next(iter(content))
    if complete:
        fetch("mnist", root, mirror=str(mirror))
    for left in (f"mnist/.{name}.abc123.part", ".downloads/mnist/0123-x.gz.part", ".unavailable/mnist.json"):
        (root / left).parent.mkdir(parents=True, exist_ok=True)
        (root / left).write_bytes(b"half")
    fetch("mnist", root, mirror=str(mirror))
    files = [path.relative_to(root) for path in root.rglob("*") if path.is_file()]
    assert {str(path) for path in files if path.parts[0] != ".locks"} == {f"mnist/{name}" for name in content}


@pytest.mark.parametrize("half", [b"of another version", b"longer than what is there now" * 100])
def test_a_wrong_half_is_given_up(
    half: bytes, tmp_path: Path, server: Server, register: Callable[[Dataset], None]
) -> None:
    content, url = b"what the file holds" * 100, f"{server.url}/file"
    register(declared("toy", [of_content("toy/file", content)], [Origin(url, (("toy/file", ""),))]))
    server.give("/file", content)
    (tmp_path / ".downloads/toy").mkdir(parents=True)
    half_of(url, tmp_path / ".downloads/toy").write_bytes(half)
    (path,) = fetch("toy", tmp_path)
    assert path.read_bytes() == content


@pytest.fixture
def foreign() -> Iterator[tuple[Path, Callable[[], None]]]:
    """A folder, and a function after which this process cannot write it (root becomes somebody else)."""
    folder, user = Path(tempfile.mkdtemp(prefix="uhn-test-")), os.geteuid()
    folder.chmod(0o755)

    def shut() -> None:
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)
        if user == 0:
            try:
                os.seteuid(65534)
            except OSError:
                pytest.skip("root here cannot become anybody else")

    yield folder, shut
    os.seteuid(user)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755)
    shutil.rmtree(folder)


@pytest.mark.parametrize("cached", [False, True])
def test_a_complete_folder_that_cannot_be_written(
    cached: bool, foreign: tuple[Path, Callable[[], None]], register: Callable[[Dataset], None]
) -> None:
    root, shut = foreign
    for path, data in NEWS.items():
        (root / path).parent.mkdir(exist_ok=True)
        (root / path).write_bytes(data)
    (root / ".downloads/ag_news").mkdir(parents=True)  # left by whoever made the folder
    register(declared("ag_news", [of_content(path, data) for path, data in NEWS.items()]))
    news = DATASETS["ag_news"]
    before, made = news.read(root, 0), news.generate(root, 0, 0)
    if not cached:
        shutil.rmtree(root / "cache")
    shut()
    with pytest.raises(PermissionError):
        (root / "new").write_bytes(b"")
    assert len(fetch("ag_news", root)) == 2
    for one, two in zip((before, made), (news.read(root, 0), news.generate(root, 0, 0)), strict=True):
        assert [part.ids.tolist() for part in one] == [part.ids.tolist() for part in two]
    assert (root / "cache").exists() == cached
