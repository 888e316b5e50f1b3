"""Sweeps: grids (12, 14, 16, 18, 21, 22), selections (13, 15, 16, 19, 21, 22) and guardrails (20).

Grids and selections are facts of a profile, by method: ``grid-<method>``, ``selected-<method>``; the paper's selections
are its profile's settings, ``paper-<method>`` (see :mod:`uhn.paper.report.facts`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from uhn.paper.names import group_name
from uhn.paper.tables import published as paper
from uhn.paper.tables.columns import EMPTY, NOT_SWEPT, Column, Fact, Label, Row, TableSpec
from uhn.paper.tables.several import FAMILIES, MULTI_TASK
from uhn.paper.tables.single import FUNCTIONS, SINGLE, TASK, kan, task_labels

UHN = {"init_lr": "init lr", "init_steps": "init steps", "lr": "train lr"}
PLAIN = {"lr": "lr"}
EPOCHS, STEPS = {"budget": "train epochs"}, {"budget": "train steps"}


def single_rows() -> tuple[Row, ...]:
    """One row per single-model experiment."""
    rows = [Row(key, task_labels(*labels)) for key, labels in SINGLE.items()]
    rows += [Row(f"kan-{name}", task_labels("Formula", name, kan(name))) for name in FUNCTIONS]
    return tuple(rows)


def _grids(method: str, settings: Mapping[str, str], absent: str = NOT_SWEPT) -> list[Column]:
    return [Fact(key, f"{head} grid", f"grid-{method}", key, absent=absent) for key, head in settings.items()]


def _selected(method: str, settings: Mapping[str, str]) -> list[Column]:
    columns: list[Column] = []
    for key, head in settings.items():
        columns.append(Fact(f"{key}_selected", "selected", f"selected-{method}", key, absent=NOT_SWEPT, span=head))
        columns.append(Fact(f"{key}_paper", "paper", f"paper-{method}", key, absent=EMPTY, span=head))
    return columns


def _comparison(method: str, name: str) -> list[Column]:
    columns: list[Column] = []
    for key, head in (PLAIN | EPOCHS).items():
        column, title = f"{method}_{key}", f"{name} {head}"
        columns += [
            Fact(column, "grid", f"grid-{method}", key, absent=NOT_SWEPT, span=title),
            Fact(f"{column}_selected", "selected", f"selected-{method}", key, absent=NOT_SWEPT, span=title),
            Fact(f"{column}_paper", "paper", f"paper-{method}", key, absent=EMPTY, span=title),
        ]
    return columns


def _guardrails() -> tuple[Row, ...]:
    rows = []
    for key, (*labels, dataset) in MULTI_TASK.items():
        rows.append(Row(key, task_labels(*labels) | {"guardrail_paper": paper.text(dataset, "guardrail")}))
    return tuple(rows)


def _table(
    number: int, title: str, first: Iterable[Column], columns: Iterable[Column], rows: tuple[Row, ...], *notes: str
) -> TableSpec:
    """A table of the searches of its rows' experiments under the sources that its columns are of."""
    columns = tuple(columns)
    sources = dict.fromkeys(column.topic.partition("-")[2] for column in columns if isinstance(column, Fact))
    searches = tuple(group_name(row.key, source) for row in rows for source in sources)
    return TableSpec(number, title, (*first, *columns), rows, notes, "facts", searches)


def specs(sources: Mapping[str, Sequence[str]]) -> tuple[TableSpec, ...]:
    """Tables 12 to 16 and 18 to 22."""
    single = single_rows()
    family = (Label("family", "Model family"),)
    families = tuple(Row(name, {"family": title}) for name, (title, *_) in FAMILIES.items())
    model, baselines = (Label("model", "Model"),), (Row("cifar10-cnn20", {"model": "CNN-20"}),)
    several = (Row("multi-task", {"family": "Six tasks"}),)
    recursion = (Row("recursive-k1", {"family": "K = 1"}),)
    first = Fact("first", "T0", "grid-uhn", "first", absent=NOT_SWEPT)
    wide, steps = UHN | EPOCHS, UHN | STEPS
    lost = "The paper's grids are lost: ours lie around its selected values (our grid)."
    comparison = [*_comparison("ha", "HA"), *_comparison("chunked", "Chunked")]
    guardrail = Fact("guardrail", "Guardrail (val)", "guardrails", absent=NOT_SWEPT, compare=False)
    both = [*_grids("uhn", steps), *_selected("uhn", steps)]
    return (
        _table(12, "Sweep grids of the UHN, single model", TASK, (first, *_grids("uhn", wide)), single),
        _table(13, "Selected hyperparameters of the UHN, single model", TASK, _selected("uhn", wide), single),
        _table(14, "Sweep grids of direct training", TASK, _grids("direct", PLAIN | EPOCHS), single, lost),
        _table(15, "Selected hyperparameters of direct training", TASK, _selected("direct", PLAIN | EPOCHS), single),
        _table(16, "Sweep grids and selected hyperparameters of HA and Chunked", model, comparison, baselines, lost),
        _table(18, "Sweep grids, multi-model", family, (first, *_grids("uhn", wide)), families),
        _table(19, "Selected hyperparameters, multi-model", family, _selected("uhn", wide), families),
        TableSpec(
            20,
            "Guardrails of the multi-task selection",
            (*TASK, guardrail, Label("guardrail_paper", "Paper", True)),
            _guardrails(),
            ("kv: an RMSE, at most.",),
            "facts",
            (group_name("multi-task", "uhn"),),
        ),
        _table(21, "Sweep grid and selection, multi-task", family, (first, *both), several),
        _table(22, "Sweep grid and selection, recursion (K = 1)", family, (first, *both), recursion),
    )
