# Regenerates the tables: data -> runs -> tables. Which runs there are is asked of the plan; nothing here knows a
# hyperparameter. `snakemake --cores 1 tables --config profile=quick` (or paper, smoke).

import os
import shlex
import sys
from pathlib import Path

from snakemake.utils import min_version

min_version("9.19")
sys.path.insert(0, workflow.basedir)

from uhn.paper.config import ConfigError, load_config, workflow_options
from uhn.paper.runs.jobs import settle
from uhn.paper.plan import Plan

try:
    GIVEN = workflow_options(config)
    PROFILE = GIVEN.profile
    PLAN = Plan(load_config(GIVEN.params, PROFILE))
    PLAN.check()
except ConfigError as error:
    raise WorkflowError(str(error)) from None

RESULTS = f"results/{PROFILE}"
LOGS = f"logs/{PROFILE}"
# As a shell takes it, with braces as a rule's format string takes them.
OPTIONS = shlex.join(["--profile", PROFILE, "--params", GIVEN.params]).replace("{", "{{").replace("}", "}}")

# Jobs use the interpreter that runs snakemake, whether or not its environment is activated.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])


wildcard_constraints:
    experiment=r"(?!sweeps$)[^/]+",
    stage=r"stage\d+",
    trial=r"[^/]+",
    method=r"[^/]+",
    seed=r"\d+",
    dataset=r"[a-z0-9_]+",
    table=r"table\d\d",


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


# Nothing that was made is needed twice once all of it has been found in place.
onsuccess:
    settle(Path(RESULTS) / "runs", Path("work") / PROFILE)
    say_what_stands_in()


# With a cluster's executor these stay on the machine that submits: a compute node often has no network.
localrules:
    all,
    tables,
    data,
    runs,
    sweeps,
    fetch,
