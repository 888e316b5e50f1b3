"""What is particular to the root UHN: its sizes, its ranges, its memory."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import warnings
from pathlib import Path

import pytest
import source_oracle as oracle
import torch
from source_cases import LEVEL, SPECS, ranges, stir, uhn
from torch import Tensor

import uhn as uhn_package
from uhn.descriptors.ranges import Ranges
from uhn.files import write_atomically
from uhn.models import ModelSpec, zoo
from uhn.models.feedforward import cnn, mlp
from uhn.models.hypernet import generated_uhn
from uhn.randomness import stream
from uhn.sources import Direct, UniversalHypernetwork
from uhn.sources.chain import Chain
from uhn.sources.files import build_source, load_source, save_source
from uhn.sources.trunk import EAGER_WEIGHTS
from uhn.sources.universal import expected_counts
from uhn.training.matching import matching_loss
from uhn.vocabulary import DatasetType, TaskType

PAPER = (
    ({"hidden": 64, "frequencies": 1024}, 148_353, 10_260),
    ({}, 591_617, 20_500),
    ({"structure": True}, 641_665, 21_486),
    ({"hidden": 64, "frequencies": 1024, "structure": True}, 181_889, 11_246),
    ({"encoding": "raw"}, 68_609, 20),
    ({"encoding": "positional"}, 149_249, 52),
    ({"frequencies": 256}, 132_865, 2_580),
    ({"frequencies": 512}, 198_401, 5_140),
    ({"frequencies": 1024}, 329_473, 10_260),
    ({"frequencies": 4096}, 1_115_905, 40_980),
    ({"hidden": 32}, 135_617, 20_500),
    ({"hidden": 64}, 279_425, 20_500),
    ({"hidden": 256}, 1_314_305, 20_500),
    ({"blocks": 0}, 524_545, 20_500),
    ({"blocks": 1}, 558_081, 20_500),
    ({"blocks": 3}, 625_153, 20_500),
)
"""Trainable and frozen scalars; their sums are what the paper prints."""


@pytest.mark.parametrize(("settings", "trainable", "frozen"), PAPER)
def test_the_papers_counts_by_arithmetic_and_by_a_module(
    settings: dict[str, object], trainable: int, frozen: int
) -> None:
    wanted = {"trainable": trainable, "frozen": frozen}
    assert expected_counts(**({"hidden": 128, "blocks": 2, "frequencies": 2048} | settings)) == wanted  # type: ignore[arg-type]
    made = UniversalHypernetwork(ranges(), **settings)  # type: ignore[arg-type]
    assert made.parameter_counts() == wanted


def test_what_is_frozen_takes_no_part_in_training() -> None:
    source = uhn(0, structure=True)
    assert {name for name, _ in source.named_buffers()} == {"encoding.matrix", "structure.encoding.matrix"}
    assert not any("encoding" in name for name, _ in source.named_parameters())


def test_an_untrained_structure_encoder_changes_nothing() -> None:
    spec, source = SPECS["cnn"], uhn(0, structure=True)
    with_encoder = source(spec)
    source.structure = None
    assert torch.equal(source(spec), with_encoder)


def test_the_structure_feature_tells_models_apart() -> None:
    source = uhn(0, structure=True)
    stir(source)
    one, two = (source.structure_feature(SPECS[name]) for name in ("mlp", "cnn"))
    assert one is not None and two is not None and one.shape == (1, 16)
    assert not torch.allclose(one, two)


def test_a_chain_of_depth_zero_is_its_root() -> None:
    spec, root = SPECS["cnn"], uhn(3, structure=True)
    assert torch.equal(Chain(root, [])(spec), root(spec))


def test_a_chain_generates_its_levels_by_number() -> None:
    root = uhn(3, frequencies=16, structure=True)
    chain = Chain(root, [LEVEL, LEVEL])
    first, second = chain.level(1), chain.level(2)
    assert first[0] is second[0] is LEVEL
    assert torch.equal(first[1], root(LEVEL))
    assert torch.equal(second[1], Chain(root, [LEVEL])(LEVEL)) and not torch.equal(first[1], second[1])
    for depth in (0, 3):
        with pytest.raises(ValueError, match=r"levels 1\.\.2, got"):
            chain.level(depth)
    with pytest.raises(ValueError, match="structure encoder and Gaussian Fourier"):
        Chain(uhn(3), [LEVEL])
    with pytest.raises(ValueError, match="frequencies"):
        Chain(root, [generated_uhn(structure_frequencies=4, index_frequencies=8, hidden=16)])


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (mlp((97, 90, 3)), "index field in_idx -1..96 is outside -1..95"),
        (mlp((12, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 5)), "index field layer_idx 0..10 is outside 0..8"),
        (cnn((1, 1, 1, 1), (4, 4, 8, 8), channels=2, kernel_size=5), "kernel_h -1..4 is outside -1..2"),
    ],
)
def test_a_spec_outside_the_ranges_is_refused_field_by_field(spec: ModelSpec, words: str) -> None:
    with pytest.raises(ValueError) as caught:
        uhn(0)(spec)
    assert words in str(caught.value) and "allow_extrapolation" in str(caught.value)


def test_structure_fields_count_only_with_the_encoder() -> None:
    spec = SPECS["mlp"].with_task(TaskType.TEXT, DatasetType.IMDB)
    narrow = Ranges.declared([SPECS["mlp"]])
    small = {"hidden": 8, "frequencies": 4, "structure_frequencies": 4}
    assert UniversalHypernetwork(narrow, **small)(spec).shape == (spec.num_params,)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="structure field dataset_type 6..6 is outside 0..0"):
        UniversalHypernetwork(narrow, **small, structure=True)(spec)  # type: ignore[arg-type]


def test_extrapolation_may_be_allowed_and_warns_once() -> None:
    source, spec = uhn(0, allow_extrapolation=True), mlp((97, 90, 3))
    with pytest.warns(UserWarning, match="in_idx -1..96 is outside -1..95") as said:
        first = source(spec)
    assert len(said) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert torch.equal(source(ModelSpec.from_json(spec.to_json())), first)


def test_for_specs_declares_ranges_tasks_and_the_encoder() -> None:
    small = {"hidden": 8, "frequencies": 4, "structure_frequencies": 4}
    one = UniversalHypernetwork.for_specs([SPECS["mlp"]], **small)
    assert one.structure is None and one.ranges == Ranges.declared([SPECS["mlp"]])
    tasks = [(TaskType.IMAGE, DatasetType.MNIST), (TaskType.FORMULA, DatasetType.KV)]
    two = UniversalHypernetwork.for_specs([SPECS["mlp"], SPECS["kan"]], tasks=tasks, **small)
    assert two.structure is not None
    assert two(SPECS["kan"].with_task(*tasks[1])).shape == (SPECS["kan"].num_params,)
    with pytest.raises(ValueError, match="got 1 tasks for 2 specs"):
        UniversalHypernetwork.for_specs([SPECS["mlp"], SPECS["kan"]], tasks=tasks[:1])


@pytest.mark.parametrize("settings", [{"hidden": 0}, {"blocks": -1}, {"frequencies": 0}, {"encoding": "x"}])
def test_impossible_sizes_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="got"):
        uhn(0, **settings)


@pytest.mark.parametrize("encoding", ["gff", "raw"])
def test_recomputing_gives_what_keeping_gives_and_a_second_backward_works(encoding: str) -> None:
    spec, found = SPECS["large"], []
    upstream = torch.randn(spec.num_params, generator=stream(0, "upstream"))
    for memory in (1024, 1, 0):  # everything kept, only the rows, nothing
        source = uhn(1, memory_mib=memory, structure=True, encoding=encoding)
        stir(source)
        flat = source(spec)
        parameters = list(source.parameters())
        first = torch.autograd.grad(flat, parameters, upstream, retain_graph=True)
        second = torch.autograd.grad(flat, parameters, upstream)
        found += [[flat.detach(), *first], [flat.detach(), *second]]
    for other in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(found[0], other, strict=True))


def exact(source: UniversalHypernetwork, spec: ModelSpec, upstream: Tensor) -> list[Tensor]:
    """Weights and the gradient of every parameter in float64, by the paper's equations."""
    state = {name: value.detach().double() for name, value in source.state_dict().items()}
    trained = [state[name].requires_grad_() for name, _ in source.named_parameters()]
    flat = oracle.root(spec, source.ranges, state)
    return [flat.detach(), *torch.autograd.grad(flat, trained, upstream.double())]


