"""How the layers of a spec are wired, and whether what comes out of one can go into the next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from uhn.layers.base import Layer
from uhn.layers.flow import Flow

WIRINGS: Final = ("sequential", "two_branch", "module")

STRUCTURE_LAYERS: Final = 5
"""Layers of the task-structure branch of a generated hypernetwork (Eq 34)."""


def check_chain(layers: Sequence[Layer], wiring: str, fields: Mapping[str, int]) -> None:
    """Raise ``ValueError`` naming the first layer that cannot take what comes before it.

    A described module wires its layers itself; what a spec does not tell (the size of images) is not checked.
    """
    if wiring == "sequential":
        _through(layers, range(len(layers)), Flow())
    if wiring != "two_branch":
        return
    last = len(layers) - 1
    if last <= STRUCTURE_LAYERS:
        raise ValueError(f"two_branch wiring wants at least {STRUCTURE_LAYERS + 2} layers, got {len(layers)}")
    structure, index = (fields.get(f"num_{name}_freqs") for name in ("structure", "index"))
    branches = (
        (range(STRUCTURE_LAYERS), Flow(3, None if structure is None else 2 * structure)),
        (range(STRUCTURE_LAYERS, last), Flow(2, None if index is None else 2 * index)),
    )
    for numbers, flow in branches:  # their sum goes into the readout
        out = _through(layers, [last], _through(layers, numbers, flow))
        if out.width not in (1, None):
            raise ValueError(f"two_branch wiring wants one output of its last layer, got {out.width:g}")


def _through(layers: Sequence[Layer], numbers: Iterable[int], flow: Flow) -> Flow:
    for number in numbers:
        try:
            flow = layers[number].flow(flow)
        except ValueError as error:
            kind = layers[number].kind
            raise ValueError(f"ModelSpec.layers do not chain: layer {number} ({kind}) {error}") from None
    return flow
