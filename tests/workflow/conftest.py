"""A fresh copy of the workflow for a test."""

from __future__ import annotations

import compileall
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from workflow_copy import Workflow, copy_workflow

import uhn
from uhn.paper.runs.digest import code_digest


def pytest_collection_finish() -> None:
    """Have every copy of the package hold what each would compile and parse anew: what is up to date is left alone."""
    if not sys.dont_write_bytecode:
        package = Path(uhn.__file__).parent
        compileall.compile_dir(package, quiet=2)
        with suppress(SyntaxError):  # which the tests say better
            code_digest(package.rglob("*.py"))


@pytest.fixture
def workflow(repository: Path, tmp_path: Path, forking_python: str) -> Workflow:
    """A copy in a folder of its own, whose processes start at once."""
    return copy_workflow(repository, tmp_path / "copy", forking_python)
