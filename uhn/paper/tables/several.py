"""Tables of one generator for many models (3, 17), many tasks (4) and of generated generators (5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from uhn.paper.tables import published as paper
from uhn.paper.tables.columns import Fact, Label, MetricColumn, ParamCount, PublishedValue, Row, TableSpec
from uhn.paper.tables.keys import CellKey
from uhn.paper.tables.single import TASK, task_labels

FAMILIES = {
    "cnn-mixed-depth": ("CNN Mixed Depth", "cnn-depth"),
    "cnn-mixed-width": ("CNN Mixed Width", "cnn-width"),
    "cnn-mixed-depth-width": ("CNN Mixed Depth × Width", "cnn-depth-width"),
    "transformer-mixed": ("Transformer Mixed", "transformer"),
}
"""Rows of Tables 3 and 17 by experiment: title and model set."""

MULTI_TASK = {
    "mnist-mlp": ("Image", "MNIST", "MLP", "mnist"),
    "cifar10-cnn44": ("Image", "CIFAR-10", "CNN-44", "cifar10"),
    "cora-gcn": ("Graph", "Cora", "GCN", "cora"),
    "pubmed-gat": ("Graph", "PubMed", "GAT", "pubmed"),
    "agnews-transformer": ("Text", "AG News", "Transformer-2L", "ag_news"),
    "kan-kv": ("Formula (RMSE)", "kv", "KAN-g5", "kv"),
}
"""Rows of Tables 4, 20, 26 and 28 by single-model experiment; the last is the task's dataset."""

SIZES = ("models", "training", "hold_in", "held_out", "validation")


def family_row(name: str) -> Row:
    """The row of a model family: its statistics in the paper, its seen and unseen accuracy."""
    title, model_set = FAMILIES[name]
    labels = {"family": title} | paper.printed(model_set, "mean", "largest", *SIZES)
    return Row(name, labels, {pick: CellKey(name, "uhn", pick) for pick in ("seen", "unseen")})


def _models() -> TableSpec:
    columns = (
        Label("family", "Model family"),
        Fact("models", "#Models", "model-sets"),
        Fact("mean", "Avg. #Params", "model-sets"),
        Fact("largest", "Max #Params", "model-sets"),
        ParamCount("params_uhn_paper", "#Params, paper's", "seen", span="UHN"),
        ParamCount("params_uhn", "#Params, as run", "seen", "run", span="UHN"),
        MetricColumn("seen", "Acc. %", span="Seen"),
        PublishedValue("seen_paper", "Paper", "seen", span="Seen"),
        MetricColumn("unseen", "Acc. %", span="Unseen"),
        PublishedValue("unseen_paper", "Paper", "unseen", span="Unseen"),
    )
    notes = ("Mean over architectures within a seed, then mean and deviation over seeds.",)
    rows = tuple(family_row(name) for name in FAMILIES)
    return TableSpec(3, "Multi-model: seen and unseen architectures", columns, rows, notes)


def _splits() -> TableSpec:
    heads = ("All", "Training", "Hold-in (seen)", "Held-out (unseen)", "Validation")
    columns = tuple(Fact(key, head, "model-sets") for key, head in zip(SIZES, heads, strict=True))
    rows = tuple(family_row(name) for name in FAMILIES)
    title = "Model sets and their splits"
    return TableSpec(17, title, (Label("family", "Model family"), *columns), rows, needs="facts")


def task_rows(columns: Mapping[str, tuple[str, str]]) -> tuple[Row, ...]:
    """Rows of the six tasks; ``columns`` names (experiment, source) by column, an empty experiment the task's own."""
    rows = []
    for key, (task, dataset, model, name) in MULTI_TASK.items():
        metric = "rmse" if name == "kv" else "accuracy"
        cells = {}
        for column, (experiment, source) in columns.items():
            own = experiment == ""
            cells[column] = CellKey(experiment or key, source, "value" if own else f"task:{name}", metric)
        rows.append(Row(key, task_labels(task, dataset, model), cells))
    return tuple(rows)


def _tasks() -> TableSpec:
    rows = task_rows({"direct": ("", "direct"), "single": ("", "uhn"), "multi": ("multi-task", "uhn")})
    columns = (
        *TASK,
        MetricColumn("direct", "Perf.", span="Direct"),
        MetricColumn("single", "Perf.", span="UHN Single-task"),
        ParamCount("params_multi_paper", "#Params, paper's", "multi", span="UHN Multi-task"),
        ParamCount("params_multi", "#Params, as run", "multi", "run", span="UHN Multi-task"),
        MetricColumn("multi", "Perf.", span="UHN Multi-task"),
    )
    notes = ("Accuracy in percent; RMSE for kv.", "The paper's results are lost but for MNIST's, which Table 1 shows.")
    return TableSpec(4, "Multi-task: six tasks under one generator", columns, rows, notes)


def _recursion() -> TableSpec:
    entries = [
        ("direct", "Direct training", "mnist-mlp", "direct"),
        ("k0", "UHN (no recursion)", "recursive-k0", "uhn"),
    ]
    entries += [(f"k{k}", f"UHN rec. (K = {k})", f"recursive-k{k}", "uhn") for k in (1, 2, 3)]
    entries += [("k0-plain", "UHN (no recursion), without the task-structure encoder", "mnist-mlp", "uhn")]
    rows = []
    for key, label, experiment, source in entries:
        rows.append(Row(key, {"setting": label}, {"accuracy": CellKey(experiment, source)}))
    columns = (
        Label("setting", "Setting"),
        ParamCount("params", "#Params, as run", "accuracy", "run"),
        MetricColumn("accuracy", "Acc. %"),
        PublishedValue("accuracy_paper", "Paper", "accuracy"),
    )
    notes = (
        "Every generator has the task-structure encoder, K = 0 included; the last row is Table 1's run without it.",
        "The paper's values are read in its program's README; its K = 0 is most likely a run without the encoder "
        "(inferred).",
        "How K = 0 with the encoder was trained the paper does not say: as K = 1, with one level's steps (ours).",
    )
    return TableSpec(5, "Recursion: generators of generators", columns, tuple(rows), notes)


def specs(sources: Mapping[str, Sequence[str]]) -> tuple[TableSpec, ...]:
    """Tables 3, 4, 5 and 17."""
    return _models(), _tasks(), _recursion(), _splits()
