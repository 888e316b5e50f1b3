"""Recorded steps: the same numbers as steps one by one, whatever changes between them, and a way out when not."""

from __future__ import annotations

import copy
import gc
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from toy import DROPPING, SPEC, Toy, small_specs

from uhn.sources import UniversalHypernetwork
from uhn.training import capture
from uhn.training.capture import Steps, _Read
from uhn.training.distributions import ModelSet, OneModel, SpecDistribution
from uhn.training.loop import Loop, Phase
from uhn.training.optimiser import load_optimiser, make_optimiser
from uhn.training.stack import Stack, Together, forward


class Again:
    """A recording that runs the step's code again on the inputs it was recorded with, as a graph would."""

    made = 0

    def __init__(self, step: Callable[[], Tensor], generator: torch.Generator) -> None:
        type(self).made += 1
        self.step, self.loss = step, step().clone()

    def replay(self) -> None:
        self.loss.copy_(self.step())


class Stale(Again):
    """One that forgets to look at its inputs: it gives the first step's result again and again."""

    def replay(self) -> None:
        self.loss.add_(1)


class Failing:
    def __init__(self, step: Callable[[], Tensor], generator: torch.Generator) -> None:
        raise RuntimeError("operation not permitted when stream is capturing")


class FailingFirst(Again):
    left = 1

    def __init__(self, step: Callable[[], Tensor], generator: torch.Generator) -> None:
        if FailingFirst.left:
            FailingFirst.left -= 1
            step()
            raise RuntimeError("a library set itself up")
        super().__init__(step, generator)


class Recorder:
    def __init__(self, record: Any) -> None:
        self.record = record

    def aside(self, step: Callable[[], Tensor]) -> Tensor:
        return step()


PHASES = [Phase("init", 9, 1e-3), Phase("train", 21, 1e-2, warmup=3, clip=0.5)]


def loop_of(distribution: SpecDistribution, recorder: Any, said: list[str]) -> Loop:
    specs = [spec for _, spec in distribution.members]
    source = UniversalHypernetwork.for_specs(specs, hidden=8, frequencies=4, seed=3)
    loop = Loop(source, distribution, PHASES, seed=5, report_at=lambda phase, step: True)
    make = None if recorder is None else lambda: Recorder(recorder)
    loop.steps = Steps(loop._state, loop.device, make, said.append)
    return loop


def outcome(loop: Loop) -> tuple[list[float], list[Tensor]]:
    return [report.loss for report in loop], [p.detach() for p in loop.source.parameters()]


def same(a: tuple[list[float], list[Tensor]], b: tuple[list[float], list[Tensor]]) -> bool:
    return a[0] == b[0] and all(torch.equal(x, y) for x, y in zip(a[1], b[1], strict=True))


@pytest.mark.parametrize("distribution", [OneModel(Toy(), DROPPING), ModelSet(Toy(), small_specs(2), 1)])
def test_recorded_steps_are_the_steps(distribution: SpecDistribution) -> None:
    """Batches of two sizes, two models, dropout, a schedule and clipping; the second phase has its own optimiser."""
    plain = outcome(loop_of(distribution, None, []))
    Again.made, said = 0, []
    recorded = loop_of(distribution, Again, said)
    assert same(outcome(recorded), plain)
    assert Again.made >= 3 and said == []


@pytest.mark.parametrize(("recorder", "why"), [(Stale, "differs from the step itself"), (Failing, "not permitted")])
def test_a_recording_that_fails_or_lies_is_dropped_with_a_reason(recorder: Any, why: str) -> None:
    distribution, said = OneModel(Toy(), DROPPING), []
    assert same(outcome(loop_of(distribution, recorder, said)), outcome(loop_of(distribution, None, [])))
    assert len(said) == capture.ATTEMPTS and why in said[-1] if recorder is Failing else len(said) == 1
    assert why in said[-1] and "from here on" in said[-1]


