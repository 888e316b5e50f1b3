"""A process that trains tiny runs in children and kills them where the test says. It imports once and forks.

Usage: ``python durability_driver.py FOLDER`` with a ``params.yaml`` in it; the last line of its output is JSON.
"""

from __future__ import annotations

import csv
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

torch.set_num_threads(1)

import uhn.experiments.build as building  # noqa: E402
import uhn.experiments.execute as execution  # noqa: E402
import uhn.tasks.load as loading  # noqa: E402
import uhn.training.evaluate as evaluation  # noqa: E402
from uhn.experiments.jobs import run_all  # noqa: E402
from uhn.experiments.settings import RunSettings  # noqa: E402
from uhn.models import zoo  # noqa: E402
from uhn.models.feedforward import mlp  # noqa: E402
from uhn.training.loop import Loop  # noqa: E402

building.zoo = lambda name: mlp((784, 12, 10)) if name == "mlp-mnist" else zoo(name)
loading._obtained = lambda *args: False  # generated images, whatever data there are on this machine
loading.load_builtin_mnist = lambda: None

INIT, EPOCHS = 5, 9
VOLATILE = ("wall_time_s", "resumed", "finished_at")
"""What may differ between a run and its repetition."""

TO_THE_END: tuple[tuple[str, int], ...] = (
    # initialisation
    ("replace", 1),
    ("step", 1),
    ("write", 2),
    ("fsync", 3),
    ("replace", 3),
    ("renamed", 3),
    ("load", 1),
    ("step", 3),
    # training
    ("step", 1),
    ("replace", 2),
    ("renamed", 2),
    ("step", 2),
    ("write", 3),
    ("fsync", 5),
    ("step", 2),
    # validation at the end of an epoch: before it, and in its midst
    ("evaluate", 1),
    ("forward", 1),
    ("renamed", 5),
    # all steps done: the last evaluation, then each file of the results
    ("evaluate", 1),
    ("write", 2),
    ("replace", 2),
    ("renamed", 2),
    ("replace", 3),
    ("renamed", 3),
    ("replace", 4),
    ("unlink", 1),
)
SHORT: tuple[tuple[str, int], ...] = (("step", 3), ("replace", 4), ("write", 4), ("evaluate", 1), ("forward", 1))
SHORT += (("replace", 3),)
"""Moments at which the n-th occurrence of an event kills; each child goes on where the one before it was killed."""

EVERY: dict[str, Any] = {"seed": 3, "checkpoint_seconds": 1e-9, "compute": {"device": "cpu", "threads": 1}}
GENERATOR = {"hidden": 8, "blocks": 1, "index_frequencies": 8}
MODELS = {"mnist": "mlp-mnist", "cifar10": "cnn20-cifar10", "kv": "kan-g5-kv"}
PAPER = {"init_steps": 0, "train_steps_or_epochs": 1, "unit": "steps", "train_steps": 1, "batch_size": 1}


def settings(method: str, dataset: str, **other: Any) -> RunSettings:
    """A run of a few steps: three mini-batches an epoch on images, full batches on a function."""
    images = dataset != "kv"
    data: dict[str, Any] = {
        "name": f"{dataset}/{method}/seed-3",
        "experiment": dataset,
        "method": method,
        "tasks": [{"dataset": dataset, "model": MODELS[dataset]}],
        "train": {"lr": 0.01, "warmup": 1, "batch_size": 16, "epochs": EPOCHS // 3 if images else EPOCHS},
        "paper": PAPER | {"generator": None, "seeds": 1},
    }
    if images:
        data |= {"data": {"train_rows": 40, "test_rows": 20, "stand_in": True}}
        data |= {"validate_split": True, "evaluate_every": 1}
    if method == "uhn":
        data |= {"generator": GENERATOR, "init": {"steps": INIT, "lr": 0.001}}
    return RunSettings.model_validate(EVERY | data | other)


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


class Half:
    """A file that dies when half of its content is written."""

    def __init__(self, file: Any, tick: Callable[[], None]) -> None:
        self.file, self.tick = file, tick

    def __enter__(self) -> Half:
        return self

    def __exit__(self, *args: object) -> None:
        self.file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)

    def write(self, data: bytes) -> None:
        self.file.write(data[: len(data) // 2])
        self.file.flush()
        self.tick()
        self.file.write(data[len(data) // 2 :])


def arm(event: str, number: int) -> None:
    """Kill this process at the ``number``-th ``event``."""
    count = 0

    def tick() -> None:
        nonlocal count
        count += 1
        if count == number:
            sys.stdout.flush()
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
        os.fdopen = lambda *args: Half(fdopen(*args), tick)  # type: ignore[assignment, return-value, arg-type]
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
    for method, dataset, plan in (
        ("direct", "mnist", TO_THE_END),
        ("uhn", "mnist", TO_THE_END),
        ("direct", "kv", SHORT),
        ("uhn", "kv", SHORT),
        ("ha", "cifar10", SHORT),
        ("chunked", "kv", SHORT),
    ):
        if method != "uhn":  # nothing to initialise: those moments would come during training, past its end
            plan = plan[:6] + plan[8:]
        chosen = settings(method, dataset, **({} if method == "uhn" else {"train": long_training(dataset)}))
        whole, killed = folder / f"{method}-{dataset}-whole", folder / f"{method}-{dataset}-killed"
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
        found[f"{method}-{dataset}"] = {
            "ends": ends,
            "whole": outcome(whole, chosen.name),
            "killed": outcome(killed, chosen.name),
            "resumed": metrics["resumed"],
            "log": log,
        }
    return found


def long_training(dataset: str) -> dict[str, Any]:
    """As many steps as a run with an initialisation phase has in all."""
    steps = INIT + EPOCHS
    return {"lr": 0.01, "warmup": 1, "batch_size": 16} | ({"epochs": steps} if dataset == "kv" else {"steps": steps})


def together(folder: Path) -> dict[str, Any]:
    """Two runs one after the other in one process, and each in a process of its own."""
    chosen = [settings(method, dataset) for dataset in ("kv", "mnist") for method in ("uhn", "direct")]

    def several(runs: list[RunSettings], where: Path) -> None:
        run_all(runs, lambda one: run(one, where), results=where / "results" / "runs", work=where / "work")

    several(chosen, folder / "one")
    for one in chosen:
        os.waitpid(child(lambda one=one: several([one], folder / "apart"), folder / "log"), 0)  # type: ignore[misc]
    return {one.name: [outcome(folder / place, one.name) for place in ("one", "apart")] for one in chosen}


def signals(folder: Path) -> list[Any]:
    """``python -m uhn run``, stopped by SIGTERM, then by SIGINT, then left alone."""
    advance = Loop._advance
    progress, found = folder / "work" / "smoke" / "kan-kv" / "uhn" / "seed-21962" / "progress.ckpt", []
    arguments = ["uhn", "run", "kan-kv/uhn/seed-21962", "--profile", "smoke", "--params", str(folder / "params.yaml")]
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
                time.sleep(0.01)
            os.kill(pid, number)
        status = os.waitpid(pid, 0)[1]
        code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else -os.WTERMSIG(status)
        found.append({"code": code, "log": log.read_text(), "progress": progress.exists()})
    return found


if __name__ == "__main__":
    main = Path(sys.argv[1])
    print(json.dumps({what.__name__: what(main) for what in (kills, together, signals)}))
