"""The facts that can be measured without a run: fields that layers use, model sets, citation graphs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from uhn.files import write_atomically
from uhn.models.sets import ModelSet, read_set, summary
from uhn.paper.plan import Plan
from uhn.paper.tables.descriptors import KINDS, active
from uhn.paper.wanted import fact_files, planned_graphs, planned_sets, set_files
from uhn.tasks.graph_rows import graph_fingerprint
from uhn.tasks.graphs import Graph
from uhn.tasks.load import load_graph

Topic = dict[str, dict[str, Any]]


def descriptors() -> Topic:
    """Index and structure fields that each kind of layer uses, asked of the layers (Tables 6 and 8)."""
    return {kind: {table: sorted(active(kind, table)) for table in ("index", "structure")} for kind in KINDS}


def model_set(made: ModelSet) -> dict[str, Any]:
    """A set in numbers (Tables 3 and 17). The mean number of weights is cut to a whole number, as in the paper."""
    counts = summary(made.specs)
    sizes = {name: stop - start for name, (start, stop) in made.splits.items()}
    return {
        "set": made.name,
        "hash": made.hash,
        "models": counts["models"],
        "mean": int(counts["mean"]),
        "largest": counts["max"],
        "training": sizes["train"],
        "hold_in": sizes["seen"],
        "held_out": sizes["unseen"],
        "validation": sizes["validation"],
    }


def citation(graph: Graph, kind: str) -> dict[str, Any]:
    """A graph in numbers (Table 10): edges are distinct pairs of nodes, classes those that occur.

    Of a stand-in only that it is one: it was generated in the shape that would be measured.
    """
    if kind == "stand-in":
        return {"kind": kind}

    pairs = np.unique(np.sort(graph.edges, axis=0), axis=1)
    return {
        "nodes": graph.nodes,
        "edges": int(pairs.shape[1]),
        "features": graph.features,
        "classes": int(np.unique(graph.y).size),
        "kind": kind,
        "fingerprint": graph_fingerprint(graph),
    }


def measure(topic: str, plan: Plan, results: Path, data: Path) -> Topic:
    """Measure one topic for a plan.

    Args:
        topic: one of :data:`~uhn.paper.wanted.MEASURED_BY`.
        plan: says which model sets and graphs.
        results: results folder, with the model sets of the profile.
        data: data folder.

    Raises:
        ValueError: for a model set that is missing or was changed.
        UnavailableError: for an unavailable graph where nothing may stand in for it.
    """
    if topic == "descriptors":
        return descriptors()
    if topic == "model-sets":
        found = {name: model_set(read_set(path)) for name, path in set_files(plan, results).items()}
        return {experiment: found[name] for experiment, name in planned_sets(plan).items()}

    graphs = {name: load_graph(name, data, stand_in=plan.may_be_missing(name)) for name in planned_graphs(plan)}
    return {name: citation(graph, kind) for name, (graph, kind, _) in graphs.items()}


def write_facts(topics: list[str], plan: Plan, results: Path, data: Path) -> list[Path]:
    """Measure topics of a plan, all if none is named, and write ``facts/<topic>.json``: the same bytes every time.

    Raises:
        ValueError: for a topic that the plan says nothing about, before anything is measured.
    """
    files = fact_files(plan, results)
    if unknown := [topic for topic in topics if topic not in files]:
        raise ValueError(f"profile {plan.profile} has no facts {', '.join(unknown)}; it has {', '.join(files)}")
    paths = [files[topic] for topic in topics or files]
    for path in paths:
        content = measure(path.stem, plan, results, data)
        write_atomically(path, json.dumps(content, indent=1, sort_keys=True) + "\n")
    return paths
