# What the rules have in common: the files of runs and of choices, and what must stay the same for them to stand.

from functools import cache
from math import ceil

from uhn.paper.costs import Cost, read_costs
from uhn.paper.runs.identity import settings_hash, source_digest
from uhn.paper.runs.jobs import result_files
from uhn.paper.sweeps.stages import STAGE_FILES


# Ends a command: its words go to the terminal and to the log, and its exit code stands, whatever becomes of the log.
LOGGED = '2>&1 | tee -i {log:q} || exit "${{PIPESTATUS[0]}}"'


def run_files(name):
    return [f"{RESULTS}/runs/{name}/{file}" for file in result_files(name)]


def identities(names):
    # What must stay the same for a finished run to stand; under `mark`, code may change and the tables say so.
    marks = PLAN.config.profile.code_changes == "mark"
    runs = [PLAN.run(name) for name in names]
    return [settings_hash(run) if marks else f"{settings_hash(run)}:{source_digest(run)}" for run in runs]


def stage_files(sweep, stage):
    return [sweep.file(Path(RESULTS), stage, ending).as_posix() for ending in STAGE_FILES]


def selection(key):
    # What a sweep chooses in the end.
    return PLAN.sweeps[key].file(Path(RESULTS), PLAN.sweeps[key].stages[-1]).as_posix()


def selections_of(names):
    # Sweeps whose choice these runs take.
    return [selection(key) for key in PLAN.selections_of(names)]


@cache
def costs():
    known = read_costs(Path("results/reference") / PROFILE)
    return Cost(known | Cost.known(Path(RESULTS), (PLAN.runs | PLAN.trials).values()).seconds)


def minutes(names, attempt):
    # For a scheduler: three times what such runs have been measured to take, a day where nobody has; a retry gets more.
    hours = costs().hours([PLAN.run(name) for name in names])
    return attempt * (1440 if hours is None else max(10, ceil(180 * hours)))


MEGABYTES = 6000  # what a job that trains asks a scheduler for: PyTorch, the data, what a training step keeps
