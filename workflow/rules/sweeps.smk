# Staged sweeps: a stage starts from what the stage before chose, which it reads inside the job. The number of trials is
# known from params.yaml, so a dry run shows all of them.

import re

from uhn.paper.runs.digest import package_digest
from uhn.paper.names import FOLDER

SELECTION = package_digest("paper/sweeps/selection.py", "paper/commands/sweep.py")


rule sweeps:
    input:
        search_files(PLAN.sweeps),


if PLAN.config.profile.grouping == "run":

    rule trial:
        input:
            outcome_before,
            lambda w: [receipt(d) for d in PLAN.datasets([trial_name(w)])],
            lambda w: sets_of([trial_name(w)]),
        output:
            update(run_files(f"{FOLDER}/{{experiment}}/{{method}}/{{stage}}/{{trial}}/seed-{{seed}}")),
        params:
            identities=lambda w: identities([trial_name(w)]),
            name=trial_name,
        threads: lambda w: PLAN.run(trial_name(w)).compute.threads
        resources:
            gpu=GIVEN.gpus,
            mem_mb=lambda w, attempt: MEGABYTES * attempt,
            runtime=lambda w, attempt: minutes([trial_name(w)], attempt),
        log:
            f"{LOGS}/{FOLDER}/{{experiment}}/{{method}}/{{stage}}/{{trial}}/seed-{{seed}}.log",
        shell:
            f"python -m uhn run {{params.name:q}} {OPTIONS} {LOGGED}"

    rule select:
        input:
            trials_until,
            outcome_before,
        output:
            [f"{RESULTS}/{FOLDER}/{{experiment}}/{{method}}/{{stage}}.{ending}" for ending in STAGE_FILES],
        params:
            choice=lambda w: rules_of_choice([stage_of(w)[0]]),
            code=SELECTION,
        log:
            f"{LOGS}/{FOLDER}/{{experiment}}/{{method}}/{{stage}}.log",
        shell:
            f"python -m uhn sweep {{wildcards.experiment:q}}/{{wildcards.method:q}} --stage {{wildcards.stage:q}} --select {OPTIONS} {LOGGED}"

else:

    for job, keys in PLAN.sweep_groups.items():
        trial_names = [name for key in keys for name in PLAN.trial_names(key)]

        rule:
            name:
                f"search_{re.sub(r'[^0-9A-Za-z]', '_', job)}"
            input:
                [receipt(dataset) for dataset in PLAN.datasets(trial_names)],
                sets_of(trial_names),
            output:
                update([file for name in trial_names for file in run_files(name)]),
                [file for key in keys for stage in PLAN.sweeps[key].stages for file in stage_files(PLAN.sweeps[key], stage)],
            params:
                identities=sorted(identities(trial_names)),
                choice=rules_of_choice([PLAN.sweeps[key] for key in keys]),
                code=SELECTION,
                job=job,
            threads: max(PLAN.run(name).compute.threads for name in trial_names)
            resources:
                gpu=GIVEN.gpus,
                mem_mb=lambda w, attempt: MEGABYTES * attempt,
                runtime=lambda w, attempt, names=trial_names: minutes(names, attempt),
            log:
                f"{LOGS}/{job}.log",
            benchmark:
                f"{LOGS}/{job}.benchmark.tsv"
            shell:
                f"python -m uhn sweep --job {{params.job:q}} {OPTIONS} {LOGGED}"
