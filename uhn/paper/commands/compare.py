"""``uhn compare``: this checkout's results of a profile against the kept ones, another profile's or a revision's."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from uhn.paper.names import checked_name
from uhn.paper.report.book import Book
from uhn.paper.report.compare import compare, to_csv, to_json, to_text
from uhn.paper.report.render import open_book
from uhn.paper.runs.archive import RECORDS
from uhn.paper.runs.checkout import unpack
from uhn.paper.wanted import REFERENCE


def add_compare(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``uhn compare``."""
    parser.description = (
        "Cell by cell, what differs beyond the noise of the seeds. Exit code 0: nothing does; 1: something does; "
        "2: bad input. A cell that only one side has is told and is no difference."
    )
    parser.add_argument(
        "other",
        nargs="?",
        default=REFERENCE,
        metavar="OTHER",
        help="reference (default): the profile's kept results; another profile: its own results, else its kept ones; "
        "or a git revision: what it has kept of the profile",
    )
    parser.add_argument("--profile", default="quick", help="default: quick")
    parser.add_argument("--results", type=Path, default=Path("results"), help="default: results")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_const", dest="form", const=to_json, help="an object per cell")
    form.add_argument("--csv", action="store_const", dest="form", const=to_csv, help="a line per cell")
    parser.set_defaults(handler=_compare)


ARGUMENTS = {"compare": add_compare}


def _compare(arguments: argparse.Namespace) -> int:
    results, profile, other = arguments.results, arguments.profile, arguments.other
    with tempfile.TemporaryDirectory(prefix="uhn-compare.") as folder:
        there, name = _other(other, results, profile, Path(folder))
        here = _found(results, profile) or (None if other == REFERENCE else _found(results / REFERENCE, profile))
        if here is None:
            raise ValueError(f"wanted finished runs in {results / profile}, got none")
        rows = compare(here, there)
    told = arguments.form(rows) if arguments.form else to_text(rows, here.profile, name)
    print(told.rstrip("\n"))
    return int(any(row.outcome == "differs" for row in rows))


def _other(other: str, results: Path, profile: str, folder: Path) -> tuple[Book, str]:
    """The other side and its name. Raises ``ValueError`` if there is none."""
    if other == REFERENCE:
        if found := _found(results / REFERENCE, profile):
            return found, REFERENCE
        raise ValueError(f"wanted kept results in {results / REFERENCE / profile}, got none")
    try:
        named = checked_name(other)
    except ValueError:
        named = None
    for place in (results, results / REFERENCE) if named else ():
        if found := _found(place, other):
            return found, other
    if unpack(other, f"results/{REFERENCE}/{profile}", folder) and (
        found := _found(folder / "results" / REFERENCE, profile)
    ):
        return found, f"{profile} at {other}"
    kept = sorted(path.parent.name for path in (results / REFERENCE).glob(f"*/{RECORDS}"))
    raise ValueError(
        f"wanted {REFERENCE}, a profile with results (kept: {', '.join(kept) or 'none'}) or a git revision that has "
        f"kept results of {profile}, got {other!r}"
    )


def _found(results: Path, profile: str) -> Book | None:
    """What there is of a profile, whatever is planned."""
    if not (results / profile).is_dir():
        return None
    book = open_book(results, profile)
    return book if book.runs else None
