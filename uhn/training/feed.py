"""Batches for ``uhn.fit`` from what users of PyTorch have, as a function of (seed, number): so a run can resume."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._pytree import tree_map
from torch.utils.data import Dataset

from uhn.models.forward import Inputs
from uhn.randomness import stream, stream_seed

WANTED = (
    "wants a DataLoader or other iterable of batches, a batch (inputs, target) that stays the same, "
    "or a function of the batch's number"
)


@dataclass(frozen=True)
class Given:
    """A batch: what the model takes, what the loss takes, and whose weights it is about.

    Args:
        inputs: a tensor, :class:`~uhn.models.forward.Inputs`, or a tuple of arguments of a described module.
        target: whatever the loss takes.
        condition: ``[d]``, or ``[K, d]`` for K models whose inputs are ``inputs[k]``; ids of embeddings as integers.
    """

    inputs: Any
    target: Any
    condition: Tensor | None = None

    def to(self, device: torch.device) -> Given:
        """The same batch on ``device``."""

        def moved(value: Any) -> Any:
            return value.to(device) if isinstance(value, Tensor | Inputs) else value

        return Given(*(tree_map(moved, part) for part in (self.inputs, self.target, self.condition)))


class Feed:
    """The batches of one model.

    Args:
        data: see :data:`WANTED`; a tuple of tensors is cut into shuffled mini-batches of its rows with ``batch_size``.
        name: of the random streams.
        batch_size: rows of a mini-batch; only for a tuple of tensors.

    Raises:
        TypeError: for anything else.
        ValueError: if the tensors are no rows, or ``batch_size`` is given for what is batched already.
    """

    def __init__(self, data: Any, name: str, batch_size: int | None = None) -> None:
        self.name, self.data = name, data
        self.read: Callable[[int, int], Any]
        if isinstance(data, Tensor | Dataset | str | dict) or not (callable(data) or isinstance(data, Iterable)):
            raise TypeError(f"fit {WANTED}, got {type(data).__name__}")
        if batch_size is not None and not isinstance(data, tuple):
            raise ValueError(f"batch_size wants a tuple of tensors to cut into batches, got {type(data).__name__}")
        if isinstance(data, tuple):
            self._check(data)
            self.read = (lambda seed, number: data) if batch_size is None else _Rows(data, name, batch_size).read
        elif callable(data):
            self.read = lambda seed, number: data(number)
        else:
            self.read = _Passes(data, name).read

    def at(self, seed: int, number: int) -> Given:
        """Batch ``number`` (from 0) of a run of ``seed``."""
        return Given(*self._check(self.read(seed, number)))

    def _check(self, batch: Any) -> Any:
        if not isinstance(batch, tuple | list) or len(batch) not in (2, 3):
            got = f"{len(batch)} parts" if isinstance(batch, tuple | list) else type(batch).__name__
            raise TypeError(f"fit wants every batch as (inputs, target) or (inputs, target, condition), got {got}")
        condition = batch[2] if len(batch) == 3 else None
        if not isinstance(condition, Tensor | None):
            raise TypeError(f"fit wants a batch's condition as a tensor, got {type(condition).__name__}")
        return batch


class _Rows:
    """Mini-batches of tensors, shuffled anew every pass, the last one smaller."""

    def __init__(self, data: tuple[Any, ...], name: str, size: int) -> None:
        rows = [len(part) if isinstance(part, Tensor) and part.dim() else None for part in data]
        if len(data) != 2 or None in rows or len(set(rows)) != 1 or not rows[0]:
            got = [list(part.shape) if isinstance(part, Tensor) else type(part).__name__ for part in data]
            raise ValueError(f"batch_size wants two tensors of as many rows, got {got}")
        self.data, self.name, self.size, self.rows = data, name, size, int(rows[0])
        self.order: tuple[int, int, Tensor] | None = None

    def read(self, seed: int, number: int) -> tuple[Tensor, ...]:
        """Batch ``number``."""
        epoch, place = divmod(number, -(-self.rows // self.size))
        if self.order is None or self.order[:2] != (seed, epoch):
            self.order = (seed, epoch, torch.randperm(self.rows, generator=stream(seed, f"rows/{self.name}", epoch)))
        rows = self.order[2][place * self.size : (place + 1) * self.size]
        return tuple(part[rows.to(part.device)] for part in self.data)


_END = object()


class _Passes:
    """Batches of an iterable, pass after pass; what its batches draw from torch, numpy and random is the batch's own.

    A run that goes on in the middle of a pass fetches the batches before once more and drops them.
    """

    def __init__(self, data: Iterable[Any], name: str) -> None:
        self.data, self.name = data, name
        self.iterator: Iterator[Any] | None = None
        self.next, self.number, self.place = 0, -1, 0

    def read(self, seed: int, number: int) -> Any:
        """Batch ``number``."""
        if number != self.next:
            self._seek(number)
        while self.next < number:
            self._fetch(seed)
        return self._fetch(seed)

    def _seek(self, number: int) -> None:
        """To the beginning of the pass that holds batch ``number``, if the passes' length is known, or of all."""
        try:
            each = len(self.data)  # type: ignore[arg-type]
        except TypeError:
            each = 0
        self.iterator = None
        self.number = number // each - 1 if each else -1
        self.next = (self.number + 1) * each

    def _fetch(self, seed: int) -> Any:
        for _ in range(2):
            if self.iterator is None:
                self.number, self.place = self.number + 1, 0
                self._seed_loader(stream_seed(seed, f"pass/{self.name}", self.number))
            with _drawing_from(stream_seed(seed, f"batch/{self.name}", self.number, self.place)):
                self.iterator = iter(self.data) if self.iterator is None else self.iterator
                batch = next(self.iterator, _END)
            if batch is not _END:
                self.next, self.place = self.next + 1, self.place + 1
                return batch
            self.iterator = None
            if not self.place:
                break
        raise ValueError(
            f"fit wants data that can be gone through again and again: pass {self.number + 1} of the "
            f"{type(self.data).__name__} has no batch"
        )

    def _seed_loader(self, seed: int) -> None:
        """Whatever a DataLoader or its sampler shuffles with is set for this pass."""
        sampler = getattr(self.data, "sampler", None)
        for holder in (self.data, sampler):
            if isinstance(generator := getattr(holder, "generator", None), torch.Generator):
                generator.manual_seed(seed)
        if (set_epoch := getattr(sampler, "set_epoch", None)) is not None:
            set_epoch(self.number)


@contextmanager
def _drawing_from(seed: int) -> Iterator[None]:
    """The global generators of the CPU set to ``seed``; they are put back."""
    before = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)  # the CPU's alone: a GPU's is not put back here
            random.seed(seed)
            np.random.seed(seed % 2**32)
            yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])
