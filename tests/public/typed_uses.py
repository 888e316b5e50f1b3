"""What a type checker must refuse: it is run over this file, where an ignore that is not needed is an error too."""

from __future__ import annotations

from torch import Tensor, nn

import uhn


def refused(generator: uhn.UniversalHypernetwork, spec: uhn.ModelSpec, source: uhn.Direct, network: nn.Module) -> None:
    """Each line is one mistake."""
    uhn.UniversalHypernetwork.for_specs([spec], hiden=64)  # type: ignore[call-arg]
    uhn.UniversalHypernetwork.for_specs([spec], hidden="64")  # type: ignore[arg-type]
    uhn.UniversalHypernetwork.for_specs([spec], encoding="fourier")  # type: ignore[arg-type]
    uhn.UniversalHypernetwork.for_specs("mlp-mnist")  # type: ignore[arg-type]
    uhn.UniversalHypernetwork(generator.ranges, kernel="compiled")  # type: ignore[arg-type]
    uhn.hypernetize(network, hiden=64)  # type: ignore[call-arg]
    generator("mlp-mnist")  # type: ignore[arg-type]
    generator(network)  # type: ignore[arg-type]
    generator(spec, 3)  # type: ignore[arg-type]
    source("mlp-mnist")  # type: ignore[arg-type]
    source(spec, condition=3)  # type: ignore[call-arg]
    uhn.mlp((4, 3), activation="swoosh")  # type: ignore[arg-type]
    uhn.run("mlp-mnist", generator(spec), generator(spec))  # type: ignore[arg-type]
    spec[0]  # type: ignore[index]
    spec.with_task(None)  # type: ignore[arg-type]


def accepted(generator: uhn.UniversalHypernetwork, spec: uhn.ModelSpec, x: Tensor) -> tuple[Tensor, int]:
    """The same, as it is meant."""
    other = uhn.UniversalHypernetwork.for_specs([spec], hidden=64, encoding="raw", condition=2, condition_mode="film")
    flat: Tensor = generator(spec) + other(spec, condition=x)
    uhn.mlp((4, 3), activation="relu").with_task("mine")
    return uhn.run(spec, flat, uhn.Inputs(x)), spec["layers.0.weight"].offset
