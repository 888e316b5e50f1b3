"""The library against golden numbers; see files/README.md for what they are and where they come from.

``UHN_GOLDEN`` names another folder to use instead of ``files``. Every file found there is checked, whatever its
name; a file or key that this harness does not know is a failure.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from golden_compare import PROPERTY, Compared, Reader
from golden_generators import check_generator
from golden_models import check_model
from golden_tables import check_formulas, check_model_set, check_ranges, check_schedules, check_tokenizer

FOLDER = Path(os.environ.get("UHN_GOLDEN") or Path(__file__).parent / "files")
FILES = sorted(
    path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*") if path.is_file() and path.name != "README.md"
)
BY_FOLDER = {"models": check_model, "generator": check_generator, "model-sets": check_model_set}
BY_NAME = {
    "ranges.json": check_ranges,
    "schedules.json": check_schedules,
    "formulas.json": check_formulas,
    "tokenizer.json": check_tokenizer,
}


def test_there_are_golden_files() -> None:
    assert FILES, f"no golden files in {FOLDER}"


@pytest.mark.parametrize("file", FILES)
def test_golden(file: str, record_property) -> None:
    path = FOLDER / file
    assert path.suffix == ".json", f"no rule for {file}"
    reader, compared = Reader(json.loads(path.read_text(encoding="utf-8")), file), Compared()
    if file in BY_NAME:
        BY_NAME[file](reader, compared)
    else:
        assert path.parent.relative_to(FOLDER).as_posix() in BY_FOLDER, f"no rule for {file}"
        BY_FOLDER[path.parent.name](reader, compared, path.stem)
    assert compared.values > 0, f"{file}: nothing was compared"
    record_property(PROPERTY, compared.values)
