"""The static hypernetwork of Ha et al. (2016), a baseline of Table 2: kernels from one embedding per tile."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from uhn.arguments import integer
from uhn.layers.conv import Conv
from uhn.layers.linear import Linear
from uhn.models.spec import ModelSpec, Slot, one_spec
from uhn.randomness import stream, stream_seed
from uhn.sources.base import OneSpecSource

KERNEL = 3
"""Side of the kernels it generates."""


class HaHypernetwork(OneSpecSource):
    """Kernels of all convolutions but the stem in tiles of 16 x 16 channels, everything else trained directly.

    A tile is two linear maps of its embedding z: for each of its input channels a vector ``a_i = W_i z + b_i`` of the
    size of z, and from each the kernels to all its output channels, ``W_out a_i + b_out``. There is no nonlinearity
    (Ha et al., equation 6). Stem kernel, biases and classifier are parameters of their own.

    The sizes (embedding 188, hidden vectors of the same size) are recovered from the paper's parameter counts. The
    paper says that the initialisation is PyTorch's; beyond that it is silent, and the choices here are:

    - both maps start as ``nn.Linear`` does and embeddings as ``nn.Embedding`` does, from N(0, 1). Generated kernels
      so begin with a standard deviation of about 1/3, not the 1/(k sqrt(3 in)) of direct training;
    - what is trained directly is drawn as in direct training, which for these layers is PyTorch's default too;
    - tiles of a kernel are ordered by output block, then input block; kernels by layer.

    Args:
        spec: a network of 3 x 3 convolutions whose widths the tile divides, then one linear layer.
        seed: run seed of every initial value.
        embedding: size of a tile's embedding and of the hidden vectors.
        tile: input and output channels of a tile.

    Raises:
        ValueError: for any other spec, or a size below 1.
    """

    kind = "ha"
    families = ("cnn",)

    def __init__(self, spec: ModelSpec, *, seed: int = 0, embedding: int = 188, tile: int = 16) -> None:
        for name, value in (("embedding", embedding), ("tile", tile)):
            integer("ha", name, value, 1)
        check_tiles(one_spec(spec, "ha"), tile)
        super().__init__(spec, embedding=embedding, tile=tile)
        tiles = sum(rows * columns for rows, columns in map(self._blocks, filter(generated, spec.layout)))
        own = [slot for slot in spec.layout if not generated(slot)]
        generator = stream(seed, "direct")
        self.direct = nn.Parameter(torch.cat([slot.param.init.draw(slot.numel, generator) for slot in own]))
        self.embeddings = nn.Parameter(torch.empty(tiles, embedding).normal_(generator=stream(seed, "embeddings")))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(stream_seed(seed, "generator"))
            self.inner = nn.Linear(embedding, tile * embedding)
            self.outer = nn.Linear(embedding, tile * KERNEL * KERNEL)

    def weights(self) -> Float[Tensor, " P"]:
        """Generate all tiles, put them into their kernels and these among the directly trained weights."""
        size = self.settings["tile"]
        hidden = self.inner(self.embeddings).unflatten(1, (size, -1))
        tiles = self.outer(hidden).unflatten(2, (size, KERNEL, KERNEL)).to(self.direct.dtype)  # [T, in, out, k, k]
        parts, tile, place = [], 0, 0
        for slot in self.spec.layout:
            if generated(slot):
                rows, columns = self._blocks(slot)
                blocks = tiles[tile : tile + rows * columns].unflatten(0, (rows, columns))
                parts.append(blocks.permute(0, 3, 1, 2, 4, 5).flatten())  # [rows, out, columns, in, k, k]
                tile += rows * columns
            else:
                parts.append(self.direct[place : place + slot.numel])
                place += slot.numel
        return torch.cat(parts)

    def _blocks(self, slot: Slot) -> tuple[int, int]:
        """Tiles along the output and the input channels of a kernel."""
        out, into = slot.shape[:2]
        return out // self.settings["tile"], into // self.settings["tile"]


def generated(slot: Slot) -> bool:
    """Whether a component is the kernel of a convolution other than the stem."""
    return slot.layer > 0 and len(slot.shape) == 4


def check_tiles(spec: ModelSpec, tile: int) -> None:
    """Raise ``ValueError`` unless the kernels of ``spec`` can be put together from tiles."""
    *convs, head = spec.layers
    if len(convs) < 2 or not all(isinstance(layer, Conv) for layer in convs) or not isinstance(head, Linear):
        kinds = ", ".join(dict.fromkeys(layer.kind for layer in spec.layers))
        raise ValueError(
            f"ha wants at least two convolutions and one linear layer at the end, got {spec!r} with layers {kinds}"
        )
    for number, layer in enumerate(convs[1:], 1):
        assert isinstance(layer, Conv)
        if layer.kernel_size != KERNEL or layer.in_size % tile or layer.out_size % tile:
            raise ValueError(
                f"ha wants {KERNEL} x {KERNEL} kernels between widths that are multiples of {tile}, got layer {number} "
                f"with {layer.kernel_size} x {layer.kernel_size} from {layer.in_size} to {layer.out_size}"
            )
