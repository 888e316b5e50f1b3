"""Several runs in one process: as if each had its own, and safe against an engine that removes outputs."""

from __future__ import annotations

import multiprocessing
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from uhn.experiments.config import load_config
from uhn.experiments.jobs import RESULT_FILES, alone, run_all
from uhn.experiments.settings import RunSettings


@pytest.fixture
def runs(repository: Path) -> list[RunSettings]:
    config = load_config(repository / "params.yaml", "smoke")
    return [config.resolve("mnist-mlp", "direct", seed) for seed in (1, 2, 3)]


def _trainer(results: Path, trained: list[str], fail_at: str = "") -> Callable[[RunSettings], None]:
    """A run that is there is skipped, as the real one does with the same identity."""

    def execute(run: RunSettings) -> None:
        folder = results / run.name
        if (folder / "metrics.json").exists():
            return
        if run.name == fail_at:
            raise KeyboardInterrupt
        folder.mkdir(parents=True)
        for name in RESULT_FILES:
            (folder / name).write_text(f"{run.name} {name}")
        trained.append(run.name)

    return execute


def test_finished_runs_survive_the_removal_of_a_failed_jobs_outputs(runs: list[RunSettings], tmp_path: Path) -> None:
    results, work = tmp_path / "results", tmp_path / "work"
    trained: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        run_all(runs, _trainer(results, trained, fail_at=runs[2].name), results=results, work=work)
    shutil.rmtree(results)
    run_all(runs, _trainer(results, trained), results=results, work=work)
    assert trained == [run.name for run in runs]
    for run in runs:
        for name in RESULT_FILES:
            assert (results / run.name / name).read_text() == f"{run.name} {name}"
        assert not (work / run.name).exists()


def test_a_kept_copy_never_replaces_a_newer_result(runs: list[RunSettings], tmp_path: Path) -> None:
    results, work = tmp_path / "results", tmp_path / "work"
    with pytest.raises(KeyboardInterrupt):
        run_all(runs, _trainer(results, [], fail_at=runs[1].name), results=results, work=work)
    (results / runs[0].name / "metrics.json").unlink()
    (results / runs[0].name / "metrics.json").write_text("newer")
    run_all(runs, _trainer(results, []), results=results, work=work)
    assert (results / runs[0].name / "metrics.json").read_text() == "newer"


def _hold(work: Path, held: object, release: object) -> None:
    with alone(work, "run"):
        held.set()  # type: ignore[attr-defined]
        release.wait(30)  # type: ignore[attr-defined]


def test_two_processes_never_have_the_same_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    context = multiprocessing.get_context("spawn")
    held, release = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(tmp_path, held, release))
    other.start()
    assert held.wait(30)
    # The other process is killed while it holds the lock: the lock must come free all the same.
    other.kill()
    other.join(30)
    with alone(tmp_path, "run"):
        pass
    assert "waiting" not in capsys.readouterr().out
