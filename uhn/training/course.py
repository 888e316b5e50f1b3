"""What decides the course of a training by ``uhn.fit``, as a digest: a checkpoint is of this course or of another."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor
from torch.utils._pytree import tree_leaves

from uhn.models.forward import Inputs
from uhn.models.module import tensor_shapes
from uhn.sources.files import content_digest
from uhn.training.loop import Loop
from uhn.training.trainee import Job, Trainee


def course_of(trainee: Trainee, loop: Loop, jobs: Sequence[Job], chosen: Mapping[str, Any]) -> str:
    """Return a digest of the source and its values now, models, data, losses, optimiser and settings.

    Left out is what scripts draw without a seed and what a checkpoint holds anyway: weights of a module that are to be
    generated, embeddings, modules that are trained also. Functions count by their names, loaders by type and length.
    """
    tensors = {f"source.{name}": value for name, value in trainee.source.state_dict().items()}
    models: list[Any] = []
    trained = {id(p) for module in trainee.also for p in module.parameters()}
    for number, job in enumerate(jobs):
        layout = [(slot.name, list(slot.shape)) for slot in job.spec.layout]
        models.append([layout, named(job.criterion), _described(job.feed.data)])
        for place, leaf in enumerate(tree_leaves(job.feed.data) if isinstance(job.feed.data, tuple) else ()):
            parts = vars(leaf) if isinstance(leaf, Inputs) else {"": leaf}
            tensors |= {f"data.{number}.{place}.{k}": v for k, v in parts.items() if isinstance(v, Tensor)}
        if (module := trainee.modules_of.get(job.spec)) is not None:
            generated = tensor_shapes(job.spec)
            kept: dict[str, Tensor] = {n: p for n, p in module.named_parameters() if id(p) not in trained}
            kept |= dict(module.named_buffers())
            tensors |= {f"module.{number}.{n}": value for n, value in kept.items() if n not in generated}
    own = None
    if loop.own is not None:
        groups = [{k: repr(v) for k, v in group.items() if k != "params"} for group in loop.own.param_groups]
        own = [named(type(loop.own)), groups, named(type(loop.scheduler))]
    regulariser = None if not jobs[0].regulariser else named(jobs[0].regulariser)
    about = [trainee.source.describe(), models, own, regulariser, dict(chosen)]
    plain = {name: t.detach().cpu() for name, t in tensors.items()}
    return content_digest(about, {name: (t.to_dense() if t.is_sparse else t).contiguous() for name, t in plain.items()})


def named(function: Any) -> str:
    """The name of a function or class, or what an instance says of itself, without its address."""
    return getattr(function, "__qualname__", None) or re.sub(r" at 0x[0-9a-f]+", "", repr(function))


def _described(data: Any) -> str:
    if callable(data):
        return named(data)
    try:
        return f"{type(data).__qualname__} of {len(data)}"
    except TypeError:
        return type(data).__qualname__
