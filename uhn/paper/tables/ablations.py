"""Ablations: 23 (index encoding), 24 (capacity), 25-26 (task-structure encoder), 27-28 (initialisation phase)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from uhn.paper.tables.columns import Label, MetricColumn, ParamCount, Row, TableSpec
from uhn.paper.tables.keys import CellKey
from uhn.paper.tables.several import FAMILIES, task_rows
from uhn.paper.tables.single import TASK

BASE = "cifar10-cnn20"

ENCODINGS = {"raw": "Raw", "positional": "Positional", "gff": "GFF"}

CAPACITY = {
    "m": ("Frequencies m", (256, 512, 1024, 2048, 4096)),
    "h": ("Hidden width h", (32, 64, 128, 256)),
    "b": ("Residual blocks B", (0, 1, 2, 3)),
}
"""Table 24: by the sign in run names, what is varied, and its values."""

DEFAULT = {"m": 2048, "h": 128, "b": 2}
ABLATED = ("cnn-mixed-width", "transformer-mixed")

PARAMS = (
    ParamCount("params_paper", "#Params, paper's", "accuracy"),
    ParamCount("params", "#Params, as run", "accuracy", "run"),
)
LOST = "The paper's results are lost."


def _encoding() -> TableSpec:
    rows = []
    for key, label in ENCODINGS.items():
        experiment = BASE if key == "gff" else f"{BASE}-{key}"
        rows.append(Row(key, {"encoding": label}, {"accuracy": CellKey(experiment, "uhn")}))
    columns = (Label("encoding", "Encoding"), *PARAMS, MetricColumn("accuracy", "Acc. %"))
    notes = ("Raw and positional: gradients clipped to norm 1, as in the paper; GFF is Table 1's run.", LOST)
    return TableSpec(23, "Ablation: index encoding", columns, tuple(rows), notes)


def _capacity() -> TableSpec:
    rows = []
    for sign, (words, values) in CAPACITY.items():
        for value in values:
            experiment = BASE if DEFAULT[sign] == value else f"{BASE}-{sign}{value}"
            labels = {"what": words, "value": f"{value:,}"}
            rows.append(Row(f"{sign}{value}", labels, {"accuracy": CellKey(experiment, "uhn")}))
    columns = (Label("what", "Varied"), Label("value", "Value", True), *PARAMS, MetricColumn("accuracy", "Acc. %"))
    notes = ("The default (m = 2048, h = 128, B = 2) is one run, Table 1's.", LOST)
    return TableSpec(24, "Ablation: capacity of the generator", columns, tuple(rows), notes)


def _families(number: int, title: str, head: str, suffix: str) -> TableSpec:
    rows = []
    for name in ABLATED:
        for key, label, ending in (("with", "w/", ""), ("without", "w/o", suffix)):
            cells = {pick: CellKey(name + ending, "uhn", pick) for pick in ("seen", "unseen")}
            labels = {"family": FAMILIES[name][0], "option": label}
            rows.append(Row(f"{name}-{key}", labels, cells))
    columns = (
        Label("family", "Model family"),
        Label("option", head),
        ParamCount("params_paper", "#Params, paper's", "seen"),
        ParamCount("params", "#Params, as run", "seen", "run"),
        MetricColumn("seen", "Acc. %", span="Seen"),
        MetricColumn("unseen", "Acc. %", span="Unseen"),
    )
    return TableSpec(number, title, columns, tuple(rows), (LOST,))


def _tasks(number: int, title: str, option: str, suffix: str, extra: tuple[Row, ...] = ()) -> TableSpec:
    rows = task_rows({"with": ("multi-task", "uhn"), "without": (f"multi-task{suffix}", "uhn")})
    columns = (
        *TASK,
        MetricColumn("with", "Perf.", span=f"UHN multi-task, w/ {option}"),
        MetricColumn("without", "Perf.", span=f"UHN multi-task, w/o {option}"),
    )
    return TableSpec(number, title, columns, rows + extra, ("Accuracy in percent; RMSE for kv.", LOST))


def _recursion() -> tuple[Row, ...]:
    """Recursion without initialisation, which the paper reports in its text."""
    rows = []
    for k in (1, 2, 3):
        labels = {"task": "Recursive", "dataset": "MNIST", "model": f"MLP, K = {k}"}
        cells = {"with": CellKey(f"recursive-k{k}", "uhn"), "without": CellKey(f"recursive-k{k}-no-init", "uhn")}
        rows.append(Row(f"recursive-k{k}", labels, cells))
    return tuple(rows)


def specs(sources: Mapping[str, Sequence[str]]) -> tuple[TableSpec, ...]:
    """Tables 23 to 28."""
    structure, init = "-no-structure", "-no-init"
    return (
        _encoding(),
        _capacity(),
        _families(25, "Ablation: task-structure encoder, multi-model", "TSE", structure),
        _tasks(26, "Ablation: task-structure encoder, multi-task", "TSE", structure),
        _families(27, "Ablation: initialisation phase, multi-model", "init", init),
        _tasks(28, "Ablation: initialisation phase, multi-task", "init", init, _recursion()),
    )
