"""Checks of ``models/NAME.json``: layout, descriptors, targets, forward passes and gradients of one base model."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import torch
from golden_compare import Compared, Reader, draws, need

from uhn.layers.graphs import gcn_norm
from uhn.models import Inputs, ModelSpec, run, zoo, zoo_names
from uhn.vocabulary import LayerType, ModelType

KINDS = (
    "linear",
    "convolution",
    "graph convolution",
    "graph attention",
    "embedding",
    "multi-head attention",
    "spline",
)
DENSE = ("weight", "bias")
COMPONENTS = {
    LayerType.LINEAR: DENSE,
    LayerType.CONV: DENSE,
    LayerType.GCN: DENSE,
    LayerType.GAT: (*DENSE, "source attention vector", "destination attention vector"),
    LayerType.EMBEDDING: ("token table", "position table"),
    LayerType.MHA: (
        *(f"{part} weight" for part in ("query", "key", "value")),
        *(f"{part} bias" for part in ("query", "key", "value")),
        "output weight",
        "output bias",
    ),
    LayerType.KAN: (
        "base weight",
        "base bias",
        "spline weight",
        "spline scale",
        "grid lower bound",
        "grid length",
        "grid knots",
    ),
}
FLOAT64 = 1e-9
"""Relative tolerance between float64 results; the files print 12 digits."""
NOISE = 50
"""Float32 results may differ by this many times the files' own float32-float64 difference."""


def spec_named(name: str) -> ModelSpec:
    """The zoo's model for a golden name: ``cnn20``, ``kan-g5`` (kv), ``kan-g10`` (jv), ``kan-ellipj``, ..."""
    special = {"kan-g5": "kan-g5-kv", "kan-g10": "kan-g10-jv"}
    names = [special.get(name, name)]
    if re.fullmatch(r"cnn\d+", name):
        names.append(f"{name}-cifar10")
    if match := re.fullmatch(r"kan-(?:g\d+-)?(\w+)", name):
        names += [known for known in zoo_names() if known.startswith("kan") and known.endswith(f"-{match[1]}")]
    for candidate in names:
        if candidate in zoo_names():
            return zoo(candidate)
    raise AssertionError(f"the zoo has no model for the golden name {name!r}")


def component(spec: ModelSpec, slot: Any) -> str:
    """Golden name of a component, from its layer kind and component kind."""
    code = spec.layers[slot.layer].type_code
    return f"{KINDS[code]} {COMPONENTS[code][slot.param.code]}"


def check_model(reader: Reader, compared: Compared, name: str) -> None:
    spec = spec_named(name)
    compared.equal(name, reader["name"], "name")
    compared.equal(spec.num_params, reader["num_params"], "num_params")
    named = [[slot.layer, component(spec, slot)] for slot in spec.layout]
    layout = [[*pair, list(slot.shape)] for pair, slot in zip(named, spec.layout, strict=True)]
    compared.equal(layout, reader["layout"], "layout")
    targets = reader["init_targets"]
    compared.equal(named, [entry[:2] for entry in targets], "init_targets: components")
    compared.close(
        [[slot.param.init.mean, slot.param.init.std] for slot in spec.layout],
        [entry[2:] for entry in targets],
        "init_targets",
        rtol=1e-9,
    )
    check_descriptors(spec, reader, compared)
    flat, x = check_forward(spec, reader.part("forward"), compared)
    if "forward_strong" in reader:
        check_strong(spec, reader.part("forward_strong"), compared, reader["forward"]["seed"], x)
    seed, shape = reader["forward"]["seed"], reader["forward"]["output_shape"]
    check_gradient(spec, reader.part("gradient"), compared, flat, x, draws(seed + 2, shape).astype(np.float32))
    check_init_loss(spec, reader.part("init_loss"), compared, flat)
    reader.finish()


