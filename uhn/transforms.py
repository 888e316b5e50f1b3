"""torch's function transforms (``torch.func``, forward mode, gradients of gradients) and what they ask of this library.

Fast forms here write their gradient out and keep what they have formed. Under a transform the same values are computed
in the open, of operations that torch can differentiate and batch again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import torch
from torch import Tensor
from torch._compile import _disable_dynamo
from torch._functorch.pyfunctorch import temporarily_clear_interpreter_stack
from torch.autograd import forward_ad
from torch.nn.attention import SDPBackend, sdpa_kernel

P = ParamSpec("P")
T = TypeVar("T")


def traced() -> bool:
    """Whether a graph is being recorded (export, compile, trace, ONNX): then there are no values to look at."""
    return torch.compiler.is_compiling() or bool(torch.jit.is_tracing())  # type: ignore[attr-defined,no-untyped-call]


def never_traced(function: Callable[P, T]) -> Callable[P, T]:
    """Leave a function out of the graphs of ``torch.compile``, which goes on before and after it."""
    # as torch.compiler.disable, but nothing is imported until somebody compiles
    apart: Callable[P, T] = _disable_dynamo(function)

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        return apart(*args, **kwargs) if torch.compiler.is_compiling() else function(*args, **kwargs)

    return call


def composing() -> bool:
    """Whether a transform is at work: ``grad``, ``vmap``, ``jvp`` and the like, or forward-mode derivatives."""
    if traced():
        return False
    return bool(torch._C._are_functorch_transforms_active()) or forward_ad._current_level >= 0


def wrapped(x: Tensor) -> bool:
    """Whether a transform holds ``x``."""
    return bool(torch._C._functorch.is_functorch_wrapped_tensor(x))


def mapped(x: Tensor) -> bool:
    """Whether ``vmap`` hides an axis of ``x``: its values cannot be looked at one by one."""
    while wrapped(x) and not torch._C._functorch.is_batchedtensor(x):
        x = torch._C._functorch.get_unwrapped(x)
    return wrapped(x)


@contextmanager
def forming() -> Iterator[None]:
    """Within it, tensors can be made that are kept for later calls: ordinary ones, whoever asked first."""
    with torch.inference_mode(False), torch.no_grad(), temporarily_clear_interpreter_stack():
        yield


@contextmanager
def open_attention() -> Iterator[None]:
    """Within it, attention is computed step by step: its fused forms have neither forward mode nor ``vmap``."""
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)


def differentiable_again(fast: Tensor, plain: Callable[..., Tensor], *tensors: Tensor) -> Tensor:
    """Return ``fast`` with its own gradient; where that is to be differentiated, with that of ``plain(*tensors)``.

    Args:
        fast: what ``plain(*tensors)`` would give, from a form whose gradient cannot be differentiated.
        plain: the same in the open.
        tensors: everything that it depends on.
    """
    if traced() or not (torch.is_grad_enabled() and fast.requires_grad):
        return fast
    result: Tensor = _Again.apply(plain, fast, *tensors)  # type: ignore[no-untyped-call]
    return result


class _Again(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, plain: Callable[..., Tensor], fast: Tensor, *tensors: Tensor) -> Tensor:
        ctx.plain = plain
        ctx.save_for_backward(*tensors)
        return fast.clone()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        tensors = ctx.saved_tensors
        if not (torch.is_grad_enabled() or composing()):
            return None, grad, *[None] * len(tensors)
        return None, None, *torch.func.vjp(ctx.plain, *tensors)[1](grad)
