"""Where a run differs from the paper's settings, in words, and how large its share of the paper's budget is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from uhn.paper.runs.results import Run
from uhn.paper.tables import published as paper

GENERATOR_WORDS: Final = {
    "hidden": "hidden width",
    "blocks": "residual blocks",
    "index_frequencies": "index frequencies",
    "structure_frequencies": "structure frequencies",
    "structure": "task-structure encoder",
    "encoding": "encoding",
    "scale": "frequency scale",
}

SAID_ELSEWHERE: Final = {
    "name", "experiment", "method", "seed", "tasks", "model_set", "depth",  # what the row is: no profile changes it
    "hyperparameters", "paper",  # captions themselves
    "score",  # a trial's; no table shows one
    "data.stand_in",  # whether one was used is a mark
    "compute.device", "compute.threads", "compute.kernel",  # decide last bits at most
    "checkpoint_seconds", "evaluate_every",  # how often a run is saved and looked at
}  # fmt: skip
"""Settings that no caption compares. Every other one that is not the paper's is in :func:`differences`."""


@dataclass(frozen=True)
class Difference:
    """Something that is not the paper's, as a phrase; ``less`` if it is a smaller budget and not just another value."""

    phrase: str
    less: bool = False


def dataset_names(run: Run) -> list[str]:
    """Datasets of a run, in order of its tasks."""
    return [task["dataset"] for task in run.settings.get("tasks", ())]


def paper_steps(run: Run) -> int | None:
    """Optimiser steps of the paper's training phase for this run; None if its settings do not say."""
    steps = (run.settings.get("paper") or {}).get("train_steps")
    return None if steps is None else int(steps)


def share(run: Run) -> float | None:
    """Training steps as a share of the paper's, capped at 1."""
    steps = paper_steps(run)
    return min(1.0, run["budget"].get("train_steps", 0) / steps) if steps else None


def differences(run: Run, full: Mapping[str, Any] | None = None) -> tuple[Difference, ...]:
    """What this run has less of than the paper's, or otherwise; empty at the paper's settings and full budget.

    Args:
        run: the run.
        full: settings of the same row in the profile ``paper``; without them, only the budget that the run's own
            record holds is compared.
    """
    budget = run.settings.get("paper") or {}
    wanted = full or {
        "generator": budget.get("generator"),
        "init": {"steps": budget.get("init_steps")},
        "train": {"batch_size": budget.get("batch_size")},
    }
    found = (*_generator(run, wanted), *_steps(run, wanted), *_data(run, wanted), *_phases(run, full or {}))
    return tuple(dict.fromkeys(found))


def _generator(run: Run, wanted: Mapping[str, Any]) -> Iterator[Difference]:
    sizes, full = run.settings.get("options") or {}, wanted.get("options") or {}
    if other := [key for key, value in sizes.items() if key in full and value != full[key]]:
        phrases = [_beside(key, sizes[key], full[key]) for key in other]
        yield Difference(f"source with {', '.join(phrases)}", any(_less((sizes[key], full[key])) for key in other))
    ours, theirs = run.settings.get("generator"), wanted.get("generator")
    if not ours or not theirs:
        return
    other = [key for key in GENERATOR_WORDS if ours.get(key) != theirs.get(key)]
    phrases = [_beside(GENERATOR_WORDS[key], ours.get(key), theirs.get(key)) for key in other]
    if phrases:
        pairs = ((ours.get(key), theirs.get(key)) for key in other)
        yield Difference(f"generator with {', '.join(phrases)}", any(map(_less, pairs)))


def _steps(run: Run, wanted: Mapping[str, Any]) -> Iterator[Difference]:
    budget: Mapping[str, Any] = run["budget"]
    for key, word, theirs in (
        ("train_steps", "training", paper_steps(run)),
        ("init_steps", "initialisation", wanted["init"].get("steps")),
    ):
        ours = budget.get(key, 0)
        if theirs is not None and ours != theirs:
            yield Difference(f"{ours:,} {word} steps (paper {theirs:,})", ours < theirs)


def _data(run: Run, wanted: Mapping[str, Any]) -> Iterator[Difference]:
    batch, wanted_batch = run.settings.get("train", {}).get("batch_size"), wanted["train"].get("batch_size")
    several = len(dataset_names(run)) > 1
    for name, data in zip(dataset_names(run), run["data"], strict=False):
        size = paper.DATASETS.get(name)
        if size is None:
            continue
        prefix = f"{size.label}: " if several else ""
        for split, word, theirs in (("train", "training", size.train), ("test", "test", size.test)):
            rows = data.get("rows", {}).get(split)
            if rows is not None and rows < theirs and run.settings.get("score", "test") == "test":
                yield Difference(f"{prefix}{rows:,} {word} rows (paper {theirs:,})", True)
        if size.batch and batch and wanted_batch and batch != wanted_batch:
            yield Difference(f"batches of {batch} (paper {wanted_batch})")


def _phases(run: Run, full: Mapping[str, Any]) -> Iterator[Difference]:
    """Rates, warm-up, clipping, precision and the validation split."""
    ours = run.settings
    for phase, key, word in (
        ("init", "lr", "initialisation rate"),
        ("init", "warmup", "initialisation warm-up"),
        ("train", "lr", "learning rate"),
        ("train", "warmup", "warm-up"),
        ("train", "clip", "gradient clipping"),
    ):
        mine, theirs = ours.get(phase, {}), full.get(phase)
        if theirs is None or (phase == "init" and not mine.get("steps")):  # no phase has neither
            continue
        pair = (mine.get(key), theirs.get(key))
        if phase == "train" and key == "warmup":
            pair = _in_unit(run, mine), _in_unit(run, theirs)
        if pair[0] != pair[1]:
            yield Difference(_beside(word, *pair))
    if full and ours.get("validate_split") != full.get("validate_split"):
        yield Difference(_beside("validation split", ours.get("validate_split"), full.get("validate_split")))
    if full and ours.get("precision") != full.get("precision"):  # the paper's own program mixes fp16 and fp32
        yield Difference(f"precision {ours.get('precision')} (profile paper {full.get('precision')})")


def _in_unit(run: Run, train: Mapping[str, Any]) -> str:
    """A warm-up with its unit; a step of full-batch training is an epoch."""
    sizes = [paper.DATASETS.get(name) for name in dataset_names(run)]
    epochs = train.get("epochs") is not None and not all(size and size.batch is None for size in sizes)
    number = train.get("warmup")
    return f"{number:,} {'epoch' if epochs else 'step'}{'s' * (number != 1)}"


def _less(pair: tuple[Any, Any]) -> bool:
    """Whether a size is smaller than the paper's."""
    ours, theirs = pair
    return isinstance(ours, int) and isinstance(theirs, int) and ours < theirs


def _beside(word: str, ours: Any, theirs: Any) -> str:
    return f"{word} {_show(ours)} (paper {_show(theirs)})"


def _show(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return "on" if value else "off"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:g}".replace("e-0", "e-")
    return str(value)
