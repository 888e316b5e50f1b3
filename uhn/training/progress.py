"""What a person sees while a run goes on: a bar on a terminal, plain lines in a log."""

from __future__ import annotations

import os
import sys
import time
from typing import Any

from uhn.training.loop import Report

try:
    from tqdm import tqdm  # type: ignore[import-untyped,unused-ignore]
except ModuleNotFoundError:  # of the extra "paper": without it, lines on a terminal too
    tqdm = None

LINE_SECONDS = 15.0
"""Time between two lines in a log."""

BAR = "{desc}: {n_fmt}/{total_fmt}, {remaining} left{postfix}, {rate_fmt} |{bar}|"
"""On a terminal; what a narrow one cuts off is the least important."""


class Display:
    """Loss, metric, speed and time left of one run.

    Args:
        name: what to call the run.
        total: steps of all phases.
        done: steps done before (a resumed run).
    """

    def __init__(self, name: str, total: int, done: int = 0) -> None:
        self.name, self.total, self.first = name, total, done
        self.done, self.started, self.last = done, time.monotonic(), 0.0
        self.terminal = tqdm is not None and sys.stderr.isatty()
        self.metric = ""
        self.bar = None
        if self.terminal:
            size: dict[str, Any] = {"dynamic_ncols": True} if _has_width() else {"ncols": 100, "nrows": 20}
            self.bar = tqdm(total=total, initial=done, desc=name, unit=" steps", bar_format=BAR, **size)

    def show(self, report: Report, done: int, metric: str = "") -> None:
        """Show a report after ``done`` steps of all phases; ``metric`` stays until the next one."""
        self.metric = metric or self.metric
        if self.bar is not None:
            self.bar.set_postfix_str(f"{report.kind} loss {report.loss:.4g} {self.metric}".strip(), refresh=False)
            self.bar.update(done - self.done)
        self.done = done
        now = time.monotonic()
        if self.bar is None and (now - self.last > LINE_SECONDS or done == self.total or metric):
            self.last = now
            speed = (done - self.first) / max(now - self.started, 1e-9)
            left = (self.total - done) / max(speed, 1e-9)
            print(
                f"{self.name}: {report.kind} step {report.step}/{report.steps} loss {report.loss:.4g} "
                f"lr {report.lr:.2e} {self.metric} {speed:.3g} steps/s, {clock(left)} left".replace("  ", " "),
                flush=True,
            )

    def close(self, words: str) -> None:
        """End with a last line."""
        if self.bar is not None:
            self.bar.close()
        print(f"{self.name}: {words}", flush=True)


def _has_width() -> bool:
    """Whether the terminal says how wide it is; some report 0, for which tqdm would draw nothing."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns > 0
    except (OSError, ValueError):
        return False


def clock(seconds: float) -> str:
    """``h:mm:ss`` or ``m:ss``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
