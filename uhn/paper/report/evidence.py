"""The best evidence there is for every cell and claim, over all profiles; what it comes to, counted and in words."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from uhn.paper.names import parse_group
from uhn.paper.report.book import Book, Evidence
from uhn.paper.report.claims import Finding, judge
from uhn.paper.report.reductions import differences, share
from uhn.paper.tables import published as paper
from uhn.paper.tables.catalogue import tables, worth
from uhn.paper.tables.claims import CLAIMS
from uhn.paper.tables.columns import LAST, NOT_SWEPT, MetricColumn, PublishedValue
from uhn.paper.tables.keys import CellKey

Standing = Literal["paper", "seeds", "reduced", "guessing", "diverged", "absent"]

STANDINGS: Final[Mapping[Standing, str]] = {
    "paper": "paper budget",
    "seeds": "seeds missing",
    "reduced": "reduced",
    "guessing": "not above the majority class",
    "diverged": "diverged",
    "absent": "not run",
}
"""What a result cell can stand on, from the best to nothing, in words."""

PROFILES: Final = ("paper", "claims")
"""Profiles in the order in which their evidence is preferred; all others come after, by their share of the steps."""


@dataclass(frozen=True)
class Shelf(Book):
    """Several books read as one: every group of runs is taken from the book that has the best evidence for it.

    What is best is decided by what was run (real data, the paper's budget, the profile, its share of the steps, seeds),
    never by what came out.

    Args:
        books: the books, those of the user's own results before the kept ones.
    """

    books: tuple[Book, ...] = ()
    origins: Mapping[str, Book] = field(default_factory=dict)

    @classmethod
    def of(cls, books: Sequence[Book]) -> Shelf:
        """Put books together. Raises ``ValueError`` for none."""
        if not books:
            raise ValueError("wanted at least one profile with results, got none")
        ordered = sorted(books, key=lambda book: _place(book.profile))
        groups = dict.fromkeys(group for book in ordered for group in book.found)
        origins = {group: _best(ordered, group) for group in groups}
        runs = {run.name: run for group, book in origins.items() for run in _evidence(book, group).found}
        wanted = {name for book in ordered for name in (*worth(book), *(book.wanted or ()))}
        names = ", ".join(dict.fromkeys(book.profile for book in ordered))
        return cls(
            names,
            runs,
            _planned(ordered),
            frozenset().union(*(book.known for book in ordered)),
            _facts(ordered),
            frozenset().union(*(book.older for book in ordered)),
            frozenset().union(*(book.other for book in ordered)),
            {group: run for book in reversed(ordered) for group, run in book.paper.items()},
            {name: who for book in reversed(ordered) for name, who in book.whose.items()},
            tuple(name for name in (*tables(), *sorted(wanted - {*tables()})) if name in wanted) or None,
            {key: told for book in reversed(ordered) for key, told in book.reasons.items()},
            place="",
            books=tuple(ordered),
            origins=origins,
        )

    def evidence(self, key: CellKey) -> Evidence:
        """The best evidence for a cell, with the book that it is in."""
        return (self.origins.get(key.group) or self.books[0]).evidence(key)

    def stand_ins(self, experiments: Any = None) -> tuple[str, ...]:
        """Datasets that something generated took the place of, in the runs that the shelf's numbers rest on."""
        found = (book.stand_ins(experiments) for book in self.books)
        everywhere = dict.fromkeys(name for names in found for name in names)
        used = {str(d["name"]) for run in self.runs.values() for d in run["data"] if d.get("kind") == "stand-in"}
        return tuple(name for name in everywhere if name in used)

    def absence(self, key: CellKey) -> str:
        """Why there is no run behind a cell: no profile has one."""
        return "not run" if key.group in self.known else "not built"


def _place(profile: str) -> tuple[int, str]:
    return (PROFILES.index(profile) if profile in PROFILES else len(PROFILES), profile)


def _evidence(book: Book, group: str) -> Evidence:
    return book.evidence(CellKey(*parse_group(group)))


def _best(books: Sequence[Book], group: str) -> Book:
    """The book with the best evidence for a group of runs, the first of equal ones."""
    return max(books, key=lambda book: _rank(book, group))


def _rank(book: Book, group: str) -> tuple[Any, ...]:
    """How much a book's evidence for a group of runs is worth, as it can be told without its values."""
    found = _evidence(book, group)
    if not found.runs or found.path_only:
        return (False,)
    full = found.paper
    whole = full is not None and not any(differences(run, full) for run in found.runs)
    place = -_place(book.profile)[0]
    return (True, "stand-in" not in found.kinds, whole, place, share_of(found) or 0.0, len(found.runs))


def _planned(books: Sequence[Book]) -> dict[str, Sequence[str]]:
    """Groups that any book plans or holds; the runs of each are its own book's affair."""
    return {group: () for book in books for group in (book.found if book.planned is None else book.planned)}


def _facts(books: Sequence[Book]) -> dict[str, dict[str, dict[str, Any]]]:
    """Facts of all books: of each row those of the first book that measured it, preferably not on a stand-in."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for weak in (False, True):
        for book in books:
            for topic, rows in book.facts.items():
                for key, row in rows.items():
                    if (row.get("kind") in (NOT_SWEPT, "stand-in")) == weak:
                        found.setdefault(topic, {}).setdefault(key, dict(row))
    return found


def share_of(evidence: Evidence) -> float | None:
    """The smallest share of the paper's training steps over a cell's runs; None where that is not known."""
    full = evidence.paper
    return min((share(run, full) for run in evidence.runs), default=None) if full else None


def standing(evidence: Evidence) -> Standing:
    """What a cell stands on; a path that was only tried is nothing."""
    if not evidence.found or evidence.path_only:
        return "absent"
    statistic = evidence.statistic
    if statistic.mean is None:
        return "diverged" if statistic.diverged else "absent"
    if {"not above the majority class", "not trained"} & {*evidence.cautions}:
        return "guessing"
    if (full := evidence.paper) is None or {*evidence.status} - {"reduced", "changed"}:
        return "reduced"
    if any(each.aspect != "seeds" for each in evidence.differences):
        return "reduced"
    return "seeds" if statistic.n < max(full.seeds, statistic.total) else "paper"


@dataclass(frozen=True)
class Result:
    """A result cell of the paper's tables, where it is first shown."""

    table: str
    row: str
    column: str
    evidence: Evidence

    @property
    def standing(self) -> Standing:
        """What it stands on."""
        return standing(self.evidence)


def results(book: Book) -> list[Result]:
    """Every result of the paper's tables, each once, in the order of the tables."""
    found: dict[CellKey, Result] = {}
    for spec in tables(book.methods).values():
        shown = [column.key for column in spec.columns if isinstance(column, MetricColumn)]
        for row in spec.rows if spec.number <= LAST else ():
            for column in shown:
                if (key := row.cells.get(column)) is not None and key not in found:
                    found[key] = Result(spec.name, row.key, column, book.evidence(key))
    return list(found.values())


def standings(found: Sequence[Result]) -> dict[Standing, int]:
    """How many results stand on what, in the order of :data:`STANDINGS`."""
    counts = Counter(each.standing for each in found)
    return {name: counts[name] for name in STANDINGS}


@dataclass(frozen=True)
class Judged:
    """A claim's best finding, and the book that it is in."""

    finding: Finding
    book: Book

    @property
    def share(self) -> float | None:
        """The smallest share of the paper's training steps over its arms."""
        parts = [share_of(each) for arms in self.finding.arms for each in (arms.first, arms.second)]
        known = [part for part in parts if part is not None]
        return min(known) if known and len(known) == len(parts) else None


def judged(book: Book) -> list[Judged]:
    """Every claim with the finding that says most about it.

    A clear verdict goes before none, the paper's whole budget before less, arms without a doubt before others, the
    paper's own models before smaller ones, and then the larger share of its steps.
    """
    books = book.books if isinstance(book, Shelf) else (book,)
    found = []
    for claim in CLAIMS:
        every = [Judged(judge(claim, each), each) for each in books]
        found.append(max(every, key=_weight))
    return found


def _weight(judged: Judged) -> tuple[Any, ...]:
    finding = judged.finding
    clear = finding.verdict in ("confirmed", "contradicted")
    known = finding.interval is not None and math.isfinite(finding.interval.low)
    fair = finding.interval is not None and not finding.unequal and not finding.notes
    share = judged.share or 0.0
    return (clear, finding.interval is not None, known, share >= 1, fair, not finding.instead, share)


@dataclass(frozen=True)
class Pair:
    """A result whose value in the paper is known: ``paper`` as a number, ``printed`` with what is to be said of it."""

    result: Result
    label: str
    paper: float
    printed: str

    @property
    def ours(self) -> float | None:
        """Our mean in the paper's unit: percent, or RMSE."""
        mean = self.result.evidence.statistic.mean
        return None if mean is None else mean * (100 if self.result.evidence.key.metric == "accuracy" else 1)


def pairs(book: Book) -> list[Pair]:
    """Every result that the paper's surviving text has a value of."""
    found: dict[CellKey, Pair] = {}
    for spec in tables(book.methods).values():
        known = {column.of for column in spec.columns if isinstance(column, PublishedValue)}
        heads = {c.key: c.head.partition("(")[2].rstrip(")") for c in spec.columns if isinstance(c, MetricColumn)}
        for row in spec.rows:
            for column, key in row.cells.items():
                if column not in known or key in found:
                    continue
                printed = paper.result(key)
                if (value := re.search(r"\d+(\.\d+)?", printed)) is None:
                    continue
                label = " ".join(row.labels[c.key] for c in spec.columns if c.key in row.labels and c.key != "task")
                result = Result(spec.name, row.key, column, book.evidence(key))
                found[key] = Pair(result, f"{label}, {heads[column]}".rstrip(", "), float(value[0]), printed)
    return list(found.values())


def headline(book: Book) -> str:
    """One sentence that says what was reproduced: results at the paper's budget, and verdicts on the claims."""
    found = standings(results(book))
    less, vain = found["seeds"] + found["reduced"], found["guessing"]
    parts = [f"{found['paper']} of {sum(found.values())} results stand at the paper's budget"]
    parts += [f"{less} on less"] if less else []
    parts += [f"{vain} {'has' if vain == 1 else 'have'} learned nothing"] if vain else []
    told = judged(book)
    verdicts = Counter(each.finding.verdict for each in told)
    small = sum(each.finding.verdict == "confirmed" and each.finding.instead for each in told)
    claims = [f"{verdicts['confirmed']} confirmed" + (f" ({small} on smaller models)" if small else "")]
    claims += [f"{verdicts['right direction']} in the right direction", f"{verdicts['open']} open"]
    claims += [f"{verdicts['contradicted'] or 'none'} contradicted"]
    return f"{', '.join(parts)}; of the paper's {len(told)} claims {', '.join(claims)}."
