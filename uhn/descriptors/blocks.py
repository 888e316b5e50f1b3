"""A spec's weights as index blocks (Table 6), one per component; the N x 10 table exists for tests only."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Int32
from torch import Tensor

from uhn import vocabulary as voc
from uhn.models.spec import ModelSpec

FIELD = {name: position for position, name in enumerate(voc.INDEX_NAMES)}


@dataclass(frozen=True)
class IndexBlock:
    """Index descriptors of one component: constant fields and the axes of a row-major grid.

    Args:
        offset: place of its first weight in the flat vector.
        constants: the 10 index fields; those that an axis runs over hold 0.
        axes: (field position, size) of each axis, slowest first.
    """

    offset: int
    constants: tuple[int, ...]
    axes: tuple[tuple[int, int], ...]

    @property
    def numel(self) -> int:
        """Number of weights."""
        count = 1
        for _, size in self.axes:
            count *= size
        return count


def index_blocks(spec: ModelSpec) -> tuple[IndexBlock, ...]:
    """Return the index blocks of ``spec`` in flat order."""
    blocks = []
    for slot in spec.layout:
        constants = [voc.INDEX_FILLER] * len(voc.INDEX_FIELDS)
        constants[:3] = [slot.layer, spec.layers[slot.layer].layer_type, slot.param.code]
        axes = tuple((FIELD[axis.field], axis.size) for axis in slot.param.axes)
        for position, _ in axes:
            constants[position] = 0
        blocks.append(IndexBlock(slot.offset, tuple(constants), axes))
    return tuple(blocks)


def index_table(spec: ModelSpec) -> Int32[Tensor, "N 10"]:
    """Return one descriptor row per weight, int32 ``[N, 10]``, in flat order."""
    parts = []
    for block in index_blocks(spec):
        rows = torch.tensor(block.constants, dtype=torch.int32).repeat(block.numel, 1)
        grids = torch.meshgrid(*(torch.arange(size, dtype=torch.int32) for _, size in block.axes), indexing="ij")
        for (position, _), grid in zip(block.axes, grids, strict=True):
            rows[:, position] = grid.reshape(-1)
        parts.append(rows)
    return torch.cat(parts)
