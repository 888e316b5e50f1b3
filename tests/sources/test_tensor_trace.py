"""What a step allocates: nothing of the size (weights x frequencies), and little at a time."""

from __future__ import annotations

from typing import Any

import pytest
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from uhn.descriptors.ranges import Ranges
from uhn.models import ModelSpec, zoo
from uhn.models.feedforward import mlp
from uhn.sources import UniversalHypernetwork


class Trace(TorchDispatchMode):
    """Size of the largest storage made by any operation, and the most bytes alive at once."""

    def __init__(self) -> None:
        super().__init__()
        self.largest, self.operation = 0, ""
        self.alive: dict[int, tuple[StorageWeakRef, int]] = {}
        self.peak, self.operations = 0, 0

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        self.operations += 1
        given = {leaf.untyped_storage()._cdata for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)}
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor) and leaf.untyped_storage()._cdata not in given:
                self._note(leaf, str(function))
        return result

    def _note(self, tensor: Tensor, operation: str) -> None:
        storage = tensor.untyped_storage()
        elements = storage.nbytes() // tensor.element_size()
        if elements > self.largest:
            self.largest, self.operation = elements, f"{operation} {list(tensor.shape)}"
        self.alive = {key: held for key, held in self.alive.items() if not held[0].expired()}
        self.alive[storage._cdata] = (StorageWeakRef(storage), storage.nbytes())
        self.peak = max(self.peak, sum(size for _, size in self.alive.values()))


def trace_step(source: UniversalHypernetwork, spec: ModelSpec) -> Trace:
    """Forward and backward of one step, the work plan included."""
    with Trace() as trace:
        source(spec).square().sum().backward()
    return trace


def test_a_step_of_the_mlp_never_makes_the_feature_matrix() -> None:
    """At the paper's sizes it would hold 242 million values; what is kept is five rows a weight."""
    spec = zoo("mlp-mnist")
    source = UniversalHypernetwork(Ranges.declared([spec]), hidden=64, frequencies=1024)
    trace = trace_step(source, spec)
    assert trace.operations > 100
    assert trace.largest < spec.num_params * 1024 / 10, trace.operation
    assert trace.peak < 5 * spec.num_params * 64 * 4 + 128 * 2**20, "what is kept, and working arrays of bounded size"


@pytest.mark.parametrize("encoding", ["positional", "raw"])
def test_nor_with_the_other_encodings(encoding: str) -> None:
    spec = mlp((784, 32, 10))
    source = UniversalHypernetwork(Ranges.declared([spec]), hidden=16, frequencies=1, encoding=encoding)
    trace = trace_step(source, spec)
    assert trace.largest < spec.num_params * 32, trace.operation


def test_the_trace_sees_a_feature_matrix() -> None:
    spec = mlp((20, 30, 5))
    source = UniversalHypernetwork(Ranges.declared([spec]), hidden=8, frequencies=64)
    from uhn.descriptors.features import IndexFeatures

    with Trace() as trace:
        IndexFeatures(spec, source.ranges, source.encoding).dense()
    assert trace.largest >= spec.num_params * 128


def test_memory_is_bounded_when_the_first_layer_is_recomputed() -> None:
    spec = mlp((784, 128, 10))
    peaks = []
    for memory in (1024, 0):
        source = UniversalHypernetwork(Ranges.declared([spec]), hidden=32, frequencies=16, memory_mib=memory)
        source(spec).sum().backward()  # makes the plan
        peaks.append(trace_step(source, spec).peak)
    kept = spec.num_params * 32 * 4
    assert peaks[0] >= kept
    assert peaks[1] < peaks[0]
