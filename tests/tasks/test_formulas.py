"""The special functions against golden values, closed forms and scalar series."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import trapezoid

from uhn.tasks import functions
from uhn.tasks.splits import split_rows
from uhn.vocabulary import DatasetType

GOLDEN = Path(os.environ.get("UHN_GOLDEN") or Path(__file__).parents[1] / "golden/files") / "formulas.json"


FUNCTIONS = {known.name: known for known in functions.DATASETS}


def golden() -> dict:
    return json.loads(GOLDEN.read_text())


def test_golden_rows_statistics_and_validation_rows(record_property) -> None:
    data = golden()
    compared = 0
    for name, wanted in data["functions"].items():
        points = dict(zip(("train", "test"), FUNCTIONS[name].draw(data["run_seed"]), strict=True))
        for split, part in points.items():
            for key, array in ((f"{split}_inputs", part.x), (f"{split}_targets", part.y)):
                first = wanted[f"{key}_first3"]
                np.testing.assert_allclose(array[:3], first, rtol=2e-7, atol=1e-9, err_msg=f"{name} {key}")
                compared += np.size(first)
                for statistic, value in wanted.get(key, {}).items():
                    wide = array.astype(np.float64)
                    got = wide.mean(0) if statistic == "mean" else wide.std(0)
                    np.testing.assert_allclose(got, value, rtol=1e-8, atol=1e-10, err_msg=f"{name} {key} {statistic}")
                    compared += np.size(value)
        assert int(FUNCTIONS[name].code) == wanted["dataset_id"]
        _, held = split_rows(1000, FUNCTIONS[name])
        assert held[:5].tolist() == wanted["validation_rows_first5_when_tuning"]
        assert [list(points["train"].x.shape), list(points["train"].y.shape)] == wanted["shapes"]
        compared += 10
    record_property("golden values", compared)
    assert compared > 100


def test_order_of_functions_is_the_order_of_their_codes() -> None:
    assert [int(known.code) for known in FUNCTIONS.values()] == list(range(7, 22))
    assert [known.name.upper() for known in FUNCTIONS.values()] == [DatasetType(code).name for code in range(7, 22)]


def raw(name: str, seed: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Arguments (x1, x2) recovered from the mapped inputs, and the values."""
    part, _ = FUNCTIONS[name].draw(seed)
    low = 0.1 if name in ("yv", "kv") else 0.0
    x = (part.x.astype(np.float64) + 1) / 2
    return x[:, 0], low + x[:, 1] * (1 - low), part.y.astype(np.float64)


HARMONICS = {
    "sph_harm01": lambda azimuth, polar: math.sqrt(3 / (4 * math.pi)) * np.cos(polar),
    "sph_harm11": lambda azimuth, polar: -math.sqrt(3 / (8 * math.pi)) * np.sin(polar) * np.cos(azimuth),
    "sph_harm02": lambda azimuth, polar: math.sqrt(5 / (16 * math.pi)) * (3 * np.cos(polar) ** 2 - 1),
    "sph_harm12": lambda azimuth, polar: (
        -math.sqrt(15 / (8 * math.pi)) * np.sin(polar) * np.cos(polar) * np.cos(azimuth)
    ),
    "sph_harm22": lambda azimuth, polar: math.sqrt(15 / (32 * math.pi)) * np.sin(polar) ** 2 * np.cos(2 * azimuth),
}


@pytest.mark.parametrize("name", HARMONICS)
def test_spherical_harmonics_in_closed_form(name: str) -> None:
    azimuth, polar, values = raw(name)
    np.testing.assert_allclose(values[:, 0], HARMONICS[name](azimuth, polar), atol=3e-7)


@pytest.mark.parametrize(("name", "sign"), [("jv", -1), ("iv", 1)])
def test_bessel_series(name: str, sign: int) -> None:
    order, z, values = raw(name)
    for v, x, value in list(zip(order, z, values[:, 0], strict=True))[:50]:
        series = sum(sign**k * (x / 2) ** (2 * k + v) / (math.factorial(k) * math.gamma(k + v + 1)) for k in range(20))
        assert value == pytest.approx(series, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize(("name", "power"), [("ellipkinc", -0.5), ("ellipeinc", 0.5)])
def test_elliptic_integrals_by_quadrature(name: str, power: float) -> None:
    phi, m, values = raw(name)
    angle = np.linspace(0, 1, 2001)[None] * phi[:20, None]
    integral = trapezoid((1 - m[:20, None] * np.sin(angle) ** 2) ** power, angle, axis=1)
    np.testing.assert_allclose(values[:20, 0], integral, rtol=1e-5)


def test_jacobi_functions_satisfy_their_identities() -> None:
    _, m, values = raw("ellipj")
    sn, cn, dn, amplitude = values.T
    np.testing.assert_allclose(sn**2 + cn**2, 1, atol=1e-6)
    np.testing.assert_allclose(dn**2 + m * sn**2, 1, atol=1e-6)
    np.testing.assert_allclose(np.sin(amplitude), sn, atol=1e-6)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_ranges_and_seeds(name: str) -> None:
    train, test = FUNCTIONS[name].draw(5)
    again, _ = FUNCTIONS[name].draw(5)
    other, _ = FUNCTIONS[name].draw(6)
    assert train.x.dtype == train.y.dtype == np.float32
    assert train.x.shape == (1000, 2) and train.y.shape == (1000, 4 if name == "ellipj" else 1)
    assert -1 <= train.x.min() < -0.98 and 0.98 < train.x.max() <= 1
    assert np.isfinite(train.y).all() and np.isfinite(test.y).all()
    assert np.array_equal(train.y, again.y) and not np.array_equal(train.x, other.x)
    assert not np.array_equal(train.x, test.x)


def test_drawing_leaves_numpys_global_generator_alone() -> None:
    state = np.random.get_state()[1].copy()  # type: ignore[union-attr]
    FUNCTIONS["kv"].draw(1)
    assert np.array_equal(state, np.random.get_state()[1])
