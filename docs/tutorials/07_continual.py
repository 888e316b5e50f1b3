# %% [markdown]
# # One task after another
#
# A network that learns a new task forgets the old one. A generator with an embedding per task can do better, as what
# must be kept is small: not the old data, but the weights that it made for the old tasks. `uhn.output_regulariser`
# holds them in place while the next task is learnt (von Oswald et al., 2020). Three tasks here: is it a 0 or a 1, then
# 2 or 3, then 4 or 5.

# %%
from pathlib import Path

import torch
import torch.nn.functional as F

import uhn
from uhn.tasks import Limits, load_task

task = load_task("mnist", root=Path("data"), seed=0, stand_in=True, limits=Limits(4000, 1000), batch_size=4000)
print(task)


def pair(split, number):
    """The rows of two digits at 7 x 7 pixels, flat; labels 0 and 1."""
    (rows,) = task.eval_batches(split)
    chosen = rows.target // 2 == number
    return F.avg_pool2d(rows.inputs.x, 4)[chosen].flatten(1), rows.target[chosen] % 2


# %%
spec = uhn.mlp((49, 32, 2))


@torch.no_grad()
def accuracy(generator, tasks, number):
    x, y = pair("test", number)
    return float((uhn.run(spec, generator(spec, condition=tasks(number)), x).argmax(1) == y).float().mean())


def learn(weight):
    """Accuracies ``[3, 3]``: of each task (column) after each was learnt (row)."""
    torch.manual_seed(0)
    generator = uhn.UniversalHypernetwork.for_specs([spec], condition=8, hidden=24, frequencies=64, seed=0)
    generator.initialise([spec], steps=40, progress=False)
    tasks, found = uhn.Embeddings(3, 8), []
    for number in range(3):
        x, y = pair("train", number)

        def batch(step, number=number, x=x, y=y):
            rows = torch.randint(len(x), (64,), generator=torch.Generator().manual_seed(step))
            return x[rows], y[rows], torch.tensor(number)

        keep = None
        if weight and number:
            old = [(spec, tasks(before)) for before in range(number)]
            keep = uhn.output_regulariser(generator, old, weight)
        given = {"embeddings": tasks, "regulariser": keep, "loss": F.cross_entropy, "progress": False}
        uhn.fit(generator, {spec: batch}, steps=60, lr=1e-3, warmup=10, clip=1.0, **given)
        found.append([accuracy(generator, tasks, each) for each in range(3)])
    return torch.tensor(found)


# %% [markdown]
# With and without the regulariser. A row is a moment, a column a task.

# %%
last = {}
for weight in (0.0, 0.1):
    found = learn(weight)
    last[weight] = float(found[-1].mean())
    print(f"weight {weight}: mean accuracy when all are learnt {last[weight]:.3f}")
    for number, row in enumerate(found):
        print("   after", ("0/1", "2/3", "4/5")[number], "  ".join(f"{value:.3f}" for value in row[: number + 1]))
assert last[0.1] > last[0.0] + 0.05
