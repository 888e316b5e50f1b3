"""Facts against recounts of their own; what is rendered against what is declared."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from reporting_synthetic import leave, metrics

from uhn.models.sets import write_set
from uhn.paper import wanted
from uhn.paper.cli import main
from uhn.paper.commands.sets import set_file
from uhn.paper.config import load_config
from uhn.paper.plan import Plan
from uhn.paper.report import measure
from uhn.paper.report.book import Book
from uhn.paper.report.coverage import to_markdown
from uhn.paper.report.facts import load_facts
from uhn.paper.report.render import open_book, render
from uhn.paper.report.tables import build, shown
from uhn.paper.tables import published as paper
from uhn.paper.tables.catalogue import tables
from uhn.paper.wanted import fact_files, planned_graphs, planned_topics, read_files, rendered_files, set_files
from uhn.tasks.graphs import Graph
from uhn.tasks.load import load_graph

ROOT = Path(__file__).parents[3]
PARAMS = ROOT / "params.yaml"
MIRROR = os.environ.get("UHN_DATA_MIRROR", "")
DEPTH = {"models": 100, "mean": 366_995, "largest": 463_018, "training": 80, "hold_in": 20, "held_out": 20}


def plan_of(profile: str) -> Plan:
    return Plan(load_config(PARAMS, profile))


def ring(nodes: int = 1600, features: int = 4) -> Graph:
    """Every node beside its two neighbours, node 0 beside node 5 too; features and classes by counting."""
    pairs = [(i, (i + 1) % nodes) for i in range(nodes)] + [(0, 5)]
    both = np.array(sorted(set(pairs + [(b, a) for a, b in pairs]))).T
    bags = [np.array([i % features]) for i in range(nodes)]
    return Graph.build("cora", bags, both, np.arange(nodes) % 3, classes=3, train=60, features=features)


def test_a_graph_is_counted_as_by_hand() -> None:
    fact = measure.citation(ring(), "real")
    assert {key: fact[key] for key in ("nodes", "edges", "features", "classes", "kind")} == {
        "nodes": 1600,
        "edges": 1601,
        "features": 4,
        "classes": 3,
        "kind": "real",
    }


@pytest.mark.skipif(not MIRROR, reason="needs the real files: UHN_DATA_MIRROR is not set")
@pytest.mark.filterwarnings("ignore:Please import:DeprecationWarning")  # the files name an old place of scipy's
@pytest.mark.parametrize("name", ["cora", "pubmed"])
def test_a_published_graph_is_counted_as_in_its_raw_files(name: str, tmp_path: Path) -> None:
    graph, kind, _ = load_graph(name, tmp_path)
    raw = {part: tmp_path / "planetoid" / f"ind.{name}.{part}" for part in ("graph", "allx", "ally", "tx")}
    loaded = {part: pickle.loads(path.read_bytes(), encoding="latin1") for part, path in raw.items()}  # checked above
    pairs = {frozenset((node, other)) for node, others in loaded["graph"].items() for other in others}
    assert (
        measure.citation(graph, kind).items()
        >= {
            "nodes": loaded["allx"].shape[0] + loaded["tx"].shape[0],
            "edges": sum(len(pair) == 2 for pair in pairs),
            "features": loaded["allx"].shape[1],
            "classes": loaded["ally"].shape[1],
            "kind": "real",
        }.items()
    )


def test_a_model_set_is_in_numbers_what_the_paper_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Table 3's and 17's figures; every experiment on a set has a row, and the tables show no difference."""
    plan = plan_of("quick")
    assert list(set_files(plan, tmp_path)) == ["cnn-depth", "cnn-depth-width", "cnn-width", "transformer"]
    for module in (wanted, measure):
        monkeypatch.setattr(module, "planned_sets", lambda plan: {"cnn-mixed-depth": "cnn-depth", "too": "cnn-depth"})
    write_set("cnn-depth", set_file(tmp_path, "quick", "cnn-depth"))
    (path,) = measure.write_facts(["model-sets"], plan, tmp_path, tmp_path)
    first = path.read_bytes()
    measure.write_facts(["model-sets"], plan, tmp_path, tmp_path)
    assert path.read_bytes() == first
    facts = load_facts(tmp_path, "quick")
    assert DEPTH.items() <= facts["model-sets"]["cnn-mixed-depth"].items()
    assert facts["model-sets"]["too"] == facts["model-sets"]["cnn-mixed-depth"]
    for name in ("table03", "table17"):
        built = build(tables()[name], Book("quick", {}, facts=facts))
        assert not any(cell.marks for line in built.cells for cell in line)
        assert built.cell("cnn-mixed-depth", "models").text == "100"
        assert built.cell("transformer-mixed", "models").text == "not measured"


