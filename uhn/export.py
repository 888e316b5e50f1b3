"""From flat weights to an ordinary ``nn.Module`` and to files, and back.

Names come from the layout, so a module's ``state_dict``, a safetensors file and ``ModelSpec.explain`` agree.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from pathlib import Path
from typing import TypeVar, overload

import safetensors.torch
import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from uhn.arguments import file_path
from uhn.files import write_atomically
from uhn.layers.gcn import GCN
from uhn.layers.graphs import gcn_norm
from uhn.models.describe import describe
from uhn.models.forward import Inputs, flat_weights, run_parts, unflatten
from uhn.models.module import flat_weights as module_weights
from uhn.models.module import load_weights, tensor_shapes, weights
from uhn.models.spec import ModelSpec

FORMAT = "uhn-model"
VERSION = "1"

M = TypeVar("M", bound=nn.Module)


class SpecModule(nn.Module):
    """A described model that owns its weights: named parameters, trainable, with a ``state_dict``.

    Behaves as any module does: ``train()`` switches dropout on, drawn from torch's default generator.
    """

    def __init__(self, spec: ModelSpec, flat: Float[Tensor, " P"]) -> None:
        super().__init__()
        self.spec = spec
        parts = unflatten(spec, flat_weights(spec, flat, "to_module").detach())
        self.layers = nn.ModuleList(
            nn.ParameterDict(OrderedDict((name, nn.Parameter(value.clone())) for name, value in part.items()))
            for part in parts
        )

    def forward(
        self,
        x: Tensor,
        edges: Tensor | None = None,
        edge_weight: Tensor | None = None,
        padding: Tensor | None = None,
        tokens: Tensor | None = None,
    ) -> Tensor:
        """Apply the model.

        Args:
            x: images ``[B, C, H, W]``, rows ``[B, F]``, token ids ``[B, T]``, node features ``[nodes, F]``, or the
                dense index features ``[N, 2m]`` of a generated hypernetwork.
            edges: directed edges ``[2, E]`` without self-loops, for graphs.
            edge_weight: normalised adjacency ``[E + nodes]``; computed from ``edges`` if a GCN is not given one.
            padding: ``[B, T]``, True at padding tokens, for sequences.
            tokens: ``[1, L, 2m']`` structure features of a generated hypernetwork.
        """
        if edges is not None and edge_weight is None and any(isinstance(layer, GCN) for layer in self.spec.layers):
            edge_weight = gcn_norm(edges, x.shape[0], next(self.parameters()).dtype)
        rng = None
        if self.training and any(getattr(layer, "dropout", 0) for layer in self.spec.layers):
            seed = int(torch.randint(2**63 - 1, ()))
            rng = torch.Generator(device=x.device).manual_seed(seed)
        inputs = Inputs(x, edges, edge_weight, padding, tokens)
        parts = [dict(part.items()) for part in self.layers]  # type: ignore[operator]
        return run_parts(self.spec, parts, inputs, training=self.training, rng=rng)

    def extra_repr(self) -> str:
        """Name the spec in ``repr``."""
        return repr(self.spec)


def state_dict(spec: ModelSpec, flat: Float[Tensor, " P"]) -> OrderedDict[str, Tensor]:
    """Cut flat weights into ``{"layers.0.weight": tensor, ...}``: a copy, in the order of the layout.

    Those of a described module have the module's own names: ``module.load_state_dict(…, strict=False)`` takes them.

    Raises:
        TypeError: if ``spec`` is no spec, or ``flat`` no floating-point tensor.
        ValueError: if ``flat`` is not a vector of ``spec.num_params`` values.

    Example:
        >>> list(state_dict(uhn.mlp((4, 3)), torch.randn(15)))
        ['layers.0.weight', 'layers.0.bias']
    """
    parts = weights(spec, flat_weights(spec, flat, "state_dict").detach())
    return OrderedDict((name, part.clone()) for name, part in parts.items())


def flatten(spec: ModelSpec, tensors: dict[str, Tensor]) -> Float[Tensor, " P"]:
    """Join named tensors to flat weights; the inverse of :func:`state_dict`.

    Raises:
        ValueError: for a missing or unknown name, or a shape other than the layout's.
    """
    shapes = tensor_shapes(spec)
    if set(tensors) != set(shapes):
        missing, unknown = sorted(set(shapes) - set(tensors)), sorted(set(tensors) - set(shapes))
        raise ValueError(f"{spec!r} wants the tensors of its layout; missing {missing}, unknown {unknown}")
    for name, shape in shapes.items():
        if tuple(tensors[name].shape) != shape:
            raise ValueError(f"{name} wants shape {shape}, got {tuple(tensors[name].shape)}")
    return torch.cat([tensors[name].detach().reshape(-1) for name in shapes])


@overload
def to_module(spec: ModelSpec, flat: Float[Tensor, " P"]) -> SpecModule: ...


@overload
def to_module(spec: ModelSpec, flat: Float[Tensor, " P"], module: M) -> M: ...


def to_module(spec: ModelSpec, flat: Float[Tensor, " P"], module: nn.Module | None = None) -> nn.Module:
    """Return a trainable ``nn.Module`` with a copy of ``flat``; its output equals ``run(spec, flat, ...)``.

    Args:
        spec: the model.
        flat: its weights.
        module: for a spec from :func:`uhn.describe`, the module that it describes: what comes back is a copy of it, of
            its own class, with the weights ``flat``; everything else (frozen parameters, buffers) is as in ``module``.

    Raises:
        TypeError: if ``spec`` is no spec, ``flat`` no floating-point tensor or ``module`` no module.
        ValueError: if ``flat`` is not a vector of ``spec.num_params`` values, ``spec`` describes another module, or
            a module is missing or given in vain.

    Example:
        >>> spec = uhn.mlp((4, 8, 3))
        >>> model = to_module(spec, torch.randn(spec.num_params))
        >>> model(torch.randn(2, 4)).shape, [name for name, _ in model.named_parameters()][0]
        (torch.Size([2, 3]), 'layers.0.weight')
        >>> network = nn.Linear(4, 3)
        >>> to_module(uhn.describe(network), torch.zeros(15), network)(torch.ones(4))
        tensor([0., 0., 0.], grad_fn=<ViewBackward0>)
    """
    flat_weights(spec, flat, "to_module")
    if module is not None:
        return load_weights(module, spec, flat).eval()
    if spec.wiring == "module":
        raise ValueError(f"to_module wants the module that {spec!r} describes as its third argument, got none")
    return SpecModule(spec, flat).eval()


def from_module(module: nn.Module, spec: ModelSpec | None = None) -> tuple[ModelSpec, Tensor]:
    """Return the spec and a copy of the flat weights ``[P]`` of a module.

    Args:
        module: one made by :func:`to_module`, which brings its spec, or any other.
        spec: of any other, from :func:`uhn.describe`; None to describe all of it now.

    Raises:
        TypeError: if it is no module.
        ValueError: if ``spec`` describes another module, or there is nothing to describe.

    Example:
        >>> spec, flat = uhn.mlp((4, 8, 3)), torch.randn(67)
        >>> again, same = from_module(uhn.to_module(spec, flat))
        >>> again == spec, torch.equal(same, flat)
        (True, True)
        >>> from_module(nn.Linear(4, 3))[1].shape
        torch.Size([15])
    """
    if not isinstance(module, SpecModule):
        spec = describe(module) if spec is None else spec
        return spec, module_weights(spec, module)
    if spec is not None and spec != module.spec:
        raise ValueError(f"from_module wants the spec that this module was made of, {module.spec!r}, got {spec!r}")
    return module.spec, flatten(module.spec, module.state_dict())


def save(path: Path | str, spec: ModelSpec, flat: Float[Tensor, " P"]) -> None:
    """Write one model as safetensors: named tensors, the spec as JSON in the metadata. The file appears whole or not.

    Raises:
        TypeError: if ``spec`` is no spec, or ``flat`` no floating-point tensor.
        ValueError: if ``flat`` is not a vector of ``spec.num_params`` values.
    """
    flat_weights(spec, flat, "save")
    # One metadata key: safetensors writes several in random order, and equal models must be equal files.
    about = {"format": FORMAT, "version": VERSION, "spec": spec.to_json(), "spec_hash": spec.hash}
    metadata = {"uhn": json.dumps(about, sort_keys=True)}
    tensors = {name: value.cpu().contiguous() for name, value in state_dict(spec, flat).items()}
    write_atomically(file_path("save", path), safetensors.torch.save(tensors, metadata))


def load(path: Path | str) -> tuple[ModelSpec, Tensor]:
    """Read a file written by :func:`save`: the spec and flat weights ``[P]``.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not such a file, is damaged, or its tensors do not fit its spec.
    """
    path = file_path("load", path)
    if not path.is_file():
        raise FileNotFoundError(f"no model file at {path}")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = json.loads((file.metadata() or {}).get("uhn", "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not a readable safetensors file: {error}") from None
    if not isinstance(metadata, dict):
        raise ValueError(f"{path}: wanted one JSON object about the model, got {type(metadata).__name__}")
    if metadata.get("format") != FORMAT or metadata.get("version") != VERSION:
        got = (metadata.get("format"), metadata.get("version"))
        raise ValueError(f"{path} wants format {FORMAT!r} version {VERSION!r}, got {got}")
    spec = ModelSpec.from_json(metadata.get("spec"))
    if spec.hash != metadata.get("spec_hash"):
        raise ValueError(f"{path}: the spec's hash is {spec.hash}, the file says {metadata.get('spec_hash')}")
    return spec, flatten(spec, tensors)
