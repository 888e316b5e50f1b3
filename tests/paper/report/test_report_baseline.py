"""What an accuracy must beat: intervals against SciPy's, the published shares against the data themselves."""

from __future__ import annotations

import lzma
import os
import pickletools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from reporting_synthetic import leave, metrics, opened
from scipy.stats import binomtest

from uhn.paper.report.baseline import Baseline
from uhn.paper.report.explain import explain
from uhn.paper.report.intervals import wilson
from uhn.paper.tables.keys import CellKey
from uhn.paper.tables.several import MULTI_TASK
from uhn.randomness import stream
from uhn.tasks import DATASETS, Limits, load_task

MIRROR = os.environ.get("UHN_DATA_MIRROR", "")
MAJORITY = {name: dict(known.majority) for name, known in DATASETS.items() if known.majority}


@pytest.mark.parametrize(("right", "rows"), [(63, 100), (0, 10), (10, 10), (319, 1000), (5_000, 10_000)])
def test_the_interval_is_wilsons(right: int, rows: int) -> None:
    wanted = binomtest(right, rows).proportion_ci(0.95, method="wilson")
    assert wilson(right / rows, rows) == pytest.approx((wanted.low, wanted.high), abs=1e-12)


def old(dataset: str, value: float, rows: int, detail: str = "", **changes: Any) -> dict[str, Any]:
    """A record from before records held the share of the most frequent class."""
    sizes = {"train": 1, "val": 0, "test": rows}
    data = [{"name": dataset, "fingerprint": "f", "kind": "real", "detail": detail, "rows": sizes}]
    classes = DATASETS[dataset].classes or 1
    record = metrics(f"{dataset}-x", "uhn", 1, value, data=data, chance=1 / classes, **changes)
    del record["majority"], record["scored_rows"]
    return record


def cautions(results: Path, *records: dict[str, Any]) -> tuple[str, ...]:
    leave(results, *records)
    group = records[0]["experiment"]
    return opened(results).evidence(CellKey(group, "uhn")).cautions


@pytest.mark.parametrize(
    ("dataset", "value", "rows", "detail", "learned"),
    [
        ("imdb", 0.63, 100, "1,000 of 25,000 training rows; 100 of 25,000 test rows", False),  # 63 are of one class
        ("imdb", 0.5, 25_000, "", False),
        ("imdb", 0.51, 25_000, "", True),
        ("cora", 0.238, 1000, "", False),
        ("cora", 0.318, 1000, "", False),
        ("cora", 0.33, 1000, "", False),  # above the share of 31.9 %, but not its interval
        ("cora", 0.79, 1000, "", True),
        ("pubmed", 0.417, 1000, "", False),
        ("citeseer", 0.163, 1000, "", False),
        ("mnist", 0.118, 10_000, "", False),
        ("mnist", 0.12, 10_000, "", True),
        ("cifar10", 0.13, 100, "100 of 10,000 test rows", False),
    ],
)
def test_guessing_one_class_is_not_learning(
    tmp_path: Path, dataset: str, value: float, rows: int, detail: str, learned: bool
) -> None:
    wanted = () if learned else ("not above the majority class",)
    assert cautions(tmp_path / "old", old(dataset, value, rows, detail)) == wanted
    share = MAJORITY[dataset][rows] / rows
    now = old(dataset, value, rows, detail) | {"majority": share, "scored_rows": rows}
    assert cautions(tmp_path / "new", now) == wanted


def test_a_mean_over_seeds_has_the_interval_of_one_evaluation(tmp_path: Path) -> None:
    """Ten seeds score the same 1,000 rows: 33 % in each says no more about the class's 31.9 % than in one."""
    seeds = [metrics("cora-x", "uhn", s, 0.33, majority=0.319, scored_rows=1000, chance=1 / 7) for s in range(10)]
    assert cautions(tmp_path, *seeds) == ("not above the majority class",)
    assert wilson(0.33, 10_000)[0] > 0.319


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({"value": 0.6}, ("majority unknown",)),
        ({"value": 0.12}, ("not above the majority class",)),  # 1/classes is the least that the share can be
    ],
)
@pytest.mark.parametrize("kind", ["stand-in", "subset"])
def test_where_nobody_knows_the_share_it_is_said(
    tmp_path: Path, change: dict[str, float], wanted: tuple[str, ...], kind: str
) -> None:
    """A stand-in, and MNIST's digits from elsewhere, of as many rows as a known cut."""
    record = old("mnist", change["value"], 100, "5,000 of MNIST's 70,000 digits")
    record["data"][0]["kind"] = kind
    assert cautions(tmp_path, record) == wanted


