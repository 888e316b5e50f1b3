"""Processor time per generated weight on one thread: ``python -m benchmarks.per_weight``.

What a generator costs beside a chunked hypernetwork, whose last layer gives thousands of weights at once. One process,
a source after the other in every repeat; the first two repeats do not count.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from benchmarks.readme import per_weight_text, write_section
from benchmarks.rows import Row, conditions, write_csv
from uhn.models import ModelSpec, zoo
from uhn.sources import ChunkedHypernetwork, UniversalHypernetwork, WeightSource

HERE = Path(__file__).parent
SOURCES: dict[str, Callable[[ModelSpec], WeightSource]] = {
    "UHN, the paper's size (h = 128, m = 2048)": lambda spec: UniversalHypernetwork.for_specs([spec]),
    "UHN, small (h = 32, m = 256)": lambda spec: UniversalHypernetwork.for_specs([spec], hidden=32, frequencies=256),
    "Chunked, the paper's size": ChunkedHypernetwork,
}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["mlp-mnist", "cnn20-cifar10"])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--output", type=Path, default=HERE / "results")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    found = [row | conditions(1) for name in options.models for row in measured(name, options.repeats)]
    write_csv(options.output / "per_weight.csv", found)
    if options.output.resolve() == (HERE / "results").resolve():
        write_section(HERE.parent / "docs/coming-from.md", "per-weight", per_weight_text(found))
    return 0


def measured(name: str, repeats: int) -> list[Row]:
    """Medians of generating all weights of a model, without gradients, and with their backward pass."""
    spec = zoo(name)
    sources = {label: make(spec) for label, make in SOURCES.items()}
    slope = torch.ones(spec.num_params)

    def generate(source: WeightSource) -> None:
        with torch.no_grad():
            source(spec)

    def train(source: WeightSource) -> None:
        source(spec).backward(slope)

    seconds: dict[str, list[tuple[float, float]]] = {label: [] for label in sources}
    for _ in range(2 + repeats):
        for label, source in sources.items():
            seconds[label].append((_processor(generate, source), _processor(train, source)))
    rows = []
    for label, each in seconds.items():
        forward, both = (statistics.median(times) / spec.num_params * 1e6 for times in zip(*each[2:], strict=True))
        rows.append(
            {"model": name, "weights": spec.num_params, "source": label, "forward_us": forward, "step_us": both}
        )
    return rows


def _processor(work: Callable[[WeightSource], None], source: WeightSource) -> float:
    start = time.process_time()
    work(source)
    return time.process_time() - start


if __name__ == "__main__":
    raise SystemExit(main())
