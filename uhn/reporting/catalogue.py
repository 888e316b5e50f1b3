"""Every table of the paper as a declaration: which runs stand in which cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from uhn.reporting import paper
from uhn.reporting.book import Source
from uhn.reporting.columns import Count, Known, Label, Measure, Row, TableSpec

SINGLE = {
    "mnist-mlp": ("Image", "MNIST", "MLP"),
    "mnist-cnn8": ("Image", "MNIST", "CNN-8"),
    "cifar10-cnn20": ("Image", "CIFAR-10", "CNN-20"),
    "cora-gcn": ("Graph", "Cora", "GCN"),
    "citeseer-gcn": ("Graph", "CiteSeer", "GCN"),
    "pubmed-gcn": ("Graph", "PubMed", "GCN"),
    "cora-gat": ("Graph", "Cora", "GAT"),
    "citeseer-gat": ("Graph", "CiteSeer", "GAT"),
    "pubmed-gat": ("Graph", "PubMed", "GAT"),
    "agnews-transformer": ("Text", "AG News", "Transformer-2L"),
    "imdb-transformer": ("Text", "IMDB", "Transformer-1L"),
}
"""Table 1's rows by experiment."""

TASK = (Label("task", "Task type"), Label("dataset", "Dataset"), Label("model", "Model"))


def task_labels(task: str, dataset: str, model: str) -> dict[str, str]:
    """Texts under :data:`TASK`."""
    return {"task": task, "dataset": dataset, "model": model}


def _universality() -> TableSpec:
    rows = []
    for key, labels in SINGLE.items():
        sources = {method: Source(key, method) for method in ("direct", "uhn")}
        small = key.startswith("mnist")
        counts = {"direct": paper.DIRECT[key], "uhn": paper.UHN_SMALL if small else paper.UHN_LARGE}
        rows.append(Row(key, task_labels(*labels), sources, counts))
    columns = (
        *TASK,
        Count("params_direct", "#Params (Direct)", "direct", target=True),
        Count("params_uhn_paper", "#Params (UHN, paper's configuration)", "uhn"),
        Count("params_uhn", "#Params (UHN, as run)", "uhn", own=True),
        Measure("direct", "Acc. % (Direct)"),
        Known("direct_paper", "Paper (Direct)", "direct"),
        Measure("uhn", "Acc. % (UHN)"),
        Known("uhn_paper", "Paper (UHN)", "uhn"),
    )
    notes = ("A UHN's #Params hold its frozen tensors, as the paper counts them.",)
    return TableSpec(1, TITLES[1], columns, tuple(rows), notes)


def _formulas() -> TableSpec:
    rows = []
    for name, title in paper.FUNCTIONS.items():
        key = f"kan-{name}"
        sources = {method: Source(key, method, metric="rmse") for method in ("direct", "uhn")}
        model = "KAN-g10" if name in ("jv", "yv") else "KAN-g5"
        labels = {"function": f"{title} ({name})", "model": model}
        rows.append(Row(key, labels, sources, {"direct": paper.DIRECT[key], "uhn": paper.UHN_LARGE}))
    columns = (
        Label("function", "Function"),
        Label("model", "Model"),
        Count("params_direct", "#Params (Direct)", "direct", target=True),
        Count("params_uhn_paper", "#Params (UHN, paper's configuration)", "uhn"),
        Count("params_uhn", "#Params (UHN, as run)", "uhn", own=True),
        Measure("direct", "RMSE (Direct)"),
        Measure("uhn", "RMSE (UHN)"),
    )
    notes = ("The paper's RMSEs are lost.", "Each seed draws its own training and test points, as in the paper.")
    return TableSpec(11, TITLES[11], columns, tuple(rows), notes)


TITLES = {
    1: "Universality: test accuracy of direct training and of generated weights",
    2: "Scalability: larger targets under one generator",
    3: "Multi-model: seen and unseen architectures",
    4: "Multi-task: six tasks under one generator",
    5: "Recursion: generators of generators",
    6: "Index descriptor",
    7: "Global structure descriptor",
    8: "Local structure descriptor",
    9: "Task descriptor",
    10: "Citation networks",
    11: "Formula regression: test RMSE on the special functions",
    12: "Sweep grids of the UHN, single model",
    13: "Selected hyperparameters of the UHN, single model",
    14: "Sweep grids of direct training",
    15: "Selected hyperparameters of direct training",
    16: "Sweep grids and selected hyperparameters of HA and Chunked",
    17: "Model sets and their splits",
    18: "Sweep grids, multi-model",
    19: "Selected hyperparameters, multi-model",
    20: "Guardrails of the multi-task selection",
    21: "Sweep grid and selection, multi-task",
    22: "Sweep grid and selection, recursion (K = 1)",
    23: "Ablation: index encoding",
    24: "Ablation: capacity of the generator",
    25: "Ablation: task-structure encoder, multi-model",
    26: "Ablation: task-structure encoder, multi-task",
    27: "Ablation: initialisation phase, multi-model",
    28: "Ablation: initialisation phase, multi-task",
}
"""Every table of the paper."""


@dataclass(frozen=True)
class FigureSpec:
    """A figure of the paper and the groups of runs it is drawn from; ``status`` if it is not drawn at all."""

    number: int
    title: str
    sources: tuple[Source, ...] = ()
    status: str = ""

    @property
    def name(self) -> str:
        """File stem, e.g. ``figure3``."""
        return f"figure{self.number}"


FIGURES = (
    FigureSpec(1, "Settings (diagram)", status="out of scope"),
    FigureSpec(2, "Method (diagram)", status="out of scope"),
    FigureSpec(3, "Accuracy against parameters, seen and unseen architectures", status="not built"),
    FigureSpec(4, "Kernels of a generated model under each encoding", status="not built"),
    FigureSpec(5, "Early training loss with and without the initialisation phase", status="not built"),
)
"""Every figure of the paper."""


def tables(methods: Mapping[str, Sequence[str]] | None = None) -> dict[str, TableSpec]:
    """Every declared table by name, in order of number.

    Args:
        methods: methods planned for each experiment; a table of comparisons gets a column for each.
    """
    specs = (_universality(), _formulas())
    return {spec.name: spec for spec in sorted(specs, key=lambda spec: spec.number)}
