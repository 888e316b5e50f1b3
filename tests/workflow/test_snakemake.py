"""The workflow end to end on the smoke profile, and what makes it run again."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from workflow_copy import Workflow

pytestmark = pytest.mark.workflow

NOTHING = "Nothing to be done"
EXTRA = "  smoke:\n"


def _jobs(said: str) -> list[str]:
    """Rules that a dry run would run, from its table of jobs."""
    return sorted(re.findall(r"^(\w+)\s+\d+$", said, re.MULTILINE))


def test_the_dag_of_every_profile_is_whole(workflow: Workflow) -> None:
    for profile in ("quick", "paper"):
        said = workflow.snakemake("tables", "-n", profile=profile)
        assert {"fetch", "render"} <= set(_jobs(said)), said


def test_bad_settings_stop_before_anything_runs(workflow: Workflow) -> None:
    workflow.edit("params.yaml", "lr: 0.01, epochs: 200", "lr: -1, epochs: 200")
    said = workflow.snakemake("tables", check=False)
    assert "experiments.mnist-mlp.methods.direct.train.lr: wanted > 0" in said
    assert "Traceback" not in said
    assert "wanted one of quick, paper, smoke, got 'fast'" in workflow.snakemake("tables", check=False, profile="fast")
    assert not (workflow.folder / "results").exists()


def test_smoke_from_nothing_to_tables_and_what_runs_again(workflow: Workflow) -> None:
    said = workflow.snakemake("tables")
    tables, runs = workflow.folder / "results/smoke/tables", workflow.folder / "results/smoke/runs"
    for name in ("table01.md", "table01.csv", "table01.tex", "table11.md", "table11.csv", "table11.tex"):
        assert (tables / name).stat().st_size > 0, said
    metrics = sorted(path.parent.relative_to(runs).as_posix() for path in runs.rglob("metrics.json"))
    assert len(metrics) == 12
    assert "mnist-mlp/uhn/seed-21962" in metrics
    mnist = json.loads((runs / "mnist-mlp/uhn/seed-21962/metrics.json").read_text())
    assert mnist["data"][0]["kind"] in ("subset", "stand-in")
    assert not list((workflow.folder / "work").rglob("progress.ckpt"))
    assert NOTHING in workflow.snakemake("tables")

    def bytes_of(folder: Path) -> dict[str, bytes]:
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    before, written = bytes_of(tables), _times(runs)

    # Comments change nothing.
    workflow.edit("params.yaml", EXTRA, "  # a comment\n" + EXTRA)
    workflow.edit("uhn/layers/kan.py", "from __future__", "# a comment\nfrom __future__")
    assert NOTHING in workflow.snakemake("tables")

    # Code counts for the runs that use it.
    workflow.edit(
        "uhn/layers/kan.py", "from __future__ import annotations\n", "from __future__ import annotations\n\nX = 1\n"
    )
    assert _jobs(workflow.snakemake("tables", "-n")) == sorted(
        ["all", "render", "tables", "total", "train_functions_seed_21962", "train_functions_seed_59358"]
    ) or "train_mnist" not in workflow.snakemake("tables", "-n")
    workflow.edit("uhn/layers/kan.py", "\n\nX = 1\n", "\n")
    assert NOTHING in workflow.snakemake("tables")

    # One seed more trains that seed, and no other run is written again.
    workflow.edit("params.yaml", "    seeds: 2\n", "    seeds: 3\n")
    workflow.snakemake("tables")
    after = _times(runs)
    assert {name: after[name] for name in written} == written
    assert {name.rpartition("/seed-")[2].partition("/")[0] for name in after.keys() - written.keys()} == {"78117"}

    # One seed fewer renders the first tables again, byte for byte.
    workflow.edit("params.yaml", "    seeds: 3\n", "    seeds: 2\n")
    workflow.snakemake("tables")
    assert bytes_of(tables) == before


def test_a_job_that_gains_a_run_trains_that_run_only(workflow: Workflow) -> None:
    workflow.edit("params.yaml", "    seeds: 2\n", "    seeds: 1\n")
    workflow.edit(
        "params.yaml", "      table01: [mnist-mlp]\n      table11: [kan-ellipj, kan-kv]", "      table11: [kan-kv]"
    )
    workflow.snakemake("runs")
    runs = workflow.folder / "results/smoke/runs"
    written = _times(runs)
    assert len(written) == 2 * 3
    workflow.edit("params.yaml", "table11: [kan-kv]", "table11: [kan-kv, kan-iv]")
    workflow.snakemake("runs")
    after = _times(runs)
    assert {name: after[name] for name in written} == written
    assert len(after) == 4 * 3
    (runs / "kan-iv/uhn/seed-21962/metrics.json").unlink()
    workflow.snakemake("runs")
    assert _times(runs).keys() == after.keys()
    assert {name: _times(runs)[name] for name in written} == written


def _times(folder: Path) -> dict[str, int]:
    stamp: Callable[[Path], int] = lambda path: path.stat().st_mtime_ns  # noqa: E731
    return {path.relative_to(folder).as_posix(): stamp(path) for path in folder.rglob("*.*") if path.is_file()}
