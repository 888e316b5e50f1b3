from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest
from reporting_synthetic import leave, metrics, opened

from uhn.models.base_models import MODEL_SETS
from uhn.paper.config import load_config
from uhn.paper.names import RunId
from uhn.paper.plan import Plan
from uhn.paper.report.book import Book
from uhn.paper.report.coverage import to_markdown
from uhn.paper.report.facts import load_facts, paper_selection
from uhn.paper.report.render import open_book
from uhn.paper.report.tables import Table, build, shown
from uhn.paper.tables import published
from uhn.paper.tables.catalogue import tables, worth
from uhn.paper.tables.several import MULTI_TASK
from uhn.paper.wanted import wanted_tables
from uhn.tasks import DATASETS

ROOT = Path(__file__).parents[3]

COMMON = "layer_idx layer_type"
STRUCTURE = {
    "linear": "bias_type norm_type shortcut_type output_size input_size activation_type activation_param dropout_rate "
    "input_pooling_reshape_type initialization_type",
    "conv": "bias_type norm_type shortcut_type output_size input_size activation_type activation_param dropout_rate "
    "group_num kernel_size stage_wise_pooling_type initialization_type",
    "gcn": "bias_type norm_type output_size input_size activation_type activation_param dropout_rate "
    "initialization_type",
    "gat": "bias_type norm_type output_size input_size activation_type activation_param dropout_rate num_heads "
    "head_concat_type initialization_type",
    "embedding": "output_size dropout_rate embedding_num max_sequence_length initialization_type",
    "attention": "bias_type norm_type shortcut_type output_size input_size activation_type activation_param "
    "dropout_rate num_heads initialization_type",
    "kan": "bias_type output_size input_size activation_type activation_param grid_size spline_order "
    "initialization_type",
}
"""B.5.1's lists of active local structure fields."""

INDEX = {
    "linear": "out_idx in_idx",
    "conv": "out_idx in_idx kernel_h kernel_w",
    "gcn": "out_idx in_idx",
    "gat": "out_idx in_idx",
    "embedding": "out_idx embedding_idx sequence_idx",
    "attention": "out_idx in_idx",
    "kan": "out_idx in_idx grid_idx",
}
"""B.5.1's lists of active index fields."""

COUNTS = {
    "table01": {"mnist-mlp": 118_282, "cora-gat": 92_373, "imdb-transformer": 377_858},
    "table02": {"cifar10-cnn20": 269_034, "cifar10-cnn32": 463_018, "cifar10-cnn44": 657_002, "cifar10-cnn56": 850_986},
    "table11": {"kan-ellipj": 407, "kan-yv": 364, "kan-sph_harm22": 254},
}


def table(name: str, book: Book | None = None) -> Table:
    book = book or Book("quick", {})
    return build(tables(book.methods)[name], book)


def used(name: str, layer: str) -> list[str]:
    built = table(name)
    return [row.key for row in built.spec.rows if built.cell(row.key, layer).text]


@pytest.mark.parametrize("layer", STRUCTURE)
def test_active_fields_are_those_of_the_paper(layer: str) -> None:
    assert used("table06", layer) == [*COMMON.split(), "param_type", *INDEX[layer].split()]
    assert used("table08", layer) == [*COMMON.split(), *STRUCTURE[layer].split()]


def test_the_descriptor_has_the_papers_number_of_fields() -> None:
    assert [len(table(name).spec.rows) for name in ("table06", "table07", "table08", "table09")] == [10, 6, 21, 2]
    assert table("table09").cell("dataset_type", "codes").text.startswith("0 MNIST, 1 CIFAR10, 2 CITESEER, 3 CORA")


@pytest.mark.parametrize("name", COUNTS)
def test_counts_of_base_models_are_the_papers(name: str) -> None:
    for row, count in COUNTS[name].items():
        assert table(name).cell(row, "params_direct").text == f"{count:,}"


