# Every table, figure and page of the profile, from the facts and the runs' small files alone. The lists are asked of
# the plan, and `uhn render all` works from the same ones.

from uhn.experiments.digest import room_digest
from uhn.experiments.plan import plan_hash
from uhn.reporting.wanted import read_files, rendered_files

RENDERED = [path.as_posix() for path in rendered_files(PLAN, Path("results"))]


rule tables:
    input:
        RENDERED,


rule render:
    input:
        [path.as_posix() for path in read_files(PLAN, Path("results"))],
    output:
        RENDERED,
    params:
        plan=plan_hash(PLAN),
        code=room_digest("reporting"),
    log:
        f"{LOGS}/render.log",
    shell:
        f"python -m uhn render all {OPTIONS} 2>&1 | tee -i {{log:q}}"
