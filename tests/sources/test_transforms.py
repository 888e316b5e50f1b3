"""torch's function transforms through every source, against the same transforms of the oracle in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from source_oracle import chain as oracle_chain
from source_oracle import index_rows
from source_oracle import root as oracle_root
from torch import Tensor
from torch.func import functional_call, grad, jacrev, jvp, vmap

from uhn.descriptors.frozen import CACHE
from uhn.models.feedforward import mlp
from uhn.models.hypernet import generated_uhn
from uhn.sources import UniversalHypernetwork, WeightSource, trunk
from uhn.sources.chain import Chain

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")  # torch's own

SPEC, OTHER = mlp((6, 9, 3)), mlp((6, 5, 3))
SETTINGS: dict[str, Any] = {"hidden": 16, "frequencies": 24, "structure_frequencies": 4}
Parameters = dict[str, Tensor]


def root(kernel: str, **settings: Any) -> UniversalHypernetwork:
    torch.manual_seed(0)
    made = UniversalHypernetwork.for_specs([SPEC, OTHER], kernel=kernel, **SETTINGS | settings)
    assert made.structure is not None
    torch.nn.init.normal_(made.structure.linear2.weight, std=0.3)
    return made


def chained(kernel: str) -> Chain:
    level = generated_uhn(structure_frequencies=4, index_frequencies=24, hidden=16)
    made = UniversalHypernetwork.for_specs([level, SPEC], kernel=kernel, **SETTINGS)
    with torch.no_grad():
        made.readout.weight.mul_(0.1)
    return Chain(made, [level])


CASES = {
    "eager": lambda: root("eager"),
    "fused": lambda: root("fused"),
    "positional": lambda: root("eager", encoding="positional"),
    "whole": lambda: root("eager"),
    "chain eager": lambda: chained("eager"),
    "chain fused": lambda: chained("fused"),
}


@pytest.fixture(params=CASES)
def source(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> WeightSource:
    """A source that takes the way of large models."""
    monkeypatch.setattr(trunk, "EAGER_WEIGHTS", 0)
    if "fused" in request.param and trunk.kernels_for("auto", torch.zeros(16, 48), None) is None:
        pytest.skip("wants a C compiler")
    made: WeightSource = CASES[request.param]()
    if request.param == "whole":
        monkeypatch.setattr(made, "whole", True)
    return made


def both(source: WeightSource) -> tuple[Callable[..., Tensor], Callable[..., Tensor], Parameters, Parameters]:
    """A scalar of the weights as a function of the parameters: ours and the oracle's, with the parameters of each."""
    for spec in (SPEC, *getattr(source, "levels", ())):
        index_rows(spec)  # the oracle keeps them
    own = dict(source.named_parameters())
    frozen = {n: b.double() for n, b in source.named_buffers()}
    exact = {n: p.detach().double() for n, p in own.items()}

    def ours(parameters: Parameters) -> Tensor:
        return (functional_call(source, parameters, (SPEC,)) - 0.2).square().sum()

    def oracle(parameters: Parameters) -> Tensor:
        if isinstance(source, Chain):
            flat = oracle_chain(source.levels, SPEC, source.root.ranges, parameters | frozen)
        else:
            flat = oracle_root(SPEC, source.ranges, parameters | frozen)  # type: ignore[arg-type]
        return (flat - 0.2).square().sum()

    return ours, oracle, own, exact


def alike(got: Parameters, wanted: Parameters, tolerance: float = 1e-3) -> None:
    whole = torch.cat([value.flatten() for value in wanted.values()]).norm()
    for name, value in wanted.items():
        assert (got[name].double() - value).norm() < tolerance * whole, name


def test_gradients_and_derivatives_of_them(source: WeightSource) -> None:
    ours, oracle, own, exact = both(source)
    direction = {n: torch.randn_like(p) for n, p in own.items()}
    wide = {n: v.double() for n, v in direction.items()}
    slope, curvature = jvp(grad(oracle), (exact,), (wide,))

    first = grad(ours)(own)  # before anything else has been formed
    alike(first, slope)
    rise, wanted = jvp(ours, (own,), (direction,))[1], jvp(oracle, (exact,), (wide,))[1]
    torch.testing.assert_close(rise.double(), wanted, rtol=1e-3, atol=0.0)
    alike(jvp(grad(ours), (own,), (direction,))[1], curvature, 5e-3)

    plain = torch.autograd.grad(ours(own), list(own.values()), create_graph=True)
    alike(dict(zip(own, plain, strict=True)), slope)
    along = sum((g * d).sum() for g, d in zip(plain, direction.values(), strict=True))
    assert isinstance(along, Tensor)
    again = torch.autograd.grad(along, list(own.values()))
    alike(dict(zip(own, again, strict=True)), curvature, 5e-3)


def test_several_generators_at_once(source: WeightSource) -> None:
    ours, oracle, own, exact = both(source)
    factors = (1.0, 0.9, 1.1)
    stacked = {n: torch.stack([f * p.detach() for f in factors]) for n, p in own.items()}
    wanted = torch.stack([oracle({n: f * p for n, p in exact.items()}) for f in factors])
    torch.testing.assert_close(vmap(ours)(stacked).double(), wanted, rtol=1e-3, atol=0.0)
    slopes = vmap(grad(ours))(stacked)
    alike({n: s[1] for n, s in slopes.items()}, grad(oracle)({n: 0.9 * p for n, p in exact.items()}))


def test_nothing_that_a_transform_formed_is_kept(source: WeightSource) -> None:
    """What a call under a transform forms first is used by ordinary calls after it, forward and backward."""
    ours, oracle, own, exact = both(source)
    vmap(ours)({n: torch.stack([p.detach(), p.detach()]) for n, p in own.items()})
    flat = source(SPEC)
    flat.sum().backward()
    part = source.root if isinstance(source, Chain) else source
    assert CACHE in part.encoding.__dict__  # type: ignore[union-attr]
    torch.testing.assert_close(ours(own).double(), oracle(exact), rtol=1e-3, atol=0.0)


@pytest.mark.parametrize("mode", ["add", "film"])
def test_conditions_one_by_one_are_conditions_together(mode: str) -> None:
    generator = root("auto", condition=3, condition_mode=mode)
    assert generator.condition is not None
    torch.nn.init.normal_(generator.condition.last.weight, std=0.3)
    conditions = torch.randn(4, 3)
    wanted = generator(SPEC, condition=conditions)
    torch.testing.assert_close(vmap(lambda c: generator(SPEC, condition=c))(conditions), wanted, rtol=1e-3, atol=1e-5)
    step = 3e-3 * torch.randn(3)
    by_condition = jacrev(lambda c: generator(SPEC, condition=c))(conditions[0])
    moved = (generator(SPEC, condition=conditions[0] + step) - generator(SPEC, condition=conditions[0] - step)) / 2
    assert (by_condition @ step - moved).norm() < 0.15 * moved.norm()


def test_the_frozen_matrix_is_no_parameter() -> None:
    generator = root("auto")
    state = dict(generator.named_parameters()) | dict(generator.named_buffers())
    with pytest.raises(ValueError, match="give functional_call the generator's parameters, not its buffers"):
        grad(lambda s: functional_call(generator, s, (SPEC,)).sum())(state)
