"""Ablations: 23 (index encoding), 24 (capacity), 25-26 (task-structure encoder), 27-28 (initialisation phase)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from uhn.paper.report.book import Source
from uhn.paper.tables import published as paper
from uhn.paper.tables.columns import Count, Label, Measure, Row, TableSpec
from uhn.paper.tables.several import task_rows
from uhn.paper.tables.single import TASK

BASE = "cifar10-cnn20"

ENCODINGS = {"raw": ("Raw", 68_629), "positional": ("Positional", 149_301), "gff": ("GFF", paper.UHN_LARGE)}

CAPACITY = {
    "index_frequencies": ("m", {256: 135_445, 512: 203_541, 1024: 339_733, 2048: 612_117, 4096: 1_156_885}),
    "hidden": ("h", {32: 156_117, 64: 299_925, 128: 612_117, 256: 1_334_805}),
    "blocks": ("b", {0: 545_045, 1: 578_581, 2: 612_117, 3: 645_653}),
}
"""Table 24: by hyperparameter its sign in run names and the paper's #Params by value."""

WORDS = {"index_frequencies": "Frequencies m", "hidden": "Hidden width h", "blocks": "Residual blocks B"}
DEFAULT = {"m": 2048, "h": 128, "b": 2}
FAMILIES = ("cnn-mixed-width", "transformer-mixed")

PARAMS = (
    Count("params_paper", "#Params (paper's configuration)", "accuracy"),
    Count("params", "#Params (as run)", "accuracy", "run"),
)
LOST = "The paper's results are lost."


def _encoding() -> TableSpec:
    rows = []
    for key, (label, count) in ENCODINGS.items():
        experiment = BASE if key == "gff" else f"{BASE}-{key}"
        rows.append(Row(key, {"encoding": label}, {"accuracy": Source(experiment, "uhn")}, {"accuracy": count}))
    columns = (Label("encoding", "Encoding"), *PARAMS, Measure("accuracy", "Acc. %"))
    notes = ("Raw and positional: gradients clipped to norm 1, as in the paper; GFF is Table 1's run.", LOST)
    return TableSpec(23, "Ablation: index encoding", columns, tuple(rows), notes)


def _capacity() -> TableSpec:
    rows = []
    for name, (sign, values) in CAPACITY.items():
        for value, count in values.items():
            experiment = BASE if DEFAULT[sign] == value else f"{BASE}-{sign}{value}"
            labels = {"what": WORDS[name], "value": f"{value:,}"}
            rows.append(Row(f"{sign}{value}", labels, {"accuracy": Source(experiment, "uhn")}, {"accuracy": count}))
    columns = (Label("what", "Varied"), Label("value", "Value", True), *PARAMS, Measure("accuracy", "Acc. %"))
    notes = ("The default (m = 2048, h = 128, B = 2) is one run, Table 1's.", LOST)
    return TableSpec(24, "Ablation: capacity of the generator", columns, tuple(rows), notes)


def _families(number: int, title: str, head: str, suffix: str, count_without: int) -> TableSpec:
    rows = []
    for name in FAMILIES:
        for key, label, ending in (("with", "w/", ""), ("without", "w/o", suffix)):
            sources = {pick: Source(name + ending, "uhn", pick) for pick in ("seen", "unseen")}
            count = paper.UHN_STRUCTURE if key == "with" else count_without
            labels = {"family": paper.FAMILIES[name][0], "option": label}
            rows.append(Row(f"{name}-{key}", labels, sources, {"seen": count}))
    columns = (
        Label("family", "Model family"),
        Label("option", head),
        Count("params_paper", "#Params (paper's configuration)", "seen"),
        Count("params", "#Params (as run)", "seen", "run"),
        Measure("seen", "Acc. % (Seen)"),
        Measure("unseen", "Acc. % (Unseen)"),
    )
    return TableSpec(number, title, columns, tuple(rows), (LOST,))


def _tasks(number: int, title: str, option: str, suffix: str, extra: tuple[Row, ...] = ()) -> TableSpec:
    rows = task_rows({"with": ("multi-task", "uhn"), "without": (f"multi-task{suffix}", "uhn")})
    columns = (
        *TASK,
        Measure("with", f"UHN perf. (multi-task, w/ {option})"),
        Measure("without", f"UHN perf. (multi-task, w/o {option})"),
    )
    return TableSpec(number, title, columns, rows + extra, ("Accuracy in percent; RMSE for kv.", LOST))


def _recursion() -> tuple[Row, ...]:
    """Recursion without initialisation, which the paper reports in its text."""
    rows = []
    for k in (1, 2, 3):
        labels = {"task": "Recursive", "dataset": "MNIST", "model": f"MLP, K = {k}"}
        sources = {"with": Source(f"recursive-k{k}", "uhn"), "without": Source(f"recursive-k{k}-no-init", "uhn")}
        rows.append(Row(f"recursive-k{k}", labels, sources))
    return tuple(rows)


def specs(methods: Mapping[str, Sequence[str]]) -> tuple[TableSpec, ...]:
    """Tables 23 to 28."""
    structure, init = "-no-structure", "-no-init"
    return (
        _encoding(),
        _capacity(),
        _families(25, "Ablation: task-structure encoder, multi-model", "TSE", structure, paper.UHN_LARGE),
        _tasks(26, "Ablation: task-structure encoder, multi-task", "TSE", structure),
        _families(27, "Ablation: initialisation phase, multi-model", "init", init, paper.UHN_STRUCTURE),
        _tasks(28, "Ablation: initialisation phase, multi-task", "init", init, _recursion()),
    )
