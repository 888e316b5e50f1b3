"""Runs that differ in their seed alone, trained as one batched program; what each leaves is what it leaves alone.

A stack saves its progress as a whole, beside its first run's: it is resumed as the stack that it was. Runs that have
progress of their own are not taken into one, and a run that is finished already only keeps the others company where the
stack's progress holds it.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path

import torch

from uhn.models import zoo
from uhn.paper.runs.build import build_distribution, build_phases, build_tasks
from uhn.paper.runs.execute import Session, execute, there_already
from uhn.paper.runs.identity import resolved, run_identity
from uhn.paper.settings import RunSettings
from uhn.tasks import Task
from uhn.training.checkpoint import ProgressError, discard_progress, load_progress, read_progress, save_progress
from uhn.training.interrupts import Stopped, StopRequest, stop_on_signals
from uhn.training.loop import Diverged, Loop, Report
from uhn.training.precision import pick_device, reproducible
from uhn.training.progress import Display
from uhn.training.stack import Stack, Together, forward, stackable

PROGRESS = "stack.ckpt"


def stacks(runs: Iterable[RunSettings]) -> list[list[RunSettings]]:
    """Runs in their order, those that can be trained together in one list; all others alone."""
    found: list[list[RunSettings]] = []
    latest: dict[str, list[RunSettings]] = {}
    for run in runs:
        key = run.model_copy(update={"name": "", "seed": 0}).model_dump_json()
        stack = latest.get(key, [])
        if not stack or len(stack) >= run.compute.stack or not can_stack(run):
            stack = latest[key] = []
            found.append(stack)
        stack.append(run)
    return found


def can_stack(run: RunSettings) -> bool:
    """Whether runs of these settings can share a program: one model without masks, no clipping, no loss scale."""
    alike = len(run.tasks) == 1 and run.model_set is None and not run.depth and run.train.clip is None
    return alike and resolved(run).precision != "fp16" and stackable(zoo(run.tasks[0].model))


@dataclass(frozen=True)
class Member:
    """One run of a stack: its settings and where its files are."""

    settings: RunSettings
    results: Path
    work: Path
    tasks: list[Task]
    identity: str

    @classmethod
    def of(cls, settings: RunSettings, results: Path, work: Path, data_root: Path, device: torch.device) -> Member:
        """Load the data of a run."""
        tasks = build_tasks(settings, data_root, device)
        identity = run_identity(settings, [task.provenance.fingerprint for task in tasks])
        return cls(settings, results, work, tasks, identity)

    @property
    def progress(self) -> Path:
        """Its progress when it is trained alone."""
        return self.work / self.settings.name / "progress.ckpt"

    def finished(self) -> bool:
        """Whether it has its result."""
        return there_already(self.settings, self.results, self.progress, self.identity) is not None

    def session(self, device: torch.device) -> Session:
        """The run, untrained."""
        distribution = build_distribution(self.settings, self.tasks)
        return Session(self.settings, distribution, build_phases(self.settings, self.tasks), device)


def execute_stack(
    runs: Sequence[RunSettings], *, results: Path, work: Path, data_root: Path, deadline: float | None = None
) -> None:
    """Run a stack of :func:`stacks` to its end; arguments and errors as of :func:`~uhn.paper.runs.execute.execute`."""
    alone = [resolved(run) for run in runs]
    if len(alone) == 1:
        execute(alone[0], results=results, work=work, data_root=data_root, deadline=deadline)
        return
    with reproducible(alone[0].compute.threads):
        device = pick_device(alone[0].compute.device)
        members = [Member.of(run, results, work, data_root, device) for run in alone]
        free = [member for member in members if not _holds(member.progress, member.identity)]
        left = [member for member in free if not member.finished()]
        stack = free if free and _holds(place(free), joint(free)) else left
        if not left and stack:
            discard_progress(place(stack), joint(stack))
        if left and len(stack) > 1:
            done = False
            with stop_on_signals(deadline) as stop:
                StackedSession(stack, device, stop).run(left)
                done = True
            if not done:
                raise Stopped  # and whoever handled the signal before let the process go on
            alone = [member.settings for member in members if member not in stack]
    for run in alone:
        execute(run, results=results, work=work, data_root=data_root, deadline=deadline)


class StackedSession:
    """A stack in this process: one loop, a session per run for its history, its scores and its files."""

    def __init__(self, members: Sequence[Member], device: torch.device, stop: StopRequest) -> None:
        self.members, self.stop, self.identity, self.place = members, stop, joint(members), place(members)
        self.sessions = [member.session(device) for member in members]
        first = self.sessions[0]
        seeds, tasks = (tuple(s.settings.seed for s in self.sessions), tuple(m.tasks[0] for m in members))
        self.loop = Loop(
            Stack([session.source for session in self.sessions]),
            Together(tasks, seeds, first.members[0].spec),
            first.loop.phases,
            seed=first.settings.seed,
            precision=first.settings.precision,
            report_at=first.report_at,
            after_step=self._after_step,
            forward=forward,
        )
        path = f"{first.path}, {len(members)} stacked"
        self.made_on = first.made_on | {"kernel": path}
        for session in self.sessions:
            session.loop, session.path, session.sharing = self.loop, path, len(members)
        self.diverged: set[int] = set()
        self.saved = time.monotonic()
        self.name = f"{first.settings.name} and {len(members) - 1} more"

    def run(self, wanted: Sequence[Member]) -> None:
        """Train, and write the results of the runs that are wanted."""
        self._resume()
        total, first = sum(phase.steps for phase in self.loop.phases), self.sessions[0]
        display = Display(self.name, total, first.steps_done())
        with display.heartbeat(first.steps_done):
            try:
                for report in self.loop:
                    display.show(report, first.steps_done(), self._record(report))
            except Diverged as diverged:
                self._record(diverged.report)
            except Stopped:
                words = f"stopped after {first.steps_done()} of {total} steps; progress is saved in {self.place}"
                display.close(words, event="stopped")
                raise
            ended = ["diverged" if number in self.diverged else "finished" for number in range(len(self.members))]
            scores = [session.final_scores(status) for session, status in zip(self.sessions, ended, strict=True)]
        display.close("all steps done", event="trained")
        for member, session, status, found in zip(self.members, self.sessions, ended, scores, strict=True):
            if member in wanted:
                folder, own = (
                    member.results / "runs" / member.settings.name,
                    Display(member.settings.name, total, total),
                )
                session.finish(folder, member.progress, member.identity, status, found, own)
        discard_progress(self.place, self.identity)

    def _record(self, report: Report) -> str:
        """A row in the history of every run that has not diverged before."""
        words = ""
        for number, (session, loss) in enumerate(zip(self.sessions, report.each, strict=True)):
            if number not in self.diverged:
                said = session.record(replace(report, loss=loss, each=()))
                words = words or said
                if not isfinite(loss):
                    self.diverged.add(number)
        return words

    def _resume(self) -> None:
        state = load_progress(self.place, self.identity, self.made_on)
        if state is None:
            return
        self.loop.load_state_dict(state["loop"])
        self.diverged = set(state["diverged"])
        for session, history in zip(self.sessions, state["histories"], strict=True):
            session.history, session.seconds, session.resumed = history, state["seconds"], state["resumed"] + 1
        print(f"{self.name}: resumed after {self.sessions[0].steps_done()} steps", flush=True)

    def _after_step(self) -> None:
        now, first = time.monotonic(), self.sessions[0]
        if self.stop or now - self.saved >= first.settings.checkpoint_seconds:
            state = {
                "loop": self.loop.state_dict(),
                "histories": [session.history for session in self.sessions],
                "diverged": sorted(self.diverged),
                "seconds": first.elapsed(),
                "resumed": first.resumed,
            }
            save_progress(self.place, self.identity, state, self.made_on)
            self.saved = now
        if self.stop:
            raise Stopped


def place(members: Sequence[Member]) -> Path:
    """Where the progress of a stack is."""
    return members[0].progress.with_name(PROGRESS)


def joint(members: Sequence[Member]) -> str:
    """The identity of a stack."""
    return hashlib.sha256(" ".join(member.identity for member in members).encode()).hexdigest()


def _holds(path: Path, identity: str) -> bool:
    """Whether there is progress of this identity."""
    try:
        return path.exists() and read_progress(path)["identity"] == identity
    except ProgressError:
        return False