def test_a_method_that_is_planned_gets_its_column_in_table_2(tmp_path: Path) -> None:
    leave(tmp_path, metrics("cifar10-cnn20", "toy", 1, 0.5))
    built = table("table02", opened(tmp_path))
    assert built.cell("cifar10-cnn20", "toy").text == "50.00 (n=1)"
    assert built.cell("cifar10-cnn20", "params_toy").text == "118,282"
    assert built.cell("cifar10-cnn20", "params_ha").text == "619,306"
    assert built.cell("cifar10-cnn56", "params_chunked").text == "631,688"


def test_members_that_were_not_evaluated_are_a_reduction(tmp_path: Path) -> None:
    values = {str(n): {"value": 0.5 + n / 100, "parameters": 1, "seen": n < 4} for n in range(10)}
    record = metrics("cnn-mixed-width", "uhn", 1, 0.5, values=values)
    record["settings"]["model_set"] = "cnn-width"
    leave(tmp_path, record)
    built = table("table03", opened(tmp_path))
    assert built.cell("cnn-mixed-width", "seen").text == "51.50 (n=1)"
    assert built.cell("cnn-mixed-width", "unseen").text == "56.50 (n=1)"
    assert {"Seen: members evaluated 4 / 50.", "Unseen: members evaluated 6 / 50."} <= {*built.differences.common}


def test_tasks_of_one_run_fill_their_rows(tmp_path: Path) -> None:
    names = [name for *_, name in MULTI_TASK.values()]
    values = {("ag_news_30k" if name == "ag_news" else name): {"value": 0.5} for name in names}
    leave(tmp_path, metrics("multi-task", "uhn", 1, 0.5, values=values, chance=None))
    built = table("table04", opened(tmp_path))
    assert [built.cell(row, "multi").text for row in MULTI_TASK] == ["50.00 (n=1)"] * 5 + ["0.500 (n=1)"]


def test_facts_are_printed_beside_the_papers(tmp_path: Path) -> None:
    folder = tmp_path / "quick/facts"
    folder.mkdir(parents=True)
    (folder / "citation.json").write_text(json.dumps({"cora": {"nodes": 2708, "edges": 5278}}))
    (folder / "model-sets.json").write_text(json.dumps({"cnn-mixed-width": {"mean": 624987, "largest": 1}}))
    (folder / "grid-uhn.json").write_text(json.dumps({"mnist-mlp": {"lr": [5e-5, 0.0001], "first": 100}}))
    book = Book("quick", {}, facts=load_facts(tmp_path, "quick"))
    ten, three, twelve = (table(name, book) for name in ("table10", "table03", "table12"))
    assert (ten.cell("edges", "cora").text, ten.cell("edges", "cora_paper").text) == ("5,278", "5,429")
    assert ten.cell("edges", "pubmed").text == "not measured"
    assert shown(three.cell("cnn-mixed-width", "mean")) == "624,987"
    assert shown(three.cell("cnn-mixed-width", "largest")) == "1 (paper 1,072,586)"
    assert twelve.cell("mnist-mlp", "lr").text == "{5e-5, 0.0001}"
    assert twelve.cell("cora-gcn", "lr").text == "not swept in this profile"
    text = to_markdown(book)
    assert "| edges | cora | measured |" in text
    assert "| edges | pubmed | not measured |" in text


@pytest.mark.parametrize("content", ["[1]", '{"a": 1}', "{"])
def test_facts_that_are_no_rows_are_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "quick/facts/citation.json"
    path.parent.mkdir(parents=True)
    path.write_text(content)
    with pytest.raises(ValueError, match="citation.json"):
        load_facts(tmp_path, "quick")


def test_older_code_is_marked(tmp_path: Path) -> None:
    leave(tmp_path, *[metrics(seed=seed) for seed in (1, 2, 3)])
    book = opened(tmp_path, older=frozenset({"mnist-mlp/direct/seed-2"}))
    assert table("table01", book).cell("mnist-mlp", "direct").marks == ("older code",)
    assert "| mnist-mlp | direct | older code | 3 of 3" in to_markdown(book)