def test_folding_the_norms_into_the_linears_keeps_the_error_bound() -> None:
    """Scales and shifts far from one and zero; the largest error is below 1e-4 of each tensor's rms."""
    spec, source = SPECS["large"], uhn(1, structure=True)
    stir(source)
    with torch.no_grad():
        for name, parameter in source.blocks.named_parameters():
            if "norm" in name:
                parameter += torch.randn(parameter.shape, generator=stream(1, name))
    upstream = torch.randn(spec.num_params, generator=stream(0, "upstream"))
    flat = source(spec)
    found = [flat.detach(), *torch.autograd.grad(flat, list(source.parameters()), upstream)]
    for (name, _), got, right in zip(
        [("weights", None), *source.named_parameters()], found, exact(source, spec, upstream), strict=True
    ):
        error = float((got.double() - right).abs().max() / right.square().mean().sqrt().clamp(min=1e-9))
        assert error < 1e-4 or name.startswith("structure."), (name, error)


@pytest.mark.parametrize("memory", [1024, 0])
@pytest.mark.parametrize(("dtype", "digits"), [(torch.bfloat16, 2**-8), (torch.float16, 2**-11)])
def test_half_precision_of_a_large_model_rounds_as_its_format_does(
    dtype: torch.dtype, digits: float, memory: int
) -> None:
    """The written-out MLP under autocast against float64, whether activations are kept or computed again.

    Allowed are, in rms, 4 roundings in a weight and 4 of their square root in a gradient: a rounding turns some ReLUs
    on or off, a share that grows with it, and the gradient's error is the root of that share.
    """
    spec, source = SPECS["large"], uhn(1, memory_mib=memory)
    stir(source)
    assert spec.num_params > EAGER_WEIGHTS
    upstream = torch.randn(spec.num_params, generator=stream(0, "upstream"))
    with torch.autocast("cpu", dtype=dtype):
        flat = source(spec)
    assert flat.dtype == torch.float32
    found = [flat.detach(), *torch.autograd.grad(flat, list(source.parameters()), upstream)]
    names = ["weights", *(name for name, _ in source.named_parameters())]
    for name, got, right in zip(names, found, exact(source, spec, upstream), strict=True):
        assert got.dtype == torch.float32
        error = float((got.double() - right).norm() / right.norm())
        assert error < 4 * (digits if name == "weights" else digits**0.5), (name, error)
        if name == "weights":
            assert error > digits / 100, "half precision took part"


