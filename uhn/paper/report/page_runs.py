"""The part of the page about runs: a fold per experiment with its curves, and in it one per source and one per run."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from uhn.paper.names import parse_group
from uhn.paper.report.book import Book, Evidence
from uhn.paper.report.curves import Band, band, history_curves, legend, svg
from uhn.paper.report.reductions import dataset_names
from uhn.paper.runs.archive import HISTORIES, RECORDS
from uhn.paper.runs.checkout import in_words
from uhn.paper.runs.results import Run, load_history
from uhn.paper.settings import RETIRED
from uhn.paper.tables import published as paper
from uhn.paper.tables.keys import CellKey
from uhn.paper.tables.several import FAMILIES
from uhn.paper.tables.single import FUNCTIONS, SINGLE, SIZES, TITLES

Places = Mapping[str, Sequence[tuple[str, str, str]]]
"""By group of runs, the cells that rest on it: table, row, column."""

OWN = ("name", "experiment", "method", "seed")
"""Settings that a run's name says."""


SEEDS = ("Result", "Time", "Identity")
"""Facts that each seed has of its own, even a single one."""


def anchor(group: str) -> str:
    """An element id for a group of runs or a run."""
    return "runs-" + re.sub(r"[^A-Za-z0-9]+", "-", group)


def titled(experiment: str) -> str:
    """An experiment in words, with its name where it has others."""
    words = SINGLE.get(experiment, ("", "", ""))[1:] if experiment in SINGLE else ()
    title = " ".join(words) or SIZES.get(experiment, "") or FAMILIES.get(experiment, ("",))[0]
    title = title or FUNCTIONS.get(experiment.removeprefix("kan-"), "")
    return f"{title} ({experiment})" if title else experiment


def told(run: Run) -> str:
    """Seed and value of a run in a few characters."""
    value = "diverged" if not run.finished else "several values" if run["value"] is None else f"{run['value']:.6g}"
    return f"seed {run['seed']}: {value}"


def experiments(book: Book, groups: Mapping[str, Evidence], places: Places) -> list[dict[str, Any]]:
    """What the page shows of every experiment with runs, in the order of ``groups``."""
    found: dict[str, dict[str, Evidence]] = {}
    for name, evidence in groups.items():
        experiment, source = parse_group(name)
        found.setdefault(experiment, {})[source] = evidence
    return [
        {
            "id": anchor(experiment),
            "title": titled(experiment),
            "plots": (plots := _plots(experiment, sources)),
            "legend": _legend(sources, plots),
            "sources": [_source(name, each, places.get(each.key.group, ())) for name, each in sources.items()],
        }
        for experiment, sources in found.items()
    ]


def _legend(sources: Iterable[str], plots: Iterable[Mapping[str, Any]]) -> Markup:
    levels, papers = (any(word in plot["picture"] for plot in plots) for word in ('class="level', 'class="papers"'))
    return Markup(legend([TITLES.get(source, source) for source in sources], levels=levels, paper=papers))


def _source(source: str, evidence: Evidence, places: Sequence[tuple[str, str, str]]) -> dict[str, Any]:
    runs, book = evidence.found, evidence.book
    settings = {k: v for k, v in sorted(runs[0].settings.items()) if k not in (*OWN, *RETIRED) and v is not None}
    each = [_run(run, evidence) for run in runs]
    same = [(k, v) for k, v in each[0].items() if k not in SEEDS and all(facts.get(k) == v for facts in each)]
    names = [k for k in dict.fromkeys(k for facts in each for k in facts) if k not in dict(same)]
    facts = [
        ("Evidence", book.label),
        ("Not as in the paper", "; ".join(each.phrase for each in evidence.differences) or "nothing"),
        ("Data", "; ".join(sorted({data_words(record) for run in runs for record in run["data"]}))),
        ("Code", f"digest {', '.join(_shared(str(run['code'].get('digest'))[:16] for run in runs))}"),
        ("Baseline", str(evidence.baseline or "")),
        ("Machine", "; ".join(_shared(_machine(run) for run in runs))),
        ("Software", "; ".join(_shared(_words(run.get("software", {})) for run in runs))),
        ("Parameters", "; ".join(_shared(_parameters(run) for run in runs))),
        *same,
        ("Other settings", ", ".join(run.name for run in evidence.other)),
        ("Missing", ", ".join(evidence.missing)),
    ]
    return {
        "id": anchor(evidence.key.group),
        "name": evidence.key.group,
        "title": TITLES.get(source, source),
        "places": [{"table": t, "row": r, "column": c, "id": f"{t}-{r}-{c}"} for t, r, c in places],
        "facts": [(name, text) for name, text in facts if text],
        "settings": "\n".join(f"{key}: {_flow(value)}" for key, value in settings.items()),
        "heads": names,
        "runs": [
            {"id": anchor(run.name), "seed": run["seed"], "facts": [facts.get(name, "") for name in names]}
            for run, facts in zip(runs, each, strict=True)
        ],
    }


