"""What the examples share: arguments, images as tensors, accuracy."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor

from uhn.tasks import Limits, load_task

Rows = tuple[Tensor, Tensor]
"""Images ``[N, C, H, W]`` and labels ``[N]``."""


def arguments(about: str | None, **more: int) -> argparse.Namespace:
    """``--seed``, ``--threads``, ``--data``, ``--quick`` (sizes that show nothing but that it runs), and numbers."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder of the data, fetched there if missing")
    parser.add_argument("--quick", action="store_true", help="a few steps on a few rows")
    for name, default in more.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    return args


def images(name: str, args: argparse.Namespace, rows: int, pool: int = 1) -> dict[str, Rows]:
    """``train``, ``val`` (cut off the training rows) and ``test`` rows of a dataset, averaged over ``pool`` pixels."""
    limits = Limits(rows, rows // 4) if args.quick else Limits(rows)
    task = load_task(name, root=args.data, seed=args.seed, validate=True, limits=limits, stand_in=args.quick)
    print(f"{name}: {task.provenance.kind}, {task.provenance.rows} rows")
    found = {}
    for split in ("train", "val", "test"):
        batches = list(task.eval_batches(split))
        x = torch.cat([torch.nn.functional.avg_pool2d(batch.inputs.x, pool) for batch in batches])
        found[split] = x, torch.cat([batch.target for batch in batches])
    return found


def accuracy(scores: Tensor, labels: Tensor) -> float:
    """Share of rows ``[..., N, classes]`` whose highest score is at their label ``[..., N]``."""
    return float((scores.argmax(-1) == labels).float().mean())
