"""Checks of ``generator/NAME.json``: roots, generated UHNs and chains with every tensor set by rule."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from golden_compare import Compared, Reader, draws, need
from golden_models import NOISE, spec_named
from golden_tables import FIELD_NAMES, declared_settings

from uhn.models import Inputs, ModelSpec, run, zoo, zoo_names
from uhn.models.sets import SETS, sample_set

FLOAT64 = 1e-8
"""Relative to the largest output: phases of 2,000 radians cost three digits."""
FLOAT32 = 2e-3
"""Likewise, for float32."""
RANGES = ("index_min", "index_max", "structure_min", "structure_max")
NAMES = (
    (r"index input linear (\w+)", r"index.\1"),
    (r"readout linear (\w+)", r"readout.\1"),
    (r"residual block (\d+) first (norm|linear) (\w+)", r"blocks.\1.\g<2>1.\3"),
    (r"residual block (\d+) second (norm|linear) (\w+)", r"blocks.\1.\g<2>2.\3"),
    (r"structure attention packed query-key-value (weight|bias).*", r"structure.attention.self_attn.in_proj_\1"),
    (r"structure attention output (\w+)", r"structure.attention.self_attn.out_proj.\1"),
    (r"structure feed-forward first linear (\w+)", r"structure.attention.linear1.\1"),
    (r"structure feed-forward second linear (\w+)", r"structure.attention.linear2.\1"),
    (r"structure norm after attention (\w+)", r"structure.attention.norm1.\1"),
    (r"structure norm after feed-forward (\w+)", r"structure.attention.norm2.\1"),
    (r"structure head first linear (\w+)", r"structure.linear1.\1"),
    (r"structure head second linear (\w+)", r"structure.linear2.\1"),
)


def tensor_name(golden: str) -> str:
    """Name of the library's parameter for a golden tensor name."""
    for pattern, name in NAMES:
        if match := re.fullmatch(pattern, golden):
            return match.expand(name)
    raise AssertionError(f"no tensor is known for the golden name {golden!r}")


def candidates() -> Iterator[ModelSpec]:
    """Every model that a generator file may be about; a set is sampled when its turn comes."""
    yield from map(zoo, zoo_names())
    for name in SETS:
        yield from sample_set(name).specs


def target_of(reader: Reader, name: str) -> ModelSpec:
    """The target, recognised by its name or else by its number of weights and its index table."""
    blocks = need("uhn.descriptors.blocks", "index descriptors")
    short = re.sub(r"^(root-(plain|structure)|(chain-)?generated-uhn)-", "", name)
    try:
        found: Iterable[ModelSpec] = [spec_named(short)]
    except AssertionError:
        wanted = reader.data.get("target_num_params")
        found = (spec for spec in candidates() if wanted in (None, spec.num_params))
    rows, table = reader.data["rows"], reader.data["row_descriptors"]
    for spec in found:
        if max(rows) < spec.num_params and blocks.index_table(spec)[rows].tolist() == table and fits(spec, reader):
            return spec
    raise AssertionError(f"{name}: no known model has these rows")


def fits(spec: ModelSpec, reader: Reader) -> bool:
    structure = need("uhn.descriptors.structure", "structure descriptors")
    if "structure_layers" not in reader:
        return True
    return [structure.local_fields(spec, n) for n in range(len(spec.layers))] == reader.data["structure_layers"]


def check_target(reader: Reader, compared: Compared, spec: ModelSpec) -> torch.Tensor:
    """Compare everything that a file says about its target; return the rows' descriptors."""
    blocks = need("uhn.descriptors.blocks", "index descriptors")
    structure = need("uhn.descriptors.structure", "structure descriptors")
    table = blocks.index_table(spec)
    rows = table[reader["rows"]]
    compared.equal(rows, reader["row_descriptors"], "row_descriptors")
    if "target_num_params" in reader:
        compared.equal(spec.num_params, reader["target_num_params"], "target_num_params")
        compared.digest(table.numpy(), reader["target_index_table_sha256"], "target_index_table_sha256", "<i4")
    if "structure_global" in reader:
        compared.equal(structure.global_fields(spec), reader["structure_global"], "structure_global")
        local = [structure.local_fields(spec, number) for number in range(len(spec.layers))]
        compared.equal(local, reader["structure_layers"], "structure_layers")
    if "structure_fields" in reader:
        compared.equal(list(FIELD_NAMES), reader["structure_fields"], "structure_fields")
    return rows


