"""Settings of generators, chains, baselines and encodings that are none."""

from __future__ import annotations

import math
from typing import Any

from bad_values import NO_SPECS, SETTINGS, SPEC, Calls

import uhn
from uhn.descriptors.encodings import GaussianFourier, Positional, make_encoding
from uhn.descriptors.ranges import Ranges
from uhn.models.feedforward import cnn
from uhn.models.hypernet import generated_uhn
from uhn.sources import ChunkedHypernetwork, HaHypernetwork
from uhn.vocabulary import DatasetType, TaskType


def settings(ranges: Ranges, root: Any, level: Any) -> Calls:
    for what, value in (*NO_SPECS.items(), ("a spec", SPEC)):
        yield f"UniversalHypernetwork({what})", lambda value=value: uhn.UniversalHypernetwork(value)
        yield f"Chain(root: {what})", lambda value=value: uhn.Chain(value, [level])
    wrong: dict[str, list[Any]] = {
        "hidden": [True, 0, -1, 8.0, "8", None, math.nan],
        "blocks": [True, -1, 1.5, "2", None],
        "frequencies": [False, 0, -3, 8.5, "8", None],
        "structure_frequencies": [0, -1, 4.0, "4", None],
        "structure": ["yes", 1, None],
        "encoding": ["fourier", "", None, 3, ["gff"]],
        "scale": [math.nan, math.inf, -math.inf, 0, -1.0, "100", None, True],
        "seed": [1.5, "1", None, True],
        "memory_mib": [-5, 1.5, "720", None, True, math.nan],
        "cache_mib": [-5, 1.5, "448", None, True],
        "kernel": ["fast", None, 3],
        "allow_extrapolation": ["yes", 1, None],
        "structure_frequency": [7],
    }
    for name, values in wrong.items():
        for value in values:
            given = SETTINGS | {name: value}
            yield f"UniversalHypernetwork({name}={value!r})", lambda g=given: uhn.UniversalHypernetwork(ranges, **g)
            yield f"for_specs({name}={value!r})", lambda g=given: uhn.UniversalHypernetwork.for_specs([SPEC], **g)
    given = SETTINGS | {"structure_frequencies": 7, "structure": True}
    yield "UniversalHypernetwork(structure_frequencies=7)", lambda: uhn.UniversalHypernetwork(ranges, **given)
    for tasks in ([], [(TaskType.TEXT, DatasetType.IMDB)] * 2, [3], [""], [(0.7, 0)], [(0, "imdb")], [(0,)]):
        yield f"for_specs(tasks={tasks})", lambda t=tasks: uhn.UniversalHypernetwork.for_specs([SPEC], tasks=t)
    for depth in (0, 2, 1.5, True, "1", None):
        yield f"chain.level({depth!r})", lambda d=depth: uhn.Chain(root, [level]).level(d)
    yield "Chain(other frequencies)", lambda: uhn.Chain(root, [generated_uhn(structure_frequencies=4, hidden=16)])
    yield "Chain(a model)", lambda: uhn.Chain(root, [SPEC])
    for seed in (1.5, "1", None, True):
        yield f"Direct(seed={seed!r})", lambda s=seed: uhn.Direct(SPEC, seed=s)
        yield f"ChunkedHypernetwork(seed={seed!r})", lambda s=seed: ChunkedHypernetwork(SPEC, seed=s)
    tiles = cnn((1, 1), (16, 16))
    for value in (0, -1, 1.5, True, "16", None):
        for name in ("chunk", "embedding", "hidden"):
            yield f"ChunkedHypernetwork({name}={value!r})", lambda n=name, v=value: ChunkedHypernetwork(SPEC, **{n: v})
        for name in ("embedding", "tile"):
            yield f"HaHypernetwork({name}={value!r})", lambda n=name, v=value: HaHypernetwork(tiles, **{n: v})
        yield f"GaussianFourier(frequencies={value!r})", lambda v=value: GaussianFourier(10, v)
        yield f"Positional(frequencies={value!r})", lambda v=value: Positional(10, v)
    yield "HaHypernetwork(an mlp)", lambda: HaHypernetwork(SPEC)
    for scale in wrong["scale"]:
        for name in ("gff", "positional"):
            yield f"make_encoding({name}, scale={scale!r})", lambda n=name, s=scale: make_encoding(n, 10, 8, s, None)
    for number in (math.nan, math.inf, "1", None):
        values = ((number,) * 10, (1.0,) * 10, (0.0,) * 29, (1.0,) * 29)
        yield f"Ranges({number!r})", lambda v=values: Ranges(*v)
