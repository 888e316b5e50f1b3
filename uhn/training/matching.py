"""The initialisation phase's loss: match every component's mean and standard deviation to its target (Eq 4)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from uhn.models.forward import flat_weights
from uhn.models.spec import ModelSpec
from uhn.transforms import composing, forming


def matching_loss(flat: Float[Tensor, " P"], spec: ModelSpec, *, whole: bool | None = None) -> Float[Tensor, ""]:
    """Return Eq 4 (Algorithm 3): ``1/(2|C|) sum_c (mean_c - mean*_c)^2 + (std_c - std*_c)^2``.

    Every component weighs the same, whatever its size; the standard deviation divides by n. A component of one value
    has std 0 with gradient 0. Computed in float32 at least.

    Raises:
        TypeError: if ``spec`` is no spec or ``flat`` no floating-point tensor.
        ValueError: if ``flat`` is not a vector of ``spec.num_params`` values.

    Args:
        flat: flat weights.
        spec: their model.
        whole: all components at once, with the gradient written out; None: on a GPU.

    Example:
        >>> spec = uhn.mlp((4, 8, 3))
        >>> bool(matching_loss(torch.zeros(spec.num_params), spec) > matching_loss(uhn.Direct(spec)(spec), spec))
        True
    """
    flat_weights(spec, flat, "matching_loss")
    if flat.dtype in (torch.float16, torch.bfloat16):
        flat = flat.float()
    if (flat.device.type == "cuda" if whole is None else whole) and not composing():
        loss: Tensor = _Whole.apply(flat, components(spec, flat.device, flat.dtype))  # type: ignore[no-untyped-call]
        return loss
    means, stds = [], []
    for slot in spec.layout:
        part = flat[slot.span]
        means.append(part.mean())
        stds.append(part.std(correction=0) if slot.numel > 1 else part.new_zeros(()))
    targets = [slot.param.init for slot in spec.layout]
    wanted = torch.tensor([[t.mean for t in targets], [t.std for t in targets]], dtype=torch.float64)
    got = torch.stack([torch.stack(means), torch.stack(stds)])
    return (got - wanted.to(got)).square().mean()


@dataclass(frozen=True)
class Components:
    """The components of a spec on a device: sizes ``[C]``, the component of each weight ``[P]``, targets ``[C]``."""

    sizes: Tensor
    owner: Tensor
    mean: Tensor
    std: Tensor


@lru_cache(maxsize=64)
def components(spec: ModelSpec, device: torch.device, dtype: torch.dtype) -> Components:
    """Return what :func:`matching_loss` needs to know of ``spec`` on ``device``; kept for the next step."""
    with forming():
        sizes = torch.tensor([slot.numel for slot in spec.layout])
        owner = torch.repeat_interleave(torch.arange(len(sizes)), sizes)
        mean, std = (
            torch.tensor([getattr(slot.param.init, name) for slot in spec.layout], dtype=dtype, device=device)
            for name in ("mean", "std")
        )
        return Components(sizes.to(device), owner.to(device), mean, std)


class _Whole(torch.autograd.Function):
    """Eq 4 and its gradient ``((mean_c - mean*_c) + (std_c - std*_c) (w - mean_c) / std_c) / (n_c |C|)``."""

    @staticmethod
    def forward(ctx: Any, flat: Tensor, of: Components) -> Tensor:
        def per_component(values: Tensor) -> Tensor:
            return torch.segment_reduce(values, "sum", lengths=of.sizes, unsafe=True) / of.sizes

        mean = per_component(flat)
        centred = flat - mean[of.owner]
        std = per_component(centred.square()).sqrt()
        shift, spread = mean - of.mean, std - of.std
        ctx.save_for_backward(centred, shift, spread, std)
        ctx.of = of
        return (shift.square().sum() + spread.square().sum()) / (2 * len(mean))

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator,unused-ignore]
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None]:
        centred, shift, spread, std = ctx.saved_tensors
        scale = upstream / (ctx.of.sizes * len(std))
        slope = torch.where(std > 0, scale * spread / std, 0)
        return torch.addcmul((scale * shift)[ctx.of.owner], slope[ctx.of.owner], centred), None
