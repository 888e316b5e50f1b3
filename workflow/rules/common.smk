# What the rules ask the plan: the files of runs and of choices, and what must stay the same for them to stand.

import time
from functools import cache
from math import ceil

from uhn.paper.costs import Cost, read_costs
from uhn.paper.names import RunId
from uhn.paper.runs.identity import settings_hash, source_digest
from uhn.paper.runs.jobs import result_files
from uhn.paper.sweeps.stages import STAGE_FILES
from uhn.tasks.receipts import notice, read_receipt, receipt_file


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


def receipt(dataset):
    return receipt_file(dataset).as_posix()


def what_stands_in():
    return notice(found for name in PLAN.datasets() if (found := read_receipt(name)))


def say_what_stands_in():
    if said := what_stands_in():
        print(f"uhn: {said}", file=sys.stderr, flush=True)


STARTED = time.monotonic()


def say_what_came_out():
    # The last lines, where the tables were asked for; of anything else, what stands in.
    if {"all", "tables"}.isdisjoint(workflow.dag_settings.targets or ["all"]):
        return say_what_stands_in()
    from uhn.paper.report.ending import ending  # here: every job reads this file, and pandas takes its time
    from uhn.paper.report.render import open_book

    book = open_book(Path("results"), PROFILE, Path(GIVEN.params), present=False)
    lines = ending(book, Path(RESULTS), time.monotonic() - STARTED, what_stands_in())
    print("", *lines, sep="\n", file=sys.stderr, flush=True)


def shown(path):
    # An output as `snakemake --report` shows it: tables, figures and pages, each under its name.
    file = Path(path)
    sort = {"tables": "Tables", "figures": "Figures"}.get(file.parent.name, "Pages")
    if file.suffix not in {"Tables": (".csv",), "Figures": (".svg",)}.get(sort, (".html", ".md")):
        return path
    profile = PROFILE if path.startswith(f"{RESULTS}/") else "the best of all"
    caption = workflow.source_path(f"../report/{sort.lower()}.rst")
    return report(path, category=sort, caption=caption, labels={"profile": profile, "name": file.stem})


def sets_of(names):
    # Files of the model sets that runs train on: the runs sample them anew, and start once they are written down.
    return sorted({SETS[PLAN.run(name).model_set] for name in names if PLAN.run(name).model_set is not None})


def rules_of_choice(sweeps):
    # What decides a choice beside the trials' values.
    return [[list(sweep.entry.guardrails.items()), sweep.entry.top, sorted(s.trials)] for sweep in sweeps for s in sweep.stages]


def search_files(keys):
    # A target asks for every file of a search: a job whose new trials nobody asks for would not be started.
    sweeps = [PLAN.sweeps[key] for key in keys]
    trials = [file for key in keys for name in PLAN.trial_names(key) for file in run_files(name)]
    return trials + [file for sweep in sweeps for stage in sweep.stages for file in stage_files(sweep, stage)]


# The functions below read what the wildcards of a rule say, where a job is one run or one trial.
def run_name(w):
    return str(RunId(w.experiment, w.method, int(w.seed)))


def trial_name(w):
    return str(RunId(w.experiment, w.method, int(w.seed), w.stage, w.trial))


def stage_of(w):
    sweep = PLAN.sweeps[f"{w.experiment}/{w.method}"]
    return sweep, sweep.stage(w.stage)


def outcome_before(w):
    sweep, stage = stage_of(w)
    before = sweep.before(stage)
    return [sweep.file(Path(RESULTS), before).as_posix()] if before else []


def trials_until(w):
    sweep, stage = stage_of(w)
    return [file for each in sweep.stages[: stage.number] for name in sweep.run_names(each) for file in run_files(name)]