def test_a_first_recording_that_fails_is_tried_again() -> None:
    distribution, said, FailingFirst.left, Again.made = OneModel(Toy(), DROPPING), [], 1, 0
    assert same(outcome(loop_of(distribution, FailingFirst, said)), outcome(loop_of(distribution, None, [])))
    assert len(said) == 1 and "will be tried again" in said[0] and FailingFirst.made >= 2


def test_a_recording_finds_no_copy_that_remembers_its_parameter() -> None:
    """One would tie the gradient to the stream on which it was made, and spoil a recording on another."""
    found = []

    class Looking(Again):
        def __init__(self, step: Callable[[], Tensor], generator: torch.Generator) -> None:
            new = [o for o in gc.get_objects() if type(o) is Tensor and id(o) not in before]
            found.append([o for o in new if o.grad_fn is not None and o.grad_fn.name() == "CloneBackward0"])
            super().__init__(step, generator)

    gc.collect()
    others = [o for o in gc.get_objects() if type(o) is Tensor]  # of the tests before
    before = {id(o) for o in others}
    outcome(loop_of(OneModel(Toy(), DROPPING), Looking, []))
    assert found and not any(found) and others


def test_a_stack_is_recorded_too() -> None:
    """Its loss is one number per run."""
    said: list[str] = []

    def trained(recorder: Any) -> tuple[list[float], list[Tensor]]:
        runs = Together((Toy(), Toy()), (1, 2), SPEC)
        stack = Stack([UniversalHypernetwork.for_specs([SPEC], hidden=8, frequencies=4, seed=seed) for seed in (1, 2)])
        loop = Loop(
            stack,
            runs,
            [Phase("train", 21, 1e-2, warmup=3)],
            seed=5,
            report_at=lambda phase, step: True,
            forward=forward,
        )
        make = None if recorder is None else lambda: Recorder(recorder)
        loop.steps = Steps(loop._state, loop.device, make, said.append)
        return outcome(loop)

    Again.made = 0
    assert same(trained(Again), trained(None)) and Again.made >= 1 and said == []


def test_many_kinds_of_steps_are_not_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture, "MOST", 2)
    distribution, said = ModelSet(Toy(), small_specs(5), 1), []
    assert same(outcome(loop_of(distribution, Again, said)), outcome(loop_of(distribution, None, [])))
    assert said == [
        "steps are not recorded as CUDA graphs from here on: more than 2 kinds of steps (models and shapes)"
    ]


def test_resumed_between_recorded_steps() -> None:
    distribution = OneModel(Toy(), DROPPING)
    whole = outcome(loop_of(distribution, Again, []))
    first = loop_of(distribution, Again, [])
    losses = []
    for report in first:
        losses.append(report.loss)
        if len(losses) == 22:
            break
    state = copy.deepcopy(first.state_dict())
    second = loop_of(distribution, Again, [])
    second.load_state_dict(state)
    rest = outcome(second)
    assert same((losses + rest[0], rest[1]), whole)


def test_what_a_recording_reads_is_kept_and_what_it_makes_is_not() -> None:
    kept, made = torch.ones(3), []
    with _Read() as read:
        made.append(kept * 2)
        made.append(made[0] + kept)
    assert [t.data_ptr() for t in read.kept] == [kept.data_ptr()]


def test_an_optimiser_keeps_how_it_computes_when_its_state_is_loaded() -> None:
    layer = nn.Linear(2, 2)
    optimiser = make_optimiser(list(layer.parameters()), torch.device("cpu"))
    layer(torch.ones(1, 2)).sum().backward()
    optimiser.step()
    state = optimiser.state_dict()
    state["param_groups"][0] |= {"fused": None, "capturable": True, "lr": torch.tensor(3.0)}
    fresh = make_optimiser(list(layer.parameters()), torch.device("cpu"))
    load_optimiser(fresh, state)
    group = fresh.param_groups[0]
    assert (group["lr"], group["fused"], group["capturable"]) == (1.0, True, False)
    assert len(fresh.state) == 2
