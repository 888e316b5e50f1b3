# A job carries the runs that the plan puts together. The outputs are marked `update`, so that a job that has to add
# one run, or that a killed snakemake left to itself, finds the finished ones and leaves them alone; a run's progress
# file under work/ is no output of any rule.

import re


rule runs:
    input:
        [file for name in PLAN.runs for file in run_files(name)],


if PLAN.config.profile.grouping == "run":

    rule train:
        input:
            lambda w: [receipt(d) for d in PLAN.datasets([run_name(w)])],
            lambda w: sets_of([run_name(w)]),
            lambda w: selections_of([run_name(w)]),
        output:
            update(run_files("{experiment}/{method}/seed-{seed}")),
        params:
            identities=lambda w: identities([run_name(w)]),
        threads: lambda w: PLAN.runs[run_name(w)].compute.threads
        resources:
            gpu=GIVEN.gpus,
            mem_mb=lambda w, attempt: MEGABYTES * attempt,
            runtime=lambda w, attempt: minutes([run_name(w)], attempt),
        log:
            f"{LOGS}/{{experiment}}/{{method}}/seed-{{seed}}.log",
        benchmark:
            f"{LOGS}/{{experiment}}/{{method}}/seed-{{seed}}.benchmark.tsv"
        shell:
            f"python -m uhn run {{wildcards.experiment:q}}/{{wildcards.method:q}}/seed-{{wildcards.seed:q}} {OPTIONS} {LOGGED}"

else:

    for job, names in PLAN.groups.items():

        rule:
            name:
                f"train_{re.sub(r'[^0-9A-Za-z_]', '_', job)}"
            input:
                [receipt(dataset) for dataset in PLAN.datasets(names)],
                sets_of(names),
                selections_of(names),
            output:
                update([file for name in names for file in run_files(name)]),
            params:
                identities=identities(names),
                job=job,
            threads: max(PLAN.runs[name].compute.threads for name in names)
            resources:
                gpu=GIVEN.gpus,
                mem_mb=lambda w, attempt: MEGABYTES * attempt,
                runtime=lambda w, attempt, names=names: minutes(names, attempt),
            log:
                f"{LOGS}/{job}.log",
            benchmark:
                f"{LOGS}/{job}.benchmark.tsv"
            shell:
                f"python -m uhn run --job {{params.job:q}} {OPTIONS} {LOGGED}"
