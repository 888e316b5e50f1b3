"""The compiled kernels: both paths against float64, each bit for bit with itself, and what happens without them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import source_oracle as oracle
import torch
from source_cases import stir
from torch import Tensor

from uhn import products
from uhn.descriptors.features import IndexFeatures
from uhn.descriptors.grids import Windows
from uhn.descriptors.ranges import Ranges
from uhn.kernels import build
from uhn.models import ModelSpec
from uhn.models.feedforward import cnn, mlp
from uhn.randomness import stream
from uhn.sources import UniversalHypernetwork, backends

SPEC = mlp((97, 65, 6, 3))
"""Odd and even axes; enough weights for windows of frequencies."""


@pytest.fixture(autouse=True)
def compiled() -> None:
    try:
        build.library(False)
    except build.CannotBuild as error:
        pytest.skip(f"eager only: {error}")
    for half in (False, True):  # kernels that are built and wrong are a failure, no reason to skip
        assert backends.unusable(half) is None


@pytest.fixture
def afresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty cache folder, and nothing remembered of this process."""
    monkeypatch.setenv("UHN_KERNEL_CACHE", str(tmp_path / "cache"))
    for cached in (backends.unusable, build.library):
        cached.cache_clear()
    yield tmp_path / "cache"
    for cached in (backends.unusable, build.library):
        cached.cache_clear()


def generator(spec: ModelSpec = SPEC, **settings: object) -> UniversalHypernetwork:
    small: dict[str, object] = {"hidden": 48, "frequencies": 250, "structure_frequencies": 4, "seed": 1}
    source = UniversalHypernetwork(Ranges.declared([spec]), **(small | settings))  # type: ignore[arg-type]
    stir(source)
    return source


def step(source: UniversalHypernetwork, spec: ModelSpec = SPEC, low: torch.dtype | None = None) -> list[Tensor]:
    """Weights and the gradient of every parameter for a fixed gradient of the weights."""
    upstream = torch.randn(spec.num_params, generator=stream(0, "upstream"))
    with torch.autocast("cpu", dtype=low or torch.bfloat16, enabled=low is not None):
        flat = source(spec)
    return [flat.detach(), *torch.autograd.grad(flat, list(source.parameters()), upstream)]


def exact(source: UniversalHypernetwork, spec: ModelSpec) -> list[Tensor]:
    """The same in float64, by the paper's equations."""
    state = {name: value.detach().double() for name, value in source.state_dict().items()}
    trained = [state[name].requires_grad_() for name, _ in source.named_parameters()]
    flat = oracle.root(spec, source.ranges, state)
    upstream = torch.randn(spec.num_params, generator=stream(0, "upstream")).double()
    return [flat.detach(), *torch.autograd.grad(flat, trained, upstream)]


def errors(got: list[Tensor], right: list[Tensor]) -> list[float]:
    return [float((a.double() - b).norm() / b.norm().clamp(min=1e-12)) for a, b in zip(got, right, strict=True)]


def test_the_plan_of_the_tests_spec_has_windows_of_unequal_sizes() -> None:
    source = generator()
    plan = IndexFeatures.of(SPEC, source.ranges, source.encoding)._planned()[0]
    assert plan is not None
    sizes = [[v.shape[1] for v in g.columns.cos.right] for g in plan.grids if isinstance(g.columns, Windows)]
    assert sizes and all(len(set(each)) > 1 and any(size % 16 for size in each) for each in sizes)


@pytest.mark.parametrize("settings", [
    {}, {"structure": True}, {"blocks": 0}, {"hidden": 16, "blocks": 3}, {"hidden": 112}, {"memory_mib": 0},
    {"encoding": "raw"},
], ids=str)  # fmt: skip
def test_both_paths_are_as_near_to_float64(settings: dict[str, object]) -> None:
    fused, eager = (generator(kernel=kernel, **settings) for kernel in ("fused", "eager"))
    assert fused.path("fp32") == "fused" and eager.path("fp32") == "eager"
    right = exact(fused, SPEC)
    found, plain = errors(step(fused), right), errors(step(eager), right)
    assert found[0] < 1.5 * plain[0] and max(found) < 1.5 * max(plain), (found, plain)


@pytest.mark.parametrize("memory", [0, 720])
def test_a_readout_of_zeros_has_its_gradient(memory: int) -> None:
    fused, eager = (generator(kernel=kernel, structure=True, memory_mib=memory) for kernel in ("fused", "eager"))
    with torch.no_grad():
        for source in (fused, eager):
            source.readout.weight[0, ::3] = 0
    right = exact(fused, SPEC)
    found, plain = errors(step(fused), right), errors(step(eager), right)
    assert max(found) < 1.5 * max(plain), (found, plain)


def test_a_convolution_of_two_layers_that_share_a_grid() -> None:
    spec = cnn((1, 1, 2, 1), (4, 4, 8, 64), channels=2, classes=3)
    fused, eager = (generator(spec, kernel=kernel) for kernel in ("fused", "eager"))
    right = exact(fused, spec)
    found, plain = errors(step(fused, spec), right), errors(step(eager, spec), right)
    assert found[0] < 1.5 * plain[0] and max(found) < 1.5 * max(plain), (found, plain)


