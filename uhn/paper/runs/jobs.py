"""Jobs: several runs one after another in one process, with results per run as if each had its own.

A finished run's files are kept a second time under ``work/``, until a later start has found the results in place: a
workflow engine removes the declared outputs of a job that failed, or that it could not follow to its end. The second
ones are copies, not links: an engine may also write an older result into the file that it finds.
"""

from __future__ import annotations

import shutil
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from uhn.files import write_together
from uhn.locks import locked, try_lock
from uhn.paper.names import is_trial
from uhn.paper.settings import RunSettings
from uhn.records import RECORD

RESULT_FILES = ("model.safetensors", "history.csv", RECORD)
"""What a finished run leaves, the metrics last: whoever sees them sees the others."""

KEPT = "finished"
"""Folder below a run's folder of ``work/`` that holds the second copy."""


def result_files(name: str) -> tuple[str, ...]:
    """What the run ``name`` leaves: a trial of a sweep leaves no weights, nothing reads them."""
    return RESULT_FILES[1:] if is_trial(name) else RESULT_FILES


JOBS = ".jobs"
"""Lock below ``work/`` that every living job holds together with the others."""


class Busy(Exception):
    """Another process has the run."""


@contextmanager
def alone(work: Path, name: str, *, wait: bool = True) -> Iterator[None]:
    """Hold the lock of the run ``name``, so that two processes never train it at once.

    The system frees it when the process ends, however that comes. Folders that are empty in the end are removed.

    Raises:
        Busy: without ``wait``, if another process has it.
    """
    folder = work / name
    with ExitStack() as stack:
        handle, told = None, False
        while handle is None:
            with suppress(FileNotFoundError):  # whoever had it has removed the folder meanwhile
                _make(folder)
                handle = stack.enter_context(locked(folder / "lock", wait=told))
            if handle is None and not told:
                if not wait:
                    raise Busy(name)
                print(f"{name}: waiting for another process that has it", flush=True)
                told = True
        try:
            yield
        finally:
            (folder / "lock").unlink(missing_ok=True)
            with suppress(OSError):
                while folder != work:
                    folder.rmdir()
                    folder = folder.parent


def keep(results: Path, work: Path) -> None:
    """Copy the files of a finished run into ``work/finished``; a disk without room for that costs nothing else."""
    found = [name for name in RESULT_FILES if (results / name).is_file()]
    try:
        write_together({work / KEPT / name: (results / name).read_bytes() for name in found})
    except OSError as error:
        print(f"no second copy of {results}: {error}", flush=True)


def forget(work: Path) -> None:
    """Remove the second copy of a run."""
    shutil.rmtree(work / KEPT, ignore_errors=True)


def settle(results: Path, work: Path) -> None:
    """Remove the second copies of results that are in place: for an engine that has come to its end without an error.

    Nothing is removed while a job is alive, whoever started it: its engine may still remove what it leaves.

    Args:
        results: folder with a folder per run name.
        work: folder of second copies, likewise.
    """
    with _alive(work) as handle:
        for kept in sorted(path.parent for path in work.rglob(f"{KEPT}/{RECORD}")) if try_lock(handle) else ():
            name = kept.parent.relative_to(work).as_posix()
            if all(_content(results / name / file.name) == file.read_bytes() for file in kept.iterdir()):
                with alone(work, name):
                    forget(work / name)


def run_all(
    stacks: Iterable[Sequence[RunSettings]],
    execute: Callable[[Sequence[RunSettings]], object],
    *,
    results: Path,
    work: Path,
    wait: bool = True,
) -> None:
    """Execute runs in order. ``execute`` skips a run that is finished with the same identity.

    Args:
        stacks: settings of the runs, those that are trained at once in one list.
        execute: trains or resumes the runs of a list and writes their files.
        results: folder with a folder per run name.
        work: folder for progress files and second copies, likewise.
        wait: whether to wait for a run that another process has.

    Raises:
        Busy: without ``wait``, at the first such run.
    """
    stacks = list(stacks)
    before = {run.name: _content(results / run.name / RECORD) for stack in stacks for run in stack}
    with _alive(work):
        for stack in stacks:
            with ExitStack() as locks:
                for name in sorted(
                    run.name for run in stack
                ):  # in one order everywhere, or two would wait for each other
                    locks.enter_context(alone(work, name, wait=wait))
                execute(stack)
                for run in stack:
                    if _content(results / run.name / RECORD) == before[run.name]:  # this start has found them in place
                        forget(work / run.name)
                    else:
                        keep(results / run.name, work / run.name)


@contextmanager
def _alive(work: Path) -> Iterator[int]:
    """Hold :data:`JOBS`; the last one removes it, and the folder if it is empty."""
    with ExitStack() as stack:
        handle = None
        while handle is None:
            with suppress(FileNotFoundError):  # the last one has removed the folder meanwhile
                _make(work)
                handle = stack.enter_context(locked(work / JOBS, shared=True))
        try:
            yield handle
        finally:
            if try_lock(handle):
                (work / JOBS).unlink(missing_ok=True)
                with suppress(OSError):
                    work.rmdir()


def _make(folder: Path) -> None:
    """Make a folder that others may remove at any moment."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:  # it was there, and is gone again; or something else is in the way
        for path in (folder, *folder.parents):
            with suppress(FileNotFoundError):
                if not stat.S_ISDIR((path.stat() if path.is_dir() else path.lstat()).st_mode):
                    raise


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None
