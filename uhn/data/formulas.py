"""The 15 special functions: data that a run draws for itself from its seed (section B.1 of the paper)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import special

from uhn.vocabulary import DatasetType

Array = NDArray[np.float64]

ROWS: Final = 1000
"""Training rows and test rows of every function."""

EPSILON: Final = 0.1
"""Lower end of the second argument of ``yv`` and ``kv``, which have a pole at zero."""


def _harmonic(order: int, degree: int) -> Callable[[Array, Array], Array]:
    """Real part of a spherical harmonic: ``x1`` is the azimuth, ``x2`` the polar angle."""

    def value(x1: Array, x2: Array) -> Array:
        if hasattr(special, "sph_harm_y"):
            complex_value = special.sph_harm_y(degree, order, x2, x1)
        else:
            complex_value = special.sph_harm(order, degree, x1, x2)
        return np.asarray(complex_value.real, np.float64)

    return value


def _legendre(order: int) -> Callable[[Array, Array], Array]:
    return lambda x1, x2: np.asarray(special.lpmv(order, x1, x2), np.float64)


def _plain(function: Any) -> Callable[[Array, Array], Array]:
    return lambda x1, x2: np.asarray(function(x1, x2), np.float64)


FUNCTIONS: Final[Mapping[str, Callable[[Array, Array], Array]]] = MappingProxyType(
    {
        "ellipj": lambda x1, x2: np.stack(special.ellipj(x1, x2), axis=-1),
        "ellipkinc": _plain(special.ellipkinc),
        "ellipeinc": _plain(special.ellipeinc),
        "jv": _plain(special.jv),
        "yv": _plain(special.yv),
        "kv": _plain(special.kv),
        "iv": _plain(special.iv),
        "lpmv0": _legendre(0),
        "lpmv1": _legendre(1),
        "lpmv2": _legendre(2),
        "sph_harm01": _harmonic(0, 1),
        "sph_harm11": _harmonic(1, 1),
        "sph_harm02": _harmonic(0, 2),
        "sph_harm12": _harmonic(1, 2),
        "sph_harm22": _harmonic(2, 2),
    }
)
"""The functions of (x1, x2) in the order of their dataset codes; ``ellipj`` has four values, the others one."""


@dataclass(frozen=True)
class Points:
    """Rows of one split: inputs ``x`` ``[N, 2]`` in [-1, 1) and values ``y`` ``[N, outputs]``, float32."""

    x: NDArray[np.float32]
    y: NDArray[np.float32]


def dataset_type(name: str) -> DatasetType:
    """Return the dataset code of a function. Raises ``ValueError`` for an unknown name."""
    if name not in FUNCTIONS:
        raise ValueError(f"unknown function {name!r}; known: {', '.join(FUNCTIONS)}")
    return DatasetType[name.upper()]


def draw(name: str, seed: int, rows: int = ROWS) -> tuple[Points, Points]:
    """Draw training and test rows of function ``name`` for run ``seed``.

    The draws are those of NumPy's legacy generator seeded with the run seed, x1 and x2 uniform on [0, 1): all of the
    training points, then all of the test points. ``yv`` and ``kv`` take x2 from [0.1, 1) and draw column by column.
    Inputs are mapped to [-1, 1), values are left as they are; both are computed in float64 and kept in float32.
    """
    code = dataset_type(name)
    rng = np.random.RandomState(seed)
    low = EPSILON if code in (DatasetType.YV, DatasetType.KV) else 0.0

    def points() -> Points:
        if low:
            pairs = np.stack([rng.uniform(0.0, 1.0, rows), rng.uniform(low, 1.0, rows)], axis=-1)
        else:
            pairs = rng.uniform(0.0, 1.0, (rows, 2))
        values = FUNCTIONS[name](pairs[:, 0], pairs[:, 1]).reshape(rows, -1)
        mapped = 2 * (pairs - (0.0, low)) / (1.0, 1.0 - low) - 1
        return Points(mapped.astype(np.float32), values.astype(np.float32))

    train = points()
    return train, points()
