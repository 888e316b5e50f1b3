"""What a person sees while a run goes on: a bar on a terminal, plain lines in a log."""

from __future__ import annotations

import math
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from uhn.training.loop import Report

try:
    from tqdm import tqdm  # type: ignore[import-untyped,unused-ignore]
except ModuleNotFoundError:  # of the extra "paper": without it, lines on a terminal too
    tqdm = None

LINE_SECONDS = 15.0
"""Time between two lines in a log."""

SILENCE_SECONDS = 60.0
"""The most that a log is silent while a run is alive."""

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
            say(
                f"{self.name}: {report.kind} step {report.step}/{report.steps} loss {report.loss:.4g} "
                f"lr {report.lr:.2e} {self.metric} {speed:.3g} steps/s, {clock(left)} left".replace("  ", " "),
                event="step",
                run=self.name,
                phase=report.kind,
                step=report.step,
                steps=report.steps,
                loss=report.loss,
                lr=report.lr,
                steps_per_second=speed,
                seconds_left=left,
            )

    @contextmanager
    def heartbeat(self, done: Callable[[], int]) -> Iterator[None]:
        """Have a log say every :data:`SILENCE_SECONDS` how many steps are ``done``: reports may be far apart."""
        over = threading.Event()

        def beat() -> None:
            while not over.wait(max(0.1, self.last + SILENCE_SECONDS - time.monotonic())):
                if time.monotonic() - self.last >= SILENCE_SECONDS:
                    self.last = time.monotonic()
                    words = f"{self.name}: alive, {done()} of {self.total} steps"
                    say(words, event="alive", run=self.name, done=done(), total=self.total)

        self.last = self.last or time.monotonic()
        thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
        if self.bar is None:
            thread.start()
        try:
            yield
        finally:
            over.set()
            if self.bar is None:
                thread.join()

    def close(self, words: str, **fields: Any) -> None:
        """End with a last line; ``fields`` are its values."""
        if self.bar is not None:
            self.bar.close()
        say(f"{self.name}: {words}", run=self.name, **({"event": "end"} | fields))


def say(words: str, **fields: Any) -> None:
    """Print a line, or hand its words and values to a standard output that takes values (``--log-format json``)."""
    event = getattr(sys.stdout, "event", None)
    if event is None:
        print(words, flush=True)
    else:
        event(words, {key: None if isinstance(v, float) and not math.isfinite(v) else v for key, v in fields.items()})


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
