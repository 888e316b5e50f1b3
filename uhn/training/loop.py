"""The one training loop: every phase, every setting and every weight source goes through :class:`Loop`.

A step is: spec from the distribution, flat weights from the source, loss (Eq 4 in an initialisation phase, the task's
in training), backward, optimiser. Everything random is a function of the step, so the state is counters and tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, Literal

import torch
from torch import Tensor

from uhn.layers.checks import trusted
from uhn.models.forward import run
from uhn.models.spec import ModelSpec
from uhn.randomness import stream_seed
from uhn.sources.base import WeightSource
from uhn.training.capture import CudaRecorder, Steps
from uhn.training.distributions import Course, Learnable
from uhn.training.matching import matching_loss
from uhn.training.optimiser import load_optimiser, make_optimiser
from uhn.training.precision import autocast
from uhn.training.schedule import multiplier


@dataclass(frozen=True)
class Phase:
    """One phase with its own optimiser and schedule.

    Args:
        kind: ``"init"`` (Eq 4, no data, float32) or ``"train"``.
        steps: optimiser steps.
        lr: base learning rate.
        warmup: warm-up, in units.
        unit: steps in one unit of the schedule (an epoch, or 1).
        clip: maximum gradient norm, or None.
        level: an initialisation phase of a chain matches H_level; 0 is the model itself (Eq 5).
    """

    kind: Literal["init", "train"]
    steps: int
    lr: float
    warmup: int = 0
    unit: int = 1
    clip: float | None = None
    level: int = 0

    def __post_init__(self) -> None:
        if self.steps < 1 or self.unit < 1 or self.lr <= 0 or self.warmup < 0:
            raise ValueError(f"Phase wants steps >= 1, unit >= 1, lr > 0 and warmup >= 0, got {self}")

    def rate(self, step: int) -> float:
        """Learning rate of ``step`` (counted from 0 within the phase)."""
        return self.lr * multiplier(step // self.unit, -(-self.steps // self.unit), self.warmup)


@dataclass(frozen=True)
class Report:
    """The mean loss over the steps since the last report; of several runs at once also ``each`` one's."""

    phase: int
    kind: str
    step: int
    steps: int
    epoch: int
    lr: float
    loss: float
    each: tuple[float, ...] = ()


class Diverged(Exception):
    """The loss is no longer a finite number: a result of the run, not a fault of the program."""

    def __init__(self, report: Report) -> None:
        super().__init__(f"{report.kind} loss is {report.loss} at step {report.step} of {report.steps}")
        self.report = report


def forward(source: WeightSource, spec: ModelSpec, batch: Any, rng: torch.Generator) -> Any:
    """What a training step asks of a model: its output on a batch with the source's present weights."""
    return run(spec, source(spec), batch.inputs, training=True, rng=rng)


