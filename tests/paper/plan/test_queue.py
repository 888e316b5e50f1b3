"""``uhn run --missing``: what is missing, in which order, until when, and several workers at once."""

from __future__ import annotations

import itertools
import json
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from filelock import FileLock

from uhn.paper.cli import main
from uhn.paper.config import ConfigError, load_config
from uhn.paper.plan import Plan
from uhn.paper.runs.archive import write_archive
from uhn.paper.runs.queue import Queue, window
from uhn.records import sealed, to_text
from uhn.training import interrupts

ROOT = Path(__file__).parents[3]
NOON = time.mktime((2026, 3, 5, 12, 0, 0, 0, 0, -1))


def places(folder: Path) -> list[str]:
    return [f"--{name}={folder / name}" for name in ("results", "work", "data", "reference")]


def call(folder: Path, *arguments: str) -> int:
    return main(["run", *arguments, "--profile", "smoke", "--params", str(ROOT / "params.yaml"), *places(folder)])


def made(folder: Path) -> list[str]:
    runs = folder / "results" / "smoke" / "runs"
    return sorted(path.parent.relative_to(runs).as_posix() for path in runs.rglob("metrics.json"))


@pytest.mark.parametrize(
    ("text", "seconds"), [("2h", 7200), ("90m", 5400), ("1h30m", 5400), ("45s", 45), ("1.5h", 5400), ("10", 600)]
)
def test_a_duration(text: str, seconds: float) -> None:
    assert window(text, None, NOON) == seconds


def test_a_time_of_day_is_the_next_one() -> None:
    assert window(None, "13:30", NOON) == 5400
    assert window(None, "06:30", NOON) == 18.5 * 3600
    assert window(None, "12:00", NOON) == 24 * 3600
    assert window(None, None, NOON) is None


@pytest.mark.parametrize(
    "pair", [("2 days", None), ("-1h", None), ("0s", None), ("", None), (None, "25:00"), ("1h", "06:30")]
)
def test_other_times_are_refused(pair: tuple[str | None, str | None]) -> None:
    with pytest.raises(ConfigError, match="wanted"):
        window(*pair, NOON)


def test_only_what_is_missing_is_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(tmp_path, "kan-kv/direct/seed-21962") == 0
    before = (tmp_path / "results/smoke/runs/kan-kv/direct/seed-21962/metrics.json").read_bytes()
    capsys.readouterr()
    assert call(tmp_path, "--missing", "--table", "table11", "--dry-run") == 0
    told = capsys.readouterr().out
    assert made(tmp_path) == ["kan-kv/direct/seed-21962"]
    assert "7 runs are missing" in told and "kan-ellipj/uhn/seed-59358" in told and "kv/direct/seed-21962" not in told
    assert call(tmp_path, "--missing", "--table", "table11") == 0
    assert len(made(tmp_path)) == 8
    assert (tmp_path / "results/smoke/runs/kan-kv/direct/seed-21962/metrics.json").read_bytes() == before
    capsys.readouterr()
    assert call(tmp_path, "--missing", "--table", "table11") == 0
    assert capsys.readouterr().out == "nothing is missing\n"


def test_a_table_names_its_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(tmp_path, "--table", "table11") == 0
    names = made(tmp_path)
    capsys.readouterr()
    assert call(tmp_path, "--missing", "--table", "table11") == 0
    assert capsys.readouterr().out == "nothing is missing\n" and len(names) == 8


def test_a_kept_result_is_not_missing_but_one_of_other_settings_is(tmp_path: Path) -> None:
    assert call(tmp_path, "kan-kv/direct/seed-21962") == 0
    run = tmp_path / "results/smoke/runs/kan-kv/direct/seed-21962/metrics.json"
    record: dict[str, Any] = json.loads(run.read_text())
    run.unlink()
    write_archive(tmp_path / "reference/smoke", {record["name"]: {"metrics.json": to_text(sealed(record)).encode()}})
    plan = Plan(load_config(ROOT / "params.yaml", "smoke"), tmp_path / "results/smoke")

    def missing() -> list[str]:
        return [run.name for run in Queue.of(plan, tmp_path / "reference/smoke", "table11").runs]

    assert "kan-kv/direct/seed-21962" not in missing()
    record["settings"]["train"]["lr"] *= 2
    write_archive(tmp_path / "reference/smoke", {record["name"]: {"metrics.json": to_text(sealed(record)).encode()}})
    assert "kan-kv/direct/seed-21962" in missing()


