"""The benchmark commands run and write what a reader can parse; no figure of time is judged."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import pytest
import torch

from benchmarks import generator, plot, readme, sides
from benchmarks.cases import MODELS, SCALING, Case, case
from uhn.models.feedforward import mlp


def tiny() -> Case:
    return Case("tiny", mlp((6, 5, 4)), {"hidden": 16, "frequencies": 32})


def test_the_command_measures_one_model_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "set_num_threads", lambda threads: None)
    assert generator.main(["--models", "kan-g5", "--quick", "--threads", "1", "--output", str(tmp_path)]) == 0
    (row,) = csv.DictReader((tmp_path / "generator.csv").read_text(encoding="utf-8").splitlines())
    assert row["model"] == "kan-g5" and int(row["weights"]) == case("kan-g5").spec.num_params
    for side in ("ours", "plain", "products", "sines"):
        assert 0 < float(row[f"{side}_low_s"]) <= float(row[f"{side}_s"]) <= float(row[f"{side}_high_s"])
    assert float(row["first_max"]) < 1e-4 and float(row["weights_max"]) < 1e-4
    assert float(row["gradient_rms"]) < 1e-3
    assert row["processor"] and row["torch"] == torch.__version__


def test_both_sides_give_the_same_gradients() -> None:
    device = torch.device("cpu")
    found = [sides.ours(tiny(), device)(), sides.straightforward(tiny(), device)()]
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-3)


def test_memory_is_measured_in_a_process_of_its_own() -> None:
    from benchmarks.memory import measure

    found = measure("kan-g5", "ours", threads=1)
    assert 0 < found["baseline_mib"] < found["peak_mib"] < 4096


def test_all_cases_exist_and_the_scaling_sizes_span_the_plot() -> None:
    assert [case(name).spec.num_params > 0 for name in MODELS]
    counts = [case(f"scaling-{number}").spec.num_params for number in range(len(SCALING))]
    assert counts == sorted(counts) and counts[0] < 200 and counts[-1] > 1_300_000
    assert all(math.isfinite(case(name).feature_bytes) for name in MODELS)


def test_plot_and_table_leave_out_what_was_skipped(tmp_path: Path) -> None:
    row = {
        "model": "a",
        "weights": 100,
        "ours_s": 1.0,
        "ours_mib": 9.0,
        "plain_s": 2.0,
        "plain_mib": 19.0,
        "skipped": "",
    }
    rows = [row | dict.fromkeys(("processor", "cores", "threads", "torch"), "x"), {"model": "b", "weights": 10**6}]
    rows[1] |= {"ours_s": 5.0, "ours_mib": 20.0, "skipped": "straightforward: features of 14.0 GB"}
    plot.scaling_plot(rows, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"scaling.png", "scaling.svg"}
    page = tmp_path / "README.md"
    page.write_text(f"before\n{readme.BEGIN}\nstale\n{readme.END}\nafter\n", encoding="utf-8")
    readme.write_table(page, rows)
    text = page.read_text(encoding="utf-8")
    assert "stale" not in text and text.startswith("before") and text.endswith("after\n")
    assert "b: skipped straightforward: features of 14.0 GB." in text
    with pytest.raises(ValueError, match="needs each of"):
        readme.write_table(tmp_path / "scaling.svg", rows)
