"""Descriptions of models and sources that somebody else wrote, or a disk changed."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from farm import seeds
from mutations import change, mutated_json, refused

import uhn
from uhn.descriptors.ranges import Ranges
from uhn.models import ModelSpec, zoo
from uhn.models.sets import SETS, read_set, sample_set

SPECS = {name: zoo(name).to_json() for name in ("mlp-mnist", "cnn8-mnist", "gat-pubmed", "transformer1-imdb")}
SPECS |= {name: zoo(name).to_json() for name in ("gcn-cora", "kan-g5-kv", "uhn-generated")}
SPECS["described"] = uhn.describe(torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.LayerNorm(4))).to_json()


def use(data: Any) -> None:
    """Build a spec and ask it for all that costs no memory; it must come through its own JSON unchanged."""
    spec = ModelSpec.from_json(data)
    assert spec.num_params > 0 and len(spec.hash) == 64 and repr(spec)
    spec.explain(spec.num_params - 1)
    Ranges.fitted(spec)
    assert ModelSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec


@pytest.mark.parametrize("name", SPECS)
def test_a_changed_spec_is_refused_or_whole(name: str) -> None:
    whole = json.loads(json.dumps(SPECS[name]))
    use(whole)
    for seed in seeds(60):
        changed = change(whole, random.Random(f"{name} {seed}"))
        started = time.process_time()
        refused(lambda changed=changed: use(changed))
        assert time.process_time() - started < 5


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("layers", 0, "in_size"), [1], "layer 'linear': in_size wants int, got [1]"),
        (("layers", 0, "in_size"), 2**31, "Axis in_idx needs a whole size of at least 1, below 2**31; got 2147483648"),
        (("layers", 0, "in_size"), True, "in_size wants int, got True"),
        (("layers", 0, "dropout"), "0.1", "dropout wants float, got '0.1'"),
        (("layers", 0, "bias"), "yes", "bias wants bool, got 'yes'"),
        (("layers", 0, "kind"), ["linear"], "unknown layer kind ['linear']; known: "),
        (("layers", 0), 7, "a model spec's layers are objects of a kind and its settings, got 7"),
        (("layers",), {}, "a model spec's layers must be a Sequence, got {}"),
        (("family",), None, "a model spec's family must be a str, got None"),
        (("fields",), [1], "a model spec's fields must be a Mapping, got [1]"),
        (("fields",), {"cnn_stage_num": None}, "cnn_stage_num must be an integer >= 0, got None"),
    ],
)
def test_what_is_wrong_with_a_spec_is_said(path: tuple[Any, ...], value: Any, message: str) -> None:
    data = json.loads(json.dumps(SPECS["mlp-mnist"]))
    parent = data
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = value
    with pytest.raises(ValueError) as caught:
        ModelSpec.from_json(data)
    assert message in str(caught.value)


def test_a_layer_that_lacks_a_setting_says_which() -> None:
    data = json.loads(json.dumps(SPECS["mlp-mnist"]))
    del data["layers"][0]["out_size"]
    with pytest.raises(ValueError, match="layer 'linear' wants out_size, got "):
        ModelSpec.from_json(data)


def test_changed_ranges_are_refused_or_whole() -> None:
    whole = json.loads(json.dumps(Ranges.fitted(zoo("mlp-mnist")).to_json()))
    assert not refused(lambda: Ranges.from_json(whole))
    for seed in seeds(100):
        changed = change(whole, random.Random(seed))
        refused(lambda changed=changed: Ranges.from_json(changed))
    for value in (float("nan"), float("inf"), 1e300, "1", None, True):
        with pytest.raises(ValueError, match=r"ranges\.index_min wants numbers up to 1e\+12"):
            Ranges.from_json(whole | {"index_min": [value] * 10})


def test_a_changed_model_set_is_refused(tmp_path: Path) -> None:
    """The set is what its seed gives: every change of it is found."""
    whole, path = sample_set("cnn-depth").to_json(), tmp_path / "set.json"
    path.write_text(json.dumps(whole), encoding="utf-8")
    assert not refused(lambda: read_set(path))
    small = whole | {"architectures": whole["architectures"][:3], "parameters": whole["parameters"][:3]}
    for seed in seeds(60):
        path.write_bytes(mutated_json(small, random.Random(seed)))
        assert refused(lambda: read_set(path))
    path.write_text(json.dumps(whole | {"architectures": whole["architectures"] * 2}), encoding="utf-8")
    with pytest.raises(ValueError, match="'cnn-depth' has at most 100 models, got 200"):
        read_set(path)


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("entry", [[2**31] * 6, [2**31] * 5, [], [0], "666", [6.5] * 6, [True] * 6])
def test_no_model_is_built_from_an_architecture_beyond_its_family(name: str, entry: Any, tmp_path: Path) -> None:
    path = tmp_path / "set.json"
    rest = {"parameters": [], "splits": {}, "hash": ""}
    data = {"schema": 1, "name": name, "seed": 1, "trials": 1, "architectures": [entry] * 60, **rest}
    path.write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(ValueError, match=r"set\.json: an architecture is \d to \d numbers from 1 to \d+, got "):
        read_set(path)
