"""A sweep from its trials to its choice: real trials end to end, and planted ones that must end as the rules say."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import pytest
from recorded import recorded

from uhn.paper.cli import main
from uhn.paper.config import load_config
from uhn.paper.plan import Plan
from uhn.paper.sweeps.stages import Values
from uhn.tasks.full import FullBatchTask

KEY = "kan-kv/uhn"


@pytest.fixture(autouse=True)
def no_test_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever reads a test row of a function fails."""
    before = FullBatchTask.eval_batches

    def guarded(self: FullBatchTask, split: Any) -> Any:
        assert split != "test", "a sweep read test rows"
        return before(self, split)

    monkeypatch.setattr(FullBatchTask, "eval_batches", guarded)


def _sweep(repository: Path, folder: Path, *more: str, code: int = 0, params: Path | None = None) -> None:
    places = ["--results", f"{folder}/results", "--work", f"{folder}/work", "--data", f"{folder}/data"]
    settings = ["--profile", "smoke", "--params", str(params or repository / "params.yaml")]
    assert main(["sweep", KEY, *more, *places, *settings]) == code


def _stage(folder: Path, number: int) -> dict[str, Any]:
    path = folder / f"results/smoke/sweeps/{KEY}/stage{number}.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _metrics(folder: Path) -> dict[str, dict[str, Any]]:
    """Metrics of all trials by ``stage/trial/seed``."""
    root = folder / f"results/smoke/runs/sweeps/{KEY}"
    return {
        p.parent.relative_to(root).as_posix(): json.loads(p.read_text()) for p in sorted(root.rglob("metrics.json"))
    }


def _recomputed(metrics: dict[str, dict[str, Any]], stages: int) -> Values:
    """The best configuration of the first stages, from the trials' own files: lowest mean, spread, then cost."""
    values: dict[Values, dict[int, float]] = {}
    for name, found in metrics.items():
        if int(name[5]) > stages:
            continue
        settings = found["settings"]
        key = Values(
            settings["train"]["lr"],
            settings["train"]["steps"],
            settings["init"]["lr"] or 0.0,
            settings["init"]["steps"],
        )
        values.setdefault(key, {})[found["seed"]] = found["validation"]
    if stages == 4:
        values = {key: own for key, own in values.items() if len(own) == 2}

    def order(key: Values) -> tuple[float, ...]:
        seeds = list(values[key].values())
        spread = stdev(seeds) if len(seeds) > 1 else 0.0
        return (fmean(seeds), spread, key.budget, key.lr, key.init_steps, key.init_lr)

    return min(values, key=order)


def test_a_sweep_from_its_first_trial_to_the_final_run(repository: Path, tmp_path: Path) -> None:
    _sweep(repository, tmp_path)
    metrics = _metrics(tmp_path)
    assert len(metrics) == 2 + 4 + 4 + 2
    for number in (1, 2, 3, 4):
        assert Values(**_stage(tmp_path, number)["values"]) == _recomputed(metrics, number), number
    assert all(found["value"] is None and found["validation"] > 0 for found in metrics.values())
    assert not list(tmp_path.rglob("results/smoke/runs/**/model.safetensors")), "nothing reads a trial's weights"

    # What the second stage found is also a point of the third stage's grid: it was taken over, not trained again.
    taken = {name: found["taken_from"] for name, found in metrics.items() if found["taken_from"]}
    assert len(taken) == 1
    (name, donor), chosen = next(iter(taken.items())), _stage(tmp_path, 2)["winner"]
    assert (name[:6], donor) == ("stage3", f"sweeps/{KEY}/{chosen}/seed-21962")
    assert metrics[name]["identity"] == metrics[f"{chosen}/seed-21962"]["identity"]

    # Final training takes the choice, on all training rows.
    plan = Plan(load_config(repository / "params.yaml", "smoke"), tmp_path / "results/smoke")
    final = plan.runs["kan-kv/uhn/seed-21962"]
    assert Values(final.train.lr, final.train.steps or 0, final.init.lr or 0.0, final.init.steps) == Values(
        **_stage(tmp_path, 4)["values"]
    )
    assert (final.validate_split, final.score) == (False, "test")

    # A second call trains nothing: every file stays as it is.
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "results").rglob("metrics.json")}
    _sweep(repository, tmp_path)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "results").rglob("metrics.json")} == before


def _plant(repository: Path, folder: Path, stages: int, values: dict[str, float | None]) -> None:
    """Write trials without training them; ``values`` names some, the others get 1.0."""
    plan = Plan(load_config(repository / "params.yaml", "smoke"), folder / "results/smoke")
    for stage in plan.sweeps[KEY].stages[:stages]:
        for name in plan.sweeps[KEY].run_names(stage):
            value = values.get(name.split("/")[4], 1.0)
            path = folder / "results/smoke/runs" / name / "metrics.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            status = "diverged" if value is None else "finished"
            settings = plan.run(name).model_dump(mode="json")
            path.write_text(json.dumps(recorded(name, status=status, validation=value, settings=settings)))