@pytest.mark.parametrize("profile", ["quick", "paper", "smoke"])
def test_every_planned_run_has_its_cell(profile: str) -> None:
    plan = Plan(load_config(ROOT / "params.yaml", profile))
    specs = tables({name: tuple(entry.methods) for name, entry in plan.config.experiments.items()})
    for name, planned in plan.tables.items():
        if finals := {RunId.parse(run).group for run in planned if run in plan.runs}:
            assert finals <= {key.group for row in specs[name].rows for key in row.cells.values()}


def test_the_book_of_a_plan_knows_what_is_to_come(tmp_path: Path) -> None:
    book = open_book(tmp_path / "results", "smoke", ROOT / "params.yaml")
    built = build(tables()["table01"], book)
    assert built.cell("mnist-mlp", "uhn").text == "not run"
    assert built.cell("imdb-transformer", "uhn").text == "not in this profile"
    assert build(tables()["table28"], book).cell("cora-gcn", "with").text == "not in this profile"
    plan = Plan(load_config(ROOT / "params.yaml", "smoke"))
    assert worth(book) == [name for name in tables() if name in wanted_tables(plan)]


def test_the_papers_selection_is_the_paper_profiles() -> None:
    facts = paper_selection(Plan(load_config(ROOT / "params.yaml", "quick")))
    uhn = {"lr": 2e-4, "budget": 800, "init_lr": 0, "init_steps": 0}
    assert facts["paper-uhn"]["cifar10-cnn20"] == uhn
    assert facts["paper-uhn"]["mnist-cnn8"] == {"lr": 1e-4, "budget": 100, "init_lr": 2e-4, "init_steps": 200}
    assert facts["paper-direct"]["citeseer-gat"] == {"lr": 0.002, "budget": 200}
    assert facts["paper-direct"]["kan-lpmv0"] == {"lr": 0.05, "budget": 4000}


def test_every_published_value_has_a_source_and_is_of_something(repository: Path) -> None:
    config = load_config(ROOT / "params.yaml", "paper")
    groups = {f"{name}/{source}" for name, entry in config.experiments.items() for source in entry.methods}
    rows = list(csv.reader(published.FILE.read_text(encoding="utf-8").splitlines()))
    assert rows[0] == ["of", "what", "value", "source"]
    assert len({(of, what) for of, what, *_ in rows}) == len(rows), "every value once"
    for of, what, value, source in rows[1:]:
        assert of in groups or of in MODEL_SETS or of in DATASETS, of
        assert what in ("params", "value") if of.endswith("/direct") else what, (of, what)
        assert re.match(r"(about )?[0-9.]+$", value), (of, value)
        assert re.match(r"Table [0-9]+$|original program|inferred: |read off Figure", source), (of, source)


def test_parameters_that_the_paper_prints_are_those_of_its_configurations() -> None:
    """Counted from the settings by the formula of the generator's parts, not from a model."""
    config = load_config(ROOT / "params.yaml", "paper")
    for (of, what), (value, _) in published.entries().items():
        if what == "params" and of.endswith("/uhn"):
            g = config.resolve(of.removesuffix("/uhn"), "uhn", 1).generator
            assert g is not None
            features = {"gff": 2 * g.index_frequencies, "positional": 640, "raw": 10}[g.encoding]
            count = (features + 1) * g.hidden + g.blocks * (2 * g.hidden * (g.hidden + 1) + 4 * g.hidden) + g.hidden + 1
            count += {"gff": 10 * g.index_frequencies, "positional": 32, "raw": 0}[g.encoding] + 20
            if g.structure:
                count += 25_216 + 65 * g.hidden + g.hidden * (g.hidden + 1) + 29 * 32 + 58
            assert int(value) == count, of
