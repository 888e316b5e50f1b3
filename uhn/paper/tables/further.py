"""Table 29: experiments that the paper does not have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from uhn.paper.tables.columns import Column, Label, MetricColumn, ParamCount, Row, TableSpec
from uhn.paper.tables.keys import CellKey

FURTHER: dict[str, tuple[str, str]] = {
    "kan-ellipj": ("ellipj", "rmse"),
    "kan-ellipj-bf16": ("ellipj, bf16", "rmse"),
    "kan-ellipj-fp16": ("ellipj, fp16", "rmse"),
    "cora-gcn": ("Cora GCN", "accuracy"),
    "cora-gcn-bf16": ("Cora GCN, bf16", "accuracy"),
    "cora-gcn-fp16": ("Cora GCN, fp16", "accuracy"),
    "mnist-mlp": ("MNIST MLP", "accuracy"),
    "mnist-mlp-bf16": ("MNIST MLP, bf16", "accuracy"),
    "mnist-mlp-fp16": ("MNIST MLP, fp16", "accuracy"),
}
"""Its rows: by experiment of params.yaml, what is printed for it and its metric, ``accuracy`` or ``rmse``."""


def specs(sources: Mapping[str, Sequence[str]]) -> tuple[TableSpec, ...]:
    """Table 29: a column per source that one of its experiments has."""
    names = dict.fromkeys(name for key in FURTHER for name in sources.get(key, ()))
    rows = []
    for key, (title, metric) in FURTHER.items():
        rows.append(Row(key, {"experiment": title}, {name: CellKey(key, name, metric=metric) for name in names}))
    columns: list[Column] = [Label("experiment", "Experiment")]
    for name in names:
        columns.append(ParamCount(f"params_{name}", "#Params", name, "run", span=name))
        columns.append(MetricColumn(name, "Accuracy (%) or RMSE", span=name))
    return (TableSpec(29, "Further experiments, not of the paper", tuple(columns), tuple(rows)),)
