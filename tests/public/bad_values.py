"""What the tables of bad calls share: a small model, and what somebody may hand over in its place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import nn

import uhn
from uhn.models.feedforward import mlp

Calls = Iterator[tuple[str, Callable[[], Any]]]
"""(what is called and with what, the call) of everything that must be refused."""

SPEC = mlp((4, 6, 3))
SETTINGS: dict[str, Any] = {"hidden": 16, "frequencies": 8, "structure_frequencies": 4}
MODULE = nn.Linear(4, 3)

NO_SPECS: dict[str, Any] = {
    "a name": "mlp-mnist",
    "a module": MODULE,
    "a list": [SPEC],
    "an array": np.zeros(3),
    "a tensor": torch.zeros(3),
    "nothing": None,
    "a number": 3,
    "json": SPEC.to_json(),
    "the class": uhn.ModelSpec,
}
NO_MODULES: dict[str, Any] = {
    "a name": "mlp",
    "a spec": SPEC,
    "a list": [MODULE],
    "a class": nn.Linear,
    "nothing": None,
}
NO_LISTS: dict[str, Any] = {
    "a name": "mlp-mnist",
    "a spec": SPEC,
    "a module": MODULE,
    "names": ["mlp-mnist"],
    "modules": [MODULE],
    "a list of lists": [[SPEC]],
    "an array": np.zeros(3),
    "nothing": None,
    "a number": 3,
    "a dict": {"a": SPEC},
}
