# A receipt per dataset says that its files are there and have their checksums, or what takes their place and why. The special
# functions need none.

from uhn.tasks.receipts import outdated

# Nothing would look again at a dataset that was unavailable: its receipt is there, and no rule made it differently.
if workflow.is_main_process:
    for name in PLAN.datasets():
        if outdated(name, Path("data")):
            receipt_file(name).unlink(missing_ok=True)
    say_what_stands_in()


onerror:
    say_what_stands_in()


rule data:
    input:
        [receipt(dataset) for dataset in PLAN.datasets()],


rule fetch:
    output:
        receipt("{dataset}"),
    params:
        folder=lambda w, output: Path(output[0]).parent.as_posix(),
        missing=lambda w: ["--allow-missing"] if PLAN.may_be_missing(w.dataset) else [],
    log:
        "logs/data/{dataset}.log",
    shell:
        f"python -m uhn data fetch {{wildcards.dataset:q}} {{params.missing:q}} --receipts {{params.folder:q}} {LOGGED}"
