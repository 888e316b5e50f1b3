# %% [markdown]
# # One generator for a ResNet-like and a ViT-like network
#
# A convolution and an attention layer have nothing in common but this: each of their weights can be described. So one
# generator can make both, and networks of widths on which it was never trained. We train it on two widths of each kind
# and ask for a third.

# %%
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

import uhn
from uhn.tasks import Limits, load_task

task = load_task("mnist", root=Path("data"), seed=0, stand_in=True, limits=Limits(4000, 1000), batch_size=4000)
(train,), (test,) = task.eval_batches("train"), task.eval_batches("test")
print(task)


# %% [markdown]
# Two networks in plain PyTorch. The first has BatchNorm, and nothing has to be done about it yet.


# %%
class Block(nn.Module):
    """Two convolutions with BatchNorm and a shortcut."""

    def __init__(self, width):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)

    def forward(self, x):
        return F.relu(x + self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))


def resnet(width):
    return nn.Sequential(
        *(nn.Conv2d(1, width, 4, 4), nn.BatchNorm2d(width), nn.ReLU(), Block(width)),
        *(nn.AdaptiveMaxPool2d(2), nn.Flatten(), nn.Linear(4 * width, 10)),
    )


class ViT(nn.Module):
    """Patches of 7 x 7 pixels, a class token, learned positions, one pre-norm encoder layer."""

    def __init__(self, width):
        super().__init__()
        self.patches = nn.Conv2d(1, width, 7, 7)
        self.token = nn.Parameter(0.02 * torch.randn(1, 1, width))
        self.positions = nn.Parameter(0.02 * torch.randn(1, 17, width))
        layer = nn.TransformerEncoderLayer(width, 4, width, 0.0, batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.head = nn.Linear(width, 10)

    def forward(self, x):
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.token.expand(len(x), -1, -1), tokens], 1) + self.positions
        return self.head(self.encoder(tokens)[:, 0])


torch.manual_seed(0)
networks = {f"ResNet-like, width {width}": resnet(width) for width in (8, 12, 16)}
networks |= {f"ViT-like, width {width}": ViT(width) for width in (16, 20, 24)}
unseen = {"ResNet-like, width 12", "ViT-like, width 20"}

# %% [markdown]
# `uhn.describe` reads a network; `for_specs` builds a generator for the ones that we train. What lies between them, the
# widths in the middle, is within its ranges. The initialisation phase brings what it makes to the means and deviations
# that PyTorch would have drawn; then `uhn.fit` trains it, one network per step.

# %%
specs = {name: uhn.describe(network) for name, network in networks.items()}
seen = [name for name in networks if name not in unseen]
generator = uhn.UniversalHypernetwork.for_specs([specs[name] for name in seen], hidden=32, frequencies=64, seed=0)
generator.initialise([specs[name] for name in seen], steps=40, progress=False)
reports = uhn.fit(
    generator,
    {specs[name]: (train.inputs.x, train.target) for name in seen},
    modules={specs[name]: networks[name] for name in seen},
    loss=F.cross_entropy,
    batch_size=64,
    steps=240,
    lr=3e-3,
    warmup=20,
    clip=1.0,
    progress=False,
)

# %% [markdown]
# To evaluate a network with BatchNorm it needs the statistics of its new weights: `uhn.recalibrate` takes them from a
# few training batches.

# %%
found = {}
for name, network in networks.items():
    with torch.no_grad():
        flat = generator(specs[name])
        if isinstance(network, ViT):
            ready = uhn.to_module(specs[name], flat, network)
        else:
            ready = uhn.recalibrate(network, specs[name], flat, train.inputs.x[:512].split(64))
        found[name] = float((ready(test.inputs.x).argmax(1) == test.target).float().mean())
    print(f"{name:24} {len(flat):6,} weights   accuracy {found[name]:.3f}   {'never trained' * (name in unseen)}")

# %% [markdown]
# Sixty steps each are a beginning. The point is the rows in the middle: nobody has trained those networks.

# %%
guess = float(test.target.bincount().max() / len(test.target))
print(f"always the most frequent class: {guess:.3f}")
assert min(found[name] for name in unseen) > 2 * guess
