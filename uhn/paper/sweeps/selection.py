"""Choosing hyperparameters by rule (B.7, E.1): Borda count over tasks, tie-breaks, guardrails, and the reason in words.

Pure functions of validation values: no file is read here, and nothing of a test set can arrive.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from statistics import fmean, pstdev, stdev


@dataclass(frozen=True)
class Trial:
    """One configuration of the pool with its validation values.

    Attributes:
        name: the trial's name.
        train_budget: epochs or steps of the training phase.
        train_lr: learning rate of the training phase.
        init_steps: steps of the initialisation phase.
        init_lr: its learning rate; 0 without steps.
        values: by task, the validation value of each seed; None or NaN for a run that diverged.
    """

    name: str
    train_budget: int
    train_lr: float
    init_steps: int
    init_lr: float
    values: Mapping[str, tuple[float | None, ...]]

    @property
    def cost(self) -> tuple[int, float, int, float]:
        """What breaks ties: the shorter training, then the lower rate, then the same of the initialisation."""
        return (self.train_budget, self.train_lr, self.init_steps, self.init_lr)

    @property
    def diverged(self) -> bool:
        """Whether any run of it ended without a number."""
        return any(value is None or not isfinite(value) for seeds in self.values.values() for value in seeds)

    def mean(self, task: str) -> float:
        """Mean over the seeds. Raises ``ValueError`` for a diverged trial."""
        return fmean(self._numbers(task))

    def std(self, task: str) -> float:
        """Sample standard deviation over the seeds, 0 for one seed."""
        numbers = self._numbers(task)
        return stdev(numbers) if len(numbers) > 1 else 0.0

    def _numbers(self, task: str) -> list[float]:
        numbers = [value for value in self.values[task] if value is not None and isfinite(value)]
        if not numbers or len(numbers) != len(self.values[task]):
            raise ValueError(f"trial {self.name}: wanted a value from every seed of {task}, got {self.values[task]}")
        return numbers


@dataclass(frozen=True)
class Rule:
    """How one task is judged.

    Attributes:
        higher_is_better: accuracy, or else RMSE.
        guardrail: worst mean validation value that a winner may have (Table 20); none if there is none.
    """

    higher_is_better: bool
    guardrail: float | None = None

    def violation(self, value: float) -> float:
        """By how much ``value`` misses the guardrail; 0 if it does not."""
        if self.guardrail is None:
            return 0.0
        return max(0.0, self.guardrail - value if self.higher_is_better else value - self.guardrail)


@dataclass(frozen=True)
class Selection:
    """The order of a pool and how it came about.

    Attributes:
        order: trials that take part, best first.
        ranks: by trial, its rank in each task (0 is best), in the order of ``tasks``.
        tasks: names of the tasks.
        diverged: names of trials that were dropped because a run gave no number.
        fallen: by trial, the guardrails that it misses and by how much.
    """

    order: tuple[Trial, ...]
    ranks: Mapping[str, tuple[int, ...]]
    tasks: tuple[str, ...]
    diverged: tuple[str, ...]
    fallen: Mapping[str, Mapping[str, float]]

    @property
    def winner(self) -> Trial:
        """The best trial."""
        return self.order[0]


class NothingPasses(ValueError):
    """No configuration can be chosen; the message says which fell, and by how much."""


def select(pool: Sequence[Trial], rules: Mapping[str, Rule], *, guard: bool = True) -> Selection:
    """Order a pool: drop diverged trials and those beyond a guardrail, then rank by Borda count.

    Within a task, trials are ranked by mean, then lower standard deviation, then cost. Over tasks, by mean rank, then
    lower standard deviation of the ranks, then cost, then name (so that the order of the pool does not matter).

    Args:
        pool: the trials.
        rules: by task, how it is judged.
        guard: whether guardrails apply (the paper: after the third and the fourth stage).

    Raises:
        NothingPasses: if no trial is left.
        ValueError: for an empty pool, two trials of one name, or values of other tasks than those of ``rules``.
    """
    _check(pool, rules)
    tasks = tuple(rules)
    diverged = tuple(sorted(trial.name for trial in pool if trial.diverged))
    good = [trial for trial in pool if not trial.diverged]
    fallen = {}
    for trial in good if guard else []:
        missed = {task: rule.violation(trial.mean(task)) for task, rule in rules.items()}
        if any(missed.values()):
            fallen[trial.name] = {task: amount for task, amount in missed.items() if amount}
    passing = [trial for trial in good if trial.name not in fallen]
    if not passing:
        raise NothingPasses(_nothing(pool, diverged, fallen))
    places = [_places(passing, task, rule) for task, rule in rules.items()]
    ranks = {trial.name: tuple(place[trial.name] for place in places) for trial in passing}

    def key(trial: Trial) -> tuple[object, ...]:
        return (fmean(ranks[trial.name]), pstdev(ranks[trial.name]), trial.cost, trial.name)

    return Selection(tuple(sorted(passing, key=key)), ranks, tasks, diverged, fallen)


def select_rate(pool: Sequence[Trial], rules: Mapping[str, Rule]) -> Trial:
    """Choose the first stage's learning rate; where every trial diverged, the lowest one."""
    _check(pool, rules)
    if all(trial.diverged for trial in pool):
        return min(pool, key=lambda trial: (trial.train_lr, trial.cost, trial.name))
    return select(pool, rules, guard=False).winner


