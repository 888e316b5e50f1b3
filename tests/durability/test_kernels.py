"""A run goes on by the kernels that it began with; what is finished stands, whichever made it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from uhn.paper.runs.execute import execute
from uhn.paper.settings import RunSettings
from uhn.sources.backends import unusable
from uhn.training.interrupts import Stopped


def settings(kernel: str) -> RunSettings:
    generator = {"hidden": 16, "blocks": 1, "index_frequencies": 8}
    return RunSettings.model_validate(
        {
            "name": "a/uhn/seed-1",
            "experiment": "a",
            "method": "uhn",
            "seed": 1,
            "tasks": [{"dataset": "kv", "model": "kan-g5-kv"}],
            "generator": generator,
            "train": {"lr": 0.01, "epochs": 6, "warmup": 1},
            "compute": {"device": "cpu", "threads": 1, "kernel": kernel},
        }
    )


def run(kernel: str, folder: Path, deadline: float | None = None) -> dict[str, Any]:
    places = {"results": folder / "results", "work": folder / "work", "data_root": folder / "data"}
    return execute(settings(kernel), **places, deadline=deadline)


def test_progress_of_another_path_is_set_aside_and_a_result_stands(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if unusable(False) is not None:
        pytest.skip(f"eager only: {unusable(False)}")
    with pytest.raises(Stopped):
        run("fused", tmp_path, deadline=time.monotonic())
    progress = tmp_path / "work" / "a" / "uhn" / "seed-1" / "progress.ckpt"
    assert progress.is_file()
    assert capsys.readouterr().out.count("set aside") == 0
    metrics = run("eager", tmp_path)
    assert metrics["kernel"] == "eager" and metrics["resumed"] == 0
    said = capsys.readouterr().out
    assert "was made otherwise (kernel fused there, eager here); set aside as" in said
    assert not list(progress.parent.glob("progress.ckpt*")), "a finished run needs no progress of any kernels"
    again = run("fused", tmp_path)
    assert again == metrics and "finished before" in capsys.readouterr().out


def test_progress_goes_on_by_its_own_path(tmp_path: Path) -> None:
    if unusable(False) is not None:
        pytest.skip(f"eager only: {unusable(False)}")
    whole = run("fused", tmp_path / "whole")
    with pytest.raises(Stopped):
        run("fused", tmp_path / "parts", deadline=time.monotonic())
    parts = run("auto", tmp_path / "parts")
    assert parts["resumed"] == 1 and parts["kernel"] == whole["kernel"] == "fused"
    models = [tmp_path / name / "results/runs/a/uhn/seed-1/model.safetensors" for name in ("whole", "parts")]
    assert models[0].read_bytes() == models[1].read_bytes()
