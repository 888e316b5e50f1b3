"""Where two arms that a claim compares differ in budget, rate or size otherwise than the paper's arms do."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from uhn.paper.report.book import Book, Evidence
from uhn.paper.tables import published as paper
from uhn.paper.tables.claims import CLAIMS
from uhn.paper.tables.columns import shown_value
from uhn.paper.tables.keys import CellKey

SIGN = "≠"
"""Beside a number of such an arm."""

APART = 1.05
"""Factor by which ours must differ from the paper's."""


def unequal(shown: Iterable[CellKey], book: Book) -> dict[CellKey, tuple[str, ...]]:
    """By cell, with which other one its comparison is unequal and in what: of the pairs that the paper's claims compare
    and of which both are ``shown``."""
    keys = set(shown)
    found: dict[CellKey, dict[str, None]] = {}
    for claim in CLAIMS:
        for pair in (*claim.comparisons, *claim.instead):
            if not {pair.first, pair.second} <= keys or pair.first.group == pair.second.group:
                continue
            arms = book.evidence(pair.first), book.evidence(pair.second)
            if not all(arm.runs and not arm.path_only for arm in arms):
                continue
            if phrases := list(_phrases(*arms)):
                sentence = f"{pair.first.group} against {pair.second.group}: {'; '.join(phrases)}."
                for key in (pair.first, pair.second):
                    found.setdefault(key, {})[sentence] = None
    return {key: tuple(sentences) for key, sentences in found.items()}


def _phrases(first: Evidence, second: Evidence) -> Iterator[str]:
    """Each number of the arms whose ratio is not that of the paper's arms; where that is unknown, not 1."""
    for what in ("training steps", "learning rate", "parameters"):
        (ours, papers), (others, others_papers) = _number(first, what), _number(second, what)
        known = bool(papers and others_papers)
        if not (ours and others) or (what == "parameters" and not known):
            continue
        ratio = papers / others_papers if papers and others_papers else 1.0
        if abs(math.log(ours / others / ratio)) > math.log(APART):
            beside = f" (paper {_shown(papers, others_papers)})" if known else ""
            yield f"{what} {_shown(ours, others)}{beside}"


def _number(arm: Evidence, what: str) -> tuple[float, float | None]:
    """Of the runs, and of the paper's."""
    run, full = arm.runs[0], arm.paper
    if what == "training steps":
        return float(run["budget"].get("train_steps", 0)), float(full.steps) if full else None
    if what == "learning rate":
        return float(run.resolved["train"]["lr"]), full.settings.train.lr if full else None
    return float(sum(run["parameters"][key] for key in ("trainable", "frozen"))), paper.number(arm.key.group, "params")


def _shown(*pair: float | None) -> str:
    return " against ".join(shown_value(value) for value in pair)
