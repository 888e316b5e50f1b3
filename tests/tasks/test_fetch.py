"""Fetching: places in order, checksums, resuming, retries, and what is said when it fails."""

from __future__ import annotations

import errno
import gzip
import io
import lzma
import multiprocessing
import os
import pickle
import socket
import tarfile
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from data_helpers import Server, declared, fetch_only, of_content

from uhn.tasks import DATASETS, cifar10
from uhn.tasks.dataset import Dataset
from uhn.tasks.fetch import connections, packed
from uhn.tasks.fetch import mirrors as fetch_module
from uhn.tasks.fetch.checksums import ChecksumError, DataError, Origin, UnavailableError
from uhn.tasks.fetch.mirrors import ensure, fetch, verify

CONTENT = b"what the file holds\n" * 500


def leftovers(root: Path) -> list[str]:
    """Every file below ``root`` but locks and the notes of what could not be obtained."""
    files = [p.relative_to(root) for p in root.rglob("*") if p.is_file()]
    return sorted(str(path) for path in files if path.parts[0] not in (".locks", ".unavailable"))


def one_file(*sources: Origin, content: bytes = CONTENT) -> Dataset:
    return declared("toy", [of_content("toy/file", content)], sources)


def tar(*members: tuple[str, bytes | str | None], mode: str = "w:gz") -> bytes:
    """Pack (name, content) as files, (name, "-> target") as a symbolic link, (name, None) as a device."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in members:
            info = tarfile.TarInfo(name)
            if isinstance(content, bytes):
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
            elif content is None:
                info.type = tarfile.CHRTYPE
                archive.addfile(info)
            else:
                info.type, info.linkname = tarfile.SYMTYPE, content.removeprefix("-> ")
                archive.addfile(info)
    return out.getvalue()


def test_every_declaration_is_whole() -> None:
    for name, known in DATASETS.items():
        given = {path for origin in known.origins for path, _ in origin.gives}
        assert name == known.name
        assert given == {file.path for file in known.files}
        assert all(not file.path.startswith("/") and ".." not in file.path for file in known.files)
        kinds = [origin.official for origin in known.origins for path, _ in origin.gives if path == known.files[0].path]
        assert kinds == sorted(kinds), "mirror paths come before official addresses"


def test_folder_mirror_and_idle_second_fetch(tmp_path: Path, tiny_mnist: tuple[Path, dict[str, bytes]]) -> None:
    mirror, content = tiny_mnist
    root = tmp_path / "data"
    assert set(verify("mnist", root).values()) == {"missing"}
    paths = fetch("mnist", root, mirror=str(mirror))
    assert {p.name: p.read_bytes() for p in paths} == content
    assert set(verify("mnist", root).values()) == {"ok"}
    assert leftovers(root) == sorted(f"mnist/{name}" for name in content)
    before = [p.stat().st_mtime_ns for p in paths]
    fetch("mnist", root, mirror="")
    assert [p.stat().st_mtime_ns for p in paths] == before


def test_mirror_by_environment(
    tmp_path: Path, tiny_mnist: tuple[Path, dict[str, bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UHN_DATA_MIRROR", str(tiny_mnist[0]))
    fetch("mnist", tmp_path / "data")
    monkeypatch.setenv("UHN_DATA_MIRROR", "ftp://example.org/x")
    with pytest.raises(ValueError, match="folder or an http"):
        fetch("mnist", tmp_path / "other")


def test_http_mirror(tmp_path: Path, tiny_mnist: tuple[Path, dict[str, bytes]], server: Server) -> None:
    for path in (tiny_mnist[0] / "mnist").iterdir():
        server.give(f"/m/mnist/{path.name}", path.read_bytes())
    fetch("mnist", tmp_path / "data", mirror=f"{server.url}/m/")
    assert set(verify("mnist", tmp_path / "data").values()) == {"ok"}


def test_flipped_byte_is_seen_and_replaced(tmp_path: Path, tiny_mnist: tuple[Path, dict[str, bytes]]) -> None:
    mirror, content = tiny_mnist
    root = tmp_path / "data"
    victim = fetch("mnist", root, mirror=str(mirror))[0]
    data = bytearray(victim.read_bytes())
    data[100] ^= 1
    victim.write_bytes(bytes(data))
    assert verify("mnist", root)[f"mnist/{victim.name}"] == "changed"
    with pytest.raises(ChecksumError, match="damaged"):
        DATASETS["mnist"].read(root, 0)
    fetch("mnist", root, mirror=str(mirror))
    assert victim.read_bytes() == content[victim.name]


def test_error_names_every_place(tmp_path: Path, register: Callable[[Dataset], None], server: Server) -> None:
    gives = (("toy/file", ""),)
    server.give("/wrong", b"something else")
    server.give("/page", b"<!DOCTYPE html><html>sign in</html>", "text/html")
    server.give("/disguised", b"\n <HTML>sign in</HTML>")
    server.give("/big", CONTENT * 10)
    register(
        one_file(
            Origin("toy/file.gz", gives, "gzip"),
            *(Origin(f"{server.url}/{page}", gives) for page in ("wrong", "page", "disguised", "absent")),
            Origin(f"{server.url}/big", gives, max_bytes=len(CONTENT)),
            Origin("https://nowhere.invalid/file", gives),
        )
    )
    (tmp_path / "mirror/toy").mkdir(parents=True)
    (tmp_path / "mirror/toy/file.gz").write_bytes(gzip.compress(CONTENT)[:-20])
    with pytest.raises(UnavailableError) as caught:
        fetch("toy", tmp_path / "data", mirror=str(tmp_path / "mirror"))
    lines = caught.value.tried
    wanted = (
        "truncated or corrupt",
        "wanted 10,000 bytes",
        "web page",
        "web page",
        "HTTP 404",
        "the server offers 100,000",
        "no connection",
    )
    assert len(lines) == len(wanted)
    for line, words in zip(lines, wanted, strict=True):
        assert words in line
    assert all(
        page in str(caught.value) for page in ("/wrong", "/page", "/disguised", "/absent", "/big", "nowhere.invalid")
    )
    assert leftovers(tmp_path / "data") == []
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (copy.tried, str(copy)) == (lines, str(caught.value))


def test_missing_mirror_folder_is_named(tmp_path: Path, register: Callable[[Dataset], None]) -> None:
    register(one_file(Origin("toy/file", (("toy/file", ""),))))
    with pytest.raises(UnavailableError, match=str(tmp_path / "nothing")):
        fetch("toy", tmp_path / "data", mirror=str(tmp_path / "nothing"))
    with pytest.raises(UnavailableError, match="UHN_DATA_MIRROR is not set"):
        fetch("toy", tmp_path / "data")


def test_broken_download_is_resumed(tmp_path: Path, register: Callable[[Dataset], None], server: Server) -> None:
    register(one_file(Origin(f"{server.url}/file", (("toy/file", ""),))))
    server.give("/file", CONTENT)
    whole = server.pages["/file"]

    def breaks(handler: BaseHTTPRequestHandler) -> None:
        server.pages["/file"] = whole
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(CONTENT)))
        handler.end_headers()
        handler.wfile.write(CONTENT[:3000])

    server.pages["/file"] = breaks
    fetch("toy", tmp_path / "data")
    assert server.requests == [("/file", None), ("/file", "bytes=3000-")]
    assert (tmp_path / "data/toy/file").read_bytes() == CONTENT
    assert leftovers(tmp_path / "data") == ["toy/file"]


def test_server_that_ignores_ranges(tmp_path: Path, register: Callable[[Dataset], None], server: Server) -> None:
    register(one_file(Origin(f"{server.url}/file", (("toy/file", ""),))))
    count = iter(range(10))

    def page(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(CONTENT)))
        handler.end_headers()
        handler.wfile.write(CONTENT[: 3000 if next(count) == 0 else None])

    server.pages["/file"] = page
    fetch("toy", tmp_path / "data")
    assert (tmp_path / "data/toy/file").read_bytes() == CONTENT


def test_busy_server_is_asked_again(tmp_path: Path, register: Callable[[Dataset], None], server: Server) -> None:
    register(one_file(Origin(f"{server.url}/file", (("toy/file", ""),))))
    server.give("/file", CONTENT)
    whole = server.pages["/file"]

    def busy(handler: BaseHTTPRequestHandler) -> None:
        if len(server.requests) == 2:
            server.pages["/file"] = whole
        handler.send_error(503)

    server.pages["/file"] = busy
    fetch("toy", tmp_path / "data")
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ((("../escape", b"x"), ("in/file", CONTENT)), "points outside"),
        ((("/etc/absolute", b"x"), ("in/file", CONTENT)), "points outside"),
        ((("in/link", "-> /etc/passwd"), ("in/file", CONTENT)), "link or a device"),
        ((("in/file", "-> other"),), "link or a device"),
        ((("in/device", None), ("in/file", CONTENT)), "link or a device"),
        ((("in/other", CONTENT),), "holds no toy/file"),
        ((("in/file", CONTENT[::-1]),), "wanted sha256"),
        ((("in/zeros", bytes(3 << 20)), ("in/file", CONTENT)), "unpacks to more than"),
    ],
)
def test_unsafe_or_wrong_archives(
    tmp_path: Path,
    register: Callable[[Dataset], None],
    monkeypatch: pytest.MonkeyPatch,
    members: tuple[tuple[str, bytes | str | None], ...],
    words: str,
) -> None:
    monkeypatch.setattr(packed, "MAX_ARCHIVE_BYTES", 2 << 20)
    register(one_file(Origin("toy.tgz", (("toy/file", "in/file"),), "tar")))
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror/toy.tgz").write_bytes(tar(*members))
    with pytest.raises(UnavailableError, match=words):
        fetch("toy", tmp_path / "data", mirror=str(tmp_path / "mirror"))
    assert leftovers(tmp_path / "data") == []
    assert not (tmp_path / "escape").exists()


@pytest.mark.parametrize("cut", [10, 200, -30])
@pytest.mark.parametrize("mode", ["w:gz", "w:xz", "w"])
def test_truncated_archives(tmp_path: Path, register: Callable[[Dataset], None], cut: int, mode: str) -> None:
    register(one_file(Origin("toy.tar", (("toy/file", "in/file"),), "tar"), content=os.urandom(1) + CONTENT))
    (tmp_path / "mirror").mkdir()
    packed = tar(("in/first", CONTENT), ("in/file", CONTENT), mode=mode)
    (tmp_path / "mirror/toy.tar").write_bytes(packed[:cut])
    with pytest.raises(UnavailableError):
        fetch("toy", tmp_path / "data", mirror=str(tmp_path / "mirror"))
    assert leftovers(tmp_path / "data") == []


@pytest.mark.parametrize("packing", ["gzip", "xz"])
def test_corrupt_single_files(tmp_path: Path, register: Callable[[Dataset], None], packing: str) -> None:
    packed = bytearray({"gzip": gzip.compress, "xz": lzma.compress}[packing](CONTENT))
    packed[len(packed) // 2] ^= 255
    register(one_file(Origin("file.packed", (("toy/file", ""),), packing)))  # type: ignore[arg-type]
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror/file.packed").write_bytes(packed)
    with pytest.raises(UnavailableError, match=r"truncated or corrupt|wanted"):
        fetch("toy", tmp_path / "data", mirror=str(tmp_path / "mirror"))
    assert leftovers(tmp_path / "data") == []


def test_full_disk_ends_it_and_leaves_nothing(
    tmp_path: Path, tiny_mnist: tuple[Path, dict[str, bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DataError, match="no room for"):
        fetch("mnist", tmp_path / "data", mirror=str(tiny_mnist[0]))
    assert leftovers(tmp_path / "data") == []


def test_root_that_is_a_file(tmp_path: Path, tiny_mnist: tuple[Path, dict[str, bytes]]) -> None:
    (tmp_path / "data").write_text("in the way")
    with pytest.raises(DataError, match="cannot write below"):
        fetch("mnist", tmp_path / "data", mirror=str(tiny_mnist[0]))


def test_whether_a_host_answers(monkeypatch: pytest.MonkeyPatch, server: Server) -> None:
    monkeypatch.setattr(connections, "CONNECT_S", 600.0)
    monkeypatch.setattr(connections, "_reachable", {})
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    assert connections.reachable(f"{server.url}/file")
    assert not connections.reachable(f"http://127.0.0.1:{port}/file")
    assert not connections.reachable("http://a..b/file")


def test_two_processes_fetch_once(tmp_path: Path, server: Server) -> None:
    entry = one_file(Origin(f"{server.url}/file", (("toy/file", ""),)))
    server.give("/file", CONTENT)
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=fetch_only, args=(str(tmp_path / "data"), entry)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert len(server.requests) == 1
    assert leftovers(tmp_path / "data") == ["toy/file"]


def test_ensure_remembers_a_failure_until_fetch_succeeds(
    tmp_path: Path, tiny_mnist: tuple[Path, dict[str, bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    root, mirror = tmp_path / "data", tiny_mnist[0]
    with pytest.raises(UnavailableError) as first:
        ensure("mnist", root, mirror="")
    with monkeypatch.context() as patch:
        patch.setattr(fetch_module, "fetch", lambda *a, **k: pytest.fail("tried again"))
        with pytest.raises(UnavailableError) as second:
            ensure("mnist", root, mirror="")
    assert str(first.value) == str(second.value)
    ensure("mnist", root, mirror=str(mirror))
    assert not (root / ".unavailable/mnist.json").exists()
    assert set(verify("mnist", root).values()) == {"ok"}


class _Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("true",)


def test_unchecked_pickle_is_never_loaded(
    tmp_path: Path, register: Callable[[Dataset], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch with a wrong checksum is refused before unpickling; one with the right one may only build arrays."""
    bomb = pickle.dumps(_Bomb())
    files = tuple(
        of_content(f"cifar-10-batches-py/{name}", b"the official content") for name in ("data_batch_1", "test_batch")
    )
    register(declared("cifar10", files))
    (tmp_path / "cifar-10-batches-py").mkdir()
    for file in files:
        (tmp_path / file.path).write_bytes(bomb)
    opened: list[bytes] = []
    monkeypatch.setattr(cifar10.io, "BytesIO", lambda content: opened.append(content) or io.BytesIO(content))
    with pytest.raises(ChecksumError):
        DATASETS["cifar10"].read(tmp_path, 0)
    assert opened == []
    monkeypatch.undo()
    with pytest.raises(DataError, match="not allowed in a dataset"):
        cifar10.read_batch(bomb, "test_batch")
