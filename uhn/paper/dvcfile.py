"""dvc.yaml, written from the plan: coarse stages whose commands ask Snakemake for one target each.

DVC owns hashes, cache and remotes; Snakemake decides what runs. Every output persists, because DVC would otherwise
delete it before the command and Snakemake would make all of it again.
"""

from __future__ import annotations

from typing import Any

import yaml

from uhn.paper.names import FOLDER
from uhn.paper.plan import Plan
from uhn.tasks import DATASETS
from uhn.tasks.graphs import GraphDataset
from uhn.tasks.receipts import receipt_file

CODE = ("Snakefile", "workflow", "uhn")

COMMANDS = 'PATH="$PATH:$DVC_ROOT/.venv/bin"'
"""Where a stage finds `snakemake` and `uhn`: in the activated environment, else in the one that `make` set up."""


def pipeline(plan: Plan) -> dict[str, Any]:
    """Return the content of dvc.yaml for one profile: stages for data, for each kind of run, and for the tables."""
    profile = plan.profile
    results = f"results/{profile}"
    stages: dict[str, Any] = {}

    def snakemake(target: str) -> str:
        return f"{COMMANDS} snakemake {target} --cores 1 --config profile={profile}"

    # Two pipelines may not have the same output: the data belong to the quick profile's, which needs all of them.
    for folder in dict.fromkeys(DATASETS[name].folder for name in plan.datasets() if profile == "quick"):
        receipts = [receipt_file(name).as_posix() for name in plan.datasets() if DATASETS[name].folder == folder]
        stages[f"data-{folder}"] = {
            "cmd": f"{snakemake(' '.join(receipts))} && mkdir -p data/{folder}",
            "outs": [_persist(f"data/{folder}"), *map(_persist, receipts)],
        }
    sets = [f"{results}/model-sets"] if any(run.model_set for run in plan.runs.values()) else []
    if sets:
        stages["model-sets"] = {"cmd": snakemake("model_sets"), "deps": [*CODE], "outs": [_persist(*sets)]}
    choices: dict[str, str] = {}
    for part, keys in plan.sweep_groups.items():
        searched = [plan.sweeps[key] for key in keys]
        trials = [name for key in keys for name in plan.trial_names(key)]
        own = sets if any(plan.trials[name].model_set for name in trials) else []
        choices |= {sweep.key: f"{results}/{FOLDER}/{sweep.key}" for sweep in searched}
        stages[part] = {
            "cmd": snakemake(part.replace("-", "_")),
            "deps": [*(receipt_file(name).as_posix() for name in plan.datasets(trials)), *own, *CODE],
            "params": ["seeds", "defaults", "experiments", "sweeps", f"profiles.{profile}"],
            "outs": [
                _persist(path)
                for sweep in searched
                for path in (f"{results}/runs/{FOLDER}/{sweep.key}", choices[sweep.key])
            ],
        }
    for part, names in plan.parts.items():
        experiments = dict.fromkeys(plan.runs[name].experiment for name in names)
        own = sets if any(plan.runs[name].model_set for name in names) else []
        stages[f"runs-{part}"] = {
            "cmd": snakemake(f"runs_{part.replace('-', '_')}"),
            "deps": [
                *(receipt_file(name).as_posix() for name in plan.datasets(names)),
                *own,
                *(choices[key] for key in plan.selections_of(names)),
                *CODE,
            ],
            "params": ["seeds", "defaults", "experiments", f"profiles.{profile}"],
            "outs": [_persist(f"{results}/runs/{name}") for name in experiments],
        }
    graphs = [receipt_file(name).as_posix() for name in plan.datasets() if isinstance(DATASETS[name], GraphDataset)]
    stages["facts"] = {
        "cmd": snakemake("facts"),
        "deps": [*graphs, *sets, *CODE],
        "params": ["experiments", f"profiles.{profile}"],
        "outs": [_persist(f"{results}/facts")],
    }
    made = [f"{results}/tables", f"{results}/figures", f"{results}/coverage.md", f"{results}/report.html"]
    stages["tables"] = {
        "cmd": f"{snakemake('tables')} && mkdir -p {results}/figures",
        "deps": [*(f"{results}/runs/{run}" for run in dict.fromkeys(r.experiment for r in plan.runs.values()))]
        + [*choices.values(), f"{results}/facts", *CODE],
        "params": ["tables", "sweeps", f"profiles.{profile}"],
        "outs": [_persist(path) for path in made],
    }
    stages["metrics"] = {
        "cmd": f"{COMMANDS} uhn metrics --profile {profile} --out metrics/{profile}.json",
        "deps": [f"{results}/tables"],
        "metrics": [{f"metrics/{profile}.json": {"cache": False, "persist": True}}],
    }
    if profile != "quick":  # a pipeline of its own, so that a bare `dvc repro` ignores it
        stages = {name: {"wdir": "../..", **stage} for name, stage in stages.items()}
    return {"stages": stages}


def plots(plan: Plan) -> list[dict[str, Any]]:
    """Return the loss curves of the first seed, a plot per experiment.

    The template ``.dvc/plots/phases.json`` draws initialisation (of a chain: each level) and training one above the
    other: each counts its own steps, and their losses are of different things.
    """
    curves: dict[str, dict[str, str]] = {}
    for run in plan.runs.values():
        if run.seed == plan.config.seeds(run.experiment)[0]:
            curves.setdefault(run.experiment, {})[f"results/{plan.profile}/runs/{run.name}/history.csv"] = "loss"
    how = {"x": "step", "template": "phases"}
    return [{f"loss of {name}": how | {"y": y, "title": name}} for name, y in curves.items()]


def dvc_yaml(plan: Plan) -> str:
    """Return the file's text."""
    content = pipeline(plan)
    if plan.profile == "quick":
        content["plots"] = plots(plan)
    head = f"# Written by `uhn dvc --profile {plan.profile}`; change params.yaml, not this file.\n"
    return head + yaml.safe_dump(content, sort_keys=False, width=120)


def _persist(path: str) -> dict[str, Any]:
    return {path: {"persist": True}}
