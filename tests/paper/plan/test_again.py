"""Training finished runs a second time: the same bits, or what differs and why it may."""

from __future__ import annotations

from pathlib import Path

import pytest

from uhn.paper.cli import main
from uhn.records import RECORD, read_record, sealed, to_text

RUN = "kan-kv/direct/seed-21962"


@pytest.fixture
def uhn_run(repository: Path, tmp_path: Path):  # type: ignore[no-untyped-def]
    options = ["--profile", "smoke", "--params", str(repository / "params.yaml")]
    options += [word for name in ("results", "work", "data") for word in (f"--{name}", str(tmp_path / name))]
    return lambda *arguments: main(["run", *arguments, *options])


def test_the_same_bits_come_out_and_nothing_is_left(uhn_run, tmp_path: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    assert uhn_run(RUN) == 0 and uhn_run(RUN) == 0
    folder = tmp_path / "results/smoke/runs" / RUN
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert uhn_run(RUN, "--again") == 0
    said = capsys.readouterr().out
    assert f"{RUN}: the same bits" in said and "train step 3/3" in said.rpartition("finished before")[2]
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert not (tmp_path / "work").exists() or not list((tmp_path / "work").rglob("*.*"))


def test_other_bits_are_told_with_what_made_them(uhn_run, tmp_path: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    assert uhn_run(RUN) == 0
    folder = tmp_path / "results/smoke/runs" / RUN
    record = read_record(folder / RECORD)
    altered = {name: (folder / name).read_bytes() for name in ("model.safetensors", "history.csv")}
    altered["history.csv"] = altered["history.csv"].replace(b"train,3,", b"train,4,")
    record |= {"value": 9.5, "hardware": record["hardware"] | {"capability": "AVX9"}}
    (folder / "history.csv").write_bytes(altered["history.csv"])
    (folder / RECORD).write_text(to_text(sealed(record, altered)))
    for _ in range(2):  # what stayed of the first time is not taken for the second
        assert uhn_run(RUN, "--again") == 1
        said = capsys.readouterr().out
        assert "train step 3/3" in said and f"{RUN}: other bits, kept in {tmp_path / 'work/smoke' / RUN}" in said
        assert "history.csv differs from line 4 on" in said and ", was 9.5; made by hardware capability" in said
        assert "model.safetensors" not in said.splitlines()[-1]
    assert (tmp_path / "work/smoke" / RUN / "again/runs" / RUN / "model.safetensors").is_file()


def test_what_cannot_be_compared_is_said_before_anything_is_trained(uhn_run, tmp_path: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    assert uhn_run(RUN, "--again") == 2
    assert "--again: wanted a finished run to train again, got no" in capsys.readouterr().err
    assert uhn_run("--missing", "--again") == 2
    assert "--again goes with names of runs or --job, got it with --missing" in capsys.readouterr().err
    assert uhn_run(RUN) == 0
    path = tmp_path / "results/smoke/runs" / RUN / RECORD
    path.write_text(to_text(sealed(read_record(path) | {"settings_hash": "another"})))
    capsys.readouterr()
    assert uhn_run(RUN, "--again") == 2
    said = capsys.readouterr()
    assert f"is of other settings; `uhn run {RUN}` trains it with these" in said.err and "step" not in said.out
