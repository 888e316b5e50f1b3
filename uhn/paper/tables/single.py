"""Tables of single-model experiments: 1 (universality), 2 (scalability), 11 (formulas)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from uhn.paper.report.book import Source
from uhn.paper.tables import published as paper
from uhn.paper.tables.columns import Column, Count, Known, Label, Measure, Row, TableSpec

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

WARMUP = "Warm-up of direct training, HA and Chunked: not in the paper's text; the generator's is taken (inferred)."
READ = "The paper's accuracies on MNIST are read in its program's README (98.37 and 98.41)."


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
        Count("params_direct", "#Params (Direct)", "direct", "checked", target=True),
        Count("params_uhn_paper", "#Params (UHN, paper's configuration)", "uhn"),
        Count("params_uhn", "#Params (UHN, as run)", "uhn", "run"),
        Measure("direct", "Acc. % (Direct)"),
        Known("direct_paper", "Paper (Direct)", "direct"),
        Measure("uhn", "Acc. % (UHN)"),
        Known("uhn_paper", "Paper (UHN)", "uhn"),
    )
    notes = ("A UHN's #Params hold its frozen tensors, as the paper counts them.", WARMUP, READ)
    title = "Universality: test accuracy of direct training and of generated weights"
    return TableSpec(1, title, columns, tuple(rows), notes)


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
        Count("params_direct", "#Params (Direct)", "direct", "checked", target=True),
        Count("params_uhn_paper", "#Params (UHN, paper's configuration)", "uhn"),
        Count("params_uhn", "#Params (UHN, as run)", "uhn", "run"),
        Measure("direct", "RMSE (Direct)"),
        Measure("uhn", "RMSE (UHN)"),
    )
    notes = (
        "The paper's RMSEs are lost.",
        WARMUP,
        "Each seed draws its own training and test points, as in the paper.",
    )
    return TableSpec(11, "Formula regression: test RMSE on the special functions", columns, tuple(rows), notes)


def _scalability(methods: Mapping[str, Sequence[str]]) -> TableSpec:
    keys = ("cifar10-cnn20", "cifar10-cnn32", "cifar10-cnn44", "cifar10-cnn56")
    names = dict.fromkeys(("direct", "ha", "chunked", "uhn"))
    names |= dict.fromkeys(method for key in keys for method in methods.get(key, ()))
    rows = []
    for key in keys:
        counts = {"direct": paper.DIRECT[key], "uhn": paper.UHN_LARGE}
        counts |= {method: table[key] for method, table in paper.BASELINES.items()}
        sources = {method: Source(key, method) for method in names}
        rows.append(Row(key, {"model": key.rpartition("-")[2].upper().replace("CNN", "CNN-")}, sources, counts))
    columns: list[Column] = [Label("model", "Model")]
    for method in names:
        head = METHODS.get(method, method)
        if method == "uhn":
            columns.append(Count("params_uhn_paper", "#Params (UHN, paper's configuration)", "uhn"))
            columns.append(Count("params_uhn", "#Params (UHN, as run)", "uhn", "run"))
        else:
            columns.append(Count(f"params_{method}", f"#Params ({head})", method, "checked", target=method == "direct"))
    columns += [Measure(method, f"Acc. % ({METHODS.get(method, method)})") for method in names]
    notes = ("The paper's accuracies are lost.", WARMUP)
    return TableSpec(2, "Scalability: larger targets under one generator", tuple(columns), tuple(rows), notes)


METHODS = {"direct": "Direct", "uhn": "UHN", "ha": "HA", "chunked": "Chunked"}
"""Printed names of methods; another method is printed as it is called."""


def specs(methods: Mapping[str, Sequence[str]]) -> tuple[TableSpec, ...]:
    """Tables 1, 2 and 11."""
    return _universality(), _scalability(methods), _formulas()
