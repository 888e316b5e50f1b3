"""A model is a description: :class:`ModelSpec`, from which everything about one scalar weight follows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

from uhn import vocabulary as voc
from uhn.arguments import counts, whole_index
from uhn.layers.base import InitTarget, Layer, Param, layer_from_settings
from uhn.models.wiring import WIRINGS, check_chain


def one_spec(value: object, who: str) -> ModelSpec:
    """Return ``value`` if it is a spec. Raises ``TypeError`` naming ``who`` wanted one, and how to get it."""
    if isinstance(value, ModelSpec):
        return value
    got, hint = f"{type(value).__name__} {value!r:.60}", ""
    if isinstance(value, str):
        hint = ": uhn.zoo(name) gives those of the paper"
    elif callable(getattr(value, "named_parameters", None)):
        got, hint = type(value).__name__, ": uhn.describe(module) gives that of a module"
    elif isinstance(value, Iterable):
        got, hint = type(value).__name__, ": one at a time"
    raise TypeError(f"{who} wants a ModelSpec, got {got}{hint}")


def several_specs(values: object, who: str) -> tuple[ModelSpec, ...]:
    """Return the specs of a list. Raises ``TypeError`` for anything else, a single spec too; an empty one is one."""
    if isinstance(values, str | ModelSpec) or not isinstance(values, Iterable):
        what = repr(values) if isinstance(values, str | ModelSpec) else type(values).__name__
        raise TypeError(f"{who} wants a list of ModelSpecs, got {what:.100}")
    return tuple(one_spec(value, f"{who}, in its list,") for value in values)


@lru_cache(maxsize=4096)
def _declared(layer: Layer) -> tuple[Param, ...]:
    """The components of a layer; models of one family repeat the same layers many times over."""
    return layer.params()


@dataclass(frozen=True)
class Slot:
    """Where one component lives in the flat weight vector."""

    name: str
    layer: int
    param: Param
    offset: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the component's tensor."""
        return self.param.shape

    @property
    def numel(self) -> int:
        """Number of scalar weights."""
        return self.param.numel

    @property
    def span(self) -> slice:
        """Its place in the flat vector."""
        return slice(self.offset, self.offset + self.numel)


@dataclass(frozen=True)
class WeightInfo:
    """Everything known about one scalar weight, as :meth:`ModelSpec.explain` returns it."""

    index: int
    name: str
    layer: int
    layer_kind: str
    component: str
    position: tuple[int, ...]
    descriptor: dict[str, int]
    target: InitTarget


