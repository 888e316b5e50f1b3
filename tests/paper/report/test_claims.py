"""Claims: intervals against scipy, arms that differ in one setting each, and verdicts on runs made by hand."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import pytest
from scipy import stats

from tests.paper.report.reporting_synthetic import metrics, papers
from uhn.paper.config import load_config
from uhn.paper.report.arms import differences
from uhn.paper.report.book import Book
from uhn.paper.report.claims import Claim, Comparison, Finding, judge
from uhn.paper.report.claims_page import to_markdown
from uhn.paper.report.intervals import combine, interval
from uhn.paper.runs.results import Run, archived_runs
from uhn.paper.settings import RETIRED
from uhn.paper.tables.claims import CLAIMS, OWN
from uhn.paper.tables.keys import CellKey

PAIR = Comparison(CellKey("mnist-mlp", "uhn"), CellKey("mnist-mlp", "direct"), "MNIST MLP")
CLOSE = Claim("close", "As accurate", ("Table 1",), (PAIR,), low=-0.01, may_differ=OWN)


def made(values: dict[str, list[float | None]], tmp_path: Path, **changes: Any) -> Book:
    """A book of MNIST MLP runs; a value of None is a run that diverged."""
    runs = {}
    for method, scores in values.items():
        for seed, score in enumerate(scores):
            own = {"status": "diverged"} if score is None else {}
            record = metrics("mnist-mlp", method, seed, score, **own, **changes)
            runs[record["name"]] = Run(record, tmp_path)
    return Book("paper", runs, paper=papers(runs.values()))


def test_the_interval_of_a_difference_is_welchs() -> None:
    a, b = [0.91, 0.93, 0.92, 0.90], [0.88, 0.86, 0.89]
    wanted = stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
    got = interval(a, b, ratio=False)
    assert (got.low, got.high) == pytest.approx((wanted.low, wanted.high), rel=1e-9)
    assert got.seeds == 3


def test_the_interval_of_a_ratio_is_welchs_of_logarithms() -> None:
    a, b = [0.1, 0.2, 0.15], [0.3, 0.25, 0.2]
    wanted = stats.ttest_ind([math.log(v) for v in a], [math.log(v) for v in b], equal_var=False)
    low, high = wanted.confidence_interval(0.95)
    got = interval(a, b, ratio=True)
    assert (got.low, got.high) == pytest.approx((math.exp(low), math.exp(high)), rel=1e-9)


def test_several_rows_are_draws_of_their_mean() -> None:
    parts = [interval([0.5 + d, 0.6 + d], [0.5, 0.6], ratio=False) for d in (0.01, 0.03, 0.02, 0.05)]
    wanted = stats.t.interval(0.95, 3, loc=0.0275, scale=stats.sem([0.01, 0.03, 0.02, 0.05]))
    got = combine(parts, ratio=False)
    assert (got.low, got.high) == pytest.approx(wanted, rel=1e-9)


def test_one_seed_leaves_everything_open() -> None:
    got = interval([0.9], [0.8], ratio=False)
    assert (got.low, got.high) == (-math.inf, math.inf) and got.middle == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("ours", "theirs", "verdict"),
    [
        ([0.981, 0.982, 0.983], [0.980, 0.981, 0.982], "confirmed"),
        ([0.951, 0.952, 0.953], [0.980, 0.981, 0.982], "contradicted"),
        ([0.99, 0.95, 0.981], [0.980, 0.981, 0.982], "right direction"),
        ([0.97, 0.94, 0.981], [0.980, 0.981, 0.982], "open"),
        ([0.981], [0.980], "right direction"),
    ],
)
def test_verdicts(ours: list[float | None], theirs: list[float | None], verdict: str, tmp_path: Path) -> None:
    assert judge(CLOSE, made({"uhn": ours, "direct": theirs}, tmp_path)).verdict == verdict


def test_without_runs_it_is_open_and_says_which_are_missing(tmp_path: Path) -> None:
    found = judge(CLOSE, made({"uhn": [0.98, 0.98]}, tmp_path))
    assert (found.verdict, found.missing, found.budget) == ("open", ("MNIST MLP",), "no runs")


def test_stand_in_data_confirm_nothing(tmp_path: Path) -> None:
    arms: dict[str, list[float | None]] = {"uhn": [0.981, 0.982, 0.983], "direct": [0.980, 0.981, 0.982]}
    found = judge(CLOSE, made(arms, tmp_path, kind="stand-in"))
    assert found.verdict == "right direction" and any("stand-in" in note for note in found.notes)


def leaves(settings: dict[str, Any], path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = []
    for key, value in settings.items():
        found += leaves(value, (*path, key)) if isinstance(value, dict) else [(*path, key)]
    return found


NAMES = ("name", "experiment", "method", "seed")


def test_every_setting_that_differs_alone_is_named() -> None:
    """Each setting of a real run, changed once in one arm, is found; none of what the claim is about is."""
    first = next(run for run in archived_runs(Path("results/reference/paper")).values() if run["method"] == "uhn")
    record = dict(first.metrics)
    checked = 0
    for leaf in leaves(record["settings"]):
        if leaf[0] in (*NAMES, *RETIRED, "checkpoint_seconds", "compute", "members", "evaluate_every", "path_only"):
            continue
        other = copy.deepcopy(record)
        place = other["settings"]
        for key in leaf[:-1]:
            place = place[key]
        place[leaf[-1]] = "changed"
        key = ".".join(leaf)
        assert [phrase.split()[0] for phrase in differences([first], [Run(other, first.folder)], ())] == [key]
        assert differences([first], [Run(other, first.folder)], (key,)) == []
        checked += 1
    assert checked > 15


def test_unequal_arms_confirm_nothing(tmp_path: Path) -> None:
    arms: dict[str, list[float | None]] = {"uhn": [0.981, 0.982, 0.983], "direct": [0.980, 0.981, 0.982]}
    book = made(arms, tmp_path, full=False)
    assert judge(CLOSE, book).verdict == "confirmed"
    for name, run in book.runs.items():
        if "/direct/" in name:
            run.settings["train"]["batch_size"] = 32  # type: ignore[index]
    found = judge(CLOSE, book)
    assert found.verdict == "right direction" and found.unequal == ("train.batch_size 256 against 32",)


def test_arms_of_the_papers_budget_may_not_differ_in_precision(tmp_path: Path) -> None:
    """A GPU takes bf16 where the settings leave it open, a CPU fp32; the paper trained both arms in one."""
    arms: dict[str, list[float | None]] = {"uhn": [0.981, 0.982, 0.983], "direct": [0.980, 0.981, 0.982]}
    book = made(arms, tmp_path)
    assert judge(CLOSE, book).verdict == "confirmed"
    for name, run in book.runs.items():
        run.settings["precision"] = "fp32" if "/direct/" in name else "bf16"  # type: ignore[index]
    found = judge(CLOSE, book)
    assert found.verdict == "right direction" and found.unequal == ("precision bf16 against fp32",)


def test_steps_must_be_equal_where_the_claim_says_so(tmp_path: Path) -> None:
    arms: dict[str, list[float | None]] = {"uhn": [0.981, 0.982, 0.983], "direct": [0.980, 0.981, 0.982]}
    book = made(arms, tmp_path)
    claim = Claim("close", "As accurate", ("Table 1",), (PAIR,), low=-0.01, may_differ=OWN, steps="equal")
    assert judge(claim, book).verdict == "confirmed"
    for name, run in book.runs.items():
        if "/direct/" in name:
            run["budget"]["train_steps"] *= 2
    assert "training steps" in judge(claim, book).unequal[0]


def test_a_diverged_arm_counts_as_guessing_only_where_failing_is_the_claim(tmp_path: Path) -> None:
    arms: dict[str, list[float | None]] = {"uhn": [0.981, 0.982, 0.983], "direct": [None, None, None]}
    book = made(arms, tmp_path, chance=0.1, majority=0.1)
    failing = Claim("fails", "Fails", ("Table 28",), (PAIR,), low=0.1, may_differ=OWN, may_fail=True)
    found = judge(failing, book)
    assert found.verdict == "confirmed" and found.interval is not None
    assert found.interval.middle == pytest.approx(0.882)
    assert judge(CLOSE, book).verdict == "open"
    more = judge(failing, made(arms, tmp_path, chance=0.1, majority=0.3)).interval
    assert more is not None and more.middle == pytest.approx(0.682)


def test_every_declared_claim_is_one_sentence_with_limits_and_is_rendered() -> None:
    assert len({claim.name for claim in CLAIMS}) == len(CLAIMS)
    for claim in CLAIMS:
        assert bool(claim.comparisons) != bool(claim.searches)
        assert claim.threshold and "|" not in claim.sentence
        assert math.isfinite(claim.low) or math.isfinite(claim.high)
        assert len({comparison.first.metric for comparison in claim.comparisons}) == bool(claim.comparisons)
    findings: list[Finding] = [judge(claim, Book("paper", {})) for claim in CLAIMS]
    text = to_markdown(findings, "paper")
    assert all(f"| {claim.sentence} |" in text for claim in CLAIMS)
    assert text.count("**open**") == len(CLAIMS)


@pytest.mark.parametrize(
    ("rates", "kind", "verdict"),
    [
        ({}, [], "open"),
        ({"mnist-mlp": 4e-4, "kan-kv": 1e-4}, [], "confirmed"),
        ({"mnist-mlp": 4e-4}, [], "right direction"),
        ({"mnist-mlp": 4e-4, "kan-kv": 1e-4}, ["reduced"], "right direction"),
        ({"mnist-mlp": 1e-3, "kan-kv": 1e-4}, ["reduced"], "open"),
        ({"mnist-mlp": 1e-3, "kan-kv": 1e-4}, [], "contradicted"),
    ],
)
def test_what_searches_chose_is_held_against_the_papers_choice(
    rates: dict[str, float], kind: list[str], verdict: str
) -> None:
    """A search on reduced budgets settles nothing, nor do some rows of all."""
    claim = Claim("s", "S", ("Table 13",), low=0.5, high=2.0, threshold="t", searches=("mnist-mlp", "kan-kv"))
    chosen = {name: {"lr": lr, "kind": kind} for name, lr in rates.items()}
    paper = {"mnist-mlp": {"lr": 2e-4}, "kan-kv": {"lr": 1e-4}}
    found = judge(claim, Book("p", {}, facts={"selected-uhn": chosen, "paper-uhn": paper}))
    assert found.verdict == verdict
    assert found.missing == tuple(name for name in paper if name not in rates)
    text = to_markdown([found], "p")
    assert "| 0.500 to 2.00 |" in text and ("rate 0.001 (paper 0.0002)" in text) is (rates.get("mnist-mlp") == 1e-3)


SMALL = Comparison(CellKey("mnist-cnn8", "uhn"), CellKey("mnist-cnn8", "direct"), "CNN-8")


def test_without_the_papers_models_a_claim_is_judged_on_smaller_ones(tmp_path: Path) -> None:
    arms: dict[str, list[float | None]] = {"uhn": [0.981, 0.982, 0.983], "direct": [0.980, 0.981, 0.982]}
    claim = Claim("close", "As accurate", ("Table 1",), (PAIR,), (SMALL,), low=-0.01, may_differ=OWN)
    found = judge(claim, made(arms, tmp_path))
    assert not found.instead and "smaller scale" not in to_markdown([found], "paper")
    runs = {record["name"]: Run(record, tmp_path) for record in (
        metrics("mnist-cnn8", method, seed, score) for method, own in arms.items() for seed, score in enumerate(own)
    )}  # fmt: skip
    small = Book("paper", runs, paper=papers(runs.values()))
    found = judge(claim, small)
    assert found.instead and found.verdict == "confirmed" and found.missing == ()
    text = to_markdown([found], "paper")
    assert "| **confirmed** at a smaller scale |" in text and "| paper, on CNN-8 |" in text
    line = next(line for line in text.splitlines() if line.startswith("- *") and "smaller scale" in line)
    assert "CNN-8" in line and "`mnist-cnn8/uhn` 98.20 ± 0.10 against `mnist-cnn8/direct` 98.10 ± 0.10" in line


def test_sources_must_have_the_same_size_where_the_claim_says_so(tmp_path: Path) -> None:
    arms: dict[str, list[float | None]] = {"uhn": [0.981, 0.982, 0.983], "direct": [0.980, 0.981, 0.982]}
    claim = Claim("sizes", "At one size", ("Table 2",), (PAIR,), low=-0.01, may_differ=OWN, same_size=True)
    book = made(arms, tmp_path)
    for run in book.runs.values():
        run.metrics["parameters"].update(trainable=20_929, frozen=2_580)
    assert judge(claim, book).verdict == "confirmed"
    for name, run in book.runs.items():
        if "/direct/" in name:
            run.metrics["parameters"].update(trainable=619_306, frozen=0)
    found = judge(claim, book)
    assert found.unequal == ("23,509 parameters against 619,306",) and found.verdict == "right direction"


@pytest.mark.parametrize("claim", [claim for claim in CLAIMS if claim.instead], ids=lambda claim: claim.name)
def test_the_arms_that_the_profile_claims_plans_are_equal(claim: Claim, repository: Path) -> None:
    """As they are resolved today: what no run has been made of yet would be judged unequal otherwise."""
    config = load_config(repository / "params.yaml", "claims")
    for pair in claim.instead:
        arms = [
            Run({"settings": config.resolve(key.experiment, key.source, 21962).model_dump(mode="json")}, repository)
            for key in (pair.first, pair.second)
        ]
        assert differences(arms[:1], arms[1:], claim.may_differ) == []
