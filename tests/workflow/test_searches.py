"""Sweeps as part of the DAG: what a dry run shows, and what a changed grid runs again."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
from workflow_copy import Workflow

pytestmark = pytest.mark.workflow

NOTHING = "Nothing to be done"
SWEEP = "results/smoke/sweeps/kan-kv/uhn"
TRIALS = "results/smoke/runs/sweeps/kan-kv/uhn"
GRID = "        init_lr: [0.001, 0.002]\n        init_steps: [1, 2]\n        seeds: 1\n        more_seeds: 1\n"

LONG = "steps: 200}, train: {lr: 0.0001}}\n  kan-iv:"
"""The initialisation of kan-kv in the paper."""


def _results(workflow: Workflow) -> dict[str, bytes]:
    """Metrics of every trial; they hold when it ended."""
    root = workflow.folder / TRIALS
    return {path.parent.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("metrics.json")}


def _stage(workflow: Workflow, number: int) -> str:
    return Path(workflow.folder / SWEEP / f"stage{number}.json").read_text(encoding="utf-8")


def test_a_search_in_one_job_and_what_runs_again(workflow: Workflow) -> None:
    said = workflow.snakemake("sweeps")
    assert re.search(r"^search_sweeps_functions\s+1$", said, re.MULTILINE), said
    first = _results(workflow)
    assert len(first) == 2 + 4 + 4 + 2

    # A comment, or the same grid in another order, runs nothing.
    workflow.edit("params.yaml", GRID, GRID.replace("[1, 2]", "[2, 1]  # a comment"))
    assert NOTHING in workflow.snakemake("sweeps")

    # A value more in the second stage's grid runs its new trials, and later ones only if the choice has changed.
    before = _stage(workflow, 2)
    workflow.edit("params.yaml", "[2, 1]  # a comment", "[1, 2, 3]")
    workflow.snakemake("sweeps")
    after = _results(workflow)
    added = {name for name in after if name not in first}
    assert added == {f"stage2/init-{lr}x3/seed-21962" for lr in ("0.001", "0.002")}
    assert all(after[name] == first[name] for name in first if name.startswith("stage1"))
    again = {name for name in first if after[name] != first[name]}
    same = json.loads(before)["values"] == json.loads(_stage(workflow, 2))["values"]
    assert not again if same else {name.split("/")[0] for name in again} <= {"stage3", "stage4"}


def test_a_search_with_a_job_per_trial(workflow: Workflow) -> None:
    workflow.edit("params.yaml", GRID, GRID.replace("[0.001, 0.002]", "[]").replace("[1, 2]", "[]"))
    workflow.edit("params.yaml", LONG, LONG.replace("200", "2"))
    text = (workflow.folder / "params.yaml").read_text(encoding="utf-8")
    smoke = text.index("  smoke:\n")
    (workflow.folder / "params.yaml").write_text(
        text[:smoke] + text[smoke:].replace("grouping: job", "grouping: run").replace("budget: [2, 3]", "budget: [2]")
    )
    said = workflow.snakemake("-n", f"{TRIALS}/stage2/place-1/seed-59358/metrics.json")
    assert re.search(r"^trial\s+3$", said, re.MULTILINE) and re.search(r"^select\s+1$", said, re.MULTILINE), said
    said = workflow.snakemake("sweeps")
    assert re.search(r"^trial\s+4$", said, re.MULTILINE), said
    assert re.search(r"^select\s+2$", said, re.MULTILINE), said
    assert set(_results(workflow)) == {
        "stage1/train-0.001x2/seed-21962",
        "stage1/train-0.002x2/seed-21962",
        "stage2/place-1/seed-59358",
        "stage2/place-2/seed-59358",
    }
    workflow.edit(
        "uhn/layers/conv.py",
        "from __future__ import annotations\n",
        "from __future__ import annotations\n\nUNUSED = 1\n",
    )
    assert NOTHING in workflow.snakemake("sweeps"), "no function uses convolutions"


def test_the_picture_of_the_workflow_is_up_to_date(
    repository: Path, monkeypatch: pytest.MonkeyPatch, forking_python: str
) -> None:
    from uhn.paper.commands.docs import WORKFLOW, rule_graph, with_part

    monkeypatch.chdir(repository)
    monkeypatch.setattr(sys, "executable", forking_python)
    text = (repository / "docs/pipeline.md").read_text(encoding="utf-8")
    assert with_part(text, "workflow", WORKFLOW.format(graph=rule_graph())) == text, "run: uhn docs"
    monkeypatch.undo()
    with pytest.raises(ValueError, match="wanted each of"):
        with_part("no markers", "workflow", "")
