from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from reporting_synthetic import leave, metrics

from uhn.paper.runs.results import load_history, load_run, load_runs


def test_runs_are_found_by_name(tmp_path: Path) -> None:
    leave(tmp_path, metrics(seed=2), metrics(seed=1), metrics("kan-kv", "uhn", value=0.01))
    runs = load_runs(tmp_path, "quick")
    assert list(runs) == ["kan-kv/uhn/seed-21962", "mnist-mlp/direct/seed-1", "mnist-mlp/direct/seed-2"]
    assert load_runs(tmp_path, "paper") == {}
    assert len(load_history(runs["mnist-mlp/direct/seed-1"])) == 50


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 2}, "was altered: its content does not have its checksum"),
        ({"status": "ok"}, "status: wanted 'finished' or 'diverged', got 'ok'"),
        ({"metric": "loss"}, "metric: wanted 'accuracy' or 'rmse', got 'loss'"),
        ({"value": 98.3}, r"accuracy lies in \[0, 1\]"),
        ({"value": None, "status": "finished"}, "value: a finished run has one, got none"),
        ({"value": "0.9"}, "value: wanted a number, got '0.9'"),
        ({"seed": True}, "seed: wanted a whole number, got True"),
        ({"settings": []}, "settings: wanted a mapping|settings: input should be a valid dictionary"),
        (
            {"name": "mnist-mlp/direct/seed-7"},
            "name: wanted mnist-mlp/direct/seed-21962 or a trial of it, got mnist-mlp/d",
        ),
        (
            {"name": "sweeps/mnist-mlp/direct/stage1/lr-0.1/seed-7"},
            "name: wanted mnist-mlp/direct/seed-21962 or a trial of it, got sweeps/mnist-mlp/d",
        ),
        ({"name": "mnist-mlp/direct"}, "wanted <experiment>/<source>/seed-<number>"),
    ],
)
def test_a_wrong_record_says_what_is_wrong(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    path = tmp_path / "metrics.json"
    path.write_text(json.dumps(metrics() | change))
    with pytest.raises(ValueError, match=message) as error:
        load_run(path)
    assert str(path) in str(error.value)


@pytest.mark.parametrize("key", ["schema", "value", "settings", "identity", "code"])
def test_a_missing_key_is_named(tmp_path: Path, key: str) -> None:
    path = tmp_path / "metrics.json"
    path.write_text(json.dumps({k: v for k, v in metrics().items() if k != key}))
    with pytest.raises(ValueError, match=f"{key}: wanted a value, got none"):
        load_run(path)


@pytest.mark.parametrize("content", [b'{"schema": 1, "na', b"", b"\xff\xfe", b"[]"])
def test_a_truncated_or_foreign_file_is_never_read_as_good(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "metrics.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="metrics.json"):
        load_run(path)


def test_a_record_under_another_name_is_refused(tmp_path: Path) -> None:
    leave(tmp_path, metrics(seed=1))
    (tmp_path / "quick/runs/mnist-mlp/direct/seed-1").rename(tmp_path / "quick/runs/mnist-mlp/direct/seed-2")
    with pytest.raises(ValueError, match="holds the run 'mnist-mlp/direct/seed-1', but stands at"):
        load_runs(tmp_path, "quick")


def test_a_history_without_a_column_is_refused(tmp_path: Path) -> None:
    leave(tmp_path, metrics(seed=1), text="phase,step\ntrain,0\n")
    with pytest.raises(ValueError, match="missing columns epoch, lr, loss"):
        load_history(load_runs(tmp_path, "quick")["mnist-mlp/direct/seed-1"])
