# Every table, figure and page of the profile, from the facts and the runs' small files alone. The lists are asked of
# the plan, and `uhn render all` works from the same ones.

from uhn.paper.runs.digest import package_digest
from uhn.paper.plan import plan_hash
from uhn.paper.wanted import read_files, rendered_files

RENDERED = [path.as_posix() for path in rendered_files(PLAN, Path("results"))]
READ = [path.as_posix() for path in read_files(PLAN, Path("results"))]


# The runs' files are asked for too: nobody would miss one that is gone as long as the tables are there.
rule tables:
    input:
        RENDERED,
        READ,
        [file for name in (*PLAN.runs, *PLAN.trials) for file in run_files(name)],


rule render:
    input:
        READ,
    output:
        RENDERED,
    params:
        plan=plan_hash(PLAN),
        code=package_digest("paper/report", "paper/tables", "paper/wanted.py"),
    log:
        f"{LOGS}/render.log",
    shell:
        f"python -m uhn render all {OPTIONS} {LOGGED}"
