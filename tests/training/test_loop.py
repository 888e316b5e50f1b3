"""The one loop, against training written out in stock torch, and against itself interrupted."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from toy import DROPPING, SPEC, Toy, small_specs

from uhn.descriptors.ranges import Ranges
from uhn.models import ModelSpec
from uhn.models.hypernet import generated_uhn
from uhn.models.kan import kan
from uhn.sources import Direct, UniversalHypernetwork, WeightSource
from uhn.sources.chain import Chain
from uhn.training.checkpoint import load_progress, save_progress
from uhn.training.distributions import ManyTasks, ModelSet, OneModel, SpecDistribution
from uhn.training.loop import Diverged, Loop, Phase, Report
from uhn.training.matching import matching_loss


class Perceptron(nn.Module):
    """The toy's model with stock modules."""

    def __init__(self, flat: Tensor) -> None:
        super().__init__()
        self.first, self.norm, self.last = nn.Linear(6, 5), nn.LayerNorm(5, elementwise_affine=False), nn.Linear(5, 3)
        torch.nn.utils.vector_to_parameters(flat, self.parameters())

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.last(self.norm(F.leaky_relu(self.first(x), 0.1)))
        return result


def uhn(*specs: ModelSpec, seed: int = 1, **settings: Any) -> UniversalHypernetwork:
    small = {"hidden": 8, "frequencies": 8, "structure_frequencies": 4, "blocks": 1}
    return UniversalHypernetwork(Ranges.declared(specs), seed=seed, **(small | settings))


def finish(loop: Loop) -> list[Report]:
    return list(loop)


@pytest.mark.parametrize("clip", [None, 0.05])
def test_direct_training_is_stock_training(clip: float | None) -> None:
    task, source = Toy(), Direct(SPEC, seed=4)
    model = Perceptron(source.flat.detach().clone())
    epochs, per_epoch, warmup, lr = 6, task.steps_per_epoch, 2, 0.03
    reports = finish(
        Loop(
            source,
            OneModel(task, SPEC),
            [Phase("train", epochs * per_epoch, lr, warmup, per_epoch, clip)],
            seed=9,
            report_at=lambda phase, step: True,
        )
    )
    optimiser = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=0.0)
    losses = []
    for epoch in range(epochs):
        if epoch < warmup:
            factor = (epoch + 1) / (warmup + 1)
        else:
            factor = 0.5 * (1 + math.cos(math.pi * (epoch - warmup) / (epochs - warmup)))
        for step in range(epoch * per_epoch, (epoch + 1) * per_epoch):
            rows = task.rows_at(9, step)
            loss = F.cross_entropy(model(task.x[rows]), task.y[rows])
            optimiser.param_groups[0]["lr"] = lr * factor
            optimiser.zero_grad()
            loss.backward()
            if clip:
                nn.utils.clip_grad_norm_(model.parameters(), clip)
            optimiser.step()
            losses.append(float(loss.detach()))
            assert reports[step].lr == pytest.approx(lr * factor) and reports[step].epoch == epoch + 1
    assert [report.loss for report in reports] == pytest.approx(losses, abs=1e-6)
    got = source.flat.detach()
    torch.testing.assert_close(got, nn.utils.parameters_to_vector(model.parameters()).detach(), rtol=0, atol=2e-6)


def test_clipping_bounds_the_norm_of_all_gradients_together() -> None:
    source = uhn(SPEC)
    loop = Loop(source, OneModel(Toy(), SPEC), [Phase("train", 1, 1e-3, clip=1e-3)], seed=0)
    finish_gradients = []
    loop.after_step = lambda: finish_gradients.append([p.grad.clone() for p in source.parameters()])  # type: ignore[union-attr]
    finish(loop)
    norm = torch.cat([gradient.flatten() for gradient in finish_gradients[0]]).norm()
    assert float(norm) == pytest.approx(1e-3, rel=1e-3)


def test_the_initialisation_phase_matches_without_data() -> None:
    class NoData(Toy):
        def train_batch(self, seed: int, step: int) -> Any:
            raise AssertionError("the initialisation phase asked for data")

    source = uhn(SPEC)
    before = float(matching_loss(source(SPEC).detach(), SPEC))
    reports = finish(Loop(source, OneModel(NoData(), SPEC), [Phase("init", 60, 0.01)], seed=0))
    assert reports[-1].kind == "init" and reports[-1].step == reports[-1].steps == 60
    assert float(matching_loss(source(SPEC).detach(), SPEC)) < 0.1 * before


