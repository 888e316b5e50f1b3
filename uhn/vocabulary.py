"""The descriptor vocabulary (Tables 6-9): every field, category code and filler.

This is the only place that knows them, and it imports nothing of ``uhn``. Category codes are explicit
integers because they are inputs of the generator: renumbering one changes every generated weight.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Literal


class LayerType(IntEnum):
    """Layer primitives (field ``layer_type``, Tables 6 and 8)."""

    LINEAR = 0
    CONV = 1
    GCN = 2
    GAT = 3
    EMBEDDING = 4
    MHA = 5
    KAN = 6


class Bias(IntEnum):
    """Bias option (field ``bias_type``, Table 8)."""

    NONE = 0
    WITH = 1


class Norm(IntEnum):
    """Affine-free LayerNorm or GroupNorm, by layer type (field ``norm_type``, Table 8)."""

    NONE = 0
    NORM = 1


class Shortcut(IntEnum):
    """Residual option (field ``shortcut_type``, Table 8); a shortcut is always the identity."""

    NONE = 0
    STRAIGHT = 1


class Activation(IntEnum):
    """Activation (field ``activation_type``, Table 8); its parameter is ``activation_param``."""

    NONE = 0
    LEAKY_RELU = 1
    ELU = 2
    SILU = 3


class OpenActivation(IntEnum):
    """Activations beyond the paper's, in the same field."""

    GELU = 100
    TANH = 101
    SIGMOID = 102
    SINE = 103


ActivationName = Literal["none", "relu", "leaky_relu", "elu", "silu", "gelu", "tanh", "sigmoid", "sine"]
AnyActivation = Activation | OpenActivation | ActivationName

ACTIVATION_NAMES: Final[Mapping[str, tuple[Activation | OpenActivation, float]]] = {
    "relu": (Activation.LEAKY_RELU, 0.0),
    "leaky_relu": (Activation.LEAKY_RELU, 0.1),
    "elu": (Activation.ELU, 1.0),
    **{kind.name.lower(): (kind, 0.0) for kind in (Activation.NONE, Activation.SILU, *OpenActivation)},
}
"""Activations by name, with the parameter that each has if none is given."""


class InputPooling(IntEnum):
    """What a linear layer does to its input first (field ``input_pooling_reshape_type``, Table 8)."""

    NONE = 0
    AVG_POOL = 1
    MAX_POOL = 2
    RESHAPE_TO_2D = 3
    AVG_SEQUENCE = 4
    FIRST_TOKEN = 5


class StagePooling(IntEnum):
    """Downsampling of a convolution layer (field ``stage_wise_pooling_type``, Table 8)."""

    NONE = 0
    AVG = 1
    MAX = 2
    CONV = 3


class HeadConcat(IntEnum):
    """How a GAT layer joins its heads (field ``head_concat_type``, Table 8)."""

    CONCAT = 0
    AVG = 1


class Initialization(IntEnum):
    """Initialisation target of a layer (field ``initialization_type``, Table 8)."""

    DEFAULT = 0
    ZERO = 1


class ModelType(IntEnum):
    """Model family (field ``model_type``, Table 7). An MLP is described as a CNN with no stages."""

    MLP = 0
    CNN = 1
    GCN = 2
    GAT = 3
    TRANSFORMER = 4
    KAN = 5
    RECURSIVE = 6


class TaskType(IntEnum):
    """Kind of task (field ``task_type``, Table 9)."""

    IMAGE = 0
    GRAPH = 1
    TEXT = 2
    FORMULA = 3
    RECURSIVE = 4


class DatasetType(IntEnum):
    """Dataset (field ``dataset_type``, Table 9)."""

    MNIST = 0
    CIFAR10 = 1
    CITESEER = 2
    CORA = 3
    PUBMED = 4
    AG_NEWS = 5
    IMDB = 6
    ELLIPJ = 7
    ELLIPKINC = 8
    ELLIPEINC = 9
    JV = 10
    YV = 11
    KV = 12
    IV = 13
    LPMV0 = 14
    LPMV1 = 15
    LPMV2 = 16
    SPH_HARM01 = 17
    SPH_HARM11 = 18
    SPH_HARM02 = 19
    SPH_HARM12 = 20
    SPH_HARM22 = 21
    RECURSIVE_IMAGE = 22
    RECURSIVE_GRAPH = 23
    RECURSIVE_TEXT = 24
    RECURSIVE_FORMULA = 25


OPEN: Final = 100
"""Category codes below this one are the paper's; from here on they are open to everybody."""

NAMED: Final = 1000
"""Codes of either task field that names may stand for, from :data:`OPEN` on."""


