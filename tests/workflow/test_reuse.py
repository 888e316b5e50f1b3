"""The workflow as others take it: deployed in a folder that is no clone; and by Snakemake's own lint."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from workflow_copy import Workflow

pytestmark = pytest.mark.workflow

DEPLOYED = """
configfile: "config/config.yaml"


module uhn:
    snakefile:
        "{clone}/workflow/Snakefile"
    config:
        config


use rule * from uhn
"""
"""What ``snakedeploy deploy-workflow`` writes, beside copies of config/ and profiles/."""


def test_a_deployed_workflow_has_its_own_config_and_the_clones_settings(
    workflow: Workflow, repository: Path, tmp_path: Path
) -> None:
    deployed = tmp_path / "deployed"
    (deployed / "workflow").mkdir(parents=True)
    (deployed / "workflow/Snakefile").write_text(DEPLOYED.format(clone=workflow.folder), encoding="utf-8")
    for name in ("config", "profiles"):
        shutil.copytree(repository / name, deployed / name)
    text = (deployed / "config/config.yaml").read_text(encoding="utf-8")
    assert "profile: quick\n" in text
    (deployed / "config/config.yaml").write_text(text.replace("quick", "smoke"), encoding="utf-8")
    command = [workflow.python, "-m", "snakemake", "-n", "--printshellcmds", "--quiet", "host"]
    said = Workflow(deployed).call(command, PYTHONPATH=str(workflow.folder))
    assert "train_mnist_seed_21962" in said and "--params work/params.yaml" in said
    assert (deployed / "work/params.yaml").read_bytes() == (repository / "params.yaml").read_bytes()
    assert list(deployed.glob("results/*")) == []


def test_lint_finds_nothing(workflow: Workflow) -> None:
    assert "in a good condition" in workflow.snakemake("--lint")