def _choose(repository: Path, folder: Path, number: int, code: int = 0, params: Path | None = None) -> None:
    _sweep(repository, folder, "--stage", f"stage{number}", "--select", code=code, params=params)


def test_a_planted_divergence_is_dropped_and_all_of_them_end_at_the_lowest_rate(
    repository: Path, tmp_path: Path
) -> None:
    _plant(repository, tmp_path, 1, {"lr-0.001": None, "lr-0.002": 9.0})
    _choose(repository, tmp_path, 1)
    assert _stage(tmp_path, 1)["winner"] == "stage1/lr-0.002"
    _plant(repository, tmp_path, 1, {"lr-0.001": None, "lr-0.002": None})
    _choose(repository, tmp_path, 1)
    assert _stage(tmp_path, 1)["winner"] == "stage1/lr-0.001"
    reason = (tmp_path / f"results/smoke/sweeps/{KEY}/stage1.md").read_text()
    assert "every trial diverged, so the lowest rate is taken" in reason


def test_a_planted_tie_goes_to_the_cheaper_configuration(repository: Path, tmp_path: Path) -> None:
    _plant(repository, tmp_path, 1, {})
    _choose(repository, tmp_path, 1)
    assert _stage(tmp_path, 1)["winner"] == "stage1/lr-0.001"
    _plant(repository, tmp_path, 2, {"lr-0.001": 2.0, "lr-0.002": 2.0, "init-0.002x1": 0.5, "init-0.001x2": 0.5})
    _choose(repository, tmp_path, 2)
    assert _stage(tmp_path, 2)["winner"] == "stage2/init-0.002x1", "fewer steps of the initialisation"
    # Where no initialisation is at least as good as any, none is chosen: the pool is all that has run so far.
    _plant(repository, tmp_path, 2, {})
    _choose(repository, tmp_path, 2)
    assert _stage(tmp_path, 2)["values"]["init_steps"] == 0


def test_a_planted_guardrail_drops_a_winner_and_where_nothing_passes_says_by_how_much(
    repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (repository / "params.yaml").read_text(encoding="utf-8")
    params = tmp_path / "params.yaml"
    params.write_text(
        text.replace("        init_steps: [1, 2]\n", "        init_steps: [1, 2]\n        guardrails: {kv: 0.5}\n")
    )
    for number in (1, 2):
        _plant(repository, tmp_path, number, {"lr-0.002": 0.9})
        _choose(repository, tmp_path, number, params=params)  # guardrails wait for what may end as the selection
    _plant(repository, tmp_path, 3, {"lr-0.002": 0.9, "train-0.001x3": 0.5, "train-0.002x3": 0.51})
    _choose(repository, tmp_path, 3, params=params)
    assert [entry["name"] for entry in _stage(tmp_path, 3)["top"]] == ["stage3/train-0.001x3"]
    reason = (tmp_path / f"results/smoke/sweeps/{KEY}/stage3.md").read_text()
    assert "Dropped, beyond a guardrail: stage3/train-0.002x3 (kv by 0.01)." in reason
    (tmp_path / f"results/smoke/sweeps/{KEY}/stage3.json").unlink()
    _plant(repository, tmp_path, 3, {"lr-0.002": 0.9})
    capsys.readouterr()
    _choose(repository, tmp_path, 3, code=1, params=params)
    said = capsys.readouterr().err
    assert said.startswith(f"uhn: {KEY}, stage3: none of ")
    assert "configurations can be chosen" in said
    assert "stage1/lr-0.002 misses kv by 0.4" in said
    assert "Traceback" not in said
    assert not (tmp_path / f"results/smoke/sweeps/{KEY}/stage3.json").exists()


def test_bad_calls_and_missing_or_foreign_trials_are_said(
    repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _choose(repository, tmp_path, 1, code=2)
    assert "wanted the metrics of a trial, got none" in capsys.readouterr().err
    _plant(repository, tmp_path, 1, {})
    path = next((tmp_path / "results/smoke/runs").rglob("metrics.json"))
    found = json.loads(path.read_text())
    found["settings"]["score"] = "test"
    path.write_text(json.dumps(found))
    _choose(repository, tmp_path, 1, code=2)
    assert "wanted a score on the validation split, got one on the test set" in capsys.readouterr().err
    settings = ["--profile", "smoke", "--params", str(repository / "params.yaml")]
    for arguments, message in (
        ([], "wanted names of sweeps or --job, got neither"),
        ([KEY, "--job", "x"], "got both"),
        (["--job", "x"], "no job 'x'; there are sweeps-functions"),
        (["mnist-mlp/uhn"], "no sweep mnist-mlp/uhn: profile smoke sweeps kan-kv/uhn"),
        ([KEY, "--stage", "five"], "has the stages stage1, stage2, stage3, stage4, got 'five'"),
    ):
        assert main(["sweep", *arguments, *settings]) == 2
        assert message in capsys.readouterr().err
    shutil.rmtree(tmp_path / "results")
