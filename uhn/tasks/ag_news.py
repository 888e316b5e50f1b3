"""AG News, and the part of it that is at hand where the official training file is not."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from typing import Final

from uhn.tasks.dataset import Raw
from uhn.tasks.fetch.checksums import MB, DataError, File, Origin
from uhn.tasks.texts import Rows, TextDataset
from uhn.vocabulary import DatasetType


def parse_rows(content: bytes, where: str) -> list[tuple[int, str]]:
    """Parse rows ``"class","title","description"``: class 1-4 becomes 0-3, text is title, space, description.

    Raises:
        DataError: naming the row that is broken.
    """
    rows: list[tuple[int, str]] = []
    try:
        reader = csv.reader(io.StringIO(content.decode("utf-8"), newline=""), strict=True)
        for number, fields in enumerate(reader, 1):
            if len(fields) != 3 or fields[0] not in ("1", "2", "3", "4"):
                raise DataError(
                    f"{where}, row {number}: wanted a class 1-4, a title and a description, got {str(fields)[:80]}"
                )
            rows.append((int(fields[0]) - 1, f"{fields[1]} {fields[2]}"))
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{where}, after row {len(rows)}: {error}") from None
    return rows


def parse(files: Raw) -> tuple[Rows, Rows]:
    """Training and test rows of the two files."""
    train, test = (parse_rows(content, path) for path, content in files)
    return train, test


TEST: Final = File("ag_news/test.csv", "521465c2428ed7f02f8d6db6ffdd4b5447c1c701962353eb2c40d548c3c85699", 1857427)
# Of the official training file only the published MD5 is known.
TRAIN: Final = File("ag_news/train.csv", "b1a00f826fdfbd249f79597b59e1dc12", None, "md5", 64 * MB)
SUBSET: Final = File(
    "ag_news/train.subset.csv", "30b8c7f25f42ddef719f35522f49e396fea6e7498ac3f8a4806b92f1aa3d53e2", 7372127
)


def _origins(file: File, *, official: bool) -> tuple[Origin, ...]:
    gives, name = ((file.path, ""),), file.path.rpartition("/")[2]
    mirror = (Origin(f"{file.path}.xz", gives, "xz", 64 * MB), Origin(file.path, gives, "plain", 64 * MB))
    if not official:
        return mirror
    return (
        *mirror,
        Origin(
            f"https://raw.githubusercontent.com/mhjabreel/CharCnn_Keras/master/data/ag_news_csv/{name}",
            gives,
            "plain",
            64 * MB,
        ),
        Origin(
            "https://s3.amazonaws.com/fast-ai-nlp/ag_news_csv.tgz",
            ((file.path, f"ag_news_csv/{name}"),),
            "tar",
            64 * MB,
        ),
    )


WHOLE: Final = TextDataset(
    name="ag_news",
    label="AG News",
    title="AG News, 120,000 + 7,600 articles in 4 classes",
    code=DatasetType.AG_NEWS,
    classes=4,
    train_rows=120_000,
    test_rows=7_600,
    majority=((7_600, 1_900), (2_000, 517), (500, 135), (100, 33)),
    length=128,
    words=38,
    parse=parse,
    files=(TRAIN, TEST),
    origins=(*_origins(TRAIN, official=True), *_origins(TEST, official=True)),
    licence="research and other non-commercial use",
    citation="X. Zhang, J. Zhao, Y. LeCun, Character-level convolutional networks for text classification, 2015",
    fallback="ag_news_30k",
)

DATASETS: Final = (
    WHOLE,
    replace(
        WHOLE,
        name="ag_news_30k",
        title="AG News, 30,027 of the 120,000 training articles + 7,600",
        train_rows=30_027,
        majority=(),
        files=(SUBSET, TEST),
        origins=(*_origins(SUBSET, official=False), *_origins(TEST, official=True)),
        fallback="",
        whole="ag_news",
        part="30,027 of the 120,000 official training articles",
    ),
)
