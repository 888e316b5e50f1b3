"""Universal Hypernetworks: one generator of weights for any architecture.

The public names are loaded when they are first used, so that ``import uhn`` does not import torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

if TYPE_CHECKING:
    from uhn.export import from_module as from_module
    from uhn.export import state_dict as state_dict
    from uhn.export import to_module as to_module
    from uhn.hypernetized import hypernetize as hypernetize
    from uhn.layers.inputs import Inputs as Inputs
    from uhn.models import zoo as zoo
    from uhn.models.describe import describe as describe
    from uhn.models.feedforward import cnn as cnn
    from uhn.models.feedforward import mlp as mlp
    from uhn.models.forward import run as run
    from uhn.models.graph import gat as gat
    from uhn.models.graph import gcn as gcn
    from uhn.models.kan import kan as kan
    from uhn.models.module import call as call
    from uhn.models.module import recalibrate as recalibrate
    from uhn.models.module import weights as weights
    from uhn.models.spec import ModelSpec as ModelSpec
    from uhn.models.transformer import transformer as transformer
    from uhn.pretrained.loading import from_pretrained as from_pretrained
    from uhn.sources.chain import Chain as Chain
    from uhn.sources.conditions import Embeddings as Embeddings
    from uhn.sources.direct import Direct as Direct
    from uhn.sources.files import load_source as load_source
    from uhn.sources.files import save_source as save_source
    from uhn.sources.keeping import output_regulariser as output_regulariser
    from uhn.sources.universal import UniversalHypernetwork as UniversalHypernetwork
    from uhn.training.fit import fit as fit
    from uhn.training.matching import matching_loss as matching_loss

_HOMES = {
    "ModelSpec": "uhn.models.spec",
    "Inputs": "uhn.layers.inputs",
    "run": "uhn.models.forward",
    "zoo": "uhn.models",
    "mlp": "uhn.models.feedforward",
    "cnn": "uhn.models.feedforward",
    "gcn": "uhn.models.graph",
    "gat": "uhn.models.graph",
    "transformer": "uhn.models.transformer",
    "kan": "uhn.models.kan",
    "describe": "uhn.models.describe",
    "call": "uhn.models.module",
    "weights": "uhn.models.module",
    "recalibrate": "uhn.models.module",
    "hypernetize": "uhn.hypernetized",
    "Direct": "uhn.sources.direct",
    "Embeddings": "uhn.sources.conditions",
    "UniversalHypernetwork": "uhn.sources.universal",
    "Chain": "uhn.sources.chain",
    "load_source": "uhn.sources.files",
    "save_source": "uhn.sources.files",
    "from_pretrained": "uhn.pretrained.loading",
    "output_regulariser": "uhn.sources.keeping",
    "fit": "uhn.training.fit",
    "matching_loss": "uhn.training.matching",
    "to_module": "uhn.export",
    "from_module": "uhn.export",
    "state_dict": "uhn.export",
}

__all__ = [*_HOMES, "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'uhn' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
