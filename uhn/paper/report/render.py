"""Rendering by name: the tables, the coverage list and the page of one profile."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from uhn.files import write_atomically
from uhn.paper.budget import PaperRun
from uhn.paper.config import load_config
from uhn.paper.names import RunId
from uhn.paper.plan import Plan
from uhn.paper.report import coverage, figures, frames, page
from uhn.paper.report.book import Book
from uhn.paper.report.claims import judge
from uhn.paper.report.claims_page import to_markdown
from uhn.paper.report.drawing import nothing, remark, save
from uhn.paper.report.evidence import Shelf
from uhn.paper.report.facts import load_facts, paper_config, paper_runs, paper_selection
from uhn.paper.report.formats import FORMATS
from uhn.paper.report.rest import Rest, rest
from uhn.paper.report.searched import reasons, sweep_facts
from uhn.paper.report.tables import build
from uhn.paper.runs.archive import RECORDS
from uhn.paper.runs.identity import NOT_IDENTITY, same_settings, source_digest
from uhn.paper.runs.results import Run, load_runs
from uhn.paper.tables import catalogue
from uhn.paper.tables import published as paper
from uhn.paper.tables.catalogue import KERNELS, kernel_runs, tables, worth
from uhn.paper.tables.claims import CLAIMS
from uhn.paper.tables.keys import CellKey
from uhn.paper.wanted import REFERENCE, figures_of, kept_records, wanted_figures, wanted_tables
from uhn.records import RECORD

OVERVIEW = "overview"
"""Name of the page over all profiles, which is no profile's."""

PARAMS = "params.yaml"
"""The settings as they were, beside kept results: without them, later tables could not be compared with these."""


def open_book(
    results: Path,
    profile: str,
    params: Path | None = None,
    *,
    planned: bool = True,
    present: bool = True,
    reference: Path | None = None,
) -> Book:
    """The runs under ``results/<profile>`` beside the plan of ``params``; without ``params``, only what is found.

    Args:
        results: folder of all profiles.
        profile: which of them.
        params: the settings that name the planned runs and what the paper's have.
        planned: take what is found for everything there should be, if not.
        present: mark runs that the present code would make otherwise, where the profile wants that; reference results
            are rendered as they were.
        reference: folder of the kept results of all profiles, ``results/reference`` if none.

    Raises:
        ValueError: for broken results or settings.
    """
    if params is None or not planned:
        if not (results / profile).is_dir():
            raise ValueError(f"no results folder {results / profile}")
        runs = load_runs(results, profile)
        facts, paper = load_facts(results, profile), paper_runs(params, profile)
        kept = kept_book(runs.values(), reference or results / REFERENCE, profile, paper)
        other = unlike_the_first(runs)
        return Book(profile, runs, facts=facts, other=other, paper=paper, kept=kept, folder=results / profile)

    plan = Plan(load_config(params, profile), results / profile)
    groups: dict[str, list[str]] = {}
    for name in plan.runs:
        groups.setdefault(RunId.parse(name).group, []).append(name)
    wanted = (*wanted_tables(plan), *wanted_figures(plan))
    full = paper_config(params)
    runs = load_runs(results, profile)
    facts = paper_selection(plan) | sweep_facts(plan, full.sweeps if full else {}, runs)
    facts |= load_facts(results, profile)
    return Book(
        profile,
        runs,
        groups,
        frozenset(plan.paper),
        facts,
        older=older_runs(plan, runs) if present and plan.config.profile.code_changes == "mark" else frozenset(),
        other=other_runs(plan, runs),
        paper=plan.paper,
        whose=plan.whose,
        wanted=wanted,
        reasons=reasons(plan, results),
        kept=kept_book(runs.values(), reference or results / REFERENCE, profile, plan.paper),
        folder=results / profile,
    )


def kept_book(runs: Iterable[Run], reference: Path, profile: str, paper: Mapping[str, PaperRun]) -> Shelf | None:
    """The kept results of the other profiles; None if there are none, or no run only shows its path."""
    tried = any(run.settings.get("path_only") for run in runs)
    books = []
    for path in kept_records(reference, profile) if tried else ():
        kept = load_runs(reference, path.parent.name)
        books.append(Book(path.parent.name, kept, other=unlike_the_first(kept), paper=paper))
    return Shelf.of(books) if books else None


