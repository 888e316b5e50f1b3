"""The rented quarter of an hour, rehearsed on the CPU at tiny size."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tarfile
import time
from pathlib import Path

import pytest

from benchmarks import gpu_kernels, gpu_kernels_stages, lease, lease_stages, lease_table
from benchmarks.machines import on_a_gpu, timed
from benchmarks.readme import lease_text
from uhn.paper.config import load_config
from uhn.paper.costs import group, read_costs
from uhn.paper.plan import Plan


def options(folder: Path, *more: str, seconds: float = 600) -> argparse.Namespace:
    places = [f"--{name}={folder / name}" for name in ("out", "results", "work", "data")]
    found = lease.parser().parse_args([f"--seconds={seconds}", "--profile=smoke", "--tables=table11", *places, *more])
    found.out.mkdir(parents=True, exist_ok=True)
    return found


def lines(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "out" / "timings.jsonl").read_text(encoding="utf-8").splitlines()]


def test_agreement_and_step_times_are_noted_a_line_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease_stages, "STEPS", 4)
    assert lease_stages.run(options(tmp_path, "--stage=agreement:fp32")) == 0
    assert lease_stages.run(options(tmp_path, "--stage=steps:ours", "--rows", "mnist-mlp/uhn")) == 0
    agreement, step = lines(tmp_path)
    assert (agreement["model"], agreement["weights"], agreement["worst_gradient"]) == ("kan-g5", 0, 0)
    assert (step["row"], step["side"]) == ("mnist-mlp/uhn", "ours") and step["ms"] > 0
    costs = json.loads((tmp_path / "results/smoke/costs.json").read_text(encoding="utf-8"))["seconds_per_step"]
    assert costs == {"mnist-mlp/uhn": {"init": step["ms"] / 1e3, "train": step["ms"] / 1e3}}


def test_a_row_that_fails_says_where_and_costs_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object) -> None:
        raise RuntimeError("no kernel image")

    monkeypatch.setattr(lease_stages, "timed", fail)
    assert lease_stages.run(options(tmp_path, "--stage=steps:dense")) == 0
    assert all("no kernel image" in line["error"] and "test_lease.py" in line["at"][-1] for line in lines(tmp_path))


def test_time_that_is_up_starts_nothing(tmp_path: Path) -> None:
    assert lease_stages.run(options(tmp_path, "--stage=work:", f"--end={time.time() + 3}")) == 0
    assert not (tmp_path / "results").exists()


def test_runs_are_made_packed_and_not_made_again_by_the_next_call(
    tmp_path: Path, repository: Path, forking_python: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """The script itself; its first two stages are skipped since their figures are there already."""
    first = options(tmp_path)
    (first.out / "timings.jsonl").write_text("{}\n", encoding="utf-8")
    places = [f"--{name}={tmp_path / name}" for name in ("results", "work", "data")]
    command = ["bash", str(repository / "benchmarks/lease.sh"), "120", "--profile=smoke", "--processes=1"]
    command += ["--tables", "table11", *places]
    own = {"OUT": str(first.out), "PYTHON": forking_python, "PYTHONPATH": str(repository)}
    bare = {name: value for name, value in os.environ.items() if name != "UHN_DATA_MIRROR"}
    for _ in range(2):
        assert subprocess.run(command, env=bare | own, timeout=300).returncode == 0
        if (said := capfd.readouterr().out).count("rmse"):
            assert "8 records, 0 unfinished runs kept" in said
    assert "rmse" not in said and "8 records" in said, "the second call has nothing to do"
    assert sorted(p.name for p in first.out.iterdir()) == ["lease.log", "records.tgz", "timings.jsonl"]
    with tarfile.open(first.out / "records.tgz") as file:
        assert sum(name.endswith("metrics.json") for name in file.getnames()) == 8
        assert not any(name.endswith("safetensors") for name in file.getnames())


def test_progress_is_packed_in_a_few_files_of_bounded_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "PART_BYTES", 250)
    for number in range(10):
        path = tmp_path / "work" / "smoke" / str(number) / "progress.ckpt"
        path.parent.mkdir(parents=True)
        path.write_bytes(bytes(100))
        os.utime(path, (number, number))
    chosen = options(tmp_path)
    monkeypatch.chdir(tmp_path)
    lease.pack(chosen.out, chosen.results / "smoke", chosen.work)
    assert len(list(chosen.out.iterdir())) == 1 + lease.PARTS
    names: list[str] = []
    for number in range(1, lease.PARTS + 1):
        with tarfile.open(chosen.out / f"progress-{number}.tgz") as file:
            names += file.getnames()
    assert sorted(names) == [f"work/smoke/{number}/progress.ckpt" for number in range(2, 10)], "the newest eight"


def test_the_table_shows_the_faster_of_the_others_and_no_row_that_failed(tmp_path: Path) -> None:
    line = {"what": "step", "row": "mnist-mlp/uhn", "processor": "a card", "torch": "2", "peak_mib": 7}
    timed = [
        line | {"side": side, "ms": ms, "precision": "bf16"}
        for side, ms in (("ours", 2), ("dense", 8), ("compiled", 6))
    ]
    apart = {
        "what": "agreement",
        "model": "kan-g5",
        "weights": 1e-6,
        "worst_gradient": 1e-5,
        "processor": "a card",
        "torch": "2",
    }
    agreement = [apart | {"precision": precision} for precision in ("fp32", "bf16")]
    failed = line | {"row": "cifar10-cnn20/uhn", "side": "ours", "error": "no data"}
    path = tmp_path / "timings.jsonl"
    path.write_text("".join(json.dumps(found) + "\n" for found in [failed, *agreement, *timed]), encoding="utf-8")
    kept = lease_table.read(path)
    last = lease_text(lease_table.by_row(kept), kept).splitlines()[-1]
    assert last == "| mnist-mlp/uhn | 118,282 | 2.00 | 8.00 | 6.00 | 3.0 | 7 | 7 |"


def test_the_whole_paper_on_gpus_rests_on_what_was_timed_and_says_what_was_not(repository: Path) -> None:
    cpu = read_costs(repository / "results/reference/paper")
    seconds, said = on_a_gpu(cpu)
    plan = Plan(load_config(repository / "params.yaml", "paper"))
    assert {group(run) for run in (*plan.runs.values(), *plan.trials.values())} <= {*seconds}
    assert seconds["mnist-mlp/uhn"] == timed()["mnist-mlp/uhn"] and said["mnist-mlp/uhn"] == "timed"
    gain = cpu["cifar10-cnn20/uhn"]["train"] / seconds["cifar10-cnn20/uhn"]
    assert seconds["cifar10-cnn56/uhn"] == pytest.approx(cpu["cifar10-cnn56/uhn"]["train"] / gain)
    assert said["cifar10-cnn56/uhn"].endswith("as cifar10-cnn20/uhn") and said["kan-yv/direct"] == "the CPU's"


def test_every_stage_of_the_kernels_on_a_gpu_is_there_and_every_tile_is_compiled() -> None:
    names = [name.split(":") for _, names in gpu_kernels.STAGES for name in names]
    assert {kind for kind, *_ in names} == set(gpu_kernels_stages.STAGES)
    one = {(kernel, half == "1", int(n)) for kind, kernel, half, n in (name for name in names if len(name) == 4)}
    whole = {(name[1], name[2] == "1") for name in names if name[0] == "compile" and len(name) == 3}
    for (kernel, half), tiles in gpu_kernels_stages.CANDIDATES.items():
        assert (kernel, half) in whole or all((kernel, half, n) in one for n in range(len(tiles)))
        assert tiles[0] == gpu_kernels_stages.LIBRARY[kernel, half]
