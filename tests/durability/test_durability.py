"""Runs that are killed, stopped or share a process end in the same bits as those that were left alone."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from uhn.sources.backends import unusable

DRIVER = Path(__file__).parent / "durability_driver.py"
SEVERAL = ("set", "tasks", "chain")
"""One generator for several models, for several tasks, and for a generator that generates the model (K = 1)."""

WIDE = "fused" if unusable(False) is None else "eager"
"""What the one scenario takes whose width suits the compiled kernels."""

SCENARIOS = ("direct-mnist", "uhn-mnist", "direct-kv", "uhn-kv", "ha-cifar10", "chunked-kv", "fused-mnist", *SEVERAL)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory, repository: Path, forking_python: str) -> Any:
    """What the driver found, and in which folder; one process for all, since importing takes longest."""
    folder = tmp_path_factory.mktemp("driver")
    text = (repository / "params.yaml").read_text(encoding="utf-8")
    changes = {
        "train: {steps: 3, warmup": "train: {steps: 120, warmup",
        "checkpoint_seconds: 60": "checkpoint_seconds: 0.1",
    }
    for old, new in changes.items():
        assert text.count(old) == 1
        text = text.replace(old, new)
    (folder / "params.yaml").write_text(text, encoding="utf-8")
    done = subprocess.run(
        [forking_python, "-W", "error", str(DRIVER), str(folder)],
        capture_output=True,
        text=True,
        timeout=600,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(repository)},
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1]) | {"folder": folder}


@pytest.fixture
def killed(found: Any) -> Any:
    return found["kills"]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_kill_struck(scenario: str, killed: Any) -> None:
    ends = killed[scenario]["ends"]
    assert [end for end in ends if end[2] != 9] == [], killed[scenario]["log"][-3000:]


def test_at_least_twenty_kills_for_each_method(killed: Any) -> None:
    for method in ("direct", "uhn"):
        assert sum(len(killed[scenario]["ends"]) for scenario in SCENARIOS if scenario.startswith(method)) >= 20


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_killed_run_ends_in_the_same_bits(scenario: str, killed: Any) -> None:
    whole, resumed = killed[scenario]["whole"], killed[scenario]["killed"]
    assert resumed["history"] == whole["history"] and len(whole["history"]) > 5
    assert resumed["metrics"] == whole["metrics"]
    metrics = whole["metrics"]
    scores = [value["value"] for value in metrics.get("values", {}).values()]
    scores = scores or [metrics["validation" if scenario == "uhn-mnist" else "value"]]
    assert all(isinstance(score, float) for score in scores) and metrics["status"] == "finished"
    assert metrics["kernel"] == (WIDE if scenario == "fused-mnist" else "eager")
    assert len(scores) == {"set": 4, "tasks": 3}.get(scenario, 1)
    assert resumed["model"] == whole["model"]
    assert killed[scenario]["resumed"] >= 3


@pytest.mark.parametrize("scenario", SEVERAL)
def test_kills_strike_every_part_of_a_run(scenario: str, killed: Any) -> None:
    """Between temp file and rename is ``replace``; in the midst of writing the temp file is ``write``."""
    struck = {(phase, event) for phase, event in killed[scenario]["moments"]}
    wanted = {("init", "step"), ("init", "replace"), ("train", "step"), ("train", "replace"), ("train", "write")}
    wanted |= {("train", "evaluate"), ("end", "forward"), ("end", "replace"), ("end", "renamed")}
    assert wanted - struck == set()
    assert ("init-H1", "step") in struck or scenario != "chain"


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_nothing_is_left_behind(scenario: str, killed: Any) -> None:
    for run in (killed[scenario]["whole"], killed[scenario]["killed"]):
        assert run["files"] == ["history.csv", "metrics.json", "model.safetensors"] and run["left"] == []


def test_runs_that_share_a_process_are_as_if_alone(found: Any) -> None:
    assert len(found["together"]) == 4
    for one, apart in found["together"].values():
        assert one["metrics"] == apart["metrics"] and one["history"] == apart["history"]
        assert one["model"] == apart["model"]


def test_signals_stop_a_run_with_a_message_and_it_goes_on_later(found: Any) -> None:
    terminated, interrupted, finished = found["signals"]
    assert (terminated["code"], interrupted["code"], finished["code"]) == (143, 130, 0), finished["log"]
    assert "uhn: terminated" in terminated["log"] and "uhn: interrupted" in interrupted["log"]
    for stopped in (terminated, interrupted):
        assert "of 122 steps; progress is saved in" in stopped["log"] and stopped["progress"]
        assert "Traceback" not in stopped["log"]
    assert "resumed after" in interrupted["log"], interrupted["log"]
    assert "resumed after" in finished["log"] and not finished["progress"]
    metrics = found["folder"] / "results" / "smoke" / "runs" / "kan-ellipj" / "uhn" / "seed-21962" / "metrics.json"
    assert json.loads(metrics.read_text())["resumed"] == 2
