"""Generated data for machines that cannot get the real ones: one generator per modality, same numbers everywhere.

They have the real datasets' dimensions, so that models keep their sizes, and they can be learned, but not from one
feature alone. A result on them says that the machinery works and nothing else.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from uhn.data.graphs import Graph
from uhn.data.images import Images
from uhn.randomness import stream_seed

IMAGE_ROWS: Final = {"mnist": (60_000, 10_000), "cifar10": (50_000, 10_000)}
TEXT_ROWS: Final = (12_000, 3_000)

_CHUNK: Final = 1000


def generate_images(name: str, channels: int, size: int, train: int, test: int) -> tuple[Images, Images]:
    """Return ``train`` and ``test`` images ``[N, channels, size, size]`` in 10 classes; fewer are the first of more.

    A class is a stripe pattern: one of five tilts (mirrored at random, so that flips keep the class) and one of two
    widths, both jittered, in random colours and phase, with a random disc and strong noise on top.
    """
    return _images(f"{name}/train", channels, size, train), _images(f"{name}/test", channels, size, test)


def _images(stream: str, channels: int, size: int, rows: int) -> Images:
    y = np.arange(rows, dtype=np.int64) % 10
    x = np.empty((rows, channels, size, size), np.uint8)
    for start in range(0, rows, _CHUNK):
        rng = np.random.default_rng(stream_seed(0, f"stand-in/{stream}", start))
        part = _textures(rng, np.arange(_CHUNK) % 10, channels, size)
        x[start : start + _CHUNK] = part[: rows - start]
    return Images(x, y)


def _textures(rng: np.random.Generator, y: NDArray[np.int64], channels: int, size: int) -> NDArray[np.uint8]:
    count = len(y)
    grid = np.linspace(-1, 1, size, dtype=np.float32)

    def uniform(low: float, high: float, *shape: int) -> NDArray[np.float32]:
        return rng.uniform(low, high, (count, *shape)).astype(np.float32)

    tilt = np.deg2rad(22.5 * (y % 5) + uniform(-7, 7)) * rng.choice([-1, 1], count)
    waves = np.where(y < 5, 9, 16) * uniform(0.85, 1.15)
    across = (waves * np.cos(tilt)).astype(np.float32)[:, None] * grid
    along = (waves * np.sin(tilt)).astype(np.float32)[:, None] * grid + uniform(0, 6.28, 1)
    stripes = (
        np.sin(along)[:, :, None] * np.cos(across)[:, None] + np.cos(along)[:, :, None] * np.sin(across)[:, None]
    )[:, None]
    away = (grid - uniform(-0.7, 0.7, 1)) ** 2
    disc = (away[:, :, None] + ((grid - uniform(-0.7, 0.7, 1)) ** 2)[:, None] < uniform(0.02, 0.2, 1, 1))[:, None]
    image = uniform(70, 185, channels, 1, 1) + stripes * uniform(-60, 60, channels, 1, 1)
    image = np.where(disc, uniform(0, 255, channels, 1, 1), image)
    noise = rng.integers(0, 256, image.shape, dtype=np.uint8).astype(np.float32) - 127.5
    return np.clip(image + 0.35 * noise, 0, 255).astype(np.uint8)


def generate_graph(name: str, nodes: int, edges: int, features: int, classes: int, words: float) -> Graph:
    """Return a degree-corrected block model with class-dependent sparse bags of words.

    Args:
        name: dataset that it stands in for.
        nodes: number of nodes, the first ``20 * classes`` of which train, the next 500 validate, the last 1,000 test.
        edges: number of undirected edges.
        features: size of the vocabulary.
        classes: number of classes.
        words: mean number of distinct words of a node.
    """
    rng = np.random.default_rng(stream_seed(0, f"stand-in/{name}"))
    held = 20 * classes
    y = np.concatenate([rng.permutation(held) % classes, rng.integers(0, classes, nodes - held)])
    degree = rng.pareto(2.5, nodes) + 0.3
    members = [np.flatnonzero(y == c) for c in range(classes)]
    found: set[tuple[int, int]] = set()
    while len(found) < edges:
        count = 2 * (edges - len(found)) + 10
        source = rng.choice(nodes, count, p=degree / degree.sum())
        target = rng.choice(nodes, count, p=degree / degree.sum())
        same = rng.random(count) < 0.72
        for c, own in enumerate(members):
            rows = np.flatnonzero(same & (y[source] == c))
            target[rows] = rng.choice(own, len(rows), p=degree[own] / degree[own].sum())
        low, high = np.minimum(source, target), np.maximum(source, target)
        for pair in zip(low[low != high].tolist(), high[low != high].tolist(), strict=True):
            if len(found) < edges:
                found.add(pair)
    half = np.array(sorted(found), np.int64).T
    both = np.concatenate([half, half[::-1]], axis=1)
    both = both[:, np.lexsort(both)]
    return Graph.build(name, _bags(rng, y, features, classes, words), both, y, classes, held, features)


def _bags(
    rng: np.random.Generator, y: NDArray[np.int64], features: int, classes: int, words: float
) -> list[NDArray[np.int64]]:
    """Distinct words of every node: a common long-tailed distribution, with some words likelier in each class."""
    common = 1 / (np.arange(features) + 20.0)
    tables = [common * np.where(rng.random(features) < 0.15, 4.0, 1.0) for _ in range(classes)]
    bags: list[NDArray[np.int64]] = [np.empty(0, np.int64)] * len(y)
    for c, table in enumerate(tables):
        own = np.flatnonzero(y == c)
        lengths = rng.poisson(words, len(own)) + 1
        drawn = rng.choice(features, int(lengths.sum()), p=table / table.sum())
        for node, bag in zip(own.tolist(), np.split(drawn, np.cumsum(lengths)[:-1]), strict=True):
            bags[node] = np.unique(bag)
    return bags


def generate_texts(name: str, classes: int, words: int) -> tuple[list[tuple[int, str]], list[tuple[int, str]]]:
    """Return (class, text) rows to train and to test on, the first ``classes`` labels in turn.

    A text mixes words that every class uses with words that some classes prefer; lengths scatter about ``words``.
    """
    rng = np.random.default_rng(stream_seed(0, f"stand-in/{name}"))
    sounds = [a + b for a in "bdfgklmnprstvz" for b in "aeiou"]
    pairs = rng.permutation(len(sounds) ** 2)[:6000]
    lexicon = np.array([sounds[p // len(sounds)] + sounds[p % len(sounds)] for p in pairs.tolist()], dtype=object)
    common = 1 / (np.arange(len(lexicon)) + 30.0)
    boost = 1 + 10 / np.sqrt(words)  # about as hard whatever the length
    tables = [common * np.where(rng.random(len(lexicon)) < 0.2, boost, 1.0) for _ in range(classes)]
    splits: list[list[tuple[int, str]]] = []
    for rows in TEXT_ROWS:
        texts: list[tuple[int, str]] = [(0, "")] * rows
        for c, table in enumerate(tables):
            own = np.arange(c, rows, classes)
            lengths = np.maximum(rng.normal(words, words / 4, len(own)).astype(np.int64), 3)
            drawn = lexicon[rng.choice(len(lexicon), int(lengths.sum()), p=table / table.sum())]
            for row, text in zip(own.tolist(), np.split(drawn, np.cumsum(lengths)[:-1]), strict=True):
                texts[row] = (c, " ".join(text) + ".")
        splits.append(texts)
    return splits[0], splits[1]
