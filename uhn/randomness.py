"""Counter-based randomness: every draw is a function of (run seed, stream name, counters).

No generator state is ever stored. A resumed run rebuilds the generator of step ``t`` from ``t``, so it draws
what an uninterrupted run would have drawn.
"""

from __future__ import annotations

import hashlib

import torch

from uhn.arguments import integer


def stream_seed(seed: int, name: str, *counters: int) -> int:
    """Return the 63-bit seed of stream ``name`` at ``counters`` for run ``seed``."""
    integer("a stream", "seed", seed)
    text = ":".join([str(seed), name, *map(str, counters)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1


def stream(seed: int, name: str, *counters: int, device: torch.device | str = "cpu") -> torch.Generator:
    """Return a generator for one named stream at one counter, e.g. ``stream(seed, "dropout", step)``."""
    generator = torch.Generator(device=device)
    generator.manual_seed(stream_seed(seed, name, *counters))
    return generator
