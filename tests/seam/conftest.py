"""The runs that the tests look at, each trained once."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest

pytest.register_assert_rewrite("checks", "real_runs")

from real_runs import Made, make  # noqa: E402


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Made]:
    """Trains a run, or returns it if it has been trained."""
    return cache(lambda kind: make(kind, tmp_path_factory.mktemp(kind)))
