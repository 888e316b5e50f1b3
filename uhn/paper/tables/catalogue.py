"""Every table and figure of the paper, and where each is declared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from uhn.paper.names import parse_group
from uhn.paper.report.book import Book
from uhn.paper.runs.results import Run
from uhn.paper.tables import ablations, data, descriptors, further, several, single, sweeps
from uhn.paper.tables.claims import CLAIMS
from uhn.paper.tables.columns import TableSpec
from uhn.paper.tables.keys import CellKey
from uhn.paper.tables.several import FAMILIES


@dataclass(frozen=True)
class FigureSpec:
    """A figure of the paper and what it is drawn from; ``status`` if it is not drawn at all."""

    number: int
    title: str
    cells: tuple[CellKey, ...] = ()
    status: str = ""

    @property
    def name(self) -> str:
        """File stem, e.g. ``figure3``."""
        return f"figure{self.number}"


EARLY = ("transformer-mixed", "transformer-mixed-no-init")
"""Experiments of Figure 5: with and without the initialisation phase."""

KERNELS = {"Raw": "cifar10-cnn20-raw", "Positional": "cifar10-cnn20-positional", "GFF": "cifar10-cnn20"}
"""Experiments of Figure 4 by title: one CNN-20 under each encoding."""

FIGURES = (
    FigureSpec(1, "Settings (diagram)", status="out of scope"),
    FigureSpec(2, "Method (diagram)", status="out of scope"),
    FigureSpec(
        3,
        "Accuracy against parameters, seen and unseen architectures",
        tuple(CellKey(name, "uhn", pick) for name in FAMILIES for pick in ("seen", "unseen")),
    ),
    FigureSpec(
        4,
        "Kernels of a generated model under each encoding",
        tuple(CellKey(name, "uhn") for name in KERNELS.values()),
    ),
    FigureSpec(
        5,
        "Early training loss with and without the initialisation phase",
        tuple(CellKey(name, "uhn", "seen") for name in EARLY),
    ),
)
"""Every figure of the paper."""


MODEL = "model.safetensors"
"""The trained weight source in a run's folder."""


def kernel_runs(book: Book) -> dict[str, Run]:
    """Figure 4: by encoding, the first finished seed that kept its weight source."""
    found = {}
    for title, experiment in KERNELS.items():
        runs = book.evidence(CellKey(experiment, "uhn")).runs
        kept = [run for run in runs if run.finished and (run.folder / MODEL).is_file()]
        if kept:
            found[title] = kept[0]
    return found


SEARCHES = {"encodings": ("cifar10-cnn20-raw/uhn", "cifar10-cnn20-positional/uhn")}
"""Searches that no table shows, by the name under which a profile asks for them as it asks for a table's."""


def tables(sources: Mapping[str, Sequence[str]] | None = None) -> dict[str, TableSpec]:
    """Every table by name, in order of number.

    Args:
        sources: sources planned for each experiment; a table of comparisons gets a column for each.
    """
    return {spec.name: spec for spec in sorted(_specs(sources or {}), key=lambda spec: spec.number)}


@dataclass(frozen=True)
class Needs:
    """What a table rests on: groups of final runs and searches, each ``<experiment>/<source>``."""

    runs: tuple[str, ...]
    searches: tuple[str, ...]

    @property
    def experiments(self) -> tuple[str, ...]:
        """Experiments that a profile may run for it."""
        return tuple(dict.fromkeys(parse_group(group)[0] for group in (*self.runs, *self.searches)))


def needs(sources: Mapping[str, Sequence[str]]) -> dict[str, Needs]:
    """What each table that rests on runs needs, by name, and what else a profile may ask for: further searches, and
    ``claims``, the arms of the paper's claims at a smaller scale.

    Args:
        sources: sources of each experiment, see :func:`tables`.
    """
    specs = tables(sources).items()
    found = {name: Needs(spec.groups, spec.searches) for name, spec in specs if spec.groups or spec.searches}
    found |= {name: Needs((), groups) for name, groups in SEARCHES.items()}
    arms = (key for claim in CLAIMS for pair in claim.instead for key in (pair.first, pair.second))
    return found | {"claims": Needs(tuple(dict.fromkeys(key.group for key in arms)), ())}


def _specs(sources: Mapping[str, Sequence[str]]) -> list[TableSpec]:
    modules = (single, several, descriptors, data, sweeps, ablations, further)
    return [spec for module in modules for spec in module.specs(sources) if spec.rows]


def worth(book: Book) -> list[str]:
    """Tables that have something of their own to show, in order of number.

    Those are the tables that the plan wants. Without a plan: those with facts, and those of whose runs some are there
    that no table declared before them shows (Table 4 shows Table 1's runs, but is not worth rendering for them alone).
    """
    if book.wanted is not None:
        return [name for name in tables(book.methods) if name in book.wanted]
    names, before = set[str](), set[str]()
    for spec in _specs(book.methods):
        groups = {*spec.groups} - before
        if any(book.planned.get(group) if book.planned is not None else book.found.get(group) for group in groups):
            names.add(spec.name)
        before |= groups
        topics = ("descriptors",) if spec.needs == "code" else spec.topics if spec.needs == "facts" else ()
        if any(topic in book.facts for topic in topics if not topic.startswith("paper-")):
            names.add(spec.name)
    return [name for name in tables(book.methods) if name in names]
