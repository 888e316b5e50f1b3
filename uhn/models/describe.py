"""Any ``nn.Module`` as a description: one layer per module that owns trainable parameters.

What the paper has (linear maps, convolutions, embeddings, attention, graph layers) takes the paper's codes and index
fields, so that a generator sees the same kind of weight wherever it stands. Everything else takes open codes.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from torch import Tensor, nn

from uhn.layers.foreign import Component, Foreign
from uhn.models.spec import ModelSpec
from uhn.vocabulary import MODULE, LayerType

Only = str | Sequence[str] | Callable[[str, nn.Parameter], bool]
"""Which parameters: a name pattern (``*`` matches anything), several, or a predicate of (name, parameter)."""

IN_ORDER: Final = ("out_idx", "in_idx", "kernel_h", "kernel_w", "sequence_idx", "embedding_idx", "grid_idx")
"""Index fields along the dimensions of a tensor that the paper does not have."""

OPEN: Final = {
    "LayerNorm": 100,
    "BatchNorm1d": 101,
    "BatchNorm2d": 101,
    "BatchNorm3d": 101,
    "SyncBatchNorm": 101,
    "GroupNorm": 102,
    "RMSNorm": 103,
    "InstanceNorm1d": 104,
    "InstanceNorm2d": 104,
    "InstanceNorm3d": 104,
    "Conv1d": 110,
    "Conv3d": 111,
    "ConvTranspose1d": 112,
    "ConvTranspose2d": 113,
    "ConvTranspose3d": 114,
    "RNN": 120,
    "LSTM": 121,
    "GRU": 122,
    "RNNCell": 120,
    "LSTMCell": 121,
    "GRUCell": 122,
    "PReLU": 130,
    "Bilinear": 131,
    "EmbeddingBag": 132,
}
"""``layer_type`` of PyTorch's modules beyond the paper's; a module of any other class is :data:`OTHER`."""

OTHER: Final = 199
"""``layer_type`` of free parameters and of modules of any other class."""


@dataclass(frozen=True)
class Part:
    """How a tensor of a known module is declared: code, fields (a single one runs over all its values) and cuts."""

    code: int
    fields: tuple[str, ...]
    cuts: int = 1
    codes: tuple[int, ...] = ()


OUT, IN = "out_idx", "in_idx"
_MATRIX, _VECTOR = Part(0, (OUT, IN)), Part(1, (OUT,))
KNOWN: Final[dict[str, tuple[int, dict[str, Part]]]] = {
    "Linear": (LayerType.LINEAR, {"weight": _MATRIX, "bias": _VECTOR}),
    "Conv2d": (LayerType.CONV, {"weight": Part(0, (OUT, IN, "kernel_h", "kernel_w")), "bias": _VECTOR}),
    "Embedding": (LayerType.EMBEDDING, {"weight": Part(0, ("embedding_idx", OUT))}),
    "MultiheadAttention": (
        LayerType.MHA,
        {
            "in_proj_weight": Part(0, (OUT, IN), 3, (0, 1, 2)),
            "q_proj_weight": Part(0, (OUT, IN)),
            "k_proj_weight": Part(1, (OUT, IN)),
            "v_proj_weight": Part(2, (OUT, IN)),
            "in_proj_bias": Part(3, (OUT,), 3, (3, 4, 5)),
            "out_proj.weight": Part(6, (OUT, IN)),
            "out_proj.bias": Part(7, (OUT,)),
        },
    ),
    "GCNConv": (LayerType.GCN, {"lin.weight": _MATRIX, "bias": _VECTOR}),
    "GATConv": (
        LayerType.GAT,
        {
            "lin.weight": _MATRIX,
            "bias": _VECTOR,
            "att_src": Part(2, (OUT,)),
            "att_dst": Part(3, (OUT,)),
        },
    ),
}
"""The paper's layers as PyTorch and PyG have them: ``layer_type``, and each tensor's ``param_type`` and fields."""


def describe(module: nn.Module, only: Only | None = None) -> ModelSpec:
    """Describe a module: its trainable tensors as layers and components, in the order of ``named_modules()``.

    Tied parameters appear once, frozen ones and buffers are left alone; targets of the initialisation phase are the
    tensors' present means and deviations.

    Args:
        module: any network; it is not changed.
        only: which parameters are to be generated, all trainable ones if None.

    Returns:
        A spec whose ``layout`` bears the parameters' own names. Run it with :func:`uhn.call`.

    Raises:
        TypeError: if ``module`` is no module.
        ValueError: without a parameter to describe, for lazy parameters, or if ``only`` matches none.

    Example:
        >>> spec = describe(nn.Sequential(nn.Linear(4, 3), nn.LayerNorm(3)))
        >>> [slot.name for slot in spec.layout]
        ['0.weight', '0.bias', '1.weight', '1.bias']
    """
    if not isinstance(module, nn.Module):
        raise TypeError(f"describe wants an nn.Module, got {type(module).__name__}")
    chosen = _chosen(module, only)
    layers = []
    for path, owner, names in _owners(module):
        inside = {name: p for name, p in names.items() if id(p) in chosen}
        for parameter in inside.values():
            chosen.pop(id(parameter))  # tied: declared where it is met first
        if inside:
            layers.append(_layer(path, owner, inside))
    return ModelSpec("module", MODULE, tuple(layers), wiring="module")


def _chosen(module: nn.Module, only: Only | None) -> dict[int, str]:
    """Names of the parameters to describe by identity."""
    trainable = {name: p for name, p in module.named_parameters() if p.requires_grad}
    who = type(module).__name__
    if not trainable:
        raise ValueError(f"describe wants a module with trainable parameters, {who} has none")
    if lazy := [name for name, p in trainable.items() if isinstance(p, nn.UninitializedParameter)]:
        raise ValueError(f"describe wants shapes: call {who} once first, {lazy[0]} is not initialised yet")
    names = list(trainable) if only is None else [name for name in trainable if _matches(only, name, trainable[name])]
    if not names:
        raise ValueError(f"only={only!r} matches no trainable parameter of {who}; it has {_listed(trainable)}")
    return {id(trainable[name]): name for name in names}


def _matches(only: Only, name: str, parameter: nn.Parameter) -> bool:
    if callable(only):
        return bool(only(name, parameter))
    patterns = (only,) if isinstance(only, str) else tuple(only)
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def _owners(module: nn.Module) -> Iterable[tuple[str, nn.Module, dict[str, nn.Parameter]]]:
    """(path, module, its parameters by name within it), a known module with all that belongs to it."""
    inside: set[str] = set()
    for path, owner in module.named_modules():
        if any(path.startswith(f"{known}.") for known in inside):
            continue
        whole = type(owner).__name__ in KNOWN
        if whole:
            inside.add(path)
        yield path, owner, dict(owner.named_parameters(recurse=whole))


def _layer(path: str, owner: nn.Module, tensors: dict[str, nn.Parameter]) -> Foreign:
    name = type(owner).__name__
    code, parts = KNOWN.get(name, (OPEN.get(name, OTHER), {}))
    order = list(owner.state_dict())
    order += [each for each in tensors if each not in order]
    components: list[Component] = []
    for number, tensor in enumerate(order):
        if tensor in tensors:
            components += _components(tensor, tensors[tensor], parts.get(tensor), number)
    return Foreign(path, name, int(code), tuple(components), tuple(_sizes(owner, tensors).items()))


def _components(name: str, tensor: Tensor, part: Part | None, number: int) -> list[Component]:
    """The declaration of one tensor: as the paper has it, else dimension by dimension."""
    shape = tuple(tensor.shape)
    if part is None or len(part.fields) not in (1, len(shape)):
        if len(shape) > len(IN_ORDER):
            raise ValueError(f"describe takes tensors of up to {len(IN_ORDER)} dimensions, {name} has {len(shape)}")
        part = Part(number, IN_ORDER[: max(1, len(shape))])
    codes, found = part.codes or (part.code,), []
    for n, piece in enumerate(tensor.detach().chunk(part.cuts) if part.cuts > 1 else (tensor.detach(),)):
        sizes = tuple(piece.shape) if len(part.fields) == piece.dim() else (piece.numel(),)
        found.append(Component(name, codes[n], part.fields, sizes, tuple(piece.shape), _target(piece), n))
    return found


def _target(tensor: Tensor) -> tuple[float, float, str]:
    wide = tensor.double()
    mean, std = float(wide.mean()), float(wide.std(correction=0))
    return (mean, std, "normal") if std > 1e-12 else (mean, 0.0, "constant")


_FIELDS: Final = {
    "output_size": ("out_features", "out_channels", "embedding_dim", "embed_dim", "hidden_size", "num_features"),
    "input_size": ("in_features", "in_channels", "input_size", "num_features"),
    "kernel_size": ("kernel_size",),
    "group_num": ("groups", "num_groups"),
    "num_heads": ("num_heads", "heads"),
    "embedding_num": ("num_embeddings",),
}
"""Local structure fields (Table 8) and the attributes that hold them."""


def _sizes(owner: nn.Module, tensors: dict[str, nn.Parameter]) -> dict[str, float]:
    found: dict[str, float] = {"bias_type": float(any("bias" in name for name in tensors))}
    for field, attributes in _FIELDS.items():
        values: list[Any] = [getattr(owner, name, None) for name in attributes]
        values = [value[0] if isinstance(value, tuple) and value else value for value in values]
        numbers = [value for value in values if isinstance(value, int) and not isinstance(value, bool)]
        if numbers:
            found[field] = float(numbers[0])
    shape = next(iter(tensors.values())).shape
    found.setdefault("output_size", float(shape[0] if len(shape) else 1))
    found.setdefault("input_size", float(shape[1] if len(shape) > 1 else 1))
    return found


def _listed(names: Iterable[str], most: int = 6) -> str:
    names = list(names)
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
