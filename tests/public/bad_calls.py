"""What a user may get wrong at every public entry point; prints one JSON object: call -> [error, its message].

A program of its own: the shape checks of the tests would refuse most of it before the library does.
"""

from __future__ import annotations

import json
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from bad_fits import fits
from bad_settings import settings
from bad_specs import specs
from bad_values import MODULE, NO_LISTS, NO_MODULES, NO_SPECS, SETTINGS, SPEC, Calls

import uhn
from uhn import export
from uhn.descriptors.ranges import Ranges
from uhn.models.hypernet import generated_uhn
from uhn.sources import ChunkedHypernetwork, HaHypernetwork
from uhn.tasks import load_task


def calls(folder: Path) -> Calls:
    """(what is called and with what, the call) of everything that must be refused."""
    generator = uhn.UniversalHypernetwork.for_specs([SPEC], **SETTINGS)
    level = generated_uhn(structure_frequencies=4, index_frequencies=8, hidden=16)
    root = uhn.UniversalHypernetwork.for_specs([level, SPEC], **SETTINGS)
    direct, chain = uhn.Direct(SPEC), uhn.Chain(root, [level])
    ranges, flat, x = generator.ranges, direct.flat.detach(), torch.randn(2, 4)
    no_flat: dict[str, Any] = {
        "a source": direct,
        "an array": flat.numpy(),
        "a list": flat.tolist(),
        "nothing": None,
        "a name": "flat",
        "integers": flat.long(),
        "a state dict": direct.state_dict(),
        "one too many": torch.zeros(len(flat) + 1),
        "one too few": torch.zeros(len(flat) - 1),
        "batches of batches": flat[None, None],
        "a scalar": torch.tensor(1.0),
    }
    wants_spec: dict[str, Callable[[Any], Any]] = {
        "generator": generator,
        "generator.check": generator.check,
        "chain": chain,
        "direct": direct,
        "Direct": uhn.Direct,
        "HaHypernetwork": HaHypernetwork,
        "ChunkedHypernetwork": ChunkedHypernetwork,
        "run": lambda spec: uhn.run(spec, flat, x),
        "weights": lambda spec: uhn.weights(spec, flat),
        "to_module": lambda spec: uhn.to_module(spec, flat),
        "state_dict": lambda spec: uhn.state_dict(spec, flat),
        "export.save": lambda spec: export.save(folder / "model", spec, flat),
        "matching_loss": lambda spec: uhn.matching_loss(flat, spec),
        "Ranges.fitted": Ranges.fitted,
    }
    for entry, call in wants_spec.items():
        for what, value in NO_SPECS.items():
            yield f"{entry}({what})", lambda call=call, value=value: call(value)
    wants_list: dict[str, Callable[[Any], Any]] = {
        "for_specs": lambda specs: uhn.UniversalHypernetwork.for_specs(specs, **SETTINGS),
        "Ranges.declared": Ranges.declared,
        "Chain": lambda levels: uhn.Chain(root, levels),
    }
    for entry, call in wants_list.items():
        for what, value in NO_LISTS.items():
            yield f"{entry}({what})", lambda call=call, value=value: call(value)
    yield "for_specs(no spec)", lambda: uhn.UniversalHypernetwork.for_specs([])
    wants_flat: dict[str, Callable[[Any], Any]] = {
        "run": lambda flat: uhn.run(SPEC, flat, x),
        "to_module": lambda flat: uhn.to_module(SPEC, flat),
        "state_dict": lambda flat: uhn.state_dict(SPEC, flat),
        "export.save": lambda flat: export.save(folder / "model", SPEC, flat),
        "matching_loss": lambda flat: uhn.matching_loss(flat, SPEC),
    }
    for entry, call in wants_flat.items():
        for what, value in no_flat.items():
            yield f"{entry}(flat: {what})", lambda call=call, value=value: call(value)
    yield from inputs(flat)
    yield from settings(ranges, root, level)
    yield from specs()
    yield from files(folder, generator, flat)
    yield from fits()
    for what, value in NO_SPECS.items():
        if value is not None:
            yield f"from_module(spec: {what})", lambda value=value: uhn.from_module(MODULE, value)
    described, other = uhn.describe(MODULE), torch.nn.Linear(2, 3)
    yield "from_module(another module)", lambda: uhn.from_module(other, described)
    yield "from_module(another spec)", lambda: uhn.from_module(uhn.to_module(SPEC, flat), described)
    yield "to_module(no module)", lambda: uhn.to_module(described, torch.zeros(15))
    yield "to_module(another module)", lambda: uhn.to_module(described, torch.zeros(15), other)
    yield "to_module(a module in vain)", lambda: uhn.to_module(SPEC, flat, MODULE)
    for what, value in NO_MODULES.items():
        yield f"from_module({what})", lambda value=value: uhn.from_module(value)
        if value is not None:
            yield f"to_module(module: {what})", lambda v=value: uhn.to_module(described, torch.zeros(15), v)
        yield f"describe({what})", lambda value=value: uhn.describe(value)
        yield f"hypernetize({what})", lambda value=value: uhn.hypernetize(value)
        yield f"call({what})", lambda value=value: uhn.call(value, uhn.describe(MODULE), torch.zeros(15), x)
    for what, value in NO_SPECS.items():
        yield f"call(spec: {what})", lambda value=value: uhn.call(MODULE, value, torch.zeros(15), x)
        yield f"recalibrate(spec: {what})", lambda value=value: uhn.recalibrate(MODULE, value, torch.zeros(15), [x])
    for what, value in (("a source", direct), ("an array", np.zeros(15)), ("nothing", None), ("a list", [0.0] * 15)):
        yield f"call(flat: {what})", lambda value=value: uhn.call(MODULE, uhn.describe(MODULE), value, x)
        yield f"weights(flat: {what})", lambda value=value: uhn.weights(SPEC, value)
    for what, value in (("a spec", SPEC), ("unknown", "mlp"), ("a list", ["mlp-mnist"]), ("no", None), ("a type", str)):
        yield f"zoo({what})", lambda value=value: uhn.zoo(value)
        yield f"load_task({what})", lambda value=value: load_task(value, root=folder, seed=0)