def test_each_task_has_its_own_baseline(tmp_path: Path) -> None:
    one = {"value": 0.2, "chance": 0.1, "majority": 0.15, "scored_rows": 10_000}
    values = {name: one for *_, name in MULTI_TASK.values()}
    values["cora"] = {"value": 0.2, "chance": 1 / 7, "majority": 0.3, "scored_rows": 1000}
    record = metrics("multi-task", "uhn", 1, 0.2, values=values)
    record["settings"]["tasks"] = [{"dataset": name, "model": "m", "probability": 1 / 6} for name in values]
    record["data"] = [record["data"][0] | {"name": name} for name in values]
    leave(tmp_path, record)
    book = opened(tmp_path)
    assert book.evidence(CellKey("multi-task", "uhn", "task:mnist")).cautions == ()
    assert book.evidence(CellKey("multi-task", "uhn", "task:cora")).cautions == ("not above the majority class",)
    text = explain(book, "table04", "cora-gcn", "multi")
    assert "baseline   30.00 % (the majority class's share; 1,000 rows scored)" in text


def test_seeds_are_held_against_the_hardest_of_their_baselines(tmp_path: Path) -> None:
    seeds = [metrics(seed=1, majority=0.2, scored_rows=500), metrics(seed=2, majority=0.1, scored_rows=1000)]
    leave(tmp_path, *seeds)
    found = opened(tmp_path).evidence(CellKey("mnist-mlp", "direct")).baseline
    assert found == Baseline(0.2, 500, True)


@pytest.mark.skipif(not MIRROR, reason="needs the real files: UHN_DATA_MIRROR is not set")
@pytest.mark.parametrize("dataset", [name for name in MAJORITY if name not in ("imdb", "cifar10")])
def test_published_shares_are_counted_in_the_published_rows(dataset: str, tmp_path: Path) -> None:
    """And a task's own count is NumPy's over the rows that are scored. IMDB's 25,000 reviews are half and half."""
    stand_in = dataset == "ag_news"  # its training rows are; the test rows are the published ones
    for rows, wanted in MAJORITY[dataset].items():
        most = None if rows == DATASETS[dataset].test_rows else rows
        task = load_task(dataset, root=tmp_path, seed=1, stand_in=stand_in, limits=Limits(100, most))
        y = torch.cat([batch.target for batch in task.eval_batches("test")]).numpy()
        counts = np.bincount(y[y >= 0])
        assert (int(counts.sum()), int(counts.max())) == (rows, wanted)
        assert task.scored("test") == (rows, wanted / rows)


@pytest.mark.skipif(not Path(MIRROR, "cifar-10-batches-py").is_dir(), reason="needs a folder with the real files")
def test_published_shares_of_cifar10_are_counted_in_its_test_file() -> None:
    """Its labels alone, which stand before the rows: all of the rows take half a minute to unpack."""
    packed = Path(MIRROR, "cifar-10-batches-py/test_batch.xz").read_bytes()
    content = lzma.LZMADecompressor().decompress(packed, 100_000)
    said = [(code.name, value) for code, value, _ in pickletools.genops(content[: content.index(b"data") - 2] + b".")]
    labels = np.array([value for name, value in said[said.index(("SHORT_BINSTRING", "labels")) :] if name == "BININT1"])
    assert labels.size == 10_000
    order = torch.randperm(len(labels), generator=stream(0, "limits/cifar10/test")).numpy()
    for rows, wanted in MAJORITY["cifar10"].items():
        assert np.bincount(labels[order[:rows]]).max() == wanted
