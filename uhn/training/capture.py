"""A whole training step as one CUDA graph: a GPU then waits for no host between its kernels.

A step whose batch is a handful of tensors of known shapes is recorded once and replayed. What changes from step to step
is copied in before: the batch, the rate and the seed of the dropout. A recording is used only after its first replays
have given what the same steps give without it; whatever goes wrong, steps go on one by one, and a line says why.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from uhn.models.forward import Inputs
from uhn.tasks.base import Batch

WARM_UP = 3
"""Steps of a kind that run one by one before one is recorded: they allocate and cache what a recording may not."""

CHECKED = 5
"""Replays of the first recording that are compared with the same step without it; of every later one, one."""

MOST = 32
"""Kinds of steps (model, shapes, phase) that are recorded; a run with more goes on one by one."""

ATTEMPTS = 3
"""Recordings that may fail before steps go on one by one."""

TOLERANCE = 1e-2
"""Largest difference of the parameters after a step, relative to how far it moved them, that may be float noise."""

Body = Callable[[Any, torch.Generator], Tensor]
"""One optimiser step on a batch: returns its loss."""


@runtime_checkable
class Recording(Protocol):
    """A recorded step."""

    loss: Tensor

    def replay(self) -> None:
        """Run it again on what its inputs hold now."""
        ...


@runtime_checkable
class Recorder(Protocol):
    """What records steps."""

    def aside(self, step: Callable[[], Tensor]) -> Tensor:
        """Run a step where recordings are made, without recording it."""
        ...

    def record(self, step: Callable[[], Tensor], generator: torch.Generator) -> Recording:
        """Record a step that draws from ``generator``; its results are not to be used before a replay."""
        ...


class CudaRecorder:
    """Records steps as CUDA graphs that share their memory: only one of them runs at a time.

    Steps before a recording run on the stream that records: what autograd and the libraries keep per stream is then
    there already.
    """

    def __init__(self) -> None:
        # autograd's own thread has no context before its first kernel, of which cuBLAS would warn
        torch.ones((), device="cuda", requires_grad=True).exp().backward()  # type: ignore[no-untyped-call]
        self.pool = torch.cuda.graph_pool_handle()
        self.stream = torch.cuda.Stream()  # type: ignore[no-untyped-call,unused-ignore]

    def aside(self, step: Callable[[], Tensor]) -> Tensor:
        """Run a step on the recording stream, after what is under way and before what comes."""
        current = torch.cuda.current_stream()
        self.stream.wait_stream(current)
        with torch.cuda.stream(self.stream):
            result = step()
        current.wait_stream(self.stream)
        return result

    def record(self, step: Callable[[], Tensor], generator: torch.Generator) -> CudaRecording:
        """Record a step."""
        return CudaRecording(step, generator, self.pool, self.stream)


class CudaRecording:
    """A CUDA graph; tensors that it reads and did not make itself are kept for as long as it lives."""

    def __init__(
        self, step: Callable[[], Tensor], generator: torch.Generator, pool: Any, stream: torch.cuda.Stream
    ) -> None:
        self.graph = torch.cuda.CUDAGraph()
        self.graph.register_generator_state(generator)  # type: ignore[no-untyped-call,unused-ignore]
        torch.cuda.synchronize()
        mode, current = "thread_local", torch.cuda.current_stream()
        try:
            with _Read() as read, torch.cuda.graph(self.graph, pool=pool, stream=stream, capture_error_mode=mode):
                self.loss = step()
        finally:
            torch.cuda.set_stream(current)  # torch leaves the recording stream in place where a recording fails
        self.read = read.kept

    def replay(self) -> None:
        """Start the graph; the host does not wait."""
        self.graph.replay()


class _Read(TorchDispatchMode):  # type: ignore[no-untyped-call,unused-ignore]
    """Keeps every tensor that an operation is given and that no operation before it has made."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call,unused-ignore]
        self.kept: list[Tensor] = []
        self._known: set[int] = set()

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        for tensor in _dense((args, kwargs)):
            if (place := tensor.untyped_storage()._cdata) not in self._known:
                self._known.add(place)
                self.kept.append(tensor.detach())
        result = function(*args, **(kwargs or {}))
        self._known.update(tensor.untyped_storage()._cdata for tensor in _dense(result))
        return result