def test_half_precision_leaves_the_initialisation_phase_in_float32() -> None:
    found = []
    for precision in ("fp32", "bf16", "fp16"):
        source = uhn(SPEC)
        finish(Loop(source, OneModel(Toy(), SPEC), [Phase("init", 5, 0.01)], seed=0, precision=precision))
        found.append(torch.cat([p.detach().flatten() for p in source.parameters()]))
    assert torch.equal(found[0], found[1]) and torch.equal(found[0], found[2])


def test_a_chain_is_initialised_level_by_level() -> None:
    level = generated_uhn(structure_frequencies=4, index_frequencies=8, hidden=8, index_layers=2)
    root = uhn(level, SPEC, structure=True)
    chain = Chain(root, [level])
    phases = [Phase("init", 40, 0.01, level=1), Phase("init", 5, 0.003, level=0)]
    before = float(matching_loss(chain.level(1)[1].detach(), level))
    losses = {report.phase: report.loss for report in Loop(chain, OneModel(Toy(), SPEC), phases, seed=0)}
    assert losses[0] < before and set(losses) == {0, 1}
    assert losses[1] == pytest.approx(float(matching_loss(chain(SPEC).detach(), SPEC)), rel=2)


def test_every_phase_has_an_optimiser_of_its_own() -> None:
    loop = Loop(uhn(SPEC), OneModel(Toy(), SPEC), [Phase("init", 3, 0.1), Phase("train", 2, 0.1)], seed=0)
    counts = []
    loop.after_step = lambda: counts.append({int(s["step"]) for s in loop.optimiser.state.values()})
    finish(loop)
    assert counts == [{1}, {2}, {3}, {1}, {2}]


def test_reports_are_means_since_the_last_one() -> None:
    phases = [Phase("init", 3, 1e-3), Phase("train", 7, 1e-3, unit=3)]
    every = finish(Loop(uhn(SPEC), OneModel(Toy(), SPEC), phases, seed=0, report_at=lambda phase, step: True))
    some = finish(Loop(uhn(SPEC), OneModel(Toy(), SPEC), phases, seed=0, report_at=lambda phase, step: step == 4))
    assert [(r.phase, r.step, r.epoch) for r in some] == [(0, 3, 3), (1, 4, 2), (1, 7, 3)]
    losses = [report.loss for report in every]
    wanted = [sum(losses[:3]) / 3, sum(losses[3:7]) / 4, sum(losses[7:]) / 3]
    assert [report.loss for report in some] == pytest.approx(wanted, rel=1e-6)


def setting(kind: str) -> tuple[Callable[[], WeightSource], Callable[[], SpecDistribution]]:
    specs = small_specs(3)
    if kind == "direct":
        return lambda: Direct(DROPPING, seed=1), lambda: OneModel(Toy(), DROPPING)
    if kind == "uhn":
        return lambda: uhn(DROPPING), lambda: OneModel(Toy(), DROPPING)
    if kind == "set":
        return lambda: uhn(*specs, structure=True), lambda: ModelSet(Toy(), specs, 5)
    pairs = [(f"toy{number}", spec) for number, spec in enumerate(specs)]
    return (
        lambda: uhn(*specs, structure=True),
        lambda: ManyTasks(tuple((Toy(name), spec) for name, spec in pairs), (0.5, 0.3, 0.2), 5),
    )


PHASES = [Phase("init", 4, 0.003), Phase("train", 9, 0.01, warmup=1, unit=3, clip=1.0)]


@pytest.mark.parametrize(
    ("kind", "precision"),
    [
        ("direct", "fp32"), ("uhn", "fp32"), ("set", "fp32"), ("many", "fp32"), ("uhn", "bf16"), ("many", "bf16"),
        ("direct", "fp16"), ("set", "fp16"),
    ],
)  # fmt: skip
def test_interrupted_after_every_step_it_ends_in_the_same_bits(kind: str, precision: str, tmp_path: Path) -> None:
    class Interrupt(Exception):
        pass

    def interrupt() -> None:
        raise Interrupt

    source_of, distribution_of = setting(kind)

    def loop_of(after_step: Callable[[], None] = lambda: None) -> Loop:
        return Loop(
            source_of(),
            distribution_of(),
            PHASES,
            seed=5,
            precision=precision,
            report_at=lambda phase, step: step % 2 == 0,
            after_step=after_step,
        )

    whole = loop_of()
    reports, pieces = finish(whole), []
    for _ in range(sum(phase.steps for phase in PHASES)):
        part = loop_of(interrupt)
        state = load_progress(tmp_path / "progress.ckpt", "me", {})
        if state is not None:
            part.load_state_dict(state)
        with pytest.raises(Interrupt):
            for report in part:
                pieces.append(report)
        save_progress(tmp_path / "progress.ckpt", "me", part.state_dict(), {})
    last = loop_of()
    state = load_progress(tmp_path / "progress.ckpt", "me", {})
    assert state is not None
    last.load_state_dict(state)
    assert finish(last) == [] and pieces == reports
    for (name, a), (_, b) in zip(whole.source.state_dict().items(), last.source.state_dict().items(), strict=True):
        assert torch.equal(a, b), name
    assert all(math.isfinite(report.loss) for report in reports)


