"""What captions and marks say of runs that are not as the paper's, or not as the plan's."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from reporting_synthetic import leave, metrics, planned

from uhn.paper.cli import main
from uhn.paper.config import load_config, parse_config
from uhn.paper.names import RunId
from uhn.paper.plan import Plan
from uhn.paper.report import reductions
from uhn.paper.report.coverage import to_markdown as coverage
from uhn.paper.report.formats import to_markdown
from uhn.paper.report.latex import tex, to_tex
from uhn.paper.report.matrix import TITLE
from uhn.paper.report.reductions import SAID_ELSEWHERE
from uhn.paper.report.render import open_book
from uhn.paper.report.tables import Table, build
from uhn.paper.report.tracked import cells
from uhn.paper.settings import RunSettings
from uhn.paper.sweeps.stages import Outcome, Values
from uhn.paper.tables.catalogue import tables

SEEDS = (21962, 59358, 78117)

PHRASES: dict[str, tuple[Any, str]] = {
    "members": (10, "members evaluated 10 / 50"),
    "validate_split": (True, "validation split on / off"),
    "data.train_rows": (100, "training rows 100 / 50,000"),
    "data.test_rows": (100, "test rows 100 / 10,000"),
    "generator.hidden": (8, "hidden width 8 / 128"),
    "generator.blocks": (3, "residual blocks 3 / 2"),
    "generator.index_frequencies": (16, "index frequencies 16 / 2,048"),
    "generator.structure_frequencies": (4, "structure frequencies 4 / 32"),
    "generator.structure": (False, "task-structure encoder off / on"),
    "generator.encoding": ("raw", "encoding raw / gff"),
    "generator.scale": (10.0, "frequency scale 10 / 100"),
    "init.steps": (20_000, "initialisation steps 20,000 / 12,800"),
    "init.lr": (3e-4, "initialisation rate 0.0003 / 0.0001"),
    "init.warmup": (7, "initialisation warm-up 7 / 0"),
    "train.lr": (2e-5, "learning rate 2e-5 / 0.0001"),
    "train.epochs": (1, "training steps 196 / 627,200"),
    "train.steps": (700_000, "training steps 700,000 / 627,200"),
    "train.warmup": (1, "warm-up 1 epoch / 5 epochs"),
    "train.batch_size": (64, "batch 64 / 256"),
    "train.clip": (0.1, "gradient clipping 0.1 / off"),
    "precision": ("fp16", "precision fp16 / auto (profile paper)"),
}
"""By setting, another value than the paper's for a model family on CIFAR-10, and what its table must say."""


