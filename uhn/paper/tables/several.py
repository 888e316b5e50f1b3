"""Tables of one generator for many models (3, 17), many tasks (4) and of generated generators (5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from uhn.paper.report.book import Source
from uhn.paper.tables import published as paper
from uhn.paper.tables.columns import Count, Fact, Known, Label, Measure, Row, TableSpec
from uhn.paper.tables.single import TASK, task_labels

SIZES = ("models", "training", "hold_in", "held_out", "validation")


def family_row(name: str) -> Row:
    """The row of a model family: its statistics in the paper, its seen and unseen accuracy."""
    title, mean, largest, sizes = paper.FAMILIES[name]
    labels = {"family": title, "mean_paper": f"{mean:,}", "largest_paper": f"{largest:,}"}
    labels |= {f"{key}_paper": f"{size:,}" for key, size in zip(SIZES, sizes, strict=True)}
    sources = {pick: Source(name, "uhn", pick) for pick in ("seen", "unseen")}
    return Row(name, labels, sources, {"seen": paper.UHN_STRUCTURE})


def _models() -> TableSpec:
    columns = (
        Label("family", "Model family"),
        Fact("models", "#Models", "model-sets"),
        Fact("mean", "Avg. #Params", "model-sets"),
        Fact("largest", "Max #Params", "model-sets"),
        Count("params_uhn_paper", "#Params (UHN, paper's configuration)", "seen"),
        Count("params_uhn", "#Params (UHN, as run)", "seen", "run"),
        Measure("seen", "Acc. % (Seen)"),
        Known("seen_paper", "Paper (Seen)", "seen"),
        Measure("unseen", "Acc. % (Unseen)"),
        Known("unseen_paper", "Paper (Unseen)", "unseen"),
    )
    notes = ("Mean over architectures within a seed, then mean and deviation over seeds.",)
    rows = tuple(family_row(name) for name in paper.FAMILIES)
    return TableSpec(3, "Multi-model: seen and unseen architectures", columns, rows, notes)


def _splits() -> TableSpec:
    heads = ("All", "Training", "Hold-in (seen)", "Held-out (unseen)", "Validation")
    columns = tuple(Fact(key, head, "model-sets") for key, head in zip(SIZES, heads, strict=True))
    rows = tuple(family_row(name) for name in paper.FAMILIES)
    title = "Model sets and their splits"
    return TableSpec(17, title, (Label("family", "Model family"), *columns), rows, needs="facts")


def task_rows(columns: Mapping[str, tuple[str, str]]) -> tuple[Row, ...]:
    """Rows of the six tasks; ``columns`` names (experiment, method) by column, an empty experiment the task's own."""
    rows = []
    for key, (task, dataset, model, name) in paper.MULTI_TASK.items():
        metric = "rmse" if name == "kv" else "accuracy"
        sources = {}
        for column, (experiment, method) in columns.items():
            own = experiment == ""
            sources[column] = Source(experiment or key, method, "value" if own else f"task:{name}", metric)
        rows.append(Row(key, task_labels(task, dataset, model), sources, dict.fromkeys(columns, paper.UHN_STRUCTURE)))
    return tuple(rows)


def _tasks() -> TableSpec:
    rows = task_rows({"direct": ("", "direct"), "single": ("", "uhn"), "multi": ("multi-task", "uhn")})
    columns = (
        *TASK,
        Count("params_multi_paper", "#Params (UHN Multi-task, paper's configuration)", "multi"),
        Count("params_multi", "#Params (UHN Multi-task, as run)", "multi", "run"),
        Measure("direct", "Perf. (Direct)"),
        Measure("single", "Perf. (UHN Single-task)"),
        Measure("multi", "Perf. (UHN Multi-task)"),
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
    for key, label, experiment, method in entries:
        rows.append(Row(key, {"setting": label}, {"accuracy": Source(experiment, method)}))
    columns = (
        Label("setting", "Setting"),
        Count("params", "#Params (root, as run)", "accuracy", "run"),
        Measure("accuracy", "Acc. %"),
        Known("accuracy_paper", "Paper", "accuracy"),
    )
    notes = (
        "Every generator has the task-structure encoder, K = 0 included; the last row is Table 1's run without it.",
        "The paper's values are read in its program's README; its K = 0 is most likely a run without the encoder "
        "(inferred).",
        "How K = 0 with the encoder was trained the paper does not say: as K = 1, with one level's steps (ours).",
    )
    return TableSpec(5, "Recursion: generators of generators", columns, tuple(rows), notes)


def specs(methods: Mapping[str, Sequence[str]]) -> tuple[TableSpec, ...]:
    """Tables 3, 4, 5 and 17."""
    return _models(), _tasks(), _recursion(), _splits()
