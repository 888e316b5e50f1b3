"""Jobs: several runs one after another in one process, with results per run as if each had its own.

Finished files are kept a second time (as links) under ``work/`` until the whole job has ended. A workflow engine that
removes the declared outputs of a failed or interrupted job then costs the unfinished run only.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from uhn.experiments.settings import RunSettings
from uhn.experiments.sweeps import FOLDER

RESULT_FILES = ("model.safetensors", "history.csv", "metrics.json")
"""What a finished run leaves, the metrics last: whoever sees them sees the others."""


def result_files(name: str) -> tuple[str, ...]:
    """What the run ``name`` leaves: a trial of a sweep leaves no weights, nothing reads them."""
    return RESULT_FILES[1:] if name.startswith(f"{FOLDER}/") else RESULT_FILES


class Busy(Exception):
    """Another process has the run."""


WAIT_SECONDS = 10.0
"""Time between two lines that say that another process has the run."""


@contextmanager
def alone(work: Path, name: str, *, wait: bool = True) -> Iterator[None]:
    """Hold the run's lock, so that two processes never train it at once; the system frees it if a process is killed.

    Raises:
        Busy: without ``wait``, if another process has it.
    """
    lock = FileLock(work / "lock")
    while not _hold(lock, work, WAIT_SECONDS if wait else 0):
        if not wait:
            raise Busy(name)
        print(f"{name}: waiting for another process that has it", flush=True)
    try:
        yield
    finally:
        lock.release()


def _hold(lock: FileLock, work: Path, timeout: float) -> bool:
    """Try to get the lock for a while. Whoever had it before may have removed the file or the folder meanwhile."""
    work.mkdir(parents=True, exist_ok=True)
    try:
        lock.acquire(timeout=timeout)
    except Timeout:
        return False
    except FileNotFoundError:  # the folder went between the two lines above
        return False
    if (work / "lock").exists():
        return True
    lock.release()  # a lock on a file that nobody else can find
    return False


def keep(results: Path, work: Path) -> None:
    """Link the files of a finished run into ``work/finished``."""
    kept = work / "finished"
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir(parents=True)
    for name in RESULT_FILES:
        if (results / name).is_file():
            _link(results / name, kept / name)


def bring_back(results: Path, work: Path) -> bool:
    """Put kept files of a finished run back where they are missing; return whether there were any."""
    kept = work / "finished"
    if (results / "metrics.json").exists() or not (kept / "metrics.json").exists():
        return False
    results.mkdir(parents=True, exist_ok=True)
    for name in RESULT_FILES:
        if (kept / name).is_file():
            (results / name).unlink(missing_ok=True)
            _link(kept / name, results / name)
    return True


def forget(work: Path, name: str) -> None:
    """Remove what was kept of a run, and the folders that are empty then."""
    folder = work / name
    shutil.rmtree(folder / "finished", ignore_errors=True)
    (folder / "lock").unlink(missing_ok=True)
    with suppress(OSError):
        while folder != work:
            folder.rmdir()
            folder = folder.parent


def run_all(
    runs: Iterable[RunSettings],
    execute: Callable[[RunSettings], object],
    *,
    results: Path,
    work: Path,
    wait: bool = True,
) -> None:
    """Execute ``runs`` in order. ``execute`` skips a run that is finished with the same identity.

    Args:
        runs: settings of the runs.
        execute: trains or resumes one run and writes its files.
        results: folder with a folder per run name.
        work: folder for progress files, likewise.
        wait: whether to wait for a run that another process has.

    Raises:
        Busy: without ``wait``, at the first such run.
    """
    done = list(runs)
    for run in done:
        with alone(work / run.name, run.name, wait=wait):
            bring_back(results / run.name, work / run.name)
            execute(run)
            keep(results / run.name, work / run.name)
    for run in done:
        forget(work, run.name)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # a file system without hard links
        shutil.copy2(source, target)
