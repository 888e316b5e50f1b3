"""The command line: exit codes and one clear line for bad input."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import uhn
from uhn.paper.cli import COMMANDS, main


@pytest.fixture
def params(repository: Path) -> str:
    return str(repository / "params.yaml")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "mnist-mpl/uhn/seed-1"], "did you mean mnist-mlp"),
        (["run", "mnist-mlp/huhn"], "mnist-mlp has the methods direct, uhn"),
        (["run", "mnist-mlp/uhn/seed-one"], "seed-<number>"),
        (["run"], "wanted names of runs, --job, --table or --missing, got none"),
        (["run", "mnist-mlp", "--job", "functions/seed-21962"], "got names of runs and --job"),
        (["run", "--job", "none"], "no job 'none'; there are "),
        (["plan", "--profile", "fast"], "profile: wanted one of quick, claims, searches, paper, smoke, got 'fast'"),
        (["accept", "mnist-mlp", "--why", "x"], "wanted a finished run to accept"),
        (["accept", "mnist-mlp", "--why", " "], "wanted a reason"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    arguments: list[str], message: str, params: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    profile = [] if "--profile" in arguments else ["--profile", "smoke"]
    code = main([*arguments, *profile, "--params", params, "--results", str(tmp_path)])
    said = capsys.readouterr()
    assert code == 2
    assert message in said.err
    assert said.err.startswith("uhn: ")
    assert said.err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_wrong_settings_file_is_named_with_the_key(tmp_path: Path, repository: Path, forking_python: str) -> None:
    text = (repository / "params.yaml").read_text().replace("warmup: 5", "warmup: -5", 1)
    (tmp_path / "params.yaml").write_text(text)
    command = [forking_python, "-m", "uhn", "plan", "--params", str(tmp_path / "params.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=repository, check=False)
    assert done.returncode == 2
    assert done.stderr == f"uhn: {tmp_path}/params.yaml: defaults.train.warmup: wanted >= 0, got -5\n"


@pytest.mark.parametrize(("named", "spins"), [({}, False), ({"OMP_WAIT_POLICY": "active"}, True)])
def test_threads_wait_asleep_unless_the_environment_says_otherwise(
    named: dict[str, str], spins: bool, repository: Path
) -> None:
    """Said by the library of the threads itself; it reads the environment once, when torch loads it."""
    folder = Path(torch.__file__).parent
    libraries = [*folder.glob("lib/libgomp*"), *folder.parent.glob("torch.libs/libgomp*")]
    if not libraries:
        pytest.skip("torch's threads are not GNU's here")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("OMP_", "GOMP_", "KMP_"))}
    code = "import sys, ctypes; from uhn.paper.cli import main\ntry: main(['--version'])\n"
    code += "except SystemExit: assert 'torch' not in sys.modules and ctypes.CDLL(sys.argv[1])"
    environment = kept | named | {"OMP_DISPLAY_ENV": "verbose", "PYTHONPATH": str(repository)}
    command = [sys.executable, "-c", code, str(libraries[0])]
    done = subprocess.run(command, capture_output=True, text=True, cwd=repository, env=environment, check=True)
    counts = re.findall(r"GOMP_SPINCOUNT = '(\w+)'", done.stderr)
    assert counts and all((count != "0") is spins for count in counts)


def test_the_help_names_every_command_and_imports_none(repository: Path) -> None:
    code = (
        "import sys\nfrom uhn.paper.cli import main\ntry:\n    main(['--help'])\n"
        "except SystemExit:\n    print({'torch', 'pydantic', 'yaml', 'pandas'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=repository, check=True)
    assert done.stdout.splitlines()[-1] == "set()"
    assert all(f"    {name} " in done.stdout for name in COMMANDS)


def test_the_plan_names_tables_and_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--names"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("table11") for line in lines)
    assert "  kan-kv/uhn/seed-21962" in lines


def test_the_version_and_the_public_names(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert uhn.__version__ in capsys.readouterr().out
    for name in uhn.__all__:
        assert getattr(uhn, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        uhn.nothing  # noqa: B018


def test_an_error_nobody_expected_is_not_swallowed(monkeypatch: pytest.MonkeyPatch) -> None:
    from uhn.paper.commands import run as commands

    def broken(args: object) -> int:
        raise RuntimeError("a bug")

    monkeypatch.setattr(commands, "show_plan", broken)
    with pytest.raises(RuntimeError, match="a bug"):
        main(["plan"])


@pytest.mark.parametrize(("signal", "code"), [("INT", 130), ("TERM", 143)])
def test_signals_have_their_exit_codes(signal: str, code: int, tmp_path: Path, forking_python: str) -> None:
    program = (
        "import os, signal, sys; from uhn.paper.commands import run as commands; from uhn.paper.cli import main\n"
        f"commands.show_plan = lambda args: os.kill(os.getpid(), signal.SIG{signal}) or signal.pause()\n"
        "sys.exit(main(['plan']))"
    )
    done = subprocess.run([forking_python, "-c", program], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == code
    assert done.stderr in ("uhn: interrupted\n", "uhn: terminated\n")


def test_the_readme_examples_work(repository: Path) -> None:
    text = (repository / "README.md").read_text(encoding="utf-8")
    examples = [part.split("```")[0] for part in text.split("```python\n")[1:]]
    examples = [example for example in examples if "from_pretrained" not in example]  # tests/pretrained
    scope: dict[str, object] = {}
    for example, shape in zip(examples, [(8, 3), (8, 10)], strict=True):
        assert len(example.splitlines()) <= 8
        exec(compile(example, "README.md", "exec"), scope)
        assert scope["logits"].shape == shape  # type: ignore[attr-defined]


def test_the_library_page_works(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its blocks in order, as a reader would type them; and what the page says of their outcome."""
    text = (repository / "docs" / "library.md").read_text(encoding="utf-8")
    blocks = [part.split("```")[0] for part in text.split("```python\n")[1:]]
    assert len(blocks) == text.count("```") // 2
    monkeypatch.chdir(tmp_path)
    scope: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, "docs/library.md", "exec"), scope)
    assert scope["losses"][-1] < scope["losses"][0] / 2
    assert scope["accuracy"] > 0.6 and scope["unseen_accuracy"] > 0.6, "chance is a half of the rows at most"
    assert len(scope["said"]) == 1 and "out_idx 0..31 is outside 0..23" in str(scope["said"][0].message)
    assert scope["logits"].shape == (256, 3) and scope["values"].shape == (256, 1)
    assert scope["spec"].num_params == 403 == len(scope["flat"])
