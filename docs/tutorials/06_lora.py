# %% [markdown]
# # LoRA factors for a frozen Transformer
#
# A Transformer was trained and is frozen. For a new kind of data, low-rank factors beside its linear maps are enough,
# and a generator can make them: `only=` says which parameters are generated. The network, small enough to train here,
# reads digits row by row; the new kind are the same digits turned by a quarter.

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


def rows(batch, turned):
    """Digits as sequences of 14 rows of 14 pixels ``[N, 14, 14]``."""
    x = F.avg_pool2d(batch.inputs.x, 2)[:, 0]
    return (x.rot90(1, (1, 2)) if turned else x), batch.target


# %% [markdown]
# A linear map with factors beside it: nothing changes as long as `low_b` is zero.


# %%
class Lora(nn.Module):
    def __init__(self, into, out, rank=4):
        super().__init__()
        self.linear = nn.Linear(into, out)
        self.low_a = nn.Parameter(torch.randn(rank, into) / into**0.5)
        self.low_b = nn.Parameter(torch.zeros(out, rank))

    def forward(self, x):
        return self.linear(x) + x @ self.low_a.T @ self.low_b.T


class Encoder(nn.Module):
    """One pre-norm layer of attention with two heads, and an MLP."""

    def __init__(self, size=32):
        super().__init__()
        self.enter, self.positions = nn.Linear(14, size), nn.Parameter(0.1 * torch.randn(14, size))
        self.norm1, self.norm2 = nn.LayerNorm(size), nn.LayerNorm(size)
        self.attend, self.join = Lora(size, 3 * size), Lora(size, size)
        self.up, self.down = Lora(size, 2 * size), Lora(2 * size, size)
        self.head = nn.Linear(14 * size, 10)

    def forward(self, x):
        x = self.enter(x) + self.positions
        q, k, v = self.attend(self.norm1(x)).unflatten(-1, (3, 2, -1)).permute(2, 0, 3, 1, 4)
        x = x + self.join(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
        x = x + self.down(F.gelu(self.up(self.norm2(x))))
        return self.head(x.flatten(1))


def learn(model, turned, steps, lr):
    x, y = rows(train, turned)
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=lr)
    for _ in range(steps):
        chosen = torch.randint(len(x), (64,))
        loss = F.cross_entropy(model(x[chosen]), y[chosen])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()


@torch.no_grad()
def accuracy(model, turned):
    x, y = rows(test, turned)
    return float((model(x).argmax(1) == y).float().mean())


# %% [markdown]
# Train it on upright digits, and freeze it.

# %%
torch.manual_seed(0)
frozen = Encoder()
learn(frozen, turned=False, steps=150, lr=3e-3)
frozen.requires_grad_(False)
print(f"frozen: upright {accuracy(frozen, False):.3f}, turned {accuracy(frozen, True):.3f}")

# %% [markdown]
# Now a generator makes the factors, and nothing else; it begins at the factors that stand there (`residual=True`). The
# base network does not change, as the last line checks.

# %%
for name, parameter in frozen.named_parameters():
    parameter.requires_grad_("low_" in name)
adapted = uhn.hypernetize(frozen, only="*.low_*", residual=True, hidden=32, frequencies=128)
print(f"{adapted.spec.num_params:,} of {sum(p.numel() for p in frozen.parameters()):,} parameters are generated")
learn(adapted, turned=True, steps=150, lr=3e-3)
plain = adapted.plain()
print(f"with its factors: upright {accuracy(plain, False):.3f}, turned {accuracy(plain, True):.3f}")
assert accuracy(plain, True) > accuracy(frozen, True) + 0.2
base = {name: value for name, value in frozen.state_dict().items() if "low_" not in name}
assert all(torch.equal(plain.state_dict()[name], value) for name, value in base.items())
