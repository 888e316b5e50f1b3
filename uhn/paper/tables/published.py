"""What the paper prints: labels, parameter counts, data sizes and the few results that are known.

Most of its result cells did not survive in the text this project worked from; they are shown as "lost". A number is
marked "inferred" where it was taken over by reasoning, and "read off" where it was measured in a figure.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Final

BATCH: Final = 256
SEEDS: Final = 3
LOST: Final = "lost"

UHN_SMALL: Final = 158_613
UHN_LARGE: Final = 612_117
UHN_STRUCTURE: Final = 663_151


@dataclass(frozen=True)
class DataSize:
    """Rows of a dataset as the paper uses it; ``batch`` is None for full-batch training."""

    label: str
    train: int
    test: int
    batch: int | None = BATCH
    classes: int | None = None

    @property
    def steps_per_epoch(self) -> int:
        """Optimiser steps in one pass over the training rows."""
        return ceil(self.train / self.batch) if self.batch else 1


FUNCTIONS: Final = {
    "ellipj": "Jacobian elliptic functions",
    "ellipkinc": "Incomplete elliptic integral of the first kind",
    "ellipeinc": "Incomplete elliptic integral of the second kind",
    "jv": "Bessel function of the first kind",
    "yv": "Bessel function of the second kind",
    "kv": "Modified Bessel function of the second kind",
    "iv": "Modified Bessel function of the first kind",
    "lpmv0": "Associated Legendre function (m = 0)",
    "lpmv1": "Associated Legendre function (m = 1)",
    "lpmv2": "Associated Legendre function (m = 2)",
    "sph_harm01": "Spherical harmonics (m = 0, n = 1)",
    "sph_harm11": "Spherical harmonics (m = 1, n = 1)",
    "sph_harm02": "Spherical harmonics (m = 0, n = 2)",
    "sph_harm12": "Spherical harmonics (m = 1, n = 2)",
    "sph_harm22": "Spherical harmonics (m = 2, n = 2)",
}
"""Table 11's functions in its order."""

DATASETS: Final = {
    "mnist": DataSize("MNIST", 60_000, 10_000, classes=10),
    "cifar10": DataSize("CIFAR-10", 50_000, 10_000, classes=10),
    "cora": DataSize("Cora", 140, 1_000, None, 7),
    "citeseer": DataSize("CiteSeer", 120, 1_000, None, 6),
    "pubmed": DataSize("PubMed", 60, 1_000, None, 3),
    "ag_news": DataSize("AG News", 120_000, 7_600, classes=4),
    "ag_news_30k": DataSize("AG News", 120_000, 7_600, classes=4),
    "imdb": DataSize("IMDB", 25_000, 25_000, classes=2),
    **{name: DataSize(name, 1_000, 1_000, None) for name in FUNCTIONS},
}
"""Appendix C.1."""

ALIASES: Final = {"ag_news_30k": "ag_news"}
"""Datasets that stand in a row under another's name."""

GRAPHS: Final = ("cora", "citeseer", "pubmed")

DIRECT: Final = {
    "mnist-mlp": 118_282,
    "mnist-cnn8": 74_762,
    "cifar10-cnn20": 269_034,
    "cifar10-cnn32": 463_018,
    "cifar10-cnn44": 657_002,
    "cifar10-cnn56": 850_986,
    "cora-gcn": 92_231,
    "citeseer-gcn": 237_446,
    "pubmed-gcn": 32_259,
    "cora-gat": 92_373,
    "citeseer-gat": 237_586,
    "pubmed-gat": 33_779,
    "agnews-transformer": 378_372,
    "imdb-transformer": 377_858,
    **{f"kan-{name}": {"ellipj": 407, "jv": 364, "yv": 364}.get(name, 254) for name in FUNCTIONS},
}
"""#Params (Direct) of Tables 1, 2 and 11, by experiment."""

BASELINES: Final = {
    "ha": {"cifar10-cnn20": 619_306, "cifar10-cnn32": 635_546, "cifar10-cnn44": 651_786, "cifar10-cnn56": 668_026},
    "chunked": {"cifar10-cnn20": 625_480, "cifar10-cnn32": 627_592, "cifar10-cnn44": 629_640, "cifar10-cnn56": 631_688},
}
"""#Params of Table 2's baselines."""

FAMILIES: Final = {
    "cnn-mixed-depth": ("CNN Mixed Depth", 366_995, 463_018, (100, 80, 20, 20, 20)),
    "cnn-mixed-width": ("CNN Mixed Width", 624_987, 1_072_586, (500, 450, 50, 50, 50)),
    "cnn-mixed-depth-width": ("CNN Mixed Depth × Width", 734_206, 1_372_110, (1000, 950, 50, 50, 50)),
    "transformer-mixed": ("Transformer Mixed", 523_650, 1_086_212, (1000, 950, 50, 50, 50)),
}
"""Tables 3 and 17 by experiment and model set: title, mean and largest #Params, sizes (all, training, hold-in,
held-out, validation)."""

MEMBERS: Final = {"cnn-depth": 20, "cnn-width": 50, "cnn-depth-width": 50, "transformer": 50}
"""Members of a model set that the paper evaluates, seen and unseen alike."""

MULTI_TASK: Final = {
    "mnist-mlp": ("Image", "MNIST", "MLP", "mnist"),
    "cifar10-cnn44": ("Image", "CIFAR-10", "CNN-44", "cifar10"),
    "cora-gcn": ("Graph", "Cora", "GCN", "cora"),
    "pubmed-gat": ("Graph", "PubMed", "GAT", "pubmed"),
    "agnews-transformer": ("Text", "AG News", "Transformer-2L", "ag_news"),
    "kan-kv": ("Formula (RMSE)", "kv", "KAN-g5", "kv"),
}
"""Rows of Tables 4, 20, 26 and 28 by single-model experiment; the last is the task's dataset."""

CITATION: Final = {
    "nodes": ("Nodes", {"cora": 2_708, "citeseer": 3_327, "pubmed": 19_717}),
    "edges": ("Edges", {"cora": 5_429, "citeseer": 4_732, "pubmed": 44_338}),
    "features": ("Features", {"cora": 1_433, "citeseer": 3_703, "pubmed": 500}),
    "classes": ("Classes", {"cora": 7, "citeseer": 6, "pubmed": 3}),
}
"""Table 10."""

RESULTS: Final = {
    ("mnist-mlp", "direct", "value"): "98.37",
    ("mnist-mlp", "uhn", "value"): "98.41 (inferred)",
    ("recursive-k0", "uhn", "value"): "98.41",
    ("recursive-k1", "uhn", "value"): "98.25",
    ("recursive-k2", "uhn", "value"): "97.95",
    ("recursive-k3", "uhn", "value"): "97.41",
    ("cnn-mixed-width", "uhn", "seen"): "about 91.3 (read off)",
    ("cnn-mixed-width", "uhn", "unseen"): "about 91.3 (read off)",
}
"""Known results by (experiment, method, what): accuracy in percent. Everything else is lost."""


def label(dataset: str) -> str:
    """A dataset's printed name."""
    return DATASETS[dataset].label if dataset in DATASETS else dataset


def result(experiment: str, method: str, pick: str = "value") -> str:
    """The paper's printed result of a cell, or ``"lost"``."""
    return RESULTS.get((experiment, method, pick), LOST)


def seeds(dataset: str) -> int:
    """Seeds behind one of the paper's single-model cells: 10 for graphs, otherwise 3."""
    return 10 if dataset in GRAPHS else SEEDS
