"""The checks of the seam: what the settings of a run ask for must arrive, unchanged, where the run is made.

They call the code by the names of its modules when they run, so that ``test_seam_mutations`` can plant defects there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import paper_rows as paper
import pytest
import torch
from paper_rows import ROWS, Row

from uhn import vocabulary
from uhn.paper import budget
from uhn.paper.config import Config, load_config
from uhn.paper.plan import Plan
from uhn.paper.runs import build, members
from uhn.paper.settings import RunSettings
from uhn.paper.sweeps.stages import Outcome, Values
from uhn.tasks import Provenance, Task
from uhn.tasks.base import Card
from uhn.vocabulary import DatasetType, TaskType

PARAMS = Path(__file__).parents[2] / "params.yaml"


@cache
def config() -> Config:
    """params.yaml under the paper's profile."""
    return load_config(PARAMS, "paper")


def resolved(row: Row, seed: int | None = None) -> RunSettings:
    """The settings of a row, of its first seed."""
    return config().resolve(row.experiment, row.method, seed or config().seeds(row.experiment)[0])


class Asked(Task):
    """A task that is not loaded: what was asked of the loader, and how many steps an epoch of it has."""

    def __init__(self, dataset: str, **asked: Any) -> None:
        nothing = Provenance(dataset, "", "real", "", {})
        super().__init__(Card(dataset, TaskType.IMAGE, DatasetType.MNIST, 10, nothing), None)
        self.asked = {"dataset": dataset, **asked}
        self.device: Any = None

    @property
    def steps_per_epoch(self) -> int:
        whole, kept = paper.STEPS_PER_EPOCH.get(self.name, (1, 1))
        return kept if self.asked["validate"] else whole

    def to(self, device: Any) -> Asked:
        self.device = device
        return self

    def train_batch(self, seed: int, step: int) -> Any:
        raise NotImplementedError

    def eval_batches(self, split: str) -> Any:
        raise NotImplementedError


@contextmanager
def loader() -> Iterator[None]:
    """Has tasks asked for and not loaded."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build, "load_task", Asked)
        yield


def tasks_of(run: RunSettings, root: Path = Path("data")) -> list[Any]:
    with loader():
        return build.build_tasks(run, root, torch.device("cpu"))


def check_experiments() -> None:
    """The table has a row for every run that a table of the paper needs, and each has the paper's seeds."""
    assert {run.experiment for run in Plan(config()).runs.values()} == {row.experiment for row in ROWS}
    for row in ROWS:
        graph = row.experiment.endswith(("-gcn", "-gat"))
        assert config().seeds(row.experiment) == (paper.GRAPH_SEEDS if graph else paper.SEEDS), row.key
    wanted = {f"{row.key}/seed-{seed}" for row in ROWS for seed in config().seeds(row.experiment)}
    assert set(Plan(config()).runs) == wanted


def check_tasks(rows: Iterable[Row] = ROWS) -> None:
    """Data sets whole, by the paper's names and of the run's seed, in batches of 256, with nothing kept back."""
    for row in rows:
        run = resolved(row)
        tasks = tasks_of(run)
        limits = build.Limits(None, None)
        common = {"root": Path("data"), "seed": 21962, "validate": False, "stand_in": False, "limits": limits}
        assert [task.asked for task in tasks] == [
            {"dataset": data, "batch_size": 256, **common} for data, _, _ in row.tasks
        ], row.key
        assert all(task.device == torch.device("cpu") for task in tasks), row.key
        assert (run.score, run.validate_split, run.evaluate_every, run.members) == ("test", False, None, None), row.key
        assert run.precision == "auto", row.key


