"""The sources written out slowly in float64, from the paper's equations and nothing of the library but spec.explain."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from uhn import vocabulary as voc
from uhn.descriptors.ranges import Ranges
from uhn.models import ModelSpec

State = Mapping[str, Tensor]


def normalise(values: Tensor, low: tuple[float, ...], high: tuple[float, ...]) -> Tensor:
    """Eq 9."""
    bottom, top = torch.tensor(low, dtype=torch.float64), torch.tensor(high, dtype=torch.float64)
    return (values - (bottom + top) / 2) / ((top - bottom) ** 2 / 12 + 1e-5).sqrt()


@cache
def index_rows(spec: ModelSpec) -> Tensor:
    """One descriptor a weight ``[N, 10]``."""
    infos = (spec.explain(index) for index in range(spec.num_params))
    return torch.tensor([[info.descriptor[n] for n in voc.INDEX_NAMES] for info in infos], dtype=torch.float64)


def fourier(x: Tensor, matrix: Tensor) -> Tensor:
    """Eq 3."""
    return torch.cat([(x @ matrix).cos(), (x @ matrix).sin()], dim=1)


def index_features(spec: ModelSpec, ranges: Ranges, state: State, prefix: str) -> Tensor:
    """Encoded index rows, the encoding recognised by its buffer."""
    x = normalise(index_rows(spec), ranges.index_min, ranges.index_max)
    if f"{prefix}encoding.matrix" in state:
        return fourier(x, state[f"{prefix}encoding.matrix"])
    if f"{prefix}encoding.bands" in state:
        phase = torch.cat([x[:, a : a + 1] * state[f"{prefix}encoding.bands"] for a in range(10)], dim=1)
        return torch.cat([phase.sin(), phase.cos()], dim=1)
    return x


def structure_rows(spec: ModelSpec, ranges: Ranges) -> Tensor:
    """Normalised tokens ``[L, 29]`` (Eq 2)."""
    head = {"model_type": spec.model_type, "task_type": spec.task_type, "dataset_type": spec.dataset_type}
    head |= {"num_layers": len(spec.layers), **dict(spec.fields)}
    rows = []
    for number, layer in enumerate(spec.layers):
        local = {"layer_idx": number, "layer_type": layer.type_code, **layer.structure()}
        rows.append(
            [float(head.get(n, 0)) for n in voc.GLOBAL_NAMES] + [float(local.get(n, 0)) for n in voc.LOCAL_NAMES]
        )
    return normalise(torch.tensor(rows, dtype=torch.float64), ranges.structure_min, ranges.structure_max)


def attention(q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
    """Eq 19-20 for one sequence ``[T, d]``, head by head."""
    size = q.shape[1] // heads
    parts = []
    for head in range(heads):
        one = slice(head * size, (head + 1) * size)
        parts.append((q[:, one] @ k[:, one].t() / math.sqrt(size)).softmax(1) @ v[:, one])
    return torch.cat(parts, dim=1)


def norm(x: Tensor, weight: Tensor | None = None, bias: Tensor | None = None) -> Tensor:
    """LayerNorm by its formula."""
    centred = x - x.mean(1, keepdim=True)
    y = centred / (centred.square().mean(1, keepdim=True) + 1e-5).sqrt()
    return y if weight is None or bias is None else y * weight + bias


def structure_feature(spec: ModelSpec, ranges: Ranges, state: State, prefix: str) -> Tensor:
    """The task-structure encoder of the root: ``[1, h]``."""
    part = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
    x = fourier(structure_rows(spec, ranges), part["encoding.matrix"])
    packed = x @ part["attention.self_attn.in_proj_weight"].t() + part["attention.self_attn.in_proj_bias"]
    mixed = attention(*packed.chunk(3, dim=1), heads=4)
    mixed = mixed @ part["attention.self_attn.out_proj.weight"].t() + part["attention.self_attn.out_proj.bias"]
    x = norm(x + mixed, part["attention.norm1.weight"], part["attention.norm1.bias"])
    inner = (x @ part["attention.linear1.weight"].t() + part["attention.linear1.bias"]).clamp(min=0)
    inner = inner @ part["attention.linear2.weight"].t() + part["attention.linear2.bias"]
    x = norm(x + inner, part["attention.norm2.weight"], part["attention.norm2.bias"]).mean(0, keepdim=True)
    x = (x @ part["linear1.weight"].t() + part["linear1.bias"]).clamp(min=0)
    return x @ part["linear2.weight"].t() + part["linear2.bias"]


def root(spec: ModelSpec, ranges: Ranges, state: State, prefix: str = "") -> Tensor:
    """The root UHN (section 3.1.4): flat weights ``[N]``."""
    part = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
    x = index_features(spec, ranges, state, prefix) @ part["index.weight"].t() + part["index.bias"]
    block = 0
    while f"blocks.{block}.linear1.weight" in part:
        y = x
        for half in "12":
            y = norm(y.clamp(min=0), part[f"blocks.{block}.norm{half}.weight"], part[f"blocks.{block}.norm{half}.bias"])
            y = y @ part[f"blocks.{block}.linear{half}.weight"].t() + part[f"blocks.{block}.linear{half}.bias"]
        x, block = x + y, block + 1
    if "structure.linear1.weight" in part:
        x = x + structure_feature(spec, ranges, state, f"{prefix}structure.")
    return (x.clamp(min=0) @ part["readout.weight"].t() + part["readout.bias"])[:, 0]


def generated(level: ModelSpec, flat: Tensor, spec: ModelSpec, ranges: Ranges, state: State) -> Tensor:
    """A generated UHN with weights ``flat`` applied to the descriptors of ``spec`` (Eq 32-34)."""
    weights = [
        {slot.param.name: flat[slot.span].view(slot.shape) for slot in level.layout if slot.layer == number}
        for number in range(len(level.layers))
    ]

    def linear(number: int, x: Tensor) -> Tensor:
        return x @ weights[number]["weight"].t() + weights[number]["bias"]

    def act(x: Tensor) -> Tensor:
        return F.leaky_relu(x, 0.1)

    x, w = fourier(structure_rows(spec, ranges), state["root.structure.encoding.matrix"]), weights[0]
    q, k, v = (x @ w[f"{n}_weight"].t() + w[f"{n}_bias"] for n in ("query", "key", "value"))
    x = x + attention(q, k, v, heads=4) @ w["out_weight"].t() + w["out_bias"]
    x = x + linear(1, norm(act(x)))
    x = x + linear(2, norm(act(x)))
    structure = linear(4, act(linear(3, x.mean(0, keepdim=True))))
    index = linear(5, index_features(spec, ranges, state, "root."))
    for number in range(6, len(level.layers) - 1):
        index = index + linear(number, norm(act(index)))
    return linear(len(level.layers) - 1, act(index + structure))[:, 0]


def chain(levels: tuple[ModelSpec, ...], spec: ModelSpec, ranges: Ranges, state: State) -> Tensor:
    """H_0 -> H_1 -> ... -> model (Eq 6)."""
    path = [*levels, spec]
    flat = root(path[0], ranges, state, "root.")
    for level, below in zip(path, path[1:], strict=False):
        flat = generated(level, flat, below, ranges, state)
    return flat


def tiled(spec: ModelSpec, state: State, size: int) -> Tensor:
    """Ha et al.: every kernel but the stem's by tiles of ``size`` channels, kernel by kernel; the rest as it is."""
    maps = state["inner.weight"].view(size, -1, state["inner.weight"].shape[1]), state["inner.bias"].view(size, -1)
    embeddings, own, parts = list(state["embeddings"]), state["direct"], []
    for number, layer in enumerate(spec.layers):
        for param in layer.params():
            if number == 0 or param.name != "weight" or layer.kind != "conv":
                parts.append(own[: param.numel])
                own = own[param.numel :]
                continue
            out, into = param.shape[:2]
            kernels: dict[tuple[int, int], Tensor] = {}
            for row in range(0, out, size):
                for column in range(0, into, size):
                    z = embeddings.pop(0)
                    for i in range(size):
                        hidden = maps[0][i] @ z + maps[1][i]
                        fan = (state["outer.weight"] @ hidden + state["outer.bias"]).chunk(size)
                        kernels |= {(row + o, column + i): fan[o] for o in range(size)}
            parts += [kernels[o, i] for o in range(out) for i in range(into)]
    assert not embeddings and not own.numel()
    return torch.cat(parts)


def chunked(spec: ModelSpec, state: State) -> Tensor:
    """Von Oswald et al.: a perceptron of two hidden layers, chunk by chunk."""
    parts = []
    for x in state["embeddings"]:
        for layer in (0, 2):
            x = (state[f"layers.{layer}.weight"] @ x + state[f"layers.{layer}.bias"]).clamp(min=0)
        parts.append(state["layers.4.weight"] @ x + state["layers.4.bias"])
    flat = torch.cat(parts)
    assert 0 <= len(flat) - spec.num_params < len(parts[0])
    return flat[: spec.num_params]
