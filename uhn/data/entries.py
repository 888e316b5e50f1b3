"""The datasets: their files and pins, where to get them, whose they are. Adding a dataset starts here.

Pins are digests of the content *after* unpacking, so the mirror's packing and the official archive pass the same ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from uhn.data.packed import Packing
from uhn.data.pins import File

MB: Final = 1 << 20

_IMAGES: Final = "generated textures of 10 kinds under noise, not photographs or digits"
_GRAPH: Final = "a generated block model with class-dependent bags of words, not a citation graph"
_TEXTS: Final = "generated sentences of made-up words, not articles or reviews"


@dataclass(frozen=True)
class Source:
    """One place that has one or several files of a dataset.

    Args:
        address: a path below a mirror's root, or an ``https://`` address of the dataset's publisher.
        gives: (path of the file below the data root, name of the member in the archive or ``""``).
        packing: how the place packs them.
        max_bytes: most bytes that the packed file may have.
    """

    address: str
    gives: tuple[tuple[str, str], ...]
    packing: Packing = "plain"
    max_bytes: int = 512 * MB

    @property
    def official(self) -> bool:
        """True for an address, False for a mirror path."""
        return "://" in self.address


@dataclass(frozen=True)
class Entry:
    """One dataset: what it is, its files, its places (mirror paths first), its licence and citation.

    Args:
        part: if it is a part of a dataset, what a reader must know of that.
        fallback: a dataset that is a part of this one, tried where this one cannot be had.
        stand_in: the generated data that take its place where nothing can be had, in words.
    """

    name: str
    title: str
    files: tuple[File, ...]
    sources: tuple[Source, ...]
    licence: str
    citation: str
    part: str = ""
    fallback: str = ""
    stand_in: str = ""


def _mnist() -> Entry:
    hosts = (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "https://yann.lecun.com/exdb/mnist/",
    )
    pins = (
        ("train-images-idx3-ubyte", 47040016, "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
        ("train-labels-idx1-ubyte", 60008, "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
        ("t10k-images-idx3-ubyte", 7840016, "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
        ("t10k-labels-idx1-ubyte", 10008, "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
    )
    return Entry(
        name="mnist",
        title="MNIST handwritten digits, 60,000 + 10,000 of 28x28",
        files=tuple(File(f"mnist/{name}", digest, size) for name, size, digest in pins),
        sources=tuple(
            Source(f"{place}{name}.gz", ((f"mnist/{name}", ""),), "gzip", 16 * MB)
            for name, _, _ in pins
            for place in ("mnist/", *hosts)
        ),
        licence="CC BY-SA 3.0 (as usually given)",
        citation="Y. LeCun, C. Cortes, C. J. C. Burges, The MNIST database of handwritten digits",
        stand_in=_IMAGES,
    )


def _cifar10() -> Entry:
    pins = (
        ("data_batch_1", 31035704, "54636561a3ce25bd3e19253c6b0d8538147b0ae398331ac4a2d86c6d987368cd"),
        ("data_batch_2", 31035320, "766b2cef9fbc745cf056b3152224f7cf77163b330ea9a15f9392beb8b89bc5a8"),
        ("data_batch_3", 31035999, "0f00d98ebfb30b3ec0ad19f9756dc2630b89003e10525f5e148445e82aa6a1f9"),
        ("data_batch_4", 31035696, "3f7bb240661948b8f4d53e36ec720d8306f5668bd0071dcb4e6c947f78e9682b"),
        ("data_batch_5", 31035623, "d91802434d8376bbaeeadf58a737e3a1b12ac839077e931237e0dcd43adcb154"),
        ("test_batch", 31035526, "f53d8d457504f7cff4ea9e021afcf0e0ad8e24a91f3fc42091b8adef61157831"),
    )
    folder = "cifar-10-batches-py"
    return Entry(
        name="cifar10",
        title="CIFAR-10 colour images, 50,000 + 10,000 of 32x32",
        files=tuple(File(f"{folder}/{name}", digest, size) for name, size, digest in pins),
        sources=(
            *(Source(f"{folder}/{n}.xz", ((f"{folder}/{n}", ""),), "xz", 40 * MB) for n, _, _ in pins),
            *(Source(f"{folder}/{n}", ((f"{folder}/{n}", ""),), "plain", 40 * MB) for n, _, _ in pins),
            Source(
                "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
                tuple((f"{folder}/{name}", f"{folder}/{name}") for name, _, _ in pins),
                "tar",
                200 * MB,
            ),
        ),
        licence="none stated; the authors ask for a citation of the report",
        citation="A. Krizhevsky, Learning multiple layers of features from tiny images, 2009",
        stand_in=_IMAGES,
    )


_PLANETOID: Final = {
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


def _planetoid(name: str, title: str) -> Entry:
    places = (
        "planetoid/",
        "https://raw.githubusercontent.com/kimiyoung/planetoid/master/data/",
        "https://raw.githubusercontent.com/tkipf/gcn/master/gcn/data/",
    )
    names = {part: f"ind.{name}.{part}" for part, _, _ in _PLANETOID[name]}
    return Entry(
        name=name,
        title=title,
        files=tuple(File(f"planetoid/{names[part]}", digest, size) for part, size, digest in _PLANETOID[name]),
        sources=tuple(
            Source(f"{place}{file}", ((f"planetoid/{file}", ""),), "plain", 16 * MB)
            for file in names.values()
            for place in places
        ),
        licence="MIT (the published split); graphs from LINQS",
        citation="Z. Yang, W. Cohen, R. Salakhutdinov, Revisiting semi-supervised learning with graph embeddings, 2016",
        stand_in=_GRAPH,
    )


_AG_TEST: Final = File("ag_news/test.csv", "521465c2428ed7f02f8d6db6ffdd4b5447c1c701962353eb2c40d548c3c85699", 1857427)
# Of the official training file only the published MD5 is known; it is pinned by that.
_AG_TRAIN: Final = File("ag_news/train.csv", "b1a00f826fdfbd249f79597b59e1dc12", None, "md5", 64 * MB)
_AG_SUBSET: Final = File(
    "ag_news/train.subset.csv", "30b8c7f25f42ddef719f35522f49e396fea6e7498ac3f8a4806b92f1aa3d53e2", 7372127
)
_AG_LICENCE: Final = "research and other non-commercial use"
_AG_CITATION: Final = (
    "X. Zhang, J. Zhao, Y. LeCun, Character-level convolutional networks for text classification, 2015"
)


def _ag_source(file: File, official: bool) -> tuple[Source, ...]:
    gives, name = ((file.path, ""),), file.path.rpartition("/")[2]
    mirror = (Source(f"{file.path}.xz", gives, "xz", 64 * MB), Source(file.path, gives, "plain", 64 * MB))
    if not official:
        return mirror
    return (
        *mirror,
        Source(
            f"https://raw.githubusercontent.com/mhjabreel/CharCnn_Keras/master/data/ag_news_csv/{name}",
            gives,
            "plain",
            64 * MB,
        ),
        Source(
            "https://s3.amazonaws.com/fast-ai-nlp/ag_news_csv.tgz",
            ((file.path, f"ag_news_csv/{name}"),),
            "tar",
            64 * MB,
        ),
    )


def _ag_news() -> tuple[Entry, Entry]:
    whole = Entry(
        "ag_news",
        "AG News, 120,000 + 7,600 articles in 4 classes",
        (_AG_TRAIN, _AG_TEST),
        (*_ag_source(_AG_TRAIN, True), *_ag_source(_AG_TEST, True)),
        _AG_LICENCE,
        _AG_CITATION,
        fallback="ag_news_30k",
        stand_in=_TEXTS,
    )
    part = Entry(
        "ag_news_30k",
        "AG News, 30,027 of the 120,000 training articles + 7,600",
        (_AG_SUBSET, _AG_TEST),
        (*_ag_source(_AG_SUBSET, False), *_ag_source(_AG_TEST, True)),
        _AG_LICENCE,
        _AG_CITATION,
        part="30,027 of the 120,000 official training articles",
        stand_in=_TEXTS,
    )
    return whole, part


def _imdb() -> Entry:
    path = "imdb/reviews.bin"
    pin = File(path, "e387e12957f58c094950ca49ae5135e14445e014426337764a554f8f142e5d10", 66747817)
    return Entry(
        name="imdb",
        title="IMDB Large Movie Review Dataset, 25,000 + 25,000 labelled reviews",
        files=(pin,),
        sources=(
            Source("imdb/aclImdb_v1_labelled.tar.xz", ((path, ""),), "reviews", 64 * MB),
            Source("imdb/aclImdb_v1.tar.gz", ((path, ""),), "reviews", 128 * MB),
            Source(
                "https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz", ((path, ""),), "reviews", 128 * MB
            ),
        ),
        licence="none stated; the authors ask for the citation",
        citation="A. Maas et al., Learning word vectors for sentiment analysis, 2011",
        stand_in=_TEXTS,
    )


def _build() -> Mapping[str, Entry]:
    entries = (
        _mnist(),
        _cifar10(),
        _planetoid("cora", "Cora citation graph: 2,708 nodes, 1,433 features, 7 classes"),
        _planetoid("citeseer", "CiteSeer citation graph: 3,327 nodes, 3,703 features, 6 classes"),
        _planetoid("pubmed", "PubMed citation graph: 19,717 nodes, 500 features, 3 classes"),
        *_ag_news(),
        _imdb(),
    )
    table: dict[str, Entry] = {}
    for entry in entries:
        if entry.name in table:
            raise ValueError(f"two datasets are called {entry.name!r}")
        table[entry.name] = entry
    return MappingProxyType(table)


ENTRIES: Final = _build()
"""Every dataset that is fetched, by name (the special functions are computed, see ``formulas.py``)."""
