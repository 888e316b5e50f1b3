"""Two ways that are not the paper's, against the usual ones on equal steps: PCGrad for several tasks, FiLM conditions.

The tasks are MNIST's digits turned by 0, 90, 180 and 270 degrees: what is a 6 for one is a 9 for another.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

import uhn
from uhn.randomness import stream
from uhn.tasks import Limits, load_task
from uhn.training.pcgrad import pcgrad


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder of the data, fetched there if missing")
    parser.add_argument("--quick", action="store_true", help="a few steps, to see that it runs")
    args = parser.parse_args()
    steps = 2 if args.quick else args.steps
    torch.set_num_threads(1)
    task = load_task("mnist", root=args.data, seed=0, stand_in=True, limits=Limits(4000, 1000), batch_size=4000)
    splits = {name: next(iter(task.eval_batches(name))) for name in ("train", "test")}
    turned = {
        name: [F.avg_pool2d(rows.inputs.x, 2).rot90(k, (2, 3)).flatten(1) for k in range(4)]
        for name, rows in splits.items()
    }
    spec = uhn.mlp((196, 16, 10))

    def learn(flats: Callable[[], list[Tensor]], parameters: list[torch.nn.Parameter], seed: int, apart: bool) -> float:
        """Train on all four; mean accuracy on the test rows."""
        optimiser = torch.optim.AdamW(parameters, lr=2e-3, weight_decay=0.0)
        for step in range(steps):
            rows = torch.randint(len(splits["train"].target), (32,), generator=stream(seed, "rows", step))
            y = splits["train"].target[rows]
            losses = [
                F.cross_entropy(uhn.run(spec, flat, x[rows]), y)
                for flat, x in zip(flats(), turned["train"], strict=True)
            ]
            optimiser.zero_grad()
            if apart:
                pcgrad(losses, parameters, stream(seed, "pcgrad", step))
            else:
                torch.stack(losses).sum().backward()
            optimiser.step()
        with torch.no_grad():
            right = [
                float((uhn.run(spec, flat, x).argmax(1) == splits["test"].target).float().mean())
                for flat, x in zip(flats(), turned["test"], strict=True)
            ]
        return sum(right) / len(right)

    settings = {"hidden": 32, "frequencies": 64}
    tasks = [spec.with_task(f"turned-{90 * k}") for k in range(4)]
    print(f"mnist: {task.provenance.kind}")
    print(f"{spec.num_params:,} weights, {steps} steps; accuracy of seeds 0, 1, 2")
    for name, apart in (("four tasks, sum of gradients", False), ("four tasks, PCGrad", True)):
        found = []
        for seed in range(3):
            generator = uhn.UniversalHypernetwork.for_specs(tasks, seed=seed, **settings)
            generator.initialise(tasks, steps=min(80, 4 * steps), seed=seed, progress=False)
            found.append(
                learn(lambda g=generator: [g(one) for one in tasks], list(generator.parameters()), seed, apart)
            )
        report(name, found)
    for name, mode in (("four conditions, additive", "add"), ("four conditions, FiLM", "film")):
        found = []
        for seed in range(3):
            generator = uhn.UniversalHypernetwork.for_specs(
                [spec], seed=seed, condition=4, condition_mode=mode, **settings
            )
            generator.initialise([spec], steps=min(40, steps), seed=seed, progress=False)
            given = torch.eye(4)
            found.append(
                learn(
                    lambda g=generator, c=given: list(g(spec, condition=c)), list(generator.parameters()), seed, False
                )
            )
        report(name, found)


def report(name: str, found: list[float]) -> None:
    """A line."""
    print(f"{name:30} {'  '.join(f'{value:.3f}' for value in found)}   mean {sum(found) / len(found):.3f}", flush=True)


if __name__ == "__main__":
    main()
