"""The benchmark commands run and write what a reader can parse; no figure of time is judged."""

from __future__ import annotations

import argparse
import csv
import math
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from benchmarks import accuracy, generator, per_weight, plot, readme, sides, steps, training
from benchmarks import rows as rows_module
from benchmarks.cases import MODELS, SCALING, Case, case
from benchmarks.rows import Row, conditions, read_csv, write_csv
from uhn.models.feedforward import mlp
from uhn.paper import cli


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
    assert float(row["gradient_rms"]) < 1e-4
    assert row["processor"] and row["torch"] == torch.__version__


def test_both_sides_give_the_same_gradients() -> None:
    device = torch.device("cpu")
    step = sides.straightforward(tiny(), device)
    first, second = step(), step()
    for a, b, c in zip(sides.ours(tiny(), device)(), first, second, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-3)
        assert torch.equal(b, c), "what the features are written into is written anew"


def test_memory_is_measured_in_a_process_of_its_own(monkeypatch: pytest.MonkeyPatch, forking_python: str) -> None:
    from benchmarks.memory import measure

    monkeypatch.setattr(sys, "executable", forking_python)
    found = measure("kan-g5", "ours", threads=1)
    assert 0 < found["baseline_mib"] < found["peak_mib"] < 4096


def test_all_cases_exist_and_the_scaling_sizes_span_the_plot() -> None:
    assert [case(name).spec.num_params > 0 for name in MODELS]
    counts = [case(f"scaling-{number}").spec.num_params for number in range(len(SCALING))]
    assert counts == sorted(counts) and counts[0] < 200 and counts[-1] > 1_300_000
    assert all(math.isfinite(case(name).feature_bytes) for name in MODELS)


def measured(name: str, weights: int, **more: object) -> Row:
    row: Row = {"model": name, "weights": weights, "repeats": 3, "ours_mib": 9.0, "baseline_mib": 5.0}
    row |= {"ours_s": weights / 1e5, "ours_low_s": weights / 2e5, "ours_high_s": weights / 5e4, "bound_over_ours": 2.0}
    return row | more | conditions(1)


def test_plot_and_table_leave_out_what_was_skipped(tmp_path: Path) -> None:
    plain = {"plain_s": 2.5, "plain_low_s": 2.0, "plain_high_s": 3.0, "plain_mib": 19.0, "speedup": 2.5}
    fair = {"plain_over_bound": 2.7, "plain_is_fair": False}
    rows = [measured("a", 100_000, **plain, **fair), measured("b", 10**6, skipped="straightforward: features of 14 GB")]
    plot.scaling_plot(rows, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"scaling.png", "scaling.svg"}
    text = readme.generator_text(rows, rows)
    assert "| a | 100,000 | 3 | 1 (0.5–2) | 2.5 (2–3) | 2.50 | 2.00 | 2.70 | NO | 9 | 19 |" in text
    assert "| b | 1,000,000 | 3 | 10 (5–20) | – | – | 2.00 | – | – | 9 | – |" in text
    assert "b: skipped straightforward: features of 14 GB." in text and "grows as N^1.00" in text


def test_a_section_is_written_between_its_own_markers(tmp_path: Path) -> None:
    page = tmp_path / "README.md"
    sections = [f"<!-- {name}: written by the script -->\nstale\n<!-- end of {name} -->" for name in ("one", "two")]
    page.write_text("before\n" + "\n".join(sections) + "\nafter\n", encoding="utf-8")
    readme.write_section(page, "two", "fresh")
    text = page.read_text(encoding="utf-8")
    assert text.count("stale") == 1 and text.index("stale") < text.index("fresh") and text.endswith("after\n")
    with pytest.raises(ValueError, match="needs each of"):
        readme.write_section(page, "three", "fresh")


def test_the_readme_has_the_sections_that_the_scripts_write(repository: Path, tmp_path: Path) -> None:
    page = tmp_path / "README.md"
    page.write_bytes((repository / "benchmarks" / "README.md").read_bytes())
    for name in ("generator", "steps", "training", "accuracy"):
        readme.write_section(page, name, "fresh")


def test_what_a_weight_costs_stands_in_the_page(repository: Path, tmp_path: Path) -> None:
    assert per_weight.main(["--models", "kan-g5-kv", "--repeats", "1", "--output", str(tmp_path)]) == 0
    rows = read_csv(tmp_path / "per_weight.csv")
    assert [row["source"] for row in rows] == list(per_weight.SOURCES) and {row["weights"] for row in rows} == {254}
    assert all(row["forward_us"] > 0 and row["step_us"] > 0 for row in rows)
    page = (repository / "docs/coming-from.md").read_text(encoding="utf-8")
    kept = readme.per_weight_text(read_csv(repository / "benchmarks/results/per_weight.csv"))
    assert f"<!-- per-weight: written by the script -->\n{kept}\n<!-- end of per-weight -->" in page


def test_rows_come_back_as_they_were_written(tmp_path: Path) -> None:
    rows: list[Row] = [{"model": "a", "weights": 3, "fair": True, "s": 0.25}, {"model": "b", "skipped": "x, y"}]
    write_csv(tmp_path / "rows.csv", rows)
    assert read_csv(tmp_path / "rows.csv") == rows and read_csv(tmp_path / "none.csv") == []


