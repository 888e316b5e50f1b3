"""A process that trains tiny runs in children and kills them where the test says. It imports once and forks.

Usage: ``python durability_driver.py FOLDER`` with a ``params.yaml`` in it; the last line of its output is JSON.
"""

from __future__ import annotations

import csv
import gc
import json
import os
import runpy
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch._dynamo  # a chain imports it: here once, and not in every child

torch.set_num_threads(1)

import durability_scenarios as scenarios_of  # noqa: E402

import uhn.paper.runs.execute as execution  # noqa: E402
import uhn.training.evaluate as evaluation  # noqa: E402
from tests.half_written import HalfWritten  # noqa: E402
from uhn.paper.runs.jobs import run_all  # noqa: E402
from uhn.paper.settings import RunSettings  # noqa: E402
from uhn.training.loop import Loop  # noqa: E402

scenarios_of.prepare()
VOLATILE = ("wall_time_s", "resumed", "finished_at", "files", "checksum")
"""What may differ between a run and its repetition."""


def run(run_settings: RunSettings, folder: Path) -> dict[str, Any]:
    return execution.execute(run_settings, results=folder / "results", work=folder / "work", data_root=folder / "data")


def outcome(folder: Path, name: str) -> dict[str, Any]:
    """Everything that must not depend on how often a run was killed."""
    files = folder / "results" / "runs" / name
    metrics = json.loads((files / "metrics.json").read_text())
    with (files / "history.csv").open() as file:
        history = [row[:-1] for row in csv.reader(file)]
    left = [str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file() and p.parent != files]
    return {
        "model": (files / "model.safetensors").read_bytes().hex(),
        "metrics": {key: value for key, value in metrics.items() if key not in VOLATILE},
        "history": history,
        "files": sorted(p.name for p in files.iterdir()),
        "left": [path for path in left if not path.startswith("data")],
    }


def child(work: Callable[[], object], log: Path) -> int:
    """Do ``work`` in a child; return how it ended, as from ``os.waitpid``."""
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(handle, 1)
            os.dup2(handle, 2)
            work()
            code = 0
        except SystemExit as stop:
            code = int(stop.code or 0)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(code)
    return pid


KILLED = "killed:"
"""Begins the line of the log that says in which phase which event was the last."""


def arm(event: str, number: int) -> None:
    """Kill this process at the ``number``-th ``event``; the log says in which phase that was."""
    count, phase = 0, ["nothing"]
    enter = Loop._enter

    def remember(loop: Loop) -> None:
        phase[:] = [p.kind + (f"-H{p.level}" if p.level else "") for p in loop.phases[loop.phase :]] or ["end"]
        enter(loop)

    Loop._enter = remember  # type: ignore[method-assign]

    def tick() -> None:
        nonlocal count
        count += 1
        if count == number:
            print(KILLED, phase[0], event, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)

    def around(owner: Any, name: str, *, after: bool = False) -> None:
        original = getattr(owner, name)

        def wrapped(*args: Any, **keywords: Any) -> Any:
            if not after:
                tick()
            result = original(*args, **keywords)
            if after:
                tick()
            return result

        setattr(owner, name, wrapped)

    if event == "write":
        fdopen = os.fdopen
        os.fdopen = lambda *args: HalfWritten(fdopen(*args), tick)  # type: ignore[assignment, return-value, arg-type]
        return
    places: dict[str, tuple[Any, str, bool]] = {
        "step": (Loop, "_advance", True),
        "fsync": (os, "fsync", False),
        "replace": (os, "replace", False),
        "renamed": (os, "replace", True),
        "load": (execution, "load_progress", True),
        "evaluate": (execution, "evaluate", False),
        "forward": (evaluation, "run", True),
        "unlink": (execution, "clean_up", False),
    }
    owner, name, after = places[event]
    around(owner, name, after=after)


def kills(folder: Path) -> dict[str, Any]:
    """Each scenario uninterrupted, then killed again and again and resumed to its end."""
    found = {}
    for name, (chosen, plan) in scenarios_of.scenarios().items():
        whole, killed = folder / f"{name}-whole", folder / f"{name}-killed"
        run(chosen, whole)
        killed.mkdir()
        ends = []
        for event, number in plan:

            def work(event: str = event, number: int = number, where: Path = killed, one: RunSettings = chosen) -> None:
                arm(event, number)
                run(one, where)

            status = os.waitpid(child(work, killed / "log"), 0)[1]
            ends.append([event, number, os.WTERMSIG(status) if os.WIFSIGNALED(status) else -os.WEXITSTATUS(status)])
        metrics = run(chosen, killed)
        log = (killed / "log").read_text()
        (killed / "log").unlink()
        found[name] = {
            "ends": ends,
            "whole": outcome(whole, chosen.name),
            "killed": outcome(killed, chosen.name),
            "resumed": metrics["resumed"],
            "moments": [line.split()[1:] for line in log.splitlines() if line.startswith(KILLED)],
            "log": log,
        }
    return found


def together(folder: Path) -> dict[str, Any]:
    """Two runs one after the other in one process, and each in a process of its own."""
    chosen = [scenarios_of.settings(method, dataset) for dataset in ("kv", "mnist") for method in ("uhn", "direct")]

    def several(runs: list[RunSettings], where: Path) -> None:
        run_all(
            [[one] for one in runs],
            lambda one: run(*one, where),
            results=where / "results" / "runs",
            work=where / "work",
        )

    several(chosen, folder / "one")
    for one in chosen:
        os.waitpid(child(lambda one=one: several([one], folder / "apart"), folder / "log"), 0)  # type: ignore[misc]
    return {one.name: [outcome(folder / place, one.name) for place in ("one", "apart")] for one in chosen}


def signals(folder: Path) -> list[Any]:
    """``python -m uhn run``, stopped by SIGTERM, then by SIGINT, then left alone."""
    advance = Loop._advance
    progress, found = folder / "work" / "smoke" / "kan-ellipj" / "uhn" / "seed-21962" / "progress.ckpt", []
    arguments = ["uhn", "run", "kan-ellipj/uhn/seed-21962", "--profile", "smoke"]
    arguments += ["--params", str(folder / "params.yaml")]
    arguments += ["--results", str(folder / "results"), "--work", str(folder / "work"), "--data", str(folder / "data")]
    for number in (signal.SIGTERM, signal.SIGINT, None):

        def work(number: int | None = number) -> None:
            if number is not None:
                Loop._advance = lambda *args: (time.sleep(0.02), advance(*args))[1]  # type: ignore[method-assign]
            sys.argv = arguments
            runpy.run_module("uhn", run_name="__main__", alter_sys=True)

        before = progress.stat().st_mtime_ns if progress.exists() else 0
        log = folder / f"log-{number}"
        pid = child(work, log)
        if number is not None:
            while not progress.exists() or progress.stat().st_mtime_ns == before:
                assert os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None, log.read_text()
                time.sleep(0.01)
            os.kill(pid, number)
        status = os.waitpid(pid, 0)[1]
        code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else -os.WTERMSIG(status)
        found.append({"code": code, "log": log.read_text(), "progress": progress.exists()})
    return found


if __name__ == "__main__":
    main = Path(sys.argv[1])
    gc.freeze()  # no child looks through what was imported
    print(json.dumps({what.__name__: what(main) for what in (kills, together, signals)}))
