"""A run's metrics, history and outcome changed at random: refused in one line, or read as what they still are."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
import yaml
from farm import seeds
from mutations import damage, mutated_json
from small import PARAMS, answers

NAME = "kan-kv/direct/seed-1"
READERS = (
    ("render", "coverage", "claims", "report", "table11"),
    ("explain", "table11", "kan-kv", "direct"),
    ("plan",),
    ("run", "--missing", "--table", "table11", "--dry-run"),
    ("accept", NAME, "--why", "tried"),
)
"""Commands that read what runs left."""


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results with one finished run, as the real writer leaves them, and their settings beside."""
    from uhn.paper.cli import main

    folder = tmp_path_factory.mktemp("metrics")
    (folder / "params.yaml").write_text(yaml.safe_dump(PARAMS), encoding="utf-8")
    places = [f"--{name}={folder / name}" for name in ("results", "work", "data")]
    assert main(["run", NAME, f"--params={folder / 'params.yaml'}", *places]) == 0
    return folder / "results"


@pytest.mark.parametrize("file", ["metrics.json", "history.csv"])
@pytest.mark.parametrize("seed", seeds(12))
def test_what_a_run_left_is_refused_in_one_line_or_read(
    seed: int, file: str, results: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(results.parent)
    path, rng = results / "quick" / "runs" / NAME / file, random.Random(f"{file} {seed}")
    before = path.read_bytes()
    try:
        as_json = file == "metrics.json" and rng.random() < 0.7
        path.write_bytes(mutated_json(json.loads(before), rng) if as_json else damage(before, rng))
        capsys.readouterr()
        answers([*rng.choice(READERS), f"--params={results.parent / 'params.yaml'}", f"--results={results}"], capsys)
    finally:
        path.write_bytes(before)
        (path.parent / "accepted.json").unlink(missing_ok=True)