def check_phases(rows: Iterable[Row] = ROWS) -> None:
    """Kind, steps, rate, warm-up, its unit, clipping and level of every phase, and the plan counts the same steps."""
    for row in rows:
        run = resolved(row)
        phases = build.build_phases(run, tasks_of(run))
        got = [(p.kind, p.steps, p.lr, p.warmup, p.unit, p.clip, p.level) for p in phases]
        wanted = list(row.phases)
        assert [(*p[:2], *p[3:]) for p in got] == [(*p[:2], *p[3:]) for p in wanted], row.key
        assert [p[2] for p in got] == pytest.approx([p[2] for p in wanted], rel=1e-12), row.key
        assert budget.run_steps(run) == sum(phase.steps for phase in phases), row.key


def check_distributions(rows: Iterable[Row] = ROWS) -> None:
    """Which models are trained, how often a task is drawn, and on which members of a set the run is scored."""
    for row in rows:
        run = resolved(row)
        tasks = tasks_of(run)
        distribution = build.build_distribution(run, tasks)
        scored = members.members_of(run, distribution)
        if row.model.startswith("set:"):
            train, each, _ = paper.SETS[row.model.removeprefix("set:")]
            assert len(distribution.members) == train, row.key
            assert [m.seen for m in scored] == [True] * each + [False] * each, row.key
            trained = [spec for _, spec in distribution.members]
            assert [m.spec.hash for m in scored if m.seen] == [spec.hash for spec in trained[:each]], row.key
            assert not {m.spec for m in scored if not m.seen} & set(trained), row.key
        else:
            wanted = [(data, build.zoo(model or "").hash) for data, model, _ in row.tasks]
            assert [(task.name, spec.hash) for task, spec in distribution.members] == wanted, row.key
            assert [(m.name, m.spec.hash, m.seen) for m in scored] == [(*pair, None) for pair in wanted], row.key
        if row.key == "multi-task/uhn":
            drawn = [distribution.at(step).task.name for step in range(500)]
            for data, _, share in row.tasks:
                assert drawn.count(data) / len(drawn) == pytest.approx(share, abs=0.05), data


def source_of(run: RunSettings) -> Any:
    return build.build_source(run, build.build_distribution(run, tasks_of(run)))


def check_sources(rows: Iterable[Row] = ROWS) -> None:
    """Scalars of every source, and of the hypernetworks the ranges that they normalise by, and sigma = 100."""
    table = {line.split()[0]: line.split()[1:] for line in paper.lines(paper.RANGES)}
    for row in rows:
        source = source_of(resolved(row))
        assert source.parameter_counts() == row.counts, row.key
        assert source.kind == ("chain" if row.depth else row.method), row.key
        if row.method != "uhn":
            continue
        assert len(source.levels if row.depth else ()) == row.depth, row.key
        if row.depth:
            assert {level.num_params for level in source.levels} == {181_121}, row.key
        root = source.root if row.depth else source
        cells = table[row.ranges]
        cells = [*cells[:5], cells[5], *cells[5:]]  # kernels are square
        spans = [tuple(map(float, (cell if cell != "-" else "-1..-1").split(".."))) for cell in cells]
        assert list(zip(root.ranges.index_min, root.ranges.index_max, strict=True)) == spans, row.key
        if root.structure is not None and row.ranges in paper.STRUCTURE:
            check_structure(root.ranges, paper.STRUCTURE[row.ranges], row.key)
        matrices = {name: value for name, value in source.state_dict().items() if name.endswith("encoding.matrix")}
        assert len(matrices) == (not row.experiment.endswith(("-raw", "-positional"))) + (root.structure is not None)
        for name, matrix in matrices.items():
            assert float(matrix.std()) == pytest.approx(100, rel=0.1), (row.key, name)
        if row.experiment.endswith("-positional"):
            assert float(source.encoding.bands[-1]) == pytest.approx(100 ** (31 / 32)), row.key


def check_structure(ranges: Any, table: str, key: str) -> None:
    cells = table.split()
    wanted = dict.fromkeys((field.name for field in vocabulary.STRUCTURE_FIELDS), (0.0, 0.0))
    wanted |= {name: (float(low), float(high)) for name, low, high in zip(*[iter(cells)] * 3, strict=True)}
    assert dict(zip(wanted, zip(ranges.structure_min, ranges.structure_max, strict=True), strict=True)) == wanted, key