def check_ranges(reader: Reader, compared: Compared, spec: ModelSpec) -> Any:
    """The file's ranges, which must be those that some setting declares for this target."""
    ranges = need("uhn.descriptors.ranges", "descriptor ranges").Ranges
    present = [key for key in RANGES if key in reader]
    values = {key: tuple(reader[key]) for key in present}
    settings = [ranges.declared([spec]), *declared_settings().values()]
    assert any(all(getattr(known, key) == values[key] for key in present) for known in settings), (
        f"{reader.where}: no setting declares these ranges"
    )
    compared.values += sum(len(entry) for entry in values.values())
    return ranges(**{key: values.get(key, (0.0,) * (10 if "index" in key else 29)) for key in RANGES})


def root_of(reader: Reader, compared: Compared, ranges: Any, seed: int) -> Any:
    """A root UHN in float32 with every tensor set by the file's rule, and its Fourier matrices."""
    universal = need("uhn.sources.universal", "the root UHN")
    entries = reader["trainable_tensors"]
    names = [tensor_name(entry[0]) for entry in entries]
    hidden, width = entries[names.index("index.weight")][1]
    blocks = len({name.split(".")[1] for name in names if name.startswith("blocks.")})
    structured = any(name.startswith("structure.") for name in names)
    settings = {"hidden_width": hidden, "residual_blocks": blocks, "index_frequencies": width // 2}
    for key, value in (settings | {"structure_encoder": structured}).items():
        if key in reader:
            compared.equal(value, reader[key], key)
    root = universal.UniversalHypernetwork(
        ranges, hidden=hidden, blocks=blocks, frequencies=width // 2, structure=structured
    )
    parameters = dict(root.named_parameters())
    compared.equal(sorted(parameters), sorted(names), "trainable tensors")
    rs = np.random.RandomState(seed)
    with torch.no_grad():
        for name, (_, shape, offset, scale) in zip(names, entries, strict=True):
            compared.equal(list(parameters[name].shape), shape, name)
            value = (offset + scale * rs.standard_normal(tuple(shape))).astype(np.float32)
            parameters[name].copy_(torch.from_numpy(value))
    set_fourier(root.encoding, seed + 10, reader["index_fourier_sha256"], compared)
    if structured:
        set_fourier(root.structure.encoding, seed + 11, reader["structure_fourier_sha256"], compared)
    counts = root.parameter_counts()
    compared.equal(counts["trainable"], reader["trainable_parameters"], "trainable_parameters")
    if "trainable_plus_frozen" in reader:
        compared.equal(counts["trainable"] + counts["frozen"], reader["trainable_plus_frozen"], "trainable_plus_frozen")
    reader.prose("tensor_rule", "fourier_rule")
    root.golden_names = names
    return root


def set_fourier(encoding: Any, seed: int, digest: str, compared: Compared) -> None:
    matrix = (draws(seed, encoding.matrix.shape) * 100).astype(np.float32)
    compared.digest(matrix, digest, "Fourier matrix")
    encoding.matrix.copy_(torch.from_numpy(matrix))


def rows_of(root: Any, spec: ModelSpec, descriptors: torch.Tensor) -> torch.Tensor:
    """Values of some rows by the straightforward way: dense features, dense product."""
    trunk = need("uhn.sources.trunk", "the root UHN")
    features = root.encoding(root.ranges.normalise_index(descriptors))
    return trunk.mlp(F.linear(features, root.index.weight, root.index.bias), root.structure_feature(spec), root.tail())


def check_root(reader: Reader, compared: Compared, name: str) -> None:
    seed = reader["seed"]
    spec = target_of(reader, name)
    descriptors = check_target(reader, compared, spec)
    ranges = check_ranges(reader, compared, spec)
    root = root_of(reader, compared, ranges, seed)
    reader.prose("title", "note", "gradient_rule")
    normalised = ranges.normalise_index(descriptors[:2])
    wanted = reader["normalised_index_first2_float64"]
    compared.close(normalised, wanted, "normalised_index_first2_float64", rtol=1e-12, atol=1e-12)
    phases = ranges.normalise_index(descriptors) @ root.encoding.matrix.double()
    compared.close(phases.abs().max(), reader["largest_phase_radians"], "largest_phase_radians", rtol=1e-4)
    direction = torch.from_numpy(draws(seed + 2, len(descriptors)).astype(np.float32))
    with torch.no_grad():
        whole = root(spec)[reader["rows"]]
    check_rows(whole, reader, compared, "output", "float32")
    for dtype, bits in ((torch.float32, "float32"), (torch.float64, "float64")):
        root.to(dtype).zero_grad()
        out = rows_of(root, spec, descriptors)
        check_rows(out.detach(), reader, compared, "output", bits)
        (out * direction.to(dtype)).sum().backward()
        parameters = dict(root.named_parameters())
        norms = [float(parameters[tensor].grad.norm()) for tensor in root.golden_names]
        rtol = 1e-7 if bits == "float64" else 1e-3
        compared.close(norms, reader[f"gradient_l2_norms_{bits}"], f"gradient_l2_norms_{bits}", rtol=rtol)
        if "structure_feature_float64" in reader and root.structure is not None:
            feature = root.structure_feature(spec).detach().flatten()
            check_rows(feature, reader, compared, "structure_feature", bits)
    check_spread(reader, compared, "output")
    reader.finish()


def check_rows(
    got: torch.Tensor, reader: Reader, compared: Compared, key: str, bits: str, *, float64: float = FLOAT64
) -> None:
    """Values against ``key_float64`` (tightly) or ``key_float32`` (loosely: by the files' own noise)."""
    wanted = reader[f"{key}_{bits}"]
    scale = float(np.abs(wanted).max())
    noise = reader.data.get(f"{key}_max_abs_diff", reader.data.get("max_abs_diff_float32_float64", 0.0))
    atol = scale * float64 if bits == "float64" else max(scale * FLOAT32, NOISE * noise)
    compared.close(got, wanted, f"{key}_{bits}", atol=atol)


def check_spread(reader: Reader, compared: Compared, key: str) -> None:
    """The files' own statistics of their outputs: they must describe the printed values."""
    narrow, wide = np.asarray(reader[f"{key}_float32"]), np.asarray(reader[f"{key}_float64"])
    difference = narrow - wide
    if "output_std" in reader:
        compared.close(wide.std(), reader["output_std"], "output_std", rtol=1e-3)
    compared.close(np.abs(difference).max(), reader["max_abs_diff_float32_float64"], "max_abs_diff", rtol=2e-2)
    if "rms_diff_float32_float64" in reader:
        rms = np.sqrt((difference**2).mean())
        compared.close(rms, reader["rms_diff_float32_float64"], "rms_diff", rtol=2e-2)


def check_generated(reader: Reader, compared: Compared, name: str) -> None:
    encodings = need("uhn.descriptors.encodings", "encodings")
    structure = need("uhn.sources.structure", "the task-structure encoder")
    seed, spec, level = reader["seed"], target_of(reader, name), zoo("uhn-generated")
    descriptors = check_target(reader, compared, spec)
    ranges = check_ranges(reader, compared, spec)
    reader.prose("title", "note", "flat_weights_rule", "fourier_rule", "gradient_rule")
    compared.equal(level.num_params, reader["num_params"], "num_params")
    flat = np.float32(0.1) * draws(seed, level.num_params).astype(np.float32)
    compared.digest(flat, reader["flat_weights_sha256"], "flat_weights_sha256")
    fields = dict(level.fields)
    index = encodings.GaussianFourier(10, fields["num_index_freqs"])
    tokens = encodings.GaussianFourier(29, fields["num_structure_freqs"])
    set_fourier(index, seed + 10, reader["index_fourier_sha256"], compared)
    set_fourier(tokens, seed + 11, reader["structure_fourier_sha256"], compared)
    direction = torch.from_numpy(draws(seed + 2, len(descriptors)).astype(np.float32))
    for dtype, bits in ((torch.float32, "float32"), (torch.float64, "float64")):
        weights = torch.from_numpy(flat).to(dtype).requires_grad_()
        encoded = structure.encoded_tokens(spec, ranges, tokens.to(dtype))
        features = index.to(dtype)(ranges.normalise_index(descriptors))
        out = run(level, weights, Inputs(features, tokens=encoded))
        check_rows(out.detach(), reader, compared, "output", bits)
        (out * direction.to(dtype)).sum().backward()
        assert weights.grad is not None
        rtol = 1e-7 if bits == "float64" else 1e-3
        compared.close(weights.grad.norm(), reader[f"gradient_l2_norm_{bits}"], f"gradient_l2_norm_{bits}", rtol=rtol)
    check_spread(reader, compared, "output")
    reader.finish()


def check_chain(reader: Reader, compared: Compared, name: str) -> None:
    blocks = need("uhn.descriptors.blocks", "index descriptors")
    structure = need("uhn.sources.structure", "the task-structure encoder")
    fields = need("uhn.descriptors.structure", "structure descriptors")
    recursion = need("uhn.sources.chain", "recursion")
    seed, spec, level = reader["seed"], target_of(reader, name), zoo("uhn-generated")
    descriptors = check_target(reader, compared, spec)
    ranges = check_ranges(reader, compared, spec)
    root = root_of(reader, compared, ranges, seed)
    reader.prose("title", "note")
    compared.equal(fields.global_fields(level), reader["generated_uhn_structure_global"], "generated_uhn global")
    local = [fields.local_fields(level, number) for number in range(len(level.layers))]
    compared.equal(local, reader["generated_uhn_structure_layers"], "generated_uhn layers")
    shown = reader["generated_uhn_weight_rows"]
    table = blocks.index_table(level)
    with torch.no_grad():
        chain = recursion.Chain(root, [level])
        narrow = {"generated_uhn_weights": chain.level(1)[1], "mlp_rows": chain(spec)[reader["rows"]]}
        check_rows(narrow["generated_uhn_weights"][shown], reader, compared, "generated_uhn_weights", "float32")
        check_rows(narrow["mlp_rows"], reader, compared, "mlp_rows", "float32")
        root.double()
        flat = torch.cat([rows_of(root, level, part) for part in table.split(8192)])
        tokens = structure.encoded_tokens(spec, ranges, root.structure.encoding)
        features = root.encoding(ranges.normalise_index(descriptors))
        rows = run(level, flat, Inputs(features, tokens=tokens))
    check_rows(flat[shown], reader, compared, "generated_uhn_weights", "float64")
    check_rows(rows, reader, compared, "mlp_rows", "float64", float64=1e-6)  # a second generator amplifies
    statistics = reader["generated_uhn_weights_mean_std_float64"]
    compared.close([flat.mean(), flat.std(correction=0)], statistics, "mean and std", rtol=1e-5, atol=1e-8)
    for key, wide in (("generated_uhn_weights", flat), ("mlp_rows", rows)):
        check_noise(reader, compared, key, float((narrow[key].double() - wide).abs().max()))
    reader.finish()


def check_noise(reader: Reader, compared: Compared, key: str, own: float) -> None:
    """A chain file's noise of float32 is the largest over all rows: the listed rows do not exceed it, and it is of the
    order of ``own``, which is measured here."""
    listed = np.abs(np.asarray(reader[f"{key}_float32"]) - np.asarray(reader[f"{key}_float64"])).max()
    noise = reader[f"{key}_max_abs_diff"]
    compared.values += 1
    assert listed <= 1.02 * noise, f"{key}_max_abs_diff: wanted at least the listed rows' {listed:.3g}, got {noise:.3g}"
    assert noise <= NOISE * max(own, listed), f"{key}_max_abs_diff: wanted about {own:.3g}, got {noise:.3g}"


def check_generator(reader: Reader, compared: Compared, name: str) -> None:
    """Tell the three kinds of file apart and check one."""
    if name.startswith("chain-generated-uhn-"):
        check_chain(reader, compared, name)
    elif name.startswith("generated-uhn-"):
        check_generated(reader, compared, name)
    elif name.startswith("root-"):
        check_root(reader, compared, name)
    else:
        raise AssertionError(f"no rule for a generator file called {name!r}")
