"""Does the fast generator learn what the straightforward one learns? ``python -m benchmarks.accuracy``.

A UHN's run is trained to its end by the straightforward generator, from the same seed with the same batches, as a run
of the library like any other (progress bar, Ctrl-C, resume). Its validation accuracy is set beside that of the same run
and of the other seeds as ``uhn run`` left them.
"""

from __future__ import annotations

import argparse
import csv
import statistics
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.readme import accuracy_text, write_section
from benchmarks.rows import Row, conditions, write_csv
from benchmarks.sides import Straightforward, features
from uhn.models import ModelSpec
from uhn.paper.config import load_config
from uhn.paper.plan import Plan
from uhn.paper.runs.build import build_distribution, build_phases, build_tasks
from uhn.paper.runs.execute import Session
from uhn.paper.runs.finished import finished_metrics
from uhn.paper.runs.identity import resolved, run_identity
from uhn.paper.settings import RunSettings
from uhn.sources import UniversalHypernetwork
from uhn.sources.trunk import mlp
from uhn.tasks import Task
from uhn.training.interrupts import Stopped, stop_on_signals
from uhn.training.precision import reproducible

HERE = Path(__file__).parent
SIDE = "straightforward"


class Kept(Straightforward):
    """The straightforward generator with its features made once for the whole run: the same numbers, sooner."""

    def __init__(self, root: UniversalHypernetwork, spec: ModelSpec) -> None:
        super().__init__(root, spec)
        self._features = features(root, self._table, self._room)

    def forward(self, spec: ModelSpec) -> Tensor:
        """Return the flat weights ``[N]``."""
        first = torch.nn.functional.linear(self._features, self.root.index.weight, self.root.index.bias)
        return mlp(first, self.root.structure_feature(spec), self.root.tail())


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    plan = Plan(load_config(options.params, options.profile))
    settings = plan.run(options.run)
    check(settings)
    folder = options.work / "benchmarks" / SIDE / settings.name
    with reproducible(settings.compute.threads):
        tasks = build_tasks(settings, options.data, torch.device("cpu"))
        curves = our_curves(plan, settings, tasks, options.results / options.profile / "runs")
        try:
            train(settings, tasks, folder)
        except Stopped:
            return 130
    curves[SIDE, settings.seed] = curve(folder)
    data = {"run": settings.name, "profile": options.profile, "data": f"{tasks[0].name}, {tasks[0].provenance.kind}"}
    rows = [row | data | conditions(settings.compute.threads) for row in summary(curves, settings.seed)]
    write_csv(options.output / "accuracy.csv", rows)
    print(accuracy_text(rows))
    if options.output.resolve() == (HERE / "results").resolve():
        write_section(HERE / "README.md", "accuracy", accuracy_text(rows))
    return 0


def check(settings: RunSettings) -> None:
    """Raise ``ValueError`` unless the run is one model's, by a UHN, with a validation curve."""
    one_model = len(settings.tasks) == 1 and settings.model_set is None and settings.depth == 0
    if settings.method != "uhn" or not one_model:
        raise ValueError(f"wanted a uhn run of one model, got {settings.name}")
    if settings.evaluate_every is None or not settings.validate_split:
        raise ValueError(f"wanted a run with validate_split and evaluate_every, {settings.name} has not both")


def our_curves(
    plan: Plan, settings: RunSettings, tasks: Sequence[Task], runs: Path
) -> dict[tuple[str, int], dict[int, float]]:
    """Curves by (side, seed) of the runs that ``uhn run`` finished with the present settings, data and code.

    Raises:
        ValueError: if the run of the seed that is compared is not among them.
    """
    found = {}
    for run in plan.runs.values():
        if (run.experiment, run.method) == (settings.experiment, settings.method):
            metrics = finished_metrics(run, runs / run.name, identity_of(run, tasks))
            if metrics is not None and metrics["status"] == "finished":
                found["ours", run.seed] = curve(runs / run.name)
    if ("ours", settings.seed) not in found:
        raise ValueError(
            f"wanted a finished run of the present settings, data and code in {runs / settings.name}, got none: "
            f"uhn run {settings.name} --profile {plan.profile}"
        )
    return found


def identity_of(settings: RunSettings, tasks: Sequence[Task]) -> str:
    """The run's identity on these data."""
    return run_identity(settings, [task.provenance.fingerprint for task in tasks])


def train(settings: RunSettings, tasks: Sequence[Task], folder: Path) -> None:
    """Run ``settings`` with the straightforward generator to its end; a finished one is left alone."""
    identity = f"{SIDE} {identity_of(settings, tasks)}"
    if finished_metrics(settings, folder, identity) is not None:
        return
    distribution = build_distribution(settings, tasks)
    session = Session(resolved(settings), distribution, build_phases(settings, tasks), torch.device("cpu"))
    if not isinstance(session.source, UniversalHypernetwork):
        raise ValueError(f"wanted a uhn run, got {session.source.kind} {settings.name}")
    session.source = session.loop.source = Kept(session.source, distribution.members[0][1])
    with stop_on_signals() as stop:
        session.run(folder, folder / "progress.ckpt", identity, stop)


def curve(folder: Path) -> dict[int, float]:
    """Validation score by epoch, of a finished run."""
    with (folder / "history.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["phase"] == "train" and row["metric"]]
    return {int(row["epoch"]): float(row["metric"]) for row in rows}


def summary(curves: dict[tuple[str, int], dict[int, float]], seed: int) -> list[Row]:
    """A row an epoch: both sides' score under ``seed``, and mean, smallest, largest and deviation of our seeds."""
    rows: list[Row] = []
    for epoch, straightforward in curves[SIDE, seed].items():
        ours = [points[epoch] for (side, _), points in curves.items() if side == "ours"]
        spread: Row = {"seeds": len(ours), "mean": statistics.mean(ours), "low": min(ours), "high": max(ours)}
        if len(ours) > 1:
            spread["deviation"] = statistics.stdev(ours)
        rows.append({"epoch": epoch, "straightforward": straightforward, "ours": curves["ours", seed][epoch]} | spread)
    return rows


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accuracy", description=__doc__.splitlines()[0])
    parser.add_argument("--run", default="mnist-mlp/uhn/seed-21962", help="a run of one model by a UHN")
    parser.add_argument("--profile", default="earlier", help="profile of the settings (default earlier)")
    kept = HERE.parent / "results" / "reference" / "earlier" / "params.yaml"
    parser.add_argument("--params", type=Path, default=kept, help="the settings (default those of earlier runs)")
    parser.add_argument("--data", type=Path, default=HERE.parent / "data", help="data folder (default data)")
    parser.add_argument("--results", type=Path, default=HERE.parent / "results", help="where uhn run left our runs")
    parser.add_argument("--work", type=Path, default=HERE.parent / "work", help="folder of the run trained here")
    parser.add_argument("--output", type=Path, default=HERE / "results", help="folder for the csv file")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
