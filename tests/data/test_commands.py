"""``uhn data fetch | verify | list`` as a user sees them."""

from __future__ import annotations

from pathlib import Path

import pytest

from uhn.cli import main
from uhn.data import commands


@pytest.fixture(autouse=True)
def known(tiny_mnist: tuple[Path, dict[str, bytes]], monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tiny MNIST is the only dataset; its mirror is in the environment."""
    monkeypatch.setenv("UHN_DATA_MIRROR", str(tiny_mnist[0]))
    monkeypatch.chdir(tiny_mnist[0].parent)
    return tiny_mnist[0]


def test_fetch_verify_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "verify"]) == 1
    assert capsys.readouterr().out.count("missing") == 4
    assert main(["data", "fetch", "mnist"]) == 0
    assert main(["data", "verify", "mnist"]) == 0
    out = capsys.readouterr().out
    assert out.count("ok ") == 4 and str(Path("data/mnist")) in out
    assert main(["data", "list"]) == 0
    out = capsys.readouterr().out
    assert "mnist" in out and "here" in out and "licence" in out
    Path("data/mnist/t10k-labels-idx1-ubyte").write_bytes(b"x")
    assert main(["data", "verify"]) == 1
    assert "changed" in capsys.readouterr().out


def test_what_cannot_be_had(known: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UHN_DATA_MIRROR", str(known / "elsewhere"))
    assert main(["data", "fetch"]) == 1
    said = capsys.readouterr().err
    assert (
        str(known / "elsewhere") in said and said.startswith("dataset 'mnist': mnist/") and said.count("'mnist'") == 1
    )
    assert main(["data", "fetch", "--allow-missing"]) == 0
    assert "could not be had" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["fetch", "verify"])
def test_unknown_name(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", command, "imagenet"]) == 2
    assert "unknown dataset imagenet; known: mnist" in capsys.readouterr().err


def test_errors_reach_the_user_without_a_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise commands.DataError("the file is damaged")

    monkeypatch.setattr(commands, "verify", broken)
    assert main(["data", "verify"]) == 1
    assert capsys.readouterr().err == "uhn: the file is damaged\n"
