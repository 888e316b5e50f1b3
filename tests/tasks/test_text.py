"""Tokenizer, vocabulary, row order, cache and what is refused."""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from data_helpers import MIRROR, declared, of_content

from uhn.tasks import DATASETS, TextRows, load_task, texts
from uhn.tasks.ag_news import parse_rows
from uhn.tasks.dataset import Dataset
from uhn.tasks.fetch.checksums import ChecksumError, DataError, Origin
from uhn.tasks.fetch.mirrors import fetch
from uhn.tasks.fetch.unpack import join
from uhn.tasks.imdb import REVIEW, parse_reviews
from uhn.tasks.splits import fingerprint
from uhn.tasks.tokens import Tokens, build_vocabulary, encode, tokenize

GOLDEN = Path(os.environ.get("UHN_GOLDEN") or Path(__file__).parents[1] / "golden/files") / "tokenizer.json"


def test_golden_tokens(record_property) -> None:
    cases = json.loads(GOLDEN.read_text())["cases"]
    for case in cases:
        assert tokenize(case["text"]) == case["tokens"]
    record_property("golden values", sum(len(case["tokens"]) for case in cases))


def test_vocabulary_by_frequency_then_first_seen() -> None:
    texts = [["b", "a", "c"], ["a", "d", "c"], ["e"]]
    wanted = {"<unk>": 0, "<pad>": 1, "<cls>": 2, "a": 3, "c": 4, "b": 5, "d": 6, "e": 7}
    assert build_vocabulary(texts) == wanted
    assert build_vocabulary(texts, 6) == dict(list(wanted.items())[:6])
    assert len(build_vocabulary([[str(i) for i in range(9000)]])) == 5000


def test_encoding_truncates_with_cls_and_unknown() -> None:
    vocabulary = build_vocabulary([["a", "b"]])
    tokens = encode([(1, ["b", "x", "a", "a"]), (0, [])], vocabulary, 4)
    assert tokens.ids.tolist() == [2, 4, 0, 3, 2]
    assert tokens.lengths.tolist() == [4, 1] and tokens.y.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("ids", "lengths", "words"), [([2, 5], [1], "in all"), ([2, 5000], [2], "token ids"), ([2], [1, 0], "at least one")]
)
def test_tokens_refuse(ids: list[int], lengths: list[int], words: str) -> None:
    with pytest.raises(DataError, match=words):
        Tokens(np.array(ids, np.int16), np.array(lengths), np.zeros(len(lengths), np.int64))


def test_ag_news_rows() -> None:
    content = '"3","Oil, up","a ""quote"" and\\na backslash"\n"1","Tête","x"\n'.encode()
    assert parse_rows(content, "f") == [(2, 'Oil, up a "quote" and\\na backslash'), (0, "Tête x")]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (b'"5","a","b"', "row 2"),
        (b'"1","a"', "row 2"),
        (b'"1","a","b","c"', "row 2"),
        (b"", "row 2"),
        (b'"1","a" b,"c"', "after row 1"),
        (b'"1","a","never closed', "after row 1"),
        (b'"1","\xff","b"', "after row"),
    ],
)
def test_broken_csv_rows(row: bytes, words: str) -> None:
    with pytest.raises(DataError, match=f"the-file, {words}"):
        parse_rows(b'"2","fine","row"\n' + row + b"\n", "the-file")


REVIEWS = {
    "train/pos/10_7.txt": b"ten",
    "train/pos/9_10.txt": b"nine <br />\0 zero",
    "train/neg/2_1.txt": "zwei ü".encode(),
    "test/neg/0_3.txt": b"",
    "test/pos/0_9.txt": b"good",
}


def test_reviews_in_order_of_class_and_number() -> None:
    train, test = parse_reviews(join(REVIEWS), "r")
    assert train == [(0, "zwei ü"), (1, "nine <br />\0 zero"), (1, "ten")]
    assert test == [(0, ""), (1, "good")]


def test_broken_reviews() -> None:
    packed = join(REVIEWS)
    for content in (packed[:-1], packed + b"x", packed.replace(b"train/neg", b"train/mid"), packed[3:]):
        with pytest.raises(DataError, match="r, at byte"):
            parse_reviews(content, "r")


@pytest.mark.parametrize("mode", ["w:gz", "w:xz"])
@pytest.mark.parametrize("backwards", [False, True])
def test_reviews_pack_alike_from_any_archive(
    tmp_path: Path, register: Callable[[Dataset], None], mode: str, backwards: bool
) -> None:
    members = sorted({f"aclImdb/{name}": data for name, data in REVIEWS.items()}.items(), reverse=backwards)
    members += [("aclImdb/train/unsup/0_0.txt", b"no label"), ("aclImdb/README", b"read me")]
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:  # type: ignore[call-overload]
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror/all.tar").write_bytes(out.getvalue())
    file = of_content("imdb/reviews.bin", join(REVIEWS))
    register(declared("imdb", [file], [Origin("all.tar", ((file.path, REVIEW),), "joined")]))
    fetch("imdb", tmp_path / "data", mirror=str(tmp_path / "mirror"))
    train, test = DATASETS["imdb"].read(tmp_path / "data", 0)
    assert train.y.tolist() == [0, 1, 1] and test.lengths.tolist() == [1, 2]


