"""The walk-throughs of CONTRIBUTING.md, done as they stand there, in a copy."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from workflow_copy import Workflow

BLOCK = re.compile(r"^```(python|diff) (?:file=(\S+)|(check))\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def _section(repository: Path, title: str) -> str:
    text = (repository / "CONTRIBUTING.md").read_text(encoding="utf-8")
    return text.split(f"## {title}\n")[1].split("\n## ")[0]


def _change(workflow: Workflow, path: str, diff: str) -> None:
    lines = diff.splitlines()
    before = "".join(f"{line[1:]}\n" for line in lines if line[:1] in (" ", "-"))
    after = "".join(f"{line[1:]}\n" for line in lines if line[:1] in (" ", "+"))
    workflow.edit(path, before, after)


WALKS = ("Add an experiment", "Add a layer", "Add a dataset", "Add an encoding", "Add a weight source")


@pytest.mark.parametrize("title", WALKS)
def test_a_walk_through_does_what_it_says(title: str, repository: Path, workflow: Workflow) -> None:
    checks = []
    for language, path, check, body in BLOCK.findall(_section(repository, title)):
        if check:
            checks.append(body)
        elif language == "python":
            assert not (workflow.folder / path).exists()
            (workflow.folder / path).write_text(body, encoding="utf-8")
        else:
            _change(workflow, path, body)
    assert checks
    for body in checks:
        workflow.call([workflow.python, "-W", "error", "-c", body])


def test_a_dataset_is_one_file_and_its_line_in_the_registry(repository: Path) -> None:
    files, function = _section(repository, "Add a dataset").split("\nA function, ")
    assert {path for _, path, *_ in BLOCK.findall(files) if path} == {"uhn/tasks/films.py", "uhn/tasks/__init__.py"}
    assert {path for _, path, *_ in BLOCK.findall(function) if path} == {"uhn/tasks/functions.py"}


def test_an_experiment_with_its_table_is_two_files(repository: Path) -> None:
    blocks = BLOCK.findall(_section(repository, "Add an experiment"))
    assert {path for _, path, *_ in blocks if path} == {"params.yaml", "uhn/paper/tables/further.py"}


def test_a_walk_through_is_no_news_to_the_package(repository: Path, forking_python: str) -> None:
    code = "from uhn.vocabulary import LayerType; LayerType.GAIN"
    done = subprocess.run([forking_python, "-c", code], cwd=repository, capture_output=True, text=True, check=False)
    assert "AttributeError" in done.stderr
