"""IMDB: the labelled reviews of the archive, joined into one file."""

from __future__ import annotations

from typing import Final

from uhn.tasks.dataset import Raw
from uhn.tasks.fetch.checksums import MB, DataError, File, Origin
from uhn.tasks.texts import Rows, TextDataset
from uhn.vocabulary import DatasetType


def parse_reviews(content: bytes, where: str) -> tuple[list[tuple[int, str]], list[tuple[int, str]]]:
    """Parse joined reviews into training and test rows, in order of (class, number); negative 0, positive 1.

    Raises:
        DataError: if the joined file is broken.
    """
    found: dict[str, list[tuple[int, int, str]]] = {"train": [], "test": []}
    place = 0
    try:
        while place < len(content):
            name_end = content.index(b"\0", place)
            length_end = content.index(b"\0", name_end + 1)
            split, label, file = content[place:name_end].decode().split("/")
            end = length_end + 1 + int(content[name_end + 1 : length_end])
            if end > len(content):
                raise ValueError("the last review is cut off")
            text = content[length_end + 1 : end].decode("utf-8")
            found[split].append(({"neg": 0, "pos": 1}[label], int(file.partition("_")[0]), text))
            place = end
    except (ValueError, KeyError) as error:
        raise DataError(f"{where}, at byte {place}: {error}") from None
    train, test = ([(label, text) for label, _, text in sorted(found[split])] for split in ("train", "test"))
    return train, test


def parse(files: Raw) -> tuple[Rows, Rows]:
    """Training and test rows of the one file."""
    ((path, content),) = files
    return parse_reviews(content, path)


PATH: Final = "imdb/reviews.bin"
REVIEW: Final = r"aclImdb/((?:train|test)/(?:pos|neg)/[0-9]+_[0-9]+\.txt)"
"""Members of the archive that are labelled reviews."""

DATASETS: Final = (
    TextDataset(
        name="imdb",
        label="IMDB",
        title="IMDB Large Movie Review Dataset, 25,000 + 25,000 labelled reviews",
        code=DatasetType.IMDB,
        classes=2,
        train_rows=25_000,
        test_rows=25_000,
        majority=((25_000, 12_500), (100, 63)),
        length=512,
        words=230,
        parse=parse,
        files=(File(PATH, "e387e12957f58c094950ca49ae5135e14445e014426337764a554f8f142e5d10", 66747817),),
        origins=tuple(
            Origin(address, ((PATH, REVIEW),), "joined", most * MB)
            for address, most in (
                ("imdb/aclImdb_v1_labelled.tar.xz", 64),
                ("imdb/aclImdb_v1.tar.gz", 128),
                ("https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz", 128),
            )
        ),
        licence="none stated; the authors ask for the citation",
        citation="A. Maas et al., Learning word vectors for sentiment analysis, 2011",
    ),
)