def open_shelf(results: Path, params: Path | None = None) -> Shelf:
    """The books of every profile below ``results`` that has runs, and of those kept below ``results/reference``.

    Args:
        results: folder of all profiles.
        params: the settings that name the planned runs; a profile that they do not have is taken as it is found.

    Raises:
        ValueError: for broken results, or if there are none at all.
    """
    config = None if params is None else paper_config(params)
    known = () if config is None else tuple(config.params.profiles)
    books = []
    for folder in sorted(path for place in (results, results / REFERENCE) for path in place.glob("*/")):
        place, profile = folder.parent, folder.name
        if (folder / RECORDS).is_file():
            own = folder / PARAMS
            book = open_book(place, profile, own if own.is_file() else None, present=False, reference=place)
            books.append(replace(book, place=REFERENCE))
        elif any((folder / "runs").glob(f"**/{RECORD}")):
            books.append(open_book(place, profile, params if profile in known else None))
    if not books:
        raise ValueError(f"wanted finished runs in {results} or {results / REFERENCE}, got none")
    return replace(Shelf.of(books), folder=results)


def older_runs(plan: Plan, runs: Mapping[str, Run]) -> frozenset[str]:
    """Runs whose code has changed since and that nobody accepted as they stand. Finding out imports torch."""
    older = set()
    for name, settings in plan.runs.items():
        if name in runs:
            made_by, now = runs[name]["code"].get("digest"), source_digest(settings)
            if now not in (made_by, (runs[name].accepted or {}).get("digest")):
                older.add(name)
    return frozenset(older)


def other_runs(plan: Plan, runs: Mapping[str, Run]) -> frozenset[str]:
    """Runs that were trained under other settings than the plan's."""
    pairs = ((runs[name], settings) for name, settings in plan.runs.items() if name in runs)
    return frozenset(run.name for run, settings in pairs if not same_settings(run.settings, settings))


def unlike_the_first(runs: Mapping[str, Run]) -> frozenset[str]:
    """Where no plan says which settings count: seeds whose settings are not those of their group's first seed."""
    first: dict[str, dict[str, Any]] = {}
    other = set()
    for run in sorted(runs.values(), key=lambda run: (run["seed"], run.name)):
        aside = {*NOT_IDENTITY, "seed", "compute"}
        settings = {key: value for key, value in run.settings.items() if key not in aside}
        if settings != first.setdefault(str(replace(run.id, seed=0)), settings):
            other.add(run.name)
    return frozenset(other)


def render_table(name: str, book: Book, results: Path) -> list[Path]:
    """Write ``tables/<name>.{md,csv,tex,provenance.json}``. Raises ``ValueError`` for an unknown table."""
    declared = tables(book.methods)
    if name not in declared:
        raise ValueError(f"no table {name!r}; tables: {', '.join(declared)}")
    table = build(declared[name], book)
    paths = []
    for ending, form in FORMATS.items():
        path = results / book.profile / "tables" / f"{name}.{ending}"
        write_atomically(path, form(table))
        paths.append(path)
    return paths


def render_overview(results: Path, params: Path | None = None) -> list[Path]:
    """Write ``results/report.html``, see :func:`overview`."""
    path = results / page.PAGE
    write_atomically(path, overview(results, params))
    return [path]


def overview(results: Path, params: Path | None = None) -> str:
    """The page with the best evidence of all profiles below ``results``, the kept ones included."""
    shelf = open_shelf(results, params)
    return page.to_html(shelf, _pictures(shelf), _rest(shelf, params))


def _pictures(shelf: Shelf) -> dict[str, bytes]:
    """Figures as the books have drawn them that hold the runs which they show."""
    found = {}
    for name in FIGURES:
        cells = next(
            (spec.cells for spec in catalogue.FIGURES if spec.name == name), (CellKey("cifar10-cnn20", "uhn"),)
        )
        for book in dict.fromkeys(each.book.label for key in cells if (each := shelf.evidence(key)).runs):
            (own,) = (each for each in shelf.books if each.label == book)
            path = (own.folder or Path()) / "figures" / f"{name}.svg"
            if path.is_file() and name not in found:
                found[name] = path.read_bytes()
    return found


def _rest(shelf: Shelf, params: Path | None) -> Rest | None:
    """What the paper's budget still asks for, under the kept settings if there are any."""
    books = [book for book in shelf.books if book.profile == "paper" and book.folder is not None]
    kept = [book.folder for book in books if book.place and book.folder is not None]
    settings = kept[0] / PARAMS if kept else params
    if settings is None or not settings.is_file() or paper_config(settings) is None:
        return None
    folder = kept[0] if kept else (shelf.folder or Path()) / "paper"
    done = {name for book in books for name, run in book.runs.items() if name not in book.other}
    return rest(Plan(load_config(settings, "paper"), folder), done, folder)


def render_coverage(book: Book, results: Path) -> list[Path]:
    """Write ``coverage.md``."""
    path = results / book.profile / "coverage.md"
    write_atomically(path, coverage.to_markdown(book))
    return [path]


