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


def test_a_job_that_is_preempted_and_one_whose_node_dies_end_in_the_same_tables(
    repository: Path, tmp_path: Path
) -> None:
    """What README says and nothing else, but how often it looks. One job is put back into the queue in its middle; of a
    later one the node dies with all that runs on it."""
    here, there = (copy_workflow(repository, tmp_path / name) for name in ("here", "there"))
    here.snakemake("tables")
    with cluster(tmp_path / "slurm") as node:
        command = ["--workflow-profile", "profiles/slurm", "--slurm-no-account", *QUICKER, "--config", "profile=smoke"]
        kept = os.environ | node.environment | {"PYTHONPATH": f"{there.folder}:{os.environ.get('PYTHONPATH', '')}"}
        log = tmp_path / "log"
        with log.open("w") as output:
            running = subprocess.Popen(
                [sys.executable, "-m", "snakemake", *command, "--", "tables"],
                cwd=there.folder, env=kept, stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip
            hit: list[str] = []
            while running.poll() is None:
                for line in node.say("squeue", "-h", "-t", "RUNNING", "-o", "%i %M").splitlines():
                    job, age = line.split()
                    if len(hit) < 2 and job not in hit and int(age.split(":")[-1]) >= 8:
                        if hit:
                            node.fail(job)
                        else:
                            node.say("scontrol", "requeue", job)
                        hit.append(job)
                        break
                time.sleep(1)
        assert running.returncode == 0, log.read_text()
        assert len(hit) == 2
        done = (tmp_path / "slurm/jobs.txt").read_text()
        assert "JobState=COMPLETED" in done and all(f"JobId={job} " in done for job in hit)
        assert "JobState=NODE_FAIL" in done
    assert tables(there) == tables(here)
    said = log.read_text()
    assert "localrule fetch" in said and "localrule render" in said and said.count("submitted with SLURM jobid") >= 5
