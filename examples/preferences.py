"""A Pareto front from one generator: the preference between two objectives is the condition.

Two MNIST digits lie over each other; a small network names the one that is shifted to the top left and the one that is
shifted to the bottom right. Training draws a new preference between the two losses for every model of every step.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from common import Rows, accuracy, arguments, images
from torch import Tensor

import uhn
from uhn.randomness import stream

PREFERENCES = torch.linspace(0, 1, 6)


def pairs(rows: Rows, seed: int) -> Rows:
    """Each digit with another one over it ``[N, 18 * 18]``, and both labels ``[N, 2]``."""
    x, y = rows
    other = torch.randperm(len(x), generator=stream(seed, "pairs", len(x)))
    low = float(x.min())
    both = torch.maximum(F.pad(x, (0, 4, 0, 4), value=low), F.pad(x[other], (4, 0, 4, 0), value=low))
    return both.flatten(1), torch.stack([y, y[other]], 1)


def losses(scores: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of each of the two answers, ``[2]``, for scores ``[N, 20]``."""
    return torch.stack([F.cross_entropy(scores[:, 10 * n : 10 * n + 10], labels[:, n]) for n in (0, 1)])


def condition(preference: Tensor) -> Tensor:
    """Preferences ``[K]`` for the first digit, 0..1, as conditions ``[K, 1]`` from -2 to 2."""
    return 2 * (2 * preference - 1)[:, None]


def main() -> None:
    args = arguments(__doc__, steps=600, rows=12000)
    if args.quick:
        args.steps, args.rows = 3, 200
    data = {split: pairs(rows, args.seed) for split, rows in images("mnist", args, args.rows, pool=2).items()}
    spec = uhn.mlp((324, 8, 20))
    settings = {"condition": 1, "condition_mode": "film", "hidden": 32, "frequencies": 128, "seed": args.seed}
    generator = uhn.UniversalHypernetwork.for_specs([spec], **settings)
    print(f"{spec.num_params:,} weights, {args.steps} steps, seed {args.seed}")

    def batch(number: int) -> tuple[Tensor, tuple[Tensor, Tensor], Tensor]:
        draw = stream(args.seed, "preferences", number)
        first = torch.rand(4, generator=draw)
        rows = torch.randint(len(data["train"][0]), (4, 64), generator=draw)
        x, y = (part[rows] for part in data["train"])
        return x, (y, torch.stack([first, 1 - first], 1)), condition(first)

    def loss(scores: Tensor, target: tuple[Tensor, Tensor]) -> Tensor:
        each = torch.stack([losses(*pair) for pair in zip(scores, target[0], strict=True)])
        return (each * target[1]).sum(1).mean()

    generator.initialise([spec], steps=min(60, args.steps), progress=False)
    uhn.fit(generator, {spec: batch}, loss=loss, steps=args.steps, lr=2e-3, warmup=20, clip=1.0, progress=False)
    flats = generator(spec, condition=condition(PREFERENCES)).detach()
    for split in ("val", "test"):
        x, y = data[split]
        print(f"{split:4}  preference   losses          accuracies")
        found = []
        for preference, flat in zip(PREFERENCES, flats, strict=True):
            scores = uhn.run(spec, flat, x)
            found.append([float(value) for value in losses(scores, y)])
            right = [accuracy(scores[:, 10 * n : 10 * n + 10], y[:, n]) for n in (0, 1)]
            values = "  ".join(f"{value:.3f}" for value in found[-1]) + "    " + "  ".join(f"{a:.3f}" for a in right)
            print(f"      {preference:.1f}          {values}")
        beaten = [any(b[0] < a[0] and b[1] < a[1] for b in found) for a in found]
        print(
            f"      {len(found) - sum(beaten)} of {len(found)} on the front: no other is better in both losses",
            flush=True,
        )


if __name__ == "__main__":
    main()