def named_task(name: str) -> tuple[int, int]:
    """The codes (task_type, dataset_type) of a task of somebody's own, from a digest of its name: no list is kept.

    Among 20 names two share a pair once in 5,000 times; :meth:`UniversalHypernetwork.for_specs` refuses such names.
    For many ids (clients, users) take conditions instead.

    Raises:
        ValueError: for an empty name.
    """
    if not name:
        raise ValueError("a task wants a name of at least one character, got ''")
    digest = hashlib.sha256(name.encode()).digest()
    task, dataset = (int.from_bytes(digest[at : at + 4], "big") for at in (0, 4))
    return OPEN + task % NAMED, OPEN + dataset % NAMED


MODULE: Final = OPEN
"""``model_type`` of a described ``nn.Module``."""


@dataclass(frozen=True)
class Field:
    """One attribute of a descriptor: its name, its meaning and, if categorical, its codes."""

    name: str
    description: str
    categories: type[IntEnum] | None = None


INDEX_FILLER: Final = -1
"""Value of an index field that does not apply to a weight."""

STRUCTURE_FILLER: Final = 0
"""Value of a structure field that does not apply to a layer or model."""

INDEX_FIELDS: Final = (
    Field("layer_idx", "position of the layer in the model", None),
    Field("layer_type", "kind of layer", LayerType),
    Field("param_type", "component within the layer (numbered by the layer itself)", None),
    Field("out_idx", "output index, output channel or embedding channel", None),
    Field("in_idx", "input index or input channel", None),
    Field("kernel_h", "row in the convolution kernel", None),
    Field("kernel_w", "column in the convolution kernel", None),
    Field("embedding_idx", "token id", None),
    Field("sequence_idx", "token position", None),
    Field("grid_idx", "KAN spline coefficient or knot", None),
)
"""Table 6: the descriptor of one scalar weight."""

GLOBAL_FIELDS: Final = (
    Field("model_type", "model family", ModelType),
    Field("task_type", "kind of task", TaskType),
    Field("dataset_type", "dataset", DatasetType),
    Field("num_layers", "number of layers", None),
    Field("cnn_stage_num", "number of stages of a CNN", None),
    Field("num_encoders", "number of encoder blocks of a Transformer", None),
    Field("num_structure_freqs", "structure frequencies of a generated hypernetwork", None),
    Field("num_index_freqs", "index frequencies of a generated hypernetwork", None),
)
"""Tables 7 and 9 in one vector: the task fields stand second and third."""

TASK_FIELD_NAMES: Final = ("task_type", "dataset_type")
"""The fields of :data:`GLOBAL_FIELDS` that Table 9 lists; Table 7 lists the others."""

LOCAL_FIELDS: Final = (
    Field("layer_idx", "position of the layer in the model", None),
    Field("layer_type", "kind of layer", LayerType),
    Field("bias_type", "bias option", Bias),
    Field("norm_type", "normalisation option", Norm),
    Field("shortcut_type", "residual option", Shortcut),
    Field("output_size", "output size, channels or embedding dimension (GAT: of one head)", None),
    Field("input_size", "input size or channels", None),
    Field("activation_type", "activation", Activation),
    Field("activation_param", "slope of a leaky ReLU, alpha of an ELU", None),
    Field("dropout_rate", "dropout probability", None),
    Field("input_pooling_reshape_type", "pooling or reshaping of a linear layer's input", InputPooling),
    Field("group_num", "GroupNorm groups of a convolution layer", None),
    Field("kernel_size", "kernel size of a convolution layer", None),
    Field("stage_wise_pooling_type", "downsampling of a convolution layer", StagePooling),
    Field("num_heads", "attention heads", None),
    Field("head_concat_type", "how GAT heads are joined", HeadConcat),
    Field("embedding_num", "entries of the token table", None),
    Field("max_sequence_length", "entries of the position table", None),
    Field("grid_size", "KAN grid size", None),
    Field("spline_order", "KAN spline order", None),
    Field("initialization_type", "initialisation target", Initialization),
)
"""Table 8: the descriptor of one layer."""

STRUCTURE_FIELDS: Final = GLOBAL_FIELDS + LOCAL_FIELDS
"""One structure token (Eq 2): the 8 global and task fields, then the 21 of its layer."""

INDEX_NAMES: Final = tuple(field.name for field in INDEX_FIELDS)
GLOBAL_NAMES: Final = tuple(field.name for field in GLOBAL_FIELDS)
LOCAL_NAMES: Final = tuple(field.name for field in LOCAL_FIELDS)
