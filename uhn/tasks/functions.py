"""The 15 special functions of Table 11: data that a run draws for itself from its seed (section B.1 of the paper)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from uhn.extras import needed
from uhn.tasks.dataset import Dataset
from uhn.vocabulary import DatasetType, TaskType

Array = NDArray[np.float64]
Value = Callable[[Array, Array], Array]

ROWS: Final = 1000
"""Training rows and test rows of every function."""

EPSILON: Final = 0.1
"""Lower end of the second argument of ``yv`` and ``kv``, which have a pole at zero."""


@dataclass(frozen=True)
class Points:
    """Rows of one split: inputs ``x`` ``[N, 2]`` in [-1, 1) and values ``y`` ``[N, outputs]``, float32."""

    x: NDArray[np.float32]
    y: NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Function(Dataset):
    """A function of (x1, x2).

    Args:
        value: its values ``[N]`` or ``[N, outputs]``.
        outputs: how many it has at a point.
        low: lower end of x2.
    """

    task_type: ClassVar[TaskType] = TaskType.FORMULA
    full_batch: ClassVar[bool] = True

    classes: None = None
    train_rows: int = ROWS
    test_rows: int = ROWS
    value: Value
    outputs: int = 1
    low: float = 0.0

    def read(self, root: Path, seed: int) -> tuple[Points, Points]:
        """Training and test rows, drawn."""
        return self.draw(seed)

    def draw(self, seed: int, rows: int = ROWS) -> tuple[Points, Points]:
        """Draw training and test rows for run ``seed``.

        The draws are those of NumPy's legacy generator seeded with the run seed, x1 and x2 uniform on [0, 1): all of
        the training points, then all of the test points. With a ``low`` x2 is from [low, 1) and drawn column by column.
        Inputs are mapped to [-1, 1), values are left as they are; both are computed in float64 and kept in float32.
        """
        rng = np.random.RandomState(seed)

        def points() -> Points:
            if self.low:
                pairs = np.stack([rng.uniform(0.0, 1.0, rows), rng.uniform(self.low, 1.0, rows)], axis=-1)
            else:
                pairs = rng.uniform(0.0, 1.0, (rows, 2))
            values = self.value(pairs[:, 0], pairs[:, 1]).reshape(rows, -1)
            mapped = 2 * (pairs - (0.0, self.low)) / (1.0, 1.0 - self.low) - 1
            return Points(mapped.astype(np.float32), values.astype(np.float32))

        train = points()
        return train, points()


def _scipy(name: str, *first: int) -> Value:
    """A function of ``scipy.special`` (imported only when values are asked for), after fixed arguments."""

    def value(x1: Array, x2: Array) -> Array:
        special = needed("scipy.special", "paper", "a special function")

        return np.asarray(getattr(special, name)(*first, x1, x2), np.float64)

    return value


def _ellipj(x1: Array, x2: Array) -> Array:
    special = needed("scipy.special", "paper", "a special function")

    return np.stack(special.ellipj(x1, x2), axis=-1)


def _harmonic(order: int, degree: int) -> Value:
    """Real part of a spherical harmonic: ``x1`` is the azimuth, ``x2`` the polar angle."""

    def value(x1: Array, x2: Array) -> Array:
        special = needed("scipy.special", "paper", "a special function")

        if hasattr(special, "sph_harm_y"):
            complex_value = special.sph_harm_y(degree, order, x2, x1)
        else:
            complex_value = special.sph_harm(order, degree, x1, x2)
        return np.asarray(complex_value.real, np.float64)

    return value


def _function(
    name: str, code: DatasetType | int, title: str, value: Value, outputs: int = 1, low: float = 0.0
) -> Function:
    return Function(name=name, label=name, title=title, code=code, value=value, outputs=outputs, low=low)


DATASETS: Final = (
    _function("ellipj", DatasetType.ELLIPJ, "Jacobian elliptic functions", _ellipj, outputs=4),
    _function(
        "ellipkinc", DatasetType.ELLIPKINC, "Incomplete elliptic integral of the first kind", _scipy("ellipkinc")
    ),
    _function(
        "ellipeinc", DatasetType.ELLIPEINC, "Incomplete elliptic integral of the second kind", _scipy("ellipeinc")
    ),
    _function("jv", DatasetType.JV, "Bessel function of the first kind", _scipy("jv")),
    _function("yv", DatasetType.YV, "Bessel function of the second kind", _scipy("yv"), low=EPSILON),
    _function("kv", DatasetType.KV, "Modified Bessel function of the second kind", _scipy("kv"), low=EPSILON),
    _function("iv", DatasetType.IV, "Modified Bessel function of the first kind", _scipy("iv")),
    _function("lpmv0", DatasetType.LPMV0, "Associated Legendre function (m = 0)", _scipy("lpmv", 0)),
    _function("lpmv1", DatasetType.LPMV1, "Associated Legendre function (m = 1)", _scipy("lpmv", 1)),
    _function("lpmv2", DatasetType.LPMV2, "Associated Legendre function (m = 2)", _scipy("lpmv", 2)),
    _function("sph_harm01", DatasetType.SPH_HARM01, "Spherical harmonics (m = 0, n = 1)", _harmonic(0, 1)),
    _function("sph_harm11", DatasetType.SPH_HARM11, "Spherical harmonics (m = 1, n = 1)", _harmonic(1, 1)),
    _function("sph_harm02", DatasetType.SPH_HARM02, "Spherical harmonics (m = 0, n = 2)", _harmonic(0, 2)),
    _function("sph_harm12", DatasetType.SPH_HARM12, "Spherical harmonics (m = 1, n = 2)", _harmonic(1, 2)),
    _function("sph_harm22", DatasetType.SPH_HARM22, "Spherical harmonics (m = 2, n = 2)", _harmonic(2, 2)),
)
"""In the order of Table 11 and of their codes."""
