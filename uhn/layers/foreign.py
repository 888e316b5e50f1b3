"""A leaf module of somebody else's network as a layer: its trainable tensors, declared; its forward stays its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from uhn.layers.base import Axis, Context, InitTarget, Layer, Param, Weights, register


@dataclass(frozen=True)
class Component:
    """One tensor of a module, or a part of one along its first dimension.

    Args:
        tensor: name of the parameter within its module, e.g. ``"weight"``.
        code: ``param_type``.
        fields: the index field that runs along each dimension of the part.
        sizes: its sizes, one per field.
        shape: shape of the part as the module has it; the same values, row-major.
        init: mean, standard deviation and distribution (see :class:`~uhn.layers.base.InitTarget`).
        part: number of the part among those of ``tensor``.
    """

    tensor: str
    code: int
    fields: tuple[str, ...]
    sizes: tuple[int, ...]
    shape: tuple[int, ...]
    init: tuple[float, float, str]
    part: int = 0

    def param(self, parts: int) -> Param:
        """Its declaration; where a tensor has several parts, their numbers are in their names."""
        axes = tuple(Axis(field, size) for field, size in zip(self.fields, self.sizes, strict=True))
        mean, std, kind = self.init
        name = self.tensor if parts == 1 else f"{self.tensor}.{self.part}"
        shape = self.shape if self.shape != self.sizes else None
        return Param(name, self.code, axes, InitTarget(mean, std, kind), shape)  # type: ignore[arg-type]


@register
@dataclass(frozen=True)
class Foreign(Layer):
    """A module that owns parameters, e.g. one ``nn.LayerNorm`` of a described network.

    Args:
        path: its name in the network, as ``named_modules()`` gives it; empty for the network itself.
        module: name of its class.
        code: ``layer_type``; the paper's for what the paper has (a linear map is one wherever it stands).
        components: its trainable tensors in order.
        sizes: active local structure fields (Table 8).
    """

    kind = "foreign"
    type_code = -1  # of the class; every instance has its own, see `code`

    path: str
    module: str
    code: int
    components: tuple[Component, ...]
    sizes: tuple[tuple[str, float], ...] = ()

    def __post_init__(self) -> None:
        parts = tuple(c if isinstance(c, Component) else _component(c) for c in self.components)
        object.__setattr__(self, "components", parts)
        object.__setattr__(self, "sizes", tuple((str(name), value) for name, value in self.sizes))
        if not all(isinstance(value, int | float) and abs(value) < 2**31 for _, value in self.sizes):
            raise ValueError(f"Foreign.sizes must be finite numbers below 2**31, got {self.sizes!r:.100}")
        if not self.components:
            raise ValueError(f"Foreign layer {self.path!r} wants at least one component, got none")
        if isinstance(self.code, bool) or not isinstance(self.code, int) or self.code < 0:
            raise ValueError(f"Foreign.code must be an integer >= 0, got {self.code!r}")
        self.params()

    @property
    def layer_type(self) -> int:
        """Its own code."""
        return self.code

    @property
    def title(self) -> str:
        """Its class and its name in the network."""
        return f"{self.module} {self.path}".rstrip()

    def params(self) -> tuple[Param, ...]:
        """The components as declared."""
        counts: dict[str, int] = {}
        for component in self.components:
            counts[component.tensor] = counts.get(component.tensor, 0) + 1
        return tuple(component.param(counts[component.tensor]) for component in self.components)

    def structure(self) -> dict[str, int | float]:
        """What of Table 8 applies: sizes, kernel, heads, bias."""
        return dict(self.sizes)

    def slot_name(self, number: int, param: Param) -> str:
        """The parameter's own name in the network."""
        return f"{self.path}.{param.name}" if self.path else param.name

    def tensors(self) -> dict[str, tuple[int, ...]]:
        """Shape of each tensor by its name within the module; the parts of one follow each other."""
        found: dict[str, tuple[int, ...]] = {}
        for c in self.components:
            before = found.get(c.tensor)
            found[c.tensor] = c.shape if before is None else (before[0] + c.shape[0], *c.shape[1:])
        return found

    def apply(
        self, weights: Weights, x: Any, ctx: Context, *, training: bool = False, rng: torch.Generator | None = None
    ) -> Tensor:
        """A described module computes itself. Raises ``ValueError``."""
        raise ValueError(
            f"{self.module} {self.path!r} is part of a described module: use uhn.call(module, spec, flat, …)"
        )

    def settings(self) -> dict[str, Any]:
        """Settings as JSON values."""
        return super().settings() | {
            "components": [
                [c.tensor, c.code, list(c.fields), list(c.sizes), list(c.shape), list(c.init), c.part]
                for c in self.components
            ],
            "sizes": [list(pair) for pair in self.sizes],
        }


def _component(entry: Any) -> Component:
    try:
        tensor, code, names, sizes, shape, (mean, std, kind), part = entry
        if not all(type(value) is int for value in (code, *sizes, *shape, part)) or not isinstance(tensor, str):
            raise TypeError
        return Component(tensor, code, tuple(names), tuple(sizes), tuple(shape), (float(mean), float(std), kind), part)
    except (TypeError, ValueError):
        raise ValueError(
            f"a component is [tensor, code, fields, sizes, shape, [mean, std, kind], part], got {entry!r:.100}"
        ) from None
