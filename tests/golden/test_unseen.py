"""Kinds of golden file that are not among ``files``: made here by the rules of its README, from slow oracles.

A harness that has never read a chain, a family of Transformers or another target could fail on the day it gets one.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import golden_generators
import numpy as np
import pytest
import torch
from golden_compare import Compared, Reader, draws
from golden_generators import RANGES, check_generator, target_of, tensor_name
from golden_tables import check_model_set
from test_harness import change, places

from uhn.descriptors.blocks import index_table
from uhn.descriptors.ranges import Ranges
from uhn.descriptors.structure import global_fields, local_fields
from uhn.models import ModelSpec, zoo
from uhn.models.hypernet import generated_uhn
from uhn.models.sets import sample_set

LEVEL = generated_uhn(structure_frequencies=32, index_frequencies=16, hidden=16, index_layers=2)
LEAF = zoo("kan-g5-kv")
SEED = 77
ROOT = Path(__file__).parent / "files/generator/root-structure-cnn-width-first.json"


@pytest.fixture(scope="module")
def oracle() -> Iterator[ModuleType]:
    """The sources written out in float64, which the conformance suite of sources compares with too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parents[1] / "sources"))
        import source_oracle

        yield source_oracle


def small_tensors() -> list[list[Any]]:
    """The tensors of a root with the encoder, in golden order, with h = 16 and m = 16."""
    sizes = {128: 16, 4096: 32}
    entries = json.loads(ROOT.read_text(encoding="utf-8"))["trainable_tensors"]
    return [[name, [sizes.get(size, size) for size in shape], offset, scale] for name, shape, offset, scale in entries]


def structure_of(spec: ModelSpec) -> list[list[float]]:
    return [local_fields(spec, number) for number in range(len(spec.layers))]


def chain_file(oracle: ModuleType) -> dict[str, Any]:
    """A whole two-level chain as a golden file."""
    ranges = Ranges.declared([LEVEL, LEAF])
    rs, entries = np.random.RandomState(SEED), small_tensors()
    state = {}
    for name, shape, offset, scale in entries:
        value = (offset + scale * rs.standard_normal(tuple(shape))).astype(np.float32)
        state[f"root.{tensor_name(name)}"] = torch.from_numpy(value).double()
    digests = {}
    for key, seed, shape, name in (
        ("index_fourier_sha256", SEED + 10, (10, 16), "root.encoding.matrix"),
        ("structure_fourier_sha256", SEED + 11, (29, 32), "root.structure.encoding.matrix"),
    ):
        matrix = (draws(seed, shape) * 100).astype(np.float32)
        digests[key] = hashlib.sha256(matrix.tobytes()).hexdigest()
        state[name] = torch.from_numpy(matrix).double()
    flat = oracle.root(LEVEL, ranges, state, "root.")
    leaf = oracle.generated(LEVEL, flat, LEAF, ranges, state)
    shown, rows = list(range(0, LEVEL.num_params, 997)), list(range(0, LEAF.num_params, 7))
    file: dict[str, Any] = {"title": "a chain", "seed": SEED, "tensor_rule": "as in roots", "fourier_rule": "likewise"}
    file |= {key: list(getattr(ranges, key)) for key in RANGES} | digests
    file |= {
        "trainable_tensors": entries,
        "trainable_parameters": sum(int(np.prod(shape)) for _, shape, _, _ in entries),
        "rows": rows,
        "row_descriptors": index_table(LEAF)[rows].tolist(),
        "generated_uhn_structure_global": global_fields(LEVEL),
        "generated_uhn_structure_layers": structure_of(LEVEL),
        "generated_uhn_weight_rows": shown,
        "generated_uhn_weights_mean_std_float64": [float(flat.mean()), float(flat.std(correction=0))],
        "note": "made by the tests",
    }
    for key, values in (("generated_uhn_weights", flat[shown]), ("mlp_rows", leaf[rows])):
        noise = 1e-5 * float(values.abs().max())
        file[f"{key}_float64"] = values.tolist()
        file[f"{key}_float32"] = (values + noise).tolist()
        file[f"{key}_max_abs_diff"] = noise
    return file


@pytest.fixture
def small_level(monkeypatch: pytest.MonkeyPatch) -> None:
    """The generated UHN and the setting's ranges at the size of the file."""
    monkeypatch.setattr(golden_generators, "zoo", lambda name: LEVEL if name == "uhn-generated" else zoo(name))
    monkeypatch.setattr(
        golden_generators, "declared_settings", lambda: {"recursive chain": Ranges.declared([LEVEL, LEAF])}
    )


def test_a_chain_is_read_and_every_key_of_it_compared(oracle: ModuleType, small_level: None) -> None:
    file, name = chain_file(oracle), "chain-generated-uhn-kan-g5"
    compared = Compared()
    check_generator(Reader(file, name), compared, name)
    assert compared.values > 200
    unnoticed = []
    for key in set(file) - {"title", "tensor_rule", "fourier_rule", "note"}:
        path = next(places(file[key], (key,)))
        wrong = copy.deepcopy(file)
        change(wrong, path)
        try:
            check_generator(Reader(wrong, name), Compared(), name)
            unnoticed.append(path)
        except (AssertionError, ValueError, IndexError):
            pass
    assert unnoticed == []
    with pytest.raises(AssertionError, match="does not know"):
        check_generator(Reader(file | {"new": 1}, name), Compared(), name)


