"""The plan: which runs, which jobs, what they cost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from recorded import recorded

from uhn.paper.budget import run_steps
from uhn.paper.cli import main
from uhn.paper.config import Config, ConfigError, load_config, parse_config
from uhn.paper.costs import Cost, read_costs
from uhn.paper.plan import Plan, describe, plan_hash
from uhn.paper.reading import read_yaml
from uhn.paper.sweeps.stages import Sweep
from uhn.paper.tables.catalogue import tables
from uhn.paper.tables.columns import LAST


@pytest.fixture(scope="module")
def text(repository: Path) -> str:
    return (repository / "params.yaml").read_text(encoding="utf-8")


def _plan(text: str, profile: str = "quick", **changes: object) -> Plan:
    data = read_yaml(text)
    data["profiles"][profile] |= changes
    return Plan(parse_config(yaml.dump(data, sort_keys=False, Dumper=yaml.CSafeDumper), profile))


def test_every_cell_has_its_runs_and_every_run_its_cell(text: str) -> None:
    plan = _plan(text, "paper")
    cells = {
        (key.experiment, key.source)
        for spec in tables({name: tuple(entry.methods) for name, entry in plan.config.experiments.items()}).values()
        if spec.number <= LAST  # a further table may be of rows that the paper does not have
        for row in spec.rows
        for key in row.cells.values()
        if key.source in plan.config.entry(key.experiment).methods
    }
    assert len(plan.runs) == sum(len(plan.config.seeds(experiment)) for experiment, _ in cells)
    assert list(plan.runs)[0] == "mnist-mlp/direct/seed-21962"
    for name, run in plan.runs.items():
        assert run.name == name == f"{run.experiment}/{run.method}/seed-{run.seed}"
        assert plan.tables_of(name)


def test_a_run_that_two_tables_need_is_one_run(text: str) -> None:
    plan = _plan(text, tables={"table01": ["cifar10-cnn20"], "table23": "all"})
    names = [f"cifar10-cnn20{name}/seed-21962" for name in ("/direct", "/uhn", "-raw/uhn", "-positional/uhn")]
    assert list(plan.runs) == names
    assert [plan.tables_of(name) for name in names] == [
        ("table01",),
        ("table01", "table23"),
        ("table23",),
        ("table23",),
    ]


def test_an_experiment_that_no_table_shows_is_refused(text: str) -> None:
    """It would be planned for nothing, and nobody would know."""
    data = read_yaml(text)
    data["experiments"]["kan-own"] = {"like": "kan-kv"}
    with pytest.raises(
        ConfigError, match=r"experiments\.kan-own: wanted a row in uhn/paper/tables/ \(further\.py takes"
    ):
        parse_config(yaml.safe_dump(data), "quick")


@pytest.mark.parametrize("profile", ["earlier", "earlier-cnn20"])
def test_the_rows_of_older_files_are_those_that_are_declared(repository: Path, profile: str) -> None:
    """Files from before the tables declared their rows name them; they are read if that is the same."""
    older = (repository / f"results/reference/{profile}/params.yaml").read_text(encoding="utf-8")
    plan = Plan(parse_config(older, profile))
    data = read_yaml(older)
    for name, table in data["tables"].items():
        chosen = data["profiles"][profile]["tables"].get(name, [])
        runs = plan.trials if table.get("sweeps") else plan.runs
        asked = {
            (row, method)
            for row in table["rows"]
            if chosen == "all" or row in chosen
            for method in table.get("methods") or plan.config.entry(row).methods
            if method in plan.config.entry(row).methods
        }
        assert {(runs[run].experiment, runs[run].method) for run in plan.tables[name]} == asked, name
    data["tables"]["table03"]["rows"].append("kan-kv")
    with pytest.raises(ConfigError, match=r"tables\.table03\.rows: wanted no such section .* got 'kan-kv'"):
        parse_config(yaml.safe_dump(data), profile)


@pytest.mark.parametrize("grouping", ["run", "row", "job"])
def test_jobs_carry_every_run_once_and_never_two_seeds(text: str, grouping: str) -> None:
    plan = _plan(text, grouping=grouping, seeds=3)
    carried = [name for names in plan.groups.values() for name in names]
    assert sorted(carried) == sorted(plan.runs)
    for names in plan.groups.values():
        assert len({plan.runs[name].seed for name in names}) == 1
    experiments = {run.experiment for run in plan.runs.values()}
    jobs = {plan.config.entry(name).job or name for name in experiments}
    number = {"run": len(plan.runs), "row": 3 * len(experiments), "job": 3 * len(jobs)}
    assert len(plan.groups) == number[grouping]
    if grouping == "job":
        assert len(plan.groups["functions/seed-21962"]) == 30


def test_one_seed_more_leaves_the_other_jobs_as_they_are(text: str) -> None:
    one, two = _plan(text, seeds=1), _plan(text, seeds=2)
    assert {job: names for job, names in two.groups.items() if job in one.groups} == one.groups
    assert all(two.runs[name] == run for name, run in one.runs.items())


def test_a_run_outside_the_tables_can_be_asked_for_by_name(text: str) -> None:
    plan = _plan(text)
    assert plan.run("cora-gcn/uhn/seed-5").seed == 5
    for name, message in (
        ("mnist-mpl/uhn/seed-5", "did you mean mnist-mlp"),
        ("mnist-mlp/hun/seed-5", "wanted mnist-mlp/<direct or uhn>/seed-<number>"),
        ("mnist-mlp/uhn/seed-x", "seed-<number>"),
        ("mnist-mlp", "seed-<number>"),
    ):
        with pytest.raises(ConfigError, match=message):
            plan.run(name)


def test_hours_come_from_finished_runs(text: str, tmp_path: Path) -> None:
    plan = _plan(text, tables={"table01": ["mnist-mlp"]})
    assert "not measured" in describe(plan, tmp_path)
    for name, run in plan.runs.items():
        folder = tmp_path / "runs" / name
        folder.mkdir(parents=True)
        steps = run_steps(run)
        metrics = recorded(name, value=1.0, budget={"init_steps": 0, "train_steps": steps}, wall_time_s=3600.0)
        (folder / "metrics.json").write_text(json.dumps(metrics))
    line = next(line for line in describe(plan, tmp_path).splitlines() if line.startswith("table01"))
    assert line.split()[1] == "2"
    assert line.split()[-1] == "2.00"
    assert describe(plan, tmp_path).splitlines()[-1].startswith("hours: one run after another, from finished runs")
    (tmp_path / "costs.json").write_text(
        json.dumps({"hardware": {"processor": "Z80", "device": "cpu", "cores": 1}, "seconds_per_step": {}})
    )
    assert "from steps timed on Z80 (cpu, cores: 1) and from" in describe(plan, tmp_path)
    there = metrics["hardware"] | {"device": "cuda" if metrics["hardware"]["device"] == "cpu" else "cpu"}
    (folder / "metrics.json").write_text(json.dumps(metrics | {"hardware": there}))
    assert "not measured" in describe(plan, tmp_path), "the hours of another kind of device"


def test_hours_come_from_timed_steps_where_nothing_has_run(
    repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = ["--results", str(tmp_path), "--data", str(tmp_path / "data")]
    params = tmp_path / "params.yaml"
    data = read_yaml((repository / "params.yaml").read_text(encoding="utf-8"))
    data["profiles"]["smoke"] |= {"tables": {"table11": ["kan-kv"], "table13": ["kan-kv"]}}
    params.write_text(yaml.safe_dump(data))
    assert main(["plan", "--measure", "--profile", "smoke", "--params", str(params), *places]) == 0
    said = capsys.readouterr().out
    assert "[2/2] kan-kv/uhn:" in said
    assert "not measured" not in said
    costs = read_costs(tmp_path / "smoke")
    assert set(costs) == {"kan-kv/direct", "kan-kv/uhn"}
    plan = Plan(load_config(params, "smoke"))
    run = plan.runs["kan-kv/uhn/seed-21962"]
    known = Cost({"kan-kv/uhn": {"init": 2.0, "train": 10.0}})
    assert known.hours([run, run]) == pytest.approx(2 * (2.0 * run.init.steps + 10.0 * (run.train.steps or 0)) / 3600)
    assert known.hours(plan.runs.values()) is None


def test_only_what_is_read_from_files_is_fetched(text: str) -> None:
    some = _plan(text, tables={"table01": ["mnist-mlp"], "table11": "all"})
    assert some.datasets() == ("mnist",)
    assert _plan(text).may_be_missing("mnist")
    assert not _plan(text, "paper").may_be_missing("mnist")


def test_the_hash_of_a_plan_sees_settings_and_not_comments(text: str) -> None:
    assert plan_hash(_plan(text)) == plan_hash(Plan(parse_config(text + "\n# a comment\n", "quick")))
    changed = text.replace("lr: 0.01, epochs: 200", "lr: 0.02, epochs: 200")
    assert plan_hash(Plan(parse_config(changed, "paper"))) != plan_hash(Plan(parse_config(text, "paper")))


def test_a_large_plan_resolves_every_run_once_and_looks_nothing_up_by_going_through_all(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted, not timed: work that grows with the square of the runs, or anew with every question of a rule."""
    content = read_yaml(text)
    content["seeds"]["default"] += range(100, 140)
    content["sweeps"] = {"*": {"seeds": 3, "more_seeds": 40}} | content["sweeps"]
    content["profiles"]["searches"]["sweeps"] = {}
    plan = Plan(parse_config(yaml.safe_dump(content), "searches"))
    counts = {"resolve": 0, "run_name": 0}

    def counted(owner: type, name: str) -> None:
        real = getattr(owner, name)

        def call(*args: Any, **rest: Any) -> Any:
            counts[name] += 1
            return real(*args, **rest)

        monkeypatch.setattr(owner, name, call)

    counted(Config, "resolve")
    counted(Sweep, "run_name")
    plan.check()
    everything = [*plan.runs, *plan.trials]
    for name in everything * 3:
        plan.datasets([name])
    assert len(plan.trials) > 400
    assert counts["resolve"] == len(everything)
    assert counts["run_name"] <= 5 * len(plan.trials)
