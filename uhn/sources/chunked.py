"""The chunked hypernetwork of von Oswald et al. (2019), a baseline of Table 2: one MLP, one embedding per chunk."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from uhn.arguments import integer
from uhn.models.spec import ModelSpec
from uhn.randomness import stream, stream_seed
from uhn.sources.base import OneSpecSource


class ChunkedHypernetwork(OneSpecSource):
    """The flat vector in chunks of ``chunk`` weights, each the MLP's output for the chunk's own embedding (B.1, C.4.2).

    It generates every weight. Its size follows Eq 7: the MLP, the last layer of ``hidden · chunk`` and
    ``ceil(P / chunk)`` embeddings, which is what grows with the target.

    The sizes are recovered from the paper's parameter counts. The paper says that the initialisation is PyTorch's;
    beyond that it is silent, and the choices here are:

    - chunks follow the flat order (layer by layer); of the last one, what lies beyond the model is thrown away;
    - the two hidden layers have ReLU, the output is linear, without scale or target statistics;
    - linear layers start as ``nn.Linear`` does, embeddings as ``nn.Embedding`` does, from N(0, 1).

    Args:
        spec: the model whose weights are generated.
        seed: run seed of every initial value.
        chunk: weights per chunk, c.
        embedding: size of a chunk's embedding, d_emb.
        hidden: width of the two hidden layers, o.

    Raises:
        ValueError: for a size below 1.
    """

    kind = "chunked"

    def __init__(
        self, spec: ModelSpec, *, seed: int = 0, chunk: int = 6000, embedding: int = 64, hidden: int = 100
    ) -> None:
        for name, value in (("chunk", chunk), ("embedding", embedding), ("hidden", hidden)):
            integer("chunked", name, value, 1)
        super().__init__(spec, chunk=chunk, embedding=embedding, hidden=hidden)
        chunks = -(-spec.num_params // chunk)
        self.embeddings = nn.Parameter(torch.empty(chunks, embedding).normal_(generator=stream(seed, "embeddings")))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(stream_seed(seed, "generator"))
            self.layers = nn.Sequential(
                nn.Linear(embedding, hidden),
                nn.ReLU(),
                nn.Linear(hidden, hidden),
                nn.ReLU(),
                nn.Linear(hidden, chunk),
            )

    def weights(self) -> Float[Tensor, " P"]:
        """Generate all chunks and cut them to the model's size."""
        flat: Tensor = self.layers(self.embeddings).flatten()[: self.spec.num_params]
        return flat.to(self.embeddings.dtype)
