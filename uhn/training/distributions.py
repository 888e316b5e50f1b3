"""What a training step sees: (task, spec) as a pure function of the step, for one model, a set or several tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Protocol, runtime_checkable

import torch

from uhn.models.spec import ModelSpec
from uhn.randomness import stream
from uhn.tasks import Task


@runtime_checkable
class Learnable(Protocol):
    """What the loop wants of a task: batches as a function of (seed, number), and a loss."""

    @property
    def name(self) -> str:
        """What to call it."""
        ...

    def train_batch(self, seed: int, step: int) -> Any:
        """Return a batch; its ``target`` goes to the loss, the rest to the forward pass."""
        ...

    def loss(self, output: Any, target: Any) -> torch.Tensor:
        """Return a scalar."""
        ...


@dataclass(frozen=True)
class Draw:
    """One step's task and architecture, and how often that task was drawn before (its own batch counter)."""

    task: Learnable
    spec: ModelSpec
    batch: int


class Course(Protocol):
    """s ~ M_t, t ~ P_T (section 3.2): random access by step, so that a resumed run needs no sampler state."""

    def at(self, step: int) -> Draw:
        """Return what step ``step`` of training sees."""
        ...

    def spec_at(self, step: int) -> ModelSpec:
        """Return the architecture that step ``step`` of the initialisation phase generates."""
        ...


class SpecDistribution(Course, Protocol):
    """A course through tasks that can also be evaluated."""

    @property
    def members(self) -> Sequence[tuple[Task, ModelSpec]]:
        """Every (task, spec) it may draw."""
        ...


@lru_cache(maxsize=16)
def shuffled(count: int, seed: int, name: str, number: int) -> tuple[int, ...]:
    """The order in which pass ``number`` goes through ``count`` things."""
    return tuple(torch.randperm(count, generator=stream(seed, name, number)).tolist())


@dataclass(frozen=True)
class OneModel:
    """One task, one architecture: the single-model setting."""

    task: Task
    spec: ModelSpec

    @property
    def members(self) -> Sequence[tuple[Task, ModelSpec]]:
        """The one pair."""
        return [(self.task, self.spec)]

    def at(self, step: int) -> Draw:
        """Always the same, with the step's own batch."""
        return Draw(self.task, self.spec, step)

    def spec_at(self, step: int) -> ModelSpec:
        """Always the same."""
        return self.spec


@dataclass(frozen=True)
class ModelSet:
    """One task, many architectures: shuffled passes over the set, one architecture per mini-batch (section 3.2.1)."""

    task: Task
    specs: tuple[ModelSpec, ...]
    seed: int

    @property
    def members(self) -> Sequence[tuple[Task, ModelSpec]]:
        """The task with each architecture."""
        return [(self.task, spec) for spec in self.specs]

    def at(self, step: int) -> Draw:
        """The next architecture of the current pass."""
        return Draw(self.task, self._pick("architectures", step), step)

    def spec_at(self, step: int) -> ModelSpec:
        """The initialisation phase makes passes of its own; the stream starts again with training."""
        return self._pick("architectures/init", step)

    def _pick(self, name: str, step: int) -> ModelSpec:
        number, place = divmod(step, len(self.specs))
        return self.specs[shuffled(len(self.specs), self.seed, name, number)[place]]


@dataclass(frozen=True)
class ManyTasks:
    """Several tasks with probabilities, one architecture each: t ~ P_T independently every step (section 3.2.2)."""

    pairs: tuple[tuple[Task, ModelSpec], ...]
    probabilities: tuple[float, ...]
    seed: int
    _counts: list[list[int]] = field(default_factory=list, repr=False, compare=False)

    @property
    def members(self) -> Sequence[tuple[Task, ModelSpec]]:
        """Every task with its architecture."""
        return self.pairs

    def at(self, step: int) -> Draw:
        """The task of this step, with the batch that its own loader has reached."""
        while len(self._counts) <= step:
            row = list(self._counts[-1]) if self._counts else [0] * len(self.pairs)
            row[self._task("tasks", len(self._counts))] += 1
            self._counts.append(row)
        number = self._task("tasks", step)
        task, spec = self.pairs[number]
        return Draw(task, spec, self._counts[step][number] - 1)

    def spec_at(self, step: int) -> ModelSpec:
        """The architecture of a task drawn for the initialisation phase."""
        return self.pairs[self._task("tasks/init", step)][1]

    def _task(self, name: str, step: int) -> int:
        weights = torch.tensor(self.probabilities, dtype=torch.float64)
        return int(torch.multinomial(weights, 1, generator=stream(self.seed, name, step)))


@dataclass(frozen=True)
class Turns:
    """Models that take turns in shuffled passes, each with its own task, if there are any."""

    specs: tuple[ModelSpec, ...]
    seed: int
    tasks: tuple[Learnable, ...] = ()

    def at(self, step: int) -> Draw:
        """The next model of the current pass with the next batch of its task."""
        number, place = divmod(step, len(self.specs))
        chosen = shuffled(len(self.specs), self.seed, "turns", number)[place]
        return Draw(self.tasks[chosen], self.specs[chosen], number)

    def spec_at(self, step: int) -> ModelSpec:
        """The next model of the current pass."""
        number, place = divmod(step, len(self.specs))
        return self.specs[shuffled(len(self.specs), self.seed, "turns/init", number)[place]]
