"""Fit a picture with a SIREN whose weights come from a generator, and show what it takes.

A SIREN computes ``sin(30 (W x + b))``: its weights lie within 0.01 of zero, and what it draws depends on them sharply.
"""

from __future__ import annotations

import argparse
import copy
import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from matplotlib.cbook import get_sample_data
from matplotlib.image import imread
from torch import Tensor, nn

import uhn

Source = uhn.UniversalHypernetwork | uhn.Direct


class Sine(nn.Module):
    """``sin(30 x)``."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.sin(30 * x)


def siren(width: int = 64) -> nn.Sequential:
    """Two coordinates to one value through three layers of sines, drawn as Sitzmann et al. (2020) do."""
    sizes = [2, width, width, width, 1]
    linears = [nn.Linear(a, b) for a, b in pairwise(sizes)]
    for number, linear in enumerate(linears):
        bound = 1 / 2 if number == 0 else math.sqrt(6 / width) / 30
        nn.init.uniform_(linear.weight, -bound, bound)
        nn.init.uniform_(linear.bias, -bound, bound)
    return nn.Sequential(*[layer for linear in linears[:-1] for layer in (linear, Sine())], linears[-1])


def picture(size: int) -> tuple[Tensor, Tensor]:
    """Coordinates ``[size^2, 2]`` and grey values ``[size^2, 1]`` in -1..1 of a photograph that matplotlib ships."""
    with get_sample_data("grace_hopper.jpg") as file:
        whole = torch.tensor(imread(file, format="jpg") / 255.0).float().mean(-1)
    side = min(whole.shape)
    grey = F.adaptive_avg_pool2d(whole[:side, :side][None], size)[0]
    at = (torch.arange(size) + 0.5) / size * 2 - 1
    return torch.stack(torch.meshgrid(at, at, indexing="ij"), -1).reshape(-1, 2), 2 * grey.reshape(-1, 1) - 1


def psnr(loss: float) -> float:
    """Peak signal-to-noise ratio in dB of a mean squared error on -1..1."""
    return 10 * math.log10(4 / loss)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("seed", 0), ("threads", 1), ("steps", 200), ("size", 64)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--quick", action="store_true", help="a few steps on a small picture")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    if args.quick:
        args.steps, args.size = 3, 16
    network, data = siren(), picture(args.size)
    spec = uhn.describe(network)
    print(f"{args.size} x {args.size} picture, {spec.num_params:,} weights, {args.steps} steps, seed {args.seed}")

    def fit(source: Source, rate: float, warmup: int, steps: int) -> tuple[float, Source]:
        """The loss in dB, and a trained copy of ``source``."""
        trained = copy.deepcopy(source)
        given = {"modules": {spec: network}, "loss": F.mse_loss, "report_every": 10, "progress": False}
        return psnr(uhn.fit(trained, {spec: data}, steps=steps, lr=rate, warmup=warmup, **given)[-1].loss), trained

    def generator(sigma: float, initial: int) -> uhn.UniversalHypernetwork:
        made = uhn.UniversalHypernetwork.for_specs([spec], hidden=64, frequencies=256, scale=sigma, seed=args.seed)
        if initial:
            made.initialise([spec], steps=min(initial, 2 * args.steps), progress=False)
        return made

    direct, good, narrow = uhn.Direct(spec, seed=args.seed), generator(100.0, 400), generator(10.0, 400)
    print(
        "one step of AdamW at rate 1e-4, second layer (deviation 0.0059): change per weight, correlation of neighbours'"
    )
    for name, source in (("Direct", direct), ("generator, sigma 100", good), ("generator, sigma 10", narrow)):
        moved = (fit(source, 1e-4, 0, 1)[1](spec) - source(spec)).detach()
        change = uhn.weights(spec, moved)["2.weight"]
        alike = torch.corrcoef(torch.stack([change[:, 1:].flatten(), change[:, :-1].flatten()]))[0, 1]
        print(f"  {float(change.square().mean().sqrt()):.4f}  {float(alike):5.2f}  {name}")
    print("peak signal-to-noise ratio in dB (and the deviation of the second layer's weights before training)")
    print(f"  {psnr(float(data[1].var(correction=0))):5.1f}           the picture's mean everywhere")
    for name, source, rate, warmup in (
        ("Direct, rate 1e-3", direct, 1e-3, 0),
        ("generator: 400 steps of initialisation, rate 1e-4 after 50 of warm-up, sigma 100", good, 1e-4, 50),
        ("generator, without the warm-up", good, 1e-4, 0),
        ("generator, 100 steps of initialisation", generator(100.0, 100), 1e-4, 50),
        ("generator, without initialisation", generator(100.0, 0), 1e-4, 50),
        ("generator, rate 1e-3", good, 1e-3, 50),
        ("generator, sigma 10", narrow, 1e-4, 50),
    ):
        deviation = float(uhn.weights(spec, source(spec))["2.weight"].detach().std())
        print(f"  {fit(source, rate, warmup, args.steps)[0]:5.1f} ({deviation:.4f})  {name}", flush=True)


if __name__ == "__main__":
    main()
