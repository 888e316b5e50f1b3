"""An engine that dies, and a log that cannot be written, cost nothing that was trained."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from tiny import REPOSITORY

from uhn.records import read_record

pytestmark = pytest.mark.workflow

RUN = "results/smoke/runs/kan-kv/direct/seed-21962"
BROKEN_TEE = '#!/bin/sh\ncat\necho "tee: write error: No space left on device"\nexit 1\n'


def test_an_orphan_whose_log_fails_keeps_its_result(tmp_path: Path, forking_python: str) -> None:
    """Snakemake is killed, its child lives and finishes, `tee` fails in both: the next start trains nothing."""
    for name in ("Snakefile", "workflow", "profiles", "uhn"):
        (tmp_path / name).symlink_to(REPOSITORY / name)
    text = (REPOSITORY / "params.yaml").read_text(encoding="utf-8")
    old = "    seeds: 2\n    grouping: job\n"
    assert text.count(old) == 1
    (tmp_path / "params.yaml").write_text(text.replace(old, "    seeds: 1\n    grouping: run\n"), encoding="utf-8")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "tee").write_text(BROKEN_TEE)
    (tmp_path / "bin" / "tee").chmod(0o755)
    path = f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"
    metrics, target = tmp_path / RUN / "metrics.json", f"{RUN}/metrics.json"
    command = [forking_python, "-m", "snakemake", target, "--cores", "1", "--config", "profile=smoke"]
    environment = os.environ | {"PATH": path, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}

    with (tmp_path / "first").open("w") as said:
        engine = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=said, stderr=subprocess.STDOUT)
        while not list((tmp_path / "work").rglob("lock")):
            assert engine.poll() is None, (tmp_path / "first").read_text()
            time.sleep(0.05)
        engine.send_signal(signal.SIGKILL)
        engine.wait()
        while (tmp_path / "work" / "smoke" / ".jobs").exists():  # its child is alive
            time.sleep(0.05)
    assert metrics.exists(), (tmp_path / "first").read_text()
    before = metrics.read_bytes()

    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "finished before" in done.stdout and "No space left on device" in done.stdout
    assert metrics.read_bytes() == before and read_record(metrics)["status"] == "finished"
    assert not list((tmp_path / "work").rglob("*.*"))
