"""The KAN layer with a learned knot grid (Eq 22-24)."""

from __future__ import annotations

from dataclasses import dataclass
from math import log, sqrt
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from uhn.layers.base import Axis, Context, InitTarget, Layer, Param, Weights, category, flag, positive, register
from uhn.layers.checks import activation_setting, last_axis
from uhn.layers.flow import Flow
from uhn.layers.functional import activate
from uhn.layers.splines import SplineLayer
from uhn.transforms import composing, differentiable_again, traced
from uhn.vocabulary import Activation, AnyActivation, Initialization, LayerType


@register
@dataclass(frozen=True)
class KAN(Layer):
    """``Y = phi(X) W_b^T + b_b + B(X) W_s'^T`` (Eq 22): a base map plus B-splines of the raw input.

    Always computed in float32 or wider, whatever the run's precision.
    """

    kind = "kan"
    type_code = LayerType.KAN

    in_size: int
    out_size: int
    grid_size: int = 5
    spline_order: int = 3
    bias: bool = True
    activation: AnyActivation = Activation.NONE
    activation_param: float = 0.0
    initialization: Initialization = Initialization.DEFAULT

    def __post_init__(self) -> None:
        positive(self, "in_size", "out_size", "grid_size", "spline_order")
        flag(self, "bias")
        category(self, "initialization", Initialization)
        activation_setting(self)

    def params(self) -> tuple[Param, ...]:
        """Base weight and bias, spline weight ``[out, in, G + k]``, scale, and the grid: lower bound, length, knots."""
        out, into = Axis("out_idx", self.out_size), Axis("in_idx", self.in_size)
        bases = Axis("grid_idx", self.grid_size + self.spline_order)
        knots = Axis("grid_idx", self.grid_size + 2 * self.spline_order + 1)
        like_linear = InitTarget(0.0, 1 / sqrt(3 * self.in_size), "uniform")
        base_bias = (Param("base_bias", 1, (out,), InitTarget()),) if self.bias else ()
        return self.targets(
            Param("base_weight", 0, (out, into), like_linear),
            *base_bias,
            Param("spline_weight", 2, (out, into, bases), InitTarget(0.0, 0.1, "normal")),
            Param("spline_scale", 3, (out, into), like_linear),
            Param("grid_lower", 4, (into,), InitTarget(-1.0)),
            Param("grid_length", 5, (into,), InitTarget(log(2.0))),
            Param("grid_knots", 6, (into, knots), InitTarget()),
        )

    def structure(self) -> dict[str, int | float]:
        """Active local fields (B.5.1, KAN layer)."""
        return {
            "bias_type": self.bias,
            "output_size": self.out_size,
            "input_size": self.in_size,
            "activation_type": int(self.activation),
            "activation_param": self.activation_param,
            "grid_size": self.grid_size,
            "spline_order": self.spline_order,
            "initialization_type": self.initialization,
        }

    def flow(self, before: Flow) -> Flow:
        """Rows of another width."""
        before.enter(2, self.in_size)
        return Flow(2, self.out_size)

    def apply(
        self, weights: Weights, x: Any, ctx: Context, *, training: bool = False, rng: torch.Generator | None = None
    ) -> Tensor:
        """Map ``[B, in] -> [B, out]``."""
        last_axis(self, x, self.in_size)
        dtype = torch.promote_types(torch.promote_types(x.dtype, weights["base_weight"].dtype), torch.float32)
        with torch.autocast(x.device.type, enabled=False):
            x, w = x.to(dtype), {name: value.to(dtype) for name, value in weights.items()}
            active = activate(x, self.activation, self.activation_param)
            tensors = (x, active, *(w[param.name] for param in self.params()))
            if traced() or composing():
                return self._plain(*tensors)
            bias = () if self.bias else (None,)
            fast: Tensor = SplineLayer.apply(self.spline_order, *tensors[:3], *bias, *tensors[3:])  # type: ignore[no-untyped-call]
            return differentiable_again(fast, self._plain, *tensors)

    def _plain(self, x: Tensor, active: Tensor, base: Tensor, *rest: Tensor) -> Tensor:
        """The layer in the open, for transforms and for gradients of its gradient."""
        bias = rest[0] if self.bias else None
        weight, scale, lower, length, knots = rest[self.bias :]
        spline = bspline_basis(x, knot_grid(lower, length, knots), self.spline_order).flatten(1)
        return F.linear(active, base, bias) + F.linear(spline, (weight * scale[..., None]).flatten(1))


def knot_grid(lower: Float[Tensor, " in"], length: Float[Tensor, " in"], knots: Float[Tensor, "in K"]) -> Tensor:
    """Increasing knots ``lower + exp(length) cumsum(softmax(knots))`` (Eq 24), shape ``[in, K]``."""
    return lower[:, None] + length.exp()[:, None] * knots.softmax(-1).cumsum(-1)


def bspline_basis(x: Float[Tensor, "B in"], knots: Float[Tensor, "in K"], order: int) -> Tensor:
    """Cox-de Boor basis functions of ``order`` at ``x``, shape ``[B, in, K - 1 - order]``.

    Knots that coincide (a softmax that underflows) have empty support and contribute nothing. The knots run along the
    first axis and the batch along the last while it works: every slice is then one stretch of memory.
    """
    t = knots.t()[..., None]  # [K, in, 1]
    away = x.t() - t  # [K, in, B]
    reached = away >= 0
    basis = (reached[:-1] & ~reached[1:]).to(x.dtype)
    for k in range(1, order + 1):
        gap = t[k:] - t[:-k]
        scaled = torch.where(gap > 0, gap, 1.0).reciprocal()
        basis = away[: -k - 1] * scaled[:-1] * basis[:-1] - away[k + 1 :] * scaled[1:] * basis[1:]
    return basis.permute(2, 1, 0)