@dataclass(frozen=True)
class ModelSpec:
    """A frozen description of a model (B.5.2): no weights, no tensors, no device.

    Args:
        family: name of the family, e.g. ``"cnn"``; any name where ``model_type`` is somebody's own.
        model_type: its code in the descriptor (Table 7); from 100 up they are open to everybody.
        layers: the layers in order.
        fields: active global fields beside ``model_type`` and ``num_layers``, e.g. ``{"cnn_stage_num": 4}``.
        task_type: task field (Table 9); 0 unless the model serves several tasks.
        dataset_type: dataset field (Table 9).
        wiring: ``"sequential"``, ``"two_branch"`` for a generated hypernetwork, or ``"module"`` for a described
            ``nn.Module`` (see :func:`uhn.describe`).

    Raises:
        ValueError: for an unknown family, field or wiring, a code or count that is no integer, no layers, or layers
            that do not chain.

    Example:
        >>> spec = uhn.mlp((4, 8, 3))
        >>> spec, spec.num_params
        (ModelSpec(mlp, 2 layers, 67 weights), 67)
        >>> spec.explain(33).name, spec.explain(33).position
        ('layers.0.bias', (1,))
        >>> uhn.ModelSpec.from_json(spec.to_json()) == spec
        True
    """

    family: str
    model_type: voc.ModelType | int
    layers: tuple[Layer, ...]
    fields: tuple[tuple[str, int], ...] = ()
    task_type: voc.TaskType | int = voc.TaskType.IMAGE
    dataset_type: voc.DatasetType | int = voc.DatasetType.MNIST
    wiring: str = "sequential"

    def __post_init__(self) -> None:
        object.__setattr__(self, "fields", counts(self.fields))
        object.__setattr__(self, "layers", tuple(self.layers) if isinstance(self.layers, Iterable) else (self.layers,))
        for name, kind in (
            ("model_type", voc.ModelType),
            ("task_type", voc.TaskType),
            ("dataset_type", voc.DatasetType),
        ):
            value = getattr(self, name)
            whole = isinstance(value, int) and not isinstance(value, bool)
            if whole and value >= voc.OPEN:
                continue  # somebody's own
            if not whole or value not in set(kind):
                raise ValueError(f"ModelSpec.{name} must be a {kind.__name__}, or 100 and up, got {value!r}")
            object.__setattr__(self, name, kind(value))
        _check_family(self.family, self.model_type)
        if not self.layers or not all(isinstance(layer, Layer) for layer in self.layers):
            raise ValueError(f"ModelSpec.layers must hold at least one Layer, got {self.layers!r}")
        if not isinstance(self.wiring, str) or self.wiring not in WIRINGS:
            raise ValueError(f"ModelSpec.wiring must be one of {', '.join(WIRINGS)}, got {self.wiring!r}")
        if unknown := {k for k, _ in self.fields} - set(voc.GLOBAL_NAMES[4:]):
            raise ValueError(
                f"ModelSpec.fields may hold {', '.join(voc.GLOBAL_NAMES[4:])}; got {', '.join(sorted(unknown))}"
            )
        check_chain(self.layers, self.wiring, dict(self.fields))

    @cached_property
    def layout(self) -> tuple[Slot, ...]:
        """Components in flat order: layer by layer, component by component, each row-major (Algorithm 1)."""
        slots, offset = [], 0
        for number, layer in enumerate(self.layers):
            for param in _declared(layer):
                slots.append(Slot(layer.slot_name(number, param), number, param, offset))
                offset += param.numel
        return tuple(slots)

    @cached_property
    def num_params(self) -> int:
        """Number of scalar weights, P."""
        return sum(slot.numel for slot in self.layout)

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the canonical JSON; the same on every machine and in every process."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True, separators=(",", ":")).encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values; :meth:`from_json` is the inverse.

        Example:
            >>> uhn.mlp((4, 3)).to_json()["layers"][0]["kind"]
            'linear'
        """
        return {
            "family": self.family,
            "model_type": int(self.model_type),
            "task_type": int(self.task_type),
            "dataset_type": int(self.dataset_type),
            "fields": dict(self.fields),
            "wiring": self.wiring,
            "layers": [{"kind": layer.kind, **layer.settings()} for layer in self.layers],
        }

    @classmethod
    def from_json(cls, data: Any) -> ModelSpec:
        """Rebuild a spec from :meth:`to_json`. Raises ``ValueError`` naming what is missing, unknown or wrong."""
        wanted = {"family", "model_type", "task_type", "dataset_type", "fields", "wiring", "layers"}
        if not isinstance(data, Mapping) or set(data) != wanted:
            got = sorted(map(str, data)) if isinstance(data, Mapping) else type(data).__name__
            raise ValueError(f"a model spec has the keys {sorted(wanted)}, got {got}")
        for key, kind in {"family": str, "wiring": str, "fields": Mapping, "layers": Sequence}.items():
            if not isinstance(data[key], kind):
                raise ValueError(f"a model spec's {key} must be a {kind.__name__}, got {data[key]!r:.100}")
        layers = []
        try:
            for entry in data["layers"]:
                if not isinstance(entry, Mapping):
                    raise ValueError(
                        f"a model spec's layers are objects of a kind and its settings, got {entry!r:.100}"
                    )
                settings = dict(entry)
                layers.append(layer_from_settings(settings.pop("kind", ""), settings))
            spec = cls(layers=tuple(layers), **{k: v for k, v in data.items() if k != "layers"})
            spec.layout  # noqa: B018  (what a layer's components refuse is refused now)
        except (TypeError, OverflowError) as error:
            raise ValueError(f"no model spec: {error!s:.200}") from None
        return spec

    def __getitem__(self, name: str) -> Slot:
        """Return the component of a name, e.g. ``spec["layers.0.weight"]``: its shape, place and init target.

        Raises:
            TypeError: if it is no name.
            KeyError: for a name that the layout does not have.

        Example:
            >>> uhn.mlp((4, 8, 3))["layers.0.weight"].shape
            (8, 4)
        """
        if not isinstance(name, str):
            raise TypeError(f"a spec wants the name of a component, got {name!r:.100}: explain(index) is for a weight")
        if name not in self._by_name:
            names = ", ".join(list(self._by_name)[:6]) + (", …" if len(self._by_name) > 6 else "")
            raise KeyError(f"a spec wants one of its components, {names}; got {name!r:.100}")
        return self._by_name[name]

    __iter__ = None  # by name alone: else Python would ask for 0, 1, 2, …

    @cached_property
    def _by_name(self) -> dict[str, Slot]:
        return {slot.name: slot for slot in self.layout}

    def summary(self) -> str:
        """Return a table of the layers: kind, components with their shapes, number of weights.

        Example:
            >>> print(uhn.mlp((4, 8, 3)).summary())
            mlp: 2 layers, 67 weights
              layer  kind    weights  components
              0      linear       40  weight [8, 4], bias [8]
              1      linear       27  weight [3, 8], bias [3]
        """
        from uhn.models.summary import summary  # which imports this file

        return summary(self)

    def slot_of(self, index: int) -> Slot:
        """Return the component that holds flat position ``index``.

        Raises:
            TypeError: if it is no integer.
            IndexError: outside ``[0, P)``.
        """
        index = whole_index(index)
        if not 0 <= index < self.num_params:
            raise IndexError(f"weight index must be in [0, {self.num_params}), got {index}")
        return next(slot for slot in self.layout if index < slot.offset + slot.numel)

    def explain(self, index: int) -> WeightInfo:
        """Say what weight ``index`` is: its component, position, index descriptor (Table 6) and target.

        Example:
            >>> weight = uhn.mlp((4, 8, 3)).explain(6)
            >>> weight.name, weight.position, weight.descriptor["in_idx"], weight.target.kind
            ('layers.0.weight', (1, 2), 2, 'uniform')
        """
        slot, index = self.slot_of(index), whole_index(index)
        rest, place = index - slot.offset, []
        for axis in reversed(slot.param.axes):
            rest, value = divmod(rest, axis.size)
            place.append((axis.field, value))
        descriptor = {name: voc.INDEX_FILLER for name in voc.INDEX_NAMES}
        layer = self.layers[slot.layer]
        descriptor |= {"layer_idx": slot.layer, "layer_type": layer.layer_type, "param_type": slot.param.code}
        descriptor |= dict(place)
        inner, position = index - slot.offset, []
        for size in reversed(slot.shape):
            inner, value = divmod(inner, size)
            position.append(value)
        return WeightInfo(
            index,
            slot.name,
            slot.layer,
            layer.kind,
            slot.param.name,
            tuple(reversed(position)),
            descriptor,
            slot.param.init,
        )

    def with_task(
        self, task_type: voc.TaskType | int | str, dataset_type: voc.DatasetType | int | None = None
    ) -> ModelSpec:
        """Return the same model in the service of another task.

        Args:
            task_type: the paper's (Table 9), a code of your own from 100 up, or a name of your own, alone: it stands
                for a pair of codes, the same everywhere (see :func:`~uhn.vocabulary.named_task`).
            dataset_type: as ``task_type``; with a name there is none.

        Example:
            >>> spec = uhn.mlp((4, 8, 3)).with_task("my-clinic-7")
            >>> spec.task_type, spec.dataset_type
            (438, 461)
        """
        if isinstance(task_type, str):
            if dataset_type is not None:
                raise ValueError(f"with_task wants a name alone, got {task_type!r:.100} and {dataset_type!r:.100}")
            task_type, dataset_type = voc.named_task(task_type)
        if dataset_type is None:
            raise ValueError(f"with_task wants a task type and a dataset type, or a name, got {task_type!r:.100} alone")
        return replace(self, task_type=task_type, dataset_type=dataset_type)

    def __repr__(self) -> str:
        return f"ModelSpec({self.family}, {len(self.layers)} layers, {self.num_params:,} weights)"


def _check_family(family: Any, model_type: int) -> None:
    """Raise ``ValueError`` unless it is a family with its own code, or somebody's own name and code."""
    from uhn.models import FAMILIES  # which imports this file

    known = FAMILIES.get(family) if isinstance(family, str) else None
    if known is None and (model_type < voc.OPEN or not isinstance(family, str)):
        names = ", ".join(FAMILIES)
        raise ValueError(f"ModelSpec.family must be one of {names}, or its model_type 100 and up, got {family!r:.100}")
    if known is not None and known.model_type != model_type:
        wanted = f"{known.model_type.name} ({int(known.model_type)})"
        raise ValueError(f"ModelSpec.model_type must be {wanted} for the family {family}, got {model_type!r}")
