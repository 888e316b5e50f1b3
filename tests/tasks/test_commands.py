"""``uhn data fetch | verify | list`` as a user sees them."""

from __future__ import annotations

from pathlib import Path

import pytest

from uhn.paper.cli import main
from uhn.paper.commands import data as commands


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
    """A mirror that is set must have the files: nothing stands in for what it lacks."""
    monkeypatch.setenv("UHN_DATA_MIRROR", str(known / "elsewhere"))
    for options in ([], ["--allow-missing", "--receipts", "receipts"]):
        assert main(["data", "fetch", *options]) == 1
        said = capsys.readouterr().err
        assert said.startswith("dataset 'mnist': mnist/") and said.count("'mnist'") == 1
        assert f"Cure: set UHN_DATA_MIRROR (it is {known / 'elsewhere'}; nothing stands in" in said
    assert not Path("receipts").exists()
    monkeypatch.setenv("UHN_DATA_MIRROR", "http://[::1/x")
    assert main(["data", "fetch", "--allow-missing"]) == 2
    assert "must be a folder or an http(s) address, got 'http://[::1/x'" in capsys.readouterr().err
    monkeypatch.delenv("UHN_DATA_MIRROR")
    assert main(["data", "fetch"]) == 1
    assert "Cure: set UHN_DATA_MIRROR to a folder or an address" in capsys.readouterr().err
    assert main(["data", "fetch", "--allow-missing", "--receipts", "receipts"]) == 0
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "mnist" in said and "Reason: no mirror" in said and "Cure: set" in said
    assert [path.name for path in Path("receipts").iterdir()] == ["mnist.json"]


def test_only_what_no_place_has_may_be_missing(capsys: pytest.CaptureFixture[str]) -> None:
    Path("data").write_text("in the way")
    assert main(["data", "fetch", "--allow-missing"]) == 1
    assert "cannot write below data" in capsys.readouterr().err


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
