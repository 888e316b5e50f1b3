"""What a step sees is a pure function of the step."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from toy import SPEC, Toy, small_specs

from uhn.training.distributions import ManyTasks, ModelSet, OneModel, SpecDistribution

SPECS = small_specs(5)
PROBABILITIES = (0.08, 0.55, 0.04, 0.33)


def many(seed: int = 3) -> ManyTasks:
    return ManyTasks(tuple((Toy(f"toy{n}"), SPECS[n]) for n in range(4)), PROBABILITIES, seed)


def make(kind: str, seed: int = 3) -> SpecDistribution:
    if kind == "one":
        return OneModel(Toy(), SPEC)
    return ModelSet(Toy(), SPECS, seed) if kind == "set" else many(seed)


def seen(distribution: SpecDistribution, step: int) -> tuple[str, str, int, str]:
    draw = distribution.at(step)
    return draw.task.name, draw.spec.hash, draw.batch, distribution.spec_at(step).hash


@pytest.mark.parametrize("kind", ["one", "set", "many"])
def test_any_order_of_asking_gives_the_same(kind: str) -> None:
    forward = make(kind)
    wanted = [seen(forward, step) for step in range(60)]
    order = list(range(60))
    random.Random(0).shuffle(order)
    shuffled = make(kind)
    assert {step: seen(shuffled, step) for step in order} == dict(enumerate(wanted))
    assert seen(make(kind), 59) == wanted[59], "as a resumed run asks"


@pytest.mark.parametrize("kind", ["set", "many"])
def test_the_seed_matters(kind: str) -> None:
    assert [seen(make(kind, 3), s)[1] for s in range(30)] != [seen(make(kind, 4), s)[1] for s in range(30)]


def test_one_model_is_always_the_same_with_the_steps_own_batch() -> None:
    one = make("one")
    assert [(d.batch, d.spec) for d in map(one.at, range(5))] == [(step, SPEC) for step in range(5)]
    assert len(one.members) == 1


def test_every_architecture_once_a_pass_and_passes_differ() -> None:
    for pick in (lambda d, s: d.at(s).spec, lambda d, s: d.spec_at(s)):
        distribution = make("set")
        passes = [[pick(distribution, 5 * number + place) for place in range(5)] for number in range(20)]
        for one in passes:
            assert {spec.hash for spec in one} == {spec.hash for spec in SPECS}
        assert len({tuple(spec.hash for spec in one) for one in passes}) > 10
    assert [make("set").at(s).spec for s in range(5, 25)] != [make("set").spec_at(s) for s in range(5, 25)]


def test_tasks_come_as_often_as_they_should_and_batches_count_per_task() -> None:
    distribution, batches = many(), Counter[str]()
    for step in range(3000):
        draw = distribution.at(step)
        assert draw.batch == batches[draw.task.name], "its own loader goes on where it was"
        batches[draw.task.name] += 1
        assert draw.spec == SPECS[int(draw.task.name[-1])]
    for number, probability in enumerate(PROBABILITIES):
        spread = (3000 * probability * (1 - probability)) ** 0.5
        assert abs(batches[f"toy{number}"] - 3000 * probability) < 4 * spread


def test_members() -> None:
    assert [spec for _, spec in ModelSet(Toy(), SPECS, 0).members[:5]] == list(SPECS)
    assert [(task.name, spec) for task, spec in many().members] == [(f"toy{n}", SPECS[n]) for n in range(4)]
