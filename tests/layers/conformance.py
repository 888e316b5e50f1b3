"""What every layer must satisfy; kept apart from the tests, so that the mutation test can run it too."""

from __future__ import annotations

from typing import Any

import torch
from layer_cases import ORACLES, Case, normal, weights_of

from uhn.descriptors.blocks import index_table
from uhn.layers import Layer
from uhn.models import ModelSpec, unflatten
from uhn.vocabulary import INDEX_NAMES, OPEN

F64 = {"rtol": 1e-10, "atol": 1e-12}


def check_oracle(layer: Layer, case: Case) -> None:
    """Same output and same gradients, with respect to every weight and to the input, as the case's oracle."""
    weights = weights_of(case.layer)
    results = []
    for way in (layer.apply, ORACLES[case.layer.kind]):
        held = {name: value.clone().requires_grad_() for name, value in weights.items()}
        x = case.x.clone().requires_grad_(case.x.is_floating_point())
        y = way(held, x, case.inputs(x)) if way == layer.apply else way(case.layer, held, x, case.inputs(x))
        sources = [*held.values(), *([x] if x.requires_grad else [])]
        grads = torch.autograd.grad((y * normal(*y.shape, seed=9)).sum(), sources, materialize_grads=True)
        results.append([y.detach(), *grads])
    names = ["output", *weights, "input"]
    for name, got, wanted in zip(names, *results, strict=False):
        torch.testing.assert_close(got, wanted, **F64, msg=lambda text, name=name: f"{name}: {text}")


def check_declaration(layer: Layer, wanted: dict[str, tuple[int, dict[str, int], tuple[int, ...]]]) -> None:
    """Components are declared as typed out by hand: name, code, axes (field, size) and tensor shape."""
    got: dict[str, Any] = {
        param.name: (param.code, {axis.field: axis.size for axis in param.axes}, param.shape)
        for param in layer.params()
    }
    assert list(got) == list(wanted), f"components: wanted {list(wanted)}, got {list(got)}"
    for name, (code, axes, shape) in wanted.items():
        assert got[name][0] == code, f"{name}: wanted code {code}, got {got[name][0]}"
        assert list(got[name][1].items()) == list(axes.items()), f"{name}: wanted axes {axes}, got {got[name][1]}"
        assert got[name][2] == shape, f"{name}: wanted shape {shape}, got {got[name][2]}"


def check_layout(layer: Layer) -> None:
    """A model of two such layers: layout = declaration, and every weight has an index row of its own."""
    spec = ModelSpec("test", OPEN, (layer, layer), wiring="module")
    declared = [(number, param) for number in range(2) for param in layer.params()]
    assert [(slot.layer, slot.param) for slot in spec.layout] == declared
    offset = 0
    for slot in spec.layout:
        assert slot.offset == offset
        offset += slot.param.numel
    assert spec.num_params == offset
    flat = torch.arange(offset, dtype=torch.float64)
    for slot in spec.layout:
        tensor = unflatten(spec, flat)[slot.layer][slot.param.name]
        assert tensor.shape == slot.param.shape
        assert torch.equal(tensor.flatten(), flat[slot.span]), "components are row-major"
    table = index_table(spec)
    assert len(torch.unique(table, dim=0)) == offset, "two weights share an index row"
    for index in range(0, offset, max(1, offset // 50)):
        info = spec.explain(index)
        assert [info.descriptor[name] for name in INDEX_NAMES] == table[index].tolist()
