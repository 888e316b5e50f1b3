"""``uhn restore`` from an archive, a folder and an object store: whole, checked, and never over other results."""

from __future__ import annotations

import shutil
import subprocess
import sys
import urllib.request
import zipfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest

from uhn.paper.cli import main
from uhn.paper.report import elsewhere

RUN = "kan-kv/uhn/seed-21962"
FILES = ("model.safetensors", "history.csv", "metrics.json")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> SimpleNamespace:
    """Results with one trained run, and an archive of them with its weights."""
    place = tmp_path_factory.mktemp("made")
    options = ["--profile", "smoke", "--params", str(repository / "params.yaml")]
    results, work, data = (str(place / name) for name in ("results", "work", "data"))
    assert main(["run", RUN, *options, "--results", results, "--work", work, "--data", data]) == 0
    assert main(["archive", *options, "--results", results, "--out", str(place / "whole.zip"), "--weights"]) == 0
    (place / "results/smoke/sweeps").mkdir()
    (place / "results/smoke/sweeps/choice.json").write_text("{}")
    return SimpleNamespace(place=place, options=options, work=["--work", work, "--data", data])


def contents(results: Path, names: tuple[str, ...] = FILES) -> list[bytes]:
    return [(results / "smoke/runs" / RUN / name).read_bytes() for name in names]


