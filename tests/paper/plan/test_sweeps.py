"""Staged sweeps: the trials there are by name, what each starts from, and that a grid's order means nothing."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from uhn.paper.config import Config, ConfigError, parse_config
from uhn.paper.plan import Plan
from uhn.paper.reading import read_yaml
from uhn.paper.sweeps.stages import Outcome, Sweep, Values

KEY = "kan-kv/uhn"


@pytest.fixture(scope="module")
def data(repository: Path) -> dict[str, Any]:
    found: dict[str, Any] = read_yaml((repository / "params.yaml").read_text(encoding="utf-8"))
    return found


def _config(data: dict[str, Any], profile: str = "paper", **sweeps: Any) -> Config:
    """The settings with some entries of ``sweeps`` of the profile replaced."""
    own = data["profiles"][profile]
    changed = own | {"sweeps": own.get("sweeps", {}) | sweeps}
    text = yaml.dump(
        data | {"profiles": data["profiles"] | {profile: changed}}, sort_keys=False, Dumper=yaml.CSafeDumper
    )
    return parse_config(text, profile)


def _sizes(sweep: Sweep) -> list[tuple[str, int, int]]:
    return [(stage.kind, len(stage.trials), len(stage.seeds)) for stage in sweep.stages]


def test_the_papers_protocol_has_its_stages(data: dict[str, Any]) -> None:
    sweeps = _config(data).sweeps
    whole = [("rate", 3, 1), ("init", 9, 1), ("train", 9, 1), ("seeds", 3, 2)]
    for key in ("mnist-mlp/uhn", "cnn-mixed-width/uhn", "multi-task/uhn", "recursive-k1/uhn"):
        assert _sizes(sweeps[key]) == whole
    assert _sizes(sweeps["cora-gcn/uhn"]) == [("rate", 3, 5), ("init", 9, 5), ("train", 9, 5), ("seeds", 3, 5)]
    assert _sizes(sweeps["kan-jv/uhn"]) == [("rate", 3, 1), ("init", 9, 1), ("train", 3, 1), ("seeds", 3, 2)]
    assert _sizes(sweeps["cifar10-cnn20/ha"]) == [("train", 9, 1), ("seeds", 3, 2)]
    assert _sizes(sweeps["pubmed-gat/direct"]) == [("train", 9, 5), ("seeds", 3, 5)]
    assert _sizes(sweeps["cifar10-cnn20-raw/uhn"]) == [("train", 3, 3)]
    assert len(sweeps) == 26 * 2 + 2 + 4 + 1 + 1 + 2


def test_grids_that_the_paper_lost_lie_around_its_values(data: dict[str, Any]) -> None:
    direct = _config(data).sweeps["cora-gcn/direct"].entry
    assert (direct.lr, direct.budget) == ((0.005, 0.01, 0.02), (50, 100, 200))
    formula = _config(data).sweeps["kan-sph_harm01/direct"].entry
    assert (formula.lr, formula.budget) == ((0.05, 0.1, 0.2), (4000,))
    chunked = _config(data).sweeps["cifar10-cnn20/chunked"].entry
    assert (chunked.lr, chunked.budget) == ((0.001, 0.002, 0.004), (400, 800, 1600))


def test_each_stage_starts_from_what_the_one_before_chose(data: dict[str, Any]) -> None:
    sweep = _config(data).sweeps["mnist-mlp/uhn"]
    rate, init, train, seeds = sweep.stages
    assert sweep.values(rate, "lr-5e-05", None) == Values(5e-5, 100)
    chosen = Outcome(Values(5e-5, 100), (("stage1/lr-5e-05", Values(5e-5, 100)),))
    assert sweep.values(init, "init-0.0001x200", chosen) == Values(5e-5, 100, 1e-4, 200)
    found = Values(5e-5, 100, 1e-4, 200)
    assert sweep.values(train, "train-0.0002x50", Outcome(found, ())) == Values(2e-4, 50, 1e-4, 200)
    best = (("a", found), ("b", Values(1e-4, 50)))
    assert sweep.values(seeds, "place-2", Outcome(found, best)) == Values(1e-4, 50)
    assert sweep.values(seeds, "place-3", Outcome(found, best)) == Values(1e-4, 50), "the last, where fewer are left"
    assert [sweep.before(stage) for stage in sweep.stages] == [None, rate, init, train]


def test_an_outcome_can_be_read_back_and_a_broken_one_is_refused(tmp_path: Path) -> None:
    outcome = Outcome(Values(1e-3, 5), (("a", Values(1e-3, 5)), ("b", Values(2e-3, 5, 1e-4, 3))))
    path = tmp_path / "stage1.json"
    assert Outcome.read(path) is None
    path.write_text(yaml.safe_dump(outcome.to_json()).replace("'", '"'))
    with pytest.raises(ValueError, match=re.escape(f"{path}: wanted the outcome of a stage, got a broken file")):
        Outcome.read(path)
    path.write_text(json.dumps(outcome.to_json()))
    assert Outcome.read(path) == outcome


def test_the_order_of_a_grid_changes_no_trial(data: dict[str, Any]) -> None:
    plans = []
    for lr, steps in (([0.001, 0.002], [1, 2]), ([0.002, 0.001], [2, 1])):
        own = data["profiles"]["smoke"]["sweeps"][KEY]
        plans.append(Plan(_config(data, "smoke", **{KEY: own | {"lr": lr, "init_steps": steps}})))
    assert set(plans[0].trials) == set(plans[1].trials)
    assert list(plans[0].trials) != list(plans[1].trials)
    assert all(plans[1].trials[name] == run for name, run in plans[0].trials.items())


def test_a_trial_is_validated_and_never_scored_on_the_test_set(data: dict[str, Any]) -> None:
    for profile in ("smoke", "quick", "paper"):
        plan = Plan(_config(data, profile))
        assert plan.trials
        for name, run in plan.trials.items():
            assert run.name == name
            assert (run.validate_split, run.score) == (True, "validation")
        assert all(run.score == "test" for run in plan.runs.values())


def test_final_training_takes_what_was_selected(data: dict[str, Any], tmp_path: Path) -> None:
    """And an experiment like another takes that one's selection, but for what it says itself."""
    own = data["profiles"]["paper"] | {"hyperparameters": "selected"}
    text = yaml.dump(data | {"profiles": data["profiles"] | {"paper": own}}, sort_keys=False, Dumper=yaml.CSafeDumper)
    config = parse_config(text, "paper")
    chosen = {"cnn-mixed-width/uhn": Values(3e-5, 7, 4e-4, 11), "cifar10-cnn20/uhn": Values(6e-5, 9)}
    for key, values in chosen.items():
        path = config.sweeps[key].file(tmp_path, config.sweeps[key].stages[-1])
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(Outcome(values, (("x", values),)).to_json()))
    plan = Plan(config, tmp_path)

    def found(experiment: str) -> tuple[float, int | None, float | None, int, str]:
        run = plan.runs[name := f"{experiment}/uhn/seed-21962"]
        return run.train.lr, run.train.epochs, run.init.lr, run.init.steps, plan.whose[name]

    assert found("cnn-mixed-width") == (3e-5, 7, 4e-4, 11, "selected")
    assert found("cnn-mixed-width-no-structure") == (3e-5, 7, 4e-4, 11, "selected")
    assert found("cnn-mixed-width-no-init") == (3e-5, 7, None, 0, "selected")
    assert found("cifar10-cnn56") == (6e-5, 9, None, 0, "selected")
    assert found("cifar10-cnn20-raw")[:2] != (6e-5, 9), "it has a sweep of its own"
    assert plan.selections_of(["cnn-mixed-width-no-init/uhn/seed-21962"]) == ("cnn-mixed-width/uhn",)
    assert plan.selections_of(["recursive-k2/uhn/seed-21962"]) == ()
    assert plan.whose["recursive-k2/uhn/seed-21962"] == "paper"


