"""The public names: which there are, what each is, that nothing else shows, and that every example runs."""

from __future__ import annotations

import ast
import doctest
import inspect
from pathlib import Path
from typing import get_type_hints

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import uhn
from uhn.sources.settings import GeneratorSettings

NAMES = {
    "describing a model": "ModelSpec mlp cnn gcn gat transformer kan zoo describe",
    "running it": "Inputs run call weights recalibrate",
    "where its weights come from": "UniversalHypernetwork Chain Direct Embeddings hypernetize",
    "training": "fit matching_loss output_regulariser",
    "keeping it": "to_module from_module state_dict save_source load_source from_pretrained",
}
METHODS = (
    "ModelSpec.__getitem__ ModelSpec.summary ModelSpec.explain ModelSpec.with_task ModelSpec.to_json "
    "UniversalHypernetwork.for_specs UniversalHypernetwork.initialise UniversalHypernetwork.save "
    "UniversalHypernetwork.load Embeddings.fit_new Embeddings.append"
)
"""Methods that users call, which have examples too."""


def public() -> list[str]:
    return " ".join(NAMES.values()).split()


def test_the_table_is_what_there_is() -> None:
    assert sorted([*public(), "__version__"]) == sorted(uhn.__all__)
    for name in public():
        assert (value := getattr(uhn, name)).__module__.startswith("uhn."), name
        assert inspect.isclass(value) == (name[0].isupper()), name


def test_nothing_else_shows() -> None:
    """Not even once submodules have been imported, which Python puts beside the names."""
    assert hasattr(uhn, "models") and dir(uhn) == sorted(uhn.__all__)


def test_type_checkers_see_the_same_names() -> None:
    tree = ast.parse(Path(uhn.__file__).read_text(encoding="utf-8"))
    imported = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level == 0 and str(node.module).startswith("uhn"):
            imported |= {alias.name: node.module for alias in node.names if alias.asname == alias.name}
    assert imported == uhn._HOMES


def test_the_settings_of_a_generator_are_those_of_its_types() -> None:
    """One list for people and one for type checkers, the same."""
    hints = get_type_hints(uhn.UniversalHypernetwork.__init__)
    parameters = inspect.signature(uhn.UniversalHypernetwork).parameters
    own = {name: hints[name] for name, p in parameters.items() if p.kind is p.KEYWORD_ONLY}
    assert own == get_type_hints(GeneratorSettings)


@pytest.mark.parametrize("name", [*public(), *METHODS.split()])
def test_every_docstring_has_an_example_that_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    value = uhn
    for part in name.split("."):
        value = getattr(value, part)
    scope = {"uhn": uhn, "torch": torch, "nn": nn, "F": F, name.split(".")[0]: getattr(uhn, name.split(".")[0])}
    examples = doctest.DocTestParser().get_doctest(inspect.getdoc(value) or "", scope, name, None, 0)
    assert examples.examples, f"{name} has no example"
    said: list[str] = []
    failed, _ = doctest.DocTestRunner(verbose=False).run(examples, out=said.append)
    assert not failed, "".join(said)


def test_what_a_generator_says_of_itself() -> None:
    spec = uhn.mlp((4, 8, 3))
    said = repr(uhn.UniversalHypernetwork.for_specs([spec], hidden=12, frequencies=16, structure=True))
    for part in ("hidden=12", "encoding='gff'", "out_idx 0..7", "in_idx -1..7", "num_layers 2..2", "parameters"):
        assert part in said, said
    plain = repr(uhn.UniversalHypernetwork.for_specs([spec], hidden=12, frequencies=16))
    assert "structure ranges" not in plain and "index ranges" in plain


def test_components_by_name() -> None:
    spec = uhn.mlp((4, 8, 3))
    assert [spec[slot.name] for slot in spec.layout] == list(spec.layout)
    with pytest.raises(KeyError, match="layers.0.weight, layers.0.bias.*got 'layers.2.weight'"):
        spec["layers.2.weight"]
    with pytest.raises(TypeError, match="not iterable"):
        list(spec)  # type: ignore[call-overload]
    whole = uhn.zoo("cnn20-cifar10").summary()
    assert "274,042" in whole.splitlines()[0] or f"{uhn.zoo('cnn20-cifar10').num_params:,}" in whole.splitlines()[0]
    assert len(whole.splitlines()) == 2 + len(uhn.zoo("cnn20-cifar10").layers)
