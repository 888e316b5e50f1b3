"""A fresh copy of the workflow for a test."""

from __future__ import annotations

from pathlib import Path

import pytest
from workflow_copy import Workflow, copy_workflow


@pytest.fixture
def workflow(repository: Path, tmp_path: Path, forking_python: str) -> Workflow:
    """A copy in a folder of its own, whose processes start at once."""
    return copy_workflow(repository, tmp_path / "copy", forking_python)
