"""The shipped profile for SLURM, on a real cluster of one node."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from slurm_node import cluster, missing
from workflow_copy import Workflow, copy_workflow

pytestmark = [pytest.mark.workflow, pytest.mark.skipif(missing() is not None, reason=str(missing()))]

QUICKER = ("--slurm-init-seconds-before-status-checks", "3", "--seconds-between-status-checks", "3")


def tables(workflow: Workflow) -> dict[str, bytes]:
    folder = workflow.folder / "results/smoke/tables"
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix in (".csv", ".md", ".tex")}


def test_a_job_that_is_preempted_ends_in_the_same_tables(repository: Path, tmp_path: Path) -> None:
    """What README says and nothing else, but how often it looks; a training job is put back into the queue once."""
    here, there = (copy_workflow(repository, tmp_path / name) for name in ("here", "there"))
    here.snakemake("tables")
    with cluster(tmp_path / "slurm") as environment:
        command = ["--workflow-profile", "profiles/slurm", "--slurm-no-account", *QUICKER, "--config", "profile=smoke"]
        kept = os.environ | environment | {"PYTHONPATH": f"{there.folder}:{os.environ.get('PYTHONPATH', '')}"}
        log = tmp_path / "log"
        with log.open("w") as output:
            running = subprocess.Popen(
                [sys.executable, "-m", "snakemake", *command, "--", "tables"],
                cwd=there.folder, env=kept, stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip
            preempted = ""
            while running.poll() is None:
                queue = ["squeue", "-h", "-t", "RUNNING", "-o", "%i %M"]
                for line in subprocess.run(queue, env=kept, capture_output=True, text=True).stdout.splitlines():
                    job, age = line.split()
                    if not preempted and int(age.split(":")[-1]) >= 8:
                        subprocess.run(["scontrol", "requeue", job], env=kept, check=True)
                        preempted = job
                time.sleep(1)
        assert running.returncode == 0, log.read_text()
        assert preempted
        done = (tmp_path / "slurm/jobs.txt").read_text()
        assert "JobState=COMPLETED" in done and f"JobId={preempted} " in done
    assert tables(there) == tables(here)
    said = log.read_text()
    assert "localrule fetch" in said and "localrule render" in said and said.count("submitted with SLURM jobid") >= 5