def check_descriptors(spec: ModelSpec, reader: Reader, compared: Compared) -> None:
    blocks = need("uhn.descriptors.blocks", "index descriptors")
    structure = need("uhn.descriptors.structure", "structure descriptors")
    ranges = need("uhn.descriptors.ranges", "descriptor ranges").Ranges
    table = blocks.index_table(spec).numpy()
    compared.equal(list(table.shape), [spec.num_params, 10], "index table shape")
    compared.digest(table, reader["index_table_sha256"], "index_table_sha256", "<i4")
    compared.equal(table[:3], reader["index_rows_first3"], "index_rows_first3")
    compared.equal(table[-3:], reader["index_rows_last3"], "index_rows_last3")
    for row, wanted in reader["index_rows_at"]:
        compared.equal(table[row], wanted, f"index row {row}")
        compared.equal(list(spec.explain(row).descriptor.values()), wanted, f"explain({row})")
    compared.equal(structure.global_fields(spec), reader["structure_global"], "structure_global")
    local = [structure.local_fields(spec, number) for number in range(len(spec.layers))]
    compared.equal(local, reader["structure_layers"], "structure_layers")
    own = ranges.declared([spec])
    compared.equal(own.index_min, reader["index_min"], "index_min")
    compared.equal(own.index_max, reader["index_max"], "index_max")
    if "recursive_setting_ranges" in reader:
        part = reader.part("recursive_setting_ranges")
        part.prose("note")
        chain = ranges.declared([spec, zoo("mlp-mnist")])
        for key in ("index_min", "index_max", "structure_min", "structure_max"):
            compared.equal(getattr(chain, key), part[key], f"recursive {key}")
        part.finish()


def ruled_weights(spec: ModelSpec, seed: int, scale: float = 0.1) -> np.ndarray:
    """Flat float32 weights by the files' rule; the grid bounds and lengths of splines stay near their targets."""
    z = draws(seed, spec.num_params).astype(np.float32)
    flat = np.float32(scale) * z
    for slot in spec.layout:
        if (centre := {"grid_lower": -1.0, "grid_length": np.log(2.0)}.get(slot.param.name)) is not None:
            flat[slot.span] = np.float32(centre) + np.float32(0.1) * z[slot.span]
    return flat


def check_forward(spec: ModelSpec, reader: Reader, compared: Compared) -> tuple[np.ndarray, Inputs]:
    seed = reader["seed"]
    reader.prose("weights_rule", "mode")
    flat = ruled_weights(spec, seed)
    compared.digest(flat, reader["weights_sha256"], "weights_sha256")
    compared.close(flat[:5], reader["weights_first5"], "weights_first5", rtol=1e-7)
    inputs = reader.part("inputs")
    inputs.prose("rule")
    x = ruled_inputs(spec, seed + 1, inputs, compared)
    inputs.finish()
    check_outputs(spec, reader, compared, flat, x)
    wide = np.asarray(reader["output_float64"])
    compared.equal(list(wide.shape), reader["output_shape"], "output_shape")
    compared.close(wide.std(), reader["output_std"], "output_std", rtol=1e-3)
    reader.finish()
    return flat, x


def check_outputs(spec: ModelSpec, reader: Reader, compared: Compared, flat: np.ndarray, x: Inputs) -> None:
    scale = float(np.abs(reader["output_float64"]).max())
    with torch.no_grad():
        wide = run(spec, torch.from_numpy(flat).double(), cast(x, torch.float64))
        narrow = run(spec, torch.from_numpy(flat), x)
    compared.close(wide, reader["output_float64"], "output_float64", rtol=FLOAT64, atol=FLOAT64 * scale)
    noise = NOISE * max(reader["max_abs_diff_float32_float64"], 1e-8)
    compared.close(narrow, reader["output_float32"], "output_float32", atol=noise)


def check_strong(spec: ModelSpec, reader: Reader, compared: Compared, seed: int, x: Inputs) -> None:
    reader.prose("note", "weights_rule")
    flat = ruled_weights(spec, seed, 1.0)
    compared.digest(flat, reader["weights_sha256"], "forward_strong weights_sha256")
    check_outputs(spec, reader, compared, flat, x)
    reader.finish()


