"""The pictures of README.md and of the page on concepts, drawn from real objects: ``python docs/site/pictures.py``."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

import uhn
from uhn.descriptors.blocks import index_table
from uhn.descriptors.ranges import Ranges
from uhn.models import ModelSpec
from uhn.sources import SOURCES
from uhn.vocabulary import INDEX_FILLER, INDEX_NAMES

INK, FAINT, PALE, BLUE, GREEN, RED = "#263238", "#90a4ae", "#eceff1", "#3f51b5", "#2e7d32", "#c62828"
MARK = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><g fill="none" stroke="#3f51b5" stroke-width="2">'
    '<path d="M5 12 19 5M5 12h14M5 12l14 7"/></g><g fill="#3f51b5"><circle cx="5" cy="12" r="3"/>'
    '<circle cx="19" cy="5" r="2"/><circle cx="19" cy="12" r="2"/><circle cx="19" cy="19" r="2"/></g></svg>\n'
)


class Canvas:
    """A drawing of boxes, words and arrows."""

    def __init__(self, width: int, height: int, title: str) -> None:
        self.size, self.title, self.parts = (width, height), title, list[str]()

    def box(self, x: float, y: float, w: float, h: float, fill: str = PALE, edge: str = FAINT) -> None:
        self.parts.append(
            f'<rect x="{x:g}" y="{y:g}" width="{w:g}" height="{h:g}" rx="5" fill="{fill}" stroke="{edge}"/>'
        )

    def text(
        self, x: float, y: float, words: str, *, size: int = 13, ink: str = INK, at: str = "middle", code: bool = False
    ) -> None:
        family = "monospace" if code else "sans-serif"
        self.parts.append(
            f'<text x="{x:g}" y="{y:g}" font-size="{size}" font-family="{family}" fill="{ink}" '
            f'text-anchor="{at}" xml:space="preserve">{escape(words)}</text>'
        )

    def arrow(self, x: float, y: float, to_x: float, to_y: float) -> None:
        self.parts.append(
            f'<line x1="{x:g}" y1="{y:g}" x2="{to_x:g}" y2="{to_y:g}" stroke="{INK}" stroke-width="1.5" '
            'marker-end="url(#tip)"/>'
        )

    def svg(self) -> str:
        width, height = self.size
        tip = (
            '<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" '
            f'orient="auto"><path d="M0 0 10 5 0 10z" fill="{INK}"/></marker></defs>'
        )
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" role="img">'
            f"<title>{escape(self.title)}</title>"
            f'<rect width="{width}" height="{height}" fill="#fff"/>{tip}\n' + "\n".join(self.parts) + "\n</svg>\n"
        )


def overview(spec: ModelSpec, weight: int) -> str:
    """A description, one weight of it as numbers, the generator, all weights, the model."""
    drawn = Canvas(860, 205, "From a description of a model to its weights")
    about = spec.explain(weight)
    drawn.box(10, 30, 215, 110)
    drawn.text(117, 20, "a description of a model")
    drawn.text(20, 52, f"{spec.family}: {len(spec.layers)} layers", size=12, at="start", code=True)
    for number, layer in enumerate(spec.layers):
        sizes = layer.structure()
        said = f"{layer.kind} {sizes['input_size']:.0f} → {sizes['output_size']:.0f}"
        drawn.text(20, 78 + 22 * number, said, size=12, at="start", code=True)
    drawn.arrow(228, 85, 268, 85)
    drawn.box(270, 30, 195, 110, "#fff")
    drawn.text(367, 20, f"each weight as numbers (no. {weight})")
    fields = [(name, value) for name, value in about.descriptor.items() if value != INDEX_FILLER]
    for number, (name, value) in enumerate(fields):
        drawn.text(280, 52 + 18 * number, f"{name:<11}{value:>4}", size=12, at="start", code=True)
    drawn.arrow(468, 85, 508, 85)
    drawn.box(510, 50, 130, 70, "#e8eaf6", BLUE)
    drawn.text(575, 82, "one generator", ink=BLUE)
    drawn.text(575, 100, "the only thing trained", size=11, ink=BLUE)
    drawn.arrow(642, 85, 682, 85)
    drawn.box(684, 30, 166, 110)
    drawn.text(767, 20, f"{spec.num_params} weights")
    for number, slot in enumerate(spec.layout):
        line = f"{slot.name:<16}{'×'.join(map(str, slot.shape))}"
        drawn.text(694, 55 + 22 * number, line, size=11, at="start", code=True)
    drawn.text(430, 170, "The same generator serves every model that can be described: another width, another depth,")
    drawn.text(430, 188, "another family, a network of your own. What it learns from is the loss of the models.")
    return drawn.svg()


def descriptor(spec: ModelSpec, weights: Sequence[int]) -> str:
    """Rows of the index descriptors of some weights."""
    wide, tall, left = 86, 30, 215
    drawn = Canvas(left + wide * len(INDEX_NAMES) + 10, 50 + tall * len(weights), "Index descriptors of some weights")
    for column, name in enumerate(INDEX_NAMES):
        drawn.text(left + wide * (column + 0.5), 28, name.removesuffix("_idx"), size=12, code=True)
    rows = index_table(spec)
    for number, weight in enumerate(weights):
        y = 40 + tall * number
        about = spec.explain(weight)
        drawn.text(10, y + 21, f"{about.name}[{', '.join(map(str, about.position))}]", size=11, at="start", code=True)
        for column, value in enumerate(rows[weight].tolist()):
            none = value == INDEX_FILLER
            x = left + wide * column
            drawn.box(x + 2, y + 2, wide - 4, tall - 4, "#fff" if none else "#e8eaf6", PALE if none else BLUE)
            drawn.text(x + wide / 2, y + 20, "none" if none else str(value), ink=FAINT if none else INK)
    return drawn.svg()


def source(spec: ModelSpec) -> str:
    """Every kind of source behind one call."""
    drawn = Canvas(860, 40 + 44 * len(SOURCES), "Weights come from a source")
    middle = 20 + 22 * len(SOURCES)
    for number, (kind, made) in enumerate(SOURCES.items()):
        y = 20 + 44 * number
        drawn.box(10, y, 250, 34, "#e8eaf6", BLUE)
        drawn.text(135, y + 22, f"{made.__name__} ({kind})", ink=BLUE)
        drawn.arrow(262, y + 17, 338, middle + (y + 17 - middle) / 8)
    drawn.box(340, middle - 30, 210, 60)
    drawn.text(445, middle - 6, "flat = source(spec)", code=True)
    drawn.text(445, middle + 16, f"[{spec.num_params}], differentiable")
    drawn.arrow(552, middle, 608, middle)
    drawn.box(610, middle - 30, 240, 60)
    drawn.text(730, middle - 6, "run(spec, flat, inputs)", code=True)
    drawn.text(730, middle + 16, "loss, backward, one training loop")
    return drawn.svg()


def ranges(members: Sequence[ModelSpec], others: Sequence[ModelSpec], field: str) -> str:
    """What a field runs over in some models, beside the range that two of them span."""
    position, unit, left = INDEX_NAMES.index(field), 18, 210
    drawn = Canvas(860, 60 + 34 * len(others), f"The range of {field}")

    def span(low: float, high: float) -> tuple[float, float]:
        return left + unit * low, unit * (high - low + 1)

    whole = Ranges.union(map(Ranges.fitted, members))
    low, high = whole.index_min[position], whole.index_max[position]
    x, w = span(low, high)
    drawn.box(x, 30, w, 24 + 34 * len(others), PALE, FAINT)
    drawn.text(x + w / 2, 22, f"{field} {low:.0f}..{high:.0f}: what the generator was made for", size=12)
    for number, spec in enumerate(others):
        own = Ranges.fitted(spec)
        inside = own.index_min[position] >= low and own.index_max[position] <= high
        trained = spec in members
        y = 42 + 34 * number
        x, w = span(own.index_min[position], own.index_max[position])
        ink = BLUE if trained else GREEN if inside else RED
        drawn.box(x, y, w, 20, "#fff", ink)
        width = spec.layout[0].shape[0]
        said = "spans the range" if trained else "inside: served" if inside else "outside: refused"
        drawn.text(10, y + 15, f"width {width}: {said}", size=12, at="start", ink=ink)
    return drawn.svg()


def pictures() -> dict[str, str]:
    """Every picture by its file's name."""
    small, family = uhn.mlp((4, 16, 3)), {width: uhn.mlp((4, width, width, 3)) for width in (8, 12, 24, 32)}
    network = uhn.zoo("cnn8-mnist")
    picked = [0, 1, next(s.offset for s in network.layout if "bias" in s.name), network.layout[2].offset + 40]
    return {
        "overview.svg": overview(small, 42),
        "descriptor.svg": descriptor(network, [*picked, network.num_params - 1]),
        "source.svg": source(small),
        "ranges.svg": ranges([family[8], family[24]], list(family.values()), "out_idx"),
        "mark.svg": MARK,
    }


if __name__ == "__main__":
    for name, text in pictures().items():
        (Path(__file__).parents[1] / "pictures" / name).write_text(text, encoding="utf-8")
