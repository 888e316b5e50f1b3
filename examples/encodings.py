"""Two studies beyond the paper: a learned hash grid against Gaussian Fourier features, and recursion to K = 4.

The first makes the weights of MNIST's MLP (118,282) by a generator of about 21,000 parameters, as docs/claims.md does
for the paper's encodings; with ``--pilot`` it shows the rates on validation rows instead. The second trains a small KAN
for the Bessel function kv through K generators that are generated.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path

import torch

import uhn
from uhn.models.hypernet import generated_uhn
from uhn.tasks import Task, load_task
from uhn.training.loop import Diverged

SEEDS = (21962, 59358, 95819)
STUDENT = 4.303
"""Of two degrees of freedom, 95 %."""
RATES = {"gff": 1e-3, "hash": 3e-3}
"""Chosen by the pilot."""
PILOT = (3e-4, 1e-3, 3e-3, 1e-2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pilot", action="store_true", help="rates on validation rows, one seed, and no more")
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder of the data, fetched there if missing")
    parser.add_argument("--quick", action="store_true", help="a few steps, to see that it runs")
    args = parser.parse_args()
    torch.set_num_threads(1)
    encodings(args.data, args.pilot, args.quick)
    if not args.pilot:
        recursion(args.quick)


def encodings(data: Path, pilot: bool, quick: bool) -> None:
    """Accuracy of the generated MLP after equal steps."""
    spec, found = uhn.mlp((784, 4, 10)) if quick else uhn.zoo("mlp-mnist"), {}
    for name, rate in RATES.items():
        for lr in PILOT if pilot else (rate,):
            values = []
            for seed in SEEDS[: 1 if pilot else 3]:
                task = load_task("mnist", root=data, seed=seed, stand_in=True, validate=pilot, batch_size=256)
                accuracy, seconds, size = learnt(task, spec, name, lr, seed, "val" if pilot else "test", quick)
                values.append(100 * accuracy)
            if not found:
                print(f"mnist: {task.provenance.kind}")
                print(f"{spec.num_params:,} weights; accuracy in percent of seeds {', '.join(map(str, SEEDS))}")
            found[name] = values
            line = "  ".join(f"{value:.2f}" for value in values)
            print(f"{name:5} {size:,} parameters, rate {lr:.4f}, {seconds:.3f} s per step   {line}", flush=True)
    if not pilot:
        print(f"hash less gff  {told([a - b for a, b in zip(found['hash'], found['gff'], strict=True)])}")


def learnt(
    task: Task, spec: uhn.ModelSpec, encoding: str, lr: float, seed: int, split: str, quick: bool
) -> tuple[float, float, int]:
    """Accuracy, processor seconds per step, and trainable parameters."""
    generator = uhn.UniversalHypernetwork.for_specs([spec], hidden=32, frequencies=256, encoding=encoding, seed=seed)
    generator.initialise([spec], steps=1 if quick else 50, lr=1e-3, seed=seed, progress=False)
    steps, started = 1 if quick else 150, time.process_time()
    batches = {spec: lambda number: (lambda b: (b.inputs, b.target))(task.train_batch(seed, number))}
    uhn.fit(generator, batches, loss=task.loss, steps=steps, lr=lr, seed=seed, progress=False)
    seconds = (time.process_time() - started) / steps
    right = rows = 0
    with torch.no_grad():
        flat = generator(spec)
        for batch in task.eval_batches(split):
            right += int((uhn.run(spec, flat, batch.inputs).argmax(1) == batch.target).sum())
            rows += len(batch.target)
    return right / rows, seconds, generator.parameter_counts()["trainable"]


def told(values: list[float]) -> str:
    """Mean with its 95 % interval over seeds."""
    mean = sum(values) / len(values)
    half = STUDENT * math.sqrt(sum((v - mean) ** 2 for v in values) / (len(values) - 1) / len(values))
    return f"{mean:.2f} [{mean - half:.2f}, {mean + half:.2f}]"


def recursion(quick: bool) -> None:
    """Test error of the KAN after equal steps, for K = 0 to 4; inf where training diverged."""
    leaf = uhn.zoo("kan-g5-kv")
    level = generated_uhn(structure_frequencies=8, index_frequencies=32, hidden=16)
    print(f"kv: {leaf.num_params} weights; a generated generator has {level.num_params:,}; RMSE of the same seeds")
    for depth in range(5):
        errors = []
        for seed in SEEDS:
            task = load_task("kv", root=Path(), seed=seed)
            specs = [level, leaf] if depth else [leaf]
            sizes = {"hidden": 32, "frequencies": 32, "structure_frequencies": 8}
            root = uhn.UniversalHypernetwork.for_specs(specs, structure=True, seed=seed, **sizes)
            source = uhn.Chain(root, [level] * depth) if depth else root
            errors.append(fitted(source, leaf, task, depth, seed, quick))
        print(f"K = {depth}   {'  '.join(f'{value:.4f}' for value in errors)}", flush=True)


def fitted(source: uhn.WeightSource, leaf: uhn.ModelSpec, task: Task, depth: int, seed: int, quick: bool) -> float:
    """Error on test points after initialisation, 60 steps per level, and training."""
    try:
        source.initialise([leaf], steps=(1 if quick else 60) * (depth + 1), lr=1e-3, seed=seed, progress=False)
        batch = task.train_batch(seed, 0)
        data, settings = {leaf: (batch.inputs, batch.target)}, {"lr": 1e-3, "warmup": 20, "clip": 0.1, "seed": seed}
        uhn.fit(source, data, loss=task.loss, steps=1 if quick else 300, progress=False, **settings)
    except Diverged:
        return math.inf
    (test,) = task.eval_batches("test")
    with torch.no_grad():
        return float(task.loss(uhn.run(leaf, source(leaf), test.inputs), test.target)) ** 0.5


if __name__ == "__main__":
    main()
