"""Several runs in one process: as if each had its own, locked against others, and kept until an engine has them."""

from __future__ import annotations

import multiprocessing
import shutil
from pathlib import Path

import pytest

from uhn.paper.config import load_config
from uhn.paper.runs.jobs import KEPT, RESULT_FILES, Busy, alone, run_all, settle
from uhn.paper.settings import RunSettings


@pytest.fixture
def runs(repository: Path) -> list[RunSettings]:
    config = load_config(repository / "params.yaml", "smoke")
    return [config.resolve("mnist-mlp", "direct", seed) for seed in (1, 2, 3)]


class Job:
    """A job whose runs leave their names; a run that is there is skipped, as the real one does."""

    def __init__(self, folder: Path, fail_at: str = "") -> None:
        self.results, self.work, self.fail_at = folder / "results", folder / "work", fail_at
        self.trained: list[str] = []

    def run(self, runs: list[RunSettings]) -> None:
        run_all([[run] for run in runs], lambda one: self.execute(*one), results=self.results, work=self.work)

    def execute(self, run: RunSettings) -> None:
        folder = self.results / run.name
        if (folder / "metrics.json").exists():
            return
        if run.name == self.fail_at:
            raise KeyboardInterrupt
        folder.mkdir(parents=True)
        for name in RESULT_FILES:
            (folder / name).write_text(f"{run.name} {name}")
        self.trained.append(run.name)

    def kept(self) -> list[str]:
        return sorted(path.parent.relative_to(self.work).as_posix() for path in self.work.rglob(KEPT))


def test_a_failed_job_keeps_second_copies_of_what_it_finished(runs: list[RunSettings], tmp_path: Path) -> None:
    job = Job(tmp_path, fail_at=runs[2].name)
    with pytest.raises(KeyboardInterrupt):
        job.run(runs)
    assert job.kept() == [run.name for run in runs[:2]]
    for run in runs[:2]:
        for name in RESULT_FILES:
            copy = job.work / run.name / KEPT / name
            assert copy.read_text() == f"{run.name} {name}"
            assert not copy.samefile(job.results / run.name / name), "an engine may write into its own"


def test_copies_go_when_a_later_start_or_the_engine_has_found_the_results(
    runs: list[RunSettings], tmp_path: Path
) -> None:
    job = Job(tmp_path)
    job.run(runs)
    job.run(runs[:1])
    assert job.kept() == [run.name for run in runs[1:]]
    (job.results / runs[2].name / "history.csv").write_text("another")
    settle(job.results, job.work)
    assert job.kept() == [runs[2].name]
    shutil.rmtree(job.results)
    settle(job.results, job.work)
    assert job.kept() == [runs[2].name]
    shutil.copytree(job.work / runs[2].name / KEPT, job.results / runs[2].name)
    settle(job.results, job.work)
    assert not job.work.exists()


def test_no_copy_goes_while_a_job_is_alive(runs: list[RunSettings], tmp_path: Path) -> None:
    job = Job(tmp_path)

    def execute(run: RunSettings) -> None:
        job.execute(run)
        settle(job.results, job.work)
        assert job.kept() == [other.name for other in runs if other.name in job.trained[:-1]]

    run_all([[run] for run in runs], lambda one: execute(*one), results=job.results, work=job.work)
    assert job.trained == [run.name for run in runs]


def _hold(work: Path, held: object, release: object) -> None:
    with alone(work, "run"):
        held.set()  # type: ignore[attr-defined]
        release.wait(30)  # type: ignore[attr-defined]


def test_two_processes_never_have_the_same_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    context = multiprocessing.get_context("fork")
    held, release = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(tmp_path, held, release))
    other.start()
    assert held.wait(60)
    with pytest.raises(Busy), alone(tmp_path, "run", wait=False):
        pass
    # The other process is killed while it holds the lock: the lock must come free all the same.
    other.kill()
    other.join(30)
    with alone(tmp_path, "run"):
        pass
    assert "waiting" not in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


def _count(work: Path, times: int) -> None:
    for _ in range(times):
        with alone(work, "run"):
            number = int((work / "number").read_text())
            (work / "number").write_text(str(number + 1))


def test_a_lock_that_its_holder_removes_is_still_one_lock(tmp_path: Path) -> None:
    (tmp_path / "number").write_text("0")
    context = multiprocessing.get_context("fork")
    others = [context.Process(target=_count, args=(tmp_path, 100)) for _ in range(6)]
    for other in others:
        other.start()
    for other in others:
        other.join(600)
    assert [other.exitcode for other in others] == [0] * 6
    assert (tmp_path / "number").read_text() == "600"
    assert [path.name for path in tmp_path.iterdir()] == ["number"]


@pytest.mark.parametrize("link", [False, True])
def test_something_else_in_the_place_of_a_folder_is_an_error_and_no_wait(link: bool, tmp_path: Path) -> None:
    if link:
        (tmp_path / "run").symlink_to("nowhere")
    else:
        (tmp_path / "run").write_text("a file")
    with pytest.raises(FileExistsError), alone(tmp_path, "run"):
        pass
