# Every table, figure and page of the profile, from the runs' small files alone.

from uhn.experiments.digest import room_digest
from uhn.experiments.plan import plan_hash

SUFFIXES = ("md", "csv", "tex", "provenance.json")
TABLES = [name for name, table in PLAN.tables.items() if table.runs]


rule tables:
    input:
        [f"{RESULTS}/tables/{table}.{suffix}" for table in TABLES for suffix in SUFFIXES],
        f"{RESULTS}/coverage.md",
        f"{RESULTS}/report.html",


rule render:
    input:
        [f"{RESULTS}/runs/{name}/{file}" for name in PLAN.runs for file in ("metrics.json", "history.csv")],
    output:
        [f"{RESULTS}/tables/{table}.{suffix}" for table in TABLES for suffix in SUFFIXES],
        f"{RESULTS}/coverage.md",
        f"{RESULTS}/report.html",
    params:
        plan=plan_hash(PLAN),
        code=room_digest("reporting"),
    log:
        f"{LOGS}/render.log",
    shell:
        f"python -m uhn render all {OPTIONS} 2>&1 | tee -i {{log}}"
