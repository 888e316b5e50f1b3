"""What makes a run another run: its settings, its data, the code and the models behind it, and nothing else."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from uhn.models import zoo, zoo_names
from uhn.models.feedforward import mlp
from uhn.paper.runs import identity
from uhn.paper.settings import RunSettings
from uhn.vocabulary import TaskType

GENERATOR: dict[str, Any] = {"hidden": 8, "blocks": 1, "index_frequencies": 8}
BASE: dict[str, Any] = {
    "name": "a/uhn/seed-1",
    "experiment": "a",
    "method": "uhn",
    "seed": 1,
    "tasks": [{"dataset": "mnist", "model": "mlp-mnist"}],
    "generator": GENERATOR,
    "init": {"steps": 5, "lr": 0.001},
    "train": {"lr": 0.01, "epochs": 3},
}


def settings(**changes: Any) -> RunSettings:
    data = BASE | changes
    return RunSettings.model_validate({key: value for key, value in data.items() if value is not None})


def of(model: str, dataset: str, method: str = "uhn") -> RunSettings:
    more = {"generator": None, "init": None} if method != "uhn" else {}
    return settings(method=method, tasks=[{"dataset": dataset, "model": model}], **more)


RUNS = {
    "mlp": of("mlp-mnist", "mnist"),
    "mlp-direct": of("mlp-mnist", "mnist", "direct"),
    "cnn": of("cnn8-mnist", "mnist"),
    "cnn-direct": of("cnn20-cifar10", "cifar10", "direct"),
    "cnn-ha": of("cnn20-cifar10", "cifar10", "ha"),
    "gcn": of("gcn-cora", "cora"),
    "gat": of("gat-cora", "cora"),
    "text": of("transformer1-imdb", "imdb"),
    "kan": of("kan-g5-kv", "kv"),
    "kan-direct": of("kan-g5-kv", "kv", "direct"),
    "chain": settings(depth=1, generator=GENERATOR | {"structure": True}),
    "set": settings(model_set="cnn-mixed-depth"),
}


Change = Callable[[str, str, str], set[str]]


@pytest.fixture
def change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Change]:
    """Replace a text in a module of a copy of the package; return the runs whose digest that changes."""
    copy = tmp_path / "uhn"
    shutil.copytree(identity.ROOT, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(identity, "ROOT", copy)
    remembered = (identity.modules_of, identity.imports_of, identity.file_digest)

    def forget() -> None:
        for function in remembered:
            function.cache_clear()

    def digests() -> dict[str, str]:
        forget()
        return {name: identity.source_digest(run) for name, run in RUNS.items()}

    before = digests()

    def changed(module: str, old: str, new: str) -> set[str]:
        path = copy / module
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")
        after = digests()
        path.write_text(text, encoding="utf-8")
        return {name for name in RUNS if before[name] != after[name]}

    yield changed
    forget()


HYPERNETWORKS = {"mlp", "cnn", "gcn", "gat", "text", "kan", "chain", "set"}
FUTURE = "from __future__ import annotations\n"


def test_comments_docstrings_and_formatting_change_nothing(change: Change) -> None:
    assert change("layers/conv.py", FUTURE, FUTURE + "\n# a comment\n") == set()
    assert change("training/loop.py", '"""One optimiser step;', '"""Another text;') == set()
    assert change("sources/direct.py", FUTURE, "from __future__ import (annotations)\n\n\n") == set()


def test_a_statement_changes_the_runs_that_use_its_module(change: Change) -> None:
    statement = FUTURE + "\nCHANGED = 1\n"
    wanted = {
        "layers/conv.py": {"cnn", "cnn-direct", "cnn-ha"},
        "layers/kan.py": {"kan", "kan-direct"},
        "layers/linear.py": {"mlp", "mlp-direct", "cnn", "cnn-direct", "cnn-ha", "text", "chain", "set"},
        "layers/graphs.py": {"gcn", "gat"},
        "layers/attention.py": {"text", "chain"},
        "models/feedforward.py": {"mlp", "mlp-direct", "cnn", "cnn-direct", "cnn-ha", "chain", "set"},
        "models/kan.py": {"kan", "kan-direct"},
        "models/sets.py": {"set"},
        "sources/direct.py": {"mlp-direct", "cnn-direct", "kan-direct"},
        "sources/ha.py": {"cnn-ha"},
        "sources/chain.py": {"chain"},
        "sources/trunk.py": HYPERNETWORKS,
        "descriptors/kernels.py": HYPERNETWORKS,
        "tasks/graph_rows.py": {"gcn", "gat"},
        "tasks/planetoid.py": {"gcn", "gat"},
        "tasks/mnist.py": {"mlp", "mlp-direct", "cnn", "chain", "set"},
        "tasks/cifar10.py": {"cnn-direct", "cnn-ha"},
        "tasks/imdb.py": {"text"},
        "tasks/tokens.py": {"text"},
        "tasks/functions.py": {"kan", "kan-direct"},
        "tasks/dataset.py": set(RUNS),
        "training/loop.py": set(RUNS),
        "layers/base.py": set(RUNS),
        "randomness.py": set(RUNS),
    }
    found = {module: change(module, FUTURE, statement) for module in wanted}
    assert found == wanted


def test_reports_the_plan_and_the_way_files_are_written_change_nothing(
    change: Change,
) -> None:
    statement = FUTURE + "\nCHANGED = 1\n"
    for module in (
        "paper/plan.py",
        "paper/runs/execute.py",
        "paper/report/tables.py",
        "files.py",
        "paper/cli.py",
        "tasks/fetch/unpack.py",
    ):
        assert change(module, FUTURE, statement) == set(), module


def test_another_model_of_the_same_name_changes_the_runs_that_use_it(monkeypatch: pytest.MonkeyPatch) -> None:
    before = {name: identity.source_digest(run) for name, run in RUNS.items()}
    monkeypatch.setattr(identity, "zoo", lambda name: mlp((784, 64, 10)) if name == "mlp-mnist" else zoo(name))
    after = {name: identity.source_digest(run) for name, run in RUNS.items()}
    assert {name for name in RUNS if before[name] != after[name]} == {"mlp", "mlp-direct", "chain", "set"}


@pytest.mark.parametrize("model", zoo_names())
def test_every_model_has_a_digest(model: str) -> None:
    """The modules that stand for its layers, family and task are all there."""
    spec = zoo(model)
    if spec.task_type is not TaskType.RECURSIVE:
        for method in ("uhn", "direct"):
            modules = identity.modules_of(method, ((spec.dataset_type.name.lower(), model),), False, None)
            assert all((identity.ROOT / f"{name.replace('.', '/')}.py").is_file() for name in modules)
            assert any(name.startswith("tasks.") and name not in identity.CORE for name in modules)
            assert f"sources.{'universal' if method == 'uhn' else 'direct'}" in modules


CHANGES: dict[str, Any] = {
    "seed": 2,
    "tasks": [{"dataset": "mnist", "model": "cnn8-mnist"}],
    "generator": GENERATOR | {"hidden": 16},
    "init": {"steps": 6, "lr": 0.001},
    "train": {"lr": 0.02, "epochs": 3},
    "precision": "bf16",
    "compute": {"threads": 3},
    "data": {"train_rows": 10},
    "validate_split": True,
    "depth": 1,
    "members": 3,
}
SAME: dict[str, Any] = {
    "name": "b/uhn/seed-1",
    "experiment": "b",
    "checkpoint_seconds": 1.0,
    "evaluate_every": 3,
}


def test_auto_is_bf16_on_a_gpu_and_fp32_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Part of the identity as what it stands for; a result of either stands wherever it is read."""
    auto, fp32, bf16, fp16 = (settings(precision=name) for name in ("auto", "fp32", "bf16", "fp16"))
    assert identity.settings_hash(auto) == identity.settings_hash(fp32) == identity.settings_hash(settings())
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert identity.settings_hash(auto) == identity.settings_hash(bf16) != identity.settings_hash(fp32)
    on_cpu = settings(precision="auto", compute={"device": "cpu"})
    assert identity.resolved(on_cpu).precision == "fp32" and identity.resolved(fp16).precision == "fp16"
    recorded = [one.model_dump(mode="json") for one in (fp32, bf16, fp16)]
    assert [identity.same_settings(one, auto) for one in recorded] == [True, True, False]
    assert [identity.same_settings(one, fp32) for one in recorded] == [True, False, False]


