"""What a user may get wrong in training: ``uhn.fit``, ``generator.initialise`` and ``uhn.output_regulariser``."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from bad_values import MODULE, NO_LISTS, NO_SPECS, SETTINGS, SPEC, Calls
from torch.utils.data import TensorDataset

import uhn


def fits() -> Calls:
    """(what is called and with what, the call)."""
    generator = uhn.UniversalHypernetwork.for_specs([SPEC], condition=2, **SETTINGS)
    plain, direct = uhn.UniversalHypernetwork.for_specs([SPEC], **SETTINGS), uhn.Direct(SPEC)
    foreign, x, y = uhn.describe(MODULE), torch.randn(4, 4), torch.tensor([0, 1, 2, 0])
    other = uhn.UniversalHypernetwork.for_specs([foreign], **SETTINGS)
    own, data = torch.optim.SGD(plain.parameters(), lr=0.1), {SPEC: (x, y)}
    strange = torch.optim.SGD(MODULE.parameters(), lr=0.1)
    step = torch.optim.lr_scheduler.StepLR(own, 1)
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(own)

    def fit(source: Any = plain, data: Any = data, **settings: Any) -> Any:
        given = {"loss": F.cross_entropy, "steps": 2, "progress": False, "checkpoint": None} | settings
        return uhn.fit(source, data, **given)

    for what, source in (("a module", MODULE), ("a spec", SPEC), ("hypernetized", uhn.hypernetize(MODULE, **SETTINGS))):
        yield f"fit({what})", lambda source=source: fit(source)
    for what, value in NO_SPECS.items():
        if value.__hash__ is not None:
            yield f"fit(data for {what})", lambda value=value: fit(data={value: (x, y)})
    for what, value in (("a loader", [(x, y)]), ("nothing", None), ("no model", {}), ("a spec", SPEC)):
        yield f"fit(data: {what})", lambda value=value: fit(data=value)
    for what, value in (
        ("a tensor", x),
        ("a data set", TensorDataset(x, y)),
        ("a name", "mnist"),
        ("a number", 3),
        ("one part", (x,)),
        ("four parts", (x, y, x, y)),
        ("batches of a tensor", [x, y]),
        ("no batch", []),
        ("a condition that is a list", (x, y, [0.0, 1.0])),
        ("a function of nothing", lambda number: None),
        ("an iterator that runs out", iter([(x, y)])),
    ):
        yield f"fit(data of a model: {what})", lambda value=value: fit(data={SPEC: value})
    yield "fit(batches of a loader)", lambda: fit(data={SPEC: [(x, y)]}, batch_size=2)
    yield "fit(rows of other lengths)", lambda: fit(data={SPEC: (x, y[:2])}, batch_size=2)
    yield "fit(rows of a list)", lambda: fit(data={SPEC: (x, [0, 1, 2, 0])}, batch_size=2)
    for name, values in {
        "steps": (0, -1, 2.5, "10", None, True),
        "report_every": (0, 1.5),
        "batch_size": (0, 2.0),
        "seed": (0.5, "a"),
        "lr": (0, -1.0, "fast", float("nan")),
        "warmup": (-1, 0.5),
        "clip": (0, "no"),
        "save_every": (0, "often"),
        "progress": ("yes", 2),
        "precision": ("fp8", 16, None, ["fp32"]),
        "callbacks": ([3], ["print"], print, 3),
        "loss": (None, "mse", 3, {}, {SPEC: None}),
        "regulariser": (3, torch.tensor(1.0)),
        "modules": ({SPEC: MODULE}, {foreign: MODULE}, [MODULE], MODULE),
        "embeddings": (torch.nn.Embedding(3, 2), 3),
        "also": (MODULE, [SPEC]),
        "optimiser": (torch.optim.SGD, "adam", strange),
        "scheduler": (step,),
    }.items():
        for number, value in enumerate(values):
            yield f"fit({name}, {number})", lambda name=name, value=value: fit(**{name: value})
    yield "fit(optimiser and lr)", lambda: fit(optimiser=own, lr=0.1)
    yield "fit(optimiser and warm-up)", lambda: fit(optimiser=own, warmup=3)
    yield "fit(a scheduler that wants a metric)", lambda: fit(optimiser=own, scheduler=plateau)
    yield "fit(another's scheduler)", lambda: fit(direct, optimiser=torch.optim.SGD([direct.flat]), scheduler=step)
    yield "fit(no module)", lambda: fit(other, {foreign: (x, y)})
    yield "fit(another module)", lambda: fit(other, {foreign: (x, y)}, modules={foreign: torch.nn.Linear(2, 3)})
    frozen = uhn.UniversalHypernetwork.for_specs([SPEC], **SETTINGS).requires_grad_(False)
    yield "fit(frozen)", lambda: fit(frozen)
    yield "initialise(frozen)", lambda: frozen.initialise([SPEC])
    yield "fit(a condition for none)", lambda: fit(data={SPEC: (x, y, torch.zeros(2))})
    yield "fit(a condition for direct)", lambda: fit(direct, {SPEC: (x, y, torch.zeros(2))})
    yield "fit(a condition of another width)", lambda: fit(generator, {SPEC: (x, y, torch.zeros(3))})
    yield "fit(an id for no embeddings)", lambda: fit(generator, {SPEC: (x, y, torch.tensor(1))})
    yield "fit(conditions without a row each)", lambda: fit(generator, {SPEC: (x, y, torch.zeros(3, 2))})
    for what, loss in (("rows", lambda a, b: a), ("a number", lambda a, b: 3.0), ("constant", lambda a, b: x.sum())):
        yield f"fit(a loss of {what})", lambda loss=loss: fit(loss=loss)
    for what, value in NO_LISTS.items():
        if what != "a spec":
            yield f"initialise({what})", lambda value=value: plain.initialise(value)
    yield "initialise(no spec)", lambda: plain.initialise([])
    for name, values in {
        "steps": (0, 1.5, None),
        "until": (0, -1, "low"),
        "lr": (0, "fast"),
        "warmup": (-1,),
        "clip": (0,),
        "progress": (1,),
        "seed": ("a",),
    }.items():
        for value in values:
            yield f"initialise({name}={value!r})", lambda n=name, v=value: plain.initialise([SPEC], **{n: v})
    for what, value in (("a module", MODULE), ("a spec", SPEC)):
        yield f"output_regulariser({what})", lambda value=value: uhn.output_regulariser(value, [SPEC])
    c = torch.zeros(2)
    for what, old in (
        ("a spec", SPEC),
        ("none", []),
        ("a generator", generator),
        ("names", ["mlp"]),
        ("a pair of three", [(SPEC, c, c)]),
        ("a condition that is a name", [(SPEC, "me")]),
        ("a condition of another width", [(SPEC, torch.zeros(3))]),
        ("two conditions at once", [(SPEC, torch.zeros(2, 2))]),
        ("a condition for a name", [("mlp", c)]),
    ):
        yield f"output_regulariser(old: {what})", lambda old=old: uhn.output_regulariser(generator, old)
    yield "output_regulariser(a condition for none)", lambda: uhn.output_regulariser(plain, [(SPEC, c)])
    yield "output_regulariser(a condition for direct)", lambda: uhn.output_regulariser(direct, [(SPEC, c)])
    yield "output_regulariser(weight=0)", lambda: uhn.output_regulariser(generator, [SPEC], 0)