def test_accumulated_gradients_add_up() -> None:
    spec, source = SPECS["large"], uhn(1)
    for _ in range(2):
        source(spec).sum().backward()
    twice = [p.grad.clone() for p in source.parameters() if p.grad is not None]
    source.zero_grad()
    source(spec).sum().backward()
    once = [p.grad for p in source.parameters() if p.grad is not None]
    assert all(torch.allclose(a, 2 * b) for a, b in zip(twice, once, strict=True))


def test_only_what_needs_gradients_gets_them() -> None:
    spec, source = SPECS["large"], uhn(1)
    for parameter in source.index.parameters():
        parameter.requires_grad_(False)
    source(spec).sum().backward()
    assert all(p.grad is None for p in source.index.parameters())
    assert source.readout.weight.grad is not None
    for parameter in source.parameters():
        parameter.requires_grad_(False)
    assert not source(spec).requires_grad


def test_a_copy_is_independent() -> None:
    spec, source = SPECS["mlp"], uhn(1)
    before = source(spec).detach()
    other = copy.deepcopy(source)
    stir(other)
    with torch.no_grad():
        other.encoding.matrix += 1  # type: ignore[operator]
    assert not torch.equal(other(spec), before) and torch.equal(source(spec), before)


def test_direct_draws_from_the_init_targets() -> None:
    spec = zoo("transformer1-imdb")
    flat = Direct(spec, seed=5)(spec).detach()
    for slot in spec.layout:
        part, init = flat[slot.span], slot.param.init
        if init.kind == "constant":
            assert torch.all(part == init.mean)
        elif slot.numel > 1000:
            assert abs(float(part.std()) / init.std - 1) < 0.05
            assert abs(float(part.mean() - init.mean)) < 0.1 * init.std
            kurtosis = float(((part - part.mean()) / part.std()).pow(4).mean())
            assert kurtosis == pytest.approx({"uniform": 1.8, "normal": 3.0}[init.kind], abs=0.25)
        if init.kind == "uniform":
            assert float((part - init.mean).abs().max()) <= 3**0.5 * init.std * (1 + 1e-6)


