"""Every table and figure of the paper, and where each is declared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from uhn.paper.report.book import Book, Source
from uhn.paper.runs.results import Run
from uhn.paper.tables import ablations, data, descriptors, several, single, sweeps
from uhn.paper.tables import published as paper
from uhn.paper.tables.columns import TableSpec


@dataclass(frozen=True)
class FigureSpec:
    """A figure of the paper and the groups of runs it is drawn from; ``status`` if it is not drawn at all."""

    number: int
    title: str
    sources: tuple[Source, ...] = ()
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
        tuple(Source(name, "uhn", pick) for name in paper.FAMILIES for pick in ("seen", "unseen")),
    ),
    FigureSpec(
        4,
        "Kernels of a generated model under each encoding",
        tuple(Source(name, "uhn") for name in KERNELS.values()),
    ),
    FigureSpec(
        5,
        "Early training loss with and without the initialisation phase",
        tuple(Source(name, "uhn", "seen") for name in EARLY),
    ),
)
"""Every figure of the paper."""


MODEL = "model.safetensors"
"""The trained weight source in a run's folder."""


def kernel_runs(book: Book) -> dict[str, Run]:
    """Figure 4: by encoding, the first finished seed that kept its weight source."""
    found = {}
    for title, experiment in KERNELS.items():
        runs = book.evidence(Source(experiment, "uhn")).runs
        kept = [run for run in runs if run.finished and (run.folder / MODEL).is_file()]
        if kept:
            found[title] = kept[0]
    return found


def tables(methods: Mapping[str, Sequence[str]] | None = None) -> dict[str, TableSpec]:
    """Every table by name, in order of number.

    Args:
        methods: methods planned for each experiment; a table of comparisons gets a column for each.
    """
    return {spec.name: spec for spec in sorted(_specs(methods or {}), key=lambda spec: spec.number)}


def _specs(methods: Mapping[str, Sequence[str]]) -> list[TableSpec]:
    rooms = (single, several, descriptors, data, sweeps, ablations)
    return [spec for room in rooms for spec in room.specs(methods)]


def worth(book: Book) -> list[str]:
    """Tables that have something of their own to show, in order of number.

    Those are the tables that the plan wants. Without a plan: those with facts, and those of whose runs some are there
    that no table declared before them shows (Table 4 shows Table 1's runs, but is not worth rendering for them alone).
    """
    if book.wanted is not None:
        return [name for name in tables(book.methods) if name in book.wanted]
    names, before = set[str](), set[str]()
    for spec in _specs(book.methods):
        groups = {source.group for row in spec.rows for source in row.sources.values()} - before
        if any(book.planned.get(group) if book.planned is not None else book.found.get(group) for group in groups):
            names.add(spec.name)
        before |= groups
        topics = ("descriptors",) if spec.needs == "code" else spec.topics if spec.needs == "facts" else ()
        if any(topic in book.facts for topic in topics if not topic.startswith("paper-")):
            names.add(spec.name)
    return [name for name in tables(book.methods) if name in names]