def test_whose_hyperparameters_a_run_has(data: dict[str, Any]) -> None:
    assert {*Plan(_config(data)).whose.values()} == {"paper"}
    assert Plan(_config(data, "quick")).whose["mnist-mlp/uhn/seed-21962"] == "profile"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lr": [0.001, 0.001]}, "lr: wanted every value once"),
        ({"lr": []}, "wanted at least one of each"),
        ({"init_lr": []}, "init_lr and init_steps: wanted both or neither"),
        ({"first": None}, "first: wanted the budget of the stages before"),
        ({"seeds": 3}, "seeds: wanted at most 3, got 3 and 1 more"),
        ({"guardrails": {"mnist": 0.5}}, "guardrails: wanted some of kv, got mnist"),
        ({"lr": [-1.0]}, "wanted > 0"),
        ({"grid": [1]}, "unknown key"),
    ],
)
def test_a_grid_that_cannot_be_searched_is_refused(data: dict[str, Any], change: dict[str, Any], message: str) -> None:
    own = data["profiles"]["smoke"]["sweeps"][KEY]
    with pytest.raises(ConfigError, match=re.escape(message)):
        _config(data, "smoke", **{KEY: own | change})


def test_a_table_of_sweeps_needs_an_entry(data: dict[str, Any]) -> None:
    text = yaml.dump(data | {"sweeps": {}}, sort_keys=False, Dumper=yaml.CSafeDumper)
    with pytest.raises(ConfigError, match="wanted an entry that fits mnist-mlp/uhn"):
        parse_config(text, "paper")
    with pytest.raises(ConfigError, match=re.escape("sweeps.nothing-*: wanted a pattern that fits a run")):
        _config(data | {"sweeps": data["sweeps"] | {"nothing-*": {"lr": [0.1]}}})


def test_a_trial_that_does_not_exist_is_named(data: dict[str, Any]) -> None:
    plan = Plan(_config(data, "smoke"))
    for name, message in (
        ("sweeps/mnist-mlp/uhn/stage1/lr-0.001/seed-21962", "profile smoke sweeps kan-kv/uhn"),
        ("sweeps/kan-kv/uhn/stage1/lr-7/seed-21962", "stage1 has the trials lr-0.001, lr-0.002"),
        ("sweeps/kan-kv/uhn/stage1/lr-0.001/seed-5", "stage1 has the trials"),
    ):
        with pytest.raises(ConfigError, match=message):
            plan.run(name)
    with pytest.raises(ValueError, match="has the stages stage1, stage2, stage3, stage4, got 'stage9'"):
        plan.run("sweeps/kan-kv/uhn/stage9/lr-0.001/seed-21962")