def check_seeds(rows: Iterable[Row] = ROWS[:8]) -> None:
    """Another seed is another source of each kind, the same seed the same one."""
    for row in rows:
        states = [source_of(resolved(row, seed)).state_dict() for seed in (21962, 59358, 21962)]
        drawn = [
            n for n in states[0] if n.endswith(("flat", "direct", "embeddings", "encoding.matrix", "readout.weight"))
        ]
        assert drawn, row.key
        for name in drawn:
            first, other, again = (state[name] for state in states)
            assert torch.equal(first, again) and not torch.equal(first, other), (row.key, name)


def check_searches() -> None:
    """Trials of every stage: their phases, on the rows that are left beside the validation split that scores them."""
    rows = {row.experiment: row for row in ROWS if row.method == "uhn"}
    for line in paper.lines(paper.SEARCHES):
        first, lr, budgets, init_lr, init_steps, seeds = (cell.split() for cell in line.split("|"))
        name, t0 = first
        row, sweep = rows[name], config().sweeps[f"{name}/uhn"]
        unit = paper.STEPS_PER_EPOCH.get(row.tasks[0][0], (1, 1))[1] if row.phases[-1][4] > 1 else 1
        rates, starts = [float(x) for x in lr], [(float(x), int(n)) for x in init_lr for n in init_steps]
        found = Values(5e-5, int(t0), 2e-4, 100)
        outcome = Outcome(found, (("x", found),))
        wanted = {
            "rate": {(None, x, int(t0) * unit) for x in rates},
            "init": {(start, found.lr, int(t0) * unit) for start in starts},
            "train": {((2e-4, 100), x, int(n) * unit) for x in rates for n in budgets},
            "seeds": {((2e-4, 100), found.lr, found.budget * unit)},
        }
        for stage in sweep.stages:
            got = set()
            for trial in stage.trials:
                values = sweep.values(stage, trial, outcome if stage.number > 1 else None)
                run = config().resolve(name, "uhn", 21962, selected=values, trial=sweep.run_name(stage, trial, 21962))
                got.add(_outline(run, row))
                check_trial(run, row)
            assert got == wanted[stage.kind], (name, stage.kind)
        number, more = map(int, seeds)
        every = paper.GRAPH_SEEDS if name.endswith(("-gcn", "-gat")) else paper.SEEDS
        assert [s.seeds for s in sweep.stages] == [every[:number]] * 3 + [every[number : number + more]], name
        assert sweep.entry.guardrails == (paper.GUARDRAILS if name == "multi-task" else {}), name


def _outline(run: RunSettings, row: Row) -> tuple[tuple[float, int] | None, float, int]:
    """(initialisation, training rate, training steps) of a trial."""
    *init, train = build.build_phases(run, tasks_of(run))
    steps = sum(phase.steps for phase in init)
    return (init[0].lr, steps) if init else None, train.lr, train.steps


def check_trial(run: RunSettings, row: Row) -> None:
    """A trial keeps its validation split back, is scored on it, and differs from the final run in nothing else."""
    assert (run.score, run.validate_split) == ("validation", True), row.key
    tasks = tasks_of(run)
    assert [task.asked["validate"] for task in tasks] == [True] * len(tasks), row.key
    final = {"init", "train", "name", "score", "validate_split"}
    assert run.model_dump(exclude=final) == resolved(row).model_dump(exclude=final), row.key
    distribution = build.build_distribution(run, tasks)
    scored = members.members_of(run, distribution)
    if row.model.startswith("set:"):
        _, each, train = paper.SETS[row.model.removeprefix("set:")]
        assert (len(distribution.members), len(scored)) == (train, each), row.key
        trained, validating = {spec for _, spec in distribution.members}, {m.spec for m in scored}
        unseen = {m.spec for m in members.members_of(resolved(row), distribution) if not m.seen}
        assert not trained & validating and not unseen & (trained | validating), row.key


