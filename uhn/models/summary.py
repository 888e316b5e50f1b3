"""A spec as a table for people."""

from __future__ import annotations

from uhn.models.spec import ModelSpec


def summary(spec: ModelSpec) -> str:
    """One line per layer: number, kind, weights, components with their shapes."""
    rows = [("layer", "kind", "weights", "components")]
    for number, layer in enumerate(spec.layers):
        slots = [slot for slot in spec.layout if slot.layer == number]
        parts = ", ".join(f"{slot.param.name} {list(slot.shape)}" for slot in slots)
        rows.append((str(number), layer.title, f"{sum(slot.numel for slot in slots):,}", parts))
    first, second, third = (max(map(len, column)) for column in list(zip(*rows, strict=True))[:3])
    lines = [f"  {a:<{first}}  {b:<{second}}  {c:>{third}}  {d}" for a, b, c, d in rows]
    return "\n".join([f"{spec.family}: {len(spec.layers)} layers, {spec.num_params:,} weights", *lines])
