"""One training by ``uhn.fit`` in this process: reports, callbacks, progress, and its checkpoint."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from uhn.training.checkpoint import load_progress, save_progress
from uhn.training.course import course_of
from uhn.training.interrupts import Stopped, StopRequest
from uhn.training.loop import Loop, Report
from uhn.training.progress import Display
from uhn.training.trainee import Job, Trainee

Callback = Callable[[Report], Any]
"""Told of every report; one that returns True ends the training."""


class Session:
    """Runs the loop to its end, from the checkpoint on if there is one.

    Args:
        loop: with the trainee as its source.
        trainee: what is trained.
        jobs: the models' batches and losses.
        callbacks: each is told of every report.
        checkpoint: file to save to, or None.
        save_every: seconds between two saves.
    """

    def __init__(
        self,
        loop: Loop,
        trainee: Trainee,
        jobs: Sequence[Job],
        callbacks: Sequence[Callback],
        checkpoint: Path | None,
        save_every: float,
    ) -> None:
        self.loop, self.trainee, self.jobs, self.callbacks = loop, trainee, jobs, callbacks
        self.checkpoint, self.save_every = checkpoint, save_every
        self.reports: list[Report] = []
        self.ended, self.identity = False, ""
        self.saved = time.monotonic()
        loop.after_step = self._after_step

    def run(self, stop: StopRequest, chosen: Mapping[str, Any], progress: bool) -> list[Report]:
        """Go on from the checkpoint, if there is one, to the end."""
        self.stop, total = stop, self.loop.phases[0].steps
        if self.checkpoint is not None:
            self.identity = course_of(self.trainee, self.loop, self.jobs, chosen)
            self._resume(self.checkpoint)
            self._save()  # what cannot be written says so now
            if progress and (self.loop.step or self.ended):
                print(f"fit: {self.checkpoint} holds {self.loop.step or 'all'} of {total} steps", flush=True)
        if self.ended:
            return self.reports
        display = Display("fit", total, self.loop.step) if progress else None
        try:
            for report in self.loop:
                self.reports.append(report)
                if display is not None:
                    display.show(report, report.step)
                if any([callback(report) is True for callback in self.callbacks]):
                    break
        except Stopped:
            if display is not None:
                kept = f"saved in {self.checkpoint}" if self.checkpoint else "not saved: there is no checkpoint"
                display.close(f"stopped after {self.loop.step} of {total} steps; {kept}")
            raise
        self.ended = True
        self._save()
        if display is not None:
            display.close("finished" if self.loop.phase else f"ended after {self.loop.step} steps")
        return self.reports

    def _resume(self, checkpoint: Path) -> None:
        state = load_progress(checkpoint, self.identity, {})
        if state is not None:
            self.loop.load_state_dict(state["loop"])
            self.reports = [Report(**row) for row in state["reports"]]
            self.ended = state["ended"]

    def _after_step(self) -> None:
        if self.stop or time.monotonic() - self.saved >= self.save_every:
            self._save()
        if self.stop:
            raise Stopped

    def _save(self) -> None:
        if self.checkpoint is not None:
            rows = [asdict(report) for report in self.reports]
            state = {"loop": self.loop.state_dict(), "reports": rows, "ended": self.ended}
            save_progress(self.checkpoint, self.identity, state, {})
            self.saved = time.monotonic()
