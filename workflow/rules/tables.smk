# Every table, figure and page of the profile, from the runs' small files alone.

from uhn.experiments.digest import room_digest
from uhn.experiments.plan import plan_hash
from uhn.reporting.catalogue import tables as catalogue

# Tables that are made from the code alone (6-9), and those with runs.
TABLES = [name for name, spec in catalogue().items() if spec.needs == "code"]
TABLES += [name for name, table in PLAN.tables.items() if table.runs and name not in TABLES]
EXPERIMENTS = {run.experiment for run in PLAN.runs.values()}
# Figures, by the rows that they are drawn from.
DRAWN = {
    "figure3": any(row.enabled for row in PLAN.tables["table03"].rows),
    "figure5": all(name in EXPERIMENTS for name in ("transformer-mixed", "transformer-mixed-no-init")),
    "parameters": sum(row.enabled for row in PLAN.tables["table02"].rows) > 1,
}
RENDERED = [
    *(f"{RESULTS}/tables/{name}.{end}" for name in TABLES for end in ("md", "csv", "tex", "provenance.json")),
    *(f"{RESULTS}/figures/{name}.{end}" for name, drawn in DRAWN.items() if drawn for end in ("png", "svg")),
    f"{RESULTS}/coverage.md",
    f"{RESULTS}/report.html",
]


rule tables:
    input:
        RENDERED,


rule render:
    input:
        [f"{RESULTS}/runs/{name}/{file}" for name in PLAN.runs for file in ("metrics.json", "history.csv")],
    output:
        RENDERED,
    params:
        plan=plan_hash(PLAN),
        code=room_digest("reporting"),
    log:
        f"{LOGS}/render.log",
    shell:
        f"python -m uhn render all descriptors {OPTIONS} 2>&1 | tee -i {{log}}"
