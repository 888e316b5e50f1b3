"""The last lines of a run of the pipeline: what came out, on which data, what learned nothing, and where to look."""

from __future__ import annotations

from pathlib import Path

from uhn.paper.report.book import Book
from uhn.paper.report.evidence import headline, results

MOST = 8
"""Cells that are named."""


def ending(book: Book, folder: Path, seconds: float, stand_ins: str = "") -> list[str]:
    """About six lines for a terminal.

    Args:
        book: the profile's runs.
        folder: where its files lie.
        seconds: how long it took.
        stand_ins: which data are not the real whole, why, and how to get these (:func:`uhn.tasks.receipts.notice`).
    """
    vain = [f"{each.table} {each.row} {each.column}" for each in results(book) if each.standing == "guessing"]
    more = f" and {len(vain) - MOST} more" * (len(vain) > MOST)
    return [
        f"{book.profile}: {headline(book)}",
        f"data: {stand_ins or 'all real; parts of them are marked subset'}",
        f"no better than guessing: {', '.join(vain[:MOST]) + more if vain else 'nothing'}",
        f"page: {folder / 'report.html'}   best of all profiles: {folder.parent / 'report.html'}   "
        f"tables: {folder / 'tables'}",
        f"a cell: uhn explain table01 mnist-mlp uhn --profile {book.profile}   "
        f"against the kept results: uhn compare --profile {book.profile}",
        f"took: {_duration(seconds)}",
    ]


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
