"""Archives that cost more than they should, or hold what a tar file may hold and a dataset does not."""

from __future__ import annotations

import gzip
import io
import lzma
import os
import tarfile
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from data_helpers import declared, of_content

from uhn.tasks.dataset import Dataset
from uhn.tasks.fetch import packed
from uhn.tasks.fetch.checksums import DataError, Origin
from uhn.tasks.fetch.mirrors import fetch
from uhn.tasks.fetch.unpack import join, unpack
from uhn.tasks.imdb import REVIEW

REVIEWS = {"train/pos/0_9.txt": b"good", "test/neg/1_2.txt": b"bad"}
FILE = of_content("imdb/reviews.bin", join(REVIEWS))


def header(name: str, size: int = 0, kind: bytes = tarfile.REGTYPE) -> bytes:
    """One block that begins a member."""
    info = tarfile.TarInfo(name)
    info.size, info.type = size, kind
    return info.tobuf(tarfile.GNU_FORMAT)


def member(name: str, content: bytes, kind: bytes = tarfile.REGTYPE) -> bytes:
    """A member with its content, padded."""
    return header(name, len(content), kind) + content + bytes(-len(content) % 512)


def pax(**records: str) -> bytes:
    """An extended header for the member that follows."""
    lines = b""
    for key, value in records.items():
        line = f" {key.replace('_', '.')}={value}\n".encode()
        length = len(line) + next(d for d in (1, 2, 3, 4, 5) if len(str(len(line) + d)) == d)
        lines += b"%d%s" % (length, line)
    return member("pax", lines, tarfile.XHDTYPE)


def refused(archive: bytes, folder: Path, pack: Callable[[bytes], bytes] = gzip.compress) -> tuple[str, int]:
    """What unpacking reviews from these tar blocks says, and the most memory it took.

    The smaller of two measurements: the interpreter's own tables grow now and then, whoever asks.
    """
    path, peaks = folder / "archive", []
    path.write_bytes(pack(archive + bytes(1024)))
    for _ in range(2):
        tracemalloc.start()
        try:
            with pytest.raises(DataError) as caught:
                unpack(path, "joined", {REVIEW: FILE}, folder / "data")
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    return str(caught.value), min(peaks)


MB = 1 << 20


def test_reviews_beyond_the_pin_are_given_up_early(tmp_path: Path) -> None:
    for archive in (
        member("aclImdb/train/pos/0_9.txt", bytes(32 * MB)),
        b"".join(member(f"aclImdb/train/pos/{i}_9.txt", bytes(64)) for i in range(8_000)),
        member("aclImdb/train/pos/0_9.txt", b"x" * 60) * 8_000,  # one name again and again
    ):
        said, peak = refused(archive, tmp_path)
        assert f"wanted at most {FILE.size:,} bytes of imdb/reviews.bin, got more" in said
        assert peak < 3 * MB


def test_members_that_nobody_wants_are_not_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said, peak = refused(header("aclImdb/README") * 5_000, tmp_path)
    assert "wanted" in said and peak < 3 * MB
    monkeypatch.setattr(packed, "MAX_MEMBERS", 1000)
    assert "has more than 1,000 members" in refused(header("aclImdb/README") * 5_000, tmp_path)[0]


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK])
def test_a_header_without_end(kind: bytes, tmp_path: Path) -> None:
    said, peak = refused(header("first") + header("long", 64 * MB, kind) + bytes(64 * MB), tmp_path)
    assert "has a header without end" in said and peak < 8 * MB


def test_headers_of_headers(tmp_path: Path) -> None:
    said, _ = refused(member("long", b"name\0", tarfile.GNUTYPE_LONGNAME) * 2000, tmp_path)
    assert "truncated or corrupt" in said


@pytest.mark.parametrize(
    "records",
    [{"GNU_sparse_size": str(1 << 40), "GNU_sparse_map": "0,3"}, {"GNU_sparse_major": "1", "GNU_sparse_minor": "0"}],
)
def test_members_with_holes(records: dict[str, str], tmp_path: Path) -> None:
    archive = pax(**records) + member("aclImdb/train/pos/0_9.txt", b"1\n0\n3\n".ljust(512, b"\0") + b"abc")
    said, peak = refused(archive, tmp_path)
    assert "has holes; only files are allowed" in said and peak < 8 * MB


def test_old_members_with_holes(tmp_path: Path) -> None:
    block = bytearray(header("aclImdb/train/pos/0_9.txt", 3, tarfile.GNUTYPE_SPARSE))
    block[386:410] = b"%011o\0%011o\0" % (0, 3)
    block[483:495] = b"%011o\0" % (8**11 - 1)
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    said, peak = refused(bytes(block) + b"abc".ljust(512, b"\0"), tmp_path)
    assert "has holes; only files are allowed" in said and peak < 8 * MB


def test_an_xz_file_may_not_ask_for_gigabytes(tmp_path: Path) -> None:
    wants = [{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 29}]
    said, _ = refused(member("aclImdb/README", b"x"), tmp_path, lambda data: lzma.compress(data, filters=wants))
    assert "truncated or corrupt: Memory usage limit" in said


def test_xz_files_of_several_streams(tmp_path: Path) -> None:
    path = tmp_path / "file.xz"
    path.write_bytes(lzma.compress(b"one, ") + bytes(8) + lzma.compress(b"") + lzma.compress(b"two"))
    file = of_content("toy/file", b"one, two")
    assert unpack(path, "xz", {"": file}, tmp_path) == [file]
    assert (tmp_path / "toy/file").read_bytes() == b"one, two"


@pytest.fixture
def places(tmp_path: Path, register: Callable[[Dataset], None]) -> Iterator[Path]:
    """A mirror with two places for the reviews, ``first`` and ``second``; the second is good."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:xz") as archive:
        for name, content in REVIEWS.items():
            info = tarfile.TarInfo(f"aclImdb/{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror/second").write_bytes(out.getvalue())
    origins = tuple(Origin(place, ((FILE.path, REVIEW),), "joined") for place in ("first", "second"))
    register(declared("imdb", [FILE], origins))
    yield tmp_path / "mirror"


def test_a_bad_archive_leads_to_the_next_place(places: Path, tmp_path: Path) -> None:
    for number, archive in enumerate(
        (
            header("aclImdb/train/pos/0_9.txt", 3, tarfile.GNUTYPE_SPARSE),
            member("long", b"name\0", tarfile.GNUTYPE_LONGNAME) * 2000,
            pax(size="-7") + header("x"),
            pax(GNU_sparse_map="1,2,x") + header("x"),
            header("x", 1 << 34),
            b"no archive",
            b"",
        )
    ):
        (places / "first").write_bytes(archive)
        (path,) = fetch("imdb", tmp_path / str(number), mirror=str(places))
        assert path.read_bytes() == join(REVIEWS)


def test_a_place_that_is_no_file(places: Path, tmp_path: Path) -> None:

    (places / "first").mkdir()
    assert fetch("imdb", tmp_path / "a", mirror=str(places))
    (places / "first").rmdir()
    os.mkfifo(places / "first")  # opening it would wait for ever
    assert fetch("imdb", tmp_path / "b", mirror=str(places))
