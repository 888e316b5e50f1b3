"""Selection by rule against an independent recomputation, and the planted cases."""

from __future__ import annotations

import random
from functools import cmp_to_key

import numpy as np
import pytest

from uhn.paper.sweeps.selection import NothingPasses, Rule, Selection, Trial, select, select_rate, why

ACCURACY = {"mnist": Rule(True)}


def _trial(name: str, *values: float | None, cost: tuple[int, float, int, float] = (100, 1e-4, 0, 0.0)) -> Trial:
    return Trial(name, *cost, {"mnist": values})


def _names(selection: Selection) -> list[str]:
    return [trial.name for trial in selection.order]


def _recomputed(pool: list[Trial], rules: dict[str, Rule]) -> list[str]:
    """The same order by pairwise comparison: a rank is the number of trials that are better."""
    alive = [t for t in pool if all(v is not None and not np.isnan(v) for seeds in t.values.values() for v in seeds)]

    def passes(trial: Trial, task: str) -> bool:
        limit, mean = rules[task].guardrail, np.mean(trial.values[task])
        return limit is None or bool(mean >= limit if rules[task].higher_is_better else mean <= limit)

    alive = [t for t in alive if all(passes(t, task) for task in rules)]

    def settings(a: Trial, b: Trial) -> int:
        for field in ("train_budget", "train_lr", "init_steps", "init_lr", "name"):
            if getattr(a, field) != getattr(b, field):
                return -1 if getattr(a, field) < getattr(b, field) else 1
        return 0

    def better(a: Trial, b: Trial, task: str) -> bool:
        one, two = np.array(a.values[task], float), np.array(b.values[task], float)
        if not np.isclose(one.mean(), two.mean(), rtol=1e-12, atol=0):
            return bool((one.mean() > two.mean()) == rules[task].higher_is_better)
        spread = [x.std(ddof=1) if len(x) > 1 else 0.0 for x in (one, two)]
        if not np.isclose(*spread, rtol=1e-9, atol=1e-15):
            return bool(spread[0] < spread[1])
        return settings(a, b) < 0

    ranks = {t.name: [sum(better(o, t, k) for o in alive if o is not t) for k in rules] for t in alive}

    def compare(a: Trial, b: Trial) -> int:
        one, two = np.array(ranks[a.name]), np.array(ranks[b.name])
        if one.sum() != two.sum():
            return -1 if one.sum() < two.sum() else 1
        if not np.isclose(one.std(), two.std(), rtol=1e-12):
            return -1 if one.std() < two.std() else 1
        return settings(a, b)

    return [t.name for t in sorted(alive, key=cmp_to_key(compare))]


@pytest.mark.parametrize("seed", range(40))
def test_every_order_follows_from_the_pool(seed: int) -> None:
    draw = random.Random(seed)
    rules = {"mnist": Rule(True, 0.2), "kv": Rule(False, 0.9), "cora": Rule(True)}
    seeds = draw.choice([1, 3])

    def values() -> tuple[float | None, ...]:
        # Few distinct values, so that means, spreads and ranks tie often.
        return tuple(None if draw.random() < 0.02 else draw.choice([0.125, 0.25, 0.5, 0.75, 1.0]) for _ in range(seeds))

    pool = [
        Trial(
            f"trial-{number:02}",
            draw.choice([50, 100]),
            draw.choice([1e-4, 2e-4]),
            steps := draw.choice([0, 50]),
            1e-4 if steps else 0.0,
            {task: values() for task in rules},
        )
        for number in range(20)
    ]
    expected = _recomputed(pool, rules)
    if not expected:
        with pytest.raises(NothingPasses):
            select(pool, rules)
        return
    assert _names(select(pool, rules)) == expected
    draw.shuffle(pool)
    assert _names(select(pool, rules)) == expected