def inputs(flat: torch.Tensor) -> Calls:
    image, text, graph, kan = (uhn.zoo(f"{n}") for n in ("cnn8-mnist", "transformer1-imdb", "gcn-pubmed", "kan-g5-kv"))
    for what, value in (
        ("an array", np.zeros((2, 4), dtype=np.float32)),
        ("a list", [[0.0] * 4]),
        ("nothing", None),
        ("a number", 3.0),
        ("one row", torch.zeros(4)),
        ("another width", torch.zeros(2, 5)),
        ("a scalar", torch.tensor(1.0)),
        ("integers", torch.zeros(2, 4, dtype=torch.int64)),
        ("a dict", {"x": torch.zeros(2, 4)}),
        ("inputs of an array", None),
    ):
        if what == "inputs of an array":
            yield "Inputs(an array)", lambda: uhn.Inputs(np.zeros((2, 4)))
            continue
        yield f"run(x: {what})", lambda value=value: uhn.run(SPEC, flat, value)
        yield f"module(x: {what})", lambda value=value: uhn.to_module(SPEC, flat)(value)
    for name in ("edges", "edge_weight", "padding", "tokens"):
        for what, value in (("an array", np.zeros((2, 4))), ("a list", [1, 2])):
            given = {name: value}
            yield f"Inputs({name}: {what})", lambda given=given: uhn.Inputs(torch.zeros(2, 4), **given)
    for what, spec, x in (
        ("one image", image, torch.zeros(1, 28, 28)),
        ("integer images", image, torch.zeros(2, 1, 28, 28, dtype=torch.uint8)),
        ("one text", text, torch.zeros(4, dtype=torch.int64)),
        ("real tokens", text, torch.zeros(2, 4)),
        ("one node", graph, uhn.Inputs(torch.zeros(500), edges=torch.zeros(2, 0, dtype=torch.int64))),
        ("no edges", graph, torch.zeros(3, 500)),
        ("integer nodes", graph, uhn.Inputs(torch.zeros(3, 500).long(), torch.zeros(2, 0).long(), torch.ones(3))),
        ("one point", kan, torch.zeros(2)),
        ("integer points", kan, torch.zeros(4, 2).long()),
    ):
        yield f"run(x: {what})", lambda spec=spec, x=x: uhn.run(spec, torch.zeros(spec.num_params), x)


class Mine(uhn.UniversalHypernetwork):
    """Somebody's own."""


class Own(uhn.Direct):
    """Somebody's own, with a kind of its own."""

    kind = "own"


def files(folder: Path, generator: Any, flat: torch.Tensor) -> Calls:
    uhn.save_source(uhn.Direct(SPEC), folder / "direct")
    mine = Mine(generator.ranges, **SETTINGS)
    for what, value in (
        ("a subclass", mine),
        ("a subclass with a kind", Own(SPEC)),
        ("a chain of a subclass", uhn.Chain(mine, [])),
        ("a spec", SPEC),
        ("a module", MODULE),
        ("weights", flat),
        ("a state dict", generator.state_dict()),
    ):
        yield f"save_source({what})", lambda v=value: uhn.save_source(v, folder / "refused")
    yield "generator.save of a subclass", lambda: mine.save(folder / "refused")
    yield "UniversalHypernetwork.load(a direct source)", lambda: uhn.UniversalHypernetwork.load(folder / "direct")
    for entry, load in (("load_source", uhn.load_source), ("export.load", export.load)):
        places = {"no file": folder / "none", "a folder": folder, "a spec": SPEC, "a number": 3, "nothing": None}
        for what, value in places.items():
            yield f"{entry}({what})", lambda load=load, v=value: load(v)


def main() -> None:
    warnings.simplefilter("error")
    found: dict[str, list[str]] = {}
    with tempfile.TemporaryDirectory() as name:
        for what, call in calls(Path(name)):
            assert what not in found, what
            try:
                found[what] = ["nothing", repr(call())[:100]]
            except Exception as error:
                found[what] = [type(error).__name__, str(error)]
        found["left behind"] = sorted(path.name for path in Path(name).iterdir())
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
