"""Descriptions of models that are none."""

from __future__ import annotations

import math

import torch
from bad_values import MODULE, SPEC, Calls

import uhn
from uhn.layers import Conv, Linear
from uhn.models.feedforward import cnn, mlp
from uhn.models.hypernet import generated_uhn
from uhn.models.kan import kan
from uhn.models.transformer import transformer
from uhn.vocabulary import OPEN, DatasetType, ModelType, TaskType


def specs() -> Calls:
    layers = SPEC.layers
    for what, family, code in (
        ("family='resnet'", "resnet", ModelType.CNN),
        ("family=''", "", ModelType.CNN),
        ("family=3", 3, OPEN),
        ("family=None", None, OPEN),
        ("family of another code", "mlp", ModelType.GCN),
        ("family with an open code", "mlp", OPEN),
        ("model_type=0.7", "mlp", 0.7),
        ("model_type=1.0", "mlp", 1.0),
        ("model_type=True", "mlp", True),
        ("model_type=99", "mine", 99),
        ("model_type='CNN'", "mlp", "CNN"),
        ("model_type=[1]", "mlp", [1]),
    ):
        yield f"ModelSpec({what})", lambda f=family, c=code: uhn.ModelSpec(f, c, layers)
    for name in ("task_type", "dataset_type"):
        for value in (0.7, True, 99, -1, "IMAGE", None, math.nan, [0]):
            yield f"ModelSpec({name}={value!r})", lambda n=name, v=value: uhn.ModelSpec("mlp", 1, layers, **{n: v})
            both = {"task_type": TaskType.IMAGE, "dataset_type": DatasetType.MNIST} | {name: value}
            yield f"with_task({name}={value!r})", lambda b=both: SPEC.with_task(**b)
    for value in (0.7, 3.0, True, -1, "4", None, math.nan, [4]):
        given = {"cnn_stage_num": value}
        yield f"ModelSpec(fields={given})", lambda g=given: uhn.ModelSpec("mlp", 1, layers, g)
    stages = ("cnn_stage_num", 4)
    for value in (3, "cnn_stage_num", stages, [("a",)], None, [stages] * 2, {"depth": 3}, {3: 3}):
        yield f"ModelSpec(fields={value!r})", lambda v=value: uhn.ModelSpec("mlp", 1, layers, v)
    broken = (Linear(4, 3), Linear(5, 3))
    for value in ((), 3, None, "linear", [Linear], [MODULE], Linear, broken, (Conv(1, 2), Conv(1, 2))):
        yield f"ModelSpec(layers={value!r})", lambda v=value: uhn.ModelSpec("mlp", 1, v)
    for value in ("parallel", None, 3, ["sequential"], "two_branch"):
        yield f"ModelSpec(wiring={value!r})", lambda v=value: uhn.ModelSpec("mlp", 1, layers, wiring=v)
    for index in (1.5, "1", None, True, -1, SPEC.num_params, math.nan, [1], torch.tensor(1.5)):
        yield f"explain({index!r})", lambda i=index: SPEC.explain(i)
        yield f"slot_of({index!r})", lambda i=index: SPEC.slot_of(i)
    json_spec = SPEC.to_json()
    for what, change in (
        ("a list", []),
        ("layers", json_spec | {"layers": {"kind": "linear"}}),
        ("a layer", json_spec | {"layers": ["linear"]}),
        ("a kind", json_spec | {"layers": [{"kind": ["linear"]}]}),
        ("a missing setting", json_spec | {"layers": [{"kind": "linear", "in_size": 3}]}),
        ("a fraction", json_spec | {"fields": {"cnn_stage_num": 0.5}}),
        ("a family", json_spec | {"family": ["mlp"]}),
    ):
        yield f"from_json({what})", lambda c=change: uhn.ModelSpec.from_json(c)
    for name in ("bias", "norm", "shortcut"):
        for value in ("no", 1, None):
            yield f"Linear({name}={value!r})", lambda n=name, v=value: Linear(4, 4, **{n: v})
    for name in ("activation", "pooling", "initialization"):
        for value in (True, 1.0, 0.7, "NONE", None, 77):
            yield f"Linear({name}={value!r})", lambda n=name, v=value: Linear(4, 4, **{n: v})
    for what, value in (("a number", 4), ("text", "44"), ("nothing", None), ("fractions", (4.0, 3)), ("zeros", (0, 0))):
        yield f"mlp({what})", lambda v=value: mlp(v)
        yield f"kan({what})", lambda v=value: kan(v)
        yield f"cnn({what})", lambda v=value: cnn(v, v)
    for value in (4, "22", None, (1.0,), (-1,)):
        yield f"transformer({value!r})", lambda v=value: transformer(4, v)
    for build, first in ((mlp, ((4, 4, 3),)), (cnn, ()), (transformer, (4,))):
        for name in ("bias", "norm", "shortcut"):
            yield f"{build.__name__}({name}='no')", lambda b=build, f=first, n=name: b(*f, **{n: "no"})
    for name in ("structure_frequencies", "index_frequencies", "hidden", "index_layers", "heads"):
        for value in (0, 1.5, "4", None, True):
            yield f"generated_uhn({name}={value!r})", lambda n=name, v=value: generated_uhn(**{n: v})
