"""What a plan has rendered, measured and written: the one list behind ``uhn render all`` and the workflow's rules."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from pathlib import Path
from typing import Final

from uhn.paper.commands.sets import set_file
from uhn.paper.names import RunId, is_trial, parse_group
from uhn.paper.plan import Plan
from uhn.paper.report.formats import FORMATS
from uhn.paper.report.searched import outcome_files
from uhn.paper.runs.archive import RECORDS
from uhn.paper.tables import published as paper
from uhn.paper.tables.catalogue import EARLY, KERNELS, MODEL, tables
from uhn.paper.tables.several import FAMILIES
from uhn.paper.tables.single import SIZES

REFERENCE: Final = "reference"
"""Folder of the kept results, beside those of the profiles: no profile can have this name."""

PICTURES: Final = ("png", "svg", "csv")
"""Each file of a figure, by its ending: two pictures, and the data that they show."""

MEASURED_BY: Final = {
    "descriptors": ("vocabulary.py", "layers"),
    "model-sets": ("vocabulary.py", "layers", "models"),
    "citation": ("tasks",),
}
"""Topics of facts that can be measured, and the modules and packages that they are measured by."""


def planned_sets(plan: Plan) -> dict[str, str]:
    """Name of the model set of every planned experiment that trains on one."""
    return {run.experiment: run.model_set for run in plan.runs.values() if run.model_set is not None}


def planned_graphs(plan: Plan) -> tuple[str, ...]:
    """Citation graphs that planned runs read."""
    return tuple(name for name in paper.GRAPHS if name in plan.datasets())


def planned_topics(plan: Plan) -> tuple[str, ...]:
    """Topics of :data:`MEASURED_BY` that the plan has something to say about."""
    holds = {"descriptors": True, "model-sets": planned_sets(plan), "citation": planned_graphs(plan)}
    return tuple(topic for topic in MEASURED_BY if holds[topic])


def figures_of(groups: Collection[str]) -> tuple[str, ...]:
    """Figures that groups of runs suffice for: one family, every encoding, both options of Figure 5, two sizes."""
    sizes = {parse_group(group)[0] for group in groups} & set(SIZES)
    holds = {
        "figure3": any(f"{name}/uhn" in groups for name in FAMILIES),
        "figure4": all(f"{name}/uhn" in groups for name in KERNELS.values()),
        "figure5": all(f"{name}/uhn" in groups for name in EARLY),
        "parameters": len(sizes) > 1,
    }
    return tuple(name for name, enough in holds.items() if enough)


def wanted_tables(plan: Plan) -> tuple[str, ...]:
    """Tables made from the code, those whose facts are measured, and those that the plan has runs for."""
    topics = planned_topics(plan)
    planned = {name for name, runs in plan.tables.items() if runs}
    return tuple(
        name
        for name, spec in tables().items()
        if name in planned
        or spec.needs == "code"
        or (spec.needs == "facts" and (name in plan.config.profile.tables or set(topics) & set(spec.topics)))
    )


def wanted_figures(plan: Plan) -> tuple[str, ...]:
    """Figures that the planned runs suffice for, diverged or not."""
    return figures_of({RunId.parse(name).group for name in plan.runs})


def rendered_files(plan: Plan, results: Path) -> list[Path]:
    """Every file that ``uhn render all`` writes for a plan."""
    folder = results / plan.profile
    files = [folder / "tables" / f"{name}.{ending}" for name in wanted_tables(plan) for ending in FORMATS]
    files += [folder / "figures" / f"{name}.{ending}" for name in wanted_figures(plan) for ending in PICTURES]
    return [*files, *(folder / name for name in ("coverage.md", "claims.md", "report.html"))]


def read_files(plan: Plan, results: Path) -> list[Path]:
    """Every file that ``uhn render all`` reads for a plan, but params.yaml."""
    folder = results / plan.profile
    files = [folder / "runs" / name / file for name in plan.runs for file in ("metrics.json", "history.csv")]
    files += [folder / "runs" / name / "metrics.json" for name in plan.trials]
    if "figure4" in wanted_figures(plan):
        drawn = {f"{name}/uhn" for name in KERNELS.values()}
        files += [folder / "runs" / name / MODEL for name in plan.runs if RunId.parse(name).group in drawn]
    return [*files, *outcome_files(plan, results), *fact_files(plan, results).values(), *_beside(plan, results)]


def kept_records(reference: Path, profile: str) -> list[Path]:
    """The kept records of every profile but one."""
    return sorted(path for path in reference.glob(f"*/{RECORDS}") if path.parent.name != profile)


def _beside(plan: Plan, results: Path) -> list[Path]:
    """The kept records that stand beside runs which only show their path."""
    tried = any(run.path_only for run in plan.runs.values())
    return kept_records(results / REFERENCE, plan.profile) if tried else []


def table_files(plan: Plan, results: Path, name: str) -> list[Path]:
    """Every file that ``uhn render <table>`` reads for a plan, but params.yaml."""
    sources = {experiment: tuple(entry.methods) for experiment, entry in plan.config.experiments.items()}
    spec, runs = tables(sources)[name], results / plan.profile / "runs"
    finals = [run for run in plan.runs if RunId.parse(run).group in spec.groups]
    trials = [run for run in plan.tables.get(name, ()) if is_trial(run)]
    facts = fact_files(plan, results)
    return [
        *(runs / run / file for run in finals for file in ("metrics.json", "history.csv")),
        *(runs / run / "metrics.json" for run in trials),
        *outcome_files(plan, results, spec.searches),
        *(facts[topic] for topic in spec.topics if topic in facts),
        *_beside(plan, results),
    ]


def look_digest() -> str:
    """Return a SHA-256 over the templates of the page."""
    folder = Path(__file__).with_name("report") / "templates"
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(folder.iterdir()))).hexdigest()


def page_names(plan: Plan) -> tuple[str, ...]:
    """What is rendered beside tables."""
    return (*wanted_figures(plan), "coverage", "claims", "report")


def fact_files(plan: Plan, results: Path) -> dict[str, Path]:
    """Where the facts of a plan are written, by topic."""
    return {topic: results / plan.profile / "facts" / f"{topic}.json" for topic in planned_topics(plan)}


def set_files(plan: Plan, results: Path) -> dict[str, Path]:
    """Where the model sets of a plan are written, by name."""
    return {name: set_file(results, plan.profile, name) for name in sorted(set(planned_sets(plan).values()))}
