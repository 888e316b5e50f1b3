"""Conditions: a vector per model (a task, a client, a preference) that one generator turns into other weights.

A condition joins where the structure feature does, after the residual blocks and before the readout: K conditions cost
one pass through index features, first layer and blocks, and K readouts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

Mode = Literal["add", "film"]


class ConditionEncoder(nn.Module):
    """``[K, d]`` to what a condition changes: a feature per model, or (``film``) scales and shifts inside the blocks.

    The last linear starts at zero, so an untrained condition changes nothing.

    Args:
        size: width of a condition, d.
        hidden: width of the generator, h.
        blocks: its residual blocks; only ``film`` reaches into them.
        mode: ``"add"`` or ``"film"``.
    """

    def __init__(self, size: int, hidden: int, blocks: int, mode: Mode = "add") -> None:
        super().__init__()
        if mode not in ("add", "film"):
            raise ValueError(f"condition_mode must be 'add' or 'film', got {mode!r}")
        if mode == "film" and not blocks:
            raise ValueError("condition_mode 'film' scales and shifts inside residual blocks, and there are none")
        self.size, self.hidden, self.mode = size, hidden, mode
        self.first = nn.Linear(size, hidden)
        self.last = nn.Linear(hidden, hidden if mode == "add" else 4 * hidden * blocks)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, condition: Float[Tensor, "K d"]) -> Float[Tensor, "K out"]:
        """Features ``[K, h]``, or of ``film`` the changes of all scales and shifts, ``[K, 4 h B]``."""
        return self.last(self.first(condition).relu())

    def check(self, condition: Tensor) -> Float[Tensor, "K d"]:
        """Return the conditions as rows. Raises ``ValueError`` for another shape."""
        if not isinstance(condition, Tensor) or condition.dim() not in (1, 2) or condition.shape[-1] != self.size:
            got = list(condition.shape) if isinstance(condition, Tensor) else type(condition).__name__
            raise ValueError(f"this generator wants a condition of shape [{self.size}] or [K, {self.size}], got {got}")
        rows = condition.reshape(-1, self.size)
        if not rows.shape[0]:
            raise ValueError(f"this generator wants at least one condition, got shape {list(condition.shape)}")
        return rows.to(self.first.weight.dtype)

    def modulate(self, tail: list[Tensor], change: Float[Tensor, " out"]) -> list[Tensor]:
        """The tensors of the blocks with one condition's scales and shifts in their LayerNorms (``film``).

        ``tail`` holds (norm w, b, linear w, b) twice per block, then the readout.
        """
        changes, found = change.view(-1, 2, self.hidden), list(tail)
        for number, (scale, shift) in enumerate(changes):
            at = 4 * number
            found[at] = tail[at] * (1 + scale)
            found[at + 1] = tail[at + 1] * (1 + scale) + shift
        return found


class Embeddings(nn.Embedding):
    """One learned condition per id: ``embeddings(ids)`` gives ``[K, d]`` for a generator with ``condition=d``.

    Args:
        count: number of ids.
        size: width of a condition, d.

    Example:
        >>> clients = Embeddings(10, 4)
        >>> clients(torch.tensor([0, 3])).shape
        torch.Size([2, 4])
    """

    def __init__(self, count: int, size: int) -> None:
        if count < 1 or size < 1:
            raise ValueError(f"Embeddings wants at least one id and a width of at least 1, got {count} and {size}")
        super().__init__(count, size)

    def forward(self, ids: Int[Tensor, "*K"] | int) -> Tensor:
        """Conditions of ``ids``, ``[K, d]``; of a single id ``[d]``."""
        return super().forward(torch.as_tensor(ids, device=self.weight.device))

    def fit_new(
        self, loss: Callable[[Tensor], Tensor], *, steps: int = 100, lr: float = 0.05, start: Tensor | None = None
    ) -> Float[Tensor, " d"]:
        """Find the condition of somebody whom training never saw; nothing else is trained.

        Args:
            loss: condition ``[d]`` → scalar, e.g. ``lambda c: F.cross_entropy(uhn.run(spec, generator(spec,
                condition=c), x), y)``. It is asked once per step and may draw a new batch each time.
            steps: optimiser steps.
            lr: rate of Adam.
            start: first guess ``[d]``; the mean of the known embeddings if None.

        Returns:
            the condition, detached. The table is left alone: :meth:`append` adds it.

        Example:
            >>> clients, wanted = Embeddings(10, 4), torch.ones(4)
            >>> found = clients.fit_new(lambda c: (c - wanted).square().sum(), steps=200)
            >>> bool((found - wanted).norm() < 0.05)
            True
        """
        if steps < 1 or not lr > 0:
            raise ValueError(f"fit_new wants at least one step and a rate above 0, got {steps} and {lr}")
        first = self.weight.detach().mean(0) if start is None else start.detach()
        condition = first.clone().requires_grad_()
        optimiser = torch.optim.Adam([condition], lr=lr)
        for _ in range(steps):
            (condition.grad,) = torch.autograd.grad(loss(condition), [condition])
            optimiser.step()
        return condition.detach()

    def append(self, condition: Float[Tensor, " d"]) -> int:
        """Add a condition to the table and return its id.

        Example:
            >>> clients = Embeddings(10, 4)
            >>> clients.append(torch.ones(4)), clients(10).shape
            (10, torch.Size([4]))
        """
        if condition.shape != (self.embedding_dim,):
            raise ValueError(f"append wants a condition of shape [{self.embedding_dim}], got {list(condition.shape)}")
        with torch.no_grad():
            self.weight = nn.Parameter(torch.cat([self.weight, condition[None].to(self.weight)]))
        self.num_embeddings += 1
        return self.num_embeddings - 1
