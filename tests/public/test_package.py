"""What `pip install uhn` brings: a wheel with every file that the package reads, which works away from a clone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(find_spec("setuptools") is None, reason="needs setuptools")

BUILD = "from setuptools import build_meta as b; b.build_wheel('dist'); b.build_sdist('dist')"

USE = """
import sys
sys.path.insert(0, sys.argv[1])
import uhn
assert uhn.__file__.startswith(sys.argv[1]), uhn.__file__
spec = uhn.zoo("kan-g5-kv")
generator = uhn.UniversalHypernetwork.for_specs([spec], hidden=8, frequencies=8)
assert uhn.to_module(spec, generator(spec).detach())
from uhn.paper.cli import main
sys.exit(main(["plan"]))
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Path:
    """A folder with the wheel and the archive of sources, built from what a clone holds."""
    clone = tmp_path_factory.mktemp("package")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(repository / name, clone / name)
    shutil.copytree(repository / "uhn", clone / "uhn", ignore=shutil.ignore_patterns("__pycache__"))
    done = subprocess.run([sys.executable, "-c", BUILD], cwd=clone, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return clone / "dist"


def test_it_holds_every_file_of_the_package_and_no_other(built: Path, repository: Path) -> None:
    wanted = {
        path.relative_to(repository).as_posix()
        for path in (repository / "uhn").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        found = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert found == wanted
    with tarfile.open(next(built.glob("*.tar.gz"))) as sources:
        names = {name.partition("/")[2] for name in sources.getnames()}
    assert wanted | {"pyproject.toml", "README.md", "LICENSE"} <= names


def test_it_works_away_from_a_clone_and_says_what_needs_one(built: Path, tmp_path: Path, forking_python: str) -> None:
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        wheel.extractall(tmp_path / "site")
    command = [forking_python, "-c", USE, str(tmp_path / "site")]
    alone = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(command, cwd=tmp_path, env=alone, capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
    assert "params.yaml" in done.stderr, done.stderr


@pytest.mark.skipif(find_spec("twine") is None, reason="needs twine")
def test_an_index_takes_its_metadata_and_its_page(built: Path) -> None:
    command = [sys.executable, "-m", "twine", "check", "--strict", *map(str, sorted(built.iterdir()))]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.count("PASSED") == 2, done.stdout + done.stderr
