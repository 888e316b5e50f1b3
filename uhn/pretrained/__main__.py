"""Train a shipped generator anew: ``python -m uhn.pretrained cnn-width-small --out FOLDER``.

Ctrl-C saves and leaves, and the same command goes on. It leaves the generator and its record: data, settings, seeds,
commit, and the accuracy on the whole test set of the members that training never saw, of some that it saw, and of
unseen ones that were trained directly for as many steps. ``--pilot N`` trains N steps without the validation rows,
prints the accuracy on these and writes nothing: no test row is read.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import torch

from uhn.files import write_atomically
from uhn.models.spec import ModelSpec
from uhn.pretrained.families import FAMILIES, Family, Widths
from uhn.sources.base import WeightSource
from uhn.sources.direct import Direct
from uhn.sources.files import source_bytes
from uhn.sources.universal import UniversalHypernetwork
from uhn.tasks import Task, load_task
from uhn.training.evaluate import evaluate
from uhn.training.fit import fit


def train(
    source: WeightSource, specs: list[ModelSpec], task: Task, settings: dict[str, Any], seed: int, out: Path
) -> None:
    """Train ``source`` on the task, one model per step, every step with the task's next batch."""

    def batches(place: int) -> Any:
        def batch(number: int) -> tuple[Any, torch.Tensor]:
            found = task.train_batch(seed, number * len(specs) + place)
            return found.inputs, found.target

        return batch

    data = {spec: batches(place) for place, spec in enumerate(specs)}
    fit(source, data, loss=task.loss, seed=seed, checkpoint=out, **settings)


def make(family: Family, task: Task, settings: dict[str, Any], seed: int, out: Path) -> UniversalHypernetwork:
    """The trained generator of a family; its progress lies in ``out``."""
    seen = [family.spec(widths) for widths in family.split()[0]]
    generator = UniversalHypernetwork.for_specs(list(family.corners()), seed=seed, **family.generator)  # type: ignore[arg-type]
    generator.initialise(seen, seed=seed, **family.initialise)  # type: ignore[arg-type]
    train(generator, seen, task, settings, seed, out / "fit.ckpt")
    return generator


@torch.no_grad()
def scores(family: Family, source: WeightSource, task: Task, members: list[Widths], split: str) -> dict[str, float]:
    """Accuracy of members by their widths."""
    specs = {"-".join(map(str, widths)): family.spec(widths) for widths in members}
    return {name: round(evaluate(task, spec, source(spec), split), 4) for name, spec in specs.items()}


def commit() -> str:
    """The commit of this code, with a + if it was changed since."""

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=Path(__file__).parent, capture_output=True, text=True).stdout.strip()

    return (git("rev-parse", "HEAD") or "unknown") + "+" * bool(git("status", "--porcelain", "-uno"))


def main() -> None:
    """Train, evaluate, write."""
    parser = argparse.ArgumentParser(prog="uhn.pretrained", description=__doc__)
    parser.add_argument("name", choices=list(FAMILIES))
    parser.add_argument("--out", type=Path, default=Path("work/pretrained"), help="progress and results")
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder of the data, fetched there if missing")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pilot", type=int, metavar="N", help="N steps, scored on validation rows")
    parser.add_argument("--lr", type=float, help="of a pilot")
    parser.add_argument("--direct", type=int, default=2, help="how many unseen members are also trained directly")
    args = parser.parse_args()
    torch.set_num_threads(1)
    family = FAMILIES[args.name]
    settings: dict[str, Any] = dict(family.train)
    task = load_task(
        family.dataset, root=args.data, seed=args.seed, validate=args.pilot is not None,
        batch_size=int(settings.pop("batch_size")),
    )  # fmt: skip
    seen, unseen = family.split()
    args.out.mkdir(parents=True, exist_ok=True)
    if args.pilot is not None:
        settings |= {"steps": args.pilot, "lr": args.lr or settings["lr"]}
        generator = make(family, task, settings, args.seed, args.out)
        for what, members in (("seen", seen[:: len(seen) // 5]), ("unseen", unseen[::2])):
            found = scores(family, generator, task, members, "val")
            print(f"lr {settings['lr']:g}, validation, {what}: {sum(found.values()) / len(found):.4f} {found}")
        return
    generator = make(family, task, settings, args.seed, args.out)
    content = source_bytes(generator)
    write_atomically(args.out / f"{args.name}.safetensors", content)
    accuracy: dict[str, Any] = {
        "unseen": scores(family, generator, task, unseen, "test"),
        "seen": scores(family, generator, task, seen[:: len(seen) // 5][:5], "test"),
        "guessing": task.scored("test")[1],
        "direct": {},
    }
    record = {
        "name": args.name,
        "sha256": hashlib.sha256(content).hexdigest(),
        "data": {"dataset": task.name, "fingerprint": task.provenance.fingerprint, "rows": task.provenance.rows},
        "settings": {"generator": dict(family.generator), "init": dict(family.initialise), "train": dict(family.train)},
        "stages": family.stages,
        "seen": seen,
        "unseen": unseen,
        "seed": args.seed,
        "commit": commit(),
        "kernel": generator.path("fp32"),
        "torch": torch.__version__,
        "accuracy": accuracy,
    }
    for widths in [unseen[0], unseen[-1], *unseen[1:-1]][: args.direct]:
        source = Direct(family.spec(widths), seed=args.seed)
        train(source, [source.spec], task, settings | {"lr": 0.005}, args.seed, args.out / f"direct-{widths}.ckpt")
        accuracy["direct"] |= scores(family, source, task, [widths], "test")
    write_atomically(args.out / f"{args.name}.json", json.dumps(record, indent=1) + "\n")
    print(json.dumps(accuracy, indent=1))


if __name__ == "__main__":
    main()
