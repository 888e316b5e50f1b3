"""Runs trained as one program leave what they leave alone, and an interrupted stack loses nothing."""

from __future__ import annotations

import csv
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import uhn
from uhn.models import zoo
from uhn.paper.runs.execute import Session
from uhn.paper.runs.jobs import run_all
from uhn.paper.runs.stacked import PROGRESS, execute_stack, stacks
from uhn.paper.settings import RunSettings
from uhn.randomness import stream
from uhn.records import RECORD, read_record
from uhn.sources import UniversalHypernetwork
from uhn.training import stack as stacked
from uhn.training.interrupts import Stopped

SEEDS = (1, 2, 3)


def settings(seed: int, method: str = "uhn", dataset: str = "kv", **changes: Any) -> RunSettings:
    generator = {"hidden": 16, "blocks": 1, "index_frequencies": 8}
    init = {"init": {"steps": 4, "lr": 0.01}} if method == "uhn" else {}
    chosen = {"method": method} | ({"generator": generator} if method == "uhn" else {}) | init
    return RunSettings.model_validate(
        {
            "name": f"a/{method}/seed-{seed}",
            "experiment": "a",
            "seed": seed,
            "tasks": [{"dataset": dataset, "model": {"kv": "kan-g5-kv", "mnist": "mlp-mnist"}[dataset]}],
            "data": {"train_rows": 8, "test_rows": 6, "stand_in": True},
            "train": {"lr": 0.01, "epochs": 8, "warmup": 1, "batch_size": 4},
            "compute": {"device": "cpu", "threads": 1, "stack": 3, "kernel": "eager"},
            "validate_split": dataset == "mnist",
            "evaluate_every": 4 if dataset == "mnist" else None,
        }
        | chosen
        | changes
    )


def train(runs: list[RunSettings], folder: Path, deadline: float | None = None) -> None:
    places = {"results": folder / "results", "work": folder / "work", "data_root": folder / "data"}
    run_all(
        stacks(runs),
        lambda stack: execute_stack(stack, **places, deadline=deadline),
        results=folder / "results" / "runs",
        work=folder / "work",
    )


@pytest.mark.parametrize("encoding", ["gff", "raw"])
@pytest.mark.parametrize("low", [None, torch.bfloat16])
def test_weights_of_a_stack_are_its_sources(encoding: str, low: torch.dtype | None) -> None:
    """Values and gradients, with the structure encoder, of a small model and of one whose products are its own."""
    for spec in (zoo("kan-g5-kv"), uhn.mlp((20, 400, 10))):
        given = {"hidden": 16, "frequencies": 8, "structure": True, "structure_frequencies": 4, "encoding": encoding}
        sources = [UniversalHypernetwork.for_specs([spec], seed=seed, scale=1.0, **given) for seed in SEEDS]
        upstream = torch.randn(len(SEEDS), spec.num_params, generator=stream(0, "upstream"))
        found = []
        for together in (True, False):
            with torch.autocast("cpu", low, enabled=low is not None):
                flat = stacked.Stack(sources)(spec) if together else torch.stack([s(spec) for s in sources])
            parameters = [source.readout.weight for source in sources] + [source.index.weight for source in sources]
            found.append([flat.detach(), *torch.autograd.grad(flat, parameters, upstream)])
        for number, (one, other) in enumerate(zip(*found, strict=True)):
            rounding = 1e-4 if low is None else 2e-2 if number == 0 else 0.2  # a rounded ReLU moves a gradient
            assert float((one - other).norm()) <= rounding * float(other.norm())


def left(folder: Path, run: RunSettings) -> tuple[dict[str, Any], list[list[str]], dict[str, torch.Tensor]]:
    place = folder / "results" / "runs" / run.name
    with (place / "history.csv").open(newline="", encoding="utf-8") as file:
        rows = [row[:-1] for row in csv.reader(file)]
    return read_record(place / RECORD), rows, load_file(place / "model.safetensors")


@pytest.mark.parametrize(("method", "dataset"), [("uhn", "kv"), ("direct", "kv"), ("direct", "mnist")])
def test_a_stack_leaves_what_its_runs_leave_alone(method: str, dataset: str, tmp_path: Path) -> None:
    """Histories, weights and scores up to rounding; records in everything but times and how it was made."""
    runs = [settings(seed, method, dataset) for seed in SEEDS]
    train(runs, tmp_path / "together")
    train([run.model_copy(update={"compute": run.compute.model_copy(update={"stack": 1})}) for run in runs], tmp_path)
    for run in runs:
        (one, rows, weights), (other, others, same) = (left(place, run) for place in (tmp_path / "together", tmp_path))
        assert one["kernel"] == f"{other['kernel']}, 3 stacked"
        for key in ("identity", "status", "seed", "data", "parameters", "budget", "metric"):
            assert one[key] == other[key], key
        assert one["value"] == pytest.approx(other["value"], rel=1e-3)
        assert len(rows) == len(others) and [row[:3] for row in rows] == [row[:3] for row in others]
        for row, wanted in zip(rows[1:], others[1:], strict=True):
            numbers, expected = ([float(cell) for cell in line[3:] if cell] for line in (row, wanted))
            assert numbers == pytest.approx(expected, rel=2e-4)
        for name, tensor in weights.items():
            torch.testing.assert_close(tensor, same[name], rtol=2e-3, atol=2e-4)
    values = {read_record(tmp_path / "together" / "results" / "runs" / run.name / RECORD)["value"] for run in runs}
    assert len(values) == len(runs) or dataset == "mnist", "each has its own seed"


