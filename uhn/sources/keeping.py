"""Learning one task after another: keep what a generator makes for the old ones while it learns a new one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from uhn.arguments import above_zero
from uhn.models.spec import ModelSpec, one_spec
from uhn.sources.base import WeightSource
from uhn.sources.universal import UniversalHypernetwork

Old = ModelSpec | tuple[ModelSpec, Tensor]
"""What is to be kept: a model, or a model under a condition ``[d]``."""


class OutputRegulariser:
    """``weight * mean over old of |new weights - old weights|^2``, the old ones as they were when this was made.

    Called without arguments, it gives the term to add to a loss, differentiable in the generator's parameters.
    """

    def __init__(self, generator: WeightSource, old: Sequence[Old], weight: float) -> None:
        if not isinstance(generator, WeightSource):
            raise TypeError(f"output_regulariser wants a generator, got {type(generator).__name__}")
        conditional = isinstance(generator, UniversalHypernetwork)
        if not isinstance(old, Sequence) or not old:
            got = "none" if isinstance(old, Sequence) else type(old).__name__
            raise ValueError(f"output_regulariser wants a list of old specs or (spec, condition) pairs, got {got}")
        self.generator, self.weight = generator, above_zero("output_regulariser", "weight", weight)
        self.count = len(old)
        together: dict[ModelSpec, list[Tensor]] = {}
        self.asked: list[tuple[ModelSpec, dict[str, Tensor]]] = []
        for entry in old:
            if isinstance(entry, ModelSpec):
                self.asked.append((entry, {}))
            elif isinstance(entry, tuple) and len(entry) == 2 and isinstance(entry[1], Tensor) and conditional:
                together.setdefault(one_spec(entry[0], "output_regulariser"), []).append(entry[1].detach())
            else:
                wanted = "specs or (spec, condition tensor) pairs" if conditional else "specs of such a source"
                raise TypeError(f"output_regulariser wants {wanted} as the old, got {entry!r:.100}")
        # the conditions of one model go through the generator together, at the price of one
        self.asked += [(spec, {"condition": torch.stack(rows)}) for spec, rows in together.items()]
        with torch.no_grad():
            self.kept = [generator(spec, **more) for spec, more in self.asked]

    def __call__(self) -> Float[Tensor, ""]:
        """The term."""
        parts: list[Any] = [
            (self.generator(spec, **more) - kept).square().sum()
            for (spec, more), kept in zip(self.asked, self.kept, strict=True)
        ]
        return torch.stack(parts).sum() * (self.weight / self.count)

    def __repr__(self) -> str:
        return f"OutputRegulariser({self.count} models, weight {self.weight:g})"


def output_regulariser(generator: WeightSource, old: Sequence[Old], weight: float = 1.0) -> OutputRegulariser:
    """Return a term for the loss that keeps the weights which ``generator`` makes now (von Oswald et al., 2020).

    Args:
        generator: a trained generator, before it learns the next task.
        old: the models to keep, each a spec, or a (spec, condition ``[d]``) pair.
        weight: factor of the mean squared distance ``|new - old|^2`` over the old models.

    Raises:
        TypeError: if ``generator`` is none.
        ValueError: if there is nothing to keep, or the weight is not above 0.

    Example:
        >>> spec = uhn.mlp((4, 8, 3))
        >>> generator = uhn.UniversalHypernetwork.for_specs([spec], hidden=8, frequencies=16)
        >>> float(output_regulariser(generator, [spec])().detach())  # nothing has changed yet
        0.0
    """
    return OutputRegulariser(generator, old, weight)
