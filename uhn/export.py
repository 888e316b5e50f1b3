"""From flat weights to an ordinary ``nn.Module`` and to files, and back.

Names come from the layout, so a module's ``state_dict``, a safetensors file and ``ModelSpec.explain`` agree.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from pathlib import Path

import safetensors.torch
import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from uhn.files import write_atomically
from uhn.layers.gcn import GCN
from uhn.layers.graphs import gcn_norm
from uhn.models.forward import Inputs, flat_weights, run_parts, unflatten
from uhn.models.spec import ModelSpec

FORMAT = "uhn-model"
VERSION = "1"


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
    """Cut flat weights into ``{"layers.0.weight": tensor, ...}``: a copy, in the order of ``spec.layout``.

    Raises:
        TypeError: if ``spec`` is no spec, or ``flat`` no floating-point tensor.
        ValueError: if ``flat`` is not a vector of ``spec.num_params`` values.

    Example:
        >>> list(state_dict(uhn.mlp((4, 3)), torch.randn(15)))
        ['layers.0.weight', 'layers.0.bias']
    """
    parts = unflatten(spec, flat_weights(spec, flat, "state_dict").detach())
    return OrderedDict((slot.name, parts[slot.layer][slot.param.name].clone()) for slot in spec.layout)


def flatten(spec: ModelSpec, tensors: dict[str, Tensor]) -> Float[Tensor, " P"]:
    """Join named tensors to flat weights; the inverse of :func:`state_dict`.

    Raises:
        ValueError: for a missing or unknown name, or a shape other than the layout's.
    """
    wanted = [slot.name for slot in spec.layout]
    if set(tensors) != set(wanted):
        missing, unknown = sorted(set(wanted) - set(tensors)), sorted(set(tensors) - set(wanted))
        raise ValueError(f"{spec!r} wants the tensors of its layout; missing {missing}, unknown {unknown}")
    for slot in spec.layout:
        if tuple(tensors[slot.name].shape) != slot.shape:
            raise ValueError(f"{slot.name} wants shape {slot.shape}, got {tuple(tensors[slot.name].shape)}")
    return torch.cat([tensors[name].detach().reshape(-1) for name in wanted])


def to_module(spec: ModelSpec, flat: Float[Tensor, " P"]) -> SpecModule:
    """Return a trainable ``nn.Module`` with a copy of ``flat``; its output equals ``run(spec, flat, ...)``.

    Raises:
        TypeError: if ``spec`` is no spec, or ``flat`` no floating-point tensor.
        ValueError: if ``flat`` is not a vector of ``spec.num_params`` values.

    Example:
        >>> spec = uhn.mlp((4, 8, 3))
        >>> model = to_module(spec, torch.randn(spec.num_params))
        >>> model(torch.randn(2, 4)).shape, [name for name, _ in model.named_parameters()][0]
        (torch.Size([2, 3]), 'layers.0.weight')
    """
    return SpecModule(spec, flat).eval()


def from_module(module: SpecModule) -> tuple[ModelSpec, Tensor]:
    """Return the spec and a copy of the flat weights ``[P]`` of a module made by :func:`to_module`.

    Raises:
        TypeError: for another kind of module.

    Example:
        >>> spec, flat = uhn.mlp((4, 8, 3)), torch.randn(67)
        >>> again, same = from_module(uhn.to_module(spec, flat))
        >>> again == spec, torch.equal(same, flat)
        (True, True)
    """
    if not isinstance(module, SpecModule):
        raise TypeError(f"from_module wants a module made by to_module, got {type(module).__name__}")
    return module.spec, flatten(module.spec, module.state_dict())


def save(path: Path | str, spec: ModelSpec, flat: Float[Tensor, " P"]) -> None:
    """Write one model as safetensors: named tensors, the spec as JSON in the metadata. The file appears whole or not.

    Raises:
        TypeError: if ``spec`` is no spec, or ``flat`` no floating-point tensor.
        ValueError: if ``flat`` is not a vector of ``spec.num_params`` values.
    """
    flat_weights(spec, flat, "save")
    # One metadata key: safetensors writes several in random order, and equal models shall be equal files.
    about = {"format": FORMAT, "version": VERSION, "spec": spec.to_json(), "spec_hash": spec.hash}
    metadata = {"uhn": json.dumps(about, sort_keys=True)}
    tensors = {name: value.cpu().contiguous() for name, value in state_dict(spec, flat).items()}
    write_atomically(Path(path), safetensors.torch.save(tensors, metadata))


def load(path: Path | str) -> tuple[ModelSpec, Tensor]:
    """Read a file written by :func:`save`: the spec and flat weights ``[P]``.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not such a file, is damaged, or its tensors do not fit its spec.
    """
    path = Path(path)
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