@pytest.fixture
def tiny_news(tmp_path: Path, register: Callable[[Dataset], None]) -> Path:
    """A data folder with 40 + 10 articles, registered as ``ag_news_30k``."""
    content = {
        "ag_news/train.csv": b"".join(b'"%d","word%d","again word%d"\n' % (i % 4 + 1, i, i % 7) for i in range(40)),
        "ag_news/test.csv": b"".join(b'"%d","word%d","unseen%d"\n' % (i % 4 + 1, i, i) for i in range(10)),
    }
    (tmp_path / "ag_news").mkdir()
    for path, data in content.items():
        (tmp_path / path).write_bytes(data)
    files = tuple(of_content(path, data) for path, data in content.items())
    register(declared("ag_news_30k", files))
    return tmp_path


def same(one: tuple[Tokens, Tokens], two: tuple[Tokens, Tokens]) -> bool:
    fields = ("ids", "lengths", "y")
    return all(np.array_equal(getattr(a, f), getattr(b, f)) for a, b in zip(one, two, strict=True) for f in fields)


def test_tokenised_once_and_checked_ever_after(tiny_news: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = DATASETS["ag_news_30k"].read(tiny_news, 0)
    (cache,) = (tiny_news / "cache").iterdir()
    written = cache.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(texts, "tokenize", lambda _: pytest.fail("tokenised again"))
        assert same(DATASETS["ag_news_30k"].read(tiny_news, 0), first)
    for place in (len(written) - 3, len(written) // 2, 0):
        damaged = bytearray(written)
        damaged[place] ^= 1
        cache.write_bytes(bytes(damaged))
        assert same(DATASETS["ag_news_30k"].read(tiny_news, 0), first)
        assert cache.read_bytes() == written
    cache.write_bytes(written[:100])
    assert same(DATASETS["ag_news_30k"].read(tiny_news, 0), first)
    monkeypatch.setattr(texts, "CACHE_VERSION", 99)
    calls: list[str] = []
    monkeypatch.setattr(texts, "tokenize", lambda t: calls.append(t) or tokenize(t))
    assert same(DATASETS["ag_news_30k"].read(tiny_news, 0), first) and len(calls) == 50


def test_flipped_byte_in_a_raw_file(tiny_news: Path) -> None:
    path = tiny_news / "ag_news/train.csv"
    path.write_bytes(path.read_bytes().replace(b"word1", b"wore1", 1))
    with pytest.raises(ChecksumError, match=r"train\.csv"):
        DATASETS["ag_news_30k"].read(tiny_news, 0)
    assert not (tiny_news / "cache").exists()


def test_text_task(tiny_news: Path) -> None:
    task = load_task("ag_news_30k", root=tiny_news, seed=0, validate=True, batch_size=7)
    assert task.provenance.rows == {"train": 32, "val": 8, "test": 10}
    assert task.provenance.kind == "subset" and "30,027 of the 120,000" in task.provenance.detail
    assert task.classes == 4 and task.steps_per_epoch == 5
    sizes = [len(task.train_batch(3, step).target) for step in range(5)]
    assert sizes == [7, 7, 7, 7, 4]


def test_padding_against_a_loop() -> None:
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, 9, 20)
    rows = [[2, *rng.integers(3, 5000, n - 1).tolist()] for n in lengths]
    tokens = Tokens(np.array(sum(rows, []), np.int16), lengths, np.arange(20) % 4)
    chosen = torch.tensor([3, 0, 19, 7])
    for part in (TextRows.of(tokens), TextRows.of(tokens).select(torch.arange(20))):
        batch = part.batch(chosen, None)
        width = max(len(rows[i]) for i in chosen)
        wanted = [rows[i] + [1] * (width - len(rows[i])) for i in chosen]
        assert batch.inputs.x.tolist() == wanted and batch.inputs.x.dtype == torch.int64
        assert torch.equal(batch.inputs.padding, batch.inputs.x == 1)
        assert batch.target.tolist() == [3, 0, 3, 3]


def test_fingerprint_covers_the_used_rows_only() -> None:
    def of(last: int, keep: list[int]) -> str:
        tokens = Tokens(np.array([2, 9, 2, 7, 2, last], np.int16), np.array([2, 2, 2]), np.array([0, 1, 0]))
        return fingerprint("t", {"train": TextRows.of(tokens).select(torch.tensor(keep))})

    assert of(8, [1, 0]) == of(9, [1, 0]) != of(8, [0, 1])
    assert of(8, [2]) != of(9, [2])


def test_stand_in_can_be_told_apart_and_fills_the_vocabulary(tmp_path: Path) -> None:
    train, test = DATASETS["ag_news"].generate(tmp_path, 0, 0)
    assert len(np.unique(train.ids)) > 4900
    assert set(train.y) == set(test.y) == {0, 1, 2, 3}
    counts = np.zeros((4, 5000))
    np.add.at(counts, (np.repeat(train.y, train.lengths), train.ids), 1)
    scores = np.log((counts + 1) / (counts + 1).sum(1, keepdims=True))
    owner = np.repeat(np.arange(len(test.y)), test.lengths)
    guess = np.stack([np.bincount(owner, scores[c][test.ids]) for c in range(4)]).argmax(0)
    assert 0.7 < (guess == test.y).mean() < 0.999, "learnable from all words together"
    assert same((train, test), DATASETS["ag_news"].generate(tmp_path, 0, 0))


@pytest.mark.skipif(not MIRROR, reason="needs the real files: UHN_DATA_MIRROR is not set")
def test_real_news(tmp_path: Path) -> None:
    fetch("ag_news_30k", tmp_path, mirror=MIRROR)
    train, test = DATASETS["ag_news_30k"].read(tmp_path, 0)
    assert np.bincount(train.y).tolist() == [7480, 7525, 7547, 7475]
    assert np.bincount(test.y).tolist() == [1900] * 4
    assert train.lengths.max() == 128 and (train.ids == 0).mean() < 0.15
