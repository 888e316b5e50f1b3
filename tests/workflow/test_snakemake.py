"""The workflow end to end on the smoke profile, and what makes it run again."""

from __future__ import annotations

import json
import re
import shlex
import zipfile
from pathlib import Path

import pytest
from workflow_copy import Workflow

pytestmark = pytest.mark.workflow

NOTHING = "Nothing to be done"
EXTRA = "  smoke:\n"
PAPER = "  paper:\n"
SMALLER = '    seeds: 1\n    sweeps: {"*": {lr: [1, 2], budget: [1], seeds: 1, more_seeds: 1, top: 2}}\n'
FUTURE = "from __future__ import annotations\n"
MORE = "    seeds: 2\n    grouping: job\n    tables:\n      table01: [mnist-mlp]\n"
FEWER = MORE.replace("seeds: 2", "seeds: 1")
METHODS = {"cifar10-cnn20": ("direct", "ha", "chunked", "uhn"), "cnn-mixed-width": ("uhn",)}


def _jobs(said: str) -> list[str]:
    """Rules that a dry run would run, from its table of jobs."""
    return sorted(re.findall(r"^(\w+)\s+\d+$", said, re.MULTILINE))


def test_the_dag_of_the_paper_is_whole_and_takes_a_path_with_spaces(workflow: Workflow) -> None:
    """With few seeds and trials: more are jobs of the same rules. The quick profile's is drawn, see test_searches."""
    workflow.edit("params.yaml", PAPER, PAPER + SMALLER)
    folder = workflow.folder / "my {dir}"
    folder.mkdir()
    (workflow.folder / "params.yaml").rename(folder / "p's.yaml")
    command = [workflow.python, "-m", "snakemake", "tables", "-n", "-p", "--workflow-profile", "none", "--cores", "1"]
    said = workflow.call([*command, "--config", "profile=paper", "params=my {dir}/p's.yaml"])
    assert {"fetch", "table", "pages", "train", "trial", "select", "model_sets"} <= set(_jobs(said)), said
    assert shlex.join(["--params", "my {dir}/p's.yaml"]) in said


def test_bad_settings_stop_before_anything_runs(workflow: Workflow) -> None:
    """What is wrong is found without snakemake, see test_config and test_faults_names; this is how it is said."""
    workflow.edit("params.yaml", "lr: 0.01, epochs: 200", "lr: -1, epochs: 200")
    said = workflow.snakemake("tables", check=False)
    assert "experiments.mnist-mlp.methods.direct.train.lr: wanted > 0" in said
    assert "Traceback" not in said
    assert not (workflow.folder / "results").exists()


