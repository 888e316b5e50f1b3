"""A state is loaded where it makes the weights that it made, and refused everywhere else."""

from __future__ import annotations

import copy
import json
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import safetensors
import safetensors.torch
import torch
from source_cases import CASES, LEVEL, SPECS, ranges, stir, uhn
from torch import Tensor

from uhn.models.feedforward import cnn, mlp
from uhn.sources import ChunkedHypernetwork, Direct, HaHypernetwork, UniversalHypernetwork, WeightSource
from uhn.sources.chain import Chain
from uhn.sources.files import build_source, load_source, save_source

every_source = pytest.mark.parametrize("name", CASES)
SMALL = {"hidden": 8, "frequencies": 8, "structure_frequencies": 4}


def fitted(*sizes: tuple[int, ...], **settings: object) -> UniversalHypernetwork:
    return UniversalHypernetwork.for_specs([mlp(s) for s in sizes], **(SMALL | {"structure": True} | settings))


def chain(*levels: object, **settings: object) -> Chain:
    return Chain(uhn(1, frequencies=16, structure=True, **settings), levels)  # type: ignore[arg-type]


STRANGERS: dict[str, tuple[Callable[[], WeightSource], Callable[[], WeightSource], str]] = {
    "index ranges": (
        lambda: fitted((4, 16, 3)),
        lambda: fitted((4, 64, 3)),
        "index field out_idx max is 15 here and 63",
    ),
    "structure ranges": (
        lambda: fitted((4, 16, 3), (4, 2, 3)),
        lambda: fitted((4, 16, 3)),
        "structure field output_size min is 2 here and 3 in the state",
    ),
    "without the encoder": (
        lambda: fitted((4, 16, 3), structure=False),
        lambda: fitted((4, 64, 3), structure=False),
        "out_idx max",
    ),
    "scale": (lambda: uhn(1), lambda: uhn(1, scale=10.0), "scale is 100 here and 10 in the state"),
    "positional scale": (
        lambda: uhn(1, encoding="positional"),
        lambda: uhn(1, encoding="positional", scale=50.0),
        "scale is 100 here and 50",
    ),
    "raw ranges": (
        lambda: fitted((4, 16, 3), encoding="raw"),
        lambda: fitted((4, 64, 3), encoding="raw"),
        "out_idx max",
    ),
    "encoding": (lambda: uhn(1, encoding="raw"), lambda: uhn(1, frequencies=5), r"encoding\.matrix"),
    "encoder": (lambda: uhn(1), lambda: uhn(1, structure=True), r"structure\."),
    "blocks": (lambda: uhn(1), lambda: uhn(1, blocks=1), r"blocks\.1"),
    "hidden": (lambda: uhn(1), lambda: uhn(1, hidden=8), "size mismatch"),
    "root of a chain": (
        lambda: chain(LEVEL),
        lambda: Chain(
            UniversalHypernetwork.for_specs(
                [LEVEL, mlp((4, 9, 3))], hidden=16, frequencies=16, structure_frequencies=4
            ),
            [LEVEL],
        ),
        "index field",
    ),
    "depth of a chain": (lambda: chain(LEVEL), lambda: chain(LEVEL, LEVEL), "digest of the levels"),
    "level of a chain": (
        lambda: chain(LEVEL),
        lambda: chain(replace(LEVEL, layers=(*LEVEL.layers[:-1], replace(LEVEL.layers[-1], activation_param=0.2)))),
        "digest of the levels",
    ),
    "directly trained": (
        lambda: Direct(mlp((4, 3), bias=True)),
        lambda: Direct(mlp((2, 5))),
        "digest of layout and settings",
    ),
    "chunked": (
        lambda: ChunkedHypernetwork(mlp((5, 4)), chunk=100),
        lambda: ChunkedHypernetwork(mlp((4, 5)), chunk=100),
        "digest of layout and settings",
    ),
    "ha": (
        lambda: HaHypernetwork(cnn((1, 1, 1), (4, 4, 8), channels=2, classes=3), embedding=6, tile=4),
        lambda: HaHypernetwork(cnn((1, 1, 1), (4, 4, 8), channels=1, classes=7), embedding=6, tile=4),
        "digest of layout and settings",
    ),
    "kind": (
        lambda: Direct(SPECS["mlp"]),
        lambda: ChunkedHypernetwork(SPECS["mlp"]),
        "makes other weights in this direct",
    ),
}


@pytest.mark.parametrize("name", STRANGERS)
def test_the_state_of_a_source_that_makes_other_weights_is_refused(name: str) -> None:
    here, there, words = STRANGERS[name]
    source = here()
    with pytest.raises(RuntimeError, match=words):
        source.load_state_dict(there().state_dict())
    if "digest" in words or "is 100" in words or "max" in words:  # before anything was written
        assert all(torch.equal(a, b) for a, b in zip(source.parameters(), here().parameters(), strict=True))


@pytest.mark.parametrize("strict", [True, False])
def test_strict_or_not_other_ranges_are_refused(strict: bool) -> None:
    narrow, wide = fitted((4, 16, 3)), fitted((4, 64, 3))
    with pytest.raises(RuntimeError, match="makes other weights in this uhn source"):
        narrow.load_state_dict(wide.state_dict(), strict=strict)
    holder = torch.nn.Sequential(narrow)
    with pytest.raises(RuntimeError, match="makes other weights"):
        holder.load_state_dict({f"0.{key}": value for key, value in wide.state_dict().items()}, strict=strict)


