"""Whether two arms of a comparison are equal: settings and budgets in which they differ, as phrases."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from uhn.paper.report.book import Evidence
from uhn.paper.runs.results import Run
from uhn.paper.settings import RETIRED

NOT_SETTINGS = {
    "name",
    "experiment",
    "seed",
    *RETIRED,
    "checkpoint_seconds",
    "compute",
    "members",
    "evaluate_every",
    "path_only",
}
"""Parts of a run's settings that name it or that change no result beyond rounding."""

NOT_THE_PAPERS = {"reduced", "changed", "not compared"}
"""Words for runs that may be otherwise than the paper's."""

OURS = "precision "
"""Start of the phrase on the setting that the paper's arms have alike: a machine chooses it where it is ``auto``."""

Steps = Literal["any", "equal", "per task"]


def inequalities(first: Evidence, second: Evidence, allowed: Sequence[str], steps: Steps) -> list[str]:
    """Settings and budgets in which the arms differ although the comparison is not about them, each as a phrase.

    Args:
        first: one arm.
        second: the other; at the paper's own budget arms may differ as the paper's do, whose precision is one.
        allowed: settings that may differ (``train`` allows all of ``train.*``).
        steps: ``"equal"``: the arms take the same number of training steps; ``"per task"``: on the cell's task.
    """
    found = differences(first.runs, second.runs, allowed)
    if not {*first.status, *second.status} & NOT_THE_PAPERS:
        found = [phrase for phrase in found if phrase.startswith(OURS)]
    if steps != "any":
        ours, theirs = training_steps(first, steps), training_steps(second, steps)
        if abs(ours - theirs) > 0.05 * max(ours, theirs):
            found.append(f"training steps {ours:,.0f} against {theirs:,.0f}")
    return found


def differences(first: Iterable[Run], second: Iterable[Run], allowed: Sequence[str]) -> list[str]:
    """Settings that have not the same values in all runs of both arms, without those that ``allowed`` names."""
    arms = [_values(runs) for runs in (first, second)]
    keys = [key for key in dict.fromkeys([*arms[0], *arms[1]]) if not _matches(key, allowed)]
    return [
        f"{key} {_shown(arms[0].get(key))} against {_shown(arms[1].get(key))}"
        for key in keys
        if arms[0].get(key) != arms[1].get(key)
    ]


def sizes(first: Evidence, second: Evidence) -> list[str]:
    """The numbers of parameters, frozen ones included as the paper counts, if they are more than a tenth apart."""
    ours, theirs = (
        max(sum(run["parameters"][key] for key in ("trainable", "frozen")) for run in arm.runs)
        for arm in (first, second)
    )
    return [f"{ours:,} parameters against {theirs:,}"] if abs(ours - theirs) > 0.1 * max(ours, theirs) else []


def training_steps(evidence: Evidence, how: str) -> float:
    """Mean training steps of the runs; ``"per task"``: those that fall on the task that the cell is about."""
    counts = []
    for run in evidence.runs:
        steps = float(run["budget"].get("train_steps", 0))
        if how == "per task" and evidence.key.pick.startswith("task:"):
            name = evidence.key.pick.removeprefix("task:")
            steps *= sum(t["probability"] for t in run.settings["tasks"] if t["dataset"].startswith(name))
        counts.append(steps)
    return math.fsum(counts) / len(counts)


def _values(runs: Iterable[Run]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for run in runs:
        for key, value in _flat(run.settings):
            found.setdefault(key, set()).add(str(value))
    return found


def _flat(settings: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    for key, value in settings.items():
        if not prefix and key in NOT_SETTINGS:
            continue
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _matches(key: str, allowed: Sequence[str]) -> bool:
    return any(key == name or key.startswith(f"{name}.") for name in allowed)


def _shown(values: set[str] | None) -> str:
    return "nothing" if values is None else " / ".join(sorted(values))
