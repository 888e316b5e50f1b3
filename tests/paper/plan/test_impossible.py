"""What cannot be run is refused by the plan, before anything of it starts."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from uhn.models import zoo, zoo_names
from uhn.models.base_models import MODEL_SETS, MODELS, models_for
from uhn.models.sets import SETS, corner_specs
from uhn.paper.config import ConfigError, parse_config
from uhn.paper.plan import Plan
from uhn.tasks import DATASETS
from uhn.vocabulary import DatasetType

LEVELS = "{hidden: 16, index_frequencies: 1024}"
MNIST = "      - {dataset: mnist, model: mlp-mnist}\n    generator"
MANY = "    job: multi-task\n    methods:\n"
TEXT = "model: transformer2-agnews}\n    job: texts"
HA = "ha: {train: {lr: 0.002, epochs: 800}}"
SEARCH = """      table22: []
      table23: all
      table24: all
      table25: all
      table26: all
      table27: all
      table28: all
    sweeps:
      "*/uhn": {unit: steps, seeds: 1, more_seeds: 0, top: 1"""
GRIDS = ", first: 2, lr: [0.001], budget: [2, 4], init_lr: [0.001], init_steps: [1, 4]"


@pytest.fixture(scope="module")
def text(repository: Path) -> str:
    return (repository / "params.yaml").read_text(encoding="utf-8")


IMPOSSIBLE = {
    "run recursive-k1/uhn/seed-21962: generator.index_frequencies: wanted 1024 under a depth of 1, got 512": (
        LEVELS, LEVELS.replace("1024", "512")),
    "generator.structure_frequencies: wanted 32 under a depth of 1, got 16": (
        LEVELS, LEVELS[:-1] + ", structure_frequencies: 16}"),
    "generator.structure: wanted True under a depth of 1, got False": (LEVELS, LEVELS[:-1] + ", structure: false}"),
    "generator.encoding: wanted gff under a depth of 1, got raw": (LEVELS, LEVELS[:-1] + ", encoding: raw}"),
    "run recursive-k3/uhn/seed-21962: init.steps: wanted at least one for each of 4 levels, or none; got 3": (
        "init: {steps: 4}", "init: {steps: 3}"),
    "run sweeps/recursive-k1/uhn/stage2/init-0.001x1/seed-21962: init.steps: wanted at least one for each of 2": (
        SEARCH, SEARCH.replace("table22: []", "table22: all") + GRIDS),
    "structure_frequencies: wanted an even number for the structure encoder, got 7": (
        "structure_frequencies: 16, blocks: 1}", "structure_frequencies: 7, blocks: 1}"),
    "run mnist-mlp/direct/seed-21962: method direct serves one model, got mlp": (
        "  mnist-mlp:\n", "  mnist-mlp:\n    model_set: mlp\n"),
    "experiments.multi-task.methods.direct: wanted a row in uhn/paper/tables/ (further.py takes": (
        MANY, f"{MANY}      direct: {{init: {{lr: 1}}, train: {{lr: 1, steps: 1}}}}\n"),
    "options: ha has no setting chunk": (
        HA, HA.replace("epochs: 800}}", "epochs: 800}, options: {chunk: 640}}")),
    "experiments.cnn-mixed-depth.model_set: no model set 'cnn-dept'; did you mean cnn-depth?": (
        "    model_set: cnn-depth\n", "    model_set: cnn-dept\n"),
    "experiments.cnn-mixed-depth.tasks: wanted one on ag_news for transformer, got cifar10": (
        "    model_set: cnn-depth\n", "    model_set: transformer\n"),
    "experiments.mnist-mlp.tasks.0.model: no model 'mlp-mnits'; did you mean mlp-mnist?": (
        MNIST, MNIST.replace("mlp-mnist", "mlp-mnits")),
    "experiments.mnist-mlp.tasks.0.model: no model 'uhn-generated'": (
        MNIST, MNIST.replace("mlp-mnist", "uhn-generated")),
    "tasks.0.model: wanted a model for ag_news (transformer2-agnews), got transformer1-imdb, which is for imdb": (
        TEXT, TEXT.replace("2-agnews", "1-imdb")),
    "experiments.multi-task.tasks.3.dataset: wanted every dataset once, got cora again": (
        "dataset: pubmed, model: gat-pubmed, p", "dataset: cora, model: gat-cora, p"),
    "experiments.mnist-mlp.methods.dircet: wanted one of": (
        "direct: {train: {lr: 0.01, epochs: 200}}\n", "dircet: {train: {lr: 0.01, epochs: 200}}\n"),
}  # fmt: skip


@pytest.mark.parametrize("message", IMPOSSIBLE)
def test_the_plan_refuses_it(text: str, message: str) -> None:
    old, new = IMPOSSIBLE[message]
    assert old in text
    with pytest.raises(ConfigError, match=re.escape(message)):
        Plan(parse_config(text.replace(old, new, 1), "quick")).check()


def test_a_run_that_the_profile_leaves_out_is_refused_when_it_is_asked_for(text: str) -> None:
    plan = Plan(parse_config(text.replace("model: cnn8-mnist}", "model: mlp-mnist}", 1), "quick"))
    plan.check()
    with pytest.raises(ConfigError, match=r"method ha serves models of family cnn, got mlp-mnist \(mlp\)"):
        plan.run("mnist-cnn8/ha/seed-21962")


def test_no_run_starts_while_another_row_is_impossible(
    text: str, tmp_path: Path, repository: Path, forking_python: str
) -> None:
    (tmp_path / "params.yaml").write_text(text.replace(LEVELS, LEVELS.replace("1024", "512")), encoding="utf-8")
    code = (
        "import sys; from uhn.paper.cli import main\n"
        "codes = [main([*c, '--params', 'params.yaml']) for c in (['run', 'kan-kv/direct'], ['plan'])]\n"
        "print(codes)"
    )
    command = [forking_python, "-c", code]
    done = subprocess.run(
        command, cwd=tmp_path, env={"PYTHONPATH": str(repository)}, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[2, 2]\n"
    assert done.stderr.count("generator.index_frequencies: wanted 1024 under a depth of 1, got 512\n") == 2
    assert [path.name for path in tmp_path.iterdir()] == ["params.yaml"]


BOUNDS = {
    "threads: 2": "threads: 1000000",
    "blocks: 2": "blocks: 1000000",
    "hidden: 128": "hidden: 1000000000",
    "index_frequencies: 2048": "index_frequencies: 1000000000",
    "structure_frequencies: 32": "structure_frequencies: 1000000000",
    "scale: 100.0": "scale: 1.0e+300",
    "depth: 1": "depth: 1000",
    "steps: 30000": "steps: 1000000000000",
    "epochs: 200": "epochs: 1000000000000",
    "warmup: 5": "warmup: 1000000000000",
    "batch_size: 256": "batch_size: 1000000000000",
    "more_seeds: 5": "more_seeds: 1000000000000",
    "first: 100": "first: 0x" + "f" * 5000,
    "default: [21962": "default: [-1",
    "graph: [21962": "graph: [4294967296",
    "59358": "21962",
    "checkpoint_seconds: 60": "checkpoint_seconds: 1" + "0" * 400,
}


@pytest.mark.parametrize("old", BOUNDS)
def test_a_number_beyond_reason_is_refused_where_it_stands(text: str, old: str) -> None:
    assert old in text
    with pytest.raises(ConfigError) as caught:
        parse_config(text.replace(old, BOUNDS[old], 1), "quick")
    said = str(caught.value)
    assert "wanted" in said or "valid" in said
    assert old.split(":")[0] in said or old == "59358" and "seeds.default: wanted every value once" in said
    assert len(said) < 300


def test_a_plan_of_too_many_runs_is_refused(text: str) -> None:
    many = "default: [" + ", ".join(map(str, range(1000))) + "]"
    with pytest.raises(ConfigError, match="profile paper: wanted at most 100,000 runs in its tables, got 1"):
        changed = re.sub(
            r"(?m)^  graph: .*$", f"  graph: &many {many[9:]}", re.sub(r"default: \[.*", many, text, count=1)
        )
        Plan(parse_config(changed, "paper")).check()
    wide = "lr: [" + ", ".join(f"1.0e-{n}" for n in range(1, 51)) + "]"
    budget = "budget: [" + ", ".join(map(str, range(1, 51))) + "]"
    with pytest.raises(ConfigError, match="sweeps of kan-kv/uhn: wanted at most 10,000 runs, got 1"):
        old = "kan-kv/uhn:\n        {first: 60, lr: [0.001, 0.002], budget: [60, 120],"
        parse_config(
            text.replace(old, f"kan-kv/uhn:\n        {{first: 60, {wide}, {budget}, seeds: 5,")
            .replace("default: [21962, 59358, 78117]", "default: [1, 2, 3, 4, 5, 6]")
            .replace("    seeds: 1\n", "", 1),
            "quick",
        )


def test_the_names_are_those_of_the_library() -> None:
    assert (*MODELS, "uhn-generated") == zoo_names()
    for name, model in MODELS.items():
        assert zoo(name).family == model.family
        assert zoo(name).dataset_type == DatasetType[model.dataset.upper()]
    assert MODEL_SETS.keys() == SETS.keys()
    for name, dataset in MODEL_SETS.items():
        assert {spec.dataset_type for spec in corner_specs(name)} == {DatasetType[dataset.upper()]}
    assert {model.dataset for model in MODELS.values()} == {known.models_of for known in DATASETS.values()}
    assert models_for("ag_news_30k") == models_for("ag_news") == ("transformer2-agnews",)
