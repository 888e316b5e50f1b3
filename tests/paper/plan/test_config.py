"""params.yaml: what is refused, and how a run's settings come about."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from uhn.models import zoo, zoo_names
from uhn.paper.budget import run_steps, steps_per_epoch
from uhn.paper.config import ConfigError, load_config, parse_config
from uhn.paper.settings import DataSettings, RunSettings
from uhn.tasks import DATASETS

PROFILES = ("quick", "paper", "smoke")

# Facts of the paper, typed again: dataset, model, direct (rate, epochs), generator h and m, UHN (init rate, init steps,
# rate, epochs).
PAPER = {
    "mnist-mlp": ("mnist", "mlp-mnist", (0.01, 200), (64, 1024), (2e-4, 100, 2e-4, 100)),
    "mnist-cnn8": ("mnist", "cnn8-mnist", (0.005, 50), (64, 1024), (2e-4, 200, 1e-4, 100)),
    "cifar10-cnn20": ("cifar10", "cnn20-cifar10", (0.005, 400), (128, 2048), (None, 0, 2e-4, 800)),
    "cora-gcn": ("cora", "gcn-cora", (0.01, 100), (128, 2048), (1e-4, 200, 2e-5, 400)),
    "citeseer-gcn": ("citeseer", "gcn-citeseer", (0.005, 100), (128, 2048), (1e-4, 50, 1e-4, 200)),
    "pubmed-gcn": ("pubmed", "gcn-pubmed", (0.005, 200), (128, 2048), (1e-4, 200, 5e-5, 200)),
    "cora-gat": ("cora", "gat-cora", (0.02, 100), (128, 2048), (2e-4, 100, 5e-5, 400)),
    "citeseer-gat": ("citeseer", "gat-citeseer", (0.002, 200), (128, 2048), (2e-4, 200, 5e-5, 400)),
    "pubmed-gat": ("pubmed", "gat-pubmed", (0.02, 200), (128, 2048), (2e-4, 100, 2e-5, 400)),
    "agnews-transformer": ("ag_news", "transformer2-agnews", (0.0005, 100), (128, 2048), (None, 0, 5e-5, 50)),
    "imdb-transformer": ("imdb", "transformer1-imdb", (0.001, 50), (128, 2048), (5e-5, 100, 1e-4, 100)),
    "kan-ellipj": ("ellipj", "kan-g5-ellipj", (0.02, 4000), (128, 2048), (1e-4, 200, 1e-4, 4000)),
    "kan-ellipkinc": ("ellipkinc", "kan-g5-ellipkinc", (0.02, 4000), (128, 2048), (2e-4, 50, 1e-4, 4000)),
    "kan-ellipeinc": ("ellipeinc", "kan-g5-ellipeinc", (0.02, 4000), (128, 2048), (1e-4, 50, 1e-4, 4000)),
    "kan-jv": ("jv", "kan-g10-jv", (0.02, 4000), (128, 2048), (2e-4, 200, 5e-5, 4000)),
    "kan-yv": ("yv", "kan-g10-yv", (0.02, 4000), (128, 2048), (2e-4, 100, 1e-4, 4000)),
    "kan-kv": ("kv", "kan-g5-kv", (0.02, 4000), (128, 2048), (2e-4, 200, 1e-4, 4000)),
    "kan-iv": ("iv", "kan-g5-iv", (0.02, 4000), (128, 2048), (5e-5, 100, 1e-4, 4000)),
    "kan-lpmv0": ("lpmv0", "kan-g5-lpmv0", (0.05, 4000), (128, 2048), (5e-5, 200, 5e-5, 4000)),
    "kan-lpmv1": ("lpmv1", "kan-g5-lpmv1", (0.02, 4000), (128, 2048), (5e-5, 200, 5e-5, 4000)),
    "kan-lpmv2": ("lpmv2", "kan-g5-lpmv2", (0.02, 4000), (128, 2048), (2e-4, 200, 1e-4, 4000)),
    "kan-sph_harm01": ("sph_harm01", "kan-g5-sph_harm01", (0.1, 4000), (128, 2048), (None, 0, 1e-4, 4000)),
    "kan-sph_harm11": ("sph_harm11", "kan-g5-sph_harm11", (0.1, 4000), (128, 2048), (5e-5, 50, 5e-5, 4000)),
    "kan-sph_harm02": ("sph_harm02", "kan-g5-sph_harm02", (0.1, 4000), (128, 2048), (2e-4, 200, 2e-5, 4000)),
    "kan-sph_harm12": ("sph_harm12", "kan-g5-sph_harm12", (0.05, 4000), (128, 2048), (2e-4, 100, 1e-4, 4000)),
    "kan-sph_harm22": ("sph_harm22", "kan-g5-sph_harm22", (0.05, 4000), (128, 2048), (2e-4, 200, 2e-5, 4000)),
}


@pytest.fixture(scope="module")
def text(repository: Path) -> str:
    return (repository / "params.yaml").read_text(encoding="utf-8")


def test_the_paper_profile_holds_the_papers_hyperparameters(text: str) -> None:
    config = parse_config(text, "paper")
    for name, (dataset, model, direct, size, uhn) in PAPER.items():
        run = config.resolve(name, "direct", 1)
        assert [(task.dataset, task.model) for task in run.tasks] == [(dataset, model)]
        assert (run.train.lr, run.train.epochs, run.train.steps) == (*direct, None)
        assert (run.train.warmup, run.train.batch_size, run.generator, run.init.steps) == (5, 256, None, 0)
        run = config.resolve(name, "uhn", 1)
        assert run.generator is not None
        assert (run.generator.hidden, run.generator.index_frequencies, run.generator.blocks) == (*size, 2)
        assert (run.init.lr, run.init.steps, run.train.lr, run.train.epochs) == uhn
        assert not run.data.stand_in
        assert run.data.train_rows is None
        assert len(config.seeds(name)) == (10 if dataset in ("cora", "citeseer", "pubmed") else 3)


def test_every_model_and_dataset_of_every_profile_exists(text: str) -> None:
    for profile in PROFILES:
        config = parse_config(text, profile)
        for name, entry in config.experiments.items():
            for task in entry.tasks:
                assert task.dataset in DATASETS
                assert task.model in zoo_names(), name


def test_no_profile_changes_a_base_model_or_forgets_what_the_paper_spent(text: str) -> None:
    papers = parse_config(text, "paper")
    for profile in PROFILES:
        config = parse_config(text, profile)
        for name, entry in config.experiments.items():
            for method in entry.methods:
                ours, theirs = config.resolve(name, method, 7), papers.resolve(name, method, 7)
                models = [[(task.dataset, task.model) for task in run.tasks] for run in (ours, theirs)]
                assert models[0] == models[1]
                assert config.paper(name, method) == papers.paper(name, method)
                assert zoo(ours.tasks[0].model).num_params == zoo(theirs.tasks[0].model).num_params


def test_a_run_survives_its_json(text: str) -> None:
    run = parse_config(text, "quick").resolve("mnist-mlp", "uhn", 3)
    assert RunSettings.model_validate_json(run.model_dump_json()) == run
    assert RunSettings.model_validate(run.model_dump(mode="json")) == run


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("lr: 0.002, steps: 120", "lr: -1, steps: 120", "quick.overrides.agnews-*/direct.train.lr: wanted > 0"),
        ("checkpoint_seconds: 60", "checkpoint_secs: 60", "defaults.checkpoint_secs: unknown key"),
        ("lr: 0.01, epochs: 200", "lr: 0.01, epochs: 2.5", "experiments.mnist-mlp.methods.direct.train.epochs: wanted"),
        ("lr: 0.01, epochs: 200", "lr: fast, epochs: 2", "experiments.mnist-mlp.methods.direct.train.lr: wanted"),
        ("lr: 0.01, epochs: 200", "lr: .inf, epochs: 2", "experiments.mnist-mlp.methods.direct.train.lr"),
        ("lr: 0.01, epochs: 200", "lr: 0.01, epochs: 0", "train.epochs: wanted >= 1, got 0"),
        ("lr: 0.01, epochs: 200", "lr: 0.01", "wanted exactly one of epochs and steps, got epochs=None and steps=None"),
        ("lr: 0.01, epochs: 200", "lr: 0.01, epochs: 2, steps: 3", "wanted exactly one of epochs and steps"),
        ("encoding: gff", "encoding: fourier", "generator.encoding: encoding must be one of gff, positional, raw"),
        ("structure: false", "structure: 0", "defaults.generator.structure: wanted true or false, got 0"),
        ("dataset: mnist", "dataset: minst", "experiments.mnist-mlp.tasks.0.dataset: no dataset 'minst'; did"),
        ("like: cora-gcn", "like: cora-gnc", "experiments.citeseer-gcn.like: no experiment 'cora-gnc'"),
        ("like: cora-gcn", "like: citeseer-gcn", "experiments.citeseer-gcn.like: wanted no circle"),
        ("seeds: graph", "seeds: grpah", "experiments.cora-gcn.seeds: no list 'grpah'; did you mean graph"),
        ("table01: [mnist-mlp]", "table01: [mnist-mpl]", "profiles.smoke.tables.table01: no row 'mnist-mpl'"),
        ("table01: [mnist-mlp]", "table1: [mnist-mlp]", "profiles.smoke.tables: no table 'table1'"),
        ("table05: all", "tabel05: all", "profiles.quick.tables: no table 'tabel05'; did you mean table05"),
        ("  kan-iv:\n", "  kan-vi:\n", "experiments.kan-vi: wanted a row in uhn/paper/tables/ (further.py takes"),
        ("cifar10-cnn20/direct:", "cifar10-cnn20/drect:", "profiles.quick.overrides.cifar10-cnn20/drect: wanted a"),
        ("{mnist: 0.3, cora: 0.24,", "{mnist: 0.54,", "probabilities: wanted one of each of ag_news, cifar10, cora"),
        ("uhn: {init: {lr: 0.0002, steps: 100}", "uhn: {init: {steps: 100}", "lr: wanted a learning rate for 100"),
        ("  paper:\n", "  quick:\n", "wanted every key once, got 'quick' again (first in line"),
        ("defaults:", "defaults: [", "expected"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_with_its_path(text: str, old: str, new: str, message: str) -> None:
    assert old in text
    with pytest.raises(ConfigError) as caught:
        parse_config(text.replace(old, new, 1), "quick")
    assert message in str(caught.value)
    assert str(caught.value).startswith("params.yaml: ")
    assert "\n" not in str(caught.value)


def test_an_unreadable_file_and_an_unknown_profile_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match="wanted a readable file"):
        load_config(tmp_path / "none.yaml")
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="wanted a readable file"):
        load_config(tmp_path / "bytes.yaml")
    with pytest.raises(ConfigError, match="wanted one of quick, claims, searches, paper, smoke, got 'quik'"):
        parse_config(text, "quik")
    with pytest.raises(ConfigError, match="wanted a mapping, got list"):
        parse_config("[1]", "quick")


def test_a_comment_and_another_order_change_nothing(text: str) -> None:
    data = yaml.safe_load(text)
    turned = yaml.safe_dump({key: data[key] for key in reversed(data)}, sort_keys=True)
    one, other = parse_config(text, "paper"), parse_config("# a comment\n" + turned, "paper")
    assert one.resolve("kan-kv", "uhn", 5) == other.resolve("kan-kv", "uhn", 5)


def test_epochs_are_counted_in_steps() -> None:
    whole = DataSettings()
    expected = {"mnist": (235, 188), "cifar10": (196, 176), "ag_news": (469, 375), "imdb": (98, 79)}
    for dataset, (all_rows, reduced) in expected.items():
        assert steps_per_epoch(dataset, whole, 256) == all_rows
        assert steps_per_epoch(dataset, whole, 256, validate=True) == reduced
    assert steps_per_epoch("cora", whole, 256) == 1
    assert steps_per_epoch("mnist", DataSettings(train_rows=1000), 256) == 4


def test_the_papers_budgets_are_the_papers_steps(text: str) -> None:
    config = parse_config(text, "paper")
    steps = {"cifar10-cnn20": 156_800, "agnews-transformer": 23_450, "imdb-transformer": 9_900, "mnist-mlp": 23_600}
    for name, number in steps.items():
        assert run_steps(config.resolve(name, "uhn", 1)) == number
