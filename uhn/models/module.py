"""Running a described module with generated weights: its own forward, functionally."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from uhn.layers.foreign import Foreign
from uhn.models.spec import ModelSpec, one_spec
from uhn.transforms import open_attention

_BATCH_NORMS = nn.modules.batchnorm._BatchNorm


def weights(spec: ModelSpec, flat: Float[Tensor, "*K P"]) -> dict[str, Tensor]:
    """Cut flat weights into the model's tensors by name. Views, differentiable, no copies.

    Args:
        spec: a described module, or any other spec (then the names are those of its layout).
        flat: ``[P]``, or ``[K, P]`` for K models.

    Raises:
        TypeError: if ``spec`` is no spec or ``flat`` no tensor.
        ValueError: if the last axis does not hold ``spec.num_params`` values.

    Example:
        >>> spec = uhn.describe(nn.Linear(4, 3))
        >>> {name: tuple(tensor.shape) for name, tensor in weights(spec, torch.randn(15)).items()}
        {'weight': (3, 4), 'bias': (3,)}
    """
    one_spec(spec, "weights")
    if not isinstance(flat, Tensor):
        raise TypeError(f"{spec!r} wants weights as a tensor, got {type(flat).__name__}")
    if flat.dim() not in (1, 2) or flat.shape[-1] != spec.num_params:
        raise ValueError(
            f"{spec!r} wants weights of shape [{spec.num_params}] or [K, {spec.num_params}], got {list(flat.shape)}"
        )
    shapes = tensor_shapes(spec)
    pieces = flat.split([math.prod(shape) for shape in shapes.values()], -1)  # type: ignore[no-untyped-call]
    head = flat.shape[:-1]
    return {name: part.reshape((*head, *shape)) for (name, shape), part in zip(shapes.items(), pieces, strict=True)}


def tensor_shapes(spec: ModelSpec) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a model's tensors in flat order; those of a described module are its parameters."""
    if spec.wiring != "module":
        return {slot.name: slot.shape for slot in spec.layout}
    layers = [layer for layer in spec.layers if isinstance(layer, Foreign)]
    return {
        f"{layer.path}.{name}" if layer.path else name: shape
        for layer in layers
        for name, shape in layer.tensors().items()
    }


def call(module: nn.Module, spec: ModelSpec, flat: Float[Tensor, "*K P"], *args: Any, **kwargs: Any) -> Any:
    """Call ``module`` as it is called, with generated weights in the place of its own.

    The module keeps its weights and its buffers. In training mode BatchNorm takes the batch's statistics and records
    none; see :func:`recalibrate` for evaluation.

    Args:
        module: the module that ``spec`` describes.
        spec: from :func:`uhn.describe`.
        flat: weights ``[P]``; or ``[K, P]`` for K models at once, whose outputs are stacked on a new first axis.
        args, kwargs: the module's own.

    Raises:
        ValueError: if the spec describes another module, or the weights have another length.

    Example:
        >>> network = nn.Sequential(nn.Linear(4, 3), nn.LayerNorm(3))
        >>> spec = uhn.describe(network)
        >>> call(network, spec, torch.randn(spec.num_params), torch.randn(2, 4)).shape
        torch.Size([2, 3])
        >>> call(network, spec, torch.randn(5, spec.num_params), torch.randn(2, 4)).shape
        torch.Size([5, 2, 3])
    """
    check_fits(spec, module)
    parts = weights(spec, flat)

    def once(tensors: Mapping[str, Tensor]) -> Any:
        return torch.func.functional_call(module, dict(tensors), args, kwargs)

    with _no_running_statistics(module):
        return once(parts) if flat.dim() == 1 else _many(module, once, parts)


