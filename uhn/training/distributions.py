"""What a training step sees: (task, spec) as a pure function of the step, for one model, a set or several tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch

from uhn.models.spec import ModelSpec
from uhn.randomness import stream
from uhn.tasks import Task


@dataclass(frozen=True)
class Draw:
    """One step's task and architecture, and how often that task was drawn before (its own batch counter)."""

    task: Task
    spec: ModelSpec
    batch: int


class SpecDistribution(Protocol):
    """s ~ M_t, t ~ P_T (section 3.2): random access by step, so that a resumed run needs no sampler state."""

    @property
    def members(self) -> Sequence[tuple[Task, ModelSpec]]:
        """Every (task, spec) it may draw."""
        ...

    def at(self, step: int) -> Draw:
        """Return what step ``step`` of training sees."""
        ...

    def spec_at(self, step: int) -> ModelSpec:
        """Return the architecture that step ``step`` of the initialisation phase generates."""
        ...


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
    """One task, many architectures: shuffled passes over the set, one architecture a mini-batch (section 3.2.1)."""

    task: Task
    specs: tuple[ModelSpec, ...]
    seed: int
    _passes: dict[tuple[str, int], list[int]] = field(default_factory=dict, repr=False, compare=False)

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
        if (name, number) not in self._passes:
            self._passes.clear()
            order = torch.randperm(len(self.specs), generator=stream(self.seed, name, number))
            self._passes[name, number] = order.tolist()
        return self.specs[self._passes[name, number][place]]


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