def test_progress_that_does_not_fit_is_refused() -> None:
    state = Loop(Direct(SPEC), OneModel(Toy(), SPEC), PHASES, seed=0).state_dict()
    other = Loop(uhn(SPEC), OneModel(Toy(), SPEC), PHASES, seed=0)
    with pytest.raises(ValueError, match="progress does not fit this run"):
        other.load_state_dict(state)
    with pytest.raises(ValueError, match="progress is in phase 7, this run has 2"):
        other.load_state_dict(state | {"phase": 7})


def test_the_state_holds_no_generator() -> None:
    loop = Loop(Direct(SPEC), OneModel(Toy(), SPEC), PHASES, seed=0)
    assert set(loop.state_dict()) == {"source", "optimiser", "scaler", "phase", "step", "losses"}


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("kind", ["direct", "uhn"])
def test_training_learns_in_every_precision(kind: str, precision: str) -> None:
    task = Toy(rows=60, batch_size=20)
    source = Direct(SPEC, seed=1) if kind == "direct" else uhn(SPEC)
    loop = Loop(source, OneModel(task, SPEC), [Phase("train", 40, 0.02)], seed=0, precision=precision)
    loop.report_at = lambda phase, step: step % 10 == 0
    losses = [report.loss for report in loop]
    assert all(math.isfinite(loss) for loss in losses) and losses[-1] < 0.8 * losses[0]
    assert all(p.dtype == torch.float32 and p.isfinite().all() for p in source.parameters())


def test_a_kan_is_trained_in_float32_whatever_the_precision() -> None:
    spec, found = kan((6, 4, 3)), []
    for precision in ("fp32", "bf16"):
        source = Direct(spec, seed=1)
        finish(Loop(source, OneModel(Toy(), spec), [Phase("train", 5, 0.01)], seed=0, precision=precision))
        found.append(source.flat.detach())
    torch.testing.assert_close(*found, rtol=1e-4, atol=1e-5)


def test_an_unknown_precision_is_refused() -> None:
    loop = Loop(Direct(SPEC), OneModel(Toy(), SPEC), [Phase("train", 1, 0.1)], seed=0, precision="fp8")
    with pytest.raises(ValueError, match="fp32, bf16, fp16, got 'fp8'"):
        finish(loop)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_no_number_ends_the_run_as_a_result(bad: float) -> None:
    class Broken(Toy):
        calls = 0

        def loss(self, output: Tensor, target: Tensor) -> Tensor:
            self.calls += 1
            return super().loss(output, target) * (bad if self.calls >= 6 else 1)

    loop = Loop(Direct(SPEC), OneModel(Broken(), SPEC), [Phase("train", 30, 1e-3)], seed=0)
    loop.report_at = lambda phase, step: step % 4 == 0
    seen = []
    with pytest.raises(Diverged, match=r"train loss is (nan|inf) at step 8 of 30") as caught:
        for report in loop:
            seen.append(report.step)
    assert seen == [4] and caught.value.report.step == 8


def test_global_generators_play_no_part() -> None:
    found = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        source = uhn(DROPPING)
        before = torch.random.get_rng_state()
        finish(Loop(source, OneModel(Toy(), DROPPING), PHASES, seed=5))
        assert torch.equal(torch.random.get_rng_state(), before)
        found.append(source(DROPPING).detach())
    assert torch.equal(*found)


def test_the_seed_decides_the_course() -> None:
    found = []
    for seed in (1, 1, 2):
        source = Direct(DROPPING, seed=1)
        finish(Loop(source, OneModel(Toy(), DROPPING), [Phase("train", 6, 0.01)], seed=seed))
        found.append(source.flat.detach())
    assert torch.equal(found[0], found[1]) and not torch.equal(found[0], found[2])
