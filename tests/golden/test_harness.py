"""The golden harness itself: a changed value, an unknown key and an unknown file are failures."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from golden_compare import Compared, Reader
from golden_models import check_model, spec_named
from golden_tables import check_model_set, check_ranges, check_schedules, check_tokenizer, set_named

FOLDER = Path(__file__).parent / "files"
PROSE = {"note", "rule", "weights_rule", "mode", "source", "split_note", "checked", "text"}
FILES: dict[str, Callable[[Reader, Compared], None]] = {
    "models/kan-g5.json": lambda reader, compared: check_model(reader, compared, "kan-g5"),
    "model-sets/cnn-depth.json": lambda reader, compared: check_model_set(reader, compared, "cnn-depth"),
    "ranges.json": check_ranges,
    "schedules.json": check_schedules,
    "tokenizer.json": check_tokenizer,
}


def places(value: Any, path: tuple = ()) -> Iterator[tuple]:
    """Paths to one value under every key (the last one of a list) that is not a sentence for people."""
    if isinstance(value, dict):
        for key, entry in value.items():
            if key not in PROSE:
                yield from places(entry, (*path, key))
    elif isinstance(value, list) and value:
        yield from places(value[-1], (*path, len(value) - 1))
    else:
        yield path


def change(data: Any, path: tuple) -> None:
    for key in path[:-1]:
        data = data[key]
    old = data[path[-1]]
    if isinstance(old, str):
        data[path[-1]] = old[:-1] + ("0" if old[-1] != "0" else "1")
    else:
        data[path[-1]] = old * 1.2 + 1 if isinstance(old, float) else old + 1


@pytest.mark.parametrize("file", FILES)
def test_every_key_is_compared(file: str) -> None:
    """One value under each key is changed in turn; the file must fail each time."""
    data = json.loads((FOLDER / file).read_text(encoding="utf-8"))
    unnoticed = []
    for path in places(data):
        wrong = copy.deepcopy(data)
        change(wrong, path)
        try:
            FILES[file](Reader(wrong, file), Compared())
            unnoticed.append(path)
        except (AssertionError, ValueError, TypeError, KeyError, IndexError):
            pass
    # the noise of float32 that a file prints only widens a tolerance
    assert [path for path in unnoticed if path[-1] != "max_abs_diff_float32_float64"] == []


@pytest.mark.parametrize("file", FILES)
def test_unknown_keys_fail(file: str) -> None:
    data = json.loads((FOLDER / file).read_text(encoding="utf-8"))
    with pytest.raises(AssertionError, match=r"new|does not know"):
        FILES[file](Reader({**data, "new": {"total": 1, "warmup": 0, "other": 2}}, file), Compared())


def test_a_wrong_value_fails_with_its_place() -> None:
    compared = Compared()
    with pytest.raises(AssertionError, match="position 1"):
        compared.close([1.0, 2.0], [1.0, 2.1], "pair", rtol=1e-3)
    with pytest.raises(AssertionError, match="wanted"):
        compared.close([1.0, float("nan")], [1.0, 2.0], "pair", rtol=9)
    with pytest.raises(AssertionError, match="wanted"):
        compared.equal([1, 2], [1, 3], "pair")


def test_names_that_were_never_seen() -> None:
    for name, wanted in {
        "mlp-mnist": 118_282,
        "cnn8-mnist": 74_762,
        "cnn20": 269_034,
        "cnn32": 463_018,
        "cnn44": 657_002,
        "cnn56": 850_986,
        "gcn-cora": 92_231,
        "gcn-citeseer": 237_446,
        "gcn-pubmed": 32_259,
        "gat-cora": 92_373,
        "gat-citeseer": 237_586,
        "gat-pubmed": 33_779,
        "transformer2-agnews": 378_372,
        "transformer1-imdb": 377_858,
        "kan-g5": 254,
        "kan-g10": 364,
        "kan-ellipj": 407,
        "uhn-generated": 181_121,
    }.items():
        assert spec_named(name).num_params == wanted
    with pytest.raises(AssertionError, match="rnn"):
        spec_named("rnn")
    for name, wanted in {
        "cnn-depth": "cnn-depth",
        "cnn-mixed-width": "cnn-width",
        "cnn-depth-width": "cnn-depth-width",
        "cnn-depth-and-width": "cnn-depth-width",
        "transformer-mixed": "transformer",
    }.items():
        assert set_named(name) == wanted
