"""Table 10: the citation networks, measured beside the paper's figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from uhn.paper.tables import published as paper
from uhn.paper.tables.columns import Column, Fact, Label, Row, TableSpec

CITATION = {"nodes": "Nodes", "edges": "Edges", "features": "Features", "classes": "Classes"}
"""Table 10's rows."""


def specs(sources: Mapping[str, Sequence[str]]) -> tuple[TableSpec, ...]:
    """Table 10."""
    rows = tuple(
        Row(key, {"what": label} | {f"{name}_paper": paper.printed(name, key)[f"{key}_paper"] for name in paper.GRAPHS})
        for key, label in CITATION.items()
    )
    networks: list[Column] = []
    for name in paper.GRAPHS:
        title = paper.label(name)
        networks.append(Fact(name, "measured", "citation", transposed=True, compare=False, span=title))
        networks.append(Label(f"{name}_paper", "paper", True, span=title))
    notes = ("The paper counts citations as they were published; measured are distinct undirected edges.",)
    columns = (Label("what", ""), *networks)
    return (TableSpec(10, "Citation networks", columns, rows, notes, needs="facts"),)
