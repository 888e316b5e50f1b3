# %% [markdown]
# # A generator of generators
#
# A generator is a network, so another generator can make its weights. In a chain the root holds the only parameters; it
# makes a hypernetwork, which makes the model. The model here is a Kolmogorov-Arnold network that fits the modified
# Bessel function kv, 1,000 points of it.

# %%
from pathlib import Path

import matplotlib.pyplot as plt
import torch

import uhn
from uhn.models.hypernet import generated_uhn
from uhn.tasks import load_task

task, model = load_task("kv", root=Path("data"), seed=0), uhn.zoo("kan-g5-kv")
level = generated_uhn(structure_frequencies=8, index_frequencies=32, hidden=16)
settings = {"hidden": 32, "frequencies": 32, "structure_frequencies": 8, "seed": 0}


def chain(depth):
    root = uhn.UniversalHypernetwork.for_specs([level, model] if depth else [model], structure=True, **settings)
    return uhn.Chain(root, [level] * depth) if depth else root


one = chain(1)
print(
    f"root {sum(p.numel() for p in one.parameters()):,} parameters → hypernetwork {level.num_params:,} weights", end=""
)
print(f" → model {len(one(model))} weights")

# %% [markdown]
# Whatever an untrained root makes is no good hypernetwork: its weights have the wrong size, and what they make has a
# wronger one. So the initialisation phase goes down the chain, level by level, and brings each to the means and
# deviations that it would have been drawn with. It needs no data.


# %%
def train(depth, initialise):
    source = chain(depth)
    if initialise:
        source.initialise([model], steps=40 * (depth + 1), lr=1e-3, progress=False)
    batch = task.train_batch(0, 0)
    losses = [report.loss for report in uhn.fit(
        source, {model: (batch.inputs, batch.target)}, loss=task.loss, steps=80, lr=1e-3, warmup=20, clip=0.1,
        report_every=10, progress=False,
    )]  # fmt: skip
    with torch.no_grad():
        (test,) = task.eval_batches("test")
        return losses, float(task.loss(uhn.run(model, source(model), test.inputs), test.target)) ** 0.5


curves = {}
for depth, initialise in ((0, True), (1, True), (1, False)):
    name = f"K = {depth}" + ("" if initialise else ", no initialisation")
    curves[name], error = train(depth, initialise)
    print(f"{name:25} RMSE on test points {error:.4f}   (their deviation {task.target_std:.4f})")
    assert error < task.target_std or not initialise

# %%
figure, axis = plt.subplots(figsize=(6, 3))
for name, losses in curves.items():
    axis.semilogy(range(10, 81, 10), losses, label=name)
axis.set(xlabel="step", ylabel="training loss")
axis.legend(fontsize=8)
