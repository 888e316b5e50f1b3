"""The paper's claims as predicates over cells: what each rests on, whether its arms are equal, and what came out.

A claim is *confirmed* or *contradicted* only if its arms differ in what it is about and in nothing else, computed from
the resolved settings of the runs, and the interval over seeds leaves no doubt. With less it is at most the *right
direction*; without enough runs it is *open*.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from uhn.paper.report.arms import Steps, inequalities, sizes
from uhn.paper.report.book import Book, Evidence
from uhn.paper.report.intervals import Interval, combine, interval
from uhn.paper.tables.keys import CellKey

Verdict = Literal["confirmed", "right direction", "open", "contradicted"]


@dataclass(frozen=True)
class Comparison:
    """Two arms: the difference ``first - second`` of accuracies, or the ratio ``first / second`` of RMSEs.

    Args:
        first: the arm the claim is about.
        second: what it is compared with.
        label: the row, as printed.
    """

    first: CellKey
    second: CellKey
    label: str


@dataclass(frozen=True)
class Claim:
    """One sentence of the paper and what it rests on.

    Args:
        name: short name.
        sentence: the claim in our words.
        tables: tables and figures that show it.
        comparisons: its arms, pair by pair; a claim of several pairs is about their mean.
        instead: the same question at a scale that can be paid, for a profile that has no runs of ``comparisons``.
        low, high: limits of the mean (points of accuracy, or ratio of RMSEs); the claim holds between them.
        may_differ: settings in which the arms may differ (``train`` allows all of ``train.*``); at the paper's own
            budget arms differ as the paper's do.
        threshold: where the limits come from.
        steps: whether the arms must take the same number of training steps, see :mod:`~uhn.paper.report.arms`.
        same_size: whether the arms' sources must have about the same number of parameters.
        may_fail: the second arm is expected to learn nothing; a diverged run of it counts as guessing.
        searches: of a claim without comparisons, the experiments whose UHN is searched: it is about the rate that the
            search chose, as a multiple of the paper's.
    """

    name: str
    sentence: str
    tables: tuple[str, ...]
    comparisons: tuple[Comparison, ...] = ()
    instead: tuple[Comparison, ...] = ()
    low: float = -math.inf
    high: float = math.inf
    may_differ: tuple[str, ...] = ()
    threshold: str = ""
    steps: Steps = "any"
    same_size: bool = False
    may_fail: bool = False
    searches: tuple[str, ...] = ()

    @property
    def ratio(self) -> bool:
        """Whether its numbers are ratios, of RMSEs or of rates."""
        return not self.comparisons or self.comparisons[0].first.metric == "rmse"


@dataclass(frozen=True)
class Arms:
    """A comparison with what its two arms reached."""

    comparison: Comparison
    first: Evidence
    second: Evidence
    values: tuple[Sequence[float], Sequence[float]]


@dataclass(frozen=True)
class Finding:
    """What a profile says of a claim; ``instead`` if it says it of other models than the paper's."""

    claim: Claim
    verdict: Verdict
    interval: Interval | None
    unequal: tuple[str, ...]
    missing: tuple[str, ...]
    budget: str
    notes: tuple[str, ...] = ()
    arms: tuple[Arms, ...] = ()
    instead: bool = False


def judge(claim: Claim, book: Book) -> Finding:
    """Return the verdict on one claim from the runs of a profile, or from what its searches chose."""
    if claim.searches:
        return _searched(claim, book)
    for comparisons in (claim.comparisons, claim.instead):
        every = [_arms(comparison, claim, book) for comparison in comparisons]
        there = tuple(arms for arms in every if all(arms.values))
        if there:
            break
    else:
        return Finding(claim, "open", None, (), tuple(c.label for c in claim.comparisons), "no runs")
    absent = tuple(arms.comparison.label for arms in every if arms not in there)
    unequal, notes, words = dict[str, None](), dict[str, None](), set[str]()
    for arms in there:
        a, b = arms.first, arms.second
        unequal |= dict.fromkeys(inequalities(a, b, claim.may_differ, claim.steps))
        unequal |= dict.fromkeys(sizes(a, b) if claim.same_size else ())
        marks = doubts(a) + ([] if claim.may_fail else doubts(b))
        notes |= dict.fromkeys(f"{arms.comparison.label}: {mark}" for mark in marks)
        words |= {*a.status, *b.status}
    found = combine([interval(*arms.values, ratio=claim.ratio) for arms in there], ratio=claim.ratio)
    verdict: Verdict = "right direction" if claim.low <= found.middle <= claim.high else "open"
    if not (unequal or notes or absent):
        if claim.low <= found.low and found.high <= claim.high:
            verdict = "confirmed"
        elif found.high < claim.low or found.low > claim.high:
            verdict = "contradicted"
    budget = next((word for word in ("reduced", "changed", "not compared") if word in words), "paper")
    instead = comparisons is not claim.comparisons
    return Finding(claim, verdict, found, tuple(unequal), absent, budget, tuple(notes), there, instead)


def _searched(claim: Claim, book: Book) -> Finding:
    """The verdict on what searches chose: only those on the paper's grids, budgets and data settle anything."""
    chosen, papers = book.facts.get("selected-uhn", {}), book.facts.get("paper-uhn", {})
    there = [key for key in claim.searches if key in chosen and key in papers]
    missing = tuple(key for key in claim.searches if key not in there)
    if not there:
        return Finding(claim, "open", None, (), missing, "no searches")
    kinds = tuple(dict.fromkeys(kind for key in there for kind in chosen[key]["kind"]))
    far = [key for key in there if not claim.low <= chosen[key]["lr"] / papers[key]["lr"] <= claim.high]
    told = tuple(f"{key} rate {chosen[key]['lr']:g} (paper {papers[key]['lr']:g})" for key in there)
    verdict: Verdict = "open" if far else "right direction"
    if not (missing or kinds):
        verdict = "contradicted" if far else "confirmed"
    doubtful = tuple(kind for kind in kinds if kind != "reduced")
    return Finding(claim, verdict, None, (), missing, "reduced" if kinds else "paper", (*told, *doubtful))


def _arms(comparison: Comparison, claim: Claim, book: Book) -> Arms:
    first, second = book.evidence(comparison.first), book.evidence(comparison.second)
    values = first.values(), guesses(second) if claim.may_fail else second.values()
    return Arms(comparison, first, second, ([], []) if first.path_only or second.path_only else values)


def guesses(evidence: Evidence) -> list[float]:
    """Values of all runs, a diverged one's being the most that guessing gives."""
    failed = [run for run in evidence.runs if not run.finished]
    return [*evidence.values(), *(max(float(run.get(key) or 0.0) for key in ("chance", "majority")) for run in failed)]


def doubts(evidence: Evidence) -> list[str]:
    """Marks under which a number is no evidence. What is smaller in both arms alike, data included, is none of them."""
    return [mark for mark in evidence.marks if mark not in ("reduced", "changed", "subset")]
