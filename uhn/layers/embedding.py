"""The embedding layer (Eq 17)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from uhn.layers.base import Axis, Context, InitTarget, Layer, Param, Weights, category, positive, rate, register
from uhn.layers.checks import indices_below
from uhn.layers.flow import Flow
from uhn.layers.functional import dropout
from uhn.vocabulary import Initialization, LayerType


@register
@dataclass(frozen=True)
class Embedding(Layer):
    """``Y = Drop( E_tok[X] + E_pos[:, :T] )`` (Eq 17): no scaling, no norm."""

    kind = "embedding"
    type_code = LayerType.EMBEDDING

    embeddings: int
    out_size: int
    max_length: int
    dropout: float = 0.0
    initialization: Initialization = Initialization.DEFAULT

    def __post_init__(self) -> None:
        positive(self, "embeddings", "out_size", "max_length")
        category(self, "initialization", Initialization)
        rate(self)

    def params(self) -> tuple[Param, ...]:
        """Token table ``[V, d]``, standard normal, and position table ``[1, S, d]``, zero (B.6)."""
        channel = Axis("out_idx", self.out_size)
        token = Param("token", 0, (Axis("embedding_idx", self.embeddings), channel), InitTarget(0.0, 1.0, "normal"))
        shape = (1, self.max_length, self.out_size)
        position = Param("position", 1, (Axis("sequence_idx", self.max_length), channel), InitTarget(), shape)
        return self.targets(token, position)

    def structure(self) -> dict[str, int | float]:
        """Active local fields (B.5.1, embedding layer)."""
        return {
            "output_size": self.out_size,
            "dropout_rate": self.dropout,
            "embedding_num": self.embeddings,
            "max_sequence_length": self.max_length,
            "initialization_type": self.initialization,
        }

    def flow(self, before: Flow) -> Flow:
        """Sequences, of token ids; so nothing can come before."""
        if before != Flow():
            raise ValueError("wants token ids and gets the output of a layer")
        return Flow(3, self.out_size)

    def apply(
        self, weights: Weights, x: Any, ctx: Context, *, training: bool = False, rng: torch.Generator | None = None
    ) -> Tensor:
        """Map token ids ``[B, T] -> [B, T, d]``, T at most ``max_length``."""
        if x.dim() != 2 or not 1 <= x.shape[1] <= self.max_length:
            raise ValueError(f"Embedding wants token ids [B, T] with 1 <= T <= {self.max_length}, got {tuple(x.shape)}")
        indices_below(x, self.embeddings, "token ids")
        y = F.embedding(x, weights["token"]) + weights["position"][:, : x.shape[1]]
        return dropout(y, self.dropout, training=training, rng=rng)
