"""The task-structure encoder of the root UHN (section 3.1.4): one vector per model, added to every index feature."""

from __future__ import annotations

from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor, nn

from uhn.descriptors.encodings import GaussianFourier
from uhn.descriptors.ranges import Ranges
from uhn.descriptors.structure import structure_tokens
from uhn.models.spec import ModelSpec
from uhn.transforms import composing, differentiable_again, forming, open_attention
from uhn.vocabulary import STRUCTURE_FIELDS


class StructureEncoder(nn.Module):
    """Tokens → Fourier features → one post-norm Transformer encoder layer → mean over tokens → MLP (Eq 2, 3).

    The last linear starts at zero, so an untrained encoder changes nothing. Order is carried by ``layer_idx``: there
    is no positional encoding and no mask.

    Args:
        encoding: Fourier features of the 29 fields; its width is the token width.
        hidden: width of the index branch, h.
        heads: attention heads.
    """

    def __init__(self, encoding: GaussianFourier, hidden: int, heads: int = 4) -> None:
        super().__init__()
        width = encoding.width
        if width % heads:
            raise ValueError(
                f"the structure encoder wants structure_frequencies of which twice is a multiple of its {heads} heads, "
                f"got {width // 2}"
            )
        self.encoding = encoding
        self.attention = nn.TransformerEncoderLayer(width, heads, width, dropout=0.0, batch_first=True)
        self.linear1 = nn.Linear(width, hidden)
        self.linear2 = nn.Linear(hidden, hidden)
        nn.init.zeros_(self.linear2.weight)
        nn.init.zeros_(self.linear2.bias)

    def tokens(self, spec: ModelSpec, ranges: Ranges) -> Float[Tensor, "1 L width"]:
        """Encoded structure tokens of ``spec``, one per layer."""
        return encoded_tokens(spec, ranges, self.encoding)

    def forward(self, tokens: Float[Tensor, "1 L width"]) -> Float[Tensor, "1 h"]:
        """Return the structure feature of one model."""
        if composing():
            with open_attention():
                return self._encoded(tokens)
        names, parameters = zip(*self.named_parameters(), strict=True)

        def plain(*tensors: Tensor) -> Tensor:
            return torch.func.functional_call(self, dict(zip(names, tensors, strict=True)), (tokens,))

        return differentiable_again(self._encoded(tokens), plain, *parameters)

    def _encoded(self, tokens: Tensor) -> Tensor:
        encoded = self.attention(tokens.to(self.linear1.weight.dtype))
        return self.linear2(self.linear1(encoded.mean(dim=1)).relu())


def encoded_tokens(spec: ModelSpec, ranges: Ranges, encoding: GaussianFourier) -> Float[Tensor, "1 L width"]:
    """Normalise (Eq 9) and encode (Eq 3) the structure tokens of ``spec`` (Eq 2)."""
    assert encoding.matrix.shape[0] == len(STRUCTURE_FIELDS)
    return encoding(_normalised_tokens(spec, ranges, encoding.matrix.device))[None]


@lru_cache(maxsize=1024)
def _normalised_tokens(spec: ModelSpec, ranges: Ranges, device: torch.device) -> Tensor:
    """Kept on the device, so that a step copies nothing to it."""
    with forming():
        return ranges.normalise_structure(structure_tokens(spec).to(device))
