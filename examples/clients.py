"""Every client has a model of its own from one generator; a new one is served by fitting its embedding alone.

Eight clients hold MNIST digits that are turned by an angle of their own, so that one client's 6 is another's 9. Four
more clients, at angles in between, come when training is over, with a few labelled rows each.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from common import Rows, accuracy, arguments, images
from torch import Tensor

import uhn
from uhn.randomness import stream

KNOWN = [45.0 * number for number in range(8)]
NEW = [22.5, 112.5, 202.5, 292.5]


def turned(x: Tensor, degrees: float) -> Tensor:
    """Digits ``[N, 1, 14, 14]`` turned by an angle, flat."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    matrix = torch.tensor([[cos, -sin, 0.0], [sin, cos, 0.0]]).expand(len(x), -1, -1)
    grid = F.affine_grid(matrix, list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, padding_mode="border", align_corners=False).flatten(1)


def main() -> None:
    args = arguments(__doc__, steps=1000, rows=12000, few=200)
    if args.quick:
        args.steps, args.rows, args.few = 2, 200, 20
    data = images("mnist", args, args.rows, pool=2)
    spec = uhn.mlp((196, 32, 10))
    print(f"{spec.num_params:,} weights, {args.steps} steps, {args.few} rows per new client, seed {args.seed}")

    def of(degrees: float, split: str) -> Rows:
        return turned(data[split][0], degrees), data[split][1]

    known = [of(degrees, "train") for degrees in KNOWN]
    generator, shared = (
        uhn.UniversalHypernetwork.for_specs([spec], condition=size, hidden=32, frequencies=128, seed=args.seed)
        for size in (8, 0)
    )
    clients = uhn.Embeddings(len(KNOWN), 8)

    def batch(number: int, ids: bool = True) -> tuple[Tensor, ...]:
        draw = stream(args.seed, "clients", number)
        who = torch.randperm(len(KNOWN), generator=draw)[:4]
        rows = torch.randint(len(data["train"][1]), (4, 32), generator=draw)
        x, y = (torch.stack([known[who[k]][part][rows[k]] for k in range(4)]) for part in (0, 1))
        return (x, y, who) if ids else (x.flatten(0, 1), y.flatten())

    def loss(scores: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(scores.reshape(-1, 10), labels.reshape(-1))

    common = {"loss": loss, "steps": args.steps, "lr": 2e-3, "warmup": 20, "clip": 1.0, "progress": False}
    for source, given in ((generator, {"embeddings": clients}), (shared, {})):
        source.initialise([spec], steps=min(60, args.steps), progress=False)
        uhn.fit(source, {spec: batch if given else lambda n: batch(n, ids=False)}, **given, **common)

    def score(flat: Tensor, degrees: float, split: str) -> float:
        x, y = of(degrees, split)
        return accuracy(uhn.run(spec, flat.detach(), x), y)

    def cost(condition: Tensor, rows: Rows) -> Tensor:
        return F.cross_entropy(uhn.run(spec, generator(spec, condition=condition), rows[0]), rows[1])

    def served(degrees: float) -> tuple[Tensor, Tensor]:
        """The embedding of the known client that suits a new one's few rows best, and one fitted from there."""
        x, y = of(degrees, "train")
        few = x[: args.few], y[: args.few]
        best = min(clients.weight.detach(), key=lambda c: float(cost(c, few).detach()))
        return best, clients.fit_new(lambda c: cost(c, few), steps=min(100, args.steps), lr=0.02, start=best)

    nearest, fitted = (dict(zip(NEW, each, strict=True)) for each in zip(*map(served, NEW), strict=True))
    for split in ("val", "test"):
        for name, angles, conditions in (
            ("8 known clients, their embeddings", KNOWN, dict(zip(KNOWN, clients.weight, strict=True))),
            ("4 new clients, an embedding fitted to each", NEW, fitted),
            ("4 new clients, the best known embedding", NEW, nearest),
        ):
            own = [score(generator(spec, condition=conditions[degrees]), degrees, split) for degrees in angles]
            one = [score(shared(spec), degrees, split) for degrees in angles]
            print(f"{split:4}  {name:43} {_mean(own)}   one model for all {_mean(one)}", flush=True)


def _mean(values: list[float]) -> str:
    return f"{sum(values) / len(values):.3f}"


if __name__ == "__main__":
    main()