def _run(run: Run, evidence: Evidence) -> dict[str, str]:
    """What is to be said of one run; its section says what all its seeds share."""
    budget, full = run["budget"], evidence.paper
    of = f" of the paper's {full.steps:,}" if full else ""
    archived = run.archived is not None
    facts = [
        ("Result", run.outcome.removeprefix("finished, ")),
        ("Steps", f"{budget.get('init_steps', 0):,} initialisation, {budget.get('train_steps', 0):,}{of} training"),
        ("Identity", run["identity"][:16]),
        ("Commit", in_words(run["code"]).removeprefix("commit ")),
        ("Accepted", str((run.accepted or {}).get("why", ""))),
        ("Taken from", str(run.get("taken_from") or "")),
        ("Time", f"{run['wall_time_s']:,.1f} s" if run.get("wall_time_s") is not None else ""),
        ("Resumed", str(run.get("resumed") or "")),
        ("Files", f"{RECORDS}, {HISTORIES}" if archived else f"runs/{run.name}/"),
    ]
    return {name: text for name, text in facts if text}


def _plots(experiment: str, sources: Mapping[str, Evidence]) -> list[dict[str, Any]]:
    """Initialisation apart from training; of training the loss and each score on validation rows."""
    longest = max(
        (run for each in sources.values() for run in each.found), key=lambda run: run.settings.get("depth", 0)
    )
    plots = [("init", "loss", 0, level, title) for level, title in enumerate(_levels(longest))]
    plots.append(("train", "loss", 0, 0, "Training loss"))
    every = tuple(run for each in sources.values() for run in each.found)
    found = []
    for phase, column, part, level, title in plots:
        bands = [_band(source, each, phase, column, part, level) for source, each in sources.items()]
        label = f"{title}, {experiment}"
        if picture := svg(bands, title=label, x_label="step", y_label="loss (log)", log=True):
            found.append({"picture": Markup(picture), "title": title})
    for part, (task, metric) in enumerate(_scored(every)):
        rate = metric == "accuracy"
        bands = [
            _band(source, each, "train", "metric", part, 0, 100 if rate else 1, task)
            for source, each in sources.items()
        ]
        name = f"Validation {'accuracy' if rate else 'RMSE' if metric == 'rmse' else metric}"
        name = f"{task}: {name[0].lower()}{name[1:]}" if task else name
        known = [value for source in sources if (value := _papers(experiment, source)) is not None]
        unit = "%" if rate else metric
        line = known[0] if known and not task else math.nan
        if picture := svg(bands, title=f"{name}, {experiment}", x_label="step", y_label=unit, paper=line):
            found.append({"picture": Markup(picture), "title": name})
    return found


def _band(
    source: str, evidence: Evidence, phase: str, column: str, part: int, level: int, factor: float = 1, task: str = ""
) -> Band:
    curves = history_curves(evidence.found, phase, column, part, level)
    reached = None
    if column == "metric":
        key = CellKey(*parse_group(evidence.key.group), f"task:{task}" if task else "value", evidence.key.metric)
        values = [value for run in evidence.runs if (value := _final(run, key.pick)) is not None]
        reached = factor * math.fsum(values) / len(values) if values else None
    return band(TITLES.get(source, source), curves, reached, factor)


def _final(run: Run, pick: str) -> float | None:
    """A finished run's test score, of one of its tasks where it has several."""
    if not run.finished:
        return None
    if pick == "value":
        return None if run["value"] is None else float(run["value"])
    entry = (run.get("values") or {}).get(pick.removeprefix("task:"))
    return None if entry is None else float(entry["value"])


def _papers(experiment: str, source: str) -> float | None:
    value = re.search(r"\d+(\.\d+)?", paper.result(CellKey(experiment, source)))
    return float(value[0]) if value else None


def _levels(run: Run) -> list[str]:
    """Titles of the curves of an initialisation: one, or one per level of a chain, from its root to the model."""
    depth = int(run.settings.get("depth", 0))
    return [f"Initialisation loss of H{level}" for level in range(1, depth + 1)] + [
        f"Initialisation loss{' of the model' if depth else ''}"
    ]


def _scored(runs: tuple[Run, ...]) -> list[tuple[str, str]]:
    """(task, metric) of every value in a metric cell of the histories; one value is the run's and names no task."""
    cells = (row["metric"] for run in runs for row in load_history(run) if row["metric"])
    if len(next(cells, "").split()) < 2:
        return [("", str(runs[0]["metric"]))]
    values: Mapping[str, Any] = next((run["values"] for run in runs if run.get("values")), {})
    return [(task, values[task]["metric"] if task in values else "score") for task in dataset_names(runs[0])]


def data_words(record: Mapping[str, Any]) -> str:
    """A record of data in one line."""
    rows = record.get("rows")
    sizes = ", ".join(f"{split} {count:,}" for split, count in rows.items()) if isinstance(rows, dict) else ""
    detail = f": {record['detail']}" if record.get("detail") else ""
    return f"{record.get('name')} ({record.get('kind')}{detail}; {sizes}) {str(record.get('fingerprint'))[:16]}"


def _machine(run: Run) -> str:
    return f"{_words(run['hardware'])}, kernel {run.get('kernel', 'eager')}"


def _parameters(run: Run) -> str:
    counts = run["parameters"]
    return f"target {counts['target']:,}; trainable {counts['trainable']:,}; frozen {counts['frozen']:,}"


def _words(facts: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in facts.items())


def _flow(value: Any) -> str:
    """A setting as YAML writes it on one line, without what is not set."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_flow(each)}" for key, each in value.items() if each is not None) + "}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_flow, value))}]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _shared(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(texts))
