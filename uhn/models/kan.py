"""Kolmogorov-Arnold networks for formula regression (Eq 31)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Final

from uhn import vocabulary as voc
from uhn.arguments import integers
from uhn.layers.checks import usual_param
from uhn.layers.kan import KAN
from uhn.models.spec import ModelSpec
from uhn.vocabulary import Activation, AnyActivation, DatasetType, ModelType, TaskType

CATEGORICAL: Final[Mapping[str, type[IntEnum]]] = {"bias_type": voc.Bias, "activation_type": voc.Activation}
"""Local fields whose declared range is their whole enumeration in this family, used or not."""


def kan(
    sizes: Sequence[int] = (2, 5, 1),
    *,
    grid_size: int = 5,
    spline_order: int = 3,
    bias: bool = True,
    activation: AnyActivation = Activation.SILU,
    activation_param: float | None = None,
    dataset: DatasetType | int = DatasetType.KV,
    task: TaskType = TaskType.FORMULA,
) -> ModelSpec:
    """KAN layers of the given widths; the base branch of the first has no activation.

    Raises:
        ValueError: for fewer than two sizes, or sizes that a layer rejects.

    Example:
        >>> spec = kan((2, 5, 1))
        >>> uhn.run(spec, uhn.Direct(spec)(spec), torch.rand(7, 2)).shape
        torch.Size([7, 1])
    """
    sizes = integers("kan", "sizes", sizes, 1)
    if len(sizes) < 2:
        raise ValueError(f"kan wants at least an input and an output size, got {tuple(sizes)}")
    slope = usual_param(activation, activation_param, 0.0)
    layers = tuple(
        KAN(
            into,
            out,
            grid_size,
            spline_order,
            bias=bias,
            activation=activation if number else Activation.NONE,
            activation_param=slope if number else 0.0,
        )
        for number, (into, out) in enumerate(zip(sizes, sizes[1:], strict=False))
    )
    return ModelSpec("kan", ModelType.KAN, layers, (), task, dataset)
