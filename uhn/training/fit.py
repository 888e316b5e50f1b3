"""``uhn.fit``: the one loop for users, on their data, models, losses and optimiser."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from uhn.arguments import above_zero, file_path, integer, yes_or_no
from uhn.models.module import check_fits
from uhn.models.spec import ModelSpec, one_spec
from uhn.sources.base import WeightSource
from uhn.sources.conditions import Embeddings
from uhn.training.distributions import Turns
from uhn.training.feed import Feed
from uhn.training.interrupts import Stopped, stop_on_signals
from uhn.training.loop import Loop, Phase, Report
from uhn.training.precision import DTYPES
from uhn.training.session import Callback, Session
from uhn.training.trainee import Job, Loss, Trainee

LR = 1e-3
"""Rate of the own AdamW, unless one is given."""


def fit(
    source: WeightSource,
    data: Mapping[ModelSpec, Any],
    *,
    loss: Loss | Mapping[ModelSpec, Loss],
    steps: int,
    modules: Mapping[ModelSpec, nn.Module] | None = None,
    embeddings: Embeddings | None = None,
    also: Sequence[nn.Module] = (),
    batch_size: int | None = None,
    lr: float | None = None,
    warmup: int | None = None,
    clip: float | None = None,
    optimiser: Optimizer | None = None,
    scheduler: LRScheduler | None = None,
    regulariser: Callable[[], Tensor] | None = None,
    precision: str = "fp32",
    seed: int = 0,
    callbacks: Sequence[Callback] = (),
    report_every: int = 50,
    checkpoint: str | Path | None = None,
    save_every: float = 60.0,
    progress: bool = True,
) -> list[Report]:
    """Train a generator (or any source) on somebody's own data, models and loss.

    A step takes one model, in shuffled passes over ``data``, and that model's next batch. A batch is ``(inputs,
    target)`` or ``(inputs, target, condition)``. Inputs are a tensor, :class:`uhn.Inputs`, or a tuple of arguments of a
    described module. A condition is ``[d]``, or ``[K, d]`` for K models at once, model k on ``inputs[k]``, whose
    outputs are stacked; with ``embeddings``, ids stand for conditions.

    Args:
        source: what makes weights; it is trained in place, on the device where it is.
        data: per model a DataLoader or other iterable of batches; a function of the batch's number (from 0); or one
            batch as it stands, a tuple of tensors, which ``batch_size`` cuts into shuffled mini-batches of its rows.
        loss: (output, target) → scalar, one for all models or one per model.
        steps: optimiser steps.
        modules: the network of each spec from :func:`uhn.describe`; it runs in the mode that it is in.
        embeddings: conditions of ids, trained too.
        also: more modules whose parameters are trained, e.g. a network of which only a part is generated.
        batch_size: rows of a mini-batch of tensors.
        lr, warmup: of AdamW without weight decay, 1e-3 after a linear warm-up of 0 steps, then a cosine to zero.
        clip: largest norm of the gradient.
        optimiser: your own instead, with its own rate.
        scheduler: of that optimiser; moved on after every step.
        regulariser: a term to add to every loss, e.g. :func:`uhn.output_regulariser`.
        precision: ``"fp32"``, ``"bf16"`` or ``"fp16"`` for generator and models.
        seed: of the order of models and rows, and of everything that loaders and dropout draw.
        callbacks: each is called with every report; one that returns True ends the training.
        report_every: steps per report.
        checkpoint: a file to save to and to go on from; without one, nothing is saved. An interrupted training (Ctrl-C,
            SIGTERM, a kill) goes on from it in the same bits; one that is finished is not repeated.
        save_every: seconds between two saves.
        progress: whether to show it.

    Returns:
        the reports, those before an interruption included.

    Raises:
        TypeError, ValueError: for what cannot be trained so, before the first step.
        Diverged: if the loss is no longer a finite number.
        KeyboardInterrupt: after Ctrl-C, when everything is saved.

    Example:
        >>> spec, x = uhn.mlp((4, 8, 3)), torch.randn(32, 4)
        >>> generator = uhn.UniversalHypernetwork.for_specs([spec], hidden=8, frequencies=16)
        >>> data = {spec: (x, (x[:, 0] > 0).long())}
        >>> reports = fit(generator, data, loss=F.cross_entropy, steps=20, report_every=10, progress=False)
        >>> [report.step for report in reports]
        [10, 20]
    """
    for name, value, least in (("steps", steps, 1), ("report_every", report_every, 1), ("seed", seed, None)):
        integer("fit", name, value, least)
    for name, number in (("lr", lr), ("clip", clip), ("save_every", save_every)):
        if number is not None:
            above_zero("fit", name, number)
    for name, rows, least in (("batch_size", batch_size, 1), ("warmup", warmup, 0)):
        if rows is not None:
            integer("fit", name, rows, least)
    yes_or_no("fit", "progress", progress)
    if not isinstance(precision, str) or precision not in DTYPES:
        raise ValueError(f"fit wants a precision of {', '.join(DTYPES)}, got {precision!r}")
    if not isinstance(callbacks, Sequence) or not all(callable(callback) for callback in callbacks):
        raise TypeError(f"fit wants a list of functions as callbacks, got {callbacks!r:.100}")
    trainee = _trainee(source, data, modules or {}, embeddings, also)
    _check_optimiser(trainee, optimiser, scheduler, lr, warmup)
    specs, losses = tuple(data), dict(loss) if isinstance(loss, Mapping) else dict.fromkeys(data, loss)
    if set(losses) != set(specs) or not all(callable(each) for each in losses.values()):
        raise TypeError(f"fit wants a function (output, target) as the loss of every model, got {loss!r:.100}")
    if regulariser is not None and not callable(regulariser):
        raise TypeError(f"fit wants a function without arguments as regulariser, got {type(regulariser).__name__}")
    device = next(source.parameters()).device
    jobs = tuple(
        Job(str(n), spec, Feed(data[spec], str(n), batch_size), losses[spec], regulariser, device)
        for n, spec in enumerate(specs)
    )
    loop = Loop(
        trainee,
        Turns(specs, seed, jobs),
        [Phase("train", steps, lr or LR, warmup or 0, clip=clip)],
        seed=seed,
        precision=precision,
        capture=False,
        report_at=lambda phase, step: step % report_every == 0,
        forward=Trainee.output,
        optimiser=optimiser,
        scheduler=scheduler,
    )
    chosen = {"steps": steps, "lr": lr, "warmup": warmup, "clip": clip, "precision": precision, "seed": seed}
    chosen |= {"batch_size": batch_size, "report_every": report_every}
    saved = None if checkpoint is None else file_path("fit: checkpoint", checkpoint)
    session = Session(loop, trainee, jobs, callbacks, saved, save_every)
    with stop_on_signals() as stop:
        return session.run(stop, chosen, progress)
    raise Stopped  # and whoever handled the signal before let the process go on


def _trainee(source: Any, data: Any, modules: Any, embeddings: Any, also: Sequence[nn.Module]) -> Trainee:
    """Check that every model can be trained so."""
    if not isinstance(source, WeightSource):
        hint = ": a hypernetized module is trained like any module" if hasattr(source, "generator") else ""
        raise TypeError(f"fit wants a generator or another weight source, got {type(source).__name__}{hint}")
    if not isinstance(data, Mapping) or not data:
        got = "an empty one" if isinstance(data, Mapping) else type(data).__name__
        raise TypeError(f"fit wants a dict from specs to their data, got {got}")
    if not isinstance(embeddings, Embeddings | None):
        raise TypeError(f"fit wants uhn.Embeddings, got {type(embeddings).__name__}")
    if not isinstance(modules, Mapping):
        raise TypeError(f"fit wants a dict from specs to their modules, got {type(modules).__name__}")
    if isinstance(also, nn.Module) or not all(isinstance(module, nn.Module) for module in also):
        raise TypeError(f"fit wants a list of modules to train also, got {also!r:.100}")
    for spec in data:
        source.check(one_spec(spec, "fit, as a key of its data,"))
        if spec in modules:
            check_fits(spec, modules[spec])
        elif spec.wiring == "module":
            raise ValueError(f"fit wants the module that {spec!r} describes: modules={{spec: module}}")
    if strangers := [spec for spec in modules if spec not in data]:
        raise ValueError(f"fit wants data for every module, got none for {strangers[0]!r}")
    trainee = Trainee(source, modules, embeddings, also)
    if not any(parameter.requires_grad for parameter in trainee.parameters()):
        raise ValueError(f"fit wants a parameter that requires a gradient, this {source.kind} source has none")
    return trainee


def _check_optimiser(trainee: Trainee, optimiser: Any, scheduler: Any, lr: Any, warmup: Any) -> None:
    """An own optimiser must train something here, and decides its rate alone."""
    if optimiser is None:
        if scheduler is not None:
            raise ValueError("fit wants the optimiser that the scheduler is of, got a scheduler alone")
        return
    if not isinstance(optimiser, Optimizer):
        raise TypeError(f"fit wants an optimiser made over the parameters, got {optimiser!r:.100}")
    if lr is not None or warmup is not None:
        raise ValueError("fit wants either an optimiser, whose rate is its own, or lr and warmup, got both")
    own = {id(p) for p in trainee.parameters()}
    if not all(id(p) in own for group in optimiser.param_groups for p in group["params"]):
        raise ValueError(
            "fit wants an optimiser over parameters of the source, the embeddings or the modules in `also`, got one "
            "over others"
        )
    if isinstance(scheduler, ReduceLROnPlateau) or not isinstance(scheduler, LRScheduler | None):
        raise TypeError(f"fit wants a scheduler that steps by itself, got {type(scheduler).__name__}")
    if scheduler is not None and scheduler.optimizer is not optimiser:
        raise ValueError("fit wants the scheduler of the optimiser that it is given, got another's")
