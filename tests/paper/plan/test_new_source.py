"""A fourth baseline is one file in uhn/sources, its entry in the registry and one line in params.yaml."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from uhn.sources import Direct, registry

SOURCE = '''
"""Weights that are one number each, times a common one."""

import torch
from torch import Tensor, nn

from uhn.models.spec import ModelSpec
from uhn.randomness import stream
from uhn.sources.base import OneSpecSource


class Toy(OneSpecSource):
    kind = "toy"

    def __init__(self, spec: ModelSpec, *, seed: int = 0, spread: float = 0.1) -> None:
        super().__init__(spec, spread=spread)
        self.each = nn.Parameter(spread * torch.randn(spec.num_params, generator=stream(seed, "toy")))
        self.common = nn.Parameter(torch.ones(()))

    def weights(self) -> Tensor:
        return self.each * self.common
'''

LINE = "      toy: {options: {spread: 0.2}, train: {lr: 0.01, epochs: 2}}\n"

PARAMS = """
seeds:
  default: [21962, 59358]
defaults:
  compute: {device: cpu, threads: 1}
experiments:
  cifar10-cnn20:
    tasks:
      - {dataset: cifar10, model: cnn20-cifar10}
    methods:
      direct: {train: {lr: 0.005, epochs: 400}}
profiles:
  quick:
    seeds: 1
    tables: {table02: all}
    defaults:
      train: {steps: 2, warmup: 0, batch_size: 16}
      data: {train_rows: 40, test_rows: 40, stand_in: true}
"""


@pytest.fixture(scope="module")
def folder(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout with one file and one line more."""
    folder = tmp_path_factory.mktemp("checkout")
    shutil.copytree(repository / "uhn", folder / "uhn", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "uhn" / "sources" / "toy.py").write_text(SOURCE, encoding="utf-8")
    package = folder / "uhn" / "sources" / "__init__.py"
    entries = package.read_text(encoding="utf-8").replace(
        "    UniversalHypernetwork,\n)", "    UniversalHypernetwork,\n    Toy,\n)"
    )
    entries = entries.replace(
        "from uhn.sources.universal", "from uhn.sources.toy import Toy\nfrom uhn.sources.universal"
    )
    package.write_text(entries, encoding="utf-8")
    before, found, after = PARAMS.partition("profiles:\n")
    (folder / "params.yaml").write_text(before + LINE + found + after, encoding="utf-8")
    return folder


def call(python: str, folder: Path, *commands: list[str]) -> str:
    """Run commands of uhn, one after the other, in one process without network."""
    code = f"from uhn.paper.cli import main\nfor command in {commands!r}:\n    assert main(command) == 0"
    closed = {name: "http://127.0.0.1:9" for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")}
    clean = {key: value for key, value in os.environ.items() if key != "UHN_DATA_MIRROR"}
    environment = clean | closed | {"PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}
    command = [python, "-c", code]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_it_is_planned_trained_and_gets_its_column_of_table_2(folder: Path, forking_python: str) -> None:
    said = call(forking_python, folder, ["plan", "--names"], ["run", "cifar10-cnn20"], ["render", "table02"])
    assert "cifar10-cnn20/toy/seed-21962" in said
    metrics = json.loads((folder / "results/quick/runs/cifar10-cnn20/toy/seed-21962/metrics.json").read_text())
    assert metrics["settings"]["options"] == {"spread": 0.2}
    assert metrics["parameters"] == {"target": 269_034, "trainable": 269_035, "frozen": 0}
    head, *rows = csv.reader((folder / "results/quick/tables/table02.csv").read_text().splitlines())
    row = dict(zip(head, next(row for row in rows if "CNN-20" in row), strict=True))
    count = next(text for name, text in row.items() if name.startswith(("params_toy", "#Params (toy")))
    assert count.replace(",", "") == "269035"
    value = next(text for name, text in row.items() if name.startswith(("toy", "Acc. % (toy")))
    assert float(value.split()[0]) == pytest.approx(100 * metrics["value"], abs=0.01)


def test_its_runs_depend_on_its_own_file_and_on_no_other_method_s(folder: Path, forking_python: str) -> None:
    code = (
        "from uhn.paper.config import load_config\n"
        "from uhn.paper.runs.identity import modules_of\n"
        "config = load_config()\n"
        "for method in ('toy', 'direct'):\n"
        "    kinds = (('cifar10', 'cnn20-cifar10'),)\n"
        "    print(*(n for n in sorted(modules_of(method, kinds, False, None)) if n.startswith('sources.')))"
    )
    environment = os.environ | {"PYTHONPATH": str(folder)}
    done = subprocess.run([forking_python, "-c", code], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["sources.base sources.toy", "sources.base sources.direct"]


def test_two_sources_of_one_kind_are_refused() -> None:
    class Other(Direct):
        """Another class of the same kind."""

    with pytest.raises(ValueError, match="different kinds, got 'direct' of Direct and Other"):
        registry(Direct, Other)
