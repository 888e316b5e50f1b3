"""Transformers for text classification (Eq 29, 30)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Final

from uhn import vocabulary as voc
from uhn.arguments import integers, yes_or_no
from uhn.layers.attention import Attention
from uhn.layers.base import Layer
from uhn.layers.checks import usual_param
from uhn.layers.embedding import Embedding
from uhn.layers.linear import Linear
from uhn.models.spec import ModelSpec
from uhn.vocabulary import Activation, AnyActivation, DatasetType, InputPooling, ModelType, TaskType

CATEGORICAL: Final[Mapping[str, type[IntEnum]]] = {
    "bias_type": voc.Bias,
    "norm_type": voc.Norm,
    "shortcut_type": voc.Shortcut,
    "activation_type": voc.Activation,
    "input_pooling_reshape_type": voc.InputPooling,
}
"""Local fields whose declared range is their whole enumeration in this family, used or not."""


def transformer(
    classes: int,
    feedforward: Sequence[int] = (2, 2),
    *,
    size: int = 64,
    heads: int = 2,
    vocabulary: int = 5000,
    max_length: int = 128,
    bias: bool = True,
    norm: bool = True,
    shortcut: bool = True,
    activation: AnyActivation = Activation.LEAKY_RELU,
    activation_param: float | None = None,
    dropout: float = 0.2,
    dataset: DatasetType | int = DatasetType.AG_NEWS,
    task: TaskType = TaskType.TEXT,
) -> ModelSpec:
    """Embedding, encoders, and a linear layer on the first token.

    ``feedforward[e]`` linear layers of unchanged width, each with its own shortcut, follow the attention of encoder
    ``e``. The first attention layer has neither activation nor norm; nothing precedes the output layer.

    Raises:
        ValueError: for no encoder or a negative feed-forward depth, or sizes that a layer rejects.

    Example:
        >>> spec, tokens = transformer(4, (1,), size=8, vocabulary=20, max_length=6), torch.tensor([[3, 7, 1, 1]])
        >>> uhn.run(spec, torch.randn(spec.num_params), uhn.Inputs(tokens, padding=tokens == 1)).shape
        torch.Size([1, 4])
    """
    feedforward = integers("transformer", "feedforward", feedforward, 0)
    for name, value in (("bias", bias), ("norm", norm), ("shortcut", shortcut)):
        yes_or_no("transformer", name, value)
    if not feedforward:
        raise ValueError("transformer wants one feed-forward depth per encoder, got none")
    slope = usual_param(activation, activation_param, 0.1)
    layers: list[Layer] = [Embedding(vocabulary, size, max_length, dropout)]
    for encoder, depth in enumerate(feedforward):
        first = encoder == 0
        layers.append(
            Attention(
                size,
                heads,
                bias=bias,
                norm=norm and not first,
                shortcut=shortcut,
                activation=Activation.NONE if first else activation,
                activation_param=0.0 if first else slope,
                dropout=dropout,
            )
        )
        linear = Linear(size, size, bias, norm, shortcut, activation, slope, dropout)
        layers += [linear] * depth
    layers.append(Linear(size, classes, pooling=InputPooling.FIRST_TOKEN))
    fields = (("num_encoders", len(feedforward)),)
    return ModelSpec("transformer", ModelType.TRANSFORMER, tuple(layers), fields, task, dataset)
