"""Layer primitives. The import list is the registry: a layer that is not imported here does not exist."""

from __future__ import annotations

from uhn.layers.attention import Attention
from uhn.layers.base import (
    Axis,
    Context,
    InitTarget,
    Layer,
    Param,
    Projectable,
    layer_from_settings,
    layer_registry,
    register,
)
from uhn.layers.conv import Conv
from uhn.layers.embedding import Embedding
from uhn.layers.foreign import Foreign
from uhn.layers.gat import GAT
from uhn.layers.gcn import GCN
from uhn.layers.kan import KAN
from uhn.layers.linear import Linear
from uhn.vocabulary import INDEX_NAMES, LOCAL_NAMES

__all__ = [
    "GAT",
    "GCN",
    "KAN",
    "Attention",
    "Axis",
    "Context",
    "Conv",
    "Embedding",
    "Foreign",
    "InitTarget",
    "Layer",
    "Linear",
    "Param",
    "Projectable",
    "active_index_fields",
    "active_structure_fields",
    "layer_from_settings",
    "layer_registry",
    "register",
]


def active_index_fields(layer: Layer) -> tuple[str, ...]:
    """Index fields that apply to some weight of ``layer``, in the order of Table 6."""
    active = {axis.field for param in layer.params() for axis in param.axes}
    return INDEX_NAMES[:3] + tuple(name for name in INDEX_NAMES[3:] if name in active)


def active_structure_fields(layer: Layer) -> tuple[str, ...]:
    """Local structure fields that apply to ``layer``, in the order of Table 8."""
    active = layer.structure()
    return LOCAL_NAMES[:2] + tuple(name for name in LOCAL_NAMES[2:] if name in active)