def why(selection: Selection, rules: Mapping[str, Rule], title: str) -> str:
    """Return the reason for a choice as Markdown: pool, ranks, ties, guardrails."""
    tasks, winner = selection.tasks, selection.winner
    lines = [f"# {title}", "", f"Chosen: **{winner.name}** ({_settings(winner)}).", ""]
    lines += ["| place | trial | " + " | ".join(f"{task} | rank" for task in tasks) + " | mean rank |"]
    lines += ["| ---: | --- |" + " ---: | ---: |" * len(tasks) + " ---: |"]
    for place, trial in enumerate(selection.order, 1):
        ranks = selection.ranks[trial.name]
        cells = " | ".join(f"{_value(trial, task)} | {rank}" for task, rank in zip(tasks, ranks, strict=True))
        lines.append(f"| {place} | {trial.name} | {cells} | {fmean(ranks):.3f} |")
    if len(selection.order) > 1:
        lines += ["", f"Before the next one, {selection.order[1].name}, because of {_decided_by(selection)}."]
    if selection.diverged:
        lines += ["", f"Dropped, a run gave no number: {', '.join(selection.diverged)}."]
    for name, missed in selection.fallen.items():
        told = ", ".join(f"{task} by {amount:.4g}" for task, amount in missed.items())
        lines += ["", f"Dropped, beyond a guardrail: {name} ({told})."]
    kept = [
        f"{task} {'>=' if r.higher_is_better else '<='} {r.guardrail:g}" for task, r in rules.items() if r.guardrail
    ]
    lines += ["", f"Guardrails: {', '.join(kept) if kept else 'none'}.", ""]
    return "\n".join(lines)


def _places(trials: Sequence[Trial], task: str, rule: Rule) -> dict[str, int]:
    sign = -1.0 if rule.higher_is_better else 1.0
    key: Callable[[Trial], tuple[object, ...]] = lambda t: (sign * t.mean(task), t.std(task), t.cost, t.name)  # noqa: E731
    return {trial.name: place for place, trial in enumerate(sorted(trials, key=key))}


def _decided_by(selection: Selection) -> str:
    first, second = selection.order[:2]
    one, two = selection.ranks[first.name], selection.ranks[second.name]
    if fmean(one) != fmean(two):
        return f"its mean rank ({fmean(one):.3f} against {fmean(two):.3f})" + _within(selection)
    if pstdev(one) != pstdev(two):
        return f"a tie in mean rank, broken by the lower spread of ranks ({pstdev(one):.3f} against {pstdev(two):.3f})"
    return f"a tie in mean rank and spread, broken by cost ({_settings(first)} against {_settings(second)})"


def _within(selection: Selection) -> str:
    """With one task, say what its order rests on where the means are equal."""
    if len(selection.tasks) != 1:
        return ""
    task, (first, second) = selection.tasks[0], selection.order[:2]
    if first.mean(task) != second.mean(task):
        return ""
    if first.std(task) != second.std(task):
        return "; the means are equal, the standard deviation is lower"
    return f"; values are equal, the cost is lower ({_settings(first)} against {_settings(second)})"


def _nothing(pool: Sequence[Trial], diverged: Sequence[str], fallen: Mapping[str, Mapping[str, float]]) -> str:
    reasons = [f"{name} diverged" for name in diverged]
    for name, missed in fallen.items():
        reasons.append(f"{name} misses " + ", ".join(f"{task} by {amount:.4g}" for task, amount in missed.items()))
    return f"none of {len(pool)} configurations can be chosen: {'; '.join(reasons)}"


def _check(pool: Sequence[Trial], rules: Mapping[str, Rule]) -> None:
    if not pool or not rules:
        raise ValueError(f"wanted at least one trial and one task, got {len(pool)} and {len(rules)}")
    names = [trial.name for trial in pool]
    if len(set(names)) != len(names):
        raise ValueError(f"wanted trials of different names, got {', '.join(sorted(names))}")
    for trial in pool:
        if set(trial.values) != set(rules) or not all(trial.values.values()):
            raise ValueError(
                f"trial {trial.name}: wanted values of {', '.join(rules)}, got those of {list(trial.values)}"
            )


def _value(trial: Trial, task: str) -> str:
    number = len(trial.values[task])
    spread = f" ± {trial.std(task):.4g}" if number > 1 else ""
    return f"{trial.mean(task):.4g}{spread} (n={number})"


def _settings(trial: Trial) -> str:
    init = f"init {trial.init_lr:g} x {trial.init_steps}" if trial.init_steps else "no init"
    return f"{init}, train {trial.train_lr:g} x {trial.train_budget}"
