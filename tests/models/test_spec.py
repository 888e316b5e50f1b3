"""Specs and the forward pass: explain, JSON, hashes, errors."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import pytest
import torch

from uhn.descriptors.blocks import index_table
from uhn.layers import Linear
from uhn.models import Inputs, ModelSpec, run, unflatten, zoo, zoo_names
from uhn.models.feedforward import mlp
from uhn.sources import UniversalHypernetwork
from uhn.vocabulary import INDEX_NAMES, OPEN, DatasetType, TaskType

SMALL = mlp((6, 5, 5, 3))


@pytest.mark.parametrize("name", ["mlp-mnist", "cnn8-mnist", "gat-pubmed", "transformer1-imdb", "kan-g5-ellipj"])
def test_explain_agrees_with_the_index_table(name: str) -> None:
    spec = zoo(name)
    table = index_table(spec)
    edges = {slot.offset for slot in spec.layout} | {slot.offset + slot.numel - 1 for slot in spec.layout}
    for index in sorted(edges | set(range(0, spec.num_params, max(1, spec.num_params // 97)))):
        info = spec.explain(index)
        assert [info.descriptor[field] for field in INDEX_NAMES] == table[index].tolist()
        slot = spec.slot_of(index)
        flat = torch.zeros(spec.num_params)
        flat[index] = 1
        assert unflatten(spec, flat)[info.layer][info.component][info.position] == 1
        assert (info.name, info.target) == (slot.name, slot.param.init)


def test_explain_refuses_what_is_not_a_weight() -> None:
    for index in (-1, SMALL.num_params):
        with pytest.raises(IndexError, match=str(SMALL.num_params)):
            SMALL.explain(index)


@pytest.mark.parametrize("name", zoo_names())
def test_json_round_trip_keeps_everything(name: str) -> None:
    spec = zoo(name)
    again = ModelSpec.from_json(json.loads(json.dumps(spec.to_json())))
    assert again == spec
    assert again.hash == spec.hash
    assert again.layout == spec.layout


def test_hashes_tell_specs_apart() -> None:
    """Everything that enters a descriptor or the forward pass enters the hash."""
    assert len({zoo(name).hash for name in zoo_names()}) == len(zoo_names())
    changed = [
        SMALL,
        replace(SMALL, dataset_type=DatasetType.CIFAR10),
        SMALL.with_task(TaskType.TEXT, DatasetType.MNIST),
        replace(SMALL, layers=SMALL.layers[:2] + (replace(SMALL.layers[2], dropout=0.1),)),
        replace(SMALL, fields=(("cnn_stage_num", 1),)),
    ]
    assert len({spec.hash for spec in changed}) == len(changed)
    assert mlp((6, 5, 5, 3)).hash == SMALL.hash


def test_tasks_by_name() -> None:
    """The same codes everywhere (typed from SHA-256 by hand), told apart, refused where two names share a pair."""
    digest = hashlib.sha256(b"my-clinic-7").digest()
    wanted = (100 + int.from_bytes(digest[:4], "big") % 1000, 100 + int.from_bytes(digest[4:8], "big") % 1000)
    named = SMALL.with_task("my-clinic-7")
    assert (named.task_type, named.dataset_type) == wanted == (438, 461)
    assert len({SMALL.with_task(f"clinic {n}").hash for n in range(50)}) == 50
    assert ModelSpec.from_json(named.to_json()) == named
    small = {"hidden": 8, "frequencies": 8, "structure_frequencies": 4}
    generator = UniversalHypernetwork.for_specs([SMALL, SMALL], tasks=["a", "b"], **small)
    with torch.no_grad():
        generator.structure.linear2.weight.normal_()  # type: ignore[union-attr]
    assert not torch.allclose(generator(SMALL.with_task("a")), generator(SMALL.with_task("b")))
    for bad in (("",), ("a", DatasetType.MNIST), (TaskType.IMAGE,)):
        with pytest.raises(ValueError, match="want"):
            SMALL.with_task(*bad)


def test_names_of_tasks_with_the_same_codes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("uhn.sources.universal.named_task", lambda name: (100, 100))
    with pytest.raises(ValueError, match="different codes.*rename one"):
        UniversalHypernetwork.for_specs([SMALL, SMALL], tasks=["a", "b"])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"layers": ()}, "at least one Layer"),
        ({"layers": ("linear",)}, "at least one Layer"),
        ({"wiring": "parallel"}, "sequential, two_branch"),
        ({"fields": (("num_layers", 3),)}, "num_layers"),
        ({"model_type": 99}, "ModelType"),
        ({"task_type": 99}, "TaskType"),
        ({"dataset_type": -1}, "DatasetType"),
    ],
)
def test_bad_specs_raise(changes: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        replace(SMALL, **changes)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda data: data | {"colour": 1}, "keys"),
        (lambda data: {k: v for k, v in data.items() if k != "layers"}, "keys"),
        (lambda data: data | {"layers": [{"kind": "rnn"}]}, "unknown layer kind"),
        (lambda data: data | {"layers": [{}]}, "unknown layer kind"),
        (lambda data: data | {"layers": [data["layers"][0] | {"colour": 1}]}, "colour"),
        (lambda data: data | {"layers": [data["layers"][0] | {"in_size": -2}]}, "in_size"),
    ],
)
def test_bad_json_raises(change, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ModelSpec.from_json(change(SMALL.to_json()))


@pytest.mark.parametrize("shape", [(SMALL.num_params + 1,), (SMALL.num_params - 1,), (1, SMALL.num_params), ()])
def test_flat_weights_of_a_wrong_shape_raise(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=str(SMALL.num_params)):
        unflatten(SMALL, torch.zeros(shape))


def test_inputs_of_a_wrong_shape_raise() -> None:
    flat = torch.zeros(SMALL.num_params)
    with pytest.raises(ValueError, match="wants 6 inputs"):
        run(SMALL, flat, torch.zeros(2, 7))
    with pytest.raises(ValueError, match=r"Inputs.edges"):
        spec = zoo("gcn-pubmed")
        run(spec, torch.zeros(spec.num_params), torch.zeros(3, 500))


def test_a_bare_tensor_is_x_and_unflatten_makes_views() -> None:
    flat, x = torch.randn(SMALL.num_params), torch.randn(4, 6)
    assert torch.equal(run(SMALL, flat, x), run(SMALL, flat, Inputs(x)))
    parts = unflatten(SMALL, flat)
    assert parts[0]["weight"].data_ptr() == flat.data_ptr()


def test_training_differs_from_evaluation_only_by_dropout() -> None:
    spec = mlp((6, 5, 5, 3), dropout=0.5)
    flat, x = torch.randn(spec.num_params), torch.randn(4, 6)
    rng = torch.Generator().manual_seed(0)
    assert torch.equal(run(SMALL, flat, x), run(spec, flat, x))
    assert torch.equal(run(SMALL, flat, x, training=True), run(spec, flat, x))
    assert not torch.equal(run(spec, flat, x, training=True, rng=rng), run(spec, flat, x))
    with pytest.raises(ValueError, match="rng"):
        run(spec, flat, x, training=True)


def test_layers_read_no_more_than_their_context() -> None:
    """A padding mask in the inputs of a model without attention changes nothing."""
    flat, x = torch.randn(SMALL.num_params), torch.randn(4, 6)
    padding = torch.ones(4, 6, dtype=torch.bool)
    assert torch.equal(run(SMALL, flat, Inputs(x, padding=padding)), run(SMALL, flat, x))


def test_repr_names_family_layers_and_weights() -> None:
    assert repr(zoo("mlp-mnist")) == "ModelSpec(mlp, 3 layers, 118,282 weights)"
    spec = ModelSpec("tiny", OPEN, (Linear(2, 1),))
    assert "3 weights" in repr(spec)
