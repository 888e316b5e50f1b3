"""Trainings by ``uhn.fit`` that a test interrupts; as a program, it kills itself in the middle of one of them."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import uhn
from uhn.training.loop import Report

STEPS = 11
SMALL: dict[str, Any] = {"hidden": 8, "frequencies": 8, "structure_frequencies": 4}


class Noisy(TensorDataset):
    """Rows with noise from torch's global generator, as augmentation has it."""

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        x, y = super().__getitem__(index)
        return x + 0.1 * torch.randn(x.shape), y


def rows(count: int = 14) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(1)
    x = torch.randn(count, 4, generator=draw)
    return x, (x[:, 0] > 0).long() + (x[:, 1] > 0).long()


def together(checkpoint: Path | None, callbacks: list[Callable[[Report], Any]]) -> tuple[Any, list[Report]]:
    """A paper's spec on mini-batches of tensors beside a described network with dropout on a shuffled, noisy loader."""
    torch.manual_seed(3)
    network = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Dropout(0.3), nn.Linear(6, 3))
    spec, described = uhn.mlp((4, 5, 3), dropout=0.2), uhn.describe(network)
    generator = uhn.UniversalHypernetwork.for_specs([spec, described], **SMALL)
    loader = DataLoader(Noisy(*rows()), batch_size=4, shuffle=True)
    reports = uhn.fit(
        generator,
        {spec: rows(), described: loader},
        loss=F.cross_entropy,
        modules={described: network},
        batch_size=None,
        steps=STEPS,
        lr=0.01,
        warmup=2,
        clip=1.0,
        report_every=2,
        callbacks=callbacks,
        checkpoint=checkpoint,
        save_every=1e-9,
        progress=False,
    )
    return generator, reports


def people(checkpoint: Path | None, callbacks: list[Callable[[Report], Any]]) -> tuple[Any, list[Report]]:
    """Two people's conditions per step, with somebody's own optimiser and scheduler, and a regulariser."""
    torch.manual_seed(3)
    spec = uhn.mlp((4, 5, 3))
    generator = uhn.UniversalHypernetwork.for_specs([spec], condition=2, **SMALL)
    table = uhn.Embeddings(3, 2)
    x, y = rows(8)

    def batch(number: int) -> tuple[Tensor, Tensor, Tensor]:
        ids = torch.tensor([number % 3, (number + 1) % 3])
        return torch.stack([x, -x]), torch.stack([(y + i) % 3 for i in ids]), ids

    optimiser = torch.optim.SGD([*generator.parameters(), *table.parameters()], lr=0.05, momentum=0.9)
    reports = uhn.fit(
        generator,
        {spec: batch},
        loss=lambda output, target: F.cross_entropy(output.flatten(0, 1), target.flatten()),
        embeddings=table,
        optimiser=optimiser,
        scheduler=torch.optim.lr_scheduler.MultiStepLR(optimiser, [3, 7], 0.5),
        regulariser=uhn.output_regulariser(generator, [spec], 0.1),
        steps=STEPS,
        report_every=2,
        callbacks=callbacks,
        checkpoint=checkpoint,
        save_every=1e-9,
        progress=False,
    )
    return nn.ModuleList([generator, table]), reports


CASES = {"together": together, "people": people}


def kill_at(step: int) -> Callable[[Report], None]:
    def kill(report: Report) -> None:
        if report.step >= step:
            os.kill(os.getpid(), signal.SIGKILL)

    return kill


if __name__ == "__main__":
    CASES[sys.argv[1]](Path(sys.argv[2]), [kill_at(6)])
