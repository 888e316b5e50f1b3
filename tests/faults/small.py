"""A small params.yaml with one of everything, and the oracle of a command."""

from __future__ import annotations

import resource
import time
from collections.abc import Sequence
from typing import Any

import pytest

from uhn.paper.cli import main

PARAMS: dict[str, Any] = {
    "seeds": {"default": [1, 2], "graph": [1, 2, 3]},
    "defaults": {"train": {"warmup": 0, "batch_size": 32}, "compute": {"device": "cpu", "threads": 1}},
    "experiments": {
        "kan-kv": {
            "tasks": [{"dataset": "kv", "model": "kan-g5-kv"}],
            "generator": {"hidden": 8, "index_frequencies": 8, "blocks": 1, "encoding": "gff", "scale": 10.0},
            "job": "functions",
            "methods": {
                "direct": {"train": {"lr": 0.1, "epochs": 3}},
                "uhn": {"init": {"lr": 0.01, "steps": 2}, "train": {"lr": 0.1, "steps": 3}},
            },
        },
        "kan-iv": {"like": "kan-kv", "tasks": [{"dataset": "iv", "model": "kan-g5-iv"}]},
        "cnn-mixed-width": {
            "tasks": [{"dataset": "cifar10", "model": "cnn20-cifar10"}],
            "model_set": "cnn-width",
            "generator": {"structure": True},
            "methods": {"uhn": {"train": {"lr": 0.1, "steps": 3}}},
        },
        "recursive-k1": {
            "tasks": [{"dataset": "mnist", "model": "mlp-mnist"}],
            "depth": 1,
            "generator": {"structure": True, "index_frequencies": 1024},
            "methods": {"uhn": {"train": {"lr": 0.1, "steps": 3, "clip": 0.1}}},
        },
    },
    "sweeps": {"kan-kv/uhn": {"first": 2, "lr": [0.1, 0.2], "budget": [2, 3], "init_lr": [0.1], "init_steps": [1, 2]}},
    "profiles": {
        "quick": {
            "seeds": 1,
            "grouping": "job",
            "hyperparameters": "selected",
            "tables": {"table03": "all", "table05": "all", "table11": ["kan-kv", "kan-iv"], "table12": ["kan-kv"]},
            "sweeps": {"*/uhn": {"unit": "steps", "seeds": 1, "more_seeds": 1, "top": 2}},
            "defaults": {"data": {"stand_in": True, "train_rows": 64}},
            "overrides": {"kan-*/uhn": {"seeds": 2, "generator": {"hidden": 16}}},
        }
    },
}


def answers(arguments: Sequence[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Run a command and return its exit code and what it complained of.

    The oracle: no exception gets out; 0, 1 or 2; one line of complaint with 1 and 2, none with 0; five seconds of
    computing and 300 MB more than before at most.
    """
    started, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    code = main(arguments)
    said = capsys.readouterr().err
    assert code in (0, 1, 2)
    assert bool(said) == bool(code) and said.count("\n") <= 1 and len(said) < 3000, said[:500]
    assert not said or said.startswith("uhn: ")
    assert time.process_time() - started < 5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000, "kilobytes"
    return code, said