@pytest.mark.parametrize(("factor", "message"), [(4, ""), (0.5, "at least the listed rows'"), (1e4, "wanted about")])
def test_a_chain_files_noise_is_that_of_all_its_rows(
    factor: float, message: str, oracle: ModuleType, small_level: None
) -> None:
    """Of which it lists a few: their largest difference may be smaller."""
    file, name = chain_file(oracle), "chain-generated-uhn-kan-g5"
    file["generated_uhn_weights_max_abs_diff"] *= factor
    if not message:
        return check_generator(Reader(file, name), Compared(), name)
    with pytest.raises(AssertionError, match=message):
        check_generator(Reader(file, name), Compared(), name)


@pytest.mark.parametrize(
    ("name", "spec"),
    [
        ("root-plain-cnn56", lambda: zoo("cnn56-cifar10")),
        ("root-plain-kan-ellipj", lambda: zoo("kan-g5-ellipj")),
        ("root-plain-gcn-citeseer", lambda: zoo("gcn-citeseer")),
        ("root-structure-transformer2-agnews", lambda: zoo("transformer2-agnews")),
        ("root-structure-transformer-mixed-first", lambda: sample_set("transformer").specs[0]),
        ("root-structure-cnn-depth-and-width-last", lambda: sample_set("cnn-depth-width").specs[-1]),
        ("generated-uhn-kan-g10", lambda: zoo("kan-g10-jv")),
        ("chain-generated-uhn-mlp-mnist", lambda: zoo("mlp-mnist")),
    ],
)
def test_targets_of_generators_that_were_never_seen(name: str, spec: Any) -> None:
    target = spec()
    rows = sorted({0, target.num_params - 1, *np.random.RandomState(0).randint(0, target.num_params, 40).tolist()})
    data = {
        "rows": rows,
        "row_descriptors": index_table(target)[rows].tolist(),
        "target_num_params": target.num_params,
        "structure_layers": structure_of(target),
    }
    assert target_of(Reader(data, name), name).hash == target.hash


CNN_FIELDS = ["layers in stage 1", "layers in stage 2", "layers in stage 3"]
CNN_FIELDS += ["width of stem and stage 1", "width of stage 2", "width of stage 3"]
FIELDS = {
    "cnn-width": CNN_FIELDS,
    "cnn-depth-width": CNN_FIELDS,
    "transformer": ["number of encoders", "feed-forward layers of each encoder", "attention heads", "width"],
    "transformer-mixed": ["linear layers in every encoder", "heads", "embedding size (a multiple of the heads)"],
    "transformers": [*(f"feed-forward depth of encoder {n}" for n in (1, 2, 3, 4)), "heads dividing d", "d"],
}


def compact(name: str, architecture: tuple[int, ...]) -> list[Any]:
    if name.startswith("cnn"):
        return list(architecture)
    *depths, heads, size = architecture
    return {
        "transformer": [len(depths), depths, heads, size],
        "transformer-mixed": [depths, heads, size],
        "transformers": [*depths, *[0] * (4 - len(depths)), heads, size],
    }[name]


@pytest.mark.parametrize("name", FIELDS)
def test_model_sets_that_were_never_seen(name: str) -> None:
    made = sample_set("transformer" if name.startswith("transformer") else name)
    total, each = len(made.architectures), 50
    counts = [spec.num_params for spec in made.specs]
    file = {
        "set": name,
        "seed": {"cnn-width": 362, "cnn-depth-width": 32460}.get(name, 57055),
        "architecture_fields": FIELDS[name],
        "models": {"cnn-width": 500}.get(name, 1000),
        "distinct_after_trials": {"cnn-width": 770, "cnn-depth-width": 1029}.get(name, 1104),
        "architectures": [compact(name, architecture) for architecture in made.architectures],
        "parameter_counts": counts,
        "mean_parameters": sum(counts) / total,
        "max_parameters": {"cnn-width": 1_072_586, "cnn-depth-width": 1_372_110}.get(name, 1_086_212),
        "train": [0, total - each],
        "test_unseen": [total - each, total],
        "seen_subset": [0, each],
        "validation_when_tuning": [total - 2 * each, total - each],
        "train_when_tuning": [0, total - 2 * each],
        "split_note": "half-open ranges",
        "first_model_structure": {"global": global_fields(made.specs[0]), "layers": structure_of(made.specs[0])},
    }
    compared = Compared()
    check_model_set(Reader(file, name), compared, name)
    assert compared.values > 2 * total
    file["architectures"][7][-1] += 1  # type: ignore[index]
    with pytest.raises(AssertionError, match="architectures"):
        check_model_set(Reader(file, name), Compared(), name)
