"""Models of torchvision and timm, by name, where they are installed: described, called, generated for, taken away."""

from __future__ import annotations

from importlib import import_module

import pytest
import torch
from torch import nn

import uhn
from uhn.models.module import flat_weights

SMALL = {"hidden": 16, "frequencies": 16}
NAMES = {
    "torchvision": ("shufflenet_v2_x0_5", "squeezenet1_1", "mobilenet_v3_small", "resnet18", "vit_b_16"),
    "timm": ("mobilenetv3_small_050", "resnet10t", "vit_tiny_patch16_224", "convnext_atto", "mixer_s32_224"),
}
GENERATED = 2_000_000
"""Weights of the models that are generated for; larger ones are described and called with their own."""


def made(library: str, name: str) -> nn.Module:
    try:
        there = import_module(f"{library}.models" if library == "torchvision" else library)
    except Exception as error:  # also where it was built for another torch, which says so in ways of its own
        pytest.skip(f"wants {library} that works with this torch: {type(error).__name__}")
    torch.manual_seed(0)
    model: nn.Module = getattr(there, name)(weights=None) if library == "torchvision" else there.create_model(name)
    return model.eval()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(("library", "name"), [(lib, name) for lib, names in NAMES.items() for name in names])
def test_models_of_other_libraries_by_name(library: str, name: str) -> None:
    model, x = made(library, name), torch.randn(1, 3, 224, 224)
    spec = uhn.describe(model)
    assert spec.num_params == sum(p.numel() for p in model.parameters())
    flat = flat_weights(spec, model)
    with torch.no_grad():
        wanted = model(x)
        torch.testing.assert_close(uhn.call(model, spec, flat, x), wanted)
        if spec.num_params > GENERATED:
            return
        generated = uhn.UniversalHypernetwork.for_specs([spec], **SMALL)(spec)
        away = uhn.to_module(spec, 0.1 * generated, model)
        assert type(away) is type(model) and torch.isfinite(away(x)).all()
