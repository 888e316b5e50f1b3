"""Records every family with torch's exporters and compares; prints one JSON object: what was tried -> error or "".

A program of its own, because the shape checks of the tests wrap functions in what no exporter can look through.
"""

from __future__ import annotations

import importlib.util
import json
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

import uhn
from tests.models.foreign_modules import CASES
from uhn import to_module, zoo

TOKENS = torch.tensor([[2, 40, 7, 9], [2, 4999, 1, 1]])
EDGES = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
LARGER = torch.tensor([[0, 8, 3, 3, 3, 5], [1, 0, 4, 5, 8, 0]])
Call = tuple[Tensor, dict[str, Tensor]]
Recorded = Callable[..., Tensor]
ARGUMENTS: dict[str, Call] = {
    "mlp-mnist": (torch.randn(2, 1, 28, 28), {}),
    "cnn8-mnist": (torch.randn(2, 1, 28, 28), {}),
    "gcn-pubmed": (torch.rand(4, 500), {"edges": EDGES}),
    "gat-pubmed": (torch.rand(4, 500), {"edges": EDGES}),
    "transformer1-imdb": (TOKENS, {"padding": TOKENS == 1}),
    "kan-g5-kv": (torch.randn(5, 2), {}),
    "uhn-generated": (torch.randn(5, 2048), {"tokens": torch.randn(1, 3, 64)}),
}


LOOKING = ("gcn-pubmed", "transformer1-imdb")
"""Families whose layers look at values where they can."""


KERNELS = ("eager", "auto")

TO_ONNX = ("U-Net", "ResNet", "ViT", "LSTM")
"""Foreign networks that go to ONNX where it is installed."""


def ways(name: str, module: nn.Module) -> Iterator[tuple[str, Callable[[], Recorded], list[Call]]]:
    """(what it is called, how to record it, calls that must agree) of every way that is tried."""
    x, others = ARGUMENTS[name]
    yield f"{name} export", lambda: export(module, x, others), [(x, others)]
    if name in LOOKING:
        yield f"{name} strict export", lambda: export(module, x, others, strict=True), [(x, others)]
        yield f"{name} compile", lambda: torch.compile(module, backend="eager", fullgraph=True), [(x, others)]
    if importlib.util.find_spec("onnxscript") and importlib.util.find_spec("onnxruntime"):
        yield f"{name} onnx", lambda: onnx(module, x, others), [(x, others)]
    if "edges" in others:
        shapes = {"x": {0: torch.export.Dim("nodes", min=2)}, "edges": {1: torch.export.Dim("count", min=2)}}
        calls = [(x, others), (torch.rand(9, 500), {"edges": LARGER})]
        yield f"{name} other graphs", lambda: export(module, x, others, dynamic_shapes=shapes), calls
        given = others | {"edge_weight": torch.rand(8)}
        yield f"{name} given weights", lambda: export(module, x, given), [(x, given)]
        yield f"{name} trace", lambda: torch.jit.trace(module, (x, EDGES)), [(x, others)]


def compiled_steps() -> dict[str, str]:
    """A generator, and a whole training step, through ``torch.compile``: the same weights, losses and gradients."""
    spec, x = uhn.mlp((6, 8, 3)), torch.randn(4, 6)
    found = {}
    for kernel in KERNELS:
        generator = uhn.UniversalHypernetwork.for_specs([spec], hidden=16, frequencies=32, kernel=kernel)
        parameters = list(generator.parameters())

        def loss(generator: Callable[..., Tensor] = generator) -> Tensor:
            return uhn.run(spec, generator(spec), x).square().mean()

        def step(loss: Callable[[], Tensor] = loss, generator: nn.Module = generator) -> Tensor:
            generator.zero_grad()
            loss().backward()
            return loss()

        try:
            torch.testing.assert_close(torch.compile(generator, backend="eager")(spec), generator(spec))
            wanted = torch.autograd.grad(loss(), parameters)
            torch.testing.assert_close(torch.compile(step, backend="eager")(), loss())
            torch.testing.assert_close([p.grad for p in parameters], list(wanted))
            found[f"{kernel} step"] = ""
        except Exception as error:
            found[f"{kernel} step"] = f"{type(error).__name__}: {error}"
    return found


def foreign_networks() -> dict[str, str]:
    """Described networks with generated weights, through torch.export and, some of them, ONNX."""
    found = {}
    for case in CASES:
        torch.manual_seed(0)
        module, inputs = case.make(), case.inputs()
        spec = uhn.describe(module, case.only)
        plain = uhn.to_module(spec, 0.1 * torch.randn(spec.num_params), module)
        ways: dict[str, Callable[[], Callable[..., Tensor]]] = {
            "export": lambda m=plain, x=inputs: torch.export.export(m, x).module()
        }
        if case.name in TO_ONNX and importlib.util.find_spec("onnxscript") and importlib.util.find_spec("onnxruntime"):
            ways["onnx"] = lambda m=plain, x=inputs: onnx(m, x[0], {})
        for way, record in ways.items():
            try:
                torch.testing.assert_close(record()(*inputs), plain(*inputs), rtol=1e-4, atol=1e-5)
                found[f"{case} {way}"] = ""
            except Exception as error:
                found[f"{case} {way}"] = f"{type(error).__name__}: {error}"
    return found


def main() -> None:
    torch.manual_seed(0)
    warnings.simplefilter("ignore")  # the exporters' own
    found = compiled_steps() | foreign_networks()
    for name in ARGUMENTS:
        spec = zoo(name)
        module = to_module(spec, 0.1 * torch.randn(spec.num_params))
        for what, record, calls in ways(name, module):
            try:
                recorded = record()
                for x, others in calls:
                    torch.testing.assert_close(recorded(x, **others), module(x, **others), rtol=1e-4, atol=1e-5)
                found[what] = ""
            except Exception as error:  # of whatever kind: the test that asks for it shows it
                found[what] = f"{type(error).__name__}: {error}"
    print(json.dumps(found))


def export(module: nn.Module, x: Tensor, others: dict[str, Tensor], **settings: object) -> Recorded:
    return torch.export.export(module, (x,), others, **settings).module()


def onnx(module: nn.Module, x: Tensor, others: dict[str, Tensor]) -> Recorded:
    import onnxruntime

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        torch.onnx.export(module, (x,), path, kwargs=others, dynamo=True, verbose=False)
        session = onnxruntime.InferenceSession(path)
    names = [each.name for each in session.get_inputs()]

    def call(x: Tensor, **others: Tensor) -> Tensor:
        values = [x, *others.values()]
        return torch.from_numpy(session.run(None, {n: v.numpy() for n, v in zip(names, values, strict=True)})[0])

    return call


if __name__ == "__main__":
    main()