def _dense(tree: Any) -> Iterator[Tensor]:
    return (leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor) and leaf.layout == torch.strided)


@dataclass
class _Kind:
    """A kind of step: how often it was seen, its last batch, and its recording with the batch that this reads."""

    seen: int = 0
    checks: int = 0
    last: Batch | None = None
    batch: Batch | None = None
    recording: Recording | None = None


class Steps:
    """Runs optimiser steps, recorded where they can be.

    Args:
        state: every tensor that a step changes in place and that lives on (parameters, the optimiser's moments).
        device: where they are.
        recorder: makes what records steps; None: steps run one by one.
        say: told why steps run one by one, and how the comparison went.
    """

    def __init__(
        self,
        state: Callable[[], Sequence[Tensor]],
        device: torch.device,
        recorder: Callable[[], Recorder] | None,
        say: Callable[[str], None] = lambda line: print(line, flush=True),
    ) -> None:
        self.state, self.device, self.say = state, device, say
        self._make = recorder
        self.recorder: Recorder | None = None if recorder is None else recorder()
        self.generator = torch.Generator(device=device)
        self.kinds: dict[Hashable, _Kind] = {}
        self.failures = 0

    def reset(self) -> None:
        """Forget all recordings: parameters or optimiser are others now."""
        self.kinds.clear()
        self.generator = torch.Generator(device=self.device)  # a failed recording may leave the old one unusable
        self.recorder = None if self._make is None else self._make()

    def stop(self, why: str) -> None:
        """Run one by one from now on."""
        self.say(f"steps are not recorded as CUDA graphs from here on: {why}")
        self.recorder = self._make = None
        self.kinds.clear()

    def run(self, key: Hashable, body: Body, batch: Any, seed: int) -> Tensor:
        """One step of the kind ``key``, its batch's shapes aside.

        Args:
            key: what decides the step's operations beside the batch's shapes.
            body: the step.
            batch: its batch, if there is one; a :class:`~uhn.tasks.base.Batch` where steps are recorded.
            seed: seed of its generator.

        Returns:
            its loss.
        """
        if self.recorder is None:
            return body(batch, self._seeded(torch.Generator(device=self.device), seed))
        kind = self.kinds.setdefault((key, shapes(batch)), _Kind())
        if len(self.kinds) > MOST:
            self.stop(f"more than {MOST} kinds of steps (models and shapes)")
            return self.run(key, body, batch, seed)
        kind.seen += 1
        if kind.seen <= WARM_UP:
            kind.last = batch
            return self._aside(body, batch, seed)
        try:
            if kind.recording is None:
                self._record(kind, body, batch)
            if kind.checks > 0:
                return self._checked(kind, body, batch, seed)
            return self._replay(kind, batch, seed)
        except (RuntimeError, ValueError, TypeError) as error:
            if kind.checks == 0 and kind.recording is not None:
                raise  # it has worked before: a fault of the device, not of the recording
            self.failures += 1
            first = error.__context__ or error  # the end of a spoilt recording says no more than that it is spoilt
            why = f"{type(first).__name__}: {' '.join(str(first).split())[:300]}"
            if self.failures >= ATTEMPTS:
                self.stop(why)
            else:  # libraries that a step calls may set themselves up in a first recording, and spoil it
                self.say(f"a step could not be recorded as a CUDA graph, will be tried again: {why}")
                self.reset()
            return self.run(key, body, batch, seed)

    def _record(self, kind: _Kind, body: Body, batch: Batch | None) -> None:
        assert self.recorder is not None
        generator = self.generator
        kind.batch, kind.last = None if batch is None else _own(batch, kind.last), None
        before = self._copied()
        kind.checks = 1 if any(k.recording for k in self.kinds.values()) else CHECKED
        try:
            kind.recording = self.recorder.record(lambda: body(kind.batch, generator), generator)
        finally:
            self._restore(before)

    def _replay(self, kind: _Kind, batch: Batch | None, seed: int) -> Tensor:
        assert kind.recording is not None
        if batch is not None and kind.batch is not None:
            _copy(kind.batch, batch)
        self._seeded(self.generator, seed)
        kind.recording.replay()
        return kind.recording.loss.detach().clone()

    def _checked(self, kind: _Kind, body: Body, batch: Batch | None, seed: int) -> Tensor:
        """The step recorded and one by one; the latter is what counts."""
        before = self._copied()
        loss = self._replay(kind, batch, seed)
        replayed = self._copied()
        self._restore(before)
        wanted = self._aside(body, batch, seed)
        worst, same = difference(before, replayed, self.state(), loss, wanted)
        if not worst <= TOLERANCE:
            self.stop(f"a recorded step differs from the step itself by {worst:.1e} of its length")
        else:
            kind.checks -= 1
            if kind.checks == 0 and not same:
                self.say(f"recorded steps agree with steps one by one to {worst:.1e}, not in every bit")
        return wanted

    def _aside(self, body: Body, batch: Batch | None, seed: int) -> Tensor:
        assert self.recorder is not None
        generator = self._seeded(self.generator, seed)
        return self.recorder.aside(lambda: body(batch, generator))

    def _copied(self) -> list[Tensor]:
        """The state now, with no history: one would tie the parameters' gradients to the present stream, of which no
        recording on another may know."""
        return [tensor.detach().clone() for tensor in self.state()]

    def _restore(self, values: Sequence[Tensor]) -> None:
        with torch.no_grad():
            for tensor, value in zip(self.state(), values, strict=True):
                tensor.copy_(value)

    def _seeded(self, generator: torch.Generator, seed: int) -> torch.Generator:
        generator.manual_seed(seed)
        return generator