def _many(module: nn.Module, once: Callable[[Mapping[str, Tensor]], Any], parts: Mapping[str, Tensor]) -> Any:
    """K models at once, or one after another where PyTorch has no batched form of a module."""
    if any(isinstance(part, nn.RNNBase) for part in module.modules()):
        count = next(iter(parts.values())).shape[0]
        outputs = [once({name: value[k] for name, value in parts.items()}) for k in range(count)]
        return tree_map(lambda *values: torch.stack(values), *outputs)
    with open_attention():
        return torch.func.vmap(once, randomness="different")(parts)


def check_fits(spec: ModelSpec, module: object) -> None:
    """Raise ``TypeError`` or ``ValueError`` unless ``spec`` describes a module of these names and shapes."""
    if not isinstance(module, nn.Module):
        raise TypeError(f"wanted the nn.Module that the spec describes, got {type(module).__name__}")
    if one_spec(spec, "a call").wiring != "module":
        raise ValueError(f"wanted a spec from uhn.describe, got {spec!r}: use uhn.run or uhn.to_module for it")
    own, who = dict(module.named_parameters(remove_duplicate=False)), type(module).__name__
    for name, shape in tensor_shapes(spec).items():
        got = tuple(own[name].shape) if name in own else None
        if got != shape:
            there = "no such parameter" if got is None else f"shape {list(got)}"
            raise ValueError(f"the spec describes another module: {name} wants {list(shape)}, {who} has {there}")


def flat_weights(spec: ModelSpec, module: nn.Module) -> Float[Tensor, " P"]:
    """The module's own present weights in the order of the spec: a detached copy ``[P]``."""
    check_fits(spec, module)
    own = dict(module.named_parameters(remove_duplicate=False))
    return torch.cat([own[name].detach().reshape(-1) for name in tensor_shapes(spec)])


def load_weights(module: nn.Module, spec: ModelSpec, flat: Float[Tensor, " P"]) -> nn.Module:
    """Return a copy of ``module`` that owns the weights ``flat``; everything else is as in ``module``."""
    check_fits(spec, module)
    parts = weights(spec, flat.detach())
    result = copy.deepcopy(module)
    own = dict(result.named_parameters(remove_duplicate=False))
    with torch.no_grad():
        for name, value in parts.items():
            own[name].copy_(value)
    return result


def recalibrate(module: nn.Module, spec: ModelSpec, flat: Float[Tensor, " P"], batches: Iterable[Any]) -> nn.Module:
    """Return a copy with the weights ``flat`` whose BatchNorms have the statistics of ``batches``, ready to evaluate.

    Generated weights change with every step, so running averages of earlier ones mean nothing for the last.

    Args:
        batches: inputs, each a tensor or a tuple of arguments; their statistics are averaged evenly.

    Raises:
        ValueError: if there is no batch, or the module has no BatchNorm with running statistics.

    Example:
        >>> network = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3))
        >>> spec = uhn.describe(network)
        >>> ready = recalibrate(network, spec, torch.randn(spec.num_params), [torch.randn(64, 4)])
        >>> ready(torch.randn(2, 4)).shape, ready.training
        (torch.Size([2, 3]), False)
    """
    result = load_weights(module, spec, flat)
    norms = [m for m in result.modules() if isinstance(m, _BATCH_NORMS) and m.track_running_stats]
    if not norms:
        raise ValueError(f"recalibrate wants a module with BatchNorm, {type(module).__name__} has none")
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain average
    result.eval()
    for norm in norms:
        norm.train()
    count = 0
    with torch.no_grad():
        for batch in batches:
            result(*batch) if isinstance(batch, tuple | list) else result(batch)
            count += 1
    if not count:
        raise ValueError("recalibrate wants at least one batch, got none")
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    return result.eval()


@contextmanager
def _no_running_statistics(module: nn.Module) -> Iterator[None]:
    """In training, BatchNorm takes the batch's statistics and leaves the module's record alone."""
    norms = [m for m in module.modules() if isinstance(m, _BATCH_NORMS) and m.training and m.track_running_stats]
    for norm in norms:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in norms:
            norm.track_running_stats = True
