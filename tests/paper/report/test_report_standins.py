"""Generated data in the place of real ones: said where nobody can overlook it, by everything that rests on it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from reporting_synthetic import leave, metrics, opened, planned

from uhn.paper.config import load_config
from uhn.paper.plan import Plan
from uhn.paper.report import coverage, page
from uhn.paper.report.book import Book
from uhn.paper.report.render import open_book, render
from uhn.paper.report.tables import build
from uhn.paper.sweeps.stages import Outcome, Values
from uhn.paper.tables.catalogue import tables


def book(results: Path) -> Book:
    return opened(results)


def test_the_page_begins_with_what_was_not_at_hand(tmp_path: Path) -> None:
    leave(tmp_path, metrics(seed=1, kind="stand-in"), metrics("kan-kv", "uhn", 1, 0.1), metrics("cora-gcn", value=0.9))
    text = page.to_html(book(tmp_path))
    banner = text.index('role="alert"')
    assert "Stand-in data: MNIST." in text[banner : text.index("</p>", banner)]
    assert text.index("<h1") < banner < text.index('id="headline"')
    assert "**Stand-in data: MNIST.**" in coverage.to_markdown(book(tmp_path)).split("| --- |")[0]


@pytest.mark.parametrize("kind", ["real", "subset"])
def test_there_is_no_banner_over_real_rows(tmp_path: Path, kind: str) -> None:
    leave(tmp_path, metrics(seed=1, kind=kind))
    assert 'role="alert"' not in page.to_html(book(tmp_path))
    assert "Stand-in data" not in coverage.to_markdown(book(tmp_path))


def test_a_stand_in_graph_that_no_run_used_is_in_the_banner(tmp_path: Path) -> None:
    leave(tmp_path, metrics(seed=1))
    facts = {"citation": {"cora": {"kind": "stand-in"}, "pubmed": {"kind": "real"}}}
    assert opened(tmp_path, facts=facts).stand_ins() == ("cora",)


def test_every_measured_cell_of_the_dataset_is_marked(tmp_path: Path) -> None:
    values = {"mnist": {"value": 0.5, "chance": 0.1}, "kv": {"value": 0.1}}
    values |= {name: {"value": 0.5, "chance": 0.1} for name in ("cifar10", "cora", "pubmed", "ag_news")}
    record = metrics("multi-task", "uhn", 1, 0.2, values=values)
    record["settings"]["tasks"] = [{"dataset": name, "model": "m", "probability": 1 / 6} for name in values]
    kinds = {"mnist": "stand-in"}
    record["data"] = [record["data"][0] | {"name": name, "kind": kinds.get(name, "real")} for name in values]
    leave(tmp_path, metrics(seed=1, kind="stand-in"), metrics(method="uhn", seed=1, kind="stand-in"), record)
    built = build(tables()["table04"], book(tmp_path))
    for column in ("direct", "single", "multi"):
        assert "stand-in" in built.cell("mnist-mlp", column).marks
    assert "stand-in" not in built.cell("cora-gcn", "multi").marks


def test_a_figure_says_it_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: dict[Path, Figure] = {}
    monkeypatch.setattr("uhn.paper.report.render.save", lambda figure, stem, data: [drawn.setdefault(stem, figure)])
    values = {"a": {"value": 0.8, "parameters": 10, "seen": True}, "b": {"value": 0.6, "parameters": 20, "seen": False}}
    for profile, kind in (("quick", "stand-in"), ("claims", "real")):
        leave(tmp_path, metrics("cnn-mixed-width", "uhn", 1, 0.7, kind=kind, values=values), profile=profile)
        names = ["figure3", "curves-cnn-mixed-width"]
        render(names, open_book(tmp_path, profile), tmp_path)
        for name in names:
            below = drawn[tmp_path / profile / "figures" / name].get_supxlabel()
            assert ("stand-in data: cnn" in below) is (kind == "stand-in")


def test_what_was_selected_on_a_stand_in_is_marked(repository: Path, tmp_path: Path) -> None:
    plan = Plan(load_config(repository / "params.yaml", "smoke"))
    sweep = plan.sweeps["kan-kv/uhn"]
    path = sweep.file(tmp_path / "smoke", sweep.stages[-1])
    path.parent.mkdir(parents=True)
    values = Values(0.001, 2, 0.001, 1)
    path.write_text(json.dumps(Outcome(values, (("x", values),)).to_json()))
    trial = next(iter(plan.trials.values()))
    for kind in ("real", "stand-in"):
        record = planned(trial, None, status="finished", validation=0.1, name=trial.name)
        record["data"][0]["kind"] = kind
        leave(tmp_path, record, profile="smoke")
        opened = open_book(tmp_path, "smoke", repository / "params.yaml")
        built = build(tables(opened.methods)["table13"], opened)
        assert ("stand-in" in built.cell("kan-kv", "lr_selected").marks) is (kind == "stand-in")
        assert opened.stand_ins() == (("kv",) if kind == "stand-in" else ())
