"""A network whose weights, all or some of them, come from a generator: called and trained like the network itself."""

from __future__ import annotations

import copy
from typing import Any, Unpack

import torch
from jaxtyping import Float
from torch import Tensor, nn

from uhn.models.describe import Only, describe
from uhn.models.module import call, flat_weights, load_weights, tensor_shapes
from uhn.models.spec import ModelSpec
from uhn.sources.settings import GeneratorSettings
from uhn.sources.universal import UniversalHypernetwork


class Hypernetized(nn.Module):
    """Holds a generator and a template, and is called like the template.

    Its trainable parameters are the generator's, and those of the template that are not generated (frozen ones stay
    frozen). ``state_dict`` holds both; the template's own values of generated weights are not trained.

    Args:
        module: the network; a copy of it becomes the template.
        only: which parameters are generated (see :func:`uhn.describe`); all trainable ones if None.
        residual: add what is generated to the network's present weights; at the start nothing is added.
        settings: of the generator, as for :class:`~uhn.sources.universal.UniversalHypernetwork`.
    """

    base: Tensor | None

    def __init__(
        self,
        module: nn.Module,
        *,
        only: Only | None = None,
        residual: bool = False,
        **settings: Unpack[GeneratorSettings],
    ) -> None:
        super().__init__()
        self.spec = describe(module, only)
        self.template = copy.deepcopy(module)
        self.generator = UniversalHypernetwork.for_specs([self.spec], **settings)
        self.register_buffer("base", flat_weights(self.spec, module) if residual else None)
        if residual:
            nn.init.zeros_(self.generator.readout.weight)
            nn.init.zeros_(self.generator.readout.bias)
        _require_grad(self.template, self.spec, False)

    def flat(self) -> Float[Tensor, " P"]:
        """The present weights, differentiable."""
        generated: Tensor = self.generator(self.spec)
        return generated if self.base is None else self.base + generated

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """As the template's own."""
        return call(self.template, self.spec, self.flat(), *args, **kwargs)

    @torch.no_grad()
    def plain(self) -> nn.Module:
        """Return the network with its present weights and without the generator."""
        result = load_weights(self.template, self.spec, self.flat())
        _require_grad(result, self.spec, True)
        return result


def hypernetize(
    module: nn.Module, *, only: Only | None = None, residual: bool = False, **settings: Unpack[GeneratorSettings]
) -> Hypernetized:
    """Return a network like ``module`` whose weights come from a generator.

    Args:
        module: any network; it is not changed.
        only: name pattern, patterns, or a predicate of (name, parameter); all trainable parameters if None.
        residual: generate a change of the present weights, zero at the start, instead of the weights.
        settings: of the generator, e.g. ``hidden=64, frequencies=1024``.

    Raises:
        TypeError: if ``module`` is no module.
        ValueError: if there is nothing to generate, or a setting is impossible.

    Example:
        >>> model = hypernetize(nn.Linear(4, 3), hidden=8, frequencies=16)
        >>> model(torch.randn(2, 4)).shape
        torch.Size([2, 3])
    """
    return Hypernetized(module, only=only, residual=residual, **settings)


def _require_grad(module: nn.Module, spec: ModelSpec, wanted: bool) -> None:
    """Whether the generated parameters of ``module`` are its own to train."""
    own = dict(module.named_parameters(remove_duplicate=False))
    for name in tensor_shapes(spec):
        own[name].requires_grad_(wanted)
