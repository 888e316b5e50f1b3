"""Tables of grids and selections: what a profile searched, what it did not, and whose hyperparameters runs have."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from reporting_synthetic import leave, metrics, opened

from uhn.paper.config import load_config
from uhn.paper.plan import Plan
from uhn.paper.report.coverage import table_lines
from uhn.paper.report.explain import explain
from uhn.paper.report.formats import to_markdown
from uhn.paper.report.render import open_book
from uhn.paper.report.tables import build, shown
from uhn.paper.sweeps.stages import Outcome, Values
from uhn.paper.tables.catalogue import tables, worth

CHOSEN = Values(0.002, 120, 0.001, 10)


@pytest.fixture
def results(repository: Path, tmp_path: Path) -> Path:
    """Results of quick whose search for kv has ended."""
    sweep = Plan(load_config(repository / "params.yaml", "quick")).sweeps["kan-kv/uhn"]
    for stage in sweep.stages:
        path = sweep.file(tmp_path / "quick", stage)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(Outcome(CHOSEN, (("stage3/train-0.002x120", CHOSEN),)).to_json()))
        path.with_suffix(".md").write_text(f"# the reason of {stage.name}\n")
    return tmp_path


def _cells(repository: Path, results: Path, name: str, profile: str = "quick") -> dict[tuple[str, str], str]:
    book = open_book(results, profile, repository / "params.yaml")
    table = build(tables(book.methods)[name], book)
    return {
        (row.key, column.key): shown(cell)
        for row, cells in zip(table.spec.rows, table.cells, strict=True)
        for column, cell in zip(table.spec.columns, cells, strict=True)
    }


def test_what_was_selected_stands_beside_the_papers(repository: Path, results: Path) -> None:
    cells = _cells(repository, results, "table13")
    found = [cells["kan-kv", f"{key}_selected"] for key in ("init_lr", "init_steps", "lr", "budget")]
    assert found == ["0.001 (reduced)", "10 (reduced)", "0.002 (reduced)", "120 steps (reduced)"]
    assert [cells["kan-kv", f"{key}_paper"] for key in ("init_lr", "init_steps", "lr", "budget")] == [
        "0.0002",
        "200",
        "0.0001",
        "4,000",
    ]
    assert cells["mnist-cnn8", "lr_selected"] == "not swept in this profile"
    assert cells["mnist-cnn8", "lr_paper"] == "0.0001"


def test_a_grid_is_the_papers_where_the_profile_searches_nothing(repository: Path, results: Path) -> None:
    cells = _cells(repository, results, "table12")
    assert cells["kan-kv", "budget"] == "{60, 120} steps (reduced)"
    assert cells["mnist-cnn8", "budget"] == "{30, 50, 100} (not swept in this profile)"
    assert _cells(repository, results, "table14")["cora-gcn", "lr"] == "{0.005, 0.01, 0.02} (not swept in this profile)"
    paper = _cells(repository, results, "table14", "paper")
    assert paper["cora-gcn", "lr"] == "{0.005, 0.01, 0.02} (our grid)"
    assert _cells(repository, results, "table12", "paper")["cora-gcn", "lr"] == "{2e-5, 5e-5, 0.0001}"


def test_guardrails_are_those_of_the_search(repository: Path, results: Path) -> None:
    cells = _cells(repository, results, "table20")
    assert cells["mnist-mlp", "guardrail"] == "not swept in this profile"
    assert cells["mnist-mlp", "guardrail_paper"] == "0.95"
    paper = _cells(repository, results, "table20", "paper")
    assert [paper[row, "guardrail"] for row in ("cifar10-cnn44", "kan-kv")] == ["0.85", "0.05"]


def test_every_cell_has_a_status_and_every_choice_its_reason(repository: Path, results: Path) -> None:
    book = open_book(results, "quick", repository / "params.yaml")
    for name, spec in tables(book.methods).items():
        assert all(line.status for line in table_lines(spec, book, worth(book))), name
    told = explain(book, "table13", "kan-kv", "lr_selected")
    assert "0.002" in told
    assert all(f"# the reason of stage{number}" in told for number in (1, 2, 3, 4))
    assert "reason" not in explain(book, "table13", "mnist-cnn8", "lr_selected")


def test_a_table_says_whose_hyperparameters_its_runs_have(tmp_path: Path) -> None:
    """As the plan has it; without a plan, as an older record says."""
    records = [metrics(f"kan-{name}", method, 1, 0.1) for name in ("ellipj", "kv") for method in ("direct", "uhn")]
    leave(tmp_path, *records)
    book = opened(tmp_path)
    spec = tables(book.methods)["table11"]
    assert build(spec, book).hyperparameters == "", "nobody says"
    whose = dict.fromkeys(book.runs, "paper")
    assert build(spec, replace(book, whose=whose)).hyperparameters == "Hyperparameters: the paper's."
    whose |= {name: "selected" for name in book.runs if "/uhn/" in name}
    table = build(spec, replace(book, whose=whose))
    assert table.hyperparameters == (
        "Hyperparameters: the paper's: kan-ellipj direct, kan-kv direct; "
        "as this profile's own sweeps selected them: kan-ellipj uhn, kan-kv uhn."
    )
    assert table.hyperparameters in to_markdown(table)
    other = build(spec, replace(book, whose=dict.fromkeys(book.runs, "guessed")))
    assert other.hyperparameters == "Hyperparameters: guessed (a word of other code)."
