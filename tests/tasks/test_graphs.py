"""Citation graphs: read through PyTorch Geometric from files in the published format, checked, and generated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from data_helpers import CORA, MIRROR, REAL, TEST, TRAIN, cora_files, declared, of_content

from uhn.tasks import DATASETS, IGNORED, load_task
from uhn.tasks.dataset import Dataset
from uhn.tasks.fetch.checksums import ChecksumError, DataError
from uhn.tasks.fetch.mirrors import fetch
from uhn.tasks.graph_rows import graph_batches, graph_fingerprint
from uhn.tasks.graphs import Graph, GraphDataset

NODES = CORA[0]
GRAPHS = ("cora", "citeseer", "pubmed")
SMALL = replace(REAL["cora"], nodes=1700, edges=3000, features=50, classes=3, words=8.0)


@pytest.fixture
def tiny_cora(tmp_path: Path, register: Callable[[Dataset], None], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with the small graph, registered as ``cora``."""
    files, *_ = cora_files()
    (tmp_path / "planetoid").mkdir()
    for path, content in files.items():
        (tmp_path / path).write_bytes(content)
    sizes = dict(zip(("nodes", "edges", "features", "classes"), CORA, strict=True))
    register(declared("cora", [of_content(path, content) for path, content in files.items()], **sizes))
    return tmp_path


def test_published_files_become_a_task(tiny_cora: Path) -> None:
    _, x, y, _ = cora_files()
    task = load_task("cora", root=tiny_cora, seed=0, validate=True)
    batch = task.train_batch(0, 0)
    inputs = batch.inputs
    assert task.provenance.rows == {"train": TRAIN, "val": 500, "test": TEST} and task.provenance.kind == "real"
    assert inputs.x.layout == torch.sparse_csr
    np.testing.assert_allclose(inputs.x.to_dense(), x / x.sum(1, keepdims=True), rtol=1e-6)
    ring = {(i, (i + 1) % NODES) for i in range(NODES)}
    assert set(map(tuple, inputs.edges.T.tolist())) == ring | {(b, a) for a, b in ring}
    assert inputs.edges.shape == (2, 2 * NODES)
    np.testing.assert_allclose(inputs.edge_weight, np.full(3 * NODES, 1 / 3), rtol=1e-6)
    where = {"train": range(TRAIN), "val": range(TRAIN, TRAIN + 500), "test": range(NODES - TEST, NODES)}
    for split, nodes in where.items():
        (part,) = task.eval_batches(split)
        wanted = np.full(NODES, IGNORED)
        wanted[list(nodes)] = y[list(nodes)]
        assert part.target.tolist() == wanted.tolist()
        assert part.inputs is inputs
    moved = task.to("cpu")
    assert next(moved.eval_batches("test")).inputs is moved.train_batch(0, 0).inputs
    with pytest.raises(ValueError, match="no split 'val'"):
        next(load_task("cora", root=tiny_cora, seed=0).eval_batches("val"))


def test_damaged_pickle_never_reaches_the_reader(tiny_cora: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tiny_cora / "planetoid/ind.cora.graph"
    content = bytearray(path.read_bytes())
    content[50] ^= 1
    path.write_bytes(bytes(content))
    monkeypatch.setattr("torch_geometric.io.read_planetoid_data", lambda *_: pytest.fail("a pickle was read unchecked"))
    with pytest.raises(ChecksumError, match=r"ind\.cora\.graph"):
        DATASETS["cora"].read(tiny_cora, 0)


def test_other_dimensions_are_refused(tiny_cora: Path) -> None:
    with pytest.raises(DataError, match="wanted nodes, edges"):
        replace(DATASETS["cora"], classes=4).read(tiny_cora, 0)


@pytest.fixture(scope="module")
def graph() -> Graph:
    return SMALL.generate(Path(), 0, 0)


def test_bad_graphs_are_refused(graph: Graph) -> None:
    nan = graph.weights.copy()
    nan[7] = np.nan
    far, loop = graph.edges.copy(), graph.edges.copy()
    far[0, 3], loop[:, 3] = graph.nodes, 5
    column = graph.columns.copy()
    column[0] = -1
    masks = {split: mask.copy() for split, mask in graph.masks.items()}
    overlap, empty = masks | {"val": masks["train"]}, masks | {"val": np.zeros(graph.nodes, bool)}
    for change, words in (
        ({"weights": nan}, "finite features, got 1"),
        ({"values": nan}, "finite features"),
        ({"edges": far}, r"edges in \[0, 1,700\)"),
        ({"edges": loop}, "without self-loops"),
        ({"edges": graph.edges[0]}, "shape"),
        ({"columns": column}, "feature columns"),
        ({"y": graph.y + 1}, "classes"),
        ({"pointers": graph.pointers[:-1]}, "feature row"),
        ({"masks": overlap}, "disjoint"),
        ({"masks": empty}, "no node in val"),
    ):
        with pytest.raises(DataError, match=words):
            replace(graph, **change)


def test_fingerprint_sees_content_but_not_rounding(graph: Graph) -> None:
    print_ = graph_fingerprint(graph)
    assert print_ == graph_fingerprint(SMALL.generate(Path(), 0, 0))
    assert print_ == graph_fingerprint(replace(graph, weights=np.nextafter(graph.weights, np.float32(1))))
    other = graph.y.copy()
    other[0] = (other[0] + 1) % 3
    assert print_ != graph_fingerprint(replace(graph, y=other))


@pytest.mark.parametrize("name", GRAPHS)
def test_stand_ins_have_the_real_dimensions(name: str) -> None:
    known = DATASETS[name]
    assert isinstance(known, GraphDataset)
    made = known.generate(Path(), 0, 0)
    assert (made.nodes, made.edges.shape) == (known.nodes, (2, 2 * known.edges))
    assert len({tuple(e) for e in made.edges.T.tolist()}) == 2 * known.edges
    assert set(map(tuple, made.edges.T.tolist())) == set(map(tuple, made.edges[::-1].T.tolist()))
    counts = {split: int(mask.sum()) for split, mask in made.masks.items()}
    assert counts == {"train": 20 * known.classes, "val": 500, "test": 1000}
    assert np.bincount(made.y[made.masks["train"]]).tolist() == [20] * known.classes
    homophily = (made.y[made.edges[0]] == made.y[made.edges[1]]).mean()
    degrees = np.bincount(made.edges[0], minlength=made.nodes)
    assert 0.65 < homophily < 0.9 and degrees.max() > 8 * degrees.mean()
    assert abs(len(made.columns) / made.nodes - known.words) < 0.25 * known.words
    x = graph_batches(made, validate=False)["train"].inputs.x
    assert x.shape == (known.nodes, known.features)
    sums = torch.zeros(made.nodes).index_add(0, torch.repeat_interleave(x.crow_indices().diff()), x.values())
    np.testing.assert_allclose(sums, np.ones(made.nodes), rtol=1e-5)


@pytest.mark.skipif(not MIRROR, reason="needs the real files: UHN_DATA_MIRROR is not set")
@pytest.mark.parametrize("name", GRAPHS)
def test_real_graphs(name: str, tmp_path: Path) -> None:
    fetch(name, tmp_path, mirror=MIRROR)
    real = DATASETS[name].read(tmp_path, 0)
    assert np.bincount(real.y[real.masks["train"]]).tolist() == [20] * DATASETS[name].classes
    assert [int(real.masks[s].sum()) for s in ("val", "test")] == [500, 1000]
