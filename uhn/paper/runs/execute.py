"""Train one run, or resume it, and leave its results: model.safetensors, history.csv, metrics.json."""

from __future__ import annotations

import csv
import io
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from uhn.files import write_atomically
from uhn.paper.runs.build import build_distribution, build_phases, build_source, build_tasks
from uhn.paper.runs.finished import clean_up, finished_metrics, put_back, take_over, write_results
from uhn.paper.runs.identity import resolved, run_identity
from uhn.paper.runs.jobs import KEPT, result_files
from uhn.paper.runs.members import mean_score, members_of
from uhn.paper.runs.record import record
from uhn.paper.settings import RunSettings
from uhn.sources.files import source_bytes
from uhn.training.checkpoint import load_progress, save_progress
from uhn.training.distributions import SpecDistribution
from uhn.training.evaluate import evaluate
from uhn.training.interrupts import Stopped, stop_on_signals
from uhn.training.loop import Diverged, Loop, Phase, Report
from uhn.training.machine import machine
from uhn.training.precision import pick_device, reproducible
from uhn.training.progress import Display

HISTORY = ("phase", "step", "epoch", "lr", "loss", "metric", "seconds")


REPORTS = 200
"""Rows of the history per phase, at most, beside those of evaluations."""


def execute(
    settings: RunSettings, *, results: Path, work: Path, data_root: Path, deadline: float | None = None
) -> dict[str, Any]:
    """Run ``settings`` to its end and return its metrics; a finished run of the same identity is left alone.

    Args:
        settings: the resolved settings.
        results: folder of the profile; files go to ``results/runs/<name>``.
        work: folder of progress files; this run's is ``work/<name>/progress.ckpt``, a copy of its results beside it.
        data_root: folder of the data.
        deadline: the time of ``time.monotonic()`` at which to save and leave with :class:`Stopped`.

    Raises:
        ValueError: for settings that cannot be run here.
        OSError: if a folder cannot be written or the data are unavailable.
    """
    folder, progress = results / "runs" / settings.name, work / settings.name / "progress.ckpt"
    settings = resolved(settings)
    with reproducible(settings.compute.threads):
        device = pick_device(settings.compute.device)
        tasks = build_tasks(settings, data_root, device)
        identity = run_identity(settings, [task.provenance.fingerprint for task in tasks])
        if (finished := there_already(settings, results, progress, identity)) is not None:
            return finished
        session = Session(settings, build_distribution(settings, tasks), build_phases(settings, tasks), device)
        with stop_on_signals(deadline) as stop:
            return session.run(folder, progress, identity, stop)
        raise Stopped  # and whoever handled the signal before let the process go on


def there_already(settings: RunSettings, results: Path, progress: Path, identity: str) -> dict[str, Any] | None:
    """Metrics of the finished run of this identity, wherever it is found; None if it is to be trained.

    Raises:
        OSError: if it is to be trained and its results cannot be written.
    """
    folder, words = results / "runs" / settings.name, "finished before"
    if (finished := finished_metrics(settings, folder, identity)) is None:
        check_writable(folder)
        finished, words = put_back(settings, progress.with_name(KEPT), folder, identity), "put back from work/"
    if finished is None and settings.score == "validation":
        finished = take_over(settings, results / "runs", identity)
        words = f"taken over from {finished['taken_from']}" if finished else ""
    if finished is not None:
        print(f"{settings.name}: {words}", flush=True)
        clean_up(folder, progress, identity)
    return finished