def leaves(settings: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in settings.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield prefix + key


Params = dict[str, Any]


@pytest.fixture(scope="module")
def whole(repository: Path) -> Params:
    """The project's own params.yaml, read once."""
    data: Params = yaml.safe_load((repository / "params.yaml").read_text(encoding="utf-8"))
    return data


def cut(whole: Params, table: str, row: str, **other: Any) -> str:
    """params.yaml of one row, with what it is like, under the profiles ``paper`` and ``other``."""
    names = [row]
    while parent := whole["experiments"][names[-1]].get("like"):
        names.append(parent)
    entry = {"tables": {table: [row]}}
    data = {key: whole[key] for key in ("seeds", "defaults")}
    data["experiments"] = {name: whole["experiments"][name] for name in names}
    data["profiles"] = {"paper": entry, "other": entry | {"overrides": {row: other}}}
    return yaml.safe_dump(data, sort_keys=False)


def runs_of(text: str, experiment: str, profile: str = "other") -> list[RunSettings]:
    config = parse_config(text, profile)
    return [config.resolve(experiment, "uhn", seed) for seed in SEEDS]


def with_members(run: RunSettings, **changes: Any) -> dict[str, Any]:
    number = run.members or 50
    each = {
        f"{s}-{n}": {"value": 0.5, "parameters": 1, "seen": s == "seen"} for s in ("seen", "un") for n in range(number)
    }
    return planned(run, values=each, **changes)


def changed(run: RunSettings, setting: str, value: Any) -> RunSettings:
    settings = run.model_dump(mode="json")
    *path, last = setting.split(".")
    part = settings
    for key in path:
        part = part[key]
    part[last] = value
    if setting == "train.steps":
        part["epochs"] = None
    return RunSettings.model_validate(settings)


def table(params: Path, results: Path, name: str, profile: str) -> Table:
    book = open_book(results, profile, params, present=False)
    return build(tables(book.methods)[name], book)


def test_every_setting_is_compared_or_said_elsewhere(whole: Params) -> None:
    run = runs_of(cut(whole, "table03", "cnn-mixed-width"), "cnn-mixed-width")[0]
    assert {*leaves(run.model_dump(mode="json"))} == {*PHRASES} | SAID_ELSEWHERE
    assert not {*PHRASES} & SAID_ELSEWHERE


@pytest.mark.parametrize("setting", PHRASES)
def test_a_setting_that_is_not_the_papers_is_said(whole: Params, tmp_path: Path, setting: str) -> None:
    """The profile's plan has the other value; nothing else differs, and nothing else is said."""
    value, phrase = PHRASES[setting]
    overlay: Params = {}
    *path, last = setting.split(".")
    part = overlay
    for key in path:
        part = part.setdefault(key, {})
    part[last] = value
    text = cut(whole, "table03", "cnn-mixed-width", **overlay)
    (tmp_path / "params.yaml").write_text(text)
    leave(tmp_path, *map(with_members, runs_of(text, "cnn-mixed-width")), profile="other")
    built = table(tmp_path / "params.yaml", tmp_path, "table03", "other")
    cell = built.cell("cnn-mixed-width", "seen")
    assert cell.text == "50.00 ± 0.00"
    assert phrase in to_markdown(built)
    assert f"{TITLE}:" in to_tex(built) and tex(phrase) in to_tex(built)
    sentences = built.differences.common
    assert not built.differences.lines and all(each.startswith("Seen, Unseen: ") for each in sentences)
    # steps follow from batches and rows, the unit of the warm-up from that of the budget
    beside = {"train.batch_size": 2, "data.train_rows": 2, "train.steps": 2, "validate_split": 3}
    assert sum(each.count(" / ") for each in sentences) == beside.get(setting, 1), sentences


def test_a_baseline_of_another_size_is_in_the_caption(whole: Params, tmp_path: Path) -> None:
    text = cut(whole, "table02", "cifar10-cnn20")
    data = yaml.safe_load(text)
    data["profiles"]["other"]["overrides"] = {"*/chunked": {"options": {"chunk": 640, "hidden": 32}}}
    (tmp_path / "params.yaml").write_text(text := yaml.safe_dump(data, sort_keys=False))
    config = parse_config(text, "other")
    leave(tmp_path, *(planned(config.resolve("cifar10-cnn20", m, 21962)) for m in ("ha", "chunked")), profile="other")
    built = table(tmp_path / "params.yaml", tmp_path, "table02", "other")
    assert "Chunked: chunk 640 / 6,000; hidden 32 / 100." in built.differences.common


def test_a_setting_that_nobody_has_named_is_said_under_its_own(
    whole: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # a copy: an item that is put back later stands last, and the order of captions is that of the words
    fewer = {key: word for key, word in reductions.WORDS.items() if key != "train.clip"}
    monkeypatch.setattr(reductions, "WORDS", fewer)
    text = cut(whole, "table03", "cnn-mixed-width", train={"clip": 0.1})
    (tmp_path / "params.yaml").write_text(text)
    leave(tmp_path, *map(with_members, runs_of(text, "cnn-mixed-width")), profile="other")
    built = table(tmp_path / "params.yaml", tmp_path, "table03", "other")
    assert "train.clip 0.1 / off" in to_markdown(built)


def test_the_profile_paper_is_held_against_the_paper_too(whole: Params, tmp_path: Path) -> None:
    """What somebody changes in it is the paper's no more."""
    data = yaml.safe_load(cut(whole, "table01", "mnist-mlp"))
    data["profiles"]["paper"] |= {"defaults": {"train": {"warmup": 1}}}
    (tmp_path / "params.yaml").write_text(text := yaml.safe_dump(data, sort_keys=False))
    leave(tmp_path, *map(planned, runs_of(text, "mnist-mlp", "paper")), profile="paper")
    built = table(tmp_path / "params.yaml", tmp_path, "table01", "paper")
    assert built.cell("mnist-mlp", "uhn").marks == ("changed",)
    assert "warm-up 1 epoch / 5 epochs" in to_markdown(built)


def test_nothing_is_the_papers_where_nobody_knows_the_papers(tmp_path: Path) -> None:
    leave(tmp_path, *[metrics(seed=seed) for seed in SEEDS])
    book = open_book(tmp_path, "quick")
    built = build(tables(book.methods)["table01"], book)
    assert built.cell("mnist-mlp", "direct").marks == ("not compared",)
    assert "- *not compared*: " in to_markdown(built) and "| mnist-mlp | direct | not compared |" in coverage(book)


@pytest.mark.parametrize(("batch", "mark"), [(256, "changed"), (512, "reduced")])
def test_less_is_reduced_and_otherwise_is_changed(whole: Params, tmp_path: Path, batch: int, mark: str) -> None:
    """Larger batches are fewer steps per epoch."""
    text = cut(whole, "table01", "mnist-mlp", train={"lr": 1e-3, "batch_size": batch})
    (tmp_path / "params.yaml").write_text(text)
    for profile in ("paper", "other"):
        leave(tmp_path, *map(planned, runs_of(text, "mnist-mlp", profile)), profile=profile)
    assert table(tmp_path / "params.yaml", tmp_path, "table01", "paper").cell("mnist-mlp", "uhn").marks == ()
    built = table(tmp_path / "params.yaml", tmp_path, "table01", "other")
    assert built.cell("mnist-mlp", "uhn").marks == (mark,)
    assert f"- *{mark}*: " in to_markdown(built)
    book = open_book(tmp_path, "other", tmp_path / "params.yaml", present=False)
    assert f"| mnist-mlp | uhn | {mark} | 3 of 3 (paper 3) |" in coverage(book)


def test_every_table_of_runs_says_their_arithmetic(whole: Params, tmp_path: Path) -> None:
    """The paper's program mixed fp16 and float32: at its own settings too, the caption is not silent about it."""
    text = cut(whole, "table01", "mnist-mlp")
    (tmp_path / "params.yaml").write_text(text)
    assert table(tmp_path / "params.yaml", tmp_path, "table01", "paper").precision == ""
    leave(tmp_path, *map(planned, runs_of(text, "mnist-mlp", "paper")), profile="paper")
    built = table(tmp_path / "params.yaml", tmp_path, "table01", "paper")
    assert built.cell("mnist-mlp", "uhn").marks == ()
    sentence = "Arithmetic: fp32; the paper's program trained in fp16 with AMP."
    assert sentence in to_markdown(built) and sentence in to_tex(built)
    last = runs_of(text, "mnist-mlp", "paper")[-1]
    leave(tmp_path, planned(changed(last, "precision", "bf16")), profile="paper")
    built = table(tmp_path / "params.yaml", tmp_path, "table01", "paper")
    assert built.precision == sentence.replace("fp32", "fp32, bf16 in mnist-mlp uhn")
    assert built.cell("mnist-mlp", "uhn").marks == ()


def test_a_step_of_a_full_batch_is_an_epoch(whole: Params, tmp_path: Path) -> None:
    text = cut(whole, "table11", "kan-kv", train={"steps": 4000})
    (tmp_path / "params.yaml").write_text(text)
    leave(tmp_path, *(planned(run, 0.1) for run in runs_of(text, "kan-kv")), profile="other")
    assert table(tmp_path / "params.yaml", tmp_path, "table11", "other").cell("kan-kv", "uhn").marks == ()


def test_seeds_of_other_settings_enter_no_mean(repository: Path, tmp_path: Path) -> None:
    """One seed with the plan's 3 steps, one with 4: the number is the first's, and says so."""
    plan = Plan(load_config(repository / "params.yaml", "smoke"))
    first, second = (plan.runs[f"mnist-mlp/direct/seed-{seed}"] for seed in SEEDS[:2])
    leave(tmp_path, planned(first, 0.6), planned(changed(second, "train.steps", 4), 0.7), profile="smoke")
    built = table(repository / "params.yaml", tmp_path, "table01", "smoke")
    cell = built.cell("mnist-mlp", "direct")
    assert (cell.text, cell.marks[-1]) == ("60.00 (n=1)", "1 of 2 other settings")
    assert "- *other settings*: trained under settings that are not this profile's present ones" in to_markdown(built)
    book = open_book(tmp_path, "smoke", repository / "params.yaml")
    assert "| mnist-mlp | direct | reduced, other settings | 1 of 2 (paper 3) |" in coverage(book)
    assert cells(book)["table01/mnist-mlp.direct.json"] == {"seeds": 1, "mean": 60.0}
    leave(tmp_path, planned(changed(first, "train.steps", 4), None), profile="smoke")
    cell = table(repository / "params.yaml", tmp_path, "table01", "smoke").cell("mnist-mlp", "direct")
    assert (cell.text, cell.marks) == ("other settings", ("2 of 2 other settings",))


def test_what_changes_no_result_is_no_other_setting(repository: Path, tmp_path: Path) -> None:
    """And an older record, which lacks a key, was trained under its default."""
    run = Plan(load_config(repository / "params.yaml", "smoke")).runs["mnist-mlp/direct/seed-21962"]
    record = planned(changed(changed(run, "compute.threads", 2), "checkpoint_seconds", 1.0), 0.6)
    for key in ("members", "score", "precision"):
        del record["settings"][key]
    record["settings"] |= {"paper": {"seeds": 3}, "hyperparameters": "profile"}  # what older ones said for captions
    leave(tmp_path, record, profile="smoke")
    cell = table(repository / "params.yaml", tmp_path, "table01", "smoke").cell("mnist-mlp", "direct")
    assert cell.text == "60.00 (n=1)"
    assert not any("other settings" in mark for mark in cell.marks)


def test_without_a_plan_seeds_must_agree_among_themselves(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    records = [metrics(seed=1, value=0.6), metrics(seed=2, value=0.7), metrics(seed=3, value=0.8)]
    records[1]["settings"]["train"]["lr"] = 1.0
    leave(tmp_path, *records)
    assert main(["render", "table01", "--results", str(tmp_path), "--no-plan"]) == 0
    text = (tmp_path / "quick/tables/table01.md").read_text()
    assert "70.00 ± 14.14 (reduced, 1 of 3 other settings)" in text


def test_a_selection_that_the_grid_no_longer_holds_is_marked(repository: Path, tmp_path: Path) -> None:
    sweep = Plan(load_config(repository / "params.yaml", "quick")).sweeps["kan-kv/uhn"]
    for lr, mark in ((0.002, False), (0.5, True)):
        path = sweep.file(tmp_path / "quick", sweep.stages[-1])
        path.parent.mkdir(parents=True, exist_ok=True)
        values = Values(lr, 120, 0.001, 10)
        path.write_text(json.dumps(Outcome(values, (("x", values),)).to_json()))
        built = table(repository / "params.yaml", tmp_path, "table13", "quick")
        assert ("other settings" in built.cell("kan-kv", "lr_selected").marks) is mark


def test_a_selection_among_trials_of_other_settings_is_marked(repository: Path, tmp_path: Path) -> None:
    plan = Plan(load_config(repository / "params.yaml", "smoke"))
    sweep = plan.sweeps["kan-kv/uhn"]
    path = sweep.file(tmp_path / "smoke", sweep.stages[-1])
    path.parent.mkdir(parents=True)
    values = Values(0.001, 2, 0.001, 1)
    path.write_text(json.dumps(Outcome(values, (("x", values),)).to_json()))
    name, trial = next(iter(plan.trials.items()))
    for batch in (32, 33):
        run = changed(trial, "train.batch_size", batch)
        leave(tmp_path, planned(run, None, status="finished", validation=0.1, name=name), profile="smoke")
        built = table(repository / "params.yaml", tmp_path, "table13", "smoke")
        assert ("other settings" in built.cell("kan-kv", "lr_selected").marks) is (batch == 33)


def test_hyperparameters_are_selected_only_where_a_search_has_ended(repository: Path, tmp_path: Path) -> None:
    """In smoke only kv is searched; until that has ended its final run's are assumed."""
    text = (repository / "params.yaml").read_text()
    config = parse_config(text, "smoke")
    sweep = config.sweeps["kan-kv/uhn"]

    def whose() -> dict[str, str]:
        return {RunId.parse(name).group: whose for name, whose in Plan(config, tmp_path).whose.items()}

    assert whose()["kan-kv/uhn"] == "assumed"
    path = sweep.file(tmp_path, sweep.stages[-1])
    path.parent.mkdir(parents=True)
    values = Values(0.001, 2, 0.001, 1)
    path.write_text(json.dumps(Outcome(values, (("x", values),)).to_json()))
    found = whose()
    assert found.pop("kan-kv/uhn") == "selected"
    assert {*found.values()} == {"profile"}


@pytest.mark.parametrize("profile", ["quick", "smoke"])
def test_no_table_says_whose_hyperparameters_another_tables_runs_have(
    repository: Path, tmp_path: Path, profile: str
) -> None:
    """Table 1 says that the profile's own are used; Table 13 of the same results must not say the paper's."""
    config = load_config(repository / "params.yaml", profile)
    run = config.resolve("mnist-mlp", "direct", SEEDS[0])
    leave(tmp_path, planned(run, 0.5), profile=profile)
    book = open_book(tmp_path, profile, repository / "params.yaml")
    one, thirteen = (to_markdown(build(tables(book.methods)[name], book)) for name in ("table01", "table13"))
    assert "Hyperparameters: the profile's own." in one
    for text in (thirteen, coverage(book)):
        assert "not swept" in text
        assert "the paper's selection is used" not in text


def test_a_changed_label_changes_no_identity(repository: Path, tmp_path: Path) -> None:
    """A run that was trained on assumed values stays when the search selects just these; its caption follows."""
    config = load_config(repository / "params.yaml", "smoke")
    run = Plan(config, tmp_path / "smoke").runs["kan-kv/uhn/seed-21962"]
    leave(tmp_path, planned(run, 0.5), profile="smoke")
    shutil.rmtree(tmp_path / "smoke/sweeps", ignore_errors=True)
    sentence = table(repository / "params.yaml", tmp_path, "table11", "smoke").hyperparameters
    assert sentence == "Hyperparameters: assumed, as this profile's own sweeps have selected none yet."
    sweep = config.sweeps["kan-kv/uhn"]
    path = sweep.file(tmp_path / "smoke", sweep.stages[-1])
    path.parent.mkdir(parents=True)
    values = Values(run.train.lr, run.train.steps or 0, run.init.lr or 0.0, run.init.steps)
    path.write_text(json.dumps(Outcome(values, (("x", values),)).to_json()))
    built = table(repository / "params.yaml", tmp_path, "table11", "smoke")
    assert built.cell("kan-kv", "uhn").text == "0.500 (n=1)"
    assert built.hyperparameters == "Hyperparameters: as this profile's own sweeps selected them."
