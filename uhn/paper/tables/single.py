"""Tables of single-model experiments: 1 (universality), 2 (scalability), 11 (formulas)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from uhn.models.base_models import FINE_GRID
from uhn.paper.tables import published as paper
from uhn.paper.tables.columns import Column, Label, MetricColumn, ParamCount, PublishedValue, Row, TableSpec
from uhn.paper.tables.keys import CellKey
from uhn.tasks import functions

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

FUNCTIONS = {each.name: each.title for each in functions.DATASETS if paper.number(f"kan-{each.name}/direct", "params")}
"""Table 11's rows, the functions of the paper; the experiment is called ``kan-<function>``."""

SIZES = {f"cifar10-cnn{n}": f"CNN-{n}" for n in (20, 32, 44, 56)}
"""Table 2's rows by experiment."""

TITLES = {"direct": "Direct", "ha": "HA", "chunked": "Chunked", "uhn": "UHN"}
"""Table 2's columns with their printed names; a further source of params.yaml gets a column under its own."""

TASK = (Label("task", "Task type"), Label("dataset", "Dataset"), Label("model", "Model"))

WARMUP = "Warm-up of direct training, HA and Chunked: not in the paper's text; the generator's is taken (inferred)."
READ = "The paper's accuracies on MNIST are read in its program's README (98.37 and 98.41)."


def task_labels(task: str, dataset: str, model: str) -> dict[str, str]:
    """Texts under :data:`TASK`."""
    return {"task": task, "dataset": dataset, "model": model}


def kan(function: str) -> str:
    """Printed name of a function's model."""
    return "KAN-g10" if function in FINE_GRID else "KAN-g5"


def _universality() -> TableSpec:
    rows = []
    for key, labels in SINGLE.items():
        cells = {source: CellKey(key, source) for source in ("direct", "uhn")}
        rows.append(Row(key, task_labels(*labels), cells))
    columns = (
        *TASK,
        ParamCount("params_direct", "#Params", "direct", "checked", target=True, span="Direct"),
        MetricColumn("direct", "Acc. %", span="Direct"),
        PublishedValue("direct_paper", "Paper", "direct", span="Direct"),
        ParamCount("params_uhn_paper", "#Params, paper's", "uhn", span="UHN"),
        ParamCount("params_uhn", "#Params, as run", "uhn", "run", span="UHN"),
        MetricColumn("uhn", "Acc. %", span="UHN"),
        PublishedValue("uhn_paper", "Paper", "uhn", span="UHN"),
    )
    notes = ("A UHN's #Params hold its frozen tensors, as the paper counts them.", WARMUP, READ)
    title = "Universality: test accuracy of direct training and of generated weights"
    return TableSpec(1, title, columns, tuple(rows), notes)


def _formulas() -> TableSpec:
    rows = []
    for name, title in FUNCTIONS.items():
        key = f"kan-{name}"
        cells = {source: CellKey(key, source, metric="rmse") for source in ("direct", "uhn")}
        rows.append(Row(key, {"function": f"{title} ({name})", "model": kan(name)}, cells))
    columns = (
        Label("function", "Function"),
        Label("model", "Model"),
        ParamCount("params_direct", "#Params", "direct", "checked", target=True, span="Direct"),
        MetricColumn("direct", "RMSE", span="Direct"),
        ParamCount("params_uhn_paper", "#Params, paper's", "uhn", span="UHN"),
        ParamCount("params_uhn", "#Params, as run", "uhn", "run", span="UHN"),
        MetricColumn("uhn", "RMSE", span="UHN"),
    )
    notes = (
        "The paper's RMSEs are lost.",
        WARMUP,
        "Each seed draws its own training and test points, as in the paper.",
    )
    return TableSpec(11, "Formula regression: test RMSE on the special functions", columns, tuple(rows), notes)


def _scalability(sources: Mapping[str, Sequence[str]]) -> TableSpec:
    names = dict.fromkeys(TITLES) | dict.fromkeys(name for key in SIZES for name in sources.get(key, ()))
    rows = [
        Row(key, {"model": title}, {source: CellKey(key, source) for source in names}) for key, title in SIZES.items()
    ]
    columns: list[Column] = [Label("model", "Model")]
    for source in names:
        head = TITLES.get(source, source)
        if source == "uhn":
            columns.append(ParamCount("params_uhn_paper", "#Params, paper's", "uhn", span=head))
            columns.append(ParamCount("params_uhn", "#Params, as run", "uhn", "run", span=head))
        else:
            target = source == "direct"
            columns.append(ParamCount(f"params_{source}", "#Params", source, "checked", target=target, span=head))
        columns.append(MetricColumn(source, "Acc. %", span=head))
    notes = ("The paper's accuracies are lost.", WARMUP)
    return TableSpec(2, "Scalability: larger targets under one generator", tuple(columns), tuple(rows), notes)


def specs(sources: Mapping[str, Sequence[str]]) -> tuple[TableSpec, ...]:
    """Tables 1, 2 and 11."""
    return _universality(), _scalability(sources), _formulas()
