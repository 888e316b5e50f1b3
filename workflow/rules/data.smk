# A receipt per dataset says which files are there and that they have their pins. The special functions need none.


def receipt(dataset):
    return f"data/receipts/{dataset}.txt"


rule data:
    input:
        [receipt(dataset) for dataset in PLAN.datasets()],


rule fetch:
    output:
        "data/receipts/{dataset}.txt",
    params:
        mirror=os.environ.get("UHN_DATA_MIRROR", ""),
        missing=lambda w: ["--allow-missing"] if PLAN.may_be_missing(w.dataset) else [],
    log:
        "logs/data/{dataset}.log",
    shell:
        "python -m uhn data fetch {wildcards.dataset:q} {params.missing:q} > {log:q} 2>&1 && "
        "(python -m uhn data verify {wildcards.dataset:q} || true) > {output:q} 2>> {log:q}"
