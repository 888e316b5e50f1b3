"""Five tasks, one after another, by one generator: with and without the regulariser that keeps the old models.

Split MNIST: is it a 0 or a 1, then 2 or 3, up to 8 or 9. Each task has an embedding, and the generator makes each
task's network from it (von Oswald et al., 2020). No old data are kept; what is kept is the weights that were made.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from common import Rows, accuracy, arguments, images
from torch import Tensor

import uhn
from uhn.randomness import stream

SPEC = uhn.mlp((196, 32, 2))


def pair(rows: Rows, task: int) -> Rows:
    """The rows of two digits, flat; labels 0 and 1."""
    x, y = rows
    chosen = y // 2 == task
    return x[chosen].flatten(1), y[chosen] % 2


class Learner:
    """A generator with an embedding per task, learning one after another; ``weight`` of the regulariser, or 0."""

    def __init__(self, weight: float, steps: int, seed: int) -> None:
        self.weight, self.steps, self.seed = weight, steps, seed
        settings = {"condition": 8, "hidden": 32, "frequencies": 128, "seed": seed}
        self.generator = uhn.UniversalHypernetwork.for_specs([SPEC], **settings)
        torch.manual_seed(seed)
        self.embeddings = uhn.Embeddings(5, 8)
        self.generator.initialise([SPEC], steps=min(60, steps), progress=False)

    def learn(self, task: int, rows: Rows) -> None:
        """Learn ``task`` from its rows; of the tasks before it, nothing but the weights that are made for them."""

        def batch(number: int) -> tuple[Tensor, Tensor, Tensor]:
            chosen = torch.randint(len(rows[0]), (64,), generator=stream(self.seed, f"task {task}", number))
            return rows[0][chosen], rows[1][chosen], torch.tensor(task)

        keep = None
        if task and self.weight:
            old = [(SPEC, self.embeddings(before)) for before in range(task)]
            keep = uhn.output_regulariser(self.generator, old, self.weight)
        given = {"embeddings": self.embeddings, "regulariser": keep, "loss": F.cross_entropy, "progress": False}
        uhn.fit(self.generator, {SPEC: batch}, steps=self.steps, lr=1e-3, warmup=10, clip=1.0, **given)

    @torch.no_grad()
    def accuracy(self, task: int, rows: Rows) -> float:
        """Share of right answers of the network of ``task``."""
        return accuracy(uhn.run(SPEC, self.generator(SPEC, condition=self.embeddings(task)), rows[0]), rows[1])


def main() -> None:
    args = arguments(__doc__, steps=200, rows=12000)
    if args.quick:
        args.steps, args.rows = 2, 200
    data = images("mnist", args, args.rows, pool=2)
    tasks = [{split: pair(rows, task) for split, rows in data.items()} for task in range(5)]
    print(f"{SPEC.num_params:,} weights, {args.steps} steps per task, seed {args.seed}")
    print("accuracy                     after all five:  0/1    2/3    4/5    6/7    8/9   mean   when learnt: mean")
    for name, weight in (("without the regulariser", 0.0), ("with the regulariser", 0.1)):
        learner, learnt = Learner(weight, args.steps, args.seed), []
        for number, task in enumerate(tasks):
            learner.learn(number, task["train"])
            learnt.append(learner.accuracy(number, task["val"]))
        for split, before in (("val", f"              {sum(learnt) / 5:.3f}"), ("test", "")):
            final = [learner.accuracy(number, task[split]) for number, task in enumerate(tasks)]
            values = "  ".join(f"{value:.3f}" for value in (*final, sum(final) / 5))
            print(f"{name:24} {split:19}  {values}{before}", flush=True)


if __name__ == "__main__":
    main()
