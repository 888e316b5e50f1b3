"""The straightforward form: every index row, every feature, in float64, from the formulas alone."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from uhn import vocabulary as voc
from uhn.descriptors.encodings import Encoding, GaussianFourier, Positional
from uhn.descriptors.ranges import Ranges
from uhn.models import ModelSpec, zoo, zoo_names

CHUNK = 2**16


def different() -> list[str]:
    """Names of the zoo's models whose index grids differ (the functions share three)."""
    return list({tuple(slot.shape for slot in zoo(name).layout): name for name in reversed(zoo_names())}.values())


def rows_of(spec: ModelSpec) -> np.ndarray:
    """Index rows ``[N, 10]`` int64, by counting through every component with numpy."""
    parts = []
    for slot in spec.layout:
        rows = np.full((slot.numel, 10), -1, dtype=np.int64)
        rows[:, 0] = slot.layer
        rows[:, 1] = int(spec.layers[slot.layer].type_code)
        rows[:, 2] = slot.param.code
        counts = np.unravel_index(np.arange(slot.numel), [axis.size for axis in slot.param.axes])
        for axis, count in zip(slot.param.axes, counts, strict=True):
            rows[:, voc.INDEX_NAMES.index(axis.field)] = count
        parts.append(rows)
    return np.concatenate(parts)


def normalised(rows: np.ndarray, ranges: Ranges) -> np.ndarray:
    """Eq 9 in float64."""
    low, high = np.array(ranges.index_min), np.array(ranges.index_max)
    return (rows - (low + high) / 2) / np.sqrt((high - low) ** 2 / 12 + 1e-5)


def features_of(rows: np.ndarray, ranges: Ranges, encoding: Encoding) -> Tensor:
    """Encoded rows ``[N, width]`` in float64."""
    x = normalised(rows, ranges)
    if isinstance(encoding, GaussianFourier):
        phase = torch.from_numpy(x) @ encoding.matrix.double()
        return torch.cat([phase.cos(), phase.sin()], dim=1)  # five times as fast as numpy's
    if isinstance(encoding, Positional):
        bands = encoding.bands.double().numpy()
        phase = np.stack([x[:, a] * f for a in range(10) for f in bands], axis=1)
        return torch.from_numpy(np.concatenate([np.sin(phase), np.cos(phase)], axis=1))
    return torch.from_numpy(x)


def project(
    spec: ModelSpec, ranges: Ranges, encoding: Encoding, weight: Tensor, bias: Tensor, grad: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """``features @ weight.T + bias`` in flat order, and the gradients of weight and bias for ``grad [N, h]``."""
    rows = rows_of(spec)
    out, grad_weight = [], torch.zeros(weight.shape, dtype=torch.float64)
    for first in range(0, len(rows), CHUNK):
        features = features_of(rows[first : first + CHUNK], ranges, encoding)
        out.append(features @ weight.double().t() + bias.double())
        grad_weight += grad[first : first + CHUNK].double().t() @ features
    return torch.cat(out), grad_weight, grad.double().sum(0)


def relative(got: Tensor, wanted: Tensor) -> float:
    """Largest error as a share of the root mean square of what is wanted."""
    return float((got.double() - wanted).abs().max() / wanted.square().mean().sqrt())
