"""The initialisation phase (Eq 4) for users: bring what a source makes to the statistics that its models start from."""

from __future__ import annotations

from collections.abc import Sequence

from uhn.arguments import above_zero, integer, yes_or_no
from uhn.models.spec import ModelSpec, several_specs
from uhn.sources.base import WeightSource
from uhn.training.distributions import Turns
from uhn.training.loop import Loop, Phase
from uhn.training.progress import Display

WINDOW = 10
"""Steps over which a loss is averaged before it is shown and compared with ``until``."""


def initialise(
    source: WeightSource,
    specs: ModelSpec | Sequence[ModelSpec],
    steps: int,
    until: float | None,
    lr: float,
    warmup: int,
    clip: float | None,
    seed: int,
    progress: bool,
) -> float:
    """Train ``source`` on Eq 4; see :meth:`~uhn.sources.base.WeightSource.initialise`."""
    who = "initialise"
    specs = (specs,) if isinstance(specs, ModelSpec) else several_specs(specs, who)
    if not specs:
        raise ValueError(f"{who} wants at least one spec, got none")
    levels = [*range(1, len(getattr(source, "levels", ())) + 1), 0]  # a chain's, from the root down (Eq 5)
    integer(who, "steps", steps, len(levels))
    for name, value in (("until", until), ("clip", clip)):
        if value is not None:
            above_zero(who, name, value)
    above_zero(who, "lr", lr)
    integer(who, "warmup", warmup, 0)
    yes_or_no(who, "progress", progress)
    for spec in specs:
        source.check(spec)
    if not any(parameter.requires_grad for parameter in source.parameters()):
        raise ValueError(f"{who} wants a parameter that requires a gradient, this {source.kind} source has none")
    window = max(WINDOW, len(specs))
    shares = [steps // len(levels)] * len(levels)
    shares[-1] += steps - sum(shares)
    display = Display("initialisation", steps) if progress else None
    done, loss = 0, float("nan")
    for level, share in zip(levels, shares, strict=True):
        phase = Phase("init", share, lr, warmup, clip=clip, level=level)
        loop = Loop(source, Turns(specs, seed), [phase], seed=seed, report_at=lambda phase, step: step % window == 0)
        for report in loop:
            loss = report.loss
            if display is not None:
                display.show(report, done + report.step)
            if until is not None and loss <= until:
                break
        done += share
    if display is not None:
        display.close(f"loss {loss:.3g}" + ("" if until is None or loss <= until else f", not down to {until:g}"))
    return loss
