"""Layers that do not chain are refused by the spec; every model that exists chains, and what chains runs."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import replace

import pytest
import torch

from uhn.layers import GAT, GCN, KAN, Attention, Conv, Embedding, Layer, Linear
from uhn.layers.graphs import gcn_norm
from uhn.models import Inputs, ModelSpec, run, zoo, zoo_names
from uhn.models.feedforward import cnn, mlp
from uhn.models.hypernet import generated_uhn
from uhn.models.sets import SETS, sample_set
from uhn.vocabulary import OPEN, HeadConcat, InputPooling, StagePooling

POOL = {name: {"pooling": InputPooling[name]} for name in InputPooling.__members__}
REFUSED: list[tuple[str, tuple[Layer, ...], str]] = [
    ("linear", (Linear(4, 3), Linear(5, 2)), r"layer 1 \(linear\) wants 5 inputs and gets 3"),
    ("third", (Linear(4, 3), Linear(3, 2), Linear(3, 1)), r"layer 2 \(linear\) wants 3 inputs and gets 2"),
    ("channels", (Conv(3, 4), Conv(5, 4)), r"layer 1 \(conv\) wants 5 inputs and gets 4"),
    ("averaged", (Conv(3, 4), Linear(16, 2, **POOL["AVG_POOL"])), r"layer 1 \(linear\) wants 16 inputs and gets 4"),
    ("flattened", (Conv(3, 4), Linear(30, 2, **POOL["RESHAPE_TO_2D"])), "wants 30 values and gets a multiple of 4"),
    ("rows flattened", (Linear(3, 4, **POOL["RESHAPE_TO_2D"]), Linear(8, 2, **POOL["RESHAPE_TO_2D"])), "gets 4"),
    (
        "rows averaged",
        (Linear(3, 4, **POOL["RESHAPE_TO_2D"]), Linear(4, 2, **POOL["AVG_POOL"])),
        r"wants images \[B, C",
    ),
    (
        "image of rows",
        (Linear(3, 4, **POOL["RESHAPE_TO_2D"]), Conv(4, 4)),
        r"wants images \[B, C, H, W\] and gets rows",
    ),
    ("first token of images", (Conv(3, 4), Linear(4, 2, **POOL["FIRST_TOKEN"])), r"wants sequences \[B, T, D\]"),
    ("embedding second", (Linear(3, 4), Embedding(9, 4, 5)), r"layer 1 \(embedding\) wants token ids"),
    ("attention", (Embedding(9, 4, 5), Attention(6, 2)), r"layer 1 \(attention\) wants 6 inputs and gets 4"),
    ("attention on rows", (KAN(2, 4), Attention(4, 2)), r"wants sequences \[B, T, D\] and gets rows"),
    ("graph", (GCN(5, 4), GCN(5, 2)), r"layer 1 \(gcn\) wants 5 inputs and gets 4"),
    ("heads", (GAT(5, 4, 3), GAT(4, 2)), r"layer 1 \(gat\) wants 4 inputs and gets 12"),
    ("averaged heads", (GAT(5, 4, 3, HeadConcat.AVG), GAT(12, 2)), r"layer 1 \(gat\) wants 12 inputs and gets 4"),
    ("kan", (KAN(2, 5), KAN(4, 1)), r"layer 1 \(kan\) wants 4 inputs and gets 5"),
    ("graph of images", (Conv(3, 4), GCN(4, 2)), r"wants rows \[B, F\] and gets images"),
]


@pytest.mark.parametrize(("layers", "words"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED])
def test_layers_that_do_not_chain_are_refused(layers: tuple[Layer, ...], words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        ModelSpec("mine", OPEN, layers)
    assert str(caught.value).startswith("ModelSpec.layers do not chain: ") and "\n" not in str(caught.value)
    broken = ModelSpec("mine", OPEN, layers, wiring="module").to_json() | {"wiring": "sequential"}
    with pytest.raises(ValueError, match="do not chain"):
        ModelSpec.from_json(broken)


def test_every_model_of_the_paper_chains() -> None:
    """Construction checks; a spec that was not checked could only come from here."""
    specs = [zoo(name) for name in zoo_names()] + [spec for name in SETS for spec in sample_set(name).specs[::20]]
    for spec in specs:
        assert ModelSpec.from_json(spec.to_json()) == spec


X = {
    "rows": torch.randn(2, 6),
    "images": torch.randn(2, 6, 6, 6),
    "sequence": torch.randn(2, 6, 6),
    "tokens": torch.randint(0, 9, (2, 6)),
}
EDGES = torch.tensor([[0], [1]])


def test_what_runs_is_not_refused() -> None:
    """Every pair of a few layers, on inputs of every kind: one that some input runs through is never refused."""
    some: list[Layer] = [
        *(Linear(6, 4, pooling=p) for p in InputPooling), Linear(4, 6), Linear(24, 6, **POOL["RESHAPE_TO_2D"]),
        Linear(4, 6, **POOL["AVG_POOL"]), Conv(6, 4), Conv(4, 6), Attention(4, 2), Embedding(9, 4, 6),
        Embedding(9, 6, 6), GCN(6, 4), GCN(4, 6), GAT(6, 2, 2), KAN(6, 4), KAN(4, 6),
    ]  # fmt: skip
    wrong, counts = [], Counter[tuple[bool, bool]]()
    for pair in itertools.product(some, some):
        spec = ModelSpec("mine", OPEN, pair, wiring="module")
        flat = torch.zeros(spec.num_params)
        ran = False
        for x in X.values():
            inputs = Inputs(x, edges=EDGES, edge_weight=gcn_norm(EDGES, 2))
            try:
                object.__setattr__(spec, "wiring", "sequential")
                run(spec, flat, inputs)
                ran = True
                break
            except (ValueError, RuntimeError, IndexError, TypeError):
                pass
        try:
            ModelSpec("mine", OPEN, pair)
            refused = False
        except ValueError:
            refused = True
        if ran and refused:
            wrong.append(pair)
        counts[ran, refused] += 1
    assert not wrong, wrong[0]
    assert counts[True, False] > 30 and counts[False, True] > 200, counts


def test_a_generated_hypernetwork_is_checked_branch_by_branch() -> None:
    level = generated_uhn(structure_frequencies=4, index_frequencies=8, hidden=16)
    changes = {
        0: (Attention(12, 4), r"layer 0 \(attention\) wants 12 inputs and gets 8"),
        3: (Linear(8, 12, pooling=InputPooling.AVG_SEQUENCE), r"layer 4 \(linear\) wants 16 inputs and gets 12"),
        4: (Linear(16, 12), r"layer 10 \(linear\) wants 16 inputs and gets 12"),
        5: (Linear(32, 16), r"layer 5 \(linear\) wants 32 inputs and gets 16"),
        6: (Linear(16, 12), r"layer 7 \(linear\) wants 16 inputs and gets 12"),
        10: (Linear(16, 2), "wants one output of its last layer, got 2"),
    }
    for number, (layer, words) in changes.items():
        layers = [*level.layers]
        layers[number] = layer
        with pytest.raises(ValueError, match=words):
            replace(level, layers=tuple(layers))
    with pytest.raises(ValueError, match="at least 7 layers, got 5"):
        replace(level, layers=level.layers[:5])


def test_the_models_of_the_builders_chain_whatever_their_options() -> None:
    for pooling in (InputPooling.AVG_POOL, InputPooling.MAX_POOL):
        cnn((1, 2, 2), (4, 4, 8), pooling=pooling)
    for down in StagePooling:
        cnn((1, 2, 2), (4, 4, 8), downsampling=down)
    cnn((1,), (4,))
    mlp((5, 3))
    mlp((5, 4, 4, 4, 3), norm=False, shortcut=False, bias=False)
    ModelSpec("mine", OPEN, (Conv(1, 4), Linear(4 * 28 * 28, 10, pooling=InputPooling.RESHAPE_TO_2D)))
