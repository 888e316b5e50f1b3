"""Reference results: the small files of a profile's finished runs and what is rendered from them, kept in git."""

from __future__ import annotations

import shutil
import tempfile
from itertools import product
from pathlib import Path

from uhn.paper.names import is_trial
from uhn.paper.report.render import PARAMS, open_book, render, render_overview
from uhn.paper.report.tracked import write_cells
from uhn.paper.runs.archive import RUN_FILES, Files, write_archive
from uhn.paper.runs.results import Run, load_runs
from uhn.paper.tables.catalogue import KERNELS, kernel_runs, worth
from uhn.paper.wanted import PICTURES, kept_records

TRACKED = "metrics"
"""Folder of what `dvc metrics` shows of them."""

MEASURED = ("facts", "model-sets", "sweeps", "costs.json")
"""What else was measured or chosen, kept as it is; everything else of a profile is rendered again."""


def keep(results: Path, profile: str, params: Path, target: Path) -> Path:
    """Add the finished runs of ``results/<profile>`` to those kept in ``target/<profile>``, and render all of them, and
    the page over all profiles that are kept.

    A run that is kept already is replaced by the new one of its name. What was kept stays as it is until the new
    folder is whole. Kept tables of other profiles that show the best that is kept follow. Returns that folder.

    Raises:
        ValueError: if there is no finished run; nothing is changed then.
    """
    source, folder = results / profile, target / profile
    if source.resolve() == folder.resolve():
        raise ValueError(f"reference results need a folder of their own, got {folder} for both")
    runs = load_runs(results, profile) if source.is_dir() else {}
    if not runs:
        raise ValueError(f"wanted finished runs in {source}, got none")
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{profile}.", dir=target) as place:
        whole = Path(place) / profile
        for part, before in product(MEASURED, (folder, source)):
            _copy(before / part, whole / part)
        kept = load_runs(target, profile) | {name: run for name, run in runs.items() if not is_trial(name)}
        # what a sweep's trials came to stands in its stages' files
        write_archive(whole, {name: _small_files(run) for name, run in kept.items()})
        _copy(params, whole / PARAMS)
        book = open_book(Path(place), profile, params, present=False, reference=target)
        render(["all"], book, Path(place))
        write_cells(book, whole / TRACKED)
        if len(kernel_runs(book)) < len(KERNELS):  # drawn from weights, which are not kept: the picture is
            for ending, before in product(PICTURES, (folder, source)):
                _copy(before / "figures" / f"figure4.{ending}", whole / "figures" / f"figure4.{ending}")
        if folder.exists():
            folder.rename(Path(place) / "before")
        whole.rename(folder)
    for records in kept_records(target, profile):  # where a path was tried, the best that is kept stands beside it
        if b'"path_only":true' in records.read_bytes():
            other = records.parent
            book = open_book(target, other.name, other / PARAMS, present=False, reference=target)
            render([*worth(book), "report"], book, target)
    render_overview(target, params)
    return folder


def _small_files(run: Run) -> Files:
    return {name: content for name in RUN_FILES if (content := run.content(name)) is not None}


def _copy(source: Path, target: Path) -> None:
    """Copy a file or folder that may be missing over what may be there."""
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    elif source.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
