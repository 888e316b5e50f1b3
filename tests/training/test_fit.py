"""``uhn.fit`` against loops written by hand, against itself interrupted, and what it must not do."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import fit_cases
import pytest
import torch
import torch.nn.functional as F
from fit_cases import CASES, SMALL, STEPS, rows
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import uhn
from uhn.training.checkpoint import read_progress
from uhn.training.feed import Feed
from uhn.training.loop import Diverged, Report

QUIET: dict[str, Any] = {"progress": False}
SPEC = uhn.mlp((4, 5, 3))


def small(*specs: uhn.ModelSpec, **settings: Any) -> uhn.UniversalHypernetwork:
    return uhn.UniversalHypernetwork.for_specs(list(specs) or [SPEC], **(SMALL | settings))


def same(a: nn.Module, b: nn.Module) -> bool:
    pairs = zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    return all(torch.equal(one, other) for one, other in pairs)


def test_it_is_the_loop_that_one_writes_by_hand() -> None:
    x, y = rows()
    fitted, own = small(), small()
    reports = uhn.fit(fitted, {SPEC: (x, y)}, loss=F.cross_entropy, steps=6, lr=0.02, warmup=2, report_every=1, **QUIET)
    optimiser = torch.optim.AdamW(own.parameters(), weight_decay=0.0)
    for step, report in enumerate(reports):
        rate = (step + 1) / 3 if step < 2 else 0.5 * (1 + math.cos(math.pi * (step - 2) / 4))
        optimiser.param_groups[0]["lr"] = 0.02 * rate
        loss = F.cross_entropy(uhn.run(SPEC, own(SPEC), x), y)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        assert report.loss == pytest.approx(float(loss.detach()), rel=1e-5)
    torch.testing.assert_close(fitted(SPEC), own(SPEC), rtol=1e-4, atol=1e-6)


def test_a_described_network_with_ones_own_optimiser_and_scheduler_is_too() -> None:
    network = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3))
    spec = uhn.describe(network, only="2.*")  # the first layer is trained as it is
    fitted, own, copies = small(spec), small(spec), [nn.Sequential(*network), nn.Sequential(*network)]
    x, y = rows(12)
    batches = list(DataLoader(TensorDataset(x, y), batch_size=5))
    first = network[0].weight.detach().clone()
    parts, ends = [], []
    for generator in (fitted, own):
        with torch.no_grad():
            network[0].weight.copy_(first)
        optimiser = torch.optim.SGD([*generator.parameters(), network[0].weight], lr=0.1, momentum=0.9)
        scheduler = torch.optim.lr_scheduler.StepLR(optimiser, 3, 0.5)
        if generator is fitted:
            given: dict[str, Any] = {"modules": {spec: network}, "also": [network], "optimiser": optimiser}
            uhn.fit(fitted, {spec: batches}, loss=F.cross_entropy, steps=8, scheduler=scheduler, **given, **QUIET)
        else:
            for step in range(8):
                a, b = batches[step % 3]
                optimiser.zero_grad()
                F.cross_entropy(uhn.call(network, spec, own(spec), a), b).backward()
                optimiser.step()
                scheduler.step()
        parts.append(network[0].weight.detach().clone())
        ends.append(generator(spec))
    assert len(copies) == 2 and not torch.equal(parts[0], first)
    torch.testing.assert_close(*parts)
    torch.testing.assert_close(*ends)


def test_conditions_go_each_to_its_own_inputs() -> None:
    generator = small(condition=2)
    torch.nn.init.normal_(generator.condition.last.weight)  # type: ignore[union-attr]
    x, y = rows(6)
    inputs, targets, c = torch.stack([x, 2 * x]), torch.stack([y, 2 - y]), torch.randn(2, 2)
    seen: list[Tensor] = []

    def loss(output: Tensor, target: Tensor) -> Tensor:
        seen.append(output.detach())
        return F.cross_entropy(output.flatten(0, 1), target.flatten())

    wanted = torch.stack([uhn.run(SPEC, generator(SPEC, condition=c[k]), inputs[k]) for k in (0, 1)]).detach()
    (report,) = uhn.fit(generator, {SPEC: (inputs, targets, c)}, loss=loss, steps=1, **QUIET)
    torch.testing.assert_close(seen[0], wanted)
    assert report.loss == pytest.approx(float(F.cross_entropy(wanted.flatten(0, 1), targets.flatten())), rel=1e-5)


def test_a_killed_training_goes_on_in_the_same_bits(tmp_path: Path, forking_python: str) -> None:
    case = "together"
    whole, reports = CASES[case](None, [])
    path = tmp_path / "run.ckpt"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [forking_python, fit_cases.__file__, case, str(path)]
    killed = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert read_progress(path)["state"]["loop"]["step"] == 5  # killed after step 6, before it was saved
    resumed, again = CASES[case](path, [])
    assert again == reports and same(resumed, whole)
    finished, once_more = CASES[case](path, [lambda report: pytest.fail("trained again")])
    assert once_more == reports and same(finished, whole)


@pytest.mark.parametrize("case", CASES)
def test_ctrl_c_saves(case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole, reports = CASES[case](None, [])
    path = tmp_path / "run.ckpt"
    with pytest.raises(KeyboardInterrupt):
        CASES[case](path, [lambda report: os.kill(os.getpid(), signal.SIGINT) if report.step == 4 else None])
    assert read_progress(path)["state"]["loop"]["step"] == 4
    resumed, again = CASES[case](path, [])
    assert again == reports and same(resumed, whole)


def test_a_checkpoint_of_another_course_is_set_aside(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, data = tmp_path / "run.ckpt", {SPEC: rows()}
    settings: dict[str, Any] = {"loss": F.cross_entropy, "steps": 3, "checkpoint": path, "progress": False}
    uhn.fit(small(), data, **settings)
    for other in ({"steps": 4}, {"lr": 0.5}, {"seed": 2}, {"loss": F.multi_margin_loss}):
        reports = uhn.fit(small(), data, **(settings | other))
        assert reports[-1].step == (settings | other)["steps"]
        assert "belongs to other settings, data or code; set aside" in capsys.readouterr().out
    x, y = rows()
    for generator, changed in ((small(seed=5), data), (small(), {SPEC: (x + 1, y)})):
        uhn.fit(generator, changed, **settings)
        assert "set aside" in capsys.readouterr().out


def test_a_checkpoint_that_cannot_be_written_is_said_before_the_first_step(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    untouched = small()
    with pytest.raises(OSError, match="cannot write .*run.ckpt"):
        uhn.fit(untouched, {SPEC: rows()}, loss=F.cross_entropy, steps=3, checkpoint=tmp_path / "file" / "run.ckpt")
    assert same(untouched, small())


def test_a_callback_that_returns_true_ends_the_training(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "run.ckpt"
    settings: dict[str, Any] = {"loss": F.cross_entropy, "steps": 9, "report_every": 2, "checkpoint": path}
    ended = small()
    reports = uhn.fit(ended, {SPEC: rows()}, callbacks=[lambda report: report.step == 4], **settings)
    assert [report.step for report in reports] == [2, 4] and "ended after 4 steps" in capsys.readouterr().out
    loaded = small()
    assert uhn.fit(loaded, {SPEC: rows()}, **settings) == reports and same(loaded, ended)


def test_training_leaves_the_global_generators_alone() -> None:
    before = torch.random.get_rng_state()
    CASES["together"](None, [])
    # the case itself builds its network after seeding; what training draws comes on top of that
    torch.manual_seed(3)
    nn.Linear(4, 6), nn.Linear(6, 3)
    assert not torch.equal(torch.random.get_rng_state(), before)
    expected = torch.random.get_rng_state()
    CASES["together"](None, [])
    assert torch.equal(torch.random.get_rng_state(), expected)


def test_a_loss_that_is_no_number_is_said() -> None:
    with pytest.raises(Diverged, match="train loss is nan at step 2 of 4"):
        loss = lambda output, target: output.sum() * math.nan  # noqa: E731
        uhn.fit(small(), {SPEC: rows()}, loss=loss, steps=4, report_every=2, **QUIET)


def test_half_precision_learns_and_the_loss_sees_float32() -> None:
    seen: list[torch.dtype] = []

    def loss(output: Tensor, target: Tensor) -> Tensor:
        seen.append(output.dtype)
        return F.cross_entropy(output, target)

    reports = uhn.fit(small(), {SPEC: rows(40)}, loss=loss, steps=60, lr=0.02, precision="bf16", **QUIET)
    assert set(seen) == {torch.float32} and reports[-1].loss < 0.9 * reports[0].loss


class TestFeed:
    def test_a_loader_is_the_same_in_any_order(self) -> None:
        def loader() -> Feed:
            own = torch.Generator()
            return Feed(DataLoader(fit_cases.Noisy(*rows()), batch_size=4, shuffle=True, generator=own), "0")

        feed = loader()
        inputs = [feed.at(7, number).inputs for number in range(9)]
        assert not torch.equal(inputs[0], inputs[4]), "passes are shuffled anew"
        for number in (5, 0, 8, 3):
            assert torch.equal(loader().at(7, number).inputs, inputs[number])
            assert torch.equal(feed.at(7, number).inputs, inputs[number])

    def test_passes_hold_every_row_once(self) -> None:
        x = torch.arange(13.0)[:, None]
        for feed in (Feed((x, x), "0", 4), Feed(DataLoader(TensorDataset(x, x), batch_size=4, shuffle=True), "0")):
            for first in (0, 4):
                seen = torch.cat([feed.at(0, number).target for number in range(first, first + 4)]).flatten()
                assert sorted(seen.tolist()) == list(range(13)) and seen.tolist() != list(range(13))

    def test_an_iterable_without_a_length_goes_on_in_the_middle(self) -> None:
        class Unknown:
            def __iter__(self) -> Any:
                return iter([(n, n * torch.rand(())) for n in range(3)])

        feed = Feed(Unknown(), "0")
        seen = [feed.at(0, number) for number in range(7)]
        assert [given.inputs for given in seen] == [0, 1, 2, 0, 1, 2, 0]
        assert Feed(Unknown(), "0").at(0, 5) == seen[5]

    def test_data_that_runs_out_is_said(self) -> None:
        feed = Feed(((n, n) for n in range(2)), "0")
        feed.at(0, 0), feed.at(0, 1)
        with pytest.raises(ValueError, match="again and again: pass 2 of the generator has no batch"):
            feed.at(0, 2)


class TestRegulariser:
    def test_the_formula(self) -> None:
        generator, other = small(condition=2), uhn.mlp((4, 3, 3))
        generator = small(SPEC, other, condition=2)
        torch.nn.init.normal_(generator.condition.last.weight)  # type: ignore[union-attr]
        c = torch.randn(2, 2)
        old = [generator(SPEC, condition=c[0]), generator(SPEC, condition=c[1]), generator(other)]
        old = [flat.detach() for flat in old]
        term = uhn.output_regulariser(generator, [(SPEC, c[0]), other, (SPEC, c[1])], 0.5)
        assert float(term().detach()) < 1e-12
        with torch.no_grad():
            for parameter in generator.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
        new = [generator(SPEC, condition=c[0]), generator(SPEC, condition=c[1]), generator(other)]
        wanted = 0.5 * sum((a - b).square().sum().detach() for a, b in zip(new, old, strict=True)) / 3
        torch.testing.assert_close(term(), wanted)
        term().backward()
        assert all(p.grad is not None for p in generator.parameters())

    def test_the_old_model_stays_while_a_new_one_is_learnt(self) -> None:
        x, y = rows(40)
        losses = []
        for weight in (None, 0.03):
            generator, c = small(condition=2), torch.eye(2)
            fixed: dict[str, Any] = {"loss": F.cross_entropy, "steps": 60, "lr": 0.02, "progress": False}
            uhn.fit(generator, {SPEC: (x, y, c[0])}, **fixed)
            keep = None if weight is None else uhn.output_regulariser(generator, [(SPEC, c[0])], weight)
            uhn.fit(generator, {SPEC: (x, 2 - y, c[1])}, regulariser=keep, **fixed)
            pairs = ((y, c[0]), (2 - y, c[1]))
            losses.append(
                [float(F.cross_entropy(uhn.run(SPEC, generator(SPEC, condition=d), x), t).detach()) for t, d in pairs]
            )
        assert losses[1][0] < 0.5 * losses[0][0], "the old task is kept"
        assert losses[1][1] < 0.9, "and the new one is learnt"


class TestInitialise:
    def test_it_is_the_phase_that_one_writes_by_hand(self) -> None:
        by_method, own = small(), small()
        loss = by_method.initialise([SPEC], steps=20, lr=0.01, progress=False)
        optimiser = torch.optim.AdamW(own.parameters(), weight_decay=0.0)
        seen = []
        for step in range(20):
            optimiser.param_groups[0]["lr"] = 0.01 * 0.5 * (1 + math.cos(math.pi * step / 20))
            found = uhn.matching_loss(own(SPEC), SPEC)
            optimiser.zero_grad()
            found.backward()
            optimiser.step()
            seen.append(float(found.detach()))
        assert loss == pytest.approx(sum(seen[10:]) / 10, rel=1e-4) and seen[-1] < 0.5 * seen[0]
        torch.testing.assert_close(by_method(SPEC), own(SPEC), rtol=1e-3, atol=1e-4)

    def test_until(self, capsys: pytest.CaptureFixture[str]) -> None:
        specs = [SPEC, uhn.describe(nn.Sequential(nn.Linear(4, 8), nn.LayerNorm(8), nn.Linear(8, 3)))]
        generator = small(*specs, hidden=32)
        start = float(sum(uhn.matching_loss(generator(spec), spec).detach() for spec in specs)) / 2
        loss = generator.initialise(specs, steps=3000, until=start / 20, lr=0.01)
        assert loss <= start / 20 and "initialisation: loss" in capsys.readouterr().out
        mean = float(sum(uhn.matching_loss(generator(spec), spec).detach() for spec in specs)) / 2
        assert mean < start / 10, "of all of them"
        assert small().initialise([SPEC], steps=3, until=1e-9) > 1e-9
        assert "not down to 1e-09" in capsys.readouterr().out

    def test_a_chain_from_the_root_down(self) -> None:
        from uhn.models.hypernet import generated_uhn

        level = generated_uhn(structure_frequencies=4, index_frequencies=8, hidden=8)
        chain = uhn.Chain(small(level, SPEC), [level])

        @torch.no_grad()
        def losses() -> list[float]:
            return [float(uhn.matching_loss(chain.level(1)[1], level)), float(uhn.matching_loss(chain(SPEC), SPEC))]

        before = losses()
        chain.initialise([SPEC], steps=60, lr=3e-3, progress=False)
        assert all(after < start for after, start in zip(losses(), before, strict=True))


def test_progress_is_shown(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    settings: dict[str, Any] = {"loss": F.cross_entropy, "steps": STEPS, "checkpoint": tmp_path / "run.ckpt"}
    reports = uhn.fit(small(), {SPEC: rows()}, **settings)
    assert all(isinstance(report, Report) for report in reports)
    out = capsys.readouterr().out
    assert f"fit: train step {STEPS}/{STEPS} loss" in out and "fit: finished" in out
    uhn.fit(small(), {SPEC: rows()}, **settings)
    assert f"run.ckpt holds all of {STEPS} steps" in capsys.readouterr().out
