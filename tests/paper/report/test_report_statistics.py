from __future__ import annotations

import math
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from uhn.paper.report.statistics import Statistic, aggregate, percent, printed, significant

finite = st.floats(-1e6, 1e6, allow_nan=False)


@given(st.lists(finite, min_size=1, max_size=12))
def test_mean_and_sample_deviation_agree_with_numpy(values: list[float]) -> None:
    found = aggregate(values)
    assert found.n == len(values)
    assert found.mean == pytest.approx(np.mean(values), rel=1e-9, abs=1e-9)
    if len(values) > 1:
        assert found.std == pytest.approx(np.std(values, ddof=1), rel=1e-9, abs=1e-6)
    else:
        assert found.std is None


def test_diverged_and_missing_seeds_are_counted_but_not_averaged() -> None:
    found = aggregate([0.5, 0.7], diverged=1, missing=2)
    assert (found.mean, found.n, found.total) == (pytest.approx(0.6), 2, 5)
    assert found.std == pytest.approx(statistics.stdev([0.5, 0.7]))


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_value_that_is_not_finite_is_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        aggregate([0.5, bad])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.00"),
        (0.00123456, "0.00123"),
        (0.0001, "0.000100"),
        (0.00001234, "1.23e-5"),
        (0.5, "0.500"),
        (12.345, "12.3"),
        (999.4, "999"),
        (999.6, "1.00e3"),
        (12345.0, "1.23e4"),
        (-0.25, "-0.250"),
    ],
)
def test_three_significant_digits(value: float, text: str) -> None:
    assert significant(value) == text
    assert float(text) == pytest.approx(value, rel=5e-3)


def test_how_a_result_is_printed() -> None:
    assert percent(0.98765) == "98.77"
    assert printed(aggregate([0.98, 0.981, 0.979]), "accuracy") == "98.00 ± 0.10"
    assert printed(aggregate([0.98]), "accuracy") == "98.00 (n=1)"
    assert printed(aggregate([0.001, 0.003]), "rmse") == "0.00200 ± 0.00141"
    assert printed(aggregate([], diverged=3), "rmse") == "diverged"
    assert printed(Statistic(None, None, 0, missing=1), "rmse") == "not run"
