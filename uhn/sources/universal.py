"""The Universal Hypernetwork: one generator of fixed size for the weights of any described model (Eq 1)."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import torch
from jaxtyping import Float
from torch import Tensor, nn

from uhn.arguments import above_zero, integer, yes_or_no
from uhn.descriptors.encodings import GaussianFourier, first_linear, make_encoding
from uhn.descriptors.features import IndexFeatures
from uhn.descriptors.hashgrid import ENTRY, LEVELS, table_numbers
from uhn.descriptors.ranges import STRUCTURE_NAMES, Ranges
from uhn.descriptors.sharing import KEPT_MIB
from uhn.models.spec import ModelSpec, one_spec, several_specs
from uhn.randomness import stream, stream_seed
from uhn.sources.backends import known_kernel, path_of
from uhn.sources.base import WeightSource
from uhn.sources.conditions import ConditionEncoder, Mode
from uhn.sources.settings import EncodingName, GeneratorSettings, KernelName
from uhn.sources.structure import StructureEncoder
from uhn.sources.trunk import ResidualBlock, generate
from uhn.transforms import never_traced
from uhn.vocabulary import INDEX_FIELDS, INDEX_NAMES, STRUCTURE_FIELDS, TaskType, named_task


class UniversalHypernetwork(WeightSource):
    """The root UHN (section 3.1.4): index branch, residual blocks, optional task-structure encoder, readout.

    Args:
        ranges: descriptor ranges that normalise every spec it will serve (Eq 9).
        hidden: width, h.
        blocks: residual blocks, B.
        frequencies: index frequencies, m.
        structure: whether the task-structure encoder takes part.
        structure_frequencies: its frequencies.
        encoding: ``"gff"`` (Eq 3), ``"positional"`` or ``"raw"`` (Table 23), or ``"hash"``, a learned hash grid.
        scale: standard deviation of the Fourier matrices, or the base of the positional bands.
        condition: width of a condition, d; 0 for none. A condition may be given with every call.
        condition_mode: ``"add"``: joins before the readout, so that K conditions share everything up to there;
            ``"film"``: scales and shifts inside the blocks, stronger, and every condition costs as much as a model.
        seed: decides every initial value; the caller's generators are left alone.
        memory_mib: what is kept for the backward pass at most; what does not fit is recomputed.
        cache_mib: at most kept from step to step of bases, windows and factors of the models' axes.
        kernel: ``"fused"`` for the compiled kernels, ``"eager"`` for torch alone, or ``"auto"``: fused where they can
            be built (see :mod:`uhn.sources.backends`). The last bits differ.
        allow_extrapolation: serve specs outside the ranges, with one warning.

    Example:
        >>> spec, x = uhn.mlp((4, 8, 3)), torch.randn(2, 4)
        >>> generator = UniversalHypernetwork.for_specs([spec], hidden=8, frequencies=16)
        >>> uhn.run(spec, generator(spec), x).sum().backward()
        >>> generator.readout.weight.grad.shape
        torch.Size([1, 8])
    """

    kind = "uhn"

    if TYPE_CHECKING:

        def __call__(self, spec: ModelSpec, condition: Tensor | None = None) -> Tensor:
            """As :meth:`forward`, whose types ``nn.Module`` does not hand on."""

    def __init__(
        self,
        ranges: Ranges,
        *,
        hidden: int = 128,
        blocks: int = 2,
        frequencies: int = 2048,
        structure: bool = False,
        structure_frequencies: int = 32,
        encoding: EncodingName = "gff",
        scale: float = 100.0,
        condition: int = 0,
        condition_mode: Mode = "add",
        seed: int = 0,
        memory_mib: int = 720,
        cache_mib: int = KEPT_MIB,
        kernel: KernelName = "auto",
        allow_extrapolation: bool = False,
    ) -> None:
        super().__init__()
        who = type(self).__name__
        if not isinstance(ranges, Ranges):
            raise TypeError(f"{who} wants Ranges, got {type(ranges).__name__}: {who}.for_specs([spec, …]) finds them")
        for name, value, least in (
            ("hidden", hidden, 1),
            ("blocks", blocks, 0),
            ("frequencies", frequencies, 1),
            ("structure_frequencies", structure_frequencies, 1),
            ("seed", seed, None),
            ("memory_mib", memory_mib, 0),
            ("cache_mib", cache_mib, 0),
        ):
            integer(who, name, value, least)
        for name, value in (("structure", structure), ("allow_extrapolation", allow_extrapolation)):
            yes_or_no(who, name, value)
        above_zero(who, "scale", scale)
        self.ranges = ranges
        self.memory_mib = memory_mib
        self.kernel = known_kernel(kernel)
        self.allow_extrapolation = allow_extrapolation
        self.whole: bool | None = None
        self.settings: dict[str, Any] = {
            "hidden": hidden,
            "blocks": blocks,
            "frequencies": frequencies,
            "structure": structure,
            "structure_frequencies": structure_frequencies,
            "encoding": encoding,
            "scale": scale,
        }
        if condition:
            self.settings |= {"condition": condition, "condition_mode": condition_mode}
        self._checked: set[str] = set()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(stream_seed(seed, "generator"))
            self.structure: StructureEncoder | None = None
            if structure:
                fourier = GaussianFourier(
                    len(STRUCTURE_FIELDS), structure_frequencies, scale, stream(seed, "structure fourier")
                )
                self.structure = StructureEncoder(fourier, hidden)
            self.encoding = make_encoding(
                encoding, len(INDEX_FIELDS), frequencies, scale, stream(seed, "index fourier")
            )
            self.encoding.cache_mib = cache_mib
            self.index = first_linear(self.encoding, hidden)
            self.blocks = nn.ModuleList(ResidualBlock(hidden) for _ in range(blocks))
            self.readout = nn.Linear(hidden, 1)
            self.condition = ConditionEncoder(condition, hidden, blocks, condition_mode) if condition else None

    @classmethod
    def for_specs(
        cls,
        specs: Sequence[ModelSpec],
        *,
        tasks: Sequence[tuple[TaskType, Any] | str] | None = None,
        **settings: Unpack[GeneratorSettings],
    ) -> UniversalHypernetwork:
        """Build a generator whose declared ranges cover ``specs``; with several, the structure encoder is on.

        Args:
            specs: models it will serve, or the extreme members of a sampled family.
            tasks: one (task type, dataset type) or name per spec, if the specs do not carry theirs already.
            settings: as for the constructor.

        Example:
            >>> spec = uhn.mlp((4, 8, 3))
            >>> generator = UniversalHypernetwork.for_specs([spec], hidden=8, frequencies=16)
            >>> generator(spec).shape
            torch.Size([67])
        """
        specs = several_specs(specs, "for_specs")
        if tasks is not None:
            pairs = [_task(task) for task in tasks]
            if len(pairs) != len(specs):
                raise ValueError(f"for_specs wants one task per spec, got {len(pairs)} tasks for {len(specs)} specs")
            names = {task: pair for task, pair in zip(tasks, pairs, strict=True) if isinstance(task, str)}
            if len(set(names.values())) < len(names):
                raise ValueError(f"for_specs wants names of tasks with different codes, got {names!r:.200}: rename one")
            specs = tuple(spec.with_task(*pair) for spec, pair in zip(specs, pairs, strict=True))
        settings.setdefault("structure", len(specs) > 1)
        return cls(Ranges.declared(specs), **settings)

    @classmethod
    def from_settings(cls, specs: Sequence[ModelSpec], *, seed: int, **settings: Any) -> UniversalHypernetwork:
        """Return an untrained generator whose declared ranges cover ``specs``."""
        return cls(Ranges.declared(specs), seed=seed, **settings)

    @classmethod
    def from_description(cls, description: Mapping[str, Any]) -> UniversalHypernetwork:
        """Return an untrained generator as :meth:`describe` says."""
        return cls(Ranges.from_json(description["ranges"]), **description["settings"])

    @classmethod
    def described_size(cls, description: Mapping[str, Any]) -> int:
        """Trainable numbers of a described generator, by arithmetic alone."""
        settings = description["settings"]
        names = ("hidden", "blocks", "frequencies", "structure", "structure_frequencies", "encoding")
        counts = expected_counts(**{name: settings[name] for name in names})
        return counts["trainable"] + settings.get("condition", 0) * settings["hidden"]

    @never_traced
    def forward(self, spec: ModelSpec, condition: Float[Tensor, "*K d"] | None = None) -> Float[Tensor, "*K P"]:
        """Generate the flat weights of ``spec`` (Algorithm 1). Raises ``ValueError`` outside the ranges.

        A generator in half precision (``bfloat16()``, ``half()``) rounds its parameters and the weights, nothing else.

        Args:
            spec: the model.
            condition: ``[d]``, or ``[K, d]`` for K sets of weights ``[K, P]`` at once; of a generator with conditions.
        """
        self.check(spec)
        features = self.features(spec)
        dtype = features.working_dtype(self.index.weight)
        structure = self.structure_feature(spec)
        structure = None if structure is None else structure.to(dtype)
        weight, bias, *tail = (t.to(dtype) for t in (self.index.weight, self.index.bias, *self.tail()))

        def made(structure: Tensor | None, tail: list[Tensor], several: bool = False) -> Tensor:
            flat = generate(features, weight, bias, structure, tail, self.memory_mib, self.kernel, several=several)
            return flat.to(self.index.weight.dtype)

        if condition is None:
            return made(structure, tail)
        if self.condition is None:
            raise ValueError("this generator was made without conditions: wanted none (see the setting condition)")
        changes = self.condition(self.condition.check(condition)).to(dtype)
        if self.condition.mode == "film":
            lines = torch.stack([made(structure, self.condition.modulate(tail, change)) for change in changes])
        else:
            lines = made(changes if structure is None else structure + changes, tail, several=True)
        return lines if condition.dim() == 2 else lines[0]

    def extra_repr(self) -> str:
        """Settings and ranges, in ``repr``."""
        settings = ", ".join(f"{name}={value!r}" for name, value in self.settings.items())
        lines = [f"{settings}, {self.parameter_counts()['trainable']:,} parameters"]
        for what, names in (("index", INDEX_NAMES), ("structure", STRUCTURE_NAMES)):
            if what == "index" or self.structure is not None:
                bounds = zip(names, *(getattr(self.ranges, f"{what}_{end}") for end in ("min", "max")), strict=True)
                lines.append(f"{what} ranges: " + ", ".join(f"{name} {low:g}..{high:g}" for name, low, high in bounds))
        return "\n".join(lines)

    def path(self, precision: str) -> str:
        """``"fused"`` or ``"eager"``; ``"fused, fp16 eager"`` where only the phases in full precision are fused."""
        return path_of(self.kernel, self.index.weight, precision)

    def features(self, spec: ModelSpec) -> IndexFeatures:
        """Encoded index descriptors of ``spec``; on a GPU, or if :attr:`whole` says so, in one piece."""
        whole = self.index.weight.device.type == "cuda" if self.whole is None else self.whole
        return IndexFeatures.of(spec, self.ranges, self.encoding, whole)

    def structure_feature(self, spec: ModelSpec) -> Tensor | None:
        """The task-structure vector ``[1, h]`` of ``spec``, or None without the encoder."""
        if self.structure is None:
            return None
        return self.structure(self.structure.tokens(spec, self.ranges))

    def tail(self) -> list[Tensor]:
        """Tensors of the residual blocks and the readout in the order that :func:`~uhn.sources.trunk.mlp` takes."""
        return [p for block in self.blocks for p in block.parameters()] + [self.readout.weight, self.readout.bias]

    def check(self, spec: ModelSpec) -> None:
        """Raise ``ValueError`` naming every field of ``spec`` outside the ranges (or warn once, if allowed)."""
        one_spec(spec, "a generator")
        if spec.hash in self._checked:
            return
        outside = self.ranges.outside(spec, structure=self.structure is not None)
        if outside:
            text = f"{spec!r} leaves the ranges of this generator: {'; '.join(outside)}"
            if not self.allow_extrapolation:
                raise ValueError(f"{text} (allow_extrapolation=True generates it all the same)")
            warnings.warn(text, UserWarning, stacklevel=3)
        self._checked.add(spec.hash)

    def parameter_counts(self) -> dict[str, int]:
        """Trainable and frozen scalars. Frozen are the encodings and two statistics a descriptor field (facts: the
        paper's printed ``#Params`` is their sum)."""
        counts = super().parameter_counts()
        statistics = 2 * len(INDEX_FIELDS) + (2 * len(STRUCTURE_FIELDS) if self.structure is not None else 0)
        return {"trainable": counts["trainable"], "frozen": counts["frozen"] + statistics}

    def fixed(self) -> dict[str, float]:
        """The scale and the ranges; those of the structure fields only with the encoder."""
        found = {"scale": float(self.settings["scale"])}
        for what, names in (("index", INDEX_NAMES), ("structure", STRUCTURE_NAMES)):
            used = what == "index" or self.structure is not None
            for bound in ("min", "max"):
                values = getattr(self.ranges, f"{what}_{bound}")
                for name, value in zip(names, values, strict=True):
                    found[f"{what} field {name} {bound}"] = value if used else math.inf
        return found

    def describe(self) -> dict[str, Any]:
        """Settings and ranges, as JSON values."""
        settings = self.settings | {"memory_mib": self.memory_mib}
        return {"kind": self.kind, "settings": settings, "ranges": self.ranges.to_json()}

    def save(self, path: str | Path) -> None:
        """Write weights, settings and ranges to one safetensors file (see :meth:`load`).

        Example:
            >>> spec = uhn.mlp((4, 8, 3))
            >>> generator = uhn.UniversalHypernetwork.for_specs([spec], hidden=8, frequencies=16)
            >>> generator.save("generator.safetensors")
        """
        from uhn.sources.files import save_source

        save_source(self, path)

    @classmethod
    def load(cls, path: str | Path, *, allow_extrapolation: bool = False) -> UniversalHypernetwork:
        """Read a generator written by :meth:`save`; ``allow_extrapolation`` as for the constructor.

        Raises ``ValueError`` if the file is anything else.

        Example:
            >>> spec = uhn.mlp((4, 8, 3))
            >>> generator = uhn.UniversalHypernetwork.for_specs([spec], hidden=8, frequencies=16)
            >>> generator.save("generator.safetensors")
            >>> torch.equal(UniversalHypernetwork.load("generator.safetensors")(spec), generator(spec))
            True
        """
        from uhn.sources.files import load_source

        source = load_source(path)
        if not isinstance(source, cls):
            raise ValueError(f"{path} holds a {type(source).__name__} ({source.kind!r}), wanted {cls.__name__}")
        source.allow_extrapolation = allow_extrapolation
        return source


def _task(task: Any) -> tuple[Any, Any]:
    """The codes of a task. Raises ``TypeError`` unless it is a pair or a name."""
    if isinstance(task, str):
        return named_task(task)
    if not isinstance(task, tuple | list) or len(task) != 2:
        raise TypeError(f"for_specs wants a (task type, dataset type) or a name per spec, got {task!r:.100}")
    return task[0], task[1]


def expected_counts(
    hidden: int,
    blocks: int,
    frequencies: int,
    *,
    structure: bool = False,
    structure_frequencies: int = 32,
    encoding: str = "gff",
) -> dict[str, int]:
    """Parameter counts of a root UHN by arithmetic alone (for plans and captions: no tensors are made)."""
    fields, tokens = len(INDEX_FIELDS), len(STRUCTURE_FIELDS)
    frozen = {"gff": fields * frequencies, "positional": 32, "raw": 0, "hash": 0}[encoding] + 2 * fields
    width = {"gff": 2 * frequencies, "positional": 2 * 32 * fields, "raw": fields, "hash": LEVELS * ENTRY}[encoding]
    trainable = (width + 1) * hidden + blocks * (2 * hidden * (hidden + 1) + 4 * hidden) + hidden + 1
    trainable += table_numbers(frequencies) if encoding == "hash" else 0
    if structure:
        d = 2 * structure_frequencies
        trainable += 6 * d * d + 10 * d + (d + 1) * hidden + hidden * (hidden + 1)
        frozen += tokens * structure_frequencies + 2 * tokens
    return {"trainable": trainable, "frozen": frozen}