def unlike(**changes: Any) -> RunSettings:
    """Settings of which none is a default or a value of the paper's."""
    data: dict[str, Any] = {
        "name": "odd/uhn/seed-7",
        "experiment": "odd",
        "method": "uhn",
        "seed": 7,
        "tasks": [{"dataset": "cifar10", "model": "cnn20-cifar10", "probability": 1.0}],
        "validate_split": True,
        "data": {"train_rows": 15, "test_rows": 10, "stand_in": True},
        "generator": {
            "hidden": 6, "blocks": 1, "index_frequencies": 12, "structure_frequencies": 4, "structure": True,
            "encoding": "gff", "scale": 20.0,
        },
        "init": {"steps": 3, "lr": 0.004, "warmup": 1},
        "train": {"lr": 0.002, "epochs": 2, "steps": None, "warmup": 1, "batch_size": 8, "clip": 0.05},
        "precision": "bf16",
        "compute": {"device": "cpu", "threads": 1, "kernel": "eager", "cache_mib": 7},
        "evaluate_every": 1,
        "checkpoint_seconds": 600.0,
    }  # fmt: skip
    return RunSettings.model_validate(data | changes)


def check_unlike() -> None:
    """Settings that the paper leaves alone arrive too: limits, stand-ins, scale, encodings, structure frequencies."""
    run = unlike()
    (task,) = tasks_of(run)
    assert task.asked == {
        "dataset": "cifar10", "root": Path("data"), "seed": 7, "validate": True, "stand_in": True,
        "limits": build.Limits(15, 10), "batch_size": 8,
    }  # fmt: skip
    for encoding in ("gff", "positional", "raw"):
        generator = run.generator.model_copy(update={"encoding": encoding})  # type: ignore[union-attr]
        source = source_of(run.model_copy(update={"generator": generator}))
        wanted = {
            "hidden": 6, "blocks": 1, "frequencies": 12, "structure": True, "structure_frequencies": 4,
            "encoding": encoding, "scale": 20.0,
        }  # fmt: skip
        assert source.describe()["settings"] | wanted == source.describe()["settings"]
        assert source.kernel == "eager" and source.encoding.cache_mib == 7
        assert float(source.structure.encoding.matrix.std()) == pytest.approx(20, rel=0.3)
    plain = run.model_copy(update={"generator": run.generator.model_copy(update={"structure": False})})  # type: ignore[union-attr]
    assert source_of(plain).structure is None
    phases = build.build_phases(run, tasks_of(run))
    got = [(p.kind, p.steps, p.lr, p.warmup, p.unit, p.clip, p.level) for p in phases]
    assert got == [("init", 3, 0.004, 1, 1, None, 0), ("train", 352, 0.002, 1, 176, 0.05, 0)]
    few = unlike(model_set="cnn-width", members=2)
    scored = members.members_of(few, build.build_distribution(few, tasks_of(few)))
    assert [m.name for m in scored] == ["seen-000", "seen-001", "unseen-000", "unseen-001"]
    ones = unlike(depth=1, init={"steps": 5, "lr": 0.01, "warmup": 2}, train=run.train.model_dump() | {"clip": 0.3})
    got = [(p.level, p.steps, p.lr, p.warmup, p.clip) for p in build.build_phases(ones, tasks_of(ones))[:-1]]
    assert got == [(1, 2, 0.01, 2, 0.3), (0, 3, 0.01, 2, 0.3)], "the model takes what does not divide"


STATIC = {
    "experiments": check_experiments,
    "tasks": check_tasks,
    "phases": check_phases,
    "distributions": check_distributions,
    "sources": check_sources,
    "seeds": check_seeds,
    "searches": check_searches,
    "unlike": check_unlike,
}
"""The checks that train nothing, by name."""
