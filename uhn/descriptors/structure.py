"""A spec's structure tokens: one per layer, the 8 global and task fields, then its 21 local fields (Eq 2)."""

from __future__ import annotations

import torch
from jaxtyping import Float64
from torch import Tensor

from uhn import vocabulary as voc
from uhn.models.spec import ModelSpec


def global_fields(spec: ModelSpec) -> list[float]:
    """The 8 values of Tables 7 and 9, fillers where a field does not apply."""
    values = dict.fromkeys(voc.GLOBAL_NAMES, float(voc.STRUCTURE_FILLER))
    values |= {"model_type": spec.model_type, "task_type": spec.task_type, "dataset_type": spec.dataset_type}
    values |= {"num_layers": len(spec.layers), **dict(spec.fields)}
    return [float(values[name]) for name in voc.GLOBAL_NAMES]


def local_fields(spec: ModelSpec, layer: int) -> list[float]:
    """The 21 values of Table 8 for one layer.

    Raises:
        ValueError: if the layer names a field that Table 8 does not have.
    """
    values = dict.fromkeys(voc.LOCAL_NAMES, float(voc.STRUCTURE_FILLER))
    active = spec.layers[layer].structure()
    if unknown := set(active) - set(voc.LOCAL_NAMES[2:]):
        raise ValueError(f"layer {layer} ({spec.layers[layer].kind}) names unknown local fields: {sorted(unknown)}")
    values |= {"layer_idx": layer, "layer_type": spec.layers[layer].layer_type} | active
    return [float(values[name]) for name in voc.LOCAL_NAMES]


def structure_tokens(spec: ModelSpec) -> Float64[Tensor, "L 29"]:
    """Return one token per layer, float64 ``[L, 29]``, before normalisation."""
    head = global_fields(spec)
    return torch.tensor([head + local_fields(spec, n) for n in range(len(spec.layers))], dtype=torch.float64)