def ruled_inputs(spec: ModelSpec, seed: int, reader: Reader, compared: Compared) -> Inputs:
    """Inputs by the files' rules, one per kind of model, verified by their digests."""
    rs = np.random.RandomState(seed)
    if spec.model_type == ModelType.RECURSIVE:
        return recursive_inputs(rs, reader, compared)
    shape = tuple(reader["shape"])
    if spec.model_type == ModelType.TRANSFORMER:
        tokens = rs.randint(3, spec.layers[0].embeddings, size=shape, dtype=np.int64)  # type: ignore[attr-defined]
        tokens[:, 0] = 2
        for row, length in enumerate(reader["lengths"]):
            tokens[row, length:] = 1
        compared.digest(tokens, reader["sha256_int64"], "tokens", "<i8")
        compared.equal(tokens, reader["tokens"], "tokens")
        x = torch.from_numpy(tokens)
        return Inputs(x, padding=x == 1)
    values = rs.uniform(-1, 1, shape) if spec.model_type == ModelType.KAN else rs.standard_normal(shape)
    values = values.astype(np.float32)
    compared.digest(values, reader["sha256"], "inputs")
    if "values" in reader:
        compared.close(values, reader["values"], "input values", rtol=1e-7, atol=1e-9)
    if "edges_source" not in reader:
        return Inputs(torch.from_numpy(values))
    pairs = rs.randint(0, shape[0], size=(60, 2), dtype=np.int64)
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    edges = np.unique(np.concatenate([pairs, pairs[:, ::-1]]), axis=0).T
    compared.equal(edges[0], reader["edges_source"], "edges_source")
    compared.equal(edges[1], reader["edges_destination"], "edges_destination")
    directed = torch.from_numpy(np.ascontiguousarray(edges))
    return Inputs(torch.from_numpy(values), directed, gcn_norm(directed, shape[0], torch.float64))


def recursive_inputs(rs: np.random.RandomState, reader: Reader, compared: Compared) -> Inputs:
    features = []
    for what in ("structure", "index"):
        shape = reader[f"{what}_features_shape"]
        phases = rs.uniform(0, 2 * np.pi, (shape[-2], shape[-1] // 2))
        both = np.concatenate([np.cos(phases), np.sin(phases)], -1).astype(np.float32)
        compared.digest(both, reader[f"{what}_features_sha256"], f"{what} features")
        features.append(torch.from_numpy(both).view(shape))
    return Inputs(features[1], tokens=features[0])


def cast(x: Inputs, dtype: torch.dtype) -> Inputs:
    """The same inputs with every floating tensor in ``dtype``."""
    moved = {name: value for name, value in vars(x).items() if isinstance(value, torch.Tensor)}
    kept = {name: value.to(dtype) if value.is_floating_point() else value for name, value in moved.items()}
    return Inputs(**{**vars(x), **kept})


def check_gradient(
    spec: ModelSpec, reader: Reader, compared: Compared, flat: np.ndarray, x: Inputs, direction: np.ndarray
) -> None:
    reader.prose("rule")
    positions = reader["positions"]
    noise = reader["max_abs_diff_float32_float64"]
    for dtype, bits in ((torch.float64, "float64"), (torch.float32, "float32")):
        weights = torch.from_numpy(flat).to(dtype).requires_grad_()
        (run(spec, weights, cast(x, dtype)) * torch.from_numpy(direction).to(dtype)).sum().backward()
        assert weights.grad is not None
        grad = weights.grad.double()
        norm = reader[f"l2_norm_{bits}"]
        top = float(grad.abs().max())
        # float32: a deep network's gradient may jump where a pre-activation within rounding of zero changes sign
        loose = NOISE * noise + 1e-3 * top
        rtol, atol = (FLOAT64, FLOAT64 * top) if bits == "float64" else (1e-3, loose)
        compared.close(grad.norm(), norm, f"gradient l2_norm_{bits}", rtol=rtol)
        compared.close(grad[positions], reader[f"values_{bits}"], f"gradient values_{bits}", rtol=rtol, atol=atol)
        if bits == "float64":
            parts = [float(grad[slot.span].norm()) for slot in spec.layout]
            wanted = reader["component_l2_norms_float64"]
            compared.close(parts, wanted, "component_l2_norms_float64", rtol=2e-9, atol=1e-12 * norm)
    reader.finish()


def check_init_loss(spec: ModelSpec, reader: Reader, compared: Compared, flat: np.ndarray) -> None:
    matching = need("uhn.training.matching", "the initialisation phase's loss")
    for dtype, bits, rtol in ((torch.float64, "float64", FLOAT64), (torch.float32, "float32", 1e-4)):
        loss = matching.matching_loss(torch.from_numpy(flat).to(dtype), spec)
        compared.close(loss, reader[bits], f"init_loss {bits}", rtol=rtol)
    reader.finish()
