"""What a layer is: a declaration of its components and one pure function.

Everything about a scalar weight (place in the flat vector, shape, index descriptor, initial statistics, export
name) follows from the :class:`Param` that declares its component.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from enum import IntEnum
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

import torch
from torch import Tensor

from uhn import vocabulary as voc
from uhn.layers.flow import Flow

Distribution = Literal["uniform", "normal", "constant"]

AXIS_FIELDS = voc.INDEX_NAMES[3:]
"""Index fields that an axis may run over; the first three belong to the layer and the component."""


@dataclass(frozen=True)
class InitTarget:
    """Mean and standard deviation wanted of a component at initialisation (B.6), and how direct training draws it.

    The initialisation phase (Eq 4) matches ``mean`` and ``std`` only; ``kind`` is the distribution that direct
    training samples: uniform on ``mean ± sqrt(3) std``, normal, or the constant ``mean``.
    """

    mean: float = 0.0
    std: float = 0.0
    kind: Distribution = "constant"

    def __post_init__(self) -> None:
        if self.kind not in ("uniform", "normal", "constant"):
            raise ValueError(f"InitTarget.kind must be 'uniform', 'normal' or 'constant', got {self.kind!r}")
        if not (math.isfinite(self.mean) and math.isfinite(self.std)) or self.std < 0:
            raise ValueError(f"InitTarget needs a finite mean and a std >= 0, got {self.mean} and {self.std}")
        if (self.kind == "constant") != (self.std == 0):
            raise ValueError(f"InitTarget: std is 0 exactly for 'constant', got {self.std} for {self.kind!r}")

    @property
    def zeroed(self) -> InitTarget:
        """The target of the same component in a layer whose ``initialization_type`` is ZERO."""
        return InitTarget()

    def draw(self, numel: int, generator: torch.Generator) -> Tensor:
        """Draw ``numel`` float32 values, shape ``[numel]``, on the CPU."""
        if self.kind == "constant":
            return torch.full((numel,), self.mean)
        if self.kind == "uniform":
            half = math.sqrt(3.0) * self.std
            return torch.empty(numel).uniform_(self.mean - half, self.mean + half, generator=generator)
        return torch.empty(numel).normal_(self.mean, self.std, generator=generator)


@dataclass(frozen=True)
class Axis:
    """One axis of a component: the index field that runs along it (0 .. size-1) and its size."""

    field: str
    size: int

    def __post_init__(self) -> None:
        if self.field not in AXIS_FIELDS:
            raise ValueError(f"Axis.field must be one of {', '.join(AXIS_FIELDS)}, got {self.field!r}")
        if not isinstance(self.size, int) or not 1 <= self.size < 2**31:  # an index is an int32
            raise ValueError(f"Axis {self.field} needs a whole size of at least 1, below 2**31; got {self.size!r:.100}")


@dataclass(frozen=True)
class Param:
    """One component of a layer (a weight matrix, a bias, ...).

    ``axes`` span the index grid in row-major order; ``tensor_shape`` is the shape in which ``apply`` receives the
    component where that differs (for example a leading axis of one). ``code`` is its ``param_type``.
    """

    name: str
    code: int
    axes: tuple[Axis, ...]
    init: InitTarget
    tensor_shape: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        names = [axis.field for axis in self.axes]
        if not names or len(set(names)) != len(names):
            raise ValueError(f"Param {self.name!r} needs at least one axis and each field once, got {names}")
        if self.tensor_shape is not None and math.prod(self.tensor_shape) != self.numel:
            raise ValueError(f"Param {self.name!r}: tensor_shape {self.tensor_shape} does not hold {self.numel} values")

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the tensor that ``apply`` receives."""
        return tuple(axis.size for axis in self.axes) if self.tensor_shape is None else self.tensor_shape

    @property
    def numel(self) -> int:
        """Number of scalar weights."""
        return math.prod(axis.size for axis in self.axes)