def test_bfloat16_rounds_as_its_format_does() -> None:
    source = generator(kernel="fused", structure=True)
    right = exact(source, SPEC)
    found = errors(step(source, low=torch.bfloat16), right)
    assert 2**-8 / 100 < found[0] < 4 * 2**-8 and max(found[1:]) < 4 * 2**-4, found


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("low", [None, torch.bfloat16])
def test_the_number_of_threads_decides_the_bits_and_nothing_else_does(low: torch.dtype | None, threads: int) -> None:
    torch.set_num_threads(threads)
    try:
        first, second = (step(generator(kernel="fused", memory_mib=memory), low=low) for memory in (720, 0))
    finally:
        torch.set_num_threads(1)
    one = step(generator(kernel="fused"), low=low)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert max(errors(first, [tensor.double() for tensor in one])) < (2e-5 if low is None else 1e-2)


def test_a_small_model_takes_the_kernels_too() -> None:
    spec = mlp((5, 4, 3))
    fused, eager = (generator(spec, kernel=kernel) for kernel in ("fused", "eager"))
    found, plain = step(fused, spec), step(eager, spec)
    assert max(errors(found, [tensor.double() for tensor in plain])) < 2e-5
    assert not all(torch.equal(a, b) for a, b in zip(found, plain, strict=True))


@pytest.mark.parametrize(("settings", "words"), [
    ({"hidden": 24}, "a width that is a multiple of 16, and it is 24"),
    ({"kernel": "eager"}, "the setting kernel is eager"),
])  # fmt: skip
def test_what_the_kernels_cannot_do_is_eager_with_a_reason(settings: dict[str, object], words: str) -> None:
    source = generator(**settings)
    assert source.path("fp32") == "eager"
    reason = backends.why_eager(source.kernel, source.index.out_features, torch.device("cpu"), torch.float32, None)
    assert reason is not None and words in reason
    if "hidden" in settings:
        with pytest.raises(ValueError, match="kernel is fused, but .* 24"):
            generator(**settings, kernel="fused")(SPEC)
    assert source.double().path("fp32") == "eager"


def test_fp16_is_eager_where_the_initialisation_is_fused() -> None:
    source = generator(kernel="auto")
    assert (source.path("fp32"), source.path("bf16"), source.path("fp16")) == ("fused", "fused", "fused, fp16 eager")


def test_an_unknown_kernel_is_refused() -> None:
    with pytest.raises(ValueError, match="auto, eager, fused, got 'fast'"):
        generator(kernel="fast")


def nothing_works(reason: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Auto goes on without kernels, with one line for all; fused refuses."""
    source, eager = generator(kernel="auto"), generator(kernel="eager")
    assert all(torch.equal(a, b) for a, b in zip(step(source), step(eager), strict=True))
    assert source.path("fp32") == "eager"
    said = capfd.readouterr().err
    assert said.count("\n") == 1 and reason in said and "about half the time" in said
    with pytest.raises(ValueError, match="kernel is fused, but"):
        generator(kernel="fused")(SPEC)


def test_without_a_compiler(afresh: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    nothing_works("there is no C compiler", capfd)
    assert not afresh.exists()


def test_with_a_compiler_that_fails(
    afresh: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho no such instruction >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("CC", str(broken))
    nothing_works("no such instruction", capfd)
    assert list(afresh.glob("*.so")) == []


def test_without_a_place_to_write(
    afresh: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("UHN_KERNEL_CACHE", str(tmp_path / "file" / "cache"))
    nothing_works("cannot be written", capfd)


def test_with_kernels_that_compute_something_else(
    afresh: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(build.SOURCES, tmp_path / "changed")
    path = tmp_path / "changed" / "trunk.c"
    text = path.read_text()
    assert text.count("total(sum) + shift") == 1
    path.write_text(text.replace("total(sum) + shift", "total(sum) - shift"))
    monkeypatch.setattr(build, "SOURCES", tmp_path / "changed")
    nothing_works("the compiled kernel trunk differs from torch", capfd)


def test_a_library_is_built_once_and_by_its_content(afresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = build.built(False)
    monkeypatch.setattr(build, "_compile", lambda *args: pytest.fail("compiled again"))
    assert build.built(False) == first and [path.name for path in afresh.glob("*.so")] == [first.name]
    monkeypatch.setattr(build, "processor", lambda: "another")
    with pytest.raises(BaseException, match="compiled again"):
        build.built(False)


def test_products_are_those_of_torch_whatever_the_layout() -> None:
    a, b = torch.randn(37, 50), torch.randn(50, 21)
    for left in (a, a.t().contiguous().t(), torch.randn(37, 80)[:, 10:60], a[:0]):
        for right in (b, b.t().contiguous().t(), torch.randn(50, 40)[:, 3:24]):
            wanted, total = left.double() @ right.double(), torch.ones(left.shape[0], 21)
            got = products.product(left, right, plain=False)
            torch.testing.assert_close(got.double(), wanted, rtol=1e-5, atol=1e-4)
            assert torch.equal(products.product(left, right, plain=True), torch.mm(left, right))
            into = torch.empty_like(got)
            assert products.product(left, right, plain=False, out=into) is into and torch.equal(into, got)
            products.add_product(total, left, right, plain=False)
            torch.testing.assert_close(total.double(), wanted + 1, rtol=1e-5, atol=1e-4)


def test_long_sums_are_left_to_torch_which_loses_less() -> None:
    a, b = torch.randn(20, 4096), torch.randn(4096, 30)
    assert torch.equal(products.product(a, b, plain=False), torch.mm(a, b))


def test_which_library_multiplies_follows_from_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    products.onednn.cache_clear()
    monkeypatch.setattr(products, "_is_amd", lambda: False)
    assert products.onednn() is None
    products.onednn.cache_clear()
