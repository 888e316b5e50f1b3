"""What a run is scored on at its end: its model, its tasks, or the seen and unseen members of its model set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from uhn.models.sets import sample_set
from uhn.models.spec import ModelSpec
from uhn.paper.settings import RunSettings
from uhn.tasks import Task
from uhn.training.distributions import SpecDistribution


@dataclass(frozen=True)
class Member:
    """One (task, spec) that is scored; ``seen`` is None unless it belongs to a model set."""

    name: str
    task: Task
    spec: ModelSpec
    seen: bool | None = None


def members_of(settings: RunSettings, distribution: SpecDistribution) -> Sequence[Member]:
    """Return what the run is scored on.

    A model set is scored on its hold-in (seen) and held-out (unseen) members, the first ``settings.members`` of each
    if that is set; in a sweep on its validation members instead, which training leaves out.
    """
    if settings.model_set is None:
        return [Member(task.name, task, spec) for task, spec in distribution.members]
    task, whole = distribution.members[0][0], sample_set(settings.model_set)
    splits = [("validation", False)] if settings.score == "validation" else [("seen", True), ("unseen", False)]
    return [
        Member(f"{split}-{number:03}", task, spec, seen)
        for split, seen in splits
        for number, spec in enumerate(whole.split(split)[: settings.members])
    ]


def mean_score(members: Sequence[Member], scores: Sequence[float]) -> float | None:
    """Plain mean over members; None without scores or where tasks have different metrics."""
    if not scores or len({member.task.metric for member in members}) > 1:
        return None
    return sum(scores) / len(scores)
