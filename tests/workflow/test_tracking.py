"""The DVC files and the documents that are written by commands."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from recorded import recorded

from uhn.paper.cli import main
from uhn.paper.commands.docs import PICTURE, SECTIONS, how_fast, on_a_gpu, settings_reference, what_was_found, with_part
from uhn.paper.commands.track import pipeline_file
from uhn.paper.config import load_config
from uhn.paper.plan import Plan
from uhn.paper.report.render import open_book
from uhn.paper.report.searched import outcome_files
from uhn.paper.report.tracked import _phases, cells, losses
from uhn.paper.runs.results import load_history, load_runs
from uhn.paper.tables.claims import CLAIMS
from uhn.paper.wanted import fact_files, rendered_files, set_files


def _plan(repository: Path, profile: str) -> Plan:
    return Plan(load_config(repository / "params.yaml", profile))


def _pipeline(repository: Path, profile: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((repository / pipeline_file(profile)).read_text(encoding="utf-8"))
    return content


def test_stages_find_their_commands_without_an_activated_environment(
    tmp_path: Path, repository: Path, forking_python: str
) -> None:
    """``.venv/bin/dvc repro`` is enough; an environment that is activated comes first. Spaces in the path are none."""
    folder, other = tmp_path / "a clone", tmp_path / "other"
    for place in (folder / ".venv/bin", other):
        place.mkdir(parents=True)
        for name in ("snakemake", "uhn"):
            (place / name).write_text(f"#!/bin/sh\necho {place.name} {name} $1 >> '{tmp_path}/called'\n")
            (place / name).chmod(0o755)
    pipeline = _pipeline(repository, "paper")
    kept = {name: {"cmd": pipeline["stages"][name]["cmd"], "wdir": "../.."} for name in ("tables", "metrics")}
    (folder / "pipelines/paper").mkdir(parents=True)
    (folder / "pipelines/paper/dvc.yaml").write_text(yaml.safe_dump({"vars": pipeline["vars"], "stages": kept}))

    def dvc(*words: str, path: str = "/usr/bin:/bin") -> str:
        environment = {"PATH": path, "HOME": str(tmp_path), "DVC_NO_ANALYTICS": "1"}
        command = [forking_python, "-m", "dvc", *words]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    dvc("init", "-q", "--no-scm")
    dvc("repro", "pipelines/paper/dvc.yaml")
    dvc("repro", "--force", "pipelines/paper/dvc.yaml", path=f"{other}:/usr/bin:/bin")
    for name in ("dvc.yaml", ".dvcignore"):
        shutil.copy(repository / name, folder / name)
    assert dvc("stage", "list", "--name-only").split() == [*_pipeline(repository, "quick")["stages"]]
    called = (tmp_path / "called").read_text().splitlines()
    assert [sorted(called[:2]), sorted(called[2:])] == [
        [f"{place} snakemake --cores", f"{place} uhn metrics"] for place in ("bin", "other")
    ]


def test_every_file_of_a_plan_is_in_one_output_and_every_output_persists(repository: Path) -> None:
    everything: list[str] = []
    for profile in ("quick", "paper"):
        plan = _plan(repository, profile)
        stages = _pipeline(repository, profile)["stages"]
        outs = [out for stage in stages.values() for kind in ("outs", "metrics") for out in stage.get(kind, [])]
        assert all(settings["persist"] for out in outs for settings in out.values())
        paths = [path for out in outs for path in out]
        everything += paths
        runs = [Path(f"results/{profile}/runs/{name}/metrics.json") for name in (*plan.runs, *plan.trials)]
        made = [*rendered_files(plan, Path("results")), *outcome_files(plan, Path("results")), *runs]
        for file in [*made, *fact_files(plan, Path("results")).values(), *set_files(plan, Path("results")).values()]:
            assert sum(path in (file.as_posix(), *map(str, file.parents)) for path in paths) == 1, file
        deps = {dep for stage in stages.values() for dep in stage.get("deps", [])}
        assert deps <= {*everything, "Snakefile", "workflow", "uhn"}
        sections = {name.partition(".")[0] for stage in stages.values() for name in stage.get("params", [])}
        assert sections <= {*yaml.safe_load((repository / "params.yaml").read_text())}
    assert len(everything) == len(set(everything)), "two pipelines may not have the same output"


def test_plots_keep_initialisation_and_training_apart(repository: Path) -> None:
    """Every phase has an axis of its own, of a chain each level; pictures need no network to be shown."""
    assert _pipeline(repository, "quick")["plots"] == ["metrics/curves"]
    runs = load_runs(repository / "results/reference", "quick")
    name = next(name for name in runs if name.startswith("recursive-k1/uhn/"))
    found = _phases(runs[name])
    assert [*found] == [*(f"initialisation, level {n}" for n in (1, 2)), "training"]
    rows = [(row["phase"], int(row["step"])) for row in load_history(runs[name]) if row["loss"]]
    assert sum(len(steps) for steps, _ in found.values()) == len(rows)
    assert found["training"][0] == [step for phase, step in rows if phase == "train"]
    assert all(steps == sorted(set(steps)) for steps, _ in found.values())
    figure = losses({"uhn": found, "direct": {"training": ([1, 2], [2.0, 1.0])}}, "x")
    assert [axis.get_title() for axis in figure.axes] == [f"x: {phase}" for phase in found]
    assert len(figure.axes[-1].lines) == 2 and not figure.axes[0].get_shared_x_axes().joined(*figure.axes[:2])


def test_dvc_shows_a_row_per_cell_in_a_clone_that_has_only_what_is_kept(
    tmp_path: Path, repository: Path, forking_python: str
) -> None:
    folder = tmp_path / "clone"
    folder.mkdir()
    shutil.copy(repository / "dvc.yaml", folder)
    kept = _pipeline(repository, "quick")["metrics"]
    for path in kept:
        assert any((repository / path).glob("*/*.json")), path
        shutil.copytree(repository / path, folder / path)
    environment = os.environ | {"DVC_NO_ANALYTICS": "1", "HOME": str(tmp_path), "COLUMNS": "300"}
    for words in (["init", "-q", "--no-scm"], ["metrics", "show", *kept]):
        done = subprocess.run(
            [forking_python, "-m", "dvc", *words], cwd=folder, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
    head, *rows = (line.split() for line in done.stdout.splitlines() if line.strip())
    assert set(head) <= {"Path", "mean", "std", "seeds", "diverged"} and "failed" not in done.stderr
    assert len(rows) == sum(1 for path in kept for _ in (repository / path).rglob("*.json"))
    row = next(row for row in rows if row[0].endswith("reference/paper/metrics/table01/mnist-mlp.direct.json"))
    assert {"98.37", "3"} <= set(row)


def test_the_settings_reference_is_up_to_date_and_explains_every_key(repository: Path) -> None:
    text = settings_reference()
    assert (repository / "docs/settings.md").read_text(encoding="utf-8") == text, "run: uhn docs"
    for title, model in SECTIONS:
        section = text.split(f"## {title}\n")[1].split("\n## ")[0]
        for name in model.model_fields:
            row = next(line for line in section.splitlines() if line.startswith(f"| `{name}` |"))
            assert row.split(" | ")[-1].removesuffix(" |").strip(), row


def test_what_the_readme_says_was_found_is_what_is_kept(repository: Path) -> None:
    """With a picture that a page of a repository may have."""
    text = (repository / "README.md").read_text(encoding="utf-8")
    found = what_was_found(repository / "results/reference")
    assert with_part(text, "results", found) == text, "run: uhn docs"
    assert (
        text.index("## Use it") < text.index(found) < text.index("## Where to go on")
        and found.count("\n| ") == len(CLAIMS) + 2
    )
    rows = [row for row in found.splitlines() if row.startswith("| **")]
    assert [row.endswith(".md) |") for row in rows] == [" | – | – | " not in row for row in rows]
    for number, link in re.findall(r"Table (\d+)\]\((.*)\) \|$", found, re.M):
        assert (repository / link).read_text(encoding="utf-8").startswith(f"# Table {number}. ")
    for sentence, link in re.findall(r"^\| \*\*[^|]*\| (.*?) \|.*: \[arms\]\((.*)\) \|$", found, re.M):
        assert f"| {sentence} | Table" in (repository / link).read_text(encoding="utf-8")
    assert f"]({PICTURE.as_posix()})" in found and (repository / PICTURE).stat().st_size <= 200_000


def test_how_fast_the_readme_says_it_is_was_measured(repository: Path) -> None:
    text = (repository / "README.md").read_text(encoding="utf-8")
    said = how_fast(repository / "benchmarks/results")
    assert with_part(text, "performance", said) == text, "run: uhn docs"
    told = re.search(r"([\d.]+) to ([\d.]+) \(fp32\)", said)
    pairs = re.findall(r"^\| [\w-]+ \| [\d,]+ \| ([\d.]+) s \| ([\d.]+) s \|", said, re.M)
    steps = csv.DictReader((repository / "benchmarks/results/steps.csv").read_text(encoding="utf-8").splitlines())
    timed = {row["row"] for row in steps if row["speedup"]}
    assert told and len(pairs) == len(timed) > 8
    ratios = [float(theirs) / float(ours) for ours, theirs in pairs]
    assert [min(ratios), max(ratios)] == pytest.approx([float(told[1]), float(told[2])], rel=0.03)


def test_what_the_readme_says_of_a_gpu_is_what_the_benchmarks_table_shows(repository: Path) -> None:
    """That table is written by another program from the same lines."""
    said = " ".join(how_fast(repository / "benchmarks/results").split())
    page = (repository / "benchmarks/README.md").read_text(encoding="utf-8")
    table = page.split("<!-- lease: written by the script -->")[1].split("<!-- end of lease -->")[0]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if "/uhn |" in line]
    rows.sort(key=lambda row: float(row[2]))
    faster = [float(row[5]) for row in rows]
    first, last = rows[0], rows[-1]
    assert f"{len(rows)} rows" in said and f"{min(faster)} to {max(faster)} times as fast" in said
    assert f"{first[2]} ({first[0][:-4]}) to {last[2]} ms ({last[0][:-4]})" in said
    assert "rows of Table 1 in bf16: " in said and "form in fp16, " in said
    assert table.split(",")[0].strip() in said, "the card"
    lines = [json.loads(line) for line in (repository / "benchmarks/results/lease.jsonl").read_text().splitlines()]
    changed = [line | {"ms": 7 * line["ms"]} if line.get("row") == first[0] else line for line in lines]
    assert on_a_gpu(changed)["least"]["row"] == rows[1][0][:-4]
    with pytest.raises(ValueError, match="wanted steps of one card"):
        on_a_gpu([*lines, lines[-1] | {"what": "step", "processor": "another"}])


def test_a_file_per_cell_counts_seeds_and_diverged_ones(repository: Path, tmp_path: Path) -> None:
    plan = _plan(repository, "smoke")
    values = {21962: 0.5, 59358: None}
    for run in plan.runs.values():
        if run.experiment == "mnist-mlp":
            value = values[run.seed]
            folder = tmp_path / "smoke/runs" / run.name
            folder.mkdir(parents=True)
            status = "finished" if value is not None else "diverged"
            record = recorded(run.name, status=status, value=value, settings=run.model_dump(mode="json"))
            (folder / "metrics.json").write_text(json.dumps(record))
    stale = tmp_path / "cells/table11/kan-kv.uhn.json"
    stale.parent.mkdir(parents=True)
    stale.write_text("{}")
    places = ["--params", str(repository / "params.yaml"), "--results", str(tmp_path), "--profile", "smoke"]
    assert main(["metrics", *places, "--out", str(tmp_path / "cells")]) == 0
    found = {path.relative_to(tmp_path / "cells").as_posix(): path for path in (tmp_path / "cells").rglob("*.json")}
    assert sorted(found) == ["table01/mnist-mlp.direct.json", "table01/mnist-mlp.uhn.json"]
    for path in found.values():
        assert json.loads(path.read_text()) == {"mean": 50.0, "seeds": 1, "diverged": 1}


def test_what_is_kept_has_its_file_per_cell(repository: Path) -> None:
    """Each task, and the seen and the unseen members of a set, have files of their own."""
    root = repository / "results/reference"
    for profile in ("quick", "claims", "paper"):
        book = open_book(root, profile, root / profile / "params.yaml", present=False)
        found = {file: json.loads((root / profile / "metrics" / file).read_text()) for file in cells(book)}
        assert found == cells(book), "run: uhn keep"
        there = {
            path.relative_to(root / profile / "metrics").as_posix() for path in (root / profile).glob("metrics/*/*")
        }
        assert there == {*found}
    quick = {path.name for path in (root / "quick/metrics").rglob("*.json")}
    assert {"kan-kv.multi.json", "cnn-mixed-width.seen.json", "cnn-mixed-width.unseen.json"} <= quick


def test_restore_says_what_is_missing(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = ["restore", "--params", str(repository / "params.yaml")]
    assert main(arguments) == 2
    assert "wanted the pipeline dvc.yaml, got none" in capsys.readouterr().err
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    assert main(arguments) == 2
    assert "wanted dvc.lock (committed after `dvc repro`), got none" in capsys.readouterr().err
    monkeypatch.undo()


@pytest.mark.workflow
@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_restore_gets_the_data_that_the_pipeline_of_another_profile_rests_on(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    repository: Path,
    forking_python: str,
) -> None:
    """The data's stages stand in dvc.yaml; a pipeline in its own folder has them as dependencies only."""
    monkeypatch.setattr(sys, "executable", forking_python)
    author, store, clone = (tmp_path / name for name in ("author", "store", "clone"))
    author.mkdir()
    monkeypatch.chdir(author)
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)

    def call(*words: str, into: Path = author) -> None:
        subprocess.run(words, cwd=into, check=True, capture_output=True)

    call("git", "init", "-q")
    call(forking_python, "-m", "dvc", "init", "-q")
    call(forking_python, "-m", "dvc", "remote", "add", "-q", "-d", "store", str(store))
    (author / "pipelines/smoke").mkdir(parents=True)
    (author / ".gitignore").write_text("/data/\n/results/\n")
    stages = {
        "dvc.yaml": {"data": {"cmd": "mkdir data && echo good > data/receipt", "outs": ["data/receipt"]}},
        "pipelines/smoke/dvc.yaml": {
            "runs": {
                "wdir": "../..",
                "cmd": "mkdir results && cp data/receipt results/run",
                "deps": ["data/receipt"],
                "outs": ["results/run"],
            }
        },
    }
    for path, content in stages.items():
        (author / path).write_text(yaml.safe_dump({"stages": content}))
    call(forking_python, "-m", "dvc", "repro", "-q", "pipelines/smoke/dvc.yaml")
    call(forking_python, "-m", "dvc", "push", "-q")
    call("git", "add", "-A")
    call("git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "-m", "results")
    call("git", "clone", "-q", str(author), str(clone), into=tmp_path)

    monkeypatch.chdir(clone)
    real = subprocess.run

    def without_snakemake(command: list[str], **rest: Any) -> Any:  # there is no Snakefile to bless here
        return real([forking_python, "-c", "pass"] if "snakemake" in command else command, **rest)

    monkeypatch.setattr("uhn.paper.commands.track.subprocess.run", without_snakemake)
    arguments = ["restore", "--profile", "smoke", "--params", str(repository / "params.yaml")]
    assert main(arguments) == 0, capfd.readouterr()
    assert (clone / "data/receipt").read_text() == (clone / "results/run").read_text() == "good\n"
    (clone / "results/run").unlink()
    (clone / "results/run").write_text("other\n")
    assert main([*arguments, "--no-pull"]) == 1
    assert "dvc status failed with exit code 1; nothing was marked" in capfd.readouterr().err
