"""``uhn archive`` and ``uhn verify``: a real run goes in, comes out, is rendered and trained again; lies are found."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from uhn.paper.cli import main
from uhn.paper.report.crate import CODE, METADATA

RUN = "kan-kv/uhn/seed-21962"


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Path:
    place = tmp_path_factory.mktemp("archive")
    common = ["--profile", "smoke", "--params", str(repository / "params.yaml"), "--results", str(place / "results")]
    assert main(["run", RUN, *common, "--work", str(place / "work"), "--data", str(place / "data")]) == 0
    assert main(["archive", *common, "--weights", "--out", str(place / "smoke.zip")]) == 0
    assert [path.name for path in place.glob("*smoke*")] == ["smoke.zip"]
    return place / "smoke.zip"


def changed(archive: Path, target: Path, change: Callable[[str, bytes], bytes | None], **more: bytes) -> Path:
    """A copy with other contents; None leaves a file out."""
    with zipfile.ZipFile(archive) as source, zipfile.ZipFile(target, "w") as copy:
        for entry in source.infolist():
            if (content := change(entry.filename, source.read(entry))) is not None:
                copy.writestr(entry.filename, content)
        for name, content in more.items():
            copy.writestr(name, content)
    return target


def test_an_archive_lists_every_file_with_its_checksum_and_says_whose_it_is(archive: Path) -> None:
    with zipfile.ZipFile(archive) as files:
        graph = json.loads(files.read(METADATA))["@graph"]
        listed = {each["@id"]: each for each in graph if each["@type"] == "File"}
        assert {*listed, METADATA} == {*files.namelist()}
        for name, told in listed.items():
            content = files.read(name)
            assert (told["sha256"], told["contentSize"]) == (sha256(content).hexdigest(), str(len(content)))
    assert {"smoke/records.jsonl", "smoke/params.yaml", f"weights/{RUN}/model.safetensors", "LICENSE"} <= {*listed}
    assert {"smoke/tables/table11.csv", "smoke/report.html", "environment.txt"} <= {*listed}
    root = next(each for each in graph if each["@id"] == "./")
    assert root["license"] == {"@id": "https://spdx.org/licenses/MIT"} and {"@id": CODE} in root["hasPart"]


def test_it_is_checked_rendered_and_trained_again(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(archive), "--retrain"]) == 0
    said = capsys.readouterr().out
    assert "1 runs of the profile smoke" in said and f"{RUN}: the same numbers, to the last bit" in said


def test_a_value_that_training_does_not_give_is_found(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A forger who mends all checksums but the record's own is caught by it; one who mends that too, by training."""

    def forge(name: str, content: bytes) -> bytes:
        return content.replace(b"train,1,", b"train,2,") if name == "smoke/histories.csv" else content

    def mend(name: str, content: bytes) -> bytes:
        found = {}
        with zipfile.ZipFile(forged) as files:
            found = {each: sha256(files.read(each)).hexdigest() for each in files.namelist()}
        if name != METADATA:
            return content
        crate = json.loads(content)
        for each in crate["@graph"]:
            if each["@type"] == "File":
                each["sha256"] = found[each["@id"]]
        return json.dumps(crate).encode()

    forged = changed(archive, tmp_path / "forged.zip", forge)
    assert main(["verify", str(forged)]) == 2
    assert "histories.csv is not as ro-crate-metadata.json lists it" in capsys.readouterr().err
    mended = changed(forged, tmp_path / "mended.zip", mend)
    assert main(["verify", str(mended)]) == 2
    assert "history.csv" in capsys.readouterr().err


def test_a_table_that_its_records_do_not_give_is_found(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table, content = "smoke/tables/table11.csv", b"row,value\nkv,0\n"

    def forge(name: str, before: bytes) -> bytes:
        if name == METADATA:
            crate = json.loads(before)
            next(each for each in crate["@graph"] if each["@id"] == table)["sha256"] = sha256(content).hexdigest()
            return json.dumps(crate).encode()
        return content if name == table else before

    assert main(["verify", str(changed(archive, tmp_path / "forged.zip", forge))]) == 1
    assert f"{table} differs" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("leave_out", "add", "message"),
    [
        ("LICENSE", {}, "LICENSE is listed and missing"),
        ("", {"more.txt": b""}, "more.txt is not listed"),
        (METADATA, {}, f"wanted {METADATA} in it, got none"),
    ],
)
def test_files_too_few_or_too_many_are_refused(
    archive: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    leave_out: str,
    add: dict[str, bytes],
    message: str,
) -> None:
    bad = changed(archive, tmp_path / "bad.zip", lambda name, content: None if name == leave_out else content, **add)
    assert main(["verify", str(bad)]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("name", ["../out.txt", "/tmp/out.txt"])
def test_no_file_leaves_the_folder(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    def listed(each: str, content: bytes) -> bytes:
        if each == METADATA:
            crate = json.loads(content)
            crate["@graph"].append({"@id": name, "@type": "File", "sha256": sha256(b"x").hexdigest()})
            return json.dumps(crate).encode()
        return content

    assert main(["verify", str(changed(archive, tmp_path / "bad.zip", listed, **{name: b"x"}))]) == 2
    assert "wanted plain names" in capsys.readouterr().err


def test_what_is_no_archive_and_a_run_that_is_not_in_it(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text.zip").write_text("no zip")
    assert main(["verify", str(tmp_path / "text.zip")]) == 2
    assert main(["verify", str(archive), "--retrain", "kan-kv/uhn/seed-1"]) == 2
    assert f"e.g. {RUN}" in capsys.readouterr().err
    assert main(["archive", "--profile", "smoke", "--results", str(tmp_path), "--out", str(tmp_path / "o.zip")]) == 2
    assert not (tmp_path / "o.zip").exists()
