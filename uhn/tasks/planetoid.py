"""Cora, CiteSeer and PubMed: verified raw files, read by PyTorch Geometric, kept sparse."""

from __future__ import annotations

import contextlib
import io
import os
import warnings
from pathlib import Path
from typing import Final

import numpy as np

from uhn.extras import needed
from uhn.tasks.dataset import Raw
from uhn.tasks.fetch.checksums import MB, File, Origin
from uhn.tasks.graphs import TEST_NODES, Graph, GraphDataset
from uhn.vocabulary import DatasetType


def parse(known: GraphDataset, raw: Raw) -> Graph:
    """Read the raw files by PyTorch Geometric (imported only here: it takes seconds).

    They are pickles: the bytes that were checked, in memory, are what is read, and nothing else is ever unpickled.
    """
    files = {Path(path).name: content for path, content in raw}
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        fsspec = needed("fsspec", "graphs", "a citation graph")
        read_planetoid_data = needed("torch_geometric.io", "graphs", "a citation graph").read_planetoid_data
        NormalizeFeatures = needed("torch_geometric.transforms", "graphs", "a citation graph").NormalizeFeatures
        memory, folder = fsspec.filesystem("memory"), f"/uhn-{os.getpid()}-{id(files)}"
        try:
            memory.pipe({f"{folder}/{file}": content for file, content in files.items()})
            data = read_planetoid_data(f"memory:/{folder}", known.label)
        finally:
            memory.rm(folder, recursive=True)
        weights = NormalizeFeatures()(data.clone()).x.numpy()
    values = data.x.numpy()
    rows, columns = np.nonzero(values)
    return Graph(
        name=known.name,
        pointers=np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=len(values)))]),
        columns=columns.astype(np.int64),
        values=values[rows, columns],
        weights=weights[rows, columns],
        features=values.shape[1],
        edges=data.edge_index.numpy().astype(np.int64),
        y=data.y.numpy().astype(np.int64),
        classes=int(data.y.max()) + 1,
        masks={split: data[f"{split}_mask"].numpy() for split in ("train", "val", "test")},
    )


FILES: Final = {
    "cora": (
        ("x", 22119, "23cfa55d91c6f624233f5eb7b6e3f141f1bd2b2ae39608a63cf5d084bb27baab"),
        ("tx", 148025, "b9afbaa4a400df991f6f02ef677e1e44da55ffc04801fd02f9e673987829226a"),
        ("allx", 257305, "9419ba2f26f5c35243db64aba110e0f35a04851609e0dc5433450676ca6b8543"),
        ("y", 4054, "94465c14eb53e04ca262198dcbb2521ee8af60fb3f3d546cd6ca24a511b0e7d1"),
        ("ty", 28135, "41f5ac76596a1699cc33f53084a2419e92961c42bb75f36fc38e616d348532ad"),
        ("ally", 47959, "2b998f5cc7fedc86e7f97ca2498f47a1ffc1462c29e2d578b23bf3f62b6e7d71"),
        ("graph", 59847, "58f13302f39dde8852dad6fe6d15b89b077b6d7f837626bce671ef80344b383d"),
        ("test.index", 5000, "297ce89af2b51a6a194181c7dbe1796c6a1cf9cd9349a88383b1b1e227867875"),
    ),
    "citeseer": (
        ("x", 31087, "d20de19150741e555de0ed037195630fc194114ebc7fd72ced62810148aa22f6"),
        ("tx", 260321, "539a8906a2da97628d212f2fdd668c109a8b3f0d36574b59e5d3fd5b5303da21"),
        ("allx", 595021, "2ac30345d95c9ec933a817ee0bdd6a5f077f8c184a20e696910192d534414668"),
        ("y", 3014, "8ba87e515d8e3ee3cf52f6d2c5b86aa73f11ecad825a808455209ec26cd54924"),
        ("ty", 24135, "55e5bd1ba1e733a04598753ad1a8d57957f4b8f89e74519f41f4f4938767e4ce"),
        ("ally", 55623, "f704b2d986dde6c2669934de1f3ae5696a6cf9455c0f6b2646a2d135ea0a1c95"),
        ("graph", 61987, "d79a4ef9d3e7169aee8946145f6b7306e35bc79bffad26346cfb94e10e9912a7"),
        ("test.index", 5000, "2af990671580b6b2df5d158d1038f8292e30c9cd821b5453f399659b25b723d4"),
    ),
    "pubmed": (
        ("x", 23172, "fbe9cb5c47200d1b7769a26e579be3b7130b556831f9d850e77c4c74f2599b33"),
        ("tx", 405505, "4eb5f5d0f30f26497eb0ac6ac9719d09c67e284f1ed0385c93f3ef27a671da3d"),
        ("allx", 7578385, "508e538e2abdccdd54c4d3e9f49d638b4af7107d85845f66ddea5a5152658b7e"),
        ("y", 854, "e6c807633307a07ed659249006536a147c7999c797f11a2560752990181b41b3"),
        ("ty", 12135, "ee2e0d4819d9fbcc403689c3bf2e49face401b605932f093bc58ab6461130fdd"),
        ("ally", 224739, "0c37bbe3b5014ec365e9d393cf4791925e5ed94fb194305d74f064a8d7b50f0e"),
        ("graph", 471808, "5b89f0036ca22909471f1e6558eb42fa06e0c730a577bde5b058b40638f81dc9"),
        ("test.index", 6000, "b101d421688bbaecbd82e8a18f1e282378d6830f3a37666f28ebc47f844341b5"),
    ),
}
PLACES: Final = (
    "planetoid/",
    "https://raw.githubusercontent.com/kimiyoung/planetoid/master/data/",
    "https://raw.githubusercontent.com/tkipf/gcn/master/gcn/data/",
)


def _declared(
    label: str, code: DatasetType, *, nodes: int, edges: int, features: int, classes: int, words: float, most: int
) -> GraphDataset:
    name = label.lower()
    names = {part: f"ind.{name}.{part}" for part, _, _ in FILES[name]}
    return GraphDataset(
        name=name,
        label=label,
        title=f"{label} citation graph: {nodes:,} nodes, {features:,} features, {classes} classes",
        code=code,
        classes=classes,
        train_rows=20 * classes,
        majority=((TEST_NODES, most),),
        nodes=nodes,
        edges=edges,
        features=features,
        words=words,
        parse=parse,
        files=tuple(File(f"planetoid/{names[part]}", digest, size) for part, size, digest in FILES[name]),
        origins=tuple(
            Origin(f"{place}{file}", ((f"planetoid/{file}", ""),), "plain", 16 * MB)
            for file in names.values()
            for place in PLACES
        ),
        licence="MIT (the published split); graphs from LINQS",
        citation="Z. Yang, W. Cohen, R. Salakhutdinov, Revisiting semi-supervised learning with graph embeddings, 2016",
    )


DATASETS: Final = (
    _declared("Cora", DatasetType.CORA, nodes=2708, edges=5278, features=1433, classes=7, words=18.2, most=319),
    _declared("CiteSeer", DatasetType.CITESEER, nodes=3327, edges=4552, features=3703, classes=6, words=31.6, most=231),
    _declared("PubMed", DatasetType.PUBMED, nodes=19717, edges=44324, features=500, classes=3, words=50.1, most=413),
)
"""Edges are undirected and distinct; words are those of a node, in the mean; most test nodes of one class."""