@runtime_checkable
class Projectable(Protocol):
    """A stand-in for a ``[N, width]`` input that a linear layer may multiply without ever forming it."""

    @property
    def shape(self) -> tuple[int, int]:
        """(rows N, width)."""
        ...

    def project(self, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Return ``x @ weight.T + bias``, shape ``[N, out]``, for ``weight`` of shape ``[out, width]``."""
        ...


@runtime_checkable
class Context(Protocol):
    """What a layer may read beside its input; a layer raises if what it needs is missing."""

    @property
    def edges(self) -> Tensor | None:
        """Directed edges, shape ``[2, E]`` (source row, destination row), int64."""
        ...

    @property
    def edge_weight(self) -> Tensor | None:
        """Weight of each edge, shape ``[E]``."""
        ...

    @property
    def padding(self) -> Tensor | None:
        """True where a token is padding, shape ``[B, T]``."""
        ...


Weights = Mapping[str, Tensor]


@dataclass(frozen=True)
class Layer(ABC):
    """A layer primitive: a frozen dataclass of exactly its own settings.

    Subclasses set ``kind`` (the registry name) and ``type_code`` (``layer_type``) and implement :meth:`params`,
    :meth:`structure` and :meth:`apply`. Settings are checked at construction.
    """

    kind: ClassVar[str]
    type_code: ClassVar[int]

    @abstractmethod
    def params(self) -> tuple[Param, ...]:
        """Declare the components in flat order."""

    @abstractmethod
    def structure(self) -> dict[str, int | float]:
        """Active local structure fields (Table 8) but ``layer_idx`` and ``layer_type``."""

    @abstractmethod
    def apply(
        self,
        weights: Weights,
        x: Any,
        ctx: Context,
        *,
        training: bool = False,
        rng: torch.Generator | None = None,
    ) -> Tensor:
        """Apply the layer to ``x`` with ``weights`` (component name → tensor)."""

    def flow(self, before: Flow) -> Flow:
        """Return what comes out for what goes in. Raises ``ValueError``, as half a sentence, if that cannot go in."""
        sizes = self.structure()
        before.enter(None, sizes.get("input_size"))
        return Flow(before.axes, sizes.get("output_size"))

    @property
    def layer_type(self) -> int:
        """Its ``layer_type`` code."""
        return int(self.type_code)

    @property
    def title(self) -> str:
        """What it is, for people."""
        return self.kind

    def slot_name(self, number: int, param: Param) -> str:
        """Name of a component in the layout of a model in which this is layer ``number``."""
        return f"layers.{number}.{param.name}"

    def targets(self, *params: Param) -> tuple[Param, ...]:
        """Return ``params``, with zero targets if this layer's ``initialization`` is ZERO."""
        if getattr(self, "initialization", voc.Initialization.DEFAULT) != voc.Initialization.ZERO:
            return params
        return tuple(Param(p.name, p.code, p.axes, p.init.zeroed, p.tensor_shape) for p in params)

    def settings(self) -> dict[str, Any]:
        """Settings as JSON values; ``layer_from_settings`` is the inverse."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return {k: int(v) if isinstance(v, int) and not isinstance(v, bool) else v for k, v in values.items()}


_REGISTRY: dict[str, type[Layer]] = {}


def register(cls: type[Layer]) -> type[Layer]:
    """Class decorator: make a layer known by its ``kind``, so that a spec with it can be read from JSON.

    A layer of your own takes a kind and a ``type_code`` that nobody else has, from 100 up (100 to 199 are also what
    :func:`uhn.describe` gives to PyTorch's modules). Defining the same class again, as a notebook does, replaces it.

    Raises:
        ValueError: if another class has the kind or the code, or the code is below 100 outside this package.
    """
    kind, code = cls.kind, int(cls.type_code)
    if 0 <= code < voc.OPEN and not cls.__module__.startswith("uhn."):
        raise ValueError(
            f"layer {cls.__name__} must have a type_code of 100 or more, got {code}: the paper's are below"
        )
    for other in _REGISTRY.values():
        if (other.__module__, other.__qualname__) == (cls.__module__, cls.__qualname__):
            continue
        if kind == other.kind or code == int(other.type_code):
            raise ValueError(
                f"layer {cls.__name__} (kind {kind!r}, code {code}) collides with "
                f"{other.__name__} (kind {other.kind!r}, code {int(other.type_code)}): it must have its own"
            )
    _REGISTRY[kind] = cls
    return cls


def layer_registry() -> Mapping[str, type[Layer]]:
    """All registered layers by kind."""
    return dict(_REGISTRY)


JSON_KINDS = {"bool": (bool, int), "float": (int, float), "str": (str,)}
"""What JSON must hold for a setting of each type; sizes and categories are whole numbers, tuples are lists."""


def layer_from_settings(kind: Any, settings: Mapping[str, Any]) -> Layer:
    """Rebuild a layer from its kind and :meth:`Layer.settings`.

    Raises:
        ValueError: for an unknown kind, or a setting that is unknown, missing or of another type.
    """
    if not isinstance(kind, str) or kind not in _REGISTRY:
        raise ValueError(f"unknown layer kind {kind!r}; known: {', '.join(sorted(_REGISTRY))}")
    cls = _REGISTRY[kind]
    known = {f.name: f for f in fields(cls)}
    if unknown := set(settings) - set(known):
        raise ValueError(
            f"layer {kind!r} has no setting {', '.join(sorted(unknown))}; known: {', '.join(sorted(known))}"
        )
    if missing := [name for name, f in known.items() if f.default is MISSING and name not in settings]:
        raise ValueError(f"layer {kind!r} wants {', '.join(missing)}, got {', '.join(sorted(settings)) or 'nothing'}")
    for name, value in settings.items():
        wanted = str(getattr(known[name].type, "__name__", known[name].type))
        kinds = (list, tuple) if wanted.startswith("tuple") else JSON_KINDS.get(wanted, (int,))
        if not isinstance(value, kinds) or (isinstance(value, bool) and wanted != "bool"):
            raise ValueError(f"layer {kind!r}: {name} wants {wanted}, got {value!r:.100}")
    return cls(**settings)


def positive(layer: Layer, *names: str) -> None:
    """Raise ``ValueError`` unless each named setting is an integer of at least 1."""
    for name in names:
        value = getattr(layer, name)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(f"{type(layer).__name__}.{name} must be an integer >= 1, got {value!r}")


def rate(layer: Layer, name: str = "dropout") -> None:
    """Raise ``ValueError`` unless the named setting is a probability below 1."""
    value = getattr(layer, name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
        raise ValueError(f"{type(layer).__name__}.{name} must be in [0, 1), got {value!r}")


def flag(layer: Layer, *names: str) -> None:
    """Raise ``ValueError`` unless each named setting is True or False."""
    for name in names:
        value = getattr(layer, name)
        if not isinstance(value, bool):
            raise ValueError(f"{type(layer).__name__}.{name} must be True or False, got {value!r}")


def category(layer: Layer, name: str, categories: type[IntEnum]) -> None:
    """Turn the named setting into its category. Raises ``ValueError`` naming the choices."""
    value = getattr(layer, name)
    try:
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError
        object.__setattr__(layer, name, categories(value))
    except ValueError:
        choices = ", ".join(f"{c.name}={c.value}" for c in categories)
        raise ValueError(f"{type(layer).__name__}.{name} must be one of {choices}, got {value!r}") from None
