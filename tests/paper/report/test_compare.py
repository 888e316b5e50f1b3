"""``uhn compare``: what differs beyond the noise of the seeds, against other results, profiles and revisions."""

from __future__ import annotations

import csv
import io
import json
import subprocess
from pathlib import Path

import pytest
from reporting_synthetic import leave, metrics
from scipy.stats import ttest_ind

from uhn.paper.cli import main
from uhn.paper.runs import checkout

HERE = {"mnist-mlp": (0.98, 0.981, 0.979), "cora-gcn": (0.80, 0.81, 0.79), "pubmed-gcn": (0.7,), "cora-gat": (0.8,)}
THERE = {"mnist-mlp": (0.96, 0.961, 0.959), "cora-gcn": (0.81, 0.80, 0.80), "pubmed-gcn": (0.6,), "cora-gat": (0.8,)}


def lay(results: Path, values: dict[str, tuple[float, ...]], profile: str = "quick", *others: str) -> None:
    for name, scores in values.items():
        leave(results, *(metrics(name, seed=n, value=value) for n, value in enumerate(scores)), profile=profile)
    leave(results, *(metrics(name, seed=1, value=0.5) for name in others), profile=profile)


def cells(results: Path, *words: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, dict[str, str]]]:
    code = main(["compare", *words, "--results", str(results), "--csv"])
    rows = csv.DictReader(io.StringIO(capsys.readouterr().out))
    return code, {f"{row['row']} {row['column']}": row for row in rows}


def test_cells_are_compared_beyond_the_noise_of_their_seeds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lay(tmp_path, HERE, "quick", "mnist-cnn8")
    lay(tmp_path / "reference", THERE, "quick", "citeseer-gcn")
    code, found = cells(tmp_path, capsys=capsys)
    assert code == 1, "something differs"
    for name, outcome in {
        "mnist-mlp": "differs",
        "cora-gcn": "within the noise",
        "pubmed-gcn": "one seed",
        "cora-gat": "the same",
        "mnist-cnn8": "only here",
        "citeseer-gcn": "only there",
    }.items():
        assert found.pop(f"{name} direct")["outcome"] == outcome
    assert not found
    for name in ("mnist-mlp", "cora-gcn"):
        p = float(ttest_ind(HERE[name], THERE[name], equal_var=False).pvalue)
        assert (p < 0.05) is (name == "mnist-mlp")
    assert main(["compare", "--results", str(tmp_path)]) == 1
    text = capsys.readouterr().out
    assert "table01 mnist-mlp direct" in text and "98.00 ± 0.10" in text and "+2.00 [" in text
    assert "1 differs: the 95 % interval" in text and "1 one seed: " in text
    assert main(["compare", "--results", str(tmp_path), "--json"]) == 1
    assert {row["settings"] for row in json.loads(capsys.readouterr().out)} == {"same", "–"}


def test_profiles_and_their_settings_are_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lay(tmp_path, {"cora-gcn": HERE["cora-gcn"]})
    record = metrics("cora-gcn", seed=0, value=0.8)
    record["settings"]["train"]["lr"] = 1.0
    leave(tmp_path, record, profile="mine")
    code, found = cells(tmp_path, "mine", capsys=capsys)
    assert code == 0 and found["cora-gcn direct"]["outcome"] == "one seed"
    assert found["cora-gcn direct"]["settings"] == "other"
    record = metrics("cora-gcn", seed=0, value=0.8)
    record["data"][0]["fingerprint"] = "0" * 64
    leave(tmp_path, record, profile="mine")
    assert cells(tmp_path, "mine", capsys=capsys)[1]["cora-gcn direct"]["settings"] == "same, other data"
    lay(tmp_path / "reference", {"cora-gcn": HERE["cora-gcn"]}, "kept")
    assert cells(tmp_path, "kept", capsys=capsys)[1]["cora-gcn direct"]["outcome"] == "the same"


def test_what_a_revision_has_kept_is_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lay(tmp_path / "results/reference", THERE)
    for words in (["init", "-q"], ["add", "-A"], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "a"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True, capture_output=True)
    monkeypatch.setattr(checkout, "ROOT", tmp_path)
    lay(tmp_path / "results/reference", HERE)
    code, found = cells(tmp_path / "results", "HEAD", capsys=capsys)
    assert code == 1 and found["mnist-mlp direct"]["outcome"] == "differs", "kept now against kept then"
    assert found["mnist-mlp direct"]["there"].startswith("96.00")


@pytest.mark.parametrize("other", ["nothing-such", "--", "../up"])
def test_nothing_to_compare_with_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str], other: str) -> None:
    lay(tmp_path, HERE)
    assert main(["compare", "--results", str(tmp_path), "--", other]) == 2
    assert "wanted reference, a profile with results (kept: none) or a git revision" in capsys.readouterr().err
    assert main(["compare", "--results", str(tmp_path)]) == 2
    assert f"wanted kept results in {tmp_path / 'reference/quick'}, got none" in capsys.readouterr().err
