"""What stands in the way of a run is said before it starts: one line per finding, exit code 1 if one stops runs."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from uhn.kernels import build
from uhn.paper.cli import main
from uhn.paper.commands import doctor
from uhn.paper.commands.doctor import available_gib
from uhn.tasks.fetch.mirrors import known_files

LINES = ("python", "packages", "memory", "disk", "git", "data", "gpu", "compiler", "threads")


@pytest.fixture
def params(tmp_path: Path, repository: Path) -> Path:
    """The smoke profile on functions alone, which needs no data."""
    text = (repository / "params.yaml").read_text(encoding="utf-8")
    head, smoke = text.split("  smoke:\n")
    for table in ("table01", "table02", "table03", "table04", "table12", "table13"):
        smoke = "\n".join(line for line in smoke.split("\n") if not line.startswith(f"      {table}:"))
    path = tmp_path / "params.yaml"
    path.write_text(f"{head}  smoke:\n{smoke}", encoding="utf-8")
    return path


@pytest.fixture(autouse=True)
def good_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever this machine is."""
    monkeypatch.setattr(doctor, "available_gib", lambda: 8.0)
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda place: SimpleNamespace(free=50e9))
    monkeypatch.setattr(build, "library", lambda half: None)
    monkeypatch.setattr(doctor.os, "getloadavg", lambda: (0.1, 0.1, 0.1))
    monkeypatch.setattr(doctor.importlib.metadata, "requires", lambda name: ["numpy>=1", "nothing>=1; extra == 'test'"])


def ask(params: Path, capsys: pytest.CaptureFixture[str], profile: str = "smoke") -> tuple[int, dict[str, str]]:
    places = [f"--{name}={params.parent / name}" for name in ("results", "work", "data")]
    code = main(["doctor", "--profile", profile, "--params", str(params), *places])
    lines = capsys.readouterr().out.splitlines()
    found = {line.split()[0]: " ".join(line.split()[1:]) for line in lines}
    assert tuple(found) == LINES and len(lines) == len(LINES)
    assert code == int(any(words.startswith("wrong ") for words in found.values()))
    assert [path.name for path in params.parent.iterdir() if path.is_dir() and path.name != "data"] == []
    return code, found


def test_a_good_machine_has_nothing_in_the_way(params: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = ask(params, capsys)
    assert code == 0
    assert found["memory"] == "ok 8.0 GiB free (a job may need 3)" and found["disk"] == "ok 50.0 GB free (wanted 2)"
    assert found["data"] == "ok none needed" and found["compiler"] == "ok the kernels are compiled"
    assert "up to 1 thread a run" in found["threads"]


def no_compiler(half: bool) -> Any:
    raise build.CannotBuild("there is no C compiler")


@pytest.mark.parametrize(
    ("what", "broken", "said"),
    [
        ("memory", ("available_gib", lambda: 0.5), "wrong 0.5 GiB free"),
        ("memory", ("available_gib", lambda: None), "note how much"),
        ("disk", ("shutil.disk_usage", lambda place: SimpleNamespace(free=1e9)), "wrong 1.0 GB free"),
        ("disk", ("os.access", lambda place, mode: False), "wrong"),
        ("git", ("commit", lambda: {"commit": None, "unknown": "no git repository"}), "note no commit (no git"),
        ("packages", ("importlib.metadata.requires", lambda name: ["numpy>=99"]), "wrong numpy: wanted >=99, got "),
        (
            "packages",
            ("importlib.metadata.requires", lambda name: ["no-such>=1"]),
            "wrong no-such: wanted >=1, got",
        ),
        ("threads", ("os.getloadavg", lambda: (400.0, 0.0, 0.0)), "note"),
    ],
)
def test_what_is_not_as_it_should_be_is_named(
    what: str,
    broken: tuple[str, Any],
    said: str,
    params: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(f"uhn.paper.commands.doctor.{broken[0]}", broken[1])
    assert ask(params, capsys)[1][what].startswith(said)


@pytest.mark.parametrize(("kernel", "state"), [("auto", "note"), ("fused", "wrong")])
def test_a_missing_compiler_stops_only_runs_that_ask_for_one(
    kernel: str, state: str, params: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "library", no_compiler)
    change(params, 'compute: {threads: 1}\n    overrides:\n      "*/uhn"', kernel)
    assert ask(params, capsys)[1]["compiler"].startswith(f"{state} there is no C compiler")


def change(params: Path, before: str, kernel: str) -> None:
    text = params.read_text(encoding="utf-8")
    assert text.count(before) == 1
    params.write_text(text.replace(before, before.replace("threads: 1", f"threads: 1, kernel: {kernel}")))


def test_a_gpu_that_is_asked_for_and_a_broken_torch_are_named(
    params: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    text = params.read_text(encoding="utf-8")
    params.write_text(text.replace("    device: auto\n", "    device: cuda\n", 1))
    assert ask(params, capsys)[1]["gpu"] == "wrong none, but runs want cuda"
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1 / 0)
    assert ask(params, capsys)[1]["gpu"] == "wrong torch does not work: division by zero"


def test_data_that_are_missing_or_changed_are_named_with_the_cure(
    repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    params = tmp_path / "params.yaml"
    shutil.copy2(repository / "params.yaml", params)
    assert ask(params, capsys)[1]["data"].startswith(
        "note not here, stand-ins where they are unavailable: uhn data fetch "
    )
    needed = ask(params, capsys, "claims")[1]["data"]
    assert needed == "wrong not here, and no stand-in may take their place: uhn data fetch mnist cora pubmed"
    path = tmp_path / "data" / known_files("cora").files[0].path
    path.parent.mkdir(parents=True)
    path.write_bytes(b"other")
    assert ask(params, capsys)[1]["data"] == "wrong files have changed, `uhn data fetch cora` replaces them"


def test_a_containers_limit_counts(tmp_path: Path) -> None:
    for name, text in {"proc/meminfo": "MemTotal: 9 kB\nMemAvailable: 4194304 kB\n", **CONTAINER}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert available_gib(tmp_path) == 1.0
    (tmp_path / "sys/fs/cgroup/memory.max").write_text("max\n")
    assert available_gib(tmp_path) == 4.0
    assert available_gib(tmp_path / "another system") is None


CONTAINER = {"sys/fs/cgroup/memory.max": f"{3 * 2**30}\n", "sys/fs/cgroup/memory.current": f"{2 * 2**30}\n"}
