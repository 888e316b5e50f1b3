"""The one forward pass: ``run(spec, flat, inputs)`` for every model, whatever its weights came from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from uhn.layers.inputs import Inputs as Inputs
from uhn.models.spec import ModelSpec, one_spec
from uhn.models.wiring import STRUCTURE_LAYERS


def flat_weights(spec: ModelSpec, flat: Tensor, who: str) -> Tensor:
    """Return ``flat`` if it can be the weights of ``spec``.

    Raises:
        TypeError: if ``spec`` is no spec or ``flat`` no tensor of floating-point numbers.
        ValueError: if ``flat`` is not a vector of ``spec.num_params`` values.
    """
    one_spec(spec, who)
    if not isinstance(flat, Tensor) or not flat.is_floating_point():
        got = f"a tensor of {flat.dtype}" if isinstance(flat, Tensor) else type(flat).__name__
        raise TypeError(f"{who} wants flat weights, a floating-point tensor of shape [{spec.num_params}], got {got}")
    if flat.dim() != 1 or flat.shape[0] != spec.num_params:
        raise ValueError(f"{spec!r} wants flat weights of shape [{spec.num_params}], got {list(flat.shape)}")
    return flat


def unflatten(spec: ModelSpec, flat: Tensor) -> list[dict[str, Tensor]]:
    """Cut flat weights ``[P]`` into one ``{component: tensor}`` per layer. Views, no copies.

    Raises:
        ValueError: if ``flat`` is not a vector of ``spec.num_params`` values.
    """
    flat_weights(spec, flat, "a model")
    parts: list[dict[str, Tensor]] = [{} for _ in spec.layers]
    pieces = flat.split([slot.numel for slot in spec.layout])  # type: ignore[no-untyped-call]
    for slot, piece in zip(spec.layout, pieces, strict=True):
        parts[slot.layer][slot.param.name] = piece.view(slot.shape)
    return parts


def run(
    spec: ModelSpec,
    flat: Tensor,
    inputs: Inputs | Tensor,
    *,
    training: bool = False,
    rng: torch.Generator | None = None,
) -> Tensor:
    """Apply the described model with flat weights ``[P]`` to ``inputs`` (a bare tensor is taken as ``x``).

    Weights ``[K, P]`` are those of K models, which all get the same inputs: outputs are stacked on a new first axis.

    Raises:
        ValueError: if shapes do not fit, or a layer misses edges, padding or (in training, with dropout) ``rng``.

    Example:
        >>> spec = uhn.mlp((4, 8, 3))
        >>> run(spec, torch.randn(spec.num_params), torch.randn(2, 4)).shape
        torch.Size([2, 3])
        >>> run(spec, torch.randn(5, spec.num_params), torch.randn(2, 4)).shape
        torch.Size([5, 2, 3])
    """
    one_spec(spec, "a model")
    if isinstance(flat, Tensor) and flat.dim() == 2 and flat.shape[0] and flat.shape[1] == spec.num_params:
        return _several(spec, flat, inputs, training, rng)
    return run_parts(spec, unflatten(spec, flat), inputs, training=training, rng=rng)


def _several(
    spec: ModelSpec, flat: Tensor, inputs: Inputs | Tensor, training: bool, rng: torch.Generator | None
) -> Tensor:
    """K models at once; one after the other where each draws masks of its own."""

    def once(one: Tensor) -> Tensor:
        return run_parts(spec, unflatten(spec, one), inputs, training=training, rng=rng)

    if training and any(getattr(layer, "dropout", 0) for layer in spec.layers):
        return torch.stack([once(one) for one in flat])
    return torch.func.vmap(once)(flat)


def run_parts(
    spec: ModelSpec,
    parts: Sequence[Mapping[str, Tensor]],
    inputs: Inputs | Tensor,
    *,
    training: bool = False,
    rng: torch.Generator | None = None,
) -> Tensor:
    """As :func:`run`, with one ``{component: tensor}`` per layer (the form in which a module holds its weights)."""
    ctx = inputs if isinstance(inputs, Inputs) else Inputs(inputs)

    def through(numbers: range, x: Any) -> Any:
        for number in numbers:
            x = spec.layers[number].apply(parts[number], x, ctx, training=training, rng=rng)
        return x

    if spec.wiring == "module":
        raise ValueError(
            f"{spec!r} describes an nn.Module, whose forward is its own: use uhn.call(module, spec, flat, …)"
        )
    wiring = two_branch if spec.wiring == "two_branch" else sequential
    return wiring(len(spec.layers), through, ctx)


Through = Callable[[range, Any], Any]


def sequential(num_layers: int, through: Through, ctx: Inputs) -> Tensor:
    """Layer after layer (Eq 25)."""
    result: Tensor = through(range(num_layers), ctx.x)
    return result


def two_branch(num_layers: int, through: Through, ctx: Inputs) -> Tensor:
    """A generated hypernetwork (Eq 32-34): structure branch on ``tokens``, index branch on ``x``, sum, readout.

    Returns ``[N]``, one value per index row.
    """
    if ctx.tokens is None:
        raise ValueError("a generated hypernetwork needs Inputs.tokens (structure features), got None")
    structure = through(range(STRUCTURE_LAYERS), ctx.tokens)
    index = through(range(STRUCTURE_LAYERS, num_layers - 1), ctx.x)
    readout: Tensor = through(range(num_layers - 1, num_layers), index + structure)
    return readout.squeeze(-1)
