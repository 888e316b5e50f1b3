"""The best evidence over several profiles: chosen by what was run, never by what came out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from reporting_synthetic import leave, metrics, opened

from uhn.paper.report import evidence
from uhn.paper.report.book import Book
from uhn.paper.report.evidence import Shelf
from uhn.paper.report.render import open_shelf, render_overview
from uhn.paper.runs.archive import write_archive
from uhn.paper.tables.keys import CellKey

KEY = CellKey("mnist-mlp", "direct")


def shelf(folder: Path, **profiles: list[dict[str, object]]) -> Shelf:
    """The books of runs by profile."""
    for profile, records in profiles.items():
        leave(folder, *records, profile=profile)
    return Shelf.of([opened(folder, profile) for profile in profiles])


def runs(value: float | None, *seeds: int, **how: object) -> list[dict[str, object]]:
    return [metrics(seed=seed, value=value, **how) for seed in seeds]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ({"paper": runs(0.5, 1)}, {"claims": runs(0.9, 1, 2, 3, full=False)}),
        ({"claims": runs(0.5, 1, full=False)}, {"quick": runs(0.9, 1, 2, full=False)}),
        ({"quick": runs(0.5, 1)}, {"claims": runs(0.9, 1, 2, 3, full=False)}),
        ({"mine": runs(0.5, 1, 2, full=False)}, {"quick": runs(0.9, 1, full=False)}),
        ({"quick": runs(0.5, 1, full=False)}, {"paper": runs(0.9, 1, kind="stand-in")}),
        ({"paper": runs(None, 1)}, {"quick": runs(0.9, 1, full=False)}),
    ],
    ids=["budget", "claims", "whole", "seeds", "real", "diverged"],
)
def test_better_runs_are_taken_whatever_came_out(
    better: dict[str, list[dict[str, object]]], worse: dict[str, list[dict[str, object]]], tmp_path: Path
) -> None:
    for number, both in enumerate((better | worse, worse | better)):
        found = shelf(tmp_path / str(number), **both).evidence(KEY)
        assert found.book.profile == next(iter(better))


@pytest.mark.parametrize(
    ("records", "wanted"),
    [
        (runs(0.98, 1, 2, 3), "paper"),
        (runs(0.98, 1, 2), "seeds"),
        ([*runs(0.98, 1, 2), *runs(None, 3)], "seeds"),
        (runs(0.98, 1, 2, 3, full=False), "reduced"),
        (runs(0.98, 1, 2, 3, kind="stand-in"), "reduced"),
        (runs(0.11, 1, 2, 3), "guessing"),
        (runs(None, 1, 2, 3), "diverged"),
        ([], "absent"),
    ],
)
def test_a_cell_stands_on_what_its_runs_are(
    records: list[dict[str, object]], wanted: evidence.Standing, tmp_path: Path
) -> None:
    leave(tmp_path, *records)
    assert evidence.standing(opened(tmp_path).evidence(KEY)) == wanted


def test_every_result_is_counted_once_and_in_words(tmp_path: Path) -> None:
    book = shelf(tmp_path, paper=runs(0.98, 1, 2, 3), quick=[metrics("mnist-mlp", "uhn", 1, 0.1, full=False)])
    found = evidence.results(book)
    assert len({each.evidence.key for each in found}) == len(found) > 100
    assert evidence.standings(found)["paper"] == evidence.standings(found)["guessing"] == 1
    told = evidence.headline(book)
    assert told.startswith(f"1 of {len(found)} results stand at the paper's budget, 1 has learned nothing; of the")
    assert "0 confirmed" in told and "none contradicted" in told


def test_pairs_are_the_results_with_a_value_of_the_paper(tmp_path: Path) -> None:
    found = {each.label: each for each in evidence.pairs(shelf(tmp_path, paper=runs(0.98, 1, 2, 3)))}
    assert len(found) == 8
    assert (found["MNIST MLP, Direct"].paper, found["MNIST MLP, Direct"].ours) == (98.37, pytest.approx(98.0))
    assert found["MNIST MLP, UHN"].ours is None and "inferred" in found["MNIST MLP, UHN"].printed


def test_stand_ins_are_those_that_a_number_rests_on(tmp_path: Path) -> None:
    generated = {"quick": runs(0.9, 1, kind="stand-in")}
    assert shelf(tmp_path / "a", **generated).stand_ins() == ("mnist",)
    assert shelf(tmp_path / "b", **generated, paper=runs(0.9, 1)).stand_ins() == ()


def test_facts_are_those_that_were_measured_on_real_data(tmp_path: Path) -> None:
    leave(tmp_path, *runs(0.5, 1))
    kinds = {"claims": {"kind": "stand-in"}, "quick": {"nodes": 2708, "kind": "real"}}
    books: list[Book] = [replace(opened(tmp_path), profile=name, facts={"citation": {"cora": row}})
                         for name, row in kinds.items()]  # fmt: skip
    assert Shelf.of(books).facts == {"citation": {"cora": kinds["quick"]}}


def test_kept_results_and_own_ones_stand_on_one_shelf(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="wanted finished runs in"):
        open_shelf(tmp_path)
    leave(tmp_path, *runs(0.5, 1, full=False))
    kept = leave(tmp_path / "elsewhere", *runs(0.9, 1, 2), profile="paper") / "paper/runs"
    files = {str(p.parent.relative_to(kept)): {"metrics.json": p.read_bytes()} for p in kept.rglob("metrics.json")}
    write_archive(tmp_path / "reference/paper", files)
    shelf = open_shelf(tmp_path)
    assert [book.label for book in shelf.books] == ["paper (reference)", "quick"]
    assert shelf.evidence(KEY).book.place == "reference" and len(shelf.evidence(KEY).runs) == 2
    (page,) = render_overview(tmp_path)
    text = page.read_text(encoding="utf-8")
    assert page == tmp_path / "report.html" and 'href="reference/paper/report.html"' in text
    assert "uhn explain table01 mnist-mlp direct --profile paper --results results/reference" in text
    assert text == render_overview(tmp_path)[0].read_text(encoding="utf-8")
