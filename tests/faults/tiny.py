"""Runs that take a moment and need no data, the folders they leave files in, and what must not depend on faults."""

from __future__ import annotations

import csv
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from uhn.paper.cli import main
from uhn.paper.config import load_config
from uhn.paper.runs.execute import execute
from uhn.paper.runs.jobs import run_all
from uhn.paper.settings import RunSettings
from uhn.records import RECORD, read_record
from uhn.training.loop import Loop

REPOSITORY = Path(__file__).parents[2]

VOLATILE = ("wall_time_s", "resumed", "finished_at", "checksum", "files")
"""What may differ between a run and its repetition; the files are compared themselves."""


def tiny(method: str = "direct", *, rate: float = 0.01, seed: int = 3, steps: int = 4) -> RunSettings:
    """Settings of a run on a formula; it saves its progress after every step."""
    run = load_config(REPOSITORY / "params.yaml", "smoke").resolve("kan-kv", method, seed)
    train = run.train.model_copy(update={"lr": rate, "steps": steps, "epochs": None})
    return run.model_copy(update={"train": train, "checkpoint_seconds": 1e-9})


class Place:
    """Folders of results and of work."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.results, self.work = folder, folder / "results", folder / "work"

    def run(self, *runs: RunSettings) -> None:
        """Do what a job does."""

        def one(run: RunSettings) -> None:
            execute(run, results=self.results, work=self.work, data_root=self.folder / "data")

        run_all([[run] for run in runs], lambda stack: one(*stack), results=self.results / "runs", work=self.work)

    def command(self, *arguments: str) -> int:
        """Call ``uhn`` with these folders on the smoke profile; return its exit code."""
        places = {"results": self.results, "work": self.work, "data": self.folder / "data"}
        options = [word for name, path in places.items() for word in (f"--{name}", str(path))]
        return main([*arguments, "--profile", "smoke", "--params", str(REPOSITORY / "params.yaml"), *options])

    def of(self, run: RunSettings) -> Path:
        """Where a run's results are."""
        return self.results / "runs" / run.name

    def outcome(self, run: RunSettings) -> dict[str, Any]:
        """What a run has come to, without what may differ between repetitions."""
        folder = self.of(run)
        with (folder / "history.csv").open() as file:
            history = [row[:-1] for row in csv.reader(file)]
        metrics = {key: value for key, value in read_record(folder / RECORD).items() if key not in VOLATILE}
        return {"model": (folder / "model.safetensors").read_bytes(), "history": history, "metrics": metrics}

    def left(self) -> list[str]:
        """Files beside those of the results and their second copies, below both folders."""
        own = (*self.results.glob("runs/*/*/*/*"), *self.work.glob("*/*/*/finished/*"))
        wanted = {path for path in own if not path.name.startswith(".")}
        found = [path for path in self.folder.rglob("*") if path.is_file() and path not in wanted]
        return sorted(path.relative_to(self.folder).as_posix() for path in found)


def child(work: Callable[[], object], output: str = os.devnull) -> int:
    """Do ``work`` in a process of its own that writes to ``output``; return its number for ``os.waitpid``.

    It ends with what ``work`` returns as exit code, 0 for nothing; 99 stands for an error that nobody expected.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # newer Pythons warn of threads, whatever they do
        pid = os.fork()
    if pid:
        return pid
    code: object = 99
    try:
        handle = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(handle, 1)
        os.dup2(handle, 2)
        sys.stdout, sys.stderr = (os.fdopen(number, "w", closefd=False) for number in (1, 2))
        code = work() or 0
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(OSError):
            sys.stdout.flush()
        os._exit(code if isinstance(code, int) else 98)


def end_of(pid: int) -> int:
    """Wait for a child; return its exit code, or the number of the signal that killed it, negative."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@contextmanager
def counting_steps() -> Iterator[list[int]]:
    """Count the optimiser's steps: none is taken where nothing is trained."""
    count, advance = [0], Loop._advance

    def counted(*args: Any) -> Any:
        count[0] += 1
        return advance(*args)

    Loop._advance = counted  # type: ignore[method-assign]
    try:
        yield count
    finally:
        Loop._advance = advance  # type: ignore[method-assign]
