"""The sampled families: the paper's numbers, splits, files and declared ranges."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import pytest

from uhn.descriptors.ranges import Ranges
from uhn.models.sets import SETS, ModelSet, corner_specs, sample_set, set_family, summary

PAPER = {  # models, mean and maximum (Table 3), draws, first architectures
    "cnn-depth": (100, 366_995, 463_018, 178, [(9, 6, 8, 16, 32, 64), (6, 7, 10, 16, 32, 64), (10, 8, 10, 16, 32, 64)]),
    "cnn-width": (
        500,
        624_987,
        1_072_586,
        770,
        [(6, 6, 6, 28, 48, 128), (6, 6, 6, 20, 56, 100), (6, 6, 6, 16, 60, 128)],
    ),
    "cnn-depth-width": (1000, 734_206, 1_372_110, 1029, [(8, 8, 6, 16, 48, 64)]),
    "transformer": (1000, 523_650, 1_086_212, 1104, [(1, 2, 8, 64)]),
}
SPLITS = {  # Table 17: training, held out, hold-in, validation
    "cnn-depth": (80, 20, 20, 20),
    "cnn-width": (450, 50, 50, 50),
    "cnn-depth-width": (950, 50, 50, 50),
    "transformer": (950, 50, 50, 50),
    "mlp": (180, 20, 20, 20),
}
each_set = pytest.mark.parametrize("name", SETS)


@pytest.mark.parametrize("name", PAPER)
def test_the_papers_set_is_reproduced(name: str) -> None:
    made, (models, mean, largest, trials, first) = sample_set(name), PAPER[name]
    counts = summary(made.specs)
    assert (counts["models"], int(counts["mean"]), counts["max"]) == (models, mean, largest)
    assert made.trials == trials
    assert list(made.architectures[: len(first)]) == first


@each_set
def test_splits_have_the_papers_sizes_and_never_share_a_model(name: str) -> None:
    made = sample_set(name)
    sizes = tuple(len(made.split(part)) for part in ("train", "unseen", "seen", "validation"))
    assert sizes == SPLITS[name]
    train, unseen, seen, validation, tuning = (
        {spec.hash for spec in made.split(part)}
        for part in ("train", "unseen", "seen", "validation", "train_when_tuning")
    )
    assert not unseen & train and not validation & tuning and not unseen & validation
    assert seen <= tuning and validation <= train and tuning | validation == train
    assert len({spec.hash for spec in made.specs}) == len(made.specs)
    with pytest.raises(ValueError, match="train_when_tuning"):
        made.split("test")


def test_the_small_family_is_of_mlps_in_its_own_ranges() -> None:
    """One to four hidden layers of 16 to 64, in eights: by hand, (32,) has 784 * 32 + 32 + 32 * 10 + 10 weights."""
    made = sample_set("mlp")
    assert {len(widths) for widths in made.architectures} == {1, 2, 3, 4}
    assert {width for widths in made.architectures for width in widths} == {16, 24, 32, 40, 48, 56, 64}
    assert made.specs[made.architectures.index((32,))].num_params == 25_450


def test_mixed_depth_holds_out_a_model_deeper_than_all_seen() -> None:
    made = sample_set("cnn-depth")
    start, stop = made.splits["unseen"]
    assert (10, 10, 10, 16, 32, 64) in made.architectures[start:stop]
    assert max(sum(entry[:3]) for entry in made.architectures[slice(*made.splits["train"])]) == 29


@each_set
def test_the_draws_need_no_more_than_raw_outputs_of_mt19937(name: str) -> None:
    """The first architecture again, from the standard library's Mersenne Twister with the same 32-bit stream."""
    family = SETS[name]
    state = [family.seed & 0xFFFFFFFF]
    for i in range(1, 624):
        state.append((1812433253 * (state[-1] ^ (state[-1] >> 30)) + i) & 0xFFFFFFFF)
    twister = random.Random()
    twister.setstate((3, (*state, 624), None))
    draws = iter(lambda: twister.getrandbits(32), None)
    assert family.draw(lambda low, high: low + next(draws) % (high - low + 1)) == sample_set(name).architectures[0]


@each_set
def test_declared_ranges_cover_every_member(name: str) -> None:
    """Of index fields and structure fields alike, so that no sampled model is an extrapolation."""
    ranges = Ranges.declared(corner_specs(name))
    for spec in sample_set(name).specs[:: max(1, len(sample_set(name).specs) // 40)]:
        assert ranges.outside(spec) == []


def test_json_round_trip_and_checks() -> None:
    made = sample_set("cnn-depth")
    data = json.loads(json.dumps(made.to_json()))
    assert ModelSet.from_json(data) == made
    assert ModelSet.from_json(data).hash == made.hash
    wrong = {
        "hash": "0" * 64,
        "parameters": [*data["parameters"][1:], 7],
        "splits": data["splits"] | {"unseen": [0, 20]},
        "architectures": [data["architectures"][1], data["architectures"][0], *data["architectures"][2:]],
    }
    for key, value in wrong.items():
        with pytest.raises(ValueError, match="does not fit"):
            ModelSet.from_json(data | {key: value})
    with pytest.raises(ValueError, match="schema"):
        ModelSet.from_json(data | {"schema": 2})
    with pytest.raises(ValueError, match="keys"):
        ModelSet.from_json({key: value for key, value in data.items() if key != "hash"})
    with pytest.raises(ValueError, match="twice"):
        ModelSet.from_json(data | {"architectures": [data["architectures"][0], *data["architectures"][:-1]]})


def test_order_changes_nothing_but_order() -> None:
    made = sample_set("cnn-depth")
    turned = replace(made, architectures=made.architectures[::-1])
    assert turned.specs == made.specs[::-1]
    assert turned.hash != made.hash
    assert {spec.hash for spec in turned.specs} == {spec.hash for spec in made.specs}


def test_unknown_and_too_small_sets_raise() -> None:
    with pytest.raises(ValueError, match="known: cnn-depth"):
        set_family("cnn-mixed")
    with pytest.raises(ValueError, match="at least 60"):
        replace(sample_set("cnn-depth"), architectures=sample_set("cnn-depth").architectures[:10])