class Loop:
    """Trains ``source`` through ``phases``; iterate over it to get a :class:`Report` now and then.

    Args:
        source: whose parameters are trained (on its device already).
        distribution: what each step sees.
        phases: in order; each gets a fresh optimiser, schedule and scaler.
        seed: run seed of every stream.
        precision: ``"fp32"``, ``"bf16"`` or ``"fp16"`` in training phases.
        capture: record whole steps as CUDA graphs on a GPU (see :mod:`uhn.training.capture`).
        report_at: (phase, completed steps) → whether to report; the only moments when the host waits for the device.
        after_step: called after every completed step (to save, or to stop by raising).
        forward: (source, spec, batch, generator of the step) → the output that the task's loss takes.
        optimiser: somebody's own, over some of the source's parameters, for every phase; its rates are its own.
        scheduler: of that optimiser; moved on after every step.
    """

    def __init__(
        self,
        source: WeightSource,
        distribution: Course,
        phases: Sequence[Phase],
        *,
        seed: int,
        precision: str = "fp32",
        capture: bool = True,
        report_at: Callable[[Phase, int], bool] = lambda phase, step: step % 20 == 0,
        after_step: Callable[[], None] = lambda: None,
        forward: Callable[[Any, ModelSpec, Any, torch.Generator], Any] = forward,
        optimiser: torch.optim.Optimizer | None = None,
        scheduler: torch.optim.lr_scheduler.LRScheduler | None = None,
    ) -> None:
        self.source, self.distribution, self.phases = source, distribution, tuple(phases)
        self.seed, self.precision, self.report_at, self.after_step = seed, precision, report_at, after_step
        self.forward, self.own, self.scheduler = forward, optimiser, scheduler
        self.device = next(source.parameters()).device
        self.phase, self.step = 0, 0
        self._losses: list[Tensor] = []
        self._checked: set[object] = set()
        recorder = CudaRecorder if capture and self.device.type == "cuda" else None
        self.steps = Steps(self._state, self.device, recorder)
        self._enter()

    def _enter(self) -> None:
        """Fresh optimiser and scaler for the current phase."""
        parameters = [p for p in self.source.parameters() if p.requires_grad]
        self.optimiser: torch.optim.Optimizer = self.own or make_optimiser(parameters, self.device)
        kind = self.phases[self.phase].kind if self.phase < len(self.phases) else "init"
        scaled = kind == "train" and self.precision == "fp16"
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=scaled)
        self.steps.reset()
        if scaled and self.steps.recorder is not None:
            self.steps.stop("the loss scale of fp16 is decided by the host")

    def _state(self) -> list[Tensor]:
        """Every tensor that a step changes."""
        moments = [t for state in self.optimiser.state.values() for t in state.values()]
        return [*(p for p in self.source.parameters() if p.requires_grad), *moments]

    def __iter__(self) -> Iterator[Report]:
        while self.phase < len(self.phases):
            phase = self.phases[self.phase]
            while self.step < phase.steps:
                rate = phase.rate(self.step) if self.own is None else float(self.own.param_groups[0]["lr"])
                self._losses.append(self._advance(phase, rate))
                self.step += 1
                if self.step == phase.steps or self.report_at(phase, self.step):
                    yield self._report(phase, rate)
                self.after_step()
            self.phase, self.step = self.phase + 1, 0
            self._enter()

    def _advance(self, phase: Phase, rate: float) -> Tensor:
        """One optimiser step; returns its loss, detached and still on the device."""
        if phase.kind == "init":
            task, batch = None, None
            spec = None if phase.level else self.distribution.spec_at(self.step)
        else:
            draw = self.distribution.at(self.step)
            task, spec, batch = draw.task, draw.spec, draw.task.train_batch(self.seed, draw.batch)
        for group in self.optimiser.param_groups if self.own is None else ():
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate

        def body(batch: Any, rng: torch.Generator) -> Tensor:
            if task is None:
                return self._optimise(phase, self._init_loss(phase, spec))
            return self._optimise(phase, self._train_loss(task, spec, batch, rng))

        kind = (self.phase, None if task is None else task.name, None if spec is None else spec.hash)
        with trusted(self.device.type == "cuda" and kind in self._checked):
            loss = self.steps.run(kind, body, batch, stream_seed(self.seed, "dropout", self.step))
        self._checked.add(kind)
        if self.scheduler is not None:
            self.scheduler.step()
        return loss

    def _optimise(self, phase: Phase, loss: Tensor) -> Tensor:
        self.optimiser.zero_grad(set_to_none=True)
        self.scaler.scale(loss.sum() if loss.dim() else loss).backward()  # type: ignore[no-untyped-call]
        if phase.clip is not None:
            self.scaler.unscale_(self.optimiser)
            trained = [p for group in self.optimiser.param_groups for p in group["params"]]
            torch.nn.utils.clip_grad_norm_(trained, phase.clip)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        return loss.detach()

    def _init_loss(self, phase: Phase, spec: ModelSpec | None) -> Tensor:
        if spec is None:
            spec, flat = self.source.level(phase.level)
        else:
            flat = self.source(spec)
        return matching_loss(flat, spec) if flat.dim() == 1 else torch.stack([matching_loss(f, spec) for f in flat])

    def _train_loss(self, task: Learnable, spec: ModelSpec | None, batch: Any, rng: torch.Generator) -> Tensor:
        assert spec is not None
        with autocast(self.precision, self.device):
            output = self.forward(self.source, spec, batch, rng)
        return task.loss(output, batch.target)

    def _report(self, phase: Phase, rate: float) -> Report:
        means = torch.stack(self._losses).double().mean(0)
        each = tuple(means.tolist()) if means.dim() else ()
        finite = [value for value in each if isfinite(value)]
        loss = sum(finite) / len(finite) if finite else float(means.mean())
        self._losses.clear()
        epoch = -(-self.step // phase.unit)
        report = Report(self.phase, phase.kind, self.step, phase.steps, epoch, rate, loss, each)
        if not isfinite(loss):
            raise Diverged(report)
        return report

    def state_dict(self) -> dict[str, Any]:
        """Everything that a resumed run needs: tensors, optimiser and counters; no generator state."""
        scheduler = {} if self.scheduler is None else {"scheduler": self.scheduler.state_dict()}
        return scheduler | {
            "source": self.source.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "scaler": self.scaler.state_dict(),
            "phase": self.phase,
            "step": self.step,
            "losses": torch.stack(self._losses).cpu() if self._losses else torch.empty(0),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where :meth:`state_dict` was taken. Raises ``ValueError`` if it does not fit this loop."""
        if not 0 <= state["phase"] <= len(self.phases):
            raise ValueError(f"progress is in phase {state['phase']}, this run has {len(self.phases)}")
        try:
            self.source.load_state_dict(state["source"])
            self.phase, self.step = state["phase"], state["step"]
            self._enter()
            if self.own is None:
                load_optimiser(self.optimiser, state["optimiser"])
            else:
                self.own.load_state_dict(state["optimiser"])
            if self.scheduler is not None:
                self.scheduler.load_state_dict(state["scheduler"])
            self.scaler.load_state_dict(state["scaler"])
        except (KeyError, RuntimeError) as error:
            raise ValueError(f"progress does not fit this run: {error}") from None
        self._losses = list(state["losses"].to(self.device).unbind())
