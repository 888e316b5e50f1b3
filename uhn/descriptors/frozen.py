"""What encodings have in common: frozen modules, whose buffers decide every weight."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from uhn.descriptors.sharing import KEPT_MIB

CACHE = "_features"
"""Attribute of an encoding under which :meth:`~uhn.descriptors.features.IndexFeatures.of` keeps what it has formed."""


EXACT = (torch.float32, torch.float64)
"""What frozen buffers may be: rounded to half precision they would give other weights altogether."""


class Frozen(nn.Module):
    """A module without parameters, whose buffers decide every weight and are not the user's to cast.

    ``half()``, ``bfloat16()`` and ``to(dtype)`` keep their values; ``double()`` and ``float()`` are exact, and act. A
    state whose buffers are rounded is refused. What is formed from the buffers and kept stays behind when the module is
    copied, pickled or moved: it is formed again where it is wanted.
    """

    cache_mib: int = KEPT_MIB

    def _apply(self, fn: Any, recurse: bool = True) -> Frozen:
        exact = dict(self._buffers)
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        for name, buffer in self._buffers.items():
            before = exact[name]
            if buffer is not None and before is not None and buffer.dtype not in EXACT:
                self._buffers[name] = before.to(buffer.device, torch.float32)
        self.__dict__.pop(CACHE, None)
        return self

    def _load_from_state_dict(self, state: Mapping[str, Any], prefix: str, *rest: Any) -> None:
        rounded = [name for name in self._buffers if getattr(state.get(prefix + name), "dtype", EXACT[0]) not in EXACT]
        for name in rounded:
            got = state[prefix + name].dtype
            rest[-1].append(f"{prefix}{name} is frozen and wants float32 or float64, got a copy rounded to {got}")
        if not rounded:
            super()._load_from_state_dict(state, prefix, *rest)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != CACHE}


def exact_dtype() -> torch.dtype:
    """Torch's default dtype, or float32 if that is narrower."""
    return torch.promote_types(torch.get_default_dtype(), torch.float32)
