"""Multilayer perceptrons and convolutional networks (Eq 26). Both are one family in the descriptor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum
from functools import lru_cache
from typing import Final

from uhn import vocabulary as voc
from uhn.arguments import integers, yes_or_no
from uhn.layers.base import Layer
from uhn.layers.checks import usual_param
from uhn.layers.conv import Conv
from uhn.layers.linear import Linear
from uhn.models.spec import ModelSpec
from uhn.vocabulary import Activation, AnyActivation, DatasetType, InputPooling, ModelType, StagePooling, TaskType

CATEGORICAL: Final[Mapping[str, type[IntEnum]]] = {
    "bias_type": voc.Bias,
    "norm_type": voc.Norm,
    "shortcut_type": voc.Shortcut,
    "activation_type": voc.Activation,
    "input_pooling_reshape_type": voc.InputPooling,
    "stage_wise_pooling_type": voc.StagePooling,
}
"""Local fields whose declared range is their whole enumeration in this family, used or not."""


_conv = lru_cache(maxsize=4096)(Conv)  # frozen, so that the thousands of layers of a model set can share them


def mlp(
    sizes: Sequence[int] = (784, 128, 128, 10),
    *,
    bias: bool = True,
    norm: bool = True,
    shortcut: bool = True,
    activation: AnyActivation = Activation.LEAKY_RELU,
    activation_param: float | None = None,
    dropout: float = 0.0,
    dataset: DatasetType | int = DatasetType.MNIST,
    task: TaskType = TaskType.IMAGE,
) -> ModelSpec:
    """A perceptron on flattened inputs; its descriptor is that of a CNN without stages (facts: model type 1).

    ``sizes`` are input, hidden and output widths. The first layer has neither activation, norm nor shortcut; a hidden
    layer of unchanged width has a shortcut if ``shortcut``; the output layer has a bias and no dropout.

    Raises:
        ValueError: for fewer than two sizes, or sizes that a layer rejects.

    Example:
        >>> mlp((784, 64, 64, 10), activation="relu").num_params
        55050
    """
    sizes = integers("mlp", "sizes", sizes, 1)
    for name, value in (("bias", bias), ("norm", norm), ("shortcut", shortcut)):
        yes_or_no("mlp", name, value)
    if len(sizes) < 2:
        raise ValueError(f"mlp wants at least an input and an output size, got {tuple(sizes)}")
    slope = usual_param(activation, activation_param, 0.1)
    layers: list[Layer] = []
    last = len(sizes) - 2
    for number, (into, out) in enumerate(zip(sizes, sizes[1:], strict=False)):
        first, final = number == 0, number == last
        layers.append(
            Linear(
                into,
                out,
                bias=bias or final,
                norm=norm and not first,
                shortcut=shortcut and not first and not final and into == out,
                activation=Activation.NONE if first else activation,
                activation_param=0.0 if first else slope,
                dropout=0.0 if final else dropout,
                pooling=InputPooling.RESHAPE_TO_2D if first else InputPooling.NONE,
            )
        )
    return ModelSpec("mlp", ModelType.CNN, tuple(layers), (), task, dataset)


def cnn(
    stages: Sequence[int] = (1, 6, 6, 6),
    widths: Sequence[int] = (16, 16, 32, 64),
    *,
    channels: int = 3,
    classes: int = 10,
    kernel_size: int = 3,
    groups: int = 4,
    bias: bool = True,
    norm: bool = True,
    shortcut: bool = True,
    activation: AnyActivation = Activation.LEAKY_RELU,
    activation_param: float | None = None,
    dropout: float = 0.0,
    downsampling: StagePooling = StagePooling.CONV,
    pooling: InputPooling = InputPooling.AVG_POOL,
    dataset: DatasetType | int = DatasetType.CIFAR10,
    task: TaskType = TaskType.IMAGE,
) -> ModelSpec:
    """A pre-activation residual network; every convolution is its own residual unit.

    ``stages[s]`` layers of ``widths[s]`` channels. The stem (first layer of stage 0) is a bare convolution; from stage
    2 on, the first layer of a stage downsamples and has no shortcut. The last sum goes straight into the image pooling
    and one linear layer.

    Raises:
        ValueError: if ``stages`` and ``widths`` differ in length, a stage is empty, or stage 1 is not as wide as 0.

    Example:
        >>> spec = cnn((1, 2, 2), (8, 8, 16), channels=1)
        >>> uhn.run(spec, torch.randn(spec.num_params), torch.randn(2, 1, 28, 28)).shape
        torch.Size([2, 10])
    """
    stages, widths = integers("cnn", "stages", stages, 1), integers("cnn", "widths", widths, 1)
    for name, value in (("bias", bias), ("norm", norm), ("shortcut", shortcut)):
        yes_or_no("cnn", name, value)
    if len(stages) != len(widths) or not stages:
        raise ValueError(f"cnn wants one width per stage and at least one stage, got {stages} and {widths}")
    if len(widths) > 1 and widths[0] != widths[1]:
        raise ValueError(f"cnn: stage 1 must be as wide as the stem, got widths {tuple(widths)}")
    slope = usual_param(activation, activation_param, 0.1)
    layers: list[Layer] = []
    into = channels
    for stage, (depth, width) in enumerate(zip(stages, widths, strict=True)):
        for position in range(depth):
            stem = not layers
            down = stage >= 2 and position == 0
            layers.append(
                _conv(
                    into,
                    width,
                    kernel_size,
                    bias=bias,
                    norm=norm and not stem,
                    groups=groups if norm and not stem else 0,
                    shortcut=shortcut and not stem and not down,
                    activation=Activation.NONE if stem else activation,
                    activation_param=0.0 if stem else slope,
                    dropout=dropout,
                    pooling=downsampling if down else StagePooling.NONE,
                )
            )
            into = width
    layers.append(Linear(into, classes, pooling=pooling))
    return ModelSpec("cnn", ModelType.CNN, tuple(layers), (("cnn_stage_num", len(stages)),), task, dataset)
