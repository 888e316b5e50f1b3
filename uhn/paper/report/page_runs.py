"""The part of the page about runs: a section for each group of seeds, an entry for each run."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from uhn.paper.budget import PaperRun
from uhn.paper.report.book import Evidence
from uhn.paper.report.coverage import commit
from uhn.paper.report.curves import history_curves, legend, svg
from uhn.paper.report.reductions import dataset_names
from uhn.paper.runs.checkout import in_words
from uhn.paper.runs.results import Run, load_history


def anchor(group: str) -> str:
    """An element id for a group of runs or a run."""
    return "runs-" + re.sub(r"[^A-Za-z0-9]+", "-", group)


def told(run: Run) -> str:
    """Seed and value of a run in a few characters."""
    value = "diverged" if not run.finished else "several values" if run["value"] is None else f"{run['value']:.6g}"
    return f"seed {run['seed']}: {value}"


def group_section(name: str, evidence: Evidence, on: Sequence[str]) -> str:
    """The section of the runs behind one or more cells; ``on`` names the tables that rest on them."""
    runs = evidence.found
    seeds = legend([f"seed {run['seed']}" for run in runs])
    where = ", ".join(f'<a href="#{table}">Table {int(table[5:])}</a>' for table in on)
    facts = [
        ("In", where),
        ("Data", "<br>".join(sorted({_data(record) for run in runs for record in run["data"]}))),
        ("Code", escape(commit(evidence)) + " " + _digests(runs)),
        ("Not as in the paper", escape("; ".join(each.phrase for each in evidence.differences)) or "nothing"),
        ("Other settings", escape(", ".join(run.name for run in evidence.other))),
        ("Missing", escape(", ".join(evidence.missing))),
    ]
    return (
        f'<section id="{anchor(name)}"><h3>{escape(name)}</h3>{_facts(facts)}'
        f'<div class="curves">{_curves(name, runs)}</div>{seeds}'
        f"{''.join(_run(run, evidence.paper) for run in runs)}"
        f'<p class="top small"><a href="#top">To the top</a></p></section>'
    )


def _curves(name: str, runs: tuple[Run, ...]) -> str:
    plots = [("init", "loss", 0, level, title, "loss") for level, title in enumerate(_levels(runs[0]))]
    plots.append(("train", "loss", 0, 0, "Training loss", "loss"))
    for part, (task, metric) in enumerate(_scored(runs)):
        title = f"{'RMSE' if metric == 'rmse' else metric.capitalize()} while training"
        plots.append(("train", "metric", part, 0, f"{task}: {title}" if task else title, metric))
    figures = []
    for phase, column, part, level, title, label in plots:
        curves = history_curves(runs, phase, column, part, level)
        if picture := svg(curves, title=f"{title}, {name}", x_label="step", y_label=label, log=label == "loss"):
            figures.append(f"<figure>{picture}<figcaption>{escape(title)}</figcaption></figure>")
    return "".join(figures)


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


def _run(run: Run, paper: PaperRun | None) -> str:
    value = told(run).partition(": ")[2]
    budget = run["budget"]
    counts = run["parameters"]
    hardware = ", ".join(f"{key} {value}" for key, value in run["hardware"].items())
    facts = [
        ("Result", escape(run.outcome)),
        ("Steps", f"{budget.get('init_steps', 0):,} + {budget.get('train_steps', 0):,}" + _paper(paper)),
        ("Parameters", f"target {counts['target']:,}; trainable {counts['trainable']:,}; frozen {counts['frozen']:,}"),
        ("Identity", f"<code>{escape(run['identity'])}</code>"),
        ("Settings", f"<code>{escape(run['settings_hash'])}</code>"),
        ("Code", f"{escape(in_words(run['code']))}, {_digests((run,))}"),
        ("Accepted", escape(str((run.accepted or {}).get("why", "")))),
        ("Taken from", escape(str(run.get("taken_from") or ""))),
        ("Machine", escape(f"{hardware}, kernel {run.get('kernel', 'eager')}")),
        ("Software", escape(", ".join(f"{key} {value}" for key, value in run.get("software", {}).items()))),
        ("Time", f"{run['wall_time_s']:,.1f} s" if run.get("wall_time_s") is not None else ""),
        ("Resumed", escape(str(run.get("resumed", 0)))),
    ]
    settings = escape(json.dumps(run.settings, indent=2, sort_keys=True))
    return (
        f'<details id="{anchor(run.name)}"><summary>{escape(run.name)}: {escape(value)}</summary>'
        f"{_facts(facts)}<pre>{settings}</pre></details>"
    )


def _paper(paper: PaperRun | None) -> str:
    return f" (paper's training: {paper.steps:,})" if paper else ""


def _data(record: dict[str, object]) -> str:
    rows = record.get("rows")
    sizes = ", ".join(f"{split} {count:,}" for split, count in rows.items()) if isinstance(rows, dict) else ""
    text = f"{record.get('name')} ({record.get('kind')}: {record.get('detail')}; {sizes})"
    return f"{escape(text)} <code>{escape(str(record.get('fingerprint'))[:16])}</code>"


def _digests(runs: Iterable[Run]) -> str:
    digests = sorted({str(run["code"].get("digest"))[:16] for run in runs})
    return "digest " + ", ".join(f"<code>{escape(digest)}</code>" for digest in digests)


def _facts(facts: Iterable[tuple[str, str]]) -> str:
    return "<dl>" + "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in facts if value) + "</dl>"