def test_smoke_from_nothing_to_tables_and_what_runs_again(workflow: Workflow) -> None:
    workflow.edit("params.yaml", MORE, FEWER)
    said = workflow.snakemake("tables")
    tables, runs = workflow.folder / "results/smoke/tables", workflow.folder / "results/smoke/runs"
    numbers = (1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 17)
    endings = ("md", "csv", "tex", "provenance.json")
    assert {path.name for path in tables.iterdir()} == {f"table{n:02d}.{end}" for n in numbers for end in endings}, said
    folder = workflow.folder / "results/smoke"
    assert {path.name for path in (folder / "figures").iterdir()} == {"figure3.png", "figure3.svg", "figure3.csv"}
    assert {path.name for path in (folder / "facts").iterdir()} == {
        "descriptors.json",
        "model-sets.json",
        "citation.json",
    }
    assert "| 624,987 |" in (tables / "table03.md").read_text()
    assert "not measured: stand-in" in (tables / "table10.md").read_text()
    assert "2,708 (stand-in)" not in (tables / "table10.md").read_text()
    last = said[said.index("\nsmoke: ") :].splitlines()
    assert "results stand at the paper's budget" in last[1] and "page: results/smoke/report.html" in said
    assert "PART OF THE DATA" in last[2] or "STAND-IN DATA" in last[2]
    assert "\ntook: " in said
    workflow.snakemake("tables", "--report", "shown.zip")
    with zipfile.ZipFile(workflow.folder / "shown.zip") as shown:
        names = {Path(name).name for name in shown.namelist()}
        whole = shown.read("shown/report.html").decode()
    assert {"table01.csv", "figure3.svg", "report.html", "coverage.md", "claims.md"} <= names
    assert all(sort in whole for sort in ("Tables", "Figures", "Pages")) and "Drawn from the runs" in whole
    page = (folder / "report.html").read_text()
    assert page.index("Stand-in data: ") < page.index("<table")
    assert all(f'<section id="{name}">' in page for name in ("table06", "table09", "table10", "table17", "figure3"))
    names = {path.parent.relative_to(runs).as_posix() for path in runs.rglob("metrics.json")}
    trials = {name for name in names if name.startswith("sweeps/")}
    assert len(trials) == 12
    methods = dict.fromkeys(("mnist-mlp", "kan-ellipj", "kan-kv", "cora-gcn"), ("direct", "uhn")) | METHODS
    assert names - trials == {f"{name}/{method}/seed-21962" for name, own in methods.items() for method in own}
    kan = json.loads((runs / "kan-kv/uhn/seed-21962/metrics.json").read_text())["settings"]
    chosen = json.loads((folder / "sweeps/kan-kv/uhn/stage4.json").read_text())["values"]
    taken = {"lr": kan["train"]["lr"], "budget": kan["train"]["steps"]}
    taken |= {f"init_{key}": kan["init"][key] or 0 for key in ("lr", "steps")}
    assert taken == chosen, "it waits for its sweep"
    mnist = json.loads((runs / "mnist-mlp/uhn/seed-21962/metrics.json").read_text())
    assert mnist["data"][0]["kind"] in ("subset", "stand-in")
    assert not list((workflow.folder / "work/smoke").rglob("*.*"))
    first_tables, first_runs = _bytes(tables), _bytes(runs)

    # Comments change nothing.
    workflow.edit("params.yaml", EXTRA, "  # a comment\n" + EXTRA)
    workflow.edit("uhn/layers/kan.py", FUTURE, FUTURE + "# a comment\n")
    assert NOTHING in workflow.snakemake("tables")

    # Code counts for the runs that use it.
    workflow.edit("uhn/layers/kan.py", FUTURE, FUTURE + "\nUNUSED = 1\n")
    jobs = set(_jobs(workflow.snakemake("tables", "-n")))
    assert "train_functions_seed_21962" in jobs
    assert "train_mnist_seed_21962" not in jobs
    workflow.edit("uhn/layers/kan.py", FUTURE + "\nUNUSED = 1\n", FUTURE)

    # One seed and one row more, and a file that is gone: what is missing is trained, and no other run is made again.
    workflow.edit("params.yaml", FEWER + "      table11: [kan-ellipj,", MORE + "      table11: [kan-iv, kan-ellipj,")
    (runs / "kan-kv/direct/seed-21962/history.csv").unlink()
    workflow.snakemake("tables")
    after = _bytes(runs)
    remade = {name for name in first_runs if after[name] != first_runs[name]}
    assert {name.rpartition("/")[0] for name in remade} == {"kan-kv/direct/seed-21962"}
    assert "kan-kv/direct/seed-21962/metrics.json" in remade
    new = {name.rpartition("/")[0] for name in after.keys() - first_runs.keys()}
    assert {name for name in new if "kan-iv" not in name and not name.endswith("/seed-59358")} == set()
    assert {f"kan-iv/{method}/seed-{seed}" for method in ("direct", "uhn") for seed in (21962, 59358)} <= new

    # One seed and one row fewer render the first tables again, byte for byte.
    workflow.edit("params.yaml", MORE + "      table11: [kan-iv, ", FEWER + "      table11: [")
    names = [f"table{n:02d}" for n in numbers]
    workflow.call([workflow.python, "-m", "uhn", "render", *names, "--profile", "smoke"])
    assert _bytes(tables) == first_tables


def _bytes(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.*") if path.is_file()}


def test_a_table_of_the_paper_asks_for_its_own_runs_only(workflow: Workflow) -> None:
    said = workflow.snakemake("-n", "results/paper/tables/table11.md", profile="paper")
    counts = dict(line.split() for line in said.splitlines() if len(line.split()) == 2 and line.split()[1].isdigit())
    assert {name: counts[name] for name in ("train", "table", "total")} == {"train": "90", "table": "1", "total": "91"}