def test_cheapest_first_and_what_nobody_timed_last(tmp_path: Path) -> None:
    plan = Plan(load_config(ROOT / "params.yaml", "smoke"), tmp_path / "results/smoke")
    costs = {"kan-kv/uhn": 1.0, "kan-ellipj/direct": 3.0, "kan-kv/direct": 2.0}
    (tmp_path / "reference/smoke").mkdir(parents=True)
    seconds = {name: {"init": value, "train": value} for name, value in costs.items()}
    (tmp_path / "reference/smoke/costs.json").write_text(json.dumps({"seconds_per_step": seconds}))
    queue = Queue.of(plan, tmp_path / "reference/smoke", "table11")
    order = list(dict.fromkeys(run.name.rpartition("/")[0] for run in queue.runs))
    # steps: kv/uhn 5, kv/direct 3, ellipj/direct 3
    assert order == ["kan-kv/uhn", "kan-kv/direct", "kan-ellipj/direct", "kan-ellipj/uhn"]
    told = queue.announcement(8.0, NOON)
    assert "8 runs are missing" in told and "stops at 12:00" in told and "more" in told


def test_what_another_process_has_is_passed_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    work = tmp_path / "work/smoke/kan-kv/direct/seed-21962"
    work.mkdir(parents=True)
    with FileLock(work / "lock"):
        assert call(tmp_path, "--missing", "--table", "table11") == 0
    assert "kan-kv/direct/seed-21962: another process has it" in capsys.readouterr().out
    assert len(made(tmp_path)) == 7 and "kan-kv/direct/seed-21962" not in made(tmp_path)


def test_when_the_time_is_up_it_saves_and_goes_on_later_to_the_same_bits(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a clock that goes on by five minutes whenever a step looks at it."""
    text = (ROOT / "params.yaml").read_text()
    text = text.replace("train: {steps: 3, warmup: 1, batch_size: 32}", "train: {steps: 30, warmup: 1, batch_size: 32}")
    (tmp_path / "params.yaml").write_text(text)
    settings = ["--profile", "smoke", "--params", str(tmp_path / "params.yaml")]
    name, cut, whole = "kan-ellipj/direct/seed-21962", tmp_path / "cut", tmp_path / "whole"
    looks = itertools.count()
    clock = SimpleNamespace(monotonic=lambda: time.monotonic() + 300 * next(looks))
    with monkeypatch.context() as patch:
        patch.setattr(interrupts, "time", clock)
        assert main(["run", "--missing", "--table", "table11", "--within", "1h", *settings, *places(cut)]) == 75
    assert "the time is up" in capsys.readouterr().out
    assert not made(cut) and len(list((cut / "work").rglob("progress.ckpt"))) == 1
    for folder in (cut, whole):
        assert main(["run", name, *settings, *places(folder)]) == 0
    weights = [folder / "results/smoke/runs" / name / "model.safetensors" for folder in (cut, whole)]
    assert weights[0].read_bytes() == weights[1].read_bytes()


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--missing", "kan-kv"],
        ["--missing", "--job", "x"],
        ["kan-kv", "--within", "1h"],
        ["--missing", "--table", "table99"],
        ["--table", "table99"],
        ["--table", "table11", "kan-kv"],
    ],
)
def test_arguments_that_do_not_go_together(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(tmp_path, *arguments) == 2
    error = capsys.readouterr().err
    assert "wanted" in error or "goes with --missing" in error


def test_a_log_for_machines_is_json_line_by_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = ["--profile", "smoke", "--params", str(ROOT / "params.yaml")]
    assert main(["run", "kan-kv/direct/seed-21962", *settings, *places(tmp_path), "--log-format", "json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert all({"time", "message"} <= {*line} for line in lines)
    steps, end = [line for line in lines if line.get("event") == "step"], lines[-1]
    assert steps and steps[-1]["phase"] == "train" and steps[-1]["step"] == steps[-1]["steps"] == 3
    assert (end["event"], end["run"], end["status"]) == ("end", "kan-kv/direct/seed-21962", "finished")
    assert f"{end['metric']} {end['value']:.4g}" in end["message"]
