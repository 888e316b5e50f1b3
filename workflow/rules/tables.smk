# Every table, figure and page of the profile, from the facts and the runs' small files alone. The lists are asked of
# the plan, and `uhn render all` works from the same ones.

from uhn.paper.runs.digest import package_digest
from uhn.paper.plan import plan_hash
from uhn.paper.report.formats import FORMATS
from uhn.paper.wanted import look_digest, page_names, read_files, rendered_files, table_files

RENDERED = [path.as_posix() for path in rendered_files(PLAN, Path("results"))]
READ = [path.as_posix() for path in read_files(PLAN, Path("results"))]


# The runs' files are asked for too: nobody would miss one that is gone as long as the tables are there.
rule tables:
    input:
        RENDERED,
        "results/report.html",
        READ,
        [file for name in (*PLAN.runs, *PLAN.trials) for file in run_files(name)],


READING = {"plan": plan_hash(PLAN), "code": package_digest("paper/report", "paper/tables", "paper/wanted.py")}
READING["look"] = look_digest()


# The best evidence of all profiles that are there, the kept ones included.
rule overview:
    localrule: True
    input:
        RENDERED,
        [local(path.as_posix()) for path in sorted(Path("results/reference").glob("*/records.jsonl"))],
    output:
        shown("results/report.html"),
    params:
        **READING,
    log:
        f"{LOGS}/overview.log",
    shell:
        f"python -m uhn render overview {OPTIONS} {LOGGED}"


if PLAN.config.profile.grouping == "run":

    # A table asks for its own runs: `snakemake -- results/paper/tables/table11.md --config profile=paper`.
    rule table:
        localrule: True
        input:
            lambda w: [path.as_posix() for path in table_files(PLAN, Path("results"), w.table)],
        output:
            [shown(f"{RESULTS}/tables/{{table}}.{form}") for form in FORMATS],
        params:
            **READING,
        log:
            f"{LOGS}/render/{{table}}.log",
        shell:
            f"python -m uhn render {{wildcards.table:q}} {OPTIONS} {LOGGED}"

    rule pages:
        localrule: True
        input:
            READ,
        output:
            [shown(path) for path in RENDERED if not path.startswith(f"{RESULTS}/tables/")],
        params:
            names=page_names(PLAN),
            **READING,
        log:
            f"{LOGS}/render.log",
        shell:
            f"python -m uhn render {{params.names:q}} {OPTIONS} {LOGGED}"

else:

    rule render:
        localrule: True
        input:
            READ,
        output:
            [shown(path) for path in RENDERED],
        params:
            **READING,
        log:
            f"{LOGS}/render.log",
        shell:
            f"python -m uhn render all {OPTIONS} {LOGGED}"