def difference(
    before: Sequence[Tensor], a: Sequence[Tensor], b: Sequence[Tensor], loss_a: Tensor, loss_b: Tensor
) -> tuple[float, bool]:
    """How far two steps from ``before`` ended apart, of how far they went (and of the loss), and whether in one bit."""
    with torch.no_grad():
        apart = torch.stack([(x.double() - y).norm() for x, y in zip(a, b, strict=True)]).norm()
        length = torch.stack([(y.double() - x).norm() for x, y in zip(before, b, strict=True)]).norm()
        loss = (
            (loss_a.double() - loss_b).abs() / loss_b.double().abs().clamp_min(1e-12)
        ).amax()  # of a stack: K losses
        worst = float(torch.maximum(apart / length.clamp_min(1e-30), loss))
    return worst, all(torch.equal(x, y) for x, y in zip((*a, loss_a), (*b, loss_b), strict=True))


def shapes(batch: Batch | None) -> Hashable:
    """What decides the operations on a batch: shapes, and of a graph or sparse features which they are."""
    if batch is None:
        return None
    fixed = batch.inputs.edges is not None
    return tuple((n, tuple(t.shape), t.dtype, id(t) if fixed else None) for n, t in _tensors(batch))


def _tensors(batch: Batch) -> list[tuple[str, Tensor]]:
    named = [(f.name, getattr(batch.inputs, f.name)) for f in fields(Inputs)] + [("target", batch.target)]
    return [(name, value) for name, value in named if isinstance(value, Tensor)]


def _own(batch: Batch, last: Batch | None) -> Batch:
    """The batch with tensors of its own, but for those that ``last`` has too: they are the same at every step."""
    before = {} if last is None else dict(_tensors(last))
    parts = {n: t if before.get(n) is t else t.clone() for n, t in _tensors(batch)}
    target = parts.pop("target")
    return Batch(replace(batch.inputs, **parts), target)


def _copy(into: Batch, batch: Batch) -> None:
    for (_, target), (_, value) in zip(_tensors(into), _tensors(batch), strict=True):
        if target is not value:
            target.copy_(value)
