"""Reference results: the small files of a profile's finished runs and what was rendered from them, kept in git."""

from __future__ import annotations

import shutil
from pathlib import Path

from uhn.reporting.results import load_runs

RUN_FILES = ("metrics.json", "history.csv", "accepted.json")
"""What is kept of a run: text; weights stay in the cache."""

RENDERED = ("facts", "model-sets", "sweeps", "costs.json", "tables", "figures", "coverage.md", "report.html")
"""What is kept of the profile beside its runs."""

PARAMS = "params.yaml"
"""The settings as they were: without them, later tables could not be compared with these."""


def keep(results: Path, profile: str, params: Path, target: Path) -> Path:
    """Replace ``target/<profile>`` by the small files of ``results/<profile>`` and return it.

    Raises:
        ValueError: if there is no finished run, or nothing has been rendered; nothing is removed then.
    """
    source, folder = results / profile, target / profile
    if source.resolve() == folder.resolve():
        raise ValueError(f"reference results need a folder of their own, got {folder} for both")
    runs = load_runs(results, profile) if source.is_dir() else {}
    if not runs or not (source / "coverage.md").is_file():
        raise ValueError(f"wanted finished runs and rendered tables in {source}, got {len(runs)} runs")
    shutil.rmtree(folder, ignore_errors=True)
    for name in runs:
        if name.startswith("sweeps/"):
            continue  # what a sweep's trials came to stands in its stages' files
        for file in RUN_FILES:
            _copy(source / "runs" / name / file, folder / "runs" / name / file)
    for part in RENDERED:
        _copy(source / part, folder / part)
    _copy(params, folder / PARAMS)
    return folder


def _copy(source: Path, target: Path) -> None:
    """Copy a file or folder that may be missing."""
    if source.is_dir():
        shutil.copytree(source, target)
    elif source.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
