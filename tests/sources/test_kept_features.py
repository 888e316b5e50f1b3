"""What a source keeps between calls: never an inference tensor, never stale, and nothing that a copy takes along."""

from __future__ import annotations

import copy
import io
import pickle

import pytest
import torch
from source_cases import CASES, SPECS, uhn
from torch import Tensor, nn

from uhn.descriptors.features import IndexFeatures
from uhn.models import ModelSpec
from uhn.sources import UniversalHypernetwork, WeightSource

every_source = pytest.mark.parametrize("name", CASES)
every_encoding = pytest.mark.parametrize("encoding", ["gff", "positional", "raw"])


def each(name: str) -> list[tuple[WeightSource, WeightSource, ModelSpec]]:
    """A source and its equal, for a spec on either side of the size from which activations are recomputed."""
    case = CASES[name]
    return [(case.build(SPECS[m], 1), case.build(SPECS[m], 1), SPECS[m]) for m in case.both_paths]


def trained(source: WeightSource, spec: ModelSpec) -> list[Tensor]:
    """The weights and every parameter's gradient."""
    flat = source(spec)
    flat.square().sum().backward()
    return [flat.detach(), *(p.grad for p in source.parameters() if p.grad is not None)]


def same(one: list[Tensor], other: list[Tensor]) -> bool:
    return len(one) == len(other) and all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@every_source
def test_training_goes_on_after_a_first_look_under_inference_mode(name: str) -> None:
    for looked_at, source, spec in each(name):
        with torch.inference_mode():
            seen = looked_at(spec).clone()
        assert torch.equal(seen, source(spec))
        assert same(trained(looked_at, spec), trained(source, spec))


@every_encoding
def test_a_generator_made_under_inference_mode_gives_its_weights_and_forgets_what_changed(encoding: str) -> None:
    spec, right = SPECS["large"], uhn(1, encoding=encoding)
    with torch.inference_mode():
        source = uhn(1, encoding=encoding)
        assert torch.equal(source(spec), right(spec))
        source.load_state_dict(uhn(2, encoding=encoding).state_dict())
        assert torch.equal(source(spec), uhn(2, encoding=encoding)(spec))
    with torch.no_grad():
        assert torch.equal(source(spec), uhn(2, encoding=encoding)(spec))


def saved(source: nn.Module) -> bytes:
    buffer = io.BytesIO()
    torch.save(source, buffer)
    return buffer.getvalue()


@every_source
@pytest.mark.parametrize("write", [pickle.dumps, saved], ids=["pickle", "torch.save"])
def test_files_are_as_small_after_a_call_as_before(name: str, write) -> None:
    source, _, spec = each(name)[-1]
    _ = spec.layout, spec.hash  # what a spec knows of itself is small
    before = len(write(source))
    flat = source(spec).detach()
    assert len(write(source)) < before + 2000
    assert torch.equal(pickle.loads(pickle.dumps(source))(spec), flat)


@every_source
@pytest.mark.parametrize("copied", [copy.deepcopy, copy.copy])
def test_a_copy_has_the_weights_and_nothing_that_was_kept(name: str, copied) -> None:
    source, _, spec = each(name)[-1]
    flat = source(spec).detach()
    other = copied(source)
    if copied is copy.deepcopy:
        assert not any("_features" in module.__dict__ for module in other.modules())
    assert torch.equal(other(spec), flat)


def test_features_themselves_are_copied_without_what_they_formed() -> None:
    source, spec = uhn(1), SPECS["large"]
    features = IndexFeatures.of(spec, source.ranges, source.encoding)
    before, weight = len(pickle.dumps(features)), torch.randn(3, features.shape[1])
    right = features.project(weight, None)
    assert len(pickle.dumps(features)) < before + 2000
    for other in (copy.deepcopy(features), pickle.loads(pickle.dumps(features))):
        assert torch.equal(other.project(weight, None), right)


@every_encoding
def test_moving_a_generator_forgets_what_it_kept(encoding: str) -> None:
    source, spec = uhn(1, encoding=encoding), SPECS["large"]
    flat = source(spec).detach()
    for move in (lambda s: s.to("cpu"), lambda s: s.double().float(), lambda s: s.share_memory()):
        assert "_features" in source.encoding.__dict__
        move(source)
        assert "_features" not in source.encoding.__dict__
        assert torch.equal(source(spec), flat)


def test_a_matrix_at_a_used_address_is_not_taken_for_the_one_before() -> None:
    """The allocator gives the place of the matrix that went to the next one of its size."""
    spec, source = SPECS["mlp"], uhn(1)
    state, matrix = source.state_dict(), source.encoding.matrix.clone()
    for factor in range(1, 12):
        source.encoding.matrix = matrix * factor
        other = UniversalHypernetwork(source.ranges, hidden=16, frequencies=32)
        other.load_state_dict(state | {"encoding.matrix": matrix * factor})
        assert torch.equal(source(spec), other(spec)), factor
