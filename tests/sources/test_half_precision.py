"""A cast rounds what is trained; what is frozen keeps every bit, however it is reached."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from source_cases import CASES, HALVES, SPECS, stir, uhn
from torch import Tensor, nn

import uhn as library
from uhn.descriptors.features import IndexFeatures
from uhn.models import run
from uhn.sources import UniversalHypernetwork, WeightSource
from uhn.sources.files import load_source, save_source
from uhn.training.matching import matching_loss

every_half = pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])

CASTS: dict[str, Callable[[nn.Module], object]] = {
    "half": lambda m: m.half(),
    "bfloat16": lambda m: m.bfloat16(),
    "to": lambda m: m.to(torch.bfloat16),
    "to-device": lambda m: m.to("cpu", torch.float16),
    "type": lambda m: m.type(torch.bfloat16),
    "from-double": lambda m: m.double().half(),
    "root": lambda m: getattr(m, "root", m).bfloat16(),
    "encoding": lambda m: getattr(m, "root", m).encoding.half(),
}


def stirred(name: str, model: str) -> WeightSource:
    source = CASES[name].build(SPECS[model], 1)
    stir(source)
    return source


def correlation(one: Tensor, other: Tensor) -> float:
    return float(torch.corrcoef(torch.stack([one.double(), other.double()]))[0, 1])


@pytest.mark.parametrize(("name", "dtype"), HALVES)
def test_a_source_in_half_precision_gives_nearly_its_weights_and_trains(name: str, dtype: torch.dtype) -> None:
    for model in CASES[name].both_paths:
        source, spec = stirred(name, model), SPECS[model]
        right = source(spec).detach().clone()
        source.to(dtype)
        flat = source(spec)
        assert flat.dtype == dtype and correlation(flat.detach(), right) > 0.9995
        matching_loss(flat, spec).backward()
        assert all(p.grad is not None and p.grad.dtype == dtype for p in source.parameters() if p.grad is not None)
        assert any(p.grad is not None and bool(p.grad.any()) for p in source.parameters())
        assert correlation(source.float()(spec).detach(), right) > 0.9995


@pytest.mark.parametrize("cast", CASTS)
@pytest.mark.parametrize("name", ["uhn", "uhn-positional", "uhn-structure", "chain-1"])
def test_no_cast_rounds_what_is_frozen(name: str, cast: str) -> None:
    source = stirred(name, "mlp")
    before = {key: buffer.clone() for key, buffer in source.named_buffers()}
    CASTS[cast](source)
    assert all(
        torch.equal(buffer, before[key]) and buffer.dtype == torch.float32 for key, buffer in source.named_buffers()
    )
    CASTS[cast](source.float())
    assert all(torch.equal(buffer.float(), before[key]) for key, buffer in source.float().named_buffers())


@pytest.mark.parametrize("encoding", ["gff", "positional", "raw"])
@every_half
def test_the_smallest_case_that_gave_other_weights(encoding: str, dtype: torch.dtype) -> None:
    spec = library.zoo("kan-g5-kv")
    source = UniversalHypernetwork.for_specs([spec], hidden=64, frequencies=1024, encoding=encoding)
    right = source(spec).detach()
    assert correlation(source.to(dtype).float()(spec).detach(), right) > 0.999


@every_half
@pytest.mark.parametrize("name", ["uhn", "uhn-structure", "uhn-positional", "chain-1"])
@pytest.mark.parametrize("assign", [False, True])
def test_a_rounded_state_is_refused(name: str, dtype: torch.dtype, assign: bool) -> None:
    source = stirred(name, "mlp")
    right = source(SPECS["mlp"]).detach()
    state = {key: value.to(dtype) for key, value in source.state_dict().items()}
    with pytest.raises(RuntimeError, match=r"encoding\.\w+ is frozen and wants float32 or float64, got a copy rounded"):
        source.load_state_dict(state, assign=assign)
    frozen = {key for key, _ in source.named_buffers()}
    source.load_state_dict({k: (v if k in frozen else state[k]) for k, v in source.state_dict().items()})
    assert correlation(source(SPECS["mlp"]).detach(), right) > 0.9995


@pytest.mark.parametrize(("name", "dtype"), [*HALVES, ("uhn", torch.float64), ("ha", torch.float64)])
def test_a_file_brings_back_the_same_bits_in_the_same_dtype(name: str, dtype: torch.dtype, tmp_path: Path) -> None:
    source, spec = stirred(name, CASES[name].models[0]).to(dtype), SPECS[CASES[name].models[0]]
    save_source(source, tmp_path / "source.safetensors")
    loaded = load_source(tmp_path / "source.safetensors")
    assert torch.equal(loaded(spec), source(spec)) and loaded(spec).dtype == dtype
    right = loaded(spec).detach().clone()
    content = bytearray((tmp_path / "source.safetensors").read_bytes())
    content[-64:] = bytes(64)
    with (tmp_path / "source.safetensors").open("r+b") as file:  # the same file, not another of its name
        file.write(content)
    assert torch.equal(loaded(spec), right) and all(p.requires_grad for p in loaded.parameters())


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@every_half
@pytest.mark.parametrize("encoding", ["gff", "positional", "raw"])
def test_a_half_precision_default_dtype_rounds_nothing_frozen(encoding: str, dtype: torch.dtype) -> None:
    right, spec = uhn(1, encoding=encoding, structure=True), SPECS["mlp"]
    with default_dtype(dtype):
        source = uhn(1, encoding=encoding, structure=True)
        assert all(torch.equal(a, b) for a, b in zip(source.buffers(), right.buffers(), strict=True))
        source.load_state_dict(right.state_dict())
        assert correlation(source(spec).detach(), right(spec).detach()) > 0.9995


def test_weights_in_half_precision_run_a_generated_hypernetwork() -> None:
    """The level of a chain by hand: its factored first layer takes weights of any floating dtype."""
    chain, spec = stirred("chain-1", "mlp"), SPECS["mlp"]
    level, flat = chain.level(1)
    features = IndexFeatures.of(spec, chain.root.ranges, chain.root.encoding)
    tokens = chain.root.structure.tokens(spec, chain.root.ranges)
    right = run(level, flat.detach(), library.Inputs(features, tokens=tokens))
    for dtype in (torch.bfloat16, torch.float16, torch.float64):
        got = run(level, flat.detach().to(dtype), library.Inputs(features, tokens=tokens.to(dtype)))
        assert got.dtype == dtype and correlation(got, right) > 0.9995
