# %% [markdown]
# # Your own network in ten lines
#
# You have a PyTorch network and want its weights to come from a generator: to share one generator among several
# networks, to make a model per person, or to search among architectures. Here is all that it takes. The data are 4,000
# digits of MNIST, or generated pictures where MNIST cannot be had.

# %%
from pathlib import Path

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from torch import nn

import uhn
from uhn.tasks import Limits, load_task

task = load_task("mnist", root=Path("data"), seed=0, stand_in=True, limits=Limits(4000, 1000), batch_size=4000)
(train,), (test,) = task.eval_batches("train"), task.eval_batches("test")
print(task)

# %% [markdown]
# The network is any `nn.Module`. `uhn.hypernetize` returns one that is called and trained like it, and whose parameters
# are those of the generator. `residual=True` begins at the weights that the network has now.

# %%
torch.manual_seed(0)
network = nn.Sequential(
    *(nn.Conv2d(1, 8, 4, 4), nn.ReLU(), nn.Conv2d(8, 16, 3), nn.GroupNorm(4, 16), nn.ReLU()),
    *(nn.Flatten(), nn.Linear(16 * 5 * 5, 10)),
)
model = uhn.hypernetize(network, residual=True, hidden=32, frequencies=128)
optimiser = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.0)
losses = []
for rows in torch.stack([torch.randperm(len(train.target)) for _ in range(2)]).flatten().split(64):
    loss = F.cross_entropy(model(train.inputs.x[rows]), train.target[rows])
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    losses.append(loss.item())


# %% [markdown]
# That was two passes over the data. `plain()` is the network with its new weights: an `nn.Sequential` like the one
# above, with nothing of ours in it, to be saved, exported or trained further.


# %%
def accuracy(network):
    with torch.no_grad():
        return float((network(test.inputs.x).argmax(1) == test.target).float().mean())


before, after = accuracy(network), accuracy(model.plain())
print(f"on {len(test.target):,} test rows: {before:.3f} before, {after:.3f} after")
assert after > before + 0.3
assert type(model.plain()) is nn.Sequential

# %% [markdown]
# What the generator knows of the network is its description: where every number stands, and in what kind of layer.

# %%
print(model.spec.summary())
print(model.spec.explain(1000))

# %%
figure, axis = plt.subplots(figsize=(5, 2.5))
axis.plot(losses)
axis.set(xlabel="step", ylabel="training loss")
