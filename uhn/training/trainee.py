"""What ``uhn.fit`` hands to the loop: each model's batches and loss, and a source with what is trained beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from uhn.models.forward import run
from uhn.models.module import call
from uhn.models.spec import ModelSpec
from uhn.sources.base import WeightSource
from uhn.sources.conditions import Embeddings
from uhn.sources.universal import UniversalHypernetwork
from uhn.training.feed import Feed, Given

Loss = Callable[[Any, Any], Tensor]
"""Output and target of a batch → scalar."""


@dataclass(frozen=True)
class Job:
    """One model's batches and loss, as the loop wants a task."""

    name: str
    spec: ModelSpec
    feed: Feed
    criterion: Loss
    regulariser: Callable[[], Tensor] | None
    device: torch.device

    def train_batch(self, seed: int, step: int) -> Given:
        """Batch ``step`` of this model on the source's device."""
        return self.feed.at(seed, step).to(self.device)

    def loss(self, output: Any, target: Any) -> Tensor:
        """The user's loss in float32, with the regulariser's term."""
        found = self.criterion(tree_map(_widened, output), target)
        if not isinstance(found, Tensor) or found.numel() != 1 or not found.requires_grad:
            got = f"shape {list(found.shape)}" if isinstance(found, Tensor) else type(found).__name__
            got += "" if not isinstance(found, Tensor) or found.requires_grad else " without a gradient"
            raise ValueError(f"fit wants a loss that returns a scalar tensor to go back from, got {got}")
        return found if self.regulariser is None else found + self.regulariser()


class Trainee(WeightSource):
    """What :func:`fit` trains: a source, and whatever is trained beside it.

    Args:
        source: where weights come from.
        modules: networks of the described specs.
        embeddings: conditions of ids.
        also: other modules whose parameters are trained.
    """

    kind = "trainee"

    if TYPE_CHECKING:

        def __call__(self, spec: ModelSpec, condition: Tensor | None = None) -> Tensor:
            """As :meth:`forward`."""

    def __init__(
        self,
        source: WeightSource,
        modules: Mapping[ModelSpec, nn.Module],
        embeddings: Embeddings | None,
        also: Sequence[nn.Module],
    ) -> None:
        super().__init__()
        self.source, self.embeddings, self.also = source, embeddings, nn.ModuleList(also)
        self.modules_of = dict(modules)

    def forward(self, spec: ModelSpec, condition: Tensor | None = None) -> Tensor:
        """Weights of ``spec``, ``[P]`` or ``[K, P]``."""
        if condition is None:
            flat: Tensor = self.source(spec)
            return flat
        if not isinstance(self.source, UniversalHypernetwork):
            raise TypeError(f"fit wants batches without a condition for a {self.source.kind} source, which takes none")
        if not condition.is_floating_point():
            if self.embeddings is None:
                raise ValueError("fit wants embeddings for a batch whose condition is an id, got none")
            condition = self.embeddings(condition)
        conditional: Any = self.source  # of a class that takes conditions
        lines: Tensor = conditional(spec, condition=condition)
        return lines

    def describe(self) -> dict[str, Any]:
        """Settings of the source."""
        return self.source.describe()

    def output(self, spec: ModelSpec, batch: Given, rng: torch.Generator) -> Any:
        """Output of ``spec`` on a batch; with K conditions a stack of K."""
        flat = self(spec, batch.condition)
        if flat.dim() == 1:
            return self._once(spec, flat, batch.inputs, rng)
        parts = batch.inputs if isinstance(batch.inputs, tuple) else (batch.inputs,)
        if not all(isinstance(part, Tensor) and part.dim() and len(part) == len(flat) for part in parts):
            got = [list(part.shape) if isinstance(part, Tensor) else type(part).__name__ for part in parts]
            raise ValueError(f"{len(flat)} conditions want inputs [{len(flat)}, ...], a row for each, got {got}")
        whole = isinstance(batch.inputs, tuple)
        outputs = [
            self._once(spec, line, tuple(p[k] for p in parts) if whole else parts[0][k], rng)
            for k, line in enumerate(flat)
        ]
        return tree_map(lambda *values: torch.stack(values), *outputs)

    def _once(self, spec: ModelSpec, flat: Tensor, inputs: Any, rng: torch.Generator) -> Any:
        module = self.modules_of.get(spec)
        if module is None:
            return run(spec, flat, inputs, training=True, rng=rng)
        args = inputs if isinstance(inputs, tuple) else (inputs,)
        devices = [flat.device] if flat.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):  # a module's dropout draws from the global generators
            drawn = int(torch.randint(2**62, (), generator=rng, device=rng.device))
            torch.default_generator.manual_seed(drawn)
            if devices:
                torch.cuda.manual_seed(drawn)
            return call(module, spec, flat, *args)


def _widened(value: Any) -> Any:
    half = isinstance(value, Tensor) and value.is_floating_point() and value.dtype.itemsize < 4
    return value.float() if half else value
