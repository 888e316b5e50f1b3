"""The generated hypernetwork: a UHN that is itself a base model (Eq 32-34)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Final

from uhn import vocabulary as voc
from uhn.arguments import integer
from uhn.layers.attention import Attention
from uhn.layers.linear import Linear
from uhn.models.spec import ModelSpec
from uhn.vocabulary import Activation, DatasetType, Initialization, InputPooling, ModelType, TaskType

CATEGORICAL: Final[Mapping[str, type[IntEnum]]] = {
    "bias_type": voc.Bias,
    "norm_type": voc.Norm,
    "shortcut_type": voc.Shortcut,
    "activation_type": voc.Activation,
    "input_pooling_reshape_type": voc.InputPooling,
}
"""Local fields whose declared range is their whole enumeration in this family, used or not."""

RECURSIVE_OF: Final[Mapping[TaskType, DatasetType]] = {
    TaskType.IMAGE: DatasetType.RECURSIVE_IMAGE,
    TaskType.GRAPH: DatasetType.RECURSIVE_GRAPH,
    TaskType.TEXT: DatasetType.RECURSIVE_TEXT,
    TaskType.FORMULA: DatasetType.RECURSIVE_FORMULA,
}
"""Dataset field of a generated hypernetwork, by the task of the model at the end of its chain."""


def generated_uhn(
    *,
    structure_frequencies: int = 32,
    index_frequencies: int = 1024,
    hidden: int = 64,
    index_layers: int = 5,
    heads: int = 4,
    activation: Activation = Activation.LEAKY_RELU,
    activation_param: float = 0.1,
    leaf: TaskType = TaskType.IMAGE,
) -> ModelSpec:
    """A hypernetwork of 6 + ``index_layers`` layers; 181,121 weights at the paper's sizes.

    Layers 0-4 are the structure branch (attention over tokens, two residual layers, mean over the tokens, a last layer
    whose initialisation target is zero), then the index branch, then the readout. Features are affine-free normalised;
    the Fourier matrices and ranges are those of the root.

    Raises:
        ValueError: for ``index_layers`` below 1, an unknown leaf task, or sizes that a layer rejects.
    """
    for name, value in (
        ("structure_frequencies", structure_frequencies),
        ("index_frequencies", index_frequencies),
        ("hidden", hidden),
        ("index_layers", index_layers),
    ):
        integer("generated_uhn", name, value, 1)
    if leaf not in RECURSIVE_OF:
        raise ValueError(f"generated_uhn wants a leaf task among {[t.name for t in RECURSIVE_OF]}, got {leaf!r}")
    tokens = 2 * structure_frequencies

    def act(into: int, out: int, *, residual: bool, zero: bool = False) -> Linear:
        kind = Initialization.ZERO if zero else Initialization.DEFAULT
        return Linear(into, out, True, residual, residual, activation, activation_param, initialization=kind)

    layers = (
        Attention(tokens, heads, shortcut=True),
        act(tokens, tokens, residual=True),
        act(tokens, tokens, residual=True),
        Linear(tokens, hidden, pooling=InputPooling.AVG_SEQUENCE),
        act(hidden, hidden, residual=False, zero=True),
        Linear(2 * index_frequencies, hidden),
        *[act(hidden, hidden, residual=True)] * (index_layers - 1),
        act(hidden, 1, residual=False),
    )
    fields = (("num_structure_freqs", structure_frequencies), ("num_index_freqs", index_frequencies))
    dataset = RECURSIVE_OF[leaf]
    return ModelSpec("hypernet", ModelType.RECURSIVE, layers, fields, TaskType.RECURSIVE, dataset, "two_branch")
