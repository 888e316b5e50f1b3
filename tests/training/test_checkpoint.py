"""Progress files: whole, verified, and never another run's."""

from __future__ import annotations

import hashlib
import io
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from toy import SPEC, Toy

from uhn.models.feedforward import mlp
from uhn.sources import UniversalHypernetwork
from uhn.training.checkpoint import MAGIC, ProgressError, discard_progress, load_progress, read_progress, save_progress
from uhn.training.distributions import OneModel
from uhn.training.loop import Loop, Phase

STATE: dict[str, Any] = {
    "loop": {"source": {"flat": torch.arange(50.0)}, "step": 7, "losses": torch.empty(0)},
    "history": [["init", 1, 1, 0.1, 2.5, "", 0.0]],
    "seconds": 1.5,
}
HERE = {"kernel": "eager", "device": "cpu", "processor": "one", "capability": "AVX512", "torch": "2.13.0"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "run" / "progress.ckpt"
    save_progress(file, "a" * 64, STATE, HERE)
    return file


def names(path: Path) -> list[str]:
    return sorted(file.name for file in path.parent.iterdir())


def framed(body: bytes) -> bytes:
    return MAGIC + hashlib.sha256(body).hexdigest().encode() + b"\n" + body


def test_round_trip(path: Path) -> None:
    state = load_progress(path, "a" * 64, HERE)
    assert state is not None and state["history"] == STATE["history"] and state["seconds"] == 1.5
    assert torch.equal(state["loop"]["source"]["flat"], torch.arange(50.0))
    assert path.exists(), "reading does not use it up"
    save_progress(path, "a" * 64, STATE | {"seconds": 2.0}, HERE)
    assert read_progress(path)["state"]["seconds"] == 2.0
    assert [p.name for p in path.parent.iterdir()] == ["progress.ckpt"]


def test_no_file(tmp_path: Path) -> None:
    assert load_progress(tmp_path / "none", "a", HERE) is None


def test_truncated_anywhere(path: Path) -> None:
    whole = path.read_bytes()
    for size in [*range(0, len(whole), 100), len(whole) - 1]:
        path.write_bytes(whole[:size])
        with pytest.raises(ProgressError, match="whole progress file|truncated or altered"):
            read_progress(path)
    path.write_bytes(whole)
    assert read_progress(path)["identity"] == "a" * 64


def test_a_flipped_byte_anywhere(path: Path) -> None:
    whole = path.read_bytes()
    for place in [*range(0, len(MAGIC) + 66), *range(len(MAGIC) + 66, len(whole), 53), len(whole) - 1]:
        damaged = bytearray(whole)
        damaged[place] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(ProgressError):
            read_progress(path)
    path.write_bytes(whole + b"x")
    with pytest.raises(ProgressError):
        read_progress(path)


def test_a_damaged_file_is_set_aside_with_a_message(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path.write_bytes(path.read_bytes()[:-10])
    assert load_progress(path, "a" * 64, HERE) is None
    said = capsys.readouterr().out
    assert "truncated or altered" in said and "starting again" in said
    assert [p.name for p in path.parent.iterdir()] == ["progress.ckpt.damaged"]


def test_another_runs_file_is_set_aside_with_a_message(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert load_progress(path, "b" * 64, HERE) is None
    assert "belongs to other settings, data or code" in capsys.readouterr().out
    assert len(names(path)) == 1 and not path.exists()


def test_what_was_set_aside_is_where_its_run_goes_on(path: Path) -> None:
    assert load_progress(path, "b" * 64, HERE) is None
    save_progress(path, "b" * 64, STATE | {"seconds": 2.0}, HERE)
    first, second = load_progress(path, "a" * 64, HERE), load_progress(path, "b" * 64, HERE)
    assert first is not None and first["seconds"] == 1.5
    assert second is not None and second["seconds"] == 2.0


@pytest.mark.parametrize("what", list(HERE))
def test_progress_of_another_machine_is_not_resumed(what: str, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    there = HERE | {what: "another"}
    assert load_progress(path, "a" * 64, there) is None
    said = capsys.readouterr().out
    assert f"was made otherwise ({what} {HERE[what]} there, another here)" in said and said.count("\n") == 1
    assert load_progress(path, "a" * 64, HERE) is not None, "it is there for whoever goes back"


def test_a_file_of_before_machines_were_written_down_is_resumed(path: Path) -> None:
    buffer = io.BytesIO()
    torch.save({"identity": "a" * 64, "state": STATE}, buffer)
    path.write_bytes(framed(buffer.getvalue()))
    assert load_progress(path, "a" * 64, HERE) is not None
    path.write_bytes(framed(buffer.getvalue()))
    assert load_progress(path, "a" * 64, HERE | {"kernel": "fused"}) is None


def test_a_finished_run_takes_its_own_progress_away_and_leaves_that_of_others(path: Path) -> None:
    assert load_progress(path, "a" * 64, HERE | {"torch": "2.14.0"}) is None  # its own, of another machine
    path.write_bytes(b"damaged")
    assert load_progress(path, "c" * 64, HERE) is None
    save_progress(path, "b" * 64, STATE, HERE)
    discard_progress(path, "a" * 64)
    assert len(names(path)) == 1
    state = load_progress(path, "b" * 64, HERE)
    assert state is not None
    discard_progress(path, "b" * 64)
    assert names(path) == []


def test_an_unknown_format_is_never_read(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"uhn-progress-1", b"uhn-progress-2"))
    with pytest.raises(ProgressError, match="not a whole progress file"):
        read_progress(path)


class Bomb:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return Path.touch, (Path("exploded"),)  # type: ignore[return-value]


@pytest.mark.parametrize("content", ["pickle", "tensors", "noise", "list"])
def test_whatever_has_a_valid_checksum_is_still_no_progress(
    content: str, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    buffer = io.BytesIO()
    if content == "tensors":
        torch.save({"identity": Bomb(), "state": {}}, buffer)
    elif content == "list":
        torch.save([1, 2], buffer)
    body = {"pickle": pickle.dumps(Bomb(), protocol=2), "noise": b"noise" * 50}.get(content, buffer.getvalue())
    path.write_bytes(framed(body))
    with pytest.raises(ProgressError):
        read_progress(path)
    assert not (tmp_path / "exploded").exists()
    assert load_progress(path, "a" * 64, HERE) is None


def test_progress_from_before_ranges_travelled_with_it_keeps_loading(tmp_path: Path) -> None:
    def loop(*sizes: int) -> Loop:
        source = UniversalHypernetwork.for_specs([mlp(sizes)], hidden=8, frequencies=8)
        return Loop(source, OneModel(Toy(), SPEC), [Phase("init", 4, 1e-3)], seed=0)

    whole, part, last = loop(6, 5, 3), loop(6, 5, 3), loop(6, 5, 3)
    list(whole)
    for _ in range(2):
        part._advance(part.phases[0], part.phases[0].rate(part.step))
        part.step += 1
    state = part.state_dict()
    before = {name: value for name, value in state["source"].items() if name != "_extra_state"}
    save_progress(tmp_path / "p", "me", state | {"source": before}, HERE)
    found = load_progress(tmp_path / "p", "me", HERE)
    assert found is not None and len(before) < len(state["source"])
    last.load_state_dict(found)
    list(last)
    assert all(torch.equal(a, b) for a, b in zip(whole.source.parameters(), last.source.parameters(), strict=True))
    with pytest.raises(ValueError, match="progress does not fit this run: this state makes other weights"):
        loop(6, 64, 3).load_state_dict(state)
