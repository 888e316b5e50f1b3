"""The page's first screen: what was reproduced, on what evidence, and what came of the paper's claims."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, Final

from uhn.paper.report.book import Book
from uhn.paper.report.claims import Finding
from uhn.paper.report.claims_page import limits, shown
from uhn.paper.report.evidence import (
    STANDINGS,
    Judged,
    Pair,
    Shelf,
    headline,
    judged,
    pairs,
    results,
    share_of,
    standings,
)
from uhn.paper.report.page_runs import anchor
from uhn.paper.report.page_tables import percent_of
from uhn.paper.report.statistics import aggregate, printed
from uhn.paper.runs.results import Run
from uhn.paper.tables import published as paper

SIGNS: Final = {"confirmed": "●", "right direction": "◐", "open": "○", "contradicted": "✕"}
"""A verdict's sign: it does not rely on colour."""


def first(book: Book, href: Callable[[Book, str], str]) -> dict[str, Any]:
    """What the template needs; ``href`` gives the address of a group of runs as a book has it."""
    found = results(book)
    counts = standings(found)
    return {
        "headline": headline(book),
        "meta": meta(book),
        "bar": [(name, STANDINGS[name], counts[name]) for name in STANDINGS if counts[name]],
        "results": len(found),
        "claims": [_claim(each, href) for each in judged(book)],
        "thresholds": list(dict.fromkeys(each.finding.claim.threshold for each in judged(book))),
        "pairs": [_pair(each) for each in pairs(book)],
        "stand_ins": [paper.label(name) for name in book.stand_ins()],
    }


def runs_of(book: Book) -> list[Run]:
    """Every run of a book, or of all books of a shelf, each once."""
    books = book.books if isinstance(book, Shelf) else (book,)
    found: dict[str, Run] = {}
    for each in books:
        found |= {f"{run['identity']} {run.name} {run.get('finished_at')}": run for run in each.runs.values()}
    return list(found.values())


def meta(book: Book) -> dict[str, Any]:
    """How many runs there are, what they took, and which is the newest."""
    runs = runs_of(book)
    newest = max(runs, key=lambda run: str(run.get("finished_at") or ""), default=None)
    code = newest["code"] if newest is not None else {}
    return {
        "runs": len(runs),
        "hours": f"{sum(run.get('wall_time_s') or 0.0 for run in runs) / 3600:,.1f}",
        "newest": str(newest.get("finished_at") or "")[:10] if newest is not None else "",
        "commit": f"{str(code.get('commit') or 'unknown')[:8]}{'+' * bool(code.get('dirty'))}",
        "profiles": [each.label for each in book.books] if isinstance(book, Shelf) else [book.label],
    }


def _claim(told: Judged, href: Callable[[Book, str], str]) -> dict[str, Any]:
    finding, claim = told.finding, told.finding.claim
    on = ", ".join(dict.fromkeys(arms.comparison.label for arms in finding.arms)) if finding.instead else ""
    reasons = [("arms differ", finding.unequal), ("no runs", finding.missing), ("marks", finding.notes)]
    return {
        "id": "claim-" + anchor(claim.name).removeprefix("runs-"),
        "name": claim.name,
        "sentence": claim.sentence,
        "verdict": finding.verdict,
        "kind": finding.verdict.split()[0],
        "sign": SIGNS[finding.verdict],
        "result": _shown(finding),
        "on": on or "as the paper" * bool(finding.arms),
        "limits": limits(claim),
        "seeds": "" if finding.interval is None else str(finding.interval.seeds),
        "share": percent_of(told.share),
        "tables": [(name, _table(name)) for name in claim.tables],
        "label": told.book.label if finding.arms else "",
        "profile": told.book.profile if finding.arms else "",
        "as_paper": not finding.instead,
        "reasons": [f"{word}: {', '.join(what)}" for word, what in reasons if what],
        "arms": [
            {
                "label": arms.comparison.label,
                "sides": [
                    {
                        "name": key.group + ("" if key.pick == "value" else f" ({key.pick.removeprefix('task:')})"),
                        "href": href(told.book, key.group),
                        "text": printed(aggregate(values), key.metric),
                        "share": percent_of(share_of(each)),
                    }
                    for key, values, each in zip(
                        (arms.comparison.first, arms.comparison.second),
                        arms.values,
                        (arms.first, arms.second),
                        strict=True,
                    )
                ],
            }
            for arms in finding.arms
        ],
    }


def _shown(finding: Finding) -> str:
    """The difference or ratio with its interval; without one where there is only one seed."""
    if finding.interval is not None and not math.isfinite(finding.interval.high):
        return f"{shown(finding).partition(' [')[0]} (one seed)"
    return shown(finding).removesuffix(" points")


def _table(name: str) -> str:
    """The anchor of a table or figure by its printed name."""
    word, _, number = name.partition(" ")
    return f"{word.lower()}{int(number):02d}" if word == "Table" else f"{word.lower()}{number}"


def _pair(pair: Pair) -> dict[str, Any]:
    evidence = pair.result.evidence
    mean = pair.ours
    return {
        "label": pair.label,
        "table": pair.result.table,
        "paper": pair.paper,
        "printed": pair.printed.replace(" (", " · ").rstrip(")"),
        "ours": mean,
        "text": f"{mean:.2f}" if mean is not None else printed(evidence.statistic, evidence.key.metric),
        "n": evidence.statistic.n,
        "share": percent_of(share_of(evidence)),
        "standing": pair.result.standing,
        "href": f"{pair.result.table}-{pair.result.row}-{pair.result.column}",
    }


def data(book: Book) -> list[dict[str, Any]]:
    """Every dataset that a number rests on: what was read of it, by how many runs."""
    found: dict[str, dict[tuple[str, ...], int]] = {}
    for run in book.runs.values():
        if run.id.trial:
            continue
        for record in run["data"]:
            rows = record.get("rows") or {}
            sizes = ", ".join(f"{split} {count:,}" for split, count in rows.items())
            line = (
                str(record.get("kind")),
                str(record.get("detail") or ""),
                sizes,
                str(record.get("fingerprint"))[:16],
            )
            lines = found.setdefault(str(record.get("name")), {})
            lines[line] = lines.get(line, 0) + 1
    return [
        {
            "id": "data-" + anchor(name).removeprefix("runs-"),
            "label": paper.label(name),
            "lines": _sorted(lines.items()),
        }
        for name, lines in sorted(found.items())
    ]


def _sorted(lines: Iterable[tuple[tuple[str, ...], int]]) -> list[tuple[tuple[str, ...], int]]:
    return sorted(lines, key=lambda line: (-line[1], line[0]))