def test_an_interrupted_stack_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    runs = [settings(seed) for seed in SEEDS]
    train(runs, tmp_path / "whole")
    with pytest.raises(Stopped):
        train(runs, tmp_path / "parts", deadline=time.monotonic())
    saved = tmp_path / "parts" / "work" / runs[0].name / PROGRESS
    assert saved.is_file() and not (tmp_path / "parts" / "results" / "runs" / runs[0].name / RECORD).exists()
    train(runs, tmp_path / "parts")
    assert not saved.exists()
    for run in runs:
        (one, rows, weights), (other, others, same) = (left(tmp_path / place, run) for place in ("whole", "parts"))
        assert (one["resumed"], other["resumed"]) == (0, 1) and one["value"] == other["value"]
        assert rows == others and all(torch.equal(weights[name], same[name]) for name in weights)


def test_a_stack_that_was_stopped_between_two_results_writes_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [settings(seed) for seed in SEEDS]
    train(runs, tmp_path / "whole")
    changed = [run.model_copy(update={"checkpoint_seconds": 1e-9}) for run in runs]  # saved after every step
    finish, finished = Session.finish, []

    def fails(self: Any, *args: Any) -> Any:
        if finished:
            raise OSError(28, "no space left on device")
        finished.append(self)
        return finish(self, *args)

    monkeypatch.setattr(Session, "finish", fails)
    with pytest.raises(OSError, match="no space"):
        train(changed, tmp_path / "parts")
    monkeypatch.undo()
    train(changed, tmp_path / "parts")
    assert "resumed after" in capsys.readouterr().out
    for run in runs:
        (one, rows, weights), (other, others, same) = (left(tmp_path / place, run) for place in ("whole", "parts"))
        assert one["value"] == other["value"] and rows == others
        assert all(torch.equal(weights[name], same[name]) for name in weights)
    assert not list((tmp_path / "parts" / "work").rglob("*.ckpt"))


def test_a_run_with_progress_of_its_own_goes_on_alone(tmp_path: Path) -> None:
    runs = [settings(seed) for seed in SEEDS]
    with pytest.raises(Stopped):
        train(runs[1:2], tmp_path, deadline=time.monotonic())
    train(runs, tmp_path)
    kernels = [left(tmp_path, run)[0]["kernel"] for run in runs]
    assert kernels == ["eager, 2 stacked", "eager", "eager, 2 stacked"]
    assert [left(tmp_path, run)[0]["resumed"] for run in runs] == [0, 1, 0]


def test_a_diverged_run_costs_the_others_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = [settings(seed, "direct") for seed in SEEDS]
    train(runs, tmp_path / "whole")
    loss = stacked.Together.loss

    def spoilt(self: Any, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return loss(self, output, target) * torch.tensor([1.0, float("inf"), 1.0])

    monkeypatch.setattr(stacked.Together, "loss", spoilt)
    train(runs, tmp_path / "parts")
    records = [left(tmp_path / "parts", run)[0] for run in runs]
    assert [record["status"] for record in records] == ["finished", "diverged", "finished"]
    for run in (runs[0], runs[2]):
        assert left(tmp_path / "parts", run)[1] == left(tmp_path / "whole", run)[1]


def test_what_can_share_a_program() -> None:
    """Seeds of one setting, as many as were asked for; nothing that draws masks, clips, or scales its loss."""
    five = [settings(seed) for seed in range(5)]
    assert [[run.seed for run in stack] for stack in stacks(five)] == [[0, 1, 2], [3, 4]]
    other = settings(7, train={"lr": 0.02, "epochs": 8, "warmup": 1, "batch_size": 4})
    assert [len(stack) for stack in stacks([five[0], other, five[1]])] == [2, 1]
    for changes in (
        {"compute": {"device": "cpu"}},
        {"train": {"lr": 0.01, "epochs": 8, "clip": 1.0}},
        {"precision": "fp16"},
        {"depth": 1},
        {"tasks": [{"dataset": "cora", "model": "gcn-cora"}]},
        {"model_set": "mlp"},
    ):
        alone = [settings(seed, **changes) for seed in SEEDS]
        assert [len(stack) for stack in stacks(alone)] == [1, 1, 1], changes
