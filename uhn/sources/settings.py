"""The settings of a generator as types: a misspelt one is a fault that a type checker finds."""

from __future__ import annotations

from typing import Literal, TypedDict

from uhn.sources.conditions import Mode

EncodingName = Literal["gff", "positional", "raw", "hash"]
KernelName = Literal["auto", "eager", "fused"]


class GeneratorSettings(TypedDict, total=False):
    """Keyword arguments of :class:`~uhn.sources.universal.UniversalHypernetwork`, which says what each is."""

    hidden: int
    blocks: int
    frequencies: int
    structure: bool
    structure_frequencies: int
    encoding: EncodingName
    scale: float
    condition: int
    condition_mode: Mode
    seed: int
    memory_mib: int
    cache_mib: int
    kernel: KernelName
    allow_extrapolation: bool
