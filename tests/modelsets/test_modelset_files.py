"""Model sets as files and on the command line: same bytes, nothing foreign accepted, the paper's numbers shown."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from uhn.models.sets import ModelSet, read_set, sample_set, write_set
from uhn.paper.cli import main

NAMES = ["cnn-depth", "cnn-width", "cnn-depth-width", "transformer", "mlp"]
TABLE_3 = {  # seed, draws, mean, largest
    "cnn-depth": ("75381", "178", "366,995.60", "463,018"),
    "transformer": ("57055", "1,104", "523,650.04", "1,086,212"),
}


def test_a_set_is_written_to_the_same_bytes_and_read_back(tmp_path: Path) -> None:
    one, two = tmp_path / "one.json", tmp_path / "deep/two.json"
    write_set("cnn-depth", one)
    write_set("cnn-depth", two)
    assert one.read_bytes() == two.read_bytes()
    assert read_set(one) == sample_set("cnn-depth")
    assert json.loads(one.read_text()) == sample_set("cnn-depth").to_json()


def another(data: dict[str, Any]) -> dict[str, Any]:
    """A whole set of other architectures, its counts and hash in order."""
    architectures = tuple(map(tuple, data["architectures"]))
    return ModelSet(data["name"], data["seed"], data["trials"], architectures[1:] + architectures[:1]).to_json()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data | {"hash": "0" * 64}, "'hash' does not fit"),
        (lambda data: data | {"splits": data["splits"] | {"unseen": [0, 20]}}, "'splits' does not fit"),
        (lambda data: data | {"parameters": [1, *data["parameters"][1:]]}, "'parameters' does not fit"),
        (lambda data: data | {"architectures": data["architectures"][1:]}, "does not fit"),
        (lambda data: data | {"architectures": [[6, 6, 6, 16, 32, 64]] * 100}, "twice"),
        (lambda data: data | {"architectures": None}, "cannot read"),
        (lambda data: data | {"seed": 1}, "wanted the architectures that seed 1 gives"),
        (another, "wanted the architectures that seed 75381 gives 'cnn-depth', got others"),
        (lambda data: [data], "has the keys"),
    ],
)
def test_a_file_that_was_touched_is_refused(
    change: Callable[[dict[str, Any]], object], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "set.json"
    path.write_text(json.dumps(change(sample_set("cnn-depth").to_json())))
    with pytest.raises(ValueError, match=message) as raised:
        read_set(path)
    assert "set.json" in str(raised.value)


@pytest.mark.parametrize("content", ["", "{", "\udc00"])
def test_a_file_that_is_cut_or_missing_is_named(content: str, tmp_path: Path) -> None:
    path = tmp_path / "set.json"
    if content:
        path.write_bytes(content.encode("utf-8", "surrogatepass"))
    with pytest.raises(ValueError, match="cannot read model set .*set.json"):
        read_set(path)


@pytest.mark.parametrize("name", TABLE_3)
def test_show_prints_table_3(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    seed, trials, mean, largest = TABLE_3[name]
    assert main(["modelset", "show", name, "--first", "2"]) == 0
    text = capsys.readouterr().out
    assert f"from seed {seed} in {trials} draws" in text
    assert f"mean {mean}," in text and f"largest {largest}\n" in text
    assert len(text.splitlines()) == 2 + 5 + 1 + 2


def test_list_show_json_and_write(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["modelset", "list"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == NAMES
    assert main(["modelset", "show", "cnn-depth", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == sample_set("cnn-depth").to_json()
    assert main(["modelset", "write", "cnn-depth", "--profile", "smoke", "--results", str(tmp_path)]) == 0
    assert read_set(tmp_path / "smoke/model-sets/cnn-depth.json").name == "cnn-depth"


@pytest.mark.parametrize(
    "arguments", [["show", "nothing"], ["write", "cnn-depth", "nothing"], ["show", "cnn-depth", "--first", "-1"]]
)
def test_bad_names_are_one_line_and_nothing_is_written(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    code = main(["modelset", *arguments])
    monkeypatch.undo()
    said = capsys.readouterr().err
    assert code == 2
    assert said.startswith("uhn: ") and said.count("\n") == 1
    assert not list(tmp_path.iterdir())