def test_a_trial_without_a_number_is_dropped_and_said() -> None:
    for nothing in (None, float("nan"), float("inf")):
        chosen = select([_trial("a", 0.9, nothing), _trial("b", 0.5, 0.6)], ACCURACY)
        assert chosen.winner.name == "b"
        assert chosen.diverged == ("a",)
        assert "Dropped, a run gave no number: a." in why(chosen, ACCURACY, "Stage 1")


def test_ties_are_broken_in_the_papers_order() -> None:
    def winner(*trials: Trial) -> str:
        return select(list(trials), ACCURACY).winner.name

    assert winner(_trial("a", 0.5, 0.75), _trial("b", 0.625, 0.625)) == "b"
    assert winner(_trial("a", 0.5, cost=(200, 1e-5, 0, 0.0)), _trial("b", 0.5, cost=(100, 2e-4, 50, 1e-4))) == "b"
    assert winner(_trial("a", 0.5, cost=(100, 2e-4, 0, 0.0)), _trial("b", 0.5, cost=(100, 1e-4, 50, 1e-4))) == "b"
    assert winner(_trial("a", 0.5, cost=(100, 1e-4, 50, 1e-4)), _trial("b", 0.5, cost=(100, 1e-4, 0, 0.0))) == "b"
    assert winner(_trial("a", 0.5, cost=(100, 1e-4, 50, 2e-4)), _trial("b", 0.5, cost=(100, 1e-4, 50, 1e-4))) == "b"


def test_a_tie_in_mean_rank_goes_to_the_even_trial() -> None:
    rules = {"one": Rule(True), "two": Rule(True)}

    def trial(name: str, one: float, two: float) -> Trial:
        return Trial(name, 100, 1e-4, 0, 0.0, {"one": (one,), "two": (two,)})

    chosen = select([trial("a", 0.9, 0.5), trial("b", 0.5, 0.9), trial("c", 0.7, 0.7)], rules)
    assert chosen.winner.name == "c"
    assert "broken by the lower spread of ranks" in why(chosen, rules, "Two tasks")


def test_guardrails_drop_the_winner_of_the_average() -> None:
    rules = {"mnist": Rule(True, 0.95), "kv": Rule(False, 0.05)}
    pool = [
        Trial("a", 100, 1e-4, 0, 0.0, {"mnist": (0.99,), "kv": (0.06,)}),
        Trial("b", 100, 1e-4, 0, 0.0, {"mnist": (0.95,), "kv": (0.05,)}),
    ]
    chosen = select(pool, rules)
    assert chosen.winner.name == "b"
    assert chosen.fallen["a"]["kv"] == pytest.approx(0.01)
    text = why(chosen, rules, "Multi-task")
    assert "Dropped, beyond a guardrail: a (kv by 0.01)." in text
    assert "Guardrails: mnist >= 0.95, kv <= 0.05." in text
    assert select(pool, rules, guard=False).fallen == {}
    with pytest.raises(NothingPasses, match=r"none of 1 configurations can be chosen: a misses kv by 0\.01"):
        select(pool[:1], rules)


def test_the_first_stage_takes_the_lowest_rate_if_all_diverge() -> None:
    pool = [_trial("a", None, cost=(100, 2e-4, 0, 0.0)), _trial("b", None, cost=(100, 5e-5, 0, 0.0))]
    assert select_rate(pool, ACCURACY).name == "b"
    with pytest.raises(NothingPasses, match="a diverged; b diverged"):
        select(pool, ACCURACY)
    assert select_rate([*pool, _trial("c", 0.1)], ACCURACY).name == "c"


def test_bad_pools_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one trial"):
        select([], ACCURACY)
    with pytest.raises(ValueError, match="different names"):
        select([_trial("a", 0.1), _trial("a", 0.2)], ACCURACY)
    with pytest.raises(ValueError, match="wanted values of kv"):
        select([_trial("a", 0.1)], {"kv": Rule(False)})
    with pytest.raises(ValueError, match="wanted values of mnist"):
        select([_trial("a")], ACCURACY)