def render_claims(book: Book, results: Path) -> list[Path]:
    """Write ``claims.md``: the verdict on each of the paper's claims."""
    path = results / book.profile / "claims.md"
    write_atomically(path, to_markdown([judge(claim, book) for claim in CLAIMS], book.profile))
    return [path]


def render_page(book: Book, results: Path) -> list[Path]:
    """Write ``report.html``, with the figures that are there."""
    folder = results / book.profile
    pictures = {name: folder / "figures" / f"{name}.svg" for name in drawable(book)}
    path = folder / "report.html"
    write_atomically(
        path, page.to_html(book, {name: own.read_bytes() for name, own in pictures.items() if own.is_file()})
    )
    return [path]


FIGURES = ("figure3", "figure4", "figure5", "parameters")
"""Figures that are drawn from runs: 4 from their weight sources, the others from metrics and histories.
``parameters`` goes with Table 2."""

GROUPS = {
    "all": "what the plan has runs or facts for, coverage, claims, report; without a plan, what there is",
    "descriptors": "Tables 6-9, from the code",
    "curves": "training curves of every experiment that has runs",
}
"""Names that stand for several."""


NO_RUN = "no run to draw: missing or diverged"


def drawable(book: Book) -> list[str]:
    """Figures that the plan wants; without a plan, those whose runs are there."""
    if book.wanted is not None:
        return [name for name in FIGURES if name in book.wanted]
    there = {group for group, runs in book.found.items() if any(run.finished for run in runs)}
    every = len(kernel_runs(book)) == len(KERNELS)
    return [name for name in figures_of(there) if name != "figure4" or every]


def render_figure(name: str, book: Book, results: Path) -> list[Path]:
    """Write ``figures/<name>.{png,svg,csv}``. Raises ``ValueError`` without runs to draw, unless it is planned."""
    cells = [key for spec in catalogue.FIGURES if spec.name == name for key in spec.cells]
    experiments = {key.experiment for key in cells}
    data: pd.DataFrame
    if name.startswith("curves-"):
        experiment = name.removeprefix("curves-")
        experiments = {experiment}
        data = frames.curves(book, experiment)
        metric = next((str(run["metric"]) for run in book.runs.values() if run["experiment"] == experiment), "metric")
        figure = figures.training(data, title=experiment, metric=metric)
    elif name == "figure4":
        tensors = frames.kernels(book)
        data = frames.pixels(tensors)
        figure = figures.kernels(tensors) if tensors or name not in (book.wanted or ()) else nothing(NO_RUN)
    else:
        data = {"figure3": frames.members, "figure5": frames.early}.get(name, frames.sizes)(book)
        if data.empty and name in (book.wanted or ()):
            figure = nothing(NO_RUN)
        elif name == "figure3":
            figure = figures.families(data)
        elif name == "figure5":
            figure = figures.early_loss(data, unit=frames.early_unit(book), title="Transformer Mixed")
        else:
            figure = figures.growth(data)
    words = {
        "stand-in data": map(paper.label, book.stand_ins(experiments)),
        "ran a few steps only": dict.fromkeys(key.experiment for key in cells if book.evidence(key).path_only),
    }
    if told := [f"{word}: {', '.join(names)}" for word, found in words.items() if (names := tuple(found))]:
        remark(figure, "; ".join(told))
    return save(figure, results / book.profile / "figures" / name, data)


def render(names: Iterable[str], book: Book, results: Path) -> list[Path]:
    """Write what ``names`` ask for and return the paths. ``all`` and ``descriptors`` stand for several, see ``GROUPS``.

    Raises:
        ValueError: for an unknown name, before anything is written.
    """
    declared = tables(book.methods)
    groups = {"all": [*worth(book), *drawable(book), "coverage", "claims", "report"]}
    groups["descriptors"] = [spec.name for spec in declared.values() if spec.needs == "code"]
    experiments = dict.fromkeys(run["experiment"] for run in book.runs.values() if not run.id.trial)
    groups["curves"] = [f"curves-{experiment}" for experiment in experiments]
    wanted = list(dict.fromkeys(each for name in names for each in groups.get(name, [name])))
    known = [*declared, *FIGURES, "coverage", "claims", "report", *groups["curves"]]
    if unknown := [name for name in wanted if name not in known]:
        there = ", ".join([*groups, *known])
        raise ValueError(f"cannot render {', '.join(map(repr, unknown))}; known: {there}")
    paths: list[Path] = []
    for name in wanted:
        if name == "coverage":
            paths += render_coverage(book, results)
        elif name == "claims":
            paths += render_claims(book, results)
        elif name == "report":
            paths += render_page(book, results)
        elif name in FIGURES or name in groups["curves"]:
            paths += render_figure(name, book, results)
        else:
            paths += render_table(name, book, results)
    return paths
