"""HA and Chunked through the whole of a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from uhn.models import zoo
from uhn.paper.runs.execute import execute
from uhn.paper.settings import RunSettings
from uhn.sources.files import load_source

STEPS = 3


@pytest.fixture(autouse=True)
def without_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """The port of the proxy is closed: a download fails at once, and the stand-in takes its place."""
    monkeypatch.delenv("UHN_DATA_MIRROR", raising=False)
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")


def settings(method: str, precision: str = "fp32", model: str = "cnn20-cifar10") -> RunSettings:
    return RunSettings.model_validate(
        {
            "name": f"cifar10-cnn20/{method}/seed-1",
            "experiment": "cifar10-cnn20",
            "method": method,
            "seed": 1,
            "tasks": ({"dataset": "cifar10", "model": model},),
            "data": {"train_rows": 10, "test_rows": 10, "stand_in": True},
            "train": {"lr": 0.002, "steps": STEPS, "warmup": 1, "batch_size": 4},
            "precision": precision,
            "compute": {"device": "cpu", "threads": 1},
        }
    )


def run(which: RunSettings, folder: Path) -> dict[str, Any]:
    return execute(which, results=folder / "results", work=folder / "work", data_root=folder / "data")


@pytest.mark.parametrize(("method", "precision", "count"), [("ha", "bf16", 619_306), ("chunked", "fp32", 625_480)])
def test_what_a_run_leaves_behind(method: str, precision: str, count: int, tmp_path: Path) -> None:
    found = run(settings(method, precision), tmp_path)
    assert found["parameters"] == {"target": 269_034, "trainable": count, "frozen": 0}
    assert 0 <= found["value"] <= 1
    rows = found["data"][0]["rows"]["test"]
    assert found["scored_rows"] == rows
    assert 0.1 <= found["majority"] <= 1 and found["majority"] * rows == pytest.approx(round(found["majority"] * rows))
    folder = tmp_path / "results" / "runs" / "cifar10-cnn20" / method / "seed-1"
    assert json.loads((folder / "metrics.json").read_text())["method"] == method
    spec = zoo("cnn20-cifar10")
    assert load_source(folder / "model.safetensors")(spec).shape == (spec.num_params,)


@pytest.mark.parametrize(
    ("method", "sizes", "count"),
    [
        ("ha", {"embedding": 32}, 116 * 32 + 33 * 16 * 32 + 33 * 144 + 1_770),  # tiles, two maps, what is direct
        ("chunked", {"embedding": 8, "chunk": 640, "hidden": 32}, 421 * 8 + 9 * 32 + 33 * 32 + 33 * 640),
    ],
)
def test_a_baseline_of_another_size(method: str, sizes: dict[str, int], count: int, tmp_path: Path) -> None:
    found = run(RunSettings.model_validate(settings(method).model_dump() | {"options": sizes}), tmp_path)
    assert found["parameters"]["trainable"] == count


def test_a_baseline_needs_no_generator_and_has_no_depth() -> None:
    data = settings("ha").model_dump()
    with pytest.raises(ValueError, match="generator: wanted none for ha, got one"):
        RunSettings.model_validate(data | {"generator": {}})
    with pytest.raises(ValueError, match="depth: wanted 0 for ha, got 1"):
        RunSettings.model_validate(data | {"depth": 1})


def test_ha_on_a_model_without_tiles_stops_before_training(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="ha wants 3 x 3 kernels|ha wants at least two convolutions"):
        run(settings("ha", model="mlp-mnist"), tmp_path)
    assert not list(tmp_path.rglob("progress.ckpt"))
