"""Float32 matrix products on a CPU through the library that is fast there.

torch multiplies float32 matrices through MKL, which takes its narrower instructions on a processor that is not Intel's;
oneDNN, in the same wheel, does not. Which one is taken follows from the processor's maker, not from a race against the
clock: a run that resumes must take the same one again, or its bits would differ. torch offers oneDNN's product only by
a private name, so it is used only where it is there and agrees with ``torch.mm``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from uhn.transforms import forming

LONGEST_SUM = 1024
"""oneDNN adds one number after the other: over longer sums its error passes one and a half times MKL's (measured)."""

Product = Callable[[Tensor, Tensor], Tensor]


@cache
def onednn() -> Product | None:
    """``a @ b`` through oneDNN, for float32 matrices on a CPU; None where ``torch.mm`` is to be taken."""
    backends: Any = torch.backends
    if not (backends.mkl.is_available() and backends.mkldnn.is_available() and _is_amd()):
        return None
    linear: Any = getattr(torch.ops.mkldnn, "_linear_pointwise", None)
    if linear is None:
        return None

    def multiply(a: Tensor, b: Tensor) -> Tensor:
        # anything but whole, contiguous rows falls to a reference loop, a hundred times slower
        right = b.t() if b.is_contiguous() else b.t().contiguous()
        return linear(a.contiguous(), right, None, "none", [], "")

    draw = torch.Generator().manual_seed(0)
    with forming(), torch.autocast("cpu", enabled=False):
        a, b = torch.randn(33, 70, generator=draw), torch.randn(70, 20, generator=draw)
        try:
            agree = all(torch.allclose(multiply(a, right), a @ b, atol=1e-4) for right in (b, b.t().contiguous().t()))
        except (RuntimeError, TypeError):
            return None
    return multiply if agree else None


def product(a: Tensor, b: Tensor, *, plain: bool, out: Tensor | None = None) -> Tensor:
    """``a [n, k] @ b [k, m]``; ``plain`` asks for torch's own. Autograd does not see it."""
    fast = None if plain else _for(a, b)
    if fast is None:
        return torch.mm(a, b, out=out)
    return fast(a, b) if out is None else out.copy_(fast(a, b))


def add_product(total: Tensor, a: Tensor, b: Tensor, *, plain: bool) -> None:
    """Add ``a @ b`` to ``total``."""
    fast = None if plain else _for(a, b)
    if fast is None:
        total.addmm_(a, b)
    else:
        total += fast(a, b)


def _for(a: Tensor, b: Tensor) -> Product | None:
    suits = a.numel() > 0 and b.numel() > 0 and a.shape[1] <= LONGEST_SUM
    return onednn() if suits and a.dtype == torch.float32 and a.device.type == "cpu" else None


def _is_amd() -> bool:
    try:
        return "AuthenticAMD" in Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return False
