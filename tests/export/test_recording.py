"""Exported modules of every family go through torch.export, torch.compile and, where it is installed, ONNX."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import record_all
from record_all import ARGUMENTS, KERNELS, LOOKING, TO_ONNX

from tests.models.foreign_modules import CASES, Case

WAYS = [f"{name} export" for name in ARGUMENTS]
WAYS += [f"{name} {way}" for name in LOOKING for way in ("strict export", "compile")]
WAYS += [f"{name} {way}" for name in ("gcn-pubmed", "gat-pubmed") for way in ("other graphs", "given weights", "trace")]


@pytest.fixture(scope="module")
def found(forking_python: str) -> dict[str, str]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [forking_python, str(Path(record_all.__file__))]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return said


@pytest.mark.parametrize("what", WAYS)
def test_every_family_can_be_recorded(what: str, found: dict[str, str]) -> None:
    assert found[what] == ""


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_generator_and_a_step_can_be_compiled(kernel: str, found: dict[str, str]) -> None:
    assert found[f"{kernel} step"] == ""


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_foreign_network_with_generated_weights_can_be_recorded(case: Case, found: dict[str, str]) -> None:
    assert found[f"{case} export"] == ""


@pytest.mark.parametrize("name", [*ARGUMENTS, *TO_ONNX])
def test_every_family_and_some_foreign_networks_go_to_onnx(name: str, found: dict[str, str]) -> None:
    if not (importlib.util.find_spec("onnxscript") and importlib.util.find_spec("onnxruntime")):
        pytest.skip("wants onnxscript and onnxruntime (the extra onnx)")
    assert found[f"{name} onnx"] == ""
