# %% [markdown]
# # A Pareto front from one generator
#
# Two digits lie over each other, and a network with eight hidden units names both. It cannot do both well: which of the
# two matters more is a preference. Instead of a training per preference, the preference is the generator's condition,
# and one training gives the whole front.

# %%
from pathlib import Path

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F

import uhn
from uhn.tasks import Limits, load_task

task = load_task("mnist", root=Path("data"), seed=0, stand_in=True, limits=Limits(4000, 1000), batch_size=4000)
print(task)


def pairs(split):
    """Each digit with another over it ``[N, 9 * 9]``, and both labels ``[N, 2]``."""
    (rows,) = task.eval_batches(split)
    x, y = F.avg_pool2d(rows.inputs.x, 4), rows.target
    other = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    low = float(x.min())
    both = torch.maximum(F.pad(x, (0, 2, 0, 2), value=low), F.pad(x[other], (2, 0, 2, 0), value=low))
    return both.flatten(1), torch.stack([y, y[other]], 1)


(x, y), test = pairs("train"), pairs("test")


def losses(scores, labels):
    """Of each of the two answers, for scores ``[N, 20]``."""
    return torch.stack([F.cross_entropy(scores[:, 10 * n : 10 * n + 10], labels[:, n]) for n in (0, 1)])


# %% [markdown]
# Every step draws four preferences and makes four networks. `condition_mode="film"` lets the condition scale and shift
# inside the generator's blocks, which moves the weights further than the additive mode does.

# %%
spec = uhn.mlp((81, 8, 20))
generator = uhn.UniversalHypernetwork.for_specs(
    [spec], condition=1, condition_mode="film", hidden=24, frequencies=64, seed=0
)


def condition(preference):
    """Preferences ``[K]`` for the first digit, 0 to 1, as conditions ``[K, 1]`` from -2 to 2."""
    return 2 * (2 * preference - 1)[:, None]


def batch(number):
    draw = torch.Generator().manual_seed(number)
    first = torch.rand(4, generator=draw)
    rows = torch.randint(len(x), (4, 64), generator=draw)
    return x[rows], (y[rows], torch.stack([first, 1 - first], 1)), condition(first)


def loss(scores, target):
    each = torch.stack([losses(*pair) for pair in zip(scores, target[0], strict=True)])
    return (each * target[1]).sum(1).mean()


generator.initialise([spec], steps=30, progress=False)
reports = uhn.fit(generator, {spec: batch}, loss=loss, steps=150, lr=3e-3, warmup=20, clip=1.0, progress=False)

# %% [markdown]
# The front, on test rows: six networks from one call.

# %%
preferences = torch.linspace(0, 1, 6)
with torch.no_grad():
    flats = generator(spec, condition=condition(preferences))
    front = torch.stack([losses(scores, test[1]) for scores in uhn.run(spec, flats, test[0])])
for preference, (first, second) in zip(preferences, front, strict=True):
    print(f"preference {preference:.1f}   loss of the first digit {first:.3f}, of the second {second:.3f}")
assert front[-1, 0] < front[0, 0] and front[0, 1] < front[-1, 1]

# %%
figure, axis = plt.subplots(figsize=(4, 3))
axis.plot(*front.T, "o-")
axis.set(xlabel="loss of the first digit", ylabel="loss of the second digit")
