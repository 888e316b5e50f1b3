"""Graph networks for node classification: GCN (Eq 27) and GAT (Eq 28)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Final

from uhn import vocabulary as voc
from uhn.layers.checks import usual_param
from uhn.layers.gat import GAT
from uhn.layers.gcn import GCN
from uhn.models.spec import ModelSpec
from uhn.vocabulary import Activation, AnyActivation, DatasetType, HeadConcat, ModelType, TaskType

GCN_CATEGORICAL: Final[Mapping[str, type[IntEnum]]] = {
    "bias_type": voc.Bias,
    "norm_type": voc.Norm,
    "activation_type": voc.Activation,
}
"""Local fields whose declared range is their whole enumeration in the GCN family, used or not."""

GAT_CATEGORICAL: Final[Mapping[str, type[IntEnum]]] = {
    **GCN_CATEGORICAL,
    "head_concat_type": voc.HeadConcat,
}
"""The same for the GAT family."""


def gcn(
    features: int,
    classes: int,
    *,
    hidden: int = 64,
    bias: bool = True,
    norm: bool = False,
    activation: AnyActivation = Activation.LEAKY_RELU,
    activation_param: float | None = None,
    dropout: float = 0.5,
    dataset: DatasetType | int = DatasetType.CORA,
    task: TaskType = TaskType.GRAPH,
) -> ModelSpec:
    """Two graph convolutions; dropout acts on the input of both, activation and norm on that of the second.

    Example:
        >>> spec, edges = gcn(5, 3, hidden=4), torch.tensor([[0, 1], [1, 2]])
        >>> model = uhn.to_module(spec, torch.randn(spec.num_params))
        >>> model(torch.randn(3, 5), edges).shape
        torch.Size([3, 3])
    """
    slope = usual_param(activation, activation_param, 0.1)
    first = GCN(features, hidden, bias=bias, dropout=dropout)
    second = GCN(hidden, classes, norm=norm, activation=activation, activation_param=slope, dropout=dropout)
    return ModelSpec("gcn", ModelType.GCN, (first, second), (), task, dataset)


def gat(
    features: int,
    classes: int,
    *,
    hidden: int = 8,
    heads: int = 8,
    output_heads: int = 1,
    bias: bool = True,
    norm: bool = False,
    activation: AnyActivation = Activation.ELU,
    activation_param: float | None = None,
    dropout: float = 0.6,
    dataset: DatasetType | int = DatasetType.CORA,
    task: TaskType = TaskType.GRAPH,
) -> ModelSpec:
    """Two graph attention layers: ``heads`` of width ``hidden`` concatenated, then ``output_heads`` averaged.

    Example:
        >>> spec, edges = gat(5, 3, hidden=4, heads=2), torch.tensor([[0, 1], [1, 2]])
        >>> uhn.run(spec, torch.randn(spec.num_params), uhn.Inputs(torch.randn(3, 5), edges)).shape
        torch.Size([3, 3])
    """
    slope = usual_param(activation, activation_param, 1.0)
    first = GAT(features, hidden, heads, HeadConcat.CONCAT, bias=bias, dropout=dropout)
    second = GAT(
        heads * hidden,
        classes,
        output_heads,
        HeadConcat.AVG,
        norm=norm,
        activation=activation,
        activation_param=slope,
        dropout=dropout,
    )
    return ModelSpec("gat", ModelType.GAT, (first, second), (), task, dataset)
