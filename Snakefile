# Regenerates the tables: data -> runs -> tables. Which runs there are is asked of the plan; nothing here knows a
# hyperparameter. `snakemake --cores 1 tables --config profile=quick` (or paper, smoke).

import os
import sys
from pathlib import Path

from snakemake.utils import min_version

min_version("9.19")
sys.path.insert(0, workflow.basedir)

from uhn.experiments.config import ConfigError, load_config
from uhn.experiments.plan import Plan

PROFILE = str(config.get("profile", "quick"))
PARAMS = str(config.get("params", "params.yaml"))
try:
    PLAN = Plan(load_config(PARAMS, PROFILE))
    PLAN.runs
except ConfigError as error:
    raise WorkflowError(str(error)) from None

RESULTS = f"results/{PROFILE}"
LOGS = f"logs/{PROFILE}"
OPTIONS = f"--profile {PROFILE} --params {PARAMS}"

# Jobs use the interpreter that runs snakemake, whether or not its environment is activated.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])


wildcard_constraints:
    experiment=r"(?!sweeps$)[^/]+",
    stage=r"stage\d+",
    trial=r"[^/]+",
    method=r"[^/]+",
    seed=r"\d+",
    dataset=r"[a-z0-9_]+",


include: "workflow/rules/common.smk"
include: "workflow/rules/tables.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/facts.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/sweeps.smk"


# The first rule of this file is what a bare `snakemake` makes.
rule all:
    input:
        rules.tables.input,


localrules:
    all,
    tables,
    data,
    runs,
    sweeps,