class Session:
    """One run in this process: the loop, its history and its progress file."""

    def __init__(
        self, settings: RunSettings, distribution: SpecDistribution, phases: list[Phase], device: torch.device
    ) -> None:
        self.settings, self.device = settings, device
        self.members = members_of(settings, distribution)
        self.source = build_source(settings, distribution).to(device)
        self.trained = self.source  # what the file of weights holds; a benchmark trains it through another form
        self.path = self.source.path(settings.precision)
        self.made_on = machine(device) | {"kernel": self.path}
        self.loop = Loop(
            self.source,
            distribution,
            phases,
            seed=settings.seed,
            precision=settings.precision,
            report_at=self.report_at,
            after_step=self._after_step,
        )
        self.history: list[list[Any]] = []
        self.resumed, self.seconds = 0, 0.0
        self.sharing = 1  # runs that are trained at once: each has its share of the time
        self.started = self.saved = time.monotonic()

    def run(self, folder: Path, progress: Path, identity: str, stop: object) -> dict[str, Any]:
        """Train, evaluate once at the end, write the results and remove the progress file."""
        self.progress, self.identity, self.stop = progress, identity, stop
        self._resume()
        total = sum(phase.steps for phase in self.loop.phases)
        display = Display(self.settings.name, total, self.steps_done())
        status, last = "finished", None
        with display.heartbeat(self.steps_done):
            try:
                for last in self.loop:
                    metric = self.record(last)
                    display.show(last, self.steps_done(), metric)
            except Diverged as diverged:
                status, last = "diverged", diverged.report
                self.record(last)
            except Stopped:
                words = f"stopped after {self.steps_done()} of {total} steps; progress is saved in {progress}"
                display.close(words, event="stopped")
                raise
            scores = self.final_scores(status)
        return self.finish(folder, progress, identity, status, scores, display)

    def final_scores(self, status: str) -> list[float]:
        """What the run is scored on at its end; nothing if it has diverged."""
        return self._scores("val" if self.settings.score == "validation" else "test") if status == "finished" else []

    def finish(
        self, folder: Path, progress: Path, identity: str, status: str, scores: Sequence[float], display: Display
    ) -> dict[str, Any]:
        """Write the results, remove the progress file, and end the display; return the metrics."""
        metrics = record(
            self.settings,
            identity,
            self.members,
            self.source,
            status=status,
            scores=scores,
            steps=[(p.kind, p.steps) for p in self.loop.phases],
            train_loss=self.history[-1][HISTORY.index("loss")] if self.history else None,
            seconds=self.elapsed(),
            resumed=self.resumed,
            device=self.device,
            path=self.path,
        )
        files = {"history.csv": history_csv(self.history).encode()}
        if "model.safetensors" in result_files(self.settings.name):
            files = {"model.safetensors": source_bytes(self.trained)} | files
        metrics = write_results(folder, metrics, files)
        clean_up(folder, progress, identity)
        score = mean_score(self.members, scores)
        each = ", ".join(f"{m.name} {value:.4g}" for m, value in zip(self.members, scores, strict=False))
        words = status if status == "diverged" else each if score is None else f"{metrics['metric']} {score:.4g}"
        told = {key: metrics[key] for key in ("status", "metric", "value", "validation")}
        display.close(f"{words} ({self.elapsed():.1f} s)", seconds=self.elapsed(), **told)
        return metrics

    def _resume(self) -> None:
        state = load_progress(self.progress, self.identity, self.made_on)
        if state is None:
            return
        self.loop.load_state_dict(state["loop"])
        self.history, self.seconds, self.resumed = state["history"], state["seconds"], state["resumed"] + 1
        print(f"{self.settings.name}: resumed after {self.steps_done()} steps", flush=True)

    def report_at(self, phase: Phase, step: int) -> bool:
        return step % max(1, phase.steps // REPORTS) == 0 or self._evaluates(phase, step)

    def _evaluates(self, phase: Phase, step: int) -> bool:
        every = self.settings.evaluate_every
        wanted = every is not None and self.settings.validate_split and phase.kind == "train"
        return wanted and (step % ((every or 1) * phase.unit) == 0 or step == phase.steps)

    def record(self, report: Report) -> str:
        """Append a row to the history; returns the metric as words if this was a moment to evaluate."""
        value: float | str = ""
        if self._evaluates(self.loop.phases[report.phase], report.step):
            scores = self._scores("val")
            mean = mean_score(self.members, scores)
            value = " ".join(f"{score:.6g}" for score in scores) if mean is None else mean
        row = [report.kind, report.step, report.epoch, report.lr, report.loss, value, round(self.elapsed(), 3)]
        self.history.append(row)
        return f"validation {value:.4f}" if isinstance(value, float) else value and f"validation {value}"

    @torch.no_grad()
    def _scores(self, split: str) -> list[float]:
        """Score of every member; weights are generated once per model."""
        return [evaluate(m.task, m.spec, self.source(m.spec), split, self.settings.precision) for m in self.members]

    def _after_step(self) -> None:
        now = time.monotonic()
        if self.stop or now - self.saved >= self.settings.checkpoint_seconds:
            state = {"loop": self.loop.state_dict(), "history": self.history, "resumed": self.resumed}
            save_progress(self.progress, self.identity, state | {"seconds": self.elapsed()}, self.made_on)
            self.saved = now
        if self.stop:
            raise Stopped

    def steps_done(self) -> int:
        return sum(phase.steps for phase in self.loop.phases[: self.loop.phase]) + self.loop.step

    def elapsed(self) -> float:
        return self.seconds + (time.monotonic() - self.started) / self.sharing


def check_writable(folder: Path) -> None:
    """Raise ``OSError`` before any hour is spent if results cannot be written to ``folder``."""
    probe = folder / ".writable"
    try:
        write_atomically(probe, b"")
    except OSError as error:
        words = f"results folder {folder} cannot be written: {os.strerror(error.errno or 0)}"
        raise OSError(error.errno, words) from None
    finally:
        probe.unlink(missing_ok=True)


def history_csv(rows: list[list[Any]]) -> str:
    """Render the history with its header."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HISTORY)
    writer.writerows(rows)
    return text.getvalue()
