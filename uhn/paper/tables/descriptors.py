"""Tables 6-9, from the vocabulary itself; which fields a layer uses is asked of the layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from uhn import layers
from uhn import vocabulary as voc
from uhn.paper.report.book import Book
from uhn.paper.tables.columns import Cell, Column, Headed, Label, Row, TableSpec

KINDS = {
    "linear": ("Linear", {"in_size": 2, "out_size": 2}),
    "conv": ("Conv", {"in_size": 4, "out_size": 4}),
    "gcn": ("GCN", {"in_size": 2, "out_size": 2}),
    "gat": ("GAT", {"in_size": 2, "out_size": 2}),
    "embedding": ("Embedding", {"embeddings": 2, "out_size": 2, "max_length": 2}),
    "attention": ("MHA", {"size": 2, "heads": 1}),
    "kan": ("KAN", {"in_size": 2, "out_size": 2}),
}
"""Layers by module, with their printed names and the least settings that make one."""


@cache
def active(kind: str, table: str) -> frozenset[str]:
    """Fields of ``table`` that a layer uses. Imports torch, so only where no fact says."""
    classes: dict[str, Any] = {cls.__module__.rpartition(".")[2]: cls for cls in layers.layer_registry().values()}
    layer = classes[kind](**KINDS[kind][1])
    ask = layers.active_index_fields if table == "index" else layers.active_structure_fields
    return frozenset(ask(layer))


@dataclass(frozen=True)
class Active(Headed):
    """Whether a layer uses the row's field."""

    table: str
    numeric: bool = False

    def cell(self, row: Row, book: Book) -> Cell:
        """A dot, or nothing."""
        known = book.facts.get("descriptors", {}).get(self.key)
        text = "•" if row.key in (known[self.table] if known else active(self.key, self.table)) else ""
        return Cell(text, {self.key: "yes" if text else "no"})


def _rows(fields: Sequence[voc.Field]) -> tuple[Row, ...]:
    rows = []
    for number, field in enumerate(fields):
        codes = "" if field.categories is None else ", ".join(f"{code.value} {code.name}" for code in field.categories)
        labels = {"index": str(number), "field": field.name, "description": field.description, "codes": codes}
        rows.append(Row(field.name, labels))
    return tuple(rows)


def specs(sources: Mapping[str, Sequence[str]]) -> tuple[TableSpec, ...]:
    """Tables 6, 7, 8 and 9."""
    names = (Label("index", "Idx", True), Label("field", "Field"))
    texts = (*names, Label("description", "Description"), Label("codes", "Codes"))
    task = [field for field in voc.GLOBAL_FIELDS if field.name in voc.TASK_FIELD_NAMES]
    model = [field for field in voc.GLOBAL_FIELDS if field.name not in voc.TASK_FIELD_NAMES]
    place = "In a structure token the task fields (Table 9) stand after model_type."
    index = f"A dot: some weight of the layer uses the field; elsewhere it holds {voc.INDEX_FILLER}."
    local = f"A dot: the layer uses the field; elsewhere it holds {voc.STRUCTURE_FILLER}."

    def table(
        number: int, title: str, fields: Sequence[voc.Field], layers: tuple[Column, ...], *notes: str
    ) -> TableSpec:
        return TableSpec(number, title, (*texts, *layers), _rows(fields), notes, "code")

    def used(by: str) -> tuple[Column, ...]:
        return tuple(Active(kind, title, by) for kind, (title, _) in KINDS.items())

    return (
        table(6, "Index descriptor", voc.INDEX_FIELDS, used("index"), index),
        table(7, "Global structure descriptor", model, (), place),
        table(8, "Local structure descriptor", voc.LOCAL_FIELDS, used("structure"), local),
        table(9, "Task descriptor", task, (), place),
    )