def test_a_model_set_that_was_touched_stops_the_facts(tmp_path: Path) -> None:
    plan = plan_of("smoke")
    (path,) = set_files(plan, tmp_path).values()
    with pytest.raises(ValueError, match="cannot read model set .*cnn-width.json"):
        measure.write_facts(["model-sets"], plan, tmp_path, tmp_path)
    write_set("cnn-width", path)
    path.write_text(path.read_text().replace("[6, 6, 6, 28, 48, 128]", "[6, 6, 6, 28, 48, 64]"))
    with pytest.raises(ValueError, match="cannot read model set .*does not fit|twice"):
        measure.write_facts(["model-sets"], plan, tmp_path, tmp_path)
    assert not fact_files(plan, tmp_path)["model-sets"].exists()


def test_fields_that_layers_use_are_a_fact_and_need_no_layer_then() -> None:
    facts = {"descriptors": measure.descriptors()}
    asked, told = (build(tables()["table08"], Book("quick", {}, facts=f)) for f in ({}, facts))
    assert asked.cells == told.cells
    only = {"descriptors": facts["descriptors"] | {"conv": {"index": [], "structure": ["bias_type"]}}}
    built = build(tables()["table08"], Book("quick", {}, facts=only))
    assert [row.key for row in built.spec.rows if built.cell(row.key, "conv").text] == ["bias_type"]


@pytest.mark.parametrize("older", [False, True])
def test_a_stand_in_is_never_measured(older: bool) -> None:
    """Nor shown where an older file holds the numbers it was generated from."""
    facts = {"citation": {"cora": measure.citation(ring(), "stand-in"), "pubmed": measure.citation(ring(), "real")}}
    assert facts["citation"]["cora"] == {"kind": "stand-in"}
    if older:
        facts["citation"]["cora"] = measure.citation(ring(), "real") | {"kind": "stand-in"}
    book = Book("quick", {}, facts=facts)
    built = build(tables()["table10"], book)
    assert shown(built.cell("edges", "cora")) == "not measured: stand-in"
    assert built.cell("edges", "cora").csv == {"cora": "not measured: stand-in", "cora_marks": ""}
    assert shown(built.cell("edges", "pubmed")) == "1,601"
    assert {"stand-in", "not measured"} <= {*dict(built.legend)}
    text = to_markdown(book)
    assert "| edges | cora | not measured: stand-in |" in text and "| edges | pubmed | measured |" in text


def test_facts_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--profile", "smoke", "--params", str(PARAMS), "--results", str(tmp_path), "--data", str(tmp_path)]
    assert main(["facts", "nothing", *options]) == 2
    assert "profile smoke has no facts nothing; it has descriptors, model-sets, citation" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
    assert main(["facts", "descriptors", *options]) == 0
    assert json.loads((tmp_path / "smoke/facts/descriptors.json").read_text())["gcn"]["index"]


def test_every_profile_has_the_tables_and_figures_it_can_make() -> None:
    for profile in ("quick", "paper"):
        plan = plan_of(profile)
        assert planned_topics(plan) == ("descriptors", "model-sets", "citation")
        assert planned_graphs(plan) == paper.GRAPHS
        rendered = rendered_files(plan, Path("results"))
        names = {path.stem for path in rendered}
        assert {f"table{number:02d}" for number in range(1, 29)} == {
            path.stem for path in rendered if path.suffix == ".md"
        } - {"coverage", "claims"}
        assert {"figure3", "figure4", "figure5", "parameters", "coverage", "report"} <= names
        assert sum(path.name == "model.safetensors" for path in read_files(plan, Path("results"))) >= 3


def test_render_all_writes_what_is_declared_even_of_runs_that_all_diverged(tmp_path: Path) -> None:
    plan = plan_of("smoke")
    for name, run in plan.runs.items():
        made = metrics(run.experiment, run.method, run.seed, value=None)
        made["settings"]["model_set"] = run.model_set
        leave(tmp_path, made, profile="smoke")
        assert (tmp_path / "smoke/runs" / name).is_dir()
    written = render(["all"], open_book(tmp_path, "smoke", PARAMS), tmp_path)
    assert written == rendered_files(plan, tmp_path)
    page = (tmp_path / "smoke/report.html").read_text()
    assert '<section id="table06">' in page
    assert '<section id="figure3">' in page and 'src="data:image/svg+xml,' in page


def test_a_set_stands_where_the_workflow_looks_for_it(tmp_path: Path) -> None:
    assert set_files(plan_of("smoke"), tmp_path) == {"cnn-width": set_file(tmp_path, "smoke", "cnn-width")}
