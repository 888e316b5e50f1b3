"""Where a run falls short of the paper's budget, in words, and how large its share of it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from uhn.reporting import paper
from uhn.reporting.results import Run

GENERATOR_WORDS = {
    "hidden": "hidden width",
    "blocks": "residual blocks",
    "index_frequencies": "index frequencies",
    "structure_frequencies": "structure frequencies",
    "structure": "task-structure encoder",
    "encoding": "encoding",
    "scale": "frequency scale",
}


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


def reductions(run: Run) -> tuple[str, ...]:
    """What this run has less of than the paper's, one phrase each; empty at the paper's full budget."""
    return (*_generator(run), *_budget(run), *_data(run))


def _generator(run: Run) -> list[str]:
    ours = run.settings.get("generator")
    wanted = (run.settings.get("paper") or {}).get("generator")
    if not ours or not wanted:
        return []
    phrases = []
    for key, word in GENERATOR_WORDS.items():
        if ours.get(key) != wanted.get(key):
            phrases.append(f"{word} {_show(ours.get(key))} (paper {_show(wanted.get(key))})")
    return [f"generator with {', '.join(phrases)}"] if phrases else []


def _budget(run: Run) -> list[str]:
    phrases = []
    budget: Mapping[str, Any] = run["budget"]
    steps, ours = paper_steps(run), budget.get("train_steps", 0)
    if run.finished and steps and ours < steps:
        phrases.append(f"{ours:,} training steps (paper {steps:,})")
    init = (run.settings.get("paper") or {}).get("init_steps") or 0
    if budget.get("init_steps", 0) < init:
        phrases.append(f"{budget.get('init_steps', 0):,} initialisation steps (paper {init:,})")
    return phrases


def _data(run: Run) -> list[str]:
    phrases = []
    batch = run.settings.get("train", {}).get("batch_size")
    wanted_batch = (run.settings.get("paper") or {}).get("batch_size")
    several = len(dataset_names(run)) > 1
    for name, data in zip(dataset_names(run), run["data"], strict=False):
        size = paper.DATASETS.get(name)
        if size is None:
            continue
        prefix = f"{size.label}: " if several else ""
        for split, word, wanted in (("train", "training", size.train), ("test", "test", size.test)):
            rows = data.get("rows", {}).get(split)
            if rows is not None and rows < wanted and run.settings.get("score", "test") == "test":
                phrases.append(f"{prefix}{rows:,} {word} rows (paper {wanted:,})")
        phrase = f"batches of {batch} (paper {wanted_batch})"
        if size.batch and batch and wanted_batch and batch != wanted_batch and phrase not in phrases:
            phrases.append(phrase)
    return phrases


def _show(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return "on" if value else "off"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)
