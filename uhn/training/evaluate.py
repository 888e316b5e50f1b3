"""Evaluation: weights are generated once per model, sums stay on the device until the end."""

from __future__ import annotations

import torch
from torch import Tensor

from uhn.models.forward import run
from uhn.models.spec import ModelSpec
from uhn.tasks import Task
from uhn.training.precision import autocast


@torch.no_grad()
def evaluate(task: Task, spec: ModelSpec, flat: Tensor, split: str, precision: str = "fp32") -> float:
    """Return the task's score (accuracy in [0, 1] or RMSE) of the model on ``split``.

    Args:
        task: where the data, the loss and the metric are.
        spec: the model.
        flat: its weights ``[P]``, already generated.
        split: ``"train"``, ``"val"`` or ``"test"``.
        precision: arithmetic of the base model.
    """
    total = torch.zeros(2, dtype=torch.float64, device=flat.device)
    for batch in task.eval_batches(split):  # type: ignore[arg-type]
        with autocast(precision, flat.device):
            output = run(spec, flat, batch.inputs)
        total += task.errors(output.float() if output.dtype.itemsize < 4 else output, batch.target)
    return task.score(*total.tolist())
