"""What a model is given besides its weights."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from uhn.layers.base import Projectable


@dataclass(frozen=True)
class Inputs:
    """What a task hands to a model, made once and passed on unchanged to every layer.

    Args:
        x: ``[B, ...]`` data, ``[B, T]`` token ids, ``[nodes, F]`` features (dense or sparse), or, for a generated
            hypernetwork, :class:`~uhn.descriptors.features.IndexFeatures` (or their dense ``[N, 2m]`` form).
        edges: directed edges ``[2, E]``, source row and destination row.
        edge_weight: ``[E]`` normalised adjacency values.
        padding: ``[B, T]``, True at padding tokens.
        tokens: ``[1, L, 2m']`` structure features of a generated hypernetwork.

    Example:
        >>> edges = torch.tensor([[0, 1], [1, 2]])
        >>> uhn.Inputs(torch.randn(3, 5), edges=edges).edges.shape
        torch.Size([2, 2])
    """

    x: Tensor | Projectable
    edges: Tensor | None = None
    edge_weight: Tensor | None = None
    padding: Tensor | None = None
    tokens: Tensor | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name == "x" and not isinstance(value, Tensor | Projectable):
                raise TypeError(f"Inputs.x must be a tensor or factored features, got {type(value).__name__}")
            if field.name != "x" and not isinstance(value, Tensor | None):
                raise TypeError(f"Inputs.{field.name} must be a tensor or None, got {type(value).__name__}")

    def to(self, device: torch.device | str) -> Inputs:
        """Return the same inputs with every tensor on ``device``."""
        moved = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(self, **{k: v.to(device) for k, v in moved.items() if isinstance(v, Tensor)})
