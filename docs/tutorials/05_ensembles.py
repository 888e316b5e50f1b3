# %% [markdown]
# # An ensemble from one generator, run by `vmap`
#
# Networks that have each seen other rows make other mistakes, and their mean makes fewer. Here the 32 members are
# conditions of one generator. Their weights are one tensor `[32, P]`, and `torch.func.vmap` runs them all at once, each
# on rows of its own.

# %%
import matplotlib.pyplot as plt
import torch
from torch.func import vmap

import uhn

draw = torch.Generator().manual_seed(0)
x = torch.cat([torch.rand(60, 1, generator=draw) * 1.2 - 2, torch.rand(60, 1, generator=draw) * 1.2 + 0.8])
y = torch.sin(2.5 * x) + 0.3 * torch.randn(120, 1, generator=draw)  # nothing between -0.8 and 0.8

# %% [markdown]
# Each member learns from a bootstrap sample: 20 of the 120 rows, drawn with replacement.

# %%
MEMBERS = 32
spec = uhn.mlp((1, 24, 24, 1), activation="tanh")
generator = uhn.UniversalHypernetwork.for_specs([spec], condition=16, hidden=32, frequencies=64, seed=0)
generator.initialise([spec], steps=100, progress=False)
torch.manual_seed(0)
members = uhn.Embeddings(MEMBERS, 16)
samples = torch.randint(len(x), (MEMBERS, 20), generator=draw)
optimiser = torch.optim.AdamW([*generator.parameters(), *members.parameters()], lr=3e-3, weight_decay=0.0)
run_each = vmap(lambda flat, rows: uhn.run(spec, flat, rows))
for _ in range(400):
    flats = generator(spec, condition=members(torch.arange(MEMBERS)))  # [32, P], one pass through the generator
    loss = (run_each(flats, x[samples]) - y[samples]).square().mean()
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
print(f"{MEMBERS} networks of {spec.num_params} weights; training loss {loss.item():.3f} (noise 0.09)")

# %% [markdown]
# On a grid where there are data, against the sine without its noise: what a member misses, and what their mean misses.

# %%
grid = torch.linspace(-2.6, 2.6, 105)[:, None]
known = torch.tensor([bool((x - at).abs().min() < 0.1) for at in grid])
with torch.no_grad():
    found = vmap(lambda flat: uhn.run(spec, flat, grid))(generator(spec, condition=members.weight))[..., 0]
wrong = found - torch.sin(2.5 * grid[:, 0])
member, ensemble = wrong[:, known].square().mean(), wrong.mean(0)[known].square().mean()
print(f"squared error: a member {member:.4f}, the ensemble {ensemble:.4f}")
assert ensemble < 0.7 * member

# %% [markdown]
# And how far the members lie apart. Do not read that as all that the ensemble does not know: members of one generator
# share most of what made them, and where there are no data they differ hardly more than where there are.

# %%
mean, spread = found.mean(0), found.std(0)
print(f"spread where there are data {spread[known].mean():.3f}, where there are none {spread[~known].mean():.3f}")
figure, axis = plt.subplots(figsize=(6, 3))
axis.fill_between(grid[:, 0], mean - 2 * spread, mean + 2 * spread, alpha=0.25, label="two deviations")
axis.plot(grid, mean, label="mean of 32")
axis.plot(grid, torch.sin(2.5 * grid), ":", color="grey", label="the sine")
axis.plot(x, y, ".", color="black", markersize=3, label="data")
axis.set(ylim=(-2, 2))
axis.legend(fontsize=8)
