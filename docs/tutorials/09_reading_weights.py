# %% [markdown]
# # Reading weights: kernels, descriptors, `explain`
#
# What does a trained generator make, and from what? We take the one that is shipped, trained on CIFAR-10 for CNNs of 50
# combinations of widths, and look at the weights that it gives three networks.

# %%
import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F

import uhn

generator = uhn.from_pretrained("cnn-width-small")
specs = {width: uhn.cnn((1, 1, 2, 2), (width, width, 20, 24)) for width in (8, 12, 16)}
print(specs[12].summary())

# %% [markdown]
# The generator never sees a tensor, only numbers about each weight. `explain` says them for one: in which layer and
# component it stands, where in it, and what the initialisation phase wanted of its component.

# %%
about = specs[12].explain(specs[12]["layers.1.weight"].offset + 100)
print(about.name, about.position, about.target)
print({name: value for name, value in about.descriptor.items() if value != -1})

# %% [markdown]
# The 3 x 3 kernels of the first layer as pictures: a row per network.

# %%
with torch.no_grad():
    made = {width: uhn.weights(spec, generator(spec)) for width, spec in specs.items()}
figure, axes = plt.subplots(3, 16, figsize=(8, 1.8))
for row, (width, weights) in zip(axes, made.items(), strict=True):
    kernels = weights["layers.0.weight"]
    for column, axis in enumerate(row):
        axis.axis("off")
        if column < width:
            kernel = kernels[column]
            axis.imshow(((kernel - kernel.min()) / (kernel.max() - kernel.min())).permute(1, 2, 0).numpy())

# %% [markdown]
# The rows begin alike. Between two networks, compare each kernel with the one of the same number in the other network,
# and with those of other numbers (cosines):


# %%
def alike(name, narrow, wide):
    first, second = made[narrow][name], made[wide][name]
    common = tuple(map(slice, first.shape[:2]))
    first, second = first.flatten(1), second[common].flatten(1)
    cosine = F.cosine_similarity(first[:, None], second[None], dim=-1)
    return float(cosine.diag().mean()), float(cosine[~torch.eye(len(cosine), dtype=torch.bool)].abs().mean())


for name in ("layers.0.weight", "layers.1.weight"):
    for narrow, wide in ((8, 12), (12, 16)):
        same, other = alike(name, narrow, wide)
        print(f"{name}, widths {narrow} and {wide}: same number {same:.3f}, other numbers {other:.3f}")
        assert same > 0.9 > 0.5 > other

# %% [markdown]
# So the generator has found what is called a slimmable network: a narrow network is nearly a cut-out of a wide one.
# That is no wonder, as the descriptor of a weight's place is the same in both, and it is why a width that was never
# trained works: its weights were trained, in other networks. It can be said of this generator and this family; a
# generator may tell networks apart by their structure, and the more they differ the more it has to.
