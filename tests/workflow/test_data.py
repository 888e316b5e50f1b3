"""What the pipeline says where data are not at hand, and that it looks again once they are."""

from __future__ import annotations

import json

import pytest
from workflow_copy import Workflow

from uhn.tasks import DATASETS

pytestmark = pytest.mark.workflow

CORA = "work/receipts/cora.json"


def test_stand_ins_are_said_aloud_and_replaced_when_the_data_come(workflow: Workflow) -> None:
    said = workflow.snakemake(CORA)
    assert json.loads((workflow.folder / CORA).read_text())["kind"] == "stand-in"
    assert said.count("STAND-IN DATA (cora: ") == 2, "when it is known, and at the end"
    (last,) = [line for line in said.splitlines() if line.startswith("uhn: STAND-IN DATA (")]
    assert "cora" in last and "Reason: no mirror" in last and "Cure: set UHN_DATA_MIRROR" in last
    again = workflow.snakemake(CORA)
    assert last in again.splitlines() and "Nothing to be done" in again
    for file in DATASETS["cora"].files:  # as `uhn data fetch` would leave them
        (workflow.folder / "data" / file.path).parent.mkdir(parents=True, exist_ok=True)
        (workflow.folder / "data" / file.path).touch()
    said = workflow.snakemake(CORA, "-n")
    assert "Nothing to be done" not in said and "STAND-IN" not in said


def test_what_must_be_real_stops_with_its_reason_and_its_cure(workflow: Workflow) -> None:
    """That nothing stands in for what a mirror lacks is test_commands' to ask."""
    said = workflow.snakemake(CORA, check=False, profile="paper")
    assert "dataset 'cora': planetoid/ind.cora.x could not be obtained. Places tried:" in said
    assert "Cure: set UHN_DATA_MIRROR to a folder" in said
    assert not (workflow.folder / CORA).exists()