def test_a_generator_without_encoder_is_the_start_of_one_with_it() -> None:
    """Not strict is partial on purpose: what both have must agree, the rest is left as it was."""
    plain, full = fitted((4, 16, 3), structure=False, seed=2), fitted((4, 16, 3))
    full.load_state_dict(plain.state_dict(), strict=False)
    assert torch.equal(full(mlp((4, 16, 3))), plain(mlp((4, 16, 3))))
    with pytest.raises(RuntimeError, match="out_idx max"):
        full.load_state_dict(fitted((4, 64, 3), structure=False).state_dict(), strict=False)


def older(state: dict[str, Tensor]) -> OrderedDict[str, Tensor]:
    """The state as it was before ranges travelled with it."""
    return OrderedDict((key, value) for key, value in state.items() if not key.endswith("_extra_state"))


@every_source
def test_states_and_files_from_before_keep_loading(name: str, tmp_path: Path) -> None:
    case, spec = CASES[name], SPECS[CASES[name].models[0]]
    source, path = case.build(spec, 1), tmp_path / "source.safetensors"
    stir(source)
    right = source(spec).detach().clone()
    state = older(source.state_dict())
    assert len(state) < len(source.state_dict())
    other = case.build(spec, 2)
    other.load_state_dict(state)
    assert torch.equal(other(spec), right)
    save_source(source, path)
    with safetensors.safe_open(str(path), "pt") as file:
        about = json.loads(file.metadata()["uhn"])
    del about["sha256"]  # which came later
    metadata = {"uhn": json.dumps(about)}
    path.write_bytes(safetensors.torch.save(dict(state), metadata))
    assert torch.equal(load_source(path)(spec), right)


@every_source
def test_casts_averages_and_copies_of_a_state_still_fit(name: str) -> None:
    case, spec = CASES[name], SPECS[CASES[name].models[0]]
    source = case.build(spec, 1)
    stir(source)
    right, state = source(spec).detach().clone(), source.state_dict()
    for change in (
        copy.deepcopy,
        lambda s: {key: value.double() for key, value in s.items()},
        lambda s: {key: value.double().float() for key, value in s.items()},
        lambda s: {key: 0.9 * value + 0.1 * value for key, value in s.items()},
    ):
        other = case.build(spec, 2)
        other.load_state_dict(change(state))
        torch.testing.assert_close(other(spec), right, rtol=1e-3, atol=1e-4)


def test_what_a_file_says_of_its_source_must_agree_with_its_tensors(tmp_path: Path) -> None:
    source = uhn(1)
    save_source(source, tmp_path / "a")
    content = (tmp_path / "a").read_bytes()
    assert content.count(b'\\"scale\\": 100.0') == 1
    (tmp_path / "a").write_bytes(content.replace(b'\\"scale\\": 100.0', b'\\"scale\\": 101.0'))
    with pytest.raises(ValueError, match="scale is 101 here and 100 in the state|was altered"):
        load_source(tmp_path / "a")


def test_ranges_are_in_the_state() -> None:
    source = uhn(1, structure=True)
    values = source.state_dict()["_extra_state"].tolist()
    found = ranges()
    assert values == [100.0, *found.index_min, *found.index_max, *found.structure_min, *found.structure_max]


@pytest.mark.parametrize("memory", [0, 3, 720])
def test_a_file_keeps_the_memory_setting(memory: int, tmp_path: Path) -> None:
    source = uhn(1, structure=True, frequencies=16)
    source.memory_mib = memory  # set at construction or later
    save_source(source, tmp_path / "a")
    save_source(Chain(source, [LEVEL]), tmp_path / "b")
    alone, root = load_source(tmp_path / "a"), load_source(tmp_path / "b").root
    assert isinstance(alone, UniversalHypernetwork) and isinstance(root, UniversalHypernetwork)
    assert alone.memory_mib == root.memory_mib == memory


def test_a_file_from_before_the_memory_setting_keeps_loading() -> None:
    description = uhn(1).describe()
    del description["settings"]["memory_mib"]
    built = build_source(description)
    assert isinstance(built, UniversalHypernetwork) and built.memory_mib == 720


class Mine(UniversalHypernetwork):
    """Somebody's own: no file could bring it back."""


class Own(Direct):
    kind = "own"


def test_a_subclass_is_refused_when_it_is_saved_and_leaves_no_file(tmp_path: Path) -> None:
    mine = Mine(ranges(), hidden=8, frequencies=8)
    for source, name in ((mine, "Mine"), (Own(SPECS["mlp"]), "Own"), (Chain(mine, []), "Mine")):
        with pytest.raises(TypeError, match=f"no file can bring back a {name}, only Chain"):
            save_source(source, tmp_path / "a")
    assert not list(tmp_path.iterdir())
    uhn(1).save(tmp_path / "a")
    with pytest.raises(ValueError, match="holds a UniversalHypernetwork .'uhn'., wanted Mine"):
        Mine.load(tmp_path / "a")
