"""``uhn run --missing``: the runs that have no result yet, cheapest first, until a time that was set.

Several workers may share one results folder: each takes the cheapest run that nobody else has.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from uhn.paper.config import ConfigError
from uhn.paper.costs import Cost, read_costs
from uhn.paper.plan import Plan
from uhn.paper.runs.finished import read_metrics
from uhn.paper.runs.identity import as_made, settings_hash
from uhn.paper.runs.jobs import Busy
from uhn.paper.runs.results import archived_runs
from uhn.paper.settings import RunSettings
from uhn.training.interrupts import Stopped

SHOWN = 40
"""Runs that the announcement lists at most."""

_UNITS = {"h": 3600.0, "m": 60.0, "min": 60.0, "s": 1.0, "": 60.0}


@dataclass(frozen=True)
class Queue:
    """What is missing of a plan, in the order in which it is made.

    Args:
        runs: settings, cheapest first; those that nobody has timed come last, in the plan's order.
        hours: estimated hours of each, None where nobody has timed one like it.
    """

    runs: tuple[RunSettings, ...]
    hours: tuple[float | None, ...]

    @classmethod
    def of(cls, plan: Plan, reference: Path, table: str | None = None) -> Queue:
        """Find the runs without a result, below the profile's results or among the reference results.

        Args:
            plan: a plan that knows its results folder.
            reference: the kept results of the profile.
            table: only what this table rests on; all final runs if none.

        Raises:
            ConfigError: for a table that the profile does not have.
        """
        assert plan.results is not None
        names = plan.table(table) if table else tuple(plan.runs)
        everything = plan.runs | (plan.trials if table else {})
        kept = archived_runs(reference)

        def there(run: RunSettings) -> bool:
            own = read_metrics(plan.results / "runs" / run.name) if plan.results else {}
            return _there(run, [own, *([kept[run.name].metrics] if run.name in kept else [])])

        waiting = [everything[name] for name in names if not there(everything[name])]
        seconds = read_costs(reference) | Cost.known(reference, plan.runs.values()).seconds
        cost = Cost(seconds | Cost.known(plan.results, plan.runs.values()).seconds)
        pairs = [(run, cost.hours([run])) for run in waiting]
        pairs.sort(key=lambda pair: float("inf") if pair[1] is None else pair[1])
        return cls(tuple(run for run, _ in pairs), tuple(hours for _, hours in pairs))

    def announcement(self, seconds: float | None, now: float) -> str:
        """What will be done and when (``now`` and the times shown are local), one line per run."""
        if not self.runs:
            return "nothing is missing"
        known = [hours for hours in self.hours if hours is not None]
        told = f"{len(self.runs)} runs are missing, about {sum(known):.1f} h"
        if len(known) < len(self.runs):
            told += f" for the {len(known)} that have been timed"
        lines = [told + ("" if seconds is None else f"; this stops at {_clock(now + seconds)} and saves")]
        at: float | None = now
        for run, hours in list(zip(self.runs, self.hours, strict=True))[:SHOWN]:
            if at is not None and seconds is not None and at > now + seconds:
                break
            start = "later" if at is None else _clock(at)
            lines.append(f"  {start:>6}  {'not timed' if hours is None else f'{hours * 60:.0f} min':>9}  {run.name}")
            at = None if at is None or hours is None else at + 3600 * hours
        if len(self.runs) >= len(lines):
            lines.append(f"  … and {len(self.runs) - len(lines) + 1} more")
        return "\n".join(lines)


def work_off(stacks: Iterable[Sequence[RunSettings]], train: Callable[[Sequence[RunSettings]], None]) -> bool:
    """Train runs in order, passing over those that another process has; return whether there was time for all.

    Stops without an error when the time is up (:class:`~uhn.training.interrupts.Stopped`).
    """
    for stack in stacks:
        try:
            train(stack)
        except Busy as busy:
            print(f"{busy}: another process has it", flush=True)
        except Stopped:
            print("the time is up; the next call goes on from here", flush=True)
            return False
    return True


def window(within: str | None, until: str | None, now: float) -> float | None:
    """Seconds of work from ``now`` (a time of ``time.time()``), None without a limit.

    Args:
        within: a duration: ``2h``, ``90m``, ``1h30m``, ``45s``.
        until: a local time of day, ``06:30``; the next one.

    Raises:
        ConfigError: for anything else, or both.
    """
    if within is not None and until is not None:
        raise ConfigError("wanted --within or --until, got both")
    if within is not None:
        parts = re.findall(r"(\d+(?:\.\d+)?)\s*([a-z]*)", within.strip().lower())
        whole = "".join(f"{number}{unit}" for number, unit in parts)
        if not parts or whole != within.replace(" ", "").lower() or any(unit not in _UNITS for _, unit in parts):
            raise ConfigError(f"--within: wanted a duration such as 2h, 90m or 1h30m, got {within!r}")
        seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
        if not 0 < seconds <= 1e9:
            raise ConfigError(f"--within: wanted more than no time and less than a life, got {within!r}")
        return seconds
    if until is not None:
        found = re.fullmatch(r"(\d{1,2}):(\d{2})", until.strip())
        if not found or int(found[1]) > 23 or int(found[2]) > 59:
            raise ConfigError(f"--until: wanted a time of day such as 06:30, got {until!r}")
        day = time.localtime(now)
        at = time.mktime((day.tm_year, day.tm_mon, day.tm_mday, int(found[1]), int(found[2]), 0, 0, 0, -1))
        if at <= now:
            at = time.mktime((day.tm_year, day.tm_mon, day.tm_mday + 1, int(found[1]), int(found[2]), 0, 0, 0, -1))
        return at - now
    return None


def _there(run: RunSettings, found: Iterable[Mapping[str, Any]]) -> bool:
    """Whether a result of exactly these settings is among the records that were found."""
    for record in found:
        try:
            made = RunSettings.recorded(record["settings"])
        except (KeyError, ValueError):
            continue
        if settings_hash(made) == settings_hash(as_made(run, made.precision)):
            return True
    return False


def _clock(at: float) -> str:
    return time.strftime("%H:%M", time.localtime(at))
