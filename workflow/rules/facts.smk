# What tables say that no run measures: the sampled model sets, the fields that layers use, the citation graphs.

from uhn.paper.runs.digest import package_digest
from uhn.paper.wanted import MEASURED_BY, fact_files, planned_graphs, planned_sets, set_files

SETS = {name: path.as_posix() for name, path in set_files(PLAN, Path("results")).items()}
FACTS = {topic: path.as_posix() for topic, path in fact_files(PLAN, Path("results")).items()}


if SETS:

    rule model_sets:
        localrule: True
        output:
            list(SETS.values()),
        params:
            names=list(SETS),
            code=package_digest(*MEASURED_BY["model-sets"]),
        log:
            f"{LOGS}/model_sets.log",
        shell:
            f"python -m uhn modelset write {{params.names:q}} --profile {PROFILE} {LOGGED}"


rule facts:
    localrule: True
    input:
        list(SETS.values()),
        [receipt(name) for name in planned_graphs(PLAN)],
    output:
        list(FACTS.values()),
    params:
        topics=list(FACTS),
        sets=planned_sets(PLAN),
        code=package_digest(*(package for topic in FACTS for package in MEASURED_BY[topic])),
    log:
        f"{LOGS}/facts.log",
    shell:
        f"python -m uhn facts {{params.topics:q}} {OPTIONS} {LOGGED}"
