"""A fresh copy of the workflow for a test."""

from __future__ import annotations

from pathlib import Path

import pytest
from workflow_copy import Workflow, copy_workflow


@pytest.fixture
def workflow(repository: Path, tmp_path: Path) -> Workflow:
    """A copy in a folder of its own."""
    return copy_workflow(repository, tmp_path / "copy")
