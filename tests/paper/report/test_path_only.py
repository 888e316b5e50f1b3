"""Runs that only show that their path works: none of their numbers is printed; the best that is kept stands beside."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from reporting_synthetic import leave, metrics, opened

from uhn.paper.params import merge
from uhn.paper.report.claims import judge
from uhn.paper.report.coverage import to_markdown as coverage
from uhn.paper.report.evidence import standing
from uhn.paper.report.formats import to_csv, to_markdown, to_provenance
from uhn.paper.report.reference import keep
from uhn.paper.report.render import kept_book
from uhn.paper.report.tables import build, shown
from uhn.paper.runs.archive import write_archive
from uhn.paper.runs.identity import NOT_IDENTITY, WITHIN, same_settings, settings_hash
from uhn.paper.settings import RunSettings
from uhn.paper.tables.catalogue import tables
from uhn.paper.tables.claims import CLAIMS
from uhn.paper.tables.keys import CellKey
from uhn.paper.wanted import kept_records
from uhn.records import RECORD

TRAIN = {"lr": 1e-3, "epochs": None, "steps": 3, "warmup": 1, "batch_size": 32, "clip": None}


def tried(method: str = "uhn", value: float | None = 0.12, steps: int = 3, **more: Any) -> dict[str, Any]:
    """A run of the MLP that was declared to show its path."""
    own = {"settings": {"path_only": True, "train": TRAIN}, "budget": {"init_steps": 0, "train_steps": steps}}
    return merge(metrics("mnist-mlp", method, value=value), merge(own, more))


def test_a_few_steps_say_that_they_ran_and_no_number(tmp_path: Path) -> None:
    leave(tmp_path, tried(), metrics("mnist-mlp", "direct", value=0.97))
    book = opened(tmp_path)
    table = build(tables()["table01"], book)
    assert shown(table.cell("mnist-mlp", "uhn")) == "ran, 3 steps (path only)"
    text = to_markdown(table)
    assert "12.00" not in text and "- *path only*: " in text and "97.00" in text
    (row,) = (row for row in csv.DictReader(to_csv(table).splitlines()) if row["row"] == "mnist-mlp")
    assert (row["uhn"], row["uhn_mean"], row["direct_mean"]) == ("ran, 3 steps", "12", "97")
    assert {run["name"]: run["value"] for run in json.loads(to_provenance(table))["runs"]}[tried()["name"]] == 0.12
    assert "| mnist-mlp | uhn | path only | " in coverage(book)
    assert standing(book.evidence(CellKey("mnist-mlp", "uhn"))) == "absent"
    (claim,) = (claim for claim in CLAIMS if claim.name == "universality: images")
    assert judge(claim, book).budget == "no runs"


def test_a_path_that_diverged_is_said(tmp_path: Path) -> None:
    leave(tmp_path, tried(value=None, steps=2))
    cell = build(tables()["table01"], opened(tmp_path)).cell("mnist-mlp", "uhn")
    assert shown(cell) == "ran, 2 steps (path only, 1 of 1 diverged)"


def test_the_best_kept_number_stands_beside(tmp_path: Path) -> None:
    """The paper's budget before the claims', those before quick's, and any other last; another path is no evidence."""
    book, reference, cells = opened(leave(tmp_path, tried())), tmp_path / "reference", []
    for profile, record in (
        ("earlier", metrics("mnist-mlp", "uhn", value=0.5, full=False)),
        ("smoke", tried(value=0.6)),
        ("claims", metrics("mnist-mlp", "uhn", value=0.7, full=False)),
        ("paper", metrics("mnist-mlp", "uhn", value=0.8)),
    ):
        archive(reference / profile, record)
        kept = kept_book(book.runs.values(), reference, "quick", book.paper)
        cells.append(shown(build(tables()["table01"], replace(book, kept=kept)).cell("mnist-mlp", "uhn")))
    last = "ran, 3 steps (path only, kept: 50.00 (n=1), reduced, profile earlier)"
    assert cells[:3] == [last, last, last.replace("50.00", "70.00").replace("earlier", "claims")]
    assert cells[3] == "ran, 3 steps (path only, kept: 80.00 (n=1), reduced, profile paper)"  # one seed of three
    assert [path.parent.name for path in kept_records(reference, "claims")] == ["earlier", "paper", "smoke"]
    assert kept_book([], reference, "quick", {}) is None


def archive(folder: Path, record: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_archive(folder, {record["name"]: {RECORD: json.dumps(record).encode()}})


def test_what_is_kept_anew_reaches_the_tables_that_show_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables and page of a kept profile whose paths were tried, and of no other."""
    drawn: list[tuple[str, list[str]]] = []
    note: Callable[..., None] = lambda names, book, results: drawn.append((book.profile, [*names]))  # noqa: E731
    monkeypatch.setattr("uhn.paper.report.reference.render", note)
    params, reference = Path(__file__).parents[3] / "params.yaml", tmp_path / "reference"
    for profile, record in (("quick", tried()), ("claims", metrics("mnist-mlp", "uhn", value=0.7, full=False))):
        archive(reference / profile, record)
        shutil.copy(params, reference / profile)
    keep(leave(tmp_path, metrics("mnist-mlp", "uhn", value=0.8), profile="paper"), "paper", params, reference)
    assert [profile for profile, _ in drawn] == ["paper", "quick"]
    assert {"table01", "report"} <= {*drawn[1][1]} and "figure4" not in drawn[1][1]


def test_only_a_few_steps_may_be_declared_so() -> None:
    base = tried()["settings"]
    settings = RunSettings.recorded(base)
    assert settings.path_only
    for train, got in (({"steps": 21}, "21 steps"), ({"steps": None, "epochs": 1}, "1 epochs")):
        with pytest.raises(ValueError, match=f"path_only: wanted a training of at most 20 steps, got {got}"):
            RunSettings.recorded(merge(base, {"train": train}))
    number = settings.model_copy(update={"path_only": False})
    assert settings_hash(number) != settings_hash(settings) and not same_settings(base, number)
    older = {key: value for key, value in number.model_dump(mode="json").items() if key != "path_only"}
    assert same_settings(older, number)
    known = {key: value for key, value in older.items() if key not in {*NOT_IDENTITY, "options"}}
    known["compute"] = {key: value for key, value in known["compute"].items() if key not in WITHIN["compute"]}
    text = json.dumps(known, sort_keys=True, separators=(",", ":"))
    assert settings_hash(number) == hashlib.sha256(text.encode()).hexdigest()  # as before the setting was known