def test_settings_that_decide_the_result_are_identity_and_captions_are_not() -> None:
    base = identity.run_identity(settings(), ["f"])
    for key, value in CHANGES.items():
        assert identity.run_identity(settings(**{key: value}), ["f"]) != base, key
    for key, value in SAME.items():
        assert identity.run_identity(settings(**{key: value}), ["f"]) == base, key
    assert identity.run_identity(settings(compute={"kernel": "eager", "cache_mib": 0}), ["f"]) == base
    kept_back = [settings(validate_split=True, score=score) for score in ("test", "validation")]
    assert len({identity.run_identity(run, ["f"]) for run in kept_back}) == 2
    baselines = [
        RUNS["cnn-ha"],
        RUNS["cnn-ha"].model_copy(update={"options": RUNS["cnn-ha"].options | {"embedding": 3}}),
    ]
    assert len({identity.run_identity(run, ["f"]) for run in baselines}) == 2
    short = {"lr": 0.01, "steps": 3}
    assert len({identity.settings_hash(settings(train=short, path_only=path)) for path in (True, False)}) == 2
    assert set(CHANGES) | set(SAME) | {"method", "model_set", "options", "score", "path_only"} == set(
        RunSettings.model_fields
    ), "every setting is known"


def test_the_data_are_identity() -> None:
    run = settings()
    assert identity.run_identity(run, ["f"]) != identity.run_identity(run, ["g"])
    assert identity.run_identity(run, ["f", "g"]) == identity.run_identity(run, ["g", "f"])