@pytest.mark.parametrize("kind", ["archive", "folder", "unpacked", "memory"])
def test_a_run_comes_back_with_its_bytes_and_is_finished(
    made: SimpleNamespace, tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    """What was interrupted goes on: what is there is not read again, what lacks is brought."""
    place = str(made.place / {"archive": "whole.zip"}.get(kind, "results"))
    if kind == "unpacked":
        place = str(tmp_path / "unpacked")
        with zipfile.ZipFile(made.place / "whole.zip") as files:
            files.extractall(place)
    if kind == "memory":
        import fsspec

        place = "memory://bucket/results"
        fsspec.filesystem("memory").put(str(made.place / "results"), "/bucket/results", recursive=True)
    restore = ["restore", place, *made.options, "--results", str(tmp_path / "results")]
    assert main(restore) == 0
    assert "1 runs restored, 0 were there" in capsys.readouterr().out
    assert contents(tmp_path / "results") == contents(made.place / "results")
    if kind in ("folder", "memory"):
        assert (tmp_path / "results/smoke/sweeps/choice.json").read_text() == "{}"
    assert main(restore) == 0
    assert "0 runs restored, 1 were there" in capsys.readouterr().out
    (tmp_path / "results/smoke/runs" / RUN / "model.safetensors").unlink()
    assert main(restore) == 0
    assert "1 runs restored, 0 were there" in capsys.readouterr().out
    assert main(["run", RUN, *made.options, *made.work, "--results", str(tmp_path / "results")]) == 0
    assert "finished before" in capsys.readouterr().out


def test_without_weights_it_says_so_and_still_renders(
    made: SimpleNamespace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = [*made.options, "--results", str(tmp_path / "results")]
    shutil.copytree(made.place / "results", tmp_path / "bare", ignore=shutil.ignore_patterns(FILES[0]))
    assert main(["restore", str(tmp_path / "bare"), *common]) == 0
    assert f"without weights, e.g. {RUN}: 1 runs" in capsys.readouterr().out
    assert contents(tmp_path / "results", FILES[1:]) == contents(made.place / "results", FILES[1:])
    assert main(["render", "table11", *common]) == 0
    with zipfile.ZipFile(made.place / "whole.zip") as files:
        wanted = files.read("smoke/tables/table11.csv")
    assert (tmp_path / "results/smoke/tables/table11.csv").read_bytes() == wanted


def test_other_results_stay(made: SimpleNamespace, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A result that somebody else has made in the meantime, or a choice: all is refused before anything is written."""
    restore = ["restore", str(made.place / "results"), *made.options, "--results", str(tmp_path / "results")]
    choice = tmp_path / "results/smoke/sweeps/choice.json"
    choice.parent.mkdir(parents=True)
    choice.write_text("[]")
    assert main(restore) == 2
    assert f"got another {choice}; nothing was written" in capsys.readouterr().err
    assert [path for path in (tmp_path / "results").rglob("*") if path.is_file()] == [choice]


@pytest.mark.parametrize("name", FILES)
def test_an_altered_file_is_refused(
    made: SimpleNamespace, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """In a folder the record finds it, in an archive its list too; nothing of the run is left."""
    place = tmp_path / "place"
    shutil.copytree(made.place / "results", place)
    path = place / "smoke/runs" / RUN / name
    path.write_bytes(path.read_bytes().replace(b"0", b"1"))
    restore = [*made.options, "--results", str(tmp_path / "results")]
    assert main(["restore", str(place), *restore]) == 2
    assert "altered" in capsys.readouterr().err
    unpacked = tmp_path / "unpacked"
    with zipfile.ZipFile(made.place / "whole.zip") as files:
        files.extractall(unpacked)
    stored = {"model.safetensors": f"weights/{RUN}/{name}", "history.csv": "smoke/histories.csv"}
    path = unpacked / stored.get(name, "smoke/records.jsonl")
    path.write_bytes(path.read_bytes() + b" ")
    assert main(["restore", str(unpacked), *restore]) == 2
    assert "is not as ro-crate-metadata.json lists it" in capsys.readouterr().err
    path.unlink()
    assert main(["restore", str(unpacked), *restore]) == 2
    assert "is listed and missing" in capsys.readouterr().err
    assert not (tmp_path / "results").exists()


def test_what_is_no_place_of_results(
    made: SimpleNamespace, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def said(place: object, *more: str) -> str:
        assert main(["restore", str(place), *made.options, *more, "--results", str(tmp_path / "results")]) in (1, 2)
        return capsys.readouterr().err

    assert "wanted results, got no files there" in said(tmp_path / "none")
    assert "none.zip: No such file" in said(tmp_path / "none.zip")
    assert "not known: what" in said("what://ever")
    assert "wanted runs of the profile paper, got smoke" in said(made.place / "results", "--profile", "paper")
    (tmp_path / "text.zip").write_text("no zip")
    assert "text.zip: File is not a zip file" in said(tmp_path / "text.zip")
    monkeypatch.setitem(sys.modules, "s3fs", None)
    assert "needs s3fs, which is not installed: pip install 'uhn[s3]'" in said("s3://bucket/path")
    monkeypatch.setattr(elsewhere, "MOST_BYTES", 10)
    assert "and 0 GiB, got more" in said(made.place / "whole.zip")
    assert not (tmp_path / "results").exists()


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """An S3 server on loopback that holds one empty bucket."""
    environment = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    code = "from moto.server import ThreadedMotoServer as S; s = S('127.0.0.1', 0); s.start(); "
    code += "print('at', *s.get_host_and_port(), flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        host, port = next(line for line in server.stdout if line.startswith("at ")).split()[1:]
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        request = urllib.request.Request(f"http://{host}:{port}/bucket", method="PUT")
        with urllib.request.urlopen(request):
            yield "s3://bucket"
        server.kill()


@pytest.mark.skipif(not (find_spec("moto") and find_spec("s3fs")), reason="needs moto[server] and the extra s3")
@pytest.mark.filterwarnings("ignore")  # of the client's libraries
def test_a_bucket_gives_what_a_folder_gives(
    made: SimpleNamespace, tmp_path: Path, bucket: str, capsys: pytest.CaptureFixture[str]
) -> None:
    import fsspec

    store = fsspec.filesystem("s3")
    store.put(str(made.place / "results") + "/", f"{bucket}/some/results/", recursive=True)
    store.put(str(made.place / "whole.zip"), f"{bucket}/whole.zip")
    for number, place in enumerate((f"{bucket}/some/results", f"{bucket}/whole.zip")):
        results = tmp_path / str(number)
        assert main(["restore", place, *made.options, "--results", str(results)]) == 0
        assert contents(results) == contents(made.place / "results")
    for place in ("s3://other/results", f"{bucket}/none"):
        assert main(["restore", place, *made.options, "--results", str(tmp_path / "no")]) in (1, 2)
        assert capsys.readouterr().err.startswith("uhn: ")