def test_a_stopped_run_goes_on_and_other_conditions_start_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch, "set_num_threads", lambda threads: None)
    monkeypatch.setattr(generator, "measured", lambda case, *a: measured(case.name, case.spec.num_params, skipped="x"))
    command = ["--quick", "--threads", "1", "--output", str(tmp_path), "--models"]
    generator.main([*command, "mlp-mnist"])
    assert "1 models to time, about" in capsys.readouterr().out
    generator.main([*command, "kan-g5", "mlp-mnist"])
    assert "mlp-mnist: times measured before" in capsys.readouterr().out
    assert [row["model"] for row in read_csv(tmp_path / "generator.csv")] == ["kan-g5", "mlp-mnist"]
    monkeypatch.setattr(rows_module, "_code", lambda: "other")
    generator.main([*command, "mlp-mnist"])
    assert "measured before" not in capsys.readouterr().out
    assert [row["code"] for row in read_csv(tmp_path / "generator.csv")] == ["other"]


def test_repeats_go_by_size() -> None:
    options = argparse.Namespace(quick=False, repeats=None)
    assert [generator.repeats(n, options) for n in (254, 92_231, 378_372)] == [50, 5, 3]
    assert generator.repeats(254, argparse.Namespace(quick=False, repeats=2)) == 2


def test_steps_are_compared_with_the_authors_arithmetic(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Same losses, both precisions, once; and it is another arithmetic, but the same generator."""
    command = ["--rows", "kan-kv", "--steps", "1", "--data", str(tmp_path), "--output", str(tmp_path)]
    assert steps.main(command) == 0 and "speedup" in capsys.readouterr().out
    full, half = read_csv(tmp_path / "steps.csv")
    assert [full["precision"], half["precision"]] == ["fp32", "bf16"] and full["weights"] == case(
        "kan-g5"
    ).spec.num_params
    assert 0 < full["ours_low_s"] <= full["ours_s"] <= full["ours_high_s"]
    assert full["loss_difference"] < 1e-3 and half["loss_difference"] < 5e-2
    assert readme.steps_text([full, half]).count("\n|") == 4
    assert steps.main(command) == 0 and not capsys.readouterr().out, "measured before"
    generator = tiny().generator()
    flat = sides.Authors(generator, tiny().spec)(tiny().spec)
    torch.testing.assert_close(flat, generator(tiny().spec), rtol=1e-3, atol=1e-3)


def test_both_generators_train_alike(tmp_path: Path) -> None:
    command = ["--run", "kan-ellipj/uhn/seed-21962", "--profile", "smoke", "--threads", "1", "--data", str(tmp_path)]
    with pytest.raises(ValueError, match="wanted a uhn run of 51 steps, got uhn kan-ellipj/uhn/seed-21962, 3"):
        training.main(command)
    assert training.main([*command, "--steps", "1", "--output", str(tmp_path)]) == 0
    found = read_csv(tmp_path / "training_steps.csv")
    assert [row["step"] for row in found] == [0, 1]
    assert found[0]["ours_loss"] != found[1]["ours_loss"], "it trains"
    ours, plain = read_csv(tmp_path / "training.csv")
    assert (ours["side"], plain["side"]) == training.SIDES and ours["steps"] == 1
    assert 0 < ours["step_low_s"] <= ours["step_s"] <= ours["step_high_s"]
    assert ours["loss_difference"] < 1e-3
    assert readme.training_text([ours, plain]).count("\n|") == 4


def test_a_difference_of_the_losses_shows() -> None:
    row = {"ours_loss": 1.0, "straightforward_loss": 2.0} | {
        f"{side}_{what}": 1.0 for side in training.SIDES for what in ("s", "cpu_s")
    }
    task = SimpleNamespace(name="t", provenance=SimpleNamespace(kind="real"))
    first, _ = training.summary([row, row], SimpleNamespace(name="r"), task)  # type: ignore[arg-type]
    assert first["loss_difference"] == 0.5


def test_whole_runs_of_both_generators_are_compared(repository: Path, tmp_path: Path) -> None:
    text = (repository / "params.yaml").read_text(encoding="utf-8")
    head, tail = text.split("  smoke:\n")
    tail = tail.replace("    defaults:\n", "    defaults:\n      validate_split: true\n      evaluate_every: 1\n", 1)
    (tmp_path / "params.yaml").write_text(f"{head}  smoke:\n{tail}", encoding="utf-8")
    shared = ["--profile", "smoke", "--params", str(tmp_path / "params.yaml")]
    shared += ["--data", str(tmp_path / "data"), "--results", str(tmp_path / "results")]
    shared += ["--work", str(tmp_path / "work")]
    command = [*shared, "--output", str(tmp_path), "--run"]
    with pytest.raises(ValueError, match="wanted a uhn run of one model, got cnn-mixed-width"):
        accuracy.main([*command, "cnn-mixed-width/uhn/seed-21962"])
    with pytest.raises(ValueError, match="got none: uhn run mnist-mlp/uhn/seed-21962 --profile smoke"):
        accuracy.main([*command, "mnist-mlp/uhn/seed-21962"])
    assert not (tmp_path / "work").exists(), "it says so before it trains"
    assert cli.main(["run", "mnist-mlp/uhn", *shared]) == 0
    assert accuracy.main([*command, "mnist-mlp/uhn/seed-21962"]) == 0
    rows = read_csv(tmp_path / "accuracy.csv")
    assert [row["epoch"] for row in rows] == sorted({row["epoch"] for row in rows}) and rows[-1]["seeds"] == 2
    assert all(row["low"] <= row["ours"] <= row["high"] and row["low"] <= row["mean"] <= row["high"] for row in rows)
    ours, plain = (
        [row["loss"] for row in read_csv(folder / "mnist-mlp/uhn/seed-21962/history.csv")]
        for folder in (tmp_path / "results/smoke/runs", tmp_path / "work/benchmarks/straightforward")
    )
    assert ours != plain, "two generators"
    assert plain == pytest.approx(ours, rel=1e-3) and len(set(ours)) == len(ours), "which learn the same, step by step"
