"""Every dataset is declared once: its facts against the paper's, its name and its code its own, and no torch to ask."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

import uhn
from uhn.tasks import DATASETS, Batch, load_task, planetoid, registry
from uhn.tasks.dataset import Dataset
from uhn.tasks.fetch.checksums import DataError, File
from uhn.vocabulary import TaskType

# Typed from the paper (B.1, C.1, Tables 9 and 10): code, classes, training and test rows, rows left when validating,
# seed of that split, whether a step sees all rows.
FACTS = {
    "mnist": (0, 10, 60_000, 10_000, 48_000, 42, False),
    "cifar10": (1, 10, 50_000, 10_000, 45_000, 43, False),
    "citeseer": (2, 6, 120, 1_000, 120, None, True),
    "cora": (3, 7, 140, 1_000, 140, None, True),
    "pubmed": (4, 3, 60, 1_000, 60, None, True),
    "ag_news": (5, 4, 120_000, 7_600, 96_000, 47, False),
    "ag_news_30k": (5, 4, 30_027, 7_600, 24_022, 47, False),
    "imdb": (6, 2, 25_000, 25_000, 20_000, 48, False),
    "kv": (12, None, 1_000, 1_000, 800, 54, True),
    "sph_harm22": (21, None, 1_000, 1_000, 800, 63, True),
}


@pytest.mark.parametrize("name", FACTS)
def test_what_is_declared_is_what_the_paper_says(name: str) -> None:
    known = DATASETS[name]
    left, seed = known.rows(validate=True), None if name in GRAPHS else known.validation_seed
    found = (known.code, known.classes, known.train_rows, known.test_rows, left, seed, known.full_batch)
    assert found == FACTS[name]
    assert known.rows(validate=False) == known.train_rows


GRAPHS = {known.name: (known.nodes, known.edges, known.features) for known in planetoid.DATASETS}


def test_the_graphs_have_their_published_dimensions() -> None:
    assert GRAPHS == {"cora": (2708, 5278, 1433), "citeseer": (3327, 4552, 3703), "pubmed": (19717, 44324, 500)}


def test_names_and_codes_are_a_datasets_own() -> None:
    cora, pubmed = DATASETS["cora"], DATASETS["pubmed"]

    def of(*known: Dataset) -> Any:
        return registry(SimpleNamespace(DATASETS=known[:1]), SimpleNamespace(DATASETS=known[1:]))  # type: ignore[arg-type]

    assert list(of(cora, pubmed)) == ["cora", "pubmed"]
    with pytest.raises(ValueError, match="datasets must have different names, got 'cora' twice"):
        of(cora, replace(pubmed, name="cora"))
    with pytest.raises(ValueError, match="datasets must have different codes, got 3 of cora and mine"):
        of(cora, replace(pubmed, name="mine", code=3))
    assert list(of(DATASETS["ag_news"], DATASETS["ag_news_30k"])) == ["ag_news", "ag_news_30k"], "a part has its code"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": "../cora"}, "name is a letter, then"),
        ({"name": "Cora"}, "got 'Cora'"),
        ({"code": 26}, "dataset 'cora': wanted a code of Table 9 or one from 100 up, got 26"),
        ({"train_rows": 0}, "to train, test and"),
        ({"validation_percent": 100}, "got 140, 1000 and 100 %"),
        ({"files": (File("one/a", ""), File("two/b", ""))}, "wanted files in one folder, got one, two"),
    ],
)
def test_a_declaration_that_cannot_be_is_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        replace(DATASETS["cora"], **change)


def test_asking_for_facts_loads_no_torch() -> None:
    program = (
        "import sys, uhn.tasks, uhn.tasks.receipts;"
        "assert uhn.tasks.DATASETS['imdb'].rows(validate=True) == 20_000;"
        "sys.exit(bool({'torch', 'scipy', 'torch_geometric', 'mlxtend'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@dataclass(frozen=True)
class Sums:
    """Rows of a kind that nobody knew: pairs of numbers and their sum."""

    x: Tensor

    def __len__(self) -> int:
        return len(self.x)

    def select(self, rows: Tensor) -> Sums:
        return Sums(self.x[rows])

    def to(self, device: torch.device | str) -> Sums:
        return Sums(self.x.to(device))

    def batch(self, rows: Tensor, rng: torch.Generator | None) -> Batch:
        return Batch(uhn.Inputs(self.x[rows]), self.x[rows].sum(1, keepdim=True))

    def update(self, digest: Any) -> None:
        digest.update(self.x.numpy().tobytes())


@dataclass(frozen=True, kw_only=True)
class SumsDataset(Dataset):
    """A kind of dataset of somebody's own."""

    task_type: ClassVar[TaskType] = TaskType.FORMULA
    classes: None = None

    def read(self, root: Path, seed: int) -> tuple[Sums, Sums]:
        x = torch.arange(2.0 * (self.train_rows + self.test_rows)).view(-1, 2)
        return Sums(x[: self.train_rows]), Sums(x[self.train_rows :])


def test_a_kind_of_ones_own_becomes_a_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = SumsDataset(name="sums", label="Sums", code=100, train_rows=50, test_rows=7, validation_percent=10)
    monkeypatch.setitem(DATASETS, "sums", known)  # type: ignore[arg-type]
    task = load_task("sums", root=tmp_path, seed=1, validate=True, batch_size=20)
    assert (task.provenance.rows, task.dataset_type) == ({"train": 45, "val": 5, "test": 7}, 100)
    batch = task.train_batch(1, 2)
    assert len(batch.target) == 5 and torch.equal(batch.target, batch.inputs.x.sum(1, keepdim=True))
    with pytest.raises(DataError, match="'sums': nothing stands in for it"):
        known.generate(tmp_path, 1, 1)
