"""The initialisation phase's loss: match every component's mean and standard deviation to its target (Eq 4)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from uhn.models.spec import ModelSpec


def matching_loss(flat: Float[Tensor, " P"], spec: ModelSpec) -> Float[Tensor, ""]:
    """Return Eq 4 (Algorithm 3): ``1/(2|C|) sum_c (mean_c - mean*_c)^2 + (std_c - std*_c)^2``.

    Every component weighs the same, whatever its size; the standard deviation divides by n. A component of one value
    has std 0 with gradient 0. Computed in float32 at least.
    """
    if flat.dtype in (torch.float16, torch.bfloat16):
        flat = flat.float()
    means, stds = [], []
    for slot in spec.layout:
        part = flat[slot.span]
        means.append(part.mean())
        stds.append(part.std(correction=0) if slot.numel > 1 else part.new_zeros(()))
    targets = [slot.param.init for slot in spec.layout]
    wanted = torch.tensor([[t.mean for t in targets], [t.std for t in targets]], dtype=torch.float64)
    got = torch.stack([torch.stack(means), torch.stack(stds)])
    return (got - wanted.to(got)).square().mean()
