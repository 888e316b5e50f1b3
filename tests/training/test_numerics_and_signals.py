"""Devices, deterministic numerics, requests to stop, and what a person sees."""

from __future__ import annotations

import fcntl
import os
import platform
import resource
import signal
import struct
import termios
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest
import torch

from uhn.training.interrupts import Stopped, stop_on_signals
from uhn.training.loop import Report
from uhn.training.precision import autocast, pick_device, reproducible
from uhn.training.progress import Display, clock


def test_devices_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert pick_device("auto").type == pick_device("cpu").type == "cpu"
    with pytest.raises(ValueError, match="cuda, but torch finds no CUDA device"):
        pick_device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert pick_device("auto").type == pick_device("cuda").type == "cuda"


def test_reproducible_sets_and_puts_back() -> None:
    before = torch.get_num_threads(), torch.get_float32_matmul_precision()
    with reproducible(2):
        assert torch.get_num_threads() == 2
        assert torch.are_deterministic_algorithms_enabled()
        assert torch.get_float32_matmul_precision() == "highest"
        assert not torch.utils.deterministic.fill_uninitialized_memory
    assert (torch.get_num_threads(), torch.get_float32_matmul_precision()) == before
    with pytest.raises(RuntimeError, match="inside"), reproducible(2):
        raise RuntimeError("inside")
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.utils.deterministic.fill_uninitialized_memory


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="how another C library keeps memory is not ours to say")
def test_a_reproducible_process_keeps_what_it_frees_for_the_next_step() -> None:
    with reproducible(1):
        faults = []
        for _ in range(8):
            step = [torch.ones(2**22) for _ in range(8)]  # 16 MiB each, all freed at once
            del step
            faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
    assert faults[-1] - faults[-3] < 1000, f"pages of 4 KiB taken anew, of {2 * 2**27 // 4096}"


def test_autocast_by_name() -> None:
    with autocast("fp32", torch.device("cpu")):
        assert not torch.is_autocast_enabled("cpu")
    for name, dtype in (("bf16", torch.bfloat16), ("fp16", torch.float16)):
        with autocast(name, torch.device("cpu")):
            assert torch.get_autocast_dtype("cpu") == dtype and torch.is_autocast_enabled("cpu")


@pytest.fixture
def delivered() -> Iterator[list[int]]:
    """Signals that reach whoever handled them before."""
    got: list[int] = []
    before = {number: signal.signal(number, lambda n, f: got.append(n)) for number in (signal.SIGINT, signal.SIGTERM)}
    yield got
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_a_request_that_is_delivered_at_the_end(number: signal.Signals, delivered: list[int]) -> None:
    with stop_on_signals() as stop:
        assert not stop
        os.kill(os.getpid(), number)
        assert stop and stop.signum == number and delivered == []
        raise Stopped
    assert delivered == [number]


def test_a_second_signal_takes_effect_at_once(delivered: list[int]) -> None:
    with stop_on_signals() as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop and delivered == []
        os.kill(os.getpid(), signal.SIGTERM)
        assert delivered == [signal.SIGTERM]


def test_without_a_signal_nothing_is_delivered_and_handlers_are_put_back(delivered: list[int]) -> None:
    before = signal.getsignal(signal.SIGINT)
    with stop_on_signals():
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before and delivered == []
    with pytest.raises(RuntimeError, match="a fault"), stop_on_signals():
        raise RuntimeError("a fault")
    assert signal.getsignal(signal.SIGINT) is before


def test_a_signal_that_was_ignored_stays_ignored(delivered: list[int]) -> None:
    """As SIGINT is in a shell's background jobs, and SIGTERM under some supervisors."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with stop_on_signals() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert not stop
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_other_threads_leave_signals_alone() -> None:
    seen: list[object] = []

    def work() -> None:
        with stop_on_signals() as stop:
            seen.append(bool(stop))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False]


def test_clock() -> None:
    assert [clock(s) for s in (0, 59.6, 61, 3599, 3600, 7325)] == [
        "0:00",
        "1:00",
        "1:01",
        "59:59",
        "1:00:00",
        "2:02:05",
    ]


def test_a_log_gets_a_line_now_and_then(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("uhn.training.progress.time.monotonic", lambda: now[0])
    monkeypatch.setattr("sys.stderr.isatty", lambda: False, raising=False)
    display = Display("a/uhn/seed-1", 100)
    for step in range(10, 101, 10):
        now[0] += 5
        display.show(Report(0, "train", step, 100, 1, 0.01, 2.0), step, "validation 0.5" if step == 50 else "")
    display.close("accuracy 0.9")
    lines = capsys.readouterr().out.splitlines()
    assert 4 <= len(lines) <= 6 and lines[-1] == "a/uhn/seed-1: accuracy 0.9"
    assert "train step 10/100 loss 2 lr 1.00e-02" in lines[0] and "2 steps/s, 0:45 left" in lines[0]
    assert any("step 50/100" in line and "validation 0.5" in line for line in lines)


def test_a_log_is_not_silent_between_reports_that_are_far_apart(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: False, raising=False)
    monkeypatch.setattr("uhn.training.progress.SILENCE_SECONDS", 0.05)
    display, begun, said = Display("a/uhn/seed-1", 100), threading.active_count(), ""
    with pytest.raises(ValueError), display.heartbeat(lambda: 7):
        while "alive" not in said:
            time.sleep(0.01)
            said += capsys.readouterr().out
        raise ValueError
    assert said.startswith("a/uhn/seed-1: alive, 7 of 100 steps\n") and threading.active_count() == begun


def all_of(terminal: int) -> str:
    """What was written to the other end of a terminal that has been closed there; it arrives piece by piece."""
    seen = b""
    with os.fdopen(terminal, "rb", buffering=0) as file, suppress(OSError):
        while piece := file.read(1 << 16):
            seen += piece
    return seen.decode()


@pytest.mark.parametrize(("columns", "drawn"), [(120, True), (80, False), (0, True)])
def test_a_terminal_gets_a_bar_with_the_numbers_first(
    columns: int, drawn: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a real pseudo-terminal, also on one that does not know its width."""
    outer, inner = os.openpty()
    fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 24 if columns else 0, columns, 0, 0))
    with os.fdopen(inner, "w", encoding="utf-8") as terminal:
        monkeypatch.setattr("sys.stderr", terminal)
        display = Display("kan-kv/uhn/seed-21962", 100)
        display.bar.mininterval = 0  # type: ignore[union-attr]
        display.show(Report(0, "train", 50, 100, 1, 0.01, 2.0), 50, "validation 0.5")
        display.close("accuracy 0.9")
        monkeypatch.undo()
    last = all_of(outer).replace("\r", "\n").strip().splitlines()[-1]
    assert last.startswith("kan-kv/uhn/seed-21962: 50/100, ") and " left, train loss 2 validation 0.5" in last
    assert ("█" in last and "steps/s" in last) == drawn
    assert len(last) <= (columns or 100)
    assert capsys.readouterr().out == "kan-kv/uhn/seed-21962: accuracy 0.9\n"