def test_save_and_load_of_the_class(tmp_path: Path) -> None:
    source, spec = uhn(1), SPECS["mlp"]
    source.save(tmp_path / "a")
    assert torch.equal(UniversalHypernetwork.load(tmp_path / "a")(spec), source(spec))
    save_source(Direct(spec), tmp_path / "b")
    with pytest.raises(ValueError, match="holds a Direct .'direct'., wanted UniversalHypernetwork"):
        UniversalHypernetwork.load(tmp_path / "b")
    outside = mlp((97, 90, 3))
    with pytest.raises(ValueError, match="allow_extrapolation=True"):
        UniversalHypernetwork.load(tmp_path / "a")(outside)
    with pytest.warns(UserWarning, match="in_idx -1..96 is outside -1..95"):
        UniversalHypernetwork.load(tmp_path / "a", allow_extrapolation=True)(outside)


def test_a_spec_that_no_step_saw_gets_the_same_weights_after_save_and_load(tmp_path: Path, forking_python: str) -> None:
    """In another process too: nothing but the file, and the spec's own JSON, may matter."""
    corners = [cnn((1, 1, depth, 1), (4, 4, width, 8), classes=3) for depth, width in ((1, 4), (3, 12))]
    unseen = cnn((1, 1, 2, 1), (4, 4, 8, 8), classes=3)
    source = UniversalHypernetwork.for_specs(corners, hidden=8, frequencies=8, structure_frequencies=4)
    untrained = source(unseen).detach()
    optimiser = torch.optim.Adam(source.parameters(), lr=0.01)
    for step in range(4):
        optimiser.zero_grad()
        matching_loss(source(corners[step % 2]), corners[step % 2]).backward()
        optimiser.step()
    wanted = source(unseen).detach()
    assert not torch.allclose(wanted, untrained)
    source.save(tmp_path / "generator.safetensors")
    assert torch.equal(UniversalHypernetwork.load(tmp_path / "generator.safetensors")(unseen), wanted)
    (tmp_path / "spec.json").write_text(json.dumps(unseen.to_json()))
    code = (
        "import json, sys, torch, uhn; torch.set_num_threads(1)\n"
        "spec = uhn.ModelSpec.from_json(json.load(open('spec.json')))\n"
        "flat = uhn.UniversalHypernetwork.load('generator.safetensors')(spec)\n"
        "sys.stdout.write(flat.detach().numpy().tobytes().hex())"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(uhn_package.__file__).parents[1])}
    command = [forking_python, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == wanted.numpy().tobytes().hex()


def test_the_order_of_specs_changes_nothing() -> None:
    specs = [SPECS["mlp"], SPECS["cnn"], SPECS["kan"]]
    settings = {"hidden": 8, "frequencies": 8, "structure_frequencies": 4}
    one, two = (UniversalHypernetwork.for_specs(order, **settings) for order in (specs, specs[::-1]))
    assert one.ranges == two.ranges
    for spec in specs:
        assert torch.equal(one(spec), two(spec))


def test_bad_files_are_refused(tmp_path: Path) -> None:
    source = uhn(1)
    with pytest.raises(FileNotFoundError, match="no weight source at"):
        load_source(tmp_path / "none")
    save_source(source, tmp_path / "good")
    whole = (tmp_path / "good").read_bytes()
    for size in (0, 5, 100, len(whole) // 2, len(whole) - 1):
        write_atomically(tmp_path / "short", whole[:size])
        with pytest.raises(ValueError, match="not a readable safetensors file"):
            load_source(tmp_path / "short")
    write_atomically(tmp_path / "foreign", whole.replace(b"uhn-source-1", b"uhn-source-9"))
    with pytest.raises(ValueError, match="wanted format 'uhn-source-1', got 'uhn-source-9'"):
        load_source(tmp_path / "foreign")
    fewer = whole.replace(b'\\"blocks\\": 2', b'\\"blocks\\": 1')
    write_atomically(tmp_path / "altered", fewer)
    with pytest.raises(ValueError, match="altered was altered: its tensors and settings do not have its digest"):
        load_source(tmp_path / "altered")
    write_atomically(tmp_path / "unfit", fewer.replace(b"sha256", b"before"))  # older files have no digest
    with pytest.raises(ValueError, match="do not fit its settings"):
        load_source(tmp_path / "unfit")
    with pytest.raises(ValueError, match="unknown weight source kind 'oracle'"):
        build_source({"kind": "oracle"})
