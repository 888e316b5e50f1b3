"""The shipped generators: the file is the one that its record is about, and its accuracy is what README says."""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
import torch

import uhn
from uhn.pretrained.families import FAMILIES
from uhn.pretrained.loading import FOLDER

NAME = "cnn-width-small"
FAMILY = FAMILIES[NAME]
ROOT = Path(__file__).parents[2]
UNSEEN = (12, 20, 24)
GOLDEN = 7.1671


@pytest.fixture(scope="module")
def record() -> dict[str, Any]:
    return json.loads((FOLDER / f"{NAME}.json").read_text(encoding="utf-8"))


def test_the_record_is_about_the_file_and_the_family(record: dict[str, Any]) -> None:
    content = (FOLDER / f"{NAME}.safetensors").read_bytes()
    assert record["sha256"] == hashlib.sha256(content).hexdigest() and len(content) < 5_000_000
    assert record["settings"] == {"generator": FAMILY.generator, "init": FAMILY.initialise, "train": FAMILY.train}
    seen, unseen = ([tuple(widths) for widths in record[part]] for part in ("seen", "unseen"))
    assert (seen, unseen) == FAMILY.split() and len(seen) == 50 and len(unseen) == 10 and not {*seen} & {*unseen}
    assert re.fullmatch("[0-9a-f]{40}", record["commit"]), "made by code that is committed"
    assert set(record["accuracy"]["unseen"]) == {"-".join(map(str, widths)) for widths in unseen}


def test_it_makes_what_it_made() -> None:
    """A logit of a network that training never saw."""
    spec, image = FAMILY.spec(UNSEEN), torch.linspace(-2, 2, 3 * 32 * 32).view(1, 3, 32, 32)
    with torch.no_grad():
        logits = uhn.run(spec, uhn.from_pretrained(NAME)(spec), image)
    assert logits[0, 0].item() == pytest.approx(GOLDEN, abs=2e-3)


def test_the_page_has_the_numbers_of_the_records(record: dict[str, Any]) -> None:
    """A column per seed: the shipped one and what the same command left with others."""
    page = (ROOT / "docs/pretrained.md").read_text(encoding="utf-8")
    others = (f"docs/{NAME}-seed-{seed}.json" for seed in (1, 2))
    records = [record, *(json.loads((ROOT / name).read_text(encoding="utf-8")) for name in others)]
    same = ("name", "data", "settings", "stages", "seen", "unseen")
    assert all(found[key] == record[key] for key in same for found in records)
    assert [found["seed"] for found in records] == [0, 1, 2] and len({found["sha256"] for found in records}) == 3
    for part in ("unseen", "seen"):
        columns = [found["accuracy"][part] for found in records]
        for name in columns[0]:
            values = (f"{100 * column[name]:.2f}" for column in columns)
            row = f"| {name.replace('-', ', ')} | {part} | {' | '.join(values)} |"
            assert f"\n{row}\n" in page, row
        means = (f"{100 * sum(c.values()) / len(c):.2f}" for c in columns)
        assert f"\n| mean of {len(columns[0])} | {part} | {' | '.join(means)} |\n" in page
    assert f"{record['settings']['train']['steps']:,} steps" in page


def test_the_readme_says_what_is_measured(
    record: dict[str, Any], real_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its lines, run where the whole test set is."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (block,) = (part.split("```")[0] for part in readme.split("```python\n")[1:] if "from_pretrained" in part)
    said = float(re.findall(r"# (0\.\d+)$", block, re.M)[0])
    assert said == pytest.approx(record["accuracy"]["unseen"]["-".join(map(str, UNSEEN))], abs=5e-4)
    if not (Path(os.environ.get("UHN_DATA_MIRROR", "")) / "cifar-10-batches-py").is_dir():
        pytest.skip("no mirror with CIFAR-10")
    (tmp_path / "data").symlink_to(real_data)
    monkeypatch.chdir(tmp_path)
    scope: dict[str, Any] = {"uhn": uhn}
    exec(compile(block, "README.md", "exec"), scope)
    assert scope["spec"] == FAMILY.spec(UNSEEN) and UNSEEN in FAMILY.split()[1]
    assert scope["accuracy"] == pytest.approx(said, abs=1e-3)


def test_a_wrong_name_is_told_the_nearest() -> None:
    with pytest.raises(ValueError, match="no shipped generator 'cnn-width-smal': did you mean 'cnn-width-small'"):
        uhn.from_pretrained("cnn-width-smal")
    with pytest.raises(ValueError, match="there are cnn-width-small .*UniversalHypernetwork.load"):
        uhn.from_pretrained("me/my-generator")
    with pytest.raises(TypeError, match="wants a name, got PosixPath"):
        uhn.from_pretrained(Path("x"))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="out_idx 0..39 is outside 0..31"):
        uhn.from_pretrained(NAME)(uhn.cnn((1, 1, 2, 2), (8, 8, 12, 40)))
